//! Logged models with their parameters, tags and metrics. Which of them runs read and made is in `runs`.

use super::conditions::{OnDataset, condition, on_datasets};
use super::experiments::{lifecycle_name, lifecycle_of, number};
use super::search::{Filter, Kind, Sql};
use crate::domain::experiment::Lifecycle;
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
use crate::domain::metric::Metric;
use crate::domain::run::Pair;
use crate::domain::{ExperimentId, LoggedModelId, Result, RunId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params, params_from_iter};

const COLUMNS: &str = "l.id, l.experiment, l.name, l.artifact_uri, l.created, l.updated, l.status, l.lifecycle, l.model_type, l.source_run, l.status_message";

fn from_row(row: &Row<'_>) -> rusqlite::Result<LoggedModel> {
    let status = row.get_ref(6)?.as_str()?;
    Ok(LoggedModel {
        id: LoggedModelId(row.get(0)?),
        experiment: ExperimentId(row.get::<_, i64>(1)?.to_string()),
        name: row.get(2)?,
        artifact_uri: row.get(3)?,
        created: Timestamp(row.get(4)?),
        updated: Timestamp(row.get(5)?),
        status: LoggedModelStatus::ALL
            .into_iter()
            .find(|known| known.as_str() == status)
            .unwrap_or(LoggedModelStatus::Unspecified),
        lifecycle: lifecycle_of(row.get_ref(7)?.as_str()?),
        model_type: row.get(8)?,
        source_run: row.get::<_, Option<String>>(9)?.map(RunId),
        status_message: row.get(10)?,
        tags: Vec::new(),
        params: Vec::new(),
        metrics: Vec::new(),
    })
}

/// Makes a model's row, with its parameters and tags.
pub fn insert(transaction: &Transaction<'_>, model: &LoggedModel) -> Result<()> {
    transaction
        .prepare_cached(
            "insert into logged_models (id, experiment, name, artifact_uri, created, updated, status, lifecycle, model_type, source_run, status_message)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            model.id.as_str(),
            number(&model.experiment)?,
            model.name,
            model.artifact_uri,
            model.created.0,
            model.updated.0,
            model.status.as_str(),
            lifecycle_name(model.lifecycle),
            model.model_type,
            model.source_run.as_ref().map(RunId::as_str),
            model.status_message,
        ])?;
    for param in &model.params {
        set_param(transaction, &model.id, param)?;
    }
    for tag in &model.tags {
        set_tag(transaction, &model.id, tag)?;
    }
    Ok(())
}

/// A model, deleted or not.
pub fn get(connection: &Connection, id: &LoggedModelId) -> Result<Option<LoggedModel>> {
    connection
        .prepare_cached(&format!(
            "select {COLUMNS} from logged_models l where l.id = ?1"
        ))?
        .query_row([id.as_str()], from_row)
        .optional()?
        .map(|model| complete(connection, model))
        .transpose()
}

