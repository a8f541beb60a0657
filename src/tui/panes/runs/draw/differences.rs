//! In what the compared runs differ, and the sentences that follow from it.

use super::super::places::Places;
use super::super::{LETTERS, Part, Runs};
use super::parts_title;
use crate::tui::keymap::Action;
use crate::tui::layout::Room;
use crate::tui::panes::Context;
use crate::tui::panes::parts::put_lines;
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// The sentences: how the marked runs, or the one under the cursor, stand. What was said before stays until the answer
/// for another choice is there.
pub(super) fn verdicts(pane: &Runs) -> Vec<String> {
    match &pane.comparison {
        Some(comparison) if !comparison.verdicts.is_empty() => comparison.verdicts.clone(),
        _ => pane
            .detail
            .as_ref()
            .map(|detail| detail.verdict.clone())
            .filter(|verdict| !verdict.is_empty())
            .into_iter()
            .collect(),
    }
}

pub(super) fn difference_lines(pane: &Runs, width: usize, context: &Context) -> Vec<Line<'static>> {
    let theme = context.theme;
    let Some(comparison) = &pane.comparison else {
        return vec![Line::styled("comparing", theme.dim)];
    };
    // one column per run, the champion last
    let count = comparison
        .differences
        .iter()
        .map(|row| row.values.len())
        .max()
        .unwrap_or(comparison.runs.len());
    let champion_last = comparison.champion.is_some();
    let sign = |place: usize| {
        if champion_last && place + 1 == count {
            ("◆".to_owned(), theme.champion)
        } else if place < LETTERS.len() {
            (LETTERS[place].to_owned(), theme.marks[place])
        } else {
            ("·".to_owned(), theme.dim)
        }
    };
    let rows: Vec<_> = comparison
        .differences
        .iter()
        .filter(|row| pane.all_rows || !row.equal)
        .collect();
    // short values as they were written, longer numbers as the table writes them
    let short = |value: &Option<String>| match value {
        None => "—".to_owned(),
        Some(value) if text::width(value) <= 7 => match value.strip_prefix("0.") {
            Some(rest) => format!(".{rest}"),
            None => value.clone(),
        },
        Some(value) => value
            .parse::<f64>()
            .map_or_else(|_| value.clone(), text::number),
    };
    let room = (width.saturating_sub(10) / count.max(1)).saturating_sub(1);
    let cell = rows
        .iter()
        .flat_map(|row| row.values.iter().map(|value| text::width(&short(value))))
        .max()
        .unwrap_or(3)
        .clamp(3, room.clamp(3, 12));
    let mut lines = Vec::new();
    let mut head: Vec<Span> = (0..count)
        .map(|place| {
            let (sign, style) = sign(place);
            Span::styled(format!("{} ", text::left(&sign, cell)), style)
        })
        .collect();
    head.push(Span::styled("what differs", theme.dim));
    lines.push(Line::from(head));
    for row in &rows {
        let mut spans: Vec<Span> = (0..count)
            .map(|place| {
                let value = row.values.get(place).map_or_else(String::new, short);
                Span::raw(format!("{} ", text::left(&value, cell)))
            })
            .collect();
        let style = if row.equal { theme.dim } else { theme.text };
        let key = match row.kind.as_str() {
            "param" | "metric" => row.key.clone(),
            kind => format!("{kind} {}", row.key),
        };
        spans.push(Span::styled(key, style));
        lines.push(Line::from(spans));
    }
    let equal = comparison
        .differences
        .iter()
        .filter(|row| row.equal)
        .count();
    if equal > 0 {
        let key = context.keymap.label(Action::Differences);
        let said = if pane.all_rows {
            format!(
                "{key} hides {}",
                text::counted(equal as u64, "equal row", "equal rows")
            )
        } else {
            format!(
                "{} equal: {key} shows them",
                text::counted(equal as u64, "row", "rows")
            )
        };
        lines.push(Line::styled(said, theme.dim));
    }
    lines
}

pub(super) fn differences(pane: &Runs, places: &Places, buffer: &mut Buffer, context: &Context) {
    let area = places.differences;
    if area.is_empty() {
        return;
    }
    let focused = pane.part == Part::Differences;
    let alone = Room::of(context.area) == Room::One || pane.zoomed;
    let title = if alone {
        parts_title(pane, "Differences")
    } else {
        "Differences".to_owned()
    };
    let inside = frame::part(buffer, area, title, focused, context.theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let mut said: Vec<Line> = Vec::new();
    // the sentences have their own part when there is room
    if places.why.is_empty() {
        for verdict in verdicts(pane) {
            said.extend(text::wrap(&verdict, width).into_iter().map(Line::from));
        }
    }
    if alone {
        for (place, (_, name)) in pane.marks.iter().enumerate() {
            let line = format!("{} {name}", LETTERS[place]);
            said.push(Line::styled(line, context.theme.marks[place]));
        }
    }
    let lines = difference_lines(pane, width, context);
    let rows = usize::from(inside.height);
    let least = lines.len().min(3);
    let below = said.len().min(rows.saturating_sub(least));
    let upper = Rect {
        height: inside.height - below as u16,
        ..inside
    };
    let lower = Rect {
        y: upper.bottom(),
        height: below as u16,
        ..inside
    };
    put_lines(&lines, upper, if focused { pane.scroll } else { 0 }, buffer);
    put_lines(&said[..below], lower, 0, buffer);
}

pub(super) fn why(pane: &Runs, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let title = match pane.marks.as_slice() {
        [] => "Why".to_owned(),
        marks => format!("Why {}", LETTERS[..marks.len()].join(" ")),
    };
    let inside = frame::part(buffer, area, title, false, context.theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let lines: Vec<Line> = verdicts(pane)
        .iter()
        .flat_map(|verdict| text::wrap(verdict, width))
        .map(Line::from)
        .collect();
    put_lines(&lines, inside, 0, buffer);
}
