//! The words of a filter: keys, quoted texts, operators, brackets.

use super::{Dialect, Operator};
use crate::domain::{Error, Result};

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// Bare or partly quoted: prefix and name. Keywords are bare words without prefix.
    Word(String),
    /// A word whose last part was quoted: `params."a b"`, or a wholly quoted one in backticks.
    Key(String, String),
    /// `'…'` or `"…"`.
    Quoted(String),
    Operator(Operator),
    Open,
    Close,
    Comma,
    Colon,
}

/// Characters of a filter in a message.
const SHOWN: usize = 500;

pub(super) fn refused(filter: &str, what: impl std::fmt::Display) -> Error {
    let cut = if filter.chars().nth(SHOWN).is_some() {
        "…"
    } else {
        ""
    };
    Error::invalid(format!("invalid filter `{filter:.SHOWN$}{cut}`: {what}"))
}

pub(super) fn tokens(text: &str, dialect: Dialect) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (token, length) = match first {
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            ',' => (Token::Comma, 1),
            ':' if dialect == Dialect::Dashboard => (Token::Colon, 1),
            '\'' | '"' => {
                let (inner, length) = quoted(text, rest)?;
                (Token::Quoted(inner), length)
            }
            '`' => {
                let (inner, length) = quoted(text, rest)?;
                match rest[length..].strip_prefix('.') {
                    // The prefix may be quoted too: `metrics`.`a b`.
                    Some(name) => {
                        let (name, more) = match name.chars().next() {
                            Some('`' | '"') => quoted(text, name)?,
                            _ => {
                                let end = word_end(name, dialect);
                                (name[..end].to_owned(), end)
                            }
                        };
                        (Token::Key(inner, name), length + 1 + more)
                    }
                    None => (Token::Key(String::new(), inner), length),
                }
            }
            '=' | '!' | '<' | '>' => {
                let (operator, length) = match &rest.as_bytes()[..rest.len().min(2)] {
                    b"==" | b"<>" if dialect == Dialect::Mlflow => {
                        return Err(refused(text, "equal is `=`, not equal is `!=`"));
                    }
                    b"==" => (Operator::Equal, 2),
                    b"!=" | b"<>" => (Operator::NotEqual, 2),
                    b"<=" => (Operator::AtMost, 2),
                    b">=" => (Operator::AtLeast, 2),
                    _ => match first {
                        '=' => (Operator::Equal, 1),
                        '<' => (Operator::Less, 1),
                        '>' => (Operator::Greater, 1),
                        _ => return Err(refused(text, "`!` stands alone; did you mean `!=`")),
                    },
                };
                (Token::Operator(operator), length)
            }
            _ => {
                let end = word_end(rest, dialect);
                let word = &rest[..end];
                match (word.strip_suffix('.'), rest[end..].chars().next()) {
                    (Some(prefix), Some('`' | '"')) => {
                        let (inner, length) = quoted(text, &rest[end..])?;
                        (Token::Key(prefix.to_owned(), inner), end + length)
                    }
                    _ => (Token::Word(word.to_owned()), end),
                }
            }
        };
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// Where the bare word ends that `rest` begins with.
pub(super) fn word_end(rest: &str, dialect: Dialect) -> usize {
    rest.find(|character: char| {
        character.is_whitespace()
            || "()=!<>,'\"`".contains(character)
            || (character == ':' && dialect == Dialect::Dashboard)
    })
    .unwrap_or(rest.len())
}

/// The text between the quotes that `rest` begins with, and the length with them. A quote that stands twice is one
/// of the text: `'it''s'`.
pub(super) fn quoted(filter: &str, rest: &str) -> Result<(String, usize)> {
    let quote = rest.chars().next().unwrap_or('\'');
    let mut inner = String::new();
    let mut at = 1;
    while let Some(end) = rest[at..].find(quote) {
        inner.push_str(&rest[at..at + end]);
        at += end + 1;
        if quote == '`' || !rest[at..].starts_with(quote) {
            return Ok((inner, at));
        }
        inner.push(quote);
        at += 1;
    }
    Err(refused(filter, format!("a {quote} is not closed")))
}

/// A number as MLflow writes it: `nan` and `inf` are words.
pub(super) fn number(word: &str) -> Option<f64> {
    word.chars()
        .all(|character| character.is_ascii_digit() || "+-.eE".contains(character))
        .then(|| word.parse().ok())
        .flatten()
}
