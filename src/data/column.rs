//! A column that grows cell by cell and widens as it must: from JSON objects, SQL results, CSV fields.
//! Whole numbers widen to numbers; nothing else mixes. Knows no files.

use crate::domain::dataset::ColumnKind;
use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow_buffer::{BooleanBuffer, NullBuffer};
use std::sync::Arc;

/// One value on its way into a column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell<'a> {
    /// Nothing there.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number.
    Number(f64),
    /// Text.
    Text(&'a str),
    /// True or false.
    Boolean(bool),
    /// Microseconds.
    Time(i64),
}

impl Cell<'_> {
    fn kind(&self) -> Option<ColumnKind> {
        match self {
            Self::Null => None,
            Self::Integer(_) => Some(ColumnKind::Integer),
            Self::Number(_) => Some(ColumnKind::Number),
            Self::Text(_) => Some(ColumnKind::Text),
            Self::Boolean(_) => Some(ColumnKind::Boolean),
            Self::Time(_) => Some(ColumnKind::Time),
        }
    }
}

/// Two kinds that do not mix: what the column held so far and what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixed {
    /// So far.
    pub held: ColumnKind,
    /// Now.
    pub came: ColumnKind,
}

#[derive(Debug)]
enum Values {
    Unknown,
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Text { bytes: String, ends: Vec<usize> },
    Boolean(Vec<bool>),
    Time(Vec<i64>),
}

/// A growing column; its kind is that of the first value that is not null.
#[derive(Debug)]
pub struct GrowingColumn {
    valid: Vec<bool>,
    values: Values,
    zoned: bool,
}

impl Default for GrowingColumn {
    fn default() -> Self {
        Self {
            valid: Vec::new(),
            values: Values::Unknown,
            zoned: false,
        }
    }
}

impl GrowingColumn {
    /// A column that will hold `kind`, even when nothing but nulls come; `zoned`: its times are instants in UTC.
    pub fn of(kind: ColumnKind, zoned: bool) -> Self {
        let mut column = Self {
            zoned,
            ..Self::default()
        };
        column.begin(kind);
        column
    }

    /// Cells so far.
    pub fn cells(&self) -> usize {
        self.valid.len()
    }

    /// What it holds; none while it has seen only nulls.
    pub fn kind(&self) -> Option<ColumnKind> {
        match self.values {
            Values::Unknown => None,
            Values::Integer(_) => Some(ColumnKind::Integer),
            Values::Number(_) => Some(ColumnKind::Number),
            Values::Text { .. } => Some(ColumnKind::Text),
            Values::Boolean(_) => Some(ColumnKind::Boolean),
            Values::Time(_) => Some(ColumnKind::Time),
        }
    }

    fn begin(&mut self, kind: ColumnKind) {
        let rows = self.valid.len();
        self.values = match kind {
            ColumnKind::Integer => Values::Integer(vec![0; rows]),
            ColumnKind::Number => Values::Number(vec![0.0; rows]),
            ColumnKind::Text => Values::Text {
                bytes: String::new(),
                ends: vec![0; rows],
            },
            ColumnKind::Boolean => Values::Boolean(vec![false; rows]),
            ColumnKind::Time => Values::Time(vec![0; rows]),
        };
    }

