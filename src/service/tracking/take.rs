//! Taking in what another tracking server has: ids, times, states and version numbers are kept, what is here already
//! stays as it is, and what differs is named. Limits of logging do not apply: it was logged once already.

use super::Tracking;
use super::artifacts::path_of;
use crate::domain::experiment::{Experiment, Lifecycle};
use crate::domain::logged_model::{LoggedModel, LoggedModelStatus};
use crate::domain::registry::{ModelVersion, MoveKind, RegisteredModel};
use crate::domain::run::{Run, RunModels};
use crate::domain::transfer::{Part, Taken, Tally};
use crate::domain::{
    ArtifactPath, Error, ErrorKind, Event, ModelName, Result, RunId, Timestamp, Version,
};
use crate::store::audit::{self, AuditLine};
use crate::store::registry::{self, NewMove};
use crate::store::{Transaction, experiments, logged_models, metrics, runs, transfer};
use std::collections::BTreeSet;

/// Ids of experiments up to this are kept. MLflow's folders have ids of 18 digits, and the next experiment made here
/// would get one more than that.
const KEPT: i64 = 1_000_000;

/// Parts and what they touched, for the events after the commit.
#[derive(Default)]
struct Touched {
    experiments: bool,
    runs: BTreeSet<RunId>,
    models: BTreeSet<ModelName>,
    moves: Vec<Event>,
}

fn experiment(
    transaction: &Transaction<'_>,
    there: &Experiment,
    touched: &mut Touched,
) -> Result<Taken> {
    let known = experiments::by_name(transaction, &there.name)?;
    let new = known.is_none();
    let id = match &known {
        Some(known) => known.id.clone(),
        None => {
            let wanted = experiments::number(&there.id)
                .ok()
                .filter(|number| (1..=KEPT).contains(number));
            let free = match wanted {
                Some(number)
                    if experiments::get(transaction, &there.id)
                        .is_err_and(|error| error.kind == ErrorKind::NotFound) =>
                {
                    Some(number)
                }
                _ => None,
            };
            let id = experiments::insert(transaction, free, &there.name, None, there.created)?;
            if there.lifecycle == Lifecycle::Deleted {
                experiments::set_lifecycle(transaction, &id, Lifecycle::Deleted, there.updated)?;
            }
            id
        }
    };
    let here = known.map(|known| known.tags).unwrap_or_default();
    let mut differences = Vec::new();
    for (key, value) in &there.tags {
        match here.iter().find(|(known, _)| known == key) {
            None => experiments::set_tag(transaction, &id, key, value, there.updated)?,
            Some((_, known)) if known != value => differences.push(format!(
                "tag `{key}` of experiment `{}` is `{known:.80}` here and `{value:.80}` there",
                there.name
            )),
            Some(_) => {}
        }
    }
    touched.experiments = true;
    Ok(Taken {
        new,
        experiment: Some(id),
        differences,
        ..Default::default()
    })
}

/// Where the files of a run (or `models/ID`) of this experiment belong: below the experiment's own location when that
/// lies here.
fn home(filed: &Experiment, whose: &str) -> String {
    let location = match path_of(&filed.artifact_location) {
        Ok(_) => filed.artifact_location.trim_end_matches('/').to_owned(),
        Err(_) => format!("mlflow-artifacts:/{}", filed.id),
    };
    format!("{location}/{whose}/artifacts")
}

