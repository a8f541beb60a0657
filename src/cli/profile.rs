//! `profile`: what each column looks like, for people, as a document, and as a page to keep. Of files: here and now, no
//! daemon needed. Of a dataset of the workspace, by its name: the daemon looks at what is new of it, and keeps what it saw.

use super::connect::{Connection, snapshot, unexpected};
use super::output::{Output, number};
use super::{Exit, Result, wait};
use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::data::{instant, profile};
use crate::domain::dataset::ColumnKind;
use crate::domain::profile::{ColumnProfile, Profile};
use crate::domain::{Clock, Error, SystemClock};
use crate::report;
use clap::Args;
use std::path::PathBuf;

/// Pairs of columns and columns with signal that are printed.
const SHOWN: usize = 10;

/// Arguments of `profile`.
#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    /// CSV, JSON lines or Parquet, several are read as one; or a dataset of the workspace by its name
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// The column to be predicted: which others say something about it
    #[arg(long, value_name = "COLUMN")]
    target: Option<String>,
    /// Also write a page with charts
    #[arg(long, value_name = "FILE.html")]
    report: Option<PathBuf>,
}

pub(crate) fn run(args: &ProfileArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let names: Vec<String> = args
        .data
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    let dataset = match args.data.as_slice() {
        [one] if !one.is_file() => named(one, connection),
        _ => None,
    };
    let found = match &dataset {
        Some(name) => match kept(name, args, connection, output)? {
            Ok(found) => found,
            Err(exit) => return Ok(exit),
        },
        None => looked_at(args, output)?,
    };
    if let Some(path) = &args.report {
        let page = report::profile::page(&names.join(", "), &found)?;
        std::fs::write(path, page)
            .map_err(|error| Error::from(error).context(format!("writing `{}`", path.display())))?;
    }
    if output.json {
        output.document(&found)?;
        return Ok(Exit::Done);
    }
    table(&found, output);
    output.line(format!("{} rows", found.rows));
    for (a, b, r) in found.correlations.iter().take(SHOWN) {
        output.line(format!("correlated: {a} and {b}, r = {r:.3}"));
    }
    if !found.correlations.is_empty() {
        let rows = of_rows(found.correlated, found.rows);
        output.line(format!("r is Pearson's, over {rows}"));
    }
    if let Some(target) = &found.target {
        signal(&found, target, output);
    }
    for warning in &found.warnings {
        output.line(format!("note: {warning}"));
    }
    if let Some(path) = &args.report {
        output.line(format!("wrote {}", path.display()));
    }
    Ok(Exit::Done)
}

/// The dataset of that name, where the workspace has one.
fn named(path: &std::path::Path, connection: &Connection) -> Option<String> {
    let name = path.to_str()?;
    if connection.remote() {
        return Some(name.to_owned());
    }
    let config = crate::service::configuration::load(&connection.workspace().ok()?).ok()?;
    config.dataset(name).map(|dataset| dataset.name.clone())
}

/// The profile of files.
fn looked_at(args: &ProfileArgs, output: &Output) -> Result<Profile> {
    let clock = SystemClock;
    let began = clock.now();
    let state = profile::files(&args.data, &|share, path| {
        output.tick(format!("{:3.0} % {}", share * 100.0, path.display()));
        Ok(())
    })?;
    let now = clock.now();
    let found = state.profile(args.target.as_deref(), Some(now.0.saturating_mul(1_000)))?;
    output.progress_done(format!(
        "{} rows of {} columns in {:.1} s",
        found.rows,
        found.columns.len(),
        now.since(began) as f64 / 1_000.0
    ));
    Ok(found)
}

