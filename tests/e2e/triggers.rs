//! Pipelines that start by themselves in a running daemon: by the clock, by drift, by a metric; what stops them when they
//! achieve nothing; and a run that a retried job continues.

use crate::house::{House, fixture, number, state, text, until};
use rustix::process::Signal;
use serde_json::{Value, json};

const SERVER: &str = "server = { listen = \"127.0.0.1:0\" }\n";

/// Penguins with a deployment; `more` stands at the end of the file, `gate` in the pipeline.
fn penguins(gate: &str, more: &str) -> House {
    let house = House::new(&format!(
        "{SERVER}\
         [dataset.penguins]\npath = \"data.csv\"\n\
         [dataset.labels]\npath = \"labels.csv\"\n\
         [pipeline.penguins]\ndataset = \"penguins\"\ntarget = \"species\"\n\
         trainer = {{ kind = \"bayes\" }}\ngate = {gate}\n\
         [deployment.penguins]\n{more}"
    ));
    std::fs::copy(fixture("penguins.csv"), house.path("data.csv")).unwrap();
    house.write("labels.csv", "id,species\n");
    house
}

/// Pipeline runs that were started for this kind of reason, by their first jobs.
fn started_by(house: &House, kind: &str) -> Vec<Value> {
    let page = house.json(&["jobs", "list"]);
    let rows = page["rows"].as_array().unwrap();
    rows.iter()
        .map(|row| row["job"].clone())
        .filter(|job| job["kind"] == "validate" && job["cause"]["kind"] == kind)
        .collect()
}

