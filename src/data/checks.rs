//! What is looked at before a scan: file type, size, magic, footer, header, quotes, encoding.
//!
//! The readers below us name line and field for wrong widths and types, but an unclosed quote silently swallows the
//! rest, an empty file has no columns and no error, and a made-up Parquet footer makes them panic. So every file is
//! looked at here first; nothing here interprets a value.

use super::Result;
use super::text_file::{failed, open};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// How a file's rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Separated values with a header.
    Csv {
        /// `,` or a tab.
        delimiter: u8,
        /// Packed.
        gzip: bool,
    },
    /// A JSON object a line.
    JsonLines {
        /// Packed.
        gzip: bool,
    },
    /// Parquet.
    Parquet,
}

/// The format that the file's name says.
pub fn format_of(path: &Path) -> Result<Format> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().to_ascii_lowercase())
        .unwrap_or_default();
    let (stem, gzip) = match name.strip_suffix(".gz") {
        Some(stem) => (stem, true),
        None => (name.as_str(), false),
    };
    match stem.rsplit_once('.').map(|(_, ending)| ending) {
        Some("csv") => Ok(Format::Csv {
            delimiter: b',',
            gzip,
        }),
        Some("tsv") => Ok(Format::Csv {
            delimiter: b'\t',
            gzip,
        }),
        Some("jsonl" | "ndjson") => Ok(Format::JsonLines { gzip }),
        Some("parquet") if !gzip => Ok(Format::Parquet),
        _ => Err(failed(
            path,
            "the name's ending says no format; `.csv`, `.tsv`, `.jsonl` (each also `.gz`) and `.parquet` are read",
        )),
    }
}

/// That `path` is a regular file with something in it; its size.
pub fn regular_file(path: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => failed(path, "there is no such file"),
        _ => failed(path, error),
    })?;
    if !metadata.is_file() {
        return Err(failed(path, "it is not a regular file"));
    }
    if metadata.len() == 0 {
        return Err(failed(path, "the file is empty"));
    }
    Ok(metadata.len())
}

/// That a Parquet file begins and ends as one and that its footer lies inside.
pub fn parquet(path: &Path) -> Result<()> {
    let size = regular_file(path)?;
    if size < 12 {
        return Err(failed(
            path,
            format!("{size} bytes are too few for a Parquet file"),
        ));
    }
    let mut file = File::open(path).map_err(|error| failed(path, error))?;
    let (mut head, mut tail) = ([0u8; 4], [0u8; 8]);
    file.read_exact(&mut head)
        .and_then(|()| file.seek(SeekFrom::End(-8)))
        .and_then(|_| file.read_exact(&mut tail))
        .map_err(|error| failed(path, error))?;
    if tail[4..] == *b"PARE" {
        return Err(failed(
            path,
            "its footer is encrypted, which is not supported",
        ));
    }
    if head != *b"PAR1" {
        return Err(failed(
            path,
            "it is no Parquet file: it does not begin with `PAR1`",
        ));
    }
    if tail[4..] != *b"PAR1" {
        return Err(failed(
            path,
            "it is no whole Parquet file: it does not end with `PAR1`; was it cut short?",
        ));
    }
    let footer = u64::from(u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]));
    // The smallest footer that can name a schema has more than ten bytes.
    if footer < 10 || footer > size - 12 {
        return Err(failed(
            path,
            format!("its footer claims {footer} bytes of a file of {size}; the file is damaged"),
        ));
    }
    Ok(())
}

/// That a text file is one we can read; NUL bytes, UTF-8, quotes that never close, header. Answers the header's names.
pub fn csv(path: &Path, delimiter: u8, gzip: bool) -> Result<Vec<String>> {
    regular_file(path)?;
    let mut start = [0u8; 4];
    let got = File::open(path)
        .and_then(|mut file| file.read(&mut start))
        .map_err(|error| failed(path, error))?;
    magic(path, &start[..got], gzip)?;
    let mut reader = open(path, gzip)?;
    let mut text = Text::new(delimiter);
    let mut chunk = vec![0u8; 1 << 18];
    loop {
        let read = match reader.read(&mut chunk) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(path, error)),
        };
        if read == 0 {
            break;
        }
        text.take(&chunk[..read])
            .map_err(|error| failed(path, error))?;
    }
    text.end().map_err(|error| failed(path, error))
}

