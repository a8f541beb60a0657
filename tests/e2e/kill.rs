//! `kill -9`, of the daemon and of a worker, in the middle of training. A worker is held still (STOP) while something is
//! done to it, so that no test depends on how fast the machine is.

use crate::house::{House, number, signal, state, text, until};
use crate::wire::Line;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Training that has folds behind it and trees before it: a few seconds.
fn training(attempts: u32) -> House {
    let more = format!(
        "attempts = {attempts}\n\
         trainer = {{ kind = \"boosting\", trees = 150, early_stopping = 0 }}\n\
         gate = {{ metric = \"accuracy\", at_least = 0.9 }}"
    );
    House::with("penguins", "csv", "species", &more)
}

/// The training job, its worker held still after its first checkpoint.
fn held_after_a_checkpoint(house: &House) -> (Value, i32) {
    let job = house.job("train", "running");
    until("a checkpoint", || {
        house.in_job(&job, "checkpoint.json").exists().then_some(())
    });
    let job = house.job("train", "running");
    let pid = number(&job["pid"]);
    signal(pid, Signal::STOP);
    until("the worker stands still", || {
        (state(pid)? == 'T').then_some(())
    });
    assert!(!house.in_job(&job, "outcome.json").exists());
    (job, pid)
}

/// Kills the daemon, and waits until it is gone.
fn kill_the_daemon(house: &House) {
    let daemon = house.daemon();
    signal(daemon, Signal::KILL);
    until("the daemon is gone", || {
        state(daemon).is_none().then_some(())
    });
    house.refused(3, &["status"]);
}

/// Points that the worker said, by metric: step and value.
fn said(house: &House, job: &Value) -> BTreeMap<String, Vec<(i64, String)>> {
    let mut said: BTreeMap<String, Vec<(i64, String)>> = BTreeMap::new();
    let events = std::fs::read_to_string(house.in_job(job, "events.jsonl")).unwrap();
    for line in events.lines() {
        let event: Value = serde_json::from_str(line).unwrap();
        for point in event["points"].as_array().into_iter().flatten() {
            let at = (point["step"].as_i64().unwrap(), point["value"].to_string());
            said.entry(text(&point["key"])).or_default().push(at);
        }
    }
    said
}

/// The run is finished, and has every point that its worker said, once.
fn check_run(house: &House, job: &Value) {
    let run = text(&job["run"]);
    let shown = house.json(&["runs", "show", &run]);
    assert_eq!(shown["run"]["status"], "FINISHED");
    let said = said(house, job);
    assert!(said.len() > 8, "{said:?}");
    for (key, mut points) in said {
        let history = house
            .get(&format!(
                "/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key={key}"
            ))
            .json();
        let mut kept: Vec<(i64, String)> = history["metrics"]
            .as_array()
            .unwrap()
            .iter()
            .map(|point| (point["step"].as_i64().unwrap(), point["value"].to_string()))
            .collect();
        kept.sort();
        points.sort();
        assert_eq!(kept, points, "{key}");
    }
}

/// One version came out of it, and it is the champion, once.
fn check_promoted_once(house: &House) {
    house.job("evaluate", "succeeded");
    let history = until("a promotion", || {
        let ended = house.run(&["models", "history", "penguins", "--json"]);
        let moves: Value = serde_json::from_str(&ended.stdout).ok()?;
        (!moves.as_array()?.is_empty()).then_some(moves)
    });
    assert_eq!(history.as_array().unwrap().len(), 1, "{history:#}");
    let model = house.json(&["models", "show", "penguins"]);
    assert_eq!(model["versions"].as_array().unwrap().len(), 1, "{model:#}");
    let jobs = house.json(&["jobs", "list"]);
    assert_eq!(jobs["rows"].as_array().unwrap().len(), 3, "{jobs:#}");
}

#[test]
fn a_worker_outlives_its_daemon_and_the_next_one_takes_its_outcome_in_once() {
    let house = training(2);
    house.done(&["train", "penguins", "--promote", "--detach"]);
    let (job, pid) = held_after_a_checkpoint(&house);

    kill_the_daemon(&house);
    assert_eq!(state(pid), Some('T'));
    signal(pid, Signal::CONT);
    until("the worker ends without a daemon", || {
        (house.in_job(&job, "outcome.json").exists() && state(pid).is_none()).then_some(())
    });
    house.refused(3, &["status"]);

    house.done(&["up"]);
    let job = house.job("train", "succeeded");
    assert_eq!(job["attempt"], 1);
    check_promoted_once(&house);
    check_run(&house, &job);
}

