//! A live server as what is read.

use super::nouns::{lifecycle, list, logged_model, metric, number, run, text, time, tuples};
use super::{DEPTH, PAGE, Server, encoded, proxied, run_of};
use crate::domain::experiment::Experiment;
use crate::domain::logged_model::LoggedModel;
use crate::domain::metric::Metric;
use crate::domain::registry::{ModelVersion, RegisteredModel};
use crate::domain::run::Run;
use crate::domain::{Error, ErrorKind, ExperimentId, ModelName, Result, RunId, Version};
use crate::transfer::{BLOCK, Page, Source};
use serde_json::json;
use std::io::Read;

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
