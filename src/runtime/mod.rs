//! Background work: claims queued jobs, starts and follows workers, runs pipelines, watches triggers, looks at
//! monitors. Each is a thread that sleeps on a channel; one more hears the bus and wakes them.

mod code;
mod effects;
pub mod executors;
pub mod monitors;
mod overrides;
pub mod pipeline;
pub mod scheduler;
pub mod triggers;

use crate::domain::host::HostSample;
use crate::domain::trigger::Cause;
use crate::domain::{Event, JobId, Result};
use crate::service::{Pipelines, Services, configuration};
use executors::Executor;
use pipeline::PipelineRunner;
use scheduler::Scheduler;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::broadcast::error::RecvError;
use tracing::{error, info, warn};
use triggers::Triggers;

/// Served rows are written this long after they were served, at the latest.
const FLUSH: Duration = Duration::from_secs(2);
/// Served rows that could not be written are tried again after this long.
const AGAIN: Duration = Duration::from_secs(5);
/// How often the log of served rows is tidied.
const TIDY: Duration = Duration::from_secs(300);
/// Pushed rows are put together no more often than this, however many come.
const BETWEEN: Duration = Duration::from_secs(5);

/// The threads of the daemon's background work, and the door through which requests reach them.
pub struct Runtime {
    services: Arc<Services>,
    runner: Arc<PipelineRunner>,
    wakers: Wakers,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// When the configuration file that is in use was written, and what is wrong with a newer one.
    configuration: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    used: Option<SystemTime>,
    checked: Option<SystemTime>,
    problems: Vec<String>,
}

/// Where each thread is woken.
#[derive(Clone)]
struct Wakers {
    scheduler: Sender<scheduler::Wake>,
    pipelines: Sender<pipeline::Wake>,
    triggers: Sender<triggers::Wake>,
    monitors: Sender<monitors::Wake>,
    serving: Sender<Deployed>,
    tidying: Sender<Tidy>,
}

/// What concerns small files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tidy {
    /// Online values changed: there may be new files of pushed rows.
    Changed,
    Stop,
}

/// What concerns what is deployed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deployed {
    /// An alias moved or the configuration changed: bring deployments up to date.
    Reconcile,
    /// Rows were served: the log has something to write.
    Served,
    Stop,
}

impl Runtime {
    /// Starts the threads on `services`, with workers from `executor`.
    pub fn start(services: &Arc<Services>, executor: Arc<dyn Executor>) -> Result<Arc<Self>> {
        let (to_scheduler, scheduler_wake) = channel();
        let (to_pipelines, pipelines_wake) = channel();
        let (to_triggers, triggers_wake) = channel();
        let (to_monitors, monitors_wake) = channel();
        let (to_serving, serving_wake) = channel();
        let (to_tidying, tidying_wake) = channel();
        let wakers = Wakers {
            scheduler: to_scheduler,
            pipelines: to_pipelines,
            triggers: to_triggers,
            monitors: to_monitors,
            serving: to_serving,
            tidying: to_tidying,
        };
        let runner = Arc::new(PipelineRunner::new(Arc::clone(services)));
        // the bus is heard before any table is read: what happens in between is not missed
        hear(services, wakers.clone())?;
        let scheduler = Scheduler::new(Arc::clone(services), executor);
        let triggers = Triggers::new(
            Arc::clone(services),
            Arc::clone(&runner),
            wakers.triggers.clone(),
        );
        let pipelines = Arc::clone(&runner);
        let (monitored, deployed, measured) = (
            Arc::clone(services),
            Arc::clone(services),
            Arc::clone(services),
        );
        let tidied = Arc::clone(services);
        let threads = vec![
            spawn("tidy", move || tidy(&tidied, &tidying_wake))?,
            spawn("scheduler", move || scheduler.run(&scheduler_wake))?,
            spawn("pipelines", move || pipelines.run(&pipelines_wake))?,
            spawn("triggers", move || triggers.run(&triggers_wake))?,
            spawn("monitors", move || {
                monitors::run(&monitored, &monitors_wake)
            })?,
            spawn("serving", move || serve(&deployed, &serving_wake))?,
            spawn("host", move || measured.host.run(&measured.core))?,
        ];
        let used = written(services);
        if let Err(error) = services.catalog.adopt() {
            warn!(%error, "the definitions of features were not applied");
        }
        Ok(Arc::new(Self {
            services: Arc::clone(services),
            runner,
            wakers,
            threads: Mutex::new(threads),
            configuration: Mutex::new(Seen {
                used,
                checked: used,
                problems: Vec::new(),
            }),
        }))
    }

