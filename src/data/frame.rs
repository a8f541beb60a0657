//! Typed columns in memory: one Arrow record batch with the accesses that models and statistics need.
//! Every column is one of five: Int64, Float64, Utf8, Boolean, Timestamp in microseconds (zone UTC or none);
//! what files and callers bring is made one of these once, here.

use super::records::Records;
use super::types::{kind_of, normalise, stack};
use super::{Error, Result, instant};
use crate::domain::dataset::ColumnKind;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, RecordBatch, RecordBatchOptions, UInt32Array,
};
use arrow_schema::{DataType, Field, Schema};
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::types::utc_time;
    use arrow_array::{
        Date32Array, DictionaryArray, Float64Array, Int8Array, StringArray, UInt64Array,
    };

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
