//! Raw columns -> small integers: numbers into at most 254 quantile bins, texts into their categories, and always one
//! more bin for what is missing.

use crate::data::Frame;
use crate::domain::model::InputKind;
use crate::ml::Result;
use crate::ml::preprocess::{MISSING_CODE, Texts, UNSEEN_CODE, numbers, signature_inputs};
use serde::{Deserialize, Serialize};

/// Bins of a column besides the one for missing.
const MAX_BINS: usize = 254;

/// How raw columns become bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Binner {
    /// One per input, in the order of the signature.
    pub features: Vec<Feature>,
}

/// How one input becomes bins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "bins", rename_all = "snake_case")]
pub enum Feature {
    /// Bin `b` holds what is above `b` edges and not above the next; the last bin is missing (and infinite).
    Number {
        /// The input.
        name: String,
        /// Ascending.
        edges: Vec<f64>,
    },
    /// One bin per category, then one for rare and unseen ones, the last for missing.
    Text {
        /// The input.
        name: String,
        /// Most frequent first.
        categories: Vec<String>,
    },
}

impl Feature {
    /// Bins, that of missing included.
    pub fn slots(&self) -> usize {
        match self {
            Self::Number { edges, .. } => edges.len() + 2,
            Self::Text { categories, .. } => categories.len() + 2,
        }
    }

    /// Whether bins have an order.
    pub fn is_ordered(&self) -> bool {
        matches!(self, Self::Number { .. })
    }
}

/// A table of bins, column by column.
pub struct Bins {
    /// Rows.
    pub rows: usize,
    /// Bins of each column; the last one is missing.
    pub slots: Vec<usize>,
    /// Whether the bins of a column have an order.
    pub ordered: Vec<bool>,
    /// `rows` per column, one column after the other.
    cells: Vec<u8>,
}

impl Bins {
    /// The bins of a column.
    pub fn column(&self, feature: usize) -> &[u8] {
        &self.cells[feature * self.rows..(feature + 1) * self.rows]
    }
}

impl Binner {
    /// Learns edges and categories of every column of `frame`.
    pub fn fit(frame: &Frame) -> Result<Self> {
        let features = signature_inputs(frame)?
            .into_iter()
            .map(|input| {
                Ok(match input.kind {
                    InputKind::Number => Feature::Number {
                        edges: edges(&numbers(frame, &input.name)?),
                        name: input.name,
                    },
                    InputKind::Text => Feature::Text {
                        categories: Texts::of(frame, &input.name)?
                            .counts(frame.rows())
                            .into_iter()
                            .take(MAX_BINS - 1)
                            .map(|(text, _)| text.to_owned())
                            .collect(),
                        name: input.name,
                    },
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { features })
    }

    /// The bins of `frame`.
    pub fn bins(&self, frame: &Frame) -> Result<Bins> {
        let rows = frame.rows();
        let mut cells = Vec::with_capacity(rows * self.features.len());
        for feature in &self.features {
            let missing = (feature.slots() - 1) as u8;
            match feature {
                Feature::Number { name, edges } => {
                    cells.extend(numbers(frame, name)?.iter().map(|value| {
                        if value.is_finite() {
                            edges.partition_point(|edge| edge < value) as u8
                        } else {
                            missing
                        }
                    }));
                }
                Feature::Text { name, categories } => {
                    let codes = Texts::of(frame, name)?.codes(categories, rows);
                    cells.extend(codes.into_iter().map(|code| match code {
                        MISSING_CODE => missing,
                        UNSEEN_CODE => missing - 1,
                        code => code as u8,
                    }));
                }
            }
        }
        Ok(Bins {
            rows,
            slots: self.features.iter().map(Feature::slots).collect(),
            ordered: self.features.iter().map(Feature::is_ordered).collect(),
            cells,
        })
    }
}

/// Edges between distinct values, or between quantiles when there are too many.
fn edges(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() <= MAX_BINS {
        return distinct
            .windows(2)
            .map(|pair| between(pair[0], pair[1]))
            .collect();
    }
    let mut edges: Vec<f64> = (1..MAX_BINS)
        .filter_map(|k| {
            let value = sorted[k * sorted.len() / MAX_BINS];
            let at = distinct.partition_point(|x| *x < value);
            (at > 0).then(|| between(distinct[at - 1], value))
        })
        .collect();
    edges.dedup();
    edges
}

/// A number `x` with `low <= x < high`, halfway if there is one.
fn between(low: f64, high: f64) -> f64 {
    let middle = low / 2.0 + high / 2.0;
    if middle >= low && middle < high {
        middle
    } else {
        low
    }
}
