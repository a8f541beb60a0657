//! Answered requests on their way into the log. Many small requests are packed together while they wait: a row alone
//! takes a hundred times its size in memory. What could not be written comes back.

use super::super::served::{Served, batch};
use crate::domain::{ModelName, Result, Version};
use crate::store::inference_log::stack;
use arrow_array::RecordBatch;
use std::collections::BTreeMap;

/// Requests that wait by themselves before they are packed.
const SINGLE: usize = 64;
/// Rows of theirs.
const SINGLE_ROWS: usize = 4_096;

/// Rows of one version for the log.
pub(super) struct Pack {
    pub(super) model: ModelName,
    pub(super) version: Version,
    pub(super) rows: RecordBatch,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Queue {
    groups: BTreeMap<(ModelName, Version), Group>,
    rows: usize,
    stuck: bool,
}

#[derive(Default)]
struct Group {
    packed: Vec<RecordBatch>,
    single: Vec<Served>,
    single_rows: usize,
}

impl Group {
    fn pack(&mut self) -> Result<()> {
        if self.single.is_empty() {
            return Ok(());
        }
        self.single_rows = 0;
        let packed = batch(&std::mem::take(&mut self.single))?;
        self.packed.push(packed);
        Ok(())
    }
}

impl Queue {
    /// Rows that wait.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// Whether the last attempt to write failed: then there is no hurry with the next.
    pub(super) fn is_stuck(&self) -> bool {
        self.stuck
    }

    /// One more.
    pub(super) fn push(&mut self, served: Served) -> Result<()> {
        let rows = served.inputs.rows();
        let group = self
            .groups
            .entry((served.model.clone(), served.version))
            .or_default();
        group.single_rows += rows;
        group.single.push(served);
        self.rows += rows;
        if group.single.len() >= SINGLE || group.single_rows >= SINGLE_ROWS {
            let before = group.single_rows;
            group.pack().inspect_err(|_| self.rows -= before)?;
        }
        Ok(())
    }

    /// All that waits, by version; and how many rows had to be left out because they do not fit together.
    pub(super) fn take(&mut self) -> (Vec<Pack>, usize) {
        let mut packs = Vec::new();
        let mut refused = std::mem::take(&mut self.rows);
        self.stuck = false;
        for ((model, version), mut group) in std::mem::take(&mut self.groups) {
            if let Err(error) = group.pack() {
                tracing::warn!(%error, "served rows have no place in the log");
            }
            match stack(&group.packed) {
                Ok(Some(rows)) => {
                    refused -= rows.num_rows();
                    packs.push(Pack {
                        model,
                        version,
                        rows,
                    });
                }
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "served rows have no place in the log"),
            }
        }
        (packs, refused)
    }

    /// What could not be written stands first again.
    pub(super) fn give_back(&mut self, pack: Pack) {
        self.rows += pack.rows.num_rows();
        self.stuck = true;
        self.groups
            .entry((pack.model, pack.version))
            .or_default()
            .packed
            .insert(0, pack.rows);
    }
}
