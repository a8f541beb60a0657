//! Models, versions, aliases with their history, the gate's record, promotion and roll-back.
//! What a promotion would change is `promotion`'s affair; what answers callers is `serving`'s.

mod changes;
mod find;
mod sources;

pub use changes::NewModelVersion;
pub use find::ModelRecord;
pub use sources::Origin;

pub use crate::store::model_versions::VersionRecord;

use super::tracking::Tracking;
use super::{Core, Services, promotion};
use crate::domain::model::Signature;
use crate::domain::registry::{
    AliasMove, CHAMPION, LineageLine, ModelPage, ModelRow, ModelVersion, MoveKind, PromotionPage,
    RegisteredModel, VersionRow,
};
use crate::domain::trigger::{Check, Gate, Verdict};
use crate::domain::{Error, Event, ModelName, Result, RunId, Version};
use crate::ml;
use crate::store::audit::{self, AuditLine};
use crate::store::registry::{self as rows, NewMove, NewVersion};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

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

    /// The gate's checks that need what was served: inputs like production, files intact. The pipeline adds them to
    /// those of `ml::gate::decide`.
    pub fn production_checks(
        &self,
        model: &ModelName,
        version: Version,
        gate: &Gate,
    ) -> Result<Vec<Check>> {
        promotion::production_checks(&self.core, self, model, version, gate)
    }

    /// SHA-256 over a version's files when it was registered; empty when unknown.
    pub fn digest(&self, model: &ModelName, version: Version) -> Result<String> {
        self.core
            .store
            .read(|connection| rows::digest(connection, model, version))
    }

    /// Moves `champion` to `version` when the gate's record allows it, or with `force` and a reason. One transaction with its audit row.
    pub fn promote(
        &self,
        model: &ModelName,
        version: Version,
        by: &str,
        force: bool,
        reason: &str,
    ) -> Result<AliasMove> {
        let target = self.version(model, version)?;
        let passed = match &target.gate {
            Some((verdict, _)) => verdict.passed,
            None => false,
        };
        if !passed && !force {
            return Err(Error::conflict(match &target.gate {
                Some((verdict, _)) => {
                    let failing: Vec<String> = verdict
                        .checks
                        .iter()
                        .filter(|check| !check.passed)
                        .map(|check| format!("{}: {}", check.name, check.detail))
                        .collect();
                    format!(
                        "the gate holds {version} of `{model}`: {} ({}); force it with a reason",
                        verdict.sentence(),
                        failing.join("; ")
                    )
                }
                None => format!(
                    "no gate has looked at {version} of `{model}`: run its pipeline, or force it with a reason"
                ),
            }));
        }
        if !passed && reason.trim().is_empty() {
            return Err(Error::invalid(format!(
                "promoting {version} of `{model}` against the gate needs a reason"
            )));
        }
        self.move_alias(NewMove {
            model: model.clone(),
            alias: CHAMPION.into(),
            to: Some(version),
            kind: if passed {
                MoveKind::Promoted
            } else {
                MoveKind::Forced
            },
            at: self.core.now(),
            by: by.to_owned(),
            reason: reason.trim().to_owned(),
        })
    }

    /// Where a roll-back goes: to `to`, or to where the last move of `champion` came from.
    pub fn rollback_target(&self, model: &ModelName, to: Option<Version>) -> Result<Version> {
        if let Some(version) = to {
            return Ok(self.version(model, version)?.version);
        }
        let last = self
            .core
            .store
            .read(|connection| rows::moves(connection, model, Some(CHAMPION), 1))?
            .into_iter()
            .next();
        let Some(last) = last else {
            self.model(model)?;
            return Err(Error::conflict(format!(
                "`{CHAMPION}` of `{model}` has never moved: there is nothing to go back to"
            )));
        };
        let Some(version) = last.from else {
            return Err(Error::conflict(format!(
                "`{CHAMPION}` of `{model}` named no version before: there is nothing to go back to"
            )));
        };
        match self.version(model, version) {
            Ok(found) => Ok(found.version),
            Err(error) if error.kind == crate::domain::ErrorKind::NotFound => {
                Err(Error::conflict(format!(
                    "{version} of `{model}`, where `{CHAMPION}` came from, is deleted: name a version to go back to"
                )))
            }
            Err(error) => Err(error),
        }
    }

    /// Moves `champion` back: to `to`, or to where the last move came from.
    pub fn rollback(&self, model: &ModelName, to: Option<Version>, by: &str) -> Result<AliasMove> {
        let version = self.rollback_target(model, to)?;
        self.move_alias(NewMove {
            model: model.clone(),
            alias: CHAMPION.into(),
            to: Some(version),
            kind: MoveKind::RolledBack,
            at: self.core.now(),
            by: by.to_owned(),
            reason: String::new(),
        })
    }

    /// Sets or removes any other alias.
    pub fn set_alias(
        &self,
        model: &ModelName,
        alias: &str,
        version: Option<Version>,
        by: &str,
    ) -> Result<AliasMove> {
        check_alias(alias)?;
        match version {
            Some(version) => {
                self.version(model, version)?;
            }
            None => {
                if self.resolve(model, alias)?.is_none() {
                    return Err(Error::not_found(format!(
                        "model `{model}` has no alias `{alias}`"
                    )));
                }
            }
        }
        self.move_alias(NewMove {
            model: model.clone(),
            alias: alias.to_owned(),
            to: version,
            kind: MoveKind::Set,
            at: self.core.now(),
            by: by.to_owned(),
            reason: String::new(),
        })
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

    /// Alias, history line and audit row in one transaction; the events after it.
    fn move_alias(&self, new: NewMove) -> Result<AliasMove> {
        let moved = self.core.store.write(move |transaction| {
            let now = rows::alias(transaction, &new.model, &new.alias)?;
            if now == new.to {
                return Err(Error::conflict(match now {
                    Some(version) => {
                        format!("`{}` of `{}` already names {version}", new.alias, new.model)
                    }
                    None => format!("`{}` of `{}` names nothing", new.alias, new.model),
                }));
            }
            if let Some(version) = new.to
                && rows::version(transaction, &new.model, version)?.is_none()
            {
                return Err(Error::not_found(format!(
                    "model `{}` has no version `{}`",
                    new.model, version.0
                )));
            }
            let moved = rows::move_alias(transaction, &new)?;
            let line = AuditLine {
                at: moved.at,
                by: moved.by.clone(),
                action: match moved.kind {
                    MoveKind::Promoted => "promote",
                    MoveKind::Forced => "promote_forced",
                    MoveKind::RolledBack => "rollback",
                    MoveKind::Set => "set_alias",
                }
                .into(),
                object: object(&moved.model),
                detail: move_text(&moved),
            };
            audit::add(transaction, &line)?;
            Ok(moved)
        })?;
        self.core.bus.emit(Event::AliasMoved {
            model: moved.model.clone(),
            alias: moved.alias.clone(),
            from: moved.from,
            to: moved.to,
            by: moved.by.clone(),
        });
        self.core.bus.emit(Event::RegistryChanged {
            model: moved.model.clone(),
        });
        self.core.bus.emit(Event::Notice {
            at: moved.at,
            level: "info".into(),
            text: format!("{}: {} ({})", moved.model, move_text(&moved), moved.by),
        });
        Ok(moved)
    }

    /// Moves of a model's aliases, newest first.
    pub fn history(&self, model: &ModelName) -> Result<Vec<AliasMove>> {
        self.model(model)?;
        self.core
            .store
            .read(|connection| rows::moves(connection, model, None, 10_000))
    }

    /// All models.
    pub fn models(&self, services: &Services) -> Result<Vec<ModelRow>> {
        let deployments = services.serving.deployments()?;
        self.core.store.read(|connection| {
            rows::names(connection)?
                .into_iter()
                .map(|name| {
                    Ok(ModelRow {
                        champion: rows::alias(connection, &name, CHAMPION)?,
                        latest: rows::latest(connection, &name)?,
                        serving: deployments
                            .iter()
                            .any(|one| one.model == name && one.version.is_some()),
                        name,
                    })
                })
                .collect()
        })
    }

    /// The versions of a model, newest first.
    pub fn versions(&self, model: &ModelName) -> Result<Vec<Version>> {
        let versions = self
            .core
            .store
            .read(|connection| rows::versions(connection, model))?;
        Ok(versions.into_iter().map(|one| one.version).collect())
    }

    /// The metric that the gate of a model's pipeline looks at.
    pub fn metric(&self, model: &ModelName) -> Option<String> {
        self.core
            .config()
            .pipelines
            .iter()
            .find(|pipeline| pipeline.model == *model)
            .map(|pipeline| pipeline.gate.metric.clone())
            .filter(|metric| !metric.is_empty())
    }

    /// The registry pane's page of a model.
    pub fn page(&self, services: &Services, model: &ModelName) -> Result<ModelPage> {
        let registered = self.model(model)?;
        let (versions, history) = self.core.store.read(|connection| {
            Ok((
                rows::versions(connection, model)?,
                rows::moves(connection, model, None, 100)?,
            ))
        })?;
        let champions = self
            .core
            .store
            .read(|connection| rows::moves(connection, model, Some(CHAMPION), 10_000))?;
        let deployments = services.serving.deployments()?;
        let mut lines = Vec::with_capacity(versions.len());
        let mut lineage = Vec::with_capacity(versions.len());
        for version in versions {
            let run = match &version.run {
                Some(run) => self.tracking.run(run).ok(),
                None => None,
            };
            let mut facts = Vec::new();
            let mut fact = |kind: &str, value: String| {
                facts.push(LineageLine {
                    kind: kind.into(),
                    value,
                });
            };
            if let Some(run) = &run {
                for input in &run.inputs {
                    let digest: String = input.digest.chars().take(12).collect();
                    fact("data", format!("{} sha256 {digest}…", input.name));
                }
            }
            if let Ok(signature) = self.signature(model, version.version) {
                let names: Vec<&str> = signature
                    .inputs
                    .iter()
                    .map(|input| input.name.as_str())
                    .collect();
                fact("features", format!("{}: {}", names.len(), names.join(", ")));
            }
            if let Some(run) = &run {
                let id: String = run.id.as_str().chars().take(8).collect();
                fact("run", format!("{} {id} by {}", run.name, run.user));
                let code = [
                    "mlflow.source.git.commit",
                    "mlflow.source.name",
                    "mlflow.project.entryPoint",
                ];
                let code: Vec<&str> = code.iter().filter_map(|key| run.tag(key)).collect();
                if !code.is_empty() {
                    fact("code", code.join(" "));
                }
                for tag in &run.tags {
                    if let Some(what) = tag.key.strip_prefix("trainyard.environment") {
                        let what = what.trim_start_matches('.');
                        let value = format!("{what} {}", tag.value);
                        fact("environment", value.trim().to_owned());
                    }
                }
            }
            let digest = self.digest(model, version.version)?;
            if !digest.is_empty() {
                let short: String = digest.chars().take(12).collect();
                fact("files", format!("sha256 {short}… {}", version.source));
            }
            for deployment in &deployments {
                if deployment.model == *model && deployment.version == Some(version.version) {
                    let since = deployment
                        .since
                        .map(|at| at.utc().format(" since %d %b %H:%M").to_string());
                    fact(
                        "serving",
                        format!("{}{}", deployment.name, since.unwrap_or_default()),
                    );
                }
            }
            let is_champion = version.aliases.iter().any(|alias| alias == CHAMPION);
            lines.push(VersionRow {
                was_champion: !is_champion
                    && champions
                        .iter()
                        .any(|moved| moved.to == Some(version.version)),
                run_name: run.as_ref().map(|run| run.name.clone()).unwrap_or_default(),
                metrics: run.map_or_else(BTreeMap::new, |run| {
                    run.metrics
                        .into_iter()
                        .map(|metric| (metric.key, crate::domain::metric::Number(metric.value)))
                        .collect()
                }),
                version,
            });
            lineage.push(facts);
        }
        Ok(ModelPage {
            metric: self.metric(model),
            model: registered,
            versions: lines,
            lineage,
            history,
        })
    }

    /// What a promotion (`rollback` false) or roll-back to `version` (none: the newest, or where the last move came from) changes.
    pub fn preview(
        &self,
        services: &Services,
        model: &ModelName,
        version: Option<Version>,
        rollback: bool,
    ) -> Result<PromotionPage> {
        let then = if rollback {
            self.rollback_target(model, version)?
        } else {
            match version {
                Some(version) => version,
                None => self
                    .core
                    .store
                    .read(|connection| rows::latest(connection, model))?
                    .ok_or_else(|| Error::not_found(format!("model `{model}` has no version")))?,
            }
        };
        promotion::preview(&self.core, services, model, then, rollback)
    }
}

