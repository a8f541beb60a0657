//! Draws the drift pane: the table, one column's distributions, windows and quality. Changes nothing.

use super::{Drift, PARTS, Part, column, quality};
use crate::chart::ChartSpec;
use crate::domain::drift::{DriftRow, DriftVerdict};
use crate::tui::layout::{self, Room};
use crate::tui::panes::{Context, parts};
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{Column, Hit, Row, Table, widths};
use crate::tui::widgets::{chart, sparkline};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;

/// Where each part is; an empty area: not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    pub table: Rect,
    pub sentence: Rect,
    pub column: Rect,
    pub windows: Rect,
    pub quality: Rect,
    /// The worst columns, side by side.
    pub grid: Rect,
}

/// Rows of the sentence's box in a part of this width, borders counted.
fn said(pane: &Drift, width: u16, most: u16) -> u16 {
    let width = usize::from(width.saturating_sub(4));
    let count = |said: &str| text::wrap(said, width).len();
    let lines = pane.shown().zip(pane.window()).map_or(1, |(page, window)| {
        let quality = quality::sentence(page, window);
        count(&page.sentence) + quality.map_or(0, |quality| count(&quality))
    });
    (lines as u16).clamp(1, most) + 2
}

/// Where everything is in `area`.
pub fn places(pane: &Drift, area: Rect) -> Places {
    let room = Room::of(area);
    let mut places = Places::default();
    let one = room == Room::One || pane.zoomed || area.height < 16;
    if one || (room == Room::Normal && pane.part == Part::Windows) {
        match pane.part {
            Part::Table => {
                let (table, sentence) = layout::above(
                    area,
                    area.height + 1 - said(pane, area.width, 3).min(area.height),
                );
                places.table = table;
                places.sentence = sentence;
            }
            Part::Column => places.column = area,
            Part::Windows => {
                let (quality, windows) = layout::above(area, area.height / 2);
                places.quality = quality;
                places.windows = windows;
            }
        }
        return places;
    }
    let (upper, lower) = match room {
        Room::Wide => {
            let (upper, lower) = layout::above(area, area.height - area.height * 5 / 9);
            let (grid, lower) = layout::above(lower, lower.height * 4 / 9);
            places.grid = grid;
            (upper, lower)
        }
        Room::Large => layout::above(area, area.height * 5 / 9),
        _ => (area, Rect::default()),
    };
    let left = match room {
        Room::Normal => area.width * 5 / 8,
        _ => area.width * 11 / 20,
    };
    let (table, column) = layout::beside(upper, left);
    let (table, sentence) = layout::above(table, table.height + 1 - said(pane, table.width, 4));
    places.table = table;
    places.sentence = sentence;
    places.column = column;
    if !lower.is_empty() {
        let (windows, quality) = layout::beside(lower, left);
        places.windows = windows;
        places.quality = quality;
    }
    places
}

/// The status line.
pub fn status(pane: &Drift, context: &Context) -> Vec<String> {
    let Some(answer) = &pane.page else {
        return vec!["drift is on its way".to_owned()];
    };
    let Some(page) = answer else {
        return vec!["no monitor watches a deployment".to_owned()];
    };
    let mut said = Vec::new();
    if let Some(refused) = &pane.refused {
        said.push(format!("▲ {refused}"));
    }
    said.push(format!("monitor {}", page.monitor));
    if let Some(window) = pane.window() {
        let from = text::day(window.from, context.offset_s);
        let to = text::day(window.to, context.offset_s);
        said.push(format!("{} ({from} to {to})", window.label));
        said.push(text::counted(window.rows, "row", "rows"));
        said.push(format!(
            "window {} of {} (‹previous_tab› ‹next_tab›)",
            pane.windows.line + 1,
            page.windows.len()
        ));
    }
    if !pane.filter.is_empty() {
        said.push(format!("filter {}", pane.filter));
    }
    if page.monitors.len() > 1 {
        said.push(format!("{} monitors (‹window›)", page.monitors.len()));
    }
    said
}

