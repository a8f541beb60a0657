//! Datasets: names of the configuration -> files with their hashes; what their last validation and profile said.

use super::Core;
use crate::config::PipelineConfig;
use crate::domain::dataset::{DatasetRow, Violation};
use crate::domain::job::{DataSource, TableSpec};
use crate::domain::{Error, Result};
use std::sync::Arc;

/// See the module's text.
pub struct Datasets {
    core: Arc<Core>,
}

impl Datasets {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    fn absent<T>(&self) -> Result<T> {
        let _ = &self.core;
        Err(Error::unavailable("not there yet"))
    }

    /// A configured dataset, resolved to files and hashes (known stamps are kept in the store).
    pub fn resolve(&self, name: &str) -> Result<DataSource> {
        let _ = name;
        self.absent()
    }

    /// A pipeline's rows, views and inputs, resolved; `from` and `to` override the pipeline's.
    pub fn table(
        &self,
        pipeline: &PipelineConfig,
        from: Option<i64>,
        to: Option<i64>,
    ) -> Result<TableSpec> {
        let _ = (pipeline, from, to);
        self.absent()
    }

    /// Keeps what a validation found.
    pub fn record_violations(&self, name: &str, violations: &[Violation], rows: u64) -> Result<()> {
        let _ = (name, violations, rows);
        self.absent()
    }

    /// All datasets.
    pub fn list(&self) -> Result<Vec<DatasetRow>> {
        self.absent()
    }
}
