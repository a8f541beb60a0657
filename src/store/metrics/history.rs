//! The points of a metric in order of step, time, value: packs and rows become one sequence.

use super::{Place, loaded, stored, unpacked};
use crate::domain::metric::Metric;
use crate::domain::{Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Rows, params};

/// The number of a metric that has been logged somewhere.
fn number_of(connection: &Connection, key: &str) -> Result<Option<i64>> {
    let number = connection
        .prepare_cached("select id from metric_keys where name = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()?;
    Ok(number)
}

fn next(rows: &mut Rows<'_>) -> Result<Option<Place>> {
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    Ok(Some(Place {
        step: row.get(0)?,
        at: Timestamp(row.get(1)?),
        value: loaded(row, 2, 3)?,
    }))
}

/// Calls `each` with the points after `place` in order, until it answers false.
fn walk(
    connection: &Connection,
    number: i64,
    key: &str,
    place: Option<Place>,
    mut each: impl FnMut(Place) -> bool,
) -> Result<()> {
    let Some(key) = number_of(connection, key)? else {
        return Ok(());
    };
    // The pack that the place is in is the last that begins before it.
    let begin = match place {
        None => None,
        Some(place) => connection
            .prepare_cached(
                "select first_step, first_at from metric_packs
                 where run = ?1 and key = ?2 and (first_step, first_at) < (?3, ?4)
                 order by first_step desc, first_at desc limit 1",
            )?
            .query_row(params![number, key, place.step, place.at.0], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })
            .optional()?,
    };
    let (step, at): (i64, i64) = begin.unwrap_or((i64::MIN, i64::MIN));
    let mut packs = connection.prepare_cached(
        "select id, data from metric_packs where run = ?1 and key = ?2 and (first_step, first_at) >= (?3, ?4)
         order by first_step, first_at, id",
    )?;
    let mut packs = packs.query(params![number, key, step, at])?;
    let mut rows = connection.prepare_cached(
        "select step, at, value, nan from metrics
         where run = ?1 and key = ?2 and (step, at, value, nan) > (?3, ?4, ?5, ?6) order by step, at, value, nan",
    )?;
    // Nothing sorts before this: a nan mark is 0 at least.
    let first = (i64::MIN, i64::MIN, f64::NEG_INFINITY, -1);
    let (step, at, value, nan) = place.map_or(first, |place| {
        let (value, nan) = stored(place.value);
        (place.step, place.at.0, value, i32::from(nan))
    });
    let mut rows = rows.query(params![number, key, step, at, value, nan])?;
    let mut row = next(&mut rows)?;
    while let Some(pack) = packs.next()? {
        let points = unpacked(pack)?;
        let seen = place.map_or(0, |place| {
            points.partition_point(|point| point.order(&place).is_le())
        });
        for point in &points[seen..] {
            while let Some(before) = row.filter(|row| row.order(point).is_lt()) {
                if !each(before) {
                    return Ok(());
                }
                row = next(&mut rows)?;
            }
            if !each(*point) {
                return Ok(());
            }
        }
    }
    while let Some(point) = row {
        if !each(point) {
            return Ok(());
        }
        row = next(&mut rows)?;
    }
    Ok(())
}

/// Calls `each` with every point of a metric, in order of step, time, value.
pub fn scan(
    connection: &Connection,
    number: i64,
    key: &str,
    mut each: impl FnMut(i64, Timestamp, f64),
) -> Result<()> {
    walk(connection, number, key, None, |point| {
        each(point.step, point.at, point.value);
        true
    })
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
    if limit == 0 {
        return Ok(());
    }
    let mut seen = 0;
    walk(connection, number, key, place, |point| {
        each(point);
        seen += 1;
        seen < limit
    })
}

/// Points of a metric, from `offset`, at most `limit`, in order of step, time, value.
pub fn history(
    connection: &Connection,
    number: i64,
    key: &str,
    offset: u64,
    limit: u64,
) -> Result<Vec<Metric>> {
    let mut points = Vec::new();
    if limit == 0 {
        return Ok(points);
    }
    let mut skipped = 0;
    walk(connection, number, key, None, |point| {
        if skipped < offset {
            skipped += 1;
            return true;
        }
        points.push(Metric {
            key: key.to_owned(),
            value: point.value,
            timestamp: point.at,
            step: point.step,
        });
        (points.len() as u64) < limit
    })?;
    Ok(points)
}

/// Points of a metric.
pub fn count(connection: &Connection, number: i64, key: &str) -> Result<u64> {
    let Some(key) = number_of(connection, key)? else {
        return Ok(0);
    };
    let count: i64 = connection
        .prepare_cached(
            "select (select count(*) from metrics where run = ?1 and key = ?2)
                  + (select coalesce(sum(points), 0) from metric_packs where run = ?1 and key = ?2)",
        )?
        .query_row([number, key], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Keys of a run that have more than one point, sorted.
pub fn curves(connection: &Connection, number: i64) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select k.name from latest_metrics l join metric_keys k on k.id = l.key
         where l.run = ?1 and (
             exists (select 1 from metric_packs p where p.run = ?1 and p.key = l.key)
             or exists (select 1 from metrics m where m.run = ?1 and m.key = l.key limit 1 offset 1)
         ) order by k.name",
    )?;
    let keys = statement
        .query_map([number], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(keys)
}
