//! `DataSource` and `TableSpec` -> frames: datasets loaded, derived datasets queried, features joined.

use super::{Error, Frame, Result};
use crate::domain::job::{DataSource, MaterializeSpec, TableSpec};

/// A dataset's rows. Fails when a file is not the one that was hashed.
pub fn load(source: &DataSource) -> Result<Frame> {
    let _ = source;
    Err(Error::new("not there yet"))
}

/// Rows with their features: rows of [from, to), sorted by timestamp when there is one, with the columns
/// row key, timestamp, target, target_known_at (those that are set) and then the inputs in order.
/// Rows whose target is null stay (`ml::Target` leaves them out). `progress` hears the share done and what is being done.
pub fn build(spec: &TableSpec, progress: &mut dyn FnMut(f64, &str)) -> Result<Frame> {
    let _ = (spec, progress);
    Err(Error::new("not there yet"))
}

/// The newest value of each entity as of an instant: key columns, `event_time`, features.
pub fn newest(spec: &MaterializeSpec) -> Result<Frame> {
    let _ = spec;
    Err(Error::new("not there yet"))
}
