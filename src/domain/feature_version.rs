//! Versions of feature views: definitions as they were applied, what a new one would change and whom that concerns, and
//! which model reads which version.

use super::dataset::ColumnKind;
use super::feature::FeatureView;
use super::registry::LineageLine;
use super::{ModelName, RunId, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// A dataset behind a view, as it was defined when the view was applied.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceDataset {
    /// Its name.
    pub name: String,
    /// Its glob, relative to the workspace. Either this or `sql`.
    pub path: Option<String>,
    /// One `select` over datasets by name.
    pub sql: Option<String>,
}

/// A feature and its type; none while its values are all null.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypedFeature {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: Option<ColumnKind>,
}

/// The type's name in definitions and their changes: `int64`, `float64`, `text`, `bool`, `timestamp`; `unknown` for none.
pub fn type_name(kind: Option<ColumnKind>) -> &'static str {
    match kind {
        Some(ColumnKind::Integer) => "int64",
        Some(ColumnKind::Number) => "float64",
        Some(ColumnKind::Text) => "text",
        Some(ColumnKind::Boolean) => "bool",
        Some(ColumnKind::Time) => "timestamp",
        None => "unknown",
    }
}

/// A definition that was applied. Its number is in `view.version`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ViewVersion {
    /// The definition.
    pub view: FeatureView,
    /// Every dataset behind it, in the order in which they are needed, those of files first.
    pub datasets: Vec<SourceDataset>,
    /// Its features with their types, in the view's order.
    pub types: Vec<TypedFeature>,
    /// SHA-256 of what of it decides values, hexadecimal; words about it do not count.
    pub digest: String,
    /// When it was applied.
    pub at: Timestamp,
    /// By whom; `auto`: taken at the daemon's start or when it read the file again.
    pub by: String,
}

impl ViewVersion {
    /// The type of a feature.
    pub fn kind(&self, feature: &str) -> Option<ColumnKind> {
        self.types
            .iter()
            .find(|one| one.name == feature)
            .and_then(|one| one.kind)
    }
}

/// What becomes of a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It is new.
    Added,
    /// Its values change: a new version.
    Changed,
    /// Only words about it change: the version stays.
    Described,
    /// It is gone from the file.
    Removed,
}

impl Change {
    /// The sign in front of it: `+`, `~`, `-`.
    pub fn sign(self) -> char {
        match self {
            Self::Added => '+',
            Self::Changed | Self::Described => '~',
            Self::Removed => '-',
        }
    }
}

/// One field of a definition: what it was and what it will be; none where it is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldChange {
    /// `ttl`, `entity keys`, `feature dep_delay_mean_3h`, `dataset departed`, …
    pub field: String,
    /// Before.
    pub old: Option<String>,
    /// After.
    pub new: Option<String>,
}

/// A model version that reads features of a view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reader {
    /// The model.
    pub model: ModelName,
    /// Its version.
    pub version: Version,
    /// The view's version it was trained on; 0: it was not applied then.
    pub view_version: u32,
    /// Deployments that answer with it now.
    pub deployments: Vec<String>,
}

/// What applying `trainyard.toml` changes of one view.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewChange {
    /// Which.
    pub view: String,
    /// What becomes of it.
    pub change: Change,
    /// The version in force; none: there is none.
    pub from: Option<u32>,
    /// The version that will be in force; none: there will be none.
    pub to: Option<u32>,
    /// Field by field.
    pub fields: Vec<FieldChange>,
    /// Model versions that read it, those that answer requests first.
    pub readers: Vec<Reader>,
    /// Pipelines that join it.
    pub pipelines: Vec<String>,
}

impl ViewChange {
    /// Whether a deployed model reads the version in force, or one from before versions were kept, so that only a person
    /// takes this change.
    pub fn is_held(&self) -> bool {
        matches!(self.change, Change::Changed | Change::Removed)
            && self.readers.iter().any(|reader| {
                !reader.deployments.is_empty()
                    && (reader.view_version == 0 || Some(reader.view_version) == self.from)
            })
    }
}

/// What applying `trainyard.toml` changes, and what hinders it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeaturesDiff {
    /// By view, sorted by name.
    pub changes: Vec<ViewChange>,
    /// Why it cannot be applied: a column that is not there, an expression that fails. Empty: it can.
    pub problems: Vec<String>,
    /// Views that wait for their data: nothing is known of their columns yet, so they are not applied.
    pub waiting: Vec<String>,
    /// Names this diff: [`Self::changes`] hashed. What is applied must be what was shown.
    pub seen: String,
    /// Whether it was applied now.
    pub applied: bool,
}

/// One version in a view's history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryLine {
    /// Its number.
    pub version: u32,
    /// Of its definition, hexadecimal.
    pub digest: String,
    /// When it was applied.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// Everything about a view's definition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ViewPage {
    /// The view in force.
    pub view: FeatureView,
    /// Its features with their types, in the view's order; empty before it is applied.
    pub types: Vec<TypedFeature>,
    /// The definition as `trainyard.toml` says it.
    pub text: String,
    /// Versions that were in force, newest first.
    pub history: Vec<HistoryLine>,
    /// What `features apply` would change; none: nothing.
    pub pending: Option<ViewChange>,
    /// Model versions that read it, those that answer requests first.
    pub readers: Vec<Reader>,
    /// From its data to who answers with it: `dataset`, `view`, `pipeline`, `model`, `deployment`.
    pub lineage: Vec<LineageLine>,
}

/// A feature that a run's model learned from, and the version of its view then.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Pin {
    /// The run.
    pub run: RunId,
    /// What the model calls it: prefix and feature.
    pub input: String,
    /// The view.
    pub view: String,
    /// Its version; 0: it was not applied then.
    pub version: u32,
    /// The feature.
    pub feature: String,
    /// The row columns that found its entity, in the order of the view's keys.
    pub keys: Vec<String>,
}
