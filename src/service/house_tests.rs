//! The way of a model through this room: registered, gated, promoted, served, watched, rolled back. Real store,
//! fixed clock; state and events.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::fixture::{House, NOW, model_name, requests};
use crate::domain::deployment::DeploymentState;
use crate::domain::drift::{DriftVerdict, Reference};
use crate::domain::registry::{CHAMPION, MoveKind};
use crate::domain::{DeploymentName, ErrorKind, Event, Seen, Timestamp, Version};
use serde_json::json;

const BOTH: [&str; 2] = ["x", "color"];

#[test]
fn a_run_is_registered_once_and_numbers_are_never_reused() {
    let house = House::new();
    let registry = &house.services.registry;
    let first = house.version("logistic", &BOTH);
    let run = first.run.clone().unwrap();
    let again = registry.register(&run, &model_name(), "bo").unwrap();
    assert_eq!((first.version, again.version), (Version(1), Version(1)));
    let second = house.version("bayes", &BOTH).version;
    registry
        .delete_version(&model_name(), second, "ana")
        .unwrap();
    assert_eq!(house.version("bayes", &BOTH).version, Version(3));
    assert!(
        registry
            .directory(&model_name(), first.version)
            .unwrap()
            .is_dir()
    );
    assert_eq!(registry.parse("late/1").unwrap().1, Version(1));
    assert_eq!(
        registry.parse("late").unwrap_err().kind,
        ErrorKind::NotFound
    );
}

#[test]
fn promotion_needs_the_gate_or_force_with_a_reason() {
    let house = House::new();
    let registry = &house.services.registry;
    let version = house.version("logistic", &BOTH).version;
    let promote = |force, reason| registry.promote(&model_name(), version, "ana", force, reason);
    assert_eq!(promote(false, "").unwrap_err().kind, ErrorKind::Conflict);
    house.judged(version, false);
    let held = promote(false, "").unwrap_err();
    assert!(
        held.message.contains("0 of 1 checks passed: HELD"),
        "{held}"
    );
    assert_eq!(promote(true, " ").unwrap_err().kind, ErrorKind::Invalid);
    house.events();
    let moved = promote(true, "the old one is broken").unwrap();
    assert_eq!(
        (moved.kind, moved.from, moved.to),
        (MoveKind::Forced, None, Some(version))
    );
    assert!(house.events().contains(&Event::AliasMoved {
        model: model_name(),
        alias: CHAMPION.into(),
        from: None,
        to: Some(version),
        by: "ana".into(),
    }));
    assert_eq!(
        promote(true, "again").unwrap_err().kind,
        ErrorKind::Conflict
    );
    let audit = house
        .services
        .core
        .store
        .read(|connection| crate::store::audit::about(connection, "model:late", 10))
        .unwrap();
    assert_eq!(audit[0].action, "promote_forced");
}

#[test]
fn rolling_back_twice_undoes_the_rollback_and_a_deleted_version_is_refused() {
    let house = House::new();
    let registry = &house.services.registry;
    let one = house.champion("logistic", &BOTH);
    let nothing = registry.rollback(&model_name(), None, "bo").unwrap_err();
    assert_eq!(nothing.kind, ErrorKind::Conflict);
    let two = house.champion("bayes", &BOTH);
    let back = registry.rollback(&model_name(), None, "bo").unwrap();
    assert_eq!((back.kind, back.to), (MoveKind::RolledBack, Some(one)));
    let forth = registry.rollback(&model_name(), None, "bo").unwrap();
    assert_eq!(forth.to, Some(two));
    registry.delete_version(&model_name(), one, "bo").unwrap();
    let refused = registry.rollback(&model_name(), None, "bo").unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Conflict);
    assert_eq!(registry.history(&model_name()).unwrap().len(), 4);
}

