//! Materializations: what one goes on from, and its result taken into the online store.

use super::Catalog;
use crate::data::online::batch::BatchFile;
use crate::data::row_wise::RowWise;
use crate::data::{self, profile};
use crate::domain::job::{DataSource, JobResult, MaterializeSpec};
use crate::domain::profile::Profile;
use crate::domain::{Error, Event, Result, Timestamp};
use crate::store::catalog::{self as rows, Materialization};
use crate::store::jobs;
use crate::store::online::{Generation, Meta};
use crate::store::push_log::{Merged, Spared};
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};

/// Up to this many entities the profile of the values is made anew when some of them changed.
const PROFILED: u64 = 200_000;

impl Catalog {
    /// `spec`, going on from the generation that is there if that follows the same definition; `full`: from nothing;
    /// `from`: only facts whose event is not before that.
    pub fn going_on(
        &self,
        mut spec: MaterializeSpec,
        from: Option<Timestamp>,
        full: bool,
    ) -> Result<MaterializeSpec> {
        spec.from = from.map(|from| from.0.saturating_mul(1000));
        if spec.from.is_some_and(|from| from > spec.as_of) {
            return Err(Error::invalid("`from` is after `to`"));
        }
        if !full && RowWise::of(&spec.source).is_ok() {
            spec.since = self
                .online_store()?
                .generation(&spec.view.name)?
                .filter(|generation| generation.meta.definition == definition(&spec))
                .and_then(|generation| generation.since());
        }
        Ok(spec)
    }

    /// Takes a finished materialization into the online store: readers see all of the old values or all of the new ones.
    /// Taking the same one in again changes nothing.
    pub fn take_in(&self, spec: &MaterializeSpec, result: &JobResult) -> Result<()> {
        let view = &spec.view.name;
        let JobResult::Materialize {
            path,
            watermark,
            profile,
            reading,
            ..
        } = result
        else {
            return Err(Error::invalid(format!(
                "the result for feature view `{view}` is no materialization"
            )));
        };
        let online = self.online_store()?;
        let batch = BatchFile::open(Path::new(path))?;
        let header = batch.header.clone();
        let brings_nothing = header.rows == 0 && header.windows.is_empty();
        let mut meta = Meta {
            layout: header.layout,
            definition: definition(spec),
            as_of: Some(spec.as_of),
            known: reading.known,
            files: reading.files.clone(),
            windows: header.windows,
            empty: header.empty,
            taken: header.id,
            rows: 0,
        };
        if spec.from.is_some() {
            partial(&mut meta, spec);
        }
        let count = match &spec.since {
            Some(since) if reading.incremental => {
                let mut rows = batch.rows().map(|row| row.map_err(Error::from));
                online.update(view, since, meta, header.rows, &mut rows)?
            }
            _ => {
                let mut packs = batch.map(|pack| pack.map_err(Error::from));
                online.replace(view, meta, &mut packs)?
            }
        };
        let before = self
            .core
            .store
            .read(|connection| rows::newest(connection, view))?;
        let before = before.filter(|_| reading.incremental);
        let made = Materialization {
            as_of: spec.as_of,
            rows: count,
            watermark: before
                .as_ref()
                .and_then(|before| before.watermark)
                .max(*watermark),
            profile: match &before {
                Some(before) if brings_nothing && !online.is_any_pushed(view)? => {
                    before.profile.clone()
                }
                Some(before) => self.profile_of_all(view, count, before)?,
                None => profile.clone(),
            },
            equality: match &before {
                Some(before) if reading.equality.is_empty() => before.equality.clone(),
                _ => reading.equality.clone(),
            },
            at: self.core.now(),
        };
        let name = view.clone();
        self.core
            .store
            .write(move |transaction| rows::keep(transaction, &name, &made))?;
        if reading.too_late > 0 {
            self.core.notify(
                "warn",
                format!(
                    "feature view `{view}`: {} facts came later than `allowed_lateness` and are not in its online values; \
                     `trainyard features materialize {view} --full` takes them in",
                    reading.too_late
                ),
            )?;
        }
        if let Ok(made) = self.core.view(view)
            && let Err(error) = self.recount_pushed(&made)
        {
            self.core.notify(
                "warn",
                format!("feature view `{view}`: what was pushed while it was materialized is not in its windows yet: {error}"),
            )?;
        }
        self.core.bus.emit(Event::FeaturesChanged {
            view: view.to_owned(),
        });
        Ok(())
    }

    /// The profile of all values after some changed; of very many it stays what it was.
    fn profile_of_all(&self, view: &str, count: u64, before: &Materialization) -> Result<Profile> {
        if count > PROFILED {
            return Ok(before.profile.clone());
        }
        let mut tables = Vec::new();
        self.online_store()?.pages(view, &mut |generation, rows| {
            let bodies = rows.iter().map(|row| row.body.as_slice());
            tables.push(data::online::frame(&generation.meta.layout, bodies)?);
            Ok(())
        })?;
        Ok(profile::profile_of(&tables)?)
    }

    /// Puts small files of pushed rows together, of all datasets; called now and then by somebody who has time. What a view
    /// goes on from is not put together with what it has not read yet.
    pub fn merge_pushed(&self) -> Result<Merged> {
        let mut read = Vec::new();
        for view in self.to_materialize()? {
            let generation = self.generation(&view)?;
            let files = generation.iter().flat_map(|one| &one.meta.files);
            let files: Vec<PathBuf> = files.map(|span| PathBuf::from(&span.stamp.path)).collect();
            read.push(files);
        }
        let named = |path: &Path| {
            let path = path.to_string_lossy();
            self.core
                .store
                .read(|connection| jobs::is_named(connection, &path))
        };
        let mut merged = Merged::default();
        for dataset in self.core.pushed.datasets()? {
            let ends = read
                .iter()
                .filter_map(|files| self.core.pushed.end(&dataset, files));
            let ends: Vec<u32> = ends.collect();
            let round = self
                .core
                .pushed
                .merge(&dataset, &Spared::new(&ends, &named))?;
            merged.files += round.files;
            merged.into += round.into;
            merged.removed += round.removed;
        }
        Ok(merged)
    }

    /// The generation of a view's online values.
    pub(super) fn generation(&self, view: &str) -> Result<Option<std::sync::Arc<Generation>>> {
        self.online_store()?.generation(view)
    }
}

/// A materialization of a span leaves out what is before it, so that the next one must not think it was read: new files
/// count as changed, and the instant stays.
fn partial(meta: &mut Meta, spec: &MaterializeSpec) {
    let before = spec.since.as_ref();
    meta.as_of = before.map(|since| since.as_of);
    meta.known = before.and_then(|since| since.known);
    let read = before.map_or(0, |since| since.files.len());
    for file in meta.files.iter_mut().skip(read) {
        file.stamp.sha256.clear();
    }
}

/// The digest of everything in a view that its stored values depend on.
pub(super) fn definition(spec: &MaterializeSpec) -> String {
    let view = &spec.view;
    let parts = serde_json::json!([
        asked_of(&spec.source),
        view.entity.keys,
        view.event_time,
        view.available_at,
        view.known_as_of,
        view.derive,
        view.columns,
        view.windows,
    ]);
    let digest = Sha256::digest(parts.to_string());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The dataset of files, or the statements down to it.
fn asked_of(source: &DataSource) -> serde_json::Value {
    match source {
        DataSource::Files(snapshot) => snapshot.dataset.clone().into(),
        DataSource::Sql { name, sql, from } => {
            let below: Vec<serde_json::Value> = from.iter().map(asked_of).collect();
            serde_json::json!([name, sql, below])
        }
    }
}
