//! What a model is asked to do, and what goes in and out of it.

use serde::{Deserialize, Serialize};

/// What a model predicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// Two classes; the answer is the probability of the positive one.
    Binary,
    /// More than two classes; the answer is a class and a probability for each.
    Multiclass,
    /// A number.
    Regression,
}

/// A model input's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum InputKind {
    /// Any number; NaN and null are missing.
    Number,
    /// A category; null is missing.
    Text,
}

/// One input column of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// Column name.
    pub name: String,
    /// Its type.
    pub kind: InputKind,
    /// Whether training data had missing values here.
    pub optional: bool,
}

/// What callers send and get.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Signature {
    /// The inputs, in order.
    pub inputs: Vec<Input>,
    /// What comes out.
    pub task: Task,
    /// Class labels as text, in the order of the probabilities; empty for regression. The last is the positive one of two.
    pub classes: Vec<String>,
}

/// A metric's direction, by the field's names (`roc_auc`, `log_loss`, …).
pub fn greater_is_better(metric: &str) -> bool {
    let name = metric
        .rsplit('/')
        .next()
        .unwrap_or(metric)
        .to_ascii_lowercase();
    const LESS: [&str; 14] = [
        "loss",
        "error",
        "rmse",
        "mse",
        "mae",
        "mape",
        "brier",
        "deviance",
        "latency",
        "ece",
        "time",
        "duration",
        "wape",
        "perplexity",
    ];
    !LESS
        .iter()
        .any(|word| name == *word || name.split(['_', '.', '-']).any(|part| part == *word))
}