#[test]
fn a_champion_that_somebody_else_moved_is_not_moved_over() {
    let house = House::new();
    let registry = &house.services.registry;
    let one = house.champion("logistic", &BOTH);
    let two = house.champion("bayes", &BOTH);
    // both look while `two` serves; the first goes back, the second would go back from what is no more
    let seen = Some(Seen::of(Some(two)));
    let back = registry.rollback_as_seen(&model_name(), Some(one), "ana", seen);
    assert_eq!(back.unwrap().to, Some(one));
    let late = registry
        .rollback_as_seen(&model_name(), Some(two), "bo", seen)
        .unwrap_err();
    assert_eq!(late.kind, ErrorKind::Conflict);
    assert!(late.message.contains("moved by ana"), "{late}");
    assert!(late.message.contains(&one.to_string()), "{late}");
    let late = registry
        .promote_as_seen(&model_name(), two, "bo", true, "r", Some(Seen::of(None)))
        .unwrap_err();
    assert_eq!(late.kind, ErrorKind::Conflict);
    let seen = Some(Seen::of(Some(one)));
    let right = registry.promote_as_seen(&model_name(), two, "bo", true, "r", seen);
    assert_eq!(right.unwrap().to, Some(two));
    let audit = house.services.access.audit(Some("model:late"), 1).unwrap();
    assert_eq!(audit[0].old.as_deref(), Some(one.to_string().as_str()));
    assert_eq!(audit[0].new.as_deref(), Some(two.to_string().as_str()));
}

#[test]
fn other_aliases_are_set_by_hand_and_the_champion_is_not() {
    let house = House::new();
    let registry = &house.services.registry;
    let version = house.version("logistic", &BOTH).version;
    let set = |alias, version| registry.set_alias(&model_name(), alias, version, "ana", None);
    set("challenger", Some(version)).unwrap();
    assert_eq!(
        registry.resolve(&model_name(), "challenger").unwrap(),
        Some(version)
    );
    assert_eq!(set("challenger", None).unwrap().to, None);
    for (alias, kind) in [
        (CHAMPION, ErrorKind::Conflict),
        ("latest", ErrorKind::Invalid),
        ("v3", ErrorKind::Invalid),
        ("a b", ErrorKind::Invalid),
    ] {
        assert_eq!(set(alias, Some(version)).unwrap_err().kind, kind, "{alias}");
    }
}

#[test]
fn a_promotion_swaps_what_answers_and_a_broken_version_does_not() {
    let house = House::new();
    let services = &house.services;
    services.serving.reconcile(services).unwrap();
    assert_eq!(
        services.serving.deployments().unwrap()[0].state,
        DeploymentState::Empty
    );
    assert_eq!(
        house.ask(0..1, 0.0).err().unwrap().kind,
        ErrorKind::Unavailable
    );
    let one = house.champion("logistic", &BOTH);
    assert_eq!(house.ask(0..5, 0.0).unwrap().version, one);
    let two = house.champion("bayes", &BOTH);
    assert_eq!(house.ask(0..5, 0.0).unwrap().version, two);
    let explicit = services
        .serving
        .predict(services, "late", Some(one), requests(0..5, 0.0), None)
        .unwrap();
    assert_eq!(explicit.version, one);

    let three = house.version("logistic", &BOTH).version;
    let file = services
        .registry
        .directory(&model_name(), three)
        .unwrap()
        .join("model.json");
    std::fs::write(&file, "{").unwrap();
    services
        .registry
        .promote(&model_name(), three, "ana", true, "to see it fail")
        .unwrap();
    services.serving.reconcile(services).unwrap();
    let deployment = services.serving.deployments().unwrap().remove(0);
    assert_eq!(
        (deployment.state, deployment.version),
        (DeploymentState::Failed, Some(two))
    );
    assert!(deployment.reason.unwrap().contains("v2 goes on answering"));
    assert_eq!(house.ask(0..5, 0.0).unwrap().version, two);
}

#[test]
fn bad_input_names_the_input_and_counts_as_failed() {
    let house = House::new();
    house.champion("logistic", &BOTH);
    let services = &house.services;
    let rows = requests(0..2, 0.0).select(&["color".into()]).unwrap();
    let missing = services.serving.predict(services, "late", None, rows, None);
    assert_eq!(
        missing.err().unwrap().message,
        "input `x` is missing: a number"
    );
    let rows = requests(0..2, 0.0);
    let text = std::sync::Arc::clone(rows.column("color").unwrap());
    let wrong =
        services
            .serving
            .predict(services, "late", None, rows.with("x", text).unwrap(), None);
    let message = wrong.err().unwrap().message;
    assert!(
        message.starts_with("input `x` must be a number; row 1 has"),
        "{message}"
    );
    let page = services.serving.live(services, None, 900).unwrap().unwrap();
    assert_eq!(page.total, (2, 2));
    assert!(!page.healthy);
    assert!(
        page.sentence
            .contains("errors 100 % > 10 % since 12:00, after"),
        "{}",
        page.sentence
    );
    assert_eq!(services.serving.healthy().unwrap(), Some(false));
}

