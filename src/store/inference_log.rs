//! Served rows as Parquet, by model and day of serving: `<model>/<day>/<n>_<first>_<last>.parquet`, where first and
//! last are the event times in it (milliseconds), so that a window is found without opening every file. Files are
//! written once (temporary name, fsync, rename). Knows nothing of models: it keeps the columns it is given.

use crate::domain::{Error, ModelName, Result, Timestamp};
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{
    Array, ArrayRef, BooleanArray, PrimitiveArray, RecordBatch, RecordBatchOptions, new_null_array,
};
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        let day = |row: usize| served.value(row).div_euclid(86_400_000_000);
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
        let date = Timestamp(day * 86_400_000)
            .utc()
            .format("%Y-%m-%d")
            .to_string();
        let folder = self.folder(model).join(date);
        std::fs::create_dir_all(&folder)?;
        let events = times(rows, EVENT_TIME)?;
        let first = events.iter().flatten().min().unwrap_or(0);
        let last = events.iter().flatten().max().unwrap_or(0);
        let number = files(&folder)?
            .iter()
            .map(|file| file.number + 1)
            .max()
            .unwrap_or(1);
        let name = format!(
            "{number:06}_{}_{}.parquet",
            first.div_euclid(1000),
            last.div_euclid(1000)
        );
        let path = folder.join(&name);
        let temporary = folder.join(format!(".{name}.tmp"));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .build();
        let named = || -> Result<()> {
            let file = File::create(&temporary)?;
            let mut writer = ArrowWriter::try_new(file, rows.schema(), Some(properties))
                .map_err(|error| unwritten(&path, error))?;
            writer
                .write(rows)
                .map_err(|error| unwritten(&path, error))?;
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
        File::open(&folder)?.sync_all()?;
        Ok(())
    }

    /// The rows of a window in the order they were written; none when there are none. `columns`: only these
    /// (those that a file lacks are null). At most the newest `limit` rows.
    pub fn read(
        &self,
        model: &ModelName,
        window: Window,
        columns: Option<&[String]>,
        limit: Option<usize>,
    ) -> Result<Option<RecordBatch>> {
        let mut batches = Vec::new();
        let mut rows = 0;
        for path in self.paths(model, window)?.iter().rev() {
            let batch = read_file(path, window, columns)?;
            if batch.num_rows() > 0 {
                rows += batch.num_rows();
                batches.push(batch);
            }
            if limit.is_some_and(|limit| rows >= limit) {
                break;
            }
        }
        batches.reverse();
        let Some(all) = stack(&batches)? else {
            return Ok(None);
        };
        Ok(Some(match limit {
            Some(limit) if all.num_rows() > limit => all.slice(all.num_rows() - limit, limit),
            _ => all,
        }))
    }

    /// The files that may hold rows of a window, oldest first.
    fn paths(&self, model: &ModelName, window: Window) -> Result<Vec<PathBuf>> {
        let folder = self.folder(model);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut days = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                days.push(entry.file_name().to_string_lossy().into_owned());
            }
        }
        days.sort();
        if let Window::Served(from, to) = window {
            let first = from.utc().format("%Y-%m-%d").to_string();
            let last = to.utc().format("%Y-%m-%d").to_string();
            days.retain(|day| *day >= first && *day <= last);
        }
        let mut paths = Vec::new();
        for day in days {
            let mut files = files(&folder.join(day))?;
            files.sort_by_key(|file| file.number);
            paths.extend(
                files
                    .into_iter()
                    .filter(|file| match window {
                        Window::Event(from, to) => file.last >= from.0 && file.first < to.0,
                        Window::Served(..) => true,
                    })
                    .map(|file| file.path),
            );
        }
        Ok(paths)
    }
}

struct LogFile {
    path: PathBuf,
    number: u64,
    first: i64,
    last: i64,
}

