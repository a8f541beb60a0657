//! Rows of a file that are kept as they are, for what needs several columns at once and ranks or bins of them: the signal
//! about the target. The same rows in every column: one drawn from each of equal stretches of the file.

use crate::data::Result;
use crate::data::sketch::bytes::{Reader, Writer, damaged};
use crate::data::sketch::distinct::hash_text;
use rustc_hash::FxHashMap;

/// No text.
const NULL: u32 = u32::MAX;
/// Bytes of a text that are kept; what is longer is told apart by its hash.
const TEXT: usize = 128;
/// Values that are kept of a table of very many columns, about.
const VALUES: u64 = 1 << 24;

/// Rows to keep when `most` are wanted: fewer of a table of very many columns.
pub fn rows(most: u64, columns: usize) -> u64 {
    most.min((VALUES / columns.max(1) as u64).max(256))
}

/// Row numbers from 0, ascending: all of `rows`, or `most` of them.
pub fn places(rows: u64, most: u64) -> Vec<u64> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut dice = 0x9E37_79B9_7F4A_7C15 ^ rows;
    let stretch = rows as f64 / most as f64;
    let mut places: Vec<u64> = Vec::with_capacity(most as usize);
    for number in 0..most {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        let inside = (dice >> 11) as f64 / (1u64 << 53) as f64;
        let place = ((number as f64 + inside) * stretch) as u64;
        let after: u64 = places.last().map_or(0, |last: &u64| *last + 1);
        places.push(place.max(after).min(rows - 1));
    }
    places.dedup();
    places
}

/// The kept values of a column.
#[derive(Clone, Debug, PartialEq)]
pub enum Kept {
    /// Numbers, times (microseconds) and flags; NaN is null.
    Numbers(Vec<f64>),
    /// Texts, each once, and the place of each row's there.
    Texts {
        /// Each once.
        values: Vec<String>,
        /// By row.
        rows: Vec<u32>,
    },
}

impl Kept {
    /// Rows.
    pub fn len(&self) -> usize {
        match self {
            Self::Numbers(rows) => rows.len(),
            Self::Texts { rows, .. } => rows.len(),
        }
    }

    /// Each row's text by its number, and how many numbers there are; for columns of texts.
    pub fn codes(&self) -> Option<(Vec<Option<u32>>, usize)> {
        match self {
            Self::Numbers(_) => None,
            Self::Texts { values, rows } => Some((
                rows.iter()
                    .map(|row| (*row != NULL).then_some(*row))
                    .collect(),
                values.len(),
            )),
        }
    }

    /// Rows under these; `nulls` rows where there was no such column.
    pub fn append(&mut self, other: &Self) {
        match (&mut *self, other) {
            (Self::Numbers(ours), Self::Numbers(theirs)) => ours.extend_from_slice(theirs),
            (
                Self::Texts { values, rows },
                Self::Texts {
                    values: new,
                    rows: theirs,
                },
            ) => {
                let mut known: FxHashMap<String, u32> = values
                    .iter()
                    .enumerate()
                    .map(|(at, text)| (text.clone(), at as u32))
                    .collect();
                let codes: Vec<u32> = new
                    .iter()
                    .map(|text| {
                        *known.entry(text.clone()).or_insert_with(|| {
                            values.push(text.clone());
                            values.len() as u32 - 1
                        })
                    })
                    .collect();
                rows.extend(theirs.iter().map(|row| {
                    if *row == NULL {
                        NULL
                    } else {
                        codes[*row as usize]
                    }
                }));
            }
            // One side has no values at all, or it would not be merged.
            (_, other) => {
                let rows = other.len();
                let before = self.len();
                if self.is_null() {
                    *self = other.clone();
                    self.put_before(before);
                } else {
                    self.put_after(rows);
                }
            }
        }
    }

    /// So many rows of nothing at the end.
    pub fn put_after(&mut self, count: usize) {
        match self {
            Self::Numbers(rows) => rows.extend(std::iter::repeat_n(f64::NAN, count)),
            Self::Texts { rows, .. } => rows.extend(std::iter::repeat_n(NULL, count)),
        }
    }

