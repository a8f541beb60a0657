//! `logged-models/…`: models that runs made, registered or not.

use super::dto::{FileDto, KeyValue, Whole, key_values};
use super::experiments::limit;
use super::{
    ApiError, Empty, Pairs, answer, blocking, encoded, missing, offset, page, query_pairs,
};
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
use crate::domain::run::Pair;
use crate::domain::{Error, ExperimentId, LoggedModelId, Result, RunId};
use crate::service::Services;
use crate::service::tracking::logged_models::{ModelOrderBy, ModelSearch, NewLoggedModel};
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{delete as delete_route, get, patch, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

type Served = State<Arc<Services>>;
type Answer = Result<Response, ApiError>;

/// Models of a page when nobody says how many.
const MODELS: u64 = 50;
/// Models of a page at most.
const MOST: u64 = 50_000;

pub(super) fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/logged-models", post(create))
        .route("/logged-models/search", post(search))
        .route(
            "/logged-models/{model}",
            get(by_id).patch(finalize).delete(delete),
        )
        .route("/logged-models/{model}/tags", patch(set_tags))
        .route(
            "/logged-models/{model}/tags/{key}",
            delete_route(delete_tag),
        )
        .route("/logged-models/{model}/params", post(log_params))
        .route(
            "/logged-models/{model}/artifacts/directories",
            get(list_files),
        )
}

/// Names of the statuses on the wire, in the order of [`LoggedModelStatus::ALL`].
const STATUSES: [&str; 4] = [
    "LOGGED_MODEL_STATUS_UNSPECIFIED",
    "LOGGED_MODEL_PENDING",
    "LOGGED_MODEL_READY",
    "LOGGED_MODEL_UPLOAD_FAILED",
];

#[derive(Serialize)]
struct MetricDto {
    key: String,
    #[serde(with = "crate::domain::metric::number")]
    value: f64,
    timestamp: i64,
    step: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dataset_digest: Option<String>,
    model_id: LoggedModelId,
    run_id: RunId,
}

impl From<ModelMetric> for MetricDto {
    fn from(point: ModelMetric) -> Self {
        let value = point.metric.value;
        Self {
            key: point.metric.key,
            // NaN stays NaN; clamping leaves it alone.
            value: value.clamp(f64::MIN, f64::MAX),
            timestamp: point.metric.timestamp.0,
            step: point.metric.step,
            dataset_name: point.dataset_name,
            dataset_digest: point.dataset_digest,
            model_id: point.model,
            run_id: point.run,
        }
    }
}

#[derive(Serialize)]
struct Info {
    model_id: LoggedModelId,
    experiment_id: ExperimentId,
    name: String,
    creation_timestamp_ms: i64,
    last_updated_timestamp_ms: i64,
    artifact_uri: String,
    status: &'static str,
    model_type: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_run_id: Option<RunId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<String>,
    tags: Vec<KeyValue>,
}

#[derive(Serialize)]
struct Data {
    params: Vec<KeyValue>,
    metrics: Vec<MetricDto>,
}

#[derive(Serialize)]
struct ModelDto {
    info: Info,
    data: Data,
}

impl From<LoggedModel> for ModelDto {
    fn from(model: LoggedModel) -> Self {
        let status = LoggedModelStatus::ALL
            .iter()
            .position(|status| *status == model.status)
            .unwrap_or(0);
        Self {
            info: Info {
                model_id: model.id,
                experiment_id: model.experiment,
                name: model.name,
                creation_timestamp_ms: model.created.0,
                last_updated_timestamp_ms: model.updated.0,
                artifact_uri: model.artifact_uri,
                status: STATUSES[status],
                model_type: model.model_type,
                source_run_id: model.source_run,
                status_message: model.status_message,
                tags: key_values(&model.tags),
            },
            data: Data {
                params: key_values(&model.params),
                metrics: model.metrics.into_iter().map(Into::into).collect(),
            },
        }
    }
}

#[derive(Serialize)]
struct One {
    model: ModelDto,
}

impl From<LoggedModel> for One {
    fn from(model: LoggedModel) -> Self {
        Self {
            model: model.into(),
        }
    }
}

fn pairs(pairs: Vec<KeyValue>) -> Vec<Pair> {
    pairs.into_iter().map(Pair::from).collect()
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Create {
    experiment_id: Option<String>,
    name: Option<String>,
    model_type: Option<String>,
    source_run_id: Option<String>,
    params: Vec<KeyValue>,
    tags: Vec<KeyValue>,
}

async fn create(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Create| {
        let model = services.tracking.create_logged_model(NewLoggedModel {
            experiment: asked
                .experiment_id
                .filter(|id| !id.is_empty())
                .ok_or_else(|| missing("experiment_id"))?,
            name: asked.name.filter(|name| !name.is_empty()),
            model_type: asked.model_type.unwrap_or_default(),
            source_run: asked.source_run_id.map(RunId),
            params: pairs(asked.params),
            tags: pairs(asked.tags),
        })?;
        Ok(One::from(model))
    })
    .await
}

