//! Three data sets that the product has never heard of, each as CSV and as Parquet: the same commands train, register,
//! promote and answer.

use crate::house::{House, fixture, text};
use serde_json::{Map, Value, json};

/// The first row without gaps, by column, numbers as numbers.
fn first_row(name: &str) -> Map<String, Value> {
    let table = std::fs::read_to_string(fixture(&format!("{name}.csv"))).unwrap();
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next().unwrap().split(',').collect();
    let row = lines
        .find(|line| line.split(',').all(|cell| !cell.is_empty()))
        .unwrap();
    names
        .into_iter()
        .zip(row.split(','))
        .map(|(name, cell)| {
            let value = cell
                .parse::<f64>()
                .map_or_else(|_| json!(cell), |n| json!(n));
            (name.to_owned(), value)
        })
        .collect()
}

/// A row as tensors of one value.
fn tensors(row: &Map<String, Value>) -> Value {
    let inputs: Vec<Value> = row
        .iter()
        .map(|(name, value)| {
            let datatype = if value.is_number() { "FP64" } else { "BYTES" };
            json!({ "name": name, "shape": [1], "datatype": datatype, "data": [value] })
        })
        .collect();
    json!({ "inputs": inputs })
}

fn check(name: &str, ending: &str, target: &str, trainer: &str, gate: &str) {
    let more = format!("trainer = {{ kind = \"{trainer}\" }}\ngate = {{ {gate} }}");
    let house = House::with(name, ending, target, &more);

    let trained = house.json(&["train", name, "--promote"]);

    assert_eq!(trained["state"], "succeeded", "{trained:#}");
    assert_eq!(trained["version"], 1, "{trained:#}");
    let models = house.json(&["models", "list"]);
    assert_eq!(models[0]["name"], name);
    assert_eq!(models[0]["champion"], 1);
    let run = house.json(&["runs", "show", &text(&trained["run"])]);
    assert_eq!(run["run"]["status"], "FINISHED");

    let mut row = first_row(name);
    let truth = row.remove(target).unwrap();
    let invocations = format!("/models/{name}/invocations");
    let infer = format!("/v2/models/{name}/infer");
    let answer = house.post(&invocations, &json!({ "dataframe_records": [row] }));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["predictions"].as_array().unwrap().len(), 1);
    let answer = house.post(&infer, &tensors(&row));
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["model_version"], "1");
    let predicted = answer.json()["outputs"][0]["data"][0].clone();
    match truth.as_f64() {
        // within half of what the targets vary over
        Some(truth) => assert!((predicted.as_f64().unwrap() - truth).abs() < 150.0),
        None => assert_eq!(predicted, truth),
    }

    let number = row.iter().find(|(_, value)| value.is_number());
    let wrong = number.unwrap().0.clone();
    row.insert(wrong.clone(), json!("much"));
    for (path, body) in [
        (&invocations, json!({ "dataframe_records": [row] })),
        (&infer, tensors(&row)),
    ] {
        let answer = house.post(path, &body);
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(answer.body.contains(&wrong), "{answer:?}");
    }

    let scored = house.path("scored.csv");
    let data = format!("data.{ending}");
    house.done(&["predict", name, &data, "--out", "scored.csv"]);
    let lines = |path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!(lines(scored), lines(fixture(&format!("{name}.csv"))));
}

#[test]
fn three_classes_from_csv() {
    check(
        "penguins",
        "csv",
        "species",
        "boosting",
        "metric = \"accuracy\", at_least = 0.9",
    );
}

#[test]
fn three_classes_from_parquet() {
    check(
        "penguins",
        "parquet",
        "species",
        "random_forest",
        "metric = \"accuracy\", at_least = 0.9",
    );
}

#[test]
fn two_classes_from_csv() {
    check(
        "breast_cancer",
        "csv",
        "diagnosis",
        "logistic",
        "metric = \"roc_auc\", at_least = 0.95",
    );
}

