//! MLflow REST: one file per group of endpoints. Each handler decodes, calls one method of `tracking`, encodes.

mod artifact_names;
mod artifacts;
pub mod dto;
mod experiments;
mod logged_models;
mod metrics;
mod model_versions;
mod registered_models;
mod registry_dto;
mod runs;
mod traces;

use super::error::{ApiError, blocking};
use crate::domain::{Error, Result};
use crate::service::Services;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Query};
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A batch of 1000 points with the longest keys fits; files go through the artifact routes, which have no limit.
const BODY: usize = 16 * 1024 * 1024;

/// All routes, under `/api/` and once more under `/ajax-api/`.
pub fn router(services: Arc<Services>) -> Router {
    let mut router = Router::new();
    for root in ["/api", "/ajax-api"] {
        let endpoints = Router::new()
            .merge(experiments::router())
            .merge(runs::router())
            .merge(metrics::router())
            .merge(logged_models::router())
            .merge(registered_models::router())
            .merge(model_versions::router())
            .merge(artifacts::listing())
            .layer(DefaultBodyLimit::max(BODY))
            .fallback(absent);
        router = router
            .nest(&format!("{root}/2.0/mlflow"), endpoints)
            .nest(
                &format!("{root}/2.0/mlflow-artifacts"),
                artifacts::proxy().fallback(absent),
            )
            .nest(
                &format!("{root}/3.0/mlflow"),
                traces::router()
                    .route("/server-info", get(server_info))
                    .fallback(absent),
            );
    }
    router.merge(traces::otlp()).with_state(services)
}

async fn absent(uri: Uri) -> Response {
    let body = serde_json::json!({
        "error_code": "ENDPOINT_NOT_FOUND",
        "message": format!("there is no endpoint `{}`", uri.path()),
    });
    (
        StatusCode::NOT_FOUND,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}

/// What the server can do besides: nothing of it.
async fn server_info() -> Response {
    encoded(&serde_json::json!({
        "store_type": "SqlStore",
        "workspaces_enabled": false,
        "multipart_upload_supported": false,
        "presigned_download_supported": false,
    }))
}

/// Who changes the registry, as the audit has it: a client that gave no name.
const CLIENT: &str = "mlflow";

/// An empty success.
#[derive(Serialize)]
pub(super) struct Empty {}

fn encoded<T: Serialize>(value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => ApiError(Error::internal("writing JSON").because(error)).into_response(),
    }
}

/// Decodes a body, does the work on a blocking thread, encodes the answer.
async fn answer<T, R>(
    services: Arc<Services>,
    body: Bytes,
    work: impl FnOnce(&Services, T) -> Result<R> + Send + 'static,
) -> Result<Response, ApiError>
where
    T: DeserializeOwned,
    R: Serialize + Send + 'static,
{
    blocking(move || work(&services, decoded(&body)?))
        .await
        .map(|value| encoded(&value))
}

/// A body as the type that its endpoint takes, in one pass; no body is an empty object.
fn decoded<T: DeserializeOwned>(body: &[u8]) -> Result<T> {
    let body = if body.is_empty() { b"{}" } else { body };
    // text that was looked at as a whole is not looked at again string by string
    match std::str::from_utf8(body) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(body),
    }
    .map_err(|error| match error.classify() {
        Category::Data => Error::invalid(format!("invalid request: {error}")),
        _ => Error::from(error),
    })
}

