//! A column made ready for comparison: nulls and infinities counted apart, numbers sorted,
//! categories counted. What a test sees; it knows no files and no thresholds.

use super::Result;
use crate::data::Frame;
use crate::domain::dataset::ColumnKind;
use arrow_array::{Array, StringArray};
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// One side of a comparison.
#[derive(Clone, Debug)]
pub struct Sample {
    /// The column's type.
    pub kind: ColumnKind,
    /// Rows, nulls and infinities included.
    pub rows: usize,
    /// Nulls (NaN counts as null).
    pub nulls: usize,
    /// Infinite values.
    pub infinities: usize,
    /// Everything else.
    pub values: Values,
}

/// The values that take part in a comparison.
#[derive(Clone, Debug)]
pub enum Values {
    /// Integers, numbers, times in microseconds.
    Numbers(Numbers),
    /// Text and booleans.
    Categories(Categories),
}

/// Finite numbers.
#[derive(Clone, Debug)]
pub struct Numbers {
    /// As the rows have them.
    pub in_order: Vec<f64>,
    /// Ascending.
    pub sorted: Vec<f64>,
    /// Different values.
    pub distinct: usize,
}

/// Categories; the empty text is one, null is not.
#[derive(Clone, Debug)]
pub struct Categories {
    /// Names by code, shared between a sample and its parts.
    pub labels: Arc<[String]>,
    /// Rows by code; zero for a label that this part lacks.
    pub counts: Vec<u64>,
    /// The code of every row that is not null.
    pub codes: Vec<u32>,
}

/// Reference and window of one column.
#[derive(Clone, Copy, Debug)]
pub struct Pair<'a> {
    /// What is compared against.
    pub reference: &'a Sample,
    /// What is compared.
    pub current: &'a Sample,
}

impl Numbers {
    /// From finite numbers.
    pub fn new(in_order: Vec<f64>) -> Self {
        let mut sorted = in_order.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let distinct = usize::from(!sorted.is_empty())
            + sorted.windows(2).filter(|two| two[0] < two[1]).count();
        Self {
            in_order,
            sorted,
            distinct,
        }
    }

    /// The quantile `q` by linear interpolation (NumPy's default); 0 when there are no numbers.
    pub fn quantile(&self, q: f64) -> f64 {
        quantile(&self.sorted, q)
    }

    /// Mean, and variance with `ddof` degrees of freedom taken off (two passes).
    pub fn mean_and_variance(&self, ddof: usize) -> (f64, f64) {
        let n = self.in_order.len();
        if n == 0 {
            return (f64::NAN, f64::NAN);
        }
        let mean = self.in_order.iter().sum::<f64>() / n as f64;
        let squares: f64 = self.in_order.iter().map(|x| (x - mean) * (x - mean)).sum();
        (mean, squares / n.saturating_sub(ddof).max(1) as f64)
    }

    /// The share of values greater than `cut`.
    pub fn share_above(&self, cut: f64) -> f64 {
        let below = self.sorted.partition_point(|x| *x <= cut);
        (self.sorted.len() - below) as f64 / self.sorted.len().max(1) as f64
    }

    /// The share of values smaller than `cut`.
    pub fn share_below(&self, cut: f64) -> f64 {
        let below = self.sorted.partition_point(|x| *x < cut);
        below as f64 / self.sorted.len().max(1) as f64
    }
}

/// The quantile `q` of ascending numbers by linear interpolation; 0 when there are none.
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else {
        return 0.0;
    };
    let at = q.clamp(0.0, 1.0) * last as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(last);
    let share = at - low as f64;
    if share == 0.0 {
        sorted[low]
    } else {
        sorted[low] + share * (sorted[high] - sorted[low])
    }
}

impl Categories {
    /// Rows that are not null.
    pub fn len(&self) -> usize {
        self.codes.len()
    }

    /// No row but nulls.
    pub fn is_empty(&self) -> bool {
        self.codes.is_empty()
    }

    /// Different values that occur.
    pub fn distinct(&self) -> usize {
        self.counts.iter().filter(|count| **count > 0).count()
    }

    /// The share of every label that occurs.
    pub fn shares(&self) -> FxHashMap<&str, f64> {
        let total = self.codes.len().max(1) as f64;
        self.labels
            .iter()
            .zip(&self.counts)
            .filter(|(_, count)| **count > 0)
            .map(|(label, count)| (label.as_str(), *count as f64 / total))
            .collect()
    }
}

