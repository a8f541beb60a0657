//! The rows of the runs pane: a window of them around the cursor, their order, and what stays where it is while data
//! arrive. Must not know how they are drawn.

use super::columns::{self, Column};
use super::{PAGE, Part, Runs, filter, places};
use crate::domain::RunId;
use crate::domain::run::{RunQuery, RunRow, RunTable};
use crate::tui::dialog::Dialog;
use crate::tui::effect::Effect;
use crate::tui::keymap::Action;
use crate::tui::panes::Context;
use crate::tui::widgets::table;

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

    pub(super) fn query(&self) -> RunQuery {
        let order_by = self
            .order()
            .and_then(|(column, down)| {
                let field = column.order(self.primary())?;
                Some(format!("{field} {}", if down { "DESC" } else { "ASC" }))
            })
            .unwrap_or_default();
        let row = self.cursor.saturating_sub(self.lead()) as u64;
        RunQuery {
            experiment: None,
            filter: filter::filter(&self.filter, self.table.as_ref()),
            order_by,
            offset: row.saturating_sub(PAGE.1) / PAGE.1 * PAGE.1,
            limit: PAGE.0,
        }
    }

    /// Lines before the rows: the champion's.
    pub(super) fn lead(&self) -> usize {
        usize::from(
            self.table
                .as_ref()
                .is_some_and(|table| table.champion.is_some()),
        )
    }

    /// Lines of the table.
    pub(super) fn count(&self) -> usize {
        let Some(table) = &self.table else {
            return 0;
        };
        let known = self.offset + self.rows.len() as u64;
        let rows = if known + self.fresh >= table.total {
            known
        } else {
            table.total
        };
        self.lead() + rows as usize
    }

    /// The run in a line; none while its page is on its way.
    pub(super) fn line(&self, line: usize) -> Option<&RunRow> {
        let table = self.table.as_ref()?;
        match (line.checked_sub(self.lead()), &table.champion) {
            (None, champion) => champion.as_ref().map(|(row, ..)| row),
            (Some(row), _) => {
                let place = (row as u64).checked_sub(self.offset)?;
                self.rows.get(place as usize)
            }
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

    pub(super) fn take_table(&mut self, query: &RunQuery, table: &RunTable, context: &Context) {
        let lead = self.lead();
        let same = self.answered.as_ref() == Some(query) && !self.rows.is_empty();
        if same {
            let known = std::mem::take(&mut self.rows);
            let kept: Vec<RunRow> = known
                .iter()
                .filter_map(|row| table.rows.iter().find(|new| new.id == row.id))
                .cloned()
                .collect();
            self.fresh = (table.rows.len() - kept.len()) as u64;
            self.rows = kept;
        } else {
            self.rows.clone_from(&table.rows);
            self.fresh = 0;
        }
        self.offset = table.offset;
        self.answered = Some(query.clone());
        self.refused = None;
        self.table = Some(table.clone());
        for (run, name) in &mut self.marks {
            if let Some(row) = table.rows.iter().find(|row| row.id == *run) {
                name.clone_from(&row.name);
            }
        }
        // a champion that appeared or went moves all lines by one
        if self.lead() > lead && self.cursor > 0 {
            self.cursor += 1;
        }
        let found = self.selected.as_ref().and_then(|run| {
            let lines = self.offset as usize + self.lead();
            if self.line(self.cursor).is_some_and(|row| row.id == *run) {
                return Some(self.cursor);
            }
            let place = self.rows.iter().position(|row| row.id == *run)?;
            Some(lines + place)
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
        (self.cursor, self.top, self.selected) = (0, 0, None);
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
        let known = self.table.as_ref().map(columns::all).unwrap_or_default();
        let shown = self.chosen.clone().unwrap_or_else(|| {
            known
                .iter()
                .filter(|column| !matches!(column, Column::Took | Column::By | Column::Folds))
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
        (self.cursor, self.top, self.selected) = (0, 0, None);
    }
}
