//! Parents and children: which lines of the table are rows of the window, which are children shown below their parent.
//! While the newest come first they stand so by themselves; in any other order every run stands alone until somebody
//! folds. With a filter, and among the archived, they are rows like all.

use super::columns::Column;
use super::{Part, Runs};
use crate::api::protocol::Topic;
use crate::domain::RunId;
use crate::domain::run::{RunQuery, RunRow, RunTable};
use crate::tui::effect::Effect;
use crate::tui::panes::Context;

/// Children that are shown of one parent.
pub const CHILDREN: u64 = 100;
/// Parents that can be open at once.
const PARENTS: usize = 8;

/// A parent whose children are shown below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfolded {
    /// The parent.
    pub run: RunId,
    /// Its place among the rows; none until it was seen there.
    pub at: Option<u64>,
    /// Its children.
    pub rows: Vec<RunRow>,
    /// The order that these came in.
    pub order: String,
}

impl Unfolded {
    /// A parent whose children are still to come.
    pub fn of(run: RunId) -> Self {
        Self {
            run,
            at: None,
            rows: Vec::new(),
            order: String::new(),
        }
    }
}

/// What a line of the table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The champion's.
    Champion,
    /// A row of the whole order.
    Row(u64),
    /// A child: whose, which.
    Child(usize, usize),
}

impl Runs {
    /// Whether children stand below their parents.
    pub(super) fn nested(&self) -> bool {
        let by_time = match &self.sort {
            Some((column, _)) => *column == Column::Age,
            None => self
                .table
                .as_ref()
                .is_some_and(|table| table.primary_metric.is_none()),
        };
        self.nest.unwrap_or(by_time) && self.can_nest()
    }

    fn can_nest(&self) -> bool {
        self.filter.is_empty() && !self.archived
    }

    /// Parents with their places and numbers of children, from the top.
    fn open(&self) -> Vec<(u64, usize, usize)> {
        if !self.nested() {
            return Vec::new();
        }
        let mut open: Vec<(u64, usize, usize)> = self
            .unfolded
            .iter()
            .enumerate()
            .filter_map(|(whose, parent)| Some((parent.at?, whose, parent.rows.len())))
            .collect();
        open.sort_unstable();
        open
    }

    /// Lines that children take.
    pub(super) fn child_lines(&self) -> usize {
        self.open().iter().map(|(.., lines)| lines).sum()
    }

    /// What line `line` is.
    pub(super) fn place(&self, line: usize) -> Place {
        let Some(mut rest) = line.checked_sub(self.lead()) else {
            return Place::Champion;
        };
        for (at, whose, lines) in self.open() {
            if rest <= at as usize {
                break;
            }
            let below = rest - at as usize;
            if below <= lines {
                return Place::Child(whose, below - 1);
            }
            rest -= lines;
        }
        Place::Row(rest as u64)
    }

    /// The line of a row of the whole order.
    pub(super) fn line_of(&self, row: u64) -> usize {
        let children: usize = self
            .open()
            .iter()
            .filter(|(at, ..)| *at < row)
            .map(|(.., lines)| lines)
            .sum();
        self.lead() + row as usize + children
    }

    /// The line of a run that is loaded.
    pub(super) fn line_with(&self, run: &RunId) -> Option<usize> {
        if let Some(place) = self.rows.iter().position(|row| row.id == *run) {
            return Some(self.line_of(self.offset + place as u64));
        }
        self.open().into_iter().find_map(|(at, whose, _)| {
            let place = self.unfolded[whose]
                .rows
                .iter()
                .position(|row| row.id == *run)?;
            Some(self.line_of(at) + 1 + place)
        })
    }

    /// Places of open parents, after rows came.
    pub(super) fn find_parents(&mut self, anew: bool) {
        for parent in &mut self.unfolded {
            let place = self.rows.iter().position(|row| row.id == parent.run);
            match place {
                Some(place) => parent.at = Some(self.offset + place as u64),
                None if anew => parent.at = None,
                None => {}
            }
        }
    }

    /// What is asked about open parents.
    pub(super) fn child_topics(&self) -> Vec<Topic> {
        if !self.nested() {
            return Vec::new();
        }
        self.unfolded
            .iter()
            .map(|parent| {
                Topic::Runs(RunQuery {
                    parent: Some(parent.run.clone()),
                    roots: false,
                    limit: CHILDREN,
                    ..self.base()
                })
            })
            .collect()
    }

