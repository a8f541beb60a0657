//! A file on its way to a reader: looked at before it is opened (folders, pipes, devices and loops of links never are),
//! and known again afterwards, so that one that grows or is replaced is told and never half read. Knows no format.

use super::{Error, Result};
use crate::domain::printable_path;
use std::fs::{File, Metadata, OpenOptions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// `error` while reading `path`.
pub(super) fn failed(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::new(format!("reading `{}`: {error}", printable_path(path)))
}

/// Which file it is and how it stood: another file under the same name, and the same file with other content, differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// Size.
    pub(super) bytes: u64,
    modified: (i64, i64),
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }

    /// Modification time in milliseconds.
    pub(super) fn modified_ms(&self) -> i64 {
        self.modified.0 * 1_000 + self.modified.1.div_euclid(1_000_000)
    }
}

/// What `path` is, without opening it. Fails on everything that is no regular file, in words.
pub(super) fn look(path: &Path) -> Result<Identity> {
    let metadata =
        std::fs::metadata(path).map_err(|error| failed(path, unreachable(path, &error)))?;
    regular(path, &metadata)?;
    Ok(Identity::of(&metadata))
}

/// Opens `path` for reading; never waits for a pipe's other end.
pub(super) fn open(path: &Path) -> Result<(File, Identity)> {
    look(path)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(rustix::fs::OFlags::NONBLOCK.bits() as i32)
        .open(path)
        .map_err(|error| failed(path, unreachable(path, &error)))?;
    let metadata = file.metadata().map_err(|error| failed(path, error))?;
    regular(path, &metadata)?;
    Ok((file, Identity::of(&metadata)))
}

/// That `path` is still the file that it was. Says what happened to it when it is not.
pub(super) fn unchanged(path: &Path, before: &Identity) -> Result<()> {
    let after = look(path)?;
    if after == *before {
        return Ok(());
    }
    let what = if (after.device, after.inode) != (before.device, before.inode) {
        "it was replaced by another file while it was read; read it again".to_owned()
    } else if after.bytes > before.bytes {
        format!(
            "it grew from {} to {} bytes while it was read; let its writer use a name that ends in `.tmp` and rename it when it is whole",
            before.bytes, after.bytes
        )
    } else if after.bytes < before.bytes {
        format!(
            "it shrank from {} to {} bytes while it was read; read it again when its writer is done",
            before.bytes, after.bytes
        )
    } else {
        "it was written while it was read; read it again when its writer is done".to_owned()
    };
    Err(failed(path, what))
}

/// `outcome`, unless the file is no longer the one that it was: then that is the reason to tell.
pub(super) fn or_changed<T>(path: &Path, before: &Identity, outcome: Result<T>) -> Result<T> {
    outcome.map_err(|error| unchanged(path, before).err().unwrap_or(error))
}

fn regular(path: &Path, metadata: &Metadata) -> Result<()> {
    let kind = metadata.file_type();
    if kind.is_file() {
        return Ok(());
    }
    let what = if kind.is_dir() {
        let name = printable_path(path);
        return Err(failed(
            path,
            format!(
                "it is a folder, not a regular file; for the files in it write `{}/*`",
                name.trim_end_matches('/')
            ),
        ));
    } else if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else if kind.is_block_device() || kind.is_char_device() {
        "a device"
    } else {
        "something else"
    };
    Err(failed(
        path,
        format!("it is {what}, not a regular file; save the data to a file first"),
    ))
}

/// Why there is nothing to look at.
fn unreachable(path: &Path, error: &std::io::Error) -> String {
    let link = std::fs::read_link(path);
    match (error.kind(), link) {
        (std::io::ErrorKind::NotFound, Ok(target)) => format!(
            "it is a link to `{}`, which is not there",
            printable_path(&target)
        ),
        (std::io::ErrorKind::NotFound, Err(_)) => "there is no such file".to_owned(),
        (std::io::ErrorKind::PermissionDenied, _) => {
            "there is no permission to read it; give the user who runs this read access".to_owned()
        }
        _ if error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            "it is a link that leads back to itself".to_owned()
        }
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn what_is_no_regular_file_is_never_opened() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("d.parquet")).unwrap();
        std::os::unix::fs::symlink(at("loop.csv"), at("loop.csv")).unwrap();
        std::os::unix::fs::symlink(at("gone"), at("dangling.csv")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("pipe.csv"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        for (name, expected) in [
            ("d.parquet", "d.parquet/*`"),
            ("loop.csv", "leads back to itself"),
            ("dangling.csv", "gone`, which is not there"),
            ("pipe.csv", "a pipe"),
            ("none.csv", "no such file"),
        ] {
            let error = open(&at(name)).unwrap_err().0;
            assert!(error.contains(expected) && error.contains(name), "{error}");
        }
        assert!(
            open(Path::new("/dev/null"))
                .unwrap_err()
                .0
                .contains("a device")
        );
    }

    #[test]
    fn a_file_that_changed_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        std::fs::write(&path, "a\n1\n").unwrap();
        let before = look(&path).unwrap();
        unchanged(&path, &before).unwrap();
        std::fs::write(&path, "a\n1\n2\n").unwrap();
        let error = unchanged(&path, &before).unwrap_err().0;
        assert!(error.contains("grew from 4 to 6"), "{error}");
        std::fs::write(folder.path().join("b"), "a\n3\n").unwrap();
        std::fs::rename(folder.path().join("b"), &path).unwrap();
        let error = unchanged(&path, &before).unwrap_err().0;
        assert!(error.contains("replaced"), "{error}");
    }
}
