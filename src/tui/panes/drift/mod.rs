//! Pane 4: what changed in my data? The columns of a window against training, both distributions of one of them, and
//! the windows with the quality that came of it. The daemon tests and finds the words; this pane shows them.

mod acts;
mod column;
mod draw;
mod quality;
mod retrain;
#[cfg(test)]
mod tests;

use super::moves::{self, Words};
use super::parts::{self, Cursor};
use super::{Context, Input, Pane, Pointer, Target};
use crate::api::protocol::{Snapshot, Topic};
use crate::domain::drift::{DriftDetail, DriftPage, DriftRow, DriftVerdict, Reference, WindowRow};
use crate::tui::effect::Effect;
use crate::tui::keymap::{Action, Binding, foot, key};
use crate::tui::layout::Room;
use crate::tui::widgets::table::Hit;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Small histograms of the wide screen.
const GRID: usize = 8;

/// Parts of the pane, in the order of `Tab`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Table,
    Column,
    Windows,
}

const PARTS: [Part; 3] = [Part::Table, Part::Column, Part::Windows];

/// See the module.
#[derive(Default)]
pub struct Drift {
    /// The newest answer; inside: none without monitors.
    page: Option<Option<DriftPage>>,
    /// The chosen monitor; none: the first.
    monitor: Option<String>,
    /// The chosen window; none: the newest.
    report: Option<i64>,
    /// What windows are held against; none: the training of the version that answered.
    against: Option<Reference>,
    /// The column under the cursor.
    column: Option<String>,
    cursor: Cursor,
    windows: Cursor,
    scroll: usize,
    details: BTreeMap<(i64, String), DriftDetail>,
    /// Whose detail was under the cursor last.
    last: Option<(i64, String)>,
    part: Part,
    zoomed: bool,
    filter: String,
    /// The metric of the chart by window; none: the first.
    metric: Option<String>,
    /// The pipeline that the next choice of rows is for.
    pipeline: Option<String>,
    refused: Option<String>,
    wide: bool,
}

const BINDINGS: &[Binding] = &[
    foot(Action::Window, "window"),
    foot(Action::Baseline, "reference"),
    foot(Action::Open, "rows"),
    foot(Action::Train, "retrain on recent"),
    foot(Action::NextPart, "windows, quality"),
    foot(Action::Export, "report"),
    foot(Action::Filter, "filter"),
    foot(Action::Copy, "copy"),
    key(Action::Down, "down"),
    key(Action::Up, "up"),
    key(Action::Top, "first"),
    key(Action::Bottom, "last"),
    key(Action::HalfDown, "half a page down"),
    key(Action::HalfUp, "half a page up"),
    key(Action::PageDown, "a page down"),
    key(Action::PageUp, "a page up"),
    key(Action::PreviousTab, "the window before"),
    key(Action::NextTab, "the window after"),
    key(Action::PreviousPart, "previous part"),
    key(Action::Left, "part to the left"),
    key(Action::Right, "part to the right"),
    key(Action::PreviousMetric, "quality: previous metric"),
    key(Action::NextMetric, "quality: next metric"),
    key(Action::Zoom, "zoom the part"),
    key(Action::Back, "back to the table"),
];

