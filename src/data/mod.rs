//! Data as columns: reading and checking files, SQL over them, schemas, profiles, splits,
//! point-in-time joins and windows. Pure: the same files give the same answer; knows no
//! store, no network, no clock.

pub mod asof;
pub mod checks;
mod chunks;
mod column;
#[cfg(test)]
mod contract;
pub(crate) mod convert;
mod csv;
mod features;
pub mod file_join;
pub mod frame;
mod guess;
pub mod history;
mod in_order;
pub mod instant;
mod json_lines;
mod json_rows;
mod json_value;
mod key_hash;
pub mod keys;
mod layout;
pub mod leak;
pub mod on_demand;
pub mod online;
mod parallel;
mod parquet_file;
pub mod profile;
pub mod pushed;
mod records;
mod regular_file;
pub mod row_wise;
pub mod schema;
pub mod segment;
pub mod sketch;
pub mod source;
mod spill;
pub mod split;
pub mod sql;
mod stamps;
pub mod table;
mod text_file;
pub mod timeline;
mod types;
pub mod window;
pub mod write;

pub use column::Cell;
pub use frame::Frame;

/// What went wrong with data: names file, row or line, column, and what was expected.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// The result of everything in this room.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error that says `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

impl From<Error> for crate::domain::Error {
    fn from(error: Error) -> Self {
        Self::invalid(error.0)
    }
}
