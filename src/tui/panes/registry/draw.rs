//! Draws the registry pane: where its parts are, and what each says. Changes nothing.

use super::tables::{with_models, with_versions};
use super::{PARTS, Part, Registry, TABS, facts, is_champion};
use crate::tui::layout::{self, Room};
use crate::tui::panes::{Context, parts};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::Line;

/// Where each part is; an empty area: not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    pub models: Rect,
    pub versions: Rect,
    pub checks: Rect,
    pub against: Rect,
    pub lineage: Rect,
    pub history: Rect,
}

impl Places {
    /// The part at a place of the screen.
    pub fn at(&self, position: Position) -> Option<Part> {
        PARTS
            .into_iter()
            .find(|part| self.of(*part).contains(position))
    }

    fn of(&self, part: Part) -> Rect {
        match part {
            Part::Models => self.models,
            Part::Versions => self.versions,
            Part::Checks => self.checks,
            Part::Against => self.against,
            Part::Lineage => self.lineage,
            Part::History => self.history,
        }
    }

    fn put(&mut self, part: Part, area: Rect) {
        match part {
            Part::Models => self.models = area,
            Part::Versions => self.versions = area,
            Part::Checks => self.checks = area,
            Part::Against => self.against = area,
            Part::Lineage => self.lineage = area,
            Part::History => self.history = area,
        }
    }
}

/// Where everything is in `area`.
pub fn places(pane: &Registry, area: Rect) -> Places {
    let mut places = Places::default();
    let room = Room::of(area);
    if room == Room::One || pane.zoomed || area.height < 16 {
        places.put(pane.part, area);
        return places;
    }
    let large = room >= Room::Large;
    let moves = if large { area.height / 5 } else { 3 };
    let (upper, history) = layout::above(area, area.height + 1 - moves);
    places.history = history;
    let (models, rest) = layout::beside(upper, if large { 26 } else { 21 });
    places.models = models;
    let (middle, side) = if large {
        layout::beside(rest, rest.width - rest.width * 2 / 5)
    } else {
        (rest, Rect::default())
    };
    let count = pane.shown().map_or(0, |page| page.versions.len()) as u16;
    let versions = (count + 3).clamp(5, (middle.height * 2 / 5).max(5));
    let (versions, below) = layout::above(middle, versions);
    places.versions = versions;
    if large {
        places.checks = below;
        let (against, lineage) = layout::above(side, side.height / 2);
        places.against = against;
        places.lineage = lineage;
    } else {
        places.put(TABS[pane.tab], below);
    }
    places
}

/// The status line.
pub fn status(pane: &Registry, context: &Context) -> Vec<String> {
    let Some(models) = &pane.models else {
        return vec!["models are on their way".to_owned()];
    };
    let mut said = Vec::new();
    if let Some(model) = &pane.model {
        said.push(model.to_string());
    }
    if let Some((row, gate)) = pane.current().and_then(|row| Some((row, row.gate?))) {
        said.push(format!("{}: {}", row.version.version, gate.sentence()));
    }
    match pane.champion() {
        Some(champion) => said.push(format!(
            "champion {} since {}",
            champion.version.version,
            pane.shown()
                .and_then(|page| {
                    page.history
                        .iter()
                        .find(|one| one.to == Some(champion.version.version))
                })
                .map_or_else(
                    || text::day(champion.version.created, context.offset_s),
                    |one| text::day(one.at, context.offset_s)
                )
        )),
        None if pane.shown().is_some() => said.push("no champion".to_owned()),
        None => {}
    }
    if let Some(page) = pane.shown() {
        said.push(text::counted(
            page.versions.len() as u64,
            "version",
            "versions",
        ));
    }
    if pane.filter.is_empty() {
        said.push(text::counted(models.len() as u64, "model", "models"));
    } else {
        said.push(format!(
            "{} of {} models, filter {}",
            pane.listed().len(),
            models.len(),
            pane.filter
        ));
    }
    said
}

/// Draws the pane.
pub fn render(pane: &Registry, buffer: &mut Buffer, context: &Context) {
    if pane.models.as_ref().is_some_and(Vec::is_empty) {
        let inside = frame::part(buffer, context.area, "Models", true, context.theme);
        let words = [
            "No model is registered yet. What makes one:",
            "",
            "trainyard train PIPELINE           trains, then registers a version",
            "‹register› on a run in pane ‹pane_1›               registers its model",
            "mlflow.register_model(URI, NAME)   from your own script",
            "",
            "Then this pane says whether it may take over, and ‹promote› promotes it.",
        ];
        parts::put_words(&words, inside, buffer, context);
        return;
    }
    let places = places(pane, context.area);
    models(pane, places.models, buffer, context);
    versions(pane, places.versions, buffer, context);
    for part in [Part::Checks, Part::Against, Part::Lineage, Part::History] {
        facts_of(pane, part, places.of(part), buffer, context);
    }
    tabs(pane, &places, buffer, context);
}

