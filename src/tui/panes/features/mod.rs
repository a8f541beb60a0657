//! Pane 3: what feeds my model, and is it fresh? A table of features, and what each means, holds and feeds.

mod acts;
mod detail;
mod draw;
#[cfg(test)]
mod tests;

use super::parts::{self, Cursor};
use super::{Answer, Context, Input, Pane, Pointer, Target};
use crate::api::protocol::{Snapshot, Topic};
use crate::domain::feature::{FeatureDetail, FeatureRow, FeaturesPage, Freshness};
use crate::tui::effect::Effect;
use crate::tui::keymap::{Action, Binding, foot, key};
use crate::tui::widgets::table::Hit;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};

/// Parts of the pane, in the order of `Tab`. Detail and values share a place where there is little room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Table,
    Detail,
    Values,
}

const PARTS: [Part; 3] = [Part::Table, Part::Detail, Part::Values];

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
    /// Values instead of the detail, where they share a place.
    values: bool,
    zoomed: bool,
    filter: String,
    order: Order,
    reversed: bool,
}

const BINDINGS: &[Binding] = &[
    foot(Action::Train, "materialize"),
    foot(Action::Filter, "filter"),
    foot(Action::Open, "lineage, values"),
    foot(Action::Copy, "copy the join"),
    foot(Action::Sort, "sort"),
    foot(Action::NextPart, "part"),
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
    key(Action::PreviousTab, "detail, or values"),
    key(Action::NextTab, "detail, or values"),
    key(Action::Reverse, "turn the order round"),
    key(Action::Zoom, "zoom the part"),
    key(Action::Back, "back to the table"),
];

impl Pane for Features {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn topics(&self) -> Vec<Topic> {
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
            Input::Pointer(pointer) => return self.point(*pointer, context),
            Input::Answer("materialize", Answer::Item(place)) => {
                let views = match (place, self.current()) {
                    (0, Some(row)) => vec![row.view.clone()],
                    _ => Vec::new(),
                };
                return vec![acts::materialize(views)];
            }
            Input::Show(Target::Feature(view, feature)) => {
                self.selected = Some((view.clone(), feature.clone()));
                self.filter.clear();
                self.part = Part::Table;
                self.zoomed = false;
                self.keep(context);
            }
            _ => {}
        }
        Vec::new()
    }

    fn render(&self, buffer: &mut Buffer, context: &Context) {
        draw::render(self, buffer, context);
    }

    fn status(&self, context: &Context) -> Vec<String> {
        draw::status(self, context)
    }

    fn filter(&self) -> &str {
        &self.filter
    }

    fn remember(&self) -> Value {
        json!({
            "filter": self.filter,
            "order": ORDERS.iter().position(|order| *order == self.order),
            "reversed": self.reversed,
            "values": self.values,
            "selected": self.selected,
        })
    }

    fn restore(&mut self, looks: &Value) {
        self.filter = looks["filter"].as_str().unwrap_or_default().to_owned();
        self.order = looks["order"]
            .as_u64()
            .and_then(|place| ORDERS.get(place as usize).copied())
            .unwrap_or_default();
        self.reversed = looks["reversed"].as_bool().unwrap_or(false);
        self.values = looks["values"].as_bool().unwrap_or(false);
        if let (Some(view), Some(feature)) =
            (looks["selected"][0].as_str(), looks["selected"][1].as_str())
        {
            self.selected = Some((view.to_owned(), feature.to_owned()));
        }
    }
}

impl Features {
    /// Rows that the filter leaves, in the order in force. Words match name, view, user or state (`late`, `drift`,
    /// `missing`, `fresh`).
    fn rows(&self) -> Vec<&FeatureRow> {
        let words: Vec<String> = self
            .filter
            .to_lowercase()
            .split_whitespace()
            .map(str::to_owned)
            .collect();
        let matches = |row: &&FeatureRow| {
            let users: Vec<String> = row
                .used_by
                .iter()
                .map(|(model, version)| format!("{model} {version}"))
                .collect();
            let whole = format!(
                "{}:{} {} {}",
                row.view,
                row.feature,
                users.join(" "),
                state_words(row)
            )
            .to_lowercase();
            words.iter().all(|word| whole.contains(word))
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
            self.selected = selected;
            self.scroll = 0;
        }
    }

    fn focus(&mut self, part: Part) {
        if part != self.part {
            self.scroll = 0;
        }
        self.part = part;
        match part {
            Part::Table => {}
            Part::Detail => self.values = false,
            Part::Values => self.values = true,
        }
    }

    fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let height = self.height(context);
        if self.part == Part::Table {
            let count = self.rows().len();
            if self.cursor.act(action, height, count) {
                self.select();
                return Vec::new();
            }
        } else if let Some(step) = parts::step(action, height) {
            let most = detail::length(self, context);
            self.scroll = self.scroll.min(most).saturating_add_signed(step).min(most);
            return Vec::new();
        }
        let place = PARTS.iter().position(|part| *part == self.part);
        let place = place.unwrap_or(0);
        match action {
            Action::NextPart => self.focus(PARTS[(place + 1) % PARTS.len()]),
            Action::PreviousPart => self.focus(PARTS[(place + PARTS.len() - 1) % PARTS.len()]),
            Action::Left => self.focus(Part::Table),
            Action::Right => {
                self.focus(if self.values {
                    Part::Values
                } else {
                    Part::Detail
                });
            }
            Action::Open => {
                self.focus(match self.part {
                    Part::Table => Part::Detail,
                    Part::Detail => Part::Values,
                    Part::Values => Part::Detail,
                });
            }
            Action::PreviousTab | Action::NextTab => {
                self.focus(if self.values {
                    Part::Detail
                } else {
                    Part::Values
                });
            }
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Back => {
                self.zoomed = false;
                self.focus(Part::Table);
            }
            Action::Sort => {
                let place = ORDERS.iter().position(|order| *order == self.order);
                self.order = ORDERS[(place.unwrap_or(0) + 1) % ORDERS.len()];
                self.keep(context);
            }
            Action::Reverse => {
                self.reversed = !self.reversed;
                self.keep(context);
            }
            Action::Train => return self.ask_materialize(),
            Action::Copy => return self.copy(),
            Action::Export => return self.export(),
            _ => {}
        }
        Vec::new()
    }

    fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        let places = draw::places(self, context.area);
        let at = match pointer {
            Pointer::Click(at) | Pointer::DoubleClick(at) | Pointer::Wheel(at, _) => at,
        };
        let part = if places.table.contains(at) {
            Part::Table
        } else if places.values.contains(at) {
            Part::Values
        } else {
            Part::Detail
        };
        self.focus(part);
        match pointer {
            Pointer::Wheel(_, rows) => {
                let action = if rows > 0 { Action::Down } else { Action::Up };
                for _ in 0..rows.unsigned_abs() {
                    self.act(action, context);
                }
            }
            Pointer::Click(_) | Pointer::DoubleClick(_) if part == Part::Table => {
                match draw::hit(self, context, at) {
                    Some(Hit::Row(line)) => {
                        self.cursor.line = line;
                        self.select();
                    }
                    Some(Hit::Heading(column)) => {
                        if let Some(order) = draw::ordered_by(column) {
                            self.reversed = self.order == order && !self.reversed;
                            self.order = order;
                            self.keep(context);
                        }
                    }
                    None => {}
                }
                if matches!(pointer, Pointer::DoubleClick(_)) {
                    self.focus(Part::Detail);
                }
            }
            _ => {}
        }
        Vec::new()
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
    format!("{fresh} {drift} {used}")
}
