//! A plotters backend whose canvas is the cells of a terminal.
//!
//! Every cell has several points (2x4 in braille). Lines set points, fills set whole runs of them, text
//! takes its cells. A cell has one colour: that of the last stroke in it. The colours it is given are keys of
//! [`Ink`] (see [`Palette::keys`]); they become styles of a [`Look`] when the canvas is copied to the screen.

use super::{Look, Marker, plain};
use crate::chart::{Ink, Metrics, Palette};
use plotters_backend::text_anchor::HPos;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Modifier, Style};
use std::convert::Infallible;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How points share a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grid {
    /// Lines, in the characters of a marker.
    Lines(Marker),
    /// Eight levels a cell, for bars that stand.
    Standing {
        /// `#`, `+`, `%` instead of blocks.
        ascii: bool,
    },
    /// Eight levels a cell, for bars that lie.
    Lying {
        /// `#` instead of blocks.
        ascii: bool,
    },
}

impl Grid {
    /// Points of one cell: columns, rows.
    pub fn points(self) -> (u32, u32) {
        match self {
            Grid::Lines(Marker::Braille) => (2, 4),
            Grid::Lines(Marker::Sextant) => (2, 3),
            Grid::Lines(Marker::Block) => (2, 2),
            Grid::Lines(Marker::Ascii) => (1, 3),
            Grid::Standing { .. } => (1, 8),
            Grid::Lying { .. } => (8, 1),
        }
    }

    fn is_ascii(self) -> bool {
        match self {
            Grid::Lines(marker) => marker == Marker::Ascii,
            Grid::Standing { ascii } | Grid::Lying { ascii } => ascii,
        }
    }
}

/// No ink.
const BLANK: u8 = u8::MAX;

/// One cell: which points are set, with which ink each, and a letter above them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Cell {
    /// Ink of each point, by row and then column.
    points: [u8; 8],
    /// Ink of the last stroke.
    owner: u8,
    letter: Option<char>,
}

const EMPTY: Cell = Cell {
    points: [BLANK; 8],
    owner: BLANK,
    letter: None,
};

/// See the module.
#[derive(Clone, Debug)]
pub struct TerminalBackend {
    columns: u16,
    rows: u16,
    grid: Grid,
    cells: Vec<Cell>,
}

impl TerminalBackend {
    /// An empty canvas of `columns` by `rows` cells.
    pub fn new(columns: u16, rows: u16, grid: Grid) -> Self {
        Self {
            columns,
            rows,
            grid,
            cells: vec![EMPTY; usize::from(columns) * usize::from(rows)],
        }
    }

    /// The metrics that a pen needs on this canvas.
    pub fn metrics(&self) -> Metrics {
        let (columns, rows) = self.grid.points();
        Metrics::cells(columns, rows)
    }

    /// The palette that a pen needs on this canvas.
    pub fn palette() -> Palette {
        Palette::keys()
    }

    /// Copies the canvas to the screen; cells with nothing in them leave the screen as it is.
    pub fn blit(&self, area: Rect, buf: &mut Buffer, look: &Look) {
        let area = area.intersection(*buf.area());
        for row in 0..self.rows.min(area.height) {
            for column in 0..self.columns.min(area.width) {
                if let Some((letter, ink)) = self.cell(column, row, look.is_mono()) {
                    let target = &mut buf[(area.x + column, area.y + row)];
                    target.set_char(letter).set_style(style(ink, look));
                }
            }
        }
    }

    /// The character and ink of a cell; none where nothing was drawn. With `merged`, all lines that
    /// meet in a cell show; otherwise only its owner does, because others would have its colour.
    pub fn cell(&self, column: u16, row: u16, merged: bool) -> Option<(char, Ink)> {
        let place = usize::from(row) * usize::from(self.columns) + usize::from(column);
        let cell = self.cells.get(place)?;
        let ink = Ink::from_key(cell.owner)?;
        if let Some(letter) = cell.letter {
            return Some((letter, ink));
        }
        let letter =
            match self.grid {
                Grid::Lines(_) if matches!(ink, Ink::Mark | Ink::Cursor) => {
                    if self.grid.is_ascii() { ':' } else { '┆' }
                }
                Grid::Lines(marker) => line_letter(marker, cell, merged),
                Grid::Standing { ascii } => return standing(cell, ascii),
                Grid::Lying { ascii } => return lying(cell, ascii),
            };
        Some((letter, ink))
    }

