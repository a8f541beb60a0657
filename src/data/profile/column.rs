//! The mergeable state of one column: rows, nulls, infinities, and its numbers, texts or flags. Takes Arrow arrays in,
//! block by block, with no look at single rows where none is needed.

use super::numbers::Numbers;
use super::sample::{Gathered, Kept};
use super::texts::Texts;
use super::unique::{Unique, Uniques};
use crate::data::sketch::bytes::{Reader, Writer, damaged};
use crate::data::sketch::distinct::{hash_integer, hash_text};
use crate::data::types::normalise;
use crate::data::{Error, Result};
use crate::domain::dataset::ColumnKind;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int32Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, DictionaryArray, StringArray};
use arrow_buffer::NullBuffer;
use arrow_schema::DataType;

/// Numbers looked at together: they stay in the processor's nearest cache.
const BLOCK: usize = 2_048;

/// See the module's text.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Rows, nulls included.
    pub rows: u64,
    /// Nulls; NaN is one.
    pub nulls: u64,
    /// Infinite numbers.
    pub infinities: u64,
    /// Times had a zone; times had none.
    pub zoned: (bool, bool),
    /// What it holds.
    pub values: Values,
    /// The kept rows.
    pub kept: Kept,
}

/// The values that are no nulls.
#[derive(Clone, Debug)]
pub enum Values {
    /// Finite numbers, and times in microseconds.
    Numbers(Numbers),
    /// Texts.
    Texts(Texts),
    /// How often true, how often false.
    Flags(u64, u64),
}

impl Column {
    fn new(name: &str, kind: ColumnKind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            rows: 0,
            nulls: 0,
            infinities: 0,
            zoned: (false, false),
            values: match kind {
                ColumnKind::Integer | ColumnKind::Time => Values::Numbers(Numbers::new(true)),
                ColumnKind::Number => Values::Numbers(Numbers::new(false)),
                ColumnKind::Text => Values::Texts(Texts::default()),
                ColumnKind::Boolean => Values::Flags(0, 0),
            },
            kept: Kept::Numbers(Vec::new()),
        }
    }

    /// Values that are no nulls and no infinities.
    pub fn count(&self) -> u64 {
        self.rows - self.nulls - self.infinities
    }

    /// Takes all of `other`, whose rows come later, in. Fails when their types do not mix.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if other.count() + other.infinities > 0 {
            if self.count() + self.infinities == 0 && self.kind != other.kind {
                self.kind = other.kind;
                self.values = Self::new("", other.kind).values;
            }
            match (&mut self.values, &other.values) {
                (Values::Numbers(ours), Values::Numbers(theirs))
                    if self.kind == other.kind
                        || self.kind != ColumnKind::Time && other.kind != ColumnKind::Time =>
                {
                    ours.merge(theirs);
                    if self.kind != other.kind {
                        self.kind = ColumnKind::Number;
                    }
                }
                (Values::Texts(ours), Values::Texts(theirs)) => ours.merge(theirs),
                (Values::Flags(yes, no), Values::Flags(more, less)) => {
                    *yes += more;
                    *no += less;
                }
                _ => {
                    return Err(Error::new(format!(
                        "column `{}` is {} in one file and {} in another",
                        self.name, self.kind, other.kind
                    )));
                }
            }
        }
        self.rows += other.rows;
        self.nulls += other.nulls;
        self.infinities += other.infinities;
        self.zoned.0 |= other.zoned.0;
        self.zoned.1 |= other.zoned.1;
        self.kept.append(&other.kept);
        Ok(())
    }

    /// `rows` rows, `kept` of them kept, of a file that has no such column.
    pub fn merge_nothing(&mut self, rows: u64, kept: usize) {
        self.rows += rows;
        self.nulls += rows;
        self.kept.put_after(kept);
    }

    /// A column of nothing but `rows` nulls.
    pub fn nothing(name: &str, kind: ColumnKind, rows: u64, kept: usize) -> Self {
        let mut column = Self::new(name, kind);
        column.merge_nothing(rows, kept);
        column
    }

    /// Less of it, for keeping.
    pub fn shrunk(&self) -> Self {
        let mut small = self.clone();
        match &mut small.values {
            Values::Numbers(numbers) => *numbers = numbers.shrunk(),
            Values::Texts(texts) => *texts = texts.shrunk(),
            Values::Flags(..) => {}
        }
        small
    }

    /// Appends it to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.text(&self.name);
        let kind = KINDS.iter().position(|kind| *kind == self.kind);
        to.count(kind.unwrap_or(0) as u64);
        to.count(self.rows);
        to.count(self.nulls);
        to.count(self.infinities);
        to.flag(self.zoned.0);
        to.flag(self.zoned.1);
        match &self.values {
            Values::Numbers(numbers) => {
                to.count(0);
                numbers.write(to);
            }
            Values::Texts(texts) => {
                to.count(1);
                texts.write(to);
            }
            Values::Flags(yes, no) => {
                to.count(2);
                to.count(*yes);
                to.count(*no);
            }
        }
        self.kept.write(to);
    }

    /// A kept one.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        let name = from.text()?.to_owned();
        let kind = *KINDS.get(from.count()? as usize).ok_or_else(damaged)?;
        let (rows, nulls, infinities) = (from.count()?, from.count()?, from.count()?);
        if nulls.checked_add(infinities).is_none_or(|sum| sum > rows) {
            return Err(damaged());
        }
        Ok(Self {
            name,
            kind,
            rows,
            nulls,
            infinities,
            zoned: (from.flag()?, from.flag()?),
            values: match from.count()? {
                0 => Values::Numbers(Numbers::read(from)?),
                1 => Values::Texts(Texts::read(from)?),
                2 => Values::Flags(from.count()?, from.count()?),
                _ => return Err(damaged()),
            },
            kept: Kept::read(from)?,
        })
    }
}

