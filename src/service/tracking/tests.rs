//! The read models over a real store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{METRIC_TAG, NewRun};
use crate::config::Config;
use crate::domain::access::{Actor, Role, RunScope};
use crate::domain::metric::Metric;
use crate::domain::run::{Pair, RunQuery, RunStatus};
use crate::domain::{ErrorKind, RunId, Seen, SystemClock, Timestamp};
use crate::service::Services;
use crate::service::access::on_behalf;
use crate::workspace::Workspace;
use std::sync::Arc;

fn house() -> (tempfile::TempDir, Arc<Services>) {
    let folder = tempfile::tempdir().unwrap();
    let workspace = Workspace::at(folder.path()).unwrap();
    let services = Services::open(workspace, Config::default(), Arc::new(SystemClock)).unwrap();
    (folder, services)
}

fn pair(key: &str, value: &str) -> Pair {
    Pair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn point(key: &str, step: i64, value: f64) -> Metric {
    Metric {
        key: key.to_owned(),
        value,
        timestamp: Timestamp(step),
        step,
    }
}

fn run(services: &Services, name: &str, points: &[Metric]) -> RunId {
    let new = NewRun {
        name: Some(name.to_owned()),
        user: "ana".to_owned(),
        ..NewRun::default()
    };
    let id = services.tracking.create_run(new).unwrap().id;
    let tags = vec![pair(METRIC_TAG, "auc")];
    services
        .tracking
        .log_batch(&id, points, vec![pair("name", name)], tags)
        .unwrap();
    id
}

fn query(filter: &str, order: &str) -> RunQuery {
    RunQuery {
        filter: filter.to_owned(),
        order_by: order.to_owned(),
        limit: 3,
        ..RunQuery::default()
    }
}

#[test]
fn the_table_filters_sorts_and_names_the_best() {
    let (_folder, services) = house();
    for (name, auc) in [
        ("low", 0.1),
        ("odd", f64::NAN),
        ("high", 0.9),
        ("middle", 0.5),
    ] {
        run(&services, name, &[point("auc", 0, auc)]);
    }
    let names = |filter: &str, order: &str| {
        let table = services.tracking.table(&query(filter, order)).unwrap();
        let names: Vec<String> = table.rows.into_iter().map(|row| row.name).collect();
        (names.join(" "), table.total, table.unfiltered)
    };
    assert_eq!(
        names("", "metrics.auc DESC"),
        ("high middle low".to_owned(), 4, 4)
    );
    assert_eq!(
        names("auc<0.6 or odd", "metrics.auc ASC"),
        ("low middle odd".to_owned(), 3, 4)
    );
    let table = services.tracking.table(&query("auc<0.6", "")).unwrap();
    assert_eq!(table.primary_metric.as_deref(), Some("auc"));
    let best = services.tracking.run(&table.best.unwrap()).unwrap();
    assert_eq!(best.name, "middle");
    assert_eq!(table.metric_keys, ["auc"]);
}

#[test]
fn a_spike_survives_in_its_bucket() {
    let (_folder, services) = house();
    let mut points: Vec<Metric> = (0..900).map(|step| point("loss", step, 0.5)).collect();
    points[333].value = 9.0;
    points[444].value = f64::NAN;
    let id = run(&services, "spiky", &points);
    let series = services.tracking.series(&id, "loss", 9).unwrap();
    assert_eq!((series.buckets.len(), series.points), (9, 900));
    assert_eq!((series.buckets[3].min, series.buckets[3].max), (0.5, 9.0));
    assert_eq!(series.buckets[4].odd, 1);
    assert_eq!(series.buckets[8].step, 899);
    let none = services.tracking.series(&id, "absent", 10).unwrap();
    assert!(none.buckets.is_empty());
}

#[test]
fn runs_are_compared_fold_by_fold() {
    let (_folder, services) = house();
    let folds = |values: [f64; 3]| {
        let mut points: Vec<Metric> = (0..)
            .zip(values)
            .map(|(fold, value)| point("fold/auc", fold, value))
            .collect();
        points.push(point("auc", 0, values[0]));
        points
    };
    let better = run(&services, "better", &folds([0.81, 0.82, 0.83]));
    let worse = run(&services, "worse", &folds([0.80, 0.81, 0.81]));
    let comparison = services.tracking.compare(&[better, worse]).unwrap();
    assert_eq!(comparison.verdicts, ["A beats B by 0.0133 in 3 of 3 folds"]);
    assert_eq!(comparison.differences[0].key, "name");
    assert!(!comparison.differences[0].equal);
}

#[test]
fn parameters_never_change_and_a_batch_is_refused_whole() {
    let (_folder, services) = house();
    let id = run(&services, "fixed", &[]);
    let refused = services.tracking.log_batch(
        &id,
        &[point("auc", 0, 1.0)],
        vec![pair("name", "other")],
        Vec::new(),
    );
    assert_eq!(refused.unwrap_err().kind, ErrorKind::Invalid);
    assert!(services.tracking.run(&id).unwrap().metrics.is_empty());
    services.tracking.note(&id, "a note").unwrap();
    services.tracking.note(&id, "").unwrap();
    services.tracking.note(&id, "").unwrap();
    assert_eq!(services.tracking.run(&id).unwrap().tag(super::NOTE), None);
}

/// A run of `user` with parameters and tags.
fn tried(
    services: &Services,
    user: &str,
    auc: f64,
    params: &[(&str, &str)],
    tags: &[(&str, &str)],
) -> RunId {
    let new = NewRun {
        user: user.to_owned(),
        name: Some(format!("{user}-{auc}")),
        ..NewRun::default()
    };
    let id = services.tracking.create_run(new).unwrap().id;
    let params = params.iter().map(|(key, value)| pair(key, value)).collect();
    let mut tags: Vec<Pair> = tags.iter().map(|(key, value)| pair(key, value)).collect();
    tags.push(pair(METRIC_TAG, "auc"));
    services
        .tracking
        .log_batch(&id, &[point("auc", 0, auc)], params, tags)
        .unwrap();
    id
}

#[test]
fn groups_say_whose_is_best() {
    use crate::domain::board::GroupBy;
    let (_folder, services) = house();
    for (user, auc, team) in [("ana", 0.7, "a"), ("bo", 0.9, "a"), ("ana", 0.8, "b")] {
        tried(&services, user, auc, &[("depth", "4")], &[("team", team)]);
    }
    tried(&services, "cem", f64::NAN, &[], &[]);
    let groups = |by| services.tracking.groups(&RunQuery::default(), &by).unwrap();
    let shown = groups(GroupBy::User);
    let names: Vec<_> = shown
        .groups
        .iter()
        .map(|group| (group.name.clone().unwrap(), group.runs, group.judged))
        .collect();
    assert_eq!(
        names,
        [
            ("bo".to_owned(), 1, 1),
            ("ana".to_owned(), 2, 2),
            ("cem".to_owned(), 1, 0)
        ]
    );
    assert_eq!(shown.groups[1].best.as_ref().unwrap().name, "ana-0.8");
    assert!(
        shown
            .sentence
            .starts_with("bo (bo-0.9) beats ana (ana-0.8)"),
        "{}",
        shown.sentence
    );
    let shown = groups(GroupBy::Param("depth".to_owned()));
    assert_eq!(shown.groups[0].name.as_deref(), Some("4"));
    assert_eq!(shown.groups[1].name, None, "the run without it");
    let shown = groups(GroupBy::Tag("team".to_owned()));
    assert_eq!(shown.groups[0].name.as_deref(), Some("a"));
}

#[test]
fn a_sweep_has_the_parameters_that_differ() {
    let (_folder, services) = house();
    for (auc, depth) in [(0.7, "4"), (0.9, "8")] {
        tried(
            &services,
            "ana",
            auc,
            &[("depth", depth), ("kind", "tree")],
            &[],
        );
    }
    let sweep = services
        .tracking
        .sweep(&RunQuery::default(), "auc")
        .unwrap();
    assert_eq!(sweep.params, ["depth"]);
    assert_eq!(sweep.points[0].params, [Some("8".to_owned())]);
    assert_eq!((sweep.points.len(), sweep.total), (2, 2));
}

#[test]
fn children_stand_below_their_parents_and_archived_runs_apart() {
    let (_folder, services) = house();
    let parent = tried(&services, "ana", 0.5, &[], &[]);
    let child = |auc| {
        tried(
            &services,
            "ana",
            auc,
            &[],
            &[(crate::store::board::PARENT, parent.as_str())],
        )
    };
    let (_, second) = (child(0.6), child(0.7));
    let table = |query: RunQuery| {
        services
            .tracking
            .table(&RunQuery {
                order_by: "best".to_owned(),
                limit: 10,
                ..query
            })
            .unwrap()
    };
    let roots = table(RunQuery {
        roots: true,
        ..RunQuery::default()
    });
    assert_eq!((roots.total, roots.rows[0].children), (1, 2));
    let below = table(RunQuery {
        parent: Some(parent.clone()),
        ..RunQuery::default()
    });
    assert_eq!((below.total, below.rows[0].name.as_str()), (2, "ana-0.7"));
    assert_eq!(below.rows[0].parent.as_ref(), Some(&parent));
    assert_eq!(
        table(RunQuery::default()).total,
        3,
        "all of them in one order"
    );
    services.tracking.archive(&second, false).unwrap();
    let archived = table(RunQuery {
        archived: true,
        ..RunQuery::default()
    });
    assert_eq!((archived.total, archived.archived), (1, 1));
    services.tracking.archive(&parent, false).unwrap();
    let roots = table(RunQuery {
        roots: true,
        ..RunQuery::default()
    });
    assert_eq!(
        roots.total, 1,
        "the child of an archived parent is not lost"
    );
}

#[test]
fn the_best_run_is_said_in_words() {
    let (_folder, services) = house();
    tried(&services, "ana", 0.7, &[], &[]);
    tried(&services, "bo", 0.9, &[], &[]);
    let table = services.tracking.table(&query("", "best")).unwrap();
    assert_eq!(
        table.sentence,
        "bo-0.9 is best by auc 0.9000; bo-0.9 beats ana-0.7 by 0.2000 auc; no common folds show how much of it is noise"
    );
    assert_eq!(table.rows[0].name, "bo-0.9");
}

/// A line of the audit: who, what, and so on, old and new.
type Told = (String, String, String, Option<String>, Option<String>);

#[test]
fn what_somebody_changes_of_a_run_is_in_the_audit_and_its_own_log_is_not() {
    let (_folder, services) = house();
    let tracking = &services.tracking;
    let id = run(&services, "told", &[]);
    let object = format!("run:{id}");
    let told = |services: &Services| -> Vec<Told> {
        services
            .access
            .audit(Some(&object), 100)
            .unwrap()
            .into_iter()
            .map(|line| (line.by, line.action, line.detail, line.old, line.new))
            .collect()
    };
    let some = |text: &str| Some(text.to_owned());
    // the daemon, a run's own token, and a script of an open loopback that writes what was not there
    tracking.tag_run(&id, "team", some("a"), None).unwrap();
    let scope = RunScope {
        run: id.clone(),
        experiment: "0".into(),
    };
    on_behalf(Some(actor("run", Some(scope))), || {
        tracking.tag_run(&id, "team", some("b"), None).unwrap();
    });
    on_behalf(Some(actor("", None)), || {
        tracking.tag_run(&id, "size", some("1"), None).unwrap();
        tracking
            .update_run(&id, Some(RunStatus::Finished), None, None)
            .unwrap();
    });
    assert_eq!(told(&services), []);
    // over what was there, by nobody; anything by somebody
    on_behalf(Some(actor("", None)), || {
        tracking.tag_run(&id, "size", some("2"), None).unwrap();
        tracking
            .log_batch(
                &id,
                &[],
                Vec::new(),
                vec![pair("size", "3"), pair("new", "x")],
            )
            .unwrap();
    });
    on_behalf(Some(actor("ana", None)), || {
        tracking.tag_run(&id, "fresh", some("y"), None).unwrap();
        tracking.tag_run(&id, "fresh", some("y"), None).unwrap();
        tracking.tag_run(&id, "size", None, None).unwrap();
        tracking
            .update_run(&id, Some(RunStatus::Failed), None, some("renamed"))
            .unwrap();
    });
    let line = |by: &str, action: &str, detail: &str, old: Option<&str>, new: Option<&str>| {
        (
            by.to_owned(),
            action.to_owned(),
            detail.to_owned(),
            old.map(str::to_owned),
            new.map(str::to_owned),
        )
    };
    let told = told(&services);
    let before = told[0].3.clone();
    assert_eq!(
        told,
        [
            line(
                "ana",
                "tag_run",
                super::RUN_NAME,
                before.as_deref(),
                Some("renamed")
            ),
            line(
                "ana",
                "update_run",
                "status",
                Some("FINISHED"),
                Some("FAILED")
            ),
            line("ana", "tag_run", "size", Some("3"), None),
            line("ana", "tag_run", "fresh", None, Some("y")),
            line("", "tag_run", "size", Some("2"), Some("3")),
            line("", "tag_run", "size", Some("1"), Some("2")),
        ]
    );
    // who comes late is told who was there before, and what is there now
    let seen = Some(Seen::of(some("x")));
    let late = tracking.tag_run(&id, "fresh", some("z"), seen).unwrap_err();
    assert_eq!(late.kind, ErrorKind::Conflict);
    for part in [
        "tag `fresh` of run `renamed` is `y` now",
        "changed by ana at",
        "you saw `x`",
    ] {
        assert!(late.message.contains(part), "{late}");
    }
    let seen = Some(Seen::of(some("y")));
    tracking.tag_run(&id, "fresh", some("z"), seen).unwrap();
}

fn actor(name: &str, scope: Option<RunScope>) -> Arc<Actor> {
    Arc::new(Actor {
        name: name.to_owned(),
        from: "10.0.0.7".to_owned(),
        role: Role::Operator,
        token: scope.as_ref().map(|_| "ty_00000000".to_owned()),
        scope,
    })
}

#[test]
fn a_search_beyond_what_a_statement_takes_is_refused() {
    let (_folder, services) = house();
    let search = |filter: String, orders: usize, experiments: usize| {
        services.tracking.search_runs(&super::RunSearch {
            experiments: (0..experiments)
                .map(|number| number.to_string().into())
                .collect(),
            filter,
            order_by: vec!["metrics.a".to_owned(); orders],
            limit: 5,
            ..super::RunSearch::default()
        })
    };
    let many = |count: usize| vec!["metrics.a < 1"; count].join(" and ");
    search(many(300), 32, 10_000).unwrap();
    for (filter, orders, experiments, why) in [
        (many(301), 1, 1, "more than 300 comparisons"),
        (String::new(), 33, 1, "at most 32"),
        (String::new(), 1, 10_001, "at most 10000"),
        (
            format!("tags.a LIKE '{}'", "%a".repeat(6_000)),
            1,
            1,
            "at most 10000 characters",
        ),
    ] {
        let refused = search(filter, orders, experiments).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Invalid);
        assert!(refused.message.contains(why), "{refused}");
        assert!(refused.message.len() < 1_000, "{refused}");
    }
}
