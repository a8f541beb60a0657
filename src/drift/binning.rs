//! The bins over which shares are compared: pooled Sturges, one bin a value, reference deciles.
//! Bins only; what a distance makes of the shares is the distance's own file.

use super::sample::{Numbers, Pair, quantile};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// Numeric columns with at most this many distinct reference values get one bin a value
/// (Evidently's rule).
pub const VALUE_BINS: usize = 20;

/// More distinct pooled values than this fall back to equal widths.
const MOST_VALUE_BINS: usize = 1_000;

/// The share that stands for zero (Evidently's `feel_zeroes`).
const FLOOR: f64 = 1e-4;

/// Rows of both sides in the same bins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Binned {
    /// Rows of the reference by bin.
    pub reference: Vec<f64>,
    /// Rows of the window by bin.
    pub current: Vec<f64>,
}

impl Binned {
    /// Shares of both sides.
    pub fn shares(&self) -> (Vec<f64>, Vec<f64>) {
        (shares(&self.reference), shares(&self.current))
    }

    /// Shares of both sides, zeros filled as Evidently fills them: 0 becomes 1e-4, or the smallest
    /// other share / 10^6 where that is at most 1e-4; not renormalised.
    pub fn filled_shares(&self) -> (Vec<f64>, Vec<f64>) {
        (
            filled(shares(&self.reference)),
            filled(shares(&self.current)),
        )
    }
}

fn shares(counts: &[f64]) -> Vec<f64> {
    let total: f64 = counts.iter().sum();
    counts.iter().map(|count| count / total).collect()
}

fn filled(mut shares: Vec<f64>) -> Vec<f64> {
    let least = shares
        .iter()
        .copied()
        .filter(|share| *share > 0.0)
        .fold(f64::INFINITY, f64::min);
    let stand_in = if least <= FLOOR { least / 1e6 } else { FLOOR };
    for share in &mut shares {
        if *share == 0.0 {
            *share = stand_in;
        }
    }
    shares
}

/// Walks two ascending slices together: for every distinct value, how often each side has it.
pub fn walk(reference: &[f64], current: &[f64], mut visit: impl FnMut(f64, usize, usize)) {
    let (mut i, mut j) = (0, 0);
    while i < reference.len() || j < current.len() {
        let value = match (reference.get(i), current.get(j)) {
            (Some(a), Some(b)) => a.min(*b),
            (Some(a), None) => *a,
            (None, Some(b)) => *b,
            (None, None) => return,
        };
        let (from_i, from_j) = (i, j);
        while reference.get(i).is_some_and(|x| *x == value) {
            i += 1;
        }
        while current.get(j).is_some_and(|x| *x == value) {
            j += 1;
        }
        visit(value, i - from_i, j - from_j);
    }
}

/// The bins of PSI, Jensen-Shannon and KL: pooled Sturges for numbers with more than 20 distinct
/// reference values, one bin a value otherwise (at most 1,000 of them), one a category for text.
pub fn pooled(pair: &Pair) -> Option<Binned> {
    if let Some((reference, current)) = pair.numbers() {
        if reference.distinct > VALUE_BINS || pair.distinct() > MOST_VALUE_BINS {
            let low = reference.sorted[0].min(current.sorted[0]);
            let high = last(reference).max(last(current));
            let rows = reference.sorted.len() + current.sorted.len();
            return Some(equal_widths(reference, current, &sturges(low, high, rows)));
        }
        return Some(by_number(reference, current));
    }
    by_category(pair)
}

/// One bin for every value of either side.
pub fn by_value(pair: &Pair) -> Option<Binned> {
    match pair.numbers() {
        Some((reference, current)) => Some(by_number(reference, current)),
        None => by_category(pair),
    }
}

fn last(numbers: &Numbers) -> f64 {
    numbers.sorted[numbers.sorted.len() - 1]
}

fn by_number(reference: &Numbers, current: &Numbers) -> Binned {
    let mut binned = Binned::default();
    walk(&reference.sorted, &current.sorted, |_, r, c| {
        binned.reference.push(r as f64);
        binned.current.push(c as f64);
    });
    binned
}

