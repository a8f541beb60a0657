//! The files of a version: where they lie, what they take and give, whether they are what was registered.

use super::Registry;
use crate::domain::model::Signature;
use crate::domain::{Error, ModelName, Result, Version};
use crate::ml;
use crate::store::registry as rows;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

impl Registry {
    /// Where a version's model directory lies.
    pub fn directory(&self, model: &ModelName, version: Version) -> Result<PathBuf> {
        let uri = self.files_uri(model, version)?;
        self.tracking
            .artifact_folder(&uri)
            .map_err(|error| error.context(format!("files of {version} of `{model}`")))
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
        let reading = |error: std::io::Error| {
            Error::from(error).context(format!("reading `{}`", file.display()))
        };
        let mut content = std::fs::File::open(&file).map_err(reading)?;
        hash.update(name.as_os_str().as_encoded_bytes());
        hash.update([0]);
        hash.update(content.metadata().map_err(reading)?.len().to_le_bytes());
        let mut block = vec![0; 256 * 1024];
        loop {
            let count = content.read(&mut block).map_err(reading)?;
            if count == 0 {
                break;
            }
            hash.update(&block[..count]);
        }
    }
    Ok(hash
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}
