//! An export: a folder that another workspace takes in again, and that any program can read.
//!
//! ```text
//! trainyard-export.json          what is in it; written last: without it the export is not complete
//! experiments.jsonl runs.jsonl   one object a line
//! models.jsonl versions.jsonl    the registry
//! logged_models.jsonl            logged models, with their metrics
//! metrics/RUN.jsonl              all points of a run
//! artifacts/RUN/…                its files; those of a logged model under its id
//! ```

use super::files;
use super::{BLOCK, New, Page, Sink, Source};
use crate::domain::experiment::Experiment;
use crate::domain::logged_model::LoggedModel;
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::Run;
use crate::domain::transfer::Tally;
use crate::domain::{ArtifactPath, Error, ExperimentId, ModelName, Result, RunId, Version};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// Names the folder, and says which form it has.
pub const HEAD: &str = "trainyard-export.json";
/// Raised when an older program could misread it.
const FORM: u32 = 1;
/// Runs in a page.
const PAGE: usize = 200;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Head {
    form: u32,
    version: String,
    experiments: u64,
    runs: u64,
    models: u64,
    versions: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct ModelLine {
    #[serde(flatten)]
    model: RegisteredModel,
    last_version: u32,
}

fn at<T>(path: &Path, outcome: std::io::Result<T>) -> Result<T> {
    outcome.map_err(|error| Error::from(error).context(format!("writing `{}`", path.display())))
}

/// A file of one JSON object a line.
struct Lines {
    path: PathBuf,
    file: BufWriter<File>,
}

impl Lines {
    fn create(path: PathBuf) -> Result<Self> {
        let file = BufWriter::new(at(&path, File::create_new(&path))?);
        Ok(Self { path, file })
    }

    fn add(&mut self, line: &impl Serialize) -> Result<()> {
        let mut bytes = serde_json::to_vec(line)?;
        bytes.push(b'\n');
        at(&self.path, self.file.write_all(&bytes))
    }

    fn finish(mut self) -> Result<()> {
        let done = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all());
        at(&self.path, done)
    }
}

/// Writes an export.
pub struct Writer {
    root: PathBuf,
    experiments: Option<Lines>,
    runs: Option<Lines>,
    models: Vec<ModelLine>,
    versions: Option<Lines>,
    logged_models: Option<Lines>,
    points: Option<(RunId, Lines)>,
    written: BTreeMap<RunId, Tally>,
    head: Head,
    new: New,
}

impl Writer {
    /// Into `root`, which is made, or is empty.
    ///
    /// # Errors
    /// There is something in it.
    pub fn create(root: &Path) -> Result<Self> {
        at(root, std::fs::create_dir_all(root))?;
        if at(root, std::fs::read_dir(root))?.next().is_some() {
            return Err(Error::invalid(format!(
                "`{}` is not empty: name a folder that is, or is not there yet",
                root.display()
            )));
        }
        for folder in ["metrics", "artifacts"] {
            at(root, std::fs::create_dir(root.join(folder)))?;
        }
        Ok(Self {
            root: root.to_owned(),
            experiments: Some(Lines::create(root.join("experiments.jsonl"))?),
            runs: Some(Lines::create(root.join("runs.jsonl"))?),
            models: Vec::new(),
            versions: Some(Lines::create(root.join("versions.jsonl"))?),
            logged_models: Some(Lines::create(root.join("logged_models.jsonl"))?),
            points: None,
            written: BTreeMap::new(),
            head: Head {
                form: FORM,
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..Default::default()
            },
            new: New::default(),
        })
    }
}

fn add(lines: &mut Option<Lines>, line: &impl Serialize) -> Result<()> {
    match lines {
        Some(lines) => lines.add(line),
        None => Err(Error::internal("the export is finished already")),
    }
}

impl Sink for Writer {
    fn experiment(&mut self, experiment: &Experiment) -> Result<ExperimentId> {
        add(&mut self.experiments, experiment)?;
        self.head.experiments += 1;
        self.new.experiments += 1;
        Ok(experiment.id.clone())
    }

    fn run(&mut self, run: Run) -> Result<()> {
        if let Some((_, lines)) = self.points.take() {
            lines.finish()?;
        }
        // Its id becomes a name of files.
        ArtifactPath::parse(run.id.as_str())?;
        self.written.insert(
            run.id.clone(),
            Tally {
                params: run.params.len() as u64,
                tags: run.tags.len() as u64,
                inputs: run.inputs.len() as u64,
                ..Default::default()
            },
        );
        add(&mut self.runs, &run)?;
        self.head.runs += 1;
        self.new.runs += 1;
        Ok(())
    }

