//! `model-versions/…`.

use super::dto::KeyValue;
use super::registry_dto::{OneVersion, VersionDto, required, version};
use super::{ApiError, CLIENT, Empty, Pairs, answer, query_pairs, searched};
use crate::domain::{ModelName, Result, Version};
use crate::service::Services;
use crate::service::registry::{NewModelVersion, Origin};
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{delete as delete_route, get, patch, post};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

type Served = State<Arc<Services>>;
type Answer = Result<Response, ApiError>;

/// Versions of a page at most, and when nobody says how many.
const VERSIONS: u64 = 200_000;

pub(super) fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/model-versions/create", post(create))
        .route("/model-versions/get", get(by_number))
        .route("/model-versions/update", patch(update))
        .route("/model-versions/delete", delete_route(delete))
        .route("/model-versions/search", get(search))
        .route("/model-versions/get-download-uri", get(download_uri))
        .route("/model-versions/transition-stage", post(transition))
        .route("/model-versions/set-tag", post(set_tag))
        .route("/model-versions/delete-tag", delete_route(delete_tag))
}

/// What the requests of this group carry, in one.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Change {
    name: Option<String>,
    version: Option<String>,
    source: Option<String>,
    run_id: Option<String>,
    model_id: Option<String>,
    run_link: Option<String>,
    description: Option<String>,
    tags: Vec<KeyValue>,
    stage: Option<String>,
    archive_existing_versions: bool,
    key: Option<String>,
    value: Option<String>,
}

impl Change {
    fn model(&self) -> Result<ModelName> {
        required(self.name.as_ref(), "name").map(ModelName)
    }

    fn version(&self) -> Result<Version> {
        version(&required(self.version.as_ref(), "version")?)
    }
}

async fn create(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let new = NewModelVersion {
            model: asked.model()?,
            origin: Origin {
                source: required(asked.source.as_ref(), "source")?,
                run: asked.run_id,
                logged_model: asked.model_id,
            },
            run_link: asked.run_link.unwrap_or_default(),
            description: asked.description.unwrap_or_default(),
            tags: asked.tags.into_iter().map(Into::into).collect(),
        };
        let record = services.registry.create_version(new, CLIENT)?;
        Ok(OneVersion::from(record))
    })
    .await
}

async fn by_number(State(services): Served, asked: Pairs) -> Answer {
    query_pairs(services, asked, |services, asked| {
        let model = ModelName(asked.required("name")?);
        let version = version(&asked.required("version")?)?;
        Ok(OneVersion::from(services.registry.record(&model, version)?))
    })
    .await
}

async fn update(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let text = asked.description.clone().unwrap_or_default();
        let record = services.registry.describe_version(
            &asked.model()?,
            asked.version()?,
            &text,
            CLIENT,
            None,
        )?;
        Ok(OneVersion::from(record))
    })
    .await
}

async fn delete(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        services
            .registry
            .remove_version(&asked.model()?, asked.version()?, CLIENT)?;
        Ok(Empty {})
    })
    .await
}

#[derive(Serialize)]
struct Found {
    model_versions: Vec<VersionDto>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn search(State(services): Served, asked: Pairs) -> Answer {
    searched(
        services,
        asked,
        (VERSIONS, VERSIONS),
        |services, filter, orders, from, limit| {
            services
                .registry
                .search_versions(filter, orders, from, limit)
        },
        |found, next_page_token| Found {
            model_versions: found.into_iter().map(VersionDto::without_aliases).collect(),
            next_page_token,
        },
    )
    .await
}

#[derive(Serialize)]
struct Location {
    artifact_uri: String,
}

async fn download_uri(State(services): Served, asked: Pairs) -> Answer {
    query_pairs(services, asked, |services, asked| {
        let model = ModelName(asked.required("name")?);
        let version = version(&asked.required("version")?)?;
        Ok(Location {
            artifact_uri: services.registry.download_uri(&model, version)?,
        })
    })
    .await
}

async fn transition(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        let record = services.registry.set_stage(
            &asked.model()?,
            asked.version()?,
            &required(asked.stage.as_ref(), "stage")?,
            asked.archive_existing_versions,
            CLIENT,
            None,
        )?;
        Ok(OneVersion::from(record))
    })
    .await
}

async fn set_tag(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        services.registry.tag_version(
            &asked.model()?,
            asked.version()?,
            &required(asked.key.as_ref(), "key")?,
            Some(asked.value.clone().unwrap_or_default()),
            CLIENT,
            None,
        )?;
        Ok(Empty {})
    })
    .await
}

async fn delete_tag(State(services): Served, body: Bytes) -> Answer {
    answer(services, body, |services, asked: Change| {
        services.registry.tag_version(
            &asked.model()?,
            asked.version()?,
            &required(asked.key.as_ref(), "key")?,
            None,
            CLIENT,
            None,
        )?;
        Ok(Empty {})
    })
    .await
}
