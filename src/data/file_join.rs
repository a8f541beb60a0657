//! Rows of files with features of files, written to a file, in bounded memory: the point-in-time join of data that is
//! larger than memory (contract R1 to R10).
//!
//! Rows are taken a chunk at a time, as many as the budget holds, and written in their order. For each chunk the facts
//! pass by: once with keys and times only, to find each row's winner (no fact is kept for it, see `asof`), and once with
//! the features, of which only the winners are taken. Windows keep the events that they can hold; when those are more
//! than the budget, the entities are taken in groups, each with a pass of its own. Knows files, no configuration.

use super::asof::{self, Latest, NOBODY};
use super::features::{self, Asked, about};
use super::keys::{Directory, NONE};
use super::timeline::{Timeline, instants};
use super::write::{self, Writer};
use super::{Error, Frame, Result, on_demand, parallel, source, table};
use crate::domain::dataset::ColumnKind;
use crate::domain::feature::FeatureView;
use crate::domain::job::{DataSource, ViewUse};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use std::path::PathBuf;
use std::sync::Arc;

/// Rows that are read at a time.
const BATCH: usize = 65_536;

/// Rows of files to be joined.
#[derive(Clone, Debug)]
pub struct FileJoin {
    /// The rows that ask: CSV, Parquet or JSON lines.
    pub rows: Vec<PathBuf>,
    /// Their column with the instant as of which features are looked up.
    pub timestamp: String,
    /// What is joined to them.
    pub views: Vec<ViewUse>,
    /// Where rows and features go; the format is that of its ending.
    pub output: PathBuf,
    /// Bytes that the join may hold.
    pub memory: u64,
}

/// What a join of files came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Joined {
    /// Rows written.
    pub rows: u64,
    /// Chunks of rows that went through the facts one after the other.
    pub chunks: u64,
    /// For each feature, by its name in the output: rows that got a value.
    pub found: Vec<(String, u64)>,
}

impl FileJoin {
    /// Does it. `progress` hears the share done and what is being done.
    pub fn run(&self, progress: &mut dyn FnMut(f64, &str)) -> Result<Joined> {
        write::named(&self.output)?;
        let mut writer: Option<Writer> = None;
        let joined = self.each(progress, &mut |chunk| {
            let writer = match &mut writer {
                Some(writer) => writer,
                none => none.insert(Writer::create(&self.output, chunk)?),
            };
            writer.write(chunk)
        })?;
        match writer {
            Some(writer) => writer.finish().map(|()| joined),
            None => Ok(joined),
        }
    }

    /// Calls `put` with the rows and their features, chunk by chunk in the order of the rows; at least once, though there
    /// be no rows.
    pub fn each(
        &self,
        progress: &mut dyn FnMut(f64, &str),
        put: &mut dyn FnMut(&Frame) -> Result<()>,
    ) -> Result<Joined> {
        for used in &self.views {
            features::known_names(&used.view, &used.features)?;
        }
        let mut facts = Vec::with_capacity(self.views.len());
        for used in &self.views {
            progress(0.0, &format!("looking at {}", used.source.name()));
            facts.push(Supply::of(used, self.memory)?);
        }
        // Few at a time where little memory is allowed, so that a chunk can be small.
        let batch = usize::try_from(self.memory / 4096).map_or(BATCH, |rows| rows.clamp(1, BATCH));
        let rows = source::scan(&self.rows, None, batch)?;
        let (total, width) = (rows.rows(), rows.columns().len());
        let mut chunks = Chunks {
            rows,
            most: None,
            memory: self.memory / 2,
            features: self.views.iter().map(|used| used.features.len()).sum(),
        };
        let mut joined = Joined::default();
        while let Some(chunk) = chunks.next_chunk(joined.chunks == 0)? {
            let share = joined.rows as f64 / total.max(1) as f64;
            let chunk = self.chunk(&chunk, &facts, &mut |doing| progress(share, doing))?;
            if joined.chunks == 0 {
                let new = chunk.names().split_off(width);
                joined.found = new.into_iter().map(|name| (name, 0)).collect();
            }
            for (name, found) in &mut joined.found {
                let column = chunk.column(name)?;
                *found += (column.len() - column.null_count()) as u64;
            }
            progress(share, "writing");
            put(&chunk)?;
            joined.rows += chunk.rows() as u64;
            joined.chunks += 1;
        }
        progress(1.0, &format!("{} rows", joined.rows));
        Ok(joined)
    }

