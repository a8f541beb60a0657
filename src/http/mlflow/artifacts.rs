//! `artifacts/list`, and the proxied artifact space `mlflow-artifacts/artifacts/…`. Files are streamed both ways.

use super::dto::FileDto;
use super::{ApiError, Asked, blocking, query, required};
use crate::domain::{Error, Result, RunId};
use crate::service::Services;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use serde::Serialize;
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;

/// Bytes of a file sent at once.
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

/// What a client sends, as a reader on a blocking thread. A broken upload ends with an error, never early.
struct Incoming {
    blocks: mpsc::Receiver<io::Result<Bytes>>,
    block: Bytes,
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.block.is_empty() {
            match self.blocks.blocking_recv() {
                Some(block) => self.block = block?,
                None => return Ok(0),
            }
        }
        let count = self.block.len().min(buffer.len());
        buffer[..count].copy_from_slice(&self.block.split_to(count));
        Ok(count)
    }
}

async fn upload(State(services): Served, Path(path): Path<String>, body: Body) -> Answer {
    let (sender, blocks) = mpsc::channel(BLOCKS);
    let writing = tokio::spawn(blocking(move || {
        let mut incoming = Incoming {
            blocks,
            block: Bytes::new(),
        };
        services.tracking.put_artifact(&path, &mut incoming)
    }));
    let mut stream = body.into_data_stream();
    while let Some(block) = stream.next().await {
        let broken = block.is_err();
        // A writer that has given up says why below.
        if sender.send(block.map_err(io::Error::other)).await.is_err() || broken {
            break;
        }
    }
    drop(sender);
    match writing.await {
        Ok(written) => written?,
        Err(error) => return Err(Error::internal("writing an artifact").because(error).into()),
    };
    Ok(super::encoded(&super::Empty {}))
}

async fn download(State(services): Served, Path(path): Path<String>) -> Answer {
    let (mut file, length) = blocking(move || {
        let file = std::fs::File::open(services.tracking.get_artifact(&path)?)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    })
    .await?;
    let (sender, blocks) = mpsc::channel::<io::Result<Bytes>>(BLOCKS);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut block = vec![0; BLOCK];
            let sent = match file.read(&mut block) {
                Ok(0) => return,
                Ok(count) => {
                    block.truncate(count);
                    sender.blocking_send(Ok(Bytes::from(block)))
                }
                Err(error) => {
                    // The client sees a broken transfer, which is what it is.
                    let _ = sender.blocking_send(Err(error));
                    return;
                }
            };
            if sent.is_err() {
                return;
            }
        }
    });
    Ok((
        [
            (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
            (header::CONTENT_LENGTH, length.to_string()),
            // A logged file is never shown as a page of this address.
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
            (header::CONTENT_DISPOSITION, "attachment".to_owned()),
        ],
        Body::from_stream(ReceiverStream::new(blocks)),
    )
        .into_response())
}

async fn delete(State(services): Served, Path(path): Path<String>) -> Answer {
    blocking(move || services.tracking.delete_artifact(&path)).await?;
    Ok(super::encoded(&super::Empty {}))
}

/// Clients that hear this send the file whole.
async fn multipart() -> Response {
    let body = serde_json::json!({
        "error_code": "NOT_IMPLEMENTED",
        "message": "uploads in parts are not supported: send the file whole",
    });
    (
        StatusCode::NOT_IMPLEMENTED,
        [(header::CONTENT_TYPE, "application/json")],
        body.to_string(),
    )
        .into_response()
}
