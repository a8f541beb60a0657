//! Made-up snapshots for tests of the dashboard: the ones of the design's pictures.

use super::app::{App, Setup};
use super::message::Message;
use super::render;
use super::theme::{Depth, Markers, Theme};
use super::update::update;
use crate::api::protocol::{Overview, Snapshot, Topic, Update};
use crate::domain::board::{GroupBy, RunGroup, RunGroups, Sweep, SweepPoint};
use crate::domain::experiment::Lifecycle;
use crate::domain::job::{Job, JobLog, JobRow, JobState, JobsPage};
use crate::domain::metric::{Bucket, Metric, Number, Series};
use crate::domain::run::{
    Comparison, DatasetInput, Difference, Pair, Run, RunDetail, RunRow, RunStatus, RunTable,
};
use crate::domain::trigger::Cause;
use crate::domain::{ExperimentId, JobId, ModelName, RunId, Timestamp, Version};
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use std::collections::BTreeMap;

/// 2013-11-22 12:04:00 UTC.
pub const NOW: Timestamp = Timestamp(1_385_121_840_000);

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// The header of the design's pictures.
pub fn overview() -> Overview {
    Overview {
        workspace: "flights".to_owned(),
        path: "/home/ana/flights".to_owned(),
        host: "gpu-7".to_owned(),
        http: "127.0.0.1:5000".to_owned(),
        version: "0.1.0".to_owned(),
        started: Timestamp(NOW.0 - 9 * DAY),
        drifting: 2,
        running: 2,
        waiting: 3,
        healthy: Some(true),
        pipelines: vec!["delay".to_owned(), "fare".to_owned()],
        models: vec![ModelName::from("delay")],
        ..Overview::default()
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "a table of rows reads best as one line each"
)]
fn row(
    name: &str,
    status: RunStatus,
    auc: Option<f64>,
    loss: Option<f64>,
    rate: &str,
    depth: &str,
    age: i64,
    took: i64,
    by: &str,
) -> RunRow {
    let mut metrics = BTreeMap::new();
    metrics.extend(auc.map(|value| ("val_auc".to_owned(), Number(value))));
    metrics.extend(loss.map(|value| ("val_loss".to_owned(), Number(value))));
    RunRow {
        id: RunId::from(format!("{name}-id")),
        name: name.to_owned(),
        status,
        progress: (status == RunStatus::Running).then_some(0.62),
        user: by.to_owned(),
        started: Timestamp(NOW.0 - age),
        ended: (status != RunStatus::Running).then_some(Timestamp(NOW.0 - age + took)),
        job: (status == RunStatus::Running).then_some(JobId(482)),
        failure: (status == RunStatus::Failed).then(|| "loss became NaN at step 212".to_owned()),
        version: None,
        folds: auc.map(|value| (if value > 0.805 { 5 } else { 1 }, 5)),
        metrics,
        params: BTreeMap::from([
            ("learning_rate".to_owned(), rate.to_owned()),
            ("max_depth".to_owned(), depth.to_owned()),
        ]),
        tags: BTreeMap::new(),
        parent: None,
        children: 0,
        unlike: None,
    }
}

/// The runs of the design's pictures.
pub fn runs() -> RunTable {
    use RunStatus::{Failed, Finished, Running};
    let champion = row(
        "quiet-fox",
        Finished,
        Some(0.8011),
        Some(0.431),
        "0.10",
        "6",
        9 * DAY,
        5 * MINUTE,
        "ana",
    );
    let rows = vec![
        row(
            "brave-otter",
            Finished,
            Some(0.8123),
            Some(0.412),
            "0.05",
            "8",
            2 * HOUR,
            6 * MINUTE,
            "ana",
        ),
        row(
            "calm-heron",
            Finished,
            Some(0.8119),
            Some(0.414),
            "0.05",
            "10",
            3 * HOUR,
            7 * MINUTE,
            "ana",
        ),
        row(
            "dusty-lynx",
            Finished,
            Some(0.8040),
            Some(0.424),
            "0.10",
            "8",
            DAY,
            5 * MINUTE,
            "bo",
        ),
        row(
            "eager-wren",
            Running,
            Some(0.7994),
            Some(0.437),
            "0.20",
            "6",
            4 * MINUTE,
            0,
            "auto",
        ),
        row(
            "fast-ibex",
            Failed,
            None,
            None,
            "0.50",
            "8",
            HOUR,
            12_000,
            "auto",
        ),
        row(
            "gold-moth",
            Finished,
            Some(0.7981),
            Some(0.441),
            "0.10",
            "4",
            2 * DAY,
            3 * MINUTE,
            "bo",
        ),
    ];
    RunTable {
        experiments: vec![(ExperimentId::from("1"), "delay".to_owned())],
        total: 312,
        unfiltered: 312,
        metric_keys: vec!["val_auc".to_owned(), "val_loss".to_owned()],
        param_keys: vec!["learning_rate".to_owned(), "max_depth".to_owned()],
        primary_metric: Some("val_auc".to_owned()),
        greater_is_better: true,
        best: Some(rows[0].id.clone()),
        champion: Some((champion, ModelName::from("delay"), Version(12))),
        rows,
        offset: 0,
        sentence: "brave-otter beats champion v12 by 0.0112 in 5 of 5 folds; brave-otter and calm-heron differ by noise: 0.0004 is within the folds' spread (0.0021)".to_owned(),
        archived: 4,
    }
}

