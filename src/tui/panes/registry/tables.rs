//! The two tables of the registry pane: models and versions, drawn and pointed at by the same words.

use super::{Part, Registry, draw, facts, is_champion};
use crate::tui::panes::{Context, parts};
use crate::tui::text;
use crate::tui::widgets::table::{Column, Hit, Row, Table, widths};
use ratatui::layout::{Position, Rect};

fn list_heads() -> Vec<Column> {
    vec![
        Column::text("MODEL", 9).growing(),
        Column::number("", 4),
        Column::text("", 1),
    ]
}

pub(super) fn with_models<T>(
    pane: &Registry,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> T {
    let theme = context.theme;
    let listed = pane.listed();
    let row = |line: usize| {
        let Some(model) = listed.get(line) else {
            return Row::default();
        };
        let (version, sign) = match (model.champion, model.latest) {
            (Some(version), _) => (version.to_string(), "◆"),
            (None, Some(version)) => (version.to_string(), " "),
            (None, None) => ("—".to_owned(), " "),
        };
        let style = if model.champion.is_some() {
            theme.text
        } else {
            theme.dim
        };
        let serving = if model.serving {
            theme.champion
        } else {
            theme.dim
        };
        Row {
            cells: vec![
                (model.name.to_string(), theme.text),
                (version, style),
                (sign.to_owned(), serving),
            ],
        }
    };
    with(&Table {
        columns: &list_heads(),
        count: listed.len(),
        row: &row,
        offset: pane.list.first(area.height, listed.len()),
        selected: Some(pane.list.line),
        focused: pane.part == Part::Models,
        sort: None,
        empty: &context.keymap.fill("no match; ‹back› clears"),
    })
}

/// Names of the metrics that the table has room for.
fn shown_metrics(pane: &Registry, width: u16) -> Vec<String> {
    let all = pane
        .shown()
        .map(|page| page.metrics.clone())
        .unwrap_or_default();
    // without metrics: version, alias, run, age, by, gate, and the stage where there are stages
    let stage = if staged(pane) { 11 } else { 0 };
    let room = usize::from(width).saturating_sub(1 + 5 + 13 + 14 + 5 + 7 + 7 + stage);
    let mut used = 0;
    let fitting = all.iter().take_while(|name| {
        used += text::width(name).max(7) + 1;
        used <= room
    });
    let count = fitting.count().max(1).min(all.len());
    all.into_iter().take(count).collect()
}

/// Any version has one of MLflow's stages.
fn staged(pane: &Registry) -> bool {
    pane.shown().is_some_and(|page| {
        page.versions
            .iter()
            .any(|row| !matches!(row.version.stage.as_str(), "" | "None"))
    })
}

fn heads(metrics: &[String], staged: bool) -> Vec<Column> {
    let mut heads = vec![Column::text("VER", 4), Column::text("ALIAS", 12)];
    if staged {
        heads.push(Column::text("STAGE", 10));
    }
    heads.extend(
        metrics
            .iter()
            .map(|name| Column::number(name.to_uppercase(), text::width(name).clamp(7, 14) as u16)),
    );
    heads.extend([
        Column::text("FROM RUN", 12).growing(),
        Column::number("AGE", 4),
        Column::text("BY", 6),
        Column::text("GATE", 6),
    ]);
    heads
}

pub(super) fn with_versions<T>(
    pane: &Registry,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> Option<T> {
    let theme = context.theme;
    let page = pane.shown()?;
    let metrics = shown_metrics(pane, area.width);
    let staged = staged(pane);
    let heads = heads(&metrics, staged);
    let places = widths(&heads, area.width);
    let run = places
        .get(2 + usize::from(staged) + metrics.len())
        .map_or(12, |(_, width)| usize::from(*width));
    let row = |line: usize| {
        let Some(row) = page.versions.get(line) else {
            return Row::default();
        };
        let version = &row.version;
        let style = match (is_champion(row), row.was_champion) {
            (true, _) => theme.champion,
            (_, true) => theme.dim,
            _ => theme.text,
        };
        let gate = match row.gate {
            None => ("—".to_owned(), theme.dim),
            Some(gate) if gate.clear => (format!("✓ {}/{}", gate.passed, gate.total), theme.good),
            Some(gate) => (format!("✗ {}/{}", gate.passed, gate.total), theme.bad),
        };
        let mut cells = vec![
            (version.version.to_string(), theme.text),
            (facts::alias(row), style),
        ];
        if staged {
            let stage = match version.stage.as_str() {
                "" | "None" => ("·".to_owned(), theme.dim),
                "Production" => (version.stage.clone(), theme.good),
                "Archived" => (version.stage.clone(), theme.dim),
                _ => (version.stage.clone(), theme.text),
            };
            cells.push(stage);
        }
        cells.extend(metrics.iter().map(|name| {
            let value = row.metrics.get(name);
            (
                value.map_or_else(|| "—".to_owned(), |value| text::number(value.0)),
                theme.text,
            )
        }));
        cells.extend([
            (parts::middle(&row.run_name, run), theme.text),
            (text::age(context.now.since(version.created)), theme.text),
            (version.user.clone(), theme.text),
            gate,
        ]);
        Row { cells }
    };
    Some(with(&Table {
        columns: &heads,
        count: page.versions.len(),
        row: &row,
        offset: pane.versions.first(area.height, page.versions.len()),
        selected: Some(pane.versions.line),
        focused: pane.part == Part::Versions,
        sort: None,
        empty: "no version yet: trainyard train registers one",
    }))
}

/// What a place of the screen is in the table under it.
pub fn hit(pane: &Registry, context: &Context, at: Position) -> Option<Hit> {
    let places = draw::places(pane, context.area);
    if places.models.contains(at) {
        let inside = parts::inside(places.models);
        return with_models(pane, inside, context, |table| table.hit(inside, at.x, at.y));
    }
    let inside = parts::inside(places.versions);
    with_versions(pane, inside, context, |table| table.hit(inside, at.x, at.y)).flatten()
}
