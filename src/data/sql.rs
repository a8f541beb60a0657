//! SQL over frames: SQLite with each frame as a read-only virtual table in a private in-memory connection.
//!
//! Times are integers in microseconds, NaN is null, booleans are 0 and 1. A result column that is a plain column of a
//! table keeps that column's type (SQLite reports the declared type of plain columns, and we declare ours); any other
//! result column has the type of its values. An equality (`a.k = b.k`, `k = 3`) is answered through a hash index made
//! on first use, so joins do not scan. A statement that looks at one row at a time is answered by columns, on all cores,
//! where its expressions are known to mean the same here (a test holds both beside each other). Every name and type that crosses here is ours; the statement is the person's.

mod attached;
mod by_columns;
mod evaluate;
pub mod expressions;
mod functions;
mod parse;
mod relation;
mod shape;
mod tokens;
mod vector;
mod wide;
mod words;

use super::column::{Cell, GrowingColumn};
use super::{Error, Frame, Result};
use crate::domain::dataset::ColumnKind;
pub use attached::{Attached, Step, explained, plan, query_beside};
pub use expressions::Expressions;
use relation::{Index, Table, encode};
use rusqlite::fallible_iterator::FallibleIterator;
use rusqlite::types::{Null, ValueRef};
use rusqlite::vtab::{
    Context, CreateVTab, Filters, IndexConstraintOp, IndexInfo, Module, VTab, VTabConnection,
    VTabCursor, VTabKind, sqlite3_vtab, sqlite3_vtab_cursor,
};
use rusqlite::{Connection, Statement};
pub use shape::past_row;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_int};
use std::sync::Arc;
pub use words::{Word, words};

/// The rows of `statement` (one `select`) over the named tables.
/// Fails with SQLite's message, followed by the tables and columns there are.
pub fn query(tables: &[(String, Frame)], statement: &str) -> Result<Frame> {
    let tables = &*wide::narrowed(tables, statement)?;
    let connection = connect(tables)?;
    let mut select = prepared(&connection, tables, statement)?;
    if let Some(frame) = by_columns::answer(tables, statement, &select)? {
        return Ok(frame);
    }
    collect(&mut select).map_err(|trouble| match trouble {
        Trouble::Sqlite(error) => explain(tables, error),
        Trouble::Ours(error) => error,
    })
}

/// The one `select` that `statement` is, ready to be run.
fn prepared<'c>(
    connection: &'c Connection,
    tables: &[(String, Frame)],
    statement: &str,
) -> Result<Statement<'c>> {
    if !is_select(statement) {
        return Err(Error::new(
            "the SQL must be one `select` (or `with … select`)",
        ));
    }
    let mut statements = rusqlite::Batch::new(connection, statement);
    let select = statements
        .next()
        .map_err(|error| explain(tables, error))?
        .ok_or_else(|| Error::new("there is no SQL statement"))?;
    if !matches!(statements.next(), Ok(None)) {
        return Err(Error::new(
            "the SQL must be one statement; something follows its `;`",
        ));
    }
    if !select.readonly() || select.column_count() == 0 {
        return Err(Error::new(
            "the SQL must be one `select` (or `with … select`)",
        ));
    }
    Ok(select)
}

/// What SQLite says, and what there is.
fn explain(tables: &[(String, Frame)], error: rusqlite::Error) -> Error {
    let message = match error {
        rusqlite::Error::SqlInputError { msg, .. }
        | rusqlite::Error::SqliteFailure(_, Some(msg)) => msg,
        other => other.to_string(),
    };
    Error::new(format!("the SQL fails: {message}; {}", there_is(tables)))
}

/// A connection that has the tables.
fn connect(tables: &[(String, Frame)]) -> Result<Connection> {
    let failed = |error: rusqlite::Error| Error::new(format!("the SQL cannot begin: {error}"));
    let connection = Connection::open_in_memory().map_err(failed)?;
    connection
        .execute_batch("PRAGMA cache_size = -131072")
        .map_err(failed)?;
    functions::register(&connection).map_err(failed)?;
    attach(&connection, tables)?;
    Ok(connection)
}

