//! A live server as what is filled: everything by MLflow's REST alone, so that the original and this program take it alike.
//! A server gives runs and logged models ids of its own; which one of here became which one of there is a tag,
//! [`ORIGIN`], by which the same again finds what is there and adds only what is missing. Numbers of versions are kept.

mod registry;
mod runs;

use super::nouns::{list, logged_model, metric, pairs, run, text};
use super::{Server, encoded, proxied};
use crate::api::client::Address;
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus, ModelMetric};
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::{Pair, Run};
use crate::domain::transfer::Tally;
use crate::domain::{Error, ErrorKind, ExperimentId, ModelName, Result, RunId, Version};
use crate::transfer::{New, Sink, Source as _};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read;

/// The tag that says of which run, logged model or version of elsewhere this one is the copy.
const ORIGIN: &str = "trainyard.origin";
/// Points, parameters and tags of one request, as MLflow allows them.
const POINTS: usize = 1_000;
const PAIRS: usize = 100;
/// Tags whose value is the id of another run.
const RUN_TAGS: [&str; 3] = [
    "mlflow.parentRunId",
    "mlflow.rootRunId",
    "trainyard.retry_of",
];

/// A point as a set knows it: key, step, time, bits of the value.
type Point = (String, i64, i64, u64);

fn point(metric: &Metric) -> Point {
    let value = if metric.value.is_nan() {
        f64::NAN
    } else {
        // what MLflow keeps of an infinity
        metric.value.clamp(f64::MIN, f64::MAX)
    };
    (
        metric.key.clone(),
        metric.step,
        metric.timestamp.0,
        value.to_bits(),
    )
}

/// A run, the logged models that it read, and those that it made, with their steps.
type Links = (RunId, Vec<String>, Vec<(String, i64)>);

/// A run that is being filled.
struct Current {
    /// Its id where it comes from.
    from: RunId,
    /// Its id there.
    to: RunId,
    /// As it is to be in the end.
    wanted: Run,
    /// As it was found; none: it was made now.
    found: Option<Run>,
    /// Its points there, of one that was found.
    known: Option<HashSet<Point>>,
    /// It was deleted there and is not while it is written to.
    restored: bool,
    waiting: Vec<Metric>,
}

/// See the module's text.
pub struct Filled {
    server: Server,
    /// Another workspace of this program, which decodes names as they are meant.
    ours: bool,
    /// Runs of here and what they are there.
    runs: HashMap<RunId, RunId>,
    /// Copies that were there before, by the run of here.
    found: HashMap<RunId, Run>,
    /// Logged models, by their id here; with what was there before.
    models: HashMap<String, String>,
    found_models: HashMap<String, LoggedModel>,
    /// Where files of a run or logged model belong, and whether it was made now.
    homes: HashMap<String, (String, bool)>,
    current: Option<Current>,
    /// Logged models that are ready once their files are there.
    unready: Vec<(String, LoggedModelStatus)>,
    /// Tags of runs there whose value is a run of here that is not there yet.
    references: Vec<(RunId, String, String)>,
    /// What runs read and made, once the models are there.
    links: Vec<Links>,
    /// Experiments that are deleted in the end.
    ends: Vec<ExperimentId>,
    new: New,
    differences: Vec<String>,
}

fn tag(key: &str, value: &str) -> Value {
    json!({"key": key, "value": value})
}

fn tags(pairs: &[(String, String)]) -> Vec<Value> {
    pairs.iter().map(|(key, value)| tag(key, value)).collect()
}

/// A server that knows the name already.
fn is_taken(error: &Error) -> bool {
    error.kind == ErrorKind::AlreadyExists
}

impl Filled {
    /// The server at this address, called `name`; `headers` go with every request.
    ///
    /// # Errors
    /// As [`Server::connect`].
    pub fn connect(name: &str, address: &Address, headers: Vec<(String, String)>) -> Result<Self> {
        let mut server = Server::connect(name, address, headers)?;
        let probe = server.ask("GET", "/api/trainyard/v1/events?once=true", b"")?;
        Ok(Self {
            server,
            ours: probe.0 == 200,
            runs: HashMap::new(),
            found: HashMap::new(),
            models: HashMap::new(),
            found_models: HashMap::new(),
            homes: HashMap::new(),
            current: None,
            unready: Vec::new(),
            references: Vec::new(),
            links: Vec::new(),
            ends: Vec::new(),
            new: New::default(),
            differences: Vec::new(),
        })
    }

