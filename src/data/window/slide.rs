//! A window that moves over one entity's events: where it begins and ends for each row, and what a set of events that
//! only loses its oldest and gains newer ones comes to. Knows numbers, no columns.
//!
//! Numbers are binary fractions, so an entity's values are nearly always small multiples of one unit, and their running
//! sums are exact in 128 bits ([`exact`]): a window's sum is then the difference of two of them, rounded once. Where they
//! are not, and for all that has no difference, what is in the window is kept as two halves that are merged (the queue of
//! two stacks), and sums carry what rounding took (Møller and Knuth's two-sum). Either way a value that has left leaves no
//! rounding behind, whatever its size. Moments merge as in Chan, Golub and LeVeque (1979).

/// How many of the instants `at` (ascending) are not after each of `asked` (ascending), into `ends`.
pub(super) fn ends(at: &[i64], asked: &[i64], ends: &mut Vec<u32>) {
    ends.clear();
    let mut end = 0;
    ends.extend(asked.iter().map(|row| {
        while end < at.len() && at[end] <= *row {
            end += 1;
        }
        end as u32
    }));
}

/// How many of the instants `at` are not after each of `asked` less `length`, into `begins`: there a window begins.
pub(super) fn begins(at: &[i64], asked: &[i64], length: i64, begins: &mut Vec<u32>) {
    begins.clear();
    let mut begin = 0;
    begins.extend(asked.iter().map(|row| {
        let after = row.saturating_sub(length);
        while begin < at.len() && at[begin] <= after {
            begin += 1;
        }
        begin as u32
    }));
}

/// Calls `put` with each row whose window has events and what they come to. Windows are `begins[row]..ends[row]` of
/// `values`, both ascending; `of`: one event; `merge`: earlier and later ones together.
pub(super) fn slide<T: Copy, S: Copy>(
    values: &[T],
    begins: &[u32],
    ends: &[u32],
    of: impl Fn(T) -> S,
    merge: impl Fn(S, S) -> S,
    mut put: impl FnMut(usize, S),
) {
    // The window is [low, high): its older half is [low, middle), `older` has each of its places to `middle`, first
    // place last; its younger half is in `younger`.
    let mut older: Vec<S> = Vec::new();
    let mut younger: Option<S> = None;
    let (mut middle, mut taken) = (0, 0);
    for (row, (low, high)) in begins.iter().zip(ends).enumerate() {
        let (low, high) = (*low as usize, *high as usize);
        if low == high {
            continue;
        }
        if low >= middle {
            older.clear();
            let mut places = values[low..high].iter().rev();
            if let Some(last) = places.next() {
                let mut so_far = of(*last);
                older.push(so_far);
                for value in places {
                    so_far = merge(of(*value), so_far);
                    older.push(so_far);
                }
            }
            (middle, taken, younger) = (high, high, None);
        } else {
            for value in &values[taken..high] {
                let one = of(*value);
                younger = Some(younger.map_or(one, |so_far| merge(so_far, one)));
            }
            taken = high;
        }
        let half = older[middle - 1 - low];
        put(row, younger.map_or(half, |younger| merge(half, younger)));
    }
}

/// The sums of the first values, none first, in the unit that is the answer; none when 128 bits do not hold them (or a
/// value is infinite).
pub(super) fn exact(values: &[f64], sums: &mut Vec<i128>) -> Option<f64> {
    // Each value is a whole number of less than 2^(high - low) units of 2^low.
    let (mut low, mut high) = (i32::MAX, i32::MIN);
    for value in values.iter().filter(|value| **value != 0.0) {
        let (mantissa, exponent) = parts(*value)?;
        low = low.min(exponent + mantissa.trailing_zeros() as i32);
        high = high.max(exponent + 53);
    }
    if low > high {
        (low, high) = (0, 0);
    }
    let carry = usize::BITS - values.len().leading_zeros();
    if high - low + carry as i32 > 126 {
        return None;
    }
    sums.clear();
    sums.reserve(values.len() + 1);
    sums.push(0);
    let mut sum = 0_i128;
    for value in values {
        let (mantissa, exponent) = parts(*value)?;
        let whole = match exponent - low {
            _ if mantissa == 0 => 0,
            shift if shift < 0 => i128::from(mantissa >> -shift),
            shift => i128::from(mantissa) << shift,
        };
        sum += if value.is_sign_negative() {
            -whole
        } else {
            whole
        };
        sums.push(sum);
    }
    // 2^low, also where it is too small to be normal
    Some(f64::from_bits(match low {
        -1022.. => ((low + 1023) as u64) << 52,
        _ => 1 << (low + 1074),
    }))
}

