//! Where a version comes from, as a person asks it: which data, which features, which run, which code, which environment,
//! which files, and who answers with it.

use super::Registry;
use crate::domain::Result;
use crate::domain::deployment::Deployment;
use crate::domain::job::JobSpec;
use crate::domain::registry::{LineageLine, ModelVersion};
use crate::domain::run::{DatasetInput, Run};
use crate::service::Services;
use crate::store::jobs;

/// Hexadecimal digits of a digest that are shown.
const SHORT: usize = 12;

fn short(digest: &str) -> String {
    digest.chars().take(SHORT).collect()
}

impl Registry {
    /// The facts in the order in which they are asked for: data, run, code, environment, files, who answers with it, features.
    pub(super) fn lineage(
        &self,
        services: &Services,
        version: &ModelVersion,
        serving: &[Deployment],
    ) -> Result<Vec<LineageLine>> {
        let run = match &version.run {
            Some(run) => self.tracking.run(run).ok(),
            None => None,
        };
        let mut facts = Vec::new();
        let mut fact = |kind: &str, value: String| {
            facts.push(LineageLine {
                kind: kind.into(),
                value,
            });
        };
        for input in run.iter().flat_map(|run| &run.inputs) {
            fact("data", data(input));
        }
        // training of our own knows more than what MLflow's tables hold
        let spec = match &version.run {
            Some(run) => services
                .core
                .store
                .read(|view| jobs::spec_of_run(view, run))?,
            None => None,
        };
        if let Some(JobSpec::Train(train)) = &spec {
            let day = |instant: i64| {
                crate::domain::Timestamp(instant.div_euclid(1000))
                    .utc()
                    .format("%Y-%m-%d")
                    .to_string()
            };
            match (train.table.from, train.table.to) {
                (None, None) => {}
                (from, to) => fact(
                    "rows",
                    format!(
                        "from {} to {}",
                        from.map_or_else(|| "the beginning".to_owned(), day),
                        to.map_or_else(|| "the end".to_owned(), day)
                    ),
                ),
            }
        }
        if let Some(run) = &run {
            let id: String = run.id.as_str().chars().take(8).collect();
            fact("run", format!("{} {id} by {}", run.name, run.user));
            if let Some(code) = code(run) {
                fact("code", code);
            }
            for tag in &run.tags {
                if let Some(what) = tag.key.strip_prefix("trainyard.environment") {
                    let what = what.trim_start_matches('.');
                    fact(
                        "environment",
                        format!("{what} {}", tag.value).trim().to_owned(),
                    );
                }
            }
            if let Some(own) = run.tag("trainyard.version") {
                fact("environment", format!("trainyard {own}"));
            }
            if let Some(host) = run.tag("trainyard.host") {
                fact("machine", host.to_owned());
            }
        }
        let digest = self.digest(&version.model, version.version)?;
        if digest.is_empty() {
            fact("files", version.source.clone());
        } else {
            fact(
                "files",
                format!("sha256 {}… {}", short(&digest), version.source),
            );
        }
        for deployment in serving {
            let since = deployment
                .since
                .map(|at| at.utc().format(" since %d %b %H:%M").to_string());
            fact(
                "serving",
                format!(
                    "{} by alias {}{}",
                    deployment.name,
                    deployment.alias,
                    since.unwrap_or_default()
                ),
            );
        }
        // last, for they are many
        if let Ok(signature) = self.signature(&version.model, version.version) {
            let names: Vec<&str> = signature
                .inputs
                .iter()
                .map(|input| input.name.as_str())
                .collect();
            fact("features", format!("{}: {}", names.len(), names.join(", ")));
        }
        if let Some(JobSpec::Train(train)) = &spec {
            for used in &train.table.views {
                let role = if used.prefix.is_empty() {
                    String::new()
                } else {
                    format!(" as {}", used.prefix.trim_end_matches('_'))
                };
                fact(
                    "view",
                    format!(
                        "{} {}{role}: {} features of {}",
                        used.view.name,
                        match used.view.version {
                            0 => "(from before it had versions)".to_owned(),
                            version => format!("v{version}"),
                        },
                        used.features.len(),
                        used.source.name(),
                    ),
                );
            }
        }
        Ok(facts)
    }
}

/// "flights sha256 9c1e03ab77d1…, 6 files, 5 MB, for training".
fn data(input: &DatasetInput) -> String {
    let mut said = format!("{} sha256 {}…", input.name, short(&input.digest));
    let profile: Option<serde_json::Value> = input
        .profile
        .as_deref()
        .and_then(|text| serde_json::from_str(text).ok());
    if let Some(profile) = profile {
        if let Some(files) = profile["num_files"].as_u64() {
            said.push_str(&match files {
                1 => ", 1 file".to_owned(),
                many => format!(", {many} files"),
            });
        }
        if let Some(rows) = profile["num_rows"].as_u64() {
            said.push_str(&format!(", {rows} rows"));
        }
        if let Some(bytes) = profile["num_bytes"].as_u64() {
            said.push_str(&format!(", {:.1} MB", bytes as f64 / 1e6));
        }
    }
    if let Some(context) = &input.context {
        said.push_str(&format!(", for {context}"));
    }
    said
}

/// "a41f0c2 on main, with uncommitted changes, train.py".
fn code(run: &Run) -> Option<String> {
    let mut said = Vec::new();
    if let Some(commit) = run.tag("mlflow.source.git.commit") {
        let mut commit = short(commit);
        if let Some(branch) = run.tag("mlflow.source.git.branch") {
            commit.push_str(&format!(" on {branch}"));
        }
        said.push(commit);
        match run.tag("mlflow.source.git.dirty") {
            Some(dirty) if dirty.eq_ignore_ascii_case("true") => {
                said.push("with uncommitted changes".to_owned());
            }
            Some(_) => said.push("clean".to_owned()),
            None => {}
        }
    }
    for key in ["mlflow.source.name", "mlflow.project.entryPoint"] {
        said.extend(run.tag(key).map(str::to_owned));
    }
    (!said.is_empty()).then(|| said.join(", "))
}
