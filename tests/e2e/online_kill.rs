//! `kill -9` of the daemon in the middle of materializing, of pushing and of putting pushed rows together: afterwards the online values are those of one
//! materialization and never of two, and everything that was answered is there. Two rounds each;
//! `TRAINYARD_ONLINE_ROUNDS` says another number.

use crate::house::{House, number, signal, state, until};
use crate::wire::Line;
use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Entities of the view that is materialized.
const ENTITIES: usize = 2_000;
/// Who pushes at once.
const PUSHERS: usize = 8;
/// Answers that each round of pushing waits for before the kill.
const ANSWERS: i64 = 60;

const CONFIG: &str = r#"server = { listen = "127.0.0.1:0" }
[dataset.facts]
path = "facts*.csv"
timestamp = "at"
[feature_view.newest]
entity = { name = "who", key = "who" }
dataset = "facts"
features = ["n"]
[feature_view.counted]
entity = { name = "who", key = "who" }
dataset = "facts"
windows = [{ column = "n", aggregates = ["count", "max"], over = ["36500d"] }]
"#;

fn rounds() -> i64 {
    std::env::var("TRAINYARD_ONLINE_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(2)
}

/// Facts of every entity, all with the value `n`.
fn facts(n: i64) -> String {
    let mut text = String::from("who,at,n\n");
    for who in 0..ENTITIES {
        text.push_str(&format!(
            "e{who},2020-01-01T00:{:02}:{:02}Z,{n}\n",
            n / 60,
            n % 60
        ));
    }
    text
}

/// At once: who is to be killed was asked for before.
fn kill(daemon: i32) {
    signal(daemon, Signal::KILL);
    until("the daemon is gone", || {
        state(daemon).is_none().then_some(())
    });
}

/// What every entity's value is: all of them the same, asked for in one request.
fn one_value(line: &mut Line, body: &str) -> std::io::Result<Option<i64>> {
    let answer = line.try_ask("POST", "/get-online-features", body)?;
    assert_eq!(answer.status, 200, "{answer:?}");
    let values = answer.json()["results"][1]["values"].clone();
    let values = values.as_array().unwrap();
    assert_eq!(values.len(), ENTITIES);
    let other = values.iter().find(|value| **value != values[0]);
    assert_eq!(other, None, "beside {}", values[0]);
    Ok(values[0].as_i64())
}

#[test]
fn a_daemon_that_is_killed_while_it_materializes_leaves_no_half_generation() {
    let house = House::new(CONFIG);
    let everyone: Vec<String> = (0..ENTITIES).map(|who| format!("e{who}")).collect();
    let body = json!({ "features": ["newest:n"], "entities": { "who": everyone } }).to_string();
    house.write("facts.csv", facts(0));
    house.done(&["up"]);
    house.done(&["features", "materialize", "newest"]);
    for round in 1..=rounds() {
        // another file each time, or one that changed: what is new is read, or everything
        if round % 2 == 0 {
            house.write("facts.part", facts(round));
            std::fs::rename(house.path("facts.part"), house.path("facts.csv")).unwrap();
        } else {
            house.write("facts_more.part", facts(round));
            std::fs::rename(house.path("facts_more.part"), house.path("facts_more.csv")).unwrap();
        }
        let (address, daemon) = (house.http(), house.daemon());
        let newest_job = || {
            let page = house.json(&["jobs", "list"]);
            let jobs = page["rows"]
                .as_array()?
                .iter()
                .map(|row| row["job"].clone());
            jobs.max_by_key(|job| job["id"].as_i64())
        };
        let before = newest_job().and_then(|job| job["id"].as_i64());
        let going = house.start(&["features", "materialize", "newest"]);
        let (stop, reads) = (AtomicBool::new(false), AtomicI64::new(0));
        let seen = std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let mut line = Line::to(&address);
                let mut seen = Vec::new();
                while !stop.load(Ordering::SeqCst)
                    && let Ok(value) = one_value(&mut line, &body)
                {
                    seen.push(value.expect("a value"));
                    reads.fetch_add(1, Ordering::SeqCst);
                }
                seen
            });
            // now and then while the worker works, now and then while its outcome is taken in
            let job = until("a job", || {
                newest_job().filter(|job| job["id"].as_i64() > before)
            });
            if round % 3 != 0 {
                until("an outcome", || {
                    house.in_job(&job, "outcome.json").exists().then_some(())
                });
            }
            let after = reads.load(Ordering::SeqCst) + round % 5;
            until("some reads", || {
                (reads.load(Ordering::SeqCst) >= after).then_some(())
            });
            kill(daemon);
            stop.store(true, Ordering::SeqCst);
            reader.join().unwrap()
        });
        let acknowledged = going.end().code == 0;
        assert!(
            seen.iter().all(|value| [round - 1, round].contains(value)),
            "{seen:?}"
        );
        assert!(seen.is_sorted(), "{seen:?}");
        house.done(&["up"]);
        let mut line = Line::to(&house.http());
        let first = one_value(&mut line, &body).unwrap().expect("a value");
        let least = if acknowledged {
            round
        } else {
            *seen.last().unwrap_or(&(round - 1))
        };
        assert!((least..=round).contains(&first), "{first} of {least}");
        // the next daemon takes the outcome in, or the next materialization does
        until("the job has ended", || {
            let page = house.json(&["jobs", "list"]);
            let mut jobs = page["rows"].as_array()?.iter();
            jobs.all(|row| {
                !["queued", "running"].contains(&row["job"]["state"].as_str().unwrap_or(""))
            })
            .then_some(())
        });
        house.done(&["features", "materialize", "newest"]);
        assert_eq!(one_value(&mut line, &body).unwrap(), Some(round));
    }
}

