//! Served rows as Parquet, by model and day of serving: `<model>/<day>/<n>_<first>_<last>.parquet`, where first and
//! last are the event times in it (milliseconds), so that a window is found without opening every file. Files are
//! written once (temporary name, fsync, rename) and later merged (`<n>-<m>_…`). Knows nothing of models: it keeps the
//! columns it is given.

mod columns;
mod files;
mod merge;
mod read;

pub use columns::stack;
pub use merge::Merged;
pub use read::Requests;

use crate::domain::{Error, ModelName, Result, Timestamp};
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, PrimitiveArray, RecordBatch};
use arrow_schema::{DataType, SchemaRef, TimeUnit};
use files::LogFile;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::{Path, PathBuf};

/// When a row was served; microseconds, UTC.
pub const AT: &str = "__at";
/// When what the row is about happened: the caller's instant, or [`AT`]; microseconds, UTC.
pub const EVENT_TIME: &str = "__event_time";
/// The request's id.
pub const REQUEST: &str = "__request";
/// The caller's row key.
pub const ROW_KEY: &str = "__row_key";
/// Which version answered.
pub const VERSION: &str = "__version";
/// The deployment's (or model's) name that was called.
pub const DEPLOYMENT: &str = "__deployment";
/// Milliseconds that the row's request took.
pub const MS: &str = "__ms";
/// Number, probability of the positive class, or index of the likeliest class.
pub const PREDICTION: &str = "__prediction";
/// Before the number of a class of a multi-class model: its probability.
pub const PROBABILITY: &str = "__probability_";

/// Rows of a row group: what a reader of a narrow window decodes too much, and what a merge holds in memory.
const GROUP_ROWS: usize = 16_384;
/// The length of a day, microseconds.
const DAY: i64 = 86_400_000_000;

/// The log's folder.
#[derive(Clone, Debug)]
pub struct InferenceLog {
    root: PathBuf,
}

/// Which rows are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// By [`EVENT_TIME`]: from (inclusive), to (exclusive).
    Event(Timestamp, Timestamp),
    /// By [`AT`]: from (inclusive), to (exclusive).
    Served(Timestamp, Timestamp),
}

impl Window {
    /// The column that decides, and its bounds in microseconds.
    fn bounds(self) -> (&'static str, i64, i64) {
        let (column, from, to) = match self {
            Self::Event(from, to) => (EVENT_TIME, from, to),
            Self::Served(from, to) => (AT, from, to),
        };
        (
            column,
            from.0.saturating_mul(1000),
            to.0.saturating_mul(1000),
        )
    }
}

fn damaged(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::internal(format!(
        "the log of served rows `{}` cannot be read: {error}",
        path.display()
    ))
}

fn unwritten(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::internal(format!("writing `{}`: {error}", path.display()))
}

/// The type of [`AT`] and [`EVENT_TIME`].
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

fn times(batch: &RecordBatch, name: &str) -> Result<PrimitiveArray<TimestampMicrosecondType>> {
    batch
        .column_by_name(name)
        .and_then(|column| {
            column
                .as_any()
                .downcast_ref::<PrimitiveArray<TimestampMicrosecondType>>()
                .cloned()
        })
        .ok_or_else(|| Error::internal(format!("served rows have no time column `{name}`")))
}

impl InferenceLog {
    /// The log in `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    fn folder(&self, model: &ModelName) -> PathBuf {
        self.root.join(model.as_str())
    }

    /// Adds rows of a model: one file for each day of serving in them.
    pub fn append(&self, model: &ModelName, rows: &RecordBatch) -> Result<()> {
        let served = times(rows, AT)?;
        let day = |row: usize| served.value(row).div_euclid(DAY);
        let mut start = 0;
        while start < rows.num_rows() {
            let mut end = start + 1;
            while end < rows.num_rows() && day(end) == day(start) {
                end += 1;
            }
            self.append_day(model, day(start), &rows.slice(start, end - start))?;
            start = end;
        }
        Ok(())
    }

    fn append_day(&self, model: &ModelName, day: i64, rows: &RecordBatch) -> Result<()> {
        let folder = self.folder(model).join(date(day));
        std::fs::create_dir_all(&folder)?;
        let events = times(rows, EVENT_TIME)?;
        let first = events.iter().flatten().min().unwrap_or(0);
        let last = events.iter().flatten().max().unwrap_or(0);
        let number = files::of_day(&folder)?
            .0
            .iter()
            .map(|file| file.numbers.1 + 1)
            .max()
            .unwrap_or(1);
        let name = LogFile::name(
            (number, number),
            (first.div_euclid(1000), last.div_euclid(1000)),
        );
        write(
            &folder,
            &name,
            &rows.schema(),
            std::iter::once(Ok(rows.clone())),
        )
    }
}

/// The name of a day's folder. `day`: days since 1970 UTC.
fn date(day: i64) -> String {
    Timestamp(day * DAY / 1000)
        .utc()
        .format("%Y-%m-%d")
        .to_string()
}

