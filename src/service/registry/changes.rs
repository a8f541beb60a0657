//! What MLflow's clients change: models, versions, tags, descriptions, stages, and aliases, whose moves are the same
//! as those that people make: written down with who and when, told to everybody, followed by deployments.

use super::sources::Origin;
use super::{CHAMPION, Registry, check_name, object};
use crate::domain::registry::{AliasMove, ModelVersion, MoveKind, RegisteredModel};
use crate::domain::run::Pair;
use crate::domain::{Error, Event, ModelName, Result, Seen, Version};
use crate::service::seen::{Edited, unchanged};
use crate::service::tracking::{limits, logged_models};
use crate::store::audit::{self, AuditLine};
use crate::store::conditions::PROMPT;
use crate::store::model_versions::{self, VersionFacts, VersionRecord};
use crate::store::registry::{self as rows, NewMove, NewVersion};
use crate::store::{Transaction, registered_models};

/// MLflow's stages.
const STAGES: [&str; 4] = ["None", "Staging", "Production", "Archived"];
/// Characters of a tag's value.
const TAG_VALUE: usize = 100_000;
/// Characters of a model's name, or of an alias.
const NAME: usize = 255;

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

/// What was and what is, for the audit.
type Told = (Option<String>, Option<String>);

fn value_of(tags: &[(String, String)], key: &str) -> Option<String> {
    tags.iter()
        .find(|(known, _)| known == key)
        .map(|(_, value)| value.clone())
}

