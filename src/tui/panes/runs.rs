//! Pane 1: which run is best, and why? Table, curves, differences, details; the daemon's sentences say the answer.

mod columns;
mod curves;
mod draw;
#[cfg(test)]
mod tests;

use super::{Answer, Context, Input, Pane, PaneId, Pointer, Target};
use crate::api::protocol::{Command, Snapshot, Topic};
use crate::domain::deployment::LivePage;
use crate::domain::job::JobsPage;
use crate::domain::metric::Series;
use crate::domain::run::{Comparison, RunDetail, RunQuery, RunRow, RunTable};
use crate::domain::{ModelName, RunId, Timestamp};
use crate::tui::dialog::Dialog;
use crate::tui::effect::{Effect, Then};
use crate::tui::export;
use crate::tui::keymap::{Action, Binding, foot, key};
use crate::tui::layout::Room;
use crate::tui::widgets::table::{self, Hit};
use columns::Column;
use curves::{Shown, View};
use ratatui::buffer::Buffer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of one page, and how far the cursor goes before another is asked for.
const PAGE: (u64, u64) = (300, 100);
/// Runs that can be marked: as many as there are colours.
const MARKS: usize = 6;
/// Letters of the marks.
const LETTERS: [&str; MARKS] = ["A", "B", "C", "D", "E", "F"];

/// Parts of the pane, in the order of `Tab`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Table,
    Chart,
    Differences,
    Detail,
}

const PARTS: [Part; 4] = [Part::Table, Part::Chart, Part::Differences, Part::Detail];

/// Tabs of the detail part.
const TABS: [&str; 5] = ["run", "params", "metrics", "tags", "files"];

/// See the module.
#[derive(Default)]
pub struct Runs {
    table: Option<RunTable>,
    /// Rows as shown: order and membership change only when asked for.
    rows: Vec<RunRow>,
    /// Which of the matching rows is the first of `rows`.
    offset: u64,
    /// The query that `rows` answer.
    answered: Option<RunQuery>,
    /// Runs that came since and are not shown.
    fresh: u64,
    filter: String,
    refused: Option<String>,
    /// Chosen column and direction; none: the primary metric, best first.
    sort: Option<(Column, bool)>,
    chosen: Option<Vec<Column>>,
    /// Line under the cursor: the champion's is 0, when there is one.
    cursor: usize,
    top: usize,
    selected: Option<RunId>,
    marks: Vec<(RunId, String)>,
    part: Part,
    zoomed: bool,
    tab: usize,
    scroll: usize,
    all_rows: bool,
    view: View,
    detail: Option<RunDetail>,
    comparison: Option<Comparison>,
    series: BTreeMap<String, Vec<Series>>,
    /// The runs that `series` were asked for.
    series_of: Vec<RunId>,
    live: Option<LivePage>,
    jobs: Option<JobsPage>,
    wide: bool,
    /// The run that a seventh mark is for.
    seventh: Option<(RunId, String)>,
}

const BINDINGS: &[Binding] = &[
    foot(Action::Down, "move"),
    foot(Action::Mark, "mark"),
    foot(Action::Filter, "filter"),
    foot(Action::Sort, "sort"),
    foot(Action::Columns, "columns"),
    foot(Action::Compare, "compare"),
    foot(Action::Promote, "promote"),
    foot(Action::Open, "open"),
    foot(Action::Register, "register"),
    foot(Action::Export, "export"),
    foot(Action::Copy, "copy"),
    foot(Action::Zoom, "zoom"),
    key(Action::Up, "up"),
    key(Action::Top, "first row; shows new runs"),
    key(Action::Bottom, "last row"),
    key(Action::HalfDown, "half a page down"),
    key(Action::HalfUp, "half a page up"),
    key(Action::PageDown, "a page down"),
    key(Action::PageUp, "a page up"),
    key(Action::NextPart, "next part"),
    key(Action::PreviousPart, "previous part"),
    key(Action::Left, "part to the left; in the chart: cursor"),
    key(Action::Right, "part to the right; in the chart: cursor"),
    key(Action::PreviousTab, "previous tab of the details"),
    key(Action::NextTab, "next tab of the details"),
    key(Action::Back, "back to the table"),
    key(Action::Reverse, "turn the order round"),
    key(Action::Differences, "differences only, or all rows"),
    key(Action::Window, "x axis: step or time"),
    key(Action::Baseline, "champion's line on, off"),
    key(Action::ZoomIn, "chart: closer, around the cursor"),
    key(Action::ZoomOut, "chart: further away"),
    key(Action::PanLeft, "chart: to the left"),
    key(Action::PanRight, "chart: to the right"),
    key(Action::Whole, "chart: all of it"),
    key(Action::LogY, "chart: logarithmic y"),
    key(Action::LessSmooth, "chart: less smoothing"),
    key(Action::MoreSmooth, "chart: more smoothing"),
    key(Action::PreviousMetric, "chart: previous metric"),
    key(Action::NextMetric, "chart: next metric"),
    key(Action::ClearMarks, "clear marks"),
    key(Action::Train, "train a pipeline"),
    key(Action::Cancel, "cancel a running run, archive an ended one"),
    key(Action::Note, "write a note"),
];

