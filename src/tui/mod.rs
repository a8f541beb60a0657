//! The dashboard: messages in, effects out. Sees `domain` and the protocol, nothing more.
//!
//! [`run`] is the loop: a thread reads keys, one follows the daemon, one sends commands and writes files, one waits for
//! signals; all feed one channel. Everything that waits is taken, then one frame is drawn, at most thirty a second.

pub mod app;
pub mod command;
pub mod dialog;
pub mod effect;
pub mod encoder;
pub mod export;
pub mod field;
#[cfg(test)]
mod fixture;
pub mod footer;
pub mod frame;
pub mod header;
pub mod help;
pub mod keymap;
pub mod layout;
pub mod link;
pub mod message;
pub mod messages;
pub mod pace;
pub mod palette;
pub mod panes;
pub mod render;
pub mod settle;
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod text;
pub mod theme;
pub mod update;
pub mod widgets;

use crate::api::client::Client;
use crate::api::protocol::{Command, Failure, Update};
use crate::domain::{Error, Result, Timestamp};
use app::{App, Setup};
use crossterm::event::Event as TerminalEvent;
use effect::{Effect, Level, Then};
use keymap::Keymap;
use link::Subscription;
use message::Message;
use pace::Pace;
use settle::Settle;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};
use terminal::Screen;
use theme::{Markers, Theme};

/// Between two looks at the clock and at the terminal.
const SECOND: Duration = Duration::from_secs(1);
/// What the daemon sends after a question comes in pieces: so long is waited for the next one before a frame is drawn.
const PIECES: Duration = Duration::from_millis(8);

/// What the dashboard is started with.
#[derive(Clone, Debug)]
pub struct Options {
    /// The way to the daemon.
    pub client: Client,
    /// The workspace's name, until the daemon says it.
    pub workspace: String,
    /// Nothing may change.
    pub read_only: bool,
    /// Clicks and wheel.
    pub mouse: bool,
    /// `chart = …`.
    pub chart: Option<String>,
    /// `theme = …`: a name or a file.
    pub theme: Option<String>,
    /// `[keys]`: action to keys.
    pub keys: BTreeMap<String, Vec<String>>,
    /// No colours, whatever the environment says.
    pub no_color: bool,
    /// Where looks are kept; none: nowhere.
    pub state_file: Option<PathBuf>,
    /// Where `e` writes.
    pub export_folder: PathBuf,
    /// How `e` makes pictures.
    pub pictures: export::Pictures,
    /// Where a panic is reported.
    pub report_file: Option<PathBuf>,
}

/// What comes in by the channel.
enum Incoming {
    Message(Message),
    /// Continued after a stop from outside.
    Continued,
    /// A signal, or the terminal is gone.
    End,
}

/// What the worker thread does.
enum Work {
    Send(Box<Command>, Then),
    Remember(String),
    Write(Vec<export::File>),
}

/// Opens the dashboard; returns when the person leaves or the terminal is gone.
pub fn run(options: &Options) -> Result<()> {
    let (send, receive) = channel();
    let panicked = Arc::new(AtomicBool::new(false));
    on_panic(options.report_file.clone(), Arc::clone(&panicked));
    signals(send.clone())?;
    let setup = setup(options);
    let mut screen = Screen::open(setup.mouse)?;
    let mut app = App::new(setup, now(), screen.size());
    screen.draw(app.area(), |buffer| render::draw(&app, buffer))?;
    keys(send.clone())?;
    let work = worker(options, send.clone())?;
    let subscription = Subscription::start(&options.client, app.topics(), move |message| {
        send.send(Incoming::Message(message)).is_ok()
    })?;
    let ended = follow(
        &mut app,
        &mut screen,
        &receive,
        &work,
        &subscription,
        &panicked,
    );
    drop(screen);
    if let Some(path) = &options.state_file {
        // what was changed last may still be on its way to the worker
        let _ = write_whole(path, app.remembered.as_bytes());
    }
    ended
}