/// Whether tags say that a model is a prompt.
pub(super) fn is_prompt(tags: &[Pair]) -> bool {
    tags.iter()
        .rev()
        .find(|tag| tag.key == PROMPT)
        .is_some_and(|tag| tag.value.eq_ignore_ascii_case("true"))
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

fn check_tag(key: &str, value: &str) -> Result<()> {
    limits::key("tag", key)?;
    let length = value.chars().count();
    if length > TAG_VALUE {
        return Err(Error::invalid(format!(
            "the value of tag `{key}` has {length} characters, at most {TAG_VALUE} are allowed"
        )));
    }
    Ok(())
}

/// What may be an alias: words, and none that MLflow reads as a version.
fn check_alias_word(alias: &str) -> Result<()> {
    let fits = !alias.is_empty()
        && alias.chars().count() <= NAME
        && alias
            .chars()
            .all(|letter| letter.is_alphanumeric() || letter == '_' || letter == '-');
    if !fits {
        return Err(Error::invalid(format!(
            "`{alias}` cannot be an alias: 1 to {NAME} letters, digits, `_` and `-`"
        )));
    }
    Ok(())
}

fn check_new_alias(alias: &str) -> Result<()> {
    check_alias_word(alias)?;
    let version = alias
        .strip_prefix(['v', 'V'])
        .is_some_and(|rest| !rest.is_empty() && rest.chars().all(|letter| letter.is_ascii_digit()));
    if version || alias.eq_ignore_ascii_case("latest") {
        return Err(Error::invalid(format!(
            "`{alias}` cannot be an alias: `latest` and `v1` mean versions"
        )));
    }
    Ok(())
}

/// As [`unchanged`]; no description and an empty one are the same.
fn as_described(
    transaction: &Transaction<'_>,
    edited: &Edited<'_>,
    seen: Option<Seen<String>>,
    now: &str,
) -> Result<()> {
    let seen = seen.map(|seen| Seen::of(seen.was.filter(|text| !text.is_empty())));
    let now = Some(now).filter(|text| !text.is_empty());
    unchanged(transaction, edited, seen.as_ref(), now)
}

fn unknown_alias(model: &ModelName, alias: &str) -> Error {
    Error::invalid(format!("model `{model}` has no alias `{alias}`"))
}

impl Registry {
    fn line(&self, by: &str, action: &str, model: &ModelName, detail: String) -> AuditLine {
        AuditLine {
            at: self.core.now(),
            by: by.to_owned(),
            action: action.to_owned(),
            object: object(model),
            detail,
        }
    }

    fn told(&self, model: &ModelName) {
        self.core.bus.emit(Event::RegistryChanged {
            model: model.clone(),
        });
    }

    /// One change of a model that is there, with its audit row; the event after it.
    fn change_model(
        &self,
        model: &ModelName,
        line: AuditLine,
        change: impl FnOnce(&Transaction<'_>, &AuditLine, &RegisteredModel) -> Result<Told>
        + Send
        + 'static,
    ) -> Result<()> {
        self.model(model)?;
        let name = model.clone();
        self.core.store.write(move |transaction| {
            let Some(found) = rows::model(transaction, &name)? else {
                return Err(Error::not_found(format!(
                    "there is no registered model `{name}`"
                )));
            };
            let (old, new) = change(transaction, &line, &found)?;
            audit::change(transaction, &line, old.as_deref(), new.as_deref())
        })?;
        self.told(model);
        Ok(())
    }

    /// A deployment's configuration names the model: it must not vanish from under it.
    fn not_deployed(&self, model: &ModelName) -> Result<()> {
        match self
            .core
            .config()
            .deployments
            .iter()
            .find(|deployment| deployment.model == *model)
        {
            Some(deployment) => Err(Error::conflict(format!(
                "deployment `{}` answers with model `{model}`: take it out of trainyard.toml first",
                deployment.name
            ))),
            None => Ok(()),
        }
    }

    /// Makes a model without versions; the name must be free.
    pub fn create_model(
        &self,
        model: &ModelName,
        description: &str,
        tags: Vec<Pair>,
        by: &str,
    ) -> Result<RegisteredModel> {
        check_name(model)?;
        if model.as_str().chars().count() > NAME {
            return Err(Error::invalid(format!(
                "a model's name has at most {NAME} characters"
            )));
        }
        tags.iter()
            .try_for_each(|tag| check_tag(&tag.key, &tag.value))?;
        let line = self.line(by, "create_model", model, String::new());
        let (name, description) = (model.clone(), description.to_owned());
        self.core.store.write(move |transaction| {
            if !rows::ensure_model(transaction, &name, line.at)? {
                return Err(Error::already_exists(format!("model `{name}` exists")));
            }
            if !description.is_empty() {
                registered_models::describe(transaction, &name, &description, line.at)?;
            }
            for tag in &tags {
                registered_models::set_tag(transaction, &name, &tag.key, Some(&tag.value))?;
            }
            audit::add(transaction, &line)
        })?;
        self.told(model);
        self.model(model)
    }

    /// Changes a model's description; refused when it is not the one that the asker has `seen`.
    pub fn describe_model(
        &self,
        model: &ModelName,
        text: &str,
        by: &str,
        seen: Option<Seen<String>>,
    ) -> Result<RegisteredModel> {
        let line = self.line(by, "describe_model", model, String::new());
        let (at, text) = (line.at, text.to_owned());
        self.change_model(model, line, move |transaction, line, found| {
            let edited = Edited {
                what: &format!("the description of `{}`", found.name),
                object: &line.object,
                action: &line.action,
                detail: &line.detail,
            };
            as_described(transaction, &edited, seen, &found.description)?;
            registered_models::describe(transaction, &found.name, &text, at)?;
            Ok((Some(found.description.clone()), Some(text)))
        })?;
        self.model(model)
    }

    /// Sets (some value) or removes (none) a model's tag; removing one that is not there changes nothing. Refused when it
    /// is not what the asker has `seen`.
    pub fn tag_model(
        &self,
        model: &ModelName,
        key: &str,
        value: Option<String>,
        by: &str,
        seen: Option<Seen<String>>,
    ) -> Result<()> {
        check_tag(key, value.as_deref().unwrap_or_default())?;
        let line = self.line(by, "tag_model", model, key.to_owned());
        let key = key.to_owned();
        self.change_model(model, line, move |transaction, line, found| {
            let before = value_of(&found.tags, &key);
            let edited = Edited {
                what: &format!("tag `{key}` of `{}`", found.name),
                object: &line.object,
                action: &line.action,
                detail: &line.detail,
            };
            unchanged(transaction, &edited, seen.as_ref(), before.as_deref())?;
            registered_models::set_tag(transaction, &found.name, &key, value.as_deref())?;
            Ok((before, value))
        })
    }

    /// Renames a model; its versions and aliases go with it, and its aliases' history begins anew.
    pub fn rename_model(
        &self,
        model: &ModelName,
        to: &ModelName,
        by: &str,
    ) -> Result<RegisteredModel> {
        check_name(to)?;
        if model == to {
            return self.model(model);
        }
        let whole = self.model(model)?;
        self.not_deployed(model)?;
        let line = self.line(by, "rename_model", model, format!("to `{to}`"));
        let (from, name) = (model.clone(), to.clone());
        self.core.store.write(move |transaction| {
            if rows::model(transaction, &name)?.is_some() {
                return Err(Error::already_exists(format!("model `{name}` exists")));
            }
            registered_models::rename(transaction, &from, &name, line.at)?;
            // What the aliases name now is the first line of the new history.
            for (alias, version) in whole.aliases {
                rows::note_move(
                    transaction,
                    &NewMove {
                        model: name.clone(),
                        alias,
                        to: Some(version),
                        kind: MoveKind::Set,
                        at: line.at,
                        by: line.by.clone(),
                        reason: format!("the model was called `{from}`"),
                    },
                    None,
                )?;
            }
            audit::add(transaction, &line)
        })?;
        self.forget_signatures(model);
        self.told(model);
        self.told(to);
        self.model(to)
    }

    /// Deletes a model with its versions and aliases; the name is free again. One that a deployment names stays.
    pub fn delete_model(&self, model: &ModelName, by: &str) -> Result<()> {
        let whole = self.model(model)?;
        self.not_deployed(model)?;
        let versions = self.versions(model)?.len();
        let line = self.line(by, "delete_model", model, format!("{versions} versions"));
        let name = model.clone();
        let moved = self.core.store.write(move |transaction| {
            let moved = remove_aliases(
                transaction,
                &name,
                whole.aliases.into_iter().map(|(alias, _)| alias),
                &line,
                "the model was deleted",
            )?;
            registered_models::delete(transaction, &name)?;
            audit::add(transaction, &line)?;
            Ok(moved)
        })?;
        self.forget_signatures(model);
        self.tell_moves(&moved);
        self.told(model);
        Ok(())
    }

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

    /// One change of a version that is there, with its audit row; the event after it.
    fn change_version(
        &self,
        model: &ModelName,
        version: Version,
        line: AuditLine,
        change: impl FnOnce(&Transaction<'_>, &AuditLine, &ModelVersion) -> Result<Told>
        + Send
        + 'static,
    ) -> Result<VersionRecord> {
        let name = model.clone();
        self.version(model, version)?;
        self.core.store.write(move |transaction| {
            let Some(found) = rows::version(transaction, &name, version)? else {
                return Err(Error::not_found(format!(
                    "model `{name}` has no version `{}`",
                    version.0
                )));
            };
            let (old, new) = change(transaction, &line, &found)?;
            audit::change(transaction, &line, old.as_deref(), new.as_deref())
        })?;
        self.told(model);
        self.record(model, version)
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

    /// Points an alias, `champion` as any other, at a version; where it points there already, nothing happens.
    pub fn point_alias(
        &self,
        model: &ModelName,
        alias: &str,
        version: Version,
        by: &str,
    ) -> Result<()> {
        check_new_alias(alias)?;
        self.version(model, version)?;
        if self.resolve(model, alias)? == Some(version) {
            return Ok(());
        }
        let new = NewMove {
            model: model.clone(),
            alias: alias.to_owned(),
            to: Some(version),
            kind: MoveKind::Set,
            at: self.core.now(),
            by: by.to_owned(),
            reason: match alias {
                CHAMPION => "set by a client, past the gate".to_owned(),
                _ => String::new(),
            },
        };
        self.move_alias(new, None)?;
        Ok(())
    }

    /// Removes an alias; where there is none, nothing happens.
    pub fn drop_alias(&self, model: &ModelName, alias: &str, by: &str) -> Result<()> {
        check_alias_word(alias)?;
        self.model(model)?;
        if self.resolve(model, alias)?.is_none() {
            return Ok(());
        }
        let new = NewMove {
            model: model.clone(),
            alias: alias.to_owned(),
            to: None,
            kind: MoveKind::Set,
            at: self.core.now(),
            by: by.to_owned(),
            reason: String::new(),
        };
        self.move_alias(new, None)?;
        Ok(())
    }

    /// The version that an alias names; `latest` names the newest. An unknown alias is invalid, as MLflow has it.
    pub fn record_by_alias(&self, model: &ModelName, alias: &str) -> Result<VersionRecord> {
        check_alias_word(alias)?;
        self.model(model)?;
        let version = if alias.eq_ignore_ascii_case("latest") {
            self.core
                .store
                .read(|view| rows::latest(view, model))?
                .ok_or_else(|| Error::not_found(format!("model `{model}` has no version")))?
        } else {
            self.resolve(model, alias)?
                .ok_or_else(|| unknown_alias(model, alias))?
        };
        self.record(model, version)
    }

    fn forget_signatures(&self, model: &ModelName) {
        self.signatures
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .retain(|(name, _), _| name != model);
    }

    fn tell_moves(&self, moves: &[AliasMove]) {
        for moved in moves {
            self.core.bus.emit(Event::AliasMoved {
                model: moved.model.clone(),
                alias: moved.alias.clone(),
                from: moved.from,
                to: moved.to,
                by: moved.by.clone(),
            });
        }
    }
}

/// Removes aliases, each as a move with its audit row.
fn remove_aliases(
    transaction: &Transaction<'_>,
    model: &ModelName,
    aliases: impl Iterator<Item = String>,
    line: &AuditLine,
    reason: &str,
) -> Result<Vec<AliasMove>> {
    let mut moves = Vec::new();
    for alias in aliases {
        let moved = rows::move_alias(
            transaction,
            &NewMove {
                model: model.clone(),
                alias,
                to: None,
                kind: MoveKind::Set,
                at: line.at,
                by: line.by.clone(),
                reason: reason.to_owned(),
            },
        )?;
        audit::add(
            transaction,
            &AuditLine {
                action: "set_alias".to_owned(),
                detail: super::move_text(&moved),
                ..line.clone()
            },
        )?;
        moves.push(moved);
    }
    Ok(moves)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn stages_and_aliases_are_mlflows() {
        assert_eq!(stage("pRoduction").unwrap(), "Production");
        assert!(stage("prod").is_err());
        for good in ["champion", "größe", "a-b_1", "v1x", "vx"] {
            assert!(check_new_alias(good).is_ok(), "{good}");
        }
        for bad in ["", "latest", "LATEST", "v1", "V22", "a b", "a/b"] {
            assert!(check_new_alias(bad).is_err(), "{bad}");
        }
    }
}
