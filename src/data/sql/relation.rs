//! A frame as SQLite reads it: columns whose type is found once, and hash indexes for equalities, made on first use.
//! Knows values and rows, nothing of SQLite's interface.

use crate::data::{Error, Frame, Result, keys};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::DataType;
use rusqlite::types::ValueRef;
use rustc_hash::FxHashMap;
use std::ffi::CString;
use std::sync::{Arc, Mutex, PoisonError};

/// A column, its type found once.
pub(super) enum Column {
    Integer(Int64Array),
    Number(Float64Array),
    Text(StringArray),
    Boolean(BooleanArray),
    Time(TimestampMicrosecondArray),
}

impl Column {
    pub(super) fn new(array: &ArrayRef) -> Result<(Self, &'static str)> {
        Ok(match array.data_type() {
            DataType::Int64 => (
                Self::Integer(array.as_primitive::<Int64Type>().clone()),
                "INTEGER",
            ),
            DataType::Float64 => (
                Self::Number(array.as_primitive::<Float64Type>().clone()),
                "REAL",
            ),
            DataType::Utf8 => (Self::Text(array.as_string::<i32>().clone()), "TEXT"),
            DataType::Boolean => (Self::Boolean(array.as_boolean().clone()), "BOOLEAN"),
            DataType::Timestamp(_, zone) => (
                Self::Time(array.as_primitive::<TimestampMicrosecondType>().clone()),
                if zone.is_some() {
                    "TIMESTAMP UTC"
                } else {
                    "TIMESTAMP"
                },
            ),
            other => return Err(Error::new(format!("the type {other} is not supported"))),
        })
    }

    /// The value at `row` as SQLite sees it.
    pub(super) fn value(&self, row: usize) -> ValueRef<'_> {
        match self {
            Self::Integer(array) if array.is_valid(row) => ValueRef::Integer(array.value(row)),
            Self::Number(array) if array.is_valid(row) && !array.value(row).is_nan() => {
                ValueRef::Real(array.value(row))
            }
            Self::Text(array) if array.is_valid(row) => ValueRef::Text(array.value(row).as_bytes()),
            Self::Boolean(array) if array.is_valid(row) => {
                ValueRef::Integer(i64::from(array.value(row)))
            }
            Self::Time(array) if array.is_valid(row) => ValueRef::Integer(array.value(row)),
            _ => ValueRef::Null,
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text(_))
    }
}

/// A frame as SQLite reads it, with the hash indexes made so far.
pub(super) struct Table {
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
    pub(super) declaration: CString,
    /// Sets of columns that an equality was asked for, numbered by place, and their index once used.
    indexes: Mutex<Vec<Asked>>,
}

/// Columns that an equality was asked for, and their index once it was used.
type Asked = (Vec<usize>, Option<Arc<Index>>);

/// Rows by the values of some columns. A superset of the equal rows: SQLite compares again.
pub(super) struct Index {
    pub(super) entries: FxHashMap<Box<[u8]>, u32>,
    pub(super) order: Vec<u32>,
    pub(super) starts: Vec<usize>,
}

impl Table {
    pub(super) fn new(frame: &Frame) -> Result<Self> {
        let mut columns = Vec::new();
        let mut declarations = Vec::new();
        for (name, array) in frame.names().iter().zip(frame.batch.columns()) {
            let (column, declared) = Column::new(array)?;
            columns.push(column);
            declarations.push(format!("{} {declared}", super::identifier(name)));
        }
        let declaration = CString::new(format!("CREATE TABLE x({})", declarations.join(", ")))
            .map_err(|_| Error::new("a column's name has a NUL character"))?;
        Ok(Self {
            columns,
            rows: frame.rows(),
            declaration,
            indexes: Mutex::default(),
        })
    }

    /// The number of the set `columns`.
    pub(super) fn index_number(&self, columns: &[usize]) -> usize {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        match indexes.iter().position(|(set, _)| set == columns) {
            Some(number) => number,
            None => {
                indexes.push((columns.to_vec(), None));
                indexes.len() - 1
            }
        }
    }

    /// The columns and the index of set `number`, made now if this is its first use.
    pub(super) fn index(&self, number: usize) -> Option<(Vec<usize>, Arc<Index>)> {
        let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
        let (columns, slot) = indexes.get_mut(number)?;
        let index = slot.get_or_insert_with(|| Arc::new(self.make_index(columns)));
        Some((columns.clone(), Arc::clone(index)))
    }

    fn make_index(&self, columns: &[usize]) -> Index {
        let mut entries: FxHashMap<Box<[u8]>, u32> = FxHashMap::default();
        let mut codes = Vec::with_capacity(self.rows);
        let mut key = Vec::new();
        for row in 0..self.rows {
            key.clear();
            let whole = columns
                .iter()
                .all(|column| encode(self.columns[*column].value(row), &mut key));
            codes.push(if !whole {
                keys::NONE
            } else if let Some(code) = entries.get(key.as_slice()) {
                *code
            } else {
                let code = entries.len() as u32;
                entries.insert(key.clone().into_boxed_slice(), code);
                code
            });
        }
        let (order, starts) = keys::group(&codes, entries.len(), |_| true);
        Index {
            entries,
            order,
            starts,
        }
    }
}

/// Appends `value` so that values that SQLite calls equal are equal bytes; false for null, which equals nothing.
pub(super) fn encode(value: ValueRef<'_>, key: &mut Vec<u8>) -> bool {
    match value {
        ValueRef::Integer(value) => key.extend((value as f64 + 0.0).to_bits().to_le_bytes()),
        ValueRef::Real(value) => key.extend((value + 0.0).to_bits().to_le_bytes()),
        ValueRef::Text(bytes) => {
            key.extend((bytes.len() as u64).to_le_bytes());
            key.extend(bytes);
        }
        ValueRef::Null | ValueRef::Blob(_) => return false,
    }
    true
}
