//! Hellinger distance.

use super::binning;
use super::sample::Pair;
use super::{DriftTest, Kinds, Statistic};

/// sqrt(1 - sum sqrt(p q)); numbers over Sturges bins on the set of distinct values (Evidently).
pub struct Hellinger;

impl DriftTest for Hellinger {
    fn name(&self) -> &'static str {
        "hellinger"
    }
    fn description(&self) -> &'static str {
        "Hellinger distance, between 0 and 1"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Any
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let (p, q) = binning::distinct_sturges(pair)?.shares();
        let overlap: f64 = p.iter().zip(&q).map(|(p, q)| (p * q).sqrt()).sum();
        Some(Statistic::distance((1.0 - overlap.clamp(0.0, 1.0)).sqrt()))
    }
}
