//! Why pipelines start by themselves: files, schedule, metric, drift.
