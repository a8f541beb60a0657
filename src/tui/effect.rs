//! The only outputs of an update.
