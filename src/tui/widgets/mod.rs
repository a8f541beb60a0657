//! What panes are made of: charts, tables, sparklines, forms, dialogs.
//!
//! Plain functions and structs that take data, an area and a [`Look`]. They know no pane, no theme file,
//! no keys of the dashboard; nothing is computed or remembered while drawing.

pub mod backend;
pub mod chart;
pub mod histogram;
pub mod sparkline;
pub mod table;

pub use backend::TerminalBackend;
pub use table::{Column, Hit, Table};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The characters that lines of charts are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Marker {
    /// 2x4 dots a cell.
    #[default]
    Braille,
    /// 2x3 blocks a cell (Unicode 13).
    Sextant,
    /// 2x2 blocks a cell.
    Block,
    /// `'`, `-`, `.` and `|`.
    Ascii,
}

/// Colours and signs, as the theme decided them.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// Normal text.
    pub text: Style,
    /// What has the focus; headings.
    pub accent: Style,
    /// Labels, remarks, raw lines.
    pub dim: Style,
    /// Within limits, done.
    pub good: Style,
    /// Late, provisional, near a limit.
    pub warn: Style,
    /// Failed, beyond a limit.
    pub bad: Style,
    /// The selected row, button or field.
    pub selected: Style,
    /// Colours of series, safe for colour-blind eyes.
    pub series: [Color; 6],
    /// The champion's line and the reference distribution.
    pub reference: Color,
    /// Where both distributions are.
    pub overlap: Color,
    /// Nothing beyond ASCII is drawn.
    pub ascii: bool,
    /// What lines are made of; with `ascii` always [`Marker::Ascii`].
    pub marker: Marker,
}

impl Look {
    /// Without colours: bold, dim and reversed text carry what colours would.
    pub fn mono() -> Self {
        let plain = Style::new();
        Self {
            text: plain,
            accent: plain.add_modifier(Modifier::BOLD),
            dim: plain.add_modifier(Modifier::DIM),
            good: plain,
            warn: plain.add_modifier(Modifier::BOLD),
            bad: plain.add_modifier(Modifier::BOLD),
            selected: plain.add_modifier(Modifier::REVERSED),
            series: [Color::Reset; 6],
            reference: Color::Reset,
            overlap: Color::Reset,
            ascii: false,
            marker: Marker::Braille,
        }
    }

    /// Colours of a sixteen-colour terminal.
    pub fn ansi() -> Self {
        let of = |colour| Style::new().fg(colour);
        Self {
            text: Style::new(),
            accent: of(Color::Cyan).add_modifier(Modifier::BOLD),
            dim: of(Color::DarkGray),
            good: of(Color::Green),
            warn: of(Color::Yellow),
            bad: of(Color::Red),
            series: [
                Color::LightBlue,
                Color::Yellow,
                Color::Cyan,
                Color::LightMagenta,
                Color::Magenta,
                Color::Gray,
            ],
            reference: Color::White,
            overlap: Color::Gray,
            ..Self::mono()
        }
    }

    /// Whether series cannot be told apart by colour.
    pub fn is_mono(&self) -> bool {
        self.series[0] == self.series[1]
    }

    /// The marker that lines are drawn with.
    pub fn lines(&self) -> Marker {
        if self.ascii {
            Marker::Ascii
        } else {
            self.marker
        }
    }

    /// The sign, or what stands for it in ASCII.
    pub fn sign(&self, sign: &'static str, ascii: &'static str) -> &'static str {
        if self.ascii { ascii } else { sign }
    }
}

/// What stands for a letter where only ASCII is wanted.
pub fn plain(letter: char) -> char {
    match letter {
        letter if letter.is_ascii() => letter,
        '·' | '○' => '.',
        '×' | '✗' => 'x',
        '✓' => '+',
        '↑' => '^',
        '↓' | '▾' => 'v',
        '└' => '+',
        '→' | '▶' | '▸' | '▌' | '≥' => '>',
        '←' | '≤' => '<',
        '…' | '±' | '≈' => '~',
        '◆' | '★' => '*',
        '●' | '◌' => 'o',
        '▲' => '!',
        '─' | '–' | '—' | '−' | '┄' => '-',
        '│' => '|',
        '┆' => ':',
        'Δ' => 'd',
        'µ' | 'μ' => 'u',
        '‘' | '’' => '\'',
        '“' | '”' => '"',
        '\u{a0}' => ' ',
        _ => '?',
    }
}

/// The text with [`plain`] letters, as wide as it was.
pub fn plain_text(text: &str) -> String {
    let mut plainer = String::with_capacity(text.len());
    for letter in text.chars() {
        for _ in 0..letter.width().unwrap_or(0) {
            plainer.push(plain(letter));
        }
    }
    plainer
}

/// Cuts a text to `width` columns; an ellipsis says that something is missing. With `ascii` the text
/// is made [`plain_text`].
pub fn truncate(text: &str, width: usize, ascii: bool) -> String {
    let plainer = if ascii {
        plain_text(text)
    } else {
        text.to_owned()
    };
    if plainer.width() <= width {
        return plainer;
    }
    let text = plainer;
    let mark = if ascii { '~' } else { '…' };
    let mut kept = String::new();
    let mut used = 0;
    for letter in text.chars() {
        let next = letter.width().unwrap_or(0);
        if used + next + 1 > width {
            break;
        }
        used += next;
        kept.push(letter);
    }
    if width > 0 {
        kept.push(mark);
    }
    kept
}

/// Puts a text at `(x, y)`, cut to `width` columns and to the buffer. Returns the columns used.
pub fn put(buf: &mut Buffer, (x, y): (u16, u16), text: &str, width: u16, style: Style) -> u16 {
    let area = *buf.area();
    if y < area.y || y >= area.bottom() || x < area.x || x >= area.right() {
        return 0;
    }
    let width = width.min(area.right() - x);
    let (end, _) = buf.set_stringn(x, y, text, usize::from(width), style);
    end - x
}

/// Gives a style to all cells of a rectangle.
pub fn paint(buf: &mut Buffer, area: Rect, style: Style) {
    buf.set_style(area.intersection(*buf.area()), style);
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The buffer's characters, line by line, without trailing blanks.
    pub(crate) fn text(buf: &Buffer) -> String {
        let area = *buf.area();
        (area.y..area.bottom())
            .map(|y| {
                let line: String = (area.x..area.right())
                    .map(|x| buf[(x, y)].symbol())
                    .collect();
                line.trim_end().to_owned()
            })
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn long_texts_end_with_an_ellipsis() {
        assert_eq!(truncate("brave-otter", 8, false), "brave-o…");
        assert_eq!(truncate("brave-otter", 8, true), "brave-o~");
        assert_eq!(truncate("otter", 5, false), "otter");
        assert_eq!(truncate("日本語", 4, false), "日…");
        assert_eq!(truncate("otter", 0, false), "");
        assert_eq!(truncate("✓ Δ日本", 9, true), "+ d????");
    }

    #[test]
    fn nothing_is_put_outside_the_buffer() {
        let mut buf = Buffer::empty(Rect::new(0, 0, 4, 1));
        assert_eq!(put(&mut buf, (9, 0), "x", 4, Style::new()), 0);
        assert_eq!(put(&mut buf, (2, 0), "abcdef", 9, Style::new()), 2);
        assert_eq!(text(&buf), "  ab");
    }
}
