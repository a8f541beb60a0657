//! Draws the features pane: table, detail, values. Changes nothing.

use super::{Features, ORDERS, Order, PARTS, Part};
use crate::chart::{Chart, ChartSpec, Histogram};
use crate::domain::drift::shares;
use crate::domain::feature::{FeatureDetail, FeatureRow, Freshness};
use crate::tui::layout::{self, Room};
use crate::tui::panes::{Context, parts};
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{Column, Hit, Row, Table};
use crate::tui::widgets::{chart, sparkline};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
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

/// "28 features, 5 views · 1 late · 1 drifting".
fn sentence(pane: &Features) -> String {
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
        if count > 0 {
            said.push_str(&format!(" · {count} {word}"));
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
    let mut said = vec![sentence(pane)];
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
            "entity = { name = \"airport\", keys = [\"origin\"] }",
            "dataset = \"DATASET\"",
            "windows = [{ column = \"delay\", aggregates = [\"mean\"], over = [\"3h\"] }]",
            "",
            "trainyard features materialize     fills the online store (t here)",
            "trainyard demo                     an example with eight views",
        ];
        parts::put_words(&words, inside, buffer, context.theme.text);
        return;
    }
    let places = places(pane, context.area);
    table(pane, places.table, buffer, context);
    detail(pane, &places, buffer, context);
    picture(pane, places.chart, buffer, context);
    values(pane, places.values, buffer, context);
    if !places.table.is_empty() {
        frame::foot(buffer, places.table, sentence(pane), context.theme);
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
fn users(row: &FeatureRow) -> String {
    let mut models: BTreeMap<&str, Vec<u32>> = BTreeMap::new();
    for (model, version) in &row.used_by {
        models.entry(model.as_str()).or_default().push(version.0);
    }
    let said: Vec<String> = models
        .into_iter()
        .map(|(model, mut versions)| {
            versions.sort_unstable();
            let versions: Vec<String> = versions.iter().map(|one| format!("v{one}")).collect();
            format!("{model} {}", versions.join(" "))
        })
        .collect();
    said.join(", ")
}

fn with_table<T>(
    pane: &Features,
    width: u16,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> T {
    let theme = context.theme;
    let rows = pane.rows();
    let heads = heads(width);
    let places = crate::tui::widgets::table::widths(&heads, width);
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
        offset: pane.cursor.top,
        selected: Some(pane.cursor.line),
        focused: pane.part == Part::Table,
        sort,
        empty: "no feature matches the filter; Esc clears it",
    })
}

/// What a place of the screen is in the table.
pub fn hit(pane: &Features, context: &Context, at: Position) -> Option<Hit> {
    let inside = parts::inside(places(pane, context.area).table);
    with_table(pane, inside.width, context, |table| {
        table.hit(inside, at.x, at.y)
    })
}

fn title(pane: &Features, part: Part, name: &str, context: &Context) -> String {
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
    with_table(pane, inside.width, context, |table| {
        table.render(inside, buffer, &look);
    });
}

/// The histogram of the feature's values when last profiled; none without numbers or categories.
pub fn histogram(detail: &FeatureDetail) -> Option<ChartSpec> {
    let profile = detail.profile.as_ref()?;
    let mut spec = Histogram {
        reference_name: "now online".to_owned(),
        ..Histogram::default()
    };
    if profile.histogram.counts.is_empty() {
        let total: u64 = profile.rows;
        for (name, count) in profile.top.iter().take(12) {
            spec.categories.push(name.clone());
            spec.reference.push(*count as f64 / total.max(1) as f64);
        }
    } else {
        spec.edges.clone_from(&profile.histogram.edges);
        spec.reference = shares(&profile.histogram);
    }
    (!spec.reference.is_empty())
        .then(|| ChartSpec::new(detail.row.feature.clone(), Chart::Histogram(spec)))
}

