//! The story of quality by window: the windows as a table, and a metric of theirs as a chart.

use super::{Drift, Part};
use crate::chart::{Axis, Chart, ChartSpec, Curve, Curves, Kind, Mark, Point};
use crate::domain::drift::{DriftPage, DriftVerdict, Performance, WindowRow};
use crate::tui::panes::{Context, parts};
use crate::tui::text;
use crate::tui::widgets::table::{Column, Row, Table};
use ratatui::layout::Rect;
use ratatui::style::Style;

/// Names of the metrics of all windows: those that a person looks for first, then as they come.
pub fn metrics(page: Option<&DriftPage>) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let known = page
        .into_iter()
        .flat_map(|page| &page.windows)
        .filter_map(|window| window.performance.as_ref())
        .flat_map(|performance| &performance.metrics);
    for (name, _) in known {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let first = [
        "roc_auc",
        "rmse",
        "mae",
        "accuracy",
        "brier_score",
        "log_loss",
    ];
    names.sort_by_key(|name| {
        first
            .iter()
            .position(|one| one == name)
            .unwrap_or(first.len())
    });
    names
}

/// A metric of a window.
pub fn value(performance: &Performance, metric: &str) -> Option<f64> {
    performance
        .metrics
        .iter()
        .find(|(name, _)| name == metric)
        .map(|(_, value)| *value)
}

/// "52 301 rows · v2 · 3 of 17 drift · roc_auc 0.7012".
pub fn remark(window: &WindowRow) -> String {
    let mut said = vec![text::counted(window.rows, "row", "rows")];
    if let Some(version) = window.version {
        said.push(version.to_string());
    }
    said.push(match window.verdict {
        DriftVerdict::TooFew => "too few rows".to_owned(),
        DriftVerdict::NoData => "no data".to_owned(),
        _ => format!("{} of {} drift", window.drifted, window.of),
    });
    if let Some((name, value)) = window
        .performance
        .as_ref()
        .and_then(|performance| performance.metrics.first())
    {
        said.push(format!("{name} {}", text::number(*value)));
    }
    said.join(" · ")
}

/// How the shown window did, beside the best window before it: "roc_auc 0.6612, was 0.7423 in 2013-05".
pub fn sentence(page: &DriftPage, shown: &WindowRow) -> Option<String> {
    let metric = metrics(Some(page)).into_iter().next()?;
    let of = |window: &WindowRow| value(window.performance.as_ref()?, &metric);
    let Some(performance) = &shown.performance else {
        return Some(format!("{metric} unknown: no label of {} yet", shown.label));
    };
    let now = of(shown)?;
    let mut said = format!("{metric} {}", text::number(now));
    let first = page
        .windows
        .iter()
        .take_while(|window| window.id != shown.id)
        .find_map(|window| Some((of(window)?, &window.label)));
    if let Some((was, label)) = first {
        said.push_str(&format!(", {} since {label}", text::difference(now - was)));
    }
    if performance.provisional {
        said.push_str(&format!(
            ", {} of labels in",
            parts::percent(performance.labelled as f64 / performance.served.max(1) as f64)
        ));
    }
    Some(said)
}

/// The metric by window; none without a labelled window.
pub fn chart(page: &DriftPage, metric: Option<&str>) -> Option<ChartSpec> {
    let metric = metric?;
    let points: Vec<Point> = page
        .windows
        .iter()
        .enumerate()
        .filter_map(|(place, window)| {
            let value = value(window.performance.as_ref()?, metric)?;
            Some(Point::new(place as f64, value))
        })
        .collect();
    if points.is_empty() {
        return None;
    }
    // where another version answers
    let mut marks = Vec::new();
    for (place, pair) in page.windows.windows(2).enumerate() {
        if let [before, after] = pair
            && let Some(version) = after.version
            && before.version != after.version
        {
            marks.push(Mark {
                x: (place + 1) as f64,
                text: version.to_string(),
            });
        }
    }
    let names = page
        .windows
        .iter()
        .map(|window| window.label.clone())
        .collect();
    let last = page.windows.len().saturating_sub(1) as f64;
    let shown = page
        .windows
        .iter()
        .position(|window| Some(window.id) == page.shown);
    Some(ChartSpec::new(
        format!("{metric} by window"),
        Chart::Curves(Curves {
            curves: vec![Curve {
                selected: true,
                ..Curve::new("", 0, points)
            }],
            x: Axis {
                kind: Kind::Names(names),
                ..Axis::named("window")
            },
            window: (last > 0.0).then_some((0.0, last)),
            cursor: shown.map(|place| place as f64),
            marks,
            clip: false,
            ..Curves::default()
        }),
    ))
}

