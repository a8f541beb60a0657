//! Pane 2: is it safe to promote? Models, versions, the gate's checks, the comparison with the champion, lineage,
//! history. The daemon judges and checks; this pane shows what it said.

mod acts;
mod draw;
mod facts;
#[cfg(test)]
mod tests;

use super::parts::{self, Cursor};
use super::{Context, Input, Pane, PaneId, Pointer, Target};
use crate::api::protocol::{Snapshot, Topic};
use crate::domain::registry::{CHAMPION, LineageLine, ModelPage, ModelRow, VersionRow};
use crate::domain::trigger::Verdict;
use crate::domain::{ModelName, Version};
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::keymap::{Action, Binding, foot, key};
use crate::tui::layout::Room;
use crate::tui::widgets::table::Hit;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};

/// Parts of the pane, in the order of `Tab`. Checks, comparison and lineage share a place where there is little room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    Models,
    #[default]
    Versions,
    Checks,
    Against,
    Lineage,
    History,
}

const PARTS: [Part; 6] = [
    Part::Models,
    Part::Versions,
    Part::Checks,
    Part::Against,
    Part::Lineage,
    Part::History,
];

/// The parts that share a place.
const TABS: [Part; 3] = [Part::Checks, Part::Against, Part::Lineage];

/// See the module.
#[derive(Default)]
pub struct Registry {
    models: Option<Vec<ModelRow>>,
    page: Option<ModelPage>,
    model: Option<ModelName>,
    /// The version under the cursor; none until the page is there.
    version: Option<Version>,
    list: Cursor,
    versions: Cursor,
    check: usize,
    scroll: usize,
    part: Part,
    /// Which of [`TABS`] is shown where they share a place.
    tab: usize,
    zoomed: bool,
    filter: String,
}

const BINDINGS: &[Binding] = &[
    foot(Action::Promote, "promote"),
    foot(Action::Rollback, "roll back"),
    foot(Action::Compare, "compare with champion"),
    foot(Action::Register, "alias"),
    foot(Action::Open, "lineage"),
    foot(Action::NextPart, "part"),
    foot(Action::Copy, "copy"),
    foot(Action::Export, "export"),
    foot(Action::Filter, "filter models"),
    key(Action::Down, "down"),
    key(Action::Up, "up"),
    key(Action::Top, "first"),
    key(Action::Bottom, "last"),
    key(Action::HalfDown, "half a page down"),
    key(Action::HalfUp, "half a page up"),
    key(Action::PageDown, "a page down"),
    key(Action::PageUp, "a page up"),
    key(Action::PreviousPart, "previous part"),
    key(Action::Left, "part to the left"),
    key(Action::Right, "part to the right"),
    key(Action::PreviousTab, "checks, comparison, lineage: previous"),
    key(Action::NextTab, "checks, comparison, lineage: next"),
    key(Action::Zoom, "zoom the part"),
    key(Action::Back, "back to the versions"),
];

impl Pane for Registry {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Models];
        topics.extend(self.model.clone().map(|model| Topic::Model { model }));
        topics
    }

    fn update(&mut self, input: &Input, context: &Context) -> Vec<Effect> {
        match input {
            Input::Act(action) => return self.act(*action, context),
            Input::Filter(text) => {
                (*text).clone_into(&mut self.filter);
                self.keep_model(context);
            }
            Input::Snapshot(Topic::Models, Snapshot::Models(models)) => {
                self.models = Some(models.clone());
                self.keep_model(context);
            }
            Input::Snapshot(Topic::Model { model }, Snapshot::Model(page))
                if self.model.as_ref() == Some(model) =>
            {
                self.page = Some((**page).clone());
                self.keep_version(context);
            }
            Input::Pointer(pointer) => return self.point(*pointer, context),
            Input::Answer(tag, answer) => return self.answer(tag, answer),
            Input::Show(Target::Model(model)) => {
                self.show(model, None);
                self.keep_model(context);
            }
            Input::Show(Target::Version(model, version)) => {
                self.show(model, Some(*version));
                self.keep_model(context);
            }
            _ => {}
        }
        Vec::new()
    }

    fn render(&self, buffer: &mut Buffer, context: &Context) {
        draw::render(self, buffer, context);
    }

    fn status(&self, context: &Context) -> Vec<String> {
        draw::status(self, context)
    }

    fn filter(&self) -> &str {
        &self.filter
    }

    fn remember(&self) -> Value {
        json!({
            "model": self.model.as_ref().map(ModelName::as_str),
            "tab": self.tab,
            "filter": self.filter,
        })
    }

    fn restore(&mut self, looks: &Value) {
        self.model = looks["model"].as_str().map(ModelName::from);
        self.tab = looks["tab"]
            .as_u64()
            .map_or(0, |tab| (tab as usize).min(TABS.len() - 1));
        self.filter = looks["filter"].as_str().unwrap_or_default().to_owned();
    }
}

