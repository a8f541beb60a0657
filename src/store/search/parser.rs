//! Tokens of a filter -> [`Filter`], by the rules of its dialect; bounded in every direction, so that SQLite takes what comes
//! out of it.

use super::subjects::subject;
use super::tokens::{Token, number, refused};
use super::{Dialect, Filter, Kind, Operand, Operator, Subject, VERSION};
use crate::domain::Result;

pub(super) struct Parser<'a> {
    pub filter: &'a str,
    pub tokens: Vec<Token>,
    pub at: usize,
    pub dialect: Dialect,
    pub kind: Kind,
    pub tests: usize,
    pub listed: usize,
}

/// Parentheses inside each other at most: bounds the parser's stack.
const DEPTH: usize = 50;
/// Comparisons at most: SQLite takes expressions 1,000 deep, and a chain is as deep as it is long.
const TESTS: usize = 300;
/// Texts in all lists together at most: SQLite takes 32,766 values in a statement.
const LISTED: usize = 10_000;
/// Characters of a pattern at most: SQLite takes 50,000 bytes, and one character may become four.
const PATTERN: usize = 10_000;

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

    pub(super) fn any(&mut self, depth: usize) -> Result<Filter> {
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
