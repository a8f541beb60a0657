//! Permutation importance of inputs (Breiman 2001, as scikit-learn's `permutation_importance`), for any model: how much
//! worse the metric gets when one input's values are dealt to other rows.

use super::{Error, Model, Result, Target, metrics};
use crate::data::Frame;
use crate::domain::model::greater_is_better;
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_xoshiro::Xoshiro256PlusPlus;

/// Rows looked at, drawn by seed when there are more.
const MAX_ROWS: usize = 5_000;

/// Each input of `model` and how much `metric` worsens on average over `repeats` shufflings of it; most important first.
pub fn permutation(
    model: &Model,
    rows: &Frame,
    target: &Target,
    metric: &str,
    repeats: usize,
    seed: u64,
) -> Result<Vec<(String, f64)>> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let mut known: Vec<u32> = (0..target.values.len() as u32)
        .filter(|row| !target.values[*row as usize].is_nan())
        .collect();
    if known.len() > MAX_ROWS {
        known.shuffle(&mut random);
        known.truncate(MAX_ROWS);
        known.sort_unstable();
    }
    let (rows, target) = (rows.take(&known)?, target.take(&known));
    let all: Vec<u32> = (0..known.len() as u32).collect();
    let measure = |frame: &Frame| -> Result<f64> {
        metrics::one(metric, &target, &model.predict(frame)?, &all)
            .ok_or_else(|| Error::new(format!("metric `{metric}` is not defined on these rows")))
    };
    let before = measure(&rows)?;
    let sign = if greater_is_better(metric) { 1.0 } else { -1.0 };
    let mut drops = Vec::new();
    for input in &model.signature.inputs {
        let mut drop = 0.0;
        for _ in 0..repeats.max(1) {
            let mut dealt = all.clone();
            dealt.shuffle(&mut random);
            let column = rows
                .select(std::slice::from_ref(&input.name))?
                .take(&dealt)?
                .column(&input.name)?
                .clone();
            drop += sign * (before - measure(&rows.with(&input.name, column)?)?);
        }
        drops.push((input.name.clone(), drop / repeats.max(1) as f64));
    }
    drops.sort_by(|a, b| b.1.total_cmp(&a.1));
    Ok(drops)
}
