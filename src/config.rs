//! `trainyard.toml` -> [`Config`]: every problem reported at once, each with its line and a hint.

use crate::domain::feature::FeatureView;
use crate::domain::job::TrainerSpec;
use crate::domain::trigger::Gate;
use crate::domain::{DeploymentName, ModelName};
use std::collections::BTreeMap;

mod check;
mod parse;
mod read;
mod views;
mod words;

pub use parse::parse;
pub use words::{bytes, closest, duration_ms, instant_us};

/// Everything a person configures, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    /// Shown in the header; the folder's name when absent.
    pub name: Option<String>,
    /// Red header, host name in every dialog.
    pub production: bool,
    /// `server.listen`; none: 127.0.0.1:5000, or a free port when that is taken.
    pub listen: Option<String>,
    /// `server.hosts`: names by which clients call this server, beside its address and `localhost`.
    pub hosts: Vec<String>,
    /// `server.tls`; none: plain on a loopback address, the workspace's own certificate elsewhere.
    pub tls: Option<TlsConfig>,
    /// `server.behind_proxy`: a proxy in front does TLS; every caller needs a token.
    pub behind_proxy: bool,
    /// `server.open_loopback`: callers from this machine need no token although there are tokens.
    pub open_loopback: bool,
    /// `runtime.jobs`: jobs at once.
    pub jobs: usize,
    /// `runtime.memory`: bytes that a join of files may hold; none: a share of the machine's.
    pub memory: Option<u64>,
    /// `[dataset.NAME]`.
    pub datasets: Vec<DatasetConfig>,
    /// `[feature_view.NAME]`, as the file says them; which definition is in force, the catalog knows.
    pub views: Vec<FeatureView>,
    /// Where the parts of views stand: `feature_view.NAME`, `feature_view.NAME.on_demand.x` to a line.
    pub lines: BTreeMap<String, usize>,
    /// `[pipeline.NAME]`.
    pub pipelines: Vec<PipelineConfig>,
    /// `[deployment.NAME]`.
    pub deployments: Vec<DeploymentConfig>,
    /// `[monitor.NAME]`.
    pub monitors: Vec<MonitorConfig>,
    /// `[[trigger]]`.
    pub triggers: Vec<TriggerConfig>,
    /// `[keys]`: action to keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// `chart`: `auto`, `braille`, `sextant`, `block`, `ascii`.
    pub chart: Option<String>,
    /// `theme`: `auto`, `dark`, `light`, `mono`, or a file.
    pub theme: Option<String>,
    /// `mouse = false` turns it off.
    pub mouse: bool,
}

/// `server.tls`: which certificate HTTP shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlsConfig {
    /// `true`: the workspace's own, made once and self-signed.
    Own,
    /// `{ cert = "…", key = "…" }`: PEM files, relative to the workspace.
    Files {
        /// The certificate, and those that lead to its authority.
        cert: String,
        /// Its private key.
        key: String,
    },
}

/// A dataset: files, or SQL over other datasets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DatasetConfig {
    /// Unique.
    pub name: String,
    /// Glob, relative to the workspace. Either this or `sql`.
    pub path: Option<String>,
    /// One `select` over datasets by name.
    pub sql: Option<String>,
    /// The instant of a row: its event time.
    pub timestamp: Option<String>,
    /// When a row could be known.
    pub available_at: Option<String>,
    /// Columns whose value could be known only from the instant in another column on: the column, and that other.
    pub known: Vec<(String, String)>,
    /// A schema file, relative to the workspace; none: inferred and frozen on first use.
    pub schema: Option<String>,
    /// Line of its table in the file, for messages.
    pub line: usize,
}

/// A feature taken into a pipeline: `view:feature` or `view:*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeatureUse {
    /// The view.
    pub view: String,
    /// Its feature; none: all of them.
    pub feature: Option<String>,
    /// Row columns for the view's keys, in their order; empty: the same names.
    pub keys: Vec<String>,
    /// Put before the feature names.
    pub prefix: String,
}

