//! The read models of the features pane: all features, and one with its values. Changes nothing.

use super::apply::{of_view, pipelines_of};
use super::definitions::versioned;
use super::online::freshness;
use super::{Catalog, facets};
use crate::config::Config;
use crate::domain::feature::{
    Aggregate, FeatureDetail, FeatureRow, FeatureView, FeaturesPage, Freshness,
};
use crate::domain::feature_version::{Change, Reader, ViewPage, ViewVersion};
use crate::domain::registry::LineageLine;
use crate::domain::{Error, ModelName, Result, Timestamp, Version};
use crate::service::{Services, configuration};
use crate::store::catalog::{self as rows, Materialization};
use crate::store::view_versions;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

/// When the file was written that was looked at last, and what it says.
pub(super) type Desired = Option<(SystemTime, Arc<Config>)>;

impl Catalog {
    /// The features pane.
    pub fn page(&self, services: &Services) -> Result<FeaturesPage> {
        let desired = self.desired();
        let names = self.core.view_names();
        let users = self.users(services)?;
        let drifting = self.drifting(services)?;
        let mut page = FeaturesPage {
            views: names.len() as u64,
            ..FeaturesPage::default()
        };
        for name in names {
            let made = self.core.view(&name)?;
            let known = self
                .core
                .store
                .read(|connection| rows::newest(connection, &name))?;
            // words about a view are no other definition
            let differs = self
                .pending(&desired, &name, &[])
                .is_some_and(|change| !matches!(change.change, Change::Added | Change::Described));
            for feature in made.view.feature_names() {
                let mut row = self.row(&made.view, &feature, known.as_ref(), &users, &drifting);
                row.differs = differs;
                page.late += u64::from(row.freshness == Freshness::Stale);
                page.drifting += u64::from(row.drifting);
                page.rows.push(row);
            }
        }
        Ok(page)
    }

