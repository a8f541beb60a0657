//! The newest value of each entity of a view, written to `online.parquet` in the job's folder; the daemon puts it
//! into the online store.

use super::{Job, JobCtx};
use crate::data::{profile, table};
use crate::domain::job::{JobResult, MaterializeSpec};
use crate::domain::{Error, Result};

impl Job for MaterializeSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        ctx.progress(
            0.0,
            &format!("computing the newest values of {}", self.view.name),
        );
        let newest = table::newest(self)?;
        ctx.check()?;
        ctx.progress(0.8, &format!("writing {} entities", newest.rows()));
        let path = ctx.folder().join("online.parquet");
        newest.write(&path)?;
        let features: Vec<String> = newest
            .names()
            .into_iter()
            .filter(|name| name != "event_time" && !self.view.entity.keys.contains(name))
            .collect();
        let watermark = newest.times("event_time")?.into_iter().flatten().max();
        let path = path
            .to_str()
            .ok_or_else(|| {
                Error::invalid(format!("the path `{}` is not valid text", path.display()))
            })?
            .to_owned();
        Ok(JobResult::Materialize {
            rows: newest.rows() as u64,
            path,
            watermark,
            profile: profile::profile(&newest.select(&features)?),
        })
    }
}
