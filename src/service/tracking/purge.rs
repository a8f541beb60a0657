//! Deleting for good: rows first, in one transaction with the list of folders that go with them; files after the
//! commit. A crash in between leaves the list, and the next start goes on with it. What a model version stands on, or
//! a job still fills, is refused.

use super::Tracking;
use super::artifacts::path_of;
use crate::domain::experiment::Lifecycle;
use crate::domain::{
    ArtifactPath, Error, Event, ExperimentId, ModelName, Result, RunId, Timestamp,
};
use crate::store::audit::{self, AuditLine};
use crate::store::purge::{self, Doomed};
use crate::store::{Connection, Transaction, experiments, registry, runs};
use std::collections::BTreeSet;

/// Runs removed in one transaction: others that write wait no longer than that takes.
const GROUP: usize = 20;

/// The folder that vanishes with a run or logged model: the one above its artifacts when it is its own.
fn folder_of(id: &str, artifact_uri: &str) -> Option<String> {
    let path = path_of(artifact_uri).ok()?;
    let own = path
        .as_str()
        .strip_suffix("/artifacts")
        .filter(|above| above.rsplit('/').next() == Some(id));
    Some(own.unwrap_or(path.as_str()).to_owned())
}

/// Whether a run may go, by what stands on it.
fn may_go(view: &Connection, run: &RunId, with_versions: bool) -> Result<()> {
    let (_, header) = runs::header(view, run)?;
    if let Some(job) = purge::open_job(view, run)? {
        return Err(Error::conflict(format!(
            "job `{job}` still fills run `{run}`: `trainyard jobs cancel {job}` first"
        )));
    }
    for (model, version, aliases) in purge::versions_on(view, run, &header.artifact_uri)? {
        if let Some(alias) = aliases.first() {
            return Err(Error::conflict(format!(
                "{version} of `{model}`, which `{alias}` names, stands on run `{run}`: move the alias first"
            )));
        }
        if !with_versions {
            return Err(Error::conflict(format!(
                "{version} of `{model}` stands on run `{run}`: delete the version first, or say `--with-versions`"
            )));
        }
    }
    Ok(())
}

/// Removes a run's rows and the versions on it; answers the models that lost one.
fn remove(
    transaction: &Transaction<'_>,
    run: &RunId,
    with_versions: bool,
    by: &str,
    now: Timestamp,
) -> Result<Vec<ModelName>> {
    may_go(transaction, run, with_versions)?;
    let (number, header) = runs::header(transaction, run)?;
    let mut models = Vec::new();
    for (model, version, _) in purge::versions_on(transaction, run, &header.artifact_uri)? {
        registry::delete_version(transaction, &model, version, now)?;
        models.push(model);
    }
    for (model, uri) in purge::models_made_by(transaction, run)? {
        purge::logged_model(transaction, &model)?;
        if let Some(folder) = folder_of(model.as_str(), &uri) {
            purge::doom(transaction, &folder, now)?;
        }
    }
    purge::run(transaction, number, &header.experiment)?;
    if let Some(folder) = folder_of(run.as_str(), &header.artifact_uri) {
        purge::doom(transaction, &folder, now)?;
    }
    audit::add(
        transaction,
        &AuditLine {
            at: now,
            by: by.to_owned(),
            action: "purge".into(),
            object: format!("run:{run}"),
            detail: format!(
                "run `{}` of experiment `{}` deleted for good",
                header.name, header.experiment
            ),
        },
    )?;
    Ok(models)
}

impl Tracking {
    /// Deletes runs for good, in groups; each group whole or not at all, and none when one of all may not go.
    ///
    /// # Errors
    /// No such run; a job still fills it; a model version stands on it (unless `with_versions`, and always when an
    /// alias names that version).
    pub fn purge_runs(&self, wanted: &[RunId], with_versions: bool, by: &str) -> Result<u64> {
        self.core.store.read(|view| {
            wanted
                .iter()
                .try_for_each(|run| may_go(view, run, with_versions))
        })?;
        for group in wanted.chunks(GROUP) {
            let (group, by, now) = (group.to_vec(), by.to_owned(), self.core.now());
            let removed = group.clone();
            let models = self.core.store.write(move |transaction| {
                let mut models = BTreeSet::new();
                for run in &group {
                    models.extend(remove(transaction, run, with_versions, &by, now)?);
                }
                Ok(models)
            })?;
            for run in removed {
                self.changed(&run);
            }
            for model in models {
                self.core.bus.emit(Event::RegistryChanged { model });
            }
        }
        self.remove_doomed()?;
        Ok(wanted.len() as u64)
    }

