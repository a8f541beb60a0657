//! What may be logged: MLflow's rules for keys and sizes. Pure.

use crate::domain::metric::Points;
use crate::domain::run::Pair;
use crate::domain::{Error, ExperimentId, Result};
use crate::store::experiments;

/// Metrics in one batch.
const METRICS: usize = 1000;
/// Parameters in one batch.
const PARAMS: usize = 100;
/// Tags in one batch.
const TAGS: usize = 100;
/// All of them together.
const TOTAL: usize = 1000;
/// Characters of a key.
const KEY: usize = 250;
/// Characters of a parameter's value.
const PARAM_VALUE: usize = 6000;
/// Characters of a run tag's value.
const TAG_VALUE: usize = 8000;
/// Characters of an experiment tag's value.
const EXPERIMENT_TAG_VALUE: usize = 20_000;
/// Characters of an experiment's name.
const EXPERIMENT_NAME: usize = 500;

/// Experiments of one search: SQLite takes 32,766 values in a statement.
const EXPERIMENTS: usize = 10_000;

fn length(what: &str, text: &str, limit: usize) -> Result<()> {
    let length = text.chars().count();
    if length > limit {
        return Err(Error::invalid(format!(
            "{what} has {length} characters, at most {limit} are allowed"
        )));
    }
    Ok(())
}

/// A metric's, parameter's or tag's key: letters, digits, `_ - . space : /`, at most 250 characters, and no
/// path tricks, because keys become file names in exports.
pub fn key(kind: &str, key: &str) -> Result<()> {
    let refused = |why: &str| Error::invalid(format!("invalid {kind} name `{key}`: {why}"));
    if key.is_empty() {
        return Err(Error::invalid(format!("a {kind} needs a name")));
    }
    length(&format!("{kind} name `{key:.40}…`"), key, KEY)?;
    if !key
        .chars()
        .all(|character| character.is_alphanumeric() || "_-. :/".contains(character))
    {
        return Err(refused(
            "letters, digits, `_`, `-`, `.`, `:`, `/` and spaces are allowed",
        ));
    }
    if key.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(refused(
            "as a path it must be relative, without empty parts, `.` or `..`",
        ));
    }
    Ok(())
}

/// A parameter.
pub fn param(pair: &Pair) -> Result<()> {
    key("parameter", &pair.key)?;
    length(
        &format!("the value of parameter `{}`", pair.key),
        &pair.value,
        PARAM_VALUE,
    )
}

/// A run's tag.
pub fn tag(pair: &Pair) -> Result<()> {
    key("tag", &pair.key)?;
    length(
        &format!("the value of tag `{}`", pair.key),
        &pair.value,
        TAG_VALUE,
    )
}

/// An experiment's tag.
pub fn experiment_tag(pair: &Pair) -> Result<()> {
    key("tag", &pair.key)?;
    length(
        &format!("the value of tag `{}`", pair.key),
        &pair.value,
        EXPERIMENT_TAG_VALUE,
    )
}

/// An experiment's name.
pub fn experiment_name(name: &str) -> Result<()> {
    if name.trim().is_empty() {
        return Err(Error::invalid("an experiment needs a name"));
    }
    length("the experiment's name", name, EXPERIMENT_NAME)
}

/// Numbers of the experiments of a search, each once.
pub fn experiments(ids: &[ExperimentId]) -> Result<Vec<i64>> {
    let mut numbers = ids
        .iter()
        .map(experiments::number)
        .collect::<Result<Vec<_>>>()?;
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.len() > EXPERIMENTS {
        return Err(Error::invalid(format!(
            "{} experiments, at most {EXPERIMENTS} are searched at once",
            numbers.len()
        )));
    }
    Ok(numbers)
}

/// A whole batch: it is refused whole.
pub fn batch(metrics: &Points, params: &[Pair], tags: &[Pair]) -> Result<()> {
    for (what, count, limit) in [
        ("metrics", metrics.points().len(), METRICS),
        ("parameters", params.len(), PARAMS),
        ("tags", tags.len(), TAGS),
        (
            "metrics, parameters and tags",
            metrics.points().len() + params.len() + tags.len(),
            TOTAL,
        ),
    ] {
        if count > limit {
            return Err(Error::invalid(format!(
                "a batch may have at most {limit} {what}, this one has {count}: send it in parts"
            )));
        }
    }
    metrics
        .keys()
        .iter()
        .try_for_each(|name| key("metric", name))?;
    if let Some(early) = metrics.points().iter().find(|one| one.timestamp.0 < 0) {
        return Err(Error::invalid(format!(
            "`timestamp` {} of metric `{}` is negative",
            early.timestamp.0,
            metrics.keys()[early.key as usize]
        )));
    }
    params.iter().try_for_each(param)?;
    let mut keys = std::collections::BTreeSet::new();
    if let Some(twice) = params.iter().find(|param| !keys.insert(&param.key)) {
        return Err(Error::invalid(format!(
            "parameter `{}` is twice in one batch",
            twice.key
        )));
    }
    tags.iter().try_for_each(tag)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::domain::Timestamp;

    #[test]
    fn keys_are_mlflows() {
        for good in [
            "loss",
            "val/loss",
            "a b",
            "a:b",
            "größe",
            "fold/roc_auc",
            ".x",
        ] {
            assert!(key("metric", good).is_ok(), "{good}");
        }
        let long = "a".repeat(251);
        for bad in [
            "", "/a", "a//b", "../a", "a/..", "a/./b", "a\nb", "a*b", "a/", &long,
        ] {
            assert!(key("metric", bad).is_err(), "{bad}");
        }
        assert!(key("metric", &"ü".repeat(250)).is_ok());
    }

    #[test]
    fn batches_are_bounded() {
        let pair = |number: usize| Pair {
            key: format!("k{number}"),
            value: String::new(),
        };
        let points = |count: i64| {
            let mut points = Points::default();
            (0..count).for_each(|step| points.push("m", step, Timestamp(0), 1.0));
            points
        };
        let hundred: Vec<Pair> = (0..100).map(pair).collect();
        assert!(batch(&points(0), &hundred, &hundred).is_ok());
        let more: Vec<Pair> = (0..101).map(pair).collect();
        assert!(batch(&points(0), &more, &[]).is_err());
        assert!(batch(&points(1000), &[], &[]).is_ok());
        assert!(batch(&points(1001), &[], &[]).is_err());
        assert!(batch(&points(900), &hundred, &[pair(0)]).is_err());
        let mut bad = points(1);
        bad.push("a//b", 0, Timestamp(0), 1.0);
        assert!(batch(&bad, &[], &[]).is_err());
        let mut early = points(1);
        early.push("n", 0, Timestamp(-1), 1.0);
        let refused = batch(&early, &[], &[]).unwrap_err().to_string();
        assert!(refused.contains("`n`"), "{refused}");
    }
}
