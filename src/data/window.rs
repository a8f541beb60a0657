//! Aggregations over the events of a window, counted from the instant they were known (contract R10).
//!
//! Both ends of a window only move forward when an entity's rows are taken in order of time: each entity's events are
//! gathered once, and then every length and aggregate passes over them ([`slide`]). Entities are shared out to the
//! cores. Counts and sums of whole numbers are exact; sums of numbers carry what rounding took.

mod out;
mod slide;

use super::timeline::Timeline;
use super::{Error, Result, instant, keys, parallel};
use crate::domain::feature::Aggregate;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use out::Out;
use slide::{Different, Moments, Sum};

/// `column` of the events, aggregated for each of `row_count` rows in several ways: an array for each of `wanted`,
/// that is aggregate and length in microseconds. An event counts when it was known in (row instant - length, row
/// instant]; nulls of the column do not. No event: count and distinct 0, all else null. A row without instant: null.
/// `value`: whose share [`Aggregate::Share`] counts, as text; without it that of true.
pub fn aggregate(
    column: &ArrayRef,
    events: &Timeline,
    rows: &Timeline,
    row_count: usize,
    wanted: &[(Aggregate, i64)],
    value: Option<&str>,
) -> Result<Vec<ArrayRef>> {
    let values = Values::of(column)?;
    refuse(column, wanted)?;
    let wants = |one: Aggregate| wanted.iter().any(|(aggregate, _)| *aggregate == one);
    let codes = wants(Aggregate::Distinct).then(|| keys::distinct(column));
    let matches = match wants(Aggregate::Share) {
        true => Some(equal_to(column, value)?),
        false => None,
    };
    let mut lengths: Vec<i64> = wanted.iter().map(|(_, length)| *length).collect();
    lengths.sort_unstable();
    lengths.dedup();
    let outs: Vec<Out> = wanted
        .iter()
        .map(|(aggregate, _)| Out::new(*aggregate, matches!(values, Values::Real(..)), row_count))
        .collect();
    let work = Work {
        values,
        nulls: column.nulls(),
        codes: codes.as_ref().map(|(codes, count)| (&codes[..], *count)),
        matches,
        events,
        rows,
        lengths: lengths
            .into_iter()
            .map(|length| {
                let of_length = (0..wanted.len()).filter(|at| wanted[*at].1 == length);
                (
                    length,
                    of_length.map(|at| (wanted[at].0, &outs[at])).collect(),
                )
            })
            .collect(),
    };
    // Ranges of entities with about as many rows; an entity has about as many events as rows, or its rows wait.
    let parts = Timeline::parts(&rows.starts, parallel::cores() * 8);
    parallel::fold(
        parts.len(),
        || Scratch::for_codes(codes.as_ref().map_or(0, |(_, count)| *count)),
        |scratch, part| {
            for entity in parts[part].clone() {
                work.entity(entity, scratch)?;
            }
            Ok(())
        },
    )?;
    drop(work);
    outs.into_iter()
        .zip(wanted)
        .map(|(out, (aggregate, _))| {
            let array = out.into_array(column)?;
            Ok(match aggregate {
                Aggregate::Min | Aggregate::Max => out::as_times(&array, column),
                _ => array,
            })
        })
        .collect()
}

/// The aggregates that the type of `column` does not have.
fn refuse(column: &ArrayRef, wanted: &[(Aggregate, i64)]) -> Result<()> {
    use Aggregate::{Count, Distinct, Last, Max, Min, Share};
    let (allowed, kind): (&[Aggregate], &str) = match column.data_type() {
        DataType::Timestamp(_, _) => (&[Count, Min, Max, Last, Distinct, Share], "a time column"),
        DataType::Utf8 => (&[Count, Last, Distinct, Share], "a text column"),
        _ => return Ok(()),
    };
    match wanted.iter().find(|(one, _)| !allowed.contains(one)) {
        None => Ok(()),
        Some((one, _)) => Err(Error::new(format!(
            "{kind} has no {}; use {}",
            one.as_str(),
            allowed
                .iter()
                .map(|one| one.as_str())
                .collect::<Vec<_>>()
                .join(", ")
        ))),
    }
}

