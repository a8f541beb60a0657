//! A TOML table read key by key: every wrong type, unknown key and missing key becomes a
//! [`Problem`] with its line, and reading goes on.

use super::Problem;
use super::words::{bytes, closest, duration_ms, instant_us};
use std::cell::RefCell;
use toml_span::Value;
use toml_span::value::{Table, ValueInner};

/// Collects problems and knows where lines begin.
pub(super) struct Problems<'t> {
    text: &'t str,
    found: RefCell<Vec<Problem>>,
}

impl<'t> Problems<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            found: RefCell::new(Vec::new()),
        }
    }

    /// Line and column (from 1) of a byte offset.
    pub(super) fn place(&self, offset: usize) -> (usize, usize) {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }

    pub(super) fn add(&self, offset: usize, message: impl Into<String>, hint: impl Into<String>) {
        let (line, column) = self.place(offset);
        self.found.borrow_mut().push(Problem {
            line,
            column,
            message: message.into(),
            hint: hint.into(),
        });
    }

    pub(super) fn into_found(self) -> Vec<Problem> {
        let mut found = self.found.into_inner();
        found.sort_by_key(|problem| (problem.line, problem.column));
        found
    }
}

/// One table being read. `finish` reports the keys that nobody asked for.
pub(super) struct Section<'a, 't> {
    pub(super) problems: &'a Problems<'t>,
    /// As a person calls it: `dataset.flights`.
    pub(super) name: String,
    pub(super) offset: usize,
    table: Option<&'a Table<'t>>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'a, 't> Section<'a, 't> {
    pub(super) fn new(
        problems: &'a Problems<'t>,
        name: impl Into<String>,
        value: &'a Value<'t>,
    ) -> Self {
        let name = name.into();
        let table = value.as_table();
        if table.is_none() {
            problems.add(
                value.span.start,
                format!("`{name}` must be a table, it is {}", article(value)),
                format!("write [{name}]"),
            );
        }
        Self {
            problems,
            name,
            offset: value.span.start,
            table,
            asked: RefCell::default(),
        }
    }

    /// The value of `key`.
    pub(super) fn value(&self, key: &'static str) -> Option<&'a Value<'t>> {
        self.asked.borrow_mut().push(key);
        self.table?.get(key)
    }

    fn wrong(&self, key: &str, value: &Value<'_>, expected: &str) {
        self.problems.add(
            value.span.start,
            format!(
                "`{}` must be {expected}, it is {}",
                self.full(key),
                article(value)
            ),
            "",
        );
    }

    /// `pipeline.delay.target`.
    pub(super) fn full(&self, key: &str) -> String {
        if self.name.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.name)
        }
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong(key, value, "text in quotes");
                None
            }
        }
    }

    /// Text that must be there.
    pub(super) fn need_text(&self, key: &'static str, hint: &str) -> String {
        if self.table.is_some_and(|table| !table.contains_key(key)) {
            self.problems
                .add(self.offset, format!("`{}` has no `{key}`", self.name), hint);
        }
        self.text(key).unwrap_or_default()
    }

    pub(super) fn flag(&self, key: &'static str, otherwise: bool) -> bool {
        let Some(value) = self.value(key) else {
            return otherwise;
        };
        value.as_bool().unwrap_or_else(|| {
            self.wrong(key, value, "true or false");
            otherwise
        })
    }

    pub(super) fn number(&self, key: &'static str) -> Option<f64> {
        let value = self.value(key)?;
        let number = value
            .as_float()
            .or_else(|| value.as_integer().map(|integer| integer as f64));
        if number.is_none() {
            self.wrong(key, value, "a number");
        }
        number
    }

    /// A whole number of at least `least`.
    pub(super) fn count(&self, key: &'static str, least: i64) -> Option<i64> {
        let value = self.value(key)?;
        match value.as_integer() {
            Some(count) if count >= least => Some(count),
            _ => {
                self.wrong(key, value, &format!("a whole number of at least {least}"));
                None
            }
        }
    }

    /// `"512MB"` -> bytes.
    pub(super) fn bytes(&self, key: &'static str) -> Option<u64> {
        let value = self.value(key)?;
        let bytes = value.as_str().and_then(|text| bytes(text).ok());
        if bytes.is_none() {
            self.wrong(
                key,
                value,
                "an amount of memory such as \"512MB\" or \"4GiB\"",
            );
        }
        bytes
    }

    /// `"3h"` -> milliseconds.
    pub(super) fn duration(&self, key: &'static str) -> Option<i64> {
        let value = self.value(key)?;
        let length = value.as_str().and_then(duration_ms);
        if length.is_none() {
            self.wrong(key, value, "a duration such as \"5s\", \"3h\" or \"7d\"");
        }
        length
    }

    /// `"2013-03-01"` -> microseconds.
    pub(super) fn instant(&self, key: &'static str) -> Option<i64> {
        let value = self.value(key)?;
        let instant = value.as_str().and_then(instant_us);
        if instant.is_none() {
            self.wrong(key, value, "a date or an instant in quotes, such as \"2013-03-01\" or \"2013-03-01T06:00:00Z\"");
        }
        instant
    }

    /// A list of texts; one text counts as a list of one.
    pub(super) fn texts(&self, key: &'static str) -> Option<Vec<String>> {
        let value = self.value(key)?;
        if let Some(text) = value.as_str() {
            return Some(vec![text.to_owned()]);
        }
        let texts: Option<Vec<String>> = value.as_array().and_then(|items| {
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned))
                .collect()
        });
        if texts.is_none() {
            self.wrong(key, value, "a list of texts");
        }
        texts
    }

    /// A table inside this one.
    pub(super) fn section(&self, key: &'static str) -> Option<Section<'a, 't>> {
        self.value(key)
            .map(|value| Section::new(self.problems, self.full(key), value))
    }

    /// The tables inside the table `key`: `[dataset.a]`, `[dataset.b]`, in the file's order.
    pub(super) fn named(&self, key: &'static str) -> Vec<(String, Section<'a, 't>)> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let Some(table) = value.as_table() else {
            self.problems.add(
                value.span.start,
                format!("`{key}` must be tables with names"),
                format!("write [{key}.NAME]"),
            );
            return Vec::new();
        };
        let mut sections: Vec<_> = table
            .iter()
            .map(|(name, value)| {
                (
                    name.name.to_string(),
                    name.span.start,
                    Section::new(self.problems, format!("{key}.{}", name.name), value),
                )
            })
            .collect();
        sections.sort_by_key(|(_, place, _)| *place);
        sections
            .into_iter()
            .map(|(name, place, mut section)| {
                section.offset = place;
                (name, section)
            })
            .collect()
    }

    /// The tables in the list `key`: `[[trigger]]`, or one table.
    pub(super) fn list(&self, key: &'static str) -> Vec<Section<'a, 't>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        match value.as_array() {
            Some(items) => items
                .iter()
                .map(|item| Section::new(self.problems, self.full(key), item))
                .collect(),
            None => vec![Section::new(self.problems, self.full(key), value)],
        }
    }

    /// All keys with their values, for tables whose keys are free.
    pub(super) fn entries(&self) -> Vec<(String, &'a Value<'t>)> {
        let mut entries: Vec<_> = self
            .table
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.name.to_string(), value))
            .collect();
        entries.sort_by_key(|(_, value)| value.span.start);
        entries
    }

    /// Where `key` stands, or the table when it is not there.
    pub(super) fn place_of(&self, key: &str) -> usize {
        self.table
            .and_then(|table| table.get(key))
            .map_or(self.offset, |value| value.span.start)
    }

    /// Reports every key that was not asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.into_inner();
        for (key, _) in self.table.into_iter().flatten() {
            if asked.contains(&key.name.as_ref()) {
                continue;
            }
            let place = if self.name.is_empty() {
                "the top level".to_owned()
            } else {
                format!("`{}`", self.name)
            };
            let hint = match closest(&key.name, asked.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("known here: {}", asked.join(", ")),
            };
            self.problems.add(
                key.span.start,
                format!("{place} has no key `{}`", key.name),
                hint,
            );
        }
    }
}

/// The value's type for a message: `the number 3`, `a table`.
fn article(value: &Value<'_>) -> String {
    match value.as_ref() {
        ValueInner::String(text) => format!("the text \"{text}\""),
        ValueInner::Integer(integer) => format!("the number {integer}"),
        ValueInner::Float(float) => format!("the number {float}"),
        ValueInner::Boolean(flag) => flag.to_string(),
        ValueInner::Array(_) => "a list".to_owned(),
        ValueInner::Table(_) => "a table".to_owned(),
    }
}

/// The value as a person would name it among others: texts without quotes.
pub(super) fn shown(value: &Value<'_>) -> String {
    match value.as_ref() {
        ValueInner::String(text) => text.to_string(),
        ValueInner::Integer(integer) => integer.to_string(),
        ValueInner::Float(float) => float.to_string(),
        ValueInner::Boolean(flag) => flag.to_string(),
        ValueInner::Array(_) | ValueInner::Table(_) => String::new(),
    }
}
