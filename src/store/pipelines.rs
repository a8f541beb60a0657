//! Pipeline runs: what started, where it stands, how it ended, and the triggers that were looked at and passed over.

use crate::domain::trigger::Cause;
use crate::domain::{Error, JobId, Result, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, params};

/// A pipeline run as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineRun {
    /// Its id.
    pub id: i64,
    /// Which pipeline.
    pub pipeline: String,
    /// Why it started.
    pub cause: Cause,
    /// `running`, `succeeded`, `failed`, `held`, `cancelled`, `skipped`.
    pub state: String,
    /// `validate`, `train`, `evaluate`, `gate`, `promote`.
    pub step: String,
    /// JSON: what the runtime needs to go on.
    pub place: String,
    /// When it started.
    pub started: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Why it did not succeed.
    pub error: Option<String>,
    /// The same key never starts twice.
    pub run_key: Option<String>,
}

const COLUMNS: &str = "id, pipeline, cause, state, step, place, started, ended, error, run_key";

/// Makes a run; none when there is one with the same `run_key`. `id` of `run` is ignored.
pub fn insert(transaction: &Transaction<'_>, run: &PipelineRun) -> Result<Option<i64>> {
    let cause = serde_json::to_string(&run.cause)?;
    let made = transaction
        .prepare_cached(
            "insert into pipeline_runs (pipeline, cause, state, step, place, started, ended, error, run_key)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) on conflict (run_key) do nothing",
        )?
        .execute(params![
            run.pipeline,
            cause,
            run.state,
            run.step,
            run.place,
            run.started.0,
            run.ended.map(|ended| ended.0),
            run.error,
            run.run_key,
        ])?;
    Ok((made > 0).then(|| transaction.last_insert_rowid()))
}

/// Moves a running run to a step and its place there.
pub fn place(transaction: &Transaction<'_>, id: i64, step: &str, place: &str) -> Result<()> {
    transaction
        .prepare_cached(
            "update pipeline_runs set step = ?2, place = ?3 where id = ?1 and state = 'running'",
        )?
        .execute(params![id, step, place])?;
    Ok(())
}

/// Ends a running run; answers whether it was running.
pub fn end(
    transaction: &Transaction<'_>,
    id: i64,
    state: &str,
    error: Option<&str>,
    at: Timestamp,
) -> Result<bool> {
    let ended = transaction
        .prepare_cached(
            "update pipeline_runs set state = ?2, error = ?3, ended = ?4 where id = ?1 and state = 'running'",
        )?
        .execute(params![id, state, error, at.0])?;
    Ok(ended > 0)
}

/// Lets a run that failed or was cancelled go on, if it ended because of this job at its present step; answers whether
/// it does.
pub fn reopen(transaction: &Transaction<'_>, id: i64, job: JobId) -> Result<bool> {
    let reopened = transaction
        .prepare_cached(
            "update pipeline_runs set state = 'running', error = null, ended = null
             where id = ?1 and state in ('failed', 'cancelled')
                 and json_extract(place, '$.jobs.' || step) = ?2",
        )?
        .execute(params![id, job.0])?;
    Ok(reopened > 0)
}

/// The newest runs of a pipeline that were started, newest first.
pub fn newest_started(
    connection: &Connection,
    pipeline: &str,
    limit: u32,
) -> Result<Vec<PipelineRun>> {
    let sql = format!(
        "select {COLUMNS} from pipeline_runs where pipeline = ?1 and state <> 'skipped' order by id desc limit ?2"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params![pipeline, limit])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(read(row)?);
    }
    Ok(runs)
}

/// One run.
pub fn run(connection: &Connection, id: i64) -> Result<Option<PipelineRun>> {
    one(
        connection,
        &format!("select {COLUMNS} from pipeline_runs where id = ?1"),
        params![id],
    )
}

/// The run that has this key.
pub fn with_key(connection: &Connection, run_key: &str) -> Result<Option<PipelineRun>> {
    one(
        connection,
        &format!("select {COLUMNS} from pipeline_runs where run_key = ?1"),
        params![run_key],
    )
}

