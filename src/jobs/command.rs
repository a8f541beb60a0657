//! Hold an external command: it runs in the worker's process group, prints into the job's files, hears the
//! worker's TERM, and its exit status decides. Its metrics come by the MLflow API, through its environment.

use crate::job_folder::LOCKED_VARIABLE;
use super::{Job, JobCtx};
use crate::domain::job::{CommandSpec, JobResult};
use crate::domain::{Error, Result};
use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process, kill_process_group};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How often the command and the wish to stop are looked at.
const PERIOD: Duration = Duration::from_millis(50);

impl Job for CommandSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        let [program, arguments @ ..] = self.command.as_slice() else {
            return Err(Error::invalid(
                "no command to run: give a program and its arguments",
            ));
        };
        let mut child = Command::new(program)
            .args(arguments)
            .current_dir(&self.directory)
            .env_remove(LOCKED_VARIABLE)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .spawn()
            .map_err(|error| {
                Error::from(error)
                    .context(format!("starting `{program}` in `{}`", self.directory))
            })?;
        ctx.progress(0.0, &format!("running {program}"));
        let mut asked_to_stop = false;
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if ctx.is_cancelled() && !asked_to_stop {
                asked_to_stop = true;
                terminate(&child);
            }
            std::thread::sleep(PERIOD);
        };
        ctx.check()?;
        match (status.code(), status.signal()) {
            (Some(0), _) => Ok(JobResult::Command { status: 0 }),
            (Some(code), _) => Err(Error::invalid(format!(
                "`{program}` ended with exit status {code}"
            ))),
            (None, signal) => Err(Error::invalid(format!(
                "`{program}` was killed by signal {}",
                signal.unwrap_or_default()
            ))),
        }
    }
}

/// TERM to the whole group when it is the worker's own, so that what the command started hears it as well; else (a worker
/// started by hand shares its group with the shell's script) to the command alone.
fn terminate(child: &Child) {
    // a process that is gone needs no signal
    if getpgrp() == getpid() {
        let _ = kill_process_group(getpgrp(), Signal::TERM);
    } else if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::TERM);
    }
}
