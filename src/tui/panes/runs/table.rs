//! The rows of the runs pane: a window of them around the cursor, their order, and what stays where it is while data
//! arrive. Must not know how they are drawn.

use super::columns::{self, Column};
use super::filter::{self, Asked};
use super::fold::Place;
use super::{PAGE, Part, Runs, places};
use crate::domain::RunId;
use crate::domain::run::{RunQuery, RunRow, RunTable};
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::keymap::Action;
use crate::tui::panes::Context;
use crate::tui::widgets::table;
use std::collections::BTreeSet;

/// The daemon's word for "by the metric that decides, the best first".
const BEST: &str = "best";

impl Runs {
    pub(super) fn primary(&self) -> Option<&str> {
        self.table.as_ref()?.primary_metric.as_deref()
    }

    /// The order in force: column, and whether the greatest comes first.
    pub(super) fn order(&self) -> Option<(Column, bool)> {
        self.sort.clone().or_else(|| {
            let table = self.table.as_ref()?;
            let key = table.primary_metric.clone()?;
            Some((Column::Metric(key), table.greater_is_better))
        })
    }

    /// What the filter asks for.
    pub(super) fn asked(&self) -> Asked {
        filter::read(&self.filter, self.table.as_ref())
    }

    /// Whether archived runs are shown.
    pub(super) fn archived_now(&self) -> bool {
        self.archived || self.filter.contains(filter::ARCHIVED)
    }

    /// What is asked for, without a window.
    pub(super) fn base(&self) -> RunQuery {
        let order_by = match &self.sort {
            None => BEST.to_owned(),
            Some((column, down)) => match column.order(self.primary()) {
                Some(field) => format!("{field} {}", if *down { "DESC" } else { "ASC" }),
                None => BEST.to_owned(),
            },
        };
        let asked = self.asked();
        RunQuery {
            experiment: self.experiment.clone(),
            filter: asked.grammar,
            order_by,
            archived: self.archived || asked.archived,
            roots: self.nested(),
            ..RunQuery::default()
        }
    }

    /// The window around the cursor.
    pub(super) fn query(&self) -> RunQuery {
        let row = match self.place(self.cursor) {
            _ if self.group.is_some() => 0,
            Place::Champion => 0,
            Place::Row(row) => row,
            Place::Child(whose, _) => self.unfolded[whose].at.unwrap_or(0),
        };
        RunQuery {
            offset: row.saturating_sub(PAGE.1) / PAGE.1 * PAGE.1,
            limit: PAGE.0,
            ..self.base()
        }
    }

    /// Lines before the rows: the champion's, which is not among the archived.
    pub(super) fn lead(&self) -> usize {
        usize::from(
            self.group.is_none()
                && !self.archived_now()
                && self
                    .table
                    .as_ref()
                    .is_some_and(|table| table.champion.is_some()),
        )
    }

    /// Lines of the table.
    pub(super) fn count(&self) -> usize {
        if self.group.is_some() {
            return self.groups.as_ref().map_or(0, |shown| shown.groups.len());
        }
        let Some(table) = &self.table else {
            return 0;
        };
        let known = self.offset + self.rows.len() as u64;
        // rows above are counted in "3 new", not shown
        let hidden = if self.offset == 0 { self.fresh } else { 0 };
        let rows = table.total.saturating_sub(hidden).max(known);
        self.lead() + rows as usize + self.child_lines()
    }

    /// The run in a line; none while its page is on its way.
    pub(super) fn line(&self, line: usize) -> Option<&RunRow> {
        if self.group.is_some() {
            let shown = self.groups.as_ref()?;
            return shown.groups.get(line)?.best.as_ref();
        }
        let table = self.table.as_ref()?;
        match self.place(line) {
            Place::Champion => table.champion.as_ref().map(|(row, ..)| row),
            Place::Row(row) => {
                let place = row.checked_sub(self.offset)?;
                self.rows.get(place as usize)
            }
            Place::Child(whose, which) => self.unfolded.get(whose)?.rows.get(which),
        }
    }

    pub(super) fn is_champion(&self, run: &RunId) -> bool {
        self.table
            .as_ref()
            .and_then(|table| table.champion.as_ref())
            .is_some_and(|(row, ..)| row.id == *run)
    }

