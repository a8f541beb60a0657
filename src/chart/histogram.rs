//! Two distributions over the same bins or categories: reference, current, and both as a third
//! colour.
//!
//! It gets shares and draws them; it bins nothing.

use super::axis::short;
use super::frame;
use super::palette::Ink;
use super::pen::{Align, Area, Drawn, Pen};
use plotters_backend::DrawingBackend;

/// Both distributions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// One more than bins, ascending; empty for categories. Bars have equal widths, whatever the
    /// bins' widths: edges are often quantiles of the reference.
    pub edges: Vec<f64>,
    /// Names of the categories; empty for numbers.
    pub categories: Vec<String>,
    /// Share (or count) of the reference in each bin.
    pub reference: Vec<f64>,
    /// Share of what is compared with it; empty draws the reference alone.
    pub current: Vec<f64>,
    /// Name of the reference: "training".
    pub reference_name: String,
    /// Name of the other: "now".
    pub current_name: String,
    /// Put behind the edges: "min".
    pub unit: String,
    /// The edges are instants, in microseconds since 1970 (UTC): days stand below the bars.
    pub instants: bool,
}

impl Histogram {
    fn bins(&self) -> usize {
        self.reference.len().max(self.current.len())
    }

    /// The word at an edge.
    fn edge(&self, edge: f64) -> String {
        let instant = self
            .instants
            .then(|| chrono::DateTime::from_timestamp_micros(edge as i64))
            .flatten();
        let (Some(instant), Some(first), Some(last)) =
            (instant, self.edges.first(), self.edges.last())
        else {
            return short(edge);
        };
        // microseconds of two days
        let format = if last - first > 1.728e11 {
            "%Y-%m-%d"
        } else {
            "%d %H:%M"
        };
        instant.format(format).to_string()
    }

    fn share(values: &[f64], bin: usize) -> f64 {
        let value = values.get(bin).copied().unwrap_or(0.0);
        if value.is_finite() {
            value.max(0.0)
        } else {
            0.0
        }
    }
}

/// Draws bars from the bottom, a legend in the first line and edges or categories below.
///
/// # Errors
/// Those of the backend.
pub fn draw<B: DrawingBackend>(pen: &mut Pen<'_, B>, area: Area, spec: &Histogram) -> Drawn<B> {
    let bins = spec.bins();
    let highest = (0..bins)
        .map(|bin| Histogram::share(&spec.reference, bin).max(Histogram::share(&spec.current, bin)))
        .fold(0.0, f64::max);
    if bins == 0 || highest <= 0.0 {
        return frame::empty(pen, area, "no values to show");
    }
    let line = pen.metrics.line_height;
    let lines = pen.lines(area.height);
    let (head, foot) = (i32::from(lines >= 4), i32::from(lines >= 3));
    if head == 1 {
        signs(pen, area, spec)?;
    }
    let plot = Area {
        y: area.y + head * line,
        height: area.height - (head + foot) * line,
        ..area
    };
    let slots = Slots::new(pen, plot, bins);
    for bin in 0..slots.bins {
        let (left, width) = slots.bar(bin);
        let height = |values: &[f64]| -> i32 {
            let share = (slots.first(bin)..slots.first(bin + 1))
                .map(|bin| Histogram::share(values, bin))
                .fold(0.0, f64::max);
            let points = (share / highest * f64::from(plot.height)).round() as i32;
            // a share above zero stays visible
            if share > 0.0 { points.max(1) } else { 0 }
        };
        let (reference, current) = (height(&spec.reference), height(&spec.current));
        let both = reference.min(current);
        let bar = |from: i32, to: i32| Area {
            x: left,
            y: plot.bottom() - to,
            width,
            height: to - from,
        };
        pen.fill(bar(both, reference), Ink::Reference)?;
        pen.fill(bar(both, current), Ink::Current)?;
        pen.fill(bar(0, both), Ink::Overlap)?;
    }
    if foot == 1 {
        let y = plot.bottom()
            + if pen.metrics.is_cells() {
                line / 2
            } else {
                line * 5 / 8
            };
        words(pen, area, &slots, spec, y)?;
        if !pen.metrics.is_cells() {
            let y = plot.bottom();
            pen.line((plot.x, y), (plot.right() - 1, y), Ink::Axis)?;
        }
    }
    Ok(())
}

/// The bars' places: equal whole widths; with more bins than points, neighbours share one.
struct Slots {
    x: i32,
    width: i32,
    gap: i32,
    bins: usize,
    all: usize,
}

impl Slots {
    fn new<B: DrawingBackend>(pen: &Pen<'_, B>, plot: Area, all: usize) -> Self {
        let least = if pen.metrics.is_cells() {
            pen.letters(1).max(1)
        } else {
            1
        };
        let bins = all.min((plot.width / least).max(1) as usize);
        let whole = plot.width / bins as i32 / least * least;
        let gap = if pen.metrics.is_cells() {
            0
        } else {
            i32::from(whole > 6) * 2
        };
        Self {
            x: plot.x,
            width: whole.max(1),
            gap,
            bins,
            all,
        }
    }

