//! What files hold, found before their rows are read: columns, their types, rows; and the types that columns of several
//! files are read as. Knows no format.

use super::frame::quoted;
use super::regular_file::{Identity, failed};
use super::types::widen;
use super::{Error, Frame, Result};
use crate::domain::dataset::ColumnKind;
use crate::domain::online::FileColumn;
use crate::domain::{printable_path, quotable};
use arrow_array::ArrayRef;
use arrow_schema::{DataType, TimeUnit};
use std::path::{Path, PathBuf};

/// A column as one file holds it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Found {
    /// Its name.
    pub(super) name: String,
    /// Its type; none when the file holds no value of it.
    pub(super) kind: Option<ColumnKind>,
    /// Its times are instants.
    pub(super) zoned: bool,
    /// Which value made it what it is, when that may surprise.
    pub(super) because: Option<String>,
}

impl Found {
    pub(super) fn of(
        name: &str,
        kind: Option<ColumnKind>,
        zoned: bool,
        because: Option<String>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            zoned,
            because,
        }
    }
}

/// The columns of a dataset's files, each with the type as which it is read from every one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Types(pub(super) Vec<Target>);

impl Types {
    /// Of files by what each of them holds. Fails as reading them together does.
    pub fn of(files: &[(&str, &[FileColumn])]) -> Result<Self> {
        let found: Vec<Vec<Found>> = files
            .iter()
            .map(|(_, columns)| {
                let columns = columns.iter();
                columns
                    .map(|column| Found::of(&column.name, column.kind, column.zoned, None))
                    .collect()
            })
            .collect();
        let named: Vec<(PathBuf, &[Found])> = files
            .iter()
            .zip(&found)
            .map(|((path, _), found)| (PathBuf::from(path), found.as_slice()))
            .collect();
        together(&named).map(Self)
    }

    /// The columns, in order.
    pub fn names(&self) -> Vec<String> {
        self.0.iter().map(|target| target.name.clone()).collect()
    }

    /// A column that is of another type in `other`: its name, its type here and there.
    pub fn differs(&self, other: &Self) -> Option<(&str, ColumnKind, ColumnKind)> {
        let mut both = self.0.iter().zip(&other.0);
        both.find(|(own, other)| own != other)
            .map(|(own, other)| (own.name.as_str(), own.kind, other.kind))
    }

    /// Rows with these columns, in these types.
    pub fn cast(&self, rows: &Frame) -> Result<Frame> {
        let columns = self.0.iter().map(|target| {
            let column = widen(rows.column(&target.name)?, &target.data_type());
            let column = column.map_err(|error| {
                Error::new(format!("column `{}`: {error}", quotable(&target.name)))
            })?;
            Ok((target.name.clone(), column))
        });
        Frame::from_columns_of(columns.collect::<Result<_>>()?, rows.rows())
    }

    /// That a file which was looked at now still fits.
    pub(super) fn fit(&self, path: &Path, columns: &[Found]) -> Result<()> {
        let fits = |found: &Found| {
            self.0.iter().any(|target| {
                target.name == found.name
                    && found.kind.is_none_or(|kind| {
                        kind == target.kind
                            || (kind, target.kind) == (ColumnKind::Integer, ColumnKind::Number)
                    })
                    && (target.zoned || !found.zoned)
            })
        };
        match columns.iter().find(|found| !fits(found)) {
            None => Ok(()),
            Some(found) => Err(failed(
                path,
                format!(
                    "its column `{}` changed while it was read; read it again when its writer is done",
                    quotable(&found.name)
                ),
            )),
        }
    }
}

/// A file as it will be read.
#[derive(Debug)]
pub(super) struct Layout<R> {
    /// The file.
    pub(super) identity: Identity,
    /// The wanted columns, in order.
    pub(super) columns: Vec<Found>,
    /// Rows.
    pub(super) rows: u64,
    /// Worth several threads.
    pub(super) large: bool,
    /// How its format reads it.
    pub(super) reading: R,
}

/// Columns of some rows, as they are read from every file, and how many rows; piece by piece.
pub(super) type Parts = Box<dyn Iterator<Item = Result<(Vec<ArrayRef>, usize)>> + Send>;

/// A column as it is read from every file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Target {
    /// Its name.
    pub(super) name: String,
    /// Its type.
    pub(super) kind: ColumnKind,
    /// Its times are instants.
    pub(super) zoned: bool,
}