/// Columns of the windows table beside the metrics.
pub fn heads(metrics: &[String], width: u16) -> Vec<Column> {
    let mut heads = vec![
        Column::text("", 1),
        Column::text("WINDOW", 9).growing(),
        Column::number("ROWS", 7),
        Column::text("VER", 4),
        Column::number("DRIFT", 6),
    ];
    let room = usize::from(width).saturating_sub(2 + 10 + 8 + 5 + 7 + 16);
    let mut used = 0;
    heads.extend(
        metrics
            .iter()
            .take_while(|name| {
                used += text::width(name).clamp(7, 12) + 1;
                used <= room
            })
            .map(|name| Column::number(name.to_uppercase(), text::width(name).clamp(7, 12) as u16)),
    );
    heads.extend([Column::number("PREDICT", 7), Column::number("RATE", 7)]);
    heads
}

fn cells(window: &WindowRow, metrics: &[String], number: fn(f64) -> String) -> Vec<String> {
    let none = || "—".to_owned();
    let performance = window.performance.as_ref();
    let mut cells = vec![
        window.label.clone(),
        text::count(window.rows),
        window
            .version
            .map_or_else(none, |version| version.to_string()),
        format!("{}/{}", window.drifted, window.of),
    ];
    cells.extend(metrics.iter().map(|metric| {
        performance
            .and_then(|performance| value(performance, metric))
            .map_or_else(none, number)
    }));
    let mean = |of: fn(&Performance) -> f64| performance.map(of).map_or_else(none, number);
    cells.push(mean(|performance| performance.mean_prediction));
    cells.push(mean(|performance| performance.rate));
    cells
}

/// The windows as a table for a file.
pub fn table(page: &DriftPage, number: fn(f64) -> String) -> Vec<Vec<String>> {
    let metrics = metrics(Some(page));
    let mut head: Vec<String> = ["window", "rows", "version", "drifted"]
        .map(str::to_owned)
        .to_vec();
    head.extend(metrics.iter().cloned());
    head.extend(["mean_prediction", "rate"].map(str::to_owned));
    let mut rows = vec![head];
    rows.extend(
        page.windows
            .iter()
            .map(|window| cells(window, &metrics, number)),
    );
    rows
}

/// Calls `with` with the windows table as it is drawn.
pub fn with_windows<T>(
    pane: &Drift,
    area: Rect,
    context: &Context,
    with: impl FnOnce(&Table) -> T,
) -> Option<T> {
    let theme = context.theme;
    let page = pane.shown()?;
    let all = metrics(Some(page));
    let heads = heads(&all, area.width);
    let fitting: Vec<String> = all.into_iter().take(heads.len() - 7).collect();
    let row = |line: usize| {
        let Some(window) = page.windows.get(line) else {
            return Row::default();
        };
        let (sign, style): (&str, Style) = match window.verdict {
            DriftVerdict::Drift => ("▲", theme.warn),
            DriftVerdict::Stable => ("●", theme.good),
            DriftVerdict::TooFew | DriftVerdict::NoData => ("○", theme.dim),
        };
        let provisional = window
            .performance
            .as_ref()
            .is_some_and(|performance| performance.provisional);
        let plain = if provisional { theme.dim } else { theme.text };
        let mut row = vec![(sign.to_owned(), style)];
        row.extend(
            cells(window, &fitting, text::number)
                .into_iter()
                .enumerate()
                .map(|(place, cell)| match place {
                    0 => (parts::middle(&cell, 20), theme.text),
                    3 => (cell, style),
                    place if place > 3 => (cell, plain),
                    _ => (cell, theme.text),
                }),
        );
        Row { cells: row }
    };
    Some(with(&Table {
        columns: &heads,
        count: page.windows.len(),
        row: &row,
        offset: pane.windows.first(area.height, page.windows.len()),
        selected: Some(pane.windows.line),
        focused: pane.part == Part::Windows,
        sort: None,
        empty: "no window has been looked at yet",
    }))
}
