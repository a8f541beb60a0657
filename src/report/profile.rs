//! A profile as a page: what to look at first, each column with its histogram and quantiles or its frequent values,
//! correlations, and the signal about a target.

use super::page::{self, Section, Table};
use crate::chart::{Axis, Bar, Bars, Chart, ChartSpec, Curve, Curves, Histogram, Legend, Point};
use crate::domain::dataset::ColumnKind;
use crate::domain::error::Result;
use crate::domain::profile::{ColumnProfile, Profile, Signal};

/// Columns that get charts; more only stand in the table.
const CHARTED: usize = 200;
/// Bars of a chart.
const BARS: usize = 12;
/// Pairs of columns in the table.
const PAIRS: usize = 50;

/// The page of a profile; `name`: what was profiled.
///
/// # Errors
/// Those of drawing.
pub fn page(name: &str, profile: &Profile) -> Result<String> {
    let mut sections = vec![overview(profile)];
    if let Some(target) = &profile.target {
        sections.push(signal(target, profile));
    }
    if !profile.correlations.is_empty() {
        sections.push(correlations(profile));
    }
    for column in profile.columns.iter().take(CHARTED) {
        sections.push(one(column, profile));
    }
    page::page(&format!("Profile of {name}"), &sections)
}

fn overview(profile: &Profile) -> Section {
    let headings = [
        "column", "type", "null %", "distinct", "min", "1 %", "median", "99 %", "max", "mean",
        "std",
    ];
    let rows = profile
        .columns
        .iter()
        .map(|column| {
            let at = |share: f64| {
                let found = column.quantiles.iter().find(|(q, _)| *q == share);
                value(column, found.map(|(_, x)| *x))
            };
            let plain = |x: Option<f64>| {
                x.filter(|_| column.kind != ColumnKind::Time)
                    .map_or_else(String::new, number)
            };
            vec![
                column.name.clone(),
                column.kind.to_string(),
                format!(
                    "{:.2}",
                    100.0 * column.nulls as f64 / column.rows.max(1) as f64
                ),
                format!("{}{}", if column.exact { "" } else { "~" }, column.distinct),
                value(column, column.min),
                at(0.01),
                at(0.5),
                at(0.99),
                value(column, column.max),
                plain(column.mean),
                plain(column.std),
            ]
        })
        .collect();
    let mut text = vec![format!(
        "{} rows, {} columns, {} to look at.",
        profile.rows,
        profile.columns.len(),
        profile.warnings.len()
    )];
    text.extend(
        profile
            .warnings
            .iter()
            .map(|warning| format!("▲ {warning}")),
    );
    Section {
        title: "Overview".into(),
        text,
        charts: Vec::new(),
        table: Some(Table {
            headings: headings.map(str::to_owned).to_vec(),
            rows,
        }),
    }
}

fn signal(target: &str, profile: &Profile) -> Section {
    let found: &[Signal] = &profile.signal;
    let share = |x: Option<f64>| x.map_or_else(String::new, |x| format!("{x:.4}"));
    Section {
        title: format!("Signal about {target}"),
        text: vec![
            "information: mutual information over the target's entropy (Theil's uncertainty coefficient); ratio: Pearson's \
             correlation ratio, squared; auc: area under the curve of the column alone, the better direction; r: Pearson's r."
                .into(),
            format!(
                "information, ratio and auc are over {}, r over {}.",
                of_rows(profile.sampled, profile.rows),
                of_rows(profile.correlated, profile.rows)
            ),
        ],
        charts: vec![bars(
            "information",
            found
                .iter()
                .map(|one| (one.column.clone(), one.information, String::new())),
        )],
        table: Some(Table {
            headings: ["column", "information", "ratio", "auc", "r", "rows", "leak"]
                .map(str::to_owned)
                .to_vec(),
            rows: found
                .iter()
                .map(|one| {
                    vec![
                        one.column.clone(),
                        format!("{:.4}", one.information),
                        share(one.ratio),
                        share(one.auc),
                        share(one.r),
                        one.rows.to_string(),
                        if one.leaks { "likely" } else { "" }.to_owned(),
                    ]
                })
                .collect(),
        }),
    }
}

/// How many rows were looked at, and how.
fn of_rows(looked_at: u64, rows: u64) -> String {
    if looked_at < rows {
        format!("a uniform sample of {looked_at} of {rows} rows")
    } else {
        format!("all {rows} rows")
    }
}

fn correlations(profile: &Profile) -> Section {
    let pairs = &profile.correlations;
    Section {
        title: "Correlations".into(),
        text: vec![format!(
            "Pearson's r of pairs of numeric columns, 0.3 and above, over {} where both are known.",
            of_rows(profile.correlated, profile.rows)
        )],
        charts: vec![bars(
            "r",
            pairs
                .iter()
                .map(|(a, b, r)| (format!("{a}, {b}"), *r, format!("{r:.3}"))),
        )],
        table: Some(Table {
            headings: ["column", "and", "r"].map(str::to_owned).to_vec(),
            rows: pairs
                .iter()
                .take(PAIRS)
                .map(|(a, b, r)| vec![a.clone(), b.clone(), format!("{r:.4}")])
                .collect(),
        }),
    }
}

