//! The point-in-time join of 1,000,000 rows with 5,000,000 facts (50,000 entities, 10 features, ttl, ties) and windowed
//! means over 1 h, 3 h and 24 h of 5,000,000 events, from Parquet to the result, beside Polars and DuckDB on the same
//! files: medians of wall and CPU seconds, peak memory, and ratios to ours.
//!
//! `cargo bench --bench features -- [--python PATH] [--runs N] [--rows N] [--facts N] [--patience SECONDS]`. `--python`: an interpreter with
//! `polars` and `duckdb`; without it only ours is measured. Every measurement is a process of its own.

#![allow(clippy::print_stdout)]

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray};
use serde_json::{Value, json};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trainyard::data::file_join::FileJoin;
use trainyard::data::keys::Directory;
use trainyard::data::timeline::Timeline;
use trainyard::data::{Frame, source, window};
use trainyard::domain::feature::{Aggregate, Entity, FeatureView, WindowSpec};
use trainyard::domain::job::{DataSource, ViewUse};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;
/// Microseconds of a year, over which facts and events are spread.
const YEAR: i64 = 8_760 * HOUR;
const ENTITIES: u64 = 50_000;
/// Of the windows: fewer, so that there is something in an hour.
const STREAMS: u64 = 500;
const FEATURES: usize = 10;

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let option = |name: &str| {
        let at = arguments.iter().position(|argument| argument == name)?;
        arguments.get(at + 1).cloned()
    };
    if let (Some(task), Some(folder)) = (option("--task"), option("--folder")) {
        return ours(&task, Path::new(&folder));
    }
    let count = |name: &str, otherwise: usize| -> Outcome<usize> {
        Ok(option(name).map_or(Ok(otherwise), |text| text.parse())?)
    };
    let runs = count("--runs", 3)?.max(1);
    let (rows, facts) = (count("--rows", 1_000_000)?, count("--facts", 5_000_000)?);
    let kept = option("--keep").map(PathBuf::from);
    let temporary = tempfile::tempdir()?;
    let folder = kept.unwrap_or_else(|| temporary.path().to_owned());
    if !folder.join("events.parquet").exists() {
        std::fs::create_dir_all(&folder)?;
        make(&folder, rows, facts)?;
    }
    println!("{rows} rows, {facts} facts and events, medians of {runs} runs");
    let python = option("--python");
    let patience = Duration::from_secs(count("--patience", 120)? as u64);
    for (task, what) in [
        ("join", "join, from Parquet to memory"),
        ("write", "join, from Parquet to Parquet"),
        ("bounded", "the same in 64 MiB, by way of the disk"),
        ("windows", "means over 1 h, 3 h and 24 h at every event"),
        (
            "asked",
            "the same means, joined to the rows of another file",
        ),
    ] {
        println!("\n{what}");
        let me = std::env::current_exe()?;
        let mut first: Option<Measured> = None;
        for engine in ["trainyard", "polars", "duckdb"] {
            // only ours has rows that ask at other instants than those of the events, and keeps to a memory
            if ["asked", "bounded"].contains(&task) && engine != "trainyard" {
                continue;
            }
            let mut measured = Vec::with_capacity(runs);
            for _ in 0..runs {
                let mut command = match (engine, &python) {
                    ("trainyard", _) => {
                        let mut command = Command::new(&me);
                        command.args(["--task", task, "--folder"]).arg(&folder);
                        command
                    }
                    (_, None) => continue,
                    (peer, Some(python)) => {
                        let script = concat!(
                            env!("CARGO_MANIFEST_DIR"),
                            "/tests/reference/feature_peers.py"
                        );
                        let mut command = Command::new(python);
                        command.args([script, peer, task]).arg(&folder);
                        command
                    }
                };
                let Some(output) = patiently(&mut command, patience)? else {
                    println!("  {engine:10} no result after {} s", patience.as_secs());
                    break;
                };
                if !output.status.success() {
                    return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
                }
                measured.push(serde_json::from_slice::<Value>(&output.stdout)?);
            }
            if let Some(measured) = Measured::median(&measured) {
                measured.print(engine, first.as_ref());
                first.get_or_insert(measured);
            }
        }
    }
    Ok(())
}