#[test]
fn the_live_page_tells_traffic_and_survives_a_restart() {
    let house = House::new();
    let version = house.champion("logistic", &BOTH);
    let services = &house.services;
    let quiet = services.serving.live(services, None, 900).unwrap().unwrap();
    assert_eq!(quiet.sentence, "HEALTHY: 4 of 4 within limits, no request");
    for number in 0..60 {
        house.ask(number..number + 1, 0.0).unwrap();
        house.pass(1_000);
    }
    let services = &house.services;
    let page = services.serving.live(services, None, 900).unwrap().unwrap();
    assert_eq!(page.sentence, "HEALTHY: 4 of 4 within limits");
    assert_eq!(page.latency.iter().map(|one| one.requests).sum::<u64>(), 60);
    assert_eq!(page.predictions.counts.iter().sum::<u64>(), 60);
    assert_eq!(page.predictions_before.counts.iter().sum::<u64>(), 400);
    assert_eq!(
        page.marks
            .iter()
            .filter(|mark| mark.text == "promoted v1")
            .count(),
        1
    );
    assert!(
        page.requests[0].answer.starts_with("1 0."),
        "{}",
        page.requests[0].answer
    );
    assert!(
        page.limits
            .iter()
            .any(|limit| limit.name == "drift" && limit.value.is_some())
    );
    services.serving.flush().unwrap();
    let id = page.requests[0].id.clone();

    let house = house.again();
    let now = house.services.core.now();
    house.services.serving.recall(Timestamp(now.0 + 1)).unwrap();
    let services = &house.services;
    services.serving.reconcile(services).unwrap();
    let page = services.serving.live(services, None, 900).unwrap().unwrap();
    assert_eq!(page.latency.iter().map(|one| one.requests).sum::<u64>(), 60);
    assert_eq!(page.deployment.since, Some(Timestamp(NOW)));
    let why = services
        .serving
        .explain(services, &DeploymentName::from("late"), &id)
        .unwrap();
    assert_eq!(why.request.version, Some(version));
    assert_eq!(why.inputs.len(), 2);
}

#[test]
fn a_preview_says_what_callers_will_notice() {
    let house = House::new();
    let one = house.champion("logistic", &BOTH);
    house.ask(0..300, 0.0).unwrap();
    house.services.serving.flush().unwrap();
    let two = house.version("bayes", &["x"]).version;
    house.judged(two, true);
    let services = &house.services;
    let page = services
        .registry
        .preview(services, &model_name(), Some(two), false)
        .unwrap();
    assert_eq!(page.now.as_ref().unwrap().version, one);
    assert_eq!(page.then.version, two);
    assert!(page.then.p95_ms.unwrap() > 0.0);
    assert!(
        page.changes.contains(&"input `color` removed".to_owned()),
        "{:?}",
        page.changes
    );
    assert!(
        page.changes
            .iter()
            .any(|text| text.contains("flip (replayed 300 rows)"))
    );
    assert_eq!(page.deployments, ["late"]);
    assert!(page.verdict.unwrap().passed);
}

#[test]
fn production_checks_compare_with_what_was_served_and_with_the_registered_files() {
    let house = House::new();
    let version = house.champion("logistic", &BOTH);
    house.ask(0..300, 3.0).unwrap();
    let services = &house.services;
    services.serving.flush().unwrap();
    let gate = services.core.config().pipelines[0].gate.clone();
    let check = || {
        services
            .registry
            .production_checks(&model_name(), version, &gate)
            .unwrap()
    };
    let checks = check();
    assert_eq!(checks[0].key, "data_like_production");
    assert!(
        !checks[0].passed && checks[0].detail.starts_with("x PSI"),
        "{checks:?}"
    );
    assert!(checks[1].passed, "{checks:?}");
    let directory = services.registry.directory(&model_name(), version).unwrap();
    std::fs::write(directory.join("MLmodel"), "changed").unwrap();
    assert!(!check()[1].passed);
}

