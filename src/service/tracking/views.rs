//! Read models of the runs pane: the table, one run, a curve. All of it from the store in one view.

use super::verdict::{self, Side};
use super::{METRIC_TAG, Tracking, leaders};
use crate::domain::experiment::Lifecycle;
use crate::domain::metric::{Bucket, Number, Series};
use crate::domain::model::greater_is_better;
use crate::domain::run::{Pair, Run, RunDetail, RunQuery, RunRow, RunTable};
use crate::domain::{ExperimentId, ModelName, Result, RunId, Timestamp, Version};
use crate::store::Connection;
use crate::store::search::{self, Order, Subject};
use crate::store::table;
use crate::store::{artifacts, board, experiments, metrics, runs};
use std::collections::BTreeMap;

/// The order that [`RunQuery::order_by`] calls so.
const BEST: &str = "best";
/// Rows of one page at most.
const PAGE: u64 = 1000;
/// Artifacts that a detail lists.
const ARTIFACTS: usize = 200;

/// What the runs of an experiment are judged by: the metric, and who leads.
pub(super) struct Standpoint {
    /// A pipeline's gate metric, or the tag `trainyard.metric` of the newest run that has it.
    pub metric: Option<String>,
    /// Whether more of it is better.
    pub greater: bool,
    /// The champion: its run and version.
    pub champion: Option<Leader>,
}

impl Standpoint {
    /// Why a run's metrics cannot be compared with the champion's; none: they can, as far as both say.
    pub fn unlike(&self, run: &Run, params: &[Pair]) -> Option<String> {
        let leader = self.champion.as_ref()?;
        if run.experiment != leader.run.experiment {
            return Some("the champion is filed in another experiment".to_owned());
        }
        let [key, mine, theirs] = verdict::other_rows(params, &leader.run.params)?;
        Some(format!(
            "judged on other rows than the champion: `{key}` {mine}, not {theirs}"
        ))
    }
}

/// The run behind the champion alias.
pub(super) struct Leader {
    pub number: i64,
    pub run: Run,
    pub model: ModelName,
    pub version: Version,
    pub folds: Vec<(i64, f64)>,
}

/// Finite points of `fold/<metric>`: fold and value.
pub(super) fn folds(
    view: &Connection,
    number: i64,
    metric: Option<&str>,
) -> Result<Vec<(i64, f64)>> {
    let mut folds = Vec::new();
    if let Some(metric) = metric {
        metrics::scan(view, number, &format!("fold/{metric}"), |step, _, value| {
            if value.is_finite() {
                folds.push((step, value));
            }
        })?;
    }
    Ok(folds)
}

impl Tracking {
    /// Whose metric and whose champion runs of `experiment` (none: of all) are measured by: those of the pipeline that
    /// files its runs there, else what the runs themselves say.
    pub(super) fn standpoint(
        &self,
        view: &Connection,
        experiment: Option<&ExperimentId>,
    ) -> Result<Standpoint> {
        let config = self.core.config();
        let number = experiment.map(experiments::number).transpose()?;
        let name = experiment
            .map(|id| experiments::get(view, id))
            .transpose()?
            .map(|experiment| experiment.name);
        let pipeline = config.pipelines.iter().find(|pipeline| {
            name.as_ref()
                .is_none_or(|name| pipeline.experiment == *name)
        });
        let metric = match pipeline {
            Some(pipeline) if !pipeline.gate.metric.is_empty() => {
                Some(pipeline.gate.metric.clone())
            }
            _ => table::newest_tag(view, number, METRIC_TAG)?,
        };
        let champions = table::champions(view, number)?;
        let chosen = pipeline
            .and_then(|pipeline| {
                champions
                    .iter()
                    .find(|(model, _, _)| *model == pipeline.model)
            })
            .or(champions.first())
            .cloned();
        let champion = match chosen {
            Some((model, version, id)) => {
                let (number, run) = runs::header(view, &id)?;
                Some(Leader {
                    number,
                    run: runs::complete(view, number, run)?,
                    model,
                    version,
                    folds: folds(view, number, metric.as_deref())?,
                })
            }
            None => None,
        };
        Ok(Standpoint {
            greater: metric.as_deref().is_none_or(greater_is_better),
            metric,
            champion,
        })
    }

