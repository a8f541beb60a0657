//! Correlations of pairs of numeric columns, over the kept rows.

use super::sample::Kept;
use super::table::TableState;
use crate::domain::dataset::ColumnKind;
use crate::domain::profile::ColumnProfile;

/// Numeric columns that are looked at; the first so many.
const COLUMNS: usize = 100;
/// Weaker ones are not listed.
const LEAST: f64 = 0.3;
/// Pairs listed.
const LISTED: usize = 50;
/// Kept rows that are looked at: evenly spaced ones of more.
pub const ROWS: usize = 32_768;

/// A column of standard scores; 0 where there is no number.
struct Standard<'a> {
    name: &'a str,
    scores: Vec<f64>,
    /// There is a number in every row.
    whole: bool,
}

/// Pearson's r of all pairs, over the rows where both have a finite number: strongest first.
pub fn correlations(state: &TableState, columns: &[ColumnProfile]) -> Vec<(String, String, f64)> {
    let every = state.kept_rows().div_ceil(ROWS).max(1);
    let weights: Vec<f64> = state.weights().into_iter().step_by(every).collect();
    let numeric: Vec<Standard<'_>> = columns
        .iter()
        .zip(&state.columns)
        .filter(|(shown, _)| {
            matches!(shown.kind, ColumnKind::Integer | ColumnKind::Number) && shown.distinct > 1
        })
        .take(COLUMNS)
        .filter_map(|(shown, column)| {
            let Kept::Numbers(rows) = &column.kept else {
                return None;
            };
            // About the mean, so that products of great numbers keep their digits.
            let (mean, std) = (shown.mean?, shown.std.filter(|std| *std > 0.0)?);
            let scores: Vec<f64> = rows
                .iter()
                .step_by(every)
                .map(|x| (x - mean) / std)
                .map(|z| if z.is_finite() { z } else { f64::NAN })
                .collect();
            Some(Standard {
                name: &shown.name,
                whole: scores.iter().all(|z| !z.is_nan()),
                scores,
            })
        })
        .collect();
    let mut found = Vec::new();
    for (at, a) in numeric.iter().enumerate() {
        for b in &numeric[at + 1..] {
            if let Some(r) = pearson(a, b, &weights).filter(|r| r.abs() >= LEAST) {
                found.push((a.name.to_owned(), b.name.to_owned(), r));
            }
        }
    }
    found.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
    found.truncate(LISTED);
    found
}

fn pearson(a: &Standard<'_>, b: &Standard<'_>, weights: &[f64]) -> Option<f64> {
    let (mut n, mut sum_a, mut sum_b, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    let mut rows = 0u64;
    for ((x, y), weight) in a.scores.iter().zip(&b.scores).zip(weights) {
        if !(a.whole && b.whole) && (x + y).is_nan() {
            continue;
        }
        rows += 1;
        n += weight;
        sum_a += weight * x;
        sum_b += weight * y;
        aa += weight * x * x;
        bb += weight * y * y;
        ab += weight * x * y;
    }
    let (var_a, var_b) = (aa - sum_a * sum_a / n, bb - sum_b * sum_b / n);
    (rows >= 3 && var_a > 1e-12 && var_b > 1e-12)
        .then(|| ((ab - sum_a * sum_b / n) / (var_a * var_b).sqrt()).clamp(-1.0, 1.0))
}
