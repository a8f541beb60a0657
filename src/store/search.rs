//! MLflow's filter and order strings -> [`Filter`] and [`Order`] -> SQL over `runs as r` with bound values.
//! What else is searched by the same grammar has its SQL in `conditions`.
//!
//! Two dialects. MLflow's is what its servers take, and OR and parentheses besides. The dashboard's
//! also takes `state:done`, metrics without prefix (`val_auc>0.8`) and plain words,
//! which match names and users.

use crate::domain::{Error, Result};
use rusqlite::types::Value;

/// Whose rules a filter follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// As an MLflow server has it.
    Mlflow,
    /// As a person types it.
    Dashboard,
}

/// What is searched: it decides which keys there are, and how the SQL names its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `runs as r`
    Runs,
    /// `experiments as e`
    Experiments,
    /// `registered_models as m`
    Models,
    /// `model_versions as v`
    Versions,
    /// `logged_models as l`
    LoggedModels,
}

/// What a comparison looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The latest value.
    Metric(String),
    /// A parameter.
    Param(String),
    /// A tag.
    Tag(String),
    /// A text column: its SQL name.
    Text(&'static str),
    /// A column of times in milliseconds, or of other whole numbers: its SQL name.
    Time(&'static str),
    /// A column of the run's datasets: its SQL name.
    Dataset(&'static str),
}

/// The number of a version.
const VERSION: Subject = Subject::Time("v.version");

/// What a comparison compares with.
#[derive(Clone, Debug, PartialEq)]
pub enum Operand {
    /// A number.
    Number(f64),
    /// Text.
    Text(String),
    /// Any of these texts.
    List(Vec<String>),
    /// `NULL`.
    Null,
}

/// How it compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `LIKE`: case counts
    Like,
    /// `ILIKE`: case does not count
    ILike,
    /// `IN (…)`
    In,
    /// `NOT IN (…)`
    NotIn,
    /// `IS NULL`
    IsNull,
    /// `IS NOT NULL`
    IsNotNull,
}

/// A parsed filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// All hold; none: everything matches.
    All(Vec<Filter>),
    /// One of them holds.
    Any(Vec<Filter>),
    /// One comparison.
    Test(Subject, Operator, Operand),
    /// Part of the run's name or user, case not counting.
    Word(String),
    /// The run is no child of a run that is there.
    Root,
}

/// What a list of runs is ordered by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// By what.
    pub by: Subject,
    /// Greatest first.
    pub descending: bool,
    /// Parameters and tags that are numbers come by their value, before those that are not; MLflow takes all as text.
    pub numeric: bool,
}

/// A piece of SQL and the values of its `?`, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sql {
    /// The text.
    pub text: String,
    /// The values.
    pub values: Vec<Value>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
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

fn refused(filter: &str, what: impl std::fmt::Display) -> Error {
    let cut = if filter.chars().nth(SHOWN).is_some() {
        "…"
    } else {
        ""
    };
    Error::invalid(format!("invalid filter `{filter:.SHOWN$}{cut}`: {what}"))
}

