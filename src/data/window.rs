//! Aggregations over the events of a window, counted from the instant they were known (contract R10).
//!
//! Both ends of a window only move forward when an entity's rows are taken in order of time, so events enter at one
//! end and leave at the other. Sums are never subtracted: what is in the window is kept as two halves that are
//! merged (the queue of two stacks), so a value that has left leaves no rounding behind, whatever its size.
//! Moments merge as in Chan, Golub and LeVeque (1979); sums of whole numbers are exact.

use super::asof::Timeline;
use super::{Error, Result};
use crate::domain::feature::Aggregate;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, Float64Array, Int64Array, TimestampMicrosecondArray, UInt32Array,
};
use arrow_schema::DataType;
use std::sync::Arc;

/// `column` of the events, aggregated for each of `row_count` rows in several ways: an array for each of `wanted`,
/// that is aggregate and length in microseconds. An event counts when it was known in (row instant - length, row
/// instant]; nulls of the column do not. No event: count 0, all else null. A row without instant: null.
pub fn aggregate(
    column: &ArrayRef,
    events: &Timeline,
    rows: &Timeline,
    row_count: usize,
    wanted: &[(Aggregate, i64)],
) -> Result<Vec<ArrayRef>> {
    if let Some((one, _)) = wanted
        .iter()
        .find(|(one, _)| matches!(one, Aggregate::Distinct | Aggregate::Share))
    {
        return Err(Error::new(format!("`{}` is not counted", one.as_str())));
    }
    let mut lengths: Vec<i64> = wanted.iter().map(|(_, length)| *length).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let mut results: Vec<Option<ArrayRef>> = vec![None; wanted.len()];
    for length in lengths {
        let of_length: Vec<usize> = (0..wanted.len())
            .filter(|at| wanted[*at].1 == length)
            .collect();
        let aggregates: Vec<Aggregate> = of_length.iter().map(|at| wanted[*at].0).collect();
        for (at, array) in of_length.into_iter().zip(one_length(
            column,
            events,
            rows,
            row_count,
            &aggregates,
            length,
        )?) {
            results[at] = Some(array);
        }
    }
    Ok(results.into_iter().flatten().collect())
}

fn one_length(
    column: &ArrayRef,
    events: &Timeline,
    rows: &Timeline,
    row_count: usize,
    aggregates: &[Aggregate],
    length: i64,
) -> Result<Vec<ArrayRef>> {
    let in_order = |value: &dyn Fn(usize) -> Option<i64>| -> Vec<Option<Whole>> {
        events
            .order
            .iter()
            .map(|position| value(*position as usize).map(|value| Whole::of(value, *position)))
            .collect()
    };
    let refuse = |allowed: &[Aggregate], kind: &str| match aggregates
        .iter()
        .find(|one| !allowed.contains(one))
    {
        None => Ok(()),
        Some(one) => Err(Error::new(format!(
            "{kind} has no {}; use {}",
            one.as_str(),
            allowed
                .iter()
                .map(|one| one.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        ))),
    };
    match column.data_type() {
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>();
            let states = in_order(&|at| values.is_valid(at).then(|| values.value(at)));
            slide(&states, events, rows, row_count, length, aggregates)?.into_arrays(column)
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            let states = in_order(&|at| values.is_valid(at).then(|| i64::from(values.value(at))));
            slide(&states, events, rows, row_count, length, aggregates)?.into_arrays(column)
        }
        DataType::Timestamp(_, zone) => {
            refuse(
                &[
                    Aggregate::Count,
                    Aggregate::Min,
                    Aggregate::Max,
                    Aggregate::Last,
                ],
                "a time column",
            )?;
            let values = column.as_primitive::<TimestampMicrosecondType>();
            let states = in_order(&|at| values.is_valid(at).then(|| values.value(at)));
            let arrays =
                slide(&states, events, rows, row_count, length, aggregates)?.into_arrays(column)?;
            Ok(aggregates
                .iter()
                .zip(arrays)
                .map(|(one, array)| match one {
                    Aggregate::Min | Aggregate::Max => {
                        let values = array.as_primitive::<Int64Type>();
                        Arc::new(
                            TimestampMicrosecondArray::new(
                                values.values().clone(),
                                values.nulls().cloned(),
                            )
                            .with_timezone_opt(zone.clone()),
                        )
                    }
                    _ => array,
                })
                .collect())
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>();
            let states: Vec<Option<Real>> = events
                .order
                .iter()
                .map(|position| {
                    let at = *position as usize;
                    (values.is_valid(at) && !values.value(at).is_nan())
                        .then(|| Real::of(values.value(at), *position))
                })
                .collect();
            slide(&states, events, rows, row_count, length, aggregates)?.into_arrays(column)
        }
        _ => {
            refuse(&[Aggregate::Count, Aggregate::Last], "a text column")?;
            let states = in_order(&|at| column.is_valid(at).then_some(0));
            slide(&states, events, rows, row_count, length, aggregates)?.into_arrays(column)
        }
    }
}

