//! Facts as they are read, a piece at a time: whenever there are twice as many as could count, those go that cannot, so that
//! memory follows the entities and the windows and not the files.
//!
//! A fact counts when it is its entity's newest by the instant (contract R11), when a window reaches it, and when it is of
//! one of the few entities whose values are compared with the offline join, which wants all of their facts.

use super::facts::{known_at, longest, nothing};
use crate::data::features::{self, History};
use crate::data::keys::Directory;
use crate::data::timeline::Timeline;
use crate::data::{Frame, Result, asof, key_hash};
use crate::domain::feature::FeatureView;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_schema::DataType;

/// Values (rows by columns) that are kept before anybody looks which of them count: 128 MiB of numbers.
const VALUES: usize = 16 << 20;
/// Entities whose values are compared with the offline join, as long as their facts are no more than a quarter of that.
const COMPARED: usize = 16;

/// See the module's text.
pub(super) struct Gathered<'a> {
    view: &'a FeatureView,
    as_of: i64,
    names: &'a [String],
    /// Values that are kept before the next look.
    most: usize,
    /// Entities of which all facts are kept.
    compared: usize,
    pieces: Vec<Piece>,
}

/// What was gathered.
pub(super) struct All {
    /// In the order in which they came.
    pub(super) facts: Frame,
    /// The place of the file of each.
    pub(super) source: Vec<i32>,
    /// So many entities are compared (see [`compared`]); they have all of their facts there, unless those of a single one
    /// are too many: then what counts is compared.
    pub(super) compared: usize,
}

struct Piece {
    file: String,
    /// Of the file, in the list of files.
    place: i32,
    facts: Frame,
}

impl All {
    /// Facts that are there as a whole, of a source that is no file.
    pub(super) fn of(facts: Frame) -> Self {
        Self {
            source: vec![0; facts.rows()],
            facts,
            compared: COMPARED,
        }
    }
}

impl<'a> Gathered<'a> {
    pub(super) fn new(view: &'a FeatureView, as_of: i64, names: &'a [String]) -> Self {
        Self::within(VALUES, view, as_of, names)
    }

    fn within(values: usize, view: &'a FeatureView, as_of: i64, names: &'a [String]) -> Self {
        Self {
            view,
            as_of,
            names,
            most: values,
            compared: COMPARED,
            pieces: Vec::new(),
        }
    }

    /// Adds facts that come after all that are there.
    pub(super) fn add(&mut self, file: &str, place: i32, facts: Frame) -> Result<()> {
        self.pieces.push(Piece {
            file: file.to_owned(),
            place,
            facts,
        });
        if self.values() > self.most {
            self.reduce()?;
            self.most = self.most.max(2 * self.values());
        }
        Ok(())
    }

    pub(super) fn all(self) -> Result<All> {
        let mut source = Vec::with_capacity(self.rows());
        for piece in &self.pieces {
            source.resize(source.len() + piece.facts.rows(), piece.place);
        }
        let (files, facts): (Vec<String>, Vec<Frame>) = self
            .pieces
            .into_iter()
            .map(|piece| (piece.file, piece.facts))
            .unzip();
        Ok(All {
            facts: match facts.is_empty() {
                true => nothing(self.names)?,
                false => Frame::concat_named(&files, &facts)?,
            },
            source,
            compared: match self.compared {
                0 => COMPARED,
                some => some,
            },
        })
    }

    fn rows(&self) -> usize {
        self.pieces.iter().map(|piece| piece.facts.rows()).sum()
    }

    fn values(&self) -> usize {
        self.rows() * self.names.len()
    }

    fn reduce(&mut self) -> Result<()> {
        let counts = self.counting()?;
        let mut first = 0;
        for piece in &mut self.pieces {
            let of_piece = &counts[first..first + piece.facts.rows()];
            first += piece.facts.rows();
            let kept: Vec<u32> = (0..of_piece.len() as u32)
                .filter(|row| of_piece[*row as usize])
                .collect();
            if kept.len() < of_piece.len() {
                piece.facts = piece.facts.take(&kept)?;
            }
        }
        self.pieces.retain(|piece| piece.facts.rows() > 0);
        Ok(())
    }

