//! The pen: lines, dashes, rectangles and text on a backend, placed well on cells and on pixels.
//!
//! It knows the size of a letter ([`Metrics`]) and whether the canvas is made of cells; it does not
//! know what it draws.

use super::palette::{Ink, Palette};
use plotters::style::{FontDesc, FontFamily, FontStyle, TextStyle};
use plotters_backend::text_anchor::{HPos, Pos, VPos};
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, DrawingBackend, DrawingErrorKind,
};
use unicode_width::UnicodeWidthStr;

/// Names of the typeface, in the form that SVG understands; `report` registers its own font under
/// the same name for bitmaps.
pub const FONT_FAMILY: &str = "DejaVu Sans, Verdana, sans-serif";

/// The result of drawing on a backend.
pub type Drawn<B, T = ()> = Result<T, DrawingErrorKind<<B as DrawingBackend>::ErrorType>>;

/// How big letters and strokes are, in the backend's points.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metrics {
    /// Width of a letter; on cells the points of one cell.
    pub char_width: f64,
    /// Height of a line of text; on cells the points of one cell.
    pub line_height: i32,
    /// Size of the font as plotters counts it; 0 on cells, where the terminal has the font.
    pub font_size: f64,
    /// Width of a normal stroke.
    pub stroke: u32,
    /// Added to the y of every text, for backends that set it too high.
    pub text_shift: i32,
}

impl Metrics {
    /// A canvas whose cells have `columns` by `rows` points.
    pub fn cells(columns: u32, rows: u32) -> Self {
        Self {
            char_width: f64::from(columns),
            line_height: rows as i32,
            font_size: 0.0,
            stroke: 1,
            text_shift: 0,
        }
    }

    /// A picture with a font of `em` pixels (12 reads well at 100 %).
    pub fn pixels(em: f64) -> Self {
        Self {
            char_width: em * 0.63,
            line_height: (em * 1.35).round() as i32,
            font_size: em * 1.24,
            stroke: (em / 12.0).round().max(1.0) as u32,
            text_shift: 0,
        }
    }

    /// Whether text stands on a grid of cells.
    pub fn is_cells(&self) -> bool {
        self.font_size == 0.0
    }
}

/// A rectangle of the canvas, in points; right and bottom are outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Area {
    /// Left.
    pub x: i32,
    /// Top.
    pub y: i32,
    /// Width.
    pub width: i32,
    /// Height.
    pub height: i32,
}

impl Area {
    /// The first point that is outside to the right.
    pub fn right(&self) -> i32 {
        self.x + self.width
    }

    /// The first point that is outside below.
    pub fn bottom(&self) -> i32 {
        self.y + self.height
    }
}

/// Which side of a text stands at its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// The text begins there.
    Left,
    /// The text is centred there.
    Centre,
    /// The text ends before it.
    Right,
}

struct Stroke {
    colour: BackendColor,
    width: u32,
}

impl BackendStyle for Stroke {
    fn color(&self) -> BackendColor {
        self.colour
    }
    fn stroke_width(&self) -> u32 {
        self.width
    }
}

/// A backend with the metrics and colours to use on it.
pub struct Pen<'a, B: DrawingBackend> {
    backend: &'a mut B,
    palette: &'a Palette,
    /// See [`Metrics`].
    pub metrics: Metrics,
}

impl<'a, B: DrawingBackend> Pen<'a, B> {
    /// A pen for this backend.
    pub fn new(backend: &'a mut B, palette: &'a Palette, metrics: Metrics) -> Self {
        Self {
            backend,
            palette,
            metrics,
        }
    }

    /// The whole canvas.
    pub fn area(&self) -> Area {
        let (width, height) = self.backend.get_size();
        Area {
            x: 0,
            y: 0,
            width: width as i32,
            height: height as i32,
        }
    }

    /// Width of `count` letters.
    pub fn letters(&self, count: usize) -> i32 {
        (self.metrics.char_width * count as f64).round() as i32
    }

    /// Width of a text; an estimate where letters differ.
    pub fn width(&self, text: &str) -> i32 {
        self.letters(text.width())
    }

    /// Lines of text that fit into `height` points.
    pub fn lines(&self, height: i32) -> i32 {
        height / self.metrics.line_height.max(1)
    }

    /// The y of the middle of a line of text, counted from the top of `area`.
    pub fn line_middle(&self, area: Area, line: i32) -> i32 {
        area.y + line * self.metrics.line_height + self.metrics.line_height / 2
    }

    fn stroke(&self, ink: Ink, weight: u32) -> Stroke {
        Stroke {
            colour: self.palette.colour(ink),
            width: self.metrics.stroke * weight,
        }
    }

    /// A straight thin line, both ends included.
    ///
    /// # Errors
    /// Those of the backend, as for everything below.
    pub fn line(&mut self, from: BackendCoord, to: BackendCoord, ink: Ink) -> Drawn<B> {
        let stroke = self.stroke(ink, 1);
        self.backend.draw_line(from, to, &stroke)
    }

    /// A line through all points; a single point becomes a dot.
    pub fn path(&mut self, points: &[BackendCoord], ink: Ink, weight: u32) -> Drawn<B> {
        match points {
            [] => Ok(()),
            [only] => self.dot(*only, ink),
            _ => {
                let weight = if self.metrics.is_cells() { 1 } else { weight };
                let stroke = self.stroke(ink, weight);
                self.backend.draw_path(points.iter().copied(), &stroke)
            }
        }
    }

