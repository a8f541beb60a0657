//! Features: views over datasets, the entities they are about, and the read models of the features pane.

use super::profile::ColumnProfile;
use super::{ModelName, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// What a feature is about, and the columns that identify it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// `airport`.
    pub name: String,
    /// Key columns in the view's dataset; empty: one row about everything.
    pub keys: Vec<String>,
}

/// An aggregation over the events in a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Aggregate {
    /// Events (nulls of the column not counted).
    Count,
    /// Sum.
    Sum,
    /// Mean.
    Mean,
    /// Smallest.
    Min,
    /// Greatest.
    Max,
    /// Standard deviation, ddof 1.
    Std,
    /// Of the newest event.
    Last,
}

impl Aggregate {
    /// Its name in `trainyard.toml` and in feature names.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Min => "min",
            Self::Max => "max",
            Self::Std => "std",
            Self::Last => "last",
        }
    }
}

/// One column aggregated in several ways over several windows.
/// Feature names are `<column>_<aggregate>_<window>` such as `dep_delay_mean_3h`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSpec {
    /// The aggregated column.
    pub column: String,
    /// How.
    pub aggregates: Vec<Aggregate>,
    /// Lengths as written (`3h`) and in microseconds.
    pub over: Vec<(String, i64)>,
}

impl WindowSpec {
    /// The features it makes, in order: windows outer, aggregates inner.
    pub fn feature_names(&self) -> Vec<(String, Aggregate, i64)> {
        self.over
            .iter()
            .flat_map(|(text, length)| {
                self.aggregates.iter().map(move |aggregate| {
                    (
                        format!("{}_{}_{text}", self.column, aggregate.as_str()),
                        *aggregate,
                        *length,
                    )
                })
            })
            .collect()
    }
}

/// A group of features with one entity and one source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureView {
    /// Unique.
    pub name: String,
    /// What for.
    pub description: String,
    /// Whom to ask.
    pub owner: String,
    /// About whom.
    pub entity: Entity,
    /// The dataset (files or SQL) it reads.
    pub dataset: String,
    /// When the fact was true.
    pub event_time: String,
    /// When it could be known; the event time when absent. Windows and `known_as_of` count by it.
    pub available_at: Option<String>,
    /// Columns taken as they are: the newest row wins, whole.
    pub columns: Vec<String>,
    /// Aggregations over events.
    pub windows: Vec<WindowSpec>,
    /// Older rows do not count; microseconds. None: no limit.
    pub ttl: Option<i64>,
}

impl FeatureView {
    /// Every feature of the view, in order.
    pub fn feature_names(&self) -> Vec<String> {
        self.columns
            .iter()
            .cloned()
            .chain(
                self.windows
                    .iter()
                    .flat_map(|window| window.feature_names().into_iter().map(|(name, _, _)| name)),
            )
            .collect()
    }
}

/// How fresh a feature's online values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Freshness {
    /// Within its time to live.
    Fresh,
    /// Older than its time to live.
    Stale,
    /// Never materialized, or no value.
    Missing,
}

/// A line of the features table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureRow {
    /// Its name.
    pub feature: String,
    /// Its view.
    pub view: String,
    /// How fresh.
    pub freshness: Freshness,
    /// Since its newest source row; milliseconds.
    pub age_ms: Option<i64>,
    /// Share of nulls in the last profile.
    pub null_share: Option<f64>,
    /// Model versions that use it.
    pub used_by: Vec<(ModelName, Version)>,
    /// Whether a monitor sees it drift now.
    pub drifting: bool,
}

/// The features pane.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeaturesPage {
    /// Sorted by view, then in the view's order.
    pub rows: Vec<FeatureRow>,
    /// Views there are.
    pub views: u64,
    /// Features older than their time to live.
    pub late: u64,
    /// Features that drift.
    pub drifting: u64,
}

/// The features pane's detail of one feature.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FeatureDetail {
    /// Its line.
    pub row: FeatureRow,
    /// Its view.
    pub view: FeatureView,
    /// In words: "mean dep_delay of origin over 3h".
    pub meaning: String,
    /// Its profile when last materialized or trained on.
    pub profile: Option<ColumnProfile>,
    /// Newest event time of its source.
    pub event_time: Option<Timestamp>,
    /// Entities with an online value.
    pub online_keys: u64,
    /// Of `checked` entities compared with the offline join, this many were equal.
    pub online_equal: Option<(u64, u64)>,
    /// Online values: key, value, age in milliseconds; at most 50.
    pub values: Vec<(String, String, i64)>,
    /// The shell command that joins it.
    pub join_command: String,
}
