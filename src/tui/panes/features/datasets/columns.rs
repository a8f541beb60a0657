//! How a column's profile is written in little room: its type, a number of it, its shape, what it says about the target.

use crate::chart::axis::short;
use crate::domain::Timestamp;
use crate::domain::dataset::ColumnKind;
use crate::domain::profile::{ColumnProfile, Signal};
use crate::tui::widgets::sparkline;

/// A type in four letters.
pub fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Integer => "int",
        ColumnKind::Number => "num",
        ColumnKind::Text => "text",
        ColumnKind::Boolean => "bool",
        ColumnKind::Time => "time",
    }
}

/// An instant in microseconds as `2013-01-31 12:05`; midnight without its hour.
pub fn instant(microseconds: f64) -> String {
    let at = Timestamp((microseconds / 1000.0) as i64).to_string();
    let (day, hour) = at.split_once('T').unwrap_or((&at, ""));
    match hour.get(..5) {
        None | Some("00:00") => day.to_owned(),
        Some(hour) => format!("{day} {hour}"),
    }
}

/// A number of a column.
pub fn value(column: &ColumnProfile, value: f64) -> String {
    match column.kind {
        ColumnKind::Time => instant(value),
        _ => short(value),
    }
}

/// Share of nulls.
pub fn null_share(column: &ColumnProfile) -> f64 {
    column.nulls as f64 / column.rows.max(1) as f64
}

/// Counts put together so that there are at most `cells`.
fn gathered(counts: &[u64], cells: usize) -> Vec<Option<f64>> {
    let size = counts.len().div_ceil(cells.max(1)).max(1);
    counts
        .chunks(size)
        .map(|some| Some(some.iter().sum::<u64>() as f64))
        .collect()
}

/// The column's shape in at most `cells`: the histogram, or the most frequent values.
pub fn shape(column: &ColumnProfile, cells: usize, ascii: bool) -> String {
    let values = if column.histogram.counts.is_empty() {
        column
            .top
            .iter()
            .take(cells)
            .map(|(_, count)| Some(*count as f64))
            .collect()
    } else {
        gathered(&column.histogram.counts, cells)
    };
    if values.len() < 2 {
        return String::new();
    }
    sparkline::text(&values, values.len(), None, ascii)
}

/// What a column alone says about the target: `AUC 0.71`, or the share that it explains.
pub fn signal(one: &Signal) -> String {
    match (one.auc, one.ratio) {
        (Some(auc), _) => format!("AUC {auc:.2}"),
        (None, Some(ratio)) => format!("η² {ratio:.2}"),
        (None, None) => format!("{:.0}%", one.information * 100.0),
    }
}

/// The profile as lines of a table for a file.
pub fn lines_of(columns: &[&ColumnProfile]) -> Vec<Vec<String>> {
    let head = [
        "column",
        "type",
        "rows",
        "nulls",
        "infinities",
        "distinct",
        "min",
        "p1",
        "p5",
        "p25",
        "median",
        "p75",
        "p95",
        "p99",
        "max",
        "mean",
        "std",
    ];
    let mut lines: Vec<Vec<String>> = vec![head.map(str::to_owned).to_vec()];
    for column in columns {
        let number = |value: Option<f64>| value.map_or_else(String::new, |value| value.to_string());
        let quantile = |wanted: f64| {
            let found = column.quantiles.iter().find(|(q, _)| *q == wanted);
            number(found.map(|(_, value)| *value))
        };
        let mut line = vec![
            column.name.clone(),
            column.kind.to_string(),
            column.rows.to_string(),
            column.nulls.to_string(),
            column.infinities.to_string(),
            column.distinct.to_string(),
            number(column.min),
        ];
        line.extend([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99].map(quantile));
        line.extend([number(column.max), number(column.mean), number(column.std)]);
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_fit_and_instants_are_short() {
        assert_eq!(
            gathered(&[1, 2, 3, 4, 5], 3),
            [Some(3.0), Some(7.0), Some(5.0)]
        );
        assert_eq!(instant(1_385_121_840_000_000.0), "2013-11-22 12:04");
        assert_eq!(instant(1_385_078_400_000_000.0), "2013-11-22");
    }
}
