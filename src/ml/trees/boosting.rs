//! Gradient boosting: trees that each take a Newton step down the loss (squares, logistic, softmax), with a learning
//! curve and early stopping on the validation rows.

use super::bins::{Binner, Bins};
use super::grow::{Growth, draw_features, draw_rows, grow, varying};
use super::tree::Tree;
use super::{Link, TreeModel, VERSION};
use crate::domain::model::Task;
use crate::ml::estimator::{Estimator, sigmoid, softmax};
use crate::ml::trainer::{Lesson, Parameter, Parameters, Trainer};
use crate::ml::{OnStep, Result};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The trainer `boosting`.
pub struct Boosting;

impl Trainer for Boosting {
    fn name(&self) -> &'static str {
        "boosting"
    }

    fn description(&self) -> &'static str {
        "gradient-boosted histogram trees: missing values and categories as they are, for classes and numbers"
    }

    fn tasks(&self) -> &'static [Task] {
        &[Task::Binary, Task::Multiclass, Task::Regression]
    }

    fn parameters(&self) -> &'static [Parameter] {
        const {
            &[
                Parameter::integer(
                    "trees",
                    100,
                    1,
                    100_000,
                    "rounds; with classes, one tree per class each",
                ),
                Parameter::number(
                    "learning_rate",
                    0.1,
                    1e-6,
                    1.0,
                    "share of each tree's step that is taken",
                ),
                Parameter::integer("max_leaves", 31, 2, 65_536, "leaves of a tree at most"),
                Parameter::integer(
                    "max_depth",
                    0,
                    0,
                    1000,
                    "questions on the way to a leaf at most; 0 is no limit",
                ),
                Parameter::integer("min_rows", 20, 1, 1_000_000_000, "rows in a leaf at least"),
                Parameter::number("l2", 0.0, 0.0, 1e9, "held against large leaf values"),
                Parameter::number(
                    "rows",
                    1.0,
                    1e-6,
                    1.0,
                    "share of the rows drawn for each tree",
                ),
                Parameter::number(
                    "columns",
                    1.0,
                    1e-6,
                    1.0,
                    "share of the inputs drawn for each tree",
                ),
                Parameter::integer(
                    "early_stopping",
                    20,
                    0,
                    100_000,
                    "rounds without better validation loss before it stops; 0 is never",
                ),
            ]
        }
    }

    fn fit(&self, lesson: &Lesson<'_>, on_step: &mut OnStep<'_>) -> Result<Estimator> {
        let settings = Settings::read(lesson.parameters)?;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(lesson.seed);
        let binner = Binner::fit(lesson.inputs)?;
        let bins = binner.bins(lesson.inputs)?;
        let features = varying(&bins);
        let loss = Loss::of(lesson);
        let base = loss.start(&lesson.target.values);
        let outputs = base.len();

        let truth = loss.scaled(&lesson.target.values);
        let mut scores = base.repeat(bins.rows);
        let watched: Option<(Bins, Vec<f64>)> = match lesson.validation {
            Some((inputs, target)) => Some((binner.bins(inputs)?, loss.scaled(&target.values))),
            None => None,
        };
        let mut watched_scores = watched
            .as_ref()
            .map(|(bins, _)| base.repeat(bins.rows))
            .unwrap_or_default();

        let mut trees: Vec<Tree> = Vec::new();
        let mut gradients = vec![[0.0_f32; 2]; bins.rows];
        let mut best = (f64::INFINITY, 0_usize);
        for round in 0..settings.rounds {
            let rows = draw_rows(bins.rows, settings.rows, &mut random);
            let chosen = draw_features(&features, settings.columns, &mut random);
            // all classes step from the same scores
            let mut at = scores.clone();
            if outputs > 1 {
                at.chunks_exact_mut(outputs).for_each(softmax);
            }
            for output in 0..outputs {
                loss.gradients(&truth, &at, output, &mut gradients);
                let mut grown = grow(
                    &bins,
                    rows.clone(),
                    &gradients,
                    &chosen,
                    &settings.growth,
                    &mut random,
                );
                grown.tree.scale(settings.learning_rate);
                if rows.len() == bins.rows {
                    for (range, value) in &grown.leaves {
                        let step = value * settings.learning_rate;
                        for row in &grown.rows[range.clone()] {
                            scores[*row as usize * outputs + output] += step;
                        }
                    }
                } else {
                    add_tree(&grown.tree, &bins, &mut scores, outputs, output);
                }
                if let Some((bins, _)) = &watched {
                    add_tree(&grown.tree, bins, &mut watched_scores, outputs, output);
                }
                trees.push(grown.tree);
            }
            let train_loss = loss.mean(&truth, &scores);
            let step = round as i64 + 1;
            if let Some((_, truth)) = &watched {
                let val_loss = loss.mean(truth, &watched_scores);
                on_step(step, &[("train_loss", train_loss), ("val_loss", val_loss)])?;
                if val_loss < best.0 {
                    best = (val_loss, round + 1);
                }
                if settings.patience > 0 && round + 1 >= best.1 + settings.patience {
                    trees.truncate(best.1.max(1) * outputs);
                    break;
                }
            } else {
                on_step(step, &[("train_loss", train_loss)])?;
            }
        }
        Ok(Estimator::Trees(loss.model(binner, base, trees)))
    }
}

struct Settings {
    rounds: usize,
    learning_rate: f64,
    rows: f64,
    columns: f64,
    patience: usize,
    growth: Growth,
}

