//! `/models/{m}/invocations`, MLflow's scoring: its four JSON forms and CSV become a `Frame`.

use super::{INLINE, Refusal, answered, mlflow, predicted, status};
use crate::data::{self, Frame};
use crate::domain::Error;
use crate::domain::model::{Signature, Task};
use crate::service::Services;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

pub(super) async fn invocations(
    State(services): State<Arc<Services>>,
    Path(model): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    let small = body.len() <= INLINE;
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("application/json")
        .to_ascii_lowercase();
    let id = headers
        .get("x-request-id")
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let answer = answered(small, move || {
        let rows = if kind.starts_with("text/csv") {
            csv(&services, &body)
        } else if kind.starts_with("application/json") {
            scoring(&services, &model, &body)
        } else {
            Err(Error::invalid(format!(
                "content type `{kind}` is not understood: send `application/json` or `text/csv`"
            )))
        };
        let rows = rows.inspect_err(|error| {
            services
                .serving
                .refused(&model, status(error.kind).as_u16(), &error.message);
        })?;
        services.serving.predict(&services, &model, None, rows, id)
    })
    .await
    .map_err(mlflow)?;
    let predictions = match answer.signature.task {
        Task::Binary => json!(answer.predictions.values),
        Task::Regression | Task::Multiclass => Value::Array(predicted(&answer)),
    };
    let mut response = axum::Json(json!({"predictions": predictions})).into_response();
    let headers = response.headers_mut();
    for (name, value) in [
        ("x-trainyard-model-version", answer.version.0.to_string()),
        ("x-request-id", answer.request),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok(response)
}

/// MLflow's four JSON forms as rows.
fn scoring(services: &Services, model: &str, body: &[u8]) -> Result<Frame, Error> {
    const FORMS: [&str; 4] = [
        "dataframe_split",
        "dataframe_records",
        "instances",
        "inputs",
    ];
    let body: Map<String, Value> = serde_json::from_slice(body)
        .map_err(|error| Error::invalid(format!("malformed request: {error}")))?;
    let given: Vec<&str> = FORMS
        .into_iter()
        .filter(|form| body.contains_key(*form))
        .collect();
    let [form] = given.as_slice() else {
        return Err(Error::invalid(format!(
            "the request must have exactly one of `{}`",
            FORMS.join("`, `")
        )));
    };
    let value = &body[*form];
    let records = match *form {
        "dataframe_split" => split(value)?,
        "dataframe_records" => records(form, value)?,
        _ => match value {
            Value::Object(columns) => column_records(form, columns)?,
            Value::Array(rows) if rows.iter().all(Value::is_object) => records(form, value)?,
            Value::Array(rows) => {
                let (_, _, signature) = services.serving.signature(model, None)?;
                positional(form, rows, &signature)?
            }
            _ => {
                return Err(Error::invalid(format!(
                    "`{form}` must be a list of rows or an object of columns"
                )));
            }
        },
    };
    if records.is_empty() {
        return Err(Error::invalid(format!("`{form}` has no rows")));
    }
    Ok(Frame::from_records(&records)?)
}

fn split(value: &Value) -> Result<Vec<Map<String, Value>>, Error> {
    #[derive(Deserialize)]
    struct Split {
        columns: Vec<String>,
        data: Vec<Vec<Value>>,
    }
    let split = Split::deserialize(value).map_err(|error| {
        Error::invalid(format!(
            "`dataframe_split` must have `columns` and `data`, a list of rows: {error}"
        ))
    })?;
    split
        .data
        .into_iter()
        .enumerate()
        .map(|(row, values)| {
            if values.len() != split.columns.len() {
                return Err(Error::invalid(format!(
                    "row {} of `dataframe_split` has {} values for {} columns",
                    row + 1,
                    values.len(),
                    split.columns.len()
                )));
            }
            Ok(split.columns.iter().cloned().zip(values).collect())
        })
        .collect()
}

fn records(form: &str, value: &Value) -> Result<Vec<Map<String, Value>>, Error> {
    Vec::deserialize(value)
        .map_err(|error| Error::invalid(format!("`{form}` must be a list of objects: {error}")))
}

fn column_records(
    form: &str,
    columns: &Map<String, Value>,
) -> Result<Vec<Map<String, Value>>, Error> {
    let mut records: Vec<Map<String, Value>> = Vec::new();
    for (number, (name, values)) in columns.iter().enumerate() {
        let values = match values {
            Value::Array(values) => values.clone(),
            one => vec![one.clone()],
        };
        if number == 0 {
            records.resize_with(values.len(), Map::new);
        } else if records.len() != values.len() {
            return Err(Error::invalid(format!(
                "column `{name}` of `{form}` has {} values where others have {}",
                values.len(),
                records.len()
            )));
        }
        for (record, value) in records.iter_mut().zip(values) {
            record.insert(name.clone(), value);
        }
    }
    Ok(records)
}

/// Rows as lists: values in the order of the signature.
fn positional(
    form: &str,
    rows: &[Value],
    signature: &Signature,
) -> Result<Vec<Map<String, Value>>, Error> {
    rows.iter()
        .enumerate()
        .map(|(row, values)| {
            let values = match values {
                Value::Array(values) => values.clone(),
                one => vec![one.clone()],
            };
            if values.len() != signature.inputs.len() {
                return Err(Error::invalid(format!(
                    "row {} of `{form}` has {} values; the model takes {}",
                    row + 1,
                    values.len(),
                    signature.inputs.len()
                )));
            }
            Ok(signature
                .inputs
                .iter()
                .map(|input| input.name.clone())
                .zip(values)
                .collect())
        })
        .collect()
}

/// A CSV body, read by the same reader as files.
fn csv(services: &Services, body: &[u8]) -> Result<Frame, Error> {
    let name = format!(".request-{}.csv", uuid::Uuid::new_v4().simple());
    let path = services.core.workspace.inference().join(name);
    std::fs::write(&path, body)?;
    let rows = data::source::read(std::slice::from_ref(&path), None).map_err(|error| {
        // The caller sent a body, not a file.
        Error::invalid(
            error
                .0
                .replace(&path.display().to_string(), "the request's body"),
        )
    });
    let _ = std::fs::remove_file(&path);
    rows
}
