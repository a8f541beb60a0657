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
