//! The job queue: rows and their states. Who starts the worker is the runtime's affair.

mod log;
mod patience;

use super::{Core, tracking};
use crate::domain::experiment::Lifecycle;
use crate::domain::job::{
    Job, JobLog, JobResult, JobRow, JobSpec, JobState, JobsPage, Outcome, WorkerEvent,
};
use crate::domain::metric::Points;
use crate::domain::output::OutputPage;
use crate::domain::run::{Pair, RunStatus};
use crate::domain::trigger::Cause;
use crate::domain::{Error, Event, JobId, Result, RunId, Timestamp};
use crate::store::Transaction;
use crate::store::audit::{self, AuditLine};
use crate::store::{acting, jobs as rows, metrics, pipelines, runs};
use std::sync::Arc;

/// The tag that says why a run's job failed or was stopped.
pub const FAILURE_TAG: &str = "trainyard.failure";

/// Rows of the jobs pane.
const PAGE: usize = 200;

/// See the module's text.
pub struct Jobs {
    core: Arc<Core>,
    started: Timestamp,
    lines: log::Counts,
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

/// Ends a job and, when it is still going on, its run.
fn end(
    transaction: &Transaction<'_>,
    job: &Job,
    state: JobState,
    error: Option<&str>,
    result: Option<&JobResult>,
    now: Timestamp,
) -> Result<()> {
    rows::end(transaction, job.id, state, error, result, now)?;
    if let Some(run) = &job.run {
        let killed = matches!(
            result,
            Some(JobResult::Command {
                signal: Some(_),
                ..
            })
        );
        let status = match state {
            JobState::Succeeded => RunStatus::Finished,
            // A worker that vanished was killed, and its run with it.
            JobState::Cancelled | JobState::Lost => RunStatus::Killed,
            _ if killed => RunStatus::Killed,
            _ => RunStatus::Failed,
        };
        if let Ok((number, header)) = runs::header(transaction, run) {
            // A command ends its run itself, through MLflow's API. That word stays, but for one: the client says FINISHED
            // whenever its process ends in order, also after an exception that nobody caught.
            let worse = header.status == RunStatus::Finished && status != RunStatus::Finished;
            if !header.status.is_ended() || worse {
                runs::set_status(transaction, number, status, Some(now))?;
            }
            if let Some(error) = error
                && state != JobState::Succeeded
            {
                runs::set_tag(
                    transaction,
                    number,
                    &Pair {
                        key: FAILURE_TAG.to_owned(),
                        value: error.chars().take(2000).collect(),
                    },
                )?;
            }
        }
    }
    Ok(())
}

impl Jobs {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            started: core.now(),
            core,
            lines: log::Counts::default(),
        }
    }

    fn changed(&self, job: JobId, run: Option<&RunId>) {
        self.core.bus.emit(Event::JobChanged { job });
        if let Some(run) = run {
            self.core.bus.emit(Event::RunChanged { run: run.clone() });
        }
    }

    /// Queues a job; emits `JobChanged`.
    pub fn submit(&self, new: NewJob) -> Result<JobId> {
        let now = self.core.now();
        let run = new.spec.run().cloned();
        let (job, made) = self.core.store.write(move |transaction| {
            if let Some(after) = new.after {
                rows::get(transaction, after)?;
            }
            let (job, made) = rows::insert(
                transaction,
                &rows::NewRow {
                    title: &new.title,
                    spec: &new.spec,
                    cause: &new.cause,
                    pipeline: new.pipeline.as_ref(),
                    after: new.after,
                    max_attempts: new.max_attempts,
                    run_key: new.run_key.as_deref(),
                    created: now,
                },
            )?;
            if made && acting::current().is_some() {
                let (object, new) = (format!("job:{job}"), Some(new.title.as_str()));
                audit::by_actor(transaction, now, "start_job", object, None, new)?;
            }
            Ok((job, made))
        })?;
        if made {
            self.changed(job, run.as_ref());
        }
        Ok(job)
    }

    /// The oldest queued job that may start (what it comes after has succeeded), marked running and its attempt
    /// counted; none when there is none. A job whose predecessor ended badly is cancelled here, with that as its error. One
    /// whose worker was lost waits for its time, and for room on the disk.
    pub fn claim(&self) -> Result<Option<(Job, JobSpec)>> {
        let now = self.core.now();
        let queued = self.core.store.read(rows::queued)?;
        let full = queued.iter().any(|job| patience::due(job).is_some())
            && patience::is_full(self.core.workspace.root());
        let waits = move |job: &Job| patience::due(job).is_some_and(|due| full || now < due);
        // The common case, asked often, costs no write.
        if queued.iter().all(waits) {
            return Ok(None);
        }
        let (claimed, cancelled) = self.core.store.write(move |transaction| {
            let mut cancelled = Vec::new();
            for job in rows::queued(transaction)? {
                if waits(&job) {
                    continue;
                }
                if let Some(after) = job.after {
                    let before = rows::get(transaction, after)?;
                    match before.state {
                        JobState::Succeeded => {}
                        JobState::Queued | JobState::Running => continue,
                        JobState::Failed | JobState::Cancelled | JobState::Lost => {
                            let why = format!(
                                "job {after} ({}), which this one comes after, {}",
                                before.title,
                                match before.state {
                                    JobState::Failed => "failed",
                                    JobState::Cancelled => "was cancelled",
                                    _ => "was lost",
                                }
                            );
                            end(
                                transaction,
                                &job,
                                JobState::Cancelled,
                                Some(&why),
                                None,
                                now,
                            )?;
                            cancelled.push((job.id, job.run));
                            continue;
                        }
                    }
                }
                rows::start(transaction, job.id, now)?;
                if let Some(run) = &job.run
                    && let Ok((number, header)) = runs::header(transaction, run)
                    && header.status != RunStatus::Running
                {
                    runs::set_status(transaction, number, RunStatus::Running, None)?;
                }
                let spec = rows::spec(transaction, job.id)?;
                return Ok((Some((rows::get(transaction, job.id)?, spec)), cancelled));
            }
            Ok((None, cancelled))
        })?;
        for (job, run) in &cancelled {
            self.changed(*job, run.as_ref());
        }
        if let Some((job, _)) = &claimed {
            self.changed(job.id, job.run.as_ref());
        }
        Ok(claimed)
    }

    /// When a queued job that waits for its next attempt is to be looked at; none: none waits.
    pub fn due(&self) -> Result<Option<Timestamp>> {
        let now = self.core.now();
        let first = self
            .core
            .store
            .read(rows::queued)?
            .iter()
            .filter_map(patience::due)
            .min();
        // one whose time has come, and that was not claimed, waits for a slot or for room
        Ok(first.map(|due| match due > now {
            true => due,
            false => Timestamp(now.0 + patience::LOOK),
        }))
    }

    /// The worker's process.
    pub fn started(&self, job: JobId, pid: u32) -> Result<()> {
        self.core
            .store
            .write(move |transaction| rows::set_pid(transaction, job, pid))?;
        self.changed(job, None);
        Ok(())
    }

    /// Takes in what the worker said since the last call, and how far in its `events.jsonl` that was, in one
    /// transaction: progress on the job's row (not stored line by line), metrics and parameters on its run. What was
    /// taken in before changes nothing. A point that no run may have (its name is not allowed), a parameter that has
    /// another value already and everything of a deleted run are left out: they must not stop the job.
    pub fn follow(&self, job: JobId, events: Vec<WorkerEvent>, offset: u64) -> Result<()> {
        let mut points = Vec::new();
        let mut params = Vec::new();
        let mut tags = Vec::new();
        let mut progress = None;
        let mut logged = false;
        for event in events {
            match event {
                WorkerEvent::Progress { share, doing } => progress = Some((share, doing)),
                WorkerEvent::Metrics { points: more } => points.extend(more),
                WorkerEvent::Params { params: more } => {
                    params.extend(more.into_iter().map(|(key, value)| Pair { key, value }))
                }
                WorkerEvent::Tags { tags: more } => {
                    tags.extend(more.into_iter().map(|(key, value)| Pair { key, value }))
                }
                // the runtime has put the file among the run's artifacts
                WorkerEvent::Artifact { .. } => {}
                WorkerEvent::Log { .. } => logged = true,
            }
        }
        points.retain(|point| tracking::limits::key("metric", &point.key).is_ok());
        params.retain(|param| tracking::limits::param(param).is_ok());
        tags.retain(|tag| tracking::limits::tag(tag).is_ok());
        let points: Points = points.iter().collect();
        let keys = points.keys().to_vec();
        let with_params = !params.is_empty() || !tags.is_empty();
        let moved = progress.is_some();
        let run = self.core.store.write(move |transaction| {
            if offset <= rows::offset(transaction, job)? {
                return Ok(None);
            }
            let row = rows::get(transaction, job)?;
            rows::set_progress(
                transaction,
                job,
                offset,
                progress
                    .as_ref()
                    .map(|(share, doing)| (share.clamp(0.0, 1.0), doing.as_str())),
            )?;
            let Some(run) = row.run else {
                return Ok(Some(None));
            };
            let (number, header) = runs::header(transaction, &run)?;
            if header.lifecycle == Lifecycle::Active {
                metrics::insert(transaction, number, &header.experiment, &points)?;
                for param in &params {
                    runs::set_param(transaction, number, &header.experiment, param)?;
                }
                for tag in &tags {
                    runs::set_tag(transaction, number, tag)?;
                }
            }
            Ok(Some(Some(run)))
        })?;
        let Some(run) = run else {
            return Ok(());
        };
        if moved {
            self.core.bus.emit(Event::JobChanged { job });
        }
        if logged {
            self.core.bus.emit(Event::JobLogged { job });
        }
        if let Some(run) = run {
            if with_params {
                self.core.bus.emit(Event::RunChanged { run: run.clone() });
            }
            if !keys.is_empty() {
                self.core.bus.emit(Event::MetricsLogged { run, keys });
            }
        }
        Ok(())
    }

    /// How far into `events.jsonl` was taken in.
    pub fn offset(&self, job: JobId) -> Result<u64> {
        self.core.store.read(|view| rows::offset(view, job))
    }

    /// Takes the outcome in, once (a second call changes nothing): state, result, the run's end. Answers whether it was taken in now.
    pub fn finish(&self, job: JobId, outcome: Outcome) -> Result<bool> {
        let now = self.core.now();
        let taken = self.core.store.write(move |transaction| {
            let row = rows::get(transaction, job)?;
            if row.state != JobState::Running {
                return Ok(None);
            }
            let (state, error, result) = match &outcome {
                Outcome::Succeeded { result } => (JobState::Succeeded, None, Some(result)),
                Outcome::Failed { error } => (JobState::Failed, Some(error.as_str()), None),
                Outcome::Ended { error, result } => {
                    (JobState::Failed, Some(error.as_str()), Some(result))
                }
                Outcome::Cancelled => (JobState::Cancelled, Some("stopped on request"), None),
            };
            end(transaction, &row, state, error, result, now)?;
            Ok(Some(row.run))
        })?;
        match taken {
            Some(run) => {
                self.changed(job, run.as_ref());
                Ok(true)
            }
            None => Ok(false),
        }
    }

    /// The worker vanished: queued again, to wait a while, when attempts are left, else lost. A job that somebody wanted
    /// stopped is cancelled.
    pub fn lost(&self, job: JobId, detail: &str) -> Result<()> {
        let (now, detail) = (self.core.now(), detail.to_owned());
        let run = self.core.store.write(move |transaction| {
            let row = rows::get(transaction, job)?;
            if row.state != JobState::Running {
                return Ok(None);
            }
            if rows::to_cancel(transaction)?.contains(&job) {
                end(
                    transaction,
                    &row,
                    JobState::Cancelled,
                    Some("stopped on request"),
                    None,
                    now,
                )?;
            } else if row.attempt < row.max_attempts {
                let cause = Cause::Retry {
                    detail: detail.clone(),
                    not_before: Some(patience::not_before(now, row.attempt)),
                };
                rows::requeue(transaction, job, &cause, Some(&detail), false)?;
            } else {
                end(transaction, &row, JobState::Lost, Some(&detail), None, now)?;
            }
            Ok(Some(row.run))
        })?;
        if let Some(run) = run {
            self.changed(job, run.as_ref());
        }
        Ok(())
    }

    /// Wants the job stopped: a queued one is cancelled at once; a running one is marked, and the scheduler stops it.
    pub fn cancel(&self, job: JobId, by: &str) -> Result<()> {
        let (now, by) = (self.core.now(), by.to_owned());
        let run = self.core.store.write(move |transaction| {
            let row = rows::get(transaction, job)?;
            match row.state {
                JobState::Queued => {
                    let why = format!("cancelled by {by}");
                    end(
                        transaction,
                        &row,
                        JobState::Cancelled,
                        Some(&why),
                        None,
                        now,
                    )?;
                }
                JobState::Running => rows::request_cancel(transaction, job, &by)?,
                state => {
                    return Err(Error::conflict(format!(
                        "job `{job}` has ended ({}): there is nothing to cancel",
                        state.as_str()
                    )));
                }
            }
            let line = AuditLine {
                at: now,
                by,
                action: "cancel_job".into(),
                object: format!("job:{job}"),
                detail: row.title.clone(),
            };
            audit::change(
                transaction,
                &line,
                Some(row.state.as_str()),
                Some("cancelled"),
            )?;
            Ok(row.run)
        })?;
        self.changed(job, run.as_ref());
        Ok(())
    }

    /// Running jobs that somebody wants stopped.
    pub fn to_cancel(&self) -> Result<Vec<JobId>> {
        self.core.store.read(rows::to_cancel)
    }

    /// Queues an ended job again: a new attempt of the same job, beyond its limit if need be; `anew`: filling another run
    /// than before, with the work changed to it. The pipeline's run that ended because of it goes on with it.
    pub fn retry(&self, job: JobId, anew: Option<JobSpec>, by: &str) -> Result<()> {
        let cause = Cause::Request { by: by.to_owned() };
        let line = AuditLine {
            at: self.core.now(),
            by: by.to_owned(),
            action: "retry_job".into(),
            object: format!("job:{job}"),
            detail: String::new(),
        };
        let (run, reopened) = self.core.store.write(move |transaction| {
            let row = rows::get(transaction, job)?;
            if !row.state.is_ended() {
                return Err(Error::conflict(format!(
                    "job `{job}` is {}: only an ended job is tried again",
                    row.state.as_str()
                )));
            }
            rows::requeue(transaction, job, &cause, None, true)?;
            audit::change(transaction, &line, Some(row.state.as_str()), Some("queued"))?;
            let run = match &anew {
                Some(spec) => {
                    rows::set_spec(transaction, job, spec)?;
                    spec.run().cloned()
                }
                None => row.run,
            };
            let pipeline_run = rows::pipeline_run(transaction, job)?;
            let reopened = match pipeline_run {
                Some(id) => pipelines::reopen(transaction, id, job)?,
                None => false,
            };
            Ok((run, pipeline_run.filter(|_| reopened)))
        })?;
        self.changed(job, run.as_ref());
        if let Some(run) = reopened {
            self.core.bus.emit(Event::PipelineReopened { run });
        }
        Ok(())
    }

    /// One job and its result.
    pub fn job(&self, job: JobId) -> Result<(Job, JobSpec, Option<JobResult>)> {
        self.core.store.read(|view| {
            Ok((
                rows::get(view, job)?,
                rows::spec(view, job)?,
                rows::result(view, job)?,
            ))
        })
    }

    /// Jobs in a state.
    pub fn running(&self) -> Result<Vec<Job>> {
        self.core.store.read(rows::running)
    }

    /// Jobs of a pipeline's run, oldest first.
    pub fn of_pipeline_run(&self, run: i64) -> Result<Vec<Job>> {
        self.core
            .store
            .read(|view| rows::of_pipeline_run(view, run))
    }

    /// Jobs running, waiting, and failed or lost in the last hour.
    pub fn counts(&self) -> Result<(u64, u64, u64)> {
        let since = Timestamp(self.core.now().0 - 3_600_000);
        self.core.store.read(|view| rows::counts(view, since))
    }

    /// The jobs pane (CPU and memory are filled in from `usage`: job, percent, bytes).
    pub fn page(&self, usage: &[(JobId, f32, u64)]) -> Result<JobsPage> {
        let now = self.core.now();
        let (running, waiting, ended) = self.core.store.read(|view| {
            Ok((
                rows::running(view)?,
                rows::queued(view)?,
                rows::ended(view, PAGE as u32)?,
            ))
        })?;
        let (count_running, count_waiting) = (running.len() as u64, waiting.len() as u64);
        let rows = running
            .into_iter()
            .chain(waiting)
            .chain(ended)
            .take(PAGE)
            .map(|job| {
                let used = usage.iter().find(|(id, _, _)| *id == job.id);
                JobRow {
                    left_s: left(&job, now),
                    cpu_percent: used.map(|(_, percent, _)| *percent),
                    memory: used.map(|(_, _, bytes)| *bytes),
                    job,
                }
            })
            .collect();
        Ok(JobsPage {
            rows,
            running: count_running,
            waiting: count_waiting,
            daemon_started: self.started,
        })
    }

    /// The last lines of a job: `stdout`, `stderr` and log events of its folder. The file that was written last comes
    /// last; within a file lines keep their order (files have no common clock).
    pub fn log(&self, job: JobId, lines: u32) -> Result<JobLog> {
        self.core.store.read(|view| rows::get(view, job))?;
        let (lines, total) = self
            .lines
            .tail(&self.core.workspace.job(job), lines as usize)?;
        Ok(JobLog { job, lines, total })
    }

    /// What a command printed from byte `from` of its record on, about `most` bytes of it. Attempts have their own
    /// records: one that is not `attempt` (none: the newest) any more begins anew.
    pub fn output(
        &self,
        job: JobId,
        attempt: Option<u32>,
        from: u64,
        most: u64,
    ) -> Result<OutputPage> {
        // asked first: what an ended command printed is whole when it is read after
        let row = self.core.store.read(|view| rows::get(view, job))?;
        let same = attempt.is_none_or(|attempt| attempt == row.attempt);
        let path = self.core.workspace.job(job).join("output.jsonl");
        let (pieces, next) = log::pieces(&path, if same { from } else { 0 }, most)?;
        Ok(OutputPage {
            job,
            attempt: row.attempt,
            ended: row.state.is_ended() && pieces.is_empty(),
            pieces,
            next,
        })
    }
}

/// Seconds to go if it goes on as so far; none before there is progress.
fn left(job: &Job, now: Timestamp) -> Option<f64> {
    let (started, progress) = (job.started?, job.progress?);
    if job.state != JobState::Running || progress <= 0.0 {
        return None;
    }
    let passed = now.since(started).max(0) as f64 / 1000.0;
    Some(passed * (1.0 - progress) / progress)
}

#[cfg(test)]
mod tests;
