//! What a promotion or a roll-back changes, worked out before it happens: both signatures, both versions on the
//! requests of the last day, and the gate's checks that need what was served. Changes nothing.

use super::registry::{Registry, directory_digest};
use super::{Core, Services};
use crate::data::Frame;
use crate::domain::drift::DriftVerdict;
use crate::domain::metric::Number;
use crate::domain::model::{Signature, Task};
use crate::domain::registry::{CHAMPION, PromotionPage, PromotionSide};
use crate::domain::trigger::{Check, Gate};
use crate::domain::{Error, ModelName, Result, Timestamp, Version};
use crate::ml::{self, Model};
use crate::store::inference_log::{InferenceLog, Window};
use std::time::{Duration, Instant};

/// Requests replayed through both models at most.
const REPLAYED: usize = 50_000;
/// Rows replayed between two looks at the time.
const CHUNK: usize = 2_000;
/// How long a person may wait for the replay.
const PATIENCE: Duration = Duration::from_millis(1_000);
/// Served rows that stand for "production" in the gate.
const RECENT: usize = 20_000;
const DAY: i64 = 86_400_000;

/// See [`Registry::preview`].
pub fn preview(
    core: &Core,
    services: &Services,
    model: &ModelName,
    then: Version,
    rollback: bool,
) -> Result<PromotionPage> {
    services.serving.flush()?;
    let registry = &services.registry;
    let target = registry.version(model, then)?;
    let now = registry.resolve(model, CHAMPION)?;
    let metric = registry.metric(model);
    let loaded = ml::model_file::load(&registry.directory(model, then)?)?;
    let side = |version: Version, loaded: &Model| -> Result<PromotionSide> {
        let run = match registry.version(model, version)?.run {
            Some(run) => services.tracking.run(&run).ok(),
            None => None,
        };
        let served = services.serving.figures(model, version);
        let p95 = match served.as_ref().and_then(|figures| figures.p95_ms) {
            Some(p95) => Some(p95),
            None => smoke_p95(
                loaded,
                &ml::model_file::example(&registry.directory(model, version)?, &loaded.signature)?,
            )?,
        };
        Ok(PromotionSide {
            version,
            metric: metric.as_ref().and_then(|key| {
                let run = run.as_ref()?;
                run.metric(key).map(Number)
            }),
            run_name: run.map(|run| run.name).unwrap_or_default(),
            p95_ms: p95,
            serving_since: served.as_ref().and_then(|figures| figures.since),
            requests_per_s: served.and_then(|figures| figures.requests_per_s),
        })
    };
    let mut changes = Vec::new();
    let now = match now {
        Some(version) if version != then => {
            let before = ml::model_file::load(&registry.directory(model, version)?)?;
            changes.extend(signature_changes(&before.signature, &loaded.signature));
            changes.push(replay(core, model, &before, &loaded)?);
            Some(side(version, &before)?)
        }
        Some(version) => {
            changes.push(format!("none: `{CHAMPION}` names {version} already"));
            Some(side(version, &loaded)?)
        }
        None => {
            changes.push(format!(
                "`{CHAMPION}` names no version yet: callers get their first answers"
            ));
            None
        }
    };
    Ok(PromotionPage {
        model: model.clone(),
        alias: CHAMPION.into(),
        metric: metric.clone(),
        now,
        then: side(then, &loaded)?,
        changes,
        verdict: if rollback {
            None
        } else {
            target.gate.map(|(verdict, _)| verdict)
        },
        deployments: core
            .config()
            .deployments
            .iter()
            .filter(|one| one.model == *model && one.alias == CHAMPION)
            .map(|one| one.name.to_string())
            .collect(),
    })
}

