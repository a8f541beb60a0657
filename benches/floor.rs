//! How far the product is from what lies under it, in one run on one machine: medians and ratios.
//! `cargo bench --bench floor`. Takes seconds; needs no network but loopback.

#![allow(clippy::print_stdout)]

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use std::collections::BTreeMap;
use std::error::Error;
use std::hint::black_box;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use trainyard::data::asof::{self, Facts};
use trainyard::data::timeline::Timeline;
use trainyard::data::{Frame, window};
use trainyard::domain::feature::Aggregate;
use trainyard::domain::job::TrainerSpec;
use trainyard::domain::metric::Metric;
use trainyard::domain::run::Pair;
use trainyard::domain::trigger::{Check, Verdict};
use trainyard::domain::{ModelName, RunId, SystemClock, Timestamp};
use trainyard::drift::{self, compare};
use trainyard::ml::{self, Target};
use trainyard::service::tracking::NewRun;
use trainyard::service::{Services, configuration};
use trainyard::workspace::Workspace;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;

fn main() -> Outcome {
    let folder = tempfile::tempdir()?;
    let services = house(folder.path())?;
    tracking(&services, folder.path())?;
    serving(&services)?;
    features()?;
    drifting()?;
    Ok(())
}

/// Median seconds of `times` runs after one that is not counted.
fn median(times: usize, mut run: impl FnMut(usize) -> Outcome) -> Outcome<f64> {
    run(0)?;
    let mut seconds = Vec::with_capacity(times);
    for number in 1..=times {
        let began = Instant::now();
        run(number)?;
        seconds.push(began.elapsed().as_secs_f64());
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Ok(seconds[times / 2])
}

/// A number between 0 and 1 that looks random and is always the same.
fn mixed(number: usize) -> f64 {
    let number = (number as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (number >> 11) as f64 / (1_u64 << 53) as f64
}

/// A workspace with a served logistic regression over one number and one text.
fn house(root: &Path) -> Outcome<Arc<Services>> {
    std::fs::write(
        root.join("trainyard.toml"),
        "[deployment.bench]\nmodel = \"bench\"\n",
    )?;
    let workspace = Workspace::at(root)?;
    workspace.create()?;
    let config = configuration::load(&workspace)?;
    let services = Services::open(workspace, config, Arc::new(SystemClock))?;
    let inputs = table(2_000, 0.0)?;
    let truth = (0..2_000).map(|row| f64::from(u8::from(mixed(row) > 0.4)));
    let rows = inputs.with("y", Arc::new(Float64Array::from_iter_values(truth)))?;
    let target = Target::from_frame(&rows, "y", None)?;
    let trainer = TrainerSpec {
        kind: "logistic".into(),
        params: BTreeMap::new(),
    };
    let model = ml::fit(&trainer, &inputs, &target, None, 7, &mut |_, _| Ok(()))?;
    let answers = model.predict(&inputs)?;
    let reference = inputs
        .with("PREDICTION", Arc::new(Float64Array::from(answers.values)))?
        .with("TARGET", Arc::clone(rows.column("y")?))?;
    let made = tempfile::tempdir()?;
    ml::model_file::save(&model, &reference, made.path())?;
    let run = new_run(&services)?;
    services.tracking.log_artifact(&run, "model", made.path())?;
    let name = ModelName::from("bench");
    let version = services.registry.register(&run, &name, "bench")?.version;
    let check = Check {
        key: "metric_floor".into(),
        name: "metric floor".into(),
        passed: true,
        detail: "for the bench".into(),
        pane: None,
    };
    services
        .registry
        .record_gate(&name, version, Verdict::of(vec![check]))?;
    services
        .registry
        .promote(&name, version, "bench", false, "")?;
    services.serving.reconcile(&services)?;
    Ok(services)
}

fn new_run(services: &Services) -> Outcome<RunId> {
    let new = NewRun {
        user: "bench".into(),
        ..NewRun::default()
    };
    Ok(services.tracking.create_run(new)?.id)
}

/// Rows of a number and a text.
fn table(rows: usize, shift: f64) -> Outcome<Frame> {
    let x = Float64Array::from_iter_values((0..rows).map(|row| mixed(row) + shift));
    let color = (0..rows).map(|row| ["red", "green", "blue"][row * 7 % 3]);
    Ok(Frame::from_columns(vec![
        ("x".to_owned(), Arc::new(x) as ArrayRef),
        (
            "color".to_owned(),
            Arc::new(StringArray::from_iter_values(color)) as ArrayRef,
        ),
    ])?)
}

/// Batches of 1,000 metrics into the store, against the same inserts into a bare database; and the history's way back.
fn tracking(services: &Services, root: &Path) -> Outcome {
    const BATCH: usize = 1_000;
    let run = new_run(services)?;
    let ours = median(21, |number| {
        let points: Vec<_> = (0..BATCH)
            .map(|at| Metric {
                key: format!("loss{}", at % 10),
                value: mixed(at),
                timestamp: Timestamp(1_700_000_000_000 + at as i64),
                step: (number * BATCH + at) as i64,
            })
            .collect();
        Ok(services
            .tracking
            .log_batch(&run, &points, Vec::<Pair>::new(), Vec::new())?)
    })?;
    let mut bare = rusqlite::Connection::open(root.join("bare.db"))?;
    bare.pragma_update(None, "journal_mode", "wal")?;
    bare.pragma_update(None, "synchronous", "full")?;
    bare.execute_batch(
        "create table metrics (run integer not null, key integer not null, step integer not null,
         at integer not null, value real not null, nan integer not null,
         primary key (run, key, step, at, value, nan)) strict, without rowid",
    )?;
    let floor = median(21, |number| {
        let transaction = bare.transaction()?;
        {
            let mut insert = transaction
                .prepare_cached("insert or ignore into metrics values (1, ?1, ?2, ?3, ?4, 0)")?;
            for at in 0..BATCH {
                insert.execute((
                    at as i64 % 10,
                    (number * BATCH + at) as i64,
                    1_700_000_000_000 + at as i64,
                    mixed(at),
                ))?;
            }
        }
        Ok(transaction.commit()?)
    })?;
    println!(
        "log-batch of {BATCH}: {:.2} ms, bare SQLite {:.2} ms, {:.2} times",
        ours * 1e3,
        floor * 1e3,
        ours / floor
    );
    let long = new_run(services)?;
    for part in 0..100 {
        let points = (0..BATCH).map(|at| Metric {
            key: "loss".into(),
            value: mixed(at),
            timestamp: Timestamp(1_700_000_000_000 + at as i64),
            step: (part * BATCH + at) as i64,
        });
        let points: Vec<_> = points.collect();
        services
            .tracking
            .log_batch(&long, &points, Vec::new(), Vec::new())?;
    }
    let history = median(11, |_| {
        black_box(services.tracking.series(&long, "loss", 300)?);
        Ok(())
    })?;
    println!(
        "history of 100,000 points in 300 buckets: {:.1} ms",
        history * 1e3
    );
    Ok(())
}

/// One row to `/invocations`, against a bare axum that answers the body.
fn serving(services: &Arc<Services>) -> Outcome {
    const BODY: &str = r#"{"dataframe_records":[{"x":0.5,"color":"red"}]}"#;
    let echo = axum::Router::new().route(
        "/echo",
        axum::routing::post(|body: axum::body::Bytes| async { body }),
    );
    let app = trainyard::http::router(services).merge(echo);
    let edges = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let listener = edges.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    edges.spawn(async move { axum::serve(listener, app).await });
    let floor = asked(address, "/echo", BODY)?;
    let ours = asked(address, "/models/bench/invocations", BODY)?;
    for (share, name) in [(2, "p50"), (100, "p99")] {
        let at = |sorted: &[f64]| sorted[sorted.len() - 1 - sorted.len() / share] * 1e6;
        println!(
            "one row over HTTP, {name}: {:.0} us, bare axum {:.0} us, {:.2} times",
            at(&ours),
            at(&floor),
            at(&ours) / at(&floor)
        );
    }
    edges.shutdown_background();
    Ok(services.serving.flush()?)
}

/// Seconds of each of 3,000 requests over one connection, sorted.
fn asked(address: SocketAddr, path: &str, body: &str) -> Outcome<Vec<f64>> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut seconds = Vec::new();
    for number in 0..3_300 {
        let began = Instant::now();
        stream.write_all(request.as_bytes())?;
        answer(&mut stream)?;
        if number >= 300 {
            seconds.push(began.elapsed().as_secs_f64());
        }
    }
    seconds.sort_unstable_by(f64::total_cmp);
    Ok(seconds)
}

