//! Experiments and their tags.

use super::conditions::{condition, order};
use super::search::{Filter, Kind, Order};
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::{Error, ExperimentId, Result, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

const COLUMNS: &str =
    "select id, name, artifact_location, lifecycle, created, updated from experiments";

/// The number behind an experiment's id; an id that is no number is invalid.
pub fn number(id: &ExperimentId) -> Result<i64> {
    id.as_str()
        .parse()
        .map_err(|_| Error::invalid(format!("`{id}` is no experiment id: it is a number")))
}

/// A lifecycle's name in the store.
pub fn lifecycle_name(lifecycle: Lifecycle) -> &'static str {
    match lifecycle {
        Lifecycle::Active => "active",
        Lifecycle::Deleted => "deleted",
    }
}

/// The lifecycle called `name` in the store.
pub fn lifecycle_of(name: &str) -> Lifecycle {
    if name == "deleted" {
        Lifecycle::Deleted
    } else {
        Lifecycle::Active
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Experiment> {
    Ok(Experiment {
        id: ExperimentId(row.get::<_, i64>(0)?.to_string()),
        name: row.get(1)?,
        artifact_location: row.get(2)?,
        lifecycle: lifecycle_of(row.get_ref(3)?.as_str()?),
        created: Timestamp(row.get(4)?),
        updated: Timestamp(row.get(5)?),
        tags: Vec::new(),
    })
}

fn with_tags(connection: &Connection, mut experiment: Experiment) -> Result<Experiment> {
    let mut statement = connection.prepare_cached(
        "select key, value from experiment_tags where experiment = ?1 order by key",
    )?;
    experiment.tags = statement
        .query_map([number(&experiment.id)?], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(experiment)
}

/// Makes an experiment. `id` none: the next number; `location` none: under its id.
pub fn insert(
    transaction: &Transaction<'_>,
    id: Option<i64>,
    name: &str,
    location: Option<&str>,
    now: Timestamp,
) -> Result<ExperimentId> {
    let id = match id {
        Some(id) => id,
        None => transaction
            .prepare_cached("select max(coalesce(max(id), 0), coalesce((select last from greatest_numbers where kind = 'experiment'), 0)) + 1 from experiments")?
            .query_row([], |row| row.get(0))?,
    };
    let location = location.map_or_else(|| format!("mlflow-artifacts:/{id}"), str::to_owned);
    transaction
        .prepare_cached(
            "insert into experiments (id, name, artifact_location, created, updated) values (?1, ?2, ?3, ?4, ?4)",
        )?
        .execute(params![id, name, location, now.0])?;
    Ok(ExperimentId(id.to_string()))
}

/// The experiment with this id, deleted or not.
pub fn get(connection: &Connection, id: &ExperimentId) -> Result<Experiment> {
    let sql = format!("{COLUMNS} where id = ?1");
    let found = connection
        .prepare_cached(&sql)?
        .query_row([number(id)?], from_row)
        .optional()?
        .ok_or_else(|| Error::not_found(format!("no experiment with id `{id}`")))?;
    with_tags(connection, found)
}

/// The experiment called `name`, deleted or not.
pub fn by_name(connection: &Connection, name: &str) -> Result<Option<Experiment>> {
    let sql = format!("{COLUMNS} where name = ?1");
    connection
        .prepare_cached(&sql)?
        .query_row([name], from_row)
        .optional()?
        .map(|found| with_tags(connection, found))
        .transpose()
}

/// Every experiment, deleted ones too, newest first.
pub fn all(connection: &Connection) -> Result<Vec<Experiment>> {
    let sql = format!("{COLUMNS} order by created desc, id desc");
    let found = connection
        .prepare_cached(&sql)?
        .query_map([], from_row)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    found
        .into_iter()
        .map(|experiment| with_tags(connection, experiment))
        .collect()
}

/// Experiments that match, ordered, from `offset`, at most `limit`. Without orders: newest first.
pub fn find(
    connection: &Connection,
    filter: &Filter,
    orders: &[Order],
    lifecycle: Option<Lifecycle>,
    offset: u64,
    limit: u64,
) -> Result<Vec<Experiment>> {
    let conditions = condition(Kind::Experiments, filter, &[]);
    let stage = match lifecycle {
        Some(lifecycle) => format!("e.lifecycle = '{}'", lifecycle_name(lifecycle)),
        None => "true".to_owned(),
    };
    let first = match orders {
        [] => "e.created desc, e.id".to_owned(),
        orders => order(orders),
    };
    let sql = format!(
        "select id, name, artifact_location, lifecycle, created, updated from experiments e
         where {stage} and {} order by {first}, e.id desc limit ? offset ?",
        conditions.text
    );
    let limits =
        [limit, offset].map(|number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
    let found = connection
        .prepare_cached(&sql)?
        .query_map(
            params_from_iter(conditions.values.into_iter().chain(limits)),
            from_row,
        )?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    found
        .into_iter()
        .map(|experiment| with_tags(connection, experiment))
        .collect()
}

/// Ids and names of those in use, by name: for a switcher.
pub fn names(connection: &Connection) -> Result<Vec<(ExperimentId, String)>> {
    let mut statement = connection.prepare_cached(
        "select id, name from experiments where lifecycle = 'active' order by name",
    )?;
    let names = statement
        .query_map([], |row| {
            Ok((ExperimentId(row.get::<_, i64>(0)?.to_string()), row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(names)
}

/// Renames.
pub fn rename(
    transaction: &Transaction<'_>,
    id: &ExperimentId,
    name: &str,
    now: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached("update experiments set name = ?2, updated = ?3 where id = ?1")?
        .execute(params![number(id)?, name, now.0])?;
    Ok(())
}

/// Deletes or restores an experiment with its runs.
pub fn set_lifecycle(
    transaction: &Transaction<'_>,
    id: &ExperimentId,
    lifecycle: Lifecycle,
    now: Timestamp,
) -> Result<()> {
    let number = number(id)?;
    transaction
        .prepare_cached("update experiments set lifecycle = ?2, updated = ?3 where id = ?1")?
        .execute(params![number, lifecycle_name(lifecycle), now.0])?;
    transaction
        .prepare_cached("update runs set lifecycle = ?2 where experiment = ?1")?
        .execute(params![number, lifecycle_name(lifecycle)])?;
    Ok(())
}

/// Sets a tag.
pub fn set_tag(
    transaction: &Transaction<'_>,
    id: &ExperimentId,
    key: &str,
    value: &str,
    now: Timestamp,
) -> Result<()> {
    let number = number(id)?;
    transaction
        .prepare_cached(
            "replace into experiment_tags (experiment, key, value) values (?1, ?2, ?3)",
        )?
        .execute(params![number, key, value])?;
    transaction
        .prepare_cached("update experiments set updated = ?2 where id = ?1")?
        .execute(params![number, now.0])?;
    Ok(())
}

/// Removes a tag; says whether there was one.
pub fn delete_tag(transaction: &Transaction<'_>, id: &ExperimentId, key: &str) -> Result<bool> {
    let removed = transaction
        .prepare_cached("delete from experiment_tags where experiment = ?1 and key = ?2")?
        .execute(params![number(id)?, key])?;
    Ok(removed > 0)
}
