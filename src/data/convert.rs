//! Arrow types that files bring -> our five, value by value: narrow integers, floats, decimals, long texts,
//! dictionaries. What does not fit is an error, never a null. Times are not its matter.

use super::frame::texts;
use super::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Decimal32Type, Decimal64Type, Decimal128Type, Float16Type, Float32Type, Int8Type, Int16Type,
    Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, Float64Array, Int64Array, StringArray};
use arrow_schema::DataType;
use std::sync::Arc;

/// `column` as integers.
pub(super) fn integers(column: &ArrayRef) -> Result<Int64Array> {
    Ok(match column.data_type() {
        DataType::Int8 => column.as_primitive::<Int8Type>().unary(i64::from),
        DataType::Int16 => column.as_primitive::<Int16Type>().unary(i64::from),
        DataType::Int32 => column.as_primitive::<Int32Type>().unary(i64::from),
        DataType::Int64 => column.as_primitive::<Int64Type>().clone(),
        DataType::UInt8 => column.as_primitive::<UInt8Type>().unary(i64::from),
        DataType::UInt16 => column.as_primitive::<UInt16Type>().unary(i64::from),
        DataType::UInt32 => column.as_primitive::<UInt32Type>().unary(i64::from),
        DataType::UInt64 => column.as_primitive::<UInt64Type>().try_unary(|value| {
            i64::try_from(value)
                .map_err(|_| Error::new(format!("{value} does not fit into 64 bits with sign")))
        })?,
        other => return Err(Error::new(format!("{other} is no integer"))),
    })
}

/// `column` as numbers.
pub(super) fn numbers(column: &ArrayRef) -> Result<Float64Array> {
    Ok(match column.data_type() {
        DataType::Int64 => column
            .as_primitive::<Int64Type>()
            .unary(|value| value as f64),
        DataType::Float16 => column
            .as_primitive::<Float16Type>()
            .unary(|value| value.to_f64()),
        DataType::Float32 => column.as_primitive::<Float32Type>().unary(f64::from),
        DataType::Decimal32(_, scale) => {
            let unit = unit(*scale);
            let values = column.as_primitive::<Decimal32Type>();
            values.unary(|value| f64::from(value) / unit)
        }
        DataType::Decimal64(_, scale) => {
            let unit = unit(*scale);
            let values = column.as_primitive::<Decimal64Type>();
            values.unary(|value| value as f64 / unit)
        }
        DataType::Decimal128(_, scale) => {
            let unit = unit(*scale);
            let values = column.as_primitive::<Decimal128Type>();
            values.unary(|value| value as f64 / unit)
        }
        DataType::Decimal256(_, _) => {
            let values = column.as_primitive::<arrow_array::types::Decimal256Type>();
            (0..values.len())
                .map(|row| {
                    let known = values.is_valid(row);
                    known
                        .then(|| values.value_as_string(row).parse::<f64>())
                        .transpose()
                })
                .collect::<std::result::Result<_, _>>()
                .map_err(|error| Error::new(format!("a decimal is no number: {error}")))?
        }
        other => return Err(Error::new(format!("{other} is no number"))),
    })
}

/// 10 to the power of a decimal's digits behind the point.
fn unit(scale: i8) -> f64 {
    10_f64.powi(i32::from(scale))
}

/// `column` as texts: long and viewed ones, and every one of our five types as it is shown.
pub(crate) fn strings(column: &ArrayRef) -> Result<StringArray> {
    match column.data_type() {
        DataType::LargeUtf8 => joined(|| column.as_string::<i64>().iter()),
        DataType::Utf8View => joined(|| column.as_string_view().iter()),
        _ => Ok(StringArray::from(texts(column))),
    }
}

fn joined<'a, I: Iterator<Item = Option<&'a str>>>(cells: impl Fn() -> I) -> Result<StringArray> {
    let bytes: usize = cells().flatten().map(str::len).sum();
    if i32::try_from(bytes).is_err() {
        return Err(Error::new(format!(
            "{bytes} bytes of text are more than the 2 GiB that a column holds"
        )));
    }
    Ok(cells().collect())
}

/// The values of a dictionary column, written out row by row.
pub(super) fn written_out(column: &ArrayRef) -> Result<ArrayRef> {
    let dictionary = column
        .as_any_dictionary_opt()
        .ok_or_else(|| Error::new("the column is no dictionary"))?;
    arrow_select::take::take(dictionary.values(), dictionary.keys(), None)
        .map_err(|error| Error::new(error.to_string()))
}

/// `column` as `target`, one of integers, numbers and texts.
pub(super) fn to(column: &ArrayRef, target: &DataType) -> Result<ArrayRef> {
    Ok(match target {
        DataType::Int64 => Arc::new(integers(column)?),
        DataType::Float64 => Arc::new(numbers(column)?),
        DataType::Utf8 => Arc::new(strings(column)?),
        other => {
            return Err(Error::new(format!(
                "{} does not become {other}",
                column.data_type()
            )));
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use arrow_array::{
        Decimal128Array, Decimal256Array, DictionaryArray, LargeStringArray, StringViewArray,
        UInt64Array,
    };

    #[test]
    fn what_does_not_fit_is_an_error() {
        let fits: ArrayRef = Arc::new(UInt64Array::from(vec![Some(7), None]));
        let integers = integers(&fits).unwrap();
        assert_eq!((integers.value(0), integers.null_count()), (7, 1));
        let huge: ArrayRef = Arc::new(UInt64Array::from(vec![u64::MAX]));
        assert!(super::integers(&huge).is_err());
    }

    #[test]
    fn decimals_keep_their_point() {
        let short = Decimal128Array::from(vec![Some(12_345), None])
            .with_precision_and_scale(10, 2)
            .unwrap();
        let long = Decimal256Array::from(vec![Some(arrow_buffer::i256::from_i128(-12_345)), None])
            .with_precision_and_scale(50, 2)
            .unwrap();
        let short = numbers(&(Arc::new(short) as ArrayRef)).unwrap();
        let long = numbers(&(Arc::new(long) as ArrayRef)).unwrap();
        assert_eq!((short.value(0), short.null_count()), (123.45, 1));
        assert_eq!((long.value(0), long.null_count()), (-123.45, 1));
    }

    #[test]
    fn texts_of_every_kind_become_texts() {
        let want = StringArray::from(vec![Some("a"), None, Some("bb")]);
        let large: ArrayRef = Arc::new(LargeStringArray::from(vec![Some("a"), None, Some("bb")]));
        let viewed: ArrayRef = Arc::new(StringViewArray::from(vec![Some("a"), None, Some("bb")]));
        assert_eq!(strings(&large).unwrap(), want);
        assert_eq!(strings(&viewed).unwrap(), want);
        let coded: DictionaryArray<Int8Type> =
            vec![Some("a"), None, Some("bb")].into_iter().collect();
        let plain = written_out(&(Arc::new(coded) as ArrayRef)).unwrap();
        assert_eq!(plain.as_string::<i32>(), &want);
    }
}
