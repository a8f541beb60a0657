//! Parquet -> columns, only those that are wanted, shared out over several threads. Checks the footer first; page
//! checksums are verified where the file has them, and what does not decode is told with its column.

use super::in_order::threads;
use super::layout::{Found, Layout, Parts, Target, places};
use super::regular_file::{self, Identity, failed};
use super::types::{kind_of, normalise, widen};
use super::{Error, Result, checks};
use crate::domain::quotable;
use arrow_array::ArrayRef;
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader,
    ParquetRecordBatchReaderBuilder,
};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;

/// Fewer values than this are decoded by one thread.
const FEW: u64 = 200_000;

/// How a Parquet file is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
    /// The wanted columns, by place in the file's schema.
    roots: Vec<usize>,
}

/// What `path` holds; `wanted`: only these columns, in this order.
pub(super) fn layout(path: &Path, wanted: Option<&[String]>) -> Result<Layout<Reading>> {
    checks::parquet(path)?;
    let (file, identity) = regular_file::open(path)?;
    let metadata = ArrowReaderMetadata::load(&file, ArrowReaderOptions::default())
        .map_err(|error| failed(path, error))?;
    let fields = metadata.schema().fields();
    let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
    let mut seen = rustc_hash::FxHashSet::default();
    if let Some(twice) = names.iter().find(|name| !seen.insert(name.as_str())) {
        return Err(failed(
            path,
            format!("two columns are called `{}`; rename one", quotable(twice)),
        ));
    }
    let roots = places(path, &names, wanted)?;
    let empty = without_values(&metadata, fields.len());
    let mut columns = Vec::with_capacity(roots.len());
    for root in &roots {
        let field = &fields[*root];
        let typed =
            normalise(&arrow_array::new_empty_array(field.data_type())).map_err(|error| {
                failed(
                    path,
                    format!("column `{}`: {error}", quotable(field.name())),
                )
            })?;
        let zoned = matches!(typed.data_type(), DataType::Timestamp(_, Some(_)));
        let kind = kind_of(typed.data_type())
            .filter(|_| !empty[*root] && field.data_type() != &DataType::Null);
        columns.push(Found::of(field.name(), kind, zoned, None));
    }
    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).unwrap_or_default();
    Ok(Layout {
        identity,
        large: rows.saturating_mul(columns.len() as u64) > FEW,
        columns,
        rows,
        reading: Reading {
            path: path.to_owned(),
            metadata,
            roots,
        },
    })
}

/// For each column, whether the footer says that all its values are null.
fn without_values(metadata: &ArrowReaderMetadata, columns: usize) -> Vec<bool> {
    let groups = metadata.metadata().row_groups();
    let mut empty = vec![!groups.is_empty(); columns];
    for leaf in 0..metadata.parquet_schema().num_columns() {
        let root = metadata.parquet_schema().get_column_root_idx(leaf);
        let all_null = groups.iter().all(|group| {
            let nulls = group
                .column(leaf)
                .statistics()
                .and_then(|known| known.null_count_opt());
            nulls == u64::try_from(group.num_rows()).ok()
        });
        if let Some(empty) = empty.get_mut(root) {
            *empty &= all_null;
        }
    }
    empty
}

/// Columns of some rows, and how many rows.
type Part = Result<(Vec<ArrayRef>, usize)>;

impl Reading {
    /// These of its columns, in this order.
    pub(super) fn arranged(mut self, order: &[usize]) -> Self {
        self.roots = order.iter().map(|at| self.roots[*at]).collect();
        self
    }

