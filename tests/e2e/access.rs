//! A team's server: tokens from the command line, TLS, who may do what, and what the audit keeps of it. Everything here
//! stays on the loopback addresses.

use crate::house::{Ended, House, text, until};
use crate::wire::Line;
use std::process::Command;

fn token(house: &House, name: &str, role: &str) -> String {
    let made = house.json(&["tokens", "create", name, "--role", role]);
    text(&made["secret"])
}

/// The program on another machine, as far as it knows: no workspace, a server and a token.
fn remote(house: &House, more: &[(&str, &str)], arguments: &[&str]) -> Ended {
    let elsewhere = tempfile::tempdir().unwrap();
    let mut program: Command = house.program();
    program.current_dir(elsewhere.path());
    for (name, value) in more {
        program.env(name, value);
    }
    let output = program.args(arguments).output().unwrap();
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

#[test]
fn where_others_could_reach_it_the_daemon_listens_only_with_a_token() {
    for configuration in [
        "server = { listen = \"0.0.0.0:0\" }\n",
        "server = { listen = \"127.0.0.1:0\", behind_proxy = true }\n",
    ] {
        let house = House::new(configuration);
        for arguments in [&["up"][..], &["up", "--foreground"]] {
            let ended = house.run(arguments);
            assert!(ended.code != 0, "{ended:?}");
            assert!(
                ended.stderr.contains("tokens create NAME --role admin"),
                "{ended:?}"
            );
        }
        house.refused(3, &["status"]);
    }
    // the first token is made although the daemon would not start, and no daemon stays behind
    let house = House::new("server = { listen = \"127.0.0.1:0\", behind_proxy = true }\n");
    token(&house, "root", "admin");
    house.refused(3, &["status"]);
    house.done(&["up"]);
    assert_eq!(house.get("/health").status, 200);
    assert_eq!(
        house
            .get("/api/2.0/mlflow/experiments/get?experiment_id=0")
            .status,
        401
    );
}

#[test]
fn a_token_opens_what_its_role_allows_until_it_is_revoked() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    house.done(&["up"]);
    let path = "/api/2.0/mlflow/experiments/get?experiment_id=0";
    assert_eq!(house.get(path).status, 200, "open before the first token");
    let viewer = token(&house, "vera", "viewer");
    assert_eq!(
        house.get(path).status,
        401,
        "closed from the first token on"
    );
    let server = format!("http://{}", house.http());
    let with = |secret: &str, arguments: &[&str]| {
        remote(
            &house,
            &[("TRAINYARD_SERVER", &server), ("TRAINYARD_TOKEN", secret)],
            arguments,
        )
    };
    assert_eq!(with(&viewer, &["runs", "list"]).code, 0);
    let forbidden = with(&viewer, &["tokens", "list"]);
    assert_eq!(forbidden.code, 2, "{forbidden:?}");
    assert!(forbidden.stderr.contains("needs `admin`"), "{forbidden:?}");
    let unknown = with("ty_00000000_nothing", &["runs", "list"]);
    assert_eq!(unknown.code, 2, "{unknown:?}");
    assert!(unknown.stderr.contains("not known here"), "{unknown:?}");
    house.done(&["tokens", "revoke", "vera"]);
    let revoked = with(&viewer, &["runs", "list"]);
    assert_eq!(revoked.code, 2, "{revoked:?}");
    assert!(revoked.stderr.contains("`vera` was revoked"), "{revoked:?}");
    // the socket needs none
    let audit = house.json(&["audit"]);
    let lines: Vec<(String, String)> = audit
        .as_array()
        .unwrap()
        .iter()
        .map(|line| (text(&line["action"]), text(&line["by"])))
        .collect();
    let ada = |action: &str| (action.to_owned(), "ada".to_owned());
    assert_eq!(lines, [ada("revoke_token"), ada("create_token")]);
    assert!(text(&audit[0]["from"]).starts_with("socket"), "{audit}");
}

#[test]
fn with_tls_a_pinned_certificate_is_believed_and_another_is_not() {
    let house = House::new("server = { listen = \"127.0.0.1:0\", tls = true }\n");
    let admin = token(&house, "root", "admin");
    let up = house.done(&["up"]);
    let status = house.json(&["status"]);
    let fingerprint = text(&status["fingerprint"]);
    assert!(up.contains(&fingerprint), "{up}");
    assert!(up.contains("https://"), "{up}");
    let server = format!("https://{}", house.http());
    let with = |more: (&str, &str), arguments: &[&str]| {
        let variables = [
            ("TRAINYARD_SERVER", server.as_str()),
            ("TRAINYARD_TOKEN", &admin),
            more,
        ];
        remote(&house, &variables, arguments)
    };
    let pinned = ("TRAINYARD_SERVER_FINGERPRINT", fingerprint.as_str());
    let seen = with(pinned, &["status", "--json"]);
    assert_eq!(seen.code, 0, "{seen:?}");
    assert!(seen.stdout.contains(&fingerprint));
    let own = house.path(".trainyard/tls/cert.pem").display().to_string();
    assert_eq!(with(("TRAINYARD_SERVER_CA", &own), &["status"]).code, 0);
    let nobody = with(("X", ""), &["status"]);
    assert_eq!(nobody.code, 3, "{nobody:?}");
    assert!(nobody.stderr.contains("--server-fingerprint"), "{nobody:?}");
    let other = format!("sha256:{}", "00".repeat(32));
    let stranger = with(("TRAINYARD_SERVER_FINGERPRINT", &other), &["status"]);
    assert_eq!(stranger.code, 3, "{stranger:?}");
    assert!(
        stranger.stderr.contains("another fingerprint"),
        "{stranger:?}"
    );
    let wrong = with(("TRAINYARD_SERVER_FINGERPRINT", "sha256:00"), &["status"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
    // from this machine itself it may be plain, with a token all the same
    assert_eq!(house.get("/health").status, 200);
    assert_eq!(house.get("/metrics").status, 401);
}

#[test]
fn a_command_gets_a_token_that_ends_with_it() {
    let house = House::new("server = { listen = \"127.0.0.1:0\" }\n");
    house.done(&["up"]);
    token(&house, "root", "admin");
    let script = "printf %s \"$MLFLOW_TRACKING_TOKEN\" > token.new; mv token.new token; \
                  printf %s \"$MLFLOW_RUN_ID\" > run.new; mv run.new run; \
                  while [ ! -e end ]; do sleep 0.05; done";
    house.done(&["run", "--detach", "--", "sh", "-c", script]);
    let (run, secret) = until("the command wrote its token", || {
        Some((
            std::fs::read_to_string(house.path("run")).ok()?,
            std::fs::read_to_string(house.path("token")).ok()?,
        ))
    });
    assert!(secret.starts_with("ty_"), "{secret}");
    let log = |run: &str| {
        let body = format!("{{\"run_id\":\"{run}\",\"key\":\"loss\",\"value\":1,\"timestamp\":1}}");
        let mut line = Line::to(&house.http());
        let authorization = format!("authorization: Bearer {secret}");
        line.ask_with(
            "POST",
            "/api/2.0/mlflow/runs/log-metric",
            &[&authorization],
            &body,
        )
        .status
    };
    assert_eq!(log(&run), 200);
    assert_eq!(log("00000000000000000000000000000000"), 403);
    house.write("end", "");
    house.job("command", "succeeded");
    until("the token ended", || (log(&run) == 401).then_some(()));
}
