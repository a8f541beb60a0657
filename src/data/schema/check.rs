//! Files held against a schema, one after the other and a piece at a time: a file is in memory only where SQL of the schema
//! looks at it, or a column is of another type than is expected. Everything that is not as
//! expected comes out; only what makes learning pointless is an error. Presence, type, domain and environments mean what
//! they mean in TFDV.

use super::broken::{Broken, Place};
use super::column::ColumnCheck;
use crate::data::{Error, Frame, Result, source, sql};
use crate::domain::dataset::{Rule, Schema, Severity, Violation};
use std::path::{Path, PathBuf};

/// Rows of a piece.
const ROWS: usize = 65_536;

/// How a check looks at data.
#[derive(Clone, Copy, Debug, Default)]
pub struct Context<'a> {
    /// The environment that the data is for: `serving`.
    pub environment: Option<&'a str>,
    /// Now, microseconds; none: nothing is said of ages and of the future.
    pub now: Option<i64>,
    /// Where the schema comes from, for people.
    pub origin: &'a str,
}

/// Everything in `frame` that `schema` does not expect.
pub fn check(frame: &Frame, schema: &Schema) -> Vec<Violation> {
    let mut checker = match Checker::new(schema, Context::default()) {
        Ok(checker) => checker,
        Err(error) => return vec![unusable("schema", &error.0)],
    };
    match checker.take("", frame) {
        Ok(()) => checker.finish(),
        Err(error) => vec![unusable("schema", &error.0)],
    }
}

fn unusable(rule: &str, detail: &str) -> Violation {
    Violation {
        column: None,
        rule: rule.to_owned(),
        severity: Severity::Error,
        detail: detail.to_owned(),
        count: 1,
        of: 1,
        share: 1.0,
        sample_rows: Vec::new(),
        samples: Vec::new(),
        limit: None,
        limit_from: None,
        slice: None,
    }
}

/// See the module's text.
pub struct Checker<'a> {
    schema: &'a Schema,
    context: Context<'a>,
    columns: Vec<ColumnCheck<'a>>,
    /// Columns that this environment does not have.
    without: Vec<&'a str>,
    rules: Vec<RuleCheck<'a>>,
    rows: u64,
    /// Columns that nobody expects: name, rows, first file.
    unexpected: Vec<(String, u64)>,
}

/// A rule, and the rows that break it.
struct RuleCheck<'a> {
    rule: &'a Rule,
    rows: u64,
    broken: Broken,
    /// Why it cannot be said of some files.
    silent: Option<String>,
}

impl<'a> Checker<'a> {
    /// Of no file yet. Fails when there is no such environment.
    pub fn new(schema: &'a Schema, context: Context<'a>) -> Result<Self> {
        let mut without = Vec::new();
        if let Some(name) = context.environment {
            let named = schema.environments.get(name);
            let meant = |list: &[String]| list.iter().any(|one| one == name);
            let mentioned = schema
                .columns
                .iter()
                .any(|column| meant(&column.in_environment) || meant(&column.not_in_environment));
            if named.is_none() && !mentioned {
                let known: Vec<String> = schema.environments.keys().cloned().collect();
                return Err(Error::new(format!(
                    "the schema knows no environment `{name}`; it has {}",
                    if known.is_empty() {
                        "none: add `[environments]`".to_owned()
                    } else {
                        crate::data::frame::quoted(&known)
                    }
                )));
            }
            if let Some(environment) = named {
                without.extend(environment.without.iter().map(String::as_str));
            }
            for column in &schema.columns {
                let elsewhere = !column.in_environment.is_empty() && !meant(&column.in_environment);
                if elsewhere || meant(&column.not_in_environment) {
                    without.push(&column.column.name);
                }
            }
        }
        let here = |list: &[String]| match context.environment {
            Some(name) => list.is_empty() || list.iter().any(|one| one == name),
            None => true,
        };
        Ok(Self {
            columns: schema
                .columns
                .iter()
                .filter(|expected| !without.contains(&expected.column.name.as_str()))
                .map(|expected| ColumnCheck::new(expected, context.now))
                .collect(),
            rules: schema
                .rules
                .iter()
                .filter(|rule| here(&rule.in_environment))
                .map(|rule| RuleCheck {
                    rule,
                    rows: 0,
                    broken: Broken::default(),
                    silent: None,
                })
                .collect(),
            schema,
            context,
            without,
            rows: 0,
            unexpected: Vec::new(),
        })
    }

