//! A text file in pieces of whole records: a line each, or for separated values what quotes hold together. Bounded
//! memory whatever the file holds: a record beyond the limit is refused. Knows where records end, not what they mean.

use super::Result;
use super::regular_file::{Identity, failed};
use super::text_file::TextFile;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read at a time.
const BLOCK: usize = 1 << 20;
/// The longest record: 16 MiB.
const LIMIT: usize = 16 << 20;

/// Some whole records.
pub(super) struct Chunk {
    /// Their text.
    pub(super) bytes: Vec<u8>,
    /// The line that they begin on, from 1.
    line: u64,
    /// Whether they are the file's first ones.
    pub(super) first: bool,
    /// Whether the file ends with them.
    pub(super) last: bool,
}

impl Chunk {
    /// The line of what begins at or after byte `at`.
    pub(super) fn line(&self, at: usize) -> u64 {
        let ends = self.bytes[at.min(self.bytes.len())..]
            .iter()
            .take_while(|byte| matches!(byte, b'\n' | b'\r'))
            .count();
        let before = &self.bytes[..(at + ends).min(self.bytes.len())];
        self.line + newlines(before)
    }

    /// The text; fails with the line where it is not UTF-8.
    pub(super) fn text(&self, path: &Path) -> Result<&str> {
        std::str::from_utf8(&self.bytes).map_err(|error| {
            let line = self.line + newlines(&self.bytes[..error.valid_up_to()]);
            if error.error_len().is_none() && self.last {
                failed(
                    path,
                    format!("line {line}: the text ends in the middle of a character; was the file cut short?"),
                )
            } else {
                failed(path, format!("line {line}: the text is not UTF-8"))
            }
        })
    }
}

fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|byte| **byte == b'\n').count() as u64
}

/// The pieces of a file.
pub(super) struct Chunks {
    path: PathBuf,
    file: TextFile,
    ends: Ends,
    /// The line of the quote that opened last.
    quote_line: u64,
    rest: Vec<u8>,
    line: u64,
    first: bool,
    over: bool,
    /// Bytes read at a time.
    block: usize,
    behind: Behind,
}

/// How far the reading of a file is; to be looked at from anywhere.
#[derive(Clone)]
pub(super) struct Behind {
    bytes: Arc<AtomicU64>,
    whole: u64,
}

impl Behind {
    /// The share of the file's bytes that was read.
    pub(super) fn share(&self) -> f64 {
        (self.bytes.load(Ordering::Relaxed) as f64 / self.whole.max(1) as f64).min(1.0)
    }
}

impl Chunks {
    /// Opens `path`; `delimiter`: it holds separated values, where a quoted field may hold line ends.
    pub(super) fn open(path: &Path, gzip: bool, delimiter: Option<u8>) -> Result<Self> {
        let file = TextFile::open(path, gzip)?;
        Ok(Self {
            path: path.to_owned(),
            behind: Behind {
                bytes: Arc::default(),
                whole: file.identity.bytes,
            },
            file,
            ends: Ends {
                delimiter,
                state: State::FieldStart,
                quote_at: None,
            },
            quote_line: 0,
            rest: Vec::new(),
            line: 1,
            first: true,
            over: false,
            block: BLOCK,
        })
    }

    /// The file as it was opened.
    pub(super) fn identity(&self) -> Identity {
        self.file.identity
    }

    /// How far it is read.
    pub(super) fn behind(&self) -> Behind {
        self.behind.clone()
    }

    /// Whether it is worth several threads.
    pub(super) fn is_large(&self) -> bool {
        self.file.identity.bytes > 2 * BLOCK as u64
    }

    fn next_chunk(&mut self) -> Result<Option<Chunk>> {
        let mut bytes = std::mem::take(&mut self.rest);
        loop {
            let start = bytes.len();
            bytes.resize(start + self.block, 0);
            let mut end = start;
            while end < bytes.len() {
                match self.file.read(&mut bytes[end..])? {
                    0 => break,
                    read => end += read,
                }
            }
            bytes.truncate(end);
            let behind = self.file.behind();
            self.behind.bytes.store(behind, Ordering::Relaxed);
            if end == start {
                self.over = true;
                if self.ends.is_open() {
                    return Err(failed(
                        &self.path,
                        format!("line {}: a quote opens and never closes", self.quote_line),
                    ));
                }
                break;
            }
            if let Some(at) = bytes[start..].iter().position(|byte| *byte == 0) {
                let line = self.line + newlines(&bytes[..start + at]);
                return Err(failed(
                    &self.path,
                    format!("line {line}: a NUL byte; is this text in UTF-8?"),
                ));
            }
            let cut = self.ends.last_in(&bytes[start..]);
            if let Some(at) = self.ends.quote_at.take() {
                self.quote_line = self.line + newlines(&bytes[..start + at]);
            }
            if let Some(cut) = cut {
                self.rest = bytes.split_off(start + cut);
                break;
            }
            if bytes.len() > LIMIT {
                let limit = LIMIT >> 20;
                let what = if self.ends.is_open() {
                    format!(
                        "line {}: a quote opens and does not close within {limit} MiB, which is the limit of a row",
                        self.quote_line
                    )
                } else {
                    format!(
                        "line {}: it is longer than {limit} MiB, which is the limit of a row; does the file have line ends?",
                        self.line
                    )
                };
                return Err(failed(&self.path, what));
            }
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let chunk = Chunk {
            line: self.line,
            first: self.first,
            last: self.over,
            bytes,
        };
        self.line += newlines(&chunk.bytes);
        self.first = false;
        Ok(Some(chunk))
    }
}

impl Iterator for Chunks {
    type Item = Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.next_chunk();
        self.over |= next.is_err();
        next.transpose()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Bare,
    Quoted,
    QuoteInQuoted,
}

/// Where records end, by the rules of the reader of separated values: a quote opens only at the start of a field, two
/// quotes inside are one.
struct Ends {
    delimiter: Option<u8>,
    state: State,
    /// Where, in the block looked at last, a quote opened last.
    quote_at: Option<usize>,
}

impl Ends {
    fn is_open(&self) -> bool {
        self.state == State::Quoted
    }

