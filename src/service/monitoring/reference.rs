//! What a window is held against instead of the training of the version that answered: the training of another
//! version, or an earlier window as it was served. Computed when somebody asks, from the rows that the log and the
//! registry keep; the stored reports stay as they are. Must not know who asks, nor how it is shown.

use super::{MIN_ROWS, Monitoring, PREDICTION, prediction};
use crate::domain::drift::{DriftReport, DriftVerdict, Reference};
use crate::domain::registry::CHAMPION;
use crate::domain::{Error, ModelName, Result, Timestamp};
use crate::ml;
use crate::service::{Services, explain};
use crate::store::drift as rows;
use crate::store::inference_log as log;
use std::sync::{Arc, Mutex, PoisonError};

/// Comparisons that are kept: as many as somebody goes through in a while.
const KEPT: usize = 32;

/// A window's report (id, and when it was made: the same window again replaces it) and what it is held against.
type Key = (i64, Timestamp, Reference);

/// Comparisons as they were computed last, newest last.
#[derive(Default)]
pub(super) struct Comparisons(Mutex<Vec<(Key, Arc<DriftReport>)>>);

impl Monitoring {
    /// A reference in words: "training of v3", "training of champion v5", "2013-03 as served".
    pub(super) fn named(
        &self,
        model: &ModelName,
        reports: &[DriftReport],
        of: &Reference,
    ) -> String {
        match of {
            Reference::Version(version) => {
                let champion = self.registry.resolve(model, CHAMPION).ok().flatten();
                let sign = if champion == Some(*version) {
                    "champion "
                } else {
                    ""
                };
                format!("training of {sign}{version}")
            }
            Reference::Window(id) => match reports.iter().find(|one| one.id == *id) {
                Some(report) => format!("{} as served", report.label),
                None => format!("report {id} as served"),
            },
        }
    }

    /// What `shown` can be held against, in words: the training of every version whose reference is there, newest first,
    /// then the windows before it, latest first.
    pub(super) fn references(
        &self,
        reports: &[DriftReport],
        shown: &DriftReport,
    ) -> Result<Vec<(Reference, String)>> {
        let model = &shown.reference.0;
        let mut versions = self.registry.versions(model)?;
        versions.sort_by(|a, b| b.cmp(a));
        let trained = versions
            .into_iter()
            .filter(|version| {
                self.registry
                    .directory(model, *version)
                    .is_ok_and(|directory| directory.join("reference.parquet").is_file())
            })
            .map(Reference::Version);
        let served = reports
            .iter()
            .rev()
            .filter(|one| one.to <= shown.from && one.rows > 0)
            .map(|one| Reference::Window(one.id));
        Ok(trained
            .chain(served)
            .map(|reference| {
                let said = self.named(model, reports, &reference);
                (reference, said)
            })
            .collect())
    }

    /// The report of a window as it would be against another reference; nothing is kept in the store, no alert is raised.
    ///
    /// # Errors
    /// Not found when the rows of either side are not there any more.
    pub(super) fn against(
        &self,
        services: &Services,
        report: &DriftReport,
        reference: &Reference,
    ) -> Result<Arc<DriftReport>> {
        let key = (report.id, report.at, reference.clone());
        let known = |kept: &[(Key, Arc<DriftReport>)]| {
            kept.iter()
                .find(|(one, _)| *one == key)
                .map(|(_, report)| Arc::clone(report))
        };
        let lock = || {
            self.comparisons
                .0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(found) = known(&lock()) {
            return Ok(found);
        }
        let found = Arc::new(self.compute(services, report, reference)?);
        let mut kept = lock();
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push((key, Arc::clone(&found)));
        Ok(found)
    }

    fn compute(
        &self,
        services: &Services,
        report: &DriftReport,
        reference: &Reference,
    ) -> Result<DriftReport> {
        let config = self.config(&report.monitor)?;
        let deployment = services
            .serving
            .deployments()?
            .into_iter()
            .find(|one| one.name == report.deployment)
            .ok_or_else(|| {
                Error::not_found(format!(
                    "deployment `{}` is not there any more; its windows can only be seen against their own reference",
                    report.deployment
                ))
            })?;
        services.serving.flush()?;
        let gone =
            |label: &str| Error::not_found(format!("the log keeps no row of `{label}` any more"));
        let served = self
            .served(&deployment, report.from, report.to)?
            .ok_or_else(|| gone(&report.label))?;
        let before = match reference {
            Reference::Version(version) => {
                let model = &report.reference.0;
                let signature = self.registry.signature(model, *version)?;
                let directory = self.registry.directory(model, *version)?;
                let trained = ml::model_file::reference(&directory, None)?;
                let values = explain::predictions(&trained, &signature)?;
                trained.with(PREDICTION, prediction(&signature, &values))?
            }
            Reference::Window(id) => {
                let other = self
                    .core
                    .store
                    .read(|connection| rows::report(connection, *id))?
                    .ok_or_else(|| Error::not_found(format!("there is no drift report `{id}`")))?;
                let past = self
                    .served(&deployment, other.from, other.to)?
                    .ok_or_else(|| gone(&other.label))?;
                let values = past.rows.numbers(log::PREDICTION)?;
                past.rows
                    .with(PREDICTION, prediction(&past.signature, &values))?
            }
        };
        let columns = self.compared(&config, &served, &before)?;
        let drifted = columns
            .iter()
            .filter(|column| column.verdict == DriftVerdict::Drift)
            .count() as u64;
        let count = served.rows.rows() as u64;
        Ok(DriftReport {
            rows: count,
            verdict: match count {
                count if count < MIN_ROWS => DriftVerdict::TooFew,
                _ if drifted > 0 => DriftVerdict::Drift,
                _ => DriftVerdict::Stable,
            },
            columns,
            drifted,
            ..report.clone()
        })
    }
}
