//! The online feature values, in a database file of their own: it never blocks tracking.
//!
//! A row is a view's values for one entity, in the form of [`data::online`](crate::data::online). Every row belongs to a
//! generation, and a view names the one that is read: a materialization writes its rows beside the old ones, in pieces, and
//! one transaction makes them current, so that readers see all of the old or all of the new, and a crash leaves either.
//! What is pushed goes into the current generation and is remembered apart, so that the next generation has it too.

use super::Store;
use crate::data::online::merge::{self, Rules};
use crate::data::online::{Layout, OnlineRow, PUSHED};
use crate::domain::online::{FileSpan, Since};
use crate::domain::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Rows of one write: others get their turn in between.
const PIECE: usize = 8 * 1024;
/// Up to this many rows a generation without windows is brought up to date in place, in one transaction; above, and with
/// windows, a new one is written.
const IN_PLACE: u64 = 50_000;

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

/// What a generation is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The columns of its rows.
    pub layout: Layout,
    /// The definition that it follows, by its digest.
    pub definition: String,
    /// As of which instant, microseconds; none: only pushed values are in it.
    pub as_of: Option<i64>,
    /// When the newest fact in it was known, microseconds.
    pub known: Option<i64>,
    /// Every file of the dataset; sources of rows are places in this list.
    pub files: Vec<FileSpan>,
    /// The columns that are windows.
    pub windows: Vec<usize>,
    /// A body in which those are as they are without any event.
    pub empty: Vec<u8>,
    /// The batch that was taken in last: taking it in again changes nothing.
    pub taken: String,
    /// Entities, when it was last materialized.
    pub rows: u64,
}

/// A generation as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// Its number.
    pub id: i64,
    /// How often it was brought up to date.
    pub revision: i64,
    /// What it is made of.
    pub meta: Meta,
}

impl Generation {
    /// What the next materialization goes on from; none when there is nothing to go on from.
    pub fn since(&self) -> Option<Since> {
        Some(Since {
            generation: self.id,
            revision: self.revision,
            as_of: self.meta.as_of?,
            known: self.meta.known,
            files: self.meta.files.clone(),
        })
    }
}

/// A row as a look-up sees it.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Event time, microseconds.
    pub event: Option<i64>,
    /// The values.
    pub body: &'a [u8],
}

/// What a look-up asks of one view.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its name.
    pub view: &'a str,
    /// The entities; none: nobody.
    pub keys: &'a [Option<Vec<u8>>],
}

/// What pushing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Entities whose values are the pushed ones now.
    pub taken: u64,
    /// Rows that are older than what is there.
    pub older: u64,
}

/// Hears of a look-up's keys: the view's place, its generation, the key's place, and the row if there is one.
pub type See<'a> = dyn FnMut(usize, &Generation, usize, Option<Found<'_>>) -> Result<()> + 'a;

/// Rows that come one after the other, each of which may fail.
pub type Rows<'a> = &'a mut dyn Iterator<Item = Result<OnlineRow>>;

/// See the module's text.
pub struct Online {
    store: Store,
    current: RwLock<HashMap<String, Arc<Generation>>>,
    /// One materialization at a time is taken in.
    taking: Mutex<()>,
}

