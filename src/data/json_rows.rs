//! Rows as JSON objects: numbers as numbers (NaN and infinities null), times in ISO 8601, null as null.

use super::Frame;
use super::frame::texts;
use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_schema::DataType;
use serde_json::{Map, Value};

impl Frame {
    /// One JSON object a row.
    pub fn to_records(&self) -> Vec<Map<String, Value>> {
        let mut records = vec![Map::new(); self.rows()];
        for (name, column) in self.names().into_iter().zip(self.batch.columns()) {
            let mut put = |row: usize, value: Value| {
                records[row].insert(name.clone(), value);
            };
            match column.data_type() {
                DataType::Float64 => {
                    let numbers = column.as_primitive::<Float64Type>();
                    numbers.iter().enumerate().for_each(|(row, value)| {
                        put(
                            row,
                            value
                                .and_then(serde_json::Number::from_f64)
                                .map_or(Value::Null, Value::Number),
                        )
                    });
                }
                DataType::Int64 => {
                    let numbers = column.as_primitive::<Int64Type>();
                    numbers
                        .iter()
                        .enumerate()
                        .for_each(|(row, value)| put(row, value.map_or(Value::Null, Value::from)));
                }
                DataType::Boolean => {
                    let flags = column.as_boolean();
                    (0..flags.len()).for_each(|row| {
                        put(
                            row,
                            if flags.is_null(row) {
                                Value::Null
                            } else {
                                Value::Bool(flags.value(row))
                            },
                        )
                    });
                }
                _ => texts(column)
                    .into_iter()
                    .enumerate()
                    .for_each(|(row, text)| put(row, text.map_or(Value::Null, Value::String))),
            }
        }
        records
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn records_come_back_as_they_went_in() {
        let rows: Vec<Map<String, Value>> = serde_json::from_str(
            r#"[{"a":1,"b":"x","c":true,"d":0.5},{"a":2,"b":null,"c":false,"d":null}]"#,
        )
        .unwrap();
        assert_eq!(Frame::from_records(&rows).unwrap().to_records(), rows);
    }
}
