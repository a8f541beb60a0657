//! The two servers as processes on free ports, and what they weigh. They end when they are dropped.

use std::error::Error;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::wire::Line;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

/// A server that answers.
pub struct Server {
    child: Child,
    /// `host:port`.
    pub address: String,
    /// From its start until it answered `/health`, seconds.
    pub start: f64,
}

impl Server {
    /// Our own, on a workspace.
    pub fn trainyard(root: &Path) -> Outcome<Self> {
        Self::of(Path::new(env!("CARGO_BIN_EXE_trainyard")), root)
    }

    /// The same from another build of the program.
    pub fn of(program: &Path, root: &Path) -> Outcome<Self> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .arg("--workspace")
            .arg(root)
            .args(["up", "--foreground", "--listen"])
            .arg(format!("127.0.0.1:{port}"));
        Self::begin(command, port)
    }

    /// MLflow's as its documentation starts it, on a SQLite file.
    pub fn mlflow(program: &Path, root: &Path) -> Outcome<Self> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .arg("server")
            .arg("--backend-store-uri")
            .arg(format!("sqlite:///{}", root.join("mlflow.db").display()))
            .arg("--artifacts-destination")
            .arg(root.join("artifacts"))
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .current_dir(root);
        Self::begin(command, port)
    }

    /// Feast's feature server on a repository that was applied.
    #[allow(dead_code, reason = "one bench has this peer")]
    pub fn feast(program: &Path, repository: &Path) -> Outcome<Self> {
        let port = free_port()?;
        let mut command = Command::new(program);
        command
            .args(["serve", "--port", &port.to_string()])
            .current_dir(repository);
        Self::begin(command, port)
    }

    /// Processor time of the process and of all that it started, seconds.
    #[allow(dead_code, reason = "not every bench asks")]
    pub fn processor(&self) -> Outcome<f64> {
        let mut ticks = 0;
        let mut processes = vec![self.child.id()];
        while let Some(process) = processes.pop() {
            let Ok(stat) = std::fs::read_to_string(format!("/proc/{process}/stat")) else {
                continue;
            };
            let rest = stat
                .rsplit_once(") ")
                .ok_or("no statistics of a process")?
                .1;
            // user, system, and both of children that ended and were waited for
            let times = rest.split(' ').skip(11).take(4);
            ticks += times.filter_map(|one| one.parse::<u64>().ok()).sum::<u64>();
            processes.extend(Self::children(process));
        }
        Ok(ticks as f64 / 100.0)
    }

    fn children(process: u32) -> Vec<u32> {
        let mut found = Vec::new();
        let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else {
            return found;
        };
        for thread in threads.flatten() {
            let children = std::fs::read_to_string(thread.path().join("children"));
            found.extend(
                children
                    .unwrap_or_default()
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
        }
        found
    }

    fn begin(mut command: Command, port: u16) -> Outcome<Self> {
        let began = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        let mut server = Self {
            child,
            address: format!("127.0.0.1:{port}"),
            start: 0.0,
        };
        loop {
            let healthy = TcpStream::connect(&server.address).is_ok()
                && Line::try_to(&server.address)
                    .and_then(|mut line| line.try_ask("GET", "/health", ""))
                    .is_ok_and(|answer| answer.status == 200);
            if healthy {
                server.start = began.elapsed().as_secs_f64();
                return Ok(server);
            }
            if let Some(status) = server.child.try_wait()? {
                return Err(format!("the server ended with {status}").into());
            }
            if began.elapsed() > Duration::from_secs(300) {
                return Err("the server does not answer".into());
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Memory of the process and its children that no other program shares the cost of, MiB (proportional set size).
    pub fn memory(&self) -> Outcome<f64> {
        let mut kib = 0;
        let mut processes = vec![self.child.id()];
        while let Some(process) = processes.pop() {
            let Ok(text) = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")) else {
                continue;
            };
            kib += text
                .lines()
                .find_map(|line| line.strip_prefix("Pss:"))
                .and_then(|rest| {
                    rest.trim()
                        .trim_end_matches("kB")
                        .trim()
                        .parse::<u64>()
                        .ok()
                })
                .unwrap_or(0);
            processes.extend(Self::children(process));
        }
        Ok(kib as f64 / 1024.0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // TERM, so that a server with workers ends them too; who is gone already needs nothing
        if let Ok(id) = i32::try_from(self.child.id())
            && let Some(id) = rustix::process::Pid::from_raw(id)
        {
            let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
