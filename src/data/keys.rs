//! Entities as dense numbers: key columns of two tables, equal keys get the same number (contract R6).
//! Exact: values are compared, not their hashes. Whole numbers in a narrow range need no hashing at all.

use super::{Error, Result};
use crate::domain::dataset::ColumnKind;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use rustc_hash::FxHashMap;
use std::hash::Hash;

/// No entity: a key was null, or the entity is not among those asked for.
pub const NONE: u32 = u32::MAX;

/// The entities that rows ask for, numbered from 0. Borrows the rows' key columns.
#[derive(Debug)]
pub struct Directory<'a> {
    columns: Vec<Codes<'a>>,
    /// For each key column after the first: entity of the columns before it and its own code -> entity.
    pairs: Vec<Pairs>,
    count: usize,
}

/// The values of one key column, numbered.
#[derive(Debug)]
enum Codes<'a> {
    /// Nothing but nulls, whatever the type is said to be: matches nothing.
    Nothing,
    Text(FxHashMap<&'a str, u32>),
    /// Numbers by their bits: -0 is 0, NaN is null.
    Number(FxHashMap<u64, u32>),
    /// Whole numbers, times and booleans.
    Whole(ColumnKind, Whole),
}

#[derive(Debug)]
enum Whole {
    /// The code of `least + place`; [`NONE`] where no row has it.
    Dense {
        least: i64,
        codes: Vec<u32>,
    },
    Sparse(FxHashMap<i64, u32>),
}

#[derive(Debug)]
enum Pairs {
    /// Entity of (left, right) at `left * width + right`.
    Dense {
        width: usize,
        entities: Vec<u32>,
    },
    Sparse(FxHashMap<u64, u32>),
}

