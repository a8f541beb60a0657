//! The numbers of a column. Three ways to hold them, each used while it can be: a counter for every whole number of a
//! narrow span, a count for each of a few thousand different numbers (both exact in everything), and sketches.

use crate::data::Result;
use crate::data::sketch::bytes::{Reader, Writer, damaged};
use crate::data::sketch::counter::most;
use crate::data::sketch::distinct::{hash_integer, hash_number};
use crate::data::sketch::quantiles::at_shares;
use crate::data::sketch::{Bins, Counter, Distinct, Moments, Quantiles, Span};
use crate::domain::profile::Histogram;

/// Different numbers that are counted one by one.
const FEW: usize = 4_096;
/// Counters for the most frequent of more.
const FREQUENT: usize = 1_024;
/// Numbers that are all offered to those counters; of later ones, one in [`STRIDE`].
const OFFERED: u64 = 131_072;
/// See [`OFFERED`]; a power of two.
const STRIDE: usize = 16;
/// Bins of a histogram.
const BINS: usize = 20;

/// Whole numbers beyond these are not told from their neighbours as floating point.
const WIDE: i64 = 1 << 53;

/// Finite numbers, in the order of the rows.
#[derive(Clone, Debug)]
pub struct Numbers {
    held: Held,
    /// Every number followed a smaller one.
    ascending: bool,
    first: f64,
    last: f64,
}

#[derive(Clone, Debug)]
enum Held {
    Span(Span),
    Few(Counter),
    Many(Box<Many>),
}

/// Sketches of many different numbers.
#[derive(Clone, Debug)]
struct Many {
    moments: Moments,
    bins: Bins,
    distinct: Distinct,
    quantiles: Quantiles,
    frequent: Counter,
    dice: u64,
}

/// What the numbers look like.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Numbers.
    pub count: u64,
    /// Different ones.
    pub distinct: u64,
    /// The smallest and the greatest.
    pub extent: Option<(f64, f64)>,
    /// Mean.
    pub mean: Option<f64>,
    /// Standard deviation (ddof 1).
    pub std: Option<f64>,
    /// Skewness without bias correction.
    pub skewness: Option<f64>,
    /// At the shares asked for.
    pub quantiles: Vec<f64>,
    /// Twenty equal bins.
    pub histogram: Histogram,
    /// Most frequent first.
    pub top: Vec<(f64, u64)>,
    /// Everything here was counted.
    pub exact: bool,
}

impl Numbers {
    /// None yet; `whole`: whole numbers will come.
    pub fn new(whole: bool) -> Self {
        Self {
            held: if whole {
                Held::Span(Span::default())
            } else {
                Held::Few(Counter::new(FEW))
            },
            ascending: true,
            first: f64::NAN,
            last: f64::NAN,
        }
    }

