//! What `e` writes: a chart as SVG on paper colours, a table as CSV. Makes the bytes; the loop writes them.

use super::effect::Effect;
use super::text;
use crate::chart::{self, ChartSpec, Metrics, Palette, Pen};
use plotters::prelude::{SVGBackend, WHITE};
use plotters_backend::DrawingBackend;

/// Pixels of a picture and of a letter in it.
const SIZE: (u32, u32) = (960, 540);
const LETTER: f64 = 15.0;

/// A file with the chart, drawn by the same code as on the screen; none when it cannot be drawn.
pub fn svg(name: &str, spec: &ChartSpec) -> Option<Effect> {
    let mut picture = String::new();
    {
        let mut backend = SVGBackend::with_string(&mut picture, SIZE);
        let (wide, high) = (SIZE.0 as i32, SIZE.1 as i32);
        backend.draw_rect((0, 0), (wide, high), &WHITE, true).ok()?;
        let palette = Palette::paper();
        let mut pen = Pen::new(&mut backend, &palette, Metrics::pixels(LETTER));
        let mut area = pen.area();
        let heading = pen.lines(2);
        let (x, y) = (area.x + pen.letters(1), pen.line_middle(area, 0));
        pen.text(
            &spec.heading(),
            (x, y),
            chart::pen::Align::Left,
            chart::Ink::Text,
        )
        .ok()?;
        area.y += heading;
        area.height -= heading;
        chart::draw(&mut pen, area, &spec.chart).ok()?;
    }
    Some(Effect::Write {
        name: format!("{}.svg", file_name(name)),
        bytes: picture.into_bytes(),
    })
}

/// A file with a table: a heading and rows.
pub fn csv(name: &str, rows: &[Vec<String>]) -> Effect {
    let lines: String = rows
        .iter()
        .map(|row| text::csv_line(row.iter().map(String::as_str)))
        .collect();
    Effect::Write {
        name: format!("{}.csv", file_name(name)),
        bytes: lines.into_bytes(),
    }
}

/// A name without anything that a path could read otherwise.
fn file_name(name: &str) -> String {
    name.chars()
        .map(|letter| {
            if letter.is_alphanumeric() || "-_.".contains(letter) {
                letter
            } else {
                '-'
            }
        })
        .collect()
}
