//! Kullback-Leibler divergence of the window from the reference.

use super::binning;
use super::sample::Pair;
use super::{DriftTest, Kinds, Statistic};

/// sum p ln(p / q), p the reference, zeros filled and then renormalised (`scipy.stats.entropy`).
pub struct KullbackLeibler;

impl DriftTest for KullbackLeibler {
    fn name(&self) -> &'static str {
        "kl"
    }
    fn description(&self) -> &'static str {
        "Kullback-Leibler divergence, natural logarithm"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Any
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let (p, q) = binning::pooled(pair)?.filled_shares();
        let (all_p, all_q): (f64, f64) = (p.iter().sum(), q.iter().sum());
        let divergence = p
            .iter()
            .zip(&q)
            .map(|(p, q)| (p / all_p) * ((p / all_p) / (q / all_q)).ln())
            .sum::<f64>();
        Some(Statistic::distance(divergence.max(0.0)))
    }
}
