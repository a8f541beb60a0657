//! Rows of files with features of files, written to a file, in bounded memory: the point-in-time join of data that is
//! larger than memory (contract R1 to R10). Knows files, no configuration.
//!
//! Rows that the budget holds are taken at once (`passes`): the facts pass by with keys and times only, to find each
//! row's winner (no fact is kept for it, see `asof`), and again with the features, of which only the winners are taken.
//! More rows than that, or more events in windows than that, go by way of the disk (`spilled`), however many they are:
//! what asks and the facts' keys and times are set aside by entity, each part is joined for itself, and its answers are
//! set aside by the place of their rows. Then the rows are read again, a chunk at a time, and written in their order.

mod again;
mod answers;
mod passes;
mod room;
mod spilled;
mod winners;

use super::features::{self, about};
use super::timeline::instants;
use super::write::{self, Writer};
use super::{Error, Frame, Result, on_demand, parallel, source, table};
use crate::domain::dataset::Snapshot;
use crate::domain::feature::FeatureView;
use crate::domain::job::{DataSource, ViewUse};
use arrow_array::{Array, ArrayRef, Int64Array};
use passes::Passes;
use spilled::{Plan, Spilled};
use std::path::{Path, PathBuf};

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
    /// Where rows and features go; the format is that of its ending. What is set aside lies in its folder, without a name.
    pub output: PathBuf,
    /// Bytes that the join may hold.
    pub memory: u64,
}

