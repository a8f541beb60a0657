//! `experiments`: what runs are filed under; deleting them, for good as well.

use super::connect::{Connection, unexpected};
use super::output::{Output, age};
use super::{Exit, Result, runs};
use crate::api::client::Client;
use crate::api::protocol::{Command, Reply};
use crate::config::duration_ms;
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::{Error, Timestamp};
use clap::Subcommand;

/// Subcommands of `experiments`.
#[derive(Subcommand, Debug)]
pub(crate) enum ExperimentsCommand {
    /// Experiments, newest first
    List {
        /// Deleted ones too
        #[arg(long)]
        all: bool,
    },
    /// Delete an experiment with its runs; they can be restored
    Delete {
        /// Name or id
        experiment: String,
    },
    /// Bring a deleted experiment back, with its runs
    Restore {
        /// Name or id
        experiment: String,
    },
    /// Delete for good, rows and files: a deleted experiment, or everything that is deleted and free
    Purge {
        /// Name or id of a deleted experiment
        #[arg(required_unless_present = "all_deleted")]
        experiment: Option<String>,
        /// Also the model versions that stand on its runs
        #[arg(long)]
        with_versions: bool,
        /// Instead: all deleted runs on which no model version stands, and deleted experiments without runs
        #[arg(long, conflicts_with_all = ["experiment", "with_versions"])]
        all_deleted: bool,
        /// With --all-deleted: only what ended so long ago: "30d"
        #[arg(long, requires = "all_deleted", value_name = "TIME")]
        older_than: Option<String>,
    },
}

fn all(client: &Client) -> Result<Vec<Experiment>> {
    match client.command(&Command::Experiments)? {
        Reply::Experiments(experiments) => Ok(experiments),
        _ => Err(unexpected()),
    }
}

/// The experiment of this name or id.
fn find(client: &Client, wanted: &str) -> Result<Experiment> {
    let mut known = all(client)?;
    let found = known
        .iter()
        .position(|one| one.name == wanted)
        .or_else(|| known.iter().position(|one| one.id.as_str() == wanted));
    match found {
        Some(at) => Ok(known.swap_remove(at)),
        None => Err(Error::not_found(format!(
            "there is no experiment `{wanted}`; `trainyard experiments list --all` shows them"
        ))
        .into()),
    }
}

fn state(experiment: &Experiment) -> &'static str {
    match experiment.lifecycle {
        Lifecycle::Active => "active",
        Lifecycle::Deleted => "deleted",
    }
}

pub(crate) fn run(
    command: &ExperimentsCommand,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    let client = connection.client(true)?;
    match command {
        ExperimentsCommand::List { all: with_deleted } => {
            let mut experiments = all(&client)?;
            experiments.retain(|one| *with_deleted || one.lifecycle == Lifecycle::Active);
            if output.json {
                output.document(&experiments)?;
                return Ok(Exit::Done);
            }
            let now = chrono::Utc::now().timestamp_millis();
            let rows: Vec<Vec<String>> = experiments
                .iter()
                .map(|one| {
                    vec![
                        one.id.to_string(),
                        one.name.clone(),
                        state(one).to_owned(),
                        age(now - one.created.0),
                    ]
                })
                .collect();
            output.table(&["id", "name", "state", "age"], &rows);
            Ok(Exit::Done)
        }
        ExperimentsCommand::Delete { experiment } => {
            archive(&client, &find(&client, experiment)?, false, output)
        }
        ExperimentsCommand::Restore { experiment } => {
            archive(&client, &find(&client, experiment)?, true, output)
        }
        ExperimentsCommand::Purge {
            experiment: Some(experiment),
            with_versions,
            ..
        } => {
            let command = Command::PurgeExperiment {
                experiment: find(&client, experiment)?.id,
                with_versions: *with_versions,
            };
            runs::purged(&client.command(&command)?, output)
        }
        ExperimentsCommand::Purge { older_than, .. } => {
            let older = match older_than {
                None => 0,
                Some(text) => duration_ms(text).ok_or_else(|| {
                    Error::invalid(format!("`{text}` is no span of time: write `30d` or `12h`"))
                })?,
            };
            let before = chrono::Utc::now().timestamp_millis() + 1 - older;
            let command = Command::PurgeDeleted {
                before: Timestamp(before),
            };
            runs::purged(&client.command(&command)?, output)
        }
    }
}

fn archive(
    client: &Client,
    experiment: &Experiment,
    restore: bool,
    output: &Output,
) -> Result<Exit> {
    client.command(&Command::ArchiveExperiment {
        experiment: experiment.id.clone(),
        restore,
    })?;
    if output.json {
        output.document(&serde_json::json!({ "experiment": experiment.id }))?;
    }
    output.line(match restore {
        true => format!("restored experiment `{}`", experiment.name),
        false => format!(
            "deleted experiment `{}`; `trainyard experiments restore {}` brings it back",
            experiment.name, experiment.id
        ),
    });
    Ok(Exit::Done)
}
