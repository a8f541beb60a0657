//! The model directory: `MLmodel` (so that MLflow tools can read what it is), `model.json` (our envelope: format,
//! version, signature, estimator), `reference.parquet` (training rows kept as drift reference: the inputs, `PREDICTION`
//! and `TARGET`, at most 20,000 rows drawn by seed), `input_example.json`.

use super::estimator::Estimator;
use super::preprocess::{Texts, numbers};
use super::trainer::Parameters;
use super::{Error, Model, Result};
use crate::data::Frame;
use crate::domain::model::{Input, InputKind, Signature, Task};
use arrow_array::{ArrayRef, Float64Array, StringArray};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// What `model.json` calls itself.
const FORMAT: &str = "trainyard-model";

/// The layout of `model.json` that this version writes and reads.
const VERSION: u64 = 1;

/// Rows of the input example.
const EXAMPLE_ROWS: usize = 5;

#[derive(Serialize)]
struct Envelope<'a> {
    format: &'a str,
    version: u64,
    trainer: &'a str,
    parameters: &'a Parameters,
    signature: &'a Signature,
    estimator: &'a Estimator,
}

#[derive(Deserialize)]
struct Content {
    trainer: String,
    parameters: Parameters,
    signature: Signature,
    estimator: Estimator,
}

/// The first fields of any version of `model.json`.
#[derive(Deserialize)]
struct Head {
    #[serde(default)]
    format: String,
    #[serde(default)]
    version: u64,
}

/// Writes the directory: every file by temporary name, fsync, rename.
pub fn save(model: &Model, reference: &Frame, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory).map_err(|error| at(directory, "create", &error))?;
    let envelope = serde_json::to_vec(&Envelope {
        format: FORMAT,
        version: VERSION,
        trainer: &model.trainer,
        parameters: &model.parameters,
        signature: &model.signature,
        estimator: &model.estimator,
    })
    .map_err(|error| Error::new(format!("the model cannot be written as JSON: {error}")))?;
    reference.write(&directory.join("reference.parquet"))?;
    let example = example_json(&model.signature, reference)?;
    write(directory, "input_example.json", example.as_bytes())?;
    write(directory, "MLmodel", mlmodel(model).as_bytes())?;
    // last: a directory without it is no model
    write(directory, "model.json", &envelope)
}

/// Reads the model back.
pub fn load(directory: &Path) -> Result<Model> {
    let path = directory.join("model.json");
    let bytes = std::fs::read(&path).map_err(|error| at(&path, "read", &error))?;
    let damaged = |what: String| {
        Error::new(format!(
            "`{}` is damaged: {what}; train the model again or restore the file",
            path.display()
        ))
    };
    let head: Head = serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    if head.format != FORMAT {
        return Err(Error::new(format!(
            "`{}` is not a trainyard model: its format is `{}`, expected `{FORMAT}`",
            path.display(),
            head.format
        )));
    }
    if head.version != VERSION {
        return Err(Error::new(format!(
            "`{}` has version {}; this program reads version {VERSION}: use a newer trainyard",
            path.display(),
            head.version
        )));
    }
    let content: Content =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    let classes = content.signature.classes.len();
    let fits = match content.signature.task {
        Task::Regression => classes == 0,
        Task::Binary => classes == 2,
        Task::Multiclass => classes > 2,
    };
    if !fits {
        return Err(damaged(format!("{classes} classes do not fit the task")));
    }
    if let Some(defect) = content.estimator.defect(classes) {
        return Err(damaged(defect));
    }
    Ok(Model {
        signature: content.signature,
        trainer: content.trainer,
        parameters: content.parameters,
        estimator: content.estimator,
    })
}

/// The drift reference; `columns`: only these.
pub fn reference(directory: &Path, columns: Option<&[&str]>) -> Result<Frame> {
    let path = directory.join("reference.parquet");
    if !path.is_file() {
        return Err(Error::new(format!("`{}` is not there", path.display())));
    }
    let columns: Option<Vec<String>> =
        columns.map(|columns| columns.iter().map(|&name| name.to_owned()).collect());
    Ok(crate::data::source::read(&[path], columns.as_deref())?)
}

