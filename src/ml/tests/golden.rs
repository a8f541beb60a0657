//! Against scikit-learn; the values and rows are made by `tests/golden/ml_golden.py`.

use super::*;

#[test]
fn metrics_are_scikit_learns() {
    let golden = fixture("metrics.json");
    let binary = &golden["binary"];
    let scores = floats(&binary["scores"]);
    let predictions = Predictions {
        probabilities: estimator::both(scores.iter().copied()),
        values: scores,
    };
    check(binary, "truth", Task::Binary, 2, &predictions);
    let several = &golden["multiclass"];
    let probabilities: Vec<f64> = several["shares"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(floats)
        .collect();
    let predictions = Predictions {
        values: probabilities
            .chunks(3)
            .map(|row| likeliest(row) as f64)
            .collect(),
        probabilities,
    };
    check(several, "truth", Task::Multiclass, 3, &predictions);
    let numbers = &golden["regression"];
    let predictions = Predictions {
        values: floats(&numbers["answers"]),
        probabilities: Vec::new(),
    };
    check(numbers, "truth", Task::Regression, 0, &predictions);
}

fn check(golden: &Value, truth: &str, task: Task, classes: usize, predictions: &Predictions) {
    let target = Target {
        task,
        classes: (0..classes).map(|class| class.to_string()).collect(),
        values: floats(&golden[truth]),
    };
    let found = metrics::evaluate(&target, predictions);
    assert_eq!(found.len(), metrics::names(task).len());
    for (name, value) in found {
        close(value, golden[&name].as_f64().unwrap(), 1e-9, &name);
    }
}

#[test]
fn rows_without_target_do_not_count() {
    let target = |values| Target {
        task: Task::Regression,
        classes: Vec::new(),
        values,
    };
    let answers = |values| Predictions {
        values,
        probabilities: Vec::new(),
    };
    assert_eq!(
        metrics::evaluate(
            &target(vec![1.0, f64::NAN, 3.0]),
            &answers(vec![2.0, 9.0, 3.0])
        ),
        metrics::evaluate(&target(vec![1.0, 3.0]), &answers(vec![2.0, 3.0])),
    );
    assert!(metrics::evaluate(&target(vec![]), &answers(vec![])).is_empty());
}

#[test]
fn linear_families_answer_as_scikit_learn() {
    let golden = fixture("diabetes.json");
    let inputs = frame(&golden["inputs"]);
    let target = Target {
        task: Task::Regression,
        classes: Vec::new(),
        values: floats(&golden["target"]),
    };
    let precise = json!({"tolerance": 1e-10, "max_iterations": 100000});
    let with = |alpha: f64, l1_ratio: f64| {
        let mut params = precise.clone();
        params["alpha"] = json!(alpha);
        params["l1_ratio"] = json!(l1_ratio);
        params
    };
    for (name, trainer, params) in [
        ("linear", "linear", json!({})),
        ("elastic_net", "elastic_net", with(0.5, 0.5)),
        ("lasso", "elastic_net", with(1.0, 1.0)),
        ("ridge", "elastic_net", with(0.5, 0.0)),
    ] {
        let answers = learn(trainer, &params, &inputs, &target)
            .predict(&inputs)
            .unwrap();
        for (ours, theirs) in answers.values.iter().zip(floats(&golden["answers"][name])) {
            close(*ours, theirs, 1e-4, name);
        }
    }
}

#[test]
fn classifiers_answer_as_scikit_learn() {
    for file in ["breast_cancer.json", "wine.json"] {
        let golden = fixture(file);
        let inputs = frame(&golden["inputs"]);
        let labels = frame(&json!({"y": golden["target"]}));
        let target = Target::from_frame(&labels, "y", None).unwrap();
        for (name, trainer, params) in [
            (
                "logistic",
                "logistic",
                json!({"tolerance": 1e-9, "max_iterations": 1000}),
            ),
            (
                "logistic_strong",
                "logistic",
                json!({"c": 0.01, "tolerance": 1e-9, "max_iterations": 1000}),
            ),
            ("bayes", "bayes", json!({})),
        ] {
            let model = learn(trainer, &params, &inputs, &target);
            let answers = model.predict(&inputs).unwrap();
            let theirs = floats(&golden["probabilities"][name]);
            assert_eq!(answers.probabilities.len(), theirs.len());
            for (ours, theirs) in answers.probabilities.iter().zip(theirs) {
                close(*ours, theirs, 1e-4, &format!("{file} {name}"));
            }
        }
    }
}

#[test]
fn the_rarer_class_keeps_its_side() {
    // linfa's positive class is the more frequent one; ours is the last label
    for share in [0.2, 0.5, 0.8] {
        let x: Vec<f64> = (0..200).map(|i| f64::from(i) / 200.0).collect();
        let values = x.iter().map(|x| f64::from(u8::from(*x > share))).collect();
        let target = Target {
            task: Task::Binary,
            classes: vec!["no".into(), "yes".into()],
            values,
        };
        let model = learn("logistic", &json!({}), &numbers_frame(&[("x", x)]), &target);
        let ends = model
            .predict(&numbers_frame(&[("x", vec![0.0, 1.0])]))
            .unwrap();
        assert!(ends.values[0] < 0.5 && ends.values[1] > 0.5, "{ends:?}");
    }
}

/// Quality on every third row after learning from the others, beside HistGradientBoosting and RandomForest.
#[test]
fn trees_are_as_good_as_scikit_learns() {
    let golden = fixture("trees.json");
    for (case, file, column) in [
        ("breast_cancer", "breast_cancer.json", None),
        ("wine", "wine.json", None),
        ("diabetes", "diabetes.json", None),
        ("penguins_species", "penguins.json", Some("species")),
        ("penguins_body_mass_g", "penguins.json", Some("body_mass_g")),
    ] {
        let rows = fixture(file);
        let mut columns = rows["inputs"].clone();
        let cells = match column {
            Some(name) => columns.as_object_mut().unwrap().remove(name).unwrap(),
            None => rows["target"].clone(),
        };
        let task = matches!(case, "diabetes" | "penguins_body_mass_g").then_some(Task::Regression);
        let target = Target::from_frame(&frame(&json!({"y": cells})), "y", task).unwrap();
        let known: Vec<u32> = (0..target.values.len() as u32)
            .filter(|row| !target.values[*row as usize].is_nan())
            .collect();
        let part = |test: bool| -> Vec<u32> {
            known
                .iter()
                .enumerate()
                .filter(|(index, _)| (index % 3 == 0) == test)
                .map(|(_, row)| *row)
                .collect()
        };
        let inputs = frame(&columns);
        let (train, test) = (part(false), part(true));
        for trainer in ["boosting", "random_forest"] {
            let model = learn(
                trainer,
                &json!({}),
                &inputs.take(&train).unwrap(),
                &target.take(&train),
            );
            let answers = model.predict(&inputs.take(&test).unwrap()).unwrap();
            let ours = metrics::evaluate(&target.take(&test), &answers);
            for (name, theirs) in golden[case][trainer].as_object().unwrap() {
                let theirs = theirs.as_f64().unwrap();
                let ours = metric(&ours, name);
                let enough = match name.as_str() {
                    "accuracy" => ours >= theirs - 0.03,
                    "log_loss" => ours <= theirs * 1.15 + 0.03,
                    _ => ours <= theirs * 1.05,
                };
                assert!(
                    enough,
                    "{case} {trainer} {name}: {ours}, scikit-learn {theirs}"
                );
            }
        }
    }
}
