//! The point-in-time join: for each row the newest feature row that was there by its instant (contract R1 to R9).
//!
//! A fact is eligible from the instant at which it is both true and known: `max(event, available)`. So each entity's
//! facts are sorted by that instant, each place remembers the best fact up to there (greatest event, then greatest
//! created, then the later row), and a row is one binary search. Knows no files and no names.

use super::keys::{self, NONE};
use arrow_array::UInt32Array;

/// Feature rows, by entity as [`keys::entities`] numbers them.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Entity of each.
    pub entity: &'a [u32],
    /// When each was true; null: never.
    pub event: &'a [Option<i64>],
    /// When each was created, that is: could be known.
    pub created: Option<&'a [Option<i64>]>,
    /// A fact counts only from `created` on (R8); null: never.
    pub known_as_of: bool,
}

/// Rows that ask, by entity.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a> {
    /// Entity of each.
    pub entity: &'a [u32],
    /// As of when; null: nothing matches.
    pub at: &'a [Option<i64>],
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
}

impl Timeline {
    /// Sorts positions by entity, instant, `then` and position. Positions without entity or instant are left out.
    pub fn new(
        entity: &[u32],
        count: usize,
        at: &[Option<i64>],
        then: Option<&[Option<i64>]>,
    ) -> Self {
        let (mut order, starts) = keys::group(entity, count, |position| at[position].is_some());
        let key = |position: u32| {
            let position = position as usize;
            (
                at[position].unwrap_or(i64::MIN),
                then.and_then(|then| then[position]),
                position,
            )
        };
        for bounds in starts.windows(2) {
            let slice = &mut order[bounds[0]..bounds[1]];
            // Files are mostly in order of time already.
            if !slice.is_sorted_by_key(|position| key(*position)) {
                slice.sort_unstable_by_key(|position| key(*position));
            }
        }
        let at = order
            .iter()
            .map(|position| at[*position as usize].unwrap_or(i64::MIN))
            .collect();
        Self { order, starts, at }
    }
}

/// For each row the position of its winning fact; null where nothing matches. `count`: entities there are.
/// `ttl`: a fact older than that (microseconds) does not count; 0 or absent: no limit.
pub fn latest(rows: Rows<'_>, facts: Facts<'_>, count: usize, ttl: Option<i64>) -> UInt32Array {
    let known: Vec<Option<i64>> = match facts.created.filter(|_| facts.known_as_of) {
        None => facts.event.to_vec(),
        Some(created) => facts
            .event
            .iter()
            .zip(created)
            .map(|(event, created)| Some((*event)?.max((*created)?)))
            .collect(),
    };
    let timeline = Timeline::new(facts.entity, count, &known, None);
    let rank = |position: u32| {
        let at = position as usize;
        (
            facts.event[at],
            facts.created.and_then(|created| created[at]),
            position,
        )
    };
    let mut best = timeline.order.clone();
    for bounds in timeline.starts.windows(2) {
        for at in bounds[0] + 1..bounds[1] {
            if rank(best[at - 1]) > rank(best[at]) {
                best[at] = best[at - 1];
            }
        }
    }
    let ttl = ttl.filter(|ttl| *ttl > 0);
    rows.entity
        .iter()
        .zip(rows.at)
        .map(|(entity, at)| {
            let at = (*at)?;
            if *entity == NONE {
                return None;
            }
            let (start, end) = (
                timeline.starts[*entity as usize],
                timeline.starts[*entity as usize + 1],
            );
            let eligible = timeline.at[start..end].partition_point(|known| *known <= at);
            let winner = best[start..end][..eligible].last()?;
            let event = facts.event[*winner as usize]?;
            // The winner has the greatest event time: when it is too old, all are.
            (ttl.is_none_or(|ttl| event >= at.saturating_sub(ttl))).then_some(*winner)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The contract, restated row by row.
    fn plain(rows: Rows<'_>, facts: Facts<'_>, ttl: Option<i64>) -> Vec<Option<u32>> {
        rows.entity
            .iter()
            .zip(rows.at)
            .map(|(entity, at)| {
                let at = (*at)?;
                (0..facts.entity.len())
                    .filter(|fact| *entity != NONE && facts.entity[*fact] == *entity)
                    .filter(|fact| facts.event[*fact].is_some_and(|event| event <= at))
                    .filter(|fact| match ttl {
                        Some(ttl) if ttl > 0 => facts.event[*fact].unwrap() >= at - ttl,
                        _ => true,
                    })
                    .filter(|fact| match facts.created {
                        Some(created) if facts.known_as_of => {
                            created[*fact].is_some_and(|created| created <= at)
                        }
                        _ => true,
                    })
                    .max_by_key(|fact| {
                        (
                            facts.event[*fact],
                            facts.created.map(|created| created[*fact]),
                            *fact,
                        )
                    })
                    .map(|fact| fact as u32)
            })
            .collect()
    }

    fn entity() -> impl Strategy<Value = u32> {
        prop_oneof![8 => 0u32..3, 1 => Just(NONE)]
    }

    fn time() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![9 => (0i64..40).prop_map(Some), 1 => Just(None)]
    }

    proptest! {
        #[test]
        fn the_join_keeps_the_contract(
            asked in prop::collection::vec((entity(), time()), 0..40),
            there in prop::collection::vec((entity(), time(), time()), 0..60),
            known_as_of: bool,
            has_created: bool,
            ttl in prop_oneof![Just(None), (0i64..20).prop_map(Some)],
        ) {
            let (row_entity, at): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
            let fact_entity: Vec<_> = there.iter().map(|fact| fact.0).collect();
            let event: Vec<_> = there.iter().map(|fact| fact.1).collect();
            let created: Vec<_> = there.iter().map(|fact| fact.2).collect();
            let rows = Rows { entity: &row_entity, at: &at };
            let facts = Facts {
                entity: &fact_entity,
                event: &event,
                created: has_created.then_some(&created),
                known_as_of,
            };
            let fast: Vec<Option<u32>> = latest(rows, facts, 3, ttl).iter().collect();
            prop_assert_eq!(fast, plain(rows, facts, ttl));
        }
    }

    #[test]
    fn equal_times_count_and_the_newest_row_wins_whole() {
        let rows = Rows {
            entity: &[0, 0, 0],
            at: &[Some(9), Some(10), Some(20)],
        };
        let facts = Facts {
            entity: &[0, 0],
            event: &[Some(10), Some(10)],
            created: None,
            known_as_of: false,
        };
        let found: Vec<Option<u32>> = latest(rows, facts, 1, Some(10)).iter().collect();
        assert_eq!(found, [None, Some(1), Some(1)]);
    }
}
