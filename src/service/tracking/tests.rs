//! The read models over a real store.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::{METRIC_TAG, NewRun};
use crate::config::Config;
use crate::domain::metric::Metric;
use crate::domain::run::{Pair, RunQuery};
use crate::domain::{ErrorKind, RunId, SystemClock, Timestamp};
use crate::service::Services;
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

fn run(services: &Services, name: &str, points: Vec<Metric>) -> RunId {
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
        run(&services, name, vec![point("auc", 0, auc)]);
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
    let id = run(&services, "spiky", points);
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
    let better = run(&services, "better", folds([0.81, 0.82, 0.83]));
    let worse = run(&services, "worse", folds([0.80, 0.81, 0.81]));
    let comparison = services.tracking.compare(&[better, worse]).unwrap();
    assert_eq!(comparison.verdicts, ["A beats B by 0.0133 in 3 of 3 folds"]);
    assert_eq!(comparison.differences[0].key, "name");
    assert!(!comparison.differences[0].equal);
}

#[test]
fn parameters_never_change_and_a_batch_is_refused_whole() {
    let (_folder, services) = house();
    let id = run(&services, "fixed", Vec::new());
    let refused = services.tracking.log_batch(
        &id,
        vec![point("auc", 0, 1.0)],
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
        .log_batch(&id, vec![point("auc", 0, auc)], params, tags)
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
