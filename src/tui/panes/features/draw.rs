//! Draws the features pane: the table, and beside it detail, chart, values, lineage, definition. Changes nothing.

use super::{Features, ORDERS, Order, Part, TABS, definition, detail, lineage, values};
use crate::domain::feature::{FeatureRow, Freshness};
use crate::tui::layout::{self, Room};
use crate::tui::panes::{Context, parts};
use crate::tui::theme::Theme;
use crate::tui::widgets::table::{Column, Hit, Row, Table, widths};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use std::collections::BTreeMap;

/// Where each part is; an empty area: not shown.
#[derive(Clone, Debug, Default)]
pub struct Places {
    pub table: Rect,
    pub chart: Rect,
    /// What stands beside the table, from the top.
    pub sides: Vec<(Part, Rect)>,
}

impl Places {
    /// Which part is there; the chart belongs to the detail.
    pub fn at(&self, at: Position) -> Option<Part> {
        if self.table.contains(at) {
            return Some(Part::Table);
        }
        let side = self.sides.iter().find(|(_, area)| area.contains(at));
        side.map(|(part, _)| *part)
            .or(self.chart.contains(at).then_some(Part::Detail))
    }

    /// Where a part is.
    pub fn of(&self, part: Part) -> Rect {
        self.sides
            .iter()
            .find(|(one, _)| *one == part)
            .map_or(Rect::default(), |(_, area)| *area)
    }
}

/// Where everything is in `area`.
pub fn places(pane: &Features, area: Rect) -> Places {
    let mut places = Places::default();
    let room = Room::of(area);
    if room == Room::One || pane.zoomed || area.height < 12 {
        match pane.part {
            Part::Table => places.table = area,
            side => places.sides = vec![(side, area)],
        }
        return places;
    }
    let (table, side) = layout::beside(
        area,
        match room {
            Room::Wide | Room::Large => area.width * 11 / 20,
            _ => area.width - 28,
        },
    );
    places.table = table;
    let tab = TABS[pane.tab];
    if room < Room::Large {
        places.sides = vec![(tab, side)];
        return places;
    }
    let (detail, below) = layout::above(side, side.height * 2 / 5);
    let (chart, lower) = layout::above(below, below.height / 2);
    let first = if tab == Part::Detail {
        Part::Values
    } else {
        tab
    };
    places.chart = chart;
    places.sides = vec![(Part::Detail, detail)];
    if room == Room::Wide {
        let (left, right) = layout::beside(lower, lower.width / 2);
        let second = if first == Part::Lineage {
            Part::Definition
        } else {
            Part::Lineage
        };
        places.sides.extend([(first, left), (second, right)]);
    } else {
        places.sides.push((first, lower));
    }
    places
}

/// The parts that `Tab` goes through: those on the screen, or all where one is shown at a time.
pub fn shown_parts(pane: &Features, area: Rect) -> Vec<Part> {
    let alone = Room::of(area) == Room::One || pane.zoomed || area.height < 12;
    let mut shown = vec![Part::Table];
    if alone {
        shown.extend(TABS);
    } else {
        shown.extend(places(pane, area).sides.iter().map(|(part, _)| *part));
    }
    shown
}

/// "28 features, 5 views · 1 late: wind_gust 9h old · 1 drifting", as much of it as fits.
fn sentence(pane: &Features, room: usize) -> String {
    let Some(page) = &pane.page else {
        return String::new();
    };
    let mut said = format!(
        "{}, {}",
        text::counted(page.rows.len() as u64, "feature", "features"),
        text::counted(page.views, "view", "views")
    );
    let of = |freshness: Freshness| {
        page.rows
            .iter()
            .filter(move |row| row.freshness == freshness)
    };
    let missing = of(Freshness::Missing).count() as u64;
    let oldest = of(Freshness::Stale).max_by_key(|row| row.age_ms);
    let late = oldest.and_then(|row| {
        Some(format!(
            "{} late: {} {} old",
            page.late,
            row.feature,
            text::age(row.age_ms?)
        ))
    });
    let drifting = page.rows.iter().find(|row| row.drifting);
    let drifting = drifting.map(|row| format!("{} drifting: {}", page.drifting, row.feature));
    let differing: std::collections::BTreeSet<&str> = page
        .rows
        .iter()
        .filter(|row| row.differs)
        .map(|row| row.view.as_str())
        .collect();
    let differs = differing.first().map(|view| {
        let more = differing.len() - 1;
        let and = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        format!("{view}{and} not as in trainyard.toml")
    });
    let mut more: Vec<(String, Option<String>)> = [
        (page.late, "late", late),
        (differing.len() as u64, "not applied", differs),
        (page.drifting, "drifting", drifting),
        (missing, "never materialized", None),
    ]
    .into_iter()
    .filter(|(count, ..)| *count > 0)
    .map(|(count, word, long)| (format!("{count} {word}"), long))
    .collect();
    // every count first, then names and ages as far as there is room
    let wide = |more: &[(String, Option<String>)]| -> usize {
        more.iter().map(|(word, _)| text::width(word) + 3).sum()
    };
    let head = text::width(&said);
    while !more.is_empty() && head + wide(&more) > room {
        more.pop();
    }
    for place in 0..more.len() {
        if let Some(long) = more[place].1.take() {
            let short = std::mem::replace(&mut more[place].0, long);
            if head + wide(&more) > room {
                more[place].0 = short;
            }
        }
    }
    for (word, _) in &more {
        said.push_str(&format!(" · {word}"));
    }
    if page.late + page.drifting + missing == 0 && differing.is_empty() {
        said.push_str(" · all fresh");
    }
    said
}