    /// The configuration as the file says it now; while the file is wrong, as it is in use.
    fn desired(&self) -> Arc<Config> {
        let written = std::fs::metadata(self.core.workspace.config())
            .and_then(|known| known.modified())
            .ok();
        let mut known = self.desired.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, config)) = &*known
            && Some(*at) == written
        {
            return Arc::clone(config);
        }
        match (configuration::load(&self.core.workspace), written) {
            (Ok(config), Some(at)) => {
                let config = Arc::new(config);
                *known = Some((at, Arc::clone(&config)));
                config
            }
            _ => self.core.config(),
        }
    }

    /// Everything about the definition of a view: `name`, or `name@2` of that version.
    pub fn view_page(&self, services: &Services, name: &str) -> Result<ViewPage> {
        let made = self.core.view(name)?;
        let plain = versioned(name).map_or(name, |(plain, _)| plain);
        let readers = self.readers(&self.served()?)?;
        let desired = self.desired();
        Ok(ViewPage {
            types: made.types.clone(),
            text: facets::text(&made.view),
            history: self
                .core
                .store
                .read(|connection| view_versions::history(connection, plain))?,
            pending: self.pending(&desired, plain, &readers),
            lineage: self.lineage(services, &made, plain, &of_view(&readers, plain)),
            readers: of_view(&readers, plain),
            view: made.view.clone(),
        })
    }

    /// From the data to who answers with it.
    fn lineage(
        &self,
        services: &Services,
        made: &ViewVersion,
        plain: &str,
        readers: &[Reader],
    ) -> Vec<LineageLine> {
        let mut lines = Vec::new();
        let mut line = |kind: &str, value: String| {
            lines.push(LineageLine {
                kind: kind.to_owned(),
                value,
            });
        };
        for dataset in &made.datasets {
            let from = match (&dataset.path, &dataset.sql) {
                (Some(path), _) => {
                    // a dataset that was never read has no files that are known
                    let files = services.datasets.known(&dataset.name).unwrap_or_default();
                    format!("{path}, {} files", files.len())
                }
                (None, Some(_)) => "sql".to_owned(),
                (None, None) => "nothing".to_owned(),
            };
            line("dataset", format!("{}: {from}", dataset.name));
        }
        let view = &made.view;
        let version = match view.version {
            0 => "not applied".to_owned(),
            version => format!("v{version} by {}", made.by),
        };
        line(
            "view",
            format!(
                "{plain} {version}: {} features of {}",
                view.feature_names().len(),
                view.source_name()
            ),
        );
        for pipeline in pipelines_of(&self.core.config(), plain) {
            line("pipeline", pipeline);
        }
        for reader in readers {
            let reads = match reader.view_version {
                0 => "a definition from before it was applied".to_owned(),
                version => format!("v{version}"),
            };
            line(
                "model",
                format!("{} {} reads {reads}", reader.model, reader.version),
            );
        }
        for reader in readers {
            for deployment in &reader.deployments {
                line(
                    "deployment",
                    format!(
                        "{deployment} answers with {} {}",
                        reader.model, reader.version
                    ),
                );
            }
        }
        lines
    }

    fn row(
        &self,
        view: &FeatureView,
        feature: &str,
        made: Option<&Materialization>,
        users: &Users,
        drifting: &BTreeSet<String>,
    ) -> FeatureRow {
        let key = (view.name.clone(), feature.to_owned());
        let used = users.get(&key);
        let age = made
            .and_then(|made| made.watermark)
            .map(|watermark| self.core.now().0 - watermark.div_euclid(1000));
        FeatureRow {
            feature: feature.to_owned(),
            view: view.name.clone(),
            freshness: freshness(view, feature, age),
            age_ms: age,
            null_share: made
                .and_then(|made| {
                    made.profile
                        .columns
                        .iter()
                        .find(|column| column.name == feature)
                })
                .filter(|column| column.rows > 0)
                .map(|column| column.nulls as f64 / column.rows as f64),
            used_by: used.map(|used| used.versions.clone()).unwrap_or_default(),
            drifting: used
                .is_some_and(|used| used.inputs.iter().any(|input| drifting.contains(input))),
            version: view.version,
            differs: false,
        }
    }

    /// Who uses which feature, and under which input names: by what training kept, and for models from before it kept
    /// anything by their pipelines and signatures.
    fn users(&self, services: &Services) -> Result<Users> {
        let config = self.core.config();
        let mut users = Users::new();
        let mut kept = BTreeSet::new();
        for (model, version, pin) in self.core.store.read(view_versions::reads)? {
            kept.insert((model.clone(), version));
            let user = users.entry((pin.view, pin.feature)).or_default();
            let named = (model, version);
            if !user.versions.contains(&named) {
                user.versions.push(named);
            }
            if !user.inputs.contains(&pin.input) {
                user.inputs.push(pin.input);
            }
        }
        for pipeline in &config.pipelines {
            let versions: Vec<(Version, BTreeSet<String>)> = services
                .registry
                .versions(&pipeline.model)?
                .into_iter()
                .filter(|version| !kept.contains(&(pipeline.model.clone(), *version)))
                .filter_map(|version| {
                    let signature = services.registry.signature(&pipeline.model, version).ok()?;
                    let inputs = signature.inputs.into_iter().map(|input| input.name);
                    Some((version, inputs.collect()))
                })
                .collect();
            for one in &pipeline.features {
                let Ok(made) = self.core.view(&one.view) else {
                    continue;
                };
                let view = &made.view;
                let names = match &one.feature {
                    Some(feature) => vec![feature.clone()],
                    None => view.feature_names(),
                };
                for name in names {
                    let input = format!("{}{name}", one.prefix);
                    let user = users.entry((view.name.clone(), name)).or_default();
                    for (version, inputs) in &versions {
                        let named = (pipeline.model.clone(), *version);
                        if inputs.contains(&input) && !user.versions.contains(&named) {
                            user.versions.push(named);
                        }
                    }
                    if !user.inputs.contains(&input) {
                        user.inputs.push(input);
                    }
                }
            }
        }
        Ok(users)
    }

    /// Inputs that drift in the newest window of a monitor of any pipeline's model.
    fn drifting(&self, services: &Services) -> Result<BTreeSet<String>> {
        let config = self.core.config();
        let models: BTreeSet<&ModelName> = config.pipelines.iter().map(|one| &one.model).collect();
        let mut drifting = BTreeSet::new();
        for model in models {
            for report in services.monitoring.newest_of(model)? {
                drifting.extend(
                    report
                        .columns
                        .into_iter()
                        .filter(|column| {
                            column.verdict == crate::domain::drift::DriftVerdict::Drift
                        })
                        .map(|column| column.column),
                );
            }
        }
        Ok(drifting)
    }

    /// One feature.
    pub fn feature(&self, services: &Services, view: &str, feature: &str) -> Result<FeatureDetail> {
        let definition = self.view(view)?;
        if !definition
            .feature_names()
            .iter()
            .any(|name| name == feature)
        {
            return Err(Error::not_found(format!(
                "feature view `{view}` has no feature `{feature}`; it has `{}`",
                definition.feature_names().join("`, `")
            )));
        }
        let made = self
            .core
            .store
            .read(|connection| rows::newest(connection, view))?;
        let users = self.users(services)?;
        let drifting = self.drifting(services)?;
        let values = self.some_values(&definition, feature, 50)?;
        Ok(FeatureDetail {
            row: self.row(&definition, feature, made.as_ref(), &users, &drifting),
            meaning: meaning(&definition, feature),
            profile: made.as_ref().and_then(|made| {
                made.profile
                    .columns
                    .iter()
                    .find(|column| column.name == feature)
                    .cloned()
            }),
            event_time: made
                .as_ref()
                .and_then(|made| made.watermark)
                .map(|at| Timestamp(at.div_euclid(1000))),
            online_keys: made.as_ref().map_or(0, |made| made.rows),
            online_equal: made
                .as_ref()
                .and_then(|made| made.equality.get(feature).copied()),
            values,
            join_command: self.join_command(&definition, feature),
            definition: self.view_page(services, view)?,
            view: definition,
        })
    }

    /// The rows of the first pipeline that uses the feature with their features; without one, rows of a file.
    fn join_command(&self, view: &FeatureView, feature: &str) -> String {
        let config = self.core.config();
        let user = config.pipelines.iter().find(|pipeline| {
            pipeline.features.iter().any(|one| {
                one.view == view.name && one.feature.as_deref().is_none_or(|name| name == feature)
            })
        });
        match user {
            Some(pipeline) => {
                format!("trainyard features join {} --out FILE", pipeline.name)
            }
            None => format!(
                "trainyard features join --entities FILE --features {}:{feature} --out FILE",
                view.name
            ),
        }
    }
}

