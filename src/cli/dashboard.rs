//! `trainyard` without a command: the dashboard.

use super::connect::Connection;
use super::{Exit, Result};
use crate::domain::Error;
use crate::workspace::{CONFIG_FILE, Workspace};
use clap::Args;
use std::io::{BufRead, IsTerminal, Write};

/// Options of the dashboard.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct DashboardArgs {
    /// Look, change nothing
    #[arg(long)]
    pub(crate) read_only: bool,
    /// Leave the mouse to the terminal
    #[arg(long)]
    pub(crate) no_mouse: bool,
}

/// Opens the dashboard; asks before it makes a workspace in a folder without one.
pub(crate) fn run(connection: &Connection, args: &DashboardArgs) -> Result<Exit> {
    if !std::io::stdout().is_terminal() || !std::io::stdin().is_terminal() {
        return Err(Error::invalid(
            "the dashboard needs a terminal; `trainyard --help` lists the commands that do not",
        )
        .into());
    }
    let workspace = connection.workspace()?;
    if !connection.remote() && !workspace.config().is_file() && !ask_to_make(&workspace)? {
        return Ok(Exit::Done);
    }
    let client = connection.client(true)?;
    let config = if connection.remote() {
        crate::config::Config {
            mouse: true,
            ..Default::default()
        }
    } else {
        crate::service::configuration::load(&workspace)?
    };
    crate::tui::run(&crate::tui::Options {
        client,
        read_only: args.read_only,
        mouse: config.mouse && !args.no_mouse,
        chart: config.chart,
        theme: config.theme,
        keys: config.keys,
        state_file: (!connection.remote()).then(|| workspace.state().join("dashboard.json")),
        workspace: match connection.server() {
            // until the daemon says its own: the host that is asked
            Some(url) => url
                .split_once("://")
                .map_or(url, |(_, rest)| rest)
                .trim_end_matches('/')
                .to_owned(),
            None => config.name.clone().unwrap_or_else(|| {
                workspace
                    .root()
                    .file_name()
                    .map(|name| name.to_string_lossy().into_owned())
                    .unwrap_or_default()
            }),
        },
        no_color: std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()),
        export_folder: workspace.root().join("exports"),
        pictures: crate::tui::export::Pictures {
            svg: crate::report::svg,
            png: crate::report::png,
        },
        report_file: (!connection.remote()).then(|| workspace.logs().join("panic.txt")),
    })?;
    Ok(Exit::Done)
}

fn ask_to_make(workspace: &Workspace) -> Result<bool> {
    let mut stderr = std::io::stderr().lock();
    write!(
        stderr,
        "{} has no {CONFIG_FILE}, nor has a folder above it. Make one here? [y/N] ",
        workspace.root().display()
    )?;
    stderr.flush()?;
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer)?;
    if !matches!(answer.trim(), "y" | "Y" | "yes") {
        writeln!(
            stderr,
            "Nothing was made. `trainyard demo --dir DIR` makes an example workspace."
        )?;
        return Ok(false);
    }
    super::init::write_template(workspace.root())?;
    Ok(true)
}
