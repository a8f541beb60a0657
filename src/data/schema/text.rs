//! Schemas as TOML that a person reviews: read with every key known and every value checked, written short and in order,
//! each expectation with what suggested it.

use super::age;
use crate::data::{Error, Result};
use crate::domain::dataset::{Expectation, HistoryRule, Rule, Schema, Severity, Strategy};
use std::fmt::Write as _;

const HEAD: &str = "\
# What is expected of this data. `because` says what was seen when it was suggested; correct what is not meant.
#
# Besides, by hand:
#   leaks = \"warning\"           at the top: a feature that knows the future does not keep a pipeline from training
#   [environments.serving]      without = [\"label\"]
#   [[rule]]                    name = \"arrives after it left\", sql = \"dep_time <= arr_time\", at_least = 0.99
#   [[columns]] with `where`    more about a slice of a column's rows: where = \"carrier = 'HA'\", max_null_share = 0.01
#   [[history]]                 metric = \"rows\", strategy = \"relative_change\" | \"running\" | \"season\"
";

const TOP: &[&str] = &[
    "leaks",
    "rows",
    "columns",
    "environments",
    "rule",
    "history",
];
const ROWS: &[&str] = &["min", "max", "because"];
const COLUMN: &[&str] = &[
    "name",
    "kind",
    "nullable",
    "max_null_share",
    "unique",
    "min",
    "max",
    "domain",
    "min_domain_mass",
    "min_length",
    "max_length",
    "max_age",
    "not_future",
    "in_environment",
    "not_in_environment",
    "where",
    "severity",
    "because",
];
const ENVIRONMENT: &[&str] = &["without"];
const RULE: &[&str] = &[
    "name",
    "sql",
    "at_least",
    "where",
    "severity",
    "in_environment",
    "because",
];
const HISTORY: &[&str] = &[
    "metric",
    "column",
    "strategy",
    "min_rate",
    "max_rate",
    "deviations",
    "season",
    "severity",
];

/// Metrics of days that [`HistoryRule`]s may name.
pub const METRICS: &[&str] = &[
    "rows",
    "null_share",
    "distinct",
    "mean",
    "std",
    "min",
    "max",
];

/// The schema that a text says.
///
/// # Errors
/// What is no TOML, an unknown key, or a value that cannot be meant: each with its place in the text or its name.
pub fn parse(text: &str) -> Result<Schema> {
    let table: toml::Table = toml::from_str(text).map_err(|error| plain(&error))?;
    keys("the schema", &table, TOP)?;
    for (list, known) in [("columns", COLUMN), ("rule", RULE), ("history", HISTORY)] {
        for (number, one) in tables(&table, list).enumerate() {
            let name = one.get("name").and_then(toml::Value::as_str);
            let what = match name {
                Some(name) => format!("[[{list}]] `{name}`"),
                None => format!("[[{list}]] number {}", number + 1),
            };
            keys(&what, one, known)?;
        }
    }
    if let Some(rows) = table.get("rows").and_then(toml::Value::as_table) {
        keys("[rows]", rows, ROWS)?;
    }
    if let Some(environments) = table.get("environments").and_then(toml::Value::as_table) {
        for (name, one) in environments {
            if let Some(one) = one.as_table() {
                keys(&format!("[environments.{name}]"), one, ENVIRONMENT)?;
            }
        }
    }
    let schema: Schema = toml::from_str(text).map_err(|error| plain(&error))?;
    schema.columns.iter().try_for_each(expectation)?;
    schema.rules.iter().try_for_each(rule)?;
    schema.history.iter().try_for_each(history)?;
    for (at, column) in schema.columns.iter().enumerate() {
        let name = &column.column.name;
        let again = schema.columns[..at]
            .iter()
            .any(|other| other.column.name == *name && other.slice == column.slice);
        if again {
            return Err(Error::new(format!(
                "column `{name}` is described twice; the second needs another `where`"
            )));
        }
    }
    Ok(schema)
}

fn plain(error: &toml::de::Error) -> Error {
    Error::new(error.to_string().trim_end().to_owned())
}

fn tables<'a>(table: &'a toml::Table, list: &str) -> impl Iterator<Item = &'a toml::Table> {
    table
        .get(list)
        .and_then(toml::Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_table)
}

fn keys(what: &str, table: &toml::Table, known: &[&str]) -> Result<()> {
    match table.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(key) => Err(Error::new(format!(
            "{what} has no key `{key}`; it has `{}`",
            known.join("`, `")
        ))),
    }
}

fn expectation(expected: &Expectation) -> Result<()> {
    let name = &expected.column.name;
    let wrong = |what: String| Err(Error::new(format!("column `{name}`: {what}")));
    if let (Some(min), Some(max)) = (expected.min, expected.max)
        && min > max
    {
        return wrong(format!("min {min} lies above max {max}"));
    }
    for (key, share) in [
        ("max_null_share", expected.max_null_share),
        ("min_domain_mass", expected.min_domain_mass),
    ] {
        if let Some(share) = share.filter(|share| !(0.0..=1.0).contains(share)) {
            return wrong(format!("{key} is {share}; a share lies between 0 and 1"));
        }
    }
    match &expected.max_age {
        Some(text) if age::parse(text).is_none() => {
            wrong(format!("max_age is `{text}`; write 90s, 15m, 36h or 2d"))
        }
        _ => Ok(()),
    }
}