/// "the tables are `a` (`x`, `y`)".
fn there_is(tables: &[(String, Frame)]) -> String {
    if tables.is_empty() {
        return "there are no tables".to_owned();
    }
    let list: Vec<String> = tables
        .iter()
        .map(|(name, frame)| format!("`{name}` ({})", super::frame::quoted(&frame.names())))
        .collect();
    format!("the tables are {}", list.join(", "))
}

/// Whether the first word, after comments and blanks, begins a query.
fn is_select(statement: &str) -> bool {
    let mut rest = statement.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix("--") {
            rest = comment
                .split_once('\n')
                .map_or("", |(_, rest)| rest)
                .trim_start();
        } else if let Some(comment) = rest.strip_prefix("/*") {
            rest = comment
                .split_once("*/")
                .map_or("", |(_, rest)| rest)
                .trim_start();
        } else {
            break;
        }
    }
    let word: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
    ["select", "with", "values"]
        .iter()
        .any(|query| word.eq_ignore_ascii_case(query))
}

enum Trouble {
    Sqlite(rusqlite::Error),
    Ours(Error),
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

/// All rows of the statement as columns.
fn collect(select: &mut Statement<'_>) -> std::result::Result<Frame, Trouble> {
    let mut names = Vec::new();
    let mut columns = Vec::new();
    for column in select.columns() {
        names.push(column.name().to_owned());
        columns.push(match column.decl_type().and_then(declared) {
            Some((kind, zoned)) => GrowingColumn::of(kind, zoned),
            None => GrowingColumn::default(),
        });
    }
    let mut rows = select.query([])?;
    let mut count = 0usize;
    while let Some(row) = rows.next()? {
        count += 1;
        for (at, column) in columns.iter_mut().enumerate() {
            let trouble = |what: String| {
                Trouble::Ours(Error::new(format!(
                    "result column `{}`, row {count}: {what}",
                    names[at]
                )))
            };
            let cell = match row.get_ref(at)? {
                ValueRef::Null => Cell::Null,
                ValueRef::Integer(value) => Cell::Integer(value),
                ValueRef::Real(value) => Cell::Number(value),
                ValueRef::Text(bytes) => Cell::Text(
                    std::str::from_utf8(bytes).map_err(|error| trouble(error.to_string()))?,
                ),
                ValueRef::Blob(_) => {
                    return Err(trouble(
                        "a blob is no value of a column; cast it".to_owned(),
                    ));
                }
            };
            column.push(cell).map_err(|mixed| {
                trouble(format!(
                    "a value of type {} in a column of type {}; cast them",
                    mixed.came, mixed.held
                ))
            })?;
        }
    }
    let mut named = Vec::with_capacity(names.len());
    for (name, column) in names.into_iter().zip(columns) {
        let array = column.finish().map_err(|error| {
            Trouble::Ours(Error::new(format!("result column `{name}`: {error}")))
        })?;
        named.push((name, array));
    }
    Frame::from_columns_of(named, count).map_err(Trouble::Ours)
}

/// The declared types of our columns, so that they can be known again in a result.
const DECLARED: [(&str, ColumnKind, bool); 6] = [
    ("INTEGER", ColumnKind::Integer, false),
    ("REAL", ColumnKind::Number, false),
    ("TEXT", ColumnKind::Text, false),
    ("BOOLEAN", ColumnKind::Boolean, false),
    ("TIMESTAMP", ColumnKind::Time, false),
    ("TIMESTAMP UTC", ColumnKind::Time, true),
];

fn declared(name: &str) -> Option<(ColumnKind, bool)> {
    DECLARED
        .iter()
        .find(|(declared, _, _)| declared.eq_ignore_ascii_case(name))
        .map(|(_, kind, zoned)| (*kind, *zoned))
}

/// Makes each frame a table of the connection.
fn attach(connection: &Connection, tables: &[(String, Frame)]) -> Result<()> {
    const MODULE: Module<'static, FrameTable> = Module::read_only_module();
    let mut named = BTreeMap::new();
    for (name, frame) in tables {
        let table =
            Table::new(frame).map_err(|error| Error::new(format!("table `{name}`: {error}")))?;
        if named.insert(name.clone(), Arc::new(table)).is_some() {
            return Err(Error::new(format!("two tables are called `{name}`")));
        }
    }
    let failed =
        |name: &str, error: rusqlite::Error| Error::new(format!("table `{name}`: {error}"));
    connection
        .create_module("frame", const { &MODULE }, Some(named))
        .map_err(|error| failed("frame", error))?;
    for (name, _) in tables {
        connection
            .execute_batch(&format!(
                "CREATE VIRTUAL TABLE {} USING frame",
                identifier(name)
            ))
            .map_err(|error| failed(name, error))?;
    }
    Ok(())
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[repr(C)]
struct FrameTable {
    /// SQLite's part; must come first.
    base: sqlite3_vtab,
    table: Arc<Table>,
}

#[expect(
    unsafe_code,
    reason = "SQLite's virtual table: repr(C), and its base comes first, as the trait demands"
)]
unsafe impl<'vtab> VTab<'vtab> for FrameTable {
    type Aux = BTreeMap<String, Arc<Table>>;
    type Cursor = FrameCursor;