    fn bar(&self, bin: usize) -> (i32, i32) {
        (self.x + bin as i32 * self.width, self.width - self.gap)
    }

    /// The first of the original bins that bar `bin` stands for.
    fn first(&self, bin: usize) -> usize {
        bin * self.all / self.bins
    }

    fn end(&self) -> i32 {
        self.x + self.bins as i32 * self.width
    }
}

/// The legend: a filled letter in each colour, then its name.
fn signs<B: DrawingBackend>(pen: &mut Pen<'_, B>, area: Area, spec: &Histogram) -> Drawn<B> {
    let mut entries = vec![(Ink::Reference, spec.reference_name.as_str())];
    if !spec.current.is_empty() {
        entries.push((Ink::Current, spec.current_name.as_str()));
        entries.push((Ink::Overlap, "both"));
    }
    let line = pen.metrics.line_height;
    let mut x = area.x;
    for (ink, name) in entries.into_iter().filter(|(_, name)| !name.is_empty()) {
        let (inset, side) = if pen.metrics.is_cells() {
            (0, line)
        } else {
            (line / 5, line * 3 / 5)
        };
        let sign = Area {
            x,
            y: area.y + inset,
            width: pen.letters(1),
            height: side,
        };
        pen.fill(sign, ink)?;
        x += pen.letters(1) + pen.letters(1) / if pen.metrics.is_cells() { 1 } else { 2 };
        let y = pen.line_middle(area, 0);
        pen.text(name, (x, y), Align::Left, Ink::Muted)?;
        x += pen.width(name) + pen.letters(1);
    }
    Ok(())
}

/// Edges at the borders of the bars, or categories under them; those that would touch are left out.
fn words<B: DrawingBackend>(
    pen: &mut Pen<'_, B>,
    area: Area,
    slots: &Slots,
    spec: &Histogram,
    y: i32,
) -> Drawn<B> {
    let numbers = spec.categories.is_empty();
    let mut labels: Vec<(i32, String)> = Vec::new();
    if numbers {
        for bin in 0..=slots.bins {
            if let Some(edge) = spec.edges.get(slots.first(bin)) {
                let place = slots.x + bin as i32 * slots.width;
                labels.push((place, spec.edge(*edge)));
            }
        }
    } else {
        for bin in 0..slots.bins {
            if let Some(name) = spec.categories.get(slots.first(bin)) {
                let (left, width) = slots.bar(bin);
                labels.push((left + width / 2, name.clone()));
            }
        }
    }
    if let (true, Some(last)) = (numbers && !spec.unit.is_empty(), labels.last_mut()) {
        last.1 = format!("{} {}", last.1, spec.unit);
    }
    let end = area.right().max(slots.end());
    let spans: Vec<(i32, i32)> = labels
        .iter()
        .enumerate()
        .map(|(place, (at, text))| {
            let width = pen.width(text);
            let left = if numbers && place + 1 == labels.len() {
                at - width + pen.letters(1)
            } else {
                at - width / 2
            };
            let left = left.min(end - width).max(area.x);
            (left, left + width)
        })
        .collect();
    for place in thinned(&spans, pen.letters(1), numbers) {
        let (left, _) = spans[place];
        pen.text(&labels[place].1, (left, y), Align::Left, Ink::Muted)?;
    }
    Ok(())
}

/// Every n-th of the labels, n as small as it can be without two of them touching; `keep_last` puts
/// the last one, which carries the unit, before its neighbour.
fn thinned(spans: &[(i32, i32)], space: i32, keep_last: bool) -> Vec<usize> {
    let apart = |places: &[usize]| {
        places
            .windows(2)
            .all(|pair| spans[pair[0]].1 + space <= spans[pair[1]].0)
    };
    let last = spans.len().saturating_sub(1);
    for every in 1..=spans.len() {
        let mut places: Vec<usize> = (0..spans.len()).step_by(every).collect();
        if keep_last && places.last() != Some(&last) {
            while places
                .last()
                .is_some_and(|place| spans[*place].1 + space > spans[last].0)
            {
                places.pop();
            }
            places.push(last);
        }
        if apart(&places) {
            return places;
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_thin_out_evenly_and_keep_the_last() {
        let spans: Vec<(i32, i32)> = (0..7).map(|place| (place * 3, place * 3 + 2)).collect();
        assert_eq!(thinned(&spans, 1, true), vec![0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(thinned(&spans, 2, true), vec![0, 2, 4, 6]);
        assert_eq!(thinned(&spans, 5, true), vec![0, 3, 6]);
        assert_eq!(thinned(&[(0, 4), (1, 5)], 1, true), vec![1]);
    }
}