    /// A page of the runs table. SQL filters, sorts and cuts; only the page's rows are read whole.
    pub fn table(&self, query: &RunQuery) -> Result<RunTable> {
        let mut orders = match query.order_by.trim() {
            "" | BEST => Vec::new(),
            clause => vec![Order {
                numeric: true,
                ..search::parse_order(clause)?
            }],
        };
        self.core.store.read(|view| {
            let number = query
                .experiment
                .as_ref()
                .map(experiments::number)
                .transpose()?;
            let standpoint = self.standpoint(view, query.experiment.as_ref())?;
            let (scope, everything) = leaders::scope(query)?;
            // children stand folded below their parents, and one of them may be the best of all
            let (judged, _) = leaders::scope(&RunQuery {
                roots: false,
                ..query.clone()
            })?;
            if query.order_by.trim() == BEST
                && let Some(metric) = &standpoint.metric
            {
                orders = vec![Order {
                    by: Subject::Metric(metric.clone()),
                    descending: standpoint.greater,
                    numeric: true,
                }];
            }
            let total = table::count(view, &scope)?;
            let best = match &standpoint.metric {
                Some(metric) => table::best(view, &judged, metric, standpoint.greater)?,
                None => None,
            };
            let page = table::window(view, &scope, &orders, query.offset, query.limit.min(PAGE))?;
            let rows = table::rows(view, &page)?
                .into_iter()
                .map(|(number, run)| row(view, number, run, &standpoint))
                .collect::<Result<Vec<_>>>()?;
            let unfiltered = match everything {
                Some(everything) => table::count(view, &everything)?,
                None => total,
            };
            let champion = match &standpoint.champion {
                Some(leader) => Some((
                    row(view, leader.number, leader.run.clone(), &standpoint)?,
                    leader.model.clone(),
                    leader.version,
                )),
                None => None,
            };
            Ok(RunTable {
                sentence: leaders::sentence(view, &judged, &standpoint, total)?,
                archived: board::archived(view, number)?,
                experiments: experiments::names(view)?,
                total,
                unfiltered,
                metric_keys: runs::keys_by_use(view, number, "metric")?,
                param_keys: runs::keys_by_use(view, number, "param")?,
                greater_is_better: standpoint.greater,
                primary_metric: standpoint.metric,
                champion,
                best,
                rows,
                offset: query.offset,
            })
        })
    }

    /// One run for the detail part.
    pub fn detail(&self, run: &RunId) -> Result<RunDetail> {
        let mut detail = self.core.store.read(|view| {
            let (number, header) = runs::header(view, run)?;
            let run = runs::complete(view, number, header)?;
            let experiment = experiments::get(view, &run.experiment)?;
            let standpoint = self.standpoint(view, Some(&run.experiment))?;
            let value = standpoint
                .metric
                .as_deref()
                .and_then(|metric| run.metric(metric))
                .filter(|value| value.is_finite());
            let rank = match (&standpoint.metric, value) {
                (Some(metric), Some(value)) if run.lifecycle == Lifecycle::Active => {
                    Some(table::rank(
                        view,
                        experiments::number(&run.experiment)?,
                        metric,
                        value,
                        standpoint.greater,
                    )?)
                }
                _ => None,
            };
            let mut champion = BTreeMap::new();
            let (mut changed, mut equal) = (Vec::new(), 0);
            if let Some(leader) = &standpoint.champion {
                champion = leader
                    .run
                    .metrics
                    .iter()
                    .map(|metric| (metric.key.clone(), Number(metric.value)))
                    .collect();
                (changed, equal) = differing(&run, &leader.run);
            }
            let own = folds(view, number, standpoint.metric.as_deref())?;
            let verdict = stand(&run, value, &own, &standpoint);
            let parent = run.tag(board::PARENT).map(RunId::from);
            let parent =
                parent.and_then(|id| Some((id.clone(), runs::header(view, &id).ok()?.1.name)));
            Ok(RunDetail {
                parent,
                children: board::children(view, &run.id)?,
                experiment: experiment.name,
                rank,
                champion,
                changed,
                equal,
                artifacts: Vec::new(),
                curves: metrics::curves(view, number)?,
                verdict,
                run,
            })
        })?;
        // Files lie outside the store's view. A run whose artifacts lie elsewhere lists none.
        if let Ok(folder) = self.artifact_folder(&detail.run.artifact_uri) {
            detail.artifacts = artifacts::tree(&folder, ARTIFACTS)?;
        }
        Ok(detail)
    }

    /// A metric's history in at most `buckets` points: equal numbers of points each, in order of step and
    /// time, so that a bucket keeps the smallest and the greatest of them. A metric that was never logged has none.
    pub fn series(&self, run: &RunId, key: &str, buckets: u32) -> Result<Series> {
        self.core.store.read(|view| {
            let (number, _) = runs::header(view, run)?;
            let points = metrics::count(view, number, key)?;
            let size = points.div_ceil(u64::from(buckets.max(1))).max(1);
            let mut series = Series {
                run: run.clone(),
                key: key.to_owned(),
                buckets: Vec::new(),
                points,
            };
            let mut seen = 0;
            metrics::scan(view, number, key, |step, time, value| {
                if u64::is_multiple_of(seen, size) {
                    series.buckets.push(Bucket {
                        step,
                        time,
                        min: f64::NAN,
                        max: f64::NAN,
                        last: value,
                        odd: 0,
                    });
                }
                seen += 1;
                if let Some(bucket) = series.buckets.last_mut() {
                    add(bucket, step, time, value);
                }
            })?;
            Ok(series)
        })
    }
}

