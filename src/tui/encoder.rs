//! A frame as bytes: the shortest way found from the picture that a terminal shows to the next one. Cells that look
//! the same are not sent, short gaps are written over where that is shorter than a jump, blanks are erased, and an
//! attribute changes by itself. Must not know what the pictures show, nor how the bytes reach the terminal.
//!
//! A frame begins and ends with plain attributes and says where it begins, so frames do not depend on each other's
//! end. Relative moves are used only after letters whose width every terminal agrees on.

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// Attributes that show on a blank.
const ON_BLANKS: Modifier = Modifier::REVERSED
    .union(Modifier::UNDERLINED)
    .union(Modifier::CROSSED_OUT);

/// Bold and dim end with one code.
const WEIGHT: Modifier = Modifier::BOLD.union(Modifier::DIM);

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

/// The bytes that make a terminal showing `shown` show `next`; both have one area. Empty when nothing looks different.
/// `erases` says that the terminal knows ECH (all but those before the VT220).
pub fn encode(shown: &Buffer, next: &Buffer, erases: bool) -> String {
    let mut encoder = Encoder {
        out: String::new(),
        pen: Pen::PLAIN,
        at: None,
        sure: false,
        erases,
    };
    for y in 0..next.area.height {
        let before = row(shown, y);
        let after = row(next, y);
        encoder.line(y, &before, &after);
    }
    encoder.take(Pen::PLAIN);
    encoder.out
}

/// What a cell looks like; none for the right half of a wide letter.
type Seen<'a> = Option<(&'a str, Pen)>;

/// Colours and attributes, of a cell or of the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Pen {
    foreground: Color,
    background: Color,
    attributes: Modifier,
}

impl Pen {
    const PLAIN: Self = Self {
        foreground: Color::Reset,
        background: Color::Reset,
        attributes: Modifier::empty(),
    };

