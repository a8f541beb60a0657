//! `metrics/…`.

use super::dto::write_value;
use super::experiments::limit;
use super::{ApiError, Asked, required, written};
use crate::domain::{Error, ErrorKind, Result, RunId, Timestamp};
use crate::service::Services;
use crate::service::tracking::Place;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::sync::Arc;

/// Points of a page at most.
const POINTS: u64 = 25_000;

pub(super) fn router() -> Router<Arc<Services>> {
    Router::new().route("/metrics/get-history", get(history))
}

async fn history(
    State(services): State<Arc<Services>>,
    asked: Asked,
) -> Result<Response, ApiError> {
    written(move || {
        let asked = &asked.0;
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
            Some(0) => return Err(Error::invalid("`max_results` is from 1, not 0")),
            Some(_) => limit(max, POINTS, POINTS)?,
        };
        let after = place(asked.get("page_token").map(String::as_str))?;
        let mut page = Page::of(key)?;
        // One more than wanted says that there is another page.
        let read = services
            .tracking
            .scan_history(&run, key, after, limit + 1, |point| page.take(point, limit));
        match read {
            // A run that is not there has no history: clients expect that, and no error.
            Err(error) if error.kind == ErrorKind::NotFound => {}
            read => read?,
        }
        Ok(page.end())
    })
    .await
}

/// A page of history, written as it is read.
struct Page {
    json: Vec<u8>,
    /// What every point begins with: `{"key":"…","value":`.
    head: Vec<u8>,
    points: u64,
    last: Option<Place>,
    more: bool,
}

impl Page {
    fn of(key: &str) -> Result<Self> {
        let mut head = b"{\"key\":".to_vec();
        serde_json::to_writer(&mut head, key)?;
        head.extend_from_slice(b",\"value\":");
        Ok(Self {
            json: b"{\"metrics\":[".to_vec(),
            head,
            points: 0,
            last: None,
            more: false,
        })
    }

    fn take(&mut self, point: Place, limit: u64) {
        if self.points == limit {
            self.more = true;
            return;
        }
        if self.points > 0 {
            self.json.push(b',');
        }
        self.points += 1;
        self.last = Some(point);
        self.json.extend_from_slice(&self.head);
        write_value(&mut self.json, point.value);
        self.json.extend_from_slice(b",\"timestamp\":");
        self.json
            .extend_from_slice(point.at.0.to_string().as_bytes());
        self.json.extend_from_slice(b",\"step\":");
        self.json
            .extend_from_slice(point.step.to_string().as_bytes());
        self.json.push(b'}');
    }

    fn end(mut self) -> Vec<u8> {
        self.json.push(b']');
        if self.more
            && let Some(last) = self.last
        {
            let token = format!(
                "after {} {} {:016x}",
                last.step,
                last.at.0,
                last.value.to_bits()
            );
            self.json.extend_from_slice(b",\"next_page_token\":\"");
            self.json
                .extend_from_slice(URL_SAFE_NO_PAD.encode(token).as_bytes());
            self.json.push(b'"');
        }
        self.json.push(b'}');
        self.json
    }
}

/// The place that a page token says; none or empty text is the beginning.
fn place(token: Option<&str>) -> Result<Option<Place>> {
    let Some(token) = token.filter(|token| !token.is_empty()) else {
        return Ok(None);
    };
    let read = || {
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
        let mut words = text.strip_prefix("after ")?.split(' ');
        Some(Place {
            step: words.next()?.parse().ok()?,
            at: Timestamp(words.next()?.parse().ok()?),
            value: f64::from_bits(u64::from_str_radix(words.next()?, 16).ok()?),
        })
    };
    read()
        .map(Some)
        .ok_or_else(|| Error::invalid(format!("invalid page token `{token}`")))
}
