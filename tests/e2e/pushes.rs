//! Rows that are pushed into views with windows, derived columns and SQL of their own: what is online after each push is what
//! the join gives at that instant, with rows that come late, while rows are materialized and put together, and afterwards.

use crate::house::{House, text, until};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

const CONFIG: &str = r#"server = { listen = "127.0.0.1:0" }
[dataset.events]
path = "events*.csv"
timestamp = "at"
[feature_view.spent]
entity = { name = "who", key = "who" }
dataset = "events"
features = ["amount"]
windows = [
  { column = "amount", aggregates = ["count", "sum", "max"], over = ["30m", "2h"] },
  { column = "cents", aggregates = ["sum", "last"], over = ["2h"] },
]
[feature_view.spent.derive]
cents = "amount * 100"
[feature_view.dear]
sql = "select who, at, amount / 2 as half from events where amount > 5"
timestamp = "at"
entity = { name = "who", key = "who" }
features = ["half"]
[feature_view.most]
sql = "select who, max(at) as at, max(amount) as amount from events group by who"
timestamp = "at"
entity = { name = "who", key = "who" }
features = ["amount"]
"#;

const FEATURES: [&str; 9] = [
    "spent:amount",
    "spent:amount_count_30m",
    "spent:amount_sum_30m",
    "spent:amount_max_30m",
    "spent:amount_count_2h",
    "spent:amount_sum_2h",
    "spent:cents_sum_2h",
    "spent:cents_last_2h",
    "dear:half",
];

const WHO: usize = 5;

/// Minutes that are no closer to the end of a window than the test takes, and never twice the same.
struct Ages(u64);

impl Ages {
    fn next(&mut self) -> u64 {
        // Knuth's constants
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    /// Seconds ago.
    fn age(&mut self) -> u64 {
        let minutes =
            [4, 11, 17, 22, 36, 47, 55, 70, 90, 101, 112, 130, 150, 200][self.next() as usize % 14];
        minutes * 60 + self.next() % 60
    }
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}

fn instant(seconds: u64) -> String {
    let days = seconds / 86_400;
    // civil from days, Hinnant
    let z = days as i64 + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let (day, month) = (
        doy - (153 * mp + 2) / 5 + 1,
        if mp < 10 { mp + 3 } else { mp - 9 },
    );
    let year = yoe + era * 400 + i64::from(month <= 2);
    let of_day = seconds % 86_400;
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )
}