    /// A dashed line through all points.
    pub fn dashes(&mut self, points: &[BackendCoord], ink: Ink, weight: u32) -> Drawn<B> {
        let unit = self.metrics.char_width;
        let (on, off) = if self.metrics.is_cells() {
            (unit * 1.5, unit * 1.5)
        } else {
            (unit * 0.9, unit * 0.6)
        };
        for dash in dash(points, on, off) {
            if dash.len() > 1 || points.len() == 1 {
                self.path(&dash, ink, weight)?;
            }
        }
        Ok(())
    }

    /// A vertical rule through an event or the cursor: `┆` on cells, dashes in pictures.
    pub fn rule(&mut self, x: i32, top: i32, bottom: i32, ink: Ink) -> Drawn<B> {
        if self.metrics.is_cells() {
            self.line((x, top), (x, bottom), ink)
        } else {
            self.dashes(&[(x, top), (x, bottom)], ink, 1)
        }
    }

    /// One visible point.
    pub fn dot(&mut self, at: BackendCoord, ink: Ink) -> Drawn<B> {
        let colour = self.palette.colour(ink);
        if self.metrics.is_cells() {
            self.backend.draw_pixel(at, colour)
        } else {
            let radius = (self.metrics.char_width * 0.4).round().max(2.0) as u32;
            self.backend.draw_circle(at, radius, &colour, true)
        }
    }

    /// A filled rectangle; right and bottom are outside.
    pub fn fill(&mut self, area: Area, ink: Ink) -> Drawn<B> {
        let colour = self.palette.colour(ink);
        self.fill_colour(area, colour)
    }

    /// The background over `area`, where the palette has one.
    pub fn clear(&mut self, area: Area) -> Drawn<B> {
        match self.palette.background {
            Some(rgb) => self.fill_colour(area, BackendColor { alpha: 1.0, rgb }),
            None => Ok(()),
        }
    }

    fn fill_colour(&mut self, area: Area, colour: BackendColor) -> Drawn<B> {
        if area.width <= 0 || area.height <= 0 {
            return Ok(());
        }
        self.backend.draw_rect(
            (area.x, area.y),
            (area.right(), area.bottom()),
            &colour,
            true,
        )
    }

    /// A text whose vertical middle is `y`.
    pub fn text(&mut self, text: &str, (x, y): BackendCoord, align: Align, ink: Ink) -> Drawn<B> {
        self.set(text, (x, y), align, ink, 1.0, FontStyle::Normal)
    }

    /// A heading: bold and a little larger in pictures, plain text on cells.
    pub fn heading(&mut self, text: &str, at: BackendCoord) -> Drawn<B> {
        self.set(text, at, Align::Left, Ink::Text, 1.15, FontStyle::Bold)
    }

    fn set(
        &mut self,
        text: &str,
        (x, y): BackendCoord,
        align: Align,
        ink: Ink,
        size: f64,
        face: FontStyle,
    ) -> Drawn<B> {
        if text.is_empty() {
            return Ok(());
        }
        let h_pos = match align {
            Align::Left => HPos::Left,
            Align::Centre => HPos::Center,
            Align::Right => HPos::Right,
        };
        let style = TextStyle {
            font: FontDesc::new(
                FontFamily::Name(FONT_FAMILY),
                self.metrics.font_size * size,
                face,
            ),
            color: self.palette.colour(ink),
            pos: Pos::new(h_pos, VPos::Center),
        };
        self.backend
            .draw_text(text, &style, (x, y + self.metrics.text_shift))
    }
}

/// Cuts a polyline into dashes of `on` points with gaps of `off` points.
fn dash(points: &[BackendCoord], on: f64, off: f64) -> Vec<Vec<BackendCoord>> {
    let (Some(first), true) = (points.first(), on > 0.0 && off > 0.0) else {
        return Vec::new();
    };
    let mut dashes = Vec::new();
    let mut current = vec![*first];
    let (mut drawing, mut left) = (true, on);
    for pair in points.windows(2) {
        let (from, to) = (pair[0], pair[1]);
        let (dx, dy) = (f64::from(to.0 - from.0), f64::from(to.1 - from.1));
        let length = dx.hypot(dy);
        let mut done = 0.0;
        while length - done > left {
            done += left;
            let share = done / length;
            let point = (
                (f64::from(from.0) + dx * share).round() as i32,
                (f64::from(from.1) + dy * share).round() as i32,
            );
            if drawing {
                current.push(point);
                dashes.push(std::mem::take(&mut current));
                left = off;
            } else {
                current = vec![point];
                left = on;
            }
            drawing = !drawing;
        }
        left -= length - done;
        if drawing {
            current.push(to);
        }
    }
    if drawing && !current.is_empty() {
        dashes.push(current);
    }
    dashes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dashes_keep_their_length_around_corners() {
        let dashes = dash(&[(0, 0), (10, 0), (10, 10)], 4.0, 4.0);
        assert_eq!(dashes[0], vec![(0, 0), (4, 0)]);
        assert_eq!(dashes[1], vec![(8, 0), (10, 0), (10, 2)]);
        assert_eq!(dashes[2], vec![(10, 6), (10, 10)]);
        assert_eq!(dashes.len(), 3);
    }

    #[test]
    fn letters_are_measured_in_columns_not_bytes() {
        let metrics = Metrics::cells(2, 4);
        assert!(metrics.is_cells());
        assert!(!Metrics::pixels(12.0).is_cells());
    }
}
