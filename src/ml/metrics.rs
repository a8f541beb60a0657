//! Quality in the field's numbers, by scikit-learn's names and definitions (`sklearn.metrics` 1.9; the golden values
//! come from it). A metric that the rows do not define (`roc_auc` of one class) is left out, not invented.

use super::{Predictions, Target, likeliest};
use crate::domain::model::Task;

/// All metrics of the task: `roc_auc`, `average_precision`, `log_loss`, `brier_score`, `accuracy`, `f1`, `precision`,
/// `recall` (binary); `accuracy`, `log_loss`, `f1_macro`, `roc_auc_ovr` (multiclass); `rmse`, `mae`, `r2` (regression).
/// Rows without target are left out.
pub fn evaluate(target: &Target, predictions: &Predictions) -> Vec<(String, f64)> {
    let rows: Vec<u32> = (0..target.values.len() as u32).collect();
    names(target.task)
        .iter()
        .filter_map(|name| {
            one(name, target, predictions, &rows).map(|value| ((*name).to_owned(), value))
        })
        .collect()
}

/// The metrics of a task, the deciding one first.
pub fn names(task: Task) -> &'static [&'static str] {
    match task {
        Task::Binary => &[
            "roc_auc",
            "average_precision",
            "log_loss",
            "brier_score",
            "accuracy",
            "f1",
            "precision",
            "recall",
        ],
        Task::Multiclass => &["accuracy", "log_loss", "f1_macro", "roc_auc_ovr"],
        Task::Regression => &["rmse", "mae", "r2"],
    }
}

/// The metric that decides when nobody says: `roc_auc`, `accuracy`, `rmse`.
pub fn primary(task: Task) -> &'static str {
    names(task)[0]
}

/// The metric `name` over `rows` (repetitions count); none when it is no metric of the task or not defined there.
pub fn one(name: &str, target: &Target, predictions: &Predictions, rows: &[u32]) -> Option<f64> {
    let rows: Vec<usize> = rows
        .iter()
        .map(|row| *row as usize)
        .filter(|row| !target.values[*row].is_nan())
        .collect();
    if rows.is_empty() || !names(target.task).contains(&name) {
        return None;
    }
    let truth: Vec<f64> = rows.iter().map(|row| target.values[*row]).collect();
    let answers: Vec<f64> = rows.iter().map(|row| predictions.values[*row]).collect();
    let value = match target.task {
        Task::Regression => regression(name, &truth, &answers),
        Task::Binary => binary(name, &truth, &answers),
        Task::Multiclass => {
            let classes = target.classes.len();
            let shares: Vec<&[f64]> = rows
                .iter()
                .map(|row| &predictions.probabilities[row * classes..(row + 1) * classes])
                .collect();
            multiclass(name, &truth, &shares, classes)
        }
    };
    value.filter(|value| !value.is_nan())
}

fn regression(name: &str, truth: &[f64], answers: &[f64]) -> Option<f64> {
    let count = truth.len() as f64;
    let squares: f64 = truth
        .iter()
        .zip(answers)
        .map(|(y, a)| (y - a) * (y - a))
        .sum();
    match name {
        "rmse" => Some((squares / count).sqrt()),
        "mae" => Some(
            truth
                .iter()
                .zip(answers)
                .map(|(y, a)| (y - a).abs())
                .sum::<f64>()
                / count,
        ),
        "r2" => {
            let mean = truth.iter().sum::<f64>() / count;
            let spread: f64 = truth.iter().map(|y| (y - mean) * (y - mean)).sum();
            (truth.len() >= 2 && spread > 0.0).then(|| 1.0 - squares / spread)
        }
        _ => None,
    }
}

