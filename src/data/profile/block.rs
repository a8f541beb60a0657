//! The numbers of a column in some rows, made ready to be held beside those of other columns: in parts of equal lengths,
//! each about its own mean. The parts of all columns hold the same rows. Of a very long table one part of each few is taken.

use crate::data::sketch::comoments::Part;
use crate::data::sketch::distinct::hash_integer;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;

/// Rows of a part: those of some columns stay in the processor's cache while all pairs are looked at.
pub const PART: usize = 1_024;
/// Sums that run beside each other, so that the processor adds several numbers at once.
const LANES: usize = 8;

/// Parts that are taken of a table, at most: of a longer one, one of each few, so that what they cost stays a small share.
const MOST: u64 = 512;

/// Which parts are taken: one of each so many.
pub fn one_of(rows: u64) -> u64 {
    rows.div_ceil(PART as u64).div_ceil(MOST).max(1)
}

/// Whether a part is the one of its few; any of them, so that what repeats itself in the table does not fool it.
fn is_taken(part: u64, one_of: u64) -> bool {
    let few = part / one_of;
    one_of == 1 || hash_integer(few as i64) % one_of == part % one_of
}

/// See the module's text.
#[derive(Debug)]
pub struct Block {
    one_of: u64,
    /// Rows that came.
    seen: u64,
    /// First the numbers, NaN where there is none; once it is settled, their deviations.
    numbers: Vec<f64>,
    /// The rows of each part, from 0, that have no number; of all parts, one after the other.
    gaps: Vec<u32>,
    parts: Vec<Facts>,
}

#[derive(Clone, Copy, Debug)]
struct Facts {
    /// Where its gaps begin and end.
    gaps: (usize, usize),
    count: u64,
    mean: f64,
    second: f64,
}

impl Block {
    /// Of no rows yet; takes one of so many parts.
    pub fn new(one_of: u64) -> Self {
        Self {
            one_of,
            seen: 0,
            numbers: Vec::new(),
            gaps: Vec::new(),
            parts: Vec::new(),
        }
    }

    /// The next rows: whole numbers, numbers or flags; anything else is taken for nulls.
    pub fn add(&mut self, array: &ArrayRef) {
        let mut from = 0;
        while from < array.len() {
            let (part, inside) = (self.seen / PART as u64, self.seen as usize % PART);
            let length = (PART - inside).min(array.len() - from);
            if is_taken(part, self.one_of) {
                self.take(&array.slice(from, length));
            }
            self.seen += length as u64;
            from += length;
        }
    }

    fn take(&mut self, array: &ArrayRef) {
        let before = self.numbers.len();
        match array.data_type() {
            DataType::Int64 => {
                let values = array.as_primitive::<Int64Type>().values();
                self.numbers.extend(values.iter().map(|x| *x as f64));
            }
            DataType::Float64 => {
                let values = array.as_primitive::<Float64Type>().values();
                self.numbers.extend_from_slice(values);
            }
            DataType::Boolean => {
                let values = array.as_boolean().values();
                let flags = values.iter().map(|flag| f64::from(u8::from(flag)));
                self.numbers.extend(flags);
            }
            _ => {
                let after = before + array.len();
                self.numbers.resize(after, f64::NAN);
            }
        }
        if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
            for (number, valid) in self.numbers[before..].iter_mut().zip(nulls) {
                if !valid {
                    *number = f64::NAN;
                }
            }
        }
    }

    /// No more rows come.
    pub fn settle(&mut self) {
        let rows = self.numbers.len();
        for from in (0..rows).step_by(PART) {
            let until = (from + PART).min(rows);
            let numbers = &mut self.numbers[from..until];
            let begin = self.gaps.len();
            let (count, mean) = match mean(numbers) {
                Some(mean) => (numbers.len() as u64, mean),
                None => mean_but_for(numbers, &mut self.gaps),
            };
            // where there is no number, its deviation is none
            for gap in &self.gaps[begin..] {
                numbers[*gap as usize] = mean;
            }
            self.parts.push(Facts {
                gaps: (begin, self.gaps.len()),
                count,
                mean,
                second: deviations(numbers, mean),
            });
        }
    }

    /// No rows.
    pub fn clear(&mut self) {
        self.numbers.clear();
        self.gaps.clear();
        self.parts.clear();
    }

    /// Rows that were taken.
    pub fn rows(&self) -> usize {
        self.numbers.len()
    }

    /// Parts that it has, once it is settled.
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// A part.
    pub fn part(&self, at: usize) -> Part<'_> {
        let facts = self.parts[at];
        let rows = at * PART..((at + 1) * PART).min(self.numbers.len());
        Part {
            deviations: &self.numbers[rows],
            gaps: &self.gaps[facts.gaps.0..facts.gaps.1],
            count: facts.count,
            mean: facts.mean,
            second: facts.second,
        }
    }
}

