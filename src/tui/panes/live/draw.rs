//! Draws the live pane: limits with their sentence, latency, predictions. Changes nothing.

use super::{COLUMNS, Live, PARTS, Part, WINDOWS, charts, requests, span};
use crate::chart::axis::short;
use crate::domain::deployment::{Deployment, DeploymentState, Limit, LivePage};
use crate::domain::registry::CHAMPION;
use crate::tui::layout::{self, Room};
use crate::tui::panes::{Context, parts};
use crate::tui::widgets::sparkline;
use crate::tui::{frame, text};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};

/// Where each part is; an empty area: not shown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Places {
    pub limits: Rect,
    pub latency: Rect,
    pub predictions: Rect,
    pub requests: Rect,
    /// Other deployments, each in a column of its own.
    pub others: [Rect; COLUMNS - 1],
}

impl Places {
    /// The part at a place of the screen.
    pub fn at(&self, position: Position) -> Option<Part> {
        [
            (self.limits, Part::Limits),
            (self.latency, Part::Latency),
            (self.predictions, Part::Predictions),
            (self.requests, Part::Requests),
        ]
        .into_iter()
        .find(|(area, _)| area.contains(position))
        .map(|(_, part)| part)
    }
}

/// Where everything is in `area`.
pub fn places(pane: &Live, area: Rect) -> Places {
    let mut places = Places::default();
    let room = Room::of(area);
    if room == Room::One || pane.zoomed || area.height < 16 {
        match pane.part {
            Part::Limits => places.limits = area,
            Part::Latency => places.latency = area,
            Part::Predictions => places.predictions = area,
            Part::Requests => places.requests = area,
        }
        return places;
    }
    let beside = if room == Room::Wide {
        pane.beside().len() as u16
    } else {
        0
    };
    if beside > 0 {
        let (upper, requests) = layout::above(area, area.height * 2 / 3);
        places.requests = requests;
        let mut rest = upper;
        let mut columns = Vec::new();
        for left in (1..=beside + 1).rev() {
            let (here, other) = if left == 1 {
                (rest, Rect::default())
            } else {
                layout::beside(rest, rest.width.div_ceil(left))
            };
            columns.push(here);
            rest = other;
        }
        let parts = column(columns[0], limit_rows(pane, columns[0].width));
        (places.limits, places.latency, places.predictions) = parts;
        for (place, here) in columns.into_iter().skip(1).enumerate() {
            places.others[place] = here;
        }
        return places;
    }
    let (limits, rest) = layout::above(area, limit_rows(pane, area.width) + 2);
    places.limits = limits;
    let (middle, requests) = layout::above(rest, rest.height.div_ceil(2).max(8));
    let (latency, predictions) = layout::beside(middle, area.width.div_ceil(2));
    places.latency = latency;
    places.predictions = predictions;
    places.requests = requests;
    places
}

/// Limits, latency and predictions one above the other.
fn column(area: Rect, rows: u16) -> (Rect, Rect, Rect) {
    let (limits, rest) = layout::above(area, rows + 2);
    let (latency, predictions) = layout::above(rest, rest.height.div_ceil(2));
    (limits, latency, predictions)
}

/// Limits beside each other where a part is so wide.
const TWO: u16 = 76;

fn limit_rows(pane: &Live, width: u16) -> u16 {
    let inside = usize::from(width.saturating_sub(4));
    let Some(page) = pane.shown() else {
        return 2;
    };
    let limits = if width >= TWO {
        page.limits.len().div_ceil(2)
    } else {
        page.limits.len()
    };
    (limits + notes(page, inside).len()).clamp(1, 9) as u16
}

/// What the frame cannot hold: a long sentence, why a load failed.
fn notes(page: &LivePage, width: usize) -> Vec<String> {
    let mut notes = Vec::new();
    // the frame has the first clause; what broke, when and after what has room here
    if let Some((_, broken)) = page.sentence.split_once("; ") {
        notes.extend(text::wrap(broken, width));
    } else if text::width(&heading(page)) > width {
        notes.extend(text::wrap(&page.sentence, width));
    }
    if let Some(reason) = &page.deployment.reason {
        notes.extend(text::wrap(&format!("load failed: {reason}"), width));
    }
    notes
}

/// "delay v12 ◆".
fn name(deployment: &Deployment) -> String {
    let version = deployment
        .version
        .map_or_else(|| "no version".to_owned(), |version| version.to_string());
    let sign = if deployment.alias == CHAMPION && deployment.version.is_some() {
        " ◆".to_owned()
    } else {
        format!(" @{}", deployment.alias)
    };
    let state = match deployment.state {
        DeploymentState::Ready => "",
        DeploymentState::Empty => " empty",
        DeploymentState::Loading => " loading",
        DeploymentState::Failed => " load failed",
    };
    format!("{} {version}{sign}{state}", deployment.name)
}

