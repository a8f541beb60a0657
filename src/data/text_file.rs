//! Text files as bytes: plain or gzip, a UTF-8 byte order mark skipped. Knows nothing of what the text means.

use super::{Error, Result};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

/// `error` while reading `path`.
pub(super) fn failed(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::new(format!("reading `{}`: {error}", path.display()))
}

/// The bytes of `path`, unpacked when `gzip`, without byte order mark.
pub(super) fn open(path: &Path, gzip: bool) -> Result<Box<dyn Read>> {
    let file = File::open(path).map_err(|error| failed(path, error))?;
    let mut reader: Box<dyn Read> = if gzip {
        Box::new(flate2::bufread::MultiGzDecoder::new(
            BufReader::with_capacity(1 << 18, file),
        ))
    } else {
        Box::new(file)
    };
    let mut start = Vec::with_capacity(3);
    reader
        .by_ref()
        .take(3)
        .read_to_end(&mut start)
        .map_err(|error| failed(path, error))?;
    if start == [0xEF, 0xBB, 0xBF] {
        start.clear();
    }
    Ok(Box::new(Cursor::new(start).chain(reader)))
}
