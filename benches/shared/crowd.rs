//! A team's year in one workspace: many runs with parameters, tags and metrics, written through the store by the same
//! functions that the server uses, many runs in a transaction. The same numbers every time.

use std::sync::Arc;
use trainyard::domain::experiment::Lifecycle;
use trainyard::domain::metric::Metric;
use trainyard::domain::run::{Pair, Run, RunModels, RunStatus};
use trainyard::domain::{ExperimentId, Result, RunId, SystemClock, Timestamp};
use trainyard::service::{Services, configuration};
use trainyard::store::{Transaction, metrics, runs};
use trainyard::workspace::Workspace;

/// Metric names; a run has all of them.
pub const METRICS: [&str; 20] = [
    "val_accuracy",
    "val_loss",
    "train_loss",
    "train_accuracy",
    "roc_auc",
    "f1",
    "precision",
    "recall",
    "log_loss",
    "brier",
    "mae",
    "rmse",
    "r2",
    "grad_norm",
    "lr",
    "epoch_s",
    "samples_per_s",
    "gpu_memory_gb",
    "cpu_percent",
    "gap",
];

/// Parameter names; a run has all of them.
pub const PARAMS: [&str; 10] = [
    "learning_rate",
    "batch_size",
    "optimizer",
    "depth",
    "width",
    "dropout",
    "weight_decay",
    "seed",
    "augment",
    "warmup",
];

const USERS: [&str; 8] = ["ana", "bo", "cem", "dee", "eli", "fay", "gus", "hana"];
const FIRST: [&str; 8] = [
    "brave", "calm", "eager", "fair", "keen", "merry", "quiet", "swift",
];
const SECOND: [&str; 8] = [
    "otter", "heron", "wren", "lynx", "maple", "comet", "harbor", "tiger",
];
/// When the first run began, milliseconds.
const BEGAN: i64 = 1_735_689_600_000;
/// Runs in one transaction at most.
const CHUNK: u64 = 200;
/// Points in one transaction, roughly at most.
const POINTS: u64 = 200_000;

/// What to write.
#[derive(Clone, Debug)]
pub struct Crowd {
    /// The experiment's name.
    pub experiment: String,
    /// How many runs.
    pub runs: u64,
    /// Points of all runs together; every metric of every run has one at least.
    pub points: u64,
    /// Runs that have `long_points` points in each of their first two metrics instead.
    pub long_runs: u64,
    /// See above.
    pub long_points: u64,
}

