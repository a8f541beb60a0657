//! Starts a workspace's daemon, once, however many ask at the same time.

use super::Client;
use crate::domain::allocator::FRUGAL;
use crate::domain::{Error, ErrorKind, Result};
use crate::workspace::Workspace;
use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a daemon may take until it answers.
const START: Duration = Duration::from_secs(5);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Takes the start lock, and starts the daemon unless one answers by then.
pub(super) fn start(client: &Client, workspace: &Workspace, options: &[&str]) -> Result<()> {
    workspace.create()?;
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(workspace.start_lock())?;
    lock.lock()?;
    if client.hello().is_ok() {
        return Ok(());
    }
    let path = workspace.logs().join("daemon.out");
    let output = File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)?;
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["up", "--foreground", "--workspace"])
        .arg(workspace.root())
        .envs(FRUGAL)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .current_dir(workspace.root());
    command.args(options);
    let mut child = command
        .spawn()
        .map_err(|error| Error::unavailable("the daemon cannot be started").because(error))?;
    let began = Instant::now();
    loop {
        let ended = child.try_wait()?;
        match client.hello() {
            Ok(_) => return Ok(()),
            Err(error) if error.kind == ErrorKind::Unavailable => {}
            Err(error) => return Err(error),
        }
        let said = || {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            lines[lines.len().saturating_sub(10)..].join("\n")
        };
        if let Some(status) = ended {
            let said = match said() {
                nothing if nothing.is_empty() && is_full(workspace) => format!(
                    "the disk of `{}` is full: free some space",
                    workspace.root().display()
                ),
                said => said,
            };
            return Err(Error::unavailable(format!(
                "the daemon ended at once ({status}): {said}"
            )));
        }
        if began.elapsed() > START {
            return Err(Error::unavailable(format!(
                "the daemon does not answer after {} seconds; `{}` says: {}",
                START.as_secs(),
                path.display(),
                said()
            )));
        }
        std::thread::sleep(PAUSE);
    }
}

/// Whether nothing can be written: then a daemon cannot even leave its last words.
fn is_full(workspace: &Workspace) -> bool {
    rustix::fs::statvfs(workspace.root()).is_ok_and(|disk| disk.f_bavail == 0)
}
