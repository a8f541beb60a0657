//! Which run is best, in one sentence: against the champion, against the next one.

use super::verdict::{self, Side};
use super::views::{Standpoint, folds};
use crate::domain::Result;
use crate::domain::experiment::Lifecycle;
use crate::domain::run::{Pair, Run, RunQuery};
use crate::store::search::{self, Dialect, Filter, Operand, Operator, Subject};
use crate::store::table::Scope;
use crate::store::{Connection, board, experiments, metrics, runs};

/// The runs that a query is about, and, when a person's filter narrows them, those without it.
pub(super) fn scope(query: &RunQuery) -> Result<(Scope, Option<Scope>)> {
    let typed = search::parse(&query.filter, Dialect::Dashboard)?;
    let number = query
        .experiment
        .as_ref()
        .map(experiments::number)
        .transpose()?;
    let mut base = Vec::new();
    if let Some(parent) = &query.parent {
        base.push(Filter::Test(
            Subject::Tag(board::PARENT.to_owned()),
            Operator::Equal,
            Operand::Text(parent.0.clone()),
        ));
    }
    if query.roots {
        base.push(Filter::Root);
    }
    let with = |filter| Scope {
        experiments: number.map(|number| vec![number]),
        lifecycle: Some(if query.archived {
            Lifecycle::Deleted
        } else {
            Lifecycle::Active
        }),
        filter,
    };
    if typed == Filter::All(Vec::new()) {
        return Ok((with(Filter::All(base)), None));
    }
    let everything = with(Filter::All(base.clone()));
    // comparisons side by side: the store looks for those that an index answers
    match typed {
        Filter::All(parts) => base.extend(parts),
        one => base.push(one),
    }
    Ok((with(Filter::All(base)), Some(everything)))
}

/// A run with what a verdict looks at.
pub(super) struct Judged {
    name: String,
    folds: Vec<(i64, f64)>,
    value: Option<f64>,
    params: Vec<Pair>,
}

impl Judged {
    /// Reads it.
    pub fn read(view: &Connection, number: i64, name: &str, metric: &str) -> Result<Self> {
        let value = metrics::value(view, number, metric)?;
        Ok(Self {
            name: name.to_owned(),
            folds: folds(view, number, Some(metric))?,
            value,
            params: runs::params_of(view, number)?,
        })
    }

    /// As a side of a comparison.
    pub fn side(&self) -> Side<'_> {
        Side {
            name: &self.name,
            folds: &self.folds,
            value: self.value,
            params: &self.params,
        }
    }
}

/// Which of the runs in `scope` is best by the metric that decides, how it stands against the champion, and whether the
/// next one is worse by more than the folds' noise.
pub(super) fn sentence(
    view: &Connection,
    scope: &Scope,
    standpoint: &Standpoint,
    total: u64,
) -> Result<String> {
    let Some(metric) = standpoint.metric.as_deref() else {
        return Ok(String::new());
    };
    let first = board::leaders(view, scope, metric, standpoint.greater, 2)?;
    let Some((number, best)) = first.first() else {
        return Ok(if total > 0 {
            format!("no run here has {metric} yet")
        } else {
            String::new()
        });
    };
    let leader = standpoint.champion.as_ref();
    let is_champion = |run: &Run| leader.is_some_and(|leader| leader.run.id == run.id);
    let called = |run: &Run| match leader {
        Some(leader) if leader.run.id == run.id => format!("champion {}", leader.version),
        _ => run.name.clone(),
    };
    let mine = Judged::read(view, *number, &called(best), metric)?;
    let against = |number: i64, name: &str| -> Result<String> {
        let other = Judged::read(view, number, name, metric)?;
        Ok(verdict::sentence(
            &mine.side(),
            &other.side(),
            metric,
            standpoint.greater,
        ))
    };
    let mut said = Vec::new();
    match leader {
        Some(leader) if !is_champion(best) => {
            said.push(match standpoint.unlike(best, &mine.params) {
                Some(why) => format!(
                    "{} is best by {metric} {}, but {why}",
                    mine.name,
                    verdict::short(mine.value.unwrap_or(f64::NAN))
                ),
                None => against(leader.number, &format!("champion {}", leader.version))?,
            });
        }
        _ => said.push(format!(
            "{} is best by {metric} {}",
            mine.name,
            verdict::short(mine.value.unwrap_or(f64::NAN))
        )),
    }
    if let Some((number, next)) = first.get(1).filter(|(_, next)| !is_champion(next)) {
        said.push(against(*number, &called(next))?);
    }
    Ok(said.join("; "))
}
