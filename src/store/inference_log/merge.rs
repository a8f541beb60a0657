//! Merging small files: every two seconds of traffic leave one, and a window over a month must not open thousands. The
//! day that is over becomes one file; of today, each [`FAN`] neighbours of one size become one of the next, so that a
//! row is written again a handful of times at most, however busy the day.
//!
//! A merge is atomic: the merged file's name says which appends are in it, and from the moment it has that name those
//! files are passed over by every listing. They are removed by the next merge, when nobody reads them any more; who
//! still does is told by the missing file and looks again.

use super::files::{self, LogFile};
use super::{InferenceLog, columns, damaged, date, read, write};
use crate::domain::{Error, ModelName, Result, Timestamp};
use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Neighbours of a size that become one.
const FAN: u64 = 32;
/// A temporary file of this age was left behind by a process that ended.
const STALE: Duration = Duration::from_secs(3600);

/// What a round of merging did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Files that were merged.
    pub files: usize,
    /// Files that came of it.
    pub into: usize,
    /// Files removed: sources of earlier rounds, and what a killed process left half written.
    pub removed: usize,
}

impl InferenceLog {
    /// Merges what is small, of all models. A file that cannot be read keeps its day as it is, and is named in the
    /// error, after everything else was done.
    pub fn merge(&self, now: Timestamp) -> Result<Merged> {
        let mut merged = Merged::default();
        if !self.root.is_dir() {
            return Ok(merged);
        }
        let today = date(now.0.div_euclid(super::DAY / 1000));
        let mut trouble = None;
        for entry in std::fs::read_dir(&self.root)? {
            let entry = entry?;
            let Some(model) = entry.file_name().to_str().map(ModelName::from) else {
                continue;
            };
            for (day, folder) in self.days(&model)? {
                if let Err(error) = merge_day(&folder, day < today, &mut merged) {
                    trouble.get_or_insert(error);
                }
            }
        }
        match trouble {
            Some(error) => Err(error),
            None => Ok(merged),
        }
    }
}

fn merge_day(folder: &Path, over: bool, merged: &mut Merged) -> Result<()> {
    let (mut files, covered) = files::of_day(folder)?;
    for file in covered {
        std::fs::remove_file(&file.path)?;
        merged.removed += 1;
    }
    merged.removed += remove_stale(folder)?;
    while let Some(range) = next(&files, over) {
        let sources: Vec<LogFile> = files.drain(range.clone()).collect();
        let one = merge(folder, &sources)?;
        merged.files += sources.len();
        merged.into += 1;
        files.insert(range.start, one);
    }
    Ok(())
}

/// The neighbours to be merged next.
fn next(files: &[LogFile], over: bool) -> Option<std::ops::Range<usize>> {
    if over {
        return (files.len() > 1).then_some(0..files.len());
    }
    let size = |file: &LogFile| file.width().ilog(FAN);
    let mut start = 0;
    for (index, file) in files.iter().enumerate() {
        if size(file) != size(&files[start]) {
            start = index;
        }
        if (index + 1 - start) as u64 == FAN {
            return Some(start..index + 1);
        }
    }
    None
}

fn merge(folder: &Path, sources: &[LogFile]) -> Result<LogFile> {
    let (Some(first), Some(last)) = (sources.first(), sources.last()) else {
        return Err(Error::internal("there is nothing to merge"));
    };
    let numbers = (first.numbers.0, last.numbers.1);
    let events = sources.iter().fold(first.events, |all, file| {
        (all.0.min(file.events.0), all.1.max(file.events.1))
    });
    let schemas: Vec<SchemaRef> = sources
        .iter()
        .map(|file| Ok(read::open(&file.path)?.schema().clone()))
        .collect::<Result<_>>()?;
    let schema = columns::union(schemas.iter());
    let rows = sources
        .iter()
        .flat_map(|file| batches(&file.path))
        .map(|batch| columns::fit(&batch?, &schema));
    let name = LogFile::name(numbers, events);
    write(folder, &name, &schema, rows)?;
    Ok(LogFile {
        path: folder.join(name),
        numbers,
        events,
    })
}

/// The rows of a file, piece by piece.
fn batches(path: &Path) -> Box<dyn Iterator<Item = Result<RecordBatch>> + '_> {
    let reader =
        read::open(path).and_then(|builder| builder.build().map_err(|error| damaged(path, error)));
    match reader {
        Ok(reader) => {
            Box::new(reader.map(move |batch| batch.map_err(|error| damaged(path, error))))
        }
        Err(error) => Box::new(std::iter::once(Err(error))),
    }
}

