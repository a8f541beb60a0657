//! All causes of change.
