//! Kept profiles of datasets: the mergeable state of each file, and what all of them together say.

use crate::domain::dataset::Day;
use crate::domain::profile::Profile;
use crate::domain::{Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// The state of one file.
#[derive(Clone, Debug, PartialEq)]
pub struct FileState {
    /// Its path; empty for a dataset made by SQL.
    pub path: String,
    /// SHA-256 of its content.
    pub sha256: String,
    /// `2013-01-31`.
    pub day: String,
    /// Its rows.
    pub rows: u64,
    /// Its newest instant, microseconds.
    pub newest: Option<i64>,
    /// As `data::profile` writes it.
    pub state: Vec<u8>,
}

/// What all files of a dataset together say.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetProfile {
    /// Of the snapshot.
    pub digest: String,
    /// The profile.
    pub profile: Profile,
    /// Days, oldest first.
    pub days: Vec<Day>,
    /// The newest instant, microseconds.
    pub newest: Option<i64>,
    /// When it was made.
    pub at: Timestamp,
}

/// Path and content of the files whose state is kept in this version (its first byte).
pub fn known(connection: &Connection, dataset: &str, version: u8) -> Result<Vec<(String, String)>> {
    let mut statement = connection.prepare_cached(
        "select path, sha256 from dataset_states \
         where dataset = ?1 and substr(state, 1, 1) = ?2 order by path",
    )?;
    let known = statement
        .query_map(params![dataset, [version].as_slice()], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(known)
}

/// The kept states of a dataset, by path.
pub fn states(connection: &Connection, dataset: &str) -> Result<Vec<FileState>> {
    let mut statement = connection.prepare_cached(
        "select path, sha256, day, rows, newest, state from dataset_states where dataset = ?1 order by path",
    )?;
    let states = statement
        .query_map([dataset], |row| {
            Ok(FileState {
                path: row.get(0)?,
                sha256: row.get(1)?,
                day: row.get(2)?,
                rows: row.get::<_, i64>(3)?.unsigned_abs(),
                newest: row.get(4)?,
                state: row.get(5)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(states)
}

/// Keeps the state of a file; one of the same path is replaced.
pub fn keep_state(
    transaction: &Transaction<'_>,
    dataset: &str,
    state: &FileState,
    at: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into dataset_states (dataset, path, sha256, day, rows, newest, state, at) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) on conflict (dataset, path) do update set \
             sha256 = excluded.sha256, day = excluded.day, rows = excluded.rows, \
             newest = excluded.newest, state = excluded.state, at = excluded.at",
        )?
        .execute(params![
            dataset,
            state.path,
            state.sha256,
            state.day,
            i64::try_from(state.rows).unwrap_or(i64::MAX),
            state.newest,
            state.state,
            at.0
        ])?;
    Ok(())
}

/// Forgets the state of a file that the dataset has no more.
pub fn forget_state(transaction: &Transaction<'_>, dataset: &str, path: &str) -> Result<()> {
    transaction
        .prepare_cached("delete from dataset_states where dataset = ?1 and path = ?2")?
        .execute([dataset, path])?;
    Ok(())
}

/// Keeps what all files together say.
pub fn keep(transaction: &Transaction<'_>, dataset: &str, made: &DatasetProfile) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into dataset_profiles (dataset, digest, profile, days, newest, at) \
             values (?1, ?2, ?3, ?4, ?5, ?6) on conflict (dataset) do update set \
             digest = excluded.digest, profile = excluded.profile, days = excluded.days, \
             newest = excluded.newest, at = excluded.at",
        )?
        .execute(params![
            dataset,
            made.digest,
            serde_json::to_string(&made.profile)?,
            serde_json::to_string(&made.days)?,
            made.newest,
            made.at.0
        ])?;
    Ok(())
}

/// What all files of a dataset together say; none before its first profile.
pub fn newest(connection: &Connection, dataset: &str) -> Result<Option<DatasetProfile>> {
    let found: Option<(String, String, String, Option<i64>, i64)> = connection
        .prepare_cached(
            "select digest, profile, days, newest, at from dataset_profiles where dataset = ?1",
        )?
        .query_row([dataset], |row| {
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get(3)?,
                row.get(4)?,
            ))
        })
        .optional()?;
    found
        .map(|(digest, profile, days, newest, at)| {
            Ok(DatasetProfile {
                digest,
                profile: serde_json::from_str(&profile)?,
                days: serde_json::from_str(&days)?,
                newest,
                at: Timestamp(at),
            })
        })
        .transpose()
}
