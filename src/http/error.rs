//! `ErrorKind` -> HTTP status and MLflow `error_code`: one table.
