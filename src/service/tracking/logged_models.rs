//! Logged models: made PENDING, filled with files, parameters, tags and metrics, and READY when they are whole.
//! What runs read and made of them.

use super::artifacts::path_of;
use super::edits::is_told;
use super::{Tracking, active, limits, names};
use crate::domain::experiment::Lifecycle;
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
use crate::domain::metric::Metric;
use crate::domain::run::Pair;
use crate::domain::{Error, ExperimentId, LoggedModelId, Result, RunId, Timestamp};
use crate::store::artifacts::Entry;
use crate::store::logged_models::{self as rows, ModelOrder, ModelScope};
use crate::store::search::{self, Dialect, Kind, Subject};
use crate::store::{Transaction, audit, experiments, runs};

/// The tag of a logged model that names the versions made of it: a JSON list of names and versions.
const VERSIONS: &str = "mlflow.modelVersions";

/// Datasets of a search at most.
const DATASETS: usize = 100;

/// A logged model to be made.
#[derive(Clone, Debug, Default)]
pub struct NewLoggedModel {
    /// Where it is filed.
    pub experiment: String,
    /// Its name; none: invented.
    pub name: Option<String>,
    /// Free text.
    pub model_type: String,
    /// Which run makes it.
    pub source_run: Option<RunId>,
    /// Its first parameters.
    pub params: Vec<Pair>,
    /// Its first tags.
    pub tags: Vec<Pair>,
}

/// A metric that also belongs to a logged model.
#[derive(Clone, Debug)]
pub struct ModelPoint {
    /// The point, as its run has it too.
    pub metric: Metric,
    /// Whose.
    pub model: LoggedModelId,
    /// Name of the data it was measured on.
    pub dataset_name: Option<String>,
    /// Digest of that data.
    pub dataset_digest: Option<String>,
}

/// One clause of an order.
#[derive(Clone, Debug)]
pub struct ModelOrderBy {
    /// An attribute, or `metrics.NAME`.
    pub field: String,
    /// Smallest first.
    pub ascending: bool,
    /// For a metric: the data it was measured on, name and digest.
    pub dataset: Option<(String, Option<String>)>,
}

/// A search over logged models.
#[derive(Clone, Debug, Default)]
pub struct ModelSearch {
    /// Where.
    pub experiments: Vec<ExperimentId>,
    /// MLflow's grammar over attributes, `metrics.…`, `params.…`, `tags.…`.
    pub filter: String,
    /// Data that metrics must come from: name and digest.
    pub datasets: Vec<(String, Option<String>)>,
    /// In this order; then newest first.
    pub order_by: Vec<ModelOrderBy>,
    /// Rows to leave out at the top.
    pub offset: u64,
    /// Rows at most.
    pub limit: u64,
}

fn absent(id: &LoggedModelId) -> Error {
    Error::not_found(format!("no logged model with id `{id}`"))
}

/// A model as it is in a transaction, deleted or not.
fn there(transaction: &Transaction<'_>, id: &LoggedModelId) -> Result<LoggedModel> {
    rows::get(transaction, id)?.ok_or_else(|| absent(id))
}

/// The audit's row of a tag; none of a value becoming itself.
fn tell_tag(
    transaction: &Transaction<'_>,
    at: Timestamp,
    model: &LoggedModel,
    key: &str,
    new: Option<&str>,
) -> Result<()> {
    let old = model
        .tags
        .iter()
        .find(|tag| tag.key == key)
        .map(|tag| tag.value.as_str());
    if old == new || !is_told(old.is_some()) {
        return Ok(());
    }
    let line = audit::of_actor(at, "tag_logged_model", object(&model.id), key);
    audit::change(transaction, &line, old, new)
}

fn object(id: &LoggedModelId) -> String {
    format!("logged_model:{id}")
}

fn check_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(['/', ':', '.', '%', '"', '\'']) {
        return Err(Error::invalid(format!(
            "`{name}` cannot name a logged model: it must not be empty or contain `/`, `:`, `.`, `%` or quotes"
        )));
    }
    Ok(())
}

fn check_pair(kind: &str, pair: &Pair) -> Result<()> {
    if pair.key.is_empty() || pair.key.chars().count() > 250 {
        return Err(Error::invalid(format!(
            "the key of a logged model's {kind} has 1 to 250 characters"
        )));
    }
    Ok(())
}

fn set_params(transaction: &Transaction<'_>, id: &LoggedModelId, params: &[Pair]) -> Result<()> {
    for param in params {
        if let Some(earlier) = rows::set_param(transaction, id, param)? {
            return Err(Error::invalid(format!(
                "parameter `{}` of logged model `{id}` is already `{earlier}` and cannot become `{}`: parameters never change",
                param.key, param.value
            )));
        }
    }
    Ok(())
}

