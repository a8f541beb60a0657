//! Text files as bytes: plain or gzip, a UTF-8 byte order mark skipped, the first bytes looked at, what unpacks beyond
//! reason refused. Knows nothing of what the text means.

use super::Result;
use super::regular_file::{self, Identity, failed};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// A packed file may unpack to this many times its size; text of one repeated value reaches about 1,000.
const RATIO: u64 = 200;
/// Up to here any ratio is taken: 16 MiB.
const FREE: u64 = 16 << 20;

/// The bytes of a text file.
pub(super) struct TextFile {
    path: PathBuf,
    source: Source,
    /// Bytes of the start that are still to be given.
    start: Vec<u8>,
    given: u64,
    /// The file as it was opened.
    pub(super) identity: Identity,
}

enum Source {
    Plain(File),
    Packed(Box<MultiGzDecoder<BufReader<File>>>),
}

impl TextFile {
    /// Opens `path`; refuses what is empty, or text of another kind than its name says.
    pub(super) fn open(path: &Path, gzip: bool) -> Result<Self> {
        let (mut file, identity) = regular_file::open(path)?;
        if identity.bytes == 0 {
            return Err(failed(path, "the file is empty"));
        }
        let mut start = Vec::with_capacity(4);
        (&mut file)
            .take(4)
            .read_to_end(&mut start)
            .map_err(|error| failed(path, error))?;
        magic(path, &start, gzip)?;
        let source = if gzip {
            std::io::Seek::rewind(&mut file).map_err(|error| failed(path, error))?;
            start.clear();
            Source::Packed(Box::new(MultiGzDecoder::new(BufReader::with_capacity(
                1 << 18,
                file,
            ))))
        } else {
            Source::Plain(file)
        };
        let mut opened = Self {
            path: path.to_owned(),
            source,
            start,
            given: 0,
            identity,
        };
        if gzip {
            let mut start = vec![0; 4];
            let mut got = 0;
            while got < start.len() {
                match opened.read(&mut start[got..])? {
                    0 => break,
                    read => got += read,
                }
            }
            start.truncate(got);
            if start.is_empty() {
                return Err(failed(path, "the file is empty once it is unpacked"));
            }
            if let [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] = start.as_slice() {
                return Err(failed(path, "the text is UTF-16; save it as UTF-8"));
            }
            opened.start = start;
        }
        if opened.start.starts_with(&[0xEF, 0xBB, 0xBF]) {
            opened.start.drain(..3);
        }
        Ok(opened)
    }

    /// Fills some of `buffer`; 0 at the end.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if !self.start.is_empty() {
            let count = self.start.len().min(buffer.len());
            buffer[..count].copy_from_slice(&self.start[..count]);
            self.start.drain(..count);
            return Ok(count);
        }
        loop {
            let outcome = match &mut self.source {
                Source::Plain(file) => file.read(buffer),
                Source::Packed(decoder) => decoder.read(buffer),
            };
            let read = match outcome {
                Ok(read) => read,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed(&self.path, self.unpacking(&error))),
            };
            self.given += read as u64;
            if matches!(self.source, Source::Packed(_))
                && self.given > FREE
                && self.given / RATIO > self.identity.bytes
            {
                return Err(failed(
                    &self.path,
                    format!(
                        "it unpacks to more than {RATIO} times its {} bytes, which is the limit; if it is meant to, unpack it first",
                        self.identity.bytes
                    ),
                ));
            }
            return Ok(read);
        }
    }

    /// Bytes of the file itself that were read, about; of a packed one fewer than were given.
    pub(super) fn behind(&mut self) -> u64 {
        match &mut self.source {
            Source::Plain(_) => self.given,
            Source::Packed(decoder) => {
                let file = decoder.get_mut().get_mut();
                std::io::Seek::stream_position(file).unwrap_or_default()
            }
        }
    }

    fn unpacking(&self, error: &std::io::Error) -> String {
        match (&self.source, error.kind()) {
            (Source::Packed(_), std::io::ErrorKind::UnexpectedEof) => {
                format!(
                    "the gzip stream ends too early, after {} unpacked bytes; was the file cut short?",
                    self.given
                )
            }
            (
                Source::Packed(_),
                std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData,
            ) => {
                format!(
                    "the gzip stream is damaged after {} unpacked bytes ({error})",
                    self.given
                )
            }
            _ => error.to_string(),
        }
    }
}