#[test]
fn a_new_daemon_goes_on_with_the_worker_of_one_that_was_killed() {
    let house = training(2);
    let train = house.start(&["train", "penguins", "--promote"]);
    let (job, pid) = held_after_a_checkpoint(&house);
    kill_the_daemon(&house);
    // who waited for it is told that nobody answers any more
    assert_ne!(train.end().code, 0);

    house.done(&["up"]);
    let attached = house.job("train", "running");
    assert_eq!(attached["pid"], job["pid"]);
    signal(pid, Signal::CONT);

    let job = house.job("train", "succeeded");
    assert_eq!(job["attempt"], 1);
    check_promoted_once(&house);
    check_run(&house, &job);
}

#[test]
fn a_killed_worker_is_tried_again_from_its_checkpoint() {
    let house = training(2);
    house.done(&["train", "penguins", "--promote", "--detach"]);
    let (job, pid) = held_after_a_checkpoint(&house);
    let before = said(&house, &job);
    let folds = before["fold/accuracy"].len();

    signal(pid, Signal::KILL);

    let job = house.job("train", "succeeded");
    assert_eq!(job["attempt"], 2);
    assert!(
        job["cause"].to_string().contains("killed by signal 9"),
        "{job:#}"
    );
    // what was done stays done: the second attempt says no fold again, and adds the others
    let after = said(&house, &job);
    assert_eq!(after["fold/accuracy"][..folds], before["fold/accuracy"][..]);
    let steps: Vec<i64> = after["fold/accuracy"]
        .iter()
        .map(|(step, _)| *step)
        .collect();
    assert_eq!(steps, (0..steps.len() as i64).collect::<Vec<_>>());
    check_promoted_once(&house);
    check_run(&house, &job);
}

#[test]
fn a_killed_worker_without_attempts_left_says_how_it_ended() {
    let house = training(1);
    let train = house.start(&["train", "penguins"]);
    let (_, pid) = held_after_a_checkpoint(&house);
    signal(pid, Signal::KILL);
    let ended = train.end();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(ended.stderr.contains("killed by signal 9"), "{ended:?}");
    let job = house.job("train", "lost");
    assert!(
        text(&job["error"]).contains("killed by signal 9"),
        "{job:#}"
    );
    let run = house.json(&["runs", "show", &text(&job["run"])]);
    assert_eq!(run["run"]["status"], "KILLED");
}

#[test]
fn what_a_killed_daemon_had_answered_is_there_afterwards() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    house.done(&["up"]);
    let made = house.post(
        "/api/2.0/mlflow/runs/create",
        &json!({ "experiment_id": "0" }),
    );
    let run = text(&made.json()["run"]["info"]["run_id"]);
    let address = house.http();
    let daemon = house.daemon();
    let answered = Mutex::new(0_i64);

    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut line = Line::to(&address);
            for step in 0.. {
                let point = json!({
                    "run_id": run, "key": "loss", "value": 0.5, "timestamp": 1, "step": step,
                });
                let path = "/api/2.0/mlflow/runs/log-metric";
                match line.try_ask("POST", path, &point.to_string()) {
                    Ok(answer) if answer.status == 200 => *answered.lock().unwrap() = step + 1,
                    _ => return,
                }
            }
        });
        until("some answers", || {
            (*answered.lock().unwrap() >= 25).then_some(())
        });
        signal(daemon, Signal::KILL);
    });

    house.done(&["up"]);
    let history = house
        .get(&format!(
            "/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss"
        ))
        .json();
    let steps: Vec<i64> = history["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["step"].as_i64().unwrap())
        .collect();
    let answered = answered.into_inner().unwrap();
    // one more may have been committed whose answer was cut off
    let kept = steps.len() as i64;
    assert!(
        (answered..=answered + 1).contains(&kept),
        "{kept} of {answered}"
    );
    assert_eq!(steps, (0..kept).collect::<Vec<_>>());
}
