//! Import and export, and deleting for good: MLflow's folder and database of `tests/fixtures/mlflow` (made by `make.py` there),
//! an export, and a live server, which is another workspace.

use crate::house::{House, text};
use serde_json::Value;
use std::path::{Path, PathBuf};

fn house() -> House {
    House::new("server = { listen = \"127.0.0.1:0\" }\n")
}

fn fixture(name: &str) -> String {
    let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "tests/fixtures/mlflow", name]
        .iter()
        .collect();
    path.to_string_lossy().into_owned()
}

/// What `make.py` put into each store.
fn check_counts(report: &Value, experiments: u64, new: bool) {
    assert_eq!(report["differences"], serde_json::json!([]), "{report:#}");
    let expected = [
        ("experiments", experiments),
        ("runs", 3),
        ("params", 4),
        ("points", 27),
        ("inputs", 1),
        ("files", 7),
        ("logged_models", 1),
        ("models", 1),
        ("versions", 2),
        ("aliases", 1),
    ];
    for (what, count) in expected {
        assert_eq!(report[what], count, "{what}: {report:#}");
    }
    for what in [
        "runs",
        "files",
        "models",
        "versions",
        "aliases",
        "logged_models",
    ] {
        let count = if new { report[what].clone() } else { 0.into() };
        assert_eq!(report["new"][what], count, "new {what}: {report:#}");
    }
}