#[test]
fn a_monitor_reports_the_window_by_event_time_and_alerts() {
    let house = House::new();
    house.champion("logistic", &BOTH);
    house.ask(0..192, 3.0).unwrap();
    house.ask(0..192, 0.0).unwrap();
    house.ask(192..384, 3.0).unwrap();
    let services = &house.services;
    let day = |day: i64| Timestamp(1_767_225_600_000 + (day - 1) * 86_400_000);
    let look = |from, to, until| {
        services
            .monitoring
            .evaluate(services, "watch", day(from), day(to), until, "a window")
            .unwrap()
    };
    // The last word about each row counts: the first 192 rows are as in training.
    let calm = look(1, 5, None);
    assert_eq!(
        (calm.rows, calm.verdict),
        (192, DriftVerdict::Stable),
        "{:?}",
        calm.columns
    );
    let performance = calm.performance.unwrap();
    assert_eq!(
        (performance.labelled, performance.provisional),
        (192, false)
    );
    let auc = performance.metric("roc_auc").unwrap();
    assert!(auc > 0.8 && auc < 0.99, "{auc}");
    house.events();
    let moved = look(5, 9, Some(day(7)));
    assert_eq!(moved.verdict, DriftVerdict::Drift);
    let performance = moved.performance.as_ref().unwrap();
    assert!(performance.labelled < 192 && performance.provisional);
    let events = house.events();
    assert!(events.contains(&Event::DriftReported {
        monitor: "watch".into()
    }));
    assert!(events.contains(&Event::AlertsChanged));
    let again = look(5, 9, None);
    assert_eq!(again.id, moved.id);
    assert_eq!(services.monitoring.reports("watch").unwrap().len(), 2);
    let (drifting, alerts) = services.monitoring.badges().unwrap();
    assert_eq!((drifting, alerts), (again.drifted, 2));
    let page = services
        .monitoring
        .page(services, None, None, None)
        .unwrap()
        .unwrap();
    assert_eq!(page.since, Some(day(5)));
    assert!(
        page.sentence.contains("of 3 drift since 5 Jan; "),
        "{}",
        page.sentence
    );
    assert_eq!(page.rows[0].history.len(), 2);
    let x = services
        .monitoring
        .column(services, again.id, "x", None)
        .unwrap();
    assert!(!x.samples.is_empty());
    // held against the window before, as it was served
    let before = Reference::Window(services.monitoring.reports("watch").unwrap()[0].id);
    assert!(page.references.iter().any(|(one, _)| *one == before));
    let other = services
        .monitoring
        .page(services, None, Some(again.id), Some(&before))
        .unwrap()
        .unwrap();
    assert_eq!(other.against, Some(before.clone()));
    assert!(
        other.reference.ends_with(" as served"),
        "{}",
        other.reference
    );
    assert!(
        other
            .sentence
            .contains(&format!("against {}", other.reference)),
        "{}",
        other.sentence
    );
    let of = services
        .monitoring
        .column(services, again.id, "x", Some(&before))
        .unwrap();
    assert_ne!(of.column.chart.reference, x.column.chart.reference);
    // the stored report stays as it was
    assert_eq!(services.monitoring.reports("watch").unwrap()[1], again);
    assert_eq!(look(20, 21, None).verdict, DriftVerdict::NoData);
}

#[test]
fn datasets_resolve_with_what_they_are_made_from() {
    let house = House::new();
    let datasets = &house.services.datasets;
    let big = datasets.resolve("big").unwrap();
    assert!(crate::data::table::load(&big).unwrap().rows() < 400);
    assert_eq!(datasets.known("rows").unwrap().len(), 1);
    let config = house.services.core.config();
    let table = datasets.table(&config.pipelines[0], None, Some(5)).unwrap();
    assert_eq!((table.views.len(), table.to), (1, Some(5)));
    let built = datasets.table(&config.pipelines[0], None, None).unwrap();
    crate::data::table::build(&built, &mut |_, _| {}).unwrap();
    let unknown = datasets.resolve("row").unwrap_err();
    assert!(unknown.message.contains("`rows`"), "{unknown}");
    assert_eq!(datasets.page().unwrap().rows[0].files, 1);
}

