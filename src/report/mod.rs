//! Charts as SVG and PNG, and reports as one HTML page.
//!
//! The same drawing functions as the dashboard's, on paper colours and with a font of our own (a subset of
//! DejaVu Sans), so that a picture looks the same on every machine. Knows charts and text, nothing of runs,
//! models or files: it returns what others write.

pub mod page;
pub mod picture;
pub mod profile;

pub use page::{Section, Table, page};
pub use picture::{png, svg};