/// Which rows of `column` are `value`; without a value, which are true.
fn equal_to(column: &ArrayRef, value: Option<&str>) -> Result<BooleanBuffer> {
    let rows = column.len();
    let no = |what: &str| {
        Error::new(match value {
            Some(value) => format!("the share of `{value}` is asked for, which is no {what}"),
            None => format!("the share of a {what} column needs a `value`"),
        })
    };
    Ok(match column.data_type() {
        DataType::Boolean => {
            let wanted = match value.map(str::trim) {
                None => true,
                Some(text) => text
                    .to_ascii_lowercase()
                    .parse()
                    .map_err(|_| no("true or false"))?,
            };
            let values = column.as_boolean().values();
            BooleanBuffer::collect_bool(rows, |row| values.value(row) == wanted)
        }
        DataType::Int64 => {
            let wanted: f64 = value
                .and_then(|text| text.trim().parse().ok())
                .ok_or_else(|| no("number"))?;
            // Whole numbers beyond what a number holds are compared as whole numbers.
            let whole: Option<i64> = value.and_then(|text| text.trim().parse().ok());
            let values = column.as_primitive::<Int64Type>().values();
            BooleanBuffer::collect_bool(rows, |row| match whole {
                Some(whole) => values[row] == whole,
                None => values[row] as f64 == wanted,
            })
        }
        DataType::Float64 => {
            let wanted: f64 = value
                .and_then(|text| text.trim().parse().ok())
                .ok_or_else(|| no("number"))?;
            let values = column.as_primitive::<Float64Type>().values();
            BooleanBuffer::collect_bool(rows, |row| values[row] == wanted)
        }
        DataType::Timestamp(_, _) => {
            let wanted = value.and_then(instant::parse).ok_or_else(|| no("time"))?.0;
            let values = column.as_primitive::<TimestampMicrosecondType>().values();
            BooleanBuffer::collect_bool(rows, |row| values[row] == wanted)
        }
        _ => {
            let wanted = value.ok_or_else(|| no("text"))?;
            let values = column.as_string::<i32>();
            BooleanBuffer::collect_bool(rows, |row| {
                values.is_valid(row) && values.value(row) == wanted
            })
        }
    })
}