    fn connect(
        _: &mut VTabConnection,
        aux: Option<&Self::Aux>,
        _module_name: &[u8],
        _database_name: &[u8],
        table_name: &[u8],
        _args: &[&[u8]],
    ) -> rusqlite::Result<(Cow<'static, CStr>, Self)> {
        let name = String::from_utf8_lossy(table_name);
        let table = aux
            .and_then(|tables| tables.get(name.as_ref()))
            .ok_or_else(|| rusqlite::Error::ModuleError(format!("there is no table `{name}`")))?;
        let made = Self {
            base: sqlite3_vtab::default(),
            table: Arc::clone(table),
        };
        Ok((Cow::Owned(table.declaration.clone()), made))
    }

    fn best_index(&self, info: &mut IndexInfo) -> rusqlite::Result<bool> {
        let rows = self.table.rows as f64;
        let asked: Vec<(usize, usize)> = info
            .constraints()
            .enumerate()
            .filter(|(_, constraint)| {
                constraint.is_usable()
                    && constraint.operator() == IndexConstraintOp::SQLITE_INDEX_CONSTRAINT_EQ
                    && constraint.column() >= 0
            })
            .map(|(at, constraint)| (at, constraint.column() as usize))
            .collect();
        let mut chosen: Vec<(usize, usize)> = Vec::new();
        for (at, column) in asked {
            let comparable =
                !self.table.columns[column].is_text() || info.collation(at)? == "BINARY";
            if comparable && !chosen.iter().any(|(_, other)| *other == column) {
                chosen.push((at, column));
            }
        }
        if chosen.is_empty() {
            info.set_idx_num(-1);
            info.set_estimated_cost(rows + 1.0);
            info.set_estimated_rows(self.table.rows as i64);
            return Ok(true);
        }
        chosen.sort_unstable_by_key(|(_, column)| *column);
        for (argument, (at, _)) in chosen.iter().enumerate() {
            info.constraint_usage(*at)
                .set_argv_index(argument as c_int + 1);
        }
        let columns: Vec<usize> = chosen.iter().map(|(_, column)| *column).collect();
        info.set_idx_num(self.table.index_number(&columns) as c_int);
        // A guess that only orders plans: each equality leaves a hundredth.
        let left = (rows / 100f64.powi(columns.len() as i32)).max(1.0);
        info.set_estimated_cost(left + 1.0);
        info.set_estimated_rows(left as i64);
        Ok(true)
    }

    fn open(&'vtab mut self) -> rusqlite::Result<FrameCursor> {
        Ok(FrameCursor {
            base: sqlite3_vtab_cursor::default(),
            table: Arc::clone(&self.table),
            found: None,
            at: 0,
            end: 0,
            key: Vec::new(),
        })
    }
}

impl CreateVTab<'_> for FrameTable {
    const KIND: VTabKind = VTabKind::Default;
}

