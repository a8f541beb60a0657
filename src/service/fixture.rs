//! A workspace for the tests of this room: 400 rows of a binary task in `data/rows.csv`, a pipeline, a deployment
//! and a monitor; and models fitted on it. Only tests see it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::Services;
use super::tracking::NewRun;
use crate::data::{self, Frame};
use crate::domain::job::TrainerSpec;
use crate::domain::registry::ModelVersion;
use crate::domain::trigger::{Check, Verdict};
use crate::domain::{Clock, Event, ModelName, Result, Timestamp, Version};
use crate::ml::{self, Target};
use crate::workspace::Workspace;
use arrow_array::{Float64Array, StringArray};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};

/// 2026-01-10 12:00 UTC.
pub const NOW: i64 = 1_768_046_400_000;

/// A clock that stands still until it is moved.
pub struct Standing(pub AtomicI64);

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// A workspace that vanishes with it.
pub struct House {
    pub services: Arc<Services>,
    pub clock: Arc<Standing>,
    pub events: Mutex<tokio::sync::broadcast::Receiver<Event>>,
    pub folder: tempfile::TempDir,
}

const CONFIG: &str = r#"
[dataset.rows]
path = "data/rows.csv"
timestamp = "at"

[dataset.labels]
path = "data/labels.csv"

[dataset.big]
sql = "select * from rows where x > 0"
timestamp = "at"

[feature_view.color_x]
entity = { name = "color", key = "color" }
dataset = "rows"
timestamp = "at"
features = ["x"]
ttl = "7d"

[pipeline.late]
dataset = "rows"
target = "y"
row_key = "id"
inputs = ["x", "color"]
features = [{ view = "color_x", features = ["x"], prefix = "color_" }]
trainer = { kind = "logistic" }
gate = { metric = "roc_auc", at_least = 0.6, max_psi = 0.25 }

[deployment.late]
model = "late"
alias = "champion"
max_error_percent = 10

[monitor.watch]
deployment = "late"
labels = { dataset = "labels", key = "id", column = "y", known_at = "known" }
tests = { psi = 0.25 }
metric = { name = "roc_auc", limit = 0.99 }
"#;

/// Row `row`: x goes round from -2 to 2, the color changes with it, y follows x.
pub fn row(row: usize) -> (f64, &'static str, u8) {
    let x = ((row * 37) % 401) as f64 / 100.0 - 2.0;
    let color = ["red", "green", "blue"][(row * 7) % 3];
    let y = u8::from(x + if row.is_multiple_of(5) { -1.5 } else { 0.3 } > 0.0);
    (x, color, y)
}

