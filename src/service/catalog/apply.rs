//! From the definitions in the file to those in force: the typed difference, whom it concerns, and taking it, in one
//! transaction.
//!
//! What is new, and what no model that answers requests reads, is taken when the daemon starts or reads the file again. A
//! change under a model that answers requests waits for a person.

use super::Catalog;
use super::definitions::{pins_of, versioned};
use super::facets;
use super::typing::{Typed, Typing};
use crate::config::Config;
use crate::domain::feature_version::{Change, FeaturesDiff, Reader, ViewChange, ViewVersion};
use crate::domain::job::JobSpec;
use crate::domain::{DeploymentName, Error, Event, ModelName, Result, Version};
use crate::service::{Services, configuration};
use crate::store::audit::{self, AuditLine};
use crate::store::{jobs, registry, view_versions as rows};
use std::collections::{BTreeMap, BTreeSet};

/// Who takes what nobody has to look at.
const AUTO: &str = "auto";

/// A difference, and the definitions that it puts in force.
struct Plan {
    diff: FeaturesDiff,
    made: BTreeMap<String, ViewVersion>,
}

/// A model version that answers requests, and the deployment that it does it for.
pub(super) type Served = (DeploymentName, ModelName, Version);

impl Catalog {
    /// What applying the file as it is now would change. Changes nothing.
    ///
    /// # Errors
    /// Every problem of the file, when it has any.
    pub fn diff(&self) -> Result<FeaturesDiff> {
        let config = configuration::load(&self.core.workspace)?;
        Ok(self.plan(&config)?.diff)
    }

    /// Puts the definitions of the file in force, all of them or none. `seen`: the difference that was looked at
    /// ([`FeaturesDiff::seen`]); none: whatever it is.
    ///
    /// # Errors
    /// [`crate::domain::ErrorKind::Invalid`] with every problem, [`crate::domain::ErrorKind::Conflict`] when it is another
    /// difference than the one that was seen.
    pub fn apply(&self, by: &str, seen: Option<&str>) -> Result<FeaturesDiff> {
        let config = configuration::load(&self.core.workspace)?;
        let Plan { mut diff, made } = self.plan(&config)?;
        if !diff.problems.is_empty() {
            return Err(Error::invalid(diff.problems.join("\n")));
        }
        if seen.is_some_and(|seen| seen != diff.seen) {
            return Err(Error::conflict(
                "the file or what is applied changed since the difference was shown: look at it again",
            ));
        }
        self.take(&diff.changes, made, by)?;
        diff.applied = true;
        Ok(diff)
    }

    /// Takes what nobody has to look at; says what waits. What is wrong with a definition is said too, and hinders no other.
    pub fn adopt(&self) -> Result<()> {
        let config = self.core.config();
        let Plan { mut diff, made } = self.plan(&config)?;
        for problem in &diff.problems {
            self.core
                .notify("warn", format!("not applied: {problem}"))?;
        }
        let held: Vec<String> = diff
            .changes
            .iter()
            .filter(|change| change.is_held())
            .map(|change| {
                let readers: Vec<String> = change
                    .readers
                    .iter()
                    .filter(|reader| !reader.deployments.is_empty())
                    .map(|reader| format!("{} {}", reader.model, reader.version))
                    .collect();
                format!(
                    "feature view {}: its definition differs from what is applied, and {} reads that: `trainyard features apply` shows it",
                    change.view,
                    readers.join(", ")
                )
            })
            .collect();
        for text in held {
            self.core.notify("warn", text)?;
        }
        diff.changes.retain(|change| !change.is_held());
        self.take(&diff.changes, made, AUTO)
    }