    fn set(&mut self, (x, y): BackendCoord, key: u8) {
        let (wide, high) = self.grid.points();
        if x < 0 || y < 0 {
            return;
        }
        let (x, y) = (x as u32, y as u32);
        let (column, row) = (x / wide, y / high);
        if column >= u32::from(self.columns) || row >= u32::from(self.rows) {
            return;
        }
        let place = row as usize * usize::from(self.columns) + column as usize;
        let cell = &mut self.cells[place];
        if is_rule(cell.owner) && cell.owner != key {
            *cell = EMPTY;
        }
        cell.letter = None;
        cell.points[(y % high * wide + x % wide) as usize] = key;
        cell.owner = key;
    }

    fn line(&mut self, from: BackendCoord, to: BackendCoord, key: u8) {
        let (mut x, mut y) = from;
        let (dx, dy) = ((to.0 - x).abs(), -(to.1 - y).abs());
        let (step_x, step_y) = ((to.0 - x).signum(), (to.1 - y).signum());
        let mut error = dx + dy;
        loop {
            self.set((x, y), key);
            if (x, y) == to {
                return;
            }
            let twice = 2 * error;
            if twice >= dy {
                error += dy;
                x += step_x;
            }
            if twice <= dx {
                error += dx;
                y += step_y;
            }
        }
    }

    fn write(&mut self, text: &str, column: i32, row: i32, key: u8) {
        if row < 0 || row >= i32::from(self.rows) {
            return;
        }
        let mut column = column;
        for letter in text.chars() {
            let width = letter.width().unwrap_or(0) as i32;
            if width == 0 {
                continue;
            }
            if column >= 0 && column + width <= i32::from(self.columns) {
                let place = row as usize * usize::from(self.columns) + column as usize;
                for cell in &mut self.cells[place..place + width as usize] {
                    *cell = EMPTY;
                }
                self.cells[place] = Cell {
                    letter: Some(if self.grid.is_ascii() {
                        plain(letter)
                    } else {
                        letter
                    }),
                    owner: key,
                    ..EMPTY
                };
            }
            column += width;
        }
    }
}

fn is_line(key: u8) -> bool {
    matches!(Ink::from_key(key), Some(Ink::Series(_) | Ink::Reference))
}

fn is_rule(key: u8) -> bool {
    key == Ink::Mark.key() || key == Ink::Cursor.key()
}

impl DrawingBackend for TerminalBackend {
    type ErrorType = Infallible;

    fn get_size(&self) -> (u32, u32) {
        let (wide, high) = self.grid.points();
        (u32::from(self.columns) * wide, u32::from(self.rows) * high)
    }

    fn ensure_prepared(&mut self) -> Result<(), DrawingErrorKind<Infallible>> {
        Ok(())
    }

    fn present(&mut self) -> Result<(), DrawingErrorKind<Infallible>> {
        Ok(())
    }

    fn draw_pixel(
        &mut self,
        point: BackendCoord,
        color: BackendColor,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        if color.alpha > 0.0 {
            self.set(point, color.rgb.0);
        }
        Ok(())
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        if style.color().alpha > 0.0 {
            self.line(from, to, style.color().rgb.0);
        }
        Ok(())
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        let key = style.color().rgb.0;
        if fill {
            for y in upper_left.1..bottom_right.1 {
                for x in upper_left.0..bottom_right.0 {
                    self.set((x, y), key);
                }
            }
        } else {
            let (left, top) = upper_left;
            let (right, bottom) = bottom_right;
            self.line((left, top), (right, top), key);
            self.line((right, top), (right, bottom), key);
            self.line((right, bottom), (left, bottom), key);
            self.line((left, bottom), (left, top), key);
        }
        Ok(())
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        (x, y): BackendCoord,
    ) -> Result<(), DrawingErrorKind<Infallible>> {
        let (wide, high) = self.grid.points();
        let column = x.div_euclid(wide as i32);
        let row = y.div_euclid(high as i32);
        let width = text.width() as i32;
        let column = match style.anchor().h_pos {
            HPos::Left => column,
            HPos::Center => column - width / 2,
            HPos::Right => column - width,
        };
        self.write(text, column, row, style.color().rgb.0);
        Ok(())
    }

    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        _: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<Infallible>> {
        let (wide, high) = self.grid.points();
        Ok((text.width() as u32 * wide, high))
    }
}

