//! Features as people define them: the demo's own views, materialized and asked for, against the join of the same instant;
//! what is computed on demand; definitions that change, under a model that serves and elsewhere; SQL over all of it.

use crate::house::{House, text};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

const SERVER: &str = "[server]\nlisten = \"127.0.0.1:0\"\n";
/// 2013-01-03 18:00 UTC, and the same in microseconds.
const AS_OF: &str = "2013-01-03T18:00:00Z";
const AS_OF_US: i64 = 1_357_236_000_000_000;

/// The demo's workspace on three days of its data; `more` is added to its configuration.
fn flights(more: &str) -> House {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let configuration =
        std::fs::read_to_string(root.join("assets/flights/trainyard.toml")).unwrap();
    assert!(configuration.contains("\n[server]\n"));
    let house = House::new(&format!(
        "{}\n{more}",
        configuration.replace("\n[server]\n", &format!("\n{SERVER}"))
    ));
    std::fs::create_dir(house.path("data")).unwrap();
    for name in ["flights_2013-01.parquet", "weather.parquet"] {
        std::fs::copy(
            root.join("tests/fixtures/flights/data").join(name),
            house.path("data").join(name),
        )
        .unwrap();
    }
    house
}

/// The demo's views and their keys.
const VIEWS: [(&str, &[&str]); 8] = [
    ("weather", &["origin"]),
    ("airport", &["origin"]),
    ("airport_carrier", &["origin", "carrier"]),
    ("carrier", &["carrier"]),
    ("destination", &["dest"]),
    ("aircraft_departures", &["tailnum"]),
    ("aircraft", &["tailnum"]),
    ("everywhere", &[]),
];

#[test]
fn every_value_online_is_the_one_that_the_join_gives_at_the_same_instant() {
    // for each view: all of its entities, asked for at one instant
    let mut more = String::new();
    for (view, keys) in VIEWS {
        let select = match keys.join(", ") {
            keys if keys.is_empty() => "select".to_owned(),
            keys => format!("select distinct {keys},"),
        };
        more.push_str(&format!(
            "[dataset.asked_{view}]\nsql = \"{select} {AS_OF_US} as as_of, 0 as y from flights{}\"\ntimestamp = \"as_of\"\n\
             [pipeline.asked_{view}]\ndataset = \"asked_{view}\"\ntarget = \"y\"\nfeatures = [\"{view}:*\"]\n",
            if keys.is_empty() { " limit 1" } else { "" }
        ));
    }
    let house = flights(&more);
    let listed = house.json(&["features", "list"]);
    for row in listed["rows"].as_array().unwrap() {
        assert_eq!(
            (&row["version"], &row["differs"]),
            (&json!(1), &json!(false)),
            "{row}"
        );
    }
    house.done(&["features", "materialize", "--to", AS_OF]);

    let mut compared = 0;
    for (view, keys) in VIEWS {
        let features: Vec<String> = listed["rows"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|row| row["view"] == view)
            .map(|row| text(&row["feature"]))
            .collect();
        assert!(!features.is_empty(), "{view}");
        let out = house.path(&format!("{view}.jsonl"));
        house.done(&[
            "features",
            "join",
            &format!("asked_{view}"),
            "--out",
            out.to_str().unwrap(),
        ]);
        let rows: Vec<Value> = std::fs::read_to_string(&out)
            .unwrap()
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert!(
            !rows.is_empty() && (keys.is_empty() || rows.len() >= 3),
            "{view}: {}",
            rows.len()
        );
        let entities: BTreeMap<&str, Vec<&Value>> = keys
            .iter()
            .map(|key| (*key, rows.iter().map(|row| &row[*key]).collect()))
            .collect();
        let asked: Vec<String> = features
            .iter()
            .map(|name| format!("{view}:{name}"))
            .collect();
        let answer = house.post(
            "/get-online-features",
            &json!({ "features": asked, "entities": entities, "full_feature_names": true }),
        );
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = answer.json();
        let names = answer["metadata"]["feature_names"].as_array().unwrap();
        for feature in &features {
            let place = names
                .iter()
                .position(|name| *name == format!("{view}__{feature}"))
                .unwrap();
            let values = answer["results"][place]["values"].as_array().unwrap();
            for (row, online) in rows.iter().zip(values) {
                let offline = row.get(feature).unwrap_or(&Value::Null);
                // what has no events has no online row: a count of none
                let same = match (online.as_f64(), offline.as_f64()) {
                    (Some(online), Some(offline)) => online == offline,
                    (None, Some(offline)) => offline == 0.0,
                    (None, None) => online == offline,
                    (Some(_), None) => false,
                };
                assert!(
                    same,
                    "{view}:{feature} of {row}: {online} online, {offline} joined"
                );
                compared += 1;
            }
        }
    }
    assert!(compared > 2000, "{compared}");
    house.done(&["down"]);
}

