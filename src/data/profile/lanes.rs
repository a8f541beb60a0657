//! The columns of a file on their way through its rows, side by side: some rows of every column, on all processors, and
//! then how those rows' numbers move together; so that neither a file nor a column is ever all in memory.

use super::block::{self, Block};
use super::column::{Column, Filler};
use super::pairs::{self, Pairs};
use super::unique::Uniques;
use crate::data::types::{kind_of, normalise};
use crate::data::{Error, Result};
use crate::domain::dataset::ColumnKind;
use arrow_array::ArrayRef;
use arrow_schema::DataType;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

/// Rows of one column that are looked at together: they stay in the processor's cache.
pub const BATCH: usize = 8_192;
/// Rows taken in at a time, at most; and values of all columns.
const ROWS: usize = 65_536;
const VALUES: usize = 1 << 21;
/// Threads at most.
const THREADS: usize = 8;

/// Rows that are taken in at a time from a table of so many columns.
pub fn rows_at_a_time(columns: usize) -> usize {
    let rows = VALUES / columns.max(1);
    if rows >= BATCH {
        (rows / BATCH * BATCH).min(ROWS)
    } else {
        rows.max(128).next_power_of_two() / 2
    }
}

/// Whether columns of this type are held beside others.
pub fn is_paired(data_type: &DataType) -> bool {
    let typed = normalise(&arrow_array::new_empty_array(data_type));
    let kind = typed.ok().and_then(|typed| kind_of(typed.data_type()));
    matches!(
        kind,
        Some(ColumnKind::Integer | ColumnKind::Number | ColumnKind::Boolean)
    )
}

/// One column.
pub struct Lane<'a> {
    filler: Filler<'a>,
    /// Of a column that is held beside others.
    block: Option<Block>,
}

impl Lane<'_> {
    /// The next rows.
    pub fn take(&mut self, array: &ArrayRef) -> Result<()> {
        let mut from = 0;
        while from < array.len() {
            let length = BATCH.min(array.len() - from);
            self.filler.take(&array.slice(from, length))?;
            from += length;
        }
        if array.is_empty() {
            self.filler.take(array)?;
        }
        if let Some(block) = &mut self.block {
            block.add(&normalise(array)?);
        }
        Ok(())
    }
}

/// All columns, or some.
pub struct Lanes<'a> {
    lanes: Vec<Mutex<Lane<'a>>>,
    pairs: Pairs,
    one_of: u64,
    uniques: Option<&'a Uniques>,
}

impl<'a> Lanes<'a> {
    /// Of columns with their types, and so many rows; keeps those at `places`. `related`: how they move together is asked.
    pub fn new(
        columns: impl Iterator<Item = (&'a str, &'a DataType)>,
        rows: u64,
        places: &'a [u64],
        related: bool,
        uniques: Option<&'a Uniques>,
    ) -> Self {
        let (mut paired, one_of) = (Vec::new(), block::one_of(rows));
        let lanes = columns
            .map(|(name, data_type)| {
                let beside = related && paired.len() < pairs::COLUMNS && is_paired(data_type);
                if beside {
                    paired.push(name.to_owned());
                }
                Mutex::new(Lane {
                    filler: Filler::new(name, places, uniques),
                    block: beside.then(|| Block::new(one_of)),
                })
            })
            .collect();
        Self {
            lanes,
            pairs: Pairs::new(paired),
            one_of,
            uniques,
        }
    }

    /// The next rows: `work` gives its number's lane as many of them as every other gets.
    pub fn take(&mut self, work: impl Fn(usize, &mut Lane<'a>) -> Result<()> + Sync) -> Result<()> {
        in_parallel(self.lanes.len(), |at| {
            let mut lane = self.lanes[at]
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            if let Some(block) = &mut lane.block {
                block.clear();
            }
            work(at, &mut lane)?;
            lane.filler.rest();
            if let Some(block) = &mut lane.block {
                block.settle();
            }
            Ok(())
        })?;
        let mut blocks: Vec<&Block> = Vec::new();
        for lane in &mut self.lanes {
            let lane = lane.get_mut().unwrap_or_else(PoisonError::into_inner);
            blocks.extend(&lane.block);
        }
        if blocks.len() < 2 {
            return Ok(());
        }
        let parts = blocks[0].parts();
        if blocks.iter().any(|block| block.parts() != parts) {
            return Err(Error::new(
                "columns have different numbers of rows; the file is damaged",
            ));
        }
        // in the order of the rows, so that the same rows always give the same digits
        for found in in_parallel(parts, |at| Ok(pairs::of_part(&blocks, at)))? {
            self.pairs.add(&found);
        }
        self.pairs.rows += blocks[0].rows() as u64;
        Ok(())
    }

    /// The columns' states, and how they move together.
    pub fn finish(self) -> Result<(Vec<Column>, Pairs)> {
        let mut columns = Vec::with_capacity(self.lanes.len());
        for lane in self.lanes {
            let lane = lane.into_inner().unwrap_or_else(PoisonError::into_inner);
            columns.push(lane.filler.finish(self.uniques)?);
        }
        Ok((columns, self.pairs.times(self.one_of)))
    }
}

/// `work` for every number below `count`, on as many threads as there are processors; results in order. The first error
/// ends it.
pub fn in_parallel<T: Send>(
    count: usize,
    work: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let threads = std::thread::available_parallelism()
        .map_or(2, usize::from)
        .min(THREADS)
        .min(count);
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let done: Mutex<Vec<(usize, Result<T>)>> = Mutex::new(Vec::with_capacity(count));
    let turns = || {
        while !stop.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            if at >= count {
                return;
            }
            let result = work(at);
            if result.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
            done.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((at, result));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            scope.spawn(turns);
        }
        turns();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(at, _)| *at);
    let results = done
        .into_iter()
        .map(|(_, result)| result)
        .collect::<Result<Vec<T>>>()?;
    if results.len() < count {
        return Err(Error::new("the work was stopped"));
    }
    Ok(results)
}
