//! Draws the runs pane: where its parts are, and what each says. Changes nothing.

use super::columns::{self, Column};
use super::{LETTERS, PARTS, Part, Runs, TABS};
use crate::chart::{Chart, ChartSpec};
use crate::domain::Timestamp;
use crate::domain::run::RunDetail;
use crate::tui::keymap::Action;
use crate::tui::layout::{self, Room};
use crate::tui::panes::{Context, ways_to_begin};
use crate::tui::widgets::table::{self as table_widget, Hit, Row, Table};
use crate::tui::widgets::{chart, sparkline};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

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

/// The status line.
pub fn status(pane: &Runs, context: &Context) -> Vec<String> {
    let mut parts = Vec::new();
    let Some(table) = &pane.table else {
        return vec!["runs are on their way".to_owned()];
    };
    if let Some(refused) = &pane.refused {
        parts.push(format!("▲ {refused}"));
    }
    if let Some((_, model, _)) = &table.champion {
        parts.push(model.to_string());
    } else if let [(_, name)] = table.experiments.as_slice() {
        parts.push(name.clone());
    }
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
    parts.push(match pane.order() {
        Some((column, down)) => {
            format!("sort {} {}", column.name(), if down { "↓" } else { "↑" })
        }
        None => "newest first".to_owned(),
    });
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
    let empty = pane
        .table
        .as_ref()
        .is_some_and(|table| table.unfiltered == 0);
    if empty {
        let inside = frame::part(buffer, context.area, "Runs", true, context.theme);
        ways_to_begin(inside, buffer, context);
        return;
    }
    runs(pane, places.table, buffer, context);
    curves(pane, places.chart, buffer, context);
    grid(pane, &places, buffer, context);
    differences(pane, &places, buffer, context);
    detail(pane, &places, buffer, context);
    why(pane, places.why, buffer, context);
    strip(pane, &places.strip, buffer, context);
    readout(pane, &places, buffer, context);
}

fn heads(shown: &[Column], primary: Option<&str>) -> Vec<table_widget::Column> {
    let mut heads = vec![table_widget::Column::text("", 1)];
    let grows = shown.iter().position(|column| *column == Column::Name);
    heads.extend(shown.iter().enumerate().map(|(place, column)| {
        let title = column.name().to_uppercase();
        let width = column.width(primary) as u16;
        let head = if column.at_right() {
            table_widget::Column::number(title, width)
        } else {
            table_widget::Column::text(title, width)
        };
        if grows == Some(place) {
            head.growing()
        } else {
            head
        }
    }));
    heads
}

fn inside(area: Rect) -> Rect {
    Rect::new(
        area.x + 1,
        area.y + 1,
        area.width.saturating_sub(2),
        area.height.saturating_sub(2),
    )
}

