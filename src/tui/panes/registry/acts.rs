//! What keys do in the registry pane beyond moving and changing: promote, roll back, copy, export.

use super::{Registry, is_champion};
use crate::api::protocol::Command;
use crate::tui::effect::{Effect, Then};
use crate::tui::{export, text};

impl Registry {
    pub(super) fn promote(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if is_champion(row) {
            return vec![Effect::say(format!(
                "{} is the champion; r rolls back",
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

    /// To the version under the cursor when it is an earlier one (than the champion, or champion itself once), else to where
    /// the last move came from.
    pub(super) fn roll_back(&self) -> Vec<Effect> {
        let Some(model) = &self.model else {
            return Vec::new();
        };
        let champion = self.champion().map(|row| row.version.version);
        let to = self
            .current()
            .filter(|row| {
                let version = row.version.version;
                Some(version) != champion
                    && (row.was_champion || champion.is_some_and(|champion| version < champion))
            })
            .map(|row| row.version.version);
        vec![Effect::Send {
            command: Command::PreviewRollback {
                model: model.clone(),
                to,
            },
            then: Then::Page { back: true },
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
        if let Some(verdict) = self.verdict() {
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
        let metrics = &page.metrics;
        let head = [
            "version", "aliases", "stage", "run", "created", "by", "gate",
        ];
        let mut rows: Vec<Vec<String>> = vec![
            head.iter()
                .map(|name| (*name).to_owned())
                .chain(metrics.iter().cloned())
                .collect(),
        ];
        for row in &page.versions {
            let version = &row.version;
            let gate = row.gate.map_or_else(String::new, |gate| gate.sentence());
            let mut cells = vec![
                version.version.0.to_string(),
                version.aliases.join(" "),
                version.stage.clone(),
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
            super::facts::metric_bars(self)
                .map(|(version, spec)| export::chart(&format!("{name}-{version}-metrics"), spec)),
        );
        effects
    }
}
