//! Requests that need more than one service: what is asked for in names becomes jobs with everything resolved.

use super::jobs::NewJob;
use super::{Services, explain, inputs};
use crate::config::PipelineConfig;
use crate::data;
use crate::data::Frame;
use crate::domain::deployment::{Explanation, RequestRow};
use crate::domain::job::{DataSource, FeaturesSpec, JobSpec, PredictSpec, TableSpec, ValidateSpec};
use crate::domain::registry::ModelVersion;
use crate::domain::trigger::Cause;
use crate::domain::{Error, JobId, ModelName, Result, RunId, Timestamp, Version};
use crate::ml;
use std::path::Path;

/// Rows explained at once at most: each is predicted once more for every input.
const EXPLAINED: usize = 1_000;

impl Services {
    fn pipeline(&self, name: &str) -> Result<PipelineConfig> {
        let config = self.core.config();
        config
            .pipelines
            .iter()
            .find(|pipeline| pipeline.name == name)
            .cloned()
            .ok_or_else(|| {
                let known: Vec<&str> = config
                    .pipelines
                    .iter()
                    .map(|pipeline| pipeline.name.as_str())
                    .collect();
                Error::not_found(match known.as_slice() {
                    [] => format!("there is no pipeline `{name}`: `trainyard.toml` has none"),
                    known => format!(
                        "there is no pipeline `{name}`; there are `{}`",
                        known.join("`, `")
                    ),
                })
            })
    }

    fn submit(&self, title: String, spec: JobSpec, by: &str) -> Result<JobId> {
        self.jobs.submit(NewJob {
            title,
            spec,
            cause: Cause::Request { by: by.to_owned() },
            pipeline: None,
            after: None,
            max_attempts: 1,
            run_key: None,
        })
    }

    /// Makes a version from a run's model; without a name: the model of the run's pipeline.
    pub fn register_run(
        &self,
        run: &RunId,
        model: Option<ModelName>,
        by: &str,
    ) -> Result<ModelVersion> {
        let model = match model {
            Some(model) => model,
            None => {
                let record = self.tracking.run(run)?;
                let pipeline = record.tag("trainyard.pipeline").ok_or_else(|| {
                    Error::invalid(format!(
                        "run `{}` belongs to no pipeline: say the model's name",
                        record.name
                    ))
                })?;
                self.pipeline(pipeline)?.model
            }
        };
        self.registry.register(run, &model, by)
    }

    /// Deletes a version for good, unless an alias names it or a deployment answers with it. Its files stay with its run.
    pub fn delete_version(&self, model: &ModelName, version: Version, by: &str) -> Result<()> {
        if let Some(deployment) = self
            .serving
            .deployments()?
            .into_iter()
            .find(|one| one.model == *model && one.version == Some(version))
        {
            return Err(Error::conflict(format!(
                "deployment `{}` answers with {version} of `{model}`: promote or roll back to another version first",
                deployment.name
            )));
        }
        self.registry.delete_version(model, version, by)
    }

    /// Queues the materialization of views (none named: of all), as of `as_of` or now: what is new since the last one, or
    /// everything (`full`), or facts whose event is not before `from`.
    pub fn materialize(
        &self,
        views: &[String],
        from: Option<Timestamp>,
        as_of: Option<Timestamp>,
        full: bool,
        by: &str,
    ) -> Result<Vec<JobId>> {
        let all = self.catalog.to_materialize()?;
        if all.is_empty() {
            return Err(Error::not_found(
                "there are no feature views: `trainyard.toml` has none",
            ));
        }
        let views = if views.is_empty() { &all } else { views };
        let as_of = as_of.unwrap_or_else(|| self.core.now());
        // All of them are resolved before the first is queued: one wrong name queues nothing.
        let specs = views
            .iter()
            .map(|view| {
                let spec = self.catalog.materialize_spec(self, view, as_of)?;
                self.catalog.going_on(spec, from, full)
            })
            .collect::<Result<Vec<_>>>()?;
        specs
            .into_iter()
            .map(|spec| {
                self.submit(
                    format!("materialize {}", spec.view.name),
                    JobSpec::Materialize(spec),
                    by,
                )
            })
            .collect()
    }

