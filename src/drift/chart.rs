//! Both distributions over the same bins, for the drift pane and the report. Shares only; drawing is
//! elsewhere.

use super::sample::{Numbers, Pair};
use crate::domain::drift::DriftChart;

/// Bins of a numeric chart aimed at; a round step may make a few more or fewer.
const BINS: f64 = 20.0;

/// Categories shown by name before the rest is `other`.
const CATEGORIES: usize = 11;

/// The chart of a column; empty where a side has no values.
pub fn chart(pair: &Pair) -> DriftChart {
    if let Some((reference, current)) = pair.numbers() {
        let edges = edges(reference, current);
        return DriftChart {
            reference: shares(&reference.sorted, &edges),
            current: shares(&current.sorted, &edges),
            edges,
            categories: Vec::new(),
        };
    }
    let Some((reference, current)) = pair.categories() else {
        return DriftChart::default();
    };
    let (p, q) = (reference.shares(), current.shares());
    let mut labels: Vec<&str> = p.keys().copied().collect();
    labels.extend(q.keys().copied().filter(|label| !p.contains_key(label)));
    let share =
        |of: &rustc_hash::FxHashMap<&str, f64>, label: &str| of.get(label).copied().unwrap_or(0.0);
    labels.sort_by(|a, b| {
        let weight = |label: &str| share(&p, label).max(share(&q, label));
        weight(b).total_cmp(&weight(a)).then_with(|| a.cmp(b))
    });
    let shown = if labels.len() <= CATEGORIES + 1 {
        labels.len()
    } else {
        CATEGORIES
    };
    let mut chart = DriftChart::default();
    for label in &labels[..shown] {
        chart.categories.push((*label).to_owned());
        chart.reference.push(share(&p, label));
        chart.current.push(share(&q, label));
    }
    if shown < labels.len() {
        chart.categories.push("other".into());
        chart
            .reference
            .push(labels[shown..].iter().map(|label| share(&p, label)).sum());
        chart
            .current
            .push(labels[shown..].iter().map(|label| share(&q, label)).sum());
    }
    chart
}

/// Round edges over the middle 99 % of both sides, but at most four times as wide as the reference's.
/// What lies outside is counted in the outer bins.
fn edges(reference: &Numbers, current: &Numbers) -> Vec<f64> {
    let (low_r, high_r) = (reference.quantile(0.005), reference.quantile(0.995));
    let (mut low, mut high) = (
        low_r.min(current.quantile(0.005)),
        high_r.max(current.quantile(0.995)),
    );
    let width = high_r - low_r;
    if width > 0.0 {
        low = low.max(low_r - 1.5 * width);
        high = high.min(high_r + 1.5 * width);
    }
    if low >= high {
        return vec![low - 0.5, low + 0.5];
    }
    let whole = [reference, current]
        .iter()
        .all(|side| side.sorted.iter().all(|x| x.fract() == 0.0));
    if whole && high - low < 24.0 {
        let bins = (high - low) as usize + 1;
        return (0..=bins).map(|i| low - 0.5 + i as f64).collect();
    }
    let mut step = round_step((high - low) / BINS);
    if whole {
        step = step.ceil();
    }
    let first = (low / step).floor();
    let bins = ((high / step).floor() - first) as usize + 1;
    (0..=bins).map(|i| (first + i as f64) * step).collect()
}

/// The least of 1, 2, 2.5, 5 times a power of ten that is not below `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0]
        .into_iter()
        .map(|factor| factor * power)
        .find(|step| *step >= least)
        .unwrap_or(10.0 * power)
}

fn shares(sorted: &[f64], edges: &[f64]) -> Vec<f64> {
    let bins = edges.len() - 1;
    let total = sorted.len().max(1) as f64;
    let mut before = 0;
    (1..=bins)
        .map(|i| {
            let until = if i == bins {
                sorted.len()
            } else {
                sorted.partition_point(|x| *x < edges[i])
            };
            let count = until - before;
            before = until;
            count as f64 / total
        })
        .collect()
}