/// What a process says in the end; none when it has not ended after `patience`.
fn patiently(command: &mut Command, patience: Duration) -> Outcome<Option<Output>> {
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let began = Instant::now();
    while child.try_wait()?.is_none() {
        if began.elapsed() > patience {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Some(child.wait_with_output()?))
}

/// What a run took.
struct Measured {
    wall: f64,
    cpu: f64,
    peak: f64,
    result: Value,
}

impl Measured {
    fn median(runs: &[Value]) -> Option<Self> {
        let middle = |name: &str| {
            let mut values: Vec<f64> = runs.iter().filter_map(|run| run[name].as_f64()).collect();
            values.sort_unstable_by(f64::total_cmp);
            values.get(values.len() / 2).copied()
        };
        let first = runs.first()?;
        Some(Self {
            wall: middle("wall")?,
            cpu: middle("cpu")?,
            peak: middle("peak")?,
            result: json!([first["counts"], first["sums"]]),
        })
    }

    fn print(&self, engine: &str, ours: Option<&Self>) {
        let mut line = format!(
            "  {engine:10} {:6.2} s wall, {:6.2} s CPU, {:5.0} MB",
            self.wall,
            self.cpu,
            self.peak / 1e6
        );
        if let Some(ours) = ours {
            line.push_str(&format!(
                "   {:.1} x wall, {:.1} x CPU, {:.1} x memory of ours",
                self.wall / ours.wall,
                self.cpu / ours.cpu,
                self.peak / ours.peak
            ));
        }
        println!("{line}\n             found and sums {}", self.result);
    }
}

/// One measurement of ours, as the peers' script prints it.
fn ours(task: &str, folder: &Path) -> Outcome {
    if task == "windows" {
        return at_every_event(folder);
    }
    let windows = task == "asked";
    let join = FileJoin {
        rows: vec![folder.join(if windows {
            "asks.parquet"
        } else {
            "rows.parquet"
        })],
        timestamp: "at".into(),
        views: vec![view(folder, windows)?],
        output: folder.join("trainyard.parquet"),
        memory: match task {
            "bounded" => 64 << 20,
            _ => 4 << 30,
        },
    };
    let sums = if windows {
        ["mean_1h", "mean_3h", "mean_24h"]
            .map(|name| name.replace("mean", "value_mean"))
            .to_vec()
    } else {
        vec!["f0".to_owned(), "f9".to_owned()]
    };
    let (began, before) = (Instant::now(), cpu()?);
    let mut chunks = Vec::new();
    let writes = ["write", "bounded"].contains(&task);
    let joined = if writes {
        join.run(&mut |_, _| {})?
    } else {
        join.each(&mut |_, _| {}, &mut |chunk| {
            chunks.push(chunk.clone());
            Ok(())
        })?
    };
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu()? - before);
    let peak = peak()?;
    if writes {
        chunks.push(source::read(&[join.output], Some(&sums))?);
    }
    let mut totals = Vec::new();
    for name in &sums {
        let mut total = 0.0;
        for chunk in &chunks {
            total += chunk
                .numbers(name)?
                .into_iter()
                .filter(|value| !value.is_nan())
                .sum::<f64>();
        }
        totals.push(total);
    }
    let counts: Vec<u64> = sums
        .iter()
        .filter_map(|name| joined.found.iter().find(|(other, _)| other == name))
        .map(|(_, found)| *found)
        .collect();
    println!(
        "{}",
        json!({ "wall": wall, "cpu": cpu, "peak": peak, "sums": totals, "counts": counts })
    );
    Ok(())
}

/// The means at each event: one file is read, and its rows both ask and answer.
fn at_every_event(folder: &Path) -> Outcome {
    let (began, before) = (Instant::now(), cpu()?);
    let columns = ["entity", "at", "value"].map(str::to_owned);
    let events = source::read(&[folder.join("events.parquet")], Some(&columns))?;
    let at = events
        .column("at")?
        .as_primitive::<TimestampMicrosecondType>();
    let at = Int64Array::new(at.values().clone(), at.nulls().cloned());
    let (directory, entity) = Directory::new(&[events.column("entity")?], events.rows());
    let line = Timeline::new(&entity, directory.count(), &at, None);
    let wanted = [1, 3, 24].map(|hours| (Aggregate::Mean, hours * HOUR));
    let value = events.column("value")?;
    let means = window::aggregate(value, &line, &line, events.rows(), &wanted, None)?;
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu()? - before);
    let means = means.iter().map(|mean| mean.as_primitive::<Float64Type>());
    let sums: Vec<f64> = means
        .clone()
        .map(|mean| mean.iter().flatten().sum())
        .collect();
    let counts: Vec<usize> = means.map(|mean| mean.len() - mean.null_count()).collect();
    println!(
        "{}",
        json!({ "wall": wall, "cpu": cpu, "peak": peak()?, "sums": sums, "counts": counts })
    );
    Ok(())
}

