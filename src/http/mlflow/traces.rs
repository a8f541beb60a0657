//! Traces of generative models are not kept: searches find none, and whoever sends one hears it once, with a code that
//! clients do not repeat.

use crate::service::Services;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::Arc;

/// Under `/api/3.0/mlflow`.
pub(super) fn router() -> Router<Arc<Services>> {
    Router::new()
        .route("/traces", post(refused))
        .route("/traces/search", post(none))
        .route("/traces/batchGet", get(none))
}

/// Where OpenTelemetry sends them.
pub(super) fn otlp() -> Router<Arc<Services>> {
    Router::new().route("/v1/traces", post(refused))
}

async fn none() -> Response {
    super::encoded(&serde_json::json!({ "traces": [] }))
}

async fn refused() -> Response {
    let body = serde_json::json!({
        "error_code": "NOT_IMPLEMENTED",
        "message": "traces are not kept by this server: runs, metrics, artifacts and models are",
    });
    (
        StatusCode::NOT_IMPLEMENTED,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}
