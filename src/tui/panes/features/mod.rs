//! Pane 3: what feeds my model, and is it fresh? A table of features with what each means, holds, feeds and how it is
//! defined; and the datasets behind them (`datasets`).

mod acts;
mod datasets;
mod definition;
mod detail;
mod draw;
mod keys;
mod lineage;
#[cfg(test)]
mod tests;
mod values;

use super::moves::Words;
use super::parts::Cursor;
use super::{Answer, Context, Input, Pane, Target};
use crate::api::protocol::{Snapshot, Topic};
use crate::domain::feature::{FeatureDetail, FeatureRow, FeaturesPage, Freshness};
use crate::tui::effect::Effect;
use crate::tui::keymap::{Action, Binding, foot, key};
use datasets::Datasets;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};

/// Parts of the pane. All but the table share a place where there is little room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Table,
    Detail,
    Values,
    Lineage,
    Definition,
}

/// The parts beside the table, in the order of `[ ]`.
const TABS: [Part; 4] = [Part::Detail, Part::Values, Part::Lineage, Part::Definition];

/// What the rows are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Order {
    /// By view, as the daemon gives them.
    #[default]
    View,
    Name,
    Age,
    Nulls,
    Used,
}

const ORDERS: [Order; 5] = [
    Order::View,
    Order::Name,
    Order::Age,
    Order::Nulls,
    Order::Used,
];

/// See the module.
#[derive(Default)]
pub struct Features {
    page: Option<FeaturesPage>,
    detail: Option<FeatureDetail>,
    /// View and name under the cursor.
    selected: Option<(String, String)>,
    cursor: Cursor,
    scroll: usize,
    part: Part,
    /// Which of [`TABS`] is shown where they share a place.
    tab: usize,
    zoomed: bool,
    filter: String,
    order: Order,
    reversed: bool,
    /// The model version under the cursor of the lineage.
    reader: usize,
    /// What is online of one entity.
    entity: Option<values::Entity>,
    datasets: Datasets,
}

const BINDINGS: &[Binding] = &[
    foot(Action::Train, "materialize"),
    foot(Action::Filter, "filter"),
    foot(Action::Open, "open, look up"),
    foot(Action::Copy, "copy the join"),
    foot(Action::NextTab, "datasets"),
    foot(Action::NextPart, "part"),
    foot(Action::Sort, "sort"),
    foot(Action::Export, "export"),
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
    key(Action::Right, "to the detail"),
    key(
        Action::PreviousTab,
        "in a table: features, datasets; beside it: detail, values, lineage, definition",
    ),
    key(Action::Reverse, "turn the order round"),
    key(Action::Zoom, "zoom the part"),
    key(Action::Back, "back to the table"),
];

impl Pane for Features {
    fn bindings(&self) -> &'static [Binding] {
        if self.datasets.on {
            datasets::BINDINGS
        } else {
            BINDINGS
        }
    }

    fn topics(&self) -> Vec<Topic> {
        if self.datasets.on {
            return self.datasets.topics();
        }
        let mut topics = vec![Topic::Features];
        topics.extend(
            self.selected
                .clone()
                .map(|(view, feature)| Topic::Feature { view, feature }),
        );
        topics
    }

    fn update(&mut self, input: &Input, context: &Context) -> Vec<Effect> {
        match input {
            Input::Act(action) => return self.act(*action, context),
            Input::Filter(text) if self.datasets.on => self.datasets.narrow(text, context),
            Input::Filter(text) => {
                (*text).clone_into(&mut self.filter);
                self.keep(context);
            }
            Input::Snapshot(Topic::Features, Snapshot::Features(page)) => {
                self.page = Some(page.clone());
                self.keep(context);
            }
            Input::Snapshot(Topic::Feature { view, feature }, Snapshot::Feature(detail))
                if self.is_selected(view, feature) =>
            {
                self.detail = Some((**detail).clone());
            }
            Input::Refused(Topic::Feature { .. }, _) => self.detail = None,
            Input::Snapshot(topic, snapshot) => self.datasets.take(topic, snapshot, context),
            Input::Refused(topic, failure) => self.datasets.refused(topic, failure),
            Input::Pointer(pointer) => return self.point(*pointer, context),
            Input::Answer("materialize", Answer::Item(place)) => {
                let views = match (place, self.current()) {
                    (0, Some(row)) => vec![row.view.clone()],
                    _ => Vec::new(),
                };
                return vec![acts::materialize(views)];
            }
            Input::Answer(values::TAG, Answer::Text(keys)) => return self.look_up(keys),
            Input::Reply(values::TAG, result) => return self.looked_up(result),
            Input::Answer(tag, answer) => return self.datasets.answer(tag, answer),
            Input::Show(Target::Feature(view, feature)) => {
                self.selected = Some((view.clone(), feature.clone()));
                self.filter.clear();
                self.datasets.on = false;
                self.part = Part::Table;
                self.zoomed = false;
                self.keep(context);
            }
            _ => {}
        }
        Vec::new()
    }

    fn render(&self, buffer: &mut Buffer, context: &Context) {
        if self.datasets.on {
            self.datasets.render(buffer, context);
        } else {
            draw::render(self, buffer, context);
        }
    }

    fn status(&self, context: &Context) -> Vec<String> {
        if self.datasets.on {
            self.datasets.status()
        } else {
            draw::status(self, context)
        }
    }

    fn filter(&self) -> &str {
        if self.datasets.on {
            self.datasets.filter()
        } else {
            &self.filter
        }
    }

    fn remember(&self) -> Value {
        json!({
            "filter": self.filter,
            "order": ORDERS.iter().position(|order| *order == self.order),
            "reversed": self.reversed,
            "tab": self.tab,
            "selected": self.selected,
            "datasets": self.datasets.remember(),
        })
    }

    fn restore(&mut self, looks: &Value) {
        self.filter = looks["filter"].as_str().unwrap_or_default().to_owned();
        self.order = looks["order"]
            .as_u64()
            .and_then(|place| ORDERS.get(place as usize).copied())
            .unwrap_or_default();
        self.reversed = looks["reversed"].as_bool().unwrap_or(false);
        self.tab = looks["tab"]
            .as_u64()
            .map_or(0, |tab| (tab as usize).min(TABS.len() - 1));
        if let (Some(view), Some(feature)) =
            (looks["selected"][0].as_str(), looks["selected"][1].as_str())
        {
            self.selected = Some((view.to_owned(), feature.to_owned()));
        }
        self.datasets.restore(&looks["datasets"]);
    }
}

