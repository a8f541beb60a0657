//! A folder of MLflow's file store (`mlruns`): `<experiment>/<run>/{meta.yaml,params,metrics,tags,inputs,artifacts}`,
//! `.trash` with deleted experiments, `models` with the registry.

use super::files::{self, Places};
use super::yaml::Yaml;
use super::{BLOCK, Page, Source};
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::{DatasetInput, Pair, Run, RunModels, RunStatus};
use crate::domain::{
    Error, ExperimentId, LoggedModelId, ModelName, Result, RunId, Timestamp, Version,
};
use std::collections::BTreeSet;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Runs in a page.
const PAGE: usize = 200;
/// Versions in this stage are deleted, and stay as folders.
const DELETED: &str = "Deleted_Internal";

/// See the module's text.
pub struct Folder {
    root: PathBuf,
    places: Places,
}

fn meta(folder: &Path) -> Result<Yaml> {
    let path = folder.join("meta.yaml");
    Yaml::parse(&files::text(&path)?)
        .map_err(|error| error.context(format!("reading `{}`", path.display())))
}

/// Folders with a `meta.yaml`, by name.
fn described(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .map_err(|error| Error::from(error).context(format!("reading `{}`", folder.display())))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("meta.yaml").is_file())
        .collect();
    found.sort();
    Ok(found)
}

fn lifecycle(meta: &Yaml) -> Lifecycle {
    match meta.text("lifecycle_stage") {
        Some("deleted") => Lifecycle::Deleted,
        _ => Lifecycle::Active,
    }
}

fn time(meta: &Yaml, key: &str) -> Timestamp {
    Timestamp(meta.number(key).unwrap_or(0))
}

/// Files as pairs: their path is the key, their content the value.
fn pairs(folder: &Path, left_out: &mut Vec<String>) -> Result<Vec<Pair>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    files::below(folder, left_out)?
        .into_iter()
        .map(|(key, _)| {
            Ok(Pair {
                value: files::text(&folder.join(&key))?,
                key,
            })
        })
        .collect()
}

/// A point: `time value step`, older ones without step.
fn point(key: &str, line: &str) -> Option<Metric> {
    let mut words = line.split(' ');
    let time = words.next()?.parse().ok()?;
    let value: f64 = words.next()?.parse().ok()?;
    let step = match words.next() {
        Some(step) => step.parse().ok()?,
        None => 0,
    };
    Some(Metric {
        key: key.to_owned(),
        value: crate::store::mlflow_db::infinite(value),
        timestamp: Timestamp(time),
        step,
    })
}

/// A point of a logged model: `time value step run`, with name and digest of the data it was measured on.
fn model_point(model: &LoggedModelId, key: &str, line: &str) -> Option<ModelMetric> {
    let metric = point(key, line)?;
    let mut words = line.split(' ').skip(3).map(str::to_owned);
    Some(ModelMetric {
        metric,
        model: model.clone(),
        run: RunId(words.next()?),
        dataset_name: words.next(),
        dataset_digest: words.next(),
    })
}

/// Logged models that a run read and made.
fn models_of(run: &Path) -> Result<RunModels> {
    let mut models = RunModels::default();
    for (folder, output) in [("inputs", false), ("outputs", true)] {
        for folder in described(&run.join(folder))? {
            let link = meta(&folder)?;
            let kind = link.text("destination_type").unwrap_or_default();
            let Some(model) = link
                .text("destination_id")
                .filter(|_| kind.starts_with("MODEL"))
            else {
                continue;
            };
            let model = LoggedModelId::from(model);
            if output {
                models
                    .outputs
                    .push((model, link.number("step").unwrap_or(0)));
            } else {
                models.inputs.push(model);
            }
        }
    }
    Ok(models)
}

impl Folder {
    /// The store in this folder.
    ///
    /// # Errors
    /// It has no experiment.
    pub fn open(root: &Path) -> Result<Self> {
        if described(root)?.is_empty() && described(&root.join(".trash"))?.is_empty() {
            return Err(Error::invalid(format!(
                "`{}` is no folder of MLflow: no folder in it has a `meta.yaml`",
                root.display()
            )));
        }
        let root = std::path::absolute(root)?;
        let base = root.parent().unwrap_or(&root).to_owned();
        Ok(Self {
            places: Places::new(base.clone(), vec![base, root.clone()]),
            root,
        })
    }

