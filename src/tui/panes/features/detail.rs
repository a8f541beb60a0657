//! One feature: what it means, where it comes from, how it is distributed, what it feeds, and its online values.

use super::draw::{Places, places, title, users};
use super::{Features, Part};
use crate::chart::axis::short;
use crate::chart::{Chart, ChartSpec, Histogram};
use crate::domain::drift::shares;
use crate::domain::feature::{FeatureDetail, Freshness};
use crate::tui::panes::{Context, parts};
use crate::tui::widgets::{chart, sparkline};
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// The histogram of the feature's values when last profiled; none without numbers or categories.
pub(super) fn histogram(detail: &FeatureDetail) -> Option<ChartSpec> {
    let profile = detail.profile.as_ref()?;
    let mut spec = Histogram {
        reference_name: "now online".to_owned(),
        ..Histogram::default()
    };
    if profile.histogram.counts.is_empty() {
        let total: u64 = profile.rows;
        for (name, count) in profile.top.iter().take(12) {
            spec.categories.push(name.clone());
            spec.reference.push(*count as f64 / total.max(1) as f64);
        }
    } else {
        spec.edges.clone_from(&profile.histogram.edges);
        spec.reference = shares(&profile.histogram);
    }
    (!spec.reference.is_empty())
        .then(|| ChartSpec::new(detail.row.feature.clone(), Chart::Histogram(spec)))
}

/// Everything about the feature under the cursor, in lines.
pub(super) fn detail_lines(
    pane: &Features,
    width: usize,
    picture: bool,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(detail) = pane.pictured() else {
        return vec![Line::styled(
            parts::waiting("the feature", context),
            theme.dim,
        )];
    };
    let row = &detail.row;
    let mut lines = parts::wrapped(&[&detail.meaning], width, theme.text);
    let kind = detail
        .profile
        .as_ref()
        .map_or_else(String::new, |profile| format!(" · {}", profile.kind));
    let keys = &detail.view.entity.keys;
    let key = if keys.is_empty() {
        format!("about everything{kind}")
    } else {
        format!("key {}{kind}", keys.join(", "))
    };
    let mut said = vec![key];
    let (state, style) = match (row.freshness, row.age_ms.map(text::age)) {
        (Freshness::Fresh, Some(age)) => (format!("● fresh: {age} old"), theme.good),
        (Freshness::Fresh, None) => ("● fresh".to_owned(), theme.good),
        (Freshness::Stale, age) => {
            let ttl = detail.view.ttl.map_or_else(String::new, |ttl| {
                format!(" (limit {})", text::age(ttl / 1000))
            });
            let age = age.map_or_else(String::new, |age| format!(": {age} old"));
            (format!("✗ late{age}{ttl}; ‹train› materializes"), theme.bad)
        }
        (Freshness::Missing, _) => (
            "○ never materialized; ‹train› fills it".to_owned(),
            theme.dim,
        ),
    };
    if let Some(at) = detail.event_time {
        said.push(format!(
            "event time to {}",
            text::moment(at, context.offset_s)
        ));
    }
    let online = text::counted(detail.online_keys, "key", "keys");
    match detail.online_equal {
        Some((equal, checked)) if checked > 0 => {
            said.push(format!(
                "online {online}, equal to offline in {equal} of {checked}"
            ));
        }
        _ if detail.online_keys > 0 => said.push(format!("online {online}")),
        _ => {}
    }
    lines.extend(parts::wrapped(&said, width, theme.text));
    lines.extend(parts::wrapped(&[context.keymap.fill(&state)], width, style));
    if row.drifting {
        let said = [context
            .keymap
            .fill("▲ drifts in the newest window: pane ‹pane_4›")];
        lines.extend(parts::wrapped(&said, width, theme.warn));
    }
    if let Some(profile) = &detail.profile {
        let range = match (profile.min, profile.max) {
            (Some(min), Some(max)) => {
                format!("min {} max {}", short(min), short(max))
            }
            _ => text::counted(profile.distinct, "value", "values"),
        };
        if picture && !profile.histogram.counts.is_empty() {
            let counts: Vec<Option<f64>> = profile
                .histogram
                .counts
                .iter()
                .map(|count| Some(*count as f64))
                .collect();
            let bars = counts.len().min(width);
            let line = sparkline::text(&counts, bars, None, theme.ascii());
            let together = bars + 2 + text::width(&range) <= width;
            if together {
                lines.push(Line::from(vec![
                    Span::styled(line, theme.marks[0]),
                    Span::raw(format!("  {range}")),
                ]));
            } else {
                lines.push(Line::styled(line, theme.marks[0]));
                lines.push(Line::raw(range));
            }
        } else {
            lines.extend(parts::wrapped(&[range], width, theme.text));
        }
        if let (Some(mean), Some(std)) = (profile.mean, profile.std) {
            let said = format!("mean {} ± {}", short(mean), short(std));
            lines.extend(parts::wrapped(&[said], width, theme.text));
        }
        if profile.histogram.counts.is_empty() && !profile.top.is_empty() {
            let top: Vec<String> = profile
                .top
                .iter()
                .take(5)
                .map(|(value, count)| {
                    let share = *count as f64 / profile.rows.max(1) as f64;
                    format!("{value} {}", parts::percent(share))
                })
                .collect();
            lines.extend(parts::wrapped(&[top.join(" · ")], width, theme.text));
        }
        if profile.nulls > 0 {
            let share = profile.nulls as f64 / profile.rows.max(1) as f64;
            let said = format!("no value in {} of its rows", parts::percent(share));
            lines.extend(parts::wrapped(&[said], width, theme.text));
        }
    }
    let feeds = match users(row) {
        none if none.is_empty() => "feeds no model version".to_owned(),
        users => format!("feeds {users}"),
    };
    lines.extend(parts::wrapped(&[feeds], width, theme.text));
    let mut origin = vec![format!("from dataset {}", detail.view.dataset)];
    if !detail.view.owner.is_empty() {
        origin.push(format!("owner {}", detail.view.owner));
    }
    if !detail.view.description.is_empty() {
        origin.push(detail.view.description.clone());
    }
    lines.extend(parts::wrapped(&origin, width, theme.dim));
    lines
}