/// The terminal's style for an ink.
pub fn style(ink: Ink, look: &Look) -> Style {
    let of = |colour: Color| Style::new().fg(colour);
    match ink {
        Ink::Text => look.text,
        Ink::Muted | Ink::Axis | Ink::Grid => look.dim,
        Ink::Mark => look.warn,
        Ink::Cursor => look.accent,
        Ink::Limit => look.bad,
        Ink::Series(place) => of(look.series[place % look.series.len()]),
        Ink::Faint(place) => of(look.series[place % look.series.len()]).add_modifier(Modifier::DIM),
        Ink::Reference => of(look.reference),
        Ink::Current => of(look.series[1]),
        Ink::Overlap => of(look.overlap),
    }
}

/// Dots of braille by row and column (Unicode 6.0, block U+2800).
const DOTS: [u32; 8] = [0x01, 0x08, 0x02, 0x10, 0x04, 0x20, 0x40, 0x80];

/// Quadrants by their bits: upper left 1, upper right 2, lower left 4, lower right 8.
const QUADRANTS: [char; 16] = [
    ' ', '▘', '▝', '▀', '▖', '▌', '▞', '▛', '▗', '▚', '▐', '▜', '▄', '▙', '▟', '█',
];

fn line_letter(marker: Marker, cell: &Cell, merged: bool) -> char {
    // what is behind lines (raw lines, limits, axes) never shows with them
    let strong = merged && is_line(cell.owner);
    let bits = cell
        .points
        .iter()
        .enumerate()
        .filter(|(_, ink)| **ink == cell.owner || (strong && is_line(**ink)))
        .map(|(place, _)| 1u32 << place)
        .sum::<u32>();
    match marker {
        Marker::Braille => {
            let dots = (0..8)
                .filter(|place| bits & (1 << place) != 0)
                .map(|place| DOTS[place])
                .sum::<u32>();
            char::from_u32(0x2800 + dots).unwrap_or(' ')
        }
        Marker::Sextant => sextant(bits & 0x3f),
        Marker::Block => QUADRANTS[(bits & 0xf) as usize],
        Marker::Ascii => match bits & 7 {
            0 => ' ',
            1 | 3 => '\'',
            2 => '-',
            4 | 6 => '.',
            _ => '|',
        },
    }
}

/// Sextants leave out the four patterns that older blocks have (Unicode 13, U+1FB00).
fn sextant(bits: u32) -> char {
    match bits {
        0 => ' ',
        21 => '▌',
        42 => '▐',
        63 => '█',
        bits => {
            let skipped = u32::from(bits > 21) + u32::from(bits > 42);
            char::from_u32(0x1fb00 + bits - 1 - skipped).unwrap_or(' ')
        }
    }
}

/// The ink with most points in a cell; the later stroke wins a tie.
fn most(cell: &Cell) -> Option<Ink> {
    let count = |key: u8| cell.points.iter().filter(|ink| **ink == key).count();
    let key = cell
        .points
        .iter()
        .copied()
        .filter(|ink| *ink != BLANK)
        .max_by_key(|ink| (count(*ink), *ink == cell.owner))?;
    Ink::from_key(key)
}

const LOWER: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const LEFT: [char; 9] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// A cell of a standing bar: full cells say by their shade whose they are, so that it can be read
/// without colours; the top of a bar has eighths.
fn standing(cell: &Cell, ascii: bool) -> Option<(char, Ink)> {
    let ink = most(cell)?;
    let filled = cell.points.iter().filter(|ink| **ink != BLANK).count();
    let shade = match (ink, ascii) {
        (Ink::Current, false) => '▓',
        (Ink::Overlap, false) => '▒',
        (_, false) => '█',
        (Ink::Current, true) => '+',
        (Ink::Overlap, true) => '%',
        (_, true) => '#',
    };
    let letter = match (filled, ascii) {
        (8, _) => shade,
        (filled, false) => LOWER[filled],
        (0..=3, true) => '_',
        (_, true) => shade,
    };
    Some((letter, ink))
}

