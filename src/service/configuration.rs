//! The configuration of a workspace, checked also against what the pure rooms know: trainers and drift tests.

use crate::config::Config;
use crate::domain::{Error, Result};
use crate::workspace::{CONFIG_FILE, Workspace};

/// Reads and checks `trainyard.toml`.
///
/// # Errors
/// Every problem, a line each, with its place in the file.
pub fn load(workspace: &Workspace) -> Result<Config> {
    let config = Config::load(&workspace.config())?;
    let mut problems = Vec::new();
    for pipeline in &config.pipelines {
        if let Err(error) = crate::ml::check_trainer(&pipeline.trainer) {
            problems.push(format!(
                "{CONFIG_FILE}:{}:1: pipeline `{}`: {error}",
                pipeline.line, pipeline.name
            ));
        }
    }
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(Error::invalid(problems.join("\n")))
    }
}