    /// Children came: known ones keep their places, new ones go below. In another order than before all are placed anew.
    pub(super) fn take_children(&mut self, query: &RunQuery, table: &RunTable, context: &Context) {
        let selected = self.selected.clone();
        let Some(open) = self
            .unfolded
            .iter_mut()
            .find(|open| Some(&open.run) == query.parent.as_ref())
        else {
            return;
        };
        if open.order != query.order_by {
            open.order.clone_from(&query.order_by);
            open.rows.clear();
        }
        let mut rows: Vec<RunRow> = open
            .rows
            .iter()
            .filter_map(|row| table.rows.iter().find(|new| new.id == row.id))
            .cloned()
            .collect();
        let fresh: Vec<RunRow> = table
            .rows
            .iter()
            .filter(|new| !rows.iter().any(|row| row.id == new.id))
            .cloned()
            .collect();
        rows.extend(fresh);
        open.rows = rows;
        if let Some(line) = selected.and_then(|run| self.line_with(&run)) {
            self.top = (self.top + line).saturating_sub(self.cursor);
            self.cursor = line;
        }
        self.scroll_to_cursor(context);
    }

    /// `+` and `-` in the table: children of the parent under the cursor (or of the child's parent). From every run alone
    /// `-` leads to parents with their children folded, `+` from there to unfolded ones and on to every run alone again.
    /// None: the run has no family, and the keys are the chart's.
    pub(super) fn fold(&mut self, open: bool, context: &Context) -> Option<Vec<Effect>> {
        if self.part != Part::Table || self.group.is_some() {
            return None;
        }
        let row = self.current()?;
        let parent = if row.children > 0 {
            row.id.clone()
        } else {
            row.parent.clone()?
        };
        if !self.can_nest() {
            if !open {
                return None;
            }
            self.narrow(format!("tags.mlflow.parentRunId = '{parent}'"));
            return Some(vec![Effect::say(
                "the children of one run; ‹back› shows all again",
            )]);
        }
        let known = self.unfolded.iter().position(|known| known.run == parent);
        let said = match (self.nested(), open) {
            (false, _) => {
                self.nest = Some(true);
                self.selected = Some(parent.clone());
                if open {
                    self.unfold(parent);
                }
                Some("children stand below their parents: ‹zoom_in› unfolds, ‹zoom_out› folds")
            }
            (true, true) if known.is_some() => {
                self.nest = Some(false);
                Some("every run stands alone; ‹zoom_out› folds children again")
            }
            (true, true) => {
                self.unfold(parent);
                None
            }
            (true, false) => {
                if let Some(place) = known {
                    let at = self.unfolded[place].at;
                    self.unfolded.remove(place);
                    if let Some(at) = at {
                        self.go_to(self.line_of(at), context);
                    }
                }
                None
            }
        };
        Some(said.map(Effect::say).into_iter().collect())
    }

    fn unfold(&mut self, parent: RunId) {
        if self.unfolded.iter().any(|known| known.run == parent) {
            return;
        }
        if self.unfolded.len() == PARENTS {
            self.unfolded.remove(0);
        }
        self.unfolded.push(Unfolded::of(parent));
        self.find_parents(false);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn open(at: u64, children: usize) -> Unfolded {
        let row = crate::tui::fixture::runs().rows[0].clone();
        Unfolded {
            run: RunId::from(format!("parent-{at}")),
            at: Some(at),
            rows: vec![row; children],
            order: String::new(),
        }
    }

    #[test]
    fn lines_and_rows_agree_around_open_parents() {
        let pane = Runs {
            sort: Some((Column::Age, true)),
            unfolded: vec![open(4, 3), open(1, 2)],
            ..Runs::default()
        };
        // rows 0 1, two children, 2 3 4, three children, 5
        let places: Vec<Place> = (0..11).map(|line| pane.place(line)).collect();
        assert_eq!(places[1], Place::Row(1));
        assert_eq!(places[2..4], [Place::Child(1, 0), Place::Child(1, 1)]);
        assert_eq!(places[6], Place::Row(4));
        assert_eq!(places[9], Place::Child(0, 2));
        assert_eq!(places[10], Place::Row(5));
        for row in 0..8 {
            assert_eq!(pane.place(pane.line_of(row)), Place::Row(row));
        }
    }
}
