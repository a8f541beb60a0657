//! JSON lines -> columns: an object a line, keys in order of first appearance, text that is all times made times. A
//! pass that looks what each key holds, and one that reads it as that, each by several threads.

use super::chunks::{Chunk, Chunks};
use super::column::{Cell, GrowingColumn};
use super::in_order::in_order;
use super::json_value::{Json, object};
use super::layout::{Found, Layout, Parts, Target, places};
use super::regular_file::{Identity, failed};
use super::source::Looked;
use super::{Result, checks, instant};
use crate::domain::dataset::ColumnKind;
use crate::domain::quotable;
use arrow_array::ArrayRef;
use rustc_hash::FxHashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How a file of JSON lines is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    path: PathBuf,
    gzip: bool,
}

/// What `path` holds; `wanted`: only these columns. `looked` hears how far the look is.
pub(super) fn layout(
    path: &Path,
    gzip: bool,
    wanted: Option<&[String]>,
    looked: &Looked<'_>,
) -> Result<Layout<Reading>> {
    let chunks = Chunks::open(path, gzip, None)?;
    let (identity, large) = (chunks.identity(), chunks.is_large());
    let (behind, looking) = (chunks.behind(), path.to_owned());
    let parts = in_order(large, chunks, move |chunk| {
        checks::guarded(&looking, || look(&looking, &chunk))
    });
    let mut all = Keys::default();
    for part in parts {
        all.and(&part?);
        all.check(path)?;
        looked(behind.share())?;
    }
    if all.rows == 0 {
        return Err(failed(path, "there is no line with an object in it"));
    }
    let taken = places(path, &all.names, wanted)?;
    let columns = taken
        .iter()
        .map(|at| {
            let guess = &all.guesses[*at];
            Found::of(&all.names[*at], guess.kind(), guess.zoned, None)
        })
        .collect();
    Ok(Layout {
        identity,
        columns,
        rows: all.rows,
        large,
        reading: Reading {
            path: path.to_owned(),
            gzip,
        },
    })
}

impl Reading {
    /// The rows as `targets`, a piece of the file at a time.
    pub(super) fn batches(
        self,
        identity: Identity,
        large: bool,
        targets: Arc<[Target]>,
    ) -> Result<Parts> {
        let chunks = Chunks::open(&self.path, self.gzip, None)?;
        if chunks.identity() != identity {
            super::regular_file::unchanged(&self.path, &identity)?;
        }
        Ok(in_order(large, chunks, move |chunk| {
            checks::guarded(&self.path, || parse(&self.path, &chunk, &targets))
        }))
    }
}

/// 2 to the power of 63: whole numbers from here on do not fit.
const WHOLE: f64 = 9_223_372_036_854_775_808.0;

/// Whether `line` has a whole number of 19 or more digits outside of quotes; as a number it would lose its end.
fn has_long(line: &str) -> bool {
    let (mut digits, mut fraction, mut quoted, mut escaped) = (0, false, false, false);
    for byte in line.bytes().chain([b' ']) {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'0'..=b'9' => digits += 1,
            b'.' | b'e' | b'E' | b'+' => fraction = true,
            _ => {
                if digits >= 19 && !fraction {
                    return true;
                }
                quoted = byte == b'"';
                (digits, fraction) = (0, false);
            }
        }
    }
    false
}

/// Each line that is not blank, with its number.
fn lines<'a>(
    path: &Path,
    chunk: &'a Chunk,
    mut each: impl FnMut(&'a str, &dyn Fn() -> u64) -> std::result::Result<(), String>,
) -> Result<u64> {
    let text = chunk.text(path)?;
    let (mut at, mut rows) = (0, 0);
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if line.bytes().all(|byte| byte.is_ascii_whitespace()) {
            continue;
        }
        let number = || chunk.line(start);
        each(line, &number).map_err(|error| failed(path, format!("line {}{error}", number())))?;
        rows += 1;
    }
    Ok(rows)
}

/// What is wrong with a line, to stand behind its number.
fn wrong(chunk: &Chunk, line: &str, error: &serde_json::Error) -> String {
    if error.is_data() {
        // what we refused ourselves names the column; what serde refused says what it expected
        let text = error.to_string();
        let text = text
            .rfind(" at line ")
            .map_or(text.as_str(), |at| &text[..at]);
        let joint = if text.starts_with(", column") || text.starts_with(": ") {
            ""
        } else {
            ": "
        };
        return format!("{joint}{text}");
    }
    let cut = error.is_eof() && chunk.last && !line.ends_with('\n');
    format!(
        ": it is no JSON ({}, character {}){}",
        error
            .to_string()
            .split(" at line ")
            .next()
            .unwrap_or_default(),
        error.column(),
        if cut {
            "; the file ends there, was it cut short?"
        } else {
            ""
        }
    )
}

