//! A feature view joined to rows as of their instants, or to each entity as of one instant (contract R1 to R11):
//! names and columns -> `asof` and `window`. Knows no files.

use super::asof::{self, Facts, Rows, Timeline};
use super::frame::quoted;
use super::{Error, Frame, Result, keys, window};
use crate::domain::feature::{Aggregate, FeatureView};
use arrow_array::{Array, ArrayRef, UInt32Array};
use std::sync::Arc;

/// The facts of a view and when each was true and known.
struct History<'a> {
    view: &'a FeatureView,
    frame: &'a Frame,
    event: Vec<Option<i64>>,
    created: Option<Vec<Option<i64>>>,
}

impl<'a> History<'a> {
    fn new(view: &'a FeatureView, frame: &'a Frame) -> Result<Self> {
        let event = frame
            .times(&view.event_time)
            .map_err(|error| about(view, &error))?;
        let created = match &view.available_at {
            Some(column) => Some(frame.times(column).map_err(|error| about(view, &error))?),
            None => None,
        };
        Ok(Self {
            view,
            frame,
            event,
            created,
        })
    }

    fn keys(&self) -> Result<Vec<&'a ArrayRef>> {
        let columns = self
            .view
            .entity
            .keys
            .iter()
            .map(|key| self.frame.column(key));
        columns
            .collect::<Result<_>>()
            .map_err(|error| about(self.view, &error))
    }

    /// When a fact could be known.
    fn known(&self) -> &[Option<i64>] {
        self.created.as_deref().unwrap_or(&self.event)
    }

    fn of<'b>(&'b self, entity: &'b [u32]) -> Facts<'b> {
        Facts {
            entity,
            event: &self.event,
            created: self.created.as_deref(),
            known_as_of: self.created.is_some(),
        }
    }

    /// The window features called `names`, for rows on a timeline; in the order of `names`, none for other features.
    fn windows(
        &self,
        names: &[String],
        entity: &[u32],
        count: usize,
        rows: &Timeline,
        row_count: usize,
    ) -> Result<Vec<Option<ArrayRef>>> {
        let mut found: Vec<Option<ArrayRef>> = vec![None; names.len()];
        let mut events: Option<Timeline> = None;
        for spec in &self.view.windows {
            let mut wanted: Vec<(Aggregate, i64)> = Vec::new();
            let mut places = Vec::new();
            for (feature, aggregate, length) in spec.feature_names() {
                for place in (0..names.len()).filter(|place| names[*place] == feature) {
                    wanted.push((aggregate, length));
                    places.push(place);
                }
            }
            if wanted.is_empty() {
                continue;
            }
            let events = events.get_or_insert_with(|| {
                Timeline::new(entity, count, self.known(), Some(&self.event))
            });
            let column = self
                .frame
                .column(&spec.column)
                .map_err(|error| about(self.view, &error))?;
            let arrays =
                window::aggregate(column, events, rows, row_count, &wanted).map_err(|error| {
                    about(
                        self.view,
                        &format!("windows over `{}`: {error}", spec.column),
                    )
                })?;
            for (place, array) in places.into_iter().zip(arrays) {
                found[place] = Some(array);
            }
        }
        Ok(found)
    }
}

fn about(view: &FeatureView, error: &dyn std::fmt::Display) -> Error {
    Error::new(format!("feature view `{}`: {error}", view.name))
}

/// The features called `names` of `view`, for each row as of `at`; the rows' entity is in the columns `row_keys`.
pub(super) fn join(
    view: &FeatureView,
    facts: &Frame,
    names: &[String],
    rows: &Frame,
    row_keys: &[String],
    at: &[Option<i64>],
) -> Result<Vec<ArrayRef>> {
    let known = view.feature_names();
    if let Some(name) = names.iter().find(|name| !known.contains(name)) {
        return Err(about(
            view,
            &format!(
                "it has no feature `{name}`; its features are {}",
                quoted(&known)
            ),
        ));
    }
    let facts = History::new(view, facts)?;
    let left: Vec<&ArrayRef> = row_keys
        .iter()
        .map(|key| rows.column(key))
        .collect::<Result<_>>()
        .map_err(|error| about(view, &format!("the rows: {error}")))?;
    let entities = keys::entities(&left, rows.rows(), &facts.keys()?, facts.frame.rows())
        .map_err(|error| about(view, &format!("key {}: {error}", quoted(&view.entity.keys))))?;
    let asked = Timeline::new(&entities.rows, entities.count, at, None);
    let mut found = facts.windows(names, &entities.facts, entities.count, &asked, rows.rows())?;
    let mut winners: Option<UInt32Array> = None;
    for (name, slot) in names.iter().zip(&mut found) {
        if slot.is_none() {
            let winners = winners.get_or_insert_with(|| {
                let rows = Rows {
                    entity: &entities.rows,
                    at,
                };
                asof::latest(rows, facts.of(&entities.facts), entities.count, view.ttl)
            });
            *slot = Some(taken(&facts, name, winners)?);
        }
    }
    Ok(found.into_iter().flatten().collect())
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
    let keys = facts.keys()?;
    let entities = keys::entities(&keys, facts.frame.rows(), &keys, facts.frame.rows())
        .map_err(|error| about(view, &error))?;
    let everyone: Vec<u32> = (0..entities.count as u32).collect();
    let at = vec![Some(as_of); everyone.len()];
    let rows = Rows {
        entity: &everyone,
        at: &at,
    };
    let winners = asof::latest(rows, facts.of(&entities.rows), entities.count, None);
    let seen: UInt32Array = everyone
        .iter()
        .copied()
        .filter(|entity| winners.is_valid(*entity as usize))
        .collect();
    let names = view.stored_names();
    let asked = Timeline::new(&everyone, entities.count, &at, None);
    let windows = facts.windows(
        &names,
        &entities.rows,
        entities.count,
        &asked,
        everyone.len(),
    )?;
    let of_seen = |array: &ArrayRef| {
        arrow_select::take::take(array, &seen, None).map_err(|error| about(view, &error))
    };
    let winners: ArrayRef = Arc::new(winners);
    let winners = of_seen(&winners)?;
    let winners: UInt32Array =
        arrow_array::cast::AsArray::as_primitive::<arrow_array::types::UInt32Type>(&winners)
            .clone();
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for key in &view.entity.keys {
        columns.push((key.clone(), taken(&facts, key, &winners)?));
    }
    if !view.entity.keys.iter().any(|key| key == "event_time") {
        let times: arrow_array::TimestampMicrosecondArray = winners
            .iter()
            .map(|winner| winner.and_then(|winner| facts.event[winner as usize]))
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
