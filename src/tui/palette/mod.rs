//! The palette: every subcommand by its command-line name, with completion and what it will run.
//! What maps to the protocol or to a pane is done here; the rest is copied as a shell command.

mod entries;
mod run;

pub use run::run;

use super::app::App;
use super::field::Field;
use super::layout;
use super::text;
use crate::api::protocol::Overview;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use entries::matches;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Clear, Widget};

/// What is typed, and the row under the cursor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Palette {
    /// The command so far.
    pub field: Field,
    cursor: usize,
}

/// What a key did.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// It stays open.
    Stay,
    /// It closes.
    Cancelled,
    /// It closes, and this line is run.
    Run(String),
}

impl Palette {
    /// Takes a key.
    pub fn key(&mut self, key: &KeyEvent, overview: Option<&Overview>) -> Outcome {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let found = matches(&self.field.text, overview);
        let last = found.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => return Outcome::Cancelled,
            KeyCode::Char('c') if control => return Outcome::Cancelled,
            KeyCode::Down => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Tab => {
                if let Some((line, takes, ..)) = found.get(self.cursor.min(last)) {
                    let space = if takes.is_empty() { "" } else { " " };
                    self.field = Field::with(&format!("{line}{space}"));
                    self.cursor = 0;
                }
            }
            KeyCode::Enter => {
                let Some((line, takes, ..)) = found.get(self.cursor.min(last)) else {
                    return Outcome::Stay;
                };
                let needs = !takes.is_empty() && !takes.starts_with('[');
                if needs && self.field.text.trim() != line {
                    self.field = Field::with(&format!("{line} "));
                    self.cursor = 0;
                } else {
                    return Outcome::Run(line.clone());
                }
            }
            _ => {
                if self.field.key(key) {
                    self.cursor = 0;
                }
            }
        }
        Outcome::Stay
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        self.field.insert(text);
        self.cursor = 0;
    }
}

/// Draws it over `area`.
pub fn render(palette: &Palette, app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let found = matches(&palette.field.text, app.overview.as_ref());
    let place = layout::middle(
        area,
        area.width.saturating_sub(4).min(90),
        area.height.saturating_sub(2).min(20),
    );
    Clear.render(place, buffer);
    let inside = super::frame::part(buffer, place, "Commands", true, theme);
    if inside.height < 3 {
        return;
    }
    buffer.set_string(inside.x + 1, inside.y, ":", theme.accent);
    let field = Rect::new(inside.x + 2, inside.y, inside.width.saturating_sub(3), 1);
    palette.field.render(buffer, field, theme.text, true);
    let rows = usize::from(inside.height - 2);
    let cursor = palette.cursor.min(found.len().saturating_sub(1));
    let top = cursor.saturating_sub(rows.saturating_sub(1));
    for (row, (line, takes, does, here)) in found.iter().enumerate().skip(top).take(rows) {
        let y = inside.y + 1 + (row - top) as u16;
        let left = text::left(&format!("{line} {takes}"), 34);
        let style = if row == cursor {
            theme.selected
        } else if *here {
            theme.text
        } else {
            theme.dim
        };
        let line = Line::from(vec![
            Span::raw(if row == cursor { "▌" } else { " " }),
            Span::raw(left),
            Span::raw(" "),
            Span::raw(does.clone()),
        ]);
        buffer.set_line(inside.x, y, &line, inside.width);
        buffer.set_style(Rect::new(inside.x, y, inside.width, 1), style);
    }
    let y = inside.bottom() - 1;
    let said = match found.get(cursor) {
        None => "no such command".to_owned(),
        Some((line, takes, _, here)) => {
            let typed = palette.field.text.trim();
            let line = if typed.starts_with(line.as_str()) {
                typed
            } else {
                line
            };
            let shown = format!("trainyard {line} {takes}");
            if *here {
                format!("runs: {}", shown.trim_end())
            } else {
                format!("copies for a shell: {}", shown.trim_end())
            }
        }
    };
    buffer.set_stringn(
        inside.x + 1,
        y,
        text::cut(&said, usize::from(inside.width - 2)),
        usize::from(inside.width - 2),
        theme.dim,
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use crate::api::protocol::Command;
    use crate::domain::{ModelName, Version};
    use crate::tui::effect::{Effect, Then};

    #[test]
    fn typing_finds_and_tab_completes() {
        let overview = Overview {
            pipelines: vec!["late".to_owned()],
            ..Overview::default()
        };
        let found = matches("tra", Some(&overview));
        assert_eq!(found[0].0, "train");
        let found = matches("train l", Some(&overview));
        assert_eq!(found[0].0, "train late");
    }

    #[test]
    fn promote_shows_the_page_first() {
        let effects = run("models promote delay v13", None, false).unwrap();
        assert_eq!(
            effects,
            [Effect::Send {
                command: Command::PreviewPromotion {
                    model: ModelName::from("delay"),
                    version: Version(13)
                },
                then: Then::Page { back: false }
            }]
        );
    }

    #[test]
    fn what_is_not_here_is_copied() {
        let effects = run("profile flights", None, false).unwrap();
        assert!(
            matches!(&effects[0], Effect::Copy { text, .. } if text == "trainyard profile flights")
        );
    }

    #[test]
    fn read_only_changes_nothing() {
        assert!(run("train late", None, true).is_err());
        assert!(run("down", None, true).is_err());
    }
}
