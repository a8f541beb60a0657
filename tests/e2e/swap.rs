//! The served model changes while requests flow: versions in the answers change and change back, and no request fails.

use crate::house::{House, number, text, until};
use crate::terminal::Terminal;
use crate::wire::Line;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Versions in the order in which one client saw them, and everything that was no answer.
#[derive(Default)]
struct Seen {
    versions: Vec<String>,
    failures: Vec<String>,
    requests: u64,
}

fn flow(address: &str, stop: &AtomicBool, seen: &Mutex<Seen>) {
    let names = [
        "age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6",
    ];
    let inputs: Vec<Value> = names
        .iter()
        .map(|name| json!({ "name": name, "shape": [1], "datatype": "FP64", "data": [40.0] }))
        .collect();
    let body = json!({ "inputs": inputs }).to_string();
    let mut line = Line::to(address);
    while !stop.load(Ordering::Relaxed) {
        let answer = line.try_ask("POST", "/v2/models/diabetes/infer", &body);
        let mut seen = seen.lock().unwrap();
        seen.requests += 1;
        match answer {
            Ok(answer) if answer.status == 200 => {
                let version = text(&answer.json()["model_version"]);
                if seen.versions.last() != Some(&version) {
                    seen.versions.push(version);
                }
            }
            other => seen.failures.push(format!("{other:?}")),
        }
    }
}

/// A workspace with two versions, of which the first serves.
fn two_versions() -> House {
    let more = "trainer = { kind = \"linear\" }\ngate = { metric = \"rmse\" }";
    let house = House::with("diabetes", "csv", "progression", more);
    // the weakest there is: it has nothing but the mean
    let weak = ["--set", "trainer.kind=boosting", "--set", "trainer.trees=1"];
    house.done(&[&["train", "diabetes", "--promote"][..], &weak].concat());
    house.done(&["train", "diabetes"]);
    house
}

/// Lets requests flow while `moves` promotes and goes back; `moves` can wait until everybody is answered by a version.
fn while_requests_flow(house: &House, moves: impl FnOnce(&dyn Fn(&str)), expected: &[&str]) {
    let address = house.http();
    let stop = AtomicBool::new(false);
    let clients: [Mutex<Seen>; 2] = Default::default();
    let answered_by = |version: &str| {
        until(&format!("everybody is answered by v{version}"), || {
            let all = clients.iter().all(|seen| {
                let seen = seen.lock().unwrap();
                assert!(seen.failures.is_empty(), "{:?}", seen.failures);
                seen.versions.last().is_some_and(|last| last == version)
            });
            all.then_some(())
        });
    };

    std::thread::scope(|scope| {
        for seen in &clients {
            scope.spawn(|| flow(&address, &stop, seen));
        }
        // a failed check must end the clients too
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            moves(&answered_by);
        }));
        stop.store(true, Ordering::Relaxed);
        if let Err(panic) = ended {
            std::panic::resume_unwind(panic);
        }
    });

    for seen in clients {
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen.failures, Vec::<String>::new());
        assert_eq!(seen.versions, expected);
        assert!(seen.requests >= 5);
    }
}

/// Every move, oldest first: kind, where to, who.
fn history(house: &House) -> Value {
    let mut history = house.json(&["models", "history", "diabetes"]);
    let moves = history.as_array_mut().unwrap();
    moves.sort_by_key(|one| number(&one["id"]));
    let instants: Vec<i64> = moves
        .iter()
        .map(|one| one["at"].as_i64().unwrap())
        .collect();
    assert!(instants[0] > 0 && instants.is_sorted(), "{instants:?}");
    let told: Vec<(&Value, &Value, &Value)> = moves
        .iter()
        .map(|one| (&one["kind"], &one["to"], &one["by"]))
        .collect();
    json!(told)
}

#[test]
fn with_requests_flowing_a_promotion_and_its_way_back_fail_none() {
    let house = two_versions();
    let moves = |answered_by: &dyn Fn(&str)| {
        answered_by("1");
        house.done(&["models", "promote", "diabetes", "2"]);
        answered_by("2");
        house.done(&["models", "rollback", "diabetes"]);
        answered_by("1");
        let promote = json!({ "do": "promote", "model": "diabetes", "version": 2, "force": false, "reason": "better" });
        let answer = house.post("/api/trainyard/v1/command", &promote);
        assert_eq!(answer.status, 200, "{answer:?}");
        answered_by("2");
        let rollback = json!({ "do": "rollback", "model": "diabetes", "to": null });
        let answer = house.post("/api/trainyard/v1/command", &rollback);
        assert_eq!(answer.status, 200, "{answer:?}");
        answered_by("1");
    };
    while_requests_flow(&house, moves, &["1", "2", "1", "2", "1"]);
    assert_eq!(
        history(&house),
        json!([
            ["promoted", 1, "ada"],
            ["promoted", 2, "ada"],
            ["rolled_back", 1, "ada"],
            ["promoted", 2, "bob"],
            ["rolled_back", 1, "bob"],
        ])
    );
}

#[test]
fn with_requests_flowing_p_and_r_on_the_keyboard_fail_none() {
    let house = two_versions();
    let moves = |answered_by: &dyn Fn(&str)| {
        answered_by("1");
        let mut terminal = Terminal::open(&house);
        terminal.shows(&["1 Runs"]);
        terminal.press("2");
        terminal.shows(&["v2", "v1"]);
        terminal.press("p");
        confirm(&mut terminal, "Promote diabetes v2 to champion");
        answered_by("2");
        terminal.press("r");
        confirm(&mut terminal, "Roll diabetes back to v1");
        answered_by("1");
    };
    while_requests_flow(&house, moves, &["1", "2", "1"]);
    assert_eq!(
        history(&house),
        json!([
            ["promoted", 1, "ada"],
            ["promoted", 2, "eve"],
            ["rolled_back", 1, "eve"],
        ])
    );
}

/// Says yes to the page with this title, once its first moments, in which it hears no key, are over: a second `y` would
/// reach the pane behind it.
fn confirm(terminal: &mut Terminal, title: &str) {
    terminal.shows(&[title, "Cancel"]);
    std::thread::park_timeout(std::time::Duration::from_millis(500));
    terminal.press("y");
    until(&format!("`{title}` closes"), || {
        (!terminal.picture().contains(title)).then_some(())
    });
}
