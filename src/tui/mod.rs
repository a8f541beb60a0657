//! The dashboard: messages in, effects out. Sees `domain` and the protocol, nothing more.

pub mod app;
pub mod effect;
pub mod keymap;
pub mod layout;
pub mod message;
pub mod panes;
pub mod theme;
pub mod update;
pub mod widgets;
