//! `run -- CMD`: any command as a tracked job.

use super::connect::{Connection, unexpected};
use super::interrupt::Presses;
use super::output::Output;
use super::{Exit, Result, follow, wait};
use crate::api::protocol::{Command, Reply};
use crate::domain::job::{Job, JobResult};
use clap::{Args, ValueEnum};
use std::collections::BTreeMap;

/// Arguments of `run`.
#[derive(Args, Debug)]
#[command(
    after_help = "The command runs here, in this folder, with this shell's environment and MLFLOW_TRACKING_URI, MLFLOW_RUN_ID and MLFLOW_EXPERIMENT_ID: \
mlflow.start_run() and autologging fill its run. Code, command line, host, Python environment and system metrics are noted by themselves \
(MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=false and MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL are heeded).\n\n\
C-c leaves it running, a second C-c within 3 seconds cancels it. The exit code is 0 when the command's is 0, else 1; its own status is told."
)]
pub(crate) struct RunArgs {
    /// Experiment [default: MLFLOW_EXPERIMENT_NAME, else Default]
    #[arg(long)]
    experiment: Option<String>,
    /// Name of the run
    #[arg(long)]
    name: Option<String>,
    /// Who starts it
    #[arg(long, value_enum, default_value_t = Executor::Local)]
    executor: Executor,
    /// Answer at once
    #[arg(long)]
    detach: bool,
    /// The command
    #[arg(last = true, required = true, num_args = 1.., value_name = "CMD")]
    command: Vec<String>,
}

/// Who starts a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Executor {
    /// The daemon, on its own machine
    Local,
}

pub(crate) fn run(args: &RunArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let Executor::Local = args.executor;
    let client = connection.client(true)?;
    let command = Command::Run {
        experiment: args.experiment.clone(),
        name: args.name.clone(),
        command: args.command.clone(),
        directory: std::env::current_dir()?.to_string_lossy().into_owned(),
        // The job runs in the daemon's environment; what the person's shell has goes with it.
        environment: std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(key, _)| key != "TRAINYARD_TOKEN")
            .collect::<BTreeMap<_, _>>(),
    };
    let presses = Presses::heard()?;
    let Reply::Jobs(jobs) = client.command(&command)? else {
        return Err(unexpected());
    };
    let Some(job) = jobs.first().copied() else {
        return Err(unexpected());
    };
    let (row, _) = wait::job(&client, job)?;
    if args.detach {
        if output.json {
            output.document(&serde_json::json!({ "job": job, "run": row.run }))?;
        }
        output.line(format!("job {job}: `trainyard jobs logs {job} --follow`"));
        return Ok(Exit::Done);
    }
    output.progress_done(begun(&row));
    match follow::until_ended(&client, job, &presses, true, output)? {
        follow::End::Left => Ok(Exit::Failed),
        follow::End::Ended(_) => {
            let (ended, result) = wait::job(&client, job)?;
            if output.json {
                output.document(&serde_json::json!({
                    "job": ended,
                    "run": ended.run,
                    "status": status(result.as_ref()),
                    "signal": signal(result.as_ref()),
                }))?;
            }
            let exit = wait::exit(&ended, output);
            if exit == Exit::Done {
                output.progress_done(format!("{} succeeded{}", ended.title, took(&ended)));
            }
            Ok(exit)
        }
    }
}

fn begun(job: &Job) -> String {
    let run = job.run.as_ref().map(|run| format!(", run {run}"));
    format!("job {}: {}{}", job.id, job.title, run.unwrap_or_default())
}

fn took(job: &Job) -> String {
    match (job.started, job.ended) {
        (Some(started), Some(ended)) => {
            format!(
                " after {:.1} s",
                ended.since(started).max(0) as f64 / 1000.0
            )
        }
        _ => String::new(),
    }
}

fn status(result: Option<&JobResult>) -> Option<i32> {
    match result {
        Some(JobResult::Command { status, .. }) => Some(*status),
        _ => None,
    }
}

fn signal(result: Option<&JobResult>) -> Option<i32> {
    match result {
        Some(JobResult::Command { signal, .. }) => *signal,
        _ => None,
    }
}
