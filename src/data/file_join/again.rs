//! The facts as they pass by a second time, to give up their features: their files again, or, where reading those costs
//! more, the features that were set aside when they passed by first.

use crate::data::spill::Spill;
use crate::data::{Error, Frame, Result, source};
use arrow_array::ArrayRef;
use arrow_schema::DataType;
use std::path::PathBuf;

/// Columns of facts, in order.
pub(super) type Batches<'a> = Box<dyn Iterator<Item = Result<Vec<ArrayRef>>> + Send + 'a>;

/// The facts of files that have passed by.
pub(super) struct Again {
    /// How many they were.
    pub(super) facts: u64,
    /// The types of the features that were set aside.
    pub(super) types: Vec<DataType>,
    /// The features of all facts, where they were set aside.
    pub(super) features: Option<Spill>,
}

impl Again {
    /// The features called `names`, with their types: those that were set aside, or what `files` have.
    pub(super) fn pass(
        &self,
        files: &[PathBuf],
        names: &[String],
        batch: usize,
    ) -> Result<(Vec<DataType>, Batches<'_>)> {
        if let Some(features) = &self.features {
            return Ok((self.types.clone(), Box::new(features.blocks(0)?)));
        }
        let scan = source::scan(files, Some(names), batch)?;
        if scan.rows() != self.facts {
            return Err(Error::new("its files changed while they were read"));
        }
        let types = scan.types();
        let columns = |frame: Result<Frame>| frame.map(|frame| frame.batch.columns().to_vec());
        Ok((types, Box::new(scan.map(columns))))
    }

    /// Bytes on disk.
    pub(super) fn bytes(&self) -> u64 {
        self.features.as_ref().map_or(0, Spill::bytes)
    }
}
