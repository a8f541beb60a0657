//! Logistic regression (linfa-logistic), binary and multinomial, over standardised inputs.
//!
//! The objective is scikit-learn's `LogisticRegression`: the sum of log losses plus `|w|²/(2 c)`, so linfa's `alpha`
//! is `1/c`. What makes linfa's solver fast and right:
//! - it stops on the norm of the *summed* gradient, so the tolerance per row is multiplied by the rows;
//! - the intercept starts at the classes' shares, and two classes go on from there with Newton's steps (`newton`):
//!   245,060 rows of 170 columns took L-BFGS some hundred gradients, and after Newton's steps it has only to agree
//!   that it is there. Starting from the optimum of a sample gained nothing, and scaling the columns by
//!   `2/sqrt(rows)` took ten times as long;
//! - it reads columns, so columns lie together in memory;
//! - it answers with the probability of the *more frequent* class: the sign follows `labels().pos.class`;
//! - its multinomial loss subtracts one maximum over all rows, which is wrong for a row whose scores lie 30 and more
//!   below it; when a fit ends there, one model per class against the rest takes its place.

use super::estimator::Estimator;
use super::preprocess::Preprocessor;
use super::trainer::{Lesson, Parameter, Trainer};
use super::weights::{LinearModel, Link};
use super::{Error, OnStep, Result, newton};
use crate::domain::model::Task;
use linfa::DatasetBase;
use linfa::traits::Fit;
use linfa_logistic::{LogisticRegression, MultiLogisticRegression};
use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// Log-odds of something that never happened in training.
const NEVER: f64 = -700.0;

/// Newton's steps at most; where it converges at all, fewer do.
const STEPS: usize = 25;

/// The trainer `logistic`.
pub struct Logistic;

impl Trainer for Logistic {
    fn name(&self) -> &'static str {
        "logistic"
    }

    fn description(&self) -> &'static str {
        "logistic regression: log-odds as a weighted sum of the inputs, for classes"
    }

    fn tasks(&self) -> &'static [Task] {
        &[Task::Binary, Task::Multiclass]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                Parameter::number(
                    "c",
                    1.0,
                    1e-9,
                    1e9,
                    "inverse of the L2 strength, as scikit-learn's C: smaller holds weights down more",
                ),
                Parameter::integer(
                    "max_iterations",
                    200,
                    1,
                    100_000,
                    "steps of the solver at most",
                ),
                Parameter::number(
                    "tolerance",
                    1e-4,
                    1e-12,
                    1.0,
                    "stops when the gradient per row is shorter than this",
                ),
            ]
        }
    }

    fn fit(&self, lesson: &Lesson<'_>, _: &mut OnStep<'_>) -> Result<Estimator> {
        let preprocessor = Preprocessor::fit(lesson.inputs)?;
        let columns = preprocessor.matrix(lesson.inputs)?;
        let solver = Solver {
            alpha: 1.0 / lesson.parameters.number("c")?,
            iterations: lesson.parameters.integer("max_iterations")? as u64,
            tolerance: lesson.parameters.number("tolerance")? * columns.nrows() as f64,
        };
        let labels: Array1<usize> = lesson.target.values.iter().map(|x| *x as usize).collect();
        let (parameters, link) = match lesson.target.task {
            Task::Binary => (
                solver
                    .against_rest(columns.view(), &labels, 1)?
                    .insert_axis(Axis(1)),
                Link::Logistic,
            ),
            _ => solver.classes(columns.view(), &labels, lesson.target.classes.len())?,
        };
        let width = columns.ncols();
        Ok(Estimator::Linear(LinearModel {
            preprocessor,
            weights: parameters.slice(s![..width, ..]).iter().copied().collect(),
            intercepts: parameters.row(width).to_vec(),
            link,
        }))
    }
}

/// linfa's settings.
struct Solver {
    alpha: f64,
    iterations: u64,
    /// Length of the summed gradient.
    tolerance: f64,
}

impl Solver {
    /// Weights, then the intercept, of the log-odds of `class`.
    fn against_rest(
        &self,
        columns: ArrayView2<'_, f64>,
        labels: &Array1<usize>,
        class: usize,
    ) -> Result<Array1<f64>> {
        let rows = columns.nrows();
        let hits = labels.iter().filter(|label| **label == class).count();
        let mut start = Array1::zeros(columns.ncols() + 1);
        start[columns.ncols()] = log_odds(hits, rows);
        if hits == 0 || hits == rows || columns.ncols() == 0 {
            return Ok(start);
        }
        let is_class: Array1<usize> = labels.mapv(|label| usize::from(label == class));
        let goal = newton::Goal {
            alpha: self.alpha,
            steps: usize::try_from(self.iterations).map_or(STEPS, |most| most.min(STEPS)),
            tolerance: 1e-3 * self.tolerance,
        };
        let start = newton::approach(columns, is_class.view(), start, &goal);
        self.binary(columns, is_class.view(), start)
    }

