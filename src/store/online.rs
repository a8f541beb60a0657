//! The online feature values, in a database file of their own: it can be rebuilt, and never blocks tracking.
//! A view's values are written beside the old ones under a new generation, and one transaction makes it current.

use crate::domain::Result;
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The newest values of one entity.
#[derive(Clone, Debug, PartialEq)]
pub struct OnlineRow {
    /// Key values as text, in the order of the view's keys, as a JSON array.
    pub key: String,
    /// Event time, microseconds.
    pub event_time: Option<i64>,
    /// Feature to value.
    pub values: serde_json::Map<String, serde_json::Value>,
}

/// See the module's text.
pub struct Online {
    connection: Mutex<Connection>,
}

impl Online {
    /// Opens or makes the file.
    pub fn open(path: &Path) -> Result<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "normal")?;
        connection.execute_batch(
            "create table if not exists generations (
                 view text primary key, generation integer not null) without rowid;
             create table if not exists entities (
                 view text not null, generation integer not null, key text not null,
                 event_time integer, body text not null,
                 primary key (view, generation, key)) without rowid;",
        )?;
        Ok(Self {
            connection: Mutex::new(connection),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all values of a view at once: readers see all of the old or all of the new.
    pub fn replace(&self, view: &str, rows: &[OnlineRow]) -> Result<()> {
        let mut connection = self.lock();
        let transaction = connection.transaction()?;
        let current = generation(&transaction, view)?.unwrap_or(0);
        let next = current + 1;
        {
            let mut insert = transaction.prepare_cached(
                "insert or replace into entities (view, generation, key, event_time, body) \
                 values (?1, ?2, ?3, ?4, ?5)",
            )?;
            for row in rows {
                insert.execute(params![
                    view,
                    next,
                    row.key,
                    row.event_time,
                    serde_json::to_string(&row.values)?
                ])?;
            }
        }
        transaction.execute(
            "insert into generations (view, generation) values (?1, ?2) \
             on conflict (view) do update set generation = excluded.generation",
            params![view, next],
        )?;
        transaction.execute(
            "delete from entities where view = ?1 and generation <> ?2",
            params![view, next],
        )?;
        transaction.commit()?;
        Ok(())
    }

    /// The values of these entities (keys as in [`OnlineRow::key`]), in their order.
    pub fn get(&self, view: &str, keys: &[String]) -> Result<Vec<Option<OnlineRow>>> {
        let connection = self.lock();
        let Some(current) = generation(&connection, view)? else {
            return Ok(vec![None; keys.len()]);
        };
        let mut statement = connection.prepare_cached(
            "select event_time, body from entities where view = ?1 and generation = ?2 and key = ?3",
        )?;
        keys.iter()
            .map(|key| {
                let found: Option<(Option<i64>, String)> = statement
                    .query_row(params![view, current, key], |row| {
                        Ok((row.get(0)?, row.get(1)?))
                    })
                    .optional()?;
                found
                    .map(|(event_time, body)| {
                        Ok(OnlineRow {
                            key: key.clone(),
                            event_time,
                            values: serde_json::from_str(&body)?,
                        })
                    })
                    .transpose()
            })
            .collect()
    }

    /// The first entities of a view by key.
    pub fn some(&self, view: &str, limit: u32) -> Result<Vec<OnlineRow>> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(
            "select e.key, e.event_time, e.body from entities e \
             join generations g on g.view = e.view and g.generation = e.generation \
             where e.view = ?1 order by e.key limit ?2",
        )?;
        let rows: Vec<(String, Option<i64>, String)> = statement
            .query_map(params![view, limit], |row| {
                Ok((row.get(0)?, row.get(1)?, row.get(2)?))
            })?
            .collect::<rusqlite::Result<_>>()?;
        rows.into_iter()
            .map(|(key, event_time, body)| {
                Ok(OnlineRow {
                    key,
                    event_time,
                    values: serde_json::from_str(&body)?,
                })
            })
            .collect()
    }
}

fn generation(connection: &Connection, view: &str) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached("select generation from generations where view = ?1")?
        .query_row([view], |row| row.get(0))
        .optional()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn row(key: &str, value: i64) -> OnlineRow {
        let mut values = serde_json::Map::new();
        values.insert("delay".into(), value.into());
        OnlineRow {
            key: key.into(),
            event_time: Some(7),
            values,
        }
    }

    #[test]
    fn a_new_generation_replaces_the_old_one_whole() {
        let folder = tempfile::tempdir().unwrap();
        let online = Online::open(&folder.path().join("online.db")).unwrap();
        assert_eq!(online.get("v", &["a".into()]).unwrap(), [None]);
        online.replace("v", &[row("a", 1), row("b", 2)]).unwrap();
        online.replace("v", &[row("b", 3)]).unwrap();
        let found = online.get("v", &["a".into(), "b".into()]).unwrap();
        assert_eq!(found, [None, Some(row("b", 3))]);
        assert_eq!(online.some("v", 10).unwrap().len(), 1);
    }
}
