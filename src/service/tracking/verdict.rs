//! Which of two runs is better, in words. Pure.
//!
//! A run's metric is also logged once per fold, as `fold/<metric>` with the fold's number as step. Two runs
//! are compared fold by fold: the spread is the standard deviation (ddof 1) of the paired differences, and
//! two runs whose mean difference is smaller than one spread are called equal, aloud.

use crate::domain::run::{DatasetInput, Pair, Run};

/// Parameters that say which rows a run learned from and was judged on, as training jobs log them.
const ROWS: [&str; 5] = ["train_from", "train_to", "rows", "holdout_rows", "seed"];

/// Where two runs say that they were judged on different rows: the parameter, the first's value, the second's. Their
/// metrics are not comparable then, nor their folds.
pub fn other_rows<'a>(mine: &'a [Pair], theirs: &'a [Pair]) -> Option<[&'a str; 3]> {
    let value = |params: &'a [Pair], key: &str| {
        params
            .iter()
            .find(|pair| pair.key == key)
            .map(|pair| pair.value.as_str())
    };
    // a script's `seed` may seed anything; a training job's also deals out the rows
    let jobs = value(mine, "holdout_rows").is_some() && value(theirs, "holdout_rows").is_some();
    ROWS.into_iter()
        .filter(|key| jobs || *key != "seed")
        .find_map(|key| {
            let (mine, theirs) = (value(mine, key)?, value(theirs, key)?);
            (mine != theirs).then_some([key, mine, theirs])
        })
}

/// Words for data that a run was judged on, as MLflow's clients write them into an input's context.
const JUDGING: [&str; 6] = ["eval", "valid", "test", "holdout", "scor", "predict"];

/// Why the metrics of two runs are not comparable: they were judged on other rows or other data. None: they are, as
/// far as both say. Where both name data that they were judged on, other training data do not count.
pub fn unlike(mine: &Run, theirs: &Run, other: &str) -> Option<String> {
    if let Some([key, mine, theirs]) = other_rows(&mine.params, &theirs.params) {
        return Some(format!(
            "judged on other rows than {other}: `{key}` {mine}, not {theirs}"
        ));
    }
    let judging = |input: &&DatasetInput| {
        let context = input.context.as_deref().unwrap_or_default();
        let context = context.to_lowercase();
        JUDGING.iter().any(|word| context.contains(word))
    };
    let both = mine.inputs.iter().any(|input| judging(&input))
        && theirs.inputs.iter().any(|input| judging(&input));
    let of = |run: &'_ Run| -> Vec<(String, String)> {
        run.inputs
            .iter()
            .filter(|input| !both || judging(input))
            .map(|input| (input.name.clone(), input.digest.clone()))
            .collect()
    };
    let (mine, theirs) = (of(mine), of(theirs));
    let (name, digest, before) = mine.iter().find_map(|(name, digest)| {
        let same = |(known, other): &&(String, String)| known == name && other == digest;
        let before = theirs.iter().find(|(known, _)| known == name)?;
        (!theirs.iter().any(|one| same(&one))).then(|| (name, digest, before.1.clone()))
    })?;
    let short = |digest: &str| digest.chars().take(8).collect::<String>();
    Some(format!(
        "judged on other data than {other}: `{name}` digest {}…, not {}…",
        short(digest),
        short(&before)
    ))
}

/// Points of `fold/<metric>`: fold and value.
pub type Folds = [(i64, f64)];

/// One run against another over the folds that both have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Mean difference; positive: the first run is better.
    pub mean: f64,
    /// Standard deviation of the differences.
    pub spread: f64,
    /// Folds in which the first run is better.
    pub better: u32,
    /// Folds in which it is worse.
    pub worse: u32,
    /// Folds that both have: two at least.
    pub folds: u32,
}

impl Paired {
    /// The difference is within the folds' noise.
    pub fn is_equal(&self) -> bool {
        self.mean == 0.0 || self.mean.abs() < self.spread
    }
}

