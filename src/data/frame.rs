//! Typed columns in memory: one Arrow record batch with the accesses that models and statistics need.

use super::{Error, Result};
use crate::domain::dataset::ColumnKind;
use arrow_array::{ArrayRef, RecordBatch};

/// A table. Times are microseconds since 1970 UTC, whatever the file had.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The columns.
    pub batch: RecordBatch,
}

impl Frame {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Column names in order.
    pub fn names(&self) -> Vec<String> {
        self.batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }

    /// A table from named columns of equal length.
    pub fn from_columns(columns: Vec<(String, ArrayRef)>) -> Result<Self> {
        let _ = columns;
        Err(Error::new("not there yet"))
    }

    /// The column called `name`.
    pub fn column(&self, name: &str) -> Result<&ArrayRef> {
        let _ = name;
        Err(Error::new("not there yet"))
    }

    /// Its type.
    pub fn kind(&self, name: &str) -> Result<ColumnKind> {
        let _ = name;
        Err(Error::new("not there yet"))
    }

    /// A column as numbers; null is NaN; booleans are 0 and 1; times are microseconds.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let _ = name;
        Err(Error::new("not there yet"))
    }

    /// A column as text; numbers are written as people write them (3, not 3.0).
    pub fn texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        let _ = name;
        Err(Error::new("not there yet"))
    }

    /// A time column (or integers taken as microseconds).
    pub fn times(&self, name: &str) -> Result<Vec<Option<i64>>> {
        let _ = name;
        Err(Error::new("not there yet"))
    }

    /// These columns, in this order.
    pub fn select(&self, names: &[String]) -> Result<Self> {
        let _ = names;
        Err(Error::new("not there yet"))
    }

    /// These rows, in this order.
    pub fn take(&self, rows: &[u32]) -> Result<Self> {
        let _ = rows;
        Err(Error::new("not there yet"))
    }

    /// With one more column, or a column replaced.
    pub fn with(&self, name: &str, column: ArrayRef) -> Result<Self> {
        let _ = (name, column);
        Err(Error::new("not there yet"))
    }

    /// One under the other; columns by name, types widened where they must.
    pub fn concat(frames: &[Frame]) -> Result<Self> {
        let _ = frames;
        Err(Error::new("not there yet"))
    }

    /// JSON objects as rows. Columns are the union of keys in order of first appearance.
    pub fn from_records(records: &[serde_json::Map<String, serde_json::Value>]) -> Result<Self> {
        let _ = records;
        Err(Error::new("not there yet"))
    }

    /// Writes CSV, Parquet or JSON lines by the path's ending: temporary name, fsync, rename.
    pub fn write(&self, path: &std::path::Path) -> Result<()> {
        let _ = path;
        Err(Error::new("not there yet"))
    }
}