/// By their number in what is kept; only ever appended to.
const KINDS: [ColumnKind; 5] = [
    ColumnKind::Integer,
    ColumnKind::Number,
    ColumnKind::Text,
    ColumnKind::Boolean,
    ColumnKind::Time,
];

/// Fills a column's state from the arrays of its file, in order.
pub struct Filler<'a> {
    column: Option<Column>,
    name: &'a str,
    /// Rows to keep, ascending, and how many of them are behind.
    places: &'a [u64],
    behind: usize,
    rows: u64,
    kept: Vec<f64>,
    texts: Gathered,
    integers: Vec<i64>,
    floats: Vec<f64>,
    /// Counts by place in the dictionary that came last, not yet taken in.
    dictionary: Option<ArrayRef>,
    counts: Vec<u64>,
    /// Whether a value comes twice, when that is asked.
    unique: Option<Unique>,
}

impl<'a> Filler<'a> {
    /// Of the column `name`; keeps the rows at `places`; with `uniques`, looks whether a value comes twice.
    pub fn new(name: &'a str, places: &'a [u64], uniques: Option<&Uniques>) -> Self {
        Self {
            column: None,
            name,
            places,
            behind: 0,
            rows: 0,
            kept: Vec::new(),
            texts: Gathered::default(),
            integers: Vec::new(),
            floats: Vec::new(),
            dictionary: None,
            counts: Vec::new(),
            unique: uniques.map(|uniques| uniques.begin(name)),
        }
    }

    /// Nothing comes for a while: lets go of what only the work needs.
    pub fn rest(&mut self) {
        (self.integers, self.floats) = (Vec::new(), Vec::new());
    }

