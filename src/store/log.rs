//! When a commit is on disk.
//!
//! The connection that writes does not wait for the disk itself (`synchronous = normal`: a commit is in the write-ahead log,
//! which survives the end of the process but not a loss of power). Who committed synchronises the log before anybody is
//! answered; meanwhile the next commit is prepared. What lies in the log before a commit is on disk with it, so one
//! synchronisation counts for all commits before it began. Folding the log into the database, and beginning it anew,
//! SQLite synchronises by itself.

use crate::domain::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// The write-ahead log of a database; or nothing, where SQLite itself waits for the disk.
pub(super) struct Log {
    path: Option<PathBuf>,
    /// Commits in the log.
    written: AtomicU64,
    /// The disk refused once: it may have dropped what it had, and would not say so again.
    failed: AtomicBool,
    synced: Mutex<Synced>,
}

#[derive(Default)]
struct Synced {
    /// Opened when there is something in it; it stays the same file as long as a connection is open.
    file: Option<File>,
    /// Commits on disk.
    commits: u64,
}

impl Log {
    /// Of the database at `path`, whose commits are not on disk when they return.
    pub(super) fn of(path: &Path) -> Self {
        let mut name = path.as_os_str().to_owned();
        name.push("-wal");
        Self {
            path: Some(PathBuf::from(name)),
            ..Self::none()
        }
    }

    /// Of a database whose commits are on disk when they return.
    pub(super) fn none() -> Self {
        Self {
            path: None,
            written: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            synced: Mutex::default(),
        }
    }

    /// Fails when the disk failed before.
    pub(super) fn usable(&self) -> Result<()> {
        if self.failed.load(Ordering::Acquire) {
            return Err(failed());
        }
        Ok(())
    }

    /// One more commit is in the log; its number. To be asked by the only one who commits.
    pub(super) fn written(&self) -> u64 {
        self.written.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Returns when the commit of this number is on disk.
    pub(super) fn sync(&self, commit: u64) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let mut synced = self.synced.lock().unwrap_or_else(PoisonError::into_inner);
        self.usable()?;
        if synced.commits >= commit {
            return Ok(());
        }
        // all that is in the log by now
        let commits = self.written.load(Ordering::Acquire);
        let outcome = match &synced.file {
            Some(file) => file.sync_data(),
            None => File::open(path).and_then(|file| {
                file.sync_data()?;
                synced.file = Some(file);
                Ok(())
            }),
        };
        if let Err(error) = outcome {
            self.failed.store(true, Ordering::Release);
            return Err(failed().because(error));
        }
        synced.commits = commits;
        Ok(())
    }
}

fn failed() -> Error {
    Error::unavailable(
        "the disk failed: what was written last may not be on it; nothing more is written until a restart",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::domain::ErrorKind;

    #[test]
    fn one_synchronisation_counts_for_all_commits_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        std::fs::write(folder.path().join("store.db-wal"), "frames").unwrap();
        let log = Log::of(&path);
        let (first, second) = (log.written(), log.written());
        log.sync(second).unwrap();
        assert_eq!(log.synced.lock().unwrap().commits, second);
        let third = log.written();
        log.sync(first).unwrap();
        assert_eq!(log.synced.lock().unwrap().commits, second);
        log.sync(third).unwrap();
        assert_eq!(log.synced.lock().unwrap().commits, third);
    }

    #[test]
    fn a_disk_that_failed_once_is_not_trusted_again() {
        let folder = tempfile::tempdir().unwrap();
        let log = Log::of(&folder.path().join("store.db"));
        log.usable().unwrap();
        assert_eq!(
            log.sync(log.written()).unwrap_err().kind,
            ErrorKind::Unavailable
        );
        std::fs::write(folder.path().join("store.db-wal"), "frames").unwrap();
        assert!(log.usable().is_err());
        assert!(log.sync(log.written()).is_err());
    }
}