impl Sample {
    /// The column `name` of `frame`.
    ///
    /// # Errors
    /// When there is no such column.
    pub fn of(frame: &Frame, name: &str) -> Result<Self> {
        let kind = frame.kind(name)?;
        match kind {
            ColumnKind::Integer | ColumnKind::Number | ColumnKind::Time => {
                Ok(Self::numbers(kind, &frame.numbers(name)?))
            }
            ColumnKind::Text | ColumnKind::Boolean => {
                // Text as Arrow has it needs no copy of every row.
                if let Some(texts) = frame.column(name)?.as_any().downcast_ref::<StringArray>() {
                    return Ok(Self::categories(kind, texts.iter()));
                }
                let texts = frame.texts(name)?;
                Ok(Self::categories(kind, texts.iter().map(Option::as_deref)))
            }
        }
    }

    /// From numbers, where NaN stands for null.
    pub fn numbers(kind: ColumnKind, values: &[f64]) -> Self {
        let nulls = values.iter().filter(|x| x.is_nan()).count();
        let infinities = values.iter().filter(|x| x.is_infinite()).count();
        // Zero has one sign here, so that equal values sort as equal.
        let finite = values
            .iter()
            .filter(|x| x.is_finite())
            .map(|x| x + 0.0)
            .collect();
        Self {
            kind,
            rows: values.len(),
            nulls,
            infinities,
            values: Values::Numbers(Numbers::new(finite)),
        }
    }

    /// From text.
    pub fn categories<'a>(kind: ColumnKind, values: impl Iterator<Item = Option<&'a str>>) -> Self {
        let mut known: FxHashMap<&'a str, u32> = FxHashMap::default();
        let mut labels: Vec<String> = Vec::new();
        let mut counts: Vec<u64> = Vec::new();
        let mut codes = Vec::new();
        let (mut rows, mut nulls) = (0, 0);
        for value in values {
            rows += 1;
            let Some(text) = value else {
                nulls += 1;
                continue;
            };
            let code = *known.entry(text).or_insert_with(|| {
                labels.push(text.to_owned());
                counts.push(0);
                (labels.len() - 1) as u32
            });
            counts[code as usize] += 1;
            codes.push(code);
        }
        Self {
            kind,
            rows,
            nulls,
            infinities: 0,
            values: Values::Categories(Categories {
                labels: labels.into(),
                counts,
                codes,
            }),
        }
    }

    /// Values that take part in a comparison.
    pub fn len(&self) -> usize {
        match &self.values {
            Values::Numbers(numbers) => numbers.sorted.len(),
            Values::Categories(categories) => categories.len(),
        }
    }

    /// Nothing to compare.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Different values.
    pub fn distinct(&self) -> usize {
        match &self.values {
            Values::Numbers(numbers) => numbers.distinct,
            Values::Categories(categories) => categories.distinct(),
        }
    }

    /// Nulls among all rows.
    pub fn null_share(&self) -> f64 {
        self.nulls as f64 / self.rows.max(1) as f64
    }

    /// The values numbered `from` to `to` (without `to`), in row order.
    pub fn part(&self, from: usize, to: usize) -> Self {
        let values = match &self.values {
            Values::Numbers(numbers) => {
                Values::Numbers(Numbers::new(numbers.in_order[from..to].to_vec()))
            }
            Values::Categories(categories) => {
                let codes = categories.codes[from..to].to_vec();
                let mut counts = vec![0; categories.labels.len()];
                for code in &codes {
                    counts[*code as usize] += 1;
                }
                Values::Categories(Categories {
                    labels: Arc::clone(&categories.labels),
                    counts,
                    codes,
                })
            }
        };
        Self {
            kind: self.kind,
            rows: to - from,
            nulls: 0,
            infinities: 0,
            values,
        }
    }
}

impl<'a> Pair<'a> {
    /// Both sides as numbers.
    pub fn numbers(&self) -> Option<(&'a Numbers, &'a Numbers)> {
        match (&self.reference.values, &self.current.values) {
            (Values::Numbers(reference), Values::Numbers(current))
                if !reference.sorted.is_empty() && !current.sorted.is_empty() =>
            {
                Some((reference, current))
            }
            _ => None,
        }
    }

    /// Both sides as categories.
    pub fn categories(&self) -> Option<(&'a Categories, &'a Categories)> {
        match (&self.reference.values, &self.current.values) {
            (Values::Categories(reference), Values::Categories(current))
                if !reference.is_empty() && !current.is_empty() =>
            {
                Some((reference, current))
            }
            _ => None,
        }
    }

    /// Different values of both sides together.
    pub fn distinct(&self) -> usize {
        if let Some((reference, current)) = self.numbers() {
            let mut count = 0;
            super::binning::walk(&reference.sorted, &current.sorted, |_, _, _| count += 1);
            return count;
        }
        if let Some((reference, current)) = self.categories() {
            let known = reference.shares();
            let new = current
                .shares()
                .keys()
                .filter(|label| !known.contains_key(**label))
                .count();
            return known.len() + new;
        }
        0
    }

    /// Finite or not null values of both sides.
    pub fn sizes(&self) -> (f64, f64) {
        (self.reference.len() as f64, self.current.len() as f64)
    }
}