    /// Stops the threads in order and waits for them. Workers go on; what was served is written.
    pub fn stop(&self) {
        // an error means that the thread is gone already
        let _ = self.wakers.triggers.send(triggers::Wake::Stop);
        let _ = self.wakers.monitors.send(monitors::Wake::Stop);
        let _ = self.wakers.pipelines.send(pipeline::Wake::Stop);
        let _ = self.wakers.scheduler.send(scheduler::Wake::Stop);
        let _ = self.wakers.serving.send(Deployed::Stop);
        self.services.host.stop();
        let _ = self.wakers.tidying.send(Tidy::Stop);
        let threads = std::mem::take(&mut *locked(&self.threads));
        for thread in threads {
            let name = thread.thread().name().unwrap_or_default().to_owned();
            if thread.join().is_err() {
                error!(thread = name, "a thread of the runtime had panicked");
            }
        }
    }
}

impl Pipelines for Runtime {
    fn train(
        &self,
        pipeline: &str,
        set: &[(String, String)],
        promote: bool,
        cause: Cause,
    ) -> Result<(i64, JobId)> {
        let by = match &cause {
            Cause::Request { by } => by.clone(),
            _ => "auto".to_owned(),
        };
        self.runner
            .start(pipeline, set, promote, cause, &by, None)?
            .ok_or_else(|| {
                crate::domain::Error::internal(format!("pipeline `{pipeline}` did not start"))
            })
    }

    fn reload(&self) -> Result<()> {
        let at = written(&self.services);
        let config = configuration::load(&self.services.core.workspace)?;
        self.services.core.set_config(config);
        self.services.catalog.adopt()?;
        *locked(&self.configuration) = Seen {
            used: at,
            checked: at,
            problems: Vec::new(),
        };
        self.services.access.record("reload", "configuration")?;
        info!("configuration read again");
        let _ = self.wakers.triggers.send(triggers::Wake::Configured);
        let _ = self.wakers.monitors.send(monitors::Wake::Configured);
        let _ = self.wakers.scheduler.send(scheduler::Wake::Changed);
        self.services.serving.reconcile(&self.services)
    }

    fn problems(&self) -> Vec<String> {
        let now = written(&self.services);
        let mut seen = locked(&self.configuration);
        if now == seen.used {
            return Vec::new();
        }
        if now != seen.checked {
            seen.checked = now;
            seen.problems = match configuration::load(&self.services.core.workspace) {
                Ok(_) => Vec::new(),
                Err(error) => error.to_string().lines().map(str::to_owned).collect(),
            };
        }
        seen.problems.clone()
    }

    fn usage(&self) -> Vec<(JobId, f32, u64)> {
        match self.services.jobs.running() {
            Ok(running) => self.services.host.usage(&running),
            Err(error) => {
                warn!(%error, "running jobs cannot be read");
                Vec::new()
            }
        }
    }

