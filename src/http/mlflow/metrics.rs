//! `metrics/…`.

use super::dto::MetricOut;
use super::experiments::limit;
use super::{ApiError, Asked, offset, page, query, required};
use crate::domain::{Error, Result, RunId};
use crate::service::Services;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use std::sync::Arc;

/// Points of a page at most.
const POINTS: u64 = 25_000;

pub(super) fn router() -> Router<Arc<Services>> {
    Router::new().route("/metrics/get-history", get(history))
}

#[derive(Serialize)]
struct History {
    metrics: Vec<MetricOut>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_page_token: Option<String>,
}

async fn history(
    State(services): State<Arc<Services>>,
    asked: Asked,
) -> Result<Response, ApiError> {
    query(services, asked, |services, asked| {
        let run = RunId::from(required(asked, &["run_id", "run_uuid"])?);
        let key = required(asked, &["metric_key"])?;
        let max = asked
            .get("max_results")
            .filter(|text| !text.is_empty())
            .map(|text| {
                text.parse()
                    .map_err(|_| Error::invalid(format!("`max_results` `{text}` is no number")))
            })
            .transpose()?;
        // Old clients know no pages: without `max_results` they get everything.
        let limit = match max {
            None => u64::from(u32::MAX),
            Some(_) => limit(max, POINTS, POINTS)?,
        };
        let from = offset(asked.get("page_token").map(String::as_str))?;
        let mut points = services.tracking.history_page(&run, key, from, limit + 1)?;
        let next_page_token = page(&mut points, from, limit);
        Ok(History {
            metrics: points.iter().map(MetricOut::from).collect(),
            next_page_token,
        })
    })
    .await
}