    pub(super) fn current(&self) -> Option<&RunRow> {
        self.line(self.cursor)
    }

    /// A row that is loaded, wherever it stands.
    pub(super) fn row_of(&self, run: &RunId) -> Option<&RunRow> {
        let table = self.table.as_ref()?;
        let champion = table.champion.iter().map(|(row, ..)| row);
        let children = self.unfolded.iter().flat_map(|parent| parent.rows.iter());
        let best = self.groups.iter().flat_map(|shown| &shown.groups);
        self.rows
            .iter()
            .chain(children)
            .chain(champion)
            .chain(best.filter_map(|group| group.best.as_ref()))
            .find(|row| row.id == *run)
    }

    /// Keys of tags that the loaded rows have, sorted.
    pub(super) fn tag_keys(&self) -> Vec<String> {
        let keys: BTreeSet<&String> = self.rows.iter().flat_map(|row| row.tags.keys()).collect();
        keys.into_iter().take(40).cloned().collect()
    }

    /// Whether rows that were asked for a moment ago, at another place of the same order, are those under the cursor: a
    /// held key is faster than an answer.
    pub(super) fn covers(&self, query: &RunQuery, table: &RunTable) -> bool {
        let now = self.query();
        let asked = RunQuery {
            offset: now.offset,
            ..query.clone()
        };
        let Place::Row(row) = self.place(self.cursor) else {
            return false;
        };
        asked == now && row >= table.offset && row < table.offset + table.rows.len() as u64
    }

    /// Rows keep their order and the cursor keeps its row while data arrive; new rows are counted.
    pub(super) fn take_table(&mut self, query: &RunQuery, table: &RunTable, context: &Context) {
        let lead = self.lead();
        let shape = |query: &RunQuery| RunQuery {
            offset: 0,
            ..query.clone()
        };
        let known = self.answered.as_ref();
        let still = |row: &RunRow| table.rows.iter().any(|new| new.id == row.id);
        let same = known == Some(query) && self.rows.iter().any(still);
        let anew = known.map(shape) != Some(shape(query));
        if same {
            let known = std::mem::take(&mut self.rows);
            let new = |row: &RunRow| !known.iter().any(|old| old.id == row.id);
            let fresh = table.rows.iter().filter(|row| new(row)).count();
            // what new rows pushed out at the lower end is still there
            let pushed = known.iter().rev().take(fresh);
            let gone = pushed
                .take_while(|old| !table.rows.iter().any(|row| row.id == old.id))
                .count();
            let end = known.len() - gone;
            self.rows = known
                .iter()
                .enumerate()
                .filter_map(|(place, old)| {
                    let row = table.rows.iter().find(|row| row.id == old.id);
                    row.or((place >= end && fresh > 0).then_some(old))
                })
                .cloned()
                .collect();
            self.fresh = fresh as u64;
        } else {
            self.rows.clone_from(&table.rows);
            if anew || table.offset == 0 {
                self.fresh = 0;
                self.acknowledged = table.total;
            } else {
                self.fresh = table.total.saturating_sub(self.acknowledged);
            }
        }
        self.offset = table.offset;
        self.answered = Some(query.clone());
        self.refused = None;
        self.table = Some(RunTable {
            // the rows as they are shown are kept once
            rows: if self.fresh > 0 && same {
                table.rows.clone()
            } else {
                Vec::new()
            },
            ..table.clone()
        });
        for (run, name) in &mut self.marks {
            if let Some(row) = table.rows.iter().find(|row| row.id == *run) {
                name.clone_from(&row.name);
            }
        }
        self.find_parents(anew);
        if self.group.is_some() {
            return;
        }
        // a champion that appeared or went moves all lines by one
        if self.lead() > lead && self.cursor > 0 {
            self.cursor += 1;
        }
        let found = self.selected.as_ref().and_then(|run| {
            if self.line(self.cursor).is_some_and(|row| row.id == *run) {
                return Some(self.cursor);
            }
            self.line_with(run)
        });
        if let Some(line) = found {
            self.top = (self.top + line).saturating_sub(self.cursor);
            self.cursor = line;
        } else if self.part != Part::Detail || self.selected.is_none() {
            self.cursor = self.cursor.min(self.count().saturating_sub(1));
            self.selected = self.current().map(|row| row.id.clone());
        }
        self.scroll_to_cursor(context);
    }

