//! Online features as Feast's feature server gives and takes them: `POST /get-online-features`, `/push` and
//! `/write-to-online-store`. Beside Feast's statuses each value says whether it is FRESH, STALE or MISSING and how old it is.
//! Decodes, calls one service method, encodes; answers are written straight to bytes.

use crate::data::instant;
use crate::domain::feature::Freshness;
use crate::domain::online::PushTo;
use crate::domain::{Error, ErrorKind};
use crate::service::Services;
use crate::service::access::bound;
use crate::service::catalog::lookup::LookUp;
use crate::service::catalog::online::{Cells, Entities, OnlineCell};
use crate::service::catalog::push::Columns;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Bodies above this are refused: 64 MiB.
const BODY_LIMIT: usize = 64 << 20;
/// Requests of up to this many bytes are answered on the connection's thread: they take less than half a millisecond.
const INLINE: usize = 2 << 10;
/// When what has no instant happened, as Feast says it.
const NEVER: &str = "1970-01-01T00:00:00Z";

/// The routes.
pub fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/get-online-features", post(online))
        .route("/push", post(push))
        .route("/write-to-online-store", post(write))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(services)
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default, borrow)]
    features: Option<Vec<Name<'a>>>,
    #[serde(default)]
    feature_service: Option<String>,
    #[serde(default)]
    entities: Entities,
    #[serde(default)]
    full_feature_names: bool,
}

/// A text of the request, where it stands.
#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl AsRef<str> for Name<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[derive(Deserialize)]
struct Push {
    push_source_name: String,
    df: Columns,
    #[serde(default)]
    to: PushTo,
}

#[derive(Deserialize)]
struct Write {
    feature_view_name: String,
    df: Columns,
}

async fn online(State(services): State<Arc<Services>>, body: Bytes) -> Response {
    let small = body.len() <= INLINE;
    answered(small, move || look_up(&services, &body)).await
}

async fn push(State(services): State<Arc<Services>>, body: Bytes) -> Response {
    answered(false, move || {
        let request: Push = read(&body, "`push_source_name`, `df` (column to values) and `to` (`online`, `offline`, `online_and_offline`)")?;
        taken_in(&services, &request.push_source_name, request.df, request.to)
    })
    .await
}

async fn write(State(services): State<Arc<Services>>, body: Bytes) -> Response {
    answered(false, move || {
        let request: Write = read(&body, "`feature_view_name` and `df` (column to values)")?;
        taken_in(
            &services,
            &request.feature_view_name,
            request.df,
            PushTo::Online,
        )
    })
    .await
}

fn read<'a, T: Deserialize<'a>>(body: &'a [u8], what: &str) -> Result<T, Error> {
    serde_json::from_slice(body)
        .map_err(|error| Error::invalid(format!("the request must have {what}: {error}")))
}

fn taken_in(
    services: &Services,
    source: &str,
    rows: Columns,
    to: PushTo,
) -> Result<Vec<u8>, Error> {
    let answer = services.catalog.push(services, source, rows, to)?;
    Ok(serde_json::to_vec(&answer)?)
}

/// Runs `work` here when it is small, else on a thread that may block.
async fn answered(
    small: bool,
    work: impl FnOnce() -> Result<Vec<u8>, Error> + Send + 'static,
) -> Response {
    let done = if small {
        Ok(work())
    } else {
        tokio::task::spawn_blocking(bound(work)).await
    };
    match done {
        Ok(Ok(body)) => ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Ok(Err(error)) => refused(&error),
        Err(error) => {
            tracing::error!(%error, "a request for online features panicked");
            refused(&Error::internal("the daemon failed at this request"))
        }
    }
}

/// An error as Feast's server says it.
fn refused(error: &Error) -> Response {
    let status = match error.kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_REQUEST,
    };
    if status == StatusCode::INTERNAL_SERVER_ERROR {
        tracing::error!(%error, "a request for online features failed");
    }
    (status, axum::Json(json!({"detail": error.to_string()}))).into_response()
}

/// Keys first, then features, as Feast's server lists them: one result per name, one value per entity.
fn look_up(services: &Services, body: &[u8]) -> Result<Vec<u8>, Error> {
    let request: Request<'_> = read(
        body,
        "`features` (`view:feature`) or `feature_service`, and `entities` (key to values)",
    )?;
    let resolved = match (&request.features, &request.feature_service) {
        (Some(features), None) => services.catalog.resolved(features)?,
        (None, Some(name)) => {
            let wanted = services.catalog.features_of(services, name)?;
            Arc::new(LookUp::of(wanted, Vec::new()))
        }
        _ => {
            return Err(Error::invalid(
                "the request must have either `features` (`view:feature`) or `feature_service`",
            ));
        }
    };
    let names = resolved.names(request.full_feature_names)?;
    let found = services.catalog.look_up(&resolved, &request.entities)?;
    let found: Vec<&Cells> = resolved.order().iter().map(|at| &found[*at]).collect();
    Ok(written(&request.entities, names, &found))
}