fn push(house: &House, source: &str, df: &Value) -> Value {
    let answer = house.post(
        "/push",
        &json!({ "push_source_name": source, "to": "online_and_offline", "df": df }),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

/// What is online of each entity, and what the join gives now, by feature.
fn compare(house: &House, when: &str) {
    let who: Vec<String> = (0..WHO).map(|who| format!("p{who}")).collect();
    let mut rows = String::from("who,event_timestamp\n");
    for who in &who {
        rows.push_str(&format!("{who},{}\n", instant(now())));
    }
    house.write("asked.csv", rows);
    let (asked, out) = (house.path("asked.csv"), house.path("joined.jsonl"));
    house.done(&[
        "features",
        "join",
        "--full-names",
        "--entities",
        asked.to_str().unwrap(),
        "--features",
        &FEATURES.join(","),
        "--out",
        out.to_str().unwrap(),
    ]);
    let joined: Vec<BTreeMap<String, Value>> = std::fs::read_to_string(&out)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let answer = house.post(
        "/get-online-features",
        &json!({ "features": FEATURES, "entities": { "who": who }, "full_feature_names": true }),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let names = answer["metadata"]["feature_names"].as_array().unwrap();
    for (place, name) in names.iter().enumerate().skip(1) {
        let values = answer["results"][place]["values"].as_array().unwrap();
        for (row, online) in joined.iter().zip(values) {
            let offline = row.get(&text(name)).unwrap_or(&Value::Null);
            let same = match (online.as_f64(), offline.as_f64()) {
                (Some(online), Some(offline)) => online == offline,
                // who has no row has no events
                (None, Some(offline)) => offline == 0.0,
                (Some(_), None) => false,
                (None, None) => true,
            };
            assert!(
                same,
                "{when}: {name} of {row:?}: {online} online, {offline} joined"
            );
        }
    }
}

#[test]
fn after_every_push_windows_online_are_those_of_the_join() {
    let house = House::new(CONFIG);
    let mut ages = Ages(7);
    let start = now();
    let mut events = String::from("who,at,amount\n");
    for number in 0..40 {
        let at = instant(start - ages.age());
        events.push_str(&format!("p{},{at},{}.5\n", number % WHO, ages.next() % 20));
    }
    house.write("events.csv", events);
    house.done(&["up"]);
    // before anything was materialized, and after
    let rows = |ages: &mut Ages, count: usize| {
        let mut df: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for _ in 0..count {
            let who = format!("p{}", ages.next() as usize % WHO);
            df.entry("who").or_default().push(who.into());
            df.entry("at")
                .or_default()
                .push(instant(start - ages.age()).into());
            let amount = (ages.next() % 20) as f64 + 0.5;
            df.entry("amount").or_default().push(amount.into());
        }
        json!(df)
    };
    let everyone: Vec<String> = (0..WHO).map(|who| format!("p{who}")).collect();
    let first = json!({ "who": everyone, "at": everyone.iter().map(|_| instant(start - 250)).collect::<Vec<_>>(),
                        "amount": everyone.iter().map(|_| 9.5).collect::<Vec<_>>() });
    house.done(&["features", "materialize", "dear"]);
    push(&house, "events", &first);
    compare(&house, "before windows were materialized");
    house.done(&["features", "materialize", "spent", "dear"]);
    compare(&house, "materialized");
    for number in 0..16 {
        let count = 1 + ages.next() as usize % 4;
        let answer = push(&house, "events", &rows(&mut ages, count));
        assert_eq!(answer["dataset"], "events", "{answer}");
        if number % 4 == 3 {
            compare(&house, &format!("push {number}"));
        }
        if number % 5 == 4 {
            // every look seals what came
            house.done(&["features", "materialize", "spent", "dear"]);
        }
        if number == 10 {
            // another daemon begins with nothing in its mind
            house.done(&["down"]);
            house.done(&["up"]);
        }
    }
    compare(&house, "the last push");
    // one view alone, and then the other: either has all rows once it counts
    let one = |at: u64| json!({ "who": ["p0"], "at": [instant(start - at)], "amount": [6.5] });
    push(&house, "dear", &one(130));
    push(&house, "spent", &one(140));
    push(&house, "dear", &one(139));
    push(&house, "spent", &one(145));
    compare(&house, "one view, then the other");
    // what is new is read, and no more; the SQL that groups says why everything is
    let said = house.done(&["features", "materialize"]);
    let of = |view: &str| {
        said.lines()
            .find(|line| line.contains(&format!("materialize {view}:")))
            .unwrap_or("")
    };
    assert!(of("spent").contains("brought up to date"), "{said}");
    assert!(of("dear").contains("brought up to date"), "{said}");
    assert!(
        of("most").contains("everything read") && of("most").contains("`max`"),
        "{said}"
    );
    compare(&house, "materialized again");
    house.done(&["features", "materialize", "--full"]);
    compare(&house, "materialized in full");
    house.done(&["down"]);
}

#[test]
fn a_push_that_cannot_be_counted_says_why() {
    let house = House::new(CONFIG);
    house.write(
        "events.csv",
        format!("who,at,amount\np0,{},1.5\n", instant(now() - 600)),
    );
    house.done(&["up"]);
    let refused = |source: &str, to: &str, df: Value| {
        let answer = house.post(
            "/push",
            &json!({ "push_source_name": source, "to": to, "df": df }),
        );
        assert_eq!(answer.status, 400, "{answer:?}");
        answer.body
    };
    let at = instant(now() - 60);
    let row = json!({ "who": ["p0"], "at": [at], "amount": [6.5] });
    let said = refused("spent", "online", row.clone());
    assert!(said.contains("online_and_offline"), "{said}");
    let said = refused(
        "spent",
        "online_and_offline",
        json!({ "who": ["p0"], "at": [at] }),
    );
    assert!(said.contains("`amount`"), "{said}");
    // a row of many is no row of the dataset
    let said = refused("most", "online_and_offline", row.clone());
    assert!(said.contains("`max`"), "{said}");
    // what was computed goes online alone
    let computed = json!({ "who": ["p0"], "at": [at], "half": [3.25] });
    let said = refused("dear", "online_and_offline", computed.clone());
    assert!(
        said.contains("`amount`") && said.contains("`events`"),
        "{said}"
    );
    for (source, df) in [("dear", computed), ("most", row)] {
        let answer = house.post(
            "/push",
            &json!({ "push_source_name": source, "to": "online", "df": df }),
        );
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    house.done(&["down"]);
}

#[test]
fn segments_of_pushed_rows_are_put_together_by_the_daemon() {
    let house = House::new(CONFIG);
    house.write(
        "events.csv",
        format!("who,at,amount\np0,{},1.5\n", instant(now() - 6000)),
    );
    house.done(&["up"]);
    for number in 0..10 {
        let at = instant(now() - 300);
        push(
            &house,
            "spent",
            &json!({ "who": ["p1"], "at": [at], "amount": [f64::from(number) + 0.5] }),
        );
        house.done(&["features", "materialize", "spent"]);
    }
    let whole = house.path(".trainyard/pushed/events/000001-000008.parquet");
    until("segments are put together", || {
        // the daemon does it every few seconds, when something came
        push(
            &house,
            "dear",
            &json!({ "who": ["p2"], "at": [instant(now() - 300)], "amount": [0.5] }),
        );
        whole.exists().then_some(())
    });
    let said = house.done(&["features", "materialize", "spent"]);
    assert!(said.contains("brought up to date"), "{said}");
    push(
        &house,
        "spent",
        &json!({ "who": ["p1"], "at": [instant(now() - 300)], "amount": [0.5] }),
    );
    let rows = house.json(&[
        "features",
        "get",
        "spent:amount_count_30m",
        "--entity",
        "who=p1",
    ]);
    assert_eq!(rows[0]["spent:amount_count_30m"]["value"], 11, "{rows}");
    house.done(&["features", "materialize", "spent", "--full"]);
    let rows = house.json(&[
        "features",
        "get",
        "spent:amount_count_30m",
        "--entity",
        "who=p1",
    ]);
    assert_eq!(rows[0]["spent:amount_count_30m"]["value"], 11, "{rows}");
    house.done(&["down"]);
}
