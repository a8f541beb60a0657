//! The join by way of the disk, for more rows, or more events in windows, than memory holds.
//!
//! What asks (instant and keys) and the facts that may answer (instants, keys, what windows count) are set aside in parts
//! by entity. A part is joined for itself, some parts at a time, as many of its rows at once as memory holds. Windows
//! answer at once; of the others the winners' numbers are kept, and the facts pass by once more, in order, to give up
//! their features. Answers are set aside by the place of their rows. So the facts are read twice (text: once, its
//! features are set aside too) and the rows twice, however little memory there is.
//! One thing is not cut: the events of one entity that windows can hold are held together.

use super::again::Again;
use super::answers::Answers;
use super::room::Room;
use super::winners::Winners;
use super::{
    BATCH, FileJoin, Joined, Supply, about_instants, is_text, paths, row_bytes, stored, times,
    windowed,
};
use crate::data::asof::{Facts, Latest};
use crate::data::features::{self, Asked, History, about};
use crate::data::key_hash::{self, Seen};
use crate::data::keys::{Directory, NONE};
use crate::data::spill::{self, Spill};
use crate::data::timeline::{Timeline, instants};
use crate::data::{Error, Frame, Result, parallel, source};
use crate::domain::dataset::Snapshot;
use crate::domain::feature::FeatureView;
use crate::domain::job::ViewUse;
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, UInt32Array};
use arrow_schema::DataType;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// At most so many parts: with more, a batch leaves too few rows for each.
const PARTS: u64 = 1024;

/// What a join by way of the disk goes by.
pub(super) struct Plan<'a> {
    pub(super) join: &'a FileJoin,
    /// The first of the rows.
    pub(super) first: &'a Frame,
    /// How many there are.
    pub(super) rows: u64,
    /// How many are put together at a time in the end.
    pub(super) chunk: usize,
    /// Rows and facts that are read at a time.
    pub(super) batch: usize,
}

/// The features of a view for all rows, set aside.
pub(super) struct Spilled {
    answers: Vec<Answers>,
}

impl Spilled {
    /// The features called `names` of a chunk of `rows` rows, the first of which has the number `first`.
    pub(super) fn features(
        &self,
        names: &[String],
        first: u64,
        rows: usize,
    ) -> Result<Vec<ArrayRef>> {
        let mut found: Vec<(&String, ArrayRef)> = Vec::new();
        for answers in &self.answers {
            found.extend(answers.names.iter().zip(answers.of(first, rows)?));
        }
        let array = |name: &String| found.iter().find(|(other, _)| *other == name);
        names
            .iter()
            .map(|name| match array(name) {
                Some((_, array)) => Ok(Arc::clone(array)),
                None => Err(Error::new(format!("`{name}` was not looked up"))),
            })
            .collect()
    }
}

impl Plan<'_> {
    /// Joins the views whose rows or events are too many for memory; what they answer takes the place of their facts.
    pub(super) fn set_aside(
        &self,
        facts: &mut [Supply],
        joined: &mut Joined,
        progress: &mut dyn FnMut(f64, &str),
    ) -> Result<()> {
        let mut views = Vec::new();
        for (place, (used, supply)) in self.join.views.iter().zip(facts.iter()).enumerate() {
            let Supply::Files { snapshot, events } = supply else {
                continue;
            };
            let stored = stored(&used.view, &used.features);
            let counted = windowed(&features::windows_of(&used.view, &stored));
            let events = events * event_bytes(&counted);
            if self.rows > self.chunk as u64 || events > self.join.memory / 2 {
                views.push((place, ByPart::new(self, used, snapshot, events)?));
            }
        }
        if views.is_empty() {
            return Ok(());
        }
        progress(0.0, "setting the rows aside");
        let mut asking: Vec<&mut ByPart<'_>> = views.iter_mut().map(|(_, view)| view).collect();
        self.ask(&mut asking)?;
        let count = views.len() as f64;
        for (number, (place, view)) in views.into_iter().enumerate() {
            let share = |step: f64| 0.5 * (number as f64 + step) / count;
            joined.parts += view.asks.parts() as u64;
            let said = &mut |step: f64, doing: &str| {
                progress(share(step), &format!("{doing} {}", view.view.name));
            };
            facts[place] = Supply::Spilled(view.joined(&mut joined.spilled, said)?);
        }
        Ok(())
    }

    /// The rows with their keys and instants, once for all views.
    fn ask(&self, views: &mut [&mut ByPart<'_>]) -> Result<()> {
        let timestamp = &self.join.timestamp;
        instants(self.first, timestamp).map_err(|error| about_instants(&error))?;
        let mut names = vec![timestamp.clone()];
        for view in views.iter() {
            names.extend(view.used.keys.iter().cloned());
        }
        names.sort_unstable();
        names.dedup();
        for view in views.iter() {
            features::columns(view.view, "the rows: ", self.first, &view.used.keys)?;
        }
        let mut number = 0;
        for frame in source::scan(&self.join.rows, Some(&names), self.batch)? {
            let frame = frame?;
            let at = instants(&frame, timestamp).map_err(|error| about_instants(&error))?;
            for view in views.iter_mut() {
                view.ask(number, &frame, &at)?;
            }
            number += frame.rows() as i64;
        }
        match number as u64 == self.rows {
            true => Ok(()),
            false => Err(Error::new(
                "the rows changed while they were read; try again",
            )),
        }
    }

    fn folder(&self) -> &Path {
        match self.join.output.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        }
    }

    /// Bytes that wait to be set aside, of one kind.
    fn waiting(&self) -> u64 {
        self.join.memory / 16
    }

    fn answers(&self, names: Vec<String>, types: Vec<DataType>) -> Result<Answers> {
        let (rows, chunk) = (self.rows, self.chunk);
        Answers::new(self.folder(), names, types, rows, chunk, self.waiting())
    }
}

