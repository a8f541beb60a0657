//! The five column types: what any Arrow type becomes, and how columns of one name go under each other.

use super::{Error, Result, convert, instant};
use crate::domain::dataset::ColumnKind;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, DurationMicrosecondType, DurationMillisecondType,
    DurationNanosecondType, DurationSecondType, TimestampMicrosecondType, TimestampMillisecondType,
    TimestampNanosecondType, TimestampSecondType,
};
use arrow_array::{
    Array, ArrayRef, ArrowPrimitiveType, Float64Array, Int64Array, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, TimeUnit};
use std::sync::Arc;

/// The kind of one of our five Arrow types.
pub(super) fn kind_of(data_type: &DataType) -> Option<ColumnKind> {
    Some(match data_type {
        DataType::Int64 => ColumnKind::Integer,
        DataType::Float64 => ColumnKind::Number,
        DataType::Utf8 => ColumnKind::Text,
        DataType::Boolean => ColumnKind::Boolean,
        DataType::Timestamp(TimeUnit::Microsecond, _) => ColumnKind::Time,
        _ => return None,
    })
}

/// Columns of one name under each other.
pub(super) fn stack(name: &str, labels: &[String], parts: &[&ArrayRef]) -> Result<ArrayRef> {
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

/// `part` as `target`, which is wider; nothing but nulls fits anything.
pub(super) fn widen(
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
        _ => {
            convert::to(part, target).map_err(|error| arrow_schema::ArrowError::CastError(error.0))
        }
    }
}

pub(super) fn utc_time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// Any supported Arrow column as one of our five types. A zone other than UTC is dropped: the values are instants.
pub(super) fn normalise(column: &ArrayRef) -> Result<ArrayRef> {
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
        | DataType::UInt64 => Arc::new(convert::integers(column)?),
        DataType::Float16
        | DataType::Float32
        | DataType::Decimal32(_, _)
        | DataType::Decimal64(_, _)
        | DataType::Decimal128(_, _)
        | DataType::Decimal256(_, _) => Arc::new(convert::numbers(column)?),
        DataType::LargeUtf8 | DataType::Utf8View => Arc::new(convert::strings(column)?),
        DataType::Dictionary(_, _) => normalise(&convert::written_out(column)?)?,
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
