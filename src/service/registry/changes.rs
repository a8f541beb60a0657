//! One change of a model or a version, whoever makes it: checked, written down with who, when, what was and what is, told
//! to everybody. Which changes there are is said in `models`, `versions` and `aliases`.

use super::{Registry, object};
use crate::domain::registry::{AliasMove, ModelVersion, RegisteredModel};
use crate::domain::run::Pair;
use crate::domain::{Error, Event, ModelName, Result, Seen, Version};
use crate::service::seen::{Edited, unchanged};
use crate::service::tracking::limits;
use crate::store::Transaction;
use crate::store::audit::{self, AuditLine};
use crate::store::conditions::PROMPT;
use crate::store::model_versions::VersionRecord;
use crate::store::registry as rows;

/// Characters of a tag's value.
const TAG_VALUE: usize = 100_000;
/// Characters of a model's name, or of an alias.
pub(super) const NAME: usize = 255;

/// What was and what is, for the audit.
pub(super) type Told = (Option<String>, Option<String>);

pub(super) fn value_of(tags: &[(String, String)], key: &str) -> Option<String> {
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

pub(super) fn check_tag(key: &str, value: &str) -> Result<()> {
    limits::key("tag", key)?;
    let length = value.chars().count();
    if length > TAG_VALUE {
        return Err(Error::invalid(format!(
            "the value of tag `{key}` has {length} characters, at most {TAG_VALUE} are allowed"
        )));
    }
    Ok(())
}

/// As [`unchanged`]; no description and an empty one are the same.
pub(super) fn as_described(
    transaction: &Transaction<'_>,
    edited: &Edited<'_>,
    seen: Option<Seen<String>>,
    now: &str,
) -> Result<()> {
    let seen = seen.map(|seen| Seen::of(seen.was.filter(|text| !text.is_empty())));
    let now = Some(now).filter(|text| !text.is_empty());
    unchanged(transaction, edited, seen.as_ref(), now)
}

impl Registry {
    pub(super) fn line(
        &self,
        by: &str,
        action: &str,
        model: &ModelName,
        detail: String,
    ) -> AuditLine {
        AuditLine {
            at: self.core.now(),
            by: by.to_owned(),
            action: action.to_owned(),
            object: object(model),
            detail,
        }
    }

    pub(super) fn told(&self, model: &ModelName) {
        self.core.bus.emit(Event::RegistryChanged {
            model: model.clone(),
        });
    }

    /// One change of a model that is there, with its audit row; the event after it.
    pub(super) fn change_model(
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

    /// One change of a version that is there, with its audit row; the event after it.
    pub(super) fn change_version(
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

    pub(super) fn forget_signatures(&self, model: &ModelName) {
        self.signatures
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .retain(|(name, _), _| name != model);
    }

    pub(super) fn tell_moves(&self, moves: &[AliasMove]) {
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
