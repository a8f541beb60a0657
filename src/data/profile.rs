//! Profiles: what each column looks like. A [`Summary`] takes a column in once and merges with
//! others of its kind; [`profile`] summarises the columns of a table in parallel and adds what needs the
//! table at hand: histograms, correlations and warnings.

use super::Frame;
use super::sketch::distinct::{hash_number, hash_text};
use super::sketch::{Distinct, Moments, Quantiles, Top};
use crate::domain::dataset::ColumnKind;
use crate::domain::profile::{ColumnProfile, Histogram, Profile};
use arrow_array::{Array, StringArray};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bins of a histogram.
const BINS: usize = 20;

/// Shares whose quantiles a profile has.
const SHARES: [f64; 7] = [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99];

/// Quantiles are exact up to this many numbers; beyond, ranks are off by less than 0.01 %.
const EXACT_QUANTILES: usize = 32_768;

/// Different texts that are counted exactly.
const TOP_TEXTS: usize = 4_096;

/// Numbers with at most this many different values have them listed.
const TOP_NUMBERS: usize = 50;

/// Values listed.
const LISTED: usize = 20;

/// Threads that one profile takes.
const THREADS: usize = 2;

/// Numeric columns that correlations are computed for; the first so many.
const CORRELATED: usize = 100;

/// Rows that correlations look at: evenly spaced ones of longer tables.
const CORRELATED_ROWS: usize = 100_000;

/// The mergeable summary of one column.
#[derive(Clone, Debug)]
pub struct Summary {
    kind: ColumnKind,
    rows: u64,
    nulls: u64,
    infinities: u64,
    moments: Moments,
    quantiles: Quantiles,
    distinct: Distinct,
    texts: Top<String>,
    /// By bits; none once there are too many different ones.
    numbers: Option<Top<u64>>,
    /// Every number followed a smaller one (so far, in row order; merging forgets it).
    ascending: bool,
}

impl Summary {
    /// Of nothing yet.
    pub fn new(kind: ColumnKind) -> Self {
        Self {
            kind,
            rows: 0,
            nulls: 0,
            infinities: 0,
            moments: Moments::default(),
            quantiles: Quantiles::new(EXACT_QUANTILES),
            distinct: Distinct::default(),
            texts: Top::new(TOP_TEXTS),
            numbers: Some(Top::new(TOP_NUMBERS)),
            ascending: true,
        }
    }

    /// Takes a number in; NaN stands for null.
    pub fn add_number(&mut self, x: f64) {
        self.rows += 1;
        if x.is_nan() {
            self.nulls += 1;
            return;
        }
        if x.is_infinite() {
            self.infinities += 1;
            return;
        }
        self.ascending &= x > self.moments.max;
        self.moments.add(x);
        self.quantiles.add(x);
        self.distinct.add(hash_number(x));
        if let Some(numbers) = &mut self.numbers {
            numbers.add(&(x + 0.0).to_bits());
            if numbers.len() > TOP_NUMBERS {
                self.numbers = None;
            }
        }
    }

    /// Takes a text in.
    pub fn add_text(&mut self, text: Option<&str>) {
        self.rows += 1;
        match text {
            None => self.nulls += 1,
            Some(text) => {
                self.distinct.add(hash_text(text));
                self.texts.add(text);
            }
        }
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: &Self) {
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.infinities += other.infinities;
        self.moments.merge(&other.moments);
        self.quantiles.merge(&other.quantiles);
        self.distinct.merge(&other.distinct);
        self.texts.merge(&other.texts);
        self.numbers = match (self.numbers.take(), &other.numbers) {
            (Some(mut ours), Some(theirs)) => {
                ours.merge(theirs);
                (ours.len() <= TOP_NUMBERS).then_some(ours)
            }
            _ => None,
        };
        self.ascending = false;
    }

