//! HTTP for everybody who is not the dashboard: MLflow REST, inference, health. Decodes, calls one
//! service method on a blocking thread, encodes. Holds no rule.

pub mod access;
pub mod error;
pub mod features;
pub mod guard;
pub mod health;
pub mod inference;
pub mod mlflow;

use crate::service::Services;
use axum::Router;
use std::sync::Arc;

/// Every route but the dashboard's own.
pub fn router(services: &Arc<Services>) -> Router {
    Router::new()
        .merge(health::router(Arc::clone(services)))
        .merge(mlflow::router(Arc::clone(services)))
        .merge(inference::router(Arc::clone(services)))
        .merge(features::router(Arc::clone(services)))
}

#[cfg(test)]
mod fuzz_tests;
