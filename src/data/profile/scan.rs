//! Files and frames -> states: columns in parallel, Parquet row by row group with text left in its dictionary, so that
//! neither the rows nor the columns of a file are ever all in memory.

use super::column::{Column, Filler};
use super::sample;
use super::table::TableState;
use crate::data::checks::{self, Format};
use crate::data::parquet_file::damaged;
use crate::data::regular_file::{self, Identity, failed};
use crate::data::{Error, Frame, Result, source};
use crate::domain::quotable;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Encoding;
use parquet::file::metadata::ParquetMetaData;
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Rows decoded at a time: one column of them stays in the processor's cache.
const BATCH: usize = 8_192;
/// Threads at most.
const THREADS: usize = 8;

/// Hears the share that is done; an error stops the work.
pub type Progress<'a> = dyn Fn(f64) -> Result<()> + Sync + 'a;

/// The state of a frame, `keep` of its rows kept.
pub fn frame(frame: &Frame, keep: u64, progress: &Progress<'_>) -> Result<TableState> {
    let rows = frame.rows() as u64;
    let places = sample::places(rows, keep);
    let names = frame.names();
    let columns = in_parallel(names.len(), |at| {
        let mut filler = Filler::new(&names[at], &places);
        let column = frame.batch.column(at);
        // in pieces, so that texts and numbers are looked at while they are in the cache
        let mut from = 0;
        while from < column.len() {
            let length = BATCH.min(column.len() - from);
            filler.take(&column.slice(from, length))?;
            from += length;
        }
        if column.is_empty() {
            filler.take(column)?;
        }
        progress((at + 1) as f64 / names.len().max(1) as f64)?;
        Ok(filler.finish())
    })?;
    Ok(TableState {
        rows,
        columns,
        kept: kept(rows, places.len()),
    })
}

fn kept(rows: u64, places: usize) -> Vec<(u64, f64)> {
    if places == 0 {
        return Vec::new();
    }
    vec![(places as u64, rows as f64 / places as f64)]
}

/// The state of a file, `keep` of its rows kept. Checked first, as every file is.
pub fn file(path: &Path, keep: u64, progress: &Progress<'_>) -> Result<TableState> {
    regular_file::look(path)?;
    if checks::format_of(path)? == Format::Parquet {
        checks::parquet(path)?;
        return parquet(path, keep, progress);
    }
    let rows = source::read(&[PathBuf::from(path)], None)?;
    progress(0.5)?;
    frame(&rows, keep, &|share| progress(0.5 + share / 2.0))
}

fn parquet(path: &Path, keep: u64, progress: &Progress<'_>) -> Result<TableState> {
    let (metadata, names, identity) = checks::guarded(path, || {
        let (handle, identity) = regular_file::open(path)?;
        let plain = ArrowReaderMetadata::load(&handle, ArrowReaderOptions::new())
            .map_err(|error| failed(path, error))?;
        let schema = Arc::clone(plain.schema());
        let mut fields: Vec<Field> = schema.fields().iter().map(|one| (**one).clone()).collect();
        let mut names: Vec<String> = Vec::with_capacity(fields.len());
        let mut seen = FxHashSet::default();
        for field in &fields {
            if !seen.insert(field.name().clone()) {
                return Err(failed(
                    path,
                    format!("two columns are called `{}`; rename one", field.name()),
                ));
            }
            names.push(field.name().clone());
        }
        let coded = coded_texts(plain.metadata(), &fields);
        for at in coded {
            let nullable = fields[at].is_nullable();
            let name = fields[at].name().clone();
            let dictionary =
                DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
            fields[at] = Field::new(name, dictionary, nullable);
        }
        let options = ArrowReaderOptions::new().with_schema(Arc::new(
            Schema::new(fields).with_metadata(schema.metadata().clone()),
        ));
        let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)
            .map_err(|error| failed(path, error))?;
        Ok((metadata, names, identity))
    })?;
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows())
        .map_err(|_| failed(path, "its footer claims a negative number of rows"))?;
    let places = sample::places(rows, keep);
    // the longest first, so that no thread begins one when the others are done
    let mut order: Vec<usize> = (0..names.len()).collect();
    let sizes = sizes_of(metadata.metadata(), names.len());
    let bytes = |at: usize| sizes[at];
    order.sort_by_key(|at| std::cmp::Reverse(bytes(*at)));
    let whole: u64 = (0..names.len()).map(bytes).sum::<u64>().max(1);
    let done = AtomicU64::new(0);
    let mut columns = in_parallel(names.len(), |number| {
        let at = order[number];
        let column = checks::guarded(path, || {
            let file = (path, &identity);
            read_column(file, &metadata, at, &names[at], &places, rows, &|share| {
                let now = done.load(Ordering::Relaxed) as f64 + bytes(at) as f64 * share;
                progress(now / whole as f64)
            })
        })?;
        done.fetch_add(bytes(at), Ordering::Relaxed);
        Ok((at, column))
    })?;
    regular_file::unchanged(path, &identity)?;
    columns.sort_by_key(|(at, _)| *at);
    Ok(TableState {
        rows,
        columns: columns.into_iter().map(|(_, column)| column).collect(),
        kept: kept(rows, places.len()),
    })
}