/// A number from 0 to 1 that looks random and is always the same.
pub fn mixed(number: u64) -> f64 {
    let mut state = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((state ^ (state >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Opens the workspace in `root`, making it when there is none.
pub fn open(
    root: &std::path::Path,
) -> std::result::Result<Arc<Services>, Box<dyn std::error::Error>> {
    std::fs::create_dir_all(root)?;
    let file = root.join("trainyard.toml");
    if !file.exists() {
        std::fs::write(&file, "server = { listen = \"127.0.0.1:0\" }\n")?;
    }
    let workspace = Workspace::at(root)?;
    workspace.create()?;
    let config = configuration::load(&workspace)?;
    Ok(Services::open(workspace, config, Arc::new(SystemClock))?)
}

/// Writes the crowd; `progress` hears how many runs are there. Answers the experiment.
pub fn fill(
    services: &Services,
    crowd: &Crowd,
    mut progress: impl FnMut(u64),
) -> Result<ExperimentId> {
    let experiment = services.tracking.experiment_named(&crowd.experiment)?;
    let each = (crowd.points / crowd.runs.max(1) / METRICS.len() as u64).max(1);
    let chunk = (POINTS / (each * METRICS.len() as u64)).clamp(1, CHUNK);
    let mut from = 0;
    while from < crowd.runs {
        let to = (from + chunk).min(crowd.runs);
        let (id, location) = (experiment.id.clone(), experiment.artifact_location.clone());
        let crowd = crowd.clone();
        services.core.store.write(move |transaction| {
            for number in from..to {
                let long = crowd.runs - number <= crowd.long_runs;
                write(
                    transaction,
                    &id,
                    &location,
                    number,
                    each,
                    if long { crowd.long_points } else { 0 },
                )?;
            }
            Ok(())
        })?;
        from = to;
        progress(from);
    }
    Ok(experiment.id)
}

/// One run, whole.
fn write(
    transaction: &Transaction<'_>,
    experiment: &ExperimentId,
    location: &str,
    number: u64,
    each: u64,
    long: u64,
) -> Result<()> {
    let luck = |salt: u64| mixed(number.wrapping_mul(64).wrapping_add(salt));
    let pick =
        |salt: u64, names: &[&str]| names[(luck(salt) * names.len() as f64) as usize].to_owned();
    let id = RunId(format!(
        "{:016x}{number:016x}",
        (luck(0) * u64::MAX as f64) as u64
    ));
    let name = format!("{}-{}-{}", pick(1, &FIRST), pick(2, &SECOND), number % 1000);
    let user = pick(3, &USERS);
    // A run every five minutes; the last thirty go on.
    let started = BEGAN + number as i64 * 300_000;
    let status = match luck(4) {
        share if share < 0.06 => RunStatus::Failed,
        share if share < 0.09 => RunStatus::Killed,
        _ => RunStatus::Finished,
    };
    let run = Run {
        artifact_uri: format!("{}/{id}/artifacts", location.trim_end_matches('/')),
        id,
        experiment: experiment.clone(),
        name: name.clone(),
        user: user.clone(),
        status,
        started: Timestamp(started),
        ended: Some(Timestamp(started + 60_000 + (luck(5) * 3.0e6) as i64)),
        lifecycle: Lifecycle::Active,
        params: Vec::new(),
        tags: Vec::new(),
        metrics: Vec::new(),
        inputs: Vec::new(),
        models: RunModels::default(),
    };
    let row = runs::insert(transaction, &run)?;
    for (key, value) in [
        ("mlflow.runName", name),
        ("mlflow.user", user),
        ("mlflow.source.name", "train.py".to_owned()),
        ("trainyard.metric", "val_accuracy".to_owned()),
    ] {
        let key = key.to_owned();
        runs::set_tag(transaction, row, &Pair { key, value })?;
    }
    for (key, value) in PARAMS.iter().zip(params(&luck)) {
        let key = (*key).to_owned();
        runs::set_param(transaction, row, experiment, &Pair { key, value })?;
    }
    let skill = luck(6);
    let mut points = Vec::new();
    for (salt, key) in METRICS.iter().enumerate() {
        let count = if long > 0 && salt < 2 { long } else { each };
        points.reserve(usize::try_from(count).unwrap_or(0));
        for step in 0..count {
            let done = (step + 1) as f64 / count as f64;
            let noise = mixed(number.wrapping_mul(7919) ^ (step * 31 + salt as u64)) - 0.5;
            points.push(Metric {
                key: (*key).to_owned(),
                value: value(salt, skill + 0.2 * luck(20 + salt as u64), done) + noise * 0.02,
                timestamp: Timestamp(started + step as i64 * 1000),
                step: step as i64,
            });
        }
    }
    metrics::insert(transaction, row, experiment, &points.iter().collect())
}

/// Values in the order of [`PARAMS`].
fn params(luck: &impl Fn(u64) -> f64) -> [String; 10] {
    let of =
        |salt: u64, names: &[&str]| names[(luck(salt) * names.len() as f64) as usize].to_owned();
    [
        format!("{:.5}", 10_f64.powf(-1.0 - 4.0 * luck(7))),
        of(8, &["32", "64", "128", "256"]),
        of(9, &["adam", "sgd", "adamw", "lion"]),
        of(10, &["4", "6", "8", "10", "12"]),
        of(11, &["128", "256", "512", "1024"]),
        format!("{:.2}", luck(12) * 0.5),
        format!("{:.6}", luck(13) * 1e-2),
        format!("{}", (luck(14) * 1e6) as u64),
        of(15, &["true", "false"]),
        of(16, &["0", "500", "1000"]),
    ]
}

/// A curve's value: rising to the run's skill, or falling from one.
fn value(metric: usize, skill: f64, done: f64) -> f64 {
    let risen = 1.0 - (-4.0 * done).exp();
    match metric {
        1 | 2 | 8 | 9 | 10 | 11 => 1.5 - (0.6 + 0.5 * skill) * risen,
        14 => 0.01 * (1.0 - done),
        15 => 20.0 + 10.0 * skill,
        16 => 900.0 + 500.0 * skill,
        17 => 6.0 + 10.0 * skill,
        18 => 40.0 + 50.0 * skill,
        _ => (0.5 + 0.4 * skill) * risen,
    }
}
