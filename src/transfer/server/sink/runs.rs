//! Runs and logged models: made with the tag of their origin, or found by it and completed.

use super::super::Server;
use super::super::nouns::list;
use super::{
    Current, ErrorKind, Filled, HashSet, Lifecycle, LoggedModel, Metric, ModelMetric, ORIGIN,
    PAIRS, POINTS, Pair, Result, Run, RunId, Tally, Value, json, logged_model, metric, pairs,
    point, run, tag, text,
};
use crate::transfer::Source as _;

/// Points of a history's page.
const PAGE: &str = "25000";

fn sent(metric: &Metric) -> Value {
    let value = match metric.value {
        value if value.is_nan() => json!("NaN"),
        // an infinity is kept as the greatest finite number there
        value => json!(value.clamp(f64::MIN, f64::MAX)),
    };
    json!({
        "key": metric.key,
        "value": value,
        "timestamp": metric.timestamp.0,
        "step": metric.step,
    })
}

/// The key that both clients of MLflow know a dataset by.
fn data(run: &Run) -> HashSet<(&str, &str)> {
    run.inputs
        .iter()
        .map(|input| (input.name.as_str(), input.digest.as_str()))
        .collect()
}

impl Server {
    /// Calls `each` with all points of a metric there.
    fn history(&mut self, run: &RunId, key: &str, each: &mut dyn FnMut(Metric)) -> Result<()> {
        let mut token = String::new();
        loop {
            let mut asked = vec![
                ("run_id", run.as_str()),
                ("metric_key", key),
                ("max_results", PAGE),
            ];
            if !token.is_empty() {
                asked.push(("page_token", &token));
            }
            let page = self.get("mlflow/metrics/get-history", &asked)?;
            for one in list(&page, "metrics") {
                each(metric(one)?);
            }
            token = text(&page, "next_page_token");
            if token.is_empty() {
                return Ok(());
            }
        }
    }

