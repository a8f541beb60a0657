//! Raw columns -> the dense numbers that the linear families see: numbers imputed with the training mean,
//! standardised, and a column that says "was missing" where training had missing values; categories one-hot.
//! Infinite and absurdly large numbers (beyond 1e100, whose squares leave no room) count as missing.
//!
//! Columns come one after the other (column-major), since that is how frames hold them and how linfa's
//! solvers read them fastest.

use super::{Error, Result};
use crate::data::Frame;
use crate::domain::dataset::ColumnKind;
use crate::domain::model::{Input, InputKind};
use arrow_array::{Array, Float64Array, Int64Array, StringArray};
use arrow_schema::DataType;
use ndarray::{Array2, ShapeBuilder};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Categories of one column that get a column of their own.
const MAX_CATEGORIES: usize = 200;

/// Numbers beyond this are missing.
const HUGE: f64 = 1e100;

/// How raw columns become numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocessor {
    /// One per input, in the order of the signature.
    pub inputs: Vec<Encoding>,
}

/// How one input becomes columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "encoding", rename_all = "snake_case")]
pub enum Encoding {
    /// Never varied in training: no column.
    Constant {
        /// The input.
        name: String,
    },
    /// `(x - mean) / deviation`, missing is 0; then perhaps the missing-indicator.
    Number {
        /// The input.
        name: String,
        /// Of the training rows.
        mean: f64,
        /// Of the training rows, with n below the line, as scikit-learn's `StandardScaler`.
        deviation: f64,
        /// Whether a column says that the value was missing.
        indicator: bool,
    },
    /// One column per category; rare and unseen ones are zeros everywhere.
    Text {
        /// The input.
        name: String,
        /// Most frequent first.
        categories: Vec<String>,
        /// Whether a column says that the value was missing.
        indicator: bool,
    },
}

impl Encoding {
    fn width(&self) -> usize {
        match self {
            Self::Constant { .. } => 0,
            Self::Number { indicator, .. } => 1 + usize::from(*indicator),
            Self::Text {
                categories,
                indicator,
                ..
            } => categories.len() + usize::from(*indicator),
        }
    }
}

impl Preprocessor {
    /// Learns the encoding of every column of `frame`.
    pub fn fit(frame: &Frame) -> Result<Self> {
        let inputs = signature_inputs(frame)?
            .into_iter()
            .map(|input| match input.kind {
                InputKind::Number => {
                    let values = numbers(frame, &input.name)?;
                    Ok(fit_number(input.name, &values))
                }
                InputKind::Text => fit_text(frame, input.name),
            })
            .collect::<Result<_>>();
        inputs.map(|inputs| Self { inputs })
    }

    /// Columns that come out.
    pub fn width(&self) -> usize {
        self.inputs.iter().map(Encoding::width).sum()
    }

    /// Gives every encoded column of `frame` to `visit`, in order, with its index.
    pub fn for_each_column(
        &self,
        frame: &Frame,
        mut visit: impl FnMut(usize, &[f64]),
    ) -> Result<()> {
        let rows = frame.rows();
        let mut column = vec![0.0; rows];
        let mut at = 0;
        for encoding in &self.inputs {
            match encoding {
                Encoding::Constant { .. } => {}
                Encoding::Number {
                    name,
                    mean,
                    deviation,
                    indicator,
                } => {
                    let values = numbers(frame, name)?;
                    for (out, value) in column.iter_mut().zip(values.iter()) {
                        *out = if is_missing(*value) {
                            0.0
                        } else {
                            ((value - mean) / deviation).clamp(-1e60, 1e60)
                        };
                    }
                    visit(at, &column);
                    if *indicator {
                        for (out, value) in column.iter_mut().zip(values.iter()) {
                            *out = f64::from(u8::from(is_missing(*value)));
                        }
                        visit(at + 1, &column);
                    }
                }
                Encoding::Text {
                    name,
                    categories,
                    indicator,
                } => {
                    let texts = Texts::of(frame, name)?;
                    let codes = texts.codes(categories, rows);
                    let last = categories.len() + usize::from(*indicator);
                    for wanted in 0..last {
                        let wanted_code = if wanted == categories.len() {
                            MISSING_CODE
                        } else {
                            wanted as u32
                        };
                        for (out, code) in column.iter_mut().zip(&codes) {
                            *out = f64::from(u8::from(*code == wanted_code));
                        }
                        visit(at + wanted, &column);
                    }
                }
            }
            at += encoding.width();
        }
        Ok(())
    }

