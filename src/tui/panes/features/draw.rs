//! Draws the features pane: table, detail, values. Changes nothing.

use super::{Features, ORDERS, Order, PARTS, Part, detail};
use crate::domain::feature::{FeatureRow, Freshness};
use crate::tui::layout::{self, Room};
use crate::tui::panes::{Context, parts};
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{Column, Hit, Row, Table, widths};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use std::collections::BTreeMap;

/// Where each part is; an empty area: not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    pub table: Rect,
    pub detail: Rect,
    pub values: Rect,
    pub chart: Rect,
}

/// Where everything is in `area`.
pub fn places(pane: &Features, area: Rect) -> Places {
    let mut places = Places::default();
    let room = Room::of(area);
    if room == Room::One || pane.zoomed || area.height < 12 {
        match pane.part {
            Part::Table => places.table = area,
            Part::Detail => places.detail = area,
            Part::Values => places.values = area,
        }
        return places;
    }
    let (table, side) = layout::beside(
        area,
        match room {
            Room::Wide => area.width * 11 / 20,
            Room::Large => area.width * 11 / 20,
            _ => area.width - 28,
        },
    );
    places.table = table;
    if room < Room::Large {
        if pane.values {
            places.values = side;
        } else {
            places.detail = side;
        }
        return places;
    }
    let (detail, below) = layout::above(side, side.height * 2 / 5);
    let (chart, values) = layout::above(below, below.height / 2);
    places.detail = detail;
    places.chart = chart;
    places.values = values;
    places
}

/// "28 features, 5 views · 1 late · 1 drifting", as much of it as fits.
fn sentence(pane: &Features, room: usize) -> String {
    let Some(page) = &pane.page else {
        return String::new();
    };
    let mut said = format!(
        "{}, {}",
        text::counted(page.rows.len() as u64, "feature", "features"),
        text::counted(page.views, "view", "views")
    );
    let missing = page
        .rows
        .iter()
        .filter(|row| row.freshness == Freshness::Missing)
        .count();
    for (count, word) in [
        (page.late, "late"),
        (page.drifting, "drifting"),
        (missing as u64, "never materialized"),
    ] {
        let more = format!(" · {count} {word}");
        if count > 0 && text::width(&said) + text::width(&more) <= room {
            said.push_str(&more);
        }
    }
    if page.late + page.drifting + missing as u64 == 0 {
        said.push_str(" · all fresh");
    }
    said
}

/// The status line.
pub fn status(pane: &Features, _context: &Context) -> Vec<String> {
    if pane.page.is_none() {
        return vec!["features are on their way".to_owned()];
    }
    let mut said = vec![sentence(pane, usize::MAX)];
    if !pane.filter.is_empty() {
        said.push(format!(
            "{} shown, filter {}",
            pane.rows().len(),
            pane.filter
        ));
    }
    let by = match pane.order {
        Order::View => "view",
        Order::Name => "name",
        Order::Age => "age",
        Order::Nulls => "nulls",
        Order::Used => "users",
    };
    said.push(format!(
        "sort {by}{}",
        if pane.reversed { ", turned round" } else { "" }
    ));
    said
}

/// Draws the pane.
pub fn render(pane: &Features, buffer: &mut Buffer, context: &Context) {
    if pane.page.as_ref().is_some_and(|page| page.rows.is_empty()) {
        let inside = frame::part(buffer, context.area, "Features", true, context.theme);
        let words = [
            "No feature view is configured yet. In trainyard.toml:",
            "",
            "[feature_view.NAME]",
            "entity = { name = \"airport\", key = \"origin\" }",
            "dataset = \"DATASET\"",
            "windows = [{ column = \"delay\", aggregates = [\"mean\"], over = [\"3h\"] }]",
            "",
            "trainyard features materialize     fills the online store (‹train› here)",
            "trainyard demo                     the flights example",
        ];
        parts::put_words(&words, inside, buffer, context);
        return;
    }
    let places = places(pane, context.area);
    table(pane, places.table, buffer, context);
    detail::detail(pane, &places, buffer, context);
    detail::picture(pane, places.chart, buffer, context);
    detail::values(pane, places.values, buffer, context);
    if !places.table.is_empty() {
        let room = usize::from(places.table.width.saturating_sub(4));
        frame::foot(buffer, places.table, sentence(pane, room), context.theme);
    }
}

/// The sign of a row and its style.
fn sign(row: &FeatureRow, theme: &Theme) -> (&'static str, Style) {
    match (row.freshness, row.drifting) {
        (Freshness::Stale, _) => ("✗", theme.bad),
        (_, true) => ("▲", theme.warn),
        (Freshness::Missing, _) => ("○", theme.dim),
        (Freshness::Fresh, false) => ("●", theme.good),
    }
}