/// Sixty penguins as no training row is, and a look at them.
fn serve_and_look(house: &House) {
    let rows: Vec<Value> = (0..60)
        .map(|row| {
            json!({
                "id": format!("p{row}"), "island": "Biscoe", "sex": "male", "year": 2009,
                "bill_length_mm": 400.0 + f64::from(row), "bill_depth_mm": 180.0,
                "flipper_length_mm": 2000.0, "body_mass_g": 40_000.0,
            })
        })
        .collect();
    let answer = house.post(
        "/models/penguins/invocations",
        &json!({ "dataframe_records": rows }),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let look = json!({
        "do": "monitor", "monitor": "watch", "from": 0, "to": 4_000_000_000_000_i64,
        "labels_until": null, "label": "all",
    });
    let answer = house.post("/api/trainyard/v1/command", &look);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn a_period_starts_a_pipeline_until_three_runs_achieve_nothing_and_somebody_says_go_on() {
    let house = penguins(
        "{ metric = \"accuracy\", at_least = 1.5 }",
        "[[trigger]]\npipeline = \"penguins\"\non = \"schedule\"\nevery = \"1s\"\n",
    );
    house.done(&["up"]);
    let storm = |state: &dyn Fn(&Value) -> bool| {
        until("an alert", || {
            let alerts = house.json(&["alerts", "list"]);
            let alerts = alerts.as_array()?;
            let mut storms = alerts.iter().filter(|alert| alert["kind"] == "storm");
            storms.find(|alert| state(alert)).cloned()
        })
    };
    let alert = storm(&|alert| alert["resolved"].is_null());
    assert_eq!(alert["source"], "pipeline:penguins");
    let said = text(&alert["text"]);
    assert!(said.contains("3 runs in a row promoted nothing"), "{said}");
    assert!(said.contains("1.5"), "{said}");
    // what was started meanwhile is over too
    let before = until("nothing is under way", || {
        let page = house.json(&["jobs", "list"]);
        let rows = page["rows"].as_array()?.clone();
        let over = |row: &Value| {
            let state = &row["job"]["state"];
            state != "queued" && state != "running"
        };
        rows.iter().all(over).then_some(rows.len())
    });
    assert!(started_by(&house, "schedule").len() >= 3);

    let id = alert["id"].to_string();
    house.done(&["alerts", "ack", &id]);
    until("it goes on", || {
        let page = house.json(&["jobs", "list"]);
        (page["rows"].as_array()?.len() > before).then_some(())
    });
    let known = storm(&|alert| !alert["resolved"].is_null());
    assert_eq!(
        (&known["id"], &known["acknowledged_by"]),
        (&alert["id"], &json!("ada"))
    );
    house.refused(2, &["alerts", "ack", "4711"]);
}

#[test]
fn drift_in_a_look_starts_a_pipeline_once() {
    let house = penguins(
        "{ metric = \"accuracy\", at_least = 0.5 }",
        "[monitor.watch]\ndeployment = \"penguins\"\ntests = { psi = 0.2 }\n\
         [[trigger]]\npipeline = \"penguins\"\non = \"drift\"\nmonitor = \"watch\"\n",
    );
    house.done(&["train", "penguins", "--promote"]);
    serve_and_look(&house);
    let job = until("a run because of drift", || {
        started_by(&house, "drift").pop()
    });
    assert_eq!(job["cause"]["monitor"], "watch");
    assert!(
        text(&job["cause"]["detail"]).contains("columns drift in all"),
        "{job:#}"
    );
    until("it is over", || {
        let model = house.json(&["models", "show", "penguins"]);
        (model["versions"].as_array()?.len() == 2).then_some(())
    });
    // the same window again is the same occasion
    serve_and_look(&house);
    house.done(&["train", "penguins"]);
    assert_eq!(started_by(&house, "drift").len(), 1);
}

#[test]
fn a_metric_beyond_its_limit_starts_a_pipeline() {
    let house = penguins(
        "{ metric = \"accuracy\", at_least = 0.5 }",
        "[monitor.watch]\ndeployment = \"penguins\"\n\
         labels = { dataset = \"labels\", key = \"id\", column = \"species\" }\n\
         metric = { name = \"accuracy\", limit = 0.9 }\n\
         [[trigger]]\npipeline = \"penguins\"\non = \"metric\"\nmonitor = \"watch\"\n",
    );
    let mut labels = String::from("id,species\n");
    for row in 0..60 {
        let species = ["Adelie", "Gentoo", "Chinstrap"][row % 3];
        labels.push_str(&format!("p{row},{species}\n"));
    }
    house.write("labels.csv", labels);
    house.done(&["train", "penguins", "--promote"]);
    serve_and_look(&house);
    let job = until("a run because of the metric", || {
        started_by(&house, "metric").pop()
    });
    let why = text(&job["cause"]["detail"]);
    assert!(
        why.contains("accuracy 0.3333") && why.contains("beyond 0.9"),
        "{why}"
    );
}

#[test]
fn a_retried_job_continues_the_run_that_it_had_ended() {
    let house = House::with(
        "penguins",
        "csv",
        "species",
        "attempts = 1\n\
         trainer = { kind = \"boosting\", trees = 150, early_stopping = 0 }\n\
         gate = { metric = \"accuracy\", at_least = 0.9 }",
    );
    let train = house.start(&["train", "penguins", "--promote"]);
    let job = house.job("train", "running");
    until("a checkpoint", || {
        house.in_job(&job, "checkpoint.json").exists().then_some(())
    });
    let pid = number(&house.job("train", "running")["pid"]);
    crate::house::signal(pid, Signal::KILL);
    until("the worker is gone", || state(pid).is_none().then_some(()));
    assert_eq!(train.end().code, 1);
    let lost = house.job("train", "lost");

    house.done(&["jobs", "retry", &lost["id"].to_string()]);

    let done = house.job("train", "succeeded");
    assert_eq!((&done["id"], &done["attempt"]), (&lost["id"], &json!(2)));
    until("the run goes on to its end", || {
        let history = house.json(&["models", "history", "penguins"]);
        (history.as_array()?.len() == 1).then_some(())
    });
    let run = house.json(&["runs", "show", &text(&done["run"])]);
    assert_eq!(run["run"]["status"], "FINISHED");
    let jobs = house.json(&["jobs", "list"]);
    assert_eq!(jobs["rows"].as_array().unwrap().len(), 3, "{jobs:#}");
}