fn remove_stale(folder: &Path) -> Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            continue;
        };
        let old = || {
            let written = entry.metadata()?.modified()?;
            let age = SystemTime::now().duration_since(written);
            std::io::Result::Ok(age.is_ok_and(|age| age > STALE))
        };
        if name.starts_with('.') && name.ends_with(".tmp") && old()? {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::super::tests::{rows, values};
    use super::super::{DAY, Window};
    use super::*;
    use arrow_array::{Float64Array, StringArray};
    use std::sync::Arc;

    const MODEL: &str = "delay";

    fn log() -> (tempfile::TempDir, InferenceLog) {
        let folder = tempfile::tempdir().unwrap();
        let log = InferenceLog::new(folder.path().to_owned());
        (folder, log)
    }

    fn append(log: &InferenceLog, at: i64, x: f64) {
        let x = Arc::new(Float64Array::from(vec![x]));
        log.append(&MODEL.into(), &rows(&[at], &[at], x)).unwrap();
    }

    fn count(log: &InferenceLog) -> usize {
        let days = log.days(&MODEL.into()).unwrap();
        days.iter()
            .map(|(_, folder)| std::fs::read_dir(folder).unwrap().count())
            .sum()
    }

    fn all(log: &InferenceLog) -> Vec<String> {
        let ever = Window::Served(Timestamp(0), Timestamp(i64::MAX));
        values(&log.read(&MODEL.into(), ever, None, None).unwrap().unwrap())
    }

    #[test]
    fn a_day_that_is_over_becomes_one_file_and_no_row_is_lost_or_doubled() {
        let (_folder, log) = log();
        for row in 0..5 {
            append(&log, row * 1_000_000, row as f64);
        }
        let text = Arc::new(StringArray::from(vec!["five"]));
        log.append(&MODEL.into(), &rows(&[9_000_000], &[9], text))
            .unwrap();
        append(&log, DAY, 7.0);
        let before = all(&log);

        let tomorrow = Timestamp(DAY / 1000 + 5);
        let merged = log.merge(tomorrow).unwrap();

        assert_eq!((merged.files, merged.into, merged.removed), (6, 1, 0));
        // the sources are still there for who reads them, and count for nothing
        assert_eq!(count(&log), 8);
        assert_eq!(all(&log), before);
        assert_eq!(log.merge(tomorrow).unwrap().removed, 6);
        assert_eq!(count(&log), 2);
        assert_eq!(all(&log), before);
        assert_eq!(log.merge(tomorrow).unwrap(), Merged::default());
        // what comes in late for that day stands after it
        append(&log, 10_000_000, 6.0);
        assert_eq!(all(&log).len(), 8);
    }

    #[test]
    fn today_is_merged_by_size_and_appends_go_on() {
        let (_folder, log) = log();
        let now = Timestamp(100);
        for row in 0..(2 * FAN as i64 + 3) {
            append(&log, row, row as f64);
        }
        let merged = log.merge(now).unwrap();
        assert_eq!((merged.files, merged.into), (2 * FAN as usize, 2));
        append(&log, 90_000, -1.0);
        assert_eq!(log.merge(now).unwrap().into, 0);
        assert_eq!(count(&log), 6);
        let values = all(&log);
        assert_eq!(values.len(), 2 * FAN as usize + 4);
        assert_eq!(values.last().unwrap(), "-1");
    }

    #[test]
    fn a_reader_whose_file_was_merged_away_looks_again() {
        let (_folder, log) = log();
        for row in 0..40 {
            append(&log, row, row as f64);
        }
        let reading = std::thread::scope(|scope| {
            let reader = scope.spawn(|| (0..50).map(|_| all(&log).len()).collect::<Vec<_>>());
            for round in 0..20 {
                append(&log, 50 + round, 0.0);
                log.merge(Timestamp(DAY)).unwrap();
            }
            reader.join().unwrap()
        });
        assert!(reading.is_sorted(), "{reading:?}");
        assert!(reading.iter().all(|rows| (40..=60).contains(rows)));
        assert_eq!(all(&log).len(), 60);
    }

    #[test]
    fn a_damaged_file_is_named_and_its_day_left_as_it_is() {
        let (_folder, log) = log();
        append(&log, 0, 1.0);
        append(&log, 1, 2.0);
        append(&log, DAY, 3.0);
        append(&log, DAY + 1, 4.0);
        let (_, folder) = log.days(&MODEL.into()).unwrap().remove(0);
        let bad = files::of_day(&folder).unwrap().0.remove(0).path;
        std::fs::write(&bad, "no parquet").unwrap();

        let error = log.merge(Timestamp(2 * DAY / 1000)).unwrap_err();

        let name = bad.file_name().unwrap().to_str().unwrap();
        assert!(error.message.contains(name), "{error}");
        let left: Vec<usize> = log
            .days(&MODEL.into())
            .unwrap()
            .iter()
            .map(|(_, folder)| files::of_day(folder).unwrap().0.len())
            .collect();
        assert_eq!(left, [2, 1]);
    }
}