/// What the job and the daemon do.
fn materialize(house: &House, view: &str, full: bool) -> crate::domain::online::Reading {
    let services = &house.services;
    let folder = house.folder.path().join("job");
    std::fs::create_dir_all(&folder).unwrap();
    let now = services.core.now();
    let spec = services
        .catalog
        .materialize_spec(services, view, now)
        .unwrap();
    let spec = services.catalog.going_on(spec, None, full).unwrap();
    let mut newest = crate::data::online::newest::newest(&spec, &mut |_, _| {}).unwrap();
    newest.batch.header.id = uuid::Uuid::new_v4().to_string();
    let path = folder.join("online.rows");
    newest.batch.write(&path).unwrap();
    let result = crate::domain::job::JobResult::Materialize {
        rows: newest.batch.header.rows,
        path: path.to_str().unwrap().into(),
        watermark: newest.watermark,
        profile: crate::data::profile::profile(&newest.table),
        reading: newest.reading.clone(),
    };
    services.catalog.take_in(&spec, &result).unwrap();
    // a daemon that died before it said so does it again
    services.catalog.take_in(&spec, &result).unwrap();
    newest.reading
}

#[test]
fn a_materialization_is_taken_in_whole_and_says_how_old_it_is() {
    let house = House::new();
    let services = &house.services;
    materialize(&house, "color_x", false);
    let entities = [("color".to_owned(), vec!["red".into(), "pink".into()])].into();
    let look = || {
        services
            .catalog
            .online(&["color_x:x".into()], &entities)
            .unwrap()
    };
    let found = look();
    assert_eq!(found[0]["color_x:x"]["status"], "FRESH");
    assert!(found[0]["color_x:x"]["value"].is_number());
    assert_eq!(found[1]["color_x:x"]["status"], "MISSING");
    house.pass(30 * 86_400_000);
    assert_eq!(look()[0]["color_x:x"]["status"], "STALE");
    let page = services.catalog.page(services).unwrap();
    assert_eq!((page.rows.len(), page.late), (1, 1));
    let detail = services.catalog.feature(services, "color_x", "x").unwrap();
    assert_eq!(detail.online_equal, Some((3, 3)));
    assert_eq!(detail.values.len(), 3);
}

#[test]
fn what_is_pushed_is_online_at_once_and_in_the_dataset() {
    use crate::domain::online::PushTo;
    let house = House::new();
    let services = &house.services;
    let first = materialize(&house, "color_x", false);
    assert!(!first.incremental);
    assert!(first.equality.values().all(|(equal, all)| equal == all));
    let push = |df: serde_json::Value, to| {
        let df = serde_json::from_value(df).unwrap();
        services.catalog.push(services, "color_x", df, to)
    };
    let entities = [("color".to_owned(), vec!["red".into(), "teal".into()])].into();
    let look = || -> Vec<serde_json::Value> {
        let found = services.catalog.online(&["color_x:x".into()], &entities);
        let rows = found.unwrap();
        rows.iter()
            .map(|row| row["color_x:x"]["value"].clone())
            .collect()
    };
    let before = look();
    let at = Timestamp(NOW - 1000).to_string();
    let rows = json!({"color": ["red", "teal"], "at": [at, at], "x": [41.5, 42.5]});
    let answer = push(rows.clone(), PushTo::OnlineAndOffline).unwrap();
    assert_eq!((answer.rows, answer.dataset.as_deref()), (2, Some("rows")));
    assert_eq!((answer.online[0].taken, answer.online[0].older), (2, 0));
    assert_eq!(look(), [json!(41.5), json!(42.5)]);
    // the same again changes nothing, and an older row stays behind
    push(rows, PushTo::OnlineAndOffline).unwrap();
    let old = json!({"color": ["red"], "at": [Timestamp(NOW - 2000).to_string()], "x": [0]});
    assert_eq!(push(old, PushTo::Online).unwrap().online[0].older, 1);
    assert_eq!(look(), [json!(41.5), json!(42.5)]);
    // a materialization from what is in the files says the same, whether it reads what is new or everything
    for full in [false, true] {
        let reading = materialize(&house, "color_x", full);
        assert_eq!(reading.incremental, !full);
        assert_eq!(reading.files_read, if full { 2 } else { 1 });
        assert_eq!(look(), [json!(41.5), json!(42.5)]);
    }
    // what went online only stays when everything is read again
    let newer = json!({"color": ["teal"], "at": [Timestamp(NOW).to_string()], "x": [7]});
    push(newer, PushTo::Online).unwrap();
    materialize(&house, "color_x", true);
    assert_eq!(look(), [json!(41.5), json!(7.0)]);
    assert_ne!(before, look());
    // nothing of a push with a wrong row is taken in
    let refused =
        |df: serde_json::Value| push(df, PushTo::OnlineAndOffline).unwrap_err().to_string();
    let error = refused(json!({"color": ["red", "red"], "at": [at, at], "x": [1, "a"]}));
    assert!(error.contains("row 2, column `x`"), "{error}");
    let error = refused(json!({"color": [null], "at": [at], "x": [1]}));
    assert!(error.contains("row 1, column `color`"), "{error}");
    let ahead = Timestamp(NOW + 3_600_000).to_string();
    let error = refused(json!({"color": ["red"], "at": [ahead], "x": [1]}));
    assert!(error.contains("has not come yet"), "{error}");
    let error = refused(json!({"color": ["red"], "at": [at]}));
    assert!(error.contains("`x`"), "{error}");
    assert_eq!(look(), [json!(41.5), json!(7.0)]);
}

