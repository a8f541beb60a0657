//! The mergeable state of a table: its columns, how they move together, and the rows that were kept of each. Kept as bytes with a version in front;
//! states of two files of one dataset merge into that of both.

use super::column::Column;
use super::pairs::Pairs;
use crate::data::sketch::bytes::{Reader, Writer, damaged};
use crate::data::{Error, Result};
use crate::domain::dataset::{ColumnDay, ColumnKind, Day};
use crate::domain::profile::Profile;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::io::{Read, Write};

/// Of the bytes; raised whenever they mean something else. States of another version are made anew from their files.
pub const VERSION: u8 = 2;
/// Bytes of a state at most, unpacked: what claims more is damaged.
const MOST: u64 = 1 << 30;

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub struct TableState {
    /// Rows.
    pub rows: u64,
    /// In the files' order.
    pub columns: Vec<Column>,
    /// Kept rows, and how many rows each of them stands for: a pair a file.
    pub kept: Vec<(u64, f64)>,
    /// How the numeric ones move together, over all rows.
    pub pairs: Pairs,
}

impl TableState {
    /// Takes all of `other`, whose rows come later, in. Fails, naming the column, when types do not mix.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if self.columns.is_empty() && self.rows == 0 {
            *self = other.clone();
            return Ok(());
        }
        let kept = self.kept_rows();
        for column in &mut self.columns {
            match other.columns.iter().find(|new| new.name == column.name) {
                Some(new) => column.merge(new)?,
                None => column.merge_nothing(other.rows, other.kept_rows()),
            }
        }
        for new in &other.columns {
            if !self.columns.iter().any(|column| column.name == new.name) {
                let mut column = Column::nothing(&new.name, new.kind, self.rows, kept);
                column.merge(new)?;
                self.columns.push(column);
            }
        }
        self.rows += other.rows;
        self.kept.extend_from_slice(&other.kept);
        self.pairs.merge(&other.pairs);
        Ok(())
    }

    /// Kept rows.
    pub fn kept_rows(&self) -> usize {
        self.kept.iter().map(|(rows, _)| *rows as usize).sum()
    }

    /// How many rows each kept row stands for.
    pub fn weights(&self) -> Vec<f64> {
        self.kept
            .iter()
            .flat_map(|(rows, weight)| std::iter::repeat_n(*weight, *rows as usize))
            .collect()
    }

    /// The newest instant of a column of times, microseconds.
    pub fn newest(&self, column: &str) -> Option<i64> {
        let column = self.columns.iter().find(|one| one.name == column)?;
        if column.kind != ColumnKind::Time {
            return None;
        }
        let facts = column.facts()?;
        facts.extent.map(|(_, newest)| newest as i64)
    }

    /// The columns' metrics, as those of a day.
    pub fn day(&self, day: &str, files: u64) -> Day {
        Day {
            day: day.to_owned(),
            files,
            rows: self.rows,
            columns: self
                .columns
                .iter()
                .map(|column| {
                    let facts = column.facts().unwrap_or_default();
                    ColumnDay {
                        name: column.name.clone(),
                        null_share: column.nulls as f64 / column.rows.max(1) as f64,
                        distinct: column.distinct().0,
                        mean: facts.mean,
                        std: facts.std,
                        min: facts.extent.map(|(low, _)| low),
                        max: facts.extent.map(|(_, high)| high),
                    }
                })
                .collect(),
        }
    }

    /// What it all looks like. `target`: what the signal is about; `now` (microseconds): instants after it are warned of.
    ///
    /// # Errors
    /// When there is no column `target`.
    pub fn profile(&self, target: Option<&str>, now: Option<i64>) -> Result<Profile> {
        super::show::profile(self, target, now)
    }

    /// As bytes, small: exact where few values are, a little coarser where there are many.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::default();
        writer.count(self.rows);
        writer.count(self.kept.len() as u64);
        for (rows, weight) in &self.kept {
            writer.count(*rows);
            writer.number(*weight);
        }
        writer.count(self.columns.len() as u64);
        for column in &self.columns {
            column.shrunk().write(&mut writer);
        }
        self.pairs.write(&mut writer);
        let mut packer = ZlibEncoder::new(vec![VERSION], Compression::fast());
        packer
            .write_all(&writer.bytes)
            .and_then(|()| packer.finish())
            .map_err(|error| Error::new(format!("packing a profile: {error}")))
    }

    /// From bytes. A state of another version is none.
    pub fn from_bytes(bytes: &[u8]) -> Result<Option<Self>> {
        match bytes.first() {
            Some(&VERSION) => {}
            Some(_) => return Ok(None),
            None => return Err(damaged()),
        }
        let mut unpacked = Vec::new();
        ZlibDecoder::new(&bytes[1..])
            .take(MOST)
            .read_to_end(&mut unpacked)
            .map_err(|_| damaged())?;
        let mut from = Reader::new(&unpacked);
        let mut state = Self {
            rows: from.count()?,
            ..Self::default()
        };
        for _ in 0..from.length(9)? {
            state.kept.push((from.count()?, from.number()?));
        }
        for _ in 0..from.length(8)? {
            state.columns.push(Column::read(&mut from)?);
        }
        state.pairs = Pairs::read(&mut from)?;
        let kept: u64 = state.kept.iter().map(|(rows, _)| rows).sum();
        let whole = |column: &Column| column.rows == state.rows && column.kept.len() as u64 == kept;
        if from.left() > 0 || !state.columns.iter().all(whole) {
            return Err(damaged());
        }
        Ok(Some(state))
    }
}
