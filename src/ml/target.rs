//! What is predicted: a column as class indexes or numbers, and how its task follows from it.

use super::{Error, Result};
use crate::data::Frame;
use crate::domain::dataset::ColumnKind;
use crate::domain::model::{Signature, Task};
use rustc_hash::FxHashMap;

/// Distinct numbers from which a column is a quantity, not a class.
const MOST_CLASSES_OF_NUMBERS: usize = 20;

/// Distinct texts beyond which a column is a name, not a class.
const MOST_CLASSES_OF_TEXT: usize = 1000;

/// What is predicted, by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Two classes, more, or a number.
    pub task: Task,
    /// Class labels, sorted as text (numbers by value); empty for regression. Of two, the last is the positive one.
    pub classes: Vec<String>,
    /// Class index or number by row; NaN where there is none.
    pub values: Vec<f64>,
}

impl Target {
    /// The target in `column`. Without `task`: numbers with more than 20 distinct values (or any fraction) are a
    /// regression, two distinct values are binary, others multiclass.
    pub fn from_frame(frame: &Frame, column: &str, task: Option<Task>) -> Result<Self> {
        let is_text = matches!(frame.kind(column)?, ColumnKind::Text | ColumnKind::Boolean);
        let regression = match task {
            Some(task) => task == Task::Regression,
            None => !is_text && is_quantity(&frame.numbers(column)?),
        };
        if regression {
            if frame.kind(column)? == ColumnKind::Text {
                return Err(Error::new(format!(
                    "target `{column}` is text; a regression needs numbers"
                )));
            }
            return Ok(Self {
                task: Task::Regression,
                classes: Vec::new(),
                values: quantities(frame, column)?,
            });
        }
        let texts = labels(frame, column, is_text)?;
        let mut classes: Vec<String> = texts.iter().flatten().cloned().collect();
        classes.sort_unstable();
        classes.dedup();
        if !is_text {
            classes.sort_by(|a, b| number(a).total_cmp(&number(b)));
        }
        let found = match classes.len() {
            0 => return Err(Error::new(format!("target `{column}` has no values"))),
            1 | 2 => Task::Binary,
            _ => Task::Multiclass,
        };
        if classes.len() > MOST_CLASSES_OF_TEXT {
            return Err(Error::new(format!(
                "target `{column}` has {} distinct values, too many for classes",
                classes.len()
            )));
        }
        if task == Some(Task::Binary) && found == Task::Multiclass {
            return Err(Error::new(format!(
                "target `{column}` has {} classes ({}, …); a binary task needs two",
                classes.len(),
                super::trainer::listed(classes.iter().take(3).map(String::as_str))
            )));
        }
        let task = match task {
            Some(Task::Multiclass) if classes.len() > 2 => Task::Multiclass,
            _ => found,
        };
        let index: FxHashMap<&str, f64> = classes
            .iter()
            .enumerate()
            .map(|(index, class)| (class.as_str(), index as f64))
            .collect();
        let values = texts
            .iter()
            .map(|text| {
                text.as_deref()
                    .and_then(|text| index.get(text).copied())
                    .unwrap_or(f64::NAN)
            })
            .collect();
        Ok(Self {
            task,
            classes: classes.clone(),
            values,
        })
    }

    /// The target in `column` in terms of the classes that a model knows. A label that it does not know is an error
    /// that names it; `1` and `1.0`, and `true` and `1`, are the same label.
    pub fn for_signature(frame: &Frame, column: &str, signature: &Signature) -> Result<Self> {
        if signature.task == Task::Regression {
            return Self::from_frame(frame, column, Some(Task::Regression));
        }
        let is_text = matches!(frame.kind(column)?, ColumnKind::Text | ColumnKind::Boolean);
        let texts = labels(frame, column, is_text)?;
        let mut known: FxHashMap<&str, f64> = FxHashMap::default();
        let mut values = Vec::with_capacity(texts.len());
        for text in &texts {
            let Some(text) = text.as_deref() else {
                values.push(f64::NAN);
                continue;
            };
            let value = match known.get(text) {
                Some(value) => *value,
                None => {
                    let index = signature
                        .classes
                        .iter()
                        .position(|class| class == text)
                        .or_else(|| {
                            let wanted = number(text);
                            signature
                                .classes
                                .iter()
                                .position(|class| number(class) == wanted)
                        })
                        .ok_or_else(|| {
                            Error::new(format!(
                                "target `{column}` has the label `{text}`; the model knows {}",
                                super::trainer::listed(
                                    signature.classes.iter().map(String::as_str)
                                )
                            ))
                        })? as f64;
                    known.insert(text, index);
                    index
                }
            };
            values.push(value);
        }
        Ok(Self {
            task: signature.task,
            classes: signature.classes.clone(),
            values,
        })
    }

    /// These rows.
    #[must_use]
    pub fn take(&self, rows: &[u32]) -> Self {
        Self {
            task: self.task,
            classes: self.classes.clone(),
            values: rows.iter().map(|row| self.values[*row as usize]).collect(),
        }
    }
}

/// Labels as text; numbers that are not finite are none.
fn labels(frame: &Frame, column: &str, is_text: bool) -> Result<Vec<Option<String>>> {
    let mut texts = frame.texts(column)?;
    if !is_text {
        for (text, value) in texts.iter_mut().zip(frame.numbers(column)?) {
            if !value.is_finite() {
                *text = None;
            }
        }
    }
    Ok(texts)
}

fn quantities(frame: &Frame, column: &str) -> Result<Vec<f64>> {
    let mut values = frame.numbers(column)?;
    for value in &mut values {
        if !value.is_finite() {
            *value = f64::NAN;
        }
    }
    Ok(values)
}

fn is_quantity(values: &[f64]) -> bool {
    let mut distinct: Vec<f64> = Vec::new();
    for value in values.iter().copied().filter(|x| x.is_finite()) {
        if value.fract() != 0.0 {
            return true;
        }
        if !distinct.contains(&value) {
            distinct.push(value);
            if distinct.len() > MOST_CLASSES_OF_NUMBERS {
                return true;
            }
        }
    }
    false
}

/// A label as a number, truth values included; NaN when it is none.
fn number(label: &str) -> f64 {
    match label {
        "true" => 1.0,
        "false" => 0.0,
        other => other.parse().unwrap_or(f64::NAN),
    }
}
