//! Inference for everybody: the Open Inference Protocol v2 (`/v2/…`) and MLflow's scoring (`/models/{m}/invocations`).
//! Tensors, records and CSV become a `Frame`, `serving.predict` answers it, the answer goes back in the protocol's
//! own shape. Holds no rule about models.

mod scoring;
mod tensors;

use crate::domain::deployment::DeploymentState;
use crate::domain::model::{InputKind, Signature, Task};
use crate::domain::{Error, ErrorKind, Version};
use crate::service::Services;
use crate::service::serving::Answer;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

/// Bodies above this are refused: 64 MiB.
const BODY_LIMIT: usize = 64 << 20;
/// Bodies up to this are answered on the connection's thread: they take less than half a millisecond.
const INLINE: usize = 4 << 10;

/// The routes.
pub fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/v2", get(server))
        .route("/v2/health/live", get(live))
        .route("/v2/health/ready", get(ready))
        .route("/v2/models/{model}", get(metadata))
        .route("/v2/models/{model}/ready", get(model_ready))
        .route("/v2/models/{model}/infer", post(tensors::infer))
        .route("/v2/models/{model}/versions/{version}", get(metadata))
        .route(
            "/v2/models/{model}/versions/{version}/ready",
            get(model_ready),
        )
        .route(
            "/v2/models/{model}/versions/{version}/infer",
            post(tensors::infer),
        )
        .route("/models/{model}/invocations", post(scoring::invocations))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_LIMIT))
        .with_state(services)
}

/// An error as both protocols show it: `{"error": "…"}` for v2, `{"error_code", "message"}` for MLflow.
struct Refusal {
    error: Error,
    mlflow: bool,
}

fn status(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::AlreadyExists | ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::Denied => StatusCode::FORBIDDEN,
        ErrorKind::Cancelled | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let text = self.error.to_string();
        let body = if self.mlflow {
            let code = match self.error.kind {
                ErrorKind::NotFound => "RESOURCE_DOES_NOT_EXIST",
                ErrorKind::Unavailable | ErrorKind::Cancelled => "TEMPORARILY_UNAVAILABLE",
                ErrorKind::Denied => "PERMISSION_DENIED",
                ErrorKind::Internal => "INTERNAL_ERROR",
                _ => "BAD_REQUEST",
            };
            json!({"error_code": code, "message": text})
        } else {
            json!({"error": text})
        };
        (status(self.error.kind), axum::Json(body)).into_response()
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            mlflow: false,
        }
    }
}

fn mlflow(error: Error) -> Refusal {
    Refusal {
        error,
        mlflow: true,
    }
}

/// Runs `work` here when it is small, else on a blocking thread.
async fn answered<T: Send + 'static>(
    small: bool,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    if small {
        return work();
    }
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(Error::internal("the model panicked").because(error)))
}

async fn server() -> axum::Json<Value> {
    axum::Json(json!({
        "name": "trainyard",
        "version": env!("CARGO_PKG_VERSION"),
        "extensions": [],
    }))
}

async fn live() -> axum::Json<Value> {
    axum::Json(json!({"live": true}))
}

/// Ready when every deployment that has something to serve serves it.
async fn ready(State(services): State<Arc<Services>>) -> Result<Response, Refusal> {
    let deployments = services.serving.deployments()?;
    let ready = deployments
        .iter()
        .all(|one| one.version.is_some() || one.state == DeploymentState::Empty);
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ok((status, axum::Json(json!({"ready": ready}))).into_response())
}

#[derive(Deserialize)]
struct Target {
    model: String,
    version: Option<String>,
}

impl Target {
    fn version(&self) -> Result<Option<Version>, Error> {
        self.version
            .as_deref()
            .map(|text| {
                text.trim_start_matches('v')
                    .parse()
                    .map(Version)
                    .map_err(|_| Error::not_found(format!("`{text}` is not a version number")))
            })
            .transpose()
    }
}

async fn model_ready(
    State(services): State<Arc<Services>>,
    Path(target): Path<Target>,
) -> Result<axum::Json<Value>, Refusal> {
    let version = target.version()?;
    let name = target.model.clone();
    let (_, version, _) =
        answered(false, move || services.serving.signature(&name, version)).await?;
    Ok(axum::Json(json!({
        "name": target.model, "ready": true, "model_version": version.0.to_string()
    })))
}

