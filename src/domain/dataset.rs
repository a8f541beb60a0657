//! Datasets: named files with a schema, and what is wrong with them.

use super::Timestamp;
use super::profile::Profile;
pub use super::schema::{
    Environment, Expectation, HistoryRule, RowsExpectation, Rule, SampleRow, Schema, Severity,
    Strategy, Violation,
};
use serde::{Deserialize, Serialize};

/// What a column holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Whole numbers.
    Integer,
    /// Any numbers.
    Number,
    /// Text.
    #[default]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ColumnSpec {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnKind,
    /// Whether nulls are expected.
    #[serde(default)]
    pub nullable: bool,
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
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Columns, once looked at.
    #[serde(default)]
    pub columns: Option<u64>,
    /// When its newest file changed.
    pub modified: Option<Timestamp>,
    /// The newest instant of its timestamp column, microseconds, once profiled.
    #[serde(default)]
    pub newest: Option<i64>,
    /// The digest of the snapshot that was profiled or validated last.
    #[serde(default)]
    pub digest: Option<String>,
    /// What its profile warns of.
    #[serde(default)]
    pub warnings: Option<u64>,
    /// What the last validation found, and what its history says.
    pub violations: Option<u64>,
    /// Those of them that nothing may learn from.
    #[serde(default)]
    pub errors: Option<u64>,
    /// When it was validated last.
    #[serde(default)]
    pub checked: Option<Timestamp>,
    /// When it was profiled last.
    #[serde(default)]
    pub profiled: Option<Timestamp>,
    /// Files that came or changed since it was profiled.
    #[serde(default)]
    pub unprofiled: u64,
}

/// All datasets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatasetsPage {
    /// In the configuration's order.
    pub rows: Vec<DatasetRow>,
}

/// A dataset, whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DatasetDetail {
    /// Its line of the table.
    pub row: DatasetRow,
    /// The column with the instant of a row.
    pub timestamp: Option<String>,
    /// Its profile; none before it was profiled.
    pub profile: Option<Profile>,
    /// What is expected of it; none before its first use.
    pub schema: Option<Schema>,
    /// Where that comes from: the schema's file, or `frozen at first use`.
    pub schema_from: String,
    /// What the last validation found, worst first.
    pub violations: Vec<Violation>,
    /// What is odd in the history of its days, newest first.
    pub anomalies: Vec<Violation>,
    /// Its days, oldest first; at most 366.
    pub days: Vec<Day>,
}

/// A day of a dataset: what its files of that day hold. A file's day is that of its newest instant, or of its last
/// change where the dataset has no timestamp.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Day {
    /// `2013-01-31`.
    pub day: String,
    /// Files.
    pub files: u64,
    /// Rows.
    pub rows: u64,
    /// In order.
    pub columns: Vec<ColumnDay>,
}

/// A column on a day.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ColumnDay {
    /// Its name.
    pub name: String,
    /// Share of nulls.
    pub null_share: f64,
    /// Different values.
    pub distinct: u64,
    /// Mean of the finite numbers.
    pub mean: Option<f64>,
    /// Their standard deviation.
    pub std: Option<f64>,
    /// The smallest.
    pub min: Option<f64>,
    /// The greatest.
    pub max: Option<f64>,
}
