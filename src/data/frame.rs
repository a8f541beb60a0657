//! Typed columns in memory: one Arrow record batch with the accesses that models and statistics need.
//! Every column is one of five: Int64, Float64, Utf8, Boolean, Timestamp in microseconds (zone UTC or none);
//! what files and callers bring is made one of these once, here.

use super::column::{Cell, GrowingColumn};
use super::{Error, Result, instant};
use crate::domain::dataset::ColumnKind;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, Float64Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Float64Array, Int64Array, RecordBatch, RecordBatchOptions,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow_cast::CastOptions;
use arrow_schema::{DataType, Field, Schema, TimeUnit};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A table. Times are microseconds since 1970 UTC, whatever the file had.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The columns.
    pub batch: RecordBatch,
}

impl Frame {
    /// Rows.
    pub fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// Column names in order.
    pub fn names(&self) -> Vec<String> {
        self.batch
            .schema()
            .fields()
            .iter()
            .map(|field| field.name().clone())
            .collect()
    }

    /// A table from named columns of equal length. Any Arrow number, text, boolean, date or timestamp is taken
    /// and made one of our five types. Fails on a name that comes twice, on unequal lengths and on other types.
    pub fn from_columns(columns: Vec<(String, ArrayRef)>) -> Result<Self> {
        let rows = columns.first().map_or(0, |(_, column)| column.len());
        Self::from_columns_of(columns, rows)
    }

    /// Like [`Frame::from_columns`], with the number of rows for when there is no column.
    pub(crate) fn from_columns_of(columns: Vec<(String, ArrayRef)>, rows: usize) -> Result<Self> {
        let mut seen = BTreeSet::new();
        let mut fields = Vec::with_capacity(columns.len());
        let mut arrays = Vec::with_capacity(columns.len());
        for (name, column) in columns {
            if !seen.insert(name.clone()) {
                return Err(Error::new(format!(
                    "two columns are called `{name}`; rename one"
                )));
            }
            if column.len() != rows {
                return Err(Error::new(format!(
                    "column `{name}` has {} rows, the others have {rows}",
                    column.len()
                )));
            }
            let column = normalise(&column)
                .map_err(|error| Error::new(format!("column `{name}`: {error}")))?;
            fields.push(Field::new(name, column.data_type().clone(), true));
            arrays.push(column);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch =
            RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options)
                .map_err(|error| Error::new(error.to_string()))?;
        Ok(Self { batch })
    }

    /// A table from an Arrow batch, normalised.
    pub fn from_batch(batch: &RecordBatch) -> Result<Self> {
        let schema = batch.schema();
        let columns = schema
            .fields()
            .iter()
            .zip(batch.columns())
            .map(|(field, column)| (field.name().clone(), Arc::clone(column)))
            .collect();
        Self::from_columns_of(columns, batch.num_rows())
    }

    fn index(&self, name: &str) -> Result<usize> {
        self.batch.schema_ref().index_of(name).map_err(|_| {
            Error::new(format!(
                "there is no column `{name}`; the columns are {}",
                quoted(&self.names())
            ))
        })
    }

    /// The column called `name`.
    pub fn column(&self, name: &str) -> Result<&ArrayRef> {
        Ok(self.batch.column(self.index(name)?))
    }

    /// Whether there is a column called `name`.
    pub fn has(&self, name: &str) -> bool {
        self.batch.schema_ref().index_of(name).is_ok()
    }

    /// Its type.
    pub fn kind(&self, name: &str) -> Result<ColumnKind> {
        kind_of(self.column(name)?.data_type())
            .ok_or_else(|| Error::new(format!("column `{name}` has a type that is not supported")))
    }

    /// A column as numbers; null is NaN; booleans are 0 and 1; times are microseconds.
    pub fn numbers(&self, name: &str) -> Result<Vec<f64>> {
        let column = self.column(name)?;
        Ok(match column.data_type() {
            DataType::Float64 => {
                let array = column.as_primitive::<Float64Type>();
                match array.nulls() {
                    None => array.values().to_vec(),
                    Some(_) => array
                        .iter()
                        .map(|value| value.unwrap_or(f64::NAN))
                        .collect(),
                }
            }
            DataType::Int64 => whole(column.as_primitive::<Int64Type>()),
            DataType::Timestamp(_, _) => whole(column.as_primitive::<TimestampMicrosecondType>()),
            DataType::Boolean => column
                .as_boolean()
                .iter()
                .map(|value| value.map_or(f64::NAN, |value| f64::from(u8::from(value))))
                .collect(),
            _ => {
                return Err(Error::new(format!(
                    "column `{name}` is text where numbers are expected"
                )));
            }
        })
    }

