//! Winning facts, each with the row that it wins: found part by part, wanted in the order of the facts, so that these
//! pass by once more and only once. Runs that are sorted, and their merge.

use crate::data::Result;
use crate::data::asof::NOBODY;
use crate::data::spill::{Blocks, Spill};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::path::Path;
use std::sync::Arc;

/// Bytes of a winner and its row.
const PAIR: u64 = 16;

/// Winning facts and their rows, in runs.
#[derive(Debug)]
pub(super) struct Winners {
    runs: Spill,
    /// Pairs of a block.
    block: usize,
}

impl Winners {
    /// None yet, in `runs`; holds about `memory` bytes.
    pub(super) fn new(folder: &Path, runs: usize, memory: u64) -> Result<Self> {
        let block = memory / PAIR / runs.max(1) as u64;
        Ok(Self {
            runs: Spill::new(folder, runs, memory)?,
            block: usize::try_from(block).map_or(4096, |block| block.clamp(64, 4096)),
        })
    }

    /// A run: the fact that wins each of `rows`, [`NOBODY`] where none does.
    pub(super) fn put(&self, run: usize, winners: &[u64], rows: &Int64Array) -> Result<()> {
        let mut pairs: Vec<(i64, i64)> = (winners.iter().zip(rows.values()))
            .filter(|(winner, _)| **winner != NOBODY)
            .map(|(winner, row)| (*winner as i64, *row))
            .collect();
        pairs.sort_unstable();
        for block in pairs.chunks(self.block) {
            let facts = Int64Array::from_iter_values(block.iter().map(|(fact, _)| *fact));
            let rows = Int64Array::from_iter_values(block.iter().map(|(_, row)| *row));
            let columns: [ArrayRef; 2] = [Arc::new(facts), Arc::new(rows)];
            self.runs.put(run, &columns)?;
        }
        Ok(())
    }

    /// All of them in the order of the facts.
    pub(super) fn in_order(&self) -> Result<InOrder<'_>> {
        let mut runs = Vec::with_capacity(self.runs.parts());
        let mut heads = BinaryHeap::new();
        for number in 0..self.runs.parts() {
            let mut run = Run {
                blocks: self.runs.blocks(number)?,
                block: Vec::new(),
                at: 0,
            };
            run.load()?;
            heads.extend(run.head().map(|(fact, _)| Reverse((fact, number))));
            runs.push(run);
        }
        Ok(InOrder { runs, heads })
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.runs.bytes()
    }
}

/// A run that is read.
struct Run<'a> {
    blocks: Blocks<'a>,
    block: Vec<ArrayRef>,
    at: usize,
}

impl Run<'_> {
    /// The pair that comes next.
    fn head(&self) -> Option<(i64, i64)> {
        let value = |column: &ArrayRef| column.as_primitive::<Int64Type>().value(self.at);
        match &self.block[..] {
            [facts, rows] => Some((value(facts), value(rows))),
            _ => None,
        }
    }

    fn load(&mut self) -> Result<()> {
        self.at = 0;
        self.block = self.blocks.next().transpose()?.unwrap_or_default();
        Ok(())
    }

    fn advance(&mut self) -> Result<()> {
        self.at += 1;
        match self
            .block
            .first()
            .is_some_and(|facts| self.at < facts.len())
        {
            true => Ok(()),
            false => self.load(),
        }
    }
}

/// Winning facts and their rows, in the order of the facts.
pub(super) struct InOrder<'a> {
    runs: Vec<Run<'a>>,
    /// The next fact of each run.
    heads: BinaryHeap<Reverse<(i64, usize)>>,
}

impl InOrder<'_> {
    /// At most `most` of those that are left and before the fact `end`: facts and rows.
    pub(super) fn before(&mut self, end: u64, most: usize) -> Result<(Vec<u64>, Vec<i64>)> {
        let (mut facts, mut rows) = (Vec::new(), Vec::new());
        let end = i64::try_from(end).unwrap_or(i64::MAX);
        while facts.len() < most
            && let Some(Reverse((fact, number))) = self.heads.peek().copied()
            && fact < end
        {
            self.heads.pop();
            // this run goes on while no other one has an earlier fact
            let until = (self.heads.peek()).map_or(end, |Reverse((next, _))| end.min(next + 1));
            let run = &mut self.runs[number];
            while let Some((fact, row)) = run.head() {
                if fact >= until || facts.len() >= most {
                    self.heads.push(Reverse((fact, number)));
                    break;
                }
                facts.push(fact as u64);
                rows.push(row);
                run.advance()?;
            }
        }
        Ok((facts, rows))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn runs_come_back_in_the_order_of_the_facts() {
        let folder = tempfile::tempdir().unwrap();
        let winners = Winners::new(folder.path(), 3, 1).unwrap();
        for run in 0..3 {
            let rows: Vec<i64> = (0..1_000).map(|row| row * 3 + run).collect();
            let facts: Vec<u64> = rows
                .iter()
                .map(|row| match row % 7 {
                    0 => NOBODY,
                    // one fact that most rows are won by
                    1..5 => 500,
                    _ => (*row as u64 * 7_919) % 1_000,
                })
                .collect();
            let rows = Int64Array::from(rows);
            winners.put(run as usize, &facts, &rows).unwrap();
        }
        let mut order = winners.in_order().unwrap();
        let mut all: Vec<(u64, i64)> = Vec::new();
        for end in [0, 400, 501, 900, 1_000] {
            loop {
                let (facts, rows) = order.before(end, 64).unwrap();
                assert!(facts.iter().all(|fact| *fact < end) && facts.len() <= 64);
                if facts.is_empty() {
                    break;
                }
                all.extend(facts.into_iter().zip(rows));
            }
        }
        assert!(all.is_sorted_by_key(|(fact, _)| *fact));
        let mut rows: Vec<i64> = all.iter().map(|(_, row)| *row).collect();
        rows.sort_unstable();
        assert!(rows.into_iter().eq((0..3_000).filter(|row| row % 7 != 0)));
    }
}
