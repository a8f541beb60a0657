//! What a feature view is, by its name: the definition in force, or a kept one (`name@2`); what jobs and models hold of it.
//!
//! In force is what was applied (`apply`); a view that was never applied is what the configuration says. A job and a model
//! name the version that they were made with, and get that definition for ever, with the datasets as they were then.

use super::Catalog;
use crate::config::{Config, DatasetConfig, FeatureUse};
use crate::domain::feature::FeatureView;
use crate::domain::feature_version::{Pin, SourceDataset, ViewVersion};
use crate::domain::job::{ChampionRows, MaterializeSpec, TableSpec};
use crate::domain::{
    DeploymentName, Error, ErrorKind, ModelName, Result, RunId, Timestamp, Version,
};
use crate::service::datasets::names_in;
use crate::service::{Core, Services};
use crate::store::{registry, view_versions as rows};
use crate::workspace::Workspace;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Definitions by name.
pub(super) type Applied = BTreeMap<String, Arc<ViewVersion>>;

/// The definitions in force, as the store has them, and the kept ones that were asked for.
#[derive(Default)]
pub struct Views {
    applied: RwLock<Arc<Applied>>,
    /// By `name@2`.
    kept: Mutex<Applied>,
}

impl Core {
    /// Reads the definitions in force from the store.
    pub(crate) fn read_views(&self) -> Result<()> {
        let views: Applied = self
            .store
            .read(rows::in_force)?
            .into_iter()
            .map(|made| (made.view.name.clone(), Arc::new(made)))
            .collect();
        *self
            .views
            .applied
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Arc::new(views);
        Ok(())
    }

    /// The definitions that were applied and are in force.
    pub(super) fn applied_views(&self) -> Arc<Applied> {
        Arc::clone(
            &self
                .views
                .applied
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// The definition of a view: `name` in force, `name@2` of that version. Its name is `name@2` only where another version
    /// is in force.
    ///
    /// # Errors
    /// [`crate::domain::ErrorKind::NotFound`], with the views there are.
    pub fn view(&self, name: &str) -> Result<Arc<ViewVersion>> {
        let applied = self.applied_views();
        if let Some(made) = applied.get(name) {
            return Ok(Arc::clone(made));
        }
        if let Some((plain, number)) = versioned(name) {
            return match applied.get(plain) {
                Some(made) if made.view.version == number => Ok(Arc::clone(made)),
                _ => self.kept_view(name, plain, number),
            };
        }
        let config = self.config();
        if let Some(view) = config.view(name) {
            return Ok(Arc::new(defined(&config, view)));
        }
        let known = self.view_names();
        Err(Error::not_found(format!(
            "there is no feature view `{name}`; there are {}",
            if known.is_empty() {
                "none".to_owned()
            } else {
                format!("`{}`", known.join("`, `"))
            }
        )))
    }

    fn kept_view(&self, name: &str, plain: &str, number: u32) -> Result<Arc<ViewVersion>> {
        let known = |kept: &Mutex<Applied>| {
            kept.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .get(name)
                .cloned()
        };
        if let Some(made) = known(&self.views.kept) {
            return Ok(made);
        }
        let found = self
            .store
            .read(|connection| rows::version(connection, plain, number))?;
        let Some(mut made) = found else {
            let newest = self
                .store
                .read(|connection| rows::newest(connection, plain))?;
            return Err(Error::not_found(match newest {
                0 => {
                    format!("feature view `{plain}` was never applied: it has no version {number}")
                }
                newest => format!(
                    "feature view `{plain}` has no version {number}; its newest is {newest}"
                ),
            }));
        };
        made.view.name = name.to_owned();
        let made = Arc::new(made);
        self.views
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_owned(), Arc::clone(&made));
        Ok(made)
    }

    /// Names of all views: those in force and those that wait to be applied, sorted.
    pub fn view_names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.applied_views().keys().cloned().collect();
        names.extend(self.config().views.iter().map(|view| view.name.clone()));
        names.sort();
        names.dedup();
        names
    }
}

