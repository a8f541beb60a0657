//! Total variation distance.

use super::binning;
use super::sample::Pair;
use super::{DriftTest, Kinds, Statistic};

/// Half of sum |p - q|: the share of rows that would have to move.
pub struct TotalVariation;

impl DriftTest for TotalVariation {
    fn name(&self) -> &'static str {
        "total_variation"
    }
    fn description(&self) -> &'static str {
        "total variation distance: the share of rows that would have to move"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Any
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let (p, q) = binning::pooled(pair)?.shares();
        let sum: f64 = p.iter().zip(&q).map(|(p, q)| (p - q).abs()).sum();
        Some(Statistic::distance(sum / 2.0))
    }
}
