//! Count, extremes, mean, variance and skewness in one pass, mergeable.
//! Pébay (2008), "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
//! statistical moments": what is merged equals what is taken in at once, up to rounding.

use super::bytes::{Reader, Writer};
use crate::data::Result;

/// Sums that run beside each other, so that the processor adds several numbers at once.
const LANES: usize = 8;

/// Of finite numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Moments {
    /// Numbers seen.
    pub count: u64,
    /// Smallest; infinity when none.
    pub min: f64,
    /// Greatest; minus infinity when none.
    pub max: f64,
    mean: f64,
    second: f64,
    third: f64,
}

impl Default for Moments {
    fn default() -> Self {
        Self {
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            mean: 0.0,
            second: 0.0,
            third: 0.0,
        }
    }
}

impl Moments {
    /// Takes a finite number in.
    pub fn add(&mut self, x: f64) {
        let before = self.count as f64;
        self.count += 1;
        let n = self.count as f64;
        self.min = self.min.min(x);
        self.max = self.max.max(x);
        let delta = x - self.mean;
        let step = delta / n;
        let term = delta * step * before;
        self.mean += step;
        self.third += term * step * (n - 2.0) - 3.0 * step * self.second;
        self.second += term;
    }

    /// Takes finite numbers in: the moments of the block about its own mean, then merged. A few thousand at a time stay in
    /// the processor's cache for the second look.
    pub fn add_all(&mut self, numbers: &[f64]) {
        if numbers.is_empty() {
            return;
        }
        let n = numbers.len() as f64;
        let (mut low, mut high) = ([f64::INFINITY; LANES], [f64::NEG_INFINITY; LANES]);
        // about the first number: sums of great numbers that differ little keep their digits
        let mut origin = numbers[0];
        let mut sums = [0.0; LANES];
        let blocks = numbers.chunks_exact(LANES);
        let rest = blocks.remainder();
        for block in blocks {
            for (lane, x) in block.iter().copied().enumerate() {
                // comparisons, not `min`: these need no look at NaN
                low[lane] = if x < low[lane] { x } else { low[lane] };
                high[lane] = if x > high[lane] { x } else { high[lane] };
                sums[lane] += x - origin;
            }
        }
        let mut min = low.into_iter().fold(f64::INFINITY, f64::min);
        let mut max = high.into_iter().fold(f64::NEG_INFINITY, f64::max);
        let mut sum: f64 = sums.into_iter().sum();
        for x in rest {
            min = min.min(*x);
            max = max.max(*x);
            sum += x - origin;
        }
        let mut mean = sum / n;
        if !mean.is_finite() {
            // the sum of great numbers left the range: parts of them do not
            origin = 0.0;
            mean = numbers.iter().map(|x| x / n).sum();
        }
        let (mut squares, mut cubes) = ([0.0; LANES], [0.0; LANES]);
        for block in numbers.chunks_exact(LANES) {
            for (lane, x) in block.iter().enumerate() {
                let delta = x - origin - mean;
                let square = delta * delta;
                squares[lane] += square;
                cubes[lane] += square * delta;
            }
        }
        let (mut second, mut third): (f64, f64) =
            (squares.into_iter().sum(), cubes.into_iter().sum());
        for x in rest {
            let delta = x - origin - mean;
            second += delta * delta;
            third += delta * delta * delta;
        }
        self.merge(&Self {
            count: numbers.len() as u64,
            min,
            max,
            mean: origin + mean,
            second,
            third,
        });
    }

    /// Of numbers that each came so often, ascending: about their mean, so that nothing is lost.
    pub fn of_counts(pairs: &[(f64, u64)]) -> Self {
        let (Some((min, _)), Some((max, _))) = (pairs.first(), pairs.last()) else {
            return Self::default();
        };
        let count: u64 = pairs.iter().map(|(_, count)| count).sum();
        let n = count as f64;
        let sum: f64 = pairs
            .iter()
            .map(|(x, count)| (x - min) * *count as f64)
            .sum();
        let (origin, mean) = if (sum / n).is_finite() {
            (*min, sum / n)
        } else {
            let mean: f64 = pairs.iter().map(|(x, count)| x * (*count as f64 / n)).sum();
            (0.0, mean)
        };
        let (mut second, mut third) = (0.0, 0.0);
        for (x, count) in pairs {
            let delta = x - origin - mean;
            second += delta * delta * *count as f64;
            third += delta * delta * delta * *count as f64;
        }
        Self {
            count,
            min: *min,
            max: *max,
            mean: origin + mean,
            second,
            third,
        }
    }