    fn binary(
        &self,
        columns: ArrayView2<'_, f64>,
        is_class: ArrayView1<'_, usize>,
        start: Array1<f64>,
    ) -> Result<Array1<f64>> {
        let dataset = DatasetBase::new(columns, is_class);
        let solve = |start: Array1<f64>, sign: f64| {
            LogisticRegression::default()
                .alpha(self.alpha)
                .max_iterations(self.iterations)
                .gradient_tolerance(self.tolerance)
                .initial_params(start * sign)
                .fit(&dataset)
        };
        // linfa's positive class is the more frequent one, of equals the first seen
        let hits = is_class.sum();
        let first = is_class.first().copied().unwrap_or(0);
        let greater = match (2 * hits).cmp(&is_class.len()) {
            std::cmp::Ordering::Greater => 1,
            std::cmp::Ordering::Less => 0,
            std::cmp::Ordering::Equal => first,
        };
        let sign = if greater == 1 { 1.0 } else { -1.0 };
        let zeros = Array1::zeros(start.len());
        let fitted = solve(start, sign)
            .or_else(|_| solve(zeros, sign))
            .map_err(|error| failed(&error))?;
        let sign = if fitted.labels().pos.class == 1 {
            1.0
        } else {
            -1.0
        };
        let mut parameters = Array1::zeros(columns.ncols() + 1);
        parameters
            .slice_mut(s![..columns.ncols()])
            .assign(&(fitted.params() * sign));
        parameters[columns.ncols()] = fitted.intercept() * sign;
        finite(parameters)
    }

    /// A row of weights per column, then the intercepts; one column per class.
    fn classes(
        &self,
        columns: ArrayView2<'_, f64>,
        labels: &Array1<usize>,
        classes: usize,
    ) -> Result<(Array2<f64>, Link)> {
        let width = columns.ncols();
        let mut counts = vec![0_usize; classes];
        labels.iter().for_each(|label| counts[*label] += 1);
        let mut all = Array2::zeros((width + 1, classes));
        if width == 0 {
            for (class, count) in counts.iter().enumerate() {
                all[[0, class]] = (*count as f64 / labels.len() as f64).ln().max(NEVER);
            }
            return Ok((all, Link::Softmax));
        }
        let seen: Vec<usize> = (0..classes).filter(|class| counts[*class] > 0).collect();
        let mut start = Array2::zeros((width + 1, seen.len()));
        for (index, class) in seen.iter().enumerate() {
            start[[width, index]] = (counts[*class] as f64 / labels.len() as f64).ln();
        }
        let fitted = self.multinomial(columns, labels, start)?;
        if misjudged(columns, &fitted) {
            for class in 0..classes {
                all.column_mut(class)
                    .assign(&self.against_rest(columns, labels, class)?);
            }
            return Ok((all, Link::OneVsRest));
        }
        all.row_mut(width).fill(NEVER);
        for (index, class) in seen.iter().enumerate() {
            all.column_mut(*class).assign(&fitted.column(index));
        }
        Ok((all, Link::Softmax))
    }

    fn multinomial(
        &self,
        columns: ArrayView2<'_, f64>,
        labels: &Array1<usize>,
        start: Array2<f64>,
    ) -> Result<Array2<f64>> {
        let dataset = DatasetBase::new(columns, labels.view());
        let solve = |start: Array2<f64>| {
            MultiLogisticRegression::default()
                .alpha(self.alpha)
                .max_iterations(self.iterations)
                .gradient_tolerance(self.tolerance)
                .initial_params(start)
                .fit(&dataset)
        };
        let zeros = Array2::zeros(start.dim());
        let fitted = solve(start)
            .or_else(|_| solve(zeros))
            .map_err(|error| failed(&error))?;
        let width = columns.ncols();
        let mut parameters = Array2::zeros((width + 1, fitted.intercept().len()));
        parameters
            .slice_mut(s![..width, ..])
            .assign(fitted.params());
        parameters.row_mut(width).assign(fitted.intercept());
        finite(parameters)
    }
}

/// Whether some row's best score lies so far below the greatest of all that linfa's loss of it was wrong.
fn misjudged(columns: ArrayView2<'_, f64>, parameters: &Array2<f64>) -> bool {
    let width = columns.ncols();
    let scores = columns.dot(&parameters.slice(s![..width, ..])) + parameters.row(width);
    let best: Vec<f64> = scores
        .rows()
        .into_iter()
        .map(|row| row.iter().copied().fold(f64::NEG_INFINITY, f64::max))
        .collect();
    let greatest = best.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    best.iter().any(|score| greatest - score > 30.0)
}

fn log_odds(hits: usize, rows: usize) -> f64 {
    (hits as f64 / (rows - hits) as f64)
        .ln()
        .clamp(NEVER, -NEVER)
}

fn failed(error: &linfa_logistic::error::Error) -> Error {
    Error::new(format!(
        "logistic regression failed: {error}; try a smaller `c` or trainer `boosting`"
    ))
}

fn finite<D: ndarray::Dimension>(
    parameters: ndarray::Array<f64, D>,
) -> Result<ndarray::Array<f64, D>> {
    if parameters.iter().all(|weight| weight.is_finite()) {
        Ok(parameters)
    } else {
        Err(Error::new(
            "logistic regression did not converge to finite weights; try a smaller `c`",
        ))
    }
}
