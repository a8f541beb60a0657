//! `experiments/…`.

use super::dto::{ExperimentDto, KeyValue, Whole, view_type};
use super::{
    ApiError, Asked, Empty, Pairs, answer, missing, offset, page, query, query_pairs, required,
};
use crate::domain::experiment::Lifecycle;
use crate::domain::{Error, ExperimentId, Result};
use crate::service::Services;
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
        .route("/experiments/create", post(create))
        .route("/experiments/get", get(by_id))
        .route("/experiments/get-by-name", get(by_name))
        .route("/experiments/search", post(search).get(search_by_query))
        .route("/experiments/update", post(update))
        .route("/experiments/delete", post(delete))
        .route("/experiments/restore", post(restore))
        .route("/experiments/set-experiment-tag", post(set_tag))
        .route("/experiments/delete-experiment-tag", post(delete_tag))
}

#[derive(Serialize)]
struct One {
    experiment: ExperimentDto,
}

#[derive(Serialize)]
struct Made {
    experiment_id: ExperimentId,
}

#[derive(Deserialize)]
struct Create {
    #[serde(default)]
    name: String,
    artifact_location: Option<String>,
    #[serde(default)]
    tags: Vec<KeyValue>,
}

async fn create(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Create| {
        if asked.name.is_empty() {
            return Err(missing("name"));
        }
        let tags = asked.tags.into_iter().map(Into::into).collect();
        let experiment_id =
            services
                .tracking
                .create_experiment(&asked.name, asked.artifact_location, tags)?;
        Ok(Made { experiment_id })
    })
    .await
}

async fn by_id(State(services): Served, asked: Asked) -> Answer {
    query(services, asked, |services, asked| {
        let id = ExperimentId::from(required(asked, &["experiment_id"])?);
        Ok(One {
            experiment: services.tracking.experiment(&id)?.into(),
        })
    })
    .await
}

async fn by_name(State(services): Served, asked: Asked) -> Answer {
    query(services, asked, |services, asked| {
        let name = required(asked, &["experiment_name"])?;
        Ok(One {
            experiment: services.tracking.experiment_by_name(name)?.into(),
        })
    })
    .await
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Search {
    max_results: Whole,
    page_token: Option<String>,
    filter: Option<String>,
    order_by: Vec<String>,
    view_type: Option<String>,
}

#[derive(Serialize)]
struct Found {
    experiments: Vec<ExperimentDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn search(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Search| {
        found(services, &asked)
    })
    .await
}

async fn search_by_query(State(services): Served, asked: Pairs) -> Answer {
    query_pairs(services, asked, |services, asked| {
        let search = Search {
            max_results: Whole(asked.whole("max_results")?),
            page_token: asked.text("page_token"),
            filter: asked.text("filter"),
            order_by: asked.texts("order_by"),
            view_type: asked.text("view_type"),
        };
        found(services, &search)
    })
    .await
}

fn found(services: &Services, asked: &Search) -> Result<Found> {
    let limit = limit(asked.max_results.0, 1000, 50_000)?;
    let from = offset(asked.page_token.as_deref())?;
    let lifecycle: Option<Lifecycle> = view_type(asked.view_type.as_deref())?;
    let mut experiments: Vec<ExperimentDto> = services
        .tracking
        .search_experiments(
            asked.filter.as_deref().unwrap_or_default(),
            &asked.order_by,
            lifecycle,
            from,
            limit + 1,
        )?
        .into_iter()
        .map(Into::into)
        .collect();
    let next_page_token = page(&mut experiments, from, limit);
    Ok(Found {
        experiments,
        next_page_token,
    })
}

/// `max_results`: the default when absent or 0, an error beyond the greatest allowed.
pub(super) fn limit(asked: Option<i64>, default: u64, greatest: u64) -> Result<u64> {
    match asked {
        None | Some(0) => Ok(default),
        Some(number) => u64::try_from(number)
            .ok()
            .filter(|number| *number <= greatest)
            .ok_or_else(|| {
                Error::invalid(format!(
                    "`max_results` is from 1 to {greatest}, not {number}"
                ))
            }),
    }
}

#[derive(Deserialize)]
struct Change {
    #[serde(default)]
    experiment_id: String,
    #[serde(default)]
    new_name: String,
    #[serde(default)]
    key: String,
    #[serde(default)]
    value: String,
}

impl Change {
    fn id(&self) -> Result<ExperimentId> {
        if self.experiment_id.is_empty() {
            return Err(missing("experiment_id"));
        }
        Ok(ExperimentId::from(self.experiment_id.as_str()))
    }
}

async fn update(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        if asked.new_name.is_empty() {
            return Err(missing("new_name"));
        }
        services
            .tracking
            .rename_experiment(&asked.id()?, &asked.new_name)?;
        Ok(Empty {})
    })
    .await
}

async fn delete(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        services.tracking.archive_experiment(&asked.id()?, false)?;
        Ok(Empty {})
    })
    .await
}

async fn restore(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        services.tracking.archive_experiment(&asked.id()?, true)?;
        Ok(Empty {})
    })
    .await
}

async fn set_tag(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let id = asked.id()?;
        services
            .tracking
            .tag_experiment(&id, &asked.key, Some(asked.value))?;
        Ok(Empty {})
    })
    .await
}

async fn delete_tag(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        services
            .tracking
            .tag_experiment(&asked.id()?, &asked.key, None)?;
        Ok(Empty {})
    })
    .await
}