/// The newest run of a pipeline whose key begins with `prefix`.
pub fn newest_with_prefix(
    connection: &Connection,
    pipeline: &str,
    prefix: &str,
) -> Result<Option<PipelineRun>> {
    one(
        connection,
        &format!(
            "select {COLUMNS} from pipeline_runs where pipeline = ?1 and substr(run_key, 1, length(?2)) = ?2
             order by id desc limit 1"
        ),
        params![pipeline, prefix],
    )
}

/// Runs under way, oldest first.
pub fn running(connection: &Connection) -> Result<Vec<PipelineRun>> {
    let sql = format!("select {COLUMNS} from pipeline_runs where state = 'running' order by id");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query([])?;
    let mut runs = Vec::new();
    while let Some(row) = rows.next()? {
        runs.push(read(row)?);
    }
    Ok(runs)
}

fn one(
    connection: &Connection,
    sql: &str,
    bound: impl rusqlite::Params,
) -> Result<Option<PipelineRun>> {
    let mut statement = connection.prepare_cached(sql)?;
    statement
        .query_row(bound, |row| Ok(read(row)))
        .optional()?
        .transpose()
}

fn read(row: &Row<'_>) -> Result<PipelineRun> {
    let cause: String = row.get(2)?;
    let id = row.get(0)?;
    Ok(PipelineRun {
        id,
        pipeline: row.get(1)?,
        cause: serde_json::from_str(&cause).map_err(|error| {
            Error::from(error).context(format!("the cause of pipeline run {id}"))
        })?,
        state: row.get(3)?,
        step: row.get(4)?,
        place: row.get(5)?,
        started: Timestamp(row.get(6)?),
        ended: row.get::<_, Option<i64>>(7)?.map(Timestamp),
        error: row.get(8)?,
        run_key: row.get(9)?,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::store::Store;

    fn sample(key: Option<&str>) -> PipelineRun {
        PipelineRun {
            id: 0,
            pipeline: "churn".into(),
            cause: Cause::Request { by: "ada".into() },
            state: "running".into(),
            step: "validate".into(),
            place: "{}".into(),
            started: Timestamp(5),
            ended: None,
            error: None,
            run_key: key.map(str::to_owned),
        }
    }

    #[test]
    fn a_run_key_starts_once_and_an_end_is_final() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let first = store.write(|t| insert(t, &sample(Some("file:a")))).unwrap();
        let again = store.write(|t| insert(t, &sample(Some("file:a")))).unwrap();
        let free = store.write(|t| insert(t, &sample(None))).unwrap();
        assert_eq!(again, None);
        let (first, free) = (first.unwrap(), free.unwrap());

        store
            .write(move |t| place(t, first, "train", r#"{"x":1}"#))
            .unwrap();
        let at = Timestamp(9);
        assert!(
            store
                .write(move |t| end(t, first, "held", Some("no"), at))
                .unwrap()
        );
        assert!(
            !store
                .write(move |t| end(t, first, "failed", None, at))
                .unwrap()
        );

        let run = store.read(|c| run(c, first)).unwrap().unwrap();
        assert_eq!((run.state.as_str(), run.step.as_str()), ("held", "train"));
        assert_eq!(run.ended, Some(at));
        let running = store.read(running).unwrap();
        assert_eq!(running.len(), 1);
        assert_eq!(running[0].id, free);
        let newest = store
            .read(|c| newest_with_prefix(c, "churn", "file:"))
            .unwrap();
        assert_eq!(newest.map(|run| run.id), Some(first));
    }

    #[test]
    fn only_the_job_that_ended_a_run_lets_it_go_on() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("store.db")).unwrap();
        let id = store.write(|t| insert(t, &sample(None))).unwrap().unwrap();
        let reopened = |job| store.write(move |t| reopen(t, id, JobId(job))).unwrap();
        store
            .write(move |t| {
                place(t, id, "train", r#"{"jobs":{"validate":7,"train":8}}"#)?;
                Ok(())
            })
            .unwrap();
        assert!(!reopened(8), "it runs");
        store
            .write(move |t| end(t, id, "failed", Some("no"), Timestamp(9)))
            .unwrap();
        assert!(!reopened(7));
        assert!(reopened(8));
        let now = store.read(|c| run(c, id)).unwrap().unwrap();
        assert_eq!(
            (now.state.as_str(), now.ended, now.error),
            ("running", None, None)
        );
        let newest = store.read(|c| newest_started(c, "churn", 5)).unwrap();
        assert_eq!(newest.len(), 1);
    }
}
