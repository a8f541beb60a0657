//! Alerts: raised by monitors and by the guard of pipelines, acknowledged by people.

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// Something that a person should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    /// Unique.
    pub id: i64,
    /// `monitor:NAME`, `pipeline:NAME`.
    pub source: String,
    /// `drift`, `metric`, `storm`.
    pub kind: String,
    /// In words.
    pub text: String,
    /// When it was raised.
    pub at: Timestamp,
    /// When somebody said that they know.
    pub acknowledged: Option<Timestamp>,
    /// Who.
    pub acknowledged_by: Option<String>,
    /// When what raised it was over.
    pub resolved: Option<Timestamp>,
}
