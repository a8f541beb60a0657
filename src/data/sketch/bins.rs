//! A histogram whose bins grow with what they hold: 4,096 bins of one width, a power of two, at multiples of it. A number
//! beyond the last bin doubles the width (pairs of bins become one), so that one pass is enough and two histograms merge.
//! Seen through twenty wide bins, only what shares a narrow bin with an edge may be counted on its other side.

use super::bytes::{Reader, Writer, damaged};
use crate::data::Result;

const BINS: usize = 4_096;
/// Narrow bins are never finer than this share (a power of two) of the greatest number.
const FINEST: i32 = 50;
/// Widths from 2^-1000 on: their inverse is a number.
const LEAST: i32 = -1_000;
/// One and a half times 2^52: what a number below 2^51 is added to has the number's whole part in its lowest bits.
const ROUNDED: f64 = 6_755_399_441_055_744.0;

/// Of finite numbers.
#[derive(Clone, Debug, Default)]
pub struct Bins {
    /// The width is two to this.
    exponent: i32,
    /// Bin 0 begins at so many widths.
    first: i64,
    /// Empty before the first number.
    counts: Vec<u64>,
}

impl Bins {
    /// Takes finite numbers between `low` and `high` in.
    pub fn add_all(&mut self, numbers: &[f64], low: f64, high: f64) {
        if numbers.is_empty() {
            return;
        }
        self.reach(low, high);
        let (scale, first) = (power(-self.exponent), self.first);
        // Whole widths are exact in both the product and the difference, so what is cut off is the fraction.
        let counts = <&mut [u64; BINS]>::try_from(self.counts.as_mut_slice());
        if let Ok(counts) = counts
            && first.unsigned_abs() < 1 << 50
        {
            let first = first as f64;
            for x in numbers {
                let place = x * scale;
                // the nearest whole number, by the last bit that a sum this great can have; and the one below
                let near = (place + ROUNDED) - ROUNDED;
                let whole = near - if near > place { 1.0 } else { 0.0 };
                counts[(whole - first + ROUNDED).to_bits() as usize & (BINS - 1)] += 1;
            }
        } else {
            for x in numbers {
                let at = (x * scale).floor() as i64 - first;
                self.counts[at as usize & (BINS - 1)] += 1;
            }
        }
    }

