//! Which inputs of a row are unusual against the reference, and what each did to the answer.
//!
//! Surprise of a number is ECOD's tail term `-log10(2 min(F, 1 - F))` with `F = (rank + .5)/(n + 1)` (Li et al. 2022),
//! and past the ends of the reference one more for each power of ten of its spread; of a category
//! `-log10((count + .5)/(n + .5 k))`. It counts as an outlier when the robust z `.6745 (x - median)/MAD` is beyond 3.5
//! (Iglewicz and Hoaglin 1993) and at most 1 % of the reference lies as far out; a category when it was never seen or
//! less often than one row in a thousand.

use super::preprocess::{Texts, numbers};
use super::{Model, Predictions, Result};
use crate::data::Frame;
use crate::domain::deployment::InputShare;
use crate::domain::model::{Input, InputKind, Task};
use arrow_array::{ArrayRef, Float64Array, StringArray};
use std::sync::Arc;

/// Robust z beyond which a number is an outlier.
const MAX_Z: f64 = 3.5;

/// Factors by which units are confused.
const UNITS: [f64; 5] = [10.0, 60.0, 100.0, 1000.0, 1024.0];

/// An input's value, how odd it is, and what ordinary would be.
struct Finding {
    value: String,
    surprise: f64,
    outlier: bool,
    note: String,
    ordinary: Ordinary,
}

enum Ordinary {
    Number(f64),
    Text(Option<String>),
}

/// Every input of row `row` of `rows`: surprise against `reference`, effect of replacing it by its ordinary value (the
/// reference's median or most frequent category); strongest cause (surprise x |effect|) first. The effect is the
/// change of the number, of the probability of the positive class, or of that of the answered class.
pub fn explain(
    model: &Model,
    reference: &Frame,
    rows: &Frame,
    row: usize,
) -> Result<Vec<InputShare>> {
    let inputs = &model.signature.inputs;
    model.check_inputs(rows)?;
    let findings = inputs
        .iter()
        .map(|input| match input.kind {
            InputKind::Number => number(reference, rows, input, row),
            InputKind::Text => text(reference, rows, input, row),
        })
        .collect::<Result<Vec<_>>>()?;

    // row 0 as it is; row j + 1 with input j replaced
    let variants = inputs
        .iter()
        .zip(&findings)
        .enumerate()
        .map(|(index, (input, finding))| {
            let column: ArrayRef = match &finding.ordinary {
                Ordinary::Number(median) => {
                    let mut column = vec![numbers(rows, &input.name)?[row]; inputs.len() + 1];
                    column[index + 1] = *median;
                    Arc::new(Float64Array::from(column))
                }
                Ordinary::Text(mode) => {
                    let texts = Texts::of(rows, &input.name)?;
                    let mut column = vec![texts.get(row); inputs.len() + 1];
                    column[index + 1] = mode.as_deref();
                    Arc::new(StringArray::from(column))
                }
            };
            Ok((input.name.clone(), column))
        })
        .collect::<Result<Vec<_>>>()?;
    let answers = model.predict(&Frame::from_columns(variants)?)?;
    let answer = |row: usize| of_interest(model.signature.task, &answers, row);

    let mut shares: Vec<InputShare> = inputs
        .iter()
        .zip(findings)
        .enumerate()
        .map(|(index, (input, finding))| InputShare {
            input: input.name.clone(),
            value: finding.value,
            surprise: finding.surprise,
            outlier: finding.outlier,
            effect: answer(index + 1) - answer(0),
            note: finding.note,
        })
        .collect();
    let rank = |share: &InputShare| share.surprise * share.effect.abs();
    shares.sort_by(|a, b| {
        rank(b)
            .total_cmp(&rank(a))
            .then(b.surprise.total_cmp(&a.surprise))
    });
    Ok(shares)
}

fn of_interest(task: Task, answers: &Predictions, row: usize) -> f64 {
    match task {
        Task::Regression | Task::Binary => answers.values[row],
        Task::Multiclass => {
            let classes = answers.probabilities.len() / answers.values.len();
            answers.probabilities[row * classes + answers.values[0] as usize]
        }
    }
}

