//! Two columns of numbers beside each other: means, spreads, and how they move together, over the rows where both are
//! known; mergeable. Pébay (2008), as for moments: what is merged equals what is taken in at once, up to rounding.

use super::bytes::{Reader, Writer};
use crate::data::Result;

/// Sums that run beside each other, so that the processor adds several numbers at once.
const LANES: usize = 8;

/// Of rows where both columns have a finite number.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CoMoments {
    /// Rows.
    pub count: u64,
    mean: (f64, f64),
    second: (f64, f64),
    mixed: f64,
}

/// Some rows of one column.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    /// How far each number is from their mean; 0 where there is none.
    pub deviations: &'a [f64],
    /// The rows where there is none, from 0, ascending.
    pub gaps: &'a [u32],
    /// Numbers.
    pub count: u64,
    /// Their mean.
    pub mean: f64,
    /// The sum of the squares of the deviations.
    pub second: f64,
}

impl Part<'_> {
    /// The sum of the deviations, and of their squares, but for those at `gaps`.
    fn without(&self, gaps: &[u32]) -> (f64, f64) {
        let (mut sum, mut squares) = (0.0, 0.0);
        for gap in gaps {
            let x = self.deviations[*gap as usize];
            sum += x;
            squares += x * x;
        }
        (-sum, self.second - squares)
    }
}

impl CoMoments {
    /// Of the same rows of two columns.
    pub fn of(a: &Part<'_>, b: &Part<'_>) -> Self {
        let mixed = dot(a.deviations, b.deviations);
        if a.gaps.is_empty() && b.gaps.is_empty() {
            return Self {
                count: a.count,
                mean: (a.mean, b.mean),
                second: (a.second, b.second),
                mixed,
            };
        }
        // the deviations of a part add up to 0: what lies in the other's gaps is taken off
        let count = a.deviations.len() + common(a.gaps, b.gaps) - a.gaps.len() - b.gaps.len();
        let n = count as f64;
        let ((sum_a, rest_a), (sum_b, rest_b)) = (a.without(b.gaps), b.without(a.gaps));
        let second = (rest_a - sum_a * sum_a / n, rest_b - sum_b * sum_b / n);
        // little is left where what lies in gaps is far out: then digits were lost
        let lost = |part: &Part<'_>, left: f64| left < 1e-6 * part.second;
        if count == 0 || lost(a, second.0) || lost(b, second.1) {
            return Self::row_by_row(a, b);
        }
        Self {
            count: count as u64,
            mean: (a.mean + sum_a / n, b.mean + sum_b / n),
            second: (second.0.max(0.0), second.1.max(0.0)),
            mixed: mixed - sum_a * sum_b / n,
        }
    }

    fn row_by_row(a: &Part<'_>, b: &Part<'_>) -> Self {
        let mut all = Self::default();
        let (mut of_a, mut of_b) = (a.gaps.iter().peekable(), b.gaps.iter().peekable());
        for (row, (x, y)) in (0u32..).zip(a.deviations.iter().zip(b.deviations)) {
            let in_a = of_a.next_if(|gap| **gap == row).is_some();
            let in_b = of_b.next_if(|gap| **gap == row).is_some();
            if !in_a && !in_b {
                all.merge(&Self {
                    count: 1,
                    mean: (a.mean + x, b.mean + y),
                    ..Self::default()
                });
            }
        }
        all
    }

    /// The columns the other way round.
    pub fn swapped(self) -> Self {
        Self {
            mean: (self.mean.1, self.mean.0),
            second: (self.second.1, self.second.0),
            ..self
        }
    }

    /// As if each row had come `times` times.
    pub fn times(self, times: u64) -> Self {
        let by = times as f64;
        Self {
            count: self.count * times,
            mean: self.mean,
            second: (self.second.0 * by, self.second.1 * by),
            mixed: self.mixed * by,
        }
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
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let n = ours + theirs;
        let (a, b) = (other.mean.0 - self.mean.0, other.mean.1 - self.mean.1);
        let both = ours * theirs / n;
        self.second.0 += other.second.0 + a * a * both;
        self.second.1 += other.second.1 + b * b * both;
        self.mixed += other.mixed + a * b * both;
        self.mean.0 += a * theirs / n;
        self.mean.1 += b * theirs / n;
        self.count += other.count;
    }

    /// Pearson's r; none for fewer than three rows, and where a column varies, over these rows, by no more than a
    /// millionth of its deviation over all (`stds`): that is rounding.
    pub fn pearson(&self, stds: (f64, f64)) -> Option<f64> {
        let varies = |second: f64, std: f64| second > 1e-12 * std * std;
        (self.count >= 3 && varies(self.second.0, stds.0) && varies(self.second.1, stds.1))
            .then(|| self.mixed / (self.second.0.sqrt() * self.second.1.sqrt()))
            .filter(|r| r.is_finite())
            .map(|r| r.clamp(-1.0, 1.0))
    }

    /// Appends them to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.count(self.count);
        let (means, seconds) = (self.mean, self.second);
        for number in [means.0, seconds.0, means.1, seconds.1, self.mixed] {
            to.number(number);
        }
    }

    /// Kept ones.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        let count = from.count()?;
        let (mean_a, second_a) = (from.number()?, from.number()?);
        let (mean_b, second_b) = (from.number()?, from.number()?);
        Ok(Self {
            count,
            mean: (mean_a, mean_b),
            second: (second_a, second_b),
            mixed: from.number()?,
        })
    }
}

/// The sum of all products.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest = a.remainder().iter().zip(b.remainder());
    let rest: f64 = rest.map(|(x, y)| x * y).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.into_iter().sum::<f64>() + rest
}

/// How many are in both lists, which ascend.
fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut a, mut count) = (a.iter().peekable(), 0);
    for gap in b {
        while a.next_if(|other| *other < gap).is_some() {}
        count += usize::from(a.peek() == Some(&gap));
    }
    count
}
