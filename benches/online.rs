//! The online store as its clients see it: materializing rows of 20 features, and `/get-online-features` at 8 kept
//! connections, beside a real `feast serve` (SQLite online store) on the same data in the same run.
//!
//! `cargo bench --bench online [-- --feast DIR] [--entities 200000] [--requests 40000] [--peer-requests 400] [--program PATH]`. DIR holds
//! `feast` and `python` with pandas (whose server starts its workers anew after 1,000 requests); without it that column stays empty. Processor time is that of the server's processes.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic)]

#[allow(
    dead_code,
    reason = "shared with the bench of tracking, which starts two servers"
)]
#[path = "shared/servers.rs"]
mod servers;
#[allow(
    dead_code,
    reason = "shared with the end-to-end tests, which use more of it"
)]
#[path = "../tests/e2e/wire.rs"]
mod wire;

use arrow_array::{ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use serde_json::json;
use servers::Server;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use trainyard::data::Frame;
use wire::Line;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const FEATURES: usize = 20;
const CONNECTIONS: usize = 8;

struct Asked {
    program: PathBuf,
    feast: Option<PathBuf>,
    entities: usize,
    requests: usize,
    peer_requests: usize,
}

impl Asked {
    fn read() -> Outcome<Self> {
        let mut asked = Self {
            program: PathBuf::from(env!("CARGO_BIN_EXE_trainyard")),
            feast: None,
            entities: 200_000,
            requests: 40_000,
            peer_requests: 400,
        };
        let mut arguments = std::env::args().skip(1).filter(|name| name != "--bench");
        while let Some(name) = arguments.next() {
            let value = arguments
                .next()
                .ok_or_else(|| format!("a value is missing after `{name}`"))?;
            match name.as_str() {
                "--program" => asked.program = PathBuf::from(value),
                "--feast" => asked.feast = Some(PathBuf::from(value)),
                "--entities" => asked.entities = value.parse()?,
                "--requests" => asked.requests = value.parse()?,
                "--peer-requests" => asked.peer_requests = value.parse()?,
                other => return Err(format!("there is no option `{other}`").into()),
            }
        }
        Ok(asked)
    }
}

/// A number that looks like chance and is the same every time.
fn mixed(at: u64) -> u64 {
    let mut x = at.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// Facts of every entity, one each from `first` on, minutes apart, the newest `ago` seconds ago.
fn facts(entities: usize, seed: u64, ago: i64) -> Outcome<Frame> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
    let keys: Int64Array = (0..entities as i64).collect();
    let at: TimestampMicrosecondArray = (0..entities as i64)
        .map(|entity| Some(now - ago * 1_000_000 - entity % 600 * 1_000_000))
        .collect();
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("driver_id".into(), Arc::new(keys)),
        ("at".into(), Arc::new(at.with_timezone("UTC"))),
    ];
    for feature in 0..FEATURES as u64 {
        let value = |entity: u64| {
            let one = mixed(seed + entity * 64 + feature);
            (!one.is_multiple_of(50)).then_some((one >> 11) as f64 / (1_u64 << 53) as f64)
        };
        let column: Float64Array = (0..entities as u64).map(value).collect();
        columns.push((format!("f{feature}"), Arc::new(column)));
    }
    Ok(Frame::from_columns(columns)?)
}

fn main() -> Outcome {
    let asked = Asked::read()?;
    let folder = tempfile::tempdir()?;
    let root = folder.path();
    std::fs::create_dir_all(root.join("data"))?;
    facts(asked.entities, 1, 3_600)?.write(&root.join("data/1.parquet"))?;
    let names: Vec<String> = (0..FEATURES).map(|at| format!("f{at}")).collect();
    let listed: Vec<String> = names.iter().map(|name| format!("\"{name}\"")).collect();
    std::fs::write(
        root.join("trainyard.toml"),
        format!(
            "[dataset.facts]\npath = \"data/*.parquet\"\ntimestamp = \"at\"\n[feature_view.drivers]\n\
             entity = {{ name = \"driver\", key = \"driver_id\" }}\ndataset = \"facts\"\nfeatures = [{}]\nttl = \"7d\"\n",
            listed.join(", ")
        ),
    )?;
    let ours = Server::of(&asked.program, root)?;
    let rows = asked.entities as f64;
    let materialize = |what: &str, words: &[&str], rows: f64| -> Outcome {
        let (cpu, began) = (ours.processor()?, Instant::now());
        let status = Command::new(&asked.program)
            .args(["--workspace"])
            .arg(root)
            .args(["--quiet", "features", "materialize"])
            .args(words)
            .status()?;
        if !status.success() {
            return Err(format!("materialize ended with {status}").into());
        }
        let (wall, cpu) = (began.elapsed().as_secs_f64(), ours.processor()? - cpu);
        println!(
            "{what:<44} {:>10.0} rows/s, {:>10.0} rows per CPU second ({wall:.2} s, {cpu:.2} CPU s)",
            rows / wall,
            rows / cpu
        );
        Ok(())
    };
    println!("{} entities, {FEATURES} features", asked.entities);
    materialize("materialize, first", &[], rows)?;
    materialize("materialize, everything again", &["--full"], rows)?;
    facts(asked.entities / 20, 2, 60)?.write(&root.join("data/2.parquet"))?;
    materialize("materialize, a file with 5 % more", &[], rows / 20.0)?;
    materialize("materialize, nothing new", &[], rows / 20.0)?;

    let wanted: Vec<String> = names.iter().map(|name| format!("drivers:{name}")).collect();
    let peer = match &asked.feast {
        Some(programs) => Some(feast(programs, root, &names, asked.entities)?),
        None => None,
    };
    for entities in [1, 10] {
        let request = |number: usize| {
            let who: Vec<u64> = (0..entities as u64)
                .map(|at| mixed(number as u64 * 16 + at) % asked.entities as u64)
                .collect();
            json!({"features": wanted, "entities": {"driver_id": who}}).to_string()
        };
        let own = load(&ours, asked.requests, &request)?;
        own.print("trainyard", entities);
        if let Some(peer) = &peer {
            let other = load(peer, asked.peer_requests, &request)?;
            other.print("feast serve", entities);
            println!(
                "{:<44} {:>10.1} x per CPU second, {:.1} x a second, p99 {:.2} x",
                format!("  trainyard against feast, {entities} of a request"),
                own.per_cpu / other.per_cpu,
                own.per_second / other.per_second,
                other.p99 / own.p99
            );
        }
    }
    Ok(())
}