/// 95th percentile of one-row answers to the input example, milliseconds.
fn smoke_p95(model: &Model, example: &Frame) -> Result<Option<f64>> {
    if example.rows() == 0 {
        return Ok(None);
    }
    let row = example.take(&[0])?;
    let mut times = Vec::with_capacity(60);
    for _ in 0..60 {
        let begun = Instant::now();
        model.predict(&row)?;
        times.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    Ok(times.get(times.len() * 95 / 100).copied())
}

/// Sentences for what callers have to send or will get otherwise than before.
pub fn signature_changes(before: &Signature, after: &Signature) -> Vec<String> {
    let kind = |kind: crate::domain::model::InputKind| match kind {
        crate::domain::model::InputKind::Number => "number",
        crate::domain::model::InputKind::Text => "text",
    };
    let mut changes = Vec::new();
    for input in &after.inputs {
        match before.inputs.iter().find(|old| old.name == input.name) {
            None => changes.push(format!(
                "input `{}` added ({})",
                input.name,
                kind(input.kind)
            )),
            Some(old) if old.kind != input.kind => changes.push(format!(
                "input `{}` {} → {}",
                input.name,
                kind(old.kind),
                kind(input.kind)
            )),
            Some(_) => {}
        }
    }
    for input in &before.inputs {
        if !after.inputs.iter().any(|new| new.name == input.name) {
            changes.push(format!("input `{}` removed", input.name));
        }
    }
    if changes.is_empty() {
        changes.push("inputs none".into());
    }
    changes.push(
        if before.task == after.task && before.classes == after.classes {
            "output none".into()
        } else {
            format!("output {} → {}", output(before), output(after))
        },
    );
    changes
}

fn output(signature: &Signature) -> String {
    match signature.task {
        Task::Regression => "a number".into(),
        Task::Binary | Task::Multiclass => format!("classes {}", signature.classes.join(", ")),
    }
}

/// Both models on the rows of the last day: which answers fall on the other side.
fn replay(core: &Core, model: &ModelName, before: &Model, after: &Model) -> Result<String> {
    let now = core.now();
    let window = Window::Served(Timestamp(now.0 - DAY), Timestamp(now.0 + 1));
    let log = InferenceLog::new(core.workspace.inference());
    let Some(batch) = log.read(model, window, None, Some(REPLAYED))? else {
        return Ok("no requests of the last day to replay".into());
    };
    let rows = Frame::from_batch(&batch)?;
    let names = rows.names();
    let missing: Vec<&str> = after
        .signature
        .inputs
        .iter()
        .map(|input| input.name.as_str())
        .filter(|name| !names.iter().any(|there| there == name))
        .collect();
    if !missing.is_empty() {
        return Ok(format!(
            "the last day's requests cannot be replayed: they lack `{}`",
            missing.join("`, `")
        ));
    }
    let begun = Instant::now();
    let (mut replayed, mut flipped, mut moved) = (0_usize, 0_usize, 0.0_f64);
    while replayed < rows.rows() && begun.elapsed() < PATIENCE {
        let end = rows.rows().min(replayed + CHUNK);
        let chunk = Frame {
            batch: rows.batch.slice(replayed, end - replayed),
        };
        let old = before.predict(&chunk)?.values;
        let new = after.predict(&chunk)?.values;
        for (old, new) in old.iter().zip(&new) {
            let flips = match after.signature.task {
                Task::Binary => (*old >= 0.5) != (*new >= 0.5),
                Task::Multiclass => class(&before.signature, *old) != class(&after.signature, *new),
                Task::Regression => false,
            };
            flipped += usize::from(flips);
            moved += (old - new).abs();
        }
        replayed = end;
    }
    let many = replayed.max(1) as f64;
    Ok(match after.signature.task {
        Task::Regression => format!(
            "answers change by {:.4} on average (replayed {replayed} rows of the last day)",
            moved / many
        ),
        Task::Binary | Task::Multiclass => format!(
            "{:.1} % of the last day's answers flip (replayed {replayed} rows)",
            100.0 * flipped as f64 / many
        ),
    })
}

fn class(signature: &Signature, value: f64) -> Option<&String> {
    signature.classes.get(value as usize)
}

/// See [`Registry::production_checks`].
pub fn production_checks(
    core: &Core,
    registry: &Registry,
    model: &ModelName,
    version: Version,
    gate: &Gate,
) -> Result<Vec<Check>> {
    let directory = registry.directory(model, version)?;
    let mut checks = Vec::new();
    if let Some(limit) = gate.max_psi {
        checks.push(like_production(core, model, &directory, limit)?);
    }
    let intact = intact(&directory, &registry.digest(model, version)?);
    checks.push(Check {
        key: "artifact_intact".into(),
        name: "artifact intact".into(),
        passed: intact.is_ok(),
        detail: match intact {
            Ok(detail) => detail,
            Err(error) => error.to_string(),
        },
        pane: None,
    });
    Ok(checks)
}

fn intact(directory: &std::path::Path, registered: &str) -> Result<String> {
    let digest = directory_digest(directory)?;
    let short: String = digest.chars().take(12).collect();
    if !registered.is_empty() && registered != digest {
        return Err(Error::conflict(format!(
            "the files changed since registration: sha256 {short}…"
        )));
    }
    let model = ml::model_file::load(directory)?;
    let example = ml::model_file::example(directory, &model.signature)?;
    let answers = model.predict(&example)?;
    if answers.values.iter().any(|value| !value.is_finite()) {
        return Err(Error::conflict("answers the input example with NaN"));
    }
    Ok(format!("sha256 {short}…  loads, predicts"))
}

fn like_production(
    core: &Core,
    model: &ModelName,
    directory: &std::path::Path,
    limit: f64,
) -> Result<Check> {
    let now = core.now();
    let window = Window::Served(Timestamp(now.0 - 7 * DAY), Timestamp(now.0 + 1));
    let log = InferenceLog::new(core.workspace.inference());
    let mut check = Check {
        key: "data_like_production".into(),
        name: "data like production".into(),
        passed: true,
        detail: "no served rows to compare yet".into(),
        pane: None,
    };
    let Some(batch) = log.read(model, window, None, Some(RECENT))? else {
        return Ok(check);
    };
    let current = Frame::from_batch(&batch)?;
    let signature = ml::model_file::load(directory)?.signature;
    let names = current.names();
    let inputs: Vec<String> = signature
        .inputs
        .into_iter()
        .map(|input| input.name)
        .filter(|name| names.contains(name))
        .collect();
    let reference = ml::model_file::reference(directory, None)?;
    let options = crate::drift::Options {
        method: "psi".into(),
        thresholds: [("psi".to_owned(), limit)].into(),
        ..Default::default()
    };
    let columns = crate::drift::compare(&reference, &current, Some(&inputs), &options)?;
    let worst = columns
        .iter()
        .filter(|column| column.verdict != DriftVerdict::TooFew)
        .filter_map(|column| {
            let value = column
                .tests
                .iter()
                .find(|test| test.method == "psi")?
                .value?;
            Some((column.column.as_str(), value))
        })
        .max_by(|a, b| a.1.total_cmp(&b.1));
    if let Some((column, psi)) = worst {
        check.passed = psi <= limit;
        check.detail = format!(
            "{column} PSI {psi:.2} {} {limit} ({} served rows)",
            if check.passed { "≤" } else { ">" },
            current.rows()
        );
        check.pane = (!check.passed).then_some(4);
    }
    Ok(check)
}
