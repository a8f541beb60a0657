//! Groups of runs as a table: the one with the best run first.

use super::super::{LETTERS, Part, Runs, groups};
use crate::domain::board::RunGroup;
use crate::domain::metric::Number;
use crate::tui::panes::Context;
use crate::tui::text;
use crate::tui::widgets::table::{Column, Row, Table};

/// Headings: the mark, what groups have in common, how many runs, the best value, how far behind the first, whose run.
pub(super) fn heads(pane: &Runs) -> Vec<Column> {
    let shown = pane.groups.as_ref();
    let by = pane.group.as_ref().map(groups::name).unwrap_or_default();
    let metric = shown
        .and_then(|shown| shown.metric.clone())
        .unwrap_or_else(|| "best".to_owned());
    let wide = (text::width(&metric) as u16).clamp(9, 14) + 2;
    vec![
        Column::text("", 1),
        Column::text(by.to_uppercase(), 12).growing(),
        Column::number("RUNS", 7),
        Column::number(metric.to_uppercase(), wide),
        Column::number("TO FIRST", 9),
        Column::text("BEST RUN", 18),
        Column::number("NEWEST", 6),
    ]
}

fn row(pane: &Runs, place: usize, group: &RunGroup, context: &Context) -> Row {
    let theme = context.theme;
    let shown = pane.groups.as_ref();
    let metric = shown
        .and_then(|shown| shown.metric.as_deref())
        .unwrap_or_default();
    let value = |group: &RunGroup| {
        let Number(value) = group.best.as_ref()?.metrics.get(metric)?;
        Some(*value)
    };
    let mine = value(group);
    let first = shown.and_then(|shown| shown.groups.first()).and_then(value);
    let (sign, style) = group
        .best
        .as_ref()
        .and_then(|best| pane.marks.iter().position(|(run, _)| *run == best.id))
        .map_or((" ", theme.text), |place| {
            (LETTERS[place], theme.marks[place])
        });
    let behind = match (mine, first) {
        _ if place == 0 => ("·".to_owned(), theme.dim),
        (Some(mine), Some(first)) => (text::difference(mine - first), theme.text),
        _ => ("—".to_owned(), theme.dim),
    };
    let best = match mine {
        Some(value) if place == 0 => (format!("{} ★", text::number(value)), theme.text),
        Some(value) => (format!("{}  ", text::number(value)), theme.text),
        None => ("—  ".to_owned(), theme.dim),
    };
    let (name, name_style) = match &group.name {
        Some(name) => (name.clone(), theme.text),
        None => ("none".to_owned(), theme.dim),
    };
    Row {
        cells: vec![
            (sign.to_owned(), style),
            (name, name_style),
            (text::count(group.runs), theme.text),
            best,
            behind,
            (
                group
                    .best
                    .as_ref()
                    .map_or_else(|| "—".to_owned(), |run| run.name.clone()),
                style,
            ),
            (text::age(context.now.since(group.newest)), theme.dim),
        ],
    }
}

/// Calls `with` with the table as it is drawn.
pub(super) fn with_table<T>(
    pane: &Runs,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> Option<T> {
    let shown = pane.groups.as_ref()?;
    let heads = heads(pane);
    let row = |line: usize| {
        shown
            .groups
            .get(line)
            .map(|group| row(pane, line, group, context))
            .unwrap_or_default()
    };
    let table = Table {
        columns: &heads,
        count: shown.groups.len(),
        row: &row,
        offset: pane.top,
        selected: Some(pane.cursor),
        focused: pane.part == Part::Table,
        sort: Some((3, true)),
        empty: &context
            .keymap
            .fill("no run matches the filter; ‹back› clears it"),
    };
    Some(with(&table))
}
