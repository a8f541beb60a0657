//! Background work: claims queued jobs, starts and follows workers, runs pipelines, watches triggers.

mod code;
mod effects;
pub mod executors;
mod overrides;
pub mod pipeline;
pub mod scheduler;
pub mod triggers;
