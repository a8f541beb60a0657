//! Metric points and the latest point of each metric.

use super::runs;
use crate::domain::metric::{Metric, Point, Points};
use crate::domain::{ExperimentId, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use rustc_hash::FxHashMap;
use std::cmp::Ordering;
use std::sync::LazyLock;

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
fn later(left: &Point, right: &Point) -> Ordering {
    (left.step, left.timestamp)
        .cmp(&(right.step, right.timestamp))
        .then(stored(left.value).0.total_cmp(&stored(right.value).0))
}

/// Points in one statement: the tree is walked from its root once for neighbours, and a statement's own price is shared.
const ROWS: usize = 50;

/// Inserts [`ROWS`] points, or one.
static INSERT: LazyLock<[String; 2]> = LazyLock::new(|| {
    [ROWS, 1].map(|rows| {
        format!(
            "insert or ignore into metrics (run, key, step, at, value, nan) values {}",
            vec!["(?, ?, ?, ?, ?, ?)"; rows].join(", ")
        )
    })
});

/// Adds points to a run: the same point twice is kept once, the latest values move forward only.
pub fn insert(
    transaction: &Transaction<'_>,
    number: i64,
    experiment: &ExperimentId,
    points: &Points,
) -> Result<()> {
    let keys = points
        .keys()
        .iter()
        .map(|key| key_id(transaction, key))
        .collect::<Result<Vec<i64>>>()?;
    let mut latest: Vec<Option<&Point>> = vec![None; keys.len()];
    let mut rows: Vec<(i64, &Point)> = Vec::with_capacity(points.points().len());
    for point in points.points() {
        let newest = &mut latest[point.key as usize];
        if newest.is_none_or(|newest| later(point, newest) == Ordering::Greater) {
            *newest = Some(point);
        }
        rows.push((keys[point.key as usize], point));
    }
    // In the tree's own order, which costs less than jumping about in it.
    rows.sort_by_key(|(key, point)| (*key, point.step));
    for rows in rows.chunks(ROWS) {
        if rows.len() == ROWS {
            put(transaction, &INSERT[0], number, rows)?;
        } else {
            for row in rows.chunks(1) {
                put(transaction, &INSERT[1], number, row)?;
            }
        }
    }
    let mut latest: Vec<(i64, &Point)> = keys
        .into_iter()
        .zip(latest)
        .filter_map(|(key, point)| Some((key, point?)))
        .collect();
    latest.sort_unstable_by_key(|(key, _)| *key);
    for (key, point) in latest {
        let name = &points.keys()[point.key as usize];
        move_forward(transaction, number, experiment, (key, name), point)?;
    }
    Ok(())
}

fn put(
    transaction: &Transaction<'_>,
    sql: &str,
    number: i64,
    rows: &[(i64, &Point)],
) -> Result<()> {
    let mut statement = transaction.prepare_cached(sql)?;
    for (row, (key, point)) in rows.iter().enumerate() {
        let (value, nan) = stored(point.value);
        let first = row * 6 + 1;
        statement.raw_bind_parameter(first, number)?;
        statement.raw_bind_parameter(first + 1, key)?;
        statement.raw_bind_parameter(first + 2, point.step)?;
        statement.raw_bind_parameter(first + 3, point.timestamp.0)?;
        statement.raw_bind_parameter(first + 4, value)?;
        statement.raw_bind_parameter(first + 5, nan)?;
    }
    statement.raw_execute()?;
    Ok(())
}

/// Makes `point` the latest of its metric unless a later one is there.
fn move_forward(
    transaction: &Transaction<'_>,
    number: i64,
    experiment: &ExperimentId,
    (key, name): (i64, &str),
    point: &Point,
) -> Result<()> {
    let (value, nan) = stored(point.value);
    let row = params![number, key, point.step, point.timestamp.0, value, nan];
    let moved = transaction
        .prepare_cached(
            "update latest_metrics set step = ?3, at = ?4, value = ?5, nan = ?6
             where run = ?1 and key = ?2 and (?3, ?4, ?5) > (step, at, value)",
        )?
        .execute(row)?;
    if moved > 0 {
        return Ok(());
    }
    let first = transaction
        .prepare_cached(
            "insert or ignore into latest_metrics (run, key, step, at, value, nan) values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(row)?;
    if first > 0 {
        runs::count_use(transaction, experiment, "metric", name)?;
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

/// The latest points of several runs, in no order of runs, sorted by key in each: calls `each` with the run's number.
pub fn latest_of(
    connection: &Connection,
    numbers: &str,
    mut each: impl FnMut(i64, Metric),
) -> Result<()> {
    // The keys of a page are few: their names are looked up once.
    let mut names: FxHashMap<i64, String> = FxHashMap::default();
    let mut statement = connection.prepare_cached(
        "select run, key, value, nan, at, step from latest_metrics
         where run in (select value from json_each(?1)) order by run, key",
    )?;
    let mut rows = statement.query([numbers])?;
    let mut page: Vec<(i64, Metric)> = Vec::new();
    let mut shown = None;
    let mut flush = |page: &mut Vec<(i64, Metric)>| {
        page.sort_unstable_by(|(_, left), (_, right)| left.key.cmp(&right.key));
        page.drain(..)
            .for_each(|(number, metric)| each(number, metric));
    };
    while let Some(row) = rows.next()? {
        let (number, key): (i64, i64) = (row.get(0)?, row.get(1)?);
        if shown != Some(number) {
            flush(&mut page);
            shown = Some(number);
        }
        let name = match names.get(&key) {
            Some(name) => name.clone(),
            None => {
                let name: String = connection
                    .prepare_cached("select name from metric_keys where id = ?1")?
                    .query_row([key], |row| row.get(0))?;
                names.insert(key, name.clone());
                name
            }
        };
        page.push((
            number,
            Metric {
                key: name,
                value: loaded(row, 2, 3)?,
                timestamp: Timestamp(row.get(4)?),
                step: row.get(5)?,
            },
        ));
    }
    flush(&mut page);
    Ok(())
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

/// Where a point stands among those of its metric: what a next page begins after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Its step.
    pub step: i64,
    /// Its time.
    pub at: Timestamp,
    /// Its value; may be NaN.
    pub value: f64,
}

/// Calls `each` with the points of a metric after `place`, at most `limit`, in order of step, time, value.
pub fn scan_after(
    connection: &Connection,
    number: i64,
    key: &str,
    place: Option<Place>,
    limit: u64,
    mut each: impl FnMut(Place),
) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "select step, at, value, nan from metrics
         where run = ?1 and key = (select id from metric_keys where name = ?2)
           and (step, at, value, nan) > (?3, ?4, ?5, ?6) order by step, at, value, nan limit ?7",
    )?;
    // Nothing sorts before this: a nan mark is 0 at least.
    let first = (i64::MIN, i64::MIN, f64::NEG_INFINITY, -1);
    let (step, at, value, nan) = place.map_or(first, |place| {
        let (value, nan) = stored(place.value);
        (place.step, place.at.0, value, i32::from(nan))
    });
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query(params![number, key, step, at, value, nan, limit])?;
    while let Some(row) = rows.next()? {
        each(Place {
            step: row.get(0)?,
            at: Timestamp(row.get(1)?),
            value: loaded(row, 2, 3)?,
        });
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
