//! The only SQL in the program, and the files of runs: one writer, pooled read-only readers, WAL.
//! Knows nothing of HTTP, events or what jobs do. A function here takes a transaction or a
//! connection and typed arguments, returns domain types, and holds the only copy of its SQL.
//!
//! All writes go through one thread. Whatever waits in its queue is done in one transaction, each
//! change in a savepoint of its own, and committed (synchronised to disk) once: many small writers
//! share the price of one `fsync`, and a change that fails takes nothing else with it.

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
pub mod registered_models;
pub mod registry;
pub mod relations;
pub mod runs;
pub mod search;
pub mod table;
pub mod tokens;
pub mod transfer;
pub mod view_versions;

use crate::domain::{Error, ErrorKind, Result};
use rusqlite::{OpenFlags, TransactionBehavior};

pub use rusqlite::{Connection, Transaction};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// Changes committed together at most: bounds how long the first of them waits.
const GROUP: usize = 256;
/// Idle read-only connections kept.
const READERS: usize = 8;
/// Prepared statements kept per connection.
const STATEMENTS: usize = 128;
/// KiB of pages that a reader keeps: the upper parts of the trees of a large database fit.
const CACHE: i64 = 8 * 1024;
/// Pages of the write-ahead log that are folded into the database at once: a page that many batches touch is then
/// written there once (16 MiB of log; SQLite's own limit of a quarter of it cost a tenth of a batch).
const FOLDED: i64 = 4000;
/// How long to wait for another process that holds the database (a backup, a shell).
const BUSY: Duration = Duration::from_secs(5);

/// Answers one change after the commit: nothing, or why the commit failed.
type Settle = Box<dyn FnOnce(Option<&Failed>) + Send>;
/// One queued change. Inside the group's transaction it does its work and says whether to keep it;
/// without one (the group failed before its turn) it only passes the reason on.
type Change = Box<dyn FnOnce(Option<&Transaction<'_>>) -> (bool, Settle) + Send>;

/// Why a whole group was not committed; every change of the group gets its own copy.
struct Failed {
    kind: ErrorKind,
    message: String,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self {
            kind: error.kind,
            message: error.to_string(),
        }
    }
}

/// The workspace's database.
pub struct Store {
    queue: Option<Sender<Change>>,
    writer: Option<JoinHandle<()>>,
    readers: Mutex<Vec<Connection>>,
    path: PathBuf,
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
        let connection = writable(path, prepare).map_err(named)?;
        let (queue, changes) = channel();
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_loop(connection, &changes))?;
        Ok(Self {
            queue: Some(queue),
            writer: Some(writer),
            readers: Mutex::new(Vec::new()),
            path: path.to_owned(),
        })
    }

    /// Runs `change` in a transaction and returns after it is on disk. When it fails (or panics),
    /// nothing of it stays. Must not be called from inside another change.
    pub fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (Some(queue), Some(writer)) = (&self.queue, &self.writer) else {
            return Err(Error::unavailable("the store is closed"));
        };
        if writer.thread().id() == std::thread::current().id() {
            return Err(Error::internal("a change tried to start another one"));
        }
        let (answer, answered) = channel();
        let change = acting_change(change);
        let change: Change = Box::new(move |transaction| {
            let outcome = match transaction {
                Some(transaction) => catch_unwind(AssertUnwindSafe(|| change(transaction)))
                    .unwrap_or_else(|_| Err(Error::internal("a change to the store panicked"))),
                None => Err(Error::unavailable("nothing was written")),
            };
            let keep = outcome.is_ok();
            let ran = transaction.is_some();
            let settle: Settle = Box::new(move |failed| {
                let outcome = match (outcome, failed) {
                    (Err(own), Some(_)) if ran => Err(own),
                    (_, Some(failed)) => Err(Error::new(failed.kind, failed.message.clone())),
                    (outcome, None) => outcome,
                };
                // Nobody waits any more when the asking thread is gone: nothing to tell.
                let _ = answer.send(outcome);
            });
            (keep, settle)
        });
        queue
            .send(change)
            .map_err(|_| Error::unavailable("the store's writer has stopped"))?;
        answered
            .recv()
            .map_err(|_| Error::unavailable("the store's writer has stopped"))?
    }

    /// Runs `query` on a read-only connection: one consistent view of all that is committed.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let pooled = match self.readers.lock() {
            Ok(mut readers) => readers.pop(),
            Err(poisoned) => poisoned.into_inner().pop(),
        };
        let mut connection = match pooled {
            Some(connection) => connection,
            None => readable(&self.path)?,
        };
        let answer = {
            let view = connection.transaction()?;
            let answer = query(&view);
            view.finish()?;
            answer
        };
        if let Ok(mut readers) = self.readers.lock()
            && readers.len() < READERS
        {
            readers.push(connection);
        }
        answer
    }
}

impl Drop for Store {
    /// Finishes what is queued, then closes the database (which folds the write-ahead log in).
    fn drop(&mut self) {
        self.queue = None;
        if let Ok(mut readers) = self.readers.lock() {
            readers.clear();
        }
        if let Some(writer) = self.writer.take() {
            // A panicked writer has nothing more to say; its queue is gone with it.
            let _ = writer.join();
        }
    }
}

/// The change in the name of who asks for it: it runs on the writer's thread.
fn acting_change<T>(
    change: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
) -> impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static {
    let actor = acting::current();
    move |transaction| acting::on_behalf(actor, || change(transaction))
}

fn writable(
    path: &Path,
    prepare: impl FnOnce(&mut Connection) -> Result<()>,
) -> Result<Connection> {
    let mut connection = Connection::open(path)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "wal_autocheckpoint", FOLDED)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    prepare(&mut connection)?;
    Ok(connection)
}

fn readable(path: &Path) -> Result<Connection> {
    // Opened for writing because a reader of a write-ahead log writes its shared memory file;
    // `query_only` refuses everything else.
    let connection = Connection::open_with_flags(
        path,
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX,
    )?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "query_only", true)?;
    connection.pragma_update(None, "cache_size", -CACHE)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// The writer thread: takes what waits, does it in one transaction, commits, answers.
fn write_loop(mut connection: Connection, changes: &Receiver<Change>) {
    while let Ok(first) = changes.recv() {
        let mut group = VecDeque::from([first]);
        while group.len() < GROUP
            && let Ok(next) = changes.try_recv()
        {
            group.push_back(next);
        }
        let mut settled = Vec::with_capacity(group.len());
        let failed = write_group(&mut connection, &mut group, &mut settled)
            .err()
            .map(Failed::from);
        settled.extend(group.into_iter().map(|change| change(None).1));
        for settle in settled {
            settle(failed.as_ref());
        }
    }
}

/// Runs the group and commits. An error concerns all of it: nothing is on disk, and what is still in
/// `group` did not run.
fn write_group(
    connection: &mut Connection,
    group: &mut VecDeque<Change>,
    settled: &mut Vec<Settle>,
) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    while let Some(change) = group.pop_front() {
        transaction
            .prepare_cached("savepoint change")?
            .execute([])?;
        let (keep, settle) = change(Some(&transaction));
        settled.push(settle);
        if transaction.is_autocommit() {
            // A full disk or a failed write makes SQLite roll the whole transaction back by itself.
            return Err(Error::unavailable(
                "the disk is full or failed: nothing was written",
            ));
        }
        if !keep {
            transaction
                .prepare_cached("rollback to change")?
                .execute([])?;
        }
        transaction.prepare_cached("release change")?.execute([])?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
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
