//! Topics: which service method answers each, which events touch it, how often it changes by itself.

use super::Context;
use crate::api::protocol::{Notice, Overview, Snapshot, Topic};
use crate::domain::{Event, Result};
use std::sync::PoisonError;
use std::time::Duration;

/// Lines of the message list.
const MESSAGES: u32 = 200;

/// The state of a topic now.
pub(super) fn snapshot(context: &Context, topic: &Topic) -> Result<Snapshot> {
    let services = &*context.services;
    Ok(match topic {
        Topic::Overview => Snapshot::Overview(overview(context)?),
        Topic::Runs(query) => Snapshot::Runs(services.tracking.table(query)?),
        Topic::Run { run } => Snapshot::Run(Box::new(services.tracking.detail(run)?)),
        Topic::Series {
            runs,
            key,
            buckets,
            steps,
        } => Snapshot::Series(
            runs.iter()
                .map(|run| match steps {
                    Some(steps) => services.tracking.closer(run, key, *buckets, *steps),
                    None => services.tracking.series(run, key, *buckets),
                })
                .collect::<Result<_>>()?,
        ),
        Topic::Compare { runs } => Snapshot::Compare(services.tracking.compare(runs)?),
        Topic::Groups { query, by } => Snapshot::Groups(services.tracking.groups(query, by)?),
        Topic::Sweep { query, metric } => Snapshot::Sweep(services.tracking.sweep(query, metric)?),
        Topic::Models => Snapshot::Models(services.registry.models(services)?),
        Topic::Model { model } => Snapshot::Model(Box::new(services.registry.page(model)?)),
        Topic::Version { model, version } => Snapshot::Version(Box::new(
            services.registry.version_page(services, model, *version)?,
        )),
        Topic::Features => Snapshot::Features(services.catalog.page(services)?),
        Topic::Feature { view, feature } => {
            Snapshot::Feature(Box::new(services.catalog.feature(services, view, feature)?))
        }
        Topic::Datasets => Snapshot::Datasets(services.datasets.page()?),
        Topic::Dataset { dataset } => {
            Snapshot::Dataset(Box::new(services.datasets.detail(dataset)?))
        }
        Topic::Drift {
            monitor,
            report,
            against,
        } => Snapshot::Drift(services.monitoring.page(
            services,
            monitor.as_deref(),
            *report,
            against.as_ref(),
        )?),
        Topic::DriftColumn {
            report,
            column,
            against,
        } => Snapshot::DriftColumn(Box::new(services.monitoring.column(
            services,
            *report,
            column,
            against.as_ref(),
        )?)),
        Topic::Live {
            deployment,
            window_s,
        } => Snapshot::Live(
            services
                .serving
                .live(services, deployment.as_ref(), *window_s)?
                .map(Box::new),
        ),
        Topic::Jobs => Snapshot::Jobs(services.jobs.page(&context.pipelines.usage())?),
        Topic::JobLog { job, lines } => {
            Snapshot::JobLog(services.jobs.log(*job, (*lines).min(10_000))?)
        }
        Topic::Host => Snapshot::Host(context.pipelines.host()),
        Topic::Messages => Snapshot::Messages(
            services
                .core
                .notices(MESSAGES)?
                .into_iter()
                .map(|(at, level, text)| Notice { at, level, text })
                .collect(),
        ),
    })
}

fn overview(context: &Context) -> Result<Overview> {
    let services = &*context.services;
    let config = services.core.config();
    let workspace = &services.core.workspace;
    let (running, waiting, failed) = services.jobs.counts()?;
    let (drifting, alerts) = services.monitoring.badges()?;
    let folder = workspace.root().file_name().map_or_else(
        || "/".to_owned(),
        |name| name.to_string_lossy().into_owned(),
    );
    Ok(Overview {
        workspace: config.name.clone().unwrap_or(folder),
        fingerprint: context.fingerprint.clone(),
        path: workspace.root().display().to_string(),
        host: sysinfo::System::host_name().unwrap_or_default(),
        http: context.http.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        started: context.started,
        production: config.production,
        drifting,
        running,
        waiting,
        failed,
        healthy: services.serving.healthy()?,
        alerts,
        pipelines: config
            .pipelines
            .iter()
            .map(|pipeline| pipeline.name.clone())
            .collect(),
        models: services.registry.names()?,
        problems: problems(context),
    })
}

