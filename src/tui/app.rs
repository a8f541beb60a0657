//! All state of the dashboard.
