//! Which files a dataset has now, each with size, time and SHA-256: the snapshot that says exactly what was read. Knows
//! names and bytes, nothing of what is in them.

use super::regular_file::{self, failed};
use super::{Error, Result, checks};
use crate::domain::dataset::{FileStamp, Snapshot};
use crate::domain::printable;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

/// How often a file that changes while it is hashed is tried, a quarter of a second apart.
const TRIES: usize = 20;

/// The files that `pattern` (a glob, relative to `root`) names now, with size, time and SHA-256, sorted by path.
/// `.part`, `.tmp` and dot files are skipped. Known stamps (same path, size and time) are not hashed again.
/// No matching file makes an empty snapshot; a match that is no regular file is an error; a folder is passed over, unless
/// its name says that it is data. A file that is being written is waited for, some seconds.
pub fn snapshot(
    dataset: &str,
    root: &Path,
    pattern: &str,
    known: &[FileStamp],
) -> Result<Snapshot> {
    let trouble = |error: &dyn std::fmt::Display| {
        Error::new(format!(
            "dataset `{dataset}`, `{}`: {error}",
            printable(pattern)
        ))
    };
    let root = std::path::absolute(root).map_err(|error| trouble(&error))?;
    let pattern_path = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        format!(
            "{}/{pattern}",
            glob::Pattern::escape(&root.to_string_lossy())
        )
    };
    let options = glob::MatchOptions {
        require_literal_leading_dot: true,
        ..glob::MatchOptions::default()
    };
    let mut paths = Vec::new();
    for path in glob::glob_with(&pattern_path, options).map_err(|error| trouble(&error))? {
        let path = path.map_err(|error| {
            failed(
                error.path(),
                format!("dataset `{dataset}`: {}", error.error()),
            )
        })?;
        if is_unfinished(&path) || (path.is_dir() && checks::format_of(&path).is_err()) {
            continue;
        }
        paths.push(path);
    }
    paths.sort();
    paths.dedup();
    // a folder that is linked into itself shows the same file under many names
    let mut seen = rustc_hash::FxHashSet::default();
    paths.retain(|path| {
        let is_linked = path
            .ancestors()
            .skip(1)
            .take_while(|folder| *folder != root)
            .any(Path::is_symlink);
        let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
        seen.insert(real) || !is_linked
    });
    of(dataset, paths, known)
}

/// The same of these files, in their order.
pub fn of(dataset: &str, paths: Vec<std::path::PathBuf>, known: &[FileStamp]) -> Result<Snapshot> {
    let mut files = Vec::with_capacity(paths.len());
    let mut digest = Sha256::new();
    for path in paths {
        let stamp = stamp(&path, known)?;
        digest.update(stamp.sha256.as_bytes());
        files.push(stamp);
    }
    Ok(Snapshot {
        dataset: dataset.to_owned(),
        files,
        digest: hexadecimal(&digest.finalize()),
    })
}

/// Still being written, or not for us: dot files, `.part`, `.tmp`.
fn is_unfinished(path: &Path) -> bool {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    name.starts_with('.') || name.ends_with(".part") || name.ends_with(".tmp")
}

fn stamp(path: &Path, known: &[FileStamp]) -> Result<FileStamp> {
    let text = path
        .to_str()
        .ok_or_else(|| failed(path, "the path is not UTF-8; rename it"))?
        .to_owned();
    let mut before = regular_file::look(path)?;
    let is_known = |stamp: &&FileStamp| {
        stamp.path == text && stamp.bytes == before.bytes && stamp.modified == before.modified_ms()
    };
    if let Some(stamp) = known.iter().find(is_known) {
        return Ok(stamp.clone());
    }
    let mut tries = 0;
    loop {
        let sha256 = sha256(path)?;
        let changed = regular_file::unchanged(path, &before);
        tries += 1;
        match changed {
            Ok(()) => {
                return Ok(FileStamp {
                    path: text,
                    bytes: before.bytes,
                    sha256,
                    modified: before.modified_ms(),
                });
            }
            Err(error) if tries == TRIES => return Err(error),
            // still being written: waited for
            Err(_) => {
                std::thread::sleep(Duration::from_millis(250));
                before = regular_file::look(path)?;
            }
        }
    }
}

fn sha256(path: &Path) -> Result<String> {
    let (mut file, _) = regular_file::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0u8; 1 << 18];
    loop {
        match file.read(&mut chunk) {
            Ok(0) => return Ok(hexadecimal(&hash.finalize())),
            Ok(read) => hash.update(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(path, error)),
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// That the file is still the one that was hashed: same size and time, or else same content.
pub fn verify(stamp: &FileStamp) -> Result<()> {
    let path = Path::new(&stamp.path);
    let now = regular_file::look(path)?;
    if (now.bytes, now.modified_ms()) == (stamp.bytes, stamp.modified)
        || sha256(path)? == stamp.sha256
    {
        return Ok(());
    }
    Err(failed(
        path,
        "its content is not the one that was recorded; take a new snapshot of the dataset",
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use std::path::PathBuf;

    fn file(folder: &Path, name: &str, content: &[u8]) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    #[test]
    fn a_snapshot_names_files_with_their_content() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", ".c.csv", "d.csv.part", "e.csv.tmp"] {
            file(folder.path(), name, name.as_bytes());
        }
        let first = snapshot("d", folder.path(), "*", &[]).unwrap();
        let names: Vec<&str> = first
            .files
            .iter()
            .map(|stamp| stamp.path.rsplit('/').next().unwrap())
            .collect();
        assert_eq!(names, ["a.csv", "b.csv"]);
        // printf 'a.csv' | sha256sum
        assert_eq!(
            first.files[0].sha256,
            "32f29f33d51165a6808e62cc3dfe85d090bc7521591fa6b6f829f061402704dc"
        );
        let mut known = first.files.clone();
        known[0].sha256 = "kept".into();
        let second = snapshot("d", folder.path(), "*.csv", &known).unwrap();
        assert_eq!(second.files[0].sha256, "kept");
        assert_ne!(first.digest, second.digest);
        assert!(
            snapshot("d", folder.path(), "none/*.csv", &[])
                .unwrap()
                .files
                .is_empty()
        );
    }

    #[test]
    fn what_only_looks_like_a_file_of_the_dataset_is_told_or_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        file(folder.path(), "a.csv", b"x\n1\n");
        std::fs::create_dir(folder.path().join("plain")).unwrap();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("again")).unwrap();
        let names = |pattern: &str| {
            snapshot("d", folder.path(), pattern, &[])
                .map(|snapshot| snapshot.files.len())
                .map_err(|error| error.0)
        };
        assert_eq!(names("*").unwrap(), 1);
        assert_eq!(names("**/*.csv").unwrap(), 1);
        std::fs::create_dir(folder.path().join("b.parquet")).unwrap();
        let error = names("*").unwrap_err();
        assert!(error.contains("b.parquet/*"), "{error}");
        std::fs::remove_dir(folder.path().join("b.parquet")).unwrap();
        std::os::unix::fs::symlink("loop.csv", folder.path().join("loop.csv")).unwrap();
        let error = names("*.csv").unwrap_err();
        assert!(
            error.contains("loop.csv") && error.contains("leads back"),
            "{error}"
        );
        assert!(names("[").unwrap_err().contains("`[`"));
    }
}
