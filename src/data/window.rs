//! Aggregations over the events of a window, counted from the instant they were known (contract R10).
//!
//! Both ends of a window only move forward when an entity's rows are taken in order of time: the values are brought into
//! the order of the timeline once, and then every length and aggregate passes over them (`slide`). Entities are shared
//! out to the cores. Sums are exact and rounded once, so a window comes to the same whatever else was asked for.

mod out;
mod slide;

use super::timeline::Timeline;
use super::{Error, Result, instant, keys, parallel};
use crate::domain::feature::Aggregate;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_buffer::BooleanBuffer;
use arrow_schema::DataType;
use out::{Out, Part};
use slide::{Different, Moments, Sum};
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// `column` of the events, aggregated for each of `row_count` rows in several ways: an array for each of `wanted`, that is
/// aggregate and length in microseconds. An event counts when it was known in (row instant - length, row instant]; nulls
/// of the column do not. No event: count and distinct 0, all else null. A row without instant: null. `value`: whose share
/// [`Aggregate::Share`] counts, as text; without it that of true.
pub fn aggregate(
    column: &ArrayRef,
    events: &Timeline,
    rows: &Timeline,
    row_count: usize,
    wanted: &[(Aggregate, i64)],
    value: Option<&str>,
) -> Result<Vec<ArrayRef>> {
    refuse(column, wanted)?;
    let wants = |one: Aggregate| wanted.iter().any(|(aggregate, _)| *aggregate == one);
    let (codes, different) = match wants(Aggregate::Distinct) {
        true => keys::distinct(column),
        false => (Vec::new(), 0),
    };
    let matches = match wants(Aggregate::Share) {
        true => Some(equal_to(column, value)?),
        false => None,
    };
    let values = Values::of(column, events)?;
    let real = matches!(values, Values::Real(_));
    let work = Work {
        valid: valid(column, events),
        values,
        codes: match wants(Aggregate::Distinct) {
            true => events.placed(|position| codes[position]),
            false => Vec::new(),
        },
        matches: matches.map_or_else(Vec::new, |matches| {
            events.placed(|position| matches.value(position))
        }),
        sums: wants(Aggregate::Sum) || wants(Aggregate::Mean),
        events,
        rows,
        wanted,
    };
    drop(codes);
    let places = rows.order.len();
    let mut outs: Vec<Out> = wanted
        .iter()
        .map(|(aggregate, _)| Out::new(*aggregate, real, places))
        .collect();
    // Ranges of entities with about as many rows, and for each the part of every result.
    let parts = Timeline::parts(&rows.starts, parallel::cores() * 8);
    let lengths: Vec<usize> = parts
        .iter()
        .map(|part| rows.starts[part.end] - rows.starts[part.start])
        .collect();
    let mut shares: Vec<Vec<Part<'_>>> = parts.iter().map(|_| Vec::new()).collect();
    for out in &mut outs {
        for (share, part) in shares.iter_mut().zip(out.parts(&lengths)) {
            share.push(part);
        }
    }
    let shares: Vec<Mutex<Vec<Part<'_>>>> = shares.into_iter().map(Mutex::new).collect();
    parallel::fold(
        parts.len(),
        || Scratch::for_codes(different),
        |scratch, part| {
            let mut outs = shares[part].lock().unwrap_or_else(PoisonError::into_inner);
            let first = rows.starts[parts[part].start];
            for entity in parts[part].clone() {
                work.entity(entity, first, scratch, &mut outs)?;
            }
            Ok(())
        },
    )?;
    drop(shares);
    drop(work);
    let outs: Vec<Mutex<Option<Out>>> = outs.into_iter().map(|out| Mutex::new(Some(out))).collect();
    parallel::each(outs.len(), |at| {
        let out = outs[at]
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        out.ok_or_else(|| Error::new("a result was taken twice"))?
            .into_array(&rows.places[..row_count], column)
    })
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

/// The column's values as numbers to compute with, in the order of the events' places.
enum Values {
    /// Whole numbers, times, true and false.
    Whole(Vec<i64>),
    Real(Vec<f64>),
    /// Text: there or not.
    Words,
}

impl Values {
    fn of(column: &ArrayRef, events: &Timeline) -> Result<Self> {
        Ok(match column.data_type() {
            DataType::Int64 => {
                let values = column.as_primitive::<Int64Type>().values();
                Self::Whole(events.placed(|position| values[position]))
            }
            DataType::Timestamp(_, _) => {
                let values = column.as_primitive::<TimestampMicrosecondType>().values();
                Self::Whole(events.placed(|position| values[position]))
            }
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>().values();
                Self::Real(events.placed(|position| values[position]))
            }
            DataType::Boolean => {
                let values = column.as_boolean().values();
                Self::Whole(events.placed(|position| i64::from(values.value(position))))
            }
            DataType::Utf8 => Self::Words,
            other => {
                return Err(Error::new(format!(
                    "windows over {other} are not supported"
                )));
            }
        })
    }
}

