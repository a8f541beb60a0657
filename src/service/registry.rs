//! Models, versions, aliases with their history, the gate's record, promotion and roll-back.

use super::{Core, Services};
use crate::domain::registry::{AliasMove, ModelPage, ModelRow, ModelVersion, PromotionPage};
use crate::domain::trigger::Verdict;
use crate::domain::{Error, ModelName, Result, RunId, Version};
use std::path::PathBuf;
use std::sync::Arc;

/// See the module's text.
pub struct Registry {
    core: Arc<Core>,
}

impl Registry {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn absent<T>(&self) -> Result<T> {
        let _ = &self.core;
        Err(Error::unavailable("not there yet"))
    }

    /// Makes a version from the model directory among a run's artifacts (`model`); the model is made when new.
    /// Registering the same run for the same model again answers the version there is.
    pub fn register(&self, run: &RunId, model: &ModelName, user: &str) -> Result<ModelVersion> {
        let _ = (run, model, user);
        self.absent()
    }

    /// The version that an alias names.
    pub fn resolve(&self, model: &ModelName, alias: &str) -> Result<Option<Version>> {
        let _ = (model, alias);
        self.absent()
    }

    /// One version.
    pub fn version(&self, model: &ModelName, version: Version) -> Result<ModelVersion> {
        let _ = (model, version);
        self.absent()
    }

    /// `name`, `name@alias` or `name/3` -> model and version.
    pub fn parse(&self, text: &str) -> Result<(ModelName, Version)> {
        let _ = text;
        self.absent()
    }

    /// Where a version's model directory lies.
    pub fn directory(&self, model: &ModelName, version: Version) -> Result<PathBuf> {
        let _ = (model, version);
        self.absent()
    }

    /// Keeps what the gate said about a version.
    pub fn record_gate(&self, model: &ModelName, version: Version, verdict: Verdict) -> Result<()> {
        let _ = (model, version, verdict);
        self.absent()
    }

    /// Moves `champion` to `version` when the gate's record allows it, or with `force` and a reason. One transaction with its audit row.
    pub fn promote(
        &self,
        model: &ModelName,
        version: Version,
        by: &str,
        force: bool,
        reason: &str,
    ) -> Result<AliasMove> {
        let _ = (model, version, by, force, reason);
        self.absent()
    }

    /// Moves `champion` back: to `to`, or to where the last move came from.
    pub fn rollback(&self, model: &ModelName, to: Option<Version>, by: &str) -> Result<AliasMove> {
        let _ = (model, to, by);
        self.absent()
    }

    /// Sets or removes any other alias.
    pub fn set_alias(
        &self,
        model: &ModelName,
        alias: &str,
        version: Option<Version>,
        by: &str,
    ) -> Result<AliasMove> {
        let _ = (model, alias, version, by);
        self.absent()
    }

    /// Moves of a model's aliases, newest first.
    pub fn history(&self, model: &ModelName) -> Result<Vec<AliasMove>> {
        let _ = model;
        self.absent()
    }

    /// All models.
    pub fn models(&self, services: &Services) -> Result<Vec<ModelRow>> {
        let _ = services;
        self.absent()
    }

    /// The registry pane's page of a model.
    pub fn page(&self, services: &Services, model: &ModelName) -> Result<ModelPage> {
        let _ = (services, model);
        self.absent()
    }

    /// What a promotion (`rollback` false) or roll-back to `version` (none: where the last move came from) changes.
    pub fn preview(
        &self,
        services: &Services,
        model: &ModelName,
        version: Option<Version>,
        rollback: bool,
    ) -> Result<PromotionPage> {
        let _ = (services, model, version, rollback);
        self.absent()
    }
}