pub(super) fn name(pane: &Features) -> String {
    let shown = pane.pictured().map(|detail| &detail.row.feature);
    shown
        .or(pane.selected.as_ref().map(|(_, feature)| feature))
        .map_or_else(|| "Feature".to_owned(), Clone::clone)
}

pub(super) fn detail(pane: &Features, places: &Places, buffer: &mut Buffer, context: &Context) {
    let area = places.detail;
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Detail;
    let name = parts::middle(&name(pane), usize::from(area.width.saturating_sub(4)));
    let title = title(pane, Part::Detail, &name, context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let lines = detail_lines(pane, width, places.chart.is_empty(), context);
    parts::put_lines(
        &lines,
        inside,
        if focused { pane.scroll } else { 0 },
        buffer,
    );
}

pub(super) fn picture(pane: &Features, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let inside = frame::part(
        buffer,
        area,
        "Values when last profiled",
        false,
        context.theme,
    );
    match pane.pictured().map(histogram) {
        Some(Some(spec)) => chart::render(inside, buffer, &spec.chart, &context.theme.look()),
        Some(None) => {
            let said = context
                .keymap
                .fill("no profile yet: ‹train› materializes the view");
            let said = Line::styled(said, context.theme.dim);
            parts::put_lines(&[said], inside, 0, buffer);
        }
        None => {}
    }
}

pub(super) fn value_lines(pane: &Features, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(detail) = pane.pictured() else {
        return vec![Line::styled(
            parts::waiting("the feature", context),
            theme.dim,
        )];
    };
    if detail.values.is_empty() {
        let said = [context
            .keymap
            .fill("No value is online yet: ‹train› materializes the view.")];
        return parts::wrapped(&said, width, theme.dim);
    }
    let room = width.saturating_sub(5);
    let widest = |of: fn(&(String, String, i64)) -> &str| {
        detail
            .values
            .iter()
            .map(|row| text::width(of(row)))
            .max()
            .unwrap_or(0)
    };
    let value = widest(|row| &row.1).clamp(5, (room / 2).max(5));
    let key = room.saturating_sub(value + 1);
    let mut lines = vec![Line::styled(
        format!(
            "{} {} {}",
            text::left("KEY", key),
            text::right("VALUE", value),
            text::right("AGE", 4)
        ),
        theme.dim,
    )];
    lines.extend(detail.values.iter().map(|(name, shown, age)| {
        Line::raw(format!(
            "{} {} {}",
            text::left(name, key),
            text::right(shown, value),
            text::right(&text::age(*age), 4)
        ))
    }));
    lines
}

pub(super) fn values(pane: &Features, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Values;
    let alone = places(pane, context.area).detail.is_empty();
    let name = if alone {
        parts::middle(&name(pane), usize::from(area.width.saturating_sub(4)))
    } else {
        "Online values".to_owned()
    };
    let title = title(pane, Part::Values, &name, context);
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let lines = value_lines(pane, width, context);
    parts::put_lines(
        &lines,
        inside,
        if focused { pane.scroll } else { 0 },
        buffer,
    );
}

/// How far the focused part can be scrolled.
pub(super) fn length(pane: &Features, context: &Context) -> usize {
    let places = places(pane, context.area);
    let (area, lines) = match pane.part {
        Part::Table => return 0,
        Part::Detail => {
            let width = usize::from(places.detail.width.saturating_sub(4));
            let lines = detail_lines(pane, width, places.chart.is_empty(), context);
            (places.detail, lines)
        }
        Part::Values => {
            let width = usize::from(places.values.width.saturating_sub(4));
            (places.values, value_lines(pane, width, context))
        }
    };
    lines
        .len()
        .saturating_sub(usize::from(area.height.saturating_sub(2)))
}
