//! The records of a log of pushed rows: `length u32 LE, CRC-32 LE, bytes`; the columns first, then the rows of each push
//! as JSON lines. A record that is cut off, and what is behind it, was never answered.

use crate::data::pushed::PushColumn;
use crate::domain::Result;
use flate2::Crc;
use serde_json::{Map, Value};

/// Bytes as a record.
pub(super) fn record(bytes: &[u8], long: u32) -> Vec<u8> {
    let mut crc = Crc::new();
    crc.update(bytes);
    let mut record = Vec::with_capacity(bytes.len() + 8);
    record.extend(long.to_le_bytes());
    record.extend(crc.sum().to_le_bytes());
    record.extend(bytes);
    record
}

/// Rows as JSON objects.
pub(super) type Records = Vec<Map<String, Value>>;

/// The whole records of a log, up to the first that is cut off.
pub(super) fn read(bytes: &[u8]) -> Result<(Vec<PushColumn>, Records)> {
    let mut rest = bytes;
    let mut columns: Option<Vec<PushColumn>> = None;
    let mut records = Vec::new();
    while let Some(record) = next(&mut rest) {
        if columns.is_none() {
            columns = Some(serde_json::from_slice(record)?);
            continue;
        }
        for line in record
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
        {
            records.push(serde_json::from_slice(line)?);
        }
    }
    Ok((columns.unwrap_or_default(), records))
}

fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(8)?;
    let long = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
    let (record, tail) = tail.split_at_checked(long)?;
    let mut crc = Crc::new();
    crc.update(record);
    if crc.sum().to_le_bytes() != head[4..] {
        return None;
    }
    *rest = tail;
    Some(record)
}