const SHOP: &str = r#"
[dataset.events]
path = "events.csv"
timestamp = "at"
[feature_view.customer]
description = "what a customer bought"
owner = "ana"
tags = { team = "shop" }
entity = { name = "customer", key = "id" }
dataset = "events"
features = ["amount"]
windows = [
  { column = "kind", aggregates = ["distinct", "share"], over = ["1d", "7d"], value = "book" },
  { column = "cents", aggregates = ["sum", "mean"], over = ["7d"] },
]
request = { basket = "number" }
[feature_view.customer.derive]
cents = "round(amount * 100)"
[feature_view.customer.on_demand]
usual = "basket < 2 * amount"
left = "basket - coalesce(cents_mean_7d, 0) / 100"
[feature_view.dear]
sql = "select id, at, amount, amount > 20 as dear from events where amount is not null"
timestamp = "at"
entity = { name = "customer", key = "id" }
features = ["dear"]
[dataset.asked]
path = "asked.csv"
timestamp = "at"
[pipeline.shop]
dataset = "asked"
target = "y"
inputs = ["amount", "cents_mean_7d", "kind_share_book_7d", "left", "dear"]
features = ["customer:*", "dear:*"]
trainer = { kind = "logistic" }
gate = { metric = "roc_auc", at_least = 0.0 }
[deployment.shop]
"#;

/// A shop: forty customers, a purchase each hour, a question each hour.
fn shop() -> House {
    let house = House::new(&format!("{SERVER}{SHOP}"));
    let mut events = String::from("id,at,amount,kind\n");
    let mut asked = String::from("id,at,basket,y\n");
    for hour in 0..240 {
        let (day, of_day) = (1 + hour / 24, hour % 24);
        let at = format!("2026-01-{day:02}T{of_day:02}:00:00Z");
        let amount = f64::from((hour * 37) % 101) / 4.0;
        let kind = ["book", "pen", "ink"][(hour % 3) as usize];
        events.push_str(&format!("c{},{at},{amount},{kind}\n", hour % 40));
        asked.push_str(&format!(
            "c{},{at},{},{}\n",
            (hour + 7) % 40,
            f64::from(hour % 50),
            u8::from((hour * 7) % 5 > 2)
        ));
    }
    house.write("events.csv", events);
    house.write("asked.csv", asked);
    house
}

#[test]
fn what_is_computed_on_demand_is_the_same_in_a_join_and_in_an_answer() {
    let house = shop();
    house.write(
        "asked.csv",
        "id,at,basket,y\nc3,2026-01-10T23:30:00Z,12.5,1\nc4,2026-01-10T23:30:00Z,0.5,0\n",
    );
    house.done(&["features", "materialize", "--to", "2026-01-10T23:30:00Z"]);
    let out = house.path("joined.jsonl");
    house.done(&["features", "join", "shop", "--out", out.to_str().unwrap()]);
    let rows: Vec<Value> = std::fs::read_to_string(&out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let names = [
        "amount",
        "kind_distinct_7d",
        "kind_share_book_7d",
        "cents_sum_7d",
        "usual",
        "left",
    ];
    let asked: Vec<String> = names
        .iter()
        .map(|name| format!("customer:{name}"))
        .collect();
    let ask = |entities: Value| {
        house.post(
            "/get-online-features",
            &json!({ "features": asked, "entities": entities }),
        )
    };
    let answer = ask(json!({ "id": ["c3", "c4"], "basket": [12.5, 0.5] }));
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let found = answer["metadata"]["feature_names"].as_array().unwrap();
    // the join has what the pipeline's inputs name
    for name in ["amount", "kind_share_book_7d", "left"] {
        let place = found.iter().position(|one| one == name).unwrap();
        for (row, online) in rows
            .iter()
            .zip(answer["results"][place]["values"].as_array().unwrap())
        {
            assert!(online.is_number(), "{name}: {answer}");
            assert_eq!(online.as_f64(), row[name].as_f64(), "{name} of {row}");
        }
    }
    let usual = found.iter().position(|one| one == "usual").unwrap();
    assert!(
        answer["results"][usual]["values"]
            .as_array()
            .unwrap()
            .iter()
            .all(Value::is_number),
        "{answer}"
    );
    // what the request has to bring is said
    let refused = ask(json!({ "id": ["c3"] }));
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("`basket`"), "{refused:?}");
    // a view by SQL of its own answers too
    let rows = house.json(&["features", "get", "dear:dear", "--entity", "id=c3"]);
    assert!(rows[0]["dear:dear"]["value"].is_number(), "{rows}");
    house.done(&["down"]);
}

