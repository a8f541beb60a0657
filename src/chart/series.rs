//! What happens to numbers before they are drawn: buckets, smoothing, columns, outliers.
//!
//! Downsampling keeps minimum and maximum of every column, so a spike or a NaN of one step stays
//! visible. Nothing here draws.

use crate::domain::metric::Bucket;

/// One point, or several that fell into one bucket. NaN in `last` with `odd > 0` is a gap.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// Place on the x axis.
    pub x: f64,
    /// Smallest finite value; NaN when there is none.
    pub min: f64,
    /// Greatest finite value; NaN when there is none.
    pub max: f64,
    /// The last value.
    pub last: f64,
    /// How many values were not finite.
    pub odd: u32,
}

impl Point {
    /// A single value, finite or not.
    pub fn new(x: f64, value: f64) -> Self {
        let finite = value.is_finite();
        let shown = if finite { value } else { f64::NAN };
        Self {
            x,
            min: shown,
            max: shown,
            last: value,
            odd: u32::from(!finite),
        }
    }

    /// A bucket by its step.
    pub fn by_step(bucket: &Bucket) -> Self {
        Self::of_bucket(bucket, bucket.step as f64)
    }

    /// A bucket at a place of the caller's choice: its time, its epoch.
    pub fn of_bucket(bucket: &Bucket, x: f64) -> Self {
        Self {
            x,
            min: bucket.min,
            max: bucket.max,
            last: bucket.last,
            odd: bucket.odd,
        }
    }

    /// Whether it has a finite value.
    pub fn is_finite(&self) -> bool {
        self.min.is_finite() && self.max.is_finite()
    }

    /// The finite value that a line goes through.
    fn line(&self) -> f64 {
        if self.last.is_finite() {
            self.last
        } else {
            self.max
        }
    }
}

/// Exponential moving average with weight `weight` in `0..1`, corrected for its start as Adam's
/// moments are (Kingma and Ba, 2015; TensorBoard smooths the same way). Gaps stay gaps and are not
/// averaged over.
pub fn smooth(points: &[Point], weight: f64) -> Vec<Point> {
    let weight = weight.clamp(0.0, 0.999);
    let (mut average, mut debias) = (0.0, 1.0);
    points
        .iter()
        .map(|point| {
            if !point.is_finite() {
                return *point;
            }
            average = average * weight + (1.0 - weight) * point.line();
            debias *= weight;
            let value = average / (1.0 - debias);
            Point {
                x: point.x,
                min: value,
                max: value,
                last: value,
                odd: point.odd,
            }
        })
        .collect()
}

/// The points inside `low..=high`, with a line's crossing of either end added where it comes from
/// or goes to a neighbour outside.
pub fn cut(points: &[Point], low: f64, high: f64) -> Vec<Point> {
    let crossing = |from: &Point, to: &Point, x: f64| -> Option<Point> {
        let (a, b) = (from.line(), to.line());
        if !from.is_finite() || !to.is_finite() || to.x <= from.x {
            return None;
        }
        Some(Point::new(x, a + (b - a) * (x - from.x) / (to.x - from.x)))
    };
    let mut inside = Vec::new();
    for (place, point) in points.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| &points[place]);
        if let Some(before) = before {
            if before.x < low && point.x > low {
                inside.extend(crossing(before, point, low));
            }
            if before.x < high && point.x > high {
                inside.extend(crossing(before, point, high));
            }
        }
        if point.x >= low && point.x <= high {
            inside.push(*point);
        }
    }
    inside
}

/// What one column of the canvas shows of a series: first, least, greatest, last value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Column {
    /// The column.
    pub place: i32,
    /// First value in it.
    pub first: f64,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
    /// Last value.
    pub last: f64,
}

/// A series by columns: runs without a gap, and where gaps begin.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    /// Runs of columns that a line connects.
    pub runs: Vec<Vec<Column>>,
    /// (column, last finite value before, if any) of each first value that is not finite.
    pub gaps: Vec<(i32, Option<f64>)>,
}

/// Puts points into columns by first, minimum, maximum and last, the four that draw the same picture
/// as all points (M4; Jugel and others, 2014).
pub fn columns(points: &[Point], place: impl Fn(f64) -> i32) -> Columns {
    let mut result = Columns::default();
    let mut run: Vec<Column> = Vec::new();
    let (mut broken, mut in_gap) = (false, false);
    let mut before = None;
    for point in points {
        let at = place(point.x);
        if point.odd > 0 && !in_gap {
            result.gaps.push((at, before));
        }
        in_gap = point.odd > 0;
        if !point.is_finite() {
            broken = true;
            continue;
        }
        let line = point.line();
        before = Some(line);
        match run.last_mut() {
            Some(column) if column.place == at => {
                column.min = column.min.min(point.min);
                column.max = column.max.max(point.max);
                column.last = line;
            }
            _ => {
                if broken && !run.is_empty() {
                    result.runs.push(std::mem::take(&mut run));
                }
                run.push(Column {
                    place: at,
                    first: line,
                    min: point.min,
                    max: point.max,
                    last: line,
                });
            }
        }
        broken = false;
    }
    if !run.is_empty() {
        result.runs.push(run);
    }
    result
}

