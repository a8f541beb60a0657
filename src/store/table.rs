//! Windows over many runs: SQL filters, sorts and cuts, so that the size of a page decides its cost.

use super::runs::{COLUMNS, from_row};
use super::search::{Filter, Operand, Operator, Order, Sql, Subject, order_sql};
use super::{metrics, runs};
use crate::domain::experiment::Lifecycle;
use crate::domain::registry::CHAMPION;
use crate::domain::run::{Pair, Run};
use crate::domain::{JobId, ModelName, Result, RunId, Version};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use rustc_hash::FxHashMap;

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

/// So many runs are sorted at once; of more, an index is walked in the wanted order until the page is full.
const FEW: i64 = 1_500;

/// Comparisons that must all hold.
fn conjuncts(filter: &Filter) -> &[Filter] {
    match filter {
        Filter::All(parts) => parts,
        one => std::slice::from_ref(one),
    }
}

/// The range of the index of values that a comparison of a metric means; none where it is no range.
fn range(filter: &Filter) -> Option<(&str, &'static str, f64)> {
    match filter {
        Filter::Test(Subject::Metric(key), operator, Operand::Number(number)) => {
            let sign = match operator {
                Operator::Equal => "=",
                Operator::Less => "<",
                Operator::AtMost => "<=",
                Operator::Greater => ">",
                Operator::AtLeast => ">=",
                _ => return None,
            };
            Some((key, sign, *number))
        }
        _ => None,
    }
}

/// How many rows a query has, [`FEW`] at most.
fn few(connection: &Connection, sql: &str, values: &[Value]) -> Result<i64> {
    let sql = format!("select count(*) from ({sql} limit {FEW})");
    let count = connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(count)
}

/// Where a query's runs come from.
struct Source {
    /// A piece of `from` in which the runs are `r`.
    from: Sql,
    /// Fewer than [`FEW`] can match: they may be sorted.
    few: bool,
}

/// The smallest set of runs known to hold all that can match.
fn source(connection: &Connection, scope: &Scope) -> Result<Source> {
    let mut least = FEW;
    let mut from = Sql {
        text: "runs r".to_owned(),
        values: Vec::new(),
    };
    if scope.experiments.is_some() {
        let all = Scope {
            filter: Filter::All(Vec::new()),
            ..scope.clone()
        };
        let conditions = all.sql();
        let sql = format!("select 1 from runs r {}", conditions.text);
        least = few(connection, &sql, &conditions.values)?;
    }
    for (key, sign, number) in conjuncts(&scope.filter).iter().filter_map(range) {
        let text = format!(
            "select run from latest_metrics where key = (select id from metric_keys where name = ?) and nan = 0 and value {sign} ?"
        );
        let values = vec![Value::Text(key.to_owned()), Value::Real(number)];
        let count = few(connection, &text, &values)?;
        if count < least {
            least = count;
            let text = format!("({text}) n cross join runs r on r.number = n.run");
            from = Sql { text, values };
        }
    }
    Ok(Source {
        from,
        few: least < FEW,
    })
}

/// Rows `offset` to `offset + limit` of the ordered runs, by their numbers.
pub fn window(
    connection: &Connection,
    scope: &Scope,
    orders: &[Order],
    offset: u64,
    limit: u64,
) -> Result<Vec<i64>> {
    let source = source(connection, scope)?;
    if let [
        Order {
            by: Subject::Metric(key),
            descending,
            ..
        },
    ] = orders
        && !source.few
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
        "select r.number from {}{} {} order by {order} limit ? offset ?",
        source.from.text, joins.text, conditions.text
    );
    let values = source
        .from
        .values
        .into_iter()
        .chain(joins.values)
        .chain(conditions.values)
        .chain([integer(limit), integer(offset)]);
    numbers(connection, &sql, values)
}

fn numbers(
    connection: &Connection,
    sql: &str,
    values: impl Iterator<Item = Value>,
) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(sql)?;
    let numbers = statement
        .query_map(params_from_iter(values), |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(numbers)
}