/// A view whose facts answer part by part.
struct ByPart<'a> {
    plan: &'a Plan<'a>,
    used: &'a ViewUse,
    view: &'a FeatureView,
    snapshot: Snapshot,
    files: Vec<PathBuf>,
    /// Features that are taken from winners.
    plain: Vec<String>,
    windows: Vec<Asked<'a>>,
    /// Features of the windows, in their order.
    of_windows: Vec<String>,
    /// Columns that windows count.
    counted: Vec<String>,
    /// By part: a row's number, its instant, its keys.
    asks: Spill,
    seen: Seen,
    /// The first and the last instant that is asked for.
    span: (i64, i64),
    /// A value of each key, where there is one.
    examples: Vec<Option<ArrayRef>>,
    /// Bytes that a row takes while it asks.
    row: u64,
    /// Rows that ask together.
    most: usize,
}

/// Bytes of an event while windows count it: its entity, its instants, its place on the timeline, its values; the values
/// also while they are put together.
fn event_bytes(counted: &[String]) -> u64 {
    40 + 20 * counted.len() as u64
}

impl<'a> ByPart<'a> {
    /// `events`: bytes of all events while windows count them.
    fn new(
        plan: &'a Plan<'a>,
        used: &'a ViewUse,
        snapshot: &Snapshot,
        events: u64,
    ) -> Result<Self> {
        let view = &used.view;
        let stored = stored(view, &used.features);
        let windows = features::windows_of(view, &stored);
        let of_windows: Vec<String> = (windows.iter().flat_map(|(_, features)| features))
            .map(|feature| stored[feature.place].clone())
            .collect();
        let mut plain = stored;
        plain.retain(|name| !of_windows.contains(name));
        let counted = windowed(&windows);
        let keys = features::columns(view, "the rows: ", plan.first, &used.keys)?;
        let key = row_bytes(keys.iter().copied()) as u64;
        // Its number, instant and keys, also while they are put together; its place on the timeline, entity and search;
        // its winner, also while it is sorted.
        let row = 2 * (16 + key) + 60 + 24 + 40;
        let whole = plan.join.memory / 2;
        let of_one = (whole / parallel::cores() as u64).max(1);
        // a quarter more, because no two parts are alike
        let parts = (plan.rows * row).max(events) * 5 / 4 / of_one + 1;
        let parts = parts.min(PARTS).min(plan.rows).max(1) as usize;
        // windows take the rows of an entity together, as long as memory holds them: deviations come to the last digit
        // what they come to without parts
        let together = if windows.is_empty() { of_one } else { whole };
        Ok(Self {
            plan,
            used,
            view,
            snapshot: snapshot.clone(),
            files: paths(snapshot),
            plain,
            windows,
            of_windows,
            counted,
            asks: Spill::new(plan.folder(), parts, plan.waiting())?,
            seen: Seen::new(plan.rows, plan.waiting()),
            span: (i64::MAX, i64::MIN),
            examples: vec![None; keys.len()],
            row,
            most: usize::try_from(together / row).map_or(1 << 30, |most| most.clamp(1, 1 << 30)),
        })
    }