    /// Takes a finite number in `times` times.
    pub fn add_times(&mut self, x: f64, times: u64) {
        self.reach(x, x);
        let at = place(x, self.exponent) - self.first;
        self.counts[at as usize & (BINS - 1)] += times;
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.is_empty() {
            return;
        }
        if self.counts.is_empty() {
            *self = other.clone();
            return;
        }
        let mut other = other.clone();
        let exponent = self.exponent.max(other.exponent);
        self.widen(exponent);
        other.widen(exponent);
        let ours = self.span();
        let theirs = other.span();
        self.make_room(ours.0.min(theirs.0), ours.1.max(theirs.1));
        other.widen(self.exponent);
        for (at, count) in other
            .counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            let place = other.first + at as i64 - self.first;
            self.counts[place as usize & (BINS - 1)] += count;
        }
    }

    /// Counts between the edges, which ascend from the least number to the greatest: within a narrow bin as if its numbers
    /// lay evenly.
    pub fn between(&self, edges: &[f64]) -> Vec<u64> {
        let total: u64 = self.counts.iter().sum();
        let width = power(self.exponent);
        let mut below = Vec::with_capacity(edges.len());
        let (mut at, mut sum) = (0, 0u64);
        for (number, edge) in edges.iter().enumerate() {
            if number == 0 {
                below.push(0);
                continue;
            }
            if number + 1 == edges.len() {
                below.push(total);
                continue;
            }
            let whole = place(*edge, self.exponent) - self.first;
            while at < BINS && (at as i64) < whole {
                sum += self.counts.get(at).copied().unwrap_or(0);
                at += 1;
            }
            let inside = self.counts.get(at).copied().unwrap_or(0);
            let share = (edge / width - (self.first + at as i64) as f64).clamp(0.0, 1.0);
            below.push(sum + (inside as f64 * share).round() as u64);
        }
        below
            .windows(2)
            .map(|pair| pair[1].saturating_sub(pair[0]))
            .collect()
    }

    /// Appends it to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.word(self.exponent as i64 as u64);
        to.word(self.first as u64);
        let (from, until) = match (
            self.counts.iter().position(|count| *count > 0),
            self.counts.iter().rposition(|count| *count > 0),
        ) {
            (Some(from), Some(last)) => (from, last + 1),
            _ => (0, 0),
        };
        to.count(from as u64);
        to.count((until - from) as u64);
        for count in self.counts.get(from..until).unwrap_or(&[]) {
            to.count(*count);
        }
    }

    /// A kept one.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        let (exponent, first) = (from.word()? as i64, from.word()? as i64);
        let begin = from.count()? as usize;
        let length = from.length(1)?;
        if !(i64::from(LEAST)..=1_024).contains(&exponent)
            || first.unsigned_abs() > 1 << 60
            || begin > BINS
            || begin + length > BINS
        {
            return Err(damaged());
        }
        let mut bins = Self {
            exponent: exponent as i32,
            first,
            counts: Vec::new(),
        };
        if length > 0 {
            bins.counts = vec![0; BINS];
            for at in begin..begin + length {
                bins.counts[at] = from.count()?;
            }
        }
        Ok(bins)
    }

    /// First and last bin with numbers, in widths from zero.
    fn span(&self) -> (i64, i64) {
        let from = self.counts.iter().position(|count| *count > 0).unwrap_or(0);
        let last = self
            .counts
            .iter()
            .rposition(|count| *count > 0)
            .unwrap_or(0);
        (self.first + from as i64, self.first + last as i64)
    }

    /// Makes both numbers lie in a bin.
    fn reach(&mut self, low: f64, high: f64) {
        let finest = (exponent_of(low.abs().max(high.abs())) - FINEST).max(LEAST);
        if self.counts.is_empty() {
            self.counts = vec![0; BINS];
            // half of the room for what is still to come
            self.exponent = (exponent_of(high / 2.0 - low / 2.0) + 1 - 10).max(finest);
            while place(high, self.exponent) - place(low, self.exponent) >= (BINS / 2) as i64 {
                self.exponent += 1;
            }
            let middle = (place(low, self.exponent) + place(high, self.exponent)).div_euclid(2);
            self.first = middle - (BINS / 2) as i64;
            return;
        }
        if self.exponent < finest {
            self.widen(finest);
        }
        let (from, until) = (place(low, self.exponent), place(high, self.exponent));
        if from >= self.first && until < self.first + BINS as i64 {
            return;
        }
        let held = self.span();
        loop {
            let (from, until) = (place(low, self.exponent), place(high, self.exponent));
            let held = if self.counts.iter().any(|count| *count > 0) {
                self.span()
            } else {
                held
            };
            if from.min(held.0) + (BINS as i64) > until.max(held.1) {
                self.make_room(from.min(held.0), until.max(held.1));
                return;
            }
            self.widen(self.exponent + 1);
        }
    }

    /// Moves the bins so that those from `from` to `last` are among them; widens them where there are too many.
    fn make_room(&mut self, mut from: i64, mut last: i64) {
        while last - from >= BINS as i64 {
            self.widen(self.exponent + 1);
            from = from.div_euclid(2);
            last = last.div_euclid(2);
        }
        if from >= self.first && last < self.first + BINS as i64 {
            return;
        }
        // what grows upwards will go on to; the room is left where it is needed
        let first = if from < self.first {
            last + 1 - BINS as i64
        } else {
            from
        };
        let mut counts = vec![0; BINS];
        for (at, count) in self
            .counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
        {
            counts[(self.first + at as i64 - first) as usize & (BINS - 1)] += count;
        }
        (self.first, self.counts) = (first, counts);
    }

    fn widen(&mut self, exponent: i32) {
        while self.exponent < exponent {
            let first = self.first.div_euclid(2);
            let mut counts = vec![0; BINS];
            for (at, count) in self
                .counts
                .iter()
                .enumerate()
                .filter(|(_, count)| **count > 0)
            {
                let place = (self.first + at as i64).div_euclid(2) - first;
                counts[place as usize & (BINS - 1)] += count;
            }
            (self.first, self.counts) = (first, counts);
            self.exponent += 1;
        }
    }
}

