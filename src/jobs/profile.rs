//! Profile a dataset: what each column looks like. Files are looked at one by one, and the mergeable state of each is left
//! in the job's folder, so that a file is looked at once in its life.

use super::{Job, JobCtx};
use crate::data::profile::states::{self, FileState};
use crate::data::profile::{self, TableState};
use crate::data::{Error as DataError, instant, source, table};
use crate::domain::dataset::FileStamp;
use crate::domain::job::{DataSource, JobResult, ProfileSpec};
use crate::domain::{Clock, Result, SystemClock};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// In the job's folder.
const STATES: &str = "states.bin";

impl Job for ProfileSpec {
    fn run(&self, ctx: &mut JobCtx) -> Result<JobResult> {
        let now = SystemClock.now().0.saturating_mul(1_000);
        let mut all = TableState::default();
        let mut kept = Vec::new();
        match &self.source {
            DataSource::Files(snapshot) => {
                let wanted: Vec<&FileStamp> = snapshot
                    .files
                    .iter()
                    .filter(|file| {
                        self.only
                            .as_ref()
                            .is_none_or(|only| only.contains(&file.path))
                    })
                    .collect();
                let whole = wanted.iter().map(|file| file.bytes.max(1)).sum::<u64>();
                let mut behind = 0;
                for file in wanted {
                    ctx.check()?;
                    source::verify(file)?;
                    let state = look(file, snapshot.files.len(), behind, whole, ctx)?;
                    behind += file.bytes.max(1);
                    all.merge(&state)?;
                    kept.push(self.state_of(&state, &file.path, &file.sha256, file.modified)?);
                }
            }
            DataSource::Sql { name, .. } => {
                ctx.progress(0.0, &format!("reading {name}"));
                let frame = table::load(&self.source)?;
                ctx.check()?;
                ctx.progress(0.5, &format!("profiling {} rows", frame.rows()));
                all = profile::kept_state_of(&frame, 1)?;
                kept.push(self.state_of(&all, "", "", now / 1_000)?);
            }
        }
        ctx.progress(1.0, &format!("{} rows profiled", all.rows));
        let target = self
            .target
            .as_deref()
            .filter(|target| all.columns.iter().any(|column| column.name == *target));
        let profile = all.profile(target, Some(now))?;
        let path = ctx.folder().join(STATES);
        std::fs::write(&path, states::to_bytes(&kept))
            .map_err(|error| DataError::new(format!("writing `{}`: {error}", path.display())))?;
        Ok(JobResult::Profile {
            profile,
            states: Some(STATES.to_owned()),
        })
    }
}

impl ProfileSpec {
    /// `modified` in milliseconds: the day of a file without instants.
    fn state_of(
        &self,
        state: &TableState,
        path: &str,
        sha256: &str,
        modified: i64,
    ) -> Result<FileState> {
        let newest = self
            .timestamp
            .as_deref()
            .and_then(|timestamp| state.newest(timestamp));
        let day = instant::format(newest.unwrap_or(modified.saturating_mul(1_000)), false);
        Ok(FileState {
            path: path.to_owned(),
            sha256: sha256.to_owned(),
            day: day.split('T').next().unwrap_or_default().to_owned(),
            rows: state.rows,
            newest,
            state: state.to_bytes()?,
        })
    }
}

fn look(
    file: &FileStamp,
    files: usize,
    behind: u64,
    whole: u64,
    ctx: &mut JobCtx,
) -> Result<TableState> {
    let path = Path::new(&file.path);
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let ctx = Mutex::new(ctx);
    let state = profile::kept_file(path, files, &|share| {
        let mut ctx = ctx.lock().unwrap_or_else(PoisonError::into_inner);
        let done = behind as f64 + share * file.bytes as f64;
        // the end is for the whole, not for its last file
        ctx.progress(
            (done / whole.max(1) as f64).min(0.99),
            &format!("profiling {name}"),
        );
        if ctx.is_cancelled() {
            return Err(DataError::new("stopped on request"));
        }
        Ok(())
    });
    let ctx = ctx.into_inner().unwrap_or_else(PoisonError::into_inner);
    ctx.check()?;
    Ok(state?)
}
