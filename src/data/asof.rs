//! The point-in-time join: for each row the newest feature row that was there by its instant (contract R1 to R9).
//!
//! The rows that ask are sorted by entity and instant; the facts are not. A fact is eligible from the instant at which
//! it is both true and known, `max(event, available)`, so it is offered to the first row of its entity that is not
//! before that instant, which keeps the best offer (greatest event, then greatest created, then the later fact). At the
//! end the best offer up to each row is its winner. So facts come in any order, in pieces and on several threads, and
//! none is kept: memory is that of the rows, however many facts there are. Knows no files and no names.

use super::keys::NONE;
use super::parallel;
use super::timeline::Timeline;
use arrow_array::{Array, Int64Array, UInt32Array};

/// No fact wins.
pub const NOBODY: u64 = u64::MAX;
/// Fewer facts than this are offered on one core.
const FEW: usize = 100_000;

/// Feature rows, by entity as [`super::keys::Directory`] numbers them.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Entity of each.
    pub entity: &'a [u32],
    /// When each was true; null: never.
    pub event: &'a Int64Array,
    /// When each was created, that is: could be known.
    pub created: Option<&'a Int64Array>,
    /// A fact counts only from `created` on (R8); null: never.
    pub known_as_of: bool,
}

/// The best fact offered to a row so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Offer {
    event: i64,
    created: i64,
    /// The fact's number and one; 0: none yet.
    number: u64,
}

const NO_OFFER: Offer = Offer {
    event: i64::MIN,
    created: i64::MIN,
    number: 0,
};

/// The search for the newest facts of rows on a timeline.
#[derive(Clone, Debug)]
pub struct Latest<'a> {
    asked: &'a Timeline,
    /// By place of the timeline.
    best: Vec<Offer>,
    ttl: Option<i64>,
    /// Facts of before are too old for every row.
    oldest: i64,
    /// Facts of after are too new for every row.
    newest: i64,
}

impl<'a> Latest<'a> {
    /// Nothing offered yet to the rows of `asked`. `ttl`: a fact older than that (microseconds) does not count; 0 or
    /// absent: no limit.
    pub fn new(asked: &'a Timeline, ttl: Option<i64>) -> Self {
        let ttl = ttl.filter(|ttl| *ttl > 0);
        let first = asked.at.iter().min().copied().unwrap_or(i64::MAX);
        Self {
            asked,
            best: vec![NO_OFFER; asked.at.len()],
            ttl,
            oldest: ttl.map_or(i64::MIN, |ttl| first.saturating_sub(ttl)),
            newest: asked.at.iter().max().copied().unwrap_or(i64::MIN),
        }
    }

    /// Offers facts; `number` of each of them, by its position. Of two that are tied the greater number wins.
    pub fn offer(&mut self, facts: Facts<'_>, number: impl Fn(usize) -> u64) {
        let created = facts.created.map(|created| (created, created.values()));
        let events = facts.event.values();
        let has_nulls = facts.event.null_count() > 0;
        for (at, entity) in facts.entity.iter().enumerate() {
            let event = events[at];
            if *entity == NONE || event < self.oldest || event > self.newest {
                continue;
            }
            if has_nulls && facts.event.is_null(at) {
                continue;
            }
            let created = match created {
                Some((array, values)) if array.is_valid(at) => Some(values[at]),
                _ => None,
            };
            let known = match created {
                Some(created) if facts.known_as_of => event.max(created),
                None if facts.known_as_of && facts.created.is_some() => continue,
                _ => event,
            };
            let start = self.asked.starts[*entity as usize];
            let end = self.asked.starts[*entity as usize + 1];
            let places = &self.asked.at[start..end];
            let place = places.partition_point(|asked| *asked < known);
            if place == places.len() {
                continue;
            }
            let offer = Offer {
                event,
                created: created.unwrap_or(i64::MIN),
                number: number(at) + 1,
            };
            let best = &mut self.best[start + place];
            if offer > *best {
                *best = offer;
            }
        }
    }

    /// Takes in what another search over the same timeline was offered.
    pub fn merge(&mut self, other: &Self) {
        for (mine, other) in self.best.iter_mut().zip(&other.best) {
            *mine = (*mine).max(*other);
        }
    }

    /// The number of the winning fact for each of `rows` rows; [`NOBODY`] where nothing matches.
    pub fn winners(self, rows: usize) -> Vec<u64> {
        let mut winners = vec![NOBODY; rows];
        for bounds in self.asked.starts.windows(2) {
            let mut newest = NO_OFFER;
            for place in bounds[0]..bounds[1] {
                newest = newest.max(self.best[place]);
                let at = self.asked.at[place];
                // The winner has the greatest event time: when it is too old, all are.
                let in_time = |ttl: i64| newest.event >= at.saturating_sub(ttl);
                if newest.number > 0 && self.ttl.is_none_or(in_time) {
                    winners[self.asked.order[place] as usize] = newest.number - 1;
                }
            }
        }
        winners
    }
}