    /// A column as text; numbers are written as people write them (3, not 3.0); NaN is null.
    pub fn texts(&self, name: &str) -> Result<Vec<Option<String>>> {
        Ok(texts(self.column(name)?))
    }

    /// A time column (or integers taken as microseconds, or text in ISO 8601).
    pub fn times(&self, name: &str) -> Result<Vec<Option<i64>>> {
        let column = self.column(name)?;
        match column.data_type() {
            DataType::Timestamp(_, _) => Ok(column.as_primitive::<TimestampMicrosecondType>().iter().collect()),
            DataType::Int64 => Ok(column.as_primitive::<Int64Type>().iter().collect()),
            DataType::Utf8 => column
                .as_string::<i32>()
                .iter()
                .enumerate()
                .map(|(row, text)| match text {
                    None => Ok(None),
                    Some(text) => instant::parse(text).map(|(us, _)| Some(us)).ok_or_else(|| {
                        Error::new(format!(
                            "column `{name}`, row {}: `{text}` is no time; write 2013-01-31T12:05:00Z",
                            row + 1
                        ))
                    }),
                })
                .collect(),
            _ if column.null_count() == column.len() => Ok(vec![None; column.len()]),
            _ => Err(Error::new(format!(
                "column `{name}` is {} where a time is expected",
                self.kind(name)?
            ))),
        }
    }

    /// These columns, in this order.
    pub fn select(&self, names: &[String]) -> Result<Self> {
        let columns = names
            .iter()
            .map(|name| Ok((name.clone(), Arc::clone(self.column(name)?))))
            .collect::<Result<Vec<_>>>()?;
        Self::from_columns_of(columns, self.rows())
    }

    /// These rows, in this order.
    pub fn take(&self, rows: &[u32]) -> Result<Self> {
        self.take_indices(&UInt32Array::from(rows.to_vec()))
    }

    /// These rows, in this order; a null index makes a row of nulls.
    pub(crate) fn take_indices(&self, rows: &UInt32Array) -> Result<Self> {
        let options = arrow_select::take::TakeOptions { check_bounds: true };
        let columns = self
            .batch
            .columns()
            .iter()
            .map(|column| arrow_select::take::take(column, rows, Some(options.clone())))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|error| Error::new(format!("taking rows: {error}")))?;
        Self::from_columns_of(self.names().into_iter().zip(columns).collect(), rows.len())
    }

    /// With one more column, or a column replaced.
    pub fn with(&self, name: &str, column: ArrayRef) -> Result<Self> {
        let rows = if self.batch.num_columns() == 0 {
            column.len()
        } else {
            self.rows()
        };
        let mut columns: Vec<(String, ArrayRef)> = self
            .names()
            .into_iter()
            .zip(self.batch.columns().iter().cloned())
            .collect();
        match columns.iter_mut().find(|(existing, _)| existing == name) {
            Some(slot) => slot.1 = column,
            None => columns.push((name.to_owned(), column)),
        }
        Self::from_columns_of(columns, rows)
    }

    /// One under the other; columns by name, in the order of the first; types widened where they must.
    /// Fails when a table lacks a column that another has, or when types do not mix.
    pub fn concat(frames: &[Frame]) -> Result<Self> {
        let labels: Vec<String> = (1..=frames.len())
            .map(|number| format!("table {number}"))
            .collect();
        Self::concat_named(&labels, frames)
    }

    /// [`Frame::concat`] with names of the tables for errors.
    pub(crate) fn concat_named(labels: &[String], frames: &[Frame]) -> Result<Self> {
        let Some(first) = frames.first() else {
            return Err(Error::new("there is nothing to put together"));
        };
        let names = first.names();
        for (label, frame) in labels.iter().zip(frames).skip(1) {
            if let Some(name) = names.iter().find(|name| !frame.has(name)) {
                return Err(Error::new(format!(
                    "`{label}` has no column `{name}`, which `{}` has",
                    labels[0]
                )));
            }
            if let Some(name) = frame.names().iter().find(|name| !first.has(name)) {
                return Err(Error::new(format!(
                    "`{}` has no column `{name}`, which `{label}` has",
                    labels[0]
                )));
            }
        }
        if frames.len() == 1 {
            return Ok(first.clone());
        }
        let rows = frames.iter().map(Frame::rows).sum();
        let mut columns = Vec::with_capacity(names.len());
        for name in names {
            let parts = frames
                .iter()
                .map(|frame| frame.column(&name))
                .collect::<Result<Vec<_>>>()?;
            columns.push((name.clone(), stack(&name, labels, &parts)?));
        }
        Self::from_columns_of(columns, rows)
    }

    /// JSON objects as rows. Columns are the union of keys in order of first appearance; a missing key is null.
    /// In a column of numbers the strings `NaN`, `Infinity` and `-Infinity` are numbers, as MLflow writes them.
    pub fn from_records(records: &[serde_json::Map<String, serde_json::Value>]) -> Result<Self> {
        let mut rows = Records::default();
        for record in records {
            rows.push(record.iter().map(|(key, value)| (key.as_str(), value)))?;
        }
        rows.finish()
    }

    /// Writes CSV, Parquet or JSON lines by the path's ending: temporary name, fsync, rename.
    pub fn write(&self, path: &std::path::Path) -> Result<()> {
        super::write::write(self, path)
    }
}