    /// The column `name` of `frame`, in one pass.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn of(frame: &Frame, name: &str) -> super::Result<Self> {
        let mut summary = Self::new(frame.kind(name)?);
        if is_text(summary.kind) {
            if let Some(texts) = frame.column(name)?.as_any().downcast_ref::<StringArray>() {
                texts.iter().for_each(|text| summary.add_text(text));
            } else {
                for text in frame.texts(name)? {
                    summary.add_text(text.as_deref());
                }
            }
        } else {
            for x in frame.numbers(name)? {
                summary.add_number(x);
            }
        }
        Ok(summary)
    }

    /// What the column looks like, its histogram given.
    pub fn column(&self, name: &str, histogram: Histogram) -> ColumnProfile {
        let any = self.moments.count > 0;
        let top = if is_text(self.kind) {
            self.texts.most(LISTED)
        } else {
            self.numbers
                .as_ref()
                .map(|numbers| {
                    numbers
                        .most(LISTED)
                        .into_iter()
                        .map(|(bits, count)| (f64::from_bits(bits).to_string(), count))
                        .collect()
                })
                .filter(|_| self.kind != ColumnKind::Time)
                .unwrap_or_default()
        };
        ColumnProfile {
            name: name.into(),
            kind: self.kind,
            rows: self.rows,
            nulls: self.nulls,
            infinities: self.infinities,
            distinct: self.distinct.count(),
            min: any.then_some(self.moments.min),
            max: any.then_some(self.moments.max),
            mean: self.moments.mean(),
            std: self.moments.std(),
            quantiles: SHARES
                .into_iter()
                .zip(self.quantiles.quantiles(&SHARES))
                .collect(),
            histogram,
            top,
            ..ColumnProfile::default()
        }
    }

    /// What is odd about the column, in words.
    pub fn warnings(&self, name: &str) -> Vec<String> {
        let mut warnings = Vec::new();
        let values = self.rows - self.nulls;
        let distinct = self.distinct.count();
        if self.rows == 0 {
            return warnings;
        }
        if values == 0 {
            warnings.push(format!("`{name}` has no values"));
            return warnings;
        }
        if distinct == 1 && self.infinities == 0 && self.rows > 1 {
            warnings.push(format!("`{name}` is constant"));
        }
        if self.nulls * 2 > self.rows {
            warnings.push(format!(
                "`{name}` is mostly null ({:.0} %)",
                100.0 * self.nulls as f64 / self.rows as f64
            ));
        }
        if self.infinities > 0 {
            warnings.push(format!(
                "`{name}` has infinite values ({})",
                self.infinities
            ));
        }
        let unique = distinct as f64 >= 0.95 * values as f64 && values >= 20;
        match self.kind {
            ColumnKind::Text if unique => {
                warnings.push(format!(
                    "`{name}` looks like an identifier: nearly every value is different"
                ));
            }
            ColumnKind::Text if distinct > 1_000 => {
                warnings.push(format!("`{name}` has many categories ({distinct})"));
            }
            ColumnKind::Integer if unique && self.ascending => {
                warnings.push(format!(
                    "`{name}` looks like an identifier: it rises with every row"
                ));
            }
            ColumnKind::Integer | ColumnKind::Number => {
                if let Some(skewness) = self.moments.skewness().filter(|s| s.abs() > 3.0)
                    && distinct > 2
                {
                    warnings.push(format!("`{name}` is skewed (skewness {skewness:.1})"));
                }
            }
            _ => {}
        }
        warnings
    }
}

fn is_text(kind: ColumnKind) -> bool {
    matches!(kind, ColumnKind::Text | ColumnKind::Boolean)
}

/// The profile of every column.
pub fn profile(frame: &Frame) -> Profile {
    let names = frame.names();
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(names.len()));
    let take_turns = || {
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(name) = names.get(at) else { return };
            // A name from the frame is a column of it.
            if let Ok(summary) = Summary::of(frame, name) {
                let column = summary.column(name, histogram(frame, name, &summary));
                done.lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .push((at, column, summary.warnings(name)));
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..THREADS.min(names.len()) {
            scope.spawn(take_turns);
        }
        take_turns();
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(at, ..)| *at);
    let mut profile = Profile {
        rows: frame.rows() as u64,
        columns: Vec::with_capacity(done.len()),
        ..Profile::default()
    };
    for (_, column, warnings) in done {
        profile.columns.push(column);
        profile.warnings.extend(warnings);
    }
    profile.correlations = correlations(frame, &profile.columns);
    profile
}

