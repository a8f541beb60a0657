//! `runs`: what was tried.

use super::connect::{Connection, unexpected};
use super::output::{Output, age, number};
use super::{Exit, Result};
use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::domain::run::{RunDetail, RunQuery, RunRow, RunTable};
use crate::domain::{Error, RunId};
use clap::Subcommand;

/// Subcommands of `runs`.
#[derive(Subcommand, Debug)]
pub(crate) enum RunsCommand {
    /// Runs, newest first unless ordered
    List {
        /// Only of this experiment (name or id)
        #[arg(long)]
        experiment: Option<String>,
        /// MLflow's search grammar: "metrics.roc_auc > 0.7 and params.kind = 'logistic'"
        #[arg(long, default_value = "")]
        filter: String,
        /// "metrics.roc_auc DESC"
        #[arg(long, default_value = "")]
        order_by: String,
        /// Rows at most
        #[arg(long, default_value_t = 50)]
        max: u64,
    },
    /// Everything about one run
    Show {
        /// Its id, or the beginning of it, or its name
        id: String,
    },
    /// Runs side by side
    Compare {
        /// Two to six runs
        #[arg(required = true, num_args = 2..=6)]
        ids: Vec<String>,
    },
    /// Delete runs; they can be restored
    Delete {
        /// Ids, beginnings of ids, or names
        #[arg(required = true)]
        ids: Vec<String>,
        /// For good: rows and files
        #[arg(long)]
        forever: bool,
        /// With --forever: also the model versions that stand on them
        #[arg(long, requires = "forever")]
        with_versions: bool,
    },
    /// Bring deleted runs back
    Restore {
        /// Their ids
        #[arg(required = true)]
        ids: Vec<String>,
    },
    /// Write runs with history, parameters, tags and files to a folder that `import` takes in
    Export(super::import::ExportArgs),
}

pub(crate) fn run(command: &RunsCommand, connection: &Connection, output: &Output) -> Result<Exit> {
    match command {
        RunsCommand::List {
            experiment,
            filter,
            order_by,
            max,
        } => {
            let mut query = RunQuery {
                filter: filter.clone(),
                order_by: order_by.clone(),
                limit: *max,
                ..Default::default()
            };
            if let Some(wanted) = experiment {
                let all = table(
                    connection,
                    &RunQuery {
                        limit: 1,
                        ..Default::default()
                    },
                )?;
                let found = all
                    .experiments
                    .iter()
                    .find(|(id, name)| name == wanted || id.as_str() == wanted);
                let Some((id, _)) = found else {
                    let names: Vec<&str> = all
                        .experiments
                        .iter()
                        .map(|(_, name)| name.as_str())
                        .collect();
                    return Err(Error::not_found(format!(
                        "there is no experiment `{wanted}`; there are: {}",
                        names.join(", ")
                    ))
                    .into());
                };
                query.experiment = Some(id.clone());
            }
            list(&table(connection, &query)?, output)
        }
        RunsCommand::Show { id } => {
            let run = find(connection, id)?;
            match connection.snapshot(&Topic::Run { run })? {
                Snapshot::Run(detail) => show(&detail, output),
                _ => Err(unexpected()),
            }
        }
        RunsCommand::Delete {
            ids,
            forever,
            with_versions,
        } => {
            let runs = ids
                .iter()
                .map(|id| find(connection, id))
                .collect::<Result<Vec<_>>>()?;
            if *forever {
                let command = Command::PurgeRuns {
                    runs,
                    with_versions: *with_versions,
                };
                return purged(&connection.command(&command)?, output);
            }
            archive(connection, &runs, false, output)
        }
        RunsCommand::Restore { ids } => {
            let runs = ids
                .iter()
                .map(|id| find(connection, id))
                .collect::<Result<Vec<_>>>()?;
            archive(connection, &runs, true, output)
        }
        RunsCommand::Export(args) => super::import::export(args, connection, output),
        RunsCommand::Compare { ids } => {
            let runs = ids
                .iter()
                .map(|id| find(connection, id))
                .collect::<Result<Vec<_>>>()?;
            let Snapshot::Compare(comparison) = connection.snapshot(&Topic::Compare { runs })?
            else {
                return Err(unexpected());
            };
            if output.json {
                output.document(&comparison)?;
                return Ok(Exit::Done);
            }
            let letters: Vec<String> = comparison
                .runs
                .iter()
                .zip('A'..)
                .map(|((_, name), letter)| format!("{letter} {name}"))
                .collect();
            let mut headings = vec!["what differs"];
            headings.extend(letters.iter().map(String::as_str));
            if comparison.champion.is_some() {
                headings.push("champion");
            }
            let rows: Vec<Vec<String>> = comparison
                .differences
                .iter()
                .filter(|difference| !difference.equal)
                .map(|difference| {
                    let values = difference
                        .values
                        .iter()
                        .map(|value| value.clone().unwrap_or_else(|| "-".to_owned()));
                    std::iter::once(difference.key.clone())
                        .chain(values)
                        .collect()
                })
                .collect();
            output.table(&headings, &rows);
            for verdict in &comparison.verdicts {
                output.line(verdict);
            }
            Ok(Exit::Done)
        }
    }
}