/// The imported workspace, as a client of MLflow and as a person sees it.
fn check_content(house: &House) {
    let found = house.get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=churn");
    let experiment = found.json()["experiment"].clone();
    assert_eq!(experiment["tags"][0]["value"], "growth: a", "{experiment}");
    let gone = house.get("/api/2.0/mlflow/experiments/get-by-name?experiment_name=gone");
    assert_eq!(gone.json()["experiment"]["lifecycle_stage"], "deleted");
    let runs = house.post(
        "/api/2.0/mlflow/runs/search",
        &serde_json::json!({"experiment_ids": [experiment["experiment_id"]], "run_view_type": "ALL"}),
    );
    let runs = runs.json()["runs"].as_array().unwrap().clone();
    let run = |name: &str| {
        runs.iter()
            .find(|run| run["info"]["run_name"] == name)
            .unwrap()
    };
    let (first, second) = (run("first"), run("second"));
    assert_eq!(second["info"]["lifecycle_stage"], "deleted");
    assert_eq!(second["info"]["status"], "FAILED");
    assert_eq!(first["info"]["end_time"], 1_700_000_009_000_i64);
    let pair = |list: &str, key: &str| {
        text(
            &first["data"][list]
                .as_array()
                .unwrap()
                .iter()
                .find(|pair| pair["key"] == key)
                .unwrap()["value"],
        )
    };
    assert_eq!(pair("params", "nested/name"), "x");
    assert_eq!(pair("params", "empty"), "");
    assert_eq!(pair("params", "text"), "two\nlines");
    assert!(
        pair("tags", "mlflow.note.content")
            .starts_with("first line\nsecond line: with a colon, 'q")
    );
    assert_eq!(
        first["inputs"]["dataset_inputs"][0]["dataset"]["name"],
        "rows"
    );
    let id = text(&first["info"]["run_id"]);
    let odd = house.get(&format!(
        "/api/2.0/mlflow/metrics/get-history?run_id={id}&metric_key=odd/values"
    ));
    let odd: Vec<String> = odd.json()["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["value"].to_string())
        .collect();
    assert_eq!(
        odd,
        [
            "\"NaN\"",
            "1.7976931348623157e+308",
            "-1.7976931348623157e+308",
            "-1e-300"
        ]
    );
    let root = text(&first["info"]["artifact_uri"]).replace("mlflow-artifacts:/", "");
    for (sent, name) in [
        ("plain.txt", "plain.txt"),
        ("per%2525cent.txt", "per%25cent.txt"),
        ("a%20b.txt", "a b.txt"),
        ("%C3%BCmlaut.txt", "ümlaut.txt"),
        ("what%23now.txt", "what#now.txt"),
    ] {
        let file = house.get(&format!(
            "/api/2.0/mlflow-artifacts/artifacts/{root}/notes/{sent}"
        ));
        assert_eq!((file.status, file.body.as_str()), (200, name), "{sent}");
    }
    let output = first["outputs"]["model_outputs"][0].clone();
    assert_eq!(output["step"], 1, "{first:#}");
    let logged = house.get(&format!(
        "/api/2.0/mlflow/logged-models/{}",
        text(&output["model_id"])
    ));
    let logged = logged.json()["model"].clone();
    assert_eq!(logged["info"]["name"], "forest", "{logged:#}");
    assert_eq!(logged["data"]["params"][0]["value"], "200", "{logged:#}");
    assert_eq!(logged["data"]["metrics"][0]["value"], 0.92, "{logged:#}");
    let model = house.json(&["models", "show", "churn"]);
    assert_eq!(
        model["model"]["aliases"],
        serde_json::json!([["champion", 1]]),
        "{model:#}"
    );
    let versions = model["versions"].as_array().unwrap();
    assert_eq!(versions[0]["version"]["version"], 3);
    assert_eq!(versions[0]["version"]["stage"], "Staging");
    assert_eq!(
        versions[0]["version"]["source"],
        format!("mlflow-artifacts:/{root}/model")
    );
}

#[test]
fn a_folder_of_mlflow_is_imported_once() {
    let house = house();
    let arguments = ["import", &fixture("mlruns")];
    check_counts(&house.json(&arguments), 3, true);
    check_content(&house);
    check_counts(&house.json(&arguments), 3, false);
    check_content(&house);
}

#[test]
fn a_database_of_mlflow_is_imported_once_with_its_files() {
    let house = house();
    let arguments = ["import", &fixture("mlflow.db")];
    check_counts(&house.json(&arguments), 3, true);
    check_content(&house);
    check_counts(&house.json(&arguments), 3, false);
}

#[test]
fn an_export_and_a_live_server_are_imported_as_well() {
    let (first, second, third) = (house(), house(), house());
    check_counts(&first.json(&["import", &fixture("mlruns")]), 3, true);
    let out = first.path("out");
    let out = out.to_string_lossy();
    let written = first.json(&["runs", "export", &out]);
    assert_eq!(written["differences"], serde_json::json!([]), "{written:#}");
    assert_eq!(written["points"], 27);
    check_counts(&second.json(&["import", &out]), 3, true);
    check_content(&second);
    let address = format!("http://{}", first.http());
    check_counts(&third.json(&["import", &address]), 3, true);
    check_content(&third);
    check_counts(&third.json(&["import", &address]), 3, false);
    let said = first.refused(2, &["runs", "export", &out]);
    assert!(said.contains("is not empty"), "{said}");
}

#[test]
fn a_live_server_is_filled_once() {
    let (first, second) = (house(), house());
    check_counts(&first.json(&["import", &fixture("mlruns")]), 3, true);
    second.done(&["up"]);
    let address = format!("http://{}", second.http());
    let report = first.json(&["runs", "export", &address]);
    // `Default` is everywhere
    assert_eq!(report["new"]["experiments"], 2, "{report:#}");
    check_counts(&report, 3, true);
    let list = ["runs", "list", "--max", "10"];
    assert_eq!(second.json(&list)["total"], first.json(&list)["total"]);
    let model = second.json(&["models", "show", "churn"]);
    assert_eq!(
        model["model"]["aliases"],
        serde_json::json!([["champion", 1]]),
        "{model:#}"
    );
    let versions = model["versions"].as_array().unwrap();
    let numbers: Vec<_> = versions
        .iter()
        .map(|one| one["version"]["version"].clone())
        .collect();
    assert_eq!(numbers, [3, 1], "{model:#}");
    assert_eq!(versions[0]["version"]["stage"], "Staging");
    // its run there has another id than here, and its files
    let run = text(&versions[0]["version"]["run"]);
    let found = second.get(&format!("/api/2.0/mlflow/runs/get?run_id={run}"));
    let whole = found.json()["run"].clone();
    let origin = whole["data"]["tags"]
        .as_array()
        .unwrap()
        .iter()
        .find(|tag| tag["key"] == "trainyard.origin")
        .unwrap();
    assert_ne!(text(&origin["value"]), run);
    assert_eq!(
        whole["outputs"]["model_outputs"].as_array().unwrap().len(),
        1,
        "{whole:#}"
    );
    let source = text(&versions[0]["version"]["source"]);
    assert!(source.contains(&run), "{source}");
    check_counts(&first.json(&["runs", "export", &address]), 3, false);
    // what changed since is named and not written over
    let changed = first.post(
        "/api/2.0/mlflow/runs/set-tag",
        &serde_json::json!({
            "run_id": origin["value"], "key": "mlflow.note.content", "value": "a late word",
        }),
    );
    assert_eq!(changed.status, 200, "{changed:?}");
    let ended = first.run(&["runs", "export", &address, "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let report: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let said = report["differences"].to_string();
    assert!(said.contains("mlflow.note.content"), "{report:#}");
    assert_eq!(report["new"]["runs"], 0);
}

#[test]
fn what_is_no_source_is_said() {
    let house = house();
    let empty = house.path("empty");
    std::fs::create_dir(&empty).unwrap();
    house.write("text.db", "no database");
    for (source, why) in [
        (empty.to_string_lossy().into_owned(), "no folder of MLflow"),
        (
            house.path("text.db").to_string_lossy().into_owned(),
            "no SQLite database",
        ),
        ("nowhere".to_owned(), "is not there"),
    ] {
        let said = house.refused(2, &["import", &source]);
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn what_is_deleted_for_good_is_gone_and_its_name_is_free() {
    let house = house();
    house.done(&["import", &fixture("mlruns")]);
    let shown = house.json(&["models", "show", "churn"]);
    let run = text(&shown["versions"][0]["version"]["run"]);
    let said = house.refused(1, &["runs", "delete", &run, "--forever"]);
    assert!(said.contains("stands on run"), "{said}");
    let experiments = house.json(&["experiments", "list", "--all"]);
    let gone = experiments
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "gone")
        .unwrap();
    assert_eq!(gone["lifecycle"], "deleted");
    house.refused(1, &["experiments", "purge", "churn"]);
    let purged = house.json(&["experiments", "purge", "gone"]);
    assert_eq!(
        (&purged["runs"], &purged["experiments"]),
        (&1.into(), &1.into())
    );
    let made = house.post(
        "/api/2.0/mlflow/experiments/create",
        &serde_json::json!({"name": "gone"}),
    );
    assert_eq!(made.status, 200, "{made:?}");
    assert_ne!(made.json()["experiment_id"], gone["id"]);
    let free = house.post(
        "/api/2.0/mlflow/runs/create",
        &serde_json::json!({"experiment_id": "0"}),
    );
    let info = free.json()["run"]["info"].clone();
    let id = text(&info["run_id"]);
    let folder = house.path(&format!(".trainyard/artifacts/0/{id}"));
    std::fs::create_dir_all(folder.join("artifacts")).unwrap();
    house.done(&["runs", "delete", &id]);
    house.done(&["runs", "restore", &id]);
    house.done(&["runs", "delete", &id, "--forever"]);
    assert!(!Path::new(&folder).exists());
    house.refused(2, &["runs", "show", &id]);
}

#[test]
fn a_foreign_page_is_refused() {
    let house = house();
    house.done(&["up"]);
    let address = house.http();
    let ask = |head: &str| -> String {
        use std::io::{Read as _, Write as _};
        let mut line = std::net::TcpStream::connect(&address).unwrap();
        line.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        line.read_to_string(&mut answer).unwrap();
        answer
    };
    let end = "connection: close\r\ncontent-length: 2\r\n\r\n{}";
    let path = "/api/2.0/mlflow/runs/create HTTP/1.1\r\ncontent-type: application/json";
    let rebound = ask(&format!("POST {path}\r\nhost: evil.example\r\n{end}"));
    assert!(rebound.starts_with("HTTP/1.1 403"), "{rebound}");
    let foreign = ask(&format!(
        "POST {path}\r\nhost: {address}\r\norigin: https://evil.example\r\n{end}"
    ));
    assert!(foreign.starts_with("HTTP/1.1 403"), "{foreign}");
    let own = ask(&format!(
        "POST {path}\r\nhost: {address}\r\norigin: http://{address}\r\n{end}"
    ));
    assert!(own.starts_with("HTTP/1.1 200"), "{own}");
    assert!(own.contains("x-content-type-options: nosniff"), "{own}");
}
