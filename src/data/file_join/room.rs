//! Memory as something that threads wait for: who needs much works while the others need little.

use std::sync::{Condvar, Mutex, PoisonError};

/// Bytes that parts share.
pub(super) struct Room {
    whole: u64,
    free: Mutex<u64>,
    freed: Condvar,
}

impl Room {
    pub(super) fn of(whole: u64) -> Self {
        Self {
            whole,
            free: Mutex::new(whole),
            freed: Condvar::new(),
        }
    }

    /// Waits until `bytes` are free; more than there are: until all are.
    pub(super) fn held(&self, bytes: u64) -> Held<'_> {
        let bytes = bytes.min(self.whole);
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let mut free = (self.freed)
            .wait_while(free, |free| *free < bytes)
            .unwrap_or_else(PoisonError::into_inner);
        *free -= bytes;
        Held { room: self, bytes }
    }
}

/// Bytes of a [`Room`], until it is dropped.
pub(super) struct Held<'a> {
    room: &'a Room,
    bytes: u64,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *(self.room.free.lock()).unwrap_or_else(PoisonError::into_inner) += self.bytes;
        self.room.freed.notify_all();
    }
}
