//! What a pipeline refuses to be told: features that know the future, and a champion judged on features that it never
//! learned from.

use crate::house::House;
use serde_json::Value;

const SERVER: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";

/// `hour` hours into 2026.
fn at(hour: i64, minute: i64) -> String {
    let hours = hour + minute / 60;
    format!(
        "2026-01-{:02}T{:02}:{:02}:00Z",
        1 + hours / 24,
        hours % 24,
        minute % 60
    )
}

const FLIGHTS: &str = r#"
[dataset.flights]
path = "flights.csv"
timestamp = "due"
known = { delay = "arrived", arrived = "arrived" }
[dataset.asked]
path = "asked.csv"
timestamp = "at"
schema = "asked.toml"
[feature_view.plane]
entity = { name = "plane", key = "plane" }
dataset = "flights"
features = ["delay"]
windows = [{ column = "delay", aggregates = ["mean"], over = ["6h"] }]
[pipeline.late]
dataset = "asked"
target = "y"
inputs = ["delay"]
features = ["plane:delay"]
trainer = { kind = "logistic" }
gate = { metric = "roc_auc", at_least = 0.0 }
"#;

/// Planes with a flight an hour: due at one instant, known to be late at another.
fn flights() -> House {
    let house = House::new(&format!("{SERVER}{FLIGHTS}"));
    let mut flights = String::from("plane,due,arrived,delay\n");
    let mut asked = String::from("plane,at,y\n");
    for hour in 0..200 {
        let (plane, delay) = (hour % 4, 30 + (hour * 37) % 200);
        flights.push_str(&format!(
            "p{plane},{},{},{delay}\n",
            at(hour, 0),
            at(hour, delay)
        ));
        asked.push_str(&format!(
            "p{plane},{},{}\n",
            at(hour, 5),
            u8::from(delay > 120)
        ));
    }
    house.write("flights.csv", flights);
    house.write("asked.csv", asked);
    house.done(&["validate", "asked.csv", "--infer", "asked.toml"]);
    house
}

#[test]
fn a_pipeline_does_not_learn_from_a_feature_that_knows_the_future() {
    let house = flights();
    let ended = house.run(&["train", "late"]);
    assert_ne!(ended.code, 0, "{ended:?}");
    for part in [
        "nothing was learned from it",
        "plane:delay: it knows what nobody could know: as of 2026-01-",
        "for entity `p",
        "4 entities looked at",
    ] {
        assert!(ended.stderr.contains(part), "{part} in {}", ended.stderr);
    }
    // a feature of the view that is not used says nothing
    assert!(!ended.stderr.contains("delay_mean_6h"), "{}", ended.stderr);
    let runs = house.json(&["runs", "list"]);
    assert_eq!(runs["rows"].as_array().map(Vec::len), Some(0), "{runs}");

    // the schema may say that it is worth a look only
    let schema = std::fs::read_to_string(house.path("asked.toml")).unwrap();
    house.write("asked.toml", format!("leaks = \"warning\"\n{schema}"));
    let trained = house.json(&["train", "late"]);
    assert_eq!(trained["state"], "succeeded", "{trained:#}");
    let validated = house.job("validate", "succeeded");
    let violations = validated.to_string();
    assert!(violations.contains("validate asked"), "{violations}");
    house.write("asked.toml", schema);

    // counted from the instant at which it was known, the feature is honest
    let file = std::fs::read_to_string(house.path("trainyard.toml")).unwrap();
    house.write(
        "trainyard.toml",
        file.replace(
            "features = [\"delay\"]\nwindows",
            "features = [\"delay\"]\navailable_at = \"arrived\"\nwindows",
        ),
    );
    house.done(&["features", "apply", "--yes"]);
    let trained = house.json(&["train", "late"]);
    assert_eq!(trained["state"], "succeeded", "{trained:#}");
    house.done(&["down"]);
}

const PRICES: &str = r#"
[dataset.events]
path = "events.csv"
timestamp = "at"
[dataset.asked]
path = "asked.csv"
timestamp = "at"
[feature_view.customer]
entity = { name = "customer", key = "id" }
dataset = "events"
features = ["worth"]
[feature_view.customer.derive]
worth = "amount * 1.0"
[pipeline.price]
dataset = "asked"
target = "y"
inputs = ["worth"]
features = ["customer:worth"]
trainer = { kind = "linear" }
gate = { metric = "rmse", at_least = 100.0, beat = "champion", by = -1000.0 }
"#;

#[test]
fn a_champion_is_judged_on_the_features_that_it_learned_from() {
    let house = House::new(&format!("{SERVER}{PRICES}"));
    let mut asked = String::from("id,at,y\n");
    let events = |column: &str| {
        let mut events = format!("id,at,{column}\n");
        for hour in 0..240 {
            events.push_str(&format!(
                "c{},{},{}\n",
                hour % 6,
                at(hour, 0),
                hour * 37 % 101
            ));
        }
        events
    };
    for hour in 0..240 {
        asked.push_str(&format!(
            "c{},{},{}\n",
            hour % 6,
            at(hour, 30),
            2 * (hour * 37 % 101) + 7
        ));
    }
    house.write("events.csv", events("amount"));
    house.write("asked.csv", asked);
    let first = house.json(&["train", "price", "--promote"]);
    assert_eq!(first["state"], "succeeded", "{first:#}");

    let file = std::fs::read_to_string(house.path("trainyard.toml")).unwrap();
    house.write(
        "trainyard.toml",
        file.replace("amount * 1.0", "1000.0 - 50 * amount"),
    );
    house.done(&["features", "apply", "--yes"]);
    let second = house.json(&["train", "price"]);
    let champion = second["evaluation"]["evaluate"]["champion"]
        .as_array()
        .or_else(|| second["evaluation"]["champion"].as_array())
        .unwrap_or_else(|| panic!("{second:#}"));
    let rmse = champion.iter().find(|one| one[0] == "rmse").unwrap()[1].as_f64();
    // on the new definition's values it would be wrong by thousands
    assert!(rmse.unwrap() < 1.0, "{second:#}");
    // what the champion learned from is not there any more
    house.write("events.csv", events("price"));
    house.write(
        "trainyard.toml",
        file.replace("amount * 1.0", "price * 1.0"),
    );
    house.done(&["features", "apply", "--yes"]);
    let third = house.run(&["train", "price", "--promote", "--json"]);
    let third: Value = serde_json::from_str(&third.stdout).unwrap_or_else(|_| panic!("{third:?}"));
    assert_eq!(third["state"], "held", "{third:#}");
    let detail = third["detail"].as_str().unwrap();
    for part in [
        "better on holdout: not compared: the features that the champion learned from cannot be made again",
        "amount",
    ] {
        assert!(detail.contains(part), "{part} in {detail}");
    }
    house.done(&["down"]);
}