async fn metadata(
    State(services): State<Arc<Services>>,
    Path(target): Path<Target>,
) -> Result<axum::Json<Value>, Refusal> {
    let version = target.version()?;
    let name = target.model.clone();
    let (_, version, signature) =
        answered(false, move || services.serving.signature(&name, version)).await?;
    let inputs: Vec<Value> = signature
        .inputs
        .iter()
        .map(|input| {
            let datatype = match input.kind {
                InputKind::Number => "FP64",
                InputKind::Text => "BYTES",
            };
            json!({"name": input.name, "datatype": datatype, "shape": [-1]})
        })
        .collect();
    let outputs: Vec<Value> = outputs(&signature)
        .into_iter()
        .map(|(name, datatype, width)| {
            let shape = match width {
                Some(width) => json!([-1, width]),
                None => json!([-1]),
            };
            json!({"name": name, "datatype": datatype, "shape": shape})
        })
        .collect();
    Ok(axum::Json(json!({
        "name": target.model,
        "versions": [version.0.to_string()],
        "platform": "trainyard",
        "inputs": inputs,
        "outputs": outputs,
    })))
}

/// Outputs of a model: name, datatype, and the second dimension where there is one.
fn outputs(signature: &Signature) -> Vec<(&'static str, &'static str, Option<usize>)> {
    match signature.task {
        Task::Regression => vec![("predict", "FP64", None)],
        Task::Binary | Task::Multiclass => vec![
            ("predict", "BYTES", None),
            ("probabilities", "FP64", Some(signature.classes.len())),
        ],
    }
}