    /// Of a cell, as far as it is seen: the colour of a blank's letter is not.
    fn of(cell: &Cell) -> Self {
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
    fn shows(self, letter: &str, wanted: Self) -> bool {
        self == wanted
            || (letter == " "
                && self.background == wanted.background
                && !self.attributes.intersects(ON_BLANKS)
                && !wanted.attributes.intersects(ON_BLANKS))
    }

    /// The codes from this pen to `wanted`: from nothing, or only what differs, whichever is shorter.
    fn codes(self, wanted: Self) -> String {
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

/// The cells of a line as they are seen.
fn row(buffer: &Buffer, y: u16) -> Vec<Seen<'_>> {
    let width = usize::from(buffer.area.width);
    let start = usize::from(y) * width;
    let mut seen: Vec<Seen> = Vec::with_capacity(width);
    let mut covered = 0;
    for cell in &buffer.content[start..start + width] {
        if covered > 0 {
            covered -= 1;
            seen.push(None);
            continue;
        }
        let letter = match cell.symbol() {
            "" => " ",
            letter => letter,
        };
        covered = letter.width().saturating_sub(1);
        seen.push(Some((letter, Pen::of(cell))));
    }
    seen
}

fn is_blank(seen: &Seen) -> bool {
    *seen == Some((" ", Pen::PLAIN))
}

/// The terminal as it is while the frame is written.
struct Encoder {
    out: String,
    pen: Pen,
    /// Column and line of the cursor, where they are known.
    at: Option<(u16, u16)>,
    /// All terminals agree on the column.
    sure: bool,
    erases: bool,
}

impl Encoder {
    fn line(&mut self, y: u16, before: &[Seen], after: &[Seen]) {
        let width = after.len();
        let differs = |x: usize| before[x] != after[x];
        let mut x = 0;
        while x < width {
            if !differs(x) {
                x += 1;
                continue;
            }
            let Some((letter, pen)) = after[x] else {
                // written with its left half
                x += 1;
                continue;
            };
            if is_blank(&after[x]) {
                let end = (x..width).find(|x| !is_blank(&after[*x])).unwrap_or(width);
                let last = (x..end).rev().find(|x| differs(*x)).unwrap_or(x);
                let next = (end..width).find(|x| differs(*x));
                if self.erase(y, x, last + 1 - x, end == width, next) {
                    x = last + 1;
                    continue;
                }
            }
            self.reach(x as u16, y, pen, after);
            self.put(letter, pen);
            self.advance(letter, width);
            x += 1;
        }
    }

    /// Erases `count` blanks from column `x` on where that is shorter than to write them; `to_end`: all that follows in
    /// the line is blank too; `next` is the next column that is written.
    fn erase(&mut self, y: u16, x: usize, count: usize, to_end: bool, next: Option<usize>) -> bool {
        let plain =
            self.pen.background == Color::Reset && !self.pen.attributes.intersects(ON_BLANKS);
        let reset = if plain { 0 } else { 3 };
        let sequence = if to_end {
            "\x1b[K".to_owned()
        } else {
            format!("\x1b[{count}X")
        };
        if !to_end && !self.erases {
            return false;
        }
        // erasing leaves the cursor where it is
        let onward = next.map_or(0, |next| jump((next - x) as u16, 'C').len());
        let written = next.map_or(0, |next| next - x - count);
        if sequence.len() + reset + onward >= count + written.min(onward) {
            return false;
        }
        self.go(x as u16, y);
        if !plain {
            self.take(Pen::PLAIN);
        }
        self.out.push_str(&sequence);
        true
    }

    /// Brings the cursor to a column: over the letters between, or by a jump.
    fn reach(&mut self, x: u16, y: u16, pen: Pen, line: &[Seen]) {
        if let Some((from, here)) = self.at
            && here == y
            && from < x
        {
            let between = &line[usize::from(from)..usize::from(x)];
            // never from within a wide letter
            if between.first().is_some_and(Option::is_some) && between.len() < 16 {
                let mut over = Encoder {
                    out: String::new(),
                    ..*self
                };
                for (letter, pen) in between.iter().flatten() {
                    over.put(letter, *pen);
                    over.advance(letter, line.len());
                }
                let onward = over.pen.codes(pen).len();
                let jump = self.way(x, y).len() + self.pen.codes(pen).len();
                if over.out.len() + onward <= jump {
                    self.out.push_str(&over.out);
                    (self.pen, self.at, self.sure) = (over.pen, over.at, over.sure);
                    return;
                }
            }
        }
        self.go(x, y);
    }

    fn go(&mut self, x: u16, y: u16) {
        if self.at == Some((x, y)) {
            return;
        }
        let way = self.way(x, y);
        // a jump to a column by its number is right whatever was before
        self.sure = self.sure || !way.ends_with('C');
        self.out.push_str(&way);
        self.at = Some((x, y));
    }

    /// The shortest sequence that brings the cursor to a place.
    fn way(&self, x: u16, y: u16) -> String {
        let absolute = match (x, y) {
            (0, 0) => "\x1b[H".to_owned(),
            (0, y) => format!("\x1b[{}H", y + 1),
            (x, y) => format!("\x1b[{};{}H", y + 1, x + 1),
        };
        let Some((from, line)) = self.at else {
            return absolute;
        };
        let mut ways = vec![absolute];
        if line == y {
            ways.push(match x {
                0 => "\r".to_owned(),
                x => format!("\x1b[{}G", x + 1),
            });
            if self.sure && from < x {
                ways.push(jump(x - from, 'C'));
            }
        } else if line < y && y - line <= 3 {
            let down = "\n".repeat(usize::from(y - line));
            if self.sure && from == x {
                ways.push(down.clone());
            }
            ways.push(match x {
                0 => format!("\r{down}"),
                x => format!("\r{down}{}", jump(x, 'C')),
            });
        }
        ways.into_iter().min_by_key(String::len).unwrap_or_default()
    }

    /// Writes a letter; a blank takes any pen that leaves it blank.
    fn put(&mut self, letter: &str, pen: Pen) {
        if !self.pen.shows(letter, pen) {
            self.take(pen);
        }
        self.out.push_str(letter);
    }

    fn take(&mut self, pen: Pen) {
        let codes = self.pen.codes(pen);
        self.out.push_str(&codes);
        self.pen = pen;
    }

    /// The cursor after `letter`; behind the last column, terminals differ on where it is.
    fn advance(&mut self, letter: &str, width: usize) {
        if !letter.is_ascii() {
            self.sure = false;
        }
        self.at = self.at.and_then(|(x, y)| {
            let x = x + letter.width().max(1) as u16;
            (usize::from(x) < width).then_some((x, y))
        });
    }
}

/// A relative jump.
fn jump(by: u16, letter: char) -> String {
    match by {
        0 => String::new(),
        1 => format!("\x1b[{letter}"),
        by => format!("\x1b[{by}{letter}"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    const AREA: Rect = Rect::new(0, 0, 40, 6);

    /// A terminal that shows nothing that any picture has.
    fn terminal() -> (vt100::Parser, Buffer) {
        let mut parser = vt100::Parser::new(AREA.height, AREA.width, 0);
        // what was there before must not shine through
        parser.process("\x1b[7;31m".as_bytes());
        for _ in 0..AREA.height {
            parser.process("#".repeat(usize::from(AREA.width)).as_bytes());
        }
        parser.process("\x1b[m".as_bytes());
        (parser, Buffer::filled(AREA, Cell::new("\u{e000}")))
    }

    fn colour(colour: Color) -> vt100::Color {
        match colour {
            Color::Reset => vt100::Color::Default,
            Color::Red => vt100::Color::Idx(1),
            Color::Cyan => vt100::Color::Idx(6),
            Color::DarkGray => vt100::Color::Idx(8),
            Color::LightBlue => vt100::Color::Idx(12),
            Color::Indexed(index) => vt100::Color::Idx(index),
            Color::Rgb(red, green, blue) => vt100::Color::Rgb(red, green, blue),
            other => panic!("{other} is not drawn here"),
        }
    }

    /// Every cell of the terminal looks as the picture's.
    fn same(parser: &vt100::Parser, picture: &Buffer) -> Result<(), String> {
        for y in 0..AREA.height {
            for (x, seen) in row(picture, y).into_iter().enumerate() {
                let shown = parser.screen().cell(y, x as u16).unwrap();
                let Some((letter, pen)) = seen else {
                    continue;
                };
                let there = match shown.contents() {
                    "" => " ",
                    letter => letter,
                };
                let blank = letter == " ";
                let fine = there == letter
                    && shown.bgcolor() == colour(pen.background)
                    && shown.inverse() == pen.attributes.contains(Modifier::REVERSED)
                    && shown.underline() == pen.attributes.contains(Modifier::UNDERLINED)
                    && ((blank && !pen.attributes.intersects(ON_BLANKS))
                        || (shown.fgcolor() == colour(pen.foreground)
                            && shown.bold() == pen.attributes.contains(Modifier::BOLD)
                            && shown.dim() == pen.attributes.contains(Modifier::DIM)));
                if !fine {
                    return Err(format!(
                        "({x}, {y}): `{there}` for `{letter}` by {pen:?}; {shown:?}"
                    ));
                }
            }
        }
        Ok(())
    }

    fn words() -> impl Strategy<Value = Vec<(u16, u16, String, Style)>> {
        let colours = prop_oneof![
            Just(Color::Reset),
            Just(Color::Red),
            Just(Color::Cyan),
            Just(Color::DarkGray),
            Just(Color::LightBlue),
            Just(Color::Indexed(120)),
            Just(Color::Rgb(95, 175, 255)),
        ];
        let backgrounds = prop_oneof![4 => Just(Color::Reset), 1 => Just(Color::Red)];
        let attributes = prop_oneof![
            4 => Just(Modifier::empty()),
            1 => Just(Modifier::BOLD),
            1 => Just(Modifier::DIM),
            1 => Just(Modifier::REVERSED),
            1 => Just(Modifier::UNDERLINED | Modifier::BOLD),
            1 => Just(Modifier::REVERSED | Modifier::DIM),
        ];
        let style = (colours, backgrounds, attributes)
            .prop_map(|(fg, bg, attributes)| Style::new().fg(fg).bg(bg).add_modifier(attributes));
        let word = (
            0..AREA.width,
            0..AREA.height,
            "[ab ]{0,3}([a-z]| {1,14}|│|⣀|日本|…){0,12}",
            style,
        );
        prop::collection::vec(word, 0..14)
    }

    fn picture(words: &[(u16, u16, String, Style)]) -> Buffer {
        let mut buffer = Buffer::empty(AREA);
        for (x, y, word, style) in words {
            let room = usize::from(AREA.width - x);
            buffer.set_stringn(*x, *y, word, room, *style);
        }
        buffer
    }

    proptest! {
        #[test]
        fn a_terminal_shows_every_picture_after_every_other(
            pictures in prop::collection::vec(words(), 1..5),
            erases in any::<bool>(),
        ) {
            let (mut parser, mut shown) = terminal();
            for words in &pictures {
                let next = picture(words);
                let bytes = encode(&shown, &next, erases);
                parser.process(bytes.as_bytes());
                prop_assert_eq!(same(&parser, &next), Ok(()), "{:?}", bytes);
                prop_assert_eq!(encode(&next, &next, erases), "");
                shown = next;
            }
        }
    }

    #[test]
    fn what_looks_the_same_is_not_sent() {
        let mut before = Buffer::empty(AREA);
        before.set_string(0, 0, "a b", Style::new().fg(Color::Red));
        let mut after = Buffer::empty(AREA);
        after.set_string(0, 0, "a", Style::new().fg(Color::Red));
        after.set_string(2, 0, "b", Style::new().fg(Color::Red));
        // a blank has no colour of its own
        assert_eq!(encode(&before, &after, true), "");
    }

    #[test]
    fn one_letter_costs_one_jump_and_one_attribute() {
        let before = Buffer::empty(AREA);
        let mut after = before.clone();
        after.set_string(8, 1, "x", Style::new().fg(Color::DarkGray));
        assert_eq!(encode(&before, &after, true), "\x1b[2;9H\x1b[90mx\x1b[m");
    }

    #[test]
    fn short_gaps_are_written_over_and_long_ones_jumped() {
        let mut before = Buffer::empty(AREA);
        before.set_string(0, 0, "0.8123 0.8119", Style::new());
        before.set_string(0, 1, "one              two", Style::new());
        let mut after = before.clone();
        after.set_string(0, 0, "0.7123 0.7119", Style::new());
        after.set_string(0, 1, "One              Two", Style::new());
        assert_eq!(
            encode(&before, &after, true),
            "\x1b[1;3H7123 0.7\r\nO\x1b[16CT"
        );
    }

    #[test]
    fn the_rest_of_a_line_is_erased() {
        let mut before = Buffer::empty(AREA);
        before.set_string(0, 0, "a longer sentence than the next", Style::new());
        before.set_string(0, 1, "│ a longer sentence than it  │", Style::new());
        let mut after = Buffer::empty(AREA);
        after.set_string(0, 0, "a short one", Style::new());
        after.set_string(0, 1, "│ a short one                │", Style::new());
        let bytes = encode(&before, &after, true);
        assert_eq!(
            bytes,
            "\x1b[1;3Hshort one\x1b[K\r\n\x1b[4Cshort one\x1b[14X"
        );
        let old = encode(&before, &after, false);
        assert!(!old.contains('X') && old.len() > bytes.len());
    }

    #[test]
    fn a_frame_is_shorter_than_by_cells() {
        use ratatui::backend::{Backend, CrosstermBackend};
        let row = |buffer: &mut Buffer, y: u16, selected: bool| {
            let style = if selected {
                Style::new().add_modifier(Modifier::REVERSED)
            } else {
                Style::new()
            };
            buffer.set_string(
                0,
                y,
                if selected { "▌" } else { " " },
                style.fg(Color::Cyan),
            );
            buffer.set_string(1, y, format!("brave-otter-{y}         "), style);
            buffer.set_string(22, y, "✓ done ", style.fg(Color::Green));
            buffer.set_string(29, y, "0.8123   2h", style);
        };
        let (mut before, mut after) = (Buffer::empty(AREA), Buffer::empty(AREA));
        for y in 0..AREA.height {
            row(&mut before, y, y == 1);
            row(&mut after, y, y == 2);
        }
        let mut by_cells = Vec::new();
        let changes = before.diff(&after);
        CrosstermBackend::new(&mut by_cells)
            .draw(changes.into_iter())
            .unwrap();
        let bytes = encode(&before, &after, true).len();
        assert!(
            bytes * 4 < by_cells.len() * 3,
            "{bytes} of {}",
            by_cells.len()
        );
    }
}