/// "4m", "9h late", "never".
fn fresh(row: &FeatureRow) -> String {
    let age = row.age_ms.map(text::age);
    match (row.freshness, age) {
        (Freshness::Missing, None) => "never".to_owned(),
        (Freshness::Missing, Some(age)) => format!("{age} gone"),
        (Freshness::Stale, Some(age)) => format!("{age} late"),
        (Freshness::Fresh, Some(age)) => age,
        (Freshness::Stale, None) => "late".to_owned(),
        (Freshness::Fresh, None) => "fresh".to_owned(),
    }
}

fn heads(width: u16) -> Vec<Column> {
    let view = if width >= 64 { 18 } else { 9 };
    let mut heads = vec![
        Column::text("", 1),
        Column::text("FEATURE", 17).growing(),
        Column::text("VIEW", view),
        Column::text("FRESH", 8),
        Column::number("NULL", 5),
        Column::number("USED", 4),
    ];
    if width >= 90 {
        heads.push(Column::text("BY", 16));
    }
    heads
}

/// The order that a heading stands for.
pub fn ordered_by(column: usize) -> Option<Order> {
    [
        None,
        Some(Order::Name),
        Some(Order::View),
        Some(Order::Age),
        Some(Order::Nulls),
        Some(Order::Used),
    ]
    .get(column)
    .copied()
    .flatten()
}

/// Who uses a feature: "delay v12 v13".
pub fn users(row: &FeatureRow) -> String {
    let mut models: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (model, version) in &row.used_by {
        models.entry(model.as_str()).or_default().push(version.0);
    }
    let said: Vec<String> = models
        .into_iter()
        .map(|(model, mut versions)| {
            versions.sort_unstable();
            versions.dedup();
            let versions: Vec<String> = versions
                .chunk_by(|one, next| one + 1 == *next)
                .flat_map(|run| match run {
                    [first, .., last] if run.len() > 2 => vec![format!("v{first}-v{last}")],
                    few => few.iter().map(|one| format!("v{one}")).collect(),
                })
                .collect();
            format!("{model} {}", versions.join(" "))
        })
        .collect();
    said.join(", ")
}

fn with_table<T>(
    pane: &Features,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> T {
    let theme = context.theme;
    let rows = pane.rows();
    let heads = heads(area.width);
    let places = widths(&heads, area.width);
    let wide = |column: usize| {
        places
            .get(column)
            .map_or(0, |(_, width)| usize::from(*width))
    };
    let row = |line: usize| {
        let Some(row) = rows.get(line) else {
            return Row::default();
        };
        let (sign, style) = sign(row, theme);
        let late = if row.freshness == Freshness::Fresh {
            theme.text
        } else {
            style
        };
        Row {
            cells: vec![
                (sign.to_owned(), style),
                (parts::middle(&row.feature, wide(1)), theme.text),
                (parts::middle(&row.view, wide(2)), theme.text),
                (fresh(row), late),
                (
                    row.null_share
                        .map_or_else(|| "—".to_owned(), parts::percent),
                    theme.text,
                ),
                (row.used_by.len().to_string(), theme.text),
                (users(row), theme.dim),
            ],
        }
    };
    let sort = ORDERS
        .iter()
        .find(|order| **order == pane.order && **order != Order::View)
        .and_then(|order| (0..6).find(|column| ordered_by(*column) == Some(*order)))
        .map(|column| (column, pane.reversed == (pane.order == Order::Name)));
    with(&Table {
        columns: &heads,
        count: rows.len(),
        row: &row,
        offset: pane.cursor.first(area.height, rows.len()),
        selected: Some(pane.cursor.line),
        focused: pane.part == Part::Table,
        sort,
        empty: &context
            .keymap
            .fill("no feature matches the filter; ‹back› clears it"),
    })
}

/// What a place of the screen is in the table.
pub fn hit(pane: &Features, context: &Context, at: Position) -> Option<Hit> {
    let inside = parts::inside(places(pane, context.area).table);
    with_table(pane, inside, context, |table| table.hit(inside, at.x, at.y))
}

pub fn title(pane: &Features, part: Part, name: &str, context: &Context) -> String {
    if Room::of(context.area) == Room::One || pane.zoomed {
        let place = PARTS.iter().position(|one| *one == part).unwrap_or(0);
        format!("{name} ─ {} of {}", place + 1, PARTS.len())
    } else {
        name.to_owned()
    }
}

fn table(pane: &Features, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Table;
    let title = title(pane, Part::Table, "Features", context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    if pane.page.is_none() {
        let said = Line::styled(parts::waiting("features", context), context.theme.dim);
        parts::put_lines(&[said], inside, 0, buffer);
        return;
    }
    let look = context.theme.look();
    with_table(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
}