    fn experiment_folder(&self, id: &ExperimentId) -> PathBuf {
        let active = self.root.join(id.as_str());
        if active.join("meta.yaml").is_file() {
            return active;
        }
        self.root.join(".trash").join(id.as_str())
    }

    fn run(&mut self, folder: &Path, experiment: &ExperimentId) -> Result<Run> {
        let meta = meta(folder)?;
        let id = meta
            .text("run_id")
            .or_else(|| meta.text("run_uuid"))
            .ok_or_else(|| {
                Error::invalid(format!(
                    "`{}` has no `run_id`",
                    folder.join("meta.yaml").display()
                ))
            })?;
        let tags = pairs(&folder.join("tags"), &mut self.places.left_out)?;
        let named = tags
            .iter()
            .find(|tag| tag.key == "mlflow.runName")
            .map(|tag| tag.value.as_str());
        let status = match meta.number("status") {
            Some(1) => RunStatus::Running,
            Some(2) => RunStatus::Scheduled,
            Some(3) => RunStatus::Finished,
            Some(5) => RunStatus::Killed,
            _ => RunStatus::Failed,
        };
        let own = folder.join("artifacts");
        let artifact_uri = match (own.is_dir(), meta.text("artifact_uri")) {
            (false, Some(uri)) => uri.to_owned(),
            _ => own.to_string_lossy().into_owned(),
        };
        Ok(Run {
            id: RunId::from(id),
            experiment: experiment.clone(),
            name: meta
                .text("run_name")
                .filter(|name| !name.is_empty())
                .or(named)
                .unwrap_or_default()
                .to_owned(),
            user: meta.text("user_id").unwrap_or_default().to_owned(),
            status,
            started: time(&meta, "start_time"),
            ended: meta.number("end_time").map(Timestamp),
            lifecycle: lifecycle(&meta),
            artifact_uri,
            params: pairs(&folder.join("params"), &mut self.places.left_out)?,
            tags,
            metrics: Vec::new(),
            inputs: self.inputs(folder)?,
            models: models_of(folder)?,
        })
    }

    fn inputs(&self, run: &Path) -> Result<Vec<DatasetInput>> {
        let mut inputs = Vec::new();
        for folder in described(&run.join("inputs"))? {
            let link = meta(&folder)?;
            if link.text("source_type") != Some("DATASET") {
                continue;
            }
            let (Some(id), Some(experiment)) = (link.text("source_id"), run.parent()) else {
                continue;
            };
            let dataset = meta(&experiment.join("datasets").join(id))?;
            let text = |key: &str| dataset.text(key).map(str::to_owned);
            inputs.push(DatasetInput {
                name: text("name").unwrap_or_default(),
                digest: text("digest").unwrap_or_default(),
                source_type: text("source_type").unwrap_or_default(),
                source: text("source").unwrap_or_default(),
                schema: text("schema"),
                profile: text("profile"),
                context: link
                    .pairs("tags")
                    .into_iter()
                    .find(|(key, _)| key == "mlflow.data.context")
                    .map(|(_, value)| value),
                tags: link
                    .pairs("tags")
                    .into_iter()
                    .filter(|(key, _)| key != "mlflow.data.context")
                    .map(|(key, value)| Pair { key, value })
                    .collect(),
            });
        }
        Ok(inputs)
    }

    /// Folders of a model's versions, deleted ones too, oldest first.
    fn version_folders(&self, model: &Path) -> Result<Vec<(u32, PathBuf)>> {
        let mut found: Vec<(u32, PathBuf)> = described(model)?
            .into_iter()
            .filter_map(|folder| {
                let number = folder.file_name()?.to_str()?.strip_prefix("version-")?;
                Some((number.parse().ok()?, folder))
            })
            .collect();
        found.sort();
        Ok(found)
    }

    fn model_folder(&self, name: &ModelName) -> PathBuf {
        self.root.join("models").join(name.as_str())
    }
}