/// `carrier@2` -> `carrier`, 2.
pub(super) fn versioned(name: &str) -> Option<(&str, u32)> {
    let (plain, number) = name.rsplit_once('@')?;
    Some((plain, number.parse().ok()?))
}

/// A view as the configuration defines it: not applied, so of version 0 and without types.
pub(super) fn defined(config: &Config, view: &FeatureView) -> ViewVersion {
    let mut datasets = Vec::new();
    match &view.sql {
        Some(sql) => {
            for name in names_in(sql, config, "") {
                behind(config, &name, &mut datasets);
            }
        }
        None => behind(config, &view.dataset, &mut datasets),
    }
    let mut made = ViewVersion {
        view: view.clone(),
        datasets,
        types: Vec::new(),
        digest: String::new(),
        at: Timestamp(0),
        by: String::new(),
    };
    made.digest = super::facets::digest(&made);
    made
}

/// The dataset called `name` and all it is made from, each once, what it is made from first.
fn behind(config: &Config, name: &str, found: &mut Vec<SourceDataset>) {
    let Some(dataset) = config.dataset(name) else {
        return;
    };
    if found.iter().any(|one| one.name == name) {
        return;
    }
    if let Some(sql) = &dataset.sql {
        // its own name stands in for it meanwhile: datasets that are made from each other end here
        let place = found.len();
        found.push(source(dataset));
        for used in names_in(sql, config, name) {
            behind(config, &used, found);
        }
        let own = found.remove(place);
        found.push(own);
    } else {
        found.push(source(dataset));
    }
}

fn source(dataset: &DatasetConfig) -> SourceDataset {
    SourceDataset {
        name: dataset.name.clone(),
        path: dataset.path.clone(),
        sql: dataset.sql.clone(),
    }
}

/// The definition of a view for those who have no daemon: what is in force, and of views that were never applied what the
/// configuration says.
///
/// # Errors
/// [`crate::domain::ErrorKind::NotFound`], with the views there are.
pub fn without_daemon(workspace: &Workspace, config: &Config, name: &str) -> Result<ViewVersion> {
    let applied = rows::in_force_at(&workspace.store()).map_err(|error| {
        error.context(
            "reading the definitions in force: `trainyard up` brings an older database up to date",
        )
    })?;
    if let Some(made) = applied.iter().find(|made| made.view.name == name) {
        return Ok(made.clone());
    }
    if let Some(view) = config.view(name) {
        return Ok(defined(config, view));
    }
    let mut known: Vec<&str> = config.views.iter().map(|view| view.name.as_str()).collect();
    known.extend(applied.iter().map(|made| made.view.name.as_str()));
    known.sort_unstable();
    known.dedup();
    Err(Error::not_found(format!(
        "there is no feature view `{name}`; there are `{}`",
        known.join("`, `")
    )))
}

impl Catalog {
    /// The definition of a view, see [`Core::view`].
    pub fn definition(&self, name: &str) -> Result<Arc<ViewVersion>> {
        self.core.view(name)
    }

    pub(super) fn view(&self, name: &str) -> Result<FeatureView> {
        Ok(self.core.view(name)?.view.clone())
    }

    /// What a materialization of `view` (`name`, `name@2`) has to do, resolved.
    pub fn materialize_spec(
        &self,
        services: &Services,
        view: &str,
        as_of: Timestamp,
    ) -> Result<MaterializeSpec> {
        let made = self.core.view(view)?;
        Ok(MaterializeSpec {
            source: services.datasets.source_of(&made)?,
            view: made.view.clone(),
            as_of: as_of.0.saturating_mul(1000),
            from: None,
            since: None,
        })
    }

