//! The facts of a view that its windows can hold now, by entity: what is in its files, and what was pushed since. With them
//! a push counts the windows of its entities anew without reading a file, and comes to what a join as of the same instant
//! gives. Rows of the dataset become facts of the view through whatever expressions stand between them.

pub use super::facts::needed;
use super::facts::{Typed, known_at, longest, pieces};
use super::newest::counted;
use super::{Column, PUSHED, key};
use crate::data::row_wise::RowWise;
use crate::data::source::{self, Types};
use crate::data::{Error, Frame, Result, segment};
use crate::domain::feature::FeatureView;
use crate::domain::job::DataSource;
use crate::domain::online::FileSpan;
use rustc_hash::FxHashMap;
use std::path::Path;

/// Pushes that are kept each by itself; after that many all become one.
const PUSHES: usize = 256;

/// See the module's text.
pub struct Recent {
    view: FeatureView,
    source: DataSource,
    /// As which types the files' columns are read, where expressions are computed from them.
    types: Option<Types>,
    /// Facts that no window reaches may be an entity's newest.
    all: bool,
    /// What was known before came later than the view allows, and is left out as a materialization leaves it out.
    limit: Option<i64>,
    /// What is in files that were materialized, then what was pushed since.
    chunks: Vec<Frame>,
    of_entity: FxHashMap<Vec<u8>, Vec<(u32, u32)>>,
}

impl Recent {
    /// Reads the facts of a row-wise source. `had`: the files of the generation that is there; of them those are left alone
    /// that no window reaches back to as of `as_of`, and pushed rows that are in none of them were pushed since. None: there
    /// is no generation, and every fact may be an entity's newest. `watermark`: when the newest fact of the generation was
    /// known.
    pub fn load(
        view: &FeatureView,
        source: &DataSource,
        had: Option<&[FileSpan]>,
        watermark: Option<i64>,
        as_of: i64,
    ) -> Result<Self> {
        let about = |error: Error| Error::new(format!("feature view `{}`: {error}", view.name));
        let rows = row_wise(source).map_err(about)?;
        let (typed, _) = Typed::of(&rows, None, &needed(view), &mut |_, _| {}).map_err(about)?;
        let mut recent = Self {
            view: view.clone(),
            source: source.clone(),
            types: typed.map(|typed| typed.types),
            all: had.is_none(),
            limit: watermark
                .zip(view.allowed_lateness)
                .map(|(watermark, allowed)| watermark.saturating_sub(allowed)),
            chunks: Vec::new(),
            of_entity: FxHashMap::default(),
        };
        let (mut before, mut since) = (Vec::new(), Vec::new());
        // without windows nothing but what is pushed counts
        let files = longest(view).map_or(&[][..], |_| &rows.snapshot.files);
        let from = as_of.saturating_sub(longest(view).unwrap_or(0));
        for stamp in files {
            let mut spans = had.unwrap_or_default().iter();
            let span = spans.find(|span| {
                span.stamp.path == stamp.path && span.stamp.sha256 == stamp.sha256
                    || segment::stands_for(Path::new(&stamp.path), Path::new(&span.stamp.path))
            });
            let is_new =
                had.is_some() && span.is_none() && segment::is_segment(Path::new(&stamp.path));
            // of parts that were put together since each knows its own time alone
            let is_over = span.is_some_and(|span| {
                span.stamp.path == stamp.path && span.known.is_none_or(|(_, last)| last <= from)
            });
            if is_over {
                continue;
            }
            source::verify(stamp).map_err(about)?;
            let path = Path::new(&stamp.path);
            let (_, pieces) =
                pieces(path, &rows, recent.types.as_ref(), &needed(view)).map_err(about)?;
            for facts in pieces {
                let facts = facts.map_err(about)?;
                let (kept, of) = match is_new {
                    true => (recent.in_time(facts), &mut since),
                    false => (recent.in_reach(facts, as_of), &mut before),
                };
                of.push(kept.map_err(about)?);
            }
        }
        for frames in [before, since] {
            let one = match frames.len() {
                0 => None,
                _ => Some(Frame::concat(&frames).map_err(about)?),
            };
            recent.put(one).map_err(about)?;
        }
        Ok(recent)
    }

    /// What rows of the dataset are as facts of the view.
    pub fn facts(&self, rows: &Frame) -> Result<Frame> {
        let about =
            |error: Error| Error::new(format!("feature view `{}`: {error}", self.view.name));
        let made = match &self.types {
            None => rows.clone(),
            Some(types) => {
                let rows = types.cast(rows).map_err(about)?;
                row_wise(&self.source)?.made(rows).map_err(about)?
            }
        };
        made.select(&needed(&self.view)).map_err(about)
    }

