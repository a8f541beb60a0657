//! Compare the columns of two tables.

use super::{Job, JobCtx, rows};
use crate::domain::Result;
use crate::domain::job::{DriftSpec, JobResult};
use crate::drift::{self, Options};

impl Job for DriftSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        let reference = rows::build(&self.reference, ctx, 0.0, 0.4)?;
        let current = rows::build(&self.current, ctx, 0.4, 0.8)?;
        ctx.progress(0.8, "comparing columns");
        let mut columns = rows::inputs(&self.reference, &reference);
        columns.extend(self.reference.target.clone());
        let options = Options {
            method: self.method.clone(),
            preset: self.preset.clone(),
            ..Options::default()
        };
        let compared = drift::compare(&reference, &current, Some(&columns), &options)?;
        Ok(JobResult::Drift {
            columns: compared,
            rows: (reference.rows() as u64, current.rows() as u64),
        })
    }
}
