//! The dashboard's way in, and everybody else's: two HTTP routes bound to the workspace's
//! socket and to TCP. `protocol` is what travels, `server` answers, `client` asks.

pub mod client;
pub mod protocol;
pub mod server;
