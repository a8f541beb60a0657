//! Most frequent values: exact up to `capacity` different ones; beyond, counters are traded as in
//! Misra and Gries (1982), to which space-saving is isomorphic (Agarwal et al. 2012, "Mergeable
//! summaries"): a count is short by at most rows / capacity, and no value more frequent than that is
//! missing.

use super::bytes::{Reader, Writer};
use crate::data::Result;
use rustc_hash::FxHashMap;
use std::borrow::Borrow;
use std::hash::Hash;

/// Counters by value.
#[derive(Clone, Debug)]
pub struct Top<K: Eq + Hash> {
    capacity: usize,
    counts: FxHashMap<K, u64>,
    short: u64,
}

impl<K: Eq + Hash + Ord + Clone> Top<K> {
    /// A summary that is exact up to `capacity` different values.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            counts: FxHashMap::default(),
            short: 0,
        }
    }

    /// Takes a value in `times` times.
    pub fn add<Q>(&mut self, value: &Q, times: u64)
    where
        K: Borrow<Q>,
        Q: ToOwned<Owned = K> + Eq + Hash + ?Sized,
    {
        if let Some(count) = self.counts.get_mut(value) {
            *count += times;
            return;
        }
        self.counts.insert(value.to_owned(), times);
        // Trading at twice the capacity makes its cost constant for each value.
        if self.counts.len() > 2 * self.capacity {
            self.trade();
        }
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: &Self) {
        for (value, count) in &other.counts {
            *self.counts.entry(value.clone()).or_insert(0) += count;
        }
        self.short += other.short;
        if self.counts.len() > 2 * self.capacity {
            self.trade();
        }
    }

    /// More different values than are counted exactly.
    pub fn is_over(&self) -> bool {
        self.counts.len() > self.capacity
    }

    /// Values and counts, in no order.
    pub fn pairs(&self) -> impl Iterator<Item = (&K, u64)> {
        self.counts.iter().map(|(value, count)| (value, *count))
    }

    /// Different values that have a counter.
    pub fn len(&self) -> usize {
        self.counts.len()
    }

    /// Nothing taken in.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// Only the `n` most frequent: the first that is dropped says by how much more a count may now be short.
    pub fn shrunk(&self, n: usize) -> Self {
        let mut most = self.most(n + 1);
        let dropped = most.get(n).map_or(0, |(_, count)| *count);
        most.truncate(n);
        Self {
            capacity: self.capacity,
            counts: most.into_iter().collect(),
            short: self.short + dropped,
        }
    }

    /// Most by which a count may be short; 0 while exact.
    pub fn short(&self) -> u64 {
        self.short
    }

    /// The `n` most frequent values with their counts; equally frequent ones in their own order.
    pub fn most(&self, n: usize) -> Vec<(K, u64)> {
        let mut most: Vec<(K, u64)> = self
            .counts
            .iter()
            .map(|(value, count)| (value.clone(), *count))
            .collect();
        most.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        most.truncate(n);
        most
    }

    /// Takes the count of the first value beyond capacity off every count, and drops what is left
    /// with none.
    fn trade(&mut self) {
        let mut counts: Vec<u64> = self.counts.values().copied().collect();
        let (_, off, _) = counts.select_nth_unstable_by(self.capacity, |a, b| b.cmp(a));
        let off = *off;
        self.short += off;
        self.counts.retain(|_, count| {
            *count = count.saturating_sub(off);
            *count > 0
        });
    }
}

impl Top<String> {
    /// Appends it to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.count(self.short);
        to.count(self.counts.len() as u64);
        let mut sorted: Vec<(&String, &u64)> = self.counts.iter().collect();
        sorted.sort_unstable();
        for (text, count) in sorted {
            to.text(text);
            to.count(*count);
        }
    }

    /// A kept one.
    pub fn read(from: &mut Reader<'_>, capacity: usize) -> Result<Self> {
        let mut top = Self::new(capacity);
        top.short = from.count()?;
        for _ in 0..from.length(2)? {
            let text = from.text()?;
            let count = from.count()?;
            top.counts.insert(text.to_owned(), count);
        }
        Ok(top)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn exact_while_small() {
        let mut top: Top<String> = Top::new(10);
        for text in ["b", "a", "c", "a", "c", ""] {
            top.add(text, 1);
        }
        let most = top.most(3);
        assert_eq!(most, [("a".into(), 2), ("c".into(), 2), (String::new(), 1)]);
        assert_eq!(top.short(), 0);
    }

    proptest! {
        #[test]
        fn counts_are_short_by_no_more_than_stated(
            values in prop::collection::vec((0u64..40).prop_map(|x| x * x / 40), 1..600),
            parts in 1usize..5,
        ) {
            let mut exact: BTreeMap<u64, u64> = BTreeMap::new();
            let mut merged: Top<u64> = Top::new(8);
            for part in values.chunks(values.len().div_ceil(parts)) {
                let mut top = Top::new(8);
                for value in part {
                    top.add(value, 1);
                    *exact.entry(*value).or_insert(0) += 1;
                }
                merged.merge(&top);
            }
            prop_assert!(merged.short() <= values.len() as u64 / 8);
            for (value, count) in exact {
                let got = merged.counts.get(&value).copied().unwrap_or(0);
                prop_assert!(got <= count && got + merged.short() >= count);
            }
        }
    }
}
