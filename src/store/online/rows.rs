//! The tables of the online store: the only copy of their SQL.

use super::{Meta, PIECE};
use crate::data::online::{OnlineRow, PUSHED};
use crate::domain::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

const SCHEMA: &str = "
    create table views (
        view text primary key, generation integer not null, revision integer not null, meta text not null) without rowid;
    create table generations (id integer primary key autoincrement, view text not null);
    create table entities (
        generation integer not null, key blob not null, event integer, created integer, source integer not null,
        body blob not null, primary key (generation, key)) without rowid;
    create table pushed (
        view text not null, key blob not null, event integer, created integer, body blob not null,
        primary key (view, key)) without rowid;";

pub(super) fn prepare(connection: &mut Connection) -> Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    match version {
        1 => Ok(()),
        0 => {
            let transaction = connection.transaction()?;
            transaction.execute_batch(
                "drop table if exists entities; drop table if exists generations;",
            )?;
            transaction.execute_batch(SCHEMA)?;
            transaction.pragma_update(None, "user_version", 1)?;
            Ok(transaction.commit()?)
        }
        newer => Err(Error::conflict(format!(
            "the online store was written by a newer trainyard (schema {newer}, this one knows 1): use that version"
        ))),
    }
}

pub(super) fn number(connection: &Connection, view: &str) -> Result<Option<(i64, i64)>> {
    Ok(connection
        .prepare_cached("select generation, revision from views where view = ?1")?
        .query_row([view], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

pub(super) fn meta(connection: &Connection, view: &str) -> Result<Meta> {
    let text: String = connection
        .prepare_cached("select meta from views where view = ?1")?
        .query_row([view], |row| row.get(0))?;
    Ok(serde_json::from_str(&text)?)
}

pub(super) fn new_generation(transaction: &Transaction<'_>, view: &str) -> Result<i64> {
    transaction
        .prepare_cached("insert into generations (view) values (?1)")?
        .execute([view])?;
    Ok(transaction.last_insert_rowid())
}

pub(super) fn set_current(
    transaction: &Transaction<'_>,
    view: &str,
    id: i64,
    revision: i64,
    meta: &Meta,
) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into views (view, generation, revision, meta) values (?1, ?2, ?3, ?4) on conflict (view) do update \
             set generation = excluded.generation, revision = excluded.revision, meta = excluded.meta",
        )?
        .execute(params![view, id, revision, serde_json::to_string(meta)?])?;
    Ok(())
}

const COLUMNS: &str = "key, event, created, source, body";

fn row(row: &rusqlite::Row<'_>) -> rusqlite::Result<OnlineRow> {
    Ok(OnlineRow {
        key: row.get(0)?,
        event: row.get(1)?,
        created: row.get(2)?,
        source: row.get(3)?,
        body: row.get(4)?,
    })
}

pub(super) fn get(
    connection: &Connection,
    generation: i64,
    key: &[u8],
) -> Result<Option<OnlineRow>> {
    Ok(connection
        .prepare_cached(&format!(
            "select {COLUMNS} from entities where generation = ?1 and key = ?2"
        ))?
        .query_row(params![generation, key], row)
        .optional()?)
}

/// The next rows in order of key.
pub(super) fn page(
    connection: &Connection,
    generation: i64,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<OnlineRow>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    // no key is shorter than the empty one of a view without keys
    let (after, with) = (after.unwrap_or_default(), after.is_none());
    let mut statement = connection.prepare_cached(&format!(
        "select {COLUMNS} from entities where generation = ?1 and key >= ?2 and (?3 or key > ?2) order by key limit ?4"
    ))?;
    let rows = statement.query_map(params![generation, after, with, limit], row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn put(transaction: &Transaction<'_>, generation: i64, row: &OnlineRow) -> Result<()> {
    transaction
        .prepare_cached(
            "insert or replace into entities (generation, key, event, created, source, body) values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            generation,
            row.key,
            row.event,
            row.created,
            row.source,
            row.body
        ])?;
    Ok(())
}

/// Whether there may be more.
pub(super) fn remove_piece(transaction: &Transaction<'_>, generation: i64) -> Result<bool> {
    let limit = i64::try_from(PIECE).unwrap_or(i64::MAX);
    let removed = transaction
        .prepare_cached(
            "delete from entities where generation = ?1 and key <= coalesce((select key from entities where generation = ?1 \
             order by key limit 1 offset ?2), x'ff')",
        )?
        .execute(params![generation, limit - 1])?;
    if removed == PIECE {
        return Ok(true);
    }
    // keys above the greatest of a piece that was the last one: none but those that begin with ff
    transaction
        .prepare_cached("delete from entities where generation = ?1")?
        .execute([generation])?;
    transaction
        .prepare_cached("delete from generations where id = ?1")?
        .execute([generation])?;
    Ok(false)
}

pub(super) fn pushed(connection: &Connection, view: &str) -> Result<Vec<OnlineRow>> {
    let mut statement = connection
        .prepare_cached("select key, event, created, body from pushed where view = ?1")?;
    let rows = statement.query_map([view], |row| {
        Ok(OnlineRow {
            key: row.get(0)?,
            event: row.get(1)?,
            created: row.get(2)?,
            source: PUSHED,
            body: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn remember(transaction: &Transaction<'_>, view: &str, row: &OnlineRow) -> Result<()> {
    transaction
        .prepare_cached(
            "insert or replace into pushed (view, key, event, created, body) values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![view, row.key, row.event, row.created, row.body])?;
    Ok(())
}

pub(super) fn forget(transaction: &Transaction<'_>, view: &str, key: &[u8]) -> Result<()> {
    transaction
        .prepare_cached("delete from pushed where view = ?1 and key = ?2")?
        .execute(params![view, key])?;
    Ok(())
}
