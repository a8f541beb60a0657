//! MLflow 3's logged models: a model that a run made, with parameters, tags and metrics of its own,
//! whether or not it is registered.

use super::experiment::Lifecycle;
use super::metric::Metric;
use super::run::Pair;
use super::{ExperimentId, LoggedModelId, RunId, Timestamp};
use serde::{Deserialize, Serialize};

/// Whether its files are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum LoggedModelStatus {
    /// Not said.
    Unspecified,
    /// Files are on their way.
    Pending,
    /// Files are complete.
    Ready,
    /// Files could not be written.
    Failed,
}

impl LoggedModelStatus {
    /// All of them, in the order of their numbers on the wire.
    pub const ALL: [Self; 4] = [Self::Unspecified, Self::Pending, Self::Ready, Self::Failed];

    /// The one with this number on the wire and in MLflow's own store.
    pub fn numbered(number: usize) -> Self {
        Self::ALL.get(number).copied().unwrap_or(Self::Unspecified)
    }

    /// The name in the store.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "UNSPECIFIED",
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
        }
    }
}

/// A metric of a logged model: which run logged it, on which dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelMetric {
    /// The point.
    pub metric: Metric,
    /// Whose metric.
    pub model: LoggedModelId,
    /// Which run measured it.
    pub run: RunId,
    /// Name of the data it was measured on.
    pub dataset_name: Option<String>,
    /// Digest of that data.
    pub dataset_digest: Option<String>,
}

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoggedModel {
    /// `m-` and 32 hexadecimal digits.
    pub id: LoggedModelId,
    /// Where it is filed.
    pub experiment: ExperimentId,
    /// Its name; not unique.
    pub name: String,
    /// `mlflow-artifacts:/<experiment>/models/<id>/artifacts`.
    pub artifact_uri: String,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Whether its files are there.
    pub status: LoggedModelStatus,
    /// Deleted ones are found no more.
    pub lifecycle: Lifecycle,
    /// Free text of its maker: `agent`, `classifier`; empty when not said.
    pub model_type: String,
    /// Which run made it.
    pub source_run: Option<RunId>,
    /// What went wrong.
    pub status_message: Option<String>,
    /// Sorted by key.
    pub tags: Vec<Pair>,
    /// Sorted by key.
    pub params: Vec<Pair>,
    /// All points, by key, time and step.
    pub metrics: Vec<ModelMetric>,
}