impl Registry {
    /// The models that the filter leaves.
    fn listed(&self) -> Vec<&ModelRow> {
        let words = self.filter.to_lowercase();
        self.models
            .iter()
            .flatten()
            .filter(|row| {
                let name = row.name.as_str().to_lowercase();
                words.split_whitespace().all(|word| name.contains(word))
            })
            .collect()
    }

    /// The page, when it is that of the chosen model.
    fn shown(&self) -> Option<&ModelPage> {
        self.page
            .as_ref()
            .filter(|page| Some(&page.model.name) == self.model.as_ref())
    }

    /// The version under the cursor.
    fn current(&self) -> Option<&VersionRow> {
        self.shown()?.versions.get(self.versions.line)
    }

    /// The champion's row.
    fn champion(&self) -> Option<&VersionRow> {
        self.shown()?.versions.iter().find(|row| is_champion(row))
    }

    /// What the gate last said of the version under the cursor.
    fn verdict(&self) -> Option<&Verdict> {
        self.current()?
            .version
            .gate
            .as_ref()
            .map(|(verdict, _)| verdict)
    }

    /// Where the version under the cursor came from.
    fn lineage(&self) -> &[LineageLine] {
        self.shown()
            .and_then(|page| page.lineage.get(self.versions.line))
            .map_or(&[], Vec::as_slice)
    }

    fn show(&mut self, model: &ModelName, version: Option<Version>) {
        if self.model.as_ref() != Some(model) {
            self.page = None;
        }
        self.model = Some(model.clone());
        self.version = version;
        self.filter.clear();
        self.part = Part::Versions;
        self.zoomed = false;
    }

    fn heights(&self, context: &Context) -> (u16, u16) {
        let places = draw::places(self, context.area);
        (
            places.models.height.saturating_sub(2),
            places.versions.height.saturating_sub(2),
        )
    }

    /// The cursor of the list stays on its model.
    fn keep_model(&mut self, context: &Context) {
        let listed: Vec<ModelName> = self.listed().iter().map(|row| row.name.clone()).collect();
        let place = self
            .model
            .as_ref()
            .and_then(|model| listed.iter().position(|name| name == model));
        let line = place.unwrap_or_else(|| self.list.line.min(listed.len().saturating_sub(1)));
        let (height, _) = self.heights(context);
        self.list.keep(line, height, listed.len());
        self.choose(listed.get(line).cloned(), context);
    }

    fn choose(&mut self, model: Option<ModelName>, context: &Context) {
        if model.is_some() && model != self.model {
            self.model = model;
            self.version = None;
            self.versions = Cursor::default();
            (self.check, self.scroll) = (0, 0);
        }
        self.keep_version(context);
    }

    /// The cursor of the versions stays on its version.
    fn keep_version(&mut self, context: &Context) {
        let Some(page) = self.shown() else {
            return;
        };
        let known: Vec<Version> = page
            .versions
            .iter()
            .map(|row| row.version.version)
            .collect();
        let place = self
            .version
            .and_then(|version| known.iter().position(|known| *known == version));
        let line = place.unwrap_or_else(|| self.versions.line.min(known.len().saturating_sub(1)));
        let (_, height) = self.heights(context);
        self.versions.keep(line, height, known.len());
        self.version = known.get(line).copied();
    }

    fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let (list, versions) = self.heights(context);
        match self.part {
            Part::Models => {
                let count = self.listed().len();
                if self.list.act(action, list, count) {
                    let model = self
                        .listed()
                        .get(self.list.line)
                        .map(|row| row.name.clone());
                    self.choose(model, context);
                    return Vec::new();
                }
            }
            Part::Versions => {
                let count = self.shown().map_or(0, |page| page.versions.len());
                if self.versions.act(action, versions, count) {
                    self.version = self.current().map(|row| row.version.version);
                    (self.check, self.scroll) = (0, 0);
                    return Vec::new();
                }
            }
            Part::Checks => {
                let count = self.verdict().map_or(0, |verdict| verdict.checks.len());
                if let Some(step) = parts::step(action, list) {
                    let check = self.check.saturating_add_signed(step);
                    self.check = check.min(count.saturating_sub(1));
                    return Vec::new();
                }
            }
            Part::Against | Part::Lineage | Part::History => {
                if let Some(step) = parts::step(action, list) {
                    let most = draw::length(self, context);
                    self.scroll = self.scroll.min(most).saturating_add_signed(step).min(most);
                    return Vec::new();
                }
            }
        }
        match action {
            Action::NextPart => self.turn(1, context),
            Action::PreviousPart => self.turn(-1, context),
            Action::Left => {
                self.focus(match self.part {
                    Part::Checks | Part::Against | Part::Lineage => Part::Versions,
                    _ => Part::Models,
                });
            }
            Action::Right => {
                self.focus(match self.part {
                    Part::Models => Part::Versions,
                    _ => TABS[self.tab],
                });
            }
            Action::NextTab | Action::PreviousTab => {
                let by = if action == Action::NextTab { 1 } else { 2 };
                self.focus(TABS[(self.tab + by) % TABS.len()]);
            }
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Back => {
                self.zoomed = false;
                self.focus(Part::Versions);
            }
            Action::Open => return self.open(),
            Action::Compare => return self.compare(),
            Action::Promote => return self.promote(),
            Action::Rollback => return self.roll_back(),
            Action::Register => return self.alias(),
            Action::Copy => {
                let items = self.copies();
                if !items.is_empty() {
                    return vec![Effect::Dialog(Dialog::Choice {
                        tag: "copy",
                        title: "Copy what?".to_owned(),
                        items,
                        cursor: 0,
                    })];
                }
            }
            Action::Export => return self.export(),
            _ => {}
        }
        Vec::new()
    }

    fn focus(&mut self, part: Part) {
        if part != self.part {
            self.scroll = 0;
        }
        self.part = part;
        if let Some(tab) = TABS.iter().position(|tab| *tab == part) {
            self.tab = tab;
        }
    }

    /// The next part (or the one before) that is on the screen.
    fn turn(&mut self, by: isize, context: &Context) {
        let together = matches!(Room::of(context.area), Room::Normal) && !self.zoomed;
        let shown: Vec<Part> = PARTS
            .into_iter()
            .filter(|part| !together || !TABS.contains(part) || *part == TABS[self.tab])
            .collect();
        let place = shown.iter().position(|part| *part == self.part);
        let next = place.map_or(0, |place| {
            (place as isize + by).rem_euclid(shown.len() as isize) as usize
        });
        self.focus(shown[next]);
    }

    fn open(&mut self) -> Vec<Effect> {
        match self.part {
            Part::Models => self.focus(Part::Versions),
            Part::Versions | Part::Against | Part::History => self.focus(Part::Lineage),
            Part::Checks => {
                let pane = self
                    .verdict()
                    .and_then(|verdict| verdict.checks.get(self.check))
                    .and_then(|check| check.pane)
                    .and_then(|pane| PaneId::ALL.get(usize::from(pane).saturating_sub(1)));
                return match pane {
                    Some(pane) => vec![Effect::Go(*pane, Target::Last)],
                    None => vec![Effect::say("this check has all its evidence here")],
                };
            }
            Part::Lineage => {
                let run = self.current().and_then(|row| row.version.run.clone());
                return match run {
                    Some(run) => vec![Effect::Go(PaneId::Runs, Target::Run(run))],
                    None => vec![Effect::say("this version came from no run")],
                };
            }
        }
        Vec::new()
    }

    fn compare(&mut self) -> Vec<Effect> {
        let same = self.current().is_some_and(is_champion);
        let none = self.champion().is_none();
        self.focus(Part::Against);
        if same {
            vec![Effect::say("this is the champion: choose another version")]
        } else if none {
            vec![Effect::say("there is no champion yet to compare with")]
        } else {
            Vec::new()
        }
    }

    fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        let places = draw::places(self, context.area);
        let at = match pointer {
            Pointer::Click(at) | Pointer::DoubleClick(at) | Pointer::Wheel(at, _) => at,
        };
        let Some(part) = places.at(at) else {
            return Vec::new();
        };
        self.focus(part);
        match pointer {
            Pointer::Wheel(_, rows) => {
                let action = if rows > 0 { Action::Down } else { Action::Up };
                for _ in 0..rows.unsigned_abs() {
                    self.act(action, context);
                }
            }
            Pointer::Click(_) | Pointer::DoubleClick(_) => {
                match (part, draw::hit(self, context, at)) {
                    (Part::Models, Some(Hit::Row(line))) => {
                        self.list.line = line;
                        let model = self.listed().get(line).map(|row| row.name.clone());
                        self.choose(model, context);
                    }
                    (Part::Versions, Some(Hit::Row(line))) => {
                        self.versions.line = line;
                        self.version = self.current().map(|row| row.version.version);
                        (self.check, self.scroll) = (0, 0);
                    }
                    _ => {}
                }
                if matches!(pointer, Pointer::DoubleClick(_)) {
                    return self.open();
                }
            }
        }
        Vec::new()
    }
}

fn is_champion(row: &VersionRow) -> bool {
    row.version.aliases.iter().any(|alias| alias == CHAMPION)
}