    fn take(
        &self,
        changes: &[ViewChange],
        mut made: BTreeMap<String, ViewVersion>,
        by: &str,
    ) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let now = self.core.now();
        let views: Vec<String> = changes.iter().map(|change| change.view.clone()).collect();
        let mut steps = Vec::new();
        for change in changes {
            let mut version = made.remove(&change.view);
            if let Some(made) = &mut version
                && change.change != Change::Described
                && made.by.is_empty()
            {
                made.at = now;
                made.by = by.to_owned();
            }
            let line = AuditLine {
                at: now,
                by: by.to_owned(),
                action: "apply_features".into(),
                object: format!("feature_view:{}", change.view),
                detail: detail(change),
            };
            steps.push((change.clone(), version, line));
        }
        self.core.store.write(move |transaction| {
            let before: BTreeMap<String, u32> = rows::in_force(transaction)?
                .into_iter()
                .map(|made| (made.view.name, made.view.version))
                .collect();
            for (change, version, line) in &steps {
                if before.get(&change.view).copied() != change.from {
                    return Err(Error::conflict(format!(
                        "feature view `{}` was applied by somebody else meanwhile: look again",
                        change.view
                    )));
                }
                match version {
                    Some(made) => rows::put(transaction, made)?,
                    None => rows::remove(transaction, &change.view)?,
                }
                let say =
                    |of: fn(&crate::domain::feature_version::FieldChange) -> &Option<String>| {
                        let lines: Vec<String> = change
                            .fields
                            .iter()
                            .filter_map(|field| {
                                of(field)
                                    .as_ref()
                                    .map(|value| format!("{}: {value}", field.field))
                            })
                            .collect();
                        (!lines.is_empty()).then(|| lines.join("\n"))
                    };
                let (old, new) = (say(|field| &field.old), say(|field| &field.new));
                audit::change(transaction, line, old.as_deref(), new.as_deref())?;
            }
            Ok(())
        })?;
        self.core.read_views()?;
        for view in views {
            self.core.bus.emit(Event::FeaturesChanged { view });
        }
        Ok(())
    }

    fn plan(&self, config: &Config) -> Result<Plan> {
        let applied = self.core.applied_views();
        let readers = self.readers(&self.served()?)?;
        let mut typing = Typing::new(&self.core);
        let mut diff = FeaturesDiff::default();
        let mut made = BTreeMap::new();
        let mut views: Vec<_> = config.views.iter().collect();
        views.sort_by(|a, b| a.name.cmp(&b.name));
        for view in views {
            let was = applied.get(&view.name);
            let mut wanted = super::definitions::defined(config, view);
            match was {
                Some(was) if was.digest == wanted.digest => {
                    if facets::same_words(was, &wanted) {
                        continue;
                    }
                    // only words: everything else stays as it was applied
                    wanted.types.clone_from(&was.types);
                    wanted.view.version = was.view.version;
                    (wanted.at, wanted.by) = (was.at, was.by.clone());
                }
                _ => {
                    let (found, typed) = typing.typed(config, view)?;
                    wanted = found;
                    match typed {
                        Typed::Waiting(why) => {
                            diff.waiting.push(why);
                            continue;
                        }
                        Typed::Wrong(problems) => {
                            diff.problems.extend(problems);
                            continue;
                        }
                        Typed::Known(_) => self.number(&mut wanted)?,
                    }
                }
            }
            let change = match was {
                None => Change::Added,
                Some(was) if was.digest == wanted.digest => Change::Described,
                Some(_) => Change::Changed,
            };
            diff.changes.push(ViewChange {
                view: view.name.clone(),
                change,
                from: was.map(|was| was.view.version),
                to: Some(wanted.view.version),
                fields: facets::changes(was.map(|was| &**was), Some(&wanted)),
                readers: of_view(&readers, &view.name),
                pipelines: pipelines_of(config, &view.name),
            });
            made.insert(view.name.clone(), wanted);
        }
        for (name, was) in &*applied {
            if config.view(name).is_none() {
                diff.changes.push(ViewChange {
                    view: name.clone(),
                    change: Change::Removed,
                    from: Some(was.view.version),
                    to: None,
                    fields: facets::changes(Some(was), None),
                    readers: of_view(&readers, name),
                    pipelines: pipelines_of(config, name),
                });
            }
        }
        diff.changes.sort_by(|a, b| a.view.cmp(&b.view));
        diff.seen = facets::hexadecimal(&serde_json::to_vec(&diff.changes)?);
        Ok(Plan { diff, made })
    }

    /// Gives a definition its number: that of an earlier version that says the same, or the next one.
    fn number(&self, made: &mut ViewVersion) -> Result<()> {
        let name = made.view.name.clone();
        let (history, newest) = self.core.store.read(|connection| {
            Ok((
                rows::history(connection, &name)?,
                rows::newest(connection, &name)?,
            ))
        })?;
        match history.iter().find(|line| line.digest == made.digest) {
            Some(line) => {
                made.view.version = line.version;
                (made.at, made.by) = (line.at, line.by.clone());
            }
            None => made.view.version = newest + 1,
        }
        Ok(())
    }

    /// What the file as it is now would change of one view, without a look at its data: types are as they are known.
    pub(super) fn pending(
        &self,
        config: &Config,
        view: &str,
        readers: &[(String, Reader)],
    ) -> Option<ViewChange> {
        let applied = self.core.applied_views();
        let was = applied.get(view);
        let wanted = config.view(view).map(|view| {
            let mut wanted = super::definitions::defined(config, view);
            if let Some(was) = was {
                wanted.types.clone_from(&was.types);
            }
            wanted
        });
        let change = match (was, &wanted) {
            (None, None) => return None,
            (None, Some(_)) => Change::Added,
            (Some(_), None) => Change::Removed,
            (Some(was), Some(wanted)) if was.digest != wanted.digest => Change::Changed,
            (Some(was), Some(wanted)) if !facets::same_words(was, wanted) => Change::Described,
            _ => return None,
        };
        let from = was.map(|was| was.view.version);
        Some(ViewChange {
            view: view.to_owned(),
            change,
            from,
            to: match change {
                Change::Removed => None,
                Change::Described => from,
                Change::Added | Change::Changed => Some(from.unwrap_or(0) + 1),
            },
            fields: facets::changes(was.map(|was| &**was), wanted.as_ref()),
            readers: of_view(readers, view),
            pipelines: pipelines_of(config, view),
        })
    }

    /// Every model version that reads a view, with the view's name: those that answer requests first, then newest first.
    pub(super) fn readers(&self, served: &[Served]) -> Result<Vec<(String, Reader)>> {
        let reads = self.core.store.read(rows::reads)?;
        let mut found: BTreeSet<(String, ModelName, Version, u32)> = reads
            .into_iter()
            .map(|(model, version, pin)| (pin.view, model, version, pin.version))
            .collect();
        // a model from before views had versions: its training says which views it read
        for (_, model, version) in served {
            if found.iter().any(|one| one.1 == *model && one.2 == *version) {
                continue;
            }
            let spec = self.core.store.read(|connection| {
                let run = registry::version(connection, model, *version)?.and_then(|one| one.run);
                Ok(match run {
                    Some(run) => jobs::spec_of_run(connection, &run)?.map(|spec| (run, spec)),
                    None => None,
                })
            })?;
            if let Some((run, JobSpec::Train(train))) = spec {
                found.extend(
                    pins_of(&run, &train.table)
                        .into_iter()
                        .map(|pin| (pin.view, model.clone(), *version, pin.version)),
                );
            }
        }
        let mut readers: Vec<(String, Reader)> = found
            .into_iter()
            .map(|(view, model, version, view_version)| {
                let deployments = served
                    .iter()
                    .filter(|(_, served, at)| *served == model && *at == version)
                    .map(|(name, _, _)| name.to_string())
                    .collect();
                let reader = Reader {
                    model,
                    version,
                    view_version,
                    deployments,
                };
                (view, reader)
            })
            .collect();
        readers.sort_by(|(_, a), (_, b)| {
            (
                a.deployments.is_empty(),
                &a.model,
                std::cmp::Reverse(a.version),
            )
                .cmp(&(
                    b.deployments.is_empty(),
                    &b.model,
                    std::cmp::Reverse(b.version),
                ))
        });
        Ok(readers)
    }
}

