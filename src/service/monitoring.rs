//! Monitors: windows of served rows against the reference of the version that served, labels when they come, alerts.

use super::{Core, Services};
use crate::domain::drift::{DriftDetail, DriftPage, DriftReport};
use crate::domain::{Error, Result, Timestamp};
use std::sync::Arc;

/// See the module's text.
pub struct Monitoring {
    core: Arc<Core>,
}

impl Monitoring {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn absent<T>(&self) -> Result<T> {
        let _ = &self.core;
        Err(Error::unavailable("not there yet"))
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
        let _ = (services, monitor, from, to, labels_until, label);
        self.absent()
    }

    /// All reports of a monitor, oldest first.
    pub fn reports(&self, monitor: &str) -> Result<Vec<DriftReport>> {
        let _ = monitor;
        self.absent()
    }

    /// The drift pane; none without monitors.
    pub fn page(&self, monitor: Option<&str>, report: Option<i64>) -> Result<Option<DriftPage>> {
        let _ = (monitor, report);
        self.absent()
    }

    /// One column of one window.
    pub fn column(&self, services: &Services, report: i64, column: &str) -> Result<DriftDetail> {
        let _ = (services, report, column);
        self.absent()
    }

    /// Columns drifting in the newest window of any monitor, and unacknowledged alerts.
    pub fn badges(&self) -> Result<(u64, u64)> {
        self.absent()
    }
}
