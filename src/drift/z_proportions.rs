//! The z-test for two proportions.

use super::sample::{Pair, Values};
use super::{DriftTest, Kinds, Measure, Statistic, special};

/// (p1 - p2) / sqrt(P (1 - P) (1/n1 + 1/n2)), P pooled, two-sided; a "success" is whatever is not
/// the smallest of the two values (Evidently's `z`). Only for two values.
pub struct ZProportions;

impl DriftTest for ZProportions {
    fn name(&self) -> &'static str {
        "z_proportions"
    }
    fn description(&self) -> &'static str {
        "z-test for two proportions"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Categories
    }
    fn measure(&self) -> Measure {
        Measure::PValue
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        if pair.distinct() > 2 {
            return None;
        }
        let (failures_r, failures_c) = failures(pair)?;
        let (n_r, n_c) = pair.sizes();
        let (p_r, p_c) = (1.0 - failures_r / n_r, 1.0 - failures_c / n_c);
        let pooled = (p_r * n_r + p_c * n_c) / (n_r + n_c);
        let error = (pooled * (1.0 - pooled) * (1.0 / n_r + 1.0 / n_c)).sqrt();
        let z = if error == 0.0 {
            0.0
        } else {
            (p_r - p_c) / error
        };
        Some(Statistic {
            value: z,
            p_value: Some(special::normal_two_sided(z)),
            exact: false,
            effect: Some(((p_r - p_c).abs(), 0.05)),
            note: None,
        })
    }
}

/// Rows of both sides that have the smallest value.
fn failures(pair: &Pair) -> Option<(f64, f64)> {
    if let Some((reference, current)) = pair.numbers() {
        let least = reference.sorted[0].min(current.sorted[0]);
        let count = |sorted: &[f64]| sorted.partition_point(|x| *x <= least) as f64;
        return Some((count(&reference.sorted), count(&current.sorted)));
    }
    pair.categories()?;
    let least = [pair.reference, pair.current]
        .into_iter()
        .filter_map(|sample| match &sample.values {
            Values::Categories(categories) => categories
                .labels
                .iter()
                .zip(&categories.counts)
                .filter(|(_, count)| **count > 0)
                .map(|(label, _)| label)
                .min(),
            Values::Numbers(_) => None,
        })
        .min()?;
    let count = |sample: &super::Sample| match &sample.values {
        Values::Categories(categories) => categories
            .labels
            .iter()
            .zip(&categories.counts)
            .filter(|(label, _)| *label == least)
            .map(|(_, count)| *count as f64)
            .sum(),
        Values::Numbers(_) => 0.0,
    };
    Some((count(pair.reference), count(pair.current)))
}
