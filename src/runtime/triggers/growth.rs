//! Folders that grow: the files of a dataset changed and have settled, so screens that show it look again. Starts nothing,
//! reads no file.

use super::file::{Listing, listing};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Two looks this far apart that see the same sizes and times say that a file is whole.
const SETTLE: Duration = Duration::from_secs(1);

/// The files of one dataset.
pub(super) struct Growth {
    dataset: String,
    pattern: [glob::Pattern; 1],
    /// What was there when it was told last; none before the first look.
    told: Option<Listing>,
    /// Since when it is looked at, and what was seen then.
    pending: Option<(Instant, Listing)>,
}

impl Growth {
    pub(super) fn new(dataset: &str, pattern: glob::Pattern) -> Self {
        Self {
            dataset: dataset.to_owned(),
            pattern: [pattern],
            told: None,
            pending: None,
        }
    }

    pub(super) fn dataset(&self) -> &str {
        &self.dataset
    }

    /// Something changed at these paths.
    pub(super) fn changed(&mut self, paths: &[PathBuf]) {
        if paths.iter().any(|path| self.pattern[0].matches_path(path)) {
            self.rescan();
        }
    }

    /// Anything may have changed.
    pub(super) fn rescan(&mut self) {
        let seen = listing(&self.pattern);
        if self.told.is_none() {
            self.told = Some(seen);
        } else {
            self.pending = Some((Instant::now(), seen));
        }
    }

    /// When to look again.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.pending.as_ref()?.0 + SETTLE)
    }

    /// Whether what is there has settled, and is not what was there before.
    pub(super) fn settled(&mut self) -> bool {
        let Some((since, before)) = self.pending.take() else {
            return false;
        };
        if since.elapsed() < SETTLE {
            self.pending = Some((since, before));
            return false;
        }
        let now = listing(&self.pattern);
        if now != before {
            self.pending = Some((Instant::now(), now));
            return false;
        }
        let is_new = self.told.as_ref() != Some(&now);
        self.told = Some(now);
        is_new
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use super::*;

    fn waited(growth: &mut Growth) {
        if let Some((since, _)) = &mut growth.pending {
            *since = since.checked_sub(SETTLE).unwrap();
        }
    }

    #[test]
    fn a_new_file_is_told_once_it_has_settled() {
        let root = tempfile::tempdir().unwrap();
        std::fs::write(root.path().join("a.csv"), "x\n1\n").unwrap();
        let pattern = glob::Pattern::new(root.path().join("*.csv").to_str().unwrap()).unwrap();
        let mut growth = Growth::new("d", pattern);
        growth.rescan();
        assert!(!growth.settled(), "what was there at the start is known");
        let new = root.path().join("b.csv");
        std::fs::write(root.path().join("b.csv.part"), "x\n").unwrap();
        growth.changed(&[root.path().join("b.csv.part")]);
        assert!(growth.due().is_none());
        std::fs::write(&new, "x\n").unwrap();
        growth.changed(std::slice::from_ref(&new));
        assert!(!growth.settled());
        std::fs::write(&new, "x\n2\n").unwrap();
        waited(&mut growth);
        assert!(!growth.settled(), "it grew between two looks");
        waited(&mut growth);
        assert!(growth.settled());
        growth.rescan();
        waited(&mut growth);
        assert!(!growth.settled(), "nothing changed since it was told");
    }
}
