//! The routes over a real connection, as a client sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use crate::api::client::{Address, Http};
use crate::config::Config;
use crate::domain::SystemClock;
use crate::service::Services;
use crate::workspace::Workspace;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) struct Server {
    pub http: Http,
    pub services: Arc<Services>,
    _folder: tempfile::TempDir,
    _edge: tokio::runtime::Runtime,
}

pub(super) fn server() -> Server {
    let folder = tempfile::tempdir().unwrap();
    let services = Services::open(
        Workspace::at(folder.path()).unwrap(),
        Config::default(),
        Arc::new(SystemClock),
    )
    .unwrap();
    let edge = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let listener = edge
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap();
    let router = crate::http::router(&services);
    edge.spawn(async move { axum::serve(listener, router).await });
    Server {
        http: Http::connect(&Address::Url(format!("http://{address}"), None)).unwrap(),
        services,
        _folder: folder,
        _edge: edge,
    }
}

impl Server {
    pub fn ask(&mut self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let body = if method == "GET" {
            Vec::new()
        } else {
            serde_json::to_vec(body).unwrap()
        };
        let headers = [("content-type", "application/json")];
        let answer = self.http.request(method, path, &headers, &body).unwrap();
        let value = serde_json::from_slice(&answer.body)
            .unwrap_or_else(|_| json!(String::from_utf8_lossy(&answer.body)));
        (answer.status, value)
    }

    fn post(&mut self, path: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", &format!("/api/2.0/mlflow/{path}"), body)
    }