impl<'a> Directory<'a> {
    /// Numbers the entities of `rows` rows with these key columns; with the entity of each row, [`NONE`] when a key is
    /// null. No key columns: one entity for all.
    pub fn new(keys: &[&'a ArrayRef], rows: usize) -> (Self, Vec<u32>) {
        let mut directory = Self {
            columns: Vec::with_capacity(keys.len()),
            pairs: Vec::new(),
            count: 1,
        };
        let mut all = vec![0; rows];
        for (at, key) in keys.iter().enumerate() {
            let (codes, of_rows, count) = number(key);
            if at == 0 {
                (all, directory.count) = (of_rows, count);
            } else {
                let (pairs, entities) = Pairs::new(&mut all, &of_rows, directory.count, count);
                directory.pairs.push(pairs);
                directory.count = entities;
            }
            directory.columns.push(codes);
        }
        (directory, all)
    }

    /// Entities there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The entity of each of `rows` other rows with these key columns, [`NONE`] when it is not asked for. Whole
    /// numbers and numbers are equal when their values are; other kinds only compare with themselves.
    pub fn find(&self, keys: &[&ArrayRef], rows: usize) -> Result<Vec<u32>> {
        if self.columns.len() != keys.len() {
            return Err(Error::new(format!(
                "{} key columns on one side and {} on the other",
                self.columns.len(),
                keys.len()
            )));
        }
        let mut all = vec![0; rows];
        for (at, (codes, key)) in self.columns.iter().zip(keys).enumerate() {
            let found = codes.find(key)?;
            if at == 0 {
                all = found;
            } else {
                self.pairs[at - 1].find(&mut all, &found);
            }
        }
        Ok(all)
    }
}

/// The values of a column numbered from 0: the number of each row, [`NONE`] for null, and how many there are.
pub(super) fn distinct(column: &ArrayRef) -> (Vec<u32>, usize) {
    let (_, of_rows, count) = number(column);
    (of_rows, count)
}

fn number(column: &ArrayRef) -> (Codes<'_>, Vec<u32>, usize) {
    if column.null_count() == column.len() {
        return (Codes::Nothing, vec![NONE; column.len()], 0);
    }
    match column.data_type() {
        DataType::Utf8 => {
            let (codes, of_rows) = by_hash(column.as_string::<i32>().iter());
            let count = codes.len();
            (Codes::Text(codes), of_rows, count)
        }
        DataType::Float64 => {
            let values = column.as_primitive::<Float64Type>().iter();
            let (codes, of_rows) = by_hash(values.map(|value| value.and_then(bits)));
            let count = codes.len();
            (Codes::Number(codes), of_rows, count)
        }
        DataType::Boolean => {
            let values = column.as_boolean().iter();
            let (codes, of_rows) = by_hash(values.map(|value| value.map(i64::from)));
            let count = codes.len();
            let whole = Whole::Sparse(codes);
            (Codes::Whole(ColumnKind::Boolean, whole), of_rows, count)
        }
        other => {
            let (kind, values) = match other {
                DataType::Timestamp(_, _) => (
                    ColumnKind::Time,
                    column
                        .as_primitive::<TimestampMicrosecondType>()
                        .values()
                        .clone(),
                ),
                _ => (
                    ColumnKind::Integer,
                    column.as_primitive::<Int64Type>().values().clone(),
                ),
            };
            let (whole, of_rows, count) = number_whole(&values, column);
            (Codes::Whole(kind, whole), of_rows, count)
        }
    }
}

/// Numbers in the order of the values when they lie close together, else in the order of appearance.
fn number_whole(values: &[i64], column: &ArrayRef) -> (Whole, Vec<u32>, usize) {
    let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
    let is_there = |at: usize| nulls.is_none_or(|nulls| nulls.is_valid(at));
    let present = || (0..values.len()).filter(|at| is_there(*at));
    let (least, greatest) = match nulls {
        None => values
            .iter()
            .fold((i64::MAX, i64::MIN), |(least, greatest), value| {
                (least.min(*value), greatest.max(*value))
            }),
        Some(_) => present().fold((i64::MAX, i64::MIN), |(least, greatest), at| {
            (least.min(values[at]), greatest.max(values[at]))
        }),
    };
    let width = i128::from(greatest) - i128::from(least) + 1;
    if width > (4 * values.len() as i128).max(1 << 16) {
        let keys = (0..values.len()).map(|at| is_there(at).then(|| values[at]));
        let (codes, of_rows) = by_hash(keys);
        let count = codes.len();
        return (Whole::Sparse(codes), of_rows, count);
    }
    let mut codes = vec![NONE; width as usize];
    match nulls {
        None => (values.iter()).for_each(|value| codes[(value - least) as usize] = 0),
        Some(_) => present().for_each(|at| codes[(values[at] - least) as usize] = 0),
    }
    let mut count = 0;
    for code in codes.iter_mut().filter(|code| **code != NONE) {
        *code = count;
        count += 1;
    }
    let code = |value: i64| codes[(value - least) as usize];
    let of_rows = match nulls {
        None => values.iter().map(|value| code(*value)).collect(),
        Some(nulls) => (values.iter().zip(nulls))
            .map(|(value, is_there)| if is_there { code(*value) } else { NONE })
            .collect(),
    };
    (Whole::Dense { least, codes }, of_rows, count as usize)
}

fn by_hash<T: Hash + Eq + Copy>(
    keys: impl Iterator<Item = Option<T>>,
) -> (FxHashMap<T, u32>, Vec<u32>) {
    let mut codes: FxHashMap<T, u32> = FxHashMap::default();
    let of_rows = keys
        .map(|key| match key {
            None => NONE,
            Some(key) => {
                let next = codes.len() as u32;
                *codes.entry(key).or_insert(next)
            }
        })
        .collect();
    (codes, of_rows)
}

/// A number's bits, so that equal numbers are equal: -0 is 0, NaN is null.
fn bits(value: f64) -> Option<u64> {
    (!value.is_nan()).then_some((value + 0.0).to_bits())
}

/// The whole number that `value` is, if it is one.
pub(super) fn exact(value: f64) -> Option<i64> {
    let whole = value as i64;
    (whole as f64 == value && whole != i64::MAX).then_some(whole)
}

impl Whole {
    fn get(&self, value: i64) -> u32 {
        match self {
            Self::Dense { least, codes } => {
                let place = value.wrapping_sub(*least) as u64;
                if value < *least || place >= codes.len() as u64 {
                    NONE
                } else {
                    codes[place as usize]
                }
            }
            Self::Sparse(codes) => codes.get(&value).copied().unwrap_or(NONE),
        }
    }
}

impl Codes<'_> {
    fn find(&self, column: &ArrayRef) -> Result<Vec<u32>> {
        let rows = column.len();
        if column.null_count() == rows {
            return Ok(vec![NONE; rows]);
        }
        let at_most = |code: Option<u32>| code.unwrap_or(NONE);
        Ok(match (self, column.data_type()) {
            (Self::Nothing, _) => vec![NONE; rows],
            (Self::Text(codes), DataType::Utf8) => column
                .as_string::<i32>()
                .iter()
                .map(|key| at_most(key.and_then(|key| codes.get(key).copied())))
                .collect(),
            (Self::Number(codes), DataType::Float64) => column
                .as_primitive::<Float64Type>()
                .iter()
                .map(|key| at_most(key.and_then(bits).and_then(|key| codes.get(&key).copied())))
                .collect(),
            (Self::Number(codes), DataType::Int64) => column
                .as_primitive::<Int64Type>()
                .iter()
                .map(|key| {
                    let key = key.filter(|key| exact(*key as f64) == Some(*key));
                    let key = key.and_then(|key| bits(key as f64));
                    at_most(key.and_then(|key| codes.get(&key).copied()))
                })
                .collect(),
            (Self::Whole(ColumnKind::Integer, codes), DataType::Int64) => {
                find_whole(codes, column.as_primitive::<Int64Type>().values(), column)
            }
            (Self::Whole(ColumnKind::Integer, codes), DataType::Float64) => column
                .as_primitive::<Float64Type>()
                .iter()
                .map(|key| at_most(key.and_then(exact).map(|key| codes.get(key))))
                .collect(),
            (Self::Whole(ColumnKind::Time, codes), DataType::Timestamp(_, _)) => {
                let times = column.as_primitive::<TimestampMicrosecondType>();
                find_whole(codes, times.values(), column)
            }
            (Self::Whole(ColumnKind::Boolean, codes), DataType::Boolean) => column
                .as_boolean()
                .iter()
                .map(|key| at_most(key.map(|key| codes.get(i64::from(key)))))
                .collect(),
            (held, came) => {
                let came = super::types::kind_of(came);
                return Err(Error::new(format!(
                    "a key is {} on one side and {} on the other; make them one type",
                    held.kind(),
                    came.map_or_else(String::new, |kind| kind.to_string())
                )));
            }
        })
    }