impl Pane for Runs {
    fn bindings(&self) -> &'static [Binding] {
        BINDINGS
    }

    fn topics(&self) -> Vec<Topic> {
        let mut topics = vec![Topic::Runs(self.query())];
        if let Some(run) = &self.selected {
            topics.push(Topic::Run { run: run.clone() });
        }
        let compared = self.compared();
        if !compared.is_empty() {
            topics.push(Topic::Compare { runs: compared });
        }
        let runs: Vec<RunId> = self.shown().into_iter().map(|run| run.run).collect();
        if !runs.is_empty() {
            for key in self.charted() {
                topics.push(Topic::Series {
                    runs: runs.clone(),
                    key,
                    buckets: curves::BUCKETS,
                });
            }
        }
        if self.wide {
            topics.push(Topic::Live {
                deployment: None,
                window_s: 900,
            });
            topics.push(Topic::Jobs);
        }
        topics
    }

    fn update(&mut self, input: &Input, context: &Context) -> Vec<Effect> {
        self.wide = Room::of(context.area) == Room::Wide;
        match input {
            Input::Act(action) => self.act(*action, context),
            Input::Filter(text) => {
                (*text).clone_into(&mut self.filter);
                self.refused = None;
                (self.cursor, self.top, self.selected) = (0, 0, None);
                Vec::new()
            }
            Input::Snapshot(topic, snapshot) => {
                self.take(topic, snapshot, context);
                Vec::new()
            }
            Input::Refused(topic, failure) => {
                match topic {
                    Topic::Compare { .. } => self.comparison = None,
                    Topic::Run { .. } => self.detail = None,
                    _ => {}
                }
                if matches!(topic, Topic::Runs(_)) {
                    self.refused = Some(failure.message.clone());
                }
                Vec::new()
            }
            Input::Pointer(pointer) => self.point(*pointer, context),
            Input::Answer(tag, answer) => self.answer(tag, answer, context),
            Input::Show(Target::Run(run)) => {
                self.selected = Some(run.clone());
                (self.part, self.zoomed, self.tab) = (Part::Detail, true, 0);
                Vec::new()
            }
            Input::Event(_) | Input::Reply(..) | Input::Show(_) => Vec::new(),
        }
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
        let columns = self
            .chosen
            .as_ref()
            .map(|columns| columns.iter().map(Column::id).collect::<Vec<_>>());
        let marks: Vec<(&str, &str)> = self
            .marks
            .iter()
            .map(|(run, name)| (run.as_str(), name.as_str()))
            .collect();
        json!({
            "filter": self.filter,
            "sort": self.sort.as_ref().map(|(column, down)| json!([column.id(), down])),
            "columns": columns,
            "marks": marks,
            "chart": self.view.remember(),
            "zoomed": self.zoomed && self.part != Part::Detail,
            "part": PARTS.iter().position(|part| *part == self.part),
            "all": self.all_rows,
        })
    }

    fn restore(&mut self, looks: &Value) {
        self.filter = looks["filter"].as_str().unwrap_or_default().to_owned();
        self.sort = looks["sort"][0]
            .as_str()
            .and_then(Column::of)
            .map(|column| (column, looks["sort"][1].as_bool().unwrap_or(true)));
        self.chosen = looks["columns"].as_array().map(|ids| {
            ids.iter()
                .filter_map(|id| id.as_str().and_then(Column::of))
                .collect()
        });
        self.marks = looks["marks"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|mark| Some((RunId::from(mark[0].as_str()?), mark[1].as_str()?.to_owned())))
            .take(MARKS)
            .collect();
        self.view.restore(&looks["chart"]);
        self.zoomed = looks["zoomed"].as_bool().unwrap_or(false);
        self.part = looks["part"]
            .as_u64()
            .and_then(|place| PARTS.get(place as usize).copied())
            .filter(|part| *part != Part::Detail)
            .unwrap_or_default();
        self.all_rows = looks["all"].as_bool().unwrap_or(false);
    }
}

