//! Row expressions, compiled once: the same SQL on one row online as on all rows offline.
//!
//! An expression sees one row and nothing else: no other rows (aggregates, windows, subqueries), no clock, no chance. On
//! many rows it is a `select` over the frame; on one row its inputs are parameters, cast to the types that the columns
//! declare, so that comparisons convert alike. Plain names only: a misspelt name in double quotes is an error and no text.

use super::words::words;
use super::{functions, identifier};
use crate::data::column::Cell;
use crate::data::{Error, Frame, Result};
use crate::domain::dataset::ColumnKind;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSql, ToSqlOutput, Value as Owned, ValueRef};
use serde_json::Value;

/// What the frame is called in the statement over many rows.
const ROWS: &str = "row";

/// Words by which an expression would look past its row.
const BEYOND: [&str; 9] = [
    "select",
    "over",
    "random",
    "randomblob",
    "current_timestamp",
    "current_date",
    "current_time",
    "changes",
    "total_changes",
];

/// Named expressions over named inputs, ready to be evaluated. Belongs to one thread at a time.
pub struct Expressions {
    names: Vec<String>,
    inputs: Vec<(String, ColumnKind)>,
    connection: Connection,
    one: String,
    many: String,
}

impl Expressions {
    /// Compiles `expressions` (name, SQL) over the columns `inputs`.
    /// Fails, naming the expression, when it is not one expression, names an input that is not there, or looks past its row.
    pub fn new(expressions: &[(String, String)], inputs: &[(String, ColumnKind)]) -> Result<Self> {
        let connection = connection()?;
        for (name, expression) in expressions {
            check_in(&connection, expression, Some(inputs))
                .map_err(|error| Error::new(format!("`{name}` = `{expression}`: {error}")))?;
        }
        let list = |named: bool| -> String {
            let each: Vec<String> = expressions
                .iter()
                .map(|(name, expression)| {
                    if named {
                        format!("({expression}\n) as {}", identifier(name))
                    } else {
                        format!("({expression}\n)")
                    }
                })
                .collect();
            each.join(", ")
        };
        let made = Self {
            one: format!("select {} from ({})", list(false), parameters(inputs)),
            many: format!("select {} from {}", list(true), identifier(ROWS)),
            names: expressions.iter().map(|(name, _)| name.clone()).collect(),
            inputs: inputs.to_vec(),
            connection,
        };
        Ok(made)
    }

    /// The names, in order.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The inputs, in order.
    pub fn inputs(&self) -> &[(String, ColumnKind)] {
        &self.inputs
    }

    /// All rows of `frame`, which must have the inputs as columns (others are passed over): a column for each name.
    pub fn rows(&self, frame: &Frame) -> Result<Frame> {
        let names: Vec<String> = self.inputs.iter().map(|(name, _)| name.clone()).collect();
        let inputs = if names.is_empty() {
            // rows without a column: any will do
            frame.clone()
        } else {
            frame.select(&names)?
        };
        super::query(&[(ROWS.to_owned(), inputs)], &self.many)
    }

    /// One row: `values` in the order of the inputs; `out` hears each result with its place among the names.
    pub fn row(&self, values: &[Cell<'_>], out: &mut dyn FnMut(usize, Cell<'_>)) -> Result<()> {
        if values.len() != self.inputs.len() {
            return Err(Error::new(format!(
                "{} values for {} inputs",
                values.len(),
                self.inputs.len()
            )));
        }
        if self.names.is_empty() {
            return Ok(());
        }
        let failed = |error: rusqlite::Error| Error::new(said(error));
        let mut statement = self.connection.prepare_cached(&self.one).map_err(failed)?;
        for (place, value) in values.iter().enumerate() {
            statement
                .raw_bind_parameter(place + 1, Bound(*value))
                .map_err(failed)?;
        }
        let mut rows = statement.raw_query();
        let Some(row) = rows.next().map_err(failed)? else {
            return Err(Error::new("the expressions gave no row"));
        };
        for place in 0..self.names.len() {
            let cell = match row.get_ref(place).map_err(failed)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(value) => Cell::Integer(value),
                ValueRef::Real(value) => Cell::Number(value),
                ValueRef::Text(bytes) => Cell::Text(
                    std::str::from_utf8(bytes)
                        .map_err(|error| Error::new(format!("`{}`: {error}", self.names[place])))?,
                ),
                ValueRef::Blob(_) => {
                    return Err(Error::new(format!(
                        "`{}`: a blob is no value of a feature; cast it",
                        self.names[place]
                    )));
                }
            };
            out(place, cell);
        }
        Ok(())
    }

    /// [`Self::row`] with JSON on both sides: true and false are 1 and 0, a time is its microseconds.
    pub fn json_row(&self, values: &[Value]) -> Result<Vec<Value>> {
        let cells = values
            .iter()
            .zip(&self.inputs)
            .map(|(value, (name, kind))| cell(value, name, *kind))
            .collect::<Result<Vec<Cell<'_>>>>()?;
        let mut results = vec![Value::Null; self.names.len()];
        self.row(&cells, &mut |place, cell| {
            results[place] = match cell {
                Cell::Null => Value::Null,
                Cell::Integer(value) | Cell::Time(value) => value.into(),
                Cell::Number(value) => value.into(),
                Cell::Boolean(value) => value.into(),
                Cell::Text(text) => text.into(),
            };
        })?;
        Ok(results)
    }
}

