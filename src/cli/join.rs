//! `features join`: rows with features as of their instants, into a file. A pipeline's rows go through the daemon as a
//! job; the rows of a file are joined here, in bounded memory, with no daemon needed.

use super::connect::{Connection, unexpected};
use super::monitor::instant;
use super::output::Output;
use super::{Exit, Result, wait};
use crate::api::protocol::{Command, Reply};
use crate::config::Config;
use crate::data::file_join::FileJoin;
use crate::domain::feature::FeatureView;
use crate::domain::job::{JobResult, ViewUse};
use crate::domain::{Clock, Error, SystemClock};
use crate::service::datasets::Alone;
use crate::workspace::Workspace;
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `features join`.
#[derive(Args, Debug)]
pub(crate) struct JoinArgs {
    /// A pipeline: its rows, with its features
    #[arg(required_unless_present = "entities", conflicts_with = "entities")]
    pipeline: Option<String>,
    /// From this instant (inclusive)
    #[arg(long, conflicts_with = "entities")]
    from: Option<String>,
    /// To this instant (exclusive)
    #[arg(long, conflicts_with = "entities")]
    to: Option<String>,
    /// Rows of your own: CSV, Parquet or JSON lines; given again: more rows
    #[arg(long, value_name = "FILE", requires = "features")]
    entities: Vec<PathBuf>,
    /// `view:feature`, or `view:*` for all of a view; `role=view:feature` for a view in a second role: its features
    /// are called `role_feature`
    #[arg(long, value_name = "F,…", value_delimiter = ',', requires = "entities")]
    features: Vec<String>,
    /// The rows' column with the instant as of which features are looked up
    #[arg(long, value_name = "COLUMN", default_value = "event_timestamp")]
    timestamp: String,
    /// The rows' column for a view's key where it is called otherwise: `origin=airport`; for one view or role
    /// only: `weather.origin=airport`
    #[arg(long, value_name = "COLUMN=KEY", value_parser = super::train::pair, requires = "entities")]
    map: Vec<(String, String)>,
    /// Call features `view__feature`
    #[arg(long, requires = "entities")]
    full_names: bool,
    /// Memory that the join may hold; what is more goes by way of the disk, beside `--out` [default: `runtime.memory`,
    /// else a quarter of what this machine, its control group or `ulimit -v` allow]
    #[arg(long, value_name = "512MB", value_parser = crate::config::bytes, requires = "entities")]
    memory: Option<u64>,
    /// CSV, Parquet or JSON lines, by its ending
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn run(args: &JoinArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    match &args.pipeline {
        Some(pipeline) => of_pipeline(pipeline, args, connection, output),
        None => of_files(args, connection, output),
    }
}

fn of_pipeline(
    pipeline: &str,
    args: &JoinArgs,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    let client = connection.client(true)?;
    let command = Command::JoinFeatures {
        pipeline: pipeline.to_owned(),
        from: args.from.as_deref().map(instant).transpose()?,
        to: args.to.as_deref().map(instant).transpose()?,
        output: std::path::absolute(&args.out)?
            .to_string_lossy()
            .into_owned(),
    };
    let Reply::Jobs(jobs) = client.command(&command)? else {
        return Err(unexpected());
    };
    let Some(id) = jobs.first() else {
        return Err(unexpected());
    };
    let (job, result) = wait::until_ended(&client, *id, output)?;
    let Some(JobResult::Features { path, rows }) = &result else {
        return wait::without_result(&job, output);
    };
    if output.json {
        output.document(&result)?;
    }
    output.line(format!("{rows} rows with features in {path}"));
    Ok(Exit::Done)
}

fn of_files(args: &JoinArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let workspace = connection.configured()?;
    let config = crate::service::configuration::load(&workspace)?;
    // what was pushed and is in no file yet is there as long as this is
    let mut alone = Alone::new(&workspace);
    let join = FileJoin {
        rows: args.entities.clone(),
        timestamp: args.timestamp.clone(),
        views: uses(args, &workspace, &config, &mut alone)?,
        output: std::path::absolute(&args.out)?,
        memory: args.memory.or(config.memory).unwrap_or_else(a_quarter),
    };
    let started = SystemClock.now();
    let joined = join.run(&mut |share, doing| {
        output.tick(format!("{:3.0}% {doing}", share * 100.0));
    })?;
    let took = SystemClock.now().since(started);
    output.progress_done(format!("{} rows in {took} ms", joined.rows));
    if output.json {
        output.document(&serde_json::json!({
            "path": join.output, "rows": joined.rows, "chunks": joined.chunks,
            "parts": joined.parts, "spilled": joined.spilled,
            "found": joined.found.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
        }))?;
        return Ok(Exit::Done);
    }
    let rows: Vec<Vec<String>> = joined
        .found
        .iter()
        .map(|(name, found)| {
            let share = 100.0 * *found as f64 / joined.rows.max(1) as f64;
            vec![name.clone(), found.to_string(), format!("{share:.1}%")]
        })
        .collect();
    output.table(&["feature", "found", "of rows"], &rows);
    output.line(format!(
        "{} rows with features in {}",
        joined.rows,
        join.output.display()
    ));
    if joined.parts > 0 {
        output.line(format!(
            "joined in {} parts by way of the disk ({} MiB), which `--memory` spares",
            joined.parts,
            joined.spilled.div_ceil(1 << 20)
        ));
    }
    Ok(Exit::Done)
}

/// The views that are asked for, each with its features in the order given, and the role of each.
fn uses(
    args: &JoinArgs,
    workspace: &Workspace,
    config: &Config,
    alone: &mut Alone<'_>,
) -> Result<Vec<ViewUse>> {
    let mut uses: Vec<(&str, ViewUse)> = Vec::new();
    for asked in &args.features {
        let (role, feature) = match asked.split_once('=') {
            Some((role, feature)) => (Some(role), feature),
            None => (None, asked.as_str()),
        };
        let (name, feature) = feature.split_once(':').ok_or_else(|| {
            Error::invalid(format!(
                "`{asked}` is no feature: write `view:feature`, `view:*` or `role=view:feature`"
            ))
        })?;
        let made = crate::service::catalog::without_daemon(workspace, config, name)?;
        let view = &made.view;
        let features = match feature {
            "*" => view.stored_names(),
            one => vec![one.to_owned()],
        };
        let scope = role.unwrap_or(name);
        let used = uses
            .iter_mut()
            .find(|(other, used)| *other == scope && used.view.name == name);
        match used {
            Some((_, used)) => used.features.extend(features),
            None => {
                let used = ViewUse {
                    source: alone.version_rows(&made)?,
                    keys: Vec::new(),
                    prefix: match (role, args.full_names) {
                        (_, true) => format!("{scope}__"),
                        (Some(role), false) => format!("{role}_"),
                        (None, false) => String::new(),
                    },
                    view: view.clone(),
                    features,
                };
                uses.push((scope, used));
            }
        }
    }
    let scopes: Vec<&str> = uses.iter().map(|(scope, _)| *scope).collect();
    for (scope, used) in &mut uses {
        used.keys = keys(&args.map, &scopes, scope, &used.view);
    }
    for (column, key) in &args.map {
        let (only, _) = scoped(column, &scopes);
        let has_it = |(scope, used): &(&str, ViewUse)| {
            only.is_none_or(|only| only == *scope) && used.view.entity.keys.contains(key)
        };
        if !uses.iter().any(has_it) {
            return Err(Error::invalid(format!(
                "`--map {column}={key}`: no view that is joined has the key `{key}`"
            ))
            .into());
        }
    }
    Ok(uses.into_iter().map(|(_, used)| used).collect())
}

/// `weather.origin` -> the view or role it is for, when there is one of that name, and the column.
fn scoped<'a>(column: &'a str, scopes: &[&str]) -> (Option<&'a str>, &'a str) {
    match column.split_once('.') {
        Some((scope, column)) if scopes.contains(&scope) => (Some(scope), column),
        _ => (None, column),
    }
}

