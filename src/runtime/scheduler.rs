//! Claims queued jobs, starts their workers, follows their folders into the store, takes outcomes in, once.
//! Holds no rule: states, attempts and order are the job service's affair. Sleeps until something is
//! said on the bus; looks at folders only while there are workers.

use super::effects;
use super::executors::Executor;
use crate::domain::job::{Job, JobSpec, Outcome, WorkerEvent};
use crate::domain::{Error, ErrorKind, JobId, Result, Timestamp};
use crate::job_folder::{self as folder, JobFolder, Order};
use crate::service::Services;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};
use tracing::{error, info, warn};

/// How often folders are looked at while workers are at work.
const FOLDERS: Duration = Duration::from_millis(100);
/// How often tables are read again although no event said so: events may be lost.
const TABLES: Duration = Duration::from_secs(2);
/// The same while nothing is at work.
const IDLE: Duration = Duration::from_secs(60);
/// From TERM to KILL.
const GRACE: Duration = Duration::from_secs(5);
/// Bytes of events taken in at once.
const CHUNK: u64 = 1024 * 1024;

/// Why the scheduler looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// A job's row changed, or an event was lost.
    Changed,
    /// The daemon ends; workers go on.
    Stop,
}

/// See the module's text.
pub struct Scheduler {
    services: Arc<Services>,
    executor: Arc<dyn Executor>,
    following: BTreeMap<JobId, Following>,
    /// Jobs that were not started and of which the store could not be told: told again.
    untold: BTreeMap<JobId, NotStarted>,
    /// When a job that waits for its next attempt is to be looked at.
    due: Option<Timestamp>,
}

/// Why a job was not started.
struct NotStarted {
    why: String,
    /// Something was missing that may be there for the next attempt: a disk was full.
    again: bool,
}

/// A worker at work.
struct Following {
    job: Job,
    spec: JobSpec,
    folder: JobFolder,
    offset: u64,
    /// Since when it is asked to stop.
    stopping: Option<Instant>,
    killed: bool,
    /// What keeps it from being followed, said once: a full disk has no room for ten lines a second.
    trouble: Option<String>,
    /// How a worker without an outcome ended: the executor tells it once, and the store may have to be told again.
    end: Option<String>,
}

impl Scheduler {
    /// On `services`, with workers from `executor`.
    pub fn new(services: Arc<Services>, executor: Arc<dyn Executor>) -> Self {
        Self {
            services,
            executor,
            following: BTreeMap::new(),
            untold: BTreeMap::new(),
            due: None,
        }
    }

