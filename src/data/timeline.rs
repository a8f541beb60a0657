//! Moments of each entity in ascending order: what the point-in-time join searches and windows move over.
//! Knows positions, entities as numbers and instants; no names, no values.

use super::keys::NONE;
use super::{Frame, Result, parallel};
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, Int64Array};
use arrow_schema::DataType;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Fewer places than this are sorted on one core.
const FEW: usize = 50_000;

/// The instants in the column `name`, in microseconds, as [`Frame::times`] reads them; without a copy where the
/// column holds times.
pub(crate) fn instants(frame: &Frame, name: &str) -> Result<Int64Array> {
    let column = frame.column(name)?;
    Ok(match column.data_type() {
        DataType::Timestamp(_, _) => {
            let times = column.as_primitive::<TimestampMicrosecondType>();
            Int64Array::new(times.values().clone(), times.nulls().cloned())
        }
        DataType::Int64 => column.as_primitive::<Int64Type>().clone(),
        _ => frame.times(name)?.into_iter().collect(),
    })
}

/// Moments of each entity in ascending order.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// Positions, by entity, then by instant.
    pub order: Vec<u32>,
    /// Where each entity begins in `order`; one more than there are entities.
    pub starts: Vec<usize>,
    /// The instant at each place of `order`.
    pub at: Vec<i64>,
    /// The place of each position in `order`; [`NONE`] for those that are left out.
    pub places: Vec<u32>,
}

impl Timeline {
    /// Sorts positions by entity, instant, `then` (null first) and position. Positions without entity or instant are
    /// left out.
    pub fn new(entity: &[u32], count: usize, at: &Int64Array, then: Option<&Int64Array>) -> Self {
        let nulls = at.nulls();
        let is_on = |position: usize| {
            entity[position] != NONE && nulls.is_none_or(|nulls| nulls.is_valid(position))
        };
        let mut starts = vec![0usize; count + 1];
        for position in (0..entity.len()).filter(|position| is_on(*position)) {
            starts[entity[position] as usize + 1] += 1;
        }
        for one in 1..=count {
            starts[one] += starts[one - 1];
        }
        // In the order of the positions, so that what is written goes to a few places side by side, an entity each.
        let mut next: Vec<u32> = starts.iter().map(|start| *start as u32).collect();
        let mut order = vec![0u32; starts[count]];
        let mut instants = vec![0i64; starts[count]];
        let mut places = vec![NONE; entity.len()];
        let values = at.values();
        for position in (0..entity.len()).filter(|position| is_on(*position)) {
            let slot = &mut next[entity[position] as usize];
            let place = *slot as usize;
            order[place] = position as u32;
            instants[place] = values[position];
            places[position] = *slot;
            *slot += 1;
        }
        let count = if order.len() < FEW {
            1
        } else {
            parallel::cores()
        };
        let moved = AtomicBool::new(false);
        thread::scope(|scope| {
            let (mut rest, mut rest_at) = (&mut order[..], &mut instants[..]);
            for part in Self::parts(&starts, count) {
                let length = starts[part.end] - starts[part.start];
                let (mine, others) = rest.split_at_mut(length);
                let (mine_at, others_at) = rest_at.split_at_mut(length);
                (rest, rest_at) = (others, others_at);
                let (starts, moved) = (&starts[part.start..=part.end], &moved);
                let mut work = move || {
                    if sort(mine, mine_at, starts, then) {
                        moved.store(true, Ordering::Relaxed);
                    }
                };
                if count == 1 {
                    work();
                } else {
                    scope.spawn(work);
                }
            }
        });
        if moved.into_inner() {
            for (place, position) in order.iter().enumerate() {
                places[*position as usize] = place as u32;
            }
        }
        Self {
            order,
            starts,
            at: instants,
            places,
        }
    }

    /// `value` of each position, in the order of the places.
    pub(super) fn placed<T: Copy + Default>(&self, value: impl Fn(usize) -> T) -> Vec<T> {
        let mut placed = vec![T::default(); self.order.len()];
        for (position, place) in self.places.iter().enumerate() {
            if *place != NONE {
                placed[*place as usize] = value(position);
            }
        }
        placed
    }

