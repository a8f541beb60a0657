//! Text fields and lists of them.
//!
//! A field takes [`Edit`]s, not keys: which key does what is decided where keys are known.

use super::{Look, paint, put};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// One change of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A typed letter.
    Insert(char),
    /// Pasted text: line ends become blanks, other control letters are dropped.
    Paste(String),
    /// Deletes the letter before the cursor.
    Backspace,
    /// Deletes the letter under the cursor.
    Delete,
    /// Deletes back to the start of the word.
    DeleteWord,
    /// Deletes back to the start.
    DeleteToStart,
    /// One letter back.
    Left,
    /// One letter on.
    Right,
    /// One word back.
    WordLeft,
    /// One word on.
    WordRight,
    /// To the start.
    Home,
    /// To the end.
    End,
}

/// A line of text with a cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Field {
    /// Before the field.
    pub label: String,
    /// Shown dimmed while the field is empty.
    pub hint: String,
    value: String,
    /// Letters before the cursor.
    cursor: usize,
}

impl Field {
    /// A field with a value and the cursor behind it.
    pub fn new(label: impl Into<String>, value: impl Into<String>) -> Self {
        let value = value.into();
        Self {
            label: label.into(),
            hint: String::new(),
            cursor: value.chars().count(),
            value,
        }
    }

    /// The text.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Letters before the cursor.
    pub fn cursor(&self) -> usize {
        self.cursor
    }

    /// Makes one change; one that is not possible does nothing.
    pub fn apply(&mut self, edit: &Edit) {
        match edit {
            Edit::Insert(letter) => self.insert(*letter),
            Edit::Paste(text) => {
                for letter in text.trim_end_matches(['\r', '\n']).chars() {
                    match letter {
                        '\n' | '\t' => self.insert(' '),
                        letter => self.insert(letter),
                    }
                }
            }
            Edit::Backspace => self.delete(self.cursor.saturating_sub(1), self.cursor),
            Edit::Delete => self.delete(self.cursor, self.cursor + 1),
            Edit::DeleteWord => self.delete(self.word_left(), self.cursor),
            Edit::DeleteToStart => self.delete(0, self.cursor),
            Edit::Left => self.cursor = self.cursor.saturating_sub(1),
            Edit::Right => self.cursor = (self.cursor + 1).min(self.length()),
            Edit::WordLeft => self.cursor = self.word_left(),
            Edit::WordRight => self.cursor = self.word_right(),
            Edit::Home => self.cursor = 0,
            Edit::End => self.cursor = self.length(),
        }
    }

    fn length(&self) -> usize {
        self.value.chars().count()
    }

    fn byte(&self, letters: usize) -> usize {
        self.value
            .char_indices()
            .nth(letters)
            .map_or(self.value.len(), |(byte, _)| byte)
    }

    fn insert(&mut self, letter: char) {
        if letter.is_control() {
            return;
        }
        let byte = self.byte(self.cursor);
        self.value.insert(byte, letter);
        self.cursor += 1;
    }

    fn delete(&mut self, from: usize, to: usize) {
        let (first, last) = (self.byte(from), self.byte(to));
        self.value.replace_range(first..last, "");
        self.cursor = from.min(self.length());
    }

    fn word_left(&self) -> usize {
        let before: Vec<char> = self.value.chars().take(self.cursor).collect();
        let blank = |place: &usize| before[*place - 1].is_whitespace();
        let mut place = self.cursor;
        while place > 0 && blank(&place) {
            place -= 1;
        }
        while place > 0 && !blank(&place) {
            place -= 1;
        }
        place
    }

    fn word_right(&self) -> usize {
        let letters: Vec<char> = self.value.chars().collect();
        let mut place = self.cursor;
        while place < letters.len() && letters[place].is_whitespace() {
            place += 1;
        }
        while place < letters.len() && !letters[place].is_whitespace() {
            place += 1;
        }
        place
    }

    /// Draws the value into one line, scrolled so that the cursor is seen; the cursor is a reversed
    /// cell while the field has the focus.
    pub fn render(&self, area: Rect, buf: &mut Buffer, focused: bool, look: &Look) {
        let area = area.intersection(*buf.area());
        if area.is_empty() {
            return;
        }
        let width = usize::from(area.width);
        let before: Vec<char> = self.value.chars().take(self.cursor).collect();
        // drop letters from the left until the cursor has a cell
        let mut skipped = 0;
        let columns = |letters: &[char]| -> usize {
            letters
                .iter()
                .map(|letter| letter.width().unwrap_or(0))
                .sum()
        };
        while columns(&before[skipped..]) + 1 > width && skipped < before.len() {
            skipped += 1;
        }
        let shown: String = self.value.chars().skip(skipped).collect();
        put(
            buf,
            (area.x, area.y),
            &"_".repeat(width),
            area.width,
            look.dim,
        );
        if self.value.is_empty() && !self.hint.is_empty() {
            put(buf, (area.x, area.y), &self.hint, area.width, look.dim);
        }
        put(buf, (area.x, area.y), &shown, area.width, look.text);
        if focused {
            let cursor = Rect {
                x: area.x + columns(&before[skipped..]) as u16,
                width: 1,
                height: 1,
                ..area
            };
            if cursor.x < area.right() {
                if buf[(cursor.x, cursor.y)].symbol() == "_" {
                    buf[(cursor.x, cursor.y)].set_char(' ');
                }
                paint(buf, cursor, look.selected);
            }
        }
    }
}

