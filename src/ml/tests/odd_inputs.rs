//! Nothing that data can hold may bring a trainer down: it answers with finite numbers or with an error in words.

use super::*;
use proptest::prelude::*;

fn small(trainer: &str) -> Value {
    match trainer {
        "boosting" | "random_forest" => json!({"trees": 4, "min_rows": 2}),
        _ => json!({}),
    }
}

/// Numbers as they come: ordinary, missing, infinite, huge, tiny.
fn odd_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => -10.0..10.0_f64,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
        1 => Just(f64::NEG_INFINITY),
        1 => Just(0.0),
        1 => Just(1e300),
        1 => Just(1e-300),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_trainer_survives_odd_columns(
        rows in 1..40_usize,
        a in proptest::collection::vec(odd_number(), 40),
        b in proptest::collection::vec(odd_number(), 40),
        words in proptest::collection::vec(proptest::option::of("[ab]{0,2}"), 40),
        classes in proptest::collection::vec(0..3_u8, 40),
        missing_target in 0..40_usize,
    ) {
        let columns: Vec<(String, ArrayRef)> = vec![
            ("a".into(), Arc::new(Float64Array::from(a[..rows].to_vec()))),
            ("b".into(), Arc::new(Float64Array::from(b[..rows].to_vec()))),
            ("constant".into(), Arc::new(Float64Array::from(vec![3.7; rows]))),
            ("nothing".into(), Arc::new(Float64Array::from(vec![None; rows]))),
            ("words".into(), Arc::new(StringArray::from(words[..rows].to_vec()))),
        ];
        let inputs = Frame::from_columns(columns).unwrap();
        for trainer in TRAINERS {
            for task in trainer.tasks() {
                let mut values: Vec<f64> = classes[..rows]
                    .iter()
                    .map(|class| match task {
                        Task::Binary => f64::from(class % 2),
                        Task::Multiclass => f64::from(*class),
                        Task::Regression => f64::from(*class) * 1e6,
                    })
                    .collect();
                if missing_target < rows {
                    values[missing_target] = f64::NAN;
                }
                let labels = |count: usize| (0..count).map(|class| class.to_string()).collect();
                let target = Target {
                    task: *task,
                    classes: match task {
                        Task::Binary => labels(2),
                        Task::Multiclass => labels(3),
                        Task::Regression => Vec::new(),
                    },
                    values,
                };
                let validation = Some((&inputs, &target));
                let spec = spec(trainer.name(), &small(trainer.name()));
                match fit(&spec, &inputs, &target, validation, 1, &mut |_, _| Ok(())) {
                    Ok(model) => {
                        let answers = model.predict(&inputs).unwrap();
                        prop_assert_eq!(answers.values.len(), rows);
                        prop_assert!(
                            answers.values.iter().all(|x| x.is_finite()),
                            "{} {:?}: {:?}", trainer.name(), task, answers
                        );
                        for row in answers.probabilities.chunks(target.classes.len().max(1)) {
                            let sum: f64 = row.iter().sum();
                            prop_assert!((sum - 1.0).abs() < 1e-9, "{}: {row:?}", trainer.name());
                        }
                    }
                    Err(error) => prop_assert!(error.0.len() > 10, "{}", error.0),
                }
            }
        }
    }
}

#[test]
fn emptiness_and_a_single_class_are_said_in_words() {
    let inputs = numbers_frame(&[("x", vec![1.0, 2.0, 3.0])]);
    for trainer in TRAINERS {
        for task in trainer.tasks() {
            let classes = if *task == Task::Multiclass { 3 } else { 2 };
            let target = |values| Target {
                task: *task,
                classes: match task {
                    Task::Regression => Vec::new(),
                    _ => (0..classes).map(|class| class.to_string()).collect(),
                },
                values,
            };
            let run = |inputs: &Frame, target: &Target| {
                fit(
                    &spec(trainer.name(), &json!({})),
                    inputs,
                    target,
                    None,
                    1,
                    &mut |_, _| Ok(()),
                )
            };
            let empty = inputs.take(&[]).unwrap();
            let error = run(&empty, &target(vec![])).unwrap_err().0;
            assert!(error.contains("no row with a target"), "{error}");
            let error = run(&inputs, &target(vec![f64::NAN; 3])).unwrap_err().0;
            assert!(error.contains("no row with a target"), "{error}");
            let same = run(&inputs, &target(vec![1.0; 3]));
            if *task == Task::Regression {
                let answers = same.unwrap().predict(&inputs).unwrap();
                answers
                    .values
                    .iter()
                    .for_each(|x| close(*x, 1.0, 1e-6, trainer.name()));
            } else {
                let error = same.unwrap_err().0;
                assert!(error.contains("all 3 rows have the target `1`"), "{error}");
            }
        }
    }
}

#[test]
fn predictions_survive_what_training_never_saw() {
    let (inputs, target) = flights(400, 9);
    let odd = frame(&json!({
        "x": [1e308, -1e308, null, 0.0],
        "noise": [null, 0.5, 1e200, -5.0],
        "carrier": ["never seen", null, "AA", ""],
    }));
    let empty = inputs.take(&[]).unwrap();
    for trainer in TRAINERS
        .iter()
        .filter(|t| t.tasks().contains(&Task::Binary))
    {
        let model = learn(trainer.name(), &small(trainer.name()), &inputs, &target);
        let answers = model.predict(&odd).unwrap();
        assert!(
            answers.values.iter().all(|p| (0.0..=1.0).contains(p)),
            "{answers:?}"
        );
        assert!(model.predict(&empty).unwrap().values.is_empty());
    }
}

