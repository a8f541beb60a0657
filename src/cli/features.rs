//! `features`: the feature store.

use super::connect::{Connection, unexpected};
use super::monitor::instant;
use super::output::{Output, age};
use super::{Exit, Result, join, leaks, wait};
use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::domain::job::{JobResult, JobState};
use clap::Subcommand;
use std::collections::BTreeMap;

/// Subcommands of `features`.
#[derive(Subcommand, Debug)]
pub(crate) enum FeaturesCommand {
    /// All features: how fresh, who uses them
    List,
    /// Bring the online store up to an instant
    Materialize {
        /// Only these views
        views: Vec<String>,
        /// As of this instant [default: now]
        #[arg(long, value_name = "INSTANT")]
        to: Option<String>,
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
        FeaturesCommand::List => {
            let Snapshot::Features(page) = connection.snapshot(&Topic::Features)? else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&page)?;
                return Ok(Exit::Done);
            }
            let rows: Vec<_> = page
                .rows
                .iter()
                .map(|row| {
                    let nulls = row
                        .null_share
                        .map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0));
                    vec![
                        row.view.clone(),
                        row.feature.clone(),
                        format!("{:?}", row.freshness).to_lowercase(),
                        row.age_ms.map_or_else(|| "-".to_owned(), age),
                        nulls,
                        row.used_by.len().to_string(),
                    ]
                })
                .collect();
            output.table(&["view", "feature", "fresh", "age", "null", "used"], &rows);
            output.line(format!(
                "{} features, {} views, {} late, {} drifting",
                page.rows.len(),
                page.views,
                page.late,
                page.drifting
            ));
            Ok(Exit::Done)
        }
        FeaturesCommand::Materialize { views, to } => {
            let client = connection.client(true)?;
            let as_of = to.as_deref().map(instant).transpose()?;
            let Reply::Jobs(jobs) = client.command(&Command::Materialize {
                views: views.clone(),
                as_of,
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
                } else if let Some(JobResult::Materialize { rows, .. }) = &result {
                    output.line(format!("{}: {rows} entities", job.title));
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
                let value = value
                    .parse::<i64>()
                    .map_or_else(|_| value.clone().into(), serde_json::Value::from);
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
