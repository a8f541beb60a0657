//! What is known of one dataset, in words: how much it is and how new, what warns, what is not as expected, its days.

use super::columns;
use crate::domain::Timestamp;
use crate::domain::dataset::{DatasetDetail, DatasetRow, Day, Severity, Violation};
use crate::tui::panes::{Context, parts};
use crate::tui::text;
use crate::tui::theme::Theme;
use crate::tui::widgets::sparkline;
use ratatui::text::{Line, Span};

/// "flights: 336 776 rows, 19 columns, 12 files; 3 warnings, 2 anomalies".
pub fn sentence(row: &DatasetRow) -> String {
    let mut said = format!("{}: ", row.name);
    match row.rows {
        Some(rows) => said.push_str(&text::counted(rows, "row", "rows")),
        None => said.push_str("not counted yet"),
    }
    if let Some(columns) = row.columns {
        said.push_str(&format!(
            ", {}",
            text::counted(columns, "column", "columns")
        ));
    }
    if row.files > 0 {
        said.push_str(&format!(", {}", text::counted(row.files, "file", "files")));
    }
    let mut odd = Vec::new();
    if let Some(warnings) = row.warnings.filter(|count| *count > 0) {
        odd.push(text::counted(warnings, "warning", "warnings"));
    }
    if let Some(violations) = row.violations.filter(|count| *count > 0) {
        odd.push(text::counted(violations, "anomaly", "anomalies"));
    }
    match (odd.is_empty(), row.profiled, row.checked) {
        (false, ..) => said.push_str(&format!("; {}", odd.join(", "))),
        (true, Some(_), Some(_)) => said.push_str("; nothing odd"),
        (true, None, _) => said.push_str("; not profiled yet"),
        (true, Some(_), None) => said.push_str("; not validated yet"),
    }
    said
}

/// A violation: sign, column, what is wrong, how much, where.
pub fn violation(one: &Violation, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    let (sign, style) = match one.severity {
        Severity::Error => ("✗", theme.bad),
        Severity::Warning => ("▲", theme.warn),
    };
    let mut said = match &one.column {
        Some(column) => format!("{sign} {column}: {}", one.detail),
        None => format!("{sign} {}", one.detail),
    };
    if let Some(slice) = &one.slice {
        said.push_str(&format!(" where {slice}"));
    }
    if one.of > 0 && one.count > 0 && one.count < one.of {
        said.push_str(&format!(
            " ({} of {}: {})",
            text::count(one.count),
            text::counted(one.of, "row", "rows"),
            parts::percent(one.count as f64 / one.of as f64)
        ));
    }
    let mut lines = parts::wrapped(&[said], width, style);
    if !one.samples.is_empty() {
        let rows: Vec<String> = one
            .samples
            .iter()
            .take(3)
            .map(|sample| {
                let file = sample.file.rsplit('/').next().unwrap_or_default();
                let value = sample.value.as_deref().unwrap_or("null");
                match file {
                    "" => format!("row {} {value}", sample.row),
                    file => format!("{file} row {} {value}", sample.row),
                }
            })
            .collect();
        lines.extend(parts::wrapped(
            &[format!("  {}", rows.join("; "))],
            width,
            theme.dim,
        ));
    } else if !one.sample_rows.is_empty() {
        let rows: Vec<String> = one.sample_rows.iter().map(u64::to_string).collect();
        let said = format!("  rows {}", rows.join(", "));
        lines.extend(parts::wrapped(&[said], width, theme.dim));
    }
    lines
}

/// A number by day as a line, with its first and last day.
pub fn by_day(
    word: &str,
    days: &[Day],
    value: impl Fn(&Day) -> Option<f64>,
    width: usize,
    theme: &Theme,
) -> Vec<Line<'static>> {
    let values: Vec<Option<f64>> = days.iter().map(value).collect();
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Vec::new();
    };
    if days.len() < 2 || values.iter().all(Option::is_none) {
        return Vec::new();
    }
    let cells = values.len().min(width);
    let shown = &days[days.len() - cells..];
    let from = shown.first().unwrap_or(first);
    vec![
        Line::from(vec![
            Span::styled(format!("{word} by day, "), theme.dim),
            Span::styled(format!("{} to {}", from.day, last.day), theme.dim),
        ]),
        Line::styled(
            sparkline::text(&values, cells, None, theme.ascii()),
            theme.marks[0],
        ),
    ]
}

/// The part, as lines.
pub fn lines(detail: &DatasetDetail, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let row = &detail.row;
    let ago = |at: Timestamp| text::age(context.now.since(at));
    let mut lines = parts::wrapped(&[sentence(row)], width, theme.strong);
    let mut facts = Vec::new();
    if let Some(newest) = row.newest {
        let column = detail.timestamp.as_deref().unwrap_or("time");
        facts.push(format!(
            "newest {column} {}",
            columns::instant(newest as f64)
        ));
    }
    if let Some(modified) = row.modified {
        facts.push(format!("files changed {} ago", ago(modified)));
    }
    if let Some(profiled) = row.profiled {
        facts.push(format!("profiled {} ago", ago(profiled)));
    }
    if let Some(checked) = row.checked {
        facts.push(format!(
            "validated {} ago against {}",
            ago(checked),
            if detail.schema_from.is_empty() {
                "its schema"
            } else {
                &detail.schema_from
            }
        ));
    }
    lines.extend(parts::wrapped(&facts, width, theme.text));
    if row.unprofiled > 0 || row.profiled.is_none() {
        let said = if row.profiled.is_none() {
            "‹train› profiles and validates it".to_owned()
        } else {
            format!(
                "{} since: ‹train› profiles {}",
                text::counted(
                    row.unprofiled,
                    "file came or changed",
                    "files came or changed"
                ),
                if row.unprofiled == 1 { "it" } else { "them" }
            )
        };
        lines.extend(parts::wrapped(
            &[context.keymap.fill(&said)],
            width,
            theme.warn,
        ));
    }
    for one in detail.violations.iter().chain(&detail.anomalies) {
        lines.extend(violation(one, width, theme));
    }
    if let Some(profile) = &detail.profile {
        let warnings: Vec<String> = profile
            .warnings
            .iter()
            .map(|warning| format!("▲ {warning}"))
            .collect();
        lines.extend(parts::wrapped(&warnings, width, theme.warn));
        if let (Some(target), false) = (&profile.target, profile.signal.is_empty()) {
            let most: Vec<String> = profile
                .signal
                .iter()
                .take(4)
                .map(|one| format!("{} {}", one.column, columns::signal(one)))
                .collect();
            let said = format!("{target} is told most by {}", most.join(", "));
            lines.extend(parts::wrapped(&[said], width, theme.text));
        }
    }
    let rows = |day: &Day| Some(day.rows as f64);
    lines.extend(by_day("rows", &detail.days, rows, width, theme));
    lines.extend(parts::wrapped(
        &[format!(
            "from {}",
            row.source.split_whitespace().collect::<Vec<_>>().join(" ")
        )],
        width,
        theme.dim,
    ));
    if let Some(digest) = &row.digest {
        let digest: String = digest.chars().take(12).collect();
        lines.extend(parts::wrapped(
            &[format!("snapshot {digest}…")],
            width,
            theme.dim,
        ));
    }
    lines
}
