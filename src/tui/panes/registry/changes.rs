//! What the registry pane changes of a version besides the champion: aliases, stage, tags, description, archive, deletion.
//! Each change that can be taken back offers it; rules are the daemon's, said here early where they are known.

use super::Registry;
use crate::api::protocol::Command;
use crate::domain::registry::{CHAMPION, ModelVersion};
use crate::domain::{Seen, Version};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::panes::{Answer, moves};
use crate::tui::text;

/// MLflow's stages.
const STAGES: [&str; 4] = ["None", "Staging", "Production", "Archived"];

/// A line of the lists that `m` and `x` show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Alias,
    Drop(String),
    Stage(&'static str),
    Tag,
    Untag(String),
    Delete,
}

/// The version that an open dialog is about, as it was when the dialog opened.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Asked {
    version: ModelVersion,
    aliases: Vec<(String, Version)>,
    /// None while they are not known.
    tags: Option<Vec<(String, String)>>,
    changes: Vec<Change>,
}

impl Registry {
    /// Remembers which version a dialog is about: rows may move while it is open.
    fn ask(&mut self, changes: Vec<Change>, dialog: Dialog) -> Vec<Effect> {
        let (Some(page), Some(row)) = (self.shown(), self.current()) else {
            return Vec::new();
        };
        self.asked = Some(Asked {
            version: row.version.clone(),
            aliases: page.model.aliases.clone(),
            tags: self.detail().map(|page| page.row.version.tags.clone()),
            changes,
        });
        vec![Effect::Dialog(dialog)]
    }

    /// `m`: aliases, stages, tags.
    pub(super) fn manage(&mut self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let version = &row.version;
        let (number, model) = (version.version, version.model.clone());
        let mut changes = vec![(
            Change::Alias,
            "set an alias here".to_owned(),
            format!("callers say models:/{model}@NAME; one that is elsewhere moves"),
        )];
        for alias in version.aliases.iter().filter(|alias| *alias != CHAMPION) {
            changes.push((
                Change::Drop(alias.clone()),
                format!("take {alias} away"),
                "who asks for it gets an error then".to_owned(),
            ));
        }
        for stage in STAGES {
            if stage != version.stage && !(stage == "None" && version.stage.is_empty()) {
                let now = if version.stage.is_empty() {
                    "None"
                } else {
                    version.stage.as_str()
                };
                changes.push((
                    Change::Stage(stage),
                    format!("stage {stage}"),
                    format!("MLflow's word for clients that ask by stage; now {now}"),
                ));
            }
        }
        changes.push((Change::Tag, "set a tag".to_owned(), "KEY=VALUE".to_owned()));
        if let Some(page) = self.detail() {
            for (key, value) in &page.row.version.tags {
                changes.push((
                    Change::Untag(key.clone()),
                    format!("take tag {key} away"),
                    text::cut(value, 40),
                ));
            }
        }
        let items = changes
            .iter()
            .map(|(_, item, remark)| (item.clone(), remark.clone()))
            .collect();
        self.ask(
            changes.into_iter().map(|(change, _, _)| change).collect(),
            Dialog::Choice {
                tag: "change",
                title: format!("Change {model} {number}"),
                items,
                cursor: 0,
            },
        )
    }

    /// `a`: the version's description.
    pub(super) fn note(&mut self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let dialog = Dialog::Prompt {
            tag: "note",
            title: format!(
                "Description of {} {}",
                row.version.model, row.version.version
            ),
            lines: vec!["MLflow's clients see it as well. Empty removes it.".to_owned()],
            text: row.version.description.clone(),
        };
        self.ask(Vec::new(), dialog)
    }

