//! Streaming detectors: they see one number at a time and say when the law behind it changed. One a
//! file; parameters by name, defaults and behaviour of River 0.26. After a drift a detector starts
//! over with the next number, as River's do.

mod adwin;
mod ddm;
mod eddm;
mod hddm_a;
mod hddm_w;
mod kswin;
mod page_hinkley;

use super::{Error, Result};
use std::collections::BTreeMap;

/// What a detector says about the number it just saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Signal {
    /// Close to a drift.
    Warning,
    /// The law changed.
    Drift,
}

/// Something that watches one stream.
pub trait Detector: Send {
    /// Takes the next number in.
    fn update(&mut self, x: f64) -> Option<Signal>;
}

/// Named values, defaults filled in.
pub type Parameters = BTreeMap<String, f64>;

/// A kind of detector.
pub struct Kind {
    /// `adwin`, `ddm`, …
    pub name: &'static str,
    /// One line for help.
    pub description: &'static str,
    /// Sees errors: 0 for a right answer, 1 for a wrong one; nothing else.
    pub binary: bool,
    /// Name, default, what it means.
    pub parameters: &'static [(&'static str, f64, &'static str)],
    make: fn(&Parameters) -> Result<Box<dyn Detector>>,
}

/// Every detector there is.
pub static DETECTORS: &[Kind] = &[
    adwin::KIND,
    ddm::KIND,
    eddm::KIND,
    hddm_a::KIND,
    hddm_w::KIND,
    page_hinkley::KIND,
    kswin::KIND,
];

/// The kind called `name`.
///
/// # Errors
/// When there is none: the message lists those there are.
pub fn kind(name: &str) -> Result<&'static Kind> {
    DETECTORS
        .iter()
        .find(|kind| kind.name == name)
        .ok_or_else(|| {
            let names: Vec<String> = DETECTORS.iter().map(|k| format!("`{}`", k.name)).collect();
            Error(format!(
                "there is no detector `{name}`; use one of {}",
                names.join(", ")
            ))
        })
}

impl Kind {
    /// A fresh detector with these parameters set and defaults for the others.
    ///
    /// # Errors
    /// For a parameter that this kind does not have, or a value out of its range.
    pub fn detector(&self, set: &Parameters) -> Result<Box<dyn Detector>> {
        let mut parameters: Parameters = self
            .parameters
            .iter()
            .map(|(name, default, _)| ((*name).to_owned(), *default))
            .collect();
        for (name, value) in set {
            let Some(slot) = parameters.get_mut(name) else {
                let names: Vec<String> = self
                    .parameters
                    .iter()
                    .map(|(name, ..)| format!("`{name}`"))
                    .collect();
                return Err(Error(format!(
                    "detector `{}` has no parameter `{name}`; it has {}",
                    self.name,
                    names.join(", ")
                )));
            };
            *slot = *value;
        }
        (self.make)(&parameters)
    }
}

/// A parameter within `[least, most]`.
fn within(parameters: &Parameters, name: &str, least: f64, most: f64) -> Result<f64> {
    let value = parameters.get(name).copied().unwrap_or(f64::NAN);
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    let range = if most.is_finite() {
        format!("between {least} and {most}")
    } else {
        format!("at least {least}")
    };
    Err(Error(format!(
        "parameter `{name}` is {value}; it has to be {range}"
    )))
}

/// A parameter that counts something.
fn count(parameters: &Parameters, name: &str, least: f64) -> Result<u64> {
    let value = within(parameters, name, least, 1e9)?;
    if value.fract() == 0.0 {
        return Ok(value as u64);
    }
    Err(Error(format!(
        "parameter `{name}` is {value}; it has to be a whole number"
    )))
}

/// Runs a detector over `values` and returns the places (from 0) where it signals: every drift, and
/// the first of every run of warnings. NaN is passed over.
///
/// # Errors
/// For an unknown detector or parameter, an infinite value, or a value other than 0 and 1 given to a
/// detector that watches errors.
pub fn stream(values: &[f64], detector: &str, set: &Parameters) -> Result<Vec<(usize, Signal)>> {
    let kind = kind(detector)?;
    let mut detector = kind.detector(set)?;
    let mut signals = Vec::new();
    let mut warned = false;
    for (at, x) in values.iter().enumerate() {
        if x.is_nan() {
            continue;
        }
        if x.is_infinite() {
            return Err(Error(format!(
                "row {} is infinite; detectors need finite numbers",
                at + 1
            )));
        }
        if kind.binary && *x != 0.0 && *x != 1.0 {
            return Err(Error(format!(
                "row {} is `{x}`; detector `{}` watches errors: 0 for right, 1 for wrong",
                at + 1,
                kind.name
            )));
        }
        let signal = detector.update(*x);
        match signal {
            Some(Signal::Drift) => signals.push((at, Signal::Drift)),
            Some(Signal::Warning) if !warned => signals.push((at, Signal::Warning)),
            _ => {}
        }
        warned = signal == Some(Signal::Warning);
    }
    Ok(signals)
}

/// A running mean (Welford), the form River keeps.
#[derive(Clone, Copy, Debug, Default)]
struct Mean {
    n: f64,
    mean: f64,
}

impl Mean {
    fn update(&mut self, x: f64) {
        self.n += 1.0;
        self.mean += (x - self.mean) / self.n;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_default_makes_a_detector() {
        for kind in DETECTORS {
            assert!(kind.detector(&Parameters::new()).is_ok(), "{}", kind.name);
        }
    }

    #[test]
    fn wrong_names_and_values_are_named() {
        let set: Parameters = [("deltas".to_owned(), 0.1)].into();
        let error = stream(&[0.0], "adwin", &set).unwrap_err();
        assert!(error.0.contains("no parameter `deltas`") && error.0.contains("`delta`"));
        let set: Parameters = [("delta".to_owned(), 2.0)].into();
        assert!(stream(&[0.0], "adwin", &set).is_err());
        assert!(stream(&[0.5], "ddm", &Parameters::new()).is_err());
        assert!(stream(&[0.5], "abc", &Parameters::new()).is_err());
    }

    #[test]
    fn a_constant_stream_never_signals() {
        for kind in DETECTORS {
            let found = stream(&vec![0.0; 2_000], kind.name, &Parameters::new()).unwrap();
            assert!(found.is_empty(), "{}: {found:?}", kind.name);
        }
    }
}