#[test]
fn a_definition_changes_under_a_model_that_serves_when_somebody_says_so() {
    let house = shop();
    house.done(&["train", "shop", "--promote"]);
    let shown = house.done(&["models", "show", "shop"]);
    assert!(
        shown.contains("customer v1: ") && shown.contains("dear v1: "),
        "{shown}"
    );
    let shown = house.done(&["features", "show", "customer"]);
    for part in [
        "owner = \"ana\"",
        "kind_share_book_7d  float64",
        "shop v1 reads v1",
        "shop answers with shop v1",
        "v1 applied",
    ] {
        assert!(shown.contains(part), "{part} in {shown}");
    }

    let file = std::fs::read_to_string(house.path("trainyard.toml")).unwrap();
    house.write(
        "trainyard.toml",
        file.replace("over = [\"7d\"]", "over = [\"7d\", \"1d\"]")
            .replace("\"ana\"", "\"bo\""),
    );
    // a restart takes nothing from under the model
    house.done(&["down"]);
    house.done(&["up"]);
    let listed = house.json(&["features", "list"]);
    let row = |listed: &Value| {
        let rows = listed["rows"].as_array().unwrap().clone();
        rows.into_iter()
            .find(|row| row["view"] == "customer")
            .unwrap()
    };
    assert_eq!(
        (&row(&listed)["version"], &row(&listed)["differs"]),
        (&json!(1), &json!(true))
    );
    let said = house.done(&["features", "apply", "--dry-run"]);
    for part in [
        "~ feature view customer  v1 → v2",
        "~ owner",
        "ana → bo",
        "+ feature cents_sum_1d",
        "float64, sum of cents over 1d",
        "read by shop v1, as v1, which answers for shop",
        "joined by pipeline shop",
    ] {
        assert!(said.contains(part), "{part} in {said}");
    }
    // nobody is there to agree
    let refused = house.refused(2, &["features", "apply"]);
    assert!(refused.contains("--yes"), "{refused}");
    assert_eq!(row(&house.json(&["features", "list"]))["version"], 1);
    let applied = house.json(&["features", "apply", "--yes"]);
    assert_eq!(applied["applied"], true);
    assert_eq!(row(&house.json(&["features", "list"]))["version"], 2);
    let audit = house.json(&["audit"]);
    let line = audit
        .as_array()
        .unwrap()
        .iter()
        .find(|line| line["object"] == "feature_view:customer")
        .unwrap();
    assert_eq!(
        (&line["by"], &line["action"]),
        (&json!("ada"), &json!("apply_features"))
    );
    // the model still has what it learned from
    let kept = house.json(&["features", "show", "customer@1"]);
    assert_eq!(
        (&kept["view"]["version"], &kept["view"]["owner"]),
        (&json!(1), &json!("ana"))
    );
    house.done(&[
        "features",
        "materialize",
        "customer@1",
        "--to",
        "2026-01-10T23:30:00Z",
    ]);
    let rows = house.json(&[
        "features",
        "get",
        "customer@1:cents_sum_7d",
        "--entity",
        "id=c3",
    ]);
    assert!(
        rows[0]["customer@1:cents_sum_7d"]["value"].is_number(),
        "{rows}"
    );
    // a new model learns from the new version
    house.done(&["train", "shop"]);
    let shown = house.done(&["features", "show", "customer"]);
    assert!(shown.contains("shop v2 reads v2"), "{shown}");

    house.write(
        "trainyard.toml",
        file.replace("column = \"kind\"", "column = \"knd\""),
    );
    let refused = house.refused(2, &["features", "apply", "--yes"]);
    assert!(
        refused.contains("`knd` is no column of dataset `events`")
            && refused.contains("did you mean `kind`?"),
        "{refused}"
    );
    house.done(&["down"]);
}

#[test]
fn sql_reads_datasets_and_what_the_workspace_keeps() {
    let house = shop();
    let rows = house.json(&[
        "sql",
        "select kind, count(*) as n from events group by 1 order by 1",
    ]);
    assert_eq!(
        rows,
        json!([{"kind": "book", "n": 80}, {"kind": "ink", "n": 80}, {"kind": "pen", "n": 80}])
    );
    // nothing was kept yet
    let refused = house.refused(2, &["sql", "select * from runs"]);
    assert!(refused.contains("no `runs` yet"), "{refused}");
    house.done(&["train", "shop", "--promote"]);
    let asked = "select m.model, m.aliases, r.status, count(p.key) as params \
                 from models m join runs r on r.run_id = m.run_id join params p on p.run_id = r.run_id group by 1, 2, 3";
    let up = house.json(&["sql", asked]);
    assert_eq!(up[0]["model"], "shop");
    assert_eq!(
        (&up[0]["aliases"], &up[0]["status"]),
        (&json!("champion"), &json!("FINISHED"))
    );
    house.done(&["down"]);
    assert_eq!(house.json(&["sql", asked]), up);
    let features = house.json(&[
        "sql",
        "select feature, type, version from features where view = 'customer' order by feature",
    ]);
    assert!(
        features
            .as_array()
            .unwrap()
            .contains(&json!({"feature": "kind_distinct_1d", "type": "integer", "version": 1})),
        "{features}"
    );
    let said = house.done(&[
        "sql",
        "select j.started, j.kind from jobs j join events e on e.amount = j.attempt limit 1",
    ]);
    assert!(said.contains("started") && said.contains("T"), "{said}");
    let asked = "select * from runs where run_id = 'x'";
    let explained = format!("explain query plan {asked}");
    for words in [
        &["sql", "--explain", asked][..],
        &["sql", explained.as_str()][..],
    ] {
        let plan = house.done(words);
        assert!(plan.contains("SEARCH"), "{plan}");
    }
    for refused in [
        "delete from runs",
        "select 1; select 2",
        "select * from nothing",
        "update events set amount = 1",
    ] {
        let said = house.refused(2, &["sql", refused]);
        assert!(!said.is_empty());
    }
}