    fn kind(&self) -> ColumnKind {
        match self {
            Self::Text(_) => ColumnKind::Text,
            Self::Nothing | Self::Number(_) => ColumnKind::Number,
            Self::Whole(kind, _) => *kind,
        }
    }
}

fn find_whole(codes: &Whole, values: &[i64], column: &ArrayRef) -> Vec<u32> {
    match column.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.iter().map(|value| codes.get(*value)).collect(),
        Some(nulls) => (values.iter().zip(nulls))
            .map(|(value, is_there)| if is_there { codes.get(*value) } else { NONE })
            .collect(),
    }
}

impl Pairs {
    /// Makes `left` the entity of (left, right), numbered in order of appearance; with the number of entities.
    fn new(left: &mut [u32], right: &[u32], lefts: usize, rights: usize) -> (Self, usize) {
        let mut count = 0;
        let mut next = || {
            count += 1;
            count - 1
        };
        let pairs = if lefts.saturating_mul(rights) <= (4 * left.len()).max(1 << 16) {
            let mut entities = vec![NONE; lefts * rights];
            for (left, right) in left.iter_mut().zip(right) {
                if *left != NONE && *right != NONE {
                    let slot = &mut entities[*left as usize * rights + *right as usize];
                    if *slot == NONE {
                        *slot = next();
                    }
                    *left = *slot;
                } else {
                    *left = NONE;
                }
            }
            Self::Dense {
                width: rights,
                entities,
            }
        } else {
            let mut entities: FxHashMap<u64, u32> = FxHashMap::default();
            for (left, right) in left.iter_mut().zip(right) {
                *left = if *left == NONE || *right == NONE {
                    NONE
                } else {
                    *entities
                        .entry(pair(*left, *right))
                        .or_insert_with(&mut next)
                };
            }
            Self::Sparse(entities)
        };
        (pairs, count as usize)
    }

    fn find(&self, left: &mut [u32], right: &[u32]) {
        for (left, right) in left.iter_mut().zip(right) {
            *left = match self {
                _ if *left == NONE || *right == NONE => NONE,
                Self::Dense { width, entities } => {
                    entities[*left as usize * width + *right as usize]
                }
                Self::Sparse(entities) => {
                    let found = entities.get(&pair(*left, *right));
                    found.copied().unwrap_or(NONE)
                }
            };
        }
    }
}

