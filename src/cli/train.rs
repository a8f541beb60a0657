//! `train`: a pipeline's run, waited for.

use super::connect::{Connection, unexpected};
use super::output::{Output, number};
use super::{Exit, Result, wait};
use crate::api::client::Client;
use crate::api::protocol::{Command, Reply, Topic, Update};
use crate::domain::job::{Job, JobResult, JobState, PipelineRunState};
use crate::domain::{Error, JobId};
use clap::Args;

/// Arguments of `train`.
#[derive(Args, Debug)]
pub(crate) struct TrainArgs {
    /// Which pipeline of trainyard.toml
    pipeline: String,
    /// Over its parameters: trainer.kind=boosting, trainer.c=0.1, from=2013-05-01, to=…, holdout=0.3, seed=7
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    set: Vec<(String, String)>,
    /// Promote the new version when its gate is clear
    #[arg(long)]
    promote: bool,
    /// Answer at once
    #[arg(long)]
    detach: bool,
}

/// `KEY=VALUE`.
pub(crate) fn pair(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is no KEY=VALUE")),
    }
}

/// What a pipeline's run came to.
pub(crate) struct Trained {
    pub(crate) training: Job,
    pub(crate) result: JobResult,
    /// The last job of the run, when it went on after training.
    pub(crate) evaluation: Option<(Job, Option<JobResult>)>,
    /// How the run ended.
    pub(crate) state: PipelineRunState,
}

pub(crate) fn run(args: &TrainArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let client = connection.client(true)?;
    let command = Command::Train {
        pipeline: args.pipeline.clone(),
        set: args.set.clone(),
        promote: args.promote,
    };
    if args.detach {
        let Reply::Pipeline { run, job } = client.command(&command)? else {
            return Err(unexpected());
        };
        if output.json {
            output.document(&serde_json::json!({ "pipeline_run": run, "job": job }))?;
        }
        output.line(format!(
            "pipeline run {run}, first job {job}: `trainyard jobs logs {job} --follow`"
        ));
        return Ok(Exit::Done);
    }
    let outcome = match pipeline(&client, &command, output)? {
        Ok(outcome) => outcome,
        Err(job) => return wait::without_result(&job, output),
    };
    let JobResult::Train {
        metrics,
        train_rows,
        holdout_rows,
        ..
    } = &outcome.result
    else {
        return Err(unexpected());
    };
    // held by the gate: learned and registered, but not what was asked for
    let exit = match outcome.state.state.as_str() {
        "succeeded" => Exit::Done,
        _ => Exit::Failed,
    };
    if output.json {
        output.document(&serde_json::json!({
            "run": outcome.training.run, "job": outcome.training, "result": outcome.result,
            "evaluation": outcome.evaluation.as_ref().and_then(|(_, result)| result.as_ref()),
            "state": outcome.state.state, "detail": outcome.state.detail, "version": outcome.state.version,
        }))?;
        return Ok(exit);
    }
    let run = outcome
        .training
        .run
        .as_ref()
        .map(ToString::to_string)
        .unwrap_or_default();
    output.line(format!(
        "run {run}: learned from {train_rows} rows, judged on {holdout_rows}"
    ));
    output.table(
        &["metric", "value"],
        &metrics
            .iter()
            .map(|(name, value)| vec![name.clone(), number(*value)])
            .collect::<Vec<_>>(),
    );
    Ok(exit)
}

/// Starts a pipeline and waits for its run: the inner error is the job that ended badly.
pub(crate) fn pipeline(
    client: &Client,
    command: &Command,
    output: &Output,
) -> Result<std::result::Result<Trained, Job>> {
    let Reply::Pipeline { run, .. } = client.command(command)? else {
        return Err(unexpected());
    };
    let mut stream = client.events(&[Topic::Jobs])?;
    loop {
        let Reply::PipelineRun(state) = client.command(&Command::PipelineRun { run })? else {
            return Err(unexpected());
        };
        if state.ended {
            let mut training = None;
            let mut evaluation = None;
            for id in &state.jobs {
                let (job, result) = wait::job(client, *id)?;
                if job.state != JobState::Succeeded {
                    return Ok(Err(job));
                }
                match job.kind.as_str() {
                    "train" => training = result.map(|result| (job, result)),
                    "evaluate" => evaluation = Some((job, result)),
                    _ => {}
                }
            }
            let Some((training, result)) = training else {
                return Err(Error::internal(format!(
                    "pipeline run {run} {}: {}",
                    state.state, state.detail
                ))
                .into());
            };
            output.progress_done(format!("{}: {}", training.title, state.detail));
            return Ok(Ok(Trained {
                training,
                result,
                evaluation,
                state,
            }));
        }
        if let Some(id) = state.jobs.last() {
            tick(client, *id, output)?;
        }
        match stream.next_update()? {
            Some(
                Update::Snapshot { .. }
                | Update::Event { .. }
                | Update::Hello { .. }
                | Update::Refused { .. },
            ) => {}
            None => stream = client.events(&[Topic::Jobs])?,
        }
    }
}

fn tick(client: &Client, id: JobId, output: &Output) -> Result<()> {
    let (job, _) = wait::job(client, id)?;
    if !job.state.is_ended() {
        let share = job
            .progress
            .map(|share| format!(" {:.0} %", share * 100.0))
            .unwrap_or_default();
        output.tick(format!(
            "{}{share}  {}",
            job.title,
            job.doing.unwrap_or_default()
        ));
    }
    Ok(())
}
