//! Everything about one run: its tabs.

use super::super::places::Places;
use super::super::{Part, Runs, TABS};
use crate::domain::Timestamp;
use crate::domain::run::{Run, RunDetail};
use crate::tui::panes::Context;
use crate::tui::panes::parts::put_lines;
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

pub(super) fn detail(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    let area = places.detail;
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let focused = pane.part == Part::Detail;
    // the run whose details are there, until those of the run under the cursor have come
    let shown = pane.detail.as_ref().map(|detail| &detail.run.id);
    let name = shown
        .or(pane.selected.as_ref())
        .map_or_else(|| "Run".to_owned(), |run| pane.name_of(run));
    let inside = frame::part(buffer, area, name, focused, theme);
    let Some(detail) = &pane.detail else {
        let said = Line::styled("asking for details", theme.dim);
        put_lines(&[said], inside, 0, buffer);
        return;
    };
    let stale = context.lost.is_some() && pane.selected.as_ref() != Some(&detail.run.id);
    let width = usize::from(inside.width.saturating_sub(2));
    let tab = TABS[pane.tab.min(TABS.len() - 1)];
    let mut lines = detail_lines(pane, detail, tab, width, context);
    if stale {
        for line in &mut lines {
            *line = Line::styled(line.to_string(), theme.dim);
        }
    }
    let body = if focused && inside.height > 3 {
        let tabs: Vec<Span> = TABS
            .iter()
            .map(|name| {
                let style = if *name == tab {
                    theme.accent
                } else {
                    theme.dim
                };
                Span::styled(format!("{name}  "), style)
            })
            .chain([Span::styled("[ ]", theme.dim)])
            .collect();
        buffer.set_line(
            inside.x + 1,
            inside.y,
            &Line::from(tabs),
            inside.width.saturating_sub(1),
        );
        Rect {
            y: inside.y + 1,
            height: inside.height - 1,
            ..inside
        }
    } else {
        inside
    };
    put_lines(&lines, body, if focused { pane.scroll } else { 0 }, buffer);
}

/// "✓ finished 2h ago, took 6m 12s".
pub(super) fn state_words(detail: &RunDetail, now: Timestamp, progress: Option<f64>) -> String {
    use crate::domain::run::RunStatus as S;
    let run = &detail.run;
    let began = text::age(now.since(run.started));
    let took = run
        .ended
        .map(|ended| text::duration(ended.since(run.started)));
    let ago = run.ended.map(|ended| text::age(now.since(ended)));
    match (run.status, took, ago) {
        (S::Finished, Some(took), Some(ago)) => format!("✓ finished {ago} ago, took {took}"),
        (S::Failed, Some(took), Some(ago)) => format!("✗ failed {ago} ago, after {took}"),
        (S::Killed, Some(took), Some(ago)) => format!("✗ stopped {ago} ago, after {took}"),
        (S::Running, ..) => match progress {
            Some(share) => format!("▶ running for {began}, {:.0}% done", share * 100.0),
            None => format!("▶ running for {began}"),
        },
        (S::Scheduled, ..) => format!("… waiting for {began}"),
        (status, ..) => status.as_str().to_lowercase(),
    }
}

/// Where it ran, and what it took there as last measured.
fn machine(run: &Run) -> Option<String> {
    let mut parts: Vec<String> = Vec::new();
    parts.extend(run.tag("trainyard.host").map(str::to_owned));
    let measured = |key: &str| run.metric(key).filter(|value| value.is_finite());
    if let Some(share) = measured("system/process_cpu_utilization_percentage")
        .or_else(|| measured("system/cpu_utilization_percentage"))
    {
        parts.push(format!("CPU {share:.0} %"));
    }
    if let Some(megabytes) = measured("system/process_memory_usage_megabytes")
        .or_else(|| measured("system/system_memory_usage_megabytes"))
    {
        parts.push(format!("memory {megabytes:.0} MB"));
    }
    (!parts.is_empty()).then(|| parts.join("  "))
}

pub(super) fn pair(head: &str, value: &str, width: usize, style: Style) -> Vec<Line<'static>> {
    text::wrap(value, width.saturating_sub(9).max(10))
        .into_iter()
        .enumerate()
        .map(|(row, part)| {
            let head = if row == 0 { head } else { "" };
            Line::from(vec![
                Span::raw(text::left(head, 9)),
                Span::styled(part, style),
            ])
        })
        .collect()
}