/// What the values of a key have been so far: the line where each kind of value was first.
#[derive(Clone, Debug, Default)]
struct Values {
    integer: Option<u64>,
    number: Option<u64>,
    boolean: Option<u64>,
    text: Option<u64>,
    /// The text `NaN`, which among numbers is none.
    nan: Option<u64>,
    /// The texts `Infinity` and `-Infinity`, which among numbers are numbers.
    infinite: Option<u64>,
    not_time: bool,
    zoned: bool,
}

impl Values {
    fn look(
        &mut self,
        value: &Json<'_>,
        line: &dyn Fn() -> u64,
    ) -> std::result::Result<(), &'static str> {
        let place = match value {
            Json::Null => return Ok(()),
            Json::Boolean(_) => &mut self.boolean,
            Json::Integer(_) => &mut self.integer,
            Json::Number(_) => &mut self.number,
            Json::Long => {
                return Err("a whole number too great for 64 bits with sign; write it as text");
            }
            Json::Nested => return Err("lists and objects are no values of a column"),
            Json::Text(text) => match text.as_ref() {
                "NaN" => &mut self.nan,
                "Infinity" | "-Infinity" => &mut self.infinite,
                text => {
                    if !self.not_time {
                        match instant::parse(text) {
                            Some((_, zoned)) => self.zoned |= zoned,
                            None => self.not_time = true,
                        }
                    }
                    &mut self.text
                }
            },
        };
        if place.is_none() {
            *place = Some(line());
        }
        Ok(())
    }

    fn and(&mut self, later: &Self) {
        let first = |place: &mut Option<u64>, later: Option<u64>| *place = place.or(later);
        first(&mut self.integer, later.integer);
        first(&mut self.number, later.number);
        first(&mut self.boolean, later.boolean);
        first(&mut self.text, later.text);
        first(&mut self.nan, later.nan);
        first(&mut self.infinite, later.infinite);
        self.not_time |= later.not_time;
        self.zoned |= later.zoned;
    }

    fn kind(&self) -> Option<ColumnKind> {
        let numbers = self.number.is_some() || (self.integer.is_some() && self.infinite.is_some());
        if numbers {
            Some(ColumnKind::Number)
        } else if self.integer.is_some() {
            Some(ColumnKind::Integer)
        } else if self.boolean.is_some() {
            Some(ColumnKind::Boolean)
        } else if self.text.is_some()
            && !self.not_time
            && self.nan.is_none()
            && self.infinite.is_none()
        {
            Some(ColumnKind::Time)
        } else if self.text.is_some() || self.nan.is_some() || self.infinite.is_some() {
            Some(ColumnKind::Text)
        } else {
            None
        }
    }

    /// Kinds that do not mix: the line of the later one, what it is, what was before and since when.
    fn mixed(&self) -> Option<(u64, ColumnKind, ColumnKind, u64)> {
        let earlier = |a: Option<u64>, b: Option<u64>| match (a, b) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        let number =
            if self.number < self.integer && self.number.is_some() || self.integer.is_none() {
                ColumnKind::Number
            } else {
                ColumnKind::Integer
            };
        let numbers = earlier(self.integer, self.number);
        let special = earlier(self.nan, self.infinite).filter(|_| numbers.is_none());
        let mut firsts = [
            (numbers, number),
            (self.boolean, ColumnKind::Boolean),
            (earlier(self.text, special), ColumnKind::Text),
        ]
        .into_iter()
        .filter_map(|(line, kind)| Some((line?, kind)))
        .collect::<Vec<_>>();
        firsts.sort_by_key(|(line, _)| *line);
        match firsts[..] {
            [(since, held), (line, came), ..] => Some((line, came, held, since)),
            _ => None,
        }
    }
}

/// The keys of some lines.
#[derive(Default)]
struct Keys {
    names: Vec<String>,
    guesses: Vec<Values>,
    index: FxHashMap<String, usize>,
    rows: u64,
}

impl Keys {
    fn place(&mut self, name: &str) -> usize {
        if let Some(at) = self.index.get(name) {
            return *at;
        }
        let at = self.names.len();
        self.index.insert(name.to_owned(), at);
        self.names.push(name.to_owned());
        self.guesses.push(Values::default());
        at
    }

