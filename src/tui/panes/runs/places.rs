//! Where the parts of the runs pane are: a pure function of its area, used by keys, mouse and drawing alike.

use super::{Part, Runs};
use crate::tui::layout::{self, Room};
use ratatui::layout::{Position, Rect};

/// Where each part is; an empty area: not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    pub table: Rect,
    pub chart: Rect,
    pub differences: Rect,
    pub detail: Rect,
    /// The other charts of the wide grid.
    pub grid: [Rect; 3],
    pub why: Rect,
    /// Live, jobs and messages.
    pub strip: [Rect; 3],
}

impl Places {
    /// The part at a place of the screen.
    pub fn at(&self, position: Position) -> Option<Part> {
        [
            (self.table, Part::Table),
            (self.chart, Part::Chart),
            (self.differences, Part::Differences),
            (self.detail, Part::Detail),
        ]
        .into_iter()
        .find(|(area, _)| area.contains(position))
        .map(|(_, part)| part)
    }
}

/// Where everything is in `area`.
pub fn places(pane: &Runs, area: Rect) -> Places {
    let mut places = Places::default();
    let room = Room::of(area);
    if room == Room::One || pane.zoomed || area.height < 16 {
        match pane.part {
            Part::Table => places.table = area,
            Part::Chart => places.chart = area,
            Part::Differences => places.differences = area,
            Part::Detail => places.detail = area,
        }
        return places;
    }
    if room == Room::Wide {
        let (left, right) = layout::beside(area, area.width - 46);
        let (body, strip) = layout::above(left, left.height - 2);
        let (side, corner) = layout::above(right, right.height - 2);
        let (table, charts) = layout::above(body, body.height * 2 / 5);
        let (upper, lower) = layout::above(charts, charts.height.div_ceil(2));
        let half = charts.width / 2;
        let (first, second) = layout::beside(upper, half);
        let (third, fourth) = layout::beside(lower, half);
        let (live, jobs) = layout::beside(strip, half);
        let (detail, rest) = layout::above(side, side.height * 2 / 5);
        let (why, differences) = layout::above(rest, rest.height * 2 / 5);
        return Places {
            table,
            chart: first,
            differences,
            detail,
            grid: [second, third, fourth],
            why,
            strip: [live, jobs, corner],
        };
    }
    let (upper, lower) = layout::above(area, area.height.div_ceil(2));
    let (chart, differences) = layout::beside(lower, area.width * 5 / 8);
    places.chart = chart;
    places.differences = differences;
    if room == Room::Large {
        let (table, detail) = layout::beside(upper, area.width - 42);
        places.table = table;
        places.detail = detail;
    } else {
        places.table = upper;
    }
    places
}