/// Compares `mine` with `theirs`; none with fewer than two finite folds in common.
pub fn paired(mine: &Folds, theirs: &Folds, greater_is_better: bool) -> Option<Paired> {
    let differences: Vec<f64> = mine
        .iter()
        .filter_map(|(fold, value)| {
            let (_, other) = theirs.iter().rev().find(|(other, _)| other == fold)?;
            let difference = if greater_is_better {
                value - other
            } else {
                other - value
            };
            difference.is_finite().then_some(difference)
        })
        .collect();
    let folds = u32::try_from(differences.len())
        .ok()
        .filter(|folds| *folds >= 2)?;
    let mean = differences.iter().sum::<f64>() / f64::from(folds);
    let squares: f64 = differences
        .iter()
        .map(|difference| (difference - mean).powi(2))
        .sum();
    let count = |wanted: fn(&f64) -> bool| {
        u32::try_from(
            differences
                .iter()
                .filter(|difference| wanted(difference))
                .count(),
        )
        .unwrap_or(u32::MAX)
    };
    Some(Paired {
        mean,
        spread: (squares / f64::from(folds - 1)).sqrt(),
        better: count(|difference| *difference > 0.0),
        worse: count(|difference| *difference < 0.0),
        folds,
    })
}

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Side<'a> {
    /// `A`, `champion`, a name.
    pub name: &'a str,
    /// Its folds.
    pub folds: &'a Folds,
    /// Its latest value of the metric.
    pub value: Option<f64>,
    /// Its parameters.
    pub params: &'a [Pair],
}

/// How `one` stands against `other`, as a sentence.
pub fn sentence(one: &Side<'_>, other: &Side<'_>, metric: &str, greater_is_better: bool) -> String {
    if let Some([key, mine, theirs]) = other_rows(one.params, other.params) {
        let value = |side: &Side<'_>| side.value.map_or_else(|| "none".to_owned(), short);
        return format!(
            "{} and {} were judged on different rows ({key} {mine} and {theirs}; {metric} {} and {}): only the gate has compared them on the same",
            one.name,
            other.name,
            value(one),
            value(other)
        );
    }
    if let Some(paired) = paired(one.folds, other.folds, greater_is_better) {
        if paired.is_equal() {
            return format!(
                "{} and {} differ by noise: {} is within the folds' spread ({})",
                one.name,
                other.name,
                short(paired.mean.abs()),
                short(paired.spread)
            );
        }
        let (winner, loser, folds) = if paired.mean > 0.0 {
            (one.name, other.name, paired.better)
        } else {
            (other.name, one.name, paired.worse)
        };
        return format!(
            "{winner} beats {loser} by {} in {folds} of {} folds",
            short(paired.mean.abs()),
            paired.folds
        );
    }
    let finite = |side: &Side<'_>| side.value.filter(|value| value.is_finite());
    match (finite(one), finite(other)) {
        (Some(mine), Some(theirs)) if mine == theirs => {
            format!("{} and {} have the same {metric}", one.name, other.name)
        }
        (Some(mine), Some(theirs)) => {
            let (winner, loser) = if (mine > theirs) == greater_is_better {
                (one.name, other.name)
            } else {
                (other.name, one.name)
            };
            format!(
                "{winner} beats {loser} by {} {metric}; no common folds show how much of it is noise",
                short((mine - theirs).abs())
            )
        }
        (None, None) => format!("neither {} nor {} has {metric}", one.name, other.name),
        (None, _) => format!("{} has no {metric}", one.name),
        (_, None) => format!("{} has no {metric}", other.name),
    }
}

