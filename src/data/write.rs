//! Tables -> files: CSV, JSON lines or Parquet by the path's ending, complete or not there at all.

use super::frame::texts;
use super::{Error, Frame, Result};
use crate::domain::printable_path;
use arrow_array::cast::AsArray;
use arrow_array::{
    Array, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    UInt32Array,
};
use arrow_schema::DataType;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Writes `frame` under a temporary name in the same folder, fsyncs, renames.
/// Times in CSV and JSON lines are ISO 8601, with `Z` when they are instants.
pub(super) fn write(frame: &Frame, path: &Path) -> Result<()> {
    let mut writer = Writer::create(path, frame)?;
    writer.write(frame)?;
    writer.finish()
}

/// Rows of a Parquet file that are packed together; the memory that writing takes.
const GROUP: usize = 256 * 1024;

/// Rows that are given to a Parquet file at once, counted from its first: where pages end depends on it, and so a file is
/// the same whatever pieces its rows come in.
const PIECE: usize = 8 * 1024;

/// Bytes of a column's dictionary: numbers that hardly ever repeat are soon written as they are, which takes half the time.
const DICTIONARY: usize = 128 * 1024;

/// A file that is written a piece at a time, and there under its name only when it is whole.
pub struct Writer {
    path: PathBuf,
    temporary: PathBuf,
    columns: Vec<String>,
    /// None when it was finished.
    form: Option<Form>,
}

enum Form {
    /// With the last rows, which are no whole piece yet.
    Parquet(parquet::arrow::ArrowWriter<File>, Option<RecordBatch>),
    Csv(::csv::Writer<BufWriter<File>>),
    JsonLines(BufWriter<File>),
}

type Outcome<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

impl Writer {
    /// Begins a file with the columns of `frame`; its rows are not written yet. The format is that of the ending.
    pub fn create(path: &Path, frame: &Frame) -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| failed(path, error);
        let (name, ending) = named(path)?;
        let temporary = folder(path).join(format!(".{name}.{}.tmp", std::process::id()));
        let file = File::create(&temporary).map_err(|error| failed(&error))?;
        let mut writer = Self {
            path: path.to_owned(),
            temporary,
            columns: frame.names(),
            form: None,
        };
        let form = begin(&ending, frame, file);
        writer.form = Some(form.map_err(|error| failed(&error))?);
        Ok(writer)
    }

    /// More rows, with the columns that the file began with.
    pub fn write(&mut self, frame: &Frame) -> Result<()> {
        if frame.names() != self.columns {
            return Err(failed(&self.path, &"the rows have other columns"));
        }
        let outcome = match &mut self.form {
            Some(Form::Parquet(out, rest)) => parquet(&frame.batch, out, rest),
            Some(Form::Csv(out)) => csv(frame, out),
            Some(Form::JsonLines(out)) => json_lines(frame, out),
            None => Ok(()),
        };
        outcome.map_err(|error| failed(&self.path, &error))
    }

    /// All rows are there: the file gets its name.
    pub fn finish(mut self) -> Result<()> {
        let failed = |error: &dyn std::fmt::Display| failed(&self.path, error);
        if let Some(form) = self.form.take() {
            let file = end(form).map_err(|error| failed(&error))?;
            file.sync_all().map_err(|error| failed(&error))?;
            std::fs::rename(&self.temporary, &self.path).map_err(|error| failed(&error))?;
            File::open(folder(&self.path))
                .and_then(|folder| folder.sync_all())
                .map_err(|error| failed(&error))?;
        }
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Renamed when all went well; else what is left is skipped by readers anyway.
        let _ = std::fs::remove_file(&self.temporary);
    }
}

/// The file's name and its ending, which must be one that is written.
pub(super) fn named(path: &Path) -> Result<(&str, String)> {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| failed(path, &"the path names no file"))?;
    let ending = name
        .rsplit_once('.')
        .map(|(_, ending)| ending.to_ascii_lowercase())
        .unwrap_or_default();
    match ending.as_str() {
        "parquet" | "csv" | "jsonl" | "ndjson" => Ok((name, ending)),
        _ => Err(failed(
            path,
            &"the name must end in `.csv`, `.jsonl` or `.parquet`",
        )),
    }
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Error {
    Error::new(format!("writing `{}`: {error}", printable_path(path)))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn begin(ending: &str, frame: &Frame, file: File) -> Outcome<Form> {
    Ok(match ending {
        "parquet" => {
            let properties = parquet::file::properties::WriterProperties::builder()
                .set_compression(parquet::basic::Compression::ZSTD(
                    parquet::basic::ZstdLevel::default(),
                ))
                .set_max_row_group_row_count(Some(GROUP))
                .set_dictionary_page_size_limit(DICTIONARY)
                .build();
            let schema = frame.batch.schema();
            let out = parquet::arrow::ArrowWriter::try_new(file, schema, Some(properties))?;
            Form::Parquet(out, None)
        }
        "csv" => {
            let mut out = ::csv::Writer::from_writer(BufWriter::new(file));
            out.write_record(frame.names())?;
            Form::Csv(out)
        }
        _ => Form::JsonLines(BufWriter::new(file)),
    })
}

fn end(form: Form) -> Outcome<File> {
    Ok(match form {
        Form::Parquet(mut out, rest) => {
            if let Some(rest) = rest {
                out.write(&plain(&rest)?)?;
            }
            out.into_inner()?
        }
        Form::Csv(out) => {
            let buffered = out.into_inner().map_err(|error| error.to_string())?;
            buffered.into_inner().map_err(|error| error.to_string())?
        }
        Form::JsonLines(out) => out.into_inner().map_err(|error| error.to_string())?,
    })
}

fn parquet(
    rows: &RecordBatch,
    out: &mut parquet::arrow::ArrowWriter<File>,
    rest: &mut Option<RecordBatch>,
) -> Outcome {
    let mut at = 0;
    if let Some(held) = rest.take() {
        at = (PIECE - held.num_rows()).min(rows.num_rows());
        let parts = [&held, &rows.slice(0, at)];
        let whole = arrow_select::concat::concat_batches(&held.schema(), parts)?;
        if whole.num_rows() < PIECE {
            *rest = Some(whole);
            return Ok(());
        }
        out.write(&plain(&whole)?)?;
    }
    while rows.num_rows() - at >= PIECE {
        out.write(&plain(&rows.slice(at, PIECE))?)?;
        at += PIECE;
    }
    if at < rows.num_rows() {
        // a copy, so that the other rows need not stay
        let last: UInt32Array = (at as u32..rows.num_rows() as u32)
            .collect::<Vec<_>>()
            .into();
        *rest = Some(arrow_select::take::take_record_batch(rows, &last)?);
    }
    Ok(())
}

/// Without lists of nulls in which there are none, which the packing would tell from no list.
fn plain(rows: &RecordBatch) -> Outcome<RecordBatch> {
    let mut columns = rows.columns().to_vec();
    for column in &mut columns {
        if column.nulls().is_some_and(|nulls| nulls.null_count() == 0) {
            let data = column.to_data().into_builder().nulls(None).build()?;
            *column = arrow_array::make_array(data);
        }
    }
    let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
    let plain = RecordBatch::try_new_with_options(rows.schema(), columns, &options);
    Ok(plain?)
}

fn csv(frame: &Frame, out: &mut ::csv::Writer<BufWriter<File>>) -> Outcome {
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
    Ok(())
}

fn json_lines(frame: &Frame, out: &mut BufWriter<File>) -> Outcome {
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
            column.json(row, out)?;
        }
        out.write_all(b"}\n")?;
    }
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
