//! Pane 2: is it safe to promote? Models, versions, the gate's checks, the comparison with the champion, lineage,
//! history. The daemon judges and checks; this pane shows what it said.

mod acts;
mod changes;
mod draw;
mod facts;
mod keys;
mod tables;
#[cfg(test)]
mod tests;

use super::moves::Words;
use super::parts::Cursor;
use super::{Context, Input, Pane, Target};
use crate::api::protocol::{Snapshot, Topic};
use crate::domain::registry::{
    CHAMPION, LineageLine, ModelPage, ModelRow, VersionPage, VersionRow,
};
use crate::domain::trigger::Verdict;
use crate::domain::{ModelName, Version};
use crate::tui::effect::Effect;
use crate::tui::keymap::{Action, Binding, foot, key};
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
    /// The version that was under the cursor when it came.
    detail: Option<VersionPage>,
    /// What a list or a field that is open is about.
    asked: Option<changes::Asked>,
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
    key(Action::Note, "describe the version"),
    key(Action::Cancel, "archive or delete the version"),
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
        if let (Some(model), Some(version)) = (&self.model, self.version) {
            topics.push(Topic::Version {
                model: model.clone(),
                version,
            });
        }
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
            Input::Snapshot(Topic::Version { model, version }, Snapshot::Version(page))
                if self.model.as_ref() == Some(model) && self.version == Some(*version) =>
            {
                self.detail = Some((**page).clone());
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
        let words = Words::of(&self.filter);
        self.models
            .iter()
            .flatten()
            .filter(|row| words.are_in(row.name.as_str()))
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

    /// Everything about the version under the cursor, once it is there.
    fn detail(&self) -> Option<&VersionPage> {
        let row = self.current()?;
        self.detail.as_ref().filter(|page| {
            let shown = &page.row.version;
            shown.version == row.version.version && shown.model == row.version.model
        })
    }

    /// What the gate last said of the version under the cursor.
    fn verdict(&self) -> Option<&Verdict> {
        let gate = self.detail()?.row.version.gate.as_ref();
        gate.map(|(verdict, _)| verdict)
    }

    /// Where the version under the cursor came from.
    fn lineage(&self) -> &[LineageLine] {
        self.detail().map_or(&[], |page| page.lineage.as_slice())
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
}

fn is_champion(row: &VersionRow) -> bool {
    row.version.aliases.iter().any(|alias| alias == CHAMPION)
}
