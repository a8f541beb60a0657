//! The composition root: takes the workspace's lock, opens the store, builds the services, starts runtime, http and
//! api, says where it is, and stops them in order. Holds no rule and knows no handler.

mod certificate;
mod door;
mod log_file;

use self::certificate::Certificate;
use self::door::{Door, SocketDoor};
use self::log_file::LogFile;
use crate::api::protocol::PROTOCOL;
use crate::api::server;
use crate::config::Config;
use crate::domain::{Clock, Error, Result, SystemClock, Timestamp};
use crate::http::access::{Peer, protect};
use crate::http::guard::{self, Guard};
use crate::job_folder::{read_json, write_json};
use crate::runtime::Runtime;
use crate::runtime::executors::Local;
use crate::service::{Pipelines, Services};
use crate::workspace::Workspace;
use axum::Router;
use serde::{Deserialize, Serialize};
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, IsTerminal as _, Write as _};
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tracing::{error, info, warn};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Where HTTP listens when nobody says.
const LISTEN: &str = "127.0.0.1:5000";
/// Days of logs kept.
const LOGS: usize = 14;
/// How long requests in flight may take once the daemon is to end.
const DRAIN: Duration = Duration::from_secs(2);
/// How long a new daemon waits for one that is about to end.
const ENDING: Duration = Duration::from_secs(4);
/// Time between two looks at it.
const PAUSE: Duration = Duration::from_millis(5);
/// Threads that wait for the store or for a model at once.
const BLOCKING: usize = 32;

/// `daemon.json`: who runs and where it listens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonFile {
    /// The process.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// Where HTTP listens: `127.0.0.1:5000`.
    pub http: String,
    /// SHA-256 of the certificate, where HTTP speaks TLS: `sha256:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// The socket's path.
    pub socket: PathBuf,
    /// When it started.
    pub started: Timestamp,
    /// The protocol it speaks.
    pub protocol: u32,
}

/// Runs the daemon of `workspace` until TERM, INT or a request to stop. `listen` wins over the configuration.
/// `foreground`: it may belong to a terminal, whose end is its own; else it becomes the leader of a session.
///
/// Where other machines could reach it (an address that is not loopback, or a proxy in front), it listens only when there
/// is a token, and with TLS unless the proxy does that.
///
/// # Errors
/// [`crate::domain::ErrorKind::Conflict`] when another daemon runs here or a chosen address is taken,
/// [`crate::domain::ErrorKind::Invalid`] when it would be open to other machines without a token.
pub fn run(
    workspace: Workspace,
    config: Config,
    listen: Option<&str>,
    foreground: bool,
) -> Result<()> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let started = clock.now();
    workspace.create()?;
    let mut lock = lock(&workspace)?;
    let attached = foreground && std::io::stdin().is_terminal();
    if !attached {
        // refused to a leader of a process group, which is out of a terminal's reach as well
        let _ = rustix::process::setsid();
    }
    log_to(&workspace, attached)?;
    // the lock says that nobody else answers: what is there is stale
    write!(lock, "{}", std::process::id())?;
    remove(&workspace.daemon_file())?;
    let chosen = listen.map(str::to_owned).or_else(|| config.listen.clone());
    let (tls, behind_proxy) = (config.tls.clone(), config.behind_proxy);
    let unix = bind_unix(&workspace.socket())?;

    let services = Services::open(workspace, config, clock)?;
    let workspace = &services.core.workspace;
    if behind_proxy {
        services.access.set_behind_proxy();
    }
    let is_near = is_loopback(chosen.as_deref())?;
    if (!is_near || behind_proxy) && !services.access.is_reachable() {
        remove(&workspace.socket())?;
        return Err(no_token(chosen.as_deref(), behind_proxy));
    }
    let last = last_address(&services)?;
    let tcp = bind_tcp(chosen.as_deref(), last)?;
    let address = tcp.local_addr()?;
    let http = address.to_string();
    // what other machines may call this one
    let called = match is_near {
        true => Vec::new(),
        false => certificate::names(address.ip()),
    };
    let certificate = match (&tls, is_near || behind_proxy) {
        (None, true) => None,
        (files, _) => Some(certificate::load(
            workspace,
            files.as_ref(),
            &certificate::names(address.ip()),
            started,
        )?),
    };
    let fingerprint = certificate.as_ref().map(|one| one.fingerprint.clone());
    let config = certificate.map(
        |Certificate {
             config,
             path,
             fingerprint,
         }| {
            info!(certificate = %path.display(), fingerprint, "HTTP speaks TLS");
            config
        },
    );
    if let Err(error) = services.serving.reconcile(&services) {
        // the deployment says why it does not answer; everything else works
        warn!(%error, "a deployment was not brought up");
    }
    let recalling = Arc::clone(&services);
    let recall = std::thread::Builder::new().name("recall".to_owned());
    // screens show the hour before the start a moment later; nobody waits for it
    recall.spawn(move || {
        if let Err(error) = recalling.serving.recall(started) {
            warn!(%error, "the traffic of the last hour is not known");
        }
    })?;
    let runtime = Runtime::start(&services, Arc::new(Local::of_this_program()?))?;
    let (stop, stopping) = watch::channel(false);
    let app = routes(
        &services,
        &runtime,
        (&http, fingerprint.clone(), called),
        started,
        stop.clone(),
    );
    let file = DaemonFile {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        http: http.clone(),
        fingerprint,
        socket: workspace.socket(),
        started,
        protocol: PROTOCOL,
    };
    let edges = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING)
        .thread_name("edge")
        .enable_all()
        .build()?;
    let served = edges.block_on(async {
        write_json(&workspace.last_address(), &address)?;
        write_json(&workspace.daemon_file(), &file)?;
        info!(pid = file.pid, http, workspace = %workspace.root().display(), version = file.version, "daemon ready");
        tcp.set_nonblocking(true)?;
        let door = Door {
            tcp: tokio::net::TcpListener::from_std(tcp)?,
            tls: config,
        };
        serve(app, door, unix, stop, stopping, attached).await
    });
    info!("daemon stopping");
    // nobody is let in any more: say so before what takes time
    let forgotten = remove(&workspace.daemon_file()).and(remove(&workspace.socket()));
    // open event streams end with their connections
    edges.shutdown_timeout(DRAIN);
    runtime.stop();
    if let Err(error) = services.serving.flush() {
        error!(%error, "served rows were not written");
    }
    if let Err(error) = services.access.write_uses() {
        error!(%error, "the last uses of tokens were not written");
    }
    info!("daemon stopped");
    served.and(forgotten)
}

