//! Lines over a common x axis: metrics by step, latency bands by time, quality by month.
//!
//! It knows names, colours, marks and limits of lines; not runs, models or where numbers come from.

use super::axis::{Axis, Scale};
use super::frame::{self, Plot, Ranged};
use super::palette::Ink;
use super::pen::{Align, Area, Drawn, Pen};
use super::series::{self, Columns, Point};
use plotters_backend::{BackendCoord, DrawingBackend};

/// One line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Curve {
    /// Shown at its end where there is room: "A brave-otter".
    pub name: String,
    /// Shown where there is not: "A".
    pub tag: String,
    /// By x, ascending.
    pub points: Vec<Point>,
    /// Its colour's place in the palette.
    pub colour: usize,
    /// The champion or another line to compare with: dashed, in the reference colour.
    pub reference: bool,
    /// Drawn last, so that it owns its cells, and thicker in pictures.
    pub selected: bool,
}

impl Curve {
    /// A line through single values.
    pub fn new(name: impl Into<String>, colour: usize, points: Vec<Point>) -> Self {
        Self {
            name: name.into(),
            colour,
            points,
            ..Self::default()
        }
    }

    fn ink(&self) -> Ink {
        if self.reference {
            Ink::Reference
        } else {
            Ink::Series(self.colour)
        }
    }
}

/// Something happened at this x.
#[derive(Clone, Debug, PartialEq)]
pub struct Mark {
    /// Where.
    pub x: f64,
    /// What: "promoted v12".
    pub text: String,
}

/// A level that must hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Limit {
    /// The level.
    pub y: f64,
    /// What it is: "limit 0.25".
    pub text: String,
}

/// Where the names of the lines stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Legend {
    /// At the ends of the lines: names where they fit into a third of the width, tags otherwise.
    #[default]
    Ends,
    /// Stacked in the upper right corner.
    Corner,
    /// Nowhere.
    None,
}

/// Lines and everything around them.
#[derive(Clone, Debug, PartialEq)]
pub struct Curves {
    /// The lines; later ones are drawn over earlier ones, then references, then the selected one.
    pub curves: Vec<Curve>,
    /// The x axis.
    pub x: Axis,
    /// The y axis.
    pub y: Axis,
    /// The x range shown (zoom, pan); none shows everything.
    pub window: Option<(f64, f64)>,
    /// The y range that is shown at least: (0, 1) for shares. None follows the values.
    pub include: Option<(f64, f64)>,
    /// Weight of the moving average, `0..1`; 0 draws the raw lines only.
    pub smoothing: f64,
    /// The cursor's x.
    pub cursor: Option<f64>,
    /// Vertical rules with a text.
    pub marks: Vec<Mark>,
    /// Horizontal dashed lines with a text.
    pub limits: Vec<Limit>,
    /// Whether the y axis ignores outliers ([`series::extent`]) and says so.
    pub clip: bool,
    /// Where names stand.
    pub legend: Legend,
    /// What is said when there is no number to draw.
    pub empty: String,
}

impl Default for Curves {
    fn default() -> Self {
        Self {
            curves: Vec::new(),
            x: Axis::default(),
            y: Axis::default(),
            window: None,
            include: None,
            smoothing: 0.0,
            cursor: None,
            marks: Vec::new(),
            limits: Vec::new(),
            clip: true,
            legend: Legend::Ends,
            empty: "no points yet".to_owned(),
        }
    }
}

