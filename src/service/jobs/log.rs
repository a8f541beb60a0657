//! A job's output as a screen shows it: the ends of its files, read from the back. A command's is `output.jsonl`, which has
//! both streams with the time of each line; other jobs have `stdout` and `stderr`. Lines for people of `events.jsonl` come in
//! between. Knows the folder, not the job.

use crate::domain::job::WorkerEvent;
use crate::domain::output::{Channel, Piece};
use crate::domain::{Result, Timestamp};
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

/// What the lines of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Text.
    Lines,
    /// Events of a worker, of which those for people are shown.
    Events,
    /// Pieces of a command's output.
    Pieces,
    /// JSON that is read later.
    Records,
}

/// How many lines the files had when they were last read: only what was added since is counted.
#[derive(Default)]
pub(super) struct Counts {
    seen: Mutex<HashMap<PathBuf, (u64, u64)>>,
}

impl Counts {
    /// The last `limit` lines of a job's folder, and how many there are.
    pub(super) fn tail(&self, folder: &Path, limit: usize) -> Result<(Vec<String>, u64)> {
        let output = folder.join("output.jsonl");
        if output.exists() {
            return self.timed(folder, &output, limit);
        }
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
            let kind = match name {
                "events.jsonl" => Kind::Events,
                _ => Kind::Lines,
            };
            let total = self.count(&path, &mut file, known.len(), kind)?;
            let lines = last_lines(&mut file, known.len(), limit, kind)?;
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

    /// Lines of `output.jsonl` and those for people of `events.jsonl`, by their times.
    fn timed(&self, folder: &Path, output: &Path, limit: usize) -> Result<(Vec<String>, u64)> {
        let mut lines: Vec<(Timestamp, String)> = Vec::new();
        let mut total = 0;
        for (path, events) in [
            (output.to_owned(), false),
            (folder.join("events.jsonl"), true),
        ] {
            let mut file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error.into()),
            };
            let length = file.metadata()?.len();
            let kind = if events { Kind::Events } else { Kind::Pieces };
            total += self.count(&path, &mut file, length, kind)?;
            let records = last_lines(&mut file, length, limit.saturating_mul(2), Kind::Records)?;
            if events {
                lines.extend(records.iter().filter_map(|record| event(record)));
            } else {
                let joined = joined(&records);
                // what is not ended yet is a line that is shown, too
                let ended = records
                    .iter()
                    .filter(|record| record.ends_with("\\n\"}"))
                    .count();
                total += joined.len().saturating_sub(ended) as u64;
                lines.extend(joined);
            }
        }
        // stable: what has the same time keeps its order
        lines.sort_by_key(|(at, _)| *at);
        if lines.len() > limit {
            lines.drain(..lines.len() - limit);
        }
        let lines = lines
            .into_iter()
            .map(|(at, text)| plain(&format!("{} {text}", at.utc().format("%H:%M:%S"))))
            .collect();
        Ok((lines, total))
    }

    fn count(&self, path: &Path, file: &mut File, length: u64, kind: Kind) -> Result<u64> {
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
            lines += u64::from(match kind {
                Kind::Events => shown(&line, Kind::Events).is_some(),
                // the escaped end of a line stands before the closing quotation mark: no need to read the rest
                Kind::Pieces => line.ends_with(b"\\n\"}\n"),
                Kind::Lines | Kind::Records => true,
            });
        }
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(path.to_owned(), (at, lines));
        Ok(lines)
    }
}

/// The last `limit` shown lines of a file, oldest first.
fn last_lines(file: &mut File, length: u64, limit: usize, kind: Kind) -> Result<Vec<String>> {
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
            .filter_map(|line| shown(line, kind))
            .collect();
        if lines.len() >= limit || start == 0 || length - start >= END {
            return Ok(lines[lines.len().saturating_sub(limit)..].to_vec());
        }
    }
}

/// A line as it is shown: of events only those for people, without control characters.
fn shown(line: &[u8], kind: Kind) -> Option<String> {
    let text = String::from_utf8_lossy(line);
    match kind {
        Kind::Lines => Some(plain(&text)),
        Kind::Events => {
            event(&text).map(|(at, said)| plain(&format!("{} {said}", at.utc().format("%H:%M:%S"))))
        }
        Kind::Pieces | Kind::Records => Some(text.into_owned()),
    }
}

