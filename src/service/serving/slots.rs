//! Which version answers for which deployment: what an alias names is loaded beside what answers, tried out, and
//! swapped in at once. Knows nothing of requests.

use super::super::{Services, explain, inputs};
use super::{Serving, locked};
use crate::config::DeploymentConfig;
use crate::domain::deployment::{Deployment, DeploymentState};
use crate::domain::registry::CHAMPION;
use crate::domain::{DeploymentName, Error, Event, ModelName, Result, Timestamp, Version};
use crate::ml::{self, Model};
use crate::store::registry as rows;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};

/// Versions kept loaded beside those that deployments serve.
const KEPT_LOADED: usize = 4;

/// A deployment as it stands.
#[derive(Clone)]
pub(in crate::service) struct Slot {
    pub(in crate::service) config: DeploymentConfig,
    pub(in crate::service) loaded: Option<Arc<Loaded>>,
    pub(in crate::service) state: DeploymentState,
    pub(in crate::service) reason: Option<String>,
}

/// A version in memory.
pub(in crate::service) struct Loaded {
    pub(in crate::service) name: ModelName,
    pub(in crate::service) version: Version,
    pub(in crate::service) model: Model,
    pub(in crate::service) since: Timestamp,
    pub(in crate::service) directory: PathBuf,
    /// Predictions of the reference rows, for drift and the histogram.
    pub(in crate::service) reference: Vec<f64>,
}

