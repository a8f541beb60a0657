//! Experiments: what runs are filed under.

use super::{ExperimentId, Timestamp};
use serde::{Deserialize, Serialize};

/// MLflow's two lifecycle stages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Lifecycle {
    /// In use.
    #[default]
    Active,
    /// Deleted, and restorable.
    Deleted,
}

/// A named group of runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Experiment {
    /// Decimal, as text.
    pub id: ExperimentId,
    /// Unique, also among the deleted.
    pub name: String,
    /// `mlflow-artifacts:/<id>` unless the creator chose otherwise.
    pub artifact_location: String,
    /// Deleted experiments keep their name.
    pub lifecycle: Lifecycle,
    /// When it was made.
    pub created: Timestamp,
    /// When it last changed.
    pub updated: Timestamp,
    /// Sorted by key.
    pub tags: Vec<(String, String)>,
}
