//! `registered-models/…`. Deletes carry their body; updates are PATCH.

use super::dto::KeyValue;
use super::registry_dto::{ModelDto, OneModel, OneVersion, VersionDto, required, version};
use super::{ApiError, CLIENT, Empty, Pairs, answer, query_pairs, searched};
use crate::domain::{ModelName, Result};
use crate::service::Services;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete as delete_route, get, patch, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

type Served = State<Arc<Services>>;
type Answer = Result<Response, ApiError>;

/// Models of a page at most.
const MODELS: u64 = 1000;

pub(super) fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/registered-models/create", post(create))
        .route("/registered-models/get", get(by_name))
        .route("/registered-models/update", patch(update))
        .route("/registered-models/rename", post(rename))
        .route("/registered-models/delete", delete_route(delete))
        .route("/registered-models/search", get(search))
        .route(
            "/registered-models/get-latest-versions",
            post(latest).get(latest_by_query),
        )
        .route("/registered-models/set-tag", post(set_tag))
        .route("/registered-models/delete-tag", delete_route(delete_tag))
        .route(
            "/registered-models/alias",
            post(set_alias).get(by_alias).delete(delete_alias),
        )
}

/// What the requests of this group carry, in one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    name: Option<String>,
    new_name: Option<String>,
    description: Option<String>,
    tags: Vec<KeyValue>,
    stages: Vec<String>,
    key: Option<String>,
    value: Option<String>,
    alias: Option<String>,
    version: Option<String>,
}

impl Change {
    fn model(&self) -> Result<ModelName> {
        required(self.name.as_ref(), "name").map(ModelName)
    }
}

fn one(services: &Services, model: &ModelName) -> Result<OneModel> {
    Ok(services.registry.model_record(model)?.into())
}

async fn create(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let model = asked.model()?;
        services.registry.create_model(
            &model,
            asked.description.as_deref().unwrap_or_default(),
            asked.tags.into_iter().map(Into::into).collect(),
            CLIENT,
        )?;
        one(services, &model)
    })
    .await
}

async fn by_name(State(services): Served, asked: Pairs) -> Answer {
    query_pairs(services, asked, |services, asked| {
        one(services, &ModelName(asked.required("name")?))
    })
    .await
}

async fn update(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let model = asked.model()?;
        let text = asked.description.unwrap_or_default();
        services
            .registry
            .describe_model(&model, &text, CLIENT, None)?;
        one(services, &model)
    })
    .await
}

async fn rename(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let to = ModelName(required(asked.new_name.as_ref(), "new_name")?);
        services
            .registry
            .rename_model(&asked.model()?, &to, CLIENT)?;
        one(services, &to)
    })
    .await
}

async fn delete(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        services.registry.delete_model(&asked.model()?, CLIENT)?;
        Ok(Empty {})
    })
    .await
}

#[derive(Serialize)]
struct Found {
    registered_models: Vec<ModelDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn search(State(services): Served, asked: Pairs) -> Answer {
    searched(
        services,
        asked,
        (100, MODELS),
        |services, filter, orders, from, limit| {
            services.registry.search_models(filter, orders, from, limit)
        },
        |found, next_page_token| Found {
            registered_models: found.into_iter().map(Into::into).collect(),
            next_page_token,
        },
    )
    .await
}

#[derive(Serialize)]
struct Versions {
    model_versions: Vec<VersionDto>,
}

fn newest(services: &Services, model: &ModelName, stages: &[String]) -> Result<Versions> {
    Ok(Versions {
        model_versions: services
            .registry
            .newest_versions(model, stages)?
            .into_iter()
            .map(Into::into)
            .collect(),
    })
}

async fn latest(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        newest(services, &asked.model()?, &asked.stages)
    })
    .await
}

async fn latest_by_query(State(services): Served, asked: Pairs) -> Answer {
    query_pairs(services, asked, |services, asked| {
        let model = ModelName(asked.required("name")?);
        newest(services, &model, &asked.texts("stages"))
    })
    .await
}

async fn set_tag(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let key = required(asked.key.as_ref(), "key")?;
        let value = asked.value.clone().unwrap_or_default();
        services
            .registry
            .tag_model(&asked.model()?, &key, Some(value), CLIENT, None)?;
        Ok(Empty {})
    })
    .await
}

async fn delete_tag(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let key = required(asked.key.as_ref(), "key")?;
        services
            .registry
            .tag_model(&asked.model()?, &key, None, CLIENT, None)?;
        Ok(Empty {})
    })
    .await
}

async fn set_alias(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let model = asked.model()?;
        let alias = required(asked.alias.as_ref(), "alias")?;
        let version = version(&required(asked.version.as_ref(), "version")?)?;
        services
            .registry
            .point_alias(&model, &alias, version, CLIENT)?;
        Ok(Empty {})
    })
    .await
}

async fn delete_alias(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let alias = required(asked.alias.as_ref(), "alias")?;
        services
            .registry
            .drop_alias(&asked.model()?, &alias, CLIENT)?;
        Ok(Empty {})
    })
    .await
}

async fn by_alias(State(services): Served, asked: Pairs) -> Answer {
    query_pairs(services, asked, |services, asked| {
        let model = ModelName(asked.required("name")?);
        let record = services
            .registry
            .record_by_alias(&model, &asked.required("alias")?)?;
        Ok(OneVersion::from(record))
    })
    .await
}