/// Pushes `n` = `first`, `first + 1`, … of one entity until nobody answers; counts those answered.
fn push(address: &str, who: &str, first: i64, answered: &AtomicI64) {
    let mut line = Line::to(address);
    for n in first.. {
        let at = format!(
            "2021-01-01T{:02}:{:02}:{:02}Z",
            n / 3600,
            n / 60 % 60,
            n % 60
        );
        let body = json!({
            "push_source_name": "newest", "to": "online_and_offline",
            "df": { "who": [who], "at": [at], "n": [n] },
        });
        match line.try_ask("POST", "/push", &body.to_string()) {
            Ok(answer) if answer.status == 200 => {
                answered.fetch_add(1, Ordering::SeqCst);
            }
            Ok(answer) => panic!("{answer:?}"),
            Err(_) => return,
        }
    }
}

fn look(house: &House, feature: &str, who: &[String]) -> Vec<Value> {
    let answer = house.post(
        "/get-online-features",
        &json!({ "features": [feature], "entities": { "who": who } }),
    );
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["results"][1]["values"]
        .as_array()
        .unwrap()
        .clone()
}

#[test]
fn what_was_pushed_and_answered_is_in_both_stores_after_a_kill() {
    let house = House::new(CONFIG);
    house.write("facts.csv", "who,at,n\nnobody,2020-01-01T00:00:00Z,0\n");
    house.done(&["up"]);
    let names: Vec<String> = (0..PUSHERS).map(|who| format!("p{who}")).collect();
    // how many rows of each are there
    let mut committed = vec![0; PUSHERS];
    for round in 0..rounds() {
        let (address, daemon) = (house.http(), house.daemon());
        let answered: Vec<AtomicI64> = names.iter().map(|_| AtomicI64::new(0)).collect();
        let all = || -> i64 { answered.iter().map(|one| one.load(Ordering::SeqCst)).sum() };
        std::thread::scope(|scope| {
            for ((who, answered), first) in names.iter().zip(&answered).zip(&committed) {
                let address = &address;
                scope.spawn(move || push(address, who, *first, answered));
            }
            until("pushes", || (all() >= ANSWERS / 2).then_some(()));
            if round % 2 == 0 {
                // the log is sealed under the pushes, so often that its segments are put together, and in the middle of that
                for _ in 0..9 {
                    let before = all();
                    until("another push", || (all() > before).then_some(()));
                    house.done(&["features", "materialize", "newest"]);
                }
                let folder = house.path(".trainyard/pushed/facts");
                until("segments are put together", || {
                    put_together(&folder).then_some(())
                });
            }
            until("more pushes", || (all() >= ANSWERS).then_some(()));
            kill(daemon);
        });
        house.done(&["up"]);
        // online: the last one that was answered, or the one after, whose answer was cut off
        let online = look(&house, "newest:n", &names);
        house.done(&["features", "materialize", "counted", "--full"]);
        let counts = look(&house, "counted:n_count_36500d", &names);
        let newest = look(&house, "counted:n_max_36500d", &names);
        for (who, before) in committed.iter_mut().enumerate() {
            let least = *before + answered[who].load(Ordering::SeqCst);
            let kept = i64::from(number(&counts[who]));
            assert!(
                (least..=least + 1).contains(&kept),
                "{kept} of {least} rows of {who}"
            );
            if kept == 0 {
                continue;
            }
            // none is missing in between, none came twice
            assert_eq!(i64::from(number(&newest[who])), kept - 1);
            let value = i64::from(number(&online[who]));
            assert!((least - 1..kept).contains(&value), "{value} of {kept}");
            *before = kept;
        }
        // what is online is what the files say
        house.done(&["features", "materialize", "newest"]);
        for (value, kept) in look(&house, "newest:n", &names).iter().zip(&committed) {
            assert!(*kept == 0 || i64::from(number(value)) == kept - 1);
        }
    }
}

