//! The registry and logged models over a real connection, as a client sees them.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::tests::{Server, server};
use crate::domain::ModelName;
use crate::domain::registry::MoveKind;
use crate::store::audit;
use serde_json::{Value, json};

impl Server {
    /// A run with a file in `model`, and the URI of that folder.
    fn run_with_model(&mut self) -> (String, String) {
        let run = self.run();
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/model/MLmodel");
        let answer = self
            .http
            .request("PUT", &path, &[], b"flavors: {}")
            .unwrap();
        assert_eq!(answer.status, 200);
        let source = format!("mlflow-artifacts:/0/{run}/artifacts/model");
        (run, source)
    }

    /// A model with as many versions.
    fn model(&mut self, name: &str, versions: usize) -> (String, String) {
        let (run, source) = self.run_with_model();
        self.good("registered-models/create", &json!({"name": name}));
        for _ in 0..versions {
            self.good(
                "model-versions/create",
                &json!({"name": name, "source": source, "run_id": run}),
            );
        }
        (run, source)
    }

    fn changed(&mut self, method: &str, path: &str, body: &Value) -> Value {
        let (status, value) = self.ask(method, &format!("/api/2.0/mlflow/{path}"), body);
        assert_eq!(status, 200, "{method} {path}: {value}");
        value
    }

    fn failed(&mut self, method: &str, path: &str, body: &Value) -> (u16, String) {
        let (status, value) = self.ask(method, &format!("/api/2.0/mlflow/{path}"), body);
        (
            status,
            value["error_code"].as_str().unwrap_or_default().to_owned(),
        )
    }
}

#[test]
fn an_alias_set_by_a_client_is_a_move_with_audit_and_can_be_rolled_back() {
    let mut server = server();
    server.model("m", 2);
    for version in ["1", "2", "2"] {
        server.good(
            "registered-models/alias",
            &json!({"name": "m", "alias": "champion", "version": version}),
        );
    }
    let model = ModelName::from("m");
    let registry = &server.services.registry;
    let history = registry.history(&model).unwrap();
    assert_eq!(history.len(), 2);
    assert_eq!(history[0].kind, MoveKind::Set);
    assert_eq!(history[0].from.map(|version| version.0), Some(1));
    let lines = server
        .services
        .core
        .store
        .read(|view| audit::about(view, "model:m", 100))
        .unwrap();
    assert_eq!(
        lines
            .iter()
            .filter(|line| line.action == "set_alias")
            .count(),
        2
    );
    let back = registry.rollback(&model, None, "ana").unwrap();
    assert_eq!(back.to.map(|version| version.0), Some(1));
    let found = server.get("registered-models/alias?name=m&alias=champion");
    assert_eq!(found["model_version"]["version"], "1");
    server.refused(
        "registered-models/alias",
        &json!({"name": "m", "alias": "v3", "version": "1"}),
        400,
        "INVALID_PARAMETER_VALUE",
    );
    let (status, code) = server.failed(
        "GET",
        "registered-models/alias?name=m&alias=nobody",
        &json!({}),
    );
    assert_eq!((status, code.as_str()), (400, "INVALID_PARAMETER_VALUE"));
}

#[test]
fn deleted_versions_take_their_aliases_along_and_numbers_are_not_used_again() {
    let mut server = server();
    let (run, source) = server.model("m", 2);
    server.good(
        "registered-models/alias",
        &json!({"name": "m", "alias": "champion", "version": "2"}),
    );
    let two = json!({"name": "m", "version": "2"});
    server.changed("DELETE", "model-versions/delete", &two);
    assert_eq!(
        server.failed("DELETE", "model-versions/delete", &two).0,
        404
    );
    let model = server.get("registered-models/get?name=m");
    assert_eq!(model["registered_model"]["aliases"], json!([]));
    let made = server.good(
        "model-versions/create",
        &json!({"name": "m", "source": source, "run_id": run}),
    );
    assert_eq!(made["model_version"]["version"], "3");
    server.changed("DELETE", "registered-models/delete", &json!({"name": "m"}));
    server.good("registered-models/create", &json!({"name": "m"}));
    assert!(
        server
            .services
            .registry
            .history(&ModelName::from("m"))
            .unwrap()
            .is_empty(),
        "a new model has no past"
    );
}

