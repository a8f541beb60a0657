//! Online values in their stored form: what a row of a view is as bytes, how an entity is named, how rows travel from a
//! worker to the store (`batch`) and lie there (`pack`), how new rows meet those there are (`merge`), which facts are read
//! (`facts`), how they become rows (`newest`), and those that windows hold now (`recent`).
//! Knows no database and no clock.

pub mod batch;
mod facts;
mod gathered;
pub mod key;
pub mod merge;
pub mod newest;
pub mod pack;
pub mod recent;

use super::{Error, Frame, Result, instant};
use crate::domain::dataset::ColumnKind;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};
use arrow_schema::DataType;
use serde::{Deserialize, Serialize};

/// A column of the stored rows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineColumn {
    /// The feature.
    pub name: String,
    /// Its type; whole numbers in a column of numbers are numbers.
    pub kind: ColumnKind,
}

/// The columns of a generation's rows, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// In order.
    pub columns: Vec<OnlineColumn>,
}

impl Layout {
    /// Where a feature's value is.
    pub fn place(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// The names, in order.
    pub fn names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name.clone())
            .collect()
    }

    /// The same columns, able to hold what `other` holds: whole numbers and numbers are numbers, else the newer type counts.
    pub fn widened(&self, other: &Self) -> Self {
        let columns = self.columns.iter().map(|column| {
            let kind = match other.place(&column.name).map(|at| other.columns[at].kind) {
                Some(ColumnKind::Integer) if column.kind == ColumnKind::Number => {
                    ColumnKind::Number
                }
                Some(kind) => kind,
                None => column.kind,
            };
            OnlineColumn {
                name: column.name.clone(),
                kind,
            }
        });
        Self {
            columns: columns.collect(),
        }
    }
}

/// One row: the newest values of one entity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnlineRow {
    /// The entity; see [`key`].
    pub key: Vec<u8>,
    /// Event time of the fact that won, microseconds.
    pub event: Option<i64>,
    /// When that fact could be known, where the view says so.
    pub created: Option<i64>,
    /// Which of the generation's files it came from; [`PUSHED`] when it was pushed.
    pub source: i32,
    /// The values; see [`Scalars`].
    pub body: Vec<u8>,
}

/// The source of a row that was pushed and came from no file.
pub const PUSHED: i32 = -1;

/// One value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    /// Nothing there.
    Null,
    /// A whole number.
    Integer(i64),
    /// A number; never NaN, which is null.
    Number(f64),
    /// True or false.
    Boolean(bool),
    /// Text.
    Text(&'a str),
    /// Microseconds; `zoned`: an instant, else a wall clock.
    Time {
        /// Since 1970.
        at: i64,
        /// Whether it is in UTC.
        zoned: bool,
    },
}

impl<'a> Scalar<'a> {
    fn cell(&self) -> super::column::Cell<'a> {
        use super::column::Cell;
        match *self {
            Self::Null => Cell::Null,
            Self::Integer(value) => Cell::Integer(value),
            Self::Number(value) => Cell::Number(value),
            Self::Boolean(value) => Cell::Boolean(value),
            Self::Text(text) => Cell::Text(text),
            Self::Time { at, .. } => Cell::Time(at),
        }
    }

    /// As a column of `kind` holds it: a whole number among numbers is a number.
    pub fn of(self, kind: ColumnKind) -> Self {
        match (self, kind) {
            (Self::Integer(value), ColumnKind::Number) => Self::Number(value as f64),
            (other, _) => other,
        }
    }

    /// As people write it; none for null.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            Self::Null => return None,
            Self::Integer(value) => value.to_string(),
            Self::Number(value) => super::frame::number_text(*value),
            Self::Boolean(value) => value.to_string(),
            Self::Text(text) => (*text).to_owned(),
            Self::Time { at, zoned } => instant::format(*at, *zoned),
        })
    }

    /// As JSON has it; infinities are the texts `Infinity` and `-Infinity`, times ISO 8601.
    pub fn json(&self) -> serde_json::Value {
        use serde_json::Value;
        match self {
            Self::Null => Value::Null,
            Self::Integer(value) => Value::from(*value),
            Self::Number(value) => match serde_json::Number::from_f64(*value) {
                Some(number) => Value::Number(number),
                None if *value > 0.0 => Value::from("Infinity"),
                None => Value::from("-Infinity"),
            },
            Self::Boolean(value) => Value::Bool(*value),
            Self::Text(_) | Self::Time { .. } => self.text().map_or(Value::Null, Value::String),
        }
    }

    /// Adds its stored form to `body`: a tag, then what the tag needs.
    pub fn store(&self, body: &mut Vec<u8>) {
        match self {
            Self::Null => body.push(tag::NULL),
            Self::Integer(value) => {
                body.push(tag::INTEGER);
                // small numbers of either sign are short
                put_count(body, ((value << 1) ^ (value >> 63)) as u64);
            }
            Self::Number(value) => {
                body.push(tag::NUMBER);
                body.extend(value.to_le_bytes());
            }
            Self::Boolean(false) => body.push(tag::FALSE),
            Self::Boolean(true) => body.push(tag::TRUE),
            Self::Text(text) => {
                body.push(tag::TEXT);
                put_count(body, text.len() as u64);
                body.extend(text.as_bytes());
            }
            Self::Time { at, zoned } => {
                body.push(if *zoned { tag::INSTANT } else { tag::CLOCK });
                body.extend(at.to_le_bytes());
            }
        }
    }
}

