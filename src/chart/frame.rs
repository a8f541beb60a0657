//! The frame around a plot: y labels at the left, the axis lines, x labels below, and the mapping
//! from values to points inside.
//!
//! It knows axes and the pen, not what will be drawn into the plot.

use super::axis::{Axis, Kind, Scale, Tick};
use super::palette::Ink;
use super::pen::{Align, Area, Drawn, Pen};
use plotters_backend::DrawingBackend;

/// From values of one axis to points of the canvas.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mapping {
    low: f64,
    high: f64,
    scale: Scale,
    from: i32,
    to: i32,
}

impl Mapping {
    /// `low` lies at the point `from`, `high` at `to`.
    pub fn new((low, high): (f64, f64), scale: Scale, (from, to): (i32, i32)) -> Self {
        Self {
            low,
            high,
            scale,
            from,
            to,
        }
    }

    /// The point of a value; values outside are put on the nearer end.
    pub fn place(&self, value: f64) -> i32 {
        let share = match self.scale {
            Scale::Linear => (value - self.low) / (self.high - self.low),
            Scale::Log if value <= 0.0 => 0.0,
            Scale::Log => (value / self.low).ln() / (self.high / self.low).ln(),
        };
        let share = if share.is_nan() { 0.5 } else { share };
        let reach = f64::from(self.to - self.from);
        self.from + (share.clamp(0.0, 1.0) * reach).round() as i32
    }

    /// Whether a value lies between the ends.
    pub fn contains(&self, value: f64) -> bool {
        value >= self.low && value <= self.high
    }
}

/// The inside of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plot {
    /// Where to draw.
    pub area: Area,
    /// x to points.
    pub x: Mapping,
    /// y to points.
    pub y: Mapping,
}

/// An axis with the range it shows.
pub struct Ranged<'a> {
    /// The axis.
    pub axis: &'a Axis,
    /// Least value shown.
    pub low: f64,
    /// Greatest value shown.
    pub high: f64,
    /// The step between ticks; none lets the axis choose.
    pub step: Option<f64>,
    /// The one value there is: it alone has a label.
    pub only: Option<f64>,
}

/// How many labels fit on a y axis of `height` points.
pub fn y_labels<B: DrawingBackend>(pen: &Pen<'_, B>, height: i32) -> usize {
    let lines = pen.lines(height).max(1) as usize;
    if pen.metrics.is_cells() {
        lines.div_ceil(2).clamp(lines.clamp(3, 4), 9)
    } else {
        (lines / 2).clamp(3, 9)
    }
}

/// The height that is left for the plot above axis line and x labels; low areas go without them.
pub fn plot_height<B: DrawingBackend>(pen: &Pen<'_, B>, area: Area) -> i32 {
    let below = match pen.lines(area.height) {
        lines if lines >= 5 => 2,
        4 => 1,
        _ => 0,
    };
    area.height - below * pen.metrics.line_height
}

/// Draws axes and labels into `area`, leaves `right` points at the right for legends, and says where
/// the plot is. `cursor` gets a label of its own below the x axis.
///
/// # Errors
/// Those of the backend.
pub fn draw<B: DrawingBackend>(
    pen: &mut Pen<'_, B>,
    area: Area,
    x: &Ranged<'_>,
    y: &Ranged<'_>,
    right: i32,
    cursor: Option<f64>,
) -> Drawn<B, Plot> {
    let cells = pen.metrics.is_cells();
    let line = pen.metrics.line_height;
    let height = plot_height(pen, area);
    let ticks = match y.step {
        Some(step) => y.axis.stepped(y.low, y.high, step),
        None => y.axis.ticks(y.low, y.high, y_labels(pen, height)),
    };
    let wide = ticks
        .iter()
        .map(|tick| pen.width(&tick.text))
        .max()
        .unwrap_or(0);
    let gap = if cells { 0 } else { pen.letters(1) };
    let axis_x = area.x + wide.min(area.width / 2) + gap;
    let inner = Area {
        x: axis_x + if cells { pen.letters(1) } else { 1 },
        y: area.y,
        width: 0,
        height,
    };
    let inner = Area {
        width: (area.right() - right - inner.x).max(1),
        ..inner
    };
    // in pictures half a line at the top keeps the topmost label inside
    let top = if cells { inner.y } else { inner.y + line / 2 };
    let plot = Plot {
        area: Area {
            y: top,
            height: inner.bottom() - top,
            ..inner
        },
        x: Mapping::new((x.low, x.high), x.axis.scale, (inner.x, inner.right() - 1)),
        y: Mapping::new((y.low, y.high), y.axis.scale, (inner.bottom() - 1, top)),
    };
    let mut free_below = i32::MAX;
    for tick in ticks.iter().rev() {
        let at = plot.y.place(tick.value);
        let middle = if cells {
            at - (at - area.y).rem_euclid(line) + line / 2
        } else {
            at
        };
        if (middle - free_below).abs() < line {
            continue;
        }
        free_below = middle;
        if !cells {
            pen.line((inner.x, at), (inner.right() - 1, at), Ink::Grid)?;
        }
        pen.text(
            &tick.text,
            (axis_x - gap / 2, middle),
            Align::Right,
            Ink::Muted,
        )?;
    }
    let below = area.bottom() - inner.bottom();
    let axis_y = if cells && below > line {
        inner.bottom() + line / 2
    } else {
        inner.bottom() - i32::from(!cells)
    };
    let has_line = below > line || (!cells && below > 0);
    let foot = if has_line { axis_y } else { inner.bottom() - 1 };
    pen.line((axis_x, top), (axis_x, foot), Ink::Axis)?;
    if has_line {
        pen.line((axis_x, axis_y), (inner.right() - 1, axis_y), Ink::Axis)?;
    }
    if below > 0 {
        let y = if cells {
            area.bottom() - line + line / 2
        } else {
            inner.bottom() + line * 3 / 4
        };
        x_labels(pen, area, &plot, x, y, cursor)?;
        if !cells && !x.axis.label.is_empty() {
            let middle = inner.x + inner.width / 2;
            pen.text(
                &x.axis.label,
                (middle, area.bottom() - line / 2),
                Align::Centre,
                Ink::Muted,
            )?;
        }
    }
    Ok(plot)
}

