//! Ordinary least squares (linfa-linear), for numbers.
//!
//! One-hot columns and doubled inputs make columns depend on each other, where a QR decomposition breaks down:
//! columns that follow from earlier ones are left out first (weight 0), as R's `lm` does.

use super::estimator::Estimator;
use super::preprocess::Preprocessor;
use super::trainer::{Lesson, Parameter, Trainer};
use super::weights::{LinearModel, Link};
use super::{Error, OnStep, Result};
use crate::domain::model::Task;
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_linear::LinearRegression;
use ndarray::{Array1, Array2, Axis};

/// The trainer `linear`.
pub struct Linear;

impl Trainer for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn description(&self) -> &'static str {
        "ordinary least squares: a weighted sum of the inputs, for numbers"
    }

    fn tasks(&self) -> &'static [Task] {
        &[Task::Regression]
    }

    fn parameters(&self) -> &'static [Parameter] {
        &[]
    }

    fn fit(&self, lesson: &Lesson<'_>, _: &mut OnStep<'_>) -> Result<Estimator> {
        let preprocessor = Preprocessor::fit(lesson.inputs)?;
        let centred = Centred::new(
            preprocessor.matrix(lesson.inputs)?,
            lesson.target.values.clone(),
        );
        let weights = least_squares(&centred.columns, &centred.target)?;
        Ok(centred.model(preprocessor, weights))
    }
}

/// Columns and target without their means, so that the intercept needs no column.
pub(super) struct Centred {
    /// Rows x columns, columns together in memory.
    pub columns: Array2<f64>,
    /// One per row.
    pub target: Array1<f64>,
    means: Vec<f64>,
    target_mean: f64,
}

impl Centred {
    pub(super) fn new(mut columns: Array2<f64>, target: Vec<f64>) -> Self {
        let count = target.len() as f64;
        let means = columns
            .columns_mut()
            .into_iter()
            .map(|mut column| {
                let mean = column.sum() / count;
                column.mapv_inplace(|x| x - mean);
                mean
            })
            .collect();
        let mut target = Array1::from_vec(target);
        let target_mean = target.sum() / count;
        target.mapv_inplace(|y| y - target_mean);
        Self {
            columns,
            target,
            means,
            target_mean,
        }
    }

    /// The model of weights for the centred columns.
    pub(super) fn model(&self, preprocessor: Preprocessor, weights: Vec<f64>) -> Estimator {
        let shift: f64 = weights.iter().zip(&self.means).map(|(w, m)| w * m).sum();
        Estimator::Linear(LinearModel {
            preprocessor,
            weights,
            intercepts: vec![self.target_mean - shift],
            link: Link::Identity,
        })
    }
}

/// Weights that bring `columns x weights` closest to `target`; dependent columns get 0.
pub(super) fn least_squares(columns: &Array2<f64>, target: &Array1<f64>) -> Result<Vec<f64>> {
    let mut weights = vec![0.0; columns.ncols()];
    let kept = independent(columns);
    if kept.is_empty() {
        return Ok(weights);
    }
    // rows of the transpose are columns, so the selection stays column-major
    let chosen = columns.t().select(Axis(0), &kept).reversed_axes();
    let fitted = LinearRegression::new()
        .with_intercept(false)
        .fit(&DatasetBase::new(chosen, target.clone()))
        .map_err(|error| Error::new(format!("least squares failed: {error}")))?;
    for (index, weight) in kept.iter().zip(fitted.params()) {
        weights[*index] = *weight;
    }
    if weights.iter().any(|weight| !weight.is_finite()) {
        return Err(Error::new(
            "least squares gave weights that are not finite; use trainer `elastic_net`",
        ));
    }
    Ok(weights)
}

/// Columns that do not follow from those before them: a Cholesky decomposition of the Gram matrix that skips a
/// column when less than 1e-10 of its square is left.
fn independent(columns: &Array2<f64>) -> Vec<usize> {
    let gram = columns.t().dot(columns);
    let mut kept: Vec<usize> = Vec::new();
    let mut factor: Vec<Vec<f64>> = Vec::new();
    for j in 0..gram.ncols() {
        let mut row = Vec::with_capacity(kept.len() + 1);
        for (k, earlier) in factor.iter().enumerate() {
            let known: f64 = row.iter().zip(earlier).map(|(a, b)| a * b).sum();
            row.push((gram[[j, kept[k]]] - known) / earlier[k]);
        }
        let left = gram[[j, j]] - row.iter().map(|x| x * x).sum::<f64>();
        if gram[[j, j]] > 0.0 && left > 1e-10 * gram[[j, j]] {
            row.push(left.sqrt());
            factor.push(row);
            kept.push(j);
        }
    }
    kept.truncate(columns.nrows());
    kept
}
