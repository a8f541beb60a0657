//! Feature views and the online store.

use super::{Core, Services};
use crate::domain::feature::{FeatureDetail, FeaturesPage};
use crate::domain::job::{JobResult, MaterializeSpec};
use crate::domain::{Error, Result, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// See the module's text.
pub struct Catalog {
    core: Arc<Core>,
}

impl Catalog {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn absent<T>(&self) -> Result<T> {
        let _ = &self.core;
        Err(Error::unavailable("not there yet"))
    }

    /// What a materialization of `view` has to do, resolved.
    pub fn materialize_spec(
        &self,
        services: &Services,
        view: &str,
        as_of: Timestamp,
    ) -> Result<MaterializeSpec> {
        let _ = (services, view, as_of);
        self.absent()
    }

    /// Takes a finished materialization into the online store: the new generation replaces the old one at once.
    pub fn take_in(&self, view: &str, result: &JobResult) -> Result<()> {
        let _ = (view, result);
        self.absent()
    }

    /// Online values for entities: one JSON object per entity with value, status and age.
    pub fn online(
        &self,
        features: &[String],
        entities: &BTreeMap<String, Vec<serde_json::Value>>,
    ) -> Result<Vec<serde_json::Value>> {
        let _ = (features, entities);
        self.absent()
    }

    /// The features pane.
    pub fn page(&self, services: &Services) -> Result<FeaturesPage> {
        let _ = services;
        self.absent()
    }

    /// One feature.
    pub fn feature(&self, services: &Services, view: &str, feature: &str) -> Result<FeatureDetail> {
        let _ = (services, view, feature);
        self.absent()
    }
}