/// The status line.
pub fn status(pane: &Features, context: &Context) -> Vec<String> {
    if pane.page.is_none() {
        return vec!["features are on their way".to_owned()];
    }
    let room = usize::from(context.area.width.saturating_sub(2));
    let mut said = vec![sentence(pane, room)];
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
    said.push("‹next_tab› datasets".to_owned());
    said
}

/// "Features · Datasets": the two tables of the pane, the one that is shown in front.
pub fn tables(features: bool, theme: &Theme) -> Line<'static> {
    let (shown, other) = if features {
        ("Features", "Datasets")
    } else {
        ("Datasets", "Features")
    };
    Line::from(vec![
        Span::raw(shown),
        Span::styled(format!(" · {other}"), theme.dim),
    ])
}

/// Draws the pane.
pub fn render(pane: &Features, buffer: &mut Buffer, context: &Context) {
    if pane.page.as_ref().is_some_and(|page| page.rows.is_empty()) {
        let title = tables(true, context.theme);
        let inside = frame::part(buffer, context.area, title, true, context.theme);
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
            "",
            "‹next_tab› shows the datasets.",
        ];
        parts::put_words(&words, inside, buffer, context);
        return;
    }
    let places = places(pane, context.area);
    table(pane, places.table, buffer, context);
    for (part, area) in &places.sides {
        side(pane, *part, *area, &places, buffer, context);
    }
    detail::picture(pane, places.chart, buffer, context);
    if !places.table.is_empty() {
        let room = usize::from(places.table.width.saturating_sub(4));
        frame::foot(buffer, places.table, sentence(pane, room), context.theme);
    }
}

/// The lines of a part beside the table.
fn side_lines(
    pane: &Features,
    part: Part,
    places: &Places,
    context: &Context,
) -> Vec<Line<'static>> {
    let width = usize::from(places.of(part).width.saturating_sub(4));
    match part {
        Part::Table => Vec::new(),
        Part::Detail => detail::lines(pane, width, places.chart.is_empty(), context),
        Part::Values => values::lines(pane, width, context),
        Part::Lineage => lineage::lines(pane, width, context),
        Part::Definition => definition::lines(pane, width, context),
    }
}

fn side(
    pane: &Features,
    part: Part,
    area: Rect,
    places: &Places,
    buffer: &mut Buffer,
    context: &Context,
) {
    let focused = pane.part == part;
    let alone = Room::of(context.area) == Room::One || pane.zoomed;
    let word = match part {
        Part::Table | Part::Detail => None,
        Part::Values => Some(values::title(pane)),
        Part::Lineage => Some("Lineage".to_owned()),
        Part::Definition => Some("Definition".to_owned()),
    };
    let name = detail::name(pane);
    let title = match word {
        None => name,
        Some(word) if places.of(Part::Detail).is_empty() && area.width > 40 => {
            format!("{name}: {}", word.to_lowercase())
        }
        Some(word) => word,
    };
    let room = usize::from(area.width.saturating_sub(4));
    let title = if alone {
        let place = TABS.iter().position(|tab| *tab == part).unwrap_or(0);
        format!(
            "{} ─ {} of {}",
            parts::middle(&title, room.saturating_sub(9)),
            place + 2,
            TABS.len() + 1
        )
    } else {
        parts::middle(&title, room)
    };
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let lines = side_lines(pane, part, places, context);
    let scroll = if focused { pane.scroll } else { 0 };
    parts::put_lines(&lines, inside, scroll, buffer);
}

/// How far the focused part can be scrolled.
pub fn length(pane: &Features, context: &Context) -> usize {
    let places = places(pane, context.area);
    let rows = usize::from(places.of(pane.part).height.saturating_sub(2));
    side_lines(pane, pane.part, &places, context)
        .len()
        .saturating_sub(rows)
}

/// The sign of a row and its style.
fn sign(row: &FeatureRow, theme: &Theme) -> (&'static str, Style) {
    match (row.freshness, row.drifting || row.differs) {
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

fn table(pane: &Features, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Table;
    let mut title = tables(true, context.theme);
    if Room::of(context.area) == Room::One || pane.zoomed {
        title.push_span(format!(" ─ 1 of {}", TABS.len() + 1));
    }
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