    fn and(&mut self, later: &Self) {
        self.rows += later.rows;
        for (name, values) in later.names.iter().zip(&later.guesses) {
            let at = self.place(name);
            self.guesses[at].and(values);
        }
    }

    fn check(&self, path: &Path) -> Result<()> {
        for (name, values) in self.names.iter().zip(&self.guesses) {
            if let Some((line, came, held, since)) = values.mixed() {
                return Err(failed(
                    path,
                    format!(
                        "line {line}, column `{}`: a value of type {came} in a column of type {held} (since line {since})",
                        quotable(name)
                    ),
                ));
            }
        }
        Ok(())
    }
}

fn look(path: &Path, chunk: &Chunk) -> Result<Keys> {
    let mut keys = Keys::default();
    // the row that a key was seen in last: it may come once
    let mut seen: Vec<u64> = Vec::new();
    let mut row = 0;
    let rows = lines(path, chunk, |line, number| {
        row += 1;
        object(line, &mut |key, value| {
            if key.is_empty() {
                return Err(": a key is empty; a column needs a name".to_owned());
            }
            let at = keys.place(key);
            seen.resize(keys.names.len(), 0);
            if std::mem::replace(&mut seen[at], row) == row {
                return Err(format!(", column `{}`: the key comes twice", quotable(key)));
            }
            let value = match value {
                Json::Number(value) if value.abs() >= WHOLE && has_long(line) => Json::Long,
                value => value,
            };
            keys.guesses[at]
                .look(&value, number)
                .map_err(|why| format!(", column `{}`: {why}", quotable(key)))
        })
        .map_err(|error| wrong(chunk, line, &error))
    })?;
    keys.rows = rows;
    Ok(keys)
}

fn parse(path: &Path, chunk: &Chunk, targets: &[Target]) -> Result<(Vec<ArrayRef>, usize)> {
    let index: FxHashMap<&str, usize> = targets
        .iter()
        .enumerate()
        .map(|(at, target)| (target.name.as_str(), at))
        .collect();
    let mut columns: Vec<GrowingColumn> = targets
        .iter()
        .map(|target| GrowingColumn::of(target.kind, target.zoned))
        .collect();
    let mut row = 0;
    let rows = lines(path, chunk, |line, _| {
        let outcome = object(line, &mut |key, value| {
            let Some(at) = index.get(key) else {
                return Ok(());
            };
            let (column, target) = (&mut columns[*at], &targets[*at]);
            // nulls where the key was missing; they never fail
            while column.cells() < row && column.push(Cell::Null).is_ok() {}
            let unfit = || {
                format!(
                    ", column `{}`: a value that is no {}, which the column is",
                    quotable(key),
                    target.kind
                )
            };
            let cell = cell(&value, target.kind).ok_or_else(unfit)?;
            column.push(cell).map_err(|_| unfit())
        })
        .map_err(|error| wrong(chunk, line, &error));
        row += 1;
        outcome
    })? as usize;
    let arrays = (columns.into_iter().zip(targets))
        .map(|(mut column, target)| {
            while column.cells() < rows && column.push(Cell::Null).is_ok() {}
            column.finish().map_err(|error| {
                failed(
                    path,
                    format!("column `{}`: {error}", quotable(&target.name)),
                )
            })
        })
        .collect::<Result<_>>()?;
    Ok((arrays, rows))
}

fn cell<'a>(value: &'a Json<'_>, kind: ColumnKind) -> Option<Cell<'a>> {
    use ColumnKind::{Boolean, Integer, Number, Text, Time};
    Some(match (value, kind) {
        (Json::Null, _) => Cell::Null,
        (Json::Boolean(value), Boolean) => Cell::Boolean(*value),
        (Json::Integer(value), Integer | Number) => Cell::Integer(*value),
        (Json::Number(value), Number) => Cell::Number(*value),
        (Json::Text(text), Integer | Number) => match (text.as_ref(), kind) {
            ("NaN", _) => Cell::Null,
            ("Infinity", Number) => Cell::Number(f64::INFINITY),
            ("-Infinity", Number) => Cell::Number(f64::NEG_INFINITY),
            _ => return None,
        },
        (Json::Text(text), Time) => Cell::Time(instant::parse(text)?.0),
        (Json::Text(text), Text) => Cell::Text(text),
        _ => return None,
    })
}
