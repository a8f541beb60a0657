//! One column of a profile, whole: how much is there, where it lies, what is frequent, what it goes with and what it says
//! about the target, what is odd about it, and its days.

use super::about;
use super::columns::{self, value};
use crate::chart::axis::short;
use crate::chart::{Chart, ChartSpec, Histogram};
use crate::domain::dataset::{ColumnKind, DatasetDetail, Day};
use crate::domain::profile::ColumnProfile;
use crate::tui::panes::{Context, parts};
use crate::tui::text;
use ratatui::text::{Line, Span};

/// Values that are listed as the most frequent.
const TOP: usize = 8;

/// "dep_delay: number, 2.5% null, about 528 distinct, −43 to 1301, mean 12.6 ± 40.2".
pub fn sentence(column: &ColumnProfile) -> String {
    let mut said = format!(
        "{}: {}, {} null, {}{} distinct",
        column.name,
        column.kind,
        parts::percent(columns::null_share(column)),
        if column.exact { "" } else { "about " },
        text::count(column.distinct)
    );
    if let (Some(min), Some(max)) = (column.min, column.max) {
        said.push_str(&format!(
            ", {} to {}",
            value(column, min),
            value(column, max)
        ));
    }
    if let (Some(mean), Some(std), false) =
        (column.mean, column.std, column.kind == ColumnKind::Time)
    {
        said.push_str(&format!(", mean {} ± {}", short(mean), short(std)));
    }
    said
}

/// The distribution of a column; none where nothing was counted.
pub fn histogram(column: &ColumnProfile) -> Option<ChartSpec> {
    let mut spec = Histogram::default();
    let total = column.rows.saturating_sub(column.nulls).max(1) as f64;
    if column.histogram.counts.is_empty() {
        for (name, count) in column.top.iter().take(12) {
            spec.categories.push(name.clone());
            spec.reference.push(*count as f64 / total);
        }
    } else {
        spec.edges.clone_from(&column.histogram.edges);
        spec.instants = column.kind == ColumnKind::Time;
        spec.reference = column
            .histogram
            .counts
            .iter()
            .map(|count| *count as f64 / total)
            .collect();
    }
    spec.reference_name = format!(
        "share of {}",
        text::counted(total as u64, "value", "values")
    );
    (!spec.reference.is_empty())
        .then(|| ChartSpec::new(column.name.clone(), Chart::Histogram(spec)))
}

