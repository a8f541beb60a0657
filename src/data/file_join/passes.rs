//! The facts of files for rows that memory holds: they pass by once with keys and times, to find each row's winner, and
//! once with the features, of which only the winners are taken; windows keep the events that they can hold.

use super::{BATCH, times, windowed};
use crate::data::asof::{self, Latest, NOBODY};
use crate::data::features::{self, Asked, about};
use crate::data::keys::{Directory, NONE};
use crate::data::timeline::Timeline;
use crate::data::{Frame, Result, parallel, source, table};
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::FeatureView;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_schema::DataType;
use std::path::PathBuf;
use std::sync::Arc;

/// The passes over the files of a view for a chunk of rows.
pub(super) struct Passes<'a> {
    pub(super) view: &'a FeatureView,
    /// The rows' columns for the view's keys.
    pub(super) keys: &'a [String],
    pub(super) files: &'a [PathBuf],
    pub(super) rows: &'a Frame,
    pub(super) at: &'a Int64Array,
}

/// A batch of facts and the number of its first.
type Numbered = Result<(u64, Frame)>;

impl Passes<'_> {
    /// The features called `names`, in that order.
    pub(super) fn features(&self, names: &[String]) -> Result<Vec<ArrayRef>> {
        let view = self.view;
        let left = features::columns(view, "the rows: ", self.rows, self.keys)?;
        let (directory, of_rows) = Directory::new(&left, self.rows.rows());
        let asked = Timeline::new(&of_rows, directory.count(), self.at, None);
        let mut found: Vec<Option<ArrayRef>> = vec![None; names.len()];
        let windows = features::windows_of(view, names);
        if !windows.is_empty() {
            for (place, array) in self.windows(&directory, &asked, &windows)? {
                found[place] = Some(array);
            }
        }
        let plain: Vec<usize> = (0..names.len())
            .filter(|place| found[*place].is_none())
            .collect();
        if !plain.is_empty() {
            let winners = self.winners(&directory, &asked)?;
            let names: Vec<String> = plain.iter().map(|place| names[*place].clone()).collect();
            for (place, array) in plain.into_iter().zip(self.taken(&names, &winners)?) {
                found[place] = Some(array);
            }
        }
        Ok(found.into_iter().flatten().collect())
    }

    /// The facts in batches, with these columns.
    fn facts(&self, columns: &[String]) -> Result<impl Iterator<Item = Numbered> + Send + use<>> {
        let view = self.view;
        let scan =
            source::scan(self.files, Some(columns), BATCH).map_err(|error| about(view, &error))?;
        let mut first = 0;
        Ok(scan.map(move |frame| {
            let frame = frame?;
            let number = first;
            first += frame.rows() as u64;
            Ok((number, frame))
        }))
    }

    fn entities(&self, directory: &Directory<'_>, facts: &Frame) -> Result<Vec<u32>> {
        let view = self.view;
        let keys = features::columns(view, "", facts, &view.entity.keys)?;
        directory
            .find(&keys, facts.rows())
            .map_err(|error| features::about_keys(view, &error))
    }

    /// The number of each row's winning fact.
    fn winners(&self, directory: &Directory<'_>, asked: &Timeline) -> Result<Vec<u64>> {
        let view = self.view;
        let facts = self.facts(&times(view))?;
        let searched = parallel::spread(
            facts,
            || Latest::new(asked, view.ttl),
            |search, (first, frame)| {
                let entity = self.entities(directory, &frame)?;
                let history = features::History::new(view, &frame)?;
                search.offer(history.of(&entity), |at| first + at as u64);
                Ok(())
            },
        )?;
        let rows = self.rows.rows();
        Ok(asof::merged(searched).map_or_else(|| vec![NOBODY; rows], |all| all.winners(rows)))
    }

    /// The columns called `names` of the winners.
    fn taken(&self, names: &[String], winners: &[u64]) -> Result<Vec<ArrayRef>> {
        let view = self.view;
        let mut distinct = names.to_vec();
        distinct.sort_unstable();
        distinct.dedup();
        let (wanted, places) = sorted(winners);
        let facts = self.facts(&distinct)?;
        let trouble = |error: arrow_schema::ArrowError| about(view, &error);
        let parts = parallel::spread(facts, Vec::new, |parts: &mut Vec<_>, (first, frame)| {
            let from = wanted.partition_point(|fact| *fact < first);
            let to = wanted.partition_point(|fact| *fact < first + frame.rows() as u64);
            if from < to {
                let chosen: UInt32Array = wanted[from..to]
                    .iter()
                    .map(|fact| (fact - first) as u32)
                    .collect::<Vec<u32>>()
                    .into();
                let arrays = (frame.batch.columns().iter())
                    .map(|column| arrow_select::take::take(column, &chosen, None))
                    .collect::<std::result::Result<Vec<_>, _>>()
                    .map_err(trouble)?;
                parts.push((first, arrays));
            }
            Ok(())
        })?;
        let mut parts: Vec<(u64, Vec<ArrayRef>)> = parts.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|(first, _)| *first);
        if parts.is_empty() {
            // Nobody wins: the types are those of the files.
            let types = source::scan(self.files, Some(names), BATCH)?.types();
            let nulls = |of: &DataType| arrow_array::new_null_array(of, winners.len());
            return Ok(types.iter().map(nulls).collect());
        }
        let columns: Vec<std::sync::Mutex<Vec<ArrayRef>>> = (0..distinct.len())
            .map(|at| {
                parts
                    .iter()
                    .map(|(_, arrays)| Arc::clone(&arrays[at]))
                    .collect::<Vec<_>>()
                    .into()
            })
            .collect();
        drop(parts);
        let arrays = parallel::each(distinct.len(), |at| {
            let parts = std::mem::take(
                &mut *columns[at]
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner),
            );
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            let whole = arrow_select::concat::concat(&parts).map_err(trouble)?;
            arrow_select::take::take(&whole, &places, None).map_err(trouble)
        })?;
        let of = |name: &String| {
            let at = distinct.binary_search(name).unwrap_or_default();
            Arc::clone(&arrays[at])
        };
        Ok(names.iter().map(of).collect())
    }

    /// The features of windows, each with its place among those asked for.
    fn windows(
        &self,
        directory: &Directory<'_>,
        asked: &Timeline,
        windows: &[Asked<'_>],
    ) -> Result<Vec<(usize, ArrayRef)>> {
        let columns = windowed(windows);
        let events = self.events(directory, asked, windows, &columns)?;
        let mut found = Vec::new();
        for (spec, features) in windows {
            let column = columns.iter().position(|name| *name == spec.column);
            let column = &events.columns[column.unwrap_or_default()];
            let (line, rows) = (&events.line, self.rows.rows());
            let arrays = features::counted(self.view, spec, features, column, line, asked, rows)?;
            found.extend(features.iter().map(|feature| feature.place).zip(arrays));
        }
        Ok(found)
    }

    /// The events that a window can hold.
    fn events(
        &self,
        directory: &Directory<'_>,
        asked: &Timeline,
        windows: &[Asked<'_>],
        columns: &[String],
    ) -> Result<Events> {
        let view = self.view;
        let mut read = times(view);
        read.extend(
            columns
                .iter()
                .filter(|name| !times(view).contains(name))
                .cloned(),
        );
        let (oldest, newest) = features::reach(asked, windows);
        let facts = self.facts(&read)?;
        let trouble = |error: arrow_schema::ArrowError| about(view, &error);
        let parts = parallel::spread(facts, Vec::new, |parts: &mut Vec<_>, (first, frame)| {
            let entity = self.entities(directory, &frame)?;
            let history = features::History::new(view, &frame)?;
            let known = history.known();
            let kept: Vec<u32> = (0..frame.rows() as u32)
                .filter(|row| {
                    let at = *row as usize;
                    let near = |known: i64| known > oldest && known <= newest;
                    entity[at] != NONE && known.is_valid(at) && near(known.value(at))
                })
                .collect();
            if kept.is_empty() && first > 0 {
                return Ok(());
            }
            let mut arrays: Vec<ArrayRef> = vec![Arc::new(known.clone())];
            for name in columns {
                arrays.push(Arc::clone(frame.column(name)?));
            }
            if history.created.is_some() {
                // of those known at one instant the later event is the later one
                arrays.push(Arc::new(history.event.clone()));
            }
            if kept.len() == frame.rows() {
                parts.push((first, entity, arrays));
                return Ok(());
            }
            let entity: Vec<u32> = kept.iter().map(|row| entity[*row as usize]).collect();
            let kept = UInt32Array::from(kept);
            for array in &mut arrays {
                *array = arrow_select::take::take(array, &kept, None).map_err(trouble)?;
            }
            parts.push((first, entity, arrays));
            Ok(())
        })?;
        let mut parts: Vec<(u64, Vec<u32>, Vec<ArrayRef>)> = parts.into_iter().flatten().collect();
        parts.sort_unstable_by_key(|(first, _, _)| *first);
        let mut entity: Vec<u32> = Vec::with_capacity(parts.iter().map(|part| part.1.len()).sum());
        let mut stacks: Vec<Vec<ArrayRef>> = Vec::new();
        for (_, of_part, arrays) in parts {
            entity.extend(of_part);
            stacks.resize(arrays.len(), Vec::new());
            for (stack, array) in stacks.iter_mut().zip(arrays) {
                stack.push(array);
            }
        }
        let mut stacks = stacks.into_iter();
        // A column at a time, so that only one is held twice.
        let mut next = || -> Result<ArrayRef> {
            let parts = stacks.next().unwrap_or_default();
            if parts.is_empty() {
                return Ok(table::empty(ColumnKind::Integer));
            }
            let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
            arrow_select::concat::concat(&parts).map_err(trouble)
        };
        let known = next()?;
        let columns = columns
            .iter()
            .map(|_| next())
            .collect::<Result<Vec<ArrayRef>>>()?;
        let event = match view.available_at {
            Some(_) => Some(next()?),
            None => None,
        };
        let event = event
            .as_ref()
            .map(|event| event.as_primitive::<Int64Type>());
        let known = known.as_primitive::<Int64Type>();
        Ok(Events {
            line: Timeline::new(&entity, asked.entities(), known, event),
            columns,
        })
    }
}

/// Events that windows can hold.
struct Events {
    line: Timeline,
    columns: Vec<ArrayRef>,
}

/// The winning facts in ascending order, each once, and for each row where its own is; null where nobody wins.
fn sorted(winners: &[u64]) -> (Vec<u64>, UInt32Array) {
    let mut pairs: Vec<(u64, u32)> = winners
        .iter()
        .enumerate()
        .filter(|(_, winner)| **winner != NOBODY)
        .map(|(row, winner)| (*winner, row as u32))
        .collect();
    pairs.sort_unstable();
    let mut wanted: Vec<u64> = Vec::new();
    let mut places: Vec<Option<u32>> = vec![None; winners.len()];
    for (winner, row) in pairs {
        if wanted.last() != Some(&winner) {
            wanted.push(winner);
        }
        places[row as usize] = Some(wanted.len() as u32 - 1);
    }
    (wanted, places.into_iter().collect())
}
