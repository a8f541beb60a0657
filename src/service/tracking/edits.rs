//! What people and clients change of a run besides its log: tags, note, name, state, deletion. Who changed what, from what
//! to what, is in the audit; a run's own log is not.

use super::{NOTE, RUN_NAME, Tracking, active, limits};
use crate::domain::experiment::Lifecycle;
use crate::domain::run::{Pair, Run, RunStatus};
use crate::domain::{Error, Result, RunId, Seen, Timestamp};
use crate::service::seen::{Edited, unchanged};
use crate::store::{Transaction, acting, audit, experiments, runs};

/// Whether a change of a run gets a row in the audit: what the daemon and a run's own token do are the run's log, what
/// somebody named does is told. Nobody's name comes with scripts of an open loopback: told when something that was there
/// changes (`over`).
pub(super) fn is_told(over: bool) -> bool {
    match acting::current() {
        None => false,
        Some(actor) if actor.scope.is_some() => false,
        Some(actor) if actor.name.is_empty() => over,
        Some(_) => true,
    }
}

fn object(run: &RunId) -> String {
    format!("run:{run}")
}

/// The audit's row of a tag; none of a value becoming itself.
fn tell_tag(
    transaction: &Transaction<'_>,
    at: Timestamp,
    run: &RunId,
    key: &str,
    old: Option<&str>,
    new: Option<&str>,
) -> Result<()> {
    if old == new || !is_told(old.is_some()) {
        return Ok(());
    }
    let line = audit::of_actor(at, "tag_run", object(run), key);
    audit::change(transaction, &line, old, new)
}

/// Sets tags that come with a batch: those that write over another value are told, the others are the run's log.
pub(super) fn set_tags(
    transaction: &Transaction<'_>,
    at: Timestamp,
    run: &RunId,
    number: i64,
    tags: &[Pair],
) -> Result<()> {
    let told = is_told(true);
    for tag in tags {
        if told && let Some(old) = runs::tag(transaction, number, &tag.key)? {
            tell_tag(transaction, at, run, &tag.key, Some(&old), Some(&tag.value))?;
        }
        runs::set_tag(transaction, number, tag)?;
        if tag.key == RUN_NAME {
            runs::rename(transaction, number, &tag.value)?;
        }
    }
    Ok(())
}

impl Tracking {
    /// Changes what is given: state, end, name. Answers the run's own row (no metrics, parameters, tags).
    pub fn update_run(
        &self,
        run: &RunId,
        status: Option<RunStatus>,
        ended: Option<Timestamp>,
        name: Option<String>,
    ) -> Result<Run> {
        let name = name.filter(|name| !name.is_empty());
        let tag = name.map(|value| Pair {
            key: RUN_NAME.to_owned(),
            value,
        });
        tag.iter().try_for_each(limits::tag)?;
        let (id, now) = (run.clone(), self.core.now());
        let updated = self.core.store.write(move |transaction| {
            let (number, before) = active(transaction, &id)?;
            if status.is_some() || ended.is_some() {
                let status = status.unwrap_or(before.status);
                runs::set_status(transaction, number, status, ended.or(before.ended))?;
                // a run that ends is its own log
                if status != before.status && is_told(before.status.is_ended()) {
                    let line = audit::of_actor(now, "update_run", object(&id), "status");
                    let (old, new) = (before.status.as_str(), status.as_str());
                    audit::change(transaction, &line, Some(old), Some(new))?;
                }
            }
            if let Some(tag) = &tag {
                set_tags(transaction, now, &id, number, std::slice::from_ref(tag))?;
            }
            Ok(runs::header(transaction, &id)?.1)
        })?;
        self.changed(run);
        Ok(updated)
    }