#[repr(C)]
struct FrameCursor {
    /// SQLite's part; must come first.
    base: sqlite3_vtab_cursor,
    table: Arc<Table>,
    /// The index whose places `at..end` are read; none: rows `at..end`.
    found: Option<Arc<Index>>,
    at: usize,
    end: usize,
    key: Vec<u8>,
}

impl FrameCursor {
    fn row(&self) -> usize {
        match &self.found {
            Some(index) => index.order[self.at] as usize,
            None => self.at,
        }
    }
}

#[expect(
    unsafe_code,
    reason = "SQLite's cursor: repr(C), and its base comes first, as the trait demands"
)]
unsafe impl VTabCursor for FrameCursor {
    fn filter(
        &mut self,
        number: c_int,
        _: Option<&str>,
        args: &Filters<'_>,
    ) -> rusqlite::Result<()> {
        (self.found, self.at, self.end) = (None, 0, self.table.rows);
        let Some((columns, index)) = usize::try_from(number)
            .ok()
            .and_then(|number| self.table.index(number))
        else {
            return Ok(());
        };
        self.key.clear();
        for (value, column) in args.iter().zip(&columns) {
            let is_text = matches!(value, ValueRef::Text(_));
            if matches!(value, ValueRef::Null) {
                self.end = 0;
                return Ok(());
            }
            // Another type: SQLite may convert before it compares, so it gets all rows.
            if is_text != self.table.columns[*column].is_text() || !encode(value, &mut self.key) {
                return Ok(());
            }
        }
        (self.at, self.end) = match index.entries.get(self.key.as_slice()) {
            Some(code) => (
                index.starts[*code as usize],
                index.starts[*code as usize + 1],
            ),
            None => (0, 0),
        };
        self.found = Some(index);
        Ok(())
    }

    fn next(&mut self) -> rusqlite::Result<()> {
        self.at += 1;
        Ok(())
    }

    fn eof(&self) -> bool {
        self.at >= self.end
    }

    fn column(&self, context: &mut Context, column: c_int) -> rusqlite::Result<()> {
        match self.table.columns[column as usize].value(self.row()) {
            ValueRef::Integer(value) => context.set_result(value),
            ValueRef::Real(value) => context.set_result(value),
            // Frames hold UTF-8, so this never fails.
            ValueRef::Text(bytes) => context.set_result(std::str::from_utf8(bytes)?),
            ValueRef::Null | ValueRef::Blob(_) => context.set_result(Null),
        }
    }