fn tokens(text: &str, dialect: Dialect) -> Result<Vec<Token>> {
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
fn word_end(rest: &str, dialect: Dialect) -> usize {
    rest.find(|character: char| {
        character.is_whitespace()
            || "()=!<>,'\"`".contains(character)
            || (character == ':' && dialect == Dialect::Dashboard)
    })
    .unwrap_or(rest.len())
}

/// The text between the quotes that `rest` begins with, and the length with them. A quote that stands twice is one
/// of the text: `'it''s'`.
fn quoted(filter: &str, rest: &str) -> Result<(String, usize)> {
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
fn number(word: &str) -> Option<f64> {
    word.chars()
        .all(|character| character.is_ascii_digit() || "+-.eE".contains(character))
        .then(|| word.parse().ok())
        .flatten()
}

/// Parses a filter over runs; empty text matches everything.
pub fn parse(text: &str, dialect: Dialect) -> Result<Filter> {
    parse_for(Kind::Runs, text, dialect)
}

/// Parses a filter; empty text matches everything.
pub fn parse_for(kind: Kind, text: &str, dialect: Dialect) -> Result<Filter> {
    let mut parser = Parser {
        filter: text,
        tokens: tokens(text, dialect)?,
        at: 0,
        dialect,
        kind,
        tests: 0,
        listed: 0,
    };
    if parser.tokens.is_empty() {
        return Ok(Filter::All(Vec::new()));
    }
    let parsed = parser.any(0)?;
    if parser.at < parser.tokens.len() {
        return Err(refused(text, "it does not end where it should"));
    }
    Ok(parsed)
}

struct Parser<'a> {
    filter: &'a str,
    tokens: Vec<Token>,
    at: usize,
    dialect: Dialect,
    kind: Kind,
    tests: usize,
    listed: usize,
}

/// Parentheses inside each other at most: bounds the parser's stack.
const DEPTH: usize = 50;
/// Comparisons at most: SQLite takes expressions 1,000 deep, and a chain is as deep as it is long.
const TESTS: usize = 300;
/// Texts in all lists together at most: SQLite takes 32,766 values in a statement.
const LISTED: usize = 10_000;
/// Characters of a pattern at most: SQLite takes 50,000 bytes, and one character may become four.
const PATTERN: usize = 10_000;
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

impl Parser<'_> {
    fn refused<T>(&self, what: impl std::fmt::Display) -> Result<T> {
        Err(refused(self.filter, what))
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Option<Token> {
        let token = self.tokens.get(self.at).cloned();
        self.at += 1;
        token
    }

    /// Whether the next token is this keyword, which is then consumed.
    fn keyword(&mut self, word: &str) -> bool {
        let there =
            matches!(self.peek(), Some(Token::Word(text)) if text.eq_ignore_ascii_case(word));
        if there {
            self.at += 1;
        }
        there
    }

    fn any(&mut self, depth: usize) -> Result<Filter> {
        if depth > DEPTH {
            return self.refused("too many parentheses inside each other");
        }
        let mut parts = vec![self.all(depth)?];
        while self.keyword("or") {
            parts.push(self.all(depth)?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Filter::Any(parts),
        })
    }

    fn all(&mut self, depth: usize) -> Result<Filter> {
        let mut parts = vec![self.one(depth)?];
        loop {
            if self.keyword("and") {
                parts.push(self.one(depth)?);
                continue;
            }
            // What stands side by side must all hold, for MLflow's servers too.
            let beside = match self.peek() {
                Some(Token::Word(word)) => !word.eq_ignore_ascii_case("or"),
                Some(Token::Key(..) | Token::Quoted(_) | Token::Open) => true,
                _ => false,
            };
            if !beside {
                break;
            }
            parts.push(self.one(depth)?);
        }
        Ok(match parts.len() {
            1 => parts.remove(0),
            _ => Filter::All(parts),
        })
    }

    fn one(&mut self, depth: usize) -> Result<Filter> {
        if self.peek() == Some(&Token::Open) {
            self.at += 1;
            let inner = self.any(depth + 1)?;
            if self.next() != Some(Token::Close) {
                return self.refused("a `(` is not closed");
            }
            return Ok(inner);
        }
        self.tests += 1;
        if self.tests > TESTS {
            return self.refused(format!("more than {TESTS} comparisons"));
        }
        let (written, key) = match self.next() {
            Some(Token::Word(word)) => (word.clone(), Token::Word(word)),
            Some(Token::Key(prefix, name)) => {
                (format!("{prefix}.{name}"), Token::Key(prefix, name))
            }
            Some(Token::Quoted(text)) if self.dialect == Dialect::Dashboard => {
                return Ok(Filter::Word(text));
            }
            Some(Token::Quoted(text)) => (text.clone(), Token::Key(String::new(), text)),
            _ => return self.refused("a comparison such as `metrics.loss < 0.5` is missing"),
        };
        let operator = match self.peek() {
            Some(Token::Operator(operator)) => {
                let operator = *operator;
                self.at += 1;
                operator
            }
            Some(Token::Colon) => {
                self.at += 1;
                return self.short(&written);
            }
            Some(Token::Word(_)) => match self.word_operator()? {
                Some(operator) => operator,
                None => return self.bare(&written),
            },
            _ => return self.bare(&written),
        };
        let subject = self.subject(&key, operator)?;
        let operand = self.operand(&written, &subject, operator)?;
        Ok(Filter::Test(subject, operator, operand))
    }

    /// A word without a comparison.
    fn bare(&self, word: &str) -> Result<Filter> {
        match self.dialect {
            Dialect::Dashboard => Ok(Filter::Word(word.to_owned())),
            Dialect::Mlflow => self.refused(format!("`{word}` is compared with nothing")),
        }
    }

    /// `LIKE`, `ILIKE`, `IN`, `NOT IN`, `IS NULL`, `IS NOT NULL`.
    fn word_operator(&mut self) -> Result<Option<Operator>> {
        Ok(Some(if self.keyword("like") {
            Operator::Like
        } else if self.keyword("ilike") {
            Operator::ILike
        } else if self.keyword("in") {
            Operator::In
        } else if self.keyword("not") {
            if !self.keyword("in") {
                return self.refused("after NOT comes IN");
            }
            Operator::NotIn
        } else if self.keyword("is") {
            let not = self.keyword("not");
            if !self.keyword("null") {
                return self.refused("after IS comes NULL or NOT NULL");
            }
            if not {
                Operator::IsNotNull
            } else {
                Operator::IsNull
            }
        } else {
            return Ok(None);
        }))
    }

    /// `state:done`, `user:ana`, `learning_rate:0.1`.
    fn short(&mut self, key: &str) -> Result<Filter> {
        let value = match self.next() {
            Some(Token::Word(text) | Token::Quoted(text) | Token::Key(_, text)) => text,
            _ => return self.refused(format!("after `{key}:` a value is missing")),
        };
        let (subject, value) = match key.to_ascii_lowercase().as_str() {
            "state" | "status" => {
                let status = match value.to_ascii_lowercase().as_str() {
                    "done" | "ok" => "FINISHED".to_owned(),
                    "cancelled" | "stopped" => "KILLED".to_owned(),
                    "waiting" | "queued" => "SCHEDULED".to_owned(),
                    _ => value.to_ascii_uppercase(),
                };
                (Subject::Text("r.status"), status)
            }
            "user" | "by" => (Subject::Text("r.user"), value),
            "name" => return Ok(Filter::Word(value)),
            _ => match key.strip_prefix("tag.").or(key.strip_prefix("tags.")) {
                Some(tag) => (Subject::Tag(tag.to_owned()), value),
                None => (Subject::Param(key.to_owned()), value),
            },
        };
        Ok(Filter::Test(subject, Operator::Equal, Operand::Text(value)))
    }

    fn subject(&self, key: &Token, operator: Operator) -> Result<Subject> {
        let number = matches!(self.peek(), Some(Token::Word(word)) if number(word).is_some());
        match subject(self.kind, key) {
            Ok(subject) => Ok(subject),
            // In the dashboard `val_auc>0.8` is a metric and `depth='8'` a parameter.
            Err(error) => match (self.dialect, key) {
                (Dialect::Dashboard, Token::Word(name)) if number => {
                    Ok(Subject::Metric(name.clone()))
                }
                (Dialect::Dashboard, Token::Word(name))
                    if matches!(
                        operator,
                        Operator::Equal | Operator::NotEqual | Operator::Like | Operator::ILike
                    ) =>
                {
                    Ok(Subject::Param(name.clone()))
                }
                _ => self.refused(error.message),
            },
        }
    }

    fn operand(&mut self, key: &str, subject: &Subject, operator: Operator) -> Result<Operand> {
        use Operator::{
            AtLeast, AtMost, Equal, Greater, ILike, In, IsNotNull, IsNull, Less, Like, NotEqual,
            NotIn,
        };
        if matches!(operator, IsNull | IsNotNull) {
            return match subject {
                Subject::Param(_) | Subject::Tag(_) => Ok(Operand::Null),
                _ => self.refused(format!("IS NULL is for params and tags, not for `{key}`")),
            };
        }
        let allowed = match subject {
            Subject::Metric(_) | Subject::Time(_) => {
                matches!(
                    operator,
                    Equal | NotEqual | Less | AtMost | Greater | AtLeast
                )
            }
            Subject::Param(_) | Subject::Tag(_) => {
                matches!(operator, Equal | NotEqual | Like | ILike)
            }
            Subject::Text(_) | Subject::Dataset(_) => {
                matches!(operator, Equal | NotEqual | Like | ILike | In | NotIn)
            }
        };
        if !allowed {
            return self.refused(format!("`{key}` cannot be compared in this way"));
        }
        if matches!(operator, In | NotIn) {
            return self.list(key);
        }
        match (subject, self.next()) {
            (Subject::Metric(_) | Subject::Time(_), Some(Token::Word(word))) => {
                match number(&word) {
                    Some(number) if *subject == VERSION && number.fract() != 0.0 => {
                        self.refused(format!("`{key}` is compared with a whole number"))
                    }
                    Some(number) => Ok(Operand::Number(number)),
                    None => {
                        self.refused(format!("`{key}` is compared with a number, not `{word}`"))
                    }
                }
            }
            // Versions are numbers that clients write as text.
            (subject, Some(Token::Quoted(word)))
                if *subject == VERSION && number(&word).is_some() =>
            {
                Ok(Operand::Number(number(&word).unwrap_or_default()))
            }
            (Subject::Metric(_) | Subject::Time(_), _) => {
                self.refused(format!("`{key}` is compared with a number, without quotes"))
            }
            (_, Some(Token::Quoted(text)))
                if matches!(operator, Like | ILike) && text.chars().count() > PATTERN =>
            {
                self.refused(format!("a pattern has at most {PATTERN} characters"))
            }
            (_, Some(Token::Quoted(text))) => Ok(Operand::Text(text)),
            (_, Some(Token::Word(word))) if self.dialect == Dialect::Dashboard => {
                Ok(Operand::Text(word))
            }
            _ => self.refused(format!("`{key}` is compared with text in quotes")),
        }
    }

    fn list(&mut self, key: &str) -> Result<Operand> {
        if self.next() != Some(Token::Open) {
            return self.refused(format!("after `{key}` IN comes a list such as ('a', 'b')"));
        }
        let mut values = Vec::new();
        loop {
            match self.next() {
                Some(Token::Quoted(text)) if self.listed < LISTED => {
                    self.listed += 1;
                    values.push(text);
                }
                Some(Token::Quoted(_)) => {
                    return self.refused(format!("its lists hold more than {LISTED} texts"));
                }
                _ => return self.refused("a list holds texts in quotes"),
            }
            match self.next() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(Operand::List(values)),
                _ => return self.refused("a list is not closed with `)`"),
            }
        }
    }
}