/// That the first bytes are not those of another kind of file.
fn magic(path: &Path, start: &[u8], gzip: bool) -> Result<()> {
    match start {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => {
            Err(failed(path, "the text is UTF-16; save it as UTF-8"))
        }
        [b'P', b'A', b'R', b'1', ..] => {
            Err(failed(path, "it is a Parquet file; call it `.parquet`"))
        }
        [b'P', b'K', 3, 4, ..] => Err(failed(
            path,
            "it is a ZIP archive (or a spreadsheet); save what is in it as CSV",
        )),
        [0x28, 0xB5, 0x2F, 0xFD, ..] => {
            Err(failed(path, "it is packed with Zstandard; unpack it first"))
        }
        [0x1F, 0x8B, ..] if !gzip => Err(failed(
            path,
            "it is packed with gzip, which its name does not say; let its name end in `.gz`",
        )),
        _ if gzip && !start.starts_with(&[0x1F, 0x8B]) => {
            Err(failed(path, "it is not packed with gzip; drop `.gz`"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::io::Write;

    fn all(content: &[u8], name: &str) -> std::result::Result<Vec<u8>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        let mut file = TextFile::open(&path, name.ends_with(".gz")).map_err(|error| error.0)?;
        let mut bytes = Vec::new();
        let mut buffer = [0; 1000];
        loop {
            match file.read(&mut buffer).map_err(|error| error.0)? {
                0 => return Ok(bytes),
                read => bytes.extend(&buffer[..read]),
            }
        }
    }

    fn packed(content: &[u8]) -> Vec<u8> {
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packer.write_all(content).unwrap();
        packer.finish().unwrap()
    }

    #[test]
    fn bytes_come_without_their_mark_packed_or_not() {
        assert_eq!(all(b"\xEF\xBB\xBFa,b", "a.csv").unwrap(), b"a,b");
        assert_eq!(all(b"a", "a.csv").unwrap(), b"a");
        assert_eq!(all(&packed(b"\xEF\xBB\xBFab"), "a.csv.gz").unwrap(), b"ab");
        let two = [packed(b"one,"), packed(b"two")].concat();
        assert_eq!(all(&two, "a.csv.gz").unwrap(), b"one,two");
    }

    #[test]
    fn another_kind_of_file_is_refused() {
        let whole = packed(&[b'x'; 4000]);
        for (content, name, expected) in [
            (&b""[..], "a.csv", "empty"),
            (b"PAR1", "a.csv", "Parquet"),
            (b"PK\x03\x04", "a.csv", "ZIP"),
            (b"\xFF\xFEa\0", "a.csv", "UTF-16"),
            (whole.as_slice(), "a.csv", "packed with gzip"),
            (b"plain", "a.csv.gz", "not packed"),
            (&whole[..whole.len() - 9], "a.csv.gz", "ends too early"),
            (&packed(b""), "a.csv.gz", "empty once"),
        ] {
            let error = all(content, name).unwrap_err();
            assert!(error.contains(expected) && error.contains(name), "{error}");
        }
    }

    #[test]
    fn what_unpacks_without_end_is_refused() {
        let line = [&[b'0'; 999][..], b"\n"].concat().repeat(1 << 10);
        let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..40 {
            packer.write_all(&line).unwrap();
        }
        let error = all(&packer.finish().unwrap(), "a.csv.gz")
            .map(|_| ())
            .unwrap_err();
        assert!(error.contains("200 times"), "{error}");
    }
}
