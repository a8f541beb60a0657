//! Features of rows, set aside in the order in which they are found, and given back in that of the rows: a chunk of rows
//! at a time. Knows rows by their numbers.

use crate::data::spill::{self, Spill};
use crate::data::{Error, Result, parallel};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, UInt32Array};
use arrow_schema::DataType;
use std::path::Path;
use std::sync::Arc;

/// Features that were found for rows.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) names: Vec<String>,
    /// Their types, for chunks in which no row has any; none where each row has all.
    types: Vec<DataType>,
    /// By chunk: the row's number, its features.
    spill: Spill,
    /// Rows of a chunk.
    chunk: usize,
}

impl Answers {
    /// None yet for `rows` rows; holds about `memory` bytes.
    pub(super) fn new(
        folder: &Path,
        names: Vec<String>,
        types: Vec<DataType>,
        rows: u64,
        chunk: usize,
        memory: u64,
    ) -> Result<Self> {
        let chunks = usize::try_from(rows.div_ceil(chunk as u64)).unwrap_or(usize::MAX);
        Ok(Self {
            names,
            types,
            spill: Spill::new(folder, chunks, memory)?,
            chunk,
        })
    }

    /// The features of the rows with these numbers.
    pub(super) fn put(&self, rows: &Int64Array, features: Vec<ArrayRef>) -> Result<()> {
        let chunk = self.chunk as i64;
        let part: Vec<u32> = rows
            .values()
            .iter()
            .map(|row| (row / chunk) as u32)
            .collect();
        let mut columns: Vec<ArrayRef> = vec![Arc::new(rows.clone())];
        columns.extend(features);
        self.spill.scatter(&part, &columns)
    }

    /// Those of the chunk of `rows` rows that begins with the row `first`; null where none were put.
    pub(super) fn of(&self, first: u64, rows: usize) -> Result<Vec<ArrayRef>> {
        let chunk = usize::try_from(first).unwrap_or_default() / self.chunk;
        let blocks: Vec<Vec<ArrayRef>> = self.spill.blocks(chunk)?.collect::<Result<_>>()?;
        if blocks.is_empty() {
            let types = self.types.iter();
            return Ok(types
                .map(|of| arrow_array::new_null_array(of, rows))
                .collect());
        }
        let mut columns = spill::stacked(blocks)?;
        let numbers = columns.remove(0);
        let mut places: Vec<Option<u32>> = vec![None; rows];
        for (place, number) in (0..).zip(numbers.as_primitive::<Int64Type>().values()) {
            places[(*number as u64 - first) as usize] = Some(place);
        }
        drop(numbers);
        let places: UInt32Array = places.into_iter().collect();
        parallel::each(columns.len(), |at| {
            arrow_select::take::take(&columns[at], &places, None)
                .map_err(|error| Error::new(format!("`{}`: {error}", self.names[at])))
        })
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.spill.bytes()
    }
}