/// Fields below one another, one of which has the focus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// From the top.
    pub fields: Vec<Field>,
    /// The field that edits go to.
    pub focus: usize,
}

impl Form {
    /// The focus goes to the next field, after the last to the first.
    pub fn next(&mut self) {
        self.focus = (self.focus + 1) % self.fields.len().max(1);
    }

    /// The focus goes to the field before, before the first to the last.
    pub fn previous(&mut self) {
        let count = self.fields.len().max(1);
        self.focus = (self.focus + count - 1) % count;
    }

    /// Changes the field with the focus.
    pub fn apply(&mut self, edit: &Edit) {
        if let Some(field) = self.fields.get_mut(self.focus) {
            field.apply(edit);
        }
    }

    /// Draws one field a line, labels before them in a column of equal width.
    pub fn render(&self, area: Rect, buf: &mut Buffer, focused: bool, look: &Look) {
        let labels = self.fields.iter().map(|field| field.label.width()).max();
        let labels = (labels.unwrap_or(0) as u16 + 2).min(area.width / 2);
        for (place, field) in self.fields.iter().enumerate() {
            let y = area.y + place as u16;
            if y >= area.bottom() {
                break;
            }
            let here = focused && place == self.focus;
            let style = if here { look.accent } else { look.dim };
            put(
                buf,
                (area.x, y),
                &field.label,
                labels.saturating_sub(1),
                style,
            );
            let line = Rect {
                x: area.x + labels,
                y,
                width: area.width - labels,
                height: 1,
            };
            field.render(line, buf, here, look);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::text;
    use super::*;

    fn after(value: &str, edits: &[Edit]) -> (String, usize) {
        let mut field = Field::new("name", value);
        for edit in edits {
            field.apply(edit);
        }
        (field.value().to_owned(), field.cursor())
    }

    #[test]
    fn letters_go_where_the_cursor_is() {
        let edits = [Edit::Left, Edit::Insert('é'), Edit::Home, Edit::Insert('→')];
        assert_eq!(after("ab", &edits), ("→aéb".to_owned(), 1));
    }

    #[test]
    fn deleting_respects_letters_of_several_bytes() {
        assert_eq!(after("aé", &[Edit::Backspace]), ("a".to_owned(), 1));
        assert_eq!(
            after("éa", &[Edit::Home, Edit::Delete]),
            ("a".to_owned(), 0)
        );
        assert_eq!(
            after("", &[Edit::Backspace, Edit::Delete]),
            (String::new(), 0)
        );
        assert_eq!(after("ab", &[Edit::Delete]), ("ab".to_owned(), 2));
    }

    #[test]
    fn words_end_at_blanks() {
        assert_eq!(
            after("val_auc > 0.8", &[Edit::DeleteWord]),
            ("val_auc > ".to_owned(), 10)
        );
        assert_eq!(after("a bc  ", &[Edit::WordLeft]).1, 2);
        assert_eq!(after("a bc", &[Edit::Home, Edit::WordRight]).1, 1);
        assert_eq!(
            after("a bc", &[Edit::Left, Edit::DeleteToStart]),
            ("c".to_owned(), 0)
        );
    }

    #[test]
    fn pasted_text_stays_one_line_without_control_letters() {
        let paste = Edit::Paste("v13\nand \u{1b}[31mmore\r\n".to_owned());
        assert_eq!(after("", &[paste]).0, "v13 and [31mmore");
    }

    #[test]
    fn a_long_value_scrolls_with_its_cursor() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 6, 1));
        Field::new("", "0123456789").render(*buf.area(), &mut buf, true, &Look::mono());
        assert_eq!(text(&buf), "56789");
    }

    #[test]
    fn fields_line_up_and_the_focus_goes_round() {
        let mut form = Form {
            fields: vec![Field::new("version", "v1"), Field::new("reason", "")],
            focus: 0,
        };
        form.previous();
        assert_eq!(form.focus, 1);
        form.apply(&Edit::Insert('x'));
        form.next();
        let mut buf = Buffer::empty(Rect::new(0, 0, 16, 2));
        form.render(*buf.area(), &mut buf, true, &Look::mono());
        assert_eq!(text(&buf), "version v1 _____\nreason  x_______");
    }
}