fn histogram(frame: &Frame, name: &str, summary: &Summary) -> Histogram {
    if is_text(summary.kind) || summary.moments.count == 0 {
        return Histogram::default();
    }
    let (low, high) = (summary.moments.min, summary.moments.max);
    let Ok(numbers) = frame.numbers(name) else {
        return Histogram::default();
    };
    let (low, high) = if low < high {
        (low, high)
    } else {
        (low - 0.5, high + 0.5)
    };
    // Halves first: the difference of two great numbers may be infinite.
    let step = high / BINS as f64 - low / BINS as f64;
    let mut counts = vec![0; BINS];
    for x in numbers.into_iter().filter(|x| x.is_finite()) {
        let bin = ((x - low) / step) as usize;
        counts[bin.min(BINS - 1)] += 1;
    }
    let mut edges: Vec<f64> = (0..BINS).map(|i| low + i as f64 * step).collect();
    edges.push(high);
    Histogram { edges, counts }
}

/// Pearson's r of all pairs of numeric columns, over the rows where both have a finite number.
fn correlations(frame: &Frame, columns: &[ColumnProfile]) -> Vec<(String, String, f64)> {
    let every = frame.rows().div_ceil(CORRELATED_ROWS).max(1);
    let numeric: Vec<(&str, Vec<f64>)> = columns
        .iter()
        .filter(|column| {
            matches!(column.kind, ColumnKind::Integer | ColumnKind::Number) && column.distinct > 1
        })
        .take(CORRELATED)
        .filter_map(|column| {
            let numbers = frame.numbers(&column.name).ok()?;
            // About the mean, so that products of great numbers keep their digits.
            let (mean, std) = (column.mean?, column.std.filter(|std| *std > 0.0)?);
            let standard = numbers
                .into_iter()
                .step_by(every)
                .map(|x| (x - mean) / std)
                .map(|z| if z.is_finite() { z } else { f64::NAN })
                .collect();
            Some((column.name.as_str(), standard))
        })
        .collect();
    let mut found = Vec::new();
    for (i, (name_a, a)) in numeric.iter().enumerate() {
        for (name_b, b) in &numeric[i + 1..] {
            if let Some(r) = pearson(a, b).filter(|r| r.abs() >= 0.3) {
                found.push(((*name_a).to_owned(), (*name_b).to_owned(), r));
            }
        }
    }
    found.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
    found.truncate(50);
    found
}

