//! Every route without a token, with a wrong, a revoked, an expired one and one of each lower role: 401 or 403, never
//! data. The routes come from the router itself: what is added to it is tried here, and fails when it has no role.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::api::client::{Address, Http};
use crate::api::server;
use crate::config::Config;
use crate::domain::access::TokenKind;
use crate::domain::host::HostSample;
use crate::domain::trigger::Cause;
use crate::domain::{Clock, JobId, Result, Timestamp};
use crate::service::Pipelines;
use crate::service::access::NewToken;
use crate::service::tracking::NewRun;
use crate::workspace::Workspace;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, Ordering};

struct NoPipelines;

impl Pipelines for NoPipelines {
    fn train(&self, name: &str, _: &[(String, String)], _: bool, _: Cause) -> Result<(i64, JobId)> {
        Err(Error::not_found(format!("there is no pipeline `{name}`")))
    }
    fn reload(&self) -> Result<()> {
        Ok(())
    }
    fn problems(&self) -> Vec<String> {
        Vec::new()
    }
    fn usage(&self) -> Vec<(JobId, f32, u64)> {
        Vec::new()
    }
    fn host(&self) -> HostSample {
        HostSample::default()
    }
}

struct Hands(AtomicI64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

struct House {
    services: Arc<Services>,
    clock: Arc<Hands>,
    address: String,
    routes: Vec<(String, String)>,
    _folder: tempfile::TempDir,
    _edge: tokio::runtime::Runtime,
}

/// Methods and paths, read from what the router says of itself: `{:?}` lists its paths by number, and by the same number the
/// methods that each one allows.
fn routes_of(router: &Router) -> Vec<(String, String)> {
    let said = format!("{router:?}");
    let said = said.split("fallback_router:").next().unwrap();
    let (routes, paths) = said.split_once("Node {").unwrap();
    let mut by_number: BTreeMap<&str, &str> = BTreeMap::new();
    for piece in paths.split("RouteId(").skip(1) {
        let (number, rest) = piece.split_once("): \"").unwrap();
        by_number.insert(number, rest.split_once('"').unwrap().0);
    }
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for piece in routes.split("RouteId(").skip(1) {
        let (number, rest) = piece.split_once("): ").unwrap();
        let Some((_, allowed)) = rest.split_once("allow_header: Bytes(b\"") else {
            panic!("a route that takes every method, or none that can be read: {rest}");
        };
        for method in allowed.split_once('"').unwrap().0.split(',') {
            found.push((method.trim().to_owned(), by_number[number].to_owned()));
        }
        seen.insert(number);
    }
    assert_eq!(seen.len(), by_number.len(), "some routes were not read");
    found.sort();
    found
}

fn house() -> House {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(Hands(AtomicI64::new(1_000_000)));
    let services = Services::open(
        Workspace::at(folder.path()).unwrap(),
        Config::default(),
        Arc::clone(&clock) as _,
    )
    .unwrap();
    let edge = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (stop, _) = tokio::sync::watch::channel(false);
    let context = server::Context::new(
        Arc::clone(&services),
        Arc::new(NoPipelines),
        Timestamp(1),
        "127.0.0.1:1".to_owned(),
        stop,
    );
    let router = Router::new()
        .merge(server::router(Arc::new(context)))
        .merge(crate::http::router(&services));
    let routes = routes_of(&router);
    let app = protect(router, &services).layer(axum::Extension(ConnectInfo(Peer::Tcp(
        SocketAddr::from(([127, 0, 0, 1], 9)),
    ))));
    let listener = edge
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let address = listener.local_addr().unwrap().to_string();
    edge.spawn(async move { axum::serve(listener, app).await });
    House {
        services,
        clock,
        address,
        routes,
        _folder: folder,
        _edge: edge,
    }
}

impl House {
    fn token(&self, name: &str, role: Role, lasts: Option<i64>) -> String {
        let new = NewToken {
            name: name.to_owned(),
            role,
            kind: TokenKind::Service,
            lasts,
        };
        self.services.access.create(new, "root").unwrap().1
    }

    fn http(&self) -> Http {
        Http::connect(&Address::Url(format!("http://{}", self.address), None)).unwrap()
    }

    fn ask(&self, method: &str, path: &str, authorization: &str, body: &Value) -> (u16, Vec<u8>) {
        let headers = [
            ("content-type", "application/json"),
            ("authorization", authorization),
        ];
        let headers = match authorization {
            "" => &headers[..1],
            _ => &headers[..],
        };
        let body = match method {
            "GET" | "HEAD" => Vec::new(),
            _ => body.to_string().into_bytes(),
        };
        let answer = self.http().request(method, path, headers, &body).unwrap();
        (answer.status, answer.body)
    }
}

/// A path of a pattern, its parameters filled.
fn path_of(pattern: &str) -> String {
    let parts: Vec<&str> = pattern
        .split('/')
        .map(|part| if part.starts_with('{') { "x" } else { part })
        .collect();
    parts.join("/")
}

#[test]
fn every_route_has_a_role_and_lets_nobody_else_in() {
    let house = house();
    assert!(house.routes.len() > 60, "{}", house.routes.len());
    let unruled: Vec<_> = house
        .routes
        .iter()
        .filter(|(method, pattern)| rule(method, pattern).is_none())
        .collect();
    assert!(
        unruled.is_empty(),
        "routes without a role; give each a line in http/access/roles.rs: {unruled:#?}"
    );
    let roles: BTreeMap<Role, String> = Role::ALL
        .into_iter()
        .map(|role| (role, house.token(role.name(), role, None)))
        .collect();
    let revoked = house.token("revoked", Role::Admin, None);
    house.services.access.revoke("revoked", "root").unwrap();
    let expired = house.token("expired", Role::Admin, Some(1));
    house.clock.0.fetch_add(1, Ordering::Relaxed);
    let mut tried = 0;
    for (method, pattern) in &house.routes {
        let path = path_of(pattern);
        let rule = rule(method, pattern).unwrap();
        let Some(needed) = rule.role else {
            continue;
        };
        let bearer = |secret: &str| format!("Bearer {secret}");
        let outside = [
            (String::new(), 401),
            ("Basic eDp5".to_owned(), 401),
            (bearer(&revoked), 401),
            (bearer(&expired), 401),
        ];
        let lower = roles
            .iter()
            .filter(|(role, _)| **role < needed)
            .map(|(_, secret)| (bearer(secret), 403));
        for (authorization, wanted) in outside.into_iter().chain(lower) {
            if authorization.starts_with("Basic") && tried > 3 {
                // guesses are slowed: a few are enough
                continue;
            }
            tried += 1;
            let (status, body) = house.ask(method, &path, &authorization, &json!({}));
            assert_eq!(status, wanted, "{method} {path}");
            if method != "HEAD" {
                let body: Value = serde_json::from_slice(&body).unwrap();
                let code = body["error_code"].as_str().unwrap();
                assert!(
                    ["UNAUTHENTICATED", "PERMISSION_DENIED"].contains(&code),
                    "{method} {path}: {body}"
                );
                let keys: Vec<_> = body.as_object().unwrap().keys().collect();
                assert_eq!(keys, ["error_code", "kind", "message"]);
            }
        }
        if path.ends_with("/events") {
            // an open stream has no end to wait for
            continue;
        }
        let (status, _) = house.ask(method, &path, &bearer(&roles[&needed]), &json!({}));
        assert!(![401, 403].contains(&status), "{method} {path}: {status}");
    }
    assert!(tried > 250, "{tried}");
}

#[test]
fn no_line_of_the_table_is_written_twice() {
    let mut seen = BTreeSet::new();
    for (method, path, _) in roles::all() {
        assert!(seen.insert((method, path)), "{method} {path}");
        assert_eq!(*path, roles::shape(path));
    }
}

#[test]
fn every_command_asks_for_a_role() {
    let house = house();
    let viewer = format!("Bearer {}", house.token("v", Role::Viewer, None));
    let operator = format!("Bearer {}", house.token("o", Role::Operator, None));
    let maintainer = format!("Bearer {}", house.token("m", Role::Maintainer, None));
    let command = "/api/trainyard/v1/command";
    let ask = |who: &str, body: Value| house.ask("POST", command, who, &body).0;
    for (body, lower, enough) in [
        (
            json!({"do": "note", "run": "x", "text": "t"}),
            &viewer,
            &operator,
        ),
        (
            json!({"do": "promote", "model": "m", "version": 1, "force": true, "reason": "r"}),
            &operator,
            &maintainer,
        ),
        (
            json!({"do": "archive", "run": "x", "restore": false}),
            &operator,
            &maintainer,
        ),
    ] {
        assert_eq!(ask(lower, body.clone()), 403, "{body}");
        assert_eq!(ask(enough, body.clone()), 404, "{body}");
    }
    for body in [
        json!({"do": "tokens"}),
        json!({"do": "shutdown"}),
        json!({"do": "reload"}),
        json!({"do": "create_token", "name": "n", "role": "admin", "kind": "person", "lasts": null}),
    ] {
        assert_eq!(ask(&maintainer, body.clone()), 403, "{body}");
    }
    assert_eq!(
        ask(&viewer, json!({"do": "audit", "object": null, "limit": 5})),
        403
    );
    assert_eq!(
        ask(
            &maintainer,
            json!({"do": "audit", "object": null, "limit": 5})
        ),
        200
    );
}

#[test]
fn bearer_and_basic_are_one_and_a_guess_is_counted() {
    let house = house();
    let secret = house.token("ana", Role::Viewer, None);
    let path = "/api/2.0/mlflow/experiments/get?experiment_id=0";
    let basic = format!("Basic {}", STANDARD.encode(format!("anybody:{secret}")));
    for authorization in [format!("bearer {secret}"), basic] {
        assert_eq!(house.ask("GET", path, &authorization, &json!({})).0, 200);
    }
    for wrong in ["Bearer", "Basic !", "Digest x", "Bearer ty_1_2"] {
        assert_eq!(house.ask("GET", path, wrong, &json!({})).0, 401, "{wrong}");
    }
    let now = house.services.core.now();
    assert_eq!(
        house.services.access.attempts.wrong("127.0.0.1", now).count,
        2
    );
    for _ in 0..25 {
        house.services.access.attempts.wrong("127.0.0.1", now);
    }
    assert_eq!(house.ask("GET", path, "Bearer ty_1_2", &json!({})).0, 429);
    let right = format!("Bearer {secret}");
    assert_eq!(house.ask("GET", path, &right, &json!({})).0, 200);
}

#[test]
fn an_unknown_path_is_said_to_be_unknown_only_to_those_who_are_known() {
    let house = house();
    let secret = house.token("ana", Role::Viewer, None);
    for path in ["/api/2.0/mlflow/nothing", "/nothing"] {
        assert_eq!(house.ask("GET", path, "", &json!({})).0, 401);
        let known = format!("Bearer {secret}");
        assert_eq!(house.ask("GET", path, &known, &json!({})).0, 404);
    }
    assert_eq!(house.ask("GET", "/health", "", &json!({})).0, 200);
}

#[test]
fn a_runs_token_logs_within_its_experiment() {
    let house = house();
    house.token("ana", Role::Admin, None);
    let tracking = &house.services.tracking;
    let made = |name: &str| {
        let experiment = tracking.create_experiment(name, None, Vec::new()).unwrap();
        let new = NewRun {
            experiment: Some(experiment.clone()),
            ..NewRun::default()
        };
        (experiment, tracking.create_run(new).unwrap().id)
    };
    let (experiment, run) = made("mine");
    let (other, stranger) = made("yours");
    let secret = house.services.access.issue_for_run(&run).unwrap().unwrap();
    let own = format!("Bearer {secret}");
    let post = |path: &str, body: Value| {
        house
            .ask("POST", &format!("/api/2.0/mlflow/{path}"), &own, &body)
            .0
    };
    let metric = |run: &str| json!({"run_id": run, "key": "loss", "value": 1.0, "timestamp": 1});
    assert_eq!(post("runs/log-metric", metric(run.as_str())), 200);
    assert_eq!(post("runs/log-metric", metric(stranger.as_str())), 403);
    assert_eq!(
        post("runs/log-metric", json!({"key": "loss", "value": 1.0})),
        403
    );
    let both = json!({"run_id": run, "run_uuid": stranger, "key": "loss", "value": 1.0});
    assert_eq!(post("runs/log-metric", both), 403);
    assert_eq!(
        post("runs/create", json!({"experiment_id": experiment})),
        200
    );
    assert_eq!(post("runs/create", json!({"experiment_id": other})), 403);
    assert_eq!(post("runs/create", json!({})), 403);
    assert_eq!(post("experiments/create", json!({"name": "n"})), 403);
    assert_eq!(post("runs/delete", json!({"run_id": run})), 403);
    assert_eq!(post("runs/search", json!({"experiment_ids": [other]})), 200);
    let put = |path: &str| {
        let path = format!("/api/2.0/mlflow-artifacts/artifacts/{path}");
        house.ask("PUT", &path, &own, &json!({})).0
    };
    assert_eq!(put(&format!("{experiment}/{run}/artifacts/a.txt")), 200);
    assert_eq!(put(&format!("{other}/{stranger}/artifacts/a.txt")), 403);
    assert_eq!(put(&format!("{experiment}/../{other}/a.txt")), 403);
    assert_eq!(put(&format!("{experiment}/%2e%2e/{other}/a.txt")), 403);
    assert_eq!(put(&format!("{experiment}%2f..%2f{other}/a.txt")), 403);
    let command = json!({"do": "note", "run": run, "text": "t"});
    assert_eq!(
        house
            .ask("POST", "/api/trainyard/v1/command", &own, &command)
            .0,
        403
    );
    house.services.access.end_for_run(&run).unwrap();
    assert_eq!(post("runs/log-metric", metric(run.as_str())), 401);
}

#[test]
fn a_stream_ends_with_its_token() {
    let house = house();
    let secret = house.token("ana", Role::Viewer, None);
    let client = crate::api::client::Client {
        address: Address::Url(format!("http://{}", house.address), Some(secret)),
        user: "somebody".to_owned(),
    };
    let mut stream = client.events(&[crate::api::protocol::Topic::Jobs]).unwrap();
    assert!(stream.next_update().unwrap().is_some());
    house.services.access.revoke("ana", "root").unwrap();
    while let Ok(Some(_)) = stream.next_update() {}
    let error = client.events(&[]).err().unwrap();
    assert_eq!(error.kind, crate::domain::ErrorKind::Denied);
    assert!(error.message.contains("revoked"), "{error}");
}