/// Which events count, by place: those that are not null, and a number. None: all.
fn valid(column: &ArrayRef, events: &Timeline) -> Option<Vec<bool>> {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    let numbers = match column.data_type() {
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>().values();
            Some(values).filter(|values| values.iter().any(|value| value.is_nan()))
        }
        _ => None,
    };
    (nulls.is_some() || numbers.is_some()).then(|| {
        events.placed(|position| {
            nulls.is_none_or(|nulls| nulls.is_valid(position))
                && numbers.is_none_or(|values| !values[position].is_nan())
        })
    })
}

/// What every thread reads.
struct Work<'a> {
    values: Values,
    valid: Option<Vec<bool>>,
    /// The number of each event's value, and whether it is the one whose share is asked for; empty when nobody asks.
    codes: Vec<u32>,
    matches: Vec<bool>,
    /// Whether sums or means are asked for.
    sums: bool,
    events: &'a Timeline,
    rows: &'a Timeline,
    wanted: &'a [(Aggregate, i64)],
}

/// One entity's events that count, in order.
#[derive(Clone, Copy, Default)]
struct Events<'a> {
    at: &'a [i64],
    position: &'a [u32],
    whole: &'a [i64],
    real: &'a [f64],
    codes: &'a [u32],
    matches: &'a [bool],
}

/// Those of one entity where not all count.
#[derive(Default)]
struct Kept {
    at: Vec<i64>,
    position: Vec<u32>,
    whole: Vec<i64>,
    real: Vec<f64>,
    codes: Vec<u32>,
    matches: Vec<bool>,
}

impl Kept {
    /// The events of `all` that are `valid`.
    fn of<'a>(&'a mut self, all: Events<'_>, valid: &[bool]) -> Events<'a> {
        fn keep<T: Copy>(kept: &mut Vec<T>, all: &[T], valid: &[bool]) {
            kept.clear();
            let counts = all.iter().zip(valid).filter(|(_, valid)| **valid);
            kept.extend(counts.map(|(one, _)| *one));
        }
        keep(&mut self.at, all.at, valid);
        keep(&mut self.position, all.position, valid);
        keep(&mut self.whole, all.whole, valid);
        keep(&mut self.real, all.real, valid);
        keep(&mut self.codes, all.codes, valid);
        keep(&mut self.matches, all.matches, valid);
        Events {
            at: &self.at,
            position: &self.position,
            whole: &self.whole,
            real: &self.real,
            codes: &self.codes,
            matches: &self.matches,
        }
    }
}

/// What a thread uses again for the next entity.
#[derive(Default)]
struct Scratch {
    kept: Kept,
    windows: Windows,
}

/// The windows of one entity over its events.
#[derive(Default)]
struct Windows {
    begins: Vec<u32>,
    ends: Vec<u32>,
    /// Sums of the first values; of numbers in units of `unit`, and of no use when there is none.
    sums: Vec<i128>,
    unit: Option<f64>,
    /// How many of the first events match.
    matching: Vec<u32>,
    different: Different,
}

impl Scratch {
    fn for_codes(count: usize) -> Self {
        let mut scratch = Self::default();
        scratch.windows.different = Different::of(count);
        scratch
    }
}

impl Work<'_> {
    /// The results of one entity; `first`: the place at which `outs` begin.
    fn entity(
        &self,
        entity: usize,
        first: usize,
        scratch: &mut Scratch,
        outs: &mut [Part<'_>],
    ) -> Result<()> {
        let rows = self.rows.starts[entity]..self.rows.starts[entity + 1];
        if rows.is_empty() {
            return Ok(());
        }
        let places = self.events.starts[entity]..self.events.starts[entity + 1];
        let all = Events {
            at: &self.events.at[places.clone()],
            position: &self.events.order[places.clone()],
            whole: match &self.values {
                Values::Whole(values) => &values[places.clone()],
                _ => &[],
            },
            real: match &self.values {
                Values::Real(values) => &values[places.clone()],
                _ => &[],
            },
            codes: self.codes.get(places.clone()).unwrap_or_default(),
            matches: self.matches.get(places.clone()).unwrap_or_default(),
        };
        let events = match &self.valid {
            None => all,
            Some(valid) => scratch.kept.of(all, &valid[places]),
        };
        let windows = &mut scratch.windows;
        if self.sums {
            windows.sum(events);
        }
        windows.count_matches(events.matches);
        let asked = &self.rows.at[rows.clone()];
        let places = rows.start - first..rows.end - first;
        slide::ends(events.at, asked, &mut windows.ends);
        let mut length_of_begins = None;
        for ((aggregate, length), out) in self.wanted.iter().zip(outs) {
            if length_of_begins != Some(*length) {
                slide::begins(events.at, asked, *length, &mut windows.begins);
                length_of_begins = Some(*length);
            }
            windows.put(*aggregate, events, places.clone(), out)?;
        }
        Ok(())
    }
}

