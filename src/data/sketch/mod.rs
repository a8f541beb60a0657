//! Mergeable summaries: moments, quantiles, distinct values, most frequent values.
