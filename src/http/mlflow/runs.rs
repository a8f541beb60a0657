//! `runs/…`.

use super::dto::{
    DatasetInputIn, KeyValue, MetricIn, MetricsIn, ModelOutput, OneRun, RunDto, RunInfo, Which,
    Whole, view_type,
};
use super::experiments::limit;
use super::{
    ApiError, Asked, Empty, answer, decoded, missing, offset, page, query, required, written,
};
use crate::domain::metric::Number;
use crate::domain::run::{Pair, RunStatus};
use crate::domain::{Error, ExperimentId, LoggedModelId, Result, RunId, Timestamp};
use crate::service::Services;
use crate::service::tracking::{NewRun, RunSearch};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

type Served = State<Arc<Services>>;
type Answer = Result<Response, ApiError>;

pub(super) fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/runs/create", post(create))
        .route("/runs/get", get(by_id))
        .route("/runs/update", post(update))
        .route("/runs/search", post(search))
        .route("/runs/log-batch", post(log_batch))
        .route("/runs/log-metric", post(log_metric))
        .route("/runs/log-parameter", post(log_parameter))
        .route("/runs/set-tag", post(set_tag))
        .route("/runs/delete-tag", post(delete_tag))
        .route("/runs/delete", post(delete))
        .route("/runs/restore", post(restore))
        .route("/runs/log-inputs", post(log_inputs))
        .route("/runs/outputs", post(log_outputs))
}

#[derive(Deserialize)]
struct Create {
    experiment_id: Option<String>,
    run_name: Option<String>,
    user_id: Option<String>,
    #[serde(default)]
    start_time: Whole,
    #[serde(default)]
    tags: Vec<KeyValue>,
}

async fn create(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Create| {
        let run = services.tracking.create_run(NewRun {
            experiment: asked
                .experiment_id
                .filter(|id| !id.is_empty())
                .map(ExperimentId),
            name: asked.run_name,
            user: asked.user_id.unwrap_or_default(),
            started: asked.start_time.0.map(Timestamp),
            tags: asked.tags.into_iter().map(Pair::from).collect(),
        })?;
        Ok(OneRun::from(&run))
    })
    .await
}

async fn by_id(State(services): Served, asked: Asked) -> Answer {
    query(services, asked, |services, asked| {
        let run = RunId::from(required(asked, &["run_id", "run_uuid"])?);
        Ok(OneRun::from(&services.tracking.run(&run)?))
    })
    .await
}

#[derive(Deserialize)]
struct Update {
    #[serde(flatten)]
    which: Which,
    status: Option<String>,
    #[serde(default)]
    end_time: Whole,
    run_name: Option<String>,
}

#[derive(Serialize)]
struct Updated {
    run_info: RunInfo,
}

async fn update(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Update| {
        let status = asked
            .status
            .filter(|status| !status.is_empty())
            .map(|status| {
                RunStatus::parse(&status)
                    .ok_or_else(|| Error::invalid(format!("`{status}` is no run status")))
            })
            .transpose()?;
        let run = services.tracking.update_run(
            &asked.which.run()?,
            status,
            asked.end_time.0.filter(|time| *time != 0).map(Timestamp),
            asked.run_name,
        )?;
        Ok(Updated {
            run_info: RunInfo::from(&run),
        })
    })
    .await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Search {
    experiment_ids: Vec<String>,
    filter: Option<String>,
    run_view_type: Option<String>,
    max_results: Whole,
    order_by: Vec<String>,
    page_token: Option<String>,
}

async fn search(State(services): Served, body: Bytes) -> Answer {
    written(move || {
        let asked: Search = decoded(&body)?;
        let limit = limit(asked.max_results.0, 1000, 50_000)?;
        let from = offset(asked.page_token.as_deref())?;
        let mut runs = services.tracking.search_runs(&RunSearch {
            experiments: asked.experiment_ids.into_iter().map(ExperimentId).collect(),
            filter: asked.filter.unwrap_or_default(),
            lifecycle: view_type(asked.run_view_type.as_deref())?,
            order_by: asked.order_by,
            offset: from,
            limit: limit + 1,
        })?;
        let next_page_token = page(&mut runs, from, limit);
        let mut json = b"{\"runs\":[".to_vec();
        for (number, run) in runs.iter().enumerate() {
            if number > 0 {
                json.push(b',');
            }
            serde_json::to_writer(&mut json, &RunDto::from(run))?;
        }
        json.push(b']');
        if let Some(token) = next_page_token {
            json.extend_from_slice(b",\"next_page_token\":");
            serde_json::to_writer(&mut json, &token)?;
        }
        json.push(b'}');
        Ok(json)
    })
    .await
}

