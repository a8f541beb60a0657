//! `sql`: one `select` over the workspace's datasets and what it keeps; no daemon needed.

use super::connect::Connection;
use super::output::Output;
use super::{Exit, Result};
use crate::data::sql::explained;
use crate::domain::{Clock, Error, SystemClock};
use crate::service::{configuration, query};
use clap::Args;

/// Arguments of `sql`.
#[derive(Args, Debug)]
pub(crate) struct SqlArgs {
    /// One `select` over datasets by name, and runs, metrics, latest_metrics, params, tags, models, features, drift, jobs
    query: String,
    /// How it would be answered, instead of the answer
    #[arg(long)]
    explain: bool,
    /// Rows shown at most; --json has all of them
    #[arg(long, default_value_t = 1000)]
    max: usize,
}

pub(crate) fn run(args: &SqlArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    if connection.remote() {
        return Err(Error::invalid(
            "`sql` reads the workspace's files: run it on the machine where they are",
        )
        .into());
    }
    let workspace = connection.configured()?;
    let config = configuration::load(&workspace)?;
    let asked = explained(&args.query);
    if args.explain || asked.is_some() {
        let steps = query::plan(&workspace, &config, asked.unwrap_or(&args.query))?;
        if output.json {
            let steps: Vec<_> = steps
                .iter()
                .map(|step| serde_json::json!({ "depth": step.depth, "step": step.text }))
                .collect();
            output.document(&steps)?;
            return Ok(Exit::Done);
        }
        for step in &steps {
            output.line(format!("{}{}", "  ".repeat(step.depth), step.text));
        }
        return Ok(Exit::Done);
    }
    let clock = SystemClock;
    let started = clock.now();
    let found = query::rows(&workspace, &config, &args.query)?;
    if output.json {
        output.document(&found.to_records())?;
        return Ok(Exit::Done);
    }
    let names = found.names();
    let shown = found.rows().min(args.max);
    let first: Vec<u32> = (0..u32::try_from(shown).unwrap_or(u32::MAX)).collect();
    let page = found.take(&first)?;
    let columns: Vec<Vec<Option<String>>> = names
        .iter()
        .map(|name| page.texts(name))
        .collect::<std::result::Result<_, _>>()?;
    let rows: Vec<Vec<String>> = (0..shown)
        .map(|row| {
            columns
                .iter()
                .map(|column| column[row].clone().unwrap_or_else(|| "-".to_owned()))
                .collect()
        })
        .collect();
    output.table(&names.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    output.line(format!(
        "{shown} of {} rows, {} ms",
        found.rows(),
        clock.now().since(started)
    ));
    Ok(Exit::Done)
}