/// Reads one whole answer, which must be a 200.
fn answer(stream: &mut TcpStream) -> Outcome {
    let mut bytes = Vec::new();
    let mut part = [0; 4_096];
    loop {
        let count = stream.read(&mut part)?;
        if count == 0 {
            return Err("the connection was closed".into());
        }
        bytes.extend_from_slice(&part[..count]);
        let Some(head) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
            continue;
        };
        let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
        if !text.starts_with("http/1.1 200") {
            return Err(text.into());
        }
        let length: usize = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .ok_or("no length")?
            .parse()?;
        if bytes.len() >= head + 4 + length {
            return Ok(());
        }
    }
}

/// Rows per second of the point-in-time join and of two windows.
fn features() -> Outcome {
    const ROWS: usize = 300_000;
    const ENTITIES: usize = 1_000;
    let entity: Vec<u32> = (0..ROWS)
        .map(|row| (mixed(row) * ENTITIES as f64) as u32)
        .collect();
    let at: Int64Array = (0..ROWS)
        .map(|row| Some(row as i64 * (8_760 * HOUR / ROWS as i64)))
        .collect();
    let joined = median(5, |_| {
        let asked = Timeline::new(&entity, ENTITIES, &at, None);
        let facts = Facts {
            entity: &entity,
            event: &at,
            created: None,
            known_as_of: true,
        };
        black_box(asof::latest(&asked, ROWS, facts, Some(24 * HOUR)));
        Ok(())
    })?;
    println!(
        "point-in-time join: {:.2} M rows/s",
        ROWS as f64 / joined / 1e6
    );
    let column: ArrayRef = Arc::new(Float64Array::from_iter_values((0..ROWS).map(mixed)));
    let windowed = median(5, |_| {
        let line = Timeline::new(&entity, ENTITIES, &at, None);
        black_box(window::aggregate(
            &column,
            &line,
            &line,
            ROWS,
            &[(Aggregate::Mean, 3 * HOUR), (Aggregate::Mean, 168 * HOUR)],
            None,
        )?);
        Ok(())
    })?;
    println!(
        "windows (means over 3 h and 7 d): {:.2} M rows/s",
        ROWS as f64 / windowed / 1e6
    );
    Ok(())
}

/// Two tables of 50,000 rows compared, by every column's own test.
fn drifting() -> Outcome {
    let (reference, current) = (table(50_000, 0.0)?, table(50_000, 0.05)?);
    let options = drift::Options::default();
    let seconds = median(11, |_| {
        black_box(compare::compare(&reference, &current, None, &options)?);
        Ok(())
    })?;
    println!(
        "drift of 2 columns, 50,000 rows a side: {:.1} ms",
        seconds * 1e3
    );
    Ok(())
}
