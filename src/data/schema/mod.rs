//! Schemas: suggested from data with what was seen, written for people to review, and held against data. A check returns
//! everything that is not as expected; only what makes learning pointless is an error.

mod age;
mod broken;
mod check;
mod column;
mod infer;
mod text;

pub use check::{Checker, Context, check};
pub use infer::{infer, infer_files, infer_frame, infer_table};
pub use text::{METRICS, parse, write};

/// Where the expectations of a dataset without a schema file come from.
pub const FROZEN: &str = "frozen at first use";

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::Frame;
    use crate::domain::dataset::{Environment, Rule, Schema, Severity, Violation};
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
    fn files_suggest_what_their_rows_in_memory_do() {
        let folder = tempfile::tempdir().unwrap();
        let rows = 30_000i64;
        let text = |row: i64| format!("k{}", row * 7_919 % 30_011);
        let whole = Frame::from_columns(vec![
            (
                "id".into(),
                Arc::new(Int64Array::from_iter_values(0..rows)) as ArrayRef,
            ),
            (
                "key".into(),
                Arc::new(StringArray::from_iter_values((0..rows).map(text))),
            ),
            (
                "nearly".into(),
                Arc::new(StringArray::from_iter_values(
                    (0..rows).map(|row| text(row.max(1))),
                )),
            ),
            (
                "n".into(),
                Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row % 5))),
            ),
        ])
        .unwrap();
        let expected = infer_frame(&whole, Some(0)).unwrap();
        let unique = |schema: &Schema| -> Vec<bool> {
            schema.columns.iter().map(|column| column.unique).collect()
        };
        assert_eq!(unique(&expected), [true, true, false, false]);
        for name in ["a.csv", "a.jsonl", "a.parquet"] {
            let path = folder.path().join(name);
            whole.write(&path).unwrap();
            let files = [path.clone()];
            let (found, count) = infer_files(&files, Some(0), &|_, _| Ok(())).unwrap();
            assert_eq!((&found, count), (&expected, 30_000), "{name}");
            let (found, _) = infer_table(&files, Some(0), &|_| Ok(())).unwrap();
            assert_eq!(found, expected, "{name}");
            // what comes again in another file comes twice
            let (found, _) = infer_files(&[path.clone(), path], Some(0), &|_, _| Ok(())).unwrap();
            assert_eq!(unique(&found), [false; 4], "{name}");
        }
    }

    #[test]
    fn how_bad_a_leak_is_comes_back_as_it_was_written() {
        let schema = Schema {
            leaks: Some(Severity::Warning),
            ..infer(&frame())
        };
        assert_eq!(parse(&write(&schema)).unwrap().leaks, schema.leaks);
        assert!(parse("leaks = \"never\"").is_err());
    }

    #[test]
    fn a_file_is_checked_in_pieces_as_it_is_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let rows = 90_000i64;
        let whole = Frame::from_columns(vec![
            (
                "n".into(),
                Arc::new(Int64Array::from_iter(
                    (0..rows).map(|row| (row % 40_000 > 0).then_some(row % 1_000)),
                )) as ArrayRef,
            ),
            (
                "c".into(),
                Arc::new(StringArray::from_iter_values(
                    (0..rows).map(|row| if row == 85_000 { "q" } else { "a" }),
                )),
            ),
        ])
        .unwrap();
        let path = folder.path().join("a.csv");
        whole.write(&path).unwrap();
        let text = "[[columns]]\nname = \"n\"\nkind = \"integer\"\nnullable = false\nmax = 998\n\
                    [[columns]]\nname = \"c\"\nkind = \"text\"\nnullable = false\ndomain = [\"a\"]\n";
        let schema = parse(text).unwrap();
        let mut pieces = Checker::new(&schema, Context::default()).unwrap();
        assert_eq!(pieces.take_file("a", &path).unwrap(), 90_000);
        assert_eq!(pieces.take_file("b", &path).unwrap(), 90_000);
        let pieces = pieces.finish();
        let expected = said(
            &schema,
            Context::default(),
            &[("a", whole.clone()), ("b", whole)],
        );
        assert_eq!(pieces, expected);
        assert_eq!(
            expected[0].sample_rows,
            [1, 40_001, 80_001, 90_001, 130_001]
        );
        assert_eq!(expected[2].samples[0].row, 85_001);
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
                    one.column.as_deref().unwrap_or_default(),
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
                ("", "too_few_rows", Severity::Warning, 3, &[][..]),
                ("id", "wrong_type", Severity::Error, 3, &[1, 2, 3]),
                ("n", "out_of_range", Severity::Warning, 2, &[2, 3]),
                ("x", "too_many_nulls", Severity::Error, 2, &[1, 3]),
                ("x", "infinite", Severity::Warning, 1, &[2]),
                ("c", "missing_column", Severity::Error, 3, &[]),
                ("new", "unexpected_column", Severity::Warning, 3, &[]),
            ]
        );
        assert!(
            found[2].detail.contains("-99") && found[2].detail.contains("11"),
            "{}",
            found[2].detail
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

    /// The violations' columns (or rules) and rules.
    fn said(schema: &Schema, context: Context<'_>, files: &[(&str, Frame)]) -> Vec<Violation> {
        let mut checker = Checker::new(schema, context).unwrap();
        for (name, frame) in files {
            checker.take(name, frame).unwrap();
        }
        checker.finish()
    }

    fn one(name: &str, column: ArrayRef) -> Frame {
        Frame::from_columns(vec![(name.to_owned(), column)]).unwrap()
    }

    #[test]
    fn what_is_written_for_people_is_read_back() {
        let mut schema = infer(&frame());
        schema.environments.insert(
            "serving".into(),
            Environment {
                without: vec!["c".into()],
            },
        );
        schema.rules.push(Rule {
            name: "x \"low\"".into(),
            sql: "x < 'a'".into(),
            at_least: 0.99,
            slice: Some("n > 3".into()),
            severity: Severity::Warning,
            in_environment: Vec::new(),
            because: vec!["a\nb".into()],
        });
        let text = write(&schema);
        let back = parse(&text).unwrap();
        assert_eq!(write(&back), text);
        assert_eq!(back.rules, schema.rules);
        assert_eq!(back.columns[3], schema.columns[3]);
        assert_eq!(
            check(&frame(), &parse(&write(&infer(&frame()))).unwrap()),
            []
        );
        assert!(text.contains("all 200 values are different"), "{text}");
    }

    #[test]
    fn a_schema_with_a_slip_is_refused_by_name() {
        for (text, words) in [
            (
                "[[columns]]\nname = \"a\"\nkind = \"text\"\nnulable = true",
                "`a` has no key `nulable`",
            ),
            (
                "[[columns]]\nname = \"a\"\nkind = \"word\"\nnullable = true",
                "word",
            ),
            (
                "[[columns]]\nname = \"a\"\nkind = \"time\"\nmax_age = \"soon\"",
                "max_age is `soon`",
            ),
            (
                "[[columns]]\nname = \"a\"\nkind = \"number\"\nmin = 3.0\nmax = 1.0",
                "above max",
            ),
            (
                "[[rule]]\nname = \"r\"\nsql = \"1\"\nat_least = 99.0",
                "between 0 and 1",
            ),
            (
                "[[history]]\nmetric = \"median\"\nstrategy = \"running\"",
                "`median`",
            ),
            ("columns = 3", "columns"),
            ("[rows", "TOML"),
        ] {
            let error = parse(text).unwrap_err().0;
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn the_label_may_be_absent_where_it_is_served() {
        let text = "[environments.serving]\nwithout = [\"late\"]\n[[columns]]\nname = \"a\"\nkind = \"integer\"\n\
                    [[columns]]\nname = \"late\"\nkind = \"boolean\"\n";
        let schema = parse(text).unwrap();
        let served = [("", one("a", Arc::new(Int64Array::from(vec![1]))))];
        let context = |environment| Context {
            environment,
            ..Context::default()
        };
        assert_eq!(
            said(&schema, context(None), &served)[0].rule,
            "missing_column"
        );
        assert_eq!(said(&schema, context(Some("serving")), &served), []);
        let error = Checker::new(&schema, context(Some("sering")))
            .err()
            .unwrap()
            .0;
        assert!(
            error.contains("`sering`") && error.contains("`serving`"),
            "{error}"
        );
    }

    #[test]
    fn rows_are_told_with_their_file_and_what_they_hold() {
        let text = "[[columns]]\nname = \"n\"\nkind = \"integer\"\nmax = 10.0\nunique = true\nbecause = [\"seen 1 to 9\"]";
        let schema = parse(text).unwrap();
        let files = [
            ("a.csv", one("n", Arc::new(Int64Array::from(vec![1, 2])))),
            ("b.csv", one("n", Arc::new(Int64Array::from(vec![11, 2])))),
        ];
        let context = Context {
            origin: "s.toml",
            ..Context::default()
        };
        let found = said(&schema, context, &files);
        assert_eq!(found.len(), 2, "{found:#?}");
        assert_eq!(
            (found[0].rule.as_str(), found[0].sample_rows.as_slice()),
            ("out_of_range", &[3][..])
        );
        let sample = &found[0].samples[0];
        assert_eq!(
            (sample.file.as_str(), sample.row, sample.value.as_deref()),
            ("b.csv", 1, Some("11"))
        );
        assert_eq!(found[0].limit_from.as_deref(), Some("s.toml: seen 1 to 9"));
        assert_eq!(
            (found[0].share, found[0].limit.as_deref()),
            (0.25, Some("any to 10"))
        );
        assert_eq!(
            (found[1].rule.as_str(), found[1].samples[0].row),
            ("not_unique", 2)
        );
    }

    #[test]
    fn rules_and_slices_are_sql() {
        let text = "[[columns]]\nname = \"x\"\nkind = \"number\"\nnullable = true\n\
                    [[columns]]\nname = \"c\"\nkind = \"text\"\n\
                    [[columns]]\nname = \"x\"\nkind = \"number\"\nwhere = \"c = 'HA'\"\nmax = 5.0\n\
                    [[rule]]\nname = \"x is small\"\nsql = \"x < 100 -- always\"\n\
                    [[rule]]\nname = \"mostly\"\nsql = \"x < 8\"\nat_least = 0.5\n\
                    [[rule]]\nname = \"elsewhere\"\nsql = \"x < 8\"\nwhere = \"c <> 'HA'\"\n";
        let schema = parse(text).unwrap();
        let rows = Frame::from_columns(vec![
            (
                "x".into(),
                Arc::new(Float64Array::from(vec![
                    Some(9.0),
                    Some(7.0),
                    None,
                    Some(9.5),
                ])) as ArrayRef,
            ),
            (
                "c".into(),
                Arc::new(StringArray::from(vec!["HA", "UA", "UA", "UA"])),
            ),
        ])
        .unwrap();
        let found = said(&schema, Context::default(), &[("f", rows.clone())]);
        let told: Vec<(&str, &[u64], u64)> = found
            .iter()
            .map(|one| (one.rule.as_str(), one.sample_rows.as_slice(), one.of))
            .collect();
        // null keeps a rule; `mostly` holds for enough rows
        assert_eq!(
            told,
            [("out_of_range", &[1][..], 1), ("elsewhere", &[4], 3)]
        );
        assert_eq!(found[0].slice.as_deref(), Some("c = 'HA'"));
        assert!(
            found[1].samples[0]
                .value
                .as_deref()
                .unwrap()
                .contains("x = 9.5")
        );
        let lacking = rows.select(&["c".into()]).unwrap();
        let found = said(&schema, Context::default(), &[("f", lacking)]);
        assert_eq!(found[0].rule, "missing_column");
        assert!(
            found[1].detail.contains("cannot be looked at"),
            "{found:#?}"
        );
        let wrong = parse("[[rule]]\nname = \"typo\"\nsql = \"xx < 8\"").unwrap();
        let error = Checker::new(&wrong, Context::default())
            .unwrap()
            .take("f", &rows)
            .unwrap_err()
            .0;
        assert!(error.contains("`typo`") && error.contains("xx"), "{error}");
    }

    #[test]
    fn ages_and_the_future_are_held_against_now() {
        const HOUR: i64 = 3_600_000_000;
        let times = |hours: &[i64]| {
            let times = arrow_array::TimestampMicrosecondArray::from_iter_values(
                hours.iter().map(|h| h * HOUR),
            );
            one("at", Arc::new(times) as ArrayRef)
        };
        let seen = times(&[1_000, 1_020]);
        let schema = infer_frame(&seen, Some(1_030 * HOUR)).unwrap();
        assert_eq!(schema.columns[0].max_age.as_deref(), Some("2d"));
        let at = |hours: i64| Context {
            now: Some(hours * HOUR),
            ..Context::default()
        };
        assert_eq!(said(&schema, at(1_040), &[("", seen.clone())]), []);
        let found = said(&schema, at(1_100), &[("", seen.clone())]);
        assert_eq!(found[0].rule, "not_fresh");
        assert!(found[0].detail.contains("3d old"), "{}", found[0].detail);
        let found = said(&schema, at(1_010), &[("", seen)]);
        assert_eq!(
            (found[0].rule.as_str(), found[0].sample_rows.as_slice()),
            ("in_the_future", &[2][..])
        );
        // data that stopped long ago gets no limit
        let old = infer_frame(&times(&[5]), Some(100_000 * HOUR)).unwrap();
        assert_eq!(old.columns[0].max_age, None);
    }

    #[test]
    fn texts_without_a_domain_have_lengths_or_a_share_in_one() {
        let codes: Vec<String> = (0..300).map(|i| format!("N{i:03}")).collect();
        let schema = infer(&one("tail", Arc::new(StringArray::from(codes))));
        let tail = &schema.columns[0];
        assert!(tail.unique && tail.domain.is_none());
        assert_eq!((tail.min_length, tail.max_length), (Some(4), Some(4)));
        let mostly: Vec<String> = (0..3_000)
            .map(|i| {
                if i % 20 == 0 {
                    format!("rare{i}")
                } else {
                    format!("k{}", i % 7)
                }
            })
            .collect();
        let frame = one("k", Arc::new(StringArray::from(mostly)));
        let schema = infer(&frame);
        let mass = schema.columns[0].min_domain_mass.unwrap();
        assert!((0.85..0.95).contains(&mass), "{mass}");
        assert_eq!(check(&frame, &schema), []);
        let strange = one("k", Arc::new(StringArray::from(vec!["?"; 2_000])));
        assert_eq!(check(&strange, &schema)[0].rule, "not_in_domain");
    }
}
