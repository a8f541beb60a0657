//! Parallel coordinates: an upright axis for each dimension, a line through them for each run.
//!
//! It knows names, ranges and colours; not parameters, metrics or runs.

use super::axis::{Axis, Kind, Scale};
use super::frame::{self, Mapping};
use super::palette::Ink;
use super::pen::{Align, Area, Drawn, Pen};
use plotters_backend::{BackendCoord, DrawingBackend};
use unicode_width::UnicodeWidthChar;

/// One upright axis.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dimension {
    /// Below it.
    pub name: String,
    /// How its values become places and words.
    pub axis: Axis,
    /// At its foot.
    pub low: f64,
    /// At its head.
    pub high: f64,
}

impl Dimension {
    fn word(&self, value: f64) -> String {
        match &self.axis.kind {
            Kind::Names(names) => names
                .get(value.round().max(0.0) as usize)
                .cloned()
                .unwrap_or_default(),
            _ => self.axis.word(value, self.high - self.low),
        }
    }
}

/// One line through the axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Strand {
    /// A value for each dimension; the line is broken where there is none.
    pub values: Vec<Option<f64>>,
    /// A marked run's letter; empty: none.
    pub label: String,
    /// Its colour's place in the palette; none is the colour of remarks.
    pub colour: Option<usize>,
    /// The champion: the reference colour.
    pub reference: bool,
    /// Among the best: drawn over the others.
    pub strong: bool,
}

impl Strand {
    fn ink(&self) -> Ink {
        match (self.reference, self.colour) {
            (true, _) => Ink::Reference,
            (false, Some(colour)) => Ink::Series(colour),
            (false, None) if self.strong => Ink::Text,
            (false, None) => Ink::Grid,
        }
    }

    /// Later ones are drawn over earlier ones.
    fn rank(&self) -> u8 {
        match (self.reference, self.colour, self.strong) {
            (_, Some(_), _) => 3,
            (true, ..) => 2,
            (.., true) => 1,
            _ => 0,
        }
    }
}

/// Axes and lines.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parallel {
    /// From left to right.
    pub dimensions: Vec<Dimension>,
    /// The lines.
    pub strands: Vec<Strand>,
    /// Said when there is nothing to draw.
    pub empty: String,
}

/// A text in at most `width` points, with an ellipsis where it was cut.
fn fit<B: DrawingBackend>(pen: &Pen<'_, B>, text: &str, width: i32) -> String {
    if pen.width(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    for letter in text.chars() {
        if letter.width().is_none() || pen.width(&format!("{out}{letter}…")) > width {
            break;
        }
        out.push(letter);
    }
    out.push('…');
    out
}

/// Draws axes, their ends and names, and the lines.
///
/// # Errors
/// Those of the backend.
pub fn draw<B: DrawingBackend>(pen: &mut Pen<'_, B>, area: Area, spec: &Parallel) -> Drawn<B> {
    let count = spec.dimensions.len();
    if count < 2 || spec.strands.is_empty() {
        return frame::empty(pen, area, &spec.empty);
    }
    let line = pen.metrics.line_height;
    let lines = pen.lines(area.height);
    let (head, foot) = match lines {
        ..4 => (0, 0),
        4..6 => (0, 1),
        _ => (1, 2),
    };
    let plot = Area {
        x: area.x + pen.letters(1),
        y: area.y + head * line,
        width: (area.width - pen.letters(5)).max(1),
        height: (area.height - (head + foot) * line).max(1),
    };
    let step = f64::from(plot.width - 1) / (count - 1) as f64;
    let cell = pen.letters(1).max(1);
    let places: Vec<i32> = (0..count)
        .map(|place| {
            let x = plot.x + (step * place as f64).round() as i32;
            if pen.metrics.is_cells() {
                x - (x - area.x).rem_euclid(cell)
            } else {
                x
            }
        })
        .collect();
    let maps: Vec<Mapping> = spec
        .dimensions
        .iter()
        .map(|dimension| {
            let range = if dimension.high > dimension.low {
                (dimension.low, dimension.high)
            } else {
                (dimension.low - 0.5, dimension.low + 0.5)
            };
            Mapping::new(range, dimension.axis.scale, (plot.bottom() - 1, plot.y))
        })
        .collect();
    for x in &places {
        pen.line((*x, plot.y), (*x, plot.bottom() - 1), Ink::Axis)?;
    }
    let mut strands: Vec<&Strand> = spec.strands.iter().collect();
    strands.sort_by_key(|strand| strand.rank());
    let mut labels: Vec<(i32, &Strand)> = Vec::new();
    for strand in strands {
        let mut path: Vec<BackendCoord> = Vec::new();
        for (place, map) in maps.iter().enumerate() {
            let scale = spec.dimensions[place].axis.scale;
            let value = strand
                .values
                .get(place)
                .copied()
                .flatten()
                .filter(|value| value.is_finite() && (scale == Scale::Linear || *value > 0.0));
            match value {
                Some(value) => path.push((places[place], map.place(value))),
                None => {
                    pen.path(&path, strand.ink(), 1)?;
                    path.clear();
                }
            }
        }
        pen.path(&path, strand.ink(), if strand.rank() > 1 { 2 } else { 1 })?;
        if !strand.label.is_empty()
            && let Some((x, y)) = path.last()
            && Some(x) == places.last()
        {
            labels.push((*y, strand));
        }
    }
    let x = plot.right() + pen.letters(1);
    let mut taken: Vec<i32> = Vec::new();
    labels.sort_by_key(|(y, _)| *y);
    for (y, strand) in labels {
        let mut row = (y - plot.y) / line;
        while taken.contains(&row) {
            row += 1;
        }
        taken.push(row);
        let y = pen.line_middle(plot, row);
        pen.text(&strand.label, (x, y), Align::Left, strand.ink())?;
    }
    if foot == 0 {
        return Ok(());
    }
    for (place, dimension) in spec.dimensions.iter().enumerate() {
        // words are centred, but those at the edges are pushed inwards: both together leave a gap to the next
        let share = if place == 0 || place + 1 == count {
            0.55
        } else {
            0.75
        };
        let room = ((step * share) as i32).max(pen.letters(3));
        let mut words = vec![(area.bottom() - line, dimension.name.clone(), Ink::Text)];
        if head > 0 {
            words.push((area.y, dimension.word(dimension.high), Ink::Muted));
            words.push((plot.bottom(), dimension.word(dimension.low), Ink::Muted));
        }
        for (y, word, ink) in words {
            let word = fit(pen, &word, room);
            let width = pen.width(&word);
            let left = (places[place] - width / 2)
                .min(area.right() - width)
                .max(area.x);
            let left = if pen.metrics.is_cells() {
                left - (left - area.x).rem_euclid(cell)
            } else {
                left
            };
            pen.text(&word, (left, y + line / 2), Align::Left, ink)?;
        }
    }
    Ok(())
}
