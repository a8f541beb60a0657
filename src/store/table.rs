//! Windows over many runs: SQL filters, sorts and cuts, so that the size of a page decides its cost.

use super::runs::{COLUMNS, from_row};
use super::search::{Filter, Order, Sql, Subject, order_sql};
use crate::domain::experiment::Lifecycle;
use crate::domain::registry::CHAMPION;
use crate::domain::run::Run;
use crate::domain::{JobId, ModelName, Result, RunId, Version};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};

/// Which runs are looked at.
#[derive(Clone, Debug)]
pub struct Scope {
    /// Numbers of experiments; none: all of them.
    pub experiments: Option<Vec<i64>>,
    /// Deleted or not; none: both.
    pub lifecycle: Option<Lifecycle>,
    /// The person's filter.
    pub filter: Filter,
}

impl Scope {
    /// The condition over `runs as r`, with its `where`.
    pub(super) fn sql(&self) -> Sql {
        let mut sql = Sql {
            text: "where ".to_owned(),
            values: Vec::new(),
        };
        if let Some(experiments) = &self.experiments {
            let marks = vec!["?"; experiments.len()].join(", ");
            sql.text
                .push_str(&format!("r.experiment in ({marks}) and "));
            sql.values
                .extend(experiments.iter().map(|number| Value::Integer(*number)));
        }
        match self.lifecycle {
            Some(Lifecycle::Active) => sql.text.push_str("r.lifecycle = 'active' and "),
            Some(Lifecycle::Deleted) => sql.text.push_str("r.lifecycle = 'deleted' and "),
            None => {}
        }
        let filter = self.filter.sql();
        sql.text.push_str(&filter.text);
        sql.values.extend(filter.values);
        sql
    }
}

fn integer(number: u64) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

/// Rows `offset` to `offset + limit` of the ordered runs: number and own row.
pub fn window(
    connection: &Connection,
    scope: &Scope,
    orders: &[Order],
    offset: u64,
    limit: u64,
) -> Result<Vec<(i64, Run)>> {
    if let [
        Order {
            by: Subject::Metric(key),
            descending,
        },
    ] = orders
    {
        let rows = by_value(connection, scope, key, *descending, offset, limit)?;
        // A full page of numbers is the answer; NaN and runs without the metric only come after them.
        if rows.len() as u64 == limit {
            return Ok(rows);
        }
    }
    let (joins, order) = order_sql(orders);
    let conditions = scope.sql();
    let sql = format!(
        "select {COLUMNS} from runs r{} {} order by {order} limit ? offset ?",
        joins.text, conditions.text
    );
    let values = joins
        .values
        .into_iter()
        .chain(conditions.values)
        .chain([integer(limit), integer(offset)]);
    rows(connection, &sql, values)
}

