//! The queue with a real store and a standing clock: state and events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{Jobs, NewJob};
use crate::config::Config;
use crate::domain::job::{CommandSpec, JobResult, JobSpec, JobState, Outcome, WorkerEvent};
use crate::domain::metric::Metric;
use crate::domain::run::RunStatus;
use crate::domain::trigger::Cause;
use crate::domain::{Clock, ErrorKind, Event, JobId, RunId, Timestamp};
use crate::service::Services;
use crate::service::tracking::NewRun;
use crate::workspace::Workspace;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tokio::sync::broadcast::Receiver;

/// Stands at noon until it is moved.
struct Noon(AtomicI64);

impl Clock for Noon {
    fn now(&self) -> Timestamp {
        Timestamp(43_200_000 + self.0.load(Ordering::Relaxed))
    }
}

struct House {
    services: Arc<Services>,
    clock: Arc<Noon>,
    events: Receiver<Event>,
    _folder: tempfile::TempDir,
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path()).unwrap();
    let clock = Arc::new(Noon(AtomicI64::new(0)));
    let services = Services::open(workspace, Config::default(), Arc::clone(&clock) as _).unwrap();
    House {
        clock,
        events: services.core.bus.subscribe(),
        services,
        _folder: folder,
    }
}

impl House {
    fn jobs(&self) -> &Jobs {
        &self.services.jobs
    }

    fn submit(&self, after: Option<JobId>, attempts: u32) -> (JobId, RunId) {
        let run = self
            .services
            .tracking
            .create_run(NewRun::default())
            .unwrap()
            .id;
        let job = self
            .jobs()
            .submit(NewJob {
                title: "train".to_owned(),
                spec: JobSpec::Command(CommandSpec {
                    command: vec!["true".to_owned()],
                    directory: "/".to_owned(),
                    environment: Default::default(),
                    run: run.clone(),
                }),
                cause: Cause::Request {
                    by: "ana".to_owned(),
                },
                pipeline: None,
                after,
                max_attempts: attempts,
                run_key: None,
            })
            .unwrap();
        (job, run)
    }

    fn state(&self, job: JobId) -> JobState {
        self.jobs().job(job).unwrap().0.state
    }

    fn status(&self, run: &RunId) -> RunStatus {
        self.services.tracking.run(run).unwrap().status
    }

