//! The online feature values, in a database file of their own: it never blocks tracking.
//!
//! A row is a view's values for one entity, in the form of [`data::online`](crate::data::online). Every row belongs to a
//! generation, and a view names the one that is read: a materialization writes its rows beside the old ones, in pieces, and
//! one transaction makes them current, so that readers see all of the old or all of the new, and a crash leaves either.
//! What is pushed goes into the current generation and is remembered apart, so that the next generation has it too.

mod generations;
mod reads;
mod rows;
#[cfg(test)]
mod tests;

use super::Store;
use crate::data::online::{Layout, OnlineRow, PUSHED, merge};
use crate::domain::Result;
use crate::domain::online::{FileSpan, Since};
use rows::{get, new_generation, number, prepare, put, remember, set_current};
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

/// Rows of one write: others get their turn in between.
const PIECE: usize = 8 * 1024;

/// What a generation is made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// The columns of its rows.
    pub layout: Layout,
    /// The definition that it follows, by its digest.
    pub definition: String,
    /// As of which instant, microseconds; none: only pushed values are in it.
    pub as_of: Option<i64>,
    /// When the newest fact in it was known, microseconds.
    pub known: Option<i64>,
    /// Every file of the dataset; sources of rows are places in this list.
    pub files: Vec<FileSpan>,
    /// The columns that are windows.
    pub windows: Vec<usize>,
    /// A body in which those are as they are without any event.
    pub empty: Vec<u8>,
    /// The batch that was taken in last: taking it in again changes nothing.
    pub taken: String,
    /// Entities, when it was last materialized.
    pub rows: u64,
}

/// A generation as it is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// Its number.
    pub id: i64,
    /// How often it was brought up to date.
    pub revision: i64,
    /// What it is made of.
    pub meta: Meta,
}

impl Generation {
    /// What the next materialization goes on from; none when there is nothing to go on from.
    pub fn since(&self) -> Option<Since> {
        Some(Since {
            generation: self.id,
            revision: self.revision,
            as_of: self.meta.as_of?,
            known: self.meta.known,
            files: self.meta.files.clone(),
        })
    }
}

/// A row as a look-up sees it.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// Event time, microseconds.
    pub event: Option<i64>,
    /// The values.
    pub body: &'a [u8],
}

/// What a look-up asks of one view.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its name.
    pub view: &'a str,
    /// The entities; none: nobody.
    pub keys: &'a [Option<Vec<u8>>],
}

/// What pushing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pushed {
    /// Entities whose values are the pushed ones now.
    pub taken: u64,
    /// Rows that are older than what is there.
    pub older: u64,
}

/// Hears of a look-up's keys: the view's place, its generation, the key's place, and the row if there is one.
pub type See<'a> = dyn FnMut(usize, &Generation, usize, Option<Found<'_>>) -> Result<()> + 'a;

/// Rows that come one after the other, each of which may fail.
pub type Rows<'a> = &'a mut dyn Iterator<Item = Result<OnlineRow>>;

/// The same packed (see [`pack`](crate::data::online::pack)).
pub type Packs<'a> = &'a mut dyn Iterator<Item = Result<Vec<u8>>>;

/// See the module's text.
pub struct Online {
    store: Store,
    current: RwLock<HashMap<String, Arc<Generation>>>,
    /// One materialization at a time is taken in.
    taking: Mutex<()>,
}

impl Online {
    /// Opens or makes the file. One of an older form is made anew: its values come from the next materialization.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self {
            store: Store::open_as(path, prepare)?,
            current: RwLock::default(),
            taking: Mutex::default(),
        })
    }

    /// Puts rows into the view's values where they are newer than what is there, before this returns. `empty` is what the
    /// view begins with when it has no values yet. Rows are of the generation's layout.
    pub fn push(&self, view: &str, empty: Meta, rows: Vec<OnlineRow>) -> Result<Pushed> {
        let name = view.to_owned();
        self.store.write(move |transaction| {
            let generation = begun(transaction, &name, &empty)?;
            let mut pushed = Pushed::default();
            for row in rows {
                let there = get(transaction, generation, &row.key)?;
                // of two facts of one instant the one that came later wins
                if there
                    .is_some_and(|there| (there.event, there.created) > (row.event, row.created))
                {
                    pushed.older += 1;
                    continue;
                }
                pushed.taken += 1;
                remember(transaction, &name, &row)?;
                put(
                    transaction,
                    generation,
                    &OnlineRow {
                        source: PUSHED,
                        ..row
                    },
                )?;
            }
            Ok(pushed)
        })
    }

    /// Puts values in that were counted anew from what is there and what was pushed; `windows`: the places of those that
    /// windows are. Of an entity whose newest fact is another one, or was there before, only the windows change.
    pub fn recount(
        &self,
        view: &str,
        empty: Meta,
        rows: Vec<OnlineRow>,
        windows: Vec<usize>,
    ) -> Result<Pushed> {
        let name = view.to_owned();
        self.store.write(move |transaction| {
            let generation = begun(transaction, &name, &empty)?;
            let mut pushed = Pushed::default();
            for row in rows {
                let row = match get(transaction, generation, &row.key)? {
                    None => Some(row),
                    Some(there) => {
                        let order = (there.event, there.created).cmp(&(row.event, row.created));
                        match (order, row.source) {
                            (Ordering::Less, _) | (Ordering::Equal, PUSHED) => Some(row),
                            _ if windows.is_empty() => None,
                            _ => {
                                let met = merge::with_windows(there, &row.body, &windows)?;
                                if met.source != PUSHED {
                                    pushed.taken += 1;
                                    put(transaction, generation, &met)?;
                                    continue;
                                }
                                Some(met)
                            }
                        }
                    }
                };
                let Some(row) = row else {
                    pushed.older += 1;
                    continue;
                };
                pushed.taken += 1;
                let row = OnlineRow {
                    source: PUSHED,
                    ..row
                };
                remember(transaction, &name, &row)?;
                put(transaction, generation, &row)?;
            }
            Ok(pushed)
        })
    }
}

/// The view's generation; one of nothing but what is pushed is begun when there is none.
fn begun(transaction: &Transaction<'_>, view: &str, empty: &Meta) -> Result<i64> {
    if let Some((id, _)) = number(transaction, view)? {
        return Ok(id);
    }
    let id = new_generation(transaction, view)?;
    set_current(transaction, view, id, 0, empty)?;
    Ok(id)
}
