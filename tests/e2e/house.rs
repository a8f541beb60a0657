//! A workspace in a temporary folder, and the program run in it. When it goes, its daemon and workers go.

use crate::wire::{self, Answer};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take on a machine that is busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// Looks until `what` is there.
pub fn until<T>(doing: &str, mut what: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = what() {
            return found;
        }
        assert!(Instant::now() < end, "it did not happen: {doing}");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A command that has ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code.
    pub code: i32,
    /// All of it.
    pub stdout: String,
    /// All of it.
    pub stderr: String,
}

/// A command that runs, its output going to files, so that no daemon that it starts holds a pipe of ours.
pub struct Going {
    child: Child,
    stdout: File,
    stderr: File,
    said: String,
}

impl Going {
    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let said = self.said.clone();
        let status = until(&said, || self.child.try_wait().unwrap());
        let text = |mut file: File| {
            let mut text = String::new();
            file.rewind().unwrap();
            file.read_to_string(&mut text).unwrap();
            text
        };
        Ended {
            code: status.code().unwrap_or(-1),
            stdout: text(self.stdout),
            stderr: text(self.stderr),
        }
    }
}

/// See the module's text.
pub struct House {
    root: TempDir,
}

impl House {
    /// A workspace with this configuration.
    pub fn new(configuration: &str) -> Self {
        let house = Self::bare();
        house.write("trainyard.toml", configuration);
        house
    }

    /// A folder that is no workspace.
    pub fn bare() -> Self {
        Self {
            root: tempfile::Builder::new().prefix("ty").tempdir().unwrap(),
        }
    }

    /// A workspace with one of the small data sets as `data.csv` or `data.parquet`, its pipeline and deployment all called
    /// `name`; `more` is added to the pipeline.
    pub fn with(name: &str, ending: &str, target: &str, more: &str) -> Self {
        let house = Self::new(&format!(
            "server = {{ listen = \"127.0.0.1:0\" }}\n\
             [dataset.{name}]\n\
             path = \"data.{ending}\"\n\
             [pipeline.{name}]\n\
             dataset = \"{name}\"\n\
             target = \"{target}\"\n\
             {more}\n\
             [deployment.{name}]\n"
        ));
        std::fs::copy(
            fixture(&format!("{name}.{ending}")),
            house.path(&format!("data.{ending}")),
        )
        .unwrap();
        house
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path(name), content).unwrap();
    }

    /// The program, to be run in the workspace by `ada`.
    pub fn program(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_trainyard"));
        for name in ["TRAINYARD_SERVER", "TRAINYARD_TOKEN", "NO_COLOR"] {
            command.env_remove(name);
        }
        command
            .env("TRAINYARD_USER", "ada")
            .current_dir(self.root.path())
            .stdin(Stdio::null());
        command
    }

    /// Starts a command.
    pub fn start(&self, arguments: &[&str]) -> Going {
        let (stdout, stderr) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let child = self
            .program()
            .args(arguments)
            .stdout(stdout.try_clone().unwrap())
            .stderr(stderr.try_clone().unwrap())
            .spawn()
            .unwrap();
        Going {
            child,
            stdout,
            stderr,
            said: format!("the end of `trainyard {}`", arguments.join(" ")),
        }
    }

    /// Runs a command to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).end()
    }

    /// Runs a command that must end with `code`; what it said on stderr.
    pub fn refused(&self, code: i32, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:?}");
        ended.stderr
    }

    /// Runs a command that must succeed; what it printed.
    pub fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {ended:?}");
        ended.stdout
    }

    /// Runs a command that must succeed with `--json`; its document.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let mut all = arguments.to_vec();
        all.push("--json");
        serde_json::from_str(&self.done(&all)).unwrap()
    }

    /// Where the daemon's HTTP listens.
    pub fn http(&self) -> String {
        text(&self.json(&["status"])["http"])
    }

    /// The daemon's process.
    pub fn daemon(&self) -> i32 {
        number(&self.json(&["status"])["pid"])
    }

    /// Asks by HTTP for a path.
    pub fn get(&self, path: &str) -> Answer {
        wire::Line::to(&self.http()).ask("GET", path, "")
    }

    /// Sends JSON by HTTP.
    pub fn post(&self, path: &str, body: &Value) -> Answer {
        wire::Line::to(&self.http()).ask("POST", path, &body.to_string())
    }

    /// The newest job of a kind, once it is in `state`.
    pub fn job(&self, kind: &str, state: &str) -> Value {
        until(&format!("a {kind} job is {state}"), || {
            let page = self.json(&["jobs", "list"]);
            let mut jobs: Vec<Value> = page["rows"]
                .as_array()?
                .iter()
                .map(|row| row["job"].clone())
                .filter(|job| job["kind"] == kind)
                .collect();
            jobs.sort_by_key(|job| job["id"].as_i64());
            jobs.pop().filter(|job| job["state"] == state)
        })
    }

    /// A file in a job's folder.
    pub fn in_job(&self, job: &Value, name: &str) -> PathBuf {
        self.path(&format!(".trainyard/jobs/{}/{name}", job["id"]))
    }
}

impl Drop for House {
    fn drop(&mut self) {
        // a number that is somebody else's by now does not carry our folder
        let ours = self.root.path().to_string_lossy().into_owned();
        let carries = |pid: i32, file: &str| {
            let said = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            String::from_utf8_lossy(&said).contains(&ours)
        };
        let stamp = std::fs::read(self.path(".trainyard/daemon.json")).unwrap_or_default();
        let stamp: Value = serde_json::from_slice(&stamp).unwrap_or_default();
        if let Some(pid) = stamp["pid"]
            .as_i64()
            .and_then(|pid| i32::try_from(pid).ok())
            && carries(pid, "cmdline")
        {
            signal(pid, Signal::KILL);
        }
        // workers and what they started know the folder of their job
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = process.file_name();
            if let Some(pid) = name.to_str().and_then(|name| name.parse().ok())
                && carries(pid, "environ")
            {
                signal(pid, Signal::KILL);
            }
        }
    }
}

/// One of the small data sets.
pub fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/small")
        .join(name)
}

/// Signals a process, which may be gone.
pub fn signal(pid: i32, signal: Signal) {
    let _ = kill_process(Pid::from_raw(pid).unwrap(), signal);
}

/// The letter of a process's state; none when it is gone. One that ended and is not waited for yet is gone.
pub fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let letter = stat.rsplit_once(") ")?.1.chars().next()?;
    (letter != 'Z').then_some(letter)
}

/// A text of a document.
pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("no text: {value}"))
        .to_owned()
}

/// A small number of a document.
pub fn number(value: &Value) -> i32 {
    let number = value
        .as_i64()
        .unwrap_or_else(|| panic!("no number: {value}"));
    i32::try_from(number).unwrap()
}
