//! Made-up snapshots for tests of registry, features, drift and live: the ones of the design's pictures.

use crate::api::protocol::{Snapshot, Topic, Update};
use crate::domain::dataset::ColumnKind;
use crate::domain::deployment::{
    Deployment, DeploymentState, Explanation, InputShare, LatencyBucket, Limit, LivePage, Mark,
    RequestRow,
};
use crate::domain::drift::Reference;
use crate::domain::drift::{
    ColumnDrift, DriftChart, DriftDetail, DriftPage, DriftRow, DriftVerdict, Performance,
    TestResult, WindowRow,
};
use crate::domain::feature::{
    Aggregate, Entity, FeatureDetail, FeatureRow, FeatureView, FeaturesPage, Freshness, WindowSpec,
};
use crate::domain::feature_version::ViewPage;
use crate::domain::host::{GpuSample, HostSample};
use crate::domain::metric::Number;
use crate::domain::profile::{ColumnProfile, Histogram};
use crate::domain::registry::{
    AliasMove, GateMark, LineageLine, ModelPage, ModelRow, ModelVersion, MoveKind, RegisteredModel,
    VersionPage, VersionRow,
};
use crate::domain::trigger::{Check, Verdict};
use crate::domain::{DeploymentName, ModelName, RunId, Timestamp, Version};
use crate::tui::app::App;
use crate::tui::fixture::{self, NOW};
use crate::tui::message::Message;
use crate::tui::theme::Markers;
use crate::tui::update::update;
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn ago(milliseconds: i64) -> Timestamp {
    Timestamp(NOW.0 - milliseconds)
}

pub fn models() -> Vec<ModelRow> {
    let row = |name: &str, champion: u32, serving| ModelRow {
        name: ModelName::from(name),
        champion: Some(Version(champion)),
        latest: Some(Version(champion + 1)),
        serving,
    };
    vec![
        row("delay", 12, true),
        row("fare", 4, true),
        row("cancel", 7, false),
    ]
}

fn check(key: &str, name: &str, passed: bool, detail: &str, pane: Option<u8>) -> Check {
    Check {
        key: key.to_owned(),
        name: name.to_owned(),
        passed,
        detail: detail.to_owned(),
        pane,
    }
}

pub fn verdict() -> Verdict {
    Verdict::of(vec![
        check(
            "better_on_holdout",
            "better on holdout",
            true,
            "auc 0.8011 → 0.8123 (≥ +0.005)",
            None,
        ),
        check(
            "no_slice_worse",
            "no slice worse",
            true,
            "worst: carrier=HA -0.001",
            None,
        ),
        check(
            "same_inputs",
            "same inputs",
            true,
            "14 of 14 features, types equal",
            None,
        ),
        check(
            "data_like_production",
            "data like production",
            false,
            "dep_delay PSI 0.31 > 0.25",
            Some(4),
        ),
        check(
            "fast_enough",
            "fast enough",
            true,
            "p95 3.1 ms (limit 10 ms)",
            Some(5),
        ),
        check(
            "artifact_intact",
            "artifact intact",
            true,
            "sha256 4f1c… loads, predicts",
            None,
        ),
    ])
}