impl House {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let mut rows = String::from("id,at,x,color,y\n");
        let mut labels = String::from("id,y,known\n");
        for number in 0..400 {
            let (x, color, y) = row(number);
            let day = 1 + number / 48;
            let hour = (number % 48) / 2;
            rows.push_str(&format!(
                "r{number},2026-01-{day:02}T{hour:02}:00:00Z,{x},{color},{y}\n"
            ));
            labels.push_str(&format!(
                "r{number},{y},2026-01-{:02}T{hour:02}:00:00Z\n",
                day + 1
            ));
        }
        std::fs::write(folder.path().join("data/rows.csv"), rows).unwrap();
        std::fs::write(folder.path().join("data/labels.csv"), labels).unwrap();
        std::fs::write(folder.path().join("trainyard.toml"), CONFIG).unwrap();
        let clock = Arc::new(Standing(AtomicI64::new(NOW)));
        let services = open(folder.path(), &clock);
        Self {
            events: Mutex::new(services.core.bus.subscribe()),
            services,
            clock,
            folder,
        }
    }

    /// The same workspace as another daemon sees it.
    pub fn again(self) -> Self {
        let services = open(self.folder.path(), &self.clock);
        Self {
            events: Mutex::new(services.core.bus.subscribe()),
            services,
            clock: self.clock,
            folder: self.folder,
        }
    }

    pub fn pass(&self, milliseconds: i64) {
        self.clock.0.fetch_add(milliseconds, Ordering::SeqCst);
    }

    pub fn events(&self) -> Vec<Event> {
        let mut receiver = self.events.lock().unwrap();
        std::iter::from_fn(|| receiver.try_recv().ok()).collect()
    }

    /// Fits `kind` on the rows, logs it as a run's artifact, registers it.
    pub fn version(&self, kind: &str, inputs: &[&str]) -> ModelVersion {
        let services = &self.services;
        let rows = data::table::load(&services.datasets.resolve("rows").unwrap()).unwrap();
        let names: Vec<String> = inputs.iter().map(|name| (*name).to_owned()).collect();
        let inputs = rows.select(&names).unwrap();
        let target = Target::from_frame(&rows, "y", None).unwrap();
        let trainer = TrainerSpec {
            kind: kind.into(),
            params: BTreeMap::new(),
        };
        let model = ml::fit(&trainer, &inputs, &target, None, 7, &mut |_, _| Ok(())).unwrap();
        let answers = model.predict(&inputs).unwrap();
        let reference = inputs
            .with("PREDICTION", Arc::new(Float64Array::from(answers.values)))
            .unwrap()
            .with("TARGET", Arc::clone(rows.column("y").unwrap()))
            .unwrap();
        let made = tempfile::tempdir().unwrap();
        ml::model_file::save(&model, &reference, made.path()).unwrap();
        let experiment = services.tracking.experiment_named("late").unwrap();
        let run = services
            .tracking
            .create_run(NewRun {
                experiment: Some(experiment.id),
                user: "ana".into(),
                ..NewRun::default()
            })
            .unwrap();
        services
            .tracking
            .log_artifact(&run.id, "model", made.path())
            .unwrap();
        services
            .registry
            .register(&run.id, &model_name(), "ana")
            .unwrap()
    }

    /// A version that the gate let through, as champion.
    pub fn champion(&self, kind: &str, inputs: &[&str]) -> Version {
        let version = self.version(kind, inputs).version;
        self.judged(version, true);
        self.services
            .registry
            .promote(&model_name(), version, "ana", false, "")
            .unwrap();
        self.services.serving.reconcile(&self.services).unwrap();
        version
    }

    pub fn judged(&self, version: Version, passed: bool) {
        let check = Check {
            key: "metric_floor".into(),
            name: "metric floor".into(),
            passed,
            detail: "roc_auc 0.7".into(),
            pane: None,
        };
        self.services
            .registry
            .record_gate(&model_name(), version, Verdict::of(vec![check]))
            .unwrap();
    }

    /// Sends the rows `range`, x moved by `shift`, as one request.
    pub fn ask(&self, range: std::ops::Range<usize>, shift: f64) -> Result<super::serving::Answer> {
        let rows = requests(range, shift);
        self.services
            .serving
            .predict(&self.services, "late", None, rows, None)
    }
}

/// Rows as callers send them, with their key and instant.
pub fn requests(range: std::ops::Range<usize>, shift: f64) -> Frame {
    let x: Float64Array = range
        .clone()
        .map(|number| Some(row(number).0 + shift))
        .collect();
    let color: StringArray = range.clone().map(|number| Some(row(number).1)).collect();
    let id: StringArray = range
        .clone()
        .map(|number| Some(format!("r{number}")))
        .collect();
    let at: StringArray = range
        .map(|number| Some(format!("2026-01-{:02}T12:00:00Z", 1 + number / 48)))
        .collect();
    Frame::from_columns(vec![
        ("id".into(), Arc::new(id)),
        ("at".into(), Arc::new(at)),
        ("x".into(), Arc::new(x)),
        ("color".into(), Arc::new(color)),
    ])
    .unwrap()
}

pub fn model_name() -> ModelName {
    ModelName::from("late")
}

fn open(folder: &std::path::Path, clock: &Arc<Standing>) -> Arc<Services> {
    let workspace = Workspace::at(folder).unwrap();
    let config = super::configuration::load(&workspace).unwrap();
    let clock: Arc<dyn Clock> = Arc::<Standing>::clone(clock);
    Services::open(workspace, config, clock).unwrap()
}