/// What is wrong with the configuration's file now. Read again only when the file changed.
fn problems(context: &Context) -> Vec<String> {
    let modified = std::fs::metadata(context.services.core.workspace.config())
        .and_then(|known| known.modified())
        .ok();
    let mut known = context
        .problems
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    if known.0 != modified || modified.is_none() {
        *known = (modified, context.pipelines.problems());
    }
    known.1.clone()
}

/// How long a topic that changes by itself may go without a new look; none: events say when.
pub(super) fn period(topic: &Topic, last: Option<&Snapshot>) -> Option<Duration> {
    match topic {
        Topic::Live { .. } | Topic::Host | Topic::JobLog { .. } => Some(Duration::from_secs(1)),
        Topic::Jobs => matches!(last, Some(Snapshot::Jobs(page)) if page.running > 0)
            .then_some(Duration::from_secs(1)),
        // Limits that break and an edited configuration have no event.
        Topic::Overview => Some(Duration::from_secs(5)),
        _ => None,
    }
}

/// Whether an event may have changed a topic.
pub(super) fn touches(event: &Event, topic: &Topic) -> bool {
    use Event as E;
    match topic {
        Topic::Overview => matches!(
            event,
            E::JobChanged { .. }
                | E::RegistryChanged { .. }
                | E::AliasMoved { .. }
                | E::DeploymentChanged { .. }
                | E::DriftReported { .. }
                | E::AlertsChanged
        ),
        Topic::Runs(_) => matches!(
            event,
            E::ExperimentsChanged
                | E::RunChanged { .. }
                | E::MetricsLogged { .. }
                | E::JobChanged { .. }
                | E::RegistryChanged { .. }
                | E::AliasMoved { .. }
        ),
        Topic::Groups { .. } => matches!(
            event,
            E::ExperimentsChanged
                | E::RunChanged { .. }
                | E::MetricsLogged { .. }
                | E::AliasMoved { .. }
        ),
        Topic::Sweep { metric, .. } => match event {
            E::MetricsLogged { keys, .. } => keys.contains(metric),
            E::ExperimentsChanged | E::RunChanged { .. } => true,
            _ => false,
        },
        Topic::Run { run: shown } => match event {
            E::RunChanged { run } | E::MetricsLogged { run, .. } => run == shown,
            E::AliasMoved { .. } | E::RegistryChanged { .. } => true,
            _ => false,
        },
        Topic::Series {
            runs, key: shown, ..
        } => {
            matches!(event, E::MetricsLogged { run, keys } if runs.contains(run) && keys.contains(shown))
        }
        Topic::Compare { runs } => match event {
            E::RunChanged { run } | E::MetricsLogged { run, .. } => runs.contains(run),
            E::AliasMoved { .. } => true,
            _ => false,
        },
        Topic::Models => matches!(
            event,
            E::RegistryChanged { .. } | E::AliasMoved { .. } | E::DeploymentChanged { .. }
        ),
        Topic::Model { model: shown } | Topic::Version { model: shown, .. } => match event {
            E::RegistryChanged { model } | E::AliasMoved { model, .. } => model == shown,
            E::DeploymentChanged { .. } | E::DriftReported { .. } => true,
            _ => false,
        },
        Topic::Features | Topic::Feature { .. } => matches!(
            event,
            E::FeaturesChanged { .. } | E::DriftReported { .. } | E::RegistryChanged { .. }
        ),
        Topic::Datasets => matches!(event, E::JobChanged { .. } | E::DatasetChanged { .. }),
        Topic::Dataset { dataset: shown } => {
            matches!(event, E::DatasetChanged { dataset } if dataset == shown)
        }
        Topic::Drift { monitor: shown, .. } => match event {
            E::DriftReported { monitor } => shown.as_ref().is_none_or(|shown| shown == monitor),
            E::AliasMoved { .. } => true,
            _ => false,
        },
        Topic::DriftColumn { .. } => matches!(event, E::DriftReported { .. }),
        Topic::Live {
            deployment: shown, ..
        } => match event {
            E::RequestsServed { deployment } | E::DeploymentChanged { deployment } => {
                shown.as_ref().is_none_or(|shown| shown == deployment)
            }
            E::AliasMoved { .. } | E::DriftReported { .. } => true,
            _ => false,
        },
        Topic::Jobs => matches!(event, E::JobChanged { .. }),
        Topic::JobLog { job: shown, .. } => {
            matches!(event, E::JobLogged { job } | E::JobChanged { job } if job == shown)
        }
        Topic::Host => matches!(event, E::HostSampled),
        Topic::Messages => matches!(event, E::Notice { .. }),
    }
}