    /// The encoded columns as a matrix of rows x width whose columns lie together in memory.
    pub fn matrix(&self, frame: &Frame) -> Result<Array2<f64>> {
        let mut cells = Vec::with_capacity(frame.rows() * self.width());
        self.for_each_column(frame, |_, column| cells.extend_from_slice(column))?;
        Array2::from_shape_vec((frame.rows(), self.width()).f(), cells)
            .map_err(|error| Error::new(format!("the inputs do not fit a matrix: {error}")))
    }

    /// Row-major `rows x intercepts.len()`: intercepts + encoded columns times `weights` (one row of
    /// `intercepts.len()` weights per encoded column).
    pub fn scores(&self, frame: &Frame, weights: &[f64], intercepts: &[f64]) -> Result<Vec<f64>> {
        let outputs = intercepts.len();
        let mut scores = intercepts.repeat(frame.rows());
        self.for_each_column(frame, |index, column| {
            let weights = &weights[index * outputs..(index + 1) * outputs];
            if let [weight] = weights {
                for (score, value) in scores.iter_mut().zip(column) {
                    *score += weight * value;
                }
            } else {
                for (scores, value) in scores.chunks_exact_mut(outputs).zip(column) {
                    for (score, weight) in scores.iter_mut().zip(weights) {
                        *score += weight * value;
                    }
                }
            }
        })?;
        Ok(scores)
    }
}

fn is_missing(value: f64) -> bool {
    value.is_nan() || value.abs() > HUGE
}

fn fit_number(name: String, values: &[f64]) -> Encoding {
    let known: Vec<f64> = values.iter().copied().filter(|x| !is_missing(*x)).collect();
    let indicator = known.len() < values.len();
    let count = known.len() as f64;
    let mean = known.iter().sum::<f64>() / count;
    let deviation = (known.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / count).sqrt();
    // rounding makes a constant look like a spread of 1e-16 of its size
    let varies = deviation > 1e-13 * mean.abs() && deviation > 0.0;
    if known.is_empty() || (!varies && !indicator) {
        Encoding::Constant { name }
    } else {
        Encoding::Number {
            name,
            mean,
            deviation: if varies { deviation } else { 1.0 },
            indicator,
        }
    }
}

fn fit_text(frame: &Frame, name: String) -> Result<Encoding> {
    let rows = frame.rows();
    let texts = Texts::of(frame, &name)?;
    let counts = texts.counts(rows);
    let enough = rows.div_ceil(100).clamp(1, 20);
    let missing = rows - counts.iter().map(|(_, count)| count).sum::<usize>();
    let indicator = missing > 0;
    let distinct = counts.len();
    let categories: Vec<String> = counts
        .into_iter()
        .filter(|(_, count)| *count >= enough)
        .take(MAX_CATEGORIES)
        .map(|(text, _)| text.to_owned())
        .collect();
    Ok(if distinct <= 1 && !indicator || distinct == 0 {
        Encoding::Constant { name }
    } else {
        Encoding::Text {
            name,
            categories,
            indicator,
        }
    })
}

