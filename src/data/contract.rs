//! The contract of the point-in-time join (R1 to R10), restated row by row as plainly as it can be said, against the
//! join that is used: thousands of random cases in memory, and some through files in chunks and groups.

#![allow(clippy::unwrap_used)]

use super::{Frame, features, file_join::FileJoin, instant, source, timeline};
use crate::domain::feature::{Aggregate, Entity, FeatureView, WindowSpec};
use crate::domain::job::{DataSource, ViewUse};
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use proptest::prelude::*;
use std::sync::Arc;

const MINUTE: i64 = 60_000_000;

/// Keys are small numbers, shown as a column of some kind.
type Key = Option<i64>;

#[derive(Clone, Debug)]
struct Row {
    keys: [Key; 3],
    at: Option<i64>,
}

#[derive(Clone, Debug)]
struct Fact {
    keys: [Key; 3],
    event: Option<i64>,
    created: Option<i64>,
    /// A feature, and what windows count.
    value: Option<i64>,
    word: Option<u8>,
}

#[derive(Clone, Debug)]
struct Case {
    rows: Vec<Row>,
    facts: Vec<Fact>,
    /// Kind of each key column, of the rows' side and of the facts'; none: no such key.
    kinds: Vec<(u8, u8)>,
    ttl: Option<i64>,
    has_created: bool,
    known_as_of: Option<bool>,
    /// How instants of the rows are written: 0 and 1 as times, else as text with this offset in minutes.
    offset: i64,
    lengths: [i64; 2],
}

fn key() -> impl Strategy<Value = Key> {
    prop_oneof![9 => (0i64..3).prop_map(Some), 1 => Just(None)]
}

fn minute() -> impl Strategy<Value = Option<i64>> {
    prop_oneof![12 => (0i64..40).prop_map(Some), 1 => Just(None)]
}

