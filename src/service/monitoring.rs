//! Monitors: windows of served rows against the reference of the version that served, labels when they come, alerts.

mod page;
mod quality;
mod reference;

use super::alerts::Alerts;
use super::registry::Registry;
use super::{Core, Services, explain};
use crate::config::MonitorConfig;
use crate::data::Frame;
use crate::domain::deployment::Deployment;
use crate::domain::drift::{ColumnDrift, DriftReport, DriftVerdict, Performance};
use crate::domain::model::{Signature, greater_is_better};
use crate::domain::{DeploymentName, Error, Event, ModelName, Result, Timestamp, Version};
use crate::drift;
use crate::ml;
use crate::store::drift as rows;
use crate::store::inference_log::{self as log, InferenceLog, Window};
use page::sentence;
use quality::{performance, prediction};
use reference::Comparisons;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What predictions are called among the columns.
pub const PREDICTION: &str = "PREDICTION";
/// Rows below which a window gets no verdict.
const MIN_ROWS: u64 = 30;

/// See the module's text.
pub struct Monitoring {
    core: Arc<Core>,
    registry: Registry,
    alerts: Alerts,
    comparisons: Comparisons,
}

/// What a deployment served in a window, the last word about each row key.
struct Served {
    rows: Frame,
    keys: Vec<Option<String>>,
    model: ModelName,
    version: Version,
    signature: Signature,
}

