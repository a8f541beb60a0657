//! What a file's name says it is, and what is looked at before a Parquet file is read: size, magic, footer.
//!
//! The reader below us panics on a made-up footer, so every file is looked at here first, and a panic that comes all the
//! same is an error with the file's name. Nothing here interprets a value.

use super::Result;
use super::regular_file::{self, failed};
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
pub(super) fn regular_file(path: &Path) -> Result<u64> {
    match regular_file::look(path)?.bytes {
        0 => Err(failed(path, "the file is empty")),
        bytes => Ok(bytes),
    }
}

/// That a Parquet file begins and ends as one and that its footer lies inside.
pub(super) fn parquet(path: &Path) -> Result<()> {
    let size = regular_file(path)?;
    if size < 12 {
        return Err(failed(
            path,
            format!("{size} bytes are too few for a Parquet file"),
        ));
    }
    let (mut file, _) = regular_file::open(path)?;
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
        let what = match head {
            [0x1F, 0x8B, ..] => "; it is packed with gzip: unpack it first",
            _ => "",
        };
        return Err(failed(
            path,
            format!("it is no Parquet file: it does not begin with `PAR1`{what}"),
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
