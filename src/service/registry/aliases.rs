//! Aliases as MLflow's clients move them: set and dropped as often as they like, and the moves are the same as those that
//! people make.

use super::changes::NAME;
use super::{CHAMPION, Registry};
use crate::domain::registry::{AliasMove, MoveKind};
use crate::domain::{Error, ModelName, Result, Version};
use crate::store::Transaction;
use crate::store::audit::{self, AuditLine};
use crate::store::model_versions::VersionRecord;
use crate::store::registry::{self as rows, NewMove};

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

fn unknown_alias(model: &ModelName, alias: &str) -> Error {
    Error::invalid(format!("model `{model}` has no alias `{alias}`"))
}

impl Registry {
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
}

/// Removes aliases, each as a move with its audit row.
pub(super) fn remove_aliases(
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

    use super::super::versions::stage;
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
