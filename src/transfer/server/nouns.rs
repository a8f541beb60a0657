//! MLflow's JSON as a client reads it: experiments, runs, points, logged models become this program's nouns. No IO.

use crate::domain::experiment::Lifecycle;
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
use crate::domain::metric::Metric;
use crate::domain::run::{DatasetInput, Pair, Run, RunModels, RunStatus};
use crate::domain::{Error, ExperimentId, LoggedModelId, Result, RunId, Timestamp};
use crate::store::mlflow_db::infinite;
use serde_json::Value;

pub(super) fn text(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Whole numbers come as numbers, from some servers as text.
pub(super) fn number(value: &Value, key: &str) -> Option<i64> {
    match &value[key] {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

pub(super) fn time(value: &Value, key: &str) -> Timestamp {
    Timestamp(number(value, key).unwrap_or(0))
}

pub(super) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn lifecycle(value: &Value) -> Lifecycle {
    match value["lifecycle_stage"].as_str() {
        Some("deleted") => Lifecycle::Deleted,
        _ => Lifecycle::Active,
    }
}

pub(super) fn pairs(value: &Value, key: &str) -> Vec<Pair> {
    list(value, key)
        .iter()
        .map(|pair| Pair {
            key: text(pair, "key"),
            value: text(pair, "value"),
        })
        .collect()
}

pub(super) fn tuples(value: &Value, key: &str) -> Vec<(String, String)> {
    pairs(value, key)
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect()
}

pub(super) fn metric(value: &Value) -> Result<Metric> {
    let read = match &value["value"] {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "Infinity" => Some(f64::INFINITY),
            "-Infinity" => Some(f64::NEG_INFINITY),
            other => other.parse().ok(),
        },
        // A value of zero may be left out.
        Value::Null => Some(0.0),
        _ => None,
    };
    Ok(Metric {
        key: text(value, "key"),
        value: infinite(read.ok_or_else(|| {
            Error::invalid(format!("`{value}` is no metric: its value is no number"))
        })?),
        timestamp: time(value, "timestamp"),
        step: number(value, "step").unwrap_or(0),
    })
}

pub(super) fn run(value: &Value) -> Run {
    let (info, data) = (&value["info"], &value["data"]);
    let id = match text(info, "run_id") {
        id if id.is_empty() => text(info, "run_uuid"),
        id => id,
    };
    let tags = pairs(data, "tags");
    let named = tags.iter().find(|tag| tag.key == "mlflow.runName");
    Run {
        name: match text(info, "run_name") {
            name if name.is_empty() => named.map_or(name, |tag| tag.value.clone()),
            name => name,
        },
        id: RunId(id),
        experiment: ExperimentId(text(info, "experiment_id")),
        user: text(info, "user_id"),
        status: RunStatus::parse(&text(info, "status")).unwrap_or(RunStatus::Failed),
        started: time(info, "start_time"),
        ended: number(info, "end_time")
            .filter(|end| *end > 0)
            .map(Timestamp),
        lifecycle: lifecycle(info),
        artifact_uri: text(info, "artifact_uri"),
        params: pairs(data, "params"),
        // Only the keys matter: the values come with the points.
        metrics: list(data, "metrics")
            .iter()
            .map(|one| Metric {
                key: text(one, "key"),
                value: 0.0,
                timestamp: Timestamp(0),
                step: 0,
            })
            .collect(),
        inputs: list(&value["inputs"], "dataset_inputs")
            .iter()
            .map(|input| {
                let dataset = &input["dataset"];
                let optional = |key: &str| Some(text(dataset, key)).filter(|text| !text.is_empty());
                DatasetInput {
                    name: text(dataset, "name"),
                    digest: text(dataset, "digest"),
                    source_type: text(dataset, "source_type"),
                    source: text(dataset, "source"),
                    schema: optional("schema"),
                    profile: optional("profile"),
                    context: pairs(input, "tags")
                        .into_iter()
                        .find(|tag| tag.key == "mlflow.data.context")
                        .map(|tag| tag.value),
                    tags: pairs(input, "tags")
                        .into_iter()
                        .filter(|tag| tag.key != "mlflow.data.context")
                        .collect(),
                }
            })
            .collect(),
        models: RunModels {
            inputs: list(&value["inputs"], "model_inputs")
                .iter()
                .map(|model| LoggedModelId(text(model, "model_id")))
                .collect(),
            outputs: list(&value["outputs"], "model_outputs")
                .iter()
                .map(|model| {
                    let step = number(model, "step").unwrap_or(0);
                    (LoggedModelId(text(model, "model_id")), step)
                })
                .collect(),
        },
        tags,
    }
}

pub(super) fn logged_model(value: &Value) -> Result<LoggedModel> {
    let (info, data) = (&value["info"], &value["data"]);
    let id = LoggedModelId(text(info, "model_id"));
    let optional =
        |value: &Value, key: &str| Some(text(value, key)).filter(|text| !text.is_empty());
    let status = match text(info, "status").as_str() {
        "LOGGED_MODEL_PENDING" => LoggedModelStatus::Pending,
        "LOGGED_MODEL_READY" => LoggedModelStatus::Ready,
        "LOGGED_MODEL_UPLOAD_FAILED" => LoggedModelStatus::Failed,
        _ => LoggedModelStatus::Unspecified,
    };
    Ok(LoggedModel {
        experiment: ExperimentId(text(info, "experiment_id")),
        name: text(info, "name"),
        artifact_uri: text(info, "artifact_uri"),
        created: time(info, "creation_timestamp_ms"),
        updated: time(info, "last_updated_timestamp_ms"),
        status,
        lifecycle: Lifecycle::Active,
        model_type: text(info, "model_type"),
        source_run: optional(info, "source_run_id").map(RunId),
        status_message: optional(info, "status_message"),
        tags: pairs(info, "tags"),
        params: pairs(data, "params"),
        metrics: list(data, "metrics")
            .iter()
            .map(|one| {
                Ok(ModelMetric {
                    metric: metric(one)?,
                    model: id.clone(),
                    run: RunId(text(one, "run_id")),
                    dataset_name: optional(one, "dataset_name"),
                    dataset_digest: optional(one, "dataset_digest"),
                })
            })
            .collect::<Result<_>>()?,
        id,
    })
}
