//! Deleting for good: all rows of a run or an experiment, and the list of folders whose files are still to go.
//! Whether it may be done is the caller's affair.

use super::experiments;
use crate::domain::{ExperimentId, LoggedModelId, ModelName, Result, RunId, Timestamp, Version};
use rusqlite::{Connection, Transaction, params};

/// A folder without rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed {
    /// Of the entry.
    pub number: i64,
    /// Below the artifact root.
    pub path: String,
}

/// What refers to a row without declaring it, because a check for every point is dear: table, its column, and whose.
const UNDECLARED: [(&str, &str, &str); 2] =
    [("metrics", "run", "runs"), ("metric_packs", "run", "runs")];

/// Removes the rows of every table that refers to `table` by `column`, whichever they are: a table that a later
/// migration adds is not forgotten.
fn remove_dependents(transaction: &Transaction<'_>, table: &str, number: i64) -> Result<()> {
    let mut dependents: Vec<(String, String)> = transaction
        .prepare_cached(
            "select m.name, f.\"from\" from sqlite_schema m join pragma_foreign_key_list(m.name) f
             where m.type = 'table' and f.\"table\" = ?1 order by m.name",
        )?
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    dependents.extend(
        UNDECLARED
            .iter()
            .filter(|(_, _, referred)| *referred == table)
            .map(|(dependent, column, _)| ((*dependent).to_owned(), (*column).to_owned())),
    );
    for (dependent, column) in dependents {
        transaction
            .prepare_cached(&format!(
                "delete from \"{dependent}\" where \"{column}\" = ?1"
            ))?
            .execute([number])?;
    }
    Ok(())
}

/// Removes a run with all that hangs on it.
pub fn run(transaction: &Transaction<'_>, number: i64, experiment: &ExperimentId) -> Result<()> {
    let filed = experiments::number(experiment)?;
    for sql in [
        "update key_uses set runs = runs - 1 where experiment = ?2 and kind = 'param'
         and key in (select key from params where run = ?1)",
        "update key_uses set runs = runs - 1 where experiment = ?2 and kind = 'metric'
         and key in (select k.name from latest_metrics l join metric_keys k on k.id = l.key where l.run = ?1)",
    ] {
        transaction
            .prepare_cached(sql)?
            .execute(params![number, filed])?;
    }
    transaction
        .prepare_cached("delete from key_uses where experiment = ?1 and runs <= 0")?
        .execute([filed])?;
    remove_dependents(transaction, "runs", number)?;
    transaction
        .prepare_cached(
            "delete from logged_datasets where experiment = ?1
             and not exists (select 1 from inputs i where i.dataset = logged_datasets.id)",
        )?
        .execute([filed])?;
    transaction
        .prepare_cached("delete from runs where number = ?1")?
        .execute([number])?;
    Ok(())
}

/// Removes an experiment that has no runs any more. Its number is not given again.
pub fn experiment(transaction: &Transaction<'_>, id: &ExperimentId) -> Result<()> {
    let number = experiments::number(id)?;
    transaction
        .prepare_cached(
            "insert into greatest_numbers (kind, last) values ('experiment', ?1)
             on conflict (kind) do update set last = max(last, excluded.last)",
        )?
        .execute([number])?;
    remove_dependents(transaction, "experiments", number)?;
    transaction
        .prepare_cached("delete from experiments where id = ?1")?
        .execute([number])?;
    Ok(())
}

