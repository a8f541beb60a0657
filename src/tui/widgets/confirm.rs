//! A dialog that says what will change, with buttons; the first one, Cancel, is selected when it
//! opens.
//!
//! It draws and says which button is where; what a button does is decided elsewhere.

use super::{Form, Look, put, truncate};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::symbols::border;
use ratatui::widgets::{Block, Clear, Widget};
use unicode_width::UnicodeWidthStr;

/// How a line of the dialog is meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// A statement.
    #[default]
    Plain,
    /// A remark.
    Dim,
    /// Good news.
    Good,
    /// A warning.
    Warn,
    /// A failed check.
    Bad,
}

/// The dialog.
#[derive(Clone, Debug, PartialEq)]
pub struct Confirm {
    /// In the frame: "Promote delay v13 to champion".
    pub title: String,
    /// Now, then, what callers notice, the way back.
    pub lines: Vec<(String, Tone)>,
    /// What must be typed; empty for most dialogs.
    pub form: Form,
    /// "Cancel" first.
    pub buttons: Vec<String>,
    /// The selected button; 0 when the dialog opens.
    pub selected: usize,
    /// Whether the form has the focus instead of the buttons.
    pub typing: bool,
    /// After the buttons: "Esc cancels".
    pub note: String,
}

impl Confirm {
    /// A dialog with Cancel (selected) and one button that acts.
    pub fn new(
        title: impl Into<String>,
        lines: Vec<(String, Tone)>,
        action: impl Into<String>,
        note: impl Into<String>,
    ) -> Self {
        Self {
            title: title.into(),
            lines,
            form: Form::default(),
            buttons: vec!["Cancel".to_owned(), action.into()],
            selected: 0,
            typing: false,
            note: note.into(),
        }
    }

    /// The next button is selected, after the last the first.
    pub fn next(&mut self) {
        self.selected = (self.selected + 1) % self.buttons.len().max(1);
    }

    /// The button before is selected, before the first the last.
    pub fn previous(&mut self) {
        let count = self.buttons.len().max(1);
        self.selected = (self.selected + count - 1) % count;
    }

    /// Where the dialog stands on a screen: centred, as wide as its longest line, at most the screen.
    pub fn area(&self, screen: Rect) -> Rect {
        let lines = self.lines.iter().map(|(line, _)| line.width());
        let fields = self
            .form
            .fields
            .iter()
            .map(|field| field.label.width() + 24);
        let widest = lines
            .chain(fields)
            .chain([self.title.width() + 4, self.button_line()])
            .max()
            .unwrap_or(0) as u16;
        let width = (widest + 4).clamp(40.min(screen.width), screen.width);
        let height = (self.lines.len() + self.form.fields.len() + 3) as u16;
        let height = height.min(screen.height);
        Rect {
            x: screen.x + (screen.width - width) / 2,
            y: screen.y + (screen.height - height) / 2,
            width,
            height,
        }
    }

    fn button_line(&self) -> usize {
        let buttons: usize = self.buttons.iter().map(|text| text.width() + 5).sum();
        buttons + self.note.width()
    }

    /// Left edge and width of each button, counted from the inside of the frame.
    fn button_places(&self) -> Vec<(u16, u16)> {
        let mut left = 1;
        self.buttons
            .iter()
            .map(|text| {
                let width = text.width() as u16 + 4;
                let here = (left, width);
                left += width + 1;
                here
            })
            .collect()
    }

    /// The button at `(x, y)` when the dialog is drawn on this screen.
    pub fn hit(&self, screen: Rect, x: u16, y: u16) -> Option<usize> {
        let area = self.area(screen);
        if area.height < 3 || y != area.bottom() - 2 || x <= area.x {
            return None;
        }
        let x = x - area.x - 1;
        self.button_places()
            .iter()
            .position(|(left, width)| x >= *left && x < left + width)
    }

