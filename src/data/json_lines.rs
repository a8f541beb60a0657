//! JSON lines -> columns: an object a line, keys in order of first appearance, text that is all times made times.

use super::csv::Guess;
use super::records::Records;
use super::text_file::{failed, open};
use super::{Frame, Result, checks, instant};
use crate::domain::dataset::ColumnKind;
use arrow_array::cast::AsArray;
use arrow_array::{ArrayRef, TimestampMicrosecondArray};
use arrow_schema::DataType;
use serde::Deserialize;
use serde::de::{MapAccess, Visitor};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

/// The rows of `path`; `wanted`: only these columns.
pub(super) fn read(path: &Path, gzip: bool, wanted: Option<&[String]>) -> Result<Frame> {
    checks::regular_file(path)?;
    let mut start = [0u8; 4];
    let got = File::open(path)
        .and_then(|mut file| file.read(&mut start))
        .map_err(|error| failed(path, error))?;
    checks::magic(path, &start[..got], gzip)?;
    let mut reader = BufReader::with_capacity(1 << 18, open(path, gzip)?);
    let mut rows = Records::default();
    let mut line = Vec::new();
    for number in 1u64.. {
        line.clear();
        if reader
            .read_until(b'\n', &mut line)
            .map_err(|error| failed(path, error))?
            == 0
        {
            break;
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let object: Object = serde_json::from_slice(&line)
            .map_err(|error| failed(path, format!("line {number}: {error}")))?;
        rows.push(object.0.iter().map(|(key, value)| (key.as_str(), value)))
            .map_err(|error| failed(path, format!("line {number}: {error}")))?;
    }
    let mut frame = rows.finish().map_err(|error| failed(path, error))?;
    if let Some(wanted) = wanted {
        frame = frame.select(wanted).map_err(|error| failed(path, error))?;
    }
    for name in frame.names() {
        if let Some(times) = as_times(frame.column(&name)?) {
            frame = frame.with(&name, times)?;
        }
    }
    Ok(frame)
}

/// A text column of nothing but times, as times.
fn as_times(column: &ArrayRef) -> Option<ArrayRef> {
    if column.data_type() != &DataType::Utf8 {
        return None;
    }
    let texts = column.as_string::<i32>();
    let mut guess = Guess::default();
    texts.iter().for_each(|text| guess.look(text));
    if guess.kind() != Some(ColumnKind::Time) {
        return None;
    }
    let times: TimestampMicrosecondArray = texts
        .iter()
        .map(|text| text.and_then(instant::parse).map(|(us, _)| us))
        .collect();
    Some(Arc::new(if guess.zoned {
        times.with_timezone("UTC")
    } else {
        times
    }))
}

/// An object with its keys in order.
struct Object(Vec<(String, serde_json::Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: serde::Deserializer<'de>>(
        deserializer: D,
    ) -> std::result::Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Object, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}
