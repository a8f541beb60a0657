#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::store::{Store, experiments};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Step, time, value and the mark of NaN: a point as the set of them sorts it.
type Plain = (i64, i64, i64, bool);

/// Values in the order of their numbers; the last stands for NaN.
const VALUES: [f64; 4] = [f64::NEG_INFINITY, -0.5, 0.0, f64::INFINITY];

fn value((_, _, value, nan): Plain) -> f64 {
    if nan {
        f64::NAN
    } else {
        VALUES[value as usize]
    }
}

fn scratch() -> (tempfile::TempDir, Store, ExperimentId) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    let experiment = store
        .write(|transaction| experiments::insert(transaction, None, "e", None, Timestamp(0)))
        .unwrap();
    store
        .write(|transaction| {
            transaction.execute_batch(
                "insert into runs (number, id, experiment, name, user, status, started, lifecycle, artifact_uri)
                 select 1, 'a', id, 'a', 'ana', 'RUNNING', 1, 'active', 'x' from experiments where name = 'e'",
            )?;
            Ok(())
        })
        .unwrap();
    (folder, store, experiment)
}

fn log(store: &Store, experiment: &ExperimentId, batch: &[(&str, Plain)]) {
    let points: Vec<Metric> = batch
        .iter()
        .map(|(key, point)| Metric {
            key: (*key).to_owned(),
            value: value(*point),
            timestamp: Timestamp(point.1),
            step: point.0,
        })
        .collect();
    let experiment = experiment.clone();
    store
        .write(move |transaction| insert(transaction, 1, &experiment, &points.iter().collect()))
        .unwrap();
}

fn plain(point: Place) -> Plain {
    let (stored, nan) = stored(point.value);
    let number = VALUES
        .iter()
        .position(|value| *value == stored)
        .expect("a value that was logged");
    (point.step, point.at.0, number as i64, nan)
}

fn kept(store: &Store, key: &str, place: Option<Place>, limit: u64) -> Vec<Place> {
    let mut points = Vec::new();
    store
        .read(|view| scan_after(view, 1, key, place, limit, |point| points.push(point)))
        .unwrap();
    points
}

fn number(store: &Store, sql: &str) -> i64 {
    store
        .read(|view| Ok(view.query_row(sql, [], |row| row.get(0))?))
        .unwrap()
}