/// A line for people among the events.
fn event(text: &str) -> Option<(Timestamp, String)> {
    match serde_json::from_str(text) {
        Ok(WorkerEvent::Log { at, level, text }) => Some(match level.as_str() {
            "info" => (at, text),
            level => (at, format!("{level}: {text}")),
        }),
        _ => None,
    }
}

/// Pieces as whole lines, each with the time of its first piece; what is not ended yet is the last line of its stream.
fn joined(records: &[String]) -> Vec<(Timestamp, String)> {
    let mut lines = Vec::new();
    let mut open: [Option<(Timestamp, String)>; 2] = [None, None];
    for record in records {
        let Ok(piece) = serde_json::from_str::<Piece>(record) else {
            continue;
        };
        let open = match piece.channel {
            Channel::Stdout => &mut open[0],
            Channel::Stderr => &mut open[1],
        };
        let line = open.get_or_insert_with(|| (piece.at, String::new()));
        // a progress bar that writes over itself all day: its last state is what counts
        if line.1.ends_with('\r') && piece.text != "\n" {
            line.1.clear();
        }
        line.1.push_str(&piece.text);
        if piece.text.ends_with('\n') {
            lines.extend(open.take());
        }
    }
    lines.extend(open.into_iter().flatten());
    lines
}

/// Pieces of a record from byte `from` on, about `most` bytes of it and always a whole number of pieces, and where the
/// next one begins.
pub(super) fn pieces(path: &Path, from: u64, most: u64) -> Result<(Vec<Piece>, u64)> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), 0)),
        Err(error) => return Err(error.into()),
    };
    let length = file.metadata()?.len();
    let from = if from > length { 0 } else { from };
    file.seek(SeekFrom::Start(from))?;
    let mut reader = std::io::BufReader::new(file);
    let (mut pieces, mut next) = (Vec::new(), from);
    let mut line = Vec::new();
    while next - from < most {
        line.clear();
        let count = std::io::BufRead::read_until(&mut reader, b'\n', &mut line)?;
        if line.last() != Some(&b'\n') {
            break;
        }
        next += count as u64;
        pieces.extend(serde_json::from_slice::<Piece>(&line).ok());
    }
    Ok((pieces, next))
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
    fn a_commands_lines_have_their_time_and_stand_in_its_order() {
        let folder = tempfile::tempdir().unwrap();
        let record = |at: i64, to: &str, text: &str| {
            let piece = Piece {
                at: Timestamp(at),
                channel: match to {
                    "o" => Channel::Stdout,
                    _ => Channel::Stderr,
                },
                text: text.to_owned(),
            };
            serde_json::to_string(&piece).unwrap() + "\n"
        };
        let records = [
            record(0, "o", "epoch 1\n"),
            record(1000, "e", "10%\r"),
            record(2000, "o", "no "),
            record(3000, "e", "20%\r"),
            record(4000, "o", "end\n"),
            record(9000, "e", "30%\r"),
        ]
        .concat();
        let path = folder.path().join("output.jsonl");
        std::fs::write(&path, &records).unwrap();
        std::fs::write(
            folder.path().join("events.jsonl"),
            "{\"event\":\"log\",\"at\":500,\"level\":\"warn\",\"text\":\"hot\"}\n",
        )
        .unwrap();
        let (lines, total) = Counts::default().tail(folder.path(), 10).unwrap();
        assert_eq!(
            lines,
            [
                "00:00:00 epoch 1",
                "00:00:00 warn: hot",
                "00:00:01 30%",
                "00:00:02 no end"
            ]
        );
        assert_eq!(total, 4, "two ended lines, one that is not, one for people");
        let first = record(0, "o", "epoch 1\n").len() as u64;
        let (one, next) = pieces(&path, 0, 1).unwrap();
        assert_eq!((one[0].text.as_str(), next), ("epoch 1\n", first));
        let (rest, next) = pieces(&path, next, 1 << 20).unwrap();
        assert_eq!((rest.len(), next), (5, records.len() as u64));
        assert_eq!(pieces(&path, next, 10).unwrap(), (Vec::new(), next));
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
