//! The tracking server as its clients see it: client threads over HTTP/1.1 with kept connections, beside a real MLflow
//! server and beside SQLite alone doing the same, in one run on one machine.
//!
//! `cargo bench --bench tracking [-- --mlflow PATH] [--runs 100000] [--peer-runs 1000] [--only NAME]`. Without the path
//! of an `mlflow` program that column stays empty. A disk that is no memory is wanted under the temporary folder.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic)]

#[path = "shared/crowd.rs"]
mod crowd;
#[path = "shared/floor.rs"]
mod floor;
#[path = "shared/servers.rs"]
mod servers;
#[allow(
    dead_code,
    reason = "shared with the end-to-end tests, which use more of it"
)]
#[path = "../tests/e2e/wire.rs"]
mod wire;

use crowd::Crowd;
use floor::Floor;
use serde_json::{Value, json};
use servers::Server;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wire::Line;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const API: &str = "/api/2.0/mlflow";
/// Points of a batch, and the metrics that they belong to.
const BATCH: (usize, usize) = (1_000, 10);
/// Points of the long history.
const LONG: usize = 100_000;

struct Asked {
    mlflow: Option<PathBuf>,
    runs: u64,
    peer_runs: u64,
    only: Option<String>,
}

impl Asked {
    fn read() -> Outcome<Self> {
        let mut asked = Self {
            mlflow: None,
            runs: 100_000,
            peer_runs: 1_000,
            only: None,
        };
        let mut arguments = std::env::args().skip(1).filter(|name| name != "--bench");
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("a value is missing after `{name}`"))?;
            match name.as_str() {
                "--mlflow" => asked.mlflow = Some(PathBuf::from(value)),
                "--runs" => asked.runs = value.parse()?,
                "--peer-runs" => asked.peer_runs = value.parse()?,
                "--only" => asked.only = Some(value),
                other => return Err(format!("there is no option `{other}`").into()),
            }
        }
        Ok(asked)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.starts_with(only))
    }
}

/// A line of the table: ours, SQLite's, MLflow's, all in one unit; less is better unless it is a rate.
struct Measured {
    name: String,
    unit: &'static str,
    rate: bool,
    ours: f64,
    floor: Option<f64>,
    peer: Option<f64>,
}

impl Measured {
    fn print(&self) {
        let ratio = |other: f64| {
            if self.rate {
                self.ours / other
            } else {
                other / self.ours
            }
        };
        let floor = self.floor.map_or_else(String::new, |floor| {
            format!("{floor:>12.2} {:>6.0} %", ratio(floor) * 100.0)
        });
        let peer = self.peer.map_or_else(String::new, |peer| {
            format!("{peer:>12.2} {:>7.1} x", ratio(peer))
        });
        println!(
            "{:<44} {:>8} {:>12.2} {floor:>21} {peer:>22}",
            self.name, self.unit, self.ours
        );
    }
}

fn main() -> Outcome {
    let asked = Asked::read()?;
    let folder = tempfile::tempdir()?;
    println!(
        "{:<44} {:>8} {:>12} {:>21} {:>22}",
        "", "unit", "trainyard", "SQLite, of its speed", "mlflow, times faster"
    );
    let own = folder.path().join("own");
    drop(crowd::open(&own)?);
    let ours = Server::trainyard(&own)?;
    let peer_root = folder.path().join("mlflow");
    std::fs::create_dir_all(&peer_root)?;
    let peer = asked
        .mlflow
        .as_ref()
        .map(|program| {
            // the second start: the first one also makes the tables
            drop(Server::mlflow(program, &peer_root)?);
            Server::mlflow(program, &peer_root)
        })
        .transpose()?;
    let pair = Pair {
        ours: &ours,
        peer: peer.as_ref(),
        floor: folder.path().join("floor.db"),
        model: own.join(".trainyard/store.db"),
    };
    if asked.wants("start") {
        standing(&pair)?;
    }
    if asked.wants("log") {
        batches(&pair)?;
        singles(&pair)?;
    }
    if asked.wants("history") {
        history(&pair)?;
    }
    if asked.wants("search") {
        searches(&asked, &pair, folder.path())?;
    }
    Ok(())
}

