//! Generations of online values: a materialization writes one beside the one that is read, or brings that up to date, and
//! one transaction makes the outcome current. What no view names any more is removed.

use super::rows::{
    forget, get, meta as meta_of, new_generation, number, page, pushed, put, put_packs, remember,
    remove, set_current, unread,
};
use super::{Generation, Meta, Online, PIECE, Packs, Rows};
use crate::data::online::merge::{self, Rules};
use crate::data::online::{OnlineRow, PUSHED, pack};
use crate::data::segment;
use crate::domain::online::{FileSpan, Since};
use crate::domain::{Error, Result};
use std::path::Path;
use std::sync::PoisonError;

/// Up to this many rows a generation without windows is brought up to date in place, in one transaction; above, and with
/// windows, a new one is written.
const IN_PLACE: u64 = 50_000;

impl Online {
    /// Makes the rows of `packs` (in order of key) the view's values: all of them at once, what was pushed and is newer staying.
    /// Returns how many entities there are now.
    pub fn replace(&self, view: &str, mut meta: Meta, packs: Packs<'_>) -> Result<u64> {
        let _one = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(there) = self.generation(view)?
            && already(&there, &meta)
        {
            return Ok(there.meta.rows);
        }
        self.sweep()?;
        let id = self.begin(view)?;
        meta.rows = self.fill(id, packs)?;
        self.switch(view, id, meta)
    }

    /// Brings the view's values up to date with `rows` (in order of key), which a materialization made that went on from
    /// `since`; sources in them are places in `meta.files`. Returns how many entities there are now.
    ///
    /// # Errors
    /// Conflict when the generation is another one by now.
    pub fn update(
        &self,
        view: &str,
        since: &Since,
        mut meta: Meta,
        count: u64,
        rows: Rows<'_>,
    ) -> Result<u64> {
        let _one = self.taking.lock().unwrap_or_else(PoisonError::into_inner);
        let overtaken = || {
            Error::conflict(format!(
                "feature view `{view}` was materialized by somebody else in between; materialize it again"
            ))
        };
        let there = self.generation(view)?.ok_or_else(overtaken)?;
        if already(&there, &meta) {
            return Ok(there.meta.rows);
        }
        if (there.id, there.revision) != (since.generation, since.revision) {
            return Err(overtaken());
        }
        meta.layout = there.meta.layout.widened(&meta.layout);
        meta.windows.clone_from(&there.meta.windows);
        if meta.empty.is_empty() {
            meta.empty.clone_from(&there.meta.empty);
        }
        let rules = Rules {
            order: order(&meta.files),
            windows: meta.windows.clone(),
            empty: meta.empty.clone(),
        };
        if meta.windows.is_empty() && count <= IN_PLACE {
            return self.in_place(view, &there, meta, rules, rows);
        }
        self.sweep()?;
        let id = self.begin(view)?;
        let merged = Merged {
            online: self,
            generation: there.id,
            rules: &rules,
            page: Vec::new().into_iter(),
            next: None,
            ended: false,
            last: None,
            came: rows,
            coming: None,
            came_ended: false,
        };
        meta.rows = self.fill(id, &mut pack::Packs::of(merged))?;
        self.switch(view, id, meta)
    }

    pub(super) fn begin(&self, view: &str) -> Result<i64> {
        let view = view.to_owned();
        self.store
            .write(move |transaction| new_generation(transaction, &view))
    }

    /// Writes the rows of a generation that nobody reads yet.
    pub(super) fn fill(&self, id: i64, packs: Packs<'_>) -> Result<u64> {
        let mut count = 0;
        loop {
            let (mut piece, mut rows) = (Vec::new(), 0);
            while rows < PIECE
                && let Some(pack) = packs.next()
            {
                let pack = pack?;
                rows += pack::count(&pack)?;
                piece.push(pack);
            }
            if piece.is_empty() {
                return Ok(count);
            }
            count += rows as u64;
            self.store
                .write(move |transaction| put_packs(transaction, id, &piece))?;
        }
    }