    fn rowid(&self) -> rusqlite::Result<i64> {
        Ok(self.row() as i64 + 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow_array::{
        ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
    };

    fn flights() -> Frame {
        let times = TimestampMicrosecondArray::from(vec![
            Some(1_356_998_400_000_000),
            Some(1_357_041_600_000_000),
            None,
        ]);
        Frame::from_columns(vec![
            (
                "id".into(),
                Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef,
            ),
            (
                "origin".into(),
                Arc::new(StringArray::from(vec![Some("JFK"), Some("EWR"), None])),
            ),
            (
                "delay".into(),
                Arc::new(Float64Array::from(vec![5.0, f64::NAN, -2.5])),
            ),
            (
                "late".into(),
                Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
            ),
            ("at".into(), Arc::new(times.clone().with_timezone("UTC"))),
            ("local".into(), Arc::new(times)),
        ])
        .unwrap()
    }

    fn airports() -> Frame {
        Frame::from_columns(vec![
            (
                "faa".into(),
                Arc::new(StringArray::from(vec!["EWR", "JFK", "LGA"])) as ArrayRef,
            ),
            ("alt".into(), Arc::new(Int64Array::from(vec![18, 13, 22]))),
        ])
        .unwrap()
    }

    fn run(sql: &str) -> Result<Frame> {
        query(
            &[
                ("flights".into(), flights()),
                ("airports".into(), airports()),
            ],
            sql,
        )
    }

    #[test]
    fn plain_columns_come_back_as_they_were() {
        let back = run("select * from (select * from flights)").unwrap();
        let mut expected = flights();
        // NaN is null to SQLite.
        expected = expected
            .with(
                "delay",
                Arc::new(Float64Array::from(vec![Some(5.0), None, Some(-2.5)])),
            )
            .unwrap();
        assert_eq!(back, expected);
        let empty = run(
            "with late as (select * from flights where id > 9) select at, origin, late from late",
        )
        .unwrap();
        assert_eq!(empty.kind("at").unwrap(), ColumnKind::Time);
        assert_eq!(empty.kind("origin").unwrap(), ColumnKind::Text);
        assert_eq!(empty.rows(), 0);
    }

    #[test]
    fn expressions_functions_and_joins_work() {
        let frame = run(
            "select f.id, a.alt, hour(f.at) as h, weekday(f.at) as w, month(f.at) as m, year(f.at) y, \
             round(exp(ln(2.0)), 6) e, pow(2, 3) p, floor(-1.5) fl, f.at - 3600000000 as before \
             from flights f left join airports a on a.faa = f.origin order by f.id -- the end\n;",
        )
        .unwrap();
        assert_eq!(
            frame.texts("alt").unwrap(),
            [Some("13".into()), Some("18".into()), None]
        );
        assert_eq!(
            frame.texts("h").unwrap(),
            [Some("0".into()), Some("12".into()), None]
        );
        // 2013-01-01 was a Tuesday.
        assert_eq!(frame.texts("w").unwrap()[0].as_deref(), Some("1"));
        assert_eq!(frame.numbers("e").unwrap()[0], 2.0);
        assert_eq!(frame.numbers("p").unwrap()[0], 8.0);
        assert_eq!(frame.numbers("fl").unwrap()[0], -2.0);
        assert_eq!(
            frame.times("before").unwrap()[0],
            Some(1_356_994_800_000_000)
        );
        let one =
            run("select median(id) m, stddev(id) s, quantile(id, 0.25) q, count(*) n from flights")
                .unwrap();
        assert_eq!(one.numbers("m").unwrap(), [2.0]);
        assert_eq!(one.numbers("s").unwrap(), [1.0]);
        assert_eq!(one.numbers("q").unwrap(), [1.5]);
        let since =
            run("select id from flights where at > epoch_us('2013-01-01T06:00:00Z')").unwrap();
        assert_eq!(since.numbers("id").unwrap(), [2.0]);
    }

    #[test]
    fn the_index_finds_what_a_scan_finds() {
        for (by_index, by_scan) in [
            ("origin = 'JFK'", "+origin = 'JFK'"),
            ("id = 2.0", "+id = 2.0"),
            ("id = '2'", "+id = cast('2' as integer)"),
            ("late = 1 and id = 1", "+late = 1 and +id = 1"),
            ("origin = null", "+origin = null"),
            (
                "origin = 'jfk' collate nocase",
                "+origin = 'jfk' collate nocase",
            ),
            ("delay = 5", "+delay = 5"),
            (
                "origin in ('JFK', 'XXX', null)",
                "+origin in ('JFK', 'XXX', null)",
            ),
        ] {
            let ids = |condition: &str| {
                run(&format!("select id from flights where {condition}")).unwrap()
            };
            assert_eq!(ids(by_index), ids(by_scan), "{by_index}");
        }
    }

    #[test]
    fn errors_say_what_there_is() {
        let error = run("select gone from flights").unwrap_err().0;
        assert!(
            error.contains("no such column: gone") && error.contains("`delay`"),
            "{error}"
        );
        let error = run("select 1 from nowhere").unwrap_err().0;
        assert!(
            error.contains("nowhere") && error.contains("`airports`"),
            "{error}"
        );
        for refused in [
            "delete from flights",
            "",
            "attach 'x' as y",
            "select 1; select 2",
            "pragma user_version",
        ] {
            assert!(run(refused).is_err(), "{refused}");
        }
        let error = run("select 1 as x union all select 'a'").unwrap_err().0;
        assert!(error.contains("`x`"), "{error}");
        let error = run("select id, id from flights").unwrap_err().0;
        assert!(error.contains("`id`"), "{error}");
    }
}
