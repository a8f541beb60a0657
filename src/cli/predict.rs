//! `predict` and `explain`.

use super::connect::{Connection, unexpected};
use super::output::{Output, number};
use super::{Exit, Result, wait};
use crate::api::protocol::{Command, Reply};
use crate::domain::Error;
use crate::domain::job::JobResult;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `predict`.
#[derive(Args, Debug)]
pub(crate) struct PredictArgs {
    /// `name`, `name@alias` or `name/3`
    model: String,
    /// CSV, Parquet or JSON lines
    input: PathBuf,
    /// CSV, Parquet or JSON lines, by its ending
    #[arg(long)]
    out: PathBuf,
}

pub(crate) fn predict(
    args: &PredictArgs,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    let path = |path: &PathBuf| -> Result<String> {
        Ok(std::path::absolute(path)?.to_string_lossy().into_owned())
    };
    let client = connection.client(true)?;
    let command = Command::Predict {
        model: args.model.clone(),
        input: path(&args.input)?,
        output: path(&args.out)?,
    };
    let Reply::Jobs(jobs) = client.command(&command)? else {
        return Err(unexpected());
    };
    let Some(job) = jobs.first() else {
        return Err(unexpected());
    };
    let (job, result) = wait::until_ended(&client, *job, output)?;
    let Some(JobResult::Predict { path, rows }) = &result else {
        return wait::without_result(&job, output);
    };
    if output.json {
        output.document(&result)?;
    }
    output.line(format!("{rows} rows scored into {path}"));
    Ok(Exit::Done)
}

/// Arguments of `explain`.
#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// `name`, `name@alias` or `name/3`
    model: String,
    /// A JSON object, a list of them, or a file: CSV, Parquet, JSON lines
    #[arg(long)]
    input: String,
}

pub(crate) fn explain(
    args: &ExplainArgs,
    connection: &Connection,
    output: &Output,
) -> Result<Exit> {
    let Reply::Explanations(explanations) = connection.command(&Command::ExplainRows {
        model: args.model.clone(),
        rows: rows(&args.input)?,
    })?
    else {
        return Err(unexpected());
    };
    if output.json {
        output.document(&explanations)?;
        return Ok(Exit::Done);
    }
    for explanation in &explanations {
        output.line(format!(
            "{}: {}",
            explanation.request.answer, explanation.sentence
        ));
        let rows: Vec<_> = explanation
            .inputs
            .iter()
            .map(|share| {
                vec![
                    share.input.clone(),
                    share.value.clone(),
                    number(share.surprise),
                    if share.outlier {
                        "unusual".into()
                    } else {
                        String::new()
                    },
                    number(share.effect),
                    share.note.clone(),
                ]
            })
            .collect();
        output.table(&["input", "value", "surprise", "", "effect", ""], &rows);
    }
    Ok(Exit::Done)
}

type Row = serde_json::Map<String, serde_json::Value>;

fn rows(input: &str) -> Result<Vec<Row>> {
    let text = input.trim();
    if text.starts_with('{') {
        return Ok(vec![serde_json::from_str(text).map_err(Error::from)?]);
    }
    if text.starts_with('[') {
        return Ok(serde_json::from_str(text).map_err(Error::from)?);
    }
    Ok(crate::data::source::read(&[PathBuf::from(input)], None)?.to_records())
}
