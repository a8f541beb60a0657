//! Alerts: what a person should look at, raised by monitors and by the guard of pipelines, acknowledged by people.

use super::Core;
use crate::domain::alert::Alert;
use crate::domain::{Error, Event, Result};
use crate::store::audit::{self, AuditLine};
use crate::store::drift as rows;
use std::sync::Arc;

/// See the module's text.
pub struct Alerts {
    core: Arc<Core>,
}

impl Alerts {
    /// On `core`.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Newest first, at most 200.
    pub fn list(&self) -> Result<Vec<Alert>> {
        self.core
            .store
            .read(|connection| rows::alerts(connection, 200))
    }

    /// Raises an alert of `source` and `kind`; while one is open its text is renewed instead. Answers whether it is new.
    pub fn raise(&self, source: &str, kind: &str, text: &str) -> Result<bool> {
        let at = self.core.now();
        let (source, kind, owned) = (source.to_owned(), kind.to_owned(), text.to_owned());
        let new = self
            .core
            .store
            .write(move |transaction| rows::raise(transaction, &source, &kind, &owned, at))?;
        self.core.bus.emit(Event::AlertsChanged);
        if new {
            self.core.bus.emit(Event::Notice {
                at,
                level: "warn".into(),
                text: text.to_owned(),
            });
        }
        Ok(new)
    }

    /// What raised it is over.
    pub fn resolve(&self, source: &str, kind: &str) -> Result<()> {
        let at = self.core.now();
        let (source, kind) = (source.to_owned(), kind.to_owned());
        let changed = self
            .core
            .store
            .write(move |transaction| rows::resolve(transaction, &source, &kind, at))?;
        if changed {
            self.core.bus.emit(Event::AlertsChanged);
        }
        Ok(())
    }

    /// Somebody knows.
    pub fn acknowledge(&self, id: i64, by: &str) -> Result<()> {
        let at = self.core.now();
        let by = by.to_owned();
        let there = self.core.store.write(move |transaction| {
            let there = rows::acknowledge(transaction, id, &by, at)?;
            if there {
                let line = AuditLine {
                    at,
                    by,
                    action: "acknowledge_alert".into(),
                    object: format!("alert:{id}"),
                    detail: String::new(),
                };
                audit::change(transaction, &line, Some("open"), Some("acknowledged"))?;
            }
            Ok(there)
        })?;
        if !there {
            return Err(Error::not_found(format!("there is no alert `{id}`")));
        }
        self.core.bus.emit(Event::AlertsChanged);
        Ok(())
    }

    /// Neither acknowledged nor resolved.
    pub fn open(&self) -> Result<u64> {
        self.core.store.read(rows::open_alerts)
    }
}
