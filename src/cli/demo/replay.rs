//! Flights asked about over HTTP, as a caller would: features joined as of an hour before departure,
//! rows sent in batches and one by one, latencies measured from outside.

use super::super::output::Output;
use super::super::{Result, connect, wait};
use crate::api::client::{Address, Client, Http};
use crate::api::protocol::{Command, Reply, Snapshot, Topic};
use crate::data::{Frame, source};
use crate::domain::job::JobState;
use crate::domain::{Error, Timestamp};
use crate::workspace::Workspace;
use std::path::PathBuf;
use std::time::Instant;

/// Rows of a batch request.
const BATCH: usize = 250;
/// Single-row requests a month.
const SINGLE: usize = 100;

/// The caller.
pub(super) struct Replay<'a> {
    workspace: &'a Workspace,
    client: &'a Client,
    output: &'a Output,
    http: Http,
    sent: Sent,
}

/// What the caller saw.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Sent {
    pub(super) n: u64,
    pub(super) failed: u64,
    pub(super) rows: u64,
    /// Milliseconds of each single-row request.
    pub(super) single_ms: Vec<f64>,
}

impl<'a> Replay<'a> {
    pub(super) fn new(
        workspace: &'a Workspace,
        client: &'a Client,
        output: &'a Output,
    ) -> Result<Self> {
        let Snapshot::Overview(overview) = connect::snapshot(client, &Topic::Overview)? else {
            return Err(connect::unexpected());
        };
        let http = Http::connect(&Address::Url(format!("http://{}", overview.http), None))?;
        Ok(Self {
            workspace,
            client,
            output,
            http,
            sent: Sent::default(),
        })
    }

    /// Every flight of a month; answers how many.
    pub(super) fn month(&mut self, month: u32, from: Timestamp, to: Timestamp) -> Result<usize> {
        let frame = self.joined(month, Some((from, to)))?;
        let rows = frame.rows();
        for (number, start) in (0..rows).step_by(BATCH).enumerate() {
            self.send(&frame, start, BATCH.min(rows - start))?;
            if number % 10 == 0 {
                self.output.tick(format!(
                    "2013-{month:02}  {start} of {rows} flights asked about"
                ));
            }
        }
        for row in (0..SINGLE)
            .map(|index| index * rows.max(1) / SINGLE)
            .filter(|row| *row < rows)
        {
            let began = Instant::now();
            self.send(&frame, row, 1)?;
            self.sent
                .single_ms
                .push(began.elapsed().as_secs_f64() * 1e3);
        }
        self.keep()?;
        Ok(rows)
    }

    /// Some flights of a month again, one by one.
    pub(super) fn some(&mut self, month: u32, count: usize) -> Result<()> {
        let frame = self.joined(month, None)?;
        for row in 0..count.min(frame.rows()) {
            let began = Instant::now();
            self.send(&frame, row, 1)?;
            self.sent
                .single_ms
                .push(began.elapsed().as_secs_f64() * 1e3);
        }
        self.keep()
    }

    /// The month's rows with features. Without bounds: as they were joined before.
    fn joined(&self, month: u32, bounds: Option<(Timestamp, Timestamp)>) -> Result<Frame> {
        let path = self
            .workspace
            .state()
            .join("replay")
            .join(format!("2013-{month:02}.parquet"));
        if let Some((from, to)) = bounds {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let command = Command::JoinFeatures {
                pipeline: "delay".to_owned(),
                from: Some(from),
                to: Some(to),
                output: path.to_string_lossy().into_owned(),
            };
            let Reply::Jobs(jobs) = self.client.command(&command)? else {
                return Err(connect::unexpected());
            };
            for job in jobs {
                let (ended, _) = wait::until_ended(self.client, job, self.output)?;
                if ended.state != JobState::Succeeded {
                    let why = ended.error.unwrap_or_default();
                    return Err(Error::internal(format!(
                        "joining features of month {month}: {why}"
                    ))
                    .into());
                }
            }
        }
        let frame = source::read(&[path], None)?;
        // A caller does not know the outcome.
        let known: Vec<String> = frame
            .names()
            .into_iter()
            .filter(|name| name != "late" && name != "arr_utc")
            .collect();
        Ok(frame.select(&known)?)
    }

    fn send(&mut self, frame: &Frame, start: usize, count: usize) -> Result<()> {
        let rows: Vec<u32> = (start..start + count)
            .filter_map(|row| u32::try_from(row).ok())
            .collect();
        let records = frame.take(&rows)?.to_records();
        let body = serde_json::to_vec(&serde_json::json!({ "dataframe_records": records }))
            .map_err(Error::from)?;
        let answer = self.http.request(
            "POST",
            "/models/delay/invocations",
            &[("content-type", "application/json")],
            &body,
        )?;
        self.sent.n += 1;
        self.sent.rows += count as u64;
        if answer.status != 200 {
            self.sent.failed += 1;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            self.output
                .progress_done(format!("a request was refused ({}): {text}", answer.status));
        }
        Ok(())
    }

    fn keep(&self) -> Result<()> {
        let path = path(self.workspace);
        std::fs::write(&path, serde_json::to_vec(&self.sent).map_err(Error::from)?)
            .map_err(|error| Error::from(error).context(format!("writing `{}`", path.display())))?;
        Ok(())
    }
}

fn path(workspace: &Workspace) -> PathBuf {
    workspace.state().join("replay").join("requests.json")
}

/// What the caller saw when the demo was made.
pub(super) fn sent(workspace: &Workspace) -> Result<Sent> {
    let path = path(workspace);
    let bytes = std::fs::read(&path)
        .map_err(|error| Error::from(error).context(format!("reading `{}`", path.display())))?;
    Ok(serde_json::from_slice(&bytes).map_err(Error::from)?)
}
