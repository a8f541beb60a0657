//! Rows that come by themselves and not in a file: JSON checked against the columns of a dataset, value by value; and the files (segments) that hold such rows. A wrong
//! one is refused with its row and column, and everything that came with it.

use super::column::{Cell, GrowingColumn};
use super::frame::quoted;
use super::segment::{self, Segment};
use super::write::Writer;
use super::{Error, Frame, Result, instant, source, stamps};
use crate::domain::dataset::{ColumnKind, FileStamp, Snapshot};
use arrow_schema::DataType;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// Rows that are held at a time.
const PIECE: usize = 65_536;

/// A column that rows must fit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnKind,
    /// Whether its times are instants in UTC, else a wall clock's.
    pub zoned: bool,
}

/// A dataset's files, those that somebody gave before those that were pushed.
pub fn joined(given: Snapshot, pushed: Snapshot) -> Snapshot {
    if pushed.files.is_empty() {
        return given;
    }
    let mut files = given.files;
    files.extend(pushed.files);
    let mut digest = Sha256::new();
    for file in &files {
        for part in parts(file) {
            digest.update(part.as_bytes());
        }
    }
    let digest = digest.finalize();
    Snapshot {
        dataset: given.dataset,
        files,
        digest: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    }
}

/// What the content of a file is known by: its hash, or those of the segments that were put together in it, so that a
/// dataset is the same before and after.
fn parts(file: &FileStamp) -> Vec<String> {
    let path = Path::new(&file.path);
    let is_whole =
        segment::is_segment(path) && Segment::of(path).is_some_and(|one| one.width() > 1);
    let known = is_whole
        .then(|| std::fs::read(path.with_extension("parts")).ok())
        .flatten()
        .and_then(|bytes| serde_json::from_slice::<Vec<String>>(&bytes).ok());
    known.unwrap_or_else(|| vec![file.sha256.clone()])
}

/// Writes beside the segment `path`, which need not be there yet, what the segments are known by that are put together in
/// it: under a temporary name, synchronised, renamed.
pub fn write_parts(path: &Path, segments: &[PathBuf]) -> Result<()> {
    let known = stamps::of("", segments.to_vec(), &[])?;
    let known: Vec<String> = known.files.iter().flat_map(parts).collect();
    let named = path.with_extension("parts");
    let temporary = path.with_extension("parts.tmp");
    let write = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(&known)?)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &named)
    };
    write().map_err(|error| Error::new(format!("writing `{}`: {error}", named.display())))
}

/// Writes the rows of segments of the same columns, one after the other, as one: a piece at a time, under a temporary name,
/// synchronised, renamed.
pub fn put_together(segments: &[PathBuf], path: &Path) -> Result<()> {
    let mut writer: Option<Writer> = None;
    for frame in source::scan(segments, None, PIECE)? {
        let frame = frame?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(Writer::create(path, &frame)?),
        };
        writer.write(&frame)?;
    }
    match writer {
        Some(writer) => writer.finish(),
        None => Err(Error::new(format!(
            "there are no rows for `{}`",
            path.display()
        ))),
    }
}

/// Whether a file has the size and the time that it had when it was stamped.
pub fn is_unchanged(stamp: &FileStamp) -> bool {
    let Ok(metadata) = std::fs::metadata(&stamp.path) else {
        return false;
    };
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .and_then(|since| i64::try_from(since.as_millis()).ok());
    metadata.len() == stamp.bytes && modified == Some(stamp.modified)
}

/// The columns that a file has. Its rows are not kept; of Parquet its footer is read, and of text every row, which decides
/// the types.
pub fn columns_of(path: &Path) -> Result<Vec<PushColumn>> {
    let scan = source::scan(&[path.to_owned()], None, PIECE)?;
    let columns = scan.columns().into_iter().zip(scan.types());
    Ok(columns
        .map(|((name, kind), held)| PushColumn {
            name,
            kind,
            zoned: matches!(held, DataType::Timestamp(_, Some(_))),
        })
        .collect())
}

/// Columns of values (`{"column": [value, …]}`) as a table with exactly `columns`; those that did not come are null.
/// Fails on a column that is not there, on lists of unequal length and on a value of another type.
pub fn check(came: &BTreeMap<String, Vec<Value>>, columns: &[PushColumn]) -> Result<Frame> {
    let rows = came.values().map(Vec::len).max().unwrap_or(0);
    for (name, values) in came {
        if !columns.iter().any(|column| column.name == *name) {
            let known: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
            return Err(Error::new(format!(
                "there is no column `{name}`; the columns are {}",
                quoted(&known)
            )));
        }
        if values.len() != rows {
            return Err(Error::new(format!(
                "column `{name}` has {} values where others have {rows}",
                values.len()
            )));
        }
    }
    let mut made = Vec::with_capacity(columns.len());
    for column in columns {
        let mut growing = GrowingColumn::of(column.kind, column.zoned);
        let values = came.get(&column.name);
        for row in 0..rows {
            let value = values.map_or(&Value::Null, |values| &values[row]);
            push(&mut growing, value, column, row)?;
        }
        made.push((column.name.clone(), finish(growing, column)?));
    }
    Frame::from_columns_of(made, rows)
}

