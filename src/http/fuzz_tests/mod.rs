//! Everybody's wrong requests: every route, topic and command of the router with a valid example, mutated. Whatever comes,
//! nothing panics, and nobody is answered with a 5xx: clients try those again, and the wrong request stays wrong.
//!
//! `cargo test fuzz` tries a few thousand; `TRAINYARD_FUZZ_TRIES` says how many, `TRAINYARD_FUZZ_SEED` from where on. A
//! failure names seed and case: the same again with `TRAINYARD_FUZZ_CASE`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod examples;
mod grammar;
mod house;
mod mutation;

use self::examples::{COMMANDS, NOT_ASKED, ROUTES, TOPICS};
use self::house::Asked;
use self::mutation::Dice;
use super::access::{routes, shape};
use crate::api::protocol::{Command, Topic};
use axum::body::Body;
use axum::http::Request;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tower::ServiceExt as _;

/// Tries of `cargo test`.
const TRIES: u64 = 2_000;
/// A workspace grows with what is asked of it: after so many tries comes another one.
const HOUSE: u64 = 10_000;
/// What the examples speak of may be deleted by them: after so many tries there is more of it.
const FILL: u64 = 100;
/// How long an open stream is listened to.
const STREAM: Duration = Duration::from_millis(20);

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// A request as it is sent.
#[derive(Debug)]
struct Sent {
    method: String,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
}

/// A case: which example, and what became of it.
fn case(asked: &Asked, dice: &mut Dice) -> Sent {
    let (method, path, query, body) = match dice.below(4) {
        0 => (
            "POST",
            "/api/trainyard/v1/command",
            "",
            dice.pick(COMMANDS).to_owned(),
        ),
        1 if dice.once_in(3) => {
            let topic = dice.pick(TOPICS);
            (
                "GET",
                "/api/trainyard/v1/events",
                "once=true",
                format!("[{topic}]"),
            )
        }
        _ => {
            let (method, path, query, body) = ROUTES[dice.below(ROUTES.len())];
            (method, path, query, body.to_owned())
        }
    };
    let is_events = path.ends_with("/events");
    let body = mutation::body(&asked.filled(&body), dice, &asked.ids);
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(key, value)| (key.to_owned(), asked.filled(value)))
        .collect();
    if is_events {
        let topics = String::from_utf8_lossy(&body).into_owned();
        pairs.push(("topics".to_owned(), topics));
    }
    if !is_events || dice.once_in(8) {
        mutation::pairs(&mut pairs, dice, &asked.ids);
    }
    let mut path = asked
        .filled(path)
        .split('/')
        .map(|part| match dice.once_in(40) {
            true => mutation::encoded(&mutation::text(dice), dice),
            false => part.replace(' ', "%20"),
        })
        .collect::<Vec<_>>()
        .join("/");
    if dice.once_in(20) {
        path = path.replacen("/api/", "/ajax-api/", 1);
    }
    for (number, (key, value)) in pairs.iter().enumerate() {
        path.push(if number == 0 { '?' } else { '&' });
        path.push_str(&mutation::encoded(key, dice));
        path.push('=');
        path.push_str(&mutation::encoded(value, dice));
    }
    let kind = match dice.below(16) {
        0 => "text/csv",
        1 => "application/x-www-form-urlencoded",
        2 => "application/json; charset=utf-16",
        _ if body.starts_with(b"color,x") => "text/csv",
        _ => "application/json",
    };
    let mut headers = vec![("content-type", kind.to_owned())];
    if dice.once_in(30) {
        headers.push((
            dice.pick(&[
                "user-agent",
                "x-request-id",
                "x-trainyard-user",
                "authorization",
                "inference-header-content-length",
            ]),
            dice.pick(&[
                "mlflow-python-client/3.17.0",
                "1",
                "Bearer ty_1_2",
                "\u{e9}",
                "a, b",
            ])
            .to_owned(),
        ));
    }
    Sent {
        method: method.to_owned(),
        path,
        headers,
        body: if is_events { Vec::new() } else { body },
    }
}

