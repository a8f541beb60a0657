//! One feature: what it means, how fresh it is, how it is distributed, what it feeds.

use super::Features;
use super::draw::users;
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
pub(super) fn lines(
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
    if let Some(derived) = detail.view.demanded(&row.feature) {
        let said = [format!("on demand: {}", derived.expression)];
        lines.extend(parts::wrapped(&said, width, theme.text));
    }
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
        (Freshness::Fresh, Some(age)) if detail.view.ttl.is_none() => {
            (format!("● {age} old; without a ttl never late"), theme.good)
        }
        (Freshness::Fresh, Some(age)) => (format!("● fresh: {age} old"), theme.good),
        (Freshness::Fresh, None) => ("● fresh".to_owned(), theme.good),
        (Freshness::Stale, age) => {
            let ttl = detail.view.ttl.map_or_else(String::new, |ttl| {
                format!(" (limit {})", text::age(ttl / 1000))
            });
            let age = age.map_or_else(String::new, |age| format!(": {age} old"));
            (format!("✗ late{age}{ttl}; ‹train› materializes"), theme.bad)
        }
        (Freshness::Missing, _) if detail.view.demanded(&row.feature).is_some() => {
            ("○ computed when it is asked for".to_owned(), theme.dim)
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
    if row.differs {
        let said = [context
            .keymap
            .fill("▲ trainyard.toml defines its view otherwise: ‹next_tab› shows the definition")];
        lines.extend(parts::wrapped(&said, width, theme.warn));
    }
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
        let quantile = |wanted: f64| {
            let found = profile.quantiles.iter().find(|(q, _)| *q == wanted);
            found.map(|(_, value)| short(*value))
        };
        if let (Some(low), Some(middle), Some(high)) =
            (quantile(0.25), quantile(0.5), quantile(0.75))
        {
            let mut said = format!("quartiles {low} {middle} {high}");
            if let Some(top) = quantile(0.99) {
                said.push_str(&format!(", 99% below {top}"));
            }
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
    let view = &detail.view;
    let version = match view.version {
        0 => format!("view {}, not applied yet", view.name),
        version => format!("view {} v{version}", view.name),
    };
    let mut origin = vec![format!("{version}, from {}", view.source_name())];
    if !view.owner.is_empty() {
        origin.push(format!("owner {}", view.owner));
    }
    if !view.tags.is_empty() {
        let tags: Vec<String> = view
            .tags
            .iter()
            .map(|(key, value)| match value.as_str() {
                "" => key.clone(),
                value => format!("{key}={value}"),
            })
            .collect();
        origin.push(format!("tags {}", tags.join(", ")));
    }
    if !view.description.is_empty() {
        origin.push(view.description.clone());
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