/// The same of rows (`{"column": value, …}`), as [`Frame::to_records`] writes them.
pub fn from_records(records: &[Map<String, Value>], columns: &[PushColumn]) -> Result<Frame> {
    let mut made = Vec::with_capacity(columns.len());
    for column in columns {
        let mut growing = GrowingColumn::of(column.kind, column.zoned);
        for (row, record) in records.iter().enumerate() {
            let value = record.get(&column.name).unwrap_or(&Value::Null);
            push(&mut growing, value, column, row)?;
        }
        made.push((column.name.clone(), finish(growing, column)?));
    }
    Frame::from_columns_of(made, records.len())
}

fn finish(growing: GrowingColumn, column: &PushColumn) -> Result<arrow_array::ArrayRef> {
    growing
        .finish()
        .map_err(|error| Error::new(format!("column `{}`: {error}", column.name)))
}

fn push(growing: &mut GrowingColumn, value: &Value, column: &PushColumn, row: usize) -> Result<()> {
    let cell = cell(value, column.kind).ok_or_else(|| {
        let expected = match column.kind {
            ColumnKind::Integer => "a whole number",
            ColumnKind::Number => "a number",
            ColumnKind::Text => "text",
            ColumnKind::Boolean => "true or false",
            ColumnKind::Time => "a time such as 2013-01-31T12:05:00Z",
        };
        let shown: String = value.to_string().chars().take(60).collect();
        Error::new(format!(
            "row {}, column `{}`: `{shown}` is not {expected}",
            row + 1,
            column.name
        ))
    })?;
    growing.push(cell).map_err(|mixed| {
        Error::new(format!(
            "row {}, column `{}`: a value of type {} in a column of type {}",
            row + 1,
            column.name,
            mixed.came,
            mixed.held
        ))
    })
}

fn cell(value: &Value, kind: ColumnKind) -> Option<Cell<'_>> {
    Some(match (value, kind) {
        (Value::Null, _) => Cell::Null,
        (Value::Bool(value), ColumnKind::Boolean) => Cell::Boolean(*value),
        (Value::Number(number), ColumnKind::Integer) => match number.as_i64() {
            Some(value) => Cell::Integer(value),
            // what a table of numbers with nulls makes of whole numbers
            None => {
                let value = number.as_f64()?;
                let fits = value.trunc() == value && value.abs() < 9_007_199_254_740_992.0;
                fits.then_some(Cell::Integer(value as i64))?
            }
        },
        (Value::Number(number), ColumnKind::Number) => Cell::Number(number.as_f64()?),
        (Value::String(text), ColumnKind::Number) => match text.as_str() {
            "NaN" => Cell::Null,
            "Infinity" => Cell::Number(f64::INFINITY),
            "-Infinity" => Cell::Number(f64::NEG_INFINITY),
            _ => return None,
        },
        (Value::String(text), ColumnKind::Text) => Cell::Text(text),
        (Value::String(text), ColumnKind::Time) => Cell::Time(instant::parse(text)?.0),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use serde_json::json;

    fn columns() -> Vec<PushColumn> {
        let column = |name: &str, kind| PushColumn {
            name: name.into(),
            kind,
            zoned: kind == ColumnKind::Time,
        };
        vec![
            column("who", ColumnKind::Text),
            column("at", ColumnKind::Time),
            column("n", ColumnKind::Integer),
            column("x", ColumnKind::Number),
            column("b", ColumnKind::Boolean),
        ]
    }

    fn checked(came: Value) -> Result<Frame> {
        let came: BTreeMap<String, Vec<Value>> = serde_json::from_value(came).unwrap();
        check(&came, &columns())
    }

    #[test]
    fn rows_take_the_types_of_the_dataset_and_come_back_from_their_text() {
        let frame = checked(json!({
            "who": ["a", null], "at": ["2013-01-01 12:30:00+02:00", "2013-01-01T00:00:00Z"],
            "n": [3.0, -1], "x": [1, "Infinity"],
        }))
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        frame.write(&path).unwrap();
        let mut written = columns();
        // there is no value in it
        written[4].kind = ColumnKind::Number;
        assert_eq!(columns_of(&path).unwrap(), written);
        assert_eq!(
            frame.texts("at").unwrap()[0].as_deref(),
            Some("2013-01-01T10:30:00Z")
        );
        assert_eq!(frame.texts("b").unwrap(), [None, None]);
        let finite = checked(
            json!({"who": ["a", "ü\n"], "at": ["1969-12-31T23:59:59.000001Z", null], "x": [0.1, null]}),
        );
        let finite = finite.unwrap();
        assert_eq!(
            from_records(&finite.to_records(), &columns()).unwrap(),
            finite
        );
    }

    #[test]
    fn a_wrong_value_is_named_with_row_and_column() {
        let said = |came| checked(came).unwrap_err().0;
        assert!(said(json!({"n": [1, 1.5]})).contains("row 2, column `n`: `1.5`"));
        assert!(said(json!({"x": ["1"]})).contains("row 1, column `x`"));
        assert!(said(json!({"at": ["soon"]})).contains("`\"soon\"` is not a time"));
        assert!(said(json!({"who": [1]})).contains("text"));
        assert!(said(json!({"b": [[1]]})).contains("row 1, column `b`"));
        assert!(said(json!({"y": [1]})).contains("`y`"));
        assert!(said(json!({"n": [1], "x": [1, 2]})).contains("1 values where others have 2"));
    }
}
