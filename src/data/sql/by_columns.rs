//! Which statements are answered without SQLite's rows: by columns where every expression is understood, else in parts on
//! several connections, where each row is looked at alone. SQLite has checked the statement before, and says what the
//! result's columns are called.

use super::evaluate::Plan;
use super::shape::{Shape, shape};
use super::{collect, connect, declared};
use crate::data::in_order::threads;
use crate::data::{Frame, Result};
use rusqlite::Statement;

/// Fewer rows than this are not worth a second connection.
const FEW: usize = 50_000;

/// The answer to a statement that looks at one row at a time; none when SQLite is to give it.
pub(super) fn answer(
    tables: &[(String, Frame)],
    statement: &str,
    select: &Statement<'_>,
) -> Result<Option<Frame>> {
    let Some(shape) = shape(statement) else {
        return Ok(None);
    };
    let mut named = tables
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case(&shape.table));
    let (Some((name, frame)), None) = (named.next(), named.next()) else {
        return Ok(None);
    };
    if let Some(answer) = by_columns(&shape, frame, select)? {
        return Ok(Some(answer));
    }
    Ok(in_parts(name, frame, statement))
}

fn by_columns(shape: &Shape, frame: &Frame, select: &Statement<'_>) -> Result<Option<Frame>> {
    // SQLite works constants out before it looks for rows, and may refuse one that no row would bring here
    if frame.rows() == 0 {
        return Ok(None);
    }
    let Some(plan) = Plan::of(shape, &frame.names()) else {
        return Ok(None);
    };
    let columns: Vec<_> = select.columns().collect();
    let alike = columns.len() == plan.width()
        && columns.iter().enumerate().all(|(at, column)| {
            let is_plain = column.decl_type().and_then(declared).is_some();
            is_plain == plan.is_plain(at)
        });
    if !alike {
        return Ok(None);
    }
    let Some((arrays, rows)) = plan.run(frame) else {
        return Ok(None);
    };
    let named = columns
        .iter()
        .map(|column| column.name().to_owned())
        .zip(arrays)
        .collect();
    Frame::from_columns_of(named, rows).map(Some)
}

