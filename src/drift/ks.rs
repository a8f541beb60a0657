//! The two-sample Kolmogorov-Smirnov test.

use super::sample::Pair;
use super::{DriftTest, Kinds, Measure, Statistic, binning, special};

/// D = sup |F - G| after ties; its p-value is exact when both sides have at most 10,000 rows and
/// asymptotic above, as `scipy.stats.ks_2samp(method="auto")` has it.
pub struct KolmogorovSmirnov;

/// scipy's `MAX_AUTO_N`.
const MOST_EXACT: usize = 10_000;

/// A D whose asymptotic p-value is below about 1e-42 is not counted exactly: the verdict cannot
/// change, and the exact recursion is quadratic.
const FAR_TAIL: f64 = 49.0;

impl DriftTest for KolmogorovSmirnov {
    fn name(&self) -> &'static str {
        "ks"
    }
    fn description(&self) -> &'static str {
        "two-sample Kolmogorov-Smirnov test"
    }
    fn kinds(&self) -> Kinds {
        Kinds::Numbers
    }
    fn measure(&self) -> Measure {
        Measure::PValue
    }
    fn statistic(&self, pair: &Pair, _parity: bool) -> Option<Statistic> {
        let (reference, current) = pair.numbers()?;
        let test = two_sample(&reference.sorted, &current.sorted);
        Some(Statistic {
            value: test.d,
            p_value: Some(test.p),
            exact: test.exact,
            effect: Some((test.d, 0.1)),
            note: None,
        })
    }
}

/// What the test says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TwoSample {
    /// sup |F - G|.
    pub d: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// Counted, not approximated.
    pub exact: bool,
}

/// The test on two ascending samples, neither empty.
pub fn two_sample(reference: &[f64], current: &[f64]) -> TwoSample {
    let (n_r, n_c) = (reference.len() as u64, current.len() as u64);
    // The distance in units of 1 / lcm, exact in integers.
    let common = gcd(n_r, n_c);
    let (step_r, step_c) = (n_c / common, n_r / common);
    let (mut at, mut most) = (0i128, 0i128);
    binning::walk(reference, current, |_, r, c| {
        at += i128::from(step_r) * r as i128 - i128::from(step_c) * c as i128;
        most = most.max(at.abs());
    });
    let lcm = (n_r / common) as f64 * n_c as f64;
    let d = most as f64 / lcm;
    let effective = n_r as f64 * n_c as f64 / (n_r as f64 + n_c as f64);
    let exact = reference.len().max(current.len()) <= MOST_EXACT && effective * d * d < FAR_TAIL;
    let p = if most == 0 {
        1.0
    } else if exact && n_r == n_c {
        outside_square(n_r, most as u64)
    } else if exact {
        outside_band(n_r, n_c, common, most as f64)
    } else {
        special::kolmogorov_tail(d, effective.round_ties_even() as u64)
    };
    TwoSample {
        d,
        p: p.clamp(0.0, 1.0),
        exact,
    }
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// P(D >= h / n) for two samples of n: the reflection series, by Horner.
fn outside_square(n: u64, h: u64) -> f64 {
    let mut p = 0.0;
    for k in (0..=n / h).rev() {
        let mut term = 1.0;
        for j in 0..h {
            term *= (n as f64 - (k * h + j) as f64) / ((n + k * h + j + 1) as f64);
        }
        p = term * (1.0 - p);
    }
    2.0 * p
}

/// The share of lattice paths from (0, 0) to (m, n) that leave |x/m - y/n| < h / lcm (Hodges 1958):
/// P(i, j) = (i P(i-1, j) + j P(i, j-1)) / (i + j), 1 outside. One column is kept.
fn outside_band(m: u64, n: u64, common: u64, h: f64) -> f64 {
    let (m, n) = (m.max(n), m.min(n));
    let (mg, ng) = ((m / common) as f64, (n / common) as f64);
    let inside_from = |i: f64| (((ng * i - h) / mg).floor() + 1.0).max(0.0) as usize;
    let inside_to = |i: f64| (((ng * i + h) / mg).ceil() as usize).min(n as usize + 1);
    let reciprocal: Vec<f64> = (0..=(m + n)).map(|k| 1.0 / k as f64).collect();
    let mut column = vec![1.0; n as usize + 2];
    for inside in column.iter_mut().take(inside_to(0.0)) {
        *inside = 0.0;
    }
    let mut to = inside_to(0.0);
    for i in 1..=m as usize {
        let from = inside_from(i as f64);
        let (old_to, new_to) = (to, inside_to(i as f64));
        to = new_to;
        if to <= from {
            return 1.0;
        }
        let mut below = if from == 0 { 0.0 } else { 1.0 };
        for j in from..to {
            let left = if j < old_to { column[j] } else { 1.0 };
            below = (left * i as f64 + below * j as f64) * reciprocal[i + j];
            column[j] = below;
        }
    }
    column[n as usize]
}
