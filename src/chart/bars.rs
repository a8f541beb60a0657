//! Horizontal bars with labels at the left and values at the right: importances, metrics beside the
//! champion's. Values below zero go to the left of a common zero line.

use super::axis::short;
use super::frame;
use super::palette::Ink;
use super::pen::{Align, Area, Drawn, Pen};
use plotters_backend::DrawingBackend;

/// One bar.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bar {
    /// At its left.
    pub label: String,
    /// Its length.
    pub value: f64,
    /// At its right; empty shows the value.
    pub note: String,
    /// Its colour's place in the palette.
    pub colour: usize,
}

/// Bars in the order given.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Bars {
    /// From the top.
    pub bars: Vec<Bar>,
}

/// Draws as many bars as fit, and says how many are left.
///
/// # Errors
/// Those of the backend.
pub fn draw<B: DrawingBackend>(pen: &mut Pen<'_, B>, area: Area, spec: &Bars) -> Drawn<B> {
    if spec.bars.is_empty() {
        return frame::empty(pen, area, "nothing to show");
    }
    let line = pen.metrics.line_height;
    let room = pen.lines(area.height).max(1) as usize;
    let count = if spec.bars.len() > room {
        room - 1
    } else {
        spec.bars.len()
    };
    let shown = &spec.bars[..count];
    let notes: Vec<String> = shown
        .iter()
        .map(|bar| {
            if bar.note.is_empty() {
                short(bar.value)
            } else {
                bar.note.clone()
            }
        })
        .collect();
    let gap = pen.letters(1);
    let labels = shown.iter().map(|bar| pen.width(&bar.label)).max();
    let labels = labels.unwrap_or(0).min(area.width * 2 / 5);
    let values = notes.iter().map(|note| pen.width(note)).max();
    let values = values.unwrap_or(0).min(area.width / 3);
    let left = area.x + labels + gap;
    let width = (area.right() - values - gap - left).max(1);
    let finite = || shown.iter().map(|bar| bar.value).filter(|v| v.is_finite());
    let low = finite().fold(0.0, f64::min);
    let high = finite().fold(0.0, f64::max);
    let span = if high > low { high - low } else { 1.0 };
    let place = |value: f64| left + ((value - low) / span * f64::from(width)).round() as i32;
    // on cells the zero line stands between two of them
    let shift = if pen.metrics.is_cells() {
        let cell = pen.letters(1).max(1);
        let zero = place(0.0) - left;
        (zero + cell / 2) / cell * cell - zero
    } else {
        0
    };
    let place = |value: f64| place(value) + shift;
    for (row, (bar, note)) in shown.iter().zip(&notes).enumerate() {
        let y = pen.line_middle(area, row as i32);
        let label = fit(pen, &bar.label, labels);
        pen.text(&label, (area.x, y), Align::Left, Ink::Text)?;
        if bar.value.is_finite() {
            let (from, to) = (place(bar.value.min(0.0)), place(bar.value.max(0.0)));
            let inset = if pen.metrics.is_cells() { 0 } else { line / 6 };
            let body = Area {
                x: from,
                y: area.y + row as i32 * line + inset,
                width: (to - from).max(i32::from(bar.value != 0.0)),
                height: line - 2 * inset,
            };
            pen.fill(body, Ink::Series(bar.colour))?;
        }
        pen.text(note, (area.right(), y), Align::Right, Ink::Muted)?;
    }
    if count < spec.bars.len() {
        let y = pen.line_middle(area, count as i32);
        let text = format!("… {} more", spec.bars.len() - count);
        pen.text(&text, (area.x, y), Align::Left, Ink::Muted)?;
    }
    Ok(())
}

/// The text, cut with an ellipsis to `width` points.
fn fit<B: DrawingBackend>(pen: &Pen<'_, B>, text: &str, width: i32) -> String {
    if pen.width(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        kept.push(letter);
        if pen.width(&kept) + pen.letters(1) > width {
            kept.pop();
            break;
        }
    }
    kept.push('…');
    kept
}
