//! `kill -9` of the daemon while eight clients log batches as fast as they can: what was answered 200 is there
//! afterwards, once, and the database is whole. Two rounds; `TRAINYARD_STORM_ROUNDS` says another number.

use crate::house::{House, signal, state, text, until};
use crate::wire::Line;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicI64, Ordering};

/// Clients at once.
const CLIENTS: usize = 8;
/// Points of one batch.
const POINTS: i64 = 50;
/// Answers that each round waits for before the kill, all clients together.
const ANSWERS: i64 = 120;
const BATCH: &str = "/api/2.0/mlflow/runs/log-batch";

fn rounds() -> usize {
    std::env::var("TRAINYARD_STORM_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(2)
}

/// Batch `batch` of a client: the next [`POINTS`] steps of one metric, and a parameter of its own.
fn batch(run: &str, batch: i64) -> String {
    let metrics: Vec<Value> = (batch * POINTS..(batch + 1) * POINTS)
        .map(|step| json!({ "key": "loss", "value": value(step), "timestamp": step, "step": step }))
        .collect();
    let params = [json!({ "key": format!("batch{batch}"), "value": batch.to_string() })];
    json!({ "run_id": run, "metrics": metrics, "params": params }).to_string()
}

fn value(step: i64) -> f64 {
    step as f64 / 7.0
}

/// Sends batches from `first` on until nobody answers; counts those answered in `answered`.
fn send(address: &str, run: &str, first: i64, answered: &AtomicI64) {
    let mut line = Line::to(address);
    for number in first.. {
        match line.try_ask("POST", BATCH, &batch(run, number)) {
            Ok(answer) if answer.status == 200 => {
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => return,
        }
    }
}

/// How many whole batches a run has: their points, parameters and latest value are all there, once.
fn kept(house: &House, run: &str) -> i64 {
    let history = house
        .get(&format!(
            "/api/2.0/mlflow/metrics/get-history?run_id={run}&metric_key=loss"
        ))
        .json();
    let points: Vec<(i64, f64)> = history["metrics"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| {
            (
                point["step"].as_i64().unwrap(),
                point["value"].as_f64().unwrap(),
            )
        })
        .collect();
    let steps = points.len() as i64;
    let expected: Vec<(i64, f64)> = (0..steps).map(|step| (step, value(step))).collect();
    assert_eq!(points, expected);
    assert_eq!(steps % POINTS, 0, "half a batch is there");
    let data = house
        .get(&format!("/api/2.0/mlflow/runs/get?run_id={run}"))
        .json()["run"]["data"]
        .clone();
    let params = data["params"].as_array().map_or(0, Vec::len) as i64;
    assert_eq!(params, steps / POINTS);
    if steps > 0 {
        assert_eq!(data["metrics"][0]["value"].as_f64(), Some(value(steps - 1)));
    }
    steps / POINTS
}

#[test]
fn what_was_answered_in_a_storm_is_there_once_after_a_kill() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    house.done(&["up"]);
    let runs: Vec<String> = (0..CLIENTS)
        .map(|_| {
            let made = house.post(
                "/api/2.0/mlflow/runs/create",
                &json!({ "experiment_id": "0" }),
            );
            text(&made.json()["run"]["info"]["run_id"])
        })
        .collect();
    let mut committed = vec![0; CLIENTS];
    for _ in 0..rounds() {
        let (address, daemon) = (house.http(), house.daemon());
        let answered: Vec<AtomicI64> = runs.iter().map(|_| AtomicI64::new(0)).collect();
        let all = || -> i64 { answered.iter().map(|one| one.load(Ordering::SeqCst)).sum() };
        std::thread::scope(|scope| {
            for ((run, answered), first) in runs.iter().zip(&answered).zip(&committed) {
                let address = &address;
                scope.spawn(move || send(address, run, *first, answered));
            }
            until("a storm", || (all() >= ANSWERS).then_some(()));
            signal(daemon, Signal::KILL);
        });
        until("the daemon is gone", || {
            state(daemon).is_none().then_some(())
        });
        // before a daemon repairs or folds anything: the file and its log as the kill left them
        let database = Connection::open(house.path(".trainyard/store.db")).unwrap();
        let verdict: String = database
            .query_row("pragma integrity_check", [], |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok");
        drop(database);
        house.done(&["up"]);
        for ((run, answered), committed) in runs.iter().zip(answered).zip(&mut committed) {
            let (kept, before) = (kept(&house, run), *committed);
            // one more may have been committed whose answer was cut off
            let least = before + answered.into_inner();
            assert!((least..=least + 1).contains(&kept), "{kept} of {least}");
            *committed = kept;
        }
    }
}