    /// Looks at the next block: where its last record ends, if one does.
    fn last_in(&mut self, block: &[u8]) -> Option<usize> {
        let Some(delimiter) = self.delimiter else {
            return block
                .iter()
                .rposition(|byte| *byte == b'\n')
                .map(|at| at + 1);
        };
        if self.state != State::Quoted
            && self.state != State::QuoteInQuoted
            && !block.contains(&b'"')
        {
            self.state = match block.last() {
                Some(last) if *last == delimiter || matches!(last, b'\n' | b'\r') => {
                    State::FieldStart
                }
                _ => State::Bare,
            };
            return block
                .iter()
                .rposition(|byte| *byte == b'\n')
                .or_else(|| {
                    // the last byte may be the first half of a line end
                    let inner = &block[..block.len().saturating_sub(1)];
                    inner.iter().rposition(|byte| *byte == b'\r')
                })
                .map(|at| at + 1);
        }
        let mut last = None;
        for (at, byte) in block.iter().enumerate() {
            self.state = match (self.state, *byte) {
                (State::Quoted, b'"') => State::QuoteInQuoted,
                (State::Quoted, _) => State::Quoted,
                (State::QuoteInQuoted, b'"') => State::Quoted,
                (State::FieldStart, b'"') => {
                    self.quote_at = Some(at);
                    State::Quoted
                }
                (_, byte) if byte == delimiter => State::FieldStart,
                (_, b'\n') => {
                    last = Some(at + 1);
                    State::FieldStart
                }
                (_, b'\r') => State::FieldStart,
                _ => State::Bare,
            };
        }
        last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn chunks(content: &[u8], delimiter: Option<u8>) -> std::result::Result<Vec<Chunk>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, content).unwrap();
        Chunks::open(&path, false, delimiter)
            .and_then(Iterator::collect)
            .map_err(|error: crate::data::Error| error.0)
    }

    #[test]
    fn pieces_hold_whole_records_and_know_their_lines() {
        let line = format!("{},\"x\ny\"\n", "a".repeat(700));
        let content = line.repeat(5_000);
        let pieces = chunks(content.as_bytes(), Some(b',')).unwrap();
        assert!(pieces.len() > 3);
        let mut lines = 1;
        for piece in &pieces {
            assert_eq!(piece.line, lines);
            assert!(piece.bytes.starts_with(b"a") && piece.bytes.ends_with(b"y\"\n"));
            lines += newlines(&piece.bytes);
        }
        assert_eq!(lines, 10_001);
        let whole: Vec<u8> = pieces.into_iter().flat_map(|piece| piece.bytes).collect();
        assert_eq!(whole, content.as_bytes());
    }

    #[test]
    fn what_is_no_text_in_records_is_named_with_its_line() {
        let endless = [b"a\n".as_slice(), &vec![b'x'; LIMIT + 2 * BLOCK]].concat();
        let unclosed = [b"a\n\"".as_slice(), &vec![b'\n'; LIMIT + 2 * BLOCK]].concat();
        let late = [vec![b'\n'; BLOCK + 5], b"\"x\n".to_vec()].concat();
        for (content, expected) in [
            (
                &b"a,b\n1,2\n3,\"x\n4,5\n"[..],
                "line 3: a quote opens and never closes",
            ),
            (b"a\n1\n\0\n", "line 3: a NUL byte"),
            (&endless, "limit of a row"),
            (
                &unclosed,
                "line 2: a quote opens and does not close within 16 MiB",
            ),
            (&late, "line 1048582: a quote opens"),
        ] {
            let error = chunks(content, Some(b',')).map(|_| ()).unwrap_err();
            assert!(error.contains(expected), "{error} should say {expected}");
        }
    }

    fn records(text: &[u8]) -> Vec<Vec<String>> {
        ::csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(text)
            .records()
            .map(|record| record.unwrap().iter().map(str::to_owned).collect())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn records_are_the_same_in_whatever_pieces_they_come(text in "[ab,\"\n\r]{1,40}", block in 1usize..9) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.csv");
            std::fs::write(&path, &text).unwrap();
            let mut pieces = Chunks::open(&path, false, Some(b',')).unwrap();
            pieces.block = block;
            let mut found = Vec::new();
            let mut line = 1;
            for piece in pieces {
                // a quote that never closes is refused; the reader would take the rest for text
                let Ok(piece) = piece else { return Ok(()) };
                prop_assert_eq!(piece.line, line);
                line += newlines(&piece.bytes);
                found.extend(records(&piece.bytes));
            }
            prop_assert_eq!(found, records(text.as_bytes()));
        }
    }
}
