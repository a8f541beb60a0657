//! How often each number came: exact up to a capacity of different ones; beyond, counters are traded as in Misra and Gries
//! (1982), see [`super::top`]: a count is short by at most [`Counter::short`], and no number more frequent than that is
//! missing. Numbers are known by their bits; both zeros are one.

use super::bytes::{Reader, Writer, damaged};
use crate::data::Result;

/// No finite number has these bits.
const EMPTY: u64 = u64::MAX;
/// Slots at the beginning; a power of two.
const SLOTS: usize = 64;

/// Counts by number, in slots found by hash.
#[derive(Clone, Debug)]
pub struct Counter {
    capacity: usize,
    keys: Vec<u64>,
    counts: Vec<u64>,
    held: usize,
    short: u64,
}

impl Counter {
    /// Exact up to `capacity` different numbers.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            keys: vec![EMPTY; SLOTS],
            counts: vec![0; SLOTS],
            held: 0,
            short: 0,
        }
    }

    /// Takes a finite number in `times` times.
    pub fn add(&mut self, x: f64, times: u64) {
        let key = (x + 0.0).to_bits();
        let mask = self.keys.len() - 1;
        let mut slot = self.slot(key);
        loop {
            if self.keys[slot] == key {
                self.counts[slot] += times;
                return;
            }
            if self.keys[slot] == EMPTY {
                break;
            }
            slot = (slot + 1) & mask;
        }
        self.keys[slot] = key;
        self.counts[slot] = times;
        self.held += 1;
        if self.held * 2 > self.keys.len() {
            self.rebuild(self.keys.len() * 2);
        }
    }

    /// Different numbers that have a counter.
    pub fn len(&self) -> usize {
        self.held
    }

    /// Nothing taken in.
    pub fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// More different numbers than are counted exactly.
    pub fn is_over(&self) -> bool {
        self.held > self.capacity
    }

    /// Most by which a count may be short; 0 while exact.
    pub fn short(&self) -> u64 {
        self.short
    }

    /// Takes the count of the first number beyond capacity off every count, once there are twice as many numbers: so its
    /// cost is constant for each number.
    pub fn trade(&mut self) {
        if self.held <= 2 * self.capacity {
            return;
        }
        let mut counts: Vec<u64> = self
            .counts
            .iter()
            .copied()
            .filter(|count| *count > 0)
            .collect();
        let (_, off, _) = counts.select_nth_unstable_by(self.capacity, |a, b| b.cmp(a));
        let off = *off;
        self.short += off;
        for (key, count) in self.keys.iter_mut().zip(&mut self.counts) {
            *count = count.saturating_sub(off);
            if *count == 0 {
                *key = EMPTY;
            }
        }
        self.rebuild(self.keys.len());
    }

    /// Takes all of `other` in, each count `weight` times.
    pub fn merge(&mut self, other: &Self, weight: u64) {
        for (x, count) in other.pairs() {
            self.add(x, count * weight);
        }
        self.short += other.short * weight;
    }

    /// Numbers and counts, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = (f64, u64)> {
        self.keys
            .iter()
            .zip(&self.counts)
            .filter(|(key, _)| **key != EMPTY)
            .map(|(key, count)| (f64::from_bits(*key), *count))
    }

    /// Numbers and counts, ascending by number.
    pub fn sorted(&self) -> Vec<(f64, u64)> {
        let mut pairs: Vec<(f64, u64)> = self.pairs().collect();
        pairs.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        pairs
    }

    /// Appends it to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.count(self.short);
        to.count(self.held as u64);
        for (x, count) in self.sorted() {
            to.number(x);
            to.count(count);
        }
    }

    /// A kept one.
    pub fn read(from: &mut Reader<'_>, capacity: usize) -> Result<Self> {
        let mut counter = Self::new(capacity);
        counter.short = from.count()?;
        for _ in 0..from.length(9)? {
            let (x, count) = (from.number()?, from.count()?);
            if !x.is_finite() || count == 0 {
                return Err(damaged());
            }
            counter.add(x, count);
        }
        Ok(counter)
    }

    fn slot(&self, key: u64) -> usize {
        // the high bits of the product depend on all bits of the number
        (key.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (64 - self.keys.len().trailing_zeros()))
            as usize
    }

    fn rebuild(&mut self, slots: usize) {
        let keys = std::mem::replace(&mut self.keys, vec![EMPTY; slots]);
        let counts = std::mem::replace(&mut self.counts, vec![0; slots]);
        self.held = 0;
        for (key, count) in keys.into_iter().zip(counts) {
            if key != EMPTY {
                self.add(f64::from_bits(key), count);
            }
        }
    }
}

/// The `n` most frequent of numbers that come so often; equally frequent ones ascend.
pub fn most(mut pairs: Vec<(f64, u64)>, n: usize) -> Vec<(f64, u64)> {
    let order = |a: &(f64, u64), b: &(f64, u64)| b.1.cmp(&a.1).then_with(|| a.0.total_cmp(&b.0));
    if pairs.len() > n && n > 0 {
        pairs.select_nth_unstable_by(n - 1, order);
    }
    pairs.truncate(n);
    pairs.sort_unstable_by(order);
    pairs
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn exact_while_small() {
        let mut counter = Counter::new(4_096);
        for i in 0..10_000 {
            counter.add(f64::from(i % 1_000) - 3.0, 1);
        }
        counter.add(-0.0, 5);
        assert_eq!((counter.len(), counter.short()), (1_000, 0));
        assert_eq!(most(counter.sorted(), 2), [(0.0, 15), (-3.0, 10)]);
    }

    proptest! {
        #[test]
        fn counts_are_short_by_no_more_than_stated(
            values in prop::collection::vec((0u32..60).prop_map(|x| f64::from(x * x / 60)), 1..900),
            parts in 1usize..5,
        ) {
            let mut exact: BTreeMap<u64, u64> = BTreeMap::new();
            let mut merged = Counter::new(8);
            for part in values.chunks(values.len().div_ceil(parts)) {
                let mut counter = Counter::new(8);
                for value in part {
                    counter.add(*value, 1);
                    counter.trade();
                    *exact.entry(value.to_bits()).or_insert(0) += 1;
                }
                let mut kept = Writer::default();
                counter.write(&mut kept);
                merged.merge(&Counter::read(&mut Reader::new(&kept.bytes), 8).unwrap(), 1);
                merged.trade();
            }
            let got: BTreeMap<u64, u64> = merged.pairs().map(|(x, count)| (x.to_bits(), count)).collect();
            for (value, count) in exact {
                let got = got.get(&value).copied().unwrap_or(0);
                prop_assert!(got <= count && got + merged.short() >= count);
            }
        }
    }
}
