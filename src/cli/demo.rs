//! `demo`: the flights example, lived through from January to December in a few minutes. Everything
//! it does, it does as a user would: files delivered, commands sent, requests over HTTP. The one
//! place in the product that knows about flights.

mod replay;
mod story;
mod summary;

use super::connect::Connection;
use super::dashboard::DashboardArgs;
use super::output::Output;
use super::{Exit, Global, Result, init};
use crate::domain::Error;
use crate::workspace::{CONFIG_FILE, Workspace};
use clap::Args;
use std::path::PathBuf;

/// Arguments of `demo`.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where the workspace is made
    #[arg(long, default_value = "trainyard-demo")]
    dir: PathBuf,
    /// A summary instead of the dashboard
    #[arg(long)]
    headless: bool,
}

pub(crate) fn run(
    args: &DemoArgs,
    dashboard: &DashboardArgs,
    global: &Global,
    output: &Output,
) -> Result<Exit> {
    let dir = std::path::absolute(&args.dir)?;
    let marker = dir.join(".trainyard/demo.json");
    let global = Global {
        workspace: Some(dir.clone()),
        ..global.clone()
    };
    let connection = Connection::new(&global);
    if dir.join(CONFIG_FILE).is_file() {
        if !marker.is_file() {
            return Err(Error::already_exists(format!(
                "`{}` has a trainyard.toml already and is no finished demo: choose another --dir, or remove it",
                dir.display()
            ))
            .into());
        }
        output.progress_done(format!(
            "the demo was made in {} before; opening it",
            dir.display()
        ));
    } else {
        // January and February are there; the other months arrive as the story goes.
        init::write_flights(&dir, 2)?;
        let workspace = Workspace::at(&dir)?;
        let client = connection.client(true)?;
        story::live_through(&workspace, &client, output)?;
        std::fs::write(&marker, b"{}\n").map_err(|error| {
            Error::from(error).context(format!("writing `{}`", marker.display()))
        })?;
    }
    if args.headless {
        let summary = summary::gather(&connection)?;
        return summary::say(&summary, output);
    }
    super::dashboard::run(&connection, dashboard)
}