    /// Entities there are.
    pub fn entities(&self) -> usize {
        self.starts.len() - 1
    }

    /// The entities cut into at most `count` ranges with about as many places each.
    pub(super) fn parts(starts: &[usize], count: usize) -> Vec<std::ops::Range<usize>> {
        let entities = starts.len() - 1;
        let size = starts[entities].div_ceil(count.max(1)).max(1);
        let mut parts = Vec::with_capacity(count);
        let mut from = 0;
        while from < entities {
            let until = starts[from] + size;
            let end = starts.partition_point(|start| *start < until);
            let end = end.clamp(from + 1, entities);
            parts.push(from..end);
            from = end;
        }
        parts
    }
}

/// Sorts each entity's slice; `starts` are those of the whole timeline, the slices begin at the first. Whether anything
/// has moved.
fn sort(order: &mut [u32], at: &mut [i64], starts: &[usize], then: Option<&Int64Array>) -> bool {
    let then_of = |position: u32| match then {
        Some(then) if then.is_valid(position as usize) => then.value(position as usize),
        _ => i64::MIN,
    };
    let mut scratch: Vec<(i64, i64, u32)> = Vec::new();
    let mut moved = false;
    for bounds in starts.windows(2) {
        let slice = bounds[0] - starts[0]..bounds[1] - starts[0];
        let (order, at) = (&mut order[slice.clone()], &mut at[slice]);
        // Files are mostly in order of time already, and positions of a group ascend.
        let sorted = match then {
            None => at.is_sorted(),
            Some(_) => (1..at.len()).all(|place| {
                at[place - 1] < at[place]
                    || at[place - 1] == at[place]
                        && then_of(order[place - 1]) <= then_of(order[place])
            }),
        };
        if sorted {
            continue;
        }
        scratch.clear();
        scratch.extend(
            at.iter()
                .zip(order.iter())
                .map(|(at, position)| (*at, then_of(*position), *position)),
        );
        scratch.sort_unstable();
        for ((at, order), sorted) in at.iter_mut().zip(order.iter_mut()).zip(&scratch) {
            (*at, *order) = (sorted.0, sorted.2);
        }
        moved = true;
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn moments_are_in_order_and_none_is_lost(
            moments in prop::collection::vec((0u32..4, prop::option::weighted(0.9, 0i64..20), prop::option::weighted(0.8, 0i64..3)), 0..80),
            tie: bool,
        ) {
            let entity: Vec<u32> = moments.iter().map(|one| if one.0 == 3 { NONE } else { one.0 }).collect();
            let at: Int64Array = moments.iter().map(|one| one.1).collect();
            let then: Int64Array = moments.iter().map(|one| one.2).collect();
            let line = Timeline::new(&entity, 3, &at, tie.then_some(&then));
            for one in 0..3 {
                let mut expected: Vec<(i64, Option<i64>, u32)> = (0..moments.len())
                    .filter(|position| entity[*position] == one)
                    .filter_map(|position| Some((moments[position].1?, moments[position].2.filter(|_| tie), position as u32)))
                    .collect();
                expected.sort_unstable();
                let places = line.starts[one as usize]..line.starts[one as usize + 1];
                let order: Vec<u32> = expected.iter().map(|moment| moment.2).collect();
                prop_assert_eq!(&line.order[places.clone()], &order[..]);
                let instants: Vec<i64> = expected.iter().map(|moment| moment.0).collect();
                prop_assert_eq!(&line.at[places], &instants[..]);
            }
            for (position, place) in line.places.iter().enumerate() {
                let is_on = entity[position] != NONE && moments[position].1.is_some();
                prop_assert_eq!(*place != NONE, is_on);
                prop_assert!(!is_on || line.order[*place as usize] as usize == position);
            }
        }

        #[test]
        fn parts_cover_all_entities_once(sizes in prop::collection::vec(0usize..9, 0..40), count in 1usize..6) {
            let mut starts = vec![0];
            for size in &sizes {
                starts.push(starts[starts.len() - 1] + size);
            }
            let parts = Timeline::parts(&starts, count);
            let covered: Vec<usize> = parts.into_iter().flatten().collect();
            prop_assert_eq!(covered, (0..sizes.len()).collect::<Vec<_>>());
        }
    }
}
