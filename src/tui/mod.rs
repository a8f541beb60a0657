//! The dashboard: messages in, effects out. Sees `domain` and the protocol, nothing more.

pub mod app;
pub mod command;
pub mod dialog;
pub mod effect;
pub mod field;
pub mod footer;
pub mod frame;
pub mod header;
pub mod help;
pub mod keymap;
pub mod layout;
pub mod message;
pub mod messages;
pub mod palette;
pub mod panes;
pub mod render;
pub mod text;
pub mod theme;
pub mod update;
pub mod widgets;