    /// `x`: archive, bring back, delete for good.
    pub(super) fn put_away(&mut self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let number = row.version.version;
        let (change, item, remark) = if row.version.stage == "Archived" {
            (
                Change::Stage("None"),
                "bring it back",
                "from MLflow's stage Archived",
            )
        } else {
            (
                Change::Stage("Archived"),
                "archive it",
                "MLflow's stage Archived; nothing is deleted",
            )
        };
        let dialog = Dialog::Choice {
            tag: "change",
            title: format!("Put {} {number} away", row.version.model),
            items: vec![
                (item.to_owned(), remark.to_owned()),
                (
                    format!("delete {number} for good"),
                    "its number is never used again; its files stay with its run".to_owned(),
                ),
            ],
            cursor: 0,
        };
        self.ask(vec![change, Change::Delete], dialog)
    }

    pub(super) fn answer(&mut self, tag: &str, answer: &Answer) -> Vec<Effect> {
        match (tag, answer) {
            ("change", Answer::Item(place)) => {
                let change = self
                    .asked
                    .as_ref()
                    .and_then(|asked| asked.changes.get(*place).cloned());
                change.map_or_else(Vec::new, |change| self.change(&change))
            }
            ("alias", Answer::Text(text)) => self.set_alias(text.trim()),
            ("tag", Answer::Text(text)) => self.set_tag(text.trim()),
            ("note", Answer::Text(text)) => self.describe(text.trim()),
            ("copy", Answer::Item(place)) => moves::copied(self.copies(), *place),
            _ => Vec::new(),
        }
    }

    fn change(&self, change: &Change) -> Vec<Effect> {
        let Some(asked) = &self.asked else {
            return Vec::new();
        };
        let version = &asked.version;
        let (model, number) = (&version.model, version.version);
        match change {
            Change::Alias => vec![Effect::Dialog(Dialog::Prompt {
                tag: "alias",
                title: format!("Alias for {model} {number}"),
                lines: vec![
                    format!("NAME lets callers say models:/{model}@NAME; -NAME takes it away."),
                    "champion moves by ‹promote› and ‹rollback› only, after the gate; latest and v1 mean versions."
                        .to_owned(),
                ],
                text: String::new(),
            })],
            Change::Drop(alias) => self.set_alias(&format!("-{alias}")),
            Change::Stage(stage) => {
                let set = |stage: &str, seen: &str| Command::SetStage {
                    model: model.clone(),
                    version: number,
                    stage: stage.to_owned(),
                    seen: Some(Seen::of(Some(seen.to_owned()))),
                };
                let before = if version.stage.is_empty() {
                    "None"
                } else {
                    version.stage.as_str()
                };
                vec![Effect::Send {
                    command: set(stage, before),
                    then: Then::Undo {
                        say: format!("{model} {number} is in stage {stage} now"),
                        undo: Box::new(set(before, stage)),
                    },
                }]
            }
            Change::Tag => vec![Effect::Dialog(Dialog::Prompt {
                tag: "tag",
                title: format!("Tag of {model} {number}"),
                lines: vec!["KEY=VALUE; -KEY takes it away.".to_owned()],
                text: String::new(),
            })],
            Change::Untag(key) => self.set_tag(&format!("-{key}")),
            Change::Delete => {
                if !version.aliases.is_empty() {
                    return vec![Effect::warn(format!(
                        "{number} is named by {}: move that first",
                        version.aliases.join(", ")
                    ))];
                }
                if let Some(page) = self.detail().filter(|page| !page.serving.is_empty()) {
                    return vec![Effect::warn(format!(
                        "{} answers with {number}: promote or roll back to another version first",
                        page.serving.join(", ")
                    ))];
                }
                vec![Effect::Dialog(Dialog::Confirm {
                    tag: "delete",
                    title: format!("Delete {model} {number} for good?"),
                    lines: vec![
                        format!(
                            "models:/{model}/{} is an error from then on, and the number is never used again.",
                            number.0
                        ),
                        "There is no way back but to register its run once more; the history of aliases and the run with its files stay."
                            .to_owned(),
                    ],
                    verb: "Delete".to_owned(),
                    command: Some(Box::new(Command::DeleteVersion {
                        model: model.clone(),
                        version: number,
                    })),
                    then: Then::Say(format!("{model} {number} is deleted")),
                })]
            }
        }
    }

