//! Tests of the whole room: golden values, odd inputs, the gate, the model directory. What they share is here.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod files;
mod gate;
mod golden;
mod odd_inputs;
mod speed;

use super::*;
use arrow_array::{ArrayRef, Float64Array, StringArray};
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use serde_json::{Value, json};
use std::sync::Arc;

fn fixture(name: &str) -> Value {
    let path = format!("{}/tests/fixtures/ml/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(&path).expect(&path)).expect(&path)
}

fn floats(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|cell| cell.as_f64().unwrap_or(f64::NAN))
        .collect()
}

fn column(value: &Value) -> ArrayRef {
    let cells = value.as_array().unwrap();
    if cells.iter().any(Value::is_string) {
        Arc::new(StringArray::from(
            cells.iter().map(Value::as_str).collect::<Vec<_>>(),
        ))
    } else {
        Arc::new(Float64Array::from(
            cells.iter().map(Value::as_f64).collect::<Vec<_>>(),
        ))
    }
}

fn frame(columns: &Value) -> Frame {
    let columns = columns
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, cells)| (name.clone(), column(cells)))
        .collect();
    Frame::from_columns(columns).unwrap()
}

fn numbers_frame(columns: &[(&str, Vec<f64>)]) -> Frame {
    let columns = columns
        .iter()
        .map(|(name, cells)| {
            let array: ArrayRef = Arc::new(Float64Array::from(cells.clone()));
            ((*name).to_owned(), array)
        })
        .collect();
    Frame::from_columns(columns).unwrap()
}

fn spec(kind: &str, params: &Value) -> TrainerSpec {
    TrainerSpec {
        kind: kind.to_owned(),
        params: params
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect(),
    }
}

fn learn(kind: &str, params: &Value, inputs: &Frame, target: &Target) -> Model {
    fit(&spec(kind, params), inputs, target, None, 7, &mut |_, _| {
        Ok(())
    })
    .unwrap()
}

/// Rows of two classes that `x` and `carrier` tell apart, not perfectly; `x` is missing in some.
fn flights(rows: usize, seed: u64) -> (Frame, Target) {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut x = Vec::new();
    let mut noise = Vec::new();
    let mut carrier = Vec::new();
    let mut late = Vec::new();
    for _ in 0..rows {
        let code = random.gen_range(0..4);
        let value: f64 = random.gen_range(-2.0..2.0);
        let odds = 1.5 * value + f64::from(code) - 1.5;
        late.push(f64::from(u8::from(
            random.gen_bool(estimator::sigmoid(odds)),
        )));
        x.push(random.gen_bool(0.95).then_some(value));
        noise.push(random.gen_range(0.0..1.0));
        carrier.push(["AA", "B6", "DL", "HA"][code as usize]);
    }
    let columns: Vec<(String, ArrayRef)> = vec![
        ("x".into(), Arc::new(Float64Array::from(x))),
        ("noise".into(), Arc::new(Float64Array::from(noise))),
        ("carrier".into(), Arc::new(StringArray::from(carrier))),
    ];
    let target = Target {
        task: Task::Binary,
        classes: vec!["0".into(), "1".into()],
        values: late,
    };
    (Frame::from_columns(columns).unwrap(), target)
}

fn metric(metrics: &[(String, f64)], name: &str) -> f64 {
    metrics
        .iter()
        .find(|(known, _)| known == name)
        .unwrap_or_else(|| panic!("no {name} in {metrics:?}"))
        .1
}

fn close(left: f64, right: f64, tolerance: f64, what: &str) {
    assert!(
        (left - right).abs() <= tolerance,
        "{what}: {left} is not {right}"
    );
}

#[test]
fn models_may_be_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Model>();
}

#[test]
fn a_misspelt_trainer_is_told_the_right_one() {
    let error = check_trainer(&spec("bosting", &json!({}))).unwrap_err().0;
    assert!(error.contains("did you mean `boosting`?"), "{error}");
    assert!(error.contains("`logistic`, `linear`"), "{error}");
}

#[test]
fn a_misspelt_parameter_is_told_the_right_one() {
    let error = check_trainer(&spec("boosting", &json!({"learn_rate": 0.1})))
        .unwrap_err()
        .0;
    assert!(error.contains("did you mean `learning_rate`?") || error.contains("`learning_rate`"));
    let error = check_trainer(&spec("boosting", &json!({"max_leafs": 3})))
        .unwrap_err()
        .0;
    assert!(error.contains("did you mean `max_leaves`?"), "{error}");
}

#[test]
fn parameters_out_of_range_are_refused_with_the_range() {
    for (params, expected) in [
        (json!({"trees": 0}), "a whole number from 1"),
        (json!({"trees": 1.5}), "a whole number from 1"),
        (json!({"learning_rate": "fast"}), "a number from"),
    ] {
        let error = check_trainer(&spec("boosting", &params)).unwrap_err().0;
        assert!(error.contains(expected), "{error}");
    }
    let error = check_trainer(&spec("random_forest", &json!({"features": "some"})))
        .unwrap_err()
        .0;
    assert!(error.contains("`auto`, `sqrt`, `third`, `all`"), "{error}");
    check_trainer(&spec("boosting", &json!({"trees": 50.0}))).unwrap();
}

#[test]
fn parameters_in_force_include_defaults() {
    let (inputs, target) = flights(300, 1);
    let model = learn("boosting", &json!({"trees": 3}), &inputs, &target);
    let parameters = model.parameters();
    assert!(parameters.contains(&("trees".into(), "3".into())));
    assert!(parameters.contains(&("max_leaves".into(), "31".into())));
}

