//! L-infinity distance: the one category that moved most.

use super::binning;
use super::sample::Pair;
use super::{DriftTest, Kinds, Statistic};

/// max |p - q| over the categories of both sides; the limit falls to 0.05 above 10,000 rows.
pub struct LInfinity;

impl DriftTest for LInfinity {
    fn name(&self) -> &'static str {
        "l_infinity"
    }
    fn description(&self) -> &'static str {
        "greatest move of any one category's share"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Any
    }
    fn threshold(&self, rows: usize) -> f64 {
        if rows > 10_000 { 0.05 } else { 0.1 }
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let (p, q) = binning::pooled(pair)?.shares();
        let most = p
            .iter()
            .zip(&q)
            .map(|(p, q)| (p - q).abs())
            .fold(0.0, f64::max);
        Some(Statistic::distance(most))
    }
}
