//! Files of runs and models: one path rule, complete files only (temporary name, fsync, rename).
//! Knows folders and names; which run owns a folder is the caller's affair.

use crate::domain::{Error, Result};
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Begins the names of files that are not complete yet; no artifact may have such a name.
const PARTIAL: &str = ".trainyard-partial-";
/// Folders inside each other at most.
const DEPTH: usize = 64;

/// A file or folder among artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Path relative to the listed root, with `/`.
    pub path: String,
    /// A folder.
    pub folder: bool,
    /// Size of a file, 0 of a folder.
    pub bytes: u64,
}

/// The one rule for artifact paths: relative, no `..`, no `.`, no empty part, no control characters.
/// Answers the path with `/` between its parts; empty text is the root.
pub fn normalize(path: &str) -> Result<String> {
    let refused = |why: &str| Error::invalid(format!("invalid artifact path `{path}`: {why}"));
    let trimmed = path.strip_suffix('/').unwrap_or(path);
    if trimmed.is_empty() || trimmed == "." {
        return Ok(String::new());
    }
    if trimmed.len() > 4096 || trimmed.split('/').count() > DEPTH {
        return Err(refused("it is too long"));
    }
    if trimmed.chars().any(char::is_control) || trimmed.contains('\\') {
        return Err(refused("control characters and `\\` are not allowed"));
    }
    for part in trimmed.split('/') {
        match part {
            "" => return Err(refused("it begins with `/` or has an empty part")),
            "." | ".." => return Err(refused("`.` and `..` are not allowed")),
            _ if part.starts_with(PARTIAL) => return Err(refused("the name is reserved")),
            _ if part.len() > 255 => return Err(refused("a name is longer than 255 bytes")),
            _ => {}
        }
    }
    Ok(trimmed.to_owned())
}

/// Where `path` lies under `root`. A link that leads outside is refused.
pub fn locate(root: &Path, path: &str) -> Result<PathBuf> {
    let target = root.join(normalize(path)?);
    let mut below = root.to_owned();
    for part in target
        .strip_prefix(root)
        .unwrap_or(Path::new(""))
        .components()
    {
        below.push(part);
        if below
            .symlink_metadata()
            .is_ok_and(|known| known.is_symlink())
        {
            return Err(Error::invalid(format!(
                "invalid artifact path `{path}`: it leads through a link"
            )));
        }
    }
    Ok(target)
}

/// Opens a temporary file beside `target`, lets `fill` write it, synchronises it, and gives it its name.
fn complete(target: &Path, fill: impl FnOnce(&mut File) -> Result<u64>) -> Result<u64> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let folder = target
        .parent()
        .ok_or_else(|| Error::invalid("an artifact needs a name"))?;
    std::fs::create_dir_all(folder)
        .map_err(|error| Error::from(error).context(format!("making `{}`", folder.display())))?;
    let partial = folder.join(format!(
        "{PARTIAL}{}-{}",
        std::process::id(),
        COUNT.fetch_add(1, Ordering::Relaxed)
    ));
    let written = File::create_new(&partial)
        .map_err(Error::from)
        .and_then(|mut file| {
            let bytes = fill(&mut file)?;
            file.sync_all()?;
            Ok(bytes)
        })
        .and_then(|bytes| {
            std::fs::rename(&partial, target)?;
            // The name is only on disk once its folder is.
            File::open(folder)?.sync_all()?;
            Ok(bytes)
        });
    written.map_err(|error| {
        // Best effort: the write has failed already, and that is what the caller must hear.
        let _ = std::fs::remove_file(&partial);
        error.context(format!("writing `{}`", target.display()))
    })
}

/// Writes a file whole, from a reader; answers its size.
pub fn write_from(root: &Path, path: &str, reader: &mut dyn Read) -> Result<u64> {
    let path = normalize(path)?;
    if path.is_empty() {
        return Err(Error::invalid("an artifact needs a name"));
    }
    let target = locate(root, &path)?;
    if target.is_dir() {
        return Err(Error::invalid(format!("artifact `{path}` is a folder")));
    }
    complete(&target, |file| {
        let mut bytes = 0;
        let mut buffer = vec![0; 256 * 1024];
        loop {
            let count = reader.read(&mut buffer)?;
            if count == 0 {
                return Ok(bytes);
            }
            file.write_all(&buffer[..count])?;
            bytes += count as u64;
        }
    })
}