fn pearson(a: &[f64], b: &[f64]) -> Option<f64> {
    let (mut n, mut sum_a, mut sum_b, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        if (x + y).is_nan() {
            continue;
        }
        n += 1.0;
        sum_a += x;
        sum_b += y;
        aa += x * x;
        bb += y * y;
        ab += x * y;
    }
    let (var_a, var_b) = (aa - sum_a * sum_a / n, bb - sum_b * sum_b / n);
    (n >= 3.0 && var_a > 1e-12 && var_b > 1e-12)
        .then(|| ((ab - sum_a * sum_b / n) / (var_a * var_b).sqrt()).clamp(-1.0, 1.0))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow_array::{ArrayRef, Float64Array, Int64Array};
    use std::sync::Arc;

    fn frame(columns: Vec<(&str, ArrayRef)>) -> Frame {
        Frame::from_columns(
            columns
                .into_iter()
                .map(|(name, column)| (name.to_owned(), column))
                .collect(),
        )
        .unwrap()
    }

    fn sample() -> Frame {
        let n = 200;
        let x: Vec<f64> = (0..n).map(|i| f64::from((i * 37) % n)).collect();
        let twice: Vec<f64> = x.iter().map(|x| 2.0 * x + (x % 3.0)).collect();
        let odd: Vec<Option<f64>> = (0..n)
            .map(|i| match i {
                0 => Some(f64::INFINITY),
                1..=59 => Some(1.5),
                _ => None,
            })
            .collect();
        let text: Vec<Option<&str>> = (0..n)
            .map(|i| match i % 10 {
                0 => None,
                1..=5 => Some("UA"),
                6..=8 => Some("AA"),
                _ => Some(""),
            })
            .collect();
        let key: Vec<String> = (0..n).map(|i| format!("N{i}")).collect();
        frame(vec![
            (
                "id",
                Arc::new(Int64Array::from_iter_values(0..i64::from(n))),
            ),
            ("x", Arc::new(Float64Array::from(x))),
            ("twice", Arc::new(Float64Array::from(twice))),
            ("odd", Arc::new(Float64Array::from(odd))),
            ("carrier", Arc::new(StringArray::from(text))),
            ("key", Arc::new(StringArray::from(key))),
        ])
    }

    #[test]
    fn columns_are_described() {
        let profile = profile(&sample());
        let column = |name: &str| profile.columns.iter().find(|c| c.name == name).unwrap();
        assert_eq!(profile.rows, 200);
        let x = column("x");
        assert_eq!((x.distinct, x.min, x.max), (200, Some(0.0), Some(199.0)));
        assert!((x.mean.unwrap() - 99.5).abs() < 1e-12);
        // numpy.std(range(200), ddof=1) and numpy.quantile(range(200), .25)
        assert!((x.std.unwrap() - 57.879_184_513_951_12).abs() < 1e-9);
        assert_eq!(x.quantiles[2], (0.25, 49.75));
        assert_eq!(x.histogram.counts, [10; 20]);
        assert_eq!(x.histogram.edges.len(), 21);
        let odd = column("odd");
        assert_eq!((odd.nulls, odd.infinities, odd.distinct), (140, 1, 1));
        assert_eq!(odd.top, [("1.5".to_owned(), 59)]);
        let carrier = column("carrier");
        assert_eq!(
            (carrier.nulls, carrier.distinct, carrier.mean),
            (20, 3, None)
        );
        assert_eq!(carrier.top[0], ("UA".to_owned(), 100));
        assert!(carrier.histogram.edges.is_empty());
    }

    #[test]
    fn what_is_odd_is_said() {
        let profile = profile(&sample());
        let said = |words: &str| profile.warnings.iter().any(|w| w.contains(words));
        assert!(
            said("`id` looks like an identifier"),
            "{:?}",
            profile.warnings
        );
        assert!(said("`key` looks like an identifier"));
        assert!(said("`odd` is mostly null (70 %)"));
        assert!(said("`odd` has infinite values (1)"));
        assert!(!said("`x`") && !said("`carrier`"));
        let (a, b, r) = &profile.correlations[0];
        assert_eq!((a.as_str(), b.as_str()), ("x", "twice"));
        assert!(*r > 0.999);
    }

    #[test]
    fn merged_summaries_are_the_whole() {
        let values: Vec<f64> = (0..90_000)
            .map(|i| f64::from((i * 7_919) % 50_021))
            .collect();
        let of = |values: &[f64]| {
            let mut summary = Summary::new(ColumnKind::Number);
            values.iter().for_each(|x| summary.add_number(*x));
            summary
        };
        let mut merged = of(&values[..20_000]);
        merged.merge(&of(&values[20_000..]));
        let (merged, whole) = (
            merged.column("x", Histogram::default()),
            of(&values).column("x", Histogram::default()),
        );
        assert_eq!((merged.rows, merged.distinct), (whole.rows, whole.distinct));
        assert!((merged.mean.unwrap() - whole.mean.unwrap()).abs() < 1e-6);
        for ((q, a), (_, b)) in merged.quantiles.iter().zip(&whole.quantiles) {
            assert!((a - b).abs() < 50.0, "{q}: {a} and {b}");
        }
    }

    #[test]
    fn an_empty_table_has_a_profile() {
        let empty = frame(vec![("x", Arc::new(Float64Array::from(Vec::<f64>::new())))]);
        let profile = profile(&empty);
        assert_eq!(profile.rows, 0);
        assert_eq!(profile.columns[0].min, None);
        assert!(profile.columns[0].quantiles.is_empty() && profile.warnings.is_empty());
    }
}
