//! One expectation held against one file after the other: what it has seen broken, and the violations in the end.

use super::age;
use super::broken::{Broken, Place};
use crate::data::frame::{number_text, quoted, texts};
use crate::data::sketch::distinct::{hash_number, hash_text};
use crate::data::{Frame, instant};
use crate::domain::dataset::{ColumnKind, Expectation, Severity, Violation};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef};
use rustc_hash::FxHashSet;
use std::collections::BTreeSet;

/// Unknown values that are named.
const NAMED: usize = 5;

/// See the module's text.
pub struct ColumnCheck<'a> {
    expected: &'a Expectation,
    domain: Option<BTreeSet<&'a str>>,
    now: Option<i64>,
    /// Rows looked at, in the slice.
    rows: u64,
    /// Rows of files without the column, and the first of those files.
    absent: u64,
    absent_from: Option<String>,
    missing: Broken,
    wrong: Broken,
    came: Option<ColumnKind>,
    outside: Broken,
    seen: Option<(f64, f64)>,
    infinite: Broken,
    unknown: Broken,
    unknown_values: BTreeSet<String>,
    lengths: Broken,
    seen_lengths: Option<(u64, u64)>,
    future: Broken,
    newest: Option<i64>,
    twice: Broken,
    hashes: FxHashSet<u64>,
}

impl<'a> ColumnCheck<'a> {
    /// Of nothing yet; `now` in microseconds.
    pub fn new(expected: &'a Expectation, now: Option<i64>) -> Self {
        Self {
            expected,
            domain: expected
                .domain
                .as_ref()
                .map(|domain| domain.iter().map(String::as_str).collect()),
            now,
            rows: 0,
            absent: 0,
            absent_from: None,
            missing: Broken::default(),
            wrong: Broken::default(),
            came: None,
            outside: Broken::default(),
            seen: None,
            infinite: Broken::default(),
            unknown: Broken::default(),
            unknown_values: BTreeSet::new(),
            lengths: Broken::default(),
            seen_lengths: None,
            future: Broken::default(),
            newest: None,
            twice: Broken::default(),
            hashes: FxHashSet::default(),
        }
    }

