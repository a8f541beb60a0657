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

/// How long texts are, in characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lengths {
    /// The shortest.
    pub min: u64,
    /// The longest.
    pub max: u64,
    /// The mean.
    pub mean: f64,
}

/// One column's profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    /// Equal widths from min to max, 20 bins; empty for text. Where it is estimated, what lies within a hundredth of a bin
    /// of an edge may be counted on its other side.
    pub histogram: Histogram,
    /// Most frequent values of text (and of numbers with few distinct ones), most frequent first.
    pub top: Vec<(String, u64)>,
    /// Distinct, quantiles, histogram and top values are counted, not estimated.
    #[serde(default)]
    pub exact: bool,
    /// Of the finite numbers, without bias correction (`scipy.stats.skew`).
    #[serde(default)]
    pub skewness: Option<f64>,
    /// Of texts.
    #[serde(default)]
    pub lengths: Option<Lengths>,
    /// Times with (some of them, all of them) and without a zone: `utc`, `none`, `mixed`; none for what is no time.
    #[serde(default)]
    pub zone: Option<String>,
}

/// How much a column says about the target. Information, ratio and area need ranks or bins: they are computed on a sample
/// of [`Profile::sampled`] rows, one drawn from each of equal stretches; r on [`Profile::correlated`] rows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The column.
    pub column: String,
    /// Mutual information over the target's entropy (Theil's uncertainty coefficient): 0 says nothing, 1 determines the
    /// target. Numbers in twenty bins of equal counts, texts by value; bias taken off as Miller and Madow (1955) do.
    pub information: f64,
    /// Share of the target's variance between the column's bins (Pearson's correlation ratio, squared); none where the
    /// target has more than two classes.
    pub ratio: Option<f64>,
    /// Area under the curve when the column alone ranks the rows, the better direction; none unless the target has two
    /// classes. Texts are ranked by their share of the target in the other half of the rows.
    pub auc: Option<f64>,
    /// Pearson's r with the target, flags as 0 and 1; none where one of them is text or an instant.
    #[serde(default)]
    pub r: Option<f64>,
    /// Rows of the sample where both are known.
    pub rows: u64,
    /// The column alone nearly determines the target.
    pub leaks: bool,
}

/// A dataset's profile.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Profile {
    /// Rows.
    pub rows: u64,
    /// In order.
    pub columns: Vec<ColumnProfile>,
    /// Pearson correlation of pairs of numeric columns (the first 100) with |r| >= 0.3, strongest first, at most 50; over
    /// the rows among [`Profile::correlated`] where both are known.
    pub correlations: Vec<(String, String, f64)>,
    /// In words: constant, identifier-like, skewed, …
    pub warnings: Vec<String>,
    /// What the signal is about.
    #[serde(default)]
    pub target: Option<String>,
    /// Rows that correlations were looked at on: all of a file of up to 2,097,152 rows; of each longer one at least half as
    /// many, in stretches of 1,024 spread over it.
    #[serde(default)]
    pub correlated: u64,
    /// Rows that the signal was looked at on: all, or a sample of them; 0 without a target.
    #[serde(default)]
    pub sampled: u64,
    /// How much each column says about the target, most first; empty without one.
    #[serde(default)]
    pub signal: Vec<Signal>,
    /// The warnings by column, in the columns' order: a warning is in both lists.
    #[serde(default)]
    pub noted: Vec<(String, String)>,
}
