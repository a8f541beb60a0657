//! Answered requests -> rows of the log: the inputs, and beside them who asked, when, what answered and what came out.

use crate::data::Frame;
use crate::domain::{Error, ModelName, Result, Timestamp, Version};
use crate::ml::Predictions;
use crate::store::inference_log as log;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{
    Array, ArrayRef, Float64Array, PrimitiveArray, RecordBatch, StringArray, UInt32Array,
};
use std::sync::Arc;

/// An answered request on its way into the log.
pub(super) struct Served {
    pub(super) model: ModelName,
    pub(super) called: String,
    pub(super) version: Version,
    pub(super) at: Timestamp,
    pub(super) ms: f64,
    pub(super) request: String,
    pub(super) inputs: Frame,
    pub(super) keys: Vec<Option<String>>,
    pub(super) events: Vec<Option<i64>>,
    pub(super) predictions: Predictions,
}

/// Requests to one version as rows of the log.
pub(super) fn batch(group: &[Served]) -> Result<RecordBatch> {
    let inputs: Vec<RecordBatch> = group
        .iter()
        .map(|served| served.inputs.batch.clone())
        .collect();
    let inputs = log::stack(&inputs)?.ok_or_else(|| Error::internal("no rows to log"))?;
    let rows = inputs.num_rows();
    let repeated = |value: &dyn Fn(&Served) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(group.iter().flat_map(
            |served| std::iter::repeat_n(value(served), served.inputs.rows()),
        )))
    };
    let times = |values: Vec<i64>| -> ArrayRef {
        Arc::new(PrimitiveArray::<TimestampMicrosecondType>::from(values).with_timezone("UTC"))
    };
    let mut at = Vec::with_capacity(rows);
    let mut events = Vec::with_capacity(rows);
    let mut ms = Vec::with_capacity(rows);
    let mut keys: Vec<Option<&str>> = Vec::with_capacity(rows);
    let mut versions = Vec::with_capacity(rows);
    let mut predictions: Vec<f64> = Vec::with_capacity(rows);
    let mut probabilities: Vec<Vec<f64>> = Vec::new();
    for served in group {
        let count = served.inputs.rows();
        let served_at = served.at.0 * 1000;
        at.extend(std::iter::repeat_n(served_at, count));
        events.extend(served.events.iter().map(|event| event.unwrap_or(served_at)));
        ms.extend(std::iter::repeat_n(served.ms, count));
        keys.extend(served.keys.iter().map(Option::as_deref));
        versions.extend(std::iter::repeat_n(served.version.0, count));
        predictions.extend(&served.predictions.values);
        let classes = served.predictions.probabilities.len() / count.max(1);
        if classes > 2 {
            probabilities.resize_with(classes, Vec::new);
            for row in served.predictions.probabilities.chunks(classes) {
                for (column, value) in probabilities.iter_mut().zip(row) {
                    column.push(*value);
                }
            }
        }
    }
    let mut columns: Vec<(String, ArrayRef)> = inputs
        .schema_ref()
        .fields()
        .iter()
        .zip(inputs.columns())
        .map(|(field, column)| (field.name().clone(), Arc::clone(column)))
        .collect();
    columns.extend([
        (
            log::REQUEST.to_owned(),
            repeated(&|served| served.request.clone()),
        ),
        (
            log::ROW_KEY.to_owned(),
            Arc::new(StringArray::from(keys)) as ArrayRef,
        ),
        (log::AT.to_owned(), times(at)),
        (log::EVENT_TIME.to_owned(), times(events)),
        (
            log::MS.to_owned(),
            Arc::new(Float64Array::from(ms)) as ArrayRef,
        ),
        (
            log::DEPLOYMENT.to_owned(),
            repeated(&|served| served.called.clone()),
        ),
        (
            log::VERSION.to_owned(),
            Arc::new(UInt32Array::from(versions)) as ArrayRef,
        ),
        (
            log::PREDICTION.to_owned(),
            Arc::new(Float64Array::from(predictions)) as ArrayRef,
        ),
    ]);
    for (class, values) in probabilities.into_iter().enumerate() {
        columns.push((
            format!("{}{class}", log::PROBABILITY),
            Arc::new(Float64Array::from(values)) as ArrayRef,
        ));
    }
    debug_assert!(columns.iter().all(|(_, column)| column.len() == rows));
    RecordBatch::try_from_iter_with_nullable(
        columns
            .into_iter()
            .map(|(name, column)| (name, column, true)),
    )
    .map_err(|error| Error::internal("putting served rows together").because(error))
}
