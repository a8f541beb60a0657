//! Wasserstein distance in units of the reference's standard deviation.

use super::binning;
use super::sample::Pair;
use super::{DriftTest, Kinds, Statistic};

/// Integral of |F - G| (`scipy.stats.wasserstein_distance`) over the reference's standard deviation
/// (ddof 0). Evidently never divides by less than 0.001, which blinds it to features on a tiny
/// scale; here that floor stands only in for a deviation of 0, unless parity is asked for.
pub struct Wasserstein;

const FLOOR: f64 = 0.001;

impl DriftTest for Wasserstein {
    fn name(&self) -> &'static str {
        "wasserstein"
    }
    fn description(&self) -> &'static str {
        "Wasserstein distance in standard deviations of the reference"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Numbers
    }
    fn statistic(&self, pair: &Pair, parity: bool) -> Option<Statistic> {
        let (reference, current) = pair.numbers()?;
        let (n_r, n_c) = pair.sizes();
        let (mut seen_r, mut seen_c, mut before) = (0usize, 0usize, f64::NAN);
        let mut area = 0.0;
        binning::walk(&reference.sorted, &current.sorted, |value, r, c| {
            if seen_r + seen_c > 0 {
                let gap = (seen_r as f64 / n_r - seen_c as f64 / n_c).abs();
                area += gap * (value - before);
            }
            seen_r += r;
            seen_c += c;
            before = value;
        });
        let deviation = if reference.distinct == 1 {
            0.0
        } else {
            reference.mean_and_variance(0).1.sqrt()
        };
        let unit = if parity {
            deviation.max(FLOOR)
        } else if deviation == 0.0 {
            FLOOR
        } else {
            deviation
        };
        let mut statistic = Statistic::distance(area / unit);
        if deviation == 0.0 && area > 0.0 {
            statistic.note = Some(format!(
                "constant reference: moved by {}",
                super::words::number(area)
            ));
        }
        Some(statistic)
    }
}