/// What is measured side by side.
struct Pair<'a> {
    ours: &'a Server,
    peer: Option<&'a Server>,
    floor: PathBuf,
    model: PathBuf,
}

impl Pair<'_> {
    fn floor(&self) -> Outcome<Floor> {
        if self.floor.exists() {
            Floor::open(&self.floor)
        } else {
            Floor::like(&self.model, &self.floor)
        }
    }

    fn of_peer<T>(&self, measure: impl FnOnce(&str) -> Outcome<T>) -> Outcome<Option<T>> {
        self.peer.map(|peer| measure(&peer.address)).transpose()
    }
}

fn sorted(mut seconds: Vec<f64>) -> Vec<f64> {
    seconds.sort_unstable_by(f64::total_cmp);
    seconds
}

fn median(seconds: Vec<f64>) -> f64 {
    let middle = seconds.len() / 2;
    sorted(seconds)[middle]
}

/// Milliseconds that half and that all but a twentieth of the requests took.
fn half_and_most(seconds: Vec<f64>) -> [f64; 2] {
    let sorted = sorted(seconds);
    [sorted[sorted.len() / 2], sorted[sorted.len() * 19 / 20]].map(|seconds| seconds * 1e3)
}

fn timed(mut run: impl FnMut() -> Outcome) -> Outcome<f64> {
    let began = Instant::now();
    run()?;
    Ok(began.elapsed().as_secs_f64())
}

fn post(line: &mut Line, path: &str, body: &str) -> Outcome<String> {
    let answer = line.try_ask("POST", &format!("{API}/{path}"), body)?;
    if answer.status != 200 {
        return Err(format!("{path}: {answer:?}").into());
    }
    Ok(answer.body)
}

fn new_run(line: &mut Line, experiment: &str) -> Outcome<String> {
    let body = json!({ "experiment_id": experiment, "start_time": 1_700_000_000_000_i64 });
    let made: Value = serde_json::from_str(&post(line, "runs/create", &body.to_string())?)?;
    let id = made["run"]["info"]["run_id"].as_str();
    Ok(id.ok_or("a run without id")?.to_owned())
}

fn standing(pair: &Pair<'_>) -> Outcome {
    Measured {
        name: "start to healthy".into(),
        unit: "ms",
        rate: false,
        ours: pair.ours.start * 1e3,
        floor: None,
        peer: pair.peer.map(|peer| peer.start * 1e3),
    }
    .print();
    std::thread::sleep(Duration::from_secs(3));
    Measured {
        name: "memory when idle".into(),
        unit: "MiB",
        rate: false,
        ours: pair.ours.memory()?,
        floor: None,
        peer: pair.peer.map(Server::memory).transpose()?,
    }
    .print();
    Ok(())
}

/// Batch `number`: as many steps of each metric as make a thousand points.
fn points(number: usize) -> Vec<(i64, i64, f64)> {
    (0..BATCH.0)
        .map(|at| {
            let step = number * (BATCH.0 / BATCH.1) + at / BATCH.1;
            (
                (at % BATCH.1) as i64,
                step as i64,
                crowd::mixed((number * BATCH.0 + at) as u64),
            )
        })
        .collect()
}

fn body(run: &str, number: usize) -> String {
    let metrics: Vec<String> = points(number)
        .into_iter()
        .map(|(key, step, value)| {
            format!(
                r#"{{"key":"metric{key}","value":{value},"timestamp":{},"step":{step}}}"#,
                1_700_000_000_000 + step
            )
        })
        .collect();
    format!(
        r#"{{"run_id":"{run}","metrics":[{}],"params":[],"tags":[]}}"#,
        metrics.join(",")
    )
}

