//! How the numeric columns of a table move together: co-moments of all their pairs, mergeable with those of other files.
//! Over all rows of a file of up to half a million, and over a part of the rows of a longer one.

use super::block::Block;
use crate::data::Result;
use crate::data::sketch::CoMoments;
use crate::data::sketch::bytes::{Reader, Writer, damaged};

/// Columns that are looked at: the first so many with numbers or flags.
pub const COLUMNS: usize = 100;

/// See the module's text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pairs {
    /// Rows that were looked at.
    pub rows: u64,
    names: Vec<String>,
    /// Of the first column with each later one, of the second with each later one, and so on.
    moments: Vec<CoMoments>,
}

impl Pairs {
    /// Of columns of no rows yet.
    pub fn new(names: Vec<String>) -> Self {
        let moments = vec![CoMoments::default(); names.len() * names.len().saturating_sub(1) / 2];
        Self {
            rows: 0,
            names,
            moments,
        }
    }

    /// As if each row had come `times` times: so many stand for what was not looked at.
    pub fn times(mut self, times: u64) -> Self {
        for moments in &mut self.moments {
            *moments = moments.times(times);
        }
        self
    }

    /// Takes what [`of_part`] found in, in the order of the parts.
    pub fn add(&mut self, found: &[CoMoments]) {
        for (ours, more) in self.moments.iter_mut().zip(found) {
            ours.merge(more);
        }
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: &Self) {
        if self.names == other.names {
            self.rows += other.rows;
            return self.add(&other.moments);
        }
        let mut names = self.names.clone();
        for name in &other.names {
            if names.len() < COLUMNS && !names.contains(name) {
                names.push(name.clone());
            }
        }
        let mut all = Self::new(names);
        for from in [&*self, other] {
            for (a, b, moments) in from.all() {
                if let Some((at, swapped)) = all.place(a, b) {
                    let moments = if swapped { moments.swapped() } else { *moments };
                    all.moments[at].merge(&moments);
                }
            }
        }
        all.rows = self.rows + other.rows;
        *self = all;
    }

    /// Every pair.
    pub fn all(&self) -> impl Iterator<Item = (&str, &str, &CoMoments)> {
        let pairs = self.names.iter().enumerate().flat_map(|(at, a)| {
            let later = self.names[at + 1..].iter();
            later.map(move |b| (a.as_str(), b.as_str()))
        });
        pairs
            .zip(&self.moments)
            .map(|((a, b), moments)| (a, b, moments))
    }

    /// The pair of two columns.
    pub fn of(&self, a: &str, b: &str) -> Option<CoMoments> {
        let (at, swapped) = self.place(a, b)?;
        let moments = self.moments[at];
        Some(if swapped { moments.swapped() } else { moments })
    }

    fn place(&self, a: &str, b: &str) -> Option<(usize, bool)> {
        let place = |name: &str| self.names.iter().position(|one| one == name);
        let (a, b) = (place(a)?, place(b)?);
        let (first, second) = (a.min(b), a.max(b));
        let before = first * (2 * self.names.len() - first - 1) / 2;
        (a != b).then(|| (before + second - first - 1, a > b))
    }

    /// Appends them to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.count(self.rows);
        to.count(self.names.len() as u64);
        self.names.iter().for_each(|name| to.text(name));
        self.moments.iter().for_each(|moments| moments.write(to));
    }

    /// Kept ones.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        let rows = from.count()?;
        let count = from.length(1)?;
        if count > COLUMNS {
            return Err(damaged());
        }
        let names = (0..count)
            .map(|_| from.text().map(str::to_owned))
            .collect::<Result<Vec<_>>>()?;
        let mut all = Self::new(names);
        all.rows = rows;
        for moments in &mut all.moments {
            *moments = CoMoments::read(from)?;
        }
        Ok(all)
    }
}

