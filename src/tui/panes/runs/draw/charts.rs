//! The charts of the runs pane: the curves, the grid of the wide screen, the values under the cursor.

use super::super::places::Places;
use super::super::{Part, Runs, scatter};
use crate::chart::{Chart, ChartSpec};
use crate::tui::frame;
use crate::tui::panes::Context;
use crate::tui::widgets::chart;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub(super) fn draw_chart(
    spec: &ChartSpec,
    area: Rect,
    focused: bool,
    buffer: &mut Buffer,
    context: &Context,
) {
    let inside = frame::part(buffer, area, spec.heading(), focused, context.theme);
    chart::render(inside, buffer, &spec.chart, &context.theme.look());
}

/// The chart of one metric; says so where nothing has a curve.
pub(super) fn spec(pane: &Runs, key: &str) -> ChartSpec {
    let mut spec = pane.view.chart(key, &pane.series, &pane.shown());
    if let Chart::Curves(curves) = &mut spec.chart {
        let single = pane
            .detail
            .as_ref()
            .is_some_and(|detail| detail.curves.is_empty());
        curves.empty = if single {
            format!("{key} was logged once: no curve; Enter shows the value")
        } else {
            "no points yet".to_owned()
        };
    }
    spec
}

pub(super) fn curves(pane: &Runs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Chart;
    match pane.metric() {
        Some(key) => draw_chart(&spec(pane, &key), area, focused, buffer, context),
        None => {
            let inside = frame::part(buffer, area, "Curves", focused, context.theme);
            buffer.set_stringn(
                inside.x + 1,
                inside.y,
                "no metrics logged yet",
                usize::from(inside.width.saturating_sub(1)),
                context.theme.dim,
            );
        }
    }
}

pub(super) fn grid(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    if places.grid[0].is_empty() {
        return;
    }
    let charted = pane.charted();
    for (place, area) in places.grid[..2].iter().enumerate() {
        match charted.get(place + 1) {
            Some(key) => draw_chart(&spec(pane, key), *area, false, buffer, context),
            None => {
                let inside = frame::part(buffer, *area, "Curves", false, context.theme);
                buffer.set_stringn(
                    inside.x + 1,
                    inside.y,
                    "no other metric has a curve",
                    usize::from(inside.width.saturating_sub(1)),
                    context.theme.dim,
                );
            }
        }
    }
    let scatter = pane
        .table
        .as_ref()
        .and_then(|table| scatter::scatter(table, &pane.shown()));
    match scatter {
        Some(spec) => draw_chart(&spec, places.grid[2], false, buffer, context),
        None => {
            let inside = frame::part(buffer, places.grid[2], "Parameters", false, context.theme);
            buffer.set_stringn(
                inside.x + 1,
                inside.y,
                "no numeric parameter differs between these runs",
                usize::from(inside.width.saturating_sub(1)),
                context.theme.dim,
            );
        }
    }
}

/// What the curves are at the cursor, in the lowest border.
pub(super) fn readout(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    if places.chart.is_empty() {
        return;
    }
    let Some(key) = pane.metric() else {
        return;
    };
    let curves = pane.view.curves(&key, &pane.series, &pane.shown());
    if let Some(said) = pane.view.readout(&curves) {
        let area = if places.grid[0].is_empty() {
            places.chart
        } else {
            context.area
        };
        frame::foot(buffer, area, said, context.theme);
    }
}