    /// Adds facts, which came after all that are there.
    pub fn add(&mut self, facts: Frame, as_of: i64) -> Result<()> {
        if longest(&self.view).is_none() {
            // nothing is counted
            return Ok(());
        }
        let facts = self.in_time(facts)?;
        self.put(Some(facts))?;
        if self.chunks.len() > PUSHES {
            let [before, pushed @ ..] = self.chunks.as_slice() else {
                return Ok(());
            };
            let pushed: Vec<Frame> = pushed
                .iter()
                .filter(|one| one.rows() > 0)
                .cloned()
                .collect();
            let pushed = self.in_reach(Frame::concat(&pushed)?, as_of)?;
            let before = self.in_reach(before.clone(), as_of)?;
            (self.chunks, self.of_entity) = (Vec::new(), FxHashMap::default());
            self.put(Some(before))?;
            self.put(Some(pushed))?;
        }
        Ok(())
    }

    /// The entities of facts.
    pub fn entities(&self, facts: &Frame) -> Result<Vec<Vec<u8>>> {
        let mut named: Vec<Vec<u8>> = keys(&self.view, facts)?.into_iter().flatten().collect();
        named.sort_unstable();
        named.dedup();
        Ok(named)
    }

    /// The entities of which something was pushed that was not materialized.
    pub fn pushed_entities(&self) -> Result<Vec<Vec<u8>>> {
        let mut all = Vec::new();
        for chunk in self.chunks.iter().skip(1) {
            all.extend(self.entities(chunk)?);
        }
        Ok(all)
    }

    /// The values of entities as of an instant: what is newest of each among these facts, and its windows; rows whose newest
    /// fact was pushed since have [`PUSHED`] for their source. With the layout and the places of the windows.
    pub fn values(&self, entities: &[Vec<u8>], as_of: i64) -> Result<super::batch::Batch> {
        let mut places: Vec<(u32, u32)> = entities
            .iter()
            .filter_map(|entity| self.of_entity.get(entity))
            .flatten()
            .copied()
            .collect();
        places.sort_unstable();
        places.dedup();
        let (mut frames, mut from) = (Vec::new(), Vec::new());
        for of_chunk in places.chunk_by(|one, other| one.0 == other.0) {
            let chunk = of_chunk[0].0 as usize;
            let rows: Vec<u32> = of_chunk.iter().map(|(_, row)| *row).collect();
            from.resize(from.len() + rows.len(), if chunk == 0 { 0 } else { PUSHED });
            frames.push(self.chunks[chunk].take(&rows)?);
        }
        if frames.is_empty() {
            return Ok(super::batch::Batch::default());
        }
        let facts = Frame::concat(&frames)?;
        Ok(counted(&self.view, &facts, &from, as_of)?.batch)
    }

    /// Bytes that are held.
    pub fn bytes(&self) -> usize {
        let held = self.chunks.iter();
        held.map(|chunk| chunk.batch.get_array_memory_size())
            .sum::<usize>()
            + self.of_entity.len() * 64
    }

    fn put(&mut self, facts: Option<Frame>) -> Result<()> {
        let chunk = self.chunks.len() as u32;
        let Some(facts) = facts else {
            // the place of what was materialized is the first, also when it is nothing
            self.chunks
                .push(super::facts::nothing(&needed(&self.view))?);
            return Ok(());
        };
        for (row, named) in keys(&self.view, &facts)?.into_iter().enumerate() {
            if let Some(named) = named {
                self.of_entity
                    .entry(named)
                    .or_default()
                    .push((chunk, row as u32));
            }
        }
        self.chunks.push(facts);
        Ok(())
    }

    /// The facts that a window as of `as_of` or later can hold.
    fn in_reach(&self, facts: Frame, as_of: i64) -> Result<Frame> {
        if self.all {
            return Ok(facts);
        }
        let from = as_of.saturating_sub(longest(&self.view).unwrap_or(0));
        self.known_from(facts, from.saturating_add(1))
    }

    /// The facts that did not come too late.
    fn in_time(&self, facts: Frame) -> Result<Frame> {
        match self.limit {
            None => Ok(facts),
            Some(limit) => self.known_from(facts, limit),
        }
    }

    fn known_from(&self, facts: Frame, from: i64) -> Result<Frame> {
        let known = known_at(&self.view, &facts)?;
        let kept: Vec<u32> = (0..facts.rows() as u32)
            .filter(|row| known[*row as usize].is_some_and(|at| at >= from))
            .collect();
        if kept.len() == facts.rows() {
            return Ok(facts);
        }
        facts.take(&kept)
    }
}

fn row_wise(source: &DataSource) -> Result<RowWise<'_>> {
    RowWise::of(source).map_err(Error::new)
}

fn keys(view: &FeatureView, facts: &Frame) -> Result<Vec<Option<Vec<u8>>>> {
    let columns = view
        .entity
        .keys
        .iter()
        .map(|name| Column::of(facts.column(name)?))
        .collect::<Result<Vec<_>>>()?;
    Ok((0..facts.rows())
        .map(|row| key::of(columns.iter().map(|column| column.value(row))))
        .collect())
}
