//! Rows that break a rule: how many, and the first five of them.

use crate::domain::dataset::SampleRow;

/// Rows told.
const TOLD: usize = 5;

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub struct Broken {
    /// How many.
    pub count: u64,
    rows: Vec<u64>,
    samples: Vec<SampleRow>,
}

/// The file that is looked at, and how many rows lie before it.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// As it was named.
    pub file: &'a str,
    /// Rows of the files before.
    pub before: u64,
    /// Rows of this file before those that are looked at.
    pub first: u64,
}

impl Broken {
    /// One more row (from 0 among those that are looked at); `value` says what it holds.
    pub fn add(&mut self, place: Place<'_>, row: usize, value: impl FnOnce() -> Option<String>) {
        self.count += 1;
        if self.rows.len() < TOLD {
            let row = place.first + row as u64 + 1;
            self.rows.push(place.before + row);
            self.samples.push(SampleRow {
                file: place.file.to_owned(),
                row,
                value: value(),
            });
        }
    }

    /// So many rows that are all alike: none is told.
    pub fn add_all(&mut self, rows: u64) {
        self.count += rows;
    }

    /// Row numbers over all files, and the same with file and value.
    pub fn told(self) -> (Vec<u64>, Vec<SampleRow>) {
        (self.rows, self.samples)
    }
}
