//! The tables of the online store: the only copy of their SQL. A generation's rows are a table of its own, `entities_ID`:
//! one that is read no more is dropped, which costs its pages and not its rows.

use super::Meta;
use crate::data::online::{OnlineRow, PUSHED};
use crate::domain::{Error, Result};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};

const VERSION: i64 = 2;
const COLUMNS: &str = "key, event, created, source, body";

const SCHEMA: &str = "
    create table views (
        view text primary key, generation integer not null, revision integer not null, meta text not null) without rowid;
    create table generations (id integer primary key autoincrement, view text not null);
    create table pushed (
        view text not null, key blob not null, event integer, created integer, body blob not null,
        primary key (view, key)) without rowid;";

pub(super) fn prepare(connection: &mut Connection) -> Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if version > VERSION {
        return Err(Error::conflict(format!(
            "the online store was written by a newer trainyard (schema {version}, this one knows {VERSION}): use that version"
        )));
    }
    if version == VERSION {
        return Ok(());
    }
    let transaction = connection.transaction()?;
    if version == 1 {
        apart(&transaction)?;
    } else {
        transaction
            .execute_batch("drop table if exists entities; drop table if exists generations;")?;
        transaction.execute_batch(SCHEMA)?;
    }
    transaction.pragma_update(None, "user_version", VERSION)?;
    Ok(transaction.commit()?)
}

/// Gives each generation that is read a table of its own: in version 1 all were in one.
fn apart(transaction: &Transaction<'_>) -> Result<()> {
    let read: Vec<i64> = transaction
        .prepare("select generation from views")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    for id in read {
        transaction.execute_batch(&table(id))?;
        transaction.execute(
            &format!(
                "insert into entities_{id} ({COLUMNS}) select {COLUMNS} from entities where generation = ?1 order by key"
            ),
            [id],
        )?;
    }
    transaction.execute_batch(
        "drop table entities; delete from generations where id not in (select generation from views)",
    )?;
    Ok(())
}

fn table(generation: i64) -> String {
    format!(
        "create table entities_{generation} (key blob primary key not null, event integer, created integer, \
         source integer not null, body blob not null) without rowid"
    )
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
    let id = transaction.last_insert_rowid();
    transaction.execute_batch(&table(id))?;
    Ok(id)
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
            "select {COLUMNS} from entities_{generation} where key = ?1"
        ))?
        .query_row([key], row)
        .optional()?)
}

/// Finds event time and body by key.
pub(super) fn rows_of(connection: &Connection, generation: i64) -> Result<CachedStatement<'_>> {
    Ok(connection.prepare_cached(&format!(
        "select event, body from entities_{generation} where key = ?1"
    ))?)
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
        "select {COLUMNS} from entities_{generation} where key >= ?1 and (?2 or key > ?1) order by key limit ?3"
    ))?;
    let rows = statement.query_map(params![after, with, limit], row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn put(transaction: &Transaction<'_>, generation: i64, row: &OnlineRow) -> Result<()> {
    put_all(transaction, generation, std::slice::from_ref(row))
}

pub(super) fn put_all(
    transaction: &Transaction<'_>,
    generation: i64,
    rows: &[OnlineRow],
) -> Result<()> {
    let mut statement = transaction.prepare_cached(&format!(
        "insert or replace into entities_{generation} ({COLUMNS}) values (?1, ?2, ?3, ?4, ?5)"
    ))?;
    for row in rows {
        statement.execute(params![
            row.key,
            row.event,
            row.created,
            row.source,
            row.body
        ])?;
    }
    Ok(())
}

/// The generations that no view names.
pub(super) fn unread(connection: &Connection) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "select id from generations where id not in (select generation from views)",
    )?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

pub(super) fn remove(transaction: &Transaction<'_>, generation: i64) -> Result<()> {
    transaction.execute_batch(&format!("drop table entities_{generation}"))?;
    transaction
        .prepare_cached("delete from generations where id = ?1")?
        .execute([generation])?;
    Ok(())
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