    fn whole(&mut self, id: &RunId) -> Result<Option<Run>> {
        match self.get("mlflow/runs/get", &[("run_id", id.as_str())]) {
            Ok(found) => Ok(Some(run(&found["run"]))),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl Filled {
    pub(super) fn begin_run(&mut self, wanted: Run) -> Result<()> {
        let from = wanted.id.clone();
        let found = match self.found.remove(&from) {
            Some(found) => Some(found),
            // an import keeps ids: what came from there is there
            None => self.server.whole(&from)?,
        };
        let to = match &found {
            Some(found) => found.id.clone(),
            None => self.make_run(&wanted)?,
        };
        self.runs.insert(from.clone(), to.clone());
        let home = match &found {
            Some(found) => found.artifact_uri.clone(),
            None => self
                .homes
                .get(from.as_str())
                .map(|(home, _)| home.clone())
                .unwrap_or_default(),
        };
        self.homes.insert(from.to_string(), (home, found.is_none()));
        let known = match &found {
            Some(found) => {
                let mut points = HashSet::new();
                for key in &found.metrics {
                    self.server.history(&to, &key.key, &mut |one| {
                        points.insert(point(&one));
                    })?;
                }
                Some(points)
            }
            None => None,
        };
        self.current = Some(Current {
            from,
            to,
            found,
            known,
            restored: false,
            waiting: Vec::new(),
            wanted,
        });
        self.complete_run()
    }

    fn make_run(&mut self, wanted: &Run) -> Result<RunId> {
        let body = json!({
            "experiment_id": wanted.experiment,
            "run_name": wanted.name,
            "user_id": wanted.user,
            "start_time": wanted.started.0,
            "tags": [tag(ORIGIN, wanted.id.as_str()), tag("mlflow.runName", &wanted.name)],
        });
        let made = run(&self.server.post("runs/create", &body)?["run"]);
        self.new.runs += 1;
        self.homes
            .insert(wanted.id.to_string(), (made.artifact_uri, true));
        Ok(made.id)
    }

    /// A deleted run is written to only while it is none.
    fn writable(&mut self) -> Result<()> {
        if let Some(current) = &mut self.current
            && !current.restored
            && current
                .found
                .as_ref()
                .is_some_and(|found| found.lifecycle == Lifecycle::Deleted)
        {
            current.restored = true;
            let body = json!({"run_id": current.to});
            self.server.post("runs/restore", &body)?;
        }
        Ok(())
    }

    /// Parameters, tags and inputs that are missing there.
    fn complete_run(&mut self) -> Result<()> {
        let Some(current) = &self.current else {
            return Ok(());
        };
        let (id, wanted) = (current.to.clone(), current.wanted.clone());
        let (mut params, mut tags, mut inputs) = (Vec::new(), Vec::new(), Vec::new());
        let there = current.found.clone();
        let value = |pairs: &[Pair], key: &str| {
            pairs
                .iter()
                .find(|pair| pair.key == key)
                .map(|pair| pair.value.clone())
        };
        for param in &wanted.params {
            match there
                .as_ref()
                .and_then(|run| value(&run.params, &param.key))
            {
                None => params.push(param.clone()),
                Some(known) if known != param.value => self.differences.push(format!(
                    "parameter `{}` of run `{}` is `{known:.80}` there and `{:.80}` here",
                    param.key, wanted.id, param.value
                )),
                Some(_) => {}
            }
        }
        for one in &wanted.tags {
            let Some(translated) = self.translated(one) else {
                self.references
                    .push((id.clone(), one.key.clone(), one.value.clone()));
                continue;
            };
            match there.as_ref().and_then(|run| value(&run.tags, &one.key)) {
                None => tags.push(Pair {
                    key: one.key.clone(),
                    value: translated,
                }),
                Some(known) if known != translated => self.differences.push(format!(
                    "tag `{}` of run `{}` is `{known:.80}` there and `{translated:.80}` here",
                    one.key, wanted.id
                )),
                Some(_) => {}
            }
        }
        let known = there.as_ref().map(data).unwrap_or_default();
        for input in &wanted.inputs {
            if known.contains(&(input.name.as_str(), input.digest.as_str())) {
                continue;
            }
            let context = input
                .context
                .iter()
                .map(|context| tag("mlflow.data.context", context));
            let own = input.tags.iter().map(|one| tag(&one.key, &one.value));
            inputs.push(json!({
                "tags": context.chain(own).collect::<Vec<_>>(),
                "dataset": {
                    "name": input.name,
                    "digest": input.digest,
                    "source_type": input.source_type,
                    "source": input.source,
                    "schema": input.schema,
                    "profile": input.profile,
                },
            }));
        }
        let models = &wanted.models;
        if !models.inputs.is_empty() || !models.outputs.is_empty() {
            self.links.push((
                id.clone(),
                models.inputs.iter().map(ToString::to_string).collect(),
                models
                    .outputs
                    .iter()
                    .map(|(model, step)| (model.to_string(), *step))
                    .collect(),
            ));
        }
        if params.is_empty() && tags.is_empty() && inputs.is_empty() {
            return Ok(());
        }
        self.writable()?;
        self.send_pairs(&id, "params", &params)?;
        self.send_pairs(&id, "tags", &tags)?;
        if !inputs.is_empty() {
            let body = json!({"run_id": id, "datasets": inputs});
            let outcome = self.server.post("runs/log-inputs", &body);
            self.attempt(&format!("inputs of run `{}`", wanted.id), outcome)?;
        }
        Ok(())
    }

    /// Many at once; where one of them is refused, each by itself, and the refused are named.
    fn send_pairs(&mut self, run: &RunId, what: &str, all: &[Pair]) -> Result<()> {
        for some in all.chunks(PAIRS) {
            let body = |pairs: &[Pair]| {
                let pairs: Vec<Value> = pairs
                    .iter()
                    .map(|pair| tag(&pair.key, &pair.value))
                    .collect();
                json!({"run_id": run, what: pairs})
            };
            match self.server.post("runs/log-batch", &body(some)) {
                Ok(_) => {}
                Err(error) if error.kind == ErrorKind::Invalid && some.len() > 1 => {
                    for pair in some {
                        let one = body(std::slice::from_ref(pair));
                        let outcome = self.server.post("runs/log-batch", &one);
                        self.attempt(&format!("{what} `{}` of run `{run}`", pair.key), outcome)?;
                    }
                }
                outcome => {
                    self.attempt(&format!("{what} of run `{run}`"), outcome)?;
                }
            }
        }
        Ok(())
    }

    /// Sends the points that wait.
    pub(super) fn send_points(&mut self) -> Result<()> {
        let Some(current) = &mut self.current else {
            return Ok(());
        };
        let waiting = std::mem::take(&mut current.waiting);
        if waiting.is_empty() {
            return Ok(());
        }
        let (id, from) = (current.to.clone(), current.from.clone());
        self.writable()?;
        for some in waiting.chunks(POINTS) {
            let metrics: Vec<Value> = some.iter().map(sent).collect();
            let body = json!({"run_id": id, "metrics": metrics});
            let outcome = self.server.post("runs/log-batch", &body);
            self.attempt(&format!("points of run `{from}`"), outcome)?;
        }
        Ok(())
    }

    /// The rest of its points, its state, its end; deleted again, or at last.
    pub(super) fn close_run(&mut self, current: Current) -> Result<()> {
        self.current = Some(current);
        self.send_points()?;
        let Some(current) = &self.current else {
            return Ok(());
        };
        let (id, wanted) = (current.to.clone(), current.wanted.clone());
        let same = current.found.as_ref().is_some_and(|found| {
            found.status == wanted.status && (found.ended == wanted.ended || wanted.ended.is_none())
        });
        if !same {
            self.writable()?;
            let mut body = json!({"run_id": id, "status": wanted.status.as_str()});
            if let Some(ended) = wanted.ended {
                body["end_time"] = json!(ended.0);
            }
            self.server.post("runs/update", &body)?;
        }
        let Some(current) = self.current.take() else {
            return Ok(());
        };
        let was_deleted = current
            .found
            .as_ref()
            .is_some_and(|found| found.lifecycle == Lifecycle::Deleted);
        let delete = match (wanted.lifecycle, was_deleted) {
            (Lifecycle::Deleted, false) => true,
            (Lifecycle::Active, true) => {
                self.differences
                    .push(format!("run `{}` is deleted there and not here", wanted.id));
                current.restored
            }
            _ => current.restored,
        };
        if delete {
            self.server.post("runs/delete", &json!({"run_id": id}))?;
        }
        Ok(())
    }

    pub(super) fn take_logged_model(&mut self, model: &LoggedModel) -> Result<()> {
        let from = model.id.to_string();
        let found = match self.found_models.remove(&from) {
            Some(found) => Some(found),
            None => match self
                .server
                .change("GET", &format!("logged-models/{from}"), &json!({}))
            {
                Ok(found) => Some(logged_model(&found["model"])?),
                Err(error) if error.kind == ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            },
        };
        let made = found.is_none();
        let there = match found {
            Some(found) => found,
            None => {
                let own = |pairs: &[Pair]| -> Vec<Value> {
                    pairs
                        .iter()
                        .map(|pair| tag(&pair.key, &pair.value))
                        .collect()
                };
                let mut tags = own(&model.tags);
                tags.push(tag(ORIGIN, &from));
                let mut body = json!({
                    "experiment_id": model.experiment,
                    "name": model.name,
                    "model_type": model.model_type,
                    "params": own(&model.params),
                    "tags": tags,
                });
                if let Some(run) = model.source_run.as_ref().and_then(|run| self.runs.get(run)) {
                    body["source_run_id"] = json!(run);
                }
                let made = self.server.post("logged-models", &body)?;
                self.new.logged_models += 1;
                logged_model(&made["model"])?
            }
        };
        let to = there.id.to_string();
        if there.status != model.status {
            self.unready.push((to.clone(), model.status));
        }
        self.homes
            .insert(from.clone(), (there.artifact_uri.clone(), made));
        self.models.insert(from, to.clone());
        self.send_model_points(&to, &model.metrics, &there)
    }

    /// Points of a logged model go with its runs'.
    fn send_model_points(
        &mut self,
        to: &str,
        metrics: &[ModelMetric],
        there: &LoggedModel,
    ) -> Result<()> {
        let known: HashSet<_> = there
            .metrics
            .iter()
            .map(|one| (point(&one.metric), one.dataset_name.clone()))
            .collect();
        for one in metrics {
            if known.contains(&(point(&one.metric), one.dataset_name.clone())) {
                continue;
            }
            let Some(run) = self.runs.get(&one.run).cloned() else {
                self.differences.push(format!(
                    "metric `{}` of logged model `{}` is of run `{}`, which was not copied",
                    one.metric.key, one.model, one.run
                ));
                continue;
            };
            let mut metric = sent(&one.metric);
            metric["model_id"] = json!(to);
            if let (Some(name), Some(digest)) = (&one.dataset_name, &one.dataset_digest) {
                metric["dataset_name"] = json!(name);
                metric["dataset_digest"] = json!(digest);
            }
            let body = json!({"run_id": run, "metrics": [metric]});
            let outcome = self.server.post("runs/log-batch", &body);
            let what = format!(
                "metric `{}` of logged model `{}`",
                one.metric.key, one.model
            );
            self.attempt(&what, outcome)?;
        }
        Ok(())
    }

    /// Tags that name other runs, and what runs read and made: when all of it is there.
    pub(super) fn link(&mut self) -> Result<()> {
        for (run, key, value) in std::mem::take(&mut self.references) {
            let value = match self.runs.get(&RunId::from(value.as_str())) {
                Some(there) => there.to_string(),
                // it was not copied: what is said of it stays as it was
                None => value,
            };
            let there = self.server.whole(&run)?;
            if there.as_ref().and_then(|there| there.tag(&key)) == Some(value.as_str()) {
                continue;
            }
            let body = json!({"run_id": run, "key": key, "value": value});
            let outcome = self.server.post("runs/set-tag", &body);
            self.attempt(&format!("tag `{key}` of run `{run}`"), outcome)?;
        }
        for (run, inputs, outputs) in std::mem::take(&mut self.links) {
            let Some(there) = self.server.whole(&run)? else {
                continue;
            };
            let read: Vec<Value> = inputs
                .iter()
                .filter_map(|id| self.models.get(id))
                .filter(|id| {
                    !there
                        .models
                        .inputs
                        .iter()
                        .any(|known| known.as_str() == *id)
                })
                .map(|id| json!({"model_id": id}))
                .collect();
            let made: Vec<Value> = outputs
                .iter()
                .filter_map(|(id, step)| Some((self.models.get(id)?, step)))
                .filter(|(id, _)| {
                    !there
                        .models
                        .outputs
                        .iter()
                        .any(|(known, _)| known.as_str() == *id)
                })
                .map(|(id, step)| json!({"model_id": id, "step": step}))
                .collect();
            for (path, models) in [("runs/log-inputs", read), ("runs/outputs", made)] {
                if models.is_empty() {
                    continue;
                }
                let outcome = self
                    .server
                    .post(path, &json!({"run_id": run, "models": models}));
                self.attempt(&format!("models of run `{run}`"), outcome)?;
            }
        }
        Ok(())
    }

    /// How much of a run is there, asked of the server itself.
    pub(super) fn tally(&mut self, run: &RunId) -> Result<Option<Tally>> {
        let Some(there) = self.runs.get(run).cloned() else {
            return Ok(None);
        };
        let Some(whole) = self.server.whole(&there)? else {
            return Ok(None);
        };
        let mut tally = Tally {
            params: whole.params.len() as u64,
            tags: whole.tags.iter().filter(|tag| tag.key != ORIGIN).count() as u64,
            inputs: whole.inputs.len() as u64,
            ..Tally::default()
        };
        for key in &whole.metrics {
            self.server
                .history(&there, &key.key, &mut |_| tally.points += 1)?;
        }
        let files = self.server.files(&whole.artifact_uri).unwrap_or_default();
        tally.files = files.len() as u64;
        tally.bytes = files.iter().map(|(_, bytes)| bytes).sum();
        Ok(Some(tally))
    }
}

/// Tags on the wire, without the one of the origin.
pub(super) fn own_tags(value: &Value) -> Vec<(String, String)> {
    pairs(value, "tags")
        .into_iter()
        .filter(|tag| tag.key != ORIGIN)
        .map(|tag| (tag.key, tag.value))
        .collect()
}