pub fn model(name: &ModelName) -> ModelPage {
    let version =
        |version: u32, alias: &[&str], run: &str, auc: f64, age: i64, by: &str, gate| VersionRow {
            version: ModelVersion {
                model: name.clone(),
                version: Version(version),
                run: Some(RunId::from(format!("{run}-id"))),
                source: format!("models/{name}/{version}"),
                status: "READY".to_owned(),
                stage: "None".to_owned(),
                description: String::new(),
                user: by.to_owned(),
                created: ago(age),
                updated: ago(age),
                tags: Vec::new(),
                aliases: alias.iter().map(|alias| (*alias).to_owned()).collect(),
                gate: None,
            },
            gate,
            run_name: run.to_owned(),
            metrics: BTreeMap::from([
                ("val_auc".to_owned(), Number(auc)),
                ("brier_score".to_owned(), Number(0.9 - auc)),
            ]),
            was_champion: version < 12,
        };
    let versions = vec![
        version(
            13,
            &["challenger"],
            "brave-otter",
            0.8123,
            2 * HOUR,
            "ana",
            Some(GateMark {
                clear: false,
                passed: 5,
                total: 6,
            }),
        ),
        version(12, &["champion"], "quiet-fox", 0.8011, 9 * DAY, "ana", None),
        version(11, &[], "blue-yak", 0.7980, 31 * DAY, "auto", None),
    ];
    let moved = |id, kind, from, to, age, by: &str, reason: &str| AliasMove {
        id,
        model: name.clone(),
        alias: "champion".to_owned(),
        from: Some(Version(from)),
        to: Some(Version(to)),
        kind,
        at: ago(age),
        by: by.to_owned(),
        reason: reason.to_owned(),
    };
    ModelPage {
        model: RegisteredModel {
            name: name.clone(),
            description: String::new(),
            created: ago(90 * DAY),
            updated: ago(HOUR),
            tags: Vec::new(),
            aliases: vec![
                ("challenger".to_owned(), Version(13)),
                ("champion".to_owned(), Version(12)),
            ],
        },
        metric: Some("val_auc".to_owned()),
        metrics: vec!["val_auc".to_owned(), "brier_score".to_owned()],
        versions,
        moves: 3,
        history: vec![
            moved(3, MoveKind::Promoted, 11, 12, 9 * DAY, "ana", ""),
            moved(
                2,
                MoveKind::RolledBack,
                10,
                9,
                31 * DAY,
                "bo",
                "late answers",
            ),
            moved(
                1,
                MoveKind::Forced,
                9,
                10,
                32 * DAY,
                "bo",
                "the holdout week had a strike",
            ),
        ],
    }
}

pub fn version(name: &ModelName, number: Version) -> VersionPage {
    let page = model(name);
    let of = |number| {
        page.versions
            .iter()
            .find(|row| row.version.version == number)
            .cloned()
    };
    let mut row = of(number).unwrap_or_else(|| page.versions[0].clone());
    if row.gate.is_some() {
        row.version.gate = Some((verdict(), ago(HOUR)));
    }
    let fact = |kind: &str, value: &str| LineageLine {
        kind: kind.to_owned(),
        value: value.to_owned(),
    };
    let lineage = vec![
        fact("data", "flights sha256 9c1e03ab77d1…"),
        fact(
            "features",
            "14: dep_delay, origin, distance, carrier, hour, airport_dep_delay_mean_3h",
        ),
        fact("run", "brave-otter 3fe1 by ana"),
        fact("code", "a41f0c2 train.py"),
        fact("environment", "rustc 1.89"),
    ];
    VersionPage {
        row,
        champion: of(Version(12)).filter(|_| number != Version(12)),
        metric: page.metric,
        less_is_better: vec!["brier_score".to_owned()],
        unlike: None,
        lineage,
        serving: Vec::new(),
    }
}

fn feature(
    name: &str,
    view: &str,
    freshness: Freshness,
    age: Option<i64>,
    nulls: Option<f64>,
    used: u32,
) -> FeatureRow {
    FeatureRow {
        feature: name.to_owned(),
        view: view.to_owned(),
        freshness,
        age_ms: age,
        null_share: nulls,
        used_by: (0..used)
            .map(|one| (ModelName::from("delay"), Version(13 - one)))
            .collect(),
        drifting: name == "dep_delay",
        version: 1,
        differs: false,
    }
}

