//! The job queue's rows.

use crate::domain::job::{Job, JobResult, JobSpec, JobState};
use crate::domain::trigger::Cause;
use crate::domain::{Error, JobId, Result, RunId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

const COLUMNS: &str = "select id, title, kind, state, attempt, max_attempts, cause, run, pipeline, after, created, started, ended, pid, progress, doing, error from jobs";

/// A row to be made.
pub struct NewRow<'a> {
    /// In a line.
    pub title: &'a str,
    /// What it does.
    pub spec: &'a JobSpec,
    /// Why.
    pub cause: &'a Cause,
    /// Its pipeline and the pipeline's run.
    pub pipeline: Option<&'a (String, i64)>,
    /// Starts after this one succeeded.
    pub after: Option<JobId>,
    /// How often it may be tried.
    pub max_attempts: u32,
    /// Unique among all jobs there ever were.
    pub run_key: Option<&'a str>,
    /// Now.
    pub created: Timestamp,
}

fn text_of<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("writing JSON").because(error))
}

fn parsed<T: serde::de::DeserializeOwned>(column: usize, text: &str) -> rusqlite::Result<T> {
    serde_json::from_str(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Job> {
    Ok(Job {
        id: JobId(row.get(0)?),
        title: row.get(1)?,
        kind: row.get(2)?,
        state: JobState::parse(row.get_ref(3)?.as_str()?).unwrap_or(JobState::Lost),
        attempt: row.get(4)?,
        max_attempts: row.get(5)?,
        cause: parsed(6, row.get_ref(6)?.as_str()?)?,
        run: row.get::<_, Option<String>>(7)?.map(RunId),
        pipeline: row.get(8)?,
        after: row.get::<_, Option<i64>>(9)?.map(JobId),
        created: Timestamp(row.get(10)?),
        started: row.get::<_, Option<i64>>(11)?.map(Timestamp),
        ended: row.get::<_, Option<i64>>(12)?.map(Timestamp),
        pid: row.get(13)?,
        progress: row.get(14)?,
        doing: row.get(15)?,
        error: row.get(16)?,
    })
}

fn list(connection: &Connection, rest: &str, values: impl rusqlite::Params) -> Result<Vec<Job>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} {rest}"))?;
    let jobs = statement
        .query_map(values, from_row)?
        .collect::<rusqlite::Result<_>>()?;
    Ok(jobs)
}

/// Queues a job, unless its run key is known: then that job is answered. The flag says whether it is new.
pub fn insert(transaction: &Transaction<'_>, new: &NewRow<'_>) -> Result<(JobId, bool)> {
    if let Some(key) = new.run_key {
        let known = transaction
            .prepare_cached("select id from jobs where run_key = ?1")?
            .query_row([key], |row| row.get(0))
            .optional()?;
        if let Some(id) = known {
            return Ok((JobId(id), false));
        }
    }
    transaction
        .prepare_cached(
            "insert into jobs (title, kind, state, attempt, max_attempts, cause, spec, run, pipeline, pipeline_run, after, run_key, created)
             values (?1, ?2, 'queued', 0, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            new.title,
            new.spec.kind(),
            new.max_attempts.max(1),
            text_of(new.cause)?,
            text_of(new.spec)?,
            new.spec.run().map(RunId::as_str),
            new.pipeline.map(|(name, _)| name),
            new.pipeline.map(|(_, run)| run),
            new.after.map(|after| after.0),
            new.run_key,
            new.created.0,
        ])?;
    Ok((JobId(transaction.last_insert_rowid()), true))
}

/// One job.
pub fn get(connection: &Connection, id: JobId) -> Result<Job> {
    list(connection, "where id = ?1", [id.0])?
        .pop()
        .ok_or_else(|| Error::not_found(format!("no job `{id}`")))
}

/// Whether a job that has not ended is to read the file at `path`.
pub fn is_named(connection: &Connection, path: &str) -> Result<bool> {
    let quoted = serde_json::to_string(path)?;
    Ok(connection
        .prepare_cached(
            "select exists (select 1 from jobs where state in ('queued', 'running') and instr(spec, ?1) > 0)",
        )?
        .query_row([quoted], |row| row.get(0))?)
}

/// What a job does.
pub fn spec(connection: &Connection, id: JobId) -> Result<JobSpec> {
    connection
        .prepare_cached("select spec from jobs where id = ?1")?
        .query_row([id.0], |row| parsed(0, row.get_ref(0)?.as_str()?))
        .optional()?
        .ok_or_else(|| Error::not_found(format!("no job `{id}`")))
}

/// What the newest job that filled a run did.
pub fn spec_of_run(connection: &Connection, run: &RunId) -> Result<Option<JobSpec>> {
    let spec = connection
        .prepare_cached("select spec from jobs where run = ?1 order by id desc limit 1")?
        .query_row([run.as_str()], |row| parsed(0, row.get_ref(0)?.as_str()?))
        .optional()?;
    Ok(spec)
}

