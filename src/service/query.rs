//! A person's SQL over the datasets by name, and read-only views of what the workspace keeps: runs, metrics, params, models,
//! features, drift, jobs. The workspace's daemon may be up or down; nothing is written.

use super::datasets::Alone;
use crate::config::Config;
use crate::data::sql::{self, Attached, Step};
use crate::data::{self, Frame};
use crate::domain::{Error, Result};
use crate::store::relations;
use crate::workspace::Workspace;
use std::path::Path;

/// What a statement is asked over: the datasets that it names, and the views that it names.
struct Tables {
    datasets: Vec<(String, Frame)>,
    views: Vec<(&'static str, &'static str)>,
}

fn tables(workspace: &Workspace, config: &Config, statement: &str) -> Result<Tables> {
    let mut alone = Alone::new(workspace);
    let datasets = alone
        .sources_of(config, statement)?
        .iter()
        .map(|source| Ok((source.name().to_owned(), data::table::load(source)?)))
        .collect::<Result<Vec<_>>>()?;
    let words = sql::words(statement);
    let views: Vec<_> = relations::VIEWS
        .iter()
        .filter(|(name, _)| {
            words
                .iter()
                .any(|word| word.text.eq_ignore_ascii_case(name))
                && !datasets.iter().any(|(dataset, _)| dataset == name)
        })
        .copied()
        .collect();
    Ok(Tables { datasets, views })
}

fn attached<'a>(store: &'a Path, views: &'a [(&'a str, &'a str)]) -> Result<Option<Attached<'a>>> {
    let Some((first, _)) = views.first() else {
        return Ok(None);
    };
    if !store.is_file() {
        return Err(Error::not_found(format!(
            "there are no `{first}` yet: the workspace has kept nothing, `trainyard up` makes its database"
        )));
    }
    Ok(Some(Attached {
        path: store,
        name: relations::NAME,
        views,
        times: relations::TIMES,
        functions: relations::register,
    }))
}

/// The rows of one `select`.
///
/// # Errors
/// [`crate::domain::ErrorKind::Invalid`] with what SQLite says and the tables and views there are.
pub fn rows(workspace: &Workspace, config: &Config, statement: &str) -> Result<Frame> {
    let tables = tables(workspace, config, statement)?;
    let store = workspace.store();
    Ok(match attached(&store, &tables.views)? {
        Some(attached) => sql::query_beside(&tables.datasets, &attached, statement)?,
        None => sql::query(&tables.datasets, statement).map_err(|error| {
            let names: Vec<&str> = relations::VIEWS.iter().map(|(name, _)| *name).collect();
            let datasets: Vec<&str> = config
                .datasets
                .iter()
                .map(|dataset| dataset.name.as_str())
                .collect();
            // without a table the statement named none that there is
            match (tables.datasets.is_empty(), datasets.is_empty()) {
                (true, false) => Error::invalid(format!(
                    "{error}; the datasets are `{}`, and there are `{}`",
                    datasets.join("`, `"),
                    names.join("`, `")
                )),
                (true, true) => {
                    Error::invalid(format!("{error}; there are `{}`", names.join("`, `")))
                }
                _ => error.into(),
            }
        })?,
    })
}

/// How SQLite would answer one `select`, step by step.
pub fn plan(workspace: &Workspace, config: &Config, statement: &str) -> Result<Vec<Step>> {
    let tables = tables(workspace, config, statement)?;
    let store = workspace.store();
    let attached = attached(&store, &tables.views)?;
    Ok(sql::plan(&tables.datasets, attached.as_ref(), statement)?)
}
