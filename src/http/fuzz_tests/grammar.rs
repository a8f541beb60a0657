//! Filters and orders of every kind, made of the grammar's own words in any order, and their SQL on a real database; paths
//! of artifacts. A filter is refused or it runs: SQLite never sees one that it cannot take.

use super::house::Asked;
use super::mutation::{Dice, text};
use super::{TRIES, number};
use crate::domain::{ArtifactPath, ErrorKind, ExperimentId};
use crate::service::tracking::RunSearch;
use crate::service::tracking::logged_models::{ModelOrderBy, ModelSearch};
use std::path::{Component, Path};

const WORDS: &[&str] = &[
    "metrics.loss",
    "metric.`a b`",
    "metrics.\"x\"",
    "params.depth",
    "param.`a``b`",
    "tags.team",
    "tag.mlflow.user",
    "tags.`mlflow.prompt.is_prompt`",
    "attributes.status",
    "status",
    "run_name",
    "`run name`",
    "start_time",
    "end_time",
    "datasets.name",
    "dataset.digest",
    "datasets.context",
    "name",
    "experiment_id",
    "creation_time",
    "version_number",
    "run_id",
    "source_path",
    "model_id",
    "user:ana",
    "state:done",
    "loss",
    "first",
    "'first'",
    "\"a\"",
    "`a`",
    "and",
    "AND",
    "or",
    "OR",
    "not",
    "in",
    "NOT IN",
    "like",
    "ILIKE",
    "is",
    "IS NULL",
    "is not null",
    "(",
    ")",
    "((",
    "))",
    ",",
    ":",
    ".",
    "=",
    "!=",
    "<>",
    "==",
    "<",
    "<=",
    ">",
    ">=",
    "!",
    "'3'",
    "'%'",
    "'it''s'",
    "'",
    "\"",
    "`",
    "0.5",
    "-1",
    "1e5",
    "1e999",
    "nan",
    "inf",
    "('a','b')",
    "('a')",
    "()",
    "%",
    "_",
    "\\",
    "--",
    ";",
    "desc",
    "ASC",
    "\u{0}",
    "é",
];

/// A filter: words in any order, or a sound one with a piece exchanged, or very much of the same.
fn filter(dice: &mut Dice) -> String {
    match dice.below(20) {
        0 => {
            let word = dice.pick(&[" and ", " or ", " "]);
            let one = dice.pick(&[
                "metrics.loss < 1",
                "tags.team = 'a'",
                "status = 'RUNNING'",
                "params.depth LIKE '3%'",
            ]);
            vec![one; [2, 2, 3, 5, 40, 40, 300, 1200, 6000][dice.below(9)]].join(word)
        }
        1 => {
            let deep = [3, 10, 49, 51, 500, 40_000][dice.below(6)];
            "(".repeat(deep) + "status = 'RUNNING'" + &")".repeat(deep)
        }
        2 => {
            let list = vec!["'a'"; [1, 2, 3, 100, 100, 40_000][dice.below(6)]].join(",");
            format!("run_id IN ({list})")
        }
        3 => format!(
            "tags.team LIKE '{}'",
            "%a".repeat([1, 100, 30_000][dice.below(3)])
        ),
        4 => format!("metrics.`{}` > 1", text(dice)),
        5 => format!("tags.team = '{}'", text(dice)),
        6 => text(dice),
        7..=11 => {
            let subject = dice.pick(&WORDS[..27]);
            let operator = dice.pick(&[
                "=", "!=", "<", ">", "<=", ">=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL",
            ]);
            let value = dice.pick(&[
                "'3'",
                "0.5",
                "-1",
                "('a','b')",
                "'RUNNING'",
                "",
                "1e999",
                "'%_*[?'",
            ]);
            let more = if dice.once_in(2) {
                format!(" and {}", filter(dice))
            } else {
                String::new()
            };
            format!("{subject} {operator} {value}{more}")
        }
        _ => {
            let words: Vec<&str> = (0..dice.below(12)).map(|_| dice.pick(WORDS)).collect();
            words.join(if dice.once_in(4) { "" } else { " " })
        }
    }
}

fn order(dice: &mut Dice) -> String {
    let word = if dice.once_in(6) {
        text(dice)
    } else {
        dice.pick(WORDS).to_owned()
    };
    format!(
        "{word} {}",
        dice.pick(&["", "", "DESC", "asc", "DESC DESC", "nulls first"])
    )
}

fn orders(dice: &mut Dice) -> Vec<String> {
    let many = match dice.below(30) {
        0 => 70,
        1 => 2500,
        _ => dice.below(3),
    };
    match many > 3 {
        true => vec![
            dice.pick(&[
                "metrics.loss DESC",
                "params.depth",
                "start_time",
                "name",
                "tags.a"
            ])
            .to_owned();
            many
        ],
        false => (0..many).map(|_| order(dice)).collect(),
    }
}