/// Batches a second that `clients` get through together: the median of `rounds` rounds of `each` batches.
fn batch_rate(address: &str, clients: usize, rounds: usize, each: usize) -> Outcome<f64> {
    let mut runs = Vec::new();
    for _ in 0..clients {
        runs.push(new_run(&mut Line::try_to(address)?, "0")?);
    }
    let mut rates = Vec::new();
    for round in 0..=rounds {
        let bodies: Vec<Vec<String>> = runs
            .iter()
            .map(|run| (0..each).map(|at| body(run, round * each + at)).collect())
            .collect();
        let mut lines = (0..clients)
            .map(|_| Line::try_to(address))
            .collect::<Result<Vec<_>, _>>()?;
        let began = Instant::now();
        let failed: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> = lines
                .iter_mut()
                .zip(&bodies)
                .map(|(line, bodies)| {
                    scope.spawn(move || {
                        bodies
                            .iter()
                            .try_for_each(|body| post(line, "runs/log-batch", body).map(|_| ()))
                            .map_err(|error| error.to_string())
                    })
                })
                .collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().unwrap().err())
                .collect()
        });
        if let Some(failed) = failed.first() {
            return Err(failed.clone().into());
        }
        // The first round warms both sides.
        if round > 0 {
            rates.push((clients * each) as f64 / began.elapsed().as_secs_f64());
        }
    }
    Ok(median(rates))
}

fn batches(pair: &Pair<'_>) -> Outcome {
    let mut floor = pair.floor()?;
    let mut seconds = Vec::new();
    for number in 0..100 {
        let points = points(number);
        seconds.push(timed(|| floor.log(1, &points, BATCH.1 as i64))?);
    }
    let bare = 1.0 / median(seconds);
    for clients in [1, 8] {
        let each = if clients == 1 { 40 } else { 20 };
        let ours = batch_rate(&pair.ours.address, clients, 5, each)?;
        let peer = pair.of_peer(|address| batch_rate(address, clients, 3, 3))?;
        Measured {
            name: format!("log-batch of 1,000 metrics, {clients} client(s)"),
            unit: "batch/s",
            rate: true,
            ours,
            floor: Some(bare),
            peer,
        }
        .print();
    }
    Ok(())
}

