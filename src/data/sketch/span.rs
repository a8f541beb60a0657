//! How often each whole number came, when all of them lie close together: a counter for every number between the least
//! and the greatest. Exact, and as fast as counting can be; hours, ages, delays and codes are like this.

use super::bytes::{Reader, Writer, damaged};
use crate::data::Result;

/// Counters at most.
pub const WIDEST: usize = 65_536;

/// Counts of whole numbers from `base` on.
#[derive(Clone, Debug, Default)]
pub struct Span {
    base: i64,
    counts: Vec<u64>,
}

impl Span {
    /// Takes whole numbers in; false, and nothing taken in, when they lie too far from each other.
    pub fn add_all(&mut self, numbers: &[i64]) -> bool {
        let Some(first) = numbers.first() else {
            return true;
        };
        let (mut low, mut high) = (*first, *first);
        for number in numbers {
            low = low.min(*number);
            high = high.max(*number);
        }
        if !self.reach(low, high) {
            return false;
        }
        let base = self.base;
        let counts = self.counts.as_mut_slice();
        for number in numbers {
            if let Some(count) = counts.get_mut(number.wrapping_sub(base) as usize) {
                *count += 1;
            }
        }
        true
    }

    /// Takes all of `other` in; false, and nothing taken in, when they lie too far from each other.
    pub fn merge(&mut self, other: &Self) -> bool {
        let Some((low, high)) = other.extent() else {
            return true;
        };
        if !self.reach(low, high) {
            return false;
        }
        for (number, count) in other.pairs() {
            if let Some(ours) = self.counts.get_mut((number - self.base) as usize) {
                *ours += count;
            }
        }
        true
    }

    /// Numbers that came, with their counts, ascending.
    pub fn pairs(&self) -> impl Iterator<Item = (i64, u64)> {
        self.counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(at, count)| (self.base + at as i64, *count))
    }

    /// Appends it to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.word(self.base as u64);
        to.count(self.counts.len() as u64);
        self.counts.iter().for_each(|count| to.count(*count));
    }

    /// A kept one.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        let base = from.word()? as i64;
        let length = from.length(1)?;
        if length > WIDEST || base.checked_add(length as i64).is_none() {
            return Err(damaged());
        }
        let counts = (0..length).map(|_| from.count()).collect::<Result<_>>()?;
        Ok(Self { base, counts })
    }

    fn extent(&self) -> Option<(i64, i64)> {
        (!self.counts.is_empty()).then(|| (self.base, self.base + self.counts.len() as i64 - 1))
    }

    fn reach(&mut self, low: i64, high: i64) -> bool {
        let (from, until) = match self.extent() {
            Some((from, until)) if from <= low && until >= high => return true,
            Some((from, until)) => (from.min(low), until.max(high)),
            None => (low, high),
        };
        // near the ends of 64 bits the last number plus one would not be one
        if until == i64::MAX || until.abs_diff(from) >= WIDEST as u64 {
            return false;
        }
        let mut counts = vec![0; (until - from) as usize + 1];
        let shift = self.base.wrapping_sub(from) as usize;
        if !self.counts.is_empty() {
            counts[shift..shift + self.counts.len()].copy_from_slice(&self.counts);
        }
        (self.base, self.counts) = (from, counts);
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn what_lies_too_far_away_is_refused_whole() {
        let mut span = Span::default();
        assert!(span.add_all(&[5, -5, 5]));
        assert!(!span.add_all(&[6, 70_000]));
        assert!(!span.add_all(&[i64::MIN, i64::MAX]));
        assert!(!Span::default().add_all(&[i64::MAX]));
        assert!(Span::default().add_all(&[i64::MIN]));
        assert_eq!(span.pairs().collect::<Vec<_>>(), [(-5, 1), (5, 2)]);
    }

    proptest! {
        #[test]
        fn merged_is_whole(values in prop::collection::vec(-900i64..900, 0..300), at in 0.0f64..1.0) {
            let cut = (values.len() as f64 * at) as usize;
            let (mut a, mut b) = (Span::default(), Span::default());
            prop_assert!(a.add_all(&values[..cut]) && b.add_all(&values[cut..]) && a.merge(&b));
            let mut exact: BTreeMap<i64, u64> = BTreeMap::new();
            values.iter().for_each(|value| *exact.entry(*value).or_insert(0) += 1);
            let mut kept = Writer::default();
            a.write(&mut kept);
            let back = Span::read(&mut Reader::new(&kept.bytes)).unwrap();
            prop_assert_eq!(back.pairs().collect::<Vec<_>>(), exact.into_iter().collect::<Vec<_>>());
        }
    }
}
