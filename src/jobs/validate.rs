//! Check a dataset against its schema, file by file, and the features joined to it against what was known in time.
//! Violations are the result, not an error.

use super::{Job, JobCtx, leaks};
use crate::data::schema::{self, Checker, Context};
use crate::data::{Error as DataError, source, table};
use crate::domain::dataset::{Schema, Violation};
use crate::domain::job::{DataSource, JobResult, ValidateSpec};
use crate::domain::{Clock, Result, SystemClock};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

impl Job for ValidateSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        let now = SystemClock.now().0.saturating_mul(1_000);
        let context = Context {
            environment: self.environment.as_deref(),
            now: Some(now),
            origin: &self.schema_from,
        };
        let Some(expected) = &self.schema else {
            let (inferred, rows) = infer(&self.source, now, ctx)?;
            let violations = leaks::violations(self, ctx)?;
            tell(&violations, ctx)?;
            return Ok(JobResult::Validate {
                violations,
                inferred: Some(inferred),
                rows,
            });
        };
        let mut checker = Checker::new(expected, context)?;
        let mut rows = 0;
        match &self.source {
            DataSource::Files(snapshot) => {
                let count = snapshot.files.len().max(1) as f64;
                for (number, file) in snapshot.files.iter().enumerate() {
                    ctx.progress(number as f64 / count, &format!("checking {}", file.path));
                    source::verify(file)?;
                    ctx.check()?;
                    rows += checker.take_file(&file.path, Path::new(&file.path))?;
                }
            }
            DataSource::Sql { name, .. } => {
                ctx.progress(0.0, &format!("reading {name}"));
                let frame = table::load(&self.source)?;
                ctx.check()?;
                rows += frame.rows() as u64;
                checker.take("", &frame)?;
            }
        }
        ctx.progress(1.0, &format!("{rows} rows checked"));
        let mut violations = checker.finish();
        violations.extend(leaks::violations(self, ctx)?);
        tell(&violations, ctx)?;
        Ok(JobResult::Validate {
            violations,
            inferred: None,
            rows,
        })
    }
}

fn tell(violations: &[Violation], ctx: &mut JobCtx) -> Result<()> {
    for violation in violations {
        let column = violation.column.as_deref().unwrap_or("the table");
        ctx.log(
            "warn",
            format!("{column}: {}: {}", violation.rule, violation.detail),
        )?;
    }
    Ok(())
}

/// What the data suggests, and its rows; files are never all in memory.
fn infer(data: &DataSource, now: i64, ctx: &mut JobCtx) -> Result<(Schema, u64)> {
    ctx.progress(0.0, &format!("reading {}", data.name()));
    let DataSource::Files(snapshot) = data else {
        let frame = table::load(data)?;
        ctx.check()?;
        ctx.progress(0.5, &format!("looking at {} rows", frame.rows()));
        let inferred = schema::infer_frame(&frame, Some(now))?;
        return Ok((inferred, frame.rows() as u64));
    };
    let about = |error: DataError| DataError::new(format!("dataset `{}`: {error}", data.name()));
    if snapshot.files.is_empty() {
        return Err(about(DataError::new("it has no files")).into());
    }
    let verified = snapshot.files.iter().try_for_each(source::verify);
    verified.map_err(about)?;
    let files: Vec<PathBuf> = snapshot.files.iter().map(|file| PathBuf::from(&file.path)).collect();
    let told = Mutex::new(ctx);
    let inferred = schema::infer_table(&files, Some(now), &|share| {
        let mut ctx = told.lock().unwrap_or_else(PoisonError::into_inner);
        ctx.progress(share.min(0.99), &format!("looking at {}", data.name()));
        if ctx.is_cancelled() {
            return Err(DataError::new("stopped on request"));
        }
        Ok(())
    });
    let ctx = told.into_inner().unwrap_or_else(PoisonError::into_inner);
    ctx.check()?;
    Ok(inferred.map_err(about)?)
}