/// A cell of a lying bar. A bar that begins inside its cell (left of a zero line) is drawn from the middle on or not.
fn lying(cell: &Cell, ascii: bool) -> Option<(char, Ink)> {
    let ink = most(cell)?;
    let filled = cell.points.iter().filter(|ink| **ink != BLANK).count();
    if ascii {
        return Some((if filled >= 4 { '#' } else { '.' }, ink));
    }
    let from_left = cell.points[0] != BLANK;
    let letter = match (from_left, filled) {
        (true, filled) => LEFT[filled],
        (false, 1 | 2) => '▕',
        (false, 3..=5) => '▐',
        (false, _) => '█',
    };
    Some((letter, ink))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(ink: Ink) -> BackendColor {
        BackendColor {
            alpha: 1.0,
            rgb: (ink.key(), 0, 0),
        }
    }

    #[test]
    fn the_last_stroke_owns_its_cell() {
        let mut canvas = TerminalBackend::new(2, 1, Grid::Lines(Marker::Braille));
        let _ = canvas.draw_line((0, 0), (3, 0), &key(Ink::Series(0)));
        let _ = canvas.draw_line((0, 3), (1, 3), &key(Ink::Series(1)));
        assert_eq!(canvas.cell(0, 0, false), Some(('⣀', Ink::Series(1))));
        assert_eq!(canvas.cell(0, 0, true), Some(('⣉', Ink::Series(1))));
        assert_eq!(canvas.cell(1, 0, false), Some(('⠉', Ink::Series(0))));
    }

    #[test]
    fn a_rule_gives_way_to_a_line() {
        let mut canvas = TerminalBackend::new(1, 2, Grid::Lines(Marker::Braille));
        let _ = canvas.draw_line((0, 4), (1, 4), &key(Ink::Faint(0)));
        let _ = canvas.draw_line((0, 0), (0, 7), &key(Ink::Mark));
        let _ = canvas.draw_line((0, 7), (1, 7), &key(Ink::Series(0)));
        assert_eq!(canvas.cell(0, 0, false), Some(('┆', Ink::Mark)));
        assert_eq!(canvas.cell(0, 1, false), Some(('⣀', Ink::Series(0))));
    }

    #[test]
    fn sextants_skip_the_blocks_that_were_there_before() {
        assert_eq!(sextant(1), '\u{1fb00}');
        assert_eq!(sextant(21), '▌');
        assert_eq!(sextant(22), '\u{1fb14}');
        assert_eq!(sextant(62), '\u{1fb3b}');
        assert_eq!(sextant(63), '█');
    }

    #[test]
    fn nothing_outside_the_canvas_is_an_error() {
        let mut canvas = TerminalBackend::new(2, 2, Grid::Lines(Marker::Block));
        let _ = canvas.draw_line((-5, -5), (50, 50), &key(Ink::Axis));
        assert_eq!(canvas.cell(0, 0, false), Some(('▚', Ink::Axis)));
        assert_eq!(canvas.cell(9, 9, false), None);
    }

    #[test]
    fn full_cells_say_whose_they_are() {
        let mut canvas = TerminalBackend::new(3, 2, Grid::Standing { ascii: false });
        for (column, ink) in [Ink::Reference, Ink::Current, Ink::Overlap]
            .iter()
            .enumerate()
        {
            let x = column as i32;
            let _ = canvas.draw_rect((x, 5), (x + 1, 16), &key(*ink), true);
        }
        assert_eq!(canvas.cell(0, 1, false), Some(('█', Ink::Reference)));
        assert_eq!(canvas.cell(1, 1, false), Some(('▓', Ink::Current)));
        assert_eq!(canvas.cell(2, 1, false), Some(('▒', Ink::Overlap)));
        assert_eq!(canvas.cell(2, 0, false), Some(('▃', Ink::Overlap)));
    }
}
