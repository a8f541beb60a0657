//! MLflow's filter and order strings -> [`Filter`] and [`Order`] -> SQL over `runs as r` with bound values.
//! What else is searched by the same grammar has its SQL in `conditions`.
//!
//! Two dialects. MLflow's is what its servers take, and OR and parentheses besides. The dashboard's
//! also takes `state:done`, metrics without prefix (`val_auc>0.8`) and plain words,
//! which match names and users.

mod orders;
mod parser;
mod sql;
mod subjects;
mod tokens;

use self::parser::Parser;
use self::tokens::{refused, tokens};
use crate::domain::Result;
use rusqlite::types::Value;

pub use orders::{check_orders, parse_order, parse_order_for};
pub(super) use sql::compare;
pub use sql::order_sql;

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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::sql::glob;
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
