//! A database of MLflow (`mlflow.db`), with its artifacts where they lie on this machine.

use super::files::Places;
use super::{BLOCK, Page, Source};
use crate::domain::experiment::Experiment;
use crate::domain::logged_model::LoggedModel;
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::Run;
use crate::domain::{ExperimentId, ModelName, Result};
use crate::store::mlflow_db::MlflowDb;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Runs in a page.
const PAGE: u32 = 200;

/// See the module's text.
pub struct Database {
    path: PathBuf,
    database: MlflowDb,
    places: Places,
}

impl Database {
    /// The database in this file. `artifacts`: where the server keeps its files (`--artifacts-destination`); the folders
    /// `mlartifacts`, `artifacts` and `mlruns` beside the file are looked into anyway.
    ///
    /// # Errors
    /// It is no database of MLflow.
    pub fn open(path: &Path, artifacts: Option<&Path>) -> Result<Self> {
        let database = MlflowDb::open(path)?;
        let base = std::path::absolute(path)?
            .parent()
            .map_or_else(|| PathBuf::from("/"), Path::to_owned);
        let mut roots: Vec<PathBuf> = artifacts.map(Path::to_owned).into_iter().collect();
        roots.extend(["mlartifacts", "artifacts", "mlruns"].map(|name| base.join(name)));
        roots.push(base.clone());
        let mut places = Places::new(base, roots);
        places.left_out = database
            .other_workspaces()?
            .into_iter()
            .map(|name| format!("workspace `{name}` was left out: only the default one is read"))
            .collect();
        Ok(Self {
            path: path.to_owned(),
            database,
            places,
        })
    }
}

impl Source for Database {
    fn name(&self) -> String {
        self.path.display().to_string()
    }

    fn experiments(&mut self) -> Result<Vec<Experiment>> {
        self.database.experiments()
    }

    fn runs(&mut self, experiment: &ExperimentId, from: Option<String>) -> Result<Page> {
        let runs = self.database.runs(experiment, from.as_deref(), PAGE)?;
        let next = runs
            .last()
            .filter(|_| runs.len() == PAGE as usize)
            .map(|run| run.id.to_string());
        Ok((runs, next))
    }

    fn points(&mut self, run: &Run, each: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<()> {
        self.database.points(&run.id, BLOCK, each)
    }

    fn files(&mut self, place: &str) -> Result<Vec<(String, u64)>> {
        self.places.files(place)
    }

    fn open(&mut self, place: &str, path: &str) -> Result<(Box<dyn Read>, Option<u64>)> {
        self.places.open(place, path)
    }

    fn models(&mut self) -> Result<Vec<(RegisteredModel, u32)>> {
        self.database.models()
    }

    fn versions(&mut self, model: &ModelName) -> Result<Vec<ModelVersion>> {
        self.database.versions(model)
    }

    fn logged_models(&mut self, experiment: &ExperimentId) -> Result<Vec<LoggedModel>> {
        self.database.logged_models(experiment)
    }

    fn left_out(&mut self) -> Vec<String> {
        self.places.take_left_out()
    }
}