async fn by_id(State(services): Served, Path(model): Path<String>, asked: Pairs) -> Answer {
    query_pairs(services, asked, move |services, asked| {
        let deleted = asked
            .text("allow_deleted")
            .is_some_and(|text| text.eq_ignore_ascii_case("true"));
        let model = services
            .tracking
            .logged_model(&LoggedModelId(model), deleted)?;
        Ok(One::from(model))
    })
    .await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    status: Option<serde_json::Value>,
    tags: Vec<KeyValue>,
    params: Vec<KeyValue>,
}

/// A status by its name or its number.
fn status(value: Option<serde_json::Value>) -> Result<LoggedModelStatus> {
    let value = value
        .filter(|value| !value.is_null())
        .ok_or_else(|| missing("status"))?;
    let place = match &value {
        serde_json::Value::Number(number) => number
            .as_u64()
            .and_then(|number| usize::try_from(number).ok()),
        serde_json::Value::String(name) => STATUSES.iter().position(|known| known == name),
        _ => None,
    };
    place
        .and_then(|place| LoggedModelStatus::ALL.get(place).copied())
        .ok_or_else(|| {
            Error::invalid(format!(
                "`status` {value} is none of {}",
                STATUSES.join(", ")
            ))
        })
}

async fn finalize(State(services): Served, Path(model): Path<String>, body: Bytes) -> Answer {
    answer(services, body, move |services, asked: Change| {
        let status = status(asked.status)?;
        let model = services
            .tracking
            .finalize_logged_model(&LoggedModelId(model), status)?;
        Ok(One::from(model))
    })
    .await
}

async fn delete(State(services): Served, Path(model): Path<String>) -> Answer {
    blocking(move || services.tracking.delete_logged_model(&LoggedModelId(model))).await?;
    Ok(encoded(&Empty {}))
}

async fn set_tags(State(services): Served, Path(model): Path<String>, body: Bytes) -> Answer {
    answer(services, body, move |services, asked: Change| {
        services
            .tracking
            .tag_logged_model(&LoggedModelId(model), pairs(asked.tags))?;
        Ok(Empty {})
    })
    .await
}

async fn delete_tag(State(services): Served, Path((model, key)): Path<(String, String)>) -> Answer {
    blocking(move || {
        services
            .tracking
            .untag_logged_model(&LoggedModelId(model), &key)
    })
    .await?;
    Ok(encoded(&Empty {}))
}

async fn log_params(State(services): Served, Path(model): Path<String>, body: Bytes) -> Answer {
    answer(services, body, move |services, asked: Change| {
        services
            .tracking
            .log_model_params(&LoggedModelId(model), pairs(asked.params))?;
        Ok(Empty {})
    })
    .await
}

#[derive(Serialize)]
struct Files {
    files: Vec<FileDto>,
    root_uri: String,
}

async fn list_files(State(services): Served, Path(model): Path<String>, asked: Pairs) -> Answer {
    query_pairs(services, asked, move |services, asked| {
        let id = LoggedModelId(model);
        let path = asked.text("artifact_directory_path").unwrap_or_default();
        Ok(Files {
            root_uri: services.tracking.logged_model(&id, false)?.artifact_uri,
            files: services
                .tracking
                .logged_model_files(&id, &path)?
                .into_iter()
                .map(FileDto::from)
                .collect(),
        })
    })
    .await
}

#[derive(Deserialize)]
struct OnDataset {
    #[serde(default)]
    dataset_name: String,
    dataset_digest: Option<String>,
}

#[derive(Deserialize)]
struct OrderBy {
    #[serde(default)]
    field_name: String,
    ascending: Option<bool>,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

impl From<OrderBy> for ModelOrderBy {
    fn from(clause: OrderBy) -> Self {
        Self {
            field: clause.field_name,
            ascending: clause.ascending.unwrap_or(true),
            dataset: clause
                .dataset_name
                .filter(|name| !name.is_empty())
                .map(|name| {
                    (
                        name,
                        clause.dataset_digest.filter(|digest| !digest.is_empty()),
                    )
                }),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Search {
    experiment_ids: Option<Vec<String>>,
    filter: Option<String>,
    datasets: Vec<OnDataset>,
    max_results: Whole,
    order_by: Vec<OrderBy>,
    page_token: Option<String>,
}

#[derive(Serialize)]
struct Found {
    models: Vec<ModelDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn search(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Search| {
        let limit = limit(asked.max_results.0, MODELS, MOST)?;
        let from = offset(asked.page_token.as_deref())?;
        let mut models = services.tracking.search_logged_models(&ModelSearch {
            experiments: asked
                .experiment_ids
                .ok_or_else(|| missing("experiment_ids"))?
                .into_iter()
                .map(ExperimentId)
                .collect(),
            filter: asked.filter.unwrap_or_default(),
            datasets: asked
                .datasets
                .into_iter()
                .map(|dataset| {
                    (
                        dataset.dataset_name,
                        dataset.dataset_digest.filter(|digest| !digest.is_empty()),
                    )
                })
                .collect(),
            order_by: asked.order_by.into_iter().map(Into::into).collect(),
            offset: from,
            limit: limit + 1,
        })?;
        let next_page_token = page(&mut models, from, limit);
        Ok(Found {
            models: models.into_iter().map(Into::into).collect(),
            next_page_token,
        })
    })
    .await
}