/// What is known of a set of events; sets merge, `later` after `self`.
trait Summary: Clone {
    /// Whether sum, least and greatest are numbers (else whole numbers).
    const REAL: bool;
    fn merge(&self, later: &Self) -> Self;
    fn put(&self, row: usize, out: &mut Output) -> Result<()>;
}

#[derive(Clone, Copy, Debug)]
struct Moments {
    count: u64,
    mean: f64,
    squares: f64,
    last: u32,
}

impl Moments {
    fn merge(&self, later: &Self) -> Self {
        let (n, m) = (self.count as f64, later.count as f64);
        let delta = later.mean - self.mean;
        Self {
            count: self.count + later.count,
            mean: self.mean + delta * (m / (n + m)),
            squares: self.squares + later.squares + delta * delta * (n * m / (n + m)),
            last: later.last,
        }
    }

    fn std(&self) -> Option<f64> {
        (self.count > 1).then(|| (self.squares / (self.count - 1) as f64).sqrt())
    }
}

/// Whole numbers: sum, least and greatest are exact.
#[derive(Clone, Copy, Debug)]
struct Whole {
    moments: Moments,
    sum: i128,
    min: i64,
    max: i64,
}

impl Whole {
    fn of(value: i64, position: u32) -> Self {
        Self {
            moments: Moments {
                count: 1,
                mean: value as f64,
                squares: 0.0,
                last: position,
            },
            sum: i128::from(value),
            min: value,
            max: value,
        }
    }
}

impl Summary for Whole {
    const REAL: bool = false;

    fn merge(&self, later: &Self) -> Self {
        Self {
            moments: self.moments.merge(&later.moments),
            sum: self.sum + later.sum,
            min: self.min.min(later.min),
            max: self.max.max(later.max),
        }
    }