    pub fn good(&mut self, path: &str, body: &Value) -> Value {
        let (status, value) = self.post(path, body);
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub fn refused(&mut self, path: &str, body: &Value, status: u16, code: &str) {
        let (got, value) = self.post(path, body);
        assert_eq!(
            (got, &value["error_code"]),
            (status, &json!(code)),
            "{value}"
        );
    }

    pub fn get(&mut self, path: &str) -> Value {
        let (status, value) = self.ask("GET", &format!("/api/2.0/mlflow/{path}"), &json!({}));
        assert_eq!(status, 200, "{path}: {value}");
        value
    }

    pub fn run(&mut self) -> String {
        let made = self.good(
            "runs/create",
            &json!({"experiment_id": "0", "user_id": "ana"}),
        );
        made["run"]["info"]["run_id"].as_str().unwrap().to_owned()
    }
}

#[test]
fn a_run_from_beginning_to_end() {
    let mut server = server();
    let made = server.good("experiments/create", &json!({"name": "delay"}));
    let experiment = made["experiment_id"].clone();
    server.refused(
        "experiments/create",
        &json!({"name": "delay"}),
        400,
        "RESOURCE_ALREADY_EXISTS",
    );
    let found = server.get("experiments/get-by-name?experiment_name=delay");
    assert_eq!(found["experiment"]["experiment_id"], experiment);
    let made = server.good(
        "runs/create",
        &json!({"experiment_id": experiment, "run_name": "first", "start_time": "5", "unknown": 1}),
    );
    let info = &made["run"]["info"];
    assert_eq!(info["start_time"], 5);
    assert_eq!(info["status"], "RUNNING");
    let run = info["run_id"].clone();
    assert_eq!(run.as_str().unwrap().len(), 32);
    server.good(
        "runs/log-batch",
        &json!({"run_id": run, "run_uuid": run,
            "metrics": [
                {"key": "loss", "value": 0.5, "timestamp": 1, "step": 2},
                {"key": "loss", "value": 0.9, "timestamp": 9, "step": 1},
                {"key": "nan", "value": "NaN", "timestamp": 1, "step": 0},
                {"key": "inf", "value": "-Infinity", "timestamp": 1, "step": 0}],
            "params": [{"key": "depth", "value": "8"}], "tags": [{"key": "a", "value": "b"}]}),
    );
    // The same again changes nothing.
    server.good(
        "runs/log-metric",
        &json!({"run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": 2}),
    );
    server.refused(
        "runs/log-parameter",
        &json!({"run_id": run, "key": "depth", "value": "9"}),
        400,
        "INVALID_PARAMETER_VALUE",
    );
    server.good(
        "runs/log-parameter",
        &json!({"run_id": run, "key": "depth", "value": "8"}),
    );
    let updated = server.good(
        "runs/update",
        &json!({"run_id": run, "status": "FINISHED", "end_time": 77, "run_name": "renamed"}),
    );
    assert_eq!(updated["run_info"]["end_time"], 77);
    let id = run.as_str().unwrap();
    let whole = server.get(&format!("runs/get?run_id={id}"));
    let data = &whole["run"]["data"];
    assert_eq!(whole["run"]["info"]["run_name"], "renamed");
    assert_eq!(
        data["tags"][1],
        json!({"key": "mlflow.runName", "value": "renamed"})
    );
    assert_eq!(
        data["metrics"],
        json!([
            {"key": "inf", "value": f64::MIN, "timestamp": 1, "step": 0},
            {"key": "loss", "value": 0.5, "timestamp": 1, "step": 2},
            {"key": "nan", "value": "NaN", "timestamp": 1, "step": 0}])
    );
    let history = server.get(&format!("metrics/get-history?run_id={id}&metric_key=loss"));
    assert_eq!(history["metrics"].as_array().unwrap().len(), 2);
    let page = server.get(&format!(
        "metrics/get-history?run_id={id}&metric_key=loss&max_results=1"
    ));
    assert!(page["next_page_token"].is_string());
}

#[test]
fn batches_are_refused_whole() {
    let mut server = server();
    let run = server.run();
    server.refused(
        "runs/log-batch",
        &json!({"run_id": run, "metrics": [{"key": "m", "value": 1, "timestamp": 1, "step": 0}],
            "params": [{"key": "p", "value": "1"}, {"key": "p", "value": "2"}]}),
        400,
        "INVALID_PARAMETER_VALUE",
    );
    server.refused(
        "runs/log-metric",
        &json!({"run_id": run, "key": "../m", "value": 1, "timestamp": 1}),
        400,
        "INVALID_PARAMETER_VALUE",
    );
    let whole = server.get(&format!("runs/get?run_id={run}"));
    assert_eq!(whole["run"]["data"]["metrics"], json!([]));
    assert_eq!(whole["run"]["data"]["params"], json!([]));
}

#[test]
fn deleted_runs_refuse_changes_and_errors_have_their_codes() {
    let mut server = server();
    let run = server.run();
    server.good("runs/delete", &json!({"run_id": run}));
    let tag = json!({"run_id": run, "key": "a", "value": "b"});
    server.refused("runs/set-tag", &tag, 400, "INVALID_PARAMETER_VALUE");
    server.good("runs/restore", &json!({"run_id": run}));
    server.good("runs/set-tag", &tag);
    server.refused(
        "runs/delete-tag",
        &json!({"run_id": run, "key": "absent"}),
        404,
        "RESOURCE_DOES_NOT_EXIST",
    );
    server.refused(
        "runs/update",
        &json!({"run_id": "absent", "status": "FINISHED"}),
        404,
        "RESOURCE_DOES_NOT_EXIST",
    );
    server.refused("runs/update", &json!({}), 400, "INVALID_PARAMETER_VALUE");
    server.refused("runs/nonsense", &json!({}), 404, "ENDPOINT_NOT_FOUND");
    let (status, _) = server.ask("GET", "/health", &json!({}));
    assert_eq!(status, 200);
    let (status, info) = server.ask("GET", "/ajax-api/3.0/mlflow/server-info", &json!({}));
    assert_eq!((status, &info["workspaces_enabled"]), (200, &json!(false)));
}

#[test]
fn search_orders_nan_after_numbers_and_absent_last() {
    let mut server = server();
    for (name, value) in [
        ("a", json!(1)),
        ("b", json!("NaN")),
        ("c", json!(3)),
        ("d", Value::Null),
    ] {
        let made = server.good(
            "runs/create",
            &json!({"experiment_id": "0", "run_name": name, "start_time": 1}),
        );
        let run = made["run"]["info"]["run_id"].clone();
        if !value.is_null() {
            server.good(
                "runs/log-metric",
                &json!({"run_id": run, "key": "m", "value": value, "timestamp": 1}),
            );
        }
    }
    let names = |found: &Value| -> String {
        found["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| run["info"]["run_name"].as_str().unwrap())
            .collect()
    };
    for (order, expected) in [("metrics.m DESC", "cabd"), ("metrics.m ASC", "acbd")] {
        let found = server.good(
            "runs/search",
            &json!({"experiment_ids": ["0"], "order_by": [order]}),
        );
        assert_eq!(names(&found), expected);
    }
    let first = server.good(
        "runs/search",
        &json!({"experiment_ids": ["0"], "order_by": ["metrics.m DESC"], "max_results": 3}),
    );
    let next = server.good(
        "runs/search",
        &json!({"experiment_ids": ["0"], "order_by": ["metrics.m DESC"], "max_results": 3,
            "page_token": first["next_page_token"]}),
    );
    assert_eq!(
        (names(&first), names(&next)),
        ("cab".to_owned(), "d".to_owned())
    );
    assert_eq!(next.get("next_page_token"), None);
    let found = server.good(
        "runs/search",
        &json!({"experiment_ids": ["0"], "filter": "metrics.m > 0 AND attributes.run_name LIKE 'c%'"}),
    );
    assert_eq!(names(&found), "c");
    for filter in ["metrics.m > 0 OR", "metrics.m > '1'", "what"] {
        server.refused(
            "runs/search",
            &json!({"experiment_ids": ["0"], "filter": filter}),
            400,
            "INVALID_PARAMETER_VALUE",
        );
    }
    server.refused(
        "runs/search",
        &json!({"experiment_ids": ["0"], "page_token": "garbage"}),
        400,
        "INVALID_PARAMETER_VALUE",
    );
}

#[test]
fn artifacts_come_back_as_they_were_sent() {
    let mut server = server();
    let run = server.run();
    let root = format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts");
    let content: Vec<u8> = (0..3_000_000_u32).map(|number| number as u8).collect();
    let path = format!("{root}/model/per%2525cent%20%C3%BC.bin");
    let answer = server.http.request("PUT", &path, &[], &content).unwrap();
    assert_eq!(answer.status, 200);
    let answer = server.http.request("GET", &path, &[], &[]).unwrap();
    assert!(answer.body == content);
    let listed = server.get(&format!("artifacts/list?run_id={run}&path=model"));
    assert_eq!(
        listed["files"],
        json!([{"path": "model/per%25cent ü.bin", "is_dir": false, "file_size": 3_000_000}])
    );
    let (_, listed) = server.ask(
        "GET",
        &format!("/api/2.0/mlflow-artifacts/artifacts?path=0/{run}/artifacts"),
        &json!({}),
    );
    assert_eq!(listed["files"], json!([{"path": "model", "is_dir": true}]));
    for wrong in ["..%2F..%2Fstore.db", "%2Fetc%2Fpasswd"] {
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/{wrong}");
        let answer = server.http.request("PUT", &path, &[], b"x").unwrap();
        assert_eq!(answer.status, 400, "{wrong}");
    }
}
