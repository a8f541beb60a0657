//! A job's folder: the names of its files, how they are written, how its lock tells whether a worker is
//! alive. Shared by the worker, which fills the folder, and the runtime, which reads it. Knows nothing
//! of what any job does.

use crate::domain::job::{JobSpec, Outcome};
use crate::domain::{Error, JobId, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Environment variable with the folder's path, set for a worker and so for everything it starts:
/// by it leftovers of a worker are told from strangers that were given the same process number.
pub const FOLDER_VARIABLE: &str = "TRAINYARD_JOB_FOLDER";

/// Environment variable that says that the folder's lock came with the standard input.
pub const LOCKED_VARIABLE: &str = "TRAINYARD_JOB_LOCKED";

/// `spec.json`: what is to be done, and by which attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// Whose folder it is.
    pub job: JobId,
    /// From 1. An outcome of another attempt is not this one's.
    pub attempt: u32,
    /// The work, resolved.
    pub spec: JobSpec,
}

/// `outcome.json`: how an attempt ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ending {
    /// Which attempt.
    pub attempt: u32,
    /// How it ended.
    pub outcome: Outcome,
}

/// `worker.json`: which process is at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStamp {
    /// The worker's process, also its process group when the runtime started it.
    pub pid: u32,
    /// When that process began, in clock ticks since the machine started: with it a process number that was given
    /// to somebody else is recognised.
    pub start: u64,
    /// Which attempt it works on.
    pub attempt: u32,
}

/// The folder of one job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobFolder {
    path: PathBuf,
}

impl JobFolder {
    /// The folder at `path`, which must be absolute or stay valid for the process's life.
    pub fn at(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is to be done.
    pub fn spec(&self) -> PathBuf {
        self.path.join("spec.json")
    }

    /// What the worker says, a line each.
    pub fn events(&self) -> PathBuf {
        self.path.join("events.jsonl")
    }

    /// What a later attempt goes on from.
    pub fn checkpoint(&self) -> PathBuf {
        self.path.join("checkpoint.json")
    }

    /// How it ended.
    pub fn outcome(&self) -> PathBuf {
        self.path.join("outcome.json")
    }

    /// Which process is at it.
    pub fn worker(&self) -> PathBuf {
        self.path.join("worker.json")
    }

    /// The lock that a worker holds while it lives.
    pub fn lock(&self) -> PathBuf {
        self.path.join("worker.lock")
    }

    /// What the work prints.
    pub fn stdout(&self) -> PathBuf {
        self.path.join("stdout")
    }

    /// What the work complains about.
    pub fn stderr(&self) -> PathBuf {
        self.path.join("stderr")
    }

    /// What a command printed on both, piece by piece with its time: [`crate::domain::output::Piece`], a line each.
    pub fn output(&self) -> PathBuf {
        self.path.join("output.jsonl")
    }

    /// Puts what an earlier attempt left aside, in a folder of its own, so that the next one begins with nothing.
    /// Doing it twice changes nothing.
    pub fn set_aside(&self, attempt: u32) -> Result<()> {
        let aside = self.path.join(format!("attempt-{attempt}"));
        std::fs::create_dir_all(&aside)?;
        for name in [
            "events.jsonl",
            "output.jsonl",
            "stdout",
            "stderr",
            "outcome.json",
            "kept",
        ] {
            match std::fs::rename(self.path.join(name), aside.join(name)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::from(error)
                        .context(format!("putting `{name}` of attempt {attempt} aside")));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes the folder, readable by the user alone.
    pub fn create(&self) -> Result<()> {
        use std::os::unix::fs::DirBuilderExt as _;
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.path)
            .map_err(|error| {
                Error::from(error).context(format!("making `{}`", self.path.display()))
            })
    }

    /// Takes the worker's lock; none when a worker lives.
    pub fn try_lock(&self) -> Result<Option<File>> {
        let path = self.lock();
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| Error::from(error).context(format!("opening `{}`", path.display())))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(Error::from(error).context(format!("locking `{}`", path.display())))
            }
        }
    }

    /// Whether a worker holds the lock.
    pub fn is_locked(&self) -> bool {
        matches!(self.try_lock(), Ok(None))
    }

    /// How `attempt` ended, if it has ended.
    pub fn ending(&self, attempt: u32) -> Result<Option<Outcome>> {
        let ending: Option<Ending> = read_json(&self.outcome())?;
        Ok(ending
            .filter(|ending| ending.attempt == attempt)
            .map(|ending| ending.outcome))
    }

    /// Which process is at it, or was last.
    pub fn stamp(&self) -> Result<Option<WorkerStamp>> {
        read_json(&self.worker())
    }

    /// The last line that is not empty in `stderr`, at most 300 characters of it.
    pub fn last_words(&self) -> Option<String> {
        let text = read_tail(&self.stderr(), 8 * 1024).ok()?;
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty())?;
        Some(line.chars().take(300).collect())
    }
}

