//! What is odd about a column, in words.

use super::column::{Column, Values};
use crate::data::instant;
use crate::domain::dataset::ColumnKind;
use crate::domain::profile::{ColumnProfile, Signal};

/// From this share of nulls on, they are worth a word.
const MANY_NULLS: f64 = 0.2;
/// Tukey's far fences: so many ranges between the quartiles beyond them.
const FAR: f64 = 3.0;
/// More categories than a person looks through.
const MANY_CATEGORIES: u64 = 1_000;

/// The warnings of one column; `now` (microseconds): instants after it are in the future.
pub fn about(column: &Column, shown: &ColumnProfile, now: Option<i64>) -> Vec<String> {
    let name = &column.name;
    let mut warnings = Vec::new();
    let values = column.rows - column.nulls;
    if column.rows == 0 {
        return warnings;
    }
    if values == 0 {
        return vec![format!("`{name}` has no values")];
    }
    if shown.distinct == 1 && column.infinities == 0 && column.rows > 1 {
        warnings.push(format!("`{name}` is constant"));
    }
    let share = column.nulls as f64 / column.rows as f64;
    if share > 0.5 {
        warnings.push(format!("`{name}` is mostly null ({:.0} %)", 100.0 * share));
    } else if share >= MANY_NULLS {
        warnings.push(format!("`{name}` has many nulls ({:.0} %)", 100.0 * share));
    }
    if column.infinities > 0 {
        warnings.push(format!(
            "`{name}` has infinite values ({})",
            column.infinities
        ));
    }
    let unique = shown.distinct as f64 >= 0.95 * values as f64 && values >= 20;
    let ascending = matches!(&column.values, Values::Numbers(numbers) if numbers.is_ascending());
    match column.kind {
        ColumnKind::Text if unique => warnings.push(format!(
            "`{name}` looks like an identifier: nearly every value is different"
        )),
        ColumnKind::Text => {
            if shown.distinct > MANY_CATEGORIES {
                warnings.push(format!("`{name}` has many categories ({})", shown.distinct));
            }
            if let Some(what) = disguised(shown) {
                warnings.push(format!("`{name}` is text whose values are {what}"));
            }
        }
        ColumnKind::Integer if unique && ascending => warnings.push(format!(
            "`{name}` looks like an identifier: it rises with every row"
        )),
        ColumnKind::Integer | ColumnKind::Number => {
            if let Some(skewness) = shown.skewness.filter(|skewness| skewness.abs() > 3.0)
                && shown.distinct > 2
            {
                warnings.push(format!("`{name}` is skewed (skewness {skewness:.1})"));
            }
            if let Some(outliers) = outliers(column, shown) {
                warnings.push(outliers);
            }
        }
        ColumnKind::Time => {
            if let Some(newest) = shown.max
                && let Some(now) = now
                && newest > now as f64
                && let Values::Numbers(numbers) = &column.values
            {
                warnings.push(format!(
                    "`{name}` has instants in the future ({}, up to {})",
                    numbers.outside(f64::NEG_INFINITY, now as f64).max(1),
                    instant::format(newest as i64, column.zoned.0)
                ));
            }
            if column.zoned == (true, true) {
                warnings.push(format!(
                    "`{name}` has instants with a zone in some files and without one in others"
                ));
            }
        }
        ColumnKind::Boolean => {}
    }
    warnings
}

/// Texts that are all numbers or all times.
fn disguised(shown: &ColumnProfile) -> Option<&'static str> {
    let texts: Vec<&str> = shown
        .top
        .iter()
        .map(|(text, _)| text.trim())
        .filter(|text| !text.is_empty())
        .collect();
    if texts.len() < 3 {
        return None;
    }
    // digits with a zero in front, or too many, are codes
    let number = |text: &&str| {
        let digits = text.trim_start_matches(['-', '+']);
        text.parse::<f64>().is_ok()
            && digits.len() <= 15
            && (digits == "0" || !digits.starts_with('0') || digits.starts_with("0."))
            && digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
    };
    if texts.iter().all(number) {
        return Some("numbers");
    }
    texts
        .iter()
        .all(|text| instant::parse(text).is_some())
        .then_some("times")
}

fn outliers(column: &Column, shown: &ColumnProfile) -> Option<String> {
    let at = |share: f64| {
        shown
            .quantiles
            .iter()
            .find(|(q, _)| *q == share)
            .map(|(_, value)| *value)
    };
    let (first, third) = (at(0.25)?, at(0.75)?);
    let range = third - first;
    if range <= 0.0 || !range.is_finite() || shown.distinct < 20 {
        return None;
    }
    let Values::Numbers(numbers) = &column.values else {
        return None;
    };
    let (low, high) = (first - FAR * range, third + FAR * range);
    let count = numbers.outside(low, high);
    let share = count as f64 / column.count().max(1) as f64;
    // More than that is a long tail, which skewness tells.
    (count > 0 && share <= 0.01).then(|| {
        format!(
            "`{}` has outliers: {count} values below {} or above {}",
            column.name,
            short(low),
            short(high)
        )
    })
}

fn short(x: f64) -> String {
    if x.abs() >= 1_000.0 || x == x.trunc() {
        format!("{x:.0}")
    } else {
        format!("{x:.3}")
    }
}

/// That a column alone nearly determines the target.
pub fn leak(found: &Signal, target: &str) -> String {
    let mut evidence = vec![format!(
        "it tells {:.0} % of what there is to know",
        100.0 * found.information
    )];
    if let Some(auc) = found.auc {
        evidence.push(format!("AUC alone {auc:.3}"));
    }
    format!(
        "`{}` nearly determines `{target}`: is it known before the outcome? ({})",
        found.column,
        evidence.join(", ")
    )
}
