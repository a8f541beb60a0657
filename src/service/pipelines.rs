//! Pipeline runs as rows: begun, moved from step to step, ended, told.
//! What a step does is the runtime's affair.

use super::Core;
use crate::domain::job::PipelineRunState;
use crate::domain::registry::CHAMPION;
use crate::domain::trigger::Cause;
use crate::domain::{Error, JobId, Result, Timestamp, Version};
use crate::store::pipelines as rows;
pub use crate::store::pipelines::PipelineRun;
use crate::store::{drift as alerts, registry};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The steps of a run that are jobs, and the others.
pub const STEPS: [&str; 5] = ["validate", "train", "evaluate", "gate", "promote"];

/// Runs in a row that triggers may start for nothing (definitions, C3: retrain storm guard).
pub const STORM: u32 = 3;
/// The kind of the alert that says so.
pub const STORM_KIND: &str = "storm";

/// The source of the alert that says that triggers start a pipeline no more.
pub fn storm_source(pipeline: &str) -> String {
    format!("pipeline:{pipeline}")
}

/// What everybody may know of a run's place; the rest of it is the runtime's.
#[derive(Debug, Default, Deserialize)]
struct Known {
    #[serde(default)]
    jobs: BTreeMap<String, JobId>,
    #[serde(default)]
    version: Option<Version>,
}

/// See the module's text.
pub struct PipelineRuns {
    core: Arc<Core>,
}

impl PipelineRuns {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Begins a run at its first step; none when one with the same key was begun before.
    pub fn begin(
        &self,
        pipeline: &str,
        cause: Cause,
        place: String,
        run_key: Option<String>,
    ) -> Result<Option<i64>> {
        let run = PipelineRun {
            id: 0,
            pipeline: pipeline.to_owned(),
            cause,
            state: "running".into(),
            step: "validate".into(),
            place,
            started: self.core.now(),
            ended: None,
            error: None,
            run_key,
        };
        self.core.store.write(move |t| rows::insert(t, &run))
    }

    /// Keeps that a trigger looked and started nothing, under the key of what it saw.
    pub fn skip(&self, pipeline: &str, cause: Cause, run_key: &str, reason: &str) -> Result<()> {
        let now = self.core.now();
        let run = PipelineRun {
            id: 0,
            pipeline: pipeline.to_owned(),
            cause,
            state: "skipped".into(),
            step: "validate".into(),
            place: "{}".into(),
            started: now,
            ended: Some(now),
            error: Some(reason.to_owned()),
            run_key: Some(run_key.to_owned()),
        };
        self.core.store.write(move |t| rows::insert(t, &run))?;
        Ok(())
    }

    /// One run.
    pub fn run(&self, id: i64) -> Result<PipelineRun> {
        self.core
            .store
            .read(|connection| rows::run(connection, id))?
            .ok_or_else(|| Error::not_found(format!("there is no pipeline run `{id}`")))
    }

    /// How a run stands, for those who wait for it.
    pub fn state(&self, id: i64) -> Result<PipelineRunState> {
        let run = self.run(id)?;
        let known: Known = serde_json::from_str(&run.place)?;
        let detail = match (&run.error, known.version, run.state.as_str()) {
            (Some(error), _, _) => error.clone(),
            (None, Some(version), "succeeded") if run.step == "promote" => {
                format!("{version} promoted")
            }
            (None, Some(version), "succeeded") => format!("{version} registered"),
            _ => run.step.clone(),
        };
        Ok(PipelineRunState {
            run: run.id,
            pipeline: run.pipeline,
            ended: run.state != "running",
            state: run.state,
            detail,
            jobs: STEPS
                .iter()
                .filter_map(|step| known.jobs.get(*step).copied())
                .collect(),
            version: known.version,
        })
    }

    /// Runs under way, oldest first.
    pub fn running(&self) -> Result<Vec<PipelineRun>> {
        self.core.store.read(rows::running)
    }

    /// Whether a run, or a trigger that was passed over, has this key.
    pub fn has_key(&self, run_key: &str) -> Result<bool> {
        let found = self
            .core
            .store
            .read(|connection| rows::with_key(connection, run_key))?;
        Ok(found.is_some())
    }

    /// The newest run of a pipeline whose key begins with `prefix`.
    pub fn newest(&self, pipeline: &str, prefix: &str) -> Result<Option<PipelineRun>> {
        self.core
            .store
            .read(|connection| rows::newest_with_prefix(connection, pipeline, prefix))
    }

    /// Why triggers start a pipeline no more, if so: the last [`STORM`] runs were started by triggers, ended, and promoted
    /// nothing, and since the first of them nobody ran it by hand, moved the champion or acknowledged the alert.
    pub fn storm(&self, pipeline: &str) -> Result<Option<String>> {
        let runs = self
            .core
            .store
            .read(|connection| rows::newest_started(connection, pipeline, STORM))?;
        let fruitless = |run: &PipelineRun| {
            let promoted = run.state == "succeeded" && run.step == "promote";
            run.ended.is_some() && !promoted && !matches!(run.cause, Cause::Request { .. })
        };
        if runs.len() < STORM as usize || !runs.iter().all(fruitless) {
            return Ok(None);
        }
        let since = runs.last().map_or(Timestamp(0), |run| run.started);
        let source = storm_source(pipeline);
        let config = self.core.config();
        let cleared = self.core.store.read(|connection| {
            let known = alerts::acknowledged(connection, &source, STORM_KIND)?;
            let moved = match config.pipeline(pipeline) {
                Some(one) => registry::moves(connection, &one.model, Some(CHAMPION), 1)?
                    .first()
                    .map(|moved| moved.at),
                None => None,
            };
            Ok(known.max(moved))
        })?;
        if cleared.is_some_and(|at| at >= since) {
            return Ok(None);
        }
        let last = runs
            .first()
            .and_then(|run| run.error.clone())
            .unwrap_or_else(|| "it promoted nothing".to_owned());
        Ok(Some(format!(
            "pipeline {pipeline}: {STORM} runs in a row promoted nothing, so triggers start it no more; the last: {last}; \
             acknowledge this alert, train it by hand or promote a version, and they start it again"
        )))
    }

    /// Moves a run to a step and its place there.
    pub fn place(&self, id: i64, step: &str, place: String) -> Result<()> {
        let step = step.to_owned();
        self.core
            .store
            .write(move |t| rows::place(t, id, &step, &place))
    }

    /// Ends a run, once; says so to people.
    pub fn end(&self, id: i64, state: &str, error: Option<&str>) -> Result<()> {
        let now = self.core.now();
        let (kept_state, kept_error) = (state.to_owned(), error.map(str::to_owned));
        let ended = self
            .core
            .store
            .write(move |t| rows::end(t, id, &kept_state, kept_error.as_deref(), now))?;
        if ended {
            let run = self.state(id)?;
            let level = if state == "succeeded" { "info" } else { "warn" };
            self.core.notify(
                level,
                format!("pipeline {} {state}: {}", run.pipeline, run.detail),
            )?;
        }
        Ok(())
    }
}
