//! Drift: what changed between a reference and a window, by column, and what it did to the model;
//! and the read model of the drift pane.

use super::dataset::ColumnKind;
use super::profile::Histogram;
use super::{DeploymentName, ModelName, Timestamp, Version};
use serde::{Deserialize, Serialize};

/// What a test or a column or a window comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum DriftVerdict {
    /// Within its limit.
    Stable,
    /// Beyond its limit.
    Drift,
    /// Too few rows for a verdict.
    TooFew,
    /// Nothing to compare.
    NoData,
}

/// One test on one column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TestResult {
    /// `psi`, `ks`, `jensen_shannon`, …
    pub method: String,
    /// Distance or statistic; none where there is nothing to compute.
    pub value: Option<f64>,
    /// p-value, for tests that have one.
    pub p_value: Option<f64>,
    /// The limit that the verdict used.
    pub threshold: f64,
    /// What it comes to.
    pub verdict: DriftVerdict,
    /// A word where the number alone would mislead: "unseen", "too few rows".
    pub note: Option<String>,
}

/// One column's drift.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDrift {
    /// The column; predictions are called `PREDICTION`.
    pub column: String,
    /// Its type.
    pub kind: ColumnKind,
    /// The deciding test first.
    pub tests: Vec<TestResult>,
    /// What it comes to.
    pub verdict: DriftVerdict,
    /// Null share in the reference.
    pub null_reference: f64,
    /// Null share now.
    pub null_current: f64,
    /// In words: "median 14 → 22", "6 % unseen categories".
    pub changes: Vec<String>,
    /// What the chart shows.
    pub chart: DriftChart,
}

/// Both distributions over the same bins or categories, as shares.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DriftChart {
    /// Edges (numeric); empty for categories.
    pub edges: Vec<f64>,
    /// Categories; empty for numbers.
    pub categories: Vec<String>,
    /// Share of the reference in each.
    pub reference: Vec<f64>,
    /// Share of the window in each.
    pub current: Vec<f64>,
}

/// How the model did on a window whose labels have come in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Performance {
    /// Labelled rows.
    pub labelled: u64,
    /// Served rows.
    pub served: u64,
    /// Metric name to value: `roc_auc`, `brier_score`, `log_loss`, `rmse`, …
    pub metrics: Vec<(String, f64)>,
    /// Mean prediction (of the positive class, or the number).
    pub mean_prediction: f64,
    /// Mean label.
    pub rate: f64,
    /// More labels are expected.
    pub provisional: bool,
}

/// A monitor's finding about one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftReport {
    /// Unique.
    pub id: i64,
    /// The monitor.
    pub monitor: String,
    /// The deployment it watches.
    pub deployment: DeploymentName,
    /// The version whose training data is the reference.
    pub reference: (ModelName, Version),
    /// The window, by event time: from (inclusive).
    pub from: Timestamp,
    /// To (exclusive).
    pub to: Timestamp,
    /// What the window is called: `2013-03`.
    pub label: String,
    /// Rows in it.
    pub rows: u64,
    /// Worst first; the prediction among them.
    pub columns: Vec<ColumnDrift>,
    /// Columns that drift.
    pub drifted: u64,
    /// Realised quality, once labels are there.
    pub performance: Option<Performance>,
    /// What it comes to.
    pub verdict: DriftVerdict,
    /// When it was made.
    pub at: Timestamp,
}

/// A line of the drift table: the newest window, and how the score went before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftRow {
    /// The column.
    pub column: String,
    /// Deciding test.
    pub method: String,
    /// Its value.
    pub score: Option<f64>,
    /// Its p-value, for tests that have one: then the limit is one on p.
    #[serde(default)]
    pub p_value: Option<f64>,
    /// Its limit.
    pub limit: f64,
    /// Its verdict.
    pub verdict: DriftVerdict,
    /// Scores of the windows before and this one, oldest first.
    pub history: Vec<Option<f64>>,
}

/// A window as the drift pane lists it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WindowRow {
    /// Its report.
    pub id: i64,
    /// Its name.
    pub label: String,
    /// From.
    pub from: Timestamp,
    /// To.
    pub to: Timestamp,
    /// Rows.
    pub rows: u64,
    /// The version that answered most of them.
    pub version: Option<Version>,
    /// Columns that drift.
    pub drifted: u64,
    /// Of how many.
    pub of: u64,
    /// Realised quality.
    pub performance: Option<Performance>,
    /// What it comes to.
    pub verdict: DriftVerdict,
}

/// What a window is held against.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reference {
    /// The training data of a version of the deployment's model.
    Version(Version),
    /// The rows of another window, by its report.
    Window(i64),
}

/// The drift pane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftPage {
    /// Monitors there are.
    pub monitors: Vec<String>,
    /// The one shown.
    pub monitor: String,
    /// Its deployment.
    pub deployment: DeploymentName,
    /// The reference in words: "training of v12".
    pub reference: String,
    /// What else the window can be held against, in words.
    #[serde(default)]
    pub references: Vec<(Reference, String)>,
    /// What it is held against instead of the training of the version that answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub against: Option<Reference>,
    /// All windows, oldest first.
    pub windows: Vec<WindowRow>,
    /// The window shown.
    pub shown: Option<i64>,
    /// Its table, worst first.
    pub rows: Vec<DriftRow>,
    /// Since when it drifts.
    pub since: Option<Timestamp>,
    /// The one line that says it: "2 of 14 drift since 20 Nov; dep_delay above 90 is new".
    pub sentence: String,
}

/// The drift pane's detail: one column of one window.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DriftDetail {
    /// The window's report.
    pub report: i64,
    /// The window's name.
    pub label: String,
    /// The column, tests, chart and changes.
    pub column: ColumnDrift,
    /// Sample values of the window with their share, most unusual first.
    pub samples: Vec<String>,
}

/// Numbers between these edges; a convenience for charts that only have one side.
pub fn shares(histogram: &Histogram) -> Vec<f64> {
    let total: u64 = histogram.counts.iter().sum();
    histogram
        .counts
        .iter()
        .map(|count| {
            if total == 0 {
                0.0
            } else {
                *count as f64 / total as f64
            }
        })
        .collect()
}
