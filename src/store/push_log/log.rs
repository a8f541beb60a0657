//! The log of one dataset's pushed rows: appended to, synchronised, sealed.

use super::records::{self, record};
use super::{FULL, locked, sync_folder};
use crate::data::Frame;
use crate::data::pushed::{self, PushColumn};
use crate::data::segment::Segment;
use crate::domain::{Error, Result};
use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The pushed rows of one dataset.
pub(super) struct Log {
    folder: PathBuf,
    pub(super) open: Mutex<Open>,
    /// Bytes ever written, all files together; changed by who holds `open`.
    written: AtomicU64,
    /// Of all bytes ever written, how many are known to be on disk.
    synced: Mutex<u64>,
}

/// The log that is appended to.
pub(super) struct Open {
    number: u32,
    file: Option<Arc<File>>,
    columns: Vec<PushColumn>,
    /// Bytes of the file.
    long: u64,
}

impl Log {
    pub(super) fn open(folder: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&folder).map_err(|error| {
            Error::from(error).context(format!("making `{}`", folder.display()))
        })?;
        if let Some(above) = folder.parent() {
            sync_folder(above)?;
        }
        let mut number = 1;
        let mut left = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            let path = entry?.path();
            if let Some(segment) = Segment::of(&path) {
                number = number.max(segment.last + 1);
            }
            if let Some(this) = log_number(&path) {
                number = number.max(this + 1);
                left.push(this);
            }
        }
        let log = Self {
            folder,
            open: Mutex::new(Open {
                number,
                file: None,
                columns: Vec::new(),
                long: 0,
            }),
            written: AtomicU64::new(0),
            synced: Mutex::new(0),
        };
        left.sort_unstable();
        for number in left {
            log.seal_file(number)?;
        }
        Ok(log)
    }

    fn path(&self, number: u32, ending: &str) -> PathBuf {
        self.folder.join(format!("{number:06}.{ending}"))
    }

    /// Adds rows; returns the number of the log, and so of the segment, that has them.
    pub(super) fn append(&self, columns: &[PushColumn], rows: &Frame) -> Result<u32> {
        let mut bytes = Vec::new();
        for record in rows.to_records() {
            serde_json::to_writer(&mut bytes, &record)?;
            bytes.push(b'\n');
        }
        let mut open = locked(&self.open);
        if open.file.is_some() && (open.columns != columns || open.long >= FULL) {
            self.seal(&mut open)?;
        }
        if open.file.is_none() {
            self.begin(&mut open, columns)?;
        }
        self.write(&mut open, &bytes)?;
        let (file, end) = (open.file.clone(), self.written.load(Ordering::SeqCst));
        let number = open.number;
        drop(open);
        let mut synced = locked(&self.synced);
        if *synced < end
            && let Some(file) = file
        {
            // Whoever wrote meanwhile is synchronised with us. All of it is in this file: sealing it says so in `synced`
            // before anything is written to the next one.
            let all = self.written.load(Ordering::SeqCst);
            file.sync_data().map_err(|error| self.failed(&error))?;
            *synced = all;
        }
        Ok(number)
    }

    fn failed(&self, error: &dyn std::fmt::Display) -> Error {
        Error::unavailable(format!(
            "the pushed rows could not be written to `{}`: {error}; nothing was taken in",
            self.folder.display()
        ))
    }

    fn begin(&self, open: &mut Open, columns: &[PushColumn]) -> Result<()> {
        let path = self.path(open.number, "log");
        let file = File::options()
            .append(true)
            .create_new(true)
            .open(&path)
            .map_err(|error| self.failed(&error))?;
        sync_folder(&self.folder)?;
        open.file = Some(Arc::new(file));
        open.columns = columns.to_vec();
        open.long = 0;
        self.write(open, &serde_json::to_vec(columns)?)
    }

    fn write(&self, open: &mut Open, bytes: &[u8]) -> Result<()> {
        let Some(file) = &open.file else {
            return Err(Error::internal("the log of pushed rows is not open"));
        };
        let long = u32::try_from(bytes.len())
            .map_err(|_| Error::invalid("more than 4 GiB at once; push less"))?;
        let record = record(bytes, long);
        let mut writer: &File = file;
        if let Err(error) = writer.write_all(&record) {
            // what is half there must not stand in front of what comes
            if file.set_len(open.long).is_err() {
                open.file = None;
                open.number += 1;
            }
            return Err(self.failed(&error));
        }
        open.long += record.len() as u64;
        self.written
            .fetch_add(record.len() as u64, Ordering::SeqCst);
        Ok(())
    }

    pub(super) fn seal(&self, open: &mut Open) -> Result<()> {
        if open.file.is_none() {
            return Ok(());
        }
        self.seal_file(open.number)?;
        // the Parquet file is synchronised, and has all of it
        let mut synced = locked(&self.synced);
        *synced = self.written.load(Ordering::SeqCst);
        open.file = None;
        open.number += 1;
        Ok(())
    }

    fn seal_file(&self, number: u32) -> Result<()> {
        let (log, sealed) = (self.path(number, "log"), self.path(number, "parquet"));
        let is_there = super::listed(&self.folder)?.iter().any(|path| {
            Segment::of(path).is_some_and(|held| (held.first..=held.last).contains(&number))
        });
        if !is_there {
            let bytes = std::fs::read(&log).map_err(|error| {
                Error::from(error).context(format!("reading `{}`", log.display()))
            })?;
            let (columns, records) = records::read(&bytes)?;
            if !records.is_empty() {
                pushed::from_records(&records, &columns)?.write(&sealed)?;
            }
        }
        std::fs::remove_file(&log)
            .map_err(|error| Error::from(error).context(format!("removing `{}`", log.display())))?;
        sync_folder(&self.folder)
    }
}

/// The number of a log by its name; none of what is no log.
pub(super) fn log_number(path: &std::path::Path) -> Option<u32> {
    let is_log = path.extension().is_some_and(|ending| ending == "log");
    is_log
        .then(|| path.file_stem()?.to_str()?.parse().ok())
        .flatten()
}