impl Online {
    /// Opens or makes the file. One of an older form is made anew: its values come from the next materialization.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            store: Store::open_as(path, prepare)?,
            current: RwLock::default(),
            taking: Mutex::default(),
        })
    }

    /// The generation of a view that is read now.
    pub fn generation(&self, view: &str) -> Result<Option<Arc<Generation>>> {
        self.store.read(|connection| self.current(connection, view))
    }

    fn current(&self, connection: &Connection, view: &str) -> Result<Option<Arc<Generation>>> {
        let Some((id, revision)) = number(connection, view)? else {
            return Ok(None);
        };
        let held = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = held.get(view)
            && (generation.id, generation.revision) == (id, revision)
        {
            return Ok(Some(Arc::clone(generation)));
        }
        drop(held);
        let generation = Arc::new(Generation {
            id,
            revision,
            meta: meta(connection, view)?,
        });
        let mut held = self.current.write().unwrap_or_else(PoisonError::into_inner);
        held.insert(view.to_owned(), Arc::clone(&generation));
        Ok(Some(generation))
    }

    /// Looks up entities of several views, all as of one moment. `see` hears of every key of every view, in order: the
    /// view's place, its generation, the key's place, and the row if there is one. Views without values are passed over.
    pub fn look_up(&self, asked: &[Asked<'_>], see: &mut See<'_>) -> Result<()> {
        self.store.read(|connection| {
            let mut statement = connection.prepare_cached(
                "select event, body from entities where generation = ?1 and key = ?2",
            )?;
            for (place, one) in asked.iter().enumerate() {
                let Some(generation) = self.current(connection, one.view)? else {
                    continue;
                };
                for (at, key) in one.keys.iter().enumerate() {
                    let Some(key) = key else {
                        see(place, &generation, at, None)?;
                        continue;
                    };
                    let mut rows = statement.query(params![generation.id, key])?;
                    match rows.next()? {
                        None => see(place, &generation, at, None)?,
                        Some(row) => {
                            let found = Found {
                                event: row.get(0)?,
                                body: row.get_ref(1)?.as_blob().map_err(damaged)?,
                            };
                            see(place, &generation, at, Some(found))?;
                        }
                    }
                }
            }
            Ok(())
        })
    }

    /// The first entities of a view by key, and the generation they are of.
    pub fn some(
        &self,
        view: &str,
        limit: u32,
    ) -> Result<Option<(Arc<Generation>, Vec<OnlineRow>)>> {
        self.store.read(|connection| {
            let Some(generation) = self.current(connection, view)? else {
                return Ok(None);
            };
            let rows = page(connection, generation.id, None, limit as usize)?;
            Ok(Some((generation, rows)))
        })
    }

    /// Makes `rows` (in order of key) the view's values: all of them at once, what was pushed and is newer staying.
    /// Returns how many entities there are now.
    pub fn replace(&self, view: &str, mut meta: Meta, rows: Rows<'_>) -> Result<u64> {
        let _one = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = self.generation(view)?
            && already(&there, &meta)
        {
            return Ok(there.meta.rows);
        }
        self.sweep()?;
        let id = self.begin(view)?;
        meta.rows = self.fill(id, rows)?;
        self.switch(view, id, meta)
    }

    /// Brings the view's values up to date with `rows` (in order of key), which a materialization made that went on from
    /// `since`; sources in them are places in `meta.files`. Returns how many entities there are now.
    ///
    /// # Errors
    /// Conflict when the generation is another one by now.
    pub fn update(
        &self,
        view: &str,
        since: &Since,
        mut meta: Meta,
        count: u64,
        rows: Rows<'_>,
    ) -> Result<u64> {
        let _one = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let overtaken = || {
            Error::conflict(format!(
                "feature view `{view}` was materialized by somebody else in between; materialize it again"
            ))
        };
        let there = self.generation(view)?.ok_or_else(overtaken)?;
        if already(&there, &meta) {
            return Ok(there.meta.rows);
        }
        if (there.id, there.revision) != (since.generation, since.revision) {
            return Err(overtaken());
        }
        meta.layout = there.meta.layout.widened(&meta.layout);
        meta.windows.clone_from(&there.meta.windows);
        if meta.empty.is_empty() {
            meta.empty.clone_from(&there.meta.empty);
        }
        let rules = Rules {
            order: order(&meta.files),
            windows: meta.windows.clone(),
            empty: meta.empty.clone(),
        };
        if meta.windows.is_empty() && count <= IN_PLACE {
            return self.in_place(view, &there, meta, rules, rows);
        }
        self.sweep()?;
        let id = self.begin(view)?;
        let mut merged = Merged {
            online: self,
            generation: there.id,
            rules: &rules,
            page: Vec::new().into_iter(),
            next: None,
            ended: false,
            last: None,
            came: rows,
            coming: None,
            came_ended: false,
        };
        meta.rows = self.fill(id, &mut merged)?;
        self.switch(view, id, meta)
    }

    /// Puts rows into the view's values where they are newer than what is there, before this returns. `empty` is what the
    /// view begins with when it has no values yet. Rows are of the generation's layout.
    pub fn push(&self, view: &str, empty: Meta, rows: Vec<OnlineRow>) -> Result<Pushed> {
        let name = view.to_owned();
        self.store.write(move |transaction| {
            let generation = match number(transaction, &name)? {
                Some((id, _)) => id,
                None => {
                    let id = new_generation(transaction, &name)?;
                    set_current(transaction, &name, id, 0, &empty)?;
                    id
                }
            };
            let mut pushed = Pushed::default();
            for row in rows {
                let there = get(transaction, generation, &row.key)?;
                // of two facts of one instant the one that came later wins
                if there
                    .is_some_and(|there| (there.event, there.created) > (row.event, row.created))
                {
                    pushed.older += 1;
                    continue;
                }
                pushed.taken += 1;
                remember(transaction, &name, &row)?;
                put(
                    transaction,
                    generation,
                    &OnlineRow {
                        source: PUSHED,
                        ..row
                    },
                )?;
            }
            Ok(pushed)
        })
    }

    fn begin(&self, view: &str) -> Result<i64> {
        let view = view.to_owned();
        self.store
            .write(move |transaction| new_generation(transaction, &view))
    }

    /// Writes the rows of a generation that nobody reads yet.
    fn fill(&self, id: i64, rows: Rows<'_>) -> Result<u64> {
        let mut count = 0;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            while piece.len() < PIECE
                && let Some(row) = rows.next()
            {
                piece.push(row?);
            }
            if piece.is_empty() {
                return Ok(count);
            }
            count += piece.len() as u64;
            self.store.write(move |transaction| {
                piece.iter().try_for_each(|row| put(transaction, id, row))
            })?;
        }
    }

    /// Makes generation `id` the one that is read; what was pushed and is newer goes along.
    fn switch(&self, view: &str, id: i64, mut meta: Meta) -> Result<u64> {
        let name = view.to_owned();
        let rows = self.store.write(move |transaction| {
            let before = match number(transaction, &name)? {
                Some(_) => self::meta(transaction, &name)?.layout.names(),
                None => meta.layout.names(),
            };
            if meta.layout.columns.is_empty() {
                meta.layout = match number(transaction, &name)? {
                    Some(_) => self::meta(transaction, &name)?.layout,
                    None => meta.layout,
                };
            }
            let now = meta.layout.names();
            let order = order(&meta.files);
            for mut row in pushed(transaction, &name)? {
                let there = get(transaction, id, &row.key)?;
                if let Some(there) = &there
                    && merge::compare(there, &row, &order).is_ge()
                {
                    forget(transaction, &name, &row.key)?;
                    continue;
                }
                meta.rows += u64::from(there.is_none());
                row.body = merge::renamed(&row.body, &before, &now)?.into_owned();
                remember(transaction, &name, &row)?;
                put(transaction, id, &row)?;
            }
            set_current(transaction, &name, id, 0, &meta)?;
            Ok(meta.rows)
        })?;
        self.sweep()?;
        Ok(rows)
    }

    fn in_place(
        &self,
        view: &str,
        there: &Generation,
        mut meta: Meta,
        rules: Rules,
        rows: Rows<'_>,
    ) -> Result<u64> {
        let came = rows.collect::<Result<Vec<OnlineRow>>>()?;
        let (name, id, revision) = (view.to_owned(), there.id, there.revision);
        meta.rows = there.meta.rows;
        self.store.write(move |transaction| {
            for row in came {
                let Some(old) = get(transaction, id, &row.key)? else {
                    meta.rows += 1;
                    put(transaction, id, &row)?;
                    continue;
                };
                let was_pushed = old.source == PUSHED;
                let met = merge::meet(old, row, &rules)?;
                if was_pushed && met.source != PUSHED {
                    forget(transaction, &name, &met.key)?;
                }
                put(transaction, id, &met)?;
            }
            set_current(transaction, &name, id, revision + 1, &meta)?;
            Ok(meta.rows)
        })
    }

    /// Removes rows of generations that no view names: replaced ones, and those that a crash left unfinished. In pieces, so
    /// that others get their turn.
    fn sweep(&self) -> Result<()> {
        let unread: Vec<i64> = self.store.read(|connection| {
            let mut statement = connection.prepare_cached(
                "select id from generations where id not in (select generation from views)",
            )?;
            let ids = statement.query_map([], |row| row.get(0))?;
            Ok(ids.collect::<rusqlite::Result<_>>()?)
        })?;
        for id in unread {
            while self
                .store
                .write(move |transaction| remove_piece(transaction, id))?
            {}
        }
        Ok(())
    }
}

