//! `trainyard run -- CMD`: any command as a job with a run.

use crate::house::{House, number, state, text, until};
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
    let script = "echo to stdout; echo to stderr >&2; echo $MLFLOW_TRACKING_URI $MLFLOW_RUN_ID $MLFLOW_EXPERIMENT_ID";
    let printed = house.done(&[
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
    let job = house.job("command", "succeeded");
    assert_eq!(run_status(&house, &job), "FINISHED");
    let run = house.json(&["runs", "show", &text(&job["run"])]);
    assert_eq!(run["run"]["name"], "first");
    let environment = format!(
        "http://{} {} {}",
        house.http(),
        text(&job["run"]),
        text(&run["run"]["experiment"])
    );
    let kept = house.done(&["jobs", "logs", &job["id"].to_string()]);
    for line in ["to stdout", "to stderr", &environment] {
        let times = |text: &str| text.lines().filter(|there| *there == line).count();
        assert_eq!(
            (times(&printed), times(&kept)),
            (1, 1),
            "{line}: {printed} | {kept}"
        );
    }
    let file = |name| std::fs::read_to_string(house.in_job(&job, name)).unwrap();
    assert_eq!(file("stderr"), "to stderr\n");
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
    assert_eq!(run_status(&house, &again), "FINISHED");
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
