//! End to end: the program as people have it, in temporary workspaces, with its own daemon, workers, sockets and
//! terminals. Knows the command line, the wire and the files that `interface.md` names, and nothing from inside.
//! Nothing here sleeps to let something happen: what is to become true is looked for until a deadline.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "e2e/access.rs"]
mod access;
#[path = "e2e/bad_files.rs"]
mod bad_files;
#[path = "e2e/command.rs"]
mod command;
#[path = "e2e/daemon.rs"]
mod daemon;
#[path = "e2e/dataset.rs"]
mod dataset;
#[path = "e2e/features.rs"]
mod features;
#[path = "e2e/honest.rs"]
mod honest;
#[path = "e2e/house.rs"]
mod house;
#[path = "e2e/join.rs"]
mod join;
#[path = "e2e/kill.rs"]
mod kill;
#[path = "e2e/online_kill.rs"]
mod online_kill;
#[path = "e2e/profiles.rs"]
mod profiles;
#[path = "e2e/pushes.rs"]
mod pushes;
#[path = "e2e/refusal.rs"]
mod refusal;
#[path = "e2e/storm.rs"]
mod storm;
#[path = "e2e/swap.rs"]
mod swap;
#[path = "e2e/terminal.rs"]
mod terminal;
#[path = "e2e/transfer.rs"]
mod transfer;
#[path = "e2e/triggers.rs"]
mod triggers;
#[path = "e2e/wire.rs"]
mod wire;
