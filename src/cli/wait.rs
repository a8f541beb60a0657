//! Waiting for a job, with its progress on stderr.

use super::connect::unexpected;
use super::output::Output;
use super::{Exit, Result};
use crate::api::client::Client;
use crate::api::protocol::{Command, Reply, Topic, Update};
use crate::domain::job::{Job, JobResult, JobState};
use crate::domain::{Event, JobId};

/// One job and its result.
pub(crate) fn job(client: &Client, id: JobId) -> Result<(Job, Option<JobResult>)> {
    match client.command(&Command::Job { job: id })? {
        Reply::Job(job, result) => Ok((*job, result.map(|result| *result))),
        _ => Err(unexpected()),
    }
}

/// Waits until the job has ended. Progress goes to stderr; Ctrl-C ends the waiting, not the job.
pub(crate) fn until_ended(
    client: &Client,
    id: JobId,
    output: &Output,
) -> Result<(Job, Option<JobResult>)> {
    loop {
        // Subscribe first, look second: an end between the two is not missed.
        let mut stream = client.events(&[Topic::Jobs])?;
        let (now, result) = job(client, id)?;
        if now.state.is_ended() {
            return Ok((now, result));
        }
        while let Some(update) = stream.next_update()? {
            let touched = match &update {
                Update::Event {
                    event: Event::JobChanged { job },
                } => *job == id,
                Update::Snapshot { .. } => true,
                _ => false,
            };
            if !touched {
                continue;
            }
            let (now, result) = job(client, id)?;
            if now.state.is_ended() {
                return Ok((now, result));
            }
            output.tick(line(&now));
        }
    }
}

fn line(job: &Job) -> String {
    let share = job
        .progress
        .map(|share| format!(" {:>3.0} %", share * 100.0))
        .unwrap_or_default();
    let doing = job
        .doing
        .as_deref()
        .map(|doing| format!("  {doing}"))
        .unwrap_or_default();
    format!("{} {}{share}{doing}", job.title, job.state.as_str())
}

/// The end of a command whose job did not leave what was asked for; with `--json` the job is the document.
pub(crate) fn without_result(job: &Job, output: &Output) -> Result<Exit> {
    if output.json {
        output.document(&serde_json::json!({ "job": job }))?;
    }
    Ok(exit(job, output))
}

/// What a job's end means to the command that asked for it.
pub(crate) fn exit(job: &Job, output: &Output) -> Exit {
    match job.state {
        JobState::Succeeded => Exit::Done,
        _ => {
            let why = job.error.as_deref().unwrap_or("no reason was left");
            output.progress_done(format!("{} {}: {why}", job.title, job.state.as_str()));
            Exit::Failed
        }
    }
}