fn run(transaction: &Transaction<'_>, there: &Run, touched: &mut Touched) -> Result<Taken> {
    let id = there.id.clone();
    let plain = id.as_str().len() == 32 && id.as_str().bytes().all(|byte| byte.is_ascii_hexdigit());
    if !plain {
        return Err(Error::invalid(format!(
            "`{id}` is no run's id: 32 hexadecimal digits are expected"
        )));
    }
    let known = match runs::header(transaction, &id) {
        Ok(known) => Some(known),
        Err(error) if error.kind == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    let mut differences = Vec::new();
    let new = known.is_none();
    let (number, here) = match known {
        Some((number, header)) => {
            if header.experiment != there.experiment {
                differences.push(format!(
                    "run `{id}` is in experiment `{}` here",
                    header.experiment
                ));
            }
            if !header.status.is_ended() && there.status.is_ended() {
                runs::set_status(transaction, number, there.status, there.ended)?;
            } else if header.status != there.status {
                differences.push(format!(
                    "run `{id}` is {} here and {} there",
                    header.status.as_str(),
                    there.status.as_str()
                ));
            }
            (number, runs::complete(transaction, number, header)?)
        }
        None => {
            let filed = experiments::get(transaction, &there.experiment)?;
            let row = Run {
                artifact_uri: home(&filed, id.as_str()),
                params: Vec::new(),
                tags: Vec::new(),
                metrics: Vec::new(),
                inputs: Vec::new(),
                models: RunModels::default(),
                ..there.clone()
            };
            (runs::insert(transaction, &row)?, row)
        }
    };
    for param in &there.params {
        if let Some(known) = runs::set_param(transaction, number, &here.experiment, param)? {
            differences.push(format!(
                "parameter `{}` of run `{id}` is `{known:.80}` here and `{:.80}` there",
                param.key, param.value
            ));
        }
    }
    for tag in &there.tags {
        match here.tag(&tag.key) {
            None => runs::set_tag(transaction, number, tag)?,
            Some(known) if known != tag.value => differences.push(format!(
                "tag `{}` of run `{id}` is `{known:.80}` here and `{:.80}` there",
                tag.key, tag.value
            )),
            Some(_) => {}
        }
    }
    for input in &there.inputs {
        runs::add_input(transaction, number, &here.experiment, input)?;
    }
    for model in &there.models.inputs {
        runs::add_model(transaction, number, "input", model, 0)?;
    }
    for (model, step) in &there.models.outputs {
        runs::add_model(transaction, number, "output", model, *step)?;
    }
    touched.runs.insert(id);
    Ok(Taken {
        new,
        artifact_uri: Some(here.artifact_uri),
        differences,
        ..Default::default()
    })
}

fn logged_model(
    transaction: &Transaction<'_>,
    there: LoggedModel,
    touched: &mut Touched,
) -> Result<Taken> {
    let id = there.id.clone();
    ArtifactPath::parse(&format!("models/{id}"))
        .ok()
        .filter(|path| path.parts().count() == 2)
        .ok_or_else(|| Error::invalid(format!("`{id}` is no logged model's id")))?;
    let known = logged_models::get(transaction, &id)?;
    let new = known.is_none();
    let mut differences = Vec::new();
    let artifact_uri = match known {
        Some(here) => {
            for param in &there.params {
                if let Some(known) = logged_models::set_param(transaction, &id, param)? {
                    differences.push(format!(
                        "parameter `{}` of logged model `{id}` is `{known:.80}` here and `{:.80}` there",
                        param.key, param.value
                    ));
                }
            }
            for tag in &there.tags {
                if !here.tags.iter().any(|known| known.key == tag.key) {
                    logged_models::set_tag(transaction, &id, tag)?;
                }
            }
            if here.status != there.status && here.status != LoggedModelStatus::Ready {
                logged_models::set_status(transaction, &id, there.status, there.updated)?;
            }
            here.artifact_uri
        }
        None => {
            let filed = experiments::get(transaction, &there.experiment)?;
            let row = LoggedModel {
                artifact_uri: home(&filed, &format!("models/{id}")),
                metrics: Vec::new(),
                ..there.clone()
            };
            logged_models::insert(transaction, &row)?;
            row.artifact_uri
        }
    };
    for point in &there.metrics {
        logged_models::add_metric(transaction, point)?;
    }
    if let Some(run) = there.source_run {
        touched.runs.insert(run);
    }
    Ok(Taken {
        new,
        artifact_uri: Some(artifact_uri),
        differences,
        ..Default::default()
    })
}

fn model(
    transaction: &Transaction<'_>,
    there: &RegisteredModel,
    last: u32,
    touched: &mut Touched,
) -> Result<Taken> {
    let new = registry::ensure_model(transaction, &there.name, there.created)?;
    let here = registry::model(transaction, &there.name)?
        .ok_or_else(|| Error::internal(format!("model `{}` was not made", there.name)))?;
    let mut differences = Vec::new();
    transfer::describe_model(transaction, &there.name, &there.description)?;
    transfer::count_version(transaction, &there.name, Version(last))?;
    for (key, value) in &there.tags {
        match here.tags.iter().find(|(known, _)| known == key) {
            None => transfer::add_model_tag(transaction, &there.name, key, value)?,
            Some((_, known)) if known != value => differences.push(format!(
                "tag `{key}` of model `{}` is `{known:.80}` here and `{value:.80}` there",
                there.name
            )),
            Some(_) => {}
        }
    }
    touched.models.insert(there.name.clone());
    Ok(Taken {
        new,
        differences,
        ..Default::default()
    })
}

fn version(
    transaction: &Transaction<'_>,
    there: &ModelVersion,
    touched: &mut Touched,
) -> Result<Taken> {
    let mut differences = Vec::new();
    if registry::model(transaction, &there.model)?.is_none() {
        return Err(Error::not_found(format!(
            "{}: there is no registered model `{}`",
            there.version, there.model
        )));
    }
    let known = registry::version(transaction, &there.model, there.version)?;
    let new = known.is_none();
    match known {
        None => transfer::add_version(transaction, there)?,
        Some(known) if known.run != there.run || known.source != there.source => {
            differences.push(format!(
                "{} of `{}` is another one here: of `{}`, there of `{}`",
                there.version, there.model, known.source, there.source
            ));
        }
        Some(_) => {}
    }
    touched.models.insert(there.model.clone());
    Ok(Taken {
        new,
        differences,
        ..Default::default()
    })
}

fn alias(transaction: &Transaction<'_>, new: &NewMove, touched: &mut Touched) -> Result<Taken> {
    if let Some(version) = new.to
        && registry::version(transaction, &new.model, version)?.is_none()
    {
        return Err(Error::not_found(format!(
            "alias `{}`: model `{}` has no version `{}`",
            new.alias, new.model, version.0
        )));
    }
    let here = registry::alias(transaction, &new.model, &new.alias)?;
    if here == new.to {
        return Ok(Taken::default());
    }
    if let (Some(here), Some(there)) = (here, new.to) {
        return Ok(Taken {
            differences: vec![format!(
                "alias `{}` of `{}` names {here} here and {there} there",
                new.alias, new.model
            )],
            ..Default::default()
        });
    }
    let moved = registry::move_alias(transaction, new)?;
    touched.models.insert(moved.model.clone());
    touched.moves.push(Event::AliasMoved {
        model: moved.model,
        alias: moved.alias,
        from: moved.from,
        to: moved.to,
        by: moved.by,
    });
    Ok(Taken {
        new: true,
        ..Default::default()
    })
}

fn take(
    transaction: &Transaction<'_>,
    part: Part,
    by: &str,
    now: Timestamp,
    touched: &mut Touched,
) -> Result<Taken> {
    match part {
        Part::Experiment { experiment: there } => experiment(transaction, &there, touched),
        Part::Run { run: there } => run(transaction, &there, touched),
        Part::Points { run, points } => {
            let (number, header) = runs::header(transaction, &run)?;
            metrics::insert(
                transaction,
                number,
                &header.experiment,
                &points.iter().collect(),
            )?;
            touched.runs.insert(run);
            Ok(Taken::default())
        }
        Part::LoggedModel { model: there } => logged_model(transaction, *there, touched),
        Part::Model { model: there, last } => model(transaction, &there, last, touched),
        Part::Version { version: there } => version(transaction, &there, touched),
        Part::Alias {
            model,
            alias: name,
            version,
        } => alias(
            transaction,
            &NewMove {
                model,
                alias: name,
                to: Some(version),
                kind: MoveKind::Set,
                at: now,
                by: by.to_owned(),
                reason: "imported".to_owned(),
            },
            touched,
        ),
    }
}

impl Tracking {
    /// Takes parts in, in one transaction; answers what became of each. The same parts again change nothing.
    ///
    /// # Errors
    /// A part names what is not here: a run's experiment, a version's model, an alias's version.
    pub fn take(&self, parts: Vec<Part>, by: &str) -> Result<Vec<Taken>> {
        let (by, now) = (by.to_owned(), self.core.now());
        let (taken, touched) = self.core.store.write(move |transaction| {
            let mut touched = Touched::default();
            let mut taken = Vec::with_capacity(parts.len());
            for part in parts {
                let made = match &part {
                    Part::Experiment { experiment } => {
                        Some(format!("experiment:{}", experiment.name))
                    }
                    Part::Model { model, .. } => Some(format!("model:{}", model.name)),
                    _ => None,
                };
                let one = take(transaction, part, &by, now, &mut touched)?;
                if let (Some(object), true) = (made, one.new) {
                    audit::add(
                        transaction,
                        &AuditLine {
                            at: now,
                            by: by.clone(),
                            action: "import".into(),
                            object,
                            detail: String::new(),
                        },
                    )?;
                }
                taken.push(one);
            }
            Ok((taken, touched))
        })?;
        if touched.experiments {
            self.core.bus.emit(Event::ExperimentsChanged);
        }
        for run in touched.runs {
            self.changed(&run);
        }
        for event in touched.moves {
            self.core.bus.emit(event);
        }
        for model in touched.models {
            self.core.bus.emit(Event::RegistryChanged { model });
        }
        Ok(taken)
    }

    /// How much of each run is here; none of a run that is not.
    pub fn tallies(&self, wanted: &[RunId]) -> Result<Vec<Option<Tally>>> {
        let counted = self.core.store.read(|view| {
            wanted
                .iter()
                .map(|run| match runs::header(view, run) {
                    Ok((number, header)) => {
                        Ok(Some((transfer::tally(view, number)?, header.artifact_uri)))
                    }
                    Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(error),
                })
                .collect::<Result<Vec<_>>>()
        })?;
        // Files lie outside the store's view.
        counted
            .into_iter()
            .map(|counted| {
                counted
                    .map(|(mut tally, uri)| {
                        let files = self.artifact_tree(&uri)?;
                        tally.files = files.len() as u64;
                        tally.bytes = files.iter().map(|(_, bytes)| bytes).sum();
                        Ok(tally)
                    })
                    .transpose()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use crate::config::Config;
    use crate::domain::metric::Metric;
    use crate::domain::run::{Pair, RunStatus};
    use crate::domain::{ExperimentId, SystemClock};
    use crate::service::Services;
    use crate::workspace::Workspace;
    use std::sync::Arc;

    fn there() -> Vec<Part> {
        let run = RunId::from("0123456789abcdef0123456789abcdef");
        let pair = |key: &str, value: &str| Pair {
            key: key.into(),
            value: value.into(),
        };
        vec![
            Part::Experiment {
                experiment: Experiment {
                    id: ExperimentId::from("17"),
                    name: "old".into(),
                    artifact_location: "s3://bucket/17".into(),
                    lifecycle: Lifecycle::Active,
                    created: Timestamp(5),
                    updated: Timestamp(6),
                    tags: vec![("team".into(), "a".into())],
                },
            },
            Part::Run {
                run: Box::new(Run {
                    id: run.clone(),
                    experiment: ExperimentId::from("17"),
                    name: "first".into(),
                    user: "ana".into(),
                    status: RunStatus::Finished,
                    started: Timestamp(7),
                    ended: Some(Timestamp(8)),
                    lifecycle: Lifecycle::Deleted,
                    artifact_uri: "s3://bucket/17/x/artifacts".into(),
                    params: vec![pair("alpha", "1")],
                    tags: vec![pair("mlflow.runName", "first")],
                    metrics: Vec::new(),
                    inputs: Vec::new(),
                    models: Default::default(),
                }),
            },
            Part::Points {
                run: run.clone(),
                points: (0..3)
                    .map(|step| Metric {
                        key: "loss".into(),
                        value: f64::from(step as i32),
                        timestamp: Timestamp(step),
                        step,
                    })
                    .collect(),
            },
            Part::Model {
                model: RegisteredModel {
                    name: ModelName::from("m"),
                    description: "a model".into(),
                    created: Timestamp(9),
                    updated: Timestamp(9),
                    tags: vec![("k".into(), "v".into())],
                    aliases: Vec::new(),
                },
                last: 4,
            },
            Part::Version {
                version: Box::new(ModelVersion {
                    model: ModelName::from("m"),
                    version: Version(3),
                    run: Some(run),
                    source: "mlflow-artifacts:/17/x/artifacts/model".into(),
                    status: "READY".into(),
                    stage: "Staging".into(),
                    description: String::new(),
                    user: "ana".into(),
                    created: Timestamp(9),
                    updated: Timestamp(9),
                    tags: vec![("k".into(), "v".into())],
                    aliases: Vec::new(),
                    gate: None,
                }),
            },
            Part::Alias {
                model: ModelName::from("m"),
                alias: "best".into(),
                version: Version(3),
            },
        ]
    }

    #[test]
    fn what_is_taken_in_twice_is_there_once() {
        let home = tempfile::tempdir().unwrap();
        let services = Services::open(
            Workspace::at(home.path()).unwrap(),
            Config::default(),
            Arc::new(SystemClock),
        )
        .unwrap();
        let tracking = &services.tracking;
        let taken = tracking.take(there(), "ana").unwrap();
        assert_eq!(taken[0].experiment, Some(ExperimentId::from("17")));
        assert!(taken[1].new && taken[5].new);
        let again = tracking.take(there(), "ana").unwrap();
        assert!(
            again
                .iter()
                .all(|one| !one.new && one.differences.is_empty())
        );
        let id = RunId::from("0123456789abcdef0123456789abcdef");
        let run = tracking.run(&id).unwrap();
        assert_eq!(run.lifecycle, Lifecycle::Deleted);
        assert_eq!(run.ended, Some(Timestamp(8)));
        assert_eq!(
            run.artifact_uri,
            "mlflow-artifacts:/17/0123456789abcdef0123456789abcdef/artifacts"
        );
        let tally = tracking.tallies(&[id]).unwrap()[0].unwrap();
        assert_eq!((tally.params, tally.tags, tally.points), (1, 1, 3));
        let model = ModelName::from("m");
        let version = services.registry.version(&model, Version(3)).unwrap();
        assert_eq!(version.stage, "Staging");
        assert_eq!(version.aliases, ["best"]);
        // The next version gets the next number.
        let next = services
            .core
            .store
            .write(move |transaction| {
                transfer::greatest_version(transaction, &ModelName::from("m"))
            })
            .unwrap();
        assert_eq!(next, 4);
    }

    #[test]
    fn what_is_here_stays_and_is_named() {
        let home = tempfile::tempdir().unwrap();
        let services = Services::open(
            Workspace::at(home.path()).unwrap(),
            Config::default(),
            Arc::new(SystemClock),
        )
        .unwrap();
        services.tracking.take(there(), "ana").unwrap();
        let mut other = there();
        if let Part::Run { run } = &mut other[1] {
            run.params[0].value = "2".into();
            run.tags[0].value = "second".into();
        }
        if let Part::Version { version } = &mut other[4] {
            version.source = "mlflow-artifacts:/17/y".into();
        }
        let taken = services.tracking.take(other, "ana").unwrap();
        assert_eq!(taken[1].differences.len(), 2);
        assert_eq!(taken[4].differences.len(), 1);
        let wrong = vec![Part::Points {
            run: RunId::from("ffffffffffffffffffffffffffffffff"),
            points: Vec::new(),
        }];
        assert_eq!(
            services.tracking.take(wrong, "ana").unwrap_err().kind,
            ErrorKind::NotFound
        );
    }
}
