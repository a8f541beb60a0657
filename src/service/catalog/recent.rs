//! What windows hold now, of the views that rows are pushed into: kept from the first push on, so that each push is counted
//! at once; forgotten when a materialization comes, and when it is too much to be kept.

use super::Catalog;
use crate::data::Frame;
use crate::data::online::recent::Recent;
use crate::domain::feature_version::ViewVersion;
use crate::domain::{Event, Result};
use crate::service::datasets::{Base, Datasets};
use crate::store::online::{Meta, Pushed};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More bytes than this of one view are read again with the next push.
const KEPT: usize = 128 << 20;

/// By view.
#[derive(Default)]
pub(super) struct Recents(Mutex<HashMap<String, Slot>>);

/// One view's; who counts holds it, so that of two pushes the later one sees the earlier.
type Slot = Arc<Mutex<Option<Held>>>;

struct Held {
    /// The definition's digest.
    definition: String,
    /// The dataset of files behind it.
    base: String,
    /// Segments up to this one are in it; pushes into later ones were added one by one.
    sealed: u32,
    recent: Recent,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Catalog {
    fn slot(&self, view: &str) -> Slot {
        Arc::clone(locked(&self.recents.0).entry(view.to_owned()).or_default())
    }

    /// What rows of a view's dataset are as facts of the view. Fails where an expression does.
    pub(super) fn facts_of(&self, made: &ViewVersion, base: &str, rows: &Frame) -> Result<Frame> {
        let slot = self.slot(&made.view.name);
        let mut held = locked(&slot);
        Ok(self.held(&mut held, made, base)?.recent.facts(rows)?)
    }

    /// Counts the entities of `facts` anew, which were pushed into segment `number` of the dataset `base`.
    pub(super) fn recount(
        &self,
        made: &ViewVersion,
        base: &str,
        facts: Frame,
        number: u32,
    ) -> Result<Pushed> {
        let slot = self.slot(&made.view.name);
        let mut slot = locked(&slot);
        let now = self.core.now().0.saturating_mul(1000);
        let held = self.held(&mut slot, made, base)?;
        let entities = held.recent.entities(&facts)?;
        // another clock may be a little ahead
        let ahead = facts
            .times(&made.view.event_time)?
            .into_iter()
            .flatten()
            .max();
        let as_of = now.max(ahead.unwrap_or(now));
        if number > held.sealed {
            held.recent.add(facts, now)?;
        }
        let pushed = self.put(made, &held.recent, &entities, as_of)?;
        if held.recent.bytes() > KEPT {
            *slot = None;
        }
        Ok(pushed)
    }

    /// Rows of a dataset were pushed into its segment `number` for other views than these: who counts next has them too.
    pub(super) fn remember_for_others(&self, base: &str, rows: &Frame, number: u32, but: &[&str]) {
        let slots = locked(&self.recents.0);
        let others: Vec<Slot> = slots
            .iter()
            .filter(|(view, _)| !but.contains(&view.as_str()))
            .map(|(_, slot)| Arc::clone(slot))
            .collect();
        drop(slots);
        let now = self.core.now().0.saturating_mul(1000);
        for slot in others {
            let mut slot = locked(&slot);
            let Some(held) = slot.as_mut().filter(|held| held.base == base) else {
                continue;
            };
            let added = match number > held.sealed {
                true => held
                    .recent
                    .facts(rows)
                    .and_then(|facts| held.recent.add(facts, now)),
                false => Ok(()),
            };
            if added.is_err() || held.recent.bytes() > KEPT {
                // read again when it is needed
                *slot = None;
            }
        }
    }

    /// After a materialization of a view: what was pushed while it was made is counted on top of it.
    pub(super) fn recount_pushed(&self, made: &ViewVersion) -> Result<()> {
        let slot = self.slot(&made.view.name);
        let mut slot = locked(&slot);
        if slot.take().is_none() {
            return Ok(());
        }
        let Ok(base) = Base::of(made) else {
            return Ok(());
        };
        let held = self.held(&mut slot, made, &base.dataset)?;
        let entities = held.recent.pushed_entities()?;
        if entities.is_empty() {
            return Ok(());
        }
        let as_of = self.core.now().0.saturating_mul(1000);
        self.put(made, &held.recent, &entities, as_of)?;
        self.core.bus.emit(Event::FeaturesChanged {
            view: made.view.name.clone(),
        });
        Ok(())
    }

    fn held<'a>(
        &self,
        slot: &'a mut Option<Held>,
        made: &ViewVersion,
        base: &str,
    ) -> Result<&'a mut Held> {
        if slot
            .as_ref()
            .is_some_and(|held| held.definition != made.digest)
        {
            *slot = None;
        }
        match slot {
            Some(held) => Ok(held),
            None => Ok(slot.insert(self.load(made, base)?)),
        }
    }

    fn load(&self, made: &ViewVersion, base: &str) -> Result<Held> {
        let source = Datasets::new(Arc::clone(&self.core)).source_of(made)?;
        let generation = self.generation(&made.view.name)?;
        let had = generation
            .as_ref()
            .filter(|generation| generation.meta.as_of.is_some())
            .map(|generation| generation.meta.files.as_slice());
        let watermark = generation
            .as_ref()
            .and_then(|generation| generation.meta.known);
        let rows =
            crate::data::row_wise::RowWise::of(&source).map_err(crate::domain::Error::invalid)?;
        let files = rows
            .snapshot
            .files
            .iter()
            .map(|file| file.path.clone().into());
        let sealed = self.core.pushed.end(base, &files.collect::<Vec<_>>());
        let as_of = self.core.now().0.saturating_mul(1000);
        Ok(Held {
            definition: made.digest.clone(),
            base: base.to_owned(),
            sealed: sealed.unwrap_or(0),
            recent: Recent::load(&made.view, &source, had, watermark, as_of)?,
        })
    }

    fn put(
        &self,
        made: &ViewVersion,
        recent: &Recent,
        entities: &[Vec<u8>],
        as_of: i64,
    ) -> Result<Pushed> {
        let values = recent.values(entities, as_of)?;
        if values.header.rows == 0 {
            return Ok(Pushed::default());
        }
        let begin = Meta {
            layout: values.header.layout.clone(),
            ..Meta::default()
        };
        let rows = values.rows()?;
        let windows = values.header.windows;
        self.online_store()?
            .recount(&made.view.name, begin, rows, windows)
    }
}
