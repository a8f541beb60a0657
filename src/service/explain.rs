//! Why a request was answered as it was: its inputs against the reference of the version that answered.

use super::inputs;
use super::serving::Serving;
use crate::data::Frame;
use crate::domain::dataset::ColumnKind;
use crate::domain::deployment::{Explanation, InputShare, RequestRow};
use crate::domain::model::{Signature, Task};
use crate::domain::{DeploymentName, Error, Result, Timestamp, Version};
use crate::ml;
use crate::store::inference_log::{self as log, Window};
use std::sync::PoisonError;

/// See [`Serving::explain`].
pub fn request(
    serving: &Serving,
    deployment: &DeploymentName,
    request: &str,
) -> Result<Explanation> {
    let kept = {
        let traffic = serving
            .traffic
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        traffic.get(deployment).and_then(|traffic| {
            traffic
                .requests
                .iter()
                .rev()
                .find(|kept| kept.row.id == request)
                .cloned()
        })
    };
    let (row, rows) = match kept {
        Some(kept) => match kept.inputs {
            Some(inputs) => (kept.row, inputs),
            None => {
                return Err(Error::conflict(format!(
                    "request `{request}` got no answer to explain: {}",
                    kept.row.detail
                )));
            }
        },
        None => logged(serving, deployment, request)?,
    };
    let version = row.version.ok_or_else(|| {
        Error::conflict(format!("request `{request}` was answered by no version"))
    })?;
    let (_, loaded) = serving.target(deployment.as_str(), Some(version))?;
    let reference = ml::model_file::reference(&loaded.directory)?;
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

/// A request that is no longer in memory.
fn logged(
    serving: &Serving,
    deployment: &DeploymentName,
    request: &str,
) -> Result<(RequestRow, Frame)> {
    let (_, loaded) = serving.target(deployment.as_str(), None)?;
    serving.flush()?;
    let now = serving.core.now();
    let window = Window::Served(Timestamp(0), Timestamp(now.0 + 1));
    let absent = || {
        Error::not_found(format!(
            "deployment `{deployment}` has logged no request `{request}`"
        ))
    };
    let ids = serving
        .log()
        .read(&loaded.name, window, Some(&[log::REQUEST.to_owned()]), None)?
        .ok_or_else(absent)?;
    let ids = Frame::from_batch(&ids)?;
    let times = ids.times(log::AT)?;
    let place = ids
        .texts(log::REQUEST)?
        .iter()
        .rposition(|id| id.as_deref() == Some(request))
        .ok_or_else(absent)?;
    let at = times.get(place).copied().flatten().ok_or_else(absent)?;
    let moment = Window::Served(
        Timestamp(at.div_euclid(1000)),
        Timestamp(at.div_euclid(1000) + 1),
    );
    let batch = serving
        .log()
        .read(&loaded.name, moment, None, None)?
        .ok_or_else(absent)?;
    let rows = Frame::from_batch(&batch)?;
    let mine: Vec<u32> = rows
        .texts(log::REQUEST)?
        .iter()
        .enumerate()
        .filter(|(_, id)| id.as_deref() == Some(request))
        .filter_map(|(row, _)| u32::try_from(row).ok())
        .collect();
    let rows = rows.take(&mine)?;
    let version = rows
        .numbers(log::VERSION)?
        .first()
        .map(|number| Version(*number as u32))
        .ok_or_else(absent)?;
    let (_, served_by) = serving.target(deployment.as_str(), Some(version))?;
    let signature = &served_by.model.signature;
    let conformed = inputs::conform(&rows, signature)?;
    let value = rows.numbers(log::PREDICTION)?.first().copied();
    let row = RequestRow {
        id: request.to_owned(),
        at: Timestamp(at.div_euclid(1000)),
        status: 200,
        ms: rows.numbers(log::MS)?.first().copied().unwrap_or(0.0),
        rows: u32::try_from(rows.rows()).unwrap_or(u32::MAX),
        version: Some(version),
        answer: value.map_or_else(String::new, |value| inputs::answer(signature, value, &[])),
        detail: inputs::words(&conformed, 0)?,
    };
    Ok((row, conformed))
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
