//! A number for each entity that is the same wherever its keys are equal (contract R6), and a quick look whether it was
//! seen at all. What is equal is decided by `keys`; here, entities are only kept apart from most others.

use super::keys;
use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::DataType;
use rustc_hash::FxHasher;
use std::hash::Hasher;

/// No entity: a key is null.
pub(super) const NOBODY: u64 = 0;

/// The hash of the entity of each of `rows` rows with these key columns, [`NOBODY`] where a key is null. No key columns:
/// one entity for all.
pub(super) fn hashes(keys: &[&ArrayRef], rows: usize) -> Vec<u64> {
    let mut all = vec![1; rows];
    for key in keys {
        match key.data_type() {
            DataType::Utf8 => {
                let texts = key.as_string::<i32>();
                add(&mut all, key, |row| {
                    let mut hasher = FxHasher::default();
                    hasher.write(texts.value(row).as_bytes());
                    Some(hasher.finish())
                });
            }
            DataType::Float64 => {
                let values = key.as_primitive::<Float64Type>().values();
                add(&mut all, key, |row| number(values[row]));
            }
            DataType::Boolean => {
                let values = key.as_boolean();
                add(&mut all, key, |row| Some(u64::from(values.value(row))));
            }
            DataType::Timestamp(_, _) => {
                let values = key.as_primitive::<TimestampMicrosecondType>().values();
                add(&mut all, key, |row| Some(values[row] as u64));
            }
            _ => {
                let values = key.as_primitive::<Int64Type>().values();
                add(&mut all, key, |row| Some(values[row] as u64));
            }
        }
    }
    all
}

fn add(all: &mut [u64], key: &ArrayRef, value: impl Fn(usize) -> Option<u64>) {
    for (row, hash) in all.iter_mut().enumerate() {
        let value = (key.is_valid(row) && *hash != NOBODY).then(|| value(row));
        *hash = match value.flatten() {
            Some(value) => mixed(*hash ^ mixed(value)).max(1),
            None => NOBODY,
        };
    }
}

/// A number as the whole number that it is, else its bits; NaN is null.
fn number(value: f64) -> Option<u64> {
    let whole = keys::exact(value).map(|whole| whole as u64);
    (!value.is_nan()).then(|| whole.unwrap_or(value.to_bits()))
}

/// Every bit of the result depends on every bit of `x` (the end of SplitMix64: Steele, Lea, Flood 2014).
fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

/// The part of an entity, of `parts`.
pub(super) fn part(hash: u64, parts: usize) -> u32 {
    ((hash >> 32) % parts.max(1) as u64) as u32
}

/// The entities that were seen, and a few more.
#[derive(Debug)]
pub(super) struct Seen {
    bits: Vec<u64>,
}

impl Seen {
    /// Of about `entities`, in no more than about `memory` bytes.
    pub(super) fn new(entities: u64, memory: u64) -> Self {
        let words = (entities / 4).min(memory / 8).clamp(16, 1 << 26);
        Self {
            bits: vec![0; words.next_power_of_two() as usize],
        }
    }

    pub(super) fn add(&mut self, hash: u64) {
        let (word, bit) = self.place(hash);
        self.bits[word] |= bit;
    }

    /// False: it was not seen.
    pub(super) fn has(&self, hash: u64) -> bool {
        let (word, bit) = self.place(hash);
        self.bits[word] & bit != 0
    }

    fn place(&self, hash: u64) -> (usize, u64) {
        let word = (hash >> 6) as usize & (self.bits.len() - 1);
        (word, 1 << (hash & 63))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use arrow_array::{BooleanArray, Float64Array, Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn equal_keys_of_different_types_have_one_hash_and_null_has_none() {
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(-7), None]));
        let real: ArrayRef = Arc::new(Float64Array::from(vec![-0.0, -7.0, f64::NAN]));
        assert_eq!(hashes(&[&whole], 3), hashes(&[&real], 3));
        assert_eq!(hashes(&[&whole, &real], 3)[2], NOBODY);
        let word: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "a"]));
        let yes: ArrayRef = Arc::new(BooleanArray::from(vec![true, true, false]));
        let both = hashes(&[&word, &yes], 3);
        assert!(both[0] != both[1] && both[0] != both[2]);
        assert_ne!(both, hashes(&[&yes, &word], 3));
        assert_eq!(hashes(&[], 2), [1, 1]);
    }

    #[test]
    fn what_was_not_seen_is_mostly_known() {
        let keys: ArrayRef = Arc::new((0..20_000).map(Some).collect::<Int64Array>());
        let hashes = hashes(&[&keys], 20_000);
        let mut seen = Seen::new(10_000, 1 << 20);
        hashes[..10_000].iter().for_each(|hash| seen.add(*hash));
        assert!(hashes[..10_000].iter().all(|hash| seen.has(*hash)));
        let wrong = hashes[10_000..].iter().filter(|hash| seen.has(**hash));
        assert!(wrong.count() < 1_500);
        let mut counts = [0; 7];
        for hash in hashes {
            counts[part(hash, 7) as usize] += 1;
        }
        assert!(counts.iter().all(|count| (2_600..3_100).contains(count)));
    }
}
