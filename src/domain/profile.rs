//! What a column looks like: the result of a profile, mergeable parts already folded.

use super::dataset::ColumnKind;
use serde::{Deserialize, Serialize};

/// Counts between edges. Bin `i` is `[edges[i], edges[i+1])`, the last one closed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    /// One more than counts; ascending, finite.
    pub edges: Vec<f64>,
    /// Rows in each bin.
    pub counts: Vec<u64>,
}

/// One column's profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnProfile {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: ColumnKind,
    /// Rows, nulls included.
    pub rows: u64,
    /// Nulls (NaN counts as null).
    pub nulls: u64,
    /// Infinite values; they take part in nothing below.
    pub infinities: u64,
    /// Distinct values: exact to some thousands, estimated above.
    pub distinct: u64,
    /// Smallest finite number (times: microseconds).
    pub min: Option<f64>,
    /// Greatest finite number.
    pub max: Option<f64>,
    /// Mean of the finite numbers.
    pub mean: Option<f64>,
    /// Standard deviation (ddof 1).
    pub std: Option<f64>,
    /// (q, value) for 0.01 0.05 0.25 0.5 0.75 0.95 0.99.
    pub quantiles: Vec<(f64, f64)>,
    /// Equal widths from min to max, 20 bins; empty for text.
    pub histogram: Histogram,
    /// Most frequent values of text (and of numbers with few distinct ones), most frequent first.
    pub top: Vec<(String, u64)>,
}

/// A dataset's profile.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows.
    pub rows: u64,
    /// In order.
    pub columns: Vec<ColumnProfile>,
    /// Pearson correlation of pairs of numeric columns with |r| >= 0.3, strongest first, at most 50.
    pub correlations: Vec<(String, String, f64)>,
    /// In words: constant, identifier-like, skewed, …
    pub warnings: Vec<String>,
}