impl Serving {
    pub(in crate::service) fn slots(&self) -> Arc<BTreeMap<DeploymentName, Slot>> {
        Arc::clone(&self.slots.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn put(&self, name: &DeploymentName, slot: Slot) {
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let mut next = BTreeMap::clone(&slots);
        next.insert(name.clone(), slot);
        *slots = Arc::new(next);
    }

    /// Brings every deployment to what its alias names: loads beside the old version, predicts the input example, swaps.
    /// When loading fails the old version stays and the deployment says why.
    pub fn reconcile(&self, services: &Services) -> Result<()> {
        let _one_at_a_time = locked(&self.reconciling);
        let config = services.core.config();
        let slots = self.slots();
        let gone: Vec<DeploymentName> = slots
            .keys()
            .filter(|name| !config.deployments.iter().any(|one| one.name == **name))
            .cloned()
            .collect();
        if !gone.is_empty() {
            let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
            let mut next = BTreeMap::clone(&slots);
            next.retain(|name, _| !gone.contains(name));
            *slots = Arc::new(next);
        }
        for one in &config.deployments {
            let before = slots.get(&one.name).cloned();
            let now = self.reconciled(one, before.as_ref())?;
            let changed = before.as_ref().is_none_or(|before| {
                before.state != now.state
                    || before.reason != now.reason
                    || before.loaded.as_ref().map(|one| one.version)
                        != now.loaded.as_ref().map(|one| one.version)
            });
            if let (Some(old), true) = (
                before.as_ref().and_then(|before| before.loaded.clone()),
                changed,
            ) {
                self.keep_beside(old);
            }
            let reason = now.reason.clone();
            self.put(&one.name, now);
            if changed {
                self.core.bus.emit(Event::DeploymentChanged {
                    deployment: one.name.clone(),
                });
                if let Some(reason) = reason {
                    self.core.bus.emit(Event::Notice {
                        at: self.core.now(),
                        level: "error".into(),
                        text: format!("deployment {}: {reason}", one.name),
                    });
                }
            }
        }
        Ok(())
    }

    fn reconciled(&self, config: &DeploymentConfig, before: Option<&Slot>) -> Result<Slot> {
        let old = before
            .and_then(|before| before.loaded.clone())
            .filter(|old| old.name == config.model);
        let slot = |loaded, state, reason| Slot {
            config: config.clone(),
            loaded,
            state,
            reason,
        };
        let Some(version) = self.registry.resolve(&config.model, &config.alias)? else {
            return Ok(slot(None, DeploymentState::Empty, None));
        };
        if let Some(old) = &old
            && old.version == version
        {
            return Ok(slot(Some(Arc::clone(old)), DeploymentState::Ready, None));
        }
        self.put(
            &config.name,
            slot(old.clone(), DeploymentState::Loading, None),
        );
        let since = self
            .core
            .store
            .read(|connection| rows::moves(connection, &config.model, Some(&config.alias), 1))?
            .first()
            .filter(|moved| moved.to == Some(version))
            .map_or(self.core.now(), |moved| moved.at);
        match self.load(&config.model, version, since) {
            Ok(loaded) => Ok(slot(Some(loaded), DeploymentState::Ready, None)),
            Err(error) => {
                let stays = old.as_ref().map_or_else(
                    || "nothing answers".to_owned(),
                    |old| format!("{} goes on answering", old.version),
                );
                let reason = format!(
                    "{version} of `{}` did not load: {error}; {stays}",
                    config.model
                );
                Ok(slot(old, DeploymentState::Failed, Some(reason)))
            }
        }
    }

    /// Loads a version and lets it answer its input example.
    fn load(&self, name: &ModelName, version: Version, since: Timestamp) -> Result<Arc<Loaded>> {
        if let Some(kept) = self.beside(name, version)
            && kept.since == since
        {
            return Ok(kept);
        }
        let directory = self.registry.directory(name, version)?;
        let model = ml::model_file::load(&directory)?;
        let example = ml::model_file::example(&directory, &model.signature)?;
        let conformed = inputs::conform(&example, &model.signature)?;
        let answers = model.predict(&conformed)?;
        if answers.values.iter().any(|value| !value.is_finite()) {
            return Err(Error::conflict(
                "the smoke test failed: it answers its input example with NaN",
            ));
        }
        let reference = ml::model_file::reference(&directory, Some(&["PREDICTION"]))
            .ok()
            .and_then(|reference| explain::predictions(&reference, &model.signature).ok())
            .unwrap_or_default();
        Ok(Arc::new(Loaded {
            name: name.clone(),
            version,
            model,
            since,
            directory,
            reference,
        }))
    }

    fn beside(&self, name: &ModelName, version: Version) -> Option<Arc<Loaded>> {
        locked(&self.beside)
            .iter()
            .find(|kept| kept.name == *name && kept.version == version)
            .cloned()
    }

    fn keep_beside(&self, loaded: Arc<Loaded>) {
        let mut beside = locked(&self.beside);
        beside.retain(|kept| kept.name != loaded.name || kept.version != loaded.version);
        beside.push_back(loaded);
        while beside.len() > KEPT_LOADED {
            beside.pop_front();
        }
    }

    /// A version that no deployment need serve, loaded when it is asked for.
    fn explicit(&self, name: &ModelName, version: Version) -> Result<Arc<Loaded>> {
        if let Some(kept) = self.beside(name, version) {
            return Ok(kept);
        }
        let loaded = self.load(name, version, self.core.now())?;
        self.keep_beside(Arc::clone(&loaded));
        Ok(loaded)
    }

    /// The version that answers for `name`, and the deployment that counts it.
    pub(in crate::service) fn target(
        &self,
        name: &str,
        version: Option<Version>,
    ) -> Result<(Option<DeploymentName>, Arc<Loaded>)> {
        let slots = self.slots();
        let slot = slots.get(&DeploymentName::from(name)).or_else(|| {
            slots
                .values()
                .find(|slot| slot.config.model.as_str() == name && slot.config.alias == CHAMPION)
        });
        let Some(slot) = slot else {
            let model = ModelName::from(name);
            let version = match version {
                Some(version) => version,
                None => match self.registry.resolve(&model, CHAMPION)? {
                    Some(version) => version,
                    None => {
                        let known: Vec<String> = slots.keys().map(ToString::to_string).collect();
                        return Err(Error::not_found(format!(
                            "no deployment and no model with a `{CHAMPION}` is called `{name}`; deployments: {}",
                            if known.is_empty() {
                                "none".into()
                            } else {
                                known.join(", ")
                            }
                        )));
                    }
                },
            };
            return Ok((None, self.explicit(&model, version)?));
        };
        let deployment = Some(slot.config.name.clone());
        match (&slot.loaded, version) {
            (Some(loaded), None) => Ok((deployment, Arc::clone(loaded))),
            (Some(loaded), Some(version)) if loaded.version == version => {
                Ok((deployment, Arc::clone(loaded)))
            }
            (_, Some(version)) => Ok((deployment, self.explicit(&slot.config.model, version)?)),
            (None, None) => Err(Error::unavailable(match &slot.reason {
                Some(reason) => format!("deployment `{name}` cannot answer: {reason}"),
                None => format!(
                    "deployment `{name}` has nothing to answer with: `{}` of model `{}` names no version; promote one",
                    slot.config.alias, slot.config.model
                ),
            })),
        }
    }
}

impl Slot {
    pub(in crate::service) fn deployment(&self) -> Deployment {
        Deployment {
            name: self.config.name.clone(),
            model: self.config.model.clone(),
            alias: self.config.alias.clone(),
            version: self.loaded.as_ref().map(|loaded| loaded.version),
            since: self.loaded.as_ref().map(|loaded| loaded.since),
            state: self.state,
            reason: self.reason.clone(),
        }
    }
}
