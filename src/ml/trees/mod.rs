//! Histogram trees: inputs in at most 254 bins and one for missing, trees grown leaf by leaf, gradient boosting and
//! random forests on top; the fitted model and its answers.
//!
//! Method: Ke et al., "LightGBM: A Highly Efficient Gradient Boosting Decision Tree", 2017 (leaf-wise growth, histogram
//! subtraction, categories sorted by gradient), without its sampling and bundling.

pub mod bins;
pub mod boosting;
pub mod forest;
pub mod grow;
pub mod tree;

use super::Result;
use super::estimator::{both, sigmoid, softmax};
use crate::data::Frame;
use bins::Binner;
use serde::{Deserialize, Serialize};
use tree::Tree;

/// The layout of [`TreeModel`] that this version writes and reads.
pub const VERSION: u32 = 1;

/// Rows whose bins are kept together while all trees pass over them.
const BLOCK: usize = 256;

/// How sums of leaf values become answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Link {
    /// The sum is the answer.
    Identity,
    /// The sum is the log-odds of the positive class.
    Logistic,
    /// One sum per class; exponentials that sum to 1.
    Softmax,
    /// One share per class (for two classes: of the positive one), scaled to sum to 1.
    Shares,
}

/// A fitted ensemble of trees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TreeModel {
    /// [`VERSION`].
    pub version: u32,
    /// Raw columns -> bins.
    pub binner: Binner,
    /// What every answer starts from; one per output.
    pub base: Vec<f64>,
    /// Tree `t` adds to output `t % base.len()`.
    pub trees: Vec<Tree>,
    /// Sums -> answers.
    pub link: Link,
}

impl TreeModel {
    /// See [`super::estimator::Estimator::answers`].
    pub fn answers(&self, inputs: &Frame) -> Result<Vec<f64>> {
        let mut sums = self.sums(inputs)?;
        Ok(match self.link {
            Link::Identity => sums,
            Link::Logistic => both(sums.into_iter().map(sigmoid)),
            Link::Softmax => {
                sums.chunks_exact_mut(self.base.len()).for_each(softmax);
                sums
            }
            Link::Shares if self.base.len() == 1 => {
                both(sums.into_iter().map(|share| share.clamp(0.0, 1.0)))
            }
            Link::Shares => {
                for row in sums.chunks_exact_mut(self.base.len()) {
                    row.iter_mut().for_each(|share| *share = share.max(1e-12));
                    let sum: f64 = row.iter().sum();
                    row.iter_mut().for_each(|share| *share /= sum);
                }
                sums
            }
        })
    }

    fn sums(&self, inputs: &Frame) -> Result<Vec<f64>> {
        let binned = self.binner.bins(inputs)?;
        let outputs = self.base.len();
        let mut sums = self.base.repeat(inputs.rows());
        let work = |first: usize, sums: &mut [f64]| {
            let width = binned.slots.len();
            let mut block = vec![0_u8; BLOCK * width];
            for (index, sums) in sums.chunks_mut(BLOCK * outputs).enumerate() {
                let start = first + index * BLOCK;
                let rows = sums.len() / outputs;
                for feature in 0..width {
                    let column = &binned.column(feature)[start..start + rows];
                    for (row, bin) in column.iter().enumerate() {
                        block[row * width + feature] = *bin;
                    }
                }
                for (t, tree) in self.trees.iter().enumerate() {
                    let output = t % outputs;
                    for row in 0..rows {
                        let bins = &block[row * width..(row + 1) * width];
                        sums[row * outputs + output] += tree.value(|feature| bins[feature]);
                    }
                }
            }
        };
        let rows = inputs.rows();
        if rows * self.trees.len() > 200_000 {
            let middle = ((rows / 2).div_ceil(BLOCK) * BLOCK).min(rows);
            let (left, right) = sums.split_at_mut(middle * outputs);
            std::thread::scope(|scope| {
                scope.spawn(|| work(middle, right));
                work(0, left);
            });
        } else {
            work(0, &mut sums);
        }
        Ok(sums)
    }

    /// See [`super::estimator::Estimator::defect`].
    pub fn defect(&self, classes: usize) -> Option<String> {
        if self.version != VERSION {
            return Some(format!(
                "trees of version {}; this program reads version {VERSION}",
                self.version
            ));
        }
        let outputs = match self.link {
            Link::Identity | Link::Logistic => 1,
            Link::Softmax => classes,
            Link::Shares if classes == 2 => 1,
            Link::Shares => classes,
        };
        if self.base.len() != outputs || !self.trees.len().is_multiple_of(outputs) {
            return Some(format!(
                "{} starts and {} trees for {outputs} outputs",
                self.base.len(),
                self.trees.len()
            ));
        }
        let features = self.binner.features.len();
        self.trees
            .iter()
            .position(|tree| !tree.is_sound(features))
            .map(|index| format!("tree {index} points outside of itself"))
    }
}
