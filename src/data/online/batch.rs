//! Rows on their way from a worker to the store: one file, in order of key, with a checksum at its end.
//!
//! Records of `length u32 LE, bytes`: the header as JSON, then one for each row: `key length (LEB128), key, times, event,
//! created, source i32 LE, body` (`times`: bit 1 event there, bit 2 created there, each i64 LE). Then the CRC-32 of all that.

use super::{Layout, OnlineRow, put_count, take_bytes, take_count};
use crate::data::{Error, Result};
use flate2::Crc;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::path::Path;

/// What a batch is, before its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its own name, like no other's: so that it is known again.
    pub id: String,
    /// The columns of the rows.
    pub layout: Layout,
    /// Which of them are windows, so that they change without a new fact.
    pub windows: Vec<usize>,
    /// A row's body where no event is in any window; the other columns are null.
    pub empty: Vec<u8>,
    /// Rows that follow.
    pub rows: u64,
}

/// Rows with what they are; see the module's text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// What they are.
    pub header: Header,
    /// In order of key, each key once.
    pub rows: Vec<OnlineRow>,
}

const EVENT: u8 = 1;
const CREATED: u8 = 2;

impl Batch {
    /// Writes the file under a temporary name, fsyncs, renames.
    pub fn write(&self, path: &Path) -> Result<()> {
        let failed =
            |error: std::io::Error| Error::new(format!("writing `{}`: {error}", path.display()));
        let temporary = path.with_extension("part");
        let write = || -> std::io::Result<()> {
            let file = File::create(&temporary)?;
            let mut out = BufWriter::with_capacity(1 << 18, &file);
            let mut crc = Crc::new();
            let mut put = |bytes: &[u8]| {
                crc.update(bytes);
                out.write_all(bytes)
            };
            let header = serde_json::to_vec(&self.header)?;
            put(&length(&header)?)?;
            put(&header)?;
            let mut record = Vec::new();
            for row in &self.rows {
                record.clear();
                record.extend([0; 4]);
                put_row(&mut record, row);
                let long = length(&record[4..])?;
                record[..4].copy_from_slice(&long);
                put(&record)?;
            }
            let sum = crc.sum();
            out.write_all(&sum.to_le_bytes())?;
            out.flush()?;
            drop(out);
            file.sync_all()?;
            std::fs::rename(&temporary, path)
        };
        write().map_err(failed)
    }
}

fn length(record: &[u8]) -> std::io::Result<[u8; 4]> {
    u32::try_from(record.len())
        .map(u32::to_le_bytes)
        .map_err(|_| std::io::Error::other("a row is longer than 4 GiB"))
}

fn put_row(record: &mut Vec<u8>, row: &OnlineRow) {
    put_count(record, row.key.len() as u64);
    record.extend(&row.key);
    let there = |time: Option<i64>, bit: u8| if time.is_some() { bit } else { 0 };
    record.push(there(row.event, EVENT) | there(row.created, CREATED));
    for time in [row.event, row.created].into_iter().flatten() {
        record.extend(time.to_le_bytes());
    }
    record.extend(row.source.to_le_bytes());
    record.extend(&row.body);
}

/// A batch's file, its rows read one after the other. Whether it is whole is known at its end: the last answer of the
/// iterator is an error when it is not, so nothing may be made visible before.
pub struct BatchFile {
    /// What the rows are.
    pub header: Header,
    file: BufReader<File>,
    path: String,
    crc: Crc,
    record: Vec<u8>,
    left: u64,
    checked: bool,
}