    fn host(&self) -> HostSample {
        self.services.host.sample(&self.services.core)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// When `trainyard.toml` was written.
fn written(services: &Services) -> Option<SystemTime> {
    let path = services.core.workspace.config();
    path.metadata().and_then(|found| found.modified()).ok()
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    Ok(std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)?)
}

/// Hears the bus and wakes whom it concerns. Ends with the bus.
fn hear(services: &Services, wakers: Wakers) -> Result<()> {
    let mut bus = services.core.bus.subscribe();
    spawn("bus", move || {
        loop {
            // an error of a send means that the thread is gone, and the daemon about to be
            match bus.blocking_recv() {
                Ok(event) => wakers.pass_on(event),
                Err(RecvError::Lagged(_)) => {
                    let _ = wakers.scheduler.send(scheduler::Wake::Changed);
                    let _ = wakers.pipelines.send(pipeline::Wake::Tables);
                    let _ = wakers.serving.send(Deployed::Reconcile);
                    let _ = wakers.serving.send(Deployed::Served);
                }
                Err(RecvError::Closed) => return,
            }
        }
    })?;
    Ok(())
}

impl Wakers {
    fn pass_on(&self, event: Event) {
        match event {
            Event::JobChanged { job } => {
                let _ = self.scheduler.send(scheduler::Wake::Changed);
                let _ = self.pipelines.send(pipeline::Wake::Job(job));
            }
            Event::PipelineReopened { .. } => {
                let _ = self.pipelines.send(pipeline::Wake::Tables);
            }
            Event::DriftReported { monitor } => {
                let _ = self.triggers.send(triggers::Wake::Reported(monitor));
            }
            Event::AliasMoved { .. } => {
                let _ = self.serving.send(Deployed::Reconcile);
            }
            Event::FeaturesChanged { .. } => {
                let _ = self.tidying.send(Tidy::Changed);
            }
            Event::RequestsServed { .. } => {
                let _ = self.serving.send(Deployed::Served);
            }
            _ => {}
        }
    }
}

/// Brings deployments to what their aliases name, and writes what was served, until told to stop.
fn serve(services: &Arc<Services>, wake: &Receiver<Deployed>) {
    let mut unwritten = false;
    loop {
        let first = if unwritten {
            // a full disk: what waits is tried again, whether or not more comes
            match wake.recv_timeout(AGAIN) {
                Err(RecvTimeoutError::Timeout) => Ok(Deployed::Served),
                other => other,
            }
        } else {
            wake.recv().map_err(|_| RecvTimeoutError::Disconnected)
        };
        let mut seen: Vec<Deployed> = match first {
            Ok(first) => std::iter::once(first).chain(wake.try_iter()).collect(),
            Err(_) => return,
        };
        if seen.contains(&Deployed::Reconcile) {
            reconcile(services);
        }
        if seen.contains(&Deployed::Served) && !seen.contains(&Deployed::Stop) {
            // more will come: they are written together; what an alias does must not wait that long
            let until = Instant::now() + FLUSH;
            while let Ok(next) = wake.recv_timeout(until.saturating_duration_since(Instant::now()))
            {
                match next {
                    Deployed::Served => {}
                    Deployed::Reconcile => reconcile(services),
                    Deployed::Stop => {
                        seen.push(Deployed::Stop);
                        break;
                    }
                }
            }
        }
        match services.serving.flush() {
            Ok(()) if unwritten => {
                unwritten = false;
                info!("served rows that waited are written");
            }
            Ok(()) => {}
            // said once, not every time that it is tried again
            Err(error) if !unwritten => {
                unwritten = true;
                warn!(%error, "served rows were not written, they wait");
            }
            Err(_) => {}
        }
        if seen.contains(&Deployed::Stop) {
            return;
        }
    }
}

fn reconcile(services: &Services) {
    if let Err(error) = services.serving.reconcile(services) {
        error!(%error, "deployments were not brought up to date");
    }
}

/// Merges the small files of the log of served rows now and then, and those of pushed rows also when some came.
fn tidy(services: &Services, wake: &Receiver<Tidy>) {
    let (mut said_of_served, mut said_of_pushed) = (String::new(), String::new());
    let mut served_due = Instant::now() + TIDY;
    let mut pushed_before: Option<Instant> = None;
    loop {
        let woken = wake.recv_timeout(served_due.saturating_duration_since(Instant::now()));
        if woken == Ok(Tidy::Stop) || woken == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        if pushed_before.is_none_or(|at| at.elapsed() >= BETWEEN) || woken.is_err() {
            let merged = services.catalog.merge_pushed();
            let merged = merged.map(|merged| (merged.files, merged.into));
            tell("pushed rows", merged, &mut said_of_pushed);
            pushed_before = Some(Instant::now());
        }
        if woken.is_err() {
            let merged = services.serving.merge_log();
            let merged = merged.map(|merged| (merged.files, merged.into));
            tell("the log of served rows", merged, &mut said_of_served);
            served_due = Instant::now() + TIDY;
        }
    }
}

/// What merging came to: files, and files that came of it. The same trouble is told once.
fn tell(what: &str, merged: Result<(usize, usize)>, said: &mut String) {
    match merged {
        Ok((files, into)) if into > 0 => info!(files, into, "{what}: small files merged"),
        Ok(_) => {}
        Err(error) => {
            let error = error.to_string();
            if error != *said {
                warn!(error, "{what}: small files were not merged");
                *said = error;
            }
        }
    }
}
