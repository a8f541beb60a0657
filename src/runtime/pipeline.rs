//! Validate, train, evaluate, gate, promote: five steps in order, each a job or a service call, with its place kept in
//! the store, so that a restarted daemon goes on. Not a graph engine. What passes and what serves is decided by the
//! gate and the registry, not here.

use super::{code, overrides};
use crate::config::PipelineConfig;
use crate::domain::dataset::Severity;
use crate::domain::job::{
    ChampionRows, EvaluateSpec, Job, JobResult, JobSpec, JobState, TableSpec, TrainSpec,
    TrainerSpec, ValidateSpec,
};
use crate::domain::model::Task;
use crate::domain::registry::CHAMPION;
use crate::domain::run::Pair;
use crate::domain::trigger::{Cause, Gate, Verdict};
use crate::domain::{Error, ErrorKind, JobId, ModelName, Result, RunId, Version};
use crate::ml;
use crate::service::jobs::NewJob;
use crate::service::pipelines::PipelineRun;
use crate::service::tracking::{METRIC_TAG, NewRun};
use crate::service::{Services, host};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tracing::{error, info, warn};

/// How often tables are read again although no event said so: events may be lost.
const TABLES: Duration = Duration::from_secs(60);

/// Why the runner looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A job's row changed.
    Job(JobId),
    /// An event was lost, or a run that had ended goes on: read the tables.
    Tables,
    /// The daemon ends.
    Stop,
}

/// The five steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    Validate,
    Train,
    Evaluate,
    Gate,
    Promote,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Validate => "validate",
            Self::Train => "train",
            Self::Evaluate => "evaluate",
            Self::Gate => "gate",
            Self::Promote => "promote",
        }
    }

    fn parse(name: &str) -> Result<Self> {
        [
            Self::Validate,
            Self::Train,
            Self::Evaluate,
            Self::Gate,
            Self::Promote,
        ]
        .into_iter()
        .find(|step| step.as_str() == name)
        .ok_or_else(|| Error::internal(format!("`{name}` is no step of a pipeline")))
    }
}

/// What was decided at the start: a changed configuration does not change a run under way.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Plan {
    table: TableSpec,
    task: Option<Task>,
    trainer: TrainerSpec,
    gate: Gate,
    holdout: f64,
    seed: u64,
    model: ModelName,
    experiment: String,
    attempts: u32,
    name: Option<String>,
    promote: bool,
    by: String,
}

/// Where a run is, besides its step.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Place {
    plan: Plan,
    jobs: BTreeMap<Step, JobId>,
    run: Option<RunId>,
    version: Option<Version>,
    /// The version that the challenger was compared with.
    rival: Option<Version>,
    /// How often it was compared anew because the champion moved meanwhile.
    round: u32,
}

/// What a step says.
enum Next {
    /// Its job is not done.
    Wait,
    /// On to this one.
    Go(Step),
    /// The run ends in this state, for this reason.
    End(&'static str, Option<String>),
}

/// See the module's text.
pub struct PipelineRunner {
    services: Arc<Services>,
    /// Jobs that runs wait for; held while runs move, so that none moves twice at once.
    awaited: Mutex<HashSet<JobId>>,
}

impl PipelineRunner {
    /// On `services`.
    pub fn new(services: Arc<Services>) -> Self {
        Self {
            services,
            awaited: Mutex::default(),
        }
    }

