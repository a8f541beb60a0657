//! HTTP for everybody who is not the dashboard: MLflow REST, inference, health. Decodes, calls one
//! service method on a blocking thread, encodes. Holds no rule.

pub mod error;
pub mod features;
pub mod health;
pub mod inference;
pub mod mlflow;