/// Whether segments of pushed rows are, or are about to be, put together.
fn put_together(folder: &std::path::Path) -> bool {
    let names = std::fs::read_dir(folder).unwrap().flatten();
    let mut names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.any(|name| name.contains('-'))
}

/// Views that are applied together.
const VIEWS: i64 = 25;

fn definitions(hours: i64) -> String {
    let mut text = String::from(
        "server = { listen = \"127.0.0.1:0\" }\n[dataset.facts]\npath = \"facts*.csv\"\ntimestamp = \"at\"\n",
    );
    for view in 0..VIEWS {
        text.push_str(&format!(
            "[feature_view.v{view}]\nentity = {{ name = \"who\", key = \"who\" }}\ndataset = \"facts\"\n\
             features = [\"n\"]\nttl = \"{hours}h\"\n"
        ));
    }
    text
}

#[test]
fn a_daemon_that_is_killed_while_it_applies_has_all_definitions_or_none() {
    let house = House::new(&definitions(1));
    house.write("facts.csv", "who,at,n\nnobody,2020-01-01T00:00:00Z,0\n");
    house.done(&["up"]);
    let versions = || -> (i64, i64, i64) {
        let database = Connection::open(house.path(".trainyard/store.db")).unwrap();
        database
            .query_row(
                "select count(*), min(version), max(version) from views_in_force",
                [],
                |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
            )
            .unwrap()
    };
    let mut before = versions();
    assert_eq!(before, (VIEWS, 1, 1));
    for round in 0..rounds() {
        let (address, daemon) = (house.http(), house.daemon());
        house.write("trainyard.toml", definitions(round + 2));
        let answered = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let body = json!({ "do": "apply_features", "dry_run": false }).to_string();
                // who is killed before it is reached answers nothing
                let answer = Line::try_to(&address)
                    .and_then(|mut line| line.try_ask("POST", "/api/trainyard/v1/command", &body));
                if let Ok(answer) = answer {
                    assert_eq!(answer.status, 200, "{answer:?}");
                    answered.store(true, Ordering::SeqCst);
                }
            });
            // a little later each time, up to when it is done
            let mut line = Line::to(&address);
            for _ in 0..round % 10 {
                line.ask("GET", "/health", "");
            }
            if round % 10 == 9 {
                until("it is applied", || (versions().1 > before.1).then_some(()));
            }
            kill(daemon);
        });
        // as the kill left it
        let (views, least, most) = versions();
        assert_eq!((views, least), (VIEWS, most), "half of them are applied");
        let applied = before.1 + 1;
        assert!(
            [before.1, applied].contains(&least),
            "{least} after {before:?}"
        );
        assert!(least == applied || !answered.load(Ordering::SeqCst));
        house.done(&["up"]);
        // nothing that serves reads these views: the next daemon takes the file as it is
        before = versions();
        assert_eq!(before, (VIEWS, applied, applied));
    }
}
