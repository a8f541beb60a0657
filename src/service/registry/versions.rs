//! Versions of models as clients change them: made of files that are there, described, tagged, staged, deleted.

use super::Registry;
use super::aliases::remove_aliases;
use super::changes::{as_described, check_tag, value_of};
use super::sources::Origin;
use crate::domain::run::Pair;
use crate::domain::{Error, Event, ModelName, Result, Seen, Version};
use crate::service::seen::{Edited, unchanged};
use crate::service::tracking::logged_models;
use crate::store::audit;
use crate::store::model_versions::{self, VersionFacts, VersionRecord};
use crate::store::registry::{self as rows, NewVersion};

/// MLflow's stages.
const STAGES: [&str; 4] = ["None", "Staging", "Production", "Archived"];
/// A version to be made of files that are there.
#[derive(Clone, Debug)]
pub struct NewModelVersion {
    /// Whose; the model must be there.
    pub model: ModelName,
    /// Where it comes from.
    pub origin: Origin,
    /// Link to its run elsewhere.
    pub run_link: String,
    /// Free text.
    pub description: String,
    /// Its first tags.
    pub tags: Vec<Pair>,
}

/// A stage by its name, case not counting.
pub(super) fn stage(name: &str) -> Result<&'static str> {
    STAGES
        .into_iter()
        .find(|stage| stage.eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            Error::invalid(format!(
                "`{name}` is no stage: it is one of {}",
                STAGES.join(", ")
            ))
        })
}

impl Registry {
    /// Makes the next version of a model that is there, of files in this workspace.
    pub fn create_version(&self, new: NewModelVersion, by: &str) -> Result<VersionRecord> {
        new.tags
            .iter()
            .try_for_each(|tag| check_tag(&tag.key, &tag.value))?;
        self.model(&new.model)?;
        let resolved = self.resolve_origin(&new.origin, &new.tags)?;
        let digest = self.digest_of(&resolved);
        let row = NewVersion {
            model: new.model.clone(),
            run: resolved.run.clone(),
            source: resolved.source.clone(),
            user: String::new(),
            digest,
            at: self.core.now(),
        };
        let facts = VersionFacts {
            description: new.description,
            run_link: new.run_link,
            location: resolved.location,
            logged_model: resolved
                .logged_model
                .as_ref()
                .map(|id| id.as_str().to_owned())
                .unwrap_or_default(),
        };
        let mut line = self.line(by, "register", &new.model, String::new());
        let (tags, logged_model) = (new.tags, resolved.logged_model);
        let version = self.core.store.write(move |transaction| {
            if rows::model(transaction, &row.model)?.is_none() {
                return Err(Error::not_found(format!(
                    "there is no registered model `{}`",
                    row.model
                )));
            }
            let version = rows::add_version(transaction, &row)?;
            model_versions::set_facts(transaction, &row.model, version, &facts)?;
            for tag in &tags {
                model_versions::set_tag(
                    transaction,
                    &row.model,
                    version,
                    &tag.key,
                    Some(&tag.value),
                )?;
            }
            if let Some(id) = &logged_model {
                logged_models::note_version(transaction, id, row.model.as_str(), version.0)?;
            }
            line.detail = format!("{version} from {}", row.source);
            audit::add(transaction, &line)?;
            Ok(version)
        })?;
        self.told(&new.model);
        if let Some(run) = resolved.run {
            self.core.bus.emit(Event::RunChanged { run });
        }
        self.record(&new.model, version)
    }

    /// One version as clients see it.
    pub fn record(&self, model: &ModelName, version: Version) -> Result<VersionRecord> {
        self.version(model, version)?;
        self.core
            .store
            .read(|view| model_versions::get(view, model, version))?
            .ok_or_else(|| {
                Error::not_found(format!("model `{model}` has no version `{}`", version.0))
            })
    }