    /// The rows as `targets`, `rows` at a time.
    pub(super) fn batches(
        self,
        identity: Identity,
        large: bool,
        targets: &Arc<[Target]>,
        rows: usize,
    ) -> Result<Parts> {
        let lanes = if large {
            self.lanes(threads())
        } else {
            vec![(0..self.roots.len()).collect()]
        };
        let mut readers = Vec::with_capacity(lanes.len());
        for lane in lanes {
            readers.push(Lane::open(
                &self,
                identity,
                lane,
                Arc::clone(targets),
                rows,
            )?);
        }
        if readers.len() == 1
            && let Some(only) = readers.pop()
        {
            let places = only.places.clone();
            return Ok(Box::new(only.map(move |part| {
                let (arrays, rows) = part?;
                let mut columns: Vec<_> = places.iter().zip(arrays).collect();
                columns.sort_by_key(|(place, _)| **place);
                Ok((columns.into_iter().map(|(_, array)| array).collect(), rows))
            })));
        }
        let mut parts = Vec::with_capacity(readers.len());
        for (number, mut reader) in readers.into_iter().enumerate() {
            let (sender, receiver) = sync_channel::<Part>(1);
            parts.push((reader.places.clone(), receiver));
            std::thread::Builder::new()
                .name(format!("parquet-{number}"))
                // a consumer that went away ends the thread
                .spawn(move || while reader.next().is_some_and(|part| sender.send(part).is_ok()) {})
                .map_err(|error| {
                    failed(
                        &self.path,
                        format!("starting a thread to read with: {error}"),
                    )
                })?;
        }
        let width = self.roots.len();
        let path = self.path;
        Ok(Box::new(std::iter::from_fn(move || {
            let mut columns: Vec<Option<ArrayRef>> = vec![None; width];
            let mut length: Option<usize> = None;
            let mut over = 0;
            for (places, receiver) in &parts {
                match receiver.recv() {
                    Err(_) => over += 1,
                    Ok(Err(error)) => return Some(Err(error)),
                    Ok(Ok((arrays, rows))) => {
                        if *length.get_or_insert(rows) != rows {
                            return Some(Err(uneven(&path)));
                        }
                        for (place, array) in places.iter().zip(arrays) {
                            columns[*place] = Some(array);
                        }
                    }
                }
            }
            match (length, over) {
                (None, _) => None,
                (Some(rows), 0) => Some(Ok((columns.into_iter().flatten().collect(), rows))),
                (Some(_), _) => Some(Err(uneven(&path))),
            }
        })))
    }

    /// Places of columns, shared out so that each thread has about as much to decode.
    fn lanes(&self, threads: usize) -> Vec<Vec<usize>> {
        let schema = self.metadata.parquet_schema();
        let mut sizes = vec![0i64; self.metadata.schema().fields().len()];
        for group in self.metadata.metadata().row_groups() {
            for leaf in 0..schema.num_columns() {
                let root = schema.get_column_root_idx(leaf);
                let column = group.column(leaf);
                // to unpack costs by the bytes, to decode by the values
                sizes[root] += column.uncompressed_size() + 4 * column.num_values();
            }
        }
        let mut order: Vec<usize> = (0..self.roots.len()).collect();
        order.sort_by_key(|place| std::cmp::Reverse(sizes[self.roots[*place]]));
        let mut lanes = vec![(0i64, Vec::new()); threads.min(order.len()).max(1)];
        for place in order {
            if let Some((load, places)) = lanes.iter_mut().min_by_key(|(load, _)| *load) {
                *load += sizes[self.roots[place]];
                places.push(place);
            }
        }
        lanes.into_iter().map(|(_, places)| places).collect()
    }
}

fn uneven(path: &Path) -> Error {
    failed(
        path,
        "its columns have different numbers of rows; the file is damaged",
    )
}

/// Some columns of a file, read in step.
struct Lane {
    path: PathBuf,
    identity: Identity,
    metadata: ArrowReaderMetadata,
    reader: Option<ParquetRecordBatchReader>,
    /// Which of the wanted columns these are.
    places: Vec<usize>,
    roots: Vec<usize>,
    targets: Arc<[Target]>,
    /// Rows read so far.
    done: usize,
}

impl Lane {
    fn open(
        reading: &Reading,
        identity: Identity,
        mut places: Vec<usize>,
        targets: Arc<[Target]>,
        rows: usize,
    ) -> Result<Self> {
        // its own handle: handles that are copies share their place in the file
        let (file, now) = regular_file::open(&reading.path)?;
        if now != identity {
            regular_file::unchanged(&reading.path, &identity)?;
        }
        // the reader gives columns in the order of the file
        places.sort_by_key(|place| reading.roots[*place]);
        let roots: Vec<usize> = places.iter().map(|place| reading.roots[*place]).collect();
        let reader = reader(file, &reading.metadata, &roots, rows, None)
            .map_err(|error| failed(&reading.path, error))?;
        Ok(Self {
            path: reading.path.clone(),
            identity,
            metadata: reading.metadata.clone(),
            reader: Some(reader),
            places,
            roots,
            targets,
            done: 0,
        })
    }