fn follow(
    app: &mut App,
    screen: &mut Screen,
    receive: &Receiver<Incoming>,
    work: &Sender<Work>,
    subscription: &Subscription,
    panicked: &AtomicBool,
) -> Result<()> {
    let mut pace = Pace::new(Instant::now());
    let mut settle = Settle::new(app.current, app.topics());
    let mut minute = app.now.0 / 60_000;
    loop {
        let wait = settle.wait(Instant::now()).unwrap_or(SECOND);
        let first = match receive.recv_timeout(wait) {
            Ok(incoming) => Some(incoming),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        if panicked.load(Ordering::Relaxed) {
            return Err(Error::internal("a part of the dashboard failed"));
        }
        if first.is_none() && terminal::hung_up() {
            return Ok(());
        }
        let quiet = first.is_none();
        let mut pieces = matches!(
            &first,
            Some(Incoming::Message(Message::Daemon(update)))
                if matches!(**update, Update::Snapshot { .. } | Update::Hello { .. })
        );
        let mut next = first;
        update::update(app, Message::Tick(now()));
        // take all that waits, and what comes until the next frame is due
        loop {
            match next.take() {
                Some(Incoming::End) => return Ok(()),
                Some(Incoming::Continued) => screen.resume()?,
                Some(Incoming::Message(message)) => {
                    match &message {
                        Message::Key(_) | Message::Mouse(_) => {
                            pace.key(Instant::now());
                            pieces = false;
                        }
                        Message::Daemon(update) => {
                            if let Update::Snapshot { topic, .. } = &**update {
                                settle.came(topic);
                            }
                        }
                        _ => {}
                    }
                    for effect in update::update(app, message) {
                        if effect == Effect::Quit {
                            return Ok(());
                        }
                        perform(app, screen, work, effect)?;
                    }
                }
                None => {}
            }
            next = match receive.try_recv() {
                Ok(incoming) => Some(incoming),
                Err(_) if quiet => break,
                Err(_) => {
                    let due = pace.wait(Instant::now());
                    let due = if pieces { due.max(PIECES) } else { due };
                    match receive.recv_timeout(due) {
                        Ok(incoming) => Some(incoming),
                        Err(_) => break,
                    }
                }
            };
        }
        if let Some(topics) = settle.want(Instant::now(), app.current, app.topics()) {
            subscription.want(topics);
        }
        let turned = minute != app.now.0 / 60_000;
        minute = app.now.0 / 60_000;
        if !quiet || turned || app.ticks() {
            let sent = screen.draw(app.area(), |buffer| render::draw(app, buffer))?;
            if sent > 0 {
                pace.sent(Instant::now(), sent);
            }
        }
    }
}

fn perform(app: &mut App, screen: &mut Screen, work: &Sender<Work>, effect: Effect) -> Result<()> {
    match effect {
        Effect::Send { command, then } => {
            let _ = work.send(Work::Send(Box::new(command), then));
        }
        Effect::Remember(looks) => {
            let _ = work.send(Work::Remember(looks));
        }
        Effect::Write(files) => {
            let _ = work.send(Work::Write(files));
        }
        Effect::Copy { what, text } => {
            let (level, said) = match screen.copy(&what, &text)? {
                Ok(said) => (Level::Info, said),
                Err(said) => (Level::Warn, said),
            };
            app.say(level, said);
        }
        Effect::Mouse(on) => screen.mouse(on)?,
        Effect::Redraw => screen.forget()?,
        Effect::Suspend => screen.suspend()?,
        // the update answers these itself
        Effect::Toast { .. } | Effect::Dialog(_) | Effect::Go(..) | Effect::Quit => {}
    }
    Ok(())
}

fn now() -> Timestamp {
    Timestamp(chrono::Utc::now().timestamp_millis())
}

fn setup(options: &Options) -> Setup {
    let variable = |name: &str| std::env::var(name).ok();
    let mut problems = Vec::new();
    let configured = options.chart.as_deref().and_then(|name| {
        let markers = Markers::parse(name);
        if markers.is_none() {
            problems.push(format!(
                "`chart = \"{name}\"` is none of auto, braille, sextant, block, ascii"
            ));
        }
        markers
    });
    let markers = terminal::markers(configured, variable);
    let depth = terminal::depth(options.no_color, variable);
    let (keymap, clashes) = Keymap::remapped(&options.keys);
    problems.extend(clashes);
    let name = options.theme.as_deref().unwrap_or("auto");
    let mut own_theme = None;
    let theme = if theme::NAMES.contains(&name) {
        Theme::named(name, depth, markers)
    } else {
        match theme_file(Path::new(name)) {
            Ok(styles) => {
                let base = Theme::named("auto", depth, markers);
                let (theme, odd) = base.with(name, &styles);
                problems.extend(odd);
                own_theme = Some(theme.clone());
                theme
            }
            Err(error) => {
                problems.push(format!("theme: {error}"));
                Theme::named("auto", depth, markers)
            }
        }
    };
    Setup {
        theme,
        own_theme,
        keymap,
        problems,
        read_only: options.read_only,
        mouse: options.mouse,
        offset_s: chrono::Local::now().offset().local_minus_utc(),
        remembered: options
            .state_file
            .as_ref()
            .and_then(|path| std::fs::read_to_string(path).ok()),
        workspace: options.workspace.clone(),
    }
}

fn theme_file(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::from(error).context(format!("reading `{}`", path.display())))?;
    toml::from_str(&text)
        .map_err(|error| Error::invalid(format!("`{}`: {}", path.display(), error.message())))
}