fn title(pane: &Registry, part: Part, name: String, context: &Context) -> String {
    if Room::of(context.area) == Room::One || pane.zoomed {
        let place = PARTS.iter().position(|one| *one == part).unwrap_or(0);
        format!("{name} ─ {} of {}", place + 1, PARTS.len())
    } else {
        name
    }
}

fn models(pane: &Registry, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Models;
    let title = title(pane, Part::Models, "Models".to_owned(), context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    if pane.models.is_none() {
        let said = parts::wrapped(
            &[parts::waiting("models", context)],
            usize::from(inside.width.saturating_sub(2)),
            context.theme.dim,
        );
        parts::put_lines(&said, inside, 0, buffer);
        return;
    }
    let look = context.theme.look();
    with_models(pane, inside, context, |table| {
        table.render(inside, buffer, &look)
    });
}

fn versions(pane: &Registry, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Versions;
    let name = match (&pane.model, pane.current()) {
        (Some(model), Some(row)) if is_champion(row) => {
            format!("{model} ─ {} is champion", row.version.version)
        }
        (Some(model), Some(row)) => format!("{model} ─ {} → champion?", row.version.version),
        (Some(model), None) => model.to_string(),
        (None, _) => "Versions".to_owned(),
    };
    let title = title(pane, Part::Versions, name, context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let look = context.theme.look();
    let drawn = with_versions(pane, inside, context, |table| {
        table.render(inside, buffer, &look);
    });
    if drawn.is_none() {
        let said = Line::styled(parts::waiting("versions", context), context.theme.dim);
        parts::put_lines(&[said], inside, 0, buffer);
    }
}

fn lines(pane: &Registry, part: Part, inside: Rect, context: &Context) -> Vec<Line<'static>> {
    let width = usize::from(inside.width.saturating_sub(2));
    let focused = pane.part == part;
    match part {
        Part::Checks => facts::checks(pane, width, focused, context),
        Part::Against => facts::against(pane, width, context),
        Part::Lineage => facts::lineage(pane, width, context),
        Part::History => facts::history(pane, width, usize::from(inside.height), context),
        Part::Models | Part::Versions => Vec::new(),
    }
}

/// How far the focused part can be scrolled.
pub fn length(pane: &Registry, context: &Context) -> usize {
    let inside = parts::inside(places(pane, context.area).of(pane.part));
    lines(pane, pane.part, inside, context)
        .len()
        .saturating_sub(usize::from(inside.height))
}

fn facts_of(pane: &Registry, part: Part, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == part;
    let version = pane
        .current()
        .map_or_else(String::new, |row| format!(" of {}", row.version.version));
    let name = match part {
        Part::Checks => facts::question(pane),
        Part::Against => match (pane.current(), pane.champion()) {
            (Some(row), Some(champion)) if !is_champion(row) => format!(
                "{} against champion {}",
                row.version.version, champion.version.version
            ),
            _ => format!("Metrics{version}"),
        },
        Part::Lineage => format!("Lineage{version}"),
        _ => "History".to_owned(),
    };
    let title = title(pane, part, name, context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let lines = lines(pane, part, inside, context);
    let mut scroll = if focused { pane.scroll } else { 0 };
    if part == Part::Checks && focused {
        let last = lines.len().saturating_sub(usize::from(inside.height));
        scroll = pane.check.min(last);
    }
    parts::put_lines(&lines, inside, scroll, buffer);
}

/// The parts that share a place, in its lower border.
fn tabs(pane: &Registry, places: &Places, buffer: &mut Buffer, context: &Context) {
    let together = Room::of(context.area) == Room::Normal && !pane.zoomed;
    let area = places.of(TABS[pane.tab]);
    if !together || area.is_empty() {
        return;
    }
    let names: Vec<String> = TABS
        .iter()
        .map(|tab| {
            let name = match tab {
                Part::Checks => "checks",
                Part::Against => "against champion",
                _ => "lineage",
            };
            if *tab == TABS[pane.tab] {
                format!("●{name}")
            } else {
                name.to_owned()
            }
        })
        .collect();
    let said = Line::styled(format!("[ ] {}", names.join(" · ")), context.theme.dim);
    frame::foot(buffer, area, said, context.theme);
}
