//! Schemas: suggested from data with what was seen, written for people to review, and held against data. A check returns
//! everything that is not as expected; only what makes learning pointless is an error.

mod age;
mod broken;
mod check;
mod column;
mod infer;
mod text;

pub use check::{Checker, Context, check};
pub use infer::{infer, infer_all};
pub use text::{METRICS, parse, write};

/// Where the expectations of a dataset without a schema file come from.
pub const FROZEN: &str = "frozen at first use";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::Frame;
    use crate::domain::dataset::Severity;
    use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
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