fn number(reference: &Frame, rows: &Frame, input: &Input, row: usize) -> Result<Finding> {
    let all = numbers(reference, &input.name)?;
    let mut sorted: Vec<f64> = all.iter().copied().filter(|x| x.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let value = numbers(rows, &input.name)?[row];
    let (Some(least), Some(greatest)) = (sorted.first().copied(), sorted.last().copied()) else {
        return Ok(Finding {
            value: written(value),
            surprise: 0.0,
            outlier: value.is_finite(),
            note: "the reference has no value here".to_owned(),
            ordinary: Ordinary::Number(f64::NAN),
        });
    };
    let median = quantile(&sorted, 0.5);
    let ordinary = Ordinary::Number(median);
    if !value.is_finite() {
        let (surprise, outlier, note) = missing(all.len() - sorted.len(), all.len());
        let note = if value.is_infinite() {
            "infinite, counted as missing".to_owned()
        } else {
            note
        };
        return Ok(Finding {
            value: written(value),
            surprise,
            outlier: outlier || value.is_infinite(),
            note,
            ordinary,
        });
    }
    let z = robust_z(&sorted, median, value);
    let count = sorted.len() as f64;
    let below = sorted.partition_point(|x| *x < value) as f64;
    let up_to = sorted.partition_point(|x| *x <= value) as f64;
    let share = ((below + up_to) / 2.0 + 0.5) / (count + 1.0);
    let tail = (2.0 * share.min(1.0 - share)).min(1.0);
    let spread = quantile(&sorted, 0.99) - quantile(&sorted, 0.01);
    let past = (least - value).max(value - greatest).max(0.0);
    let beyond = if past == 0.0 {
        0.0
    } else if spread > 0.0 {
        (1.0 + past / spread).log10() * 2.0
    } else {
        2.0
    };
    let rare = tail <= 0.01_f64.max(2.0 / (count + 1.0));
    let outlier = z.abs() > MAX_Z && rare || past > 0.0 && spread == 0.0;
    let low = quantile(&sorted, 0.25);
    let high = quantile(&sorted, 0.75);
    let place = format!(
        "median {}, middle half {} to {}",
        written(median),
        written(low),
        written(high)
    );
    let note = if past > 0.0 && spread == 0.0 {
        format!("always {} in the reference", written(median))
    } else if past > 0.0 {
        match unit_factor(&sorted, value) {
            Some(factor) if outlier => format!(
                "outside of {} to {}; {factor} would be ordinary: other units? {place}",
                written(least),
                written(greatest)
            ),
            _ => format!(
                "outside of {} to {}; {place}",
                written(least),
                written(greatest)
            ),
        }
    } else if outlier {
        format!("{:.1} robust deviations from the middle; {place}", z.abs())
    } else {
        format!("ordinary; {place}")
    };
    Ok(Finding {
        value: written(value),
        surprise: -tail.log10() + beyond,
        outlier,
        note,
        ordinary,
    })
}

fn text(reference: &Frame, rows: &Frame, input: &Input, row: usize) -> Result<Finding> {
    let texts = Texts::of(reference, &input.name)?;
    let counts = texts.counts(reference.rows());
    let known: usize = counts.iter().map(|(_, count)| count).sum();
    let mode = counts.first().map(|(text, _)| (*text).to_owned());
    let here = Texts::of(rows, &input.name)?;
    let Some(value) = here.get(row) else {
        let (surprise, outlier, note) = missing(reference.rows() - known, reference.rows());
        return Ok(Finding {
            value: "missing".to_owned(),
            surprise,
            outlier,
            note,
            ordinary: Ordinary::Text(mode),
        });
    };
    let count = counts
        .iter()
        .find(|(text, _)| *text == value)
        .map_or(0, |(_, count)| *count);
    let kinds = counts.len().max(1) as f64;
    let share = (count as f64 + 0.5) / (known as f64 + 0.5 * kinds);
    let note = if count == 0 {
        format!("never seen among {} values of the reference", counts.len())
    } else {
        format!("{count} of {known} rows of the reference")
    };
    Ok(Finding {
        value: value.to_owned(),
        surprise: (-share.log10()).max(0.0),
        outlier: count == 0 || known >= 1000 && count * 1000 < known,
        note,
        ordinary: Ordinary::Text(mode),
    })
}

/// Surprise of a missing value, whether it counts as odd (under one in a thousand), and in words.
fn missing(missing: usize, rows: usize) -> (f64, bool, String) {
    let share = (missing as f64 + 0.5) / (rows as f64 + 1.0);
    let odd = missing * 1000 < rows;
    let note = format!("missing; so are {missing} of {rows} rows of the reference");
    (-share.log10(), odd, note)
}

/// `.6745 (x - median)/MAD`; with MAD 0, `(x - median)/(1.2533 mean absolute deviation)`; with both 0, 0 or infinite.
fn robust_z(sorted: &[f64], median: f64, value: f64) -> f64 {
    let mut distances: Vec<f64> = sorted.iter().map(|x| (x - median).abs()).collect();
    distances.sort_unstable_by(f64::total_cmp);
    let mad = quantile(&distances, 0.5);
    if mad > 0.0 {
        return 0.6745 * (value - median) / mad;
    }
    let mean = distances
        .iter()
        .map(|d| d / distances.len() as f64)
        .sum::<f64>();
    if mean > 0.0 {
        (value - median) / (1.2533 * mean)
    } else if value == median {
        0.0
    } else {
        f64::INFINITY
    }
}

/// Linear between the neighbours, as numpy's default.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

/// "1/60 of it" when that lies in the middle half of the reference, stretched to the inner 80 %.
fn unit_factor(sorted: &[f64], value: f64) -> Option<String> {
    let inside = |x: f64| x >= quantile(sorted, 0.1) && x <= quantile(sorted, 0.9);
    UNITS.iter().find_map(|unit| {
        if inside(value / unit) {
            Some(format!("1/{unit} of it"))
        } else if inside(value * unit) {
            Some(format!("{unit} times it"))
        } else {
            None
        }
    })
}

/// A number with at most six significant digits, as people write it.
fn written(value: f64) -> String {
    if value.is_nan() {
        return "missing".to_owned();
    }
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let magnitude = value.abs().log10().floor();
    if !(-5.0..15.0).contains(&magnitude) {
        return format!("{value:.3e}");
    }
    let places = (5.0 - magnitude).clamp(0.0, 10.0) as usize;
    let text = format!("{value:.places$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}
