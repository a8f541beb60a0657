//! Reads a database of MLflow (SQLite, versions 2 and 3), which is not ours and is never written. Tables and columns that
//! an older version did not have yet are left out.

use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::{DatasetInput, Pair, Run, RunModels, RunStatus};
use crate::domain::{
    Error, ExperimentId, LoggedModelId, ModelName, Result, RunId, Timestamp, Version,
};
use rusqlite::{Connection, OpenFlags, Row, params};
use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

/// How long to wait for a server that writes.
const BUSY: Duration = Duration::from_secs(5);
/// Versions in this stage are deleted, and stay as rows.
const DELETED: &str = "Deleted_Internal";

/// An open database; what it answers is its state when it was opened.
pub struct MlflowDb {
    connection: Connection,
    /// `table.column`.
    columns: BTreeSet<String>,
}

/// MLflow writes infinities as the greatest finite numbers.
pub fn infinite(value: f64) -> f64 {
    match value {
        f64::MAX => f64::INFINITY,
        f64::MIN => f64::NEG_INFINITY,
        value => value,
    }
}

fn lifecycle(name: Option<&str>) -> Lifecycle {
    match name {
        Some("deleted") => Lifecycle::Deleted,
        _ => Lifecycle::Active,
    }
}

fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    Ok(Timestamp(row.get::<_, Option<i64>>(column)?.unwrap_or(0)))
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(row.get::<_, Option<String>>(column)?.unwrap_or_default())
}