    /// Keeps which versions of which features a run learns from. Told again, it is the same.
    pub fn pin(&self, run: &RunId, table: &TableSpec) -> Result<()> {
        let pins = pins_of(run, table);
        if pins.is_empty() {
            return Ok(());
        }
        self.core
            .store
            .write(move |transaction| rows::pin(transaction, &pins))
    }

    /// The features that a model version was trained on, by input: its feature service.
    pub fn service(
        &self,
        services: &Services,
        model: &ModelName,
        version: Version,
    ) -> Result<Vec<Pin>> {
        let Some(run) = services.registry.version(model, version)?.run else {
            return Ok(Vec::new());
        };
        self.core
            .store
            .read(|connection| rows::pins(connection, &run))
    }

    /// The rows of `table` as a model version is to be judged on them: with the features that it was trained on, by the
    /// versions of their views that it pinned.
    pub fn champion_rows(
        &self,
        services: &Services,
        model: &ModelName,
        version: Version,
        table: &TableSpec,
    ) -> Result<ChampionRows> {
        let pins = self.service(services, model, version)?;
        // what is read of a view that was never applied has no version that could be another
        let pins: Vec<Pin> = pins.into_iter().filter(|pin| pin.version > 0).collect();
        let Some(run) = pins.first().map(|pin| pin.run.clone()) else {
            return Ok(ChampionRows::Same);
        };
        let now = pins_of(&run, table);
        if pins.iter().all(|pin| now.contains(pin)) {
            return Ok(ChampionRows::Same);
        }
        let uses: Vec<FeatureUse> = pins
            .iter()
            .map(|pin| FeatureUse {
                view: format!("{}@{}", pin.view, pin.version),
                feature: Some(pin.feature.clone()),
                keys: pin.keys.clone(),
                prefix: (pin.input.strip_suffix(&pin.feature))
                    .unwrap_or_default()
                    .to_owned(),
            })
            .collect();
        match services.datasets.views(&uses) {
            Ok(views) => Ok(ChampionRows::Own(Box::new(TableSpec {
                views,
                inputs: Vec::new(),
                ..table.clone()
            }))),
            Err(error) if error.kind == ErrorKind::Unavailable => Err(error),
            Err(error) => Ok(ChampionRows::Gone(error.to_string())),
        }
    }

    /// Model versions that answer requests by what the configuration and the aliases say: deployment, model, version.
    pub(super) fn served(&self) -> Result<Vec<(DeploymentName, ModelName, Version)>> {
        let config = self.core.config();
        let mut served = Vec::new();
        for one in &config.deployments {
            let version = self
                .core
                .store
                .read(|connection| registry::alias(connection, &one.model, &one.alias))?;
            if let Some(version) = version {
                served.push((one.name.clone(), one.model.clone(), version));
            }
        }
        Ok(served)
    }

    /// Views to materialize when none is named: all in force, and kept versions that models which answer requests read.
    pub fn to_materialize(&self) -> Result<Vec<String>> {
        let mut names = self.core.view_names();
        let applied = self.core.applied_views();
        for reader in self.readers(&self.served()?)? {
            let (view, pinned) = (reader.0, reader.1.view_version);
            let in_force = applied.get(&view).map_or(0, |made| made.view.version);
            let name = format!("{view}@{pinned}");
            if !reader.1.deployments.is_empty()
                && pinned > 0
                && pinned != in_force
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
        Ok(names)
    }
}

/// What a table's features are called as inputs, and where they come from.
pub(super) fn pins_of(run: &RunId, table: &TableSpec) -> Vec<Pin> {
    table
        .views
        .iter()
        .flat_map(|used| {
            used.features.iter().map(|feature| Pin {
                run: run.clone(),
                input: format!("{}{feature}", used.prefix),
                view: versioned(&used.view.name)
                    .map_or(used.view.name.as_str(), |(plain, _)| plain)
                    .to_owned(),
                version: used.view.version,
                feature: feature.clone(),
                keys: used.keys.clone(),
            })
        })
        .collect()
}
