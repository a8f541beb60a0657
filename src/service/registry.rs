//! Models, versions, aliases with their history, the gate's record, promotion and roll-back.
//! What a promotion would change is `promotion`'s affair; what answers callers is `serving`'s.

mod aliases;
mod changes;
mod files;
mod find;
mod lineage;
mod models;
mod moves;
mod names;
mod pages;
mod sources;
mod versions;

pub use crate::store::model_versions::VersionRecord;
pub use files::directory_digest;
pub use find::ModelRecord;
pub use moves::move_text;
pub use sources::Origin;
pub use versions::NewModelVersion;

use names::check_name;

use super::Core;
use super::tracking::Tracking;
use crate::domain::model::Signature;
use crate::domain::registry::{CHAMPION, ModelVersion, RegisteredModel};
use crate::domain::trigger::Verdict;
use crate::domain::{Error, Event, ModelName, Result, RunId, Version};
use crate::store::audit::{self, AuditLine};
use crate::store::registry::{self as rows, NewVersion};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// See the module's text.
pub struct Registry {
    core: Arc<Core>,
    tracking: Tracking,
    /// Signatures of versions that were looked at: files of a version never change.
    signatures: Mutex<HashMap<(ModelName, Version), Signature>>,
}

impl Registry {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            tracking: Tracking::new(Arc::clone(&core)),
            core,
            signatures: Mutex::default(),
        }
    }

    /// Makes a version from the model directory among a run's artifacts (`model`); the model is made when new.
    /// Registering the same run for the same model again answers the version there is.
    pub fn register(&self, run: &RunId, model: &ModelName, user: &str) -> Result<ModelVersion> {
        check_name(model)?;
        let record = self.tracking.run(run)?;
        let directory = self.tracking.artifact_path(run, "model")?;
        if !directory.is_dir() {
            return Err(Error::not_found(format!(
                "run `{run}` has no artifact folder `model`: only runs that logged a model can be registered"
            )));
        }
        let new = NewVersion {
            model: model.clone(),
            run: Some(run.clone()),
            source: format!("{}/model", record.artifact_uri),
            user: user.to_owned(),
            digest: directory_digest(&directory)?,
            at: self.core.now(),
        };
        let (version, made) = self.core.store.write(move |transaction| {
            let run = new.run.as_ref();
            let there = match run {
                Some(run) => rows::version_of_run(transaction, &new.model, run)?,
                None => None,
            };
            if let Some(version) = there {
                return Ok((version, false));
            }
            rows::ensure_model(transaction, &new.model, new.at)?;
            let version = rows::add_version(transaction, &new)?;
            let line = AuditLine {
                at: new.at,
                by: new.user.clone(),
                action: "register".into(),
                object: object(&new.model),
                detail: format!("{version} from {}", new.source),
            };
            audit::add(transaction, &line)?;
            Ok((version, true))
        })?;
        if made {
            self.core.bus.emit(Event::RegistryChanged {
                model: model.clone(),
            });
            self.core.bus.emit(Event::RunChanged { run: run.clone() });
        }
        self.version(model, version)
    }

    /// The version that an alias names.
    pub fn resolve(&self, model: &ModelName, alias: &str) -> Result<Option<Version>> {
        self.core
            .store
            .read(|connection| rows::alias(connection, model, alias))
    }

    /// One version.
    pub fn version(&self, model: &ModelName, version: Version) -> Result<ModelVersion> {
        let (found, latest, known) = self.core.store.read(|connection| {
            Ok((
                rows::version(connection, model, version)?,
                rows::latest(connection, model)?,
                rows::model(connection, model)?.is_some(),
            ))
        })?;
        found.ok_or_else(|| {
            Error::not_found(match latest {
                Some(latest) => format!(
                    "model `{model}` has no version `{}`; its newest is `{}`",
                    version.0, latest.0
                ),
                None if known => format!("model `{model}` has no version `{}`", version.0),
                None => format!("there is no registered model `{model}`"),
            })
        })
    }

    /// `name`, `name@alias` or `name/3` -> model and version.
    pub fn parse(&self, text: &str) -> Result<(ModelName, Version)> {
        if let Some((name, number)) = text.split_once('/') {
            let number = number
                .trim_start_matches('v')
                .parse()
                .map_err(|_| {
                    Error::invalid(format!(
                        "`{text}` does not name a model: `{number}` is not a version number; write `name`, `name@alias` or `name/3`"
                    ))
                })?;
            let model = ModelName::from(name);
            let version = self.version(&model, Version(number))?.version;
            return Ok((model, version));
        }
        let (name, alias) = text.split_once('@').unwrap_or((text, CHAMPION));
        let model = ModelName::from(name);
        match self.resolve(&model, alias)? {
            Some(version) => Ok((model, version)),
            None => {
                let known = self.model(&model)?;
                let aliases: Vec<String> = known
                    .aliases
                    .iter()
                    .map(|(alias, _)| format!("`{alias}`"))
                    .collect();
                Err(Error::not_found(format!(
                    "model `{model}` has no alias `{alias}`; {}",
                    if aliases.is_empty() {
                        format!("promote a version first, or name one: `{model}/1`")
                    } else {
                        format!("its aliases are {}", aliases.join(", "))
                    }
                )))
            }
        }
    }

    /// One model.
    pub fn model(&self, model: &ModelName) -> Result<RegisteredModel> {
        self.core
            .store
            .read(|connection| rows::model(connection, model))?
            .ok_or_else(|| Error::not_found(format!("there is no registered model `{model}`")))
    }

    /// The versions of a model, newest first.
    pub fn versions(&self, model: &ModelName) -> Result<Vec<Version>> {
        let versions = self
            .core
            .store
            .read(|connection| rows::versions(connection, model))?;
        Ok(versions.into_iter().map(|one| one.version).collect())
    }

    /// Keeps what the gate said about a version.
    pub fn record_gate(&self, model: &ModelName, version: Version, verdict: Verdict) -> Result<()> {
        self.version(model, version)?;
        let at = self.core.now();
        let name = model.clone();
        self.core.store.write(move |transaction| {
            rows::record_gate(transaction, &name, version, &verdict, at)
        })?;
        self.core.bus.emit(Event::RegistryChanged {
            model: model.clone(),
        });
        Ok(())
    }

    /// Deletes a version; its number is never used again. A version that an alias names stays.
    pub fn delete_version(&self, model: &ModelName, version: Version, by: &str) -> Result<()> {
        let found = self.version(model, version)?;
        if !found.aliases.is_empty() {
            return Err(Error::conflict(format!(
                "{version} of `{model}` is named by `{}`: move the alias first",
                found.aliases.join("`, `")
            )));
        }
        let line = AuditLine {
            at: self.core.now(),
            by: by.to_owned(),
            action: "delete_version".into(),
            object: object(model),
            detail: version.to_string(),
        };
        let name = model.clone();
        self.core.store.write(move |transaction| {
            rows::delete_version(transaction, &name, version, line.at)?;
            audit::add(transaction, &line)
        })?;
        self.core.bus.emit(Event::RegistryChanged {
            model: model.clone(),
        });
        Ok(())
    }
}

fn object(model: &ModelName) -> String {
    format!("model:{model}")
}