/// The last `bytes` of a file as text.
fn read_tail(path: &Path, bytes: u64) -> Result<String> {
    use std::io::Seek as _;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(std::io::SeekFrom::Start(length.saturating_sub(bytes)))?;
    let mut buffer = Vec::new();
    file.take(bytes).read_to_end(&mut buffer)?;
    Ok(String::from_utf8_lossy(&buffer).into_owned())
}

/// The value in a JSON file; none when there is no such file.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(Error::from(error).context(format!("reading `{}`", path.display())));
        }
    };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|error| Error::from(error).context(format!("reading `{}`", path.display())))
}

/// Writes a JSON file so that a reader sees the old one or the new one, whole, whatever happens in between:
/// temporary name, fsync, rename, fsync of the folder.
pub fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let bytes = serde_json::to_vec(value)?;
    write_whole(path, &bytes)
        .map_err(|error| Error::from(error).context(format!("writing `{}`", path.display())))
}

fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.tmp"));
    let named = || {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    };
    if let Err(error) = named() {
        // the first error is the one to tell; a full disk gets its bytes back
        let _ = std::fs::remove_file(&temporary);
        return Err(error);
    }
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// When the process began, in clock ticks since the machine started.
pub fn process_start(pid: u32) -> Result<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // the command's name is in parentheses and may hold anything; field 22 is the 20th after it
    stat.rsplit_once(") ")
        .and_then(|(_, fields)| fields.split(' ').nth(19))
        .and_then(|ticks| ticks.parse().ok())
        .ok_or_else(|| Error::internal(format!("`/proc/{pid}/stat` is not understood")))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::job::{CommandSpec, JobResult};

    fn folder() -> (tempfile::TempDir, JobFolder) {
        let root = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(&root.path().join("7"));
        folder.create().unwrap();
        (root, folder)
    }

    #[test]
    fn what_cannot_be_written_leaves_no_half_of_it() {
        let (_root, folder) = folder();
        // a folder in its place: the rename fails when everything is written
        std::fs::create_dir_all(folder.outcome().join("full")).unwrap();
        let error = write_json(&folder.outcome(), &1).unwrap_err();
        assert!(error.message.contains("outcome.json"), "{error}");
        let names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(names, ["outcome.json"]);
    }

    #[test]
    fn an_order_survives_the_file_and_is_a_readable_spec() {
        let (_root, folder) = folder();
        let order = Order {
            job: JobId(7),
            attempt: 2,
            spec: JobSpec::Command(CommandSpec {
                command: vec!["true".into()],
                directory: "/".into(),
                environment: [("A".to_owned(), "b".to_owned())].into(),
                run: "r".into(),
            }),
        };
        write_json(&folder.spec(), &order).unwrap();
        assert_eq!(read_json::<Order>(&folder.spec()).unwrap(), Some(order));
        let text = std::fs::read_to_string(folder.spec()).unwrap();
        assert!(text.contains(r#""spec":{"command":{""#), "{text}");
    }

    #[test]
    fn an_earlier_attempts_outcome_is_not_this_ones() {
        let (_root, folder) = folder();
        let outcome = Outcome::Succeeded {
            result: JobResult::Command {
                status: 0,
                signal: None,
                error: None,
            },
        };
        write_json(
            &folder.outcome(),
            &Ending {
                attempt: 1,
                outcome: outcome.clone(),
            },
        )
        .unwrap();
        assert_eq!(folder.ending(2).unwrap(), None);
        assert_eq!(folder.ending(1).unwrap(), Some(outcome));
    }

    #[test]
    fn a_held_lock_is_seen() {
        let (_root, folder) = folder();
        let held = folder.try_lock().unwrap();
        assert!(held.is_some());
        assert!(folder.is_locked());
        drop(held);
        assert!(!folder.is_locked());
    }
}
