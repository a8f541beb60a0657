//! The daemon's life: one a workspace, its port, its end.

use crate::house::{House, number, signal, state, text, until};
use rustix::process::Signal;
use std::net::TcpListener;

#[test]
fn a_chosen_port_that_is_taken_is_a_clear_error() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let house = House::new(&format!("server = {{ listen = \"{address}\" }}\n"));
    for (code, arguments) in [
        (1, &["up"][..]),
        (1, &["up", "--foreground"]),
        (3, &["runs", "list"]),
    ] {
        let said = house.refused(code, arguments);
        assert!(said.contains(&format!("`{address}` is taken")), "{said}");
        assert!(said.contains("server.listen"), "{said}");
    }
    house.refused(3, &["status"]);
    // nothing is in the way once the port is free
    drop(taken);
    house.done(&["up"]);
    assert_eq!(house.http(), address);
}

#[test]
fn without_a_choice_a_taken_port_is_another_port() {
    // whether this succeeds or somebody else has it: it is taken
    let _taken = TcpListener::bind("127.0.0.1:5000");
    let houses = [House::new(""), House::new("")];
    let addresses = houses.each_ref().map(|house| {
        house.done(&["up"]);
        let address = house.http();
        let told: serde_json::Value =
            serde_json::from_slice(&std::fs::read(house.path(".trainyard/daemon.json")).unwrap())
                .unwrap();
        assert_eq!(text(&told["http"]), address);
        assert_eq!(house.get("/health").status, 200);
        address
    });
    assert_ne!(addresses[0], addresses[1]);
    for address in addresses {
        assert!(
            address.starts_with("127.0.0.1:") && address != "127.0.0.1:5000",
            "{address}"
        );
    }
}

#[test]
fn a_second_daemon_is_told_who_is_there() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    house.done(&["up"]);
    let pid = house.daemon();
    let said = house.refused(1, &["up", "--foreground"]);
    assert!(said.contains(&format!("pid {pid}")), "{said}");
    assert!(said.contains("already runs"), "{said}");
    // asking for what is there already is no error
    house.done(&["up"]);
    assert_eq!(house.daemon(), pid);
}

#[test]
fn many_commands_at_once_start_one_daemon() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    let going: Vec<_> = (0..6).map(|_| house.start(&["runs", "list"])).collect();
    for one in going {
        let ended = one.end();
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    let logs = std::fs::read_dir(house.path(".trainyard/logs")).unwrap();
    let ready: usize = logs
        .map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap())
        .map(|text| text.matches("daemon ready").count())
        .sum();
    assert_eq!(ready, 1);
}

#[test]
fn the_daemon_ends_in_order_and_leaves_nothing_that_says_it_runs() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    for end in ["down", "term"] {
        house.done(&["up"]);
        let pid = house.daemon();
        if end == "down" {
            house.done(&["down"]);
        } else {
            signal(pid, Signal::TERM);
        }
        until("the daemon is gone", || state(pid).is_none().then_some(()));
        assert!(!house.path(".trainyard/daemon.json").exists(), "{end}");
        assert!(!house.path(".trainyard/daemon.sock").exists(), "{end}");
        house.refused(3, &["status"]);
    }
}

#[test]
fn who_was_told_that_it_stopped_may_start_the_next_at_once() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    let mut pids = Vec::new();
    for _ in 0..4 {
        house.done(&["up"]);
        pids.push(house.daemon());
        house.done(&["down"]);
    }
    pids.dedup();
    assert_eq!(pids.len(), 4);
}

#[test]
fn a_daemon_that_asked_for_a_free_port_has_the_same_one_again() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    house.done(&["up"]);
    let first = house.http();
    house.done(&["down"]);
    house.done(&["up"]);
    assert_eq!(house.http(), first);
    signal(house.daemon(), Signal::KILL);
    house.done(&["up"]);
    assert_eq!(house.http(), first);
    house.done(&["down"]);
    let _taken = std::net::TcpListener::bind(&first).unwrap();
    house.done(&["up"]);
    assert_ne!(house.http(), first);
}

#[test]
fn after_kill_9_the_next_command_finds_a_clean_house() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    house.done(&["up"]);
    let pid = house.daemon();
    signal(pid, Signal::KILL);
    until("the daemon is gone", || state(pid).is_none().then_some(()));
    assert!(house.path(".trainyard/daemon.sock").exists());
    let runs = house.json(&["runs", "list"]);
    assert_eq!(number(&runs["total"]), 0);
    assert_ne!(house.daemon(), pid);
}