impl Settings {
    fn read(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            rounds: parameters.integer("trees")?,
            learning_rate: parameters.number("learning_rate")?,
            rows: parameters.number("rows")?,
            columns: parameters.number("columns")?,
            patience: parameters.integer("early_stopping")?,
            growth: Growth {
                max_leaves: parameters.integer("max_leaves")?,
                max_depth: match parameters.integer("max_depth")? {
                    0 => usize::MAX,
                    depth => depth,
                },
                min_rows: parameters.integer("min_rows")?,
                min_hessian: 1e-3,
                l2: parameters.number("l2")?,
                features_per_node: None,
                parallel: std::thread::available_parallelism().is_ok_and(|cores| cores.get() > 1),
            },
        })
    }
}

fn add_tree(tree: &Tree, bins: &Bins, scores: &mut [f64], outputs: usize, output: usize) {
    for row in 0..bins.rows {
        scores[row * outputs + output] += tree.value(|feature| bins.column(feature)[row]);
    }
}

/// What is brought down, and its gradients.
enum Loss {
    /// Half the squares of numbers scaled to mean 0 and deviation 1, so that f32 gradients suffice.
    Squares { mean: f64, deviation: f64 },
    /// Log loss of two classes.
    Logistic,
    /// Log loss of more.
    Softmax(usize),
}

impl Loss {
    fn of(lesson: &Lesson<'_>) -> Self {
        let values = &lesson.target.values;
        match lesson.target.task {
            Task::Binary => Self::Logistic,
            Task::Multiclass => Self::Softmax(lesson.target.classes.len()),
            Task::Regression => {
                let count = values.len() as f64;
                let mean = values.iter().map(|y| y / count).sum::<f64>();
                let deviation = values
                    .iter()
                    .map(|y| (y - mean) * (y - mean) / count)
                    .sum::<f64>()
                    .sqrt();
                Self::Squares {
                    mean,
                    deviation: if deviation > 0.0 && deviation.is_finite() {
                        deviation
                    } else {
                        1.0
                    },
                }
            }
        }
    }

    fn scaled(&self, values: &[f64]) -> Vec<f64> {
        match self {
            Self::Squares { mean, deviation } => {
                values.iter().map(|y| (y - mean) / deviation).collect()
            }
            _ => values.to_vec(),
        }
    }

    /// The best constant: 0 of scaled numbers, log-odds, logarithms of shares.
    fn start(&self, values: &[f64]) -> Vec<f64> {
        let count = values.len() as f64;
        let share = |class: usize| {
            let hits = values.iter().filter(|y| **y == class as f64).count();
            (hits as f64).max(0.5) / count
        };
        match self {
            Self::Squares { .. } => vec![0.0],
            Self::Logistic => {
                let p = share(1).clamp(1e-9, 1.0 - 1e-9);
                vec![(p / (1.0 - p)).ln()]
            }
            Self::Softmax(classes) => (0..*classes).map(|class| share(class).ln()).collect(),
        }
    }

    /// `at`: scores, or of more than two classes their probabilities.
    fn gradients(&self, truth: &[f64], at: &[f64], output: usize, into: &mut [[f32; 2]]) {
        match self {
            Self::Squares { .. } => {
                for ((y, score), into) in truth.iter().zip(at).zip(into) {
                    *into = [(score - y) as f32, 1.0];
                }
            }
            Self::Logistic => {
                for ((y, score), into) in truth.iter().zip(at).zip(into) {
                    let p = sigmoid(*score);
                    *into = [(p - y) as f32, (p * (1.0 - p)).max(1e-16) as f32];
                }
            }
            Self::Softmax(classes) => {
                for ((y, row), into) in truth.iter().zip(at.chunks_exact(*classes)).zip(into) {
                    let p = row[output];
                    let hit = f64::from(u8::from(*y == output as f64));
                    *into = [(p - hit) as f32, (p * (1.0 - p)).max(1e-16) as f32];
                }
            }
        }
    }

    /// Mean squared error in the target's units, or mean log loss.
    fn mean(&self, truth: &[f64], scores: &[f64]) -> f64 {
        let count = truth.len() as f64;
        match self {
            Self::Squares { deviation, .. } => {
                let squares: f64 = truth
                    .iter()
                    .zip(scores)
                    .map(|(y, s)| (y - s) * (y - s))
                    .sum();
                squares / count * deviation * deviation
            }
            Self::Logistic => {
                let sum: f64 = truth
                    .iter()
                    .zip(scores)
                    .map(|(y, score)| {
                        // ln(1 + e^s) - y s, without overflow
                        score.max(0.0) + (-score.abs()).exp().ln_1p() - y * score
                    })
                    .sum();
                sum / count
            }
            Self::Softmax(classes) => {
                let mut row = vec![0.0; *classes];
                let sum: f64 = truth
                    .iter()
                    .zip(scores.chunks_exact(*classes))
                    .map(|(y, scores)| {
                        row.copy_from_slice(scores);
                        softmax(&mut row);
                        -row[*y as usize].max(1e-300).ln()
                    })
                    .sum();
                sum / count
            }
        }
    }

    fn model(&self, binner: Binner, base: Vec<f64>, mut trees: Vec<Tree>) -> TreeModel {
        let (base, link) = match self {
            Self::Squares { mean, deviation } => {
                trees.iter_mut().for_each(|tree| tree.scale(*deviation));
                (vec![*mean], Link::Identity)
            }
            Self::Logistic => (base, Link::Logistic),
            Self::Softmax(_) => (base, Link::Softmax),
        };
        TreeModel {
            version: VERSION,
            binner,
            base,
            trees,
            link,
        }
    }
}
