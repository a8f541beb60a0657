//! Deployments: the loaded models, the atomic swap, answers, and the log of what was served. What the live pane
//! shows of it is `live`'s affair; why an answer came out as it did, `explain`'s.

use super::inputs;
use super::registry::Registry;
use super::served::{Served, batch};
use super::traffic::{KeptRequest, Traffic};
use super::{Core, Services, explain, live};
use crate::config::DeploymentConfig;
use crate::data::Frame;
use crate::domain::deployment::{Deployment, DeploymentState, Explanation, LivePage, RequestRow};
use crate::domain::model::{Signature, Task};
use crate::domain::registry::CHAMPION;
use crate::domain::{DeploymentName, Error, Event, ModelName, Result, Timestamp, Version};
use crate::ml::{self, Model, Predictions};
use crate::store::inference_log::{self as log, InferenceLog, Window};
use crate::store::registry as rows;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

/// Rows that may wait for the log; more are counted as dropped.
const QUEUE_ROWS: usize = 200_000;
/// Waiting rows from which a caller writes them itself before it answers.
const WRITE_FROM: usize = 50_000;
/// Versions kept loaded beside those that deployments serve.
const KEPT_LOADED: usize = 4;
/// Listeners hear of requests at most this often, milliseconds.
const TELL_EVERY: i64 = 250;

/// See the module's text.
pub struct Serving {
    pub(super) core: Arc<Core>,
    registry: Registry,
    slots: RwLock<Arc<BTreeMap<DeploymentName, Slot>>>,
    beside: Mutex<VecDeque<Arc<Loaded>>>,
    pub(super) traffic: Mutex<BTreeMap<DeploymentName, Traffic>>,
    queue: Mutex<Queue>,
    writing: Mutex<()>,
    reconciling: Mutex<()>,
    pub(super) dropped: AtomicU64,
    pub(super) started: Timestamp,
}

/// A deployment as it stands.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) config: DeploymentConfig,
    pub(super) loaded: Option<Arc<Loaded>>,
    pub(super) state: DeploymentState,
    pub(super) reason: Option<String>,
}

/// A version in memory.
pub(super) struct Loaded {
    pub(super) name: ModelName,
    pub(super) version: Version,
    pub(super) model: Model,
    pub(super) since: Timestamp,
    pub(super) directory: PathBuf,
    /// Predictions of the reference rows, for drift and the histogram.
    pub(super) reference: Vec<f64>,
}

#[derive(Default)]
struct Queue {
    requests: Vec<Served>,
    rows: usize,
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
    /// The request's id: the caller's, or made up.
    pub request: String,
}