#[test]
fn doubled_and_dependent_columns_do_not_break_least_squares() {
    let x: Vec<f64> = (0..50).map(f64::from).collect();
    let inputs = numbers_frame(&[
        ("x", x.clone()),
        ("twice", x.iter().map(|x| 2.0 * x).collect()),
        ("shifted", x.iter().map(|x| x + 5.0).collect()),
        ("square", x.iter().map(|x| x * x).collect()),
    ]);
    let target = Target {
        task: Task::Regression,
        classes: Vec::new(),
        values: x.iter().map(|x| 3.0 * x + x * x + 1.0).collect(),
    };
    let answers = learn("linear", &json!({}), &inputs, &target)
        .predict(&inputs)
        .unwrap();
    for (ours, theirs) in answers.values.iter().zip(&target.values) {
        close(*ours, *theirs, 1e-6, "least squares");
    }
}

#[test]
fn a_class_without_rows_is_never_likely() {
    let x: Vec<f64> = (0..90).map(f64::from).collect();
    let target = Target {
        task: Task::Multiclass,
        classes: vec!["a".into(), "b".into(), "c".into(), "d".into()],
        values: x
            .iter()
            .map(|x| [0.0, 1.0, 3.0][(*x / 30.0) as usize])
            .collect(),
    };
    let inputs = numbers_frame(&[("x", x)]);
    for trainer in TRAINERS
        .iter()
        .filter(|t| t.tasks().contains(&Task::Multiclass))
    {
        let model = learn(trainer.name(), &small(trainer.name()), &inputs, &target);
        let answers = model.predict(&inputs).unwrap();
        for row in answers.probabilities.chunks(4) {
            assert!(row[2] < 0.05, "{}: {row:?}", trainer.name());
        }
    }
}

#[test]
fn missing_values_take_the_side_that_fits() {
    // missing is a class of its own here: only its direction can tell
    let x: Vec<f64> = (0..300)
        .map(|i| if i % 3 == 0 { f64::NAN } else { f64::from(i) })
        .collect();
    let values = x.iter().map(|x| f64::from(u8::from(x.is_nan()))).collect();
    let target = Target {
        task: Task::Binary,
        classes: vec!["there".into(), "missing".into()],
        values,
    };
    let inputs = numbers_frame(&[("x", x)]);
    for trainer in TRAINERS
        .iter()
        .filter(|t| t.tasks().contains(&Task::Binary))
    {
        let model = learn(trainer.name(), &json!({}), &inputs, &target);
        let found = metrics::evaluate(&target, &model.predict(&inputs).unwrap());
        assert!(
            metric(&found, "accuracy") > 0.99,
            "{}: {found:?}",
            trainer.name()
        );
    }
}

#[test]
fn learning_curves_are_told_and_early_stopping_keeps_the_best() {
    let (inputs, target) = flights(600, 11);
    let (watched, truth) = flights(300, 12);
    let mut curve: Vec<(i64, f64, f64)> = Vec::new();
    let model = fit(
        &spec(
            "boosting",
            &json!({"trees": 400, "early_stopping": 10, "learning_rate": 0.3}),
        ),
        &inputs,
        &target,
        Some((&watched, &truth)),
        1,
        &mut |step, values| {
            assert_eq!((values[0].0, values[1].0), ("train_loss", "val_loss"));
            curve.push((step, values[0].1, values[1].1));
            Ok(())
        },
    )
    .unwrap();
    assert!(curve.len() < 400, "never stopped");
    assert!(
        curve.windows(2).all(|pair| pair[1].1 <= pair[0].1 + 1e-9),
        "training loss rises"
    );
    let best = curve
        .iter()
        .map(|point| point.2)
        .fold(f64::INFINITY, f64::min);
    let found = metrics::evaluate(&truth, &model.predict(&watched).unwrap());
    close(
        metric(&found, "log_loss"),
        best,
        1e-9,
        "loss of the kept trees",
    );
}

#[test]
fn a_fit_ends_when_its_listener_says_so() {
    let (inputs, target) = flights(200, 13);
    let result = fit(
        &spec("boosting", &json!({})),
        &inputs,
        &target,
        None,
        1,
        &mut |step, _| {
            if step == 3 {
                Err(Error::new("cancelled on request"))
            } else {
                Ok(())
            }
        },
    );
    assert_eq!(result.unwrap_err().0, "cancelled on request");
}

#[test]
fn many_trees_answer_few_rows() {
    let values: Vec<f64> = (0..200).map(f64::from).collect();
    let inputs = numbers_frame(&[("x", values.clone())]);
    let target = Target {
        task: Task::Regression,
        values,
        classes: Vec::new(),
    };
    let params = json!({"trees": 1001, "max_leaves": 2, "early_stopping": 0});
    let model = learn("boosting", &params, &inputs, &target);
    let answers = model.predict(&inputs).unwrap().values;
    assert_eq!(answers.len(), 200);
    assert!((answers[100] - 100.0).abs() < 10.0, "{}", answers[100]);
}
