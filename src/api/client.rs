//! Asks the daemon: connects by socket or TCP, starts the daemon when none answers. Synchronous. Knows the
//! protocol and the workspace's paths, and nothing of what the daemon does with them.

mod http;
mod start;
mod tls;

pub use http::{Answer, Http};
pub use tls::{Secure, Trust};

use super::protocol::{Command, Failure, PROTOCOL, Reply, Topic, Update};
use crate::domain::{Error, ErrorKind, Result};
use crate::workspace::Workspace;
use http::{Body, Connection};
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How long a command may take: a promotion loads a model and predicts with it.
const COMMAND: Duration = Duration::from_secs(300);
/// Silence on an event stream that means a dead link: the daemon says something every 10 seconds.
const SILENCE: Duration = Duration::from_secs(30);

/// Where a daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The workspace's socket.
    Socket(PathBuf),
    /// `http://host:port`, with a token.
    Url(String, Option<String>),
    /// `https://host:port`, with a token and whom to trust.
    Secure(Arc<Secure>),
}

impl Address {
    /// The daemon at `url`, `http://…` or `https://…`.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for anything else, and when what `trust` names cannot be read.
    pub fn of_url(url: &str, token: Option<String>, trust: Trust) -> Result<Self> {
        if url.starts_with("https://") {
            return Ok(Self::Secure(Arc::new(Secure::new(url, token, trust)?)));
        }
        if url.starts_with("http://") {
            return Ok(Self::Url(url.to_owned(), token));
        }
        Err(Error::invalid(format!(
            "`{url}` is no address of a daemon: `https://host:port` or `http://host:port` is expected"
        )))
    }

    /// As people write it: a path, or an URL.
    pub fn place(&self) -> String {
        match self {
            Self::Socket(path) => path.display().to_string(),
            Self::Url(url, _) => url.clone(),
            Self::Secure(secure) => secure.url.clone(),
        }
    }
}

/// A way to the daemon. Cheap to clone; every call is its own connection.
#[derive(Clone, Debug)]
pub struct Client {
    /// Where to.
    pub address: Address,
    /// Who asks.
    pub user: String,
}

/// An open event stream.
pub struct Stream {
    lines: BufReader<Body>,
    ended: bool,
}

/// The daemon that answers, when it is another version than this program.
fn mismatch(protocol: u32, version: &str) -> Option<Error> {
    let own = env!("CARGO_PKG_VERSION");
    (protocol != PROTOCOL || version != own).then(|| {
        Error::conflict(format!(
            "the daemon is version {version} (protocol {protocol}), this program is {own} (protocol {PROTOCOL}): `trainyard down` stops it, the next command starts the right one"
        ))
    })
}

impl Client {
    /// The daemon of `workspace`. When none answers and `start`, one is started.
    ///
    /// # Errors
    /// [`ErrorKind::Unavailable`] when none answers (or the started one ended: with the end of its output),
    /// [`ErrorKind::Conflict`] when, with `start`, one of another version answers.
    pub fn connect(workspace: &Workspace, user: String, start: bool) -> Result<Self> {
        let client = Self {
            address: Address::Socket(workspace.socket()),
            user,
        };
        match client.hello() {
            Ok((protocol, version, _)) => match mismatch(protocol, &version) {
                Some(error) if start => Err(error),
                _ => Ok(client),
            },
            Err(error) if start && error.kind == ErrorKind::Unavailable => {
                Self::start(workspace, client.user, &[])
            }
            Err(error) => Err(error),
        }
    }