fn points() -> impl Strategy<Value = Vec<Plain>> {
    let point = (0_i64..12, 0_i64..3, 0_i64..4, prop::bool::weighted(0.1))
        .prop_map(|(step, at, value, nan)| (step, at, if nan { 2 } else { value }, nan));
    prop_oneof![
        // Anything, again and again.
        prop::collection::vec(point, 1..40),
        // A piece of a loop.
        (0_i64..40, 1_i64..30).prop_map(|(from, steps)| (from..from + steps)
            .map(|step| (step, 1, step % 4, false))
            .collect()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(
        std::env::var("CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(60)
    ))]
    #[test]
    fn whatever_is_logged_is_there_once_and_in_order(
        batches in prop::collection::vec((points(), any::<bool>()), 1..12)
    ) {
        let (_folder, store, experiment) = scratch();
        let mut expected: [BTreeSet<Plain>; 2] = Default::default();
        for (batch, both) in &batches {
            let mut rows: Vec<(&str, Plain)> = Vec::new();
            for point in batch {
                rows.push(("loss", *point));
                expected[0].insert(*point);
                if *both {
                    rows.push(("score", *point));
                    expected[1].insert(*point);
                }
            }
            log(&store, &experiment, &rows);
        }
        for (key, expected) in ["loss", "score"].into_iter().zip(&expected) {
            let expected: Vec<Plain> = expected.iter().copied().collect();
            let all = kept(&store, key, None, u64::MAX);
            let found: Vec<Plain> = all.iter().map(|point| plain(*point)).collect();
            prop_assert_eq!(&found, &expected);
            let counted = store.read(|view| count(view, 1, key)).unwrap();
            prop_assert_eq!(counted, expected.len() as u64);
            // From each point on, and a page of two.
            for (at, place) in all.iter().enumerate() {
                let page: Vec<Plain> = kept(&store, key, Some(*place), 2).into_iter().map(plain).collect();
                prop_assert_eq!(&page[..], &expected[at + 1..(at + 3).min(expected.len())]);
            }
            let whole = store.read(|view| history(view, 1, key, 3, 5)).unwrap();
            prop_assert_eq!(whole.len(), expected.len().saturating_sub(3).min(5));
            // The latest is by step, time and value.
            let latest = store.read(|view| latest(view, 1)).unwrap();
            let latest = latest.iter().find(|metric| metric.key == key);
            prop_assert_eq!(
                latest.map(|metric| (metric.step, metric.timestamp.0)),
                expected.last().map(|(step, at, _, _)| (*step, *at))
            );
        }
        let curves = store.read(|view| curves(view, 1)).unwrap();
        let long = expected.iter().filter(|points| points.len() > 1).count();
        prop_assert_eq!(curves.len(), long);
    }
}

#[test]
fn a_batch_sent_twice_takes_no_room_twice() {
    let (_folder, store, experiment) = scratch();
    let batch: Vec<(&str, Plain)> = (0..700)
        .map(|step| ("loss", (step, step, step % 4, false)))
        .collect();
    for _ in 0..3 {
        log(&store, &experiment, &batch);
    }
    assert_eq!(number(&store, "select count(*) from metric_packs"), 3);
    assert_eq!(number(&store, "select count(*) from metrics"), 0);
    assert_eq!(kept(&store, "loss", None, u64::MAX).len(), 700);
}

#[test]
fn points_that_come_late_stand_where_they_belong() {
    let (_folder, store, experiment) = scratch();
    let even: Vec<(&str, Plain)> = (0..100)
        .map(|step| ("loss", (step * 2, 1, 1, false)))
        .collect();
    let odd: Vec<(&str, Plain)> = (0..100)
        .map(|step| ("loss", (step * 2 + 1, 1, 1, false)))
        .collect();
    log(&store, &experiment, &even);
    log(&store, &experiment, &odd);
    let steps: Vec<i64> = kept(&store, "loss", None, u64::MAX)
        .iter()
        .map(|point| point.step)
        .collect();
    assert_eq!(steps, (0..200).collect::<Vec<_>>());
}

#[test]
fn sql_sees_packed_points_as_rows() {
    let (_folder, store, experiment) = scratch();
    let mut batch: Vec<(&str, Plain)> = (0..20)
        .map(|step| ("loss", (step, step * 10, step % 4, false)))
        .collect();
    batch.push(("loss", (20, 200, 2, true)));
    log(&store, &experiment, &batch);
    log(&store, &experiment, &[("loss", (21, 210, 1, false))]);
    let connection = Connection::open_in_memory().unwrap();
    let path: String = store
        .read(|view| {
            Ok(view.query_row(
                "select file from pragma_database_list where name = 'main'",
                [],
                |row| row.get(0),
            )?)
        })
        .unwrap();
    crate::store::relations::register(&connection).unwrap();
    connection
        .execute("attach database ?1 as kept", [path])
        .unwrap();
    let (_, view) = crate::store::relations::VIEWS
        .iter()
        .find(|(name, _)| *name == "metrics")
        .unwrap();
    let text: String = connection
        .query_row(
            &format!(
                "select group_concat(step || ':' || at || ':' || coalesce(value, 'null') || ':' || typeof(value), ' ')
                 from (select * from ({view}) where key = 'loss' and run_id = 'a' and (step < 4 or step > 19) order by step)"
            ),
            [],
            |row| row.get(0),
        )
        .unwrap();
    assert_eq!(
        text,
        "0:0:-Inf:real 1:10000:-0.5:real 2:20000:0.0:real 3:30000:Inf:real 20:200000:null:null 21:210000:-0.5:real"
    );
}

#[test]
fn a_damaged_pack_is_named() {
    let (_folder, store, experiment) = scratch();
    let batch: Vec<(&str, Plain)> = (0..20).map(|step| ("loss", (step, 1, 1, false))).collect();
    log(&store, &experiment, &batch);
    store
        .write(|transaction| {
            transaction.execute_batch("update metric_packs set data = substr(data, 1, 40)")?;
            Ok(())
        })
        .unwrap();
    let error = store
        .read(|view| scan(view, 1, "loss", |_, _, _| ()))
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("row 1 of `metric_packs` is damaged"),
        "{error}"
    );
}