/// One more point in a bucket.
pub(super) fn add(bucket: &mut Bucket, step: i64, time: Timestamp, value: f64) {
    bucket.step = step;
    bucket.time = time;
    bucket.last = value;
    if value.is_finite() {
        // `min` and `max` of f64 prefer the number when the other side is NaN.
        bucket.min = bucket.min.min(value);
        bucket.max = bucket.max.max(value);
    } else {
        bucket.odd += 1;
    }
}

/// A run with parameters and metrics as a row: with its job, its version, its folds against the champion's.
pub(super) fn row(
    view: &Connection,
    number: i64,
    run: Run,
    standpoint: &Standpoint,
) -> Result<RunRow> {
    let job = table::job_of(view, &run.id)?;
    let version = table::version_from(view, &run.id)?;
    let unlike = standpoint.unlike(&run, &run.params);
    let paired = match &standpoint.champion {
        Some(leader) if leader.number != number && !leader.folds.is_empty() && unlike.is_none() => {
            verdict::paired(
                &folds(view, number, standpoint.metric.as_deref())?,
                &leader.folds,
                standpoint.greater,
            )
        }
        _ => None,
    };
    let (own, set): (Vec<Pair>, Vec<Pair>) = runs::tags_of(view, number)?
        .into_iter()
        .partition(|tag| !tag.key.starts_with("mlflow.") && !tag.key.starts_with("trainyard."));
    Ok(RunRow {
        children: board::children(view, &run.id)?,
        parent: set
            .into_iter()
            .find(|tag| tag.key == board::PARENT)
            .map(|tag| RunId(tag.value)),
        tags: own.into_iter().map(|tag| (tag.key, tag.value)).collect(),
        unlike,
        id: run.id,
        name: run.name,
        status: run.status,
        progress: job.as_ref().and_then(|job| job.progress),
        user: run.user,
        started: run.started,
        ended: run.ended,
        failure: job.as_ref().and_then(|job| job.error.clone()),
        job: job.map(|job| job.id),
        version,
        folds: paired.map(|paired| (paired.better, paired.folds)),
        metrics: run
            .metrics
            .into_iter()
            .map(|metric| (metric.key, Number(metric.value)))
            .collect(),
        params: run
            .params
            .into_iter()
            .map(|pair| (pair.key, pair.value))
            .collect(),
    })
}

/// A parameter in which two runs differ: key, the first's value, the second's.
type Changed = (String, Option<String>, Option<String>);

/// Parameters that differ, and how many are equal.
fn differing(run: &Run, champion: &Run) -> (Vec<Changed>, u64) {
    let by_key = |run: &Run| -> BTreeMap<String, String> {
        run.params
            .iter()
            .map(|pair| (pair.key.clone(), pair.value.clone()))
            .collect()
    };
    let (mine, theirs) = (by_key(run), by_key(champion));
    let mut keys: Vec<&String> = mine.keys().chain(theirs.keys()).collect();
    keys.sort();
    keys.dedup();
    let (same, other): (Vec<&String>, Vec<&String>) = keys
        .into_iter()
        .partition(|key| mine.get(*key) == theirs.get(*key));
    let changed = other
        .into_iter()
        .map(|key| {
            (
                key.clone(),
                mine.get(key).cloned(),
                theirs.get(key).cloned(),
            )
        })
        .collect();
    (changed, same.len() as u64)
}

/// How a run stands against the champion, in words.
fn stand(run: &Run, value: Option<f64>, own: &[(i64, f64)], standpoint: &Standpoint) -> String {
    let Some(metric) = standpoint.metric.as_deref() else {
        return format!("no metric decides here: set the tag `{METRIC_TAG}`, or a pipeline's gate");
    };
    match &standpoint.champion {
        Some(leader) if leader.run.id == run.id => {
            format!(
                "this run is the champion, {} {}",
                leader.model, leader.version
            )
        }
        Some(leader) => verdict::sentence(
            &Side {
                name: &run.name,
                folds: own,
                value,
                params: &run.params,
            },
            &Side {
                name: "champion",
                folds: &leader.folds,
                value: leader.run.metric(metric),
                params: &leader.run.params,
            },
            metric,
            standpoint.greater,
        ),
        None => match value {
            Some(value) => format!("{metric} {}: no champion yet", verdict::short(value)),
            None => format!("no {metric} yet, and no champion"),
        },
    }
}
