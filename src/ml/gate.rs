//! The gate: two models on the same rows -> evidence (`compare`), evidence -> verdict (`decide`). Pure functions, but for
//! the stopwatch of one-row predictions.
//!
//! Differences are improvements: positive when the challenger is better, whatever the metric's direction.

use super::metrics::{self, Curve};
use super::preprocess::Texts;
use super::{Error, Model, Predictions, Result, Target};
use crate::data::Frame;
use crate::domain::dataset::ColumnKind;
use crate::domain::job::JobResult;
use crate::domain::model::{InputKind, Task, greater_is_better};
use crate::domain::trigger::{Check, Gate};
use rand::seq::index::sample;
use rand::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use std::time::Instant;

/// Consecutive blocks of the rows in which both are measured.
const BLOCKS: usize = 5;

/// Resamples of the paired bootstrap.
const RESAMPLES: usize = 1_000;

/// Rows that the bootstrap draws from at most; more are drawn by seed.
const MAX_BOOTSTRAP_ROWS: usize = 20_000;

/// Rows of a slice that counts.
const MIN_SLICE_ROWS: usize = 200;

/// Distinct values beyond which a number column is sliced by quartiles.
const MAX_SLICE_VALUES: usize = 50;

/// One-row predictions timed.
const TIMED_ROWS: usize = 200;

/// Share of the champion's metric that chance may take away (definitions, C7).
const TOLERANCE: f64 = 0.01;

/// Both models on the same rows: the evidence as a `JobResult::Evaluate`. Rows without target are left out of metrics. The
/// champion comes with its own columns of these rows, where its features are defined otherwise.
pub fn compare(
    rows: &Frame,
    target: &Target,
    challenger: &Model,
    champion: Option<(&Model, &Frame)>,
    gate: &Gate,
    seed: u64,
) -> Result<JobResult> {
    let known: Vec<u32> = (0..target.values.len() as u32)
        .filter(|row| !target.values[*row as usize].is_nan())
        .collect();
    if known.is_empty() {
        return Err(Error::new("there is no row with a target to compare on"));
    }
    let task = target.task;
    if !metrics::names(task).contains(&gate.metric.as_str()) {
        return Err(Error::new(format!(
            "gate metric `{}` is none of this task; its metrics are {}",
            gate.metric,
            super::trainer::listed(metrics::names(task).iter().copied())
        )));
    }
    let ours = challenger.predict(rows)?;
    let theirs = champion
        .map(|(champion, own)| answers_of(champion, challenger, own))
        .transpose()?
        .flatten();
    let sides = Sides {
        target,
        metric: &gate.metric,
        sign: if greater_is_better(&gate.metric) {
            1.0
        } else {
            -1.0
        },
        ours: &ours,
        theirs: theirs.as_ref(),
    };
    let length = known.len().div_ceil(BLOCKS);
    let blocks = known
        .chunks(length)
        .filter_map(|block| {
            let theirs = sides.theirs.map(|theirs| sides.measure(theirs, block));
            match (sides.measure(&ours, block), theirs) {
                (Some(ours), None) => Some((ours, None)),
                (Some(ours), Some(Some(theirs))) => Some((ours, Some(theirs))),
                _ => None,
            }
        })
        .collect();
    Ok(JobResult::Evaluate {
        rows: known.len() as u64,
        challenger: metrics::evaluate(target, &ours),
        champion: theirs
            .as_ref()
            .map(|theirs| metrics::evaluate(target, theirs))
            .unwrap_or_default(),
        blocks,
        difference_lower: sides.lower_bound(&known, seed),
        slices: sides.slices(rows, &known, gate)?,
        p95_ms: one_row_p95(challenger, rows)?,
        champion_p95_ms: champion
            .map(|(champion, own)| one_row_p95(champion, own))
            .transpose()?,
        input_changes: champion
            .map(|(champion, _)| changes(champion, challenger))
            .unwrap_or_default(),
        flipped: theirs
            .as_ref()
            .and_then(|theirs| flipped(task, &ours, theirs)),
        champion_gone: None,
    })
}

