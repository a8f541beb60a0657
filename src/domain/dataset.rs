//! Datasets: named files with a schema, and what is wrong with them.

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Whole numbers.
    Integer,
    /// Any numbers.
    Number,
    /// Text.
    Text,
    /// True or false.
    Boolean,
    /// An instant, or a wall clock without zone.
    Time,
}

impl std::fmt::Display for ColumnKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(match self {
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Text => "text",
            Self::Boolean => "boolean",
            Self::Time => "time",
        })
    }
}

/// A column's name and type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnKind,
    /// Whether nulls are expected.
    pub nullable: bool,
}

/// What is expected of a column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Name, type, nullability.
    #[serde(flatten)]
    pub column: ColumnSpec,
    /// Smallest value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
    /// All values there may be.
    pub domain: Option<Vec<String>>,
    /// Greatest share of nulls.
    pub max_null_share: Option<f64>,
}

/// The frozen expectations of a dataset.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Schema {
    /// In order.
    pub columns: Vec<Expectation>,
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
    /// Up to five row numbers, from 1.
    pub sample_rows: Vec<u64>,
}

/// One file of a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileStamp {
    /// Absolute path.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Modification time, milliseconds.
    pub modified: i64,
}

/// Exactly what a job reads: files and their content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The dataset.
    pub dataset: String,
    /// Sorted by path.
    pub files: Vec<FileStamp>,
    /// SHA-256 over the files' hashes: what a run is said to have learned from.
    pub digest: String,
}

/// A dataset as screens list it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetRow {
    /// Its name.
    pub name: String,
    /// The glob or SQL behind it.
    pub source: String,
    /// Files it has.
    pub files: u64,
    /// Bytes they have.
    pub bytes: u64,
    /// Rows, once counted.
    pub rows: Option<u64>,
    /// When its newest file changed.
    pub modified: Option<Timestamp>,
    /// What the last validation found.
    pub violations: Option<u64>,
}
