//! Every rule of the product. A service method checks, writes in one transaction, and emits events
//! after the commit. HTTP, API and runtime are clients of these methods and hold no rule.

pub mod alerts;
pub mod bus;
pub mod catalog;
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
pub mod registry;
pub mod serving;
pub mod tracking;
pub mod traffic;

pub use pipelines::Pipelines;

use crate::config::Config;
use crate::domain::{Clock, Result, Timestamp};
use crate::store::Store;
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
    config: RwLock<Arc<Config>>,
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
}

/// All services of a workspace.
pub struct Services {
    /// What they share.
    pub core: Arc<Core>,
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
}

impl Services {
    /// Opens the store of `workspace` and builds every service on it.
    pub fn open(workspace: Workspace, config: Config, clock: Arc<dyn Clock>) -> Result<Arc<Self>> {
        workspace.create()?;
        let store = Store::open(&workspace.store())?;
        let core = Arc::new(Core {
            store,
            bus: bus::Bus::default(),
            clock,
            workspace,
            config: RwLock::new(Arc::new(config)),
        });
        Ok(Arc::new(Self {
            tracking: tracking::Tracking::new(Arc::clone(&core)),
            registry: registry::Registry::new(Arc::clone(&core)),
            catalog: catalog::Catalog::new(Arc::clone(&core)),
            datasets: datasets::Datasets::new(Arc::clone(&core)),
            monitoring: monitoring::Monitoring::new(Arc::clone(&core)),
            serving: serving::Serving::new(Arc::clone(&core)),
            jobs: jobs::Jobs::new(Arc::clone(&core)),
            core,
        }))
    }
}
