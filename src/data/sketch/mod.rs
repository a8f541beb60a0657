//! Mergeable summaries: moments, co-moments, quantiles, histograms, distinct values, most frequent values. Each takes
//! values in and merges with another of its kind, so that columns, files and partitions can be summarised apart; each is
//! exact while small, states its error beyond, and can be kept as bytes. They know no files.

pub mod bins;
pub mod bytes;
pub mod comoments;
pub mod counter;
pub mod distinct;
pub mod moments;
pub mod quantiles;
pub mod span;
pub mod top;

pub use bins::Bins;
pub use comoments::CoMoments;
pub use counter::Counter;
pub use distinct::Distinct;
pub use moments::Moments;
pub use quantiles::Quantiles;
pub use span::Span;
pub use top::Top;