/// A JSON value as a cell of an input; fails when it is of another type.
fn cell<'v>(value: &'v Value, name: &str, kind: ColumnKind) -> Result<Cell<'v>> {
    let wrong = || {
        let shown: String = value.to_string().chars().take(40).collect();
        Error::new(format!("`{name}` must be a {kind}, it is {shown}"))
    };
    Ok(match (kind, value) {
        (_, Value::Null) => Cell::Null,
        (ColumnKind::Integer, Value::Number(number)) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Cell::Integer(whole),
            (None, Some(real)) if real == real.trunc() && real.abs() < 9e15 => {
                Cell::Integer(real as i64)
            }
            _ => return Err(wrong()),
        },
        (ColumnKind::Number, Value::Number(number)) => {
            Cell::Number(number.as_f64().ok_or_else(wrong)?)
        }
        (ColumnKind::Text, Value::String(text)) => Cell::Text(text),
        (ColumnKind::Boolean, Value::Bool(flag)) => Cell::Boolean(*flag),
        (ColumnKind::Boolean, Value::Number(number)) => match number.as_i64() {
            Some(0) => Cell::Boolean(false),
            Some(1) => Cell::Boolean(true),
            _ => return Err(wrong()),
        },
        (ColumnKind::Time, Value::Number(number)) => Cell::Time(number.as_i64().ok_or_else(wrong)?),
        (ColumnKind::Time, Value::String(text)) => {
            Cell::Time(crate::data::instant::parse(text).ok_or_else(wrong)?.0)
        }
        _ => return Err(wrong()),
    })
}

/// A cell as SQLite takes it: NaN is null.
struct Bound<'a>(Cell<'a>);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Cell::Null => ToSqlOutput::Owned(Owned::Null),
            Cell::Integer(value) | Cell::Time(value) => ToSqlOutput::Owned(Owned::Integer(value)),
            Cell::Boolean(value) => ToSqlOutput::Owned(Owned::Integer(i64::from(value))),
            Cell::Number(value) if value.is_nan() => ToSqlOutput::Owned(Owned::Null),
            Cell::Number(value) => ToSqlOutput::Owned(Owned::Real(value)),
            Cell::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
        })
    }
}

/// Whether `expression` is one expression that sees its row alone; `inputs` none: whatever names it uses.
/// Fails with SQLite's message and, where a name is not there, the names there are.
pub fn check(expression: &str, inputs: Option<&[(String, ColumnKind)]>) -> Result<()> {
    check_in(&connection()?, expression, inputs)
}