    /// The expectation.
    pub fn expected(&self) -> &'a Expectation {
        self.expected
    }

    /// Rows of a file; `rows`: only these.
    pub fn take(&mut self, place: Place<'_>, frame: &Frame, rows: Option<&[u32]>) {
        let name = &self.expected.column.name;
        let count = rows.map_or(frame.rows(), <[u32]>::len) as u64;
        let (Ok(column), Ok(kind)) = (frame.column(name), frame.kind(name)) else {
            // A slice says nothing of columns that are not there: the column's own expectation does.
            if self.expected.slice.is_none() {
                self.absent += count;
                self.absent_from
                    .get_or_insert_with(|| place.file.to_owned());
            }
            return;
        };
        self.rows += count;
        let before = self.missing.count;
        each(rows, frame.rows(), |row| {
            if is_missing(column, row) {
                self.missing.add(place, row, || None);
            }
        });
        if self.missing.count - before == count {
            return;
        }
        let numbers = match kind {
            ColumnKind::Text => Vec::new(),
            _ => frame.numbers(name).unwrap_or_default(),
        };
        if self.is_wrong(place, column, kind, &numbers, rows) {
            return;
        }
        match kind {
            ColumnKind::Integer | ColumnKind::Number => self.numbers(place, &numbers, rows),
            ColumnKind::Time => self.times(place, frame, rows),
            ColumnKind::Text => self.texts(place, column, rows),
            ColumnKind::Boolean => {}
        }
        if kind != ColumnKind::Text && self.domain.is_some() {
            let values = texts(column);
            each(rows, values.len(), |row| {
                if let Some(value) = &values[row] {
                    self.in_domain(place, row, value);
                }
            });
        }
        if self.expected.unique && kind != ColumnKind::Text {
            each(rows, numbers.len(), |row| {
                if !numbers[row].is_nan() && !self.hashes.insert(hash_number(numbers[row])) {
                    self.twice
                        .add(place, row, || Some(number_text(numbers[row])));
                }
            });
        }
    }

    /// Whether the column's type is another, and which rows make it so.
    fn is_wrong(
        &mut self,
        place: Place<'_>,
        column: &ArrayRef,
        kind: ColumnKind,
        numbers: &[f64],
        rows: Option<&[u32]>,
    ) -> bool {
        let wanted = self.expected.column.kind;
        let is_wrong = |row: usize| match (wanted, kind) {
            _ if wanted == kind => false,
            (ColumnKind::Number, ColumnKind::Integer) => false,
            (ColumnKind::Integer, ColumnKind::Number) => {
                !numbers[row].is_nan() && numbers[row].fract() != 0.0
            }
            (ColumnKind::Boolean, ColumnKind::Integer) => {
                !numbers[row].is_nan() && ![0.0, 1.0].contains(&numbers[row])
            }
            _ => !is_missing(column, row),
        };
        let before = self.wrong.count;
        if wanted != kind {
            let mut values: Option<Vec<Option<String>>> = None;
            each(rows, column.len(), |row| {
                if is_wrong(row) {
                    self.wrong.add(place, row, || {
                        values.get_or_insert_with(|| texts(column))[row].clone()
                    });
                }
            });
        }
        let found = self.wrong.count > before;
        if found {
            self.came.get_or_insert(kind);
        }
        found
    }

    fn numbers(&mut self, place: Place<'_>, numbers: &[f64], rows: Option<&[u32]>) {
        let (min, max) = (self.expected.min, self.expected.max);
        each(rows, numbers.len(), |row| {
            let value = numbers[row];
            if value.is_nan() {
                return;
            }
            if value.is_infinite() {
                self.infinite.add(place, row, || Some(value.to_string()));
                return;
            }
            let (low, high) = self.seen.unwrap_or((value, value));
            self.seen = Some((low.min(value), high.max(value)));
            if min.is_some_and(|min| value < min) || max.is_some_and(|max| value > max) {
                self.outside.add(place, row, || Some(number_text(value)));
            }
        });
    }

    fn times(&mut self, place: Place<'_>, frame: &Frame, rows: Option<&[u32]>) {
        let times = frame.times(&self.expected.column.name).unwrap_or_default();
        each(rows, times.len(), |row| {
            let Some(at) = times[row] else { return };
            self.newest = self.newest.max(Some(at));
            if self.expected.not_future && self.now.is_some_and(|now| at > now) {
                self.future
                    .add(place, row, || Some(instant::format(at, false)));
            }
        });
    }

    fn texts(&mut self, place: Place<'_>, column: &ArrayRef, rows: Option<&[u32]>) {
        let Some(column) = column.as_string_opt::<i32>() else {
            return;
        };
        let (min, max) = (self.expected.min_length, self.expected.max_length);
        let measured = min.is_some() || max.is_some();
        each(rows, column.len(), |row| {
            if column.is_null(row) {
                return;
            }
            let text = column.value(row);
            if self.domain.is_some() {
                self.in_domain(place, row, text);
            }
            if measured {
                let length = text.chars().count() as u64;
                let (low, high) = self.seen_lengths.unwrap_or((length, length));
                self.seen_lengths = Some((low.min(length), high.max(length)));
                if min.is_some_and(|min| length < min) || max.is_some_and(|max| length > max) {
                    self.lengths.add(place, row, || Some(text.to_owned()));
                }
            }
            if self.expected.unique && !self.hashes.insert(hash_text(text)) {
                self.twice.add(place, row, || Some(text.to_owned()));
            }
        });
    }

    fn in_domain(&mut self, place: Place<'_>, row: usize, value: &str) {
        if self
            .domain
            .as_ref()
            .is_some_and(|domain| !domain.contains(value))
        {
            if self.unknown_values.len() < NAMED {
                self.unknown_values.insert(value.to_owned());
            }
            self.unknown.add(place, row, || Some(value.to_owned()));
        }
    }

    /// Everything that is not as expected; `rows` in all files, `origin`: where the expectation comes from.
    pub fn finish(self, rows: u64, origin: &str) -> Vec<Violation> {
        let expected = self.expected;
        let name = &expected.column.name;
        let mut found = Vec::new();
        let of = self.rows;
        let because = expected.because.join("; ");
        let mut report = |rule: &str,
                          severity: Severity,
                          broken: Broken,
                          of: u64,
                          limit: String,
                          detail: String| {
            if broken.count == 0 {
                return;
            }
            let count = broken.count;
            let (sample_rows, samples) = broken.told();
            found.push(Violation {
                column: Some(name.clone()),
                rule: rule.to_owned(),
                severity: expected.severity.unwrap_or(severity),
                detail,
                count,
                of,
                share: count as f64 / of.max(1) as f64,
                sample_rows,
                samples,
                limit: Some(limit),
                limit_from: Some(if because.is_empty() {
                    origin.to_owned()
                } else {
                    format!("{origin}: {because}")
                }),
                slice: expected.slice.clone(),
            });
        };
        let known = of - self.missing.count;
        if self.absent > 0 {
            let mut broken = Broken::default();
            broken.add_all(self.absent);
            let where_ = match &self.absent_from {
                Some(file) if !file.is_empty() && self.absent < rows => {
                    format!("some files have not, first `{file}`")
                }
                _ => "the data has not".to_owned(),
            };
            report(
                "missing_column",
                Severity::Error,
                broken,
                rows,
                "present".to_owned(),
                format!(
                    "the schema has a {} column `{name}`, {where_}",
                    expected.column.kind
                ),
            );
        } else if rows == 0 && of == 0 && self.absent_from.is_some() {
            let mut broken = Broken::default();
            broken.add_all(1);
            report(
                "missing_column",
                Severity::Error,
                broken,
                0,
                "present".to_owned(),
                format!(
                    "the schema has a {} column `{name}`, the data has not",
                    expected.column.kind
                ),
            );
        }
        let share = self.missing.count as f64 / of.max(1) as f64;
        let limit = match expected.max_null_share {
            Some(limit) => limit,
            None if expected.column.nullable => 1.0,
            None => 0.0,
        };
        if share > limit {
            // A column of mostly nulls that was not one before teaches something else than it did.
            let severity = if share >= 0.5 {
                Severity::Error
            } else {
                Severity::Warning
            };
            let detail = format!(
                "{} of {of} values are missing ({:.1} %); the schema allows {:.1} %",
                self.missing.count,
                share * 100.0,
                limit * 100.0
            );
            let limit = format!("at most {:.1} % missing", limit * 100.0);
            report("too_many_nulls", severity, self.missing, of, limit, detail);
        }
        let wanted = expected.column.kind;
        let came = self.came.unwrap_or(wanted);
        report(
            "wrong_type",
            Severity::Error,
            self.wrong,
            of,
            wanted.to_string(),
            format!("`{name}` is {came}; the schema says {wanted}"),
        );
        let bound = |limit: Option<f64>| limit.map_or_else(|| "any".to_owned(), number_text);
        let allowed = format!("{} to {}", bound(expected.min), bound(expected.max));
        let (low, high) = self.seen.unwrap_or((f64::NAN, f64::NAN));
        report(
            "out_of_range",
            Severity::Warning,
            self.outside,
            of,
            allowed.clone(),
            format!(
                "values reach from {} to {}; the schema allows {allowed}",
                number_text(low),
                number_text(high)
            ),
        );
        report(
            "infinite",
            Severity::Warning,
            self.infinite,
            of,
            "finite".to_owned(),
            "infinite values; nothing can be computed from them".to_owned(),
        );
        let mass = expected.min_domain_mass.unwrap_or(1.0);
        let outside = self.unknown.count as f64 / known.max(1) as f64;
        if outside > 1.0 - mass + 1e-12 {
            let unknown: Vec<String> = self.unknown_values.into_iter().collect();
            let size = self.domain.as_ref().map_or(0, BTreeSet::len);
            let mut detail = format!(
                "values such as {} are not among the {size} of the schema",
                quoted(&unknown)
            );
            let mut limit = format!("among {size} values");
            if mass < 1.0 {
                detail.push_str(&format!(
                    ": {:.1} % of all; {:.1} % may be",
                    100.0 * outside,
                    100.0 * (1.0 - mass)
                ));
                limit = format!("{:.1} % {limit}", 100.0 * mass);
            }
            report(
                "not_in_domain",
                Severity::Warning,
                self.unknown,
                of,
                limit,
                detail,
            );
        }
        let (shortest, longest) = self.seen_lengths.unwrap_or_default();
        let count = |limit: Option<u64>| limit.map_or_else(|| "any".to_owned(), |n| n.to_string());
        let allowed = format!(
            "{} to {} characters",
            count(expected.min_length),
            count(expected.max_length)
        );
        report(
            "wrong_length",
            Severity::Warning,
            self.lengths,
            of,
            allowed.clone(),
            format!("values have {shortest} to {longest} characters; the schema allows {allowed}"),
        );
        let twice = self.twice.count;
        report(
            "not_unique",
            Severity::Warning,
            self.twice,
            of,
            "unique".to_owned(),
            format!("{twice} values came before; the schema says that none comes twice"),
        );
        report(
            "in_the_future",
            Severity::Warning,
            self.future,
            of,
            "not after now".to_owned(),
            "instants lie in the future".to_owned(),
        );
        if let (Some(limit), Some(newest), Some(now)) = (
            expected.max_age.as_deref().and_then(age::parse),
            self.newest,
            self.now,
        ) && now.saturating_sub(newest) > limit
        {
            let mut broken = Broken::default();
            broken.add_all(of);
            let most = expected.max_age.clone().unwrap_or_default();
            report(
                "not_fresh",
                Severity::Warning,
                broken,
                of,
                format!("at most {most} old"),
                format!(
                    "the newest instant, {}, is {} old; the schema allows {most}",
                    instant::format(newest, false),
                    age::text(now.saturating_sub(newest))
                ),
            );
        }
        found
    }
}

fn each(rows: Option<&[u32]>, all: usize, mut look: impl FnMut(usize)) {
    match rows {
        None => (0..all).for_each(look),
        Some(rows) => rows.iter().for_each(|row| look(*row as usize)),
    }
}

fn is_missing(column: &ArrayRef, row: usize) -> bool {
    column.is_null(row)
        || column
            .as_primitive_opt::<Float64Type>()
            .is_some_and(|numbers| numbers.value(row).is_nan())
}
