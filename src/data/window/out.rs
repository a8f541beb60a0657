//! A column of results that several threads fill at once, each its own rows.

use super::super::{Error, Result};
use crate::domain::feature::Aggregate;
use arrow_array::cast::AsArray;
use arrow_array::types::TimestampMicrosecondType;
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, PrimitiveArray, UInt32Array};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use arrow_schema::DataType;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};

/// The bits of a cell without number: a NaN that no arithmetic makes.
const NO_NUMBER: u64 = 0x7FF8_5EED_0000_0001;
/// A cell without event.
const NO_EVENT: u32 = u32::MAX;

/// A value for each row; null until it is put.
pub(super) enum Out {
    Whole(Vec<AtomicU64>, Vec<AtomicBool>),
    Real(Vec<AtomicU64>),
    /// The position of an event whose value is taken.
    Event(Vec<AtomicU32>),
}

impl Out {
    /// For `rows` results of an aggregate over a column of numbers (`real`) or of something else.
    pub(super) fn new(aggregate: Aggregate, real: bool, rows: usize) -> Self {
        let cells = |bits: u64| (0..rows).map(|_| AtomicU64::new(bits)).collect();
        let whole = || {
            let there = (0..rows).map(|_| AtomicBool::new(false)).collect();
            Self::Whole(cells(0), there)
        };
        match aggregate {
            Aggregate::Count | Aggregate::Distinct => whole(),
            Aggregate::Mean | Aggregate::Std | Aggregate::Share => Self::Real(cells(NO_NUMBER)),
            Aggregate::Last => Self::Event((0..rows).map(|_| AtomicU32::new(NO_EVENT)).collect()),
            Aggregate::Sum | Aggregate::Min | Aggregate::Max if real => {
                Self::Real(cells(NO_NUMBER))
            }
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => whole(),
        }
    }

    pub(super) fn whole(&self, row: u32, value: i64) {
        if let Self::Whole(cells, there) = self {
            cells[row as usize].store(value as u64, Relaxed);
            there[row as usize].store(true, Relaxed);
        }
    }

    pub(super) fn real(&self, row: u32, value: f64) {
        if let Self::Real(cells) = self {
            cells[row as usize].store(value.to_bits(), Relaxed);
        }
    }

    pub(super) fn event(&self, row: u32, position: u32) {
        if let Self::Event(cells) = self {
            cells[row as usize].store(position, Relaxed);
        }
    }

    /// The results of an aggregate over `column`: times stay times.
    pub(super) fn into_array(self, column: &ArrayRef) -> Result<ArrayRef> {
        Ok(match self {
            Self::Real(cells) => {
                let there = |row: usize| cells[row].load(Relaxed) != NO_NUMBER;
                let nulls = nulls(BooleanBuffer::collect_bool(cells.len(), there));
                let values: Vec<f64> = cells
                    .into_iter()
                    .map(|cell| f64::from_bits(cell.into_inner()))
                    .collect();
                Arc::new(Float64Array::new(values.into(), nulls))
            }
            Self::Whole(cells, there) => {
                let nulls = nulls(BooleanBuffer::collect_bool(there.len(), |row| {
                    there[row].load(Relaxed)
                }));
                let values: Vec<i64> = cells
                    .into_iter()
                    .map(|cell| cell.into_inner() as i64)
                    .collect();
                Arc::new(Int64Array::new(values.into(), nulls))
            }
            Self::Event(cells) => {
                let positions: UInt32Array = cells
                    .into_iter()
                    .map(|cell| Some(cell.into_inner()).filter(|event| *event != NO_EVENT))
                    .collect();
                arrow_select::take::take(column, &positions, None)
                    .map_err(|error| Error::new(error.to_string()))?
            }
        })
    }
}

fn nulls(there: BooleanBuffer) -> Option<NullBuffer> {
    Some(NullBuffer::new(there)).filter(|nulls| nulls.null_count() > 0)
}

/// Whole numbers as times of the type of `column`.
pub(super) fn as_times(array: &ArrayRef, column: &ArrayRef) -> ArrayRef {
    let DataType::Timestamp(_, zone) = column.data_type() else {
        return Arc::clone(array);
    };
    let values = array.as_primitive::<arrow_array::types::Int64Type>();
    let times = PrimitiveArray::<TimestampMicrosecondType>::new(
        values.values().clone(),
        values.nulls().cloned(),
    );
    Arc::new(times.with_timezone_opt(zone.clone()))
}