/// How a served version does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Figures {
    /// 95th percentile over the last hour.
    pub p95_ms: Option<f64>,
    /// Over the last five minutes.
    pub requests_per_s: Option<f64>,
    /// Since when it serves.
    pub since: Option<Timestamp>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Serving {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            registry: Registry::new(Arc::clone(&core)),
            started: core.now(),
            core,
            slots: RwLock::default(),
            beside: Mutex::default(),
            traffic: Mutex::default(),
            queue: Mutex::default(),
            writing: Mutex::default(),
            reconciling: Mutex::default(),
            dropped: AtomicU64::new(0),
        }
    }

    pub(super) fn slots(&self) -> Arc<BTreeMap<DeploymentName, Slot>> {
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
        let example = ml::model_file::example(&directory)?;
        let conformed = inputs::conform(&example, &model.signature)?;
        let answers = model.predict(&conformed)?;
        if answers.values.iter().any(|value| !value.is_finite()) {
            return Err(Error::conflict(
                "the smoke test failed: it answers its input example with NaN",
            ));
        }
        let reference = ml::model_file::reference(&directory)
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
    pub(super) fn target(
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

    /// Answers rows. `name`: a deployment, or a model's name. `version` none: what the deployment serves.
    /// `request`: the caller's id. Logs the rows through a bounded queue.
    ///
    /// Columns that are no inputs are taken out: the pipeline's row key (or `id`) and its dataset's timestamp go
    /// into the log, others nowhere.
    pub fn predict(
        &self,
        services: &Services,
        name: &str,
        version: Option<Version>,
        rows: Frame,
        request: Option<String>,
    ) -> Result<Answer> {
        let _ = services;
        let begun = Instant::now();
        let at = self.core.now();
        let (deployment, loaded) = match self.target(name, version) {
            Ok(found) => found,
            Err(error) => {
                self.refused(name, 503, &error.message);
                return Err(error);
            }
        };
        let answered = self.answered(&loaded, &rows);
        drop(rows);
        let (conformed, keys, events, predictions) = match answered {
            Ok(answered) => answered,
            Err(error) => {
                self.refused(name, 400, &error.message);
                return Err(error);
            }
        };
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        let request = request
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| uuid::Uuid::new_v4().simple().to_string());
        let signature = loaded.model.signature.clone();
        if let Some(deployment) = &deployment {
            let classes = signature.classes.len();
            let row = RequestRow {
                id: request.clone(),
                at,
                status: 200,
                ms,
                rows: u32::try_from(conformed.rows()).unwrap_or(u32::MAX),
                version: Some(loaded.version),
                answer: predictions
                    .values
                    .first()
                    .map_or_else(String::new, |value| {
                        inputs::answer(
                            &signature,
                            *value,
                            predictions.probabilities.get(..classes).unwrap_or(&[]),
                        )
                    }),
                detail: if conformed.rows() > 0 {
                    inputs::words(&conformed, 0)?
                } else {
                    String::new()
                },
            };
            let kept = KeptRequest {
                row,
                inputs: match conformed.rows() {
                    0 => None,
                    _ => Some(conformed.take(&[0])?),
                },
            };
            self.count(deployment, kept, &predictions.values);
        }
        self.enqueue(Served {
            model: loaded.name.clone(),
            called: deployment.map_or_else(|| name.to_owned(), |name| name.0),
            version: loaded.version,
            at,
            ms,
            request: request.clone(),
            inputs: conformed,
            keys,
            events,
            predictions: predictions.clone(),
        });
        Ok(Answer {
            predictions,
            model: loaded.name.clone(),
            version: loaded.version,
            signature,
            request,
        })
    }

    #[expect(
        clippy::type_complexity,
        reason = "taken apart at once by the one caller"
    )]
    fn answered(
        &self,
        loaded: &Loaded,
        rows: &Frame,
    ) -> Result<(Frame, Vec<Option<String>>, Vec<Option<i64>>, Predictions)> {
        let (row_key, timestamp) = self.extra_columns(&loaded.name, &loaded.model.signature);
        let names = rows.names();
        let there = |name: &Option<String>| name.clone().filter(|name| names.contains(name));
        let keys = match there(&row_key) {
            Some(name) => rows.texts(&name)?,
            None => vec![None; rows.rows()],
        };
        let events = match there(&timestamp) {
            Some(name) => rows.times(&name)?,
            None => vec![None; rows.rows()],
        };
        let conformed = inputs::conform(rows, &loaded.model.signature)?;
        let predictions = loaded.model.predict(&conformed)?;
        Ok((conformed, keys, events, predictions))
    }

    /// The columns of a request that name a row and its instant.
    fn extra_columns(
        &self,
        model: &ModelName,
        signature: &Signature,
    ) -> (Option<String>, Option<String>) {
        let config = self.core.config();
        let pipeline = config
            .pipelines
            .iter()
            .find(|pipeline| pipeline.model == *model);
        let key = pipeline
            .and_then(|pipeline| pipeline.row_key.clone())
            .or_else(|| {
                (!signature.inputs.iter().any(|input| input.name == "id")).then(|| "id".to_owned())
            });
        let timestamp = pipeline
            .and_then(|pipeline| {
                config
                    .datasets
                    .iter()
                    .find(|dataset| dataset.name == pipeline.dataset)
            })
            .and_then(|dataset| dataset.timestamp.clone());
        (key, timestamp)
    }

    /// The name under which a request may send its rows' instants: the timestamp of the pipeline's dataset.
    pub fn timestamp_column(&self, model: &ModelName) -> Option<String> {
        let signature = Signature {
            inputs: Vec::new(),
            task: Task::Regression,
            classes: Vec::new(),
        };
        self.extra_columns(model, &signature).1
    }

    fn count(&self, deployment: &DeploymentName, kept: KeptRequest, predictions: &[f64]) {
        let at = kept.row.at;
        let failed = kept.row.status >= 400;
        let tell = {
            let mut traffic = locked(&self.traffic);
            let traffic = traffic.entry(deployment.clone()).or_default();
            traffic.count(at, kept.row.ms, failed);
            traffic.total.0 += 1;
            traffic.total.1 += u64::from(failed);
            traffic.predicted(at, predictions);
            traffic.keep(kept);
            let tell = at.0 - traffic.told >= TELL_EVERY;
            if tell {
                traffic.told = at.0;
            }
            tell
        };
        if tell {
            self.core.bus.emit(Event::RequestsServed {
                deployment: deployment.clone(),
            });
        }
    }

    fn enqueue(&self, served: Served) {
        let many = {
            let mut queue = locked(&self.queue);
            let rows = served.inputs.rows();
            if queue.rows + rows > QUEUE_ROWS && queue.rows > 0 {
                self.dropped.fetch_add(rows as u64, Ordering::Relaxed);
                return;
            }
            queue.rows += rows;
            queue.requests.push(served);
            queue.rows >= WRITE_FROM
        };
        // A caller that is faster than the log waits for it here instead of losing rows.
        if many && let Err(error) = self.flush() {
            tracing::warn!(%error, "served rows could not be written");
        }
    }

    /// Notes a request that never reached a model (bad input): it counts as failed.
    pub fn refused(&self, name: &str, status: u16, detail: &str) {
        let slots = self.slots();
        let deployment = slots
            .get_key_value(&DeploymentName::from(name))
            .or_else(|| {
                slots
                    .iter()
                    .find(|(_, slot)| slot.config.model.as_str() == name)
            })
            .map(|(name, slot)| (name.clone(), slot.loaded.as_ref().map(|one| one.version)));
        let Some((deployment, version)) = deployment else {
            return;
        };
        let kept = KeptRequest {
            row: RequestRow {
                id: uuid::Uuid::new_v4().simple().to_string(),
                at: self.core.now(),
                status,
                ms: 0.0,
                rows: 0,
                version,
                answer: String::new(),
                detail: detail.to_owned(),
            },
            inputs: None,
        };
        self.count(&deployment, kept, &[]);
    }

    /// All deployments.
    pub fn deployments(&self) -> Result<Vec<Deployment>> {
        Ok(self.slots().values().map(Slot::deployment).collect())
    }

    /// What a deployment (or model) takes and gives.
    pub fn signature(
        &self,
        name: &str,
        version: Option<Version>,
    ) -> Result<(ModelName, Version, Signature)> {
        let (_, loaded) = self.target(name, version)?;
        Ok((
            loaded.name.clone(),
            loaded.version,
            loaded.model.signature.clone(),
        ))
    }

    /// How a served version does; none when no deployment serves it.
    pub fn figures(&self, model: &ModelName, version: Version) -> Option<Figures> {
        let slots = self.slots();
        let (name, loaded) = slots.iter().find_map(|(name, slot)| {
            let loaded = slot.loaded.as_ref()?;
            (loaded.name == *model && loaded.version == version).then_some((name, loaded))
        })?;
        let end = self.core.now().0.div_euclid(1000) + 1;
        let traffic = locked(&self.traffic);
        let traffic = traffic.get(name);
        let hour = traffic.map(|traffic| Traffic::sum(&traffic.spans(end - 3_600, 3_600, 1)));
        let minutes = traffic.map(|traffic| Traffic::sum(&traffic.spans(end - 300, 300, 1)));
        Some(Figures {
            p95_ms: hour.and_then(|hour| hour.latencies.quantile(0.95)),
            requests_per_s: minutes
                .filter(|span| span.requests > 0)
                .map(|span| span.requests as f64 / 300.0),
            since: Some(loaded.since),
        })
    }

    /// The live pane; none without deployments.
    pub fn live(
        &self,
        services: &Services,
        deployment: Option<&DeploymentName>,
        window_s: u64,
    ) -> Result<Option<LivePage>> {
        let _ = services;
        live::page(self, deployment, window_s)
    }

    /// Whether every deployment is within its limits.
    pub fn healthy(&self) -> Result<Option<bool>> {
        live::healthy(self)
    }

    /// Why a request was answered as it was.
    pub fn explain(
        &self,
        services: &Services,
        deployment: &DeploymentName,
        request: &str,
    ) -> Result<Explanation> {
        let _ = services;
        explain::request(self, deployment, request)
    }

    pub(super) fn log(&self) -> InferenceLog {
        InferenceLog::new(self.core.workspace.inference())
    }

    /// Writes what the log's queue still holds; called every few seconds and at shutdown.
    pub fn flush(&self) -> Result<()> {
        let _one_at_a_time = locked(&self.writing);
        let requests = {
            let mut queue = locked(&self.queue);
            queue.rows = 0;
            std::mem::take(&mut queue.requests)
        };
        let mut groups: BTreeMap<(ModelName, Version), Vec<Served>> = BTreeMap::new();
        for served in requests {
            groups
                .entry((served.model.clone(), served.version))
                .or_default()
                .push(served);
        }
        let mut outcome = Ok(());
        for ((model, _), group) in groups {
            let rows: usize = group.iter().map(|served| served.inputs.rows()).sum();
            let written = batch(&group).and_then(|batch| self.log().append(&model, &batch));
            if let Err(error) = written {
                self.dropped.fetch_add(rows as u64, Ordering::Relaxed);
                outcome = Err(error);
            }
        }
        live::measure_drift(self);
        outcome
    }

    /// After a start at `until`: the traffic of every deployment in the hour before, from the log.
    pub fn recall(&self, until: Timestamp) -> Result<()> {
        let config = self.core.config();
        config
            .deployments
            .iter()
            .try_for_each(|one| self.recall_one(one, until))
    }

    fn recall_one(&self, config: &DeploymentConfig, until: Timestamp) -> Result<()> {
        let window = Window::Served(Timestamp(until.0 - 3_600_000), until);
        let columns: Vec<String> = [
            log::AT,
            log::REQUEST,
            log::DEPLOYMENT,
            log::MS,
            log::PREDICTION,
        ]
        .map(str::to_owned)
        .into();
        let Some(batch) =
            self.log()
                .read(&config.model, window, Some(&columns), Some(QUEUE_ROWS))?
        else {
            return Ok(());
        };
        let rows = Frame::from_batch(&batch)?;
        let at = rows.times(log::AT)?;
        let request = rows.texts(log::REQUEST)?;
        let called = rows.texts(log::DEPLOYMENT)?;
        let ms = rows.numbers(log::MS)?;
        let predictions = rows.numbers(log::PREDICTION)?;
        let mut before = Traffic::default();
        let mut last: Option<&String> = None;
        for row in 0..rows.rows() {
            let (Some(Some(at)), Some(Some(called))) = (at.get(row), called.get(row)) else {
                continue;
            };
            if called != config.name.as_str() {
                continue;
            }
            let at = Timestamp(at.div_euclid(1000));
            before.predicted(at, predictions.get(row..=row).unwrap_or(&[]));
            let id = request.get(row).and_then(Option::as_ref);
            if id != last {
                before.count(at, ms.get(row).copied().unwrap_or(0.0), false);
                last = id;
            }
        }
        let mut traffic = locked(&self.traffic);
        traffic
            .entry(config.name.clone())
            .or_default()
            .precede(before);
        Ok(())
    }
}

impl Slot {
    pub(super) fn deployment(&self) -> Deployment {
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