/// The range of values that a y axis must show.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Extent {
    /// Least value shown.
    pub low: f64,
    /// Greatest value shown.
    pub high: f64,
}

/// The extent of the values. With `clip`, a value counts as an outlier and is left out when it lies
/// beyond the 1st or 99th percentile by more than twice the width between them: keeping it would
/// squeeze the other 98 % into less than a third of the axis. Fewer than eight values are all kept.
/// None without a finite value.
pub fn extent(values: &mut Vec<f64>, clip: bool) -> Option<Extent> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    if !clip || values.len() < 8 {
        return Some(Extent {
            low: first,
            high: last,
        });
    }
    let rank = 0.01 * (values.len() - 1) as f64;
    let p1 = values[rank.ceil() as usize];
    let p99 = values[values.len() - 1 - rank.ceil() as usize];
    let room = 2.0 * (p99 - p1);
    let kept = |value: &&f64| **value >= p1 - room && **value <= p99 + room;
    Some(Extent {
        low: values.iter().find(kept).copied().unwrap_or(first),
        high: values.iter().rev().find(kept).copied().unwrap_or(last),
    })
}

/// The value a series has at `x`: that of the last point at or before it.
pub fn value_at(points: &[Point], x: f64) -> Option<f64> {
    let after = points.partition_point(|point| point.x <= x);
    after.checked_sub(1).map(|place| points[place].last)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn line(values: &[f64]) -> Vec<Point> {
        values
            .iter()
            .enumerate()
            .map(|(x, value)| Point::new(x as f64, *value))
            .collect()
    }

    #[test]
    fn smoothing_starts_at_the_first_value_and_keeps_gaps() {
        let smoothed = smooth(&line(&[1.0, 1.0, f64::NAN, 1.0, 2.0]), 0.6);
        assert_eq!(smoothed[0].last, 1.0);
        assert!(!smoothed[2].is_finite());
        // 1 1 1 2 with weight 0.6: average 0.784 * 0.6 + 0.8, over 1 - 0.6^4
        let expected = (0.784 * 0.6 + 0.8) / (1.0 - 0.6f64.powi(4));
        assert!((smoothed[4].last - expected).abs() < 1e-12);
        assert_eq!(smooth(&line(&[3.0, 5.0]), 0.0)[1].last, 5.0);
    }

    #[test]
    fn a_spike_of_one_step_survives_the_columns() {
        let mut values = vec![1.0; 1000];
        values[501] = 9.0;
        let columns = columns(&line(&values), |x| (x / 100.0) as i32);
        assert_eq!(columns.runs.len(), 1);
        assert_eq!(columns.runs[0].len(), 10);
        assert_eq!(columns.runs[0][5].max, 9.0);
        assert_eq!(columns.runs[0][5].last, 1.0);
    }

    #[test]
    fn nan_breaks_the_line_and_is_marked_once() {
        let nan = f64::NAN;
        let columns = columns(&line(&[1.0, 2.0, nan, nan, 3.0]), |x| x as i32);
        assert_eq!(columns.runs.len(), 2);
        assert_eq!(columns.gaps, vec![(2, Some(2.0))]);
        let columns = super::columns(&line(&[nan, 1.0]), |x| x as i32);
        assert_eq!(columns.gaps, vec![(0, None)]);
    }

    #[test]
    fn a_nan_among_others_in_one_column_is_still_marked() {
        let columns = columns(&line(&[1.0, f64::NAN, 2.0, 3.0]), |x| (x / 4.0) as i32);
        assert_eq!(columns.runs.len(), 1);
        assert_eq!(columns.gaps.len(), 1);
    }

    #[test]
    fn outliers_do_not_own_the_axis() {
        let mut values: Vec<f64> = (0..200).map(|step| 0.5 + f64::from(step) * 1e-3).collect();
        values.push(1e6);
        values.push(-1e6);
        let shown = extent(&mut values.clone(), true).unwrap();
        assert_eq!((shown.low, shown.high), (0.5, 0.5 + 199.0 * 1e-3));
        let whole = extent(&mut values, false).unwrap();
        assert_eq!((whole.low, whole.high), (-1e6, 1e6));
        assert_eq!(extent(&mut vec![f64::NAN], true), None);
    }

    #[test]
    fn the_steep_start_of_a_curve_is_no_outlier() {
        let mut values: Vec<f64> = (1..=50).map(|epoch| 0.4 + 0.9 / f64::from(epoch)).collect();
        let shown = extent(&mut values, true).unwrap();
        assert_eq!(shown.high, 1.3);
    }

    #[test]
    fn a_window_keeps_the_line_up_to_its_edges() {
        let inside = cut(&line(&[0.0, 10.0, 20.0, 30.0]), 0.5, 2.5);
        let places: Vec<(f64, f64)> = inside.iter().map(|point| (point.x, point.last)).collect();
        assert_eq!(
            places,
            vec![(0.5, 5.0), (1.0, 10.0), (2.0, 20.0), (2.5, 25.0)]
        );
    }

    #[test]
    fn the_cursor_reads_the_point_at_or_before_it() {
        let points = line(&[1.0, 2.0, 3.0]);
        assert_eq!(value_at(&points, 1.7), Some(2.0));
        assert_eq!(value_at(&points, -1.0), None);
    }
}