impl Pane for Drift {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Drift {
            monitor: self.monitor.clone(),
            report: self.report,
            against: self.against.clone(),
        }];
        let Some((page, report)) = self
            .shown()
            .and_then(|page| page.shown.map(|report| (page, report)))
        else {
            return topics;
        };
        let mut columns: Vec<&String> = self.column.iter().collect();
        if self.wide {
            let worst = page.rows.iter().take(GRID).map(|row| &row.column);
            columns.extend(worst);
        }
        let mut asked: Vec<&String> = Vec::new();
        for column in columns {
            if !asked.contains(&column) && page.rows.iter().any(|row| row.column == *column) {
                asked.push(column);
                topics.push(Topic::DriftColumn {
                    report,
                    column: column.clone(),
                    against: page.against.clone(),
                });
            }
        }
        topics
    }

    fn update(&mut self, input: &Input, context: &Context) -> Vec<Effect> {
        self.wide = Room::of(context.area) == Room::Wide;
        match input {
            Input::Act(action) => return self.act(*action, context),
            Input::Filter(text) => {
                (*text).clone_into(&mut self.filter);
                self.keep(context);
            }
            Input::Snapshot(
                Topic::Drift {
                    monitor,
                    report,
                    against,
                },
                Snapshot::Drift(page),
            ) if *monitor == self.monitor && *report == self.report && *against == self.against => {
                let held = |page: Option<&DriftPage>| page.and_then(|page| page.against.clone());
                if held(self.shown()) != held(page.as_ref()) {
                    self.details.clear();
                }
                self.page = Some(page.clone());
                self.refused = None;
                self.keep(context);
            }
            Input::Snapshot(
                Topic::DriftColumn {
                    report,
                    column,
                    against,
                },
                Snapshot::DriftColumn(detail),
            ) if self.shown().is_some_and(|page| page.against == *against) => {
                let shown = self.shown().and_then(|page| page.shown);
                let last = self.last.as_ref().map(|(report, _)| *report);
                self.details.retain(|(known, _), _| {
                    Some(*known) == shown || *known == *report || Some(*known) == last
                });
                let key = (*report, column.clone());
                if self.column.as_ref() == Some(column) {
                    self.last = Some(key.clone());
                }
                self.details.insert(key, (**detail).clone());
            }
            Input::Refused(Topic::DriftColumn { .. }, _) => self.last = None,
            Input::Refused(Topic::Drift { .. }, failure) => {
                self.refused = Some(failure.message.clone());
                // the window, or what it was held against, is gone: back to the newest and its own
                (self.report, self.against) = (None, None);
            }
            Input::Pointer(pointer) => return self.point(*pointer, context),
            Input::Answer(tag, answer) => return self.answer(tag, answer, context),
            Input::Show(Target::Column(column)) => {
                self.column = Some(column.clone());
                self.filter.clear();
                (self.part, self.zoomed) = (Part::Table, false);
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
            "monitor": self.monitor,
            "filter": self.filter,
            "metric": self.metric,
            "zoomed": self.zoomed,
            "part": PARTS.iter().position(|part| *part == self.part),
        })
    }

    fn restore(&mut self, looks: &Value) {
        self.monitor = looks["monitor"].as_str().map(str::to_owned);
        self.filter = looks["filter"].as_str().unwrap_or_default().to_owned();
        self.metric = looks["metric"].as_str().map(str::to_owned);
        self.zoomed = looks["zoomed"].as_bool().unwrap_or(false);
        self.part = looks["part"]
            .as_u64()
            .and_then(|place| PARTS.get(place as usize).copied())
            .unwrap_or_default();
    }
}

impl Drift {
    /// The page, if there is a monitor.
    fn shown(&self) -> Option<&DriftPage> {
        self.page.as_ref()?.as_ref()
    }

    /// The window whose table is shown.
    fn window(&self) -> Option<&WindowRow> {
        let page = self.shown()?;
        page.windows
            .iter()
            .find(|window| Some(window.id) == page.shown)
    }

    /// Another window was chosen and its table is on its way.
    fn stale(&self) -> bool {
        let page = self.shown();
        (self.report.is_some() && page.and_then(|page| page.shown) != self.report)
            || (self.against.is_some()
                && page.and_then(|page| page.against.as_ref()) != self.against.as_ref())
    }

    /// The rows that the filter leaves: words in the column's name, its test, or `drift`, `stable`.
    fn rows(&self) -> Vec<&DriftRow> {
        let words = Words::of(&self.filter);
        self.shown()
            .into_iter()
            .flat_map(|page| &page.rows)
            .filter(|row| {
                let state = match row.verdict {
                    DriftVerdict::Drift => "drift drifting",
                    DriftVerdict::Stable => "stable",
                    DriftVerdict::TooFew => "few",
                    DriftVerdict::NoData => "none",
                };
                words.are_in(&format!("{} {} {state}", row.column, row.method))
            })
            .collect()
    }

    fn current(&self) -> Option<&DriftRow> {
        self.rows().get(self.cursor.line).copied()
    }

    fn detail_of(&self, column: &str) -> Option<&DriftDetail> {
        let report = self.shown()?.shown?;
        self.details.get(&(report, column.to_owned()))
    }

    /// The detail of the column under the cursor.
    fn detail(&self) -> Option<&DriftDetail> {
        self.detail_of(self.column.as_deref()?)
    }

    /// The detail that is drawn: that of the column before until that of the column under the cursor is there.
    fn pictured(&self) -> Option<&DriftDetail> {
        self.detail()
            .or_else(|| self.details.get(self.last.as_ref()?))
    }

    fn heights(&self, context: &Context) -> (u16, u16) {
        let places = draw::places(self, context.area);
        (
            places.table.height.saturating_sub(2),
            places.windows.height.saturating_sub(2),
        )
    }