pub(super) fn detail_lines(
    pane: &Runs,
    detail: &RunDetail,
    tab: &str,
    width: usize,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let run = &detail.run;
    let row = pane.row_of(&run.id);
    let mut lines: Vec<Line<'static>> = Vec::new();
    let metrics = |lines: &mut Vec<Line<'static>>, most: usize| {
        let primary = pane.primary();
        let mut all: Vec<_> = run.metrics.iter().collect();
        all.sort_by_key(|metric| Some(metric.key.as_str()) != primary);
        for (place, metric) in all.into_iter().take(most).enumerate() {
            let mut value = format!(
                "{} {}",
                text::left(&metric.key, 14),
                text::number(metric.value)
            );
            if Some(metric.key.as_str()) == primary
                && let Some((rank, of)) = detail.rank
            {
                value.push_str(&format!("  {} of {}", text::count(rank), text::count(of)));
                if rank == 1 {
                    value.push_str(" ★");
                }
            } else if let Some(champion) = detail.champion.get(&metric.key) {
                value.push_str(&format!("  (champion {})", text::number(champion.0)));
            }
            lines.extend(pair(
                if place == 0 { "Metrics" } else { "" },
                &value,
                width,
                theme.text,
            ));
        }
    };
    match tab {
        "run" => {
            let progress = row.and_then(|row| row.progress);
            let state = state_words(detail, context.now, progress);
            lines.extend(pair("State", &state, width, theme.text));
            if let Some(failure) = row.and_then(|row| row.failure.as_ref()) {
                lines.extend(pair("Why", failure, width, theme.bad));
            }
            metrics(&mut lines, 4);
            for (place, (key, mine, theirs)) in detail.changed.iter().take(6).enumerate() {
                let none = || "none".to_owned();
                let value = format!(
                    "{} {}  (was {})",
                    text::left(key, 14),
                    mine.clone().unwrap_or_else(none),
                    theirs.clone().unwrap_or_else(none)
                );
                let head = if place == 0 { "Params" } else { "" };
                lines.extend(pair(head, &value, width, theme.text));
            }
            if detail.changed.is_empty() {
                for (place, param) in run.params.iter().take(6).enumerate() {
                    let head = if place == 0 { "Params" } else { "" };
                    let value = format!("{} {}", text::left(&param.key, 14), param.value);
                    lines.extend(pair(head, &value, width, theme.text));
                }
            }
            if let Some(unlike) = row.and_then(|row| row.unlike.as_ref()) {
                let said = format!("no Δ: {unlike}");
                lines.extend(pair("Rows", &said, width, theme.warn));
            }
            if let Some((_, name)) = &detail.parent {
                lines.extend(pair("Parent", name, width, theme.text));
            }
            if detail.children > 0 {
                let said = format!(
                    "{} (+ shows them)",
                    text::counted(detail.children, "run", "runs")
                );
                lines.extend(pair("Children", &said, width, theme.text));
            }
            if detail.equal > 0 {
                let said = format!("{} more equal to champion", detail.equal);
                lines.extend(pair("", &said, width, theme.dim));
            }
            for input in &run.inputs {
                let digest: String = input.digest.chars().take(8).collect();
                let context = input.context.as_deref().unwrap_or_default();
                let value = format!("{} {context} digest {digest}…", input.name);
                lines.extend(pair("Data", &value, width, theme.text));
            }
            if let Some(commit) = run.tag("mlflow.source.git.commit") {
                let commit: String = commit.chars().take(8).collect();
                let file = run.tag("mlflow.source.name").unwrap_or_default();
                let state = match run.tag("mlflow.source.git.dirty") {
                    Some("true" | "True") => " with changes",
                    Some(_) => " clean",
                    None => "",
                };
                let said = format!("{commit}{state} {file}");
                lines.extend(pair("Code", &said, width, theme.text));
            } else if let Some(file) = run.tag("mlflow.source.name") {
                lines.extend(pair("Code", file, width, theme.text));
            }
            if let Some(machine) = machine(run) {
                lines.extend(pair("Machine", &machine, width, theme.text));
            }
            if let Some(note) = run.tag("mlflow.note.content") {
                lines.extend(pair("Note", note, width, theme.text));
            }
            lines.extend(pair("By", &run.user, width, theme.text));
            lines.extend(pair("Filed", &detail.experiment, width, theme.text));
            lines.extend(pair("Id", run.id.as_str(), width, theme.dim));
            if !detail.verdict.is_empty() {
                lines.push(Line::default());
                let said = text::wrap(&detail.verdict, width);
                lines.extend(said.into_iter().map(Line::from));
            }
        }
        "metrics" => metrics(&mut lines, usize::MAX),
        "params" | "tags" => {
            let pairs = if tab == "params" {
                &run.params
            } else {
                &run.tags
            };
            for known in pairs {
                let value = format!("{} {}", text::left(&known.key, 22), known.value);
                lines.extend(text::wrap(&value, width).into_iter().map(Line::from));
            }
        }
        _ => {
            for (path, bytes) in &detail.artifacts {
                lines.push(Line::from(format!("{:>8}  {path}", text::bytes(*bytes))));
            }
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled(format!("no {tab}"), theme.dim));
    }
    lines
}
