//! What keys do in the features pane beyond moving: materialize, copy, export.

use super::{Features, Part, detail};
use crate::api::protocol::Command;
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::export;
use crate::tui::panes::moves;

impl Features {
    pub(super) fn ask_materialize(&self) -> Vec<Effect> {
        let (Some(row), Some(page)) = (self.current(), &self.page) else {
            return Vec::new();
        };
        if page.views < 2 {
            return vec![materialize(vec![row.view.clone()])];
        }
        vec![Effect::Dialog(Dialog::Choice {
            tag: "materialize",
            title: "Materialize which views?".to_owned(),
            items: vec![
                (row.view.clone(), format!("the view of {}", row.feature)),
                ("all".to_owned(), format!("{} views", page.views)),
            ],
            cursor: 0,
        })]
    }

    pub(super) fn copy(&self) -> Vec<Effect> {
        match self.detail() {
            Some(detail) if self.part == Part::Definition => {
                let pending = detail.definition.pending.is_some();
                let mut offered = Vec::new();
                if pending {
                    offered.push((
                        "command that applies it".to_owned(),
                        "trainyard features apply".to_owned(),
                    ));
                }
                offered.push(("definition".to_owned(), detail.definition.text.clone()));
                if offered.len() == 1 {
                    return moves::copied(offered, 0);
                }
                moves::offer_copies(offered)
            }
            Some(detail) => vec![Effect::Copy {
                what: "join command".to_owned(),
                text: detail.join_command.clone(),
            }],
            None => vec![Effect::say("the feature's detail is on its way")],
        }
    }

    pub(super) fn export(&self) -> Vec<Effect> {
        let head = [
            "view",
            "feature",
            "state",
            "age_s",
            "null_share",
            "used_by",
            "drifting",
        ];
        let mut lines: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
        for row in self.rows() {
            let users: Vec<String> = row
                .used_by
                .iter()
                .map(|(model, version)| format!("{model}/{}", version.0))
                .collect();
            lines.push(vec![
                row.view.clone(),
                row.feature.clone(),
                format!("{:?}", row.freshness).to_lowercase(),
                row.age_ms
                    .map_or_else(String::new, |age| (age / 1000).to_string()),
                row.null_share
                    .map_or_else(String::new, |share| share.to_string()),
                users.join(" "),
                row.drifting.to_string(),
            ]);
        }
        let mut effects = vec![export::csv("features", &lines)];
        effects.extend(
            self.detail()
                .and_then(detail::histogram)
                .map(|spec| export::chart(&format!("feature-{}", spec.title), spec)),
        );
        effects
    }
}

pub(super) fn materialize(views: Vec<String>) -> Effect {
    let what = if views.is_empty() {
        "all views".to_owned()
    } else {
        format!("view {}", views.join(", "))
    };
    let lines = vec![
        format!("Reads the source of {what} and computes each feature as of now,"),
        "with the code that also makes training rows.".to_owned(),
        "Then the online store answers with the new values; older ones are replaced.".to_owned(),
        "It runs as a job: pane ‹pane_6› shows it, ‹cancel› there stops it.".to_owned(),
    ];
    Effect::Dialog(Dialog::Confirm {
        tag: "materialized",
        title: format!("Materialize {what}?"),
        lines,
        verb: "Materialize".to_owned(),
        command: Some(Box::new(Command::Materialize {
            views,
            as_of: None,
            from: None,
            full: false,
        })),
        // no alias moves: the reply says which job was queued
        then: Then::Registered,
    })
}