/// Everything about the feature under the cursor, in lines.
fn detail_lines(
    pane: &Features,
    width: usize,
    picture: bool,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(detail) = pane.detail() else {
        return vec![Line::styled(
            parts::waiting("the feature", context),
            theme.dim,
        )];
    };
    let row = &detail.row;
    let mut lines = parts::wrapped(&[&detail.meaning], width, theme.text);
    let kind = detail
        .profile
        .as_ref()
        .map_or_else(String::new, |profile| format!(" · {}", profile.kind));
    let keys = &detail.view.entity.keys;
    let key = if keys.is_empty() {
        format!("about everything{kind}")
    } else {
        format!("key {}{kind}", keys.join(", "))
    };
    let mut said = vec![key];
    let (state, style) = match (row.freshness, row.age_ms.map(text::age)) {
        (Freshness::Fresh, Some(age)) => (format!("● fresh: {age} old"), theme.good),
        (Freshness::Fresh, None) => ("● fresh".to_owned(), theme.good),
        (Freshness::Stale, age) => {
            let ttl = detail.view.ttl.map_or_else(String::new, |ttl| {
                format!(" (limit {})", text::age(ttl / 1000))
            });
            let age = age.map_or_else(String::new, |age| format!(": {age} old"));
            (format!("✗ late{age}{ttl}; t materializes"), theme.bad)
        }
        (Freshness::Missing, _) => ("○ never materialized; t fills it".to_owned(), theme.dim),
    };
    if let Some(at) = detail.event_time {
        said.push(format!(
            "event time to {}",
            text::moment(at, context.offset_s)
        ));
    }
    let online = text::counted(detail.online_keys, "key", "keys");
    match detail.online_equal {
        Some((equal, checked)) if checked > 0 => {
            said.push(format!(
                "online {online}, equal to offline in {equal} of {checked}"
            ));
        }
        _ if detail.online_keys > 0 => said.push(format!("online {online}")),
        _ => {}
    }
    lines.extend(parts::wrapped(&said, width, theme.text));
    lines.extend(parts::wrapped(&[state], width, style));
    if row.drifting {
        let said = ["▲ drifts in the newest window: pane 4"];
        lines.extend(parts::wrapped(&said, width, theme.warn));
    }
    if let Some(profile) = &detail.profile {
        let range = match (profile.min, profile.max) {
            (Some(min), Some(max)) => {
                format!("min {} max {}", parts::score(min), parts::score(max))
            }
            _ => text::counted(profile.distinct, "value", "values"),
        };
        if picture && !profile.histogram.counts.is_empty() {
            let counts: Vec<Option<f64>> = profile
                .histogram
                .counts
                .iter()
                .map(|count| Some(*count as f64))
                .collect();
            let bars = counts.len().min(width);
            let line = sparkline::text(&counts, bars, None, theme.ascii());
            let together = bars + 2 + text::width(&range) <= width;
            if together {
                lines.push(Line::from(vec![
                    Span::styled(line, theme.marks[0]),
                    Span::raw(format!("  {range}")),
                ]));
            } else {
                lines.push(Line::styled(line, theme.marks[0]));
                lines.push(Line::raw(range));
            }
        } else {
            lines.extend(parts::wrapped(&[range], width, theme.text));
        }
        if let (Some(mean), Some(std)) = (profile.mean, profile.std) {
            let said = format!("mean {} ± {}", parts::score(mean), parts::score(std));
            lines.extend(parts::wrapped(&[said], width, theme.text));
        }
        if profile.histogram.counts.is_empty() && !profile.top.is_empty() {
            let top: Vec<String> = profile
                .top
                .iter()
                .take(5)
                .map(|(value, count)| {
                    let share = *count as f64 / profile.rows.max(1) as f64;
                    format!("{value} {}", parts::percent(share))
                })
                .collect();
            lines.extend(parts::wrapped(&[top.join(" · ")], width, theme.text));
        }
        if profile.nulls > 0 {
            let said = format!(
                "no value in {} of {} rows",
                text::count(profile.nulls),
                text::count(profile.rows)
            );
            lines.extend(parts::wrapped(&[said], width, theme.text));
        }
    }
    let feeds = match users(row) {
        none if none.is_empty() => "feeds no model version".to_owned(),
        users => format!("feeds {users}"),
    };
    lines.extend(parts::wrapped(&[feeds], width, theme.text));
    let mut origin = vec![format!("from dataset {}", detail.view.dataset)];
    if !detail.view.owner.is_empty() {
        origin.push(format!("owner {}", detail.view.owner));
    }
    if !detail.view.description.is_empty() {
        origin.push(detail.view.description.clone());
    }
    lines.extend(parts::wrapped(&origin, width, theme.dim));
    lines
}

