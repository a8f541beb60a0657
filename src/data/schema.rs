//! Schemas: inferred from data, written for people to review, and checked against data.
//! A check returns everything that is not as expected; only what makes learning pointless is an error.

use super::Frame;
use super::frame::{number_text, quoted, texts};
use crate::domain::dataset::{ColumnKind, ColumnSpec, Expectation, Schema, Severity, Violation};
use arrow_array::Array;
use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use std::collections::BTreeSet;

/// Text with at most this many values, each seen five times on average, has a domain.
const DOMAIN: usize = 100;
/// Added to each side of the range that was seen, as a share of its width.
const MARGIN: f64 = 0.1;

/// Where the expectations of a dataset without a schema file come from.
pub const FROZEN: &str = "frozen at first use";

/// What `frame` suggests: types, nullability, ranges (a tenth wider on each side, but never past zero when no value
/// was), domains of text with few values, and a limit for nulls half as great again plus five points.
/// Identifiers (whole numbers that never repeat) and times get no range: they move on.
pub fn infer(frame: &Frame) -> Schema {
    let columns = frame
        .names()
        .into_iter()
        .filter_map(|name| {
            let kind = frame.kind(&name).ok()?;
            let column = frame.column(&name).ok()?;
            Some(expectation(frame, name, kind, column))
        })
        .collect();
    Schema {
        columns,
        ..Schema::default()
    }
}

fn expectation(frame: &Frame, name: String, kind: ColumnKind, column: &ArrayRef) -> Expectation {
    let rows = column.len();
    let missing = (0..rows).filter(|row| is_missing(column, *row)).count();
    let share = missing as f64 / rows.max(1) as f64;
    let (mut min, mut max, mut domain) = (None, None, None);
    match kind {
        ColumnKind::Integer | ColumnKind::Number => {
            let values: Vec<f64> = frame
                .numbers(&name)
                .unwrap_or_default()
                .into_iter()
                .filter(|value| value.is_finite())
                .collect();
            let distinct: BTreeSet<u64> = values.iter().map(|value| value.to_bits()).collect();
            let identifies = kind == ColumnKind::Integer
                && values.len() > DOMAIN
                && distinct.len() == values.len();
            if !identifies
                && let (Some(least), Some(greatest)) = (
                    values.iter().copied().reduce(f64::min),
                    values.iter().copied().reduce(f64::max),
                )
            {
                (min, max) = widened(least, greatest, kind);
            }
        }
        ColumnKind::Text => {
            let values: BTreeSet<&str> = column.as_string::<i32>().iter().flatten().collect();
            if !values.is_empty() && values.len() <= DOMAIN && values.len() * 5 <= rows - missing {
                domain = Some(values.into_iter().map(str::to_owned).collect());
            }
        }
        ColumnKind::Boolean | ColumnKind::Time => {}
    }
    Expectation {
        column: ColumnSpec {
            name,
            kind,
            nullable: missing > 0,
        },
        min,
        max,
        domain,
        max_null_share: (missing > 0).then(|| (share * 1.5 + 0.05).min(1.0)),
        ..Expectation::default()
    }
}

fn widened(least: f64, greatest: f64, kind: ColumnKind) -> (Option<f64>, Option<f64>) {
    let margin = (greatest - least) * MARGIN;
    let (mut low, mut high) = (least - margin, greatest + margin);
    if least >= 0.0 {
        low = low.max(0.0);
    }
    if greatest <= 0.0 {
        high = high.min(0.0);
    }
    if kind == ColumnKind::Integer {
        (low, high) = (low.floor(), high.ceil());
    }
    (
        low.is_finite().then_some(low),
        high.is_finite().then_some(high),
    )
}

fn is_missing(column: &ArrayRef, row: usize) -> bool {
    column.is_null(row)
        || column
            .as_primitive_opt::<Float64Type>()
            .is_some_and(|numbers| numbers.value(row).is_nan())
}

/// Everything in `frame` that `schema` does not expect.
pub fn check(frame: &Frame, schema: &Schema) -> Vec<Violation> {
    let mut found = Vec::new();
    for expected in &schema.columns {
        match frame.column(&expected.column.name) {
            Ok(column) => check_column(frame, column, expected, &mut found),
            Err(_) => found.push(Violation {
                column: Some(expected.column.name.clone()),
                rule: "missing_column".to_owned(),
                severity: Severity::Error,
                detail: format!(
                    "the schema has a {} column `{}`, the data has not",
                    expected.column.kind, expected.column.name
                ),
                count: frame.rows() as u64,
                of: frame.rows() as u64,
                share: 1.0,
                sample_rows: Vec::new(),
                samples: Vec::new(),
                limit: None,
                limit_from: None,
                slice: None,
            }),
        }
    }
    for name in frame.names() {
        if !schema
            .columns
            .iter()
            .any(|expected| expected.column.name == name)
        {
            found.push(Violation {
                detail: format!("the data has a column `{name}`, the schema has not"),
                column: Some(name),
                rule: "unexpected_column".to_owned(),
                severity: Severity::Warning,
                count: frame.rows() as u64,
                of: frame.rows() as u64,
                share: 1.0,
                sample_rows: Vec::new(),
                samples: Vec::new(),
                limit: None,
                limit_from: None,
                slice: None,
            });
        }
    }
    found
}

