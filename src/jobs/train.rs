//! Train: folds on the rows before the holdout, then the model that is kept, fitted on all of them and measured on the
//! holdout. After each fit a checkpoint: a later attempt repeats none that is done.

use super::rows::{self, Rows};
use super::{Job, JobCtx};
use crate::data::{Frame, profile, split};
use crate::domain::job::{JobResult, TrainSpec};
use crate::domain::metric::Number;
use crate::domain::profile::Profile;
use crate::domain::{Error, Result};
use crate::ml::{self, Model, Target, metrics, model_file};
use arrow_array::Float64Array;
use rand::SeedableRng as _;
use rand::seq::index;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Training rows kept beside the model as drift reference.
const REFERENCE_ROWS: usize = 20_000;

/// What a later attempt goes on from.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Done {
    /// Metrics of each fold that was fitted, in order.
    folds: Vec<Vec<(String, Number)>>,
    /// Whether the model directory is written.
    model: bool,
}

impl Job for TrainSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        ml::check_trainer(&self.trainer)?;
        let mut done: Done = ctx.resume()?.unwrap_or_default();
        let frame = rows::build(&self.table, ctx, 0.0, 0.25)?;
        let rows = rows::split(
            &self.table,
            &frame,
            |frame, column| Target::from_frame(frame, column, self.task),
            self.holdout,
            self.seed,
        )?;
        drop(frame);
        let inputs = rows::inputs(&self.table, &rows.frame);
        if inputs.is_empty() {
            return Err(Error::invalid(format!(
                "`{}` leaves no input columns to learn from",
                self.table.rows.name()
            )));
        }
        let learning = Part::of(&rows, &inputs, &rows.split.train)?;
        let judging = Part::of(&rows, &inputs, &rows.split.held_out)?;
        let window = rows.times.as_ref().and_then(|times| {
            let learned = rows.split.train.iter().map(|row| times[*row as usize]);
            Some((learned.clone().min()?, learned.max()?))
        });
        log_what_is_learned(self, ctx, &rows, &inputs, window)?;

        self.folds(ctx, &rows, &learning, &mut done)?;
        let model = self.final_model(ctx, &rows, &learning, &judging, &mut done)?;

        ctx.progress(0.94, "measuring on the holdout");
        let answers = model.predict(&judging.inputs)?;
        let measured = metrics::evaluate(&judging.target, &answers);
        ctx.metrics(&measured, 0)?;
        ctx.check()?;

        ctx.progress(0.96, "profiling");
        let mut profile = profile::profile(&learning.inputs);
        profile
            .columns
            .extend(predictions_profile(&answers.values)?.columns);
        Ok(JobResult::Train {
            train_rows: rows.split.train.len() as u64,
            holdout_rows: rows.split.held_out.len() as u64,
            window,
            // JSON has no other numbers; the run has them all
            metrics: measured
                .into_iter()
                .filter(|(_, value)| value.is_finite())
                .collect(),
            artifacts: vec![("model".to_owned(), "model".to_owned())],
            profile,
        })
    }
}

/// Some of the rows, as a trainer takes them.
struct Part {
    inputs: Frame,
    target: Target,
}

impl Part {
    fn of(rows: &Rows, inputs: &[String], numbers: &[u32]) -> Result<Self> {
        Ok(Self {
            inputs: rows.frame.select(inputs)?.take(numbers)?,
            target: rows.target.take(numbers),
        })
    }

    fn take(&self, numbers: &[u32]) -> Result<Self> {
        Ok(Self {
            inputs: self.inputs.take(numbers)?,
            target: self.target.take(numbers),
        })
    }
}

