//! The newest values of each entity of a view, written to `online.rows` in the job's folder; the daemon puts them into the
//! online store.

use super::{Job, JobCtx};
use crate::data::{online::newest, profile};
use crate::domain::job::{JobResult, MaterializeSpec};
use crate::domain::{Error, Result};

impl Job for MaterializeSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        let mut newest = newest::newest(self, &mut |share, doing| {
            ctx.progress(0.8 * share, doing);
        })?;
        ctx.check()?;
        let rows = newest.batch.header.rows;
        ctx.progress(0.8, &format!("writing {rows} entities"));
        let path = ctx.folder().join("online.rows");
        newest.batch.header.id = uuid::Uuid::new_v4().to_string();
        newest.batch.write(&path)?;
        let reading = newest.reading;
        ctx.log(
            "info",
            format!(
                "{} facts of {} of {} files read{}, {} late, {} too late",
                reading.facts,
                reading.files_read,
                reading.files.len(),
                match &reading.whole {
                    Some(why) => format!(" (everything: {why})"),
                    None if reading.incremental => " (what is new)".to_owned(),
                    None => String::new(),
                },
                reading.late,
                reading.too_late
            ),
        )?;
        ctx.progress(0.9, "describing the values");
        let path = path
            .to_str()
            .ok_or_else(|| {
                Error::invalid(format!("the path `{}` is not valid text", path.display()))
            })?
            .to_owned();
        Ok(JobResult::Materialize {
            rows,
            path,
            watermark: newest.watermark,
            profile: profile::profile(&newest.table),
            reading,
        })
    }
}
