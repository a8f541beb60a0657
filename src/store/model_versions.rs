//! What MLflow's clients see and change of model versions besides aliases: descriptions, tags, stages, where the
//! files lie; and the search over versions.

use super::conditions::{PROMPT, condition, order, without_prompts};
use super::registry::touch;
use super::registry::{VERSION_COLUMNS, bare_version, labelled};
use super::search::{Filter, Kind, Order};
use crate::domain::registry::ModelVersion;
use crate::domain::{ModelName, Result, Timestamp, Version};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

/// A version, and what only MLflow's clients ask for. The gate's words are left out.
#[derive(Clone, Debug, PartialEq)]
pub struct VersionRecord {
    /// The version.
    pub version: ModelVersion,
    /// Link to its run elsewhere.
    pub run_link: String,
}

/// What a version is made with, besides what `registry::NewVersion` has.
#[derive(Clone, Debug, Default)]
pub struct VersionFacts {
    /// Free text.
    pub description: String,
    /// Link to its run elsewhere.
    pub run_link: String,
    /// URI of its files, when `source` only points there; empty: `source`.
    pub location: String,
    /// The logged model it was made of; empty: none.
    pub logged_model: String,
}

/// [`VERSION_COLUMNS`], and what a client sees besides.
fn select(rest: &str) -> String {
    format!("select {VERSION_COLUMNS}, v.model, v.run_link from model_versions v where {rest}")
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<VersionRecord> {
    Ok(VersionRecord {
        version: bare_version(&ModelName(row.get(9)?), row)?,
        run_link: row.get(10)?,
    })
}

fn complete(connection: &Connection, record: VersionRecord) -> Result<VersionRecord> {
    Ok(VersionRecord {
        version: labelled(connection, record.version)?,
        ..record
    })
}

/// One version.
pub fn get(
    connection: &Connection,
    model: &ModelName,
    version: Version,
) -> Result<Option<VersionRecord>> {
    connection
        .prepare_cached(&select("v.model = ?1 and v.version = ?2"))?
        .query_row(params![model.as_str(), version.0], from_row)
        .optional()?
        .map(|record| complete(connection, record))
        .transpose()
}

/// The newest version of each stage, oldest first.
pub fn newest_by_stage(connection: &Connection, model: &ModelName) -> Result<Vec<VersionRecord>> {
    let found: Vec<VersionRecord> = connection
        .prepare_cached(&select(
            "v.model = ?1 and v.version in (
                 select max(version) from model_versions where model = ?1 group by stage
             ) order by v.version",
        ))?
        .query_map([model.as_str()], from_row)?
        .collect::<rusqlite::Result<_>>()?;
    found
        .into_iter()
        .map(|record| complete(connection, record))
        .collect()
}

/// Versions that match, ordered, from `offset`, at most `limit`; prompts only when the filter asks for them.
/// Without orders: changed last first. Ties: model, then newest first.
pub fn find(
    connection: &Connection,
    filter: Filter,
    orders: &[Order],
    offset: u64,
    limit: u64,
) -> Result<Vec<VersionRecord>> {
    let (filter, prompts) = without_prompts(filter);
    let conditions = condition(Kind::Versions, &filter, &[]);
    let mut sql = select(&conditions.text);
    if !prompts {
        sql.push_str(&format!(
            " and not exists (select 1 from version_tags p where p.model = v.model and p.key = '{PROMPT}' and p.value = 'true')"
        ));
    }
    let first = match orders {
        [] => "v.updated desc".to_owned(),
        orders => order(orders),
    };
    sql.push_str(&format!(
        " order by {first}, v.model, v.version desc limit ? offset ?"
    ));
    let limits =
        [limit, offset].map(|number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
    let found: Vec<VersionRecord> = connection
        .prepare_cached(&sql)?
        .query_map(
            params_from_iter(conditions.values.into_iter().chain(limits)),
            from_row,
        )?
        .collect::<rusqlite::Result<_>>()?;
    found
        .into_iter()
        .map(|record| complete(connection, record))
        .collect()
}

/// URI of a version's files.
pub fn location(
    connection: &Connection,
    model: &ModelName,
    version: Version,
) -> Result<Option<String>> {
    let location = connection
        .prepare_cached(
            "select case when location = '' then source else location end from model_versions
             where model = ?1 and version = ?2",
        )?
        .query_row(params![model.as_str(), version.0], |row| row.get(0))
        .optional()?;
    Ok(location)
}

/// Keeps what a version was made with.
pub fn set_facts(
    transaction: &Transaction<'_>,
    model: &ModelName,
    version: Version,
    facts: &VersionFacts,
) -> Result<()> {
    transaction
        .prepare_cached(
            "update model_versions set description = ?3, run_link = ?4, location = ?5, logged_model = ?6
             where model = ?1 and version = ?2",
        )?
        .execute(params![
            model.as_str(),
            version.0,
            facts.description,
            facts.run_link,
            facts.location,
            facts.logged_model
        ])?;
    Ok(())
}

/// Changes the description.
pub fn describe(
    transaction: &Transaction<'_>,
    model: &ModelName,
    version: Version,
    text: &str,
    at: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached(
            "update model_versions set description = ?3, updated = ?4 where model = ?1 and version = ?2",
        )?
        .execute(params![model.as_str(), version.0, text, at.0])?;
    Ok(())
}

/// Sets a tag (some value) or removes it (none).
pub fn set_tag(
    transaction: &Transaction<'_>,
    model: &ModelName,
    version: Version,
    key: &str,
    value: Option<&str>,
) -> Result<()> {
    match value {
        Some(value) => transaction
            .prepare_cached(
                "replace into version_tags (model, version, key, value) values (?1, ?2, ?3, ?4)",
            )?
            .execute(params![model.as_str(), version.0, key, value])?,
        None => transaction
            .prepare_cached(
                "delete from version_tags where model = ?1 and version = ?2 and key = ?3",
            )?
            .execute(params![model.as_str(), version.0, key])?,
    };
    Ok(())
}

/// Moves a version to a stage; with `archive`, the others there go to `Archived`.
pub fn set_stage(
    transaction: &Transaction<'_>,
    model: &ModelName,
    version: Version,
    stage: &str,
    archive: bool,
    at: Timestamp,
) -> Result<()> {
    if archive {
        transaction
            .prepare_cached(
                "update model_versions set stage = 'Archived', updated = ?4
                 where model = ?1 and version != ?2 and stage = ?3",
            )?
            .execute(params![model.as_str(), version.0, stage, at.0])?;
    }
    transaction
        .prepare_cached(
            "update model_versions set stage = ?3, updated = ?4 where model = ?1 and version = ?2",
        )?
        .execute(params![model.as_str(), version.0, stage, at.0])?;
    touch(transaction, model, at)
}
