//! The files of a day: their names say which of the day's appends they hold and the event times in them, so that a
//! window is found, and a merged file told from what it was merged from, without opening any.

use super::Window;
use crate::domain::Result;
use std::path::{Path, PathBuf};

/// A file of served rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogFile {
    pub(super) path: PathBuf,
    /// The first and the last append in it, from 1.
    pub(super) numbers: (u64, u64),
    /// The earliest and the latest event time in it, milliseconds.
    pub(super) events: (i64, i64),
}

impl LogFile {
    /// What `name` in `folder` says; none of a name that is not ours.
    fn parse(folder: &Path, name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".parquet")?.split('_');
        let numbers = parts.next()?;
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        Some(Self {
            path: folder.join(name),
            numbers: (first.parse().ok()?, last.parse().ok()?),
            events: (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?),
        })
    }

    /// How it is called.
    pub(super) fn name(numbers: (u64, u64), events: (i64, i64)) -> String {
        let numbers = match numbers {
            (first, last) if first == last => format!("{first:06}"),
            (first, last) => format!("{first:06}-{last:06}"),
        };
        format!("{numbers}_{}_{}.parquet", events.0, events.1)
    }

    /// How many appends are in it.
    pub(super) fn width(&self) -> u64 {
        self.numbers.1 - self.numbers.0 + 1
    }

    fn covers(&self, other: &Self) -> bool {
        self.numbers.0 <= other.numbers.0
            && other.numbers.1 <= self.numbers.1
            && self.width() > other.width()
    }

    /// Whether rows of a window may be in it.
    pub(super) fn may_hold(&self, window: Window) -> bool {
        match window {
            Window::Event(from, to) => self.events.1 >= from.0 && self.events.0 < to.0,
            Window::Served(..) => true,
        }
    }
}

/// The files of a day in the order of their rows, and those whose rows are in one of them too: a merge that was made,
/// its sources not removed yet.
pub(super) fn of_day(folder: &Path) -> Result<(Vec<LogFile>, Vec<LogFile>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let name = entry?.file_name();
        files.extend(name.to_str().and_then(|name| LogFile::parse(folder, name)));
    }
    // of those that begin together the widest comes first: it is what covers the others
    files.sort_by_key(|file| (file.numbers.0, std::cmp::Reverse(file.numbers.1)));
    let (mut kept, mut covered): (Vec<LogFile>, Vec<LogFile>) = (Vec::new(), Vec::new());
    for file in files {
        match kept.last() {
            Some(last) if last.covers(&file) => covered.push(file),
            _ => kept.push(file),
        }
    }
    Ok((kept, covered))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_merged_file_stands_for_what_it_was_merged_from() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "000001_-5_9.parquet",
            "000002_0_1.parquet",
            "000003_0_1.parquet",
            "000001-000002_-5_9.parquet",
            ".000004_0_1.parquet.tmp",
            "readme.txt",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let (kept, covered) = of_day(folder.path()).unwrap();
        let numbers = |files: &[LogFile]| files.iter().map(|file| file.numbers).collect::<Vec<_>>();
        assert_eq!(numbers(&kept), [(1, 2), (3, 3)]);
        assert_eq!(numbers(&covered), [(1, 1), (2, 2)]);
        assert_eq!(kept[0].events, (-5, 9));
        let name = LogFile::name(kept[0].numbers, kept[0].events);
        assert_eq!(kept[0].path, folder.path().join(name));
    }
}
