//! The fitted form that all linear families share: weights of encoded columns, intercepts, and a link.

use super::Result;
use super::estimator::{both, sigmoid, softmax};
use super::preprocess::Preprocessor;
use crate::data::Frame;
use serde::{Deserialize, Serialize};

/// How scores become answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The score is the answer.
    Identity,
    /// The score is the log-odds of the positive class.
    Logistic,
    /// One score per class; exponentials that sum to 1.
    Softmax,
    /// One log-odds per class against all others, scaled to sum to 1.
    OneVsRest,
}

/// A linear model over encoded columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearModel {
    /// Raw columns -> encoded columns.
    pub preprocessor: Preprocessor,
    /// Row-major: one row per encoded column, one number per output.
    pub weights: Vec<f64>,
    /// One per output.
    pub intercepts: Vec<f64>,
    /// Scores -> answers.
    pub link: Link,
}

impl LinearModel {
    /// See [`super::estimator::Estimator::answers`].
    pub fn answers(&self, inputs: &Frame) -> Result<Vec<f64>> {
        let mut scores = self
            .preprocessor
            .scores(inputs, &self.weights, &self.intercepts)?;
        Ok(match self.link {
            Link::Identity => scores,
            Link::Logistic => both(scores.into_iter().map(sigmoid)),
            Link::Softmax => {
                scores
                    .chunks_exact_mut(self.intercepts.len())
                    .for_each(softmax);
                scores
            }
            Link::OneVsRest => {
                for row in scores.chunks_exact_mut(self.intercepts.len()) {
                    // sigmoid underflows to exact zeros only below -745; keep the sum positive
                    row.iter_mut()
                        .for_each(|score| *score = sigmoid(*score).max(1e-300));
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|score| *score /= sum);
                }
                scores
            }
        })
    }

    /// See [`super::estimator::Estimator::defect`].
    pub fn defect(&self, classes: usize) -> Option<String> {
        let outputs = match self.link {
            Link::Identity | Link::Logistic => 1,
            Link::Softmax | Link::OneVsRest => classes,
        };
        let expected = self.preprocessor.width() * outputs;
        (self.intercepts.len() != outputs || self.weights.len() != expected).then(|| {
            format!(
                "{} weights and {} intercepts where {expected} and {outputs} belong",
                self.weights.len(),
                self.intercepts.len()
            )
        })
    }
}
