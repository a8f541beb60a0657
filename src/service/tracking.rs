//! Experiments, runs, metrics, artifacts: MLflow's semantics, and the read models of the runs pane.

pub mod artifacts;
mod closer;
mod compare;
mod find;
mod groups;
mod leaders;
pub mod limits;
pub mod logged_models;
mod names;
mod purge;
mod sweep;
mod take;
pub mod verdict;
mod views;

use super::Core;
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::metric::Metric;
use crate::domain::run::{DatasetInput, Pair, Run, RunModels, RunStatus};
use crate::domain::{Error, Event, ExperimentId, Result, RunId, Timestamp};
use crate::store::Transaction;
pub use crate::store::artifacts::Entry;
pub use crate::store::metrics::Place;
use crate::store::search::{self, Dialect};
use crate::store::table::{self, Scope};
use crate::store::{acting, audit, experiments, metrics, runs};
use rustc_hash::FxHashSet;
use std::sync::Arc;

/// The tag that holds a run's name.
pub const RUN_NAME: &str = "mlflow.runName";
/// The tag that holds a run's note.
pub const NOTE: &str = "mlflow.note.content";
/// The tag that says who started a run.
pub const USER: &str = "mlflow.user";
/// The tag that names the metric by which a run is judged.
pub const METRIC_TAG: &str = "trainyard.metric";

/// See the module's text.
pub struct Tracking {
    core: Arc<Core>,
}

/// A run to be made.
#[derive(Clone, Debug, Default)]
pub struct NewRun {
    /// Where it is filed.
    pub experiment: Option<ExperimentId>,
    /// Its name; none: the tag `mlflow.runName`, or invented.
    pub name: Option<String>,
    /// Who starts it.
    pub user: String,
    /// Now when absent.
    pub started: Option<Timestamp>,
    /// Its first tags.
    pub tags: Vec<Pair>,
}

/// A search over runs, in MLflow's words.
#[derive(Clone, Debug, Default)]
pub struct RunSearch {
    /// Where; empty: nowhere.
    pub experiments: Vec<ExperimentId>,
    /// MLflow's filter grammar.
    pub filter: String,
    /// Deleted or not; none: both.
    pub lifecycle: Option<Lifecycle>,
    /// Clauses such as `metrics.loss DESC`.
    pub order_by: Vec<String>,
    /// Rows to leave out at the top.
    pub offset: u64,
    /// Rows at most.
    pub limit: u64,
}

/// Nothing of a deleted run changes.
fn deleted(run: &RunId) -> Error {
    Error::invalid(format!(
        "run `{run}` is deleted: restore it before changing it"
    ))
}

fn active(transaction: &Transaction<'_>, run: &RunId) -> Result<(i64, Run)> {
    let (number, header) = runs::header(transaction, run)?;
    if header.lifecycle == Lifecycle::Deleted {
        return Err(deleted(run));
    }
    Ok((number, header))
}

/// Metrics, parameters and tags of a run inside a transaction. Checks what depends on what is there;
/// what depends on the batch alone is checked by [`limits::batch`].
pub(super) fn write_batch(
    transaction: &Transaction<'_>,
    run: &RunId,
    points: &[Metric],
    params: &[Pair],
    tags: &[Pair],
) -> Result<()> {
    let (number, header) = active(transaction, run)?;
    metrics::insert(transaction, number, &header.experiment, points)?;
    for param in params {
        if let Some(earlier) = runs::set_param(transaction, number, &header.experiment, param)? {
            return Err(Error::invalid(format!(
                "parameter `{}` of run `{run}` is already `{earlier}` and cannot become `{}`: parameters never change",
                param.key, param.value
            )));
        }
    }
    for tag in tags {
        runs::set_tag(transaction, number, tag)?;
        if tag.key == RUN_NAME {
            runs::rename(transaction, number, &tag.value)?;
        }
    }
    Ok(())
}

