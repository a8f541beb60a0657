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
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write as _;

    use crate::config::Config;
    use crate::domain::job::{CommandSpec, JobState};
    use crate::domain::trigger::Cause;
    use crate::domain::{RunId, SystemClock};
    use crate::runtime::executors::Local;
    use crate::service::jobs::NewJob;
    use crate::service::tracking::NewRun;
    use crate::workspace::Workspace;
    use std::os::unix::fs::PermissionsExt as _;

    /// Stands in for the worker: says two things, then ends as the spec's command asks.
    const WORKER: &str = r#"#!/bin/sh
cd "$2" || exit 1
attempt=$(sed 's/.*"attempt":\([0-9]*\).*/\1/' spec.json)
start=$(sed 's/.*) //' /proc/$$/stat | cut -d' ' -f20)
printf '{"pid":%s,"start":%s,"attempt":%s}' $$ "$start" "$attempt" > worker.json
printf '{"event":"progress","share":0.5,"doing":"half"}\n' >> events.jsonl
printf '{"event":"metrics","points":[{"key":"loss","value":0.5,"timestamp":1,"step":0}]}\n' >> events.jsonl
end() { printf '{"attempt":%s,"outcome":%s}' "$attempt" "$1" > new && mv new outcome.json; exit 0; }
grep -q '"die-once"' spec.json && [ "$attempt" = 1 ] && kill -9 $$
grep -q '"abort"' spec.json && { echo 'stack overflow' >&2; kill -6 $$; }
if grep -q '"wait"' spec.json; then
  trap 'end "\"cancelled\""' TERM
  while [ ! -f go ]; do sleep 0.02; done
