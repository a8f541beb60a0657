//! Plain nouns of the field: ids, records, read models, events, errors.
//! No IO, no clock of its own, no SQL; everything above may use it.

pub mod access;
pub mod alert;
pub mod allocator;
pub mod artifact_path;
pub mod board;
pub mod clock;
pub mod dataset;
pub mod deployment;
pub mod drift;
pub mod error;
pub mod event;
pub mod experiment;
pub mod feature;
pub mod feature_version;
pub mod host;
pub mod ids;
pub mod job;
pub mod logged_model;
pub mod metric;
pub mod model;
pub mod online;
pub mod output;
mod printable;
pub mod profile;
pub mod registry;
pub mod run;
pub mod schema;
pub mod seen;
pub mod transfer;
pub mod trigger;

pub use artifact_path::ArtifactPath;
pub use clock::{Clock, SystemClock, Timestamp};
pub use error::{Error, ErrorKind, Result};
pub use event::Event;
pub use ids::{DeploymentName, ExperimentId, JobId, LoggedModelId, ModelName, RunId, Version};
pub use printable::{printable, printable_path, quotable};
pub use seen::Seen;
