//! `run -- CMD`: any command as a tracked job.

use super::connect::{Connection, unexpected};
use super::output::Output;
use super::{Exit, Result, wait};
use crate::api::protocol::{Command, Reply, Snapshot, Topic, Update};
use crate::domain::JobId;
use crate::domain::job::JobLog;
use clap::Args;
use std::collections::BTreeMap;

/// Arguments of `run`.
#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// Experiment [default: Default]
    #[arg(long)]
    experiment: Option<String>,
    /// Name of the run
    #[arg(long)]
    name: Option<String>,
    /// Answer at once
    #[arg(long)]
    detach: bool,
    /// The command
    #[arg(last = true, required = true, num_args = 1.., value_name = "CMD")]
    command: Vec<String>,
}

pub(crate) fn run(args: &RunArgs, connection: &Connection, output: &Output) -> Result<Exit> {
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
    let Reply::Jobs(jobs) = client.command(&command)? else {
        return Err(unexpected());
    };
    let Some(job) = jobs.first().copied() else {
        return Err(unexpected());
    };
    if args.detach {
        if output.json {
            output.document(&serde_json::json!({ "job": job }))?;
        }
        output.line(format!("job {job}: `trainyard jobs logs {job} --follow`"));
        return Ok(Exit::Done);
    }
    follow(&client, job, output)?;
    let (ended, _) = wait::until_ended(&client, job, output)?;
    if output.json {
        output.document(&ended)?;
    }
    Ok(wait::exit(&ended, output))
}

/// The command's output as it comes.
fn follow(client: &crate::api::client::Client, job: JobId, output: &Output) -> Result<()> {
    let mut shown = 0;
    let mut print = |log: &JobLog| {
        let first = log.total - log.lines.len() as u64;
        for (number, line) in log.lines.iter().enumerate() {
            if first + number as u64 >= shown {
                output.line(line);
            }
        }
        shown = log.total;
    };
    let mut stream = client.events(&[Topic::JobLog { job, lines: 2_000 }, Topic::Jobs])?;
    while let Some(update) = stream.next_update()? {
        if let Update::Snapshot {
            snapshot: Snapshot::JobLog(log),
            ..
        } = update
        {
            print(&log);
        }
        if wait::job(client, job)?.0.state.is_ended() {
            break;
        }
    }
    if let Snapshot::JobLog(log) =
        super::connect::snapshot(client, &Topic::JobLog { job, lines: 2_000 })?
    {
        print(&log);
    }
    Ok(())
}