/// The mantissa and the exponent of its last bit; none of what is not finite.
fn parts(value: f64) -> Option<(u64, i32)> {
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i32 & 0x7FF;
    let fraction = bits & ((1 << 52) - 1);
    match exponent {
        0x7FF => None,
        0 => Some((fraction, -1074)),
        _ => Some((fraction | 1 << 52, exponent - 1075)),
    }
}

/// A sum and what rounding took from it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sum {
    sum: f64,
    rest: f64,
}

impl Sum {
    #[inline]
    pub(super) fn of(value: f64) -> Self {
        Self {
            sum: value,
            rest: 0.0,
        }
    }

    #[inline]
    pub(super) fn merge(self, later: Self) -> Self {
        let sum = self.sum + later.sum;
        let other = sum - self.sum;
        let lost = (self.sum - (sum - other)) + (later.sum - other);
        Self {
            sum,
            rest: self.rest + later.rest + lost,
        }
    }

    #[inline]
    pub(super) fn total(self) -> f64 {
        if self.sum.is_finite() {
            self.sum + self.rest
        } else {
            self.sum
        }
    }
}

/// Mean and squared deviations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    pub(super) fn of(value: f64) -> Self {
        Self {
            count: 1.0,
            mean: value,
            squares: 0.0,
        }
    }

    pub(super) fn merge(self, later: Self) -> Self {
        let count = self.count + later.count;
        let delta = later.mean - self.mean;
        Self {
            count,
            mean: self.mean + delta * (later.count / count),
            squares: self.squares
                + later.squares
                + delta * delta * (self.count * later.count / count),
        }
    }

    /// The standard deviation, ddof 1; none of one value.
    pub(super) fn std(self) -> Option<f64> {
        (self.count > 1.0).then(|| (self.squares / (self.count - 1.0)).sqrt())
    }
}

/// Different values in the window.
#[derive(Debug, Default)]
pub(super) struct Different {
    /// How often each value is in the window.
    times: Vec<u32>,
}

impl Different {
    /// For values numbered below `count`.
    pub(super) fn of(count: usize) -> Self {
        Self {
            times: vec![0; count],
        }
    }

    /// Calls `put` with each row and how many different `codes` are in its window.
    pub(super) fn slide(
        &mut self,
        codes: &[u32],
        begins: &[u32],
        ends: &[u32],
        mut put: impl FnMut(usize, u32),
    ) {
        let (mut low, mut high, mut different) = (0, 0, 0);
        for (row, (begin, end)) in begins.iter().zip(ends).enumerate() {
            for code in &codes[high..*end as usize] {
                let times = &mut self.times[*code as usize];
                different += u32::from(*times == 0);
                *times += 1;
            }
            high = *end as usize;
            for code in &codes[low..*begin as usize] {
                let times = &mut self.times[*code as usize];
                *times -= 1;
                different -= u32::from(*times == 0);
            }
            low = *begin as usize;
            put(row, different);
        }
        for code in &codes[low..high] {
            self.times[*code as usize] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sums_are_exact_whatever_the_scale() {
        let mut sums = Vec::new();
        let unit = exact(&[0.1, -0.1, 3.0, 0.0, -0.0], &mut sums).unwrap();
        assert_eq!(sums.len(), 6);
        assert_eq!(sums[2], 0);
        assert_eq!((sums[5] - sums[2]) as f64 * unit, 3.0);
        let tiny = f64::from_bits(1);
        let unit = exact(&[tiny, tiny], &mut sums).unwrap();
        assert_eq!((sums[2] - sums[1]) as f64 * unit, tiny);
        assert_eq!(exact(&[1e300, 1e-300], &mut sums), None);
        assert_eq!(exact(&[f64::INFINITY], &mut sums), None);
        assert!(exact(&[], &mut sums).is_some() && sums == [0]);
    }

    proptest! {
        #[test]
        fn differences_of_sums_are_the_values(values in prop::collection::vec(-1e6_f64..1e6, 0..50)) {
            let mut sums = Vec::new();
            let unit = exact(&values, &mut sums).unwrap();
            for (at, value) in values.iter().enumerate() {
                prop_assert_eq!((sums[at + 1] - sums[at]) as f64 * unit, *value);
            }
        }
    }
}