#[test]
fn a_trainer_says_which_others_can_learn_the_task() {
    let (inputs, target) = flights(100, 1);
    let error = fit(
        &spec("linear", &json!({})),
        &inputs,
        &target,
        None,
        1,
        &mut |_, _| Ok(()),
    )
    .unwrap_err()
    .0;
    assert!(error.contains("cannot learn two classes"), "{error}");
    assert!(error.contains("`logistic`"), "{error}");
}

#[test]
fn tasks_follow_from_the_column() {
    let frame = frame(&json!({
        "two": [1.0, 0.0, 1.0, null],
        "ten": [10.0, 2.0, 1.0, 2.0],
        "half": [0.5, 1.0, 2.0, 3.0],
        "name": ["b", "a", null, "b"],
    }));
    let two = Target::from_frame(&frame, "two", None).unwrap();
    assert_eq!(
        (two.task, two.classes),
        (Task::Binary, vec!["0".into(), "1".into()])
    );
    assert!(two.values[3].is_nan());
    let ten = Target::from_frame(&frame, "ten", None).unwrap();
    assert_eq!(ten.classes, ["1", "2", "10"]);
    assert_eq!(ten.values, [2.0, 1.0, 0.0, 1.0]);
    let half = Target::from_frame(&frame, "half", None).unwrap();
    assert_eq!(half.task, Task::Regression);
    let name = Target::from_frame(&frame, "name", None).unwrap();
    assert_eq!(name.values[0], 1.0);
    assert!(Target::from_frame(&frame, "name", Some(Task::Regression)).is_err());
    assert!(Target::from_frame(&frame, "ten", Some(Task::Binary)).is_err());
}

#[test]
fn labels_are_read_in_the_models_terms() {
    let signature = Signature {
        inputs: Vec::new(),
        task: Task::Binary,
        classes: vec!["false".into(), "true".into()],
    };
    let labels = frame(&json!({"y": [1.0, 0.0, null], "z": ["true", "maybe", "false"]}));
    let target = Target::for_signature(&labels, "y", &signature).unwrap();
    assert_eq!(target.values[..2], [1.0, 0.0]);
    let error = Target::for_signature(&labels, "z", &signature)
        .unwrap_err()
        .0;
    assert!(
        error.contains("`maybe`") && error.contains("`true`"),
        "{error}"
    );
}

#[test]
fn inputs_are_found_by_name_and_missing_ones_named() {
    let (inputs, target) = flights(300, 2);
    let model = learn("boosting", &json!({"trees": 5}), &inputs, &target);
    let shuffled = inputs
        .select(&["noise".into(), "carrier".into(), "x".into()])
        .unwrap()
        .with("extra", inputs.column("noise").unwrap().clone())
        .unwrap();
    assert_eq!(
        model.predict(&shuffled).unwrap(),
        model.predict(&inputs).unwrap()
    );
    let error = model
        .predict(&inputs.select(&["noise".into()]).unwrap())
        .unwrap_err()
        .0;
    assert_eq!(error, "missing inputs: `x` (number), `carrier` (text)");
}

#[test]
fn the_same_seed_gives_the_same_model() {
    let (inputs, target) = flights(500, 3);
    for trainer in TRAINERS
        .iter()
        .filter(|t| t.tasks().contains(&Task::Binary))
    {
        let once = learn(trainer.name(), &json!({}), &inputs, &target);
        assert!(
            once == learn(trainer.name(), &json!({}), &inputs, &target),
            "{}",
            trainer.name()
        );
    }
}

#[test]
fn permutation_finds_what_matters() {
    let (inputs, target) = flights(800, 4);
    let model = learn("boosting", &json!({}), &inputs, &target);
    let drops = importance::permutation(&model, &inputs, &target, "roc_auc", 2, 1).unwrap();
    assert_eq!(drops[0].0, "x");
    assert!(drops[0].1 > 0.1, "{drops:?}");
    assert_eq!(drops[2].0, "noise");
}

#[test]
fn the_odd_input_that_moved_the_answer_comes_first() {
    let (inputs, target) = flights(1500, 5);
    let model = learn("logistic", &json!({}), &inputs, &target);
    let row = frame(&json!({"x": [90.0], "noise": [0.5], "carrier": ["ZZ"]}));
    let shares = outlier::explain(&model, &inputs, &row, 0).unwrap();
    assert_eq!(shares[0].input, "x");
    assert!(shares[0].outlier && shares[0].effect < -0.1, "{shares:?}");
    let carrier = shares
        .iter()
        .find(|share| share.input == "carrier")
        .unwrap();
    assert!(
        carrier.outlier && carrier.note.contains("never seen"),
        "{carrier:?}"
    );
    let noise = shares.iter().find(|share| share.input == "noise").unwrap();
    assert!(
        !noise.outlier && noise.note.starts_with("ordinary"),
        "{noise:?}"
    );
}

#[test]
fn another_unit_is_suspected() {
    let minutes: Vec<f64> = (0..360).map(|i| 60.0 + f64::from(i % 120)).collect();
    let values = minutes.iter().map(|m| m * 2.0).collect();
    let inputs = numbers_frame(&[("minutes", minutes)]);
    let target = Target {
        task: Task::Regression,
        classes: Vec::new(),
        values,
    };
    let model = learn("linear", &json!({}), &inputs, &target);
    let row = numbers_frame(&[("minutes", vec![7200.0])]);
    let shares = outlier::explain(&model, &inputs, &row, 0).unwrap();
    assert!(shares[0].note.contains("1/60 of it"), "{}", shares[0].note);
    close(shares[0].effect, 2.0 * (119.5 - 7200.0), 1e-6, "effect");
}
