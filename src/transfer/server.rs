//! A live tracking server that speaks MLflow's REST: MLflow's own, or this program's.

use super::{BLOCK, Page, Source};
use crate::api::client::{Address, Http};
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::{DatasetInput, Pair, Run, RunModels, RunStatus};
use crate::domain::{
    Error, ErrorKind, ExperimentId, LoggedModelId, ModelName, Result, RunId, Timestamp, Version,
};
use crate::store::mlflow_db::infinite;
use serde_json::{Value, json};
use std::io::Read;
use std::time::Duration;

/// One level of a place: files with their sizes, and folders.
type Level = (Vec<(String, u64)>, Vec<String>);

/// Rows asked for at once.
const PAGE: u64 = 500;
/// How long an answer may take: large pages of a loaded server.
const PATIENCE: Duration = Duration::from_secs(300);
/// Folders inside each other at most.
const DEPTH: usize = 64;

/// See the module's text.
pub struct Server {
    name: String,
    http: Http,
    /// Sent with every request.
    headers: Vec<(String, String)>,
    left_out: Vec<String>,
}

fn text(value: &Value, key: &str) -> String {
    match &value[key] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Whole numbers come as numbers, from some servers as text.
fn number(value: &Value, key: &str) -> Option<i64> {
    match &value[key] {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn time(value: &Value, key: &str) -> Timestamp {
    Timestamp(number(value, key).unwrap_or(0))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn lifecycle(value: &Value) -> Lifecycle {
    match value["lifecycle_stage"].as_str() {
        Some("deleted") => Lifecycle::Deleted,
        _ => Lifecycle::Active,
    }
}

fn pairs(value: &Value, key: &str) -> Vec<Pair> {
    list(value, key)
        .iter()
        .map(|pair| Pair {
            key: text(pair, "key"),
            value: text(pair, "value"),
        })
        .collect()
}

fn tuples(value: &Value, key: &str) -> Vec<(String, String)> {
    pairs(value, key)
        .into_iter()
        .map(|pair| (pair.key, pair.value))
        .collect()
}

fn metric(value: &Value) -> Result<Metric> {
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

fn run(value: &Value) -> Run {
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

fn logged_model(value: &Value) -> Result<LoggedModel> {
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

/// Text as part of a URL; `/` stays.
pub(super) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' | b'/' => {
                encoded.push(char::from(byte));
            }
            byte => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// The path behind an address of the proxied space.
fn proxied(place: &str) -> Option<&str> {
    let rest = place.strip_prefix("mlflow-artifacts:")?;
    match rest.strip_prefix("//") {
        Some(rest) => Some(rest.split_once('/')?.1),
        None => Some(rest.trim_start_matches('/')),
    }
}

/// The run whose artifacts lie at a place: `…/<run>/artifacts`.
fn run_of(place: &str) -> Option<&str> {
    place
        .trim_end_matches('/')
        .strip_suffix("/artifacts")?
        .rsplit('/')
        .next()
}

impl Server {
    /// The server at this address, called `name`; `headers` go with every request.
    ///
    /// # Errors
    /// Nobody answers there, or not in MLflow's words.
    pub fn connect(name: &str, address: &Address, headers: Vec<(String, String)>) -> Result<Self> {
        let mut http = Http::connect(address)
            .map_err(|error| error.context(format!("the tracking server `{name}`")))?;
        http.patience(PATIENCE)?;
        let mut server = Self {
            name: name.to_owned(),
            http,
            headers,
            left_out: Vec::new(),
        };
        server.post("experiments/search", &json!({"max_results": 1}))?;
        Ok(server)
    }

    fn ask(&mut self, method: &str, path: &str, body: &[u8]) -> Result<(u16, Vec<u8>)> {
        let mut headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        headers.push(("content-type", "application/json"));
        let answer = self.http.request(method, path, &headers, body)?;
        Ok((answer.status, answer.body))
    }

    fn answer(&self, path: &str, status: u16, body: &[u8]) -> Result<Value> {
        let said = serde_json::from_slice::<Value>(body);
        if status == 200 {
            return said.map_err(|_| {
                Error::invalid(format!(
                    "`{}` answers `{path}` with something else than JSON: it is no tracking server of MLflow",
                    self.name
                ))
            });
        }
        let message = said
            .ok()
            .and_then(|said| Some(said["message"].as_str()?.to_owned()))
            .unwrap_or_else(|| String::from_utf8_lossy(body).chars().take(200).collect());
        let kind = match status {
            401 | 403 => ErrorKind::Denied,
            404 => ErrorKind::NotFound,
            400..500 => ErrorKind::Invalid,
            _ => ErrorKind::Unavailable,
        };
        Err(Error::new(
            kind,
            format!("`{}` answers {status} to `{path}`: {message}", self.name),
        ))
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        let full = format!("/api/2.0/mlflow/{path}");
        let body = serde_json::to_vec(body)?;
        let (status, answer) = self.ask("POST", &full, &body)?;
        self.answer(&full, status, &answer)
    }

    fn get(&mut self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        let query: Vec<String> = query
            .iter()
            .map(|(key, value)| format!("{key}={}", encoded(value).replace('/', "%2F")))
            .collect();
        let full = format!("/api/2.0/{path}?{}", query.join("&"));
        let (status, answer) = self.ask("GET", &full, b"")?;
        self.answer(&full, status, &answer)
    }

    /// All pages of a search by GET. A server without these endpoints has nothing there.
    fn all(&mut self, path: &str, key: &str, query: &[(&str, &str)]) -> Result<Vec<Value>> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let mut asked = query.to_vec();
            if !token.is_empty() {
                asked.push(("page_token", &token));
            }
            let page = match self.get(path, &asked) {
                Ok(page) => page,
                Err(error) if error.kind == ErrorKind::NotFound && found.is_empty() => {
                    self.left_out
                        .push(format!("`{}` has no `{path}`", self.name));
                    return Ok(found);
                }
                Err(error) => return Err(error),
            };
            found.extend(list(&page, key).iter().cloned());
            token = text(&page, "next_page_token");
            if token.is_empty() {
                return Ok(found);
            }
        }
    }

    /// One level of a place: names with their sizes, and names of folders.
    fn level(&mut self, place: &str, folder: &str) -> Result<Level> {
        let (answer, whole) = match proxied(place) {
            Some(root) => {
                let path = match folder {
                    "" => root.to_owned(),
                    folder => format!("{root}/{folder}"),
                };
                let asked = [("path", path.as_str())];
                (self.get("mlflow-artifacts/artifacts", &asked)?, false)
            }
            None => {
                let run = run_of(place).ok_or_else(|| {
                    Error::invalid(format!("`{place}` is not kept by `{}`", self.name))
                })?;
                let asked = [("run_id", run), ("path", folder)];
                let asked = match folder {
                    "" => &asked[..1],
                    _ => &asked[..],
                };
                (self.get("mlflow/artifacts/list", asked)?, true)
            }
        };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        for entry in list(&answer, "files") {
            let path = text(entry, "path");
            let path = match (whole, folder) {
                (true, _) | (_, "") => path,
                (false, folder) => format!("{folder}/{path}"),
            };
            if entry["is_dir"].as_bool() == Some(true) {
                folders.push(path);
            } else {
                let size = number(entry, "file_size").unwrap_or(0);
                files.push((path, size.unsigned_abs()));
            }
        }
        Ok((files, folders))
    }
}

impl Source for Server {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn experiments(&mut self) -> Result<Vec<Experiment>> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let mut asked = json!({"max_results": PAGE, "view_type": "ALL"});
            if !token.is_empty() {
                asked["page_token"] = json!(token);
            }
            let page = self.post("experiments/search", &asked)?;
            found.extend(list(&page, "experiments").iter().map(|one| Experiment {
                id: ExperimentId(text(one, "experiment_id")),
                name: text(one, "name"),
                artifact_location: text(one, "artifact_location"),
                lifecycle: lifecycle(one),
                created: time(one, "creation_time"),
                updated: time(one, "last_update_time"),
                tags: tuples(one, "tags"),
            }));
            token = text(&page, "next_page_token");
            if token.is_empty() {
                return Ok(found);
            }
        }
    }

    fn runs(&mut self, experiment: &ExperimentId, from: Option<String>) -> Result<Page> {
        let mut asked = json!({
            "experiment_ids": [experiment],
            "run_view_type": "ALL",
            "max_results": PAGE,
            "order_by": ["attributes.start_time ASC"],
        });
        if let Some(from) = from {
            asked["page_token"] = json!(from);
        }
        let page = self.post("runs/search", &asked)?;
        let next = Some(text(&page, "next_page_token")).filter(|token| !token.is_empty());
        Ok((list(&page, "runs").iter().map(run).collect(), next))
    }

    fn points(&mut self, run: &Run, each: &mut dyn FnMut(Vec<Metric>) -> Result<()>) -> Result<()> {
        let size = BLOCK.to_string();
        for key in &run.metrics {
            let mut token = String::new();
            loop {
                let mut asked = vec![
                    ("run_id", run.id.as_str()),
                    ("metric_key", key.key.as_str()),
                    ("max_results", size.as_str()),
                ];
                if !token.is_empty() {
                    asked.push(("page_token", &token));
                }
                let page = self.get("mlflow/metrics/get-history", &asked)?;
                let points = list(&page, "metrics")
                    .iter()
                    .map(metric)
                    .collect::<Result<Vec<_>>>()?;
                if !points.is_empty() {
                    each(points)?;
                }
                token = text(&page, "next_page_token");
                if token.is_empty() {
                    break;
                }
            }
        }
        Ok(())
    }

    fn files(&mut self, place: &str) -> Result<Vec<(String, u64)>> {
        let mut found = Vec::new();
        let mut folders = vec![(String::new(), 0)];
        while let Some((folder, depth)) = folders.pop() {
            if depth > DEPTH {
                return Err(Error::invalid(format!(
                    "`{place}` has folders more than {DEPTH} deep"
                )));
            }
            let (files, inner) = self.level(place, &folder)?;
            found.extend(files);
            folders.extend(inner.into_iter().map(|folder| (folder, depth + 1)));
        }
        found.sort();
        Ok(found)
    }

    fn open(&mut self, place: &str, path: &str) -> Result<(Box<dyn Read>, Option<u64>)> {
        let headers: Vec<(&str, &str)> = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        let once = match proxied(place) {
            Some(root) => format!(
                "/api/2.0/mlflow-artifacts/artifacts/{}",
                encoded(&format!("{root}/{path}"))
            ),
            None => format!(
                "/get-artifact?run_uuid={}&path={}",
                run_of(place).unwrap_or_default(),
                encoded(path)
            ),
        };
        let (mut status, mut length, mut content) = self.http.fetch(&once, &headers)?;
        if status != 200 && path.contains('%') {
            // MLflow's own server decodes a name twice.
            let twice = once.replace('%', "%25");
            (status, length, content) = self.http.fetch(&twice, &headers)?;
        }
        if status == 200 {
            return Ok((content, length));
        }
        let mut said = Vec::new();
        content.take(4096).read_to_end(&mut said)?;
        Err(self
            .answer(&once, status, &said)
            .err()
            .unwrap_or_else(|| Error::not_found(format!("no file `{path}`"))))
    }

    fn models(&mut self) -> Result<Vec<(RegisteredModel, u32)>> {
        let found = self.all(
            "mlflow/registered-models/search",
            "registered_models",
            &[("max_results", "100")],
        )?;
        Ok(found
            .iter()
            .map(|one| {
                let aliases = list(one, "aliases")
                    .iter()
                    .filter_map(|alias| {
                        let version = u32::try_from(number(alias, "version")?).ok()?;
                        Some((text(alias, "alias"), Version(version)))
                    })
                    .collect();
                let model = RegisteredModel {
                    name: ModelName(text(one, "name")),
                    description: text(one, "description"),
                    created: time(one, "creation_timestamp"),
                    updated: time(one, "last_updated_timestamp"),
                    tags: tuples(one, "tags"),
                    aliases,
                };
                (model, 0)
            })
            .collect())
    }

    fn versions(&mut self, model: &ModelName) -> Result<Vec<ModelVersion>> {
        let quote = if model.as_str().contains('\'') {
            '"'
        } else {
            '\''
        };
        let filter = format!("name = {quote}{model}{quote}");
        let found = self.all(
            "mlflow/model-versions/search",
            "model_versions",
            &[("filter", &filter), ("max_results", "1000")],
        )?;
        let mut versions = found
            .iter()
            .map(|one| {
                let version = number(one, "version")
                    .and_then(|version| u32::try_from(version).ok())
                    .ok_or_else(|| {
                        Error::invalid(format!("a version of `{model}` has no number"))
                    })?;
                let or = |key: &str, other: &str| match text(one, key) {
                    text if text.is_empty() => other.to_owned(),
                    text => text,
                };
                Ok(ModelVersion {
                    model: model.clone(),
                    version: Version(version),
                    run: Some(text(one, "run_id"))
                        .filter(|run| !run.is_empty())
                        .map(RunId),
                    source: text(one, "source"),
                    status: or("status", "READY"),
                    stage: or("current_stage", "None"),
                    description: text(one, "description"),
                    user: text(one, "user_id"),
                    created: time(one, "creation_timestamp"),
                    updated: time(one, "last_updated_timestamp"),
                    tags: tuples(one, "tags"),
                    aliases: Vec::new(),
                    gate: None,
                })
            })
            .collect::<Result<Vec<_>>>()?;
        versions.sort_by_key(|version| version.version);
        Ok(versions)
    }

    fn logged_models(&mut self, experiment: &ExperimentId) -> Result<Vec<LoggedModel>> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let mut asked = json!({"experiment_ids": [experiment], "max_results": 50});
            if !token.is_empty() {
                asked["page_token"] = json!(token);
            }
            let page = match self.post("logged-models/search", &asked) {
                Ok(page) => page,
                // MLflow before version 3 has none.
                Err(error) if error.kind == ErrorKind::NotFound => return Ok(found),
                Err(error) => return Err(error),
            };
            for model in list(&page, "models") {
                found.push(logged_model(model)?);
            }
            token = text(&page, "next_page_token");
            if token.is_empty() {
                return Ok(found);
            }
        }
    }

    fn left_out(&mut self) -> Vec<String> {
        std::mem::take(&mut self.left_out)
    }
}
