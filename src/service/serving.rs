//! Deployments: answers, their figures, and the log of what was served. Which version answers is `slots`' affair; what
//! the live pane shows of it `live`'s; why an answer came out as it did, `explain`'s.

mod queue;
mod recall;
mod slots;

use self::queue::Queue;
use super::inputs;
use super::registry::Registry;
use super::served::Served;
use super::traffic::Traffic;
use super::{Core, Services, explain, live};
use crate::data::Frame;
use crate::domain::deployment::{Deployment, Explanation, LivePage, RequestRow};
use crate::domain::model::{Signature, Task};
use crate::domain::{DeploymentName, Event, ModelName, Result, Timestamp, Version};
use crate::ml::Predictions;
use crate::store::inference_log::{InferenceLog, Merged};
pub(super) use recall::Logged;
pub(super) use slots::{Loaded, Slot};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

/// Rows that may wait for the log; more are counted as dropped.
const QUEUE_ROWS: usize = 200_000;
/// Waiting rows from which a caller writes them itself before it answers.
const WRITE_FROM: usize = 20_000;
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
            self.count(deployment, row, &predictions.values);
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

    fn count(&self, deployment: &DeploymentName, request: RequestRow, predictions: &[f64]) {
        let at = request.at;
        let failed = request.status >= 400;
        let tell = {
            let mut traffic = locked(&self.traffic);
            let traffic = traffic.entry(deployment.clone()).or_default();
            traffic.count(at, request.ms, failed);
            traffic.total.0 += 1;
            traffic.total.1 += u64::from(failed);
            traffic.predicted(at, predictions);
            traffic.keep(request);
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
        let rows = served.inputs.rows();
        let many = {
            let mut queue = locked(&self.queue);
            if queue.rows() + rows > QUEUE_ROWS && queue.rows() > 0 {
                self.dropped.fetch_add(rows as u64, Ordering::Relaxed);
                return;
            }
            if let Err(error) = queue.push(served) {
                self.dropped.fetch_add(rows as u64, Ordering::Relaxed);
                tracing::warn!(%error, "served rows have no place in the log");
            }
            queue.rows() >= WRITE_FROM && !queue.is_stuck()
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
        let request = RequestRow {
            id: uuid::Uuid::new_v4().simple().to_string(),
            at: self.core.now(),
            status,
            ms: 0.0,
            rows: 0,
            version,
            answer: String::new(),
            detail: detail.to_owned(),
        };
        self.count(&deployment, request, &[]);
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

    /// Writes what the log's queue still holds; called every few seconds and at shutdown. What cannot be written (a full
    /// disk) waits in the queue for the next call; what has no room there is counted as dropped.
    pub fn flush(&self) -> Result<()> {
        let _one_at_a_time = locked(&self.writing);
        let (packs, refused) = locked(&self.queue).take();
        self.dropped.fetch_add(refused as u64, Ordering::Relaxed);
        let mut outcome = Ok(());
        for pack in packs {
            if let Err(error) = self.log().append(&pack.model, &pack.rows) {
                locked(&self.queue).give_back(pack);
                outcome = Err(error);
            }
        }
        live::measure_drift(self);
        outcome
    }

    /// Merges the log's small files; called now and then by somebody who has time.
    pub fn merge_log(&self) -> Result<Merged> {
        self.log().merge(self.core.now())
    }
}
