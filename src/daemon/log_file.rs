//! The daemon's log: a file a day, the oldest leave. Knows nothing of what is written in it.

use std::fs::{File, OpenOptions};
use std::io::{Result, Write};
use std::path::{Path, PathBuf};

/// What the name of every such file begins with, and ends with.
const NAME: (&str, &str) = ("daemon.", ".log");

/// `daemon.2013-01-31.log` in a folder; days begin at midnight UTC.
pub(super) struct LogFile {
    folder: PathBuf,
    /// Files kept.
    kept: usize,
    day: String,
    file: File,
}

impl LogFile {
    /// Opens today's file in `folder`.
    pub(super) fn open(folder: &Path, kept: usize) -> Result<Self> {
        let day = today();
        let file = file_of(folder, &day)?;
        let log = Self {
            folder: folder.to_owned(),
            kept,
            day,
            file,
        };
        log.remove_old();
        Ok(log)
    }

    /// Removes all but the latest files. What cannot be removed stays: the next day tries again.
    fn remove_old(&self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return;
        };
        let mut files: Vec<PathBuf> = entries
            .flatten()
            .filter(|entry| {
                let name = entry.file_name();
                name.to_str()
                    .and_then(|name| name.strip_prefix(NAME.0))
                    .and_then(|name| name.strip_suffix(NAME.1))
                    .is_some_and(|day| day.len() == self.day.len())
            })
            .map(|entry| entry.path())
            .collect();
        files.sort_unstable();
        for old in files.iter().rev().skip(self.kept) {
            let _ = std::fs::remove_file(old);
        }
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let day = today();
        if day != self.day
            && let Ok(file) = file_of(&self.folder, &day)
        {
            self.file = file;
            self.day = day;
            self.remove_old();
        }
        self.file.write(bytes)
    }

    fn flush(&mut self) -> Result<()> {
        self.file.flush()
    }
}

fn today() -> String {
    chrono::Utc::now().format("%Y-%m-%d").to_string()
}

fn file_of(folder: &Path, day: &str) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(folder.join(format!("{}{day}{}", NAME.0, NAME.1)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn the_latest_days_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        for day in ["2001-01-01", "2001-01-02", "2001-01-03"] {
            std::fs::write(folder.path().join(format!("daemon.{day}.log")), "old\n").unwrap();
        }
        std::fs::write(folder.path().join("daemon.out"), "").unwrap();
        let mut log = LogFile::open(folder.path(), 2).unwrap();
        log.write_all(b"a line\n").unwrap();
        let mut names: Vec<String> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names.len(), 3);
        assert_eq!(names[0], "daemon.2001-01-03.log");
        assert_eq!(names[2], "daemon.out");
        let text = std::fs::read_to_string(folder.path().join(&names[1])).unwrap();
        assert_eq!(text, "a line\n");
    }

    #[test]
    fn a_new_day_has_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(folder.path(), 2).unwrap();
        log.day = "2001-01-01".to_owned();
        log.write_all(b"later\n").unwrap();
        assert_eq!(log.day, today());
    }
}
