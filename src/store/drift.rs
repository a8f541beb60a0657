//! Drift reports (whole, as JSON, with the columns that are asked for beside it) and alerts.

use crate::domain::alert::Alert;
use crate::domain::drift::DriftReport;
use crate::domain::{Result, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Keeps a report; the same window of the same monitor is replaced and keeps its id. Answers the id.
pub fn keep(transaction: &Transaction<'_>, report: &DriftReport) -> Result<i64> {
    let verdict = serde_json::to_string(&report.verdict)?;
    let id: i64 = transaction
        .prepare_cached(
            "insert into drift_reports \
             (monitor, from_time, to_time, label, model, version, drifted, verdict, at, body) \
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) \
             on conflict (monitor, from_time, to_time) do update set \
             label = excluded.label, model = excluded.model, version = excluded.version, \
             drifted = excluded.drifted, verdict = excluded.verdict, at = excluded.at, \
             body = excluded.body returning id",
        )?
        .query_row(
            params![
                report.monitor,
                report.from.0,
                report.to.0,
                report.label,
                report.reference.0.as_str(),
                report.reference.1.0,
                i64::try_from(report.drifted).unwrap_or(i64::MAX),
                verdict.trim_matches('"'),
                report.at.0,
                serde_json::to_string(report)?
            ],
            |row| row.get(0),
        )?;
    Ok(id)
}

/// The reports of a monitor, oldest window first; their ids are those of their rows.
pub fn reports(connection: &Connection, monitor: &str) -> Result<Vec<DriftReport>> {
    let mut statement = connection.prepare_cached(
        "select id, body from drift_reports where monitor = ?1 order by to_time, from_time",
    )?;
    let bodies: Vec<(i64, String)> = statement
        .query_map([monitor], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    bodies
        .into_iter()
        .map(|(id, body)| with_id(id, &body))
        .collect()
}

/// One report.
pub fn report(connection: &Connection, id: i64) -> Result<Option<DriftReport>> {
    let body: Option<String> = connection
        .prepare_cached("select body from drift_reports where id = ?1")?
        .query_row([id], |row| row.get(0))
        .optional()?;
    body.map(|body| with_id(id, &body)).transpose()
}

/// The newest report of a monitor.
pub fn newest(connection: &Connection, monitor: &str) -> Result<Option<DriftReport>> {
    let found: Option<(i64, String)> = connection
        .prepare_cached(
            "select id, body from drift_reports where monitor = ?1 \
             order by to_time desc, from_time desc limit 1",
        )?
        .query_row([monitor], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found.map(|(id, body)| with_id(id, &body)).transpose()
}

fn with_id(id: i64, body: &str) -> Result<DriftReport> {
    let mut report: DriftReport = serde_json::from_str(body)?;
    report.id = id;
    Ok(report)
}

/// Columns that drift in the newest window of each of these monitors, summed.
pub fn drifting_now(connection: &Connection, monitors: &[String]) -> Result<u64> {
    let mut statement = connection.prepare_cached(
        "select drifted from drift_reports where monitor = ?1 \
         order by to_time desc, from_time desc limit 1",
    )?;
    let mut total = 0;
    for monitor in monitors {
        let drifted: Option<i64> = statement
            .query_row([monitor], |row| row.get(0))
            .optional()?;
        total += drifted.unwrap_or(0).unsigned_abs();
    }
    Ok(total)
}

/// Raises an alert, or rewrites the text of the one that is open. Answers whether a new one was raised.
pub fn raise(
    transaction: &Transaction<'_>,
    source: &str,
    kind: &str,
    text: &str,
    at: Timestamp,
) -> Result<bool> {
    let changed = transaction.execute(
        "update alerts set text = ?3 where source = ?1 and kind = ?2 and resolved is null",
        params![source, kind, text],
    )?;
    if changed > 0 {
        return Ok(false);
    }
    transaction.execute(
        "insert into alerts (source, kind, text, at) values (?1, ?2, ?3, ?4)",
        params![source, kind, text, at.0],
    )?;
    Ok(true)
}

/// Resolves what is open. Answers whether something was.
pub fn resolve(
    transaction: &Transaction<'_>,
    source: &str,
    kind: &str,
    at: Timestamp,
) -> Result<bool> {
    let changed = transaction.execute(
        "update alerts set resolved = ?3 where source = ?1 and kind = ?2 and resolved is null",
        params![source, kind, at.0],
    )?;
    Ok(changed > 0)
}

/// Marks an alert as seen. Answers whether there is such an alert.
pub fn acknowledge(
    transaction: &Transaction<'_>,
    id: i64,
    by: &str,
    at: Timestamp,
) -> Result<bool> {
    let changed = transaction.execute(
        "update alerts set acknowledged = coalesce(acknowledged, ?2), \
         acknowledged_by = coalesce(acknowledged_by, ?3) where id = ?1",
        params![id, at.0, by],
    )?;
    Ok(changed > 0)
}

/// When somebody last said that they know of an alert of `source` and `kind`.
pub fn acknowledged(
    connection: &Connection,
    source: &str,
    kind: &str,
) -> Result<Option<Timestamp>> {
    let at: Option<i64> = connection
        .prepare_cached("select max(acknowledged) from alerts where source = ?1 and kind = ?2")?
        .query_row(params![source, kind], |row| row.get(0))?;
    Ok(at.map(Timestamp))
}

/// Alerts, newest first.
pub fn alerts(connection: &Connection, limit: u32) -> Result<Vec<Alert>> {
    let mut statement = connection.prepare_cached(
        "select id, source, kind, text, at, acknowledged, acknowledged_by, resolved \
         from alerts order by id desc limit ?1",
    )?;
    let alerts = statement
        .query_map([limit], |row| {
            Ok(Alert {
                id: row.get(0)?,
                source: row.get(1)?,
                kind: row.get(2)?,
                text: row.get(3)?,
                at: Timestamp(row.get(4)?),
                acknowledged: row.get::<_, Option<i64>>(5)?.map(Timestamp),
                acknowledged_by: row.get(6)?,
                resolved: row.get::<_, Option<i64>>(7)?.map(Timestamp),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    Ok(alerts)
}

/// Alerts that are neither acknowledged nor resolved.
pub fn open_alerts(connection: &Connection) -> Result<u64> {
    let count: i64 = connection
        .prepare_cached(
            "select count(*) from alerts where acknowledged is null and resolved is null",
        )?
        .query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