/// A pipeline: rows, features, target, trainer, gate.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineConfig {
    /// Unique.
    pub name: String,
    /// Where its rows come from.
    pub dataset: String,
    /// What is predicted.
    pub target: String,
    /// `binary`, `multiclass`, `regression`; none: from the target column.
    pub task: Option<String>,
    /// Identifies a row, so that labels find it later.
    pub row_key: Option<String>,
    /// When a row's target is known.
    pub target_known_at: Option<String>,
    /// Features joined as of the dataset's timestamp.
    pub features: Vec<FeatureUse>,
    /// Columns the model sees; empty: all but target, timestamp, row key and times.
    pub inputs: Vec<String>,
    /// Columns it must not see.
    pub exclude: Vec<String>,
    /// The estimator.
    pub trainer: TrainerSpec,
    /// What a new version must show.
    pub gate: Gate,
    /// Share kept out for the gate (the latest rows when there is a timestamp).
    pub holdout: f64,
    /// All randomness comes from it.
    pub seed: u64,
    /// Rows from this instant, microseconds.
    pub from: Option<i64>,
    /// Rows before this instant, microseconds.
    pub to: Option<i64>,
    /// Only the newest rows: this many microseconds before the newest.
    pub window: Option<i64>,
    /// The registered model's name; the pipeline's when absent.
    pub model: ModelName,
    /// The experiment's name; the pipeline's when absent.
    pub experiment: String,
    /// Tries per job.
    pub attempts: u32,
    /// Line of its table in the file.
    pub line: usize,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct DeploymentConfig {
    /// What callers name.
    pub name: DeploymentName,
    /// The model.
    pub model: ModelName,
    /// Which version answers.
    pub alias: String,
    /// Limits of the live pane: share of failed requests in percent.
    pub max_error_percent: f64,
    /// 95th percentile of latency.
    pub max_p95_ms: f64,
    /// Score of the prediction's drift.
    pub max_drift: f64,
}

/// A monitor.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorConfig {
    /// Unique.
    pub name: String,
    /// What it watches.
    pub deployment: DeploymentName,
    /// How often, milliseconds; none: on request.
    pub every: Option<i64>,
    /// The window it looks back, milliseconds.
    pub window: i64,
    /// Test name to threshold; empty: by type, preset `stable`.
    pub tests: BTreeMap<String, f64>,
    /// Where labels come from.
    pub labels: Option<LabelsConfig>,
    /// Alert when the metric falls below (or rises above) this.
    pub metric: Option<(String, f64)>,
}

/// Where labels of served rows come from.
#[derive(Clone, Debug, PartialEq)]
pub struct LabelsConfig {
    /// The dataset.
    pub dataset: String,
    /// Column with the request's row key.
    pub key: String,
    /// Column with the label.
    pub column: String,
    /// Column with the instant at which the label is known.
    pub known_at: Option<String>,
}

/// Why a pipeline starts by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TriggerConfig {
    /// Which pipeline.
    pub pipeline: String,
    /// Why.
    pub on: TriggerOn,
}

/// The kinds of triggers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TriggerOn {
    /// Files of the pipeline's dataset settled for this long, milliseconds.
    File {
        /// How long.
        debounce: i64,
    },
    /// A period, milliseconds.
    Schedule {
        /// How long.
        every: i64,
    },
    /// A monitor saw drift.
    Drift {
        /// Which monitor.
        monitor: String,
    },
    /// A monitor's metric left its band.
    Metric {
        /// Which monitor.
        monitor: String,
    },
}

/// Something wrong in `trainyard.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl Config {
    /// The dataset called `name`.
    pub fn dataset(&self, name: &str) -> Option<&DatasetConfig> {
        self.datasets.iter().find(|dataset| dataset.name == name)
    }

    /// The view called `name`.
    pub fn view(&self, name: &str) -> Option<&FeatureView> {
        self.views.iter().find(|view| view.name == name)
    }

    /// The pipeline called `name`.
    pub fn pipeline(&self, name: &str) -> Option<&PipelineConfig> {
        self.pipelines.iter().find(|pipeline| pipeline.name == name)
    }

    /// The pipeline that makes versions of `model`.
    pub fn pipeline_of(&self, model: &ModelName) -> Option<&PipelineConfig> {
        self.pipelines
            .iter()
            .find(|pipeline| pipeline.model == *model)
    }

    /// The monitor called `name`.
    pub fn monitor(&self, name: &str) -> Option<&MonitorConfig> {
        self.monitors.iter().find(|monitor| monitor.name == name)
    }

    /// Reads the file at `path`: what of it is understood, and every problem in it, in order of lines.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &std::path::Path) -> crate::domain::Result<(Self, Vec<Problem>)> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            crate::domain::Error::from(error).context(format!("reading `{}`", path.display()))
        })?;
        Ok(parse::read(&text))
    }
}

impl Problem {
    /// `trainyard.toml:12:3: what is wrong; what to do`.
    pub fn sentence(&self, file: &str) -> String {
        let mut text = format!("{file}:{}:{}: {}", self.line, self.column, self.message);
        if !self.hint.is_empty() {
            text.push_str("; ");
            text.push_str(&self.hint);
        }
        text
    }
}
