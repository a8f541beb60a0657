//! Files of runs and models: complete files only (temporary name, fsync, rename, fsync of the folder), no link ever
//! followed. Paths are [`ArtifactPath`]s, which cannot leave their root. Which run owns a folder is the caller's affair.

use crate::domain::artifact_path::RESERVED;
use crate::domain::{ArtifactPath, Error, ErrorKind, Result};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes copied at once.
const BLOCK: usize = 256 * 1024;

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

/// The folder below which all artifacts lie.
#[derive(Clone, Debug)]
pub struct Space {
    root: PathBuf,
}

/// An error that names the file which is in the way: wrong input, never a fault of the machine.
fn named(error: io::Error, path: &Path) -> Error {
    match error.kind() {
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => Error::invalid(format!(
            "a part of the path `{}` is a file: nothing can lie below it",
            path.display()
        )),
        io::ErrorKind::IsADirectory => Error::invalid(format!("`{}` is a folder", path.display())),
        io::ErrorKind::InvalidFilename => {
            Error::invalid(format!("the name `{}` is too long", path.display()))
        }
        _ => Error::from(error).context(format!("writing `{}`", path.display())),
    }
}

/// Makes a folder and those above it; each new name is on disk before this returns.
fn make_folder(folder: &Path) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        Ok(()) => match folder.parent() {
            Some(above) => File::open(above)?.sync_all(),
            None => Ok(()),
        },
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if folder.is_dir() {
                Ok(())
            } else {
                Err(io::ErrorKind::NotADirectory.into())
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => match folder.parent() {
            Some(above) => {
                make_folder(above)?;
                match std::fs::create_dir(folder) {
                    // Somebody else made it in between.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
                    Err(error) => Err(error),
                    Ok(()) => File::open(above)?.sync_all(),
                }
            }
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

/// A file that is being written. It has its name only after [`Partial::finish`]; dropped before, nothing stays.
#[derive(Debug)]
pub struct Partial {
    file: File,
    temporary: PathBuf,
    target: PathBuf,
    bytes: u64,
    done: bool,
}

impl Partial {
    /// Adds bytes.
    pub fn write(&mut self, block: &[u8]) -> Result<()> {
        self.file
            .write_all(block)
            .map_err(|error| named(error, &self.target))?;
        self.bytes += block.len() as u64;
        Ok(())
    }

    /// Synchronises the file, gives it its name (over an earlier file of that name), and synchronises the folder.
    /// Answers its size.
    pub fn finish(mut self) -> Result<u64> {
        let named = |error| named(error, &self.target);
        self.file.sync_all().map_err(named)?;
        let folder = self
            .target
            .parent()
            .ok_or_else(|| Error::invalid("an artifact needs a name"))?;
        make_folder(folder).map_err(named)?;
        std::fs::rename(&self.temporary, &self.target).map_err(named)?;
        self.done = true;
        // The name is only on disk once its folder is.
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(named)?;
        Ok(self.bytes)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.done {
            // Best effort: what is left here is removed at the next start.
            let _ = std::fs::remove_file(&self.temporary);
        }
    }
}

impl Space {
    /// Artifacts below `root`.
    pub fn new(root: PathBuf) -> Self {
        Self { root }
    }

    /// Where files lie that are not complete yet.
    fn partials(&self) -> PathBuf {
        self.root.join(RESERVED)
    }

    /// Removes what earlier processes left incomplete.
    pub fn sweep(&self) -> Result<()> {
        match std::fs::remove_dir_all(self.partials()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::from(error).context(format!("clearing `{}`", self.partials().display())))
            }
            _ => Ok(()),
        }
    }

    /// Where `path` lies on disk. A link on the way is refused.
    pub fn locate(&self, path: &ArtifactPath) -> Result<PathBuf> {
        let mut below = self.root.clone();
        for part in path.parts() {
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
        Ok(below)
    }

    /// Begins a file that shall become `path`.
    pub fn begin(&self, path: &ArtifactPath) -> Result<Partial> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let target = self.locate(path)?;
        if target.is_dir() {
            return Err(Error::invalid(format!("artifact `{path}` is a folder")));
        }
        // What cannot become a file is said before its content is taken.
        if let Some(above) = target
            .ancestors()
            .skip(1)
            .take_while(|above| *above != self.root)
            .find(|above| above.is_file())
        {
            return Err(named(io::ErrorKind::NotADirectory.into(), above));
        }
        let folder = self.partials();
        make_folder(&folder).map_err(|error| named(error, &folder))?;
        let temporary = folder.join(format!(
            "{}-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        ));
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(|error| named(error, &temporary))?;
        Ok(Partial {
            file,
            temporary,
            target,
            bytes: 0,
            done: false,
        })
    }

    /// Writes a file whole, from a reader; answers its size.
    pub fn write_from(&self, path: &ArtifactPath, reader: &mut dyn Read) -> Result<u64> {
        let mut partial = self.begin(path)?;
        let mut buffer = vec![0; BLOCK];
        loop {
            let count = reader
                .read(&mut buffer)
                .map_err(|error| Error::from(error).context(format!("artifact `{path}`")))?;
            if count == 0 {
                return partial.finish();
            }
            partial.write(&buffer[..count])?;
        }
    }

    /// Copies a file, or every file of a folder, to `path`; links are not followed.
    pub fn copy(&self, path: &ArtifactPath, source: &Path) -> Result<()> {
        let known = source.symlink_metadata().map_err(|error| {
            Error::from(error).context(format!("reading `{}`", source.display()))
        })?;
        if known.is_dir() {
            for entry in std::fs::read_dir(source)? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_str().ok_or_else(|| {
                    Error::invalid(format!("`{}` is not UTF-8", entry.path().display()))
                })?;
                self.copy(&path.join(&ArtifactPath::parse(name)?)?, &entry.path())?;
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
        self.write_from(path, &mut file)?;
        Ok(())
    }

    /// Opens the file at `path` and answers its size; a folder or nothing is [`ErrorKind::NotFound`].
    pub fn open(&self, path: &ArtifactPath) -> Result<(File, u64)> {
        let absent = || Error::not_found(format!("no artifact `{path}`"));
        let target = self.locate(path)?;
        let file = File::options()
            .read(true)
            .custom_flags(
                i32::try_from((rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK).bits())
                    .unwrap_or(0),
            )
            .open(&target)
            .map_err(|error| match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => absent(),
                _ => Error::from(error).context(format!("reading artifact `{path}`")),
            })?;
        let known = file.metadata()?;
        if !known.is_file() {
            return Err(absent());
        }
        Ok((file, known.len()))
    }

    /// One level of a folder (none: the root), sorted; paths relative to it. Of a file or of nothing: empty.
    pub fn list(&self, folder: Option<&ArtifactPath>) -> Result<Vec<Entry>> {
        let folder = match folder {
            Some(folder) => self.locate(folder)?,
            None => self.root.clone(),
        };
        level(&folder)
    }

    /// Removes a file or folder; of nothing: an error.
    pub fn remove(&self, path: &ArtifactPath) -> Result<()> {
        let target = self.locate(path)?;
        let removed = if target.is_dir() {
            std::fs::remove_dir_all(&target)
        } else {
            std::fs::remove_file(&target)
        };
        removed.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                Error::not_found(format!("no artifact `{path}`"))
            }
            _ => Error::from(error).context(format!("removing artifact `{path}`")),
        })
    }

    /// Removes a folder for good: it loses its name at once (so that a new one of that name is not touched), then its
    /// files go. `number` tells apart what is removed at the same time. Of nothing: nothing.
    pub fn discard(&self, path: &ArtifactPath, number: i64) -> Result<()> {
        let failed = |error: io::Error| Error::from(error).context(format!("removing `{path}`"));
        let partials = self.partials();
        make_folder(&partials).map_err(failed)?;
        let doomed = partials.join(format!("doomed-{number}"));
        let target = match self.locate(path) {
            Ok(target) => target,
            Err(error) if error.kind == ErrorKind::Invalid => return Ok(()),
            Err(error) => return Err(error),
        };
        match std::fs::rename(&target, &doomed) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                ) => {}
            Err(error) => return Err(failed(error)),
            Ok(()) => {
                if let Some(above) = target.parent() {
                    File::open(above)
                        .and_then(|above| above.sync_all())
                        .map_err(failed)?;
                }
            }
        }
        let removed = match doomed.symlink_metadata() {
            Ok(known) if known.is_dir() => std::fs::remove_dir_all(&doomed),
            Ok(_) => std::fs::remove_file(&doomed),
            Err(_) => Ok(()),
        };
        match removed {
            // Somebody else removes it at the same time.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(failed),
        }
    }
}

