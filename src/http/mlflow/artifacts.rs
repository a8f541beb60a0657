//! `artifacts/list`, and the proxied artifact space `mlflow-artifacts/artifacts/…`. Files are streamed both ways.

use super::artifact_names;
use super::dto::FileDto;
use super::{ApiError, Asked, blocking, query, required};
use crate::domain::{ArtifactPath, Error, Result, RunId};
use crate::service::Services;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Serialize;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes of a file written or sent at once.
const BLOCK: usize = 256 * 1024;
/// Blocks on their way.
const BLOCKS: usize = 4;

type Served = State<Arc<Services>>;
type Answer = Result<Response, ApiError>;

pub(super) fn listing() -> Router<Arc<Services>> {
    Router::new().route("/artifacts/list", get(list_run))
}

pub(super) fn proxy() -> Router<Arc<Services>> {
    Router::new()
        .route("/artifacts", get(list))
        .route(
            "/artifacts/{*path}",
            put(upload).get(download).delete(delete),
        )
        .route("/mpu/create/{*path}", post(multipart))
        .route("/mpu/complete/{*path}", post(multipart))
        .route("/mpu/abort/{*path}", post(multipart))
        .route("/presigned/{*path}", get(multipart))
        .layer(DefaultBodyLimit::disable())
}

#[derive(Serialize)]
struct Listed {
    #[serde(skip_serializing_if = "Option::is_none")]
    root_uri: Option<String>,
    files: Vec<FileDto>,
}

async fn list_run(State(services): Served, asked: Asked) -> Answer {
    query(services, asked, |services, asked| {
        let run = RunId::from(required(asked, &["run_id", "run_uuid"])?);
        let path = asked.get("path").map_or("", String::as_str);
        let root = services.tracking.run(&run)?.artifact_uri;
        Ok(Listed {
            root_uri: Some(root),
            files: services
                .tracking
                .artifacts(&run, path)?
                .into_iter()
                .map(FileDto::from)
                .collect(),
        })
    })
    .await
}

async fn list(State(services): Served, asked: Asked) -> Answer {
    query(services, asked, |services, asked| {
        let path = asked.get("path").map_or("", String::as_str);
        Ok(Listed {
            root_uri: None,
            files: services
                .tracking
                .list_artifacts(path)?
                .into_iter()
                .map(FileDto::from)
                .collect(),
        })
    })
    .await
}

/// Whether the client behind these headers sends names bare.
fn bare(headers: &HeaderMap) -> bool {
    headers
        .get(header::USER_AGENT)
        .and_then(|agent| agent.to_str().ok())
        .is_some_and(artifact_names::sends_bare_names)
}

/// The path behind `/artifacts/` as it was sent.
fn sent(uri: &Uri) -> &str {
    uri.path().strip_prefix("/artifacts/").unwrap_or_default()
}

/// The names that an artifact to be read or removed may have.
fn names(uri: &Uri, headers: &HeaderMap) -> Result<Vec<ArtifactPath>> {
    artifact_names::read(sent(uri), uri.query(), bare(headers))
}

/// Takes a file as it comes: a thread is held only while a block is written, so that slow clients hold none.
async fn upload(
    State(services): Served,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, ApiError> {
    let name = artifact_names::written(sent(&uri), uri.query(), bare(&headers))?;
    let mut partial = blocking(move || services.tracking.begin_artifact(&name)).await?;
    let mut stream = body.into_data_stream();
    let mut waiting: Vec<u8> = Vec::with_capacity(BLOCK);
    while let Some(block) = stream.next().await {
        // What was taken so far vanishes with `partial`.
        let block = block.map_err(|error| Error::invalid("the upload broke off").because(error))?;
        waiting.extend_from_slice(&block);
        if waiting.len() >= BLOCK {
            (partial, waiting) = blocking(move || {
                partial.write(&waiting)?;
                waiting.clear();
                Ok((partial, waiting))
            })
            .await?;
        }
    }
    blocking(move || {
        partial.write(&waiting)?;
        partial.finish()
    })
    .await?;
    Ok(super::encoded(&super::Empty {}))
}

async fn download(
    State(services): Served,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let names = names(&uri, &headers)?;
    let shown = names.first().map_or("", |name| name.name()).to_owned();
    let (mut file, length) = blocking(move || services.tracking.open_artifact(&names)).await?;
    let (sender, blocks) = mpsc::channel::<io::Result<Bytes>>(BLOCKS);
    tokio::spawn(async move {
        loop {
            let read = tokio::task::spawn_blocking(move || {
                let mut block = vec![0; BLOCK];
                let count = file.read(&mut block)?;
                block.truncate(count);
                io::Result::Ok((file, Bytes::from(block)))
            })
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
            match read {
                Ok((_, block)) if block.is_empty() => return,
                Ok((again, block)) => {
                    file = again;
                    if sender.send(Ok(block)).await.is_err() {
                        return;
                    }
                }
                Err(error) => {
                    // The client sees a broken transfer, which is what it is.
                    let _ = sender.send(Err(error)).await;
                    return;
                }
            }
        }
    });
    Ok((
        [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_LENGTH, length.to_string()),
            // A logged file is never shown as a page of this address.
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::CONTENT_DISPOSITION, attachment(&shown)),
            (
                header::CONTENT_SECURITY_POLICY,
                "default-src 'none'; sandbox".to_owned(),
            ),
        ],
        Body::from_stream(ReceiverStream::new(blocks)),
    )
        .into_response())
}

/// A file to be saved under its name (RFC 6266, RFC 8187).
fn attachment(name: &str) -> String {
    let mut text = "attachment; filename*=UTF-8''".to_owned();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

async fn delete(State(services): Served, uri: Uri, headers: HeaderMap) -> Answer {
    let names = names(&uri, &headers)?;
    blocking(move || services.tracking.delete_artifact(&names)).await?;
    Ok(super::encoded(&super::Empty {}))
}

/// Clients that hear this send the file whole.
async fn multipart() -> Response {
    let body = serde_json::json!({
        "error_code": "NOT_IMPLEMENTED",
        "message": "transfers in parts and signed addresses are not supported: send and fetch the file whole",
    });
    (
        StatusCode::NOT_IMPLEMENTED,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}
