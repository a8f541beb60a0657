//! The gate: evidence of two models on the same rows, and what follows from it.

use super::*;
use crate::domain::job::JobResult;
use crate::domain::trigger::{Check, Gate};
use crate::ml::gate::{compare, decide};

fn asked() -> Gate {
    Gate {
        metric: "roc_auc".into(),
        at_least: Some(0.7),
        beat: Some("champion".into()),
        by: 0.005,
        slices: vec!["carrier".into()],
        slice_drop: 0.02,
        max_psi: None,
        max_p95_ms: Some(1000.0),
    }
}

fn evidence(challenger: f64, champion: Option<f64>, lower: Option<f64>) -> JobResult {
    let metrics = |value: f64| vec![("roc_auc".to_owned(), value), ("rmse".to_owned(), value)];
    JobResult::Evaluate {
        rows: 1000,
        challenger: metrics(challenger),
        champion: champion.map(metrics).unwrap_or_default(),
        blocks: Vec::new(),
        difference_lower: lower,
        slices: vec![
            ("carrier=HA".into(), 300, -0.001),
            ("carrier=AA".into(), 700, 0.02),
        ],
        p95_ms: 3.1,
        champion_p95_ms: champion.map(|_| 2.9),
        input_changes: Vec::new(),
        flipped: Some(0.031),
        champion_gone: None,
    }
}

fn find<'a>(checks: &'a [Check], key: &str) -> &'a Check {
    checks.iter().find(|check| check.key == key).unwrap()
}

#[test]
fn a_champion_that_cannot_be_judged_is_not_beaten() {
    let mut found = evidence(0.8123, None, None);
    if let JobResult::Evaluate { champion_gone, .. } = &mut found {
        *champion_gone = Some("dataset `d`: there is no column `x`".into());
    }
    let checks = decide(&asked(), &found);
    for key in ["better_on_holdout", "no_slice_worse"] {
        let check = find(&checks, key);
        assert!(
            !check.passed && check.detail.contains("no column `x`"),
            "{check:?}"
        );
        assert!(check.detail.starts_with("not compared"), "{check:?}");
    }
}

#[test]
fn a_better_model_passes_every_check() {
    let checks = decide(&asked(), &evidence(0.8123, Some(0.8011), Some(0.006)));
    let keys: Vec<&str> = checks.iter().map(|check| check.key.as_str()).collect();
    assert_eq!(
        keys,
        [
            "metric_floor",
            "better_on_holdout",
            "no_slice_worse",
            "same_inputs",
            "fast_enough"
        ]
    );
    assert!(checks.iter().all(|check| check.passed), "{checks:?}");
    assert_eq!(
        find(&checks, "better_on_holdout").detail,
        "roc_auc 0.8011 → 0.8123 (≥ +0.005)"
    );
    assert_eq!(
        find(&checks, "no_slice_worse").detail,
        "worst: carrier=HA -0.0010 (limit -0.02, 300 rows)"
    );
    assert_eq!(
        find(&checks, "fast_enough").detail,
        "p95 3.1 ms (limit 1000 ms)"
    );
}

#[test]
fn too_little_too_uncertain_too_low_too_slow_are_held() {
    let passed =
        |gate: &Gate, evidence: &JobResult, key: &str| find(&decide(gate, evidence), key).passed;
    let gate = asked();
    let key = "better_on_holdout";
    assert!(!passed(
        &gate,
        &evidence(0.8030, Some(0.8011), Some(0.001)),
        key
    ));
    assert!(!passed(
        &gate,
        &evidence(0.8123, Some(0.8011), Some(-0.02)),
        key
    ));
    assert!(passed(
        &gate,
        &evidence(0.8061, Some(0.8011), Some(-0.003)),
        key
    ));
    assert!(!passed(
        &gate,
        &evidence(0.69, Some(0.6), Some(0.05)),
        "metric_floor"
    ));
    let slow = Gate {
        max_p95_ms: Some(3.0),
        ..asked()
    };
    assert!(!passed(
        &slow,
        &evidence(0.8123, Some(0.8011), Some(0.006)),
        "fast_enough"
    ));
    let strict = Gate {
        slice_drop: 0.0005,
        ..asked()
    };
    assert!(!passed(
        &strict,
        &evidence(0.8123, Some(0.8011), None),
        "no_slice_worse"
    ));
}

#[test]
fn less_is_better_for_errors() {
    let gate = Gate {
        metric: "rmse".into(),
        at_least: Some(10.0),
        by: 0.5,
        ..asked()
    };
    let checks = decide(&gate, &evidence(8.0, Some(9.0), Some(0.7)));
    assert!(find(&checks, "metric_floor").passed);
    assert_eq!(find(&checks, "metric_floor").name, "metric ceiling");
    let better = find(&checks, "better_on_holdout");
    assert!(better.passed);
    assert_eq!(better.detail, "rmse 9.0000 → 8.0000 (≤ -0.5)");
    let checks = decide(&gate, &evidence(12.0, Some(9.0), Some(-4.0)));
    assert!(!find(&checks, "metric_floor").passed && !find(&checks, "better_on_holdout").passed);
}

