//! Tables -> files: CSV, JSON lines or Parquet by the path's ending, complete or not there at all.

use super::frame::texts;
use super::{Error, Frame, Result};
use arrow_array::{ArrayRef, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

/// Writes `frame` under a temporary name in the same folder, fsyncs, renames.
/// Times in CSV and JSON lines are ISO 8601, with `Z` when they are instants.
pub(super) fn write(frame: &Frame, path: &Path) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(format!("writing `{}`: {error}", path.display()))
    };
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| failed(&"the path names no file"))?;
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .unwrap_or_default();
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    let result = (|| {
        let file = File::create(&temporary).map_err(|error| failed(&error))?;
        match ending.as_str() {
            "parquet" => parquet(frame, &file).map_err(|error| failed(&error))?,
            "csv" => csv(frame, &file).map_err(|error| failed(&error))?,
            "jsonl" | "ndjson" => json_lines(frame, &file).map_err(|error| failed(&error))?,
            _ => {
                return Err(failed(
                    &"the name must end in `.csv`, `.jsonl` or `.parquet`",
                ));
            }
        }
        file.sync_all().map_err(|error| failed(&error))?;
        std::fs::rename(&temporary, path).map_err(|error| failed(&error))?;
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| failed(&error))
    })();
    if result.is_err() {
        // The first error is the one to tell; what is left of the temporary file is skipped by readers anyway.
        let _ = std::fs::remove_file(&temporary);
    }
    result
}

type Outcome = std::result::Result<(), Box<dyn std::error::Error>>;

fn parquet(frame: &Frame, file: &File) -> Outcome {
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_compression(parquet::basic::Compression::ZSTD(
            parquet::basic::ZstdLevel::default(),
        ))
        .build();
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(file, frame.batch.schema(), Some(properties))?;
    writer.write(&frame.batch)?;
    writer.close()?;
    Ok(())
}

fn csv(frame: &Frame, file: &File) -> Outcome {
    let mut out = BufWriter::new(file);
    arrow_csv::WriterBuilder::new()
        .with_header(true)
        .build(&mut out)
        .write(&times_as_text(frame)?)?;
    out.flush()?;
    Ok(())
}

fn json_lines(frame: &Frame, file: &File) -> Outcome {
    let mut out = BufWriter::new(file);
    let mut writer = arrow_json::writer::WriterBuilder::new()
        .with_explicit_nulls(true)
        .build::<_, arrow_json::writer::LineDelimited>(&mut out);
    writer.write(&times_as_text(frame)?)?;
    writer.finish()?;
    drop(writer);
    out.flush()?;
    Ok(())
}

fn times_as_text(frame: &Frame) -> std::result::Result<RecordBatch, arrow_schema::ArrowError> {
    let schema = frame.batch.schema();
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    for (field, column) in schema.fields().iter().zip(frame.batch.columns()) {
        if matches!(column.data_type(), DataType::Timestamp(_, _)) {
            fields.push(Field::new(field.name(), DataType::Utf8, true));
            columns.push(Arc::new(StringArray::from(texts(column))));
        } else {
            fields.push(field.as_ref().clone());
            columns.push(Arc::clone(column));
        }
    }
    let options = arrow_array::RecordBatchOptions::new().with_row_count(Some(frame.rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}
