//! Deployments: the loaded models, the atomic swap, answers, and the log of what was served.

use super::{Core, Services};
use crate::data::Frame;
use crate::domain::deployment::{Deployment, Explanation, LivePage};
use crate::domain::model::Signature;
use crate::domain::{DeploymentName, Error, ModelName, Result, Version};
use crate::ml::Predictions;
use std::sync::Arc;

/// See the module's text.
pub struct Serving {
    core: Arc<Core>,
}

/// An answer and who gave it.
pub struct Answer {
    /// By row.
    pub predictions: Predictions,
    /// The deployment's model.
    pub model: ModelName,
    /// The version that answered.
    pub version: Version,
    /// Its signature.
    pub signature: Signature,
}

impl Serving {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn absent<T>(&self) -> Result<T> {
        let _ = &self.core;
        Err(Error::unavailable("not there yet"))
    }

    /// Brings every deployment to what its alias names: loads beside the old version, predicts the input example, swaps.
    /// When loading fails the old version stays and the deployment says why.
    pub fn reconcile(&self, services: &Services) -> Result<()> {
        let _ = services;
        self.absent()
    }

    /// Answers rows. `name`: a deployment, or a model's name. `version` none: what the deployment serves.
    /// `request`: the caller's id. Logs the rows through a bounded queue.
    pub fn predict(
        &self,
        services: &Services,
        name: &str,
        version: Option<Version>,
        rows: Frame,
        request: Option<String>,
    ) -> Result<Answer> {
        let _ = (services, name, version, rows, request);
        self.absent()
    }

    /// Notes a request that never reached a model (bad input): it counts as failed.
    pub fn refused(&self, name: &str, status: u16, detail: &str) {
        let _ = (name, status, detail);
    }

    /// All deployments.
    pub fn deployments(&self) -> Result<Vec<Deployment>> {
        self.absent()
    }

    /// What a deployment (or model) takes and gives.
    pub fn signature(
        &self,
        name: &str,
        version: Option<Version>,
    ) -> Result<(ModelName, Version, Signature)> {
        let _ = (name, version);
        self.absent()
    }

    /// The live pane; none without deployments.
    pub fn live(
        &self,
        services: &Services,
        deployment: Option<&DeploymentName>,
        window_s: u64,
    ) -> Result<Option<LivePage>> {
        let _ = (services, deployment, window_s);
        self.absent()
    }

    /// Whether every deployment is within its limits.
    pub fn healthy(&self) -> Result<Option<bool>> {
        self.absent()
    }

    /// Why a request was answered as it was.
    pub fn explain(
        &self,
        services: &Services,
        deployment: &DeploymentName,
        request: &str,
    ) -> Result<Explanation> {
        let _ = (services, deployment, request);
        self.absent()
    }

    /// Writes what the log's queue still holds; called every few seconds and at shutdown.
    pub fn flush(&self) -> Result<()> {
        self.absent()
    }
}
