//! Charts as SVG and PNG, and reports as one HTML page.