pub fn features() -> FeaturesPage {
    use Freshness::{Fresh, Missing, Stale};
    FeaturesPage {
        rows: vec![
            feature(
                "carrier_delay_7d",
                "carrier",
                Fresh,
                Some(4 * MINUTE),
                Some(0.001),
                2,
            ),
            feature(
                "airport_dep_delay_mean_3h",
                "airport",
                Fresh,
                Some(4 * MINUTE),
                Some(0.0),
                3,
            ),
            feature("dep_delay", "flight", Fresh, Some(MINUTE), Some(0.024), 2),
            feature("wind_gust", "weather", Stale, Some(9 * HOUR), Some(0.0), 1),
            feature("seat_load", "booking", Missing, None, None, 0),
        ],
        views: 5,
        late: 1,
        drifting: 1,
    }
}

pub fn feature_detail(view: &str, name: &str) -> FeatureDetail {
    let row = features()
        .rows
        .into_iter()
        .find(|row| row.view == view && row.feature == name)
        .unwrap_or_else(|| feature(name, view, Freshness::Missing, None, None, 0));
    let known = row.freshness != Freshness::Missing;
    let counts = [1u64, 2, 3, 5, 7, 8, 6, 4, 2, 1];
    FeatureDetail {
        row,
        view: FeatureView {
            name: view.to_owned(),
            description: "arrivals by carrier".to_owned(),
            owner: "ana".to_owned(),
            entity: Entity {
                name: "carrier".to_owned(),
                keys: vec!["carrier".to_owned()],
            },
            dataset: "arrived".to_owned(),
            event_time: "at".to_owned(),
            available_at: None,
            columns: Vec::new(),
            windows: vec![WindowSpec {
                column: "delay".to_owned(),
                aggregates: vec![Aggregate::Mean],
                over: vec![("7d".to_owned(), 7 * DAY * 1000)],
                value: None,
            }],
            ttl: Some(3 * HOUR * 1000),
            ..FeatureView::default()
        },
        meaning: "mean delay of carrier over 7d".to_owned(),
        profile: known.then(|| ColumnProfile {
            name: name.to_owned(),
            kind: ColumnKind::Number,
            rows: 16,
            nulls: 0,
            infinities: 0,
            distinct: 16,
            min: Some(0.0),
            max: Some(91.0),
            mean: Some(31.4),
            std: Some(12.2),
            quantiles: Vec::new(),
            histogram: Histogram {
                edges: (0..=10).map(|edge| f64::from(edge) * 9.1).collect(),
                counts: counts.to_vec(),
            },
            top: Vec::new(),
            ..ColumnProfile::default()
        }),
        event_time: known.then(|| ago(4 * MINUTE)),
        online_keys: if known { 16 } else { 0 },
        online_equal: known.then_some((16, 16)),
        values: if known {
            [("AA", "12.5"), ("DL", "8.25"), ("UA", "31")]
                .map(|(key, value)| (key.to_owned(), value.to_owned(), 4 * MINUTE))
                .to_vec()
        } else {
            Vec::new()
        },
        join_command: "trainyard features join delay --out FILE".to_owned(),
        definition: ViewPage::default(),
    }
}

const MONTHS: [(&str, f64); 7] = [
    ("2013-05", 0.742),
    ("2013-06", 0.738),
    ("2013-07", 0.729),
    ("2013-08", 0.731),
    ("2013-09", 0.705),
    ("2013-10", 0.691),
    ("2013-11", 0.672),
];

pub fn windows() -> Vec<WindowRow> {
    MONTHS
        .iter()
        .enumerate()
        .map(|(place, (label, auc))| {
            let left = (MONTHS.len() - place) as i64;
            WindowRow {
                id: place as i64 + 1,
                label: (*label).to_owned(),
                from: ago(left * 30 * DAY),
                to: ago((left - 1) * 30 * DAY),
                rows: 24_000 + 310 * place as u64,
                version: Some(Version(if place < 4 { 11 } else { 12 })),
                drifted: (place as u64).saturating_sub(4),
                of: 14,
                performance: Some(Performance {
                    labelled: if place == 6 { 9_000 } else { 24_000 },
                    served: 25_000,
                    metrics: vec![
                        ("roc_auc".to_owned(), *auc),
                        ("brier_score".to_owned(), 0.9 - auc),
                    ],
                    mean_prediction: 0.21,
                    rate: 0.2 + 0.01 * place as f64,
                    provisional: place == 6,
                }),
                verdict: if place > 4 {
                    DriftVerdict::Drift
                } else {
                    DriftVerdict::Stable
                },
            }
        })
        .collect()
}

