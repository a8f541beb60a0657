//! The move of the mean in standard errors.

use super::sample::Pair;
use super::{DriftTest, Kinds, Measure, Statistic};

/// (mean_c - mean_r) / sqrt(var_r/n_r + var_c/n_c), ddof 1 (Welch's t statistic). Alerts beyond 3 when
/// the mean also moved by more than a tenth of the reference's standard deviation.
pub struct MeanZ;

impl DriftTest for MeanZ {
    fn name(&self) -> &'static str {
        "mean_z"
    }
    fn description(&self) -> &'static str {
        "move of the mean in standard errors"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Numbers
    }
    fn measure(&self) -> Measure {
        Measure::ZScore
    }
    fn threshold(&self, _rows: usize) -> f64 {
        3.0
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let (reference, current) = pair.numbers()?;
        let (n_r, n_c) = pair.sizes();
        if n_r < 2.0 || n_c < 2.0 {
            return None;
        }
        let (mean_r, variance_r) = reference.mean_and_variance(1);
        let (mean_c, variance_c) = current.mean_and_variance(1);
        if reference.distinct == 1 && current.distinct == 1 {
            let same = reference.sorted[0] == current.sorted[0];
            return same.then(|| Statistic {
                effect: Some((0.0, 0.1)),
                ..Statistic::distance(0.0)
            });
        }
        let move_by = mean_c - mean_r;
        let effect = if reference.distinct == 1 {
            f64::INFINITY
        } else {
            move_by.abs() / variance_r.sqrt()
        };
        Some(Statistic {
            effect: Some((effect, 0.1)),
            ..Statistic::distance(move_by / (variance_r / n_r + variance_c / n_c).sqrt())
        })
    }
}