    /// The cursors stay on their column and their window.
    fn keep(&mut self, context: &Context) {
        let (height, windows_height) = self.heights(context);
        let rows = self.rows();
        let count = rows.len();
        let place = self
            .column
            .as_ref()
            .and_then(|column| rows.iter().position(|row| row.column == *column));
        let line = place.unwrap_or_else(|| self.cursor.line.min(count.saturating_sub(1)));
        self.cursor.keep(line, height, count);
        self.select();
        let windows = self.shown().map_or(0, |page| page.windows.len());
        let place = self.shown().and_then(|page| {
            page.windows
                .iter()
                .position(|window| Some(window.id) == page.shown)
        });
        if let Some(place) = place {
            self.windows.go(place, windows_height, windows);
        }
    }

    fn select(&mut self) {
        let column = self.current().map(|row| row.column.clone());
        if column.is_some() && column != self.column {
            self.column = column;
            self.scroll = 0;
        }
    }

    /// Shows the window in this line of the windows table.
    fn choose(&mut self, line: usize, context: &Context) {
        let Some(page) = self.shown() else {
            return;
        };
        let last = page.windows.len().saturating_sub(1);
        let line = line.min(last);
        let id = page.windows.get(line).map(|window| window.id);
        let count = page.windows.len();
        // the newest is followed: a new window is shown when it comes
        self.report = id.filter(|_| line < last);
        let (_, height) = self.heights(context);
        self.windows.go(line, height, count);
    }

    fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let (height, windows_height) = self.heights(context);
        match self.part {
            Part::Table => {
                let count = self.rows().len();
                if self.cursor.act(action, height, count) {
                    self.select();
                    return Vec::new();
                }
            }
            Part::Column => {
                if let Some(step) = parts::step(action, height) {
                    let most = column::length(self, context);
                    self.scroll = moves::scrolled(self.scroll, step, most);
                    return Vec::new();
                }
            }
            Part::Windows => {
                let count = self.shown().map_or(0, |page| page.windows.len());
                if self.windows.act(action, windows_height, count) {
                    self.choose(self.windows.line, context);
                    return Vec::new();
                }
            }
        }
        match action {
            Action::NextPart => self.focus(moves::turned(&PARTS, self.part, 1)),
            Action::PreviousPart => self.focus(moves::turned(&PARTS, self.part, -1)),
            Action::Left => self.focus(moves::beside(&PARTS, self.part, -1)),
            Action::Right => self.focus(moves::beside(&PARTS, self.part, 1)),
            Action::PreviousTab => {
                self.choose(self.windows.line.saturating_sub(1), context);
            }
            Action::NextTab => self.choose(self.windows.line + 1, context),
            Action::Open => self.focus(match self.part {
                Part::Table => Part::Column,
                Part::Column | Part::Windows => Part::Table,
            }),
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Back => {
                self.zoomed = false;
                self.focus(Part::Table);
            }
            Action::Window => return self.ask_window(),
            Action::Baseline => return self.reference(),
            Action::PreviousMetric | Action::NextMetric => {
                let keys = quality::metrics(self.shown());
                let current = self.metric();
                let place = keys.iter().position(|key| Some(key) == current.as_ref());
                if let Some(place) = place {
                    let by = if action == Action::NextMetric {
                        1
                    } else {
                        keys.len() - 1
                    };
                    self.metric = keys.get((place + by) % keys.len()).cloned();
                }
            }
            Action::Train => return retrain::ask(self, context),
            Action::Copy => return moves::offer_copies(self.copies()),
            Action::Export => return self.export(),
            _ => {}
        }
        Vec::new()
    }

    fn focus(&mut self, part: Part) {
        if part != self.part {
            self.scroll = 0;
        }
        self.part = part;
    }

    /// The metric of the chart by window.
    fn metric(&self) -> Option<String> {
        let keys = quality::metrics(self.shown());
        self.metric
            .clone()
            .filter(|metric| keys.contains(metric))
            .or_else(|| keys.first().cloned())
    }

    fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        let places = draw::places(self, context.area);
        let at = moves::at(pointer);
        let part = if places.windows.contains(at) || places.quality.contains(at) {
            Part::Windows
        } else if places.column.contains(at) {
            Part::Column
        } else {
            Part::Table
        };
        self.focus(part);
        match pointer {
            Pointer::Wheel(_, rows) => {
                let action = if rows > 0 { Action::Down } else { Action::Up };
                for _ in 0..rows.unsigned_abs() {
                    self.act(action, context);
                }
            }
            Pointer::Click(_) | Pointer::DoubleClick(_) => {
                if let Some(Hit::Row(line)) = draw::hit(self, context, at) {
                    if part == Part::Windows {
                        self.choose(line, context);
                    } else if part == Part::Table {
                        self.cursor.line = line;
                        self.select();
                    }
                }
                if matches!(pointer, Pointer::DoubleClick(_)) {
                    return self.act(Action::Open, context);
                }
            }
        }
        Vec::new()
    }
}