impl Runs {
    fn primary(&self) -> Option<&str> {
        self.table.as_ref()?.primary_metric.as_deref()
    }

    /// The order in force: column, and whether the greatest comes first.
    fn order(&self) -> Option<(Column, bool)> {
        self.sort.clone().or_else(|| {
            let table = self.table.as_ref()?;
            let key = table.primary_metric.clone()?;
            Some((Column::Metric(key), table.greater_is_better))
        })
    }

    fn query(&self) -> RunQuery {
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
            filter: columns::filter(&self.filter, self.table.as_ref()),
            order_by,
            offset: row.saturating_sub(PAGE.1) / PAGE.1 * PAGE.1,
            limit: PAGE.0,
        }
    }

    /// Lines before the rows: the champion's.
    fn lead(&self) -> usize {
        usize::from(
            self.table
                .as_ref()
                .is_some_and(|table| table.champion.is_some()),
        )
    }

    /// Lines of the table.
    fn count(&self) -> usize {
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
    fn line(&self, line: usize) -> Option<&RunRow> {
        let table = self.table.as_ref()?;
        match (line.checked_sub(self.lead()), &table.champion) {
            (None, champion) => champion.as_ref().map(|(row, ..)| row),
            (Some(row), _) => {
                let place = (row as u64).checked_sub(self.offset)?;
                self.rows.get(place as usize)
            }
        }
    }

    fn is_champion(&self, run: &RunId) -> bool {
        self.table
            .as_ref()
            .and_then(|table| table.champion.as_ref())
            .is_some_and(|(row, ..)| row.id == *run)
    }

    fn current(&self) -> Option<&RunRow> {
        self.line(self.cursor)
    }

    /// Runs to compare: the marked ones, or the one under the cursor.
    fn compared(&self) -> Vec<RunId> {
        if self.marks.is_empty() {
            self.selected.iter().cloned().collect()
        } else {
            self.marks.iter().map(|(run, _)| run.clone()).collect()
        }
    }

    /// Runs whose curves are there and drawn: those before until the others' have come.
    fn drawn(&self) -> Vec<Shown> {
        let known = self.series_of.iter().find(|run| !self.is_champion(run));
        self.shown_with(known.or(self.selected.as_ref()))
    }

    /// Runs with a curve, the champion last.
    fn shown(&self) -> Vec<Shown> {
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

    fn name_of(&self, run: &RunId) -> String {
        self.rows
            .iter()
            .find(|row| row.id == *run)
            .map(|row| row.name.clone())
            .or_else(|| {
                self.detail
                    .as_ref()
                    .filter(|detail| detail.run.id == *run)
                    .map(|detail| detail.run.name.clone())
            })
            .unwrap_or_else(|| run.as_str().chars().take(8).collect())
    }

    /// Metrics that have curves, as far as is known.
    fn keys(&self) -> Vec<String> {
        match self
            .detail
            .as_ref()
            .filter(|detail| !detail.curves.is_empty())
        {
            Some(detail) => detail.curves.clone(),
            None => self
                .table
                .as_ref()
                .map(|table| table.metric_keys.clone())
                .unwrap_or_default(),
        }
    }

    /// The metric of the chart.
    fn metric(&self) -> Option<String> {
        let keys = self.keys();
        let asked = self
            .view
            .metric
            .as_deref()
            .filter(|asked| keys.iter().any(|key| key == asked));
        asked
            .or_else(|| {
                self.primary()
                    .filter(|key| keys.iter().any(|known| known == key))
            })
            .map(str::to_owned)
            .or_else(|| keys.first().cloned())
    }

    /// Metrics that are drawn now: one, or three in the grid.
    fn charted(&self) -> Vec<String> {
        let keys = self.keys();
        let Some(first) = self.metric() else {
            return Vec::new();
        };
        let grid = if self.wide && !self.zoomed { 3 } else { 1 };
        let place = keys.iter().position(|key| *key == first).unwrap_or(0);
        (0..keys.len().min(grid))
            .map(|step| keys[(place + step) % keys.len()].clone())
            .collect()
    }

    fn take(&mut self, topic: &Topic, snapshot: &Snapshot, context: &Context) {
        match (topic, snapshot) {
            (Topic::Runs(query), Snapshot::Runs(table))
                if *query == self.query() || self.table.is_none() =>
            {
                self.take_table(query, table, context);
            }
            (Topic::Run { run }, Snapshot::Run(detail)) if Some(run) == self.selected.as_ref() => {
                self.detail = Some((**detail).clone());
            }
            (Topic::Compare { runs }, Snapshot::Compare(comparison))
                if *runs == self.compared() =>
            {
                self.comparison = Some(comparison.clone());
            }
            (Topic::Series { key, runs, .. }, Snapshot::Series(series)) => {
                self.series_of.clone_from(runs);
                self.series.insert(key.clone(), series.clone());
                // curves of metrics that are not looked at any more
                let charted = self.charted();
                self.series.retain(|key, _| charted.contains(key));
            }
            (Topic::Live { .. }, Snapshot::Live(page)) => {
                self.live = page.as_deref().cloned();
            }
            (Topic::Jobs, Snapshot::Jobs(page)) => self.jobs = Some(page.clone()),
            _ => {}
        }
    }

    /// Rows keep their order and the cursor keeps its row while data arrive; new rows are counted.
    fn take_table(&mut self, query: &RunQuery, table: &RunTable, context: &Context) {
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

    fn table_height(&self, context: &Context) -> u16 {
        draw::places(self, context.area)
            .table
            .height
            .saturating_sub(2)
    }

    fn scroll_to_cursor(&mut self, context: &Context) {
        let height = self.table_height(context);
        self.top = table::scrolled(self.cursor, self.top, height, self.count());
    }

    fn go_to(&mut self, line: usize, context: &Context) {
        self.cursor = line.min(self.count().saturating_sub(1));
        let selected = self.current().map(|row| row.id.clone());
        if selected != self.selected {
            self.selected = selected;
            self.scroll = 0;
        }
        self.scroll_to_cursor(context);
    }

    fn act(&mut self, action: Action, context: &Context) -> Vec<Effect> {
        let page = usize::from(self.table_height(context))
            .saturating_sub(2)
            .max(1);
        match action {
            Action::Down
            | Action::Up
            | Action::HalfDown
            | Action::HalfUp
            | Action::PageDown
            | Action::PageUp => {
                let step = match action {
                    Action::Down | Action::Up => 1,
                    Action::HalfDown | Action::HalfUp => (page / 2).max(1),
                    _ => page,
                };
                let down = matches!(action, Action::Down | Action::HalfDown | Action::PageDown);
                if matches!(self.part, Part::Differences | Part::Detail) {
                    self.scroll = if down {
                        self.scroll + step
                    } else {
                        self.scroll.saturating_sub(step)
                    };
                } else {
                    let line = if down {
                        self.cursor + step
                    } else {
                        self.cursor.saturating_sub(step)
                    };
                    self.go_to(line, context);
                }
            }
            Action::Top => {
                self.scroll = 0;
                if self.fresh > 0
                    && let Some(table) = &self.table
                {
                    self.rows.clone_from(&table.rows);
                    self.fresh = 0;
                }
                self.go_to(0, context);
            }
            Action::Bottom => self.go_to(self.count().saturating_sub(1), context),
            Action::NextPart | Action::PreviousPart => self.next_part(action == Action::NextPart),
            Action::Left if self.part != Part::Chart => self.next_part(false),
            Action::Right if self.part != Part::Chart => self.next_part(true),
            Action::PreviousTab => {
                self.tab = (self.tab + TABS.len() - 1) % TABS.len();
                self.scroll = 0;
            }
            Action::NextTab => {
                self.tab = (self.tab + 1) % TABS.len();
                self.scroll = 0;
            }
            Action::Zoom => self.zoomed = !self.zoomed,
            Action::Open => {
                (self.part, self.zoomed, self.scroll) = (Part::Detail, true, 0);
            }
            Action::Back => {
                if self.zoomed {
                    self.zoomed = false;
                    if self.part == Part::Detail {
                        self.part = Part::Table;
                    }
                } else {
                    self.part = Part::Table;
                }
                // a run shown for another pane may be in no row
                if self.current().is_some() {
                    self.selected = self.current().map(|row| row.id.clone());
                }
            }
            Action::Sort | Action::Reverse => self.sort_by(action, context),
            Action::Columns => return vec![self.columns_dialog()],
            Action::Differences => self.all_rows = !self.all_rows,
            Action::Mark => return self.mark(context),
            Action::ClearMarks => self.marks.clear(),
            Action::Compare => {
                (self.part, self.zoomed, self.scroll) = (Part::Differences, true, 0);
            }
            Action::Promote => return self.promote(),
            Action::Register => return self.register(),
            Action::Train => return self.train(context),
            Action::Cancel => return self.cancel(),
            Action::Note => return self.note(),
            Action::Copy => return self.copy(context),
            Action::Export => return self.export(context),
            chart => {
                let places = self.places();
                let keys = self.keys();
                let current = self.metric();
                self.view.act(chart, &places, &keys, current.as_deref());
            }
        }
        Vec::new()
    }

    fn next_part(&mut self, forward: bool) {
        let place = PARTS
            .iter()
            .position(|part| *part == self.part)
            .unwrap_or(0);
        let step = if forward { 1 } else { PARTS.len() - 1 };
        self.part = PARTS[(place + step) % PARTS.len()];
        self.scroll = 0;
    }

    /// The x values of the selected curve, or of the first.
    fn places(&self) -> Vec<f64> {
        let Some(key) = self.metric() else {
            return Vec::new();
        };
        let curves = self.view.curves(&key, &self.series, &self.shown());
        let curve = curves
            .curves
            .iter()
            .find(|curve| curve.selected)
            .or_else(|| curves.curves.first());
        curve
            .map(|curve| curve.points.iter().map(|point| point.x).collect())
            .unwrap_or_default()
    }

    fn sort_by(&mut self, action: Action, context: &Context) {
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
    fn sort_on(&mut self, column: Column) {
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

    fn visible(&self, context: &Context) -> Vec<Column> {
        let width = draw::places(self, context.area).table.width;
        self.table.as_ref().map_or_else(Vec::new, |table| {
            columns::fitting(
                table,
                self.chosen.as_deref(),
                usize::from(width.saturating_sub(2)),
            )
        })
    }

    fn columns_dialog(&self) -> Effect {
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

    fn mark(&mut self, context: &Context) -> Vec<Effect> {
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

    fn promote(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if self.is_champion(&row.id) {
            return vec![Effect::say(format!("{} is the champion already", row.name))];
        }
        let send = |command, then| vec![Effect::Send { command, then }];
        match &row.version {
            Some((model, version)) => send(
                Command::PreviewPromotion {
                    model: model.clone(),
                    version: *version,
                },
                Then::Page { back: false },
            ),
            // registering is harmless: nothing serves it before the page is confirmed
            None => send(
                Command::Register {
                    run: row.id.clone(),
                    model: None,
                },
                Then::Promote,
            ),
        }
    }

    fn register(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if let Some((model, version)) = &row.version {
            return vec![Effect::Go(
                PaneId::Registry,
                Target::Version(model.clone(), *version),
            )];
        }
        let champion = self
            .table
            .as_ref()
            .and_then(|table| table.champion.as_ref());
        vec![Effect::Dialog(Dialog::Prompt {
            tag: "register",
            title: format!("Register {}", row.name),
            lines: vec!["Under which name? Empty: its pipeline's.".to_owned()],
            text: champion.map_or_else(String::new, |(_, model, _)| model.0.clone()),
        })]
    }

    fn train(&self, context: &Context) -> Vec<Effect> {
        let pipelines = context
            .overview
            .map(|overview| overview.pipelines.clone())
            .unwrap_or_default();
        if pipelines.is_empty() {
            return vec![Effect::warn(
                "trainyard.toml has no [pipeline.NAME] to train",
            )];
        }
        vec![Effect::Dialog(Dialog::Choice {
            tag: "train",
            title: "Train which pipeline?".to_owned(),
            items: pipelines
                .into_iter()
                .map(|name| {
                    let command = format!("trainyard train {name}");
                    (name, command)
                })
                .collect(),
            cursor: 0,
        })]
    }

    fn cancel(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        if !row.status.is_ended()
            && let Some(job) = row.job
        {
            return vec![Effect::Dialog(Dialog::Confirm {
                tag: "cancel",
                title: format!("Cancel {}?", row.name),
                lines: vec![
                    format!("Job {job} is told to stop, then killed after a grace."),
                    "What it logged stays; ‹train› in Jobs runs it again.".to_owned(),
                ],
                verb: "Cancel job".to_owned(),
                command: Some(Box::new(Command::CancelJob { job })),
                then: Then::Say(format!("job {job} is told to stop")),
            })];
        }
        let command = |restore| Command::Archive {
            run: row.id.clone(),
            restore,
        };
        vec![Effect::Dialog(Dialog::Confirm {
            tag: "archive",
            title: format!("Archive {}?", row.name),
            lines: vec![
                "It leaves the table; its data stay. ‹undo› restores it for 30 s.".to_owned(),
            ],
            verb: "Archive".to_owned(),
            command: Some(Box::new(command(false))),
            then: Then::Undo {
                say: format!("archived {}", row.name),
                undo: Box::new(command(true)),
            },
        })]
    }

    fn note(&self) -> Vec<Effect> {
        let Some(row) = self.current() else {
            return Vec::new();
        };
        let text = self
            .detail
            .as_ref()
            .filter(|detail| detail.run.id == row.id)
            .and_then(|detail| detail.run.tag("mlflow.note.content"))
            .unwrap_or_default();
        vec![Effect::Dialog(Dialog::Prompt {
            tag: "note",
            title: format!("Note on {}", row.name),
            lines: Vec::new(),
            text: text.to_owned(),
        })]
    }

    /// What `y` offers: name and text.
    fn copies(&self, context: &Context) -> Vec<(String, String)> {
        let (Some(row), Some(table)) = (self.current(), &self.table) else {
            return Vec::new();
        };
        let champion = self.is_champion(&row.id);
        let cell = |column: &Column| {
            let (text, _) = columns::cell(column, row, table, champion, context.now, context.theme);
            text.trim().trim_end_matches('★').trim().to_owned()
        };
        let mut offered = vec![("run id".to_owned(), row.id.0.clone())];
        if let Some((column, _)) = self.order() {
            offered.push((column.name(), cell(&column)));
        }
        let line: Vec<String> = self.visible(context).iter().map(cell).collect();
        offered.push(("row".to_owned(), line.join("\t")));
        offered.push((
            "shell command".to_owned(),
            format!("trainyard runs show {}", row.id),
        ));
        offered
    }

    fn copy(&self, context: &Context) -> Vec<Effect> {
        let items = self.copies(context);
        if items.is_empty() {
            return Vec::new();
        }
        vec![Effect::Dialog(Dialog::Choice {
            tag: "copy",
            title: "Copy what?".to_owned(),
            items,
            cursor: 0,
        })]
    }

    fn export(&self, context: &Context) -> Vec<Effect> {
        let Some(table) = &self.table else {
            return Vec::new();
        };
        let all = self.chosen.clone().unwrap_or_else(|| columns::all(table));
        let mut rows: Vec<Vec<String>> = vec![
            std::iter::once("id".to_owned())
                .chain(all.iter().map(Column::name))
                .collect(),
        ];
        for row in &self.rows {
            let champion = self.is_champion(&row.id);
            let cells = all.iter().map(|column| match column {
                // files get the numbers as they are, not as the screen cuts them
                Column::Metric(key) => row
                    .metrics
                    .get(key)
                    .map_or_else(String::new, |value| value.0.to_string()),
                Column::Param(key) => row.params.get(key).cloned().unwrap_or_default(),
                Column::Age => Timestamp(row.started.0).to_string(),
                Column::Name => row.name.clone(),
                other => columns::cell(other, row, table, champion, context.now, context.theme).0,
            });
            rows.push(std::iter::once(row.id.0.clone()).chain(cells).collect());
        }
        let mut effects = vec![export::csv("runs", &rows)];
        if let Some(key) = self.metric() {
            let chart = self.view.chart(&key, &self.series, &self.shown());
            effects.push(export::chart(&key, chart));
        }
        effects
    }

    fn answer(&mut self, tag: &str, answer: &Answer, context: &Context) -> Vec<Effect> {
        let run = self.current().map(|row| row.id.clone());
        match (tag, answer) {
            ("columns", Answer::Columns(items)) => {
                let chosen = items
                    .iter()
                    .filter(|(_, shown)| *shown)
                    .filter_map(|(id, _)| Column::of(id))
                    .collect();
                self.chosen = Some(chosen);
            }
            ("seventh", Answer::Item(place)) => {
                if let (Some(mark), Some(old)) = (self.seventh.take(), self.marks.get_mut(*place)) {
                    *old = mark;
                }
            }
            ("copy", Answer::Item(place)) => {
                return self
                    .copies(context)
                    .into_iter()
                    .nth(*place)
                    .map(|(what, text)| Effect::Copy { what, text })
                    .into_iter()
                    .collect();
            }
            ("train", Answer::Item(place)) => {
                let pipeline = context
                    .overview
                    .and_then(|overview| overview.pipelines.get(*place));
                if let Some(pipeline) = pipeline {
                    return vec![Effect::Send {
                        command: Command::Train {
                            pipeline: pipeline.clone(),
                            set: Vec::new(),
                            promote: false,
                        },
                        then: Then::Say(format!("training {pipeline}: ‹pane_6› shows the job")),
                    }];
                }
            }
            ("note", Answer::Text(text)) => {
                if let Some(run) = run {
                    return vec![Effect::Send {
                        command: Command::Note {
                            run,
                            text: text.trim().to_owned(),
                        },
                        then: Then::Say("note kept".to_owned()),
                    }];
                }
            }
            ("register", Answer::Text(name)) => {
                if let Some(run) = run {
                    let name = name.trim();
                    return vec![Effect::Send {
                        command: Command::Register {
                            run,
                            model: (!name.is_empty()).then(|| ModelName::from(name)),
                        },
                        then: Then::Registered,
                    }];
                }
            }
            _ => {}
        }
        Vec::new()
    }

    fn point(&mut self, pointer: Pointer, context: &Context) -> Vec<Effect> {
        let places = draw::places(self, context.area);
        let (position, part) = match pointer {
            Pointer::Click(at) | Pointer::DoubleClick(at) | Pointer::Wheel(at, _) => {
                (at, places.at(at))
            }
        };
        let Some(part) = part else {
            return Vec::new();
        };
        match pointer {
            Pointer::Wheel(_, rows) if part == Part::Table || part == Part::Chart => {
                let line = self.cursor.saturating_add_signed(rows as isize);
                self.go_to(line, context);
            }
            Pointer::Wheel(_, rows) => {
                self.scroll = self.scroll.saturating_add_signed(rows as isize);
            }
            Pointer::Click(_) | Pointer::DoubleClick(_) => {
                self.part = part;
                if part == Part::Table {
                    let hit = draw::hit(self, context, position);
                    match hit {
                        Some(Hit::Row(line)) => {
                            self.go_to(line, context);
                            if matches!(pointer, Pointer::DoubleClick(_)) {
                                return self.act(Action::Open, context);
                            }
                        }
                        Some(Hit::Heading(place)) => {
                            // the first heading is the mark's
                            let column = place
                                .checked_sub(1)
                                .and_then(|place| self.visible(context).get(place).cloned());
                            if let Some(column) = column {
                                self.head(column);
                            }
                        }
                        None => {}
                    }
                }
            }
        }
        Vec::new()
    }

    /// A click on a heading: sorts by it, or turns the order round.
    fn head(&mut self, column: Column) {
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