/// One answer a row: the number, or the class.
fn predicted(answer: &Answer) -> Vec<Value> {
    let classes = &answer.signature.classes;
    answer
        .predictions
        .values
        .iter()
        .map(|value| match answer.signature.task {
            Task::Regression => json!(value),
            Task::Binary => json!(classes.get(usize::from(*value >= 0.5))),
            Task::Multiclass => json!(classes.get(*value as usize)),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::service::fixture::House;
    use std::io::{Read, Write};

    const BOTH: [&str; 2] = ["x", "color"];

    /// One request over a real connection: status, headers, body.
    fn ask(house: &House, head: &str, kind: &str, body: &str) -> (u16, String, Value) {
        let router = router(Arc::clone(&house.services))
            .merge(crate::http::features::router(Arc::clone(&house.services)));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        runtime.spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            axum::serve(listener, router).await
        });
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(
            stream,
            "{head} HTTP/1.1\r\nhost: here\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        runtime.shutdown_background();
        let (headers, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = headers.split(' ').nth(1).unwrap().parse().unwrap();
        (
            status,
            headers.to_owned(),
            serde_json::from_str(body).unwrap_or(Value::Null),
        )
    }

    fn infer_body(rows: usize, datatype: &str) -> String {
        json!({
            "id": "r-1",
            "inputs": [
                {"name": "x", "shape": [rows], "datatype": datatype, "data": vec![0.5; rows]},
                {"name": "color", "shape": [rows, 1], "datatype": "BYTES", "data": vec![["red"]; rows]},
            ],
        })
        .to_string()
    }

    #[test]
    fn the_open_inference_protocol_answers_in_its_own_shape() {
        let house = House::new();
        house.champion("logistic", &BOTH);
        let json_kind = "application/json";
        for path in [
            "/v2/health/live",
            "/v2/health/ready",
            "/v2",
            "/v2/models/late/ready",
        ] {
            assert_eq!(
                ask(&house, &format!("GET {path}"), json_kind, "").0,
                200,
                "{path}"
            );
        }
        let (status, _, body) = ask(&house, "GET /v2/models/late/versions/1", json_kind, "");
        assert_eq!(
            (status, body["inputs"][1]["datatype"].as_str()),
            (200, Some("BYTES"))
        );

        let (status, _, body) = ask(
            &house,
            "POST /v2/models/late/infer",
            json_kind,
            &infer_body(2, "FP64"),
        );
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["model_version"], "1");
        assert_eq!(body["id"], "r-1");
        assert_eq!(body["outputs"][0]["shape"], json!([2]));
        assert_eq!(body["outputs"][1]["shape"], json!([2, 2]));
        let sum: f64 = body["outputs"][1]["data"]
            .as_array()
            .unwrap()
            .iter()
            .take(2)
            .map(|share| share.as_f64().unwrap())
            .sum();
        assert!((sum - 1.0).abs() < 1e-9);

        for (body, expected) in [
            (infer_body(2, "INT64"), "value 1 is 0.5, which is no INT64"),
            (infer_body(2, "FP8"), "datatype `FP8`"),
            (
                infer_body(2, "FP64").replace("[2]", "[3]"),
                "shape [3] is 3 values, but `data` has 2",
            ),
            (
                infer_body(2, "FP64").replace("[2]", "[4000000000000000000]"),
                "but `data` has 2",
            ),
            (
                infer_body(2, "FP64").replace("[2]", "[4000000000, 4000000000, 4000000000]"),
                "is no number of values",
            ),
            ("{".to_owned(), "malformed request"),
        ] {
            let (status, _, answer) = ask(&house, "POST /v2/models/late/infer", json_kind, &body);
            let text = answer["error"].as_str().unwrap();
            assert!(status == 400 && text.contains(expected), "{status} {text}");
        }
        let (status, ..) = ask(
            &house,
            "POST /v2/models/late/versions/9/infer",
            json_kind,
            &infer_body(1, "FP64"),
        );
        assert_eq!(status, 404);
        let (status, ..) = ask(&house, "GET /v2/models/nobody", json_kind, "");
        assert_eq!(status, 404);
    }

    #[test]
    fn every_form_of_mlflow_scoring_gives_the_same_answer() {
        let house = House::new();
        house.champion("logistic", &BOTH);
        let forms = [
            json!({"dataframe_split": {"columns": BOTH, "data": [[0.5, "red"], [-1.0, "blue"]]}}),
            json!({"dataframe_records": [{"x": 0.5, "color": "red"}, {"color": "blue", "x": -1}]}),
            json!({"instances": [{"x": 0.5, "color": "red"}, {"x": -1, "color": "blue"}]}),
            json!({"inputs": {"x": [0.5, -1.0], "color": ["red", "blue"]}}),
            json!({"inputs": [[0.5, "red"], [-1.0, "blue"]]}),
        ];
        let path = "POST /models/late/invocations";
        let (status, headers, csv) = ask(&house, path, "text/csv", "color,x\nred,0.5\nblue,-1\n");
        assert_eq!(status, 200, "{csv}");
        assert!(headers.contains("x-trainyard-model-version: 1"));
        assert_eq!(csv["predictions"].as_array().unwrap().len(), 2);
        for form in forms {
            let (status, _, body) = ask(&house, path, "application/json", &form.to_string());
            assert_eq!((status, &body), (200, &csv), "{form}");
        }
        let both = json!({"inputs": [], "instances": []}).to_string();
        let (status, _, body) = ask(&house, path, "application/json", &both);
        assert_eq!(
            (status, body["error_code"].as_str()),
            (400, Some("BAD_REQUEST"))
        );
        let page = house
            .services
            .serving
            .live(&house.services, None, 900)
            .unwrap()
            .unwrap();
        assert_eq!(page.total, (7, 1));
    }

    #[test]
    fn online_features_come_in_feasts_shape() {
        let house = House::new();
        let request = json!({"features": ["color_x:x"], "entities": {"color": ["red"]}});
        let path = "POST /get-online-features";
        let (status, _, body) = ask(&house, path, "application/json", &request.to_string());
        assert_eq!(status, 200, "{body}");
        assert_eq!(body["metadata"]["feature_names"], json!(["color", "x"]));
        assert_eq!(body["results"][1]["statuses"], json!(["NOT_FOUND"]));
        let request = json!({"features": ["color_x:y"], "entities": {"color": ["red"]}});
        let (status, ..) = ask(&house, path, "application/json", &request.to_string());
        assert_eq!(status, 404);
    }
}