impl Source for Folder {
    fn name(&self) -> String {
        self.root.display().to_string()
    }

    fn experiments(&mut self) -> Result<Vec<Experiment>> {
        let mut found = Vec::new();
        for folder in described(&self.root)?
            .into_iter()
            .chain(described(&self.root.join(".trash"))?)
        {
            let meta = meta(&folder)?;
            // Other folders here (`models`) describe something else.
            let Some(id) = meta.text("experiment_id") else {
                continue;
            };
            found.push(Experiment {
                id: ExperimentId::from(id),
                name: meta.text("name").unwrap_or(id).to_owned(),
                artifact_location: meta
                    .text("artifact_location")
                    .unwrap_or_default()
                    .to_owned(),
                lifecycle: lifecycle(&meta),
                created: time(&meta, "creation_time"),
                updated: time(&meta, "last_update_time"),
                tags: pairs(&folder.join("tags"), &mut self.places.left_out)?
                    .into_iter()
                    .map(|tag| (tag.key, tag.value))
                    .collect(),
            });
        }
        Ok(found)
    }

    fn runs(&mut self, experiment: &ExperimentId, from: Option<String>) -> Result<Page> {
        let folders: Vec<PathBuf> = described(&self.experiment_folder(experiment))?
            .into_iter()
            .filter(|folder| {
                folder
                    .file_name()
                    .and_then(|name| name.to_str())
                    .is_some_and(|name| {
                        name.len() == 32 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
                    })
            })
            .collect();
        let first: usize = from.and_then(|from| from.parse().ok()).unwrap_or(0);
        let end = folders.len().min(first + PAGE);
        let runs = folders
            .get(first..end)
            .unwrap_or_default()
            .iter()
            .map(|folder| self.run(folder, experiment))
            .collect::<Result<Vec<_>>>()?;
        Ok((runs, (end < folders.len()).then(|| end.to_string())))
    }

