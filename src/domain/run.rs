//! Runs: what was tried, with which parameters and data, and what came out; and the
//! read models of the runs pane (`RunTable`, `RunDetail`, `Comparison`).

use super::experiment::Lifecycle;
use super::metric::{Metric, Number};
use super::{ExperimentId, JobId, LoggedModelId, ModelName, RunId, Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// MLflow's run states.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RunStatus {
    /// Going on.
    Running,
    /// Waiting to start.
    Scheduled,
    /// Ended well.
    Finished,
    /// Ended with an error.
    Failed,
    /// Stopped from outside.
    Killed,
}

impl RunStatus {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// The state called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Running,
            Self::Scheduled,
            Self::Finished,
            Self::Failed,
            Self::Killed,
        ]
        .into_iter()
        .find(|status| status.as_str() == name)
    }

    /// Nothing more will be logged by the process that made the run.
    pub fn is_ended(self) -> bool {
        !matches!(self, Self::Running | Self::Scheduled)
    }
}

/// A parameter or a tag.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Unique in its run.
    pub key: String,
    /// Any text.
    pub value: String,
}

/// A dataset that a run read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasetInput {
    /// The dataset's name.
    pub name: String,
    /// Its content: the first 36 characters at most of a SHA-256.
    pub digest: String,
    /// `local`, `code`, …
    pub source_type: String,
    /// JSON that says where the bytes are.
    pub source: String,
    /// JSON: columns and types, if known.
    pub schema: Option<String>,
    /// JSON: rows and the like, if known.
    pub profile: Option<String>,
    /// `training`, `validation`, …
    pub context: Option<String>,
    /// What else was noted about this use of it.
    #[serde(default)]
    pub tags: Vec<Pair>,
}

/// Logged models that a run read and made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunModels {
    /// Those it read.
    pub inputs: Vec<LoggedModelId>,
    /// Those it made, each with the step it was made at.
    pub outputs: Vec<(LoggedModelId, i64)>,
}

/// A run with everything but its history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// 32 hexadecimal digits.
    pub id: RunId,
    /// Where it is filed.
    pub experiment: ExperimentId,
    /// Two words and a number when nobody chose.
    pub name: String,
    /// Who started it.
    pub user: String,
    /// Its state.
    pub status: RunStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Deleted runs refuse changes.
    pub lifecycle: Lifecycle,
    /// `mlflow-artifacts:/<experiment>/<run>/artifacts`.
    pub artifact_uri: String,
    /// Sorted by key.
    pub params: Vec<Pair>,
    /// Sorted by key.
    pub tags: Vec<Pair>,
    /// The latest point of each metric, sorted by key.
    pub metrics: Vec<Metric>,
    /// What it read.
    pub inputs: Vec<DatasetInput>,
    /// Logged models it read and made.
    #[serde(default)]
    pub models: RunModels,
}

impl Run {
    /// The tag called `key`.
    pub fn tag(&self, key: &str) -> Option<&str> {
        self.tags
            .iter()
            .find(|tag| tag.key == key)
            .map(|tag| tag.value.as_str())
    }

    /// The latest value of the metric called `key`.
    pub fn metric(&self, key: &str) -> Option<f64> {
        self.metrics
            .iter()
            .find(|metric| metric.key == key)
            .map(|metric| metric.value)
    }
}

/// Which rows of the runs table are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RunQuery {
    /// All when absent.
    pub experiment: Option<ExperimentId>,
    /// MLflow's search grammar; words without an operator match names and users. Empty: all.
    pub filter: String,
    /// `metrics.roc_auc DESC`, `attributes.start_time`, …; `best`: by the metric that decides, the best first; empty:
    /// newest first.
    pub order_by: String,
    /// Rows to leave out at the top.
    pub offset: u64,
    /// Rows at most.
    pub limit: u64,
    /// The archived ones instead of those in use.
    #[serde(default)]
    pub archived: bool,
    /// Only the children of this run (tag `mlflow.parentRunId`).
    #[serde(default)]
    pub parent: Option<RunId>,
    /// Only runs that are no child of another one in the table.
    #[serde(default)]
    pub roots: bool,
}

