//! All causes of change. The loop leads every batch with a [`Message::Tick`], so that state knows the time
//! without a clock of its own.

use super::effect::Then;
use crate::api::protocol::{Command, Failure, Reply, Update};
use crate::domain::Timestamp;
use crossterm::event::{KeyEvent, MouseEvent};

/// One cause.
#[derive(Clone, Debug, PartialEq)]
pub enum Message {
    /// A key.
    Key(KeyEvent),
    /// Pasted text; it never acts.
    Paste(String),
    /// The mouse.
    Mouse(MouseEvent),
    /// The terminal has this many columns and rows.
    Resize(u16, u16),
    /// It is now.
    Tick(Timestamp),
    /// The daemon says.
    Daemon(Box<Update>),
    /// The way to the daemon.
    Link(Link),
    /// A command was answered.
    Replied {
        /// Which.
        command: Box<Command>,
        /// What becomes of it.
        then: Then,
        /// The answer.
        result: Result<Box<Reply>, Failure>,
    },
    /// A line for the message list, from the loop itself: a file written, a clipboard filled.
    Note(super::effect::Level, String),
}

/// How the way to the daemon is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Snapshots come.
    Up,
    /// No longer, and why; it is tried again.
    Lost(String),
}