fn check_in(
    connection: &Connection,
    expression: &str,
    inputs: Option<&[(String, ColumnKind)]>,
) -> Result<()> {
    let words = words(expression);
    if let Some(word) = words.iter().find(|word| {
        !word.quoted
            && BEYOND
                .iter()
                .any(|beyond| word.text.eq_ignore_ascii_case(beyond))
    }) {
        return Err(Error::new(format!(
            "`{}` looks past the row: an expression sees the values of one row and nothing else; other rows are for `sql` or `windows`",
            word.text
        )));
    }
    let of_row = expression.to_ascii_lowercase();
    if ["'now'", "'localtime'"]
        .iter()
        .any(|word| of_row.contains(word))
    {
        return Err(Error::new(
            "the clock is no value of the row: the same expression must answer the same in training and in serving",
        ));
    }
    let columns = match inputs {
        Some(inputs) => parameters(inputs),
        None => "select 1".to_owned(),
    };
    // no row: an aggregate gives one nevertheless
    let statement = format!("select ({expression}\n) from ({columns}) where 0");
    let mut statement = match connection.prepare(&statement) {
        Ok(statement) => statement,
        Err(error) => {
            let said = said(error);
            let unknown = said.starts_with("no such column");
            return match inputs {
                None if unknown => Ok(()),
                Some(inputs) if unknown => {
                    let names: Vec<String> = inputs.iter().map(|(name, _)| name.clone()).collect();
                    Err(Error::new(format!(
                        "{said}; there are {}",
                        crate::data::frame::quoted(&names)
                    )))
                }
                _ => Err(Error::new(said)),
            };
        }
    };
    if statement.column_count() != 1 || !statement.readonly() {
        return Err(Error::new("it must be one expression"));
    }
    let rows = statement.raw_query().next().map(|row| row.is_some());
    match rows {
        Ok(false) => Ok(()),
        Ok(true) => Err(Error::new(
            "it puts rows together: an expression sees the values of one row; other rows are for `sql` or `windows`",
        )),
        Err(error) => Err(Error::new(said(error))),
    }
}

/// `select cast(?1 as INTEGER) as "a", …`: parameters that compare as the columns of a frame do.
fn parameters(inputs: &[(String, ColumnKind)]) -> String {
    if inputs.is_empty() {
        return "select 1".to_owned();
    }
    let each: Vec<String> = inputs
        .iter()
        .enumerate()
        .map(|(place, (name, kind))| {
            let affinity = match kind {
                ColumnKind::Integer => "INTEGER",
                ColumnKind::Number => "REAL",
                ColumnKind::Text => "TEXT",
                ColumnKind::Boolean | ColumnKind::Time => "NUMERIC",
            };
            format!("cast(?{} as {affinity}) as {}", place + 1, identifier(name))
        })
        .collect();
    format!("select {}", each.join(", "))
}

fn connection() -> Result<Connection> {
    let failed = |error: rusqlite::Error| Error::new(said(error));
    let connection = Connection::open_in_memory().map_err(failed)?;
    for option in [
        DbConfig::SQLITE_DBCONFIG_DQS_DML,
        DbConfig::SQLITE_DBCONFIG_DQS_DDL,
    ] {
        connection.set_db_config(option, false).map_err(failed)?;
    }
    functions::register(&connection).map_err(failed)?;
    Ok(connection)
}

