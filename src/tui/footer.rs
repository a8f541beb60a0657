//! The status line (what is shown and how; the filter is typed there) and the footer: the six keys that matter
//! here, or the newest message.

use super::app::App;
use super::effect::Level;
use super::keymap::Action;
use super::text;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

/// Draws the status line.
pub fn status(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let room = usize::from(area.width.saturating_sub(2));
    if let Some(field) = &app.typing {
        buffer.set_string(area.x + 1, area.y, "/", theme.accent);
        let line = Rect::new(area.x + 2, area.y, area.width.saturating_sub(3), 1);
        field.render(buffer, line, theme.text, true);
        let (hint, style) = match app.pane().typed() {
            Some(Err(wrong)) => (format!("▲ {wrong}"), theme.warn),
            Some(Ok(left)) => (format!("{left} · Enter keeps · Esc clears"), theme.dim),
            None => ("Enter keeps · Esc clears".to_owned(), theme.dim),
        };
        let room = usize::from(area.width).saturating_sub(text::width(&field.text) + 7);
        if room >= 16 {
            let hint = text::cut(&hint, room);
            let wide = text::width(&hint) as u16;
            buffer.set_string(area.right() - wide - 1, area.y, hint, style);
        }
        return;
    }
    let mut shown = String::new();
    for part in app.pane().status(&app.context()) {
        let part = app.setup.keymap.fill(&part);
        let next = if shown.is_empty() {
            part
        } else {
            format!("{shown} │ {part}")
        };
        if text::width(&next) > room {
            if shown.is_empty() {
                shown = next;
            }
            break;
        }
        shown = next;
    }
    buffer.set_stringn(
        area.x + 1,
        area.y,
        text::cut(&shown, room),
        room,
        theme.text,
    );
}

/// Draws the footer.
pub fn render(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let room = usize::from(area.width.saturating_sub(1));
    if let Some((said, _)) = &app.toast {
        let (sign, style) = match said.level {
            Level::Info => ("", theme.text),
            Level::Warn => ("▲ ", theme.warn),
            Level::Error => ("✗ ", theme.bad),
        };
        let line = format!("{sign}{}", said.text);
        buffer.set_stringn(area.x + 1, area.y, text::cut(&line, room), room, style);
        return;
    }
    let keymap = &app.setup.keymap;
    let pair = |action: Action| match action {
        // movement is shown as a pair, as people know it
        Action::Down => format!(
            "{}/{}",
            keymap.label(Action::Down),
            keymap.label(Action::Up)
        ),
        action => keymap.label(action),
    };
    let help = (pair(Action::Help), "help".to_owned());
    let mut keys: Vec<(String, String)> = app
        .pane()
        .bindings()
        .iter()
        .filter(|binding| binding.footer)
        .filter(|binding| !(app.setup.read_only && binding.action.changes()))
        .map(|binding| (pair(binding.action), binding.does.to_owned()))
        .collect();
    let long = |keys: &[(String, String)]| {
        keys.iter()
            .map(|(key, does)| text::width(key) + text::width(does) + 3)
            .sum::<usize>()
    };
    let most = if area.width >= 120 { 12 } else { 7 };
    keys.truncate(most);
    while !keys.is_empty() && long(&keys) + long(std::slice::from_ref(&help)) > room + 2 {
        keys.pop();
    }
    keys.push(help);
    let spans: Vec<Span> = keys
        .into_iter()
        .enumerate()
        .flat_map(|(place, (key, does))| {
            [
                Span::raw(if place == 0 { "" } else { "  " }),
                Span::styled(key, theme.strong),
                Span::raw(" "),
                Span::styled(does, theme.text),
            ]
        })
        .collect();
    buffer.set_line(area.x + 1, area.y, &Line::from(spans), room as u16);
}