/// All routes: MLflow, inference, features and health, and the dashboard's own two.
fn routes(
    services: &Arc<Services>,
    runtime: &Arc<Runtime>,
    (http, fingerprint, called): (&str, Option<String>, Vec<String>),
    started: Timestamp,
    stop: watch::Sender<bool>,
) -> Router {
    let pipelines: Arc<dyn Pipelines> = Arc::clone(runtime) as _;
    let mut context = server::Context::new(
        Arc::clone(services),
        pipelines,
        started,
        http.to_owned(),
        stop,
    );
    context.fingerprint = fingerprint;
    let router = Router::new()
        .merge(server::router(Arc::new(context)))
        .merge(crate::http::router(services));
    let mut names = services.core.config().hosts.clone();
    names.extend(called);
    guard::guarded(protect(router, services), Guard::new(http, &names))
}

/// Whether an address is of the loopback kind: only this machine reaches it. A name counts as what it stands for.
fn is_loopback(chosen: Option<&str>) -> Result<bool> {
    let chosen = chosen.unwrap_or(LISTEN);
    let mut addresses = chosen.to_socket_addrs().map_err(|error| {
        Error::invalid(format!(
            "cannot listen on `{chosen}`: give an address and a port of this machine"
        ))
        .because(error)
    })?;
    Ok(addresses.all(|address| address.ip().to_canonical().is_loopback()))
}

/// Why the daemon does not listen.
fn no_token(chosen: Option<&str>, behind_proxy: bool) -> Error {
    let why = match behind_proxy {
        true => "a proxy makes this server reachable".to_owned(),
        false => format!(
            "`{}` can be reached from other machines",
            chosen.unwrap_or(LISTEN)
        ),
    };
    Error::invalid(format!(
        "{why} and there is no token yet: `trainyard tokens create NAME --role admin` makes the first one, then start again"
    ))
}

/// Answers on both doors until a signal or a request says stop, then lets requests in flight end.
async fn serve(
    app: Router,
    tcp: Door,
    unix: UnixListener,
    stop: watch::Sender<bool>,
    stopping: watch::Receiver<bool>,
    attached: bool,
) -> Result<()> {
    unix.set_nonblocking(true)?;
    let unix = SocketDoor::new(tokio::net::UnixListener::from_std(unix)?);
    let app = app.into_make_service_with_connect_info::<Peer>();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let said = |mut stopping: watch::Receiver<bool>| async move {
        // an error means that the sender is gone, which is an end as well
        let _ = stopping.wait_for(|stop| *stop).await;
    };
    let by_tcp = tokio::spawn(
        axum::serve(tcp, app.clone())
            .with_graceful_shutdown(said(stopping.clone()))
            .into_future(),
    );
    let by_unix = tokio::spawn(
        axum::serve(unix, app)
            .with_graceful_shutdown(said(stopping.clone()))
            .into_future(),
    );
    let asked = said(stopping);
    tokio::pin!(asked);
    loop {
        tokio::select! {
            () = &mut asked => { info!("asked to stop"); break }
            _ = terminate.recv() => { info!("TERM"); break }
            _ = interrupt.recv() => { info!("INT"); break }
            // a terminal that goes takes with it only what belongs to it
            _ = hangup.recv() => if attached { info!("HUP"); break },
        }
    }
    stop.send_replace(true);
    let drained = async {
        for door in [by_tcp, by_unix] {
            match door.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!(%error, "a door closed badly"),
                Err(error) => warn!(%error, "a door closed badly"),
            }
        }
    };
    if tokio::time::timeout(DRAIN, drained).await.is_err() {
        info!("requests were still in flight, not waiting longer");
    }
    Ok(())
}

