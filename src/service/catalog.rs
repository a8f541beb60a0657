//! Feature views: what they are (`definitions`, `facets`, `typing`), how a changed file comes into force (`apply`), their
//! newest values (`materialization`, `push`, `recent`, `online`, `demand`), and what screens say of them (`pages`).

mod apply;
mod definitions;
mod demand;
mod facets;
pub mod lookup;
mod materialization;
pub mod online;
mod pages;
pub mod push;
mod recent;
#[cfg(test)]
mod tests;
mod typing;

pub use definitions::{Views, without_daemon};

use super::Core;
use crate::domain::Result;
use crate::store::online::Online;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// See the module's text.
pub struct Catalog {
    core: Arc<Core>,
    online: Mutex<Option<Arc<Online>>>,
    /// The file as it was when it was looked at last: it is read again when it was written since.
    desired: Mutex<pages::Desired>,
    /// Columns of datasets that rows were pushed into.
    columns: Mutex<HashMap<String, push::Known>>,
    look_ups: lookup::LookUps,
    recents: recent::Recents,
}

impl Catalog {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            online: Mutex::default(),
            desired: Mutex::default(),
            columns: Mutex::default(),
            look_ups: lookup::LookUps::default(),
            recents: recent::Recents::default(),
        }
    }

    /// The online store, opened when it is first needed.
    fn online_store(&self) -> Result<Arc<Online>> {
        let mut slot = self.online.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(online) = &*slot {
            return Ok(Arc::clone(online));
        }
        let online = Arc::new(Online::open(&self.core.workspace.online())?);
        *slot = Some(Arc::clone(&online));
        Ok(online)
    }
}