/// Ids of an experiment's runs, deleted or not, oldest first, at most `limit`.
pub fn runs_of(connection: &Connection, id: &ExperimentId, limit: u32) -> Result<Vec<RunId>> {
    let runs = connection
        .prepare_cached("select id from runs where experiment = ?1 order by number limit ?2")?
        .query_map(params![experiments::number(id)?, limit], |row| {
            Ok(RunId(row.get(0)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(runs)
}

/// Ids of all deleted runs that ended (or began, when they never ended) before `before`.
pub fn deleted_runs(connection: &Connection, before: Timestamp) -> Result<Vec<RunId>> {
    let runs = connection
        .prepare_cached(
            "select id from runs where lifecycle = 'deleted' and coalesce(ended, started) < ?1 order by number",
        )?
        .query_map([before.0], |row| Ok(RunId(row.get(0)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(runs)
}

/// Model versions that stand on a run: made from it, or with files among its artifacts; each with its aliases.
pub fn versions_on(
    connection: &Connection,
    run: &RunId,
    artifact_uri: &str,
) -> Result<Vec<(ModelName, Version, Vec<String>)>> {
    let found: Vec<(String, u32)> = connection
        .prepare_cached(
            "select model, version from model_versions
             where run_id = ?1 or substr(source, 1, length(?2) + 1) = ?2 || '/'
             or substr(location, 1, length(?2) + 1) = ?2 || '/'
             or logged_model in (select id from logged_models where source_run = ?1)
             order by model, version",
        )?
        .query_map(params![run.as_str(), artifact_uri], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    found
        .into_iter()
        .map(|(model, version)| {
            let aliases = connection
                .prepare_cached(
                    "select alias from aliases where model = ?1 and version = ?2 order by alias",
                )?
                .query_map(params![model, version], |row| row.get(0))?
                .collect::<rusqlite::Result<_>>()?;
            Ok((ModelName(model), Version(version), aliases))
        })
        .collect()
}

/// Logged models that a run made, each with where its files lie.
pub fn models_made_by(
    connection: &Connection,
    run: &RunId,
) -> Result<Vec<(LoggedModelId, String)>> {
    let found = connection
        .prepare_cached("select id, artifact_uri from logged_models where source_run = ?1")?
        .query_map([run.as_str()], |row| {
            Ok((LoggedModelId(row.get(0)?), row.get(1)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(found)
}

/// Removes a logged model with all that hangs on it.
pub fn logged_model(transaction: &Transaction<'_>, id: &LoggedModelId) -> Result<()> {
    transaction
        .prepare_cached("delete from logged_models where id = ?1")?
        .execute([id.as_str()])?;
    Ok(())
}

/// The newest job of a run that has not ended.
pub fn open_job(connection: &Connection, run: &RunId) -> Result<Option<i64>> {
    let job = connection
        .prepare_cached(
            "select max(id) from jobs where run = ?1 and state in ('queued', 'running')",
        )?
        .query_row([run.as_str()], |row| row.get(0))?;
    Ok(job)
}

/// Adds a folder whose files are to go.
pub fn doom(transaction: &Transaction<'_>, path: &str, at: Timestamp) -> Result<()> {
    transaction
        .prepare_cached("insert into doomed_folders (path, at) values (?1, ?2)")?
        .execute(params![path, at.0])?;
    Ok(())
}

/// Folders whose files are to go, oldest first.
pub fn doomed(connection: &Connection) -> Result<Vec<Doomed>> {
    let doomed = connection
        .prepare_cached("select id, path from doomed_folders order by id")?
        .query_map([], |row| {
            Ok(Doomed {
                number: row.get(0)?,
                path: row.get(1)?,
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(doomed)
}

/// The files of this entry are gone.
pub fn forget(transaction: &Transaction<'_>, number: i64) -> Result<()> {
    transaction
        .prepare_cached("delete from doomed_folders where id = ?1")?
        .execute([number])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::store::migrate::migrate;

    #[test]
    fn a_purged_runs_points_go_though_they_declare_no_reference() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection).unwrap();
        connection
            .execute_batch(
                "insert into experiments (id, name, artifact_location, created, updated) values (0, 'e', 'x', 1, 1);
                 insert into runs (number, id, experiment, name, user, status, started, lifecycle, artifact_uri) values
                   (1, 'a', 0, 'a', 'ana', 'RUNNING', 1, 'active', 'x'), (2, 'b', 0, 'b', 'ana', 'RUNNING', 1, 'active', 'x');
                 insert into metric_keys (name) values ('loss');
                 insert into metrics values (1, 1, 0, 1, 0.5, 0), (2, 1, 0, 1, 0.5, 0);
                 insert into metric_packs (run, key, first_step, first_at, points, data)
                 values (1, 1, 1, 1, 8, x'00'), (2, 1, 1, 1, 8, x'00');",
            )
            .unwrap();
        let transaction = connection.transaction().unwrap();
        run(&transaction, 1, &ExperimentId::from("0".to_owned())).unwrap();
        for table in ["metrics", "metric_packs"] {
            let left: i64 = transaction
                .query_row(&format!("select sum(run) from {table}"), [], |row| {
                    row.get(0)
                })
                .unwrap();
            assert_eq!(left, 2, "{table}");
        }
    }
}
