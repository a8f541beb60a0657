//! The tables of the online store: the only copy of their SQL. A generation has tables of its own: `packs_ID` with the rows
//! that it was filled with, in order of key and packed by the page, `firsts_ID` with the first key of each pack, and
//! `entities_ID` with single rows that came or changed since, which count before what is packed. One that is read no more is
//! dropped, which costs its pages and not its rows.

use super::Meta;
use crate::data::online::pack::{self, Packed};
use crate::data::online::{OnlineRow, PUSHED};
use crate::domain::{Error, Result};
use rusqlite::{CachedStatement, Connection, OptionalExtension, Transaction, params};
use std::cmp::Ordering;

const VERSION: i64 = 3;
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
    } else if version == 2 {
        for id in ids(&transaction, "select id from generations")? {
            transaction.execute_batch(&packs(id))?;
        }
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
    for id in ids(transaction, "select generation from views")? {
        transaction.execute_batch(&tables(id))?;
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

fn tables(generation: i64) -> String {
    format!(
        "create table entities_{generation} (key blob primary key not null, event integer, created integer, \
         source integer not null, body blob not null) without rowid; {}",
        packs(generation)
    )
}

fn packs(generation: i64) -> String {
    format!(
        "create table packs_{generation} (id integer primary key, rows blob not null); \
         create table firsts_{generation} (first blob primary key not null, pack integer not null) without rowid"
    )
}

fn ids(connection: &Connection, sql: &str) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(sql)?;
    let ids = statement.query_map([], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
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
    transaction.execute_batch(&tables(id))?;
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

pub(super) fn get(
    connection: &Connection,
    generation: i64,
    key: &[u8],
) -> Result<Option<OnlineRow>> {
    let mut statement = seek(connection, generation)?;
    let mut rows = statement.query([key])?;
    match rows.next()? {
        None => Ok(None),
        Some(row) => Ok(found(row, key)?.map(Packed::to_row)),
    }
}

/// Looks for a key; its first answer is for [`found`].
pub(super) fn seek(connection: &Connection, generation: i64) -> Result<CachedStatement<'_>> {
    Ok(connection.prepare_cached(&format!(
        "select event, created, source, body, null from entities_{generation} where key = ?1 union all \
         select null, null, null, null, rows from packs_{generation} where id = \
         (select pack from firsts_{generation} where first <= ?1 order by first desc limit 1)"
    ))?)
}

/// What [`seek`] found for `key`: a single row, or the pack in which it would be.
pub(super) fn found<'a>(row: &'a rusqlite::Row<'_>, key: &'a [u8]) -> Result<Option<Packed<'a>>> {
    if let Some(pack) = row.get_ref(4)?.as_blob_or_null().map_err(damaged)? {
        return Ok(pack::find(pack, key)?);
    }
    Ok(Some(Packed {
        key,
        event: row.get(0)?,
        created: row.get(1)?,
        source: row.get(2)?,
        body: row.get_ref(3)?.as_blob().map_err(damaged)?,
    }))
}

fn damaged(error: rusqlite::types::FromSqlError) -> Error {
    Error::internal("the online store is damaged: materialize the view again").because(error)
}

/// The next rows in order of key.
pub(super) fn page(
    connection: &Connection,
    generation: i64,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<OnlineRow>> {
    let single = singles(connection, generation, after, limit)?;
    let packed = packed(connection, generation, after, limit)?;
    let (mut single, mut packed) = (single.into_iter().peekable(), packed.into_iter().peekable());
    let mut rows = Vec::new();
    while rows.len() < limit {
        let order = match (single.peek(), packed.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.key.cmp(&other.key),
        };
        if order == Ordering::Equal {
            packed.next();
        }
        rows.extend(if order == Ordering::Greater {
            packed.next()
        } else {
            single.next()
        });
    }
    Ok(rows)
}

fn singles(
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
    let rows = statement.query_map(params![after, with, limit], |row| {
        Ok(OnlineRow {
            key: row.get(0)?,
            event: row.get(1)?,
            created: row.get(2)?,
            source: row.get(3)?,
            body: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn packed(
    connection: &Connection,
    generation: i64,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<OnlineRow>> {
    let mut statement = connection.prepare_cached(&format!(
        "select rows from packs_{generation} where id >= coalesce(\
         (select pack from firsts_{generation} where first <= ?1 order by first desc limit 1), 0) order by id"
    ))?;
    let mut packs = statement.query([after])?;
    let mut rows = Vec::new();
    while rows.len() < limit
        && let Some(pack) = packs.next()?
    {
        for row in pack::Rows::of(pack.get_ref(0)?.as_blob().map_err(damaged)?) {
            let row = row?;
            if after.is_none_or(|after| row.key > after) && rows.len() < limit {
                rows.push(row.to_row());
            }
        }
    }
    Ok(rows)
}

/// Puts a single row in.
pub(super) fn put(transaction: &Transaction<'_>, generation: i64, row: &OnlineRow) -> Result<()> {
    transaction
        .prepare_cached(&format!(
            "insert or replace into entities_{generation} ({COLUMNS}) values (?1, ?2, ?3, ?4, ?5)"
        ))?
        .execute(params![
            row.key,
            row.event,
            row.created,
            row.source,
            row.body
        ])?;
    Ok(())
}

/// Puts packs in, which come after all that are there.
pub(super) fn put_packs(
    transaction: &Transaction<'_>,
    generation: i64,
    packs: &[Vec<u8>],
) -> Result<()> {
    let mut rows = transaction.prepare_cached(&format!(
        "insert into packs_{generation} (rows) values (?1)"
    ))?;
    let mut first = transaction.prepare_cached(&format!(
        "insert into firsts_{generation} (first, pack) values (?1, ?2)"
    ))?;
    for pack in packs {
        rows.execute([pack])?;
        first.execute(params![pack::first(pack)?, transaction.last_insert_rowid()])?;
    }
    Ok(())
}

/// The generations that no view names.
pub(super) fn unread(connection: &Connection) -> Result<Vec<i64>> {
    ids(
        connection,
        "select id from generations where id not in (select generation from views)",
    )
}

pub(super) fn remove(transaction: &Transaction<'_>, generation: i64) -> Result<()> {
    transaction.execute_batch(&format!(
        "drop table entities_{generation}; drop table packs_{generation}; drop table firsts_{generation}"
    ))?;
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

pub(super) fn is_any_pushed(connection: &Connection, view: &str) -> Result<bool> {
    let mut statement =
        connection.prepare_cached("select exists (select 1 from pushed where view = ?1)")?;
    Ok(statement.query_row([view], |row| row.get(0))?)
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
