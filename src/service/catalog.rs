//! Feature views: what they are (`definitions`), their newest values (`online`), and what screens say of them (`pages`).

mod definitions;
mod online;
mod pages;

use super::Core;
use crate::domain::Result;
use crate::store::online::Online;
use std::sync::{Arc, Mutex, PoisonError};

/// See the module's text.
pub struct Catalog {
    core: Arc<Core>,
    online: Mutex<Option<Arc<Online>>>,
}

impl Catalog {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self {
            core,
            online: Mutex::default(),
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