fn heading(page: &LivePage) -> String {
    format!(
        "{} ─ {} ─ last {}",
        name(&page.deployment),
        page.sentence,
        span(page.window_s)
    )
}

/// The status line.
pub fn status(pane: &Live, context: &Context) -> Vec<String> {
    let Some(answer) = &pane.page else {
        return vec!["the live page is on its way".to_owned()];
    };
    let Some(page) = answer else {
        return vec!["nothing is deployed".to_owned()];
    };
    let mut said = Vec::new();
    if let Some(refused) = &pane.refused {
        said.push(format!("▲ {refused}"));
    }
    if places(pane, context.area).limits.is_empty() {
        said.push(page.sentence.clone());
    }
    if context.frozen {
        said.push("frozen (‹freeze›)".to_owned());
    }
    said.push(format!(
        "{} answers with {}",
        page.deployment.name,
        page.deployment.version.map_or_else(
            || "nothing".to_owned(),
            |version| format!("{} {version}", page.deployment.model)
        )
    ));
    if let Some(since) = page.deployment.since {
        said.push(format!("for {}", text::age(context.now.since(since))));
    }
    said.push(format!("last {} (‹window›)", span(WINDOWS[pane.window])));
    if page.deployments.len() > 1 {
        said.push(format!(
            "{} deployments (‹previous_tab› ‹next_tab›)",
            page.deployments.len()
        ));
    }
    if !pane.filter.is_empty() {
        said.push(format!(
            "{} of {} requests, filter {}",
            pane.rows().len(),
            page.requests.len(),
            pane.filter
        ));
    }
    said
}

/// Draws the pane.
pub fn render(pane: &Live, buffer: &mut Buffer, context: &Context) {
    let theme = context.theme;
    if let Some(None) = &pane.page {
        let inside = frame::part(buffer, context.area, "Live", true, theme);
        let words = [
            "Nothing is deployed yet. In trainyard.toml:",
            "",
            "[deployment.NAME]",
            "model = \"MODEL\"",
            "alias = \"champion\"",
            "",
            "Then ‹promote› in pane ‹pane_2› promotes a version, and it answers at once; a roll-back is one key (‹rollback›).",
            "trainyard demo                     the flights example, served",
        ];
        parts::put_words(&words, inside, buffer, context);
        return;
    }
    let places = places(pane, context.area);
    let Some(page) = pane.shown() else {
        let inside = frame::part(buffer, context.area, "Live", true, theme);
        let said = Line::styled(parts::waiting("the live page", context), theme.dim);
        parts::put_lines(&[said], inside, 0, buffer);
        return;
    };
    limits(pane, page, places.limits, buffer, context);
    charts::latency(pane, page, places.latency, buffer, context);
    charts::predictions(pane, page, places.predictions, buffer, context);
    for (area, deployment) in places.others.iter().zip(pane.beside()) {
        if area.is_empty() {
            continue;
        }
        match pane.others.get(&deployment) {
            Some(other) => {
                let rows = other.limits.len() as u16
                    + notes(other, usize::from(area.width.saturating_sub(4))).len() as u16;
                let (upper, middle, lower) = column(*area, rows.clamp(1, 9));
                limits(pane, other, upper, buffer, context);
                charts::latency(pane, other, middle, buffer, context);
                charts::predictions(pane, other, lower, buffer, context);
            }
            None => {
                let inside = frame::part(buffer, *area, deployment.to_string(), false, theme);
                let said = Line::styled(parts::waiting("its live page", context), theme.dim);
                parts::put_lines(&[said], inside, 0, buffer);
            }
        }
    }
    requests::draw(pane, places.requests, buffer, context);
}

/// A part's title; where it stands alone: its place among the parts.
pub fn title(pane: &Live, part: Part, name: String, context: &Context) -> String {
    if Room::of(context.area) == Room::One || pane.zoomed {
        let place = PARTS.iter().position(|one| *one == part).unwrap_or(0);
        format!("{name} ─ {} of {}", place + 1, PARTS.len())
    } else {
        name
    }
}

pub fn is_chosen(pane: &Live, page: &LivePage) -> bool {
    pane.shown()
        .is_some_and(|shown| shown.deployment.name == page.deployment.name)
}