/// View and feature -> who uses it.
type Users = BTreeMap<(String, String), User>;

#[derive(Default)]
struct User {
    versions: Vec<(ModelName, Version)>,
    inputs: Vec<String>,
}

/// "mean dep_delay of origin over 3h", "temp of the newest weather row".
fn meaning(view: &FeatureView, feature: &str) -> String {
    if let Some(one) = view.demanded(feature) {
        return format!("{} when it is asked for", one.expression);
    }
    for window in &view.windows {
        let names = window.feature_names();
        let Some((place, (_, aggregate, _))) = names
            .iter()
            .enumerate()
            .find(|(_, (name, _, _))| name == feature)
        else {
            continue;
        };
        let how = match aggregate {
            Aggregate::Count => "number of",
            Aggregate::Sum => "sum of",
            Aggregate::Mean => "mean",
            Aggregate::Min => "smallest",
            Aggregate::Max => "greatest",
            Aggregate::Std => "standard deviation of",
            Aggregate::Last => "last",
            Aggregate::Distinct => "different values of",
            Aggregate::Share => "share of",
        };
        let column = match (aggregate, &window.value) {
            (Aggregate::Share, Some(value)) => format!("{} {value}", window.column),
            _ => window.column.clone(),
        };
        let over = window
            .over
            .get(place / window.aggregates.len().max(1))
            .map_or("", |(text, _)| text.as_str());
        return format!("{how} {column} of {} over {over}", view.entity.name);
    }
    if let Some(one) = view.derive.iter().find(|one| one.name == feature) {
        return format!(
            "{} of {}, by the newest row of {}",
            one.expression,
            view.entity.name,
            view.source_name()
        );
    }
    format!(
        "{feature} of {}, the newest row of {}",
        view.entity.name,
        view.source_name()
    )
}