    /// Changes a version's description; refused when it is not the one that the asker has `seen`.
    pub fn describe_version(
        &self,
        model: &ModelName,
        version: Version,
        text: &str,
        by: &str,
        seen: Option<Seen<String>>,
    ) -> Result<VersionRecord> {
        let line = self.line(by, "describe_version", model, version.to_string());
        let (at, text) = (line.at, text.to_owned());
        self.change_version(model, version, line, move |transaction, line, found| {
            let edited = Edited {
                what: &format!("the description of {} of `{}`", found.version, found.model),
                object: &line.object,
                action: &line.action,
                detail: &line.detail,
            };
            as_described(transaction, &edited, seen, &found.description)?;
            model_versions::describe(transaction, &found.model, found.version, &text, at)?;
            Ok((Some(found.description.clone()), Some(text)))
        })
    }

    /// Sets (some value) or removes (none) a version's tag; removing one that is not there changes nothing. Refused when it
    /// is not what the asker has `seen`.
    pub fn tag_version(
        &self,
        model: &ModelName,
        version: Version,
        key: &str,
        value: Option<String>,
        by: &str,
        seen: Option<Seen<String>>,
    ) -> Result<()> {
        check_tag(key, value.as_deref().unwrap_or_default())?;
        let line = self.line(by, "tag_version", model, format!("{version} {key}"));
        let key = key.to_owned();
        self.change_version(model, version, line, move |transaction, line, found| {
            let before = value_of(&found.tags, &key);
            let edited = Edited {
                what: &format!("tag `{key}` of {} of `{}`", found.version, found.model),
                object: &line.object,
                action: &line.action,
                detail: &line.detail,
            };
            unchanged(transaction, &edited, seen.as_ref(), before.as_deref())?;
            model_versions::set_tag(
                transaction,
                &found.model,
                found.version,
                &key,
                value.as_deref(),
            )?;
            Ok((before, value))
        })?;
        Ok(())
    }

    /// Moves a version to a stage; with `archive`, the others in `Staging` or `Production` make room. Refused when it is
    /// not in the stage that the asker has `seen`.
    pub fn set_stage(
        &self,
        model: &ModelName,
        version: Version,
        name: &str,
        archive: bool,
        by: &str,
        seen: Option<Seen<String>>,
    ) -> Result<VersionRecord> {
        let stage = stage(name)?;
        if archive && !matches!(stage, "Staging" | "Production") {
            return Err(Error::invalid(format!(
                "versions in `{stage}` are not archived: only those in `Staging` and `Production` are"
            )));
        }
        let line = self.line(by, "set_stage", model, format!("{version} to {stage}"));
        let at = line.at;
        self.change_version(model, version, line, move |transaction, line, found| {
            let now = match found.stage.as_str() {
                "" => STAGES[0],
                now => now,
            };
            let edited = Edited {
                what: &format!("the stage of {} of `{}`", found.version, found.model),
                object: &line.object,
                action: &line.action,
                detail: &format!("{version} to {now}"),
            };
            unchanged(transaction, &edited, seen.as_ref(), Some(now))?;
            model_versions::set_stage(
                transaction,
                &found.model,
                found.version,
                stage,
                archive,
                at,
            )?;
            Ok((Some(found.stage.clone()), Some(stage.to_owned())))
        })
    }

    /// Deletes a version; aliases that name it vanish with it, each as a move of its own.
    pub fn remove_version(&self, model: &ModelName, version: Version, by: &str) -> Result<()> {
        let found = self.version(model, version)?;
        let line = self.line(by, "delete_version", model, version.to_string());
        let name = model.clone();
        let moved = self.core.store.write(move |transaction| {
            let moved = remove_aliases(
                transaction,
                &name,
                found.aliases.into_iter(),
                &line,
                "the version was deleted",
            )?;
            rows::delete_version(transaction, &name, version, line.at)?;
            audit::add(transaction, &line)?;
            Ok(moved)
        })?;
        self.tell_moves(&moved);
        self.told(model);
        Ok(())
    }
}
