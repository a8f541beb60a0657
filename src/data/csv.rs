//! Separated values -> columns: a pass that looks what each column holds, and one that reads it as that, each by
//! several threads. Knows the header and the width of rows; where records end is known by `chunks`.

use super::chunks::{Chunk, Chunks};
use super::column::{Cell, GrowingColumn};
use super::guess::{Guess, boolean, number, value};
use super::in_order::in_order;
use super::layout::{Found, Layout, Parts, Target, places};
use super::regular_file::{Identity, failed};
use super::source::Looked;
use super::{Result, checks, instant};
use crate::domain::dataset::ColumnKind;
use crate::domain::quotable;
use ::csv::{ReaderBuilder, StringRecord};
use arrow_array::ArrayRef;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file of separated values is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    path: PathBuf,
    delimiter: u8,
    gzip: bool,
    /// Fields of the header.
    width: usize,
    /// The fields that are wanted, by place.
    taken: Arc<[usize]>,
}

/// What `path` holds; `wanted`: only these columns. `looked` hears how far the look is.
pub(super) fn layout(
    path: &Path,
    delimiter: u8,
    gzip: bool,
    wanted: Option<&[String]>,
    looked: &Looked<'_>,
) -> Result<Layout<Reading>> {
    let mut chunks = Chunks::open(path, gzip, Some(delimiter))?;
    let (identity, large) = (chunks.identity(), chunks.is_large());
    let behind = chunks.behind();
    let Some(first) = chunks.next().transpose()? else {
        return Err(failed(path, "the file is empty"));
    };
    let names = header(path, &first, delimiter)?;
    let reading = Reading {
        path: path.to_owned(),
        delimiter,
        gzip,
        width: names.len(),
        taken: places(path, &names, wanted)?.into(),
    };
    let looking = reading.clone();
    let parts = in_order(
        large,
        std::iter::once(Ok(first)).chain(chunks),
        move |chunk| checks::guarded(&looking.path, || looking.look(&chunk)),
    );
    let mut guesses = vec![Guess::default(); reading.taken.len()];
    let mut rows = 0;
    for part in parts {
        let (more, part) = part?;
        looked(behind.share())?;
        rows += more;
        for (guess, later) in guesses.iter_mut().zip(part) {
            guess.and(later);
        }
    }
    let columns = (reading.taken.iter().zip(&guesses))
        .map(|(at, guess)| Found::of(&names[*at], guess.kind(), guess.zoned, guess.odd()))
        .collect();
    Ok(Layout {
        identity,
        columns,
        rows,
        large,
        reading,
    })
}

impl Reading {
    /// These of its columns, in this order.
    pub(super) fn arranged(mut self, order: &[usize]) -> Self {
        self.taken = order.iter().map(|at| self.taken[*at]).collect();
        self
    }

    /// The rows as `targets`, a piece of the file at a time.
    pub(super) fn batches(
        self,
        identity: Identity,
        large: bool,
        targets: Arc<[Target]>,
    ) -> Result<Parts> {
        let chunks = Chunks::open(&self.path, self.gzip, Some(self.delimiter))?;
        if chunks.identity() != identity {
            super::regular_file::unchanged(&self.path, &identity)?;
        }
        Ok(in_order(large, chunks, move |chunk| {
            checks::guarded(&self.path, || self.parse(&chunk, &targets))
        }))
    }

    /// All records of the chunk but the header; one with fewer or more fields than that is an error.
    fn records(
        &self,
        chunk: &Chunk,
        mut each: impl FnMut(&StringRecord) -> Result<()>,
    ) -> Result<u64> {
        let text = chunk.text(&self.path)?;
        let mut reader = ReaderBuilder::new()
            .delimiter(self.delimiter)
            .has_headers(false)
            .flexible(true)
            .buffer_capacity(1 << 16)
            .from_reader(text.as_bytes());
        let mut record = StringRecord::new();
        let mut header = chunk.first;
        let mut rows = 0;
        while reader
            .read_record(&mut record)
            .map_err(|error| failed(&self.path, error))?
        {
            if std::mem::take(&mut header) {
                continue;
            }
            rows += 1;
            if record.len() != self.width {
                let end = usize::try_from(reader.position().byte()).unwrap_or_default();
                let short = chunk.last && record.len() < self.width && end >= text.len();
                return Err(failed(
                    &self.path,
                    format!(
                        "line {} has {} field{} where the header has {}{}",
                        line(chunk, &record),
                        record.len(),
                        if record.len() == 1 { "" } else { "s" },
                        self.width,
                        if short {
                            ", and the file ends there; was it cut short?"
                        } else {
                            ""
                        }
                    ),
                ));
            }
            each(&record)?;
        }
        Ok(rows)
    }

