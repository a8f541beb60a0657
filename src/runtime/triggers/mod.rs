//! Why pipelines start by themselves: files, schedule, metric, drift. One thread, which sleeps until something
//! happens or a time comes. What was started before, and what was passed over, are rows with a key each, so a
//! restart neither repeats nor misses one.

mod drift;
mod file;
mod growth;
mod metric;
mod schedule;

use super::pipeline::PipelineRunner;
use crate::config::{TriggerConfig, TriggerOn};
use crate::domain::trigger::Cause;
use crate::domain::{Error, Result};
use crate::service::Services;
use crate::service::pipelines::{STORM_KIND, storm_source};
use file::Files;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};
use tracing::{info, warn};

/// Why the thread looks up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Something changed at these paths.
    Files(Vec<PathBuf>),
    /// The watch lost events: look at everything.
    Rescan,
    /// A monitor has a new report.
    Reported(String),
    /// The configuration was read again.
    Configured,
    /// The daemon ends.
    Stop,
}

/// See the module's text.
pub struct Triggers {
    services: Arc<Services>,
    runner: Arc<PipelineRunner>,
    triggers: Vec<TriggerConfig>,
    files: Files,
}

/// What a trigger saw that it has not seen before.
struct Occasion {
    pipeline: String,
    cause: Cause,
    /// The same occasion has the same key for ever.
    key: String,
}

impl Triggers {
    /// On `services`; `waker` is what the watch of files speaks into.
    pub fn new(services: Arc<Services>, runner: Arc<PipelineRunner>, waker: Sender<Wake>) -> Self {
        Self {
            services,
            runner,
            triggers: Vec::new(),
            files: Files::new(waker),
        }
    }

    /// Watches until told to stop.
    pub fn run(mut self, wake: &Receiver<Wake>) {
        self.configure();
        loop {
            let due = [self.files.due(), self.schedule()];
            let next = match due.into_iter().flatten().min() {
                Some(due) => {
                    let wait = due.saturating_duration_since(Instant::now());
                    // a long sleep is cut: the wall clock may be set, and schedules follow it
                    wake.recv_timeout(wait.min(Duration::from_secs(3600)))
                }
                None => wake.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match next {
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(Wake::Files(paths)) => self.files.changed(&paths),
                Ok(Wake::Rescan) => self.files.rescan(),
                Ok(Wake::Reported(monitor)) => self.reported(&monitor),
                Ok(Wake::Configured) => self.configure(),
                Err(RecvTimeoutError::Timeout) => {}
            }
            for occasion in self.files.settled(&self.services) {
                self.fire(occasion);
            }
        }
    }

    fn configure(&mut self) {
        let config = self.services.core.config();
        self.triggers.clone_from(&config.triggers);
        self.files.watch(&self.services, &config);
    }

    /// Starts what is due by the clock; answers when to look again.
    fn schedule(&self) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        for trigger in &self.triggers {
            let TriggerOn::Schedule { every } = trigger.on else {
                continue;
            };
            let now = self.services.core.now();
            let slot = schedule::Slot::of(&trigger.pipeline, every, now);
            match slot.look(&self.services, now) {
                Ok(Some(occasion)) => self.fire(occasion),
                Ok(None) => {}
                Err(error) => {
                    warn!(pipeline = trigger.pipeline, %error, "a schedule cannot be looked at");
                }
            }
            let at = Instant::now() + slot.left(now);
            next = Some(next.map_or(at, |next| next.min(at)));
        }
        next
    }

    fn reported(&self, monitor: &str) {
        let report = match self.services.monitoring.reports(monitor) {
            Ok(reports) => reports.into_iter().max_by_key(|report| report.at),
            Err(error) => {
                return warn!(monitor, %error, "a monitor's reports cannot be read");
            }
        };
        let Some(report) = report else {
            return;
        };
        let config = self.services.core.config();
        for trigger in &self.triggers {
            let occasion = match &trigger.on {
                TriggerOn::Drift { monitor: watched } if watched == monitor => {
                    drift::look(&trigger.pipeline, &report)
                }
                TriggerOn::Metric { monitor: watched } if watched == monitor => config
                    .monitor(monitor)
                    .and_then(|monitor| metric::look(&trigger.pipeline, monitor, &report)),
                _ => None,
            };
            if let Some(occasion) = occasion {
                self.fire(occasion);
            }
        }
    }

    /// Starts the pipeline, unless the occasion was taken before or a run is under way; says which it was.
    fn fire(&self, occasion: Occasion) {
        let Occasion {
            pipeline,
            cause,
            key,
        } = occasion;
        let why = cause.to_string();
        if let Err(error) = self.try_fire(&pipeline, cause, key) {
            warn!(pipeline, why, %error, "a trigger did not start its pipeline");
            let text = format!("pipeline {pipeline} was not started ({why}): {error}");
            if let Err(error) = self.services.core.notify("warn", text) {
                warn!(%error, "a notice was not kept");
            }
        }
    }

    /// Whether enough runs were started for nothing: then an alert says so, and the occasion is passed over.
    fn storm(&self, pipeline: &str, cause: &Cause, key: &str) -> Result<bool> {
        let runs = &self.services.pipelines;
        let alerts = self.services.monitoring.alerts();
        let source = storm_source(pipeline);
        let Some(reason) = runs.storm(pipeline)? else {
            alerts.resolve(&source, STORM_KIND)?;
            return Ok(false);
        };
        info!(pipeline, reason, "trigger passed over");
        alerts.raise(&source, STORM_KIND, &reason)?;
        runs.skip(pipeline, cause.clone(), key, &reason)?;
        Ok(true)
    }

    fn try_fire(&self, pipeline: &str, cause: Cause, key: String) -> Result<()> {
        let runs = &self.services.pipelines;
        if runs.has_key(&key)? {
            return Ok(());
        }
        let why = cause.to_string();
        let busy = runs
            .running()?
            .into_iter()
            .find(|run| run.pipeline == pipeline);
        // new files and periods wait for no run; what a monitor sees while a run is under way may be what that run mends
        if let (Some(run), Cause::Drift { .. } | Cause::Metric { .. }) = (busy, &cause) {
            let reason = format!("run {} is under way", run.id);
            info!(pipeline, why, reason, "trigger passed over");
            self.services.core.notify(
                "info",
                format!("pipeline {pipeline} not started ({why}): {reason}"),
            )?;
            return runs.skip(pipeline, cause, &key, &reason);
        }
        if self.storm(pipeline, &cause, &key)? {
            return Ok(());
        }
        let started = self
            .runner
            .start(pipeline, &[], true, cause, "auto", Some(key))?;
        if let Some((run, job)) = started {
            info!(pipeline, run, job = %job, why, "trigger started a pipeline");
        }
        Ok(())
    }
}

/// The error of a watch, as ours.
impl From<notify::Error> for Error {
    fn from(error: notify::Error) -> Self {
        Self::unavailable("watching files").because(error)
    }
}