fn pair(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// Positions `0..entity.len()` grouped by entity, in order within each: the positions, and where each entity's begin
/// (one more than there are entities). Positions without entity, or for which `keep` says no, are left out.
pub fn group(entity: &[u32], count: usize, keep: impl Fn(usize) -> bool) -> (Vec<u32>, Vec<usize>) {
    let mut starts = vec![0usize; count + 1];
    for (position, id) in entity.iter().enumerate() {
        if *id != NONE && keep(position) {
            starts[*id as usize + 1] += 1;
        }
    }
    for at in 1..=count {
        starts[at] += starts[at - 1];
    }
    let mut order = vec![0u32; starts[count]];
    let mut next = starts.clone();
    for (position, id) in entity.iter().enumerate() {
        if *id != NONE && keep(position) {
            let slot = &mut next[*id as usize];
            order[*slot] = position as u32;
            *slot += 1;
        }
    }
    (order, starts)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow_array::{BooleanArray, Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    #[test]
    fn all_key_columns_must_be_equal_and_null_never_is() {
        let words: ArrayRef = Arc::new(StringArray::from(vec![
            Some("a"),
            Some("a"),
            None,
            Some("b"),
        ]));
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(1), None]));
        let other_words: ArrayRef = Arc::new(StringArray::from(vec![
            Some("a"),
            Some("a"),
            Some("b"),
            None,
        ]));
        let numbers: ArrayRef = Arc::new(Float64Array::from(vec![2.0, 1.5, 1.0, 1.0]));
        let (directory, rows) = Directory::new(&[&words, &whole], 4);
        assert_eq!(rows, [0, 1, NONE, NONE]);
        let facts = directory.find(&[&other_words, &numbers], 4).unwrap();
        assert_eq!(facts, [1, NONE, NONE, NONE]);
        assert_eq!(directory.count(), 2);
    }

    #[test]
    fn no_keys_are_one_entity_and_types_must_agree() {
        let (directory, rows) = Directory::new(&[], 2);
        assert_eq!(
            (rows, directory.find(&[], 3).unwrap(), directory.count()),
            (vec![0, 0], vec![0, 0, 0], 1)
        );
        let words: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let (directory, _) = Directory::new(&[&words], 1);
        let error = directory.find(&[&whole], 1).unwrap_err().0;
        assert!(
            error.contains("text") && error.contains("integer"),
            "{error}"
        );
        assert!(directory.find(&[], 1).is_err());
    }

    #[test]
    fn whole_numbers_that_no_number_can_hold_stay_apart() {
        let big = 1_i64 << 53;
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![big, big + 1, i64::MAX, i64::MIN]));
        let number: ArrayRef = Arc::new(Float64Array::from(vec![
            big as f64,
            i64::MAX as f64,
            i64::MIN as f64,
            f64::NAN,
        ]));
        let (directory, rows) = Directory::new(&[&whole], 4);
        assert_eq!(
            directory.find(&[&number], 4).unwrap(),
            [rows[0], NONE, rows[3], NONE]
        );
        let (directory, rows) = Directory::new(&[&number], 4);
        assert_eq!(
            directory.find(&[&whole], 4).unwrap(),
            [rows[0], NONE, NONE, rows[2]]
        );
    }

    #[test]
    fn groups_keep_the_order() {
        let (order, starts) = group(&[1, 0, NONE, 1, 0], 2, |position| position != 4);
        assert_eq!((order, starts), (vec![1, 0, 3], vec![0, 1, 3]));
    }

    /// A key column of one kind from small numbers.
    fn column(kind: u8, values: &[Option<i64>]) -> ArrayRef {
        let values = values.iter().copied();
        match kind {
            0 => Arc::new(values.collect::<Int64Array>()),
            1 => Arc::new(
                values
                    .map(|value| value.map(|value| value as f64 / 2.0))
                    .collect::<Float64Array>(),
            ),
            2 => Arc::new(
                values
                    .map(|value| value.map(|value| format!("k{value}")))
                    .collect::<StringArray>(),
            ),
            3 => Arc::new(
                values
                    .map(|value| value.map(|value| value > 2))
                    .collect::<BooleanArray>(),
            ),
            // far apart, so that they are hashed
            _ => Arc::new(
                values
                    .map(|value| value.map(|value| value * 1_000_000_007))
                    .collect::<Int64Array>(),
            ),
        }
    }

    fn key() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![6 => (0i64..6).prop_map(Some), 1 => Just(None)]
    }

    proptest! {
        #[test]
        fn entities_are_equal_when_their_keys_are(
            kinds in prop::collection::vec(0u8..5, 1..4),
            rows in prop::collection::vec([key(), key(), key()], 1..30),
            facts in prop::collection::vec([key(), key(), key()], 1..30),
        ) {
            let side = |all: &[[Option<i64>; 3]]| -> Vec<ArrayRef> {
                let of = |at: usize| all.iter().map(|keys| keys[at]).collect::<Vec<_>>();
                kinds.iter().enumerate().map(|(at, kind)| column(*kind, &of(at))).collect()
            };
            let (left, right) = (side(&rows), side(&facts));
            let (directory, of_rows) = Directory::new(&left.iter().collect::<Vec<_>>(), rows.len());
            let of_facts = directory.find(&right.iter().collect::<Vec<_>>(), facts.len()).unwrap();
            let equal = |row: usize, fact: usize| kinds.iter().enumerate().all(|(at, kind)| {
                match (rows[row][at], facts[fact][at]) {
                    (Some(a), Some(b)) if *kind == 3 => (a > 2) == (b > 2),
                    (Some(a), Some(b)) => a == b,
                    _ => false,
                }
            });
            for (row, of_row) in of_rows.iter().enumerate() {
                let null = rows[row].iter().take(kinds.len()).any(Option::is_none);
                prop_assert_eq!(*of_row == NONE, null);
                for (fact, of_fact) in of_facts.iter().enumerate() {
                    prop_assert_eq!(*of_row != NONE && of_row == of_fact, equal(row, fact));
                }
            }
        }
    }
}