/// JSON objects that become rows.
#[derive(Default)]
pub(crate) struct Records {
    names: Vec<String>,
    columns: Vec<GrowingColumn>,
    index: rustc_hash::FxHashMap<String, usize>,
    rows: usize,
}

impl Records {
    /// One more row.
    pub(crate) fn push<'a>(
        &mut self,
        record: impl Iterator<Item = (&'a str, &'a serde_json::Value)>,
    ) -> Result<()> {
        let row = self.rows;
        for (key, value) in record {
            let at = match self.index.get(key) {
                Some(at) => *at,
                None => {
                    let at = self.columns.len();
                    self.index.insert(key.to_owned(), at);
                    self.names.push(key.to_owned());
                    self.columns.push(GrowingColumn::default());
                    at
                }
            };
            let column = &mut self.columns[at];
            if column.cells() > row {
                return Err(Error::new(format!(
                    "row {}: the key `{key}` comes twice",
                    row + 1
                )));
            }
            fill(column, row);
            let cell = cell(value, column.kind()).ok_or_else(|| {
                Error::new(format!(
                    "row {}, column `{key}`: lists and objects are no values",
                    row + 1
                ))
            })?;
            column.push(cell).map_err(|mixed| {
                Error::new(format!(
                    "row {}, column `{key}`: a value of type {} in a column of type {}",
                    row + 1,
                    mixed.came,
                    mixed.held
                ))
            })?;
        }
        self.rows += 1;
        Ok(())
    }

    /// The rows as a table.
    pub(crate) fn finish(self) -> Result<Frame> {
        let rows = self.rows;
        let mut columns = Vec::with_capacity(self.names.len());
        for (name, mut column) in self.names.into_iter().zip(self.columns) {
            fill(&mut column, rows);
            let array = column
                .finish()
                .map_err(|error| Error::new(format!("column `{name}`: {error}")))?;
            columns.push((name, array));
        }
        Frame::from_columns_of(columns, rows)
    }
}

/// Nulls up to `rows`; they never fail.
fn fill(column: &mut GrowingColumn, rows: usize) {
    while column.cells() < rows && column.push(Cell::Null).is_ok() {}
}

fn cell(value: &serde_json::Value, held: Option<ColumnKind>) -> Option<Cell<'_>> {
    use serde_json::Value;
    Some(match value {
        Value::Null => Cell::Null,
        Value::Bool(value) => Cell::Boolean(*value),
        Value::Number(number) => match number.as_i64() {
            Some(value) => Cell::Integer(value),
            None => Cell::Number(number.as_f64()?),
        },
        Value::String(text) => match (held, text.as_str()) {
            (Some(ColumnKind::Number | ColumnKind::Integer), "NaN") => Cell::Null,
            (Some(ColumnKind::Number | ColumnKind::Integer), "Infinity") => {
                Cell::Number(f64::INFINITY)
            }
            (Some(ColumnKind::Number | ColumnKind::Integer), "-Infinity") => {
                Cell::Number(f64::NEG_INFINITY)
            }
            (_, text) => Cell::Text(text),
        },
        Value::Array(_) | Value::Object(_) => return None,
    })
}

