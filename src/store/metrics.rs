//! Metric points and the latest point of each metric.

use super::runs;
use crate::domain::metric::Metric;
use crate::domain::{ExperimentId, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::cmp::Ordering;
use std::collections::BTreeMap;

/// A value as the store has it: NaN is 0 with a mark.
fn stored(value: f64) -> (f64, bool) {
    if value.is_nan() {
        (0.0, true)
    } else {
        (value, false)
    }
}

fn loaded(row: &Row<'_>, value: usize, nan: usize) -> rusqlite::Result<f64> {
    Ok(if row.get(nan)? {
        f64::NAN
    } else {
        row.get(value)?
    })
}

/// MLflow's order of points: step, then time, then value.
fn later(left: &Metric, right: &Metric) -> Ordering {
    (left.step, left.timestamp)
        .cmp(&(right.step, right.timestamp))
        .then(stored(left.value).0.total_cmp(&stored(right.value).0))
}

/// Adds points to a run: the same point twice is kept once, the latest values move forward only.
pub fn insert(
    transaction: &Transaction<'_>,
    number: i64,
    experiment: &ExperimentId,
    points: &[Metric],
) -> Result<()> {
    let mut by_key: BTreeMap<&str, (i64, &Metric)> = BTreeMap::new();
    let mut insert = transaction.prepare_cached(
        "insert or ignore into metrics (run, key, step, at, value, nan) values (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    for point in points {
        let key = match by_key.get(point.key.as_str()) {
            Some((key, latest)) => {
                let key = *key;
                if later(point, latest) == Ordering::Greater {
                    by_key.insert(&point.key, (key, point));
                }
                key
            }
            None => {
                let key = key_id(transaction, &point.key)?;
                by_key.insert(&point.key, (key, point));
                key
            }
        };
        let (value, nan) = stored(point.value);
        insert.execute(params![
            number,
            key,
            point.step,
            point.timestamp.0,
            value,
            nan
        ])?;
    }
    for (name, (key, point)) in by_key {
        let (value, nan) = stored(point.value);
        let row = params![key, number, point.step, point.timestamp.0, value, nan];
        let first = transaction
            .prepare_cached(
                "insert or ignore into latest_metrics (key, run, step, at, value, nan) values (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(row)?;
        if first > 0 {
            runs::count_use(transaction, experiment, "metric", name)?;
        } else {
            transaction
                .prepare_cached(
                    "update latest_metrics set step = ?3, at = ?4, value = ?5, nan = ?6
                     where key = ?1 and run = ?2 and (?3, ?4, ?5) > (step, at, value)",
                )?
                .execute(row)?;
        }
    }
    Ok(())
}

fn key_id(transaction: &Transaction<'_>, name: &str) -> Result<i64> {
    let known = transaction
        .prepare_cached("select id from metric_keys where name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    transaction
        .prepare_cached("insert into metric_keys (name) values (?1)")?
        .execute([name])?;
    Ok(transaction.last_insert_rowid())
}

/// The latest point of each metric of a run, sorted by key.
pub fn latest(connection: &Connection, number: i64) -> Result<Vec<Metric>> {
    let mut statement = connection.prepare_cached(
        "select k.name, l.value, l.nan, l.at, l.step from latest_metrics l join metric_keys k on k.id = l.key
         where l.run = ?1 order by k.name",
    )?;
    let latest = statement
        .query_map([number], |row| {
            Ok(Metric {
                key: row.get(0)?,
                value: loaded(row, 1, 2)?,
                timestamp: Timestamp(row.get(3)?),
                step: row.get(4)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(latest)
}

/// The latest value of one metric of a run.
pub fn value(connection: &Connection, number: i64, key: &str) -> Result<Option<f64>> {
    let value = connection
        .prepare_cached(
            "select value, nan from latest_metrics where key = (select id from metric_keys where name = ?2) and run = ?1",
        )?
        .query_row(params![number, key], |row| loaded(row, 0, 1))
        .optional()?;
    Ok(value)
}

/// Calls `each` with every point of a metric, in order of step, time, value.
pub fn scan(
    connection: &Connection,
    number: i64,
    key: &str,
    mut each: impl FnMut(i64, Timestamp, f64),
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "select step, at, value, nan from metrics
         where run = ?1 and key = (select id from metric_keys where name = ?2) order by step, at, value, nan",
    )?;
    let mut rows = statement.query(params![number, key])?;
    while let Some(row) = rows.next()? {
        each(row.get(0)?, Timestamp(row.get(1)?), loaded(row, 2, 3)?);
    }
    Ok(())
}

/// Points of a metric, from `offset`, at most `limit`, in order of step, time, value.
pub fn history(
    connection: &Connection,
    number: i64,
    key: &str,
    offset: u64,
    limit: u64,
) -> Result<Vec<Metric>> {
    let mut statement = connection.prepare_cached(
        "select step, at, value, nan from metrics
         where run = ?1 and key = (select id from metric_keys where name = ?2)
         order by step, at, value, nan limit ?3 offset ?4",
    )?;
    let points = statement
        .query_map(
            params![
                number,
                key,
                i64::try_from(limit).unwrap_or(i64::MAX),
                i64::try_from(offset).unwrap_or(i64::MAX)
            ],
            |row| {
                Ok(Metric {
                    key: key.to_owned(),
                    value: loaded(row, 2, 3)?,
                    timestamp: Timestamp(row.get(1)?),
                    step: row.get(0)?,
                })
            },
        )?
        .collect::<rusqlite::Result<_>>()?;
    Ok(points)
}

/// Points of a metric.
pub fn count(connection: &Connection, number: i64, key: &str) -> Result<u64> {
    let count: i64 = connection
        .prepare_cached(
            "select count(*) from metrics where run = ?1 and key = (select id from metric_keys where name = ?2)",
        )?
        .query_row(params![number, key], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Keys of a run that have more than one point, sorted.
pub fn curves(connection: &Connection, number: i64) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select k.name from latest_metrics l join metric_keys k on k.id = l.key
         where l.run = ?1 and exists (
             select 1 from metrics m where m.run = ?1 and m.key = l.key limit 1 offset 1
         ) order by k.name",
    )?;
    let keys = statement
        .query_map([number], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(keys)
}
