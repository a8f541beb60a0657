//! Draws the datasets: the list or the columns, and what stands beside them. Changes nothing.

use super::{Datasets, Order, Part, about, column, columns};
use crate::domain::dataset::{DatasetDetail, DatasetRow, Severity};
use crate::domain::profile::ColumnProfile;
use crate::tui::layout::{self, Room};
use crate::tui::panes::features::draw::tables;
use crate::tui::panes::{Context, parts};
use crate::tui::widgets::chart;
use crate::tui::widgets::table::{Column, Hit, Row, Table};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

/// Where each part is; an empty area: not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    list: Rect,
    about: Rect,
    columns: Rect,
    column: Rect,
    chart: Rect,
}

impl Places {
    /// Which part is there; the chart belongs to the column.
    pub(super) fn at(&self, at: Position) -> Option<Part> {
        [
            (Part::List, self.list),
            (Part::Columns, self.columns),
            (Part::About, self.about),
            (Part::Column, self.column),
            (Part::Column, self.chart),
        ]
        .into_iter()
        .find(|(_, area)| area.contains(at))
        .map(|(part, _)| part)
    }

    fn of(&self, part: Part) -> Rect {
        match part {
            Part::List => self.list,
            Part::About => self.about,
            Part::Columns => self.columns,
            Part::Column => self.column,
        }
    }
}

/// Where everything is in `area`.
pub fn places(pane: &Datasets, area: Rect) -> Places {
    let mut places = Places::default();
    let room = Room::of(area);
    if room == Room::One || pane.zoomed || area.height < 12 {
        match pane.part {
            Part::List => places.list = area,
            Part::About => places.about = area,
            Part::Columns => places.columns = area,
            Part::Column => places.column = area,
        }
        return places;
    }
    if !pane.open {
        let (list, about) = layout::beside(area, area.width * 11 / 20);
        (places.list, places.about) = (list, about);
        return places;
    }
    let (left, side) = layout::beside(
        area,
        match room {
            Room::Wide | Room::Large => area.width * 12 / 20,
            _ => area.width - 28,
        },
    );
    places.columns = left;
    if room < Room::Large {
        places.column = side;
        return places;
    }
    let (upper, lower) = layout::above(side, side.height * 3 / 5);
    (places.column, places.chart) = (upper, lower);
    if room == Room::Wide {
        let (upper, lower) = layout::above(left, left.height * 13 / 20);
        (places.columns, places.about) = (upper, lower);
    }
    places
}

/// The parts that `Tab` goes through.
pub(super) fn shown_parts(pane: &Datasets, area: Rect) -> Vec<Part> {
    if !pane.open {
        return vec![Part::List, Part::About];
    }
    let mut shown = vec![Part::Columns, Part::Column];
    if Room::of(area) == Room::Wide {
        shown.push(Part::About);
    }
    shown
}

/// Rows of a part, heading included.
pub(super) fn height(pane: &Datasets, part: Part, context: &Context) -> u16 {
    places(pane, context.area).of(part).height.saturating_sub(2)
}

/// "5 datasets; 2 with anomalies, 1 not profiled".
fn sentence(pane: &Datasets) -> String {
    let rows = pane.page.as_ref().map_or(&[][..], |page| &page.rows);
    let mut said = text::counted(rows.len() as u64, "dataset", "datasets");
    let odd = rows
        .iter()
        .filter(|row| row.violations.is_some_and(|found| found > 0))
        .count();
    let new = rows.iter().filter(|row| row.profiled.is_none()).count();
    let grown = rows
        .iter()
        .filter(|row| row.profiled.is_some() && row.unprofiled > 0)
        .count();
    let more: Vec<String> = [
        (odd, "with anomalies"),
        (new, "not profiled"),
        (grown, "with new files"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, word)| format!("{count} {word}"))
    .collect();
    if more.is_empty() {
        if !rows.is_empty() {
            said.push_str("; nothing odd");
        }
    } else {
        said.push_str(&format!("; {}", more.join(", ")));
    }
    said
}