fn files(folder: &Path) -> Result<Vec<LogFile>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        let Some(stem) = name.strip_suffix(".parquet") else {
            continue;
        };
        let mut parts = stem.split('_');
        if let (Some(Ok(number)), Some(Ok(first)), Some(Ok(last))) = (
            parts.next().map(str::parse),
            parts.next().map(str::parse),
            parts.next().map(str::parse),
        ) {
            files.push(LogFile {
                number,
                first,
                last,
                path,
            });
        }
    }
    Ok(files)
}

fn read_file(path: &Path, window: Window, columns: Option<&[String]>) -> Result<RecordBatch> {
    let file = File::open(path).map_err(|error| damaged(path, error))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| damaged(path, error))?
        .with_batch_size(65_536);
    let time = match window {
        Window::Event(..) => EVENT_TIME,
        Window::Served(..) => AT,
    };
    let builder = match columns {
        Some(columns) => {
            let wanted = columns
                .iter()
                .map(String::as_str)
                .chain(std::iter::once(time));
            let mask = ProjectionMask::columns(builder.parquet_schema(), wanted);
            builder.with_projection(mask)
        }
        None => builder,
    };
    let schema = builder.schema().clone();
    let reader = builder.build().map_err(|error| damaged(path, error))?;
    let (from, to) = match window {
        Window::Event(from, to) | Window::Served(from, to) => {
            (from.0.saturating_mul(1000), to.0.saturating_mul(1000))
        }
    };
    let mut kept = Vec::new();
    for batch in reader {
        let batch = batch.map_err(|error| damaged(path, error))?;
        let inside: BooleanArray = times(&batch, time)?
            .iter()
            .map(|at| Some(at.is_some_and(|at| at >= from && at < to)))
            .collect();
        kept.push(
            arrow_select::filter::filter_record_batch(&batch, &inside)
                .map_err(|error| damaged(path, error))?,
        );
    }
    match stack(&kept)? {
        Some(batch) => Ok(batch),
        None => Ok(RecordBatch::new_empty(schema)),
    }
}

/// Batches under each other: columns by name in order of first appearance, null where a batch lacks one; a column
/// with different types becomes text. None of no batches.
pub fn stack(batches: &[RecordBatch]) -> Result<Option<RecordBatch>> {
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    if batches.len() == 1 {
        return Ok(Some(first.clone()));
    }
    let failed = |error: arrow_schema::ArrowError| {
        Error::internal("putting served rows together").because(error)
    };
    let mut types: Vec<(String, DataType)> = Vec::new();
    for field in batches
        .iter()
        .flat_map(|batch| batch.schema_ref().fields().iter())
    {
        match types.iter_mut().find(|(name, _)| name == field.name()) {
            None => types.push((field.name().clone(), field.data_type().clone())),
            Some((_, kind)) if kind == field.data_type() => {}
            Some((_, kind)) => *kind = DataType::Utf8,
        }
    }
    let mut columns = Vec::with_capacity(types.len());
    for (name, kind) in &types {
        let parts: Vec<ArrayRef> = batches
            .iter()
            .map(|batch| match batch.column_by_name(name) {
                None => Ok(new_null_array(kind, batch.num_rows())),
                Some(column) if column.data_type() == kind => Ok(Arc::clone(column)),
                Some(column) => match crate::data::convert::strings(column) {
                    Ok(texts) => Ok(Arc::new(texts) as ArrayRef),
                    Err(error) => Err(failed(arrow_schema::ArrowError::CastError(error.0))),
                },
            })
            .collect::<Result<_>>()?;
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        columns.push(arrow_select::concat::concat(&parts).map_err(failed)?);
    }
    let fields: Vec<Field> = types
        .into_iter()
        .map(|(name, kind)| Field::new(name, kind, true))
        .collect();
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    RecordBatch::try_new_with_options(
        Arc::new(Schema::new(fields)),
        columns,
        &RecordBatchOptions::new().with_row_count(Some(rows)),
    )
    .map(Some)
    .map_err(failed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow_array::{Float64Array, StringArray};

    fn rows(at: &[i64], event: &[i64], x: ArrayRef) -> RecordBatch {
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
        const DAY: i64 = 86_400_000_000;
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
}
