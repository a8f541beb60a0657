//! Elastic net (linfa-elasticnet), with lasso (`l1_ratio` 1) and ridge (`l1_ratio` 0) at its ends.
//!
//! Minimises, as scikit-learn's `ElasticNet`, `1/(2n) |y - Xw|² + alpha l1_ratio |w|₁ + alpha (1 - l1_ratio)/2 |w|²`
//! over standardised inputs. Pure ridge has a closed form and is solved as least squares with one more row per
//! column: coordinate descent never meets its own stopping rule there.

use super::estimator::Estimator;
use super::linear::{Centred, least_squares};
use super::preprocess::Preprocessor;
use super::trainer::{Lesson, Parameter, Trainer};
use super::{Error, OnStep, Result};
use crate::domain::model::Task;
use linfa::DatasetBase;
use linfa::traits::Fit;
use ndarray::{Array1, Array2, ShapeBuilder, s};

/// The trainer `elastic_net`.
pub struct ElasticNet;

impl Trainer for ElasticNet {
    fn name(&self) -> &'static str {
        "elastic_net"
    }

    fn description(&self) -> &'static str {
        "least squares with small weights: elastic net, lasso (l1_ratio 1), ridge (l1_ratio 0), for numbers"
    }

    fn tasks(&self) -> &'static [Task] {
        &[Task::Regression]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                Parameter::number(
                    "alpha",
                    0.1,
                    0.0,
                    1e9,
                    "how strongly weights are held down, in units of the target; 0 is least squares",
                ),
                Parameter::number(
                    "l1_ratio",
                    0.5,
                    0.0,
                    1.0,
                    "1 is lasso, 0 is ridge, between is both",
                ),
                Parameter::integer(
                    "max_iterations",
                    1000,
                    1,
                    1_000_000,
                    "passes over all weights",
                ),
                Parameter::number(
                    "tolerance",
                    1e-4,
                    1e-15,
                    1.0,
                    "stops when the duality gap is this share of the target's square",
                ),
            ]
        }
    }

    fn fit(&self, lesson: &Lesson<'_>, _: &mut OnStep<'_>) -> Result<Estimator> {
        let alpha = lesson.parameters.number("alpha")?;
        let l1_ratio = lesson.parameters.number("l1_ratio")?;
        let preprocessor = Preprocessor::fit(lesson.inputs)?;
        let centred = Centred::new(
            preprocessor.matrix(lesson.inputs)?,
            lesson.target.values.clone(),
        );
        let weights = if alpha == 0.0 || centred.columns.ncols() == 0 {
            least_squares(&centred.columns, &centred.target)?
        } else if l1_ratio == 0.0 {
            ridge(&centred, alpha)?
        } else {
            let iterations = lesson.parameters.integer("max_iterations")?;
            linfa_elasticnet::ElasticNet::params()
                .penalty(alpha)
                .l1_ratio(l1_ratio)
                .with_intercept(false)
                .max_iterations(u32::try_from(iterations).unwrap_or(u32::MAX))
                .tolerance(lesson.parameters.number("tolerance")?)
                .fit(&DatasetBase::new(
                    centred.columns.view(),
                    centred.target.view(),
                ))
                .map_err(|error| Error::new(format!("elastic net failed: {error}")))?
                .hyperplane()
                .to_vec()
        };
        Ok(centred.model(preprocessor, weights))
    }
}

/// Ridge as least squares: rows `sqrt(n alpha) I` with target 0 under the data.
fn ridge(centred: &Centred, alpha: f64) -> Result<Vec<f64>> {
    let (rows, width) = centred.columns.dim();
    let mut columns = Array2::zeros((rows + width, width).f());
    columns.slice_mut(s![..rows, ..]).assign(&centred.columns);
    columns
        .slice_mut(s![rows.., ..])
        .diag_mut()
        .fill((rows as f64 * alpha).sqrt());
    let mut target = Array1::zeros(rows + width);
    target.slice_mut(s![..rows]).assign(&centred.target);
    least_squares(&columns, &target)
}