    /// Deletes an experiment for good, with its runs; answers how many those were. It must be deleted (archived) before.
    /// Its name is free then; its number is not given again.
    ///
    /// # Errors
    /// As [`Tracking::purge_runs`]; the experiment is `Default` or not deleted.
    pub fn purge_experiment(
        &self,
        id: &ExperimentId,
        with_versions: bool,
        by: &str,
    ) -> Result<u64> {
        if id.as_str() == "0" {
            return Err(Error::invalid("the experiment `Default` cannot be deleted"));
        }
        let (experiment, all) = self.core.store.read(|view| {
            Ok((
                experiments::get(view, id)?,
                purge::runs_of(view, id, u32::MAX)?,
            ))
        })?;
        if experiment.lifecycle != Lifecycle::Deleted {
            return Err(Error::conflict(format!(
                "experiment `{}` is in use: `trainyard experiments delete {id}` first, then purge it",
                experiment.name
            )));
        }
        let count = self.purge_runs(&all, with_versions, by)?;
        let (id, by, now) = (id.clone(), by.to_owned(), self.core.now());
        self.core.store.write(move |transaction| {
            if let Some(run) = purge::runs_of(transaction, &id, 1)?.first() {
                return Err(Error::conflict(format!(
                    "run `{run}` was added meanwhile: purge it again"
                )));
            }
            // Only its own folder: one that was chosen may hold what is not its own.
            let own = ArtifactPath::parse(id.as_str())?;
            if path_of(&experiment.artifact_location).is_ok_and(|folder| folder == own) {
                purge::doom(transaction, own.as_str(), now)?;
            }
            purge::experiment(transaction, &id)?;
            audit::add(
                transaction,
                &AuditLine {
                    at: now,
                    by,
                    action: "purge".into(),
                    object: format!("experiment:{id}"),
                    detail: format!("experiment `{}` deleted for good", experiment.name),
                },
            )
        })?;
        self.core.bus.emit(Event::ExperimentsChanged);
        self.remove_doomed()?;
        Ok(count)
    }

    /// Deletes for good everything that was deleted before: runs that ended before `before` and on which no model
    /// version stands, and deleted experiments without runs. Answers how many runs and experiments went.
    pub fn purge_deleted(&self, before: Timestamp, by: &str) -> Result<(u64, u64)> {
        let free = self.core.store.read(|view| {
            Ok(purge::deleted_runs(view, before)?
                .into_iter()
                .filter(|run| may_go(view, run, false).is_ok())
                .collect::<Vec<_>>())
        })?;
        let gone = self.purge_runs(&free, false, by)?;
        let empty: Vec<ExperimentId> = self.core.store.read(|view| {
            let mut empty = Vec::new();
            for experiment in experiments::all(view)? {
                if experiment.lifecycle == Lifecycle::Deleted
                    && experiment.updated < before
                    && purge::runs_of(view, &experiment.id, 1)?.is_empty()
                {
                    empty.push(experiment.id);
                }
            }
            Ok(empty)
        })?;
        for id in &empty {
            self.purge_experiment(id, false, by)?;
        }
        Ok((gone, empty.len() as u64))
    }