/// The rows' column for each key of `view`; what is said for its scope counts more than what is said for all.
fn keys(map: &[(String, String)], scopes: &[&str], scope: &str, view: &FeatureView) -> Vec<String> {
    let mapped = |key: &String, wanted: Option<&str>| {
        map.iter().find_map(|(column, other)| {
            let (scope, column) = scoped(column, scopes);
            (other == key && scope == wanted).then(|| column.to_owned())
        })
    };
    view.entity
        .keys
        .iter()
        .map(|key| {
            mapped(key, Some(scope))
                .or_else(|| mapped(key, None))
                .unwrap_or_else(|| key.clone())
        })
        .collect()
}

/// A quarter of the memory that this process may have: the machine's, its control groups', its own limit's.
fn a_quarter() -> u64 {
    let machine = rustix::system::sysinfo();
    let bytes = machine.totalram as u64 * u64::from(machine.mem_unit);
    let own = rustix::process::getrlimit(rustix::process::Resource::As).current;
    let limits = [Some(bytes), own, of_control_groups()];
    let least = limits.into_iter().flatten().min().unwrap_or(bytes);
    (least / 4).max(64 << 20)
}

/// The least of the limits of this process' control group (version 2) and those around it.
fn of_control_groups() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let root = Path::new("/sys/fs/cgroup");
    let around = Path::new(path).ancestors();
    let limit = |group: &Path| {
        let text = std::fs::read_to_string(root.join(group).join("memory.max"));
        text.ok()?.trim().parse().ok()
    };
    around.filter_map(limit).min()
}