/// For each of `rows` rows on `asked` the position of its winning fact; null where nothing matches. `ttl` as for
/// [`Latest::new`].
pub fn latest(asked: &Timeline, rows: usize, facts: Facts<'_>, ttl: Option<i64>) -> UInt32Array {
    let pieces = parallel::ranges(facts.entity.len(), FEW);
    let searched = parallel::fold(
        pieces.len(),
        || Latest::new(asked, ttl),
        |search, piece| {
            let piece = pieces[piece].clone();
            let slice = |array: &Int64Array| array.slice(piece.start, piece.len());
            let created = facts.created.map(slice);
            let part = Facts {
                entity: &facts.entity[piece.clone()],
                event: &slice(facts.event),
                created: created.as_ref(),
                known_as_of: facts.known_as_of,
            };
            search.offer(part, |at| (piece.start + at) as u64);
            Ok(())
        },
    );
    // Offering cannot fail; with no search there are no winners.
    let winners = merged(searched.unwrap_or_default())
        .map_or_else(|| vec![NOBODY; rows], |search| search.winners(rows));
    winners
        .into_iter()
        .map(|winner| (winner != NOBODY).then_some(winner as u32))
        .collect()
}

/// What several searches over one timeline found together.
pub(super) fn merged(searched: Vec<Latest<'_>>) -> Option<Latest<'_>> {
    let mut searched = searched.into_iter();
    let mut all = searched.next()?;
    for one in searched {
        all.merge(&one);
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// The contract, restated row by row.
    fn plain(
        entity: &[u32],
        at: &[Option<i64>],
        facts: Facts<'_>,
        ttl: Option<i64>,
    ) -> Vec<Option<u32>> {
        let value = |array: &Int64Array, at: usize| array.is_valid(at).then(|| array.value(at));
        entity
            .iter()
            .zip(at)
            .map(|(entity, at)| {
                let at = (*at)?;
                (0..facts.entity.len())
                    .filter(|fact| *entity != NONE && facts.entity[*fact] == *entity)
                    .filter(|fact| value(facts.event, *fact).is_some_and(|event| event <= at))
                    .filter(|fact| match ttl {
                        Some(ttl) if ttl > 0 => value(facts.event, *fact).unwrap() >= at - ttl,
                        _ => true,
                    })
                    .filter(|fact| match facts.created {
                        Some(created) if facts.known_as_of => {
                            value(created, *fact).is_some_and(|created| created <= at)
                        }
                        _ => true,
                    })
                    .max_by_key(|fact| {
                        (
                            value(facts.event, *fact),
                            facts.created.map(|created| value(created, *fact)),
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
        #![proptest_config(ProptestConfig::with_cases(2_000))]
        #[test]
        fn the_join_keeps_the_contract(
            asked in prop::collection::vec((entity(), time()), 0..40),
            there in prop::collection::vec((entity(), time(), time()), 0..60),
            known_as_of: bool,
            has_created: bool,
            ttl in prop_oneof![Just(None), (0i64..20).prop_map(Some)],
            cut in 0usize..60,
        ) {
            let (row_entity, at): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
            let fact_entity: Vec<_> = there.iter().map(|fact| fact.0).collect();
            let event: Int64Array = there.iter().map(|fact| fact.1).collect();
            let created: Int64Array = there.iter().map(|fact| fact.2).collect();
            let facts = Facts {
                entity: &fact_entity,
                event: &event,
                created: has_created.then_some(&created),
                known_as_of,
            };
            let line = Timeline::new(&row_entity, 3, &at.iter().copied().collect(), None);
            let fast: Vec<Option<u32>> = latest(&line, at.len(), facts, ttl).iter().collect();
            let expected = plain(&row_entity, &at, facts, ttl);
            prop_assert_eq!(&fast, &expected);

            // In pieces, the later one first, on searches of their own.
            let cut = cut.min(there.len());
            let mut searches = [Latest::new(&line, ttl), Latest::new(&line, ttl)];
            for (search, piece) in searches.iter_mut().zip([cut..there.len(), 0..cut]) {
                let created = created.slice(piece.start, piece.len());
                search.offer(Facts {
                    entity: &fact_entity[piece.clone()],
                    event: &event.slice(piece.start, piece.len()),
                    created: has_created.then_some(&created),
                    known_as_of,
                }, |at| (piece.start + at) as u64);
            }
            let pieces = merged(searches.into()).unwrap().winners(at.len());
            let pieces: Vec<Option<u32>> = pieces.into_iter().map(|w| (w != NOBODY).then_some(w as u32)).collect();
            prop_assert_eq!(pieces, expected);
        }
    }

    #[test]
    fn equal_times_count_and_the_newest_row_wins_whole() {
        let at = Int64Array::from(vec![9, 10, 20]);
        let line = Timeline::new(&[0, 0, 0], 1, &at, None);
        let facts = Facts {
            entity: &[0, 0],
            event: &Int64Array::from(vec![10, 10]),
            created: None,
            known_as_of: false,
        };
        let found: Vec<Option<u32>> = latest(&line, 3, facts, Some(10)).iter().collect();
        assert_eq!(found, [None, Some(1), Some(1)]);
    }
}