    /// A chunk of the rows with the features of all views.
    fn chunk(&self, chunk: &Frame, facts: &[Supply], doing: &mut dyn FnMut(&str)) -> Result<Frame> {
        let at = instants(chunk, &self.timestamp).map_err(|error| {
            Error::new(format!("the rows: {error}; name it with `--timestamp`"))
        })?;
        let count = chunk.rows();
        let mut columns: Vec<(String, ArrayRef)> = chunk
            .names()
            .into_iter()
            .zip(chunk.batch.columns().iter().cloned())
            .collect();
        for (used, facts) in self.views.iter().zip(facts) {
            doing(&format!("joining {}", used.view.name));
            let arrays = match facts {
                Supply::Frame(frame) => {
                    features::join(&used.view, frame, &used.features, chunk, &used.keys, &at)?
                }
                Supply::Files(files) => {
                    let passes = Passes {
                        view: &used.view,
                        keys: &used.keys,
                        files,
                        rows: chunk,
                        at: &at,
                        memory: self.memory / 2,
                    };
                    let demanded = |name: &String| used.view.demanded(name).is_some();
                    if used.features.iter().any(demanded) {
                        on_demand::join(&used.view, &used.features, chunk, &mut |stored| {
                            passes.features(stored)
                        })?
                    } else {
                        passes.features(&used.features)?
                    }
                }
            };
            for (feature, array) in used.features.iter().zip(arrays) {
                let name = format!("{}{feature}", used.prefix);
                if columns.iter().any(|(column, _)| *column == name) {
                    return Err(about(
                        &used.view,
                        &format!("there is a column `{name}` already; use the view with a prefix"),
                    ));
                }
                columns.push((name, array));
            }
        }
        Frame::from_columns_of(columns, count)
    }
}

/// The facts of a view.
enum Supply {
    /// In files that are passed over.
    Files(Vec<PathBuf>),
    /// In memory: few, or made by SQL.
    Frame(Frame),
}

impl Supply {
    fn of(used: &ViewUse, memory: u64) -> Result<Self> {
        let DataSource::Files(snapshot) = &used.source else {
            return table::load(&used.source).map(Self::Frame);
        };
        snapshot.files.iter().try_for_each(source::verify)?;
        let paths: Vec<PathBuf> = snapshot
            .files
            .iter()
            .map(|stamp| PathBuf::from(&stamp.path))
            .collect();
        let bytes: u64 = snapshot.files.iter().map(|stamp| stamp.bytes).sum();
        let is_text = |path: &PathBuf| path.extension().is_none_or(|ending| ending != "parquet");
        // Text is read anew, from its first byte, in every pass: worth it only when there is much of it.
        if paths.iter().any(is_text) && bytes < memory / 8 {
            let needed = needed(&used.view, &used.features);
            return source::read(&paths, Some(&needed))
                .map(Self::Frame)
                .map_err(|error| about(&used.view, &error));
        }
        Ok(Self::Files(paths))
    }
}

/// The columns that say whose a fact is, and when it was true and known.
fn times(view: &FeatureView) -> Vec<String> {
    let mut names = view.entity.keys.clone();
    for name in [Some(&view.event_time), view.available_at.as_ref()] {
        names.extend(name.filter(|name| !names.contains(name)).cloned());
    }
    names
}