/// How many whole widths of two to the `exponent` lie below `x`.
fn place(x: f64, exponent: i32) -> i64 {
    (x * power(-exponent)).floor() as i64
}

/// Two to the `exponent`, between -1022 and 1023.
fn power(exponent: i32) -> f64 {
    f64::from_bits(((exponent.clamp(-1_022, 1_023) + 1_023) as u64) << 52)
}

/// The least e so that |x| < 2^(e + 1); that of zero and of denormal numbers is -1023.
fn exponent_of(x: f64) -> i32 {
    ((x.to_bits() >> 52) & 0x7FF) as i32 - 1_023
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: &[f64]) -> Bins {
        let mut bins = Bins::default();
        for part in numbers.chunks(97) {
            let low = part.iter().copied().fold(f64::INFINITY, f64::min);
            let high = part.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            bins.add_all(part, low, high);
        }
        bins
    }

    fn edges(low: f64, high: f64) -> Vec<f64> {
        (0..=20)
            .map(|i| low + (high - low) * f64::from(i) / 20.0)
            .collect()
    }

    #[test]
    fn wild_numbers_are_all_counted() {
        for numbers in [
            vec![0.0],
            vec![5e-324, -5e-324, 0.0],
            vec![-1.7e308, 1.7e308, 0.0, 1.0],
            vec![1e9, 1e9 + 1e-6, 1e9 - 1e-6],
            vec![1e15 + 1.0, 1e15 + 3.0, -4.0],
            vec![1e-300, 1e300],
            (0..5_000).map(|i| f64::from(i) * 1e12).collect(),
            (0..5_000).map(|i| -f64::from(i) * 1e-12).collect(),
        ] {
            let bins = of(&numbers);
            assert_eq!(
                bins.counts.iter().sum::<u64>(),
                numbers.len() as u64,
                "{numbers:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn wide_bins_are_right_but_for_what_lies_at_an_edge(
            numbers in prop::collection::vec(-1e3f64..1e4, 2..800),
            at in 0.0f64..1.0,
        ) {
            let cut = (numbers.len() as f64 * at) as usize;
            let low = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let high = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mut merged = of(&numbers[cut..]);
            merged.merge(&of(&numbers[..cut]));
            let mut kept = Writer::default();
            merged.write(&mut kept);
            let merged = Bins::read(&mut Reader::new(&kept.bytes)).unwrap();
            let edges = edges(low, high);
            let near = 2.0 * (high - low) / 1_000.0;
            for counts in [of(&numbers).between(&edges), merged.between(&edges)] {
                prop_assert_eq!(counts.iter().sum::<u64>(), numbers.len() as u64);
                for (bin, count) in counts.iter().enumerate() {
                    let inside = |x: &f64, slack: f64| {
                        *x >= edges[bin] - slack && *x < edges[bin + 1] + slack
                            || bin == 19 && *x == high
                    };
                    let least = numbers.iter().filter(|x| inside(x, -near)).count() as u64;
                    let most = numbers.iter().filter(|x| inside(x, near)).count() as u64;
                    prop_assert!(*count + 1 >= least && *count <= most + 1, "{} {} {}", least, count, most);
                }
            }
        }
    }
}
