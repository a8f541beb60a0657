//! The contract of the point-in-time join (R1 to R10), restated row by row as plainly as it can be said, against the
//! join that is used: thousands of random cases in memory, and some through files in however little memory.

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

/// Rows and facts of a case in files, and two uses of its view.
struct Files {
    folder: tempfile::TempDir,
    rows: std::path::PathBuf,
    views: Vec<ViewUse>,
}

impl Case {
    fn files(&self, ending: &str) -> Files {
        let folder = tempfile::tempdir().unwrap();
        let rows = folder.path().join("rows.parquet");
        self.rows().write(&rows).unwrap();
        let facts = self.facts();
        let (half, all) = (facts.rows() as u32 / 2, facts.rows() as u32);
        for (file, range) in [("facts1", 0..half), ("facts2", half..all)] {
            let file = folder.path().join(format!("{file}.{ending}"));
            let part = facts.take(&range.collect::<Vec<_>>()).unwrap();
            part.write(&file).unwrap();
        }
        let views = ["", "again_"].map(|prefix| ViewUse {
            features: self.view().feature_names(),
            source: DataSource::Files(
                source::snapshot("facts", folder.path(), "facts*", &[]).unwrap(),
            ),
            keys: self.row_keys(),
            prefix: prefix.into(),
            view: FeatureView {
                ttl: self.view().ttl.filter(|_| prefix.is_empty()),
                ..self.view()
            },
        });
        Files {
            folder,
            rows,
            views: views.into(),
        }
    }
}

impl Files {
    /// The join in so much memory: parts it was done in, and what it wrote.
    fn joined(&self, memory: u64, ending: &str) -> (u64, Vec<u8>) {
        let output = self.folder.path().join(format!("out{memory}.{ending}"));
        let join = FileJoin {
            rows: vec![self.rows.clone()],
            timestamp: "at".into(),
            views: self.views.clone(),
            output: output.clone(),
            memory,
        };
        let parts = join.run(&mut |_, _| {}).unwrap().parts;
        let hidden = std::fs::read_dir(self.folder.path())
            .unwrap()
            .filter(|file| {
                file.as_ref()
                    .unwrap()
                    .file_name()
                    .to_string_lossy()
                    .starts_with('.')
            });
        assert_eq!(hidden.count(), 0);
        (parts, std::fs::read(output).unwrap())
    }
}

/// The cells of a file, numbers to nine digits: the last of a deviation is another when an entity's rows are taken apart.
fn rounded(text: Vec<u8>) -> Vec<String> {
    let text = String::from_utf8(text).unwrap();
    let cells = text.split([',', ':', '\n']);
    let rounded = cells.map(|cell| match cell.parse::<f64>() {
        Ok(number) => format!("{number:.9}"),
        Err(_) => cell.to_owned(),
    });
    rounded.collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn files_keep_the_contract_in_however_little_memory(case in case(), small in prop_oneof![Just(1_u64), Just(8_000), Just(40_000)]) {
        let files = case.files("parquet");
        let (parts, whole) = files.joined(1 << 30, "jsonl");
        prop_assert_eq!(parts, 0);
        let (parts, spilled) = files.joined(small, "jsonl");
        prop_assert!(parts > 0 || small > 1 || case.rows.len() < 2);
        prop_assert_eq!(rounded(spilled), rounded(whole));
        files.joined(small, "parquet");
        let found = source::read(&[files.folder.path().join(format!("out{small}.parquet"))], None).unwrap();
        prop_assert_eq!(found.rows(), case.rows.len());
        let numbers = super::frame::texts(found.column("number").unwrap());
        prop_assert!(numbers.iter().enumerate().all(|(at, number)| number.as_deref() == Some(at.to_string().as_str())));
        for name in case.view().feature_names() {
            case.check(&name, found.column(&name).unwrap())?;
        }
    }

    #[test]
    fn facts_in_text_come_to_the_same_in_however_little_memory(case in case(), small in prop_oneof![Just(1_u64), Just(40_000)]) {
        let files = case.files("csv");
        let (_, whole) = files.joined(1 << 30, "csv");
        let (_, spilled) = files.joined(small, "csv");
        prop_assert_eq!(rounded(spilled), rounded(whole));
    }
}

#[test]
fn thousands_of_rows_beyond_memory_are_the_same_file() {
    let mixed = |number: i64| (number * 7_919 + number * number * 31) % 10_007;
    let rows = (0..5_000).map(|row| Row {
        // a fifth of the rows ask for one entity, some for one that nothing is known of
        keys: [
            Some(if row % 5 == 0 { 0 } else { mixed(row) % 1_000 }),
            None,
            None,
        ],
        at: (row % 97 != 0).then(|| mixed(row + 5) % 5_000),
    });
    let facts = (0..8_000).map(|fact| Fact {
        keys: [Some(mixed(fact + 3) % 990), None, None],
        event: Some(mixed(fact + 7) % 5_000),
        created: (fact % 50 != 0).then(|| mixed(fact + 7) % 5_000 + fact % 9),
        value: (fact % 11 != 0).then_some(mixed(fact) % 7 - 3),
        word: (fact % 13 != 0).then_some((fact % 3) as u8),
    });
    let case = Case {
        rows: rows.collect(),
        facts: facts.collect(),
        kinds: vec![(0, 1)],
        ttl: Some(600),
        has_created: true,
        known_as_of: None,
        offset: 1,
        lengths: [100, 700],
    };
    let files = case.files("parquet");
    let (parts, whole) = files.joined(1 << 30, "parquet");
    assert_eq!(parts, 0);
    for memory in [1_200_000, 4_000_000] {
        let (parts, spilled) = files.joined(memory, "parquet");
        assert!(parts > 2, "{parts}");
        assert!(spilled == whole, "{memory}");
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
