//! A column of results in the order of the rows' timeline, filled in parts that share nothing, and then brought into the
//! order of the rows. What is written and what is read lies side by side either way.

use super::super::keys::NONE;
use super::super::{Error, Result};
use crate::domain::feature::Aggregate;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, PrimitiveArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use std::sync::Arc;

/// The bits of a cell without number: a NaN that no arithmetic makes.
pub(super) const NO_NUMBER: u64 = 0x7FF8_5EED_0000_0001;

/// A value for each place of a timeline.
pub(super) enum Out {
    /// How many: never null.
    Count(Vec<i64>),
    /// Whole numbers, and whether there is one.
    Whole(Vec<i64>, Vec<bool>),
    /// The bits of numbers.
    Real(Vec<u64>),
    /// The position of an event whose value is taken, and 1; 0: none.
    Event(Vec<u32>),
}

/// A part of the places.
pub(super) enum Part<'a> {
    Count(&'a mut [i64]),
    Whole(&'a mut [i64], &'a mut [bool]),
    Real(&'a mut [u64]),
    Event(&'a mut [u32]),
}

impl Out {
    /// For the results of an aggregate over a column of numbers (`real`) or of something else at `places` places.
    pub(super) fn new(aggregate: Aggregate, real: bool, places: usize) -> Self {
        match aggregate {
            Aggregate::Count | Aggregate::Distinct => Self::Count(vec![0; places]),
            Aggregate::Mean | Aggregate::Std | Aggregate::Share => Self::Real(vec![0; places]),
            Aggregate::Last => Self::Event(vec![0; places]),
            Aggregate::Sum | Aggregate::Min | Aggregate::Max if real => Self::Real(vec![0; places]),
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => {
                Self::Whole(vec![0; places], vec![false; places])
            }
        }
    }

    /// Parts of these lengths, one after the other.
    pub(super) fn parts<'a>(&'a mut self, lengths: &'a [usize]) -> Vec<Part<'a>> {
        match self {
            Self::Count(cells) => split(cells, lengths).map(Part::Count).collect(),
            Self::Whole(cells, there) => split(cells, lengths)
                .zip(split(there, lengths))
                .map(|(cells, there)| Part::Whole(cells, there))
                .collect(),
            Self::Real(cells) => split(cells, lengths).map(Part::Real).collect(),
            Self::Event(cells) => split(cells, lengths).map(Part::Event).collect(),
        }
    }

    /// The results of an aggregate over `column` for each row, given the place of each; null where a row is on none or
    /// nothing was put.
    pub(super) fn into_array(self, places: &[u32], column: &ArrayRef) -> Result<ArrayRef> {
        let placed = || {
            places
                .iter()
                .map(|place| (*place != NONE).then_some(*place as usize))
        };
        Ok(match self {
            Self::Count(cells) => Arc::new(
                placed()
                    .map(|place| place.map(|place| cells[place]))
                    .collect::<Int64Array>(),
            ),
            Self::Whole(cells, there) => {
                let values =
                    placed().map(|place| place.filter(|at| there[*at]).map(|at| cells[at]));
                as_times(&values.collect(), column)
            }
            Self::Real(cells) => {
                let bits = placed().map(|place| place.map_or(NO_NUMBER, |place| cells[place]));
                let values: Vec<f64> = bits.map(f64::from_bits).collect();
                let there = BooleanBuffer::collect_bool(values.len(), |row| {
                    values[row].to_bits() != NO_NUMBER
                });
                let nulls = NullBuffer::new(there);
                let nulls = Some(nulls).filter(|nulls| nulls.null_count() > 0);
                Arc::new(Float64Array::new(values.into(), nulls))
            }
            Self::Event(cells) => {
                let positions: UInt32Array = placed()
                    .map(|place| place.and_then(|place| cells[place].checked_sub(1)))
                    .collect();
                arrow_select::take::take(column, &positions, None)
                    .map_err(|error| Error::new(error.to_string()))?
            }
        })
    }
}

fn split<'a, T>(cells: &'a mut [T], lengths: &'a [usize]) -> impl Iterator<Item = &'a mut [T]> {
    let mut rest = cells;
    lengths.iter().map(move |length| {
        let (part, others) = std::mem::take(&mut rest).split_at_mut(*length);
        rest = others;
        part
    })
}

impl Part<'_> {
    /// Nothing at the places of one entity yet, where not every place is put.
    pub(super) fn clear(&mut self, places: std::ops::Range<usize>) {
        if let Self::Real(cells) = self {
            cells[places].fill(NO_NUMBER);
        }
    }

    pub(super) fn count(&mut self, place: usize, value: u32) {
        if let Self::Count(cells) = self {
            cells[place] = i64::from(value);
        }
    }

    pub(super) fn whole(&mut self, place: usize, value: i64) {
        if let Self::Whole(cells, there) = self {
            (cells[place], there[place]) = (value, true);
        }
    }

    pub(super) fn real(&mut self, place: usize, value: f64) {
        if let Self::Real(cells) = self {
            cells[place] = value.to_bits();
        }
    }

    pub(super) fn event(&mut self, place: usize, position: u32) {
        if let Self::Event(cells) = self {
            cells[place] = position + 1;
        }
    }
}

/// Whole numbers as times, where `column` holds times.
fn as_times(array: &Int64Array, column: &ArrayRef) -> ArrayRef {
    let DataType::Timestamp(_, zone) = column.data_type() else {
        return Arc::new(array.clone());
    };
    let times = PrimitiveArray::<TimestampMicrosecondType>::new(
        array.values().clone(),
        array.nulls().cloned(),
    );
    Arc::new(times.with_timezone_opt(zone.clone()))
}