impl BatchFile {
    /// Opens the file and reads its header.
    pub fn open(path: &Path) -> Result<Self> {
        let named = path.display().to_string();
        let file =
            File::open(path).map_err(|error| Error::new(format!("reading `{named}`: {error}")))?;
        let mut batch = Self {
            header: Header::default(),
            file: BufReader::with_capacity(1 << 18, file),
            path: named,
            crc: Crc::new(),
            record: Vec::new(),
            left: 0,
            checked: false,
        };
        batch.record()?;
        batch.header =
            serde_json::from_slice(&batch.record).map_err(|error| batch.damaged(&error))?;
        batch.left = batch.header.rows;
        Ok(batch)
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> Error {
        Error::new(format!(
            "`{}` is not whole: {error}; materialize the view again",
            self.path
        ))
    }

    /// The next bytes, into `self.record`.
    fn take(&mut self, count: usize) -> Result<()> {
        self.record.clear();
        let read = (&mut self.file)
            .take(count as u64)
            .read_to_end(&mut self.record)
            .map_err(|error| self.damaged(&error))?;
        if read < count {
            return Err(self.damaged(&"it ends too early"));
        }
        Ok(())
    }

    fn record(&mut self) -> Result<()> {
        self.take(4)?;
        self.crc.update(&self.record);
        let long = self
            .record
            .as_slice()
            .try_into()
            .map_or(0, u32::from_le_bytes);
        self.take(long as usize)?;
        self.crc.update(&self.record);
        Ok(())
    }

    fn row(&mut self) -> Result<OnlineRow> {
        self.record()?;
        row(&self.record).ok_or_else(|| self.damaged(&"a row is none"))
    }

    /// That the checksum is the one at the end of the file.
    fn check(&mut self) -> Result<()> {
        self.take(4)?;
        if self.record != self.crc.sum().to_le_bytes() {
            return Err(self.damaged(&"its checksum is another"));
        }
        Ok(())
    }
}

fn row(mut record: &[u8]) -> Option<OnlineRow> {
    let rest = &mut record;
    let long = usize::try_from(take_count(rest)?).ok()?;
    let key = take_bytes(rest, long)?.to_vec();
    let times = take_bytes(rest, 1)?[0];
    let mut time = |bit: u8| -> Option<Option<i64>> {
        if times & bit == 0 {
            return Some(None);
        }
        let bytes = take_bytes(rest, 8)?.try_into().ok()?;
        Some(Some(i64::from_le_bytes(bytes)))
    };
    let event = time(EVENT)?;
    let created = time(CREATED)?;
    let source = i32::from_le_bytes(take_bytes(rest, 4)?.try_into().ok()?);
    Some(OnlineRow {
        key,
        event,
        created,
        source,
        body: rest.to_vec(),
    })
}

impl Iterator for BatchFile {
    type Item = Result<OnlineRow>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left > 0 {
            self.left -= 1;
            let row = self.row();
            if row.is_err() {
                (self.left, self.checked) = (0, true);
            }
            return Some(row);
        }
        if self.checked {
            return None;
        }
        self.checked = true;
        self.check().err().map(Err)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn batch() -> Batch {
        let row = |key: &[u8], event, created, source| OnlineRow {
            key: key.to_vec(),
            event,
            created,
            source,
            body: vec![0; 200],
        };
        let rows = vec![
            row(b"a", Some(-7), None, 0),
            row(b"b", None, None, -1),
            row(&[b'c'; 300], Some(1), Some(2), 9),
        ];
        let header = Header {
            rows: rows.len() as u64,
            ..Header::default()
        };
        Batch { header, rows }
    }

    #[test]
    fn a_batch_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("online.rows");
        let batch = batch();
        batch.write(&path).unwrap();
        let file = BatchFile::open(&path).unwrap();
        assert_eq!(file.header, batch.header);
        let rows: Vec<OnlineRow> = file.collect::<Result<_>>().unwrap();
        assert_eq!(rows, batch.rows);
    }

    #[test]
    fn a_batch_that_is_cut_or_changed_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("online.rows");
        batch().write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let read = |bytes: &[u8]| -> Result<Vec<OnlineRow>> {
            std::fs::write(&path, bytes).unwrap();
            BatchFile::open(&path)?.collect()
        };
        for end in 0..whole.len() {
            assert!(read(&whole[..end]).is_err(), "{end}");
        }
        let mut changed = whole.clone();
        let last = changed.len() - 20;
        changed[last] ^= 1;
        assert!(read(&changed).unwrap_err().0.contains("checksum"));
        assert_eq!(read(&whole).unwrap().len(), 3);
    }
}
