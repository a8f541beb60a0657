//! Notices: the message list. Only the newest are kept.

use crate::domain::{Result, Timestamp};
use rusqlite::{Connection, Transaction, params};

/// Notices kept.
const KEPT: i64 = 1000;

/// Adds a line, and drops the oldest beyond the limit.
pub fn insert(transaction: &Transaction<'_>, at: Timestamp, level: &str, text: &str) -> Result<()> {
    transaction
        .prepare_cached("insert into notices (at, level, text) values (?1, ?2, ?3)")?
        .execute(params![at.0, level, text])?;
    transaction
        .prepare_cached("delete from notices where id <= ?1")?
        .execute([transaction.last_insert_rowid() - KEPT])?;
    Ok(())
}

/// The newest `limit` lines as (when, level, text), oldest first.
pub fn recent(connection: &Connection, limit: u32) -> Result<Vec<(Timestamp, String, String)>> {
    let mut statement = connection
        .prepare_cached("select at, level, text from notices order by id desc limit ?1")?;
    let mut lines = statement
        .query_map([limit], |row| {
            Ok((Timestamp(row.get(0)?), row.get(1)?, row.get(2)?))
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    lines.reverse();
    Ok(lines)
}