    fn heard(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

fn succeeded() -> Outcome {
    Outcome::Succeeded {
        result: JobResult::Command {
            status: 0,
            signal: None,
            error: None,
        },
    }
}

fn point(step: i64) -> WorkerEvent {
    WorkerEvent::Metrics {
        points: vec![Metric {
            key: "loss".to_owned(),
            value: 0.5,
            timestamp: Timestamp(1),
            step,
        }],
    }
}

#[test]
fn an_outcome_is_taken_in_once_and_ends_the_run() {
    let mut house = house();
    let (job, run) = house.submit(None, 1);
    assert_eq!(house.jobs().claim().unwrap().unwrap().0.id, job);
    assert!(house.jobs().claim().unwrap().is_none());
    house.heard();
    assert!(house.jobs().finish(job, succeeded()).unwrap());
    let failed = Outcome::Failed {
        error: "late".to_owned(),
    };
    assert!(!house.jobs().finish(job, failed).unwrap());
    assert_eq!(house.state(job), JobState::Succeeded);
    assert_eq!(house.status(&run), RunStatus::Finished);
    assert_eq!(
        house.heard(),
        [Event::JobChanged { job }, Event::RunChanged { run }]
    );
}

#[test]
fn what_a_worker_says_is_taken_in_exactly_once() {
    let mut house = house();
    let (job, run) = house.submit(None, 1);
    house.jobs().claim().unwrap();
    house.heard();
    let progress = WorkerEvent::Progress {
        share: 0.5,
        doing: "fold 1".to_owned(),
    };
    house
        .jobs()
        .follow(job, vec![point(0), progress, point(1)], 90)
        .unwrap();
    house.jobs().follow(job, vec![point(7)], 90).unwrap();
    assert_eq!(house.jobs().offset(job).unwrap(), 90);
    assert_eq!(
        house.services.tracking.history(&run, "loss").unwrap().len(),
        2
    );
    let (row, _, _) = house.jobs().job(job).unwrap();
    assert_eq!(
        (row.progress, row.doing.as_deref()),
        (Some(0.5), Some("fold 1"))
    );
    let keys = vec!["loss".to_owned()];
    assert_eq!(
        house.heard(),
        [
            Event::JobChanged { job },
            Event::MetricsLogged { run, keys }
        ]
    );
}

#[test]
fn a_lost_worker_is_tried_again_as_often_as_allowed() {
    let house = house();
    let (job, run) = house.submit(None, 2);
    house.jobs().claim().unwrap();
    house.jobs().lost(job, "killed").unwrap();
    let (row, _, _) = house.jobs().job(job).unwrap();
    assert_eq!(row.state, JobState::Queued);
    assert_eq!(
        row.cause,
        Cause::Retry {
            detail: "killed".to_owned(),
            not_before: Some(Timestamp(43_201_000)),
        }
    );
    assert!(house.jobs().claim().unwrap().is_none());
    assert_eq!(house.jobs().due().unwrap(), Some(Timestamp(43_201_000)));
    house.clock.0.store(1_000, Ordering::Relaxed);
    assert_eq!(house.jobs().claim().unwrap().unwrap().0.attempt, 2);
    assert_eq!(house.jobs().due().unwrap(), None);
    house.jobs().lost(job, "killed").unwrap();
    assert_eq!(house.state(job), JobState::Lost);
    assert_eq!(house.status(&run), RunStatus::Killed);
    house.jobs().retry(job, None, "ana").unwrap();
    assert_eq!(house.jobs().claim().unwrap().unwrap().0.attempt, 3);
    assert_eq!(house.status(&run), RunStatus::Running);
}

#[test]
fn a_job_waits_for_its_predecessor_and_falls_with_it() {
    let house = house();
    let (first, _) = house.submit(None, 1);
    let (second, run) = house.submit(Some(first), 1);
    assert_eq!(house.jobs().claim().unwrap().unwrap().0.id, first);
    assert!(house.jobs().claim().unwrap().is_none());
    let failed = Outcome::Failed {
        error: "no rows".to_owned(),
    };
    house.jobs().finish(first, failed).unwrap();
    assert!(house.jobs().claim().unwrap().is_none());
    let (row, _, _) = house.jobs().job(second).unwrap();
    assert_eq!(row.state, JobState::Cancelled);
    assert!(row.error.unwrap().contains("failed"));
    assert_eq!(house.status(&run), RunStatus::Killed);
}

#[test]
fn cancelling_stops_a_queued_job_and_marks_a_running_one() {
    let house = house();
    let (first, _) = house.submit(None, 3);
    let (second, _) = house.submit(None, 1);
    house.jobs().claim().unwrap();
    house.jobs().cancel(first, "ana").unwrap();
    house.jobs().cancel(second, "ana").unwrap();
    assert_eq!(house.state(second), JobState::Cancelled);
    assert_eq!(house.jobs().to_cancel().unwrap(), [first]);
    house.jobs().lost(first, "gone").unwrap();
    assert_eq!(house.state(first), JobState::Cancelled);
    let error = house.jobs().cancel(first, "ana").unwrap_err();
    assert_eq!(error.kind, ErrorKind::Conflict);
}

#[test]
fn the_same_run_key_is_queued_once() {
    let house = house();
    let (job, run) = house.submit(None, 1);
    let (_, spec, _) = house.jobs().job(job).unwrap();
    let new = NewJob {
        title: "again".to_owned(),
        spec,
        cause: Cause::Schedule {
            rule: "1d".to_owned(),
        },
        pipeline: None,
        after: None,
        max_attempts: 1,
        run_key: Some("key".to_owned()),
    };
    let first = house.jobs().submit(new.clone()).unwrap();
    assert_eq!(house.jobs().submit(new).unwrap(), first);
    assert_eq!(house.status(&run), RunStatus::Running);
}
