//! The model directory: what is written is read back the same, and what is wrong is named.

use super::*;

fn saved(trainer: &str) -> (tempfile::TempDir, Model, Frame) {
    let (inputs, target) = flights(300, 21);
    let model = learn(trainer, &json!({}), &inputs, &target);
    let directory = tempfile::tempdir().unwrap();
    model_file::save(&model, &inputs, &directory.path().join("model")).unwrap();
    (directory, model, inputs)
}

#[test]
fn every_trainers_model_comes_back_the_same() {
    for trainer in TRAINERS
        .iter()
        .filter(|t| t.tasks().contains(&Task::Binary))
    {
        let (directory, model, inputs) = saved(trainer.name());
        let path = directory.path().join("model");
        let loaded = model_file::load(&path).unwrap();
        assert!(loaded == model, "{}", trainer.name());
        assert_eq!(
            loaded.predict(&inputs).unwrap(),
            model.predict(&inputs).unwrap()
        );
        assert_eq!(model_file::reference(&path, None).unwrap().rows(), 300);
        let example = model_file::example(&path, &model.signature).unwrap();
        assert_eq!(example.rows(), 5);
        let head = inputs.take(&[0, 1, 2, 3, 4]).unwrap();
        assert_eq!(
            loaded.predict(&example).unwrap(),
            model.predict(&head).unwrap()
        );
        let mut names: Vec<String> = std::fs::read_dir(&path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                "MLmodel",
                "input_example.json",
                "model.json",
                "reference.parquet"
            ]
        );
    }
}

#[test]
fn the_description_is_mlflows() {
    let (directory, _, _) = saved("logistic");
    let text = std::fs::read_to_string(directory.path().join("model/MLmodel")).unwrap();
    let inputs = text
        .lines()
        .find(|line| line.starts_with("  inputs: "))
        .unwrap();
    let quoted = inputs.trim_start_matches("  inputs: ").trim_matches('\'');
    let columns: Value = serde_json::from_str(quoted).unwrap();
    assert_eq!(
        columns[0],
        json!({"name": "x", "type": "double", "required": false})
    );
    assert_eq!(
        columns[2],
        json!({"name": "carrier", "type": "string", "required": true})
    );
}

#[test]
fn damage_is_named() {
    let check = |change: &dyn Fn(&str) -> String, expected: &str| {
        let (directory, _, _) = saved("boosting");
        let path = directory.path().join("model");
        let file = path.join("model.json");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, change(&text)).unwrap();
        let error = model_file::load(&path).unwrap_err().0;
        assert!(
            error.contains(expected) && error.contains("model.json"),
            "{error}"
        );
    };
    check(&|text| text[..text.len() / 2].to_owned(), "is damaged");
    check(&|_| String::new(), "is damaged");
    check(&|_| "{}".to_owned(), "is not a trainyard model");
    check(
        &|text| text.replacen("\"version\":1", "\"version\":9", 1),
        "has version 9",
    );
    check(
        &|text| text.replacen("\"feature\":[", "\"feature\":[99,", 1),
        "is damaged",
    );
    check(
        &|text| text.replacen("\"classes\":[\"0\",\"1\"]", "\"classes\":[\"0\"]", 1),
        "is damaged",
    );
    let nowhere = model_file::load(std::path::Path::new("/nowhere/model"))
        .unwrap_err()
        .0;
    assert!(nowhere.contains("/nowhere/model/model.json"), "{nowhere}");
}
