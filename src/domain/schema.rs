//! What is expected of a dataset, and what is not as expected: the words of TFDV's schema and of Deequ's checks.

use super::dataset::ColumnSpec;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is expected of a column. Several may be about one column when all but one say `where`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Name, type, nullability.
    #[serde(flatten)]
    pub column: ColumnSpec,
    /// Smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// Greatest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// All values there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Vec<String>>,
    /// Share of the values that must be in `domain`; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_domain_mass: Option<f64>,
    /// Greatest share of nulls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_null_share: Option<f64>,
    /// No value comes twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unique: bool,
    /// Fewest characters of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_length: Option<u64>,
    /// Most characters of a text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u64>,
    /// The newest instant is at most this old: `36h`, `2d`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age: Option<String>,
    /// No instant lies after now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_future: bool,
    /// Only in these environments; empty: in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_environment: Vec<String>,
    /// In none of these environments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_in_environment: Vec<String>,
    /// Only of the rows for which this SQL expression holds.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// How bad it is when this is not so; none: as the rule says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// What was seen that suggests this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// How many rows there may be.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RowsExpectation {
    /// Fewest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u64>,
    /// Most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<u64>,
    /// What was seen that suggests this.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// Where data comes from or goes to: `training`, `serving`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Environment {
    /// Columns that are not there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// A person's own check: an SQL expression over the columns of a row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// What it is called.
    pub name: String,
    /// True, or null, for every row that is as it should be.
    pub sql: String,
    /// Share of rows for which it must hold; 1: for all.
    #[serde(default = "whole")]
    pub at_least: f64,
    /// Only of the rows for which this SQL expression holds.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
    /// How bad it is when it does not hold.
    #[serde(default = "error")]
    pub severity: Severity,
    /// Only in these environments; empty: in all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub in_environment: Vec<String>,
    /// Why it must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

fn whole() -> f64 {
    1.0
}

fn error() -> Severity {
    Severity::Error
}

/// How a metric of kept days is judged: the strategies of Deequ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub struct HistoryRule {
    /// `rows`, `null_share`, `distinct`, `mean`, `std`, `min` or `max`.
    pub metric: String,
    /// Of this column; none: `rows`, or every column.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// How.
    pub strategy: Strategy,
    /// `relative_change`: new over old is at least this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min_rate: Option<f64>,
    /// `relative_change`: new over old is at most this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_rate: Option<f64>,
    /// `running`, `season`: deviations from what is expected; 3 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deviations: Option<f64>,
    /// `season`: days of a season; 7 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub season: Option<u64>,
    /// How bad it is.
    #[serde(default = "warning")]
    pub severity: Severity,
}

fn warning() -> Severity {
    Severity::Warning
}

/// How a new value is held against the ones before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Against the value before (Deequ's `RelativeRateOfChangeStrategy`).
    RelativeChange,
    /// Against the mean and deviation of all before (Deequ's `OnlineNormalStrategy`).
    Running,
    /// Against the same place of the seasons before.
    Season,
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::RelativeChange => "relative_change",
            Self::Running => "running",
            Self::Season => "season",
        })
    }
}

/// The frozen expectations of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// How bad it is when a feature joined to these rows knows what could not be known in time; an error when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaks: Option<Severity>,
    /// Rows there may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<RowsExpectation>,
    /// In order.
    #[serde(default)]
    pub columns: Vec<Expectation>,
    /// By name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environments: BTreeMap<String, Environment>,
    /// A person's own checks.
    #[serde(default, rename = "rule", skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// How metrics of days are judged; empty: as they come, see `data::history`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryRule>,
}

/// How bad a violation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Nothing may learn from it.
    Error,
}

/// A row that is not as expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRow {
    /// The file, as it was named; empty where the rows come from no file.
    pub file: String,
    /// Its row there, from 1, the header not counted.
    pub row: u64,
    /// What it holds; none: null.
    pub value: Option<String>,
}

/// One thing that is not as expected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Violation {
    /// Column, if it is about one.
    pub column: Option<String>,
    /// `missing_column`, `wrong_type`, `out_of_range`, `not_in_domain`, `too_many_nulls`, `unexpected_column`, …
    pub rule: String,
    /// How bad.
    pub severity: Severity,
    /// In words, with the limit and where it came from.
    pub detail: String,
    /// Rows concerned.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// `count / of`; 0 of none.
    #[serde(default)]
    pub share: f64,
    /// Up to five row numbers, from 1, over all files in their order.
    pub sample_rows: Vec<u64>,
    /// The same rows with their files and values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<SampleRow>,
    /// What was allowed: `at most 0.05`, `0 to 11`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Where the limit came from: `flights.toml`, `frozen at first use`, and what was seen then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_from: Option<String>,
    /// The slice of rows it is about: the SQL expression.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub slice: Option<String>,
}
