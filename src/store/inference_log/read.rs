//! Finding rows again: by window, by request, and the newest requests. Works through one file at a time, the newest
//! first, so that what is not wanted is not held.

use super::files::{self, LogFile};
use super::{AT, DEPLOYMENT, InferenceLog, REQUEST, Window, columns, damaged, times};
use crate::domain::{Error, ErrorKind, ModelName, Result, Timestamp};
use arrow_array::cast::AsArray as _;
use arrow_array::{Array, BooleanArray, RecordBatch, StringArray};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReaderBuilder, RowSelection};
use parquet::file::statistics::Statistics;
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// Rows decoded at once.
const BATCH: usize = 8_192;
/// How often a reading begins anew because a merge took a file away.
const ATTEMPTS: usize = 3;
/// Files that are looked through for the newest requests at most.
const LOOKED_THROUGH: usize = 500;

pub(super) type Builder = ParquetRecordBatchReaderBuilder<File>;

/// Requests by their first rows.
#[derive(Clone, Debug)]
pub struct Requests {
    /// The first row of each, oldest first, with all columns.
    pub first: RecordBatch,
    /// How many rows each has.
    pub rows: Vec<u32>,
}

impl InferenceLog {
    /// The rows of a window in the order they were written; none when there are none. `columns`: only these
    /// (those that a file lacks are null). At most the newest `limit` rows.
    pub fn read(
        &self,
        model: &ModelName,
        window: Window,
        columns: Option<&[String]>,
        limit: Option<usize>,
    ) -> Result<Option<RecordBatch>> {
        again(|| {
            let mut batches = Vec::new();
            let mut rows = 0;
            for file in self.files(model, window)?.iter().rev() {
                let batch = read_window(&file.path, window, columns)?;
                if batch.num_rows() > 0 {
                    rows += batch.num_rows();
                    batches.push(batch);
                }
                if limit.is_some_and(|limit| rows >= limit) {
                    break;
                }
            }
            batches.reverse();
            let Some(all) = columns::stack(&batches)? else {
                return Ok(None);
            };
            Ok(Some(match limit {
                Some(limit) if all.num_rows() > limit => all.slice(all.num_rows() - limit, limit),
                _ => all,
            }))
        })
    }

    /// The newest `limit` requests to `deployment` that were served before an instant; none when there are none.
    pub fn newest(
        &self,
        model: &ModelName,
        deployment: &str,
        before: Timestamp,
        limit: usize,
    ) -> Result<Option<Requests>> {
        let window = Window::Served(Timestamp(0), before);
        again(|| {
            let mut found = Vec::new();
            let mut rows: Vec<Vec<u32>> = Vec::new();
            let mut missing = limit;
            for file in self.files(model, window)?.iter().rev().take(LOOKED_THROUGH) {
                if missing == 0 {
                    break;
                }
                let mut requests = requests_in(&file.path, before)?;
                requests.retain(|one| one.deployment == deployment);
                requests.drain(..requests.len().saturating_sub(missing));
                if requests.is_empty() {
                    continue;
                }
                missing -= requests.len();
                let first = requests
                    .iter()
                    .map(|one| one.rows.start..one.rows.start + 1);
                found.push(read_rows(&file.path, first)?);
                rows.push(requests.iter().map(|one| counted(&one.rows)).collect());
            }
            found.reverse();
            rows.reverse();
            Ok(columns::stack(&found)?.map(|first| Requests {
                first,
                rows: rows.concat(),
            }))
        })
    }

    /// The rows of a request with all columns; none of one that is not in the log.
    pub fn request(&self, model: &ModelName, id: &str) -> Result<Option<RecordBatch>> {
        let all = Window::Served(Timestamp(0), Timestamp(i64::MAX));
        again(|| {
            for file in self.files(model, all)?.iter().rev() {
                let requests = requests_in(&file.path, Timestamp(i64::MAX))?;
                if let Some(one) = requests.into_iter().rfind(|one| one.id == id) {
                    return read_rows(&file.path, std::iter::once(one.rows)).map(Some);
                }
            }
            Ok(None)
        })
    }

    /// The files that may hold rows of a window, oldest first.
    fn files(&self, model: &ModelName, window: Window) -> Result<Vec<LogFile>> {
        let mut days = self.days(model)?;
        if let Window::Served(from, to) = window {
            let name = |at: Timestamp| super::date(at.0.div_euclid(super::DAY / 1000));
            if from.0 > 0 {
                days.retain(|(day, _)| *day >= name(from));
            }
            if to.0 < i64::MAX {
                days.retain(|(day, _)| *day <= name(to));
            }
        }
        let mut all = Vec::new();
        for (_, folder) in days {
            let files = files::of_day(&folder)?.0;
            all.extend(files.into_iter().filter(|file| file.may_hold(window)));
        }
        Ok(all)
    }

    /// The days of a model and their folders, oldest first.
    pub(super) fn days(&self, model: &ModelName) -> Result<Vec<(String, PathBuf)>> {
        let folder = self.folder(model);
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let mut days = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                days.push((
                    entry.file_name().to_string_lossy().into_owned(),
                    entry.path(),
                ));
            }
        }
        days.sort();
        Ok(days)
    }
}

