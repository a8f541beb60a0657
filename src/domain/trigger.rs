//! Why work starts (`Cause`), and what a model must pass before it serves (`Gate`, `Verdict`).

use super::Timestamp;
use serde::{Deserialize, Serialize};

/// What started a job or a pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// A person asked.
    Request {
        /// Who.
        by: String,
    },
    /// Files of a dataset appeared or changed.
    File {
        /// The dataset.
        dataset: String,
        /// Their names.
        files: Vec<String>,
    },
    /// A period began.
    Schedule {
        /// The rule that said so.
        rule: String,
    },
    /// A monitor's metric left its band.
    Metric {
        /// The monitor.
        monitor: String,
        /// In words.
        detail: String,
    },
    /// A monitor saw drift.
    Drift {
        /// The monitor.
        monitor: String,
        /// In words.
        detail: String,
    },
    /// A step of a pipeline that is under way.
    Pipeline {
        /// The pipeline run.
        run: i64,
    },
    /// An earlier attempt ended badly.
    Retry {
        /// How it ended.
        detail: String,
        /// The next one waits until then; none: it may begin at once.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        not_before: Option<Timestamp>,
    },
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Request { by } => write!(f, "asked for by {by}"),
            Self::File { dataset, files } => {
                write!(f, "new data in {dataset}: {}", files.join(", "))
            }
            Self::Schedule { rule } => write!(f, "schedule {rule}"),
            Self::Metric { monitor, detail } | Self::Drift { monitor, detail } => {
                write!(f, "{monitor}: {detail}")
            }
            Self::Pipeline { run } => write!(f, "pipeline run {run}"),
            Self::Retry {
                detail,
                not_before: Some(at),
            } => write!(f, "retry, not before {at}: {detail}"),
            Self::Retry { detail, .. } => write!(f, "retry: {detail}"),
        }
    }
}

/// What a challenger must show.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The metric that decides.
    pub metric: String,
    /// Floor (for metrics of which less is better: ceiling).
    pub at_least: Option<f64>,
    /// Alias to be beaten on the same rows.
    pub beat: Option<String>,
    /// By how much.
    pub by: f64,
    /// Slices (columns) in which it may not be worse than `slice_drop`.
    pub slices: Vec<String>,
    /// See `slices`; slices under 200 rows do not count.
    pub slice_drop: f64,
    /// PSI of any input between training and recent production above which promotion is held.
    pub max_psi: Option<f64>,
    /// 95th percentile of one-row predictions, milliseconds.
    pub max_p95_ms: Option<f64>,
}

/// One check of a gate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Stable key: `metric_floor`, `better_on_holdout`, `no_slice_worse`, `same_inputs`, `data_like_production`, `fast_enough`, `artifact_intact`.
    pub key: String,
    /// As the screen says it: "better on holdout".
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// Evidence: "roc_auc 0.8011 → 0.8123 (≥ +0.005)".
    pub detail: String,
    /// Number of the pane where to look further.
    pub pane: Option<u8>,
}

/// What a gate said: every check with its evidence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// All of them passed.
    pub passed: bool,
    /// Each of them.
    pub checks: Vec<Check>,
}

impl Verdict {
    /// The verdict over `checks`.
    pub fn of(checks: Vec<Check>) -> Self {
        Self {
            passed: checks.iter().all(|check| check.passed),
            checks,
        }
    }

    /// "5 of 6 checks passed: HELD".
    pub fn sentence(&self) -> String {
        let passed = self.checks.iter().filter(|check| check.passed).count();
        sentence(self.passed, passed, self.checks.len())
    }
}

/// "5 of 6 checks passed: HELD".
pub fn sentence(clear: bool, passed: usize, total: usize) -> String {
    let word = if clear { "CLEAR" } else { "HELD" };
    format!("{passed} of {total} checks passed: {word}")
}
