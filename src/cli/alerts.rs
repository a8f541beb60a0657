//! `alerts`: what a person should look at, and saying that one has.

use super::connect::{Connection, unexpected};
use super::output::{Output, age};
use super::{Exit, Result};
use crate::api::protocol::{Command, Reply};
use clap::Subcommand;

/// Subcommands of `alerts`.
#[derive(Subcommand, Debug)]
pub(crate) enum AlertsCommand {
    /// Newest first
    List,
    /// Say that you know
    Ack {
        /// Which
        id: i64,
    },
}

pub(crate) fn run(
    command: &AlertsCommand,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    match command {
        AlertsCommand::List => {
            let Reply::Alerts(alerts) = connection.command(&Command::Alerts)? else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&alerts)?;
                return Ok(Exit::Done);
            }
            let now = chrono::Utc::now().timestamp_millis();
            if alerts.is_empty() {
                output.line("no alerts");
            }
            for alert in alerts {
                let state = match (&alert.acknowledged_by, alert.resolved) {
                    (_, Some(_)) => "resolved".to_owned(),
                    (Some(by), None) => format!("acknowledged by {by}"),
                    (None, None) => "open".to_owned(),
                };
                output.line(format!(
                    "{}  {} ago  {}  {}  {state}",
                    alert.id,
                    age(now - alert.at.0),
                    alert.source,
                    alert.kind
                ));
                output.line(format!("    {}", alert.text));
            }
            Ok(Exit::Done)
        }
        AlertsCommand::Ack { id } => {
            connection.command(&Command::AcknowledgeAlert { alert: *id })?;
            if output.json {
                output.document(&serde_json::json!({ "done": true }))?;
            }
            output.line(format!("alert {id} acknowledged"));
            Ok(Exit::Done)
        }
    }
}