    /// Queues the join of features to a pipeline's rows; `output` is an absolute path.
    pub fn join_features(
        &self,
        pipeline: &str,
        from: Option<Timestamp>,
        to: Option<Timestamp>,
        output: String,
        by: &str,
    ) -> Result<JobId> {
        absolute(&output)?;
        let pipeline = self.pipeline(pipeline)?;
        let micros = |at: Timestamp| at.0.saturating_mul(1000);
        let table = self
            .datasets
            .table(&pipeline, from.map(micros), to.map(micros))?;
        self.submit(
            format!("join features of {}", pipeline.name),
            JobSpec::Features(FeaturesSpec { table, output }),
            by,
        )
    }

    /// Queues the scoring of a file by `name`, `name@alias` or `name/3`; both paths are absolute.
    pub fn predict_file(
        &self,
        model: &str,
        input: &str,
        output: String,
        by: &str,
    ) -> Result<JobId> {
        absolute(input)?;
        absolute(&output)?;
        let (name, version) = self.registry.parse(model)?;
        let pattern = glob::Pattern::escape(input);
        let snapshot = data::source::snapshot("input", self.core.workspace.root(), &pattern, &[])?;
        if snapshot.files.is_empty() {
            return Err(Error::not_found(format!("there is no file `{input}`")));
        }
        let spec = PredictSpec {
            model: self
                .registry
                .directory(&name, version)?
                .to_string_lossy()
                .into_owned(),
            input: TableSpec {
                rows: DataSource::Files(snapshot),
                timestamp: None,
                row_key: None,
                views: Vec::new(),
                inputs: Vec::new(),
                target: None,
                target_known_at: None,
                from: None,
                to: None,
            },
            output,
        };
        self.submit(
            format!("predict with {name} {version}"),
            JobSpec::Predict(spec),
            by,
        )
    }

    /// Queues the validation and the profile of a configured dataset.
    pub fn examine(&self, dataset: &str, by: &str) -> Result<Vec<JobId>> {
        let source = self.datasets.resolve(dataset)?;
        let schema = self.datasets.schema(dataset)?;
        let validate = JobSpec::Validate(ValidateSpec {
            source: source.clone(),
            schema,
            schema_from: self.datasets.schema_from(dataset)?,
            environment: None,
            leaks: None,
        });
        let profile = self.datasets.to_profile(source)?;
        Ok(vec![
            self.submit(format!("validate {dataset}"), validate, by)?,
            self.submit(format!("profile {dataset}"), JobSpec::Profile(profile), by)?,
        ])
    }

    /// Why a model (`name`, `name@alias`, `name/3`) answers each of these rows as it does. Nothing is served or logged.
    pub fn explain_rows(
        &self,
        model: &str,
        rows: &[serde_json::Map<String, serde_json::Value>],
    ) -> Result<Vec<Explanation>> {
        if rows.len() > EXPLAINED {
            return Err(Error::invalid(format!(
                "{} rows, at most {EXPLAINED} are explained at once: choose some of them",
                rows.len()
            )));
        }
        let (name, version) = self.registry.parse(model)?;
        let directory = self.registry.directory(&name, version)?;
        let fitted = ml::model_file::load(&directory)?;
        let reference = ml::model_file::reference(&directory, None)?;
        let frame = inputs::conform(&Frame::from_records(rows)?, &fitted.signature)?;
        let began = std::time::Instant::now();
        let predictions = fitted.predict(&frame)?;
        let ms = began.elapsed().as_secs_f64() * 1000.0 / rows.len().max(1) as f64;
        let classes = fitted.signature.classes.len();
        (0..frame.rows())
            .map(|row| {
                let probabilities = predictions
                    .probabilities
                    .get(row * classes..(row + 1) * classes)
                    .unwrap_or(&[]);
                let request = RequestRow {
                    id: format!("row {}", row + 1),
                    at: self.core.now(),
                    status: 200,
                    ms,
                    rows: 1,
                    version: Some(version),
                    answer: inputs::answer(
                        &fitted.signature,
                        predictions.values[row],
                        probabilities,
                    ),
                    detail: inputs::words(&frame, row)?,
                };
                let shares = ml::outlier::explain(&fitted, &reference, &frame, row)?;
                Ok(Explanation {
                    sentence: explain::sentence(&request, &shares),
                    request,
                    inputs: shares,
                })
            })
            .collect()
    }
}

fn absolute(path: &str) -> Result<()> {
    if Path::new(path).is_absolute() {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`{path}` is no absolute path: the daemon runs in another folder than you"
    )))
}
