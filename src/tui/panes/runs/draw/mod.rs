//! Draws the runs pane: the status line, and each of its parts in its place. Changes nothing.

mod charts;
mod detail;
mod differences;
mod groups;
mod strip;
mod table;

use super::places::places;
use super::{LETTERS, PARTS, Runs};
use crate::tui::frame;
use crate::tui::keymap::Action;
use crate::tui::panes::{Context, ways_to_begin};
use crate::tui::text;
use ratatui::buffer::Buffer;
pub use table::hit;

/// The status line.
pub fn status(pane: &Runs, context: &Context) -> Vec<String> {
    let mut parts = Vec::new();
    let Some(table) = &pane.table else {
        return vec!["runs are on their way".to_owned()];
    };
    if let Some(wrong) = pane.asked().wrong.or_else(|| pane.refused.clone()) {
        parts.push(format!("▲ {wrong}"));
    }
    parts.push(pane.shown_name());
    parts.push(if pane.filter.is_empty() {
        text::counted(table.total, "run", "runs")
    } else {
        format!(
            "{} of {} runs",
            text::count(table.total),
            text::count(table.unfiltered)
        )
    });
    if let Some(since) = context.lost {
        parts.push(format!("as of {} ago", text::age(context.now.since(since))));
    }
    if pane.fresh > 0 {
        parts.push(format!("{} new, ‹top›", pane.fresh));
    }
    let filter = context.keymap.label(Action::Filter);
    parts.push(if pane.filter.is_empty() {
        format!("no filter ({filter})")
    } else {
        format!("filter {}", pane.filter)
    });
    if let Some(by) = &pane.group {
        parts.push(format!("by {}", super::groups::name(by)));
    }
    parts.push(match pane.order() {
        Some((column, down)) => {
            format!("sort {} {}", column.name(), if down { "↓" } else { "↑" })
        }
        None => "newest first".to_owned(),
    });
    if let Some(nest) = pane.nest {
        let said = if nest {
            "children folded"
        } else {
            "every run alone"
        };
        parts.push(said.to_owned());
    }
    if let Some((_, _, version)) = &table.champion {
        parts.push(format!("against champion {version}"));
    }
    if !pane.marks.is_empty() {
        let names: Vec<String> = pane
            .marks
            .iter()
            .zip(LETTERS)
            .map(|((_, name), letter)| format!("{letter} {name}"))
            .collect();
        parts.push(format!("{} marked: {}", names.len(), names.join("  ")));
    }
    parts
}

/// Draws the pane.
pub fn render(pane: &Runs, buffer: &mut Buffer, context: &Context) {
    let places = places(pane, context.area);
    let all = pane.experiment.is_none() && !pane.archived_now();
    let empty = pane
        .table
        .as_ref()
        .is_some_and(|table| table.unfiltered == 0 && all);
    if empty {
        let inside = frame::part(buffer, context.area, "Runs", true, context.theme);
        ways_to_begin(inside, buffer, context);
        return;
    }
    table::runs(pane, places.table, buffer, context);
    charts::curves(pane, places.chart, buffer, context);
    charts::grid(pane, &places, buffer, context);
    differences::differences(pane, &places, buffer, context);
    detail::detail(pane, &places, buffer, context);
    differences::why(pane, places.why, buffer, context);
    strip::strip(pane, &places.strip, buffer, context);
    charts::readout(pane, &places, buffer, context);
}

/// A part's title when it stands alone: its place among the parts.
fn parts_title(pane: &Runs, name: &str) -> String {
    let place = PARTS
        .iter()
        .position(|part| *part == pane.part)
        .unwrap_or(0);
    format!(
        "{name} ─ part {} of {} (‹next_part›)",
        place + 1,
        PARTS.len()
    )
}
