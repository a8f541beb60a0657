//! Background work: claims queued jobs, starts and follows workers, runs pipelines, watches triggers.

mod effects;
pub mod executors;
pub mod pipeline;
pub mod scheduler;
pub mod triggers;
