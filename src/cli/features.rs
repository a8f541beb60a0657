//! `features`: the feature store.

use super::connect::{Connection, unexpected};
use super::monitor::instant;
use super::output::Output;
use super::{Exit, Result, definitions, join, leaks, wait};
use crate::api::protocol::{Command, Reply};
use crate::domain::job::{JobResult, JobState};
use crate::domain::online::Reading;
use clap::Subcommand;
use std::collections::BTreeMap;

/// Subcommands of `features`.
#[derive(Subcommand, Debug)]
pub(crate) enum FeaturesCommand {
    /// All features: how fresh, who uses them
    List,
    /// The definition of a view in force, its types, versions and lineage
    Show {
        /// `view`, or `view@2` of that version
        view: String,
    },
    /// Show what trainyard.toml changes of the definitions in force, and take it
    Apply {
        /// Only show it
        #[arg(long)]
        dry_run: bool,
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
    /// Bring the online store up to an instant
    Materialize {
        /// Only these views; `view@2`: that version
        views: Vec<String>,
        /// Only facts whose event is not before this instant [default: what is new since the last time]
        #[arg(long, value_name = "INSTANT")]
        from: Option<String>,
        /// As of this instant [default: now]
        #[arg(long, value_name = "INSTANT")]
        to: Option<String>,
        /// Read everything again, also what came too late for the view's `allowed_lateness`
        #[arg(long, conflicts_with = "from")]
        full: bool,
    },
    /// Online values: `view:feature … --entity key=value`
    Get {
        /// `view:feature`
        #[arg(required = true)]
        features: Vec<String>,
        /// `KEY=VALUE`; a key given again is another entity
        #[arg(long, value_parser = super::train::pair)]
        entity: Vec<(String, String)>,
    },
    /// Rows with features as of their instants, into a file
    Join(join::JoinArgs),
    /// Whether a feature knows what nobody could know at its instant
    Check(leaks::CheckArgs),
}

pub(crate) fn run(
    command: &FeaturesCommand,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    match command {
        FeaturesCommand::List => definitions::list(connection, output),
        FeaturesCommand::Show { view } => definitions::show(view, connection, output),
        FeaturesCommand::Apply { dry_run, yes } => {
            definitions::apply(*dry_run, *yes, connection, output)
        }
        FeaturesCommand::Materialize {
            views,
            from,
            to,
            full,
        } => {
            let client = connection.client(true)?;
            let from = from.as_deref().map(instant).transpose()?;
            let as_of = to.as_deref().map(instant).transpose()?;
            let Reply::Jobs(jobs) = client.command(&Command::Materialize {
                views: views.clone(),
                as_of,
                from,
                full: *full,
            })?
            else {
                return Err(unexpected());
            };
            let mut exit = Exit::Done;
            let mut results = Vec::new();
            for id in jobs {
                let (job, result) = wait::until_ended(&client, id, output)?;
                if job.state != JobState::Succeeded {
                    exit = wait::exit(&job, output);
                } else if let Some(JobResult::Materialize { rows, reading, .. }) = &result {
                    output.line(format!("{}: {}", job.title, materialized(*rows, reading)));
                }
                results.push(job);
            }
            if output.json {
                output.document(&results)?;
            }
            Ok(exit)
        }
        FeaturesCommand::Get { features, entity } => {
            let mut entities: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
            for (key, value) in entity {
                // `007` is no number: written again it would be another text
                let number = value.parse::<i64>().ok();
                let number = number.filter(|number| number.to_string() == *value);
                let value = number.map_or_else(|| value.clone().into(), serde_json::Value::from);
                entities.entry(key.clone()).or_default().push(value);
            }
            let Reply::Features(rows) = connection.command(&Command::OnlineFeatures {
                features: features.clone(),
                entities,
            })?
            else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&rows)?;
                return Ok(Exit::Done);
            }
            for row in &rows {
                output.line(row);
            }
            Ok(Exit::Done)
        }
        FeaturesCommand::Join(args) => join::run(args, connection, output),
        FeaturesCommand::Check(args) => leaks::run(args, connection, output),
    }
}

/// What a materialization did, in a line.
fn materialized(rows: u64, reading: &Reading) -> String {
    let mut text = if reading.incremental {
        format!("{rows} entities brought up to date")
    } else {
        format!("{rows} entities")
    };
    if reading.incremental {
        text.push_str(&format!(
            ", {} of {} files read",
            reading.files_read,
            reading.files.len()
        ));
    }
    if let Some(why) = &reading.whole {
        text.push_str(&format!(", everything read: {why}"));
    }
    if reading.late > 0 {
        text.push_str(&format!(", {} late facts taken in", reading.late));
    }
    if reading.too_late > 0 {
        text.push_str(&format!(
            ", {} facts left out that came later than `allowed_lateness` (`--full` takes them in)",
            reading.too_late
        ));
    }
    text
}