    /// For each fact, whether it may count.
    fn counting(&mut self) -> Result<Vec<bool>> {
        let view = self.view;
        let times = std::iter::once(&view.event_time).chain(&view.available_at);
        let mut names: Vec<String> = view.entity.keys.iter().chain(times).cloned().collect();
        names.sort_unstable();
        names.dedup();
        let mut narrow = Vec::with_capacity(self.pieces.len());
        let mut files = Vec::with_capacity(self.pieces.len());
        for piece in &self.pieces {
            narrow.push(piece.facts.select(&names)?);
            files.push(piece.file.clone());
        }
        let facts = Frame::concat_named(&files, &narrow)?;
        let history = History::new(view, &facts)?;
        let keys = features::columns(view, "", &facts, &view.entity.keys)?;
        let (directory, of_facts) = Directory::new(&keys, facts.rows());
        let newest = newest_of(self.as_of, directory.count(), &history, &of_facts);

        let hashes = key_hash::hashes(&keys, facts.rows());
        let of_newest = newest.iter().flatten().map(|row| hashes[row as usize]);
        let mut least = least(of_newest.collect(), self.compared);
        let mut counts = in_least(&hashes, &least);
        let few = self.most / 4 / self.names.len().max(1);
        while counts.iter().filter(|counts| **counts).count() > few {
            least.truncate(least.len() / 2);
            self.compared = least.len();
            counts = in_least(&hashes, &least);
        }
        for row in newest.iter().flatten() {
            counts[row as usize] = true;
        }
        if let Some(length) = longest(view) {
            let from = self.as_of.saturating_sub(length);
            for (counts, known) in counts.iter_mut().zip(known_at(view, &facts)?) {
                *counts |= known.is_some_and(|known| known > from);
            }
        }
        self.keep_types(&mut counts);
        Ok(counts)
    }

    /// Of each column a value of each type stays, so that types meet, or do not, as if all facts were there.
    fn keep_types(&self, counts: &mut [bool]) {
        for name in self.names {
            let mut seen: Vec<&DataType> = Vec::new();
            let mut first = 0;
            for piece in &self.pieces {
                if let Ok(column) = piece.facts.column(name)
                    && !seen.contains(&column.data_type())
                    && let Some(row) = (0..column.len()).find(|row| column.is_valid(*row))
                {
                    seen.push(column.data_type());
                    counts[first + row] = true;
                }
                first += piece.facts.rows();
            }
        }
    }
}

/// The position of each entity's newest fact by the instant, null where there is none.
pub(super) fn newest_of(
    as_of: i64,
    entities: usize,
    history: &History<'_>,
    of_facts: &[u32],
) -> UInt32Array {
    let everyone: Vec<u32> = (0..entities as u32).collect();
    let at = Int64Array::from(vec![as_of; entities]);
    let asked = Timeline::new(&everyone, entities, &at, None);
    asof::latest(&asked, entities, history.of(of_facts), None)
}

/// The entities that are compared with the offline join, `count` of them, by position among rows with these key columns of
/// which no two are equal: those of the least hashes, which are the same ones however many of their facts are there.
pub(super) fn compared(keys: &[&ArrayRef], rows: usize, count: usize) -> Vec<u32> {
    let hashes = key_hash::hashes(keys, rows);
    let chosen = in_least(&hashes, &least(hashes.clone(), count));
    (0..rows as u32)
        .filter(|row| chosen[*row as usize])
        .collect()
}

/// The `count` least hashes of somebody, in order.
fn least(mut hashes: Vec<u64>, count: usize) -> Vec<u64> {
    hashes.retain(|hash| *hash != key_hash::NOBODY);
    if count < hashes.len() {
        hashes.select_nth_unstable(count);
        hashes.truncate(count);
    }
    hashes.sort_unstable();
    hashes
}

