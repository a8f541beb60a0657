//! Parameters of many runs against a metric: what a scatter and parallel coordinates show.

use super::{Tracking, leaders};
use crate::domain::board::{Sweep, SweepPoint};
use crate::domain::metric::Number;
use crate::domain::model::greater_is_better;
use crate::domain::run::{Pair, RunQuery};
use crate::domain::{Result, RunId};
use crate::store::{board, experiments, metrics, runs};
use std::collections::{BTreeMap, BTreeSet};

/// Runs that are answered at most: more dots than these cover each other on any screen.
const POINTS: usize = 500;
/// Parameters that are answered at most.
const PARAMS: usize = 12;

impl Tracking {
    /// The best runs of a query by `metric`, and the parameters in which they differ.
    pub fn sweep(&self, query: &RunQuery, metric: &str) -> Result<Sweep> {
        let (scope, _) = leaders::scope(query)?;
        self.core.store.read(|view| {
            let standpoint = self.standpoint(view, query.experiment.as_ref())?;
            let greater = if standpoint.metric.as_deref() == Some(metric) {
                standpoint.greater
            } else {
                greater_is_better(metric)
            };
            let mut found: Vec<(RunId, String, f64, BTreeMap<String, String>)> = Vec::new();
            for (number, run) in board::leaders(view, &scope, metric, greater, POINTS)? {
                let value = metrics::value(view, number, metric)?;
                let params = runs::params_of(view, number)?
                    .into_iter()
                    .map(|Pair { key, value }| (key, value))
                    .collect();
                if let Some(value) = value {
                    found.push((run.id, run.name, value, params));
                }
            }
            let number = query
                .experiment
                .as_ref()
                .map(experiments::number)
                .transpose()?;
            let differing = |key: &String| {
                let values: BTreeSet<&String> = found
                    .iter()
                    .filter_map(|(.., params)| params.get(key))
                    .take(POINTS)
                    .collect();
                values.len() > 1
            };
            let params: Vec<String> = runs::keys_by_use(view, number, "param")?
                .into_iter()
                .filter(differing)
                .take(PARAMS)
                .collect();
            let total = if found.len() < POINTS {
                found.len() as u64
            } else {
                board::judged(view, &scope, metric)?
            };
            let points = found
                .into_iter()
                .map(|(run, name, value, mut known)| SweepPoint {
                    run,
                    name,
                    value: Number(value),
                    params: params.iter().map(|key| known.remove(key)).collect(),
                })
                .collect();
            Ok(Sweep {
                metric: metric.to_owned(),
                greater_is_better: greater,
                params,
                points,
                total,
            })
        })
    }
}