#[derive(Deserialize)]
struct Batch {
    // Flattened fields are kept twice while they are read, and a batch is large: these two are `Which`'s.
    run_id: Option<String>,
    run_uuid: Option<String>,
    #[serde(default)]
    metrics: MetricsIn,
    #[serde(default)]
    params: Vec<KeyValue>,
    #[serde(default)]
    tags: Vec<KeyValue>,
}

async fn log_batch(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Batch| {
        let run = Which::of(asked.run_id, asked.run_uuid).run()?;
        let (points, of_models) = asked.metrics.taken()?;
        services.tracking.log_points(
            &run,
            points,
            asked.params.into_iter().map(Pair::from).collect(),
            asked.tags.into_iter().map(Pair::from).collect(),
            of_models,
        )?;
        Ok(Empty {})
    })
    .await
}

#[derive(Deserialize)]
struct OneMetric {
    run_id: Option<String>,
    run_uuid: Option<String>,
    #[serde(default)]
    key: String,
    value: Option<Number>,
    #[serde(default)]
    timestamp: Whole,
    #[serde(default)]
    step: Whole,
    model_id: Option<String>,
    dataset_name: Option<String>,
    dataset_digest: Option<String>,
}

async fn log_metric(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: OneMetric| {
        let metric = MetricIn {
            key: asked.key.into(),
            value: asked.value.ok_or_else(|| missing("value"))?.0,
            timestamp: asked.timestamp.0,
            step: asked.step.0,
            model_id: asked.model_id,
            dataset_name: asked.dataset_name,
            dataset_digest: asked.dataset_digest,
        };
        let run = Which::of(asked.run_id, asked.run_uuid).run()?;
        let (point, of_model) = MetricsIn::one(metric).taken()?;
        services
            .tracking
            .log_points(&run, point, Vec::new(), Vec::new(), of_model)?;
        Ok(Empty {})
    })
    .await
}

#[derive(Deserialize)]
struct OnePair {
    #[serde(flatten)]
    which: Which,
    #[serde(flatten)]
    pair: KeyValue,
}

async fn log_parameter(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: OnePair| {
        services.tracking.log_batch(
            &asked.which.run()?,
            &[],
            vec![asked.pair.into()],
            Vec::new(),
        )?;
        Ok(Empty {})
    })
    .await
}

async fn set_tag(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: OnePair| {
        let KeyValue { key, value } = asked.pair;
        services
            .tracking
            .tag_run(&asked.which.run()?, &key, Some(value), None)?;
        Ok(Empty {})
    })
    .await
}

async fn delete_tag(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: OnePair| {
        let run = asked.which.run()?;
        if asked.pair.key.is_empty() {
            return Err(missing("key"));
        }
        services
            .tracking
            .tag_run(&run, &asked.pair.key, None, None)?;
        Ok(Empty {})
    })
    .await
}

async fn delete(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Which| {
        services.tracking.archive(&asked.run()?, false)?;
        Ok(Empty {})
    })
    .await
}

async fn restore(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Which| {
        services.tracking.archive(&asked.run()?, true)?;
        Ok(Empty {})
    })
    .await
}

#[derive(Deserialize)]
struct Inputs {
    #[serde(flatten)]
    which: Which,
    #[serde(default)]
    datasets: Vec<DatasetInputIn>,
    #[serde(default)]
    models: Vec<ModelOutput>,
}

fn links(models: Vec<ModelOutput>) -> Vec<(LoggedModelId, i64)> {
    models
        .into_iter()
        .map(|model| (LoggedModelId(model.model_id), model.step.0.unwrap_or(0)))
        .collect()
}

async fn log_inputs(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Inputs| {
        let run = asked.which.run()?;
        let inputs = asked.datasets.into_iter().map(Into::into).collect();
        services.tracking.log_inputs(&run, inputs)?;
        if !asked.models.is_empty() {
            services
                .tracking
                .link_models(&run, links(asked.models), false)?;
        }
        Ok(Empty {})
    })
    .await
}

#[derive(Deserialize)]
struct Outputs {
    #[serde(flatten)]
    which: Which,
    models: Option<Vec<ModelOutput>>,
}

async fn log_outputs(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Outputs| {
        let models = asked.models.ok_or_else(|| missing("models"))?;
        services
            .tracking
            .link_models(&asked.which.run()?, links(models), true)?;
        Ok(Empty {})
    })
    .await
}