#[test]
fn two_classes_from_parquet() {
    check(
        "breast_cancer",
        "parquet",
        "diagnosis",
        "boosting",
        "metric = \"roc_auc\", at_least = 0.95",
    );
}

#[test]
fn a_number_from_csv() {
    check(
        "diabetes",
        "csv",
        "progression",
        "linear",
        "metric = \"rmse\", at_least = 70",
    );
}

#[test]
fn a_number_from_parquet() {
    check(
        "diabetes",
        "parquet",
        "progression",
        "elastic_net",
        "metric = \"rmse\", at_least = 70",
    );
}

#[test]
fn a_version_that_its_gate_holds_is_registered_and_the_command_fails() {
    let more = "trainer = { kind = \"linear\" }\ngate = { metric = \"r2\", at_least = 0.99 }";
    let house = House::with("diabetes", "csv", "progression", more);
    let ended = house.run(&["train", "diabetes", "--promote", "--json"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let trained: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!(trained["state"], "held", "{trained:#}");
    assert!(ended.stderr.contains("HELD"), "{}", ended.stderr);
    let models = house.json(&["models", "list"]);
    assert_eq!(
        (&models[0]["latest"], &models[0]["champion"]),
        (&json!(1), &Value::Null)
    );
    let said = house.refused(1, &["models", "promote", "diabetes", "1"]);
    assert!(said.contains("r2"), "{said}");
}

#[test]
fn a_pipeline_without_a_gate_is_judged_by_the_metric_of_its_task() {
    let house = House::with("penguins", "csv", "species", "");
    let trained = house.json(&["train", "penguins", "--promote"]);
    assert_eq!(trained["state"], "succeeded", "{trained:#}");
    assert_eq!(house.json(&["models", "list"])[0]["champion"], 1);
    let runs = house.json(&["runs", "list"]);
    assert_eq!(runs["primary_metric"], "accuracy");
}

#[test]
fn a_file_of_many_rows_is_scored_in_pieces_with_all_of_its_columns() {
    let more = "trainer = { kind = \"linear\" }\ngate = { metric = \"rmse\", at_least = 70 }";
    let house = House::with("diabetes", "csv", "progression", more);
    house.json(&["train", "diabetes", "--promote"]);
    let table = std::fs::read_to_string(fixture("diabetes.csv")).unwrap();
    let (head, rows) = table.split_once('\n').unwrap();
    let rows: Vec<&str> = rows.lines().collect();
    // more rows than are scored at once, and a time, which is no input
    const TIMES: usize = 160;
    let mut many = format!("{head},seen\n");
    for time in 0..TIMES {
        for row in &rows {
            many.push_str(&format!("{row},2013-01-01T{:02}:00:00Z\n", time % 24));
        }
    }
    std::fs::write(house.path("many.csv"), many).unwrap();
    house.done(&["predict", "diabetes", "many.csv", "--out", "scored.csv"]);
    let scored = std::fs::read_to_string(house.path("scored.csv")).unwrap();
    let mut lines = scored.lines();
    assert_eq!(
        lines.next().unwrap(),
        format!("{head},seen,prediction").as_str()
    );
    let answers: Vec<&str> = lines.map(|line| line.rsplit_once(',').unwrap().1).collect();
    assert_eq!(answers.len(), TIMES * rows.len());
    assert!(answers.len() > 65_536 && answers[0].parse::<f64>().is_ok());
    for again in answers.chunks(rows.len()) {
        assert_eq!(again, &answers[..rows.len()]);
    }

    std::fs::write(house.path("none.csv"), format!("{head}\n")).unwrap();
    house.done(&["predict", "diabetes", "none.csv", "--out", "nothing.csv"]);
    let nothing = std::fs::read_to_string(house.path("nothing.csv")).unwrap();
    assert_eq!(nothing, format!("{head},prediction\n"));
}
