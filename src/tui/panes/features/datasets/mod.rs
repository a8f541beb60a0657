//! The datasets of the workspace: what there is, how new it is and what is wrong with it; and, opened, the profile of one,
//! column by column. The daemon profiles and judges; this shows what it found.

mod about;
mod acts;
mod column;
mod columns;
mod draw;
mod keys;

use crate::api::protocol::{Failure, Snapshot, Topic};
use crate::domain::dataset::{DatasetDetail, DatasetRow, DatasetsPage};
use crate::domain::profile::ColumnProfile;
use crate::tui::keymap::{Action, Binding, foot, key};
use crate::tui::panes::Context;
use crate::tui::panes::moves::Words;
use crate::tui::panes::parts::Cursor;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};

/// Parts: the list and what is known of one dataset; opened, its columns and what is known of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    List,
    About,
    Columns,
    Column,
}

/// What columns are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    /// As in the files.
    #[default]
    File,
    Name,
    Nulls,
    Distinct,
    /// What says most about the target first.
    Signal,
}

const ORDERS: [Order; 5] = [
    Order::File,
    Order::Name,
    Order::Nulls,
    Order::Distinct,
    Order::Signal,
];

/// See the module.
#[derive(Default)]
pub struct Datasets {
    /// Shown instead of the features.
    pub on: bool,
    page: Option<DatasetsPage>,
    refused: Option<String>,
    /// The dataset under the cursor.
    dataset: Option<String>,
    detail: Option<DatasetDetail>,
    /// Its profile is opened.
    open: bool,
    list: Cursor,
    /// The column under the cursor.
    column: Option<String>,
    columns: Cursor,
    order: Order,
    reversed: bool,
    part: Part,
    scroll: usize,
    zoomed: bool,
    filter: String,
}

/// Keys that work here.
pub const BINDINGS: &[Binding] = &[
    foot(Action::Open, "open the profile"),
    foot(Action::Train, "profile and validate"),
    foot(Action::Filter, "filter"),
    foot(Action::Sort, "sort columns"),
    foot(Action::Copy, "copy"),
    foot(Action::Export, "export"),
    foot(Action::NextTab, "features"),
    foot(Action::NextPart, "part"),
    key(Action::Down, "down"),
    key(Action::Up, "up"),
    key(Action::Top, "first"),
    key(Action::Bottom, "last"),
    key(Action::HalfDown, "half a page down"),
    key(Action::HalfUp, "half a page up"),
    key(Action::PageDown, "a page down"),
    key(Action::PageUp, "a page up"),
    key(Action::PreviousPart, "previous part"),
    key(Action::Left, "to the table"),
    key(Action::Right, "to what is beside it"),
    key(Action::PreviousTab, "back to the features"),
    key(Action::Reverse, "turn the order round"),
    key(Action::Zoom, "zoom the part"),
    key(Action::Back, "back to the datasets, then to the features"),
];

