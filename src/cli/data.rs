//! `profile`, `validate`, `drift`: pure looks at files, no daemon needed.

use super::output::{Output, number};
use super::{Exit, Result};
use crate::data::{profile, schema, source};
use crate::domain::Error;
use crate::domain::dataset::{Schema, Severity};
use crate::domain::drift::DriftVerdict;
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `profile`.
#[derive(Args, Debug)]
pub(crate) struct ProfileArgs {
    /// CSV, JSON lines or Parquet; several are read as one
    #[arg(required = true)]
    data: Vec<PathBuf>,
}

pub(crate) fn profile(args: &ProfileArgs, output: &Output) -> Result<Exit> {
    let found = profile::profile(&source::read(&args.data, None)?);
    if output.json {
        output.document(&found)?;
        return Ok(Exit::Done);
    }
    let text = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), number);
    let rows: Vec<_> = found
        .columns
        .iter()
        .map(|column| {
            let median = column
                .quantiles
                .iter()
                .find(|(q, _)| *q == 0.5)
                .map(|(_, value)| *value);
            let nulls = if column.rows == 0 {
                0.0
            } else {
                100.0 * column.nulls as f64 / column.rows as f64
            };
            let top = column
                .top
                .first()
                .map(|(value, count)| format!("{value} ({count})"))
                .unwrap_or_default();
            vec![
                column.name.clone(),
                column.kind.to_string(),
                format!("{nulls:.1}%"),
                column.distinct.to_string(),
                text(column.min),
                text(median),
                text(column.max),
                text(column.mean),
                text(column.std),
                top,
            ]
        })
        .collect();
    output.table(
        &[
            "column",
            "type",
            "null",
            "distinct",
            "min",
            "median",
            "max",
            "mean",
            "std",
            "most frequent",
        ],
        &rows,
    );
    output.line(format!("{} rows", found.rows));
    for (a, b, r) in found.correlations.iter().take(10) {
        output.line(format!("correlated: {a} and {b}, r = {r:.3}"));
    }
    for warning in &found.warnings {
        output.line(format!("note: {warning}"));
    }
    Ok(Exit::Done)
}

/// Arguments of `validate`.
#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    /// CSV, JSON lines or Parquet; several are read as one
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// What is expected (TOML, as --infer writes it)
    #[arg(long, conflicts_with = "infer", required_unless_present = "infer")]
    schema: Option<PathBuf>,
    /// Write what the data suggests
    #[arg(long, value_name = "FILE")]
    infer: Option<PathBuf>,
}

pub(crate) fn validate(args: &ValidateArgs, output: &Output) -> Result<Exit> {
    let frame = source::read(&args.data, None)?;
    if let Some(path) = &args.infer {
        let inferred = schema::infer(&frame);
        let text = toml::to_string_pretty(&inferred)
            .map_err(|error| Error::internal(error.to_string()))?;
        std::fs::write(path, text)
            .map_err(|error| Error::from(error).context(format!("writing `{}`", path.display())))?;
        if output.json {
            output.document(&inferred)?;
        }
        output.line(format!(
            "{} columns of {} rows: wrote {}",
            inferred.columns.len(),
            frame.rows(),
            path.display()
        ));
        return Ok(Exit::Done);
    }
    let Some(path) = &args.schema else {
        return Ok(Exit::Done);
    };
    let violations = schema::check(&frame, &read_schema(path)?);
    if output.json {
        output.document(&serde_json::json!({ "rows": frame.rows(), "violations": violations }))?;
    }
    for violation in &violations {
        let sign = if violation.severity == Severity::Error {
            "✗"
        } else {
            "▲"
        };
        let rows = if violation.sample_rows.is_empty() {
            String::new()
        } else {
            format!(
                " (rows {})",
                violation
                    .sample_rows
                    .iter()
                    .map(u64::to_string)
                    .collect::<Vec<_>>()
                    .join(", ")
            )
        };
        output.line(format!(
            "{sign} {}: {}, {} of {}{rows}",
            violation.column.as_deref().unwrap_or("table"),
            violation.detail,
            violation.count,
            violation.of
        ));
    }
    output.line(format!(
        "{} rows, {} anomalies",
        frame.rows(),
        violations.len()
    ));
    Ok(if violations.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn read_schema(path: &Path) -> Result<Schema> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::from(error).context(format!("reading `{}`", path.display())))?;
    Ok(toml::from_str(&text)
        .map_err(|error| Error::invalid(format!("`{}`: {error}", path.display())))?)
}

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
