//! Who did what to what, from where, and what it was before: one row for every change that is not a run's own log. Rows
//! are only added.

use super::acting;
use crate::domain::access::AuditEntry;
use crate::domain::{Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

/// One line of the audit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditLine {
    /// When.
    pub at: Timestamp,
    /// A person, or `auto`. Where a token proved who acts, its name is kept instead.
    pub by: String,
    /// `promote`, `rollback`, `set_alias`, …
    pub action: String,
    /// `model:NAME`, …
    pub object: String,
    /// In words.
    pub detail: String,
}

/// Adds a line whose detail says it all.
pub fn add(transaction: &Transaction<'_>, line: &AuditLine) -> Result<()> {
    change(transaction, line, None, None)
}

/// Adds a line with what was and what is; from where comes with who acts.
pub fn change(
    transaction: &Transaction<'_>,
    line: &AuditLine,
    old: Option<&str>,
    new: Option<&str>,
) -> Result<()> {
    let source = acting::current().map(|actor| actor.from.clone());
    transaction
        .prepare_cached(
            "insert into audit (at, by, action, object, detail, source, old, new) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            line.at.0,
            acting::by(&line.by),
            line.action,
            line.object,
            line.detail,
            source.unwrap_or_default(),
            old,
            new,
        ])?;
    Ok(())
}

/// A change by who acts here, said in one call; the object's name comes first: `run:ID`, `experiment:7`.
pub fn by_actor(
    transaction: &Transaction<'_>,
    at: Timestamp,
    action: &str,
    object: String,
    old: Option<&str>,
    new: Option<&str>,
) -> Result<()> {
    change(transaction, &of_actor(at, action, object, ""), old, new)
}

/// A line by who acts here.
pub fn of_actor(at: Timestamp, action: &str, object: String, detail: &str) -> AuditLine {
    AuditLine {
        at,
        by: match acting::current() {
            Some(actor) => actor.name.clone(),
            None => "auto".to_owned(),
        },
        action: action.to_owned(),
        object,
        detail: detail.to_owned(),
    }
}

/// Who did something to an object last, and when: the newest line with this action and detail.
pub fn last(
    connection: &Connection,
    object: &str,
    action: &str,
    detail: &str,
) -> Result<Option<(String, Timestamp)>> {
    let found = connection
        .prepare_cached(
            "select by, at from audit where object = ?1 and action = ?2 and detail = ?3 order by id desc limit 1",
        )?
        .query_row(params![object, action, detail], |row| {
            Ok((row.get(0)?, Timestamp(row.get(1)?)))
        })
        .optional()?;
    Ok(found)
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

/// The newest lines, newest first; of one object, or of all.
pub fn recent(
    connection: &Connection,
    object: Option<&str>,
    limit: u32,
) -> Result<Vec<AuditEntry>> {
    let entry = |row: &Row<'_>| {
        Ok(AuditEntry {
            id: row.get(0)?,
            at: Timestamp(row.get(1)?),
            by: row.get(2)?,
            from: row.get(3)?,
            action: row.get(4)?,
            object: row.get(5)?,
            detail: row.get(6)?,
            old: row.get(7)?,
            new: row.get(8)?,
        })
    };
    let mut statement = connection.prepare_cached(
        "select id, at, by, source, action, object, detail, old, new from audit \
         where ?1 is null or object = ?1 order by id desc limit ?2",
    )?;
    let entries = statement
        .query_map(params![object, limit], entry)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(entries)
}
