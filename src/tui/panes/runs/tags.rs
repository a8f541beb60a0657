//! What `m` offers of a run: register it as a version, set its tags, take them away. What the person saw goes with what was
//! written, so that a tag that somebody else changed meanwhile is not written over; each change can be taken back.

use super::Runs;
use crate::api::protocol::Command;
use crate::domain::run::Pair;
use crate::domain::{RunId, Seen};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::text;

/// Of the list.
pub(super) const LIST: &str = "change";
/// Of the field.
pub(super) const TAG: &str = "tag";

/// A line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Change {
    Register,
    Set,
    Away(String),
}

/// The run that an open list or field is about, as it was when that opened.
#[derive(Clone, Debug)]
pub(super) struct Tagging {
    run: RunId,
    name: String,
    tags: Vec<Pair>,
    changes: Vec<Change>,
}

/// Tags that MLflow and trainyard set themselves.
fn is_own(key: &str) -> bool {
    ["mlflow.", "trainyard."]
        .iter()
        .any(|prefix| key.starts_with(prefix))
}

impl Runs {
    /// `m`: what can be made of the run.
    pub(super) fn manage(&mut self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let (run, name) = (row.id.clone(), row.name.clone());
        let detail = self.detail.as_ref().filter(|detail| detail.run.id == run);
        let tags: Vec<Pair> = match detail {
            Some(detail) => detail
                .run
                .tags
                .iter()
                .filter(|tag| !is_own(&tag.key))
                .cloned()
                .collect(),
            None => row
                .tags
                .iter()
                .map(|(key, value)| Pair {
                    key: key.clone(),
                    value: value.clone(),
                })
                .collect(),
        };
        let first = match &row.version {
            Some((model, version)) => (
                format!("show {version} of {model}"),
                "the version that came from it, in Registry".to_owned(),
            ),
            None => (
                "register it".to_owned(),
                "as a version of a model; nothing serves it by that".to_owned(),
            ),
        };
        let mut items = vec![first, ("set a tag".to_owned(), "KEY=VALUE".to_owned())];
        let mut changes = vec![Change::Register, Change::Set];
        for tag in &tags {
            items.push((
                format!("take tag {} away", tag.key),
                text::cut(&tag.value, 40),
            ));
            changes.push(Change::Away(tag.key.clone()));
        }
        let title = format!("Change {name}");
        self.tagging = Some(Tagging {
            run,
            name,
            tags,
            changes,
        });
        vec![Effect::Dialog(Dialog::Choice {
            tag: LIST,
            title,
            items,
            cursor: 0,
        })]
    }

    /// The list was answered.
    pub(super) fn change(&self, place: usize) -> Vec<Effect> {
        let Some(tagging) = &self.tagging else {
            return Vec::new();
        };
        match tagging.changes.get(place) {
            Some(Change::Register) => self.register(),
            Some(Change::Set) => vec![Effect::Dialog(Dialog::Prompt {
                tag: TAG,
                title: format!("Tag of {}", tagging.name),
                lines: vec!["KEY=VALUE; -KEY takes it away.".to_owned()],
                text: String::new(),
            })],
            Some(Change::Away(key)) => self.tagged(&format!("-{key}")),
            None => Vec::new(),
        }
    }

    /// The field was answered: `KEY=VALUE`, or `-KEY`.
    pub(super) fn tagged(&self, text: &str) -> Vec<Effect> {
        let Some(tagging) = &self.tagging else {
            return Vec::new();
        };
        let text = text.trim();
        let (key, value) = match (text.strip_prefix('-'), text.split_once('=')) {
            (Some(key), None) => (key.trim(), None),
            (_, Some((key, value))) => (key.trim(), Some(value.trim())),
            (None, None) if text.is_empty() => return Vec::new(),
            (None, None) => {
                return vec![Effect::warn(format!(
                    "`{text}` is no tag: write KEY=VALUE, or -KEY to take one away"
                ))];
            }
        };
        if is_own(key) {
            return vec![Effect::warn(format!(
                "`{key}` is set by MLflow or trainyard; ‹note› writes a note"
            ))];
        }
        if key.is_empty() {
            return Vec::new();
        }
        let before = tagging
            .tags
            .iter()
            .find(|tag| tag.key == key)
            .map(|tag| tag.value.clone());
        let value = value.filter(|value| !value.is_empty()).map(str::to_owned);
        let set = |value: Option<String>, seen: Option<String>| Command::TagRun {
            run: tagging.run.clone(),
            key: key.to_owned(),
            value,
            seen: Some(Seen::of(seen)),
        };
        let say = match &value {
            Some(value) => format!("{} has tag {key} = {value}", tagging.name),
            None => format!("{} has no tag {key} now", tagging.name),
        };
        vec![Effect::Send {
            command: set(value.clone(), before.clone()),
            then: Then::Undo {
                say,
                undo: Box::new(set(before, value)),
            },
        }]
    }
}