impl Datasets {
    /// What is to be seen.
    pub fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Datasets];
        topics.extend(
            self.dataset
                .clone()
                .map(|dataset| Topic::Dataset { dataset }),
        );
        topics
    }

    /// A snapshot came.
    pub fn take(&mut self, topic: &Topic, snapshot: &Snapshot, context: &Context) {
        match (topic, snapshot) {
            (Topic::Datasets, Snapshot::Datasets(page)) => {
                self.page = Some(page.clone());
                self.keep(context);
            }
            (Topic::Dataset { dataset }, Snapshot::Dataset(detail))
                if self.dataset.as_ref() == Some(dataset) =>
            {
                self.detail = Some((**detail).clone());
                self.refused = None;
                self.keep_column(context);
            }
            _ => {}
        }
    }

    /// A topic cannot be shown.
    pub fn refused(&mut self, topic: &Topic, failure: &Failure) {
        if matches!(topic, Topic::Datasets | Topic::Dataset { .. }) {
            self.refused = Some(failure.message.clone());
        }
    }

    /// The filter, as typed so far.
    pub fn narrow(&mut self, text: &str, context: &Context) {
        text.clone_into(&mut self.filter);
        if self.open {
            self.keep_column(context);
        } else {
            self.keep(context);
        }
    }

    /// The filter in force.
    pub fn filter(&self) -> &str {
        &self.filter
    }

    /// `Tab` came here, from the left or the right.
    pub fn enter(&mut self, forward: bool) {
        self.part = match (self.open, forward) {
            (false, true) => Part::List,
            (false, false) => Part::About,
            (true, true) => Part::Columns,
            (true, false) => Part::Column,
        };
    }

    /// The status line.
    pub fn status(&self) -> Vec<String> {
        draw::status(self)
    }

    /// Draws the tables and what stands beside them.
    pub fn render(&self, buffer: &mut Buffer, context: &Context) {
        draw::render(self, buffer, context);
    }

    /// Looks to be kept.
    pub fn remember(&self) -> Value {
        json!({ "on": self.on, "dataset": self.dataset, "open": self.open })
    }

    /// Looks as [`Datasets::remember`] gave them.
    pub fn restore(&mut self, looks: &Value) {
        self.on = looks["on"].as_bool().unwrap_or(false);
        self.dataset = looks["dataset"].as_str().map(str::to_owned);
        self.open = looks["open"].as_bool().unwrap_or(false) && self.dataset.is_some();
        if self.open {
            self.part = Part::Columns;
        }
    }

    /// The datasets that the filter leaves.
    fn rows(&self) -> Vec<&DatasetRow> {
        let words = Words::of(if self.open { "" } else { &self.filter });
        self.page
            .iter()
            .flat_map(|page| &page.rows)
            .filter(|row| {
                let state = match (row.profiled, row.violations) {
                    (_, Some(found)) if found > 0 => "anomalies",
                    (None, _) => "unprofiled",
                    _ => "fine",
                };
                words.are_in(&format!("{} {} {state}", row.name, row.source))
            })
            .collect()
    }

    fn current(&self) -> Option<&DatasetRow> {
        self.rows().get(self.list.line).copied()
    }

    /// The detail, when it is that of the dataset under the cursor.
    fn detail(&self) -> Option<&DatasetDetail> {
        self.detail
            .as_ref()
            .filter(|detail| Some(&detail.row.name) == self.dataset.as_ref())
    }

    /// The columns of the profile that the filter leaves, in the order in force.
    fn profiled(&self) -> Vec<&ColumnProfile> {
        let Some(profile) = self.detail().and_then(|detail| detail.profile.as_ref()) else {
            return Vec::new();
        };
        let words = Words::of(if self.open { &self.filter } else { "" });
        let mut columns: Vec<&ColumnProfile> = profile
            .columns
            .iter()
            .filter(|column| {
                let odd = profile.noted.iter().any(|(name, _)| *name == column.name);
                let odd = if odd { "warning" } else { "" };
                words.are_in(&format!("{} {} {odd}", column.name, column.kind))
            })
            .collect();
        match self.order {
            Order::File => {}
            Order::Name => columns.sort_by(|a, b| a.name.cmp(&b.name)),
            Order::Nulls => {
                columns.sort_by(|a, b| columns::null_share(b).total_cmp(&columns::null_share(a)));
            }
            Order::Distinct => columns.sort_by_key(|column| std::cmp::Reverse(column.distinct)),
            Order::Signal => {
                let rank = |column: &ColumnProfile| {
                    let place = profile
                        .signal
                        .iter()
                        .position(|one| one.column == column.name);
                    place.unwrap_or(usize::MAX)
                };
                columns.sort_by_key(|column| rank(column));
            }
        }
        if self.reversed {
            columns.reverse();
        }
        columns
    }

    fn profiled_one(&self) -> Option<&ColumnProfile> {
        self.profiled().get(self.columns.line).copied()
    }

    /// The cursor stays on its dataset.
    fn keep(&mut self, context: &Context) {
        let rows = self.rows();
        let place = self
            .dataset
            .as_ref()
            .and_then(|dataset| rows.iter().position(|row| row.name == *dataset));
        let count = rows.len();
        let line = place.unwrap_or_else(|| self.list.line.min(count.saturating_sub(1)));
        let height = draw::height(self, Part::List, context);
        self.list.keep(line, height, count);
        self.select();
    }

    fn select(&mut self) {
        let dataset = self.current().map(|row| row.name.clone());
        if dataset.is_some() && dataset != self.dataset {
            self.dataset = dataset;
            self.column = None;
            self.columns = Cursor::default();
            (self.scroll, self.refused) = (0, None);
        }
    }

    /// The cursor of the columns stays on its column.
    fn keep_column(&mut self, context: &Context) {
        let columns = self.profiled();
        let place = self
            .column
            .as_ref()
            .and_then(|name| columns.iter().position(|column| column.name == *name));
        let count = columns.len();
        let line = place.unwrap_or_else(|| self.columns.line.min(count.saturating_sub(1)));
        let height = draw::height(self, Part::Columns, context);
        self.columns.keep(line, height, count);
        self.select_column();
    }

    fn select_column(&mut self) {
        let column = self.profiled_one().map(|column| column.name.clone());
        if column.is_some() && column != self.column {
            self.column = column;
            self.scroll = 0;
        }
    }
}
