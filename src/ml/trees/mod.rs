//! Histogram trees: bins, growing, boosting, forests.
