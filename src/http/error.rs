//! `ErrorKind` -> MLflow `error_code`: one table; the status comes from the kind itself.

use crate::domain::{Error, ErrorKind};
use crate::service::access::bound;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An error as MLflow's clients read it: `{"error_code", "message"}` with the status of its kind.
#[derive(Debug)]
pub struct ApiError(pub Error);

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

/// MLflow's name for a kind. Clients try again after 500 and 503, so wrong input is never one of these.
pub fn code(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotFound => "RESOURCE_DOES_NOT_EXIST",
        ErrorKind::AlreadyExists => "RESOURCE_ALREADY_EXISTS",
        ErrorKind::Invalid => "INVALID_PARAMETER_VALUE",
        ErrorKind::Conflict => "RESOURCE_CONFLICT",
        ErrorKind::Cancelled => "CANCELLED",
        ErrorKind::Unavailable => "TEMPORARILY_UNAVAILABLE",
        ErrorKind::Denied => "PERMISSION_DENIED",
        ErrorKind::Internal => "INTERNAL_ERROR",
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.kind.http_status())
            .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::error!(error = %self.0, "a request failed");
        }
        let body = serde_json::json!({
            "error_code": code(self.0.kind),
            "message": self.0.to_string(),
        });
        (
            status,
            [(header::CONTENT_TYPE, "application/json")],
            body.to_string(),
        )
            .into_response()
    }
}

/// Runs what may block where it may: on this thread, whose other tasks move to another one meanwhile, so that a request
/// waits for no change of threads.
///
/// Who acts is taken along when this is called, wherever the future is driven.
pub fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> crate::domain::Result<T> + Send + 'static,
) -> impl Future<Output = Result<T, ApiError>> + Send {
    let work = bound(work);
    async move {
        let done = tokio::task::block_in_place(|| catch_unwind(AssertUnwindSafe(work)));
        match done {
            Ok(outcome) => Ok(outcome?),
            Err(_) => Err(Error::internal("the daemon failed at this request").into()),
        }
    }
}