    fn points(&mut self, run: &RunId, points: Vec<Metric>) -> Result<()> {
        if self.points.as_ref().is_none_or(|(of, _)| of != run) {
            let path = self.root.join("metrics").join(format!("{run}.jsonl"));
            self.points = Some((run.clone(), Lines::create(path)?));
        }
        if let Some((_, lines)) = &mut self.points {
            for point in &points {
                lines.add(point)?;
            }
        }
        if let Some(tally) = self.written.get_mut(run) {
            tally.points += points.len() as u64;
        }
        Ok(())
    }

    fn logged_model(&mut self, model: LoggedModel) -> Result<()> {
        ArtifactPath::parse(model.id.as_str())?;
        add(&mut self.logged_models, &model)?;
        self.new.logged_models += 1;
        Ok(())
    }

    fn home(&mut self, id: &str) -> Result<String> {
        // What reads the export finds versions by the id in their source.
        Ok(format!("artifacts/{id}/artifacts"))
    }

    fn present(&mut self, _: &str) -> Result<BTreeMap<String, u64>> {
        Ok(BTreeMap::new())
    }

    fn file(&mut self, home: &str, path: &str, length: u64, content: &mut dyn Read) -> Result<()> {
        let inner = ArtifactPath::parse(path)?;
        let run = home
            .split('/')
            .nth(1)
            .map(RunId::from)
            .ok_or_else(|| Error::internal(format!("`{home}` names no run")))?;
        let target = self
            .root
            .join("artifacts")
            .join(run.as_str())
            .join(inner.as_str());
        if let Some(folder) = target.parent() {
            at(folder, std::fs::create_dir_all(folder))?;
        }
        let mut file = at(&target, File::create_new(&target))?;
        let written = at(&target, std::io::copy(content, &mut file))?;
        at(&target, file.sync_all())?;
        if written != length {
            return Err(Error::conflict(format!(
                "`{path}` has {written} bytes, {length} were announced"
            )));
        }
        if let Some(tally) = self.written.get_mut(&run) {
            tally.files += 1;
            tally.bytes += written;
        }
        Ok(())
    }

    fn model(&mut self, model: &RegisteredModel, last: u32) -> Result<()> {
        self.models.push(ModelLine {
            model: RegisteredModel {
                aliases: Vec::new(),
                ..model.clone()
            },
            last_version: last,
        });
        self.head.models += 1;
        self.new.models += 1;
        Ok(())
    }

    fn version(&mut self, version: ModelVersion) -> Result<()> {
        add(&mut self.versions, &version)?;
        self.head.versions += 1;
        self.new.versions += 1;
        Ok(())
    }

    fn alias(&mut self, model: &ModelName, alias: &str, version: Version) -> Result<()> {
        self.new.aliases += 1;
        match self.models.iter_mut().find(|one| one.model.name == *model) {
            Some(one) => one.model.aliases.push((alias.to_owned(), version)),
            None => return Err(Error::internal(format!("model `{model}` was not taken"))),
        }
        Ok(())
    }

    fn tallies(&mut self, runs: &[RunId]) -> Result<Vec<Option<Tally>>> {
        Ok(runs
            .iter()
            .map(|run| self.written.get(run).copied())
            .collect())
    }

    fn finish(&mut self) -> Result<(New, Vec<String>)> {
        if let Some((_, lines)) = self.points.take() {
            lines.finish()?;
        }
        let mut models = Lines::create(self.root.join("models.jsonl"))?;
        for model in &self.models {
            models.add(model)?;
        }
        let written = [
            self.experiments.take(),
            self.runs.take(),
            self.versions.take(),
            self.logged_models.take(),
            Some(models),
        ];
        written.into_iter().flatten().try_for_each(Lines::finish)?;
        let mut head = Lines::create(self.root.join(HEAD))?;
        head.add(&self.head)?;
        head.finish()?;
        let root = &self.root;
        at(root, File::open(root).and_then(|folder| folder.sync_all()))?;
        Ok((self.new, Vec::new()))
    }
}

/// Reads an export.
pub struct Reader {
    root: PathBuf,
    left_out: Vec<String>,
}

