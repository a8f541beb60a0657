//! The read models of the features pane: all features, and one with its values. Changes nothing.

use super::Catalog;
use super::online::{freshness, readable};
use crate::domain::feature::{
    Aggregate, FeatureDetail, FeatureRow, FeatureView, FeaturesPage, Freshness,
};
use crate::domain::feature_version::ViewPage;
use crate::domain::{Error, ModelName, Result, Timestamp, Version};
use crate::service::{Services, inputs};
use crate::store::catalog::{self as rows, Materialization};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Catalog {
    /// The features pane.
    pub fn page(&self, services: &Services) -> Result<FeaturesPage> {
        let config = self.core.config();
        let mut views: Vec<&FeatureView> = config.views.iter().collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        let users = self.users(services)?;
        let drifting = self.drifting(services)?;
        let mut page = FeaturesPage {
            views: views.len() as u64,
            ..FeaturesPage::default()
        };
        for view in views {
            let made = self
                .core
                .store
                .read(|connection| rows::newest(connection, &view.name))?;
            for feature in view.feature_names() {
                let row = self.row(view, &feature, made.as_ref(), &users, &drifting);
                page.late += u64::from(row.freshness == Freshness::Stale);
                page.drifting += u64::from(row.drifting);
                page.rows.push(row);
            }
        }
        Ok(page)
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
            freshness: freshness(view, age),
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

    /// Who uses which feature, and under which input names: by the pipelines and their models' versions.
    fn users(&self, services: &Services) -> Result<Users> {
        let config = self.core.config();
        let mut users = Users::new();
        for pipeline in &config.pipelines {
            let versions: Vec<(Version, BTreeSet<String>)> = services
                .registry
                .versions(&pipeline.model)?
                .into_iter()
                .filter_map(|version| {
                    let signature = services.registry.signature(&pipeline.model, version).ok()?;
                    let inputs = signature.inputs.into_iter().map(|input| input.name);
                    Some((version, inputs.collect()))
                })
                .collect();
            for one in &pipeline.features {
                let Some(view) = config.views.iter().find(|view| view.name == one.view) else {
                    continue;
                };
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
                    user.inputs.push(input);
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
        let now = self.core.now();
        let values = match &made {
            None => Vec::new(),
            Some(_) => self
                .online_store()?
                .some(view, 50)?
                .into_iter()
                .map(|row| {
                    let age = row.event_time.map_or(0, |at| now.0 - at.div_euclid(1000));
                    let value = match row.values.get(feature) {
                        Some(Value::String(text)) => text.clone(),
                        Some(Value::Number(number)) => number
                            .as_f64()
                            .map_or_else(|| number.to_string(), inputs::short),
                        Some(Value::Null) | None => "null".into(),
                        Some(other) => other.to_string(),
                    };
                    (readable(&row.key), value, age)
                })
                .collect(),
        };
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
            definition: ViewPage::default(),
            view: definition,
        })
    }

    /// The rows of the first pipeline that uses the feature with their features; without one, its online values.
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
            None => {
                let keys: Vec<String> = view
                    .entity
                    .keys
                    .iter()
                    .map(|key| format!(" --entity {key}=VALUE"))
                    .collect();
                format!(
                    "trainyard features get {}:{feature}{}",
                    view.name,
                    keys.concat()
                )
            }
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