/// The lock for life.
fn lock(workspace: &Workspace) -> Result<File> {
    let path = workspace.lock();
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(|error| Error::from(error).context(format!("opening `{}`", path.display())))?;
    let until = Instant::now() + ENDING;
    let locked = loop {
        match file.try_lock() {
            // no file says where it answers: it begins or ends, and an end is worth waiting for
            Err(TryLockError::WouldBlock)
                if !workspace.daemon_file().exists() && Instant::now() < until =>
            {
                std::thread::sleep(PAUSE);
            }
            outcome => break outcome,
        }
    };
    match locked {
        Ok(()) => {
            file.set_len(0)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let pid = std::fs::read_to_string(&path).unwrap_or_default();
            let who = match pid.trim() {
                "" => String::new(),
                pid => format!(" (pid {pid})"),
            };
            Err(Error::conflict(format!(
                "a daemon{who} already runs for `{}`: `trainyard status` tells where, `trainyard down` stops it",
                workspace.root().display()
            )))
        }
        Err(TryLockError::Error(error)) => {
            Err(Error::from(error).context(format!("locking `{}`", path.display())))
        }
    }
}

/// Structured lines, a file a day, in the workspace's log folder; on the terminal too when there is one.
fn log_to(workspace: &Workspace, attached: bool) -> Result<()> {
    let files = LogFile::open(&workspace.logs(), LOGS).map_err(|error| {
        Error::unavailable(format!(
            "no log can be written in `{}`",
            workspace.logs().display()
        ))
        .because(error)
    })?;
    let to_file = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_target(false)
        .with_thread_names(true)
        .with_writer(std::sync::Mutex::new(files));
    let to_terminal = attached.then(|| {
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_target(false)
            .with_writer(std::io::stderr)
    });
    let installed = tracing_subscriber::registry()
        .with(tracing_subscriber::filter::LevelFilter::INFO)
        .with(to_file)
        .with(to_terminal)
        .try_init();
    if installed.is_err() {
        // a second daemon in one process: tests
        return Ok(());
    }
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        error!(%panic, "a thread of the daemon panicked");
        usual(panic);
    }));
    Ok(())
}

/// Where the last daemon of this workspace listened, and whether commands that it started are at work and ask there.
struct Last {
    address: SocketAddr,
    asked: bool,
}

fn last_address(services: &Services) -> Result<Option<Last>> {
    // a file that says nothing costs the same port, not the start
    let address = match read_json(&services.core.workspace.last_address()) {
        Ok(address) => address,
        Err(error) => {
            warn!(%error, "where the last daemon listened is not known");
            None
        }
    };
    let running = services.jobs.running()?;
    let asked = running.iter().any(|job| job.kind == "command");
    Ok(address.map(|address| Last { address, asked }))
}

/// The address at which the last daemon listened, where it may be taken again: a free port was asked for on the same
/// interface, or the usual one, while commands ask at the last.
fn again(chosen: Option<&str>, last: &Last) -> bool {
    match chosen {
        None => last.asked && last.address.ip().is_loopback(),
        Some(chosen) => chosen.to_socket_addrs().is_ok_and(|mut addresses| {
            addresses.any(|address| address.port() == 0 && address.ip() == last.address.ip())
        }),
    }
}

/// The chosen address; without one 127.0.0.1:5000, or when that is taken the port of the `last` daemon or a free one. A
/// free port that is asked for is the last one, as long as that is free: who was told it finds the daemon again.
fn bind_tcp(chosen: Option<&str>, last: Option<Last>) -> Result<TcpListener> {
    let taken = |error: &std::io::Error| error.kind() == ErrorKind::AddrInUse;
    if let Some(last) = last.as_ref().filter(|last| again(chosen, last))
        && let Ok(listener) = TcpListener::bind(last.address)
    {
        return Ok(listener);
    }
    match (TcpListener::bind(chosen.unwrap_or(LISTEN)), chosen) {
        (Ok(listener), _) => Ok(listener),
        (Err(error), None) if taken(&error) => last
            .filter(|last| last.address.ip().is_loopback())
            .and_then(|last| TcpListener::bind(last.address).ok())
            .map_or_else(|| TcpListener::bind("127.0.0.1:0"), Ok)
            .map_err(|error| Error::unavailable("no port is free on 127.0.0.1").because(error)),
        (Err(error), Some(address)) if taken(&error) => Err(Error::conflict(format!(
            "`{address}` is taken by another program: choose another `server.listen` in trainyard.toml, or port 0 for a free one"
        ))),
        (Err(error), chosen) => Err(Error::invalid(format!(
            "cannot listen on `{}`: give an address and a port of this machine",
            chosen.unwrap_or(LISTEN)
        ))
        .because(error)),
    }
}

