//! A frame as bytes: the shortest way found from the picture that a terminal shows to the next one. Cells that look
//! the same are not sent, short gaps are written over where that is shorter than a jump, blanks are erased, and an
//! attribute changes by itself. Must not know what the pictures show, nor how the bytes reach the terminal.
//!
//! A frame begins and ends with plain attributes and says where it begins, so frames do not depend on each other's
//! end. Relative moves are used only after letters whose width every terminal agrees on.

mod pen;
#[cfg(test)]
mod tests;

use pen::{ON_BLANKS, Pen};
use ratatui::buffer::Buffer;
use ratatui::style::Color;
use std::ops::Range;
use unicode_width::UnicodeWidthStr;

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
                if self.erase(y, x..last + 1, end == width, next, after) {
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

    /// Erases the blanks of columns `blanks` where that is shorter than to write them; `to_end`: all that follows in the
    /// line is blank too; `next` is the next column that is written.
    fn erase(
        &mut self,
        y: u16,
        blanks: Range<usize>,
        to_end: bool,
        next: Option<usize>,
        line: &[Seen],
    ) -> bool {
        let (x, count) = (blanks.start, blanks.len());
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
        self.reach(x as u16, y, Pen::PLAIN, line);
        if self.pen.background != Color::Reset || self.pen.attributes.intersects(ON_BLANKS) {
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
