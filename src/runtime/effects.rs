//! What a job's work means to the services: its inputs on its run before it starts, its files with its run and
//! its findings with their owner before its row says that it ended. Each can be repeated without harm, so a
//! daemon that dies in between does it again.

use crate::domain::Result;
use crate::domain::job::{
    DataSource, JobResult, JobSpec, Outcome, TableSpec, TrainSpec, WorkerEvent,
};
use crate::domain::run::DatasetInput;
use crate::service::Services;
use std::path::Path;
use tracing::warn;

/// Characters of a digest that MLflow keeps.
const DIGEST: usize = 36;

/// Before the worker starts: what a training run reads, and which versions of which features, is on the run, whatever
/// becomes of it.
pub fn before(services: &Services, spec: &JobSpec) -> Result<()> {
    match spec {
        JobSpec::Train(train) => {
            services.catalog.pin(&train.run, &train.table)?;
            services
                .tracking
                .log_inputs(&train.run, inputs(&train.table))
        }
        _ => Ok(()),
    }
}

/// While the worker is at work: a file that it wants kept is among its run's artifacts before the event counts as taken in.
/// One that cannot be kept is said, and left out: it must not hold up the others.
pub fn during(services: &Services, folder: &Path, spec: &JobSpec, events: &[WorkerEvent]) {
    let Some(run) = spec.run() else {
        return;
    };
    for event in events {
        let WorkerEvent::Artifact { file, path } = event else {
            continue;
        };
        if let Err(error) = services
            .tracking
            .log_artifact(run, path, &folder.join(file))
        {
            warn!(%run, path, %error, "a file of the job was not kept");
        }
    }
}

/// After the worker ended, before the job does. What cannot be taken in makes the outcome a failure.
pub fn after(services: &Services, folder: &Path, spec: &JobSpec, outcome: Outcome) -> Outcome {
    let Outcome::Succeeded { result } = &outcome else {
        return outcome;
    };
    match take_in(services, folder, spec, result) {
        Ok(()) => outcome,
        Err(error) => {
            warn!(%error, "a result was not taken in");
            Outcome::Failed {
                error: format!("the work was done, but its result was not taken in: {error}"),
            }
        }
    }
}

fn take_in(services: &Services, folder: &Path, spec: &JobSpec, result: &JobResult) -> Result<()> {
    match (spec, result) {
        (JobSpec::Train(TrainSpec { run, .. }), JobResult::Train { artifacts, .. }) => {
            for (file, path) in artifacts {
                services
                    .tracking
                    .log_artifact(run, path, &folder.join(file))?;
            }
            Ok(())
        }
        (JobSpec::Materialize(spec), JobResult::Materialize { .. }) => {
            services.catalog.take_in(spec, result)
        }
        (
            JobSpec::Validate(spec),
            JobResult::Validate {
                violations,
                inferred,
                rows,
            },
        ) => {
            let dataset = spec.source.name();
            if let Some(schema) = inferred
                && services.datasets.frozen_schema(dataset)?.is_none()
            {
                services.datasets.freeze_schema(dataset, schema)?;
            }
            services
                .datasets
                .record_violations(&spec.source, violations, *rows)
        }
        (
            JobSpec::Profile(spec),
            JobResult::Profile {
                states: Some(states),
                ..
            },
        ) => services
            .datasets
            .take_in_profile(spec, &folder.join(states)),
        _ => Ok(()),
    }
}

/// Every dataset behind the rows and the views, with its digest.
fn inputs(table: &TableSpec) -> Vec<DatasetInput> {
    let mut found: Vec<DatasetInput> = Vec::new();
    let sources = std::iter::once(&table.rows).chain(table.views.iter().map(|view| &view.source));
    for source in sources {
        collect(source, &mut found);
    }
    found
}

fn collect(source: &DataSource, found: &mut Vec<DatasetInput>) {
    match source {
        DataSource::Sql { from, .. } => {
            for source in from {
                collect(source, found);
            }
        }
        DataSource::Files(snapshot) => {
            if found.iter().any(|input| input.name == snapshot.dataset) {
                return;
            }
            let paths: Vec<&str> = snapshot
                .files
                .iter()
                .map(|file| file.path.as_str())
                .collect();
            let bytes: u64 = snapshot.files.iter().map(|file| file.bytes).sum();
            found.push(DatasetInput {
                name: snapshot.dataset.clone(),
                digest: snapshot.digest.chars().take(DIGEST).collect(),
                source_type: "local".to_owned(),
                source: serde_json::json!({ "uri": paths.first(), "files": paths }).to_string(),
                schema: None,
                profile: Some(
                    serde_json::json!({ "num_files": paths.len(), "num_bytes": bytes }).to_string(),
                ),
                context: Some("training".to_owned()),
                tags: Vec::new(),
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::dataset::{FileStamp, Snapshot};

    fn files(name: &str) -> DataSource {
        DataSource::Files(Snapshot {
            dataset: name.into(),
            files: vec![FileStamp {
                path: format!("/d/{name}.csv"),
                bytes: 10,
                sha256: "ab".into(),
                modified: 0,
            }],
            digest: "0123456789".repeat(7),
        })
    }

    #[test]
    fn datasets_behind_sql_are_inputs_once_each() {
        let table = TableSpec {
            rows: DataSource::Sql {
                name: "joined".into(),
                sql: "select 1".into(),
                from: vec![files("a"), files("b"), files("a")],
            },
            timestamp: None,
            row_key: None,
            views: Vec::new(),
            inputs: Vec::new(),
            target: None,
            target_known_at: None,
            from: None,
            to: None,
        };
        let found = inputs(&table);
        let names: Vec<&str> = found.iter().map(|input| input.name.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert_eq!(found[0].digest.len(), DIGEST);
    }
}
