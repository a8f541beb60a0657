//! Who did what to what: one row for every command that changes what serves. Rows are only added.

use crate::domain::{Result, Timestamp};
use rusqlite::{Connection, Transaction, params};

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// A person, or `auto`.
    pub by: String,
    /// `promote`, `rollback`, `set_alias`, …
    pub action: String,
    /// `model:NAME`, …
    pub object: String,
    /// In words.
    pub detail: String,
}

/// Adds a line.
pub fn add(transaction: &Transaction<'_>, line: &AuditLine) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into audit (at, by, action, object, detail) values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            line.at.0,
            line.by,
            line.action,
            line.object,
            line.detail
        ])?;
    Ok(())
}

/// The lines about `object`, newest first.
pub fn about(connection: &Connection, object: &str, limit: u32) -> Result<Vec<AuditLine>> {
    let mut statement = connection.prepare_cached(
        "select at, by, action, object, detail from audit where object = ?1 order by id desc limit ?2",
    )?;
    let lines = statement
        .query_map(params![object, limit], |row| {
            Ok(AuditLine {
                at: Timestamp(row.get(0)?),
                by: row.get(1)?,
                action: row.get(2)?,
                object: row.get(3)?,
                detail: row.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(lines)
}