/// What the first byte of a value says. Never renumbered: databases hold them.
mod tag {
    pub(super) const NULL: u8 = 0;
    pub(super) const INTEGER: u8 = 1;
    pub(super) const NUMBER: u8 = 2;
    pub(super) const FALSE: u8 = 3;
    pub(super) const TRUE: u8 = 4;
    pub(super) const TEXT: u8 = 5;
    pub(super) const INSTANT: u8 = 6;
    pub(super) const CLOCK: u8 = 7;
}

/// A count in as few bytes as it needs: seven bits a byte, the lowest first (LEB128).
pub(super) fn put_count(out: &mut Vec<u8>, mut count: u64) {
    while count >= 0x80 {
        out.push(count as u8 | 0x80);
        count >>= 7;
    }
    out.push(count as u8);
}

/// The count at the front of `bytes`, which is taken off; none when it is cut off.
pub(super) fn take_count(bytes: &mut &[u8]) -> Option<u64> {
    let mut count = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        count |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(count);
        }
    }
    None
}

/// The next `count` bytes, which are taken off; none when there are fewer.
pub(super) fn take_bytes<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

fn take_word(bytes: &mut &[u8]) -> Option<[u8; 8]> {
    take_bytes(bytes, 8)?.try_into().ok()
}

/// The values of a stored row, one after the other.
pub struct Scalars<'a> {
    rest: &'a [u8],
}

impl<'a> Scalars<'a> {
    /// Of a row's body.
    pub fn of(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    fn take(&mut self) -> Option<Scalar<'a>> {
        let (tag, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(match *tag {
            tag::NULL => Scalar::Null,
            tag::INTEGER => {
                let folded = take_count(&mut self.rest)?;
                Scalar::Integer((folded >> 1) as i64 ^ -((folded & 1) as i64))
            }
            tag::NUMBER => Scalar::Number(f64::from_le_bytes(take_word(&mut self.rest)?)),
            tag::FALSE => Scalar::Boolean(false),
            tag::TRUE => Scalar::Boolean(true),
            tag::TEXT => {
                let length = usize::try_from(take_count(&mut self.rest)?).ok()?;
                Scalar::Text(std::str::from_utf8(take_bytes(&mut self.rest, length)?).ok()?)
            }
            tag::INSTANT | tag::CLOCK => Scalar::Time {
                at: i64::from_le_bytes(take_word(&mut self.rest)?),
                zoned: *tag == tag::INSTANT,
            },
            _ => return None,
        })
    }
}

impl<'a> Iterator for Scalars<'a> {
    type Item = Result<Scalar<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.take().ok_or_else(|| {
            self.rest = &[];
            Error::new("a stored row is damaged; materialize the view again")
        }))
    }
}

