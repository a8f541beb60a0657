//! Moves what a tracking server holds to another one: a [`Source`] is read, a [`Sink`] takes it in, [`copy`] does both and
//! compares the counts in the end. Sources: a folder of MLflow ([`folder`]), a database of MLflow ([`database`]), a live
//! server ([`server`]), an export ([`export`]). Sinks: the daemon ([`daemon`]), an export, a live server. Nothing here writes to the
//! workspace: all that is taken in goes through the daemon's API. Model files are copied, never opened.

pub mod daemon;
pub mod database;
pub mod export;
mod files;
pub mod folder;
pub mod server;
mod yaml;

use crate::domain::experiment::Experiment;
use crate::domain::logged_model::LoggedModel;
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::Run;
use crate::domain::transfer::Tally;
use crate::domain::{ErrorKind, ExperimentId, ModelName, Result, RunId, Version};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

/// Points read at once.
const BLOCK: usize = 5_000;
/// Runs compared at once.
const CHECKED: usize = 100;

/// A page of runs, and where the next one begins.
pub type Page = (Vec<Run>, Option<String>);

/// What is read. A *place* is an artifact URI as the source's runs have it.
pub trait Source {
    /// How a person would call it.
    fn name(&self) -> String;

    /// All experiments, deleted ones too.
    fn experiments(&mut self) -> Result<Vec<Experiment>>;

    /// Runs of an experiment, deleted ones too, with parameters, tags and inputs; of their metrics at least the keys, or none
    /// where [`Source::points`] knows them. `from`: where the last page said.
    fn runs(&mut self, experiment: &ExperimentId, from: Option<String>) -> Result<Page>;

    /// Calls `each` with all points of a run, each once, some thousand at a time.
    fn points(&mut self, run: &Run, each: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<()>;

    /// All files below a place, with their sizes.
    fn files(&mut self, place: &str) -> Result<Vec<(String, u64)>>;

    /// Opens a file below a place; its length when that is known.
    fn open(&mut self, place: &str, path: &str) -> Result<(Box<dyn Read>, Option<u64>)>;

    /// Registered models, each with the greatest number that a version of it ever had.
    fn models(&mut self) -> Result<Vec<(RegisteredModel, u32)>>;

    /// Versions of a model, oldest first.
    fn versions(&mut self, model: &ModelName) -> Result<Vec<ModelVersion>>;

    /// Logged models of an experiment; their `artifact_uri` is a place.
    fn logged_models(&mut self, experiment: &ExperimentId) -> Result<Vec<LoggedModel>>;

    /// What was left out so far, in sentences; each is said once.
    fn left_out(&mut self) -> Vec<String> {
        Vec::new()
    }
}

/// What takes things in.
pub trait Sink {
    /// Takes an experiment; answers its id there.
    fn experiment(&mut self, experiment: &Experiment) -> Result<ExperimentId>;

    /// Takes a run; its experiment's id is one of here.
    fn run(&mut self, run: Run) -> Result<()>;

    /// Takes points of a run that was taken.
    fn points(&mut self, run: &RunId, points: Vec<Metric>) -> Result<()>;

    /// Takes a logged model; its experiment's id is one of here.
    fn logged_model(&mut self, model: LoggedModel) -> Result<()>;

    /// Where files of a run or logged model that was taken belong.
    fn home(&mut self, id: &str) -> Result<String>;

    /// Files that are there already, with their sizes.
    fn present(&mut self, home: &str) -> Result<BTreeMap<String, u64>>;

    /// Takes a file of `length` bytes.
    fn file(&mut self, home: &str, path: &str, length: u64, content: &mut dyn Read) -> Result<()>;

    /// Takes a model.
    fn model(&mut self, model: &RegisteredModel, last: u32) -> Result<()>;

    /// Takes a version.
    fn version(&mut self, version: ModelVersion) -> Result<()>;

    /// Takes an alias.
    fn alias(&mut self, model: &ModelName, alias: &str, version: Version) -> Result<()>;

    /// How much of each run is there.
    fn tallies(&mut self, runs: &[RunId]) -> Result<Vec<Option<Tally>>>;

    /// Makes sure that everything was taken; answers how many things were new, and what differs.
    fn finish(&mut self) -> Result<(New, Vec<String>)>;
}

/// How many things were not there before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct New {
    /// Experiments.
    pub experiments: u64,
    /// Runs.
    pub runs: u64,
    /// Logged models.
    pub logged_models: u64,
    /// Files.
    pub files: u64,
    /// Registered models.
    pub models: u64,
    /// Their versions.
    pub versions: u64,
    /// Their aliases.
    pub aliases: u64,
}