/// The status line.
pub fn status(pane: &Datasets) -> Vec<String> {
    if pane.page.is_none() {
        return vec!["datasets are on their way".to_owned()];
    }
    let mut said = Vec::new();
    if let Some(why) = &pane.refused {
        said.push(format!("▲ {why}"));
    }
    match pane.detail().filter(|_| pane.open) {
        Some(detail) => {
            said.push(about::sentence(&detail.row));
            let by = match pane.order {
                Order::File => "place",
                Order::Name => "name",
                Order::Nulls => "nulls",
                Order::Distinct => "distinct",
                Order::Signal => "signal",
            };
            let round = if pane.reversed { ", turned round" } else { "" };
            said.push(format!("sort {by}{round}"));
        }
        None => said.push(sentence(pane)),
    }
    if !pane.filter.is_empty() {
        said.push(format!("filter {}", pane.filter));
    }
    said.push(if pane.open {
        "‹back› datasets".to_owned()
    } else {
        "‹next_tab› features".to_owned()
    });
    said
}

/// Draws what is shown.
pub fn render(pane: &Datasets, buffer: &mut Buffer, context: &Context) {
    if pane.page.as_ref().is_some_and(|page| page.rows.is_empty()) {
        let title = tables(false, context.theme);
        let inside = frame::part(buffer, context.area, title, true, context.theme);
        let words = [
            "No dataset is configured yet. In trainyard.toml:",
            "",
            "[dataset.NAME]",
            "path = \"data/*.parquet\"",
            "timestamp = \"observed_at\"",
            "",
            "trainyard profile FILE             looks at any file",
            "trainyard demo                     the flights example",
        ];
        parts::put_words(&words, inside, buffer, context);
        return;
    }
    let places = places(pane, context.area);
    list(pane, places.list, buffer, context);
    about_part(pane, places.about, buffer, context);
    columns_part(pane, places.columns, buffer, context);
    column_part(pane, &places, buffer, context);
}

/// The sign of a dataset and its style.
fn sign(row: &DatasetRow, context: &Context) -> (&'static str, Style) {
    let theme = context.theme;
    if row.errors.is_some_and(|found| found > 0) {
        ("✗", theme.bad)
    } else if row.violations.is_some_and(|found| found > 0)
        || row.warnings.is_some_and(|found| found > 0)
    {
        ("▲", theme.warn)
    } else if row.profiled.is_none() && row.checked.is_none() {
        ("○", theme.dim)
    } else {
        ("●", theme.good)
    }
}

fn list_heads(width: u16) -> Vec<Column> {
    let mut heads = vec![
        Column::text("", 1),
        Column::text("DATASET", 12).growing(),
        Column::number("ROWS", 10),
        Column::number("COLS", 4),
    ];
    if width >= 56 {
        heads.push(Column::number("FILES", 5));
        heads.push(Column::number("SIZE", 7));
    }
    heads.push(Column::number("ODD", 4));
    if width >= 48 {
        heads.push(Column::text("NEWEST", 10));
    }
    heads
}

