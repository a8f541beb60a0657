//! The rows of a training table: which can be learned from at all, which learn, which judge. Training and
//! evaluation both call [`split()`], so that what a model was never shown is the same in both.

use super::JobCtx;
use crate::data::split::Split;
use crate::data::{Frame, split, table};
use crate::domain::job::TableSpec;
use crate::domain::{Error, Result};
use crate::ml::{self, Target};

/// Rows that have a target (and an instant, where the table has one), divided.
pub struct Rows {
    /// All columns of the table.
    pub frame: Frame,
    /// What is predicted, by row.
    pub target: Target,
    /// The instant of each row, microseconds.
    pub times: Option<Vec<i64>>,
    /// Row numbers to learn from and row numbers kept out.
    pub split: Split,
}

/// The table, with its progress reported between `from` and `to`.
pub fn build(spec: &TableSpec, ctx: &mut JobCtx, from: f64, to: f64) -> Result<Frame> {
    let frame = table::build(spec, &mut |share, doing| {
        ctx.progress(from + share * (to - from), doing);
    })?;
    ctx.check()?;
    Ok(frame)
}

/// The columns that a model sees.
pub fn inputs(spec: &TableSpec, frame: &Frame) -> Vec<String> {
    if !spec.inputs.is_empty() {
        return spec.inputs.clone();
    }
    let apart = [
        &spec.row_key,
        &spec.timestamp,
        &spec.target,
        &spec.target_known_at,
    ];
    frame
        .names()
        .into_iter()
        .filter(|name| !apart.iter().any(|column| column.as_ref() == Some(name)))
        .collect()
}

/// Leaves out rows without target or instant, then keeps the share `holdout` of the rest out: the latest rows
/// where there are instants.
pub fn split(
    spec: &TableSpec,
    frame: &Frame,
    target_of: impl FnOnce(&Frame, &str) -> ml::Result<Target>,
    holdout: f64,
    seed: u64,
) -> Result<Rows> {
    let column = spec
        .target
        .as_deref()
        .ok_or_else(|| Error::invalid("nothing to predict: the table names no target column"))?;
    let target = target_of(frame, column)?;
    let times = match &spec.timestamp {
        Some(name) => Some(frame.times(name)?),
        None => None,
    };
    let kept: Vec<u32> = (0..frame.rows() as u32)
        .filter(|row| {
            let row = *row as usize;
            !target.values[row].is_nan() && times.as_ref().is_none_or(|times| times[row].is_some())
        })
        .collect();
    if kept.len() < 2 {
        return Err(Error::invalid(format!(
            "`{}` has {} rows in this window and {} of them have a `{column}`: at least 2 are needed",
            spec.rows.name(),
            frame.rows(),
            kept.len(),
        )));
    }
    let frame = frame.take(&kept)?;
    let target = target.take(&kept);
    let times = times.map(|times| pick(&times, &kept));
    let split = split::holdout(
        kept.len(),
        times.as_deref(),
        classes(&target).as_deref(),
        holdout,
        seed,
    );
    if split.train.is_empty() || split.held_out.is_empty() {
        return Err(Error::invalid(format!(
            "`{}` has {} rows with a `{column}`: too few to keep {holdout} of them out",
            spec.rows.name(),
            kept.len(),
        )));
    }
    Ok(Rows {
        frame,
        target,
        times,
        split,
    })
}

/// The class of each row, for stratification; none for numbers.
pub fn classes(target: &Target) -> Option<Vec<u32>> {
    (!target.classes.is_empty()).then(|| target.values.iter().map(|class| *class as u32).collect())
}

/// Times of these rows; a row without one is left out (there is none after [`split()`]).
fn pick(times: &[Option<i64>], rows: &[u32]) -> Vec<i64> {
    rows.iter().filter_map(|row| times[*row as usize]).collect()
}
