//! From statistics to verdicts: which test decides, what its limit is, and what it comes to.
//!
//! Two presets. `evidently` is Evidently 0.7's choice by type and size with its fixed limits
//! (0.1 for distances, 0.05 for p-values). `stable` asks for more before it alerts: a distance must
//! also pass what the reference's own chunks show, p-values are corrected for the number of columns
//! (Benjamini and Hochberg 1995) and must come with an effect. It chooses by type and size too: up to
//! 1,000 reference values p-values (KS, the contingency chi-square, the z-test), above that distances:
//! PSI over reference deciles for numbers, or by value where there are at most 20 of them, Wasserstein
//! where ties merge deciles, Jensen-Shannon for categories.

use super::sample::{Pair, Sample, Values};
use super::{
    DriftTest, Error, Measure, Options, Result, Statistic, binning, chi_square, jensen_shannon, ks,
    psi, wasserstein, z_proportions,
};
use crate::domain::drift::{DriftVerdict, TestResult};

/// Parts of the reference that say how far it is from itself.
const CHUNKS: usize = 10;

/// Up to this many reference values p-values decide, distances above.
const SMALL: usize = 1_000;

/// Which rules hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// The product's own.
    Stable,
    /// Parity with Evidently.
    Evidently,
}

impl Preset {
    /// By name.
    ///
    /// # Errors
    /// For any other name.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "stable" => Ok(Self::Stable),
            "evidently" => Ok(Self::Evidently),
            other => Err(Error(format!(
                "there is no drift preset `{other}`; use `stable` or `evidently`"
            ))),
        }
    }
}

/// The test that decides about this column.
pub fn choose(pair: &Pair, preset: Preset) -> &'static dyn DriftTest {
    let small = pair.reference.len() <= SMALL;
    let distinct = pair.distinct();
    let numbers = pair.numbers();
    if small {
        return match (preset, numbers.is_some(), distinct) {
            (_, true, 6..) => &ks::KolmogorovSmirnov,
            (_, _, ..=2) => &z_proportions::ZProportions,
            (Preset::Evidently, ..) => &chi_square::ChiSquare,
            (Preset::Stable, ..) => &chi_square::ChiSquareContingency,
        };
    }
    let Some((reference, _)) = numbers.filter(|_| distinct > 5) else {
        return &jensen_shannon::JensenShannon;
    };
    if preset == Preset::Evidently {
        return &wasserstein::Wasserstein;
    }
    if reference.distinct <= 20 {
        return &psi::Psi;
    }
    // Where ties merge deciles (a column that is mostly zero), their index sees little; Wasserstein's
    // distance does not depend on bins.
    if binning::decile_edges(reference).len() >= 7 {
        &psi::PsiQuantile10
    } else {
        &wasserstein::Wasserstein
    }
}

/// max(`base`, mean + 3 sd) of the distances between the whole reference and ten parts of it, each as
/// long as the window or a tenth of the reference, whichever is less, evenly spaced in row order:
/// a reference that moves within itself asks for a greater distance. `base` where there are too few
/// rows for parts of 30.
pub fn stable_threshold(test: &dyn DriftTest, reference: &Sample, window: usize, base: f64) -> f64 {
    let rows = reference.len();
    let length = (rows / CHUNKS).min(window.max(30));
    if length < 30 {
        return base;
    }
    let distances: Vec<f64> = (0..CHUNKS)
        .filter_map(|i| {
            let from = i * (rows / CHUNKS);
            let part = reference.part(from, from + length);
            let pair = Pair {
                reference,
                current: &part,
            };
            Some(test.statistic(&pair, false)?.value)
        })
        .filter(|value| value.is_finite())
        .collect();
    if distances.len() < 2 {
        return base;
    }
    let n = distances.len() as f64;
    let mean = distances.iter().sum::<f64>() / n;
    let variance = distances.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (n - 1.0);
    base.max(mean + 3.0 * variance.sqrt())
}

/// The limit for `test` on this column.
pub fn threshold(test: &dyn DriftTest, pair: &Pair, preset: Preset, options: &Options) -> f64 {
    if let Some(fixed) = options.thresholds.get(test.name()) {
        return *fixed;
    }
    let window = pair.current.len();
    let base = test.threshold(window);
    match (preset, test.measure()) {
        (Preset::Stable, Measure::Distance) => stable_threshold(test, pair.reference, window, base),
        _ => base,
    }
}