impl MlflowDb {
    /// Opens the file for reading.
    ///
    /// # Errors
    /// It is no SQLite database, or has no experiments and runs.
    pub fn open(path: &Path) -> Result<Self> {
        let failed = |error: Error| error.context(format!("reading `{}`", path.display()));
        let connection = Connection::open_with_flags(
            path,
            OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX,
        )
        .map_err(|error| failed(error.into()))?;
        connection
            .busy_timeout(BUSY)
            .map_err(|error| failed(error.into()))?;
        let columns = (|| -> rusqlite::Result<BTreeSet<String>> {
            connection.execute_batch("begin")?;
            connection
                .prepare(
                    "select m.name || '.' || c.name from sqlite_schema m join pragma_table_info(m.name) c
                     where m.type = 'table'",
                )?
                .query_map([], |row| row.get(0))?
                .collect()
        })()
        .map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => Error::invalid(format!(
                "`{}` is no SQLite database",
                path.display()
            )),
            _ => failed(error.into()),
        })?;
        for needed in [
            "experiments.experiment_id",
            "runs.run_uuid",
            "metrics.is_nan",
        ] {
            if !columns.contains(needed) {
                return Err(Error::invalid(format!(
                    "`{}` is no database of MLflow: it has no `{needed}`",
                    path.display()
                )));
            }
        }
        Ok(Self {
            connection,
            columns,
        })
    }

    fn has(&self, column: &str) -> bool {
        self.columns.contains(column)
    }

    /// `column` where the table has it, else the text given.
    fn or(&self, table: &str, column: &str, other: &str) -> String {
        if self.has(&format!("{table}.{column}")) {
            column.to_owned()
        } else {
            other.to_owned()
        }
    }

    /// A condition on the default workspace, where there are several.
    fn workspace(&self, table: &str) -> &'static str {
        if self.has(&format!("{table}.workspace")) {
            "workspace = 'default'"
        } else {
            "1"
        }
    }

    fn pairs(&self, sql: &str, of: &dyn rusqlite::ToSql) -> Result<Vec<(String, String)>> {
        let pairs = self
            .connection
            .prepare_cached(sql)?
            .query_map([of], |row| Ok((row.get(0)?, text(row, 1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(pairs)
    }

    /// Names of workspaces beside the default one: what they hold is not read.
    pub fn other_workspaces(&self) -> Result<Vec<String>> {
        if !self.has("experiments.workspace") {
            return Ok(Vec::new());
        }
        let names = self
            .connection
            .prepare("select distinct workspace from experiments where workspace <> 'default' order by 1")?
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok(names)
    }

    /// All experiments, oldest first.
    pub fn experiments(&self) -> Result<Vec<Experiment>> {
        let sql = format!(
            "select experiment_id, name, coalesce(artifact_location, ''), lifecycle_stage, {}, {} from experiments where {} order by experiment_id",
            self.or("experiments", "creation_time", "0"),
            self.or("experiments", "last_update_time", "0"),
            self.workspace("experiments"),
        );
        let mut found: Vec<Experiment> = self
            .connection
            .prepare(&sql)?
            .query_map([], |row| {
                Ok(Experiment {
                    id: ExperimentId(row.get::<_, i64>(0)?.to_string()),
                    name: row.get(1)?,
                    artifact_location: row.get(2)?,
                    lifecycle: lifecycle(row.get::<_, Option<String>>(3)?.as_deref()),
                    created: time(row, 4)?,
                    updated: time(row, 5)?,
                    tags: Vec::new(),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        if self.has("experiment_tags.key") {
            for experiment in &mut found {
                experiment.tags = self.pairs(
                    "select key, value from experiment_tags where experiment_id = ?1 order by key",
                    &experiment.id.as_str(),
                )?;
            }
        }
        Ok(found)
    }

    /// Runs of an experiment in order of their ids, after `after`, at most `limit`; with everything but their points.
    pub fn runs(
        &self,
        experiment: &ExperimentId,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<Run>> {
        let mut found: Vec<Run> = self
            .connection
            .prepare_cached(
                "select run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, artifact_uri
                 from runs where experiment_id = ?1 and run_uuid > ?2 order by run_uuid limit ?3",
            )?
            .query_map(
                params![experiment.as_str(), after.unwrap_or(""), limit],
                |row| {
                    Ok(Run {
                        id: RunId(row.get(0)?),
                        experiment: experiment.clone(),
                        name: text(row, 1)?,
                        user: text(row, 2)?,
                        status: RunStatus::parse(&text(row, 3)?).unwrap_or(RunStatus::Failed),
                        started: time(row, 4)?,
                        ended: row.get::<_, Option<i64>>(5)?.map(Timestamp),
                        lifecycle: lifecycle(row.get::<_, Option<String>>(6)?.as_deref()),
                        artifact_uri: text(row, 7)?,
                        params: Vec::new(),
                        tags: Vec::new(),
                        metrics: Vec::new(),
                        inputs: Vec::new(),
                        models: RunModels::default(),
                    })
                },
            )?
            .collect::<rusqlite::Result<_>>()?;
        let pair = |(key, value)| Pair { key, value };
        for run in &mut found {
            let id = run.id.as_str();
            run.params = self
                .pairs(
                    "select key, value from params where run_uuid = ?1 order by key",
                    &id,
                )?
                .into_iter()
                .map(pair)
                .collect();
            run.tags = self
                .pairs(
                    "select key, value from tags where run_uuid = ?1 order by key",
                    &id,
                )?
                .into_iter()
                .map(pair)
                .collect();
            run.inputs = self.inputs(id)?;
            run.models = self.models_of(id)?;
        }
        Ok(found)
    }

    fn inputs(&self, run: &str) -> Result<Vec<DatasetInput>> {
        if !self.has("inputs.input_uuid") || !self.has("datasets.dataset_uuid") {
            return Ok(Vec::new());
        }
        let inputs = self
            .connection
            .prepare_cached(
                "select d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile,
                        (select t.value from input_tags t where t.input_uuid = i.input_uuid and t.name = 'mlflow.data.context')
                 from inputs i join datasets d on d.dataset_uuid = i.source_id
                 where i.source_type = 'DATASET' and i.destination_type = 'RUN' and i.destination_id = ?1
                 order by d.name, d.digest",
            )?
            .query_map([run], |row| {
                Ok(DatasetInput {
                    name: row.get(0)?,
                    digest: row.get(1)?,
                    source_type: row.get(2)?,
                    source: row.get(3)?,
                    schema: row.get(4)?,
                    profile: row.get(5)?,
                    context: row.get(6)?,
                    tags: Vec::new(),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        Ok(inputs)
    }

    /// Logged models that a run read and made.
    fn models_of(&self, run: &str) -> Result<RunModels> {
        let mut models = RunModels::default();
        if !self.has("inputs.step") {
            return Ok(models);
        }
        let mut statement = self.connection.prepare_cached(
            "select source_type, destination_id, step from inputs
             where source_id = ?1 and source_type in ('RUN_INPUT', 'RUN_OUTPUT') order by destination_id",
        )?;
        let mut rows = statement.query([run])?;
        while let Some(row) = rows.next()? {
            let model = LoggedModelId(row.get(1)?);
            match text(row, 0)?.as_str() {
                "RUN_INPUT" => models.inputs.push(model),
                _ => models.outputs.push((model, row.get(2)?)),
            }
        }
        Ok(models)
    }

    /// Logged models of an experiment.
    pub fn logged_models(&self, experiment: &ExperimentId) -> Result<Vec<LoggedModel>> {
        if !self.has("logged_models.model_id") {
            return Ok(Vec::new());
        }
        let mut found: Vec<LoggedModel> = self
            .connection
            .prepare_cached(
                "select model_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms, status,
                        lifecycle_stage, model_type, source_run_id, status_message
                 from logged_models where experiment_id = ?1 order by model_id",
            )?
            .query_map([experiment.as_str()], |row| {
                let status: u32 = row.get(5)?;
                Ok(LoggedModel {
                    id: LoggedModelId(row.get(0)?),
                    experiment: experiment.clone(),
                    name: row.get(1)?,
                    artifact_uri: row.get(2)?,
                    created: time(row, 3)?,
                    updated: time(row, 4)?,
                    status: LoggedModelStatus::numbered(status as usize),
                    lifecycle: lifecycle(row.get::<_, Option<String>>(6)?.as_deref()),
                    model_type: text(row, 7)?,
                    source_run: row
                        .get::<_, Option<String>>(8)?
                        .filter(|run| !run.is_empty())
                        .map(RunId),
                    status_message: row.get(9)?,
                    tags: Vec::new(),
                    params: Vec::new(),
                    metrics: Vec::new(),
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        let pair = |(key, value)| Pair { key, value };
        for model in &mut found {
            let id = model.id.as_str();
            model.params = self
                .pairs(
                    "select param_key, param_value from logged_model_params where model_id = ?1 order by 1",
                    &id,
                )?
                .into_iter()
                .map(pair)
                .collect();
            model.tags = self
                .pairs(
                    "select tag_key, tag_value from logged_model_tags where model_id = ?1 order by 1",
                    &id,
                )?
                .into_iter()
                .map(pair)
                .collect();
            model.metrics = self
                .connection
                .prepare_cached(
                    "select metric_name, metric_value, metric_timestamp_ms, metric_step, run_id, dataset_name, dataset_digest
                     from logged_model_metrics where model_id = ?1 order by 1, 3, 4",
                )?
                .query_map([id], |row| {
                    Ok(ModelMetric {
                        metric: Metric {
                            key: row.get(0)?,
                            // NaN is no SQL value.
                            value: row
                                .get::<_, Option<f64>>(1)?
                                .map_or(f64::NAN, infinite),
                            timestamp: time(row, 2)?,
                            step: row.get(3)?,
                        },
                        model: LoggedModelId::from(id),
                        run: RunId(row.get(4)?),
                        dataset_name: row.get(5)?,
                        dataset_digest: row.get(6)?,
                    })
                })?
                .collect::<rusqlite::Result<_>>()?;
        }
        Ok(found)
    }

    /// Calls `each` with all points of a run, in blocks of at most `block`.
    pub fn points(
        &self,
        run: &RunId,
        block: usize,
        each: &mut dyn FnMut(Vec<Metric>) -> Result<()>,
    ) -> Result<()> {
        let mut statement = self.connection.prepare_cached(
            "select key, value, timestamp, step, is_nan from metrics where run_uuid = ?1 order by key, step, timestamp",
        )?;
        let mut rows = statement.query([run.as_str()])?;
        let mut points = Vec::new();
        while let Some(row) = rows.next()? {
            points.push(Metric {
                key: row.get(0)?,
                value: match row.get::<_, bool>(4)? {
                    true => f64::NAN,
                    false => infinite(row.get(1)?),
                },
                timestamp: time(row, 2)?,
                step: row.get(3)?,
            });
            if points.len() >= block {
                each(std::mem::take(&mut points))?;
            }
        }
        if points.is_empty() {
            return Ok(());
        }
        each(points)
    }

    /// All registered models, each with the greatest number a version of it ever had.
    pub fn models(&self) -> Result<Vec<(RegisteredModel, u32)>> {
        if !self.has("registered_models.name") {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select name, description, creation_time, last_updated_time,
                    coalesce((select max(version) from model_versions v where v.name = registered_models.name), 0)
             from registered_models where {} order by name",
            self.workspace("registered_models")
        );
        let mut found: Vec<(RegisteredModel, u32)> = self
            .connection
            .prepare(&sql)?
            .query_map([], |row| {
                Ok((
                    RegisteredModel {
                        name: ModelName(row.get(0)?),
                        description: text(row, 1)?,
                        created: time(row, 2)?,
                        updated: time(row, 3)?,
                        tags: Vec::new(),
                        aliases: Vec::new(),
                    },
                    row.get(4)?,
                ))
            })?
            .collect::<rusqlite::Result<_>>()?;
        for (model, _) in &mut found {
            if self.has("registered_model_tags.name") {
                let sql = format!(
                    "select key, value from registered_model_tags where name = ?1 and {} order by key",
                    self.workspace("registered_model_tags")
                );
                model.tags = self.pairs(&sql, &model.name.as_str())?;
            }
            if self.has("registered_model_aliases.alias") {
                let sql = format!(
                    "select alias, version from registered_model_aliases where name = ?1 and {} order by alias",
                    self.workspace("registered_model_aliases")
                );
                model.aliases = self
                    .connection
                    .prepare_cached(&sql)?
                    .query_map([model.name.as_str()], |row| {
                        Ok((row.get(0)?, Version(row.get(1)?)))
                    })?
                    .collect::<rusqlite::Result<_>>()?;
            }
        }
        Ok(found)
    }

    /// Versions of a model that are not deleted, oldest first.
    pub fn versions(&self, model: &ModelName) -> Result<Vec<ModelVersion>> {
        let sql = format!(
            "select version, run_id, source, status, current_stage, description, user_id, creation_time, last_updated_time
             from model_versions where name = ?1 and coalesce(current_stage, '') <> '{DELETED}' and {} order by version",
            self.workspace("model_versions")
        );
        let mut found: Vec<ModelVersion> = self
            .connection
            .prepare_cached(&sql)?
            .query_map([model.as_str()], |row| {
                Ok(ModelVersion {
                    model: model.clone(),
                    version: Version(row.get(0)?),
                    run: row
                        .get::<_, Option<String>>(1)?
                        .filter(|run| !run.is_empty())
                        .map(RunId),
                    source: text(row, 2)?,
                    status: row
                        .get::<_, Option<String>>(3)?
                        .unwrap_or_else(|| "READY".to_owned()),
                    stage: row
                        .get::<_, Option<String>>(4)?
                        .unwrap_or_else(|| "None".to_owned()),
                    description: text(row, 5)?,
                    user: text(row, 6)?,
                    created: time(row, 7)?,
                    updated: time(row, 8)?,
                    tags: Vec::new(),
                    aliases: Vec::new(),
                    gate: None,
                })
            })?
            .collect::<rusqlite::Result<_>>()?;
        if self.has("model_version_tags.name") {
            let sql = format!(
                "select key, value from model_version_tags where name = ?1 and version = ?2 and {} order by key",
                self.workspace("model_version_tags")
            );
            for version in &mut found {
                version.tags = self
                    .connection
                    .prepare_cached(&sql)?
                    .query_map(params![model.as_str(), version.version.0], |row| {
                        Ok((row.get(0)?, text(row, 1)?))
                    })?
                    .collect::<rusqlite::Result<_>>()?;
            }
        }
        Ok(found)
    }
}
