//! A feature view joined to rows as of their instants, or to each entity as of one instant (contract R1 to R11):
//! names and columns -> `asof` and `window`. Knows no files.

use super::asof::{self, Facts};
use super::frame::quoted;
use super::keys::{Directory, NONE};
use super::timeline::{Timeline, instants};
use super::{Error, Frame, Result, on_demand, parallel, window};
use crate::domain::feature::{Aggregate, FeatureView, WindowSpec};
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use std::sync::Arc;

/// Fewer facts than this are looked up on one core.
const FEW: usize = 100_000;

/// The facts of a view and when each was true and known.
pub(super) struct History<'a> {
    view: &'a FeatureView,
    frame: &'a Frame,
    pub(super) event: Int64Array,
    pub(super) created: Option<Int64Array>,
}

impl<'a> History<'a> {
    pub(super) fn new(view: &'a FeatureView, frame: &'a Frame) -> Result<Self> {
        let about = |error: Error| about(view, &error);
        Ok(Self {
            view,
            frame,
            event: instants(frame, &view.event_time).map_err(about)?,
            created: match &view.available_at {
                Some(column) => Some(instants(frame, column).map_err(about)?),
                None => None,
            },
        })
    }

    /// When a fact could be known.
    pub(super) fn known(&self) -> &Int64Array {
        self.created.as_ref().unwrap_or(&self.event)
    }

    pub(super) fn of<'b>(&'b self, entity: &'b [u32]) -> Facts<'b> {
        Facts {
            entity,
            event: &self.event,
            created: self.created.as_ref(),
            known_as_of: self.created.is_some() && self.view.known_as_of != Some(false),
        }
    }

    /// The window features called `names`, for rows on a timeline; in the order of `names`, none for other features.
    pub(super) fn windows(
        &self,
        names: &[String],
        entity: &[u32],
        rows: &Timeline,
        row_count: usize,
    ) -> Result<Vec<Option<ArrayRef>>> {
        let mut found: Vec<Option<ArrayRef>> = vec![None; names.len()];
        let asked = windows_of(self.view, names);
        if asked.is_empty() {
            return Ok(found);
        }
        let events = self.events(entity, rows, &asked);
        for (spec, features) in asked {
            let column = self
                .frame
                .column(&spec.column)
                .map_err(|error| about(self.view, &error))?;
            let arrays = counted(self.view, spec, &features, column, &events, rows, row_count)?;
            for (feature, array) in features.iter().zip(arrays) {
                found[feature.place] = Some(array);
            }
        }
        Ok(found)
    }

    /// The events that a window can hold, by entity and by the instant they were known.
    fn events(&self, entity: &[u32], rows: &Timeline, asked: &[Asked<'_>]) -> Timeline {
        let known = self.known();
        let (oldest, newest) = reach(rows, asked);
        let near = |(position, entity): (usize, &u32)| {
            let known = known.value(position);
            if known > oldest && known <= newest {
                *entity
            } else {
                NONE
            }
        };
        let entity: Vec<u32> = entity.iter().enumerate().map(near).collect();
        Timeline::new(
            &entity,
            rows.entities(),
            known,
            self.created.as_ref().map(|_| &self.event),
        )
    }
}

/// A window feature that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowFeature {
    /// Among the names asked for.
    pub(super) place: usize,
    /// How.
    pub(super) aggregate: Aggregate,
    /// Over how many microseconds.
    pub(super) length: i64,
}

/// A column and what is asked over it.
pub(super) type Asked<'a> = (&'a WindowSpec, Vec<WindowFeature>);

/// The windows of `view` with the features among `names` that they make; windows without are left out.
pub(super) fn windows_of<'a>(view: &'a FeatureView, names: &[String]) -> Vec<Asked<'a>> {
    let mut asked = Vec::new();
    for spec in &view.windows {
        let mut features = Vec::new();
        for (name, aggregate, length) in spec.feature_names() {
            for place in (0..names.len()).filter(|place| names[*place] == name) {
                features.push(WindowFeature {
                    place,
                    aggregate,
                    length,
                });
            }
        }
        if !features.is_empty() {
            asked.push((spec, features));
        }
    }
    asked
}

/// Events known after the first of these instants and up to the second can be in a window of one of `rows`.
pub(super) fn reach(rows: &Timeline, asked: &[Asked<'_>]) -> (i64, i64) {
    let lengths = asked.iter().flat_map(|(_, features)| features);
    let longest = lengths.map(|feature| feature.length).max().unwrap_or(0);
    let first = rows.at.iter().min().copied().unwrap_or(i64::MAX);
    let last = rows.at.iter().max().copied().unwrap_or(i64::MIN);
    (first.saturating_sub(longest), last)
}

/// The features of one window spec over the `column` of `events`.
pub(super) fn counted(
    view: &FeatureView,
    spec: &WindowSpec,
    features: &[WindowFeature],
    column: &ArrayRef,
    events: &Timeline,
    rows: &Timeline,
    row_count: usize,
) -> Result<Vec<ArrayRef>> {
    let wanted: Vec<(Aggregate, i64)> = features
        .iter()
        .map(|feature| (feature.aggregate, feature.length))
        .collect();
    let value = spec.value.as_deref();
    window::aggregate(column, events, rows, row_count, &wanted, value)
        .map_err(|error| about(view, &format!("windows over `{}`: {error}", spec.column)))
}

pub(super) fn about(view: &FeatureView, error: &dyn std::fmt::Display) -> Error {
    Error::new(format!("feature view `{}`: {error}", view.name))
}

/// That `view` has all the features called `names`.
pub(super) fn known_names(view: &FeatureView, names: &[String]) -> Result<()> {
    let known = view.feature_names();
    match names.iter().find(|name| !known.contains(name)) {
        None => Ok(()),
        Some(name) => Err(about(
            view,
            &format!(
                "it has no feature `{name}`; its features are {}",
                quoted(&known)
            ),
        )),
    }
}

/// The columns called `names` of `frame`, which is what `view` or the rows that ask for it hold.
pub(super) fn columns<'a>(
    view: &FeatureView,
    whose: &str,
    frame: &'a Frame,
    names: &[String],
) -> Result<Vec<&'a ArrayRef>> {
    names
        .iter()
        .map(|name| frame.column(name))
        .collect::<Result<_>>()
        .map_err(|error| about(view, &format!("{whose}{error}")))
}