/// Writes a file whole.
pub fn write(root: &Path, path: &str, mut content: &[u8]) -> Result<u64> {
    write_from(root, path, &mut content)
}

/// Copies a file, or every file of a folder, to `path` under `root`; links are not followed.
pub fn copy(root: &Path, path: &str, source: &Path) -> Result<()> {
    let known = source
        .symlink_metadata()
        .map_err(|error| Error::from(error).context(format!("reading `{}`", source.display())))?;
    if known.is_dir() {
        for entry in std::fs::read_dir(source)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().ok_or_else(|| {
                Error::invalid(format!("`{}` is not UTF-8", entry.path().display()))
            })?;
            let inner = if path.is_empty() {
                name.to_owned()
            } else {
                format!("{path}/{name}")
            };
            copy(root, &inner, &entry.path())?;
        }
        return Ok(());
    }
    if !known.is_file() {
        return Err(Error::invalid(format!(
            "`{}` is neither a file nor a folder",
            source.display()
        )));
    }
    let mut file = File::open(source)?;
    write_from(root, path, &mut file)?;
    Ok(())
}

/// One level of a folder, sorted by path; of a file or of nothing: empty.
pub fn list(root: &Path, path: &str) -> Result<Vec<Entry>> {
    let path = normalize(path)?;
    let folder = locate(root, &path)?;
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(&folder)? {
        let entry = entry?;
        let known = entry.metadata()?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        if name.starts_with(PARTIAL) || known.is_symlink() {
            continue;
        }
        entries.push(Entry {
            path: if path.is_empty() {
                name
            } else {
                format!("{path}/{name}")
            },
            folder: known.is_dir(),
            bytes: if known.is_file() { known.len() } else { 0 },
        });
    }
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(entries)
}

/// Every file under a root with its size, sorted by path, at most `limit`.
pub fn tree(root: &Path, limit: usize) -> Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in list(root, &folder)? {
            if entry.folder {
                folders.push(entry.path);
            } else {
                files.push((entry.path, entry.bytes));
            }
        }
        // Enough to sort from: a run with a hundred thousand files must not be walked for a screen.
        if files.len() > limit * 20 {
            break;
        }
    }
    files.sort();
    files.truncate(limit);
    Ok(files)
}

/// Removes a file or folder; of nothing: an error.
pub fn remove(root: &Path, path: &str) -> Result<()> {
    let path = normalize(path)?;
    if path.is_empty() {
        return Err(Error::invalid("all artifacts at once are not removed"));
    }
    let target = locate(root, &path)?;
    if target.is_dir() {
        std::fs::remove_dir_all(&target)?;
    } else {
        std::fs::remove_file(&target)
            .map_err(|error| Error::from(error).context(format!("removing artifact `{path}`")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn paths_stay_inside() {
        for wrong in [
            "/etc/passwd",
            "../x",
            "a/../b",
            "a//b",
            "./a",
            "a\\b",
            "a\nb",
        ] {
            assert!(normalize(wrong).is_err(), "{wrong}");
        }
        assert_eq!(normalize("model/").unwrap(), "model");
        assert_eq!(normalize("per%25cent ü.txt").unwrap(), "per%25cent ü.txt");
    }

    #[test]
    fn files_are_whole_or_absent() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        assert_eq!(write(&root, "a/b.txt", b"hello").unwrap(), 5);
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
                Err(std::io::Error::other("the line dropped"))
            }
        }
        assert!(write_from(&root, "a/c.txt", &mut Broken).is_err());
        let listed = list(&root, "a").unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].path, "a/b.txt");
        copy(&root, "copy", &root.join("a")).unwrap();
        assert_eq!(
            tree(&root, 10).unwrap(),
            [("a/b.txt".to_owned(), 5), ("copy/b.txt".to_owned(), 5)]
        );
        std::os::unix::fs::symlink("/etc", root.join("out")).unwrap();
        assert!(locate(&root, "out/passwd").is_err());
    }
}