/// The part, as lines; `picture` says that no chart stands beside it.
pub fn lines(
    column: &ColumnProfile,
    detail: &DatasetDetail,
    width: usize,
    picture: bool,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let mut said = vec![format!(
        "{} · {}",
        column.kind,
        text::counted(column.rows, "row", "rows")
    )];
    if column.nulls > 0 {
        said.push(format!(
            "no value in {} ({})",
            parts::percent(columns::null_share(column)),
            text::count(column.nulls)
        ));
    }
    if column.infinities > 0 {
        said.push(format!(
            "infinite in {}",
            text::counted(column.infinities, "row", "rows")
        ));
    }
    let about_word = if column.exact { "" } else { "about " };
    said.push(format!(
        "{about_word}{} distinct",
        text::count(column.distinct)
    ));
    let mut lines = parts::wrapped(&said, width, theme.text);
    lines.extend(judged(column, detail, width, context));
    if picture {
        let shape = columns::shape(column, width.min(20), theme.ascii());
        if !shape.is_empty() {
            lines.push(Line::styled(shape, theme.marks[0]));
        }
    }
    let mut said = Vec::new();
    if let (Some(mean), Some(std), false) =
        (column.mean, column.std, column.kind == ColumnKind::Time)
    {
        said.push(format!("mean {} ± {}", short(mean), short(std)));
    }
    if let Some(skewness) = column.skewness {
        said.push(format!("skewness {}", short(skewness)));
    }
    if let Some(lengths) = &column.lengths {
        said.push(format!(
            "{} to {} characters, {} on average",
            lengths.min,
            lengths.max,
            short(lengths.mean)
        ));
    }
    if let Some(zone) = &column.zone {
        said.push(match zone.as_str() {
            "utc" => "instants with a zone".to_owned(),
            "none" => "wall clock without a zone".to_owned(),
            other => format!("zones: {other}"),
        });
    }
    lines.extend(parts::wrapped(&said, width, theme.text));
    let mut marks: Vec<(String, f64)> = Vec::new();
    marks.extend(column.min.map(|least| ("min".to_owned(), least)));
    marks.extend(column.quantiles.iter().map(|(q, at)| {
        let word = if *q == 0.5 {
            "median".to_owned()
        } else {
            format!("{:.0}%", q * 100.0)
        };
        (word, *at)
    }));
    marks.extend(column.max.map(|most| ("max".to_owned(), most)));
    for (word, at) in &marks {
        lines.push(Line::from(vec![
            Span::styled(text::left(word, 8), theme.dim),
            Span::styled(value(column, *at), theme.text),
        ]));
    }
    let total = column.rows.saturating_sub(column.nulls).max(1) as f64;
    if !column.top.is_empty() {
        lines.push(Line::styled("most frequent", theme.dim));
        let room = width.saturating_sub(6).max(6);
        for (name, count) in column.top.iter().take(TOP) {
            let share = parts::percent(*count as f64 / total);
            lines.push(Line::raw(format!(
                "{}{}",
                text::left(&text::cut(name, room - 1), room),
                text::right(&share, 6)
            )));
        }
    }
    let day = |day: &Day| day.columns.iter().position(|one| one.name == column.name);
    let nulls = |one: &Day| day(one).map(|place| one.columns[place].null_share);
    let mean = |one: &Day| day(one).and_then(|place| one.columns[place].mean);
    if column.kind != ColumnKind::Time {
        lines.extend(about::by_day("mean", &detail.days, mean, width, theme));
    }
    if column.nulls > 0 {
        lines.extend(about::by_day("nulls", &detail.days, nulls, width, theme));
    }
    lines
}

/// What is odd about the column, what it says about the target, what it goes with.
fn judged(
    column: &ColumnProfile,
    detail: &DatasetDetail,
    width: usize,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(profile) = &detail.profile else {
        return Vec::new();
    };
    let mut lines = Vec::new();
    let noted: Vec<String> = profile
        .noted
        .iter()
        .filter(|(name, _)| *name == column.name)
        .map(|(_, warning)| format!("▲ {warning}"))
        .collect();
    lines.extend(parts::wrapped(&noted, width, theme.warn));
    let mine = |one: &&crate::domain::dataset::Violation| one.column.as_ref() == Some(&column.name);
    for one in detail
        .violations
        .iter()
        .chain(&detail.anomalies)
        .filter(mine)
    {
        lines.extend(about::violation(one, width, theme));
    }
    if let (Some(target), Some(place)) = (
        &profile.target,
        profile
            .signal
            .iter()
            .position(|one| one.column == column.name),
    ) {
        let one = &profile.signal[place];
        let mut said = format!(
            "says about {target}: {}, {:.0}% of its information ({} of {})",
            columns::signal(one),
            one.information * 100.0,
            place + 1,
            profile.signal.len()
        );
        if one.leaks {
            said.push_str("; alone it nearly determines it: is it known in time?");
        }
        let style = if one.leaks { theme.warn } else { theme.text };
        lines.extend(parts::wrapped(&[said], width, style));
    }
    let goes_with: Vec<String> = profile
        .correlations
        .iter()
        .filter_map(|(one, other, r)| {
            let other = if *one == column.name {
                other
            } else if *other == column.name {
                one
            } else {
                return None;
            };
            Some(format!("{other} {r:+.2}"))
        })
        .take(6)
        .collect();
    if !goes_with.is_empty() {
        let said = format!("goes with {}", goes_with.join(", "));
        lines.extend(parts::wrapped(&[said], width, theme.text));
    }
    lines
}