    fn awaited(&self) -> MutexGuard<'_, HashSet<JobId>> {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts a pipeline; none when a run with the same key was started before. Everything that can be wrong with the
    /// request or the data's files is found here, before anything is made.
    pub fn start(
        &self,
        pipeline: &str,
        set: &[(String, String)],
        promote: bool,
        cause: Cause,
        by: &str,
        run_key: Option<String>,
    ) -> Result<Option<(i64, JobId)>> {
        let config = self.services.core.config();
        let configured = config
            .pipelines
            .iter()
            .find(|configured| configured.name == pipeline)
            .ok_or_else(|| {
                let names: Vec<&str> = config.pipelines.iter().map(|p| p.name.as_str()).collect();
                Error::not_found(format!(
                    "there is no pipeline `{pipeline}`; the configuration has {}",
                    if names.is_empty() {
                        "none".to_owned()
                    } else {
                        names.join(", ")
                    }
                ))
            })?;
        let (configured, name) = overrides::apply(configured, set)?;
        let plan = self.plan(&configured, name, promote, by)?;
        let place = Place {
            plan,
            jobs: BTreeMap::new(),
            run: None,
            version: None,
            rival: None,
            round: 0,
        };
        let text = serde_json::to_string(&place)?;
        let mut awaited = self.awaited();
        let why = cause.to_string();
        let Some(id) = self
            .services
            .pipelines
            .begin(pipeline, cause, text, run_key)?
        else {
            return Ok(None);
        };
        info!(pipeline, run = id, cause = why, "pipeline started");
        self.services
            .core
            .notify("info", format!("pipeline {pipeline} started: {why}"))?;
        self.advance(&self.services.pipelines.run(id)?, &mut awaited)?;
        let run = self.services.pipelines.run(id)?;
        let place: Place = serde_json::from_str(&run.place)?;
        match place.jobs.get(&Step::Validate) {
            Some(job) => Ok(Some((id, *job))),
            None => Err(Error::invalid(run.error.unwrap_or_else(|| {
                format!("pipeline `{pipeline}` has no first job")
            }))),
        }
    }

    fn plan(
        &self,
        pipeline: &PipelineConfig,
        name: Option<String>,
        promote: bool,
        by: &str,
    ) -> Result<Plan> {
        ml::check_trainer(&pipeline.trainer)?;
        let task = match pipeline.task.as_deref() {
            None => None,
            Some("binary") => Some(Task::Binary),
            Some("multiclass") => Some(Task::Multiclass),
            Some("regression") => Some(Task::Regression),
            Some(other) => {
                return Err(Error::invalid(format!(
                    "pipeline `{}` has the task `{other}`: expected `binary`, `multiclass` or `regression`",
                    pipeline.name
                )));
            }
        };
        Ok(Plan {
            table: self
                .services
                .datasets
                .table(pipeline, pipeline.from, pipeline.to)?,
            task,
            trainer: pipeline.trainer.clone(),
            gate: pipeline.gate.clone(),
            holdout: pipeline.holdout,
            seed: pipeline.seed,
            model: pipeline.model.clone(),
            experiment: pipeline.experiment.clone(),
            attempts: pipeline.attempts.max(1),
            name,
            promote,
            by: by.to_owned(),
        })
    }