/// What a key names. Bare keys are attributes.
fn subject(kind: Kind, key: &Token) -> Result<Subject> {
    let (prefix, name) = match key {
        Token::Key(prefix, name) => (prefix.as_str(), name.as_str()),
        Token::Word(word) => word.split_once('.').unwrap_or(("", word)),
        _ => ("", ""),
    };
    if name.is_empty() {
        return Err(Error::invalid("a key is missing"));
    }
    let measured = matches!(kind, Kind::Runs | Kind::LoggedModels);
    match prefix {
        "metric" | "metrics" if measured => Ok(Subject::Metric(name.to_owned())),
        "param" | "params" | "parameter" | "parameters" if measured => {
            Ok(Subject::Param(name.to_owned()))
        }
        "tag" | "tags" => Ok(Subject::Tag(name.to_owned())),
        "" | "attribute" | "attributes" if kind != Kind::Runs => attribute(kind, name),
        _ if kind != Kind::Runs => Err(Error::invalid(format!(
            "`{prefix}` is none of attributes, tags{}",
            if measured { ", params, metrics" } else { "" }
        ))),
        "dataset" | "datasets" => match name {
            "name" => Ok(Subject::Dataset("d.name")),
            "digest" => Ok(Subject::Dataset("d.digest")),
            "context" => Ok(Subject::Dataset("i.context")),
            _ => Err(Error::invalid(format!(
                "datasets have `name`, `digest` and `context`, not `{name}`"
            ))),
        },
        "" | "attribute" | "attributes" | "attr" | "run" => {
            match name.to_ascii_lowercase().as_str() {
                "run_id" | "run id" | "id" => Ok(Subject::Text("r.id")),
                "run_name" | "run name" | "name" => Ok(Subject::Text("r.name")),
                "user_id" | "user id" | "user" => Ok(Subject::Text("r.user")),
                "status" => Ok(Subject::Text("r.status")),
                "artifact_uri" => Ok(Subject::Text("r.artifact_uri")),
                "start_time" | "created" => Ok(Subject::Time("r.started")),
                "end_time" => Ok(Subject::Time("r.ended")),
                _ => Err(Error::invalid(format!(
                    "a run has no attribute `{name}`; metrics, params and tags are written with their prefix: `metrics.{name}`"
                ))),
            }
        }
        _ => Err(Error::invalid(format!(
            "`{prefix}` is none of metrics, params, tags, attributes, datasets"
        ))),
    }
}