/// Rows that break one rule: how many, and the first five, counted from 1.
#[derive(Default)]
struct Broken {
    count: u64,
    sample: Vec<u64>,
}

impl Broken {
    fn of(rows: impl Iterator<Item = usize>) -> Self {
        let mut broken = Self::default();
        for row in rows {
            broken.count += 1;
            if broken.sample.len() < 5 {
                broken.sample.push(row as u64 + 1);
            }
        }
        broken
    }
}

fn check_column(
    frame: &Frame,
    column: &ArrayRef,
    expected: &Expectation,
    found: &mut Vec<Violation>,
) {
    let name = &expected.column.name;
    let rows = column.len();
    let mut report = |rule: &str, severity: Severity, broken: Broken, detail: String| {
        if broken.count > 0 {
            found.push(Violation {
                column: Some(name.clone()),
                rule: rule.to_owned(),
                severity,
                detail,
                count: broken.count,
                of: rows as u64,
                share: broken.count as f64 / rows.max(1) as f64,
                sample_rows: broken.sample,
                samples: Vec::new(),
                limit: None,
                limit_from: None,
                slice: None,
            });
        }
    };
    let missing = Broken::of((0..rows).filter(|row| is_missing(column, *row)));
    let all_missing = missing.count == rows as u64;
    let share = missing.count as f64 / rows.max(1) as f64;
    let limit = match expected.max_null_share {
        Some(limit) => limit,
        None if expected.column.nullable => 1.0,
        None => 0.0,
    };
    if share > limit {
        // A column of mostly nulls that was not one before teaches something else than it did.
        let severity = if share >= 0.5 {
            Severity::Error
        } else {
            Severity::Warning
        };
        let detail = format!(
            "{} of {rows} values are missing ({:.1} %); the schema allows {:.1} %",
            missing.count,
            share * 100.0,
            limit * 100.0
        );
        report("too_many_nulls", severity, missing, detail);
    }
    let Ok(kind) = frame.kind(name) else { return };
    let wanted = expected.column.kind;
    if all_missing {
        return;
    }
    let numbers = frame.numbers(name).unwrap_or_default();
    let wrong = match (wanted, kind) {
        _ if wanted == kind => Broken::default(),
        (ColumnKind::Number, ColumnKind::Integer) => Broken::default(),
        (ColumnKind::Integer, ColumnKind::Number) => Broken::of(
            numbers
                .iter()
                .enumerate()
                .filter(|(_, value)| !value.is_nan() && value.fract() != 0.0)
                .map(|(row, _)| row),
        ),
        (ColumnKind::Boolean, ColumnKind::Integer) => Broken::of(
            numbers
                .iter()
                .enumerate()
                .filter(|(_, value)| ![0.0, 1.0].contains(*value) && !value.is_nan())
                .map(|(row, _)| row),
        ),
        _ => Broken::of((0..rows).filter(|row| !is_missing(column, *row))),
    };
    if wrong.count > 0 {
        report(
            "wrong_type",
            Severity::Error,
            wrong,
            format!("`{name}` is {kind}; the schema says {wanted}"),
        );
        return;
    }
    if matches!(kind, ColumnKind::Integer | ColumnKind::Number) {
        let outside = |row: &usize| {
            let value = numbers[*row];
            value.is_finite()
                && (expected.min.is_some_and(|min| value < min)
                    || expected.max.is_some_and(|max| value > max))
        };
        let broken = Broken::of((0..rows).filter(outside));
        let seen = |pick: fn(f64, f64) -> f64| {
            numbers
                .iter()
                .copied()
                .filter(|value| value.is_finite())
                .reduce(pick)
                .map_or_else(String::new, number_text)
        };
        let bound = |limit: Option<f64>| limit.map_or_else(|| "any".to_owned(), number_text);
        let detail = format!(
            "values reach from {} to {}; the schema allows {} to {}",
            seen(f64::min),
            seen(f64::max),
            bound(expected.min),
            bound(expected.max)
        );
        report("out_of_range", Severity::Warning, broken, detail);
        let infinite = Broken::of((0..rows).filter(|row| numbers[*row].is_infinite()));
        report(
            "infinite",
            Severity::Warning,
            infinite,
            "infinite values; nothing can be computed from them".to_owned(),
        );
    }
    if let Some(domain) = &expected.domain {
        let domain: BTreeSet<&str> = domain.iter().map(String::as_str).collect();
        let values = texts(column);
        let mut unknown: BTreeSet<String> = BTreeSet::new();
        let broken = Broken::of(values.iter().enumerate().filter_map(|(row, value)| {
            let value = value.as_deref().filter(|value| !domain.contains(value))?;
            if unknown.len() < 5 {
                unknown.insert(value.to_owned());
            }
            Some(row)
        }));
        let unknown: Vec<String> = unknown.into_iter().collect();
        let detail = format!(
            "values such as {} are not among the {} of the schema",
            quoted(&unknown),
            domain.len()
        );
        report("not_in_domain", Severity::Warning, broken, detail);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow_array::{Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    fn frame() -> Frame {
        let rows = 0..200i64;
        Frame::from_columns(vec![
            (
                "id".into(),
                Arc::new(Int64Array::from_iter_values(rows.clone())) as ArrayRef,
            ),
            (
                "n".into(),
                Arc::new(Int64Array::from_iter_values(
                    rows.clone().map(|row| row % 11),
                )),
            ),
            (
                "x".into(),
                Arc::new(Float64Array::from_iter(
                    rows.clone()
                        .map(|row| (row % 4 > 0).then_some(row as f64 - 100.0)),
                )),
            ),
            (
                "c".into(),
                Arc::new(StringArray::from_iter_values(
                    rows.map(|row| ["a", "b"][row as usize % 2]),
                )),
            ),
        ])
        .unwrap()
    }

    #[test]
    fn a_schema_accepts_what_it_was_inferred_from() {
        let schema = infer(&frame());
        assert_eq!(check(&frame(), &schema), []);
        assert_eq!((schema.columns[0].min, schema.columns[0].max), (None, None));
        assert_eq!(
            (schema.columns[1].min, schema.columns[1].max),
            (Some(0.0), Some(11.0))
        );
        assert!(schema.columns[2].column.nullable && !schema.columns[1].column.nullable);
        assert_eq!(schema.columns[2].max_null_share, Some(0.425));
        assert_eq!(schema.columns[3].domain, Some(vec!["a".into(), "b".into()]));
    }

    #[test]
    fn every_violation_is_told_with_rows() {
        let schema = infer(&frame());
        let bad = Frame::from_columns(vec![
            (
                "id".into(),
                Arc::new(StringArray::from(vec!["x", "y", "z"])) as ArrayRef,
            ),
            ("n".into(), Arc::new(Int64Array::from(vec![3, 99, -99]))),
            (
                "x".into(),
                Arc::new(Float64Array::from(vec![f64::NAN, f64::INFINITY, f64::NAN])),
            ),
            ("new".into(), Arc::new(Int64Array::from(vec![1, 2, 3]))),
        ])
        .unwrap();
        let found = check(&bad, &schema);
        let rules: Vec<(&str, &str, Severity, u64, &[u64])> = found
            .iter()
            .map(|one| {
                (
                    one.column.as_deref().unwrap(),
                    one.rule.as_str(),
                    one.severity,
                    one.count,
                    one.sample_rows.as_slice(),
                )
            })
            .collect();
        assert_eq!(
            rules,
            [
                ("id", "wrong_type", Severity::Error, 3, &[1, 2, 3][..]),
                ("n", "out_of_range", Severity::Warning, 2, &[2, 3]),
                ("x", "too_many_nulls", Severity::Error, 2, &[1, 3]),
                ("x", "infinite", Severity::Warning, 1, &[2]),
                ("c", "missing_column", Severity::Error, 3, &[]),
                ("new", "unexpected_column", Severity::Warning, 3, &[]),
            ]
        );
        assert!(
            found[1].detail.contains("-99") && found[1].detail.contains("11"),
            "{}",
            found[1].detail
        );
    }

    #[test]
    fn unknown_values_and_whole_numbers_as_numbers() {
        let schema = infer(&frame());
        let other = frame()
            .with(
                "c",
                Arc::new(StringArray::from_iter_values(
                    (0..200).map(|row| if row == 7 { "q" } else { "a" }),
                )),
            )
            .unwrap()
            .with(
                "n",
                Arc::new(Float64Array::from_iter_values((0..200).map(|_| 2.0))),
            )
            .unwrap();
        let found = check(&other, &schema);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].rule, "not_in_domain");
        assert_eq!(found[0].sample_rows, [8]);
        assert!(found[0].detail.contains("`q`"));
    }
}
