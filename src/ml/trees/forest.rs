//! Random forests (Breiman 2001): trees on bootstrap samples, inputs drawn for each node, answers averaged.
//! With more than two classes each sample grows one tree per class against the rest.

use super::bins::Binner;
use super::grow::{Growth, bootstrap, grow, varying};
use super::tree::Tree;
use super::{Link, TreeModel, VERSION};
use crate::domain::model::Task;
use crate::ml::estimator::Estimator;
use crate::ml::trainer::{Lesson, Parameter, Trainer};
use crate::ml::{OnStep, Result};
use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;

/// The trainer `random_forest`.
pub struct RandomForest;

impl Trainer for RandomForest {
    fn name(&self) -> &'static str {
        "random_forest"
    }

    fn description(&self) -> &'static str {
        "averaged trees on bootstrap samples: little to tune, for classes and numbers"
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
                    "samples that grow a tree (one per class beyond two classes)",
                ),
                Parameter::integer("max_leaves", 512, 2, 65_536, "leaves of a tree at most"),
                Parameter::integer(
                    "max_depth",
                    0,
                    0,
                    1000,
                    "questions on the way to a leaf at most; 0 is no limit",
                ),
                Parameter::integer("min_rows", 3, 1, 1_000_000_000, "rows in a leaf at least"),
                Parameter::choice(
                    "features",
                    "auto",
                    &["auto", "sqrt", "third", "all"],
                    "inputs drawn for each node; auto is sqrt for classes and third for numbers",
                ),
            ]
        }
    }

    fn fit(&self, lesson: &Lesson<'_>, on_step: &mut OnStep<'_>) -> Result<Estimator> {
        let parameters = lesson.parameters;
        let target = lesson.target;
        let binner = Binner::fit(lesson.inputs)?;
        let bins = binner.bins(lesson.inputs)?;
        let features = varying(&bins);
        let outputs = match target.task {
            Task::Multiclass => target.classes.len(),
            _ => 1,
        };
        let drawn = match (parameters.word("features")?, target.task) {
            ("all", _) => features.len(),
            ("third", _) | ("auto", Task::Regression) => features.len().div_ceil(3),
            _ => (features.len() as f64).sqrt().round() as usize,
        };
        let growth = Growth {
            max_leaves: parameters.integer("max_leaves")?,
            max_depth: match parameters.integer("max_depth")? {
                0 => usize::MAX,
                depth => depth,
            },
            min_rows: parameters.integer("min_rows")?,
            min_hessian: 0.0,
            l2: 0.0,
            features_per_node: Some(drawn.max(1)),
            parallel: false,
        };
        let count = parameters.integer("trees")?;

        // regression trees on the target minus its mean: a leaf's Newton step is its mean
        let rows = target.values.len() as f64;
        let base = match target.task {
            Task::Regression => target.values.iter().map(|y| y / rows).sum::<f64>(),
            _ => 0.0,
        };
        let scale = match target.task {
            Task::Regression => target
                .values
                .iter()
                .map(|y| (y - base).abs())
                .fold(0.0, f64::max)
                .max(f64::MIN_POSITIVE),
            _ => 1.0,
        };
        let gradients: Vec<Vec<[f32; 2]>> = (0..outputs)
            .map(|output| {
                target
                    .values
                    .iter()
                    .map(|y| match target.task {
                        Task::Multiclass => [-f32::from(u8::from(*y == output as f64)), 1.0],
                        _ => [-((y - base) / scale) as f32, 1.0],
                    })
                    .collect()
            })
            .collect();
        let grow_one = |index: usize| -> Vec<Tree> {
            let seed = lesson.seed ^ (index as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let rows = bootstrap(bins.rows, &mut random);
            gradients
                .iter()
                .map(|gradients| {
                    let grown = grow(
                        &bins,
                        rows.clone(),
                        gradients,
                        &features,
                        &growth,
                        &mut random,
                    );
                    let mut tree = grown.tree;
                    tree.scale(scale / count as f64);
                    tree
                })
                .collect()
        };

        let mut trees: Vec<Tree> = Vec::with_capacity(count * outputs);
        let mut index = 0;
        while index < count {
            if index + 1 < count {
                // two at a time, each with its own seed: the same forest whatever the cores
                let (first, second) = std::thread::scope(|scope| {
                    let second = scope.spawn(|| grow_one(index + 1));
                    (grow_one(index), second.join())
                });
                trees.extend(first);
                match second {
                    Ok(grown) => trees.extend(grown),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
                index += 2;
            } else {
                trees.extend(grow_one(index));
                index += 1;
            }
            on_step(index as i64, &[])?;
        }
        Ok(Estimator::Trees(TreeModel {
            version: VERSION,
            binner,
            base: vec![base; outputs],
            trees,
            link: match target.task {
                Task::Regression => Link::Identity,
                _ => Link::Shares,
            },
        }))
    }
}
