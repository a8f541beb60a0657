//! How many different values: exact up to 4,096, HyperLogLog beyond (Flajolet et al. 2007, with the
//! linear counting of small ranges): 16,384 registers, standard error 0.8 %.

use rustc_hash::FxHashSet;

/// Different values that are counted exactly.
pub const EXACT: usize = 4_096;

const BITS: u32 = 14;

/// Of anything that hashes to 64 well-mixed bits; see [`hash_text`] and [`hash_number`].
#[derive(Clone, Debug)]
pub struct Distinct {
    seen: Seen,
}

#[derive(Clone, Debug)]
enum Seen {
    Hashes(FxHashSet<u64>),
    Registers(Vec<u8>),
}

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
                for (our, their) in ours.iter_mut().zip(theirs) {
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
}

fn registers(hashes: &FxHashSet<u64>) -> Vec<u8> {
    let mut registers = vec![0; 1 << BITS];
    hashes.iter().for_each(|hash| note(&mut registers, *hash));
    registers
}

fn note(registers: &mut [u8], hash: u64) {
    let at = (hash >> (64 - BITS)) as usize;
    let rank = ((hash << BITS) | (1 << (BITS - 1))).leading_zeros() as u8 + 1;
    registers[at] = registers[at].max(rank);
}

fn estimate(registers: &[u8]) -> f64 {
    let m = registers.len() as f64;
    let sum: f64 = registers
        .iter()
        .map(|rank| 0.5f64.powi(i32::from(*rank)))
        .sum();
    let raw = 0.7213 / (1.0 + 1.079 / m) * m * m / sum;
    let empty = registers.iter().filter(|rank| **rank == 0).count();
    if raw <= 2.5 * m && empty > 0 {
        m * (m / empty as f64).ln()
    } else {
        raw
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

/// The hash of a text (FNV-1a, then mixed).
pub fn hash_text(text: &str) -> u64 {
    let fnv = text.bytes().fold(0xCBF2_9CE4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    });
    mix(fnv)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

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
    fn merged_is_whole() {
        for (a, b) in [
            (100, 300),
            (3_000, 9_000),
            (20_000, 21_000),
            (30_000, 30_100),
        ] {
            // The parts overlap.
            let mut merged = of(0..a);
            merged.merge(&of(a / 2..b));
            assert_eq!(merged.count(), of(0..b).count());
            let mut merged = of(a / 2..b);
            merged.merge(&of(0..a));
            assert_eq!(merged.count(), of(0..b).count());
        }
    }

    #[test]
    fn zeros_are_one_value() {
        assert_eq!(hash_number(0.0), hash_number(-0.0));
    }
}
