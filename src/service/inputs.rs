//! A request's rows -> what the model's signature says, or an error that names the input and what was expected;
//! and rows in words.

use crate::data::Frame;
use crate::domain::dataset::ColumnKind;
use crate::domain::model::{Input, InputKind, Signature, Task};
use crate::domain::{Error, Result};
use arrow_array::{Array, ArrayRef, Float64Array, StringArray};
use std::sync::Arc;

/// The signature's inputs in its order: numbers as doubles, categories as text, missing values null. Other columns
/// are left out. A column that is not there is null when training data had missing values in it.
pub fn conform(rows: &Frame, signature: &Signature) -> Result<Frame> {
    let names = rows.names();
    let mut missing = Vec::new();
    let mut columns = Vec::with_capacity(signature.inputs.len());
    for input in &signature.inputs {
        if !names.contains(&input.name) {
            if input.optional {
                columns.push((input.name.clone(), empty(input.kind, rows.rows())));
            } else {
                missing.push(input);
            }
            continue;
        }
        columns.push((input.name.clone(), column(rows, input)?));
    }
    if let Some(first) = missing.first() {
        let list: Vec<&str> = missing.iter().map(|input| input.name.as_str()).collect();
        return Err(Error::invalid(if list.len() == 1 {
            format!(
                "input `{}` is missing: a {}",
                first.name,
                expected(first.kind)
            )
        } else {
            format!("inputs `{}` are missing", list.join("`, `"))
        }));
    }
    Ok(Frame::from_columns(columns)?)
}

fn expected(kind: InputKind) -> &'static str {
    match kind {
        InputKind::Number => "number",
        InputKind::Text => "text",
    }
}

fn empty(kind: InputKind, rows: usize) -> ArrayRef {
    match kind {
        InputKind::Number => Arc::new(Float64Array::new_null(rows)),
        InputKind::Text => Arc::new(StringArray::new_null(rows)),
    }
}

fn column(rows: &Frame, input: &Input) -> Result<ArrayRef> {
    let there = rows.column(&input.name)?;
    if there.null_count() == there.len() {
        return Ok(empty(input.kind, rows.rows()));
    }
    match input.kind {
        InputKind::Number => {
            if rows.kind(&input.name)? == ColumnKind::Text {
                let texts = rows.texts(&input.name)?;
                if let Some((row, text)) = texts
                    .iter()
                    .enumerate()
                    .find_map(|(row, text)| Some((row, text.as_ref()?)))
                {
                    let shown: String = text.chars().take(40).collect();
                    return Err(Error::invalid(format!(
                        "input `{}` must be a number; row {} has \"{shown}\"",
                        input.name,
                        row + 1
                    )));
                }
            }
            let numbers: Float64Array = rows
                .numbers(&input.name)?
                .into_iter()
                .map(|value| (!value.is_nan()).then_some(value))
                .collect();
            Ok(Arc::new(numbers))
        }
        InputKind::Text => {
            let texts: StringArray = rows.texts(&input.name)?.into_iter().collect();
            Ok(Arc::new(texts))
        }
    }
}

/// An answer in words: "late 0.81", "AA 0.55", "12.3".
pub fn answer(signature: &Signature, value: f64, probabilities: &[f64]) -> String {
    match signature.task {
        Task::Regression => short(value),
        Task::Binary => match signature.classes.last() {
            Some(class) => format!("{class} {value:.2}"),
            None => format!("{value:.2}"),
        },
        Task::Multiclass => {
            let index = value as usize;
            match (signature.classes.get(index), probabilities.get(index)) {
                (Some(class), Some(share)) => format!("{class} {share:.2}"),
                (Some(class), None) => class.clone(),
                _ => short(value),
            }
        }
    }
}

/// Up to eight inputs of a row in words: "carrier AA, dep_delay 34".
pub fn words(rows: &Frame, row: usize) -> Result<String> {
    let one = rows.take(&[u32::try_from(row).unwrap_or(u32::MAX)])?;
    let mut parts = Vec::new();
    for name in one.names().into_iter().take(8) {
        if let Some(Some(text)) = one.texts(&name)?.into_iter().next() {
            let text = match one.column(&name)?.as_any().downcast_ref::<Float64Array>() {
                Some(numbers) if numbers.is_valid(0) => short(numbers.value(0)),
                _ => text,
            };
            parts.push(format!("{name} {text}"));
        }
    }
    Ok(parts.join(", "))
}

/// A number in at most five significant digits, without needless zeros.
pub fn short(value: f64) -> String {
    if !value.is_finite() {
        return value.to_string();
    }
    if value == value.trunc() && value.abs() < 1e9 {
        return format!("{value:.0}");
    }
    let digits = if value.abs() >= 1000.0 {
        1
    } else if value.abs() >= 10.0 {
        2
    } else {
        4
    };
    let text = format!("{value:.digits$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(34.0), "34");
        assert_eq!(short(0.12345), "0.1235");
        assert_eq!(short(12.5), "12.5");
    }
}
