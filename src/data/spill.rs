//! Columns set aside on disk, in parts: too many for memory, wanted again one part at a time. The file has lost its name
//! before its first byte is written, so nothing is left of it however the process ends. Blocks of a part come back as they
//! were put; knows the five types of columns, nothing of what they mean.

use super::keys;
use super::{Error, Result};
use crate::domain::printable_path;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow_buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::DataType;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes of a part that wait to be written together: at least, and at most.
const WAITING: std::ops::RangeInclusive<usize> = 1 << 10..=1 << 18;
/// With another meaning than a type: this column has nulls.
const NULLS: u8 = 1 << 7;

/// Columns in a file without a name, in parts.
#[derive(Debug)]
pub(super) struct Spill {
    file: File,
    folder: PathBuf,
    parts: Vec<Mutex<Part>>,
    /// Bytes of a part that wait.
    most: usize,
    /// Where the next bytes go.
    end: AtomicU64,
}

#[derive(Debug, Default)]
struct Part {
    waiting: Vec<u8>,
    /// What is in the file: from where, how many bytes.
    written: Vec<(u64, usize)>,
    rows: usize,
}

impl Spill {
    /// A new one with empty `parts`, in a file of `folder`; holds about `memory` bytes.
    pub(super) fn new(folder: &Path, parts: usize, memory: u64) -> Result<Self> {
        let most = usize::try_from(memory).unwrap_or(usize::MAX) / parts.max(1);
        Ok(Self {
            file: nameless(folder).map_err(|error| failed(folder, &error))?,
            folder: folder.to_owned(),
            parts: (0..parts).map(|_| Mutex::default()).collect(),
            most: most.clamp(*WAITING.start(), *WAITING.end()),
            end: AtomicU64::new(0),
        })
    }

    /// How many parts there are.
    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Rows of a part.
    pub(super) fn rows(&self, part: usize) -> usize {
        self.part(part).rows
    }

    /// Bytes that went to disk.
    pub(super) fn bytes(&self) -> u64 {
        self.end.load(Ordering::Relaxed)
    }

    fn part(&self, part: usize) -> std::sync::MutexGuard<'_, Part> {
        self.parts[part]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A block of rows into one part.
    pub(super) fn put(&self, part: usize, columns: &[ArrayRef]) -> Result<()> {
        let mut part = self.part(part);
        part.rows += columns.first().map_or(0, Array::len);
        encode(columns, &mut part.waiting)?;
        if part.waiting.len() >= self.most {
            self.write(&mut part)?;
        }
        Ok(())
    }

    /// Each row into the part that `part` says; [`keys::NONE`]: into none.
    pub(super) fn scatter(&self, part: &[u32], columns: &[ArrayRef]) -> Result<()> {
        let (order, starts) = keys::group(part, self.parts.len(), |_| true);
        if order.is_empty() {
            return Ok(());
        }
        let order = UInt32Array::from(order);
        let columns = columns
            .iter()
            .map(|column| arrow_select::take::take(column, &order, None))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| failed(&self.folder, &error))?;
        for (part, bounds) in starts.windows(2).enumerate() {
            let length = bounds[1] - bounds[0];
            if length > 0 {
                let slices = columns.iter().map(|column| column.slice(bounds[0], length));
                self.put(part, &slices.collect::<Vec<_>>())?;
            }
        }
        Ok(())
    }

    fn write(&self, part: &mut Part) -> Result<()> {
        if part.waiting.is_empty() {
            return Ok(());
        }
        let length = part.waiting.len();
        let from = self.end.fetch_add(length as u64, Ordering::Relaxed);
        self.file
            .write_all_at(&part.waiting, from)
            .map_err(|error| {
                let so_far = from >> 20;
                failed(
                    &self.folder,
                    &format!("{error}, after {so_far} MiB; make room, or allow more memory"),
                )
            })?;
        part.written.push((from, length));
        part.waiting = Vec::new();
        Ok(())
    }

    /// The blocks of a part, of which no more must be put; those that one thread has put, in its order.
    pub(super) fn blocks(&self, part: usize) -> Result<Blocks<'_>> {
        let mut part = self.part(part);
        self.write(&mut part)?;
        Ok(Blocks {
            spill: self,
            written: part.written.clone().into_iter(),
            bytes: Vec::new(),
            at: 0,
            rest: None,
        })
    }
}

/// The blocks of a part.
#[derive(Debug)]
pub(super) struct Blocks<'a> {
    spill: &'a Spill,
    written: std::vec::IntoIter<(u64, usize)>,
    bytes: Vec<u8>,
    at: usize,
    /// What is left of a block that was too long.
    rest: Option<Vec<ArrayRef>>,
}