/// A row of the runs table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Whose row.
    pub id: RunId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub status: RunStatus,
    /// Share done, while its job says so.
    pub progress: Option<f64>,
    /// Who started it.
    pub user: String,
    /// When it began.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The job behind it.
    pub job: Option<JobId>,
    /// Why it failed, in a line.
    pub failure: Option<String>,
    /// Set while a version of a model came from it.
    pub version: Option<(ModelName, Version)>,
    /// Folds in which it beats the champion, of how many, when both have folds.
    pub folds: Option<(u32, u32)>,
    /// Latest values.
    pub metrics: BTreeMap<String, Number>,
    /// Parameters.
    pub params: BTreeMap<String, String>,
    /// Tags, without those that MLflow and trainyard set themselves.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The run it is a child of.
    #[serde(default)]
    pub parent: Option<RunId>,
    /// How many runs are its children.
    #[serde(default)]
    pub children: u64,
    /// Why its metrics are not comparable with the champion's; none: they are, as far as both say.
    #[serde(default)]
    pub unlike: Option<String>,
}

/// A page of the runs table, and what its header says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunTable {
    /// Experiments there are, for the switcher: id and name.
    pub experiments: Vec<(ExperimentId, String)>,
    /// Runs that match the filter.
    pub total: u64,
    /// Runs without the filter.
    pub unfiltered: u64,
    /// Metric columns there are, most used first.
    pub metric_keys: Vec<String>,
    /// Parameter columns there are, most used first.
    pub param_keys: Vec<String>,
    /// The metric that decides (a pipeline's gate metric), if one is known.
    pub primary_metric: Option<String>,
    /// Whether more of the primary metric is better.
    pub greater_is_better: bool,
    /// The run behind the champion, its model and version.
    pub champion: Option<(RunRow, ModelName, Version)>,
    /// Best value of the primary metric over all matching runs.
    pub best: Option<RunId>,
    /// The rows asked for.
    pub rows: Vec<RunRow>,
    /// Which of the matching rows is the first of `rows`.
    pub offset: u64,
    /// Which run is best, and whether that is more than the folds' noise.
    #[serde(default)]
    pub sentence: String,
    /// How many runs are archived.
    #[serde(default)]
    pub archived: u64,
}

/// Everything about one run that its detail part shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunDetail {
    /// The run.
    pub run: Run,
    /// Its experiment's name.
    pub experiment: String,
    /// Rank of its primary metric among all runs of the experiment, from 1.
    pub rank: Option<(u64, u64)>,
    /// Metric by metric: the champion's value.
    pub champion: BTreeMap<String, Number>,
    /// Parameters that differ from the champion's: key, this run's, the champion's.
    pub changed: Vec<(String, Option<String>, Option<String>)>,
    /// How many parameters equal the champion's.
    pub equal: u64,
    /// Artifact paths with sizes, sorted, at most 200.
    pub artifacts: Vec<(String, u64)>,
    /// Keys of metrics that have more than one point: these have curves.
    pub curves: Vec<String>,
    /// In words: how it stands against the champion.
    pub verdict: String,
    /// The run it is a child of: id and name.
    #[serde(default)]
    pub parent: Option<(RunId, String)>,
    /// How many runs are its children.
    #[serde(default)]
    pub children: u64,
}

/// One row of a comparison: a thing in which the runs may differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// `param`, `metric`, `tag`, `data` or `code`.
    pub kind: String,
    /// Its key.
    pub key: String,
    /// One value per compared run, champion last when it takes part.
    pub values: Vec<Option<String>>,
    /// Whether all are the same.
    pub equal: bool,
}

/// Runs side by side, and what follows from it in words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The runs, in the order asked for.
    pub runs: Vec<(RunId, String)>,
    /// The champion's run, if there is one and it takes part.
    pub champion: Option<RunId>,
    /// The metric that the verdicts are about.
    pub metric: Option<String>,
    /// All rows, those that differ first.
    pub differences: Vec<Difference>,
    /// Sentences such as "A beats champion by 0.0112 in 5 of 5 folds". Runs are named by their letters, A the first.
    pub verdicts: Vec<String>,
}