/// That the first bytes are not those of another kind of file.
pub(super) fn magic(path: &Path, start: &[u8], gzip: bool) -> Result<()> {
    match start {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            Err(failed(path, "the text is UTF-16; save it as UTF-8"))
        }
        [b'P', b'A', b'R', b'1', ..] => {
            Err(failed(path, "it is a Parquet file; call it `.parquet`"))
        }
        [0x1F, 0x8B, ..] if !gzip => Err(failed(path, "it is packed with gzip; call it `.gz`")),
        _ if gzip && !start.starts_with(&[0x1F, 0x8B]) => {
            Err(failed(path, "it is not packed with gzip; drop `.gz`"))
        }
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    FieldStart,
    Bare,
    Quoted,
    QuoteInQuoted,
}

/// A pass over separated values: NUL bytes, UTF-8, quotes that never close, and the header. By the same rules as the
/// reader: a quote opens only at the start of a field, two quotes inside are one.
struct Text {
    delimiter: u8,
    state: State,
    line: u64,
    quote_line: u64,
    /// The end of a character that a chunk cut.
    cut: Vec<u8>,
    header: Option<Vec<Vec<u8>>>,
    field: Vec<u8>,
    fields: Vec<Vec<u8>>,
}

impl Text {
    fn new(delimiter: u8) -> Self {
        Self {
            delimiter,
            state: State::FieldStart,
            line: 1,
            quote_line: 0,
            cut: Vec::new(),
            header: None,
            field: Vec::new(),
            fields: Vec::new(),
        }
    }

    fn take(&mut self, chunk: &[u8]) -> std::result::Result<(), String> {
        self.encoding(chunk)?;
        for byte in chunk {
            let byte = *byte;
            let in_header = self.header.is_none();
            let is_end = byte == b'\n' || byte == b'\r';
            self.state = match self.state {
                State::Quoted if byte == b'"' => State::QuoteInQuoted,
                State::Quoted => {
                    if in_header {
                        self.field.push(byte);
                    }
                    State::Quoted
                }
                State::QuoteInQuoted if byte == b'"' => {
                    if in_header {
                        self.field.push(byte);
                    }
                    State::Quoted
                }
                State::FieldStart if byte == b'"' => {
                    self.quote_line = self.line;
                    State::Quoted
                }
                _ if byte == self.delimiter || is_end => {
                    if in_header {
                        self.end_of_header_field(is_end);
                    }
                    State::FieldStart
                }
                _ => {
                    if in_header {
                        self.field.push(byte);
                    }
                    State::Bare
                }
            };
            if byte == b'\n' {
                self.line += 1;
            }
        }
        Ok(())
    }

    fn end_of_header_field(&mut self, is_end: bool) {
        if is_end && self.fields.is_empty() && self.field.is_empty() {
            return;
        }
        self.fields.push(std::mem::take(&mut self.field));
        if is_end {
            self.header = Some(std::mem::take(&mut self.fields));
        }
    }

    /// UTF-8 and no NUL, with the line where it is not so.
    fn encoding(&mut self, chunk: &[u8]) -> std::result::Result<(), String> {
        let line_of =
            |bytes: &[u8]| self.line + bytes.iter().filter(|byte| **byte == b'\n').count() as u64;
        if let Some(at) = chunk.iter().position(|byte| *byte == 0) {
            return Err(format!(
                "line {}: a NUL byte; is this text in UTF-8?",
                line_of(&chunk[..at])
            ));
        }
        let joined;
        let bytes = if self.cut.is_empty() {
            chunk
        } else {
            joined = [self.cut.as_slice(), chunk].concat();
            joined.as_slice()
        };
        match std::str::from_utf8(bytes) {
            Ok(_) => self.cut.clear(),
            Err(error) if error.error_len().is_none() => {
                self.cut = bytes[error.valid_up_to()..].to_vec()
            }
            Err(error) => {
                return Err(format!(
                    "line {}: the text is not UTF-8",
                    line_of(&bytes[..error.valid_up_to()])
                ));
            }
        }
        Ok(())
    }

