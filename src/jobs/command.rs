//! Hold an external command: it runs in a process group of its own, what it prints is kept with its time, its code and
//! environment are noted, its machine is measured, it hears the worker's TERM, and its exit status decides. Its metrics
//! come by the MLflow API, through its environment.

mod bounded;
mod capture;
mod ending;
mod git;
mod machine;
mod python;
mod source;
mod tree;

use super::{Job, JobCtx};
use crate::domain::job::{CommandSpec, JobResult};
use crate::domain::{Error, Result};
use crate::job_folder::LOCKED_VARIABLE;
use capture::Capture;
use ending::Killings;
use machine::Meter;
use rustix::process::Signal;
use source::Source;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often the command and the wish to stop are looked at.
const PERIOD: Duration = Duration::from_millis(50);
/// From TERM to KILL, for what the command left behind; the runtime has the same for the worker.
const GRACE: Duration = Duration::from_secs(5);
/// How long what a command printed may take to be kept, after its end.
const OUTPUT: Duration = Duration::from_secs(2);
/// How long the look at code and environment may delay the end of a command that was quicker.
const LOOK: Duration = Duration::from_secs(30);

impl Job for CommandSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(Error::invalid(
                "no command to run: give a program and its arguments",
            ));
        };
        let before = Killings::so_far();
        let mut command = Command::new(program);
        command
            .args(arguments)
            .current_dir(&self.directory)
            .env_remove(LOCKED_VARIABLE)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0);
        if !self.environment.contains_key("PYTHONUNBUFFERED") {
            // a pipe is no terminal: Python would keep its lines back for minutes
            command.env("PYTHONUNBUFFERED", "1");
        }
        if !machine::switched_off(&self.environment) {
            // the worker measures; the client's own thread would log the same names a second time
            command.env(machine::SWITCH, "false");
        }
        let mut child = command.spawn().map_err(|error| {
            Error::from(error).context(format!("starting `{program}` in `{}`", self.directory))
        })?;
        let leader = child.id();
        let capture = match (child.stdout.take(), child.stderr.take()) {
            (Some(stdout), Some(stderr)) => Capture::start(ctx.files(), stdout, stderr),
            _ => Err(Error::internal("the command has no pipes")),
        };
        let capture = match capture {
            Ok(capture) => capture,
            Err(error) => {
                tree::signal(leader, Signal::KILL);
                let _ = child.wait();
                return Err(error);
            }
        };
        ctx.progress(0.0, &format!("running {program}"));
        let mut source = Source::look(self, ctx);
        let mut meter = Meter::new(&self.environment);
        let mut asked_to_stop: Option<Instant> = None;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if ctx.is_cancelled() && asked_to_stop.is_none() {
                asked_to_stop = Some(Instant::now());
                tree::signal(leader, Signal::TERM);
            }
            if asked_to_stop.is_some_and(|since| since.elapsed() >= GRACE) {
                tree::signal(leader, Signal::KILL);
            }
            if let Some(meter) = &mut meter {
                meter.look(leader, ctx);
            }
            source.take(ctx);
            std::thread::sleep(PERIOD);
        };
        let now = Killings::so_far();
        let left = tree::end(leader, asked_to_stop, GRACE);
        if left > 0 && asked_to_stop.is_none() {
            let many = if left == 1 { "process" } else { "processes" };
            let _ = ctx.log(
                "warn",
                format!("`{program}` ended and left {left} {many} behind, which were ended as well"),
            );
        }
        if let Some(problem) = capture.finish(OUTPUT) {
            let _ = ctx.log("warn", problem);
        }
        if let Some(meter) = &mut meter {
            meter.flush(ctx);
        }
        if ctx.is_cancelled() {
            source.take(ctx);
        } else {
            source.finish(ctx, LOOK);
        }
        ctx.check()?;
        let (status, signal, error) = ending::told(program, status, before, now);
        Ok(JobResult::Command {
            status,
            signal,
            error,
        })
    }
}