/// The statement over parts of the table, each by a thread with its own connection. None when there are few rows, or when
/// a part fails: then the whole is asked, which says what is wrong with its row.
fn in_parts(name: &str, frame: &Frame, statement: &str) -> Option<Frame> {
    let threads = threads();
    if threads == 1 || frame.rows() < FEW {
        return None;
    }
    let share = frame.rows().div_ceil(threads);
    let part = |number: usize| -> Option<Frame> {
        let from = (number * share).min(frame.rows());
        let rows = share.min(frame.rows() - from);
        let slice = Frame {
            batch: frame.batch.slice(from, rows),
        };
        let tables = [(name.to_owned(), slice)];
        let connection = connect(&tables).ok()?;
        let mut select = connection.prepare(statement).ok()?;
        collect(&mut select).ok()
    };
    let parts: Vec<Option<Frame>> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|number| scope.spawn(move || part(number)))
            .collect();
        let first = part(0);
        let others = others.into_iter().map(|other| other.join().ok().flatten());
        std::iter::once(first).chain(others).collect()
    });
    let parts = parts.into_iter().collect::<Option<Vec<Frame>>>()?;
    Frame::concat(&parts).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::prepared;
    use super::*;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;
    use arrow_array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };
    use proptest::prelude::*;
    use std::sync::Arc;

    /// What SQLite itself answers, and what the columns answer, if they do.
    fn both(frame: &Frame, statement: &str) -> (std::result::Result<Frame, String>, Option<Frame>) {
        let tables = [("t".to_owned(), frame.clone())];
        let connection = connect(&tables).unwrap();
        let Ok(mut select) = prepared(&connection, &tables, statement) else {
            return (Err("no statement".to_owned()), None);
        };
        let Some(shape) = shape(statement) else {
            return (Err("another shape".to_owned()), None);
        };
        let ours = by_columns(&shape, frame, &select).unwrap();
        let theirs = collect(&mut select).map_err(|_| "refused".to_owned());
        (
            theirs.map(|frame| unsigned(&frame)),
            ours.map(|frame| unsigned(&frame)),
        )
    }

    /// Zero has no sign in SQL, and SQLite keeps one for some constants.
    fn unsigned(frame: &Frame) -> Frame {
        let columns = frame.names().into_iter().map(|name| {
            let column = frame.column(&name).unwrap();
            let column = match column.as_primitive_opt::<Float64Type>() {
                Some(numbers) => Arc::new(numbers.unary::<_, Float64Type>(|value| value + 0.0)),
                None => Arc::clone(column),
            };
            (name, column)
        });
        Frame::from_columns(columns.collect()).unwrap()
    }

    fn in_any_order(frame: &Frame) -> Vec<String> {
        let columns: Vec<_> = frame
            .names()
            .iter()
            .map(|name| Arc::clone(frame.column(name).unwrap()))
            .collect();
        let mut rows: Vec<String> = (0..frame.rows())
            .map(|row| {
                let cells = columns.iter().map(|column| column.slice(row, 1));
                format!("{:?}", cells.collect::<Vec<_>>())
            })
            .collect();
        rows.sort_unstable();
        rows
    }

    fn frame(rows: &[Row]) -> Frame {
        let column = |array: ArrayRef, name: &str| (name.to_owned(), array);
        let times: TimestampMicrosecondArray = rows
            .iter()
            .map(|row| row.3.map(|at| at * 1_000_003))
            .collect();
        Frame::from_columns(vec![
            column(
                Arc::new(rows.iter().map(|row| row.0).collect::<Int64Array>()),
                "i",
            ),
            column(
                Arc::new(rows.iter().map(|row| row.1).collect::<Float64Array>()),
                "n",
            ),
            column(
                Arc::new(rows.iter().map(|row| row.2).collect::<BooleanArray>()),
                "b",
            ),
            column(Arc::new(times.with_timezone("UTC")), "at"),
            column(
                Arc::new(
                    rows.iter()
                        .map(|row| row.4.clone())
                        .collect::<StringArray>(),
                ),
                "s",
            ),
            column(
                Arc::new(rows.iter().map(|row| row.5).collect::<Int64Array>()),
                "j",
            ),
            column(
                Arc::new(rows.iter().map(|row| row.6).collect::<Float64Array>()),
                "m",
            ),
        ])
        .unwrap()
    }

    type Row = (
        Option<i64>,
        Option<f64>,
        Option<bool>,
        Option<i64>,
        Option<String>,
        Option<i64>,
        Option<f64>,
    );

    fn whole() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![
            Just(None),
            (-4i64..5).prop_map(Some),
            (-4i64..5).prop_map(Some),
            prop_oneof![
                Just(i64::MAX),
                Just(i64::MIN),
                Just(1 << 53),
                Just((1 << 53) + 1),
                any::<i64>()
            ]
            .prop_map(Some),
        ]
    }

    fn number() -> impl Strategy<Value = Option<f64>> {
        prop_oneof![
            Just(None),
            (-4i32..5).prop_map(|n| Some(f64::from(n) / 2.0)),
            (-4i32..5).prop_map(|n| Some(f64::from(n))),
            prop_oneof![
                Just(f64::NAN),
                Just(f64::INFINITY),
                Just(f64::NEG_INFINITY),
                Just(-0.0),
                Just(9.007199254740993e15),
                any::<f64>()
            ]
            .prop_map(Some),
        ]
    }

    fn rows() -> impl Strategy<Value = Vec<Row>> {
        let text = prop_oneof![
            Just(None),
            prop_oneof!["", "a", "b", "ab", "é", "1"].prop_map(Some)
        ];
        let row = (
            whole(),
            number(),
            any::<Option<bool>>(),
            proptest::option::of(-9_000i64..9_000),
            text,
            whole(),
            number(),
        );
        proptest::collection::vec(row, 0..12)
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just("i"),
            Just("n"),
            Just("b"),
            Just("at"),
            Just("j"),
            Just("m"),
            Just("n"),
            Just("i"),
            Just("t.n"),
            Just("\"J\""),
            Just("0"),
            Just("1"),
            Just("-2"),
            Just("2.5"),
            Just("0.0"),
            Just("3"),
            Just("1e300"),
            Just("null"),
            Just("s"),
            Just("'a'"),
        ]
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 3, |inner| {
            let two = prop_oneof![
                Just("+"), Just("-"), Just("*"), Just("/"), Just("%"), Just("<"), Just("<="), Just(">"), Just(">="), Just("="),
                Just("<>"), Just("and"), Just("or"), Just("is"), Just("is not"), Just("=="), Just("!="),
            ];
            prop_oneof![
                6 => (inner.clone(), two.clone(), inner.clone()).prop_map(|(a, op, b)| format!("({a} {op} {b})")),
                2 => (inner.clone(), two, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
                1 => inner.clone().prop_map(|a| format!("- {a}")),
                1 => inner.clone().prop_map(|a| format!("+{a}")),
                1 => inner.clone().prop_map(|a| format!("not {a}")),
                1 => inner.clone().prop_map(|a| format!("({a}) is null")),
                1 => inner.clone().prop_map(|a| format!("({a}) not null")),
                1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("(({a}) between {b} and {c})")),
                1 => (inner.clone(), any::<bool>()).prop_map(|(a, not)| format!("({a}) {} in (1, 2.5, 0)", if not { "not" } else { "" })),
                1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("case when {a} then {b} else {c} end")),
                1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("case ({a}) when {b} then {c} end")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("coalesce({a}, {b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("nullif({a}, {b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("min({a}, {b})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("max({a}, {b})")),
                1 => (inner.clone(), inner.clone(), inner.clone()).prop_map(|(a, b, c)| format!("iif({a}, {b}, {c})")),
                1 => inner.clone().prop_map(|a| format!("abs({a})")),
                1 => inner.clone().prop_map(|a| format!("floor({a})")),
                1 => inner.clone().prop_map(|a| format!("sqrt({a})")),
                1 => (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("pow({a}, {b})")),
                1 => inner.clone().prop_map(|a| format!("cast({a} as integer)")),
                1 => inner.clone().prop_map(|a| format!("cast({a} as real)")),
                1 => Just("hour(at)".to_owned()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(
            std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(1_500)
        ))]

        #[test]
        fn columns_answer_what_sqlite_answers(rows in rows(), one in expression(), two in expression(), filter in proptest::option::of(expression())) {
            let frame = frame(&rows);
            let filter = filter.map_or_else(String::new, |filter| format!(" where {filter}"));
            let statement = format!("select {one} as x, {two} as y, n, at from t{filter}");
            let (theirs, ours) = both(&frame, &statement);
            match (theirs, ours) {
                // of a column that is in a list, SQLite finds the rows value by value
                (Ok(theirs), Some(ours)) if filter.contains(" in (") => {
                    prop_assert_eq!(in_any_order(&ours), in_any_order(&theirs), "{}", statement);
                }
                (Ok(theirs), Some(ours)) => prop_assert_eq!(ours, theirs, "{}", statement),
                (Err(error), Some(_)) => prop_assert!(false, "SQLite refuses what the columns answer: {statement}: {error}"),
                (_, None) => {}
            }
        }
    }

    #[test]
    fn a_constant_that_is_refused_is_refused_without_rows_too() {
        let (theirs, ours) = both(
            &frame(&[]),
            "select i, n, at from t where (pow(0, 'a') + 0)",
        );
        assert!(theirs.is_err() && ours.is_none());
    }

    #[test]
    fn a_whole_number_beyond_what_a_number_holds_stays_itself_beside_numbers() {
        let row = (
            Some(1),
            None,
            None,
            None,
            None,
            Some(9_007_199_254_740_993),
            None,
        );
        for statement in [
            "select iif(i, j, 2.5) as x, n, at from t",
            "select coalesce(j, 2.5) as x, n, at from t",
            "select iif(i, j, 2.5) - iif(i, 1, 0.5) as x, n, at from t",
        ] {
            let (theirs, ours) = both(&frame(std::slice::from_ref(&row)), statement);
            if let Some(ours) = ours {
                assert_eq!(ours, theirs.unwrap(), "{statement}");
            }
        }
    }

    #[test]
    fn plain_arithmetic_is_answered_by_columns() {
        let rows: Vec<Row> = (0..9_000)
            .map(|n| {
                (
                    Some(n),
                    Some(n as f64 / 3.0),
                    Some(n % 2 == 0),
                    Some(n),
                    Some(format!("s{}", n % 3)),
                    None,
                    Some(0.5),
                )
            })
            .collect();
        let frame = frame(&rows);
        for statement in [
            "select n * 2 + m as x, i / 2, i % 7 = 3, n / nullif(i, 0), abs(m - n) from t",
            "select * from t where i > 10 and s = 's1'",
            "select t.*, case when b then 'even' else s end as w from t where n is not null",
            "select coalesce(j, n, 0) c, coalesce(j, 0) d, hour(at) h, sqrt(n), max(n, m) from t",
            "select i from t where i < 0",
            "select j + 1 from t",
        ] {
            let (theirs, ours) = both(&frame, statement);
            assert_eq!(ours.unwrap(), theirs.unwrap(), "{statement}");
        }
        let tables = [("t".to_owned(), frame.clone())];
        let text = super::super::query(&tables, "select s || 'x' as y, length(s) from T").unwrap();
        assert_eq!(text.rows(), 9_000);
    }

    #[test]
    fn parts_put_together_are_the_whole() {
        let rows: Vec<Row> = (0..120_000)
            .map(|n| {
                (
                    Some(n),
                    (n > 100_000).then_some(0.5),
                    None,
                    Some(n),
                    Some(format!("s{n}")),
                    None,
                    None,
                )
            })
            .collect();
        let frame = frame(&rows);
        let statement = "select upper(s) u, round(n, 1) r, i from t where s like '%7'";
        let tables = [("t".to_owned(), frame.clone())];
        let connection = connect(&tables).unwrap();
        let whole = collect(&mut prepared(&connection, &tables, statement).unwrap())
            .map_err(|_| ())
            .unwrap();
        assert_eq!(in_parts("t", &frame, statement).unwrap(), whole);
        assert_eq!(super::super::query(&tables, statement).unwrap(), whole);
    }
}