    /// Works until told to stop, or until nobody is left who could wake it.
    pub fn run(mut self, wake: &Receiver<Wake>) {
        self.reattach();
        let mut tables_due = Instant::now();
        loop {
            if Instant::now() >= tables_due || self.until_due() == Some(Duration::ZERO) {
                self.read_tables();
                tables_due = Instant::now() + TABLES;
            }
            if self.look() {
                // a slot is free
                self.read_tables();
            }
            let wait = if self.following.is_empty() {
                IDLE
            } else {
                FOLDERS
            };
            let wait = self.until_due().map_or(wait, |due| wait.min(due));
            match wake.recv_timeout(wait) {
                Ok(Wake::Changed) => {
                    if wake.try_iter().any(|wake| wake == Wake::Stop) {
                        return;
                    }
                    tables_due = Instant::now();
                }
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// Until a waiting job is to be looked at; none: none waits.
    fn until_due(&self) -> Option<Duration> {
        let left = self.due?.since(self.services.core.now()).max(0);
        Some(Duration::from_millis(left.unsigned_abs()))
    }

    /// Goes on with the jobs that were running when the last daemon ended.
    pub fn reattach(&mut self) {
        let running = match self.services.jobs.running() {
            Ok(running) => running,
            Err(error) => return error!(%error, "running jobs cannot be read"),
        };
        for job in running {
            let id = job.id;
            if let Err(error) = self.adopt(job) {
                error!(job = %id, %error, "a running job cannot be followed");
            }
        }
    }

    fn adopt(&mut self, job: Job) -> Result<()> {
        let (_, spec, _) = self.services.jobs.job(job.id)?;
        let folder = self.folder(job.id);
        let began = folder
            .stamp()?
            .is_some_and(|stamp| stamp.attempt == job.attempt);
        if !began && !self.executor.alive(&folder) && folder.ending(job.attempt)?.is_none() {
            // the last daemon ended between the claim and the start
            info!(job = %job.id, "starting what the last daemon had claimed");
            self.start(job, spec);
            return Ok(());
        }
        info!(job = %job.id, attempt = job.attempt, "attached to a running job");
        let offset = self.services.jobs.offset(job.id)?;
        self.follow(job, spec, folder, offset);
        Ok(())
    }

    fn folder(&self, job: JobId) -> JobFolder {
        JobFolder::at(&self.services.core.workspace.job(job))
    }

    fn follow(&mut self, job: Job, spec: JobSpec, folder: JobFolder, offset: u64) {
        let following = Following {
            job,
            spec,
            folder,
            offset,
            stopping: None,
            killed: false,
            trouble: None,
            end: None,
        };
        self.following.insert(following.job.id, following);
    }

    /// What the tables want: workers stopped, jobs started while there are slots.
    pub fn read_tables(&mut self) {
        for (id, reason) in std::mem::take(&mut self.untold) {
            self.tell(id, reason);
        }
        self.claim();
        self.due = match self.services.jobs.due() {
            Ok(due) => due,
            Err(error) => {
                error!(%error, "waiting jobs cannot be read");
                None
            }
        };
    }

    fn claim(&mut self) {
        match self.services.jobs.to_cancel() {
            Ok(jobs) => {
                for id in jobs {
                    self.stop(id);
                }
            }
            Err(error) => error!(%error, "jobs to stop cannot be read"),
        }
        let slots = self.services.core.config().jobs.max(1);
        while self.following.len() < slots {
            match self.services.jobs.claim() {
                Ok(Some((job, spec))) => self.start(job, spec),
                Ok(None) => return,
                Err(error) => return error!(%error, "queued jobs cannot be read"),
            }
        }
    }

    fn stop(&mut self, id: JobId) {
        let Some(following) = self.following.get_mut(&id) else {
            return;
        };
        if following.stopping.is_none() {
            following.stopping = Some(Instant::now());
            info!(job = %id, "asking the worker to stop");
            if let Err(error) = self.executor.terminate(&following.folder) {
                warn!(job = %id, %error, "the worker was not asked to stop");
            }
        }
    }

    fn start(&mut self, job: Job, spec: JobSpec) {
        match self.begin(&job, &spec) {
            Ok((folder, pid, offset)) => {
                info!(job = %job.id, kind = spec.kind(), attempt = job.attempt, pid, "job started");
                self.follow(job, spec, folder, offset);
            }
            Err(problem) => {
                self.take_token_back(&spec);
                warn!(job = %job.id, error = %problem, "job not started");
                let reason = NotStarted {
                    why: format!("not started: {problem}"),
                    again: problem.kind == ErrorKind::Unavailable && job.attempt < job.max_attempts,
                };
                self.tell(job.id, reason);
            }
        }
    }

    /// Tells the store that a job was not started; when it cannot be told, it is the next time.
    fn tell(&mut self, id: JobId, reason: NotStarted) {
        let told = match reason.again {
            true => self.services.jobs.lost(id, &reason.why),
            false => {
                let error = reason.why.clone();
                let outcome = Outcome::Failed { error };
                self.services.jobs.finish(id, outcome).map(|_| ())
            }
        };
        if let Err(error) = told {
            error!(job = %id, %error, "a job that was not started is still to be recorded");
            self.untold.insert(id, reason);
        }
    }

    fn begin(&self, job: &Job, spec: &JobSpec) -> Result<(JobFolder, u32, u64)> {
        let folder = self.folder(job.id);
        folder.create()?;
        for stale in [folder.outcome(), folder.worker()] {
            match std::fs::remove_file(&stale) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(
                        Error::from(error).context(format!("removing `{}`", stale.display()))
                    );
                }
                _ => {}
            }
        }
        if matches!(spec, JobSpec::Command(_)) && job.attempt > 1 {
            // each attempt fills a run of its own: what an earlier one said is not said again
            folder.set_aside(job.attempt - 1)?;
        }
        effects::before(&self.services, spec)?;
        let order = Order {
            job: job.id,
            attempt: job.attempt,
            spec: self.with_token(spec)?,
        };
        folder::write_json(&folder.spec(), &order)?;
        let offset = self.services.jobs.offset(job.id)?;
        let pid = self.executor.start(&folder)?;
        self.services.jobs.started(job.id, pid)?;
        Ok((folder, pid, offset))
    }

    /// What the worker gets: a command that fills a run gets a token for it, where tokens are used. It is in the job's folder,
    /// which only its owner reads, and ends with the job.
    fn with_token(&self, spec: &JobSpec) -> Result<JobSpec> {
        let mut spec = spec.clone();
        if let JobSpec::Command(command) = &mut spec
            && let Some(secret) = self.services.access.issue_for_run(&command.run)?
        {
            command
                .environment
                .insert("MLFLOW_TRACKING_TOKEN".to_owned(), secret);
        }
        Ok(spec)
    }

    /// What the job of `spec` was given ends with it.
    fn take_token_back(&self, spec: &JobSpec) {
        if let JobSpec::Command(command) = spec
            && let Err(error) = self.services.access.end_for_run(&command.run)
        {
            warn!(run = %command.run, %error, "the token of an ended run is still in use");
        }
    }

    /// Looks at every folder; answers whether a job ended.
    pub fn look(&mut self) -> bool {
        let ids: Vec<JobId> = self.following.keys().copied().collect();
        let mut ended = false;
        for id in ids {
            let Some(mut following) = self.following.remove(&id) else {
                continue;
            };
            match self.look_at(&mut following) {
                Ok(true) => ended = true,
                Ok(false) => {
                    following.trouble = None;
                    self.following.insert(id, following);
                }
                Err(error) => {
                    let trouble = error.to_string();
                    if following.trouble.as_ref() != Some(&trouble) {
                        warn!(job = %id, %error, "following the job failed, trying again");
                        following.trouble = Some(trouble);
                    }
                    self.following.insert(id, following);
                }
            }
        }
        ended
    }

    /// Takes in what is new; answers whether the job ended.
    fn look_at(&self, following: &mut Following) -> Result<bool> {
        // asked first: what a dead worker wrote is whole when it is read after
        let alive = self.executor.alive(&following.folder);
        self.take_events(following)?;
        if alive {
            self.press(following);
            return Ok(false);
        }
        let id = following.job.id;
        let outcome = match following.folder.ending(following.job.attempt) {
            Ok(outcome) => outcome,
            Err(error) => Some(Outcome::Failed {
                error: format!("the outcome is not readable: {error}"),
            }),
        };
        match outcome {
            Some(outcome) => {
                let outcome = effects::after(
                    &self.services,
                    following.folder.path(),
                    &following.spec,
                    outcome,
                );
                // told once it is so: the store may refuse, and is asked again
                self.services.jobs.finish(id, outcome.clone())?;
                log_end(id, &outcome);
                if following.stopping.is_some() {
                    // what the command had put outside of its group goes as well
                    self.executor.kill(&following.folder)?;
                }
                self.executor.obituary(&following.folder);
            }
            None => {
                self.executor.kill(&following.folder)?;
                let how = following
                    .end
                    .get_or_insert_with(|| self.executor.obituary(&following.folder))
                    .clone();
                if following.stopping.is_some() {
                    self.services.jobs.finish(id, Outcome::Cancelled)?;
                    info!(job = %id, "job cancelled");
                } else {
                    self.services.jobs.lost(id, &how)?;
                    warn!(job = %id, attempt = following.job.attempt, how, "worker lost");
                }
            }
        }
        self.take_token_back(&following.spec);
        Ok(true)
    }

    /// KILL, once the grace is over.
    fn press(&self, following: &mut Following) {
        let over = following
            .stopping
            .is_some_and(|since| since.elapsed() >= GRACE);
        if over && !following.killed {
            following.killed = true;
            warn!(job = %following.job.id, "the worker did not stop, killing it");
            if let Err(error) = self.executor.kill(&following.folder) {
                error!(job = %following.job.id, %error, "the worker was not killed");
            }
        }
    }

    /// Whole lines of `events.jsonl` that are not taken in yet.
    fn take_events(&self, following: &mut Following) -> Result<()> {
        loop {
            let lines = read_lines(&following.folder, following.offset)?;
            let Some((_, end)) = lines.last() else {
                return Ok(());
            };
            let end = *end;
            let id = following.job.id;
            let events: Vec<WorkerEvent> = lines
                .iter()
                .filter_map(|(event, _)| event.clone())
                .collect();
            effects::during(
                &self.services,
                following.folder.path(),
                &following.spec,
                &events,
            );
            match self.services.jobs.follow(id, events, end) {
                Ok(()) => {}
                // one event that the run refuses (an ended run, a changed parameter) must not hold up the others
                Err(error) if error.kind != ErrorKind::Unavailable => {
                    for (event, end) in lines {
                        let one = event.into_iter().collect();
                        if let Err(error) = self.services.jobs.follow(id, one, end) {
                            warn!(job = %id, %error, "an event of the worker was left out");
                            self.services.jobs.follow(id, Vec::new(), end)?;
                        }
                    }
                }
                Err(error) => return Err(error),
            }
            following.offset = end;
        }
    }
}

fn log_end(job: JobId, outcome: &Outcome) {
    match outcome {
        Outcome::Succeeded { .. } => info!(%job, "job succeeded"),
        Outcome::Failed { error } | Outcome::Ended { error, .. } => {
            warn!(%job, error, "job failed")
        }
        Outcome::Cancelled => info!(%job, "job cancelled"),
    }
}

/// Events from `offset` on, each with where its line ends; a line that is no event is none. At most about
/// [`CHUNK`] bytes, and always at least one line when there is a whole one.
fn read_lines(folder: &JobFolder, offset: u64) -> Result<Vec<(Option<WorkerEvent>, u64)>> {
    let mut file = match File::open(folder.events()) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let length = file.metadata()?.len();
    if length <= offset {
        return Ok(Vec::new());
    }
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    let mut limit = CHUNK;
    loop {
        (&mut file)
            .take(limit.saturating_sub(bytes.len() as u64))
            .read_to_end(&mut bytes)?;
        let all = offset + bytes.len() as u64 >= length;
        if all || bytes.contains(&b'\n') {
            break;
        }
        limit *= 2;
    }
    let mut end = offset;
    let mut lines = Vec::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        if line.last() != Some(&b'\n') {
            break;
        }
        end += line.len() as u64;
        let event = serde_json::from_slice(line)
            .inspect_err(|error| {
                warn!(folder = %folder.path().display(), %error, "a line of events.jsonl is not understood");
            })
            .ok();
        lines.push((event, end));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests;
