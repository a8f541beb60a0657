//! One tree over bins, and its compact form in files: one list per field instead of one object per node.

use serde::{Deserialize, Serialize};

/// No category set: the node compares bins.
const ORDERED: u32 = u32::MAX;

/// No bin: nothing equals it among ordered bins, whose greatest is 254.
const NONE: u8 = u8::MAX;

/// A question or, without children, an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Node {
    value: f64,
    feature: u32,
    /// 0: this is a leaf (the root is nobody's child).
    left: u32,
    right: u32,
    set: u32,
    threshold: u8,
    missing: u8,
}

/// Which bins go left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Bins up to `threshold`, and the bin `missing` if it is named.
    UpTo {
        /// Greatest bin that goes left.
        threshold: u8,
        /// The bin of missing values, when it goes left.
        missing: Option<u8>,
    },
    /// The bins whose bit is set.
    Among([u64; 4]),
}

impl Rule {
    /// Whether `bin` goes left.
    #[inline]
    pub fn is_left(&self, bin: u8) -> bool {
        match self {
            Self::UpTo { threshold, missing } => bin <= *threshold || *missing == Some(bin),
            Self::Among(set) => has(set, bin),
        }
    }
}

#[inline]
fn has(set: &[u64; 4], bin: u8) -> bool {
    set[usize::from(bin >> 6)] >> (bin & 63) & 1 == 1
}

/// A binary tree; node 0 is the root, children come after their parent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "Columns", into = "Columns")]
pub struct Tree {
    nodes: Vec<Node>,
    sets: Vec<[u64; 4]>,
}

impl Tree {
    /// A tree of one leaf.
    pub fn leaf(value: f64) -> Self {
        let mut tree = Self::default();
        tree.push(value);
        tree
    }

    fn push(&mut self, value: f64) -> usize {
        self.nodes.push(Node {
            value,
            feature: 0,
            left: 0,
            right: 0,
            set: ORDERED,
            threshold: 0,
            missing: NONE,
        });
        self.nodes.len() - 1
    }

    /// Turns leaf `node` into a question; the children start with value 0.
    pub fn split(&mut self, node: usize, feature: usize, rule: &Rule) -> (usize, usize) {
        let left = self.push(0.0);
        let right = self.push(0.0);
        let (set, threshold, missing) = match rule {
            Rule::UpTo { threshold, missing } => (ORDERED, *threshold, missing.unwrap_or(NONE)),
            Rule::Among(set) => {
                self.sets.push(*set);
                ((self.sets.len() - 1) as u32, 0, NONE)
            }
        };
        self.nodes[node] = Node {
            value: 0.0,
            feature: feature as u32,
            left: left as u32,
            right: right as u32,
            set,
            threshold,
            missing,
        };
        (left, right)
    }

    /// Sets a leaf's answer.
    pub fn set_value(&mut self, node: usize, value: f64) {
        self.nodes[node].value = value;
    }

    /// Multiplies all answers.
    pub fn scale(&mut self, factor: f64) {
        self.nodes.iter_mut().for_each(|node| node.value *= factor);
    }

    /// The answer for a row, given its bin of each feature.
    #[inline]
    pub fn value(&self, bin: impl Fn(usize) -> u8) -> f64 {
        let mut node = &self.nodes[0];
        while node.left != 0 {
            let bin = bin(node.feature as usize);
            let is_left = if node.set == ORDERED {
                bin <= node.threshold || bin == node.missing
            } else {
                has(&self.sets[node.set as usize], bin)
            };
            node = &self.nodes[if is_left { node.left } else { node.right } as usize];
        }
        node.value
    }

    /// Whether every walk ends in a leaf and every reference exists.
    pub fn is_sound(&self, features: usize) -> bool {
        !self.nodes.is_empty()
            && self.nodes.iter().enumerate().all(|(index, node)| {
                let inside =
                    |child: u32| (child as usize) > index && (child as usize) < self.nodes.len();
                node.value.is_finite()
                    && (node.left == 0
                        || inside(node.left)
                            && inside(node.right)
                            && (node.feature as usize) < features
                            && (node.set == ORDERED || (node.set as usize) < self.sets.len()))
            })
    }
}

/// A tree in a file. All lists have one entry per node, besides `sets`.
#[derive(Serialize, Deserialize)]
struct Columns {
    value: Vec<f64>,
    feature: Vec<u32>,
    left: Vec<u32>,
    right: Vec<u32>,
    threshold: Vec<u8>,
    missing: Vec<u8>,
    set: Vec<i64>,
    sets: Vec<[u64; 4]>,
}

impl From<Tree> for Columns {
    fn from(tree: Tree) -> Self {
        let nodes = &tree.nodes;
        Self {
            value: nodes.iter().map(|node| node.value).collect(),
            feature: nodes.iter().map(|node| node.feature).collect(),
            left: nodes.iter().map(|node| node.left).collect(),
            right: nodes.iter().map(|node| node.right).collect(),
            threshold: nodes.iter().map(|node| node.threshold).collect(),
            missing: nodes.iter().map(|node| node.missing).collect(),
            set: nodes
                .iter()
                .map(|node| match node.set {
                    ORDERED => -1,
                    set => i64::from(set),
                })
                .collect(),
            sets: tree.sets,
        }
    }
}

impl From<Columns> for Tree {
    /// Lists of unequal length give a tree that [`Tree::is_sound`] refuses.
    fn from(columns: Columns) -> Self {
        let count = columns.value.len();
        let lengths = [
            columns.feature.len(),
            columns.left.len(),
            columns.right.len(),
            columns.threshold.len(),
            columns.missing.len(),
            columns.set.len(),
        ];
        if lengths.iter().any(|length| *length != count) {
            return Self::default();
        }
        let nodes = (0..count)
            .map(|index| Node {
                value: columns.value[index],
                feature: columns.feature[index],
                left: columns.left[index],
                right: columns.right[index],
                set: match columns.set[index] {
                    -1 => ORDERED,
                    set => u32::try_from(set).unwrap_or(ORDERED - 1),
                },
                threshold: columns.threshold[index],
                missing: columns.missing[index],
            })
            .collect();
        Self {
            nodes,
            sets: columns.sets,
        }
    }
}