    /// Sets rows aside, the first of which has the number `first`.
    fn ask(&mut self, first: i64, rows: &Frame, at: &Int64Array) -> Result<()> {
        let keys = features::columns(self.view, "the rows: ", rows, &self.used.keys)?;
        for (example, key) in self.examples.iter_mut().zip(&keys) {
            if example.is_none() {
                *example = value(key);
            }
        }
        let parts = self.asks.parts();
        let hashes = key_hash::hashes(&keys, rows.rows());
        let mut part = Vec::with_capacity(rows.rows());
        for (row, hash) in hashes.into_iter().enumerate() {
            if hash != key_hash::NOBODY && at.is_valid(row) {
                let at = at.value(row);
                self.span = (self.span.0.min(at), self.span.1.max(at));
                self.seen.add(hash);
                part.push(key_hash::part(hash, parts));
            } else if self.windows.is_empty() {
                part.push(NONE);
            } else {
                // nothing is found for it, but windows say so in their own way
                part.push((row % parts) as u32);
            }
        }
        let mut columns = vec![
            numbers(first, rows.rows()),
            Arc::new(at.clone()) as ArrayRef,
        ];
        columns.extend(keys.into_iter().cloned());
        self.asks.scatter(&part, &columns)
    }

    /// Facts against all rows that ask.
    fn joined(self, spilled: &mut u64, said: &mut dyn FnMut(f64, &str)) -> Result<Spilled> {
        said(0.0, "setting aside");
        let (facts, again) = self.facts()?;
        said(0.4, "joining");
        let mut runs = vec![0];
        for part in 0..self.asks.parts() {
            runs.push(runs[part] + self.asks.rows(part).div_ceil(self.most));
        }
        let count = runs.last().copied().unwrap_or_default();
        let winners = Winners::new(self.plan.folder(), count, self.plan.waiting())?;
        let counted = self.plan.answers(self.of_windows.clone(), Vec::new())?;
        let room = Room::of(self.plan.join.memory / 2);
        parallel::each(self.asks.parts(), |part| {
            let rows = self.asks.rows(part).min(self.most) as u64 * self.row;
            let events = match self.windows.is_empty() {
                true => 0,
                false => facts.rows(part) as u64 * event_bytes(&self.counted),
            };
            let _held = room.held(rows + events);
            self.part(part, &facts, (&winners, runs[part]), &counted)
        })?;
        said(0.7, "taking features of");
        *spilled += self.asks.bytes() + facts.bytes();
        drop(facts);
        let mut answers = vec![counted];
        if !self.plain.is_empty() {
            answers.push(self.taken(&winners, &again)?);
        }
        *spilled += winners.bytes() + again.bytes();
        *spilled += answers.iter().map(Answers::bytes).sum::<u64>();
        self.snapshot.files.iter().try_for_each(source::verify)?;
        Ok(Spilled { answers })
    }

    /// The facts that may answer, by part: number, instants, keys, what windows count. And how they pass by again.
    fn facts(&self) -> Result<(Spill, Again)> {
        let view = self.view;
        let text = self.files.iter().any(|path| is_text(path));
        let mut read = times(view);
        let taken = self.plain.iter().filter(|_| text);
        for name in self.counted.iter().chain(taken) {
            if !read.contains(name) {
                read.push(name.clone());
            }
        }
        let scan = source::scan(&self.files, Some(&read), self.plan.batch)
            .map_err(|error| about(view, &error))?;
        let mut again = Again {
            facts: scan.rows(),
            types: Vec::new(),
            features: None,
        };
        if text {
            let (names, types) = (scan.columns(), scan.types());
            let of = |name: &String| names.iter().position(|(other, _)| other == name);
            let places = self.plain.iter().filter_map(of);
            again.types = places.map(|place| types[place].clone()).collect();
            again.features = Some(Spill::new(self.plan.folder(), 1, self.plan.waiting())?);
        }
        let spill = Spill::new(self.plan.folder(), self.asks.parts(), self.plan.waiting())?;
        let mut first = 0;
        let numbered = scan.map(|frame| {
            let frame = frame?;
            let number = first;
            first += frame.rows() as i64;
            if let Some(features) = &again.features {
                let columns = features::columns(view, "", &frame, &self.plain)?;
                features.put(0, &columns.into_iter().cloned().collect::<Vec<_>>())?;
            }
            Ok((number, frame))
        });
        parallel::spread(
            numbered,
            || (),
            |(), (first, frame)| self.offer(first, &frame, &spill),
        )?;
        Ok((spill, again))
    }