    /// Takes whole numbers in; some thousands at a time.
    pub fn add_integers(&mut self, numbers: &[i64], scratch: &mut Vec<f64>) {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
            return;
        };
        if self.ascending {
            let rising = numbers.windows(2).all(|pair| pair[0] < pair[1]);
            self.follow(*first as f64, *last as f64, rising);
        }
        if let Held::Span(span) = &mut self.held {
            if span.add_all(numbers) {
                return;
            }
            self.leave_span();
        }
        scratch.clear();
        scratch.extend(numbers.iter().map(|number| *number as f64));
        let wide = numbers
            .iter()
            .any(|number| !(-WIDE..=WIDE).contains(number));
        if wide && let Held::Few(few) = &self.held {
            self.held = Held::Many(Box::new(Many::of(few)));
        }
        self.add_unordered(scratch, wide.then_some(numbers));
    }

    /// Takes finite numbers in; some thousands at a time.
    pub fn add_floats(&mut self, numbers: &[f64]) {
        let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
            return;
        };
        if self.ascending {
            let rising = numbers.windows(2).all(|pair| pair[0] < pair[1]);
            self.follow(*first, *last, rising);
        }
        self.add_unordered(numbers, None);
    }

    fn add_unordered(&mut self, numbers: &[f64], wide: Option<&[i64]>) {
        if matches!(self.held, Held::Span(_)) {
            self.leave_span();
        }
        match &mut self.held {
            Held::Few(few) => {
                numbers.iter().for_each(|x| few.add(*x, 1));
                if few.is_over() {
                    self.held = Held::Many(Box::new(Many::of(few)));
                }
            }
            Held::Many(many) => many.add(numbers, wide),
            Held::Span(_) => {}
        }
    }

    fn follow(&mut self, first: f64, last: f64, rising: bool) {
        if self.first.is_nan() {
            self.first = first;
            self.ascending = rising;
        } else {
            self.ascending = rising && first > self.last;
        }
        self.last = last;
    }

    fn leave_span(&mut self) {
        let Held::Span(span) = &self.held else {
            return;
        };
        let mut few = Counter::new(FEW);
        let mut many: Option<Box<Many>> = None;
        for (number, count) in span.pairs() {
            match &mut many {
                Some(many) => many.add_times(number as f64, count),
                None => {
                    few.add(number as f64, count);
                    if few.is_over() {
                        many = Some(Box::new(Many::of(&few)));
                    }
                }
            }
        }
        self.held = match many {
            Some(many) => Held::Many(many),
            None => Held::Few(few),
        };
    }

    /// Takes all of `other`, whose rows come later, in.
    pub fn merge(&mut self, other: &Self) {
        if other.first.is_nan() && other.is_empty() {
            return;
        }
        if self.is_empty() {
            *self = other.clone();
            return;
        }
        self.ascending = self.ascending && other.ascending && other.first > self.last;
        self.last = other.last;
        if let (Held::Span(ours), Held::Span(theirs)) = (&mut self.held, &other.held)
            && ours.merge(theirs)
        {
            return;
        }
        self.leave_span();
        let mut other = other.clone();
        other.leave_span();
        self.held = match (
            std::mem::replace(&mut self.held, Held::Span(Span::default())),
            other.held,
        ) {
            (Held::Few(mut ours), Held::Few(theirs)) => {
                ours.merge(&theirs, 1);
                if ours.is_over() {
                    Held::Many(Box::new(Many::of(&ours)))
                } else {
                    Held::Few(ours)
                }
            }
            (Held::Many(mut many), Held::Few(few)) | (Held::Few(few), Held::Many(mut many)) => {
                few.sorted()
                    .into_iter()
                    .for_each(|(x, count)| many.add_times(x, count));
                Held::Many(many)
            }
            (Held::Many(mut ours), Held::Many(theirs)) => {
                ours.merge(&theirs);
                Held::Many(ours)
            }
            (held, _) => held,
        };
    }

    /// No numbers.
    pub fn is_empty(&self) -> bool {
        match &self.held {
            Held::Span(span) => span.pairs().next().is_none(),
            Held::Few(few) => few.is_empty(),
            Held::Many(many) => many.moments.count == 0,
        }
    }

    /// Every number followed a smaller one.
    pub fn is_ascending(&self) -> bool {
        self.ascending
    }

    /// What they look like: quantiles at `shares`, at most `listed` of the most frequent.
    pub fn facts(&self, shares: &[f64], listed: usize) -> Facts {
        match &self.held {
            Held::Span(span) => counted(
                &span
                    .pairs()
                    .map(|(number, count)| (number as f64, count))
                    .collect::<Vec<_>>(),
                shares,
                listed,
            ),
            Held::Few(few) => counted(&few.sorted(), shares, listed),
            Held::Many(many) => many.facts(shares, listed),
        }
    }

    /// How many lie below `low` or above `high`: counted, or estimated by the narrow bins.
    pub fn outside(&self, low: f64, high: f64) -> u64 {
        let count = |pairs: &mut dyn Iterator<Item = (f64, u64)>| {
            pairs
                .filter(|(x, _)| *x < low || *x > high)
                .map(|(_, count)| count)
                .sum()
        };
        match &self.held {
            Held::Span(span) => count(&mut span.pairs().map(|(x, count)| (x as f64, count))),
            Held::Few(few) => count(&mut few.pairs()),
            Held::Many(many) => {
                let (least, greatest) = (many.moments.min, many.moments.max);
                if low <= least && high >= greatest {
                    return 0;
                }
                let parts = many.bins.between(&[
                    least,
                    low.clamp(least, greatest),
                    high.clamp(least, greatest),
                    greatest,
                ]);
                parts[0] + parts[2]
            }
        }
    }

    /// Less of them, for keeping.
    pub fn shrunk(&self) -> Self {
        let mut small = self.clone();
        if let Held::Many(many) = &mut small.held {
            many.quantiles = many.quantiles.shrunk(512);
        }
        small
    }

    /// Appends them to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.flag(self.ascending);
        to.number(self.first);
        to.number(self.last);
        match &self.held {
            Held::Span(span) => {
                to.count(0);
                span.write(to);
            }
            Held::Few(few) => {
                to.count(1);
                few.write(to);
            }
            Held::Many(many) => {
                to.count(2);
                many.moments.write(to);
                many.bins.write(to);
                many.distinct.write(to);
                many.quantiles.write(to);
                many.frequent.write(to);
            }
        }
    }

    /// Kept ones.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        Ok(Self {
            ascending: from.flag()?,
            first: from.number()?,
            last: from.number()?,
            held: match from.count()? {
                0 => Held::Span(Span::read(from)?),
                1 => Held::Few(Counter::read(from, FEW)?),
                2 => Held::Many(Box::new(Many::read(from)?)),
                _ => return Err(damaged()),
            },
        })
    }
}

const DICE: u64 = 0x9E37_79B9_7F4A_7C15;

impl Many {
    fn of(few: &Counter) -> Self {
        let mut many = Self {
            moments: Moments::default(),
            bins: Bins::default(),
            distinct: Distinct::default(),
            quantiles: Quantiles::default(),
            frequent: Counter::new(FREQUENT),
            dice: DICE,
        };
        for (x, count) in few.sorted() {
            many.add_times(x, count);
        }
        many
    }

