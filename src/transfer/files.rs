//! Files below a folder of this machine, and folders that artifact URIs name. Links are not followed.

use crate::domain::{Error, Result};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Files below a folder with their sizes, sorted; what is left out (links, names that are no UTF-8) goes to `left_out`.
pub(super) fn below(root: &Path, left_out: &mut Vec<String>) -> Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let at = root.join(&folder);
        let entries = std::fs::read_dir(&at)
            .map_err(|error| Error::from(error).context(format!("reading `{}`", at.display())))?;
        for entry in entries {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(str::to_owned) else {
                left_out.push(format!(
                    "`{}` has a name that is not UTF-8",
                    entry.path().display()
                ));
                continue;
            };
            let path = match folder.as_str() {
                "" => name,
                folder => format!("{folder}/{name}"),
            };
            let known = entry.metadata()?;
            if known.is_dir() {
                folders.push(path);
            } else if known.is_file() {
                files.push((path, known.len()));
            } else {
                left_out.push(format!(
                    "`{}` is a link or no file: it was not copied",
                    entry.path().display()
                ));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Opens a file with its size.
pub(super) fn open(path: &Path) -> Result<(Box<dyn Read>, Option<u64>)> {
    let named = |error| Error::from(error).context(format!("reading `{}`", path.display()));
    let file = File::open(path).map_err(named)?;
    let length = file.metadata().map_err(named)?.len();
    // No more than there was when its size was asked.
    Ok((Box::new(file.take(length)), Some(length)))
}

/// The text of a small file.
pub(super) fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path)
        .map_err(|error| Error::from(error).context(format!("reading `{}`", path.display())))
}

/// The path that an artifact URI of this machine names: `file:///a/b`, `/a/b`, `./a`; relative ones start at `base`.
pub(super) fn local(uri: &str, base: &Path) -> Option<PathBuf> {
    if let Some(rest) = uri.strip_prefix("file:") {
        let path = match rest.strip_prefix("//") {
            Some(rest) => rest.strip_prefix("localhost").unwrap_or(rest),
            None => rest,
        };
        return Some(base.join(decoded(path)));
    }
    (!uri.contains(":/")).then(|| base.join(uri))
}

/// A URI's path without its escapes.
fn decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escape = path
            .get(at + 1..at + 3)
            .filter(|_| bytes[at] == b'%')
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match escape {
            Some(byte) => {
                plain.push(byte);
                at += 3;
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap_or_else(|_| path.to_owned())
}

/// The folder behind an artifact URI, where it is now: as the URI says, or below `roots` by the longest end of its path that is
/// there (a folder that was moved, an address of a server's own artifact store).
pub(super) fn folder(uri: &str, base: &Path, roots: &[PathBuf]) -> Option<PathBuf> {
    let named = local(uri, base);
    if let Some(there) = named.as_ref().filter(|there| there.is_dir()) {
        return Some(there.clone());
    }
    let path = match &named {
        Some(named) => named.to_string_lossy().into_owned(),
        None => {
            let rest = uri.strip_prefix("mlflow-artifacts:")?;
            match rest.strip_prefix("//") {
                Some(rest) => rest.split_once('/')?.1.to_owned(),
                None => rest.to_owned(),
            }
        }
    };
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !matches!(*part, "" | "." | ".."))
        .collect();
    // At least `run/artifacts`: one name alone could be anybody's.
    (0..parts.len().saturating_sub(1))
        .flat_map(|first| {
            let end: PathBuf = parts[first..].iter().collect();
            roots.iter().map(move |root| root.join(&end))
        })
        .find(|there| there.is_dir())
}

/// The folders that a source's artifact URIs name, and what was not found.
pub(super) struct Places {
    base: PathBuf,
    roots: Vec<PathBuf>,
    found: u64,
    absent: u64,
    elsewhere: BTreeMap<String, u64>,
    /// What was left out on the way.
    pub(super) left_out: Vec<String>,
}

impl Places {
    /// Relative URIs start at `base`; what is not where its URI says is looked for below `roots`.
    pub(super) fn new(base: PathBuf, roots: Vec<PathBuf>) -> Self {
        Self {
            base,
            roots,
            found: 0,
            absent: 0,
            elsewhere: BTreeMap::new(),
            left_out: Vec::new(),
        }
    }

    /// All files below a place. A run that logged none has no folder.
    pub(super) fn files(&mut self, place: &str) -> Result<Vec<(String, u64)>> {
        if let Some(folder) = folder(place, &self.base, &self.roots) {
            self.found += 1;
            return below(&folder, &mut self.left_out);
        }
        if local(place, &self.base).is_some() || place.starts_with("mlflow-artifacts:") {
            self.absent += 1;
        } else {
            let scheme = place.split("://").next().unwrap_or(place);
            *self.elsewhere.entry(scheme.to_owned()).or_default() += 1;
        }
        Ok(Vec::new())
    }

    /// Opens a file below a place.
    pub(super) fn open(&self, place: &str, path: &str) -> Result<(Box<dyn Read>, Option<u64>)> {
        match folder(place, &self.base, &self.roots) {
            Some(folder) => open(&folder.join(path)),
            None => Err(Error::not_found(format!("there is no folder `{place}`"))),
        }
    }

    /// What was left out, in sentences, each once.
    pub(super) fn take_left_out(&mut self) -> Vec<String> {
        let mut said = std::mem::take(&mut self.left_out);
        if self.found == 0 && self.absent > 0 {
            said.push(format!(
                "no files were found for {} runs: if they logged any, name the folder of the artifacts with `--artifacts`",
                self.absent
            ));
        }
        for (scheme, runs) in std::mem::take(&mut self.elsewhere) {
            said.push(format!(
                "files of {runs} runs lie at `{scheme}:`: they were not copied"
            ));
        }
        self.absent = 0;
        said
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

    use super::*;

    #[test]
    fn folders_are_found_where_they_are_now() {
        let home = tempfile::tempdir().unwrap();
        let base = home.path();
        std::fs::create_dir_all(base.join("artifacts/1/ab/artifacts")).unwrap();
        let roots = [base.join("artifacts"), base.to_owned()];
        let there = Some(base.join("artifacts/1/ab/artifacts"));
        for uri in [
            "mlflow-artifacts:/1/ab/artifacts",
            "mlflow-artifacts://host:5000/1/ab/artifacts",
            "file:///home/ana/project/artifacts/1/ab/artifacts",
            "/elsewhere/1/ab/artifacts",
        ] {
            assert_eq!(folder(uri, base, &roots), there, "{uri}");
        }
        let named = folder("./artifacts/1/ab/artifacts", base, &roots).unwrap();
        assert!(named.is_dir());
        assert_eq!(folder("s3://bucket/1/ab/artifacts", base, &roots), None);
        assert_eq!(folder("/x/artifacts", base, &roots), None);
        assert_eq!(
            local("file:///a%20b/c", base),
            Some(PathBuf::from("/a b/c"))
        );
    }
}
