//! Experiments, runs, metrics, artifacts: MLflow's semantics, and the read models of the runs pane.

use super::Core;
use crate::domain::experiment::Experiment;
use crate::domain::metric::{Metric, Series};
use crate::domain::run::{
    Comparison, DatasetInput, Pair, Run, RunDetail, RunQuery, RunStatus, RunTable,
};
use crate::domain::{Error, ExperimentId, Result, RunId, Timestamp};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// See the module's text.
pub struct Tracking {
    core: Arc<Core>,
}

/// A run to be made.
#[derive(Clone, Debug, Default)]
pub struct NewRun {
    /// Where it is filed.
    pub experiment: Option<ExperimentId>,
    /// Its name; none: the tag `mlflow.runName`, or invented.
    pub name: Option<String>,
    /// Who starts it.
    pub user: String,
    /// Now when absent.
    pub started: Option<Timestamp>,
    /// Its first tags.
    pub tags: Vec<Pair>,
}

impl Tracking {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn absent<T>(&self) -> Result<T> {
        let _ = &self.core;
        Err(Error::unavailable("not there yet"))
    }

    /// The experiment called `name`, made when there is none.
    pub fn experiment_named(&self, name: &str) -> Result<Experiment> {
        let _ = name;
        self.absent()
    }

    /// Makes a run: RUNNING.
    pub fn create_run(&self, new: NewRun) -> Result<Run> {
        let _ = new;
        self.absent()
    }

    /// A run with everything but its history.
    pub fn run(&self, run: &RunId) -> Result<Run> {
        let _ = run;
        self.absent()
    }

    /// Ends a run, or moves its state.
    pub fn finish_run(
        &self,
        run: &RunId,
        status: RunStatus,
        ended: Option<Timestamp>,
    ) -> Result<()> {
        let _ = (run, status, ended);
        self.absent()
    }

    /// Metrics, parameters and tags in one transaction.
    pub fn log_batch(
        &self,
        run: &RunId,
        metrics: Vec<Metric>,
        params: Vec<Pair>,
        tags: Vec<Pair>,
    ) -> Result<()> {
        let _ = (run, metrics, params, tags);
        self.absent()
    }

    /// Datasets that a run read.
    pub fn log_inputs(&self, run: &RunId, inputs: Vec<DatasetInput>) -> Result<()> {
        let _ = (run, inputs);
        self.absent()
    }

    /// Puts a copy of `file` (or every file of a folder) among the run's artifacts at `path` (`model`, `report.html`).
    pub fn log_artifact(&self, run: &RunId, path: &str, file: &Path) -> Result<()> {
        let _ = (run, path, file);
        self.absent()
    }

    /// Where the run's artifact `path` lies on disk.
    pub fn artifact_path(&self, run: &RunId, path: &str) -> Result<PathBuf> {
        let _ = (run, path);
        self.absent()
    }

    /// A metric's whole history.
    pub fn history(&self, run: &RunId, key: &str) -> Result<Vec<Metric>> {
        let _ = (run, key);
        self.absent()
    }

    /// A page of the runs table.
    pub fn table(&self, query: &RunQuery) -> Result<RunTable> {
        let _ = query;
        self.absent()
    }

    /// One run for the detail part.
    pub fn detail(&self, run: &RunId) -> Result<RunDetail> {
        let _ = run;
        self.absent()
    }

    /// A metric's history in at most `buckets` points.
    pub fn series(&self, run: &RunId, key: &str, buckets: u32) -> Result<Series> {
        let _ = (run, key, buckets);
        self.absent()
    }

    /// Runs side by side.
    pub fn compare(&self, runs: &[RunId]) -> Result<Comparison> {
        let _ = runs;
        self.absent()
    }

    /// Deletes (archives) or restores a run.
    pub fn archive(&self, run: &RunId, restore: bool) -> Result<()> {
        let _ = (run, restore);
        self.absent()
    }
}
