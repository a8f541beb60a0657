//! Where aliases point, and every move of one: promotion after the gate, roll-back, aliases by hand. One transaction
//! with its audit row; events after it. Knows nothing of what serves.

use super::{Registry, names, object};
use crate::domain::registry::{AliasMove, CHAMPION, MoveKind, PromotionPage};
use crate::domain::trigger::{Check, Gate};
use crate::domain::{Error, Event, ModelName, Result, Seen, Version};
use crate::service::{Services, promotion};
use crate::store::audit::{self, AuditLine};
use crate::store::registry::{self as rows, NewMove};
use crate::store::{Transaction, acting};

impl Registry {
    /// Moves `champion` to `version` when the gate's record allows it, or with `force` and a reason. One transaction with its audit row.
    pub fn promote(
        &self,
        model: &ModelName,
        version: Version,
        by: &str,
        force: bool,
        reason: &str,
    ) -> Result<AliasMove> {
        self.promote_as_seen(model, version, by, force, reason, None)
    }

    /// The same, refused when the champion is not the one that the asker has `seen`.
    pub fn promote_as_seen(
        &self,
        model: &ModelName,
        version: Version,
        by: &str,
        force: bool,
        reason: &str,
        seen: Option<Seen<Version>>,
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
        self.move_alias(
            NewMove {
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
            },
            seen,
        )
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
        self.rollback_as_seen(model, to, by, None)
    }

    /// The same, refused when the champion is not the one that the asker has `seen`.
    pub fn rollback_as_seen(
        &self,
        model: &ModelName,
        to: Option<Version>,
        by: &str,
        seen: Option<Seen<Version>>,
    ) -> Result<AliasMove> {
        let version = self.rollback_target(model, to)?;
        self.move_alias(
            NewMove {
                model: model.clone(),
                alias: CHAMPION.into(),
                to: Some(version),
                kind: MoveKind::RolledBack,
                at: self.core.now(),
                by: by.to_owned(),
                reason: String::new(),
            },
            seen,
        )
    }

    /// Sets or removes any other alias; refused when it is not where the asker has `seen` it.
    pub fn set_alias(
        &self,
        model: &ModelName,
        alias: &str,
        version: Option<Version>,
        by: &str,
        seen: Option<Seen<Version>>,
    ) -> Result<AliasMove> {
        names::check_alias(alias)?;
        match version {
            Some(version) => {
                self.version(model, version)?;
            }
            None => {
                // one that somebody saw and that is gone now is the move's affair
                if seen.is_none() && self.resolve(model, alias)?.is_none() {
                    return Err(Error::not_found(format!(
                        "model `{model}` has no alias `{alias}`"
                    )));
                }
            }
        }
        self.move_alias(
            NewMove {
                model: model.clone(),
                alias: alias.to_owned(),
                to: version,
                kind: MoveKind::Set,
                at: self.core.now(),
                by: by.to_owned(),
                reason: String::new(),
            },
            seen,
        )
    }

    /// Alias, history line and audit row in one transaction; the events after it. Refused when the alias is not where the
    /// asker has `seen` it.
    pub(super) fn move_alias(
        &self,
        new: NewMove,
        seen: Option<Seen<Version>>,
    ) -> Result<AliasMove> {
        let new = NewMove {
            by: acting::by(&new.by),
            ..new
        };
        let moved = self.core.store.write(move |transaction| {
            let now = rows::alias(transaction, &new.model, &new.alias)?;
            if let Some(seen) = seen.filter(|seen| seen.was != now) {
                return Err(moved_meanwhile(transaction, &new, seen.was, now)?);
            }
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
            let number = |version: Option<Version>| version.map(|version| version.to_string());
            audit::change(
                transaction,
                &line,
                number(moved.from).as_deref(),
                number(moved.to).as_deref(),
            )?;
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

/// Why a move is refused: somebody else moved the alias since the asker looked.
fn moved_meanwhile(
    transaction: &Transaction<'_>,
    new: &NewMove,
    seen: Option<Version>,
    now: Option<Version>,
) -> Result<Error> {
    let number = |version: Option<Version>| {
        version.map_or_else(|| "no version".into(), |one| one.to_string())
    };
    let last = rows::moves(transaction, &new.model, Some(&new.alias), 1)?;
    let who = last
        .first()
        .map(|moved| format!(", moved by {} at {}", moved.by, moved.at))
        .unwrap_or_default();
    Ok(Error::conflict(format!(
        "`{}` of `{}` names {} now{who}, you saw {}: look at it again",
        new.alias,
        new.model,
        number(now),
        number(seen)
    )))
}