/// Draws the pane.
pub fn render(pane: &Drift, buffer: &mut Buffer, context: &Context) {
    if let Some(None) = &pane.page {
        let inside = frame::part(buffer, context.area, "Drift", true, context.theme);
        let words = [
            "No monitor is configured yet. In trainyard.toml:",
            "",
            "[monitor.NAME]",
            "deployment = \"DEPLOYMENT\"",
            "window = \"30d\"",
            "",
            "It compares what was served with the training data of the version that answered.",
            "trainyard demo                     the flights example, a year by windows",
        ];
        parts::put_words(&words, inside, buffer, context);
        return;
    }
    let empty = pane.shown().is_some_and(|page| page.windows.is_empty());
    if empty {
        let inside = frame::part(buffer, context.area, "Drift", true, context.theme);
        let said = pane.shown().map_or("", |page| page.sentence.as_str());
        let words = [
            said,
            "",
            "A window fills when the deployment answers requests:",
            "trainyard predict MODEL FILE --out FILE, or POST to /invocations.",
            "The monitor then looks by itself; trainyard monitor run NAME --from A --to B looks now.",
        ];
        parts::put_words(&words, inside, buffer, context);
        return;
    }
    let places = places(pane, context.area);
    table(pane, places.table, buffer, context);
    sentence(pane, places.sentence, buffer, context);
    column::column(pane, places.column, buffer, context);
    column::grid(pane, places.grid, buffer, context);
    windows(pane, places.windows, buffer, context);
    by_window(pane, places.quality, buffer, context);
}

pub fn title(pane: &Drift, part: Part, name: String, context: &Context) -> String {
    let alone = Room::of(context.area) == Room::One || pane.zoomed;
    if alone {
        let place = PARTS.iter().position(|one| *one == part).unwrap_or(0);
        format!("{name} ─ {} of {}", place + 1, PARTS.len())
    } else {
        name
    }
}

pub fn sign(verdict: DriftVerdict, theme: &Theme) -> (&'static str, Style) {
    match verdict {
        DriftVerdict::Drift => ("▲", theme.warn),
        DriftVerdict::Stable => ("●", theme.good),
        DriftVerdict::TooFew | DriftVerdict::NoData => ("○", theme.dim),
    }
}

/// What is held against the limit: the p-value where the test has one.
pub fn held(row: &DriftRow) -> String {
    match (row.p_value, row.score) {
        (Some(p), _) => format!("p {}", parts::score(p)),
        (None, Some(score)) => parts::score(score),
        (None, None) => "—".to_owned(),
    }
}

fn heads(pane: &Drift, width: u16) -> Vec<Column> {
    let tests = pane.rows().iter().any(|row| row.p_value.is_some());
    let back = if width >= 80 { 16 } else { 7 };
    let mut heads = vec![
        Column::text("", 1),
        Column::text("FEATURE", 14).growing(),
        Column::number("SCORE", if tests { 8 } else { 6 }),
        Column::number("LIMIT", 5),
        Column::text("TEST", 4),
        Column::number("WINDOWS", back),
    ];
    if width >= 80 {
        heads[4] = Column::text("TEST", 8);
    }
    heads
}

fn with_table<T>(pane: &Drift, area: Rect, context: &Context, with: impl FnOnce(&Table) -> T) -> T {
    let theme = context.theme;
    let rows = pane.rows();
    let heads = heads(pane, area.width);
    let places = widths(&heads, area.width);
    let wide = |column: usize| {
        places
            .get(column)
            .map_or(0, |(_, width)| usize::from(*width))
    };
    let stale = pane.stale();
    let row = |line: usize| {
        let Some(row) = rows.get(line) else {
            return Row::default();
        };
        let (sign, style) = sign(row.verdict, theme);
        let (plain, style) = if stale {
            (theme.dim, theme.dim)
        } else {
            (theme.text, style)
        };
        let score = if row.verdict == DriftVerdict::Drift {
            style
        } else {
            plain
        };
        let range = Some((0.0, range(row)));
        Row {
            cells: vec![
                (sign.to_owned(), style),
                (parts::middle(&row.column, wide(1)), plain),
                (held(row), score),
                (parts::score(row.limit), plain),
                (parts::test(&row.method).to_owned(), plain),
                (
                    sparkline::text(&row.history, wide(5), range, theme.ascii()),
                    score,
                ),
            ],
        }
    };
    with(&Table {
        columns: &heads,
        count: rows.len(),
        row: &row,
        offset: pane.cursor.first(area.height, rows.len()),
        selected: Some(pane.cursor.line),
        focused: pane.part == Part::Table,
        sort: None,
        empty: &context
            .keymap
            .fill("no column matches the filter; ‹back› clears it"),
    })
}