pub fn drift(report: Option<i64>, against: Option<&Reference>) -> DriftPage {
    let row = |column: &str, score: f64, verdict, rise: f64| DriftRow {
        column: column.to_owned(),
        method: "psi".to_owned(),
        score: Some(score),
        p_value: None,
        limit: 0.25,
        verdict,
        history: (0..7)
            .map(|place| Some(score * (1.0 - rise * (1.0 - f64::from(place) / 6.0))))
            .collect(),
    };
    use DriftVerdict::{Drift, Stable};
    let windows = windows();
    let shown = report.unwrap_or(7);
    let label = &windows[shown as usize - 1].label;
    DriftPage {
        monitors: vec!["delay".to_owned()],
        monitor: "delay".to_owned(),
        deployment: DeploymentName::from("delay"),
        reference: match against {
            None => "training of v12".to_owned(),
            Some(Reference::Version(version)) => format!("training of {version}"),
            Some(Reference::Window(id)) => format!("{} as served", MONTHS[*id as usize - 1].0),
        },
        references: vec![
            (
                Reference::Version(Version(12)),
                "training of v12".to_owned(),
            ),
            (
                Reference::Version(Version(11)),
                "training of v11".to_owned(),
            ),
            (Reference::Window(1), format!("{} as served", MONTHS[0].0)),
        ],
        against: against.cloned(),
        shown: Some(shown),
        rows: vec![
            row("dep_delay", 0.31, Drift, 0.8),
            row("origin", 0.27, Drift, 0.9),
            row("airport_carrier_dep_delay_mean_3h", 0.04, Stable, 0.2),
            row("distance", 0.04, Stable, 0.2),
            DriftRow {
                method: "ks".to_owned(),
                p_value: Some(0.0031),
                limit: 0.05,
                ..row("carrier", 0.02, Drift, 0.0)
            },
            row("PREDICTION", 0.08, Stable, 0.5),
        ],
        since: Some(windows[5].from),
        sentence: format!("2 of 14 drift since 24 Sep; dep_delay above 90 is new in {label}"),
        windows,
    }
}

pub fn drift_column(report: i64, column: &str) -> DriftDetail {
    let test = |method: &str, value, threshold, verdict| TestResult {
        method: method.to_owned(),
        value: Some(value),
        p_value: None,
        threshold,
        verdict,
        note: None,
    };
    DriftDetail {
        report,
        label: MONTHS[report as usize - 1].0.to_owned(),
        column: ColumnDrift {
            column: column.to_owned(),
            kind: ColumnKind::Number,
            tests: vec![
                test("psi", 0.31, 0.25, DriftVerdict::Drift),
                test("jensen_shannon", 0.08, 0.1, DriftVerdict::Stable),
            ],
            verdict: DriftVerdict::Drift,
            null_reference: 0.0,
            null_current: 0.02,
            changes: vec![
                "median 14 → 22".to_owned(),
                "new above 90: 6 % of rows".to_owned(),
            ],
            chart: DriftChart {
                edges: (0..=10).map(|edge| f64::from(edge) * 12.0).collect(),
                categories: Vec::new(),
                reference: vec![0.05, 0.12, 0.2, 0.22, 0.16, 0.1, 0.08, 0.05, 0.02, 0.0],
                current: vec![0.03, 0.08, 0.15, 0.2, 0.18, 0.12, 0.09, 0.07, 0.05, 0.03],
            },
        },
        samples: vec!["108 to 120: 3.0 % (was 0.0 %)".to_owned()],
    }
}