/// What was found in the source, what of it was new, and what differs in the end.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The source.
    pub source: String,
    /// Experiments.
    pub experiments: u64,
    /// Runs.
    pub runs: u64,
    /// Their rows and files, all together.
    #[serde(flatten)]
    pub total: Tally,
    /// Logged models.
    pub logged_models: u64,
    /// Registered models.
    pub models: u64,
    /// Their versions.
    pub versions: u64,
    /// Their aliases.
    pub aliases: u64,
    /// What of it was not there before.
    pub new: New,
    /// In sentences; empty: everything is there as it is in the source.
    pub differences: Vec<String>,
}

impl Report {
    fn add(&mut self, tally: &Tally) {
        let total = &mut self.total;
        total.params += tally.params;
        total.tags += tally.tags;
        total.points += tally.points;
        total.inputs += tally.inputs;
        total.files += tally.files;
        total.bytes += tally.bytes;
    }
}

/// Which part of a source is copied.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Experiments by name or id; empty: all.
    pub experiments: Vec<String>,
    /// Runs by id; empty: all of those experiments.
    pub runs: Vec<RunId>,
    /// Registered models with their versions and aliases.
    pub models: bool,
}

impl Wanted {
    fn experiment(&self, experiment: &Experiment) -> bool {
        self.experiments.is_empty()
            || self
                .experiments
                .iter()
                .any(|name| *name == experiment.name || name == experiment.id.as_str())
    }

    fn run(&self, run: &RunId) -> bool {
        self.runs.is_empty() || self.runs.contains(run)
    }
}

/// Copies what is wanted; `progress` hears of it after each run.
///
/// # Errors
/// The source cannot be read or the sink does not take it. What was taken stays; the same again goes on from there.
pub fn copy(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    wanted: &Wanted,
    progress: &mut dyn FnMut(&Report),
) -> Result<Report> {
    let mut report = Report {
        source: source.name(),
        ..Default::default()
    };
    let mut counted: Vec<(RunId, Tally)> = Vec::new();
    let mut homes: HashMap<String, String> = HashMap::new();
    for experiment in source.experiments()? {
        if !wanted.experiment(&experiment) {
            continue;
        }
        // An experiment of whose runs only some are wanted is taken with the first of them.
        let mut here = match wanted.runs.is_empty() {
            true => Some(sink.experiment(&experiment)?),
            false => None,
        };
        let mut from = None;
        loop {
            let (runs, next) = source.runs(&experiment.id, from)?;
            for mut run in runs {
                if !wanted.run(&run.id) {
                    continue;
                }
                let place = run.artifact_uri.clone();
                run.experiment = match &here {
                    Some(here) => here.clone(),
                    None => here.insert(sink.experiment(&experiment)?).clone(),
                };
                let tally = whole_run(source, sink, &run, &place, &mut report)?;
                if tally.files > 0 {
                    homes.insert(run.id.to_string(), sink.home(run.id.as_str())?);
                }
                report.runs += 1;
                report.add(&tally);
                counted.push((run.id, tally));
                progress(&report);
            }
            from = next;
            if from.is_none() {
                break;
            }
        }
        if let Some(here) = here {
            report.experiments += 1;
            for model in source.logged_models(&experiment.id)? {
                if model
                    .source_run
                    .as_ref()
                    .is_some_and(|run| !wanted.run(run))
                {
                    continue;
                }
                let home = whole_logged_model(source, sink, model.clone(), &here, &mut report)?;
                homes.insert(model.id.to_string(), home);
                progress(&report);
            }
        }
    }
    if wanted.models {
        copy_models(source, sink, &homes, &mut report)?;
    }
    let (new, differences) = sink.finish()?;
    report.new.experiments = new.experiments;
    report.new.runs = new.runs;
    report.new.logged_models = new.logged_models;
    report.new.models = new.models;
    report.new.versions = new.versions;
    report.new.aliases = new.aliases;
    report.differences.extend(source.left_out());
    report.differences.extend(differences);
    for some in counted.chunks(CHECKED) {
        let ids: Vec<RunId> = some.iter().map(|(id, _)| id.clone()).collect();
        let here = sink.tallies(&ids)?;
        for ((id, there), here) in some.iter().zip(here) {
            match here {
                None => report.differences.push(format!("run `{id}` is missing")),
                Some(here) => report
                    .differences
                    .extend(there.missing(&here).into_iter().map(|(what, there, here)| {
                        format!("run `{id}`: {there} {what} in the source, {here} here")
                    })),
            }
        }
    }
    Ok(report)
}

/// Copies a run with its points and files; answers how much there was of it.
fn whole_run(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    run: &Run,
    place: &str,
    report: &mut Report,
) -> Result<Tally> {
    let id = run.id.clone();
    let mut tally = Tally {
        params: run.params.len() as u64,
        tags: run.tags.len() as u64,
        inputs: run.inputs.len() as u64,
        ..Default::default()
    };
    sink.run(Run {
        metrics: Vec::new(),
        ..run.clone()
    })?;
    source.points(run, &mut |points| {
        tally.points += points.len() as u64;
        sink.points(&id, points)
    })?;
    let (files, bytes) = all_files(source, sink, id.as_str(), place, report)?;
    (tally.files, tally.bytes) = (files, bytes);
    Ok(tally)
}