/// Two trials of a parent.
pub fn children(parent: &RunId) -> RunTable {
    let mut table = runs();
    table.rows.truncate(2);
    for (place, row) in table.rows.iter_mut().enumerate() {
        row.id = RunId::from(format!("trial-{place}-id"));
        row.name = format!("trial-{place}");
        row.parent = Some(parent.clone());
    }
    table.total = 2;
    table
}

/// Runs by user: ana's best and bo's.
pub fn groups(by: &GroupBy) -> RunGroups {
    let rows = runs().rows;
    let group = |name: &str, count: u64, best: usize| RunGroup {
        name: Some(name.to_owned()),
        runs: count,
        judged: count,
        newest: rows[best].started,
        best: Some(rows[best].clone()),
    };
    RunGroups {
        by: by.clone(),
        metric: Some("val_auc".to_owned()),
        groups: vec![
            group("ana", 201, 0),
            group("bo", 98, 2),
            group("auto", 13, 3),
        ],
        total: 3,
        sentence: "ana (brave-otter) beats bo (dusty-lynx) by 0.0083 in 5 of 5 folds".to_owned(),
    }
}

/// Learning rates and depths against a metric.
pub fn sweep(metric: &str) -> Sweep {
    let points = (0..40)
        .map(|place| {
            let rate = 10_f64.powf(-3.0 + f64::from(place % 9) / 3.0);
            let depth = 2 + place % 5;
            SweepPoint {
                run: match place {
                    0 => RunId::from("brave-otter-id"),
                    1 => RunId::from("calm-heron-id"),
                    2 => RunId::from("quiet-fox-id"),
                    _ => RunId::from(format!("{place}-id")),
                },
                name: format!("run-{place}"),
                value: Number(0.82 - f64::from(place) * 0.002),
                params: vec![
                    Some(format!("{rate:.4}")),
                    Some(depth.to_string()),
                    Some(["adam", "sgd"][usize::from(place % 3 == 0)].to_owned()),
                ],
            }
        })
        .collect();
    Sweep {
        metric: metric.to_owned(),
        greater_is_better: true,
        params: ["learning_rate", "max_depth", "optimizer"]
            .map(str::to_owned)
            .to_vec(),
        points,
        total: 312,
    }
}

fn series(run: &RunId, key: &str, speed: f64, floor: f64) -> Series {
    let buckets = (0..150)
        .map(|step| {
            let x = f64::from(step) * 10.0;
            let value = floor + (0.9 - floor) * (-x / speed).exp();
            Bucket {
                step: i64::from(step) * 10,
                time: Timestamp(NOW.0 - HOUR + i64::from(step) * 1000),
                min: value,
                max: value,
                last: value,
                odd: 0,
            }
        })
        .collect();
    Series {
        run: run.clone(),
        key: key.to_owned(),
        buckets,
        points: 1500,
    }
}