impl Features {
    /// Rows that the filter leaves, in the order in force. Words match name, view, user or state (`late`, `drift`,
    /// `missing`, `fresh`, `unused`, `differs`).
    fn rows(&self) -> Vec<&FeatureRow> {
        let words = Words::of(&self.filter);
        let matches = |row: &&FeatureRow| {
            let users: Vec<String> = row
                .used_by
                .iter()
                .map(|(model, version)| format!("{model} {version}"))
                .collect();
            words.are_in(&format!(
                "{}:{} {} {}",
                row.view,
                row.feature,
                users.join(" "),
                state_words(row)
            ))
        };
        let mut rows: Vec<&FeatureRow> = self
            .page
            .iter()
            .flat_map(|page| &page.rows)
            .filter(matches)
            .collect();
        match self.order {
            Order::View => {}
            Order::Name => rows.sort_by(|a, b| a.feature.cmp(&b.feature)),
            Order::Age => rows.sort_by_key(|row| std::cmp::Reverse(row.age_ms.unwrap_or(i64::MAX))),
            Order::Nulls => rows.sort_by(|a, b| {
                let of = |row: &FeatureRow| row.null_share.unwrap_or(-1.0);
                of(b).total_cmp(&of(a))
            }),
            Order::Used => rows.sort_by_key(|row| std::cmp::Reverse(row.used_by.len())),
        }
        if self.reversed {
            rows.reverse();
        }
        rows
    }

    fn current(&self) -> Option<&FeatureRow> {
        self.rows().get(self.cursor.line).copied()
    }

    fn is_selected(&self, view: &str, feature: &str) -> bool {
        self.selected
            .as_ref()
            .is_some_and(|(known, name)| known == view && name == feature)
    }

    /// The detail, when it is that of the row under the cursor.
    fn detail(&self) -> Option<&FeatureDetail> {
        self.detail
            .as_ref()
            .filter(|detail| self.is_selected(&detail.row.view, &detail.row.feature))
    }

    /// The detail that is drawn: that of the row before until that of the row under the cursor is there.
    fn pictured(&self) -> Option<&FeatureDetail> {
        self.detail.as_ref()
    }

    fn height(&self, context: &Context) -> u16 {
        draw::places(self, context.area)
            .table
            .height
            .saturating_sub(2)
    }

    /// The cursor stays on its feature.
    fn keep(&mut self, context: &Context) {
        let rows = self.rows();
        let count = rows.len();
        let place = self.selected.as_ref().and_then(|(view, feature)| {
            rows.iter()
                .position(|row| row.view == *view && row.feature == *feature)
        });
        let line = place.unwrap_or_else(|| self.cursor.line.min(count.saturating_sub(1)));
        let height = self.height(context);
        self.cursor.keep(line, height, count);
        self.select();
    }

    fn select(&mut self) {
        let selected = self
            .current()
            .map(|row| (row.view.clone(), row.feature.clone()));
        if selected.is_some() && selected != self.selected {
            let same_view = match (&selected, &self.selected) {
                (Some((view, _)), Some((before, _))) => view == before,
                _ => false,
            };
            if !same_view {
                self.entity = None;
            }
            self.selected = selected;
            (self.scroll, self.reader) = (0, 0);
        }
    }
}

/// Words that the filter finds a state by.
fn state_words(row: &FeatureRow) -> String {
    let fresh = match row.freshness {
        Freshness::Fresh => "fresh",
        Freshness::Stale => "late stale",
        Freshness::Missing => "missing never",
    };
    let drift = if row.drifting { "drift drifting" } else { "" };
    let used = if row.used_by.is_empty() { "unused" } else { "" };
    let differs = if row.differs { "differs" } else { "" };
    format!("{fresh} {drift} {used} {differs}")
}
