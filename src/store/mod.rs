//! The only SQL in the program, and the files of runs: one writer, pooled read-only readers, WAL.
//! Knows nothing of HTTP, events or what jobs do. A function here takes a transaction or a
//! connection and typed arguments, returns domain types, and holds the only copy of its SQL.

pub mod audit;
pub mod catalog;
pub mod drift;
pub mod files;
pub mod inference_log;
pub mod migrate;
pub mod online;
pub mod registry;

use crate::domain::{Error, Result};
use rusqlite::{Connection, Transaction};
use std::path::Path;
use std::sync::Mutex;

/// The workspace's database.
pub struct Store {
    writer: Mutex<Connection>,
    path: std::path::PathBuf,
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode;
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                Error::unavailable("the disk is full: nothing was written").because(error)
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Error::internal("the database file is damaged").because(error)
            }
            _ => Error::internal("database").because(error),
        }
    }
}

impl Store {
    /// Opens the database at `path`, making or migrating it.
    pub fn open(path: &Path) -> Result<Self> {
        let mut connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", true)?;
        migrate::migrate(&mut connection)?;
        Ok(Self {
            writer: Mutex::new(connection),
            path: path.to_owned(),
        })
    }

    /// Runs `change` in a transaction and commits before it returns. When it fails, nothing of it stays.
    pub fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Transaction<'_>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let mut connection = self
            .writer
            .lock()
            .map_err(|_| Error::internal("the writer has panicked"))?;
        let transaction = connection.transaction()?;
        let value = change(&transaction)?;
        transaction.commit()?;
        Ok(value)
    }

    /// Runs `query` on a read-only connection: one consistent view of all that is committed.
    pub fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        let connection = Connection::open(&self.path)?;
        query(&connection)
    }
}
