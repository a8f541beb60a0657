//! Numbered, append-only migrations, embedded in the binary.

use crate::domain::{Error, Result};
use rusqlite::Connection;

/// Every released step, in order. `PRAGMA user_version` counts those that were applied.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_tracking.sql"),
    include_str!("migrations/0002_platform.sql"),
    include_str!("migrations/0003_logged_models.sql"),
    include_str!("migrations/0004_purge.sql"),
    include_str!("migrations/0005_latest_by_run.sql"),
    include_str!("migrations/0006_access.sql"),
    include_str!("migrations/0007_profiles.sql"),
    include_str!("migrations/0008_catalog.sql"),
];

/// Brings the database up to date, each step in a transaction of its own.
pub fn migrate(connection: &mut Connection) -> Result<()> {
    let applied: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let applied = usize::try_from(applied).unwrap_or(usize::MAX);
    if applied > MIGRATIONS.len() {
        return Err(Error::conflict(format!(
            "the store was written by a newer trainyard (schema {applied}, this one knows {}): use that version",
            MIGRATIONS.len()
        )));
    }
    for (number, sql) in MIGRATIONS.iter().enumerate().skip(applied) {
        let transaction = connection.transaction()?;
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number as i64 + 1)?;
        transaction.commit()?;
    }
    Ok(())
}