fi
end '{"succeeded":{"result":{"command":{"status":0}}}}'
"#;

    struct House {
        root: tempfile::TempDir,
        services: Arc<Services>,
    }

    impl House {
        fn new() -> Self {
            let root = tempfile::tempdir().unwrap();
            let worker = root.path().join("worker.sh");
            std::fs::write(&worker, WORKER).unwrap();
            std::fs::set_permissions(&worker, std::fs::Permissions::from_mode(0o700)).unwrap();
            let config = Config {
                jobs: 2,
                ..Config::default()
            };
            let workspace = Workspace::at(root.path()).unwrap();
            let services = Services::open(workspace, config, Arc::new(SystemClock)).unwrap();
            Self { root, services }
        }

        fn scheduler(&self) -> Scheduler {
            let executor = Local::of(self.root.path().join("worker.sh"));
            Scheduler::new(Arc::clone(&self.services), Arc::new(executor))
        }

        fn submit(&self, word: &str, attempts: u32) -> (JobId, RunId) {
            let run = self
                .services
                .tracking
                .create_run(NewRun::default())
                .unwrap();
            let spec = JobSpec::Command(CommandSpec {
                command: vec![word.to_owned()],
                directory: "/".into(),
                environment: BTreeMap::new(),
                run: run.id.clone(),
            });
            let job = NewJob {
                title: word.to_owned(),
                spec,
                cause: Cause::Request { by: "ada".into() },
                pipeline: None,
                after: None,
                max_attempts: attempts,
                run_key: None,
            };
            (self.services.jobs.submit(job).unwrap(), run.id)
        }

        fn job(&self, id: JobId) -> Job {
            self.services.jobs.job(id).unwrap().0
        }

        /// Looks until `done`, for ten seconds at most.
        fn until(&self, scheduler: &mut Scheduler, done: impl Fn(&Self) -> bool) {
            let end = Instant::now() + Duration::from_secs(10);
            while !done(self) {
                assert!(Instant::now() < end, "it did not happen");
                scheduler.read_tables();
                scheduler.look();
                std::thread::park_timeout(Duration::from_millis(2));
            }
        }
    }

    #[test]
    fn a_job_is_started_followed_and_taken_in_once() {
        let house = House::new();
        let (id, run) = house.submit("go", 1);
        let mut scheduler = house.scheduler();
        house.until(&mut scheduler, |house| house.job(id).state.is_ended());
        assert_eq!(house.job(id).state, JobState::Succeeded);
        let points = house.services.tracking.history(&run, "loss").unwrap();
        assert_eq!(points.len(), 1);
        let again = house.services.jobs.finish(id, Outcome::Cancelled).unwrap();
        assert!(!again);
        assert!(scheduler.following.is_empty());
    }

    #[test]
    fn a_killed_worker_is_tried_again_and_a_second_death_is_named() {
        let house = House::new();
        let (once, run) = house.submit("die-once", 2);
        let (always, _) = house.submit("abort", 2);
        let mut scheduler = house.scheduler();
        house.until(&mut scheduler, |house| {
            house.job(once).state.is_ended() && house.job(always).state.is_ended()
        });
        let job = house.job(once);
        assert_eq!((job.state, job.attempt), (JobState::Succeeded, 2));
        // said twice by the stand-in, and kept once: the same point
        let points = house.services.tracking.history(&run, "loss").unwrap();
        assert_eq!(points.len(), 1);
        let job = house.job(always);
        assert_eq!((job.state, job.attempt), (JobState::Lost, 2));
        let error = job.error.unwrap_or_default();
        assert!(error.contains("signal 6"), "{error}");
        assert!(error.contains("stack overflow"), "{error}");
    }

    #[test]
    fn a_running_job_is_stopped_on_request() {
        let house = House::new();
        let (id, _) = house.submit("wait", 1);
        let mut scheduler = house.scheduler();
        house.until(&mut scheduler, |house| house.job(id).progress == Some(0.5));
        house.services.jobs.cancel(id, "ada").unwrap();
        house.until(&mut scheduler, |house| house.job(id).state.is_ended());
        assert_eq!(house.job(id).state, JobState::Cancelled);
    }

    #[test]
    fn a_new_daemon_goes_on_with_a_worker_that_it_did_not_start() {
        let house = House::new();
        let (id, _) = house.submit("wait", 1);
        let mut first = house.scheduler();
        house.until(&mut first, |house| house.job(id).progress == Some(0.5));
        drop(first);

        let mut second = house.scheduler();
        second.reattach();
        assert!(!second.look());
        assert_eq!(house.job(id).state, JobState::Running);
        let folder = house.services.core.workspace.job(id);
        std::fs::write(folder.join("go"), "").unwrap();
        house.until(&mut second, |house| house.job(id).state.is_ended());
        assert_eq!(house.job(id).state, JobState::Succeeded);
        assert_eq!(house.job(id).attempt, 1);
    }

    #[test]
    fn what_ended_while_no_daemon_ran_is_taken_in_and_what_was_only_claimed_is_started() {
        let house = House::new();
        let (ended, _) = house.submit("go", 1);
        let mut first = house.scheduler();
        first.read_tables();
        let (claimed, _) = house.submit("go", 1);
        house.services.jobs.claim().unwrap();
        let outcome = house
            .services
            .core
            .workspace
            .job(ended)
            .join("outcome.json");
        let end = Instant::now() + Duration::from_secs(10);
        while !outcome.exists() {
            assert!(Instant::now() < end, "no outcome");
            std::thread::park_timeout(Duration::from_millis(2));
        }
        drop(first);

        let mut second = house.scheduler();
        second.reattach();
        house.until(&mut second, |house| {
            house.job(ended).state.is_ended() && house.job(claimed).state.is_ended()
        });
        assert_eq!(house.job(ended).state, JobState::Succeeded);
        assert_eq!(house.job(claimed).state, JobState::Succeeded);
        assert_eq!(house.job(claimed).attempt, 1);
    }

    #[test]
    fn only_whole_lines_are_read_and_strange_ones_are_passed_over() {
        let root = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(root.path());
        assert_eq!(read_lines(&folder, 0).unwrap(), Vec::new());
        let progress = r#"{"event":"progress","share":0.5,"doing":"fold 1"}"#;
        let mut file = File::create(folder.events()).unwrap();
        write!(file, "{progress}\nnonsense\n{progress}").unwrap();

        let lines = read_lines(&folder, 0).unwrap();

        let first = progress.len() as u64 + 1;
        assert_eq!(lines.len(), 2);
        assert!(lines[0].0.is_some());
        assert_eq!(lines[0].1, first);
        assert_eq!(lines[1], (None, first + 9));
        assert_eq!(read_lines(&folder, first + 9).unwrap(), Vec::new());
        writeln!(file).unwrap();
        assert_eq!(read_lines(&folder, first + 9).unwrap().len(), 1);
    }
}
