//! `validate`: files held against a schema, or a schema suggested by files. Pure: no daemon needed.

use super::output::Output;
use super::{Exit, Result};
use crate::data::schema::{self, Checker, Context};
use crate::data::{history, profile};
use crate::domain::dataset::{Schema, Severity, Violation};
use crate::domain::{Clock, Error, SystemClock, printable_path};
use clap::Args;
use std::path::{Path, PathBuf};

/// Arguments of `validate`.
#[derive(Args, Debug)]
pub(crate) struct ValidateArgs {
    /// CSV, JSON lines or Parquet; several are read as one
    #[arg(required = true)]
    data: Vec<PathBuf>,
    /// What is expected (TOML, as --infer writes it)
    #[arg(long, conflicts_with = "infer", required_unless_present = "infer")]
    schema: Option<PathBuf>,
    /// Write what the data suggests, each with what was seen
    #[arg(long, value_name = "FILE")]
    infer: Option<PathBuf>,
    /// The environment of the schema that the data is for: serving
    #[arg(long, requires = "schema")]
    environment: Option<String>,
}

pub(crate) fn run(args: &ValidateArgs, output: &Output) -> Result<Exit> {
    match (&args.infer, &args.schema) {
        (Some(path), _) => infer(args, path, output),
        (None, Some(path)) => check(args, path, output),
        (None, None) => Ok(Exit::Done),
    }
}

fn now() -> i64 {
    SystemClock.now().0.saturating_mul(1_000)
}

fn infer(args: &ValidateArgs, path: &Path, output: &Output) -> Result<Exit> {
    let (inferred, rows) = schema::infer_files(&args.data, Some(now()), &|share, file| {
        output.tick(format!("{:3.0} % {}", share * 100.0, printable_path(file)));
        Ok(())
    })?;
    output.progress_done(format!("{rows} rows read"));
    std::fs::write(path, schema::write(&inferred))
        .map_err(|error| Error::from(error).context(format!("writing `{}`", path.display())))?;
    if output.json {
        output.document(&inferred)?;
    }
    output.line(format!(
        "{} columns of {rows} rows: wrote {}",
        inferred.columns.len(),
        path.display()
    ));
    Ok(Exit::Done)
}

fn check(args: &ValidateArgs, path: &Path, output: &Output) -> Result<Exit> {
    let expected = read_schema(path)?;
    let origin = path.display().to_string();
    let context = Context {
        environment: args.environment.as_deref(),
        now: Some(now()),
        origin: &origin,
    };
    let mut checker = Checker::new(&expected, context)?;
    let mut days = Vec::new();
    let mut rows = 0;
    for (number, file) in args.data.iter().enumerate() {
        said(output, "checking", number, &args.data);
        let name = file.display().to_string();
        rows += checker.take_file(&name, file)?;
        // on the command line each file is a day, in the order given
        if !expected.history.is_empty() {
            days.push(profile::kept_file(file, 1, &|_| Ok(()))?.day(&name, 1));
        }
    }
    output.progress_done(format!("{rows} rows checked"));
    let mut violations = checker.finish();
    violations.extend(history::anomalies(&days, &expected.history, &origin));
    if output.json {
        output.document(&serde_json::json!({ "rows": rows, "violations": violations }))?;
    }
    for violation in &violations {
        tell(violation, args.data.len() > 1, output);
    }
    output.line(format!("{rows} rows, {} anomalies", violations.len()));
    Ok(if violations.is_empty() {
        Exit::Done
    } else {
        Exit::Failed
    })
}

fn said(output: &Output, doing: &str, number: usize, files: &[PathBuf]) {
    output.tick(format!(
        "{doing} {} ({} of {})",
        files[number].display(),
        number + 1,
        files.len()
    ));
}

fn tell(violation: &Violation, several: bool, output: &Output) {
    let sign = if violation.severity == Severity::Error {
        "✗"
    } else {
        "▲"
    };
    let what = match (&violation.column, violation.rule.as_str()) {
        (Some(column), _) => column.clone(),
        (None, rule) => rule.replace('_', " "),
    };
    let slice = violation
        .slice
        .as_ref()
        .map_or_else(String::new, |slice| format!(" where {slice}"));
    let rows: Vec<String> = if violation.samples.is_empty() {
        violation.sample_rows.iter().map(u64::to_string).collect()
    } else {
        violation
            .samples
            .iter()
            .map(|sample| {
                if several {
                    format!("{}:{}", sample.file, sample.row)
                } else {
                    sample.row.to_string()
                }
            })
            .collect()
    };
    let rows = if rows.is_empty() {
        String::new()
    } else {
        format!(" (rows {})", rows.join(", "))
    };
    output.line(format!(
        "{sign} {what}{slice}: {}, {} of {}{rows}",
        violation.detail, violation.count, violation.of
    ));
    if let Some(from) = violation
        .limit_from
        .as_ref()
        .filter(|from| !from.is_empty())
    {
        output.line(format!("    {from}"));
    }
}

fn read_schema(path: &Path) -> Result<Schema> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::from(error).context(format!("reading `{}`", path.display())))?;
    Ok(schema::parse(&text)
        .map_err(|error| Error::invalid(format!("`{}`: {error}", path.display())))?)
}
