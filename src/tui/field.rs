//! A line of text being typed: it owns every printable key.

use super::text;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

/// Text and the cursor in it, counted in characters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// What is typed so far.
    pub text: String,
    cursor: usize,
}

impl Field {
    /// A field with `text` in it, the cursor at its end.
    pub fn with(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            cursor: text.chars().count(),
        }
    }

    fn byte(&self, cursor: usize) -> usize {
        self.text
            .char_indices()
            .nth(cursor)
            .map_or(self.text.len(), |(byte, _)| byte)
    }

    /// Puts `more` at the cursor; line ends become spaces, control characters vanish.
    pub fn insert(&mut self, more: &str) {
        for letter in more.chars() {
            let letter = if matches!(letter, '\n' | '\r' | '\t') {
                ' '
            } else {
                letter
            };
            if !letter.is_control() {
                let at = self.byte(self.cursor);
                self.text.insert(at, letter);
                self.cursor += 1;
            }
        }
    }

    /// Takes a key; false when it is none of the field's.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('u') if control => {
                let at = self.byte(self.cursor);
                self.text.drain(..at);
                self.cursor = 0;
            }
            KeyCode::Char('w') if control => {
                let before: String = self.text.chars().take(self.cursor).collect();
                let kept = before.trim_end().rfind(' ').map_or(0, |at| at + 1);
                let at = self.byte(self.cursor);
                self.text.drain(kept..at);
                self.cursor = self.text[..kept].chars().count();
            }
            KeyCode::Char(letter) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.insert(letter.encode_utf8(&mut [0; 4]));
            }
            KeyCode::Backspace => {
                if self.cursor > 0 {
                    self.cursor -= 1;
                    let at = self.byte(self.cursor);
                    self.text.remove(at);
                }
            }
            KeyCode::Delete => {
                let at = self.byte(self.cursor);
                if at < self.text.len() {
                    self.text.remove(at);
                }
            }
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.chars().count()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.chars().count(),
            _ => return false,
        }
        true
    }

    /// Draws it into a line, the cursor reversed when `focused`; the text scrolls so that the cursor is seen.
    pub fn render(&self, buffer: &mut Buffer, area: Rect, style: Style, focused: bool) {
        let room = usize::from(area.width);
        if room == 0 || area.height == 0 {
            return;
        }
        let before: String = self.text.chars().take(self.cursor).collect();
        let mut hidden = 0;
        while text::width(&before.chars().skip(hidden).collect::<String>()) + 1 > room {
            hidden += 1;
        }
        let shown: String = self.text.chars().skip(hidden).collect();
        buffer.set_stringn(area.x, area.y, &shown, room, style);
        if focused {
            let column = text::width(&before.chars().skip(hidden).collect::<String>()) as u16;
            if let Some(cell) = buffer.cell_mut((area.x + column.min(area.width - 1), area.y)) {
                cell.modifier.insert(Modifier::REVERSED);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(field: &mut Field, code: KeyCode, modifiers: KeyModifiers) {
        field.key(&KeyEvent::new(code, modifiers));
    }

    #[test]
    fn letters_go_in_at_the_cursor() {
        let mut field = Field::with("ac");
        press(&mut field, KeyCode::Left, KeyModifiers::NONE);
        press(&mut field, KeyCode::Char('é'), KeyModifiers::NONE);
        assert_eq!(field.text, "aéc");
        press(&mut field, KeyCode::Backspace, KeyModifiers::NONE);
        assert_eq!(field.text, "ac");
    }

    #[test]
    fn words_and_lines_go_at_once() {
        let mut field = Field::with("one two");
        press(&mut field, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(field.text, "one ");
        press(&mut field, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(field.text, "");
    }

    #[test]
    fn pasted_lines_become_one() {
        let mut field = Field::default();
        field.insert("a\nb\u{1b}[A");
        assert_eq!(field.text, "a b[A");
    }
}
