//! The work itself, in a worker process: reads its spec and its data files, writes its folder. No
//! store, no network. A new kind of job is a file with its [`Job`] and a line in `jobs!`.

pub mod ctx;
mod leaks;
mod rows;

use crate::domain::Result;
use crate::domain::job::{JobResult, JobSpec};
pub use ctx::JobCtx;

/// One piece of work, described by its spec.
pub trait Job {
    /// Does it. Synchronous; threads are its own affair. Long loops ask [`JobCtx::check`].
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult>;
}

macro_rules! jobs {
    ($($module:ident: $variant:ident),* $(,)?) => {
        $(mod $module;)*

        /// Does what `spec` asks for.
        pub fn run(spec: &JobSpec, ctx: &mut JobCtx) -> Result<JobResult> {
            match spec {
                $(JobSpec::$variant(spec) => Job::run(spec, ctx),)*
            }
        }
    };
}

jobs! {
    profile: Profile,
    validate: Validate,
    features: Features,
    materialize: Materialize,
    train: Train,
    evaluate: Evaluate,
    drift: Drift,
    predict: Predict,
    command: Command,
}
