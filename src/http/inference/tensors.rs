//! `…/infer` of the Open Inference Protocol: tensors become a `Frame`, answers become tensors.

use super::{INLINE, Refusal, Target, answered, outputs, predicted, status};
use crate::data::Frame;
use crate::domain::Error;
use crate::service::Services;
use crate::service::serving::Answer;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

#[derive(Deserialize)]
struct InferRequest {
    id: Option<String>,
    parameters: Option<Map<String, Value>>,
    inputs: Vec<Tensor>,
    outputs: Option<Vec<Wanted>>,
}

#[derive(Deserialize)]
struct Tensor {
    name: String,
    shape: Vec<i64>,
    datatype: String,
    data: Value,
}

#[derive(Deserialize)]
struct Wanted {
    name: String,
}

pub(super) async fn infer(
    State(services): State<Arc<Services>>,
    Path(target): Path<Target>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<axum::Json<Value>, Refusal> {
    let small = body.len() <= INLINE;
    let answer = answered(small, move || {
        let refuse = |error: Error| {
            services
                .serving
                .refused(&target.model, status(error.kind).as_u16(), &error.message);
            error
        };
        if headers.contains_key("inference-header-content-length") {
            return Err(refuse(Error::invalid(
                "binary tensors are not understood here: send `data` as JSON",
            )));
        }
        let request: InferRequest = serde_json::from_slice(&body)
            .map_err(|error| refuse(Error::invalid(format!("malformed request: {error}"))))?;
        let version = target.version().map_err(refuse)?;
        let rows = tensors(&request).map_err(refuse)?;
        let id = request.id.clone().or_else(|| {
            let parameters = request.parameters.as_ref()?;
            Some(parameters.get("request_id")?.as_str()?.to_owned())
        });
        let given = request.id.is_some();
        let answer = services
            .serving
            .predict(&services, &target.model, version, rows, id)?;
        let wanted: Option<Vec<String>> = request
            .outputs
            .filter(|outputs| !outputs.is_empty())
            .map(|outputs| outputs.into_iter().map(|output| output.name).collect());
        encode(&target.model, &answer, given, wanted.as_deref())
    })
    .await?;
    Ok(axum::Json(answer))
}

fn encode(
    name: &str,
    answer: &Answer,
    echo_id: bool,
    wanted: Option<&[String]>,
) -> Result<Value, Error> {
    let signature = &answer.signature;
    let rows = answer.predictions.values.len();
    let known = outputs(signature);
    if let Some(wanted) = wanted
        && let Some(unknown) = wanted
            .iter()
            .find(|name| !known.iter().any(|(there, ..)| there == name))
    {
        let names: Vec<&str> = known.iter().map(|(name, ..)| *name).collect();
        return Err(Error::invalid(format!(
            "model `{name}` has no output `{unknown}`; its outputs are `{}`",
            names.join("`, `")
        )));
    }
    let mut tensors = Vec::new();
    for (output, datatype, width) in known {
        if wanted.is_some_and(|wanted| !wanted.iter().any(|name| name == output)) {
            continue;
        }
        let (shape, data) = match (output, width) {
            ("probabilities", Some(width)) => (
                json!([rows, width]),
                json!(answer.predictions.probabilities),
            ),
            _ => (json!([rows]), Value::Array(predicted(answer))),
        };
        tensors.push(json!({"name": output, "shape": shape, "datatype": datatype, "data": data}));
    }
    let mut body = json!({
        "model_name": name,
        "model_version": answer.version.0.to_string(),
        "outputs": tensors,
    });
    if let Some(body) = body.as_object_mut() {
        if echo_id {
            body.insert("id".into(), answer.request.clone().into());
        } else {
            body.insert("parameters".into(), json!({"request_id": answer.request}));
        }
    }
    Ok(body)
}

/// The request's tensors as columns; `parameters.timestamp` as a column of that name.
fn tensors(request: &InferRequest) -> Result<Frame, Error> {
    let Some(first) = request.inputs.first() else {
        return Err(Error::invalid(
            "`inputs` is empty: send one tensor per input",
        ));
    };
    let rows = usize::try_from(first.shape.first().copied().unwrap_or(-1)).map_err(|_| {
        Error::invalid(format!(
            "the shape of input `{}` must begin with the number of rows",
            first.name
        ))
    })?;
    let mut records = Vec::new();
    for tensor in &request.inputs {
        let mut flat = Vec::new();
        flatten(&tensor.data, &mut flat);
        // a shape may say anything: it is believed when the data agrees
        let count = tensor.shape.iter().try_fold(1_usize, |count, size| {
            count.checked_mul(usize::try_from(*size).ok()?)
        });
        if count != Some(flat.len()) {
            return Err(Error::invalid(format!(
                "input `{}`: shape {:?} is {} values, but `data` has {}",
                tensor.name,
                tensor.shape,
                count.map_or_else(|| "no number of".to_owned(), |count| count.to_string()),
                flat.len()
            )));
        }
        if flat.len() != rows {
            return Err(Error::invalid(format!(
                "input `{}` must have one value for each of {rows} rows, not shape {:?}",
                tensor.name, tensor.shape
            )));
        }
        records.resize_with(rows, Map::new);
        for (row, (record, value)) in records.iter_mut().zip(flat).enumerate() {
            record.insert(tensor.name.clone(), typed(tensor, row, value)?);
        }
    }
    if let Some(parameters) = &request.parameters {
        for (key, value) in parameters {
            if key != "request_id" && (value.is_string() || value.is_number()) {
                for record in &mut records {
                    record.entry(key.clone()).or_insert_with(|| value.clone());
                }
            }
        }
    }
    Ok(Frame::from_records(&records)?)
}

fn flatten<'a>(data: &'a Value, flat: &mut Vec<&'a Value>) {
    match data {
        Value::Array(items) => items.iter().for_each(|item| flatten(item, flat)),
        value => flat.push(value),
    }
}

fn typed(tensor: &Tensor, row: usize, value: &Value) -> Result<Value, Error> {
    let fits = match tensor.datatype.as_str() {
        "BOOL" => value.is_boolean() || value.as_u64().is_some_and(|number| number <= 1),
        "UINT8" | "UINT16" | "UINT32" | "UINT64" => value.is_u64(),
        "INT8" | "INT16" | "INT32" | "INT64" => value.is_i64() || value.is_u64(),
        "FP16" | "FP32" | "FP64" => value.is_number(),
        "BYTES" => value.is_string(),
        other => {
            return Err(Error::invalid(format!(
                "input `{}` has datatype `{other}`; known are BOOL, UINT8 to UINT64, INT8 to INT64, FP16, FP32, FP64, BYTES",
                tensor.name
            )));
        }
    };
    if !fits && !value.is_null() {
        return Err(Error::invalid(format!(
            "input `{}`: value {} is {value}, which is no {}",
            tensor.name,
            row + 1,
            tensor.datatype
        )));
    }
    // A flag as 0 or 1 is a flag.
    if tensor.datatype == "BOOL" && value.is_number() {
        return Ok(Value::Bool(value.as_u64() == Some(1)));
    }
    Ok(value.clone())
}
