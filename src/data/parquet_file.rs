//! Parquet -> columns, only those that are wanted. The file was checked before; page checksums are verified.

use super::text_file::failed;
use super::{Frame, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fs::File;
use std::path::Path;

/// Rows decoded at a time.
const BATCH: usize = 65_536;

/// The rows of `path`; `wanted`: only these columns, in this order.
pub(super) fn read(path: &Path, wanted: Option<&[String]>) -> Result<Frame> {
    let file = File::open(path).map_err(|error| failed(path, error))?;
    let builder =
        ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| failed(path, error))?;
    let schema = std::sync::Arc::clone(builder.schema());
    let projection = match wanted {
        None => ProjectionMask::all(),
        Some(wanted) => {
            let mut roots = Vec::with_capacity(wanted.len());
            for name in wanted {
                let names: Vec<String> = schema
                    .fields()
                    .iter()
                    .map(|field| field.name().clone())
                    .collect();
                roots.push(schema.index_of(name).map_err(|_| {
                    failed(
                        path,
                        format!(
                            "it has no column `{name}`; its columns are {}",
                            super::frame::quoted(&names)
                        ),
                    )
                })?);
            }
            ProjectionMask::roots(builder.parquet_schema(), roots)
        }
    };
    let reader = builder
        .with_projection(projection)
        .with_batch_size(BATCH)
        .build()
        .map_err(|error| failed(path, error))?;
    let projected = arrow_array::RecordBatchReader::schema(&reader);
    let mut batches = Vec::new();
    for batch in reader {
        batches.push(batch.map_err(|error| failed(path, error))?);
    }
    let batch = arrow_select::concat::concat_batches(&projected, &batches)
        .map_err(|error| failed(path, error))?;
    let frame = Frame::from_batch(&batch).map_err(|error| failed(path, error))?;
    match wanted {
        None => Ok(frame),
        Some(wanted) => frame.select(wanted),
    }
}