/// Copies a logged model with its files; answers where they are.
fn whole_logged_model(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    mut model: LoggedModel,
    experiment: &ExperimentId,
    report: &mut Report,
) -> Result<String> {
    let (id, place) = (model.id.to_string(), model.artifact_uri.clone());
    model.experiment = experiment.clone();
    sink.logged_model(model)?;
    let (files, bytes) = all_files(source, sink, &id, &place, report)?;
    report.logged_models += 1;
    report.total.files += files;
    report.total.bytes += bytes;
    sink.home(&id)
}

/// Copies the files of a run or logged model that are not there yet; answers how many there are, and their bytes.
fn all_files(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    id: &str,
    place: &str,
    report: &mut Report,
) -> Result<(u64, u64)> {
    let files = match source.files(place) {
        Ok(files) => files,
        Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::NotFound) => {
            report.differences.push(format!("files of `{id}`: {error}"));
            return Ok((0, 0));
        }
        Err(error) => return Err(error),
    };
    if files.is_empty() {
        return Ok((0, 0));
    }
    let home = sink.home(id)?;
    let present = match sink.present(&home) {
        Ok(present) => present,
        Err(error) if error.kind == ErrorKind::Invalid => {
            report.differences.push(format!("files of `{id}`: {error}"));
            return Ok((0, 0));
        }
        Err(error) => return Err(error),
    };
    let (mut count, mut total) = (0, 0);
    for (path, bytes) in files {
        count += 1;
        total += bytes;
        if present.get(&path) == Some(&bytes) {
            continue;
        }
        let copied = source.open(place, &path).and_then(|(mut content, length)| {
            sink.file(&home, &path, length.unwrap_or(bytes), &mut content)
        });
        match copied {
            Ok(()) => report.new.files += 1,
            Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::NotFound) => report
                .differences
                .push(format!("file `{path}` of `{id}`: {error}")),
            Err(error) => return Err(error),
        }
    }
    Ok((count, total))
}

fn copy_models(
    source: &mut dyn Source,
    sink: &mut dyn Sink,
    homes: &HashMap<String, String>,
    report: &mut Report,
) -> Result<()> {
    for (model, last) in source.models()? {
        report.models += 1;
        sink.model(&model, last)?;
        let mut known = Vec::new();
        for mut version in source.versions(&model.name)? {
            report.versions += 1;
            known.push(version.version);
            match relocated(&version.source, homes) {
                Some(here) => version.source = here,
                None if version
                    .source
                    .strip_prefix("models:/")
                    .is_some_and(|id| homes.contains_key(id)) => {}
                None => report.differences.push(format!(
                    "files of {} of `{}` lie at `{}`, which was not copied",
                    version.version, model.name, version.source
                )),
            }
            sink.version(version)?;
        }
        for (alias, version) in &model.aliases {
            if known.contains(version) {
                report.aliases += 1;
                sink.alias(&model.name, alias, *version)?;
            } else {
                report.differences.push(format!(
                    "alias `{alias}` of `{}` names {version}, which is not there",
                    model.name
                ));
            }
        }
    }
    Ok(())
}

/// Where the files of a version lie here, by the run or logged model that its source names: `…/<run>/artifacts/model`,
/// `runs:/<run>/model`.
fn relocated(source: &str, homes: &HashMap<String, String>) -> Option<String> {
    if let Some(rest) = source.strip_prefix("runs:/") {
        let (run, path) = rest.trim_start_matches('/').split_once('/')?;
        return Some(format!("{}/{path}", homes.get(run)?));
    }
    let (before, inside) = source.rsplit_once("/artifacts")?;
    let run = before.rsplit('/').next()?;
    let home = homes.get(run)?;
    Some(format!("{home}{}", inside.trim_end_matches('/')))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn sources_of_versions_follow_their_runs() {
        let run = "0123456789abcdef0123456789abcdef";
        let homes = HashMap::from([(
            run.to_owned(),
            format!("mlflow-artifacts:/7/{run}/artifacts"),
        )]);
        for source in [
            format!("file:///home/ana/mlruns/123/{run}/artifacts/model"),
            format!("s3://bucket/{run}/artifacts/model/"),
            format!("mlflow-artifacts:/1/{run}/artifacts/model"),
            format!("runs:/{run}/model"),
        ] {
            assert_eq!(
                relocated(&source, &homes).unwrap(),
                format!("mlflow-artifacts:/7/{run}/artifacts/model"),
                "{source}"
            );
        }
        for source in ["models:/m-1", "s3://bucket/model", "x/artifacts/y", ""] {
            assert_eq!(relocated(source, &homes), None, "{source}");
        }
    }
}