/// Deletes or restores each run; says which.
fn archive(
    connection: &Connection,
    runs: &[RunId],
    restore: bool,
    output: &Output,
) -> Result<Exit> {
    let client = connection.client(true)?;
    for run in runs {
        client.command(&Command::Archive {
            run: run.clone(),
            restore,
        })?;
        output.line(match restore {
            true => format!("restored {run}"),
            false => format!("deleted {run}; `trainyard runs restore {run}` brings it back"),
        });
    }
    if output.json {
        output.document(&serde_json::json!({ "runs": runs }))?;
    }
    Ok(Exit::Done)
}

/// What was deleted for good.
pub(crate) fn purged(reply: &Reply, output: &Output) -> Result<Exit> {
    let Reply::Purged { runs, experiments } = reply else {
        return Err(unexpected());
    };
    if output.json {
        output.document(&serde_json::json!({ "runs": runs, "experiments": experiments }))?;
    }
    let runs = format!("{runs} run{}", if *runs == 1 { "" } else { "s" });
    output.line(match experiments {
        0 => format!("deleted for good: {runs}"),
        1 => format!("deleted for good: {runs}, 1 experiment"),
        many => format!("deleted for good: {runs}, {many} experiments"),
    });
    Ok(Exit::Done)
}

/// A page of the runs table.
pub(crate) fn table(connection: &Connection, query: &RunQuery) -> Result<RunTable> {
    match connection.snapshot(&Topic::Runs(query.clone()))? {
        Snapshot::Runs(table) => Ok(table),
        _ => Err(unexpected()),
    }
}

/// The run that `text` names: its id, the beginning of one, or a name.
pub(crate) fn find(connection: &Connection, text: &str) -> Result<RunId> {
    if text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit()) {
        return Ok(RunId(text.to_owned()));
    }
    let named = table(
        connection,
        &RunQuery {
            filter: format!("attributes.run_name = '{}'", text.replace('\'', "")),
            limit: 2,
            ..Default::default()
        },
    )?;
    let rows = if named.rows.is_empty() {
        table(
            connection,
            &RunQuery {
                limit: 10_000,
                ..Default::default()
            },
        )?
        .rows
        .into_iter()
        .filter(|row| row.id.as_str().starts_with(text))
        .collect()
    } else {
        named.rows
    };
    match rows.as_slice() {
        [only] => Ok(only.id.clone()),
        [] => Err(Error::not_found(format!(
            "there is no run `{text}`; `trainyard runs list` shows them"
        ))
        .into()),
        _ => Err(Error::invalid(format!(
            "`{text}` names more than one run: give more of the id"
        ))
        .into()),
    }
}

fn list(table: &RunTable, output: &Output) -> Result<Exit> {
    if output.json {
        output.document(table)?;
        return Ok(Exit::Done);
    }
    let primary = table.primary_metric.as_deref();
    let mut metrics: Vec<&str> = table
        .metric_keys
        .iter()
        .map(String::as_str)
        .filter(|key| !key.contains('/'))
        .collect();
    metrics.sort_by_key(|key| Some(*key) != primary);
    metrics.truncate(3);
    let mut headings = vec!["run", "name", "state", "age"];
    headings.extend(&metrics);
    let now = chrono::Utc::now().timestamp_millis();
    let row = |row: &RunRow| {
        let mut cells = vec![
            row.id.as_str().chars().take(8).collect(),
            row.name.clone(),
            row.status.as_str().to_lowercase(),
            age(now - row.started.0),
        ];
        cells.extend(metrics.iter().map(|key| {
            row.metrics
                .get(*key)
                .map_or_else(|| "-".to_owned(), |value| number(value.0))
        }));
        cells
    };
    output.table(&headings, &table.rows.iter().map(row).collect::<Vec<_>>());
    output.line(format!("{} of {} runs", table.rows.len(), table.total));
    Ok(Exit::Done)
}

fn show(detail: &RunDetail, output: &Output) -> Result<Exit> {
    if output.json {
        output.document(detail)?;
        return Ok(Exit::Done);
    }
    let run = &detail.run;
    output.line(format!(
        "{} {}  {}  by {} in {}",
        run.id,
        run.name,
        run.status.as_str(),
        run.user,
        detail.experiment
    ));
    output.line(&detail.verdict);
    let pairs = |title: &str, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            output.line("");
            output.table(&[title, "value"], &rows);
        }
    };
    pairs(
        "metric",
        run.metrics
            .iter()
            .filter(|metric| !metric.key.contains('/'))
            .map(|metric| vec![metric.key.clone(), number(metric.value)])
            .collect(),
    );
    pairs(
        "parameter",
        run.params
            .iter()
            .map(|param| vec![param.key.clone(), param.value.clone()])
            .collect(),
    );
    pairs(
        "data",
        run.inputs
            .iter()
            .map(|input| vec![input.name.clone(), input.digest.clone()])
            .collect(),
    );
    pairs(
        "artifact",
        detail
            .artifacts
            .iter()
            .map(|(path, bytes)| vec![path.clone(), bytes.to_string()])
            .collect(),
    );
    Ok(Exit::Done)
}
