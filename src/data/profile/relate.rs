//! Correlations of pairs of numeric columns.

use super::table::TableState;
use crate::domain::dataset::ColumnKind;
use crate::domain::profile::ColumnProfile;
use rustc_hash::FxHashMap;

/// Weaker ones are not listed.
const LEAST: f64 = 0.3;
/// Pairs listed.
const LISTED: usize = 50;

/// Pearson's r of all pairs, over the rows where both have a finite number: strongest first.
pub fn correlations(state: &TableState, columns: &[ColumnProfile]) -> Vec<(String, String, f64)> {
    let numeric: FxHashMap<&str, f64> = columns
        .iter()
        .filter(|shown| matches!(shown.kind, ColumnKind::Integer | ColumnKind::Number))
        .filter(|shown| shown.distinct > 1)
        .filter_map(|shown| {
            let std = shown.std.filter(|std| *std > 0.0)?;
            Some((shown.name.as_str(), std))
        })
        .collect();
    let mut found: Vec<(String, String, f64)> = state
        .pairs
        .all()
        .filter_map(|(a, b, moments)| {
            let stds = (*numeric.get(a)?, *numeric.get(b)?);
            let r = moments.pearson(stds).filter(|r| r.abs() >= LEAST)?;
            Some((a.to_owned(), b.to_owned(), r))
        })
        .collect();
    found.sort_by(|a, b| b.2.abs().total_cmp(&a.2.abs()));
    found.truncate(LISTED);
    found
}
