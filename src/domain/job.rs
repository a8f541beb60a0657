//! Jobs: a row and a folder. What is asked of a worker (`spec.json`), what it says while at work
//! (`events.jsonl`), how it ends (`outcome.json`), and the read models of the jobs pane.

use super::dataset::{Schema, Snapshot};
use super::drift::ColumnDrift;
use super::feature::{FeatureView, Known};
use super::profile::Profile;
use super::trigger::{Cause, Gate};
use super::{JobId, RunId, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// Waits for a slot or for another job.
    Queued,
    /// A worker is at it.
    Running,
    /// Done.
    Succeeded,
    /// Ended with an error.
    Failed,
    /// Stopped on request.
    Cancelled,
    /// The worker vanished without an outcome.
    Lost,
}

impl JobState {
    /// The name on the wire and in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
        }
    }

    /// The state called `name`.
    pub fn parse(name: &str) -> Option<Self> {
        [
            Self::Queued,
            Self::Running,
            Self::Succeeded,
            Self::Failed,
            Self::Cancelled,
            Self::Lost,
        ]
        .into_iter()
        .find(|state| state.as_str() == name)
    }

    /// Nothing more will happen to it by itself.
    pub fn is_ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

/// A dataset, resolved: everything a worker needs to read it without the store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum DataSource {
    /// Files with their content hashes.
    Files(Snapshot),
    /// SQL over other datasets.
    Sql {
        /// The dataset's name.
        name: String,
        /// The statement.
        sql: String,
        /// The datasets that it names.
        from: Vec<DataSource>,
    },
}

impl DataSource {
    /// The dataset's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Files(snapshot) => &snapshot.dataset,
            Self::Sql { name, .. } => name,
        }
    }
}

/// A view, resolved, and how the rows of the pipeline find their entity in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewUse {
    /// The view's definition.
    pub view: FeatureView,
    /// Its dataset.
    pub source: DataSource,
    /// The features taken, by their names in the view.
    pub features: Vec<String>,
    /// Row column for each key of the view's entity, in its order.
    pub keys: Vec<String>,
    /// Put before each feature's name in the joined table, when a view is used in two roles.
    pub prefix: String,
}

/// Rows with features: the input of training, scoring and drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableSpec {
    /// The rows.
    pub rows: DataSource,
    /// The instant as of which features are looked up.
    pub timestamp: Option<String>,
    /// Identifies a row, for labels that come late.
    pub row_key: Option<String>,
    /// Joined to the rows at their instant.
    pub views: Vec<ViewUse>,
    /// Columns that the model sees, after the join; empty: all but target, timestamp, key and times.
    pub inputs: Vec<String>,
    /// What is predicted.
    pub target: Option<String>,
    /// When a row's target can be known, if a column says so.
    pub target_known_at: Option<String>,
    /// Only rows with instant >= this; microseconds.
    pub from: Option<i64>,
    /// Only rows with instant < this; microseconds.
    pub to: Option<i64>,
}

/// Which estimator, and how.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainerSpec {
    /// `logistic`, `boosting`, `random_forest`, `linear`, `elastic_net`, `bayes`, …
    pub kind: String,
    /// Its parameters as written.
    pub params: BTreeMap<String, serde_json::Value>,
}

/// Fit, evaluate, write a model directory.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    /// The pipeline, for names.
    pub pipeline: String,
    /// The run that this job fills.
    pub run: RunId,
    /// What to learn from.
    pub table: TableSpec,
    /// `binary`, `multiclass` or `regression`; none: from the target column.
    #[serde(default)]
    pub task: Option<super::model::Task>,
    /// Which estimator.
    pub trainer: TrainerSpec,
    /// All randomness comes from it.
    pub seed: u64,
    /// Share of the latest (with a timestamp) or of random rows kept out for the gate.
    pub holdout: f64,
    /// The gate's metric: its folds are logged.
    pub metric: Option<String>,
}

