//! `/health`, `/version`, `/metrics`.

use super::error::{ApiError, blocking};
use crate::domain::Result;
use crate::service::Services;
use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use std::fmt::Write;
use std::sync::Arc;

/// The three routes.
pub fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/health", get(|| async { "OK" }))
        .route("/version", get(|| async { env!("CARGO_PKG_VERSION") }))
        .route("/metrics", get(metrics))
        .with_state(services)
}

async fn metrics(State(services): State<Arc<Services>>) -> Result<Response, ApiError> {
    let text = blocking(move || prometheus(&services)).await?;
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Prometheus' text format. A label's value has `\`, `"` and line ends escaped.
fn prometheus(services: &Services) -> Result<String> {
    let (running, waiting, failed) = services.jobs.counts()?;
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, lines: &[(String, f64)]| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in lines {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    gauge(
        "trainyard_jobs",
        "Jobs by state.",
        &[
            ("{state=\"running\"}".to_owned(), running as f64),
            ("{state=\"queued\"}".to_owned(), waiting as f64),
        ],
    );
    gauge(
        "trainyard_jobs_failed_last_hour",
        "Jobs that failed or were lost in the last hour.",
        &[(String::new(), failed as f64)],
    );
    let versions: Vec<(String, f64)> = services
        .serving
        .deployments()?
        .into_iter()
        .filter_map(|deployment| {
            let label = deployment
                .name
                .as_str()
                .replace('\\', "\\\\")
                .replace('"', "\\\"")
                .replace('\n', "\\n");
            Some((
                format!("{{deployment=\"{label}\"}}"),
                f64::from(deployment.version?.0),
            ))
        })
        .collect();
    gauge(
        "trainyard_deployment_version",
        "The version that answers.",
        &versions,
    );
    Ok(text)
}