/// A frame's columns as model inputs.
pub fn signature_inputs(frame: &Frame) -> Result<Vec<Input>> {
    frame
        .names()
        .into_iter()
        .map(|name| {
            let kind = match frame.kind(&name)? {
                ColumnKind::Text => InputKind::Text,
                _ => InputKind::Number,
            };
            let optional = match kind {
                InputKind::Number => numbers(frame, &name)?.iter().any(|x| !x.is_finite()),
                InputKind::Text => {
                    let texts = Texts::of(frame, &name)?;
                    (0..frame.rows()).any(|row| texts.get(row).is_none())
                }
            };
            Ok(Input {
                name,
                kind,
                optional,
            })
        })
        .collect()
}

/// A column's numbers, borrowed where the frame has them as they are.
pub fn numbers<'a>(frame: &'a Frame, name: &str) -> Result<Cow<'a, [f64]>> {
    let column = frame.column(name)?;
    if column.is_empty() || all_missing(column.as_ref()) {
        return Ok(Cow::Owned(vec![f64::NAN; frame.rows()]));
    }
    if let Some(array) = column.as_any().downcast_ref::<Float64Array>()
        && array.null_count() == 0
    {
        return Ok(Cow::Borrowed(array.values()));
    }
    if let Some(array) = column.as_any().downcast_ref::<Int64Array>()
        && array.null_count() == 0
    {
        return Ok(Cow::Owned(
            array.values().iter().map(|x| *x as f64).collect(),
        ));
    }
    frame
        .numbers(name)
        .map(Cow::Owned)
        .map_err(|error| Error::new(format!("input `{name}` must be a number: {error}")))
}

fn all_missing(column: &dyn Array) -> bool {
    *column.data_type() == DataType::Null || column.null_count() == column.len()
}

/// Code of a missing text.
pub const MISSING_CODE: u32 = u32::MAX;

/// Code of a text that is none of the categories.
pub const UNSEEN_CODE: u32 = u32::MAX - 1;

/// A column's texts, borrowed where the frame has them as they are.
pub enum Texts<'a> {
    /// As the frame has them.
    Array(&'a StringArray),
    /// Written out.
    Owned(Vec<Option<String>>),
}

impl<'a> Texts<'a> {
    /// The texts of the column `name`.
    pub fn of(frame: &'a Frame, name: &str) -> Result<Self> {
        let column = frame.column(name)?;
        if *column.data_type() == DataType::Null {
            return Ok(Self::Owned(vec![None; frame.rows()]));
        }
        match column.as_any().downcast_ref::<StringArray>() {
            Some(array) => Ok(Self::Array(array)),
            None => Ok(Self::Owned(frame.texts(name)?)),
        }
    }

    /// The text of a row.
    pub fn get(&self, row: usize) -> Option<&str> {
        match self {
            Self::Array(array) => array.is_valid(row).then(|| array.value(row)),
            Self::Owned(texts) => texts[row].as_deref(),
        }
    }

    /// Distinct texts with their counts, most frequent first, then by text.
    pub fn counts(&self, rows: usize) -> Vec<(&str, usize)> {
        let mut counts: FxHashMap<&str, usize> = FxHashMap::default();
        for text in (0..rows).filter_map(|row| self.get(row)) {
            *counts.entry(text).or_default() += 1;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        counts
    }

    /// Index in `categories` by row, or [`MISSING_CODE`], or [`UNSEEN_CODE`].
    pub fn codes(&self, categories: &[String], rows: usize) -> Vec<u32> {
        // for a handful of rows a scan is cheaper than a map
        if rows < 8 {
            return (0..rows)
                .map(|row| match self.get(row) {
                    None => MISSING_CODE,
                    Some(text) => categories
                        .iter()
                        .position(|category| category == text)
                        .map_or(UNSEEN_CODE, |index| index as u32),
                })
                .collect();
        }
        let index: FxHashMap<&str, u32> = categories
            .iter()
            .enumerate()
            .map(|(index, category)| (category.as_str(), index as u32))
            .collect();
        (0..rows)
            .map(|row| match self.get(row) {
                None => MISSING_CODE,
                Some(text) => index.get(text).copied().unwrap_or(UNSEEN_CODE),
            })
            .collect()
    }
}
