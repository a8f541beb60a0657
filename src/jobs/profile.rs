//! Profile a dataset: what each column looks like.

use super::{Job, JobCtx};
use crate::data::{profile, table};
use crate::domain::Result;
use crate::domain::job::{JobResult, ProfileSpec};

impl Job for ProfileSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        ctx.progress(0.0, &format!("reading {}", self.source.name()));
        let frame = table::load(&self.source)?;
        ctx.check()?;
        ctx.progress(0.5, &format!("profiling {} rows", frame.rows()));
        let profile = profile::profile(&frame);
        Ok(JobResult::Profile {
            profile,
            states: None,
        })
    }
}