pub fn live(deployment: &str, window_s: u64, healthy: bool) -> LivePage {
    let limit =
        |name: &str, value: f64, bound: Option<f64>, unit: &str, history: fn(usize) -> f64| Limit {
            name: name.to_owned(),
            value: Some(value),
            limit: bound,
            unit: unit.to_owned(),
            holds: bound.is_none_or(|bound| value <= bound),
            history: (0..60).map(|place| Some(history(place))).collect(),
        };
    let width = window_s as i64 * 1000 / 60;
    let latency = (0..60)
        .map(|place| {
            let high = if place == 20 { 3.0 } else { 1.0 };
            LatencyBucket {
                at: Timestamp(NOW.0 - (60 - place) * width),
                requests: 615,
                failed: 0,
                p50: Some(1.4 * high),
                p95: Some(2.9 * high),
                p99: Some(3.9 * high),
            }
        })
        .collect();
    let request = |second: i64, status, ms, answer: &str, detail: &str| RequestRow {
        id: format!("r{second}"),
        at: ago(second * 1000),
        status,
        ms,
        rows: 1,
        version: (status == 200).then_some(Version(12)),
        answer: answer.to_owned(),
        detail: detail.to_owned(),
    };
    LivePage {
        deployments: vec![DeploymentName::from("delay"), DeploymentName::from("fare")],
        deployment: Deployment {
            name: DeploymentName::from(deployment),
            model: ModelName::from(deployment),
            alias: "champion".to_owned(),
            version: Some(Version(12)),
            since: Some(ago(9 * DAY)),
            state: DeploymentState::Ready,
            reason: None,
        },
        sentence: if healthy {
            "HEALTHY: 4 of 4 within limits".to_owned()
        } else {
            "UNHEALTHY: 3 of 4 within limits; p95 12.9 ms > 10 ms since 11:58, after promoted v12"
                .to_owned()
        },
        healthy,
        window_s,
        limits: vec![
            limit("traffic", 41.0, None, "/s", |place| {
                30.0 + (place % 9) as f64
            }),
            limit("errors", 0.02, Some(1.0), "%", |place| {
                if place == 30 { 0.4 } else { 0.0 }
            }),
            limit(
                "p95",
                if healthy { 2.9 } else { 12.9 },
                Some(10.0),
                "ms",
                |place| 2.5 + (place % 5) as f64 / 5.0,
            ),
            limit("drift", 0.08, Some(0.25), "", |place| place as f64 / 750.0),
        ],
        latency,
        predictions: Histogram {
            edges: (0..=20).map(|edge| f64::from(edge) / 20.0).collect(),
            counts: (0..20).map(|bin| 300 - bin * 14).collect(),
        },
        predictions_before: Histogram {
            edges: (0..=20).map(|edge| f64::from(edge) / 20.0).collect(),
            counts: (0..20).map(|bin| 400 - bin * 20).collect(),
        },
        before: "training of v12".to_owned(),
        marks: vec![Mark {
            at: Timestamp(NOW.0 - 30 * width),
            text: "promoted v12".to_owned(),
        }],
        requests: vec![
            request(1, 200, 2.7, "late 0.81", "AA JFK→SFO dep_delay 34, wind 21"),
            request(2, 200, 2.9, "late 0.12", "DL ATL→MIA"),
            request(3, 400, 0.3, "", "\"distance\" must be a number"),
        ],
        total: (36_900, 7),
        dropped: 0,
    }
}