    /// New rows come into the picture.
    pub(super) fn show_fresh(&mut self) {
        if self.fresh == 0 {
            return;
        }
        if let Some(table) = &mut self.table
            && !table.rows.is_empty()
        {
            self.rows = std::mem::take(&mut table.rows);
            self.acknowledged = table.total;
            self.fresh = 0;
            self.find_parents(false);
        }
    }

    pub(super) fn table_height(&self, context: &Context) -> u16 {
        places::places(self, context.area)
            .table
            .height
            .saturating_sub(2)
    }

    pub(super) fn scroll_to_cursor(&mut self, context: &Context) {
        let height = self.table_height(context);
        self.top = table::scrolled(self.cursor, self.top, height, self.count());
    }

    pub(super) fn go_to(&mut self, line: usize, context: &Context) {
        self.cursor = line.min(self.count().saturating_sub(1));
        let selected = self.current().map(|row| row.id.clone());
        if selected != self.selected {
            self.selected = selected;
            self.scroll = 0;
        }
        self.scroll_to_cursor(context);
    }

    /// Other rows are asked for: the cursor begins at the top.
    pub(super) fn home(&mut self) {
        (self.cursor, self.top, self.selected) = (0, 0, None);
        self.refused = None;
    }

    pub(super) fn sort_by(&mut self, action: Action, context: &Context) {
        let order = self.order();
        if action == Action::Reverse {
            self.sort = order.map(|(column, down)| (column, !down));
        } else {
            let columns: Vec<Column> = self
                .visible(context)
                .into_iter()
                .filter(|column| column.order(self.primary()).is_some())
                .collect();
            let place = order
                .and_then(|(by, _)| columns.iter().position(|column| *column == by))
                .map_or(0, |place| (place + 1) % columns.len().max(1));
            if let Some(column) = columns.get(place) {
                self.sort_on(column.clone());
            }
        }
        self.home();
    }

    /// Sorts by a column, best, greatest or newest first; names from A.
    pub(super) fn sort_on(&mut self, column: Column) {
        let down = match &column {
            Column::Metric(key) => crate::domain::model::greater_is_better(key),
            Column::Difference => self
                .table
                .as_ref()
                .is_none_or(|table| table.greater_is_better),
            Column::Name | Column::By | Column::State => false,
            _ => true,
        };
        self.sort = Some((column, down));
    }

    pub(super) fn visible(&self, context: &Context) -> Vec<Column> {
        let width = places::places(self, context.area).table.width;
        self.table.as_ref().map_or_else(Vec::new, |table| {
            columns::fitting(
                table,
                self.chosen.as_deref(),
                usize::from(width.saturating_sub(2)),
            )
        })
    }

    pub(super) fn columns_dialog(&self) -> Effect {
        let mut known = self.table.as_ref().map(columns::all).unwrap_or_default();
        known.extend(self.tag_keys().into_iter().map(Column::Tag));
        let shown = self.chosen.clone().unwrap_or_else(|| {
            known
                .iter()
                .filter(|column| {
                    !matches!(
                        column,
                        Column::Took | Column::By | Column::Folds | Column::Tag(_)
                    )
                })
                .cloned()
                .collect()
        });
        let rest = known.iter().filter(|column| !shown.contains(column));
        let items = shown
            .iter()
            .map(|column| (column.id(), true))
            .chain(rest.map(|column| (column.id(), false)))
            .collect();
        Effect::Dialog(Dialog::Columns {
            tag: "columns",
            title: "Columns".to_owned(),
            items,
        })
    }

    /// A click on a heading: sorts by it, or turns the order round.
    pub(super) fn head(&mut self, column: Column) {
        if column.order(self.primary()).is_none() {
            return;
        }
        match self.order() {
            Some((by, down)) if by == column => self.sort = Some((by, !down)),
            _ => self.sort_on(column),
        }
        self.home();
    }
}