#[test]
fn statistics_follow_all_values_whatever_a_materialization_brings() {
    use crate::domain::online::PushTo;
    let house = House::new();
    let services = &house.services;
    let push = |who: &str, value: f64, to| {
        let at = Timestamp(NOW - 1000).to_string();
        let df = serde_json::from_value(json!({"color": [who], "at": [at], "x": [value]}));
        let pushed = services.catalog.push(services, "color_x", df.unwrap(), to);
        assert_eq!(pushed.unwrap().online[0].taken, 1);
    };
    let greatest = |expected: f64| {
        let newest =
            |view: &crate::store::Connection| crate::store::catalog::newest(view, "color_x");
        let profile = services.core.store.read(newest).unwrap().unwrap().profile;
        assert_eq!(profile.columns[0].max, Some(expected));
        profile.rows
    };
    materialize(&house, "color_x", false);
    push("teal", 300.5, PushTo::OnlineAndOffline);
    materialize(&house, "color_x", false);
    assert_eq!(greatest(300.5), 4);
    // nothing new is in a file
    materialize(&house, "color_x", false);
    assert_eq!(greatest(300.5), 4);
    push("blond", 301.5, PushTo::Online);
    materialize(&house, "color_x", false);
    assert_eq!(greatest(301.5), 5);
}

#[test]
fn an_edit_over_somebody_elses_is_refused_and_says_whose() {
    let house = House::new();
    let registry = &house.services.registry;
    let version = house.version("logistic", &BOTH).version;
    let name = model_name();
    let text = |text: &str| Some(text.to_owned());
    let saw = |was: Option<String>| Some(Seen::of(was));
    let late = |error: crate::domain::Error, parts: &[&str]| {
        assert_eq!(error.kind, ErrorKind::Conflict);
        for part in parts {
            assert!(error.message.contains(part), "{error}");
        }
    };
    registry
        .tag_version(&name, version, "owner", text("bo"), "bo", saw(None))
        .unwrap();
    late(
        registry
            .tag_version(&name, version, "owner", text("ana"), "ana", saw(None))
            .unwrap_err(),
        &[
            "tag `owner` of v1 of `late` is `bo` now",
            "by bo",
            "not there",
        ],
    );
    registry
        .describe_version(&name, version, "first", "bo", saw(text("")))
        .unwrap();
    late(
        registry
            .describe_version(&name, version, "mine", "ana", saw(None))
            .err()
            .unwrap(),
        &["description of v1", "`first`", "by bo"],
    );
    registry
        .set_stage(&name, version, "Staging", false, "bo", saw(text("None")))
        .unwrap();
    late(
        registry
            .set_stage(&name, version, "Archived", false, "ana", saw(text("None")))
            .err()
            .unwrap(),
        &["the stage of v1", "`Staging`", "by bo"],
    );
    registry
        .tag_model(&name, "team", text("x"), "bo", saw(None))
        .unwrap();
    late(
        registry
            .tag_model(&name, "team", None, "ana", saw(text("y")))
            .unwrap_err(),
        &["tag `team` of `late` is `x` now", "you saw `y`"],
    );
    registry
        .set_alias(&name, "blue", Some(version), "bo", Some(Seen::of(None)))
        .unwrap();
    let two = house.version("bayes", &BOTH).version;
    late(
        registry
            .set_alias(&name, "blue", Some(two), "ana", Some(Seen::of(None)))
            .unwrap_err(),
        &[
            "`blue` of `late` names v1 now",
            "by bo",
            "you saw no version",
        ],
    );
    // MLflow's clients say nothing of what they saw
    registry
        .tag_version(&name, version, "owner", text("ana"), "mlflow", None)
        .unwrap();
}
