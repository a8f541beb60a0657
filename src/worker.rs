//! `trainyard worker DIR`: runs one job in its folder. Reads `spec.json`, writes `events.jsonl`, checkpoints
//! and `outcome.json`; opens no store, needs no network. A worker that is killed leaves no outcome:
//! the daemon sees that its lock is free.

use crate::domain::job::Outcome;
use crate::domain::{Error, ErrorKind, Result};
use crate::job_folder::{self as folder, Ending, JobFolder, LOCKED_VARIABLE, Order, WorkerStamp};
use crate::jobs::{self, JobCtx};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

/// Stack of the thread that does the work: trees recurse, threads of estimators have their own.
const STACK: usize = 64 * 1024 * 1024;

/// Where the last panic happened and what it said: known to the hook only, wanted for the outcome.
static PANIC: OnceLock<Arc<Mutex<Option<String>>>> = OnceLock::new();

/// Runs the job in `folder`. The exit status is 0 when it succeeded; the outcome is in the folder.
pub fn run(folder: &Path) -> ExitCode {
    match attempt(folder) {
        Ok(Outcome::Succeeded { .. }) => ExitCode::SUCCESS,
        Ok(Outcome::Failed { error } | Outcome::Ended { error, .. }) => {
            complain(&format!("failed: {error}"));
            ExitCode::FAILURE
        }
        Ok(Outcome::Cancelled) => {
            complain("cancelled");
            ExitCode::FAILURE
        }
        Err(error) => {
            complain(&format!("worker: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// A line on stderr, if it can be written: on a full disk it cannot, which must not look like a defect.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

fn attempt(path: &Path) -> Result<Outcome> {
    let path = std::path::absolute(path)?;
    let folder = JobFolder::at(&path);
    if !folder.spec().is_file() {
        return Err(Error::not_found(format!(
            "`{}` has no spec.json: it is not a job's folder",
            path.display()
        )));
    }
    if std::env::var_os(LOCKED_VARIABLE).is_some() {
        // Started by the daemon, whose session this leaves: when the parent of a stopped process in the same session
        // dies, the kernel sends it HUP. Done here, for a leader of a process group could not.
        let _ = rustix::process::setsid();
    }
    // held until the process ends, however it ends
    let _lock = lock(&folder)?;
    let order: Order = folder::read_json(&folder.spec())?
        .ok_or_else(|| Error::not_found(format!("`{}` is gone", folder.spec().display())))?;
    let pid = std::process::id();
    folder::write_json(
        &folder.worker(),
        &WorkerStamp {
            pid,
            start: folder::process_start(pid)?,
            attempt: order.attempt,
        },
    )?;
    // when memory runs out the kernel is to take this process and not the daemon; a kernel that refuses changes nothing
    let _ = std::fs::write("/proc/self/oom_score_adj", "500");
    let cancelled = watch_termination()?;
    let attempt = order.attempt;
    let outcome = work(&folder, order, cancelled)?;
    conclude(&folder, attempt, outcome)
}

/// The folder's lock: it came as standard input, or is taken now (a worker started by hand).
fn lock(folder: &JobFolder) -> Result<Option<File>> {
    if std::env::var_os(LOCKED_VARIABLE).is_some() {
        return Ok(None);
    }
    folder.try_lock()?.map(Some).ok_or_else(|| {
        Error::conflict(format!(
            "another worker is at `{}`: wait for it or cancel the job",
            folder.path().display()
        ))
    })
}

/// A flag that becomes true with the first TERM or INT.
fn watch_termination() -> Result<Arc<AtomicBool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let flag = Arc::new(AtomicBool::new(false));
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    let seen = Arc::clone(&flag);
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                seen.store(true, Ordering::Relaxed);
                // the handlers stay in force, so that a second signal does not kill what is ending in order
                std::future::pending::<()>().await;
            });
        })?;
    Ok(flag)
}

