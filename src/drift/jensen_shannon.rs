//! Jensen-Shannon distance.

use super::binning;
use super::sample::Pair;
use super::{DriftTest, Kinds, Statistic};

/// sqrt((KL(p, m) + KL(q, m)) / 2), m their mean, natural logarithm: at most sqrt(ln 2) = 0.8326
/// (`scipy.spatial.distance.jensenshannon`).
pub struct JensenShannon;

impl DriftTest for JensenShannon {
    fn name(&self) -> &'static str {
        "jensen_shannon"
    }
    fn description(&self) -> &'static str {
        "Jensen-Shannon distance, natural logarithm, at most 0.8326"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Any
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let (p, q) = binning::pooled(pair)?.shares();
        Some(Statistic::distance(distance(&p, &q)))
    }
}

/// The distance between two lists of shares.
pub fn distance(p: &[f64], q: &[f64]) -> f64 {
    let part = |share: f64, mean: f64| {
        if share > 0.0 {
            share * (share / mean).ln()
        } else {
            0.0
        }
    };
    let sum: f64 = p
        .iter()
        .zip(q)
        .map(|(p, q)| {
            let mean = (p + q) / 2.0;
            part(*p, mean) + part(*q, mean)
        })
        .sum();
    (sum.max(0.0) / 2.0).sqrt()
}
