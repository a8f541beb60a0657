//! `--version`, `completions`, `man`.

use super::output::Output;
use super::{Cli, Exit, Result};
use clap::{Args, CommandFactory};

/// Arguments of `completions`.
#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, elvish or powershell
    shell: clap_complete::Shell,
}

pub(crate) fn version(output: &Output) -> Result<Exit> {
    let version = env!("CARGO_PKG_VERSION");
    let commit = env!("TRAINYARD_COMMIT");
    if output.json {
        output.document(&serde_json::json!({
            "version": version,
            "commit": commit,
            "features": ["mlflow", "inference", "dashboard", "drift", "features"],
            "protocol": crate::api::protocol::PROTOCOL,
        }))?;
    }
    output.line(format!("trainyard {version} ({commit})"));
    Ok(Exit::Done)
}

pub(crate) fn completions(args: &CompletionsArgs) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "trainyard", &mut script);
    Output::raw(&String::from_utf8_lossy(&script));
    Ok(Exit::Done)
}

pub(crate) fn man() -> Result<Exit> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Cli::command()).render(&mut page)?;
    Output::raw(&String::from_utf8_lossy(&page));
    Ok(Exit::Done)
}
