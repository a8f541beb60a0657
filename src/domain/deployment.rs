//! Deployments: a name that callers use, and the version that answers; and the read model of the live pane.

use super::profile::Histogram;
use super::{DeploymentName, ModelName, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// How a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentState {
    /// Nothing to load: the alias names no version yet.
    Empty,
    /// Loading a version; the previous one, if any, answers.
    Loading,
    /// Answers.
    Ready,
    /// The last load failed; the previous version, if any, answers.
    Failed,
}

/// A deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// What callers name.
    pub name: DeploymentName,
    /// The model.
    pub model: ModelName,
    /// The alias that decides the version.
    pub alias: String,
    /// What answers now.
    pub version: Option<Version>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// How it stands.
    pub state: DeploymentState,
    /// Why a load failed.
    pub reason: Option<String>,
}

/// One served request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RequestRow {
    /// Its id: the caller's, or made up.
    pub id: String,
    /// When.
    pub at: Timestamp,
    /// HTTP status.
    pub status: u16,
    /// Milliseconds from decoded request to encoded answer.
    pub ms: f64,
    /// Rows in it.
    pub rows: u32,
    /// Which version answered.
    pub version: Option<Version>,
    /// The first row's answer in words: "late 0.81".
    pub answer: String,
    /// The first row's inputs in words, or the error's text.
    pub detail: String,
}

/// One of the live pane's limits, and how it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limit {
    /// `errors`, `p95`, `drift`, `traffic`.
    pub name: String,
    /// Its value now; none when there is nothing to measure.
    pub value: Option<f64>,
    /// Its limit.
    pub limit: Option<f64>,
    /// `%`, `ms`, `/s`, or nothing.
    pub unit: String,
    /// Whether it holds (a limit without value holds).
    pub holds: bool,
    /// One value per bucket of the window, oldest first.
    pub history: Vec<Option<f64>>,
}

/// Latency in one bucket of time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LatencyBucket {
    /// The bucket's start.
    pub at: Timestamp,
    /// Requests in it.
    pub requests: u64,
    /// Failed ones.
    pub failed: u64,
    /// Percentiles in milliseconds; none without requests.
    pub p50: Option<f64>,
    /// 95th.
    pub p95: Option<f64>,
    /// 99th.
    pub p99: Option<f64>,
}

/// Something that happened and belongs on a time axis.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at: Timestamp,
    /// "promoted v12".
    pub text: String,
}

/// The live pane of one deployment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LivePage {
    /// Deployments there are.
    pub deployments: Vec<DeploymentName>,
    /// The one shown.
    pub deployment: Deployment,
    /// "HEALTHY: 4 of 4 within limits", or which limit broke, when, after which event.
    pub sentence: String,
    /// Whether all limits hold.
    pub healthy: bool,
    /// The window's length in seconds.
    pub window_s: u64,
    /// The limits.
    pub limits: Vec<Limit>,
    /// Latency and traffic, oldest first, equal buckets.
    pub latency: Vec<LatencyBucket>,
    /// Predictions in the window.
    pub predictions: Histogram,
    /// Predictions of the reference (an earlier window or training), same edges.
    pub predictions_before: Histogram,
    /// What `predictions_before` is, in words.
    pub before: String,
    /// Promotions, roll-backs, restarts.
    pub marks: Vec<Mark>,
    /// Newest first, at most 100.
    pub requests: Vec<RequestRow>,
    /// Requests served since the daemon started, and failed ones.
    pub total: (u64, u64),
    /// Rows that the log had to drop because its queue was full.
    pub dropped: u64,
}

/// An input's part in an odd or ordinary answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputShare {
    /// The input.
    pub input: String,
    /// Its value as text.
    pub value: String,
    /// How unusual against training, as robust z or -log10 of its share.
    pub surprise: f64,
    /// Whether it counts as an outlier.
    pub outlier: bool,
    /// Change of the answer when it is replaced by its ordinary value.
    pub effect: f64,
    /// In words.
    pub note: String,
}

/// Why a request was answered as it was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The request.
    pub request: RequestRow,
    /// Strongest cause first.
    pub inputs: Vec<InputShare>,
    /// In a sentence.
    pub sentence: String,
}