/// The rows of a generation met by those that came, in order of key.
struct Merged<'a> {
    online: &'a Online,
    generation: i64,
    rules: &'a Rules,
    page: std::vec::IntoIter<OnlineRow>,
    next: Option<OnlineRow>,
    ended: bool,
    last: Option<Vec<u8>>,
    came: Rows<'a>,
    coming: Option<OnlineRow>,
    came_ended: bool,
}

impl Merged<'_> {
    fn look(&mut self) -> Result<()> {
        if self.next.is_none() && !self.ended {
            self.next = self.page.next();
            if self.next.is_none() {
                let (generation, last) = (self.generation, self.last.take());
                let rows = self
                    .online
                    .store
                    .read(|view| page(view, generation, last.as_deref(), PIECE))?;
                self.last = rows.last().map(|row| row.key.clone());
                self.page = rows.into_iter();
                self.next = self.page.next();
                self.ended = self.next.is_none();
            }
        }
        if self.coming.is_none() && !self.came_ended {
            self.coming = self.came.next().transpose()?;
            self.came_ended = self.coming.is_none();
        }
        Ok(())
    }

    fn row(&mut self) -> Result<Option<OnlineRow>> {
        self.look()?;
        Ok(match (self.next.take(), self.coming.take()) {
            (None, None) => None,
            (Some(there), None) => Some(merge::alone(there, self.rules)?),
            (None, Some(came)) => Some(came),
            (Some(there), Some(came)) => Some(match there.key.cmp(&came.key) {
                std::cmp::Ordering::Less => {
                    self.coming = Some(came);
                    merge::alone(there, self.rules)?
                }
                std::cmp::Ordering::Greater => {
                    self.next = Some(there);
                    came
                }
                std::cmp::Ordering::Equal => merge::meet(there, came, self.rules)?,
            }),
        })
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<OnlineRow>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row().transpose()
    }
}