/// The kept profile of a dataset, after what is new of it was looked at; or how the command ends instead.
fn kept(
    name: &str,
    args: &ProfileArgs,
    connection: &Connection,
    output: &Output,
) -> Result<std::result::Result<Profile, Exit>> {
    if args.target.is_some() {
        return Err(Error::invalid(format!(
            "the target of dataset `{name}` is that of its pipeline: leave `--target` out, or name files"
        ))
        .into());
    }
    let client = connection.client(true)?;
    let Reply::Jobs(jobs) = client.command(&Command::Examine {
        dataset: name.to_owned(),
    })?
    else {
        return Err(unexpected());
    };
    for id in jobs {
        let (job, result) = wait::until_ended(&client, id, output)?;
        if result.is_none() {
            return Ok(Err(wait::without_result(&job, output)?));
        }
        output.progress_done(format!("{} {}", job.title, job.state.as_str()));
    }
    let topic = Topic::Dataset {
        dataset: name.to_owned(),
    };
    let Snapshot::Dataset(detail) = snapshot(&client, &topic)? else {
        return Err(unexpected());
    };
    for violation in detail.violations.iter().chain(&detail.anomalies) {
        output.line(format!(
            "▲ {}: {}",
            violation.column.as_deref().unwrap_or("rows"),
            violation.detail
        ));
    }
    detail.profile.map(Ok).ok_or_else(unexpected)
}

fn table(found: &Profile, output: &Output) {
    let rows: Vec<_> = found
        .columns
        .iter()
        .map(|column| {
            let nulls = if column.rows == 0 {
                0.0
            } else {
                100.0 * column.nulls as f64 / column.rows as f64
            };
            let top = column
                .top
                .first()
                .map(|(value, count)| format!("{value} ({count})"))
                .unwrap_or_default();
            vec![
                column.name.clone(),
                column.kind.to_string(),
                format!("{nulls:.1}%"),
                format!("{}{}", if column.exact { "" } else { "~" }, column.distinct),
                value(column, column.min),
                value(column, quantile(column, 0.5)),
                value(column, column.max),
                spread(column, column.mean),
                spread(column, column.std),
                top,
            ]
        })
        .collect();
    output.table(
        &[
            "column",
            "type",
            "null",
            "distinct",
            "min",
            "median",
            "max",
            "mean",
            "std",
            "most frequent",
        ],
        &rows,
    );
}

fn quantile(column: &ColumnProfile, share: f64) -> Option<f64> {
    column
        .quantiles
        .iter()
        .find(|(q, _)| *q == share)
        .map(|(_, value)| *value)
}

/// A number, or an instant.
fn value(column: &ColumnProfile, value: Option<f64>) -> String {
    match (value, column.kind) {
        (None, _) => "-".to_owned(),
        (Some(value), ColumnKind::Time) => {
            let whole = (value / 1e6).floor() * 1e6;
            instant::format(whole as i64, column.zone.as_deref() == Some("utc"))
        }
        (Some(value), _) => number(value),
    }
}

/// A mean or deviation; those of times say nothing to people.
fn spread(column: &ColumnProfile, value: Option<f64>) -> String {
    value
        .filter(|_| column.kind != ColumnKind::Time)
        .map_or_else(|| "-".to_owned(), number)
}

fn of_rows(looked_at: u64, rows: u64) -> String {
    if looked_at < rows {
        format!("{looked_at} of {rows} rows")
    } else {
        "all rows".to_owned()
    }
}

fn signal(found: &Profile, target: &str, output: &Output) {
    output.line(format!(
        "signal about {target}: information, ratio and auc over {}, r over {}:",
        of_rows(found.sampled, found.rows),
        of_rows(found.correlated, found.rows)
    ));
    let share = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), |x| format!("{x:.3}"));
    let rows: Vec<_> = found
        .signal
        .iter()
        .take(SHOWN)
        .map(|one| {
            vec![
                one.column.clone(),
                format!("{:.3}", one.information),
                share(one.ratio),
                share(one.auc),
                share(one.r),
                if one.leaks { "leaks?" } else { "" }.to_owned(),
            ]
        })
        .collect();
    output.table(&["column", "information", "ratio", "auc", "r", ""], &rows);
}