/// A number at the precision that a sentence needs.
pub fn short(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size < 0.000_05 => format!("{value:.1e}"),
        size if size < 10.0 => format!("{value:.4}"),
        size if size < 1000.0 => format!("{value:.2}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    fn folds(values: &[f64]) -> Vec<(i64, f64)> {
        (0..).zip(values.iter().copied()).collect()
    }

    fn check(one: &[f64], other: &[f64], greater: bool, expected: &str) {
        let (one, other) = (folds(one), folds(other));
        let side = |name, folds| Side {
            params: &[],
            name,
            folds,
            value: None,
        };
        assert_eq!(
            sentence(&side("A", &one), &side("champion", &other), "auc", greater),
            expected
        );
    }

    #[test]
    fn other_data_are_another_yardstick() {
        let run = |inputs: &[(&str, &str, &str)]| Run {
            id: "a".into(),
            experiment: "1".into(),
            name: String::new(),
            user: String::new(),
            status: crate::domain::run::RunStatus::Finished,
            started: crate::domain::Timestamp(0),
            ended: None,
            lifecycle: crate::domain::experiment::Lifecycle::Active,
            artifact_uri: String::new(),
            params: Vec::new(),
            tags: Vec::new(),
            metrics: Vec::new(),
            inputs: inputs
                .iter()
                .map(|(name, digest, context)| DatasetInput {
                    name: (*name).to_owned(),
                    digest: (*digest).to_owned(),
                    source_type: "local".to_owned(),
                    source: String::new(),
                    schema: None,
                    profile: None,
                    context: Some((*context).to_owned()),
                    tags: Vec::new(),
                })
                .collect(),
            models: crate::domain::run::RunModels::default(),
        };
        let first = run(&[("rows", "aa", "training"), ("test", "cc", "evaluation")]);
        let other = run(&[("rows", "bb", "training"), ("test", "cc", "evaluation")]);
        assert_eq!(unlike(&first, &other, "v1"), None, "judged on the same");
        let alone = run(&[("rows", "bb", "training")]);
        assert_eq!(
            unlike(&first, &alone, "v1").as_deref(),
            Some("judged on other data than v1: `rows` digest aa…, not bb…")
        );
        assert_eq!(unlike(&first, &run(&[]), "v1"), None, "nobody says so");
    }

    #[test]
    fn a_clear_difference_is_a_win() {
        check(
            &[0.81, 0.82, 0.83],
            &[0.80, 0.81, 0.81],
            true,
            "A beats champion by 0.0133 in 3 of 3 folds",
        );
        check(
            &[0.81, 0.82, 0.83],
            &[0.80, 0.81, 0.81],
            false,
            "champion beats A by 0.0133 in 3 of 3 folds",
        );
    }

    #[test]
    fn a_small_difference_is_noise() {
        check(
            &[0.80, 0.82],
            &[0.81, 0.80],
            true,
            "A and champion differ by noise: 0.0050 is within the folds' spread (0.0212)",
        );
        check(
            &[0.5, 0.5],
            &[0.5, 0.5],
            true,
            "A and champion differ by noise: 0 is within the folds' spread (0)",
        );
    }

    #[test]
    fn without_folds_nothing_is_said_about_noise() {
        check(&[0.8], &[f64::NAN], true, "neither A nor champion has auc");
        let side = |name, value| Side {
            params: &[],
            name,
            folds: &[],
            value,
        };
        assert_eq!(
            sentence(&side("A", Some(0.5)), &side("B", Some(0.25)), "rmse", false),
            "B beats A by 0.2500 rmse; no common folds show how much of it is noise"
        );
        assert_eq!(
            sentence(&side("A", None), &side("B", Some(0.25)), "rmse", false),
            "A has no rmse"
        );
    }

    #[test]
    fn runs_judged_on_different_rows_get_no_verdict() {
        let params = |rows: &str| {
            vec![Pair {
                key: "holdout_rows".to_owned(),
                value: rows.to_owned(),
            }]
        };
        let (mine, theirs) = (params("10"), params("20"));
        let folds = [(0, 0.9), (1, 0.9)];
        let side = |name, params| Side {
            name,
            folds: &folds,
            value: Some(0.9),
            params,
        };
        let said = sentence(&side("A", &mine), &side("B", &theirs), "auc", true);
        assert!(
            said.starts_with("A and B were judged on different rows"),
            "{said}"
        );
        assert!(
            other_rows(&mine, &[]).is_none(),
            "a run that does not say is not held to differ"
        );
    }
}
