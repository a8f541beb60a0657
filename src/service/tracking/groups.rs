//! Groups of runs, and whose is best.

use super::leaders::{self, Judged};
use super::views::row;
use super::{Tracking, verdict};
use crate::domain::Result;
use crate::domain::board::{GroupBy, RunGroup, RunGroups};
use crate::domain::run::RunQuery;
use crate::store::{board, table};

/// Groups that are answered at most.
const GROUPS: usize = 200;

impl Tracking {
    /// The runs of a query put together, the group with the best run first; groups without the metric come last, the
    /// larger ones before the smaller.
    pub fn groups(&self, query: &RunQuery, by: &GroupBy) -> Result<RunGroups> {
        let (scope, _) = leaders::scope(query)?;
        self.core.store.read(|view| {
            let standpoint = self.standpoint(view, query.experiment.as_ref())?;
            let metric = standpoint.metric.as_deref();
            let mut found = board::groups(view, &scope, by, metric, standpoint.greater)?;
            found.sort_by(|a, b| {
                let score = |group: &board::Group| match group.best {
                    Some((_, _, value)) if standpoint.greater => value,
                    Some((_, _, value)) => -value,
                    None => f64::NEG_INFINITY,
                };
                score(b)
                    .total_cmp(&score(a))
                    .then(b.runs.cmp(&a.runs))
                    .then_with(|| a.name.cmp(&b.name))
            });
            let total = found.len() as u64;
            found.truncate(GROUPS);
            let mut groups = Vec::with_capacity(found.len());
            let mut judged = Vec::new();
            for group in found {
                let mut best = None;
                if let Some((_, number, _)) = group.best
                    && let Some((number, run)) = table::rows(view, &[number])?.pop()
                {
                    if let Some(metric) = metric.filter(|_| judged.len() < 2) {
                        let whose = group.name.as_deref().unwrap_or("nobody");
                        let name = format!("{whose} ({})", run.name);
                        judged.push(Judged::read(view, number, &name, metric)?);
                    }
                    best = Some(row(view, number, run, &standpoint)?);
                }
                groups.push(RunGroup {
                    name: group.name,
                    runs: group.runs,
                    judged: group.best.map_or(0, |(judged, ..)| judged),
                    newest: group.newest,
                    best,
                });
            }
            let sentence = match (metric, judged.as_slice()) {
                (Some(metric), [first, second]) => {
                    verdict::sentence(&first.side(), &second.side(), metric, standpoint.greater)
                }
                (Some(metric), [first]) => format!("only {} has {metric}", first.side().name),
                (Some(metric), _) => format!("no run here has {metric} yet"),
                (None, _) => String::new(),
            };
            Ok(RunGroups {
                by: by.clone(),
                metric: standpoint.metric.clone(),
                groups,
                total,
                sentence,
            })
        })
    }
}