/// "41/s", "0.02 %", "2.9 ms".
fn valued(value: f64, unit: &str) -> String {
    let number = if value >= 100.0 {
        format!("{value:.0}")
    } else if unit == "ms" || unit == "/s" {
        format!("{value:.1}")
    } else {
        format!("{value:.2}")
    };
    match unit {
        "" => number,
        "/s" => format!("{number}/s"),
        unit => format!("{number} {unit}"),
    }
}

/// One limit: name, value, sparkline, bound.
fn limit_line(limit: &Limit, width: usize, context: &Context) -> Line<'static> {
    let theme = context.theme;
    let style = if limit.holds { theme.text } else { theme.bad };
    let value = limit
        .value
        .map_or_else(|| "—".to_owned(), |value| valued(value, &limit.unit));
    let bound = match (limit.limit, limit.unit.as_str()) {
        (None, _) => String::new(),
        (Some(bound), "") => format!("(≤ {})", short(bound)),
        (Some(bound), unit) => format!("(≤ {} {unit})", short(bound)),
    };
    let sign = if limit.holds { " " } else { "✗" };
    let room = width.saturating_sub(1 + 8 + 7 + 1 + 10).max(1);
    let range = (0.0, most(limit));
    let line = sparkline::text(
        &bars(&limit.history, room),
        room,
        Some(range),
        theme.ascii(),
    );
    Line::from(vec![
        Span::styled(sign, theme.bad),
        Span::styled(text::left(&limit.name, 8), theme.text),
        Span::styled(text::right(&value, 7), style),
        Span::raw(" "),
        Span::styled(
            line,
            if limit.holds {
                theme.marks[0]
            } else {
                theme.bad
            },
        ),
        Span::raw(" "),
        Span::styled(text::right(&bound, 9), theme.dim),
    ])
}

/// The top of a limit's sparkline: its greatest value, at least half its bound, so that calm looks calm.
fn most(limit: &Limit) -> f64 {
    limit
        .history
        .iter()
        .flatten()
        .copied()
        .filter(|value| value.is_finite())
        .fold(limit.limit.unwrap_or(0.0) / 2.0, f64::max)
}

/// Values folded into at most `room` bars: the greatest of each group, so that a spike stays.
fn bars(values: &[Option<f64>], room: usize) -> Vec<Option<f64>> {
    if values.len() <= room || room == 0 {
        return values.to_vec();
    }
    (0..room)
        .map(|bar| {
            let (from, to) = (bar * values.len() / room, (bar + 1) * values.len() / room);
            values[from..to].iter().flatten().copied().reduce(f64::max)
        })
        .collect()
}

fn limits(pane: &Live, page: &LivePage, area: Rect, buffer: &mut Buffer, context: &Context) {
    if area.is_empty() {
        return;
    }
    let theme = context.theme;
    let chosen = is_chosen(pane, page);
    let focused = chosen && pane.part == Part::Limits;
    let room = usize::from(area.width.saturating_sub(4));
    let style = if page.healthy { theme.good } else { theme.bad };
    let parts_name = title(pane, Part::Limits, name(&page.deployment), context);
    let mut line = Line::from(vec![
        Span::styled(parts_name, theme.champion),
        Span::raw(" ─ "),
    ]);
    let window = format!(" ─ last {}", span(page.window_s));
    let left = room.saturating_sub(line.width() + text::width(&window));
    let sentence = if text::width(&page.sentence) <= left {
        page.sentence.clone()
    } else {
        // the whole sentence stands inside
        let head = page.sentence.split(';').next().unwrap_or_default();
        text::cut(head, left)
    };
    line.push_span(Span::styled(sentence, style));
    line.push_span(Span::raw(window));
    let inside = frame::part(buffer, area, line, focused, theme);
    let width = usize::from(inside.width.saturating_sub(2));
    let mut lines: Vec<Line> = notes(page, width)
        .into_iter()
        .map(|note| Line::styled(format!(" {note}"), style))
        .collect();
    if area.width >= TWO {
        let half = width / 2;
        for pair in page.limits.chunks(2) {
            let mut line = Line::default();
            for limit in pair {
                line.spans.extend(limit_line(limit, half, context).spans);
            }
            lines.push(line);
        }
    } else {
        lines.extend(
            page.limits
                .iter()
                .map(|limit| limit_line(limit, width, context)),
        );
    }
    if pane.stale() && chosen {
        for line in &mut lines {
            *line = Line::styled(line.to_string(), theme.dim);
        }
    }
    put_left(&lines, inside, buffer);
}

/// Lines that have their own first column for a sign.
fn put_left(lines: &[Line], inside: Rect, buffer: &mut Buffer) {
    for (row, line) in lines.iter().take(usize::from(inside.height)).enumerate() {
        buffer.set_line(inside.x, inside.y + row as u16, line, inside.width);
    }
}
