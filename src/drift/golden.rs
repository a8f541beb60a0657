//! Golden values from scipy, Evidently and River (`tests/golden/drift_golden.py` makes the fixtures).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::detectors::{Parameters, Signal};
use super::{Pair, Sample, ks, special, stream, test};
use crate::domain::dataset::ColumnKind;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Tests {
    numbers: Vec<Case<f64>>,
    categories: Vec<Case<String>>,
}

#[derive(Deserialize)]
struct Case<T> {
    name: String,
    reference: Vec<T>,
    current: Vec<T>,
    expected: BTreeMap<String, Option<f64>>,
}

#[derive(Deserialize)]
struct Tails {
    kolmogorov: Vec<(u64, f64, f64)>,
    chi_square: Vec<(f64, f64, f64)>,
    normal: Vec<(f64, f64)>,
    two_sample: Vec<(usize, usize, f64, f64, f64)>,
}

#[derive(Deserialize)]
struct Streams {
    level: Vec<f64>,
    errors: Vec<f64>,
    cases: Vec<StreamCase>,
}

#[derive(Deserialize)]
struct StreamCase {
    detector: String,
    parameters: Parameters,
    stream: String,
    drifts: Vec<usize>,
    warnings: Vec<usize>,
}

fn close(name: &str, got: f64, expected: f64, relative: f64) {
    let scale = expected.abs().max(1e-300);
    assert!(
        got == expected
            || (got - expected).abs() / scale < relative
            || (got - expected).abs() < 1e-14,
        "{name}: got {got:e}, expected {expected:e}"
    );
}

fn check(name: &str, pair: &Pair, expected: &BTreeMap<String, Option<f64>>) {
    for (key, expected) in expected {
        let (method, p_value) = match key.strip_suffix("_p") {
            Some(method) => (method, true),
            None => (key.as_str(), false),
        };
        let found = test(method).unwrap().statistic(pair, true);
        let label = format!("{name}, {key}");
        match (found, expected) {
            (Some(found), Some(expected)) => {
                let got = if p_value {
                    found.p_value.unwrap()
                } else {
                    found.value
                };
                close(&label, got, *expected, 1e-8);
            }
            (found, expected) => assert!(
                found.is_none() && expected.is_none(),
                "{label}: got {found:?}, expected {expected:?}"
            ),
        }
    }
}

#[test]
fn tests_agree_with_scipy_and_evidently() {
    let tests: Tests =
        serde_json::from_str(include_str!("../../tests/fixtures/drift/tests.json")).unwrap();
    for case in &tests.numbers {
        let reference = Sample::numbers(ColumnKind::Number, &case.reference);
        let current = Sample::numbers(ColumnKind::Number, &case.current);
        let pair = Pair {
            reference: &reference,
            current: &current,
        };
        check(&case.name, &pair, &case.expected);
    }
    for case in &tests.categories {
        let side = |values: &[String]| {
            Sample::categories(ColumnKind::Text, values.iter().map(|v| Some(v.as_str())))
        };
        let (reference, current) = (side(&case.reference), side(&case.current));
        let pair = Pair {
            reference: &reference,
            current: &current,
        };
        check(&case.name, &pair, &case.expected);
    }
}

#[test]
fn tails_agree_with_scipy() {
    let tails: Tails =
        serde_json::from_str(include_str!("../../tests/fixtures/drift/tails.json")).unwrap();
    for (n, d, expected) in tails.kolmogorov {
        close(
            &format!("kstwo.sf({d}, {n})"),
            special::kolmogorov_tail(d, n),
            expected,
            1e-6,
        );
    }
    for (x, df, expected) in tails.chi_square {
        close("chi2.sf", special::chi_square_tail(x, df), expected, 1e-11);
    }
    for (z, expected) in tails.normal {
        close("norm", special::normal_two_sided(z), expected, 1e-11);
    }
    for (m, n, shift, d, p) in tails.two_sample {
        let a: Vec<f64> = (0..m).map(|i| (i as f64 + 0.5) / m as f64).collect();
        let b: Vec<f64> = (0..n)
            .map(|i| ((i as f64 + 0.5) / n as f64).powf(1.0 + shift))
            .collect();
        let found = ks::two_sample(&a, &b);
        close(&format!("D of {m}, {n}"), found.d, d, 1e-12);
        close(&format!("p of {m}, {n}"), found.p, p, 1e-6);
    }
}

#[test]
fn detectors_agree_with_river() {
    let streams: Streams =
        serde_json::from_str(include_str!("../../tests/fixtures/drift/detectors.json")).unwrap();
    for case in &streams.cases {
        let values = if case.stream == "errors" {
            &streams.errors
        } else {
            &streams.level
        };
        let found = stream(values, &case.detector, &case.parameters).unwrap();
        let at = |wanted: Signal| -> Vec<usize> {
            found
                .iter()
                .filter(|(_, signal)| *signal == wanted)
                .map(|(at, _)| *at)
                .collect()
        };
        let label = format!("{} {:?}", case.detector, case.parameters);
        assert_eq!(at(Signal::Drift), case.drifts, "{label}");
        assert_eq!(at(Signal::Warning), case.warnings, "{label}");
    }
}