    /// Starts the daemon of `workspace`, detached from this terminal, and waits until it answers. One that runs
    /// already is answered instead. `options`: of `trainyard up`, over the configuration.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub fn start(workspace: &Workspace, user: String, options: &[&str]) -> Result<Self> {
        let client = Self {
            address: Address::Socket(workspace.socket()),
            user,
        };
        start::start(&client, workspace, options)?;
        let (protocol, version, _) = client.hello()?;
        match mismatch(protocol, &version) {
            Some(error) => Err(error),
            None => Ok(client),
        }
    }

    /// Who answers: protocol, version, process id.
    pub fn hello(&self) -> Result<(u32, String, u32)> {
        let mut stream = self.open(&[], true)?;
        match stream.next_update()? {
            Some(Update::Hello {
                protocol,
                version,
                pid,
            }) => Ok((protocol, version, pid)),
            _ => Err(Error::conflict(
                "what answers is no trainyard daemon of this version",
            )),
        }
    }

    /// Sends a command and waits for its reply.
    pub fn command(&self, command: &Command) -> Result<Reply> {
        let body = serde_json::to_vec(command)?;
        let mut http = Http::connect(&self.address)?;
        http.patience(COMMAND)?;
        let answer = http.request(
            "POST",
            "/api/trainyard/v1/command",
            &[
                ("content-type", "application/json"),
                ("x-trainyard-user", &self.user),
            ],
            &body,
        )?;
        if answer.status != 200 {
            return Err(failed(answer.status, &answer.body));
        }
        serde_json::from_slice(&answer.body).map_err(|error| {
            Error::conflict(
                "the daemon's reply is not understood: restart it with `trainyard down`",
            )
            .because(error)
        })
    }

    /// The snapshots of `topics` (or why one cannot be shown), in their order.
    pub fn snapshots(&self, topics: &[Topic]) -> Result<Vec<Update>> {
        let mut stream = self.open(topics, true)?;
        let mut updates = Vec::with_capacity(topics.len());
        while let Some(update) = stream.next_update()? {
            if matches!(update, Update::Snapshot { .. } | Update::Refused { .. }) {
                updates.push(update);
            }
        }
        Ok(updates)
    }

    /// Opens the event stream. [`Stream::next_update`] blocks; [`Stream::closer`] ends it from another thread.
    pub fn events(&self, topics: &[Topic]) -> Result<Stream> {
        self.open(topics, false)
    }

    fn open(&self, topics: &[Topic], once: bool) -> Result<Stream> {
        let topics = serde_json::to_string(topics)?;
        let path = format!(
            "/api/trainyard/v1/events?topics={}{}",
            encoded(&topics),
            if once { "&once=true" } else { "" }
        );
        let connection = Connection::open(&self.address)?;
        connection.patience(SILENCE)?;
        let (status, mut body) = connection.ask(
            "GET",
            &path,
            &[
                ("accept", "text/event-stream"),
                ("x-trainyard-user", &self.user),
            ],
            &[],
        )?;
        if status != 200 {
            let mut text = Vec::new();
            std::io::Read::read_to_end(&mut body, &mut text)?;
            return Err(failed(status, &text));
        }
        Ok(Stream {
            lines: BufReader::new(body),
            ended: false,
        })
    }
}

/// The error that an answer carries.
fn failed(status: u16, body: &[u8]) -> Error {
    match serde_json::from_slice::<Failure>(body) {
        Ok(failure) => Error::new(failure.kind, failure.message),
        Err(_) => match serde_json::from_slice::<serde_json::Value>(body) {
            // what stands before the daemon's own routes answers in MLflow's shape
            Ok(said) if status < 500 && said["message"].is_string() => {
                Error::invalid(said["message"].as_str().unwrap_or_default())
            }
            _ => Error::internal(format!(
                "the daemon answered {status}: {:.200}",
                String::from_utf8_lossy(body)
            )),
        },
    }
}

/// Text as part of a URL's query.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

impl Stream {
    /// The next update; none when the stream ended.
    pub fn next_update(&mut self) -> Result<Option<Update>> {
        let mut data = String::new();
        let mut line = String::new();
        while !self.ended {
            line.clear();
            let count = self.lines.read_line(&mut line).map_err(http::unanswered)?;
            if count == 0 {
                self.ended = true;
                break;
            }
            let text = line.trim_end_matches(['\n', '\r']);
            if let Some(part) = text.strip_prefix("data:") {
                data.push_str(part.strip_prefix(' ').unwrap_or(part));
            } else if text.is_empty() && !data.is_empty() {
                return serde_json::from_str(&data).map(Some).map_err(|error| {
                    Error::conflict(
                        "the daemon's update is not understood: restart it with `trainyard down`",
                    )
                    .because(error)
                });
            }
        }
        Ok(None)
    }

    /// Ends the stream from another thread.
    pub fn closer(&self) -> Result<Box<dyn FnOnce() + Send>> {
        self.lines.get_ref().closer()
    }
}
