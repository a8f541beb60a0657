//! `monitor`: what the windows of a deployment looked like.

use super::connect::{Connection, unexpected};
use super::output::{Output, number};
use super::{Exit, Result};
use crate::api::protocol::{Command, Reply};
use crate::config::instant_us;
use crate::domain::drift::{DriftReport, DriftVerdict};
use crate::domain::{Error, Timestamp};
use clap::Subcommand;

/// Subcommands of `monitor`.
#[derive(Subcommand, Debug)]
pub(crate) enum MonitorCommand {
    /// Every window that was looked at
    List {
        /// Which monitor of trainyard.toml
        name: String,
    },
    /// Look at a window now
    Run {
        /// Which monitor of trainyard.toml
        name: String,
        /// From this instant (inclusive)
        #[arg(long)]
        from: String,
        /// To this instant (exclusive)
        #[arg(long)]
        to: String,
        /// Only labels known by then
        #[arg(long)]
        labels_until: Option<String>,
    },
}

pub(crate) fn run(
    command: &MonitorCommand,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    match command {
        MonitorCommand::List { name } => {
            let Reply::Reports(reports) = connection.command(&Command::Reports {
                monitor: name.clone(),
            })?
            else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&reports)?;
            }
            table(&reports, output);
            Ok(Exit::Done)
        }
        MonitorCommand::Run {
            name,
            from,
            to,
            labels_until,
        } => {
            let command = Command::Monitor {
                monitor: name.clone(),
                from: instant(from)?,
                to: instant(to)?,
                labels_until: labels_until.as_deref().map(instant).transpose()?,
                label: format!("{from}..{to}"),
            };
            let Reply::Report(report) = connection.command(&command)? else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&report)?;
            } else {
                table(std::slice::from_ref(&report), output);
                for column in report
                    .columns
                    .iter()
                    .filter(|column| column.verdict == DriftVerdict::Drift)
                {
                    output.line(format!(
                        "  {} drifts: {}",
                        column.column,
                        column.changes.join("; ")
                    ));
                }
            }
            Ok(if report.verdict == DriftVerdict::Drift {
                Exit::Failed
            } else {
                Exit::Done
            })
        }
    }
}

/// `2013-03-01` -> an instant.
pub(crate) fn instant(text: &str) -> Result<Timestamp> {
    instant_us(text)
        .map(|us| Timestamp(us.div_euclid(1000)))
        .ok_or_else(|| {
            Error::invalid(format!(
                "`{text}` is no instant: write 2013-03-01 or 2013-03-01T06:00:00Z"
            ))
            .into()
        })
}

fn table(reports: &[DriftReport], output: &Output) {
    let rows: Vec<_> = reports
        .iter()
        .map(|report| {
            let quality = |name: &str| {
                let found = report.performance.as_ref().and_then(|performance| {
                    performance
                        .metrics
                        .iter()
                        .find(|(metric, _)| metric == name)
                });
                found.map_or_else(|| "-".to_owned(), |(_, value)| number(*value))
            };
            let mean = report.performance.as_ref().map_or_else(
                || "-".to_owned(),
                |performance| number(performance.mean_prediction),
            );
            let rate = report
                .performance
                .as_ref()
                .map_or_else(|| "-".to_owned(), |performance| number(performance.rate));
            vec![
                report.label.clone(),
                report.reference.1.to_string(),
                report.rows.to_string(),
                quality("roc_auc"),
                quality("brier_score"),
                mean,
                rate,
                format!("{} of {}", report.drifted, report.columns.len()),
            ]
        })
        .collect();
    output.table(
        &[
            "window",
            "version",
            "rows",
            "roc_auc",
            "brier",
            "mean pred",
            "rate",
            "drift",
        ],
        &rows,
    );
}
