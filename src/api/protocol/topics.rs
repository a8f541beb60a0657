//! What a client can watch, and the state of each of these as it travels.

use crate::domain::board::{GroupBy, RunGroups, Sweep};
use crate::domain::dataset::{DatasetDetail, DatasetsPage};
use crate::domain::deployment::LivePage;
use crate::domain::drift::{DriftDetail, DriftPage, Reference};
use crate::domain::feature::{FeatureDetail, FeaturesPage};
use crate::domain::host::HostSample;
use crate::domain::job::{JobLog, JobsPage};
use crate::domain::metric::Series;
use crate::domain::registry::{ModelPage, ModelRow, VersionPage};
use crate::domain::run::{Comparison, RunDetail, RunQuery, RunTable};
use crate::domain::{DeploymentName, JobId, ModelName, RunId, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// What a client wants to see.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "topic", rename_all = "snake_case")]
pub enum Topic {
    /// Header: names, badges.
    Overview,
    /// A page of the runs table.
    Runs(RunQuery),
    /// One run.
    Run {
        /// Which.
        run: RunId,
    },
    /// Curves: a metric of some runs, at most `buckets` points each.
    Series {
        /// Which runs.
        runs: Vec<RunId>,
        /// Which metric.
        key: String,
        /// Points at most.
        buckets: u32,
        /// Only steps from the first to the second of these, both included; all when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        steps: Option<(i64, i64)>,
    },
    /// Runs side by side.
    Compare {
        /// Which, at most six.
        runs: Vec<RunId>,
    },
    /// Groups of runs, and whose is best.
    Groups {
        /// Which runs; order and window do not count.
        query: RunQuery,
        /// What they are put together by.
        by: GroupBy,
    },
    /// Parameters of the best runs against a metric.
    Sweep {
        /// Which runs; order and window do not count.
        query: RunQuery,
        /// The metric.
        metric: String,
    },
    /// All registered models.
    Models,
    /// One of them.
    Model {
        /// Which.
        model: ModelName,
    },
    /// One version of one of them.
    Version {
        /// Of which model.
        model: ModelName,
        /// Which.
        version: Version,
    },
    /// All features.
    Features,
    /// One of them.
    Feature {
        /// Its view.
        view: String,
        /// Its name there.
        feature: String,
    },
    /// All datasets.
    Datasets,
    /// One of them: profile, schema, violations, history.
    Dataset {
        /// Which.
        dataset: String,
    },
    /// A monitor's windows and one window's table. `monitor` none: the first; `report` none: the newest.
    Drift {
        /// Which monitor.
        monitor: Option<String>,
        /// Which window's report.
        report: Option<i64>,
        /// Held against this; none: the training of the version that answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        against: Option<Reference>,
    },
    /// One column of one window.
    DriftColumn {
        /// Which window's report.
        report: i64,
        /// Which column.
        column: String,
        /// Held against this; none: the training of the version that answered.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        against: Option<Reference>,
    },
    /// A deployment's live page. `deployment` none: the first.
    Live {
        /// Which.
        deployment: Option<DeploymentName>,
        /// Window in seconds.
        window_s: u64,
    },
    /// Jobs.
    Jobs,
    /// A job's last lines.
    JobLog {
        /// Which.
        job: JobId,
        /// Lines at most.
        lines: u32,
    },
    /// The machine.
    Host,
    /// Recent notices.
    Messages,
}

/// The header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Overview {
    /// The workspace's name: `name` in `trainyard.toml`, or its folder's.
    pub workspace: String,
    /// Absolute path of the workspace.
    pub path: String,
    /// SHA-256 of the certificate, where HTTP speaks TLS: `sha256:…`.
    #[serde(default)]
    pub fingerprint: Option<String>,
    /// Host name.
    pub host: String,
    /// Where HTTP listens: `127.0.0.1:5000`.
    pub http: String,
    /// The daemon's version.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// `production = true` in the configuration.
    pub production: bool,
    /// Columns drifting in the newest window of any monitor.
    pub drifting: u64,
    /// Jobs running.
    pub running: u64,
    /// Jobs waiting.
    pub waiting: u64,
    /// Jobs that failed since the last look at the jobs pane would be private truth: failed in the last hour.
    pub failed: u64,
    /// Whether every deployment is within its limits; none without deployments.
    pub healthy: Option<bool>,
    /// Unacknowledged alerts.
    pub alerts: u64,
    /// Names of pipelines, for the palette and `t`.
    pub pipelines: Vec<String>,
    /// Names of registered models.
    pub models: Vec<ModelName>,
    /// Problems of the configuration since the daemon read it, if it changed and is now wrong.
    pub problems: Vec<String>,
}

/// A line of the message list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// `info`, `warn`, `error`.
    pub level: String,
    /// The text.
    pub text: String,
}

/// The state of a topic, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a message is made once, sent once and taken apart; a box would cost more than it saves"
)]
pub enum Snapshot {
    /// For [`Topic::Overview`].
    Overview(Overview),
    /// For [`Topic::Runs`].
    Runs(RunTable),
    /// For [`Topic::Run`].
    Run(Box<RunDetail>),
    /// For [`Topic::Series`].
    Series(Vec<Series>),
    /// For [`Topic::Compare`].
    Compare(Comparison),
    /// For [`Topic::Groups`].
    Groups(RunGroups),
    /// For [`Topic::Sweep`].
    Sweep(Sweep),
    /// For [`Topic::Models`].
    Models(Vec<ModelRow>),
    /// For [`Topic::Model`].
    Model(Box<ModelPage>),
    /// For [`Topic::Version`].
    Version(Box<VersionPage>),
    /// For [`Topic::Features`].
    Features(FeaturesPage),
    /// For [`Topic::Feature`].
    Feature(Box<FeatureDetail>),
    /// For [`Topic::Datasets`].
    Datasets(DatasetsPage),
    /// For [`Topic::Dataset`].
    Dataset(Box<DatasetDetail>),
    /// For [`Topic::Drift`]; none without monitors.
    Drift(Option<DriftPage>),
    /// For [`Topic::DriftColumn`].
    DriftColumn(Box<DriftDetail>),
    /// For [`Topic::Live`]; none without deployments.
    Live(Option<Box<LivePage>>),
    /// For [`Topic::Jobs`].
    Jobs(JobsPage),
    /// For [`Topic::JobLog`].
    JobLog(JobLog),
    /// For [`Topic::Host`].
    Host(HostSample),
    /// For [`Topic::Messages`]: newest last.
    Messages(Vec<Notice>),
}
