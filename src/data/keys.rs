//! Entities as dense numbers: key columns of two tables, equal keys get the same number (contract R6).
//! Exact: values are compared, not their hashes.

use super::{Error, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use rustc_hash::FxHashMap;
use std::hash::Hash;

/// No entity: a key was null, or the entity is not among those asked for.
pub const NONE: u32 = u32::MAX;

/// The entities of rows and of facts, numbered from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entities {
    /// Of each row; [`NONE`] when a key is null.
    pub rows: Vec<u32>,
    /// Of each fact; [`NONE`] when a key is null or no row has it.
    pub facts: Vec<u32>,
    /// Entities there are.
    pub count: usize,
}

/// Numbers the entities of `rows` and finds those of `facts` among them. No key columns: one entity for all.
pub fn entities(
    rows: &[&ArrayRef],
    row_count: usize,
    facts: &[&ArrayRef],
    fact_count: usize,
) -> Result<Entities> {
    if rows.len() != facts.len() {
        return Err(Error::new(format!(
            "{} key columns on one side and {} on the other",
            rows.len(),
            facts.len()
        )));
    }
    let mut all = Entities {
        rows: vec![0; row_count],
        facts: vec![0; fact_count],
        count: 1,
    };
    for (at, (left, right)) in rows.iter().zip(facts).enumerate() {
        let codes = encode(left, right)?;
        if at == 0 {
            all = codes;
            continue;
        }
        let mut pairs: FxHashMap<(u32, u32), u32> = FxHashMap::default();
        for (mine, other) in all.rows.iter_mut().zip(&codes.rows) {
            *mine = if *mine == NONE || *other == NONE {
                NONE
            } else {
                let next = pairs.len() as u32;
                *pairs.entry((*mine, *other)).or_insert(next)
            };
        }
        for (mine, other) in all.facts.iter_mut().zip(&codes.facts) {
            *mine = pairs.get(&(*mine, *other)).copied().unwrap_or(NONE);
        }
        all.count = pairs.len();
    }
    Ok(all)
}

/// One key column. Whole numbers and numbers compare by value; other kinds only with themselves.
fn encode(rows: &ArrayRef, facts: &ArrayRef) -> Result<Entities> {
    let all_null = |column: &ArrayRef| column.null_count() == column.len();
    if all_null(rows) || all_null(facts) {
        return Ok(Entities {
            rows: vec![NONE; rows.len()],
            facts: vec![NONE; facts.len()],
            count: 0,
        });
    }
    match (rows.data_type(), facts.data_type()) {
        (DataType::Utf8, DataType::Utf8) => Ok(number(
            rows.as_string::<i32>().iter(),
            facts.as_string::<i32>().iter(),
        )),
        (DataType::Int64, DataType::Int64) => Ok(number(
            rows.as_primitive::<Int64Type>().iter(),
            facts.as_primitive::<Int64Type>().iter(),
        )),
        (DataType::Boolean, DataType::Boolean) => {
            Ok(number(rows.as_boolean().iter(), facts.as_boolean().iter()))
        }
        (DataType::Timestamp(_, _), DataType::Timestamp(_, _)) => Ok(number(
            rows.as_primitive::<TimestampMicrosecondType>().iter(),
            facts.as_primitive::<TimestampMicrosecondType>().iter(),
        )),
        (DataType::Int64 | DataType::Float64, DataType::Int64 | DataType::Float64) => {
            Ok(number(bits(rows).into_iter(), bits(facts).into_iter()))
        }
        _ => {
            let word = |column: &ArrayRef| {
                super::types::kind_of(column.data_type())
                    .map_or_else(String::new, |kind| kind.to_string())
            };
            Err(Error::new(format!(
                "a key is {} on one side and {} on the other; make them one type",
                word(rows),
                word(facts)
            )))
        }
    }
}

/// Numbers by their bits, so that equal ones are equal: -0 is 0, NaN is null.
fn bits(column: &ArrayRef) -> Vec<Option<u64>> {
    let bits = |value: f64| (!value.is_nan()).then_some((value + 0.0).to_bits());
    match column.data_type() {
        DataType::Int64 => column
            .as_primitive::<Int64Type>()
            .iter()
            .map(|value| value.and_then(|value| bits(value as f64)))
            .collect(),
        _ => column
            .as_primitive::<Float64Type>()
            .iter()
            .map(|value| value.and_then(bits))
            .collect(),
    }
}

fn number<T: Hash + Eq>(
    rows: impl Iterator<Item = Option<T>>,
    facts: impl Iterator<Item = Option<T>>,
) -> Entities {
    let mut codes: FxHashMap<T, u32> = FxHashMap::default();
    let rows = rows
        .map(|key| match key {
            None => NONE,
            Some(key) => {
                let next = codes.len() as u32;
                *codes.entry(key).or_insert(next)
            }
        })
        .collect();
    let facts = facts
        .map(|key| key.and_then(|key| codes.get(&key).copied()).unwrap_or(NONE))
        .collect();
    Entities {
        rows,
        facts,
        count: codes.len(),
    }
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
    use arrow_array::{Float64Array, Int64Array, StringArray};
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
        let found = entities(&[&words, &whole], 4, &[&other_words, &numbers], 4).unwrap();
        assert_eq!(found.rows, [0, 1, NONE, NONE]);
        assert_eq!(found.facts, [1, NONE, NONE, NONE]);
        assert_eq!(found.count, 2);
    }

    #[test]
    fn no_keys_are_one_entity_and_types_must_agree() {
        let found = entities(&[], 2, &[], 3).unwrap();
        assert_eq!(
            (found.rows, found.facts, found.count),
            (vec![0, 0], vec![0, 0, 0], 1)
        );
        let words: ArrayRef = Arc::new(StringArray::from(vec!["1"]));
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        assert!(
            entities(&[&words], 1, &[&whole], 1)
                .unwrap_err()
                .0
                .contains("text")
        );
    }

    #[test]
    fn groups_keep_the_order() {
        let (order, starts) = group(&[1, 0, NONE, 1, 0], 2, |position| position != 4);
        assert_eq!((order, starts), (vec![1, 0, 3], vec![0, 1, 3]));
    }
}