    /// The next file, called `name`; how many rows it has. Fails as reading it does, and as [`Checker::take`].
    pub fn take_file(&mut self, name: &str, path: &Path) -> Result<u64> {
        let files = [PathBuf::from(path)];
        let scan = source::scan(&files, None, ROWS)?;
        if self.looks_at_all(&scan) {
            let frame = source::read(&files, None)?;
            self.take(name, &frame)?;
            return Ok(frame.rows() as u64);
        }
        if scan.rows() == 0 {
            let nothing = source::read(&files, None)?;
            self.take(name, &nothing)?;
            return Ok(0);
        }
        let mut place = Place {
            file: name,
            before: self.rows,
            first: 0,
        };
        for frame in scan {
            let frame = frame?;
            self.take_rows(place, &frame)?;
            place.first += frame.rows() as u64;
        }
        self.rows += place.first;
        Ok(place.first)
    }

    /// Whether what is said of a row of the file depends on others.
    fn looks_at_all(&self, scan: &source::Scan) -> bool {
        let found = scan.columns();
        let sliced = |column: &ColumnCheck<'_>| column.expected().slice.is_some();
        let another = |column: &ColumnCheck<'_>| {
            let wanted = &column.expected().column;
            let kind = found.iter().find(|(name, _)| *name == wanted.name);
            kind.is_some_and(|(_, kind)| *kind != wanted.kind)
        };
        !self.rules.is_empty() || self.columns.iter().any(|one| sliced(one) || another(one))
    }

    /// The rows of the next file. Fails when an SQL expression of the schema is none.
    pub fn take(&mut self, file: &str, frame: &Frame) -> Result<()> {
        let place = Place {
            file,
            before: self.rows,
            first: 0,
        };
        self.rows += frame.rows() as u64;
        self.take_rows(place, frame)
    }

    fn take_rows(&mut self, place: Place<'_>, frame: &Frame) -> Result<()> {
        let mut slices: Vec<(&str, Vec<u32>)> = Vec::new();
        for column in &mut self.columns {
            let Some(slice) = column.expected().slice.as_deref() else {
                column.take(place, frame, None);
                continue;
            };
            if !slices.iter().any(|(known, _)| *known == slice) {
                let rows = match rows_where(frame, slice) {
                    Ok(rows) => rows,
                    // Without the columns that it names there is no such slice; that they are missing is said elsewhere.
                    Err(_) if lacks(self.schema, frame) => Vec::new(),
                    Err(error) => return Err(Error::new(format!("where = {slice:?}: {error}"))),
                };
                slices.push((slice, rows));
            }
            let rows = slices.iter().find(|(known, _)| *known == slice);
            column.take(place, frame, rows.map(|(_, rows)| rows.as_slice()));
        }
        for name in frame.names() {
            let expected = self
                .schema
                .columns
                .iter()
                .any(|expected| expected.column.name == name)
                && !self.without.contains(&name.as_str());
            // A column that this environment may lack does no harm where it is there.
            if expected || self.without.contains(&name.as_str()) {
                continue;
            }
            match self.unexpected.iter_mut().find(|(known, _)| *known == name) {
                Some((_, rows)) => *rows += frame.rows() as u64,
                None => self.unexpected.push((name, frame.rows() as u64)),
            }
        }
        for check in &mut self.rules {
            take_rule(check, self.schema, place, frame)?;
        }
        Ok(())
    }

    /// Everything that is not as expected, by column in the schema's order.
    pub fn finish(self) -> Vec<Violation> {
        let (rows, origin) = (self.rows, self.context.origin);
        let mut found = Vec::new();
        if let Some(expected) = &self.schema.rows {
            let few = expected.min.filter(|min| rows < *min);
            let many = expected.max.filter(|max| rows > *max);
            if let Some(limit) = few.or(many) {
                let word = if few.is_some() { "at least" } else { "at most" };
                found.push(Violation {
                    rule: (if few.is_some() {
                        "too_few_rows"
                    } else {
                        "too_many_rows"
                    })
                    .to_owned(),
                    severity: Severity::Warning,
                    detail: format!("{rows} rows; the schema expects {word} {limit}"),
                    count: rows,
                    of: rows,
                    limit: Some(format!("{word} {limit}")),
                    limit_from: Some(from(origin, &expected.because)),
                    ..unusable("", "")
                });
            }
        }
        for column in self.columns {
            found.extend(column.finish(rows, origin));
        }
        for (name, count) in self.unexpected {
            found.push(Violation {
                detail: format!("the data has a column `{name}`, the schema has not"),
                column: Some(name),
                severity: Severity::Warning,
                count,
                of: rows,
                share: count as f64 / rows.max(1) as f64,
                limit: Some("absent".to_owned()),
                limit_from: Some(origin.to_owned()),
                ..unusable("unexpected_column", "")
            });
        }
        for check in self.rules {
            found.extend(finish_rule(check, origin));
        }
        found
    }
}

