//! Rows on their way from a worker to the store: one file, in order of key, with a checksum at its end.
//!
//! Records of `length u32 LE, bytes`: the header as JSON, then [packs](super::pack) of rows. Then the CRC-32 of all that.

use super::{Layout, OnlineRow, pack};
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
    /// In order of key, each key once; packed.
    pub packs: Vec<Vec<u8>>,
}

impl Batch {
    /// The rows, one by one.
    pub fn rows(&self) -> Result<Vec<OnlineRow>> {
        let rows = self.packs.iter().flat_map(|pack| pack::Rows::of(pack));
        rows.map(|row| Ok(row?.to_row())).collect()
    }

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
            for pack in &self.packs {
                put(&length(pack)?)?;
                put(pack)?;
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

/// A batch's file, its packs read one after the other. Whether it is whole is known at its end: the last answer of the
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

    fn pack(&mut self) -> Result<Vec<u8>> {
        self.record()?;
        let rows = pack::count(&self.record).unwrap_or(0) as u64;
        if rows == 0 || rows > self.left {
            return Err(self.damaged(&"its rows are not as many as it says"));
        }
        self.left -= rows;
        Ok(std::mem::take(&mut self.record))
    }

    /// The rows, one by one.
    pub fn rows(self) -> impl Iterator<Item = Result<OnlineRow>> {
        self.flat_map(|pack| match pack {
            Ok(pack) => pack::Rows::of(&pack).map(|row| Ok(row?.to_row())).collect(),
            Err(error) => vec![Err(error)],
        })
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

impl Iterator for BatchFile {
    type Item = Result<Vec<u8>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left > 0 {
            let pack = self.pack();
            if pack.is_err() {
                (self.left, self.checked) = (0, true);
            }
            return Some(pack);
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
        let packs = pack::Packs::of(rows.into_iter().map(Ok::<_, Error>));
        Batch {
            header,
            packs: packs.collect::<Result<_>>().unwrap(),
        }
    }

    #[test]
    fn a_batch_comes_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("online.rows");
        let batch = batch();
        batch.write(&path).unwrap();
        let file = BatchFile::open(&path).unwrap();
        assert_eq!(file.header, batch.header);
        let rows: Vec<OnlineRow> = file.rows().collect::<Result<_>>().unwrap();
        assert_eq!(rows, batch.rows().unwrap());
    }

    #[test]
    fn a_batch_that_is_cut_or_changed_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("online.rows");
        batch().write(&path).unwrap();
        let whole = std::fs::read(&path).unwrap();
        let read = |bytes: &[u8]| -> Result<Vec<OnlineRow>> {
            std::fs::write(&path, bytes).unwrap();
            BatchFile::open(&path)?.rows().collect()
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
