//! What a job holds on to: progress, metrics and log lines for `events.jsonl`, the wish to be stopped,
//! checkpoints. Everything said here is on disk before the call returns.

use crate::domain::job::WorkerEvent;
use crate::domain::metric::Metric;
use crate::domain::{Clock, Error, Result, SystemClock};
use crate::job_folder::{self as folder, JobFolder};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Progress is written at most this often.
const PROGRESS_PERIOD: Duration = Duration::from_millis(250);

/// See the module's text.
pub struct JobCtx {
    folder: JobFolder,
    events: File,
    cancelled: Arc<AtomicBool>,
    reported: Option<Instant>,
    /// Points that earlier attempts said: key, step and the value's bits. A job that goes on from its checkpoint says
    /// some of them again, at another time of day; without this they would count twice.
    said: HashSet<(String, i64, u64)>,
    clock: SystemClock,
}

impl JobCtx {
    /// Goes on where the folder's events end. `cancelled` becomes true when the job is to stop.
    pub fn open(folder: &JobFolder, cancelled: Arc<AtomicBool>) -> Result<Self> {
        let path = folder.events();
        let said = repair(&path)
            .map_err(|error| error.context(format!("reading `{}`", path.display())))?;
        let events = File::options()
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|error| Error::from(error).context(format!("opening `{}`", path.display())))?;
        Ok(Self {
            folder: folder.clone(),
            events,
            cancelled,
            reported: None,
            said,
            clock: SystemClock,
        })
    }

    /// The job's folder: where its results go.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The names of the folder's files.
    pub fn files(&self) -> &JobFolder {
        &self.folder
    }

    /// Whether somebody wants the job to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// [`crate::domain::ErrorKind::Cancelled`] once somebody wants the job to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() {
            return Err(Error::cancelled("stopped on request"));
        }
        Ok(())
    }

    /// Says how far the work is: `share` from 0 to 1, and what is being done. Written at most four times a second, the
    /// end always. A line that cannot be written is dropped: it delays no work.
    pub fn progress(&mut self, share: f64, doing: &str) {
        let due = self
            .reported
            .is_none_or(|last| last.elapsed() >= PROGRESS_PERIOD);
        if !due && share < 1.0 {
            return;
        }
        self.reported = Some(Instant::now());
        let event = WorkerEvent::Progress {
            share: share.clamp(0.0, 1.0),
            doing: doing.to_owned(),
        };
        let _ = self.say(&event);
    }

    /// Logs points of the job's run, now, at `step`. Points that an earlier attempt logged are left out.
    pub fn metrics<K: AsRef<str>>(&mut self, values: &[(K, f64)], step: i64) -> Result<()> {
        let timestamp = self.clock.now();
        let points: Vec<Metric> = values
            .iter()
            .filter(|(key, value)| {
                let point = (key.as_ref().to_owned(), step, value.to_bits());
                !self.said.contains(&point)
            })
            .map(|(key, value)| Metric {
                key: key.as_ref().to_owned(),
                value: *value,
                timestamp,
                step,
            })
            .collect();
        if points.is_empty() {
            return Ok(());
        }
        self.say(&WorkerEvent::Metrics { points })
    }

    /// Logs points of the job's run that were measured before now, each with its own time and step.
    pub fn points(&mut self, points: Vec<Metric>) -> Result<()> {
        self.say(&WorkerEvent::Metrics { points })
    }

    /// Sets tags of the job's run.
    pub fn tags(&mut self, tags: Vec<(String, String)>) -> Result<()> {
        self.say(&WorkerEvent::Tags { tags })
    }

    /// Keeps a file of the job's folder among the artifacts of its run, at `path`; it is whole and stays as it is.
    pub fn artifact(&mut self, file: &str, path: &str) -> Result<()> {
        self.say(&WorkerEvent::Artifact {
            file: file.to_owned(),
            path: path.to_owned(),
        })
    }

    /// Logs parameters of the job's run.
    pub fn params(&mut self, params: Vec<(String, String)>) -> Result<()> {
        self.say(&WorkerEvent::Params { params })
    }

    /// Writes a line for people; `level` is `info`, `warn` or `error`.
    pub fn log(&mut self, level: &str, text: impl Into<String>) -> Result<()> {
        let event = WorkerEvent::Log {
            at: self.clock.now(),
            level: level.to_owned(),
            text: text.into(),
        };
        self.say(&event)
    }

    /// Keeps what a later attempt can go on from; replaces the one before.
    pub fn checkpoint<T: Serialize>(&self, state: &T) -> Result<()> {
        folder::write_json(&self.folder.checkpoint(), state)
    }

    /// What an earlier attempt kept. One that cannot be read is said to be so, and the work begins anew.
    pub fn resume<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        match folder::read_json(&self.folder.checkpoint()) {
            Ok(state) => Ok(state),
            Err(error) => {
                self.log(
                    "warn",
                    format!("the checkpoint is not readable, starting anew: {error}"),
                )?;
                Ok(None)
            }
        }
    }

    /// One line, in one write: a reader sees it whole or not at all.
    fn say(&mut self, event: &WorkerEvent) -> Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        self.events.write_all(&line).map_err(|error| {
            Error::from(error).context(format!("writing `{}`", self.folder.events().display()))
        })
    }
}

