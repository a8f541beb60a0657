//! Datasets as screens show them: one line each, and one of them whole. Everything comes from what was kept: no file is
//! read here, only its size and its time.

use super::{Datasets, matching, named};
use crate::config::DatasetConfig;
use crate::data;
use crate::domain::dataset::{DatasetDetail, DatasetRow, DatasetsPage, Severity, Violation};
use crate::domain::{Result, Timestamp};
use crate::store::profiles as kept;
use std::time::UNIX_EPOCH;

/// Days of the history that are shown.
const DAYS: usize = 366;

impl Datasets {
    /// All datasets.
    pub fn page(&self) -> Result<DatasetsPage> {
        let config = self.core.config();
        let rows = config
            .datasets
            .iter()
            .map(|dataset| Ok(self.looked_up(dataset)?.row))
            .collect::<Result<_>>()?;
        Ok(DatasetsPage { rows })
    }

    /// One of them: profile, schema, violations, history.
    pub fn detail(&self, name: &str) -> Result<DatasetDetail> {
        let config = self.core.config();
        self.looked_up(named(&config, name)?)
    }

    fn looked_up(&self, dataset: &DatasetConfig) -> Result<DatasetDetail> {
        let check = self.last_check(&dataset.name)?;
        let profile = self
            .core
            .store
            .read(|view| kept::newest(view, &dataset.name))?;
        let known = self
            .core
            .store
            .read(|view| kept::known(view, &dataset.name, data::profile::VERSION))?;
        let files = match &dataset.path {
            Some(pattern) => matching(self.core.workspace.root(), pattern),
            None => Vec::new(),
        };
        let (mut count, mut bytes, mut modified) = (0, 0, None);
        let mut unprofiled = 0;
        for file in &files {
            let Ok(fact) = std::fs::metadata(file) else {
                continue;
            };
            count += 1;
            bytes += fact.len();
            let at = fact
                .modified()
                .ok()
                .and_then(|at| at.duration_since(UNIX_EPOCH).ok())
                .map(|since| Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)));
            modified = modified.max(at);
            let path = file.display().to_string();
            let later = at
                .zip(profile.as_ref())
                .is_some_and(|(at, made)| at > made.at);
            if later || !known.iter().any(|(known, _)| *known == path) {
                unprofiled += 1;
            }
        }
        // A schema file that cannot be read is said where it is used; a list of datasets still shows them.
        let schema = self.schema(&dataset.name).unwrap_or_default();
        let schema_from = match (&dataset.schema, &schema) {
            (Some(file), _) => file.clone(),
            (None, Some(_)) => data::schema::FROZEN.to_owned(),
            (None, None) => String::new(),
        };
        let mut violations = check
            .as_ref()
            .map(|check| check.violations.clone())
            .unwrap_or_default();
        violations.sort_by_key(|violation| std::cmp::Reverse(violation.severity));
        let days = profile
            .as_ref()
            .map(|made| made.days.clone())
            .unwrap_or_default();
        let rules = schema
            .as_ref()
            .map(|schema| schema.history.as_slice())
            .unwrap_or_default();
        let anomalies = data::history::anomalies(&days, rules, &schema_from);
        let errors = |list: &[Violation]| {
            list.iter()
                .filter(|violation| violation.severity == Severity::Error)
                .count() as u64
        };
        let rows = match (&check, &profile) {
            (Some(check), Some(made)) if check.at > made.at => Some(check.rows),
            (_, Some(made)) => Some(made.profile.rows),
            (check, None) => check.as_ref().map(|check| check.rows),
        };
        let row = DatasetRow {
            name: dataset.name.clone(),
            source: dataset
                .path
                .clone()
                .or_else(|| dataset.sql.clone())
                .unwrap_or_default(),
            files: count,
            bytes,
            rows,
            columns: match (&profile, &schema) {
                (Some(made), _) => Some(made.profile.columns.len() as u64),
                (None, Some(schema)) => Some(schema.columns.len() as u64),
                (None, None) => None,
            },
            modified,
            newest: profile.as_ref().and_then(|made| made.newest),
            digest: match (&check, &profile) {
                (Some(check), Some(made)) if check.at > made.at => check.digest.clone(),
                (_, Some(made)) => Some(made.digest.clone()),
                (check, None) => check.as_ref().and_then(|check| check.digest.clone()),
            },
            warnings: profile
                .as_ref()
                .map(|made| made.profile.warnings.len() as u64),
            violations: check
                .as_ref()
                .map(|_| (violations.len() + anomalies.len()) as u64),
            errors: check
                .as_ref()
                .map(|_| errors(&violations) + errors(&anomalies)),
            checked: check.as_ref().map(|check| check.at),
            profiled: profile.as_ref().map(|made| made.at),
            unprofiled,
        };
        Ok(DatasetDetail {
            row,
            timestamp: dataset.timestamp.clone(),
            profile: profile.map(|made| made.profile),
            schema,
            schema_from,
            violations,
            anomalies,
            days: days[days.len().saturating_sub(DAYS)..].to_vec(),
        })
    }
}
