//! Runs with their parameters, tags and inputs. Metric points are in `metrics`, windows over many runs in `table`.

use super::experiments::{lifecycle_name, lifecycle_of};
use super::{experiments, metrics};
use crate::domain::experiment::Lifecycle;
use crate::domain::run::{DatasetInput, Pair, Run, RunModels, RunStatus};
use crate::domain::{Error, ExperimentId, LoggedModelId, Result, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};
use std::collections::BTreeMap;

/// The columns that [`from_row`] reads, of `runs as r`.
pub const COLUMNS: &str = "r.number, r.id, r.experiment, r.name, r.user, r.status, r.started, r.ended, r.lifecycle, r.artifact_uri";

/// A run as its own row has it: the number its other rows hang on, and the run without them.
pub fn from_row(row: &Row<'_>) -> rusqlite::Result<(i64, Run)> {
    Ok((
        row.get(0)?,
        Run {
            id: RunId(row.get(1)?),
            experiment: ExperimentId(row.get::<_, i64>(2)?.to_string()),
            name: row.get(3)?,
            user: row.get(4)?,
            status: RunStatus::parse(row.get_ref(5)?.as_str()?).unwrap_or(RunStatus::Failed),
            started: Timestamp(row.get(6)?),
            ended: row.get::<_, Option<i64>>(7)?.map(Timestamp),
            lifecycle: lifecycle_of(row.get_ref(8)?.as_str()?),
            artifact_uri: row.get(9)?,
            params: Vec::new(),
            tags: Vec::new(),
            metrics: Vec::new(),
            inputs: Vec::new(),
            models: RunModels::default(),
        },
    ))
}

/// Makes a run's row (not its tags); answers its number.
pub fn insert(transaction: &Transaction<'_>, run: &Run) -> Result<i64> {
    transaction
        .prepare_cached(
            "insert into runs (id, experiment, name, user, status, started, ended, lifecycle, artifact_uri)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            run.id.as_str(),
            experiments::number(&run.experiment)?,
            run.name,
            run.user,
            run.status.as_str(),
            run.started.0,
            run.ended.map(|ended| ended.0),
            lifecycle_name(run.lifecycle),
            run.artifact_uri,
        ])?;
    Ok(transaction.last_insert_rowid())
}

/// A run's own row.
pub fn header(connection: &Connection, id: &RunId) -> Result<(i64, Run)> {
    let sql = format!("select {COLUMNS} from runs r where r.id = ?1");
    connection
        .prepare_cached(&sql)?
        .query_row([id.as_str()], from_row)
        .optional()?
        .ok_or_else(|| Error::not_found(format!("no run with id `{id}`")))
}

/// A run with everything but its history.
pub fn get(connection: &Connection, id: &RunId) -> Result<Run> {
    let (number, run) = header(connection, id)?;
    complete(connection, number, run)
}

/// Adds parameters, tags, latest metrics and inputs to a run's own row.
pub fn complete(connection: &Connection, number: i64, mut run: Run) -> Result<Run> {
    run.params = params_of(connection, number)?;
    run.tags = tags_of(connection, number)?;
    run.metrics = metrics::latest(connection, number)?;
    with_inputs(connection, number, run)
}

/// Adds what a run read.
pub fn with_inputs(connection: &Connection, number: i64, mut run: Run) -> Result<Run> {
    run.inputs = inputs_of(connection, number)?;
    run.models = models_of(connection, number)?;
    Ok(run)
}

