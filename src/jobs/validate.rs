//! Check a dataset against its schema, file by file. Violations are the result, not an error.

use super::{Job, JobCtx};
use crate::data::schema::{self, Checker, Context};
use crate::data::{Frame, source, table};
use crate::domain::job::{DataSource, JobResult, ValidateSpec};
use crate::domain::{Clock, Result, SystemClock};
use std::path::PathBuf;

impl Job for ValidateSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        let now = SystemClock.now().0.saturating_mul(1_000);
        let context = Context {
            environment: self.environment.as_deref(),
            now: Some(now),
            origin: &self.schema_from,
        };
        let Some(expected) = &self.schema else {
            ctx.progress(0.0, &format!("reading {}", self.source.name()));
            let frame = table::load(&self.source)?;
            ctx.check()?;
            ctx.progress(0.5, &format!("looking at {} rows", frame.rows()));
            let inferred = schema::infer_all(std::slice::from_ref(&frame), Some(now))?;
            return Ok(JobResult::Validate {
                violations: Vec::new(),
                inferred: Some(inferred),
                rows: frame.rows() as u64,
            });
        };
        let mut checker = Checker::new(expected, context)?;
        let mut rows = 0;
        let mut take = |ctx: &mut JobCtx, name: &str, frame: &Frame| -> Result<()> {
            ctx.check()?;
            rows += frame.rows() as u64;
            Ok(checker.take(name, frame)?)
        };
        match &self.source {
            DataSource::Files(snapshot) => {
                let count = snapshot.files.len().max(1) as f64;
                for (number, file) in snapshot.files.iter().enumerate() {
                    ctx.progress(number as f64 / count, &format!("checking {}", file.path));
                    source::verify(file)?;
                    let frame = source::read(&[PathBuf::from(&file.path)], None)?;
                    take(ctx, &file.path, &frame)?;
                }
            }
            DataSource::Sql { name, .. } => {
                ctx.progress(0.0, &format!("reading {name}"));
                take(ctx, "", &table::load(&self.source)?)?;
            }
        }
        ctx.progress(1.0, &format!("{rows} rows checked"));
        let violations = checker.finish();
        for violation in &violations {
            let column = violation.column.as_deref().unwrap_or("the table");
            ctx.log(
                "warn",
                format!("{column}: {}: {}", violation.rule, violation.detail),
            )?;
        }
        Ok(JobResult::Validate {
            violations,
            inferred: None,
            rows,
        })
    }
}
