//! Artifacts of runs, and the proxied artifact space of MLflow clients. Every path is an [`ArtifactPath`].

use super::Tracking;
use crate::domain::experiment::Lifecycle;
use crate::domain::{ArtifactPath, Error, Event, Result, RunId};
pub use crate::store::artifacts::Partial;
use crate::store::artifacts::{self, Entry};
use crate::store::{audit, runs};
use std::fs::File;
use std::path::{Path, PathBuf};

/// URIs with this scheme lie in the workspace.
const SCHEME: &str = "mlflow-artifacts:";

/// The path behind an artifact URI of this workspace: `mlflow-artifacts:/1/ab/artifacts`, also with a host between.
///
/// # Errors
/// The URI has another scheme, or names no folder below the root.
pub fn path_of(uri: &str) -> Result<ArtifactPath> {
    let path = uri.strip_prefix(SCHEME).ok_or_else(|| {
        Error::invalid(format!(
            "`{uri}` does not lie in this workspace: artifacts there are not kept by trainyard"
        ))
    })?;
    let path = match path.strip_prefix("//") {
        Some(rest) => rest.split_once('/').map_or("", |(_, path)| path),
        None => path.strip_prefix('/').unwrap_or(path),
    };
    ArtifactPath::parse(path.strip_suffix('/').unwrap_or(path))
}

impl Tracking {
    /// The folder on disk behind an artifact URI of this workspace.
    pub fn artifact_folder(&self, uri: &str) -> Result<PathBuf> {
        self.core.artifacts.locate(&path_of(uri)?)
    }

    fn run_folder(&self, run: &RunId, change: bool) -> Result<ArtifactPath> {
        let header = self
            .core
            .store
            .read(|view| Ok(runs::header(view, run)?.1))?;
        if change && header.lifecycle == Lifecycle::Deleted {
            return Err(super::deleted(run));
        }
        path_of(&header.artifact_uri)
    }

    /// Puts a copy of `file` (or every file of a folder) among the run's artifacts at `path` (`model`, `report.html`).
    pub fn log_artifact(&self, run: &RunId, path: &str, file: &Path) -> Result<()> {
        let target = self
            .run_folder(run, true)?
            .join(&ArtifactPath::parse(path)?)?;
        self.core
            .artifacts
            .copy(&target, file)
            .map_err(|error| error.context(format!("artifact `{path}` of run `{run}`")))?;
        self.core.bus.emit(Event::RunChanged { run: run.clone() });
        Ok(())
    }

    /// Where the run's artifact `path` lies on disk.
    pub fn artifact_path(&self, run: &RunId, path: &str) -> Result<PathBuf> {
        let path = ArtifactPath::parse(path)?;
        self.core
            .artifacts
            .locate(&self.run_folder(run, false)?.join(&path)?)
    }

    /// One level of a run's artifacts, paths relative to their root.
    pub fn artifacts(&self, run: &RunId, path: &str) -> Result<Vec<Entry>> {
        self.artifacts_below(&self.run_folder(run, false)?, path)
    }

    /// One level of what lies below `root` (a run's or a logged model's folder), paths relative to that root.
    pub fn artifacts_below(&self, root: &ArtifactPath, path: &str) -> Result<Vec<Entry>> {
        let Some(inner) = ArtifactPath::folder(path)? else {
            return self.core.artifacts.list(Some(root));
        };
        let mut entries = self.core.artifacts.list(Some(&root.join(&inner)?))?;
        for entry in &mut entries {
            entry.path = format!("{inner}/{}", entry.path);
        }
        Ok(entries)
    }

    /// Begins a file of the proxied space (`<experiment>/<run>/artifacts/…`): it is there, whole, once it is finished.
    pub fn begin_artifact(&self, path: &ArtifactPath) -> Result<Partial> {
        if path.parts().nth(1).is_none() {
            return Err(Error::invalid(format!(
                "invalid artifact path `{path}`: a file lies in the folder of an experiment"
            )));
        }
        self.core.artifacts.begin(path)
    }

    /// The first of `paths` at which a file of the proxied space lies, opened, with its size.
    pub fn open_artifact(&self, paths: &[ArtifactPath]) -> Result<(File, u64)> {
        let mut refused = None;
        for path in paths {
            match self.core.artifacts.open(path) {
                Ok(found) => return Ok(found),
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or_else(|| Error::invalid("an artifact needs a name")))
    }

    /// One level of the proxied space: paths relative to `path`.
    pub fn list_artifacts(&self, path: &str) -> Result<Vec<Entry>> {
        self.core
            .artifacts
            .list(ArtifactPath::folder(path)?.as_ref())
    }

    /// Removes a file or folder of the proxied space, at least two levels deep (below an experiment).
    pub fn delete_artifact(&self, paths: &[ArtifactPath]) -> Result<()> {
        let mut refused = None;
        for path in paths {
            if path.parts().nth(1).is_none() {
                return Err(Error::invalid(format!(
                    "`{path}` is a whole experiment's folder: name something inside it"
                )));
            }
            match self.core.artifacts.remove(path) {
                Ok(()) => {
                    let (now, old) = (self.core.now(), path.to_string());
                    return self.core.store.write(move |transaction| {
                        let object = format!("artifact:{old}");
                        audit::by_actor(
                            transaction,
                            now,
                            "delete_artifact",
                            object,
                            Some(&old),
                            None,
                        )
                    });
                }
                Err(error) => {
                    refused.get_or_insert(error);
                }
            }
        }
        Err(refused.unwrap_or_else(|| Error::invalid("an artifact needs a name")))
    }

    /// Every file below an artifact URI of this workspace, with its size, sorted; none when it lies elsewhere.
    pub fn artifact_tree(&self, uri: &str) -> Result<Vec<(String, u64)>> {
        match self.artifact_folder(uri) {
            Ok(folder) => artifacts::tree(&folder, usize::MAX),
            Err(_) => Ok(Vec::new()),
        }
    }
}
