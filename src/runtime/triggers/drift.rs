//! A monitor saw drift: one occasion a window.

use super::Occasion;
use crate::domain::drift::{DriftReport, DriftVerdict};
use crate::domain::trigger::Cause;

/// The occasion that a report is, if it is one.
pub(super) fn look(pipeline: &str, report: &DriftReport) -> Option<Occasion> {
    (report.verdict == DriftVerdict::Drift).then(|| Occasion {
        pipeline: pipeline.to_owned(),
        cause: Cause::Drift {
            monitor: report.monitor.clone(),
            detail: format!(
                "{} of {} columns drift in {}",
                report.drifted,
                report.columns.len(),
                report.label
            ),
        },
        key: format!(
            "drift:{pipeline}:{}:{}:{}",
            report.monitor, report.from.0, report.to.0
        ),
    })
}