    /// Takes a finite number in `times` times.
    pub fn add_times(&mut self, x: f64, times: u64) {
        if times > 0 {
            self.merge(&Self {
                count: times,
                min: x,
                max: x,
                mean: x,
                second: 0.0,
                third: 0.0,
            });
        }
    }

    /// Appends them to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.count(self.count);
        for number in [self.min, self.max, self.mean, self.second, self.third] {
            to.number(number);
        }
    }

    /// Kept ones.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            count: from.count()?,
            min: from.number()?,
            max: from.number()?,
            mean: from.number()?,
            second: from.number()?,
            third: from.number()?,
        })
    }

    /// Takes all of `other` in.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = *other;
            return;
        }
        let (a, b) = (self.count as f64, other.count as f64);
        let n = a + b;
        let delta = other.mean - self.mean;
        self.third += other.third
            + delta.powi(3) * a * b * (a - b) / (n * n)
            + 3.0 * delta * (a * other.second - b * self.second) / n;
        self.second += other.second + delta * delta * a * b / n;
        self.mean += delta * b / n;
        self.count += other.count;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// The mean; none without numbers.
    pub fn mean(&self) -> Option<f64> {
        (self.count > 0).then_some(self.mean)
    }

    /// Standard deviation (ddof 1); none for fewer than two numbers.
    pub fn std(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.second.max(0.0) / (self.count - 1) as f64).sqrt())
    }

    /// Skewness without bias correction (`scipy.stats.skew`); none where nothing varies.
    pub fn skewness(&self) -> Option<f64> {
        let n = self.count as f64;
        (self.second > 0.0).then(|| n.sqrt() * self.third / self.second.powf(1.5))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[f64]) -> Moments {
        let mut moments = Moments::default();
        values.iter().for_each(|x| moments.add(*x));
        moments
    }

    #[test]
    fn agrees_with_numpy_and_scipy() {
        // numpy.std(ddof=1) and scipy.stats.skew of these seven numbers.
        let moments = of(&[1.0, 2.0, 2.0, 3.0, 9.0, -4.0, 0.5]);
        assert!((moments.mean().unwrap() - 1.928_571_428_571_428_4).abs() < 1e-14);
        assert!((moments.std().unwrap() - 3.856_040_406_822_472_7).abs() < 1e-12);
        assert!((moments.skewness().unwrap() - 0.448_185_715_279_417_2).abs() < 1e-12);
        assert_eq!((moments.min, moments.max), (-4.0, 9.0));
    }

    proptest! {
        #[test]
        fn merged_is_whole(values in prop::collection::vec(-1e3f64..1e3, 3..200), at in 0.0f64..1.0) {
            let cut = (values.len() as f64 * at) as usize;
            let mut merged = of(&values[..cut]);
            merged.merge(&of(&values[cut..]));
            let whole = of(&values);
            let mut at_once = Moments::default();
            at_once.add_all(&values);
            prop_assert_eq!((at_once.count, at_once.min, at_once.max), (whole.count, whole.min, whole.max));
            prop_assert!((at_once.std().unwrap() - whole.std().unwrap()).abs() < 1e-7);
            let mut kept = Writer::default();
            merged.write(&mut kept);
            prop_assert_eq!(Moments::read(&mut Reader::new(&kept.bytes)).unwrap(), merged);
            prop_assert_eq!(merged.count, whole.count);
            prop_assert!((merged.mean().unwrap() - whole.mean().unwrap()).abs() < 1e-9);
            prop_assert!((merged.std().unwrap() - whole.std().unwrap()).abs() < 1e-7);
            prop_assert!((merged.third - whole.third).abs() <= 1e-6 * (1.0 + whole.second.powf(1.5)));
        }
    }
}