/// The same for one metric, of runs that have a number there: walks the index of values, so that a page near the top
/// costs the same however many runs there are.
fn by_value(
    connection: &Connection,
    scope: &Scope,
    metric: &str,
    descending: bool,
    offset: u64,
    limit: u64,
) -> Result<Vec<i64>> {
    let mut conditions = scope.sql();
    conditions
        .text
        .push_str(" and v.key = (select id from metric_keys where name = ?) and v.nan = 0");
    conditions.values.push(Value::Text(metric.to_owned()));
    // What the filter says of the same metric bounds the walk.
    for (key, sign, number) in conjuncts(&scope.filter).iter().filter_map(range) {
        if key == metric {
            conditions.text.push_str(&format!(" and v.value {sign} ?"));
            conditions.values.push(Value::Real(number));
        }
    }
    let direction = if descending { "desc" } else { "asc" };
    // What is asked of other rows of the run is asked before the run itself is read.
    conditions.text = conditions.text.replace("r.number", "v.run");
    let sql = format!(
        "select v.run from latest_metrics v cross join runs r on r.number = v.run {}
         order by v.value {direction}, r.started desc, r.id limit ? offset ?",
        conditions.text
    );
    let values = conditions
        .values
        .into_iter()
        .chain([integer(limit), integer(offset)]);
    numbers(connection, &sql, values)
}

/// Runs by their numbers, in that order, with parameters and latest metrics: a statement for each kind of row.
pub fn rows(connection: &Connection, numbers: &[i64]) -> Result<Vec<(i64, Run)>> {
    let list = serde_json::to_string(numbers)?;
    let mut places: FxHashMap<i64, usize> = FxHashMap::default();
    places.extend(
        numbers
            .iter()
            .enumerate()
            .map(|(place, number)| (*number, place)),
    );
    let mut found: Vec<Option<(i64, Run)>> = numbers.iter().map(|_| None).collect();
    let sql =
        format!("select {COLUMNS} from runs r where r.number in (select value from json_each(?1))");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([&list])?;
    while let Some(row) = rows.next()? {
        let (number, run) = from_row(row)?;
        if let Some(place) = places.get(&number) {
            found[*place] = Some((number, run));
        }
    }
    // A number that is no run any more leaves no gap.
    let mut found: Vec<(i64, Run)> = found.into_iter().flatten().collect();
    places.clear();
    places.extend(
        found
            .iter()
            .enumerate()
            .map(|(place, (number, _))| (*number, place)),
    );
    pairs(connection, "params", &list, |number, pair| {
        if let Some(place) = places.get(&number) {
            found[*place].1.params.push(pair);
        }
    })?;
    metrics::latest_of(connection, &list, |number, metric| {
        if let Some(place) = places.get(&number) {
            found[*place].1.metrics.push(metric);
        }
    })?;
    Ok(found)
}

/// The same with everything that a run has but its history.
pub fn whole(connection: &Connection, numbers: &[i64]) -> Result<Vec<Run>> {
    let mut found = rows(connection, numbers)?;
    let list = serde_json::to_string(numbers)?;
    let places: FxHashMap<i64, usize> = found
        .iter()
        .enumerate()
        .map(|(place, (number, _))| (*number, place))
        .collect();
    pairs(connection, "tags", &list, |number, pair| {
        if let Some(place) = places.get(&number) {
            found[*place].1.tags.push(pair);
        }
    })?;
    found
        .into_iter()
        .map(|(number, run)| runs::with_inputs(connection, number, run))
        .collect()
}

/// Calls `each` with the rows of `params` or `tags` of some runs, sorted by key in each run.
fn pairs(
    connection: &Connection,
    table: &str,
    numbers: &str,
    mut each: impl FnMut(i64, Pair),
) -> Result<()> {
    let sql = format!(
        "select run, key, value from {table} where run in (select value from json_each(?1)) order by run, key"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([numbers])?;
    while let Some(row) = rows.next()? {
        let pair = Pair {
            key: row.get(1)?,
            value: row.get(2)?,
        };
        each(row.get(0)?, pair);
    }
    Ok(())
}

/// How many runs there are.
pub fn count(connection: &Connection, scope: &Scope) -> Result<u64> {
    let source = source(connection, scope)?;
    let conditions = scope.sql();
    let sql = format!(
        "select count(*) from {} {}",
        source.from.text, conditions.text
    );
    let values = source.from.values.into_iter().chain(conditions.values);
    let count: i64 = connection
        .prepare_cached(&sql)?
        .query_row(params_from_iter(values), |row| row.get(0))?;
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
    let tagged = few(
        connection,
        "select 1 from tags where key = ?",
        &[Value::Text(key.to_owned())],
    )?;
    // Few runs have it: they are sorted. Many have it: one of the newest will.
    let from = if tagged < FEW {
        "tags t cross join runs r"
    } else {
        "runs r cross join tags t"
    };
    let scope = match experiment {
        Some(_) => "r.experiment = ?1",
        None => "?1 is null",
    };
    let sql = format!(
        "select t.value from {from} on r.number = t.run and t.key = ?2
         where {scope} and r.lifecycle = 'active' order by r.started desc, r.id limit 1"
    );
    let value = connection
        .prepare_cached(&sql)?
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

#[cfg(test)]
mod tests;
