//! `import` and `runs export`: finds out what a path or URL is, and copies between it and the daemon.

use super::connect::Connection;
use super::output::Output;
use super::{Exit, Result, runs};
use crate::api::client::{Address, Trust};
use crate::domain::Error;
use crate::transfer::daemon::Daemon;
use crate::transfer::database::Database;
use crate::transfer::export::{HEAD, Reader, Writer};
use crate::transfer::folder::Folder;
use crate::transfer::server::{Filled, Server};
use crate::transfer::{Report, Sink, Source, Wanted, copy};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `import`.
#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// An mlruns folder, an mlflow.db, http://host:port of a tracking server, or a folder of `runs export`
    #[arg(value_name = "PATH_OR_URL")]
    source: String,
    /// Where the files of an mlflow.db lie (its server's --artifacts-destination)
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// Only this experiment (name or id); may be repeated
    #[arg(long, value_name = "E")]
    experiment: Vec<String>,
    /// With --experiment: registered models too
    #[arg(long, requires = "experiment")]
    models: bool,
}

/// Arguments of `runs export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// A folder that is empty or not there yet, or http://host:port of a tracking server
    #[arg(value_name = "DIR_OR_URL")]
    out: String,
    /// Only this experiment (name or id); may be repeated
    #[arg(long, value_name = "E")]
    experiment: Vec<String>,
    /// Only this run (id, beginning of it, or name); may be repeated
    #[arg(long, value_name = "ID")]
    run: Vec<String>,
    /// With --experiment or --run: registered models too
    #[arg(long)]
    models: bool,
}

/// What the environment says about whom a tracking server shall see.
fn credentials() -> (Option<String>, Vec<(String, String)>) {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    if let Some(token) = variable("MLFLOW_TRACKING_TOKEN") {
        return (Some(token), Vec::new());
    }
    match (
        variable("MLFLOW_TRACKING_USERNAME"),
        variable("MLFLOW_TRACKING_PASSWORD"),
    ) {
        (Some(user), Some(password)) => {
            let basic = STANDARD.encode(format!("{user}:{password}"));
            let header = ("authorization".to_owned(), format!("Basic {basic}"));
            (None, vec![header])
        }
        _ => (None, Vec::new()),
    }
}

/// Whether a folder is one of MLflow's file store.
fn is_store(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.path().join("meta.yaml").is_file())
    })
}

fn open(args: &ImportArgs) -> Result<Box<dyn Source>> {
    let text = args.source.as_str();
    if text.starts_with("http://") || text.starts_with("https://") {
        let (token, headers) = credentials();
        let address = Address::of_url(text.trim_end_matches('/'), token, Trust::System)?;
        return Ok(Box::new(Server::connect(text, &address, headers)?));
    }
    let path = PathBuf::from(text.strip_prefix("sqlite:///").unwrap_or(text));
    if path.is_file() {
        return Ok(Box::new(Database::open(&path, args.artifacts.as_deref())?));
    }
    if !path.is_dir() {
        return Err(Error::not_found(format!(
            "`{text}` is not there: an mlruns folder, an mlflow.db, http://host:port or an export is expected"
        ))
        .into());
    }
    if path.join(HEAD).is_file() {
        return Ok(Box::new(Reader::open(&path)?));
    }
    if is_store(&path) {
        return Ok(Box::new(Folder::open(&path)?));
    }
    let inner = [path.join("mlruns"), path.join("mlflow.db")];
    match (is_store(&inner[0]), inner[1].is_file()) {
        (true, false) => Ok(Box::new(Folder::open(&inner[0])?)),
        (false, true) => Ok(Box::new(Database::open(
            &inner[1],
            args.artifacts.as_deref(),
        )?)),
        (true, true) => Err(Error::invalid(format!(
            "`{text}` has both `mlruns` and `mlflow.db`: name the one that you want"
        ))
        .into()),
        (false, false) => Err(Error::invalid(format!(
            "`{text}` is no folder of MLflow and no export: it has no `meta.yaml` in its folders, no `mlflow.db` and no `{HEAD}`"
        ))
        .into()),
    }
}

