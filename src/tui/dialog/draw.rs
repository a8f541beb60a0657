//! Draws a dialog in the middle of its area. Changes nothing.

use super::{Dialog, Open};
use crate::domain::registry::{PromotionPage, PromotionSide};
use crate::tui::field::Field;
use crate::tui::panes::Context;
use crate::tui::theme::Theme;
use crate::tui::{frame, layout, text};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

impl Open {
    /// Draws it in the middle of `area`.
    pub fn render(&self, buffer: &mut Buffer, area: Rect, context: &Context) {
        let theme = context.theme;
        let room = usize::from(area.width.saturating_sub(4)).min(100);
        let mut lines: Vec<Line> = Vec::new();
        let mut fields: Vec<(usize, u16, &Field, bool)> = Vec::new();
        let mut width = 40;
        match &self.dialog {
            Dialog::Confirm {
                lines: said, verb, ..
            } => {
                for said in said {
                    lines.extend(text::wrap(said, room.min(76)).into_iter().map(Line::from));
                }
                lines.push(Line::default());
                lines.push(self.buttons(verb, theme, "Esc cancels · y confirms"));
            }
            Dialog::Promotion { page, back } => {
                width = 76;
                lines.extend(promotion(page, *back, room.min(76), context));
                if self.held() {
                    let label = format!(
                        "To promote all the same, type the version {}: ",
                        page.then.version
                    );
                    let at = text::width(&label) as u16;
                    lines.push(Line::from(label));
                    fields.push((lines.len() - 1, at, &self.first, self.focus == 0));
                    lines.push(Line::from("reason: "));
                    fields.push((lines.len() - 1, 8, &self.second, self.focus == 1));
                    if !self.hint.is_empty() {
                        lines.push(Line::styled(self.hint.clone(), theme.warn));
                    }
                }
                let (verb, way_back) = match (back, &page.now) {
                    (true, Some(now)) => (
                        "Roll back",
                        format!("‹promote› promotes {} again", now.version),
                    ),
                    (true, None) => ("Roll back", String::new()),
                    (false, Some(now)) => (
                        "Promote",
                        format!("‹rollback› rolls back to {} at any time", now.version),
                    ),
                    (false, None) => ("Promote", "nothing serves before it".to_owned()),
                };
                // the way back must stand there whole, also at 80 columns
                let first = if self.held() {
                    "Esc cancels"
                } else {
                    "y confirms"
                };
                let hint = if way_back.is_empty() {
                    first.to_owned()
                } else {
                    format!("{first} · {way_back}")
                };
                lines.push(self.buttons(verb, theme, &context.keymap.fill(&hint)));
            }
            Dialog::Prompt { lines: said, .. } => {
                width = 60;
                for said in said {
                    lines.extend(text::wrap(said, room.min(76)).into_iter().map(Line::from));
                }
                lines.push(Line::default());
                fields.push((lines.len() - 1, 0, &self.first, true));
                lines.push(Line::styled("Enter keeps · Esc cancels", theme.dim));
            }
            Dialog::Choice { items, .. } => {
                let widest = items.iter().map(|(item, _)| text::width(item)).max();
                for (place, (item, remark)) in items.iter().enumerate() {
                    let item = text::left(item, widest.unwrap_or(0));
                    let mut line = Line::from(vec![
                        Span::raw(if place == self.cursor { "▌" } else { " " }),
                        Span::raw(item),
                        Span::raw("  "),
                        Span::styled(remark.clone(), theme.dim),
                    ]);
                    if place == self.cursor {
                        line = line.style(theme.selected);
                    }
                    lines.push(line);
                }
                let said = "‹down›/‹up› move · Enter takes · Esc cancels";
                lines.push(Line::styled(context.keymap.fill(said), theme.dim));
            }
            Dialog::Columns { items, .. } => {
                for (place, (name, shown)) in items.iter().enumerate() {
                    let mut line = Line::from(format!(
                        "{}{} {name}",
                        if place == self.cursor { "▌" } else { " " },
                        if *shown { "[x]" } else { "[ ]" },
                    ));
                    if place == self.cursor {
                        line = line.style(theme.selected);
                    }
                    lines.push(line);
                }
                let said = "‹mark› shows · < > move · Enter keeps · Esc cancels";
                lines.push(Line::styled(context.keymap.fill(said), theme.dim));
            }
            Dialog::Page { lines: said, .. } => {
                width = 76;
                for said in said {
                    // what fits stays as it is: it may be a line of a table
                    if text::width(said) <= room.min(96) {
                        lines.push(Line::from(said.clone()));
                    } else {
                        lines.extend(text::wrap(said, room.min(96)).into_iter().map(Line::from));
                    }
                }
            }
        }
        self.draw(buffer, area, lines, &fields, width, context);
    }

