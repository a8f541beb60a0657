//! Any command as a tracked job: its run, the environment that tells it where to log, its next attempt.

use super::Services;
use super::jobs::NewJob;
use super::tracking::{NewRun, USER};
use crate::domain::job::{CommandSpec, JobSpec};
use crate::domain::run::{Pair, Run, RunStatus};
use crate::domain::trigger::Cause;
use crate::domain::{Error, ExperimentId, JobId, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Names the experiment of those who do not say one: MLflow's variable.
const EXPERIMENT: &str = "MLFLOW_EXPERIMENT_NAME";

/// A command that is to become a tracked job.
#[derive(Clone, Debug, Default)]
pub struct CommandRequest {
    /// Experiment name; none: `MLFLOW_EXPERIMENT_NAME` of its environment, else `Default`.
    pub experiment: Option<String>,
    /// Run name; none: invented.
    pub name: Option<String>,
    /// Program and arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub directory: String,
    /// Added to its environment.
    pub environment: BTreeMap<String, String>,
    /// What its `MLFLOW_TRACKING_URI` shall be.
    pub tracking_uri: String,
}

impl Services {
    /// Makes a run and queues the command that fills it; its environment says where and which run.
    pub fn run_command(&self, request: CommandRequest, by: &str) -> Result<JobId> {
        let Some(program) = request.command.first() else {
            return Err(Error::invalid("a command is missing: `run -- CMD …`"));
        };
        let program = file_name(program);
        if !Path::new(&request.directory).is_dir() {
            return Err(Error::invalid(format!(
                "`{}` is no folder to run in",
                request.directory
            )));
        }
        let mut environment = request.environment;
        let experiment = request
            .experiment
            .or_else(|| environment.remove(EXPERIMENT))
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| "Default".to_owned());
        let experiment = self.tracking.experiment_named(&experiment)?;
        let run = self.waiting_run(&experiment.id, request.name, &request.command, by, None)?;
        // MLflow's client refuses a name and an id that differ
        environment.remove(EXPERIMENT);
        environment.insert("MLFLOW_TRACKING_URI".to_owned(), request.tracking_uri);
        tell(&mut environment, &run);
        let job = self.jobs.submit(NewJob {
            title: format!("{program} {}", run.name),
            spec: JobSpec::Command(CommandSpec {
                command: request.command,
                directory: request.directory,
                environment,
                run: run.id.clone(),
            }),
            cause: Cause::Request { by: by.to_owned() },
            pipeline: None,
            after: None,
            max_attempts: 1,
            run_key: None,
        })?;
        self.name_job(&run, job)?;
        Ok(job)
    }

    /// Queues an ended job again. A command gets a run of its own for the new attempt, in the experiment and under the name
    /// of the one before (parameters never change, and curves of two attempts do not belong into one); everything else goes
    /// on in its run, from its checkpoint.
    pub fn retry_job(&self, job: JobId, by: &str) -> Result<()> {
        let (row, spec, _) = self.jobs.job(job)?;
        let JobSpec::Command(mut spec) = spec else {
            return self.jobs.retry(job, None, by);
        };
        if !row.state.is_ended() {
            return Err(Error::conflict(format!(
                "job `{job}` is {}: only an ended job is tried again",
                row.state.as_str()
            )));
        }
        let before = self.tracking.run(&spec.run)?;
        let run = self.waiting_run(
            &before.experiment,
            Some(before.name.clone()),
            &spec.command,
            by,
            Some(&before),
        )?;
        tell(&mut spec.environment, &run);
        spec.run = run.id.clone();
        if let Err(error) = self.jobs.retry(job, Some(JobSpec::Command(spec)), by) {
            // somebody else was quicker: the run has no job
            self.tracking.archive(&run.id, false)?;
            return Err(error);
        }
        self.name_job(&run, job)
    }

    /// A run that waits for its command.
    fn waiting_run(
        &self,
        experiment: &ExperimentId,
        name: Option<String>,
        command: &[String],
        by: &str,
        before: Option<&Run>,
    ) -> Result<Run> {
        let mut tags = vec![
            pair(USER, by),
            pair("mlflow.source.name", &source(command)),
            pair("mlflow.source.type", "LOCAL"),
        ];
        if let Some(before) = before {
            tags.push(pair("trainyard.retry_of", before.id.as_str()));
        }
        let run = self.tracking.create_run(NewRun {
            experiment: Some(experiment.clone()),
            name,
            user: by.to_owned(),
            started: None,
            tags,
        })?;
        self.tracking
            .finish_run(&run.id, RunStatus::Scheduled, None)?;
        Ok(run)
    }

    fn name_job(&self, run: &Run, job: JobId) -> Result<()> {
        self.tracking.log_batch(
            &run.id,
            &[],
            Vec::new(),
            vec![pair("trainyard.job", &job.to_string())],
        )
    }
}

fn pair(key: &str, value: &str) -> Pair {
    Pair {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

/// Which run the command fills.
fn tell(environment: &mut BTreeMap<String, String>, run: &Run) {
    environment.insert("MLFLOW_RUN_ID".to_owned(), run.id.to_string());
    environment.insert(
        "MLFLOW_EXPERIMENT_ID".to_owned(),
        run.experiment.to_string(),
    );
}

/// What MLflow calls a run's source: the script of an interpreter, else the program.
fn source(command: &[String]) -> String {
    let program = command.first().map_or("", String::as_str);
    let name = file_name(program);
    let interpreter = ["python", "pypy", "bash", "sh", "Rscript", "julia", "node"]
        .iter()
        .any(|kind| {
            name.strip_prefix(kind).is_some_and(|rest| {
                rest.chars()
                    .all(|letter| letter.is_ascii_digit() || letter == '.')
            })
        });
    let mut arguments = command.iter().skip(1);
    let script = interpreter
        .then(|| {
            arguments
                .by_ref()
                .take_while(|word| *word != "-c" && *word != "-m")
                .find(|word| !word.starts_with('-'))
        })
        .flatten();
    let source = script.map_or(program, String::as_str);
    source.chars().take(5000).collect()
}

fn file_name(program: &str) -> String {
    Path::new(program).file_name().map_or_else(
        || program.to_owned(),
        |name| name.to_string_lossy().into_owned(),
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_source_of_a_run_is_its_script() {
        let of = |words: &[&str]| {
            source(
                &words
                    .iter()
                    .map(|word| (*word).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(
            of(&["/usr/bin/python3.12", "-u", "train.py", "--lr", "1"]),
            "train.py"
        );
        assert_eq!(of(&["python", "-m", "pkg.train"]), "python");
        assert_eq!(of(&["sh", "-c", "echo"]), "sh");
        assert_eq!(of(&["./train", "x.py"]), "./train");
    }
}