/// A run's details, made from its row.
pub fn detail(run: &RunId) -> Option<RunDetail> {
    let table = runs();
    let champion = table.champion.as_ref().map(|(row, ..)| row);
    let row = table
        .rows
        .iter()
        .chain(champion)
        .find(|row| row.id == *run)?;
    let pairs = |pairs: &BTreeMap<String, String>| {
        pairs
            .iter()
            .map(|(key, value)| Pair {
                key: key.clone(),
                value: value.clone(),
            })
            .collect::<Vec<_>>()
    };
    Some(RunDetail {
        run: Run {
            id: row.id.clone(),
            experiment: ExperimentId::from("1"),
            name: row.name.clone(),
            user: row.user.clone(),
            status: row.status,
            started: row.started,
            ended: row.ended,
            lifecycle: Lifecycle::Active,
            artifact_uri: String::new(),
            params: pairs(&row.params),
            tags: pairs(&BTreeMap::from([
                (
                    "mlflow.source.git.commit".to_owned(),
                    "a41f0c2d99".to_owned(),
                ),
                ("mlflow.source.name".to_owned(), "train.py".to_owned()),
            ])),
            metrics: row
                .metrics
                .iter()
                .map(|(key, value)| Metric {
                    key: key.clone(),
                    value: value.0,
                    timestamp: NOW,
                    step: 1500,
                })
                .collect(),
            inputs: vec![DatasetInput {
                name: "flights".to_owned(),
                digest: "9c1e5577aa".to_owned(),
                source_type: "local".to_owned(),
                source: "{}".to_owned(),
                schema: None,
                profile: None,
                context: Some("training".to_owned()),
                tags: Vec::new(),
            }],
            models: Default::default(),
        },
        experiment: "delay".to_owned(),
        rank: Some((1, 312)),
        champion: BTreeMap::from([("val_loss".to_owned(), Number(0.431))]),
        changed: vec![
            (
                "learning_rate".to_owned(),
                Some("0.05".to_owned()),
                Some("0.10".to_owned()),
            ),
            (
                "max_depth".to_owned(),
                Some("8".to_owned()),
                Some("6".to_owned()),
            ),
        ],
        equal: 12,
        artifacts: vec![("model/MLmodel".to_owned(), 812)],
        curves: vec!["val_auc".to_owned(), "val_loss".to_owned()],
        verdict: "+0.0112 on the champion, better in 5 of 5 folds.".to_owned(),
        parent: None,
        children: 0,
    })
}

/// A comparison as the daemon would answer: the asked runs and the champion.
pub fn comparison(runs: &[RunId]) -> Comparison {
    let value = |text: &str| Some(text.to_owned());
    let difference = |key: &str, values: &[&str], equal| Difference {
        kind: "param".to_owned(),
        key: key.to_owned(),
        values: values
            .iter()
            .take(runs.len())
            .chain(values.last())
            .map(|text| value(text))
            .collect(),
        equal,
    };
    Comparison {
        runs: runs
            .iter()
            .map(|run| (run.clone(), run.as_str().trim_end_matches("-id").to_owned()))
            .collect(),
        champion: Some(RunId::from("quiet-fox-id")),
        metric: Some("val_auc".to_owned()),
        differences: vec![
            difference("learning_rate", &["0.05", "0.05", "0.20", "0.10"], false),
            difference("max_depth", &["8", "10", "6", "6"], false),
            difference("seed", &["7", "7", "7", "7"], true),
        ],
        verdicts: vec![
            "A beats champion by 0.0112 in 5 of 5 folds.".to_owned(),
            "A and B differ by noise: 0.0004 is within the folds' spread (0.0021).".to_owned(),
        ],
    }
}

fn job(id: i64, title: &str, state: JobState) -> Job {
    Job {
        id: JobId(id),
        title: title.to_owned(),
        kind: "train".to_owned(),
        state,
        attempt: 1,
        max_attempts: 2,
        cause: Cause::Request {
            by: "ana".to_owned(),
        },
        run: Some(RunId::from("eager-wren-id")),
        pipeline: Some("delay".to_owned()),
        after: None,
        created: Timestamp(NOW.0 - HOUR),
        started: Some(Timestamp(NOW.0 - HOUR)),
        ended: None,
        pid: None,
        progress: None,
        doing: None,
        error: None,
    }
}

/// The jobs of the design's pictures.
pub fn jobs() -> JobsPage {
    let running = |id, title, share, left_s, cpu_percent, memory| JobRow {
        job: Job {
            progress: Some(share),
            ..job(id, title, JobState::Running)
        },
        left_s: Some(left_s),
        cpu_percent: Some(cpu_percent),
        memory: Some(memory),
    };
    let resting = |job| JobRow {
        job,
        left_s: None,
        cpu_percent: None,
        memory: None,
    };
    JobsPage {
        rows: vec![
            running(482, "train eager-wren", 0.62, 130.0, 184.0, 1_181_116_006),
            running(
                481,
                "automl delay, trial 14",
                0.14,
                560.0,
                96.0,
                751_619_276,
            ),
            resting(Job {
                after: Some(JobId(482)),
                started: None,
                ..job(483, "materialize carrier", JobState::Queued)
            }),
            resting(Job {
                ended: Some(Timestamp(NOW.0 - HOUR)),
                started: Some(Timestamp(NOW.0 - HOUR - 12_000)),
                error: Some("loss became NaN at step 212".to_owned()),
                ..job(479, "train fast-ibex", JobState::Failed)
            }),
            resting(Job {
                ended: Some(Timestamp(NOW.0 - 2 * HOUR)),
                started: Some(Timestamp(NOW.0 - 2 * HOUR - 372_000)),
                ..job(478, "train brave-otter", JobState::Succeeded)
            }),
        ],
        running: 2,
        waiting: 3,
        daemon_started: Timestamp(NOW.0 - 9 * DAY),
    }
}

