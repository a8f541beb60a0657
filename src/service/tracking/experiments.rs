//! Experiments: made, found, renamed, tagged, deleted and restored with their runs. What they hold is `tracking`'s.

use super::{Tracking, limits};
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::run::Pair;
use crate::domain::{Error, Event, ExperimentId, Result};
use crate::store::{audit, experiments};

impl Tracking {
    /// The experiment called `name`, made when there is none. A deleted one is an error.
    pub fn experiment_named(&self, name: &str) -> Result<Experiment> {
        limits::experiment_name(name)?;
        let (name, now) = (name.to_owned(), self.core.now());
        let known = self
            .core
            .store
            .read(|view| experiments::by_name(view, &name))?;
        let experiment = match known {
            Some(experiment) => experiment,
            None => {
                let (experiment, made) = self.core.store.write(move |transaction| {
                    if let Some(experiment) = experiments::by_name(transaction, &name)? {
                        return Ok((experiment, false));
                    }
                    let id = experiments::insert(transaction, None, &name, None, now)?;
                    Ok((experiments::get(transaction, &id)?, true))
                })?;
                if made {
                    self.core.bus.emit(Event::ExperimentsChanged);
                }
                experiment
            }
        };
        match experiment.lifecycle {
            Lifecycle::Active => Ok(experiment),
            Lifecycle::Deleted => Err(Error::invalid(format!(
                "experiment `{}` is deleted: restore it, or choose another name",
                experiment.name
            ))),
        }
    }

    /// Makes an experiment; the name must be free, also among the deleted.
    pub fn create_experiment(
        &self,
        name: &str,
        location: Option<String>,
        tags: Vec<Pair>,
    ) -> Result<ExperimentId> {
        limits::experiment_name(name)?;
        tags.iter().try_for_each(limits::experiment_tag)?;
        let location = location.filter(|location| !location.is_empty());
        if let Some(location) = &location
            && (location.contains(['#', '?']) || location.starts_with("runs:"))
        {
            return Err(Error::invalid(format!(
                "artifact location `{location}` may not have `#` or `?`, nor be a run's"
            )));
        }
        let (name, now) = (name.to_owned(), self.core.now());
        let id = self.core.store.write(move |transaction| {
            if let Some(taken) = experiments::by_name(transaction, &name)? {
                return Err(Error::already_exists(format!(
                    "experiment `{name}` exists{}",
                    match taken.lifecycle {
                        Lifecycle::Active => "",
                        Lifecycle::Deleted => " and is deleted: restore it, or choose another name",
                    }
                )));
            }
            let id = experiments::insert(transaction, None, &name, location.as_deref(), now)?;
            for tag in &tags {
                experiments::set_tag(transaction, &id, &tag.key, &tag.value, now)?;
            }
            let object = format!("experiment:{id}");
            audit::by_actor(
                transaction,
                now,
                "create_experiment",
                object,
                None,
                Some(&name),
            )?;
            Ok(id)
        })?;
        self.core.bus.emit(Event::ExperimentsChanged);
        Ok(id)
    }

    /// An experiment, deleted or not.
    pub fn experiment(&self, id: &ExperimentId) -> Result<Experiment> {
        self.core.store.read(|view| experiments::get(view, id))
    }

    /// The experiment called `name`, deleted or not.
    pub fn experiment_by_name(&self, name: &str) -> Result<Experiment> {
        self.core
            .store
            .read(|view| experiments::by_name(view, name))?
            .ok_or_else(|| Error::not_found(format!("no experiment called `{name}`")))
    }

    /// Every experiment, deleted ones too, newest first.
    pub fn experiments(&self) -> Result<Vec<Experiment>> {
        self.core.store.read(experiments::all)
    }

    /// Renames an experiment.
    pub fn rename_experiment(&self, id: &ExperimentId, name: &str) -> Result<()> {
        limits::experiment_name(name)?;
        let (id, name, now) = (id.clone(), name.to_owned(), self.core.now());
        self.core.store.write(move |transaction| {
            let experiment = experiments::get(transaction, &id)?;
            if experiment.lifecycle == Lifecycle::Deleted {
                return Err(Error::invalid(format!(
                    "experiment `{}` is deleted: restore it before renaming it",
                    experiment.name
                )));
            }
            if experiments::by_name(transaction, &name)?.is_some_and(|other| other.id != id) {
                return Err(Error::already_exists(format!("experiment `{name}` exists")));
            }
            experiments::rename(transaction, &id, &name, now)?;
            let object = format!("experiment:{id}");
            let (old, new) = (Some(experiment.name.as_str()), Some(name.as_str()));
            audit::by_actor(transaction, now, "rename_experiment", object, old, new)
        })?;
        self.core.bus.emit(Event::ExperimentsChanged);
        Ok(())
    }

    /// Deletes or restores an experiment with its runs.
    pub fn archive_experiment(&self, id: &ExperimentId, restore: bool) -> Result<()> {
        let (id, now) = (id.clone(), self.core.now());
        self.core.store.write(move |transaction| {
            let experiment = experiments::get(transaction, &id)?;
            let (from, to) = if restore {
                (Lifecycle::Deleted, Lifecycle::Active)
            } else {
                (Lifecycle::Active, Lifecycle::Deleted)
            };
            if id.as_str() == "0" && !restore {
                return Err(Error::invalid("the experiment `Default` cannot be deleted"));
            }
            if experiment.lifecycle != from {
                return Err(Error::not_found(format!(
                    "no {} experiment with id `{id}`",
                    experiments::lifecycle_name(from)
                )));
            }
            experiments::set_lifecycle(transaction, &id, to, now)?;
            let action = match restore {
                true => "restore_experiment",
                false => "delete_experiment",
            };
            let (old, new) = (
                experiments::lifecycle_name(from),
                experiments::lifecycle_name(to),
            );
            let object = format!("experiment:{id}");
            audit::by_actor(transaction, now, action, object, Some(old), Some(new))
        })?;
        self.core.bus.emit(Event::ExperimentsChanged);
        Ok(())
    }

    /// Sets (some value) or removes (none) an experiment's tag.
    pub fn tag_experiment(
        &self,
        id: &ExperimentId,
        key: &str,
        value: Option<String>,
    ) -> Result<()> {
        let pair = Pair {
            key: key.to_owned(),
            value: value.clone().unwrap_or_default(),
        };
        limits::experiment_tag(&pair)?;
        let (id, now) = (id.clone(), self.core.now());
        self.core.store.write(move |transaction| {
            let experiment = experiments::get(transaction, &id)?;
            if experiment.lifecycle == Lifecycle::Deleted {
                return Err(Error::invalid(format!(
                    "experiment `{}` is deleted: restore it before changing it",
                    experiment.name
                )));
            }
            let before = experiment.tags.iter().find(|(key, _)| *key == pair.key);
            match &value {
                Some(value) => experiments::set_tag(transaction, &id, &pair.key, value, now)?,
                None if experiments::delete_tag(transaction, &id, &pair.key)? => {}
                None => {
                    return Err(Error::not_found(format!(
                        "experiment `{id}` has no tag `{}`",
                        pair.key
                    )));
                }
            }
            let old = before.map(|(key, value)| format!("{key}={value}"));
            let new = value.map(|value| format!("{}={value}", pair.key));
            let object = format!("experiment:{id}");
            let (old, new) = (old.as_deref(), new.as_deref());
            audit::by_actor(transaction, now, "tag_experiment", object, old, new)
        })?;
        self.core.bus.emit(Event::ExperimentsChanged);
        Ok(())
    }
}