fn in_least(hashes: &[u64], least: &[u64]) -> Vec<bool> {
    let last = least.last().copied().unwrap_or(key_hash::NOBODY);
    hashes
        .iter()
        .map(|hash| *hash != key_hash::NOBODY && *hash <= last)
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::data::online::newest::counted;
    use crate::domain::feature::{Aggregate, Entity, WindowSpec};
    use arrow_array::{Float64Array, TimestampMicrosecondArray};
    use proptest::prelude::*;
    use std::sync::Arc;

    /// Entity, event time, how much later it was known, value.
    type Fact = (Option<i64>, Option<i64>, i64, Option<i64>);

    fn fact(entities: i64) -> impl Strategy<Value = Fact> {
        (
            prop_oneof![9 => (0..entities).prop_map(Some), 1 => Just(None)],
            prop_oneof![9 => (0i64..100).prop_map(Some), 1 => Just(None)],
            -3i64..20,
            prop_oneof![5 => (-20i64..20).prop_map(Some), 1 => Just(None)],
        )
    }

    /// Values are whole numbers in one file and numbers in another.
    fn frame(facts: &[Fact], whole: bool) -> Frame {
        let times = |at: Vec<Option<i64>>| -> ArrayRef {
            Arc::new(TimestampMicrosecondArray::from(at).with_timezone("UTC"))
        };
        let value: ArrayRef = match whole {
            true => Arc::new(facts.iter().map(|fact| fact.3).collect::<Int64Array>()),
            false => {
                let halves = facts
                    .iter()
                    .map(|fact| fact.3.map(|value| value as f64 / 2.0));
                Arc::new(halves.collect::<Float64Array>())
            }
        };
        Frame::from_columns(vec![
            (
                "who".into(),
                Arc::new(facts.iter().map(|fact| fact.0).collect::<Int64Array>()),
            ),
            (
                "at".into(),
                times(facts.iter().map(|fact| fact.1).collect()),
            ),
            (
                "known".into(),
                times(
                    facts
                        .iter()
                        .map(|fact| fact.1.map(|at| at + fact.2))
                        .collect(),
                ),
            ),
            ("value".into(), value),
        ])
        .unwrap()
    }

    fn view(known: bool, known_as_of: bool, windows: bool) -> FeatureView {
        use Aggregate::{Count, Distinct, Last, Mean, Sum};
        let spec = WindowSpec {
            column: "value".into(),
            aggregates: vec![Count, Sum, Mean, Last, Distinct],
            over: vec![("5us".into(), 5), ("20us".into(), 20)],
            ..WindowSpec::default()
        };
        FeatureView {
            name: "v".into(),
            entity: Entity {
                name: "who".into(),
                keys: vec!["who".into()],
            },
            event_time: "at".into(),
            available_at: known.then(|| "known".into()),
            known_as_of: Some(known_as_of),
            columns: vec!["value".into()],
            windows: if windows { vec![spec] } else { Vec::new() },
            ..FeatureView::default()
        }
    }

    fn names() -> Vec<String> {
        ["who", "at", "known", "value"].map(str::to_owned).to_vec()
    }

    proptest! {
        #[test]
        fn what_goes_on_the_way_changes_no_value(
            files in prop::collection::vec((prop::collection::vec(fact(60), 0..120), any::<bool>()), 1..5),
            piece in 1usize..40,
            most in 40usize..400,
            as_of in 0i64..130,
            known in any::<bool>(),
            known_as_of in any::<bool>(),
            windows in any::<bool>(),
        ) {
            let (view, names) = (view(known, known_as_of, windows), names());
            let mut whole = Gathered::new(&view, as_of, &names);
            let mut little = Gathered::within(most, &view, as_of, &names);
            for (place, (facts, is_whole)) in files.iter().enumerate() {
                for facts in facts.chunks(piece) {
                    let facts = frame(facts, *is_whole);
                    whole.add("f", place as i32, facts.clone()).unwrap();
                    little.add("f", place as i32, facts).unwrap();
                }
            }
            let keeps_all = little.compared > 0;
            let (whole, little) = (whole.all().unwrap(), little.all().unwrap());
            let of_all = counted(&view, &whole.facts, &whole.source, as_of).unwrap();
            let of_little = counted(&view, &little.facts, &little.source, as_of).unwrap();
            prop_assert_eq!(&of_all.batch.rows().unwrap(), &of_little.batch.rows().unwrap());
            prop_assert_eq!(&of_all.batch.header, &of_little.batch.header);
            let all = of_all.columns;
            // those that are compared have all facts that a join by then looks at
            let keys = [all.column("who").unwrap()];
            let sample = compared(&keys, all.rows(), little.compared);
            prop_assert_eq!(sample.len(), little.compared.min(all.rows()));
            let who = all.take(&sample).unwrap();
            for at in [as_of, if keeps_all { as_of / 2 } else { as_of }] {
                let at = Int64Array::from(vec![at; sample.len()]);
                let joined = |facts: &Frame| {
                    let features = view.stored_names();
                    features::join(&view, facts, &features, &who, &view.entity.keys, &at).unwrap()
                };
                prop_assert_eq!(joined(&whole.facts), joined(&little.facts));
            }
        }
    }

    #[test]
    fn what_is_kept_follows_the_entities_and_not_the_facts() {
        let names = names();
        // of few entities with many facts not even those stay that would be compared
        for entities in [500, 3] {
            let view = view(true, true, true);
            let mut gathered = Gathered::within(4_000, &view, 100_000, &names);
            let mut most = 0;
            for piece in 0..500 {
                let facts: Vec<Fact> = (0..200)
                    .map(|row| {
                        let at = piece * 200 + row;
                        (Some(at % entities), Some(at), 0, Some(at))
                    })
                    .collect();
                gathered.add("f", 0, frame(&facts, true)).unwrap();
                most = most.max(gathered.rows());
            }
            assert!(most < 8_000, "{most} facts of {entities} entities");
            let all = gathered.all().unwrap();
            assert!(all.compared > 0);
            let columns = counted(&view, &all.facts, &all.source, 100_000)
                .unwrap()
                .columns;
            assert_eq!(columns.rows() as i64, entities);
        }
    }
}
