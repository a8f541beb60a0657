//! `drift`: a pure look at files, no daemon needed.

use super::output::{Output, number};
use super::{Exit, Result};
use crate::data::source;
use crate::domain::Error;
use crate::domain::drift::DriftVerdict;
use clap::Args;
use std::path::PathBuf;

/// Arguments of `drift`.
#[derive(Args, Debug)]
pub(crate) struct DriftArgs {
    /// The rows before
    #[arg(required_unless_present = "stream")]
    reference: Option<PathBuf>,
    /// The rows now
    #[arg(required_unless_present = "stream")]
    current: Option<PathBuf>,
    /// Only these columns
    #[arg(long, value_delimiter = ',')]
    columns: Option<Vec<String>>,
    /// auto, all, or one method: psi, ks, jensen_shannon, …
    #[arg(long, default_value = "auto")]
    method: String,
    /// stable or evidently
    #[arg(long, default_value = "stable", value_parser = ["stable", "evidently"])]
    preset: String,
    /// A streaming detector over one column of this file instead
    #[arg(long, value_name = "FILE", requires = "detector", requires = "column")]
    stream: Option<PathBuf>,
    /// The column of --stream
    #[arg(long)]
    column: Option<String>,
    /// adwin, ddm, eddm, hddm_a, hddm_w, page_hinkley or kswin
    #[arg(long)]
    detector: Option<String>,
    /// The detector's parameters
    #[arg(long, value_name = "KEY=VALUE", value_parser = super::train::pair)]
    set: Vec<(String, String)>,
}

pub(crate) fn drift(args: &DriftArgs, output: &Output) -> Result<Exit> {
    if let (Some(file), Some(column), Some(detector)) = (&args.stream, &args.column, &args.detector)
    {
        return stream(file, column, detector, &args.set, output);
    }
    let (Some(reference), Some(current)) = (&args.reference, &args.current) else {
        return Ok(Exit::Done);
    };
    let reference = source::read(std::slice::from_ref(reference), None)?;
    let current = source::read(std::slice::from_ref(current), None)?;
    let options = crate::drift::Options {
        method: args.method.clone(),
        preset: args.preset.clone(),
        ..Default::default()
    };
    let columns = crate::drift::compare(&reference, &current, args.columns.as_deref(), &options)
        .map_err(Error::from)?;
    let drifted = columns
        .iter()
        .filter(|column| column.verdict == DriftVerdict::Drift)
        .count();
    if output.json {
        output.document(&serde_json::json!({ "columns": columns, "drifted": drifted, "rows": [reference.rows(), current.rows()] }))?;
    } else {
        let rows: Vec<_> = columns
            .iter()
            .flat_map(|column| {
                column.tests.iter().map(|test| {
                    let value = test
                        .p_value
                        .or(test.value)
                        .map_or_else(|| "-".to_owned(), number);
                    vec![
                        column.column.clone(),
                        column.kind.to_string(),
                        test.method.clone(),
                        value,
                        number(test.threshold),
                        verdict(test.verdict).to_owned(),
                        column.changes.join("; "),
                    ]
                })
            })
            .collect();
        output.table(
            &[
                "column",
                "type",
                "test",
                "value",
                "limit",
                "verdict",
                "what changed",
            ],
            &rows,
        );
        output.line(format!("{drifted} of {} columns drift", columns.len()));
    }
    Ok(if drifted > 0 {
        Exit::Failed
    } else {
        Exit::Done
    })
}

fn verdict(verdict: DriftVerdict) -> &'static str {
    match verdict {
        DriftVerdict::Stable => "stable",
        DriftVerdict::Drift => "DRIFT",
        DriftVerdict::TooFew => "too few rows",
        DriftVerdict::NoData => "no data",
    }
}

fn stream(
    file: &PathBuf,
    column: &str,
    detector: &str,
    set: &[(String, String)],
    output: &Output,
) -> Result<Exit> {
    let frame = source::read(std::slice::from_ref(file), Some(&[column.to_owned()]))?;
    let parameters = set
        .iter()
        .map(|(key, value)| match value.parse::<f64>() {
            Ok(number) => Ok((key.clone(), number)),
            Err(_) => {
                Err(Error::invalid(format!("`{key}` must be a number, it is `{value}`")).into())
            }
        })
        .collect::<Result<_>>()?;
    let signals = crate::drift::stream(&frame.numbers(column)?, detector, &parameters)
        .map_err(Error::from)?;
    // Rows are counted from 1, as people and editors do.
    let signals: Vec<serde_json::Value> =
        signals.iter().map(|(row, signal)| serde_json::json!({ "row": row + 1, "signal": format!("{signal:?}").to_lowercase() })).collect();
    if output.json {
        output.document(&serde_json::json!({ "column": column, "detector": detector, "rows": frame.rows(), "signals": signals }))?;
    }
    for signal in &signals {
        output.line(format!(
            "row {}: {}",
            signal["row"],
            signal["signal"].as_str().unwrap_or_default()
        ));
    }
    output.line(format!(
        "{} signals in {} rows",
        signals.len(),
        frame.rows()
    ));
    Ok(if signals.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}
