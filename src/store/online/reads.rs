//! Look-ups of online values: of many entities of several views as of one moment, and of a view's first entities.

use super::rows::{found, is_any_pushed, meta, number, page, seek};
use super::{Asked, Found, Generation, Online, PIECE, See};
use crate::data::online::OnlineRow;
use crate::domain::Result;
use rusqlite::Connection;
use std::sync::{Arc, PoisonError};

impl Online {
    /// The generation of a view that is read now.
    pub fn generation(&self, view: &str) -> Result<Option<Arc<Generation>>> {
        self.store.read(|connection| self.current(connection, view))
    }

    fn current(&self, connection: &Connection, view: &str) -> Result<Option<Arc<Generation>>> {
        let Some((id, revision)) = number(connection, view)? else {
            return Ok(None);
        };
        let held = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(generation) = held.get(view)
            && (generation.id, generation.revision) == (id, revision)
        {
            return Ok(Some(Arc::clone(generation)));
        }
        drop(held);
        let generation = Arc::new(Generation {
            id,
            revision,
            meta: meta(connection, view)?,
        });
        let mut held = self.current.write().unwrap_or_else(PoisonError::into_inner);
        held.insert(view.to_owned(), Arc::clone(&generation));
        Ok(Some(generation))
    }

    /// Looks up entities of several views, all as of one moment. `see` hears of every key of every view, in order: the
    /// view's place, its generation, the key's place, and the row if there is one. Views without values are passed over.
    pub fn look_up(&self, asked: &[Asked<'_>], see: &mut See<'_>) -> Result<()> {
        self.store.read(|connection| {
            for (place, one) in asked.iter().enumerate() {
                let Some(generation) = self.current(connection, one.view)? else {
                    continue;
                };
                let mut statement = seek(connection, generation.id)?;
                for (at, key) in one.keys.iter().enumerate() {
                    let Some(key) = key else {
                        see(place, &generation, at, None)?;
                        continue;
                    };
                    let mut rows = statement.query([key])?;
                    let found = match rows.next()? {
                        None => None,
                        Some(row) => found(row, key)?,
                    };
                    let found = found.map(|row| Found {
                        event: row.event,
                        body: row.body,
                    });
                    see(place, &generation, at, found)?;
                }
            }
            Ok(())
        })
    }

    /// Whether a view has values that were pushed and that no file has.
    pub fn is_any_pushed(&self, view: &str) -> Result<bool> {
        self.store
            .read(|connection| is_any_pushed(connection, view))
    }

    /// All entities of a view in order of key, some at a time and all as of one moment. `see` hears of the generation they are of
    /// and of those. Of a view without values it hears nothing.
    pub fn pages(
        &self,
        view: &str,
        see: &mut dyn FnMut(&Generation, &[OnlineRow]) -> Result<()>,
    ) -> Result<()> {
        self.store.read(|connection| {
            let Some(generation) = self.current(connection, view)? else {
                return Ok(());
            };
            let mut last: Option<Vec<u8>> = None;
            loop {
                let rows = page(connection, generation.id, last.as_deref(), PIECE)?;
                let Some(row) = rows.last() else {
                    return Ok(());
                };
                last = Some(row.key.clone());
                see(&generation, &rows)?;
            }
        })
    }

    /// The first entities of a view by key, and the generation they are of.
    pub fn some(
        &self,
        view: &str,
        limit: u32,
    ) -> Result<Option<(Arc<Generation>, Vec<OnlineRow>)>> {
        self.store.read(|connection| {
            let Some(generation) = self.current(connection, view)? else {
                return Ok(None);
            };
            let rows = page(connection, generation.id, None, limit as usize)?;
            Ok(Some((generation, rows)))
        })
    }
}