/// The column's values as numbers to compute with.
enum Values<'a> {
    Whole(&'a [i64]),
    Real(&'a [f64]),
    Flags(&'a BooleanBuffer),
    /// Text: there or not.
    Words,
}

impl<'a> Values<'a> {
    fn of(column: &'a ArrayRef) -> Result<Self> {
        Ok(match column.data_type() {
            DataType::Int64 => Self::Whole(column.as_primitive::<Int64Type>().values()),
            DataType::Timestamp(_, _) => {
                Self::Whole(column.as_primitive::<TimestampMicrosecondType>().values())
            }
            DataType::Float64 => Self::Real(column.as_primitive::<Float64Type>().values()),
            DataType::Boolean => Self::Flags(column.as_boolean().values()),
            DataType::Utf8 => Self::Words,
            other => {
                return Err(Error::new(format!(
                    "windows over {other} are not supported"
                )));
            }
        })
    }
}

/// What every thread reads, and where it writes.
struct Work<'a> {
    values: Values<'a>,
    nulls: Option<&'a NullBuffer>,
    codes: Option<(&'a [u32], usize)>,
    matches: Option<BooleanBuffer>,
    events: &'a Timeline,
    rows: &'a Timeline,
    lengths: Vec<(i64, Vec<(Aggregate, &'a Out)>)>,
}

/// One entity's events that are not null, in order, and its windows; used again for the next entity.
#[derive(Default)]
struct Scratch {
    at: Vec<i64>,
    position: Vec<u32>,
    whole: Vec<i64>,
    real: Vec<f64>,
    codes: Vec<u32>,
    /// Sums of the first events.
    prefix: Vec<i128>,
    /// How many of the first events match.
    matching: Vec<u32>,
    begins: Vec<u32>,
    ends: Vec<u32>,
    different: Different,
}

impl Scratch {
    fn for_codes(count: usize) -> Self {
        Self {
            different: Different::of(count),
            ..Self::default()
        }
    }
}

impl Work<'_> {
    fn is_null(&self, position: u32) -> bool {
        let position = position as usize;
        self.nulls.is_some_and(|nulls| nulls.is_null(position))
            || matches!(self.values, Values::Real(values) if values[position].is_nan())
    }

    /// Gathers the events of `entity`.
    fn gather(&self, entity: usize, scratch: &mut Scratch) {
        let places = self.events.starts[entity]..self.events.starts[entity + 1];
        let (order, at) = (&self.events.order[places.clone()], &self.events.at[places]);
        scratch.at.clear();
        scratch.position.clear();
        if self.nulls.is_none() && !matches!(self.values, Values::Real(_)) {
            scratch.at.extend_from_slice(at);
            scratch.position.extend_from_slice(order);
        } else {
            for (position, at) in order.iter().zip(at) {
                if !self.is_null(*position) {
                    scratch.at.push(*at);
                    scratch.position.push(*position);
                }
            }
        }
        let positions = scratch.position.iter().map(|position| *position as usize);
        scratch.whole.clear();
        scratch.real.clear();
        match self.values {
            Values::Whole(values) => scratch.whole.extend(positions.map(|at| values[at])),
            Values::Flags(values) => scratch
                .whole
                .extend(positions.map(|at| i64::from(values.value(at)))),
            Values::Real(values) => scratch.real.extend(positions.map(|at| values[at])),
            Values::Words => {}
        }
        scratch.codes.clear();
        if let Some((codes, _)) = self.codes {
            let positions = scratch.position.iter().map(|position| *position as usize);
            scratch.codes.extend(positions.map(|at| codes[at]));
        }
        scratch.matching.clear();
        if let Some(matches) = &self.matches {
            let mut matching = 0;
            scratch.matching.push(0);
            scratch
                .matching
                .extend(scratch.position.iter().map(|position| {
                    matching += u32::from(matches.value(*position as usize));
                    matching
                }));
        }
        scratch.prefix.clear();
        let sums = |(one, _): &(Aggregate, &Out)| matches!(one, Aggregate::Sum | Aggregate::Mean);
        if self.lengths.iter().any(|(_, outs)| outs.iter().any(sums)) {
            let mut sum = 0;
            scratch.prefix.push(0);
            scratch.prefix.extend(scratch.whole.iter().map(|value| {
                sum += i128::from(*value);
                sum
            }));
        }
    }

    fn entity(&self, entity: usize, scratch: &mut Scratch) -> Result<()> {
        let places = self.rows.starts[entity]..self.rows.starts[entity + 1];
        if places.is_empty() {
            return Ok(());
        }
        let (rows, asked) = (&self.rows.order[places.clone()], &self.rows.at[places]);
        self.gather(entity, scratch);
        slide::ends(&scratch.at, asked, &mut scratch.ends);
        for (length, outs) in &self.lengths {
            slide::begins(&scratch.at, asked, *length, &mut scratch.begins);
            for (aggregate, out) in outs {
                self.window(*aggregate, rows, scratch, out)?;
            }
        }
        Ok(())
    }

    /// One aggregate over the windows in `scratch`, one for each of `rows`.
    fn window(
        &self,
        aggregate: Aggregate,
        rows: &[u32],
        scratch: &mut Scratch,
        out: &Out,
    ) -> Result<()> {
        let (begins, ends) = (&scratch.begins[..], &scratch.ends[..]);
        let windows = || rows.iter().zip(begins.iter().zip(ends));
        let real = matches!(self.values, Values::Real(_));
        match aggregate {
            Aggregate::Count => {
                windows().for_each(|(row, (begin, end))| out.whole(*row, i64::from(end - begin)))
            }
            Aggregate::Last => {
                windows()
                    .filter(|(_, (begin, end))| begin < end)
                    .for_each(|(row, (_, end))| {
                        out.event(*row, scratch.position[*end as usize - 1]);
                    })
            }
            Aggregate::Share => {
                windows()
                    .filter(|(_, (begin, end))| begin < end)
                    .for_each(|(row, (begin, end))| {
                        let matching = &scratch.matching;
                        let matching = matching[*end as usize] - matching[*begin as usize];
                        out.real(*row, f64::from(matching) / f64::from(end - begin));
                    })
            }
            Aggregate::Distinct => {
                let different = &mut scratch.different;
                different.slide(&scratch.codes, begins, ends, |row, count| {
                    out.whole(rows[row], i64::from(count));
                });
            }
            Aggregate::Sum | Aggregate::Mean if real => {
                let mean = aggregate == Aggregate::Mean;
                let put = |row: usize, sum: Sum| {
                    let count = if mean {
                        f64::from(ends[row] - begins[row])
                    } else {
                        1.0
                    };
                    out.real(rows[row], sum.total() / count);
                };
                slide::slide(&scratch.real, begins, ends, Sum::of, Sum::merge, put);
            }
            Aggregate::Sum | Aggregate::Mean => {
                for (row, (begin, end)) in windows().filter(|(_, (begin, end))| begin < end) {
                    let sum = scratch.prefix[*end as usize] - scratch.prefix[*begin as usize];
                    if aggregate == Aggregate::Mean {
                        out.real(*row, sum as f64 / f64::from(end - begin));
                    } else {
                        out.whole(*row, i64::try_from(sum).map_err(|_| too_big(sum))?);
                    }
                }
            }
            Aggregate::Min | Aggregate::Max if real => {
                let put = |row: usize, value: f64| out.real(rows[row], value);
                let best = if aggregate == Aggregate::Min {
                    f64::min
                } else {
                    f64::max
                };
                slide::slide(&scratch.real, begins, ends, |value| value, best, put);
            }
            Aggregate::Min | Aggregate::Max => {
                let put = |row: usize, value: i64| out.whole(rows[row], value);
                let best = if aggregate == Aggregate::Min {
                    i64::min
                } else {
                    i64::max
                };
                slide::slide(&scratch.whole, begins, ends, |value| value, best, put);
            }
            Aggregate::Std => {
                let put = |row: usize, moments: Moments| {
                    if let Some(std) = moments.std() {
                        out.real(rows[row], std);
                    }
                };
                if real {
                    slide::slide(
                        &scratch.real,
                        begins,
                        ends,
                        Moments::of,
                        Moments::merge,
                        put,
                    );
                } else {
                    let of = |value: i64| Moments::of(value as f64);
                    slide::slide(&scratch.whole, begins, ends, of, Moments::merge, put);
                }
            }
        }
        Ok(())
    }
}

fn too_big(sum: i128) -> Error {
    Error::new(format!(
        "a sum of {sum} does not fit into 64 bits; make the column a number"
    ))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::keys::NONE;
    use arrow_array::{Float64Array, Int64Array};
    use proptest::prelude::*;
    use std::sync::Arc;

    const ALL: [Aggregate; 9] = [
        Aggregate::Count,
        Aggregate::Sum,
        Aggregate::Mean,
        Aggregate::Min,
        Aggregate::Max,
        Aggregate::Std,
        Aggregate::Last,
        Aggregate::Distinct,
        Aggregate::Share,
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
            Aggregate::Distinct => {
                let mut values: Vec<i64> = values.iter().map(|value| *value as i64).collect();
                values.sort_unstable();
                values.dedup();
                Some(values.len() as f64)
            }
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
            Aggregate::Share => {
                Some(values.iter().filter(|value| **value == 3.0).count() as f64 / n)
            }
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
            Timeline::new(&row_entity, 3, &row_at.into(), None),
            Timeline::new(&event_entity, 3, &known.into(), None),
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
            events in prop::collection::vec((entity(), time(), prop::option::weighted(0.8, -6i32..6)), 0..80),
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
            let arrays = aggregate(&column, &event_line, &row_line, rows.len(), &wanted, Some("3")).unwrap();
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
        let arrays = aggregate(&column, &event_line, &row_line, 2, &wanted, None).unwrap();
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
            None,
        )
        .unwrap();
        assert_eq!(arrays[0].as_string::<i32>().value(0), "a");
        assert_eq!(as_numbers(&arrays[1]), [Some(1.0)]);
        let refused = aggregate(
            &column,
            &event_line,
            &row_line,
            1,
            &[(Aggregate::Mean, 5)],
            None,
        );
        assert!(refused.unwrap_err().0.contains("no mean"));
    }
}
