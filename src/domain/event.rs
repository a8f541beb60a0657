//! What just became true. Events are hints: whoever misses one reads the tables.

use super::{DeploymentName, JobId, ModelName, RunId, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// Emitted after the commit that made it true.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Experiments changed.
    ExperimentsChanged,
    /// A run was made, changed or deleted.
    RunChanged {
        /// Which.
        run: RunId,
    },
    /// Points were logged.
    MetricsLogged {
        /// By which run.
        run: RunId,
        /// Keys concerned.
        keys: Vec<String>,
    },
    /// A model, version, tag or gate result changed.
    RegistryChanged {
        /// Which model.
        model: ModelName,
    },
    /// An alias names another version.
    AliasMoved {
        /// Whose.
        model: ModelName,
        /// Which alias.
        alias: String,
        /// Before.
        from: Option<Version>,
        /// Since.
        to: Option<Version>,
        /// Who.
        by: String,
    },
    /// A deployment loaded, swapped or failed.
    DeploymentChanged {
        /// Which.
        deployment: DeploymentName,
    },
    /// Requests were served (throttled to a few a second).
    RequestsServed {
        /// By which.
        deployment: DeploymentName,
    },
    /// A job's row changed.
    JobChanged {
        /// Which.
        job: JobId,
    },
    /// A pipeline's run that had ended goes on.
    PipelineReopened {
        /// Which run.
        run: i64,
    },
    /// Lines were added to a job's output.
    JobLogged {
        /// Which.
        job: JobId,
    },
    /// A monitor has a new report.
    DriftReported {
        /// Which monitor.
        monitor: String,
    },
    /// A feature view changed or was materialized.
    FeaturesChanged {
        /// Which.
        view: String,
    },
    /// A dataset was validated or profiled.
    DatasetChanged {
        /// Which.
        dataset: String,
    },
    /// The machine was measured.
    HostSampled,
    /// An alert was raised, acknowledged or resolved.
    AlertsChanged,
    /// Something a person should read, for the message line.
    Notice {
        /// When.
        at: Timestamp,
        /// `info`, `warn`, `error`.
        level: String,
        /// The text.
        text: String,
    },
}