fn fact() -> impl Strategy<Value = Fact> {
    let value = prop::option::weighted(0.8, -3i64..4);
    let word = prop::option::weighted(0.8, 0u8..3);
    ([key(), key(), key()], minute(), minute(), value, word).prop_map(
        |(keys, event, created, value, word)| Fact {
            keys,
            event,
            created,
            value,
            word,
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let row = ([key(), key(), key()], minute()).prop_map(|(keys, at)| Row { keys, at });
    // whole numbers on one side may be numbers on the other
    let kind = prop_oneof![
        Just((0u8, 0u8)),
        Just((0, 1)),
        Just((1, 0)),
        Just((1, 1)),
        Just((2, 2)),
        Just((3, 3)),
        Just((4, 4))
    ];
    (
        prop::collection::vec(row, 0..30),
        prop::collection::vec(fact(), 0..50),
        prop::collection::vec(kind, 0..4),
        prop::option::of(0i64..20),
        (any::<bool>(), prop::option::of(any::<bool>())),
        prop_oneof![Just(0), Just(1), Just(-330), Just(120)],
        [1i64..10, 10i64..50],
    )
        .prop_map(
            |(rows, facts, kinds, ttl, (has_created, known_as_of), offset, lengths)| Case {
                rows,
                facts,
                kinds,
                ttl,
                has_created,
                known_as_of,
                offset,
                lengths,
            },
        )
}

fn key_column(kind: u8, keys: impl Iterator<Item = Key>) -> ArrayRef {
    match kind {
        0 => Arc::new(keys.collect::<Int64Array>()),
        1 => Arc::new(
            keys.map(|key| key.map(|key| key as f64))
                .collect::<Float64Array>(),
        ),
        2 => Arc::new(
            keys.map(|key| key.map(|key| format!("k{key}")))
                .collect::<StringArray>(),
        ),
        3 => Arc::new(
            keys.map(|key| key.map(|key| key > 0))
                .collect::<BooleanArray>(),
        ),
        _ => Arc::new(
            keys.map(|key| key.map(|key| key * 1_000_000_007))
                .collect::<TimestampMicrosecondArray>(),
        ),
    }
}

fn times(times: impl Iterator<Item = Option<i64>>, zoned: bool) -> ArrayRef {
    let times: TimestampMicrosecondArray = times.map(|at| at.map(|at| at * MINUTE)).collect();
    if zoned {
        Arc::new(times.with_timezone("UTC"))
    } else {
        Arc::new(times)
    }
}

impl Case {
    fn rows(&self) -> Frame {
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (at, (kind, _)) in self.kinds.iter().enumerate() {
            let column = key_column(*kind, self.rows.iter().map(|row| row.keys[at]));
            // under another name than the view's: the key map (R9)
            columns.push((format!("mine{at}"), column));
        }
        let at = || self.rows.iter().map(|row| row.at);
        let written = |at: i64| {
            let local = instant::format((at + self.offset) * MINUTE, false);
            let (sign, minutes) = (if self.offset < 0 { '-' } else { '+' }, self.offset.abs());
            format!("{local}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        };
        columns.push((
            "at".into(),
            match self.offset {
                0 | 1 => times(at(), self.offset == 1),
                _ => Arc::new(at().map(|at| at.map(written)).collect::<StringArray>()),
            },
        ));
        let numbers = (0..self.rows.len() as i64).map(Some);
        columns.push(("number".into(), Arc::new(numbers.collect::<Int64Array>())));
        Frame::from_columns(columns).unwrap()
    }

    fn facts(&self) -> Frame {
        let mut columns: Vec<(String, ArrayRef)> = Vec::new();
        for (at, (_, kind)) in self.kinds.iter().enumerate() {
            let column = key_column(*kind, self.facts.iter().map(|fact| fact.keys[at]));
            columns.push((format!("key{at}"), column));
        }
        let facts = || self.facts.iter();
        columns.push(("event".into(), times(facts().map(|fact| fact.event), true)));
        columns.push((
            "created".into(),
            times(facts().map(|fact| fact.created), false),
        ));
        let values = facts().map(|fact| fact.value.map(|value| value as f64));
        columns.push(("value".into(), Arc::new(values.collect::<Float64Array>())));
        let words = facts().map(|fact| fact.word.map(|word| format!("w{word}")));
        columns.push(("word".into(), Arc::new(words.collect::<StringArray>())));
        Frame::from_columns(columns).unwrap()
    }

    fn view(&self) -> FeatureView {
        let over: Vec<(String, i64)> = self
            .lengths
            .iter()
            .map(|length| (format!("{length}m"), length * MINUTE))
            .collect();
        FeatureView {
            name: "v".into(),
            entity: Entity {
                name: "e".into(),
                keys: (0..self.kinds.len()).map(|at| format!("key{at}")).collect(),
            },
            dataset: "facts".into(),
            event_time: "event".into(),
            available_at: self.has_created.then(|| "created".to_owned()),
            known_as_of: self.known_as_of,
            columns: vec!["value".into(), "word".into()],
            windows: vec![
                WindowSpec {
                    column: "value".into(),
                    aggregates: Aggregate::ALL.to_vec(),
                    over: over.clone(),
                    value: Some("2".into()),
                },
                WindowSpec {
                    column: "word".into(),
                    aggregates: vec![Aggregate::Last, Aggregate::Distinct],
                    over,
                    value: None,
                },
            ],
            ttl: self.ttl.map(|ttl| ttl * MINUTE),
            ..FeatureView::default()
        }
    }

    /// R6: all keys equal, and none null.
    fn same_entity(&self, row: &Row, fact: &Fact) -> bool {
        self.kinds
            .iter()
            .enumerate()
            .all(|(at, (kind, _))| match (row.keys[at], fact.keys[at]) {
                (Some(a), Some(b)) if *kind == 3 => (a > 0) == (b > 0),
                (Some(a), Some(b)) => a == b,
                _ => false,
            })
    }

    /// R2, R3, R4, R8: the fact that wins.
    fn winner(&self, row: &Row) -> Option<&Fact> {
        let at = row.at?;
        let created = |fact: &Fact| fact.created.filter(|_| self.has_created);
        let mut best: Option<&Fact> = None;
        for fact in &self.facts {
            let Some(event) = fact.event else { continue };
            let known = !self.has_created
                || self.known_as_of == Some(false)
                || fact.created.is_some_and(|created| created <= at);
            let fresh = self.ttl.is_none_or(|ttl| ttl == 0 || event >= at - ttl);
            if !self.same_entity(row, fact) || event > at || !fresh || !known {
                continue;
            }
            // R4: of equal ones the later in the file, always
            if best.is_none_or(|best| (fact.event, created(fact)) >= (best.event, created(best))) {
                best = Some(fact);
            }
        }
        best
    }

    /// R10: the facts in the window, in the order in which they were known.
    fn inside(&self, row: &Row, length: i64) -> Vec<&Fact> {
        let Some(at) = row.at else { return Vec::new() };
        let known = |fact: &Fact| {
            if self.has_created {
                fact.created
            } else {
                fact.event
            }
        };
        let mut inside: Vec<&Fact> = self
            .facts
            .iter()
            .filter(|fact| self.same_entity(row, fact))
            .filter(|fact| known(fact).is_some_and(|known| known <= at && known > at - length))
            .collect();
        inside.sort_by_key(|fact| (known(fact), fact.event));
        inside
    }

    /// A feature of a row, as text.
    fn expected(&self, row: &Row, name: &str) -> Option<String> {
        let number = |value: f64| (value + 0.0).to_string();
        match name {
            "value" => return self.winner(row)?.value.map(|value| number(value as f64)),
            "word" => return self.winner(row)?.word.map(|word| format!("w{word}")),
            _ => {}
        }
        let has_entity = (0..self.kinds.len()).all(|at| row.keys[at].is_some());
        if row.at.is_none() || !has_entity {
            return None;
        }
        let view = self.view();
        let (spec, (_, aggregate, length)) = view
            .windows
            .iter()
            .flat_map(|spec| spec.feature_names().into_iter().map(move |one| (spec, one)))
            .find(|(_, (feature, _, _))| feature == name)
            .unwrap();
        let inside = self.inside(row, length / MINUTE);
        if spec.column == "word" {
            let words: Vec<u8> = inside.iter().filter_map(|fact| fact.word).collect();
            return match aggregate {
                Aggregate::Last => words.last().map(|word| format!("w{word}")),
                _ => Some(
                    words
                        .iter()
                        .collect::<std::collections::BTreeSet<_>>()
                        .len()
                        .to_string(),
                ),
            };
        }
        let values: Vec<f64> = inside
            .iter()
            .filter_map(|fact| fact.value)
            .map(|value| value as f64)
            .collect();
        let count = values.len() as f64;
        let mean = values.iter().sum::<f64>() / count;
        let some = |value: f64| (!values.is_empty()).then(|| number(value));
        match aggregate {
            Aggregate::Count => Some(number(count)),
            Aggregate::Distinct => {
                let different: std::collections::BTreeSet<i64> =
                    values.iter().map(|value| *value as i64).collect();
                Some(different.len().to_string())
            }
            Aggregate::Sum => some(values.iter().sum()),
            Aggregate::Mean => some(mean),
            Aggregate::Min => some(values.iter().copied().fold(f64::INFINITY, f64::min)),
            Aggregate::Max => some(values.iter().copied().fold(f64::NEG_INFINITY, f64::max)),
            Aggregate::Last => some(values.last().copied().unwrap_or_default()),
            Aggregate::Share => {
                some(values.iter().filter(|value| **value == 2.0).count() as f64 / count)
            }
            Aggregate::Std if values.len() < 2 => None,
            Aggregate::Std => {
                let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
                Some(number((squares / (count - 1.0)).sqrt()))
            }
        }
    }

    fn check(&self, name: &str, found: &ArrayRef) -> Result<(), TestCaseError> {
        // R1: every row once, in its order
        prop_assert_eq!(found.len(), self.rows.len());
        for (row, got) in self.rows.iter().zip(super::frame::texts(found)) {
            let expected = self.expected(row, name);
            let number = |text: &Option<String>| text.as_ref().and_then(|text| text.parse().ok());
            let close = match (number(&got), number(&expected)) {
                (Some(got), Some(expected)) => {
                    let (got, expected): (f64, f64) = (got, expected);
                    (got - expected).abs() < 1e-9
                }
                _ => got == expected,
            };
            prop_assert!(close, "{name} of {row:?}: {got:?}, expected {expected:?}");
        }
        Ok(())
    }

    fn row_keys(&self) -> Vec<String> {
        (0..self.kinds.len())
            .map(|at| format!("mine{at}"))
            .collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_join_keeps_the_contract(case in case()) {
        let (rows, view) = (case.rows(), case.view());
        let names = view.feature_names();
        let at = timeline::instants(&rows, "at").unwrap();
        let found = features::join(&view, &case.facts(), &names, &rows, &case.row_keys(), &at).unwrap();
        for (name, array) in names.iter().zip(&found) {
            case.check(name, array)?;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn files_in_chunks_and_groups_keep_the_contract(case in case(), memory in prop_oneof![Just(1_u64), Just(4_000), Just(1 << 30)]) {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("rows.parquet");
        case.rows().write(&rows).unwrap();
        let facts = case.facts();
        let half = facts.rows() as u32 / 2;
        let indices = |range: std::ops::Range<u32>| range.collect::<Vec<_>>();
        facts.take(&indices(0..half)).unwrap().write(&folder.path().join("facts1.parquet")).unwrap();
        facts.take(&indices(half..facts.rows() as u32)).unwrap().write(&folder.path().join("facts2.parquet")).unwrap();
        let view = case.view();
        let join = FileJoin {
            rows: vec![rows],
            timestamp: "at".into(),
            views: vec![ViewUse {
                features: view.feature_names(),
                source: DataSource::Files(source::snapshot("facts", folder.path(), "facts*.parquet", &[]).unwrap()),
                keys: case.row_keys(),
                prefix: String::new(),
                view: view.clone(),
            }],
            output: folder.path().join("out.parquet"),
            memory,
        };
        let mut parts = Vec::new();
        let joined = join.each(&mut |_, _| {}, &mut |chunk| {
            parts.push(chunk.clone());
            Ok(())
        }).unwrap();
        prop_assert_eq!(joined.rows, case.rows.len() as u64);
        let found = Frame::concat(&parts).unwrap();
        let numbers = found.column("number").unwrap();
        let numbers = super::frame::texts(numbers);
        prop_assert!(numbers.iter().enumerate().all(|(at, number)| number.as_deref() == Some(at.to_string().as_str())));
        for name in view.feature_names() {
            case.check(&name, found.column(&name).unwrap())?;
        }
    }
}

#[test]
fn a_null_of_the_winner_stays_null() {
    let facts = Frame::from_columns(vec![
        (
            "k".into(),
            Arc::new(Int64Array::from(vec![1, 1])) as ArrayRef,
        ),
        ("event".into(), times([Some(1), Some(2)].into_iter(), true)),
        (
            "x".into(),
            Arc::new(Float64Array::from(vec![Some(7.0), None])),
        ),
    ])
    .unwrap();
    let rows = Frame::from_columns(vec![(
        "k".into(),
        Arc::new(Int64Array::from(vec![1])) as ArrayRef,
    )])
    .unwrap();
    let view = FeatureView {
        name: "v".into(),
        entity: Entity {
            name: "e".into(),
            keys: vec!["k".into()],
        },
        event_time: "event".into(),
        columns: vec!["x".into()],
        ..FeatureView::default()
    };
    let at = Int64Array::from(vec![5 * MINUTE]);
    let found = features::join(&view, &facts, &["x".into()], &rows, &["k".into()], &at).unwrap();
    assert!(found[0].as_primitive::<Float64Type>().is_null(0));
}
