//! MLflow REST: one file per group of endpoints.
