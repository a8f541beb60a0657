//! What is known about files of datasets: their hashes, what their last validation said, and frozen schemas.

use crate::domain::dataset::{FileStamp, Schema, Violation};
use crate::domain::{Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// The stamps of a dataset's files when they were last hashed, sorted by path.
pub fn known(connection: &Connection, dataset: &str) -> Result<Vec<FileStamp>> {
    let mut statement = connection.prepare_cached(
        "select path, bytes, sha256, modified from files where dataset = ?1 order by path",
    )?;
    let stamps = statement
        .query_map([dataset], |row| {
            Ok(FileStamp {
                path: row.get(0)?,
                bytes: row.get::<_, i64>(1)?.unsigned_abs(),
                sha256: row.get(2)?,
                modified: row.get(3)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(stamps)
}

/// Replaces all stamps of a dataset.
pub fn keep(transaction: &Transaction<'_>, dataset: &str, stamps: &[FileStamp]) -> Result<()> {
    transaction.execute("delete from files where dataset = ?1", [dataset])?;
    let mut statement = transaction.prepare_cached(
        "insert into files (dataset, path, bytes, sha256, modified) values (?1, ?2, ?3, ?4, ?5)",
    )?;
    for stamp in stamps {
        statement.execute(params![
            dataset,
            stamp.path,
            i64::try_from(stamp.bytes).unwrap_or(i64::MAX),
            stamp.sha256,
            stamp.modified
        ])?;
    }
    Ok(())
}

/// What a validation found.
#[derive(Clone, Debug, PartialEq)]
pub struct DatasetCheck {
    /// Rows seen.
    pub rows: u64,
    /// What was not as expected.
    pub violations: Vec<Violation>,
    /// The digest of the snapshot that was looked at; none for checks of earlier versions.
    pub digest: Option<String>,
    /// When.
    pub at: Timestamp,
}

/// Adds what a validation found.
pub fn record_check(
    transaction: &Transaction<'_>,
    dataset: &str,
    check: &DatasetCheck,
) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into dataset_checks (dataset, rows, violations, digest, at) values (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            dataset,
            i64::try_from(check.rows).unwrap_or(i64::MAX),
            serde_json::to_string(&check.violations)?,
            check.digest,
            check.at.0
        ])?;
    Ok(())
}

/// The newest validation of a dataset.
pub fn last_check(connection: &Connection, dataset: &str) -> Result<Option<DatasetCheck>> {
    let found: Option<(i64, String, Option<String>, i64)> = connection
        .prepare_cached(
            "select rows, violations, digest, at from dataset_checks where dataset = ?1 order by id desc limit 1",
        )?
        .query_row([dataset], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
        })
        .optional()?;
    found
        .map(|(rows, violations, digest, at)| {
            Ok(DatasetCheck {
                rows: rows.unsigned_abs(),
                violations: serde_json::from_str(&violations)?,
                digest,
                at: Timestamp(at),
            })
        })
        .transpose()
}

/// Freezes a dataset's inferred schema; an earlier one is replaced.
pub fn freeze_schema(
    transaction: &Transaction<'_>,
    dataset: &str,
    schema: &Schema,
    at: Timestamp,
) -> Result<()> {
    transaction.execute(
        "insert into dataset_schemas (dataset, schema, at) values (?1, ?2, ?3) \
         on conflict (dataset) do update set schema = excluded.schema, at = excluded.at",
        params![dataset, serde_json::to_string(schema)?, at.0],
    )?;
    Ok(())
}

/// A dataset's frozen schema.
pub fn frozen_schema(connection: &Connection, dataset: &str) -> Result<Option<Schema>> {
    let text: Option<String> = connection
        .prepare_cached("select schema from dataset_schemas where dataset = ?1")?
        .query_row([dataset], |row| row.get(0))
        .optional()?;
    text.map(|text| Ok(serde_json::from_str(&text)?))
        .transpose()
}
