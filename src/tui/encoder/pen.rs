//! Colours and attributes of a cell, and the shortest codes from one to another. Must not know where cells stand.

use ratatui::buffer::Cell;
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;

/// Attributes that show on a blank.
pub(super) const ON_BLANKS: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::CROSSED_OUT);

/// Bold and dim end with one code.
pub(super) const WEIGHT: Modifier = Modifier::BOLD.union(Modifier::DIM);

/// Attribute, code that begins it, code that ends it.
const ATTRIBUTES: [(Modifier, u8, u8); 9] = [
    (Modifier::BOLD, 1, 22),
    (Modifier::DIM, 2, 22),
    (Modifier::ITALIC, 3, 23),
    (Modifier::UNDERLINED, 4, 24),
    (Modifier::SLOW_BLINK, 5, 25),
    (Modifier::RAPID_BLINK, 6, 25),
    (Modifier::REVERSED, 7, 27),
    (Modifier::HIDDEN, 8, 28),
    (Modifier::CROSSED_OUT, 9, 29),
];

/// Colours and attributes, of a cell or of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pen {
    pub foreground: Color,
    pub background: Color,
    pub attributes: Modifier,
}

impl Pen {
    pub const PLAIN: Self = Self {
        foreground: Color::Reset,
        background: Color::Reset,
        attributes: Modifier::empty(),
    };

    /// Of a cell, as far as it is seen: the colour of a blank's letter is not.
    pub fn of(cell: &Cell) -> Self {
        let mut pen = Self {
            foreground: cell.fg,
            background: cell.bg,
            attributes: cell.modifier,
        };
        if cell.symbol() == " " && !pen.attributes.intersects(ON_BLANKS) {
            pen.foreground = Color::Reset;
            pen.attributes = Modifier::empty();
        }
        pen
    }

    /// Whether `letter` written by this pen looks as it does by `wanted`.
    pub fn shows(self, letter: &str, wanted: Self) -> bool {
        self == wanted
            || (letter == " "
                && self.background == wanted.background
                && !self.attributes.intersects(ON_BLANKS)
                && !wanted.attributes.intersects(ON_BLANKS))
    }

    /// The codes from this pen to `wanted`: from nothing, or only what differs, whichever is shorter.
    pub fn codes(self, wanted: Self) -> String {
        if self == wanted {
            return String::new();
        }
        let mut anew = Codes::default();
        anew.number(0);
        anew.attributes(wanted.attributes);
        anew.colour(wanted.foreground, false, Color::Reset);
        anew.colour(wanted.background, true, Color::Reset);
        let mut changed = Codes::default();
        let mut ended = self.attributes - wanted.attributes;
        let mut begun = wanted.attributes - self.attributes;
        if ended.intersects(WEIGHT) {
            // the code that ends one ends both
            begun |= wanted.attributes & WEIGHT;
            ended |= WEIGHT;
        }
        let mut last = 0;
        for (attribute, _, end) in ATTRIBUTES {
            if ended.contains(attribute) && end != last {
                changed.number(end);
                last = end;
            }
        }
        changed.attributes(begun);
        changed.colour(wanted.foreground, false, self.foreground);
        changed.colour(wanted.background, true, self.background);
        let anew = if wanted == Self::PLAIN {
            String::new()
        } else {
            anew.0
        };
        let shorter = if changed.0.is_empty() || anew.len() <= changed.0.len() {
            anew
        } else {
            changed.0
        };
        format!("\x1b[{shorter}m")
    }
}

/// Numbers of one SGR sequence.
#[derive(Default)]
struct Codes(String);

impl Codes {
    fn number(&mut self, code: u8) {
        if !self.0.is_empty() {
            self.0.push(';');
        }
        let _ = write!(self.0, "{code}");
    }

    fn attributes(&mut self, attributes: Modifier) {
        for (attribute, begin, _) in ATTRIBUTES {
            if attributes.contains(attribute) {
                self.number(begin);
            }
        }
    }

    /// A colour, unless it is `known` already.
    fn colour(&mut self, colour: Color, background: bool, known: Color) {
        if colour == known {
            return;
        }
        let base = if background { 40 } else { 30 };
        let bright = base + 60;
        match colour {
            Color::Reset => self.number(base + 9),
            Color::Black => self.number(base),
            Color::Red => self.number(base + 1),
            Color::Green => self.number(base + 2),
            Color::Yellow => self.number(base + 3),
            Color::Blue => self.number(base + 4),
            Color::Magenta => self.number(base + 5),
            Color::Cyan => self.number(base + 6),
            Color::Gray => self.number(base + 7),
            Color::DarkGray => self.number(bright),
            Color::LightRed => self.number(bright + 1),
            Color::LightGreen => self.number(bright + 2),
            Color::LightYellow => self.number(bright + 3),
            Color::LightBlue => self.number(bright + 4),
            Color::LightMagenta => self.number(bright + 5),
            Color::LightCyan => self.number(bright + 6),
            Color::White => self.number(bright + 7),
            Color::Indexed(index) => {
                for code in [base + 8, 5, index] {
                    self.number(code);
                }
            }
            Color::Rgb(red, green, blue) => {
                for code in [base + 8, 2, red, green, blue] {
                    self.number(code);
                }
            }
        }
    }
}
