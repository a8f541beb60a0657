//! Why a request was answered as it was: its inputs against the reference of the version that answered.

use super::inputs;
use super::serving::{Logged, Serving};
use crate::data::Frame;
use crate::domain::dataset::ColumnKind;
use crate::domain::deployment::{Explanation, InputShare, RequestRow};
use crate::domain::model::{Signature, Task};
use crate::domain::{DeploymentName, Error, Result, Version};
use crate::ml;
use crate::store::inference_log as log;
use std::sync::PoisonError;

/// See [`Serving::explain`].
pub fn request(
    serving: &Serving,
    deployment: &DeploymentName,
    request: &str,
) -> Result<Explanation> {
    let failed = {
        let traffic = serving
            .traffic
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        traffic.get(deployment).and_then(|traffic| {
            let kept = traffic.requests.iter().rev().find(|row| row.id == request);
            kept.filter(|row| row.status >= 400 || row.rows == 0)
                .cloned()
        })
    };
    if let Some(row) = failed {
        return Err(Error::conflict(format!(
            "request `{request}` got no answer to explain: {}",
            row.detail
        )));
    }
    let (row, rows) = logged(serving, deployment, request)?;
    let version = row.version.ok_or_else(|| {
        Error::conflict(format!("request `{request}` was answered by no version"))
    })?;
    let (_, loaded) = serving.target(deployment.as_str(), Some(version))?;
    let reference = ml::model_file::reference(&loaded.directory, None)?;
    let shares = ml::outlier::explain(&loaded.model, &reference, &rows, 0)?;
    Ok(Explanation {
        sentence: sentence(&row, &shares),
        request: row,
        inputs: shares,
    })
}

pub(super) fn sentence(row: &RequestRow, shares: &[InputShare]) -> String {
    let odd = shares.iter().filter(|share| share.outlier).count();
    let moving: Vec<String> = shares
        .iter()
        .filter(|share| share.effect != 0.0)
        .take(3)
        .map(|share| {
            format!(
                "{} {} ({}{})",
                share.input,
                share.value,
                if share.effect > 0.0 { "+" } else { "" },
                inputs::short(share.effect)
            )
        })
        .collect();
    let because = if moving.is_empty() {
        "no input moved it from the ordinary answer".to_owned()
    } else {
        format!("because {}", moving.join(", "))
    };
    let unusual = match odd {
        0 => "no input is unusual".to_owned(),
        1 => "1 input is unusual".to_owned(),
        many => format!("{many} inputs are unusual"),
    };
    format!("{} {because}; {unusual}", row.answer)
}

/// A request and its inputs, from the log.
fn logged(
    serving: &Serving,
    deployment: &DeploymentName,
    request: &str,
) -> Result<(RequestRow, Frame)> {
    let absent = || {
        Error::not_found(format!(
            "deployment `{deployment}` has logged no request `{request}`"
        ))
    };
    let slots = serving.slots();
    let model = &slots.get(deployment).ok_or_else(absent)?.config.model;
    serving.flush()?;
    let batch = serving.log().request(model, request)?.ok_or_else(absent)?;
    let rows = Frame::from_batch(&batch)?;
    let version = rows
        .numbers(log::VERSION)?
        .first()
        .map(|number| Version(*number as u32))
        .ok_or_else(absent)?;
    let (_, served_by) = serving.target(deployment.as_str(), Some(version))?;
    let signature = &served_by.model.signature;
    let count = u32::try_from(rows.rows()).unwrap_or(u32::MAX);
    let row = Logged::of(&rows)?.request(&rows, 0, Some(count), Some(signature))?;
    Ok((row, inputs::conform(&rows, signature)?))
}

/// The column `PREDICTION` of a reference in the units of `ml::Predictions::values`: classes by their index.
pub fn predictions(reference: &Frame, signature: &Signature) -> Result<Vec<f64>> {
    if signature.task == Task::Multiclass && reference.kind("PREDICTION")? == ColumnKind::Text {
        return Ok(reference
            .texts("PREDICTION")?
            .into_iter()
            .map(|class| {
                signature
                    .classes
                    .iter()
                    .position(|known| Some(known) == class.as_ref())
                    .map_or(f64::NAN, |index| index as f64)
            })
            .collect());
    }
    Ok(reference.numbers("PREDICTION")?)
}
