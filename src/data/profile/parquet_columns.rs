//! Parquet -> states: numbers and flags side by side, some rows at a time, so that they can be held beside each other;
//! every other column by itself, from its first row to its last, with text left in its dictionary.

use super::column::{Column, Filler};
use super::lanes::{BATCH, Lane, Lanes, in_parallel, is_paired, rows_at_a_time};
use super::pairs::{self, Pairs};
use super::sample;
use super::scan::{Progress, kept};
use super::table::TableState;
use super::unique::Uniques;
use crate::data::checks;
use crate::data::parquet_file::damaged;
use crate::data::regular_file::{self, Identity, failed};
use crate::data::{Error, Result};
use crate::domain::quotable;
use arrow_array::ArrayRef;
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Encoding;
use parquet::file::metadata::ParquetMetaData;
use rustc_hash::{FxHashMap, FxHashSet};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// A file that was opened.
struct File<'a> {
    path: &'a Path,
    identity: Identity,
    metadata: ArrowReaderMetadata,
    names: Vec<String>,
    rows: u64,
    places: Vec<u64>,
    uniques: Option<&'a Uniques>,
}

/// The state of a file, `keep` of its rows kept.
pub fn file(
    path: &Path,
    keep: u64,
    uniques: Option<&Uniques>,
    progress: &Progress<'_>,
) -> Result<TableState> {
    let (metadata, names, identity) = checks::guarded(path, || open(path))?;
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows())
        .map_err(|_| failed(path, "its footer claims a negative number of rows"))?;
    let places = sample::places(rows, sample::rows(keep, names.len()));
    let file = File {
        path,
        identity,
        metadata,
        names,
        rows,
        places,
        uniques,
    };
    let fields = file.metadata.schema().fields();
    let mut beside: Vec<usize> = (0..fields.len())
        .filter(|at| keep > 0 && is_paired(fields[*at].data_type()))
        .take(pairs::COLUMNS)
        .collect();
    if beside.len() < 2 {
        beside.clear();
    }
    let sizes = sizes_of(file.metadata.metadata(), file.names.len());
    let whole = sizes.iter().sum::<u64>().max(1);
    let size: u64 = beside.iter().map(|at| sizes[*at]).sum();
    let alone: Vec<usize> = (0..fields.len())
        .filter(|at| !beside.contains(at))
        .collect();
    let rest = (whole - size) as f64 / whole as f64;
    let mut columns = file.alone(alone, &sizes, &|share| progress(rest * share))?;
    let (more, pairs) = file.beside(&beside, &|share| progress(rest + (1.0 - rest) * share))?;
    columns.extend(beside.into_iter().zip(more));
    regular_file::unchanged(path, &file.identity)?;
    columns.sort_by_key(|(at, _)| *at);
    Ok(TableState {
        rows,
        columns: columns.into_iter().map(|(_, column)| column).collect(),
        kept: kept(rows, file.places.len()),
        pairs,
    })
}

fn open(path: &Path) -> Result<(ArrowReaderMetadata, Vec<String>, Identity)> {
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
                format!(
                    "two columns are called `{}`; rename one",
                    quotable(field.name())
                ),
            ));
        }
        names.push(field.name().clone());
    }
    let coded = coded_texts(plain.metadata(), &fields);
    for at in coded {
        let nullable = fields[at].is_nullable();
        let name = fields[at].name().clone();
        let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
        fields[at] = Field::new(name, dictionary, nullable);
    }
    let options = ArrowReaderOptions::new().with_schema(Arc::new(
        Schema::new(fields).with_metadata(schema.metadata().clone()),
    ));
    let metadata = ArrowReaderMetadata::try_new(Arc::clone(plain.metadata()), options)
        .map_err(|error| failed(path, error))?;
    Ok((metadata, names, identity))
}

