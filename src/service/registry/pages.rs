//! The read models of the registry pane: the list of models, the page of one, the page of one version. Changes nothing.

use super::Registry;
use crate::domain::model::greater_is_better;
use crate::domain::registry::{
    CHAMPION, GateMark, ModelPage, ModelRow, ModelVersion, VersionPage, VersionRow,
};
use crate::domain::{ModelName, Result, Version};
use crate::service::Services;
use crate::service::tracking::verdict;
use crate::store::{model_pages, registry as rows};
use std::collections::{BTreeMap, HashSet};

/// Metrics in the rows of a model's page.
const COLUMNS: usize = 8;
/// Moves on a model's page.
const MOVES: u32 = 500;

impl Registry {
    /// Names of all models, sorted.
    pub fn names(&self) -> Result<Vec<ModelName>> {
        self.core.store.read(rows::names)
    }

    /// All models.
    pub fn models(&self, services: &Services) -> Result<Vec<ModelRow>> {
        let serving: HashSet<ModelName> = services
            .serving
            .deployments()?
            .into_iter()
            .filter(|one| one.version.is_some())
            .map(|one| one.model)
            .collect();
        let models = self.core.store.read(model_pages::models)?;
        Ok(models
            .into_iter()
            .map(|(name, champion, latest)| ModelRow {
                champion,
                latest,
                serving: serving.contains(&name),
                name,
            })
            .collect())
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
    pub fn page(&self, model: &ModelName) -> Result<ModelPage> {
        let registered = self.model(model)?;
        let metric = self.metric(model);
        self.core.store.read(|connection| {
            let mut versions = model_pages::versions(connection, model)?;
            let mut metrics: Vec<String> = metric.iter().cloned().collect();
            for name in model_pages::common_metrics(connection, model, COLUMNS)? {
                if metrics.len() < COLUMNS && !metrics.contains(&name) {
                    metrics.push(name);
                }
            }
            for name in &metrics {
                let values = model_pages::metric(connection, model, name)?;
                for row in &mut versions {
                    if let Some(value) = values.get(&row.version.version.0) {
                        row.metrics.insert(name.clone(), *value);
                    }
                }
            }
            Ok(ModelPage {
                metric: metric.clone(),
                metrics,
                versions,
                history: rows::moves(connection, model, None, MOVES)?,
                moves: model_pages::moves(connection, model)?,
                model: registered.clone(),
            })
        })
    }

    /// Everything about one version.
    pub fn version_page(
        &self,
        services: &Services,
        model: &ModelName,
        version: Version,
    ) -> Result<VersionPage> {
        let found = self.version(model, version)?;
        let serving = services
            .serving
            .deployments()?
            .into_iter()
            .filter(|one| one.model == *model && one.version == Some(version))
            .collect::<Vec<_>>();
        let lineage = self.lineage(services, &found, &serving)?;
        let champion = match self.resolve(model, CHAMPION)? {
            Some(champion) if champion != version => {
                Some(self.whole_row(self.version(model, champion)?)?)
            }
            _ => None,
        };
        let run = |row: &VersionRow| self.tracking.run(row.version.run.as_ref()?).ok();
        let row = self.whole_row(found)?;
        let unlike = champion.as_ref().and_then(|champion| {
            let name = format!("champion {}", champion.version.version);
            verdict::unlike(&run(&row)?, &run(champion)?, &name)
        });
        let mut less_is_better: Vec<String> = row
            .metrics
            .keys()
            .chain(champion.iter().flat_map(|champion| champion.metrics.keys()))
            .filter(|name| !greater_is_better(name))
            .cloned()
            .collect();
        less_is_better.sort();
        less_is_better.dedup();
        Ok(VersionPage {
            row,
            champion,
            metric: self.metric(model),
            less_is_better,
            unlike,
            lineage,
            serving: serving
                .into_iter()
                .map(|one| one.name.to_string())
                .collect(),
        })
    }

    /// A version with all metrics of its run, system metrics left out.
    fn whole_row(&self, version: ModelVersion) -> Result<VersionRow> {
        let run = match &version.run {
            // a run that was deleted for good leaves its versions behind
            Some(run) => self.tracking.run(run).ok(),
            None => None,
        };
        let champion = version.aliases.iter().any(|alias| alias == CHAMPION);
        let was = self
            .core
            .store
            .read(|connection| rows::moves(connection, &version.model, Some(CHAMPION), 10_000))?
            .iter()
            .any(|moved| moved.to == Some(version.version));
        Ok(VersionRow {
            was_champion: was && !champion,
            run_name: run.as_ref().map(|run| run.name.clone()).unwrap_or_default(),
            metrics: run.map_or_else(BTreeMap::new, |run| {
                run.metrics
                    .into_iter()
                    .filter(|metric| !metric.key.starts_with("system/"))
                    .map(|metric| (metric.key, crate::domain::metric::Number(metric.value)))
                    .collect()
            }),
            gate: version.gate.as_ref().map(|(verdict, _)| GateMark {
                clear: verdict.passed,
                passed: verdict.checks.iter().filter(|check| check.passed).count() as u32,
                total: verdict.checks.len() as u32,
            }),
            version,
        })
    }
}