/// Does the work on a blocking thread, which writes the answer's JSON itself.
async fn written(
    work: impl FnOnce() -> Result<Vec<u8>> + Send + 'static,
) -> Result<Response, ApiError> {
    blocking(work)
        .await
        .map(|bytes| ([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

/// A query's parameters; of one given twice the last.
type Asked = Query<BTreeMap<String, String>>;

/// The same for a GET: parameters from the query.
async fn query<R>(
    services: Arc<Services>,
    asked: Asked,
    work: impl FnOnce(&Services, &BTreeMap<String, String>) -> Result<R> + Send + 'static,
) -> Result<Response, ApiError>
where
    R: Serialize + Send + 'static,
{
    blocking(move || work(&services, &asked.0))
        .await
        .map(|value| encoded(&value))
}

/// A query's parameters, those given more than once as well.
struct Parameters(Vec<(String, String)>);

/// How handlers receive [`Parameters`].
type Pairs = Query<Vec<(String, String)>>;

impl Parameters {
    /// The last value of a parameter; empty text is none.
    fn text(&self, name: &str) -> Option<String> {
        self.0
            .iter()
            .rev()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    }

    /// Every value of a parameter.
    fn texts(&self, name: &str) -> Vec<String> {
        self.0
            .iter()
            .filter(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
            .collect()
    }

    /// A parameter that must be there.
    fn required(&self, name: &str) -> Result<String> {
        self.text(name).ok_or_else(|| missing(name))
    }

    /// A whole number.
    fn whole(&self, name: &str) -> Result<Option<i64>> {
        self.text(name)
            .map(|text| {
                text.parse()
                    .map_err(|_| Error::invalid(format!("`{name}` `{text}` is no whole number")))
            })
            .transpose()
    }
}

/// The same for a GET whose parameters may be given more than once.
async fn query_pairs<R>(
    services: Arc<Services>,
    asked: Pairs,
    work: impl FnOnce(&Services, &Parameters) -> Result<R> + Send + 'static,
) -> Result<Response, ApiError>
where
    R: Serialize + Send + 'static,
{
    let asked = Parameters(asked.0);
    blocking(move || work(&services, &asked))
        .await
        .map(|value| encoded(&value))
}

/// A search by GET, in pages of `usual` rows and `most` at most: `find` gets filter, orders, where the page begins and one
/// row more than it has, `page_of` the rows and the next page's token.
async fn searched<T, R>(
    services: Arc<Services>,
    asked: Pairs,
    (usual, most): (u64, u64),
    find: impl FnOnce(&Services, &str, &[String], u64, u64) -> Result<Vec<T>> + Send + 'static,
    page_of: impl FnOnce(Vec<T>, Option<String>) -> R + Send + 'static,
) -> Result<Response, ApiError>
where
    R: Serialize + Send + 'static,
{
    query_pairs(services, asked, move |services, asked| {
        let limit = experiments::limit(asked.whole("max_results")?, usual, most)?;
        let from = offset(asked.text("page_token").as_deref())?;
        let filter = asked.text("filter").unwrap_or_default();
        let mut found = find(services, &filter, &asked.texts("order_by"), from, limit + 1)?;
        let next_page_token = page(&mut found, from, limit);
        Ok(page_of(found, next_page_token))
    })
    .await
}

/// A parameter that must be there.
fn required<'a>(asked: &'a BTreeMap<String, String>, names: &[&str]) -> Result<&'a str> {
    names
        .iter()
        .find_map(|name| asked.get(*name).filter(|value| !value.is_empty()))
        .map(String::as_str)
        .ok_or_else(|| missing(names[0]))
}

fn missing(name: &str) -> Error {
    Error::invalid(format!("missing value for required parameter `{name}`"))
}

/// A page token: opaque to clients, an offset to us.
fn token(offset: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("offset {offset}"))
}

/// The offset of a page token; none or empty text is the beginning.
fn offset(token: Option<&str>) -> Result<u64> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Ok(0);
    };
    URL_SAFE_NO_PAD
        .decode(token)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix("offset ")?.parse().ok())
        .ok_or_else(|| Error::invalid(format!("invalid page token `{token}`")))
}

/// Cuts the one row too many that was asked for, and makes the next page's token from it.
fn page<T>(rows: &mut Vec<T>, from: u64, limit: u64) -> Option<String> {
    let limit_rows = usize::try_from(limit).unwrap_or(usize::MAX);
    if rows.len() <= limit_rows {
        return None;
    }
    rows.truncate(limit_rows);
    Some(token(from + limit))
}

#[cfg(test)]
mod registry_tests;
#[cfg(test)]
mod tests;
