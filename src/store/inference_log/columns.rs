//! Rows of differing shape under each other: the inputs of a model change from version to version.

use crate::domain::{Error, Result};
use arrow_array::{Array, ArrayRef, RecordBatch, RecordBatchOptions, new_null_array};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use std::sync::Arc;

/// Columns by name in the order of their first appearance; one with different types becomes text.
pub(super) fn union<'a>(schemas: impl Iterator<Item = &'a SchemaRef>) -> SchemaRef {
    let mut types: Vec<(String, DataType)> = Vec::new();
    for field in schemas.flat_map(|schema| schema.fields().iter()) {
        match types.iter_mut().find(|(name, _)| name == field.name()) {
            None => types.push((field.name().clone(), field.data_type().clone())),
            Some((_, kind)) if kind == field.data_type() => {}
            Some((_, kind)) => *kind = DataType::Utf8,
        }
    }
    let fields: Vec<Field> = types
        .into_iter()
        .map(|(name, kind)| Field::new(name, kind, true))
        .collect();
    Arc::new(Schema::new(fields))
}

/// The rows of `batch` with the columns of `schema`: null where it lacks one.
pub(super) fn fit(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let columns = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            None => Ok(new_null_array(field.data_type(), batch.num_rows())),
            Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
            Some(column) => match crate::data::convert::strings(column) {
                Ok(texts) => Ok(Arc::new(texts) as ArrayRef),
                Err(error) => Err(failed(arrow_schema::ArrowError::CastError(error.0))),
            },
        })
        .collect::<Result<_>>()?;
    made(schema, columns, batch.num_rows())
}

/// Batches under each other: columns by name in order of first appearance, null where a batch lacks one; a column
/// with different types becomes text. None of no batches.
pub fn stack(batches: &[RecordBatch]) -> Result<Option<RecordBatch>> {
    let Some(first) = batches.first() else {
        return Ok(None);
    };
    if batches.len() == 1 {
        return Ok(Some(first.clone()));
    }
    let schema = union(batches.iter().map(RecordBatch::schema_ref));
    let fitted: Vec<RecordBatch> = batches
        .iter()
        .map(|batch| fit(batch, &schema))
        .collect::<Result<_>>()?;
    let mut columns = Vec::with_capacity(schema.fields().len());
    for index in 0..schema.fields().len() {
        let parts: Vec<&dyn Array> = fitted
            .iter()
            .map(|batch| batch.column(index).as_ref())
            .collect();
        columns.push(arrow_select::concat::concat(&parts).map_err(failed)?);
    }
    let rows = batches.iter().map(RecordBatch::num_rows).sum();
    made(&schema, columns, rows).map(Some)
}

fn made(schema: &SchemaRef, columns: Vec<ArrayRef>, rows: usize) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options).map_err(failed)
}

fn failed(error: arrow_schema::ArrowError) -> Error {
    Error::internal("putting served rows together").because(error)
}
