//! Which experiment's runs are shown, and the archived ones: one question chooses both.

use super::Runs;
use crate::domain::ExperimentId;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::text;

/// What can be chosen.
#[derive(Clone, Debug, PartialEq)]
enum Choice {
    All,
    One(ExperimentId),
    Archived,
}

impl Runs {
    fn experiment_choices(&self) -> Vec<(Choice, String, String)> {
        let mut choices = vec![(Choice::All, "all experiments".to_owned(), String::new())];
        if let Some(table) = &self.table {
            for (id, name) in &table.experiments {
                choices.push((Choice::One(id.clone()), name.clone(), format!("id {id}")));
            }
            choices.push((
                Choice::Archived,
                "archived runs".to_owned(),
                text::count(table.archived),
            ));
        }
        choices
    }

    /// Asks which.
    pub(super) fn experiment_dialog(&self) -> Vec<Effect> {
        let choices = self.experiment_choices();
        let now = match (&self.experiment, self.archived) {
            (_, true) => Choice::Archived,
            (Some(id), false) => Choice::One(id.clone()),
            (None, false) => Choice::All,
        };
        let cursor = choices
            .iter()
            .position(|(choice, ..)| *choice == now)
            .unwrap_or(0);
        vec![Effect::Dialog(Dialog::Choice {
            tag: "experiment",
            title: "Show the runs of which experiment?".to_owned(),
            items: choices
                .into_iter()
                .map(|(_, name, remark)| (name, remark))
                .collect(),
            cursor,
        })]
    }

    /// Takes the answer of [`Runs::experiment_dialog`].
    pub(super) fn show_experiment(&mut self, place: usize) {
        let Some((choice, ..)) = self.experiment_choices().into_iter().nth(place) else {
            return;
        };
        match choice {
            Choice::All => (self.experiment, self.archived) = (None, false),
            Choice::One(id) => (self.experiment, self.archived) = (Some(id), false),
            Choice::Archived => self.archived = true,
        }
        self.unfolded.clear();
        self.home();
    }

    /// Shows the experiment called `name` (or with this id), or all of them.
    pub(super) fn show_named(&mut self, name: Option<&str>) -> Vec<Effect> {
        let known = self
            .table
            .as_ref()
            .map(|table| table.experiments.clone())
            .unwrap_or_default();
        match name {
            None => self.experiment = None,
            Some(name) => {
                let found = known
                    .iter()
                    .find(|(id, known)| known == name || id.as_str() == name);
                let Some((id, _)) = found else {
                    let names: Vec<&str> = known.iter().map(|(_, name)| name.as_str()).collect();
                    return vec![Effect::warn(format!(
                        "no experiment `{name}`; there are: {}",
                        names.join(", ")
                    ))];
                };
                self.experiment = Some(id.clone());
            }
        }
        self.archived = false;
        self.unfolded.clear();
        self.home();
        Vec::new()
    }

    /// "delay", "all experiments", "archived runs": what the table shows.
    pub(super) fn shown_name(&self) -> String {
        let Some(table) = &self.table else {
            return String::new();
        };
        let name = match (&self.experiment, table.experiments.as_slice()) {
            (Some(id), known) => known
                .iter()
                .find(|(known, _)| known == id)
                .map_or_else(|| format!("experiment {id}"), |(_, name)| name.clone()),
            (None, [(_, only)]) => only.clone(),
            (None, _) => "all experiments".to_owned(),
        };
        if self.archived_now() {
            format!("archived runs of {name}")
        } else {
            name
        }
    }
}
