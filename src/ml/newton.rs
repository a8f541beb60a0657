//! Newton's method for binary logistic regression: a start for the solver that is nearly the end.
//!
//! One step costs little more than one gradient, since columns of zeros and ones (one-hot categories, missing
//! indicators) are walked by their ones only; a handful of steps does what takes L-BFGS a hundred gradients.
//! The objective is the solver's: the sum of log losses plus `alpha |w|²/2`, the intercept free (Hastie, Tibshirani,
//! Friedman, "The Elements of Statistical Learning", 4.4.1). Knows nothing of frames and trainers.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, Axis, s};

/// Columns beyond which the square matrix of second derivatives costs more than it saves.
const MAX_COLUMNS: usize = 1_000;
/// Rows times the square of the columns that are not zeros and ones, beyond which the same is true.
const MAX_PRODUCTS: f64 = 2e10;
/// Rows whose second derivatives are added up at once.
const CHUNK: usize = 4_096;
/// Halvings of a step that does not lower the objective.
const HALVINGS: usize = 20;

/// What is minimised, and how far.
pub(super) struct Goal {
    /// Strength of the L2 penalty.
    pub alpha: f64,
    /// Newton steps at most.
    pub steps: usize,
    /// Length of the summed gradient that is short enough.
    pub tolerance: f64,
}

/// Weights, then the intercept, of the log-odds that `is_class` is 1, from `start` downhill; `start` itself when the
/// task is too wide or no step helps.
pub(super) fn approach(
    columns: ArrayView2<'_, f64>,
    is_class: ArrayView1<'_, usize>,
    start: Array1<f64>,
    goal: &Goal,
) -> Array1<f64> {
    if columns.ncols() > MAX_COLUMNS {
        return start;
    }
    let Some(design) = Design::new(columns) else {
        return start;
    };
    let hit: Vec<f64> = is_class.iter().map(|hit| *hit as f64).collect();
    let mut weights = design.arrange(&start);
    let mut loss = design.loss(&weights, &hit, goal.alpha);
    for _ in 0..goal.steps {
        let (gradient, curvature) = design.derivatives(&weights, &hit, goal.alpha);
        let length = gradient.dot(&gradient).sqrt();
        if !length.is_finite() || length <= goal.tolerance {
            break;
        }
        let Some(direction) = solve(curvature, &gradient) else {
            break;
        };
        let promised = gradient.dot(&direction);
        let mut share = 1.0;
        let next = (0..HALVINGS).find_map(|_| {
            let next = &weights - &(&direction * share);
            let lower = design.loss(&next, &hit, goal.alpha);
            let enough = lower <= loss - 1e-4 * share * promised;
            share /= 2.0;
            enough.then_some((next, lower))
        });
        let Some((next, lower)) = next else {
            break;
        };
        (weights, loss) = (next, lower);
    }
    if weights.iter().all(|weight| weight.is_finite()) {
        design.restore(&weights)
    } else {
        start
    }
}

/// The columns apart: those of many values row by row, with a last one of ones for the intercept; those of zeros and
/// ones as the list of their ones by row.
struct Design {
    /// Rows x (dense columns + 1).
    dense: Array2<f64>,
    /// Where in `ones` each row begins; one more at the end.
    begins: Vec<usize>,
    /// Numbers of zero-one columns that are one, row after row.
    ones: Vec<u32>,
    /// The column that stands at each place; the intercept is the one behind the last column.
    columns: Vec<usize>,
}

impl Design {
    /// None where the dense columns are too many.
    fn new(columns: ArrayView2<'_, f64>) -> Option<Self> {
        let (rows, width) = columns.dim();
        let (sparse, dense): (Vec<usize>, Vec<usize>) = (0..width).partition(|at| {
            let column = columns.column(*at);
            column.iter().all(|value| *value == 0.0 || *value == 1.0)
        });
        if rows as f64 * (dense.len() as f64).powi(2) > MAX_PRODUCTS {
            return None;
        }
        let mut table = Array2::ones((rows, dense.len() + 1));
        for (place, at) in dense.iter().enumerate() {
            table.column_mut(place).assign(&columns.column(*at));
        }
        let mut begins = vec![0_usize; rows + 1];
        for at in &sparse {
            for (count, value) in begins[1..].iter_mut().zip(columns.column(*at)) {
                *count += usize::from(*value != 0.0);
            }
        }
        for row in 0..rows {
            begins[row + 1] += begins[row];
        }
        let mut ones = vec![0_u32; begins[rows]];
        let mut free = begins.clone();
        for (place, at) in sparse.iter().enumerate() {
            for (next, value) in free.iter_mut().zip(columns.column(*at)) {
                if *value != 0.0 {
                    ones[*next] = place as u32;
                    *next += 1;
                }
            }
        }
        let columns = dense.into_iter().chain([width]).chain(sparse).collect();
        Some(Self {
            dense: table,
            begins,
            ones,
            columns,
        })
    }