impl Blocks<'_> {
    fn block(&mut self) -> Result<Option<Vec<ArrayRef>>> {
        if self.at == self.bytes.len() {
            let Some((from, length)) = self.written.next() else {
                return Ok(None);
            };
            self.bytes.resize(length, 0);
            self.at = 0;
            let folder = &self.spill.folder;
            (self.spill.file)
                .read_exact_at(&mut self.bytes, from)
                .map_err(|error| failed(folder, &error))?;
        }
        let mut bytes = Bytes {
            all: &self.bytes,
            at: self.at,
        };
        let columns = decode(&mut bytes).ok_or_else(|| {
            failed(
                &self.spill.folder,
                &"what was set aside does not come back as it was; is the disk sound?",
            )
        })?;
        self.at = bytes.at;
        Ok(Some(columns))
    }

    /// The next `most` rows, fewer when there are no more; none after the last.
    pub(super) fn rows(&mut self, most: usize) -> Result<Option<Vec<ArrayRef>>> {
        let mut blocks: Vec<Vec<ArrayRef>> = Vec::new();
        let mut left = most.max(1);
        while left > 0 {
            let next = match self.rest.take() {
                Some(rest) => Some(rest),
                None => self.block()?,
            };
            let Some(block) = next else { break };
            let length = block.first().map_or(0, Array::len);
            if length > left {
                let part = |from: usize, length: usize| {
                    let columns = block.iter().map(|column| column.slice(from, length));
                    columns.collect::<Vec<_>>()
                };
                self.rest = Some(part(left, length - left));
                blocks.push(part(0, left));
                left = 0;
            } else {
                left -= length;
                blocks.push(block);
            }
        }
        match blocks.is_empty() {
            true => Ok(None),
            false => stacked(blocks).map(Some),
        }
    }
}

impl Iterator for Blocks<'_> {
    type Item = Result<Vec<ArrayRef>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.block().transpose()
    }
}

/// Blocks of the same columns under each other; a column at a time, so that only one is held twice.
pub(super) fn stacked(mut blocks: Vec<Vec<ArrayRef>>) -> Result<Vec<ArrayRef>> {
    if blocks.len() == 1 {
        return Ok(blocks.pop().unwrap_or_default());
    }
    let mut columns = Vec::new();
    while blocks.first().is_some_and(|block| !block.is_empty()) {
        // from the last column to the first: that is where a block gives one up without moving the others
        let parts: Vec<ArrayRef> = blocks.iter_mut().filter_map(Vec::pop).collect();
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        let column =
            arrow_select::concat::concat(&parts).map_err(|error| Error::new(error.to_string()))?;
        columns.push(column);
    }
    columns.reverse();
    Ok(columns)
}

/// A new file of `folder` that has no name any more.
fn nameless(folder: &Path) -> std::io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!(".join.{}.{number}.tmp", std::process::id()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn failed(folder: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(format!(
        "setting rows aside in `{}`: {error}",
        printable_path(folder)
    ))
}

/// Adds a block to `out`: rows, columns; of each column its type, its nulls, its values.
fn encode(columns: &[ArrayRef], out: &mut Vec<u8>) -> Result<()> {
    let rows = columns.first().map_or(0, Array::len);
    let size = |count: usize| u32::try_from(count).unwrap_or(u32::MAX).to_ne_bytes();
    out.extend(size(rows));
    out.extend(size(columns.len()));
    for column in columns {
        let kind = match column.data_type() {
            DataType::Int64 => 0,
            DataType::Float64 => 1,
            DataType::Boolean => 2,
            DataType::Utf8 => 3,
            DataType::Timestamp(_, None) => 4,
            DataType::Timestamp(_, Some(_)) => 5,
            other => return Err(Error::new(format!("a column has the type {other}"))),
        };
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        out.push(kind | if nulls.is_some() { NULLS } else { 0 });
        if let Some(nulls) = nulls {
            bits(nulls.inner(), out);
        }
        match kind {
            0 => out.extend(
                column
                    .as_primitive::<Int64Type>()
                    .values()
                    .inner()
                    .as_slice(),
            ),
            1 => out.extend(
                column
                    .as_primitive::<Float64Type>()
                    .values()
                    .inner()
                    .as_slice(),
            ),
            2 => bits(column.as_boolean().values(), out),
            3 => {
                let texts = column.as_string::<i32>();
                let offsets = texts.value_offsets();
                let first = offsets[0];
                for offset in offsets {
                    out.extend((offset - first).to_ne_bytes());
                }
                let last = offsets[rows];
                out.extend(&texts.value_data()[first as usize..last as usize]);
            }
            _ => {
                let times = column.as_primitive::<TimestampMicrosecondType>();
                out.extend(times.values().inner().as_slice());
            }
        }
    }
    Ok(())
}

fn bits(bits: &BooleanBuffer, out: &mut Vec<u8>) {
    let sliced = bits.sliced();
    out.extend(&sliced.as_slice()[..bits.len().div_ceil(8)]);
}

/// Bytes that are read from the front.
struct Bytes<'a> {
    all: &'a [u8],
    at: usize,
}