/// The answer's bytes.
fn written(entities: &Entities, names: &[String], found: &[&Cells]) -> Vec<u8> {
    let cells: usize = found.iter().map(|cells| cells.len()).sum();
    let mut out = Vec::with_capacity(256 + 128 * cells + 64 * names.len());
    out.extend(b"{\"metadata\":{\"feature_names\":");
    list(&mut out, entities.keys().chain(names), |out, name| {
        text(out, name);
    });
    out.extend(b"},\"results\":[");
    let mut first = true;
    let mut comma = |out: &mut Vec<u8>| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
    };
    for values in entities.values() {
        comma(&mut out);
        out.extend(b"{\"values\":");
        list(&mut out, values, value);
        out.extend(b",\"statuses\":");
        list(&mut out, values, |out, _| out.extend(b"\"PRESENT\""));
        out.extend(b",\"event_timestamps\":");
        list(&mut out, values, |out, _| text(out, NEVER));
        out.push(b'}');
    }
    // features of one view follow each other, and are of the same instants
    let mut before: Option<(&Cells, Range<usize>)> = None;
    for cells in found {
        comma(&mut out);
        out.extend(b"{\"values\":");
        list(&mut out, *cells, |out, cell| value(out, &cell.value));
        out.extend(b",\"statuses\":");
        list(&mut out, *cells, |out, cell| {
            out.extend(status(cell).as_bytes());
        });
        let times = out.len();
        match &before {
            Some((same, written)) if are_of_the_same_facts(same, cells) => {
                out.extend_from_within(written.clone());
            }
            _ => put_times(&mut out, cells),
        }
        before = Some((cells, times..out.len()));
        out.push(b'}');
    }
    out.extend(b"]}");
    out
}

/// Feast's word for a value, as JSON.
fn status(cell: &OnlineCell) -> &'static str {
    match cell.status {
        _ if !cell.found => "\"NOT_FOUND\"",
        Freshness::Stale => "\"OUTSIDE_MAX_AGE\"",
        _ if cell.value.is_null() => "\"NULL_VALUE\"",
        _ => "\"PRESENT\"",
    }
}

/// Whether all that [`put_times`] says of both is the same.
fn are_of_the_same_facts(one: &Cells, other: &Cells) -> bool {
    let facts = |cell: &OnlineCell| (cell.event, cell.age_ms, cell.status);
    one.len() == other.len()
        && one
            .iter()
            .zip(other)
            .all(|(one, other)| facts(one) == facts(other))
}

/// When the values happened, whether they are fresh, and how old they are.
fn put_times(out: &mut Vec<u8>, cells: &Cells) {
    out.extend(b",\"event_timestamps\":");
    list(out, cells, |out, cell| match cell.event {
        Some(at) => text(out, &instant::format(at, true)),
        None => text(out, NEVER),
    });
    out.extend(b",\"freshness\":");
    list(out, cells, |out, cell| {
        out.extend(match cell.status {
            Freshness::Fresh => &b"\"FRESH\""[..],
            Freshness::Stale => b"\"STALE\"",
            Freshness::Missing => b"\"MISSING\"",
        });
    });
    out.extend(b",\"age_ms\":");
    list(out, cells, |out, cell| match cell.age_ms {
        // a vector takes all that is written to it
        Some(age) => drop(serde_json::to_writer(out, &age)),
        None => out.extend(b"null"),
    });
}

fn list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut put: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (at, item) in items.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        put(out, item);
    }
    out.push(b']');
}

fn value(out: &mut Vec<u8>, value: &Value) {
    // a vector takes all that is written to it, and a value is JSON already
    drop(serde_json::to_writer(out, value));
}

fn text(out: &mut Vec<u8>, text: &str) {
    drop(serde_json::to_writer(out, text));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_bytes_are_the_answer_that_feast_gives_and_what_we_say_beside_it() {
        let cell = |value: Value, found, event, age_ms, status| OnlineCell {
            value,
            found,
            event,
            age_ms,
            status,
        };
        let cells = vec![
            cell(json!(1.5), true, Some(0), Some(7), Freshness::Fresh),
            cell(json!(null), true, Some(1), Some(7), Freshness::Fresh),
            cell(
                json!("ü\"\n"),
                true,
                Some(1_000_000),
                Some(9),
                Freshness::Stale,
            ),
            cell(json!(null), false, None, None, Freshness::Missing),
        ];
        let entities: Entities =
            serde_json::from_value(json!({"who": ["a", "b", 3, null]})).unwrap();
        let mut others = cells.clone();
        others[1].value = json!(2);
        let mut later = cells.clone();
        later[1].age_ms = Some(8);
        let names = ["x".into(), "y".into(), "z".into()];
        let bytes = written(&entities, &names, &[&cells, &others, &later]);
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            answer["metadata"]["feature_names"],
            json!(["who", "x", "y", "z"])
        );
        assert_eq!(
            answer["results"][0],
            json!({"values": ["a", "b", 3, null], "statuses": ["PRESENT", "PRESENT", "PRESENT", "PRESENT"],
                "event_timestamps": [NEVER, NEVER, NEVER, NEVER]})
        );
        assert_eq!(
            answer["results"][1],
            json!({"values": [1.5, null, "ü\"\n", null],
                "statuses": ["PRESENT", "NULL_VALUE", "OUTSIDE_MAX_AGE", "NOT_FOUND"],
                "event_timestamps": [NEVER, "1970-01-01T00:00:00.000001Z", "1970-01-01T00:00:01Z", NEVER],
                "freshness": ["FRESH", "FRESH", "STALE", "MISSING"], "age_ms": [7, 7, 9, null]})
        );
        let mut expected = answer["results"][1].clone();
        expected["values"][1] = json!(2);
        expected["statuses"][1] = json!("PRESENT");
        assert_eq!(answer["results"][2], expected);
        let mut expected = answer["results"][1].clone();
        expected["age_ms"][1] = json!(8);
        assert_eq!(answer["results"][3], expected);
    }
}