    /// Draws the dialog over what is there.
    pub fn render(&self, screen: Rect, buf: &mut Buffer, look: &Look) {
        let area = self.area(screen).intersection(*buf.area());
        if area.width < 3 || area.height < 3 {
            return;
        }
        Clear.render(area, buf);
        let title = truncate(&self.title, usize::from(area.width) - 4, look.ascii);
        Block::bordered()
            .border_set(if look.ascii {
                ASCII_FRAME
            } else {
                border::PLAIN
            })
            .border_style(look.accent)
            .title(format!(" {title} "))
            .render(area, buf);
        let inner = Rect {
            x: area.x + 1,
            y: area.y + 1,
            width: area.width - 2,
            height: area.height - 2,
        };
        let buttons = inner.bottom() - 1;
        let text = inner.width.saturating_sub(2);
        let mut y = inner.y;
        for (line, tone) in &self.lines {
            if y >= buttons {
                break;
            }
            let line = truncate(line, usize::from(text), look.ascii);
            put(buf, (inner.x + 1, y), &line, text, tone.style(look));
            y += 1;
        }
        if y < buttons {
            let fields = Rect {
                x: inner.x + 1,
                y,
                width: text,
                height: buttons - y,
            };
            self.form.render(fields, buf, self.typing, look);
        }
        for (place, ((left, width), label)) in
            self.button_places().iter().zip(&self.buttons).enumerate()
        {
            let selected = place == self.selected && !self.typing;
            // brackets tell the selected button without colours
            let (label, style) = if selected {
                (format!("[ {label} ]"), look.selected)
            } else {
                (format!("  {label}  "), look.text)
            };
            if left + width <= inner.width {
                put(buf, (inner.x + left, buttons), &label, *width, style);
            }
        }
        let end = self
            .button_places()
            .last()
            .map_or(1, |(left, width)| left + width + 1);
        if end < inner.width {
            let room = usize::from(inner.width - end);
            let note = truncate(&self.note, room, look.ascii);
            put(
                buf,
                (inner.x + end, buttons),
                &note,
                inner.width - end,
                look.dim,
            );
        }
    }
}

const ASCII_FRAME: border::Set<'static> = border::Set {
    top_left: "+",
    top_right: "+",
    bottom_left: "+",
    bottom_right: "+",
    vertical_left: "|",
    vertical_right: "|",
    horizontal_top: "-",
    horizontal_bottom: "-",
};

impl Tone {
    fn style(self, look: &Look) -> Style {
        match self {
            Tone::Plain => look.text,
            Tone::Dim => look.dim,
            Tone::Good => look.good,
            Tone::Warn => look.warn,
            Tone::Bad => look.bad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Field, tests::text};
    use super::*;

    fn promote() -> Confirm {
        Confirm::new(
            "Promote delay v13 to champion",
            vec![
                ("now   v12  auc 0.8011".to_owned(), Tone::Plain),
                ("then  v13  auc 0.8123".to_owned(), Tone::Plain),
            ],
            "Promote",
            "Esc cancels · r rolls back",
        )
    }

    #[test]
    fn cancel_is_selected_when_it_opens() {
        let dialog = promote();
        let mut buf = Buffer::empty(Rect::new(0, 0, 60, 7));
        dialog.render(*buf.area(), &mut buf, &Look::mono());
        insta::assert_snapshot!(text(&buf));
        assert_eq!(dialog.selected, 0);
    }

    #[test]
    fn it_works_in_ascii_with_a_form() {
        let mut dialog = promote();
        dialog.form.fields = vec![
            Field::new("type the version", "v1"),
            Field::new("reason", ""),
        ];
        dialog.typing = true;
        dialog.note = "Esc cancels".to_owned();
        let mut buf = Buffer::empty(Rect::new(0, 0, 60, 8));
        let look = Look {
            ascii: true,
            ..Look::mono()
        };
        dialog.render(*buf.area(), &mut buf, &look);
        insta::assert_snapshot!(text(&buf));
    }

    #[test]
    fn a_click_finds_its_button() {
        let mut dialog = promote();
        let screen = Rect::new(0, 0, 60, 7);
        let area = dialog.area(screen);
        let y = area.bottom() - 2;
        assert_eq!(dialog.hit(screen, area.x + 3, y), Some(0));
        assert_eq!(dialog.hit(screen, area.x + 15, y), Some(1));
        assert_eq!(dialog.hit(screen, area.x + 3, y - 1), None);
        dialog.previous();
        assert_eq!(dialog.selected, 1);
        dialog.next();
        assert_eq!(dialog.selected, 0);
    }

    #[test]
    fn no_screen_is_too_small() {
        for (width, height) in [(0, 0), (2, 2), (10, 3), (30, 4)] {
            let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
            promote().render(*buf.area(), &mut buf, &Look::mono());
        }
    }
}