    /// Moves runs whenever their jobs end, until told to stop.
    pub fn run(&self, wake: &Receiver<Wake>) {
        self.advance_all();
        loop {
            let first = match wake.recv_timeout(TABLES) {
                Ok(wake) => wake,
                Err(RecvTimeoutError::Timeout) => Wake::Tables,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let mut due = false;
            for wake in std::iter::once(first).chain(wake.try_iter()) {
                match wake {
                    Wake::Stop => return,
                    Wake::Tables => due = true,
                    Wake::Job(job) => due = due || self.awaited().contains(&job),
                }
            }
            if due {
                self.advance_all();
            }
        }
    }

    /// Moves every run as far as it goes.
    pub fn advance_all(&self) {
        let mut awaited = self.awaited();
        awaited.clear();
        let running = match self.services.pipelines.running() {
            Ok(running) => running,
            Err(error) => return error!(%error, "pipeline runs cannot be read"),
        };
        for run in running {
            if let Err(error) = self.advance(&run, &mut awaited) {
                error!(run = run.id, pipeline = run.pipeline, %error, "a pipeline run cannot go on now");
            }
        }
    }

    /// Moves a run as far as it goes. An error is one that may pass (a full disk): the run stays where it is. Others end it.
    fn advance(&self, run: &PipelineRun, awaited: &mut HashSet<JobId>) -> Result<()> {
        let mut step = Step::parse(&run.step)?;
        let mut place: Place = serde_json::from_str(&run.place)?;
        loop {
            let next = match self.step(run, step, &mut place) {
                Ok(next) => next,
                Err(error) if error.kind == ErrorKind::Unavailable => return Err(error),
                Err(error) => Next::End("failed", Some(format!("{}: {error}", step.as_str()))),
            };
            match next {
                Next::Wait => {
                    awaited.extend(place.jobs.get(&step));
                    return Ok(());
                }
                Next::Go(to) => {
                    step = to;
                    self.keep(run, step, &place)?;
                }
                Next::End(state, reason) => {
                    match &reason {
                        Some(reason) => warn!(run = run.id, state, reason, "pipeline ended"),
                        None => info!(run = run.id, state, "pipeline ended"),
                    }
                    return self
                        .services
                        .pipelines
                        .end(run.id, state, reason.as_deref());
                }
            }
        }
    }

    fn keep(&self, run: &PipelineRun, step: Step, place: &Place) -> Result<()> {
        self.services
            .pipelines
            .place(run.id, step.as_str(), serde_json::to_string(place)?)
    }

    fn step(&self, run: &PipelineRun, step: Step, place: &mut Place) -> Result<Next> {
        match step {
            Step::Validate => self.validate(run, place),
            Step::Train => self.train(run, place),
            Step::Evaluate => self.evaluate(run, place),
            Step::Gate => self.gate(place),
            Step::Promote => self.promote(run, place),
        }
    }

    fn validate(&self, run: &PipelineRun, place: &mut Place) -> Result<Next> {
        let dataset = place.plan.table.rows.name().to_owned();
        let result = self.job(run, Step::Validate, place, |plan| {
            let source = plan.table.rows.clone();
            let spec = JobSpec::Validate(ValidateSpec {
                source,
                schema: self.services.datasets.schema(&dataset)?,
                schema_from: self.services.datasets.schema_from(&dataset)?,
                environment: None,
                leaks: self.services.datasets.leak_check(&plan.table.views),
            });
            Ok((format!("validate {dataset}"), spec))
        })?;
        let Ended::With(result) = result else {
            return Ok(result.next(Step::Validate));
        };
        let JobResult::Validate { violations, .. } = *result else {
            return Err(unexpected());
        };
        let errors: Vec<String> = violations
            .iter()
            .filter(|violation| violation.severity == Severity::Error)
            .map(|violation| {
                let column = violation.column.as_deref().unwrap_or("the table");
                format!("{column}: {}", violation.detail)
            })
            .collect();
        if errors.is_empty() {
            return Ok(Next::Go(Step::Train));
        }
        let reason = format!(
            "dataset `{dataset}` is not as expected, nothing was learned from it: {}",
            errors.join("; ")
        );
        Ok(Next::End("failed", Some(reason)))
    }

    fn train(&self, run: &PipelineRun, place: &mut Place) -> Result<Next> {
        let tracked = match &place.run {
            Some(tracked) => tracked.clone(),
            None => {
                let tracked = self.make_run(run, &place.plan)?;
                place.run = Some(tracked.clone());
                // kept before the job is queued: a restart in between must not make a second run
                self.keep(run, Step::Train, place)?;
                tracked
            }
        };
        let result = self.job(run, Step::Train, place, |plan| {
            let name = self.services.tracking.run(&tracked)?.name;
            let spec = JobSpec::Train(TrainSpec {
                pipeline: run.pipeline.clone(),
                run: tracked.clone(),
                table: plan.table.clone(),
                task: plan.task,
                trainer: plan.trainer.clone(),
                seed: plan.seed,
                holdout: plan.holdout,
                metric: Some(plan.gate.metric.clone()).filter(|metric| !metric.is_empty()),
            });
            Ok((format!("train {name}"), spec))
        })?;
        if !matches!(result, Ended::With(_)) {
            return Ok(result.next(Step::Train));
        }
        let version =
            self.services
                .registry
                .register(&tracked, &place.plan.model, &place.plan.by)?;
        info!(run = run.id, model = %version.model, version = %version.version, "version registered");
        place.version = Some(version.version);
        if place.plan.gate.metric.is_empty() {
            let directory = self
                .services
                .registry
                .directory(&version.model, version.version)?;
            let task = ml::model_file::load(&directory)?.signature.task;
            place.plan.gate.metric = ml::metrics::primary(task).to_owned();
            let tag = pair(METRIC_TAG, &place.plan.gate.metric);
            self.services
                .tracking
                .log_batch(&tracked, &[], Vec::new(), vec![tag])?;
        }
        Ok(Next::Go(Step::Evaluate))
    }

    fn make_run(&self, run: &PipelineRun, plan: &Plan) -> Result<RunId> {
        let tracking = &self.services.tracking;
        let experiment = tracking.experiment_named(&plan.experiment)?;
        let mut tags = vec![
            pair("mlflow.user", &plan.by),
            pair("mlflow.source.name", &format!("pipeline {}", run.pipeline)),
            pair("mlflow.source.type", "JOB"),
            pair("trainyard.pipeline", &run.pipeline),
            pair("trainyard.pipeline_run", &run.id.to_string()),
            pair("trainyard.version", env!("CARGO_PKG_VERSION")),
        ];
        if let Some(commit) = code::commit(self.services.core.workspace.root()) {
            tags.push(pair("mlflow.source.git.commit", &commit));
        }
        for (what, value) in host::environment() {
            tags.push(pair(&format!("trainyard.environment.{what}"), &value));
        }
        let made = tracking.create_run(NewRun {
            experiment: Some(experiment.id),
            name: plan.name.clone(),
            user: plan.by.clone(),
            started: None,
            tags,
        })?;
        Ok(made.id)
    }

    fn evaluate(&self, run: &PipelineRun, place: &mut Place) -> Result<Next> {
        let (model, version) = registered(place)?;
        if !place.jobs.contains_key(&Step::Evaluate) {
            place.rival = self.rival(place, version)?;
        }
        let rival = place.rival;
        let result = self.job(run, Step::Evaluate, place, |plan| {
            let registry = &self.services.registry;
            let champion = match rival {
                Some(rival) => Some(text(&registry.directory(&model, rival)?)?),
                None => None,
            };
            let spec = JobSpec::Evaluate(EvaluateSpec {
                pipeline: run.pipeline.clone(),
                table: plan.table.clone(),
                seed: plan.seed,
                holdout: plan.holdout,
                challenger: text(&registry.directory(&model, version)?)?,
                champion,
                champion_rows: match rival {
                    Some(rival) => self.services.catalog.champion_rows(
                        &self.services,
                        &model,
                        rival,
                        &plan.table,
                    )?,
                    None => ChampionRows::Same,
                },
                gate: plan.gate.clone(),
            });
            Ok((format!("evaluate {model} {version}"), spec))
        })?;
        match result {
            Ended::With(_) => Ok(Next::Go(Step::Gate)),
            other => Ok(other.next(Step::Evaluate)),
        }
    }

    /// What the new version has to beat now.
    fn rival(&self, place: &Place, version: Version) -> Result<Option<Version>> {
        let Some(alias) = &place.plan.gate.beat else {
            return Ok(None);
        };
        let rival = self.services.registry.resolve(&place.plan.model, alias)?;
        Ok(rival.filter(|rival| *rival != version))
    }

    fn gate(&self, place: &mut Place) -> Result<Next> {
        let (model, version) = registered(place)?;
        let job = place.jobs.get(&Step::Evaluate).ok_or_else(unexpected)?;
        let (_, _, evaluation) = self.services.jobs.job(*job)?;
        let evaluation = evaluation.ok_or_else(unexpected)?;
        let gate = &place.plan.gate;
        let mut checks = ml::gate::decide(gate, &evaluation);
        checks.extend(
            self.services
                .registry
                .production_checks(&model, version, gate)?,
        );
        let verdict = Verdict::of(checks);
        let sentence = verdict.sentence();
        let failing: Vec<String> = verdict
            .checks
            .iter()
            .filter(|check| !check.passed)
            .map(|check| format!("{}: {}", check.name, check.detail))
            .collect();
        let passed = verdict.passed;
        self.services
            .registry
            .record_gate(&model, version, verdict)?;
        info!(%model, %version, passed, "gate decided");
        Ok(match (passed, place.plan.promote) {
            (_, false) => Next::End("succeeded", None),
            (true, true) => Next::Go(Step::Promote),
            (false, true) => Next::End(
                "held",
                Some(format!("{version}: {sentence} ({})", failing.join("; "))),
            ),
        })
    }

    fn promote(&self, run: &PipelineRun, place: &mut Place) -> Result<Next> {
        let (model, version) = registered(place)?;
        let registry = &self.services.registry;
        if registry.resolve(&model, CHAMPION)? == Some(version) {
            return Ok(Next::End("succeeded", None));
        }
        if place.plan.gate.beat.as_deref() == Some(CHAMPION)
            && self.rival(place, version)? != place.rival
        {
            info!(%model, %version, "the champion moved meanwhile, comparing anew");
            place.jobs.remove(&Step::Evaluate);
            place.round += 1;
            return Ok(Next::Go(Step::Evaluate));
        }
        let reason = run.cause.to_string();
        registry.promote(&model, version, &place.plan.by, false, &reason)?;
        Ok(Next::End("succeeded", None))
    }

    /// The step's job: queued when there is none yet (under a key, so that a restart queues it once), else looked at.
    fn job(
        &self,
        run: &PipelineRun,
        step: Step,
        place: &mut Place,
        spec: impl FnOnce(&Plan) -> Result<(String, JobSpec)>,
    ) -> Result<Ended> {
        if let Some(job) = place.jobs.get(&step) {
            let (job, _, result) = self.services.jobs.job(*job)?;
            return Ok(ended(job, result));
        }
        let (title, spec) = spec(&place.plan)?;
        let cause = match step {
            Step::Validate => run.cause.clone(),
            _ => Cause::Pipeline { run: run.id },
        };
        let job = self.services.jobs.submit(NewJob {
            title,
            spec,
            cause,
            pipeline: Some((run.pipeline.clone(), run.id)),
            after: None,
            max_attempts: place.plan.attempts,
            run_key: Some(format!(
                "pipeline:{}:{}:{}",
                run.id,
                step.as_str(),
                place.round
            )),
        })?;
        place.jobs.insert(step, job);
        self.keep(run, step, place)?;
        Ok(Ended::NotYet)
    }
}

/// How a step's job stands.
enum Ended {
    NotYet,
    With(Box<JobResult>),
    Badly(&'static str, String),
}

impl Ended {
    fn next(self, step: Step) -> Next {
        match self {
            Self::NotYet | Self::With(_) => Next::Wait,
            Self::Badly(state, why) => Next::End(state, Some(format!("{}: {why}", step.as_str()))),
        }
    }
}

fn ended(job: Job, result: Option<JobResult>) -> Ended {
    match (job.state, result) {
        (JobState::Queued | JobState::Running, _) => Ended::NotYet,
        (JobState::Succeeded, Some(result)) => Ended::With(Box::new(result)),
        (JobState::Cancelled, _) => {
            Ended::Badly("cancelled", format!("job {} was cancelled", job.id))
        }
        (_, _) => {
            let why = job.error.unwrap_or_else(|| "it left no result".to_owned());
            Ended::Badly("failed", format!("job {}: {why}", job.id))
        }
    }
}

fn registered(place: &Place) -> Result<(ModelName, Version)> {
    let version = place.version.ok_or_else(unexpected)?;
    Ok((place.plan.model.clone(), version))
}

fn unexpected() -> Error {
    Error::internal("the pipeline run's place does not fit its step")
}

fn pair(key: &str, value: &str) -> Pair {
    Pair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn text(path: &Path) -> Result<String> {
    path.to_str()
        .map(str::to_owned)
        .ok_or_else(|| Error::invalid(format!("the path `{}` is not valid text", path.display())))
}
