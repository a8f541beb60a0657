//! What keys do in the registry pane beyond moving: promote, roll back, set an alias, copy, export.

use super::{Registry, facts, is_champion};
use crate::api::protocol::Command;
use crate::domain::registry::CHAMPION;
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::panes::Answer;
use crate::tui::{export, text};

impl Registry {
    pub(super) fn promote(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if is_champion(row) {
            return vec![Effect::say(format!(
                "{} is the champion; ‹rollback› rolls back",
                row.version.version
            ))];
        }
        vec![Effect::Send {
            command: Command::PreviewPromotion {
                model: row.version.model.clone(),
                version: row.version.version,
            },
            then: Then::Page { back: false },
        }]
    }

    /// To the version under the cursor when it was champion once, else to where the last move came from.
    pub(super) fn roll_back(&self) -> Vec<Effect> {
        let Some(model) = &self.model else {
            return Vec::new();
        };
        let to = self
            .current()
            .filter(|row| row.was_champion)
            .map(|row| row.version.version);
        vec![Effect::Send {
            command: Command::PreviewRollback {
                model: model.clone(),
                to,
            },
            then: Then::Page { back: true },
        }]
    }

    pub(super) fn alias(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        vec![Effect::Dialog(Dialog::Prompt {
            tag: "alias",
            title: format!("Alias for {} {}", row.version.model, row.version.version),
            lines: vec![
                "NAME lets callers say models:/MODEL@NAME; -NAME takes it away.".to_owned(),
                "champion moves by ‹promote› and ‹rollback› only, after the gate.".to_owned(),
            ],
            text: String::new(),
        })]
    }

    pub(super) fn answer(&self, tag: &str, answer: &Answer) -> Vec<Effect> {
        match (tag, answer) {
            ("alias", Answer::Text(text)) => self.set_alias(text.trim()),
            ("copy", Answer::Item(place)) => self
                .copies()
                .into_iter()
                .nth(*place)
                .map(|(what, text)| Effect::Copy { what, text })
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn set_alias(&self, text: &str) -> Vec<Effect> {
        let (Some(page), Some(row)) = (self.shown(), self.current()) else {
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
        let before = page
            .model
            .aliases
            .iter()
            .find(|(name, _)| name == alias)
            .map(|(_, version)| *version);
        let model = page.model.name.clone();
        let version = row.version.version;
        let set = |version| Command::SetAlias {
            model: model.clone(),
            alias: alias.to_owned(),
            version,
        };
        let say = if remove {
            format!("{model} has no alias {alias} now")
        } else {
            format!("{model} {alias} is {version} now")
        };
        vec![Effect::Send {
            command: set((!remove).then_some(version)),
            then: Then::Undo {
                say,
                undo: Box::new(set(before)),
            },
        }]
    }

    /// What `y` offers: name and text.
    pub(super) fn copies(&self) -> Vec<(String, String)> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let version = &row.version;
        let mut offered = vec![
            (
                "model URI".to_owned(),
                format!("models:/{}/{}", version.model, version.version.0),
            ),
            (
                "shell command".to_owned(),
                format!(
                    "trainyard models promote {} {}",
                    text::quoted(version.model.as_str()),
                    version.version.0
                ),
            ),
        ];
        if let Some(run) = &version.run {
            offered.push(("run id".to_owned(), run.0.clone()));
        }
        if !version.source.is_empty() {
            offered.push(("files".to_owned(), version.source.clone()));
        }
        if let Some((verdict, _)) = &version.gate {
            let checks: Vec<String> = verdict
                .checks
                .iter()
                .map(|check| {
                    let sign = if check.passed { "passed" } else { "failed" };
                    format!("{sign}: {} ({})", check.name, check.detail)
                })
                .collect();
            offered.push(("checks".to_owned(), checks.join("; ")));
        }
        offered
    }

    pub(super) fn export(&self) -> Vec<Effect> {
        let Some(page) = self.shown() else {
            return Vec::new();
        };
        let metrics = facts::metrics(page);
        let head = ["version", "aliases", "run", "created", "by", "gate"];
        let mut rows: Vec<Vec<String>> = vec![
            head.iter()
                .map(|name| (*name).to_owned())
                .chain(metrics.iter().cloned())
                .collect(),
        ];
        for row in &page.versions {
            let version = &row.version;
            let gate = version
                .gate
                .as_ref()
                .map_or_else(String::new, |(verdict, _)| verdict.sentence());
            let mut cells = vec![
                version.version.0.to_string(),
                version.aliases.join(" "),
                row.run_name.clone(),
                version.created.to_string(),
                version.user.clone(),
                gate,
            ];
            cells.extend(metrics.iter().map(|key| {
                row.metrics
                    .get(key)
                    .map_or_else(String::new, |value| value.0.to_string())
            }));
            rows.push(cells);
        }
        let name = page.model.name.to_string();
        let mut effects = vec![export::csv(&format!("{name}-versions"), &rows)];
        effects.extend(
            facts::metric_bars(self)
                .map(|(version, spec)| export::chart(&format!("{name}-{version}-metrics"), spec)),
        );
        effects
    }
}