    /// Sets aside which of these facts may answer.
    fn offer(&self, first: i64, frame: &Frame, spill: &Spill) -> Result<()> {
        let view = self.view;
        let keys = features::columns(view, "", frame, &view.entity.keys)?;
        for (example, key) in self.examples.iter().zip(&keys) {
            if let (Some(example), Some(value)) = (example, value(key)) {
                let (directory, _) = Directory::new(&[example], 1);
                let found = directory.find(&[&value], 1);
                found.map_err(|error| features::about_keys(view, &error))?;
            }
        }
        let history = History::new(view, frame)?;
        let known = history.known();
        let ttl = view.ttl.filter(|ttl| *ttl > 0);
        let oldest = ttl.map_or(i64::MIN, |ttl| self.span.0.saturating_sub(ttl));
        let wins = |row: usize| {
            let event = history.event.value(row);
            !self.plain.is_empty()
                && history.event.is_valid(row)
                && event >= oldest
                && event <= self.span.1
        };
        let hashes = key_hash::hashes(&keys, frame.rows());
        let part: Vec<u32> = (hashes.iter().enumerate())
            .map(|(row, hash)| {
                let asked = *hash != key_hash::NOBODY && self.seen.has(*hash);
                match asked && (wins(row) || self.counts(known, row)) {
                    true => key_hash::part(*hash, spill.parts()),
                    false => NONE,
                }
            })
            .collect();
        let mut columns = vec![
            numbers(first, frame.rows()),
            Arc::new(history.event.clone()) as ArrayRef,
        ];
        if let Some(created) = &history.created {
            columns.push(Arc::new(created.clone()));
        }
        columns.extend(keys.into_iter().cloned());
        for name in &self.counted {
            columns.push(Arc::clone(frame.column(name)?));
        }
        spill.scatter(&part, &columns)
    }

    /// Whether a window of any row can hold the event.
    fn counts(&self, known: &Int64Array, row: usize) -> bool {
        let lengths = self.windows.iter().flat_map(|(_, features)| features);
        let Some(longest) = lengths.map(|feature| feature.length).max() else {
            return false;
        };
        let oldest = self.span.0.saturating_sub(longest);
        known.is_valid(row) && known.value(row) > oldest && known.value(row) <= self.span.1
    }

    /// Joins a part. `winners`: where they go, and the number of the part's first run.
    fn part(
        &self,
        part: usize,
        facts: &Spill,
        (winners, mut run): (&Winners, usize),
        counted: &Answers,
    ) -> Result<()> {
        let view = self.view;
        let mut asks = self.asks.blocks(part)?;
        while let Some(columns) = asks.rows(self.most)? {
            let rows = columns[0].as_primitive::<Int64Type>();
            let keys: Vec<&ArrayRef> = columns[2..].iter().collect();
            let (directory, of_rows) = Directory::new(&keys, rows.len());
            let at = columns[1].as_primitive();
            let asked = Timeline::new(&of_rows, directory.count(), at, None);
            if !self.plain.is_empty() {
                let mut search = Latest::new(&asked, view.ttl);
                for block in facts.blocks(part)? {
                    let block = block?;
                    let block = self.block(&block);
                    let entity = block.entities(view, &directory)?;
                    let facts = Facts {
                        entity: &entity,
                        event: block.event,
                        created: block.created,
                        known_as_of: block.created.is_some() && view.known_as_of != Some(false),
                    };
                    search.offer(facts, |at| block.numbers.value(at) as u64);
                }
                winners.put(run, &search.winners(rows.len()), rows)?;
            }
            if !self.windows.is_empty() {
                counted.put(
                    rows,
                    self.windows(part, facts, &directory, &asked, rows.len())?,
                )?;
            }
            run += 1;
        }
        Ok(())
    }

    /// The features of windows for some rows of a part.
    fn windows(
        &self,
        part: usize,
        facts: &Spill,
        directory: &Directory<'_>,
        asked: &Timeline,
        rows: usize,
    ) -> Result<Vec<ArrayRef>> {
        let view = self.view;
        let mut blocks: Vec<Vec<ArrayRef>> = Vec::new();
        for block in facts.blocks(part)? {
            let columns = block?;
            let block = self.block(&columns);
            let entity = block.entities(view, directory)?;
            let kept = (0..entity.len() as u32).filter(|row| {
                entity[*row as usize] != NONE && self.counts(block.known(), *row as usize)
            });
            let kept = UInt32Array::from_iter_values(kept);
            if !kept.is_empty() || blocks.is_empty() {
                let taken = columns
                    .iter()
                    .map(|column| arrow_select::take::take(column, &kept, None))
                    .collect::<std::result::Result<Vec<_>, _>>()
                    .map_err(|error| about(view, &error))?;
                blocks.push(taken);
            }
        }
        // In the order of the facts, which decides between those known at one instant; a block is in order.
        blocks.sort_by_key(|columns| {
            let numbers = columns[0].as_primitive::<Int64Type>();
            numbers.values().first().copied()
        });
        let columns = match blocks.is_empty() {
            true => self.nothing()?,
            false => spill::stacked(blocks)?,
        };
        let block = self.block(&columns);
        let entity = block.entities(view, directory)?;
        let then = block.created.map(|_| block.event);
        let events = Timeline::new(&entity, asked.entities(), block.known(), then);
        let mut found = Vec::new();
        for (spec, features) in &self.windows {
            let place = self.counted.iter().position(|name| *name == spec.column);
            let column = &block.values[place.unwrap_or_default()];
            found.extend(features::counted(
                view, spec, features, column, &events, asked, rows,
            )?);
        }
        Ok(found)
    }