/// Cuts off a line that a killed worker left half written (the runtime takes in whole lines only, so nobody
/// has read it), and answers the points that were said.
fn repair(path: &PathBuf) -> Result<HashSet<(String, i64, u64)>> {
    let mut said = HashSet::new();
    let file = match File::options().read(true).write(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(said),
        Err(error) => return Err(error.into()),
    };
    let mut reader = BufReader::new(&file);
    let mut whole = 0_u64;
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            if length > 0 {
                file.set_len(whole)?;
            }
            return Ok(said);
        }
        whole += length as u64;
        if let Ok(WorkerEvent::Metrics { points }) = serde_json::from_slice(&line) {
            said.extend(
                points
                    .into_iter()
                    .map(|point| (point.key, point.step, point.value.to_bits())),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::ErrorKind;

    fn context(root: &Path) -> JobCtx {
        JobCtx::open(&JobFolder::at(root), Arc::new(AtomicBool::new(false))).unwrap()
    }

    fn lines(root: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(root.join("events.jsonl")).unwrap();
        assert!(text.ends_with('\n'));
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn progress_is_throttled_but_its_end_is_said() {
        let root = tempfile::tempdir().unwrap();
        let mut ctx = context(root.path());
        for step in 0..=1000 {
            ctx.progress(f64::from(step) / 1000.0, "at it");
        }
        let lines = lines(root.path());
        assert!(lines.len() < 20, "{}", lines.len());
        assert!(lines.last().unwrap().contains(r#""share":1.0"#));
    }

    #[test]
    fn a_later_attempt_cuts_the_torn_line_and_says_no_point_twice() {
        let root = tempfile::tempdir().unwrap();
        let mut ctx = context(root.path());
        ctx.metrics(&[("loss", 0.5), ("odd", f64::NAN)], 0).unwrap();
        drop(ctx);
        let mut file = File::options()
            .append(true)
            .open(root.path().join("events.jsonl"))
            .unwrap();
        file.write_all(br#"{"event":"metr"#).unwrap();

        let mut ctx = context(root.path());
        ctx.metrics(&[("loss", 0.5), ("odd", f64::NAN)], 0).unwrap();
        ctx.metrics(&[("loss", 0.4)], 1).unwrap();

        let lines = lines(root.path());
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[1].contains("0.4"));
    }

    #[test]
    fn a_checkpoint_comes_back_and_a_damaged_one_is_named() {
        let root = tempfile::tempdir().unwrap();
        let mut ctx = context(root.path());
        assert_eq!(ctx.resume::<Vec<u32>>().unwrap(), None);
        ctx.checkpoint(&vec![1_u32, 2]).unwrap();
        assert_eq!(ctx.resume::<Vec<u32>>().unwrap(), Some(vec![1, 2]));
        std::fs::write(root.path().join("checkpoint.json"), "[1,").unwrap();
        assert_eq!(ctx.resume::<Vec<u32>>().unwrap(), None);
        assert!(lines(root.path())[0].contains("checkpoint is not readable"));
    }

    #[test]
    fn a_wish_to_stop_is_an_error_of_its_own_kind() {
        let root = tempfile::tempdir().unwrap();
        let flag = Arc::new(AtomicBool::new(false));
        let ctx = JobCtx::open(&JobFolder::at(root.path()), Arc::clone(&flag)).unwrap();
        ctx.check().unwrap();
        flag.store(true, Ordering::Relaxed);
        assert_eq!(ctx.check().unwrap_err().kind, ErrorKind::Cancelled);
    }
}