fn read_column(
    (path, identity): (&Path, &Identity),
    metadata: &ArrowReaderMetadata,
    at: usize,
    name: &str,
    places: &[u64],
    rows: u64,
    progress: &Progress<'_>,
) -> Result<Column> {
    let (handle, _) = regular_file::open(path)?;
    let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(handle, metadata.clone());
    let mask = ProjectionMask::roots(builder.parquet_schema(), [at]);
    let reader = builder
        .with_projection(mask)
        .with_batch_size(BATCH)
        .build()
        .map_err(|error| failed(path, error))?;
    let mut filler = Filler::new(name, places);
    let mut seen = 0u64;
    for (number, batch) in reader.enumerate() {
        let batch = regular_file::or_changed(
            path,
            identity,
            batch.map_err(|error| damaged(path, name, &error.to_string())),
        )?;
        filler
            .take(batch.column(0))
            .map_err(|error| failed(path, format!("column `{}`: {error}", quotable(name))))?;
        seen += batch.num_rows() as u64;
        if number % 16 == 0 {
            progress(seen as f64 / rows.max(1) as f64)?;
        }
    }
    let column = filler.finish();
    if column.rows != rows && rows > 0 {
        return Err(failed(
            path,
            format!(
                "column `{name}` has {} rows where the footer says {rows}",
                column.rows
            ),
        ));
    }
    Ok(column)
}

/// Columns of text all of whose pages are in dictionaries: each text there is looked at once.
fn coded_texts(metadata: &ParquetMetaData, fields: &[Field]) -> Vec<usize> {
    let schema = metadata.file_metadata().schema_descr();
    let mut coded = Vec::new();
    let mut leaves: FxHashMap<usize, usize> = FxHashMap::default();
    for leaf in 0..schema.num_columns() {
        leaves
            .entry(schema.get_column_root_idx(leaf))
            .or_insert(leaf);
    }
    for (at, field) in fields.iter().enumerate() {
        if !matches!(
            field.data_type(),
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        ) {
            continue;
        }
        let leaf = leaves.get(&at).copied();
        let all = leaf.is_some_and(|leaf| {
            metadata.row_groups().iter().all(|group| {
                let chunk = group.column(leaf);
                chunk.dictionary_page_offset().is_some()
                    && chunk.page_encoding_stats_mask().is_some_and(|mask| {
                        mask.is_only(Encoding::PLAIN_DICTIONARY)
                            || mask.is_only(Encoding::RLE_DICTIONARY)
                    })
            })
        });
        if all && metadata.num_row_groups() > 0 {
            coded.push(at);
        }
    }
    coded
}

/// Unpacked bytes of each column.
fn sizes_of(metadata: &ParquetMetaData, columns: usize) -> Vec<u64> {
    let schema = metadata.file_metadata().schema_descr();
    let mut sizes = vec![0; columns];
    for group in metadata.row_groups() {
        for (leaf, chunk) in group.columns().iter().enumerate() {
            if let Some(size) = sizes.get_mut(schema.get_column_root_idx(leaf)) {
                *size += u64::try_from(chunk.uncompressed_size()).unwrap_or(0);
            }
        }
    }
    sizes
}

/// `work` for every number below `count`, on as many threads as there are processors; results in order. The first error
/// ends it.
fn in_parallel<T: Send>(count: usize, work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(THREADS)
        .min(count);
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::with_capacity(count));
    let turns = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return;
            }
            let result = work(at);
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(turns);
        }
        turns();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let results = done
        .into_iter()
        .map(|(_, result)| result)
        .collect::<Result<Vec<T>>>()?;
    if results.len() < count {
        return Err(Error::new("the work was stopped"));
    }
    Ok(results)
}
