//! Asks the daemon: connects by socket or TCP, starts the daemon when none answers, reconnects. Synchronous.

use super::protocol::{Command, Reply, Topic, Update};
use crate::domain::{Error, Result};
use std::path::PathBuf;

/// Where a daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The workspace's socket.
    Socket(PathBuf),
    /// `http://host:port`, with a token.
    Url(String, Option<String>),
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
pub struct Stream {}

impl Client {
    /// Sends a command and waits for its reply.
    pub fn command(&self, command: &Command) -> Result<Reply> {
        let _ = command;
        Err(Error::unavailable("not there yet"))
    }

    /// The snapshots of `topics`, in their order.
    pub fn snapshots(&self, topics: &[Topic]) -> Result<Vec<Update>> {
        let _ = topics;
        Err(Error::unavailable("not there yet"))
    }

    /// Opens the event stream. [`Stream::next`] blocks; [`Stream::closer`] ends it from another thread.
    pub fn events(&self, topics: &[Topic]) -> Result<Stream> {
        let _ = topics;
        Err(Error::unavailable("not there yet"))
    }
}

impl Stream {
    /// The next update; none when the stream ended.
    pub fn next_update(&mut self) -> Result<Option<Update>> {
        Err(Error::unavailable("not there yet"))
    }

    /// Ends the stream from another thread.
    pub fn closer(&self) -> Result<Box<dyn FnOnce() + Send>> {
        Err(Error::unavailable("not there yet"))
    }
}