    fn read(from: &mut Reader<'_>) -> Result<Self> {
        let many = Self {
            moments: Moments::read(from)?,
            bins: Bins::read(from)?,
            distinct: Distinct::read(from)?,
            quantiles: Quantiles::read(from)?,
            frequent: Counter::read(from, FREQUENT)?,
            dice: DICE,
        };
        let (low, high) = (many.moments.min, many.moments.max);
        if many.moments.count == 0 || !low.is_finite() || !high.is_finite() || low > high {
            return Err(damaged());
        }
        Ok(many)
    }

    fn add(&mut self, numbers: &[f64], wide: Option<&[i64]>) {
        let mut block = Moments::default();
        block.add_all(numbers);
        self.moments.merge(&block);
        self.bins.add_all(numbers, block.min, block.max);
        match wide {
            None => self
                .distinct
                .add_all(numbers.iter().map(|x| hash_number(*x))),
            Some(wide) => self.distinct.add_all(wide.iter().map(|x| hash_integer(*x))),
        }
        self.quantiles.add_all(numbers);
        if self.moments.count <= OFFERED {
            numbers.iter().for_each(|x| self.frequent.add(*x, 1));
        } else {
            for groups in numbers.chunks(STRIDE * 16) {
                // a place of its own in each group: data that repeats itself every few rows does not fool it
                self.dice ^= self.dice << 13;
                self.dice ^= self.dice >> 7;
                self.dice ^= self.dice << 17;
                let mut places = self.dice;
                for group in groups.chunks_exact(STRIDE) {
                    let x = group[places as usize & (STRIDE - 1)];
                    places >>= STRIDE.trailing_zeros();
                    self.frequent.add(x, STRIDE as u64);
                }
            }
        }
        self.frequent.trade();
    }

    fn add_times(&mut self, x: f64, times: u64) {
        self.moments.add_times(x, times);
        self.bins.add_times(x, times);
        self.distinct.add(hash_number(x));
        self.quantiles.add_times(x, times);
        self.frequent.add(x, times);
        self.frequent.trade();
    }

    fn merge(&mut self, other: &Self) {
        self.moments.merge(&other.moments);
        self.bins.merge(&other.bins);
        self.distinct.merge(&other.distinct);
        self.quantiles.merge(&other.quantiles);
        self.frequent.merge(&other.frequent, 1);
        self.frequent.trade();
    }

    fn facts(&self, shares: &[f64], listed: usize) -> Facts {
        let moments = &self.moments;
        let edges = edges(moments.min, moments.max);
        // What may be owed to the trade or to the dice is not listed.
        let sampled = moments.count > OFFERED;
        let least = self
            .frequent
            .short()
            .max(if sampled { 4 * STRIDE as u64 } else { 1 });
        let frequent = self
            .frequent
            .pairs()
            .filter(|(_, count)| *count > least)
            .collect();
        Facts {
            count: moments.count,
            distinct: self.distinct.count().min(moments.count),
            extent: Some((moments.min, moments.max)),
            mean: moments.mean(),
            std: moments.std(),
            skewness: moments.skewness(),
            quantiles: self
                .quantiles
                .quantiles(shares)
                .into_iter()
                .map(|x| x.clamp(moments.min, moments.max))
                .collect(),
            histogram: Histogram {
                counts: self.bins.between(&edges),
                edges,
            },
            top: most(frequent, listed),
            exact: false,
        }
    }
}

/// The edges of twenty equal bins; one value alone is in the middle.
fn edges(low: f64, high: f64) -> Vec<f64> {
    let (low, high) = if low < high {
        (low, high)
    } else {
        (low - 0.5, high + 0.5)
    };
    // Halves first: the difference of two great numbers may be infinite.
    let step = high / BINS as f64 - low / BINS as f64;
    let mut edges: Vec<f64> = (0..BINS).map(|i| low + i as f64 * step).collect();
    edges.push(high);
    edges
}

/// Facts of numbers that each came so often, ascending.
fn counted(pairs: &[(f64, u64)], shares: &[f64], listed: usize) -> Facts {
    let (Some((low, _)), Some((high, _))) = (pairs.first(), pairs.last()) else {
        return Facts {
            exact: true,
            ..Facts::default()
        };
    };
    let moments = Moments::of_counts(pairs);
    let edges = edges(*low, *high);
    let mut counts = vec![0; BINS];
    let mut bin = 0;
    for (x, count) in pairs {
        while bin + 1 < BINS && *x >= edges[bin + 1] {
            bin += 1;
        }
        counts[bin] += count;
    }
    Facts {
        count: moments.count,
        distinct: pairs.len() as u64,
        extent: Some((*low, *high)),
        mean: moments.mean(),
        std: moments.std(),
        skewness: moments.skewness(),
        quantiles: at_shares(pairs, shares),
        histogram: Histogram { edges, counts },
        top: most(pairs.to_vec(), listed),
        exact: true,
    }
}
