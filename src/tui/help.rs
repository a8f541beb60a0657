//! Help: every key, this pane's first, searched by typing. Made from the one table.

use super::app::App;
use super::field::Field;
use super::keymap::{Action, TABLE};
use super::layout;
use super::panes::PaneId;
use super::text;
use crossterm::event::{KeyCode, KeyEvent};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

/// The search so far, and the first line shown.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Help {
    /// What is searched.
    pub field: Field,
    /// Lines scrolled away.
    pub top: usize,
}

impl Help {
    /// Takes a key; false: it closes.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        match key.code {
            KeyCode::Esc | KeyCode::Enter => return false,
            KeyCode::Char('?' | 'q') if self.field.text.is_empty() => return false,
            KeyCode::Down => self.top += 1,
            KeyCode::Up => self.top = self.top.saturating_sub(1),
            KeyCode::PageDown => self.top += 10,
            KeyCode::PageUp => self.top = self.top.saturating_sub(10),
            _ => {
                self.field.key(key);
                self.top = 0;
            }
        }
        true
    }
}

/// A line of the help: group, keys, what they do.
struct Entry {
    group: String,
    keys: String,
    does: String,
}

fn entries(app: &App) -> Vec<Entry> {
    let keymap = &app.setup.keymap;
    let keys = |action: Action| keymap.keys(action).join(" ");
    let mut all: Vec<Entry> = Vec::new();
    let bindings = app.pane().bindings();
    for meaning in TABLE {
        if let Some(binding) = bindings
            .iter()
            .find(|binding| binding.action == meaning.action)
        {
            all.push(Entry {
                group: app.current.name().to_owned(),
                keys: keys(meaning.action),
                does: binding.does.to_owned(),
            });
        }
    }
    for meaning in TABLE.iter().filter(|meaning| meaning.everywhere) {
        all.push(Entry {
            group: "everywhere".to_owned(),
            keys: keys(meaning.action),
            does: meaning.does.to_owned(),
        });
    }
    for id in PaneId::ALL.into_iter().filter(|id| *id != app.current) {
        for binding in app.panes[id.index()].bindings() {
            if bindings.iter().any(|known| known.action == binding.action) {
                continue;
            }
            all.push(Entry {
                group: id.name().to_owned(),
                keys: keys(binding.action),
                does: binding.does.to_owned(),
            });
        }
    }
    all
}

/// Draws it over `area`.
pub fn render(help: &Help, app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let wanted = help.field.text.to_lowercase();
    let mut lines: Vec<Line> = Vec::new();
    let mut group = String::new();
    for entry in entries(app) {
        let whole = format!("{} {} {}", entry.group, entry.keys, entry.does).to_lowercase();
        if !wanted.split_whitespace().all(|word| whole.contains(word)) {
            continue;
        }
        if entry.group != group {
            group.clone_from(&entry.group);
            lines.push(Line::styled(entry.group.clone(), theme.accent));
        }
        lines.push(Line::from(vec![
            Span::styled(format!("  {}", text::left(&entry.keys, 12)), theme.strong),
            Span::raw(" "),
            Span::raw(entry.does),
        ]));
    }
    if lines.is_empty() {
        lines.push(Line::styled("no key does that", theme.dim));
    }
    let place = layout::middle(
        area,
        area.width.saturating_sub(4).min(76),
        area.height.saturating_sub(2),
    );
    Clear.render(place, buffer);
    let title = format!("Keys ─ version {}", env!("CARGO_PKG_VERSION"));
    let inside = super::frame::part(buffer, place, title, true, theme);
    if inside.height < 2 {
        return;
    }
    buffer.set_string(inside.x + 1, inside.y, "search: ", theme.dim);
    let field = Rect::new(inside.x + 9, inside.y, inside.width.saturating_sub(10), 1);
    help.field.render(buffer, field, theme.text, true);
    let rows = usize::from(inside.height - 1);
    let top = help.top.min(lines.len().saturating_sub(rows));
    for (row, line) in lines.iter().skip(top).take(rows).enumerate() {
        buffer.set_line(
            inside.x + 1,
            inside.y + 1 + row as u16,
            line,
            inside.width.saturating_sub(1),
        );
    }
    let foot = if top + rows < lines.len() {
        format!("↓ {} more · Esc closes", lines.len() - top - rows)
    } else {
        "type to search · ↑↓ scroll · Esc closes".to_owned()
    };
    super::frame::foot(buffer, place, foot, theme);
}
