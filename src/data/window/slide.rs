//! A window that moves over one entity's events: where it begins and ends for each row, and what a set of events that
//! only loses its oldest and gains newer ones comes to. Knows numbers, no columns.
//!
//! Sums of numbers are never subtracted: what is in the window is kept as two halves that are merged (the queue of two
//! stacks), so a value that has left leaves no rounding behind, whatever its size. Sums carry what rounding took
//! (Møller and Knuth's two-sum); moments merge as in Chan, Golub and LeVeque (1979).

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