fn singles(pair: &Pair<'_>) -> Outcome {
    let metric = |address: &str, times: usize| -> Outcome<[f64; 2]> {
        let mut line = Line::try_to(address)?;
        let run = new_run(&mut line, "0")?;
        let mut seconds = Vec::new();
        for step in 0..times {
            let body = format!(
                r#"{{"run_id":"{run}","key":"loss","value":0.5,"timestamp":1700000000000,"step":{step}}}"#
            );
            seconds.push(timed(|| {
                post(&mut line, "runs/log-metric", &body).map(|_| ())
            })?);
        }
        Ok(half_and_most(seconds))
    };
    let create = |address: &str, times: usize| -> Outcome<[f64; 2]> {
        let mut line = Line::try_to(address)?;
        let mut seconds = Vec::new();
        for _ in 0..times {
            seconds.push(timed(|| new_run(&mut line, "0").map(|_| ()))?);
        }
        Ok(half_and_most(seconds))
    };
    let mut floor = pair.floor()?;
    let (mut logged, mut created) = (Vec::new(), Vec::new());
    for number in 0..500 {
        logged.push(timed(|| floor.log(2, &[(11, number as i64, 0.5)], 1))?);
        created.push(timed(|| floor.create(number))?);
    }
    type Measure<'a> = &'a dyn Fn(&str, usize) -> Outcome<[f64; 2]>;
    let kinds: [(&str, Measure<'_>, Vec<f64>); 2] = [
        ("log-metric", &metric, logged),
        ("create-run", &create, created),
    ];
    for (name, measure, bare) in kinds {
        let ours = measure(&pair.ours.address, 500)?;
        let peer = pair.of_peer(|address| measure(address, 60))?;
        let bare = half_and_most(bare);
        for (at, share) in ["p50", "p95"].into_iter().enumerate() {
            Measured {
                name: format!("{name}, {share}"),
                unit: "ms",
                rate: false,
                ours: ours[at],
                floor: Some(bare[at]),
                peer: peer.map(|peer| peer[at]),
            }
            .print();
        }
    }
    Ok(())
}

fn history(pair: &Pair<'_>) -> Outcome {
    let fill = |address: &str| -> Outcome<String> {
        let mut line = Line::try_to(address)?;
        let run = new_run(&mut line, "0")?;
        for part in 0..LONG / 1_000 {
            let metrics: Vec<Value> = (part * 1_000..(part + 1) * 1_000)
                .map(|step| json!({ "key": "loss", "value": crowd::mixed(step as u64), "timestamp": 1_700_000_000_000_i64 + step as i64, "step": step }))
                .collect();
            let body = json!({ "run_id": run, "metrics": metrics });
            post(&mut line, "runs/log-batch", &body.to_string())?;
        }
        Ok(run)
    };
    let whole = |address: &str, run: &str, times: usize| -> Outcome<f64> {
        let path = format!("{API}/metrics/get-history?run_id={run}&metric_key=loss");
        let mut line = Line::try_to(address)?;
        let mut seconds = Vec::new();
        for _ in 0..times {
            seconds.push(timed(|| {
                let answer = line.try_ask("GET", &path, "")?;
                if answer.body.matches("\"key\"").count() == LONG {
                    Ok(())
                } else {
                    Err(format!("not {LONG} points: {:.200}", answer.body).into())
                }
            })?);
        }
        Ok(median(seconds) * 1e3)
    };
    let run = fill(&pair.ours.address)?;
    let ours = whole(&pair.ours.address, &run, 15)?;
    let mut bare = pair.floor()?;
    for part in 0..LONG / 1_000 {
        let steps = part * 1_000..(part + 1) * 1_000;
        let points: Vec<(i64, i64, f64)> = steps
            .map(|step| (0, step as i64, crowd::mixed(step as u64)))
            .collect();
        bare.log(2, &points, 1)?;
    }
    let mut seconds = Vec::new();
    for _ in 0..15 {
        seconds.push(timed(|| match bare.history(2, 0)? {
            LONG => Ok(()),
            points => Err(format!("{points} points").into()),
        })?);
    }
    drop(bare);
    let peer = pair.of_peer(|address| {
        let run = fill(address)?;
        whole(address, &run, 5)
    })?;
    Measured {
        name: "history of 100,000 points, whole".into(),
        unit: "ms",
        rate: false,
        ours,
        floor: Some(median(seconds) * 1e3),
        peer,
    }
    .print();
    let topic = json!([{ "topic": "series", "runs": [run], "key": "loss", "buckets": 300 }]);
    Measured {
        name: "the same in 300 buckets, for the dashboard".into(),
        unit: "ms",
        rate: false,
        ours: topic_ms(&pair.ours.address, &topic, 15)?,
        floor: None,
        peer: None,
    }
    .print();
    Ok(())
}

/// Milliseconds until the first snapshot of a topic was read whole.
fn topic_ms(address: &str, topics: &Value, times: usize) -> Outcome<f64> {
    let mut seconds = Vec::new();
    for _ in 0..times {
        seconds.push(timed(|| {
            let path: String = topics
                .to_string()
                .bytes()
                .map(|byte| format!("%{byte:02x}"))
                .collect();
            let mut stream = TcpStream::connect(address)?;
            write!(
                stream,
                "GET /api/trainyard/v1/events?once=true&topics={path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            if answer.contains("{\"snapshot\":{") {
                Ok(())
            } else {
                Err(format!("no snapshot: {answer:.300}").into())
            }
        })?);
    }
    Ok(median(seconds) * 1e3)
}

/// The metric that is filtered by, and the one that is ordered by.
const FILTER: &str = "val_accuracy";
const ORDER: &str = "val_loss";

/// A threshold that a few to most of the runs pass.
fn least(number: usize) -> f64 {
    0.55 + 0.35 * crowd::mixed(number as u64)
}

/// Milliseconds of pages of 100, with thresholds of their own.
fn search_ms(address: &str, experiment: &str, times: usize) -> Outcome<[f64; 2]> {
    let mut line = Line::try_to(address)?;
    let mut seconds = Vec::new();
    for number in 0..times + 5 {
        let body = json!({
            "experiment_ids": [experiment],
            "filter": format!("metrics.{FILTER} > {}", least(number)),
            "order_by": [format!("metrics.{ORDER} ASC")],
            "max_results": 100,
        })
        .to_string();
        let took = timed(|| post(&mut line, "runs/search", &body).map(|_| ()))?;
        if number >= 5 {
            seconds.push(took);
        }
    }
    Ok(half_and_most(seconds))
}

fn searches(asked: &Asked, pair: &Pair<'_>, folder: &Path) -> Outcome {
    let peer = pair.of_peer(|address| {
        let experiment = fill_peer(address, asked.peer_runs)?;
        search_ms(address, &experiment, 20)
    })?;
    if peer.is_some() {
        println!("(mlflow searches {} runs in both lines)", asked.peer_runs);
    }
    for runs in [5_000, asked.runs] {
        let root = folder.join(format!("crowd{runs}"));
        let services = crowd::open(&root)?;
        let crowd = Crowd {
            experiment: "crowd".into(),
            runs,
            points: runs * 20,
            long_runs: 0,
            long_points: 0,
        };
        let experiment = crowd::fill(&services, &crowd, |_| ())?.to_string();
        drop(services);
        let bare = Floor::open(&root.join(".trainyard/store.db"))?;
        let mut seconds = Vec::new();
        for number in 0..205 {
            let took = timed(|| bare.search(FILTER, least(number), ORDER).map(|_| ()))?;
            if number >= 5 {
                seconds.push(took);
            }
        }
        drop(bare);
        let bare = half_and_most(seconds);
        let server = Server::trainyard(&root)?;
        let ours = search_ms(&server.address, &experiment, 200)?;
        for (at, share) in ["p50", "p95"].into_iter().enumerate() {
            Measured {
                name: format!("runs/search of {runs}, page of 100, {share}"),
                unit: "ms",
                rate: false,
                ours: ours[at],
                floor: Some(bare[at]),
                peer: peer.map(|peer| peer[at]),
            }
            .print();
        }
        for (name, order) in [
            ("by a metric", format!("metrics.{ORDER} ASC")),
            ("by a parameter", "params.learning_rate DESC".to_owned()),
            ("newest first", String::new()),
        ] {
            let topic = json!([{ "topic": "runs", "filter": "", "order_by": order, "offset": 0, "limit": 100 }]);
            Measured {
                name: format!("the dashboard's table of {runs}, {name}"),
                unit: "ms",
                rate: false,
                ours: topic_ms(&server.address, &topic, 15)?,
                floor: None,
                peer: None,
            }
            .print();
        }
        Measured {
            name: format!("memory of the server after it, {runs} runs"),
            unit: "MiB",
            rate: false,
            ours: server.memory()?,
            floor: None,
            peer: None,
        }
        .print();
    }
    Ok(())
}

/// Runs of 10 parameters and 20 metrics through the API, from four clients; the experiment.
fn fill_peer(address: &str, runs: u64) -> Outcome<String> {
    let body = json!({ "name": "crowd" }).to_string();
    let made: Value = serde_json::from_str(&post(
        &mut Line::try_to(address)?,
        "experiments/create",
        &body,
    )?)?;
    let experiment = made["experiment_id"].as_str().ok_or("no id")?.to_owned();
    let failed: Vec<String> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let experiment = &experiment;
                scope.spawn(move || {
                    fill_part(address, experiment, thread, runs).map_err(|error| error.to_string())
                })
            })
            .collect();
        threads
            .into_iter()
            .filter_map(|thread| thread.join().unwrap().err())
            .collect()
    });
    match failed.first() {
        Some(failed) => Err(failed.clone().into()),
        None => Ok(experiment),
    }
}

fn fill_part(address: &str, experiment: &str, thread: u64, runs: u64) -> Outcome {
    let mut line = Line::try_to(address)?;
    for number in (thread..runs).step_by(4) {
        let run = new_run(&mut line, experiment)?;
        let metrics: Vec<Value> = crowd::METRICS
            .iter()
            .enumerate()
            .map(|(salt, key)| {
                let value = 0.4 + 0.6 * crowd::mixed(number * 64 + salt as u64);
                json!({ "key": key, "value": value, "timestamp": 1_700_000_000_000_i64, "step": 0 })
            })
            .collect();
        let params: Vec<Value> = crowd::PARAMS
            .iter()
            .map(|key| json!({ "key": key, "value": number.to_string() }))
            .collect();
        let body = json!({ "run_id": run, "metrics": metrics, "params": params });
        post(&mut line, "runs/log-batch", &body.to_string())?;
    }
    Ok(())
}
