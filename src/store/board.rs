//! SQL over many runs at once: the best by a metric, groups, children, what is archived.

use super::runs::{COLUMNS, from_row};
use super::table::Scope;
use crate::domain::board::GroupBy;
use crate::domain::run::Run;
use crate::domain::{Result, RunId, Timestamp};
use rusqlite::types::Value;
use rusqlite::{Connection, params, params_from_iter};

/// The tag that names a run's parent.
pub const PARENT: &str = "mlflow.parentRunId";

/// The runs with the best finite values of a metric, best first: number and own row.
pub fn leaders(
    connection: &Connection,
    scope: &Scope,
    metric: &str,
    greater_is_better: bool,
    most: usize,
) -> Result<Vec<(i64, Run)>> {
    let conditions = scope.sql();
    let direction = if greater_is_better { "desc" } else { "asc" };
    let sql = format!(
        "select {COLUMNS} from latest_metrics v cross join runs r on r.number = v.run {}
         and v.key = (select id from metric_keys where name = ?) and v.nan = 0 and abs(v.value) < 9e999
         order by v.value {direction}, r.started desc, r.id limit ?",
        conditions.text
    );
    let values = conditions.values.into_iter().chain([
        Value::Text(metric.to_owned()),
        Value::Integer(i64::try_from(most).unwrap_or(i64::MAX)),
    ]);
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params_from_iter(values), from_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// How many runs have a finite value of a metric.
pub fn judged(connection: &Connection, scope: &Scope, metric: &str) -> Result<u64> {
    let conditions = scope.sql();
    let sql = format!(
        "select count(*) from latest_metrics v cross join runs r on r.number = v.run {}
         and v.key = (select id from metric_keys where name = ?) and v.nan = 0 and abs(v.value) < 9e999",
        conditions.text
    );
    let values = conditions
        .values
        .into_iter()
        .chain([Value::Text(metric.to_owned())]);
    let count: i64 = connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// Runs that have something in common.
pub struct Group {
    /// What.
    pub name: Option<String>,
    /// How many.
    pub runs: u64,
    /// When the newest began.
    pub newest: Timestamp,
    /// How many have a finite value of the metric, and the number of the best of them with its value.
    pub best: Option<(u64, i64, f64)>,
}

/// What is grouped by, as SQL over `runs as r`: a join, its value, the expression.
fn grouped(by: &GroupBy) -> (&'static str, Option<Value>, &'static str) {
    match by {
        GroupBy::User => ("", None, "nullif(r.user, '')"),
        GroupBy::Experiment => (" join experiments x on x.id = r.experiment", None, "x.name"),
        GroupBy::Param(key) => (
            " left join params g on g.run = r.number and g.key = ?",
            Some(Value::Text(key.clone())),
            "g.value",
        ),
        GroupBy::Tag(key) => (
            " left join tags g on g.run = r.number and g.key = ?",
            Some(Value::Text(key.clone())),
            "g.value",
        ),
    }
}

/// Every group of the runs in `scope`, in no order.
pub fn groups(
    connection: &Connection,
    scope: &Scope,
    by: &GroupBy,
    metric: Option<&str>,
    greater_is_better: bool,
) -> Result<Vec<Group>> {
    let (join, key, expression) = grouped(by);
    let conditions = scope.sql();
    let sql = format!(
        "select {expression}, count(*), max(r.started) from runs r{join} {} group by 1",
        conditions.text
    );
    let values = key.clone().into_iter().chain(conditions.values.clone());
    let mut groups: Vec<Group> = connection
        .prepare_cached(&sql)?
        .query_map(params_from_iter(values), |row| {
            Ok(Group {
                name: row.get(0)?,
                runs: row.get::<_, i64>(1)?.unsigned_abs(),
                newest: Timestamp(row.get(2)?),
                best: None,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let Some(metric) = metric else {
        return Ok(groups);
    };
    // with a single `max` or `min` SQLite takes the other columns from that row
    let most = if greater_is_better { "max" } else { "min" };
    let sql = format!(
        "select {expression}, count(*), r.number, {most}(v.value)
         from latest_metrics v cross join runs r on r.number = v.run{join} {}
         and v.key = (select id from metric_keys where name = ?) and v.nan = 0 and abs(v.value) < 9e999 group by 1",
        conditions.text
    );
    let values = key
        .into_iter()
        .chain(conditions.values)
        .chain([Value::Text(metric.to_owned())]);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        let name: Option<String> = row.get(0)?;
        let best = (
            row.get::<_, i64>(1)?.unsigned_abs(),
            row.get(2)?,
            row.get(3)?,
        );
        if let Some(group) = groups.iter_mut().find(|group| group.name == name) {
            group.best = Some(best);
        }
    }
    Ok(groups)
}

/// How many active runs name `parent` as theirs.
pub fn children(connection: &Connection, parent: &RunId) -> Result<u64> {
    let count: i64 = connection
        .prepare_cached(
            "select count(*) from tags t join runs r on r.number = t.run
             where t.key = ?1 and t.value = ?2 and r.lifecycle = 'active'",
        )?
        .query_row(params![PARENT, parent.as_str()], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// How many runs (of an experiment, or of all) are archived.
pub fn archived(connection: &Connection, experiment: Option<i64>) -> Result<u64> {
    let sql = match experiment {
        Some(_) => "select count(*) from runs where lifecycle = 'deleted' and experiment = ?1",
        None => "select count(*) from runs where lifecycle = 'deleted' and ?1 is null",
    };
    let count: i64 = connection
        .prepare_cached(sql)?
        .query_row(params![experiment], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
