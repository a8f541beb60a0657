//! `up`, `down`, `status`: the daemon's life.

use super::connect::{Connection, snapshot, unexpected};
use super::output::{Output, age};
use super::{Exit, Failure, Result};
use crate::api::client::{Address, Client};
use crate::api::protocol::{Command, Overview, Snapshot, Topic};
use crate::domain::allocator::FRUGAL;
use crate::domain::deployment::Deployment;
use crate::domain::{Error, ErrorKind};
use crate::workspace::Workspace;
use clap::Args;
use std::os::unix::process::CommandExt as _;

/// Arguments of `up`.
#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// Where HTTP listens; port 0 asks for a free one
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<String>,
    /// A proxy in front does TLS: every caller by HTTP needs a token
    #[arg(long)]
    behind_proxy: bool,
    /// For one question of the command line: as without a proxy
    #[arg(long, hide = true)]
    alone: bool,
    /// Stay in this terminal
    #[arg(long)]
    foreground: bool,
}

pub(crate) fn up(args: &UpArgs, connection: &Connection, output: &Output) -> Result<Exit> {
    let workspace = connection.configured()?;
    if args.foreground {
        become_frugal();
        let mut config = crate::service::configuration::load(&workspace)?;
        config.behind_proxy = (config.behind_proxy || args.behind_proxy) && !args.alone;
        crate::daemon::run(workspace, config, args.listen.as_deref(), true)?;
        return Ok(Exit::Done);
    }
    crate::service::configuration::load(&workspace)?;
    if let Ok(client) = Client::connect(&workspace, super::connect::user(), false) {
        let overview = overview(&client)?;
        if args
            .listen
            .as_ref()
            .is_some_and(|listen| *listen != overview.http)
        {
            return Err(Error::conflict(format!(
                "the daemon runs already, on {}: `trainyard down` stops it",
                overview.http
            ))
            .into());
        }
        return say(&client, &overview, output);
    }
    let mut options: Vec<&str> = Vec::new();
    if let Some(listen) = &args.listen {
        options.extend(["--listen", listen.as_str()]);
    }
    if args.behind_proxy {
        options.push("--behind-proxy");
    }
    let client = Client::start(&workspace, super::connect::user(), &options)?;
    let overview = overview(&client)?;
    say(&client, &overview, output)
}

/// The allocator reads its settings before `main`: without them this process begins once more, with them. When that
/// fails it goes on as it is, and takes more memory.
fn become_frugal() {
    let set = |(name, _): &(&str, &str)| std::env::var_os(name).is_some();
    if FRUGAL.iter().any(set) {
        return;
    }
    if let Ok(program) = std::env::current_exe() {
        let _ = std::process::Command::new(program)
            .args(std::env::args_os().skip(1))
            .envs(FRUGAL)
            .exec();
    }
}

pub(crate) fn down(connection: &Connection, output: &Output) -> Result<Exit> {
    let client = connection.client(false)?;
    client.command(&Command::Shutdown)?;
    // The answer comes before the end: the socket falls silent first, the lock is free when the process is gone.
    for _ in 0..200 {
        if client.snapshots(&[Topic::Overview]).is_err() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(25));
    }
    if !connection.remote() {
        await_end(&connection.workspace()?)?;
    }
    if output.json {
        output.document(&serde_json::json!({ "stopped": true }))?;
    }
    output.line("stopped; jobs that were running go on");
    Ok(Exit::Done)
}

/// Waits until the daemon has let go of its workspace.
fn await_end(workspace: &Workspace) -> Result<()> {
    let lock = std::fs::File::open(workspace.lock())?;
    for _ in 0..1_000 {
        match lock.try_lock_shared() {
            Err(std::fs::TryLockError::WouldBlock) => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            // whatever else is wrong with the lock: nobody holds it
            Ok(()) | Err(std::fs::TryLockError::Error(_)) => return Ok(()),
        }
    }
    Err(Error::unavailable(format!(
        "the daemon of `{}` was asked to stop and has not ended after 10 seconds: its log in `{}` says what it does",
        workspace.root().display(),
        workspace.logs().display()
    ))
    .into())
}

pub(crate) fn status(connection: &Connection, output: &Output) -> Result<Exit> {
    let client = connection
        .client(false)
        .map_err(|failure| match failure.error.kind {
            ErrorKind::Unavailable => Failure::unreachable(failure.error),
            _ => failure,
        })?;
    let overview = overview(&client)?;
    say(&client, &overview, output)
}

fn overview(client: &Client) -> Result<Overview> {
    match snapshot(client, &Topic::Overview)? {
        Snapshot::Overview(overview) => Ok(overview),
        _ => Err(unexpected()),
    }
}

fn deployments(client: &Client) -> Result<Vec<Deployment>> {
    let mut found: Vec<Deployment> = Vec::new();
    let Snapshot::Live(Some(first)) = snapshot(
        client,
        &Topic::Live {
            deployment: None,
            window_s: 60,
        },
    )?
    else {
        return Ok(found);
    };
    for name in first.deployments {
        if let Snapshot::Live(Some(page)) = snapshot(
            client,
            &Topic::Live {
                deployment: Some(name),
                window_s: 60,
            },
        )? {
            found.push(page.deployment);
        }
    }
    Ok(found)
}

fn say(client: &Client, overview: &Overview, output: &Output) -> Result<Exit> {
    let deployments = deployments(client)?;
    let now = chrono::Utc::now().timestamp_millis();
    let pid = client.hello()?.2;
    let uptime = (now - overview.started.0).max(0);
    if output.json {
        output.document(&serde_json::json!({
            "pid": pid,
            "version": overview.version,
            "http": overview.http,
            "fingerprint": overview.fingerprint,
            "workspace": overview.path,
            "uptime_s": uptime / 1000,
            "jobs": { "running": overview.running, "waiting": overview.waiting },
            "deployments": deployments,
        }))?;
        return Ok(Exit::Done);
    }
    let place = client.address.place();
    output.line(format!(
        "{} {} up {}, pid {pid}",
        overview.workspace,
        overview.version,
        age(uptime)
    ));
    match &overview.fingerprint {
        None => output.line(format!("  http      http://{}", overview.http)),
        Some(fingerprint) => {
            output.line(format!("  http      https://{}", overview.http));
            output.line(format!("  certificate  {fingerprint}"));
        }
    }
    let way = match client.address {
        Address::Socket(_) => "socket  ",
        _ => "attached",
    };
    output.line(format!("  {way}  {place}"));
    output.line(format!(
        "  jobs      {} running, {} waiting",
        overview.running, overview.waiting
    ));
    for deployment in deployments {
        let version = deployment
            .version
            .map_or_else(|| "nothing yet".to_owned(), |version| version.to_string());
        let reason = deployment
            .reason
            .map(|reason| format!("  ({reason})"))
            .unwrap_or_default();
        output.line(format!(
            "  serving   {} answers with {} {version}{reason}",
            deployment.name, deployment.model
        ));
    }
    Ok(Exit::Done)
}