    /// Deletes (archives) or restores a run; one that is so already stays as it is.
    pub fn archive(&self, run: &RunId, restore: bool) -> Result<()> {
        let (id, now) = (run.clone(), self.core.now());
        self.core.store.write(move |transaction| {
            let (number, header) = runs::header(transaction, &id)?;
            let to = if restore {
                Lifecycle::Active
            } else {
                Lifecycle::Deleted
            };
            // Asked again, because the answer got lost, it is as it should be.
            if header.lifecycle == to {
                return Ok(());
            }
            runs::set_lifecycle(transaction, number, to)?;
            let action = if restore { "restore_run" } else { "delete_run" };
            let (old, new) = (
                experiments::lifecycle_name(header.lifecycle),
                experiments::lifecycle_name(to),
            );
            audit::by_actor(transaction, now, action, object(&id), Some(old), Some(new))
        })?;
        self.changed(run);
        Ok(())
    }

    /// Sets (some value) or removes (none) a tag; `mlflow.runName` renames the run. Refused when the tag is not what the
    /// asker has `seen`.
    ///
    /// # Errors
    /// [`crate::domain::ErrorKind::NotFound`] when the tag to be removed is not there.
    pub fn tag_run(
        &self,
        run: &RunId,
        key: &str,
        value: Option<String>,
        seen: Option<Seen<String>>,
    ) -> Result<()> {
        let tag = Pair {
            key: key.to_owned(),
            value: value.clone().unwrap_or_default(),
        };
        if value.is_some() {
            limits::tag(&tag)?;
        }
        let (id, now) = (run.clone(), self.core.now());
        self.core.store.write(move |transaction| {
            let (number, header) = active(transaction, &id)?;
            let before = runs::tag(transaction, number, &tag.key)?;
            let edited = Edited {
                what: &format!("tag `{}` of run `{}`", tag.key, header.name),
                object: &object(&id),
                action: "tag_run",
                detail: &tag.key,
            };
            unchanged(transaction, &edited, seen.as_ref(), before.as_deref())?;
            match &value {
                Some(_) => {
                    runs::set_tag(transaction, number, &tag)?;
                    if tag.key == RUN_NAME {
                        runs::rename(transaction, number, &tag.value)?;
                    }
                }
                None if runs::delete_tag(transaction, number, &tag.key)? => {}
                None => {
                    return Err(Error::not_found(format!(
                        "run `{id}` has no tag `{}`",
                        tag.key
                    )));
                }
            }
            let (old, new) = (before.as_deref(), value.as_deref());
            tell_tag(transaction, now, &id, &tag.key, old, new)
        })?;
        self.changed(run);
        Ok(())
    }

    /// Writes a note on a run; empty text removes it.
    pub fn note(&self, run: &RunId, text: &str) -> Result<()> {
        self.note_as_seen(run, text, None)
    }

    /// The same, refused when the note is not the one that the writer has `seen` (empty: there was none).
    pub fn note_as_seen(&self, run: &RunId, text: &str, seen: Option<&str>) -> Result<()> {
        let tag = Pair {
            key: NOTE.to_owned(),
            value: text.to_owned(),
        };
        limits::tag(&tag)?;
        let (id, now) = (run.clone(), self.core.now());
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        let seen = seen.map(|seen| Seen::of(some(seen)));
        let changed = self.core.store.write(move |transaction| {
            let (number, header) = active(transaction, &id)?;
            let before = runs::tag(transaction, number, NOTE)?.filter(|note| !note.is_empty());
            let edited = Edited {
                what: &format!("the note on run `{}`", header.name),
                object: &object(&id),
                action: "note",
                detail: "",
            };
            unchanged(transaction, &edited, seen.as_ref(), before.as_deref())?;
            if before.as_deref().unwrap_or_default() == tag.value {
                return Ok(false);
            }
            let after = (!tag.value.is_empty()).then_some(tag.value.as_str());
            match after {
                Some(_) => runs::set_tag(transaction, number, &tag)?,
                None => {
                    runs::delete_tag(transaction, number, NOTE)?;
                }
            }
            let object = object(&id);
            audit::by_actor(transaction, now, "note", object, before.as_deref(), after)?;
            Ok(true)
        })?;
        if changed {
            self.changed(run);
        }
        Ok(())
    }
}