    fn end(mut self) -> std::result::Result<Vec<String>, String> {
        if !self.cut.is_empty() {
            return Err(format!(
                "line {}: the text ends in the middle of a character",
                self.line
            ));
        }
        if self.state == State::Quoted {
            return Err(format!(
                "line {}: a quote opens and never closes",
                self.quote_line
            ));
        }
        self.end_of_header_field(true);
        let Some(header) = self.header else {
            return Err("the file is empty".to_owned());
        };
        let mut seen: BTreeMap<&[u8], usize> = BTreeMap::new();
        let mut names = Vec::with_capacity(header.len());
        for (at, name) in header.iter().enumerate() {
            let text = String::from_utf8_lossy(name).into_owned();
            if text.is_empty() {
                return Err(format!("column {} has no name in the header", at + 1));
            }
            if let Some(first) = seen.insert(name, at + 1) {
                return Err(format!(
                    "columns {first} and {} are both called `{text}`",
                    at + 1
                ));
            }
            names.push(text);
        }
        Ok(names)
    }
}

/// Runs a scan; a panic in it becomes an error that names the file.
pub(super) fn guarded<T>(path: &Path, scan: impl FnOnce() -> Result<T>) -> Result<T> {
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(scan)) {
        Ok(result) => result,
        Err(cause) => {
            let cause = cause
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| cause.downcast_ref::<&str>().copied())
                .unwrap_or("no reason given");
            Err(failed(
                path,
                format!("the file is damaged in a way that stopped its reader ({cause})"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn check_csv(content: &[u8]) -> std::result::Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, content).unwrap();
        csv(&path, b',', false).map_err(|error| error.0)
    }

    #[test]
    fn a_good_header_is_answered() {
        assert_eq!(
            check_csv(b"\xEF\xBB\xBFa,\"b \"\"c\"\"\",d\n1,2,3\n").unwrap(),
            ["a", "b \"c\"", "d"]
        );
        assert_eq!(check_csv(b"\r\n\na\r\n1").unwrap(), ["a"]);
        assert_eq!(check_csv(b"only").unwrap(), ["only"]);
    }

    #[test]
    fn dirty_text_is_named() {
        for (content, expected) in [
            (&b""[..], "empty"),
            (b"\n\n", "empty"),
            (b"a,b,a\n1,2,3\n", "columns 1 and 3 are both called `a`"),
            (b"a,,b\n", "column 2 has no name"),
            (b"a,b\n1,2\n3,\"x\n4,5\n", "line 3: a quote opens"),
            (b"a\n1\n\xFF\xFE\n", "line 3: the text is not UTF-8"),
            (b"\xFF\xFEa\0\n\0", "UTF-16"),
            (b"a\n1\n\0\n", "line 3: a NUL byte"),
            (b"a\n\xC3", "middle of a character"),
            (b"PAR1xx", "Parquet"),
            (b"\x1F\x8B\x08", "gzip"),
        ] {
            let error = check_csv(content).unwrap_err();
            assert!(error.contains(expected), "{error} should say {expected}");
        }
    }

    #[test]
    fn a_character_cut_by_a_chunk_is_whole() {
        let mut content = vec![b'a'; (1 << 18) - 1];
        content.extend("é\n1\n".as_bytes());
        assert!(check_csv(&content).is_ok());
    }

    #[test]
    fn made_up_parquet_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        for (content, expected) in [
            (&b"PAR1"[..], "too few"),
            (b"PAR1\0\0\0\0\0\0PAR1", "damaged"),
            (b"PAR1\x02\0\x02\0\0\0PAR1", "damaged"),
            (b"PAR1aaaaaaaaaaaaaaaaaaaaaaaa\xFF\0\0\0PAR1", "damaged"),
            (b"hello, this is no such file", "does not begin"),
            (b"PAR1 this one was cut short", "does not end"),
            (b"PAR1aaaaaaaaaaaaaaaaaaaa\x02\0\0\0PARE", "encrypted"),
        ] {
            std::fs::write(&path, content).unwrap();
            let error = parquet(&path).unwrap_err().0;
            assert!(
                error.contains(expected) && error.contains("a.parquet"),
                "{error} should say {expected}"
            );
        }
        assert!(
            regular_file(folder.path())
                .unwrap_err()
                .0
                .contains("regular")
        );
        assert!(
            regular_file(&folder.path().join("b"))
                .unwrap_err()
                .0
                .contains("no such file")
        );
    }

    #[test]
    fn a_panic_in_a_scan_is_an_error_with_the_files_name() {
        let result: Result<()> = guarded(Path::new("x.parquet"), || panic!("index out of bounds"));
        let error = result.unwrap_err().0;
        assert!(
            error.contains("x.parquet") && error.contains("index out of bounds"),
            "{error}"
        );
    }
}