    fn arrange(&self, parameters: &Array1<f64>) -> Array1<f64> {
        self.columns.iter().map(|at| parameters[*at]).collect()
    }

    fn restore(&self, weights: &Array1<f64>) -> Array1<f64> {
        let mut parameters = Array1::zeros(weights.len());
        for (at, weight) in self.columns.iter().zip(weights) {
            parameters[*at] = *weight;
        }
        parameters
    }

    /// Place of the intercept.
    fn intercept(&self) -> usize {
        self.dense.ncols() - 1
    }

    /// Numbers of the zero-one columns that are one in `row`.
    fn ones(&self, row: usize) -> &[u32] {
        &self.ones[self.begins[row]..self.begins[row + 1]]
    }

    /// Log-odds by row.
    fn scores(&self, weights: &Array1<f64>) -> Array1<f64> {
        let many = self.dense.ncols();
        let mut scores = self.dense.dot(&weights.slice(s![..many]));
        let sparse = weights.slice(s![many..]);
        for (row, score) in scores.iter_mut().enumerate() {
            *score += self
                .ones(row)
                .iter()
                .map(|one| sparse[*one as usize])
                .sum::<f64>();
        }
        scores
    }

    fn penalty(&self, weights: &Array1<f64>, alpha: f64) -> f64 {
        let free = weights[self.intercept()];
        0.5 * alpha * (weights.dot(weights) - free * free)
    }

    fn loss(&self, weights: &Array1<f64>, hit: &[f64], alpha: f64) -> f64 {
        let losses = self.scores(weights).into_iter().zip(hit);
        let sum: f64 = losses
            .map(|(score, hit)| score.max(0.0) - score * hit + (-score.abs()).exp().ln_1p())
            .sum();
        sum + self.penalty(weights, alpha)
    }

    /// The gradient of the loss, and the lower triangle of its second derivatives.
    fn derivatives(
        &self,
        weights: &Array1<f64>,
        hit: &[f64],
        alpha: f64,
    ) -> (Array1<f64>, Array2<f64>) {
        let (many, all) = (self.dense.ncols(), self.columns.len());
        let mut gradient = weights * alpha;
        gradient[self.intercept()] = 0.0;
        let mut curvature = Array2::<f64>::zeros((all, all));
        let chances = self
            .scores(weights)
            .mapv(|score| 1.0 / (1.0 + (-score).exp()));
        let mut squares = Array2::<f64>::zeros((many, many));
        for (chunk, rows) in self.dense.axis_chunks_iter(Axis(0), CHUNK).enumerate() {
            let mut scaled = rows.to_owned();
            for (at, mut values) in scaled.rows_mut().into_iter().enumerate() {
                let row = chunk * CHUNK + at;
                let chance = chances[row];
                let weight = chance * (1.0 - chance);
                values *= weight.sqrt();
                self.add_ones(
                    row,
                    weight,
                    chance - hit[row],
                    &mut gradient,
                    &mut curvature,
                );
            }
            squares += &scaled.t().dot(&scaled);
        }
        let wrong: Array1<f64> = chances.iter().zip(hit).map(|(p, hit)| p - hit).collect();
        let mut dense = gradient.slice_mut(s![..many]);
        dense += &self.dense.t().dot(&wrong);
        curvature.slice_mut(s![..many, ..many]).assign(&squares);
        for place in (0..all).filter(|place| *place != self.intercept()) {
            curvature[[place, place]] += alpha;
        }
        (gradient, curvature)
    }

    /// What the zero-one columns of a row add to the derivatives.
    fn add_ones(
        &self,
        row: usize,
        weight: f64,
        wrong: f64,
        gradient: &mut Array1<f64>,
        curvature: &mut Array2<f64>,
    ) {
        let many = self.dense.ncols();
        let ones = self.ones(row);
        for (at, one) in ones.iter().enumerate() {
            let place = many + *one as usize;
            gradient[place] += wrong;
            let mut line = curvature.row_mut(place);
            line.slice_mut(s![..many])
                .scaled_add(weight, &self.dense.row(row));
            // the list is in rising order
            for other in &ones[..=at] {
                line[many + *other as usize] += weight;
            }
        }
    }
}

