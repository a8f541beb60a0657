//! Marked runs: their letters and colours in table, chart and differences.

use super::curves::Shown;
use super::{LETTERS, MARKS, Runs};
use crate::domain::RunId;
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::panes::Context;

impl Runs {
    /// Runs to compare: the marked ones, or the one under the cursor.
    pub(super) fn compared(&self) -> Vec<RunId> {
        if self.marks.is_empty() {
            self.selected.iter().cloned().collect()
        } else {
            self.marks.iter().map(|(run, _)| run.clone()).collect()
        }
    }

    /// Runs whose curves are there and drawn: those before until the others' have come.
    pub(super) fn drawn(&self) -> Vec<Shown> {
        let known = self.series_of.iter().find(|run| !self.is_champion(run));
        self.shown_with(known.or(self.selected.as_ref()))
    }

    /// Runs with a curve, the champion last.
    pub(super) fn shown(&self) -> Vec<Shown> {
        self.shown_with(self.selected.as_ref())
    }

    fn shown_with(&self, selected: Option<&RunId>) -> Vec<Shown> {
        let mut shown: Vec<Shown> = self
            .marks
            .iter()
            .enumerate()
            .map(|(place, (run, name))| Shown {
                run: run.clone(),
                name: format!("{} {name}", LETTERS[place]),
                tag: LETTERS[place].to_owned(),
                colour: place,
                champion: false,
                selected: selected == Some(run),
            })
            .collect();
        if shown.is_empty()
            && let Some(run) = selected.filter(|run| !self.is_champion(run))
        {
            let name = self.name_of(run);
            shown.push(Shown {
                run: run.clone(),
                tag: name.clone(),
                name,
                colour: 0,
                champion: false,
                selected: true,
            });
        }
        if let Some((row, ..)) = self
            .table
            .as_ref()
            .and_then(|table| table.champion.as_ref())
            && !shown.iter().any(|run| run.run == row.id)
        {
            shown.push(Shown {
                run: row.id.clone(),
                name: "◆ champion".to_owned(),
                tag: "◆".to_owned(),
                colour: 5,
                champion: true,
                selected: false,
            });
        }
        shown
    }

    pub(super) fn name_of(&self, run: &RunId) -> String {
        self.row_of(run)
            .map(|row| row.name.clone())
            .or_else(|| {
                self.detail
                    .as_ref()
                    .filter(|detail| detail.run.id == *run)
                    .map(|detail| detail.run.name.clone())
            })
            .unwrap_or_else(|| run.as_str().chars().take(8).collect())
    }

    pub(super) fn mark(&mut self, context: &Context) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let mark = (row.id.clone(), row.name.clone());
        if let Some(place) = self.marks.iter().position(|(run, _)| *run == mark.0) {
            self.marks.remove(place);
        } else if self.is_champion(&mark.0) {
            return vec![Effect::say("the champion is always in the comparison")];
        } else if self.marks.len() < MARKS {
            self.marks.push(mark);
        } else {
            let items = self
                .marks
                .iter()
                .enumerate()
                .map(|(place, (_, name))| (format!("{} {name}", LETTERS[place]), String::new()))
                .collect();
            let title = format!("Six runs are marked: {} instead of which?", mark.1);
            self.seventh = Some(mark);
            return vec![Effect::Dialog(Dialog::Choice {
                tag: "seventh",
                title,
                items,
                cursor: 0,
            })];
        }
        self.go_to(self.cursor + 1, context);
        Vec::new()
    }
}