impl Curves {
    /// The x range of all points; none without a point.
    pub fn whole(&self) -> Option<(f64, f64)> {
        let places = self
            .curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(|point| point.x))
            .filter(|x| x.is_finite());
        places.fold(None, |range, x| match range {
            None => Some((x, x)),
            Some((low, high)) => Some((low.min(x), high.max(x))),
        })
    }

    /// Name and value of each line at `x`, by the last point at or before it.
    pub fn at(&self, x: f64) -> Vec<(&str, Option<f64>)> {
        self.curves
            .iter()
            .map(|curve| (curve.name.as_str(), series::value_at(&curve.points, x)))
            .collect()
    }

    /// The x of the point next to `x` in a direction, over all lines: where a cursor key goes.
    pub fn neighbour(&self, x: f64, forward: bool) -> Option<f64> {
        let places = self
            .curves
            .iter()
            .flat_map(|curve| curve.points.iter().map(|point| point.x));
        if forward {
            places
                .filter(|place| *place > x)
                .min_by(|a, b| a.total_cmp(b))
        } else {
            places
                .filter(|place| *place < x)
                .max_by(|a, b| a.total_cmp(b))
        }
    }
}

/// A line as it will be drawn.
struct Prepared<'a> {
    curve: &'a Curve,
    raw: Vec<Point>,
    smooth: Option<Vec<Point>>,
}

impl Prepared<'_> {
    fn main(&self) -> &[Point] {
        self.smooth.as_deref().unwrap_or(&self.raw)
    }
}

/// Draws the lines with axes, marks and names.
///
/// # Errors
/// Those of the backend.
pub fn draw<B: DrawingBackend>(pen: &mut Pen<'_, B>, area: Area, spec: &Curves) -> Drawn<B> {
    let Some(whole) = spec.whole() else {
        return frame::empty(pen, area, &spec.empty);
    };
    let (x_low, x_high) = spec.window.unwrap_or(whole);
    // around a single point no other number means anything
    let only = (x_high <= x_low).then_some(x_low);
    let (x_low, x_high) = if x_high > x_low {
        (x_low, x_high)
    } else {
        (x_low - 0.5, x_low + 0.5)
    };
    let mut prepared: Vec<Prepared<'_>> = spec
        .curves
        .iter()
        .map(|curve| {
            let smoothed =
                (spec.smoothing > 0.0).then(|| series::smooth(&curve.points, spec.smoothing));
            Prepared {
                curve,
                raw: shown(&curve.points, (x_low, x_high), spec.y.scale),
                smooth: smoothed.map(|points| shown(&points, (x_low, x_high), spec.y.scale)),
            }
        })
        .collect();
    prepared.sort_by_key(|line| (line.curve.selected, line.curve.reference));
    let Some((y_low, y_high)) = y_range(spec, &prepared) else {
        return frame::empty(pen, area, &spec.empty);
    };
    let height = frame::plot_height(pen, area);
    let (y_low, y_high, step) = spec.y.round(y_low, y_high, frame::y_labels(pen, height));
    let names = end_names(pen, area, spec, &prepared);
    let right = names
        .iter()
        .map(|name| pen.width(&name.text))
        .max()
        .map_or(0, |width| width + pen.letters(1));
    let x = Ranged {
        axis: &spec.x,
        low: x_low,
        high: x_high,
        step: None,
        only,
    };
    let y = Ranged {
        axis: &spec.y,
        low: y_low,
        high: y_high,
        step,
        only: None,
    };
    let plot = frame::draw(pen, area, &x, &y, right, spec.cursor)?;
    let bottom = plot.area.bottom() - 1;
    for limit in &spec.limits {
        if plot.y.contains(limit.y) {
            let at = plot.y.place(limit.y);
            let ends = [(plot.area.x, at), (plot.area.right() - 1, at)];
            pen.dashes(&ends, Ink::Limit, 1)?;
        }
    }
    for mark in &spec.marks {
        if plot.x.contains(mark.x) {
            pen.rule(plot.x.place(mark.x), plot.area.y, bottom, Ink::Mark)?;
        }
    }
    if let Some(cursor) = spec.cursor.filter(|cursor| plot.x.contains(*cursor)) {
        pen.rule(plot.x.place(cursor), plot.area.y, bottom, Ink::Cursor)?;
    }
    for line in &prepared {
        if line.smooth.is_some() && !line.curve.reference {
            let columns = series::columns(&line.raw, |x| plot.x.place(x));
            lines(
                pen,
                &plot,
                &columns,
                line.curve,
                Ink::Faint(line.curve.colour),
            )?;
        }
    }
    for line in &prepared {
        let columns = series::columns(line.main(), |x| plot.x.place(x));
        lines(pen, &plot, &columns, line.curve, line.curve.ink())?;
    }
    for line in &prepared {
        let columns = series::columns(&line.raw, |x| plot.x.place(x));
        gaps(pen, area, &plot, &columns, line.curve.ink())?;
    }
    mark_texts(pen, &plot, spec)?;
    outliers(pen, &plot, &prepared)?;
    match spec.legend {
        Legend::Ends => beside(pen, &plot, area.y, &names),
        Legend::Corner => corner(pen, &plot, &prepared),
        Legend::None => Ok(()),
    }
}

