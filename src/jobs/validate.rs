//! Check a dataset against its schema. Violations are the result, not an error.

use super::{Job, JobCtx};
use crate::data::{schema, table};
use crate::domain::Result;
use crate::domain::job::{JobResult, ValidateSpec};

impl Job for ValidateSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        ctx.progress(0.0, &format!("reading {}", self.source.name()));
        let frame = table::load(&self.source)?;
        ctx.check()?;
        ctx.progress(0.5, &format!("checking {} rows", frame.rows()));
        let (violations, inferred) = match &self.schema {
            Some(expected) => (schema::check(&frame, expected), None),
            None => (Vec::new(), Some(schema::infer(&frame))),
        };
        for violation in &violations {
            let column = violation.column.as_deref().unwrap_or("the table");
            ctx.log(
                "warn",
                format!("{column}: {}: {}", violation.rule, violation.detail),
            )?;
        }
        Ok(JobResult::Validate {
            violations,
            inferred,
            rows: frame.rows() as u64,
        })
    }
}
