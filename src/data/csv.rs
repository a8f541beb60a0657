//! Separated values -> columns: two passes, one that looks what each column holds, one that reads it as that.
//! Knows the null markers and the order of types that are tried; the file was checked before.

use super::column::{Cell, GrowingColumn};
use super::text_file::{failed, open};
use super::{Frame, Result, instant};
use crate::domain::dataset::ColumnKind;
use ::csv::{ReaderBuilder, StringRecord};
use std::path::Path;

/// Fields that say that there is no value, in a column of any type.
const NULLS: [&str; 9] = [
    "", "NA", "N/A", "NaN", "nan", "null", "NULL", "None", "none",
];

/// The rows of `path` with the columns called `names` in its header; `wanted`: only these.
pub(super) fn read(
    path: &Path,
    delimiter: u8,
    gzip: bool,
    names: &[String],
    wanted: Option<&[String]>,
) -> Result<Frame> {
    let taken: Vec<usize> = match wanted {
        None => (0..names.len()).collect(),
        Some(wanted) => wanted
            .iter()
            .map(|name| {
                names.iter().position(|one| one == name).ok_or_else(|| {
                    failed(
                        path,
                        format!(
                            "it has no column `{name}`; its columns are {}",
                            super::frame::quoted(names)
                        ),
                    )
                })
            })
            .collect::<Result<_>>()?,
    };
    let mut guesses = vec![Guess::default(); taken.len()];
    let mut rows = 0;
    scan(path, delimiter, gzip, |record| {
        rows += 1;
        for (guess, column) in guesses.iter_mut().zip(&taken) {
            guess.look(value(record.get(*column)));
        }
        Ok(())
    })?;
    let mut columns: Vec<GrowingColumn> = guesses
        .iter()
        .map(|guess| {
            guess.kind().map_or_else(GrowingColumn::default, |kind| {
                GrowingColumn::of(kind, guess.zoned)
            })
        })
        .collect();
    let mut read = 0;
    scan(path, delimiter, gzip, |record| {
        read += 1;
        for (at, grown) in taken.iter().zip(&mut columns) {
            let cell = match (value(record.get(*at)), grown.kind()) {
                (None, _) => Some(Cell::Null),
                (Some(text), Some(kind)) => cell(text, kind),
                (Some(_), None) => None,
            };
            let pushed = cell.and_then(|cell| grown.push(cell).ok());
            if pushed.is_none() {
                return Err(failed(path, "the file changed while it was read"));
            }
        }
        Ok(())
    })?;
    if read != rows {
        return Err(failed(path, "the file changed while it was read"));
    }
    let mut named = Vec::with_capacity(columns.len());
    for (at, column) in taken.into_iter().zip(columns) {
        let array = column
            .finish()
            .map_err(|error| failed(path, format!("column `{}`: {error}", names[at])))?;
        named.push((names[at].clone(), array));
    }
    Frame::from_columns_of(named, rows)
}

/// All fields as text, record by record after the header; a record with fewer or more fields is an error.
fn scan(
    path: &Path,
    delimiter: u8,
    gzip: bool,
    mut each: impl FnMut(&StringRecord) -> Result<()>,
) -> Result<()> {
    let mut reader = ReaderBuilder::new()
        .delimiter(delimiter)
        .from_reader(open(path, gzip)?);
    let mut record = StringRecord::new();
    while reader
        .read_record(&mut record)
        .map_err(|error| failed(path, plain(&error)))?
    {
        each(&record)?;
    }
    Ok(())
}

/// What is wrong, with the line.
fn plain(error: &::csv::Error) -> String {
    let line = error.position().map_or(0, ::csv::Position::line);
    match error.kind() {
        ::csv::ErrorKind::UnequalLengths {
            expected_len, len, ..
        } => format!("line {line} has {len} fields where the header has {expected_len}"),
        ::csv::ErrorKind::Utf8 { .. } => format!("line {line} is not UTF-8"),
        _ => error.to_string(),
    }
}

fn value(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !NULLS.contains(&text.trim_ascii()))
}

fn cell(text: &str, kind: ColumnKind) -> Option<Cell<'_>> {
    let trimmed = text.trim_ascii();
    Some(match kind {
        ColumnKind::Integer => Cell::Integer(trimmed.parse().ok()?),
        ColumnKind::Number => Cell::Number(trimmed.parse().ok()?),
        ColumnKind::Boolean => Cell::Boolean(boolean(trimmed)?),
        ColumnKind::Time => Cell::Time(instant::parse(trimmed)?.0),
        ColumnKind::Text => Cell::Text(text),
    })
}

fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// What a column may still be, after the values seen.
#[derive(Clone, Debug)]
pub(super) struct Guess {
    seen: bool,
    integer: bool,
    number: bool,
    boolean: bool,
    time: bool,
    /// A time had an offset: the column holds instants.
    pub(super) zoned: bool,
}

impl Default for Guess {
    fn default() -> Self {
        Self {
            seen: false,
            integer: true,
            number: true,
            boolean: true,
            time: true,
            zoned: false,
        }
    }
}

impl Guess {
    /// Takes one value into account.
    pub(super) fn look(&mut self, text: Option<&str>) {
        let Some(text) = text.map(str::trim_ascii) else {
            return;
        };
        self.seen = true;
        if self.boolean && boolean(text).is_none() {
            self.boolean = false;
        }
        if self.integer && text.parse::<i64>().is_err() {
            self.integer = false;
            // Digits too many for 64 bits are an identifier: as a number they would lose their end.
            if text.bytes().all(|byte| byte.is_ascii_digit()) {
                self.number = false;
            }
        }
        if !self.integer && self.number && text.parse::<f64>().is_err() {
            self.number = false;
        }
        if self.time {
            match instant::parse(text) {
                Some((_, zoned)) => self.zoned |= zoned,
                None => self.time = false,
            }
        }
    }

    /// The narrowest type that holds all; none when there was no value.
    pub(super) fn kind(&self) -> Option<ColumnKind> {
        if !self.seen {
            None
        } else if self.boolean {
            Some(ColumnKind::Boolean)
        } else if self.integer {
            Some(ColumnKind::Integer)
        } else if self.number {
            Some(ColumnKind::Number)
        } else if self.time {
            Some(ColumnKind::Time)
        } else {
            Some(ColumnKind::Text)
        }
    }
}