impl File<'_> {
    /// The states of columns, each with its number.
    fn alone(
        &self,
        mut columns: Vec<usize>,
        sizes: &[u64],
        progress: &Progress<'_>,
    ) -> Result<Vec<(usize, Column)>> {
        // the longest first, so that no thread begins one when the others are done
        columns.sort_by_key(|at| std::cmp::Reverse(sizes[*at]));
        let whole: u64 = columns.iter().map(|at| sizes[*at]).sum::<u64>().max(1);
        let done = AtomicU64::new(0);
        in_parallel(columns.len(), |number| {
            let at = columns[number];
            let column = checks::guarded(self.path, || {
                self.one(at, &|share| {
                    let now = done.load(Ordering::Relaxed) as f64 + sizes[at] as f64 * share;
                    progress(now / whole as f64)
                })
            })?;
            done.fetch_add(sizes[at], Ordering::Relaxed);
            Ok((at, column))
        })
    }

    fn one(&self, at: usize, progress: &Progress<'_>) -> Result<Column> {
        let name = &self.names[at];
        let mut filler = Filler::new(name, &self.places, self.uniques);
        let mut source = self.source(at)?;
        let mut number = 0;
        while let Some(array) = source.next(self)? {
            filler
                .take(&array)
                .map_err(|error| self.about(name, &error.0))?;
            if number % 16 == 0 {
                progress(source.behind as f64 / self.rows.max(1) as f64)?;
            }
            number += 1;
        }
        let column = filler.finish(self.uniques)?;
        if column.rows != self.rows && self.rows > 0 {
            return Err(self.uneven(name, column.rows));
        }
        Ok(column)
    }

    /// The states of columns that are held beside each other, and how they move together.
    fn beside(&self, columns: &[usize], progress: &Progress<'_>) -> Result<(Vec<Column>, Pairs)> {
        let fields = self.metadata.schema().fields();
        let typed = columns.iter().map(|at| {
            let field = &fields[*at];
            (field.name().as_str(), field.data_type())
        });
        let mut lanes = Lanes::new(typed, self.rows, &self.places, true, self.uniques);
        let sources = columns
            .iter()
            .map(|at| checks::guarded(self.path, || self.source(*at)).map(Mutex::new))
            .collect::<Result<Vec<_>>>()?;
        let most = rows_at_a_time(columns.len()).max(BATCH) as u64;
        let mut done = 0;
        while done < self.rows {
            let count = most.min(self.rows - done);
            lanes.take(|at, lane| {
                let mut source = sources[at].lock().unwrap_or_else(PoisonError::into_inner);
                checks::guarded(self.path, || source.fill(self, lane, count))
            })?;
            done += count;
            progress(done as f64 / self.rows as f64)?;
        }
        for source in sources {
            let mut source = source.into_inner().unwrap_or_else(PoisonError::into_inner);
            let more = checks::guarded(self.path, || source.next(self))?;
            if let Some(more) = more.filter(|more| !more.is_empty() && self.rows > 0) {
                return Err(self.uneven(&source.name, self.rows + more.len() as u64));
            }
        }
        lanes.finish()
    }

    fn source(&self, at: usize) -> Result<Source> {
        let (handle, _) = regular_file::open(self.path)?;
        let builder =
            ParquetRecordBatchReaderBuilder::new_with_metadata(handle, self.metadata.clone());
        let mask = ProjectionMask::roots(builder.parquet_schema(), [at]);
        let reader = builder
            .with_projection(mask)
            .with_batch_size(BATCH)
            .build()
            .map_err(|error| failed(self.path, error))?;
        Ok(Source {
            reader,
            name: self.names[at].clone(),
            rest: None,
            behind: 0,
        })
    }

    fn about(&self, name: &str, error: &str) -> Error {
        failed(self.path, format!("column `{}`: {error}", quotable(name)))
    }

    fn uneven(&self, name: &str, rows: u64) -> Error {
        failed(
            self.path,
            format!(
                "column `{}` has {rows} rows where the footer says {}",
                quotable(name),
                self.rows
            ),
        )
    }
}

/// One column as it is read.
struct Source {
    reader: ParquetRecordBatchReader,
    name: String,
    /// What is left of rows that were too many.
    rest: Option<ArrayRef>,
    /// Rows read.
    behind: u64,
}

impl Source {
    /// The next rows.
    fn next(&mut self, file: &File<'_>) -> Result<Option<ArrayRef>> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        let Some(batch) = self.reader.next() else {
            return Ok(None);
        };
        let batch = regular_file::or_changed(
            file.path,
            &file.identity,
            batch.map_err(|error| damaged(file.path, &self.name, &error.to_string())),
        )?;
        self.behind += batch.num_rows() as u64;
        Ok(Some(Arc::clone(batch.column(0))))
    }

    /// Gives `lane` the next `count` rows.
    fn fill(&mut self, file: &File<'_>, lane: &mut Lane<'_>, count: u64) -> Result<()> {
        let mut left = count as usize;
        while left > 0 {
            let Some(array) = self.next(file)? else {
                return Err(file.uneven(&self.name, self.behind));
            };
            let taken = array.len().min(left);
            lane.take(&array.slice(0, taken))
                .map_err(|error| file.about(&self.name, &error.0))?;
            if taken < array.len() {
                self.rest = Some(array.slice(taken, array.len() - taken));
            }
            left -= taken;
        }
        Ok(())
    }
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