    /// The next rows.
    pub fn take(&mut self, array: &ArrayRef) -> Result<()> {
        if let DataType::Dictionary(key, value) = array.data_type()
            && **key == DataType::Int32
            && **value == DataType::Utf8
        {
            return self.take_dictionary(array);
        }
        let array = normalise(array)
            .map_err(|error| Error::new(format!("column `{}`: {error}", self.name)))?;
        let kind = match array.data_type() {
            DataType::Int64 => ColumnKind::Integer,
            DataType::Float64 => ColumnKind::Number,
            DataType::Utf8 => ColumnKind::Text,
            DataType::Boolean => ColumnKind::Boolean,
            _ => ColumnKind::Time,
        };
        let name = self.name;
        let column = self.column.get_or_insert_with(|| Column::new(name, kind));
        column.rows += array.len() as u64;
        match (&mut column.values, array.data_type()) {
            (Values::Numbers(numbers), DataType::Int64) => {
                let values = array.as_primitive::<Int64Type>();
                column.nulls += values.null_count() as u64;
                integers(
                    values.values(),
                    values.nulls(),
                    &mut self.integers,
                    &mut self.floats,
                    numbers,
                );
            }
            (Values::Numbers(numbers), DataType::Timestamp(_, zone)) => {
                let values = array.as_primitive::<TimestampMicrosecondType>();
                column.nulls += values.null_count() as u64;
                if zone.is_some() {
                    column.zoned.0 = true;
                } else {
                    column.zoned.1 = true;
                }
                integers(
                    values.values(),
                    values.nulls(),
                    &mut self.integers,
                    &mut self.floats,
                    numbers,
                );
            }
            (Values::Numbers(numbers), DataType::Float64) => {
                let values = array.as_primitive::<Float64Type>();
                let (nulls, infinities) =
                    floats(values.values(), values.nulls(), &mut self.floats, numbers);
                column.nulls += nulls;
                column.infinities += infinities;
            }
            (Values::Texts(texts), DataType::Utf8) => {
                let values = array.as_string::<i32>();
                column.nulls += values.null_count() as u64;
                match values.nulls() {
                    None => (0..values.len()).for_each(|row| texts.add(values.value(row))),
                    Some(nulls) => nulls
                        .valid_indices()
                        .for_each(|row| texts.add(values.value(row))),
                }
            }
            (Values::Flags(yes, no), DataType::Boolean) => {
                let values = array.as_boolean();
                column.nulls += values.null_count() as u64;
                *yes += values.true_count() as u64;
                *no += values.false_count() as u64;
            }
            _ => {
                return Err(Error::new(format!(
                    "column `{}` changes its type from {} to {kind}",
                    self.name, column.kind
                )));
            }
        }
        if let Some(unique) = &mut self.unique {
            match array.data_type() {
                _ if array.null_count() > 0 => unique.give_up(),
                DataType::Int64 => {
                    let values = array.as_primitive::<Int64Type>().values();
                    unique.add(values.iter().map(|value| hash_integer(*value)))?;
                }
                DataType::Utf8 => {
                    let texts = array.as_string::<i32>();
                    unique.add((0..texts.len()).map(|row| hash_text(texts.value(row))))?;
                }
                _ => unique.give_up(),
            }
        }
        self.keep(&array);
        Ok(())
    }

    /// Texts of a dictionary: each is looked at once, however many rows have it.
    fn take_dictionary(&mut self, array: &ArrayRef) -> Result<()> {
        let coded = array.as_dictionary::<Int32Type>();
        let same = self
            .dictionary
            .as_ref()
            .is_some_and(|held| held.to_data().ptr_eq(&coded.values().to_data()));
        if !same {
            self.take_counts()?;
            self.counts.resize(coded.values().len(), 0);
            self.dictionary = Some(std::sync::Arc::clone(coded.values()));
        }
        let name = self.name;
        let column = self
            .column
            .get_or_insert_with(|| Column::new(name, ColumnKind::Text));
        column.rows += coded.len() as u64;
        column.nulls += coded.null_count() as u64;
        let keys = coded.keys().values();
        let counts = self.counts.as_mut_slice();
        let mut count = |key: i32| {
            if let Some(count) = counts.get_mut(key as usize) {
                *count += 1;
            }
        };
        match coded.nulls() {
            None => keys.iter().for_each(|key| count(*key)),
            Some(nulls) => nulls.valid_indices().for_each(|row| count(keys[row])),
        }
        let texts = coded.values().as_string::<i32>();
        let until = self.rows + coded.len() as u64;
        while let Some(place) = self.places.get(self.behind).filter(|place| **place < until) {
            let row = (place - self.rows) as usize;
            self.texts
                .push(key_of(coded, row).map(|key| texts.value(key)));
            self.behind += 1;
        }
        self.rows = until;
        Ok(())
    }

    /// The counts of the dictionary that came last.
    fn take_counts(&mut self) -> Result<()> {
        let Some(values) = self.dictionary.take() else {
            return Ok(());
        };
        let values = values.as_string::<i32>();
        if let Some(unique) = &mut self.unique {
            let nulls = self.column.as_ref().is_some_and(|column| column.nulls > 0);
            if nulls || values.null_count() > 0 || self.counts.iter().any(|count| *count > 1) {
                unique.give_up();
            } else {
                let seen = (0..values.len()).filter(|at| self.counts[*at] > 0);
                unique.add(seen.map(|at| hash_text(values.value(at))))?;
            }
        }
        if let Some(Column {
            values: Values::Texts(texts),
            nulls,
            ..
        }) = &mut self.column
        {
            for (at, count) in self.counts.iter().enumerate() {
                if values.is_valid(at) {
                    texts.add_times(values.value(at), *count);
                } else {
                    *nulls += count;
                }
            }
        }
        self.counts.clear();
        Ok(())
    }

