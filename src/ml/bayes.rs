//! Gaussian naive Bayes (linfa-bayes) over standardised inputs, for classes.
//!
//! linfa keeps means and variances to itself; they are read off its log-likelihood: at a class's mean it is at its
//! greatest, and one unit away along an input it has fallen by `1/(2 variance)`.

use super::estimator::{Estimator, softmax};
use super::preprocess::Preprocessor;
use super::trainer::{Lesson, Parameter, Trainer};
use super::{Error, OnStep, Result};
use crate::data::Frame;
use crate::domain::model::Task;
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_bayes::{GaussianNb, NaiveBayes};
use ndarray::{Array1, Array2, Axis};
use serde::{Deserialize, Serialize};

/// Variance of something that never varied: it then decides nothing, unless classes differ in it.
const FLOOR: f64 = 1e-9;

/// Log prior of a class that has no training row.
const NEVER: f64 = -700.0;

/// The trainer `bayes`.
pub struct Bayes;

impl Trainer for Bayes {
    fn name(&self) -> &'static str {
        "bayes"
    }

    fn description(&self) -> &'static str {
        "Gaussian naive Bayes: inputs taken as independent within a class, for classes"
    }

    fn tasks(&self) -> &'static [Task] {
        &[Task::Binary, Task::Multiclass]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[Parameter::number(
                "var_smoothing",
                1e-9,
                0.0,
                1.0,
                "share of the greatest variance that is added to all of them",
            )]
        }
    }

    fn fit(&self, lesson: &Lesson<'_>, _: &mut OnStep<'_>) -> Result<Estimator> {
        let preprocessor = Preprocessor::fit(lesson.inputs)?;
        let columns = preprocessor.matrix(lesson.inputs)?;
        let labels: Array1<usize> = lesson.target.values.iter().map(|x| *x as usize).collect();
        let classes = lesson.target.classes.len();
        let width = columns.ncols();
        let mut model = GaussianBayes {
            preprocessor,
            log_priors: vec![NEVER; classes],
            means: vec![0.0; classes * width],
            variances: vec![1.0; classes * width],
        };
        let fitted: Option<GaussianNb<f64, usize>> = (width > 0)
            .then(|| {
                GaussianNb::params()
                    .var_smoothing(lesson.parameters.number("var_smoothing")?)
                    .fit(&DatasetBase::new(columns.view(), labels.view()))
                    .map_err(|error| Error::new(format!("naive Bayes failed: {error}")))
            })
            .transpose()?;
        for class in 0..classes {
            let rows: Vec<usize> = (0..labels.len())
                .filter(|row| labels[*row] == class)
                .collect();
            if rows.is_empty() {
                continue;
            }
            model.log_priors[class] = (rows.len() as f64 / labels.len() as f64).ln();
            let (Some(fitted), Some(mean)) =
                (&fitted, columns.select(Axis(0), &rows).mean_axis(Axis(0)))
            else {
                continue;
            };
            let mut probes = Array2::from_shape_fn((width + 1, width), |(_, column)| mean[column]);
            for column in 0..width {
                probes[[column + 1, column]] += 1.0;
            }
            let heights = fitted.joint_log_likelihood(probes.view());
            let Some(heights) = heights.get(&class) else {
                continue;
            };
            for column in 0..width {
                let variance = 0.5 / (heights[0] - heights[column + 1]);
                model.means[class * width + column] = mean[column];
                model.variances[class * width + column] = if variance.is_finite() {
                    variance.max(FLOOR)
                } else {
                    FLOOR
                };
            }
        }
        Ok(Estimator::Bayes(model))
    }
}

/// One Gaussian per class and encoded column.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GaussianBayes {
    /// Raw columns -> encoded columns.
    pub preprocessor: Preprocessor,
    /// One per class.
    pub log_priors: Vec<f64>,
    /// Class-major.
    pub means: Vec<f64>,
    /// Class-major.
    pub variances: Vec<f64>,
}

impl GaussianBayes {
    /// See [`Estimator::answers`].
    pub fn answers(&self, inputs: &Frame) -> Result<Vec<f64>> {
        let classes = self.log_priors.len();
        let width = self.preprocessor.width();
        let heights: Vec<f64> = (0..classes)
            .map(|class| {
                let variances = &self.variances[class * width..(class + 1) * width];
                let norm: f64 = variances
                    .iter()
                    .map(|variance| (2.0 * std::f64::consts::PI * variance).ln())
                    .sum();
                self.log_priors[class] - 0.5 * norm
            })
            .collect();
        let mut scores = heights.repeat(inputs.rows());
        self.preprocessor
            .for_each_column(inputs, |column, values| {
                for class in 0..classes {
                    let mean = self.means[class * width + column];
                    let scale = 0.5 / self.variances[class * width + column];
                    for (row, value) in scores.chunks_exact_mut(classes).zip(values) {
                        // far outside, squares would overflow and leave no class at all
                        let distance = (value - mean).clamp(-1e120, 1e120);
                        row[class] -= distance * distance * scale;
                    }
                }
            })?;
        scores.chunks_exact_mut(classes).for_each(softmax);
        Ok(scores)
    }

    /// See [`Estimator::defect`].
    pub fn defect(&self, classes: usize) -> Option<String> {
        let expected = classes * self.preprocessor.width();
        (self.log_priors.len() != classes
            || self.means.len() != expected
            || self.variances.len() != expected)
            .then(|| {
                format!(
                    "{} means and {} variances where {expected} belong",
                    self.means.len(),
                    self.variances.len()
                )
            })
    }
}