/// Keeps points that belong to logged models as well.
pub(super) fn write_points(
    transaction: &Transaction<'_>,
    run: &RunId,
    points: Vec<ModelPoint>,
) -> Result<()> {
    for point in points {
        rows::add_metric(
            transaction,
            &ModelMetric {
                metric: point.metric,
                model: point.model,
                run: run.clone(),
                dataset_name: point.dataset_name,
                dataset_digest: point.dataset_digest,
            },
        )?;
    }
    Ok(())
}

/// Notes on a logged model that a version was made of it.
pub(in crate::service) fn note_version(
    transaction: &Transaction<'_>,
    id: &LoggedModelId,
    name: &str,
    version: u32,
) -> Result<()> {
    let model = there(transaction, id)?;
    let mut versions: Vec<serde_json::Value> = model
        .tags
        .iter()
        .find(|tag| tag.key == VERSIONS)
        .and_then(|tag| serde_json::from_str(&tag.value).ok())
        .unwrap_or_default();
    let made = serde_json::json!({ "name": name, "version": version });
    if !versions.contains(&made) {
        versions.push(made);
    }
    // Spaced as the original writes it: some read this text, not what it says.
    let versions = versions
        .iter()
        .map(|one| {
            let (name, version) = (&one["name"], &one["version"]);
            format!(r#"{{"name": {name}, "version": {version}}}"#)
        })
        .collect::<Vec<_>>()
        .join(", ");
    let tag = Pair {
        key: VERSIONS.to_owned(),
        value: format!("[{versions}]"),
    };
    rows::set_tag(transaction, id, &tag)
}

impl Tracking {
    /// Makes a logged model: PENDING.
    pub fn create_logged_model(&self, new: NewLoggedModel) -> Result<LoggedModel> {
        if let Some(name) = &new.name {
            check_name(name)?;
        }
        new.params
            .iter()
            .try_for_each(|pair| check_pair("parameter", pair))?;
        new.tags
            .iter()
            .try_for_each(|pair| check_pair("tag", pair))?;
        let id = LoggedModelId(format!("m-{}", uuid::Uuid::new_v4().simple()));
        let now = self.core.now();
        let name = new
            .name
            .unwrap_or_else(|| names::invented(uuid::Uuid::new_v4().as_bytes()));
        let source_run = new.source_run.filter(|run| !run.as_str().is_empty());
        let experiment = ExperimentId(new.experiment);
        let (params, tags, model_type) = (new.params, new.tags, new.model_type);
        let model = self.core.store.write(move |transaction| {
            let filed = experiments::get(transaction, &experiment)?;
            if filed.lifecycle == Lifecycle::Deleted {
                return Err(Error::invalid(format!(
                    "experiment `{}` is deleted: restore it before making models in it",
                    filed.name
                )));
            }
            let model = LoggedModel {
                artifact_uri: format!(
                    "{}/models/{id}/artifacts",
                    filed.artifact_location.trim_end_matches('/')
                ),
                id,
                experiment: filed.id,
                name,
                created: now,
                updated: now,
                status: LoggedModelStatus::Pending,
                lifecycle: Lifecycle::Active,
                model_type,
                source_run,
                status_message: None,
                tags,
                params: Vec::new(),
                metrics: Vec::new(),
            };
            rows::insert(transaction, &model)?;
            set_params(transaction, &model.id, &params)?;
            there(transaction, &model.id)
        })?;
        if let Some(run) = &model.source_run {
            self.changed(run);
        }
        Ok(model)
    }

    /// A logged model; a deleted one only when `deleted` is set.
    pub fn logged_model(&self, id: &LoggedModelId, deleted: bool) -> Result<LoggedModel> {
        self.core
            .store
            .read(|view| rows::get(view, id))?
            .filter(|model| deleted || model.lifecycle == Lifecycle::Active)
            .ok_or_else(|| absent(id))
    }

    /// Says that a model's files are whole, or why not.
    pub fn finalize_logged_model(
        &self,
        id: &LoggedModelId,
        status: LoggedModelStatus,
    ) -> Result<LoggedModel> {
        let (id, now) = (id.clone(), self.core.now());
        self.core.store.write(move |transaction| {
            there(transaction, &id)?;
            rows::set_status(transaction, &id, status, now)?;
            there(transaction, &id)
        })
    }

    /// Deletes (archives) a model: it is found no more; its files stay.
    pub fn delete_logged_model(&self, id: &LoggedModelId) -> Result<()> {
        let (id, now) = (id.clone(), self.core.now());
        self.core.store.write(move |transaction| {
            let model = there(transaction, &id)?;
            rows::set_lifecycle(transaction, &id, Lifecycle::Deleted, now)?;
            let name = Some(model.name.as_str());
            audit::by_actor(
                transaction,
                now,
                "delete_logged_model",
                object(&id),
                name,
                None,
            )
        })
    }

    /// Sets tags of a model.
    pub fn tag_logged_model(&self, id: &LoggedModelId, tags: Vec<Pair>) -> Result<()> {
        tags.iter().try_for_each(|pair| check_pair("tag", pair))?;
        let (id, now) = (id.clone(), self.core.now());
        self.core.store.write(move |transaction| {
            let model = there(transaction, &id)?;
            tags.iter().try_for_each(|tag| {
                tell_tag(transaction, now, &model, &tag.key, Some(&tag.value))?;
                rows::set_tag(transaction, &id, tag)
            })
        })
    }

    /// Removes a tag that there is.
    pub fn untag_logged_model(&self, id: &LoggedModelId, key: &str) -> Result<()> {
        let (id, key, now) = (id.clone(), key.to_owned(), self.core.now());
        self.core.store.write(move |transaction| {
            let model = there(transaction, &id)?;
            tell_tag(transaction, now, &model, &key, None)?;
            match rows::delete_tag(transaction, &id, &key)? {
                true => Ok(()),
                false => Err(Error::not_found(format!(
                    "logged model `{id}` has no tag `{key}`"
                ))),
            }
        })
    }

    /// Adds parameters to a model; one that is there never changes.
    pub fn log_model_params(&self, id: &LoggedModelId, params: Vec<Pair>) -> Result<()> {
        params
            .iter()
            .try_for_each(|pair| check_pair("parameter", pair))?;
        let id = id.clone();
        self.core.store.write(move |transaction| {
            there(transaction, &id)?;
            set_params(transaction, &id, &params)
        })
    }

    /// Notes which models a run read (`outputs` false) or made (true), the latter with their steps.
    pub fn link_models(
        &self,
        run: &RunId,
        models: Vec<(LoggedModelId, i64)>,
        outputs: bool,
    ) -> Result<()> {
        if models.iter().any(|(id, _)| id.as_str().is_empty()) {
            return Err(Error::invalid("a model needs its `model_id`"));
        }
        let id = run.clone();
        let direction = if outputs { "output" } else { "input" };
        self.core.store.write(move |transaction| {
            let (number, _) = active(transaction, &id)?;
            models.iter().try_for_each(|(model, step)| {
                runs::add_model(transaction, number, direction, model, *step)
            })
        })?;
        self.changed(run);
        Ok(())
    }

    /// One level of a model's files, paths relative to their root.
    pub fn logged_model_files(&self, id: &LoggedModelId, path: &str) -> Result<Vec<Entry>> {
        let model = self.logged_model(id, false)?;
        self.artifacts_below(&path_of(&model.artifact_uri)?, path)
    }

    /// Models by MLflow's search grammar; not the deleted.
    pub fn search_logged_models(&self, search: &ModelSearch) -> Result<Vec<LoggedModel>> {
        if search.datasets.iter().any(|(name, _)| name.is_empty()) {
            return Err(Error::invalid("a dataset needs its `dataset_name`"));
        }
        search::check_orders(search.order_by.len())?;
        if search.datasets.len() > DATASETS {
            return Err(Error::invalid(format!(
                "{} datasets, at most {DATASETS} are allowed",
                search.datasets.len()
            )));
        }
        let scope = ModelScope {
            experiments: limits::experiments(&search.experiments)?,
            filter: search::parse_for(Kind::LoggedModels, &search.filter, Dialect::Mlflow)?,
            datasets: search.datasets.clone(),
        };
        let orders = search
            .order_by
            .iter()
            .map(order)
            .collect::<Result<Vec<_>>>()?;
        self.core
            .store
            .read(|view| rows::find(view, &scope, &orders, search.offset, search.limit))
    }
}

fn order(clause: &ModelOrderBy) -> Result<ModelOrder> {
    let descending = !clause.ascending;
    if let Some((entity, name)) = clause.field.split_once('.')
        && entity != "attributes"
    {
        return match entity {
            "metrics" => Ok(ModelOrder::Metric(
                name.trim_matches('`').to_owned(),
                clause.dataset.clone(),
                descending,
            )),
            _ => Err(Error::invalid(format!(
                "invalid order_by `{}`: models are ordered by attributes and `metrics.…`",
                clause.field
            ))),
        };
    }
    // A field that needs quotes is no attribute.
    let parsed = search::parse_order_for(Kind::LoggedModels, &clause.field)?;
    match parsed.by {
        Subject::Text(column) | Subject::Time(column) => {
            Ok(ModelOrder::Attribute(column, descending))
        }
        _ => Err(Error::invalid(format!(
            "invalid order_by `{}`",
            clause.field
        ))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn names_of_models_are_mlflows() {
        for good in ["model", "a b", "größe-1"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "a/b", "a:b", "a.b", "a%b", "a'b", "a\"b"] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn orders_name_attributes_and_metrics() {
        let clause = |field: &str| ModelOrderBy {
            field: field.to_owned(),
            ascending: false,
            dataset: None,
        };
        assert_eq!(
            order(&clause("metrics.auc")).unwrap(),
            ModelOrder::Metric("auc".to_owned(), None, true)
        );
        assert_eq!(
            order(&clause("creation_timestamp")).unwrap(),
            ModelOrder::Attribute("l.created", true)
        );
        assert!(order(&clause("params.a")).is_err());
        assert!(order(&clause("nonsense")).is_err());
    }
}