/// What SQLite says, without what rusqlite adds.
fn said(error: rusqlite::Error) -> String {
    match error {
        rusqlite::Error::SqlInputError { msg, .. }
        | rusqlite::Error::SqliteFailure(_, Some(msg)) => msg,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn named(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter()
            .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
            .collect()
    }

    fn inputs() -> Vec<(String, ColumnKind)> {
        [
            ("i", ColumnKind::Integer),
            ("n", ColumnKind::Number),
            ("t", ColumnKind::Text),
            ("b", ColumnKind::Boolean),
        ]
        .map(|(name, kind)| (name.to_owned(), kind))
        .to_vec()
    }

    fn refusal(expression: &str) -> String {
        Expressions::new(&named(&[("x", expression)]), &inputs())
            .err()
            .map(|error| error.0)
            .unwrap_or_default()
    }

    #[test]
    fn what_is_no_expression_of_one_row_is_refused() {
        for (expression, part) in [
            ("i + nn", "no such column: nn; there are `i`, `n`, `t`, `b`"),
            ("i) , (n", "one expression"),
            ("i) from (select 1", "looks past the row"),
            ("sum(i)", "puts rows together"),
            ("avg(i) over ()", "looks past the row"),
            ("(select max(i) from row)", "looks past the row"),
            ("random() + i", "looks past the row"),
            ("julianday('now')", "clock"),
            ("i +", "syntax error"),
            ("nosuch(i)", "no such function: nosuch"),
            ("\"nn\" || t", "no such column"),
        ] {
            let said = refusal(expression);
            assert!(said.contains(part), "{expression}: {said}");
            assert!(said.starts_with("`x`"), "{said}");
        }
        assert!(check("a + b", None).is_ok());
        assert!(check("a + ", None).is_err());
        assert!(check("i -- a comment\n", Some(&inputs())).is_ok());
    }

    #[test]
    fn values_of_another_type_are_named() {
        let made = Expressions::new(&named(&[("x", "i + 1")]), &inputs()).unwrap();
        let row = |values: Value| made.json_row(values.as_array().unwrap());
        assert_eq!(
            row(serde_json::json!([3, 1.5, "a", true])).unwrap(),
            [Value::from(4)]
        );
        assert_eq!(
            row(serde_json::json!([null, null, null, null])).unwrap(),
            [Value::Null]
        );
        let error = row(serde_json::json!(["3", 1.5, "a", true])).unwrap_err().0;
        assert!(error.contains("`i` must be a integer"), "{error}");
        assert!(made.json_row(&[]).is_err());
    }

    fn value(kind: ColumnKind) -> BoxedStrategy<Value> {
        let some = match kind {
            ColumnKind::Integer => prop_oneof![
                (-5i64..5).prop_map(Value::from),
                any::<i64>().prop_map(Value::from)
            ]
            .boxed(),
            ColumnKind::Number => prop_oneof![
                (-50i32..50).prop_map(|n| Value::from(f64::from(n) / 4.0)),
                any::<i32>().prop_map(|n| Value::from(f64::from(n) * 1e300))
            ]
            .boxed(),
            ColumnKind::Text => "[0-9a-c.]{0,3}".prop_map(Value::from).boxed(),
            _ => any::<bool>().prop_map(Value::from).boxed(),
        };
        prop_oneof![1 => Just(Value::Null), 4 => some].boxed()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// One row online answers as all rows offline do.
        #[test]
        fn a_row_alone_answers_as_among_others(
            rows in prop::collection::vec(
                (value(ColumnKind::Integer), value(ColumnKind::Number), value(ColumnKind::Text), value(ColumnKind::Boolean)),
                1..12,
            )
        ) {
            let made = Expressions::new(
                &named(&[
                    ("half", "i / 2"),
                    ("whole", "cast(n as integer)"),
                    ("same", "t = i"),
                    ("less", "n < t"),
                    ("either", "coalesce(n, i, 0) * 1.0"),
                    ("kind", "case when b then 'yes' when not b then 'no' end"),
                    ("root", "sqrt(abs(n))"),
                    ("text", "t || '-' || coalesce(b, 'none')"),
                    ("round", "round(n, 1) + floor(n)"),
                    ("in", "i in (1, 2, 3) and t like 'a%'"),
                ]),
                &inputs(),
            )
            .unwrap();
            let mut columns: Vec<super::super::GrowingColumn> = inputs()
                .iter()
                .map(|(_, kind)| super::super::GrowingColumn::of(*kind, false))
                .collect();
            let mut alone = Vec::new();
            let mut failed = false;
            for (i, n, t, b) in &rows {
                let values = [i.clone(), n.clone(), t.clone(), b.clone()];
                for ((column, value), (name, kind)) in columns.iter_mut().zip(&values).zip(inputs()) {
                    column.push(cell(value, &name, kind).unwrap()).unwrap();
                }
                match made.json_row(&values) {
                    Ok(values) => alone.push(values),
                    Err(_) => failed = true,
                }
            }
            let frame = Frame::from_columns(
                inputs()
                    .into_iter()
                    .zip(columns)
                    .map(|((name, _), column)| (name, column.finish().unwrap()))
                    .collect(),
            )
            .unwrap();
            match made.rows(&frame) {
                Err(_) => prop_assert!(failed),
                Ok(together) => {
                    prop_assert!(!failed);
                    for (place, name) in made.names().iter().enumerate() {
                        let kind = together.kind(name).unwrap();
                        for (row, values) in alone.iter().enumerate() {
                            let there = match kind {
                                ColumnKind::Text => {
                                    together.texts(name).unwrap()[row].clone().map_or(Value::Null, Value::from)
                                }
                                _ => {
                                    let number = together.numbers(name).unwrap()[row];
                                    if number.is_nan() { Value::Null } else { Value::from(number) }
                                }
                            };
                            let here = match (&values[place], kind) {
                                (Value::Number(number), _) => Value::from(number.as_f64().unwrap()),
                                (other, _) => other.clone(),
                            };
                            prop_assert_eq!(&here, &there, "{} of row {}", name, row);
                        }
                    }
                }
            }
        }
    }
}