    pub(super) fn set_alias(&self, text: &str) -> Vec<Effect> {
        let Some(asked) = &self.asked else {
            return Vec::new();
        };
        let (alias, remove) = match text.strip_prefix('-') {
            Some(alias) => (alias.trim(), true),
            None => (text, false),
        };
        if alias.is_empty() {
            return Vec::new();
        }
        if alias == CHAMPION {
            return vec![Effect::warn(
                "`champion` moves by ‹promote› (after the gate) and ‹rollback› only",
            )];
        }
        let number = alias
            .strip_prefix(['v', 'V'])
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
        if !remove && (number || alias.eq_ignore_ascii_case("latest")) {
            return vec![Effect::warn(format!(
                "`{alias}` cannot be an alias: `latest` and `v1` mean versions"
            ))];
        }
        let before = asked
            .aliases
            .iter()
            .find(|(name, _)| name == alias)
            .map(|(_, version)| *version);
        let (model, version) = (asked.version.model.clone(), asked.version.version);
        let set = |version, seen| Command::SetAlias {
            model: model.clone(),
            alias: alias.to_owned(),
            version,
            seen: Some(Seen::of(seen)),
        };
        let after = (!remove).then_some(version);
        let say = match (remove, before) {
            (true, _) => format!("{model} has no alias {alias} now"),
            (false, Some(before)) if before != version => {
                format!("{model} {alias} moved from {before} to {version}")
            }
            (false, _) => format!("{model} {alias} is {version} now"),
        };
        vec![Effect::Send {
            command: set(after, before),
            then: Then::Undo {
                say,
                undo: Box::new(set(before, after)),
            },
        }]
    }

    fn set_tag(&self, text: &str) -> Vec<Effect> {
        let Some(asked) = &self.asked else {
            return Vec::new();
        };
        let (key, value) = match (text.strip_prefix('-'), text.split_once('=')) {
            (Some(key), None) => (key.trim(), None),
            (_, Some((key, value))) => (key.trim(), Some(value.trim().to_owned())),
            (None, None) => {
                return vec![Effect::warn(format!(
                    "`{text}` is no tag: write KEY=VALUE, or -KEY to take one away"
                ))];
            }
        };
        if key.is_empty() {
            return Vec::new();
        }
        let (model, version) = (asked.version.model.clone(), asked.version.version);
        let set = |value, seen| Command::TagVersion {
            model: model.clone(),
            version,
            key: key.to_owned(),
            value,
            seen,
        };
        let known = asked.tags.as_ref();
        let before = known.and_then(|tags| {
            tags.iter()
                .find(|(name, _)| name == key)
                .map(|(_, value)| value.clone())
        });
        let seen = known.map(|_| Seen::of(before.clone()));
        let say = match &value {
            Some(value) => format!("{model} {version} has tag {key} = {value}"),
            None => format!("{model} {version} has no tag {key} now"),
        };
        vec![Effect::Send {
            command: set(value.clone(), seen),
            then: Then::Undo {
                say,
                undo: Box::new(set(before, Some(Seen::of(value)))),
            },
        }]
    }

    fn describe(&self, text: &str) -> Vec<Effect> {
        let Some(asked) = &self.asked else {
            return Vec::new();
        };
        if text == asked.version.description {
            return Vec::new();
        }
        let (model, version) = (asked.version.model.clone(), asked.version.version);
        let set = |text: &str, seen: &str| Command::DescribeVersion {
            model: model.clone(),
            version,
            text: text.to_owned(),
            seen: Some(Seen::of(Some(seen.to_owned()))),
        };
        let before = asked.version.description.as_str();
        let say = if text.is_empty() {
            format!("{model} {version} has no description now")
        } else {
            format!("{model} {version} is described")
        };
        vec![Effect::Send {
            command: set(text, before),
            then: Then::Undo {
                say,
                undo: Box::new(set(before, text)),
            },
        }]
    }
}