/// Keys of the points, each once, in their order.
pub(super) fn keys_of(points: &[Metric]) -> Vec<String> {
    let mut known = FxHashSet::default();
    points
        .iter()
        .filter(|point| known.insert(point.key.as_str()))
        .map(|point| point.key.clone())
        .collect()
}

impl Tracking {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn changed(&self, run: &RunId) {
        self.core.bus.emit(Event::RunChanged { run: run.clone() });
    }

    // ---- experiments

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

    // ---- runs

    /// Makes a run: RUNNING. Without experiment it is filed under `Default`.
    pub fn create_run(&self, new: NewRun) -> Result<Run> {
        let mut tags = new.tags;
        tags.iter().try_for_each(limits::tag)?;
        let random = uuid::Uuid::new_v4();
        let id = RunId(random.simple().to_string());
        let given = new.name.filter(|name| !name.is_empty());
        let tagged = tags
            .iter()
            .find(|tag| tag.key == RUN_NAME)
            .map(|tag| tag.value.clone());
        let name = match (given, tagged) {
            (Some(name), Some(tag)) if name != tag => {
                return Err(Error::invalid(format!(
                    "the run's name `{name}` and its tag `{RUN_NAME}` `{tag}` differ: give one of them"
                )));
            }
            (Some(name), _) | (None, Some(name)) => name,
            (None, None) => names::invented(uuid::Uuid::new_v4().as_bytes()),
        };
        if !tags.iter().any(|tag| tag.key == RUN_NAME) {
            tags.push(Pair {
                key: RUN_NAME.to_owned(),
                value: name.clone(),
            });
        }
        let user = if new.user.is_empty() {
            tags.iter()
                .find(|tag| tag.key == USER)
                .map(|tag| tag.value.clone())
                .unwrap_or_default()
        } else {
            new.user
        };
        let experiment = new.experiment.unwrap_or_else(|| ExperimentId::from("0"));
        let now = self.core.now();
        let started = new.started.unwrap_or(now);
        let run = self.core.store.write(move |transaction| {
            let filed = experiments::get(transaction, &experiment)?;
            if filed.lifecycle == Lifecycle::Deleted {
                return Err(Error::invalid(format!(
                    "experiment `{}` is deleted: restore it before making runs in it",
                    filed.name
                )));
            }
            let run = Run {
                artifact_uri: format!(
                    "{}/{id}/artifacts",
                    filed.artifact_location.trim_end_matches('/')
                ),
                id,
                experiment: filed.id,
                name,
                user,
                status: RunStatus::Running,
                started,
                ended: None,
                lifecycle: Lifecycle::Active,
                params: Vec::new(),
                tags: Vec::new(),
                metrics: Vec::new(),
                inputs: Vec::new(),
                models: RunModels::default(),
            };
            let number = runs::insert(transaction, &run)?;
            for tag in &tags {
                runs::set_tag(transaction, number, tag)?;
            }
            if acting::current().is_some_and(|actor| actor.token.is_some()) {
                // the run's own user is what the client says; whose token it was is kept here
                let object = format!("run:{}", run.id);
                audit::by_actor(
                    transaction,
                    now,
                    "create_run",
                    object,
                    None,
                    Some(&run.name),
                )?;
            }
            runs::complete(transaction, number, run)
        })?;
        self.changed(&run.id);
        Ok(run)
    }

    /// A run with everything but its history.
    pub fn run(&self, run: &RunId) -> Result<Run> {
        self.core.store.read(|view| runs::get(view, run))
    }

