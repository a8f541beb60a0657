//! Metric points: how they are kept, and the latest of each metric. Their way back in order is `history`.
//!
//! Points that come many at a time and after all that their metric has are packed, many in a row (`pack`). What comes alone,
//! or late, is a row of its own. No point is kept twice, in whichever form.

mod history;
mod pack;

pub use history::{count, curves, history, scan, scan_after};

use super::runs;
use crate::domain::metric::{Metric, Points};
use crate::domain::{Error, ExperimentId, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use rustc_hash::FxHashMap;
use std::cmp::Ordering;
use std::fmt::Write;
use std::sync::LazyLock;

/// A point without its metric: where it stands among those of its metric, and what a next page begins after.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Its step.
    pub step: i64,
    /// Its time.
    pub at: Timestamp,
    /// Its value; may be NaN.
    pub value: f64,
}

impl Place {
    /// MLflow's order of points: step, then time, then value; NaN stands beside 0. Points of which none is before the other
    /// may differ in that one is NaN.
    fn newer(&self, than: &Self) -> bool {
        self.three(than) == Ordering::Greater
    }

    /// The order in which points are kept: as [`Place::newer`], NaN after 0. Equal points are the same point.
    fn order(&self, other: &Self) -> Ordering {
        self.three(other)
            .then(self.value.is_nan().cmp(&other.value.is_nan()))
    }

    fn three(&self, other: &Self) -> Ordering {
        (self.step, self.at)
            .cmp(&(other.step, other.at))
            .then_with(|| stored(self.value).0.total_cmp(&stored(other.value).0))
    }
}

/// A value as the store has it: NaN is 0 with a mark, and 0 has no sign.
fn stored(value: f64) -> (f64, bool) {
    if value.is_nan() {
        (0.0, true)
    } else {
        (value + 0.0, false)
    }
}

fn loaded(row: &Row<'_>, value: usize, nan: usize) -> rusqlite::Result<f64> {
    Ok(if row.get(nan)? {
        f64::NAN
    } else {
        row.get(value)?
    })
}

/// Points of a metric that come together are packed from this many on.
const PACKED: usize = 8;

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

/// What a batch has of one metric: its number, its name, and the points in order, none twice.
struct Group<'a> {
    key: i64,
    name: &'a str,
    points: Vec<Place>,
}