    fn put(&self, row: usize, out: &mut Output) -> Result<()> {
        for (aggregate, values) in &mut out.columns {
            match (aggregate, values) {
                (Aggregate::Count, Values::Whole(values)) => {
                    values[row] = Some(self.moments.count as i64)
                }
                (Aggregate::Sum, Values::Whole(values)) => {
                    values[row] = Some(i64::try_from(self.sum).map_err(|_| {
                        Error::new(format!(
                            "a sum of {} does not fit into 64 bits; make the column a number",
                            self.sum
                        ))
                    })?);
                }
                (Aggregate::Min, Values::Whole(values)) => values[row] = Some(self.min),
                (Aggregate::Max, Values::Whole(values)) => values[row] = Some(self.max),
                (Aggregate::Mean, Values::Real(values)) => {
                    values[row] = Some(self.sum as f64 / self.moments.count as f64);
                }
                (Aggregate::Std, Values::Real(values)) => values[row] = self.moments.std(),
                (_, Values::Last(values)) => values[row] = Some(self.moments.last),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Numbers: the sum carries what rounding took (Møller and Knuth's two-sum).
#[derive(Clone, Copy, Debug)]
struct Real {
    moments: Moments,
    sum: f64,
    rest: f64,
    min: f64,
    max: f64,
}

impl Real {
    fn of(value: f64, position: u32) -> Self {
        Self {
            moments: Moments {
                count: 1,
                mean: value,
                squares: 0.0,
                last: position,
            },
            sum: value,
            rest: 0.0,
            min: value,
            max: value,
        }
    }

    fn total(&self) -> f64 {
        if self.sum.is_finite() {
            self.sum + self.rest
        } else {
            self.sum
        }
    }
}

impl Summary for Real {
    const REAL: bool = true;

    fn merge(&self, later: &Self) -> Self {
        let sum = self.sum + later.sum;
        let other = sum - self.sum;
        let lost = (self.sum - (sum - other)) + (later.sum - other);
        Self {
            moments: self.moments.merge(&later.moments),
            sum,
            rest: self.rest + later.rest + lost,
            min: self.min.min(later.min),
            max: self.max.max(later.max),
        }
    }

    fn put(&self, row: usize, out: &mut Output) -> Result<()> {
        for (aggregate, values) in &mut out.columns {
            match (aggregate, values) {
                (Aggregate::Count, Values::Whole(values)) => {
                    values[row] = Some(self.moments.count as i64)
                }
                (Aggregate::Sum, Values::Real(values)) => values[row] = Some(self.total()),
                (Aggregate::Mean, Values::Real(values)) => {
                    values[row] = Some(self.total() / self.moments.count as f64);
                }
                (Aggregate::Min, Values::Real(values)) => values[row] = Some(self.min),
                (Aggregate::Max, Values::Real(values)) => values[row] = Some(self.max),
                (Aggregate::Std, Values::Real(values)) => values[row] = self.moments.std(),
                (_, Values::Last(values)) => values[row] = Some(self.moments.last),
                _ => {}
            }
        }
        Ok(())
    }
}

enum Values {
    Whole(Vec<Option<i64>>),
    Real(Vec<Option<f64>>),
    Last(Vec<Option<u32>>),
}

struct Output {
    columns: Vec<(Aggregate, Values)>,
}

impl Output {
    fn new(aggregates: &[Aggregate], rows: usize, real: bool) -> Self {
        let columns = aggregates
            .iter()
            .map(|aggregate| {
                let values = match aggregate {
                    Aggregate::Count | Aggregate::Distinct => Values::Whole(vec![None; rows]),
                    Aggregate::Mean | Aggregate::Std | Aggregate::Share => {
                        Values::Real(vec![None; rows])
                    }
                    Aggregate::Last => Values::Last(vec![None; rows]),
                    Aggregate::Sum | Aggregate::Min | Aggregate::Max if real => {
                        Values::Real(vec![None; rows])
                    }
                    Aggregate::Sum | Aggregate::Min | Aggregate::Max => {
                        Values::Whole(vec![None; rows])
                    }
                };
                (*aggregate, values)
            })
            .collect();
        Self { columns }
    }

    fn zero(&mut self, row: usize) {
        for (aggregate, values) in &mut self.columns {
            if let (Aggregate::Count, Values::Whole(values)) = (aggregate, values) {
                values[row] = Some(0);
            }
        }
    }

    fn into_arrays(self, column: &ArrayRef) -> Result<Vec<ArrayRef>> {
        self.columns
            .into_iter()
            .map(|(_, values)| {
                Ok(match values {
                    Values::Whole(values) => Arc::new(Int64Array::from(values)) as ArrayRef,
                    Values::Real(values) => Arc::new(Float64Array::from(values)),
                    Values::Last(values) => {
                        arrow_select::take::take(column, &UInt32Array::from(values), None)
                            .map_err(|error| Error::new(error.to_string()))?
                    }
                })
            })
            .collect()
    }
}

/// Moves the window over each entity. `states`: of each place in `events.order`; none where the column is null.
fn slide<S: Summary>(
    states: &[Option<S>],
    events: &Timeline,
    rows: &Timeline,
    row_count: usize,
    length: i64,
    aggregates: &[Aggregate],
) -> Result<Output> {
    let mut out = Output::new(aggregates, row_count, S::REAL);
    // From each place of the older half to that half's end.
    let mut suffix: Vec<Option<S>> = vec![None; states.len()];
    for (rows_of, events_of) in rows.starts.windows(2).zip(events.starts.windows(2)) {
        let end = events_of[1];
        // The window is [low, high): its older half [low, middle) in `suffix`, its younger half in `back`.
        let (mut low, mut middle, mut high) = (events_of[0], events_of[0], events_of[0]);
        let mut back: Option<S> = None;
        for place in rows_of[0]..rows_of[1] {
            let (row, at) = (rows.order[place] as usize, rows.at[place]);
            while high < end && events.at[high] <= at {
                back = merge(&back, &states[high]);
                high += 1;
            }
            let after = at.saturating_sub(length);
            while low < high && events.at[low] <= after {
                low += 1;
            }
            if low > middle {
                let mut so_far = None;
                for place in (low..high).rev() {
                    so_far = merge(&states[place], &so_far);
                    suffix[place].clone_from(&so_far);
                }
                middle = high;
                back = None;
            }
            let older = if low < middle { &suffix[low] } else { &None };
            match merge(older, &back) {
                Some(state) => state.put(row, &mut out)?,
                None => out.zero(row),
            }
        }
    }
    Ok(out)
}

fn merge<S: Summary>(earlier: &Option<S>, later: &Option<S>) -> Option<S> {
    match (earlier, later) {
        (Some(earlier), Some(later)) => Some(earlier.merge(later)),
        (Some(one), None) | (None, Some(one)) => Some(one.clone()),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::keys::NONE;
    use proptest::prelude::*;

    const ALL: [Aggregate; 7] = [
        Aggregate::Count,
        Aggregate::Sum,
        Aggregate::Mean,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Std,
        Aggregate::Last,
    ];

    /// R10 restated row by row: the values in the window, oldest first.
    fn inside(
        row: (u32, Option<i64>),
        events: &[(u32, Option<i64>, Option<f64>)],
        length: i64,
    ) -> Vec<f64> {
        let Some(at) = row.1 else { return Vec::new() };
        let mut found: Vec<(i64, usize, f64)> = events
            .iter()
            .enumerate()
            .filter(|(_, event)| row.0 != NONE && event.0 == row.0)
            .filter_map(|(position, event)| Some((event.1?, position, event.2?)))
            .filter(|(known, _, _)| *known > at - length && *known <= at)
            .collect();
        found.sort_by_key(|event| (event.0, event.1));
        found.into_iter().map(|event| event.2).collect()
    }

    fn plain(values: &[f64], aggregate: Aggregate) -> Option<f64> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        match aggregate {
            Aggregate::Count => Some(n),
            _ if values.is_empty() => None,
            Aggregate::Sum => Some(values.iter().sum()),
            Aggregate::Mean => Some(mean),
            Aggregate::Min => values.iter().copied().reduce(f64::min),
            Aggregate::Max => values.iter().copied().reduce(f64::max),
            Aggregate::Std if values.len() < 2 => None,
            Aggregate::Std => {
                Some((values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
            }
            Aggregate::Last => values.last().copied(),
        }
    }

    fn lines(
        rows: &[(u32, Option<i64>)],
        events: &[(u32, Option<i64>, Option<f64>)],
    ) -> (Timeline, Timeline) {
        let (row_entity, row_at): (Vec<_>, Vec<_>) = rows.iter().copied().unzip();
        let event_entity: Vec<u32> = events.iter().map(|event| event.0).collect();
        let known: Vec<Option<i64>> = events.iter().map(|event| event.1).collect();
        (
            Timeline::new(&row_entity, 3, &row_at, None),
            Timeline::new(&event_entity, 3, &known, None),
        )
    }

    fn as_numbers(array: &ArrayRef) -> Vec<Option<f64>> {
        match array.data_type() {
            DataType::Int64 => array
                .as_primitive::<Int64Type>()
                .iter()
                .map(|x| x.map(|x| x as f64))
                .collect(),
            _ => array.as_primitive::<Float64Type>().iter().collect(),
        }
    }

    fn entity() -> impl Strategy<Value = u32> {
        prop_oneof![8 => 0u32..3, 1 => Just(NONE)]
    }

    fn time() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![9 => (0i64..60).prop_map(Some), 1 => Just(None)]
    }

    proptest! {
        #[test]
        fn windows_count_what_was_known(
            rows in prop::collection::vec((entity(), time()), 0..40),
            events in prop::collection::vec((entity(), time(), prop::option::weighted(0.8, -50i32..50)), 0..80),
            whole: bool,
        ) {
            let events: Vec<(u32, Option<i64>, Option<f64>)> =
                events.into_iter().map(|(e, t, v)| (e, t, v.map(f64::from))).collect();
            let (row_line, event_line) = lines(&rows, &events);
            let column: ArrayRef = if whole {
                Arc::new(events.iter().map(|e| e.2.map(|v| v as i64)).collect::<Int64Array>())
            } else {
                Arc::new(events.iter().map(|e| e.2).collect::<Float64Array>())
            };
            let wanted: Vec<(Aggregate, i64)> = [1, 7, 25].iter().flat_map(|w| ALL.map(|one| (one, *w))).collect();
            let arrays = aggregate(&column, &event_line, &row_line, rows.len(), &wanted).unwrap();
            for ((one, length), array) in wanted.iter().zip(&arrays) {
                let numbers = as_numbers(array);
                for (row, got) in rows.iter().zip(numbers) {
                    if row.0 == NONE || row.1.is_none() {
                        continue;
                    }
                    let expected = plain(&inside(*row, &events, *length), *one);
                    let close = match (got, expected) {
                        (Some(got), Some(expected)) => (got - expected).abs() <= 1e-9,
                        (got, expected) => got == expected,
                    };
                    prop_assert!(close, "{one:?} over {length} at {row:?}: {got:?}, expected {expected:?}");
                }
            }
        }
    }

    #[test]
    fn a_giant_that_has_left_leaves_no_rounding_behind() {
        let rows = [(0, Some(10)), (0, Some(100))];
        let events = [
            (0, Some(5), Some(1e300)),
            (0, Some(95), Some(0.1)),
            (0, Some(96), Some(0.2)),
        ];
        let (row_line, event_line) = lines(&rows, &events);
        let column: ArrayRef = Arc::new(Float64Array::from(vec![1e300, 0.1, 0.2]));
        let wanted = [(Aggregate::Sum, 10), (Aggregate::Std, 10)];
        let arrays = aggregate(&column, &event_line, &row_line, 2, &wanted).unwrap();
        assert_eq!(as_numbers(&arrays[0]), [Some(1e300), Some(0.1 + 0.2)]);
        assert!((as_numbers(&arrays[1])[1].unwrap() - 0.005f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn text_can_be_counted_and_its_last_taken() {
        let (row_line, event_line) =
            lines(&[(0, Some(10))], &[(0, Some(9), None), (0, Some(10), None)]);
        let column: ArrayRef = Arc::new(arrow_array::StringArray::from(vec![Some("a"), None]));
        let arrays = aggregate(
            &column,
            &event_line,
            &row_line,
            1,
            &[(Aggregate::Last, 5), (Aggregate::Count, 5)],
        )
        .unwrap();
        assert_eq!(arrays[0].as_string::<i32>().value(0), "a");
        assert_eq!(as_numbers(&arrays[1]), [Some(1.0)]);
        let refused = aggregate(&column, &event_line, &row_line, 1, &[(Aggregate::Mean, 5)]);
        assert!(refused.unwrap_err().0.contains("no mean"));
    }
}
