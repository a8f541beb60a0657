//! Train: folds on the rows before the holdout, then the model that is kept, fitted on all of them and measured on the
//! holdout. After each fit a checkpoint: a later attempt repeats none that is done.

use super::rows::{self, Rows};
use super::{Job, JobCtx};
use crate::job_folder as folder;
use crate::data::{Frame, profile, split};
use crate::domain::job::{JobResult, TrainSpec};
use crate::domain::metric::Number;
use crate::domain::profile::Profile;
use crate::domain::{Error, Result};
use crate::ml::{self, Model, Target, importance, metrics, model_file};
use arrow_array::Float64Array;
use rand::SeedableRng as _;
use rand::seq::index;
use rand_xoshiro::Xoshiro256PlusPlus;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Training rows kept beside the model as drift reference.
const REFERENCE_ROWS: usize = 20_000;

/// Shufflings of each input for its importance.
const REPEATS: usize = 3;

/// The parameter of estimators that choose their length.
const EARLY_STOPPING: &str = "early_stopping";

/// What is done with a learning curve's points: the context, the step, the values.
type OnStep<'a> = dyn FnMut(&mut JobCtx, i64, &[(&str, f64)]) -> Result<()> + 'a;

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

        ctx.progress(0.95, "which inputs matter");
        let mut artifacts = vec![("model".to_owned(), "model".to_owned())];
        artifacts.extend(self.importance(ctx, &model, &judging)?);

        ctx.progress(0.98, "profiling");
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
            artifacts,
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
    fn folds(&self, ctx: &mut JobCtx, rows: &Rows, learning: &Part, done: &mut Done) -> Result<()> {
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
        ctx.progress(0.75, &format!("fitting on {} rows", learning.inputs.rows()));
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

    /// Permutation importance on the holdout as `importance.json`; without it where the metric is not defined there (one
    /// class only), which the log says.
    fn importance(
        &self,
        ctx: &mut JobCtx,
        model: &Model,
        judging: &Part,
    ) -> Result<Option<(String, String)>> {
        let metric = match &self.metric {
            Some(metric) => metric.as_str(),
            None => metrics::primary(model.signature.task),
        };
        let drops = importance::permutation(
            model,
            &judging.inputs,
            &judging.target,
            metric,
            REPEATS,
            self.seed,
        );
        ctx.check()?;
        match drops {
            Ok(drops) => {
                let inputs: Vec<serde_json::Value> = drops
                    .into_iter()
                    .map(|(input, drop)| serde_json::json!({ "input": input, "importance": drop }))
                    .collect();
                let document = serde_json::json!({
                    "method": "permutation", "metric": metric, "repeats": REPEATS, "inputs": inputs,
                });
                folder::write_json(&ctx.folder().join("importance.json"), &document)?;
                let name = "importance.json".to_owned();
                Ok(Some((name.clone(), name)))
            }
            Err(error) => {
                ctx.log("warn", format!("no importance of inputs: {error}"))?;
                Ok(None)
            }
        }
    }

    /// Whether the estimator chooses its length by the validation rows. Then these may not be the rows that judge it.
    fn stops_early(&self) -> bool {
        let chosen = self.trainer.params.get(EARLY_STOPPING);
        let mut without = self.trainer.clone();
        without.params.insert(EARLY_STOPPING.into(), 0.into());
        ml::check_trainer(&without).is_ok()
            && chosen
                .and_then(serde_json::Value::as_i64)
                .is_none_or(|rounds| rounds > 0)
    }

    /// Validation rows for early stopping: a tenth of the training rows, drawn by seed in equal shares of each class, as
    /// scikit-learn's `HistGradientBoostingClassifier` does.
    fn inner(&self, train: &Part) -> Result<Option<(Part, Part)>> {
        if !self.stops_early() {
            return Ok(None);
        }
        let classes = rows::classes(&train.target);
        let rows = train.inputs.rows();
        let inner = split::holdout(rows, None, classes.as_deref(), 0.1, self.seed);
        if inner.train.is_empty() || inner.held_out.is_empty() {
            return Ok(None);
        }
        Ok(Some((
            train.take(&inner.train)?,
            train.take(&inner.held_out)?,
        )))
    }

    /// One fit that stops when the job is to stop. The learning curve is over the rows that judge, unless the estimator
    /// stops by them.
    fn fit(
        &self,
        ctx: &mut JobCtx,
        train: &Part,
        judge: &Part,
        on_step: &mut OnStep<'_>,
    ) -> Result<Model> {
        ctx.check()?;
        let inner = self.inner(train)?;
        let (train, judge) = inner
            .as_ref()
            .map_or((train, judge), |(train, judge)| (train, judge));
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
        params.push(("train_from".to_owned(), instant(first)));
        params.push(("train_to".to_owned(), instant(last)));
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

/// An instant in microseconds, to the microsecond.
fn instant(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map(|instant| instant.to_rfc3339_opts(chrono::SecondsFormat::Micros, true))
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
            vec![
                ("auc".to_owned(), Number(0.6)),
                ("f1".to_owned(), Number(0.5)),
            ],
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

    use crate::data::source;
    use crate::domain::job::{DataSource, JobSpec, TableSpec, TrainerSpec, WorkerEvent};
    use crate::job_folder::JobFolder;
    use std::sync::atomic::AtomicBool;

    /// 400 rows whose label follows `x`, with the instant of each.
    fn spec(root: &std::path::Path, trainer: &str) -> TrainSpec {
        let mut text = String::from("id,at,x,colour,label\n");
        for row in 0..400_u32 {
            let x = (row * 37 % 100) as f64 / 100.0;
            let noisy = x + f64::from(row * 13 % 7) / 20.0 > 0.6;
            let colour = ["red", "green", "blue"][(row % 3) as usize];
            let (day, hour) = (1 + row / 24, row % 24);
            text.push_str(&format!(
                "{row},2025-01-{day:02}T{hour:02}:00:00Z,{x},{colour},{}\n",
                u8::from(noisy)
            ));
        }
        std::fs::write(root.join("rows.csv"), text).unwrap();
        let snapshot = source::snapshot("rows", root, "rows.csv", &[]).unwrap();
        TrainSpec {
            pipeline: "p".into(),
            run: "r".into(),
            table: TableSpec {
                rows: DataSource::Files(snapshot),
                timestamp: Some("at".into()),
                row_key: Some("id".into()),
                views: Vec::new(),
                inputs: Vec::new(),
                target: Some("label".into()),
                target_known_at: None,
                from: None,
                to: None,
            },
            task: None,
            trainer: TrainerSpec {
                kind: trainer.into(),
                params: BTreeMap::new(),
            },
            seed: 7,
            holdout: 0.25,
            metric: Some("roc_auc".into()),
        }
    }

    fn context(root: &std::path::Path) -> JobCtx {
        JobCtx::open(&JobFolder::at(root), Arc::new(AtomicBool::new(false))).unwrap()
    }

    fn points(root: &std::path::Path) -> Vec<(String, i64)> {
        let text = std::fs::read_to_string(root.join("events.jsonl")).unwrap();
        text.lines()
            .filter_map(|line| match serde_json::from_str(line).unwrap() {
                WorkerEvent::Metrics { points } => Some(points),
                _ => None,
            })
            .flatten()
            .map(|point| (point.key, point.step))
            .collect()
    }

    #[test]
    fn a_model_is_trained_measured_and_kept_and_a_later_attempt_says_nothing_twice() {
        let root = tempfile::tempdir().unwrap();
        let spec = JobSpec::Train(spec(root.path(), "logistic"));
        let result = crate::jobs::run(&spec, &mut context(root.path())).unwrap();
        let JobResult::Train {
            train_rows,
            holdout_rows,
            metrics,
            artifacts,
            profile,
            window,
        } = &result
        else {
            panic!("another result");
        };
        assert_eq!((*train_rows, *holdout_rows), (300, 100));
        let auc = metrics.iter().find(|(name, _)| name == "roc_auc").unwrap();
        assert!(auc.1 > 0.9, "{auc:?}");
        assert_eq!(artifacts.len(), 2);
        assert!(window.is_some_and(|(first, last)| first < last));
        let names: Vec<&str> = profile.columns.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(names, ["x", "colour", "PREDICTION"]);
        let model = model_file::load(&root.path().join("model")).unwrap();
        assert_eq!(model.signature.inputs.len(), 2);
        let kept = model_file::reference(&root.path().join("model"), None).unwrap();
        assert_eq!(kept.rows(), 300);

        let said = points(root.path());
        for key in ["fold/roc_auc", "cv_roc_auc", "roc_auc"] {
            assert!(said.iter().any(|(name, _)| name == key), "no {key}");
        }
        let again = crate::jobs::run(&spec, &mut context(root.path())).unwrap();
        assert_eq!(again, result);
        assert_eq!(points(root.path()), said);
    }

    #[test]
    fn only_estimators_that_choose_their_length_keep_rows_apart_for_it() {
        let root = tempfile::tempdir().unwrap();
        assert!(!spec(root.path(), "logistic").stops_early());
        let mut boosting = spec(root.path(), "boosting");
        assert!(boosting.stops_early());
        boosting
            .trainer
            .params
            .insert(EARLY_STOPPING.into(), 0.into());
        assert!(!boosting.stops_early());
    }
}