fn object(model: &ModelName) -> String {
    format!("model:{model}")
}

/// "promoted v12", "rolled back v10 → v9", "challenger v3": how a move is told.
pub fn move_text(moved: &AliasMove) -> String {
    let number =
        |version: Option<Version>| version.map_or_else(|| "none".into(), |one| one.to_string());
    match moved.kind {
        MoveKind::Promoted => format!("promoted {}", number(moved.to)),
        MoveKind::Forced => format!("forced {}: {}", number(moved.to), moved.reason),
        MoveKind::RolledBack => {
            format!("rolled back {} → {}", number(moved.from), number(moved.to))
        }
        MoveKind::Set => match moved.to {
            Some(version) => format!("{} {version}", moved.alias),
            None => format!("{} removed from {}", moved.alias, number(moved.from)),
        },
    }
}

/// A model's name is a folder's name and part of URLs.
fn check_name(model: &ModelName) -> Result<()> {
    let name = model.as_str();
    if name.trim().is_empty()
        || name.starts_with('.')
        || name.contains(['/', ':', '\\', '@'])
        || name.chars().any(char::is_control)
    {
        return Err(Error::invalid(format!(
            "`{name}` cannot name a model: it must not be empty, begin with `.`, or contain `/`, `:`, `\\` or `@`"
        )));
    }
    Ok(())
}

fn check_alias(alias: &str) -> Result<()> {
    if alias == CHAMPION {
        return Err(Error::conflict(format!(
            "`{CHAMPION}` moves by promotion and roll-back only"
        )));
    }
    let reserved = alias == "latest"
        || alias.strip_prefix('v').is_some_and(|rest| {
            !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_digit())
        });
    let fits = !alias.is_empty()
        && alias
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_' || letter == '-');
    if reserved || !fits {
        return Err(Error::invalid(format!(
            "`{alias}` cannot be an alias: letters, digits, `_` and `-`, but not `latest` and not `v1`"
        )));
    }
    Ok(())
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
