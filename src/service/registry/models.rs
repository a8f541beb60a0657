//! Registered models as clients change them: made, described, tagged, renamed, deleted.

use super::aliases::remove_aliases;
use super::changes::{NAME, as_described, check_tag, value_of};
use super::{Registry, check_name};
use crate::domain::registry::{MoveKind, RegisteredModel};
use crate::domain::run::Pair;
use crate::domain::{Error, ModelName, Result, Seen};
use crate::service::seen::{Edited, unchanged};
use crate::store::audit;
use crate::store::registered_models;
use crate::store::registry::{self as rows, NewMove};

impl Registry {
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
}