#[test]
fn the_first_model_needs_no_champion() {
    let checks = decide(&asked(), &evidence(0.8, None, None));
    assert!(find(&checks, "better_on_holdout").passed);
    assert!(
        find(&checks, "better_on_holdout")
            .detail
            .contains("no champion yet")
    );
    let gate = Gate {
        metric: "f1".into(),
        ..asked()
    };
    assert!(!find(&decide(&gate, &evidence(0.8, None, None)), "metric_floor").passed);
}

#[test]
fn two_models_are_compared_on_the_same_rows() {
    let (inputs, target) = flights(2000, 31);
    let (rows, truth) = flights(2000, 32);
    let good = learn("boosting", &json!({}), &inputs, &target);
    let blind = inputs.select(&["noise".into(), "carrier".into()]).unwrap();
    let poor = learn("boosting", &json!({"trees": 5}), &blind, &target);
    let result = compare(&rows, &truth, &good, Some((&poor, &rows)), &asked(), 1).unwrap();
    let again = compare(&rows, &truth, &good, Some((&poor, &rows)), &asked(), 1).unwrap();
    let JobResult::Evaluate {
        rows: count,
        challenger,
        champion,
        blocks,
        difference_lower,
        slices,
        p95_ms,
        champion_p95_ms,
        input_changes,
        flipped,
        champion_gone: None,
    } = result
    else {
        panic!("not an evaluation")
    };
    assert_eq!(count, 2000);
    let difference = metric(&challenger, "roc_auc") - metric(&champion, "roc_auc");
    assert!(difference > 0.1);
    let lower = difference_lower.unwrap();
    assert!(
        lower > 0.05 && lower < difference,
        "{lower} of {difference}"
    );
    assert_eq!(blocks.len(), 5);
    assert!(blocks.iter().all(|(ours, theirs)| *ours > theirs.unwrap()));
    assert_eq!(slices.len(), 4);
    assert!(slices.windows(2).all(|pair| pair[0].2 <= pair[1].2));
    assert!(p95_ms > 0.0 && champion_p95_ms.unwrap() > 0.0);
    assert_eq!(input_changes, ["needs input `x` (number)"]);
    assert!(flipped.unwrap() > 0.05);
    let JobResult::Evaluate {
        difference_lower, ..
    } = again
    else {
        panic!("not an evaluation")
    };
    assert_eq!(difference_lower, Some(lower));
}

#[test]
fn every_metric_has_a_bound() {
    let (inputs, target) = flights(400, 33);
    let one = learn("boosting", &json!({"trees": 20}), &inputs, &target);
    let other = learn("logistic", &json!({}), &inputs, &target);
    for name in metrics::names(Task::Binary) {
        let gate = Gate {
            metric: (*name).into(),
            slices: Vec::new(),
            ..asked()
        };
        let JobResult::Evaluate {
            difference_lower, ..
        } = compare(&inputs, &target, &one, Some((&other, &inputs)), &gate, 2).unwrap()
        else {
            panic!("not an evaluation")
        };
        assert!(difference_lower.unwrap().abs() < 0.5, "{name}");
    }
    let gate = Gate {
        metric: "rmse".into(),
        ..asked()
    };
    let error = compare(&inputs, &target, &one, None, &gate, 2)
        .unwrap_err()
        .0;
    assert!(error.contains("`roc_auc`"), "{error}");
    let gate = Gate {
        slices: vec!["nowhere".into()],
        ..asked()
    };
    let error = compare(&inputs, &target, &one, Some((&other, &inputs)), &gate, 2)
        .unwrap_err()
        .0;
    assert!(error.contains("`nowhere`"), "{error}");
}

#[test]
fn a_champion_of_another_task_is_no_measure() {
    let (inputs, target) = flights(400, 34);
    let numbers = Target {
        task: Task::Regression,
        classes: Vec::new(),
        values: target.values.clone(),
    };
    let ours = learn("logistic", &json!({}), &inputs, &target);
    let theirs = learn("linear", &json!({}), &inputs, &numbers);
    let result = compare(
        &inputs,
        &target,
        &ours,
        Some((&theirs, &inputs)),
        &asked(),
        1,
    )
    .unwrap();
    let checks = decide(&asked(), &result);
    assert!(!find(&checks, "better_on_holdout").passed);
    assert!(!find(&checks, "same_inputs").passed);
}