pub fn explanation() -> Explanation {
    let share = |input: &str, value: &str, effect, surprise, outlier, note: &str| InputShare {
        input: input.to_owned(),
        value: value.to_owned(),
        surprise,
        outlier,
        effect,
        note: note.to_owned(),
    };
    Explanation {
        request: live("delay", 900, true).requests[0].clone(),
        inputs: vec![
            share(
                "dep_delay",
                "34",
                0.31,
                4.1,
                true,
                "above 99 of 100 training rows",
            ),
            share("wind_gust", "21", 0.08, 1.2, false, ""),
            share("carrier", "AA", -0.01, 0.3, false, ""),
        ],
        sentence:
            "late 0.81 because dep_delay 34 (+0.31), wind_gust 21 (+0.08); 1 input is unusual"
                .to_owned(),
    }
}

pub fn host() -> HostSample {
    HostSample {
        name: "gpu-7".to_owned(),
        cores: 8,
        cpu_percent: 41.0,
        memory_used: 5_583_457_484,
        memory_total: 34_359_738_368,
        disk_free: 128_849_018_880,
        disk_total: 512_000_000_000,
        received_per_s: 1000,
        sent_per_s: 2000,
        gpus: vec![GpuSample {
            name: "H100".to_owned(),
            percent: 12,
            memory_used: 3_328_599_654,
            memory_total: 85_899_345_920,
            temperature: Some(41),
        }],
        daemon_resident: 73_400_320,
    }
}

/// What the daemon would answer.
pub fn answer(topic: &Topic) -> Option<Snapshot> {
    Some(match topic {
        Topic::Models => Snapshot::Models(models()),
        Topic::Model { model: name } => Snapshot::Model(Box::new(model(name))),
        Topic::Version {
            model: name,
            version: number,
        } => Snapshot::Version(Box::new(version(name, *number))),
        Topic::Features => Snapshot::Features(features()),
        Topic::Feature { view, feature } => {
            Snapshot::Feature(Box::new(feature_detail(view, feature)))
        }
        Topic::Drift {
            report, against, ..
        } => Snapshot::Drift(Some(drift(*report, against.as_ref()))),
        Topic::DriftColumn { report, column, .. } => {
            Snapshot::DriftColumn(Box::new(drift_column(*report, column)))
        }
        Topic::Live {
            deployment,
            window_s,
        } => {
            let name = deployment.as_ref().map_or("delay", DeploymentName::as_str);
            Snapshot::Live(Some(Box::new(live(name, *window_s, name == "delay"))))
        }
        Topic::Host => Snapshot::Host(host()),
        other => return fixture::answer(other),
    })
}

/// Hands the app a snapshot.
pub fn give(app: &mut App, topic: Topic, snapshot: Snapshot) {
    update(
        app,
        Message::Daemon(Box::new(Update::Snapshot { topic, snapshot })),
    );
}

/// Answers every topic until no new one is asked for.
pub fn settle(app: &mut App) {
    for _ in 0..4 {
        for topic in app.topics() {
            if let Some(snapshot) = answer(&topic) {
                give(app, topic, snapshot);
            }
        }
    }
}

/// A dashboard of this size with pane `key` open and its topics answered.
pub fn open(key: &str, columns: u16, rows: u16, theme: &str, markers: Markers) -> App {
    let mut app = fixture::app(columns, rows, theme, markers);
    fixture::press(&mut app, key);
    fixture::settle(&mut app);
    settle(&mut app);
    app
}

/// The picture at every size that matters, then in ASCII without colours.
pub fn pictures(key: &str, keys: &str) -> String {
    let mut out = String::new();
    for (columns, rows) in [(80, 24), (120, 35), (160, 45), (60, 15)] {
        let mut app = open(key, columns, rows, "dark", Markers::Auto);
        fixture::press(&mut app, keys);
        settle(&mut app);
        out.push_str(&format!("{columns}x{rows}\n{}\n\n", fixture::picture(&app)));
    }
    let mut app = open(key, 80, 24, "mono", Markers::Ascii);
    fixture::press(&mut app, keys);
    settle(&mut app);
    let shown = fixture::picture(&app);
    assert!(shown.is_ascii(), "{shown}");
    out.push_str(&format!("80x24 in ASCII\n{shown}"));
    out
}