/// Calls `with` with the table as it is drawn.
fn with_table<T>(
    pane: &Runs,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> Option<T> {
    let table = pane.table.as_ref()?;
    let theme = context.theme;
    let shown = columns::fitting(table, pane.chosen.as_deref(), usize::from(area.width));
    let heads = heads(&shown, table.primary_metric.as_deref());
    let order = pane.order();
    let sort = order.and_then(|(by, down)| {
        let place = shown.iter().position(|column| *column == by)?;
        Some((place + 1, down))
    });
    let asked = pane.query();
    let stale = pane
        .answered
        .as_ref()
        .is_none_or(|known| known.filter != asked.filter || known.order_by != asked.order_by);
    let row = |line: usize| {
        let Some(run) = pane.line(line) else {
            return Row::plain(["", "…"], theme.dim);
        };
        let champion = pane.is_champion(&run.id) && line < pane.lead();
        let mark = pane.marks.iter().position(|(marked, _)| *marked == run.id);
        let sign = match (champion, mark) {
            (true, _) => ("◆".to_owned(), theme.champion),
            (_, Some(place)) => (LETTERS[place].to_owned(), theme.marks[place]),
            _ if pane.is_champion(&run.id) => ("◆".to_owned(), theme.dim),
            _ => (" ".to_owned(), theme.text),
        };
        let mut cells = vec![sign];
        cells.extend(shown.iter().map(|column| {
            let (text, style) = columns::cell(column, run, table, champion, context.now, theme);
            match mark {
                _ if stale => (text, theme.dim),
                Some(place) if *column == Column::Name => (text, theme.marks[place]),
                _ => (text, style),
            }
        }));
        Row { cells }
    };
    let table = Table {
        columns: &heads,
        count: pane.count(),
        row: &row,
        offset: pane.top,
        selected: Some(pane.cursor),
        focused: pane.part == Part::Table,
        sort,
        empty: &context
            .keymap
            .fill("no run matches the filter; ‹back› clears it"),
    };
    Some(with(&table))
}

/// What a place of the screen is in the table.
pub fn hit(pane: &Runs, context: &Context, position: Position) -> Option<Hit> {
    let area = inside(places(pane, context.area).table);
    with_table(pane, area, context, |table| {
        table.hit(area, position.x, position.y)
    })
    .flatten()
}

fn runs(pane: &Runs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Table;
    let title = if Room::of(context.area) == Room::One || pane.zoomed {
        parts_title(pane, "Runs")
    } else {
        "Runs".to_owned()
    };
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let look = context.theme.look();
    let drawn = with_table(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
    if drawn.is_none() {
        let said = match context.lost {
            Some(since) => format!(
                "the daemon is out of reach for {}",
                text::age(context.now.since(since))
            ),
            None => "asking for runs".to_owned(),
        };
        buffer.set_stringn(
            inside.x + 1,
            inside.y,
            said,
            usize::from(inside.width.saturating_sub(1)),
            context.theme.dim,
        );
    }
}

/// A part's title when it stands alone: its place among the parts.
fn parts_title(pane: &Runs, name: &str) -> String {
    let place = PARTS
        .iter()
        .position(|part| *part == pane.part)
        .unwrap_or(0);
    format!("{name} ─ part {} of {}", place + 1, PARTS.len())
}

fn draw_chart(spec: &ChartSpec, area: Rect, focused: bool, buffer: &mut Buffer, context: &Context) {
    let inside = frame::part(buffer, area, spec.heading(), focused, context.theme);
    chart::render(inside, buffer, &spec.chart, &context.theme.look());
}

/// The chart of one metric; says so where nothing has a curve.
fn spec(pane: &Runs, key: &str, context: &Context) -> ChartSpec {
    let mut spec = pane.view.chart(key, &pane.series, &pane.drawn());
    if let Chart::Curves(curves) = &mut spec.chart {
        let single = pane
            .detail
            .as_ref()
            .is_some_and(|detail| detail.curves.is_empty());
        curves.empty = if single {
            format!(
                "{key} was logged once: no curve; {} shows the value",
                context.keymap.label(Action::Open)
            )
        } else {
            "no points yet".to_owned()
        };
    }
    spec
}

fn curves(pane: &Runs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Chart;
    match pane.metric() {
        Some(key) => draw_chart(&spec(pane, &key, context), area, focused, buffer, context),
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

fn grid(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    if places.grid[0].is_empty() {
        return;
    }
    let charted = pane.charted();
    for (place, area) in places.grid[..2].iter().enumerate() {
        match charted.get(place + 1) {
            Some(key) => draw_chart(&spec(pane, key, context), *area, false, buffer, context),
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
        .and_then(|table| super::curves::scatter(table, &pane.shown()));
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
fn readout(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    if places.chart.is_empty() {
        return;
    }
    let Some(key) = pane.metric() else {
        return;
    };
    let curves = pane.view.curves(&key, &pane.series, &pane.drawn());
    if let Some(said) = pane.view.readout(&curves) {
        let area = if places.grid[0].is_empty() {
            places.chart
        } else {
            context.area
        };
        frame::foot(buffer, area, said, context.theme);
    }
}

/// Lines scrolled by the pane when the part has the focus.
fn put_lines(lines: &[Line], inside: Rect, scroll: usize, buffer: &mut Buffer) {
    let rows = usize::from(inside.height);
    let top = scroll.min(lines.len().saturating_sub(rows));
    for (row, line) in lines.iter().skip(top).take(rows).enumerate() {
        buffer.set_line(
            inside.x + 1,
            inside.y + row as u16,
            line,
            inside.width.saturating_sub(1),
        );
    }
}

/// The sentences: how the marked runs, or the one under the cursor, stand. What was said before stays until the answer
/// for another choice is there.
fn verdicts(pane: &Runs) -> Vec<String> {
    match &pane.comparison {
        Some(comparison) if !comparison.verdicts.is_empty() => comparison.verdicts.clone(),
        _ => pane
            .detail
            .as_ref()
            .map(|detail| detail.verdict.clone())
            .filter(|verdict| !verdict.is_empty())
            .into_iter()
            .collect(),
    }
}

fn difference_lines(pane: &Runs, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(comparison) = &pane.comparison else {
        return vec![Line::styled("comparing", theme.dim)];
    };
    // one column per run, the champion last
    let count = comparison
        .differences
        .iter()
        .map(|row| row.values.len())
        .max()
        .unwrap_or(comparison.runs.len());
    let champion_last = comparison.champion.is_some();
    let sign = |place: usize| {
        if champion_last && place + 1 == count {
            ("◆".to_owned(), theme.champion)
        } else if place < LETTERS.len() {
            (LETTERS[place].to_owned(), theme.marks[place])
        } else {
            ("·".to_owned(), theme.dim)
        }
    };
    let rows: Vec<_> = comparison
        .differences
        .iter()
        .filter(|row| pane.all_rows || !row.equal)
        .collect();
    // short values as they were written, longer numbers as the table writes them
    let short = |value: &Option<String>| match value {
        None => "—".to_owned(),
        Some(value) if text::width(value) <= 7 => match value.strip_prefix("0.") {
            Some(rest) => format!(".{rest}"),
            None => value.clone(),
        },
        Some(value) => value
            .parse::<f64>()
            .map_or_else(|_| value.clone(), text::number),
    };
    let room = (width.saturating_sub(10) / count.max(1)).saturating_sub(1);
    let cell = rows
        .iter()
        .flat_map(|row| row.values.iter().map(|value| text::width(&short(value))))
        .max()
        .unwrap_or(3)
        .clamp(3, room.clamp(3, 12));
    let mut lines = Vec::new();
    let mut head: Vec<Span> = (0..count)
        .map(|place| {
            let (sign, style) = sign(place);
            Span::styled(format!("{} ", text::left(&sign, cell)), style)
        })
        .collect();
    head.push(Span::styled("what differs", theme.dim));
    lines.push(Line::from(head));
    for row in &rows {
        let mut spans: Vec<Span> = (0..count)
            .map(|place| {
                let value = row.values.get(place).map_or_else(String::new, short);
                Span::raw(format!("{} ", text::left(&value, cell)))
            })
            .collect();
        let style = if row.equal { theme.dim } else { theme.text };
        let key = match row.kind.as_str() {
            "param" | "metric" => row.key.clone(),
            kind => format!("{kind} {}", row.key),
        };
        spans.push(Span::styled(key, style));
        lines.push(Line::from(spans));
    }
    let equal = comparison
        .differences
        .iter()
        .filter(|row| row.equal)
        .count();
    if equal > 0 {
        let key = context.keymap.label(Action::Differences);
        let said = if pane.all_rows {
            format!(
                "{key} hides {}",
                text::counted(equal as u64, "equal row", "equal rows")
            )
        } else {
            format!(
                "{} equal: {key} shows them",
                text::counted(equal as u64, "row", "rows")
            )
        };
        lines.push(Line::styled(said, theme.dim));
    }
    lines
}

fn differences(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    let area = places.differences;
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Differences;
    let alone = Room::of(context.area) == Room::One || pane.zoomed;
    let title = if alone {
        parts_title(pane, "Differences")
    } else {
        "Differences".to_owned()
    };
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let mut said: Vec<Line> = Vec::new();
    // the sentences have their own part when there is room
    if places.why.is_empty() {
        for verdict in verdicts(pane) {
            said.extend(text::wrap(&verdict, width).into_iter().map(Line::from));
        }
    }
    if alone {
        for (place, (_, name)) in pane.marks.iter().enumerate() {
            let line = format!("{} {name}", LETTERS[place]);
            said.push(Line::styled(line, context.theme.marks[place]));
        }
    }
    let lines = difference_lines(pane, width, context);
    let rows = usize::from(inside.height);
    let least = lines.len().min(3);
    let below = said.len().min(rows.saturating_sub(least));
    let upper = Rect {
        height: inside.height - below as u16,
        ..inside
    };
    let lower = Rect {
        y: upper.bottom(),
        height: below as u16,
        ..inside
    };
    put_lines(&lines, upper, if focused { pane.scroll } else { 0 }, buffer);
    put_lines(&said[..below], lower, 0, buffer);
}

fn why(pane: &Runs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let title = match pane.marks.as_slice() {
        [] => "Why".to_owned(),
        marks => format!("Why {}", LETTERS[..marks.len()].join(" ")),
    };
    let inside = frame::part(buffer, area, title, false, context.theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let lines: Vec<Line> = verdicts(pane)
        .iter()
        .flat_map(|verdict| text::wrap(verdict, width))
        .map(Line::from)
        .collect();
    put_lines(&lines, inside, 0, buffer);
}

fn detail(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    let area = places.detail;
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let focused = pane.part == Part::Detail;
    // the run whose details are there, until those of the run under the cursor have come
    let shown = pane.detail.as_ref().map(|detail| &detail.run.id);
    let name = shown
        .or(pane.selected.as_ref())
        .map_or_else(|| "Run".to_owned(), |run| pane.name_of(run));
    let inside = frame::part(buffer, area, name, focused, theme);
    let Some(detail) = &pane.detail else {
        let said = Line::styled("asking for details", theme.dim);
        put_lines(&[said], inside, 0, buffer);
        return;
    };
    let stale = context.lost.is_some() && pane.selected.as_ref() != Some(&detail.run.id);
    let width = usize::from(inside.width.saturating_sub(2));
    let tab = TABS[pane.tab.min(TABS.len() - 1)];
    let mut lines = detail_lines(pane, detail, tab, width, context);
    if stale {
        for line in &mut lines {
            *line = Line::styled(line.to_string(), theme.dim);
        }
    }
    let body = if focused && inside.height > 3 {
        let tabs: Vec<Span> = TABS
            .iter()
            .map(|name| {
                let style = if *name == tab {
                    theme.accent
                } else {
                    theme.dim
                };
                Span::styled(format!("{name}  "), style)
            })
            .chain([Span::styled("[ ]", theme.dim)])
            .collect();
        buffer.set_line(
            inside.x + 1,
            inside.y,
            &Line::from(tabs),
            inside.width.saturating_sub(1),
        );
        Rect {
            y: inside.y + 1,
            height: inside.height - 1,
            ..inside
        }
    } else {
        inside
    };
    put_lines(&lines, body, if focused { pane.scroll } else { 0 }, buffer);
}

/// "✓ finished 2h ago, took 6m 12s".
fn state_words(detail: &RunDetail, now: Timestamp, progress: Option<f64>) -> String {
    use crate::domain::run::RunStatus as S;
    let run = &detail.run;
    let began = text::age(now.since(run.started));
    let took = run
        .ended
        .map(|ended| text::duration(ended.since(run.started)));
    let ago = run.ended.map(|ended| text::age(now.since(ended)));
    match (run.status, took, ago) {
        (S::Finished, Some(took), Some(ago)) => format!("✓ finished {ago} ago, took {took}"),
        (S::Failed, Some(took), Some(ago)) => format!("✗ failed {ago} ago, after {took}"),
        (S::Killed, Some(took), Some(ago)) => format!("✗ stopped {ago} ago, after {took}"),
        (S::Running, ..) => match progress {
            Some(share) => format!("▶ running for {began}, {:.0}% done", share * 100.0),
            None => format!("▶ running for {began}"),
        },
        (S::Scheduled, ..) => format!("… waiting for {began}"),
        (status, ..) => status.as_str().to_lowercase(),
    }
}

fn pair(head: &str, value: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    text::wrap(value, width.saturating_sub(9).max(10))
        .into_iter()
        .enumerate()
        .map(|(row, part)| {
            let head = if row == 0 { head } else { "" };
            Line::from(vec![
                Span::raw(text::left(head, 9)),
                Span::styled(part, style),
            ])
        })
        .collect()
}

fn detail_lines(
    pane: &Runs,
    detail: &RunDetail,
    tab: &str,
    width: usize,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let run = &detail.run;
    let row = pane.rows.iter().find(|row| row.id == run.id);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let metrics = |lines: &mut Vec<Line<'static>>, most: usize| {
        let primary = pane.primary();
        let mut all: Vec<_> = run.metrics.iter().collect();
        all.sort_by_key(|metric| Some(metric.key.as_str()) != primary);
        for (place, metric) in all.into_iter().take(most).enumerate() {
            let mut value = format!(
                "{} {}",
                text::left(&metric.key, 14),
                text::number(metric.value)
            );
            if Some(metric.key.as_str()) == primary
                && let Some((rank, of)) = detail.rank
            {
                value.push_str(&format!("  {} of {}", text::count(rank), text::count(of)));
                if rank == 1 {
                    value.push_str(" ★");
                }
            } else if let Some(champion) = detail.champion.get(&metric.key) {
                value.push_str(&format!("  (champion {})", text::number(champion.0)));
            }
            lines.extend(pair(
                if place == 0 { "Metrics" } else { "" },
                &value,
                width,
                theme.text,
            ));
        }
    };
    match tab {
        "run" => {
            let progress = row.and_then(|row| row.progress);
            let state = state_words(detail, context.now, progress);
            lines.extend(pair("State", &state, width, theme.text));
            if let Some(failure) = row.and_then(|row| row.failure.as_ref()) {
                lines.extend(pair("Why", failure, width, theme.bad));
            }
            metrics(&mut lines, 4);
            for (place, (key, mine, theirs)) in detail.changed.iter().take(6).enumerate() {
                let none = || "none".to_owned();
                let value = format!(
                    "{} {}  (was {})",
                    text::left(key, 14),
                    mine.clone().unwrap_or_else(none),
                    theirs.clone().unwrap_or_else(none)
                );
                let head = if place == 0 { "Params" } else { "" };
                lines.extend(pair(head, &value, width, theme.text));
            }
            if detail.changed.is_empty() {
                for (place, param) in run.params.iter().take(6).enumerate() {
                    let head = if place == 0 { "Params" } else { "" };
                    let value = format!("{} {}", text::left(&param.key, 14), param.value);
                    lines.extend(pair(head, &value, width, theme.text));
                }
            }
            if detail.equal > 0 {
                let said = format!("{} more equal to champion", detail.equal);
                lines.extend(pair("", &said, width, theme.dim));
            }
            for input in &run.inputs {
                let digest: String = input.digest.chars().take(8).collect();
                let context = input.context.as_deref().unwrap_or_default();
                let value = format!("{} {context} digest {digest}…", input.name);
                lines.extend(pair("Data", &value, width, theme.text));
            }
            if let Some(commit) = run.tag("mlflow.source.git.commit") {
                let commit: String = commit.chars().take(8).collect();
                let file = run.tag("mlflow.source.name").unwrap_or_default();
                lines.extend(pair("Code", &format!("{commit} {file}"), width, theme.text));
            } else if let Some(file) = run.tag("mlflow.source.name") {
                lines.extend(pair("Code", file, width, theme.text));
            }
            if let Some(note) = run.tag("mlflow.note.content") {
                lines.extend(pair("Note", note, width, theme.text));
            }
            lines.extend(pair("By", &run.user, width, theme.text));
            lines.extend(pair("Filed", &detail.experiment, width, theme.text));
            lines.extend(pair("Id", run.id.as_str(), width, theme.dim));
            if !detail.verdict.is_empty() {
                lines.push(Line::default());
                let said = text::wrap(&detail.verdict, width);
                lines.extend(said.into_iter().map(Line::from));
            }
        }
        "metrics" => metrics(&mut lines, usize::MAX),
        "params" | "tags" => {
            let pairs = if tab == "params" {
                &run.params
            } else {
                &run.tags
            };
            for known in pairs {
                let value = format!("{} {}", text::left(&known.key, 22), known.value);
                lines.extend(text::wrap(&value, width).into_iter().map(Line::from));
            }
        }
        _ => {
            for (path, bytes) in &detail.artifacts {
                lines.push(Line::from(format!("{:>8}  {path}", text::bytes(*bytes))));
            }
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled(format!("no {tab}"), theme.dim));
    }
    lines
}

fn strip(pane: &Runs, areas: &[Rect; 3], buffer: &mut Buffer, context: &Context) {
    if areas[0].is_empty() {
        return;
    }
    let theme = context.theme;
    let look = theme.look();
    let sentence = pane.live.as_ref().map_or_else(
        || "Live ─ nothing deployed".to_owned(),
        |page| format!("Live ─ {}", page.sentence),
    );
    let inside = frame::part(buffer, areas[0], sentence, false, theme);
    if let Some(page) = &pane.live {
        let version = page
            .deployment
            .version
            .map_or_else(String::new, |version| version.to_string());
        let mut line = format!("{} {version}", page.deployment.name);
        for limit in &page.limits {
            if let Some(value) = limit.value {
                let word = match limit.name.as_str() {
                    "traffic" => String::new(),
                    name => format!("{name} "),
                };
                line.push_str(&format!("  {word}{} {}", text::number(value), limit.unit));
                if limit.name == "traffic" {
                    let history = sparkline::text(&limit.history, 15, None, look.ascii);
                    line.push_str(&format!(" {history}"));
                }
            }
        }
        let style = if page.healthy { theme.text } else { theme.bad };
        put_lines(&[Line::styled(line, style)], inside, 0, buffer);
    }
    let title = pane.jobs.as_ref().map_or_else(
        || "Jobs".to_owned(),
        |page| format!("Jobs ─ {} running, {} waiting", page.running, page.waiting),
    );
    let inside = frame::part(buffer, areas[1], title, false, theme);
    if let Some(row) = pane.jobs.as_ref().and_then(|page| page.rows.first()) {
        let job = &row.job;
        let mut line = format!("{} {}", job.id, job.title);
        match (job.state.is_ended(), job.progress) {
            (false, Some(share)) => line.push_str(&format!("  {:.0}%", share * 100.0)),
            (true, _) => line.push_str(&format!("  {}", job.state.as_str())),
            _ => {}
        }
        if let Some(left) = row.left_s {
            line.push_str(&format!("  {} left", text::age((left * 1000.0) as i64)));
        }
        put_lines(&[Line::styled(line, theme.text)], inside, 0, buffer);
    }
    let inside = frame::part(buffer, areas[2], "Messages", false, theme);
    if let Some(last) = context.messages.last() {
        put_lines(&[Line::raw(last.clone())], inside, 0, buffer);
    }
}
