//! Quantiles of a stream: the KLL sketch (Karnin, Lang and Liberty 2016).
//!
//! Level l holds numbers that each stand for 2^l; a full level is sorted and every second number moves
//! up. Exact (and interpolated as NumPy does) while at most `k` numbers were taken in; beyond, the rank
//! of an answer is off by less than about 3 / k of all numbers (the tests hold it to that). The coin
//! that picks odd or even is deterministic: the same numbers in the same order give the same sketch.

/// Share of a level's room that the level below it has.
const SHRINK: f64 = 2.0 / 3.0;

/// A level never has less room than this.
const LEAST_ROOM: usize = 8;

/// Of finite numbers.
#[derive(Clone, Debug)]
pub struct Quantiles {
    k: usize,
    count: u64,
    levels: Vec<Vec<f64>>,
    coin: u64,
}

impl Quantiles {
    /// A sketch that is exact up to `k` numbers (at least 16).
    pub fn new(k: usize) -> Self {
        Self {
            k: k.max(16),
            count: 0,
            levels: vec![Vec::new()],
            coin: 0x9E37_79B9_7F4A_7C15,
        }
    }

    /// Numbers taken in.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Takes a finite number in.
    pub fn add(&mut self, x: f64) {
        self.levels[0].push(x);
        self.count += 1;
        if self.levels[0].len() >= self.room(0) {
            self.compact();
        }
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: &Self) {
        for (level, numbers) in other.levels.iter().enumerate() {
            if level == self.levels.len() {
                self.levels.push(Vec::new());
            }
            self.levels[level].extend_from_slice(numbers);
        }
        self.count += other.count;
        self.compact();
    }

    /// The value at `q` between 0 and 1; none without numbers.
    pub fn quantile(&self, q: f64) -> Option<f64> {
        self.quantiles(&[q]).into_iter().next()
    }

    /// The values at each of `shares`; empty without numbers.
    pub fn quantiles(&self, shares: &[f64]) -> Vec<f64> {
        let mut weighted: Vec<(f64, u64)> = self
            .levels
            .iter()
            .enumerate()
            .flat_map(|(level, numbers)| numbers.iter().map(move |x| (*x, 1u64 << level)))
            .collect();
        weighted.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let total: u64 = weighted.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            return Vec::new();
        }
        // The number at a rank from 0, and between ranks the line between neighbours.
        let mut until = Vec::with_capacity(weighted.len());
        let mut sum = 0;
        for (_, weight) in &weighted {
            sum += weight;
            until.push(sum);
        }
        let at = |rank: u64| {
            let place = until.partition_point(|until| *until <= rank);
            weighted[place.min(weighted.len() - 1)].0
        };
        shares
            .iter()
            .map(|q| {
                let rank = q.clamp(0.0, 1.0) * (total - 1) as f64;
                let low = rank.floor();
                let (below, above) = (at(low as u64), at((low as u64 + 1).min(total - 1)));
                below + (rank - low) * (above - below)
            })
            .collect()
    }

    /// Room of a level: the top one has k, each below two thirds of the one above. A lone bottom level
    /// has all of k.
    fn room(&self, level: usize) -> usize {
        let below_top = (self.levels.len() - 1 - level) as i32;
        ((self.k as f64 * SHRINK.powi(below_top)) as usize).max(LEAST_ROOM) + 1
    }

    fn compact(&mut self) {
        let mut level = 0;
        while level < self.levels.len() {
            if self.levels[level].len() < self.room(level) {
                level += 1;
                continue;
            }
            if level + 1 == self.levels.len() {
                self.levels.push(Vec::new());
            }
            let mut numbers = std::mem::take(&mut self.levels[level]);
            numbers.sort_unstable_by(f64::total_cmp);
            // An odd one out stays, so that weights add up.
            let stays = (!numbers.len().is_multiple_of(2))
                .then(|| numbers.pop())
                .flatten();
            let odd = usize::from(self.toss());
            self.levels[level + 1].extend(numbers.iter().skip(odd).step_by(2));
            self.levels[level].extend(stays);
            level += 1;
        }
    }

    /// Xorshift (Marsaglia 2003).
    fn toss(&mut self) -> bool {
        self.coin ^= self.coin << 13;
        self.coin ^= self.coin >> 7;
        self.coin ^= self.coin << 17;
        self.coin & 1 == 1
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    /// Numbers 0 to n - 1, shuffled by a multiplier prime to n; a value is its own rank.
    fn ranks(n: u64) -> impl Iterator<Item = f64> {
        (0..n).map(move |i| ((i * 7_919) % n) as f64)
    }

    fn worst_error(sketch: &Quantiles, n: u64) -> f64 {
        (0..=100)
            .map(|i| {
                let q = f64::from(i) / 100.0;
                (sketch.quantile(q).unwrap() - q * (n - 1) as f64).abs() / n as f64
            })
            .fold(0.0, f64::max)
    }

    #[test]
    fn exact_while_small() {
        let mut sketch = Quantiles::new(64);
        for x in [1.0, 2.0, 4.0, 8.0] {
            sketch.add(x);
        }
        // numpy.quantile([1, 2, 4, 8], …)
        assert_eq!(
            sketch.quantiles(&[0.0, 0.5, 0.75, 1.0]),
            [1.0, 3.0, 5.0, 8.0]
        );
        assert_eq!(Quantiles::new(64).quantile(0.5), None);
    }

    #[test]
    fn error_is_within_what_is_stated() {
        for (k, n) in [(200, 100_000), (1_000, 100_000)] {
            let mut sketch = Quantiles::new(k);
            ranks(n).for_each(|x| sketch.add(x));
            let weights: u64 = sketch
                .levels
                .iter()
                .enumerate()
                .map(|(level, numbers)| (numbers.len() as u64) << level)
                .sum();
            assert_eq!(weights, n);
            let error = worst_error(&sketch, n);
            assert!(error < 3.0 / k as f64, "k {k}: {error}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn merged_is_whole_within_error(parts in 2u64..7, n in 3_000u64..9_000) {
            prop_assume!(n % 7_919 != 0);
            let values: Vec<f64> = ranks(n).collect();
            let mut merged = Quantiles::new(200);
            for part in values.chunks((n / parts) as usize) {
                let mut sketch = Quantiles::new(200);
                part.iter().for_each(|x| sketch.add(*x));
                merged.merge(&sketch);
            }
            prop_assert_eq!(merged.count(), n);
            prop_assert!(worst_error(&merged, n) < 4.0 / 200.0);
        }
    }
}