    fn look(&self, chunk: &Chunk) -> Result<(u64, Vec<Guess>)> {
        let mut guesses = vec![Guess::default(); self.taken.len()];
        let rows = self.records(chunk, |record| {
            for (guess, at) in guesses.iter_mut().zip(self.taken.iter()) {
                guess.look(value(record.get(*at)), || line(chunk, record));
            }
            Ok(())
        })?;
        Ok((rows, guesses))
    }

    fn parse(&self, chunk: &Chunk, targets: &[Target]) -> Result<(Vec<ArrayRef>, usize)> {
        let mut columns: Vec<GrowingColumn> = targets
            .iter()
            .map(|target| GrowingColumn::of(target.kind, target.zoned))
            .collect();
        let rows = self.records(chunk, |record| {
            for ((at, column), target) in self.taken.iter().zip(&mut columns).zip(targets) {
                let text = value(record.get(*at));
                let cell = match text {
                    None => Some(Cell::Null),
                    Some(text) => cell(text, target.kind),
                };
                if cell.and_then(|cell| column.push(cell).ok()).is_none() {
                    return Err(failed(
                        &self.path,
                        format!(
                            "line {}, column `{}`: `{}` is no {}, which the column is",
                            line(chunk, record),
                            quotable(&target.name),
                            quotable(text.unwrap_or_default()),
                            target.kind
                        ),
                    ));
                }
            }
            Ok(())
        })?;
        let arrays = (columns.into_iter().zip(targets))
            .map(|(column, target)| {
                column.finish().map_err(|error| {
                    failed(
                        &self.path,
                        format!("column `{}`: {error}", quotable(&target.name)),
                    )
                })
            })
            .collect::<Result<_>>()?;
        Ok((arrays, rows as usize))
    }
}

/// The line that `record` begins on.
fn line(chunk: &Chunk, record: &StringRecord) -> u64 {
    let at = record.position().map_or(0, ::csv::Position::byte);
    chunk.line(usize::try_from(at).unwrap_or_default())
}

/// The names in the first record; each must be there, once.
fn header(path: &Path, first: &Chunk, delimiter: u8) -> Result<Vec<String>> {
    let text = first.text(path)?;
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut record = StringRecord::new();
    if !reader
        .read_record(&mut record)
        .map_err(|error| failed(path, error))?
    {
        return Err(failed(path, "the file is empty"));
    }
    let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
    let mut names = Vec::with_capacity(record.len());
    for (at, name) in record.iter().enumerate() {
        if name.trim_ascii().is_empty() {
            return Err(failed(
                path,
                format!(
                    "line {}: column {} has no name in the header",
                    line(first, &record),
                    at + 1
                ),
            ));
        }
        if let Some(before) = seen.insert(name, at + 1) {
            return Err(failed(
                path,
                format!(
                    "columns {before} and {} are both called `{}`; rename one",
                    at + 1,
                    quotable(name)
                ),
            ));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

fn cell(text: &str, kind: ColumnKind) -> Option<Cell<'_>> {
    let trimmed = text.trim_ascii();
    Some(match kind {
        ColumnKind::Integer => Cell::Integer(trimmed.parse().ok()?),
        ColumnKind::Number => Cell::Number(number(trimmed)?),
        ColumnKind::Boolean => Cell::Boolean(boolean(trimmed)?),
        ColumnKind::Time => Cell::Time(instant::parse(trimmed)?.0),
        ColumnKind::Text => Cell::Text(text),
    })
}
