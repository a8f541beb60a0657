//! Kept profiles: which files are still to be looked at, and what all of them together say. A file's state is kept by path
//! and content, so that a new file costs only its own rows.

use super::Datasets;
use crate::data::profile::{self, TableState, states};
use crate::domain::dataset::Day;
use crate::domain::job::{DataSource, ProfileSpec};
use crate::domain::{Event, Result};
use crate::store::profiles::{self as kept, DatasetProfile, FileState};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

impl Datasets {
    /// What a profile of `source` is to look at: the files whose state is not kept.
    pub fn to_profile(&self, source: DataSource) -> Result<ProfileSpec> {
        let config = self.core.config();
        let name = source.name().to_owned();
        let known = self
            .core
            .store
            .read(|view| kept::known(view, &name, profile::VERSION))?;
        let only = match &source {
            DataSource::Files(snapshot) => Some(
                snapshot
                    .files
                    .iter()
                    .filter(|file| {
                        !known
                            .iter()
                            .any(|(path, sha256)| *path == file.path && *sha256 == file.sha256)
                    })
                    .map(|file| file.path.clone())
                    .collect(),
            ),
            DataSource::Sql { .. } => None,
        };
        Ok(ProfileSpec {
            only,
            timestamp: config
                .dataset(&name)
                .and_then(|dataset| dataset.timestamp.clone()),
            target: self.target_of(&name),
            source,
        })
    }

    /// What the first pipeline on a dataset predicts.
    fn target_of(&self, dataset: &str) -> Option<String> {
        self.core
            .config()
            .pipelines
            .iter()
            .find(|pipeline| pipeline.dataset == dataset)
            .map(|pipeline| pipeline.target.clone())
    }

    /// Takes in what a profile job saw: keeps the states in the file `seen`, and what they and those kept before say
    /// together.
    pub fn take_in_profile(&self, spec: &ProfileSpec, seen: &Path) -> Result<()> {
        let name = spec.source.name().to_owned();
        let seen: Vec<FileState> = states::read(seen)?
            .into_iter()
            .map(|one| FileState {
                path: one.path,
                sha256: one.sha256,
                day: one.day,
                rows: one.rows,
                newest: one.newest,
                state: one.state,
            })
            .collect();
        let paths: Vec<String> = match &spec.source {
            DataSource::Files(snapshot) => snapshot
                .files
                .iter()
                .map(|file| file.path.clone())
                .collect(),
            DataSource::Sql { .. } => vec![String::new()],
        };
        let before = self.core.store.read(|view| kept::states(view, &name))?;
        let gone: Vec<String> = before
            .iter()
            .filter(|one| !paths.contains(&one.path))
            .map(|one| one.path.clone())
            .collect();
        let mut all: Vec<&FileState> = before
            .iter()
            .filter(|one| paths.contains(&one.path))
            .filter(|one| !seen.iter().any(|new| new.path == one.path))
            .chain(&seen)
            .collect();
        all.sort_by(|a, b| a.path.cmp(&b.path));
        let made = self.together(spec, &all)?;
        let at = made.at;
        let event = Event::DatasetChanged {
            dataset: name.clone(),
        };
        self.core.store.write(move |transaction| {
            for state in &seen {
                kept::keep_state(transaction, &name, state, at)?;
            }
            for path in &gone {
                kept::forget_state(transaction, &name, path)?;
            }
            kept::keep(transaction, &name, &made)
        })?;
        self.core.bus.emit(event);
        Ok(())
    }

    /// All states merged, and those of each day.
    fn together(&self, spec: &ProfileSpec, all: &[&FileState]) -> Result<DatasetProfile> {
        let now = self.core.now();
        let mut whole = TableState::default();
        let mut days: BTreeMap<&str, (u64, TableState)> = BTreeMap::new();
        for one in all {
            // A state of another version: its file is looked at again with the next profile.
            let Some(state) = TableState::from_bytes(&one.state)? else {
                continue;
            };
            whole.merge(&state)?;
            let (files, day) = days.entry(one.day.as_str()).or_default();
            *files += 1;
            day.merge(&state)?;
        }
        let target = self
            .target_of(spec.source.name())
            .filter(|target| whole.columns.iter().any(|column| column.name == *target));
        let days: Vec<Day> = days
            .into_iter()
            .map(|(day, (files, state))| state.day(day, files))
            .collect();
        Ok(DatasetProfile {
            digest: digest(&spec.source),
            profile: whole.profile(target.as_deref(), Some(now.0.saturating_mul(1_000)))?,
            days,
            newest: all.iter().filter_map(|one| one.newest).max(),
            at: now,
        })
    }
}

/// What a dataset's rows are known by: the snapshot's digest, or for SQL that of the statement and all it reads.
pub fn digest(source: &DataSource) -> String {
    match source {
        DataSource::Files(snapshot) => snapshot.digest.clone(),
        DataSource::Sql { sql, from, .. } => {
            let mut hash = Sha256::new();
            hash.update(sql.as_bytes());
            for one in from {
                hash.update(digest(one).as_bytes());
            }
            hash.finalize()
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        }
    }
}