/// A log that grows by itself.
pub fn log(job: JobId) -> JobLog {
    let lines: Vec<String> = (1..=32)
        .map(|epoch| {
            format!(
                "12:0{}:09 epoch {epoch} train_loss 0.439 val_loss 0.437",
                epoch % 5
            )
        })
        .collect();
    JobLog {
        job,
        total: lines.len() as u64,
        lines,
    }
}

/// What the daemon would answer to a topic; none for topics of other panes.
pub fn answer(topic: &Topic) -> Option<Snapshot> {
    Some(match topic {
        Topic::Overview => Snapshot::Overview(overview()),
        Topic::Runs(query) => Snapshot::Runs(match &query.parent {
            Some(parent) => children(parent),
            None => runs(),
        }),
        Topic::Groups { by, .. } => Snapshot::Groups(groups(by)),
        Topic::Sweep { metric, .. } => Snapshot::Sweep(sweep(metric)),
        Topic::Run { run } => Snapshot::Run(Box::new(detail(run)?)),
        Topic::Series { runs, key, .. } => Snapshot::Series(
            runs.iter()
                .enumerate()
                .map(|(place, run)| {
                    series(
                        run,
                        key,
                        220.0 + 80.0 * place as f64,
                        0.41 + 0.02 * place as f64,
                    )
                })
                .collect(),
        ),
        Topic::Compare { runs } => Snapshot::Compare(comparison(runs)),
        Topic::Jobs => Snapshot::Jobs(jobs()),
        Topic::JobLog { job, .. } => Snapshot::JobLog(log(*job)),
        _ => return None,
    })
}

/// A dashboard of this size.
pub fn app(columns: u16, rows: u16, theme: &str, markers: Markers) -> App {
    let depth = if theme == "mono" {
        Depth::None
    } else {
        Depth::Named
    };
    let setup = Setup {
        theme: Theme::named(theme, depth, markers),
        mouse: true,
        workspace: "flights".to_owned(),
        ..Setup::default()
    };
    App::new(setup, NOW, (columns, rows))
}

/// Answers every topic until no new one is asked for.
pub fn settle(app: &mut App) {
    update(
        app,
        Message::Daemon(Box::new(Update::Hello {
            protocol: 1,
            version: "0.1.0".to_owned(),
            pid: 1,
        })),
    );
    for _ in 0..4 {
        for topic in app.topics() {
            if let Some(snapshot) = answer(&topic) {
                let update_ = Update::Snapshot { topic, snapshot };
                update(app, Message::Daemon(Box::new(update_)));
            }
        }
    }
}

/// Types keys by name, separated by blanks: `j Space 6 Enter`.
pub fn press(app: &mut App, keys: &str) -> Vec<super::effect::Effect> {
    let mut effects = Vec::new();
    for name in keys.split_whitespace() {
        let key = super::keymap::Key::parse(name);
        let code = key.map_or(KeyCode::Null, |key| key.code);
        let modifiers = if key.is_some_and(|key| key.control) {
            KeyModifiers::CONTROL
        } else {
            KeyModifiers::NONE
        };
        effects.extend(update(app, Message::Key(KeyEvent::new(code, modifiers))));
    }
    effects
}

/// Lets time pass.
pub fn wait(app: &mut App, milliseconds: i64) {
    let later = Timestamp(app.now.0 + milliseconds);
    update(app, Message::Tick(later));
}

/// The picture as text, line ends trimmed.
pub fn picture(app: &App) -> String {
    let mut buffer = Buffer::empty(app.area());
    render::draw(app, &mut buffer);
    (0..buffer.area.height)
        .map(|y| {
            let line: String = (0..buffer.area.width)
                .map(|x| buffer[(x, y)].symbol())
                .collect();
            line.trim_end().to_owned()
        })
        .collect::<Vec<_>>()
        .join("\n")
}