/// The columns that some features of a view are made of.
fn needed(view: &FeatureView, features: &[String]) -> Vec<String> {
    let mut names = times(view);
    let (of_demanded, _) = on_demand::needs(view, features);
    let features = [features, &of_demanded].concat();
    let columns = features.iter().filter(|name| view.columns.contains(name));
    let windows = features::windows_of(view, &features);
    for name in columns.chain(windows.iter().map(|(spec, _)| &spec.column)) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// The rows that ask, as many at a time as the memory holds.
struct Chunks {
    rows: source::Scan,
    /// Rows of a chunk, once a row's size is known.
    most: Option<usize>,
    memory: u64,
    /// Columns that are added.
    features: usize,
}

impl Chunks {
    /// None when there are no more; of no rows at all, one chunk without rows when `or_empty`.
    fn next_chunk(&mut self, or_empty: bool) -> Result<Option<Frame>> {
        let mut frames = Vec::new();
        let mut rows = 0;
        while self.most.is_none_or(|most| rows < most) {
            let Some(frame) = self.rows.next() else { break };
            let frame = frame?;
            rows += frame.rows();
            if self.most.is_none() {
                let row = frame.batch.get_array_memory_size() / frame.rows().max(1);
                // The row while it is put together and joined; its search; its features, also while they are.
                let row = 2 * row + 24 * parallel::cores() + 48 + 27 * self.features;
                self.most = usize::try_from(self.memory / row as u64)
                    .ok()
                    .map(|most| most.max(1));
            }
            frames.push(frame);
        }
        if frames.is_empty() && or_empty {
            let columns = self.rows.columns().into_iter();
            let empty = columns.map(|(name, kind)| (name, table::empty(kind)));
            return Frame::from_columns_of(empty.collect(), 0).map(Some);
        }
        match frames.len() {
            0 | 1 => Ok(frames.pop()),
            _ => Frame::concat(&frames).map(Some),
        }
    }
}

/// The passes over the files of a view for a chunk of rows.
struct Passes<'a> {
    view: &'a FeatureView,
    /// The rows' columns for the view's keys.
    keys: &'a [String],
    files: &'a [PathBuf],
    rows: &'a Frame,
    at: &'a Int64Array,
    memory: u64,
}

/// A batch of facts and the number of its first.
type Numbered = Result<(u64, Frame)>;