/// Does the work on a thread of its own; a panic there is an outcome.
fn work(folder: &JobFolder, order: Order, cancelled: Arc<AtomicBool>) -> Result<Outcome> {
    let said = Arc::clone(PANIC.get_or_init(Arc::default));
    let kept = Arc::clone(&said);
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        usual(panic);
        let text = said_by(panic.payload());
        let place = panic
            .location()
            .map(|location| format!(" at {}:{}", location.file(), location.line()))
            .unwrap_or_default();
        if let Ok(mut kept) = kept.lock() {
            *kept = Some(format!("{text}{place}"));
        }
    }));
    let mut ctx = JobCtx::open(folder, cancelled)?;
    let ended = std::thread::Builder::new()
        .name("job".into())
        .stack_size(STACK)
        .spawn(move || {
            let result = jobs::run(&order.spec, &mut ctx);
            if result.is_ok() {
                ctx.progress(1.0, "done");
            }
            result
        })?
        .join();
    Ok(match ended {
        Ok(Ok(result)) => match result.failure().map(str::to_owned) {
            Some(error) => Outcome::Ended { error, result },
            None => Outcome::Succeeded { result },
        },
        Ok(Err(error)) if error.kind == ErrorKind::Cancelled => Outcome::Cancelled,
        Ok(Err(error)) => Outcome::Failed {
            error: error.to_string(),
        },
        Err(_) => {
            let said = said.lock().ok().and_then(|mut said| said.take());
            Outcome::Failed {
                error: format!("panicked: {}", said.unwrap_or_default()),
            }
        }
    })
}

/// A panic's text.
fn said_by(payload: &(dyn std::any::Any + Send)) -> &str {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a value that is not text")
}

/// Writes the outcome. One that would not be read back (JSON has no NaN) is a failure that says so.
fn conclude(folder: &JobFolder, attempt: u32, outcome: Outcome) -> Result<Outcome> {
    let mut ending = Ending { attempt, outcome };
    let text = serde_json::to_string(&ending)?;
    if let Err(error) = serde_json::from_str::<Ending>(&text) {
        ending.outcome = Outcome::Failed {
            error: format!("the result holds a number that is not finite: {error}"),
        };
    }
    folder::write_json(&folder.outcome(), &ending)?;
    Ok(ending.outcome)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::JobId;
    use crate::domain::job::{CommandSpec, JobResult, JobSpec};

    fn ordered(script: &str) -> (tempfile::TempDir, JobFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(root.path());
        let order = Order {
            job: JobId(1),
            attempt: 3,
            spec: JobSpec::Command(CommandSpec {
                command: vec!["/bin/sh".into(), "-c".into(), script.into()],
                directory: "/".into(),
                environment: [("ANSWER".to_owned(), "42".to_owned())].into(),
                run: "r".into(),
            }),
        };
        folder::write_json(&folder.spec(), &order).unwrap();
        (root, folder)
    }

    #[test]
    fn a_command_runs_with_its_environment_and_its_end_is_the_outcome() {
        let (root, folder) = ordered("test \"$ANSWER\" = 42");
        assert_eq!(run(root.path()), ExitCode::SUCCESS);
        let outcome = folder.ending(3).unwrap();
        let result = JobResult::Command {
            status: 0,
            signal: None,
            error: None,
        };
        assert_eq!(outcome, Some(Outcome::Succeeded { result }));
        assert_eq!(folder.stamp().unwrap().unwrap().pid, std::process::id());
        assert!(!folder.is_locked());
    }

    #[test]
    fn an_exit_status_is_a_failure_that_names_it() {
        let (root, folder) = ordered("exit 3");
        assert_eq!(run(root.path()), ExitCode::FAILURE);
        let Some(Outcome::Ended { error, .. }) = folder.ending(3).unwrap() else {
            panic!("no failure");
        };
        assert!(error.contains("exit status 3"), "{error}");
    }

    #[test]
    fn a_second_worker_stays_away() {
        let (root, folder) = ordered("true");
        let held = folder.try_lock().unwrap();
        assert_eq!(run(root.path()), ExitCode::FAILURE);
        assert_eq!(folder.ending(3).unwrap(), None);
        drop(held);
    }

    #[test]
    fn a_folder_without_spec_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = attempt(root.path()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NotFound);
    }
}
