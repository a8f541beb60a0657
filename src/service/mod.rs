//! Every rule of the product. A service method checks, writes in one transaction, and emits events
//! after the commit. HTTP, API and runtime are clients of these methods and hold no rule.

pub mod access;
pub mod alerts;
pub mod bus;
pub mod catalog;
pub mod commands;
pub mod configuration;
pub mod datasets;
pub mod explain;
pub mod host;
pub mod inputs;
pub mod jobs;
pub mod live;
pub mod monitoring;
pub mod pipelines;
pub mod promotion;
pub mod query;
pub mod registry;
pub mod requests;
mod seen;
mod served;
pub mod serving;
pub mod tracking;
pub mod traffic;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod house_tests;

use crate::config::Config;
use crate::domain::host::HostSample;
use crate::domain::trigger::Cause;
use crate::domain::{Clock, Event, ExperimentId, JobId, Result, Timestamp};
use crate::store::artifacts::Space;
use crate::store::push_log::PushLog;
use crate::store::{Store, experiments, notices};
use crate::workspace::Workspace;
use std::sync::{Arc, RwLock};

/// What every service stands on.
pub struct Core {
    /// The database.
    pub store: Store,
    /// Where events go.
    pub bus: bus::Bus,
    /// Now.
    pub clock: Arc<dyn Clock>,
    /// Paths.
    pub workspace: Workspace,
    /// Files of runs and models.
    pub artifacts: Space,
    /// Rows that were pushed into datasets.
    pub pushed: PushLog,
    config: RwLock<Arc<Config>>,
    views: catalog::Views,
}

impl Core {
    /// The configuration as last read.
    pub fn config(&self) -> Arc<Config> {
        match self.config.read() {
            Ok(config) => Arc::clone(&config),
            Err(poisoned) => Arc::clone(&poisoned.into_inner()),
        }
    }

    /// Takes a new configuration into use.
    pub fn set_config(&self, config: Config) {
        let config = Arc::new(config);
        match self.config.write() {
            Ok(mut slot) => *slot = config,
            Err(poisoned) => *poisoned.into_inner() = config,
        }
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Tells people something: a line of the message list, kept and emitted. `level`: `info`, `warn`, `error`.
    pub fn notify(&self, level: &str, text: impl Into<String>) -> Result<()> {
        let (at, level, text) = (self.now(), level.to_owned(), text.into());
        let event = Event::Notice {
            at,
            level: level.clone(),
            text: text.clone(),
        };
        self.store
            .write(move |transaction| notices::insert(transaction, at, &level, &text))?;
        self.bus.emit(event);
        Ok(())
    }

    /// The newest lines of the message list as (when, level, text), oldest first.
    pub fn notices(&self, limit: u32) -> Result<Vec<(Timestamp, String, String)>> {
        self.store.read(|view| notices::recent(view, limit))
    }
}

/// Who runs pipelines and reads the configuration: implemented above the services, handed to those clients of the
/// services that take requests for it.
pub trait Pipelines: Send + Sync {
    /// Starts a pipeline, whole (`promote`) or up to registration; `set` overrides its parameters.
    /// Answers the pipeline run's id and its first job.
    fn train(
        &self,
        pipeline: &str,
        set: &[(String, String)],
        promote: bool,
        cause: Cause,
    ) -> Result<(i64, JobId)>;

    /// Reads `trainyard.toml` again and takes it into use when nothing is wrong with it.
    fn reload(&self) -> Result<()>;

    /// What is wrong with `trainyard.toml` now, if it changed since it was taken into use.
    fn problems(&self) -> Vec<String>;

    /// CPU and memory of running jobs: job, percent of one core, bytes.
    fn usage(&self) -> Vec<(JobId, f32, u64)>;

    /// The machine, measured lately.
    fn host(&self) -> HostSample;
}

/// All services of a workspace.
pub struct Services {
    /// What they share.
    pub core: Arc<Core>,
    /// Tokens, and when one is needed.
    pub access: access::Access,
    /// Experiments, runs, metrics, artifacts.
    pub tracking: tracking::Tracking,
    /// Models, versions, aliases, gate, promotion.
    pub registry: registry::Registry,
    /// Feature views, the online store.
    pub catalog: catalog::Catalog,
    /// Datasets, snapshots, schemas, profiles.
    pub datasets: datasets::Datasets,
    /// Drift, labels, quality over time.
    pub monitoring: monitoring::Monitoring,
    /// Deployments and their answers.
    pub serving: serving::Serving,
    /// The job queue.
    pub jobs: jobs::Jobs,
    /// Runs of pipelines.
    pub pipelines: pipelines::PipelineRuns,
    /// The machine.
    pub host: host::Host,
}

impl Services {
    /// Opens the store of `workspace` and builds every service on it.
    pub fn open(workspace: Workspace, config: Config, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        workspace.create()?;
        let store = Store::open(&workspace.store())?;
        let now = clock.now();
        store.write(move |transaction| {
            if experiments::get(transaction, &ExperimentId::from("0")).is_err() {
                experiments::insert(transaction, Some(0), "Default", None, now)?;
            }
            Ok(())
        })?;
        let artifacts = Space::new(workspace.artifacts());
        artifacts.sweep()?;
        let pushed = PushLog::new(workspace.pushed());
        let core = Arc::new(Core {
            store,
            bus: bus::Bus::default(),
            clock,
            workspace,
            artifacts,
            pushed,
            config: RwLock::new(Arc::new(config)),
            views: catalog::Views::default(),
        });
        core.read_views()?;
        let tracking = tracking::Tracking::new(Arc::clone(&core));
        tracking.remove_doomed()?;
        Ok(Arc::new(Self {
            tracking,
            access: access::Access::open(Arc::clone(&core))?,
            registry: registry::Registry::new(Arc::clone(&core)),
            catalog: catalog::Catalog::new(Arc::clone(&core)),
            datasets: datasets::Datasets::new(Arc::clone(&core)),
            monitoring: monitoring::Monitoring::new(Arc::clone(&core)),
            serving: serving::Serving::new(Arc::clone(&core)),
            jobs: jobs::Jobs::new(Arc::clone(&core)),
            pipelines: pipelines::PipelineRuns::new(Arc::clone(&core)),
            host: host::Host::default(),
            core,
        }))
    }
}
