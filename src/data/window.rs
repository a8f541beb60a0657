//! Aggregations over the events of a window, counted from the instant they were known (contract R10).