impl TrainSpec {
    /// Fits and measures each fold that is not done yet, logs `fold/<metric>` and the means as `cv_<metric>`.
    fn folds(
        &self,
        ctx: &mut JobCtx,
        rows: &Rows,
        learning: &Part,
        done: &mut Done,
    ) -> Result<()> {
        let times: Option<Vec<i64>> = rows.times.as_ref().map(|times| {
            let learned = rows.split.train.iter();
            learned.map(|row| times[*row as usize]).collect()
        });
        let folds = split::folds(
            learning.inputs.rows(),
            times.as_deref(),
            rows::classes(&learning.target).as_deref(),
            self.seed,
        );
        for (number, fold) in folds.iter().enumerate() {
            let share = 0.25 + 0.5 * number as f64 / folds.len() as f64;
            ctx.progress(share, &format!("fold {} of {}", number + 1, folds.len()));
            let measured = match done.folds.get(number) {
                Some(measured) => measured.clone(),
                None => {
                    let measured = self.fold(ctx, learning, fold)?;
                    done.folds.push(measured.clone());
                    ctx.checkpoint(done)?;
                    measured
                }
            };
            let named: Vec<(String, f64)> = measured
                .into_iter()
                .map(|(name, value)| (format!("fold/{name}"), value.0))
                .collect();
            ctx.metrics(&named, number as i64)?;
        }
        ctx.metrics(&means(&done.folds), 0)
    }

    fn fold(
        &self,
        ctx: &mut JobCtx,
        learning: &Part,
        fold: &split::Split,
    ) -> Result<Vec<(String, Number)>> {
        let train = learning.take(&fold.train)?;
        let judge = learning.take(&fold.held_out)?;
        let model = self.fit(ctx, &train, &judge, &mut |_, _, _| Ok(()))?;
        let measured = metrics::evaluate(&judge.target, &model.predict(&judge.inputs)?);
        ctx.check()?;
        Ok(measured
            .into_iter()
            .map(|(name, value)| (name, Number(value)))
            .collect())
    }

    /// The model that is kept: fitted with its learning curve logged, and written to `model/`; or read from there when
    /// an earlier attempt got that far.
    fn final_model(
        &self,
        ctx: &mut JobCtx,
        rows: &Rows,
        learning: &Part,
        judging: &Part,
        done: &mut Done,
    ) -> Result<Model> {
        let directory = ctx.folder().join("model");
        if done.model {
            return Ok(model_file::load(&directory)?);
        }
        ctx.progress(
            0.75,
            &format!("fitting on {} rows", learning.inputs.rows()),
        );
        let model = self.fit(ctx, learning, judging, &mut |ctx, step, values| {
            ctx.progress(0.75 + 0.15 * nearing(step), &format!("step {step}"));
            ctx.metrics(values, step)
        })?;
        ctx.params(model.parameters())?;
        ctx.progress(0.9, "writing the model");
        let target = self.table.target.as_deref().unwrap_or_default();
        let reference = reference(&model, rows, learning, target, self.seed)?;
        model_file::save(&model, &reference, &directory)?;
        done.model = true;
        ctx.checkpoint(done)?;
        Ok(model)
    }

    /// One fit that stops when the job is to stop.
    fn fit(
        &self,
        ctx: &mut JobCtx,
        train: &Part,
        judge: &Part,
        on_step: &mut dyn FnMut(&mut JobCtx, i64, &[(&str, f64)]) -> Result<()>,
    ) -> Result<Model> {
        ctx.check()?;
        let fitted = ml::fit(
            &self.trainer,
            &train.inputs,
            &train.target,
            Some((&judge.inputs, &judge.target)),
            self.seed,
            &mut |step, values| {
                ctx.check()
                    .and_then(|()| on_step(ctx, step, values))
                    .map_err(|error| ml::Error::new(error.to_string()))
            },
        );
        ctx.check()?;
        Ok(fitted?)
    }
}

/// Steps have no known end: a share that grows towards one.
fn nearing(step: i64) -> f64 {
    let step = step.max(0) as f64;
    step / (step + 50.0)
}

