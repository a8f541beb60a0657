//! `jobs`: background work.

use super::connect::{Connection, unexpected};
use super::output::{Output, age};
use super::{Exit, Result, follow, interrupt, wait};
use crate::api::protocol::{Command, Snapshot, Topic, Update};
use crate::domain::JobId;
use crate::domain::job::{JobLog, JobsPage};
use clap::Subcommand;

/// Subcommands of `jobs`.
#[derive(Subcommand, Debug)]
pub(crate) enum JobsCommand {
    /// Running, waiting, then ended ones
    List,
    /// One job and its result
    Show {
        /// Which
        id: i64,
    },
    /// Its output: a command's stdout to stdout, its stderr to stderr
    Logs {
        /// Which
        id: i64,
        /// Until it ends
        #[arg(long, short)]
        follow: bool,
        /// Each line with its time, both streams on stdout
        #[arg(long, short)]
        timestamps: bool,
    },
    /// Stop it
    Cancel {
        /// Which
        id: i64,
    },
    /// Try it again: a command with a run of its own, training from its checkpoint in its run
    Retry {
        /// Which
        id: i64,
    },
}

pub(crate) fn run(command: &JobsCommand, connection: &Connection, output: &Output) -> Result<Exit> {
    match command {
        JobsCommand::List => {
            let Snapshot::Jobs(page) = connection.snapshot(&Topic::Jobs)? else {
                return Err(unexpected());
            };
            list(&page, output)
        }
        JobsCommand::Show { id } => {
            let (job, result) = wait::job(&connection.client(true)?, JobId(*id))?;
            if output.json {
                output.document(&serde_json::json!({ "job": job, "result": result }))?;
                return Ok(Exit::Done);
            }
            output.line(format!(
                "{} {}  {}  attempt {} of {}",
                job.id,
                job.title,
                job.state.as_str(),
                job.attempt,
                job.max_attempts
            ));
            output.line(format!("  because   {}", job.cause));
            if let Some(error) = &job.error {
                output.line(format!("  error     {error}"));
            }
            if let Some(run) = &job.run {
                output.line(format!("  run       {run}"));
            }
            Ok(Exit::Done)
        }
        JobsCommand::Logs {
            id,
            follow,
            timestamps,
        } => {
            let job = JobId(*id);
            let client = connection.client(true)?;
            let (row, _) = wait::job(&client, job)?;
            if row.kind != "command" || *timestamps || output.json {
                return logs(connection, job, *follow, output);
            }
            if !*follow {
                follow::print_all(&client, job, output)?;
                return Ok(Exit::Done);
            }
            let presses = interrupt::Presses::heard()?;
            match follow::until_ended(&client, job, &presses, false, output)? {
                follow::End::Ended(row) => Ok(wait::exit(&row, output)),
                follow::End::Left => Ok(Exit::Done),
            }
        }
        JobsCommand::Cancel { id } => done(
            connection,
            &Command::CancelJob { job: JobId(*id) },
            output,
            "asked to stop",
        ),
        JobsCommand::Retry { id } => done(
            connection,
            &Command::RetryJob { job: JobId(*id) },
            output,
            "queued again",
        ),
    }
}

fn done(connection: &Connection, command: &Command, output: &Output, said: &str) -> Result<Exit> {
    connection.command(command)?;
    if output.json {
        output.document(&serde_json::json!({ "done": true }))?;
    }
    output.line(said);
    Ok(Exit::Done)
}

fn list(page: &JobsPage, output: &Output) -> Result<Exit> {
    if output.json {
        output.document(page)?;
        return Ok(Exit::Done);
    }
    let now = chrono::Utc::now().timestamp_millis();
    let rows: Vec<_> = page
        .rows
        .iter()
        .map(|row| {
            let job = &row.job;
            let progress = job
                .progress
                .filter(|_| !job.state.is_ended())
                .map_or_else(|| "-".to_owned(), |share| format!("{:.0}%", share * 100.0));
            let since = job.ended.or(job.started).unwrap_or(job.created);
            let detail = job
                .error
                .clone()
                .or_else(|| job.doing.clone().filter(|_| !job.state.is_ended()))
                .unwrap_or_default();
            vec![
                job.id.to_string(),
                job.title.clone(),
                job.state.as_str().to_owned(),
                progress,
                age(now - since.0),
                detail,
            ]
        })
        .collect();
    output.table(&["id", "what", "state", "done", "age", ""], &rows);
    output.line(format!(
        "{} running, {} waiting",
        page.running, page.waiting
    ));
    Ok(Exit::Done)
}

fn logs(connection: &Connection, job: JobId, follow: bool, output: &Output) -> Result<Exit> {
    let client = connection.client(true)?;
    let topic = Topic::JobLog {
        job,
        lines: if follow { 1_000 } else { 100_000 },
    };
    let mut shown = 0;
    let mut print = |log: &JobLog| {
        let first = log.total.saturating_sub(log.lines.len() as u64);
        for (number, line) in log.lines.iter().enumerate() {
            if first + number as u64 >= shown {
                output.line(line);
            }
        }
        shown = log.total;
    };
    if !follow {
        let Snapshot::JobLog(log) = super::connect::snapshot(&client, &topic)? else {
            return Err(unexpected());
        };
        if output.json {
            output.document(&log)?;
        }
        print(&log);
        return Ok(Exit::Done);
    }
    let mut stream = client.events(&[topic])?;
    while let Some(update) = stream.next_update()? {
        match update {
            Update::Snapshot {
                snapshot: Snapshot::JobLog(log),
                ..
            } => print(&log),
            Update::Refused { failure, .. } => {
                return Err(crate::domain::Error::new(failure.kind, failure.message).into());
            }
            _ => {}
        }
        let (now, _) = wait::job(&client, job)?;
        if now.state.is_ended() {
            if let Snapshot::JobLog(log) =
                super::connect::snapshot(&client, &Topic::JobLog { job, lines: 1_000 })?
            {
                print(&log);
            }
            return Ok(wait::exit(&now, output));
        }
    }
    Ok(Exit::Done)
}