    /// So many rows of nothing before the first.
    pub fn put_before(&mut self, count: usize) {
        match self {
            Self::Numbers(rows) => drop(rows.splice(0..0, std::iter::repeat_n(f64::NAN, count))),
            Self::Texts { rows, .. } => drop(rows.splice(0..0, std::iter::repeat_n(NULL, count))),
        }
    }

    fn is_null(&self) -> bool {
        match self {
            Self::Numbers(rows) => rows.iter().all(|x| x.is_nan()),
            Self::Texts { rows, .. } => rows.iter().all(|row| *row == NULL),
        }
    }

    /// Appends them to what is kept.
    pub fn write(&self, to: &mut Writer) {
        match self {
            Self::Numbers(rows) => {
                to.flag(true);
                to.count(rows.len() as u64);
                rows.iter().for_each(|x| to.number(*x));
            }
            Self::Texts { values, rows } => {
                to.flag(false);
                to.count(values.len() as u64);
                values.iter().for_each(|text| to.text(text));
                to.count(rows.len() as u64);
                rows.iter()
                    .for_each(|row| to.count(u64::from(row.wrapping_add(1))));
            }
        }
    }

    /// Kept ones.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        if from.flag()? {
            let count = from.length(8)?;
            return Ok(Self::Numbers(
                (0..count).map(|_| from.number()).collect::<Result<_>>()?,
            ));
        }
        let count = from.length(1)?;
        let values: Vec<String> = (0..count)
            .map(|_| from.text().map(str::to_owned))
            .collect::<Result<_>>()?;
        let rows = from.length(1)?;
        let rows = (0..rows)
            .map(|_| match from.count()? {
                0 => Ok(NULL),
                at if at <= values.len() as u64 => Ok(at as u32 - 1),
                _ => Err(damaged()),
            })
            .collect::<Result<_>>()?;
        Ok(Self::Texts { values, rows })
    }
}

/// Gathers the kept texts of one column.
#[derive(Clone, Debug, Default)]
pub struct Gathered {
    known: FxHashMap<String, u32>,
    values: Vec<String>,
    rows: Vec<u32>,
}

impl Gathered {
    /// The next row's.
    pub fn push(&mut self, text: Option<&str>) {
        let Some(text) = text else {
            self.rows.push(NULL);
            return;
        };
        let cut;
        let text = if text.len() > TEXT {
            let end = (0..=TEXT).rev().find(|end| text.is_char_boundary(*end));
            let start = &text[..end.unwrap_or_default()];
            cut = format!("{start}…{:016x}", hash_text(text));
            cut.as_str()
        } else {
            text
        };
        let code = match self.known.get(text) {
            Some(code) => *code,
            None => {
                let code = self.values.len() as u32;
                self.known.insert(text.to_owned(), code);
                self.values.push(text.to_owned());
                code
            }
        };
        self.rows.push(code);
    }

    /// All of them.
    pub fn finish(self) -> Kept {
        Kept::Texts {
            values: self.values,
            rows: self.rows,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    #[test]
    fn places_ascend_and_are_spread() {
        assert_eq!(places(3, 10), [0, 1, 2]);
        for (rows, most) in [(1_000, 100), (1_001, 1_000), (5_000_000, 32_768)] {
            let places = places(rows, most);
            assert!(places.windows(2).all(|pair| pair[0] < pair[1]));
            assert!(places.len() as u64 > most * 9 / 10 && *places.last().unwrap() < rows);
        }
    }

    #[test]
    fn texts_are_put_under_each_other() {
        let gather = |texts: &[Option<&str>]| {
            let mut gathered = Gathered::default();
            texts.iter().for_each(|text| gathered.push(*text));
            gathered.finish()
        };
        let mut all = gather(&[Some("a"), None]);
        all.append(&gather(&[Some("b"), Some("a")]));
        all.append(&Kept::Numbers(vec![f64::NAN]));
        assert_eq!(
            all.codes().unwrap(),
            (vec![Some(0), None, Some(1), Some(0), None], 2)
        );
        let mut nothing = Kept::Numbers(vec![f64::NAN; 2]);
        nothing.append(&gather(&[Some("x")]));
        assert_eq!(nothing.codes().unwrap(), (vec![None, None, Some(0)], 1));
        let mut kept = Writer::default();
        all.write(&mut kept);
        assert_eq!(Kept::read(&mut Reader::new(&kept.bytes)).unwrap(), all);
    }
}
