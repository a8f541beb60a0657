//! What a person's SQL may read of the database: views under plain names, whatever the tables behind them are called.
//! Times are microseconds, as in datasets. Read only.

use super::metrics;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;

/// What the database is called in the views' text.
pub const NAME: &str = "kept";

/// View name to its text.
pub const VIEWS: &[(&str, &str)] = &[
    (
        "runs",
        "select r.id as run_id, r.name, e.name as experiment, r.status, r.user, r.started * 1000 as started, \
         r.ended * 1000 as ended, r.artifact_uri \
         from kept.runs r join kept.experiments e on e.id = r.experiment where r.lifecycle = 'active'",
    ),
    (
        "metrics",
        "select r.id as run_id, k.name as key, m.value, m.step, m.at * 1000 as at \
         from (select run, key, case nan when 0 then value end as value, step, at from kept.metrics union all \
           select p.run, p.key, json_extract(t.value, '$[2]'), json_extract(t.value, '$[0]'), json_extract(t.value, '$[1]') \
           from kept.metric_packs p, json_each(points_of(p.data)) t) m \
         join kept.metric_keys k on k.id = m.key join kept.runs r on r.number = m.run \
         where r.lifecycle = 'active'",
    ),
    (
        "latest_metrics",
        "select r.id as run_id, k.name as key, case m.nan when 0 then m.value end as value, m.step, m.at * 1000 as at \
         from kept.latest_metrics m join kept.metric_keys k on k.id = m.key join kept.runs r on r.number = m.run \
         where r.lifecycle = 'active'",
    ),
    (
        "params",
        "select r.id as run_id, p.key, p.value \
         from kept.params p join kept.runs r on r.number = p.run where r.lifecycle = 'active'",
    ),
    (
        "tags",
        "select r.id as run_id, t.key, t.value \
         from kept.tags t join kept.runs r on r.number = t.run where r.lifecycle = 'active'",
    ),
    (
        "models",
        "select v.model, v.version, v.run_id, v.status, v.stage, v.user, v.description, v.created * 1000 as created, \
         (select group_concat(a.alias, ' ') from kept.aliases a where a.model = v.model and a.version = v.version) as aliases \
         from kept.model_versions v",
    ),
    (
        "features",
        "select f.view, json_extract(t.value, '$.name') as feature, json_extract(t.value, '$.kind') as type, f.version, \
         json_extract(v.definition, '$.view.entity.name') as entity, json_extract(v.definition, '$.view.owner') as owner, \
         v.by as applied_by, v.at * 1000 as applied, m.rows as entities, m.watermark as newest, m.at * 1000 as materialized \
         from kept.views_in_force f join kept.view_versions v on v.view = f.view and v.version = f.version \
         join json_each(v.definition, '$.types') t left join kept.materializations m on m.view = f.view",
    ),
    (
        "drift",
        "select d.monitor, d.model, d.version, d.label, d.from_time * 1000 as window_from, d.to_time * 1000 as window_to, \
         json_extract(c.value, '$.column') as \"column\", json_extract(c.value, '$.tests[0].method') as test, \
         json_extract(c.value, '$.tests[0].value') as score, json_extract(c.value, '$.tests[0].threshold') as threshold, \
         json_extract(c.value, '$.verdict') as verdict, d.at * 1000 as at \
         from kept.drift_reports d join json_each(d.body, '$.columns') c",
    ),
    (
        "jobs",
        "select j.id, j.title, j.kind, j.state, j.attempt, j.run as run_id, j.pipeline, j.created * 1000 as created, \
         j.started * 1000 as started, j.ended * 1000 as ended, j.error from kept.jobs j",
    ),
];

/// Makes the functions known that the views use.
pub fn register(connection: &Connection) -> rusqlite::Result<()> {
    let pure = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_INNOCUOUS;
    connection.create_scalar_function("points_of", 1, pure, |context| {
        metrics::unpacked_as_json(context.get_raw(0).as_blob()?).ok_or_else(|| {
            rusqlite::Error::UserFunctionError("points_of: these are no packed points".into())
        })
    })
}

/// Columns of the views that hold times.
pub const TIMES: &[&str] = &[
    "started",
    "ended",
    "at",
    "created",
    "applied",
    "newest",
    "materialized",
    "window_from",
    "window_to",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::store::Store;

    #[test]
    fn every_view_reads_the_tables_that_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        drop(Store::open(&path).unwrap());
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection
            .execute(
                &format!("attach database ?1 as {NAME}"),
                [path.to_str().unwrap()],
            )
            .unwrap();
        register(&connection).unwrap();
        for (name, select) in VIEWS {
            let statement = connection.prepare(select);
            assert!(statement.is_ok(), "{name}: {:?}", statement.err());
        }
    }
}
