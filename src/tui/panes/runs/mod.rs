//! Pane 1: which run is best, and why? Table, curves, differences, details; the daemon's sentences say the answer.

mod actions;
mod columns;
mod curves;
mod draw;
mod experiments;
mod export;
mod filter;
mod fold;
mod groups;
mod keys;
mod marks;
mod note;
mod places;
mod pointer;
mod sweep;
mod table;
mod tags;
#[cfg(test)]
mod tests;

use super::{Context, Input, Pane, Target};
use crate::api::protocol::{Snapshot, Topic};
use crate::domain::board::{GroupBy, RunGroups, Sweep};
use crate::domain::deployment::LivePage;
use crate::domain::job::JobsPage;
use crate::domain::metric::Series;
use crate::domain::run::{Comparison, RunDetail, RunQuery, RunRow, RunTable};
use crate::domain::{ExperimentId, RunId};
use crate::tui::effect::Effect;
use crate::tui::keymap::{Action, Binding, foot, key};
use crate::tui::layout::Room;
use crate::tui::text;
use columns::Column;
use curves::{By, EPOCH, Kind, View};
use fold::Unfolded;
use ratatui::buffer::Buffer;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of one page, and how far the cursor goes before another is asked for.
const PAGE: (u64, u64) = (160, 40);
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
    /// Runs that there were when new ones were last shown.
    acknowledged: u64,
    filter: String,
    /// Why the daemon shows nothing for the filter.
    refused: Option<String>,
    /// Which experiment's runs; none: all.
    experiment: Option<ExperimentId>,
    /// The archived ones.
    archived: bool,
    /// What runs are put together by.
    group: Option<GroupBy>,
    groups: Option<RunGroups>,
    /// Parents whose children are shown.
    unfolded: Vec<Unfolded>,
    /// Whether children stand below their parents; none: by the order.
    nest: Option<bool>,
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
    /// The same of a piece: its steps, its curves.
    closer: ((i64, i64), BTreeMap<String, Vec<Series>>),
    /// The runs that `series` were asked for.
    series_of: Vec<RunId>,
    sweep: Option<Sweep>,
    live: Option<LivePage>,
    jobs: Option<JobsPage>,
    wide: bool,
    /// The run that a seventh mark is for.
    seventh: Option<(RunId, String)>,
    /// The note being written.
    noting: Option<note::Noting>,
    /// What a list or a field that is open is about.
    tagging: Option<tags::Tagging>,
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
    foot(Action::Register, "register, tag"),
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
    key(
        Action::PreviousTab,
        "previous tab of the details; in the chart: curves, scatter, parallel axes",
    ),
    key(Action::NextTab, "next tab of the details, or of the chart"),
    key(Action::Back, "back to the table; from groups to runs"),
    key(Action::Reverse, "turn the order round"),
    key(Action::Differences, "differences only, or all rows"),
    key(Action::Experiment, "which experiment, or archived runs"),
    key(Action::Group, "put together by user, parameter, tag"),
    key(
        Action::Window,
        "x axis: step, time, epoch; in the scatter: next parameter",
    ),
    key(Action::Baseline, "champion's line on, off"),
    key(
        Action::ZoomIn,
        "unfold a parent's children, then every run alone; in the chart: closer",
    ),
    key(Action::ZoomOut, "fold children; in the chart: further away"),
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
    key(
        Action::Cancel,
        "cancel a running run, archive an ended one, restore an archived one",
    ),
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
        topics.extend(self.child_topics());
        topics.extend(self.group_topic());
        if (self.wide || self.view.kind != Kind::Curves)
            && let Some(metric) = self.sweep_metric()
        {
            topics.push(Topic::Sweep {
                query: RunQuery {
                    order_by: String::new(),
                    roots: false,
                    ..self.base()
                },
                metric,
            });
        }
        if !runs.is_empty() {
            let epoch = (self.view.by == By::Epoch).then(|| EPOCH.to_owned());
            for key in self.charted().into_iter().chain(epoch) {
                let series = |steps| Topic::Series {
                    runs: runs.clone(),
                    key: key.clone(),
                    buckets: curves::BUCKETS,
                    steps,
                };
                topics.push(series(None));
                topics.extend(self.view.steps().map(|steps| series(Some(steps))));
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
                self.home();
                Vec::new()
            }
            Input::Snapshot(topic, snapshot) => {
                self.take(topic, snapshot, context);
                self.note_again()
            }
            Input::Refused(topic, failure) => {
                match topic {
                    Topic::Compare { .. } => self.comparison = None,
                    Topic::Run { .. } => self.detail = None,
                    Topic::Runs(_) => self.refused = Some(failure.message.clone()),
                    _ => {}
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
            Input::Show(Target::Experiment(name)) => self.show_named(name.as_deref()),
            Input::Reply(note::TAG, result) => self.note_answered(result),
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

    fn typed(&self) -> Option<std::result::Result<String, String>> {
        if let Some(wrong) = self.asked().wrong.or_else(|| self.refused.clone()) {
            return Some(Err(wrong));
        }
        let table = self.table.as_ref()?;
        Some(Ok(format!(
            "{} of {}",
            text::count(table.total),
            text::counted(table.unfiltered, "run", "runs")
        )))
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
            "experiment": self.experiment.as_ref().map(ExperimentId::as_str),
            "archived": self.archived,
            "group": groups::kept(self.group.as_ref()),
            "nest": self.nest,
            "unfolded": self.unfolded.iter().map(|parent| parent.run.as_str()).collect::<Vec<_>>(),
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
        self.experiment = looks["experiment"].as_str().map(ExperimentId::from);
        self.archived = looks["archived"].as_bool().unwrap_or(false);
        self.group = groups::restored(&looks["group"]);
        self.nest = looks["nest"].as_bool();
        self.unfolded = looks["unfolded"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|run| Some(Unfolded::of(RunId::from(run.as_str()?))))
            .collect();
    }
}

impl Runs {
    fn take(&mut self, topic: &Topic, snapshot: &Snapshot, context: &Context) {
        match (topic, snapshot) {
            (
                Topic::Runs(
                    query @ RunQuery {
                        parent: Some(_), ..
                    },
                ),
                Snapshot::Runs(table),
            ) => self.take_children(query, table, context),
            (Topic::Runs(query), Snapshot::Runs(table))
                if *query == self.query() || self.table.is_none() || self.covers(query, table) =>
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
            (
                Topic::Series {
                    key,
                    steps: Some(steps),
                    ..
                },
                Snapshot::Series(series),
            ) if self.view.steps() == Some(*steps) => {
                if self.closer.0 != *steps {
                    self.closer = (*steps, BTreeMap::new());
                }
                self.closer.1.insert(key.clone(), series.clone());
            }
            // a piece that is not looked at any more
            (Topic::Series { steps: Some(_), .. }, _) => {}
            (Topic::Series { key, runs, .. }, Snapshot::Series(series)) => {
                self.series_of.clone_from(runs);
                self.series.insert(key.clone(), series.clone());
                // curves of metrics that are not looked at any more
                let charted = self.charted();
                self.series
                    .retain(|key, _| key == EPOCH || charted.contains(key));
            }
            (Topic::Groups { by, .. }, Snapshot::Groups(groups))
                if Some(by) == self.group.as_ref() =>
            {
                self.groups = Some(groups.clone());
                self.cursor = self.cursor.min(self.count().saturating_sub(1));
                self.selected = self.current().map(|row| row.id.clone());
                self.scroll_to_cursor(context);
            }
            (Topic::Sweep { .. }, Snapshot::Sweep(sweep)) => self.sweep = Some(sweep.clone()),
            (Topic::Live { .. }, Snapshot::Live(page)) => {
                self.live = page.as_deref().cloned();
            }
            (Topic::Jobs, Snapshot::Jobs(page)) => self.jobs = Some(page.clone()),
            _ => {}
        }
    }
}
