//! Requests that need more than one service: what is asked for in names becomes jobs with everything resolved.

use super::jobs::NewJob;
use super::tracking::{NewRun, USER};
use super::{Services, explain, inputs};
use crate::config::PipelineConfig;
use crate::data;
use crate::data::Frame;
use crate::domain::deployment::{Explanation, RequestRow};
use crate::domain::job::{
    CommandSpec, DataSource, FeaturesSpec, JobSpec, PredictSpec, ProfileSpec, TableSpec,
    ValidateSpec,
};
use crate::domain::registry::ModelVersion;
use crate::domain::run::Pair;
use crate::domain::trigger::Cause;
use crate::domain::{Error, JobId, ModelName, Result, RunId, Timestamp};
use crate::ml;
use std::collections::BTreeMap;
use std::path::Path;

/// A command that is to become a tracked job.
#[derive(Clone, Debug, Default)]
pub struct CommandRequest {
    /// Experiment name; none: `Default`.
    pub experiment: Option<String>,
    /// Run name; none: invented.
    pub name: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: String,
    /// Added to its environment.
    pub environment: BTreeMap<String, String>,
    /// What its `MLFLOW_TRACKING_URI` shall be.
    pub tracking_uri: String,
}

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

    /// Makes a run and queues the command that fills it; its environment says where and which run.
    pub fn run_command(&self, request: CommandRequest, by: &str) -> Result<JobId> {
        let Some(program) = request.command.first() else {
            return Err(Error::invalid("a command is missing: `run -- CMD …`"));
        };
        let program = Path::new(program).file_name().map_or_else(
            || program.clone(),
            |name| name.to_string_lossy().into_owned(),
        );
        if !Path::new(&request.directory).is_dir() {
            return Err(Error::invalid(format!(
                "`{}` is no folder to run in",
                request.directory
            )));
        }
        let experiment = self
            .tracking
            .experiment_named(request.experiment.as_deref().unwrap_or("Default"))?;
        let run = self.tracking.create_run(NewRun {
            experiment: Some(experiment.id.clone()),
            name: request.name,
            user: by.to_owned(),
            started: None,
            tags: vec![
                Pair {
                    key: USER.to_owned(),
                    value: by.to_owned(),
                },
                Pair {
                    key: "mlflow.source.name".to_owned(),
                    value: request.command.join(" ").chars().take(8000).collect(),
                },
                Pair {
                    key: "mlflow.source.type".to_owned(),
                    value: "LOCAL".to_owned(),
                },
            ],
        })?;
        let mut environment = request.environment;
        for (key, value) in [
            ("MLFLOW_TRACKING_URI", request.tracking_uri),
            ("MLFLOW_RUN_ID", run.id.to_string()),
            ("MLFLOW_EXPERIMENT_ID", experiment.id.to_string()),
        ] {
            environment.insert(key.to_owned(), value);
        }
        let job = self.submit(
            format!("{program} {}", run.name),
            JobSpec::Command(CommandSpec {
                command: request.command,
                directory: request.directory,
                environment,
                run: run.id.clone(),
            }),
            by,
        )?;
        self.tracking.log_batch(
            &run.id,
            Vec::new(),
            Vec::new(),
            vec![Pair {
                key: "trainyard.job".to_owned(),
                value: job.to_string(),
            }],
        )?;
        Ok(job)
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

    /// Queues the materialization of views (none named: of all), as of `as_of` or now.
    pub fn materialize(
        &self,
        views: &[String],
        as_of: Option<Timestamp>,
        by: &str,
    ) -> Result<Vec<JobId>> {
        let config = self.core.config();
        let all: Vec<String> = config.views.iter().map(|view| view.name.clone()).collect();
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
            .map(|view| self.catalog.materialize_spec(self, view, as_of))
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
        });
        Ok(vec![
            self.submit(format!("validate {dataset}"), validate, by)?,
            self.submit(
                format!("profile {dataset}"),
                JobSpec::Profile(ProfileSpec { source }),
                by,
            )?,
        ])
    }

    /// Why a model (`name`, `name@alias`, `name/3`) answers each of these rows as it does. Nothing is served or logged.
    pub fn explain_rows(
        &self,
        model: &str,
        rows: &[serde_json::Map<String, serde_json::Value>],
    ) -> Result<Vec<Explanation>> {
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
