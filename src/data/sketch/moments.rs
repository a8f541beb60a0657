//! Count, extremes, mean, variance and skewness in one pass, mergeable.
//! Pébay (2008), "Formulas for robust, one-pass parallel computation of covariances and arbitrary-order
//! statistical moments": what is merged equals what is taken in at once, up to rounding.

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
            prop_assert_eq!(merged.count, whole.count);
            prop_assert!((merged.mean().unwrap() - whole.mean().unwrap()).abs() < 1e-9);
            prop_assert!((merged.std().unwrap() - whole.std().unwrap()).abs() < 1e-7);
            prop_assert!((merged.third - whole.third).abs() <= 1e-6 * (1.0 + whole.second.powf(1.5)));
        }
    }
}
