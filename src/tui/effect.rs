//! The only outputs of an update. The shell answers some itself (dialogs, messages, other panes);
//! the loop in `mod.rs` does the rest (commands, files, the terminal).

use super::dialog::Dialog;
use super::export::File;
use super::keymap::Keymap;
use super::panes::{PaneId, Target};
use crate::api::protocol::Command;

/// What an update wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Ask the daemon; `then` says what becomes of the reply.
    Send {
        /// What.
        command: Command,
        /// What becomes of the reply. A failure is always shown as a message.
        then: Then,
    },
    /// Show a message for a while; it stays in the list (`!`).
    Toast {
        /// How important.
        level: Level,
        /// The text.
        text: String,
    },
    /// Open a dialog over the pane.
    Dialog(Dialog),
    /// Go to a pane and show something there.
    Go(PaneId, Target),
    /// Put text on the clipboard.
    Copy {
        /// What it is: "run id", "row".
        what: String,
        /// The text.
        text: String,
    },
    /// Write files into the folder for exports; one message says where all of one key are.
    Write(Vec<File>),
    /// Keep the looks for the next time (JSON).
    Remember(String),
    /// Turn mouse reporting on or off.
    Mouse(bool),
    /// Draw everything again.
    Redraw,
    /// Suspend to the shell.
    Suspend,
    /// Leave.
    Quit,
}

/// What becomes of a reply.
#[derive(Clone, Debug, PartialEq)]
pub enum Then {
    /// Say this.
    Say(String),
    /// Say this, and offer `u` for 30 s.
    Undo {
        /// What to say.
        say: String,
        /// What takes it back.
        undo: Box<Command>,
    },
    /// The reply is a promotion page: open its dialog.
    Page {
        /// It is the page of a roll-back.
        back: bool,
    },
    /// The reply is a new version: show the page of its promotion.
    Promote,
    /// The reply is a new version: say so.
    Registered,
    /// The reply says which alias moved: say so, and offer `u`.
    Moved,
    /// Hand the reply to this pane, as [`super::panes::Input::Reply`] with this tag.
    Tell(PaneId, &'static str),
    /// Nothing to say.
    Nothing,
}

impl Then {
    /// What it says, with the keys of `keymap` in the place of actions.
    pub fn fill(&mut self, keymap: &Keymap) {
        if let Self::Say(text) | Self::Undo { say: text, .. } = self {
            *text = keymap.fill(text);
        }
    }
}

/// How important a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Something is done.
    Info,
    /// Something needs a look.
    Warn,
    /// Something failed.
    Error,
}

impl Effect {
    /// An ordinary message.
    pub fn say(text: impl Into<String>) -> Self {
        Self::Toast {
            level: Level::Info,
            text: text.into(),
        }
    }

    /// A warning.
    pub fn warn(text: impl Into<String>) -> Self {
        Self::Toast {
            level: Level::Warn,
            text: text.into(),
        }
    }
}