pub(super) fn of_view(readers: &[(String, Reader)], view: &str) -> Vec<Reader> {
    let plain = versioned(view).map_or(view, |(plain, _)| plain);
    readers
        .iter()
        .filter(|(name, _)| name == plain)
        .map(|(_, reader)| reader.clone())
        .collect()
}

/// Pipelines that join a view.
pub(super) fn pipelines_of(config: &Config, view: &str) -> Vec<String> {
    config
        .pipelines
        .iter()
        .filter(|pipeline| pipeline.features.iter().any(|used| used.view == view))
        .map(|pipeline| pipeline.name.clone())
        .collect()
}

/// "v2 → v3: ttl 4h → 8h; feature snow float64, column".
fn detail(change: &ViewChange) -> String {
    let versions = match (change.from, change.to) {
        (None, Some(to)) => format!("v{to} added"),
        (Some(from), None) => format!("v{from} removed"),
        (Some(from), Some(to)) if from != to => format!("v{from} → v{to}"),
        (_, Some(to)) => format!("v{to} described anew"),
        (None, None) => String::new(),
    };
    if matches!(change.change, Change::Added | Change::Removed) {
        return versions;
    }
    let fields: Vec<String> = change
        .fields
        .iter()
        .map(|field| {
            format!(
                "{} {} → {}",
                field.field,
                field.old.as_deref().unwrap_or("-"),
                field.new.as_deref().unwrap_or("-")
            )
        })
        .collect();
    format!("{versions}: {}", fields.join("; "))
}

impl Services {
    /// Applies the definitions of `trainyard.toml`, or says what that would change.
    pub fn apply_features(
        &self,
        dry_run: bool,
        seen: Option<&str>,
        by: &str,
    ) -> Result<FeaturesDiff> {
        if dry_run {
            self.catalog.diff()
        } else {
            self.catalog.apply(by, seen)
        }
    }
}
