//! What keys do in the live pane beyond moving: explain an answer, roll back, copy, export.

use super::{Live, charts};
use crate::api::protocol::Command;
use crate::tui::effect::{Effect, Then};
use crate::tui::export;
use crate::tui::keymap::Action;
use crate::tui::panes::{Context, PaneId};

impl Live {
    pub(super) fn turn(&mut self, action: Action) -> Vec<Effect> {
        let Some(page) = self.shown() else {
            return Vec::new();
        };
        let names = &page.deployments;
        if names.len() < 2 {
            return vec![Effect::say("there is one deployment")];
        }
        let place = names.iter().position(|name| *name == page.deployment.name);
        let by = if action == Action::NextTab {
            1
        } else {
            names.len() - 1
        };
        let next = names[(place.unwrap_or(0) + by) % names.len()].clone();
        self.choose(next);
        Vec::new()
    }

    pub(super) fn explain(&self) -> Vec<Effect> {
        let (Some(page), Some(row)) = (self.shown(), self.current()) else {
            return Vec::new();
        };
        if row.status >= 400 {
            return vec![Effect::say(format!(
                "answered {}: {}",
                row.status, row.detail
            ))];
        }
        vec![Effect::Send {
            command: Command::Explain {
                deployment: page.deployment.name.clone(),
                request: row.id.clone(),
            },
            then: Then::Tell(PaneId::Live, "explain"),
        }]
    }

    pub(super) fn roll_back(&self) -> Vec<Effect> {
        let Some(page) = self.shown() else {
            return Vec::new();
        };
        vec![Effect::Send {
            command: Command::PreviewRollback {
                model: page.deployment.model.clone(),
                to: None,
            },
            then: Then::Page { back: true },
        }]
    }

    /// What `y` offers: name and text.
    pub(super) fn copies(&self, context: &Context) -> Vec<(String, String)> {
        let Some(page) = self.shown() else {
            return Vec::new();
        };
        let mut offered = vec![("sentence".to_owned(), page.sentence.clone())];
        if let Some(overview) = context
            .overview
            .filter(|overview| !overview.http.is_empty())
        {
            offered.push(("address".to_owned(), format!("http://{}", overview.http)));
        }
        if let Some(row) = self.current() {
            offered.push(("request id".to_owned(), row.id.clone()));
            offered.push((
                "request".to_owned(),
                format!(
                    "{} {} {:.1} ms {} {}",
                    row.at, row.status, row.ms, row.answer, row.detail
                ),
            ));
        }
        offered
    }

    pub(super) fn export(&self, context: &Context) -> Vec<Effect> {
        let Some(page) = self.shown() else {
            return Vec::new();
        };
        let name = page.deployment.name.to_string();
        let head = [
            "at", "id", "status", "ms", "rows", "version", "answer", "detail",
        ];
        let mut rows: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
        rows.extend(self.rows().into_iter().map(|row| {
            vec![
                row.at.to_string(),
                row.id.clone(),
                row.status.to_string(),
                row.ms.to_string(),
                row.rows.to_string(),
                row.version
                    .map_or_else(String::new, |version| version.0.to_string()),
                row.answer.clone(),
                row.detail.clone(),
            ]
        }));
        let mut effects = vec![export::csv(&format!("requests-{name}"), &rows)];
        effects.push(export::chart(
            &format!("latency-{name}"),
            charts::latency_chart(page, context),
        ));
        effects.push(export::chart(
            &format!("predictions-{name}"),
            charts::predictions_chart(page),
        ));
        effects
    }
}
