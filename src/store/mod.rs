//! The only SQL in the program, and the files of runs: one writer, pooled read-only readers, WAL.
//! Knows nothing of HTTP, events or what jobs do. A function here takes a transaction or a
//! connection and typed arguments, returns domain types, and holds the only copy of its SQL.
//!
//! All writes go through one connection. Whatever waits in the line before it is done in one transaction, each
//! change in a savepoint of its own, and committed (synchronised to disk) once: many small writers
//! share the price of one `fsync`, and a change that fails takes nothing else with it. Nobody is
//! told of a change before it is on disk.

pub mod acting;
pub mod artifacts;
pub mod audit;
pub mod board;
pub mod catalog;
pub mod conditions;
pub mod drift;
pub mod experiments;
pub mod files;
pub mod inference_log;
pub mod jobs;
mod log;
pub mod logged_models;
pub mod metrics;
pub mod migrate;
pub mod mlflow_db;
pub mod model_pages;
pub mod model_versions;
pub mod notices;
pub mod online;
pub mod pipelines;
pub mod profiles;
pub mod purge;
pub mod push_log;
mod readers;
pub mod registered_models;
pub mod registry;
pub mod relations;
pub mod runs;
pub mod search;
pub mod table;
pub mod tokens;
pub mod transfer;
pub mod view_versions;
mod writer;

use crate::domain::{Error, Result};
use log::Log;
use readers::Readers;

pub use rusqlite::{Connection, Transaction};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use writer::Writer;

/// Prepared statements kept per connection.
const STATEMENTS: usize = 128;
/// KiB of pages that a connection keeps: the upper parts of the trees of a large database fit, and what a group of
/// batches changes, so that no page goes to the log twice.
const CACHE: i64 = 8 * 1024;
/// Pages of the write-ahead log that are folded into the database at once: a page that many batches touch is then
/// written there once (16 MiB of log; SQLite's own limit of a quarter of it cost a tenth of a batch).
const FOLDED: i64 = 4000;
/// How long to wait for another process that holds the database (a backup, a shell).
const BUSY: Duration = Duration::from_secs(5);

/// The workspace's database.
pub struct Store {
    readers: Arc<Readers>,
    writer: Writer,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                Error::unavailable("the disk is full: nothing was written").because(error)
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::internal(
                "the database file is damaged: restore it from a copy, or move it away to begin anew",
            )
            .because(error),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::unavailable("another program holds the database: close it and try again")
                    .because(error)
            }
            Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
                Error::unavailable("the database may not be written: check its owner and mode")
                    .because(error)
            }
            Some(ErrorCode::CannotOpen) => {
                Error::unavailable("the database cannot be opened").because(error)
            }
            Some(ErrorCode::SystemIoFailure) => {
                Error::unavailable("the disk failed: nothing was written").because(error)
            }
            _ => Error::internal("database").because(error),
        }
    }
}

impl Store {
    /// Opens the database at `path`, making or migrating it, and starts its writer.
    /// Errors name the file: damaged, written by a newer version, held by another program.
    pub fn open(path: &Path) -> Result<Self> {
        Self::open_as(path, migrate::migrate)
    }

    /// The same for a database of another form: `prepare` makes its tables or brings them up to date.
    pub(crate) fn open_as(
        path: &Path,
        prepare: impl FnOnce(&mut Connection) -> Result<()>,
    ) -> Result<Self> {
        let named = |error: Error| error.context(format!("opening `{}`", path.display()));
        let (connection, log) = writable(path, prepare).map_err(named)?;
        let readers = Arc::new(Readers::of(path));
        Ok(Self {
            writer: Writer::new(Arc::clone(&readers), connection, log),
            readers,
        })
    }

    /// Runs `change` in a transaction and returns after it is on disk. When it fails (or panics),
    /// nothing of it stays. Must not be called from inside another change.
    pub fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.writer.write(change)
    }

    /// Runs `query` on a read-only connection: one consistent view of all that is committed.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.readers.read(query)
    }
}

fn writable(
    path: &Path,
    prepare: impl FnOnce(&mut Connection) -> Result<()>,
) -> Result<(Connection, Log)> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    let journal: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", FOLDED)?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    prepare(&mut connection)?;
    // A file system without shared memory has no write-ahead log: there SQLite goes on waiting for the disk.
    let log = if journal == "wal" {
        connection.pragma_update(None, "synchronous", "normal")?;
        Log::of(path)
    } else {
        Log::none()
    };
    Ok((connection, log))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::domain::ErrorKind;
    use std::sync::Arc;

    fn scratch() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        (folder, store)
    }

    fn notices(store: &Store) -> i64 {
        store
            .read(|view| Ok(view.query_row("select count(*) from notices", [], |row| row.get(0))?))
            .unwrap()
    }

    fn insert(transaction: &Transaction<'_>) -> Result<()> {
        transaction.execute(
            "insert into notices (at, level, text) values (1, 'info', 'x')",
            [],
        )?;
        Ok(())
    }

    #[test]
    fn a_failed_change_takes_nothing_else_with_it() {
        let (_folder, store) = scratch();
        let store = Arc::new(store);
        let threads: Vec<_> = (0..64)
            .map(|number| {
                let store = Arc::clone(&store);
                std::thread::spawn(move || {
                    store.write(move |transaction| {
                        insert(transaction)?;
                        match number % 4 {
                            0 => Err(Error::invalid("refused")),
                            1 => panic!("a defect"),
                            _ => Ok(number),
                        }
                    })
                })
            })
            .collect();
        let kept = threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap().ok())
            .count();
        assert_eq!(kept, 32);
        assert_eq!(notices(&store), 32);
    }

    #[test]
    fn readers_may_not_write() {
        let (_folder, store) = scratch();
        let outcome = store.read(|view| {
            view.execute("delete from notices", [])?;
            Ok(())
        });
        assert_eq!(outcome.unwrap_err().kind, ErrorKind::Unavailable);
    }

    #[test]
    fn damaged_and_newer_files_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        std::fs::write(&path, vec![7_u8; 8192]).unwrap();
        let error = Store::open(&path).err().unwrap();
        assert!(error.to_string().contains("damaged"), "{error}");
        assert!(error.to_string().contains("store.db"), "{error}");
        std::fs::remove_file(&path).unwrap();
        Connection::open(&path)
            .unwrap()
            .pragma_update(None, "user_version", 999)
            .unwrap();
        let error = Store::open(&path).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Conflict);
    }
}