/// The error of keys that do not go together.
pub(super) fn about_keys(view: &FeatureView, error: &Error) -> Error {
    about(view, &format!("key {}: {error}", quoted(&view.entity.keys)))
}

/// The features called `names` of `view`, for each row as of `at`; the rows' entity is in the columns `row_keys`.
pub(super) fn join(
    view: &FeatureView,
    facts: &Frame,
    names: &[String],
    rows: &Frame,
    row_keys: &[String],
    at: &Int64Array,
) -> Result<Vec<ArrayRef>> {
    known_names(view, names)?;
    if names.iter().any(|name| view.demanded(name).is_some()) {
        return on_demand::join(view, names, rows, &mut |stored| {
            join(view, facts, stored, rows, row_keys, at)
        });
    }
    let facts = History::new(view, facts)?;
    let left = columns(view, "the rows: ", rows, row_keys)?;
    let right = columns(view, "", facts.frame, &view.entity.keys)?;
    let (directory, of_rows) = Directory::new(&left, rows.rows());
    let of_facts =
        found(&directory, &right, facts.frame.rows()).map_err(|error| about_keys(view, &error))?;
    let asked = Timeline::new(&of_rows, directory.count(), at, None);
    let mut features = facts.windows(names, &of_facts, &asked, rows.rows())?;
    let plain: Vec<usize> = (0..names.len())
        .filter(|place| features[*place].is_none())
        .collect();
    if !plain.is_empty() {
        let winners = asof::latest(&asked, rows.rows(), facts.of(&of_facts), view.ttl);
        let arrays = parallel::each(plain.len(), |at| taken(&facts, &names[plain[at]], &winners))?;
        for (place, array) in plain.into_iter().zip(arrays) {
            features[place] = Some(array);
        }
    }
    Ok(features.into_iter().flatten().collect())
}

/// The entity of each of many facts, looked up on all cores.
fn found(directory: &Directory<'_>, keys: &[&ArrayRef], facts: usize) -> Result<Vec<u32>> {
    let pieces = parallel::ranges(facts, FEW);
    if pieces.len() < 2 {
        return directory.find(keys, facts);
    }
    let parts = parallel::each(pieces.len(), |piece| {
        let piece = &pieces[piece];
        let slices: Vec<ArrayRef> = keys
            .iter()
            .map(|key| key.slice(piece.start, piece.len()))
            .collect();
        directory.find(&slices.iter().collect::<Vec<_>>(), piece.len())
    })?;
    Ok(parts.concat())
}

fn taken(facts: &History<'_>, name: &str, rows: &UInt32Array) -> Result<ArrayRef> {
    let column = facts
        .frame
        .column(name)
        .map_err(|error| about(facts.view, &error))?;
    arrow_select::take::take(column, rows, None)
        .map_err(|error| about(facts.view, &format!("`{name}`: {error}")))
}

/// Every entity known by `as_of` (microseconds): its keys, `event_time` of its newest row, and all features as of
/// then. The view's time to live is not applied: the reader of an online value judges its age (R11).
pub(super) fn newest(view: &FeatureView, facts: &Frame, as_of: i64) -> Result<Frame> {
    let facts = History::new(view, facts)?;
    let keys = columns(view, "", facts.frame, &view.entity.keys)?;
    let (directory, of_facts) = Directory::new(&keys, facts.frame.rows());
    let everyone: Vec<u32> = (0..directory.count() as u32).collect();
    let at = Int64Array::from(vec![as_of; everyone.len()]);
    let asked = Timeline::new(&everyone, everyone.len(), &at, None);
    let winners = asof::latest(&asked, everyone.len(), facts.of(&of_facts), None);
    let seen: UInt32Array = everyone
        .iter()
        .copied()
        .filter(|entity| winners.is_valid(*entity as usize))
        .collect();
    let names = view.stored_names();
    let windows = facts.windows(&names, &of_facts, &asked, everyone.len())?;
    let of_seen = |array: &ArrayRef| {
        arrow_select::take::take(array, &seen, None).map_err(|error| about(view, &error))
    };
    let winners: UInt32Array = seen
        .values()
        .iter()
        .map(|entity| winners.value(*entity as usize))
        .collect::<Vec<u32>>()
        .into();
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for key in &view.entity.keys {
        columns.push((key.clone(), taken(&facts, key, &winners)?));
    }
    if !view.entity.keys.iter().any(|key| key == "event_time") {
        let times: arrow_array::TimestampMicrosecondArray = winners
            .values()
            .iter()
            .map(|winner| Some(facts.event.value(*winner as usize)))
            .collect();
        columns.push((
            "event_time".to_owned(),
            Arc::new(times.with_timezone("UTC")),
        ));
    }
    for (name, window) in names.iter().zip(windows) {
        if columns.iter().any(|(column, _)| column == name) {
            continue;
        }
        let array = match window {
            Some(array) => of_seen(&array)?,
            None => taken(&facts, name, &winners)?,
        };
        columns.push((name.clone(), array));
    }
    Frame::from_columns_of(columns, seen.len())
}