/// A panic gives the terminal back first, then says in one line where its report lies and that the daemon goes on.
fn on_panic(report: Option<PathBuf>, panicked: Arc<AtomicBool>) {
    std::panic::set_hook(Box::new(move |panic| {
        terminal::restore();
        panicked.store(true, Ordering::Relaxed);
        let written = report.as_ref().filter(|path| {
            let trace = std::backtrace::Backtrace::force_capture();
            write_whole(path, format!("{panic}\n{trace}\n").as_bytes()).is_ok()
        });
        let place = match written {
            Some(path) => format!("report in {}", path.display()),
            None => panic.to_string().replace('\n', " "),
        };
        eprintln!("trainyard: the dashboard failed; {place}; the daemon goes on");
    }));
}

/// Keys, pasted text, mouse, size.
fn keys(send: Sender<Incoming>) -> Result<()> {
    std::thread::Builder::new()
        .name("keys".to_owned())
        .spawn(move || {
            loop {
                let incoming = match crossterm::event::read() {
                    Ok(TerminalEvent::Key(key)) => Incoming::Message(Message::Key(key)),
                    Ok(TerminalEvent::Paste(text)) => Incoming::Message(Message::Paste(text)),
                    Ok(TerminalEvent::Mouse(mouse)) => Incoming::Message(Message::Mouse(mouse)),
                    Ok(TerminalEvent::Resize(columns, rows)) => {
                        Incoming::Message(Message::Resize(columns, rows))
                    }
                    Ok(TerminalEvent::FocusGained | TerminalEvent::FocusLost) => continue,
                    Err(_) => Incoming::End,
                };
                let last = matches!(incoming, Incoming::End);
                if send.send(incoming).is_err() || last {
                    return;
                }
            }
        })?;
    Ok(())
}

/// SIGTERM, SIGINT and SIGHUP end the loop; SIGCONT takes the terminal again.
fn signals(send: Sender<Incoming>) -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            let _ = runtime.block_on(async {
                let mut terminate = signal(SignalKind::terminate())?;
                let mut interrupt = signal(SignalKind::interrupt())?;
                let mut hangup = signal(SignalKind::hangup())?;
                let mut proceed =
                    signal(SignalKind::from_raw(rustix::process::Signal::CONT.as_raw()))?;
                loop {
                    let incoming = tokio::select! {
                        _ = terminate.recv() => Incoming::End,
                        _ = interrupt.recv() => Incoming::End,
                        _ = hangup.recv() => Incoming::End,
                        _ = proceed.recv() => Incoming::Continued,
                    };
                    if send.send(incoming).is_err() {
                        return std::io::Result::Ok(());
                    }
                }
            });
        })?;
    Ok(())
}

/// Sends commands and writes files, one after the other, away from the loop.
fn worker(options: &Options, send: Sender<Incoming>) -> Result<Sender<Work>> {
    let (give, take) = channel::<Work>();
    let client = options.client.clone();
    let (state_file, folder) = (options.state_file.clone(), options.export_folder.clone());
    let pictures = options.pictures;
    std::thread::Builder::new()
        .name("commands".to_owned())
        .spawn(move || {
            for work in take {
                let message = match work {
                    Work::Send(command, then) => {
                        let result = match client.command(&command) {
                            Ok(reply) => Ok(Box::new(reply)),
                            Err(error) => Err(Failure {
                                kind: error.kind,
                                message: error.to_string(),
                            }),
                        };
                        Message::Replied {
                            command,
                            then,
                            result,
                        }
                    }
                    Work::Remember(looks) => {
                        if let Some(path) = &state_file {
                            let _ = write_whole(path, looks.as_bytes());
                        }
                        continue;
                    }
                    Work::Write(files) => {
                        let here = std::env::current_dir().ok();
                        let (level, said) =
                            export::write(&files, pictures, &folder, here.as_deref());
                        Message::Note(level, said)
                    }
                };
                if send.send(Incoming::Message(message)).is_err() {
                    return;
                }
            }
        })?;
    Ok(give)
}

/// Writes a file beside its place, then moves it there: a reader sees the old one or the new one, whole.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, bytes)?;
    std::fs::rename(&beside, path)
}
