//! A job's output as a screen shows it: the ends of `stdout`, `stderr` and `events.jsonl`, read from the back.
//! Knows the folder, not the job.

use crate::domain::Result;
use crate::domain::job::WorkerEvent;
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

/// Bytes read at once.
const BLOCK: u64 = 64 * 1024;
/// Bytes of a file's end that are looked at most.
const END: u64 = 4 * 1024 * 1024;
/// Characters of a line that are kept.
const LINE: usize = 2000;
/// Files whose lines are remembered.
const REMEMBERED: usize = 512;

/// How many lines the files had when they were last read: only what was added since is counted.
#[derive(Default)]
pub(super) struct Counts {
    seen: Mutex<HashMap<PathBuf, (u64, u64)>>,
}

impl Counts {
    /// The last `limit` lines of a job's folder, and how many there are.
    pub(super) fn tail(&self, folder: &Path, limit: usize) -> Result<(Vec<String>, u64)> {
        let mut files: Vec<(SystemTime, Vec<String>, u64)> = Vec::new();
        for name in ["stdout", "events.jsonl", "stderr"] {
            let path = folder.join(name);
            let mut file = match File::open(&path) {
                Ok(file) => file,
                // Nothing was said there yet.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let known = file.metadata()?;
            let events = name == "events.jsonl";
            let total = self.count(&path, &mut file, known.len(), events)?;
            let lines = last_lines(&mut file, known.len(), limit, events)?;
            files.push((known.modified()?, lines, total));
        }
        files.sort_by_key(|(modified, _, _)| *modified);
        let total = files.iter().map(|(_, _, total)| total).sum();
        let mut lines: Vec<String> = files.into_iter().flat_map(|(_, lines, _)| lines).collect();
        if lines.len() > limit {
            lines.drain(..lines.len() - limit);
        }
        Ok((lines, total))
    }

    fn count(&self, path: &Path, file: &mut File, length: u64, events: bool) -> Result<u64> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut at, mut lines) = seen.get(path).copied().unwrap_or_default();
        if at > length {
            // The file began anew: another attempt.
            (at, lines) = (0, 0);
        }
        file.seek(SeekFrom::Start(at))?;
        let mut reader = std::io::BufReader::new(file.take(length - at));
        let mut line = Vec::new();
        loop {
            line.clear();
            let count = std::io::BufRead::read_until(&mut reader, b'\n', &mut line)?;
            if count == 0 || line.last() != Some(&b'\n') {
                break;
            }
            at += count as u64;
            lines += u64::from(!events || shown(&line, true).is_some());
        }
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(path.to_owned(), (at, lines));
        Ok(lines)
    }
}

/// The last `limit` shown lines of a file, oldest first.
fn last_lines(file: &mut File, length: u64, limit: usize, events: bool) -> Result<Vec<String>> {
    let mut start = length;
    let mut bytes: Vec<u8> = Vec::new();
    loop {
        let size = BLOCK.min(start);
        start -= size;
        file.seek(SeekFrom::Start(start))?;
        let mut block = vec![0; usize::try_from(size).unwrap_or_default()];
        // A file that shrinks while it is read ends early: what there is will do.
        let mut filled = 0;
        while filled < block.len() {
            match file.read(&mut block[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        block.truncate(filled);
        block.append(&mut bytes);
        bytes = block;
        let whole = match start {
            0 => &bytes[..],
            // The first line of the part may be cut: it is left out.
            _ => bytes
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(&[][..], |end| &bytes[end + 1..]),
        };
        let lines: Vec<String> = whole
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .filter_map(|line| shown(line, events))
            .collect();
        if lines.len() >= limit || start == 0 || length - start >= END {
            return Ok(lines[lines.len().saturating_sub(limit)..].to_vec());
        }
    }
}

/// A line as it is shown: of events only those for people, without control characters.
fn shown(line: &[u8], events: bool) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    if !events {
        return Some(plain(&text));
    }
    match serde_json::from_str(&text) {
        Ok(WorkerEvent::Log { at, level, text }) => {
            let time = at.utc().format("%H:%M:%S");
            let level = match level.as_str() {
                "info" => String::new(),
                level => format!("{level}: "),
            };
            Some(plain(&format!("{time} {level}{text}")))
        }
        _ => None,
    }
}

/// Text without escape sequences and control characters; of a line that was overwritten with `\r`, the last state.
pub(super) fn plain(text: &str) -> String {
    let text = text.trim_end_matches(['\n', '\r']);
    let text = text.rsplit('\r').next().unwrap_or(text);
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => match characters.next() {
                // CSI: parameters, then one letter or sign.
                Some('[') => {
                    for next in characters.by_ref() {
                        if ('@'..='~').contains(&next) {
                            break;
                        }
                    }
                }
                // OSC: up to BEL or ESC \.
                Some(']') => {
                    while let Some(next) = characters.next() {
                        if next == '\u{7}' {
                            break;
                        }
                        if next == '\u{1b}' {
                            characters.next_if_eq(&'\\');
                            break;
                        }
                    }
                }
                _ => {}
            },
            '\t' => plain.push_str("    "),
            control if control.is_control() => {}
            other => plain.push(other),
        }
        if plain.len() >= LINE {
            break;
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use std::io::Write;

    #[test]
    fn escape_sequences_never_reach_a_screen() {
        assert_eq!(plain("\u{1b}[31mred\u{1b}[0m\tx\u{7}"), "red    x");
        assert_eq!(plain("\u{1b}]0;title\u{7}a\u{1b}]8;;u\u{1b}\\b"), "ab");
        assert_eq!(plain("10%\r20%\r"), "20%");
        assert_eq!(plain("\u{9b}31m"), "31m");
    }

    #[test]
    fn the_end_of_long_files_is_read_from_the_back() {
        let folder = tempfile::tempdir().unwrap();
        let mut file = File::create(folder.path().join("stdout")).unwrap();
        for number in 0..50_000 {
            writeln!(file, "line {number}").unwrap();
        }
        let counts = Counts::default();
        let (lines, total) = counts.tail(folder.path(), 3).unwrap();
        assert_eq!(lines, ["line 49997", "line 49998", "line 49999"]);
        assert_eq!(total, 50_000);
        writeln!(file, "one more").unwrap();
        let (lines, total) = counts.tail(folder.path(), 1).unwrap();
        assert_eq!((lines, total), (vec!["one more".to_owned()], 50_001));
    }

    #[test]
    fn of_events_only_lines_for_people_are_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(
            folder.path().join("events.jsonl"),
            "{\"event\":\"progress\",\"share\":0.5,\"doing\":\"x\"}\n{\"event\":\"log\",\"at\":0,\"level\":\"warn\",\"text\":\"hot\"}\n{\"event\":\"lo",
        )
        .unwrap();
        let (lines, total) = Counts::default().tail(folder.path(), 10).unwrap();
        assert_eq!((lines, total), (vec!["00:00:00 warn: hot".to_owned()], 1));
    }
}
