//! What a trainer is: a name, the tasks it can learn, typed parameters with ranges, and a fit.
//! The table of all of them is [`TRAINERS`]; help, forms, checks and defaults are derived from it.

use super::estimator::Estimator;
use super::{Error, OnStep, Result, Target};
use crate::data::Frame;
use crate::domain::job::TrainerSpec;
use crate::domain::model::Task;
use serde_json::Value;
use std::collections::BTreeMap;

/// Every trainer there is, plain ones first.
pub static TRAINERS: [&dyn Trainer; 6] = [
    &super::logistic::Logistic,
    &super::linear::Linear,
    &super::elastic_net::ElasticNet,
    &super::bayes::Bayes,
    &super::trees::boosting::Boosting,
    &super::trees::forest::RandomForest,
];

/// A way to learn a model.
pub trait Trainer: Sync {
    /// As the configuration names it.
    fn name(&self) -> &'static str;
    /// In a line.
    fn description(&self) -> &'static str;
    /// What it can learn.
    fn tasks(&self) -> &'static [Task];
    /// What can be set.
    fn parameters(&self) -> &'static [Parameter];
    /// Learns. The caller has checked the task, left out rows without target and seen two classes.
    fn fit(&self, lesson: &Lesson<'_>, on_step: &mut OnStep<'_>) -> Result<Estimator>;
}

/// Everything that a fit may look at.
pub struct Lesson<'a> {
    /// The inputs; every column is one.
    pub inputs: &'a Frame,
    /// As many rows, none without value.
    pub target: &'a Target,
    /// Rows to watch while learning; none without value.
    pub validation: Option<(&'a Frame, &'a Target)>,
    /// Checked, defaults filled in.
    pub parameters: &'a Parameters,
    /// All randomness comes from it.
    pub seed: u64,
}

/// One thing that can be set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameter {
    /// As the configuration names it.
    pub name: &'static str,
    /// Type, default, range.
    pub kind: ParameterKind,
    /// In a line.
    pub help: &'static str,
}

/// A parameter's type with its default and range (ends included).
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ParameterKind {
    /// Any number of the range.
    Number {
        /// When nothing is said.
        default: f64,
        /// Smallest.
        min: f64,
        /// Greatest.
        max: f64,
    },
    /// A whole number of the range.
    Integer {
        /// When nothing is said.
        default: i64,
        /// Smallest.
        min: i64,
        /// Greatest.
        max: i64,
    },
    /// One of some words.
    Choice {
        /// When nothing is said.
        default: &'static str,
        /// The words.
        options: &'static [&'static str],
    },
}

impl Parameter {
    /// A [`ParameterKind::Number`].
    pub const fn number(
        name: &'static str,
        default: f64,
        min: f64,
        max: f64,
        help: &'static str,
    ) -> Self {
        let kind = ParameterKind::Number { default, min, max };
        Self { name, kind, help }
    }

    /// A [`ParameterKind::Integer`].
    pub const fn integer(
        name: &'static str,
        default: i64,
        min: i64,
        max: i64,
        help: &'static str,
    ) -> Self {
        let kind = ParameterKind::Integer { default, min, max };
        Self { name, kind, help }
    }

    /// A [`ParameterKind::Choice`].
    pub const fn choice(
        name: &'static str,
        default: &'static str,
        options: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        let kind = ParameterKind::Choice { default, options };
        Self { name, kind, help }
    }

    /// The default as a value.
    pub fn default_value(&self) -> Value {
        match self.kind {
            ParameterKind::Number { default, .. } => Value::from(default),
            ParameterKind::Integer { default, .. } => Value::from(default),
            ParameterKind::Choice { default, .. } => Value::from(default),
        }
    }

