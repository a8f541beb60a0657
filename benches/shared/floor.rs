//! What SQLite itself takes for the same rows with the same durability: one connection, no server, plain prepared
//! statements. The tables are copied from a workspace's own database, so that both have the same keys and indexes.

use rusqlite::{Connection, params};
use std::error::Error;
use std::path::Path;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A bare database.
pub struct Floor {
    connection: Connection,
}

impl Floor {
    /// A new one with the tables and indexes of `model`.
    pub fn like(model: &Path, path: &Path) -> Outcome<Self> {
        let model = Connection::open(model)?;
        let mut statement = model.prepare(
            "select sql from sqlite_schema where sql is not null and tbl_name in
             ('runs', 'params', 'tags', 'metrics', 'latest_metrics', 'metric_keys') order by type desc",
        )?;
        let made: Vec<String> = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        let floor = Self::open(path)?;
        floor.connection.execute_batch(&made.join(";\n"))?;
        Ok(floor)
    }

    /// One that is there.
    pub fn open(path: &Path) -> Outcome<Self> {
        let connection = Connection::open(path)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "foreign_keys", false)?;
        connection.set_prepared_statement_cache_capacity(64);
        Ok(Self { connection })
    }

    /// Points of one run: key, step, value; the last of each key is its latest.
    pub fn log(&mut self, run: i64, points: &[(i64, i64, f64)], keys: i64) -> Outcome {
        let transaction = self.connection.transaction()?;
        {
            let mut insert = transaction.prepare_cached(
                "insert or ignore into metrics (run, key, step, at, value, nan) values (?1, ?2, ?3, ?4, ?5, 0)",
            )?;
            for (key, step, value) in points {
                insert.execute(params![run, key, step, 1_700_000_000_000 + step, value])?;
            }
            let mut latest = transaction.prepare_cached(
                "insert into latest_metrics (run, key, step, at, value, nan) values (?1, ?2, ?3, ?4, ?5, 0)
                 on conflict (run, key) do update set step = excluded.step, at = excluded.at, value = excluded.value",
            )?;
            let first = points.len() - usize::try_from(keys)?.min(points.len());
            for (key, step, value) in &points[first..] {
                latest.execute(params![run, key, step, 1_700_000_000_000 + step, value])?;
            }
        }
        Ok(transaction.commit()?)
    }

    /// A run with two tags.
    pub fn create(&mut self, number: usize) -> Outcome {
        let transaction = self.connection.transaction()?;
        transaction
            .prepare_cached(
                "insert into runs (id, experiment, name, user, status, started, lifecycle, artifact_uri)
                 values (?1, 0, ?2, 'bench', 'RUNNING', ?3, 'active', ?4)",
            )?
            .execute(params![
                format!("{number:032x}"),
                format!("run-{number}"),
                1_700_000_000_000 + number as i64,
                format!("mlflow-artifacts:/0/{number:032x}/artifacts")
            ])?;
        let run = transaction.last_insert_rowid();
        let mut tag = transaction.prepare_cached("insert into tags values (?1, ?2, ?3)")?;
        tag.execute(params![run, "mlflow.runName", format!("run-{number}")])?;
        tag.execute(params![run, "mlflow.user", "bench"])?;
        drop(tag);
        Ok(transaction.commit()?)
    }

    /// A page of runs where one metric is greater than `least`, by another one, each with all its rows; how many rows.
    pub fn search(&self, metric: &str, least: f64, by: &str) -> Outcome<usize> {
        let mut window = self.connection.prepare_cached(
            "select r.number, r.id, r.name, r.user, r.status, r.started, r.ended, r.artifact_uri
             from latest_metrics v cross join runs r on r.number = v.run
             where v.key = (select id from metric_keys where name = ?1) and v.nan = 0 and r.lifecycle = 'active'
               and exists (select 1 from latest_metrics l where l.run = r.number
                 and l.key = (select id from metric_keys where name = ?2) and l.nan = 0 and l.value > ?3)
             order by v.value, r.started desc, r.id limit 100",
        )?;
        let mut of = [
            "select key, value from params where run = ?1",
            "select key, value from tags where run = ?1",
            "select k.name, l.value from latest_metrics l join metric_keys k on k.id = l.key where l.run = ?1",
        ]
        .map(|sql| self.connection.prepare_cached(sql));
        let mut rows = 0;
        let mut found = window.query(params![by, metric, least])?;
        while let Some(row) = found.next()? {
            let number: i64 = row.get(0)?;
            let texts: [String; 4] = [row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?];
            std::hint::black_box(texts);
            for statement in &mut of {
                let statement = statement.as_mut().map_err(|error| error.to_string())?;
                let mut pairs = statement.query([number])?;
                while let Some(pair) = pairs.next()? {
                    let key: String = pair.get(0)?;
                    std::hint::black_box((key, pair.get_ref(1)?));
                    rows += 1;
                }
            }
        }
        Ok(rows)
    }

    /// All points of a metric; how many.
    pub fn history(&self, run: i64, key: i64) -> Outcome<usize> {
        let mut statement = self.connection.prepare_cached(
            "select step, at, value from metrics where run = ?1 and key = ?2 order by step, at, value, nan",
        )?;
        let points = statement
            .query_map(params![run, key], |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    row.get::<_, i64>(1)?,
                    row.get::<_, f64>(2)?,
                ))
            })?
            .collect::<rusqlite::Result<Vec<_>>>()?;
        Ok(points.len())
    }
}
