//! Tables with more columns than SQLite takes: only those that a statement names are shown to it. Knows names, no values.

use super::tokens::{Token, tokens};
use crate::data::{Error, Frame, Result};
use std::borrow::Cow;
use std::collections::BTreeSet;

/// Columns that a table may have in SQLite as it is built here (its default `SQLITE_MAX_COLUMN`).
const MOST: usize = 2_000;

/// `tables`, without the columns that `statement` does not name where there are too many. Fails when it asks for all.
pub(super) fn narrowed<'t>(
    tables: &'t [(String, Frame)],
    statement: &str,
) -> Result<Cow<'t, [(String, Frame)]>> {
    if tables
        .iter()
        .all(|(_, frame)| frame.batch.num_columns() <= MOST)
    {
        return Ok(Cow::Borrowed(tables));
    }
    let tokens = tokens(statement).unwrap_or_default();
    let takes_all = tokens.windows(2).any(|pair| {
        let begins = pair[0].is_word("select") || pair[0].is_sign(",") || pair[0].is_sign(".");
        pair[1].is_sign("*") && begins
    });
    let named: BTreeSet<String> = tokens
        .iter()
        .filter_map(|token| match token {
            Token::Word(name) | Token::Name(name) => Some(name.to_lowercase()),
            _ => None,
        })
        .collect();
    let mut narrow = Vec::with_capacity(tables.len());
    for (name, frame) in tables {
        let count = frame.batch.num_columns();
        if count <= MOST {
            narrow.push((name.clone(), frame.clone()));
            continue;
        }
        let kept: Vec<String> = frame
            .names()
            .into_iter()
            .filter(|column| named.contains(&column.to_lowercase()))
            .collect();
        if takes_all || kept.len() > MOST {
            return Err(Error::new(format!(
                "table `{name}` has {count} columns and SQL takes {MOST} at most; name those that you need instead of `*`"
            )));
        }
        let first = || frame.names().into_iter().take(1).collect();
        let kept: Vec<String> = if kept.is_empty() { first() } else { kept };
        narrow.push((name.clone(), frame.select(&kept)?));
    }
    Ok(Cow::Owned(narrow))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::query;
    use super::*;
    use arrow_array::{ArrayRef, Int64Array};
    use std::sync::Arc;

    #[test]
    fn ten_thousand_columns_are_asked_by_name() {
        let columns = (0..10_000)
            .map(|at| {
                (
                    format!("c{at}"),
                    Arc::new(Int64Array::from(vec![at])) as ArrayRef,
                )
            })
            .collect();
        let tables = [("t".to_owned(), Frame::from_columns(columns).unwrap())];
        let found = query(&tables, "select C9999 + \"c1\" as x, count(*) n from t").unwrap();
        assert_eq!(found.numbers("x").unwrap(), [10_000.0]);
        assert_eq!(
            query(&tables, "select count(*) n from t")
                .unwrap()
                .numbers("n")
                .unwrap(),
            [1.0]
        );
        let error = query(&tables, "select * from t").unwrap_err().0;
        assert!(
            error.contains("10000 columns") && error.contains("instead of `*`"),
            "{error}"
        );
    }
}