    /// `value` in this parameter's type, or what was expected.
    fn check(&self, trainer: &str, value: &Value) -> Result<Value> {
        let refused = |expected: String| {
            Error::new(format!(
                "parameter `{}` of trainer `{trainer}` is `{value}`; expected {expected}",
                self.name
            ))
        };
        match self.kind {
            ParameterKind::Number { min, max, .. } => value
                .as_f64()
                .filter(|number| (min..=max).contains(number))
                .map(Value::from)
                .ok_or_else(|| refused(format!("a number from {min} to {max}"))),
            ParameterKind::Integer { min, max, .. } => value
                .as_i64()
                .or_else(|| {
                    value
                        .as_f64()
                        .filter(|number| number.fract() == 0.0 && number.abs() < 1e15)
                        .map(|number| number as i64)
                })
                .filter(|number| (min..=max).contains(number))
                .map(Value::from)
                .ok_or_else(|| refused(format!("a whole number from {min} to {max}"))),
            ParameterKind::Choice { options, .. } => value
                .as_str()
                .filter(|text| options.contains(text))
                .map(Value::from)
                .ok_or_else(|| refused(format!("one of {}", listed(options.iter().copied())))),
        }
    }
}

/// A trainer's parameters: all of them, checked.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Parameters(pub BTreeMap<String, Value>);

impl Parameters {
    /// What `spec` says, checked, with the defaults of what it leaves out.
    pub fn resolve(trainer: &dyn Trainer, spec: &TrainerSpec) -> Result<Self> {
        let known = trainer.parameters();
        for name in spec.params.keys() {
            if !known.iter().any(|parameter| parameter.name == name) {
                let names: Vec<&str> = known.iter().map(|parameter| parameter.name).collect();
                let rest = if names.is_empty() {
                    "it has none".to_owned()
                } else {
                    format!("its parameters are {}", listed(names.iter().copied()))
                };
                return Err(Error::new(format!(
                    "trainer `{}` has no parameter `{name}`{}; {rest}",
                    trainer.name(),
                    did_you_mean(name, &names)
                )));
            }
        }
        known
            .iter()
            .map(|parameter| {
                let value = match spec.params.get(parameter.name) {
                    Some(value) => parameter.check(trainer.name(), value)?,
                    None => parameter.default_value(),
                };
                Ok((parameter.name.to_owned(), value))
            })
            .collect::<Result<_>>()
            .map(Self)
    }

    /// The number called `name`.
    pub fn number(&self, name: &str) -> Result<f64> {
        self.0
            .get(name)
            .and_then(Value::as_f64)
            .ok_or_else(|| Error::new(format!("parameter `{name}` has no number")))
    }

    /// The whole number called `name`; never negative.
    pub fn integer(&self, name: &str) -> Result<usize> {
        self.0
            .get(name)
            .and_then(Value::as_i64)
            .and_then(|number| usize::try_from(number).ok())
            .ok_or_else(|| Error::new(format!("parameter `{name}` has no whole number")))
    }

    /// The word called `name`.
    pub fn word(&self, name: &str) -> Result<&str> {
        self.0
            .get(name)
            .and_then(Value::as_str)
            .ok_or_else(|| Error::new(format!("parameter `{name}` has no word")))
    }
}

/// The trainer called `name`, or an error that lists them.
pub fn find(name: &str) -> Result<&'static dyn Trainer> {
    TRAINERS
        .iter()
        .copied()
        .find(|trainer| trainer.name() == name)
        .ok_or_else(|| {
            let names: Vec<&str> = TRAINERS.iter().map(|trainer| trainer.name()).collect();
            Error::new(format!(
                "unknown trainer `{name}`{}; the trainers are {}",
                did_you_mean(name, &names),
                listed(names.iter().copied())
            ))
        })
}

/// Names in backticks with commas.
pub(super) fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// `, did you mean …?` when one of `known` is two edits away or begins alike.
pub(super) fn did_you_mean(name: &str, known: &[&str]) -> String {
    known
        .iter()
        .map(|candidate| (edits(name, candidate), *candidate))
        .filter(|(distance, candidate)| {
            *distance <= 2
                || (name.len() >= 3 && (candidate.starts_with(name) || name.starts_with(candidate)))
        })
        .min()
        .map(|(_, candidate)| format!(", did you mean `{candidate}`?"))
        .unwrap_or_default()
}

/// Levenshtein's distance in characters.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let substituted = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}