/// A column of a frame, read value by value.
pub enum Column<'a> {
    /// Whole numbers.
    Integers(&'a Int64Array),
    /// Numbers.
    Numbers(&'a Float64Array),
    /// Texts.
    Texts(&'a StringArray),
    /// True and false.
    Booleans(&'a BooleanArray),
    /// Times, and whether they are instants.
    Times(&'a TimestampMicrosecondArray, bool),
}

impl<'a> Column<'a> {
    /// Of one of a frame's five types.
    pub fn of(array: &'a ArrayRef) -> Result<Self> {
        Ok(match array.data_type() {
            DataType::Int64 => Self::Integers(array.as_primitive::<Int64Type>()),
            DataType::Float64 => Self::Numbers(array.as_primitive::<Float64Type>()),
            DataType::Utf8 => Self::Texts(array.as_string::<i32>()),
            DataType::Boolean => Self::Booleans(array.as_boolean()),
            DataType::Timestamp(_, zone) => Self::Times(
                array.as_primitive::<TimestampMicrosecondType>(),
                zone.is_some(),
            ),
            other => return Err(Error::new(format!("the type {other} is not supported"))),
        })
    }

    /// The value of a row.
    pub fn value(&self, row: usize) -> Scalar<'a> {
        match self {
            Self::Integers(values) if values.is_valid(row) => Scalar::Integer(values.value(row)),
            Self::Numbers(values) if values.is_valid(row) && !values.value(row).is_nan() => {
                Scalar::Number(values.value(row))
            }
            Self::Texts(values) if values.is_valid(row) => Scalar::Text(values.value(row)),
            Self::Booleans(values) if values.is_valid(row) => Scalar::Boolean(values.value(row)),
            Self::Times(values, zoned) if values.is_valid(row) => Scalar::Time {
                at: values.value(row),
                zoned: *zoned,
            },
            _ => Scalar::Null,
        }
    }
}

/// Stored rows as columns again.
pub fn frame<'a>(layout: &Layout, bodies: impl Iterator<Item = &'a [u8]>) -> Result<Frame> {
    use super::column::GrowingColumn;
    let mut columns: Vec<GrowingColumn> = layout
        .columns
        .iter()
        .map(|column| GrowingColumn::of(column.kind, true))
        .collect();
    let mut rows = 0;
    for body in bodies {
        rows += 1;
        let mut values = Scalars::of(body);
        for (column, spec) in columns.iter_mut().zip(&layout.columns) {
            let value = values.next().transpose()?.unwrap_or(Scalar::Null);
            column.push(value.cell()).map_err(|mixed| {
                Error::new(format!(
                    "`{}`: a value of type {} in a column of type {}",
                    spec.name, mixed.came, mixed.held
                ))
            })?;
        }
    }
    let arrays = layout
        .columns
        .iter()
        .zip(columns)
        .map(|(spec, column)| {
            let array = column
                .finish()
                .map_err(|error| Error::new(format!("`{}`: {error}", spec.name)))?;
            Ok((spec.name.clone(), array))
        })
        .collect::<Result<Vec<_>>>()?;
    Frame::from_columns_of(arrays, rows)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;

#[cfg(test)]
mod value_tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn stored(values: &[Scalar<'_>]) -> Vec<u8> {
        let mut body = Vec::new();
        values.iter().for_each(|value| value.store(&mut body));
        body
    }

    proptest! {
        #[test]
        fn values_come_back_as_they_went_in(
            whole: i64, number in prop::num::f64::NORMAL | prop::num::f64::INFINITE, text: String, flag: bool, zoned: bool,
        ) {
            let values = [
                Scalar::Integer(whole),
                Scalar::Null,
                Scalar::Number(number),
                Scalar::Text(&text),
                Scalar::Boolean(flag),
                Scalar::Time { at: whole, zoned },
            ];
            let body = stored(&values);
            let back: Vec<Scalar<'_>> = Scalars::of(&body).collect::<Result<_>>().unwrap();
            prop_assert_eq!(&back[..], &values[..]);
            // a row that is cut off says so, wherever
            for end in 1..body.len() {
                let cut = Scalars::of(&body[..end]).collect::<Result<Vec<_>>>();
                prop_assert!(cut.map_or(true, |values| values.len() < back.len()));
            }
        }
    }

    #[test]
    fn whole_numbers_in_a_column_of_numbers_are_numbers() {
        let layout = |kind| Layout {
            columns: vec![OnlineColumn {
                name: "a".into(),
                kind,
            }],
        };
        use ColumnKind::{Integer, Number};
        assert_eq!(layout(Number).widened(&layout(Integer)), layout(Number));
        assert_eq!(layout(Integer).widened(&layout(Number)), layout(Number));
        assert_eq!(Scalar::Integer(3).of(Number), Scalar::Number(3.0));
        let bodies = [
            stored(&[Scalar::Integer(3)]),
            stored(&[Scalar::Number(0.5)]),
        ];
        let table = frame(&layout(Number), bodies.iter().map(Vec::as_slice)).unwrap();
        assert_eq!(table.numbers("a").unwrap(), [3.0, 0.5]);
    }

    #[test]
    fn json_has_no_infinity_and_so_gets_a_text() {
        assert_eq!(Scalar::Number(f64::INFINITY).json(), "Infinity");
        assert_eq!(Scalar::Number(2.0).json().to_string(), "2.0");
        assert_eq!(
            Scalar::Time { at: 0, zoned: true }.json(),
            "1970-01-01T00:00:00Z"
        );
    }
}