/// Every pair of `blocks` in their parts number `at`.
pub fn of_part(blocks: &[&Block], at: usize) -> Vec<CoMoments> {
    let parts: Vec<_> = blocks.iter().map(|block| block.part(at)).collect();
    let mut found = Vec::with_capacity(parts.len() * parts.len().saturating_sub(1) / 2);
    for (number, a) in parts.iter().enumerate() {
        found.extend(parts[number + 1..].iter().map(|b| CoMoments::of(a, b)));
    }
    found
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow_array::{ArrayRef, Float64Array};
    use proptest::prelude::*;
    use std::sync::Arc;

    fn pairs(names: &[&str], columns: &[Vec<Option<f64>>]) -> Pairs {
        let blocks: Vec<Block> = columns
            .iter()
            .map(|column| {
                let mut block = Block::new(1);
                let array: ArrayRef = Arc::new(Float64Array::from(column.clone()));
                block.add(&array);
                block.settle();
                block
            })
            .collect();
        let blocks: Vec<&Block> = blocks.iter().collect();
        let mut pairs = Pairs::new(names.iter().map(|name| (*name).to_owned()).collect());
        (0..blocks[0].parts()).for_each(|at| pairs.add(&of_part(&blocks, at)));
        pairs
    }

    /// In two passes.
    fn plain(a: &[Option<f64>], b: &[Option<f64>]) -> Option<f64> {
        let both: Vec<(f64, f64)> = a
            .iter()
            .zip(b)
            .filter_map(|(a, b)| Some(((*a)?, (*b)?)))
            .filter(|(a, b)| a.is_finite() && b.is_finite())
            .collect();
        let n = both.len() as f64;
        let (x, y) = both
            .iter()
            .fold((0.0, 0.0), |(x, y), (a, b)| (x + a / n, y + b / n));
        let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
        for (a, b) in &both {
            xx += (a - x) * (a - x);
            yy += (b - y) * (b - y);
            xy += (a - x) * (b - y);
        }
        (both.len() >= 3 && xx > 1e-9 && yy > 1e-9).then(|| xy / (xx * yy).sqrt())
    }

    #[test]
    fn an_outlier_beside_a_gap_does_not_count() {
        let rows = 1_000;
        let b: Vec<Option<f64>> = (0..rows)
            .map(|i| (i % 9 > 0).then(|| f64::from(i % 7)))
            .collect();
        let a: Vec<Option<f64>> = (0..rows)
            .map(|i| {
                Some(if i == 18 {
                    1e15
                } else {
                    f64::from(i % 7 + i % 3)
                })
            })
            .collect();
        let expected = plain(&a, &b).unwrap();
        let found = pairs(&["a", "b"], &[a, b]).of("a", "b").unwrap();
        let r = found.pearson((1.0, 1.0)).unwrap();
        // the part's mean is far from its numbers: some digits are lost, not all
        assert!((r - expected).abs() < 1e-2, "{r}, not {expected}");
    }

    #[test]
    fn great_numbers_that_differ_little_keep_their_correlation() {
        let rows = 5_000;
        let a: Vec<Option<f64>> = (0..rows).map(|i| Some(1e9 + f64::from(i % 17))).collect();
        let b: Vec<Option<f64>> = (0..rows)
            .map(|i| (i % 5 > 0).then(|| -3e9 - f64::from(i % 17) + f64::from(i % 3)))
            .collect();
        let expected = plain(&a, &b).unwrap();
        let found = pairs(&["a", "b"], &[a, b]).of("a", "b").unwrap();
        let r = found.pearson((5.0, 5.0)).unwrap();
        assert!((r - expected).abs() < 1e-7, "{r}, not {expected}");
        assert_eq!(found.count, 4_000);
    }

    #[test]
    fn columns_with_few_numbers_in_the_same_rows_are_held_against_each_other() {
        // more gaps in both than there are rows
        let a: Vec<Option<f64>> = (0..9).map(|i| (i % 3 == 0).then(|| f64::from(i))).collect();
        let b: Vec<Option<f64>> = (0..9)
            .map(|i| (i % 3 == 0).then(|| f64::from(-i)))
            .collect();
        let found = pairs(&["a", "b"], &[a, b]).of("a", "b").unwrap();
        assert_eq!(found.count, 3);
        assert_eq!(found.pearson((1.0, 1.0)), Some(-1.0));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn merged_pairs_are_those_of_all_rows(
            rows in prop::collection::vec((prop::option::weighted(0.8, -9.0f64..9.0), -9.0f64..9.0, prop::option::weighted(0.9, prop_oneof![Just(f64::INFINITY), -1.0f64..1.0])), 3..3_000),
            at in 0.0f64..1.0,
        ) {
            let cut = (rows.len() as f64 * at) as usize;
            let columns = |rows: &[(Option<f64>, f64, Option<f64>)]| vec![
                rows.iter().map(|row| row.0).collect::<Vec<_>>(),
                rows.iter().map(|row| Some(row.1 + row.0.unwrap_or(0.0))).collect(),
                rows.iter().map(|row| row.2).collect(),
            ];
            let whole = pairs(&["a", "b", "c"], &columns(&rows));
            let mut merged = pairs(&["a", "b", "c"], &columns(&rows[..cut]));
            if cut == 0 {
                merged = Pairs::default();
            }
            if cut < rows.len() {
                // in another order, and kept between
                let mut later = columns(&rows[cut..]);
                later.swap(0, 2);
                let later = pairs(&["c", "b", "a"], &later);
                let mut kept = Writer::default();
                later.write(&mut kept);
                let back = Pairs::read(&mut Reader::new(&kept.bytes)).unwrap();
                prop_assert_eq!(&back, &later);
                merged.merge(&back);
            }
            let columns = columns(&rows);
            for (names, one, other) in [(("a", "b"), 0, 1), (("a", "c"), 0, 2), (("b", "c"), 1, 2)] {
                let expected = plain(&columns[one], &columns[other]);
                for pairs in [&whole, &merged] {
                    let found = pairs.of(names.0, names.1).unwrap().pearson((1e-3, 1e-3));
                    if let (Some(found), Some(expected)) = (found, expected) {
                        prop_assert!((found - expected).abs() < 1e-6, "{} {}", found, expected);
                    } else {
                        prop_assert!(expected.is_none());
                    }
                }
            }
        }
    }
}