/// The champion's answers in the challenger's classes; none when it predicts something else.
fn answers_of(champion: &Model, challenger: &Model, rows: &Frame) -> Result<Option<Predictions>> {
    let (old, new) = (&champion.signature, &challenger.signature);
    if old.task != new.task {
        return Ok(None);
    }
    let answers = champion.predict(rows)?;
    if old.classes == new.classes {
        return Ok(Some(answers));
    }
    if old.task == Task::Binary {
        // other labels: its probability is that of something else
        return Ok(None);
    }
    let places: Vec<Option<usize>> = new
        .classes
        .iter()
        .map(|class| old.classes.iter().position(|known| known == class))
        .collect();
    let probabilities: Vec<f64> = answers
        .probabilities
        .chunks_exact(old.classes.len())
        .flat_map(|row| {
            places
                .iter()
                .map(|place| place.map_or(0.0, |place| row[place]))
        })
        .collect();
    let values = probabilities
        .chunks_exact(new.classes.len())
        .map(|row| super::likeliest(row) as f64)
        .collect();
    Ok(Some(Predictions {
        values,
        probabilities,
    }))
}

/// Both models' answers to the same rows, and how they are measured.
struct Sides<'a> {
    target: &'a Target,
    metric: &'a str,
    sign: f64,
    ours: &'a Predictions,
    theirs: Option<&'a Predictions>,
}

impl Sides<'_> {
    fn measure(&self, answers: &Predictions, rows: &[u32]) -> Option<f64> {
        metrics::one(self.metric, self.target, answers, rows)
    }

    /// By how much the challenger is better on `rows`.
    fn improvement(&self, rows: &[u32]) -> Option<f64> {
        let theirs = self.measure(self.theirs?, rows)?;
        Some(self.sign * (self.measure(self.ours, rows)? - theirs))
    }

    /// Lower end of the improvement's 95 % interval: the 2.5th percentile of the paired bootstrap.
    fn lower_bound(&self, known: &[u32], seed: u64) -> Option<f64> {
        let theirs = self.theirs?;
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let rows: Vec<u32> = if known.len() > MAX_BOOTSTRAP_ROWS {
            let mut drawn: Vec<u32> = sample(&mut random, known.len(), MAX_BOOTSTRAP_ROWS)
                .into_iter()
                .map(|index| known[index])
                .collect();
            drawn.sort_unstable();
            drawn
        } else {
            known.to_vec()
        };
        let target = self.target.take(&rows);
        let (ours, theirs) = (
            take(self.ours, &target, &rows),
            take(theirs, &target, &rows),
        );
        let curves = (self.metric == "roc_auc").then(|| {
            (
                Curve::new(&target.values, &ours.values),
                Curve::new(&target.values, &theirs.values),
            )
        });
        let losses =
            row_losses(self.metric, &target, &ours).zip(row_losses(self.metric, &target, &theirs));
        let mut counts = vec![0_u32; rows.len()];
        let mut drawn = vec![0_u32; rows.len()];
        let mut differences: Vec<f64> = Vec::with_capacity(RESAMPLES);
        for _ in 0..RESAMPLES {
            for row in &mut drawn {
                *row = random.gen_range(0..rows.len() as u32);
            }
            let pair = if let Some((ours, theirs)) = &curves {
                counts.fill(0);
                drawn.iter().for_each(|row| counts[*row as usize] += 1);
                let weight = |row: u32| f64::from(counts[row as usize]);
                ours.weighted_roc_auc(weight)
                    .zip(theirs.weighted_roc_auc(weight))
            } else if let Some((ours, theirs)) = &losses {
                let mean = |losses: &[f64]| {
                    let sum: f64 = drawn.iter().map(|row| losses[*row as usize]).sum();
                    sum / drawn.len() as f64
                };
                let root = |mean: f64| {
                    if self.metric == "rmse" {
                        mean.sqrt()
                    } else {
                        mean
                    }
                };
                Some((root(mean(ours)), root(mean(theirs))))
            } else {
                metrics::one(self.metric, &target, &ours, &drawn).zip(metrics::one(
                    self.metric,
                    &target,
                    &theirs,
                    &drawn,
                ))
            };
            differences.extend(pair.map(|(ours, theirs)| self.sign * (ours - theirs)));
        }
        differences.sort_unstable_by(f64::total_cmp);
        differences.get(differences.len() * 25 / 1000).copied()
    }

    /// Improvement in every slice of at least [`MIN_SLICE_ROWS`] rows, worst first.
    fn slices(&self, rows: &Frame, known: &[u32], gate: &Gate) -> Result<Vec<(String, u64, f64)>> {
        let mut slices = Vec::new();
        for column in &gate.slices {
            for (name, members) in parts(rows, column, known)? {
                if members.len() >= MIN_SLICE_ROWS
                    && let Some(improvement) = self.improvement(&members)
                {
                    slices.push((
                        format!("{column}={name}"),
                        members.len() as u64,
                        improvement,
                    ));
                }
            }
        }
        slices.sort_by(|a, b| a.2.total_cmp(&b.2).then_with(|| a.0.cmp(&b.0)));
        Ok(slices)
    }
}