fn rows(
    connection: &Connection,
    sql: &str,
    values: impl Iterator<Item = Value>,
) -> Result<Vec<(i64, Run)>> {
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement
        .query_map(params_from_iter(values), from_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(rows)
}

/// The same for one metric, of runs that have a number there: walks the index of values, so that a page near the top of
/// 12,000 runs takes 0.2 ms and not 10.
fn by_value(
    connection: &Connection,
    scope: &Scope,
    metric: &str,
    descending: bool,
    offset: u64,
    limit: u64,
) -> Result<Vec<(i64, Run)>> {
    let conditions = scope.sql();
    let direction = if descending { "desc" } else { "asc" };
    let sql = format!(
        "select {COLUMNS} from latest_metrics v cross join runs r on r.number = v.run {}
         and v.key = (select id from metric_keys where name = ?) and v.nan = 0
         order by v.value {direction}, r.started desc, r.id limit ? offset ?",
        conditions.text
    );
    let values = conditions.values.into_iter().chain([
        Value::Text(metric.to_owned()),
        integer(limit),
        integer(offset),
    ]);
    rows(connection, &sql, values)
}

/// How many runs there are.
pub fn count(connection: &Connection, scope: &Scope) -> Result<u64> {
    let conditions = scope.sql();
    let sql = format!("select count(*) from runs r {}", conditions.text);
    let count: i64 = connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(conditions.values), |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// The run with the best finite value of a metric.
pub fn best(
    connection: &Connection,
    scope: &Scope,
    metric: &str,
    greater_is_better: bool,
) -> Result<Option<RunId>> {
    let conditions = scope.sql();
    let direction = if greater_is_better { "desc" } else { "asc" };
    let sql = format!(
        "select r.id from latest_metrics v cross join runs r on r.number = v.run {}
         and v.key = (select id from metric_keys where name = ?) and v.nan = 0 and abs(v.value) < 9e999
         order by v.value {direction}, r.started desc, r.id limit 1",
        conditions.text
    );
    let values = conditions
        .values
        .into_iter()
        .chain([Value::Text(metric.to_owned())]);
    let best = connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| Ok(RunId(row.get(0)?)))
        .optional()?;
    Ok(best)
}

/// Rank of `value` among the finite values that the active runs of an experiment have: from 1, and of how many.
pub fn rank(
    connection: &Connection,
    experiment: i64,
    metric: &str,
    value: f64,
    greater_is_better: bool,
) -> Result<(u64, u64)> {
    let sign = if greater_is_better { ">" } else { "<" };
    let sql = format!(
        "select count(*) filter (where l.value {sign} ?3), count(*)
         from latest_metrics l join runs r on r.number = l.run
         where l.key = (select id from metric_keys where name = ?2) and l.nan = 0
           and r.experiment = ?1 and r.lifecycle = 'active'"
    );
    let (better, of): (i64, i64) = connection
        .prepare_cached(&sql)?
        .query_row(params![experiment, metric, value], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok((better.unsigned_abs() + 1, of.unsigned_abs()))
}

/// The value of tag `key` on the newest run (of an experiment, or of all) that has it.
pub fn newest_tag(
    connection: &Connection,
    experiment: Option<i64>,
    key: &str,
) -> Result<Option<String>> {
    let value = connection
        .prepare_cached(
            "select t.value from tags t join runs r on r.number = t.run
             where t.key = ?2 and (?1 is null or r.experiment = ?1) and r.lifecycle = 'active'
             order by r.started desc, r.id limit 1",
        )?
        .query_row(params![experiment, key], |row| row.get(0))
        .optional()?;
    Ok(value)
}

/// What a run's row says of its newest job.
pub struct JobOf {
    /// Its id.
    pub id: JobId,
    /// Share done, while it runs.
    pub progress: Option<f64>,
    /// Why it failed.
    pub error: Option<String>,
}

/// The newest job of a run.
pub fn job_of(connection: &Connection, run: &RunId) -> Result<Option<JobOf>> {
    let job = connection
        .prepare_cached(
            "select id, case when state = 'running' then progress end, error from jobs
             where run = ?1 order by id desc limit 1",
        )?
        .query_row([run.as_str()], |row| {
            Ok(JobOf {
                id: JobId(row.get(0)?),
                progress: row.get(1)?,
                error: row.get(2)?,
            })
        })
        .optional()?;
    Ok(job)
}

/// Champions that came from a run (of an experiment, or of any): model, version, run. By model's name.
pub fn champions(
    connection: &Connection,
    experiment: Option<i64>,
) -> Result<Vec<(ModelName, Version, RunId)>> {
    let mut statement = connection.prepare_cached(
        "select a.model, a.version, r.id from aliases a
         join model_versions v on v.model = a.model and v.version = a.version
         join runs r on r.id = v.run_id
         where a.alias = ?2 and (?1 is null or r.experiment = ?1) order by a.model",
    )?;
    let champions = statement
        .query_map(params![experiment, CHAMPION], |row| {
            Ok((
                ModelName(row.get(0)?),
                Version(row.get(1)?),
                RunId(row.get(2)?),
            ))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(champions)
}

/// The newest version that was made of a run.
pub fn version_from(connection: &Connection, run: &RunId) -> Result<Option<(ModelName, Version)>> {
    let version = connection
        .prepare_cached(
            "select model, version from model_versions where run_id = ?1 order by created desc, version desc limit 1",
        )?
        .query_row([run.as_str()], |row| {
            Ok((ModelName(row.get(0)?), Version(row.get(1)?)))
        })
        .optional()?;
    Ok(version)
}
