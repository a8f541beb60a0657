//! The gate: two models on the same rows -> evidence (`compare`), evidence -> verdict (`decide`). Pure functions.

use super::{Model, Result, Target};
use crate::data::Frame;
use crate::domain::job::JobResult;
use crate::domain::trigger::{Check, Gate};

/// Both models on the same rows: the evidence as a `JobResult::Evaluate`.
pub fn compare(
    rows: &Frame,
    target: &Target,
    challenger: &Model,
    champion: Option<&Model>,
    gate: &Gate,
    seed: u64,
) -> Result<JobResult> {
    let _ = (rows, target, challenger, champion, gate, seed);
    Err(super::Error::new("not there yet"))
}

/// The checks that follow from an evaluation: floor, better on holdout, slices, inputs, speed.
pub fn decide(gate: &Gate, evaluation: &JobResult) -> Vec<Check> {
    let _ = (gate, evaluation);
    Vec::new()
}