/// Loss by row of metrics that are a mean (or its root) over rows.
fn row_losses(metric: &str, target: &Target, answers: &Predictions) -> Option<Vec<f64>> {
    let mean_of_rows = ["rmse", "mae", "log_loss", "brier_score", "accuracy"];
    if !mean_of_rows.contains(&metric) {
        return None;
    }
    (0..target.values.len() as u32)
        .map(|row| {
            metrics::one(metric, target, answers, &[row])
                .map(|loss| if metric == "rmse" { loss * loss } else { loss })
        })
        .collect()
}

fn take(answers: &Predictions, target: &Target, rows: &[u32]) -> Predictions {
    let classes = if answers.probabilities.is_empty() {
        0
    } else {
        target.classes.len()
    };
    Predictions {
        values: rows
            .iter()
            .map(|row| answers.values[*row as usize])
            .collect(),
        probabilities: rows
            .iter()
            .flat_map(|row| {
                let start = *row as usize * classes;
                answers.probabilities[start..start + classes]
                    .iter()
                    .copied()
            })
            .collect(),
    }
}

/// The rows parted by a column's values; numbers of many values by quartiles. Missing values are a part.
fn parts(rows: &Frame, column: &str, known: &[u32]) -> Result<Vec<(String, Vec<u32>)>> {
    if rows.batch.schema_ref().column_with_name(column).is_none() {
        return Err(Error::new(format!(
            "gate slice `{column}` is no column of the rows"
        )));
    }
    let texts = Texts::of(rows, column)?;
    let distinct = texts.counts(rows.rows()).len();
    let is_number = matches!(
        rows.kind(column)?,
        ColumnKind::Number | ColumnKind::Integer | ColumnKind::Time
    );
    let mut parts: std::collections::BTreeMap<String, Vec<u32>> = std::collections::BTreeMap::new();
    if is_number && distinct > MAX_SLICE_VALUES {
        let values = rows.numbers(column)?;
        let mut sorted: Vec<f64> = known
            .iter()
            .map(|row| values[*row as usize])
            .filter(|x| x.is_finite())
            .collect();
        sorted.sort_unstable_by(f64::total_cmp);
        if sorted.is_empty() {
            return Ok(Vec::new());
        }
        let cut = |k: usize| sorted[(k * sorted.len() / 4).min(sorted.len() - 1)];
        for row in known {
            let value = values[*row as usize];
            let name = if !value.is_finite() {
                "missing".to_owned()
            } else {
                let quarter = (1..4).filter(|k| value >= cut(*k)).count();
                format!("{}..{}", cut(quarter), cut(quarter + 1))
            };
            parts.entry(name).or_default().push(*row);
        }
    } else {
        for row in known {
            let name = texts.get(*row as usize).unwrap_or("missing").to_owned();
            parts.entry(name).or_default().push(*row);
        }
    }
    Ok(parts.into_iter().collect())
}

/// 95th percentile of predictions of one row, milliseconds.
fn one_row_p95(model: &Model, rows: &Frame) -> Result<f64> {
    let names: Vec<String> = model
        .signature
        .inputs
        .iter()
        .map(|input| input.name.clone())
        .collect();
    let count = rows.rows().min(TIMED_ROWS);
    let frames = (0..count)
        .map(|index| {
            let row = (index * rows.rows() / count) as u32;
            rows.select(&names)?.take(&[row])
        })
        .collect::<crate::data::Result<Vec<_>>>()?;
    for frame in frames.iter().take(20) {
        model.predict(frame)?;
    }
    let mut times = frames
        .iter()
        .map(|frame| {
            let start = Instant::now();
            model.predict(frame)?;
            Ok(start.elapsed().as_secs_f64() * 1e3)
        })
        .collect::<Result<Vec<_>>>()?;
    times.sort_unstable_by(f64::total_cmp);
    Ok(times
        .get((times.len() * 95).div_ceil(100).saturating_sub(1))
        .copied()
        .unwrap_or(0.0))
}