fn from(origin: &str, because: &[String]) -> String {
    if because.is_empty() {
        origin.to_owned()
    } else {
        format!("{origin}: {}", because.join("; "))
    }
}

fn take_rule(
    check: &mut RuleCheck<'_>,
    schema: &Schema,
    place: Place<'_>,
    frame: &Frame,
) -> Result<()> {
    let rule = check.rule;
    let slice = rule.slice.as_deref().unwrap_or("1");
    // Null is kept, as in SQL's CHECK: what is not known does not break a rule. The line ends close comments.
    let broken = format!("({slice}\n) and not coalesce(({}\n), 1)", rule.sql);
    let found = rows_where(frame, &broken).and_then(|broken| {
        let rows = match &rule.slice {
            Some(slice) => rows_where(frame, slice)?.len(),
            None => frame.rows(),
        };
        Ok((broken, rows))
    });
    match found {
        Ok((broken, rows)) => {
            check.rows += rows as u64;
            for row in broken {
                check.broken.add(place, row as usize, || {
                    words(frame, row as usize, &rule.sql)
                });
            }
            Ok(())
        }
        Err(error) if lacks(schema, frame) => {
            check.silent.get_or_insert(error.0);
            Ok(())
        }
        Err(error) => Err(Error::new(format!("rule `{}`: {error}", rule.name))),
    }
}

fn finish_rule(check: RuleCheck<'_>, origin: &str) -> Option<Violation> {
    let rule = check.rule;
    let (count, of) = (check.broken.count, check.rows);
    let share = count as f64 / of.max(1) as f64;
    let limit = if rule.at_least >= 1.0 {
        format!("`{}` for every row", rule.sql)
    } else {
        format!(
            "`{}` for at least {:.2} % of rows",
            rule.sql,
            100.0 * rule.at_least
        )
    };
    let common = Violation {
        severity: rule.severity,
        limit: Some(limit),
        limit_from: Some(from(origin, &rule.because)),
        slice: rule.slice.clone(),
        ..unusable(&rule.name, "")
    };
    if let Some(why) = check.silent {
        return Some(Violation {
            detail: format!("the rule `{}` cannot be looked at: {why}", rule.name),
            count: 0,
            of,
            share: 0.0,
            ..common
        });
    }
    if share <= 1.0 - rule.at_least + 1e-12 {
        return None;
    }
    let (sample_rows, samples) = check.broken.told();
    Some(Violation {
        detail: format!(
            "`{}` does not hold for {count} of {of} rows ({:.2} %)",
            rule.sql,
            100.0 * share
        ),
        count,
        of,
        share,
        sample_rows,
        samples,
        ..common
    })
}

/// What a row holds in the columns that a rule names.
fn words(frame: &Frame, row: usize, sql: &str) -> Option<String> {
    let row = frame.take(&[u32::try_from(row).ok()?]).ok()?;
    let named: Vec<String> = row
        .names()
        .into_iter()
        .filter(|name| sql.contains(name.as_str()))
        .map(|name| {
            let value = row
                .texts(&name)
                .ok()
                .and_then(|mut texts| texts.pop().flatten());
            format!("{name} = {}", value.unwrap_or_else(|| "null".to_owned()))
        })
        .collect();
    (!named.is_empty()).then(|| named.join(", "))
}

/// Rows, from 0, for which an SQL expression over the columns holds.
fn rows_where(frame: &Frame, expression: &str) -> Result<Vec<u32>> {
    let tables = [("data".to_owned(), frame.clone())];
    let statement = format!("select rowid as found from data where ({expression}\n)");
    let found = sql::query(&tables, &statement)?;
    Ok(found
        .numbers("found")?
        .into_iter()
        .map(|row| row as u32 - 1)
        .collect())
}

/// Whether the file lacks a column that the schema has: then an SQL expression may fail for that alone.
fn lacks(schema: &Schema, frame: &Frame) -> bool {
    schema
        .columns
        .iter()
        .any(|expected| !frame.has(&expected.column.name))
}
