//! `order_by` clauses -> [`Order`].

use super::subjects::{attribute, subject};
use super::tokens::{Token, tokens};
use super::{Dialect, Kind, Order, Subject};
use crate::domain::{Error, Result};

/// Clauses of an order at most: each may join a table, and SQLite takes 64 of them.
const ORDERS: usize = 32;

/// Refuses orders of more clauses than a statement can have.
pub fn check_orders(count: usize) -> Result<()> {
    if count > ORDERS {
        return Err(Error::invalid(format!(
            "invalid order_by: {count} clauses, at most {ORDERS} are allowed"
        )));
    }
    Ok(())
}

/// Parses one `order_by` clause over anything but runs: an attribute, then ASC or DESC.
pub fn parse_order_for(kind: Kind, text: &str) -> Result<Order> {
    let wrong = |what: &str| Error::invalid(format!("invalid order_by `{text}`: {what}"));
    let (key, descending) = order_parts(text)?;
    let (Token::Word(name) | Token::Key(_, name)) = &key else {
        return Err(wrong("a key is expected"));
    };
    let name = name
        .strip_prefix("attribute.")
        .or(name.strip_prefix("attributes."))
        .unwrap_or(name);
    let by = match (kind, name) {
        (Kind::Models, "timestamp" | "last_updated_timestamp") => Subject::Time("m.updated"),
        (Kind::Models, "creation_timestamp") => Subject::Time("m.created"),
        (Kind::Versions, "creation_timestamp") => Subject::Time("v.created"),
        (Kind::Versions, "last_updated_timestamp") => Subject::Time("v.updated"),
        (Kind::Versions, "run_id" | "source_path") => {
            return Err(wrong("versions are not ordered by it"));
        }
        _ => attribute(kind, name).map_err(|error| wrong(&error.message))?,
    };
    Ok(Order {
        by,
        descending,
        numeric: false,
    })
}

/// The key of an order, and whether the greatest comes first.
fn order_parts(text: &str) -> Result<(Token, bool)> {
    let tokens = tokens(text, Dialect::Mlflow)?;
    let (key, descending) = match tokens.as_slice() {
        [key] => (key, false),
        [key, Token::Word(word)] if word.eq_ignore_ascii_case("desc") => (key, true),
        [key, Token::Word(word)] if word.eq_ignore_ascii_case("asc") => (key, false),
        _ => {
            return Err(Error::invalid(format!(
                "invalid order_by `{text}`: a key, then ASC or DESC, is expected"
            )));
        }
    };
    Ok(match key {
        Token::Quoted(name) => (Token::Key(String::new(), name.clone()), descending),
        key => (key.clone(), descending),
    })
}

/// Parses one `order_by` clause: `metrics.loss DESC`.
pub fn parse_order(text: &str) -> Result<Order> {
    let wrong = |what: &str| Error::invalid(format!("invalid order_by `{text}`: {what}"));
    let (key, descending) = order_parts(text)?;
    let by = subject(Kind::Runs, &key).map_err(|error| wrong(&error.message))?;
    if matches!(by, Subject::Dataset(_)) {
        return Err(wrong("runs cannot be ordered by datasets"));
    }
    Ok(Order {
        by,
        descending,
        numeric: false,
    })
}