/// What a join of files came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Joined {
    /// Rows written.
    pub rows: u64,
    /// Chunks of rows that were written one after the other.
    pub chunks: u64,
    /// Parts that rows and facts were set aside in; 0 when memory was enough.
    pub parts: u64,
    /// Bytes that were set aside on disk.
    pub spilled: u64,
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
        let rows = source::scan(&self.rows, None, self.batch())?;
        let (total, width) = (rows.rows(), rows.columns().len());
        let features = self.views.iter().map(|used| used.features.len()).sum();
        let mut chunks = Chunks::new(rows, self.memory / 2, features)?;
        let mut joined = Joined::default();
        if let Some(first) = &chunks.rest {
            let plan = Plan {
                join: self,
                first,
                rows: total,
                chunk: chunks.most,
                batch: self.batch(),
            };
            plan.set_aside(&mut facts, &mut joined, progress)?;
        }
        let begun = if joined.parts > 0 { 0.5 } else { 0.0 };
        while let Some(chunk) = chunks.next_chunk(joined.chunks == 0)? {
            let share = begun + (1.0 - begun) * joined.rows as f64 / total.max(1) as f64;
            let doing = &mut |doing: &str| progress(share, doing);
            let chunk = self.chunk(&chunk, joined.rows, &facts, doing)?;
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

    /// Rows that are read at a time: few where little memory is allowed, so that a chunk can be small.
    fn batch(&self) -> usize {
        usize::try_from(self.memory / 4096).map_or(BATCH, |rows| rows.clamp(1, BATCH))
    }

    /// A chunk of the rows, the first of which has the number `first`, with the features of all views.
    fn chunk(
        &self,
        chunk: &Frame,
        first: u64,
        facts: &[Supply],
        doing: &mut dyn FnMut(&str),
    ) -> Result<Frame> {
        let at = instants(chunk, &self.timestamp).map_err(|error| about_instants(&error))?;
        let count = chunk.rows();
        let mut columns: Vec<(String, ArrayRef)> = chunk
            .names()
            .into_iter()
            .zip(chunk.batch.columns().iter().cloned())
            .collect();
        for (used, facts) in self.views.iter().zip(facts) {
            doing(&format!("joining {}", used.view.name));
            let arrays = facts.answers(used, chunk, &at, first)?;
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

/// The features of a view for rows that are in memory, as of their instants, from facts in files that are larger: these
/// pass by, and no more of them is held than what answers.
pub(super) fn of_rows(
    used: &ViewUse,
    snapshot: &Snapshot,
    rows: &Frame,
    at: &Int64Array,
) -> Result<Vec<ArrayRef>> {
    features::known_names(&used.view, &used.features)?;
    snapshot.files.iter().try_for_each(source::verify)?;
    let facts = Supply::Files {
        snapshot: snapshot.clone(),
        events: 0,
    };
    facts.answers(used, rows, at, 0)
}

fn about_instants(error: &Error) -> Error {
    Error::new(format!("the rows: {error}; name it with `--timestamp`"))
}

/// The facts of a view.
enum Supply {
    /// In files that are passed over.
    Files {
        snapshot: Snapshot,
        /// How many there are, when windows are asked over them.
        events: u64,
    },
    /// Those of the files have answered, and the answers are set aside.
    Spilled(Spilled),
    /// In memory: few, or made by SQL.
    Frame(Frame),
}

impl Supply {
    fn of(used: &ViewUse, memory: u64) -> Result<Self> {
        let DataSource::Files(snapshot) = &used.source else {
            return table::load(&used.source).map(Self::Frame);
        };
        snapshot.files.iter().try_for_each(source::verify)?;
        let paths = paths(snapshot);
        let bytes: u64 = snapshot.files.iter().map(|stamp| stamp.bytes).sum();
        // Text is read anew, from its first byte, in every pass: worth it only when there is much of it.
        if paths.iter().any(|path| is_text(path)) && bytes < memory / 8 {
            let needed = needed(&used.view, &used.features);
            return source::read(&paths, Some(&needed))
                .map(Self::Frame)
                .map_err(|error| about(&used.view, &error));
        }
        let stored = stored(&used.view, &used.features);
        let events = match features::windows_of(&used.view, &stored).is_empty() {
            true => 0,
            false => source::scan(&paths, Some(&times(&used.view)), BATCH)
                .map_err(|error| about(&used.view, &error))?
                .rows(),
        };
        Ok(Self::Files {
            snapshot: snapshot.clone(),
            events,
        })
    }

    /// The features of a view for rows, the first of which has the number `first`.
    fn answers(
        &self,
        used: &ViewUse,
        rows: &Frame,
        at: &Int64Array,
        first: u64,
    ) -> Result<Vec<ArrayRef>> {
        let mut stored = |names: &[String]| match self {
            Self::Frame(frame) => features::join(&used.view, frame, names, rows, &used.keys, at),
            Self::Spilled(spilled) => spilled.features(names, first, rows.rows()),
            Self::Files { snapshot, .. } => Passes {
                view: &used.view,
                keys: &used.keys,
                files: &paths(snapshot),
                rows,
                at,
            }
            .features(names),
        };
        let demanded = |name: &String| used.view.demanded(name).is_some();
        match used.features.iter().any(demanded) {
            true => on_demand::join(&used.view, &used.features, rows, &mut stored),
            false => stored(&used.features),
        }
    }
}

fn paths(snapshot: &Snapshot) -> Vec<PathBuf> {
    let paths = snapshot
        .files
        .iter()
        .map(|stamp| PathBuf::from(&stamp.path));
    paths.collect()
}

fn is_text(path: &Path) -> bool {
    path.extension().is_none_or(|ending| ending != "parquet")
}

/// The columns that say whose a fact is, and when it was true and known.
fn times(view: &FeatureView) -> Vec<String> {
    let mut names = view.entity.keys.clone();
    for name in [Some(&view.event_time), view.available_at.as_ref()] {
        names.extend(name.filter(|name| !names.contains(name)).cloned());
    }
    names
}

/// The features that are looked up for the features called `names`, each once.
fn stored(view: &FeatureView, names: &[String]) -> Vec<String> {
    let (of_demanded, _) = on_demand::needs(view, names);
    let looked_up = names.iter().filter(|name| view.demanded(name).is_none());
    let mut stored: Vec<String> = Vec::new();
    for name in looked_up.chain(&of_demanded) {
        if !stored.contains(name) {
            stored.push(name.clone());
        }
    }
    stored
}

/// The columns that windows are asked over, each once.
fn windowed(windows: &[features::Asked<'_>]) -> Vec<String> {
    let mut columns: Vec<String> = Vec::new();
    for (spec, _) in windows {
        if !columns.contains(&spec.column) {
            columns.push(spec.column.clone());
        }
    }
    columns
}

/// The columns that some features of a view are made of.
fn needed(view: &FeatureView, features: &[String]) -> Vec<String> {
    let mut names = times(view);
    let features = stored(view, features);
    let columns = features.iter().filter(|name| view.columns.contains(name));
    let windows = windowed(&features::windows_of(view, &features));
    for name in columns.chain(&windows) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Bytes of a row of these columns.
fn row_bytes<'a>(columns: impl IntoIterator<Item = &'a ArrayRef>) -> usize {
    let (mut bytes, mut rows) = (0, 1);
    for column in columns {
        let own = column.to_data().get_slice_memory_size();
        bytes += own.unwrap_or_else(|_| column.get_array_memory_size());
        rows = column.len().max(1);
    }
    bytes.div_ceil(rows)
}

/// The rows that ask, as many at a time as the memory holds.
struct Chunks {
    rows: source::Scan,
    /// Rows that were read and are not given yet; before the first chunk: of no rows at all, none.
    rest: Option<Frame>,
    /// Rows of a chunk.
    most: usize,
}

impl Chunks {
    /// Chunks that take about `memory` bytes while `features` columns are added.
    fn new(mut rows: source::Scan, memory: u64, features: usize) -> Result<Self> {
        let rest = rows.next().transpose()?;
        let most = rest.as_ref().map_or(1, |frame| {
            let row = row_bytes(frame.batch.columns());
            // The row while it is put together and joined; its search; its features, also while they are.
            let row = 2 * row + 24 * parallel::cores() + 48 + 27 * features;
            (memory / row as u64).clamp(1, 1 << 30) as usize
        });
        Ok(Self { rows, rest, most })
    }

    /// None when there are no more; of no rows at all, one chunk without rows when `or_empty`.
    fn next_chunk(&mut self, or_empty: bool) -> Result<Option<Frame>> {
        let mut frames = Vec::new();
        let mut left = self.most;
        while left > 0 {
            let next = match self.rest.take() {
                Some(rest) => Some(rest),
                None => self.rows.next().transpose()?,
            };
            let Some(Frame { batch }) = next else { break };
            let rows = batch.num_rows().min(left);
            if rows < batch.num_rows() {
                let batch = batch.slice(rows, batch.num_rows() - rows);
                self.rest = Some(Frame { batch });
            }
            left -= rows;
            frames.push(Frame {
                batch: batch.slice(0, rows),
            });
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