fn pairs(connection: &Connection, sql: &str, number: i64) -> Result<Vec<Pair>> {
    let mut statement = connection.prepare_cached(sql)?;
    let pairs = statement
        .query_map([number], |row| {
            Ok(Pair {
                key: row.get(0)?,
                value: row.get(1)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(pairs)
}

/// Parameters, sorted by key.
pub fn params_of(connection: &Connection, number: i64) -> Result<Vec<Pair>> {
    pairs(
        connection,
        "select key, value from params where run = ?1 order by key",
        number,
    )
}

/// Tags, sorted by key.
pub fn tags_of(connection: &Connection, number: i64) -> Result<Vec<Pair>> {
    pairs(
        connection,
        "select key, value from tags where run = ?1 order by key",
        number,
    )
}

/// One tag.
pub fn tag(connection: &Connection, number: i64, key: &str) -> Result<Option<String>> {
    let value = connection
        .prepare_cached("select value from tags where run = ?1 and key = ?2")?
        .query_row(params![number, key], |row| row.get(0))
        .optional()?;
    Ok(value)
}

fn inputs_of(connection: &Connection, number: i64) -> Result<Vec<DatasetInput>> {
    let mut statement = connection.prepare_cached(
        "select d.name, d.digest, d.source_type, d.source, d.schema, d.profile, i.context, i.tags
         from inputs i join logged_datasets d on d.id = i.dataset where i.run = ?1 order by d.id",
    )?;
    let inputs = statement
        .query_map([number], |row| {
            Ok(DatasetInput {
                name: row.get(0)?,
                digest: row.get(1)?,
                source_type: row.get(2)?,
                source: row.get(3)?,
                schema: row.get(4)?,
                profile: row.get(5)?,
                context: row.get(6)?,
                tags: tags_from(row.get(7)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(inputs)
}

/// Tags of an input as the store has them: a JSON object, or nothing.
fn tags_text(tags: &[Pair]) -> Result<Option<String>> {
    if tags.is_empty() {
        return Ok(None);
    }
    let map: BTreeMap<&str, &str> = tags
        .iter()
        .map(|tag| (tag.key.as_str(), tag.value.as_str()))
        .collect();
    Ok(Some(serde_json::to_string(&map)?))
}

fn tags_from(text: Option<String>) -> Vec<Pair> {
    let map: BTreeMap<String, String> = text
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    map.into_iter()
        .map(|(key, value)| Pair { key, value })
        .collect()
}

fn models_of(connection: &Connection, number: i64) -> Result<RunModels> {
    let mut models = RunModels::default();
    let mut statement = connection.prepare_cached(
        "select direction, model, step from run_models where run = ?1 order by direction, step, model",
    )?;
    let mut rows = statement.query([number])?;
    while let Some(row) = rows.next()? {
        let model = LoggedModelId(row.get(1)?);
        let direction: String = row.get(0)?;
        match direction.as_str() {
            "input" => models.inputs.push(model),
            _ => models.outputs.push((model, row.get(2)?)),
        }
    }
    Ok(models)
}

/// Notes that a run read (`input`) or made (`output`) a logged model; the same again changes nothing.
pub fn add_model(
    transaction: &Transaction<'_>,
    number: i64,
    direction: &str,
    model: &LoggedModelId,
    step: i64,
) -> Result<()> {
    transaction
        .prepare_cached(
            "insert or ignore into run_models (run, direction, model, step) values (?1, ?2, ?3, ?4)",
        )?
        .execute(params![number, direction, model.as_str(), step])?;
    Ok(())
}

/// Sets a parameter; an earlier value that differs is answered and stays.
pub fn set_param(
    transaction: &Transaction<'_>,
    number: i64,
    experiment: &ExperimentId,
    pair: &Pair,
) -> Result<Option<String>> {
    let added = transaction
        .prepare_cached("insert or ignore into params (run, key, value) values (?1, ?2, ?3)")?
        .execute(params![number, pair.key, pair.value])?;
    if added > 0 {
        count_use(transaction, experiment, "param", &pair.key)?;
        return Ok(None);
    }
    let earlier: String = transaction
        .prepare_cached("select value from params where run = ?1 and key = ?2")?
        .query_row(params![number, pair.key], |row| row.get(0))?;
    Ok((earlier != pair.value).then_some(earlier))
}

/// One more run of the experiment has this metric or parameter.
pub fn count_use(
    transaction: &Transaction<'_>,
    experiment: &ExperimentId,
    kind: &str,
    key: &str,
) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into key_uses (experiment, kind, key, runs) values (?1, ?2, ?3, 1)
             on conflict (experiment, kind, key) do update set runs = runs + 1",
        )?
        .execute(params![experiments::number(experiment)?, kind, key])?;
    Ok(())
}

/// Keys of a kind (`metric`, `param`) in an experiment (or all), most used first.
pub fn keys_by_use(
    connection: &Connection,
    experiment: Option<i64>,
    kind: &str,
) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(
        "select key from key_uses where kind = ?1 and (?2 is null or experiment = ?2)
         group by key order by sum(runs) desc, key",
    )?;
    let keys = statement
        .query_map(params![kind, experiment], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(keys)
}

/// Sets a tag.
pub fn set_tag(transaction: &Transaction<'_>, number: i64, pair: &Pair) -> Result<()> {
    transaction
        .prepare_cached("replace into tags (run, key, value) values (?1, ?2, ?3)")?
        .execute(params![number, pair.key, pair.value])?;
    Ok(())
}

/// Removes a tag; says whether there was one.
pub fn delete_tag(transaction: &Transaction<'_>, number: i64, key: &str) -> Result<bool> {
    let removed = transaction
        .prepare_cached("delete from tags where run = ?1 and key = ?2")?
        .execute(params![number, key])?;
    Ok(removed > 0)
}

/// Notes that a run read a dataset; the same one again changes nothing.
pub fn add_input(
    transaction: &Transaction<'_>,
    number: i64,
    experiment: &ExperimentId,
    input: &DatasetInput,
) -> Result<()> {
    let experiment = experiments::number(experiment)?;
    transaction
        .prepare_cached(
            "insert or ignore into logged_datasets (experiment, name, digest, source_type, source, schema, profile)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            experiment,
            input.name,
            input.digest,
            input.source_type,
            input.source,
            input.schema,
            input.profile,
        ])?;
    transaction
        .prepare_cached(
            "insert or ignore into inputs (run, dataset, context, tags)
             select ?1, id, ?5, ?6 from logged_datasets where experiment = ?2 and name = ?3 and digest = ?4",
        )?
        .execute(params![
            number,
            experiment,
            input.name,
            input.digest,
            input.context,
            tags_text(&input.tags)?
        ])?;
    Ok(())
}

/// Renames.
pub fn rename(transaction: &Transaction<'_>, number: i64, name: &str) -> Result<()> {
    transaction
        .prepare_cached("update runs set name = ?2 where number = ?1")?
        .execute(params![number, name])?;
    Ok(())
}

/// Moves a run's state, and its end.
pub fn set_status(
    transaction: &Transaction<'_>,
    number: i64,
    status: RunStatus,
    ended: Option<Timestamp>,
) -> Result<()> {
    transaction
        .prepare_cached("update runs set status = ?2, ended = ?3 where number = ?1")?
        .execute(params![number, status.as_str(), ended.map(|ended| ended.0)])?;
    Ok(())
}

/// Deletes (archives) or restores a run.
pub fn set_lifecycle(
    transaction: &Transaction<'_>,
    number: i64,
    lifecycle: Lifecycle,
) -> Result<()> {
    transaction
        .prepare_cached("update runs set lifecycle = ?2 where number = ?1")?
        .execute(params![number, lifecycle_name(lifecycle)])?;
    Ok(())
}