/// Whether rows are too few for a verdict.
pub fn few(pair: &Pair, min_rows: u64) -> bool {
    (pair.reference.len().min(pair.current.len()) as u64) < min_rows
}

/// What a statistic comes to against `threshold`. With `few` rows only an exact p-value says anything.
pub fn judge(
    measure: Measure,
    statistic: &Statistic,
    threshold: f64,
    few: bool,
    preset: Preset,
) -> DriftVerdict {
    if few && !(measure == Measure::PValue && statistic.exact) {
        return DriftVerdict::TooFew;
    }
    let enough = statistic.effect.is_none_or(|(size, least)| size >= least);
    let beyond = match measure {
        Measure::Distance => statistic.value >= threshold,
        Measure::PValue => {
            statistic.p_value.is_some_and(|p| p < threshold)
                && (preset == Preset::Evidently || enough)
        }
        Measure::ZScore => statistic.value.abs() > threshold && enough,
    };
    if beyond {
        DriftVerdict::Drift
    } else {
        DriftVerdict::Stable
    }
}

/// Runs `test` on a column and judges it.
pub fn run(
    test: &dyn DriftTest,
    pair: &Pair,
    preset: Preset,
    options: &Options,
) -> (TestResult, Option<Statistic>) {
    let mut result = TestResult {
        method: test.name().into(),
        value: None,
        p_value: None,
        threshold: options
            .thresholds
            .get(test.name())
            .copied()
            .unwrap_or_else(|| test.threshold(pair.current.len())),
        verdict: DriftVerdict::NoData,
        note: None,
    };
    if pair.reference.is_empty() || pair.current.is_empty() {
        result.note = Some(
            if pair.current.is_empty() {
                "no values in the window"
            } else {
                "no values in the reference"
            }
            .into(),
        );
        return (result, None);
    }
    if test.kinds() == super::Kinds::Numbers && !matches!(pair.current.values, Values::Numbers(_)) {
        result.note = Some("needs numbers".into());
        return (result, None);
    }
    let Some(statistic) = test.statistic(pair, preset == Preset::Evidently) else {
        result.note = Some("not defined for these values".into());
        return (result, None);
    };
    let few = few(pair, options.min_rows);
    result.threshold = threshold(test, pair, preset, options);
    result.value = statistic.value.is_finite().then_some(statistic.value);
    result.p_value = statistic.p_value;
    result.verdict = judge(test.measure(), &statistic, result.threshold, few, preset);
    result.note = statistic.note.clone();
    if few {
        result.note = Some("too few rows".into());
    } else if result.note.is_none()
        && result.threshold >= 3.0 * test.threshold(pair.current.len())
        && !options.thresholds.contains_key(test.name())
    {
        result.note = Some("the reference moves within itself".into());
    } else if result.note.is_none()
        && test.measure() == Measure::PValue
        && result.verdict == DriftVerdict::Stable
        && statistic.p_value.is_some_and(|p| p < result.threshold)
    {
        result.note = Some("significant but small".into());
    }
    (result, Some(statistic))
}

/// Benjamini and Hochberg's limit for these p-values at level `alpha`: the greatest k alpha / m with at
/// least k of them at or below it; alpha / m where none is. A p-value alerts at or below the limit.
pub fn false_discovery_limit(p_values: &[f64], alpha: f64) -> f64 {
    let mut sorted = p_values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let m = sorted.len().max(1) as f64;
    let passing = sorted
        .iter()
        .enumerate()
        .rev()
        .find(|(i, p)| **p <= (*i as f64 + 1.0) * alpha / m)
        .map_or(1, |(i, _)| i + 1);
    passing as f64 * alpha / m
}

/// How far beyond its limit a result is: 1 at the limit. For p-values the square root of the ratio of
/// logarithms, which grows with the effect as distances do.
pub fn severity(result: &TestResult) -> f64 {
    if let Some(p) = result.p_value {
        let limit = result.threshold.clamp(1e-12, 0.999).ln();
        return (p.max(1e-300).ln() / limit).max(0.0).sqrt();
    }
    match result.value {
        Some(value) if result.threshold > 0.0 => value.abs() / result.threshold,
        Some(value) if value > 0.0 => 1e3,
        _ => 0.0,
    }
}