impl Monitoring {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            registry: Registry::new(Arc::clone(&core)),
            alerts: Alerts::new(Arc::clone(&core)),
            comparisons: Comparisons::default(),
            core,
        }
    }

    /// Alerts.
    pub fn alerts(&self) -> &Alerts {
        &self.alerts
    }

    fn config(&self, monitor: &str) -> Result<MonitorConfig> {
        let config = self.core.config();
        config
            .monitors
            .iter()
            .find(|one| one.name == monitor)
            .cloned()
            .ok_or_else(|| {
                let known: Vec<&str> = config
                    .monitors
                    .iter()
                    .map(|one| one.name.as_str())
                    .collect();
                Error::not_found(format!(
                    "there is no monitor `{monitor}`; there are {}",
                    if known.is_empty() {
                        "none".into()
                    } else {
                        format!("`{}`", known.join("`, `"))
                    }
                ))
            })
    }

    /// Looks at the window [from, to) of a monitor's deployment by the rows' event time, and keeps the report (the same window again replaces it).
    pub fn evaluate(
        &self,
        services: &Services,
        monitor: &str,
        from: Timestamp,
        to: Timestamp,
        labels_until: Option<Timestamp>,
        label: &str,
    ) -> Result<DriftReport> {
        if from >= to {
            return Err(Error::invalid(format!(
                "the window of monitor `{monitor}` is empty: `{from}` is not before `{to}`"
            )));
        }
        let config = self.config(monitor)?;
        let deployment = services
            .serving
            .deployments()?
            .into_iter()
            .find(|one| one.name == config.deployment)
            .ok_or_else(|| {
                Error::not_found(format!(
                    "monitor `{monitor}` watches deployment `{}`, which is not there",
                    config.deployment
                ))
            })?;
        services.serving.flush()?;
        let served = self.served(&deployment, from, to)?;
        let (reference, count, columns, performance) = match &served {
            Some(served) => (
                (served.model.clone(), served.version),
                served.rows.rows() as u64,
                self.compared(&config, served, &self.trained(served)?)?,
                match &config.labels {
                    Some(labels) => performance(services, labels, served, labels_until)?,
                    None => None,
                },
            ),
            None => {
                let version = deployment.version.ok_or_else(|| {
                    Error::conflict(format!(
                        "deployment `{}` has served nothing yet",
                        deployment.name
                    ))
                })?;
                ((deployment.model.clone(), version), 0, Vec::new(), None)
            }
        };
        let drifted = columns
            .iter()
            .filter(|column| column.verdict == DriftVerdict::Drift)
            .count() as u64;
        let mut report = DriftReport {
            id: 0,
            monitor: monitor.to_owned(),
            deployment: config.deployment.clone(),
            reference,
            from,
            to,
            label: label.to_owned(),
            rows: count,
            verdict: match count {
                0 => DriftVerdict::NoData,
                count if count < MIN_ROWS => DriftVerdict::TooFew,
                _ if drifted > 0 => DriftVerdict::Drift,
                _ => DriftVerdict::Stable,
            },
            columns,
            drifted,
            performance,
            at: self.core.now(),
        };
        let kept = report.clone();
        report.id = self
            .core
            .store
            .write(move |transaction| rows::keep(transaction, &kept))?;
        self.core.bus.emit(Event::DriftReported {
            monitor: monitor.to_owned(),
        });
        self.alert(&config, &report)?;
        Ok(report)
    }

    /// The rows of a window; none when nothing was served in it.
    fn served(
        &self,
        deployment: &Deployment,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Option<Served>> {
        let log = InferenceLog::new(self.core.workspace.inference());
        let window = Window::Event(from, to);
        let Some(batch) = log.read(&deployment.model, window, None, None)? else {
            return Ok(None);
        };
        let rows = Frame::from_batch(&batch)?;
        let called = rows.texts(log::DEPLOYMENT)?;
        let keys = rows.texts(log::ROW_KEY)?;
        let mut last: HashMap<&str, usize> = HashMap::new();
        for (row, key) in keys.iter().enumerate() {
            if let Some(key) = key
                && called.get(row).and_then(Option::as_deref) == Some(deployment.name.as_str())
            {
                last.insert(key, row);
            }
        }
        let kept: Vec<u32> = (0..rows.rows())
            .filter(|row| {
                called.get(*row).and_then(Option::as_deref) == Some(deployment.name.as_str())
                    && keys
                        .get(*row)
                        .and_then(Option::as_deref)
                        .is_none_or(|key| last.get(key) == Some(row))
            })
            .filter_map(|row| u32::try_from(row).ok())
            .collect();
        if kept.is_empty() {
            return Ok(None);
        }
        let rows = rows.take(&kept)?;
        let mut versions: BTreeMap<u32, usize> = BTreeMap::new();
        for version in rows.numbers(log::VERSION)? {
            *versions.entry(version as u32).or_default() += 1;
        }
        let version = versions
            .into_iter()
            .max_by_key(|(version, count)| (*count, *version))
            .map(|(version, _)| Version(version))
            .ok_or_else(|| Error::internal("served rows name no version"))?;
        let signature = self.registry.signature(&deployment.model, version)?;
        Ok(Some(Served {
            keys: rows.texts(log::ROW_KEY)?,
            rows,
            model: deployment.model.clone(),
            version,
            signature,
        }))
    }

    /// What the version that answered most rows was trained on, with what it says about it.
    fn trained(&self, served: &Served) -> Result<Frame> {
        let directory = self.registry.directory(&served.model, served.version)?;
        let reference = ml::model_file::reference(&directory, None)?;
        let before = explain::predictions(&reference, &served.signature)?;
        Ok(reference.with(PREDICTION, prediction(&served.signature, &before))?)
    }

    /// Inputs and predictions against a reference; columns that one side lacks are left out.
    fn compared(
        &self,
        config: &MonitorConfig,
        served: &Served,
        reference: &Frame,
    ) -> Result<Vec<ColumnDrift>> {
        let now = served.rows.numbers(log::PREDICTION)?;
        let current = served
            .rows
            .with(PREDICTION, prediction(&served.signature, &now))?;
        let (names, known) = (current.names(), reference.names());
        let columns: Vec<String> = served
            .signature
            .inputs
            .iter()
            .map(|input| input.name.clone())
            .filter(|name| names.contains(name) && known.contains(name))
            .chain(std::iter::once(PREDICTION.to_owned()))
            .collect();
        let options = drift::Options {
            thresholds: config.tests.clone(),
            min_rows: MIN_ROWS,
            ..drift::Options::default()
        };
        Ok(drift::compare(
            reference,
            &current,
            Some(&columns),
            &options,
        )?)
    }

    /// Raises or resolves what follows from a report: drift (with the preset `stable` in 2 of the last 3 windows),
    /// and the metric beyond its limit.
    fn alert(&self, config: &MonitorConfig, report: &DriftReport) -> Result<()> {
        let reports = self.reports(&config.name)?;
        let newest = reports.last().is_some_and(|last| last.id == report.id);
        if !newest {
            return Ok(());
        }
        let source = format!("monitor:{}", config.name);
        let drifting = reports
            .iter()
            .rev()
            .take(3)
            .filter(|one| one.verdict == DriftVerdict::Drift)
            .count();
        let needed = if config.tests.is_empty() { 2 } else { 1 };
        if report.verdict == DriftVerdict::Drift && drifting >= needed {
            let text = format!("{}: {}", config.name, sentence(&reports, report));
            self.alerts.raise(&source, "drift", &text)?;
        } else if report.verdict == DriftVerdict::Stable {
            self.alerts.resolve(&source, "drift")?;
        }
        if let (Some((metric, limit)), Some(performance)) = (&config.metric, &report.performance)
            && let Some(value) = performance.metric(metric)
        {
            let beyond = if greater_is_better(metric) {
                value < *limit
            } else {
                value > *limit
            };
            if beyond {
                let text = format!(
                    "{}: {metric} {value:.4} in {} is beyond {limit}",
                    config.name, report.label
                );
                self.alerts.raise(&source, "metric", &text)?;
            } else {
                self.alerts.resolve(&source, "metric")?;
            }
        }
        Ok(())
    }

    /// All reports of a monitor, oldest first.
    pub fn reports(&self, monitor: &str) -> Result<Vec<DriftReport>> {
        self.core
            .store
            .read(|connection| rows::reports(connection, monitor))
    }

    /// Columns drifting in the newest window of any monitor, and unacknowledged alerts.
    pub fn badges(&self) -> Result<(u64, u64)> {
        let config = self.core.config();
        let monitors: Vec<String> = config.monitors.iter().map(|one| one.name.clone()).collect();
        self.core.store.read(|connection| {
            Ok((
                rows::drifting_now(connection, &monitors)?,
                rows::open_alerts(connection)?,
            ))
        })
    }

    /// The newest report of every monitor of a deployment of `model`.
    pub fn newest_of(&self, model: &ModelName) -> Result<Vec<DriftReport>> {
        let config = self.core.config();
        let deployments: Vec<&DeploymentName> = config
            .deployments
            .iter()
            .filter(|one| one.model == *model)
            .map(|one| &one.name)
            .collect();
        self.core.store.read(|connection| {
            let mut reports = Vec::new();
            for monitor in &config.monitors {
                if deployments.contains(&&monitor.deployment) {
                    reports.extend(rows::newest(connection, &monitor.name)?);
                }
            }
            Ok(reports)
        })
    }
}

impl Performance {
    /// The metric called `name`.
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.metrics
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| *value)
    }
}