    /// Makes generation `id` the one that is read; what was pushed and is newer goes along.
    fn switch(&self, view: &str, id: i64, mut meta: Meta) -> Result<u64> {
        let name = view.to_owned();
        let rows = self.store.write(move |transaction| {
            let before = match number(transaction, &name)? {
                Some(_) => meta_of(transaction, &name)?.layout.names(),
                None => meta.layout.names(),
            };
            if meta.layout.columns.is_empty() {
                meta.layout = match number(transaction, &name)? {
                    Some(_) => meta_of(transaction, &name)?.layout,
                    None => meta.layout,
                };
            }
            let now = meta.layout.names();
            let order = order(&meta.files);
            for mut row in pushed(transaction, &name)? {
                let there = get(transaction, id, &row.key)?;
                if let Some(there) = &there
                    && merge::compare(there, &row, &order).is_ge()
                {
                    forget(transaction, &name, &row.key)?;
                    continue;
                }
                meta.rows += u64::from(there.is_none());
                row.body = merge::renamed(&row.body, &before, &now)?.into_owned();
                remember(transaction, &name, &row)?;
                put(transaction, id, &row)?;
            }
            set_current(transaction, &name, id, 0, &meta)?;
            Ok(meta.rows)
        })?;
        self.sweep()?;
        Ok(rows)
    }

    fn in_place(
        &self,
        view: &str,
        there: &Generation,
        mut meta: Meta,
        rules: Rules,
        rows: Rows<'_>,
    ) -> Result<u64> {
        let came = rows.collect::<Result<Vec<OnlineRow>>>()?;
        let (name, id, revision) = (view.to_owned(), there.id, there.revision);
        meta.rows = there.meta.rows;
        self.store.write(move |transaction| {
            for row in came {
                let Some(old) = get(transaction, id, &row.key)? else {
                    meta.rows += 1;
                    put(transaction, id, &row)?;
                    continue;
                };
                let was_pushed = old.source == PUSHED;
                let met = merge::meet(old, row, &rules)?;
                if was_pushed && met.source != PUSHED {
                    forget(transaction, &name, &met.key)?;
                }
                put(transaction, id, &met)?;
            }
            set_current(transaction, &name, id, revision + 1, &meta)?;
            Ok(meta.rows)
        })
    }

    /// Removes generations that no view names: replaced ones, and those that a crash left unfinished.
    fn sweep(&self) -> Result<()> {
        for id in self.store.read(unread)? {
            self.store
                .write(move |transaction| remove(transaction, id))?;
        }
        Ok(())
    }
}

/// The rows of a generation met by those that came, in order of key.
struct Merged<'a> {
    online: &'a Online,
    generation: i64,
    rules: &'a Rules,
    page: std::vec::IntoIter<OnlineRow>,
    next: Option<OnlineRow>,
    ended: bool,
    last: Option<Vec<u8>>,
    came: Rows<'a>,
    coming: Option<OnlineRow>,
    came_ended: bool,
}

impl Merged<'_> {
    fn look(&mut self) -> Result<()> {
        if self.next.is_none() && !self.ended {
            self.next = self.page.next();
            if self.next.is_none() {
                let (generation, last) = (self.generation, self.last.take());
                let rows = self
                    .online
                    .store
                    .read(|view| page(view, generation, last.as_deref(), PIECE))?;
                self.last = rows.last().map(|row| row.key.clone());
                self.page = rows.into_iter();
                self.next = self.page.next();
                self.ended = self.next.is_none();
            }
        }
        if self.coming.is_none() && !self.came_ended {
            self.coming = self.came.next().transpose()?;
            self.came_ended = self.coming.is_none();
        }
        Ok(())
    }

    fn row(&mut self) -> Result<Option<OnlineRow>> {
        self.look()?;
        Ok(match (self.next.take(), self.coming.take()) {
            (None, None) => None,
            (Some(there), None) => Some(merge::alone(there, self.rules)?),
            (None, Some(came)) => Some(came),
            (Some(there), Some(came)) => Some(match there.key.cmp(&came.key) {
                std::cmp::Ordering::Less => {
                    self.coming = Some(came);
                    merge::alone(there, self.rules)?
                }
                std::cmp::Ordering::Greater => {
                    self.next = Some(there);
                    came
                }
                std::cmp::Ordering::Equal => merge::meet(there, came, self.rules)?,
            }),
        })
    }
}

impl Iterator for Merged<'_> {
    type Item = Result<OnlineRow>;

    fn next(&mut self) -> Option<Self::Item> {
        self.row().transpose()
    }
}

/// Whether this batch is in the generation already.
fn already(there: &Generation, meta: &Meta) -> bool {
    !meta.taken.is_empty() && there.meta.taken == meta.taken
}

/// The place of each file in the dataset: by path, and what was pushed after what was given.
fn order(files: &[FileSpan]) -> Vec<u32> {
    let mut places: Vec<usize> = (0..files.len()).collect();
    places.sort_by_key(|at| {
        let path = &files[*at].stamp.path;
        (segment::is_segment(Path::new(path)), path)
    });
    let mut order = vec![0; files.len()];
    for (rank, at) in places.into_iter().enumerate() {
        order[at] = rank as u32;
    }
    order
}