impl<'a> Bytes<'a> {
    fn next(&mut self, count: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(count)?;
        let bytes = self.all.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    fn size(&mut self) -> Option<usize> {
        let bytes = self.next(4)?.try_into().ok()?;
        usize::try_from(u32::from_ne_bytes(bytes)).ok()
    }

    /// A copy that lies as arrays want it.
    fn buffer(&mut self, count: usize) -> Option<Buffer> {
        self.next(count).map(Buffer::from)
    }

    fn bits(&mut self, rows: usize) -> Option<BooleanBuffer> {
        let buffer = self.buffer(rows.div_ceil(8))?;
        Some(BooleanBuffer::new(buffer, 0, rows))
    }
}

fn decode(bytes: &mut Bytes<'_>) -> Option<Vec<ArrayRef>> {
    let (rows, count) = (bytes.size()?, bytes.size()?);
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(count);
    for _ in 0..count {
        let kind = *bytes.next(1)?.first()?;
        let nulls = match kind & NULLS {
            0 => None,
            _ => Some(NullBuffer::new(bytes.bits(rows)?)),
        };
        let whole = |bytes: &mut Bytes<'_>| {
            let buffer = bytes.buffer(rows * 8)?;
            Some(ScalarBuffer::<i64>::new(buffer, 0, rows))
        };
        columns.push(match kind & !NULLS {
            0 => Arc::new(Int64Array::try_new(whole(bytes)?, nulls).ok()?),
            1 => {
                let values = ScalarBuffer::new(bytes.buffer(rows * 8)?, 0, rows);
                Arc::new(Float64Array::try_new(values, nulls).ok()?)
            }
            2 => Arc::new(BooleanArray::new(bytes.bits(rows)?, nulls)),
            3 => {
                let offsets = bytes.buffer((rows + 1) * 4)?;
                let offsets = ScalarBuffer::<i32>::new(offsets, 0, rows + 1);
                let length = usize::try_from(*offsets.last()?).ok()?;
                let values = bytes.buffer(length)?;
                Arc::new(StringArray::try_new(OffsetBuffer::new(offsets), values, nulls).ok()?)
            }
            kind @ (4 | 5) => {
                let times = TimestampMicrosecondArray::try_new(whole(bytes)?, nulls).ok()?;
                match kind {
                    4 => Arc::new(times),
                    _ => Arc::new(times.with_timezone("UTC")),
                }
            }
            _ => return None,
        });
    }
    Some(columns)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn columns(rows: std::ops::Range<i64>) -> Vec<ArrayRef> {
        let some = |row: i64| (row % 3 != 0).then_some(row);
        let times: TimestampMicrosecondArray = rows.clone().map(some).collect();
        vec![
            Arc::new(rows.clone().map(Some).collect::<Int64Array>()),
            Arc::new(rows.clone().map(some).collect::<Int64Array>()),
            Arc::new(
                rows.clone()
                    .map(|row| some(row).map(|row| row as f64))
                    .collect::<Float64Array>(),
            ),
            Arc::new(
                rows.clone()
                    .map(|row| some(row).map(|row| row % 2 == 0))
                    .collect::<BooleanArray>(),
            ),
            Arc::new(
                rows.map(|row| some(row).map(|row| "é".repeat(row as usize % 5)))
                    .collect::<StringArray>(),
            ),
            Arc::new(times.clone()),
            Arc::new(times.with_timezone("UTC")),
        ]
    }

    #[test]
    fn what_is_set_aside_comes_back_as_it_was_and_leaves_no_file() {
        let folder = tempfile::tempdir().unwrap();
        let spill = Spill::new(folder.path(), 3, 1).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        for from in (0..2_000).step_by(40) {
            let slices = columns(0..2_000);
            let slices: Vec<ArrayRef> = slices.iter().map(|all| all.slice(from, 40)).collect();
            let part: Vec<u32> = (0..40)
                .map(|row| if row == 7 { keys::NONE } else { row % 2 })
                .collect();
            spill.scatter(&part, &slices).unwrap();
            spill.put(2, &slices).unwrap();
        }
        assert!(spill.bytes() > 10_000);
        assert_eq!(spill.rows(0) + spill.rows(1), 2_000 - 50);
        let odd = stacked(spill.blocks(1).unwrap().collect::<Result<_>>().unwrap()).unwrap();
        let odd = odd[0].as_primitive::<Int64Type>();
        assert!(odd.values().iter().all(|row| row % 2 == 1 && row % 40 != 7));
        let mut blocks = spill.blocks(2).unwrap();
        let mut from = 0;
        while let Some(rows) = blocks.rows(333).unwrap() {
            let to = from + rows[0].len();
            assert!(to == from + 333 || to == 2_000);
            for (row, expected) in rows.iter().zip(columns(0..2_000)) {
                assert_eq!(row, &expected.slice(from, to - from));
            }
            from = to;
        }
        assert_eq!(from, 2_000);
    }

    #[test]
    fn a_folder_that_takes_no_file_is_named() {
        let error = Spill::new(Path::new("/proc/none"), 1, 1).unwrap_err();
        assert!(error.0.contains("`/proc/none`"), "{error}");
    }
}