    /// A block without facts.
    fn nothing(&self) -> Result<Vec<ArrayRef>> {
        let types = |names: &[String]| -> Result<Vec<DataType>> {
            let scan = source::scan(&self.files, Some(names), self.plan.batch);
            Ok(scan.map_err(|error| about(self.view, &error))?.types())
        };
        let mut all = vec![DataType::Int64; 2 + usize::from(self.view.available_at.is_some())];
        all.extend(types(&self.view.entity.keys)?);
        all.extend(types(&self.counted)?);
        Ok(all.iter().map(arrow_array::new_empty_array).collect())
    }

    fn block<'b>(&self, columns: &'b [ArrayRef]) -> Block<'b> {
        let has_created = usize::from(self.view.available_at.is_some());
        let whole = |at: usize| columns[at].as_primitive::<Int64Type>();
        let (keys, values) = columns[2 + has_created..].split_at(self.view.entity.keys.len());
        Block {
            numbers: whole(0),
            event: whole(1),
            created: (has_created == 1).then(|| whole(2)),
            keys,
            values,
        }
    }

    /// The features of the winners.
    fn taken(&self, winners: &Winners, again: &Again) -> Result<Answers> {
        let view = self.view;
        let (types, mut blocks) = (again.pass(&self.files, &self.plain, self.plan.batch))
            .map_err(|error| about(view, &error))?;
        let answers = self.plan.answers(self.plain.clone(), types)?;
        let mut order = winners.in_order()?;
        let (mut first, mut current): (u64, Option<Vec<ArrayRef>>) = (0, None);
        let mut next = || -> Result<Option<(Vec<ArrayRef>, UInt32Array, Int64Array)>> {
            loop {
                if current.is_none() {
                    current = blocks.next().transpose()?;
                }
                let Some(columns) = &current else {
                    return Ok(None);
                };
                let end = first + columns[0].len() as u64;
                let (facts, rows) = order.before(end, BATCH)?;
                if facts.is_empty() {
                    (first, current) = (end, None);
                    continue;
                }
                let places = facts.into_iter().map(|fact| (fact - first) as u32);
                let places = UInt32Array::from_iter_values(places);
                return Ok(Some((columns.clone(), places, Int64Array::from(rows))));
            }
        };
        let won = std::iter::from_fn(|| next().transpose());
        parallel::spread(
            won,
            || (),
            |(), (columns, facts, rows)| {
                let columns = columns
                    .iter()
                    .map(|column| arrow_select::take::take(column, &facts, None))
                    .collect::<std::result::Result<Vec<_>, _>>()
                    .map_err(|error| about(view, &error))?;
                answers.put(&rows, columns)
            },
        )?;
        Ok(answers)
    }
}

/// Facts that were set aside.
struct Block<'a> {
    numbers: &'a Int64Array,
    event: &'a Int64Array,
    created: Option<&'a Int64Array>,
    keys: &'a [ArrayRef],
    values: &'a [ArrayRef],
}

impl Block<'_> {
    fn known(&self) -> &Int64Array {
        self.created.unwrap_or(self.event)
    }

    fn entities(&self, view: &FeatureView, directory: &Directory<'_>) -> Result<Vec<u32>> {
        let keys: Vec<&ArrayRef> = self.keys.iter().collect();
        directory
            .find(&keys, self.numbers.len())
            .map_err(|error| features::about_keys(view, &error))
    }
}

/// `first` and what follows.
fn numbers(first: i64, count: usize) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(first..first + count as i64))
}

/// A value of a column that is not null, where there is one.
fn value(column: &ArrayRef) -> Option<ArrayRef> {
    let row = (0..column.len()).find(|row| column.is_valid(*row))?;
    Some(column.slice(row, 1))
}