/// The kind of one of our five Arrow types.
pub(crate) fn kind_of(data_type: &DataType) -> Option<ColumnKind> {
    Some(match data_type {
        DataType::Int64 => ColumnKind::Integer,
        DataType::Float64 => ColumnKind::Number,
        DataType::Utf8 => ColumnKind::Text,
        DataType::Boolean => ColumnKind::Boolean,
        DataType::Timestamp(TimeUnit::Microsecond, _) => ColumnKind::Time,
        _ => return None,
    })
}

/// A column's values as text; see [`Frame::texts`].
pub(crate) fn texts(column: &ArrayRef) -> Vec<Option<String>> {
    match column.data_type() {
        DataType::Utf8 => column
            .as_string::<i32>()
            .iter()
            .map(|text| text.map(str::to_owned))
            .collect(),
        DataType::Int64 => column
            .as_primitive::<Int64Type>()
            .iter()
            .map(|value| value.map(|value| value.to_string()))
            .collect(),
        DataType::Float64 => column
            .as_primitive::<Float64Type>()
            .iter()
            .map(|value| value.filter(|value| !value.is_nan()).map(number_text))
            .collect(),
        DataType::Boolean => column
            .as_boolean()
            .iter()
            .map(|value| value.map(|value| value.to_string()))
            .collect(),
        DataType::Timestamp(_, zone) => {
            let utc = zone.is_some();
            column
                .as_primitive::<TimestampMicrosecondType>()
                .iter()
                .map(|value| value.map(|value| instant::format(value, utc)))
                .collect()
        }
        _ => vec![None; column.len()],
    }
}

/// A number as people write it: 3, not 3.0 (Rust's shortest text that reads back as the same number).
pub(crate) fn number_text(value: f64) -> String {
    if value == 0.0 {
        "0".to_owned()
    } else {
        value.to_string()
    }
}

/// Names in backticks, at most thirty.
pub(crate) fn quoted(names: &[String]) -> String {
    let mut text = names
        .iter()
        .take(30)
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    if names.len() > 30 {
        text.push_str(&format!(" and {} more", names.len() - 30));
    }
    text
}

fn whole<T: ArrowPrimitiveType<Native = i64>>(array: &arrow_array::PrimitiveArray<T>) -> Vec<f64> {
    match array.nulls() {
        None => array.values().iter().map(|value| *value as f64).collect(),
        Some(_) => array
            .iter()
            .map(|value| value.map_or(f64::NAN, |value| value as f64))
            .collect(),
    }
}

/// Columns of one name under each other.
fn stack(name: &str, labels: &[String], parts: &[&ArrayRef]) -> Result<ArrayRef> {
    let mut target: Option<(&str, DataType)> = None;
    for (label, part) in labels.iter().zip(parts) {
        if part.null_count() == part.len() {
            continue;
        }
        let came = part.data_type();
        target = Some(match target.take() {
            None => (label, came.clone()),
            Some((held_label, held)) => match (&held, came) {
                _ if &held == came => (held_label, held),
                (DataType::Float64, DataType::Int64) => (held_label, held),
                (DataType::Int64, DataType::Float64) => (label, came.clone()),
                (DataType::Timestamp(_, _), DataType::Timestamp(_, _)) => (held_label, utc_time()),
                _ => {
                    let word = |data_type: &DataType| {
                        kind_of(data_type).map_or_else(String::new, |kind| kind.to_string())
                    };
                    return Err(Error::new(format!(
                        "column `{name}` is {} in `{label}` but {} in `{held_label}`",
                        word(came),
                        word(&held)
                    )));
                }
            },
        });
    }
    let target = target.map_or_else(|| parts[0].data_type().clone(), |(_, data_type)| data_type);
    let widened = parts
        .iter()
        .map(|part| widen(part, &target))
        .collect::<std::result::Result<Vec<_>, _>>()
        .and_then(|parts| {
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            arrow_select::concat::concat(&parts)
        });
    widened.map_err(|error| Error::new(format!("column `{name}`: {error}")))
}

fn widen(
    part: &ArrayRef,
    target: &DataType,
) -> std::result::Result<ArrayRef, arrow_schema::ArrowError> {
    if part.data_type() == target {
        return Ok(Arc::clone(part));
    }
    if part.null_count() == part.len() {
        return Ok(arrow_array::new_null_array(target, part.len()));
    }
    match (part.data_type(), target) {
        (DataType::Timestamp(_, _), DataType::Timestamp(_, zone)) => Ok(Arc::new(
            part.as_primitive::<TimestampMicrosecondType>()
                .clone()
                .with_timezone_opt(zone.clone()),
        )),
        _ => arrow_cast::cast(part, target),
    }
}