#[test]
fn sources_of_versions_lie_inside() {
    let mut server = server();
    let (run, source) = server.model("m", 1);
    let other = server.run();
    for (source, run) in [
        ("/etc", run.as_str()),
        ("file:///etc", &run),
        ("s3://bucket/model", &run),
        (&format!("{source}/../../x"), &run),
        (&format!("{source}/%252e%252e/x"), &run),
        (&source, &other),
        (&source, "absent"),
        (&source, ""),
        (&format!("runs:/{run}/model"), &other),
        ("models:/m/99", ""),
        ("models:/m-absent", ""),
        ("mlflow-artifacts:/0", &run),
        ("mlflow-artifacts:/", &run),
    ] {
        let (status, code) = server.failed(
            "POST",
            "model-versions/create",
            &json!({"name": "m", "source": source, "run_id": run}),
        );
        assert!(
            (status, code.as_str()) == (400, "INVALID_PARAMETER_VALUE")
                || (status, code.as_str()) == (404, "RESOURCE_DOES_NOT_EXIST"),
            "{source}: {status} {code}"
        );
    }
    for good in [format!("runs:/{run}/model"), "models:/m/1".to_owned()] {
        let body = match good.starts_with("runs") {
            true => json!({"name": "m", "source": good, "run_id": run}),
            false => json!({"name": "m", "source": good}),
        };
        let made = server.good("model-versions/create", &body);
        assert_eq!(made["model_version"]["run_id"], json!(run));
        let version: u32 = made["model_version"]["version"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let folder = server
            .services
            .registry
            .directory(&ModelName::from("m"), crate::domain::Version(version))
            .unwrap();
        assert!(folder.join("MLmodel").is_file(), "{good}");
    }
}

#[test]
fn renamed_models_keep_versions_and_aliases() {
    let mut server = server();
    server.model("m", 2);
    server.good(
        "registered-models/alias",
        &json!({"name": "m", "alias": "champion", "version": "2"}),
    );
    server.good("registered-models/create", &json!({"name": "taken"}));
    server.refused(
        "registered-models/rename",
        &json!({"name": "m", "new_name": "taken"}),
        400,
        "RESOURCE_ALREADY_EXISTS",
    );
    let renamed = server.good(
        "registered-models/rename",
        &json!({"name": "m", "new_name": "n"}),
    );
    assert_eq!(
        renamed["registered_model"]["aliases"],
        json!([{"alias": "champion", "version": "2"}])
    );
    assert_eq!(
        server
            .failed("GET", "registered-models/get?name=m", &json!({}))
            .0,
        404
    );
    let found = server.get("model-versions/search?filter=name%3D%27n%27&order_by=version_number");
    assert_eq!(found["model_versions"].as_array().unwrap().len(), 2);
    let history = server
        .services
        .registry
        .history(&ModelName::from("n"))
        .unwrap();
    assert_eq!(history.len(), 1);
}

#[test]
fn stages_and_searches() {
    let mut server = server();
    server.model("m", 3);
    server.model("other", 1);
    server.good(
        "registered-models/create",
        &json!({"name": "prompt", "tags": [{"key": "mlflow.prompt.is_prompt", "value": "true"}]}),
    );
    for version in ["1", "2"] {
        server.good(
            "model-versions/transition-stage",
            &json!({"name": "m", "version": version, "stage": "production", "archive_existing_versions": true}),
        );
    }
    let latest = server.good(
        "registered-models/get-latest-versions",
        &json!({"name": "m"}),
    );
    let stages: Vec<&str> = latest["model_versions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|version| version["current_stage"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["Archived", "Production", "None"]);
    let names = |found: &Value| -> Vec<String> {
        found["registered_models"]
            .as_array()
            .unwrap()
            .iter()
            .map(|model| model["name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(
        names(&server.get("registered-models/search")),
        ["m", "other"]
    );
    let first = server.get("registered-models/search?max_results=1&order_by=name+DESC");
    assert_eq!(names(&first), ["other"]);
    let token = first["next_page_token"].as_str().unwrap().to_owned();
    let next = server.get(&format!(
        "registered-models/search?max_results=1&order_by=name+DESC&page_token={token}"
    ));
    assert_eq!(names(&next), ["m"]);
    assert_eq!(next.get("next_page_token"), None);
    let prompts = server
        .get("registered-models/search?filter=tags.%60mlflow.prompt.is_prompt%60+%3D+%27true%27");
    assert_eq!(names(&prompts), ["prompt"]);
    for wrong in [
        "model-versions/search?filter=what%3D%27x%27",
        "registered-models/search?order_by=what",
        "registered-models/search?max_results=1001",
    ] {
        assert_eq!(server.failed("GET", wrong, &json!({})).0, 400, "{wrong}");
    }
}

#[test]
fn a_logged_model_from_pending_to_registered() {
    let mut server = server();
    let run = server.run();
    let made = server.good(
        "logged-models",
        &json!({"experiment_id": "0", "name": "net", "source_run_id": run,
            "params": [{"key": "depth", "value": "8"}], "tags": [{"key": "a", "value": "b"}]}),
    );
    let info = &made["model"]["info"];
    assert_eq!(info["status"], "LOGGED_MODEL_PENDING");
    let id = info["model_id"].as_str().unwrap().to_owned();
    assert_eq!(
        info["artifact_uri"],
        json!(format!("mlflow-artifacts:/0/models/{id}/artifacts"))
    );
    let path = format!("logged-models/{id}");
    let ready = server.changed("PATCH", &path, &json!({"status": "LOGGED_MODEL_READY"}));
    assert_eq!(ready["model"]["info"]["status"], "LOGGED_MODEL_READY");
    server.good(
        &format!("{path}/params"),
        &json!({"params": [{"key": "rate", "value": "0.1"}]}),
    );
    server.refused(
        &format!("{path}/params"),
        &json!({"params": [{"key": "rate", "value": "0.2"}]}),
        400,
        "INVALID_PARAMETER_VALUE",
    );
    let metric = json!({"run_id": run, "key": "auc", "value": 0.8, "timestamp": 10, "step": 1,
        "model_id": id, "dataset_name": "rows", "dataset_digest": "abc"});
    server.good("runs/log-metric", &metric);
    server.good("runs/log-metric", &metric);
    server.good(
        "runs/outputs",
        &json!({"run_id": run, "models": [{"model_id": id, "step": 1}]}),
    );
    let whole = server.get(&format!("runs/get?run_id={run}"));
    assert_eq!(
        whole["run"]["outputs"]["model_outputs"],
        json!([{"model_id": id, "step": 1}])
    );
    assert_eq!(whole["run"]["data"]["metrics"][0]["value"], 0.8);
    let found = server.good(
        "logged-models/search",
        &json!({"experiment_ids": ["0"], "filter": "metrics.auc > 0.5 AND params.depth = '8'",
            "datasets": [{"dataset_name": "rows", "dataset_digest": "abc"}],
            "order_by": [{"field_name": "metrics.auc", "ascending": false}]}),
    );
    let metrics = &found["models"][0]["data"]["metrics"];
    assert_eq!(metrics.as_array().unwrap().len(), 1);
    assert_eq!(metrics[0]["run_id"], json!(run));
    let file = format!("/api/2.0/mlflow-artifacts/artifacts/0/models/{id}/artifacts/MLmodel");
    server.http.request("PUT", &file, &[], b"x").unwrap();
    let listed = server.get(&format!("{path}/artifacts/directories"));
    assert_eq!(listed["files"][0]["path"], "MLmodel");
    server.good("registered-models/create", &json!({"name": "m"}));
    let version = server.good(
        "model-versions/create",
        &json!({"name": "m", "source": format!("models:/{id}"), "model_id": id}),
    );
    assert_eq!(version["model_version"]["run_id"], json!(run));
    let uri = server.get("model-versions/get-download-uri?name=m&version=1");
    assert_eq!(
        uri["artifact_uri"],
        json!(format!("mlflow-artifacts:/0/models/{id}/artifacts"))
    );
    let noted = server.get(&path);
    assert_eq!(
        noted["model"]["info"]["tags"][1],
        json!({"key": "mlflow.modelVersions", "value": "[{\"name\": \"m\", \"version\": 1}]"})
    );
    server.changed("DELETE", &path, &json!({}));
    assert_eq!(server.failed("GET", &path, &json!({})).0, 404);
    server.get(&format!("{path}?allow_deleted=true"));
}

#[test]
fn traces_are_refused_once_and_found_never() {
    let mut server = server();
    let (status, value) = server.ask("POST", "/api/3.0/mlflow/traces", &json!({}));
    assert_eq!(
        (status, &value["error_code"]),
        (501, &json!("NOT_IMPLEMENTED"))
    );
    let (status, value) = server.ask("POST", "/api/3.0/mlflow/traces/search", &json!({}));
    assert_eq!((status, &value["traces"]), (200, &json!([])));
}
