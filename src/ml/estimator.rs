//! What was learned, in a form that is written to `model.json`: a closed set of estimators that answer from raw columns.

use super::Result;
use super::bayes::GaussianBayes;
use super::trees::TreeModel;
use super::weights::LinearModel;
use crate::data::Frame;
use serde::{Deserialize, Serialize};

/// A fitted estimator together with its own encoding of the inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Estimator {
    /// Weighted sums of encoded inputs: logistic regression, least squares, elastic net.
    Linear(LinearModel),
    /// One Gaussian per class and encoded input.
    Bayes(GaussianBayes),
    /// Trees over binned inputs: boosting and forests.
    Trees(TreeModel),
}

impl Estimator {
    /// One number by row (regression), or row-major one probability per class.
    pub fn answers(&self, inputs: &Frame) -> Result<Vec<f64>> {
        match self {
            Self::Linear(model) => model.answers(inputs),
            Self::Bayes(model) => model.answers(inputs),
            Self::Trees(model) => model.answers(inputs),
        }
    }

    /// What cannot be right about it, if it was damaged: lengths that do not fit each other.
    pub fn defect(&self, classes: usize) -> Option<String> {
        match self {
            Self::Linear(model) => model.defect(classes),
            Self::Bayes(model) => model.defect(classes),
            Self::Trees(model) => model.defect(classes),
        }
    }
}

/// The probability that belongs to a log-odds.
pub(super) fn sigmoid(score: f64) -> f64 {
    1.0 / (1.0 + (-score).exp())
}

/// Scores of one row -> probabilities, in place.
pub(super) fn softmax(scores: &mut [f64]) {
    let greatest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut sum = 0.0;
    for score in scores.iter_mut() {
        *score = (*score - greatest).exp();
        sum += *score;
    }
    for score in scores {
        *score /= sum;
    }
}

/// Probabilities of the positive class -> rows of two probabilities.
pub(super) fn both(positive: impl Iterator<Item = f64>) -> Vec<f64> {
    positive.flat_map(|p| [1.0 - p, p]).collect()
}
