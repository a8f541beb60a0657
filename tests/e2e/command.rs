//! `trainyard run -- CMD`: any command as a job with a run.

use crate::house::{House, number, signal, state, text, until};
use rustix::process::Signal;
use serde_json::Value;

fn house() -> House {
    House::new("server = { listen = \"127.0.0.1:0\" }\n")
}

fn run_status(house: &House, job: &Value) -> String {
    let shown = house.json(&["runs", "show", &text(&job["run"])]);
    text(&shown["run"]["status"])
}

#[test]
fn a_commands_output_is_shown_and_kept_and_its_run_ends_with_it() {
    let house = house();
    let script = "echo to stdout; echo to stderr >&2; echo $MLFLOW_TRACKING_URI $MLFLOW_RUN_ID $MLFLOW_EXPERIMENT_ID; printf 'no end'";
    let printed = house.run(&[
        "run",
        "--experiment",
        "shell",
        "--name",
        "first",
        "--",
        "sh",
        "-c",
        script,
    ]);
    assert_eq!(printed.code, 0, "{printed:?}");
    let job = house.job("command", "succeeded");
    assert_eq!(run_status(&house, &job), "FINISHED");
    let run = house.json(&["runs", "show", &text(&job["run"])]);
    assert_eq!(run["run"]["name"], "first");
    let stdout = format!(
        "to stdout\nhttp://{} {} {}\nno end",
        house.http(),
        text(&job["run"]),
        text(&run["run"]["experiment"])
    );
    assert_eq!(printed.stdout, stdout);
    assert!(printed.stderr.contains("to stderr\n"), "{printed:?}");
    let id = job["id"].to_string();
    let kept = house.run(&["jobs", "logs", &id]);
    assert_eq!(
        (kept.stdout, kept.stderr),
        (stdout, "to stderr\n".to_owned())
    );
    // with their times, both in one
    let timed = house.done(&["jobs", "logs", &id, "--timestamps"]);
    for line in ["to stdout", "to stderr", "no end"] {
        let found = timed.lines().find(|there| there.ends_with(line));
        let time = &found.unwrap_or_else(|| panic!("{line}: {timed}"))[..9];
        assert!(
            time.chars().filter(|letter| *letter == ':').count() == 2 && time.ends_with(' '),
            "{timed}"
        );
    }
    let file = |name| std::fs::read_to_string(house.in_job(&job, name)).unwrap();
    assert_eq!(file("stderr"), "to stderr\n");
    let tags = tags(&run);
    assert_eq!(tags["mlflow.source.name"], "sh");
    assert_eq!(tags["mlflow.user"], "ada");
    assert!(tags["trainyard.command"].starts_with("sh -c 'echo to stdout;"));
    assert!(tags.contains_key("trainyard.host"));
}

fn tags(run: &Value) -> std::collections::BTreeMap<String, String> {
    let tags = run["run"]["tags"].as_array().unwrap();
    tags.iter()
        .map(|tag| (text(&tag["key"]), text(&tag["value"])))
        .collect()
}

