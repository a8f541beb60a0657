//! The newest materialization of each feature view.

use crate::domain::profile::Profile;
use crate::domain::{Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::collections::BTreeMap;

/// What is known about a view's online values.
#[derive(Clone, Debug, PartialEq)]
pub struct Materialization {
    /// As of which instant; microseconds.
    pub as_of: i64,
    /// Entities.
    pub rows: u64,
    /// Newest event time, microseconds.
    pub watermark: Option<i64>,
    /// Profiles of the features.
    pub profile: Profile,
    /// Feature to (equal, checked): online values against the offline join; empty when that was not done.
    pub equality: BTreeMap<String, (u64, u64)>,
    /// When it was taken in.
    pub at: Timestamp,
}

/// Keeps a view's newest materialization.
pub fn keep(transaction: &Transaction<'_>, view: &str, made: &Materialization) -> Result<()> {
    transaction.execute(
        "insert into materializations (view, as_of, rows, watermark, profile, equality, at) \
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict (view) do update set \
         as_of = excluded.as_of, rows = excluded.rows, watermark = excluded.watermark, \
         profile = excluded.profile, equality = excluded.equality, at = excluded.at",
        params![
            view,
            made.as_of,
            i64::try_from(made.rows).unwrap_or(i64::MAX),
            made.watermark,
            serde_json::to_string(&made.profile)?,
            serde_json::to_string(&made.equality)?,
            made.at.0
        ],
    )?;
    Ok(())
}

/// A view's newest materialization.
pub fn newest(connection: &Connection, view: &str) -> Result<Option<Materialization>> {
    let found: Option<(i64, i64, Option<i64>, String, String, i64)> = connection
        .prepare_cached(
            "select as_of, rows, watermark, profile, equality, at from materializations where view = ?1",
        )?
        .query_row([view], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
                row.get(5)?,
            ))
        })
        .optional()?;
    found
        .map(|(as_of, rows, watermark, profile, equality, at)| {
            Ok(Materialization {
                as_of,
                rows: rows.unsigned_abs(),
                watermark,
                profile: serde_json::from_str(&profile)?,
                equality: serde_json::from_str(&equality)?,
                at: Timestamp(at),
            })
        })
        .transpose()
}