/// Both models on the same rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluateSpec {
    /// The pipeline, for names.
    pub pipeline: String,
    /// The rows (a training job's holdout).
    pub table: TableSpec,
    /// As in training, so that the same rows are kept out.
    pub seed: u64,
    /// As in training.
    pub holdout: f64,
    /// Absolute path of the challenger's model directory.
    pub challenger: String,
    /// The champion's, if there is one.
    pub champion: Option<String>,
    /// The same rows with the features that the champion learned from, where it pinned other versions of their views.
    #[serde(default, skip_serializing_if = "ChampionRows::is_same")]
    pub champion_rows: ChampionRows,
    /// What decides.
    pub gate: Gate,
}

/// What a champion is judged on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChampionRows {
    /// The challenger's rows: its views are of the same versions.
    #[default]
    Same,
    /// The same rows with features of the versions that it pinned.
    Own(Box<TableSpec>),
    /// Nothing: those versions cannot be made again, for this reason.
    Gone(String),
}

impl ChampionRows {
    /// It is judged on the challenger's rows.
    pub fn is_same(&self) -> bool {
        *self == Self::Same
    }
}

/// Columns of two sides compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftSpec {
    /// Rows before.
    pub reference: TableSpec,
    /// Rows now.
    pub current: TableSpec,
    /// `auto`, `all`, or one method.
    pub method: String,
    /// `stable` or `evidently`.
    pub preset: String,
}

/// A file scored by a model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PredictSpec {
    /// Absolute path of the model directory.
    pub model: String,
    /// Rows.
    pub input: TableSpec,
    /// Where the scores go: CSV, Parquet or JSON lines by its ending.
    pub output: String,
}

/// Rows with their features written to a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeaturesSpec {
    /// Rows and views.
    pub table: TableSpec,
    /// Where they go.
    pub output: String,
}

/// The newest value of each entity of a view, for the online store.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MaterializeSpec {
    /// The view.
    pub view: FeatureView,
    /// Its dataset.
    pub source: DataSource,
    /// As of this instant; microseconds.
    pub as_of: i64,
    /// Only facts whose event is not before this, microseconds; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The generation that it goes on from; none: everything is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<super::online::Since>,
}

/// A dataset's schema checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ValidateSpec {
    /// The dataset.
    pub source: DataSource,
    /// What is expected; none: infer and report.
    pub schema: Option<Schema>,
    /// Where that comes from, for the violations: a file's name, or `frozen at first use`.
    #[serde(default)]
    pub schema_from: String,
    /// The environment that the data is for.
    #[serde(default)]
    pub environment: Option<String>,
    /// Features to be learned from: whether they know what could not be known in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaks: Option<LeakCheck>,
}

/// Features that are held against what was known at some instants.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LeakCheck {
    /// The views with the features.
    pub views: Vec<ViewUse>,
    /// When the data behind them became known.
    pub known: Vec<Known>,
}

/// A dataset's profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProfileSpec {
    /// The dataset.
    pub source: DataSource,
    /// Only these files, by path: the others' states are kept. None: all.
    #[serde(default)]
    pub only: Option<Vec<String>>,
    /// The column with the instant of a row.
    #[serde(default)]
    pub timestamp: Option<String>,
    /// What the signal is about.
    #[serde(default)]
    pub target: Option<String>,
}

/// An external command, held by a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandSpec {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: String,
    /// Added to the environment.
    pub environment: BTreeMap<String, String>,
    /// Its run.
    pub run: RunId,
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobSpec {
    /// See [`ProfileSpec`].
    Profile(ProfileSpec),
    /// See [`ValidateSpec`].
    Validate(ValidateSpec),
    /// See [`FeaturesSpec`].
    Features(FeaturesSpec),
    /// See [`MaterializeSpec`].
    Materialize(MaterializeSpec),
    /// See [`TrainSpec`].
    Train(TrainSpec),
    /// See [`EvaluateSpec`].
    Evaluate(EvaluateSpec),
    /// See [`DriftSpec`].
    Drift(DriftSpec),
    /// See [`PredictSpec`].
    Predict(PredictSpec),
    /// See [`CommandSpec`].
    Command(CommandSpec),
}