/// A merge may take files away between the listing and the reading: then what they held is in another one by now.
fn again<T>(look: impl Fn() -> Result<T>) -> Result<T> {
    for _ in 1..ATTEMPTS {
        match look() {
            Err(error) if error.kind == ErrorKind::NotFound => {}
            outcome => return outcome,
        }
    }
    look()
}

/// Opens a file of the log.
pub(super) fn open(path: &Path) -> Result<Builder> {
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::not_found(format!(
            "the log of served rows has lost `{}`",
            path.display()
        )),
        _ => damaged(path, error),
    })?;
    Ok(ParquetRecordBatchReaderBuilder::try_new(file)
        .map_err(|error| damaged(path, error))?
        .with_batch_size(BATCH))
}

fn only(builder: Builder, columns: &[&str]) -> Builder {
    let mask = ProjectionMask::columns(builder.parquet_schema(), columns.iter().copied());
    builder.with_projection(mask)
}

fn read_window(path: &Path, window: Window, columns: Option<&[String]>) -> Result<RecordBatch> {
    let (time, from, to) = window.bounds();
    let builder = open(path)?;
    let groups = groups(&builder, time, from, to);
    let builder = builder.with_row_groups(groups);
    let builder = match columns {
        Some(columns) => {
            let mut wanted: Vec<&str> = columns.iter().map(String::as_str).collect();
            wanted.push(time);
            only(builder, &wanted)
        }
        None => builder,
    };
    let schema = builder.schema().clone();
    let reader = builder.build().map_err(|error| damaged(path, error))?;
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
    match columns::stack(&kept)? {
        Some(batch) => Ok(batch),
        None => Ok(RecordBatch::new_empty(schema)),
    }
}

/// The row groups whose instants may lie in [from, to): all of which that is not known.
fn groups(builder: &Builder, time: &str, from: i64, to: i64) -> Vec<usize> {
    let metadata = builder.metadata();
    let place = builder
        .parquet_schema()
        .columns()
        .iter()
        .position(|column| column.name() == time);
    (0..metadata.num_row_groups())
        .filter(|group| {
            let statistics = place
                .and_then(|place| metadata.row_group(*group).columns().get(place))
                .and_then(|column| column.statistics());
            let Some(Statistics::Int64(known)) = statistics else {
                return true;
            };
            known.max_opt().is_none_or(|last| *last >= from)
                && known.min_opt().is_none_or(|first| *first < to)
        })
        .collect()
}

/// A request's place in a file.
struct Place {
    id: String,
    deployment: String,
    rows: Range<usize>,
}

/// The requests in a file that were served before an instant, in its order. A request's rows lie together.
fn requests_in(path: &Path, before: Timestamp) -> Result<Vec<Place>> {
    let reader = only(open(path)?, &[REQUEST, DEPLOYMENT, AT])
        .build()
        .map_err(|error| damaged(path, error))?;
    let before = before.0.saturating_mul(1000);
    let mut requests: Vec<Place> = Vec::new();
    let mut start = 0;
    for batch in reader {
        let batch = batch.map_err(|error| damaged(path, error))?;
        let (ids, deployments) = (texts(&batch, REQUEST)?, texts(&batch, DEPLOYMENT)?);
        let at = times(&batch, AT)?;
        for row in 0..batch.num_rows() {
            if ids.is_null(row) || deployments.is_null(row) || at.is_null(row) {
                continue;
            }
            let (place, id) = (start + row, ids.value(row));
            match requests.last_mut() {
                Some(last) if last.id == id && last.rows.end == place => last.rows.end += 1,
                _ if at.value(row) < before => requests.push(Place {
                    id: id.to_owned(),
                    deployment: deployments.value(row).to_owned(),
                    rows: place..place + 1,
                }),
                _ => {}
            }
        }
        start += batch.num_rows();
    }
    Ok(requests)
}

fn texts<'a>(batch: &'a RecordBatch, name: &str) -> Result<&'a StringArray> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_string_opt::<i32>())
        .ok_or_else(|| Error::internal(format!("served rows have no text column `{name}`")))
}

fn counted(rows: &Range<usize>) -> u32 {
    u32::try_from(rows.len()).unwrap_or(u32::MAX)
}

/// These rows of a file, which are in ascending order, with all columns.
fn read_rows(path: &Path, rows: impl Iterator<Item = Range<usize>>) -> Result<RecordBatch> {
    let builder = open(path)?;
    let total = usize::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
    let schema = builder.schema().clone();
    let reader = builder
        .with_row_selection(RowSelection::from_consecutive_ranges(rows, total))
        .build()
        .map_err(|error| damaged(path, error))?;
    let batches: Vec<RecordBatch> = reader
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| damaged(path, error))?;
    Ok(columns::stack(&batches)?.unwrap_or_else(|| RecordBatch::new_empty(schema)))
}