impl Windows {
    fn sum(&mut self, events: Events<'_>) {
        self.unit = slide::exact(events.real, &mut self.sums);
        if !events.whole.is_empty() {
            let mut sum = 0;
            self.sums.extend(events.whole.iter().map(|value| {
                sum += i128::from(*value);
                sum
            }));
        }
    }

    fn count_matches(&mut self, matches: &[bool]) {
        let mut matching = 0;
        self.matching.clear();
        self.matching.push(0);
        self.matching.extend(matches.iter().map(|one| {
            matching += u32::from(*one);
            matching
        }));
    }

    /// One aggregate over the windows, into these places of `out`.
    fn put(
        &mut self,
        aggregate: Aggregate,
        events: Events<'_>,
        places: Range<usize>,
        out: &mut Part<'_>,
    ) -> Result<()> {
        let first = places.start;
        let (begins, ends) = (&self.begins[..], &self.ends[..]);
        let windows = || (first..).zip(begins.iter().copied().zip(ends.iter().copied()));
        let held = || windows().filter(|(_, (begin, end))| begin < end);
        let whole = !events.whole.is_empty();
        match aggregate {
            Aggregate::Count => windows().for_each(|(at, (begin, end))| out.count(at, end - begin)),
            Aggregate::Last => {
                held().for_each(|(at, (_, end))| out.event(at, events.position[end as usize - 1]));
            }
            Aggregate::Share => {
                out.clear(places);
                for (at, (begin, end)) in held() {
                    let matching = self.matching[end as usize] - self.matching[begin as usize];
                    out.real(at, f64::from(matching) / f64::from(end - begin));
                }
            }
            Aggregate::Distinct => {
                let different = &mut self.different;
                different.slide(events.codes, begins, ends, |row, count| {
                    out.count(first + row, count);
                });
            }
            Aggregate::Sum if whole => {
                for (at, (begin, end)) in held() {
                    let sum = self.sums[end as usize] - self.sums[begin as usize];
                    out.whole(at, i64::try_from(sum).map_err(|_| too_big(sum))?);
                }
            }
            Aggregate::Sum | Aggregate::Mean => {
                let mean = aggregate == Aggregate::Mean;
                let unit = if whole { Some(1.0) } else { self.unit };
                let share = |sum: f64, count: u32| if mean { sum / f64::from(count) } else { sum };
                out.clear(places);
                if let Some(unit) = unit {
                    for (at, (begin, end)) in held() {
                        let sum = self.sums[end as usize] - self.sums[begin as usize];
                        out.real(at, share(number(sum) * unit, end - begin));
                    }
                } else {
                    let put = |row: usize, sum: Sum| {
                        out.real(first + row, share(sum.total(), ends[row] - begins[row]));
                    };
                    slide::slide(events.real, begins, ends, Sum::of, Sum::merge, put);
                }
            }
            Aggregate::Min | Aggregate::Max if whole => {
                let best = match aggregate {
                    Aggregate::Min => i64::min,
                    _ => i64::max,
                };
                let put = |row: usize, value: i64| out.whole(first + row, value);
                slide::slide(events.whole, begins, ends, |value| value, best, put);
            }
            Aggregate::Min | Aggregate::Max => {
                let best = match aggregate {
                    Aggregate::Min => f64::min,
                    _ => f64::max,
                };
                out.clear(places);
                let put = |row: usize, value: f64| out.real(first + row, value);
                slide::slide(events.real, begins, ends, |value| value, best, put);
            }
            Aggregate::Std => {
                out.clear(places);
                let put = |row: usize, moments: Moments| {
                    if let Some(std) = moments.std() {
                        out.real(first + row, std);
                    }
                };
                if whole {
                    let of = |value: i64| Moments::of(value as f64);
                    slide::slide(events.whole, begins, ends, of, Moments::merge, put);
                } else {
                    let (of, merge) = (Moments::of, Moments::merge);
                    slide::slide(events.real, begins, ends, of, merge, put);
                }
            }
        }
        Ok(())
    }
}

/// The nearest number. Nearly every sum fits into 64 bits, which the processor turns into a number by itself.
fn number(sum: i128) -> f64 {
    i64::try_from(sum).map_or(sum as f64, |sum| sum as f64)
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
        let arrays = aggregate(&column, &event_line, &row_line, rows.len(), &wanted, None).unwrap();
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
