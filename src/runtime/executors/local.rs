//! Workers as processes of this machine. Each makes itself the leader of its own session (`worker.rs`), so that the
//! daemon's end and its terminal's are not theirs. The folder's lock is taken before the start and handed over as standard input: from the
//! start to the end of the worker it is held, without a gap that a restarted daemon could misread.

use super::Executor;
use crate::domain::allocator::FRUGAL;
use crate::domain::{Error, Result};
use crate::job_folder::process_start;
use crate::job_folder::{FOLDER_VARIABLE, JobFolder, LOCKED_VARIABLE};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// See the module's text.
pub struct Local {
    program: PathBuf,
    children: Mutex<HashMap<PathBuf, Started>>,
}

/// A worker that this process started: to be waited for, and to be told apart from one that it found.
enum Started {
    Living(Child),
    Ended(ExitStatus),
}

impl Local {
    /// Workers of this same program.
    pub fn of_this_program() -> Result<Self> {
        let program = std::env::current_exe().map_err(|error| {
            Error::unavailable("the path of this program is not known").because(error)
        })?;
        Ok(Self::of(program))
    }

    /// Workers started as `program worker FOLDER`.
    pub fn of(program: PathBuf) -> Self {
        Self {
            program,
            children: Mutex::default(),
        }
    }

    fn children(&self) -> MutexGuard<'_, HashMap<PathBuf, Started>> {
        self.children.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The worker's process: our child, or the process of `worker.json` if it is still the same one.
    fn process(&self, folder: &JobFolder) -> Result<Option<Pid>> {
        let pid = match self.children().get(folder.path()) {
            Some(Started::Living(child)) => child.id(),
            Some(Started::Ended(_)) => return Ok(None),
            None => match folder.stamp()? {
                Some(stamp) if process_start(stamp.pid).ok() == Some(stamp.start) => stamp.pid,
                _ => return Ok(None),
            },
        };
        Ok(raw(pid))
    }
}

impl Executor for Local {
    fn start(&self, folder: &JobFolder) -> Result<u32> {
        let lock = folder.try_lock()?.ok_or_else(|| {
            Error::conflict(format!(
                "a worker is already at `{}`",
                folder.path().display()
            ))
        })?;
        let mut command = Command::new(&self.program);
        for (name, _) in FRUGAL {
            command.env_remove(name);
        }
        let child = command
            .arg("worker")
            .arg(folder.path())
            .env(FOLDER_VARIABLE, folder.path())
            .env(LOCKED_VARIABLE, "1")
            .current_dir(folder.path())
            .stdin(Stdio::from(lock))
            .stdout(Stdio::from(output(&folder.stdout())?))
            .stderr(Stdio::from(output(&folder.stderr())?))
            .spawn()
            .map_err(|error| {
                Error::from(error).context(format!("starting `{}`", self.program.display()))
            })?;
        let pid = child.id();
        self.children()
            .insert(folder.path().to_owned(), Started::Living(child));
        Ok(pid)
    }

    fn alive(&self, folder: &JobFolder) -> bool {
        if let Some(started) = self.children().get_mut(folder.path()) {
            if let Started::Living(child) = started {
                // an error means that somebody else waited for it: it is gone
                match child.try_wait() {
                    Ok(None) => return true,
                    Ok(Some(status)) => *started = Started::Ended(status),
                    Err(_) => *started = Started::Ended(ExitStatus::default()),
                }
            }
            return false;
        }
        folder.is_locked()
    }

    fn terminate(&self, folder: &JobFolder) -> Result<()> {
        match self.process(folder)? {
            Some(pid) => signal(pid, Signal::TERM),
            None => Ok(()),
        }
    }

    fn kill(&self, folder: &JobFolder) -> Result<()> {
        if let Some(pid) = self.process(folder)? {
            signal(pid, Signal::KILL)?;
        }
        for pid in descendants(folder.path()) {
            signal(pid, Signal::KILL)?;
        }
        Ok(())
    }

    fn obituary(&self, folder: &JobFolder) -> String {
        let ended = match self.children().remove(folder.path()) {
            Some(Started::Ended(status)) => Some(status),
            Some(Started::Living(_)) | None => None,
        };
        let how = match ended.map(|status| (status.signal(), status.code())) {
            Some((Some(9), _)) => "killed by signal 9: out of memory or kill -9".to_owned(),
            Some((Some(signal), _)) => format!("killed by signal {signal}"),
            Some((None, Some(code))) => {
                format!("the worker ended with exit status {code} and no outcome")
            }
            _ => "the worker vanished without an outcome".to_owned(),
        };
        let how = match rustix::fs::statvfs(folder.path()) {
            Ok(disk) if disk.f_bavail == 0 => format!("{how}: the disk is full"),
            _ => how,
        };
        match folder.last_words() {
            Some(words) => format!("{how}; its last words: {words}"),
            None => how,
        }
    }
}

fn raw(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// A process that is already gone needs no signal.
fn signal(pid: Pid, signal: Signal) -> Result<()> {
    match kill_process(pid, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(
            Error::internal(format!("signalling process {}", pid.as_raw_nonzero())).because(error),
        ),
    }
}

/// Processes that carry the folder in their environment: what the worker started, and itself. A number alone could
/// by now be a stranger's.
fn descendants(folder: &Path) -> Vec<Pid> {
    let mut mark = format!("{FOLDER_VARIABLE}=").into_bytes();
    mark.extend_from_slice(folder.as_os_str().as_encoded_bytes());
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| {
            std::fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|byte| *byte == 0).any(|v| v == mark))
        })
        .filter_map(raw)
        .collect()
}

fn output(path: &Path) -> Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| Error::from(error).context(format!("opening `{}`", path.display())))
}