    fn keep(&mut self, array: &ArrayRef) {
        let until = self.rows + array.len() as u64;
        while let Some(place) = self.places.get(self.behind).filter(|place| **place < until) {
            let row = (place - self.rows) as usize;
            self.behind += 1;
            let known = array.is_valid(row);
            let number = match array.data_type() {
                DataType::Utf8 => {
                    let texts: &StringArray = array.as_string::<i32>();
                    self.texts.push(known.then(|| texts.value(row)));
                    continue;
                }
                DataType::Int64 => array.as_primitive::<Int64Type>().value(row) as f64,
                DataType::Float64 => array.as_primitive::<Float64Type>().value(row),
                DataType::Boolean => f64::from(u8::from(array.as_boolean().value(row))),
                _ => array.as_primitive::<TimestampMicrosecondType>().value(row) as f64,
            };
            self.kept.push(if known { number } else { f64::NAN });
        }
        self.rows = until;
    }

    /// The column's state; what is known of values that come twice goes back to `uniques`.
    pub fn finish(mut self, uniques: Option<&Uniques>) -> Result<Column> {
        self.take_counts()?;
        let name = self.name;
        if let (Some(uniques), Some(unique)) = (uniques, self.unique.take()) {
            uniques.end(name, unique);
        }
        let mut column = self
            .column
            .take()
            .unwrap_or_else(|| Column::new(name, ColumnKind::Number));
        column.kept = if column.kind == ColumnKind::Text {
            self.texts.finish()
        } else {
            Kept::Numbers(self.kept)
        };
        Ok(column)
    }
}

/// The place in the dictionary of a row's text; none where it is null.
fn key_of(coded: &DictionaryArray<Int32Type>, row: usize) -> Option<usize> {
    let key = coded.key(row)?;
    coded.values().is_valid(key).then_some(key)
}

fn integers(
    values: &[i64],
    nulls: Option<&NullBuffer>,
    valid: &mut Vec<i64>,
    scratch: &mut Vec<f64>,
    numbers: &mut Numbers,
) {
    let Some(nulls) = nulls else {
        values
            .chunks(BLOCK)
            .for_each(|block| numbers.add_integers(block, scratch));
        return;
    };
    for (at, block) in values.chunks(BLOCK).enumerate() {
        let mask = nulls.slice(at * BLOCK, block.len());
        if mask.null_count() == 0 {
            numbers.add_integers(block, scratch);
            continue;
        }
        valid.clear();
        valid.extend(mask.valid_indices().map(|row| block[row]));
        numbers.add_integers(valid, scratch);
    }
}

/// Nulls (NaN is one) and infinities.
fn floats(
    values: &[f64],
    nulls: Option<&NullBuffer>,
    finite: &mut Vec<f64>,
    numbers: &mut Numbers,
) -> (u64, u64) {
    let (mut missing, mut infinities) = (0, 0);
    for (at, block) in values.chunks(BLOCK).enumerate() {
        let mask = nulls.map(|nulls| nulls.slice(at * BLOCK, block.len()));
        let whole = mask.as_ref().is_none_or(|mask| mask.null_count() == 0);
        if whole && all_finite(block) {
            numbers.add_floats(block);
            continue;
        }
        finite.clear();
        let mut look = |x: f64| {
            if x.is_finite() {
                finite.push(x);
            } else if x.is_nan() {
                missing += 1;
            } else {
                infinities += 1;
            }
        };
        match &mask {
            None => block.iter().for_each(|x| look(*x)),
            Some(mask) => mask.valid_indices().for_each(|row| look(block[row])),
        }
        missing += mask.map_or(0, |mask| mask.null_count() as u64);
        numbers.add_floats(finite);
    }
    (missing, infinities)
}

/// `x * 0` is 0 for every finite number and NaN for the others; sums have no branch, and several run beside each other.
fn all_finite(numbers: &[f64]) -> bool {
    let (blocks, rest) = numbers.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks {
        for (sum, x) in sums.iter_mut().zip(block) {
            *sum += x * 0.0;
        }
    }
    let rest: f64 = rest.iter().map(|x| x * 0.0).sum();
    sums.iter().sum::<f64>() + rest == 0.0
}
