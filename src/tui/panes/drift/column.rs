//! One column of a window: both distributions, what changed in words; and the worst columns as small histograms.

use super::draw::{held, places, sign, title};
use super::{Drift, GRID, Part};
use crate::chart::{Chart, ChartSpec, Histogram};
use crate::domain::drift::DriftDetail;
use crate::tui::panes::{Context, parts};
use crate::tui::widgets::chart;
use crate::tui::{frame, layout, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;

/// Both distributions of a column.
pub(super) fn chart_of(detail: &DriftDetail) -> ChartSpec {
    let shown = &detail.column.chart;
    ChartSpec::new(
        format!("{} in {}", detail.column.column, detail.label),
        Chart::Histogram(Histogram {
            edges: shown.edges.clone(),
            categories: shown.categories.clone(),
            reference: shown.reference.clone(),
            current: shown.current.clone(),
            reference_name: "training".to_owned(),
            current_name: "now".to_owned(),
            ..Histogram::default()
        }),
    )
}

/// What changed, in words; then every test; then the values that come more often than before.
pub(super) fn changes(
    detail: &DriftDetail,
    width: usize,
    whole: bool,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let column = &detail.column;
    let (_, style) = sign(column.verdict, theme);
    let mut said = column.changes.clone();
    if said.is_empty() {
        said.push("no change worth words".to_owned());
    }
    let mut lines = parts::wrapped(&[said.join(", ")], width, style);
    let (before, now) = (column.null_reference, column.null_current);
    let known = column
        .changes
        .iter()
        .any(|said| said.starts_with("no value"));
    if !known && (before > 0.0 || now > 0.0) {
        let said = format!(
            "no value {} → {}",
            parts::percent(before),
            parts::percent(now)
        );
        lines.extend(parts::wrapped(&[said], width, theme.text));
    }
    let notes: Vec<String> = column
        .tests
        .iter()
        .filter_map(|test| test.note.clone())
        .take(1)
        .collect();
    lines.extend(parts::wrapped(&notes, width, theme.dim));
    if !whole {
        return lines;
    }
    for test in &column.tests {
        let (sign, style) = sign(test.verdict, theme);
        let value = test.value.map_or_else(|| "—".to_owned(), parts::score);
        let p = test
            .p_value
            .map_or_else(String::new, |p| format!(" p {}", parts::score(p)));
        let said = format!(
            "{sign} {} {value}{p} (limit {})",
            test.method,
            parts::score(test.threshold)
        );
        lines.extend(parts::wrapped(&[said], width, style));
    }
    if !detail.samples.is_empty() {
        lines.push(Line::styled("more often than in training:", theme.dim));
        lines.extend(parts::wrapped(&detail.samples, width, theme.text));
    }
    lines
}

pub(super) fn column(pane: &Drift, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let focused = pane.part == Part::Column;
    let Some(detail) = pane.pictured() else {
        let name = pane.column.clone().unwrap_or_else(|| "Column".to_owned());
        let title = title(pane, Part::Column, name, context);
        let inside = frame::part(buffer, area, title, focused, theme);
        let said = match pane.current() {
            Some(_) => parts::waiting("the column", context),
            None => String::new(),
        };
        parts::put_lines(&[Line::styled(said, theme.dim)], inside, 0, buffer);
        return;
    };
    let score = detail
        .column
        .tests
        .first()
        .map_or_else(String::new, |test| {
            let value = test.value.map_or_else(|| "—".to_owned(), parts::score);
            match test.p_value {
                Some(p) => format!(
                    " ─ {} {value}, p {}",
                    parts::test(&test.method).to_uppercase(),
                    parts::score(p)
                ),
                None => format!(" ─ {} {value}", parts::test(&test.method).to_uppercase()),
            }
        });
    let room = usize::from(area.width.saturating_sub(4)).saturating_sub(text::width(&score));
    let name = format!("{}{score}", parts::middle(&detail.column.column, room));
    let title = title(pane, Part::Column, name, context);
    let inside = frame::part(buffer, area, title, focused, theme);
    let (picture, below) = split(detail, inside, focused, context);
    let spec = chart_of(detail);
    let chart_area = Rect {
        x: picture.x + 1,
        width: picture.width.saturating_sub(1),
        ..picture
    };
    chart::render(chart_area, buffer, &spec.chart, &theme.look());
    let width = usize::from(below.width.saturating_sub(2));
    let whole = focused || below.height > 8;
    let lines = changes(detail, width, whole, context);
    let scroll = if focused { pane.scroll } else { 0 };
    parts::put_lines(&lines, below, scroll, buffer);
}

/// The chart's room and that of the words below it: the words that matter always fit.
pub(super) fn split(
    detail: &DriftDetail,
    inside: Rect,
    focused: bool,
    context: &Context,
) -> (Rect, Rect) {
    let width = usize::from(inside.width.saturating_sub(2));
    let all = changes(detail, width, true, context).len() as u16;
    let few = changes(detail, width, false, context).len() as u16;
    let least = (inside.height / 2).max(4);
    let most = inside.height.saturating_sub(least);
    let wanted = if focused || inside.height > 24 {
        all
    } else {
        few
    };
    let words = wanted.min(most).max(few.min(inside.height / 2));
    let picture = Rect {
        height: inside.height - words,
        ..inside
    };
    let below = Rect {
        y: picture.bottom(),
        height: words,
        ..inside
    };
    (picture, below)
}

/// How far the words of the column can be scrolled.
pub(super) fn length(pane: &Drift, context: &Context) -> usize {
    let inside = parts::inside(places(pane, context.area).column);
    let Some(detail) = pane.pictured() else {
        return 0;
    };
    let (_, below) = split(detail, inside, true, context);
    let width = usize::from(below.width.saturating_sub(2));
    changes(detail, width, true, context)
        .len()
        .saturating_sub(usize::from(below.height))
}

/// Small histograms of the worst columns.
pub(super) fn grid(pane: &Drift, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let Some(page) = pane.shown() else {
        return;
    };
    let count = page.rows.len().clamp(1, GRID) as u16;
    let mut rest = area;
    for (place, row) in page.rows.iter().take(GRID).enumerate() {
        let left = count - place as u16;
        let here = if left == 1 {
            rest
        } else {
            let (here, other) = layout::beside(rest, rest.width.div_ceil(left));
            rest = other;
            here
        };
        let (sign, style) = sign(row.verdict, context.theme);
        let score = held(row);
        let room = usize::from(here.width.saturating_sub(7)).saturating_sub(text::width(&score));
        let title = Line::styled(
            format!("{sign} {} {score}", parts::middle(&row.column, room)),
            style,
        );
        let inside = frame::part(buffer, here, title, false, context.theme);
        match pane.detail_of(&row.column) {
            Some(detail) => {
                let mut spec = chart_of(detail);
                if let Chart::Histogram(histogram) = &mut spec.chart
                    && here.width < 26
                {
                    "ref".clone_into(&mut histogram.reference_name);
                }
                chart::render(inside, buffer, &spec.chart, &context.theme.look());
            }
            None => {
                let said = Line::styled("…", context.theme.dim);
                parts::put_lines(&[said], inside, 0, buffer);
            }
        }
    }
}
