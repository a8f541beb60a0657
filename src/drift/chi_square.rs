//! Chi-square tests on categories: the reference as fixed truth, and both sides as samples.

use super::binning::{self, Binned};
use super::sample::Pair;
use super::{DriftTest, Kinds, Measure, Statistic, special};

/// sum (observed - expected)^2 / expected, expected = reference count scaled to the window,
/// k - 1 degrees of freedom (`scipy.stats.chisquare`; Evidently's `chisquare`). An unseen category
/// has expectation 0: p is 0 and the note says so.
pub struct ChiSquare;

/// Pearson's test of the 2 x k table without continuity correction
/// (`scipy.stats.chi2_contingency`): both sides are samples. Categories whose expected count is
/// below 5 on a side are merged first.
pub struct ChiSquareContingency;

/// Cramér's V from which a difference counts where p-values are held to an effect.
const EFFECT: f64 = 0.1;

impl DriftTest for ChiSquare {
    fn name(&self) -> &'static str {
        "chi_square"
    }
    fn description(&self) -> &'static str {
        "chi-square test, the reference taken as fixed truth"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Categories
    }
    fn measure(&self) -> Measure {
        Measure::PValue
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let binned = binning::by_value(pair)?;
        let (n_r, n_c) = pair.sizes();
        let mut unseen = false;
        let mut sum = 0.0;
        for (r, c) in binned.reference.iter().zip(&binned.current) {
            let expected = r * n_c / n_r;
            if expected == 0.0 {
                unseen = true;
            } else {
                sum += (c - expected) * (c - expected) / expected;
            }
        }
        Some(answer(sum, binned.reference.len(), n_c, unseen))
    }
}

impl DriftTest for ChiSquareContingency {
    fn name(&self) -> &'static str {
        "chi_square_contingency"
    }
    fn description(&self) -> &'static str {
        "chi-square test of the contingency table, both sides samples"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Categories
    }
    fn measure(&self) -> Measure {
        Measure::PValue
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let binned = merge_rare(&binning::by_value(pair)?);
        let (n_r, n_c) = pair.sizes();
        let all = n_r + n_c;
        let mut sum = 0.0;
        for (r, c) in binned.reference.iter().zip(&binned.current) {
            for (observed, size) in [(r, n_r), (c, n_c)] {
                let expected = (r + c) * size / all;
                sum += (observed - expected) * (observed - expected) / expected;
            }
        }
        Some(answer(sum, binned.reference.len(), all, false))
    }
}

fn answer(sum: f64, categories: usize, rows: f64, unseen: bool) -> Statistic {
    let df = categories.saturating_sub(1) as f64;
    let (value, p, note) = if unseen {
        (f64::INFINITY, 0.0, Some("unseen".to_owned()))
    } else if df == 0.0 {
        (0.0, 1.0, None)
    } else {
        (sum, special::chi_square_tail(sum, df), None)
    };
    Statistic {
        value,
        p_value: Some(p),
        exact: false,
        effect: Some(((value / rows).sqrt(), EFFECT)),
        note,
    }
}

fn merge_rare(binned: &Binned) -> Binned {
    let (n_r, n_c): (f64, f64) = (binned.reference.iter().sum(), binned.current.iter().sum());
    let least = n_r.min(n_c) / (n_r + n_c);
    let mut merged = Binned::default();
    let (mut rare_r, mut rare_c) = (0.0, 0.0);
    for (r, c) in binned.reference.iter().zip(&binned.current) {
        if (r + c) * least < 5.0 {
            rare_r += r;
            rare_c += c;
        } else {
            merged.reference.push(*r);
            merged.current.push(*c);
        }
    }
    if rare_r + rare_c > 0.0 {
        // What is still too rare together joins the smallest of the others.
        let smallest = (0..merged.reference.len()).min_by(|a, b| {
            let size = |i: &usize| merged.reference[*i] + merged.current[*i];
            size(a).total_cmp(&size(b))
        });
        match smallest {
            Some(at) if (rare_r + rare_c) * least < 5.0 => {
                merged.reference[at] += rare_r;
                merged.current[at] += rare_c;
            }
            _ => {
                merged.reference.push(rare_r);
                merged.current.push(rare_c);
            }
        }
    }
    merged
}
