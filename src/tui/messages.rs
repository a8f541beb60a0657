//! The messages so far, newest last.

use super::app::App;
use super::effect::Level;
use super::layout;
use super::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Clear, Widget};

/// Draws the list over `area`; `back` messages are scrolled away at the end.
pub fn render(back: usize, app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let place = layout::middle(
        area,
        area.width.saturating_sub(4).min(100),
        area.height.saturating_sub(2),
    );
    Clear.render(place, buffer);
    let inside = super::frame::part(buffer, place, "Messages", true, theme);
    let said = app
        .setup
        .keymap
        .fill("‹down›/‹up› scroll · any other key closes");
    super::frame::foot(buffer, place, said, theme);
    let room = usize::from(inside.width.saturating_sub(2));
    let shown = app.messages.len().saturating_sub(back);
    let mut lines: Vec<Line> = Vec::new();
    for said in &app.messages[..shown] {
        let (sign, style) = match said.level {
            Level::Info => (" ", theme.text),
            Level::Warn => ("▲", theme.warn),
            Level::Error => ("✗", theme.bad),
        };
        let at = text::second(said.at, app.setup.offset_s);
        for (row, part) in text::wrap(&said.text, room.saturating_sub(11).max(10))
            .into_iter()
            .enumerate()
        {
            let head = if row == 0 {
                format!("{at} {sign} ")
            } else {
                " ".repeat(11)
            };
            lines.push(Line::styled(format!("{head}{part}"), style));
        }
    }
    if lines.is_empty() {
        lines.push(Line::styled("no messages yet", theme.dim));
    }
    let rows = usize::from(inside.height);
    let top = lines.len().saturating_sub(rows);
    for (row, line) in lines.iter().skip(top).enumerate() {
        buffer.set_line(inside.x + 1, inside.y + row as u16, line, room as u16);
    }
}