fn binary(name: &str, truth: &[f64], answers: &[f64]) -> Option<f64> {
    let count = truth.len() as f64;
    match name {
        "roc_auc" => Curve::new(truth, answers).roc_auc(),
        "average_precision" => Curve::new(truth, answers).average_precision(),
        "log_loss" => {
            let sum: f64 = truth
                .iter()
                .zip(answers)
                .map(|(y, p)| {
                    let hit = if *y == 1.0 { *p } else { 1.0 - p };
                    -hit.clamp(f64::EPSILON, 1.0 - f64::EPSILON).ln()
                })
                .sum();
            Some(sum / count)
        }
        "brier_score" => {
            let sum: f64 = truth
                .iter()
                .zip(answers)
                .map(|(y, p)| (y - p) * (y - p))
                .sum();
            Some(sum / count)
        }
        _ => {
            let mut table = [[0.0_f64; 2]; 2];
            for (y, p) in truth.iter().zip(answers) {
                table[usize::from(*y == 1.0)][usize::from(*p >= 0.5)] += 1.0;
            }
            let [[_, false_positive], [false_negative, hit]] = table;
            match name {
                "accuracy" => Some((table[0][0] + hit) / count),
                // nothing predicted or nothing there: 0, as scikit-learn's default
                "precision" => Some(ratio(hit, hit + false_positive)),
                "recall" => Some(ratio(hit, hit + false_negative)),
                "f1" => Some(ratio(
                    2.0 * hit,
                    2.0 * hit + false_positive + false_negative,
                )),
                _ => None,
            }
        }
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

fn multiclass(name: &str, truth: &[f64], shares: &[&[f64]], classes: usize) -> Option<f64> {
    let count = truth.len() as f64;
    match name {
        "accuracy" => {
            let hits = truth
                .iter()
                .zip(shares)
                .filter(|(y, row)| likeliest(row) as f64 == **y)
                .count();
            Some(hits as f64 / count)
        }
        "log_loss" => {
            let sum: f64 = truth
                .iter()
                .zip(shares)
                .map(|(y, row)| {
                    -row[*y as usize]
                        .clamp(f64::EPSILON, 1.0 - f64::EPSILON)
                        .ln()
                })
                .sum();
            Some(sum / count)
        }
        "f1_macro" => {
            let mut hit = vec![0.0; classes];
            let mut seen = vec![0.0; classes];
            let mut said = vec![0.0; classes];
            for (y, row) in truth.iter().zip(shares) {
                let answer = likeliest(row);
                seen[*y as usize] += 1.0;
                said[answer] += 1.0;
                if answer == *y as usize {
                    hit[answer] += 1.0;
                }
            }
            // over the classes that occur in truth or answers
            let present: Vec<usize> = (0..classes)
                .filter(|class| seen[*class] + said[*class] > 0.0)
                .collect();
            let sum: f64 = present
                .iter()
                .map(|class| ratio(2.0 * hit[*class], seen[*class] + said[*class]))
                .sum();
            Some(sum / present.len() as f64)
        }
        "roc_auc_ovr" => {
            let areas: Option<Vec<f64>> = (0..classes)
                .map(|class| {
                    let is_class: Vec<f64> = truth
                        .iter()
                        .map(|y| f64::from(u8::from(*y == class as f64)))
                        .collect();
                    let score: Vec<f64> = shares.iter().map(|row| row[class]).collect();
                    Curve::new(&is_class, &score).roc_auc()
                })
                .collect();
            areas.map(|areas| areas.iter().sum::<f64>() / classes as f64)
        }
        _ => None,
    }
}

/// Scores in order, for areas under curves that are asked for again and again with other weights.
pub(super) struct Curve {
    /// Row, whether it is positive, and whether its score equals that of the next; greatest score first.
    order: Vec<(u32, bool, bool)>,
}

impl Curve {
    pub(super) fn new(truth: &[f64], scores: &[f64]) -> Self {
        let mut order: Vec<u32> = (0..truth.len() as u32).collect();
        order.sort_unstable_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]));
        let order = order
            .iter()
            .enumerate()
            .map(|(index, row)| {
                let tied = order
                    .get(index + 1)
                    .is_some_and(|next| scores[*next as usize] == scores[*row as usize]);
                (*row, truth[*row as usize] == 1.0, tied)
            })
            .collect();
        Self { order }
    }

    /// Area under the ROC curve; ties count half. None without both classes.
    pub(super) fn roc_auc(&self) -> Option<f64> {
        self.weighted_roc_auc(|_| 1.0)
    }

    /// The same with a weight by row.
    pub(super) fn weighted_roc_auc(&self, weight: impl Fn(u32) -> f64) -> Option<f64> {
        let (mut above, mut area, mut negatives) = (0.0, 0.0, 0.0);
        let (mut tied_positives, mut tied_negatives) = (0.0, 0.0);
        for (row, positive, tied) in &self.order {
            if *positive {
                tied_positives += weight(*row);
            } else {
                tied_negatives += weight(*row);
            }
            if !tied {
                area += tied_negatives * (above + tied_positives / 2.0);
                above += tied_positives;
                negatives += tied_negatives;
                (tied_positives, tied_negatives) = (0.0, 0.0);
            }
        }
        (above > 0.0 && negatives > 0.0).then(|| area / (above * negatives))
    }

    /// `sum over thresholds of (recall step) x precision`; none without positives.
    fn average_precision(&self) -> Option<f64> {
        let (mut hits, mut seen, mut sum, mut step) = (0.0, 0.0, 0.0, 0.0);
        for (_, positive, tied) in &self.order {
            seen += 1.0;
            if *positive {
                hits += 1.0;
                step += 1.0;
            }
            if !tied {
                sum += step * hits / seen;
                step = 0.0;
            }
        }
        (hits > 0.0).then(|| sum / hits)
    }
}
