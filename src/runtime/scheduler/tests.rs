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
