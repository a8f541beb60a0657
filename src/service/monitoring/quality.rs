//! Realised quality: served rows whose labels have come, judged by the metrics of their task.

use super::Served;
use crate::config::LabelsConfig;
use crate::data::Frame;
use crate::domain::drift::Performance;
use crate::domain::model::{Signature, Task};
use crate::domain::{Result, Timestamp};
use crate::ml::{self, Predictions, Target};
use crate::service::{Services, datasets};
use crate::store::inference_log as log;
use arrow_array::{ArrayRef, Float64Array, StringArray};
use std::collections::HashMap;
use std::sync::Arc;

/// Predictions as a column: classes by name, else numbers.
pub(super) fn prediction(signature: &Signature, values: &[f64]) -> ArrayRef {
    match signature.task {
        Task::Multiclass => Arc::new(
            values
                .iter()
                .map(|value| {
                    (!value.is_nan())
                        .then(|| signature.classes.get(*value as usize).cloned())
                        .flatten()
                })
                .collect::<StringArray>(),
        ),
        Task::Binary | Task::Regression => Arc::new(Float64Array::from(values.to_vec())),
    }
}

/// Realised quality on the rows whose labels were known by `until`; none while there are no labels.
pub(super) fn performance(
    services: &Services,
    config: &LabelsConfig,
    served: &Served,
    until: Option<Timestamp>,
) -> Result<Option<Performance>> {
    let source = services.datasets.resolve(&config.dataset)?;
    let mut names = vec![config.key.clone(), config.column.clone()];
    if let Some(known_at) = &config.known_at
        && !names.contains(known_at)
    {
        names.push(known_at.clone());
    }
    let labels = datasets::columns(&source, &names)?;
    let known: Option<Vec<Option<i64>>> = match (&config.known_at, until) {
        (Some(column), Some(_)) => Some(labels.times(column)?),
        _ => None,
    };
    let until = until.map_or(i64::MAX, |until| until.0.saturating_mul(1000));
    let mut wanted: HashMap<&str, Option<u32>> = served
        .keys
        .iter()
        .flatten()
        .map(|key| (key.as_str(), None))
        .collect();
    for (row, key) in labels.texts(&config.key)?.iter().enumerate() {
        let in_time = known.as_ref().is_none_or(|known| {
            known
                .get(row)
                .copied()
                .flatten()
                .is_some_and(|at| at <= until)
        });
        if let (Some(key), true) = (key, in_time)
            && let Some(place) = wanted.get_mut(key.as_str())
        {
            *place = u32::try_from(row).ok();
        }
    }
    let mut served_rows = Vec::new();
    let mut label_rows = Vec::new();
    for (row, key) in served.keys.iter().enumerate() {
        if let Some(key) = key
            && let Some(Some(label)) = wanted.get(key.as_str())
            && let Ok(row) = u32::try_from(row)
        {
            served_rows.push(row);
            label_rows.push(*label);
        }
    }
    if served_rows.is_empty() {
        return Ok(None);
    }
    let labelled = labels.take(&label_rows)?;
    let target = Target::for_signature(&labelled, &config.column, &served.signature)?;
    let matched = served.rows.take(&served_rows)?;
    let values = matched.numbers(log::PREDICTION)?;
    // A row whose label is null (a cancelled flight) has no truth to be judged by.
    let judged: Vec<usize> = (0..values.len())
        .filter(|row| target.values.get(*row).is_some_and(|value| !value.is_nan()))
        .collect();
    if judged.is_empty() {
        return Ok(None);
    }
    let predictions = Predictions {
        probabilities: probabilities(&matched, &served.signature, &values)?,
        values,
    };
    let mean = |of: &[f64]| {
        judged.iter().filter_map(|row| of.get(*row)).sum::<f64>() / judged.len() as f64
    };
    Ok(Some(Performance {
        labelled: judged.len() as u64,
        served: served.rows.rows() as u64,
        // A metric that cannot be told (one class only) is left out: JSON has no NaN.
        metrics: ml::metrics::evaluate(&target, &predictions)
            .into_iter()
            .filter(|(_, value)| value.is_finite())
            .collect(),
        mean_prediction: mean(&predictions.values),
        rate: mean(&target.values),
        provisional: served_rows.len() < served.rows.rows(),
    }))
}

fn probabilities(rows: &Frame, signature: &Signature, values: &[f64]) -> Result<Vec<f64>> {
    match signature.task {
        Task::Regression => Ok(Vec::new()),
        Task::Binary => Ok(values
            .iter()
            .flat_map(|value| [1.0 - value, *value])
            .collect()),
        Task::Multiclass => {
            let columns = (0..signature.classes.len())
                .map(|class| rows.numbers(&format!("{}{class}", log::PROBABILITY)))
                .collect::<std::result::Result<Vec<_>, _>>()?;
            Ok((0..values.len())
                .flat_map(|row| {
                    columns
                        .iter()
                        .map(move |column| column.get(row).copied().unwrap_or(f64::NAN))
                })
                .collect())
        }
    }
}
