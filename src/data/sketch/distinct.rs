//! How many different values: exact up to 4,096, HyperLogLog beyond (Flajolet et al. 2007) with the estimator of Ertl
//! (2017, "New cardinality estimation algorithms for HyperLogLog sketches"), which has no bias at any size: 16,384
//! registers, standard error 0.8 %.

use super::bytes::{Reader, Writer, damaged};
use crate::data::Result;
use rustc_hash::FxHashSet;

/// Different values that are counted exactly.
pub const EXACT: usize = 4_096;

const BITS: u32 = 14;
/// Greatest rank of a register: the bits that are left, and one.
const RANKS: usize = 64 - BITS as usize + 1;

/// Of anything that hashes to 64 well-mixed bits; see [`hash_text`] and [`hash_number`].
#[derive(Clone, Debug)]
pub struct Distinct {
    seen: Seen,
}

#[derive(Clone, Debug)]
enum Seen {
    Hashes(FxHashSet<u64>),
    Registers(Box<Registers>),
}

type Registers = [u8; 1 << BITS];

impl Default for Distinct {
    fn default() -> Self {
        Self {
            seen: Seen::Hashes(FxHashSet::default()),
        }
    }
}

impl Distinct {
    /// Takes a value's hash in.
    pub fn add(&mut self, hash: u64) {
        match &mut self.seen {
            Seen::Hashes(hashes) => {
                hashes.insert(hash);
                if hashes.len() > EXACT {
                    self.seen = Seen::Registers(registers(hashes));
                }
            }
            Seen::Registers(registers) => note(registers, hash),
        }
    }

    /// Takes the hashes of many values in.
    pub fn add_all(&mut self, hashes: impl Iterator<Item = u64>) {
        let mut hashes = hashes;
        if let Seen::Hashes(_) = self.seen {
            for hash in hashes.by_ref() {
                self.add(hash);
                if !self.is_exact() {
                    break;
                }
            }
        }
        if let Seen::Registers(registers) = &mut self.seen {
            hashes.for_each(|hash| note(registers, hash));
        }
    }

    /// Takes all of `other` in: the same as if its values had been added here.
    pub fn merge(&mut self, other: &Self) {
        match (&mut self.seen, &other.seen) {
            (_, Seen::Hashes(hashes)) => hashes.iter().for_each(|hash| self.add(*hash)),
            (Seen::Hashes(hashes), Seen::Registers(theirs)) => {
                let mut ours = theirs.clone();
                hashes.iter().for_each(|hash| note(&mut ours, *hash));
                self.seen = Seen::Registers(ours);
            }
            (Seen::Registers(ours), Seen::Registers(theirs)) => {
                for (our, their) in ours.iter_mut().zip(theirs.iter()) {
                    *our = (*our).max(*their);
                }
            }
        }
    }

    /// Different values: exact or estimated.
    pub fn count(&self) -> u64 {
        match &self.seen {
            Seen::Hashes(hashes) => hashes.len() as u64,
            Seen::Registers(registers) => estimate(registers).round() as u64,
        }
    }

    /// Whether [`Self::count`] is exact.
    pub fn is_exact(&self) -> bool {
        matches!(self.seen, Seen::Hashes(_))
    }

    /// Appends it to what is kept.
    pub fn write(&self, to: &mut Writer) {
        to.flag(self.is_exact());
        match &self.seen {
            Seen::Hashes(hashes) => {
                let mut sorted: Vec<u64> = hashes.iter().copied().collect();
                sorted.sort_unstable();
                to.count(sorted.len() as u64);
                sorted.into_iter().for_each(|hash| to.word(hash));
            }
            Seen::Registers(registers) => to.bytes.extend(registers.iter()),
        }
    }

    /// A kept one.
    pub fn read(from: &mut Reader<'_>) -> Result<Self> {
        let seen = if from.flag()? {
            let count = from.length(8)?;
            Seen::Hashes((0..count).map(|_| from.word()).collect::<Result<_>>()?)
        } else {
            let mut registers = Box::new([0; 1 << BITS]);
            registers.copy_from_slice(from.take(1 << BITS)?);
            if registers.iter().any(|rank| usize::from(*rank) > RANKS) {
                return Err(damaged());
            }
            Seen::Registers(registers)
        };
        Ok(Self { seen })
    }
}

fn registers(hashes: &FxHashSet<u64>) -> Box<Registers> {
    let mut registers = Box::new([0; 1 << BITS]);
    hashes.iter().for_each(|hash| note(&mut registers, *hash));
    registers
}

fn note(registers: &mut Registers, hash: u64) {
    let at = (hash >> (64 - BITS)) as usize;
    let rank = ((hash << BITS) | (1 << (BITS - 1))).leading_zeros() as u8 + 1;
    // rarely greater: a store that is not made costs nothing
    if registers[at] < rank {
        registers[at] = rank;
    }
}

/// Ertl's improved raw estimator: algorithm 6 of the paper.
fn estimate(registers: &Registers) -> f64 {
    let m = registers.len() as f64;
    let mut counts = [0.0; RANKS + 1];
    for rank in registers {
        counts[usize::from(*rank)] += 1.0;
    }
    let mut z = m * tau(1.0 - counts[RANKS] / m);
    for count in counts[1..RANKS].iter().rev() {
        z = 0.5 * (z + count);
    }
    z += m * sigma(counts[0] / m);
    m * m / (2.0 * std::f64::consts::LN_2 * z)
}