/// A program of that name in the workspace's `bin`.
fn program(house: &House, name: &str, script: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir_all(house.path("bin")).unwrap();
    let path = house.path(&format!("bin/{name}"));
    std::fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn code_and_environment_are_noted_by_themselves() {
    let house = house();
    program(
        &house,
        "git",
        "case \"$*\" in *show-toplevel*) echo /x;; *--verify*) echo a41f0c2a41f0c2a41f0c2a41f0c2a41f0c2a41f0c;; \
         *symbolic-ref*) echo main;; *config*--get*) echo https://ada:secret@host.example/r.git;; \
         *status*) printf ' M train.py\\0';; *diff*) echo +changed;; *) exit 1;; esac",
    );
    program(
        &house,
        "python3",
        "[ \"$1\" = train.py ] && exec echo trained\n\
         echo '{\"version\":\"3.12.3\",\"implementation\":\"CPython\",\"executable\":\"\",\"prefix\":\"/v\",\"base\":\"/usr\",\"packages\":[[\"numpy\",\"2.0\",\"\"]]}'",
    );
    let path = format!("{}:/usr/bin:/bin", house.path("bin").display());
    let ended = house
        .program()
        .env("PATH", path)
        .args(["run", "--", "python3", "train.py"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&ended.stdout), "trained\n");
    let job = house.job("command", "succeeded");
    let run = house.json(&["runs", "show", &text(&job["run"])]);
    let tags = tags(&run);
    for (key, value) in [
        ("mlflow.source.name", "train.py"),
        (
            "mlflow.source.git.commit",
            "a41f0c2a41f0c2a41f0c2a41f0c2a41f0c2a41f0c",
        ),
        ("mlflow.source.git.branch", "main"),
        ("mlflow.source.git.repoURL", "https://host.example/r.git"),
        ("mlflow.source.git.dirty", "true"),
        ("trainyard.environment", "CPython 3.12.3 in /v"),
    ] {
        assert_eq!(
            tags.get(key).map(String::as_str),
            Some(value),
            "{key}: {tags:?}"
        );
    }
    let kept: Vec<String> = run["artifacts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| text(&file[0]))
        .collect();
    assert_eq!(
        kept,
        [
            "environment/requirements.txt",
            "source/uncommitted.diff",
            "source/uncommitted.txt"
        ]
    );
}

#[test]
fn a_command_killed_by_a_signal_is_a_killed_run_with_its_cause() {
    let house = house();
    let said = house.refused(1, &["run", "--", "sh", "-c", "kill -9 $$"]);
    assert!(said.contains("signal 9 (SIGKILL)"), "{said}");
    let job = house.job("command", "failed");
    assert_eq!(run_status(&house, &job), "KILLED");
    let run = house.json(&["runs", "show", &text(&job["run"])]);
    assert!(tags(&run)["trainyard.failure"].contains("SIGKILL"));
}

#[test]
fn a_command_that_ignores_term_is_killed_with_everything_it_started() {
    let house = house();
    let script = "trap '' TERM; (trap '' TERM; exec sleep 600) & echo $! > one; setsid sleep 600 & echo $! > two; sleep 600; sleep 600";
    house.done(&["run", "--detach", "--", "sh", "-c", script]);
    let sleeper = |name: &str| -> i32 {
        until("the command runs", || {
            std::fs::read_to_string(house.path(name))
                .ok()?
                .trim()
                .parse()
                .ok()
        })
    };
    let sleepers = [sleeper("one"), sleeper("two")];
    let job = house.job("command", "running");
    house.done(&["jobs", "cancel", &job["id"].to_string()]);
    house.job("command", "cancelled");
    for sleeper in sleepers {
        until("the sleepers are gone", || {
            state(sleeper).is_none().then_some(())
        });
    }
}

#[test]
fn a_command_and_the_terminal_that_follows_it_outlive_a_killed_daemon() {
    let house = house();
    let script = "echo before; while [ ! -f go ]; do sleep 0.05; done; echo after";
    let going = house.start(&["run", "--", "sh", "-c", script]);
    let job = house.job("command", "running");
    let daemon = house.daemon();
    signal(daemon, Signal::KILL);
    until("the daemon is gone", || {
        state(daemon).is_none().then_some(())
    });
    house.write("go", "");
    until("an outcome", || {
        house.in_job(&job, "outcome.json").exists().then_some(())
    });
    house.done(&["up"]);
    let ended = going.end();
    assert_eq!(
        (ended.code, ended.stdout.as_str()),
        (0, "before\nafter\n"),
        "{ended:?}"
    );
    let job = house.job("command", "succeeded");
    assert_eq!(
        (number(&job["attempt"]), run_status(&house, &job).as_str()),
        (1, "FINISHED")
    );
}

#[test]
fn an_exit_status_is_a_failed_job_and_a_failed_run() {
    let house = house();
    let said = house.refused(1, &["run", "--", "sh", "-c", "echo so far; exit 3"]);
    assert!(said.contains("exit status 3"), "{said}");
    let job = house.job("command", "failed");
    assert!(text(&job["error"]).contains("exit status 3"), "{job:#}");
    assert_eq!(run_status(&house, &job), "FAILED");
    let said = house.refused(1, &["run", "--", "no-such-program"]);
    assert!(said.contains("no-such-program"), "{said}");
}

#[test]
fn a_cancelled_command_is_gone_with_what_it_started() {
    let house = house();
    house.done(&[
        "run",
        "--detach",
        "--",
        "sh",
        "-c",
        "sleep 600 & echo $! > pid; wait",
    ]);
    let sleeper: i32 = until("the command runs", || {
        std::fs::read_to_string(house.path("pid"))
            .ok()?
            .trim()
            .parse()
            .ok()
    });
    let job = house.job("command", "running");
    house.done(&["jobs", "cancel", &job["id"].to_string()]);
    let job = house.job("command", "cancelled");
    until("the sleeper is gone", || {
        state(sleeper).is_none().then_some(())
    });
    assert_eq!(run_status(&house, &job), "KILLED");
    let said = house.refused(1, &["jobs", "cancel", &job["id"].to_string()]);
    assert!(said.contains("nothing to cancel"), "{said}");
}

#[test]
fn a_failed_command_is_tried_again() {
    let house = house();
    house.refused(1, &["run", "--", "sh", "-c", "test -f ready"]);
    let job = house.job("command", "failed");
    house.write("ready", "");
    house.done(&["jobs", "retry", &job["id"].to_string()]);
    let again = house.job("command", "succeeded");
    assert_eq!(
        (number(&again["id"]), number(&again["attempt"])),
        (number(&job["id"]), 2)
    );
    // each attempt has a run of its own; the one before keeps its end
    assert_ne!(again["run"], job["run"]);
    assert_eq!(run_status(&house, &again), "FINISHED");
    assert_eq!(run_status(&house, &job), "FAILED");
    let run = house.json(&["runs", "show", &text(&again["run"])]);
    assert_eq!(tags(&run)["trainyard.retry_of"], text(&job["run"]));
}

#[test]
fn closing_the_daemon_leaves_a_command_at_work() {
    let house = house();
    let script = "while [ ! -f go ]; do sleep 0.05; done; echo done";
    house.done(&["run", "--detach", "--", "sh", "-c", script]);
    let job = house.job("command", "running");
    house.done(&["down"]);
    house.refused(3, &["status"]);
    house.write("go", "");
    until("an outcome", || {
        house.in_job(&job, "outcome.json").exists().then_some(())
    });
    house.done(&["up"]);
    let job = house.job("command", "succeeded");
    assert_eq!(job["attempt"], 1);
    let kept = house.done(&["jobs", "logs", &job["id"].to_string()]);
    assert_eq!(kept, "done\n");
}