/// What an attribute names, of all that is searched but runs.
fn attribute(kind: Kind, name: &str) -> Result<Subject> {
    Ok(match (kind, name) {
        (Kind::Experiments, "name") => Subject::Text("e.name"),
        (Kind::Experiments, "experiment_id") => Subject::Text("e.id"),
        (Kind::Experiments, "creation_time") => Subject::Time("e.created"),
        (Kind::Experiments, "last_update_time") => Subject::Time("e.updated"),
        (Kind::Models, "name") => Subject::Text("m.name"),
        (Kind::Versions, "name") => Subject::Text("v.model"),
        (Kind::Versions, "run_id") => Subject::Text("v.run_id"),
        (Kind::Versions, "source_path") => Subject::Text("v.source"),
        (Kind::Versions, "version_number") => VERSION,
        (Kind::LoggedModels, "name") => Subject::Text("l.name"),
        (Kind::LoggedModels, "model_id") => Subject::Text("l.id"),
        (Kind::LoggedModels, "model_type") => Subject::Text("l.model_type"),
        (Kind::LoggedModels, "status") => Subject::Text("l.status"),
        (Kind::LoggedModels, "source_run_id") => Subject::Text("l.source_run"),
        (Kind::LoggedModels, "experiment_id") => Subject::Text("l.experiment"),
        (Kind::LoggedModels, "creation_time" | "creation_timestamp" | "creation_timestamp_ms") => {
            Subject::Time("l.created")
        }
        (Kind::LoggedModels, "last_updated_timestamp" | "last_updated_timestamp_ms") => {
            Subject::Time("l.updated")
        }
        _ => return Err(Error::invalid(format!("there is no attribute `{name}`"))),
    })
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

/// `%` and `_` of LIKE as GLOB has them: GLOB counts case, SQLite's LIKE does not.
fn glob(pattern: &str) -> String {
    let mut glob = String::with_capacity(pattern.len());
    for character in pattern.chars() {
        match character {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            '*' | '?' | '[' => {
                glob.push('[');
                glob.push(character);
                glob.push(']');
            }
            other => glob.push(other),
        }
    }
    glob
}

impl Filter {
    /// The condition over `runs as r`.
    pub fn sql(&self) -> Sql {
        let mut sql = Sql::default();
        self.write(&mut sql);
        sql
    }

    fn write(&self, sql: &mut Sql) {
        match self {
            Self::All(parts) if parts.is_empty() => sql.text.push_str("true"),
            Self::All(parts) => join(parts, " and ", sql),
            Self::Any(parts) => join(parts, " or ", sql),
            Self::Word(word) => {
                sql.text
                    .push_str("(instr(lower(r.name), ?) > 0 or instr(lower(r.user), ?) > 0)");
                let word = Value::Text(word.to_lowercase());
                sql.values.extend([word.clone(), word]);
            }
            Self::Test(subject, operator, operand) => test(subject, *operator, operand, sql),
            Self::Root => {
                sql.text.push_str(
                    "not exists (select 1 from tags p join runs q on q.id = p.value where p.run = r.number and p.key = ? and q.lifecycle = r.lifecycle)",
                );
                sql.values
                    .push(Value::Text(super::board::PARENT.to_owned()));
            }
        }
    }
}

fn join(parts: &[Filter], between: &str, sql: &mut Sql) {
    sql.text.push('(');
    for (number, part) in parts.iter().enumerate() {
        if number > 0 {
            sql.text.push_str(between);
        }
        part.write(sql);
    }
    sql.text.push(')');
}

fn test(subject: &Subject, operator: Operator, operand: &Operand, sql: &mut Sql) {
    let absent = operator == Operator::IsNull;
    match subject {
        Subject::Metric(key) => {
            sql.text.push_str(
                "exists (select 1 from latest_metrics l where l.run = r.number and l.key = (select id from metric_keys where name = ?) and ",
            );
            sql.values.push(Value::Text(key.clone()));
            // NaN equals nothing and is neither less nor greater.
            sql.text.push_str(if operator == Operator::NotEqual {
                "(l.nan = 1 or "
            } else {
                "(l.nan = 0 and "
            });
            compare("l.value", operator, operand, sql);
            sql.text.push_str("))");
        }
        Subject::Param(key) | Subject::Tag(key) => {
            let table = if matches!(subject, Subject::Param(_)) {
                "params"
            } else {
                "tags"
            };
            sql.text.push_str(&format!(
                "{}exists (select 1 from {table} p where p.run = r.number and p.key = ?",
                if absent { "not " } else { "" }
            ));
            sql.values.push(Value::Text(key.clone()));
            if !matches!(operator, Operator::IsNull | Operator::IsNotNull) {
                sql.text.push_str(" and ");
                compare("p.value", operator, operand, sql);
            }
            sql.text.push(')');
        }
        Subject::Text(column) | Subject::Time(column) => compare(column, operator, operand, sql),
        Subject::Dataset(column) => {
            sql.text.push_str(
                "exists (select 1 from inputs i join logged_datasets d on d.id = i.dataset where i.run = r.number and ",
            );
            compare(column, operator, operand, sql);
            sql.text.push(')');
        }
    }
}

/// `column`, the operator's sign and the operand's marks.
pub(super) fn compare(column: &str, operator: Operator, operand: &Operand, sql: &mut Sql) {
    let sign = match operator {
        Operator::Equal => "=",
        Operator::NotEqual => "!=",
        Operator::Less => "<",
        Operator::AtMost => "<=",
        Operator::Greater => ">",
        Operator::AtLeast => ">=",
        Operator::Like => "glob",
        Operator::ILike => "like",
        Operator::In => "in",
        Operator::NotIn => "not in",
        Operator::IsNull => "is null",
        Operator::IsNotNull => "is not null",
    };
    sql.text.push_str(column);
    sql.text.push(' ');
    sql.text.push_str(sign);
    match operand {
        Operand::Null => {}
        Operand::Number(number) => {
            sql.text.push_str(" ?");
            sql.values.push(Value::Real(*number));
        }
        Operand::Text(text) => {
            sql.text.push_str(" ?");
            sql.values.push(Value::Text(if operator == Operator::Like {
                glob(text)
            } else {
                text.clone()
            }));
        }
        Operand::List(texts) => {
            sql.text.push_str(" (");
            for (number, text) in texts.iter().enumerate() {
                sql.text.push_str(if number == 0 { "?" } else { ", ?" });
                sql.values.push(Value::Text(text.clone()));
            }
            sql.text.push(')');
        }
    }
}

/// Joins that the orders need, and the `order by` list with MLflow's ties: start time descending, then id.
/// NaN comes after all numbers and the absent last, in both directions.
pub fn order_sql(orders: &[Order]) -> (Sql, String) {
    let mut joins = Sql::default();
    let mut list = String::new();
    for (number, order) in orders.iter().enumerate() {
        let direction = if order.descending { "desc" } else { "asc" };
        match &order.by {
            Subject::Metric(key) => {
                joins.text.push_str(&format!(
                    " left join latest_metrics o{number} on o{number}.run = r.number and o{number}.key = (select id from metric_keys where name = ?)"
                ));
                joins.values.push(Value::Text(key.clone()));
                list.push_str(&format!(
                    "case when o{number}.nan is null then 2 else o{number}.nan end, o{number}.value {direction}, "
                ));
            }
            Subject::Param(key) | Subject::Tag(key) => {
                let table = if matches!(order.by, Subject::Param(_)) {
                    "params"
                } else {
                    "tags"
                };
                joins.text.push_str(&format!(
                    " left join {table} o{number} on o{number}.run = r.number and o{number}.key = ?"
                ));
                joins.values.push(Value::Text(key.clone()));
                list.push_str(&format!("o{number}.value is null, "));
                if order.numeric {
                    let value = format!("o{number}.value");
                    list.push_str(&format!(
                        "{value} glob '*[^-+.0-9eE]*' or {value} not glob '*[0-9]*', cast({value} as real) {direction}, "
                    ));
                }
                list.push_str(&format!("o{number}.value {direction}, "));
            }
            Subject::Text(column) | Subject::Time(column) => {
                list.push_str(&format!("{column} is null, {column} {direction}, "));
            }
            Subject::Dataset(_) => {}
        }
    }
    // The ties alone are an index's own order: nothing is sorted.
    list.push_str("r.started desc, r.id");
    (joins, list)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn check(filter: &str, sql: &str) {
        assert_eq!(parse(filter, Dialect::Mlflow).unwrap().sql().text, sql);
    }

    #[test]
    fn comparisons_become_sql_with_bound_values() {
        check("", "true");
        check("status = 'FINISHED'", "r.status = ?");
        check("attributes.start_time >= 1e3", "r.started >= ?");
        check("`run name` LIKE 'a%'", "r.name glob ?");
        check("run_id NOT IN ('a', \"b\")", "r.id not in (?, ?)");
        check(
            "tags.`a b` IS NULL AND params.\"x.y\" != '1'",
            "(not exists (select 1 from tags p where p.run = r.number and p.key = ?) and exists (select 1 from params p where p.run = r.number and p.key = ? and p.value != ?))",
        );
        check(
            "metrics.loss < 0.5 and datasets.digest = 'x'",
            "(exists (select 1 from latest_metrics l where l.run = r.number and l.key = (select id from metric_keys where name = ?) and (l.nan = 0 and l.value < ?)) and exists (select 1 from inputs i join logged_datasets d on d.id = i.dataset where i.run = r.number and d.digest = ?))",
        );
    }

    #[test]
    fn what_mlflow_refuses_is_refused() {
        for filter in [
            "metrics.a > 1 OR",
            "(metrics.a > 1",
            "metrics.a == 1",
            "metrics.a > nan",
            "metrics.a > inf",
            "params.a = b",
            "metrics.a > '1'",
            "metrics.a LIKE '1'",
            "params.a > '1'",
            "nonsense.a = '1'",
            "attributes.nonsense = '1'",
            "metrics.a >",
            "metrics.a",
            "metrics.a > 1 AND",
            "status IN ()",
            "status = 'open",
            "metrics.a IS NULL",
            "status ! 'a'",
        ] {
            let error = parse(filter, Dialect::Mlflow).unwrap_err();
            assert_eq!(error.kind, crate::domain::ErrorKind::Invalid, "{filter}");
        }
    }

    #[test]
    fn alternatives_and_quoted_prefixes_are_taken() {
        check(
            "status = 'a' OR (status = 'b' AND run_id = 'c')",
            "(r.status = ? or (r.status = ? and r.id = ?))",
        );
        check("`attributes`.status = 'a'", "r.status = ?");
        let parsed = parse("tags.a = 'it''s'", Dialect::Mlflow).unwrap();
        assert_eq!(
            parsed,
            Filter::Test(
                Subject::Tag("a".to_owned()),
                Operator::Equal,
                Operand::Text("it's".to_owned())
            )
        );
    }

    #[test]
    fn other_kinds_have_their_own_keys() {
        for (kind, filter, good) in [
            (Kind::Experiments, "name LIKE 'a%' AND tags.x = '1'", true),
            (Kind::Experiments, "creation_time > 5", true),
            (Kind::Experiments, "metrics.a > 5", false),
            (Kind::Models, "name = 'a'", true),
            (Kind::Models, "run_id = 'a'", false),
            (
                Kind::Versions,
                "version_number > 3 AND run_id IN ('a')",
                true,
            ),
            (Kind::Versions, "version_number = '3'", true),
            (
                Kind::LoggedModels,
                "metrics.a > 0.5 AND params.b = 'c' AND name = 'd'",
                true,
            ),
            (Kind::LoggedModels, "datasets.name = 'a'", false),
        ] {
            assert_eq!(
                parse_for(kind, filter, Dialect::Mlflow).is_ok(),
                good,
                "{filter}"
            );
        }
        assert!(parse_order_for(Kind::Models, "timestamp DESC").is_ok());
        assert!(parse_order_for(Kind::Models, "run_id").is_err());
    }

    #[test]
    fn people_type_less() {
        let parsed = parse("val_auc>0.8 state:done otter", Dialect::Dashboard).unwrap();
        let text = |text: &str| Operand::Text(text.to_owned());
        assert_eq!(
            parsed,
            Filter::All(vec![
                Filter::Test(
                    Subject::Metric("val_auc".to_owned()),
                    Operator::Greater,
                    Operand::Number(0.8)
                ),
                Filter::Test(Subject::Text("r.status"), Operator::Equal, text("FINISHED")),
                Filter::Word("otter".to_owned()),
            ])
        );
        let parsed = parse(
            "(user:ana or user:bo) params.depth = '8'",
            Dialect::Dashboard,
        )
        .unwrap();
        assert!(matches!(parsed, Filter::All(parts) if matches!(parts[0], Filter::Any(_))));
        assert!(parse(&"(".repeat(100_000), Dialect::Dashboard).is_err());
    }

    #[test]
    fn like_counts_case_and_its_own_wildcards_only() {
        assert_eq!(glob("a_%*?["), "a?*[*][?][[]");
    }

    #[test]
    fn orders() {
        let order = parse_order("metrics.`a b` DESC").unwrap();
        assert_eq!(order.by, Subject::Metric("a b".to_owned()));
        assert!(order.descending);
        assert_eq!(
            parse_order("start_time").unwrap().by,
            Subject::Time("r.started")
        );
        for wrong in ["", "datasets.name", "metrics.a UP", "a.b"] {
            assert!(parse_order(wrong).is_err(), "{wrong}");
        }
    }
}