fn rule(rule: &Rule) -> Result<()> {
    if !(0.0..=1.0).contains(&rule.at_least) {
        return Err(Error::new(format!(
            "rule `{}`: at_least is {}; a share lies between 0 and 1",
            rule.name, rule.at_least
        )));
    }
    if rule.sql.trim().is_empty() {
        return Err(Error::new(format!("rule `{}` has no sql", rule.name)));
    }
    Ok(())
}

fn history(rule: &HistoryRule) -> Result<()> {
    if !METRICS.contains(&rule.metric.as_str()) {
        return Err(Error::new(format!(
            "[[history]]: there is no metric `{}`; there are `{}`",
            rule.metric,
            METRICS.join("`, `")
        )));
    }
    if rule.strategy == Strategy::RelativeChange
        && rule.min_rate.is_none()
        && rule.max_rate.is_none()
    {
        return Err(Error::new(format!(
            "[[history]] of `{}`: relative_change needs min_rate, max_rate or both (new over old)",
            rule.metric
        )));
    }
    Ok(())
}

/// The schema as text.
pub fn write(schema: &Schema) -> String {
    let mut text = HEAD.to_owned();
    if let Some(leaks) = schema.leaks {
        let _ = writeln!(text, "\nleaks = {}", severity(leaks));
    }
    if let Some(rows) = &schema.rows {
        text.push_str("\n[rows]\n");
        put(&mut text, "min", rows.min);
        put(&mut text, "max", rows.max);
        list(&mut text, "because", &rows.because);
    }
    for (name, environment) in &schema.environments {
        let _ = writeln!(text, "\n[environments.{}]", key(name));
        list(&mut text, "without", &environment.without);
    }
    for column in &schema.columns {
        text.push_str("\n[[columns]]\n");
        write_column(&mut text, column);
    }
    for rule in &schema.rules {
        text.push_str("\n[[rule]]\n");
        put(&mut text, "name", Some(quote(&rule.name)));
        put(&mut text, "sql", Some(quote(&rule.sql)));
        put(&mut text, "at_least", Some(number(rule.at_least)));
        put(&mut text, "where", rule.slice.as_deref().map(quote));
        put(&mut text, "severity", Some(severity(rule.severity)));
        list(&mut text, "in_environment", &rule.in_environment);
        list(&mut text, "because", &rule.because);
    }
    for rule in &schema.history {
        text.push_str("\n[[history]]\n");
        put(&mut text, "metric", Some(quote(&rule.metric)));
        put(&mut text, "column", rule.column.as_deref().map(quote));
        put(
            &mut text,
            "strategy",
            Some(quote(&rule.strategy.to_string())),
        );
        put(&mut text, "min_rate", rule.min_rate.map(number));
        put(&mut text, "max_rate", rule.max_rate.map(number));
        put(&mut text, "deviations", rule.deviations.map(number));
        put(&mut text, "season", rule.season);
        put(&mut text, "severity", Some(severity(rule.severity)));
    }
    text
}

fn write_column(text: &mut String, column: &Expectation) {
    put(text, "name", Some(quote(&column.column.name)));
    put(text, "kind", Some(quote(&column.column.kind.to_string())));
    put(text, "nullable", Some(column.column.nullable));
    put(text, "where", column.slice.as_deref().map(quote));
    put(text, "max_null_share", column.max_null_share.map(share));
    put(text, "unique", column.unique.then_some(true));
    put(text, "min", column.min.map(number));
    put(text, "max", column.max.map(number));
    if let Some(domain) = &column.domain {
        list(text, "domain", domain);
        if domain.is_empty() {
            text.push_str("domain = []\n");
        }
    }
    put(text, "min_domain_mass", column.min_domain_mass.map(number));
    put(text, "min_length", column.min_length);
    put(text, "max_length", column.max_length);
    put(text, "max_age", column.max_age.as_deref().map(quote));
    put(text, "not_future", column.not_future.then_some(true));
    list(text, "in_environment", &column.in_environment);
    list(text, "not_in_environment", &column.not_in_environment);
    put(text, "severity", column.severity.map(severity));
    list(text, "because", &column.because);
}

fn put(text: &mut String, key: &str, value: Option<impl std::fmt::Display>) {
    if let Some(value) = value {
        let _ = writeln!(text, "{key} = {value}");
    }
}

/// A list on one line, a longer one with a line for each hundred characters or so.
fn list(text: &mut String, key: &str, items: &[String]) {
    if items.is_empty() {
        return;
    }
    let items: Vec<String> = items.iter().map(|item| quote(item)).collect();
    let line = items.join(", ");
    if line.len() <= 100 {
        let _ = writeln!(text, "{key} = [{line}]");
        return;
    }
    let _ = write!(text, "{key} = [");
    let mut width = usize::MAX;
    for item in items {
        if width.saturating_add(item.len()) > 100 {
            text.push_str("\n   ");
            width = 3;
        }
        let _ = write!(text, " {item},");
        width += item.len() + 2;
    }
    text.push_str("\n]\n");
}

fn quote(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        quote(name)
    }
}

fn severity(severity: Severity) -> String {
    quote(match severity {
        Severity::Warning => "warning",
        Severity::Error => "error",
    })
}

/// Upwards at the fourth place: what was allowed stays allowed.
fn share(share: f64) -> String {
    number((share * 10_000.0).ceil() / 10_000.0)
}

fn number(value: f64) -> String {
    toml::Value::Float(value).to_string()
}