/// `cv_<metric>`: the mean over folds.
fn means(folds: &[Vec<(String, Number)>]) -> Vec<(String, f64)> {
    let mut sums: BTreeMap<&str, (f64, u32)> = BTreeMap::new();
    for (name, value) in folds.iter().flatten() {
        let sum = sums.entry(name).or_default();
        sum.0 += value.0;
        sum.1 += 1;
    }
    sums.into_iter()
        .map(|(name, (sum, count))| (format!("cv_{name}"), sum / f64::from(count)))
        .collect()
}

/// Parameters that do not come from the estimator.
fn log_what_is_learned(
    spec: &TrainSpec,
    ctx: &mut JobCtx,
    rows: &Rows,
    inputs: &[String],
    window: Option<(i64, i64)>,
) -> Result<()> {
    let mut params = vec![
        ("trainer.kind".to_owned(), spec.trainer.kind.clone()),
        ("rows".to_owned(), rows.split.train.len().to_string()),
        (
            "holdout_rows".to_owned(),
            rows.split.held_out.len().to_string(),
        ),
        ("features".to_owned(), inputs.len().to_string()),
        ("seed".to_owned(), spec.seed.to_string()),
    ];
    if let Some((first, last)) = window {
        params.push((
            "window".to_owned(),
            format!("{}..{}", date(first), date(last)),
        ));
    }
    ctx.params(params)?;
    let classes = match rows.target.classes.as_slice() {
        [] => String::new(),
        classes => format!(", classes {}", classes.join(" ")),
    };
    ctx.log(
        "info",
        format!(
            "{} on {} rows and {} inputs, {} rows kept out{classes}",
            spec.trainer.kind,
            rows.split.train.len(),
            inputs.len(),
            rows.split.held_out.len(),
        ),
    )
}

/// The day of an instant in microseconds.
fn date(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map(|instant| instant.format("%Y-%m-%d").to_string())
        .unwrap_or_else(|| micros.to_string())
}

/// Training rows as the monitors will compare with: the inputs, `PREDICTION` and `TARGET`.
fn reference(
    model: &Model,
    rows: &Rows,
    learning: &Part,
    target: &str,
    seed: u64,
) -> Result<Frame> {
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let count = learning.inputs.rows();
    let mut drawn: Vec<u32> = index::sample(&mut random, count, count.min(REFERENCE_ROWS))
        .into_iter()
        .map(|row| row as u32)
        .collect();
    drawn.sort_unstable();
    let inputs = learning.inputs.take(&drawn)?;
    let answers = model.predict(&inputs)?;
    let whole: Vec<u32> = drawn
        .iter()
        .map(|row| rows.split.train[*row as usize])
        .collect();
    let truth = rows.frame.take(&whole)?.column(target)?.clone();
    Ok(inputs
        .with("PREDICTION", Arc::new(Float64Array::from(answers.values)))?
        .with("TARGET", truth)?)
}

fn predictions_profile(values: &[f64]) -> Result<Profile> {
    let column = Arc::new(Float64Array::from(values.to_vec()));
    let frame = Frame::from_columns(vec![("PREDICTION".to_owned(), column)])?;
    Ok(profile::profile(&frame))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn means_are_over_the_folds_that_have_the_metric() {
        let folds = vec![
            vec![("auc".to_owned(), Number(0.6)), ("f1".to_owned(), Number(0.5))],
            vec![("auc".to_owned(), Number(0.8))],
        ];
        let means = means(&folds);
        assert_eq!(means.len(), 2);
        assert_eq!(means[0].0, "cv_auc");
        assert!((means[0].1 - 0.7).abs() < 1e-12);
        assert_eq!(means[1], ("cv_f1".to_owned(), 0.5));
    }

    #[test]
    fn a_checkpoint_keeps_numbers_that_json_lacks() {
        let done = Done {
            folds: vec![vec![("auc".to_owned(), Number(f64::NAN))]],
            model: false,
        };
        let text = serde_json::to_string(&done).unwrap();
        let back: Done = serde_json::from_str(&text).unwrap();
        assert!(back.folds[0][0].1.0.is_nan());
    }
}
