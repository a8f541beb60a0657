//! Features: views over datasets, the entities they are about, and the read models of the features pane.

use super::dataset::ColumnKind;
use super::feature_version::ViewPage;
use super::profile::ColumnProfile;
use super::{ModelName, Timestamp, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What a feature is about, and the columns that identify it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Different values (nulls not counted).
    Distinct,
    /// Share of the events (nulls of the column not counted) that have [`WindowSpec::value`]; without a value, of a
    /// column of true and false: of those that are true. Null when there are none.
    Share,
}

impl Aggregate {
    /// All, as messages list them.
    pub const ALL: [Self; 9] = [
        Self::Count,
        Self::Sum,
        Self::Mean,
        Self::Min,
        Self::Max,
        Self::Std,
        Self::Last,
        Self::Distinct,
        Self::Share,
    ];

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
            Self::Distinct => "distinct",
            Self::Share => "share",
        }
    }
}

/// One column aggregated in several ways over several windows.
/// Feature names are `<column>_<aggregate>_<window>` such as `dep_delay_mean_3h`; of a share of one value
/// `<column>_share_<value>_<window>`, where what is neither letter nor digit of the value is `_`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowSpec {
    /// The aggregated column.
    pub column: String,
    /// How.
    pub aggregates: Vec<Aggregate>,
    /// Lengths as written (`3h`) and in microseconds.
    pub over: Vec<(String, i64)>,
    /// Whose share [`Aggregate::Share`] counts, as text: `AA`, `3`, `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

impl WindowSpec {
    /// The features it makes, in order: windows outer, aggregates inner.
    pub fn feature_names(&self) -> Vec<(String, Aggregate, i64)> {
        self.over
            .iter()
            .flat_map(|(text, length)| {
                self.aggregates.iter().map(move |aggregate| {
                    let how = match (aggregate, &self.value) {
                        (Aggregate::Share, Some(value)) => format!("share_{}", plain(value)),
                        _ => aggregate.as_str().to_owned(),
                    };
                    (format!("{}_{how}_{text}", self.column), *aggregate, *length)
                })
            })
            .collect()
    }
}

/// `a b-c` -> `a_b_c`.
fn plain(value: &str) -> String {
    value
        .chars()
        .map(|letter| {
            if letter.is_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect()
}

/// A column computed row by row: a name and an SQL expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Derived {
    /// Its name.
    pub name: String,
    /// As written: `distance / air_time * 60`.
    pub expression: String,
}

/// A value that a caller brings with the request, for on-demand features; in training a column of the rows.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RequestInput {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnKind,
}

/// A group of features with one entity and one source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FeatureView {
    /// Unique. A kept version that is no longer in force is called `name@2`.
    pub name: String,
    /// Of the definition, from 1, as `features apply` counts; 0: not applied yet.
    #[serde(default)]
    pub version: u32,
    /// What for.
    pub description: String,
    /// Whom to ask.
    pub owner: String,
    /// Words to find it by: key to value, the value empty where there is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// About whom.
    pub entity: Entity,
    /// The dataset (files or SQL) it reads; empty where `sql` says it.
    pub dataset: String,
    /// One `select` over datasets by name: the view's rows, where it reads no dataset as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sql: Option<String>,
    /// When the fact was true.
    pub event_time: String,
    /// When it could be known; the event time when absent. Windows and `known_as_of` count by it.
    pub available_at: Option<String>,
    /// Whether a row counts only from `available_at` on (R8), as it does unless this says no: then `available_at` only
    /// decides between rows of one event time. Windows count by it either way (R10).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_as_of: Option<bool>,
    /// Columns computed from the others of a row, before anything else is done; features where `columns` names them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub derive: Vec<Derived>,
    /// Columns taken as they are: the newest row wins, whole.
    pub columns: Vec<String>,
    /// Aggregations over events.
    pub windows: Vec<WindowSpec>,
    /// Computed when they are asked for, from the view's other features and what the request brings; never stored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on_demand: Vec<Derived>,
    /// What requests bring for `on_demand`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request: Vec<RequestInput>,
    /// Older rows do not count; microseconds. None: no limit.
    pub ttl: Option<i64>,
    /// How far behind the watermark a fact may come and still be taken into the online values; microseconds. None: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_lateness: Option<i64>,
}

impl FeatureView {
    /// Every feature of the view, in order: columns, windows, then those on demand.
    pub fn feature_names(&self) -> Vec<String> {
        let mut names = self.stored_names();
        names.extend(self.on_demand.iter().map(|one| one.name.clone()));
        names
    }

    /// The features that are looked up or counted, so all but those on demand: what is materialized.
    pub fn stored_names(&self) -> Vec<String> {
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

    /// The expression of a feature on demand.
    pub fn demanded(&self, feature: &str) -> Option<&Derived> {
        self.on_demand.iter().find(|one| one.name == feature)
    }

    /// What it reads, for messages: the dataset's name, or that it is SQL of its own.
    pub fn source_name(&self) -> String {
        match &self.sql {
            Some(_) => format!("{} (its sql)", self.name),
            None => self.dataset.clone(),
        }
    }
}

/// When what is in a dataset of files became known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The dataset.
    pub dataset: String,
    /// The column with the instant from which a row is there at all; without it rows are there from the start.
    pub rows: Option<String>,
    /// Columns whose value is there from the instant in another (or the same) column on, and is null before.
    pub columns: Vec<(String, String)>,
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
    /// Version of its view's definition in force; 0: not applied yet.
    #[serde(default)]
    pub version: u32,
    /// Whether `trainyard.toml` defines its view otherwise than what is in force: `features apply` takes it.
    #[serde(default)]
    pub differs: bool,
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
    /// Its view's definition: version, history, what `trainyard.toml` would change, lineage.
    #[serde(default)]
    pub definition: ViewPage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_name_their_features_by_column_aggregate_value_and_length() {
        let window = WindowSpec {
            column: "carrier".into(),
            aggregates: vec![Aggregate::Distinct, Aggregate::Share],
            over: vec![("3h".into(), 3), ("1d".into(), 24)],
            value: Some("AA/US".into()),
        };
        let names: Vec<String> = window
            .feature_names()
            .into_iter()
            .map(|(name, _, _)| name)
            .collect();
        assert_eq!(
            names,
            [
                "carrier_distinct_3h",
                "carrier_share_AA_US_3h",
                "carrier_distinct_1d",
                "carrier_share_AA_US_1d"
            ]
        );
    }

    #[test]
    fn a_view_of_an_older_program_is_still_read() {
        let text = r#"{"name":"a","description":"","owner":"","entity":{"name":"e","keys":["k"]},"dataset":"d",
            "event_time":"t","available_at":null,"columns":["x"],"windows":[],"ttl":null}"#;
        let view: Result<FeatureView, _> = serde_json::from_str(text);
        assert!(view.is_ok_and(|view| view.version == 0 && view.feature_names() == ["x"]));
    }
}