/// The batch by metric, in the order of the metrics' numbers: the tree's own, which costs less than jumping about in it.
fn groups<'a>(transaction: &Transaction<'_>, points: &'a Points) -> Result<Vec<Group<'a>>> {
    let mut groups = points
        .keys()
        .iter()
        .map(|name| {
            Ok(Group {
                key: key_id(transaction, name)?,
                name,
                points: Vec::new(),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    for point in points.points() {
        groups[point.key as usize].points.push(Place {
            step: point.step,
            at: point.timestamp,
            value: point.value,
        });
    }
    for group in &mut groups {
        group.points.sort_unstable_by(Place::order);
        group
            .points
            .dedup_by(|left, right| left.order(right) == Ordering::Equal);
    }
    groups.sort_unstable_by_key(|group| group.key);
    Ok(groups)
}

/// Adds points to a run: the same point twice is kept once, the latest values move forward only.
pub fn insert(
    transaction: &Transaction<'_>,
    number: i64,
    experiment: &ExperimentId,
    points: &Points,
) -> Result<()> {
    let mut rows: Vec<(i64, Place)> = Vec::new();
    for group in groups(transaction, points)? {
        let Some(newest) = group.points.last() else {
            continue;
        };
        let latest = latest_point(transaction, number, group.key)?;
        // Later than all that is there: none of these can be there already.
        let late = latest.map_or(0, |latest| {
            group.points.partition_point(|point| !point.newer(&latest))
        });
        let (late, fresh) = group.points.split_at(late);
        rows.extend(
            not_packed(transaction, number, group.key, late)?
                .into_iter()
                .map(|point| (group.key, point)),
        );
        if fresh.len() < PACKED {
            rows.extend(fresh.iter().map(|point| (group.key, *point)));
        } else {
            for points in fresh.chunks(pack::MOST) {
                put_pack(transaction, number, group.key, points)?;
            }
        }
        if !fresh.is_empty() {
            put_latest(transaction, number, group.key, newest)?;
        }
        if latest.is_none() {
            runs::count_use(transaction, experiment, "metric", group.name)?;
        }
    }
    for rows in rows.chunks(ROWS) {
        if rows.len() == ROWS {
            put(transaction, &INSERT[0], number, rows)?;
        } else {
            for row in rows.chunks(1) {
                put(transaction, &INSERT[1], number, row)?;
            }
        }
    }
    Ok(())
}

fn put(transaction: &Transaction<'_>, sql: &str, number: i64, rows: &[(i64, Place)]) -> Result<()> {
    let mut statement = transaction.prepare_cached(sql)?;
    for (row, (key, point)) in rows.iter().enumerate() {
        let (value, nan) = stored(point.value);
        let first = row * 6 + 1;
        statement.raw_bind_parameter(first, number)?;
        statement.raw_bind_parameter(first + 1, key)?;
        statement.raw_bind_parameter(first + 2, point.step)?;
        statement.raw_bind_parameter(first + 3, point.at.0)?;
        statement.raw_bind_parameter(first + 4, value)?;
        statement.raw_bind_parameter(first + 5, nan)?;
    }
    statement.raw_execute()?;
    Ok(())
}

fn put_pack(transaction: &Transaction<'_>, number: i64, key: i64, points: &[Place]) -> Result<()> {
    let Some(first) = points.first() else {
        return Ok(());
    };
    transaction
        .prepare_cached(
            "insert into metric_packs (run, key, first_step, first_at, points, data) values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            number,
            key,
            first.step,
            first.at.0,
            points.len() as i64,
            pack::pack(points)
        ])?;
    Ok(())
}

/// Those of `points` that no pack has.
fn not_packed(
    transaction: &Transaction<'_>,
    number: i64,
    key: i64,
    points: &[Place],
) -> Result<Vec<Place>> {
    let mut left = Vec::new();
    let mut near: Vec<Place> = Vec::new();
    for point in points {
        let has = |near: &[Place]| near.binary_search_by(|packed| packed.order(point)).is_ok();
        // The pack of the point before is often this one's too.
        let inside = near
            .first()
            .zip(near.last())
            .is_some_and(|(first, last)| !first.newer(point) && !point.newer(last));
        if inside && has(&near) {
            continue;
        }
        let mut statement = transaction.prepare_cached(
            "select id, data from metric_packs where run = ?1 and key = ?2 and (first_step, first_at) <= (?3, ?4)
             order by first_step desc, first_at desc, id desc",
        )?;
        let mut packs = statement.query(params![number, key, point.step, point.at.0])?;
        let mut packed = false;
        while let Some(row) = packs.next()? {
            near = unpacked(row)?;
            packed = has(&near);
            let before = near
                .first()
                .is_none_or(|first| (first.step, first.at) < (point.step, point.at));
            if packed || before {
                break;
            }
        }
        if !packed {
            left.push(*point);
        }
    }
    Ok(left)
}

/// The points of a row of `id, data`.
fn unpacked(row: &Row<'_>) -> Result<Vec<Place>> {
    let packed = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
    pack::unpack(packed).ok_or_else(|| {
        let id: i64 = row.get(0).unwrap_or_default();
        Error::internal(format!(
            "row {id} of `metric_packs` is damaged: restore the database from a copy"
        ))
    })
}

/// The points of a pack as a JSON list of `[step, time, value]`, for SQL: NaN is null, what is infinite is out of range.
pub fn unpacked_as_json(packed: &[u8]) -> Option<String> {
    let mut text = String::from("[");
    for (number, point) in pack::unpack(packed)?.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let value = match point.value {
            value if value.is_nan() => "null".to_owned(),
            f64::INFINITY => "9e999".to_owned(),
            f64::NEG_INFINITY => "-9e999".to_owned(),
            value => format!("{value:?}"),
        };
        let _ = write!(text, "{comma}[{},{},{value}]", point.step, point.at.0);
    }
    text.push(']');
    Some(text)
}

fn latest_point(connection: &Connection, number: i64, key: i64) -> Result<Option<Place>> {
    let latest = connection
        .prepare_cached(
            "select step, at, value, nan from latest_metrics where run = ?1 and key = ?2",
        )?
        .query_row([number, key], |row| {
            Ok(Place {
                step: row.get(0)?,
                at: Timestamp(row.get(1)?),
                value: loaded(row, 2, 3)?,
            })
        })
        .optional()?;
    Ok(latest)
}

fn put_latest(transaction: &Transaction<'_>, number: i64, key: i64, point: &Place) -> Result<()> {
    let (value, nan) = stored(point.value);
    transaction
        .prepare_cached(
            "insert into latest_metrics (run, key, step, at, value, nan) values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (run, key) do update set step = ?3, at = ?4, value = ?5, nan = ?6",
        )?
        .execute(params![number, key, point.step, point.at.0, value, nan])?;
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

#[cfg(test)]
mod tests;