impl Reader {
    /// The export in this folder.
    ///
    /// # Errors
    /// It is none, is not complete, or of a newer form.
    pub fn open(root: &Path) -> Result<Self> {
        let path = root.join(HEAD);
        let head: Head = serde_json::from_str(&files::text(&path)?)
            .map_err(|error| Error::from(error).context(format!("reading `{}`", path.display())))?;
        if head.form > FORM {
            return Err(Error::invalid(format!(
                "`{}` was written by a newer trainyard ({}): use that version",
                root.display(),
                head.version
            )));
        }
        Ok(Self {
            root: root.to_owned(),
            left_out: Vec::new(),
        })
    }

    /// Calls `each` with every line of a file, or of none.
    fn lines<T: DeserializeOwned>(
        &self,
        name: &str,
        each: &mut dyn FnMut(T) -> Result<()>,
    ) -> Result<()> {
        let path = self.root.join(name);
        if !path.is_file() {
            return Ok(());
        }
        let file = BufReader::new(File::open(&path)?);
        for (number, line) in file.lines().enumerate() {
            let line = line.map_err(|error| {
                Error::from(error).context(format!("reading `{}`", path.display()))
            })?;
            let value = serde_json::from_str(&line).map_err(|error| {
                Error::invalid(format!(
                    "`{}`, line {}: {error}",
                    path.display(),
                    number + 1
                ))
            })?;
            each(value)?;
        }
        Ok(())
    }

    fn all<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>> {
        let mut all = Vec::new();
        self.lines(name, &mut |one| {
            all.push(one);
            Ok(())
        })?;
        Ok(all)
    }
}

impl Source for Reader {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn experiments(&mut self) -> Result<Vec<Experiment>> {
        self.all("experiments.jsonl")
    }

    fn runs(&mut self, experiment: &ExperimentId, from: Option<String>) -> Result<Page> {
        let first: usize = from.and_then(|from| from.parse().ok()).unwrap_or(0);
        let (mut number, mut runs) = (0, Vec::new());
        self.lines("runs.jsonl", &mut |mut run: Run| {
            if run.experiment == *experiment {
                if (first..first + PAGE).contains(&number) {
                    run.artifact_uri = run.id.to_string();
                    runs.push(run);
                }
                number += 1;
            }
            Ok(())
        })?;
        let end = first + PAGE;
        Ok((runs, (number > end).then(|| end.to_string())))
    }

    fn points(&mut self, run: &Run, each: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<()> {
        ArtifactPath::parse(run.id.as_str())?;
        let mut block = Vec::new();
        self.lines(&format!("metrics/{}.jsonl", run.id), &mut |point| {
            block.push(point);
            if block.len() >= BLOCK {
                each(std::mem::take(&mut block))?;
            }
            Ok(())
        })?;
        if block.is_empty() {
            return Ok(());
        }
        each(block)
    }

    fn files(&mut self, place: &str) -> Result<Vec<(String, u64)>> {
        let folder = self
            .root
            .join("artifacts")
            .join(ArtifactPath::parse(place)?.as_str());
        match folder.is_dir() {
            true => files::below(&folder, &mut self.left_out),
            false => Ok(Vec::new()),
        }
    }

    fn open(&mut self, place: &str, path: &str) -> Result<(Box<dyn Read>, Option<u64>)> {
        let inner = ArtifactPath::parse(place)?.join(&ArtifactPath::parse(path)?)?;
        files::open(&self.root.join("artifacts").join(inner.as_str()))
    }

    fn models(&mut self) -> Result<Vec<(RegisteredModel, u32)>> {
        Ok(self
            .all::<ModelLine>("models.jsonl")?
            .into_iter()
            .map(|line| (line.model, line.last_version))
            .collect())
    }

    fn versions(&mut self, model: &ModelName) -> Result<Vec<ModelVersion>> {
        let mut versions: Vec<ModelVersion> = self.all("versions.jsonl")?;
        versions.retain(|version| version.model == *model);
        versions.sort_by_key(|version| version.version);
        Ok(versions)
    }

    fn logged_models(&mut self, experiment: &ExperimentId) -> Result<Vec<LoggedModel>> {
        let mut models: Vec<LoggedModel> = self.all("logged_models.jsonl")?;
        models.retain(|model| model.experiment == *experiment);
        for model in &mut models {
            model.artifact_uri = model.id.to_string();
        }
        Ok(models)
    }

    fn left_out(&mut self) -> Vec<String> {
        std::mem::take(&mut self.left_out)
    }
}