pub(crate) fn run(args: &ImportArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let mut source = open(args)?;
    let mut sink = Daemon::new(connection.client(true)?)?;
    let wanted = Wanted {
        experiments: args.experiment.clone(),
        runs: Vec::new(),
        models: args.experiment.is_empty() || args.models,
    };
    let report = copy(source.as_mut(), &mut sink, &wanted, &mut |report| {
        progress("imported", report, output);
    })?;
    end("imported", &report, output)
}

/// A folder, or a live server.
fn open_sink(out: &str) -> Result<Box<dyn Sink>> {
    if out.starts_with("http://") || out.starts_with("https://") {
        let (token, headers) = credentials();
        let address = Address::of_url(out.trim_end_matches('/'), token, Trust::System)?;
        return Ok(Box::new(Filled::connect(out, &address, headers)?));
    }
    Ok(Box::new(Writer::create(Path::new(out))?))
}

pub(crate) fn export(args: &ExportArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let client = connection.client(true)?;
    let runs = args
        .run
        .iter()
        .map(|id| runs::find(connection, id))
        .collect::<Result<Vec<_>>>()?;
    let name = match connection.remote() {
        true => "the daemon".to_owned(),
        false => connection.workspace()?.root().display().to_string(),
    };
    let mut source = Server::connect(&name, &client.address, Vec::new())?;
    let mut sink = open_sink(&args.out)?;
    let wanted = Wanted {
        models: args.models || (args.experiment.is_empty() && runs.is_empty()),
        experiments: args.experiment.clone(),
        runs,
    };
    let report = copy(&mut source, sink.as_mut(), &wanted, &mut |report| {
        progress("exported", report, output);
    })?;
    if report.runs == 0 && report.experiments == 0 {
        return Err(Error::not_found("nothing of that is here: `trainyard experiments list` and `trainyard runs list` show what is").into());
    }
    end("exported", &report, output)
}

/// Bytes as people read them.
fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.2} GB", bytes as f64 / 1e9),
    }
}

fn counts(report: &Report) -> String {
    format!(
        "{} runs, {} points, {} files, {}",
        report.runs,
        report.total.points,
        report.total.files,
        size(report.total.bytes)
    )
}

fn progress(done: &str, report: &Report, output: &Output) {
    output.tick(format!("{done}: {}", counts(report)));
}

fn end(done: &str, report: &Report, output: &Output) -> Result<Exit> {
    output.progress_done(format!("{done}: {}", counts(report)));
    if output.json {
        output.document(report)?;
    } else {
        let total = &report.total;
        let row = |name: &str, found: u64, new: Option<u64>| {
            vec![
                name.to_owned(),
                found.to_string(),
                new.map_or_else(|| "-".to_owned(), |new| new.to_string()),
            ]
        };
        let new = &report.new;
        output.table(
            &["", "found", "new"],
            &[
                row("experiments", report.experiments, Some(new.experiments)),
                row("runs", report.runs, Some(new.runs)),
                row("parameters", total.params, None),
                row("tags", total.tags, None),
                row("points", total.points, None),
                row("inputs", total.inputs, None),
                row(
                    "logged models",
                    report.logged_models,
                    Some(new.logged_models),
                ),
                row("files", total.files, Some(new.files)),
                row("models", report.models, Some(new.models)),
                row("versions", report.versions, Some(new.versions)),
                row("aliases", report.aliases, Some(new.aliases)),
            ],
        );
        if report.differences.is_empty() {
            output.line("every count agrees with the source");
        }
        for difference in &report.differences {
            output.line(format!("differs: {difference}"));
        }
    }
    Ok(match report.differences.is_empty() {
        true => Exit::Done,
        false => Exit::Failed,
    })
}
