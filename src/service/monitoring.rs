//! Monitors: windows of served rows against the reference of the version that served, labels when they come, alerts.

mod reference;

use super::alerts::Alerts;
use super::registry::Registry;
use super::{Core, Services, datasets, explain};
use crate::config::{LabelsConfig, MonitorConfig};
use crate::data::Frame;
use crate::domain::deployment::Deployment;
use crate::domain::drift::{
    ColumnDrift, DriftDetail, DriftPage, DriftReport, DriftRow, DriftVerdict, Performance,
    Reference, WindowRow,
};
use crate::domain::model::{Signature, Task, greater_is_better};
use crate::domain::{DeploymentName, Error, Event, ModelName, Result, Timestamp, Version};
use crate::drift;
use crate::ml::{self, Predictions, Target};
use crate::store::drift as rows;
use crate::store::inference_log::{self as log, InferenceLog, Window};
use arrow_array::{ArrayRef, Float64Array, StringArray};
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

    /// The drift pane; none without monitors. `against` none: the training of the version that answered.
    pub fn page(
        &self,
        services: &Services,
        monitor: Option<&str>,
        report: Option<i64>,
        against: Option<&Reference>,
    ) -> Result<Option<DriftPage>> {
        let config = self.core.config();
        let monitors: Vec<String> = config.monitors.iter().map(|one| one.name.clone()).collect();
        let shown = match monitor {
            Some(name) => self.config(name)?,
            None => match config.monitors.first() {
                Some(first) => first.clone(),
                None => return Ok(None),
            },
        };
        let reports = self.reports(&shown.name)?;
        let report = match report {
            Some(id) => Some(reports.iter().find(|one| one.id == id).ok_or_else(|| {
                Error::not_found(format!("monitor `{}` has no report `{id}`", shown.name))
            })?),
            None => reports.last(),
        };
        let references = match report {
            Some(report) => self.references(&reports, report)?,
            None => Vec::new(),
        };
        // a reference is held on to while windows change; where it cannot be, the window's own is
        let against = against.filter(|wanted| references.iter().any(|(one, _)| one == *wanted));
        let other = match (report, against) {
            (Some(report), Some(against)) => {
                let said = self.named(&report.reference.0, &reports, against);
                Some((self.against(services, report, against)?, said))
            }
            _ => None,
        };
        if let Some((report, said)) = other {
            let mut windows: Vec<WindowRow> = reports.iter().map(window).collect();
            if let Some(shown) = windows.iter_mut().find(|one| one.id == report.id) {
                (shown.verdict, shown.drifted) = (report.verdict, report.drifted);
                shown.of = report.columns.len() as u64;
            }
            return Ok(Some(DriftPage {
                monitors,
                monitor: shown.name.clone(),
                deployment: shown.deployment.clone(),
                windows,
                shown: Some(report.id),
                // scores before were against other references: only this window's is told
                rows: table(std::slice::from_ref(&*report), &report),
                since: None,
                sentence: sentence_against(&report, &said),
                reference: said,
                references,
                against: against.cloned(),
            }));
        }
        Ok(Some(DriftPage {
            references,
            against: None,
            monitors,
            monitor: shown.name.clone(),
            deployment: shown.deployment.clone(),
            reference: report.map_or_else(String::new, |report| {
                format!("training of {}", report.reference.1)
            }),
            windows: reports.iter().map(window).collect(),
            shown: report.map(|report| report.id),
            rows: report.map_or_else(Vec::new, |report| table(&reports, report)),
            since: report.and_then(|report| since(&reports, report)),
            sentence: report.map_or_else(
                || format!("no window of `{}` has been looked at yet", shown.name),
                |report| sentence(&reports, report),
            ),
        }))
    }

    /// One column of one window, `against` the training of the version that answered (none) or something else.
    pub fn column(
        &self,
        services: &Services,
        report: i64,
        column: &str,
        against: Option<&Reference>,
    ) -> Result<DriftDetail> {
        let found = self
            .core
            .store
            .read(|connection| rows::report(connection, report))?
            .ok_or_else(|| Error::not_found(format!("there is no drift report `{report}`")))?;
        let found = match against {
            Some(against) => self.against(services, &found, against)?,
            None => Arc::new(found),
        };
        let column = found
            .columns
            .iter()
            .find(|one| one.column == column)
            .cloned()
            .ok_or_else(|| {
                Error::not_found(format!("drift report `{report}` has no column `{column}`"))
            })?;
        Ok(DriftDetail {
            report,
            label: found.label.clone(),
            samples: samples(&column),
            column,
        })
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

/// Predictions as a column: classes by name, else numbers.
fn prediction(signature: &Signature, values: &[f64]) -> ArrayRef {
    match signature.task {
        Task::Multiclass => Arc::new(
            values
                .iter()
                .map(|value| {
                    (!value.is_nan())
                        .then(|| signature.classes.get(*value as usize).cloned())
                        .flatten()
                })
                .collect::<StringArray>(),
        ),
        Task::Binary | Task::Regression => Arc::new(Float64Array::from(values.to_vec())),
    }
}

/// Realised quality on the rows whose labels were known by `until`; none while there are no labels.
fn performance(
    services: &Services,
    config: &LabelsConfig,
    served: &Served,
    until: Option<Timestamp>,
) -> Result<Option<Performance>> {
    let source = services.datasets.resolve(&config.dataset)?;
    let mut names = vec![config.key.clone(), config.column.clone()];
    if let Some(known_at) = &config.known_at
        && !names.contains(known_at)
    {
        names.push(known_at.clone());
    }
    let labels = datasets::columns(&source, &names)?;
    let known: Option<Vec<Option<i64>>> = match (&config.known_at, until) {
        (Some(column), Some(_)) => Some(labels.times(column)?),
        _ => None,
    };
    let until = until.map_or(i64::MAX, |until| until.0.saturating_mul(1000));
    let mut wanted: HashMap<&str, Option<u32>> = served
        .keys
        .iter()
        .flatten()
        .map(|key| (key.as_str(), None))
        .collect();
    for (row, key) in labels.texts(&config.key)?.iter().enumerate() {
        let in_time = known.as_ref().is_none_or(|known| {
            known
                .get(row)
                .copied()
                .flatten()
                .is_some_and(|at| at <= until)
        });
        if let (Some(key), true) = (key, in_time)
            && let Some(place) = wanted.get_mut(key.as_str())
        {
            *place = u32::try_from(row).ok();
        }
    }
    let mut served_rows = Vec::new();
    let mut label_rows = Vec::new();
    for (row, key) in served.keys.iter().enumerate() {
        if let Some(key) = key
            && let Some(Some(label)) = wanted.get(key.as_str())
            && let Ok(row) = u32::try_from(row)
        {
            served_rows.push(row);
            label_rows.push(*label);
        }
    }
    if served_rows.is_empty() {
        return Ok(None);
    }
    let labelled = labels.take(&label_rows)?;
    let target = Target::for_signature(&labelled, &config.column, &served.signature)?;
    let matched = served.rows.take(&served_rows)?;
    let values = matched.numbers(log::PREDICTION)?;
    // A row whose label is null (a cancelled flight) has no truth to be judged by.
    let judged: Vec<usize> = (0..values.len())
        .filter(|row| target.values.get(*row).is_some_and(|value| !value.is_nan()))
        .collect();
    if judged.is_empty() {
        return Ok(None);
    }
    let predictions = Predictions {
        probabilities: probabilities(&matched, &served.signature, &values)?,
        values,
    };
    let mean = |of: &[f64]| {
        judged.iter().filter_map(|row| of.get(*row)).sum::<f64>() / judged.len() as f64
    };
    Ok(Some(Performance {
        labelled: judged.len() as u64,
        served: served.rows.rows() as u64,
        // A metric that cannot be told (one class only) is left out: JSON has no NaN.
        metrics: ml::metrics::evaluate(&target, &predictions)
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .collect(),
        mean_prediction: mean(&predictions.values),
        rate: mean(&target.values),
        provisional: served_rows.len() < served.rows.rows(),
    }))
}

fn probabilities(rows: &Frame, signature: &Signature, values: &[f64]) -> Result<Vec<f64>> {
    match signature.task {
        Task::Regression => Ok(Vec::new()),
        Task::Binary => Ok(values
            .iter()
            .flat_map(|value| [1.0 - value, *value])
            .collect()),
        Task::Multiclass => {
            let columns = (0..signature.classes.len())
                .map(|class| rows.numbers(&format!("{}{class}", log::PROBABILITY)))
                .collect::<std::result::Result<Vec<_>, _>>()?;
            Ok((0..values.len())
                .flat_map(|row| {
                    columns
                        .iter()
                        .map(move |column| column.get(row).copied().unwrap_or(f64::NAN))
                })
                .collect())
        }
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

fn window(report: &DriftReport) -> WindowRow {
    WindowRow {
        id: report.id,
        label: report.label.clone(),
        from: report.from,
        to: report.to,
        rows: report.rows,
        version: Some(report.reference.1),
        drifted: report.drifted,
        of: report.columns.len() as u64,
        performance: report.performance.clone(),
        verdict: report.verdict,
    }
}

/// The table of a window, each line with the scores of the windows up to it.
fn table(reports: &[DriftReport], shown: &DriftReport) -> Vec<DriftRow> {
    let until: Vec<&DriftReport> = reports
        .iter()
        .take_while(|one| one.to <= shown.to)
        .collect();
    shown
        .columns
        .iter()
        .map(|column| {
            let deciding = column.tests.first();
            let method = deciding.map_or("", |test| test.method.as_str());
            DriftRow {
                column: column.column.clone(),
                method: method.to_owned(),
                score: deciding.and_then(|test| test.value),
                p_value: deciding.and_then(|test| test.p_value),
                limit: deciding.map_or(0.0, |test| test.threshold),
                verdict: column.verdict,
                history: until
                    .iter()
                    .map(|report| {
                        report
                            .columns
                            .iter()
                            .find(|one| one.column == column.column)?
                            .tests
                            .iter()
                            .find(|test| test.method == method)?
                            .value
                    })
                    .collect(),
            }
        })
        .collect()
}

/// The start of the first of the windows that drift without a break up to `shown`.
fn since(reports: &[DriftReport], shown: &DriftReport) -> Option<Timestamp> {
    reports
        .iter()
        .rev()
        .skip_while(|one| one.id != shown.id)
        .take_while(|one| one.verdict == DriftVerdict::Drift)
        .last()
        .map(|one| one.from)
}

/// "2 of 14 drift against 2013-03 as served; dep_delay median 14 → 22".
fn sentence_against(shown: &DriftReport, reference: &str) -> String {
    let own = sentence(&[], shown);
    match shown.verdict {
        DriftVerdict::Drift => own.replacen(" drift", &format!(" drift against {reference}"), 1),
        DriftVerdict::Stable => format!("{own} against {reference}"),
        DriftVerdict::NoData | DriftVerdict::TooFew => own,
    }
}

/// "2 of 14 drift since 20 Nov; dep_delay median 14 → 22".
fn sentence(reports: &[DriftReport], shown: &DriftReport) -> String {
    let of = shown.columns.len();
    match shown.verdict {
        DriftVerdict::NoData => format!("nothing was served in {}", shown.label),
        DriftVerdict::TooFew => {
            format!(
                "{} rows in {} are too few for a verdict",
                shown.rows, shown.label
            )
        }
        DriftVerdict::Stable => format!("0 of {of} drift in {}", shown.label),
        DriftVerdict::Drift => {
            let mut text = format!("{} of {of} drift", shown.drifted);
            if let Some(since) = since(reports, shown) {
                text.push_str(&since.utc().format(" since %-d %b").to_string());
            }
            let worst = shown
                .columns
                .iter()
                .find(|column| column.verdict == DriftVerdict::Drift);
            if let Some(worst) = worst {
                text.push_str("; ");
                text.push_str(&worst.column);
                if let Some(change) = worst.changes.first() {
                    text.push(' ');
                    text.push_str(change);
                }
            }
            text
        }
    }
}

/// Values of the window by how much more often they come than before: "90 to 120: 6.0 % (was 0.1 %)".
fn samples(column: &ColumnDrift) -> Vec<String> {
    let chart = &column.chart;
    let mut places: Vec<usize> = (0..chart.current.len().min(chart.reference.len())).collect();
    let grown = |place: &usize| {
        chart.current.get(*place).copied().unwrap_or(0.0)
            - chart.reference.get(*place).copied().unwrap_or(0.0)
    };
    places.sort_by(|a, b| grown(b).total_cmp(&grown(a)));
    places
        .into_iter()
        .filter(|place| grown(place) > 0.0)
        .take(8)
        .filter_map(|place| {
            let name = match chart.categories.get(place) {
                Some(category) => category.clone(),
                None => format!(
                    "{} to {}",
                    super::inputs::short(*chart.edges.get(place)?),
                    super::inputs::short(*chart.edges.get(place + 1)?)
                ),
            };
            Some(format!(
                "{name}: {:.1} % (was {:.1} %)",
                100.0 * chart.current.get(place)?,
                100.0 * chart.reference.get(place)?
            ))
        })
        .collect()
}