fn view(folder: &Path, windows: bool) -> Outcome<ViewUse> {
    let file = if windows {
        "events.parquet"
    } else {
        "facts.parquet"
    };
    let source = DataSource::Files(source::snapshot("facts", folder, file, &[])?);
    let mut view = FeatureView {
        name: "facts".into(),
        entity: Entity {
            name: "entity".into(),
            keys: vec!["entity".into()],
        },
        dataset: "facts".into(),
        ..FeatureView::default()
    };
    if windows {
        view.event_time = "at".into();
        view.windows = vec![WindowSpec {
            column: "value".into(),
            aggregates: vec![Aggregate::Mean],
            over: vec![
                ("1h".into(), HOUR),
                ("3h".into(), 3 * HOUR),
                ("24h".into(), 24 * HOUR),
            ],
            ..WindowSpec::default()
        }];
    } else {
        view.event_time = "event".into();
        view.available_at = Some("created".into());
        view.known_as_of = Some(false);
        view.columns = (0..FEATURES).map(|feature| format!("f{feature}")).collect();
        view.ttl = Some(7 * 24 * HOUR);
    }
    Ok(ViewUse {
        features: view.feature_names(),
        keys: vec!["entity".into()],
        prefix: String::new(),
        source,
        view,
    })
}

/// A number that looks random and is always the same.
fn mixed(number: usize, salt: u64) -> u64 {
    let mut x = (number as u64).wrapping_add(salt.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

fn share(number: usize, salt: u64) -> f64 {
    (mixed(number, salt) >> 11) as f64 / (1_u64 << 53) as f64
}

fn times(times: impl Iterator<Item = i64>) -> ArrayRef {
    let times: TimestampMicrosecondArray = times.map(Some).collect();
    Arc::new(times.with_timezone("UTC"))
}

fn entities(count: usize, of: u64, salt: u64) -> Int64Array {
    (0..count)
        .map(|row| Some((mixed(row, salt) % of) as i64))
        .collect()
}

/// The files: facts in the order of their event time, a twentieth of them tied with the one before; rows in no order.
fn make(folder: &Path, rows: usize, facts: usize) -> Outcome {
    let tied = |fact: usize| fact > 0 && mixed(fact, 1).is_multiple_of(20);
    let leader = |fact: usize| fact - usize::from(tied(fact) && !tied(fact - 1));
    let event = |fact: usize| leader(fact) as i64 * (YEAR / facts as i64);
    let entity: Int64Array = (0..facts)
        .map(|fact| Some((mixed(leader(fact), 2) % ENTITIES) as i64))
        .collect();
    let mut columns: Vec<(String, ArrayRef)> = vec![
        ("entity".into(), Arc::new(entity)),
        ("event".into(), times((0..facts).map(event))),
        (
            "created".into(),
            times((0..facts).map(|fact| event(fact) + (mixed(fact, 3) % HOUR as u64) as i64)),
        ),
    ];
    for feature in 0..FEATURES {
        let salt = 10 + feature as u64;
        let values = Float64Array::from_iter_values((0..facts).map(|fact| share(fact, salt)));
        columns.push((format!("f{feature}"), Arc::new(values)));
    }
    Frame::from_columns(columns)?.write(&folder.join("facts.parquet"))?;
    Frame::from_columns(vec![
        (
            "entity".into(),
            Arc::new(entities(rows, ENTITIES, 4)) as ArrayRef,
        ),
        (
            "at".into(),
            times((0..rows).map(|row| (share(row, 5) * YEAR as f64) as i64)),
        ),
        (
            "label".into(),
            Arc::new(Float64Array::from_iter_values(
                (0..rows).map(|row| share(row, 6)),
            )),
        ),
    ])?
    .write(&folder.join("rows.parquet"))?;
    let events = Frame::from_columns(vec![
        (
            "entity".into(),
            Arc::new(entities(facts, STREAMS, 7)) as ArrayRef,
        ),
        (
            "at".into(),
            times((0..facts).map(|fact| fact as i64 * (YEAR / facts as i64))),
        ),
        (
            "value".into(),
            Arc::new(Float64Array::from_iter_values(
                (0..facts).map(|row| share(row, 8)),
            )),
        ),
    ])?;
    // Rows that ask at the instant of each event, as rows of a pipeline would; the peers say the same over one table.
    let asks = events.select(&["entity".into(), "at".into()])?;
    asks.write(&folder.join("asks.parquet"))?;
    events.write(&folder.join("events.parquet"))?;
    Ok(())
}

/// CPU seconds of this process so far.
fn cpu() -> Outcome<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let ticks: f64 = fields.get(11).ok_or("no utime")?.parse::<f64>()?
        + fields.get(12).ok_or("no stime")?.parse::<f64>()?;
    Ok(ticks / 100.0)
}

/// The most memory that this process has held, in bytes.
fn peak() -> Outcome<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM:"))
        .ok_or("no VmHWM")?;
    let kilobytes: u64 = line.split_whitespace().nth(1).ok_or("no number")?.parse()?;
    Ok(kilobytes * 1024)
}
