//! After a start: the traffic of the hour before it and the last requests, from the log of served rows. Nobody waits for
//! it: what is served meanwhile stands after what is recalled.

use super::super::inputs;
use super::super::traffic::{KEPT_REQUESTS, Traffic};
use super::{QUEUE_ROWS, Serving, locked};
use crate::config::DeploymentConfig;
use crate::data::Frame;
use crate::domain::deployment::RequestRow;
use crate::domain::model::{Signature, Task};
use crate::domain::{Result, Timestamp, Version};
use crate::store::inference_log::{self as log, Window};
use std::collections::BTreeMap;

impl Serving {
    /// After a start at `until`: the traffic of every deployment in the hour before, and its last requests.
    pub fn recall(&self, until: Timestamp) -> Result<()> {
        let config = self.core.config();
        config.deployments.iter().try_for_each(|one| {
            let mut before = self.hour_before(one, until)?;
            before.requests = self.requests_before(one, until)?.into();
            let mut traffic = locked(&self.traffic);
            traffic.entry(one.name.clone()).or_default().precede(before);
            Ok(())
        })
    }

    fn hour_before(&self, config: &DeploymentConfig, until: Timestamp) -> Result<Traffic> {
        let window = Window::Served(Timestamp(until.0 - 3_600_000), until);
        let columns: Vec<String> = [
            log::AT,
            log::REQUEST,
            log::DEPLOYMENT,
            log::MS,
            log::PREDICTION,
        ]
        .map(str::to_owned)
        .into();
        let Some(batch) =
            self.log()
                .read(&config.model, window, Some(&columns), Some(QUEUE_ROWS))?
        else {
            return Ok(Traffic::default());
        };
        let rows = Frame::from_batch(&batch)?;
        let at = rows.times(log::AT)?;
        let request = rows.texts(log::REQUEST)?;
        let called = rows.texts(log::DEPLOYMENT)?;
        let ms = rows.numbers(log::MS)?;
        let predictions = rows.numbers(log::PREDICTION)?;
        let mut before = Traffic::default();
        let mut last: Option<&String> = None;
        for row in 0..rows.rows() {
            let (Some(Some(at)), Some(Some(called))) = (at.get(row), called.get(row)) else {
                continue;
            };
            if called != config.name.as_str() {
                continue;
            }
            let at = Timestamp(at.div_euclid(1000));
            before.predicted(at, predictions.get(row..=row).unwrap_or(&[]));
            let id = request.get(row).and_then(Option::as_ref);
            if id != last {
                before.count(at, ms.get(row).copied().unwrap_or(0.0), false);
                last = id;
            }
        }
        Ok(before)
    }

    /// The last requests, oldest first. Those that failed are not in the log.
    fn requests_before(
        &self,
        config: &DeploymentConfig,
        until: Timestamp,
    ) -> Result<Vec<RequestRow>> {
        let called = config.name.as_str();
        let found = self
            .log()
            .newest(&config.model, called, until, KEPT_REQUESTS)?;
        let Some(found) = found else {
            return Ok(Vec::new());
        };
        let rows = Frame::from_batch(&found.first)?;
        let mut signatures: BTreeMap<u32, Option<Signature>> = BTreeMap::new();
        let versions = rows.numbers(log::VERSION)?;
        for version in &versions {
            let version = *version as u32;
            signatures.entry(version).or_insert_with(|| {
                // a version that was removed since has no words for its inputs any more
                let signature = self.registry.signature(&config.model, Version(version));
                signature.ok()
            });
        }
        let logged = Logged::of(&rows)?;
        (0..rows.rows())
            .map(|row| {
                let version = versions.get(row).map_or(0, |version| *version as u32);
                let signature = signatures.get(&version).and_then(Option::as_ref);
                logged.request(&rows, row, found.rows.get(row).copied(), signature)
            })
            .collect()
    }
}

/// The columns of the log that tell of a request.
pub(in crate::service) struct Logged {
    at: Vec<Option<i64>>,
    ids: Vec<Option<String>>,
    ms: Vec<f64>,
    versions: Vec<f64>,
    predictions: Vec<f64>,
    /// By class; none of a task without.
    probabilities: Vec<Vec<f64>>,
}

impl Logged {
    pub(in crate::service) fn of(rows: &Frame) -> Result<Self> {
        let names = rows.names();
        let probabilities = (0..)
            .map(|class| format!("{}{class}", log::PROBABILITY))
            .take_while(|name| names.contains(name))
            .map(|name| rows.numbers(&name))
            .collect::<std::result::Result<_, _>>()?;
        Ok(Self {
            at: rows.times(log::AT)?,
            ids: rows.texts(log::REQUEST)?,
            ms: rows.numbers(log::MS)?,
            versions: rows.numbers(log::VERSION)?,
            predictions: rows.numbers(log::PREDICTION)?,
            probabilities,
        })
    }

    /// The request of which `row` is the first row, as screens list it. Without a signature: no words for its inputs.
    pub(in crate::service) fn request(
        &self,
        rows: &Frame,
        row: usize,
        count: Option<u32>,
        signature: Option<&Signature>,
    ) -> Result<RequestRow> {
        let prediction = self.predictions.get(row).copied().unwrap_or(f64::NAN);
        let classes = signature.map_or(0, |signature| match signature.task {
            Task::Multiclass => signature.classes.len(),
            Task::Binary | Task::Regression => 0,
        });
        let probabilities: Vec<f64> = self
            .probabilities
            .iter()
            .take(classes)
            .filter_map(|class| class.get(row).copied())
            .collect();
        let detail = match signature {
            Some(signature) => {
                let first = rows.take(&[u32::try_from(row).unwrap_or(u32::MAX)])?;
                inputs::words(&inputs::conform(&first, signature)?, 0)?
            }
            None => String::new(),
        };
        Ok(RequestRow {
            id: self.ids.get(row).cloned().flatten().unwrap_or_default(),
            at: Timestamp(
                self.at
                    .get(row)
                    .copied()
                    .flatten()
                    .unwrap_or(0)
                    .div_euclid(1000),
            ),
            status: 200,
            ms: self.ms.get(row).copied().unwrap_or(0.0),
            rows: count.unwrap_or(1),
            version: self
                .versions
                .get(row)
                .map(|version| Version(*version as u32)),
            answer: signature.map_or_else(
                || inputs::short(prediction),
                |signature| inputs::answer(signature, prediction, &probabilities),
            ),
            detail,
        })
    }
}