/// The socket, mode 0600 from its first moment under its name. A stale one is replaced: the caller holds the lock.
fn bind_unix(path: &Path) -> Result<UnixListener> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    remove(&new)?;
    let bound = || -> std::io::Result<UnixListener> {
        let listener = UnixListener::bind(&new)?;
        std::fs::set_permissions(&new, std::fs::Permissions::from_mode(0o600))?;
        std::fs::rename(&new, path)?;
        Ok(listener)
    };
    bound().map_err(|error| {
        Error::unavailable(format!("cannot listen on `{}`", path.display())).because(error)
    })
}

/// Removes a file that may be absent.
fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::from(error).context(format!("removing `{}`", path.display())))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::domain::ErrorKind as Kind;

    #[test]
    fn a_second_daemon_is_told_who_is_there() {
        let root = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(root.path()).unwrap();
        workspace.create().unwrap();
        let mut held = lock(&workspace).unwrap();
        write!(held, "4711").unwrap();
        std::fs::write(workspace.daemon_file(), "{}").unwrap();
        let error = lock(&workspace).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(error.message.contains("pid 4711"), "{}", error.message);
        drop(held);
        lock(&workspace).unwrap();
    }

    #[test]
    fn a_daemon_that_is_about_to_end_is_waited_for() {
        let root = tempfile::tempdir().unwrap();
        let workspace = Workspace::at(root.path()).unwrap();
        workspace.create().unwrap();
        let ending = lock(&workspace).unwrap();
        std::thread::scope(|scope| {
            let next = scope.spawn(|| lock(&workspace).map(|_| ()));
            scope.spawn(|| drop(ending));
            next.join().unwrap().unwrap();
        });
    }

    #[test]
    fn a_chosen_port_that_is_taken_is_named() {
        let there = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = there.local_addr().unwrap().to_string();
        let error = bind_tcp(Some(&address), None).unwrap_err();
        assert_eq!(error.kind, Kind::Conflict);
        assert!(error.message.contains(&address), "{}", error.message);
        assert_eq!(
            bind_tcp(Some("nonsense"), None).unwrap_err().kind,
            Kind::Invalid
        );
    }

    #[test]
    fn a_free_port_is_the_last_one_while_nobody_else_has_it() {
        let first = bind_tcp(Some("127.0.0.1:0"), None).unwrap();
        let address = first.local_addr().unwrap();
        let last = |asked| Some(Last { address, asked });
        let other = bind_tcp(Some("127.0.0.1:0"), last(true)).unwrap();
        assert_ne!(other.local_addr().unwrap(), address);
        drop(first);
        let again = bind_tcp(Some("127.0.0.1:0"), last(false)).unwrap();
        assert_eq!(again.local_addr().unwrap(), address);
        drop(again);
        let asked = bind_tcp(None, last(true)).unwrap();
        assert_eq!(asked.local_addr().unwrap(), address);
        drop(asked);
        let elsewhere = bind_tcp(Some("[::1]:0"), last(true));
        if let Ok(elsewhere) = elsewhere {
            assert_ne!(elsewhere.local_addr().unwrap(), address);
        }
    }

    #[test]
    fn only_loopback_addresses_are_loopback() {
        for address in [
            "127.0.0.1:0",
            "127.0.0.2:5000",
            "[::1]:5000",
            "localhost:5000",
        ] {
            assert!(is_loopback(Some(address)).unwrap(), "{address}");
        }
        for address in [
            "0.0.0.0:5000",
            "10.0.0.5:5000",
            "[::]:5000",
            "[::ffff:10.0.0.5]:1",
        ] {
            assert!(!is_loopback(Some(address)).unwrap(), "{address}");
        }
        assert_eq!(
            is_loopback(Some("nonsense")).unwrap_err().kind,
            Kind::Invalid
        );
    }

    #[test]
    fn a_stale_socket_is_replaced_and_private() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("daemon.sock");
        drop(bind_unix(&path).unwrap());
        let _again = bind_unix(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::os::unix::net::UnixStream::connect(&path).unwrap();
    }
}