/// The `x` with `matrix x = right`, by Cholesky's decomposition of the lower triangle; none where the matrix is not
/// positive definite.
fn solve(mut matrix: Array2<f64>, right: &Array1<f64>) -> Option<Array1<f64>> {
    let size = right.len();
    for j in 0..size {
        for k in 0..j {
            let known = {
                let (a, b) = (matrix.slice(s![j, ..k]), matrix.slice(s![k, ..k]));
                a.dot(&b)
            };
            matrix[[j, k]] = (matrix[[j, k]] - known) / matrix[[k, k]];
        }
        let known = {
            let row = matrix.slice(s![j, ..j]);
            row.dot(&row)
        };
        let left = matrix[[j, j]] - known;
        if left.is_nan() || left <= 1e-14 * matrix[[j, j]] {
            return None;
        }
        matrix[[j, j]] = left.sqrt();
    }
    let mut x = right.clone();
    for j in 0..size {
        let known = matrix.slice(s![j, ..j]).dot(&x.slice(s![..j]));
        x[j] = (x[j] - known) / matrix[[j, j]];
    }
    for j in (0..size).rev() {
        let known = matrix.slice(s![j + 1.., j]).dot(&x.slice(s![j + 1..]));
        x[j] = (x[j] - known) / matrix[[j, j]];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use ndarray::array;

    #[test]
    fn a_system_is_solved_and_a_singular_one_refused() {
        let matrix = array![[4.0, 0.0, 0.0], [2.0, 5.0, 0.0], [1.0, 3.0, 6.0]];
        let x = solve(matrix, &array![1.0, -2.0, 3.0]).unwrap();
        let whole = array![[4.0, 2.0, 1.0], [2.0, 5.0, 3.0], [1.0, 3.0, 6.0]];
        let back = whole.dot(&x);
        assert!(
            back.iter()
                .zip([1.0, -2.0, 3.0])
                .all(|(a, b)| (a - b).abs() < 1e-12)
        );
        assert!(solve(array![[1.0, 0.0], [1.0, 1.0]], &array![1.0, 1.0]).is_none());
    }

    /// The gradient, written out plainly from the objective, vanishes where the steps end.
    #[test]
    fn the_steps_end_where_the_gradient_vanishes() {
        let rows = 5_000;
        let columns = Array2::from_shape_fn((rows, 4), |(row, at)| match at {
            0 => ((row * 37 % 101) as f64 - 50.0) / 29.0,
            1 => f64::from(u8::from(row % 3 == 0)),
            2 => f64::from(u8::from(row % 3 == 1)),
            _ => ((row * 53 % 17) as f64 - 8.0) / 5.0,
        });
        let is_class = Array1::from_shape_fn(rows, |row| {
            let score = columns[[row, 0]] - columns[[row, 3]] + columns[[row, 1]];
            usize::from(score + ((row * 71 % 13) as f64 - 6.0) / 3.0 > 0.3)
        });
        let goal = Goal {
            alpha: 0.5,
            steps: 20,
            tolerance: 1e-9,
        };
        let found = approach(columns.view(), is_class.view(), Array1::zeros(5), &goal);
        let mut gradient = found.mapv(|weight| goal.alpha * weight);
        gradient[4] = 0.0;
        for (row, hit) in columns.rows().into_iter().zip(&is_class) {
            let score = row.dot(&found.slice(s![..4])) + found[4];
            let wrong = 1.0 / (1.0 + (-score).exp()) - *hit as f64;
            gradient.slice_mut(s![..4]).scaled_add(wrong, &row);
            gradient[4] += wrong;
        }
        assert!(gradient.dot(&gradient).sqrt() < 1e-8, "{gradient}");
    }

    #[test]
    fn too_wide_a_task_keeps_its_start() {
        let columns = Array2::from_elem((3, MAX_COLUMNS + 1), 0.5);
        let start = Array1::from_elem(MAX_COLUMNS + 2, 0.25);
        let goal = Goal {
            alpha: 1.0,
            steps: 5,
            tolerance: 1e-9,
        };
        let found = approach(columns.view(), array![0, 1, 0].view(), start.clone(), &goal);
        assert_eq!(found, start);
    }
}