    fn part(&mut self) -> Option<Part> {
        let reader = self.reader.as_mut()?;
        let batch = match reader.next()? {
            Ok(batch) => batch,
            Err(error) => return Some(Err(self.blame(&error.to_string()))),
        };
        self.done += batch.num_rows();
        let columns = (self.places.iter().zip(batch.columns()))
            .map(|(place, column)| {
                let target = &self.targets[*place];
                normalise(column)
                    .and_then(|column| {
                        widen(&column, &target.data_type())
                            .map_err(|error| Error::new(error.to_string()))
                    })
                    .map_err(|error| {
                        failed(
                            &self.path,
                            format!("column `{}`: {error}", quotable(&target.name)),
                        )
                    })
            })
            .collect::<Result<Vec<_>>>();
        Some(columns.map(|columns| (columns, batch.num_rows())))
    }

    /// What went wrong, with the column: each is read alone in the part of the file that was being read.
    fn blame(&self, error: &str) -> Error {
        if let Err(changed) = regular_file::unchanged(&self.path, &self.identity) {
            return changed;
        }
        let mut before = 0;
        let group = self
            .metadata
            .metadata()
            .row_groups()
            .iter()
            .position(|group| {
                before += usize::try_from(group.num_rows()).unwrap_or_default();
                before > self.done
            });
        for (place, root) in self.places.iter().zip(&self.roots) {
            let alone = checks::guarded(&self.path, || {
                let (file, _) = regular_file::open(&self.path)?;
                let reader = reader(file, &self.metadata, &[*root], 65_536, group)
                    .map_err(|error| Error::new(error.to_string()))?;
                for batch in reader {
                    batch.map_err(|error| Error::new(error.to_string()))?;
                }
                Ok(())
            });
            if let Err(alone) = alone {
                let group =
                    group.map_or_else(String::new, |group| format!(", row group {}", group + 1));
                return failed(
                    &self.path,
                    format!(
                        "column `{}`{group}: {}; the file is damaged",
                        quotable(&self.targets[*place].name),
                        plain(&alone.0)
                    ),
                );
            }
        }
        failed(&self.path, format!("{}; the file is damaged", plain(error)))
    }
}

impl Iterator for Lane {
    type Item = Part;

    fn next(&mut self) -> Option<Part> {
        let path = self.path.clone();
        let part = checks::guarded(&path, || Ok(self.part()))
            .unwrap_or_else(|error| Some(Err(self.blame(&error.0))));
        if !matches!(part, Some(Ok(_))) {
            self.reader = None;
        }
        part
    }
}

/// That a column does not decode.
pub(super) fn damaged(path: &Path, column: &str, error: &str) -> Error {
    let what = format!(
        "column `{}`: {}; the file is damaged",
        quotable(column),
        plain(error)
    );
    failed(path, what)
}

/// A reader's words, without its prefixes.
fn plain(error: &str) -> String {
    let mut text = error;
    for prefix in ["Parquet argument error: ", "Parquet error: ", "External: "] {
        text = text.strip_prefix(prefix).unwrap_or(text);
    }
    if text.contains("CRC") || text.contains("checksum") {
        return "a page's checksum does not match its bytes".to_owned();
    }
    quotable(text)
}

fn reader(
    file: File,
    metadata: &ArrowReaderMetadata,
    roots: &[usize],
    rows: usize,
    group: Option<usize>,
) -> parquet::errors::Result<ParquetRecordBatchReader> {
    let projection = ProjectionMask::roots(metadata.parquet_schema(), roots.iter().copied());
    let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
        .with_projection(projection)
        .with_batch_size(rows);
    if let Some(group) = group {
        builder = builder.with_row_groups(vec![group]);
    }
    builder.build()
}