    /// The frame, lines as far as there is room, fields in their lines.
    fn draw(
        &self,
        buffer: &mut Buffer,
        area: Rect,
        mut lines: Vec<Line>,
        fields: &[(usize, u16, &Field, bool)],
        least: usize,
        context: &Context,
    ) {
        let theme = context.theme;
        let mut title = match &self.dialog {
            Dialog::Confirm { title, .. }
            | Dialog::Prompt { title, .. }
            | Dialog::Choice { title, .. }
            | Dialog::Columns { title, .. }
            | Dialog::Page { title, .. } => title.clone(),
            Dialog::Promotion { page, back } => {
                if *back {
                    format!("Roll {} back to {}", page.model, page.then.version)
                } else {
                    format!(
                        "Promote {} {} to {}",
                        page.model, page.then.version, page.alias
                    )
                }
            }
        };
        if let Some(overview) = context.overview.filter(|overview| overview.production) {
            title = format!("{title} on {} (production)", overview.host);
        }
        let widest = lines.iter().map(Line::width).max().unwrap_or(0);
        let width = widest.max(text::width(&title) + 2).max(least) as u16 + 4;
        let height = lines.len() as u16 + 2;
        let place = layout::middle(area, width, height);
        Clear.render(place, buffer);
        let inside = frame::part(buffer, place, title, true, theme);
        // a list or page longer than the screen scrolls with its cursor; its last line (the keys) stays
        let rows = usize::from(inside.height);
        let mut skipped = 0;
        if lines.len() > rows && rows > 1 {
            let keys = match self.dialog {
                Dialog::Page { .. } => None,
                _ => lines.pop(),
            };
            let room = rows - usize::from(keys.is_some());
            let top = match self.dialog {
                Dialog::Page { .. } => self.cursor.min(lines.len().saturating_sub(room)),
                _ => self.cursor.saturating_sub(room.saturating_sub(1)),
            };
            skipped = top;
            lines = lines.into_iter().skip(top).take(room).collect();
            lines.extend(keys);
        }
        for (row, line) in lines.iter().take(rows).enumerate() {
            let y = inside.y + row as u16;
            if line.style != Style::default() {
                buffer.set_style(Rect::new(inside.x, y, inside.width, 1), line.style);
            }
            buffer.set_line(inside.x + 1, y, line, inside.width.saturating_sub(1));
        }
        for (row, column, field, focused) in fields {
            if let Some(row) = row.checked_sub(skipped).filter(|row| *row < rows) {
                let column = (*column).min(inside.width.saturating_sub(3));
                let line = Rect::new(
                    inside.x + 1 + column,
                    inside.y + row as u16,
                    inside.width - column - 2,
                    1,
                );
                let style = theme
                    .text
                    .add_modifier(ratatui::style::Modifier::UNDERLINED);
                buffer.set_style(line, style);
                field.render(buffer, line, style, *focused);
            }
        }
    }

    fn buttons(&self, verb: &str, theme: &Theme, hint: &str) -> Line<'static> {
        let first = if self.held() { 2 } else { 0 };
        let button = |word: &str, selected: bool| {
            if selected {
                Span::styled(format!("[ {word} ]"), theme.selected)
            } else {
                Span::raw(format!("  {word}  "))
            }
        };
        Line::from(vec![
            button("Cancel", self.focus == first),
            Span::raw(" "),
            button(verb, self.focus == first + 1),
            Span::raw("    "),
            Span::styled(hint.to_owned(), theme.dim),
        ])
    }
}

/// Now and then, what callers will notice, what the gate says.
fn promotion(
    page: &PromotionPage,
    back: bool,
    room: usize,
    context: &Context,
) -> Vec<Line<'static>> {
    let theme = context.theme;
    let mut lines = Vec::new();
    let metric = page.metric.clone().unwrap_or_else(|| "metric".to_owned());
    let side = |word: &str, side: Option<&PromotionSide>| match side {
        None => format!("{word}  nothing serves"),
        Some(side) => {
            let mut out = format!(
                "{word}  {:<5} {}",
                side.version.to_string(),
                text::left(&side.run_name, 14)
            );
            if let Some(value) = side.metric {
                out.push_str(&format!("  {metric} {}", text::number(value.0)));
            }
            if let Some(p95) = side.p95_ms {
                out.push_str(&format!("  p95 {p95:.1} ms"));
            }
            if let Some(since) = side.serving_since {
                out.push_str(&format!(
                    "  serving {}",
                    text::age(context.now.since(since))
                ));
            }
            if let Some(rate) = side.requests_per_s {
                out.push_str(&format!(", {rate:.0} req/s"));
            }
            out
        }
    };
    lines.push(Line::from(side("now ", page.now.as_ref())));
    lines.push(Line::from(side("then", Some(&page.then))));
    let head = "changes for callers   ";
    let changes = if page.changes.is_empty() {
        "none known".to_owned()
    } else {
        page.changes.join(" · ")
    };
    let indent = text::width(head);
    for (row, line) in text::wrap(&changes, room.saturating_sub(indent).max(10))
        .into_iter()
        .enumerate()
    {
        let lead = if row == 0 {
            head.to_owned()
        } else {
            " ".repeat(indent)
        };
        lines.push(Line::from(format!("{lead}{line}")));
    }
    if !page.deployments.is_empty() {
        lines.push(Line::from(format!(
            "deployments that swap {}",
            page.deployments.join(", ")
        )));
    }
    if let Some(verdict) = page.verdict.as_ref().filter(|_| !back) {
        let failed: Vec<_> = verdict
            .checks
            .iter()
            .filter(|check| !check.passed)
            .collect();
        if failed.is_empty() {
            lines.push(Line::styled(
                format!("✓ {}", verdict.sentence()),
                theme.good,
            ));
        } else {
            for check in &failed {
                let said = format!(
                    "✗ {} of {} checks failed: {}: {}",
                    failed.len(),
                    verdict.checks.len(),
                    check.name,
                    check.detail
                );
                for line in text::wrap(&said, room) {
                    lines.push(Line::styled(line, theme.bad));
                }
            }
        }
    }
    lines
}