    /// Ends a run, or moves its state. An end without a time ends now; a state that is no end has none.
    pub fn finish_run(
        &self,
        run: &RunId,
        status: RunStatus,
        ended: Option<Timestamp>,
    ) -> Result<()> {
        let ended = status
            .is_ended()
            .then(|| ended.unwrap_or_else(|| self.core.now()));
        let id = run.clone();
        self.core.store.write(move |transaction| {
            let (number, _) = active(transaction, &id)?;
            runs::set_status(transaction, number, status, ended)
        })?;
        self.changed(run);
        Ok(())
    }

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
        let id = run.clone();
        let updated = self.core.store.write(move |transaction| {
            let (number, before) = active(transaction, &id)?;
            if status.is_some() || ended.is_some() {
                runs::set_status(
                    transaction,
                    number,
                    status.unwrap_or(before.status),
                    ended.or(before.ended),
                )?;
            }
            if let Some(tag) = &tag {
                runs::rename(transaction, number, &tag.value)?;
                runs::set_tag(transaction, number, tag)?;
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
            let object = format!("run:{id}");
            audit::by_actor(transaction, now, action, object, Some(old), Some(new))
        })?;
        self.changed(run);
        Ok(())
    }

    /// Metrics, parameters and tags in one transaction, refused whole.
    pub fn log_batch(
        &self,
        run: &RunId,
        metrics: Vec<Metric>,
        params: Vec<Pair>,
        tags: Vec<Pair>,
    ) -> Result<()> {
        self.log_batch_of_models(run, metrics, params, tags, Vec::new())
    }

    /// The same; `points` are those of the metrics that belong to logged models as well.
    pub fn log_batch_of_models(
        &self,
        run: &RunId,
        metrics: Vec<Metric>,
        params: Vec<Pair>,
        tags: Vec<Pair>,
        points: Vec<logged_models::ModelPoint>,
    ) -> Result<()> {
        limits::batch(&metrics, &params, &tags)?;
        let keys = keys_of(&metrics);
        let changed = !params.is_empty() || !tags.is_empty();
        let id = run.clone();
        self.core.store.write(move |transaction| {
            write_batch(transaction, &id, &metrics, &params, &tags)?;
            logged_models::write_points(transaction, &id, points)
        })?;
        if changed {
            self.changed(run);
        }
        if !keys.is_empty() {
            self.core.bus.emit(Event::MetricsLogged {
                run: run.clone(),
                keys,
            });
        }
        Ok(())
    }

