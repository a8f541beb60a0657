//! Rows that were pushed into a dataset: on disk before the push is answered, part of the dataset from then on.
//!
//! A folder for each dataset. Pushes are appended to `000007.log` (records of `length u32 LE, CRC-32 LE, bytes`: the columns
//! first, then the rows of each push) and synchronised, several at once sharing the price. When the dataset is read, the log
//! is sealed: its rows become `000007.parquet`, which never changes again, and the log goes. A record that a crash cut off
//! was not answered, and is left out; a log whose Parquet file is there was sealed, and is removed.

use crate::data::Frame;
use crate::data::pushed::{self, PushColumn};
use crate::domain::{Error, Result};
use flate2::Crc;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A log of this many bytes is sealed by itself.
const FULL: u64 = 32 << 20;

/// See the module's text.
pub struct PushLog {
    root: PathBuf,
    logs: Mutex<HashMap<String, Arc<Log>>>,
}

/// Whether a file is one that this makes, and no file that somebody gave.
pub fn is_segment(path: &Path) -> bool {
    let mut folders = path.ancestors().skip(2);
    folders
        .next()
        .is_some_and(|folder| folder.ends_with(".trainyard/pushed"))
}

impl PushLog {
    /// In this folder, which need not exist.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            logs: Mutex::default(),
        }
    }

    /// The glob of a dataset's sealed rows.
    pub fn pattern(&self, dataset: &str) -> String {
        let folder = glob::Pattern::escape(&self.root.to_string_lossy());
        format!("{folder}/{}/*.parquet", glob::Pattern::escape(dataset))
    }

    fn log(&self, dataset: &str) -> Result<Arc<Log>> {
        let mut logs = locked(&self.logs);
        if let Some(log) = logs.get(dataset) {
            return Ok(Arc::clone(log));
        }
        // a dataset is a table's name in a file of ours, but it need not be a folder's
        if dataset.is_empty() || dataset.starts_with('.') || dataset.contains(['/', '\0']) {
            return Err(Error::invalid(format!(
                "dataset `{dataset}` cannot take rows: its name cannot be that of a folder"
            )));
        }
        let log = Arc::new(Log::open(self.root.join(dataset))?);
        logs.insert(dataset.to_owned(), Arc::clone(&log));
        Ok(log)
    }

    /// Adds rows to a dataset of these columns. They are on disk when this returns.
    pub fn append(&self, dataset: &str, columns: &[PushColumn], rows: &Frame) -> Result<()> {
        self.log(dataset)?.append(columns, rows)
    }

    /// Makes everything that was pushed into a dataset part of its files.
    pub fn seal(&self, dataset: &str) -> Result<()> {
        if !self.root.join(dataset).is_dir() {
            return Ok(());
        }
        let log = self.log(dataset)?;
        let mut open = locked(&log.open);
        log.seal(&mut open)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The pushed rows of one dataset.
struct Log {
    folder: PathBuf,
    open: Mutex<Open>,
    /// Bytes ever written, all files together; changed by who holds `open`.
    written: AtomicU64,
    /// Of all bytes ever written, how many are known to be on disk.
    synced: Mutex<u64>,
}

/// The log that is appended to.
struct Open {
    number: u32,
    file: Option<Arc<File>>,
    columns: Vec<PushColumn>,
    /// Bytes of the file.
    long: u64,
}

impl Log {
    fn open(folder: PathBuf) -> Result<Self> {
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
            let named = path
                .file_stem()
                .and_then(|stem| stem.to_str()?.parse::<u32>().ok());
            let Some(this) = named else { continue };
            number = number.max(this + 1);
            if path.extension().is_some_and(|ending| ending == "log") {
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

    fn append(&self, columns: &[PushColumn], rows: &Frame) -> Result<()> {
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
        Ok(())
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
        let mut crc = Crc::new();
        crc.update(bytes);
        let mut record = Vec::with_capacity(bytes.len() + 8);
        record.extend(long.to_le_bytes());
        record.extend(crc.sum().to_le_bytes());
        record.extend(bytes);
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

    fn seal(&self, open: &mut Open) -> Result<()> {
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
        if !sealed.exists() {
            let (columns, records) = read(&log)?;
            if !records.is_empty() {
                pushed::from_records(&records, &columns)?.write(&sealed)?;
            }
        }
        std::fs::remove_file(&log)
            .map_err(|error| Error::from(error).context(format!("removing `{}`", log.display())))?;
        sync_folder(&self.folder)
    }
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::from(error).context(format!("writing `{}`", folder.display())))
}

/// Rows as JSON objects.
type Records = Vec<Map<String, Value>>;

/// The whole records of a log, up to the first that is cut off.
fn read(path: &Path) -> Result<(Vec<PushColumn>, Records)> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|mut file| file.read_to_end(&mut bytes))
        .map_err(|error| Error::from(error).context(format!("reading `{}`", path.display())))?;
    let mut rest = bytes.as_slice();
    let mut columns: Option<Vec<PushColumn>> = None;
    let mut records = Vec::new();
    while let Some(record) = next(&mut rest) {
        if columns.is_none() {
            columns = Some(serde_json::from_slice(record)?);
            continue;
        }
        for line in record
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            records.push(serde_json::from_slice(line)?);
        }
    }
    Ok((columns.unwrap_or_default(), records))
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(8)?;
    let long = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let (record, tail) = tail.split_at_checked(long)?;
    let mut crc = Crc::new();
    crc.update(record);
    if crc.sum().to_le_bytes() != head[4..] {
        return None;
    }
    *rest = tail;
    Some(record)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::dataset::ColumnKind;
    use std::collections::BTreeMap;

    fn columns() -> Vec<PushColumn> {
        [("who", ColumnKind::Text), ("n", ColumnKind::Integer)]
            .map(|(name, kind)| PushColumn {
                name: name.into(),
                kind,
                zoned: false,
            })
            .to_vec()
    }

    fn rows(from: i64, count: i64) -> Frame {
        let numbers: Vec<Value> = (from..from + count).map(Value::from).collect();
        let came = BTreeMap::from([("n".to_owned(), numbers)]);
        pushed::check(&came, &columns()).unwrap()
    }

    fn sealed(root: &Path) -> Vec<f64> {
        let snapshot =
            crate::data::source::snapshot("d", root, &PushLog::new(root.into()).pattern("d"), &[]);
        let files: Vec<PathBuf> = snapshot
            .unwrap()
            .files
            .iter()
            .map(|file| PathBuf::from(&file.path))
            .collect();
        if files.is_empty() {
            return Vec::new();
        }
        let frame = crate::data::source::read(&files, None).unwrap();
        frame.numbers("n").unwrap()
    }

    #[test]
    fn what_was_pushed_is_in_the_dataset_once_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let log = PushLog::new(folder.path().into());
        log.seal("d").unwrap();
        log.append("d", &columns(), &rows(0, 2)).unwrap();
        log.append("d", &columns(), &rows(2, 1)).unwrap();
        assert!(sealed(folder.path()).is_empty());
        log.seal("d").unwrap();
        log.seal("d").unwrap();
        log.append("d", &columns(), &rows(3, 1)).unwrap();
        assert_eq!(sealed(folder.path()), [0.0, 1.0, 2.0]);
        // the next daemon finds what the last one left
        let next = PushLog::new(folder.path().into());
        next.seal("d").unwrap();
        assert_eq!(sealed(folder.path()), [0.0, 1.0, 2.0, 3.0]);
        assert!(next.append("..", &columns(), &rows(0, 1)).is_err());
    }

    #[test]
    fn a_record_that_was_cut_off_is_left_out_and_nothing_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let log = PushLog::new(folder.path().into());
        log.append("d", &columns(), &rows(0, 1)).unwrap();
        let path = folder.path().join("d/000001.log");
        let whole = std::fs::metadata(&path).unwrap().len();
        log.append("d", &columns(), &rows(1, 3)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        for end in whole as usize..bytes.len() {
            std::fs::write(&path, &bytes[..end]).unwrap();
            let next = PushLog::new(folder.path().into());
            next.seal("d").unwrap();
            assert_eq!(sealed(folder.path()), [0.0]);
            std::fs::remove_file(folder.path().join("d/000001.parquet")).unwrap();
        }
        // sealed, but the log was not removed any more
        std::fs::write(&path, &bytes).unwrap();
        PushLog::new(folder.path().into()).seal("d").unwrap();
        std::fs::write(&path, &bytes).unwrap();
        PushLog::new(folder.path().into()).seal("d").unwrap();
        assert_eq!(sealed(folder.path()), [0.0, 1.0, 2.0, 3.0]);
    }

    #[test]
    fn many_push_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let log = PushLog::new(folder.path().into());
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let log = &log;
                scope.spawn(move || {
                    for number in 0..20 {
                        let rows = rows(thread * 20 + number, 1);
                        log.append("d", &columns(), &rows).unwrap();
                        if number == 7 {
                            log.seal("d").unwrap();
                        }
                    }
                });
            }
        });
        log.seal("d").unwrap();
        let mut all = sealed(folder.path());
        all.sort_by(f64::total_cmp);
        assert_eq!(all, (0..160).map(f64::from).collect::<Vec<_>>());
    }
}
