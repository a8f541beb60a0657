//! What travels between a client and the daemon: topics and their snapshots, events, commands
//! and their replies. `GET /api/trainyard/v1/events?topics=<JSON array>` answers server-sent
//! events, each an [`Update`]: first one snapshot per topic, then a new snapshot whenever one
//! changed (at most four a second) and the events as they happen. With `once=true` it ends after
//! the first snapshots. `POST /api/trainyard/v1/command` takes a [`Command`], answers a [`Reply`]
//! or, with the status of its kind, a [`Failure`].

mod commands;
mod topics;

pub use commands::{Command, Reply};
pub use topics::{Notice, Overview, Snapshot, Topic};

use crate::domain::{ErrorKind, Event};
use serde::{Deserialize, Serialize};

/// Raised whenever an older client could misread a newer daemon.
pub const PROTOCOL: u32 = 3;

/// One message of the event stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "a message is made once, sent once and taken apart; a box would cost more than it saves"
)]
pub enum Update {
    /// The first message: who answers.
    Hello {
        /// [`PROTOCOL`] of the daemon.
        protocol: u32,
        /// Its version.
        version: String,
        /// Its process id.
        pid: u32,
    },
    /// A topic's state.
    Snapshot {
        /// Which topic.
        topic: Topic,
        /// Its state.
        snapshot: Snapshot,
    },
    /// A topic that cannot be shown, and why.
    Refused {
        /// Which topic.
        topic: Topic,
        /// Why.
        failure: Failure,
    },
    /// Something happened.
    Event {
        /// What.
        event: Event,
    },
}

/// An error as it travels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What a caller can act on.
    pub kind: ErrorKind,
    /// What to tell a person.
    pub message: String,
}