/// Statuses beyond 500 that are the documented answer of a path.
fn documented(sent: &Sent, status: u16) -> bool {
    let path = sent.path.split('?').next().unwrap_or_default();
    match status {
        501 => path.contains("/mpu/") || path.contains("/presigned/") || path.ends_with("/traces"),
        503 => path == "/v2/health/ready",
        _ => false,
    }
}

/// Sends one and reads the whole answer: its status, or what is wrong with it. None: it cannot be sent at all.
async fn send(asked: &Asked, sent: &Sent) -> Option<Result<u16, String>> {
    let mut request = Request::builder()
        .method(sent.method.as_str())
        .uri(sent.path.as_str());
    for (name, value) in &sent.headers {
        request = request.header(*name, value.as_bytes());
    }
    let request = request.body(Body::from(sent.body.clone())).ok()?;
    let response = match tokio::spawn(asked.router.clone().oneshot(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(error) => return Some(Err(format!("panicked: {error}"))),
    };
    let status = response.status().as_u16();
    let is_events = sent.path.contains("/events");
    let read = axum::body::to_bytes(response.into_body(), 256 << 20);
    let body = match is_events && !sent.path.contains("once=true") {
        true => tokio::time::timeout(STREAM, read)
            .await
            .unwrap_or(Ok(axum::body::Bytes::new())),
        false => read.await,
    };
    let body = match body {
        Ok(body) => body,
        Err(error) => return Some(Err(format!("the answer breaks off: {error}"))),
    };
    let text = String::from_utf8_lossy(&body);
    if status >= 500 && !documented(sent, status) {
        return Some(Err(format!("{status}: {text:.600}")));
    }
    if is_events && text.contains(r#""kind":"Internal""#) {
        return Some(Err(format!("a topic failed: {text:.600}")));
    }
    Some(Ok(status))
}

fn shown(sent: &Sent) -> String {
    let body = String::from_utf8_lossy(&sent.body);
    format!(
        "{} {:.1500} {:?}\n{:.3000}",
        sent.method, sent.path, sent.headers, body
    )
}

#[test]
fn fuzz_no_request_panics_or_is_answered_with_a_5xx() {
    let tries = number("TRAINYARD_FUZZ_TRIES", TRIES);
    let seed = number("TRAINYARD_FUZZ_SEED", 1);
    let only = std::env::var("TRAINYARD_FUZZ_CASE")
        .ok()
        .map(|text| text.parse::<u64>().unwrap());
    let edge = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .max_blocking_threads(4)
        .enable_all()
        .build()
        .unwrap();
    let mut statuses: BTreeMap<u16, u64> = BTreeMap::new();
    let mut slowest = (Duration::ZERO, String::new());
    let (mut failures, mut kinds) = (Vec::new(), BTreeSet::new());
    let mut asked = Asked::new();
    let (mut sent_all, mut at) = (0, only.unwrap_or(0));
    while sent_all < tries {
        if sent_all > 0 && sent_all % HOUSE == 0 {
            asked = Asked::new();
        } else if at.is_multiple_of(FILL) {
            asked.fill();
        }
        let mut dice = Dice::of(seed, at);
        let sent = case(&asked, &mut dice);
        let began = Instant::now();
        let outcome = edge.block_on(send(&asked, &sent));
        let took = began.elapsed();
        if took > slowest.0 {
            slowest = (took, format!("case {at}: {:.400}", shown(&sent)));
        }
        match outcome {
            // not even a URL: not counted
            None => {}
            Some(Ok(status)) => {
                *statuses.entry(status).or_default() += 1;
                sent_all += 1;
            }
            Some(Err(wrong)) => {
                sent_all += 1;
                let kind: String = wrong
                    .chars()
                    .take(120)
                    .filter(|c| !c.is_ascii_digit())
                    .collect();
                let route = sent
                    .path
                    .split(['?', '/'])
                    .take(7)
                    .collect::<Vec<_>>()
                    .join("/");
                if kinds.insert((route, kind)) {
                    failures.push(format!(
                        "seed {seed} case {at}: {wrong}\n{}\n",
                        shown(&sent)
                    ));
                }
            }
        }
        at += 1;
        if only.is_some() || failures.len() > 40 {
            break;
        }
    }
    eprintln!(
        "{sent_all} tries, seed {seed}: {statuses:?}; slowest {:?}: {}",
        slowest.0, slowest.1
    );
    assert!(
        failures.is_empty(),
        "{} kinds of failures:\n{}",
        failures.len(),
        failures.join("\n")
    );
    let well: u64 = statuses.range(..400).map(|(_, count)| count).sum();
    assert!(
        only.is_some() || well * 5 > sent_all,
        "nearly everything was refused: {statuses:?}"
    );
}

/// The names in serde's "unknown variant `x`, expected one of `a`, `b`".
fn variants(error: &serde_json::Error) -> BTreeSet<String> {
    let text = error.to_string();
    let (_, known) = text.split_once("expected one of ").unwrap();
    known
        .split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

/// Words that stand without quotes, as numbers.
fn numbers(example: &str) -> String {
    [
        "job",
        "experiment_json",
        "run_json",
        "logged_json",
        "model_json",
        "version_json",
    ]
    .iter()
    .fold(example.to_owned(), |text, word| {
        text.replace(&format!("${word}"), "1")
    })
}

fn named(examples: &[&str], key: &str) -> BTreeSet<String> {
    examples
        .iter()
        .map(|example| {
            let value: serde_json::Value = serde_json::from_str(&numbers(example)).unwrap();
            value[key].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn fuzz_has_an_example_for_every_route_topic_and_command() {
    let mut known: BTreeSet<(String, String)> = ROUTES
        .iter()
        .map(|(method, path, ..)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    known.extend(
        [("GET", "events"), ("POST", "command")]
            .map(|(method, last)| (method.to_owned(), format!("/api/trainyard/v1/{last}"))),
    );
    // a parameter's part may be anything, a wildcard's any number of them
    let fits = |pattern: &str, path: &str| {
        let (pattern, path): (Vec<_>, Vec<_>) =
            (pattern.split('/').collect(), path.split('/').collect());
        let wild = pattern.last() == Some(&"{}") && pattern.contains(&"mlflow-artifacts");
        (pattern.len() == path.len() || (wild && path.len() > pattern.len()))
            && pattern
                .iter()
                .zip(&path)
                .all(|(one, other)| *one == "{}" || one == other)
    };
    let missing: Vec<_> = routes()
        .iter()
        .filter(|(method, pattern, _)| {
            assert_eq!(*pattern, shape(pattern));
            !known
                .iter()
                .any(|(of, path)| of == method && fits(pattern, path))
        })
        .map(|(method, pattern, _)| format!("{method} {pattern}"))
        .collect();
    assert!(
        missing.is_empty(),
        "routes without an example: {missing:#?}"
    );

    let nothing = serde_json::from_str::<Command>(r#"{"do":"?"}"#).unwrap_err();
    let mut commands = named(COMMANDS, "do");
    commands.extend(NOT_ASKED.iter().map(|(name, _)| (*name).to_owned()));
    let missing: Vec<_> = variants(&nothing).difference(&commands).cloned().collect();
    assert!(
        missing.is_empty(),
        "commands without an example: {missing:?}"
    );
    let nothing = serde_json::from_str::<Topic>(r#"{"topic":"?"}"#).unwrap_err();
    let missing: Vec<_> = variants(&nothing)
        .difference(&named(TOPICS, "topic"))
        .cloned()
        .collect();
    assert!(missing.is_empty(), "topics without an example: {missing:?}");
}