/// The top of a sparkline: twice the limit, so that a score beyond its limit is in the upper half; more where the scores need it.
fn range(row: &DriftRow) -> f64 {
    let most = row
        .history
        .iter()
        .flatten()
        .copied()
        .filter(|value| value.is_finite())
        .fold(0.0, f64::max);
    if row.p_value.is_some() {
        most.max(f64::MIN_POSITIVE)
    } else {
        most.max(row.limit * 2.0)
    }
}

/// What a place of the screen is in the table under it.
pub fn hit(pane: &Drift, context: &Context, at: Position) -> Option<Hit> {
    let places = places(pane, context.area);
    if places.windows.contains(at) {
        let inside = parts::inside(places.windows);
        return quality::with_windows(pane, inside, context, |table| table.hit(inside, at.x, at.y))
            .flatten();
    }
    let inside = parts::inside(places.table);
    with_table(pane, inside, context, |table| table.hit(inside, at.x, at.y))
}

fn table(pane: &Drift, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Table;
    let name = match (pane.shown(), pane.window()) {
        (Some(page), Some(window)) => {
            format!("Drift: {} against {}", window.label, page.reference)
        }
        _ => "Drift".to_owned(),
    };
    let title = title(pane, Part::Table, name, context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    if pane.page.is_none() {
        let said = Line::styled(parts::waiting("drift", context), context.theme.dim);
        parts::put_lines(&[said], inside, 0, buffer);
        return;
    }
    let look = context.theme.look();
    with_table(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
}

fn sentence(pane: &Drift, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let inside = frame::part(buffer, area, "", false, theme);
    let (Some(page), Some(window)) = (pane.shown(), pane.window()) else {
        return;
    };
    let width = usize::from(inside.width.saturating_sub(2));
    let style = match window.verdict {
        DriftVerdict::Drift => theme.warn,
        _ => theme.text,
    };
    let mut lines = parts::wrapped(&[&page.sentence], width, style);
    if let Some(quality) = quality::sentence(page, window) {
        lines.extend(parts::wrapped(&[quality], width, theme.text));
    }
    let rows = usize::from(inside.height).max(1);
    if lines.len() > rows {
        // the last line that fits says that there is more
        let rest: Vec<String> = lines[rows - 1..].iter().map(ToString::to_string).collect();
        lines.truncate(rows - 1);
        lines.push(Line::raw(text::cut(&rest.join(" "), width)));
    }
    parts::put_lines(&lines, inside, 0, buffer);
}

fn windows(pane: &Drift, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Windows;
    let count = pane.shown().map_or(0, |page| page.windows.len());
    let title = title(
        pane,
        Part::Windows,
        format!(
            "{}: prediction against rate",
            text::counted(count as u64, "window", "windows")
        ),
        context,
    );
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let look = context.theme.look();
    quality::with_windows(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
    let provisional = pane.shown().is_some_and(|page| {
        page.windows.iter().any(|window| {
            window
                .performance
                .as_ref()
                .is_some_and(|performance| performance.provisional)
        })
    });
    if provisional {
        let said = Line::styled("dimmed: more labels to come", context.theme.dim);
        frame::foot(buffer, area, said, context.theme);
    }
}

fn by_window(pane: &Drift, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let spec = pane
        .shown()
        .and_then(|page| quality::chart(page, pane.metric().as_deref()));
    let title = spec
        .as_ref()
        .map_or_else(|| "Quality by window".to_owned(), ChartSpec::heading);
    let several = quality::metrics(pane.shown()).len() > 1;
    let title = if several && spec.is_some() {
        context.keymap.fill(&format!(
            "{title} ─ ‹previous_metric› ‹next_metric› other metrics"
        ))
    } else {
        title
    };
    let inside = frame::part(buffer, area, title, false, theme);
    match spec {
        Some(spec) => chart::render(inside, buffer, &spec.chart, &theme.look()),
        None => {
            let width = usize::from(inside.width.saturating_sub(2));
            let words = [
                "No window has labels yet, so its quality is unknown.",
                "labels = { dataset = …, key = …, column = … } in [monitor.NAME] says where they come from.",
            ];
            let lines = parts::wrapped(&words, width, theme.dim);
            parts::put_lines(&lines, inside, 0, buffer);
        }
    }
}