/// What callers would have to change, in sentences.
pub fn changes(champion: &Model, challenger: &Model) -> Vec<String> {
    let (old, new) = (&champion.signature, &challenger.signature);
    let word = |kind: InputKind| match kind {
        InputKind::Number => "number",
        InputKind::Text => "text",
    };
    let mut sentences = Vec::new();
    for input in &new.inputs {
        match old.inputs.iter().find(|known| known.name == input.name) {
            None => sentences.push(format!(
                "needs input `{}` ({})",
                input.name,
                word(input.kind)
            )),
            Some(known) if known.kind != input.kind => sentences.push(format!(
                "input `{}` was {}, is {}",
                input.name,
                word(known.kind),
                word(input.kind)
            )),
            Some(_) => {}
        }
    }
    for input in &old.inputs {
        if !new.inputs.iter().any(|known| known.name == input.name) {
            sentences.push(format!("no longer looks at input `{}`", input.name));
        }
    }
    if old.task != new.task {
        sentences.push(format!(
            "predicts {}, was {}",
            task_words(new.task),
            task_words(old.task)
        ));
    } else if old.classes != new.classes {
        sentences.push(format!(
            "classes are {}, were {}",
            new.classes.join(", "),
            old.classes.join(", ")
        ));
    }
    sentences
}

fn task_words(task: Task) -> &'static str {
    match task {
        Task::Binary => "one of two classes",
        Task::Multiclass => "one of several classes",
        Task::Regression => "a number",
    }
}

/// Share of rows whose decision differs: at probability one half, or the likeliest class. None for numbers.
fn flipped(task: Task, ours: &Predictions, theirs: &Predictions) -> Option<f64> {
    let differ = |a: &f64, b: &f64| match task {
        Task::Binary => (*a >= 0.5) != (*b >= 0.5),
        _ => a != b,
    };
    if task == Task::Regression || ours.values.is_empty() {
        return None;
    }
    let pairs = ours.values.iter().zip(&theirs.values);
    let count = pairs.filter(|(a, b)| differ(a, b)).count();
    Some(count as f64 / ours.values.len() as f64)
}

/// The checks that follow from an evaluation: floor, better on holdout, slices, inputs, speed. A check is only there
/// when the gate asks for it; inputs are always compared.
///
/// "Better" is: the improvement reaches `by`, and the lower end of its 95 % interval lies above minus the tolerance,
/// which is `by` or 1 % of the champion's metric, whichever is greater.
pub fn decide(gate: &Gate, evaluation: &JobResult) -> Vec<Check> {
    let JobResult::Evaluate {
        challenger,
        champion,
        difference_lower,
        slices,
        p95_ms,
        champion_p95_ms,
        input_changes,
        champion_gone,
        ..
    } = evaluation
    else {
        return Vec::new();
    };
    let find = |metrics: &[(String, f64)]| {
        metrics
            .iter()
            .find(|(name, _)| *name == gate.metric)
            .map(|(_, value)| *value)
    };
    let (ours, theirs) = (find(challenger), find(champion));
    let mut checks = Vec::new();
    if let Some(limit) = gate.at_least {
        checks.push(floor(gate, ours, limit));
    }
    if let Some(alias) = &gate.beat {
        checks.push(match champion_gone {
            Some(why) => not_compared("better_on_holdout", "better on holdout", alias, why),
            None => better(
                gate,
                alias,
                ours,
                theirs,
                champion_p95_ms.is_some(),
                *difference_lower,
            ),
        });
    }
    if !gate.slices.is_empty() {
        let alias = gate.beat.as_deref().unwrap_or("champion");
        checks.push(match champion_gone {
            Some(why) => not_compared("no_slice_worse", "no slice worse", alias, why),
            None => no_slice_worse(gate, theirs.is_some(), slices),
        });
    }
    checks.push(Check {
        key: "same_inputs".to_owned(),
        name: "same inputs".to_owned(),
        passed: input_changes.is_empty(),
        detail: if !input_changes.is_empty() {
            input_changes.join("; ")
        } else if champion_p95_ms.is_some() || champion_gone.is_some() {
            "inputs and output equal the champion's".to_owned()
        } else {
            "no champion to differ from".to_owned()
        },
        pane: Some(3),
    });
    if let Some(limit) = gate.max_p95_ms {
        checks.push(Check {
            key: "fast_enough".to_owned(),
            name: "fast enough".to_owned(),
            passed: *p95_ms <= limit,
            detail: format!("p95 {} ms (limit {} ms)", milliseconds(*p95_ms), limit),
            pane: Some(5),
        });
    }
    checks
}

