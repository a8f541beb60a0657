//! Looks at monitors' windows when their periods end. Where a window begins and what it says is the monitoring
//! service's affair.

use crate::domain::{ErrorKind, Timestamp};
use crate::service::Services;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;
use tracing::{info, warn};

/// Why the thread looks up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The configuration was read again.
    Configured,
    /// The daemon ends.
    Stop,
}

/// Evaluates until told to stop.
pub fn run(services: &Arc<Services>, wake: &Receiver<Wake>) {
    loop {
        let next = match look(services) {
            Some(wait) => wake.recv_timeout(wait.min(Duration::from_secs(3600))),
            None => wake.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(Wake::Configured) | Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// Evaluates every monitor whose last period ended without a report; answers how long none ends.
fn look(services: &Services) -> Option<Duration> {
    let config = services.core.config();
    let mut next: Option<i64> = None;
    for monitor in &config.monitors {
        let Some(every) = monitor.every.map(|every| every.max(1000)) else {
            continue;
        };
        let now = services.core.now();
        let end = now.0.div_euclid(every) * every;
        let left = end + every - now.0;
        next = Some(next.map_or(left, |next| next.min(left)));
        let (from, to) = (Timestamp(end - monitor.window), Timestamp(end));
        let known = services
            .monitoring
            .reports(&monitor.name)
            .is_ok_and(|reports| reports.iter().any(|report| report.to >= to));
        if known {
            continue;
        }
        let label = to.utc().format("%Y-%m-%d %H:%M").to_string();
        match services
            .monitoring
            .evaluate(services, &monitor.name, from, to, None, &label)
        {
            Ok(report) => info!(
                monitor = monitor.name,
                label,
                rows = report.rows,
                drifted = report.drifted,
                "monitor looked"
            ),
            // nothing deployed or nothing served yet: there will be another period
            Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::Conflict) => {
                info!(monitor = monitor.name, %error, "nothing to look at");
            }
            Err(error) => {
                warn!(monitor = monitor.name, %error, "a window could not be looked at");
            }
        }
    }
    next.map(|left| Duration::from_millis(u64::try_from(left).unwrap_or_default().max(1)))
}