fn with_list<T>(
    pane: &Datasets,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> T {
    let theme = context.theme;
    let rows = pane.rows();
    let heads = list_heads(area.width);
    let row = |line: usize| {
        let Some(row) = rows.get(line) else {
            return Row::default();
        };
        let (sign, style) = sign(row, context);
        let number = |value: Option<u64>| value.map_or_else(|| "—".to_owned(), text::count);
        let odd = match (row.violations, row.warnings) {
            (None, None) => "—".to_owned(),
            (violations, warnings) => (violations.unwrap_or(0) + warnings.unwrap_or(0)).to_string(),
        };
        let newest = match (row.newest, row.modified) {
            (Some(newest), _) => columns::instant(newest as f64),
            (None, Some(modified)) => {
                format!("{} ago", text::age(context.now.since(modified)))
            }
            (None, None) => "—".to_owned(),
        };
        let newest: String = newest.chars().take(10).collect();
        let mut cells = vec![
            (sign.to_owned(), style),
            (row.name.clone(), theme.text),
            (number(row.rows), theme.text),
            (number(row.columns), theme.text),
        ];
        if area.width >= 56 {
            cells.push((text::count(row.files), theme.text));
            cells.push((text::bytes(row.bytes), theme.text));
        }
        cells.push((odd, style));
        cells.push((newest, theme.dim));
        Row { cells }
    };
    with(&Table {
        columns: &heads,
        count: rows.len(),
        row: &row,
        offset: pane.list.first(area.height, rows.len()),
        selected: Some(pane.list.line),
        focused: pane.part == Part::List,
        sort: None,
        empty: &context
            .keymap
            .fill("no dataset matches the filter; ‹back› clears it"),
    })
}

fn list(pane: &Datasets, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let title = tables(false, context.theme);
    let focused = pane.part == Part::List;
    let inside = frame::part(buffer, area, title, focused, context.theme);
    if pane.page.is_none() {
        let said = Line::styled(parts::waiting("datasets", context), context.theme.dim);
        parts::put_lines(&[said], inside, 0, buffer);
        return;
    }
    let look = context.theme.look();
    with_list(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
    frame::foot(
        buffer,
        area,
        text::cut(&sentence(pane), usize::from(area.width.saturating_sub(4))),
        context.theme,
    );
}

/// The worst that is known of a column.
fn column_sign(name: &str, detail: &DatasetDetail, context: &Context) -> (&'static str, Style) {
    let theme = context.theme;
    let mine = || {
        let all = detail.violations.iter().chain(&detail.anomalies);
        all.filter(|one| one.column.as_deref() == Some(name))
    };
    let noted = detail
        .profile
        .as_ref()
        .is_some_and(|profile| profile.noted.iter().any(|(column, _)| column == name));
    if mine().any(|one| one.severity == Severity::Error) {
        ("✗", theme.bad)
    } else if noted || mine().next().is_some() {
        ("▲", theme.warn)
    } else {
        (" ", theme.text)
    }
}

/// Columns of the table of columns: which of the optional ones fit.
#[derive(Clone, Copy)]
struct Fits {
    mean: bool,
    ends: bool,
    signal: bool,
}

fn column_heads(width: u16, signal: bool) -> (Vec<Column>, Fits) {
    let fits = Fits {
        signal: signal && width >= 58,
        mean: width >= 70,
        ends: width >= 92,
    };
    let mut heads = vec![
        Column::text("", 1),
        Column::text("COLUMN", 12).growing(),
        Column::text("TYPE", 4),
        Column::number("NULL", 5),
        Column::number("DISTINCT", 9),
    ];
    if fits.ends {
        heads.push(Column::number("MIN", 10));
    }
    if fits.mean {
        heads.push(Column::number("MEAN", 10));
    }
    if fits.ends {
        heads.push(Column::number("MAX", 10));
    }
    if fits.signal {
        heads.push(Column::text("SIGNAL", 8));
    }
    heads.push(Column::text("SHAPE", 10));
    (heads, fits)
}

fn with_columns<T>(
    pane: &Datasets,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> T {
    let theme = context.theme;
    let shown: Vec<&ColumnProfile> = pane.profiled();
    let detail = pane.detail();
    let signals = detail
        .and_then(|detail| detail.profile.as_ref())
        .map_or(&[][..], |profile| &profile.signal);
    let (heads, fits) = column_heads(area.width, !signals.is_empty());
    let row = |line: usize| {
        let Some(column) = shown.get(line) else {
            return Row::default();
        };
        let (sign, style) = detail.map_or((" ", theme.text), |detail| {
            column_sign(&column.name, detail, context)
        });
        let number = |value: Option<f64>| {
            let text = value.map(|value| columns::value(column, value));
            let text: String = text.unwrap_or_else(|| "—".to_owned());
            (text.chars().take(10).collect::<String>(), theme.text)
        };
        let nulls = columns::null_share(column);
        let dim = if nulls == 0.0 { theme.dim } else { theme.text };
        let mut cells = vec![
            (sign.to_owned(), style),
            (column.name.clone(), theme.text),
            (columns::kind(column.kind).to_owned(), theme.dim),
            (parts::percent(nulls), dim),
            (text::count(column.distinct), theme.text),
        ];
        if fits.ends {
            cells.push(number(column.min));
        }
        if fits.mean {
            cells.push(number(column.mean));
        }
        if fits.ends {
            cells.push(number(column.max));
        }
        if fits.signal {
            let found = signals.iter().find(|one| one.column == column.name);
            let style = if found.is_some_and(|one| one.leaks) {
                theme.warn
            } else {
                theme.text
            };
            cells.push((found.map_or_else(String::new, columns::signal), style));
        }
        let shape = columns::shape(column, 10, theme.ascii());
        cells.push((
            shape,
            Style::new().fg(theme.marks[0].fg.unwrap_or_default()),
        ));
        Row { cells }
    };
    with(&Table {
        columns: &heads,
        count: shown.len(),
        row: &row,
        offset: pane.columns.first(area.height, shown.len()),
        selected: Some(pane.columns.line),
        focused: pane.part == Part::Columns,
        sort: None,
        empty: &context
            .keymap
            .fill("no column matches the filter; ‹back› clears it"),
    })
}

/// What a place of the screen is in the table that is there.
pub(super) fn hit(pane: &Datasets, context: &Context, at: Position) -> Option<Hit> {
    let places = places(pane, context.area);
    let find = |area: Rect, table: &Table| table.hit(area, at.x, at.y);
    if places.list.contains(at) {
        let inside = parts::inside(places.list);
        with_list(pane, inside, context, |table| find(inside, table))
    } else if places.columns.contains(at) {
        let inside = parts::inside(places.columns);
        with_columns(pane, inside, context, |table| find(inside, table))
    } else {
        None
    }
}

fn columns_part(pane: &Datasets, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let name = pane.dataset.clone().unwrap_or_default();
    let title = Line::from(vec![
        Span::raw(name),
        Span::styled(" · columns", context.theme.dim),
    ]);
    let focused = pane.part == Part::Columns;
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let Some(detail) = pane.detail() else {
        let said = Line::styled(parts::waiting("the profile", context), context.theme.dim);
        parts::put_lines(&[said], inside, 0, buffer);
        return;
    };
    if detail.profile.is_none() {
        let said = context
            .keymap
            .fill("no profile yet: ‹train› profiles and validates the dataset");
        let width = usize::from(inside.width.saturating_sub(2));
        let lines = parts::wrapped(&[said], width, context.theme.dim);
        parts::put_lines(&lines, inside, 0, buffer);
        return;
    }
    let look = context.theme.look();
    with_columns(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
}

fn lines(pane: &Datasets, part: Part, places: &Places, context: &Context) -> Vec<Line<'static>> {
    let width = usize::from(places.of(part).width.saturating_sub(4));
    let waiting = || {
        let said = match &pane.refused {
            Some(why) => why.clone(),
            None => parts::waiting("the dataset", context),
        };
        parts::wrapped(&[said], width, context.theme.dim)
    };
    let Some(detail) = pane.detail() else {
        return waiting();
    };
    match part {
        Part::About => about::lines(detail, width, context),
        Part::Column => match pane.profiled_one() {
            Some(column) => column::lines(column, detail, width, places.chart.is_empty(), context),
            None => Vec::new(),
        },
        Part::List | Part::Columns => Vec::new(),
    }
}

/// How far the focused part can be scrolled.
pub(super) fn length(pane: &Datasets, context: &Context) -> usize {
    let places = places(pane, context.area);
    let rows = usize::from(places.of(pane.part).height.saturating_sub(2));
    lines(pane, pane.part, &places, context)
        .len()
        .saturating_sub(rows)
}

fn about_part(pane: &Datasets, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::About;
    let name = pane.dataset.clone().unwrap_or_else(|| "Dataset".to_owned());
    let name = if pane.open {
        format!("about {name}")
    } else {
        name
    };
    let inside = frame::part(buffer, area, name, focused, context.theme);
    let places = places(pane, context.area);
    let lines = lines(pane, Part::About, &places, context);
    let scroll = if focused { pane.scroll } else { 0 };
    parts::put_lines(&lines, inside, scroll, buffer);
}

fn column_part(pane: &Datasets, places: &Places, buffer: &mut Buffer, context: &Context) {
    let area = places.column;
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Column;
    let name = pane.column.clone().unwrap_or_else(|| "Column".to_owned());
    let name = parts::middle(&name, usize::from(area.width.saturating_sub(4)));
    let inside = frame::part(buffer, area, name, focused, context.theme);
    let said = lines(pane, Part::Column, places, context);
    let scroll = if focused { pane.scroll } else { 0 };
    parts::put_lines(&said, inside, scroll, buffer);
    if places.chart.is_empty() {
        return;
    }
    let inside = frame::part(buffer, places.chart, "Distribution", false, context.theme);
    match pane.profiled_one().map(column::histogram) {
        Some(Some(spec)) => chart::render(inside, buffer, &spec.chart, &context.theme.look()),
        Some(None) => {
            let said = Line::styled("nothing was counted", context.theme.dim);
            parts::put_lines(&[said], inside, 0, buffer);
        }
        None => {}
    }
}