impl Passes<'_> {
    /// The features called `names`, in that order.
    fn features(&self, names: &[String]) -> Result<Vec<ArrayRef>> {
        let view = self.view;
        let left = features::columns(view, "the rows: ", self.rows, self.keys)?;
        let (directory, of_rows) = Directory::new(&left, self.rows.rows());
        let asked = Timeline::new(&of_rows, directory.count(), self.at, None);
        let mut found: Vec<Option<ArrayRef>> = vec![None; names.len()];
        let windows = features::windows_of(view, names);
        if !windows.is_empty() {
            for (place, array) in self.windows(&directory, &of_rows, &asked, &windows)? {
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
    fn facts(
        &self,
        columns: &[String],
    ) -> Result<(u64, impl Iterator<Item = Numbered> + Send + use<>)> {
        let view = self.view;
        let scan =
            source::scan(self.files, Some(columns), BATCH).map_err(|error| about(view, &error))?;
        let mut first = 0;
        let total = scan.rows();
        let numbered = scan.map(move |frame| {
            let frame = frame?;
            let number = first;
            first += frame.rows() as u64;
            Ok((number, frame))
        });
        Ok((total, numbered))
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
        let (_, facts) = self.facts(&times(view))?;
        let searched = parallel::spread(
            facts,
            || Latest::new(asked, view.ttl),
            |search, (first, frame)| {
                let entity = self.entities(directory, &frame)?;
                let history = features::History::new(view, &frame)?;
                search.offer(history.of(&entity), first);
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
        let (_, facts) = self.facts(&distinct)?;
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
            let scan = source::scan(self.files, Some(names), BATCH)?;
            let kinds = scan.columns().into_iter().map(|(_, kind)| kind);
            return Ok(kinds
                .map(|kind| {
                    arrow_array::new_null_array(table::empty(kind).data_type(), winners.len())
                })
                .collect());
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
        of_rows: &[u32],
        asked: &Timeline,
        windows: &[Asked<'_>],
    ) -> Result<Vec<(usize, ArrayRef)>> {
        let view = self.view;
        let mut columns: Vec<String> = Vec::new();
        for (spec, _) in windows {
            if !columns.contains(&spec.column) {
                columns.push(spec.column.clone());
            }
        }
        let (total, _) = self.facts(&times(view))?;
        // An event: its entity, its instants, its place on the timeline, its values; the values also while they are put
        // together.
        let event = 40 + 20 * columns.len() as u64;
        let groups = (total * event)
            .div_ceil(self.memory.max(1))
            .clamp(1, directory.count().max(1) as u64) as u32;
        let group_of = |entity: u32| if entity == NONE { 0 } else { entity % groups };
        let mut places = if groups == 1 {
            Vec::new()
        } else {
            vec![(0, 0); of_rows.len()]
        };
        let mut found: Vec<Vec<ArrayRef>> = Vec::new();
        for group in 0..groups {
            let events = self.events(directory, asked, windows, &columns, &|entity| {
                entity != NONE && group_of(entity) == group
            })?;
            let part;
            let asked = if groups == 1 {
                asked
            } else {
                part = self.part(of_rows, directory.count(), &|entity| {
                    group_of(entity) == group
                });
                for (row, place) in part
                    .rows
                    .iter()
                    .zip((0..).map(|local| (group as usize, local)))
                {
                    places[*row as usize] = place;
                }
                &part.line
            };
            let mut arrays = Vec::new();
            for (spec, features) in windows {
                let column = columns.iter().position(|name| *name == spec.column);
                let column = &events.columns[column.unwrap_or_default()];
                arrays.extend(features::counted(
                    view,
                    spec,
                    features,
                    column,
                    &events.line,
                    asked,
                    asked.places.len(),
                )?);
            }
            found.push(arrays);
        }
        let features = windows.iter().flat_map(|(_, features)| features);
        features
            .enumerate()
            .map(|(at, feature)| {
                let parts: Vec<&dyn Array> =
                    found.iter().map(|arrays| arrays[at].as_ref()).collect();
                let array = match &parts[..] {
                    [_] => Arc::clone(&found[0][at]),
                    _ => arrow_select::interleave::interleave(&parts, &places)
                        .map_err(|error| about(view, &error))?,
                };
                Ok((feature.place, array))
            })
            .collect()
    }

    /// The rows whose entity is `mine`.
    fn part(&self, of_rows: &[u32], entities: usize, mine: &dyn Fn(u32) -> bool) -> Asking {
        let rows: Vec<u32> = (0..of_rows.len() as u32)
            .filter(|row| mine(of_rows[*row as usize]))
            .collect();
        let entity: Vec<u32> = rows.iter().map(|row| of_rows[*row as usize]).collect();
        let at: Int64Array = rows
            .iter()
            .map(|row| *row as usize)
            .map(|row| self.at.is_valid(row).then(|| self.at.value(row)))
            .collect();
        let line = Timeline::new(&entity, entities, &at, None);
        Asking { rows, line }
    }

    /// The events of the entities that are `mine` which a window can hold.
    fn events(
        &self,
        directory: &Directory<'_>,
        asked: &Timeline,
        windows: &[Asked<'_>],
        columns: &[String],
        mine: &(dyn Fn(u32) -> bool + Sync),
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
        let (_, facts) = self.facts(&read)?;
        let trouble = |error: arrow_schema::ArrowError| about(view, &error);
        let parts = parallel::spread(facts, Vec::new, |parts: &mut Vec<_>, (first, frame)| {
            let entity = self.entities(directory, &frame)?;
            let history = features::History::new(view, &frame)?;
            let known = history.known();
            let kept: Vec<u32> = (0..frame.rows() as u32)
                .filter(|row| {
                    let at = *row as usize;
                    let near = |known: i64| known > oldest && known <= newest;
                    mine(entity[at]) && known.is_valid(at) && near(known.value(at))
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

/// Some of the rows, and when they ask.
struct Asking {
    rows: Vec<u32>,
    line: Timeline,
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
