//! Challenger and champion on the rows that training kept out.

use super::{Job, JobCtx, rows};
use crate::domain::Result;
use crate::domain::job::{EvaluateSpec, JobResult};
use crate::ml::{Target, gate, model_file};
use std::path::Path;

impl Job for EvaluateSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        ctx.progress(0.0, "loading the models");
        let challenger = model_file::load(Path::new(&self.challenger))?;
        let champion = match &self.champion {
            Some(directory) => Some(model_file::load(Path::new(directory))?),
            None => None,
        };
        let frame = rows::build(&self.table, ctx, 0.05, 0.6)?;
        let divided = rows::split(
            &self.table,
            &frame,
            |frame, column| Target::for_signature(frame, column, &challenger.signature),
            self.holdout,
            self.seed,
        )?;
        let held_out = &divided.split.held_out;
        ctx.progress(0.6, &format!("judging on {} rows", held_out.len()));
        let result = gate::compare(
            &divided.frame.take(held_out)?,
            &divided.target.take(held_out),
            &challenger,
            champion.as_ref(),
            &self.gate,
            self.seed,
        )?;
        ctx.check()?;
        Ok(result)
    }
}
