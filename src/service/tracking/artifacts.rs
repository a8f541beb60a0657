//! Artifacts of runs, and the proxied artifact space of MLflow clients. Paths follow the one rule of `store::artifacts`.

use super::Tracking;
use crate::domain::experiment::Lifecycle;
use crate::domain::{Error, Event, Result, RunId};
use crate::store::artifacts::{self, Entry};
use crate::store::runs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// URIs with this scheme lie in the workspace.
const SCHEME: &str = "mlflow-artifacts:";

impl Tracking {
    /// The folder behind an artifact URI: `mlflow-artifacts:/1/ab/artifacts`, also with a host between.
    pub fn artifact_folder(&self, uri: &str) -> Result<PathBuf> {
        let elsewhere = || {
            Error::invalid(format!(
                "`{uri}` does not lie in this workspace: artifacts there are not kept by trainyard"
            ))
        };
        let path = uri.strip_prefix(SCHEME).ok_or_else(elsewhere)?;
        let path = match path.strip_prefix("//") {
            Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
            None => path.strip_prefix('/').unwrap_or(path),
        };
        artifacts::locate(&self.core.workspace.artifacts(), path)
    }

    fn run_folder(&self, run: &RunId, change: bool) -> Result<PathBuf> {
        let header = self
            .core
            .store
            .read(|view| Ok(runs::header(view, run)?.1))?;
        if change && header.lifecycle == Lifecycle::Deleted {
            return Err(super::deleted(run));
        }
        self.artifact_folder(&header.artifact_uri)
    }

    /// Puts a copy of `file` (or every file of a folder) among the run's artifacts at `path` (`model`, `report.html`).
    pub fn log_artifact(&self, run: &RunId, path: &str, file: &Path) -> Result<()> {
        let folder = self.run_folder(run, true)?;
        artifacts::copy(&folder, &artifacts::normalize(path)?, file)
            .map_err(|error| error.context(format!("artifact `{path}` of run `{run}`")))?;
        self.core.bus.emit(Event::RunChanged { run: run.clone() });
        Ok(())
    }

    /// Where the run's artifact `path` lies on disk.
    pub fn artifact_path(&self, run: &RunId, path: &str) -> Result<PathBuf> {
        artifacts::locate(&self.run_folder(run, false)?, path)
    }

    /// One level of a run's artifacts, paths relative to their root.
    pub fn artifacts(&self, run: &RunId, path: &str) -> Result<Vec<Entry>> {
        artifacts::list(&self.run_folder(run, false)?, path)
    }

    /// Writes a file of the proxied space (`<experiment>/<run>/artifacts/…`), whole or not at all.
    pub fn put_artifact(&self, path: &str, content: &mut dyn Read) -> Result<u64> {
        artifacts::write_from(&self.core.workspace.artifacts(), path, content)
    }

    /// Where a file of the proxied space lies; there is one.
    pub fn get_artifact(&self, path: &str) -> Result<PathBuf> {
        let file = artifacts::locate(&self.core.workspace.artifacts(), path)?;
        if !file.is_file() {
            return Err(Error::not_found(format!("no artifact `{path}`")));
        }
        Ok(file)
    }

    /// One level of the proxied space: paths relative to `path`.
    pub fn list_artifacts(&self, path: &str) -> Result<Vec<Entry>> {
        let prefix = artifacts::normalize(path)?;
        let mut entries = artifacts::list(&self.core.workspace.artifacts(), &prefix)?;
        for entry in &mut entries {
            if let Some(name) = entry.path.rsplit('/').next() {
                entry.path = name.to_owned();
            }
        }
        Ok(entries)
    }

    /// Removes a file or folder of the proxied space, at least two levels deep (below an experiment).
    pub fn delete_artifact(&self, path: &str) -> Result<()> {
        let path = artifacts::normalize(path)?;
        if !path.contains('/') {
            return Err(Error::invalid(format!(
                "`{path}` is a whole experiment's folder: name something inside it"
            )));
        }
        artifacts::remove(&self.core.workspace.artifacts(), &path)
    }
}
