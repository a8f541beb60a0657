//! Many runs in one look: groups of them and whose is best; a sweep's parameters against a metric.

use super::metric::Number;
use super::run::RunRow;
use super::{RunId, Timestamp};
use serde::{Deserialize, Serialize};

/// What runs are put together by.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", content = "key", rename_all = "snake_case")]
pub enum GroupBy {
    /// Who started them.
    User,
    /// Where they are filed.
    Experiment,
    /// A parameter's value.
    Param(String),
    /// A tag's value.
    Tag(String),
}

/// Runs that have something in common.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunGroup {
    /// What they have in common; none: they lack it.
    pub name: Option<String>,
    /// How many they are.
    pub runs: u64,
    /// How many of them have a finite value of the metric.
    pub judged: u64,
    /// When the newest began.
    pub newest: Timestamp,
    /// The best of them by the metric.
    pub best: Option<RunRow>,
}

/// Groups of runs, the one with the best run first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunGroups {
    /// What they are put together by.
    pub by: GroupBy,
    /// The metric that decides, if one is known.
    pub metric: Option<String>,
    /// The first 200.
    pub groups: Vec<RunGroup>,
    /// How many there are.
    pub total: u64,
    /// Whose is best, and whether that is more than the folds' noise.
    pub sentence: String,
}

/// A run of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepPoint {
    /// Which.
    pub run: RunId,
    /// Its name.
    pub name: String,
    /// Its latest value of the metric: finite.
    pub value: Number,
    /// Its value of each of [`Sweep::params`].
    pub params: Vec<Option<String>>,
}

/// The best runs by a metric, and the parameters in which they differ.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sweep {
    /// The metric.
    pub metric: String,
    /// Whether more of it is better.
    pub greater_is_better: bool,
    /// Parameters of which there are at least two values, most used first, at most 12.
    pub params: Vec<String>,
    /// Best first, at most 500.
    pub points: Vec<SweepPoint>,
    /// How many runs have a finite value.
    pub total: u64,
}
