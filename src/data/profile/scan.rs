//! Files and frames -> states. Whatever the format, some rows of all columns at a time, columns in parallel: what a file
//! holds is never all in memory. Who keeps no rows asks of each column by itself: how columns move together is not counted.

use super::lanes::{Lanes, rows_at_a_time};
use super::table::TableState;
use super::unique::Uniques;
use super::{parquet_columns, sample};
use crate::data::checks::{self, Format};
use crate::data::{Error, Frame, Result, regular_file, source};
use crate::domain::quotable;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::SchemaRef;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Of the time that a text file takes, what goes to look what its columns are.
const LOOKING: f64 = 0.4;
/// Bytes of text read but not yet looked at, at most: then fewer rows are looked at together.
const WAITING: usize = 32 << 20;

/// Hears the share that is done; an error stops the work.
pub type Progress<'a> = dyn Fn(f64) -> Result<()> + Sync + 'a;

/// The state of frames under each other, which have the same columns; `keep` of their rows kept.
pub fn frames(frames: &[Frame], keep: u64, uniques: Option<&Uniques>) -> Result<TableState> {
    let Some(first) = frames.first() else {
        return Ok(TableState::default());
    };
    let rows = frames.iter().map(Frame::rows).sum::<usize>() as u64;
    let schema = first.batch.schema();
    let places = sample::places(rows, sample::rows(keep, schema.fields().len()));
    let mut lanes = lanes(&schema, rows, &places, keep > 0, uniques);
    let most = rows_at_a_time(schema.fields().len());
    for frame in frames {
        let mut from = 0;
        loop {
            let count = most.min(frame.rows() - from);
            lanes.take(|at, lane| lane.take(&frame.batch.column(at).slice(from, count)))?;
            from += count;
            if from == frame.rows() {
                break;
            }
        }
    }
    state(lanes, rows, places.len())
}

fn lanes<'a>(
    schema: &'a SchemaRef,
    rows: u64,
    places: &'a [u64],
    related: bool,
    uniques: Option<&'a Uniques>,
) -> Lanes<'a> {
    let columns = schema.fields().iter();
    let columns = columns.map(|field| (field.name().as_str(), field.data_type()));
    Lanes::new(columns, rows, places, related, uniques)
}

fn state(lanes: Lanes<'_>, rows: u64, places: usize) -> Result<TableState> {
    let (columns, pairs) = lanes.finish()?;
    Ok(TableState {
        rows,
        columns,
        kept: kept(rows, places),
        pairs,
    })
}

/// How many rows were kept, and how many each stands for.
pub fn kept(rows: u64, places: usize) -> Vec<(u64, f64)> {
    if places == 0 {
        return Vec::new();
    }
    vec![(places as u64, rows as f64 / places as f64)]
}

/// The state of a file, `keep` of its rows kept. Checked first, as every file is.
pub fn file(
    path: &Path,
    keep: u64,
    uniques: Option<&Uniques>,
    progress: &Progress<'_>,
) -> Result<TableState> {
    regular_file::look(path)?;
    if checks::format_of(path)? == Format::Parquet {
        checks::parquet(path)?;
        return parquet_columns::file(path, keep, uniques, progress);
    }
    table(&[PathBuf::from(path)], keep, uniques, progress)
}

/// The state of files under each other, which have the same columns. Separated values and JSON lines are read once for
/// what the columns are, and once for what they hold.
pub fn table(
    files: &[PathBuf],
    keep: u64,
    uniques: Option<&Uniques>,
    progress: &Progress<'_>,
) -> Result<TableState> {
    // all of a piece of the file: what is looked at together is put together below
    let mut scan = source::scan_told(files, None, usize::MAX, &|share| progress(LOOKING * share))?;
    let (rows, schema) = (scan.rows(), scan.schema());
    let places = sample::places(rows, sample::rows(keep, schema.fields().len()));
    let mut lanes = lanes(&schema, rows, &places, keep > 0, uniques);
    let most = rows_at_a_time(schema.fields().len());
    let mut waiting = Waiting::default();
    let mut done = 0;
    loop {
        let next = scan.next().transpose()?;
        let over = next.is_none();
        waiting.pieces.extend(next.map(|frame| frame.batch));
        while waiting.rows() >= most || waiting.is_heavy() || over && waiting.rows() > 0 {
            let pieces = waiting.next(most);
            lanes.take(|at, lane| {
                let column = under_each_other(&pieces, at).map_err(|error| {
                    let name = quotable(schema.field(at).name());
                    Error::new(format!("column `{name}`: {error}"))
                })?;
                lane.take(&column)
            })?;
            done += pieces.iter().map(RecordBatch::num_rows).sum::<usize>();
            progress(LOOKING + (1.0 - LOOKING) * done as f64 / rows.max(1) as f64)?;
        }
        if over {
            break;
        }
    }
    if rows == 0 {
        let nothing = RecordBatch::new_empty(Arc::clone(&schema));
        lanes.take(|at, lane| lane.take(nothing.column(at)))?;
    }
    state(lanes, rows, places.len())
}

fn under_each_other(
    pieces: &[RecordBatch],
    at: usize,
) -> std::result::Result<ArrayRef, arrow_schema::ArrowError> {
    if let [one] = pieces {
        return Ok(Arc::clone(one.column(at)));
    }
    let columns: Vec<&dyn Array> = pieces.iter().map(|one| one.column(at).as_ref()).collect();
    arrow_select::concat::concat(&columns)
}

/// Rows that were read and not yet looked at.
#[derive(Default)]
struct Waiting {
    pieces: std::collections::VecDeque<RecordBatch>,
}

impl Waiting {
    fn rows(&self) -> usize {
        self.pieces.iter().map(RecordBatch::num_rows).sum()
    }

    fn is_heavy(&self) -> bool {
        let bytes = self.pieces.iter().map(RecordBatch::get_array_memory_size);
        self.pieces.len() > 1 && bytes.sum::<usize>() > WAITING
    }

    /// The next rows, at most so many.
    fn next(&mut self, most: usize) -> Vec<RecordBatch> {
        let mut left = most;
        let mut taken = Vec::new();
        while left > 0
            && let Some(piece) = self.pieces.pop_front()
        {
            if piece.num_rows() > left {
                self.pieces
                    .push_front(piece.slice(left, piece.num_rows() - left));
                taken.push(piece.slice(0, left));
                break;
            }
            left -= piece.num_rows();
            taken.push(piece);
        }
        taken
    }
}