impl Target {
    /// Its Arrow type.
    pub(super) fn data_type(&self) -> DataType {
        match self.kind {
            ColumnKind::Integer => DataType::Int64,
            ColumnKind::Number => DataType::Float64,
            ColumnKind::Text => DataType::Utf8,
            ColumnKind::Boolean => DataType::Boolean,
            ColumnKind::Time => {
                DataType::Timestamp(TimeUnit::Microsecond, self.zoned.then(|| "UTC".into()))
            }
        }
    }
}

/// Where the wanted columns stand among `names`; all of them when none are named.
pub(super) fn places(
    path: &Path,
    names: &[String],
    wanted: Option<&[String]>,
) -> Result<Vec<usize>> {
    let Some(wanted) = wanted else {
        return Ok((0..names.len()).collect());
    };
    let index: rustc_hash::FxHashMap<&str, usize> = names
        .iter()
        .enumerate()
        .map(|(at, name)| (name.as_str(), at))
        .collect();
    wanted
        .iter()
        .map(|name| {
            index.get(name.as_str()).copied().ok_or_else(|| {
                failed(
                    path,
                    format!(
                        "it has no column `{}`; its columns are {}",
                        quotable(name),
                        quoted(names)
                    ),
                )
            })
        })
        .collect()
}

/// One type for each column of several files: the order is the first file's, whole numbers and numbers are numbers, a
/// file without a value of a column fits anything. Fails when a file lacks a column or types do not mix.
pub(super) fn together(files: &[(PathBuf, &[Found])]) -> Result<Vec<Target>> {
    let Some((first_path, first)) = files.first() else {
        return Err(Error::new("there is no file to read"));
    };
    let mut targets: Vec<(Target, Option<usize>)> = first
        .iter()
        .map(|found| (target(found), found.kind.map(|_| 0)))
        .collect();
    let index: rustc_hash::FxHashMap<&str, usize> = first
        .iter()
        .enumerate()
        .map(|(at, found)| (found.name.as_str(), at))
        .collect();
    for (number, (path, columns)) in files.iter().enumerate().skip(1) {
        let lacks = |without: &Path, name: &str, with: &Path| {
            Error::new(format!(
                "`{}` has no column `{}`, which `{}` has",
                printable_path(without),
                quotable(name),
                printable_path(with)
            ))
        };
        if let Some(extra) = columns
            .iter()
            .find(|found| !index.contains_key(found.name.as_str()))
        {
            return Err(lacks(first_path, &extra.name, path));
        }
        if columns.len() < first.len() {
            let missing = first
                .iter()
                .find(|found| !columns.iter().any(|other| other.name == found.name));
            if let Some(missing) = missing {
                return Err(lacks(path, &missing.name, first_path));
            }
        }
        for found in *columns {
            let (Some(kind), Some(at)) = (found.kind, index.get(found.name.as_str())) else {
                continue;
            };
            let (held, since) = &mut targets[*at];
            let Some(before) = *since else {
                (*held, *since) = (target(found), Some(number));
                continue;
            };
            use ColumnKind::{Integer, Number, Time};
            match (held.kind, kind) {
                (Time, Time) => held.zoned |= found.zoned,
                (held, came) if held == came => {}
                (Number, Integer) => {}
                (Integer, Number) => (*held, *since) = (target(found), Some(number)),
                (kind_before, came) => {
                    let why = |found: Option<&Found>| {
                        found
                            .and_then(|found| found.because.as_ref())
                            .map_or_else(String::new, |why| format!(" ({why})"))
                    };
                    let (other, others) = &files[before];
                    let there = others.iter().find(|other| other.name == found.name);
                    return Err(Error::new(format!(
                        "column `{}` is {came} in `{}`{} but {kind_before} in `{}`{}",
                        quotable(&found.name),
                        printable_path(path),
                        why(Some(found)),
                        printable_path(other),
                        why(there),
                    )));
                }
            }
        }
    }
    Ok(targets.into_iter().map(|(target, _)| target).collect())
}

/// A column without a value becomes numbers.
fn target(found: &Found) -> Target {
    Target {
        name: found.name.clone(),
        kind: found.kind.unwrap_or(ColumnKind::Number),
        zoned: found.zoned,
    }
}
