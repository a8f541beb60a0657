//! Many points of one metric in one row, and their way back.
//!
//! A pack is a byte for its form, the number of points, then steps, times and values, each column by itself: steps and
//! times as the difference from the one before, in as few bytes as it needs, and values as they are. Points stand in their order
//! ([`Place::order`]) and none twice.

use super::Place;
use crate::domain::Timestamp;

/// The only form there is.
const FORM: u8 = 1;

/// Points in a pack at most: the row fits a page of the database.
pub const MOST: usize = 256;

/// The points, packed.
pub fn pack(points: &[Place]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(4 + points.len() * 11);
    packed.push(FORM);
    put(&mut packed, points.len() as u64);
    let mut last = 0;
    for point in points {
        put(&mut packed, folded(point.step.wrapping_sub(last)));
        last = point.step;
    }
    last = 0;
    for point in points {
        put(&mut packed, folded(point.at.0.wrapping_sub(last)));
        last = point.at.0;
    }
    for point in points {
        packed.extend_from_slice(&point.value.to_le_bytes());
    }
    packed
}

/// The points of a pack; nothing of what is none.
pub fn unpack(packed: &[u8]) -> Option<Vec<Place>> {
    let (form, mut rest) = packed.split_first()?;
    if *form != FORM {
        return None;
    }
    let length = usize::try_from(take(&mut rest)?).ok()?;
    // A point takes ten bytes at least: damage does not ask for memory.
    if length > rest.len() / 10 {
        return None;
    }
    let mut points = Vec::with_capacity(length);
    let mut last = 0_i64;
    for _ in 0..length {
        last = last.wrapping_add(unfolded(take(&mut rest)?));
        points.push(Place {
            step: last,
            at: Timestamp(0),
            value: 0.0,
        });
    }
    last = 0;
    for point in &mut points {
        last = last.wrapping_add(unfolded(take(&mut rest)?));
        point.at = Timestamp(last);
    }
    let (values, []) = rest.as_chunks::<8>() else {
        return None;
    };
    if values.len() != length {
        return None;
    }
    for (point, value) in points.iter_mut().zip(values) {
        point.value = f64::from_le_bytes(*value);
    }
    Some(points)
}

/// Small differences become small numbers, whichever their sign.
fn folded(difference: i64) -> u64 {
    ((difference << 1) ^ (difference >> 63)).cast_unsigned()
}

fn unfolded(number: u64) -> i64 {
    (number >> 1).cast_signed() ^ -((number & 1).cast_signed())
}

/// Seven bits a byte, the lowest first; the highest bit says that more follow.
fn put(packed: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        packed.push((number as u8) | 0x80);
        number >>= 7;
    }
    packed.push(number as u8);
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn same(left: &[Place], right: &[Place]) -> bool {
        let bits = |points: &[Place]| -> Vec<(i64, i64, u64)> {
            points
                .iter()
                .map(|point| (point.step, point.at.0, point.value.to_bits()))
                .collect()
        };
        bits(left) == bits(right)
    }

    proptest! {
        #[test]
        fn points_come_back_as_they_were(
            points in prop::collection::vec((any::<i64>(), any::<i64>(), any::<u64>()), 0..40)
        ) {
            let points: Vec<Place> = points
                .into_iter()
                .map(|(step, at, bits)| Place { step, at: Timestamp(at), value: f64::from_bits(bits) })
                .collect();
            let packed = pack(&points);
            prop_assert!(same(&unpack(&packed).unwrap(), &points));
            // Cut anywhere, it is no pack.
            for length in 0..packed.len() {
                prop_assert!(unpack(&packed[..length]).is_none());
            }
        }

        #[test]
        fn no_bytes_are_too_odd_to_be_looked_at(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = unpack(&bytes);
        }
    }

    #[test]
    fn a_full_pack_of_neighbours_fits_a_page() {
        let points: Vec<Place> = (0..MOST as i64)
            .map(|step| Place {
                step: step * 50,
                at: Timestamp(1_700_000_000_000 + step * 7_000),
                value: step as f64 / 3.0,
            })
            .collect();
        let bytes = pack(&points).len();
        assert!(bytes < 4_000, "{bytes}");
    }
}