fn by_category(pair: &Pair) -> Option<Binned> {
    let (reference, current) = pair.categories()?;
    let mut binned = Binned::default();
    if Arc::ptr_eq(&reference.labels, &current.labels) {
        for (r, c) in reference.counts.iter().zip(&current.counts) {
            if r + c > 0 {
                binned.reference.push(*r as f64);
                binned.current.push(*c as f64);
            }
        }
        return Some(binned);
    }
    let mut place: FxHashMap<&str, usize> = FxHashMap::default();
    for (label, count) in reference.labels.iter().zip(&reference.counts) {
        if *count > 0 {
            place.insert(label, binned.reference.len());
            binned.reference.push(*count as f64);
            binned.current.push(0.0);
        }
    }
    for (label, count) in current.labels.iter().zip(&current.counts) {
        if *count == 0 {
            continue;
        }
        match place.get(label.as_str()) {
            Some(at) => binned.current[*at] = *count as f64,
            None => {
                binned.reference.push(0.0);
                binned.current.push(*count as f64);
            }
        }
    }
    Some(binned)
}

/// Edges of equal width by NumPy's `sturges` for `rows` values between `low` and `high`.
pub fn sturges(low: f64, high: f64, rows: usize) -> Vec<f64> {
    if low >= high || rows < 2 {
        return vec![low - 0.5, low + 0.5];
    }
    let width = (high - low) / ((rows as f64).log2() + 1.0);
    let bins = ((high - low) / width).ceil().max(1.0) as usize;
    let step = (high - low) / bins as f64;
    let mut edges: Vec<f64> = (0..bins).map(|i| low + i as f64 * step).collect();
    edges.push(high);
    edges
}

/// Rows between `edges`: half-open bins, the last one closed.
pub fn equal_widths(reference: &Numbers, current: &Numbers, edges: &[f64]) -> Binned {
    Binned {
        reference: between(&reference.sorted, edges),
        current: between(&current.sorted, edges),
    }
}

fn between(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let bins = edges.len().saturating_sub(1);
    (0..bins)
        .map(|bin| {
            let from = sorted.partition_point(|x| *x < edges[bin]);
            let to = if bin + 1 == bins {
                sorted.partition_point(|x| *x <= edges[bin + 1])
            } else {
                sorted.partition_point(|x| *x < edges[bin + 1])
            };
            (to.saturating_sub(from)) as f64
        })
        .collect()
}

/// Hellinger's bins: Sturges on the set of distinct values of both sides.
pub fn distinct_sturges(pair: &Pair) -> Option<Binned> {
    let Some((reference, current)) = pair.numbers() else {
        return by_category(pair);
    };
    let low = reference.sorted[0].min(current.sorted[0]);
    let high = last(reference).max(last(current));
    Some(equal_widths(
        reference,
        current,
        &sturges(low, high, pair.distinct()),
    ))
}

/// The inner edges of the reference deciles, duplicates merged: outer ends are open.
pub fn decile_edges(reference: &Numbers) -> Vec<f64> {
    let mut edges: Vec<f64> = (0..=10)
        .map(|i| quantile(&reference.sorted, f64::from(i) / 10.0))
        .collect();
    edges.dedup();
    if edges.len() < 3 {
        return Vec::new();
    }
    edges[1..edges.len() - 1].to_vec()
}

/// Rows by reference decile, bins closed on the right; none when fewer than two bins are left.
pub fn reference_deciles(pair: &Pair) -> Option<Binned> {
    let (reference, current) = pair.numbers()?;
    let edges = decile_edges(reference);
    if edges.is_empty() {
        return None;
    }
    let count = |sorted: &[f64]| {
        let mut counts = Vec::with_capacity(edges.len() + 1);
        let mut before = 0;
        for edge in &edges {
            let until = sorted.partition_point(|x| x <= edge);
            counts.push((until - before) as f64);
            before = until;
        }
        counts.push((sorted.len() - before) as f64);
        counts
    };
    Some(Binned {
        reference: count(&reference.sorted),
        current: count(&current.sorted),
    })
}