fn name(pane: &Features) -> String {
    pane.selected
        .as_ref()
        .map_or_else(|| "Feature".to_owned(), |(_, feature)| feature.clone())
}

fn detail(pane: &Features, places: &Places, buffer: &mut Buffer, context: &Context) {
    let area = places.detail;
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Detail;
    let name = parts::middle(&name(pane), usize::from(area.width.saturating_sub(4)));
    let title = title(pane, Part::Detail, &name, context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let lines = detail_lines(pane, width, places.chart.is_empty(), context);
    parts::put_lines(
        &lines,
        inside,
        if focused { pane.scroll } else { 0 },
        buffer,
    );
}

fn picture(pane: &Features, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let inside = frame::part(
        buffer,
        area,
        "Values when last profiled",
        false,
        context.theme,
    );
    match pane.detail().map(histogram) {
        Some(Some(spec)) => chart::render(inside, buffer, &spec.chart, &context.theme.look()),
        Some(None) => {
            let said = Line::styled("no profile yet: t materializes the view", context.theme.dim);
            parts::put_lines(&[said], inside, 0, buffer);
        }
        None => {}
    }
}

fn value_lines(pane: &Features, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(detail) = pane.detail() else {
        return vec![Line::styled(
            parts::waiting("the feature", context),
            theme.dim,
        )];
    };
    if detail.values.is_empty() {
        let said = ["No value is online yet: t materializes the view."];
        return parts::wrapped(&said, width, theme.dim);
    }
    let room = width.saturating_sub(5);
    let widest = |of: fn(&(String, String, i64)) -> &str| {
        detail
            .values
            .iter()
            .map(|row| text::width(of(row)))
            .max()
            .unwrap_or(0)
    };
    let value = widest(|row| &row.1).clamp(5, (room / 2).max(5));
    let key = room.saturating_sub(value + 1);
    let mut lines = vec![Line::styled(
        format!(
            "{} {} {}",
            text::left("KEY", key),
            text::right("VALUE", value),
            text::right("AGE", 4)
        ),
        theme.dim,
    )];
    lines.extend(detail.values.iter().map(|(name, shown, age)| {
        Line::raw(format!(
            "{} {} {}",
            text::left(name, key),
            text::right(shown, value),
            text::right(&text::age(*age), 4)
        ))
    }));
    lines
}

fn values(pane: &Features, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Values;
    let alone = places(pane, context.area).detail.is_empty();
    let name = if alone {
        parts::middle(&name(pane), usize::from(area.width.saturating_sub(4)))
    } else {
        "Online values".to_owned()
    };
    let title = title(pane, Part::Values, &name, context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let lines = value_lines(pane, width, context);
    parts::put_lines(
        &lines,
        inside,
        if focused { pane.scroll } else { 0 },
        buffer,
    );
}

/// How far the focused part can be scrolled.
pub fn length(pane: &Features, context: &Context) -> usize {
    let places = places(pane, context.area);
    let (area, lines) = match pane.part {
        Part::Table => return 0,
        Part::Detail => {
            let width = usize::from(places.detail.width.saturating_sub(4));
            let lines = detail_lines(pane, width, places.chart.is_empty(), context);
            (places.detail, lines)
        }
        Part::Values => {
            let width = usize::from(places.values.width.saturating_sub(4));
            (places.values, value_lines(pane, width, context))
        }
    };
    lines
        .len()
        .saturating_sub(usize::from(area.height.saturating_sub(2)))
}