/// The words below the x axis: the cursor's first, then those that do not touch another.
fn x_labels<B: DrawingBackend>(
    pen: &mut Pen<'_, B>,
    area: Area,
    plot: &Plot,
    x: &Ranged<'_>,
    y: i32,
    cursor: Option<f64>,
) -> Drawn<B> {
    let named = matches!(x.axis.kind, Kind::Names(_));
    let (room, space) = if named { (2, 1) } else { (5, 3) };
    let room = pen.letters(room).max(1);
    let mut most = (plot.area.width / room).max(2) as usize;
    let mut ticks = match x.only {
        Some(value) => vec![Tick {
            value,
            text: x.axis.word(value, x.high - x.low),
        }],
        None => x.axis.ticks(x.low, x.high, most),
    };
    // names and times are wider than numbers: thin them out until they fit side by side
    while most > 2 && x.only.is_none() {
        let widest = ticks.iter().map(|tick| pen.width(&tick.text)).max();
        let needed = (widest.unwrap_or(0) + pen.letters(space)) * ticks.len() as i32;
        if needed <= plot.area.width + pen.letters(2) {
            break;
        }
        most -= 1;
        ticks = x.axis.ticks(x.low, x.high, most);
    }
    let mut taken: Vec<(i32, i32)> = Vec::new();
    let cursor = cursor
        .filter(|value| plot.x.contains(*value))
        .map(|value| (value, x.axis.word(value, x.high - x.low), Ink::Text));
    let ticks = ticks
        .into_iter()
        .map(|tick| (tick.value, tick.text, Ink::Muted));
    for (value, text, ink) in cursor.into_iter().chain(ticks) {
        let width = pen.width(&text);
        let left = (plot.x.place(value) - width / 2)
            .min(area.right() - width)
            .max(area.x);
        let space = pen.letters(1);
        if taken
            .iter()
            .any(|(from, to)| left < to + space && *from < left + width + space)
        {
            continue;
        }
        taken.push((left, left + width));
        if pen.metrics.is_cells() {
            pen.text(&text, (left, y), Align::Left, ink)?;
        } else {
            pen.text(&text, (left + width / 2, y), Align::Centre, ink)?;
        }
    }
    Ok(())
}

/// A remark in the middle of an area that has nothing to show, in as many lines as it takes.
///
/// # Errors
/// Those of the backend.
pub fn empty<B: DrawingBackend>(pen: &mut Pen<'_, B>, area: Area, remark: &str) -> Drawn<B> {
    let lines = broken(remark, |text| pen.width(text) <= area.width);
    let room = pen.lines(area.height).max(1);
    let first = (room - lines.len() as i32).max(0) / 2;
    for (line, text) in lines.iter().take(room as usize).enumerate() {
        let middle = pen.line_middle(area, first + line as i32);
        let width = pen.width(text).min(area.width);
        pen.text(
            text,
            (area.x + (area.width - width) / 2, middle),
            Align::Left,
            Ink::Muted,
        )?;
    }
    Ok(())
}

/// A text in lines that fit, broken between words; a word that fits nowhere has a line of its own.
fn broken(text: &str, fits: impl Fn(&str) -> bool) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if fits(&format!("{line} {word}")) => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_is_broken_between_its_words() {
        let lines = broken("loss was logged once: no curve", |text| text.len() <= 12);
        assert_eq!(lines, ["loss was", "logged once:", "no curve"]);
    }

    #[test]
    fn values_outside_are_put_on_the_nearer_end() {
        let mapping = Mapping::new((0.0, 10.0), Scale::Linear, (99, 0));
        assert_eq!(mapping.place(0.0), 99);
        assert_eq!(mapping.place(10.0), 0);
        assert_eq!(mapping.place(1e9), 0);
        assert!(!mapping.contains(11.0));
    }

    #[test]
    fn log_mapping_gives_each_decade_the_same_room() {
        let mapping = Mapping::new((1.0, 100.0), Scale::Log, (0, 100));
        assert_eq!(mapping.place(10.0), 50);
        assert_eq!(mapping.place(0.0), 0);
    }
}