fn utc_time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Any supported Arrow column as one of our five types. A zone other than UTC is dropped: the values are instants.
fn normalise(column: &ArrayRef) -> Result<ArrayRef> {
    let checked = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let to = |target: &DataType| {
        arrow_cast::cast_with_options(column, target, &checked)
            .map_err(|error| Error::new(error.to_string()))
    };
    Ok(match column.data_type() {
        DataType::Int64 | DataType::Float64 | DataType::Utf8 | DataType::Boolean => {
            Arc::clone(column)
        }
        DataType::Timestamp(TimeUnit::Microsecond, None) => Arc::clone(column),
        DataType::Timestamp(TimeUnit::Microsecond, Some(zone)) if zone.as_ref() == "UTC" => {
            Arc::clone(column)
        }
        DataType::Timestamp(unit, zone) => {
            let zone = zone.as_ref().map(|_| Arc::<str>::from("UTC"));
            let times = match unit {
                TimeUnit::Second => {
                    micros(column.as_primitive::<TimestampSecondType>(), 1_000_000, 1)?
                }
                TimeUnit::Millisecond => {
                    micros(column.as_primitive::<TimestampMillisecondType>(), 1_000, 1)?
                }
                TimeUnit::Microsecond => {
                    micros(column.as_primitive::<TimestampMicrosecondType>(), 1, 1)?
                }
                TimeUnit::Nanosecond => {
                    micros(column.as_primitive::<TimestampNanosecondType>(), 1, 1_000)?
                }
            };
            Arc::new(
                TimestampMicrosecondArray::new(times.values().clone(), times.nulls().cloned())
                    .with_timezone_opt(zone),
            )
        }
        DataType::Date32 => {
            let days: Int64Array = column.as_primitive::<Date32Type>().unary(i64::from);
            let times = micros(&days, instant::DAY, 1)?;
            Arc::new(TimestampMicrosecondArray::new(
                times.values().clone(),
                times.nulls().cloned(),
            ))
        }
        DataType::Date64 => {
            let times = micros(column.as_primitive::<Date64Type>(), 1_000, 1)?;
            Arc::new(TimestampMicrosecondArray::new(
                times.values().clone(),
                times.nulls().cloned(),
            ))
        }
        DataType::Duration(unit) => Arc::new(match unit {
            TimeUnit::Second => micros(column.as_primitive::<DurationSecondType>(), 1_000_000, 1)?,
            TimeUnit::Millisecond => {
                micros(column.as_primitive::<DurationMillisecondType>(), 1_000, 1)?
            }
            TimeUnit::Microsecond => {
                micros(column.as_primitive::<DurationMicrosecondType>(), 1, 1)?
            }
            TimeUnit::Nanosecond => {
                micros(column.as_primitive::<DurationNanosecondType>(), 1, 1_000)?
            }
        }),
        DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::UInt8
        | DataType::UInt16
        | DataType::UInt32
        | DataType::UInt64 => to(&DataType::Int64)?,
        DataType::Float16
        | DataType::Float32
        | DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => to(&DataType::Float64)?,
        DataType::LargeUtf8 | DataType::Utf8View => to(&DataType::Utf8)?,
        DataType::Dictionary(_, values) => normalise(&to(values)?)?,
        DataType::Null => Arc::new(Float64Array::new_null(column.len())),
        other => {
            return Err(Error::new(format!(
                "the type {other} is not supported; numbers, text, booleans and times are"
            )));
        }
    })
}

