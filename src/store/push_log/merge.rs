//! Putting small segments together: every look at a dataset that rows are pushed into leaves one. [`FAN`] neighbours of a
//! size become one of the next, so that a row is written again a handful of times at most.
//!
//! It is atomic: the name of the file that comes of it says which segments are in it, and from the moment it has that name
//! those are passed over by every listing. They are removed later, once nobody can still be at them. Beside it stands what
//! the content of its parts was known by, so that the dataset's digest stays the same.

use super::log::log_number;
use super::{PushLog, listed, locked, sync_folder};
use crate::data::segment::{self, Segment};
use crate::data::{pushed, source};
use crate::domain::{Error, Result};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Neighbours of a size that become one.
const FAN: u32 = 8;
/// Bytes that are put into one file at most.
const MOST: u64 = 128 << 20;
/// Segments that were put together stay for who is reading them.
const GRACE: Duration = Duration::from_secs(600);
/// A temporary file of this age was left behind by a process that ended.
const STALE: Duration = Duration::from_secs(3600);

/// What a round came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Segments that were put together.
    pub files: usize,
    /// Files that came of it.
    pub into: usize,
    /// Files removed: parts of earlier rounds, and what a killed process left half written.
    pub removed: usize,
}

/// What must not be touched.
pub struct Spared<'a> {
    /// Segments up to one of these are known to somebody who goes on from there: what is before is not put together with
    /// what comes behind.
    pub ends: &'a [u32],
    /// Whether work that has not ended names a file: it is neither put together nor removed.
    pub named: &'a dyn Fn(&Path) -> Result<bool>,
    /// Parts stay this long.
    pub grace: Duration,
}

impl<'a> Spared<'a> {
    /// With the usual grace.
    pub fn new(ends: &'a [u32], named: &'a dyn Fn(&Path) -> Result<bool>) -> Self {
        Self {
            ends,
            named,
            grace: GRACE,
        }
    }
}

impl PushLog {
    /// Where the segments of a dataset end that are among the files `read`; none when there are none.
    pub fn end(&self, dataset: &str, read: &[PathBuf]) -> Option<u32> {
        let folder = self.root.join(dataset);
        let own = read.iter().filter(|path| path.parent() == Some(&folder));
        own.filter_map(|path| Some(Segment::of(path)?.last)).max()
    }

    /// Puts small segments of a dataset together, and removes parts of earlier rounds.
    pub fn merge(&self, dataset: &str, spared: &Spared<'_>) -> Result<Merged> {
        let _one = locked(&self.merging);
        let folder = self.root.join(dataset);
        let mut merged = Merged::default();
        let (mut kept, covered) = segment::in_force(listed(&folder)?);
        for path in covered {
            let whole = kept.iter().find(|whole| segment::stands_for(whole, &path));
            if whole.is_some_and(|whole| is_older(whole, spared.grace)) && !(spared.named)(&path)? {
                remove(&path)?;
                remove(&path.with_extension("parts"))?;
                merged.removed += 1;
            }
        }
        merged.removed += remove_stale(&folder)?;
        while let Some(range) = next(&folder, &kept, spared)? {
            let parts: Vec<PathBuf> = kept.drain(range.clone()).collect();
            let one = together(&folder, &parts)?;
            merged.files += parts.len();
            merged.into += 1;
            kept.insert(range.start, one);
        }
        Ok(merged)
    }
}

/// The neighbours to be put together next: of one size, of the same columns, and none of a log that is open among them.
fn next(
    folder: &Path,
    kept: &[PathBuf],
    spared: &Spared<'_>,
) -> Result<Option<std::ops::Range<usize>>> {
    let open = listed(folder)?
        .iter()
        .filter_map(|path| log_number(path))
        .min();
    let (mut start, mut bytes) = (0, 0);
    let mut alike = None;
    for (at, path) in kept.iter().enumerate() {
        let sealed = |segment: &Segment| open.is_none_or(|open| segment.last < open);
        let Some(segment) = Segment::of(path).filter(sealed) else {
            break;
        };
        let long = std::fs::metadata(path)?.len();
        if long > MOST / 2 {
            (start, alike) = (at + 1, None);
            continue;
        }
        // how many ends lie before it: neighbours have as many
        let ends = spared
            .ends
            .iter()
            .filter(|end| **end < segment.first)
            .count();
        let own = Some((segment.width().ilog(FAN), ends));
        if own != alike || bytes + long > MOST {
            (start, bytes, alike) = (at, 0, own);
        }
        bytes += long;
        if at + 1 - start == FAN as usize {
            let columns = source::held(path, None)?;
            let mut other = None;
            for (place, part) in kept.iter().enumerate().take(at + 1).skip(start) {
                if source::held(part, None)? != columns || (spared.named)(part)? {
                    other = Some(place);
                }
            }
            match other {
                None => return Ok(Some(start..at + 1)),
                Some(other) => start = other + 1,
            }
        }
    }
    Ok(None)
}

/// One file of several; it is in force, and on disk, when this returns.
fn together(folder: &Path, parts: &[PathBuf]) -> Result<PathBuf> {
    let ends = (parts.first(), parts.last());
    let (Some(first), Some(last)) = (
        ends.0.and_then(|path| Segment::of(path)),
        ends.1.and_then(|path| Segment::of(path)),
    ) else {
        return Err(Error::internal("there is nothing to put together"));
    };
    let whole = Segment {
        first: first.first,
        last: last.last,
    };
    let path = folder.join(whole.name());
    // what it is known by comes first: without the file it says nothing
    pushed::write_parts(&path, parts)?;
    sync_folder(folder)?;
    pushed::put_together(parts, &path)?;
    sync_folder(folder)?;
    Ok(path)
}

fn is_older(path: &Path, age: Duration) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|at| {
        let since = SystemTime::now().duration_since(at);
        since.unwrap_or_default() >= age
    })
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::from(error).context(format!("removing `{}`", path.display())))
        }
        _ => Ok(()),
    }
}

/// Removes what killed processes left half written.
fn remove_stale(folder: &Path) -> Result<usize> {
    let mut removed = 0;
    for path in listed(folder)? {
        let is_temporary = path.extension().is_some_and(|ending| ending == "tmp");
        if is_temporary && is_older(&path, STALE) {
            remove(&path)?;
            removed += 1;
        }
    }
    Ok(removed)
}
