//! Tables -> files: CSV, JSON lines or Parquet by the path's ending, complete or not there at all.

use super::frame::texts;
use super::{Error, Frame, Result};
use crate::domain::printable_path;
use arrow_array::cast::AsArray;
use arrow_array::{Array, BooleanArray, Float64Array, Int64Array, StringArray};
use arrow_schema::DataType;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes `frame` under a temporary name in the same folder, fsyncs, renames.
/// Times in CSV and JSON lines are ISO 8601, with `Z` when they are instants.
pub(super) fn write(frame: &Frame, path: &Path) -> Result<()> {
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(format!("writing `{}`: {error}", printable_path(path)))
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
    let mut out = ::csv::Writer::from_writer(BufWriter::new(file));
    out.write_record(frame.names())?;
    let cells = Cells::of(frame)?;
    let mut text = String::new();
    for row in 0..frame.rows() {
        for column in &cells {
            text.clear();
            column.text(row, &mut text)?;
            out.write_field(&text)?;
        }
        out.write_record(None::<&[u8]>)?;
    }
    out.flush()?;
    Ok(())
}

fn json_lines(frame: &Frame, file: &File) -> Outcome {
    let mut out = BufWriter::new(file);
    let names = frame
        .names()
        .iter()
        .map(serde_json::to_string)
        .collect::<std::result::Result<Vec<_>, _>>()?;
    let cells = Cells::of(frame)?;
    for row in 0..frame.rows() {
        out.write_all(b"{")?;
        for (at, (name, column)) in names.iter().zip(&cells).enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(out, "{comma}{name}:")?;
            column.json(row, &mut out)?;
        }
        out.write_all(b"}\n")?;
    }
    out.flush()?;
    Ok(())
}

/// A column as it is written.
enum Cells<'a> {
    Integers(&'a Int64Array),
    Numbers(&'a Float64Array),
    Booleans(&'a BooleanArray),
    Texts(&'a StringArray),
    Times(Vec<Option<String>>),
}

impl<'a> Cells<'a> {
    fn of(frame: &'a Frame) -> std::result::Result<Vec<Self>, Error> {
        let schema = frame.batch.schema_ref();
        (frame.batch.columns().iter().zip(schema.fields()))
            .map(|(column, field)| {
                Ok(match column.data_type() {
                    DataType::Int64 => Self::Integers(column.as_primitive()),
                    DataType::Float64 => Self::Numbers(column.as_primitive()),
                    DataType::Boolean => Self::Booleans(column.as_boolean()),
                    DataType::Utf8 => Self::Texts(column.as_string()),
                    DataType::Timestamp(_, _) => Self::Times(texts(column)),
                    other => {
                        return Err(Error::new(format!(
                            "column `{}` has the type {other}",
                            field.name()
                        )));
                    }
                })
            })
            .collect()
    }

    /// Adds the cell to `out`; nothing where there is no value.
    fn text(&self, row: usize, out: &mut String) -> std::fmt::Result {
        match self {
            Self::Integers(cells) if cells.is_valid(row) => write!(out, "{}", cells.value(row)),
            // `{:?}` is the shortest text that reads back as the same number
            Self::Numbers(cells) if cells.is_valid(row) => write!(out, "{:?}", cells.value(row)),
            Self::Booleans(cells) if cells.is_valid(row) => write!(out, "{}", cells.value(row)),
            Self::Texts(cells) if cells.is_valid(row) => out.write_str(cells.value(row)),
            Self::Times(cells) => out.write_str(cells[row].as_deref().unwrap_or_default()),
            _ => Ok(()),
        }
    }

    /// Writes the cell as JSON; `null` where there is no value, or one that JSON lacks.
    fn json(&self, row: usize, out: &mut impl Write) -> Outcome {
        match self {
            Self::Integers(cells) if cells.is_valid(row) => {
                serde_json::to_writer(out, &cells.value(row))?;
            }
            Self::Numbers(cells) if cells.is_valid(row) => {
                serde_json::to_writer(out, &cells.value(row))?;
            }
            Self::Booleans(cells) if cells.is_valid(row) => {
                serde_json::to_writer(out, &cells.value(row))?;
            }
            Self::Texts(cells) if cells.is_valid(row) => {
                serde_json::to_writer(out, cells.value(row))?;
            }
            Self::Times(cells) => serde_json::to_writer(out, &cells[row])?,
            _ => out.write_all(b"null")?,
        }
        Ok(())
    }
}
