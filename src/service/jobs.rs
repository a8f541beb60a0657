//! The job queue: rows and their states. Who starts the worker is the runtime's affair.

use super::Core;
use crate::domain::job::{Job, JobLog, JobResult, JobSpec, JobsPage, Outcome, WorkerEvent};
use crate::domain::trigger::Cause;
use crate::domain::{Error, JobId, Result};
use std::sync::Arc;

/// See the module's text.
pub struct Jobs {
    core: Arc<Core>,
}

/// A job to be queued.
#[derive(Clone, Debug)]
pub struct NewJob {
    /// What it is, in a line.
    pub title: String,
    /// What it does.
    pub spec: JobSpec,
    /// Why.
    pub cause: Cause,
    /// Its pipeline and the pipeline's run.
    pub pipeline: Option<(String, i64)>,
    /// Starts after this one succeeded.
    pub after: Option<JobId>,
    /// How often it may be tried.
    pub max_attempts: u32,
    /// The same key is never queued twice: the earlier job is answered.
    pub run_key: Option<String>,
}

impl Jobs {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn absent<T>(&self) -> Result<T> {
        let _ = &self.core;
        Err(Error::unavailable("not there yet"))
    }

    /// Queues a job; emits `JobChanged`.
    pub fn submit(&self, new: NewJob) -> Result<JobId> {
        let _ = new;
        self.absent()
    }

    /// The oldest queued job that may start (what it comes after has succeeded), marked running and its attempt
    /// counted; none when there is none. A job whose predecessor ended badly is cancelled here, with that as its error.
    pub fn claim(&self) -> Result<Option<(Job, JobSpec)>> {
        self.absent()
    }

    /// The worker's process.
    pub fn started(&self, job: JobId, pid: u32) -> Result<()> {
        let _ = (job, pid);
        self.absent()
    }

    /// Takes in what the worker said since the last call, and how far in its `events.jsonl` that was, in one
    /// transaction: progress on the job's row (not stored line by line), metrics and parameters on its run.
    pub fn follow(&self, job: JobId, events: Vec<WorkerEvent>, offset: u64) -> Result<()> {
        let _ = (job, events, offset);
        self.absent()
    }

    /// How far into `events.jsonl` was taken in.
    pub fn offset(&self, job: JobId) -> Result<u64> {
        let _ = job;
        self.absent()
    }

    /// Takes the outcome in, once (a second call changes nothing): state, result, the run's end. Answers whether it was taken in now.
    pub fn finish(&self, job: JobId, outcome: Outcome) -> Result<bool> {
        let _ = (job, outcome);
        self.absent()
    }

    /// The worker vanished: queued again when attempts are left, else lost.
    pub fn lost(&self, job: JobId, detail: &str) -> Result<()> {
        let _ = (job, detail);
        self.absent()
    }

    /// Wants the job stopped: a queued one is cancelled at once; a running one is marked, and the scheduler stops it.
    pub fn cancel(&self, job: JobId, by: &str) -> Result<()> {
        let _ = (job, by);
        self.absent()
    }

    /// Running jobs that somebody wants stopped.
    pub fn to_cancel(&self) -> Result<Vec<JobId>> {
        self.absent()
    }

    /// Queues an ended job again: a new attempt of the same job.
    pub fn retry(&self, job: JobId, by: &str) -> Result<()> {
        let _ = (job, by);
        self.absent()
    }

    /// One job and its result.
    pub fn job(&self, job: JobId) -> Result<(Job, JobSpec, Option<JobResult>)> {
        let _ = job;
        self.absent()
    }

    /// Jobs in a state.
    pub fn running(&self) -> Result<Vec<Job>> {
        self.absent()
    }

    /// The jobs pane (CPU and memory are filled in from `usage`: job, percent, bytes).
    pub fn page(&self, usage: &[(JobId, f32, u64)]) -> Result<JobsPage> {
        let _ = usage;
        self.absent()
    }

    /// The last lines of a job: `stdout`, `stderr` and log events of its folder, in the order they came.
    pub fn log(&self, job: JobId, lines: u32) -> Result<JobLog> {
        let _ = (job, lines);
        self.absent()
    }
}