    /// Removes a tag that there is.
    pub fn delete_tag(&self, run: &RunId, key: &str) -> Result<()> {
        let (id, key) = (run.clone(), key.to_owned());
        self.core.store.write(move |transaction| {
            let (number, _) = active(transaction, &id)?;
            match runs::delete_tag(transaction, number, &key)? {
                true => Ok(()),
                false => Err(Error::not_found(format!("run `{id}` has no tag `{key}`"))),
            }
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
        self.write_tag(run, NOTE, text, seen, "note", "the note")
    }

    /// Writes a run's tag, or takes it away (`value` none); refused when it is not the one that the writer has `seen`
    /// (empty: there was none).
    pub fn tag_as_seen(
        &self,
        run: &RunId,
        key: &str,
        value: Option<&str>,
        seen: Option<&str>,
    ) -> Result<()> {
        if key == NOTE {
            return self.note_as_seen(run, value.unwrap_or_default(), seen);
        }
        let what = format!("tag `{key}`");
        self.write_tag(run, key, value.unwrap_or_default(), seen, "tag", &what)
    }

    fn write_tag(
        &self,
        run: &RunId,
        key: &str,
        text: &str,
        seen: Option<&str>,
        act: &'static str,
        what: &str,
    ) -> Result<()> {
        let tag = Pair {
            key: key.to_owned(),
            value: text.to_owned(),
        };
        limits::tag(&tag)?;
        let (id, now) = (run.clone(), self.core.now());
        let seen = seen.map(str::to_owned);
        let what = what.to_owned();
        let changed = self.core.store.write(move |transaction| {
            let (number, _) = active(transaction, &id)?;
            let before = runs::tags_of(transaction, number)?
                .into_iter()
                .find(|known| known.key == tag.key)
                .map(|tag| tag.value);
            let there = before.as_deref().unwrap_or_default();
            if let Some(seen) = seen.filter(|seen| seen != there) {
                return Err(Error::conflict(match there {
                    "" => format!("{what} was removed meanwhile, you saw: {seen}"),
                    there => format!("{what} was changed meanwhile; it says now: {there}"),
                }));
            }
            if there == tag.value {
                return Ok(false);
            }
            let after = (!tag.value.is_empty()).then_some(tag.value.as_str());
            match after {
                Some(_) => runs::set_tag(transaction, number, &tag)?,
                None => {
                    runs::delete_tag(transaction, number, &tag.key)?;
                }
            }
            let object = format!("run:{id}");
            let said = |value: &str| match act {
                "note" => value.to_owned(),
                _ => format!("{} = {value}", tag.key),
            };
            let (before, after) = (before.as_deref().map(said), after.map(said));
            audit::by_actor(
                transaction,
                now,
                act,
                object,
                before.as_deref(),
                after.as_deref(),
            )?;
            Ok(true)
        })?;
        if changed {
            self.changed(run);
        }
        Ok(())
    }

    /// Datasets that a run read; the same one again changes nothing.
    pub fn log_inputs(&self, run: &RunId, inputs: Vec<DatasetInput>) -> Result<()> {
        for input in &inputs {
            if input.name.is_empty() || input.name.chars().count() > 500 {
                return Err(Error::invalid(
                    "a dataset's name has 1 to 500 characters".to_owned(),
                ));
            }
            if input.digest.is_empty() || input.digest.chars().count() > 36 {
                return Err(Error::invalid(format!(
                    "the digest of dataset `{}` has 1 to 36 characters",
                    input.name
                )));
            }
        }
        let id = run.clone();
        self.core.store.write(move |transaction| {
            let (number, header) = active(transaction, &id)?;
            inputs.iter().try_for_each(|input| {
                runs::add_input(transaction, number, &header.experiment, input)
            })
        })?;
        self.changed(run);
        Ok(())
    }

    /// A metric's whole history.
    pub fn history(&self, run: &RunId, key: &str) -> Result<Vec<Metric>> {
        self.history_page(run, key, 0, u64::MAX)
    }

    /// Points of a metric from `offset`, at most `limit`, in order of step, time, value.
    pub fn history_page(
        &self,
        run: &RunId,
        key: &str,
        offset: u64,
        limit: u64,
    ) -> Result<Vec<Metric>> {
        self.core.store.read(|view| {
            let (number, _) = runs::header(view, run)?;
            metrics::history(view, number, key, offset, limit)
        })
    }

    /// Calls `each` with the points of a metric after `place`, at most `limit`, in order of step, time, value.
    pub fn scan_history(
        &self,
        run: &RunId,
        key: &str,
        place: Option<Place>,
        limit: u64,
        each: impl FnMut(Place),
    ) -> Result<()> {
        self.core.store.read(|view| {
            let (number, _) = runs::header(view, run)?;
            metrics::scan_after(view, number, key, place, limit, each)
        })
    }

    /// Runs by MLflow's search grammar, whole (without history).
    pub fn search_runs(&self, search: &RunSearch) -> Result<Vec<Run>> {
        let scope = Scope {
            experiments: Some(
                search
                    .experiments
                    .iter()
                    .map(experiments::number)
                    .collect::<Result<_>>()?,
            ),
            lifecycle: search.lifecycle,
            filter: search::parse(&search.filter, Dialect::Mlflow)?,
        };
        let orders = search
            .order_by
            .iter()
            .map(|clause| search::parse_order(clause))
            .collect::<Result<Vec<_>>>()?;
        self.core.store.read(|view| {
            let page = table::window(view, &scope, &orders, search.offset, search.limit)?;
            table::whole(view, &page)
        })
    }
}

#[cfg(test)]
mod tests;
