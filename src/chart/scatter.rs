//! One point a run: a parameter against a metric.

use super::axis::{Axis, Scale};
use super::frame::{self, Ranged};
use super::palette::Ink;
use super::pen::{Align, Area, Drawn, Pen};
use super::series;
use plotters_backend::DrawingBackend;

/// One point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScatterPoint {
    /// Place on the x axis.
    pub x: f64,
    /// Place on the y axis.
    pub y: f64,
    /// A marked run's letter, the champion's sign; empty draws a dot.
    pub label: String,
    /// Its colour's place in the palette; none is the colour of remarks.
    pub colour: Option<usize>,
    /// The champion: the reference colour.
    pub reference: bool,
}

/// Points and their axes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scatter {
    /// The points; later ones are drawn over earlier ones, labelled ones last.
    pub points: Vec<ScatterPoint>,
    /// The parameter.
    pub x: Axis,
    /// The metric.
    pub y: Axis,
}

/// Draws the points with axes.
///
/// # Errors
/// Those of the backend.
pub fn draw<B: DrawingBackend>(pen: &mut Pen<'_, B>, area: Area, spec: &Scatter) -> Drawn<B> {
    let fits =
        |value: f64, scale: Scale| value.is_finite() && (scale == Scale::Linear || value > 0.0);
    let mut points: Vec<&ScatterPoint> = spec
        .points
        .iter()
        .filter(|point| fits(point.x, spec.x.scale) && fits(point.y, spec.y.scale))
        .collect();
    points.sort_by_key(|point| !point.label.is_empty());
    let mut xs: Vec<f64> = points.iter().map(|point| point.x).collect();
    let mut ys: Vec<f64> = points.iter().map(|point| point.y).collect();
    let (Some(x), Some(y)) = (
        series::extent(&mut xs, false),
        series::extent(&mut ys, true),
    ) else {
        return frame::empty(pen, area, "no points yet");
    };
    let labels = frame::y_labels(pen, frame::plot_height(pen, area));
    let (y_low, y_high, y_step) = spec.y.round(y.low, y.high, labels);
    let (x_low, x_high, _) = spec.x.round(x.low, x.high, 6);
    let x = Ranged {
        axis: &spec.x,
        low: x_low,
        high: x_high,
        step: None,
        only: None,
    };
    let y = Ranged {
        axis: &spec.y,
        low: y_low,
        high: y_high,
        step: y_step,
        only: None,
    };
    let right = if pen.metrics.is_cells() {
        0
    } else {
        pen.letters(2)
    };
    let plot = frame::draw(pen, area, &x, &y, right, None)?;
    let line = pen.metrics.line_height;
    let cells = pen.metrics.is_cells();
    let mut out = 0;
    for point in points {
        if !plot.y.contains(point.y) {
            out += 1;
            continue;
        }
        let (x, mut y) = (plot.x.place(point.x), plot.y.place(point.y));
        let ink = match (point.reference, point.colour) {
            (true, _) => Ink::Reference,
            (false, Some(colour)) => Ink::Series(colour),
            (false, None) => Ink::Muted,
        };
        if cells {
            y = y - (y - area.y).rem_euclid(line) + line / 2;
            let sign = if point.label.is_empty() {
                "·"
            } else {
                &point.label
            };
            pen.text(sign, (x, y), Align::Left, ink)?;
        } else {
            pen.dot((x, y), ink)?;
            pen.text(&point.label, (x + pen.letters(1), y), Align::Left, ink)?;
        }
    }
    if out > 0 {
        let y = pen.line_middle(plot.area, 0);
        let text = format!("{out} out");
        pen.text(&text, (plot.area.right(), y), Align::Right, Ink::Muted)?;
    }
    Ok(())
}