/// Whether this batch is in the generation already.
fn already(there: &Generation, meta: &Meta) -> bool {
    !meta.taken.is_empty() && there.meta.taken == meta.taken
}

/// The place of each file in the dataset: by path, and what was pushed after what was given.
fn order(files: &[FileSpan]) -> Vec<u32> {
    let mut places: Vec<usize> = (0..files.len()).collect();
    places.sort_by_key(|at| {
        let path = &files[*at].stamp.path;
        (super::push_log::is_segment(Path::new(path)), path)
    });
    let mut order = vec![0; files.len()];
    for (rank, at) in places.into_iter().enumerate() {
        order[at] = rank as u32;
    }
    order
}

fn damaged(error: rusqlite::types::FromSqlError) -> Error {
    Error::internal("the online store is damaged: materialize the view again").because(error)
}

fn prepare(connection: &mut Connection) -> Result<()> {
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

fn number(connection: &Connection, view: &str) -> Result<Option<(i64, i64)>> {
    Ok(connection
        .prepare_cached("select generation, revision from views where view = ?1")?
        .query_row([view], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?)
}

fn meta(connection: &Connection, view: &str) -> Result<Meta> {
    let text: String = connection
        .prepare_cached("select meta from views where view = ?1")?
        .query_row([view], |row| row.get(0))?;
    Ok(serde_json::from_str(&text)?)
}

fn new_generation(transaction: &Transaction<'_>, view: &str) -> Result<i64> {
    transaction
        .prepare_cached("insert into generations (view) values (?1)")?
        .execute([view])?;
    Ok(transaction.last_insert_rowid())
}

fn set_current(
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

fn get(connection: &Connection, generation: i64, key: &[u8]) -> Result<Option<OnlineRow>> {
    Ok(connection
        .prepare_cached(&format!(
            "select {COLUMNS} from entities where generation = ?1 and key = ?2"
        ))?
        .query_row(params![generation, key], row)
        .optional()?)
}

/// The next rows in order of key.
fn page(
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

fn put(transaction: &Transaction<'_>, generation: i64, row: &OnlineRow) -> Result<()> {
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
fn remove_piece(transaction: &Transaction<'_>, generation: i64) -> Result<bool> {
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

fn pushed(connection: &Connection, view: &str) -> Result<Vec<OnlineRow>> {
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

fn remember(transaction: &Transaction<'_>, view: &str, row: &OnlineRow) -> Result<()> {
    transaction
        .prepare_cached(
            "insert or replace into pushed (view, key, event, created, body) values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![view, row.key, row.event, row.created, row.body])?;
    Ok(())
}

fn forget(transaction: &Transaction<'_>, view: &str, key: &[u8]) -> Result<()> {
    transaction
        .prepare_cached("delete from pushed where view = ?1 and key = ?2")?
        .execute(params![view, key])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::data::online::{OnlineColumn, Scalar};
    use crate::domain::dataset::{ColumnKind, FileStamp};
    use std::sync::atomic::{AtomicBool, Ordering};

    fn row(entity: &str, event: i64, source: i32, value: i64) -> OnlineRow {
        let mut body = Vec::new();
        Scalar::Integer(value).store(&mut body);
        OnlineRow {
            key: entity.as_bytes().to_vec(),
            event: Some(event),
            created: None,
            source,
            body,
        }
    }

    fn meta(taken: &str, files: &[&str]) -> Meta {
        Meta {
            layout: Layout {
                columns: vec![OnlineColumn {
                    name: "n".into(),
                    kind: ColumnKind::Integer,
                }],
            },
            as_of: Some(0),
            taken: taken.into(),
            files: files
                .iter()
                .map(|path| FileSpan {
                    stamp: FileStamp {
                        path: (*path).into(),
                        bytes: 0,
                        sha256: String::new(),
                        modified: 0,
                    },
                    known: None,
                })
                .collect(),
            ..Meta::default()
        }
    }

    fn open() -> (tempfile::TempDir, Online) {
        let folder = tempfile::tempdir().unwrap();
        let online = Online::open(&folder.path().join("online.db")).unwrap();
        (folder, online)
    }

    fn replace(online: &Online, meta: Meta, rows: Vec<OnlineRow>) -> u64 {
        online
            .replace("v", meta, &mut rows.into_iter().map(Ok))
            .unwrap()
    }

    fn values(online: &Online) -> Vec<(String, i64, i64)> {
        let Some((_, rows)) = online.some("v", u32::MAX).unwrap() else {
            return Vec::new();
        };
        rows.into_iter()
            .map(|row| {
                let mut values = crate::data::online::Scalars::of(&row.body);
                let Some(Ok(Scalar::Integer(value))) = values.next() else {
                    panic!("{row:?}");
                };
                (
                    String::from_utf8(row.key).unwrap(),
                    row.event.unwrap(),
                    value,
                )
            })
            .collect()
    }

    fn count(online: &Online) -> i64 {
        let rows = online.store.read(|connection| {
            Ok(connection.query_row("select count(*) from entities", [], |row| row.get(0))?)
        });
        rows.unwrap()
    }

    #[test]
    fn a_new_generation_replaces_the_old_one_whole() {
        let (_folder, online) = open();
        let keys = [Some(b"a".to_vec()), None];
        let asked = [Asked {
            view: "v",
            keys: &keys,
        }];
        online
            .look_up(&asked, &mut |_, _, _, _| panic!("nothing is there"))
            .unwrap();
        replace(
            &online,
            meta("1", &[]),
            vec![row("a", 1, 0, 1), row("b", 1, 0, 2)],
        );
        replace(&online, meta("2", &[]), vec![row("b", 1, 0, 3)]);
        // taken in again: nothing changes
        replace(&online, meta("2", &[]), vec![row("c", 1, 0, 3)]);
        assert_eq!(values(&online), [("b".to_owned(), 1, 3)]);
        assert_eq!(count(&online), 1);
        let mut seen = Vec::new();
        online
            .look_up(&asked, &mut |_, _, at, found| {
                seen.push((at, found.is_some()));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [(0, false), (1, false)]);
    }

    #[test]
    fn what_was_pushed_goes_along_until_a_file_has_it() {
        let (_folder, online) = open();
        let push = |rows: Vec<OnlineRow>| online.push("v", meta("", &[]), rows).unwrap();
        push(vec![row("a", 5, 0, 50)]);
        assert_eq!(values(&online), [("a".to_owned(), 5, 50)]);
        replace(
            &online,
            meta("1", &["x"]),
            vec![row("a", 4, 0, 40), row("b", 4, 0, 41)],
        );
        let both = [("a".to_owned(), 5, 50), ("b".to_owned(), 4, 41)];
        assert_eq!(values(&online), both);
        assert_eq!(
            push(vec![row("b", 3, 0, 1), row("b", 4, 0, 2)]),
            Pushed { taken: 1, older: 1 }
        );
        replace(
            &online,
            meta("2", &["x"]),
            vec![row("a", 5, 0, 51), row("b", 4, 0, 42)],
        );
        let read = [("a".to_owned(), 5, 51), ("b".to_owned(), 4, 42)];
        assert_eq!(values(&online), read);
        assert_eq!(
            online
                .store
                .read(|connection| pushed(connection, "v"))
                .unwrap(),
            []
        );
    }

    #[test]
    fn bringing_up_to_date_in_place_and_anew_come_to_the_same() {
        for windows in [vec![], vec![0]] {
            let (_folder, online) = open();
            let with = |taken: &str, files: &[&str]| {
                let mut empty = Vec::new();
                Scalar::Integer(0).store(&mut empty);
                Meta {
                    windows: windows.clone(),
                    empty,
                    ..meta(taken, files)
                }
            };
            let there = ["a", "b", "c", "d"].map(|name| row(name, 5, 0, 1)).to_vec();
            replace(&online, with("1", &["x"]), there);
            online
                .push("v", Meta::default(), vec![row("d", 9, 0, 9)])
                .unwrap();
            let since = online.generation("v").unwrap().unwrap().since().unwrap();
            let came = [row("a", 6, 1, 2), row("b", 4, 1, 3), row("e", 1, 1, 4)];
            let update = |taken: &str, since: &Since| {
                let mut rows = came.clone().into_iter().map(Ok);
                online.update("v", since, with(taken, &["x", "y"]), 3, &mut rows)
            };
            assert_eq!(update("2", &since).unwrap(), 5);
            assert_eq!(update("2", &since).unwrap(), 5);
            let expected = if windows.is_empty() {
                [6, 5, 5, 9, 1].into_iter().zip([2, 1, 1, 9, 4])
            } else {
                [6, 5, 5, 9, 1].into_iter().zip([2, 3, 0, 9, 4])
            };
            let shown: Vec<(i64, i64)> = values(&online)
                .into_iter()
                .map(|(_, event, value)| (event, value))
                .collect();
            assert_eq!(shown, expected.collect::<Vec<_>>());
            assert_eq!(count(&online), 5);
            // somebody else was quicker
            assert_eq!(
                update("3", &since).unwrap_err().kind,
                crate::domain::ErrorKind::Conflict
            );
        }
    }

    #[test]
    fn an_unfinished_generation_is_nobodys_and_goes() {
        let (folder, online) = open();
        replace(&online, meta("1", &[]), vec![row("a", 1, 0, 1)]);
        let failing = [Ok(row("b", 1, 0, 2)), Err(Error::invalid("cut off"))];
        online
            .replace("v", meta("2", &[]), &mut failing.into_iter())
            .unwrap_err();
        let id = online.begin("v").unwrap();
        online
            .fill(
                id,
                &mut (0..20_000).map(|at| Ok(row(&format!("{at:06}"), 1, 0, at))),
            )
            .unwrap();
        drop(online);
        let online = Online::open(&folder.path().join("online.db")).unwrap();
        assert_eq!(values(&online).len(), 1);
        replace(
            &online,
            meta("3", &[]),
            vec![row("a", 1, 0, 3), row("b", 1, 0, 3)],
        );
        assert_eq!(count(&online), 2);
    }

    #[test]
    fn readers_never_see_two_generations_at_once() {
        let (_folder, online) = open();
        let names: Vec<String> = (0..300).map(|at| format!("{at:03}")).collect();
        let rows = |value: i64| names.iter().map(move |name| Ok(row(name, value, 0, value)));
        online.replace("v", meta("0", &[]), &mut rows(0)).unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let keys: Vec<Option<Vec<u8>>> = names
                    .iter()
                    .map(|name| Some(name.as_bytes().to_vec()))
                    .collect();
                while !done.load(Ordering::SeqCst) {
                    let mut events = Vec::new();
                    online
                        .look_up(
                            &[Asked {
                                view: "v",
                                keys: &keys,
                            }],
                            &mut |_, _, _, found| {
                                events.push(found.unwrap().event);
                                Ok(())
                            },
                        )
                        .unwrap();
                    assert_eq!(events.len(), 300);
                    assert!(events.iter().all(|event| *event == events[0]));
                }
            });
            for value in 1..40 {
                online
                    .replace("v", meta(&value.to_string(), &[]), &mut rows(value))
                    .unwrap();
                let since = online.generation("v").unwrap().unwrap().since().unwrap();
                let mut newer = names
                    .iter()
                    .map(|name| Ok(row(name, 100 + value, 0, value)));
                online
                    .update(
                        "v",
                        &since,
                        meta(&format!("u{value}"), &[]),
                        300,
                        &mut newer,
                    )
                    .unwrap();
            }
            done.store(true, Ordering::SeqCst);
        });
    }
}
