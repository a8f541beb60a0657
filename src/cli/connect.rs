//! Which workspace, which daemon, and who asks.

use super::{Failure, Global, Result};
use crate::api::client::{Address, Client, Trust};
use crate::api::protocol::{Command, Reply, Snapshot, Topic, Update};
use crate::domain::{Error, ErrorKind};
use crate::workspace::Workspace;

/// The way from a command to its daemon.
pub(crate) struct Connection {
    global: Global,
}

impl Connection {
    pub(crate) fn new(global: &Global) -> Self {
        Self {
            global: global.clone(),
        }
    }

    /// The workspace named by `--workspace`, or the nearest one upwards, or this folder.
    pub(crate) fn workspace(&self) -> Result<Workspace> {
        if let Some(folder) = &self.global.workspace {
            return Ok(Workspace::at(folder)?);
        }
        let here = std::env::current_dir()?;
        match Workspace::find(&here)? {
            Some(workspace) => Ok(workspace),
            None => Ok(Workspace::at(&here)?),
        }
    }

    /// The workspace, which must have a `trainyard.toml`.
    pub(crate) fn configured(&self) -> Result<Workspace> {
        let workspace = self.workspace()?;
        if workspace.config().is_file() {
            return Ok(workspace);
        }
        Err(Error::invalid(format!(
            "`{}` has no trainyard.toml, nor has a folder above it: `trainyard init` writes one, `trainyard demo` makes an example",
            workspace.root().display()
        ))
        .into())
    }

    /// Whom to believe, where the daemon speaks TLS.
    fn trust(&self) -> Result<Trust> {
        Ok(
            match (&self.global.server_ca, &self.global.server_fingerprint) {
                (_, Some(fingerprint)) => Trust::fingerprint(fingerprint)?,
                (Some(file), None) => Trust::File(file.clone()),
                (None, None) => Trust::System,
            },
        )
    }

    /// The URL of a daemon elsewhere.
    pub(crate) fn server(&self) -> Option<&str> {
        self.global.server.as_deref()
    }

    /// Whether a daemon elsewhere was named.
    pub(crate) fn remote(&self) -> bool {
        self.global.server.is_some()
    }

    /// A daemon that answers; started when none runs here and `start`.
    pub(crate) fn client(&self, start: bool) -> Result<Client> {
        if let Some(url) = &self.global.server {
            let client = Client {
                address: Address::of_url(url, self.global.token.clone(), self.trust()?)?,
                user: user(),
            };
            return match client.hello() {
                Ok(_) => Ok(client),
                Err(error) if error.kind == ErrorKind::Unavailable => {
                    Err(Failure::unreachable(error))
                }
                Err(error) => Err(error.into()),
            };
        }
        let workspace = if start {
            self.configured()?
        } else {
            self.workspace()?
        };
        if start {
            // What the daemon would refuse is said here, with every line of it.
            crate::service::configuration::load(&workspace)?;
        }
        Client::connect(&workspace, user(), start).map_err(|error| match error.kind {
            ErrorKind::Unavailable => Failure::unreachable(error),
            _ => error.into(),
        })
    }

    /// Sends a command, starting the daemon when none runs.
    pub(crate) fn command(&self, command: &Command) -> Result<Reply> {
        Ok(self.client(true)?.command(command)?)
    }

    /// The state of one topic.
    pub(crate) fn snapshot(&self, topic: &Topic) -> Result<Snapshot> {
        snapshot(&self.client(true)?, topic)
    }
}

/// The state of one topic.
pub(crate) fn snapshot(client: &Client, topic: &Topic) -> Result<Snapshot> {
    for update in client.snapshots(std::slice::from_ref(topic))? {
        match update {
            Update::Snapshot {
                topic: of,
                snapshot,
            } if of == *topic => return Ok(snapshot),
            Update::Refused { failure, .. } => {
                return Err(Error::new(failure.kind, failure.message).into());
            }
            _ => {}
        }
    }
    Err(unexpected())
}

/// An answer of another kind than was asked for: two versions that do not fit.
pub(crate) fn unexpected() -> Failure {
    Error::internal(
        "the daemon answered something else than was asked: restart it with `trainyard down`",
    )
    .into()
}

/// Who asks: the login name.
pub(crate) fn user() -> String {
    ["TRAINYARD_USER", "USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|user| !user.is_empty()))
        .unwrap_or_else(|| {
            let id = rustix::process::getuid().as_raw();
            std::fs::read_to_string("/etc/passwd")
                .ok()
                .and_then(|text| {
                    text.lines().find_map(|line| {
                        let mut fields = line.split(':');
                        let name = fields.next()?;
                        (fields.nth(1)?.parse::<u32>().ok()? == id).then(|| name.to_owned())
                    })
                })
                .unwrap_or_else(|| format!("uid {id}"))
        })
}