    fn points(&mut self, run: &Run, each: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<()> {
        // The run's folder is the one above its artifacts, unless those lie elsewhere: then it is looked for.
        let own = PathBuf::from(&run.artifact_uri);
        let folder = match own.parent() {
            Some(above) if above.join("meta.yaml").is_file() => above.to_owned(),
            _ => described(&self.root)?
                .into_iter()
                .chain(described(&self.root.join(".trash"))?)
                .map(|experiment| experiment.join(run.id.as_str()))
                .find(|folder| folder.join("meta.yaml").is_file())
                .ok_or_else(|| Error::not_found(format!("run `{}` has no folder", run.id)))?,
        };
        let metrics = folder.join("metrics");
        if !metrics.is_dir() {
            return Ok(());
        }
        let mut block = Vec::new();
        for (key, _) in files::below(&metrics, &mut self.places.left_out)? {
            let path = metrics.join(&key);
            let mut seen = BTreeSet::new();
            for (number, line) in files::text(&path)?.lines().enumerate() {
                if line.is_empty() {
                    continue;
                }
                let point = point(&key, line).ok_or_else(|| {
                    Error::invalid(format!(
                        "`{}`, line {}: `time value step` is expected",
                        path.display(),
                        number + 1
                    ))
                })?;
                // The same point may be there twice: clients that repeat what they got no answer to.
                let bits = match point.value.is_nan() {
                    true => u64::MAX,
                    false => point.value.to_bits(),
                };
                if seen.insert((point.step, point.timestamp, bits)) {
                    block.push(point);
                }
                if block.len() >= BLOCK {
                    each(std::mem::take(&mut block))?;
                }
            }
        }
        if block.is_empty() {
            return Ok(());
        }
        each(block)
    }

    fn files(&mut self, place: &str) -> Result<Vec<(String, u64)>> {
        self.places.files(place)
    }

    fn open(&mut self, place: &str, path: &str) -> Result<(Box<dyn Read>, Option<u64>)> {
        self.places.open(place, path)
    }

    fn models(&mut self) -> Result<Vec<(RegisteredModel, u32)>> {
        let mut found = Vec::new();
        for folder in described(&self.root.join("models"))? {
            let meta = meta(&folder)?;
            let Some(name) = meta.text("name") else {
                continue;
            };
            let mut aliases: Vec<(String, Version)> = meta
                .pairs("aliases")
                .into_iter()
                .chain(
                    pairs(&folder.join("aliases"), &mut self.places.left_out)?
                        .into_iter()
                        .map(|alias| (alias.key, alias.value)),
                )
                .filter_map(|(alias, version)| Some((alias, Version(version.trim().parse().ok()?))))
                .collect();
            aliases.sort();
            aliases.dedup_by(|one, other| one.0 == other.0);
            let last = self
                .version_folders(&folder)?
                .last()
                .map_or(0, |(number, _)| *number);
            found.push((
                RegisteredModel {
                    name: ModelName::from(name),
                    description: meta.text("description").unwrap_or_default().to_owned(),
                    created: time(&meta, "creation_timestamp"),
                    updated: time(&meta, "last_updated_timestamp"),
                    tags: pairs(&folder.join("tags"), &mut self.places.left_out)?
                        .into_iter()
                        .map(|tag| (tag.key, tag.value))
                        .collect(),
                    aliases,
                },
                last,
            ));
        }
        Ok(found)
    }

    fn versions(&mut self, model: &ModelName) -> Result<Vec<ModelVersion>> {
        let mut found = Vec::new();
        for (number, folder) in self.version_folders(&self.model_folder(model))? {
            let meta = meta(&folder)?;
            let text = |key: &str| meta.text(key).unwrap_or_default().to_owned();
            if meta.text("current_stage") == Some(DELETED) {
                continue;
            }
            found.push(ModelVersion {
                model: model.clone(),
                version: Version(number),
                run: meta
                    .text("run_id")
                    .filter(|run| !run.is_empty())
                    .map(RunId::from),
                source: text("source"),
                status: meta.text("status").unwrap_or("READY").to_owned(),
                stage: meta.text("current_stage").unwrap_or("None").to_owned(),
                description: text("description"),
                user: text("user_id"),
                created: time(&meta, "creation_timestamp"),
                updated: time(&meta, "last_updated_timestamp"),
                tags: pairs(&folder.join("tags"), &mut self.places.left_out)?
                    .into_iter()
                    .map(|tag| (tag.key, tag.value))
                    .collect(),
                aliases: Vec::new(),
                gate: None,
            });
        }
        Ok(found)
    }

    fn logged_models(&mut self, experiment: &ExperimentId) -> Result<Vec<LoggedModel>> {
        let mut found = Vec::new();
        for folder in described(&self.experiment_folder(experiment).join("models"))? {
            let meta = meta(&folder)?;
            let Some(id) = meta.text("model_id").map(LoggedModelId::from) else {
                continue;
            };
            let text = |key: &str| meta.text(key).map(str::to_owned);
            let status = meta
                .number("status")
                .and_then(|number| usize::try_from(number).ok());
            let mut metrics = Vec::new();
            let points = folder.join("metrics");
            if points.is_dir() {
                for (key, _) in files::below(&points, &mut self.places.left_out)? {
                    metrics.extend(
                        files::text(&points.join(&key))?
                            .lines()
                            .filter_map(|line| model_point(&id, &key, line)),
                    );
                }
            }
            found.push(LoggedModel {
                experiment: experiment.clone(),
                name: text("name").unwrap_or_default(),
                artifact_uri: folder.join("artifacts").to_string_lossy().into_owned(),
                created: time(&meta, "creation_timestamp"),
                updated: time(&meta, "last_updated_timestamp"),
                status: LoggedModelStatus::numbered(status.unwrap_or(0)),
                lifecycle: lifecycle(&meta),
                model_type: text("model_type").unwrap_or_default(),
                source_run: text("source_run_id").map(RunId),
                status_message: text("status_message"),
                tags: pairs(&folder.join("tags"), &mut self.places.left_out)?,
                params: pairs(&folder.join("params"), &mut self.places.left_out)?,
                metrics,
                id,
            });
        }
        Ok(found)
    }

    fn left_out(&mut self) -> Vec<String> {
        self.places.take_left_out()
    }
}
