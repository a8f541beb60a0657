//! What can be done with a dataset: profile and validate it, copy, export.

use super::{Datasets, about, column, columns};
use crate::api::protocol::Command;
use crate::tui::effect::{Effect, Then};
use crate::tui::{export, text};

impl Datasets {
    /// `t`: the daemon profiles and validates the dataset; what is there changes nothing.
    pub(super) fn examine(&self) -> Vec<Effect> {
        let Some(dataset) = &self.dataset else {
            return Vec::new();
        };
        vec![Effect::Send {
            command: Command::Examine {
                dataset: dataset.clone(),
            },
            // no alias moves: the reply says which job was queued
            then: Then::Registered,
        }]
    }

    /// What `y` offers: name and text.
    pub(super) fn copies(&self) -> Vec<(String, String)> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let mut offered = Vec::new();
        if let Some(detail) = self.detail() {
            offered.push(("sentence".to_owned(), about::sentence(&detail.row)));
            if let Some(column) = self.profiled_one().filter(|_| self.open) {
                offered.push((format!("column {}", column.name), column::sentence(column)));
            }
        }
        let name = text::quoted(&row.name);
        offered.push((
            "command that profiles it".to_owned(),
            format!("trainyard profile {name}"),
        ));
        offered.push((
            "command that validates it".to_owned(),
            format!("trainyard validate {name}"),
        ));
        if let Some(digest) = &row.digest {
            offered.push(("digest".to_owned(), digest.clone()));
        }
        offered.push(("source".to_owned(), row.source.clone()));
        offered
    }

    /// `e`: the table that is shown, and the histogram of the column.
    pub(super) fn export(&self) -> Vec<Effect> {
        if self.open {
            let Some(name) = &self.dataset else {
                return Vec::new();
            };
            let shown = self.profiled();
            let mut effects = vec![export::csv(
                &format!("{name}-profile"),
                &columns::lines_of(&shown),
            )];
            effects.extend(
                self.profiled_one()
                    .and_then(column::histogram)
                    .map(|spec| export::chart(&format!("{name}-{}", spec.title), spec)),
            );
            return effects;
        }
        let head = [
            "dataset",
            "rows",
            "columns",
            "files",
            "bytes",
            "changed",
            "warnings",
            "violations",
            "digest",
            "source",
        ];
        let number = |value: Option<u64>| value.map_or_else(String::new, |value| value.to_string());
        let mut lines: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
        for row in self.rows() {
            lines.push(vec![
                row.name.clone(),
                number(row.rows),
                number(row.columns),
                row.files.to_string(),
                row.bytes.to_string(),
                row.modified.map_or_else(String::new, |at| at.to_string()),
                number(row.warnings),
                number(row.violations),
                row.digest.clone().unwrap_or_default(),
                row.source.clone(),
            ]);
        }
        vec![export::csv("datasets", &lines)]
    }
}