/// The input example of a model with this signature: a few rows, for smoke tests.
pub fn example(directory: &Path, signature: &Signature) -> Result<Frame> {
    let path = directory.join("input_example.json");
    let bytes = std::fs::read(&path).map_err(|error| at(&path, "read", &error))?;
    let example: Example = serde_json::from_slice(&bytes)
        .map_err(|error| Error::new(format!("`{}` is damaged: {error}", path.display())))?;
    let columns = signature
        .inputs
        .iter()
        .map(|input| {
            let position = example
                .columns
                .iter()
                .position(|name| *name == input.name)
                .ok_or_else(|| {
                    Error::new(format!("`{}` lacks input `{}`", path.display(), input.name))
                })?;
            let cells = example.data.iter().map(|row| row.get(position));
            let column: ArrayRef = match input.kind {
                InputKind::Number => Arc::new(Float64Array::from(
                    cells
                        .map(|cell| cell.and_then(Value::as_f64))
                        .collect::<Vec<_>>(),
                )),
                InputKind::Text => Arc::new(StringArray::from(
                    cells
                        .map(|cell| cell.and_then(Value::as_str))
                        .collect::<Vec<_>>(),
                )),
            };
            Ok((input.name.clone(), column))
        })
        .collect::<Result<_>>()?;
    Ok(Frame::from_columns(columns)?)
}

/// `pandas.DataFrame.to_dict(orient="split")` without index, as MLflow writes examples.
#[derive(Serialize, Deserialize)]
struct Example {
    columns: Vec<String>,
    data: Vec<Vec<Value>>,
}

fn example_json(signature: &Signature, reference: &Frame) -> Result<String> {
    let rows = reference.rows().min(EXAMPLE_ROWS);
    let mut data = vec![Vec::with_capacity(signature.inputs.len()); rows];
    for input in &signature.inputs {
        match input.kind {
            InputKind::Number => {
                let values = numbers(reference, &input.name)?;
                for (row, value) in data.iter_mut().zip(values.iter()) {
                    // not finite has no JSON: null
                    row.push(Value::from(*value));
                }
            }
            InputKind::Text => {
                let texts = Texts::of(reference, &input.name)?;
                for (index, row) in data.iter_mut().enumerate() {
                    row.push(texts.get(index).map_or(Value::Null, Value::from));
                }
            }
        }
    }
    let columns = signature
        .inputs
        .iter()
        .map(|input| input.name.clone())
        .collect();
    serde_json::to_string(&Example { columns, data })
        .map_err(|error| Error::new(format!("the example cannot be written as JSON: {error}")))
}

/// MLflow's description: YAML with the signature as JSON in strings.
fn mlmodel(model: &Model) -> String {
    let column = |input: &Input| {
        json!({
            "type": match input.kind { InputKind::Number => "double", InputKind::Text => "string" },
            "name": input.name,
            "required": !input.optional,
        })
    };
    let inputs = Value::Array(model.signature.inputs.iter().map(column).collect());
    let output = match model.signature.task {
        Task::Regression | Task::Binary => "double",
        Task::Multiclass => "string",
    };
    let outputs = json!([{ "type": output, "name": "prediction", "required": true }]);
    let task = match model.signature.task {
        Task::Regression => "regression",
        Task::Binary => "binary",
        Task::Multiclass => "multiclass",
    };
    format!(
        "artifact_path: model\n\
         flavors:\n\
         \x20 trainyard:\n\
         \x20   data: model.json\n\
         \x20   format_version: {VERSION}\n\
         \x20   task: {task}\n\
         \x20   trainer: {}\n\
         \x20   trainyard_version: {}\n\
         saved_input_example_info:\n\
         \x20 artifact_path: input_example.json\n\
         \x20 pandas_orient: split\n\
         \x20 type: dataframe\n\
         signature:\n\
         \x20 inputs: {}\n\
         \x20 outputs: {}\n\
         \x20 params: null\n",
        quoted(&model.trainer),
        quoted(env!("CARGO_PKG_VERSION")),
        quoted(&inputs.to_string()),
        quoted(&outputs.to_string()),
    )
}

/// A YAML string in single quotes; JSON escapes all line breaks, so only the quote needs doubling.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn write(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let temporary = directory.join(format!(".{name}.part"));
    let path = directory.join(name);
    let run = || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, &path)?;
        // the name is safe once the directory is
        std::fs::File::open(directory)?.sync_all()
    };
    run().map_err(|error| at(&path, "write", &error))
}

fn at(path: &Path, what: &str, error: &std::io::Error) -> Error {
    Error::new(format!("cannot {what} `{}`: {error}", path.display()))
}
