//! How a feature's view is defined: version, what `trainyard.toml` would change (field by field, and whom that concerns),
//! the definition itself, its types, its history.

use super::Features;
use crate::domain::feature_version::{Change, ViewChange, type_name};
use crate::tui::panes::{Context, parts};
use crate::tui::text;
use crate::tui::theme::Theme;
use ratatui::text::{Line, Span};

/// "changes values: version 3 → 4".
fn heading(change: &ViewChange) -> String {
    let number =
        |version: Option<u32>| version.map_or_else(|| "none".to_owned(), |one| one.to_string());
    match change.change {
        Change::Added => "trainyard.toml adds this view".to_owned(),
        Change::Changed => format!(
            "trainyard.toml changes its values: version {} → {}",
            number(change.from),
            number(change.to)
        ),
        Change::Described => "trainyard.toml changes words about it; values stay".to_owned(),
        Change::Removed => "trainyard.toml has it no more".to_owned(),
    }
}

/// What applying the file would change.
fn pending(
    change: &ViewChange,
    width: usize,
    theme: &Theme,
    context: &Context,
) -> Vec<Line<'static>> {
    let mut lines = parts::wrapped(&[format!("▲ {}", heading(change))], width, theme.warn);
    for field in &change.fields {
        lines.extend(parts::wrapped(&[&field.field], width, theme.text));
        for (sign, value, style) in [("-", &field.old, theme.bad), ("+", &field.new, theme.good)] {
            let Some(value) = value else {
                continue;
            };
            for part in text::wrap(value, width.saturating_sub(4).max(8)) {
                lines.push(Line::from(vec![
                    Span::styled(format!("  {sign} "), style),
                    Span::styled(part, style),
                ]));
            }
        }
    }
    let serving: Vec<String> = change
        .readers
        .iter()
        .filter(|reader| !reader.deployments.is_empty())
        .map(|reader| format!("{} {}", reader.model, reader.version))
        .collect();
    let mut said = Vec::new();
    if !serving.is_empty() {
        said.push(format!(
            "{} what is in force and answers requests: a person applies this",
            if serving.len() == 1 {
                format!("{} reads", serving[0])
            } else {
                format!("{} read", serving.join(", "))
            }
        ));
    }
    if !change.pipelines.is_empty() {
        said.push(format!(
            "joined by pipeline {}",
            change.pipelines.join(", ")
        ));
    }
    said.push(
        context
            .keymap
            .fill("‹copy› copies: trainyard features apply"),
    );
    lines.extend(parts::wrapped(&said, width, theme.dim));
    lines
}

/// The part, as lines.
pub(super) fn lines(pane: &Features, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(detail) = pane.pictured() else {
        return vec![Line::styled(
            parts::waiting("the feature", context),
            theme.dim,
        )];
    };
    let view = &detail.view;
    let page = &detail.definition;
    let mut lines = Vec::new();
    let version = match (view.version, page.history.first()) {
        (0, _) => format!("{}, not applied yet", view.name),
        (version, Some(newest)) => format!(
            "{} version {version}, applied {} by {}",
            view.name,
            text::moment(newest.at, context.offset_s),
            newest.by
        ),
        (version, None) => format!("{} version {version}", view.name),
    };
    lines.extend(parts::wrapped(&[version], width, theme.text));
    if let Some(change) = &page.pending {
        lines.extend(pending(change, width, theme, context));
    }
    for line in page.text.lines() {
        if line.trim().is_empty() {
            continue;
        }
        // a definition is read as it is written: a line that is too long goes on below, further in
        for (place, part) in text::wrap(line.trim_end(), width.saturating_sub(2).max(8))
            .into_iter()
            .enumerate()
        {
            let part = if place == 0 {
                part
            } else {
                format!("  {part}")
            };
            lines.push(Line::styled(part, theme.text));
        }
    }
    if !page.types.is_empty() {
        let wide = page
            .types
            .iter()
            .map(|one| text::width(&one.name))
            .max()
            .unwrap_or(0)
            .min(width.saturating_sub(10).max(6));
        lines.push(Line::styled("types", theme.dim));
        for one in &page.types {
            lines.push(Line::raw(format!(
                "  {} {}",
                text::left(&parts::middle(&one.name, wide), wide),
                type_name(one.kind)
            )));
        }
    }
    if page.history.len() > 1 {
        lines.push(Line::styled("history", theme.dim));
        for line in &page.history {
            let digest: String = line.digest.chars().take(8).collect();
            let said = format!(
                "  v{} {} {} {digest}…",
                line.version,
                text::moment(line.at, context.offset_s),
                line.by
            );
            lines.push(Line::raw(text::cut(&said, width)));
        }
    }
    lines
}