    /// Removes the files of what has no rows any more. Called after each purge, and once at the start.
    pub fn remove_doomed(&self) -> Result<()> {
        for Doomed { number, path } in self.core.store.read(purge::doomed)? {
            self.core
                .artifacts
                .discard(&ArtifactPath::parse(&path)?, number)?;
            self.core
                .store
                .write(move |transaction| purge::forget(transaction, number))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::config::Config;
    use crate::domain::metric::Metric;
    use crate::domain::run::{DatasetInput, Pair};
    use crate::domain::{ErrorKind, SystemClock};
    use crate::service::Services;
    use crate::service::tracking::NewRun;
    use crate::workspace::Workspace;
    use std::path::Path;
    use std::sync::Arc;

    fn open(folder: &Path) -> Arc<Services> {
        Services::open(
            Workspace::at(folder).unwrap(),
            Config::default(),
            Arc::new(SystemClock),
        )
        .unwrap()
    }

    /// A run of `experiment` with one of everything.
    fn run(services: &Services, experiment: &ExperimentId) -> RunId {
        let tracking = &services.tracking;
        let run = tracking
            .create_run(NewRun {
                experiment: Some(experiment.clone()),
                ..Default::default()
            })
            .unwrap()
            .id;
        tracking
            .log_batch(
                &run,
                &[Metric {
                    key: "loss".into(),
                    value: 1.0,
                    timestamp: Timestamp(1),
                    step: 0,
                }],
                vec![Pair {
                    key: "alpha".into(),
                    value: "1".into(),
                }],
                Vec::new(),
            )
            .unwrap();
        tracking
            .log_inputs(
                &run,
                vec![DatasetInput {
                    name: "rows".into(),
                    digest: "d".into(),
                    source_type: "local".into(),
                    source: "{}".into(),
                    schema: None,
                    profile: None,
                    context: None,
                    tags: Vec::new(),
                }],
            )
            .unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "x").unwrap();
        tracking
            .log_artifact(&run, "model/weights.bin", file.path())
            .unwrap();
        run
    }

    fn folder(services: &Services, run: &RunId) -> std::path::PathBuf {
        let uri = services.tracking.run(run).unwrap().artifact_uri;
        let artifacts = services.tracking.artifact_folder(&uri).unwrap();
        artifacts.parent().unwrap().to_owned()
    }

    #[test]
    fn a_purged_run_leaves_nothing_and_its_neighbour_everything() {
        let home = tempfile::tempdir().unwrap();
        let services = open(home.path());
        let tracking = &services.tracking;
        let experiment = tracking.experiment_named("e").unwrap().id;
        let (gone, stays) = (run(&services, &experiment), run(&services, &experiment));
        let (gone_at, stays_at) = (folder(&services, &gone), folder(&services, &stays));
        assert!(gone_at.join("artifacts/model/weights.bin").is_file());
        tracking
            .purge_runs(std::slice::from_ref(&gone), false, "ana")
            .unwrap();
        assert_eq!(tracking.run(&gone).unwrap_err().kind, ErrorKind::NotFound);
        assert!(!gone_at.exists());
        assert!(stays_at.join("artifacts/model/weights.bin").is_file());
        let whole = tracking.run(&stays).unwrap();
        assert_eq!(
            (whole.params.len(), whole.metrics.len(), whole.inputs.len()),
            (1, 1, 1)
        );
        let lines = services
            .core
            .store
            .read(|view| audit::about(view, &format!("run:{gone}"), 10))
            .unwrap();
        assert_eq!(
            (lines[0].action.as_str(), lines[0].by.as_str()),
            ("purge", "ana")
        );
    }

    #[test]
    fn a_purged_experiments_name_is_free_and_its_number_is_not() {
        let home = tempfile::tempdir().unwrap();
        let services = open(home.path());
        let tracking = &services.tracking;
        let first = tracking.experiment_named("e").unwrap().id;
        run(&services, &first);
        assert_eq!(
            tracking
                .purge_experiment(&first, false, "ana")
                .unwrap_err()
                .kind,
            ErrorKind::Conflict
        );
        tracking.archive_experiment(&first, false).unwrap();
        assert_eq!(tracking.purge_experiment(&first, false, "ana").unwrap(), 1);
        let second = tracking.experiment_named("e").unwrap().id;
        assert_ne!(first, second);
        assert!(
            !home
                .path()
                .join(".trainyard/artifacts")
                .join(first.as_str())
                .exists()
        );
        assert!(
            tracking
                .purge_experiment(&ExperimentId::from("0"), false, "ana")
                .is_err()
        );
    }

    #[test]
    fn what_a_version_stands_on_stays_unless_told() {
        let home = tempfile::tempdir().unwrap();
        let services = open(home.path());
        let tracking = &services.tracking;
        let run = run(&services, &ExperimentId::from("0"));
        let model = ModelName::from("m");
        services.registry.register(&run, &model, "ana").unwrap();
        let error = tracking
            .purge_runs(std::slice::from_ref(&run), false, "ana")
            .unwrap_err();
        assert_eq!(error.kind, ErrorKind::Conflict);
        assert!(error.message.contains("`m`"), "{error}");
        let version = crate::domain::Version(1);
        services
            .registry
            .set_alias(&model, "best", Some(version), "ana", None)
            .unwrap();
        assert!(
            tracking
                .purge_runs(std::slice::from_ref(&run), true, "ana")
                .is_err()
        );
        services
            .registry
            .set_alias(&model, "best", None, "ana", None)
            .unwrap();
        tracking
            .purge_runs(std::slice::from_ref(&run), true, "ana")
            .unwrap();
        assert!(services.registry.version(&model, version).is_err());
    }

    #[test]
    fn the_next_start_finishes_what_a_crash_left() {
        let home = tempfile::tempdir().unwrap();
        let services = open(home.path());
        let run = run(&services, &ExperimentId::from("0"));
        let at = folder(&services, &run);
        let now = services.core.now();
        services
            .core
            .store
            .write(move |transaction| {
                remove(transaction, &run, false, "ana", now)?;
                Ok(())
            })
            .unwrap();
        assert!(at.is_dir());
        drop(services);
        let services = open(home.path());
        assert!(!at.exists());
        assert!(services.core.store.read(purge::doomed).unwrap().is_empty());
    }

    #[test]
    fn deleted_things_go_together() {
        let home = tempfile::tempdir().unwrap();
        let services = open(home.path());
        let tracking = &services.tracking;
        let experiment = tracking.experiment_named("old").unwrap().id;
        run(&services, &experiment);
        tracking.archive_experiment(&experiment, false).unwrap();
        let kept = run(&services, &ExperimentId::from("0"));
        let far = Timestamp(i64::MAX);
        assert_eq!(tracking.purge_deleted(far, "ana").unwrap(), (1, 1));
        assert!(tracking.experiment(&experiment).is_err());
        assert!(tracking.run(&kept).is_ok());
    }
}