/// What a server made of many requests.
struct Load {
    per_second: f64,
    per_cpu: f64,
    p50: f64,
    p99: f64,
}

impl Load {
    fn print(&self, who: &str, entities: usize) {
        println!(
            "{:<44} {:>10.0} requests/s, {:>10.0} per CPU second, p50 {:.3} ms, p99 {:.3} ms",
            format!("{who}, {entities} x {FEATURES} values, {CONNECTIONS} connections"),
            self.per_second,
            self.per_cpu,
            self.p50,
            self.p99
        );
    }
}

/// Sends requests by several kept connections at once.
fn load(
    server: &Server,
    requests: usize,
    body: &(dyn Fn(usize) -> String + Sync),
) -> Outcome<Load> {
    let bodies: Vec<String> = (0..requests).map(body).collect();
    let ask = |line: &mut Line, body: &str| {
        let answer = line.try_ask("POST", "/get-online-features", body).unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    let mut warm = Line::try_to(&server.address)?;
    bodies.iter().take(50).for_each(|body| ask(&mut warm, body));
    let next = AtomicUsize::new(0);
    let (cpu, began) = (server.processor()?, Instant::now());
    let mut taken: Vec<f64> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..CONNECTIONS)
            .map(|_| {
                scope.spawn(|| {
                    let mut line = Line::try_to(&server.address).unwrap();
                    let mut taken = Vec::new();
                    while let Some(body) = bodies.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let began = Instant::now();
                        ask(&mut line, body);
                        taken.push(began.elapsed().as_secs_f64() * 1e3);
                    }
                    taken
                })
            })
            .collect();
        let all = threads.into_iter().map(|thread| thread.join().unwrap());
        all.flatten().collect()
    });
    let (wall, cpu) = (began.elapsed().as_secs_f64(), server.processor()? - cpu);
    taken.sort_unstable_by(f64::total_cmp);
    Ok(Load {
        per_second: requests as f64 / wall,
        per_cpu: requests as f64 / cpu,
        p50: taken[taken.len() / 2],
        p99: taken[taken.len() * 99 / 100],
    })
}

/// A repository with the same view, applied, materialized and served; of very many entities Feast gets the first 50,000.
fn feast(programs: &Path, root: &Path, names: &[String], entities: usize) -> Outcome<Server> {
    let repository = root.join("feast");
    std::fs::create_dir_all(&repository)?;
    std::fs::write(
        repository.join("feature_store.yaml"),
        "project: beside\nregistry: registry.db\nprovider: local\nonline_store:\n  type: sqlite\n  path: online.db\n\
         entity_key_serialization_version: 3\n",
    )?;
    let fields: Vec<String> = names
        .iter()
        .map(|name| format!("Field(name=\"{name}\", dtype=Float64)"))
        .collect();
    let data = repository.join("facts.parquet");
    facts(entities.min(50_000), 1, 3_600)?.write(&data)?;
    std::fs::write(
        repository.join("definitions.py"),
        format!(
            "from datetime import timedelta\nfrom feast import Entity, FeatureView, Field, FileSource, ValueType\n\
             from feast.types import Float64\n\
             driver = Entity(name=\"driver\", join_keys=[\"driver_id\"], value_type=ValueType.INT64)\n\
             drivers = FeatureView(name=\"drivers\", entities=[driver], ttl=timedelta(days=7), schema=[{}],\n\
             source=FileSource(path=\"{}\", timestamp_field=\"at\"))\n",
            fields.join(", "),
            data.display()
        ),
    )?;
    let program = programs.join("feast");
    for words in [
        &["apply"][..],
        &["materialize", "2020-01-01T00:00:00", "2100-01-01T00:00:00"][..],
    ] {
        let began = Instant::now();
        let done = Command::new(&program)
            .args(words)
            .current_dir(&repository)
            .output()?;
        if !done.status.success() {
            return Err(String::from_utf8_lossy(&done.stderr).into_owned().into());
        }
        if words.len() > 1 {
            let rows = entities.min(50_000) as f64;
            println!(
                "{:<44} {:>10.0} rows/s",
                format!("feast materialize, {rows} rows"),
                rows / began.elapsed().as_secs_f64()
            );
        }
    }
    Server::feast(&program, &repository)
}
