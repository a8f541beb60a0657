//! Columns in which no value comes twice: counted, not estimated, in little memory. The values' hashes are sorted in runs;
//! runs lie in a file without a name, and are merged in the end.

use crate::data::{Error, Result};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Hashes of a run, at least and at most; and of the runs of all columns together.
const RUN: (usize, usize) = (4_096, 1 << 20);
const HELD: usize = 1 << 23;
/// A run is first looked at when it has so many: most columns show a value twice by then.
const FIRST_LOOK: usize = 1_024;
/// Hashes of a run that are read at a time.
const READ: usize = 1_024;

/// All columns of all files.
#[derive(Debug)]
pub struct Uniques {
    runs: Arc<Runs>,
    run: usize,
    columns: Mutex<FxHashMap<String, Unique>>,
}

/// One column.
#[derive(Debug)]
pub struct Unique {
    runs: Arc<Runs>,
    most: usize,
    run: Vec<u64>,
    look: usize,
    /// Where the runs before lie, by the number of their first hash, and how many hashes each has.
    behind: Vec<(u64, u64)>,
    twice: bool,
}

/// The file of all runs.
#[derive(Debug, Default)]
struct Runs(Mutex<Option<(File, u64)>>);

impl Uniques {
    /// Of tables with so many columns.
    pub fn new(columns: usize) -> Self {
        Self {
            runs: Arc::default(),
            run: (HELD / columns.max(1)).clamp(RUN.0, RUN.1),
            columns: Mutex::default(),
        }
    }

    /// What there is of a column, to be gone on with.
    pub fn begin(&self, name: &str) -> Unique {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        columns.remove(name).unwrap_or_else(|| Unique {
            runs: Arc::clone(&self.runs),
            most: self.run,
            run: Vec::new(),
            look: FIRST_LOOK,
            behind: Vec::new(),
            twice: false,
        })
    }

    /// A column's file ends.
    pub fn end(&self, name: &str, column: Unique) {
        let mut columns = self.columns.lock().unwrap_or_else(PoisonError::into_inner);
        columns.insert(name.to_owned(), column);
    }

    /// The columns, of all whose values there is none twice.
    pub fn names(self) -> Result<BTreeSet<String>> {
        let columns = self
            .columns
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let mut names = BTreeSet::new();
        for (name, column) in columns {
            if column.all_differ()? {
                names.insert(name);
            }
        }
        Ok(names)
    }
}

impl Unique {
    /// A value comes twice, or cannot be told from others: no more of it.
    pub fn give_up(&mut self) {
        self.twice = true;
        self.run = Vec::new();
        self.behind = Vec::new();
    }

    /// The next values' hashes.
    pub fn add(&mut self, hashes: impl Iterator<Item = u64>) -> Result<()> {
        for hash in hashes {
            if self.twice {
                return Ok(());
            }
            self.run.push(hash);
            if self.run.len() >= self.look.min(self.most) {
                self.look()?;
            }
        }
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        self.run.sort_unstable();
        if self.run.windows(2).any(|pair| pair[0] == pair[1]) {
            self.give_up();
        } else if self.run.len() >= self.most {
            self.behind.push(self.runs.append(&self.run)?);
            self.run.clear();
            // later runs are looked at when they are full
            self.look = self.most;
        } else {
            self.look = self.run.len() * 8;
        }
        Ok(())
    }

    fn all_differ(mut self) -> Result<bool> {
        if self.twice {
            return Ok(false);
        }
        self.run.sort_unstable();
        if self.run.windows(2).any(|pair| pair[0] == pair[1]) {
            return Ok(false);
        }
        if self.behind.is_empty() {
            return Ok(true);
        }
        let mut sources: Vec<Source> = vec![Source {
            next: 0,
            left: 0,
            held: std::mem::take(&mut self.run).into_iter(),
        }];
        sources.extend(self.behind.iter().map(|(first, count)| Source {
            next: *first,
            left: *count,
            held: Vec::new().into_iter(),
        }));
        let mut heads = BinaryHeap::with_capacity(sources.len());
        for (at, source) in sources.iter_mut().enumerate() {
            heads.extend(source.next(&self.runs)?.map(|hash| Reverse((hash, at))));
        }
        let mut last = None;
        while let Some(Reverse((hash, at))) = heads.pop() {
            if last == Some(hash) {
                return Ok(false);
            }
            last = Some(hash);
            heads.extend(
                sources[at]
                    .next(&self.runs)?
                    .map(|hash| Reverse((hash, at))),
            );
        }
        Ok(true)
    }
}

/// A run that is read.
struct Source {
    next: u64,
    left: u64,
    held: std::vec::IntoIter<u64>,
}

impl Source {
    fn next(&mut self, runs: &Runs) -> Result<Option<u64>> {
        if let Some(hash) = self.held.next() {
            return Ok(Some(hash));
        }
        let count = self.left.min(READ as u64);
        if count == 0 {
            return Ok(None);
        }
        self.held = runs.read(self.next, count as usize)?.into_iter();
        self.next += count;
        self.left -= count;
        Ok(self.held.next())
    }
}

impl Runs {
    fn append(&self, run: &[u64]) -> Result<(u64, u64)> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Some((nameless().map_err(|error| failed(&error))?, 0));
        }
        let Some((file, hashes)) = held.as_mut() else {
            return Err(Error::new("there is no file for values"));
        };
        let bytes: Vec<u8> = run.iter().flat_map(|hash| hash.to_le_bytes()).collect();
        file.write_all_at(&bytes, *hashes * 8)
            .map_err(|error| failed(&error))?;
        let place = (*hashes, run.len() as u64);
        *hashes += place.1;
        Ok(place)
    }

    fn read(&self, first: u64, count: usize) -> Result<Vec<u64>> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((file, _)) = held.as_ref() else {
            return Ok(Vec::new());
        };
        let mut bytes = vec![0; count * 8];
        file.read_exact_at(&mut bytes, first * 8)
            .map_err(|error| failed(&error))?;
        let words = bytes.chunks_exact(8).map(|bytes| {
            let mut word = [0; 8];
            word.copy_from_slice(bytes);
            u64::from_le_bytes(word)
        });
        Ok(words.collect())
    }
}

fn failed(error: &std::io::Error) -> Error {
    Error::new(format!(
        "counting different values in `{}`: {error}",
        std::env::temp_dir().display()
    ))
}

/// A file that is gone as soon as nobody holds it.
fn nameless() -> std::io::Result<File> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!(".trainyard-{}-{number}.tmp", std::process::id());
    let path = std::env::temp_dir().join(name);
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn mixed(n: u64) -> u64 {
        n.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    #[test]
    fn a_value_that_comes_twice_is_found_however_far_apart() {
        for (count, again, differ) in [
            (3u64, None, true),
            (50_000, None, true),
            (50_000, Some(3), false),
            (50_000, Some(49_999), false),
            (900, Some(0), false),
        ] {
            // runs of 4,096: most lie in the file
            let uniques = Uniques::new(1 << 20);
            for half in [0..count / 2, count / 2..count] {
                let mut column = uniques.begin("a");
                column.add(half.map(mixed)).unwrap();
                uniques.end("a", column);
            }
            if let Some(again) = again {
                let mut column = uniques.begin("a");
                column.add(std::iter::once(mixed(again))).unwrap();
                uniques.end("a", column);
            }
            let names = uniques.names().unwrap();
            assert_eq!(names.contains("a"), differ, "{count} {again:?}");
        }
    }
}