fn floor(gate: &Gate, ours: Option<f64>, limit: f64) -> Check {
    let greater = greater_is_better(&gate.metric);
    let (name, sign) = if greater {
        ("metric floor", "≥")
    } else {
        ("metric ceiling", "≤")
    };
    Check {
        key: "metric_floor".to_owned(),
        name: name.to_owned(),
        passed: ours.is_some_and(|ours| {
            if greater {
                ours >= limit
            } else {
                ours <= limit
            }
        }),
        detail: match ours {
            Some(ours) => format!("{} {ours:.4} ({sign} {limit})", gate.metric),
            None => format!("{} is not defined on these rows", gate.metric),
        },
        pane: Some(1),
    }
}

fn better(
    gate: &Gate,
    alias: &str,
    ours: Option<f64>,
    theirs: Option<f64>,
    has_champion: bool,
    lower: Option<f64>,
) -> Check {
    let sign = if greater_is_better(&gate.metric) {
        1.0
    } else {
        -1.0
    };
    let (passed, detail) = match (ours, theirs) {
        (Some(ours), Some(theirs)) => {
            // a hair of rounding must not hold an exactly sufficient model
            let enough = sign * (ours - theirs) >= gate.by - 1e-12;
            let tolerance = gate.by.abs().max(TOLERANCE * theirs.abs());
            let sure = lower.is_none_or(|lower| lower > -tolerance);
            let wanted = if sign > 0.0 {
                format!("≥ {:+}", gate.by)
            } else {
                format!("≤ {:+}", -gate.by)
            };
            let mut detail = format!("{} {theirs:.4} → {ours:.4} ({wanted})", gate.metric);
            if let (Some(lower), false) = (lower, sure) {
                detail.push_str(&format!(
                    "; too uncertain: by chance {:+.4}, tolerated {:+.4}",
                    sign * lower,
                    -sign * tolerance
                ));
            }
            (enough && sure, detail)
        }
        (None, _) => (
            false,
            format!("{} is not defined on these rows", gate.metric),
        ),
        (Some(ours), None) if !has_champion => {
            (true, format!("{} {ours:.4}, no {alias} yet", gate.metric))
        }
        (Some(_), None) => (
            false,
            format!("the {alias} has no {} on these rows", gate.metric),
        ),
    };
    Check {
        key: "better_on_holdout".to_owned(),
        name: "better on holdout".to_owned(),
        passed,
        detail,
        pane: Some(1),
    }
}

/// Nothing is said of a champion that cannot be judged any more; so nothing is better than it.
fn not_compared(key: &str, name: &str, alias: &str, why: &str) -> Check {
    Check {
        key: key.to_owned(),
        name: name.to_owned(),
        passed: false,
        detail: format!(
            "not compared: the features that the {alias} learned from cannot be made again ({why})"
        ),
        pane: Some(1),
    }
}

fn no_slice_worse(gate: &Gate, compared: bool, slices: &[(String, u64, f64)]) -> Check {
    let sign = if greater_is_better(&gate.metric) {
        1.0
    } else {
        -1.0
    };
    let worst = slices.iter().min_by(|a, b| a.2.total_cmp(&b.2));
    let (passed, detail) = match worst {
        Some((name, rows, improvement)) => (
            *improvement >= -gate.slice_drop.abs(),
            format!(
                "worst: {name} {:+.4} (limit {:+}, {rows} rows)",
                sign * improvement,
                -sign * gate.slice_drop.abs()
            ),
        ),
        None if compared => (
            true,
            format!(
                "no slice of {} has {MIN_SLICE_ROWS} rows",
                gate.slices.join(", ")
            ),
        ),
        None => (true, "no champion to compare with".to_owned()),
    };
    Check {
        key: "no_slice_worse".to_owned(),
        name: "no slice worse".to_owned(),
        passed,
        detail,
        pane: Some(1),
    }
}

fn milliseconds(value: f64) -> String {
    if value >= 10.0 {
        format!("{value:.0}")
    } else if value >= 0.1 {
        format!("{value:.1}")
    } else {
        format!("{value:.3}")
    }
}
