//! Answers the two routes: topics to service methods, events forwarded, commands to service methods. Holds no rule.
//! Async only for the sockets; everything that may block runs on a blocking thread.

mod commands;
mod events;
mod topics;

use super::protocol::Failure;
use crate::domain::{Error, Timestamp};
use crate::service::{Pipelines, Services};
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;
use tokio::sync::watch;

/// Commands are small: a page of rows to explain is the largest.
const COMMAND: usize = 16 * 1024 * 1024;

/// What the two routes answer from.
pub struct Context {
    /// The services.
    pub services: Arc<Services>,
    /// Who runs pipelines.
    pub pipelines: Arc<dyn Pipelines>,
    /// When the daemon started.
    pub started: Timestamp,
    /// Where HTTP listens: `127.0.0.1:5000`.
    pub http: String,
    /// Becomes true when the daemon shall stop: `Command::Shutdown` sets it, event streams end with it.
    pub stop: watch::Sender<bool>,
    /// SHA-256 of the certificate, where HTTP speaks TLS.
    pub fingerprint: Option<String>,
    problems: Mutex<(Option<SystemTime>, Vec<String>)>,
}

impl Context {
    /// See the fields.
    pub fn new(
        services: Arc<Services>,
        pipelines: Arc<dyn Pipelines>,
        started: Timestamp,
        http: String,
        stop: watch::Sender<bool>,
    ) -> Self {
        Self {
            services,
            pipelines,
            started,
            http,
            stop,
            fingerprint: None,
            problems: Mutex::default(),
        }
    }
}

/// The two routes. The same router serves the socket and TCP.
pub fn router(context: Arc<Context>) -> Router {
    Router::new()
        .route("/api/trainyard/v1/events", get(events::answer))
        .route("/api/trainyard/v1/command", post(commands::answer))
        .layer(axum::extract::DefaultBodyLimit::max(COMMAND))
        .with_state(context)
}

/// Runs what may block.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> crate::domain::Result<T> + Send + 'static,
) -> crate::domain::Result<T> {
    match tokio::task::spawn_blocking(crate::service::access::bound(work)).await {
        Ok(outcome) => outcome,
        Err(error) => Err(Error::internal("the daemon failed at this request").because(error)),
    }
}

/// An error as it travels.
fn failure(error: &Error) -> Failure {
    Failure {
        kind: error.kind,
        message: error.to_string(),
    }
}

/// An error as an answer.
fn refused(error: &Error) -> Response {
    let status =
        StatusCode::from_u16(error.kind.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &failure(error))
}

fn json<T: serde::Serialize>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("writing JSON: {error}"),
        )
            .into_response(),
    }
}

#[cfg(test)]
mod tests;
