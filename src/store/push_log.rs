//! Rows that were pushed into a dataset: on disk before the push is answered, part of the dataset from then on.
//!
//! A folder for each dataset. Pushes are appended to `000007.log` (`records`) and synchronised, several at once sharing the
//! price. When the dataset is read, the log is sealed: its rows become the segment `000007.parquet`, which never changes
//! again, and the log goes. A record that a crash cut off was not answered, and is left out; a log whose segment is there was
//! sealed, and is removed. Small segments are put together by somebody who has time (`merge`). Who does not hold the
//! workspace looks at segments and logs as they are (`look`).

mod log;
mod look;
mod merge;
mod records;
#[cfg(test)]
mod tests;

use crate::data::Frame;
use crate::data::pushed::PushColumn;
use crate::data::segment;
use crate::domain::{Error, Result};
use log::Log;
pub use look::Unsealed;
pub use merge::{Merged, Spared};
use std::collections::HashMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A log of this many bytes is sealed by itself.
const FULL: u64 = 32 << 20;

/// See the module's text.
pub struct PushLog {
    root: PathBuf,
    logs: Mutex<HashMap<String, Arc<Log>>>,
    /// One puts segments together at a time.
    merging: Mutex<()>,
}

impl PushLog {
    /// In this folder, which need not exist.
    pub fn new(root: PathBuf) -> Self {
        Self {
            root,
            logs: Mutex::default(),
            merging: Mutex::default(),
        }
    }

    /// The sealed rows of a dataset: files in order.
    pub fn segments(&self, dataset: &str) -> Result<Vec<PathBuf>> {
        let folder = self.root.join(dataset);
        if dataset.is_empty() || !folder.is_dir() {
            return Ok(Vec::new());
        }
        Ok(segment::in_force(listed(&folder)?).0)
    }

    /// The datasets that rows were pushed into.
    pub fn datasets(&self) -> Result<Vec<String>> {
        let Ok(entries) = std::fs::read_dir(&self.root) else {
            return Ok(Vec::new());
        };
        let mut names = Vec::new();
        for entry in entries {
            names.extend(entry?.file_name().into_string());
        }
        names.sort();
        Ok(names)
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

    /// Adds rows to a dataset of these columns. They are on disk when this returns: in the segment of the number returned,
    /// once it is sealed.
    pub fn append(&self, dataset: &str, columns: &[PushColumn], rows: &Frame) -> Result<u32> {
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

/// Everything in a dataset's folder.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let about = |error: std::io::Error| {
        Error::from(error).context(format!("looking into `{}`", folder.display()))
    };
    std::fs::read_dir(folder)
        .map_err(about)?
        .map(|entry| Ok(entry.map_err(about)?.path()))
        .collect()
}

fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| Error::from(error).context(format!("writing `{}`", folder.display())))
}
