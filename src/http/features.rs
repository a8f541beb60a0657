//! Feast-shaped look-ups of online features: `POST /get-online-features`.

use crate::domain::{Error, ErrorKind};
use crate::service::Services;
use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The route.
pub fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/get-online-features", post(online))
        .with_state(services)
}

#[derive(Deserialize)]
struct Request {
    features: Vec<String>,
    entities: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    full_feature_names: bool,
}

async fn online(State(services): State<Arc<Services>>, body: Bytes) -> Response {
    let answer = tokio::task::spawn_blocking(move || look_up(&services, &body)).await;
    match answer {
        Ok(Ok(body)) => axum::Json(body).into_response(),
        Ok(Err(error)) => {
            let status = match error.kind {
                ErrorKind::NotFound => StatusCode::NOT_FOUND,
                ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
                ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            (status, axum::Json(json!({"detail": error.to_string()}))).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "a look-up of online features panicked");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Keys first, then features, as Feast's server lists them: one result per name, one value per entity.
fn look_up(services: &Services, body: &[u8]) -> Result<Value, Error> {
    let request: Request = serde_json::from_slice(body).map_err(|error| {
        Error::invalid(format!(
            "the request must have `features` (`view:feature`) and `entities` (key to values): {error}"
        ))
    })?;
    let rows = services
        .catalog
        .online(&request.features, &request.entities)?;
    let mut names = Vec::new();
    let mut results = Vec::new();
    for (key, values) in &request.entities {
        names.push(key.clone());
        results.push(json!({
            "values": values,
            "statuses": vec!["PRESENT"; values.len()],
            "event_timestamps": vec!["1970-01-01T00:00:00Z"; values.len()],
        }));
    }
    for feature in &request.features {
        names.push(match feature.split_once(':') {
            Some((view, name)) if request.full_feature_names => format!("{view}__{name}"),
            Some((_, name)) => name.to_owned(),
            None => feature.clone(),
        });
        let cells: Vec<&Value> = rows.iter().map(|row| &row[feature]).collect();
        let values: Vec<&Value> = cells.iter().map(|cell| &cell["value"]).collect();
        let statuses: Vec<&str> = cells
            .iter()
            .map(|cell| match cell["status"].as_str() {
                Some("FRESH") if cell["value"].is_null() => "NULL_VALUE",
                Some("FRESH") => "PRESENT",
                Some("STALE") => "OUTSIDE_MAX_AGE",
                _ => "NOT_FOUND",
            })
            .collect();
        let times: Vec<Value> = cells
            .iter()
            .map(|cell| match &cell["event_time"] {
                Value::Null => json!("1970-01-01T00:00:00Z"),
                time => time.clone(),
            })
            .collect();
        results.push(json!({"values": values, "statuses": statuses, "event_timestamps": times}));
    }
    Ok(json!({"metadata": {"feature_names": names}, "results": results}))
}