/// `value * times / over`, rounded down, checked.
fn micros<T: ArrowPrimitiveType<Native = i64>>(
    array: &arrow_array::PrimitiveArray<T>,
    times: i64,
    over: i64,
) -> Result<Int64Array> {
    array
        .try_unary(|value| {
            value
                .checked_mul(times)
                .map(|value| value.div_euclid(over))
                .ok_or(arrow_schema::ArrowError::ComputeError(format!(
                    "the time {value} does not fit into microseconds"
                )))
        })
        .map_err(|error| Error::new(error.to_string()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow_array::{Date32Array, DictionaryArray, Int8Array, StringArray, UInt64Array};

    fn records(text: &str) -> Result<Frame> {
        let records: Vec<serde_json::Map<String, serde_json::Value>> =
            serde_json::from_str(text).unwrap();
        Frame::from_records(&records)
    }

    #[test]
    fn any_arrow_type_becomes_one_of_five() {
        let words: DictionaryArray<arrow_array::types::Int32Type> =
            vec![Some("a"), None].into_iter().collect();
        let frame = Frame::from_columns(vec![
            (
                "i".into(),
                Arc::new(Int8Array::from(vec![Some(-1), None])) as ArrayRef,
            ),
            ("w".into(), Arc::new(words)),
            ("d".into(), Arc::new(Date32Array::from(vec![1, -1]))),
            ("z".into(), Arc::new(arrow_array::NullArray::new(2))),
            (
                "n".into(),
                Arc::new(
                    arrow_array::TimestampNanosecondArray::from(vec![1_999, -1])
                        .with_timezone("America/New_York"),
                ),
            ),
        ])
        .unwrap();
        use ColumnKind::{Integer, Number, Text, Time};
        let kinds: Vec<ColumnKind> = frame
            .names()
            .iter()
            .map(|name| frame.kind(name).unwrap())
            .collect();
        assert_eq!(kinds, [Integer, Text, Time, Number, Time]);
        assert_eq!(
            frame.times("d").unwrap(),
            [Some(instant::DAY), Some(-instant::DAY)]
        );
        assert_eq!(frame.times("n").unwrap(), [Some(1), Some(-1)]);
        assert_eq!(frame.column("n").unwrap().data_type(), &utc_time());
        assert!(frame.numbers("i").unwrap()[1].is_nan());
        let huge = Frame::from_columns(vec![(
            "h".into(),
            Arc::new(UInt64Array::from(vec![u64::MAX])) as ArrayRef,
        )]);
        assert!(huge.unwrap_err().0.contains("`h`"));
        let twice = vec![
            ("a".into(), frame.column("i").unwrap().clone()),
            ("a".into(), frame.column("i").unwrap().clone()),
        ];
        assert!(Frame::from_columns(twice).unwrap_err().0.contains("`a`"));
    }

    #[test]
    fn text_is_written_as_people_write() {
        let frame = Frame::from_columns(vec![(
            "x".into(),
            Arc::new(Float64Array::from(vec![3.0, 0.1, -0.0, f64::NAN, 1e21])) as ArrayRef,
        )])
        .unwrap();
        let texts: Vec<String> = frame
            .texts("x")
            .unwrap()
            .into_iter()
            .map(Option::unwrap_or_default)
            .collect();
        assert_eq!(texts, ["3", "0.1", "0", "", "1000000000000000000000"]);
    }

    #[test]
    fn records_become_rows() {
        let frame =
            records(r#"[{"a": 1, "b": "x"}, {"a": 2.5, "c": true}, {"a": "NaN", "b": null}]"#)
                .unwrap();
        assert_eq!(frame.rows(), 3);
        assert_eq!(frame.kind("a").unwrap(), ColumnKind::Number);
        assert_eq!(frame.texts("b").unwrap(), [Some("x".into()), None, None]);
        assert_eq!(frame.texts("c").unwrap(), [None, Some("true".into()), None]);
        let error = records(r#"[{"a": 1}, {"a": "x"}]"#).unwrap_err().0;
        assert!(error.contains("row 2") && error.contains("`a`"), "{error}");
        assert!(records(r#"[{"a": [1]}]"#).unwrap_err().0.contains("`a`"));
        assert_eq!(records("[]").unwrap().rows(), 0);
    }

    #[test]
    fn rows_are_taken_columns_selected_and_tables_put_together() {
        let frame = records(r#"[{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]"#).unwrap();
        let back = frame.take(&[1, 0, 1]).unwrap();
        assert_eq!(back.numbers("a").unwrap(), [2.0, 1.0, 2.0]);
        assert!(frame.take(&[2]).is_err());
        let other = records(r#"[{"b": null, "a": 0.5}]"#).unwrap();
        let both = Frame::concat(&[frame.clone(), other]).unwrap();
        assert_eq!(both.numbers("a").unwrap(), [1.0, 2.0, 0.5]);
        assert_eq!(both.kind("b").unwrap(), ColumnKind::Text);
        assert_eq!(frame.select(&["b".into()]).unwrap().names(), ["b"]);
        assert!(frame.column("c").unwrap_err().0.contains("`a`, `b`"));
        let replaced = frame
            .with("b", Arc::new(StringArray::from(vec!["p", "q"])))
            .unwrap();
        assert_eq!(replaced.texts("b").unwrap()[0].as_deref(), Some("p"));
        assert!(Frame::concat(&[frame.clone(), frame.select(&["a".into()]).unwrap()]).is_err());
    }
}