    /// Does what may be refused for what it says: that is a difference, and the rest goes on.
    fn attempt(&mut self, what: &str, outcome: Result<Value>) -> Result<bool> {
        match outcome {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::AlreadyExists) => {
                self.differences.push(format!("{what}: {}", error.message));
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The experiment called so there.
    fn named(&mut self, name: &str) -> Result<Option<Value>> {
        let asked = [("experiment_name", name)];
        match self.server.get("mlflow/experiments/get-by-name", &asked) {
            Ok(found) => Ok(Some(found["experiment"].clone())),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Learns which runs and logged models of an experiment there are copies of which.
    fn learn(&mut self, experiment: &ExperimentId) -> Result<()> {
        let mut token = String::new();
        loop {
            let mut asked = json!({
                "experiment_ids": [experiment],
                "run_view_type": "ALL",
                "filter": format!("tags.`{ORIGIN}` != ''"),
                "max_results": 500,
            });
            if !token.is_empty() {
                asked["page_token"] = json!(token);
            }
            let page = self.server.post("runs/search", &asked)?;
            for found in list(&page, "runs") {
                let found = run(found);
                if let Some(origin) = found.tag(ORIGIN).map(RunId::from) {
                    self.runs.insert(origin.clone(), found.id.clone());
                    self.found.insert(origin, found);
                }
            }
            token = text(&page, "next_page_token");
            if token.is_empty() {
                break;
            }
        }
        for model in self.server.logged_models(experiment)? {
            if let Some(origin) = model.tags.iter().find(|tag| tag.key == ORIGIN) {
                let origin = origin.value.clone();
                self.models.insert(origin.clone(), model.id.to_string());
                self.found_models.insert(origin, model);
            }
        }
        Ok(())
    }

    /// A tag's value there: ids of here are ids of there.
    fn translated(&self, tag: &Pair) -> Option<String> {
        if RUN_TAGS.contains(&tag.key.as_str()) {
            let run = RunId::from(tag.value.as_str());
            return self.runs.get(&run).map(ToString::to_string);
        }
        if tag.key == "mlflow.log-model.history" {
            let mut value = tag.value.clone();
            for id in ids_in(&tag.value) {
                let there = self
                    .runs
                    .get(&RunId::from(id.as_str()))
                    .map(RunId::as_str)
                    .or(self.models.get(&id).map(String::as_str));
                if let Some(there) = there {
                    value = value.replace(&id, there);
                }
            }
            return Some(value);
        }
        Some(tag.value.clone())
    }

    /// Finishes what was being filled.
    fn close(&mut self) -> Result<()> {
        if let Some(current) = self.current.take() {
            self.close_run(current)?;
        }
        for (model, status) in std::mem::take(&mut self.unready) {
            let status = match status {
                LoggedModelStatus::Ready => "LOGGED_MODEL_READY",
                LoggedModelStatus::Failed => "LOGGED_MODEL_UPLOAD_FAILED",
                LoggedModelStatus::Pending | LoggedModelStatus::Unspecified => continue,
            };
            let body = json!({"model_id": model, "status": status});
            let path = format!("logged-models/{model}");
            self.server.change("PATCH", &path, &body)?;
        }
        Ok(())
    }
}

/// Whether a name says `%41`: MLflow's own server decodes names until there is nothing to decode.
fn has_escape(name: &str) -> bool {
    name.as_bytes().windows(3).any(|three| {
        three[0] == b'%' && three[1].is_ascii_hexdigit() && three[2].is_ascii_hexdigit()
    })
}

/// What of a text could be an id: words of letters, digits and `-`, 32 or more of them.
fn ids_in(text: &str) -> Vec<String> {
    let mut ids: Vec<String> = text
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-')
        .filter(|word| word.len() >= 32)
        .map(str::to_owned)
        .collect();
    ids.sort();
    ids.dedup();
    ids
}

impl Sink for Filled {
    fn experiment(&mut self, experiment: &Experiment) -> Result<ExperimentId> {
        self.close()?;
        let (id, mine) = match self.named(&experiment.name)? {
            None => {
                let mut own = tags(&experiment.tags);
                own.push(tag(ORIGIN, experiment.id.as_str()));
                let body = json!({"name": experiment.name, "tags": own});
                let made = self.server.post("experiments/create", &body)?;
                self.new.experiments += 1;
                (ExperimentId(text(&made, "experiment_id")), true)
            }
            Some(found) => {
                let id = ExperimentId(text(&found, "experiment_id"));
                let there = pairs(&found, "tags");
                let mine = there.iter().any(|tag| tag.key == ORIGIN);
                let deleted = found["lifecycle_stage"] == "deleted";
                if deleted {
                    if experiment.lifecycle == Lifecycle::Active && !mine {
                        return Err(Error::invalid(format!(
                            "experiment `{}` is deleted at `{}`: restore it there first",
                            experiment.name, self.server.name
                        )));
                    }
                    self.server
                        .post("experiments/restore", &json!({"experiment_id": id}))?;
                }
                for (key, value) in &experiment.tags {
                    match there.iter().find(|tag| tag.key == *key) {
                        Some(known) if known.value != *value => self.differences.push(format!(
                            "tag `{key}` of experiment `{}` is `{:.80}` there and `{value:.80}` here",
                            experiment.name, known.value
                        )),
                        Some(_) => {}
                        None => {
                            let body = json!({"experiment_id": id, "key": key, "value": value});
                            self.server.post("experiments/set-experiment-tag", &body)?;
                        }
                    }
                }
                (id, mine)
            }
        };
        if experiment.lifecycle == Lifecycle::Deleted && mine {
            self.ends.push(id.clone());
        } else if experiment.lifecycle == Lifecycle::Deleted {
            self.differences.push(format!(
                "experiment `{}` is deleted here and not there",
                experiment.name
            ));
        }
        self.learn(&id)?;
        Ok(id)
    }

    fn run(&mut self, run: Run) -> Result<()> {
        self.close()?;
        self.begin_run(run)
    }

    fn points(&mut self, run: &RunId, points: Vec<Metric>) -> Result<()> {
        let Some(current) = self.current.as_mut().filter(|one| one.from == *run) else {
            return Err(Error::internal(format!("run `{run}` is not being filled")));
        };
        match &current.known {
            Some(known) => current.waiting.extend(
                points
                    .into_iter()
                    .filter(|metric| !known.contains(&point(metric))),
            ),
            None => current.waiting.extend(points),
        }
        if current.waiting.len() >= POINTS {
            self.send_points()?;
        }
        Ok(())
    }

    fn logged_model(&mut self, model: LoggedModel) -> Result<()> {
        self.close()?;
        self.take_logged_model(&model)
    }

    fn home(&mut self, id: &str) -> Result<String> {
        self.homes
            .get(id)
            .map(|(home, _)| home.clone())
            .ok_or_else(|| Error::internal(format!("`{id}` was not taken")))
    }

    fn present(&mut self, home: &str) -> Result<BTreeMap<String, u64>> {
        if proxied(home).is_none() {
            return Err(Error::invalid(format!(
                "`{}` keeps files at `{home}` and takes none: copy them there by hand",
                self.server.name
            )));
        }
        let made = self.homes.values().any(|(one, made)| *made && one == home);
        match made {
            true => Ok(BTreeMap::new()),
            false => Ok(self.server.files(home)?.into_iter().collect()),
        }
    }

    fn file(&mut self, home: &str, path: &str, length: u64, content: &mut dyn Read) -> Result<()> {
        let inside = proxied(home).unwrap_or_default();
        if !self.ours && has_escape(path) {
            return Err(Error::invalid(format!(
                "`{}` takes `%` and two digits in a name for another letter, and would keep the file under another name",
                self.server.name
            )));
        }
        let name = encoded(&format!("{inside}/{path}"));
        let target = format!("/api/2.0/mlflow-artifacts/artifacts/{name}");
        self.server.put(&target, length, content)
    }

    fn model(&mut self, model: &RegisteredModel, last: u32) -> Result<()> {
        self.close()?;
        self.take_model(model, last)
    }

    fn version(&mut self, version: ModelVersion) -> Result<()> {
        self.take_version(&version)
    }

    fn alias(&mut self, model: &ModelName, alias: &str, version: Version) -> Result<()> {
        self.take_alias(model, alias, version)
    }

    fn tallies(&mut self, runs: &[RunId]) -> Result<Vec<Option<Tally>>> {
        runs.iter().map(|run| self.tally(run)).collect()
    }

    fn finish(&mut self) -> Result<(New, Vec<String>)> {
        self.close()?;
        self.link()?;
        for experiment in std::mem::take(&mut self.ends) {
            let body = json!({"experiment_id": experiment});
            self.server.post("experiments/delete", &body)?;
        }
        Ok((self.new, std::mem::take(&mut self.differences)))
    }
}
