//! Write rows with their features, joined as of each row's instant, to a file.

use super::{Job, JobCtx, rows};
use crate::domain::Result;
use crate::domain::job::{FeaturesSpec, JobResult};
use std::path::Path;

impl Job for FeaturesSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        let frame = rows::build(&self.table, ctx, 0.0, 0.8)?;
        ctx.progress(0.8, &format!("writing {} rows", frame.rows()));
        frame.write(Path::new(&self.output))?;
        Ok(JobResult::Features {
            path: self.output.clone(),
            rows: frame.rows() as u64,
        })
    }
}