/// The points inside the window that the scale can show.
fn shown(points: &[Point], (low, high): (f64, f64), scale: Scale) -> Vec<Point> {
    let mut points = series::cut(points, low, high);
    if scale == Scale::Log {
        for point in &mut points {
            if point.is_finite() && point.min <= 0.0 {
                *point = Point::new(point.x, f64::NAN);
            }
        }
    }
    points
}

/// The range of values that must be seen, before it is made round.
fn y_range(spec: &Curves, prepared: &[Prepared<'_>]) -> Option<(f64, f64)> {
    let log = spec.y.scale == Scale::Log;
    let mut values: Vec<f64> = prepared
        .iter()
        .flat_map(|line| line.raw.iter().flat_map(|point| [point.min, point.max]))
        .map(|value| if log { value.ln() } else { value })
        .collect();
    let extent = series::extent(&mut values, spec.clip)?;
    let (mut low, mut high) = if log {
        (extent.low.exp(), extent.high.exp())
    } else {
        (extent.low, extent.high)
    };
    let levels = spec.limits.iter().map(|limit| limit.y);
    let include = spec.include.into_iter().flat_map(|(low, high)| [low, high]);
    for level in levels.chain(include) {
        if level.is_finite() && (!log || level > 0.0) {
            low = low.min(level);
            high = high.max(level);
        }
    }
    Some((low, high))
}

/// Draws the runs of one line. Columns that hold several values become their vertical extent.
fn lines<B: DrawingBackend>(
    pen: &mut Pen<'_, B>,
    plot: &Plot,
    columns: &Columns,
    curve: &Curve,
    ink: Ink,
) -> Drawn<B> {
    let weight = if curve.selected { 3 } else { 2 };
    for run in &columns.runs {
        let mut path: Vec<BackendCoord> = Vec::with_capacity(run.len() * 2);
        for column in run {
            for value in [column.first, column.min, column.max, column.last] {
                let point = (column.place, plot.y.place(value));
                if path.last() != Some(&point) {
                    path.push(point);
                }
            }
        }
        if let ([alone], 1) = (path.as_slice(), columns.runs.len()) {
            // a line needs two points: one alone is a dot that is seen
            let at = if pen.metrics.is_cells() {
                let line = pen.metrics.line_height;
                alone.1 - (alone.1 - plot.area.y).rem_euclid(line) + line / 2
            } else {
                alone.1
            };
            let align = if pen.metrics.is_cells() {
                Align::Left
            } else {
                Align::Centre
            };
            pen.text("●", (alone.0, at), align, ink)?;
        } else if curve.reference && pen.metrics.is_cells() {
            // two cells on, two off: a line with noise keeps its gaps, through which others show
            let dash = pen.letters(2).max(1);
            let on = |(x, _): &BackendCoord| (x - plot.area.x) / dash % 2 == 0;
            for piece in path.chunk_by(|a, b| on(a) == on(b)) {
                if piece.iter().all(on) {
                    pen.path(piece, ink, weight)?;
                }
            }
        } else if curve.reference {
            pen.dashes(&path, ink, weight)?;
        } else if matches!(ink, Ink::Faint(_)) {
            pen.path(&path, ink, 1)?;
        } else {
            pen.path(&path, ink, weight)?;
        }
    }
    Ok(())
}

/// A `×` where a value was not finite.
fn gaps<B: DrawingBackend>(
    pen: &mut Pen<'_, B>,
    area: Area,
    plot: &Plot,
    columns: &Columns,
    ink: Ink,
) -> Drawn<B> {
    let line = pen.metrics.line_height;
    for (place, before) in &columns.gaps {
        let y = before.map_or(plot.area.bottom() - 1, |value| plot.y.place(value));
        if pen.metrics.is_cells() {
            let y = y - (y - area.y).rem_euclid(line) + line / 2;
            pen.text("×", (*place, y), Align::Left, ink)?;
        } else {
            pen.text("×", (*place, y), Align::Centre, ink)?;
        }
    }
    Ok(())
}

/// The texts of the marks, at the top: to the right of their rule, or to the left at the edge.
fn mark_texts<B: DrawingBackend>(pen: &mut Pen<'_, B>, plot: &Plot, spec: &Curves) -> Drawn<B> {
    let gap = pen.letters(1);
    let mut taken: Vec<(i32, i32, i32)> = Vec::new();
    for mark in spec.marks.iter().filter(|mark| plot.x.contains(mark.x)) {
        let at = plot.x.place(mark.x);
        let width = pen.width(&mark.text);
        let left = if at + gap + width <= plot.area.right() {
            at + gap
        } else {
            at - width - if pen.metrics.is_cells() { 0 } else { gap }
        };
        if left < plot.area.x {
            continue;
        }
        let lines = pen.lines(plot.area.height).min(3);
        let free = (0..lines).find(|line| {
            !taken
                .iter()
                .any(|(from, to, other)| line == other && left < *to && *from < left + width)
        });
        if let Some(line) = free {
            taken.push((left, left + width + gap, line));
            let y = pen.line_middle(plot.area, line);
            pen.text(&mark.text, (left, y), Align::Left, Ink::Mark)?;
        }
    }
    Ok(())
}

/// Says in the corners how many points lie outside: `↑2 out`.
fn outliers<B: DrawingBackend>(
    pen: &mut Pen<'_, B>,
    plot: &Plot,
    prepared: &[Prepared<'_>],
) -> Drawn<B> {
    let points = || {
        prepared
            .iter()
            .flat_map(|line| line.raw.iter())
            .filter(|point| point.is_finite())
    };
    let above = points()
        .filter(|point| !plot.y.contains(point.max) && plot.y.place(point.max) <= plot.area.y)
        .count();
    let below = points()
        .filter(|point| {
            !plot.y.contains(point.min) && plot.y.place(point.min) >= plot.area.bottom() - 1
        })
        .count();
    let last = (pen.lines(plot.area.height) - 1).max(0);
    for (count, sign, line) in [(above, '↑', 0), (below, '↓', last)] {
        if count > 0 {
            let text = format!("{sign}{count} out");
            let y = pen.line_middle(plot.area, line);
            let x = plot.area.right();
            pen.text(&text, (x, y), Align::Right, Ink::Muted)?;
        }
    }
    Ok(())
}

/// A text beside the plot, at the height of what it names.
struct EndName {
    text: String,
    ink: Ink,
    value: f64,
}

/// The texts at the ends of lines and limits: names where the longest fits into a third of the width,
/// tags where not, nothing where not even those fit.
fn end_names<B: DrawingBackend>(
    pen: &Pen<'_, B>,
    area: Area,
    spec: &Curves,
    prepared: &[Prepared<'_>],
) -> Vec<EndName> {
    if spec.legend != Legend::Ends {
        return Vec::new();
    }
    let lines = |name: fn(&Curve) -> &str| -> Vec<EndName> {
        prepared
            .iter()
            .filter_map(|line| {
                let last = line.main().iter().rev().find(|point| point.is_finite())?;
                Some(EndName {
                    text: name(line.curve).to_owned(),
                    ink: line.curve.ink(),
                    value: last.last.clamp(last.min, last.max),
                })
            })
            .filter(|name| !name.text.is_empty())
            .collect()
    };
    let fits = |text: &str| pen.width(text) + pen.letters(1) <= area.width / 3;
    let mut names = lines(|curve| &curve.name);
    if !names.iter().all(|name| fits(&name.text)) {
        names = lines(|curve| match curve.tag.as_str() {
            "" => &curve.name,
            tag => tag,
        });
    }
    if !names.iter().all(|name| fits(&name.text)) {
        return Vec::new();
    }
    let limits = spec
        .limits
        .iter()
        .filter(|limit| !limit.text.is_empty() && fits(&limit.text))
        .map(|limit| EndName {
            text: limit.text.clone(),
            ink: Ink::Limit,
            value: limit.y,
        });
    limits.chain(names).collect()
}

/// Stacks the names in the upper right corner.
fn corner<B: DrawingBackend>(
    pen: &mut Pen<'_, B>,
    plot: &Plot,
    prepared: &[Prepared<'_>],
) -> Drawn<B> {
    for (place, line) in prepared.iter().rev().enumerate() {
        let y = pen.line_middle(plot.area, place as i32);
        if y > plot.area.bottom() {
            break;
        }
        let at = (plot.area.right(), y);
        pen.text(&line.curve.name, at, Align::Right, line.curve.ink())?;
    }
    Ok(())
}

/// Puts names beside the plot at the heights of their lines, pushed apart. With more names than rows
/// the last drawn ones stay.
fn beside<B: DrawingBackend>(
    pen: &mut Pen<'_, B>,
    plot: &Plot,
    top: i32,
    names: &[EndName],
) -> Drawn<B> {
    let line = pen.metrics.line_height;
    let rows = pen.lines(plot.area.bottom() - top).max(1);
    let excess = names.len().saturating_sub(rows as usize);
    let mut placed: Vec<&EndName> = names[excess..].iter().collect();
    placed.sort_by(|a, b| b.value.total_cmp(&a.value));
    let wanted: Vec<i32> = placed
        .iter()
        .map(|name| ((plot.y.place(name.value) - top) / line).clamp(0, rows - 1))
        .collect();
    let x = plot.area.right() + pen.letters(1);
    let column = Area {
        y: top,
        ..plot.area
    };
    for (name, row) in placed.iter().zip(apart(&wanted, rows)) {
        let y = pen.line_middle(column, row);
        pen.text(&name.text, (x, y), Align::Left, name.ink)?;
    }
    Ok(())
}

/// Moves ascending rows apart so that no two are equal, as little as possible, inside `0..room`.
fn apart(rows: &[i32], room: i32) -> Vec<i32> {
    let mut placed: Vec<i32> = Vec::with_capacity(rows.len());
    for row in rows {
        let next = placed.last().map_or(*row, |last| (*row).max(last + 1));
        placed.push(next);
    }
    let mut limit = room - 1;
    for row in placed.iter_mut().rev() {
        *row = (*row).min(limit);
        limit = *row - 1;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_move_apart_and_stay_inside() {
        assert_eq!(apart(&[3, 3, 3], 8), vec![3, 4, 5]);
        assert_eq!(apart(&[6, 7, 7], 8), vec![5, 6, 7]);
        assert_eq!(apart(&[0, 0], 2), vec![0, 1]);
    }

    #[test]
    fn the_cursor_steps_from_point_to_point_over_all_lines() {
        let line = |places: &[f64]| {
            Curve::new("a", 0, places.iter().map(|x| Point::new(*x, *x)).collect())
        };
        let curves = Curves {
            curves: vec![line(&[0.0, 10.0]), line(&[5.0])],
            ..Curves::default()
        };
        assert_eq!(curves.neighbour(0.0, true), Some(5.0));
        assert_eq!(curves.neighbour(10.0, false), Some(5.0));
        assert_eq!(curves.neighbour(10.0, true), None);
        assert_eq!(curves.at(6.0), vec![("a", Some(0.0)), ("a", Some(5.0))]);
    }
}
