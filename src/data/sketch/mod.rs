//! Mergeable summaries: moments, quantiles, distinct values, most frequent values. Each takes values
//! one at a time and merges with another of its kind, so that columns, files and partitions can be
//! summarised apart; each is exact while small and states its error beyond. They know no files.

pub mod distinct;
pub mod moments;
pub mod quantiles;
pub mod top;

pub use distinct::Distinct;
pub use moments::Moments;
pub use quantiles::Quantiles;
pub use top::Top;