fn sigma(mut x: f64) -> f64 {
    if x >= 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x) * (1.0 - x) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

/// The finaliser of MurmurHash3: every input bit moves every output bit.
fn mix(mut x: u64) -> u64 {
    x ^= x >> 33;
    x = x.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    x ^= x >> 33;
    x = x.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    x ^ (x >> 33)
}

/// The hash of a number; both zeros are one value.
pub fn hash_number(x: f64) -> u64 {
    mix((x + 0.0).to_bits())
}

/// The hash of a whole number: that of the same number with a point, where there is one.
pub fn hash_integer(x: i64) -> u64 {
    if x.unsigned_abs() <= 1 << 53 {
        hash_number(x as f64)
    } else {
        mix(x as u64 ^ 0x5851_F42D_4C95_7F2D)
    }
}

/// The hash of a text: eight bytes at a time. Part of what is kept: it never changes.
pub fn hash_text(text: &str) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let bytes = text.as_bytes();
    let mut hash = (bytes.len() as u64).wrapping_mul(ODD);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        hash = (hash ^ u64::from_le_bytes(*word)).wrapping_mul(ODD);
        hash ^= hash >> 29;
    }
    if !rest.is_empty() {
        let last = match bytes.last_chunk::<8>() {
            // bytes that are written one by one and read together wait for each other: these were read before
            Some(eight) => u64::from_le_bytes(*eight) >> (8 * (8 - rest.len())),
            None => rest
                .iter()
                .rev()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        hash = (hash ^ last).wrapping_mul(ODD);
    }
    mix(hash)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn of(numbers: std::ops::Range<u32>) -> Distinct {
        let mut distinct = Distinct::default();
        numbers.for_each(|i| distinct.add(hash_text(&format!("value {i}"))));
        distinct
    }

    #[test]
    fn exact_while_small_and_close_beyond() {
        let small = of(0..4_000);
        assert!(small.is_exact());
        assert_eq!(small.count(), 4_000);
        for n in [5_000, 30_000, 60_000, 200_000] {
            let error = of(0..n).count() as f64 / f64::from(n) - 1.0;
            assert!(error.abs() < 0.025, "{n}: {error}");
        }
    }

    #[test]
    fn numbers_that_follow_each_other_are_counted_too() {
        let mut distinct = Distinct::default();
        distinct.add_all((0..2_000_000).map(hash_integer));
        let error = distinct.count() as f64 / 2e6 - 1.0;
        assert!(error.abs() < 0.025, "{error}");
    }

    #[test]
    fn hashes_of_texts_stay_what_is_kept_of_them() {
        for (text, hash) in [
            ("", 0x0000_0000_0000_0000),
            ("a", 0x47D1_E6B3_92F8_636D),
            ("value 1", 0x25A5_3C07_E962_7F67),
            ("12345678", 0x5E77_91DA_0677_9B18),
            ("tail-9001", 0xAFB8_5C55_960A_4490),
            ("žluťoučký kůň", 0x6E23_0281_1DF5_6789),
        ] {
            assert_eq!(hash_text(text), hash, "{text}");
        }
    }

    #[test]
    fn zeros_are_one_value_and_whole_numbers_their_own() {
        assert_eq!(hash_number(0.0), hash_number(-0.0));
        assert_eq!(hash_number(7.0), hash_integer(7));
        assert_ne!(hash_integer(i64::MAX), hash_integer(i64::MAX - 1));
        let texts = ["", "a", "a\0", "\0", "12345678", "123456780", "12345678\0"];
        let hashes: std::collections::BTreeSet<u64> =
            texts.iter().map(|text| hash_text(text)).collect();
        assert_eq!(hashes.len(), texts.len());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn merged_in_any_order_is_whole(sizes in prop::collection::vec(0u32..9_000, 1..5), overlap in 0u32..500) {
            let (mut parts, mut from) = (Vec::new(), 0u32);
            for size in &sizes {
                parts.push(of(from..from + size));
                from += size.saturating_sub(overlap);
            }
            let whole = {
                let (mut all, mut from) = (Distinct::default(), 0u32);
                for size in &sizes {
                    (from..from + size).for_each(|i| all.add(hash_text(&format!("value {i}"))));
                    from += size.saturating_sub(overlap);
                }
                all
            };
            let mut forward = Distinct::default();
            parts.iter().for_each(|part| forward.merge(part));
            let mut backward = Distinct::default();
            parts.iter().rev().for_each(|part| backward.merge(part));
            prop_assert_eq!(forward.count(), whole.count());
            prop_assert_eq!(backward.count(), whole.count());
            let mut kept = Writer::default();
            forward.write(&mut kept);
            let back = Distinct::read(&mut Reader::new(&kept.bytes)).unwrap();
            prop_assert_eq!(back.count(), forward.count());
            prop_assert!(Distinct::read(&mut Reader::new(&kept.bytes[..kept.bytes.len() - 1])).is_err());
        }
    }
}
