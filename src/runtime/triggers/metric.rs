//! A monitor's metric left its band: one occasion a window.

use super::Occasion;
use crate::config::MonitorConfig;
use crate::domain::drift::DriftReport;
use crate::domain::model::greater_is_better;
use crate::domain::trigger::Cause;

/// The occasion that a report is, if it is one. Provisional metrics count: they are what is known.
pub(super) fn look(
    pipeline: &str,
    monitor: &MonitorConfig,
    report: &DriftReport,
) -> Option<Occasion> {
    let (metric, limit) = monitor.metric.as_ref()?;
    let value = report
        .performance
        .as_ref()?
        .metrics
        .iter()
        .find(|(name, _)| name == metric)?
        .1;
    let beyond = if greater_is_better(metric) {
        value < *limit
    } else {
        value > *limit
    };
    beyond.then(|| Occasion {
        pipeline: pipeline.to_owned(),
        cause: Cause::Metric {
            monitor: report.monitor.clone(),
            detail: format!("{metric} {value:.4} in {} is beyond {limit}", report.label),
        },
        key: format!(
            "metric:{pipeline}:{}:{metric}:{}:{}",
            report.monitor, report.from.0, report.to.0
        ),
    })
}