/// The mean; none where a row has no finite number, or their sum is none.
fn mean(numbers: &[f64]) -> Option<f64> {
    let origin = numbers.first().copied().unwrap_or_default();
    let mut sums = [0.0; LANES];
    let blocks = numbers.chunks_exact(LANES);
    // about the first number: sums of great numbers that differ little keep their digits
    let rest: f64 = blocks.remainder().iter().map(|x| x - origin).sum();
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += x - origin;
        }
    }
    let sum = sums.into_iter().sum::<f64>() + rest;
    let mean = origin + sum / numbers.len() as f64;
    mean.is_finite().then_some(mean)
}

/// How many finite numbers there are, and their mean; the other rows are added to `gaps`.
fn mean_but_for(numbers: &[f64], gaps: &mut Vec<u32>) -> (u64, f64) {
    let (mut count, mut sum, mut origin) = (0u64, 0.0, None);
    for (row, x) in (0u32..).zip(numbers) {
        if x.is_finite() {
            count += 1;
            sum += x - *origin.get_or_insert(*x);
        } else {
            gaps.push(row);
        }
    }
    (
        count,
        origin.unwrap_or_default() + sum / count.max(1) as f64,
    )
}

/// Makes numbers deviations from their mean; the sum of the squares.
fn deviations(numbers: &mut [f64], mean: f64) -> f64 {
    let mut sums = [0.0; LANES];
    let mut blocks = numbers.chunks_exact_mut(LANES);
    for block in blocks.by_ref() {
        for (sum, x) in sums.iter_mut().zip(block) {
            *x -= mean;
            *sum += *x * *x;
        }
    }
    let mut rest = 0.0;
    for x in blocks.into_remainder() {
        *x -= mean;
        rest += *x * *x;
    }
    sums.into_iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow_array::Int64Array;
    use std::sync::Arc;

    #[test]
    fn the_same_parts_are_taken_however_the_rows_come() {
        assert_eq!((one_of(0), one_of(500_000), one_of(5_000_000)), (1, 1, 10));
        let rows: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
        let taken = |length: usize| {
            let mut block = Block::new(3);
            for from in (0..rows.len()).step_by(length) {
                block.add(&rows.slice(from, length.min(rows.len() - from)));
            }
            block.numbers
        };
        let whole = taken(100_000);
        assert!((30_000..37_000).contains(&whole.len()), "{}", whole.len());
        assert_eq!(taken(777), whole);
        assert_eq!(taken(8_192), whole);
        let starts: Vec<f64> = whole.iter().step_by(PART).copied().collect();
        // one of each three, not always the same
        let few = |start: &f64| *start as usize / PART / 3;
        assert!(
            starts
                .windows(2)
                .all(|pair| few(&pair[0]) + 1 == few(&pair[1]))
        );
        let places: std::collections::BTreeSet<usize> = starts
            .iter()
            .map(|start| *start as usize / PART % 3)
            .collect();
        assert_eq!(places.len(), 3);
    }
}