    /// One more cell.
    pub fn push(&mut self, cell: Cell<'_>) -> Result<(), Mixed> {
        if matches!(self.values, Values::Unknown)
            && let Some(kind) = cell.kind()
        {
            self.begin(kind);
        }
        if let (Values::Integer(whole), Cell::Number(_)) = (&self.values, &cell) {
            self.values = Values::Number(whole.iter().map(|value| *value as f64).collect());
        }
        match (&mut self.values, cell) {
            (Values::Unknown, Cell::Null) => {}
            (Values::Integer(values), Cell::Null) | (Values::Time(values), Cell::Null) => {
                values.push(0)
            }
            (Values::Number(values), Cell::Null) => values.push(0.0),
            (Values::Text { bytes, ends }, Cell::Null) => ends.push(bytes.len()),
            (Values::Boolean(values), Cell::Null) => values.push(false),
            (Values::Integer(values), Cell::Integer(value)) => values.push(value),
            (Values::Number(values), Cell::Number(value)) => values.push(value),
            (Values::Number(values), Cell::Integer(value)) => values.push(value as f64),
            (Values::Text { bytes, ends }, Cell::Text(value)) => {
                bytes.push_str(value);
                ends.push(bytes.len());
            }
            (Values::Boolean(values), Cell::Boolean(value)) => values.push(value),
            (Values::Boolean(values), Cell::Integer(value @ (0 | 1))) => values.push(value == 1),
            (Values::Time(values), Cell::Time(value) | Cell::Integer(value)) => values.push(value),
            (_, other) => {
                return Err(Mixed {
                    held: self.kind().unwrap_or(ColumnKind::Number),
                    came: other.kind().unwrap_or(ColumnKind::Number),
                });
            }
        }
        self.valid.push(!matches!(cell, Cell::Null));
        Ok(())
    }

    /// The column as an Arrow array; one that saw only nulls becomes numbers. Fails when text exceeds 2 GiB.
    pub fn finish(self) -> Result<ArrayRef, arrow_schema::ArrowError> {
        let rows = self.valid.len();
        let nulls = NullBuffer::new(BooleanBuffer::from(self.valid));
        let nulls = (nulls.null_count() > 0).then_some(nulls);
        Ok(match self.values {
            Values::Unknown => Arc::new(Float64Array::try_new(vec![0.0; rows].into(), nulls)?),
            Values::Integer(values) => Arc::new(Int64Array::try_new(values.into(), nulls)?),
            Values::Number(values) => Arc::new(Float64Array::try_new(values.into(), nulls)?),
            Values::Boolean(values) => {
                Arc::new(BooleanArray::new(BooleanBuffer::from(values), nulls))
            }
            Values::Time(values) => {
                let times = TimestampMicrosecondArray::try_new(values.into(), nulls)?;
                Arc::new(if self.zoned {
                    times.with_timezone("UTC")
                } else {
                    times
                })
            }
            Values::Text { bytes, ends } => {
                if bytes.len() > i32::MAX as usize {
                    return Err(arrow_schema::ArrowError::OffsetOverflowError(bytes.len()));
                }
                let mut offsets: Vec<i32> = Vec::with_capacity(rows + 1);
                offsets.push(0);
                offsets.extend(ends.iter().map(|end| *end as i32));
                Arc::new(StringArray::try_new(
                    arrow_buffer::OffsetBuffer::new(offsets.into()),
                    arrow_buffer::Buffer::from_vec(bytes.into_bytes()),
                    nulls,
                )?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow_array::Array;
    use arrow_array::cast::AsArray;
    use arrow_array::types::Float64Type;

    #[test]
    fn integers_widen_to_numbers_and_nulls_stay() {
        let mut column = GrowingColumn::default();
        for cell in [
            Cell::Null,
            Cell::Integer(3),
            Cell::Number(0.5),
            Cell::Null,
            Cell::Integer(4),
        ] {
            column.push(cell).unwrap();
        }
        let array = column.finish().unwrap();
        let values: Vec<Option<f64>> = array.as_primitive::<Float64Type>().iter().collect();
        assert_eq!(values, [None, Some(3.0), Some(0.5), None, Some(4.0)]);
    }

    #[test]
    fn text_and_numbers_do_not_mix() {
        let mut column = GrowingColumn::default();
        column.push(Cell::Text("a")).unwrap();
        assert_eq!(
            column.push(Cell::Integer(1)),
            Err(Mixed {
                held: ColumnKind::Text,
                came: ColumnKind::Integer
            })
        );
    }

    #[test]
    fn text_keeps_its_nulls() {
        let mut column = GrowingColumn::default();
        for cell in [Cell::Null, Cell::Text("ab"), Cell::Null, Cell::Text("")] {
            column.push(cell).unwrap();
        }
        let array = column.finish().unwrap();
        let values: Vec<Option<&str>> = array.as_string::<i32>().iter().collect();
        assert_eq!(values, [None, Some("ab"), None, Some("")]);
        assert_eq!(array.null_count(), 2);
    }
}
