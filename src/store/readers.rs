//! The connections that read. One that comes back while nothing was written since it began keeps its view: who reads next
//! need not begin one, which costs two calls of the kernel under a lock of the whole process. Before anything is written all
//! kept views are given up, so that each is of all that is committed, and none holds the write-ahead log back.

use super::{BUSY, CACHE, STATEMENTS};
use crate::domain::Result;
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Idle connections kept.
const KEPT: usize = 8;

/// See the module's text.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    connections: Vec<Connection>,
    /// Beginnings and ends of writing: odd as long as somebody writes.
    turns: u64,
}

/// Somebody writes; until this is dropped no view is kept.
pub(super) struct Writing<'a>(&'a Readers);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.idle().turns += 1;
    }
}

impl Readers {
    /// Of the database at `path`.
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `query` on a connection with one consistent view of all that is committed.
    pub(super) fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let (kept, turns) = {
            let mut idle = self.idle();
            (idle.connections.pop(), idle.turns)
        };
        let connection = match kept {
            Some(connection) => connection,
            None => readable(&self.path)?,
        };
        // Prepared once: a look-up of one row costs little more. Whatever fails, this connection is given up and its view ends.
        if connection.is_autocommit() {
            connection.prepare_cached("begin")?.execute([])?;
        }
        let answer = query(&connection);
        if let Some(connection) = self.keep_view(connection, turns) {
            end(&connection)?;
            let mut idle = self.idle();
            if idle.connections.len() < KEPT {
                idle.connections.push(connection);
            }
        }
        answer
    }

    /// Keeps a connection with its view, which began at `turns`; or gives it back when that may not be kept.
    fn keep_view(&self, connection: Connection, turns: u64) -> Option<Connection> {
        let mut idle = self.idle();
        let unchanged = idle.turns == turns && turns.is_multiple_of(2);
        if unchanged && idle.connections.len() < KEPT {
            idle.connections.push(connection);
            return None;
        }
        Some(connection)
    }

    /// Gives all kept views up: somebody is about to write.
    pub(super) fn writing(&self) -> Writing<'_> {
        let mut idle = self.idle();
        idle.turns += 1;
        // one that cannot even end its view is of no use
        idle.connections
            .retain(|connection| end(connection).is_ok());
        drop(idle);
        Writing(self)
    }
}

fn end(connection: &Connection) -> Result<()> {
    if !connection.is_autocommit() {
        connection.prepare_cached("commit")?.execute([])?;
    }
    Ok(())
}

pub(super) fn readable(path: &Path) -> Result<Connection> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::store::Store;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

    fn store() -> (tempfile::TempDir, Store) {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open_as(&folder.path().join("some.db"), |connection| {
            Ok(connection
                .execute_batch("create table one (n integer); insert into one values (0)")?)
        });
        (folder, store.unwrap())
    }

    fn seen(store: &Store) -> i64 {
        let query =
            |view: &Connection| Ok(view.query_row("select max(n) from one", [], |row| row.get(0))?);
        store.read(query).unwrap()
    }

    fn add(store: &Store, n: i64) {
        let change = move |transaction: &rusqlite::Transaction<'_>| {
            Ok(transaction.execute("insert into one values (?1)", [n])?)
        };
        store.write(change).unwrap();
    }

    fn kept_views(store: &Store) -> usize {
        let idle = store.readers.idle();
        let kept = idle.connections.iter();
        kept.filter(|connection| !connection.is_autocommit())
            .count()
    }

    #[test]
    fn a_view_is_kept_until_somebody_writes() {
        let (_folder, store) = store();
        assert_eq!((seen(&store), kept_views(&store)), (0, 1));
        assert_eq!((seen(&store), kept_views(&store)), (0, 1));
        add(&store, 1);
        assert_eq!(kept_views(&store), 0);
        assert_eq!((seen(&store), kept_views(&store)), (1, 1));
        // one that began before a change is not kept after it
        store
            .read(|view| {
                let count = || view.query_row("select count(*) from one", [], |row| row.get(0));
                let before: i64 = count()?;
                add(&store, 2);
                let after: i64 = count()?;
                assert_eq!((before, after), (2, 2));
                Ok(())
            })
            .unwrap();
        assert_eq!(kept_views(&store), 0);
        assert_eq!(seen(&store), 2);
    }

    #[test]
    fn a_failed_change_leaves_readers_as_they_were() {
        let (_folder, store) = store();
        let failed = store.write(|transaction| {
            transaction.execute("insert into one values (7)", [])?;
            Err::<(), _>(crate::domain::Error::invalid("no"))
        });
        assert!(failed.is_err());
        assert_eq!((seen(&store), kept_views(&store)), (0, 1));
    }

    #[test]
    fn whoever_reads_sees_what_was_acknowledged_before() {
        let (_folder, store) = store();
        let (acknowledged, done) = (AtomicI64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while !done.load(Ordering::SeqCst) {
                        let least = acknowledged.load(Ordering::SeqCst);
                        assert!(seen(&store) >= least);
                    }
                });
            }
            for n in 1..300 {
                add(&store, n);
                acknowledged.store(n, Ordering::SeqCst);
            }
            done.store(true, Ordering::SeqCst);
        });
    }

    #[test]
    fn kept_views_do_not_hold_the_log_back() {
        let (folder, store) = store();
        for n in 0..40 {
            store
                .write(move |transaction| {
                    let blob = "insert into one select zeroblob(1000000) from (values (1))";
                    Ok(transaction.execute(blob, []).map(|_| n)?)
                })
                .unwrap();
            store
                .read(|view| Ok(view.query_row("select count(*) from one", [], |_| Ok(()))?))
                .unwrap();
        }
        let log = folder.path().join("some.db-wal");
        let bytes = std::fs::metadata(log).unwrap().len();
        assert!(bytes < 30_000_000, "{bytes}");
    }
}