fn pairs(connection: &Connection, table: &str, id: &LoggedModelId) -> Result<Vec<Pair>> {
    let pairs = connection
        .prepare_cached(&format!(
            "select key, value from {table} where model = ?1 order by key"
        ))?
        .query_map([id.as_str()], |row| {
            Ok(Pair {
                key: row.get(0)?,
                value: row.get(1)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(pairs)
}

fn complete(connection: &Connection, mut model: LoggedModel) -> Result<LoggedModel> {
    model.params = pairs(connection, "logged_model_params", &model.id)?;
    model.tags = pairs(connection, "logged_model_tags", &model.id)?;
    model.metrics = connection
        .prepare_cached(
            "select key, value, nan, at, step, run, dataset_name, dataset_digest from logged_model_metrics
             where model = ?1 order by key, at, step, run",
        )?
        .query_map([model.id.as_str()], |row| {
            let nan: bool = row.get(2)?;
            Ok(ModelMetric {
                metric: Metric {
                    key: row.get(0)?,
                    value: if nan { f64::NAN } else { row.get(1)? },
                    timestamp: Timestamp(row.get(3)?),
                    step: row.get(4)?,
                },
                model: model.id.clone(),
                run: RunId(row.get(5)?),
                dataset_name: row.get(6)?,
                dataset_digest: row.get(7)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(model)
}

/// Sets a parameter; an earlier value that differs is answered and stays.
pub fn set_param(
    transaction: &Transaction<'_>,
    id: &LoggedModelId,
    pair: &Pair,
) -> Result<Option<String>> {
    let added = transaction
        .prepare_cached(
            "insert or ignore into logged_model_params (model, key, value) values (?1, ?2, ?3)",
        )?
        .execute(params![id.as_str(), pair.key, pair.value])?;
    if added > 0 {
        return Ok(None);
    }
    let earlier: String = transaction
        .prepare_cached("select value from logged_model_params where model = ?1 and key = ?2")?
        .query_row(params![id.as_str(), pair.key], |row| row.get(0))?;
    Ok((earlier != pair.value).then_some(earlier))
}

/// Sets a tag.
pub fn set_tag(transaction: &Transaction<'_>, id: &LoggedModelId, pair: &Pair) -> Result<()> {
    transaction
        .prepare_cached("replace into logged_model_tags (model, key, value) values (?1, ?2, ?3)")?
        .execute(params![id.as_str(), pair.key, pair.value])?;
    Ok(())
}

/// Removes a tag; says whether there was one.
pub fn delete_tag(transaction: &Transaction<'_>, id: &LoggedModelId, key: &str) -> Result<bool> {
    let removed = transaction
        .prepare_cached("delete from logged_model_tags where model = ?1 and key = ?2")?
        .execute(params![id.as_str(), key])?;
    Ok(removed > 0)
}

/// Moves a model's status.
pub fn set_status(
    transaction: &Transaction<'_>,
    id: &LoggedModelId,
    status: LoggedModelStatus,
    at: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached("update logged_models set status = ?2, updated = ?3 where id = ?1")?
        .execute(params![id.as_str(), status.as_str(), at.0])?;
    Ok(())
}

/// Deletes (archives) or restores a model.
pub fn set_lifecycle(
    transaction: &Transaction<'_>,
    id: &LoggedModelId,
    lifecycle: Lifecycle,
    at: Timestamp,
) -> Result<()> {
    transaction
        .prepare_cached("update logged_models set lifecycle = ?2, updated = ?3 where id = ?1")?
        .execute(params![id.as_str(), lifecycle_name(lifecycle), at.0])?;
    Ok(())
}

/// Adds a metric to the model it names; of a model that is not there, nothing. The same point twice is kept once.
pub fn add_metric(transaction: &Transaction<'_>, point: &ModelMetric) -> Result<()> {
    let nan = point.metric.value.is_nan();
    transaction
        .prepare_cached(
            "insert or ignore into logged_model_metrics (model, key, run, step, at, value, nan, dataset_name, dataset_digest)
             select ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9 where exists (select 1 from logged_models where id = ?1)",
        )?
        .execute(params![
            point.model.as_str(),
            point.metric.key,
            point.run.as_str(),
            point.metric.step,
            point.metric.timestamp.0,
            if nan { 0.0 } else { point.metric.value },
            nan,
            point.dataset_name,
            point.dataset_digest,
        ])?;
    Ok(())
}

/// What a list of logged models is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ModelOrder {
    /// An attribute: its SQL name; greatest first or not.
    Attribute(&'static str, bool),
    /// The latest value of a metric, on a dataset or on any; greatest first or not.
    Metric(String, Option<OnDataset>, bool),
}

/// Which logged models are wanted.
#[derive(Clone, Debug)]
pub struct ModelScope {
    /// Numbers of experiments.
    pub experiments: Vec<i64>,
    /// The filter.
    pub filter: Filter,
    /// Data that the filter's metrics come from; without such a metric: data that any metric comes from. Empty: all.
    pub datasets: Vec<OnDataset>,
}

/// Models that are not deleted, ordered, from `offset`, at most `limit`. Ties: newest first, then id.
pub fn find(
    connection: &Connection,
    scope: &ModelScope,
    orders: &[ModelOrder],
    offset: u64,
    limit: u64,
) -> Result<Vec<LoggedModel>> {
    let marks = vec!["?"; scope.experiments.len()].join(", ");
    let mut sql = Sql {
        text: format!(
            "select {COLUMNS} from logged_models l where l.lifecycle = 'active' and l.experiment in ({marks}) and "
        ),
        values: scope
            .experiments
            .iter()
            .map(|number| Value::Integer(*number))
            .collect(),
    };
    let filter = condition(Kind::LoggedModels, &scope.filter, &scope.datasets);
    let measured = filter.text.contains("logged_model_metrics");
    sql.text.push_str(&filter.text);
    sql.values.extend(filter.values);
    if !scope.datasets.is_empty() && !measured {
        sql.text
            .push_str(" and exists (select 1 from logged_model_metrics t where t.model = l.id");
        on_datasets(&scope.datasets, &mut sql);
        sql.text.push(')');
    }
    sql.text.push_str(" order by ");
    for order in orders {
        match order {
            ModelOrder::Attribute(column, descending) => {
                let direction = if *descending { "desc" } else { "asc" };
                sql.text
                    .push_str(&format!("{column} is null, {column} {direction}, "));
            }
            ModelOrder::Metric(key, dataset, descending) => {
                let direction = if *descending { "desc" } else { "asc" };
                let dataset: Vec<OnDataset> = dataset.iter().cloned().collect();
                let mut latest = Sql {
                    text: "(select t.value from logged_model_metrics t where t.model = l.id and t.nan = 0 and t.key = ?".to_owned(),
                    values: vec![Value::Text(key.clone())],
                };
                on_datasets(&dataset, &mut latest);
                latest
                    .text
                    .push_str(" order by t.at desc, t.step desc, t.run limit 1)");
                sql.text
                    .push_str(&format!("{0} is null, {0} {direction}, ", latest.text));
                sql.values.extend(latest.values.clone());
                sql.values.extend(latest.values);
            }
        }
    }
    sql.text.push_str("l.created desc, l.id limit ? offset ?");
    let limits =
        [limit, offset].map(|number| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX)));
    let found: Vec<LoggedModel> = connection
        .prepare_cached(&sql.text)?
        .query_map(
            params_from_iter(sql.values.into_iter().chain(limits)),
            from_row,
        )?
        .collect::<rusqlite::Result<_>>()?;
    found
        .into_iter()
        .map(|model| complete(connection, model))
        .collect()
}
