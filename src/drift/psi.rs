//! Population stability index, over the pooled bins and over reference deciles.

use super::binning::{self, Binned};
use super::sample::Pair;
use super::{DriftTest, Kinds, Statistic};

/// sum (p - q) ln(p / q) over the pooled bins, zeros filled. Evidently's `psi`.
pub struct Psi;

/// The same over the deciles of the reference, shares of at least 1e-4: one far value cannot
/// stretch the bins.
pub struct PsiQuantile10;

impl DriftTest for Psi {
    fn name(&self) -> &'static str {
        "psi"
    }
    fn description(&self) -> &'static str {
        "population stability index, equal widths over both sides"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Any
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let (p, q) = binning::pooled(pair)?.filled_shares();
        Some(Statistic::distance(index(&p, &q)))
    }
}

impl DriftTest for PsiQuantile10 {
    fn name(&self) -> &'static str {
        "psi_quantile10"
    }
    fn description(&self) -> &'static str {
        "population stability index over the deciles of the reference"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Numbers
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let binned: Binned = binning::reference_deciles(pair)?;
        let (mut p, mut q) = binned.shares();
        for share in p.iter_mut().chain(&mut q) {
            *share = share.max(1e-4);
        }
        Some(Statistic::distance(index(&p, &q)))
    }
}

fn index(p: &[f64], q: &[f64]) -> f64 {
    p.iter().zip(q).map(|(p, q)| (p - q) * (p / q).ln()).sum()
}
