//! The read models of the registry pane: the list of models, the page of one. Changes nothing.

use super::Registry;
use crate::domain::registry::{CHAMPION, LineageLine, ModelPage, ModelRow, VersionRow};
use crate::domain::{ModelName, Result};
use crate::service::Services;
use crate::store::registry as rows;
use std::collections::BTreeMap;

impl Registry {
    /// All models.
    pub fn models(&self, services: &Services) -> Result<Vec<ModelRow>> {
        let deployments = services.serving.deployments()?;
        self.core.store.read(|connection| {
            rows::names(connection)?
                .into_iter()
                .map(|name| {
                    Ok(ModelRow {
                        champion: rows::alias(connection, &name, CHAMPION)?,
                        latest: rows::latest(connection, &name)?,
                        serving: deployments
                            .iter()
                            .any(|one| one.model == name && one.version.is_some()),
                        name,
                    })
                })
                .collect()
        })
    }

    /// The metric that the gate of a model's pipeline looks at.
    pub fn metric(&self, model: &ModelName) -> Option<String> {
        self.core
            .config()
            .pipelines
            .iter()
            .find(|pipeline| pipeline.model == *model)
            .map(|pipeline| pipeline.gate.metric.clone())
            .filter(|metric| !metric.is_empty())
    }

    /// The registry pane's page of a model.
    pub fn page(&self, services: &Services, model: &ModelName) -> Result<ModelPage> {
        let registered = self.model(model)?;
        let (versions, history) = self.core.store.read(|connection| {
            Ok((
                rows::versions(connection, model)?,
                rows::moves(connection, model, None, 100)?,
            ))
        })?;
        let champions = self
            .core
            .store
            .read(|connection| rows::moves(connection, model, Some(CHAMPION), 10_000))?;
        let deployments = services.serving.deployments()?;
        let mut lines = Vec::with_capacity(versions.len());
        let mut lineage = Vec::with_capacity(versions.len());
        for version in versions {
            let run = match &version.run {
                Some(run) => self.tracking.run(run).ok(),
                None => None,
            };
            let mut facts = Vec::new();
            let mut fact = |kind: &str, value: String| {
                facts.push(LineageLine {
                    kind: kind.into(),
                    value,
                });
            };
            if let Some(run) = &run {
                for input in &run.inputs {
                    let digest: String = input.digest.chars().take(12).collect();
                    fact("data", format!("{} sha256 {digest}…", input.name));
                }
            }
            if let Ok(signature) = self.signature(model, version.version) {
                let names: Vec<&str> = signature
                    .inputs
                    .iter()
                    .map(|input| input.name.as_str())
                    .collect();
                fact("features", format!("{}: {}", names.len(), names.join(", ")));
            }
            if let Some(run) = &run {
                let id: String = run.id.as_str().chars().take(8).collect();
                fact("run", format!("{} {id} by {}", run.name, run.user));
                let code = [
                    "mlflow.source.git.commit",
                    "mlflow.source.name",
                    "mlflow.project.entryPoint",
                ];
                let code: Vec<&str> = code.iter().filter_map(|key| run.tag(key)).collect();
                if !code.is_empty() {
                    fact("code", code.join(" "));
                }
                for tag in &run.tags {
                    if let Some(what) = tag.key.strip_prefix("trainyard.environment") {
                        let what = what.trim_start_matches('.');
                        let value = format!("{what} {}", tag.value);
                        fact("environment", value.trim().to_owned());
                    }
                }
            }
            let digest = self.digest(model, version.version)?;
            if !digest.is_empty() {
                let short: String = digest.chars().take(12).collect();
                fact("files", format!("sha256 {short}… {}", version.source));
            }
            for deployment in &deployments {
                if deployment.model == *model && deployment.version == Some(version.version) {
                    let since = deployment
                        .since
                        .map(|at| at.utc().format(" since %d %b %H:%M").to_string());
                    fact(
                        "serving",
                        format!("{}{}", deployment.name, since.unwrap_or_default()),
                    );
                }
            }
            let is_champion = version.aliases.iter().any(|alias| alias == CHAMPION);
            lines.push(VersionRow {
                was_champion: !is_champion
                    && champions
                        .iter()
                        .any(|moved| moved.to == Some(version.version)),
                run_name: run.as_ref().map(|run| run.name.clone()).unwrap_or_default(),
                metrics: run.map_or_else(BTreeMap::new, |run| {
                    run.metrics
                        .into_iter()
                        .map(|metric| (metric.key, crate::domain::metric::Number(metric.value)))
                        .collect()
                }),
                version,
            });
            lineage.push(facts);
        }
        Ok(ModelPage {
            metric: self.metric(model),
            model: registered,
            versions: lines,
            lineage,
            history,
        })
    }
}
