//! Text -> [`Config`], one function per kind of table.

use super::read::{Problems, Section};
use super::views::{Lines, read_view};
use super::{
    Config, DatasetConfig, DeploymentConfig, FeatureUse, LabelsConfig, MonitorConfig,
    PipelineConfig, Problem, TlsConfig, TriggerConfig, TriggerOn, check,
};
use crate::domain::job::TrainerSpec;
use crate::domain::registry::CHAMPION;
use crate::domain::trigger::Gate;
use crate::domain::{DeploymentName, ModelName};
use std::collections::BTreeMap;
use toml_span::Value;
use toml_span::value::ValueInner;

/// Reads `trainyard.toml`'s text.
///
/// # Errors
/// Every problem in it, in order of lines; never only the first, unless the text is no TOML at all.
pub fn parse(text: &str) -> Result<Config, Vec<Problem>> {
    let (config, problems) = read(text);
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// What of the text is understood, and every problem in it, in order of lines.
pub(super) fn read(text: &str) -> (Config, Vec<Problem>) {
    let problems = Problems::new(text);
    let root = match toml_span::parse(text) {
        Ok(root) => root,
        Err(error) => {
            problems.add(error.span.start, format!("not valid TOML: {error}"), "");
            return (Config::default(), problems.into_found());
        }
    };
    let top = Section::new(&problems, "", &root);
    let mut config = read_top(&top);
    top.finish();
    inherit_times(&mut config);
    check::check(&config, &root, &problems);
    (config, problems.into_found())
}

/// A view without times of its own has those of its dataset.
fn inherit_times(config: &mut Config) {
    let Config {
        views, datasets, ..
    } = config;
    for view in views {
        let Some(dataset) = datasets.iter().find(|dataset| dataset.name == view.dataset) else {
            continue;
        };
        if view.event_time.is_empty() {
            view.event_time = dataset.timestamp.clone().unwrap_or_default();
        }
        if view.available_at.is_none() {
            view.available_at = dataset.available_at.clone();
        }
    }
}

/// `tls = true`, or `tls = { cert = "…", key = "…" }`.
fn read_tls(server: &Section<'_, '_>) -> Option<TlsConfig> {
    match server.value("tls")?.as_bool() {
        Some(true) => Some(TlsConfig::Own),
        Some(false) => None,
        None => server.section("tls").map(|section| {
            let files = TlsConfig::Files {
                cert: section.need_text("cert", "the path of a PEM file with the certificate"),
                key: section.need_text("key", "the path of a PEM file with its private key"),
            };
            section.finish();
            files
        }),
    }
}

fn read_top(top: &Section<'_, '_>) -> Config {
    let mut hosts = Vec::new();
    let mut tls = None;
    let (mut behind_proxy, mut open_loopback) = (false, false);
    let listen = top.section("server").and_then(|server| {
        tls = read_tls(&server);
        behind_proxy = server.flag("behind_proxy", false);
        open_loopback = server.flag("open_loopback", false);
        if behind_proxy && open_loopback {
            top.problems.add(
                server.place_of("open_loopback"),
                "`server.open_loopback` opens what a proxy forwards to everybody",
                "keep one of `behind_proxy` and `open_loopback`",
            );
        }
        let listen = server.text("listen");
        hosts = server.texts("hosts").unwrap_or_default();
        if let Some(address) = &listen
            && address.parse::<std::net::SocketAddr>().is_err()
        {
            let place = server.place_of("listen");
            top.problems.add(
                place,
                format!("`server.listen` is `{address}`, no address"),
                "write \"127.0.0.1:5000\"; port 0 asks for a free one",
            );
        }
        server.finish();
        listen
    });
    let (jobs, memory) = top.section("runtime").map_or((None, None), |runtime| {
        let read = (runtime.count("jobs", 1), runtime.bytes("memory"));
        runtime.finish();
        read
    });
    let keys = top
        .section("keys")
        .map(|section| read_keys(&section))
        .unwrap_or_default();
    let datasets = top
        .named("dataset")
        .into_iter()
        .map(|(name, section)| read_dataset(name, section))
        .collect();
    let mut lines = Lines::new();
    let views = top
        .named("feature_view")
        .into_iter()
        .map(|(name, section)| read_view(name, section, &mut lines))
        .collect();
    let pipelines = top
        .named("pipeline")
        .into_iter()
        .map(|(name, section)| read_pipeline(name, section))
        .collect();
    let deployments = top
        .named("deployment")
        .into_iter()
        .map(|(name, section)| read_deployment(&name, section))
        .collect();
    let monitors = top
        .named("monitor")
        .into_iter()
        .map(|(name, section)| read_monitor(name, section))
        .collect();
    let triggers = top
        .list("trigger")
        .into_iter()
        .filter_map(read_trigger)
        .collect();
    Config {
        name: top.text("name"),
        production: top.flag("production", false),
        listen,
        hosts,
        tls,
        behind_proxy,
        open_loopback,
        memory,
        jobs: jobs
            .and_then(|jobs| usize::try_from(jobs).ok())
            .unwrap_or(2),
        datasets,
        views,
        lines,
        pipelines,
        deployments,
        monitors,
        triggers,
        keys,
        chart: top.text("chart"),
        theme: top.text("theme"),
        mouse: top.flag("mouse", true),
    }
}

fn read_keys(section: &Section<'_, '_>) -> BTreeMap<String, Vec<String>> {
    let mut keys = BTreeMap::new();
    for (action, value) in section.entries() {
        let list = match value.as_ref() {
            ValueInner::String(key) => Some(vec![key.to_string()]),
            ValueInner::Array(items) => items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => None,
        };
        match list {
            Some(list) => drop(keys.insert(action, list)),
            None => section.problems.add(
                value.span.start,
                format!("`keys.{action}` must be a list of keys"),
                "write [\"p\", \"P\"]",
            ),
        }
    }
    keys
}

fn read_dataset(name: String, section: Section<'_, '_>) -> DatasetConfig {
    let dataset = DatasetConfig {
        path: section.text("path"),
        sql: section.text("sql"),
        timestamp: section.text("timestamp"),
        available_at: section.text("available_at"),
        known: section
            .section("known")
            .map(|known| read_known(&known))
            .unwrap_or_default(),
        schema: section.text("schema"),
        line: section.problems.place(section.offset).0,
        name,
    };
    if dataset.path.is_some() == dataset.sql.is_some() {
        section.problems.add(
            section.offset,
            format!("`dataset.{}` needs either `path` or `sql`", dataset.name),
            "path is a glob such as \"data/*.parquet\"",
        );
    }
    if dataset.sql.is_some() && !dataset.known.is_empty() {
        section.problems.add(
            section.place_of("known"),
            format!(
                "`dataset.{}.known` is about a dataset of files",
                dataset.name
            ),
            "say it of the datasets that the `sql` reads",
        );
    }
    section.finish();
    dataset
}

/// `{ arr_delay = "arr_utc" }`.
fn read_known(section: &Section<'_, '_>) -> Vec<(String, String)> {
    let mut known = Vec::new();
    for (column, value) in section.entries() {
        match value.as_str() {
            Some(instant) => known.push((column, instant.to_owned())),
            None => section.problems.add(
                section.place_of(&column),
                format!("`{}` is no column's name", section.full(&column)),
                "the column with the instant from which the value was known",
            ),
        }
    }
    known
}

fn read_pipeline(name: String, section: Section<'_, '_>) -> PipelineConfig {
    let features = section
        .value("features")
        .map(|value| read_features(&section, value))
        .unwrap_or_default();
    let trainer = section
        .section("trainer")
        .map(|trainer| read_trainer(&trainer))
        .unwrap_or_else(|| TrainerSpec {
            kind: "boosting".to_owned(),
            params: BTreeMap::new(),
        });
    let gate = section.section("gate").map_or_else(empty_gate, read_gate);
    let holdout = section.number("holdout").unwrap_or(0.2);
    if !(0.0..0.9).contains(&holdout) {
        section.problems.add(
            section.place_of("holdout"),
            format!("`{}` is {holdout}", section.full("holdout")),
            "write a share from 0 to 0.9",
        );
    }
    let pipeline = PipelineConfig {
        dataset: section.need_text("dataset", "name the [dataset.…] with its rows"),
        target: section.need_text("target", "name the column to predict"),
        task: section.text("task"),
        row_key: section.text("row_key"),
        target_known_at: section.text("target_known_at"),
        features,
        inputs: section.texts("inputs").unwrap_or_default(),
        exclude: section.texts("exclude").unwrap_or_default(),
        trainer,
        gate,
        holdout,
        seed: section.count("seed", 0).map_or(42, i64::unsigned_abs),
        from: section.instant("from"),
        to: section.instant("to"),
        window: section.duration("window").map(|ms| ms * 1000),
        model: ModelName(section.text("model").unwrap_or_else(|| name.clone())),
        experiment: section.text("experiment").unwrap_or_else(|| name.clone()),
        attempts: section
            .count("attempts", 1)
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(2),
        line: section.problems.place(section.offset).0,
        name,
    };
    if let Some(task) = &pipeline.task
        && !["binary", "multiclass", "regression"].contains(&task.as_str())
    {
        section.problems.add(
            section.place_of("task"),
            format!("there is no task `{task}`"),
            "known: binary, multiclass, regression",
        );
    }
    section.finish();
    pipeline
}

/// `"view:feature"`, `"view:*"`, or `{ view = "airport", features = […], keys = ["dest"], prefix = "dest_" }`.
fn read_features(section: &Section<'_, '_>, value: &Value<'_>) -> Vec<FeatureUse> {
    let mut uses = Vec::new();
    let Some(items) = value.as_array() else {
        section.problems.add(
            value.span.start,
            format!("`{}` must be a list", section.full("features")),
            "write [\"view:*\"]",
        );
        return uses;
    };
    for item in items {
        if let Some(text) = item.as_str() {
            match text.split_once(':') {
                Some((view, feature)) if !view.is_empty() && !feature.is_empty() => {
                    uses.push(FeatureUse {
                        view: view.to_owned(),
                        feature: (feature != "*").then(|| feature.to_owned()),
                        keys: Vec::new(),
                        prefix: String::new(),
                    })
                }
                _ => section.problems.add(
                    item.span.start,
                    format!("`{text}` names no feature"),
                    "write \"view:feature\" or \"view:*\"",
                ),
            }
            continue;
        }
        let one = Section::new(section.problems, section.full("features"), item);
        let view = one.need_text("view", "name the [feature_view.…]");
        let keys = one.texts("keys").unwrap_or_default();
        let prefix = one.text("prefix").unwrap_or_default();
        match one.texts("features") {
            Some(features) => uses.extend(features.into_iter().map(|feature| FeatureUse {
                view: view.clone(),
                feature: Some(feature),
                keys: keys.clone(),
                prefix: prefix.clone(),
            })),
            None => uses.push(FeatureUse {
                view,
                feature: None,
                keys,
                prefix,
            }),
        }
        one.finish();
    }
    uses
}

fn read_trainer(section: &Section<'_, '_>) -> TrainerSpec {
    let kind = section.need_text("kind", "for example kind = \"logistic\"");
    let params = section
        .entries()
        .into_iter()
        .filter(|(key, _)| key != "kind")
        .map(|(key, value)| (key, json(value)))
        .collect();
    TrainerSpec { kind, params }
}

fn json(value: &Value<'_>) -> serde_json::Value {
    match value.as_ref() {
        ValueInner::String(text) => text.to_string().into(),
        ValueInner::Integer(integer) => (*integer).into(),
        ValueInner::Float(float) => (*float).into(),
        ValueInner::Boolean(flag) => (*flag).into(),
        ValueInner::Array(items) => items.iter().map(json).collect(),
        ValueInner::Table(table) => table
            .iter()
            .map(|(key, value)| (key.name.to_string(), json(value)))
            .collect(),
    }
}

fn empty_gate() -> Gate {
    Gate {
        metric: String::new(),
        at_least: None,
        beat: Some(CHAMPION.to_owned()),
        by: 0.0,
        slices: Vec::new(),
        slice_drop: 0.02,
        max_psi: None,
        max_p95_ms: None,
    }
}

fn read_gate(section: Section<'_, '_>) -> Gate {
    let gate = Gate {
        metric: section.need_text("metric", "for example metric = \"roc_auc\""),
        at_least: section.number("at_least"),
        beat: Some(section.text("beat").unwrap_or_else(|| CHAMPION.to_owned())),
        by: section.number("by").unwrap_or(0.0),
        slices: section.texts("slices").unwrap_or_default(),
        slice_drop: section.number("slice_drop").unwrap_or(0.02),
        max_psi: section.number("max_psi"),
        max_p95_ms: section.number("max_p95_ms"),
    };
    section.finish();
    gate
}

fn read_deployment(name: &str, section: Section<'_, '_>) -> DeploymentConfig {
    let deployment = DeploymentConfig {
        name: DeploymentName(name.to_owned()),
        model: ModelName(section.text("model").unwrap_or_else(|| name.to_owned())),
        alias: section.text("alias").unwrap_or_else(|| CHAMPION.to_owned()),
        max_error_percent: section.number("max_error_percent").unwrap_or(1.0),
        max_p95_ms: section.number("max_p95_ms").unwrap_or(50.0),
        max_drift: section.number("max_drift").unwrap_or(0.25),
    };
    section.finish();
    deployment
}

fn read_monitor(name: String, section: Section<'_, '_>) -> MonitorConfig {
    let labels = section.section("labels").map(|labels| {
        let read = LabelsConfig {
            dataset: labels.need_text("dataset", "name the [dataset.…] with the labels"),
            key: labels.need_text("key", "the column with the request's row key"),
            column: labels.need_text("column", "the column with the label"),
            known_at: labels.text("known_at"),
        };
        labels.finish();
        read
    });
    let tests = section.section("tests").map(|tests| {
        let mut limits = BTreeMap::new();
        for (test, value) in tests.entries() {
            match value
                .as_float()
                .or_else(|| value.as_integer().map(|limit| limit as f64))
            {
                Some(limit) => drop(limits.insert(test, limit)),
                None => tests.problems.add(
                    value.span.start,
                    format!("the limit of `{test}` must be a number"),
                    "",
                ),
            }
        }
        limits
    });
    let metric = section.section("metric").map(|metric| {
        let read = (
            metric.need_text("name", "for example name = \"roc_auc\""),
            metric.number("limit").unwrap_or(f64::NAN),
        );
        metric.finish();
        read
    });
    let monitor = MonitorConfig {
        deployment: DeploymentName(
            section.need_text("deployment", "name the [deployment.…] it watches"),
        ),
        every: section.duration("every"),
        window: section.duration("window").unwrap_or(86_400_000),
        tests: tests.unwrap_or_default(),
        labels,
        metric,
        name,
    };
    section.finish();
    monitor
}

fn read_trigger(section: Section<'_, '_>) -> Option<TriggerConfig> {
    let pipeline = section.need_text("pipeline", "name the [pipeline.…] it starts");
    let kind = section.need_text("on", "one of file, schedule, drift, metric");
    let monitor = |section: &Section<'_, '_>| {
        section.need_text("monitor", "name the [monitor.…] it listens to")
    };
    let on = match kind.as_str() {
        "file" => Some(TriggerOn::File {
            debounce: section.duration("debounce").unwrap_or(5_000),
        }),
        "schedule" => Some(TriggerOn::Schedule {
            every: section.duration("every").unwrap_or(86_400_000),
        }),
        "drift" => Some(TriggerOn::Drift {
            monitor: monitor(&section),
        }),
        "metric" => Some(TriggerOn::Metric {
            monitor: monitor(&section),
        }),
        "" => None,
        other => {
            section.problems.add(
                section.place_of("on"),
                format!("there is no trigger on `{other}`"),
                "known: file, schedule, drift, metric",
            );
            None
        }
    };
    section.finish();
    on.map(|on| TriggerConfig { pipeline, on })
}
