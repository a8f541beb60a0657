//! Data looked at before anything learns from it: profiles, schemas, and what is not as expected.

use crate::house::{House, fixture};
use serde_json::json;

#[test]
fn a_schema_is_suggested_reviewed_and_held_against_other_files() {
    let house = House::bare();
    house.write("first.csv", std::fs::read(fixture("penguins.csv")).unwrap());
    house.done(&["validate", "first.csv", "--infer", "penguins.toml"]);
    let text = std::fs::read_to_string(house.path("penguins.toml")).unwrap();
    assert!(
        text.contains("because = ") && text.contains("[rows]"),
        "{text}"
    );
    let good = house.json(&["validate", "first.csv", "--schema", "penguins.toml"]);
    assert_eq!(good["violations"], json!([]), "{good:#}");

    let mut lines: Vec<String> = std::fs::read_to_string(house.path("first.csv"))
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    let species = lines[0]
        .split(',')
        .position(|name| name == "species")
        .unwrap();
    let mut cells: Vec<&str> = lines[3].split(',').collect();
    cells[species] = "Emperor";
    lines[3] = cells.join(",");
    house.write("second.csv", lines.join("\n") + "\n");
    let rule = "\n[[rule]]\nname = \"known\"\nsql = \"species <> 'Emperor'\"\nat_least = 0.999\n";
    house.write("reviewed.toml", text + rule);
    let ended = house.run(&[
        "validate",
        "first.csv",
        "second.csv",
        "--schema",
        "reviewed.toml",
        "--json",
    ]);
    assert_eq!(ended.code, 1, "{ended:?}");
    let found: serde_json::Value = serde_json::from_str(&ended.stdout).unwrap();
    let found = found["violations"].as_array().unwrap();
    let domain = found
        .iter()
        .find(|one| one["rule"] == "not_in_domain")
        .unwrap();
    assert_eq!(domain["column"], "species");
    assert_eq!(
        domain["samples"][0],
        json!({ "file": "second.csv", "row": 3, "value": "Emperor" })
    );
    assert!(
        domain["limit_from"]
            .as_str()
            .unwrap()
            .starts_with("reviewed.toml: "),
        "{domain:#}"
    );
    assert!(found.iter().any(|one| one["rule"] == "known"), "{found:#?}");
    let said = house.refused(2, &["validate", "first.csv", "--schema", "first.csv"]);
    assert!(said.contains("first.csv"), "{said}");
}

#[test]
fn a_profile_tells_the_signal_and_is_a_page() {
    let house = House::bare();
    house.write(
        "data.parquet",
        std::fs::read(fixture("penguins.parquet")).unwrap(),
    );
    let found = house.json(&[
        "profile",
        "data.parquet",
        "--target",
        "species",
        "--report",
        "page.html",
    ]);
    assert_eq!(found["target"], "species");
    assert!(
        found["signal"][0]["information"].as_f64().unwrap() > 0.5,
        "{found:#}"
    );
    let page = std::fs::read_to_string(house.path("page.html")).unwrap();
    assert!(page.contains("<svg ") && !page.contains("<script"));
    let said = house.refused(2, &["profile", "data.parquet", "--target", "spieces"]);
    assert!(
        said.contains("`spieces`") && said.contains("`species`"),
        "{said}"
    );
}

#[test]
fn a_dataset_costs_only_its_new_files() {
    let house = House::new(
        "server = { listen = \"127.0.0.1:0\" }\n[dataset.days]\npath = \"days/*.csv\"\ntimestamp = \"at\"\n",
    );
    std::fs::create_dir(house.path("days")).unwrap();
    let day = |day: u32, rows: u32| {
        let mut text = String::from("at,delay\n");
        for row in 0..rows {
            text.push_str(&format!(
                "2013-01-{day:02}T{:02}:00:00Z,{}\n",
                row % 24,
                row % 7
            ));
        }
        text
    };
    for number in 1..=3 {
        house.write(&format!("days/{number}.csv"), day(number, 100));
    }
    let first = house.json(&["profile", "days"]);
    assert_eq!(first["rows"], 300, "{first:#}");
    house.write("days/4.csv", day(4, 50));
    let second = house.json(&["profile", "days"]);
    assert_eq!(second["rows"], 350, "{second:#}");
    assert_eq!(second["columns"][1]["distinct"], 7);
    let job = house.job("profile", "succeeded");
    let shown = house.json(&["jobs", "show", &job["id"].to_string()]);
    assert_eq!(
        shown["result"]["profile"]["profile"]["rows"], 50,
        "only the new file was read: {shown:#}"
    );
}
