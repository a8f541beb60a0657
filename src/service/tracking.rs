//! Experiments, runs, metrics, artifacts: MLflow's semantics, and the read models of the runs pane.

pub mod artifacts;
mod closer;
mod compare;
mod edits;
mod experiments;
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
use crate::domain::experiment::Lifecycle;
use crate::domain::metric::{Metric, Points};
use crate::domain::run::{DatasetInput, Pair, Run, RunModels, RunStatus};
use crate::domain::{Error, Event, ExperimentId, Result, RunId, Timestamp};
use crate::store::Transaction;
pub use crate::store::artifacts::Entry;
pub use crate::store::metrics::Place;
use crate::store::search::{self, Dialect};
use crate::store::table::{self, Scope};
use crate::store::{acting, audit, experiments as experiment_rows, metrics, runs};
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
fn write_batch(
    transaction: &Transaction<'_>,
    at: Timestamp,
    run: &RunId,
    points: &Points,
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
    edits::set_tags(transaction, at, run, number, tags)
}

impl Tracking {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn changed(&self, run: &RunId) {
        self.core.bus.emit(Event::RunChanged { run: run.clone() });
    }

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
            let filed = experiment_rows::get(transaction, &experiment)?;
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

    /// Metrics, parameters and tags in one transaction, refused whole.
    pub fn log_batch(
        &self,
        run: &RunId,
        metrics: &[Metric],
        params: Vec<Pair>,
        tags: Vec<Pair>,
    ) -> Result<()> {
        self.log_points(run, metrics.iter().collect(), params, tags, Vec::new())
    }

    /// The same; `of_models` are the points that belong to logged models as well.
    pub fn log_points(
        &self,
        run: &RunId,
        points: Points,
        params: Vec<Pair>,
        tags: Vec<Pair>,
        of_models: Vec<logged_models::ModelPoint>,
    ) -> Result<()> {
        limits::batch(&points, &params, &tags)?;
        let keys = points.keys().to_vec();
        let changed = !params.is_empty() || !tags.is_empty();
        let (id, now) = (run.clone(), self.core.now());
        self.core.store.write(move |transaction| {
            write_batch(transaction, now, &id, &points, &params, &tags)?;
            logged_models::write_points(transaction, &id, of_models)
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
        search::check_orders(search.order_by.len())?;
        let scope = Scope {
            experiments: Some(limits::experiments(&search.experiments)?),
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