/// Writes a file whole or not at all: temporary name, fsync, rename.
fn write(
    folder: &Path,
    name: &str,
    schema: &SchemaRef,
    rows: impl Iterator<Item = Result<RecordBatch>>,
) -> Result<()> {
    let path = folder.join(name);
    let temporary = folder.join(format!(".{name}.tmp"));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .build();
    let named = || -> Result<()> {
        let file = File::create(&temporary)?;
        let mut writer = ArrowWriter::try_new(file, schema.clone(), Some(properties))
            .map_err(|error| unwritten(&path, error))?;
        for batch in rows {
            writer
                .write(&batch?)
                .map_err(|error| unwritten(&path, error))?;
        }
        let file = writer
            .into_inner()
            .map_err(|error| unwritten(&path, error))?;
        file.sync_all()?;
        Ok(std::fs::rename(&temporary, &path)?)
    };
    if let Err(error) = named() {
        // the first error is the one to tell; a full disk gets its bytes back
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    File::open(folder)?.sync_all()?;
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow_array::{ArrayRef, Float64Array, StringArray};
    use std::sync::Arc;

    /// The column `x` as text, null as nothing.
    pub(in crate::store::inference_log) fn values(rows: &RecordBatch) -> Vec<String> {
        let x = rows.column_by_name("x").unwrap();
        let texts = crate::data::convert::strings(x).unwrap();
        texts
            .iter()
            .map(|text| text.unwrap_or("").to_owned())
            .collect()
    }

    /// Rows served at these instants about those (microseconds).
    pub(in crate::store::inference_log) fn rows(
        at: &[i64],
        event: &[i64],
        x: ArrayRef,
    ) -> RecordBatch {
        let time = |values: &[i64]| -> ArrayRef {
            Arc::new(
                PrimitiveArray::<TimestampMicrosecondType>::from(values.to_vec())
                    .with_timezone("UTC"),
            )
        };
        RecordBatch::try_from_iter_with_nullable([
            ("x", x, true),
            (AT, time(at), true),
            (EVENT_TIME, time(event), true),
        ])
        .unwrap()
    }

    #[test]
    fn rows_come_back_by_event_time_and_by_serving_time() {
        let folder = tempfile::tempdir().unwrap();
        let log = InferenceLog::new(folder.path().to_owned());
        let model = ModelName::from("delay");
        let numbers = Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]));
        log.append(
            &model,
            &rows(&[10, 20, DAY + 5], &[1_000, 5_000, 9_000], numbers),
        )
        .unwrap();
        let text = Arc::new(StringArray::from(vec!["four"]));
        log.append(&model, &rows(&[DAY + 9], &[-3_000], text))
            .unwrap();

        let window = Window::Event(Timestamp(-5), Timestamp(9));
        let found = log.read(&model, window, None, None).unwrap().unwrap();
        assert_eq!(found.num_rows(), 3);
        assert_eq!(found.column(0).data_type(), &DataType::Utf8);

        let window = Window::Served(Timestamp(DAY / 1000), Timestamp(2 * DAY / 1000));
        let found = log
            .read(&model, window, Some(&["x".into()]), Some(1))
            .unwrap()
            .unwrap();
        assert_eq!((found.num_rows(), found.num_columns()), (1, 2));
        let none = log.read(&ModelName::from("other"), window, None, None);
        assert!(none.unwrap().is_none());
    }

    fn asked(requests: &[(&str, &str, i64)]) -> RecordBatch {
        let column = |values: Vec<&str>| -> ArrayRef { Arc::new(StringArray::from(values)) };
        let at: Vec<i64> = requests.iter().map(|one| one.2 * 1000).collect();
        let mut columns: Vec<(String, ArrayRef)> = vec![
            (
                REQUEST.into(),
                column(requests.iter().map(|one| one.0).collect()),
            ),
            (
                DEPLOYMENT.into(),
                column(requests.iter().map(|one| one.1).collect()),
            ),
        ];
        let x = Arc::new(Float64Array::from_iter_values(
            (0..requests.len()).map(|row| row as f64),
        ));
        let base = rows(&at, &at, x);
        for (index, field) in base.schema().fields().iter().enumerate() {
            columns.push((field.name().clone(), Arc::clone(base.column(index))));
        }
        RecordBatch::try_from_iter(columns).unwrap()
    }

    #[test]
    fn the_newest_requests_come_by_their_first_rows_and_any_with_all_of_its_rows() {
        let folder = tempfile::tempdir().unwrap();
        let log = InferenceLog::new(folder.path().to_owned());
        let model = ModelName::from("delay");
        for rows in [
            &[("a", "blue", 1), ("b", "green", 2)][..],
            &[("c", "blue", 3), ("c", "blue", 3), ("d", "blue", 4)],
            &[("e", "blue", 9)],
        ] {
            log.append(&model, &asked(rows)).unwrap();
        }
        let newest = |limit| {
            let found = log.newest(&model, "blue", Timestamp(9), limit).unwrap();
            let found = found.unwrap();
            let ids = found.first.column_by_name(REQUEST).unwrap();
            let ids = crate::data::convert::strings(ids).unwrap();
            let ids: Vec<String> = ids.iter().flatten().map(str::to_owned).collect();
            (ids.concat(), found.rows)
        };
        assert_eq!(newest(10), ("acd".to_owned(), vec![1, 2, 1]));
        assert_eq!(newest(2), ("cd".to_owned(), vec![2, 1]));
        let none = log.newest(&model, "red", Timestamp(9), 3).unwrap();
        assert!(none.is_none());
        let found = log.request(&model, "c").unwrap().unwrap();
        assert_eq!(values(&found), ["0", "1"]);
        assert!(log.request(&model, "z").unwrap().is_none());
    }
}
