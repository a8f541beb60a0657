//! The files of a version: where they lie, what they take and give, whether they are what was registered.

use super::Registry;
use crate::domain::model::Signature;
use crate::domain::{Error, ModelName, Result, Version};
use crate::ml;
use crate::store::registry as rows;
use sha2::{Digest, Sha256};
use std::path::{Component, Path, PathBuf};
use std::sync::PoisonError;

impl Registry {
    /// Where a version's model directory lies.
    pub fn directory(&self, model: &ModelName, version: Version) -> Result<PathBuf> {
        let source = self.version(model, version)?.source;
        let inside = source.strip_prefix("mlflow-artifacts:/").ok_or_else(|| {
            Error::invalid(format!(
                "{version} of `{model}` lies at `{source}`, which is not in this workspace"
            ))
        })?;
        let inside = Path::new(inside.trim_start_matches('/'));
        if !inside
            .components()
            .all(|part| matches!(part, Component::Normal(_)))
        {
            return Err(Error::invalid(format!(
                "the source `{source}` of {version} of `{model}` leaves the artifact folder"
            )));
        }
        Ok(self.core.workspace.artifacts().join(inside))
    }

    /// What a version takes and gives.
    pub fn signature(&self, model: &ModelName, version: Version) -> Result<Signature> {
        let key = (model.clone(), version);
        let known = self
            .signatures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key)
            .cloned();
        if let Some(signature) = known {
            return Ok(signature);
        }
        let signature = ml::model_file::load(&self.directory(model, version)?)?.signature;
        self.signatures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(key, signature.clone());
        Ok(signature)
    }

    /// SHA-256 over a version's files when it was registered; empty when unknown.
    pub fn digest(&self, model: &ModelName, version: Version) -> Result<String> {
        self.core
            .store
            .read(|connection| rows::digest(connection, model, version))
    }
}

/// SHA-256 over a folder's files: each one's path, length and bytes, sorted by path.
pub fn directory_digest(directory: &Path) -> Result<String> {
    let mut files = Vec::new();
    let mut folders = vec![directory.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let name = file.strip_prefix(directory).unwrap_or(&file);
        let bytes = std::fs::read(&file)
            .map_err(|error| Error::from(error).context(format!("reading `{}`", file.display())))?;
        hash.update(name.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update((bytes.len() as u64).to_le_bytes());
        hash.update(&bytes);
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