fn one(column: &ColumnProfile, profile: &Profile) -> Section {
    let mut text = vec![format!(
        "{}; {} of {} rows null; {}{} different values{}{}.",
        column.kind,
        column.nulls,
        column.rows,
        if column.exact { "" } else { "about " },
        column.distinct,
        if column.infinities > 0 {
            format!("; {} infinite", column.infinities)
        } else {
            String::new()
        },
        column.lengths.map_or_else(String::new, |lengths| format!(
            "; {} to {} characters, {:.1} on average",
            lengths.min, lengths.max, lengths.mean
        )),
    )];
    text.extend(
        profile
            .noted
            .iter()
            .filter(|(name, _)| *name == column.name)
            .map(|(_, warning)| format!("▲ {warning}")),
    );
    let mut charts = Vec::new();
    let time = column.kind == ColumnKind::Time;
    if column.histogram.counts.iter().any(|count| *count > 0) {
        let mut histogram = Histogram {
            reference: column.histogram.counts.iter().map(|n| *n as f64).collect(),
            reference_name: "rows".into(),
            ..Histogram::default()
        };
        if time {
            histogram.categories = column
                .histogram
                .edges
                .iter()
                .take(column.histogram.counts.len())
                .map(|edge| day(*edge))
                .collect();
        } else {
            histogram.edges = column.histogram.edges.clone();
        }
        charts.push(ChartSpec::new(
            format!("{}: histogram", column.name),
            Chart::Histogram(histogram),
        ));
    }
    if column.quantiles.len() > 1 && !time && column.distinct > 2 {
        let points = column
            .quantiles
            .iter()
            .map(|(q, x)| Point::new(100.0 * q, *x))
            .collect();
        charts.push(ChartSpec::new(
            format!("{}: quantiles", column.name),
            Chart::Curves(Curves {
                curves: vec![Curve::new(column.name.clone(), 0, points)],
                x: Axis {
                    label: "of the rows".into(),
                    unit: "%".into(),
                    ..Axis::default()
                },
                clip: false,
                legend: Legend::None,
                ..Curves::default()
            }),
        ));
    }
    if !column.top.is_empty() && (column.histogram.counts.is_empty() || column.distinct <= 20) {
        charts.push(bars(
            &format!("{}: most frequent", column.name),
            column
                .top
                .iter()
                .map(|(text, count)| (shown(text), *count as f64, count.to_string())),
        ));
    }
    Section {
        title: column.name.clone(),
        text,
        charts,
        table: None,
    }
}

fn bars(title: &str, of: impl Iterator<Item = (String, f64, String)>) -> ChartSpec {
    ChartSpec::new(
        title,
        Chart::Bars(Bars {
            bars: of
                .take(BARS)
                .map(|(label, value, note)| Bar {
                    label,
                    value,
                    note,
                    colour: 0,
                })
                .collect(),
        }),
    )
}

/// A text as a label: never empty, never long, no control characters.
fn shown(text: &str) -> String {
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let clean: String = text
        .chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .take(32)
        .collect();
    if text.chars().count() > 32 {
        format!("{clean}…")
    } else {
        clean
    }
}

fn value(column: &ColumnProfile, value: Option<f64>) -> String {
    match value {
        None => String::new(),
        Some(at) if column.kind == ColumnKind::Time => instant(at, "%Y-%m-%d %H:%M:%S"),
        Some(x) => number(x),
    }
}

fn day(at: f64) -> String {
    instant(at, "%Y-%m-%d")
}

fn instant(at: f64, format: &str) -> String {
    chrono::DateTime::from_timestamp_micros(at as i64)
        .map_or_else(|| number(at), |at| at.format(format).to_string())
}

/// Five significant places.
fn number(x: f64) -> String {
    if x == x.trunc() && x.abs() < 1e9 {
        return format!("{x:.0}");
    }
    match x.abs() {
        size if !(1e-4..1e9).contains(&size) => format!("{x:.4e}"),
        size if size >= 1_000.0 => format!("{x:.1}"),
        size if size >= 10.0 => format!("{x:.3}"),
        _ => format!("{x:.5}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn every_column_is_drawn_and_every_warning_said() {
        let numbers = ColumnProfile {
            name: "delay <min>".into(),
            kind: ColumnKind::Number,
            rows: 10,
            distinct: 9,
            min: Some(0.0),
            max: Some(5.0),
            quantiles: vec![(0.25, 1.0), (0.5, 2.0), (0.75, 4.0)],
            histogram: crate::domain::profile::Histogram {
                edges: vec![0.0, 2.5, 5.0],
                counts: vec![7, 3],
            },
            ..ColumnProfile::default()
        };
        let texts = ColumnProfile {
            name: "carrier".into(),
            rows: 10,
            distinct: 2,
            top: vec![("UA".into(), 6), (String::new(), 4)],
            ..ColumnProfile::default()
        };
        let profile = Profile {
            rows: 10,
            columns: vec![numbers, texts],
            correlations: vec![("a".into(), "b".into(), -0.7)],
            warnings: vec!["`delay <min>` is skewed".into()],
            noted: vec![("delay <min>".into(), "`delay <min>` is skewed".into())],
            target: Some("late".into()),
            signal: vec![Signal {
                column: "carrier".into(),
                information: 0.2,
                auc: Some(0.7),
                ..Signal::default()
            }],
            sampled: 4,
            correlated: 10,
        };
        let html = page("flights.parquet", &profile).unwrap();
        assert_eq!(
            html.matches("<svg ").count(),
            5,
            "signal, correlations, three of columns"
        );
        assert!(html.contains("delay &lt;min&gt;") && html.contains("(empty)"));
        assert!(html.contains("is skewed") && html.contains("0.7000"));
        assert!(
            html.contains("a uniform sample of 4 of 10 rows") && html.contains("over all 10 rows")
        );
        assert!(!html.contains("<script") && !html.contains("href="));
    }
}