/// What came out of a job, once it has succeeded.
pub fn result(connection: &Connection, id: JobId) -> Result<Option<JobResult>> {
    let text: Option<String> = connection
        .prepare_cached("select result from jobs where id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten();
    text.map(|text| {
        serde_json::from_str(&text).map_err(|error| {
            Error::internal(format!("the stored result of job `{id}`")).because(error)
        })
    })
    .transpose()
}

/// Queued jobs, oldest first.
pub fn queued(connection: &Connection) -> Result<Vec<Job>> {
    list(connection, "where state = 'queued' order by id", [])
}

/// Running jobs, oldest first.
pub fn running(connection: &Connection) -> Result<Vec<Job>> {
    list(connection, "where state = 'running' order by id", [])
}

/// Ended jobs, newest end first.
pub fn ended(connection: &Connection, limit: u32) -> Result<Vec<Job>> {
    list(
        connection,
        "where state not in ('queued', 'running') order by ended desc, id desc limit ?1",
        [limit],
    )
}

/// Jobs of a pipeline's run, oldest first.
pub fn of_pipeline_run(connection: &Connection, run: i64) -> Result<Vec<Job>> {
    list(connection, "where pipeline_run = ?1 order by id", [run])
}

/// The pipeline's run that a job belongs to.
pub fn pipeline_run(connection: &Connection, id: JobId) -> Result<Option<i64>> {
    Ok(connection
        .prepare_cached("select pipeline_run from jobs where id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten())
}

/// Running jobs that somebody wants stopped.
pub fn to_cancel(connection: &Connection) -> Result<Vec<JobId>> {
    let mut statement = connection.prepare_cached(
        "select id from jobs where state = 'running' and cancel_requested is not null order by id",
    )?;
    let ids = statement
        .query_map([], |row| Ok(JobId(row.get(0)?)))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(ids)
}

/// Jobs running, waiting, and failed or lost since `since`.
pub fn counts(connection: &Connection, since: Timestamp) -> Result<(u64, u64, u64)> {
    let counts: (i64, i64, i64) = connection
        .prepare_cached(
            "select (select count(*) from jobs where state = 'running'),
                    (select count(*) from jobs where state = 'queued'),
                    (select count(*) from jobs where state in ('failed', 'lost') and ended >= ?1)",
        )?
        .query_row([since.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok((
        counts.0.unsigned_abs(),
        counts.1.unsigned_abs(),
        counts.2.unsigned_abs(),
    ))
}

/// Marks a queued job running: one more attempt, nothing followed yet.
pub fn start(transaction: &Transaction<'_>, id: JobId, now: Timestamp) -> Result<()> {
    transaction
        .prepare_cached(
            "update jobs set state = 'running', attempt = attempt + 1, started = ?2, ended = null, pid = null,
                 progress = null, doing = null, error = null, result = null, offset = 0, cancel_requested = null
             where id = ?1",
        )?
        .execute(params![id.0, now.0])?;
    Ok(())
}

/// The worker's process.
pub fn set_pid(transaction: &Transaction<'_>, id: JobId, pid: u32) -> Result<()> {
    transaction
        .prepare_cached("update jobs set pid = ?2 where id = ?1")?
        .execute(params![id.0, pid])?;
    Ok(())
}

/// How far its events were taken in, and how far it has come.
pub fn set_progress(
    transaction: &Transaction<'_>,
    id: JobId,
    offset: u64,
    progress: Option<(f64, &str)>,
) -> Result<()> {
    transaction
        .prepare_cached(
            "update jobs set offset = ?2, progress = coalesce(?3, progress), doing = coalesce(?4, doing) where id = ?1",
        )?
        .execute(params![
            id.0,
            i64::try_from(offset).unwrap_or(i64::MAX),
            progress.map(|(share, _)| share),
            progress.map(|(_, doing)| doing),
        ])?;
    Ok(())
}

/// How far its events were taken in, bytes.
pub fn offset(connection: &Connection, id: JobId) -> Result<u64> {
    let offset: i64 = connection
        .prepare_cached("select offset from jobs where id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Error::not_found(format!("no job `{id}`")))?;
    Ok(offset.unsigned_abs())
}

/// Ends a job.
pub fn end(
    transaction: &Transaction<'_>,
    id: JobId,
    state: JobState,
    error: Option<&str>,
    result: Option<&JobResult>,
    now: Timestamp,
) -> Result<()> {
    let result = result.map(text_of).transpose()?;
    transaction
        .prepare_cached(
            "update jobs set state = ?2, error = ?3, result = ?4, ended = ?5, pid = null where id = ?1",
        )?
        .execute(params![id.0, state.as_str(), error, result, now.0])?;
    Ok(())
}

/// Queues a job again. `another`: one more attempt than its limit is allowed if the limit is reached.
pub fn requeue(
    transaction: &Transaction<'_>,
    id: JobId,
    cause: &Cause,
    error: Option<&str>,
    another: bool,
) -> Result<()> {
    transaction
        .prepare_cached(
            "update jobs set state = 'queued', cause = ?2, error = ?3, pid = null, ended = null, progress = null,
                 doing = null, result = null, cancel_requested = null,
                 max_attempts = case when ?4 then max(max_attempts, attempt + 1) else max_attempts end
             where id = ?1",
        )?
        .execute(params![id.0, text_of(cause)?, error, another])?;
    Ok(())
}

/// Changes what a job does, and which run it fills.
pub fn set_spec(transaction: &Transaction<'_>, id: JobId, spec: &JobSpec) -> Result<()> {
    transaction
        .prepare_cached("update jobs set spec = ?2, run = ?3 where id = ?1")?
        .execute(params![id.0, text_of(spec)?, spec.run().map(RunId::as_str)])?;
    Ok(())
}

/// Notes who wants a running job stopped.
pub fn request_cancel(transaction: &Transaction<'_>, id: JobId, by: &str) -> Result<()> {
    transaction
        .prepare_cached("update jobs set cancel_requested = ?2 where id = ?1")?
        .execute(params![id.0, by])?;
    Ok(())
}