#[test]
fn fuzz_every_filter_is_refused_or_runs() {
    let tries = number("TRAINYARD_FUZZ_TRIES", TRIES);
    let seed = number("TRAINYARD_FUZZ_SEED", 1);
    let asked = Asked::new();
    let services = asked.services();
    let experiments: Vec<ExperimentId> = services
        .tracking
        .experiments()
        .unwrap()
        .into_iter()
        .map(|one| one.id)
        .collect();
    let (mut ran, mut failures) = (0, Vec::new());
    for case in 0..tries {
        let mut dice = Dice::of(seed ^ 0xf11e, case);
        let (filter, orders) = (filter(&mut dice), orders(&mut dice));
        let offset = if dice.once_in(9) {
            u64::MAX
        } else {
            dice.below(3) as u64
        };
        let limit = if dice.once_in(9) { u64::MAX } else { 5 };
        let outcome = match case % 6 {
            0 | 1 => services
                .tracking
                .search_runs(&RunSearch {
                    experiments: match dice.once_in(400) {
                        true => experiments.iter().cycle().take(40_000).cloned().collect(),
                        false => experiments.clone(),
                    },
                    filter: filter.clone(),
                    order_by: orders.clone(),
                    offset,
                    limit,
                    ..RunSearch::default()
                })
                .map(|_| ()),
            2 => services
                .tracking
                .search_experiments(&filter, &orders, None, offset, limit)
                .map(|_| ()),
            3 => services
                .registry
                .search_models(&filter, &orders, offset, limit)
                .map(|_| ()),
            4 => services
                .registry
                .search_versions(&filter, &orders, offset, limit)
                .map(|_| ()),
            _ => services
                .tracking
                .search_logged_models(&ModelSearch {
                    experiments: experiments.clone(),
                    filter: filter.clone(),
                    datasets: vec![
                        ("d".to_owned(), None);
                        if dice.once_in(40) {
                            1500
                        } else {
                            dice.below(2)
                        }
                    ],
                    order_by: orders
                        .iter()
                        .map(|field| ModelOrderBy {
                            field: field.clone(),
                            ascending: dice.once_in(2),
                            dataset: None,
                        })
                        .collect(),
                    offset,
                    limit,
                })
                .map(|_| ()),
        };
        // the dashboard's dialect, on the same text
        let table = crate::domain::run::RunQuery {
            experiment: None,
            filter: filter.clone(),
            order_by: orders.first().cloned().unwrap_or_default(),
            offset: 0,
            limit: 5,
            archived: false,
            parent: None,
            roots: dice.once_in(2),
        };
        let shown = services.tracking.table(&table).map(|_| ());
        for outcome in [outcome, shown] {
            match outcome {
                Ok(()) => ran += 1,
                Err(error) if error.kind == ErrorKind::Invalid => {}
                Err(error) => failures.push(format!(
                    "seed {seed} case {case}: {error}\n{filter:.300} {:?}\n",
                    orders.first()
                )),
            }
        }
        if failures.len() > 20 {
            break;
        }
    }
    eprintln!("{tries} filters, seed {seed}: {ran} searches ran");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(ran > tries / 10, "{ran}");
}

#[test]
fn fuzz_no_artifact_path_leaves_its_root() {
    let tries = number("TRAINYARD_FUZZ_TRIES", TRIES);
    let seed = number("TRAINYARD_FUZZ_SEED", 1);
    let root = Path::new("/root/of/all");
    let mut taken = 0;
    for case in 0..tries {
        let mut dice = Dice::of(seed ^ 0xa57, case);
        let parts: Vec<String> = (0..dice.below(5)).map(|_| text(&mut dice)).collect();
        let path = parts.join(dice.pick(&["/", "/", "//", "\\", ""]));
        for parsed in [
            ArtifactPath::parse(&path).ok(),
            ArtifactPath::folder(&path).ok().flatten(),
        ] {
            let Some(parsed) = parsed else {
                continue;
            };
            taken += 1;
            let whole = root.join(parsed.as_str());
            assert!(
                whole.starts_with(root) && whole != root,
                "case {case}: {path:?}"
            );
            assert!(
                Path::new(parsed.as_str())
                    .components()
                    .all(|part| matches!(part, Component::Normal(_))),
                "case {case}: {path:?}"
            );
            assert_eq!(ArtifactPath::parse(parsed.as_str()).unwrap(), parsed);
        }
    }
    assert!(taken > tries / 20, "{taken}");
}
