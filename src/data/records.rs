//! JSON objects as rows: columns are the union of keys in order of first appearance. Knows no files.

use super::column::{Cell, GrowingColumn};
use super::{Error, Frame, Result};
use crate::domain::dataset::ColumnKind;

/// JSON objects that become rows.
#[derive(Default)]
pub(crate) struct Records {
    names: Vec<String>,
    columns: Vec<GrowingColumn>,
    index: rustc_hash::FxHashMap<String, usize>,
    rows: usize,
}

impl Records {
    /// One more row.
    pub(crate) fn push<'a>(
        &mut self,
        record: impl Iterator<Item = (&'a str, &'a serde_json::Value)>,
    ) -> Result<()> {
        let row = self.rows;
        for (key, value) in record {
            let at = match self.index.get(key) {
                Some(at) => *at,
                None => {
                    let at = self.columns.len();
                    self.index.insert(key.to_owned(), at);
                    self.names.push(key.to_owned());
                    self.columns.push(GrowingColumn::default());
                    at
                }
            };
            let column = &mut self.columns[at];
            if column.cells() > row {
                return Err(Error::new(format!(
                    "row {}: the key `{key}` comes twice",
                    row + 1
                )));
            }
            fill(column, row);
            let cell = cell(value, column.kind()).ok_or_else(|| {
                Error::new(format!(
                    "row {}, column `{key}`: lists and objects are no values",
                    row + 1
                ))
            })?;
            column.push(cell).map_err(|mixed| {
                Error::new(format!(
                    "row {}, column `{key}`: a value of type {} in a column of type {}",
                    row + 1,
                    mixed.came,
                    mixed.held
                ))
            })?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows as a table.
    pub(crate) fn finish(self) -> Result<Frame> {
        let rows = self.rows;
        let mut columns = Vec::with_capacity(self.names.len());
        for (name, mut column) in self.names.into_iter().zip(self.columns) {
            fill(&mut column, rows);
            let array = column
                .finish()
                .map_err(|error| Error::new(format!("column `{name}`: {error}")))?;
            columns.push((name, array));
        }
        Frame::from_columns_of(columns, rows)
    }
}

/// Nulls up to `rows`; they never fail.
fn fill(column: &mut GrowingColumn, rows: usize) {
    while column.cells() < rows && column.push(Cell::Null).is_ok() {}
}

fn cell(value: &serde_json::Value, held: Option<ColumnKind>) -> Option<Cell<'_>> {
    use serde_json::Value;
    Some(match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Cell::Integer(value),
            None => Cell::Number(number.as_f64()?),
        },
        Value::String(text) => match (held, text.as_str()) {
            (Some(ColumnKind::Number | ColumnKind::Integer), "NaN") => Cell::Null,
            (Some(ColumnKind::Number | ColumnKind::Integer), "Infinity") => {
                Cell::Number(f64::INFINITY)
            }
            (Some(ColumnKind::Number | ColumnKind::Integer), "-Infinity") => {
                Cell::Number(f64::NEG_INFINITY)
            }
            (_, text) => Cell::Text(text),
        },
        Value::Array(_) | Value::Object(_) => return None,
    })
}
