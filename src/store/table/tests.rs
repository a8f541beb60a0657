#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use super::*;
use crate::domain::metric::Metric;
use crate::domain::run::{RunModels, RunStatus};
use crate::domain::{ExperimentId, Timestamp};
use crate::store::metrics::Place;
use crate::store::search::{self, Dialect};
use crate::store::{Store, experiments};

fn scratch() -> (tempfile::TempDir, Store, ExperimentId) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("store.db")).unwrap();
    let experiment = store
        .write(|transaction| experiments::insert(transaction, None, "many", None, Timestamp(0)))
        .unwrap();
    (folder, store, experiment)
}

fn run(number: i64, experiment: &ExperimentId) -> Run {
    Run {
        id: RunId(format!("{number:032x}")),
        experiment: experiment.clone(),
        name: format!("run-{number}"),
        user: "ana".to_owned(),
        status: RunStatus::Finished,
        // Three begin at once: their ids decide.
        started: Timestamp(number / 3),
        ended: None,
        lifecycle: Lifecycle::Active,
        artifact_uri: String::new(),
        params: Vec::new(),
        tags: Vec::new(),
        metrics: Vec::new(),
        inputs: Vec::new(),
        models: RunModels::default(),
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

fn history(store: &Store, number: i64, key: &str) -> Vec<(i64, i64, u64)> {
    let mut points = Vec::new();
    store
        .read(|view| {
            metrics::scan(view, number, key, |step, at, value| {
                points.push((step, at.0, value.to_bits()));
            })
        })
        .unwrap();
    points
}

#[test]
fn a_batch_is_kept_whole_whatever_its_length() {
    let (_folder, store, experiment) = scratch();
    for (number, length) in [1_i64, 49, 50, 51, 100, 999, 1000].into_iter().enumerate() {
        let number = number as i64 + 1;
        let points: Vec<Metric> = (0..length)
            .flat_map(|step| {
                let point = point(["a", "b", "c"][step as usize % 3], step, step as f64);
                // The same point twice is one point.
                [point.clone(), point]
            })
            .collect();
        let experiment = experiment.clone();
        store
            .write(move |transaction| {
                let number = runs::insert(transaction, &run(number, &experiment))?;
                metrics::insert(transaction, number, &experiment, &points.iter().collect())?;
                // What is older than the latest does not become the latest.
                metrics::insert(
                    transaction,
                    number,
                    &experiment,
                    &[point("a", -1, 9.0)].iter().collect(),
                )
            })
            .unwrap();
        let kept: usize = ["a", "b", "c"]
            .iter()
            .map(|key| history(&store, number, key).len())
            .sum();
        assert_eq!(kept as i64, length + 1);
        let latest = store.read(|view| metrics::latest(view, number)).unwrap();
        for metric in latest {
            let last = (0..length)
                .rfind(|step| ["a", "b", "c"][*step as usize % 3] == metric.key)
                .unwrap();
            assert_eq!((metric.step, metric.value), (last, last as f64));
        }
    }
}

#[test]
fn pages_of_a_history_meet_without_gap_or_overlap() {
    let (_folder, store, experiment) = scratch();
    let odd = [f64::NEG_INFINITY, -0.5, 0.0, f64::NAN, 7.25, f64::INFINITY];
    let points: Vec<Metric> = (-2..3)
        .flat_map(|step| odd.map(|value| point("loss", step, value)))
        .collect();
    store
        .write(move |transaction| {
            let number = runs::insert(transaction, &run(1, &experiment))?;
            metrics::insert(transaction, number, &experiment, &points.iter().collect())
        })
        .unwrap();
    let all = history(&store, 1, "loss");
    assert_eq!(all.len(), 30);
    for size in 1..=31 {
        let mut seen = Vec::new();
        let mut place: Option<Place> = None;
        loop {
            let before = seen.len();
            store
                .read(|view| {
                    metrics::scan_after(view, 1, "loss", place, size, |point| {
                        seen.push((point.step, point.at.0, point.value.to_bits()));
                    })
                })
                .unwrap();
            if seen.len() == before {
                break;
            }
            let (step, at, value) = seen[seen.len() - 1];
            place = Some(Place {
                step,
                at: Timestamp(at),
                value: f64::from_bits(value),
            });
        }
        assert_eq!(seen, all, "pages of {size}");
    }
}

/// What a run of the crowd below has: a number, NaN, or nothing.
fn score(number: i64) -> Option<f64> {
    match number % 7 {
        0 => None,
        1 => Some(f64::NAN),
        // Many are equal: their start decides.
        _ => Some((number * 37 % 400) as f64),
    }
}

#[test]
fn few_are_sorted_and_many_are_walked_to_the_same_order() {
    const RUNS: i64 = 2 * FEW + 100;
    let (_folder, store, experiment) = scratch();
    let filed = experiment.clone();
    store
        .write(move |transaction| {
            for number in 1..=RUNS {
                let row = runs::insert(transaction, &run(number, &filed))?;
                let mut points = vec![point("other", 0, (number % 100) as f64)];
                points.extend(score(number).map(|value| point("score", 0, value)));
                metrics::insert(transaction, row, &filed, &points.iter().collect())?;
            }
            Ok(())
        })
        .unwrap();
    for (filter, keeps) in [
        ("", 0),
        ("metrics.other > 49", 50),
        ("metrics.other > 96", 97),
        ("metrics.score >= 10 and metrics.other >= 0", 0),
    ] {
        for descending in [false, true] {
            let mut expected: Vec<i64> = (1..=RUNS)
                .filter(|number| number % 100 >= keeps)
                .filter(|number| {
                    !filter.contains("score") || score(*number).is_some_and(|score| score >= 10.0)
                })
                .collect();
            let group = |number: &i64| match score(*number) {
                Some(score) if score.is_nan() => 1,
                Some(_) => 0,
                None => 2,
            };
            expected.sort_by(|a, b| {
                let values = score(*a).partial_cmp(&score(*b));
                let values = values.unwrap_or(std::cmp::Ordering::Equal);
                group(a)
                    .cmp(&group(b))
                    .then(if descending { values.reverse() } else { values })
                    .then((b / 3).cmp(&(a / 3)))
                    .then(a.cmp(b))
            });
            let scope = Scope {
                experiments: Some(vec![experiments::number(&experiment).unwrap()]),
                lifecycle: Some(Lifecycle::Active),
                filter: search::parse(filter, Dialect::Mlflow).unwrap(),
            };
            let order = [Order {
                by: Subject::Metric("score".to_owned()),
                descending,
                numeric: false,
            }];
            let total = store.read(|view| count(view, &scope)).unwrap();
            assert_eq!(total as usize, expected.len(), "{filter}");
            for offset in [0, 30, expected.len() - 20] {
                let page = store
                    .read(|view| window(view, &scope, &order, offset as u64, 40))
                    .unwrap();
                let end = expected.len().min(offset + 40);
                assert_eq!(page, expected[offset..end], "{filter} from {offset}");
            }
        }
    }
}

#[test]
fn rows_come_in_the_order_asked_for_with_what_hangs_on_them() {
    let (_folder, store, experiment) = scratch();
    let filed = experiment.clone();
    store
        .write(move |transaction| {
            for number in 1..=5 {
                let row = runs::insert(transaction, &run(number, &filed))?;
                for key in ["z", "a"] {
                    let pair = Pair {
                        key: key.to_owned(),
                        value: number.to_string(),
                    };
                    runs::set_param(transaction, row, &filed, &pair)?;
                    runs::set_tag(transaction, row, &pair)?;
                }
                let points = [point("z", 1, 1.0), point("b", 2, number as f64)];
                metrics::insert(transaction, row, &filed, &points.iter().collect())?;
            }
            Ok(())
        })
        .unwrap();
    let found = store.read(|view| whole(view, &[4, 1, 99, 5])).unwrap();
    let names: Vec<&str> = found.iter().map(|run| run.name.as_str()).collect();
    assert_eq!(names, ["run-4", "run-1", "run-5"]);
    for run in found {
        let number = store
            .read(|view| Ok(runs::header(view, &run.id)?.0))
            .unwrap();
        let read = store.read(|view| runs::get(view, &run.id)).unwrap();
        assert_eq!(run, read, "{number}");
        assert_eq!(run.params[0].key, "a");
        assert_eq!(run.metrics[0].key, "b");
    }
}