impl JobSpec {
    /// The kind's name.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Profile(_) => "profile",
            Self::Validate(_) => "validate",
            Self::Features(_) => "features",
            Self::Materialize(_) => "materialize",
            Self::Train(_) => "train",
            Self::Evaluate(_) => "evaluate",
            Self::Drift(_) => "drift",
            Self::Predict(_) => "predict",
            Self::Command(_) => "command",
        }
    }

    /// The run that it fills, if it fills one.
    pub fn run(&self) -> Option<&RunId> {
        match self {
            Self::Train(spec) => Some(&spec.run),
            Self::Command(spec) => Some(&spec.run),
            _ => None,
        }
    }
}

/// What a worker appends to `events.jsonl`, one JSON object a line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WorkerEvent {
    /// Share done and what is being done now.
    Progress {
        /// 0 to 1.
        share: f64,
        /// "fold 2 of 3".
        doing: String,
    },
    /// Metric points of the job's run.
    Metrics {
        /// The points.
        points: Vec<super::metric::Metric>,
    },
    /// Parameters of the job's run.
    Params {
        /// Key and value.
        params: Vec<(String, String)>,
    },
    /// Tags of the job's run: where the code came from, on which machine it runs.
    Tags {
        /// Key and value.
        tags: Vec<(String, String)>,
    },
    /// A file of the job's folder that is to be kept among the run's artifacts.
    Artifact {
        /// In the folder.
        file: String,
        /// Among the artifacts.
        path: String,
    },
    /// A line for people.
    Log {
        /// When.
        at: Timestamp,
        /// `info`, `warn`, `error`.
        level: String,
        /// The line.
        text: String,
    },
}

/// How a worker ends: `outcome.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Done.
    Succeeded {
        /// What came out.
        result: JobResult,
    },
    /// An error.
    Failed {
        /// In a line, with the cause.
        error: String,
    },
    /// The work came to its end, and the end is a failure: a command's exit status, or the signal that killed it.
    Ended {
        /// In a line, with the cause.
        error: String,
        /// How.
        result: JobResult,
    },
    /// Stopped on request.
    Cancelled,
}

/// What came out of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobResult {
    /// A profile.
    Profile {
        /// Of the files that were looked at.
        profile: Profile,
        /// The file in the job's folder with the mergeable state of each.
        #[serde(default)]
        states: Option<String>,
    },
    /// What validation found.
    Validate {
        /// Everything that is not as expected.
        violations: Vec<super::dataset::Violation>,
        /// The schema, when none was given.
        inferred: Option<Schema>,
        /// Rows seen.
        rows: u64,
    },
    /// A file with features.
    Features {
        /// Where.
        path: String,
        /// Rows.
        rows: u64,
    },
    /// Newest values, written as `online.rows` in the job's folder.
    Materialize {
        /// Entities.
        rows: u64,
        /// The file.
        path: String,
        /// Newest event time, microseconds.
        watermark: Option<i64>,
        /// Profiles of the features.
        profile: Profile,
        /// What was read.
        #[serde(default)]
        reading: super::online::Reading,
    },
    /// A model directory `model/` in the job's folder.
    Train {
        /// Rows learned from.
        train_rows: u64,
        /// Rows kept out.
        holdout_rows: u64,
        /// First and last instant learned from, microseconds.
        window: Option<(i64, i64)>,
        /// Metrics on the holdout, also in the run.
        metrics: Vec<(String, f64)>,
        /// Files to keep with the run: path in the job's folder, path among the run's artifacts.
        artifacts: Vec<(String, String)>,
        /// Profiles of the inputs and of the predictions on the holdout (`PREDICTION`): the drift reference.
        profile: Profile,
    },
    /// Both models on the same rows.
    Evaluate {
        /// Rows.
        rows: u64,
        /// Challenger's metrics.
        challenger: Vec<(String, f64)>,
        /// Champion's metrics.
        champion: Vec<(String, f64)>,
        /// The gate's metric in blocks of the rows: challenger, champion.
        blocks: Vec<(f64, Option<f64>)>,
        /// Lower bound of the difference, paired bootstrap, 95 %.
        difference_lower: Option<f64>,
        /// Slice (`carrier=HA`), rows, difference of the metric.
        slices: Vec<(String, u64, f64)>,
        /// One-row predictions of the challenger, milliseconds.
        p95_ms: f64,
        /// Champion's.
        champion_p95_ms: Option<f64>,
        /// Inputs that differ: sentences; empty when equal.
        input_changes: Vec<String>,
        /// Share of answers that fall on the other side of the decision.
        flipped: Option<f64>,
        /// Why there is a champion and nothing of it here: its features cannot be made again.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        champion_gone: Option<String>,
    },
    /// Columns compared.
    Drift {
        /// Worst first.
        columns: Vec<ColumnDrift>,
        /// Rows of the reference and now.
        rows: (u64, u64),
    },
    /// A file with scores.
    Predict {
        /// Where.
        path: String,
        /// Rows.
        rows: u64,
    },
    /// A command's end.
    Command {
        /// Exit status; 128 and the signal's number when a signal ended it, as shells say it.
        status: i32,
        /// The signal that ended it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        signal: Option<i32>,
        /// Why that is a failure, in a line; none when it is not.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
}

