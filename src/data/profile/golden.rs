//! Golden values from numpy, pandas, scipy and scikit-learn (`tests/golden/profile_golden.py` makes the fixtures).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{TableState, files, kept_file};
use crate::domain::profile::Profile;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/profile");

#[derive(Deserialize)]
struct Golden {
    columns: BTreeMap<String, Described>,
    top: BTreeMap<String, BTreeMap<String, u64>>,
    signal: BTreeMap<String, About>,
}

#[derive(Deserialize)]
struct Described {
    count: u64,
    distinct: u64,
    min: f64,
    max: f64,
    mean: f64,
    std: f64,
    skewness: f64,
    quantiles: Vec<f64>,
    histogram: Vec<u64>,
}

#[derive(Deserialize)]
struct About {
    information: f64,
    ratio: f64,
    auc: Option<f64>,
}

fn close(a: f64, b: f64, what: &str) {
    assert!(
        (a - b).abs() <= 1e-9 * b.abs().max(1.0),
        "{what}: {a}, not {b}"
    );
}

fn check(profile: &Profile, golden: &Golden) {
    for (name, expected) in &golden.columns {
        let column = profile
            .columns
            .iter()
            .find(|one| one.name == *name)
            .unwrap();
        assert!(column.exact);
        assert_eq!(column.rows - column.nulls, expected.count);
        assert_eq!(column.distinct, expected.distinct, "{name}");
        assert_eq!(
            (column.min, column.max),
            (Some(expected.min), Some(expected.max))
        );
        close(column.mean.unwrap(), expected.mean, name);
        let std = column.std.unwrap();
        assert!(
            (std / expected.std - 1.0).abs() < 1e-6,
            "{name}: {std}, not {}",
            expected.std
        );
        // of numbers a millionth of a millionth apart, the third moment keeps few digits in either library
        if name != "tiny" {
            close(column.skewness.unwrap(), expected.skewness, name);
        }
        for ((_, x), y) in column.quantiles.iter().zip(&expected.quantiles) {
            close(*x, *y, name);
        }
        if name != "tiny" {
            assert_eq!(column.histogram.counts, expected.histogram, "{name}");
        }
    }
    for (name, expected) in &golden.top {
        let column = profile
            .columns
            .iter()
            .find(|one| one.name == *name)
            .unwrap();
        let top: BTreeMap<String, u64> = column.top.iter().cloned().collect();
        assert_eq!(top, *expected);
    }
}

#[test]
fn profiles_agree_with_the_reference_libraries() {
    let golden = std::fs::read_to_string(format!("{FIXTURES}/golden.json")).unwrap();
    let golden: Golden = serde_json::from_str(&golden).unwrap();
    let rows = format!("{FIXTURES}/rows.csv");
    let state = files(&[&rows], &|_, _| Ok(())).unwrap();
    let profile = state.profile(Some("late"), None).unwrap();
    check(&profile, &golden);
    for (name, expected) in &golden.signal {
        let found = profile
            .signal
            .iter()
            .find(|one| one.column == *name)
            .unwrap();
        close(found.information, expected.information, name);
        close(found.ratio.unwrap(), expected.ratio, name);
        if let Some(auc) = expected.auc {
            close(found.auc.unwrap(), auc, name);
        }
    }
    let kept = kept_file(Path::new(&rows), 40, &|_| Ok(())).unwrap();
    let back = TableState::from_bytes(&kept.to_bytes().unwrap())
        .unwrap()
        .unwrap();
    check(&back.profile(None, None).unwrap(), &golden);
}