/// One level of a folder on disk, sorted by name; links and incomplete files are left out. Of anything else: empty.
pub fn level(folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    if !folder.is_dir() {
        return Ok(entries);
    }
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(known) = entry.metadata() else {
            // Removed in between.
            continue;
        };
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
            continue;
        };
        if name.starts_with(RESERVED) || !(known.is_dir() || known.is_file()) {
            continue;
        }
        entries.push(Entry {
            path: name,
            folder: known.is_dir(),
            bytes: if known.is_file() { known.len() } else { 0 },
        });
    }
    entries.sort_by(|left, right| left.path.cmp(&right.path));
    Ok(entries)
}

/// Every file under a folder on disk with its size, sorted by path, at most `limit`.
pub fn tree(root: &Path, limit: usize) -> Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in level(&root.join(&folder))? {
            let path = if folder.is_empty() {
                entry.path
            } else {
                format!("{folder}/{}", entry.path)
            };
            if entry.folder {
                folders.push(path);
            } else {
                files.push((path, entry.bytes));
            }
        }
        // Enough to sort from: a run with a hundred thousand files must not be walked for a screen.
        if files.len() > limit.saturating_mul(20) {
            break;
        }
    }
    files.sort();
    files.truncate(limit);
    Ok(files)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;
    use std::sync::Arc;

    fn space() -> (tempfile::TempDir, Space) {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        std::fs::create_dir(&root).unwrap();
        (folder, Space::new(root))
    }

    fn path(text: &str) -> ArtifactPath {
        ArtifactPath::parse(text).unwrap()
    }

    fn write(space: &Space, at: &str, mut content: &[u8]) -> Result<u64> {
        space.write_from(&path(at), &mut content)
    }

    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the line dropped"))
        }
    }

    #[test]
    fn files_are_whole_or_absent() {
        let (_folder, space) = space();
        assert_eq!(write(&space, "a/b.txt", b"hello").unwrap(), 5);
        assert!(space.write_from(&path("a/c.txt"), &mut Broken).is_err());
        let mut half = space.begin(&path("a/d.txt")).unwrap();
        half.write(b"half").unwrap();
        drop(half);
        assert_eq!(std::fs::read_dir(space.partials()).unwrap().count(), 0);
        let listed = space.list(Some(&path("a"))).unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(listed[0].path, "b.txt");
        space
            .copy(&path("copy"), &space.locate(&path("a")).unwrap())
            .unwrap();
        assert_eq!(
            tree(&space.root, 10).unwrap(),
            [("a/b.txt".to_owned(), 5), ("copy/b.txt".to_owned(), 5)]
        );
    }

    #[test]
    fn links_are_not_followed() {
        let (_folder, space) = space();
        std::fs::create_dir(space.root.join("run")).unwrap();
        std::os::unix::fs::symlink("/etc", space.root.join("out")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", space.root.join("run/secret")).unwrap();
        for through in ["out", "out/passwd", "run/secret"] {
            let error = space.open(&path(through)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::Invalid, "{through}");
            assert!(write(&space, through, b"x").is_err(), "{through}");
            assert!(space.remove(&path(through)).is_err(), "{through}");
        }
        assert!(space.list(Some(&path("run"))).unwrap().is_empty());
        space.discard(&path("run"), 1).unwrap();
        assert!(Path::new("/etc/passwd").is_file());
        assert!(!space.root.join("run").exists());
    }

    #[test]
    fn what_stands_in_the_way_is_the_callers_affair() {
        let (_folder, space) = space();
        write(&space, "a/b", b"x").unwrap();
        assert_eq!(
            write(&space, "a/b/c", b"x").unwrap_err().kind,
            ErrorKind::Invalid
        );
        assert_eq!(
            write(&space, "a", b"x").unwrap_err().kind,
            ErrorKind::Invalid
        );
        for absent in ["a/b/c", "x/y", "a"] {
            let error = space.open(&path(absent)).unwrap_err();
            assert_eq!(error.kind, ErrorKind::NotFound, "{absent}");
        }
        assert_eq!(
            space.remove(&path("a/b/c")).unwrap_err().kind,
            ErrorKind::NotFound
        );
    }

    #[test]
    fn writers_of_one_name_do_not_mix() {
        let (_folder, space) = space();
        let space = Arc::new(space);
        let writers: Vec<_> = (0..8_u8)
            .map(|number| {
                let space = Arc::clone(&space);
                std::thread::spawn(move || {
                    write(&space, "deep/er/same.bin", &vec![number; 700_000]).unwrap()
                })
            })
            .collect();
        for writer in writers {
            assert_eq!(writer.join().unwrap(), 700_000);
        }
        let content = std::fs::read(space.root.join("deep/er/same.bin")).unwrap();
        assert_eq!(content.len(), 700_000);
        assert!(content.iter().all(|byte| *byte == content[0]));
        assert_eq!(space.list(Some(&path("deep/er"))).unwrap().len(), 1);
    }

    #[test]
    fn what_a_crash_left_is_swept() {
        let (_folder, space) = space();
        let half = space.begin(&path("a/b")).unwrap();
        std::mem::forget(half);
        assert_eq!(std::fs::read_dir(space.partials()).unwrap().count(), 1);
        space.sweep().unwrap();
        assert!(!space.partials().exists());
        space.sweep().unwrap();
        assert!(space.list(None).unwrap().is_empty());
    }
}
