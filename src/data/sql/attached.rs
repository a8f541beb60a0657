//! Statements over frames and, beside them, over views of a database file, which are read only; and how SQLite would go
//! about a statement. What the views are, the caller says.

use super::{Trouble, collect, connect, explain, is_select, prepared};
use crate::data::{Error, Frame, Result};
use crate::domain::dataset::ColumnKind;
use arrow_array::TimestampMicrosecondArray;
use rusqlite::Connection;
use std::path::Path;
use std::sync::Arc;

/// A database of views that a statement may name.
#[derive(Clone, Copy, Debug)]
pub struct Attached<'a> {
    /// The file.
    pub path: &'a Path,
    /// What its tables are called in the views: `select … from NAME.runs`.
    pub name: &'a str,
    /// View name to `select`.
    pub views: &'a [(&'a str, &'a str)],
    /// Columns of the views that hold times, as microseconds: in a result, whole numbers of these names are times.
    pub times: &'a [&'a str],
    /// Makes the functions known that the views use besides SQL's own.
    pub functions: fn(&Connection) -> rusqlite::Result<()>,
}

/// A step of a plan: how deep below the first ones it stands, and what is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// 0: a step of the statement itself.
    pub depth: usize,
    /// In SQLite's words.
    pub text: String,
}

/// The rows of `statement` over the frames and the views. A frame hides a view of its name.
pub fn query_beside(
    tables: &[(String, Frame)],
    attached: &Attached<'_>,
    statement: &str,
) -> Result<Frame> {
    let connection = connect(tables)?;
    attach(&connection, tables, attached)?;
    let mut select =
        prepared(&connection, tables, statement).map_err(|error| told(&error, attached))?;
    let found = collect(&mut select).map_err(|trouble| match trouble {
        Trouble::Sqlite(error) => told(&explain(tables, error), attached),
        Trouble::Ours(error) => error,
    })?;
    timed(&found, attached.times)
}

/// How SQLite would answer `statement`, step by step.
pub fn plan(
    tables: &[(String, Frame)],
    attached: Option<&Attached<'_>>,
    statement: &str,
) -> Result<Vec<Step>> {
    let connection = connect(tables)?;
    if let Some(attached) = attached {
        attach(&connection, tables, attached)?;
    }
    // refused where the statement itself would be
    drop(prepared(&connection, tables, statement)?);
    let failed = |error: rusqlite::Error| explain(tables, error);
    let mut explained = connection
        .prepare(&format!("explain query plan {statement}"))
        .map_err(failed)?;
    let mut rows = explained.query([]).map_err(failed)?;
    let mut steps = Vec::new();
    let mut depths: Vec<(i64, usize)> = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let (id, parent): (i64, i64) = (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?);
        let depth = depths
            .iter()
            .find(|(known, _)| *known == parent)
            .map_or(0, |(_, depth)| depth + 1);
        depths.push((id, depth));
        steps.push(Step {
            depth,
            text: row.get(3).map_err(failed)?,
        });
    }
    Ok(steps)
}

fn attach(
    connection: &Connection,
    tables: &[(String, Frame)],
    attached: &Attached<'_>,
) -> Result<()> {
    let failed = |error: rusqlite::Error| {
        Error::new(format!("reading `{}`: {error}", attached.path.display()))
    };
    let path = attached.path.to_str().ok_or_else(|| {
        Error::new(format!(
            "the path `{}` is not UTF-8; rename it",
            attached.path.display()
        ))
    })?;
    connection
        .execute(
            &format!("attach database ?1 as {}", super::identifier(attached.name)),
            [path],
        )
        .map_err(failed)?;
    (attached.functions)(connection).map_err(failed)?;
    for (name, select) in attached.views {
        if tables
            .iter()
            .any(|(table, _)| table.eq_ignore_ascii_case(name))
        {
            continue;
        }
        connection
            .execute_batch(&format!(
                "create temp view {} as {select}",
                super::identifier(name)
            ))
            .map_err(failed)?;
    }
    connection
        .pragma_update(None, "query_only", true)
        .map_err(failed)
}

/// The error with the views there are.
fn told(error: &Error, attached: &Attached<'_>) -> Error {
    let names: Vec<&str> = attached.views.iter().map(|(name, _)| *name).collect();
    Error::new(format!("{error}; besides: `{}`", names.join("`, `")))
}

fn timed(found: &Frame, times: &[&str]) -> Result<Frame> {
    let mut frame = found.clone();
    for name in found.names() {
        if times.contains(&name.as_str()) && found.kind(&name)? == ColumnKind::Integer {
            let column = found.times(&name)?;
            let column: TimestampMicrosecondArray = column.into_iter().collect();
            frame = frame.with(&name, Arc::new(column.with_timezone("UTC")))?;
        }
    }
    Ok(frame)
}

/// Whether `statement` asks for its plan itself: `explain …`; answers what it would explain.
pub fn explained(statement: &str) -> Option<&str> {
    let rest = statement.trim_start();
    let rest = after(rest, "explain")?;
    let rest = after(rest, "query")
        .and_then(|rest| after(rest, "plan"))
        .unwrap_or(rest);
    is_select(rest).then_some(rest)
}

fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (first, rest) = text.split_at_checked(word.len())?;
    (first.eq_ignore_ascii_case(word) && rest.starts_with(char::is_whitespace))
        .then(|| rest.trim_start())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow_array::{ArrayRef, StringArray};

    #[test]
    fn views_of_a_file_are_read_beside_frames_and_never_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a ? b.db");
        Connection::open(&path)
            .unwrap()
            .execute_batch("create table kept (id text, ms integer); insert into kept values ('a', 2), ('b', 3)")
            .unwrap();
        let attached = Attached {
            path: &path,
            name: "file",
            views: &[
                ("runs", "select id, ms * 1000 as at from file.kept"),
                ("names", "select 1"),
            ],
            times: &["at"],
            functions: |_| Ok(()),
        };
        let frame = Frame::from_columns(vec![(
            "id".into(),
            Arc::new(StringArray::from(vec!["b", "c"])) as ArrayRef,
        )])
        .unwrap();
        let tables = [("names".to_owned(), frame)];
        let found = query_beside(
            &tables,
            &attached,
            "select n.id, r.at from names n left join runs r on r.id = n.id order by 1",
        )
        .unwrap();
        assert_eq!(found.kind("at").unwrap(), ColumnKind::Time);
        assert_eq!(found.times("at").unwrap(), [Some(3000), None]);
        for refused in [
            "delete from runs",
            "delete from file.kept",
            "select * from nowhere",
        ] {
            let error = query_beside(&tables, &attached, refused).unwrap_err().0;
            assert!(!error.is_empty());
        }
        let error = query_beside(&tables, &attached, "select * from nowhere")
            .unwrap_err()
            .0;
        assert!(
            error.contains("no such table: nowhere") && error.contains("`runs`"),
            "{error}"
        );
        let steps = plan(
            &tables,
            Some(&attached),
            "select * from runs where id = 'a'",
        )
        .unwrap();
        assert!(steps[0].text.contains("SCAN"), "{steps:?}");
    }

    #[test]
    fn a_statement_may_ask_for_its_plan() {
        assert_eq!(explained("EXPLAIN select 1"), Some("select 1"));
        assert_eq!(
            explained(" explain query plan\nwith a as (select 1) select * from a"),
            Some("with a as (select 1) select * from a")
        );
        assert_eq!(explained("explain delete from a"), None);
        assert_eq!(explained("select 1"), None);
    }
}