impl JobResult {
    /// Why the work's end is a failure although it came to its end.
    pub fn failure(&self) -> Option<&str> {
        match self {
            Self::Command { error, .. } => error.as_deref(),
            _ => None,
        }
    }
}

/// A job as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// What it is, in a line: "train brave-otter".
    pub title: String,
    /// Kind of work.
    pub kind: String,
    /// Where it stands.
    pub state: JobState,
    /// From 1.
    pub attempt: u32,
    /// How often it may be tried.
    pub max_attempts: u32,
    /// What started it.
    pub cause: Cause,
    /// Its run.
    pub run: Option<RunId>,
    /// Its pipeline.
    pub pipeline: Option<String>,
    /// Starts after this one succeeded.
    pub after: Option<JobId>,
    /// When it was asked for.
    pub created: Timestamp,
    /// When the worker began.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// The worker's process id, while it runs.
    pub pid: Option<u32>,
    /// Share done, 0 to 1.
    pub progress: Option<f64>,
    /// What is being done now.
    pub doing: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
}

/// A line of the jobs table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobRow {
    /// The job.
    pub job: Job,
    /// Seconds to go, from progress so far.
    pub left_s: Option<f64>,
    /// CPU of its processes, percent of one core.
    pub cpu_percent: Option<f32>,
    /// Memory of its processes, bytes.
    pub memory: Option<u64>,
}

/// The jobs pane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JobsPage {
    /// Running, then waiting, then ended newest first; at most 200.
    pub rows: Vec<JobRow>,
    /// Running.
    pub running: u64,
    /// Waiting.
    pub waiting: u64,
    /// When the daemon started.
    pub daemon_started: Timestamp,
}

/// Lines of a job's output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobLog {
    /// Whose.
    pub job: JobId,
    /// The last lines, oldest first.
    pub lines: Vec<String>,
    /// Lines there are.
    pub total: u64,
}

/// How a pipeline's run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PipelineRunState {
    /// Its id.
    pub run: i64,
    /// The pipeline.
    pub pipeline: String,
    /// `running`, `succeeded`, `held` (by the gate), `failed`, `cancelled`.
    pub state: String,
    /// What it came to, or what it is at, in words: "v2 promoted", "gate: 4 of 5 checks passed: HELD".
    pub detail: String,
    /// Nothing more will happen.
    pub ended: bool,
    /// Its jobs in order.
    pub jobs: Vec<JobId>,
    /// The version that it registered.
    pub version: Option<super::Version>,
}
